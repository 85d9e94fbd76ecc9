//! Which panes the rows of a frame reach with the times of their partners, so that no other is looked at: rows of one key may be days apart.

/// The panes that rows of a group reach, from the first to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reach {
    pub(super) group: u32,
    pub(super) first: i64,
    pub(super) last: i64,
}

impl Reach {
    /// What rows reach together: by group and in order, each pane once.
    pub(super) fn all(of_rows: impl Iterator<Item = Self>) -> Vec<Self> {
        let mut all: Vec<Self> = of_rows.collect();
        all.sort_unstable();
        all.dedup_by(|next, before| {
            let meets = next.group == before.group && next.first <= before.last.saturating_add(1);
            if meets {
                before.last = before.last.max(next.last);
            }
            meets
        });
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rows: &[(u32, i64, i64)], expected: &[(u32, i64, i64)]) {
        let of = |&(group, first, last): &(u32, i64, i64)| Reach { group, first, last };
        assert_eq!(Reach::all(rows.iter().map(of)), expected.iter().map(of).collect::<Vec<_>>(), "{rows:?}");
    }

    #[test]
    fn panes_are_reached_once_and_what_lies_between_is_not() {
        check(&[], &[]);
        check(&[(0, 4, 5), (0, 1, 2), (0, 2, 3)], &[(0, 1, 5)]);
        check(&[(0, 1, 9), (0, 2, 3)], &[(0, 1, 9)]);
        // A day apart.
        check(&[(0, 337_500, 337_501), (0, 0, 1)], &[(0, 0, 1), (0, 337_500, 337_501)]);
        // Keys are apart however near their times are.
        check(&[(1, 5, 5), (0, 5, 5), (1, 6, 6), (1, -3, -2)], &[(0, 5, 5), (1, -3, -2), (1, 5, 6)]);
        check(&[(0, 1, i64::MAX), (0, i64::MIN, 0)], &[(0, i64::MIN, i64::MAX)]);
    }
}
