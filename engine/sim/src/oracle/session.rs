//! Session windows: runs of records of one key with gaps shorter than a limit.

use std::collections::BTreeMap;

use super::window::key_cell;
use crate::row::Row;
use crate::workload::Event;

/// Count and sum per key and session, as rows `key, start, end, count, sum`; the end is the last time plus `gap`. As in Flink two
/// records are in one session if their times differ by no more than `gap`: windows `[t, t + gap)` merge when they touch.
pub fn sessions<'a>(events: impl IntoIterator<Item = &'a Event>, gap: i64) -> Vec<Row> {
    let mut times: BTreeMap<u64, Vec<(i64, i64)>> = BTreeMap::new();
    for event in events {
        times.entry(event.key).or_default().push((event.time, event.value));
    }
    let mut rows = Vec::new();
    for (key, mut records) in times {
        records.sort_unstable();
        for session in records.chunk_by(|(before, _), (after, _)| after - before <= gap) {
            let (start, end) = (session[0].0, session[session.len() - 1].0 + gap);
            let sum = session.iter().map(|(_, value)| value).sum();
            rows.push(Row::of([key_cell(key), start, end, session.len() as i64, sum]));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_when_the_gap_is_exceeded() {
        let event = |key, time| Event { id: 0, key, time, value: 1 };
        let events = [event(1, 30), event(1, 0), event(1, 10), event(2, 5), event(1, 41)];
        let expected = [[1, 0, 20, 2, 2], [1, 30, 40, 1, 1], [1, 41, 51, 1, 1], [2, 5, 15, 1, 1]].map(Row::of);
        assert_eq!(sessions(&events, 10), expected);
        assert_eq!(sessions(&events, 20).len(), 2);
    }
}
