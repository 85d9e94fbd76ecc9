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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_may_be_late_once_its_source_has_passed_its_window() {
        let event = |id, time| Event { id, key: 0, time, value: 0 };
        // After time 22 with bound 2 the watermark is 19: the window from 10 to 20 is closed.
        let sources = [vec![event(1, 22), event(2, 19), event(3, 20)], vec![event(4, 21), event(5, 19)]];
        assert_eq!(may_be_late(&sources, 2, 10, 10), BTreeSet::from([2]));
        assert_eq!(may_be_late(&sources, 2, 10, 5), BTreeSet::from([]));
    }
}
