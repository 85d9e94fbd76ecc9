//! What a pane is, by the kind of windows, and the rows of a frame by pane.

use std::ops::Range;

use yeoul_frame::Timestamp;

use super::grid::Grid;
use super::{Window, WindowTime};

/// What a namespace of the panes is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Panework {
    /// A pane that several windows share.
    Shared(Grid),
    /// A window, named by its end: its distinct values are its own.
    Each(Grid),
    /// A window that rows bring along, named by its end.
    Given,
}

impl Panework {
    /// Of windows of which each keeps its own distinct values, if `is_distinct`.
    pub(crate) fn of(window: Window, time: WindowTime, is_distinct: bool) -> Self {
        match (time, Grid::of(window)) {
            (WindowTime::Windowed { .. }, _) | (_, None) => Self::Given,
            (_, Some(grid)) if is_distinct && !grid.is_tumbling() => Self::Each(grid),
            (_, Some(grid)) => Self::Shared(grid),
        }
    }

    fn pane_of(self, time: i64) -> i64 {
        match self {
            Self::Shared(grid) | Self::Each(grid) => grid.pane_of(time),
            Self::Given => time,
        }
    }

    #[inline]
    fn is_in(self, pane: i64, time: i64) -> bool {
        match self {
            Self::Shared(grid) | Self::Each(grid) => grid.is_in(pane, time),
            Self::Given => pane == time,
        }
    }

    /// The ends of the first and the last window of a pane; the first is after the last where windows leave a gap.
    pub(crate) fn ends_around(self, pane: i64) -> (i64, i64) {
        match self {
            Self::Shared(grid) | Self::Each(grid) => (grid.first_end(pane), grid.last_end(pane)),
            Self::Given => (pane, pane),
        }
    }
}

/// The rows of a frame by pane.
#[derive(Default)]
pub(crate) struct Split(Vec<(i64, Vec<u32>)>);

impl Split {
    /// Sorts the positions of rows with these times by pane. Returns the pane if all are of one.
    pub(crate) fn sort(&mut self, work: Panework, times: &[Timestamp]) -> Option<i64> {
        self.0.clear();
        let first = work.pane_of(times.first()?.0);
        if times.iter().all(|time| work.is_in(first, time.0)) {
            return Some(first);
        }
        // Runs of rows in one pane, then the runs of each pane together, in the order of arrival.
        let mut runs: Vec<(i64, u32)> = Vec::new();
        for (position, time) in times.iter().enumerate() {
            if runs.last().is_none_or(|(pane, _)| !work.is_in(*pane, time.0)) {
                runs.push((work.pane_of(time.0), position as u32));
            }
        }
        let mut ends: Vec<u32> = runs.iter().skip(1).map(|(_, start)| *start).collect();
        ends.push(times.len() as u32);
        let mut runs: Vec<(i64, Range<u32>)> =
            runs.into_iter().zip(ends).map(|((pane, start), end)| (pane, start..end)).collect();
        runs.sort_by_key(|(pane, _)| *pane);
        for runs in runs.chunk_by(|(a, _), (b, _)| a == b) {
            self.0.push((runs[0].0, runs.iter().flat_map(|(_, rows)| rows.clone()).collect()));
        }
        None
    }

    /// Each pane with the positions of its rows, in their order.
    pub(crate) fn take(&mut self) -> Vec<(i64, Vec<u32>)> {
        std::mem::take(&mut self.0)
    }
}
