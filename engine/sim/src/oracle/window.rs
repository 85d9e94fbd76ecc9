//! Tumbling and sliding windows.

use std::collections::BTreeMap;

use crate::row::Row;
use crate::workload::Event;

/// Count and sum per key and window, as rows `key, start, end, count, sum`. Windows start at multiples of `slide` and are `size`
/// milliseconds long; tumbling ones have `slide == size`. A window without records gives no row.
///
/// # Panics
/// If `size` or `slide` is not positive.
pub fn windows<'a>(events: impl IntoIterator<Item = &'a Event>, size: i64, slide: i64) -> Vec<Row> {
    assert!(size > 0 && slide > 0, "windows of {size} ms every {slide} ms");
    let mut sums: BTreeMap<(u64, i64), (i64, i64)> = BTreeMap::new();
    for event in events {
        for start in starts(event.time, size, slide) {
            let (count, sum) = sums.entry((event.key, start)).or_default();
            *count += 1;
            *sum += event.value;
        }
    }
    let row = |((key, start), (count, sum))| Row::of([key_cell(key), start, start + size, count, sum]);
    sums.into_iter().map(row).collect()
}

/// The starts of the windows that hold a time, latest first.
pub fn starts(time: i64, size: i64, slide: i64) -> impl Iterator<Item = i64> {
    let last = time - time.rem_euclid(slide);
    (0..).map(move |back| last - back * slide).take_while(move |start| time < start + size)
}

/// A key as a cell: generated keys are below 2⁴⁸.
pub(crate) fn key_cell(key: u64) -> i64 {
    i64::try_from(key).expect("generated keys fit")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(key: u64, time: i64, value: i64) -> Event {
        Event { id: 0, key, time, value }
    }

    #[test]
    fn tumbling_windows_hold_their_start_and_not_their_end() {
        let events = [event(1, 0, 5), event(1, 9, 6), event(1, 10, 7), event(1, -1, 8), event(2, 3, 1)];
        let expected = [[1, -10, 0, 1, 8], [1, 0, 10, 2, 11], [1, 10, 20, 1, 7], [2, 0, 10, 1, 1]].map(Row::of);
        assert_eq!(windows(&events, 10, 10), expected);
    }

    #[test]
    fn a_record_is_in_each_sliding_window_that_holds_it() {
        assert_eq!(starts(12, 10, 5).collect::<Vec<_>>(), [10, 5]);
        assert_eq!(starts(10, 10, 5).collect::<Vec<_>>(), [10, 5]);
        assert_eq!(starts(-1, 10, 4).collect::<Vec<_>>(), [-4, -8]);
        assert_eq!(starts(0, 10, 3).collect::<Vec<_>>(), [0, -3, -6, -9]);
        let rows = windows(&[event(1, 12, 5)], 10, 5);
        assert_eq!(rows, [[1, 5, 15, 1, 5], [1, 10, 20, 1, 5]].map(Row::of));
    }

    #[test]
    fn windows_further_apart_than_their_size_leave_gaps() {
        assert_eq!(starts(7, 5, 10).count(), 0);
    }
}
