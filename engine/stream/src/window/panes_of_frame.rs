//! Sorts a frame's records into their panes.
//!
//! In event-time order, or nearly, most frames lie in one pane or a few runs of them, and a run is a range of positions: nothing is
//! gathered. Only where panes alternate are positions listed.

use yeoul_frame::{Frame, Indices, Timestamp};

use crate::window::grid::Grid;

/// A frame with more runs than this is gathered by pane.
const MOST_RUNS: usize = 4;

/// Row numbers by position in the selection.
#[derive(Clone, Copy)]
pub(crate) enum RowNumbers<'a> {
    /// The first row's; the others follow.
    Span(u32),
    List(&'a [u32]),
}

impl<'a> RowNumbers<'a> {
    pub(crate) fn of(frame: &'a Frame) -> Self {
        match frame.indices() {
            Indices::Span(rows) => Self::Span(rows.start),
            Indices::List(rows) => Self::List(rows.as_slice()),
        }
    }

    #[inline(always)]
    pub(crate) fn at(self, position: usize) -> u32 {
        match self {
            Self::Span(start) => start + position as u32,
            Self::List(rows) => rows[position],
        }
    }
}

/// Records of one pane: positions in the frame's selection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Group<'a> {
    Run(std::ops::Range<usize>),
    List(&'a [u32]),
}

impl<'a> Group<'a> {
    pub(crate) fn positions(&self) -> impl Iterator<Item = usize> + use<'a> {
        let (run, list) = match self {
            Self::Run(run) => (run.clone(), &[][..]),
            Self::List(list) => (0..0, *list),
        };
        run.chain(list.iter().map(|&position| position as usize))
    }
}

/// The positions of a frame by pane. Keeps its memory from frame to frame.
#[derive(Default)]
pub(crate) struct PanesOfFrame {
    runs: Vec<(i64, std::ops::Range<usize>)>,
    /// By pane, in ascending order; only the first `used` are of this frame.
    lists: Vec<(i64, Vec<u32>)>,
    used: usize,
}

impl PanesOfFrame {
    /// Sorts the records. None: a record has no event time.
    pub(crate) fn sort(&mut self, grid: &Grid, rows: RowNumbers<'_>, len: usize, times: &[Timestamp]) -> Option<()> {
        self.runs.clear();
        self.used = 0;
        let time_at = |position: usize| times[rows.at(position) as usize];
        let mut position = 0;
        while position < len {
            let start = position;
            let first = time_at(start);
            if first == Timestamp::MIN {
                return None;
            }
            let pane = grid.pane_of(first.0);
            let within = |time: Timestamp| (time.0.wrapping_sub(pane) as u64) < grid.pane_size() as u64;
            position += 1;
            while position < len && within(time_at(position)) {
                position += 1;
            }
            if self.runs.len() == MOST_RUNS {
                return self.gather(grid, len, time_at);
            }
            self.runs.push((pane, start..position));
        }
        Some(())
    }

    /// All records are in one pane.
    pub(crate) fn whole(&mut self, pane: i64, len: usize) {
        self.runs.clear();
        self.used = 0;
        self.runs.push((pane, 0..len));
    }

    fn gather(&mut self, grid: &Grid, len: usize, time_at: impl Fn(usize) -> Timestamp) -> Option<()> {
        self.runs.clear();
        // The list that the last record went to: records come in runs even where panes alternate.
        let mut last = 0;
        for position in 0..len {
            let time = time_at(position);
            let same = self.lists[..self.used]
                .get(last)
                .is_some_and(|(pane, _)| (time.0.wrapping_sub(*pane) as u64) < grid.pane_size() as u64);
            if !same {
                if time == Timestamp::MIN {
                    return None;
                }
                let pane = grid.pane_of(time.0);
                last = match self.lists[..self.used].binary_search_by_key(&pane, |(pane, _)| *pane) {
                    Ok(at) => at,
                    Err(at) => {
                        self.open_list(at, pane);
                        at
                    }
                };
            }
            self.lists[last].1.push(position as u32);
        }
        Some(())
    }

    /// Puts an empty list at `at`, from those that are not used.
    fn open_list(&mut self, at: usize, pane: i64) {
        if self.used == self.lists.len() {
            self.lists.push((pane, Vec::new()));
        }
        self.lists[self.used].0 = pane;
        self.lists[self.used].1.clear();
        self.lists[at..=self.used].rotate_right(1);
        self.used += 1;
    }

    /// The records by pane. A pane may come in several runs; its records come in the order of the frame.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (i64, Group<'_>)> {
        let runs = self.runs.iter().map(|(pane, run)| (*pane, Group::Run(run.clone())));
        let lists = self.lists[..self.used].iter().map(|(pane, list)| (*pane, Group::List(list)));
        runs.chain(lists)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use yeoul_frame::Timestamp as T;

    fn check(times: &[i64], expected: &[(i64, &[usize])]) {
        let times: Vec<T> = times.iter().copied().map(T).collect();
        let mut panes = PanesOfFrame::default();
        // Twice: memory of the frame before must not show.
        for _ in 0..2 {
            panes.sort(&Grid::new(10, 10), RowNumbers::Span(0), times.len(), &times).unwrap();
            let found: Vec<(i64, Vec<usize>)> = panes
                .groups()
                .map(|(pane, group)| match group {
                    Group::Run(run) => (pane, run.collect()),
                    Group::List(list) => (pane, list.iter().map(|&position| position as usize).collect()),
                })
                .collect();
            let expected: Vec<_> = expected.iter().map(|(pane, positions)| (*pane, positions.to_vec())).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn runs_stay_ranges_and_alternating_panes_are_gathered() {
        check(&[], &[]);
        check(&[1, 2, 9], &[(0, &[0, 1, 2])]);
        check(&[1, 12, 13, 2], &[(0, &[0]), (10, &[1, 2]), (0, &[3])]);
        check(&[11, 2, 13, -4, 15, 6, 25], &[(-10, &[3]), (0, &[1, 5]), (10, &[0, 2, 4]), (20, &[6])]);
    }

    #[test]
    fn a_record_without_event_time_is_noticed() {
        let times = [T(1), T::MIN];
        assert_eq!(PanesOfFrame::default().sort(&Grid::new(10, 10), RowNumbers::Span(0), 2, &times), None);
    }
}
