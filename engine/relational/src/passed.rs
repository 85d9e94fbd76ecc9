//! Up to when event time has passed for a key: what decides whether a row is late.
//!
//! Event time passes by watermarks. After a restore, keys may come from subtasks that were at different watermarks; until the watermark
//! has caught up, a key is judged by what had passed where it was.
//!
//! Invariants:
//! 1. For no key does it go back, restores included.

use std::ops::Range;

use yeoul_frame::{KeyGroups, KeyHash};
use yeoul_operator::{OpenContext, OperatorError, Snapshot, Subtask};

/// Its name in a snapshot.
const NAME: &str = "passed";

/// Up to when event time has passed.
#[derive(Debug)]
pub(crate) struct Passed {
    all: i64,
    /// Key groups that are further than all, and how far.
    ahead: Vec<(Range<u16>, i64)>,
    groups: KeyGroups,
    is_restored: bool,
}

impl Passed {
    pub(crate) fn new() -> Self {
        Self { all: i64::MIN, ahead: Vec::new(), groups: KeyGroups::DEFAULT, is_restored: false }
    }

    pub(crate) fn open(&mut self, cx: &OpenContext<'_>) {
        self.groups = cx.key_groups;
    }

    /// For all keys.
    pub(crate) fn all(&self) -> i64 {
        self.all
    }

    /// For keys of this hash.
    #[inline]
    pub(crate) fn of(&self, hash: KeyHash) -> i64 {
        if self.ahead.is_empty() {
            return self.all;
        }
        let group = self.groups.of(hash).0;
        let ahead = self.ahead.iter().filter(|(range, _)| range.contains(&group)).map(|(_, passed)| *passed);
        ahead.max().unwrap_or(i64::MIN).max(self.all)
    }

    /// Event time has passed up to `time`.
    pub(crate) fn advance(&mut self, time: i64) {
        self.all = self.all.max(time);
        self.ahead.retain(|(_, passed)| *passed > self.all);
    }

    pub(crate) fn snapshot(&self, snapshot: &mut Snapshot<'_>) {
        let mut bytes = self.all.to_le_bytes().to_vec();
        for (range, passed) in &self.ahead {
            bytes.extend_from_slice(&range.start.to_le_bytes());
            bytes.extend_from_slice(&range.end.to_le_bytes());
            bytes.extend_from_slice(&passed.to_le_bytes());
        }
        snapshot.state(NAME, bytes);
    }

    pub(crate) fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        let wrong = || {
            OperatorError::new(format!("{} bytes of state '{name}' are not this operator's", bytes.len()))
                .hint("start from a savepoint of the same plan")
        };
        let (all, ahead) = bytes.split_first_chunk::<8>().filter(|_| name == NAME).ok_or_else(wrong)?;
        let (ahead, rest) = ahead.as_chunks::<12>();
        if !rest.is_empty() {
            return Err(wrong());
        }
        let all = i64::from_le_bytes(*all);
        self.all = if self.is_restored { self.all.min(all) } else { all };
        self.is_restored = true;
        self.ahead.push((self.groups.range(from.index, from.parallelism), all));
        for [a, b, c, d, passed @ ..] in ahead {
            self.ahead.push((u16::from_le_bytes([*a, *b])..u16::from_le_bytes([*c, *d]), i64::from_le_bytes(*passed)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use yeoul_frame::hash_u64;

    #[test]
    fn keys_are_judged_by_where_they_were_until_all_have_caught_up() {
        let mut passed = Passed::new();
        for (index, time) in [(0, 100_i64), (1, 90)] {
            passed.restore(NAME, Subtask { index, parallelism: 2 }, &time.to_le_bytes()).unwrap();
        }
        let of =
            |passed: &Passed| (0..64).map(|key| passed.of(hash_u64(key))).collect::<std::collections::BTreeSet<_>>();
        assert_eq!((passed.all(), of(&passed)), (90, [90, 100].into()));
        passed.advance(95);
        assert_eq!(of(&passed), [95, 100].into());
        passed.advance(100);
        assert_eq!(of(&passed), [100].into());
        passed.advance(7);
        assert_eq!(passed.all(), 100);
        assert!(passed.restore("other", Subtask { index: 0, parallelism: 1 }, &[]).is_err());
    }
}
