//! What is counted in batches or windows of the clock: which records are in one together is the schedule's affair, the totals are not.

use std::collections::BTreeMap;

use super::window::key_cell;
use crate::row::Row;
use crate::workload::Event;

/// For each key a row `key, count, sum` of all its records, each counted `times` times: in that many windows.
pub fn counts<'a>(events: impl IntoIterator<Item = &'a Event>, times: i64) -> Vec<Row> {
    totals(
        &events.into_iter().map(|event| Row::of([key_cell(event.key), times, times * event.value])).collect::<Vec<_>>(),
    )
}

/// Rows `key, count, sum` added up by key, sorted. A row that is none stays as it is; so does one that counts nothing.
#[must_use]
pub fn totals(rows: &[Row]) -> Vec<Row> {
    let mut totals: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    let mut others = Vec::new();
    for row in rows {
        match row.cells() {
            &[key, count, sum] if count > 0 => {
                let total = totals.entry(key).or_default();
                *total = (total.0 + count, total.1 + sum);
            }
            _ => others.push(row.clone()),
        }
    }
    let totals = totals.into_iter().map(|(key, (count, sum))| Row::of([key, count, sum]));
    others.into_iter().chain(totals).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_add_up_and_what_is_no_batch_stays() {
        let event = |key, value| Event { id: 0, key, time: 0, value };
        let expected = counts(&[event(1, 5), event(2, 7), event(1, -1)], 1);
        assert_eq!(expected, [[1, 2, 4], [2, 1, 7]].map(Row::of));
        assert_eq!(totals(&[[1, 1, -1], [2, 1, 7], [1, 1, 5]].map(Row::of)), expected);
        assert_eq!(totals(&[[1, 2, 4], [2, 1, 7], [3, 0, 0]].map(Row::of)).len(), 3);
        assert_eq!(counts(&[event(1, 5)], 2), [Row::of([1, 2, 10])]);
    }
}
