//! A keyed process with map state and event-time timers.

use std::collections::BTreeMap;

use super::window::key_cell;
use crate::row::Row;
use crate::workload::Event;

/// For each key and each period in which it has a record, a row `key, end of the period, total`: the sum of all its values with a
/// time before that end.
///
/// The job: on a record, add its value to the map entry of its period and register a timer at `end - 1`; on the timer, take the
/// period's entry out of the map, add it to the total and emit. Timers of a key fire in order of time, so totals are determined.
pub fn running_totals<'a>(events: impl IntoIterator<Item = &'a Event>, period: i64) -> Vec<Row> {
    let mut sums: BTreeMap<(u64, i64), i64> = BTreeMap::new();
    for event in events {
        let end = event.time - event.time.rem_euclid(period) + period;
        *sums.entry((event.key, end)).or_default() += event.value;
    }
    let mut totals: BTreeMap<u64, i64> = BTreeMap::new();
    let mut rows = Vec::new();
    for ((key, end), sum) in sums {
        let total = totals.entry(key).or_default();
        *total += sum;
        rows.push(Row::of([key_cell(key), end, *total]));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_run_over_the_periods_of_a_key() {
        let event = |key, time, value| Event { id: 0, key, time, value };
        let events = [event(1, 25, 4), event(1, 0, 1), event(2, 9, 7), event(1, 9, 2), event(1, -1, 100)];
        let expected = [[1, 0, 100], [1, 10, 103], [1, 30, 107], [2, 10, 7]].map(Row::of);
        assert_eq!(running_totals(&events, 10), expected);
    }
}
