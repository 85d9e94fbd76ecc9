//! Up to when windows have fired: for all keys, and for those that are ahead.
//!
//! Subtasks may be at different watermarks when a snapshot is taken, so keys that one subtask has after a restore may have fired further
//! than others. They are ahead until the others have caught up.
//!
//! Invariants:
//! 1. For no key does it go back, however many restores there are before all have caught up: what is ahead is part of every snapshot.

use std::ops::Range;

use yeoul_frame::{KeyGroups, KeyHash};
use yeoul_operator::{OpenContext, OperatorError, Snapshot, Subtask};

/// Its name in a snapshot: an `i64`, then for each range of key groups that is ahead its first group and the one after its last as `u16` and
/// its time as `i64`; all little-endian.
const FIRED: &str = "fired";

/// Up to when windows have fired.
#[derive(Debug)]
pub(super) struct Fired {
    all: i64,
    /// Key groups that have fired further than all, and how far.
    ahead: Vec<(Range<u16>, i64)>,
    groups: KeyGroups,
    /// This subtask's own.
    own: Range<u16>,
    is_restored: bool,
}

impl Fired {
    pub(super) fn new() -> Self {
        let groups = KeyGroups::DEFAULT;
        Self { all: i64::MIN, ahead: Vec::new(), groups, own: 0..groups.count(), is_restored: false }
    }

    pub(super) fn open(&mut self, cx: &OpenContext<'_>) {
        self.groups = cx.key_groups;
        self.own = cx.key_groups.range(cx.subtask.index, cx.subtask.parallelism);
    }

    /// For all keys.
    pub(super) fn all(&self) -> i64 {
        self.all
    }

    /// For whichever key has fired furthest.
    pub(super) fn furthest(&self) -> i64 {
        self.ahead.iter().map(|(_, fired)| *fired).fold(self.all, i64::max)
    }

    pub(super) fn any_ahead(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// For keys of this hash.
    #[inline]
    pub(super) fn of(&self, hash: KeyHash) -> i64 {
        if self.ahead.is_empty() {
            return self.all;
        }
        let group = self.groups.of(hash).0;
        let of_group = self.ahead.iter().filter(|(range, _)| range.contains(&group));
        of_group.map(|(_, fired)| *fired).fold(self.all, i64::max)
    }

    /// All windows up to `time` have fired.
    pub(super) fn advance(&mut self, time: i64) {
        self.all = self.all.max(time);
        self.ahead.retain(|(_, fired)| *fired > self.all);
    }

    pub(super) fn snapshot(&self, snapshot: &mut Snapshot<'_>) {
        let mut bytes = self.all.to_le_bytes().to_vec();
        for (groups, fired) in self.ahead.iter().filter(|(_, fired)| *fired > self.all) {
            bytes.extend(groups.start.to_le_bytes().into_iter().chain(groups.end.to_le_bytes()));
            bytes.extend(fired.to_le_bytes());
        }
        snapshot.state(FIRED, bytes);
    }

    pub(super) fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        let (fired, ahead) = read(name, bytes)?;
        let own = |groups: &Range<u16>| groups.start.max(self.own.start)..groups.end.min(self.own.end);
        let all = self.groups.range(from.index, from.parallelism);
        // Keys that it does not have hold it back as little as they are its concern.
        if own(&all).is_empty() {
            return Ok(());
        }
        let restored = std::iter::once((all, fired)).chain(ahead).map(|(groups, fired)| (own(&groups), fired));
        self.ahead.extend(restored.filter(|(groups, _)| !groups.is_empty()));
        self.all = if self.is_restored { self.all.min(fired) } else { fired };
        self.is_restored = true;
        Ok(())
    }
}

fn read(name: &str, bytes: &[u8]) -> Result<(i64, Vec<(Range<u16>, i64)>), OperatorError> {
    let parts = || {
        let (fired, mut rest) = bytes.split_first_chunk().filter(|_| name == FIRED)?;
        let mut ahead = Vec::new();
        while !rest.is_empty() {
            let (start, after) = rest.split_first_chunk()?;
            let (end, after) = after.split_first_chunk()?;
            let (fired, after) = after.split_first_chunk()?;
            ahead.push((u16::from_le_bytes(*start)..u16::from_le_bytes(*end), i64::from_le_bytes(*fired)));
            rest = after;
        }
        Some((i64::from_le_bytes(*fired), ahead))
    };
    parts().ok_or_else(|| {
        OperatorError::new(format!("{} bytes of state '{name}' are not a window operator's", bytes.len()))
            .hint("start from a savepoint of the same plan")
    })
}
