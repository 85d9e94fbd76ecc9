//! A block's 64-byte header: what its records are, and the place, epoch and run for which they were written.
//!
//! Pure encoding; whether a header may be believed is for [`BlockView`](super::BlockView) to decide.

use yeoul_frame::{Epoch, ShardId};

use super::address::{LogAddress, MAX_SEGMENT_BYTES, RunId, SegmentId};
use super::corrupt::Corrupt;

/// `YLB1` as it stands in the file: a block of format version 1.
pub const MAGIC: u32 = u32::from_le_bytes(*b"YLB1");
/// Bytes of a block's header.
pub const HEADER_BYTES: usize = 64;
/// Blocks, and the values of records of variable width, start at multiples of this, so that archived values can be
/// read where they lie.
pub const ALIGN: usize = 16;
/// A block is closed before it grows past this; only a single record that is larger makes a larger block.
pub const BLOCK_BYTES: usize = 64 * 1024;
/// The largest record (key and value together, or one part of an operator's state).
pub const MAX_RECORD_BYTES: usize = MAX_SEGMENT_BYTES as usize / 2;
/// The width that stands for "records carry their own lengths".
pub(crate) const VARIABLE: u32 = u32::MAX;

/// What a block's records do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BlockKind {
    /// Each record sets a key's value.
    Put = 1,
    /// Each record removes a key: a tombstone.
    Delete = 2,
    /// Removes all keys of the block's table and namespace. No records.
    DropNamespace = 3,
    /// One named piece of an operator's own state.
    OperatorState = 4,
    /// Output that a sink sealed at the epoch's barrier.
    SealedOutput = 5,
}

impl BlockKind {
    const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Put,
            2 => Self::Delete,
            3 => Self::DropNamespace,
            4 => Self::OperatorState,
            5 => Self::SealedOutput,
            _ => return None,
        })
    }

    /// Whether the block belongs to a keyed table.
    #[must_use]
    pub const fn is_keyed(self) -> bool {
        matches!(self, Self::Put | Self::Delete | Self::DropNamespace)
    }
}

/// How a table's records are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// `key | value`, each of a fixed number of bytes, and nothing else.
    Fixed {
        /// Bytes of a key, at least one.
        key: u32,
        /// Bytes of a value.
        value: u32,
    },
    /// `key length u32 | value length u32 | key | zeros up to a multiple of 16 from the segment's start | value`.
    Variable,
}

impl Layout {
    /// The widest record that is laid out without lengths.
    pub const MAX_FIXED: usize = 4096;

    /// The layout for keys and values of these encoded widths (`None`: they differ from one to the next).
    #[must_use]
    pub fn of(key: Option<usize>, value: Option<usize>) -> Self {
        match (key, value) {
            (Some(key), Some(value)) if key > 0 && key.saturating_add(value) <= Self::MAX_FIXED => {
                Self::Fixed { key: key as u32, value: value as u32 }
            }
            _ => Self::Variable,
        }
    }

    /// The bytes that a record takes in the log: exactly for fixed widths, and up to padding for variable ones.
    #[must_use]
    pub const fn record_bytes(self, key_len: usize, value_len: usize) -> usize {
        match self {
            Self::Fixed { key, value } => (key + value) as usize,
            Self::Variable => 8 + key_len + value_len,
        }
    }
}

/// A block's header, decoded. The fields' places are in `docs/format.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockHeader {
    /// Bytes of payload, without header and padding.
    pub payload: u32,
    /// What the records do.
    pub kind: BlockKind,
    /// The shard that wrote it.
    pub shard: ShardId,
    /// Where it was written.
    pub address: LogAddress,
    /// The epoch to whose snapshot it belongs.
    pub epoch: Epoch,
    /// The run that wrote it.
    pub run: RunId,
    /// The table or the operator.
    pub owner: u64,
    /// The table's namespace, or the sequence number of sealed output.
    pub namespace: i64,
    /// Width of keys, or length of an operator state's name, or the subtask that sealed output, and above that how many shards there were.
    pub first: u32,
    /// Width of values, or the part's number with its "more follows" bit.
    pub second: u32,
}

/// Set in a part's number when more parts of the same state or output follow.
pub(crate) const MORE_PARTS: u32 = 1 << 31;

impl BlockHeader {
    /// Bytes of the whole block: header, payload and padding.
    #[must_use]
    pub const fn block_bytes(payload: usize) -> usize {
        (HEADER_BYTES + payload).next_multiple_of(ALIGN)
    }

    /// The header as it stands on disk; the checksum is left zero.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[0..4].copy_from_slice(&MAGIC.to_le_bytes());
        out[8..12].copy_from_slice(&self.payload.to_le_bytes());
        out[12] = self.kind as u8;
        out[14..16].copy_from_slice(&self.shard.0.to_le_bytes());
        out[16..20].copy_from_slice(&self.address.segment().0.to_le_bytes());
        out[20..24].copy_from_slice(&self.address.offset().to_le_bytes());
        out[24..32].copy_from_slice(&self.epoch.0.to_le_bytes());
        out[32..40].copy_from_slice(&self.run.0.to_le_bytes());
        out[40..48].copy_from_slice(&self.owner.to_le_bytes());
        out[48..56].copy_from_slice(&self.namespace.to_le_bytes());
        out[56..60].copy_from_slice(&self.first.to_le_bytes());
        out[60..64].copy_from_slice(&self.second.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, Corrupt> {
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let u64_at = |at: usize| (u64::from(u32_at(at + 4)) << 32) | u64::from(u32_at(at));
        let kind = BlockKind::from_byte(bytes[12]).ok_or_else(|| {
            Corrupt::new(format!("a block's kind is {}, which this version does not know", bytes[12]))
        })?;
        let (segment, offset) = (SegmentId(u32_at(16)), u32_at(20));
        if segment > SegmentId::MOST || offset >= MAX_SEGMENT_BYTES {
            return Err(Corrupt::new(format!("a block names the impossible place {segment}, offset {offset}")));
        }
        if bytes[13] != 0 {
            return Err(Corrupt::new(format!(
                "a block has the flags {:#x}, of which this version knows none",
                bytes[13]
            )));
        }
        Ok(Self {
            payload: u32_at(8),
            kind,
            shard: ShardId(u16::from_le_bytes([bytes[14], bytes[15]])),
            address: LogAddress::new(segment, offset),
            epoch: Epoch(u64_at(24)),
            run: RunId(u64_at(32)),
            owner: u64_at(40),
            namespace: u64_at(48) as i64,
            first: u32_at(56),
            second: u32_at(60),
        })
    }
}

/// The two width fields of a keyed block's header.
pub(crate) const fn widths(kind: BlockKind, layout: Layout) -> (u32, u32) {
    match (kind, layout) {
        (BlockKind::DropNamespace, _) => (0, 0),
        (BlockKind::Delete, Layout::Fixed { key, .. }) => (key, 0),
        (_, Layout::Fixed { key, value }) => (key, value),
        (_, Layout::Variable) => (VARIABLE, VARIABLE),
    }
}
