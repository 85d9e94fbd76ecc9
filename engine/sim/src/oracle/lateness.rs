//! Which records may be late.
//!
//! Whether a record beyond the bound is late depends on when watermarks were emitted, so on the schedule. What can be said for all
//! schedules: the watermark that an operator has when a record arrives is at most the one of the record's own source at that moment,
//! since merging takes the minimum. So a record above its own source's watermark is on time under every schedule.

use std::collections::BTreeSet;

use super::window::starts;
use crate::workload::Event;

/// The ids of the records that some schedule makes late for all their windows. A source's watermark is its greatest time so far
/// minus `bound` minus 1; a window is late when the watermark has reached its last millisecond.
#[must_use]
pub fn may_be_late(sources: &[Vec<Event>], bound: i64, size: i64, slide: i64) -> BTreeSet<u64> {
    let mut ids = BTreeSet::new();
    for source in sources {
        let mut watermark = i64::MIN;
        for event in source {
            if starts(event.time, size, slide).all(|start| start + size - 1 <= watermark) {
                ids.insert(event.id);
            }
            watermark = watermark.max(event.time - bound - 1);
        }
    }
    ids
}

/// As [`may_be_late`], where who is idle holds nobody back, be it a source or an instance that reads a part of one: a record may be late
/// for whatever anyone has said before, and the furthest that anyone ever says is where the records of a source bring it.
#[must_use]
pub fn may_be_late_beside_idle(sources: &[Vec<Event>], bound: i64, size: i64, slide: i64) -> BTreeSet<u64> {
    let all = || sources.iter().flatten();
    let watermark = all().map(|event| event.time - bound - 1).max().unwrap_or(i64::MIN);
    let late = |event: &&Event| starts(event.time, size, slide).all(|start| start + size - 1 <= watermark);
    all().filter(late).map(|event| event.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_an_idle_source_a_record_may_be_late_for_the_others() {
        let event = |id, time| Event { id, key: 0, time, value: 0 };
        // The first source gets to 19: what is in windows that end before 20 may be late, wherever it is read.
        let sources = [vec![event(1, 1), event(2, 22)], vec![event(3, 5), event(4, 11), event(5, 20)]];
        assert_eq!(may_be_late(&sources, 2, 10, 10), BTreeSet::new());
        assert_eq!(may_be_late_beside_idle(&sources, 2, 10, 10), BTreeSet::from([1, 3, 4]));
        assert_eq!(may_be_late_beside_idle(&sources, 3, 10, 10), BTreeSet::from([1, 3]));
    }

    #[test]
    fn a_record_may_be_late_once_its_source_has_passed_its_window() {
        let event = |id, time| Event { id, key: 0, time, value: 0 };
        // After time 22 with bound 2 the watermark is 19: the window from 10 to 20 is closed.
        let sources = [vec![event(1, 22), event(2, 19), event(3, 20)], vec![event(4, 21), event(5, 19)]];
        assert_eq!(may_be_late(&sources, 2, 10, 10), BTreeSet::from([2]));
        assert_eq!(may_be_late(&sources, 2, 10, 5), BTreeSet::from([]));
    }
}
