//! How an output differs from what it should be: rows lost, duplicated, different.
//!
//! Invariants:
//! 1. Equal multisets of rows have no difference, whatever their order.
//! 2. Each expected row without its equal is lost or different, each observed one without its equal is duplicated or different.

use std::collections::BTreeMap;
use std::fmt;

use crate::row::Row;

/// The differences between two multisets of rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Expected, and nothing there in their place.
    pub lost: Vec<Row>,
    /// Expected, but there more often.
    pub duplicated: Vec<Row>,
    /// There in place of an expected row with the same identity, or (expected: `None`) not expected at all.
    pub different: Vec<(Option<Row>, Row)>,
}

impl Difference {
    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lost.is_empty() && self.duplicated.is_empty() && self.different.is_empty()
    }

    /// Adds the differences of another part of the output.
    pub fn extend(&mut self, other: Self) {
        self.lost.extend(other.lost);
        self.duplicated.extend(other.duplicated);
        self.different.extend(other.different);
    }
}

/// Compares rows of which the first `identity` cells say what the row is about (key and window, say), and the others what it says.
#[must_use]
pub fn compare(expected: &[Row], observed: &[Row], identity: usize) -> Difference {
    let mut by_identity: BTreeMap<&[i64], (Vec<&Row>, Vec<&Row>)> = BTreeMap::new();
    for row in expected {
        by_identity.entry(identity_of(row, identity)).or_default().0.push(row);
    }
    for row in observed {
        by_identity.entry(identity_of(row, identity)).or_default().1.push(row);
    }
    let mut difference = Difference::default();
    for (mut expected, mut observed) in by_identity.into_values() {
        expected.sort_unstable();
        observed.sort_unstable();
        let known: Vec<&Row> = expected.clone();
        cancel(&mut expected, &mut observed);
        let mut missing = expected.into_iter();
        for row in observed {
            if known.contains(&row) {
                difference.duplicated.push(row.clone());
            } else {
                difference.different.push((missing.next().cloned(), row.clone()));
            }
        }
        difference.lost.extend(missing.cloned());
    }
    difference
}

/// Places where rows of one key are out of order: pairs of (earlier, later) row in the order given, of which the later one has the
/// smaller cell `order`. The rows are in the order in which a reader meets them.
#[must_use]
pub fn out_of_order(rows: &[Row], key: usize, order: usize) -> Vec<(Row, Row)> {
    let mut last: BTreeMap<Option<i64>, &Row> = BTreeMap::new();
    let mut found = Vec::new();
    for row in rows {
        if let Some(before) = last.insert(row.cells().get(key).copied(), row)
            && before.cells().get(order) > row.cells().get(order)
        {
            found.push((before.clone(), row.clone()));
        }
    }
    found
}

fn identity_of(row: &Row, cells: usize) -> &[i64] {
    &row.cells()[..cells.min(row.cells().len())]
}

/// Removes pairs of equal rows from two sorted lists.
fn cancel(one: &mut Vec<&Row>, other: &mut Vec<&Row>) {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let (mut a, mut b) = (one.drain(..).peekable(), other.drain(..).peekable());
    loop {
        match (a.peek(), b.peek()) {
            (Some(x), Some(y)) if x == y => {
                a.next();
                b.next();
            }
            (Some(x), Some(y)) if x < y => left.extend(a.next()),
            (Some(_), None) => left.extend(a.next()),
            (_, Some(_)) => right.extend(b.next()),
            (None, None) => break,
        }
    }
    drop((a, b));
    (*one, *other) = (left, right);
}

impl fmt::Display for Difference {
    /// The counts, and the first few of each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        write!(
            f,
            "lost {}, duplicated {}, different {}",
            self.lost.len(),
            self.duplicated.len(),
            self.different.len()
        )?;
        for row in self.lost.iter().take(SHOWN) {
            write!(f, "\n  lost       {row}")?;
        }
        for row in self.duplicated.iter().take(SHOWN) {
            write!(f, "\n  duplicated {row}")?;
        }
        for (expected, observed) in self.different.iter().take(SHOWN) {
            match expected {
                Some(expected) => write!(f, "\n  different  {observed}, expected {expected}")?,
                None => write!(f, "\n  different  {observed}, expected nothing")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expected: &[[i64; 2]], observed: &[[i64; 2]], text: &str) {
        let rows = |rows: &[[i64; 2]]| rows.iter().map(|cells| Row::of(*cells)).collect::<Vec<_>>();
        assert_eq!(compare(&rows(expected), &rows(observed), 1).to_string(), text);
    }

    #[test]
    fn each_kind_of_difference_is_told() {
        check(&[[1, 5], [2, 6]], &[[2, 6], [1, 5]], "lost 0, duplicated 0, different 0");
        check(&[[1, 5], [2, 6]], &[[2, 6]], "lost 1, duplicated 0, different 0\n  lost       1,5");
        check(&[[1, 5]], &[[1, 5], [1, 5]], "lost 0, duplicated 1, different 0\n  duplicated 1,5");
        check(&[[1, 5]], &[[1, 6]], "lost 0, duplicated 0, different 1\n  different  1,6, expected 1,5");
        check(&[], &[[1, 6]], "lost 0, duplicated 0, different 1\n  different  1,6, expected nothing");
    }

    #[test]
    fn a_window_fired_in_two_parts_is_told_as_such() {
        let text =
            "lost 0, duplicated 0, different 2\n  different  1,1, expected 1,3\n  different  1,2, expected nothing";
        check(&[[1, 3]], &[[1, 1], [1, 2]], text);
    }

    #[test]
    fn equal_rows_are_counted() {
        check(&[[1, 5], [1, 5]], &[[1, 5]], "lost 1, duplicated 0, different 0\n  lost       1,5");
    }

    #[test]
    fn order_is_checked_per_key() {
        let rows = [[1, 10], [2, 5], [1, 11], [2, 4]].map(Row::of);
        assert_eq!(out_of_order(&rows, 0, 1), [(Row::of([2, 5]), Row::of([2, 4]))]);
    }
}
