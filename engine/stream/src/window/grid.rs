//! Where aligned windows and their panes lie: arithmetic only.
//!
//! A pane is as long as the greatest common divisor of size and slide, so each window is a whole number of panes, and a record is
//! in one pane. A pane is named by its start.
//!
//! Invariants:
//! 1. `size > 0`, `slide > 0`, `0 ≤ offset < slide`, and `pane` divides both size and slide.

use yeoul_frame::Timestamp;

use crate::TimeWindow;

/// The layout of aligned windows. All in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    size: i64,
    slide: i64,
    offset: i64,
    pane: i64,
}

impl Grid {
    pub(crate) fn new(size: i64, slide: i64) -> Self {
        assert!(size > 0 && slide > 0, "a window of {size} ms every {slide} ms");
        Self { size, slide, offset: 0, pane: divisor(size, slide) }
    }

    pub(crate) fn shifted(self, offset: i64) -> Self {
        Self { offset: offset.rem_euclid(self.slide), ..self }
    }

    /// Shifts it by so much more.
    pub(crate) fn staggered(self, by: i64) -> Self {
        self.shifted(self.offset + by)
    }

    /// A window is one pane.
    pub(crate) fn is_tumbling(&self) -> bool {
        self.size == self.slide
    }

    /// How long a pane is.
    pub(crate) fn pane_size(&self) -> i64 {
        self.pane
    }

    /// The pane of a time.
    #[inline]
    pub(crate) fn pane_of(&self, time: i64) -> i64 {
        time.saturating_sub(time.wrapping_sub(self.offset).rem_euclid(self.pane))
    }

    /// The windows that hold a time, in the order of time.
    pub(crate) fn windows_of(&self, time: i64) -> impl Iterator<Item = TimeWindow> + use<> {
        let (grid, pane) = (*self, self.pane_of(time));
        let last = grid.last_end(pane);
        let next = move |end: &i64| end.checked_add(grid.slide).filter(|end| *end <= last);
        std::iter::successors(Some(grid.first_end(pane)).filter(|end| *end <= last), next)
            .map(move |end| grid.window_ending(end))
    }

    /// The length of its windows.
    pub(crate) fn size(&self) -> i64 {
        self.size
    }

    /// The window that ends at `end`.
    pub(crate) fn window_ending(&self, end: i64) -> TimeWindow {
        TimeWindow { start: Timestamp(end).minus(self.size), end: Timestamp(end) }
    }

    /// The end of the first window that holds this pane. (If there is none, because windows leave gaps, it is after `last_end`.)
    pub(crate) fn first_end(&self, pane: i64) -> i64 {
        // The smallest aligned start at or after `pane + pane_size - size`.
        let least = pane.saturating_add(self.pane).saturating_sub(self.size);
        let over = least.wrapping_sub(self.offset).rem_euclid(self.slide);
        let start = if over == 0 { least } else { least.saturating_add(self.slide - over) };
        start.saturating_add(self.size)
    }

    /// The end of the last window that holds this pane.
    pub(crate) fn last_end(&self, pane: i64) -> i64 {
        let start = pane.saturating_sub(pane.wrapping_sub(self.offset).rem_euclid(self.slide));
        start.saturating_add(self.size)
    }

    /// The end of the first window that ends after `time`, whether or not anything is in it.
    pub(crate) fn next_end(&self, time: i64) -> i64 {
        // Ends are the times congruent to offset + size.
        let over = time.wrapping_sub(self.offset).wrapping_sub(self.size % self.slide).rem_euclid(self.slide);
        time.saturating_add(self.slide - over)
    }

    /// The end of the first window that holds this pane and whose last time is after `time`, if there is one.
    pub(crate) fn next_end_of(&self, pane: i64, time: i64) -> Option<i64> {
        // Its last time, end − 1, is after `time` if and only if its end is after `time + 1`.
        let end = self.first_end(pane).max(self.next_end(time.saturating_add(1)));
        (end <= self.last_end(pane)).then_some(end)
    }

    /// The step from one window's end to the next one's.
    pub(crate) fn slide(&self) -> i64 {
        self.slide
    }
}

fn divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All windows that hold `time`, the plain way.
    fn windows(grid: &Grid, time: i64) -> Vec<i64> {
        let starts = (time - 200..=time).filter(|start| (start - grid.offset).rem_euclid(grid.slide) == 0);
        starts.filter(|start| time < start + grid.size).map(|start| start + grid.size).collect()
    }

    #[test]
    fn panes_have_the_windows_of_each_of_their_times() {
        for (size, slide, offset) in
            [(10, 10, 0), (10, 10, 3), (10, 2, 0), (10, 2, 1), (9, 6, 0), (7, 3, 2), (3, 10, 0), (4, 10, 7), (1, 1, 0)]
        {
            let grid = Grid::new(size, slide).shifted(offset);
            for time in -60..60 {
                let pane = grid.pane_of(time);
                assert!(pane <= time && time < pane + grid.pane_size(), "{grid:?} {time}");
                let expected = windows(&grid, time);
                let ends: Vec<_> = if expected.is_empty() {
                    assert!(grid.first_end(pane) > grid.last_end(pane));
                    vec![]
                } else {
                    (grid.first_end(pane)..=grid.last_end(pane)).step_by(slide as usize).collect()
                };
                assert_eq!(ends, expected, "{grid:?} {time}");
                assert_eq!(grid.windows_of(time).map(|window| window.end.0).collect::<Vec<_>>(), expected);
                for after in -60..80 {
                    let next = expected.iter().copied().find(|end| end - 1 > after);
                    assert_eq!(grid.next_end_of(pane, after), next, "{grid:?} {time} after {after}");
                    let end = grid.next_end(after);
                    assert!(end > after && end - slide <= after && (end - size - offset).rem_euclid(slide) == 0);
                }
            }
        }
    }

    #[test]
    fn times_at_the_ends_of_the_range_do_not_overflow() {
        let grid = Grid::new(10_000, 2_000).shifted(7);
        for time in [i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX] {
            let pane = grid.pane_of(time);
            let _ = (grid.first_end(pane), grid.last_end(pane), grid.next_end(time), grid.next_end_of(pane, time));
        }
    }
}
