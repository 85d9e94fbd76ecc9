//! Splits of one file: what they are called, which bytes they stand for, and which of them are left to read.
//!
//! A split is the records that start in one range of [`split_size`](FileId) bytes. Its id is the file's id plus its
//! number, so that consecutive splits go to consecutive shards. Neither depends on the number of shards.
//!
//! Invariants:
//! 1. Split `n` of a file stands for the bytes from `n × size` up to `(n + 1) × size`, or the file's end.
//! 2. In [`Remaining`], a split is in one place: among those not begun, among those begun, or done.

use std::collections::BTreeMap;

use yeoul_frame::hash_bytes;
use yeoul_operator::{SplitId, Subtask};

/// Names a file across restarts: a stable hash of its path, as the user wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileId(pub(crate) u64);

impl FileId {
    /// The id of the file at this path.
    pub(crate) fn of(path: &str) -> Self {
        // The top bit stays free, so that ids of splits do not wrap round: `owner` would skip a shard there.
        Self(hash_bytes(path.as_bytes()).0 >> 1)
    }

    /// The id of a split.
    pub(crate) fn split(self, number: u64) -> SplitId {
        SplitId(self.0 + number)
    }
}

/// How a file falls into splits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Splitting {
    /// Bytes in a split; [`WHOLE`](Self::WHOLE) for a file that cannot be entered in its middle.
    pub(crate) size: u64,
    /// The file's length.
    pub(crate) len: u64,
}

impl Splitting {
    /// The size of the only split of a file that is not divided.
    pub(crate) const WHOLE: u64 = u64::MAX;

    /// How many splits there are. An empty file has one if it is not divided (a compressed file is never empty), else none.
    pub(crate) fn count(self) -> u64 {
        if self.size == Self::WHOLE { 1 } else { self.len.div_ceil(self.size) }
    }

    /// The bytes of a split.
    pub(crate) fn range(self, number: u64) -> std::ops::Range<u64> {
        let start = number.saturating_mul(self.size);
        start..start.saturating_add(self.size).min(self.len)
    }
}

/// What is left to read of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// All of it.
    Whole,
    /// What follows this offset in the file (in its decompressed bytes).
    From(u64),
    /// Nothing.
    Nothing,
}

/// Splits `first`, `first + step`, …, `count` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) first: u64,
    pub(crate) step: u64,
    pub(crate) count: u64,
}

impl Run {
    fn contains(self, number: u64) -> bool {
        number >= self.first
            && (number - self.first).is_multiple_of(self.step)
            && (number - self.first) / self.step < self.count
    }
}

/// What one instance has left to read of one file. Its size does not grow with the file: splits of one instance lie a
/// fixed step apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Remaining {
    /// Not begun.
    pub(crate) runs: Vec<Run>,
    /// Begun: the split's number and the offset to go on from.
    pub(crate) begun: BTreeMap<u64, u64>,
}

impl Remaining {
    /// What `subtask` has to read of a file, given what is left of each split.
    pub(crate) fn of(file: FileId, splitting: Splitting, subtask: Subtask, left: impl Fn(u64) -> Left) -> Self {
        let mut remaining = Self::default();
        for number in 0..splitting.count() {
            if file.split(number).owner(subtask.parallelism) == subtask.index {
                match left(number) {
                    Left::Whole => remaining.add(number),
                    Left::From(offset) => _ = remaining.begun.insert(number, offset),
                    Left::Nothing => {}
                }
            }
        }
        remaining
    }

    fn add(&mut self, number: u64) {
        match self.runs.last_mut() {
            Some(run) if run.count == 1 => *run = Run { first: run.first, step: number - run.first, count: 2 },
            Some(run) if run.first + run.count * run.step == number => run.count += 1,
            _ => self.runs.push(Run { first: number, step: 1, count: 1 }),
        }
    }

    /// What is left of a split.
    pub(crate) fn left(&self, number: u64) -> Left {
        match self.begun.get(&number) {
            Some(&offset) => Left::From(offset),
            None if self.runs.iter().any(|run| run.contains(number)) => Left::Whole,
            None => Left::Nothing,
        }
    }

    /// Nothing is left.
    pub(crate) fn is_done(&self) -> bool {
        self.runs.is_empty() && self.begun.is_empty()
    }

    /// Takes the split to read next, the first by number, out of what is left, with the offset to go on from if it was begun.
    pub(crate) fn take_next(&mut self) -> Option<(u64, Option<u64>)> {
        let begun = self.begun.first_key_value().map(|(&number, _)| number);
        let whole = self.runs.iter().enumerate().min_by_key(|(_, run)| run.first).map(|(at, run)| (run.first, at));
        match (begun, whole) {
            (Some(number), whole) if whole.is_none_or(|(first, _)| number < first) => {
                self.begun.pop_first().map(|(number, offset)| (number, Some(offset)))
            }
            (_, Some((number, at))) => {
                let run = &mut self.runs[at];
                (run.first, run.count) = (run.first + run.step, run.count - 1);
                if run.count == 0 {
                    self.runs.remove(at);
                }
                Some((number, None))
            }
            (_, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subtask(index: u16, parallelism: u16) -> Subtask {
        Subtask { index, parallelism }
    }

    #[test]
    fn every_split_has_one_owner_and_runs_stay_short() {
        let file = FileId::of("data/events.ndjson");
        let splitting = Splitting { size: 16, len: 1000 };
        assert_eq!(splitting.count(), 63);
        for parallelism in 1..=7 {
            let mut seen = vec![0; 63];
            for index in 0..parallelism {
                let mut mine = Remaining::of(file, splitting, subtask(index, parallelism), |_| Left::Whole);
                assert!(mine.runs.len() <= 1);
                let mut last = None;
                while let Some((number, None)) = mine.take_next() {
                    assert!(last < Some(number), "in order");
                    last = Some(number);
                    seen[number as usize] += 1;
                }
                assert!(mine.is_done());
            }
            assert_eq!(seen, [1; 63], "{parallelism} instances");
        }
    }

    #[test]
    fn consecutive_splits_go_to_consecutive_shards() {
        let file = FileId::of("x");
        let owners: Vec<u16> = (0..9).map(|number| file.split(number).owner(3)).collect();
        assert!(owners.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 3), "{owners:?}");
    }

    #[test]
    fn ranges_cover_the_file() {
        let splitting = Splitting { size: 10, len: 25 };
        assert_eq!((0..splitting.count()).map(|n| splitting.range(n)).collect::<Vec<_>>(), [0..10, 10..20, 20..25]);
        assert_eq!(Splitting { size: 10, len: 0 }.count(), 0);
        let whole = Splitting { size: Splitting::WHOLE, len: 25 };
        assert_eq!((whole.count(), whole.range(0)), (1, 0..25));
    }

    #[test]
    fn what_was_taken_is_no_longer_left() {
        let file = FileId::of("x");
        let left = |number| match number {
            2 => Left::From(25),
            4 => Left::Nothing,
            _ => Left::Whole,
        };
        let mut mine = Remaining::of(file, Splitting { size: 10, len: 60 }, subtask(0, 1), left);
        for number in 0..6 {
            assert_eq!(mine.left(number), left(number), "split {number}");
        }
        let order: Vec<_> = std::iter::from_fn(|| mine.take_next()).collect();
        assert_eq!(order, [(0, None), (1, None), (2, Some(25)), (3, None), (5, None)]);
        assert_eq!(mine, Remaining::default());
    }
}
