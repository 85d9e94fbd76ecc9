//! The versions of one key's row, each from its time until the next one's.
//!
//! In the log they are an arena. In memory each stands alone, so that the version of a time is found by halves, and those that nobody
//! asks for any more go from the front.
//!
//! Invariants:
//! 1. Times rise, and each is there once.

use std::collections::VecDeque;

use yeoul_operator::OperatorError;
use yeoul_state::Stored;
use yeoul_state::log::Corrupt;

use crate::arena::{Arena, grown};

/// The mark of versions that are none.
const DELETED: u32 = 1;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Versions {
    held: VecDeque<Version>,
    /// What they take as an arena.
    bytes: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    from: i64,
    /// From then on there is no row.
    is_deleted: bool,
    row: Box<[u8]>,
}

impl Versions {
    /// Puts a version in its place, perhaps that of another of its time, and lets go of those that no row after `passed` asks for.
    /// Returns false if no such row asks for this one.
    ///
    /// # Errors
    /// One key's rows take more than 4 GiB.
    pub(super) fn put(&mut self, from: i64, is_deleted: bool, row: &[u8], passed: i64) -> Result<bool, OperatorError> {
        if self.until(passed).next_back().is_some_and(|seen| from < seen.from) {
            return Ok(false);
        }
        let place = self.held.partition_point(|version| version.from < from);
        let equal = self.held.get(place).filter(|version| version.from == from);
        let others = self.bytes - equal.map_or(0, Version::bytes);
        self.bytes = grown(others, row.len())?;
        let version = Version { from, is_deleted, row: row.into() };
        if equal.is_some() {
            self.held[place] = version;
        } else {
            // Most keys have one version: its place is all that is taken.
            if self.held.capacity() == 0 {
                self.held.reserve_exact(1);
            }
            self.held.insert(place, version);
        }
        self.prune(passed);
        Ok(true)
    }

    /// The row as it was at a time; none if there was none, or it is no longer known.
    pub(super) fn at(&self, time: i64) -> Option<&[u8]> {
        self.until(time).next_back().filter(|version| !version.is_deleted).map(|version| &*version.row)
    }

    /// Whether it is known what the row was at a time.
    pub(super) fn reaches(&self, time: i64) -> bool {
        self.held.front().is_some_and(|first| first.from <= time)
    }

    /// Whether at least half of them would go.
    pub(super) fn is_half_gone(&self, passed: i64) -> bool {
        let gone = self.until(passed).len().saturating_sub(1);
        gone > 0 && gone * 2 >= self.held.len()
    }

    /// Lets go of those that no row after `passed` asks for: all before the last at or before it.
    pub(super) fn prune(&mut self, passed: i64) {
        let gone = self.until(passed).len().saturating_sub(1);
        self.bytes -= self.held.drain(..gone).map(|version| version.bytes()).sum::<usize>();
        if self.held.len() * 4 < self.held.capacity() {
            self.held.shrink_to(self.held.len() * 2);
        }
    }

    /// There is no row any more, for any that comes after `passed`.
    pub(super) fn is_over(&self, passed: i64) -> bool {
        self.held.back().is_none_or(|last| last.is_deleted && last.from <= passed)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Those that began at or before a time.
    fn until(&self, time: i64) -> std::collections::vec_deque::Iter<'_, Version> {
        self.held.range(..self.held.partition_point(|version| version.from <= time))
    }
}

impl Version {
    fn bytes(&self) -> usize {
        Arena::HEAD + self.row.len()
    }
}

