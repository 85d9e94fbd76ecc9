//! State with a time to live, in processing time.
//!
//! When a record is processed is the schedule's affair, so the job tells it: each row is `key, id, now, count`. Given the times the
//! counts are determined.

use std::collections::BTreeMap;

use crate::row::Row;

/// What the counts should be, given the rows' own times: 1 for a key's first record and for each that comes `ttl` milliseconds or
/// more after the one before it (last written at `t`, state is gone at `t + ttl`), else one more than before.
///
/// Rows of a key are taken in the order given: the order in which they were emitted.
#[must_use]
pub fn expected_counts(rows: &[Row], ttl: i64) -> Vec<Row> {
    let mut last: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    let mut expected = Vec::with_capacity(rows.len());
    for row in rows {
        let &[key, id, now, _] = row.cells() else {
            // Not a row of this job; the comparison with it will say so.
            expected.push(Row::of([0; 4]));
            continue;
        };
        let count = match last.get(&key) {
            Some((at, count)) if now < at + ttl => count + 1,
            _ => 1,
        };
        last.insert(key, (now, count));
        expected.push(Row::of([key, id, now, count]));
    }
    expected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_starts_anew_when_its_state_has_expired() {
        let rows = [[1, 0, 100, 1], [1, 1, 109, 2], [2, 2, 110, 1], [1, 3, 119, 3], [1, 4, 128, 2]].map(Row::of);
        let expected = [[1, 0, 100, 1], [1, 1, 109, 2], [2, 2, 110, 1], [1, 3, 119, 1], [1, 4, 128, 2]].map(Row::of);
        assert_eq!(expected_counts(&rows, 10), expected);
    }
}
