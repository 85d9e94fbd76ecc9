//! A join of two inputs through map state.

use std::collections::BTreeMap;

use super::window::key_cell;
use crate::row::Row;
use crate::workload::Event;

/// Each pair of a left and a right record with the same key in the same bucket of `bucket` milliseconds, as rows
/// `key, left id, right id, left value * right value`.
///
/// The job: keep each record in a map by its id, under its key and bucket; emit its pairs with what the other side has so far; clear
/// the bucket by a timer at its end.
pub fn pairs<'a>(
    left: impl IntoIterator<Item = &'a Event>,
    right: impl IntoIterator<Item = &'a Event>,
    bucket: i64,
) -> Vec<Row> {
    let place = |event: &Event| (event.key, event.time.div_euclid(bucket));
    let mut kept: BTreeMap<(u64, i64), Vec<&Event>> = BTreeMap::new();
    for event in right {
        kept.entry(place(event)).or_default().push(event);
    }
    let mut rows = Vec::new();
    for left in left {
        for right in kept.get(&place(left)).into_iter().flatten() {
            let ids = (left.id.cast_signed(), right.id.cast_signed());
            rows.push(Row::of([key_cell(left.key), ids.0, ids.1, left.value * right.value]));
        }
    }
    rows.sort_unstable();
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_pair_within_key_and_bucket() {
        let event = |id, key, time, value| Event { id, key, time, value };
        let left = [event(1, 7, 0, 2), event(2, 7, 10, 3), event(3, 8, 0, 4)];
        let right = [event(4, 7, 9, 5), event(5, 7, 1, 6), event(6, 9, 0, 1), event(7, 7, -1, 1)];
        assert_eq!(pairs(&left, &right, 10), [[7, 1, 4, 10], [7, 1, 5, 12]].map(Row::of));
    }
}