impl Stored for Versions {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self::default()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        (self.bytes as u32).encode(out);
        for version in &self.held {
            Arena::encode_entry(version.from, if version.is_deleted { DELETED } else { 0 }, &version.row, out);
        }
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let arena = Arena::decode(bytes)?;
        let mut versions = Self { held: VecDeque::with_capacity(arena.iter().count()), bytes: 0 };
        for entry in arena.iter() {
            if let Some(last) = versions.held.back().filter(|last| last.from >= entry.time) {
                return Err(Corrupt::new(format!(
                    "a version from {} on stands behind one from {}",
                    entry.time, last.from
                )));
            }
            let version = Version { from: entry.time, is_deleted: entry.mark == DELETED, row: entry.row.into() };
            versions.bytes += version.bytes();
            versions.held.push_back(version);
        }
        Ok(versions)
    }

    fn heap_bytes(&self) -> usize {
        self.held.capacity() * size_of::<Version>() + self.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All of them as text: `from:row`, `from:-` where the row was deleted.
    fn shown(versions: &Versions) -> String {
        let one = |version: &Version| match version.is_deleted {
            true => format!("{}:-", version.from),
            false => format!("{}:{}", version.from, String::from_utf8_lossy(&version.row)),
        };
        versions.held.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    /// Puts versions `from:row` while `passed` has passed, and compares all with what is then there, and those that are refused.
    fn check(passed: i64, before: &str, puts: &str, expected: &str, refused: &str) {
        let (mut versions, mut no) = (Versions::default(), vec![]);
        for (passed, text) in [(i64::MIN, before), (passed, puts)] {
            for put in text.split_whitespace() {
                let (from, row) = put.split_once(':').unwrap();
                if !versions.put(from.parse().unwrap(), row == "-", row.as_bytes(), passed).unwrap() {
                    no.push(put);
                }
            }
        }
        assert_eq!((shown(&versions).as_str(), no.join(" ").as_str()), (expected, refused));
        let mut bytes = Vec::new();
        versions.encode(&mut bytes);
        assert_eq!(bytes.len(), 4 + versions.bytes);
        assert_eq!(Versions::decode(&mut &bytes[..]), Ok(versions));
    }

    #[test]
    fn a_version_takes_its_place_and_those_before_the_last_that_has_passed_go() {
        check(i64::MIN, "", "5:a 3:b 9:c 5:d 7:-", "3:b 5:d 7:- 9:c", "");
        check(6, "3:b 5:d 9:c", "4:x 5:y 6:z", "6:z 9:c", "4:x");
        check(100, "", "7:a 6:b 8:-", "8:-", "6:b");
        check(4, "5:a", "3:b", "3:b 5:a", "");
    }

    #[test]
    fn bytes_whose_times_do_not_rise_are_refused() {
        for times in [[5, 5], [5, 4]] {
            let mut arena = Arena::default();
            for time in times {
                arena.push(time, 0, b"a").unwrap();
            }
            let mut bytes = Vec::new();
            arena.encode(&mut bytes);
            let error = Versions::decode(&mut &bytes[..]).unwrap_err().to_string();
            assert!(error.contains("stands behind"), "{error}");
        }
    }

    #[test]
    fn what_was_deleted_is_over_once_that_has_passed() {
        let mut versions = Versions::default();
        versions.put(5, false, b"a", i64::MIN).unwrap();
        versions.put(7, true, b"a", i64::MIN).unwrap();
        assert_eq!([6, 7].map(|passed| versions.is_over(passed)), [false, true]);
        assert_eq!([6, 7].map(|passed| versions.is_half_gone(passed)), [false, true]);
        assert_eq!([4, 5, 6, 7].map(|time| versions.at(time)), [None, Some(&b"a"[..]), Some(&b"a"[..]), None]);
        assert_eq!([4, 5, 9].map(|time| versions.reaches(time)), [false, true, true]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// For every row after what has passed, the version is the one that a map of all of them has.
        #[test]
        fn rows_see_the_last_version_before_them(puts in prop::collection::vec((0..30_i64, any::<bool>(), 0..3_i64), 0..60)) {
            let (mut versions, mut all, mut passed) = (Versions::default(), std::collections::BTreeMap::new(), -1);
            for (at, (from, is_deleted, step)) in puts.into_iter().enumerate() {
                passed += step / 2;
                let row = at.to_le_bytes();
                let took = versions.put(from, is_deleted, &row, passed).unwrap();
                if took {
                    all.insert(from, (!is_deleted).then_some(row));
                }
                prop_assert_eq!(took, all.range(..=passed).next_back().is_none_or(|(seen, _)| from >= *seen));
                if versions.is_half_gone(passed) {
                    versions.prune(passed);
                }
                for time in passed + 1..32 {
                    let expected = all.range(..=time).next_back().and_then(|(_, row)| row.as_ref());
                    prop_assert_eq!(versions.at(time), expected.map(|row| &row[..]));
                }
            }
        }
    }
}
