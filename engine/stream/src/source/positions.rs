//! What an instance of a user's source notes in a snapshot: each of its splits, and how far it was read.
//!
//! ```text
//! u8 version = 1 │ u32 count │ for each: u64 id │ u8 stage (0 waits, 1 begun, 2 ended) │ split │ position, of stage 1
//! ```
//!
//! Integers are little-endian; split and position are each `u32` length and archive.

use yeoul_operator::{OperatorError, SplitId};
use yeoul_state::Stored;
use yeoul_state::log::Corrupt;

use crate::StateRecord;
use crate::owned_state::{put, take};

/// The name of the state in a snapshot.
pub(super) const STATE: &str = "splits";
const VERSION: u8 = 1;

/// How far a split was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Noted<P> {
    /// Not begun.
    Waits,
    /// Up to here.
    Begun(P),
    /// To its end.
    Ended,
}

/// The stage's number in a snapshot.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(super) enum Stage {
    Waits = 0,
    Begun = 1,
    Ended = 2,
}

/// Puts the state together.
pub(super) struct Notes {
    bytes: Vec<u8>,
    count: u32,
}

impl Notes {
    pub(super) fn new() -> Self {
        Self { bytes: vec![VERSION, 0, 0, 0, 0], count: 0 }
    }

    /// A split that is not begun, or has ended.
    pub(super) fn add<S: StateRecord>(&mut self, id: SplitId, split: &S, stage: Stage) {
        self.count += 1;
        id.0.encode(&mut self.bytes);
        self.bytes.push(stage as u8);
        put(split, &mut self.bytes);
    }

    /// A split that was read up to a position.
    pub(super) fn add_begun<S: StateRecord, P: StateRecord>(&mut self, id: SplitId, split: &S, position: &P) {
        self.add(id, split, Stage::Begun);
        put(position, &mut self.bytes);
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes[1..5].copy_from_slice(&self.count.to_le_bytes());
        self.bytes
    }
}

/// Reads what an instance noted.
pub(super) fn read<S: StateRecord, P: StateRecord>(
    name: &str,
    bytes: &[u8],
) -> Result<Vec<(SplitId, S, Noted<P>)>, OperatorError> {
    let refused = |why: &dyn std::fmt::Display| {
        OperatorError::new(format!(
            "{} bytes of state '{name}' are not the positions of this source's splits: {why}",
            bytes.len()
        ))
        .hint("give the operator that wrote it its old uid, and leave the types of split and position as they were")
        .permanent()
    };
    if name != STATE {
        return Err(refused(&"they have another name"));
    }
    entries(bytes).map_err(|error| refused(&error))
}

fn entries<S: StateRecord, P: StateRecord>(mut bytes: &[u8]) -> Result<Vec<(SplitId, S, Noted<P>)>, Corrupt> {
    let bytes = &mut bytes;
    let version = u8::decode(bytes)?;
    if version != VERSION {
        return Err(Corrupt::new(format!("they are of version {version}, which is not {VERSION}")));
    }
    let count = u32::decode(bytes)?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let id = SplitId(u64::decode(bytes)?);
        let stage = u8::decode(bytes)?;
        let split = take(bytes)?;
        let noted = match stage {
            0 => Noted::Waits,
            1 => Noted::Begun(take(bytes)?),
            2 => Noted::Ended,
            other => return Err(Corrupt::new(format!("split {} is in stage {other}, which there is not", id.0))),
        };
        entries.push((id, split, noted));
    }
    if bytes.is_empty() { Ok(entries) } else { Err(Corrupt::new(format!("{} bytes are too many", bytes.len()))) }
}
