//! Where aligned windows and their panes lie: arithmetic only. A pane is named by its start, a window by its end.
//!
//! Invariants:
//! 1. A window is a whole number of panes, and a pane lies in the same windows throughout.

use super::Window;

/// The layout of aligned windows, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    size: i64,
    /// From one window's end to the next one's.
    slide: i64,
    offset: i64,
    pane: i64,
    /// Windows begin together, at multiples of the size.
    cumulates: bool,
}

impl Grid {
    /// None: sessions are not aligned.
    pub(super) fn of(window: Window) -> Option<Self> {
        let (size, slide, offset, cumulates) = match window {
            Window::Tumble { size, offset } => (size, size, offset, false),
            Window::Hop { size, slide, offset } => (size, slide, offset, false),
            Window::Cumulate { size, step, offset } => (size, step, offset, true),
            Window::Session { .. } => return None,
        };
        let (pane, period) = if cumulates { (slide, size) } else { (divisor(size, slide), slide) };
        Some(Self { size, slide, offset: offset.rem_euclid(period), pane, cumulates })
    }

    pub(super) fn is_tumbling(&self) -> bool {
        self.size == self.slide
    }

    /// Windows begin together, at the first of their panes.
    pub(super) fn cumulates(&self) -> bool {
        self.cumulates
    }

    /// The pane of a time.
    #[inline]
    pub(super) fn pane_of(&self, time: i64) -> i64 {
        time.saturating_sub(time.wrapping_sub(self.offset).rem_euclid(self.pane))
    }

    #[inline]
    pub(super) fn is_in(&self, pane: i64, time: i64) -> bool {
        (time.wrapping_sub(pane) as u64) < self.pane as u64
    }

    /// The start of the window that ends at `end`.
    pub(super) fn start_of(&self, end: i64) -> i64 {
        if self.cumulates { self.base(end.saturating_sub(1)) } else { end.saturating_sub(self.size) }
    }

    fn base(&self, time: i64) -> i64 {
        time.saturating_sub(time.wrapping_sub(self.offset).rem_euclid(self.size))
    }

    /// The end of the first window that holds this pane; after `last_end` if there is none.
    pub(super) fn first_end(&self, pane: i64) -> i64 {
        if self.cumulates {
            return pane.saturating_add(self.pane);
        }
        // The smallest aligned start at or after `pane + pane_size - size`.
        let least = pane.saturating_add(self.pane).saturating_sub(self.size);
        let over = least.wrapping_sub(self.offset).rem_euclid(self.slide);
        let start = if over == 0 { least } else { least.saturating_add(self.slide - over) };
        start.saturating_add(self.size)
    }

    /// The end of the last window that holds this pane.
    pub(super) fn last_end(&self, pane: i64) -> i64 {
        if self.cumulates {
            return self.base(pane).saturating_add(self.size);
        }
        let start = pane.saturating_sub(pane.wrapping_sub(self.offset).rem_euclid(self.slide));
        start.saturating_add(self.size)
    }

    /// The end of the first window that holds this pane and whose last time is after `time`, if there is one.
    pub(super) fn next_end_of(&self, pane: i64, time: i64) -> Option<i64> {
        let after = time.saturating_add(1);
        let over = after.wrapping_sub(self.offset).wrapping_sub(self.size % self.slide).rem_euclid(self.slide);
        let next = after.saturating_add(self.slide - over);
        let end = self.first_end(pane).max(next);
        (end <= self.last_end(pane)).then_some(end)
    }

    /// The ends of the windows that hold this pane and whose last time is after `time`.
    pub(super) fn ends_of(self, pane: i64, time: i64) -> impl Iterator<Item = i64> {
        let last = self.last_end(pane);
        let next = move |end: &i64| end.checked_add(self.slide).filter(|end| *end <= last);
        std::iter::successors(self.next_end_of(pane, time), next)
    }
}

fn divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All windows that hold `time`, the plain way.
    fn windows(window: Window, time: i64) -> Vec<(i64, i64)> {
        let mut found = vec![];
        for start in time - 200..=time {
            match window {
                Window::Tumble { size, offset } if (start - offset).rem_euclid(size) == 0 => {
                    found.push((start, start + size));
                }
                Window::Hop { size, slide, offset } if (start - offset).rem_euclid(slide) == 0 => {
                    found.push((start, start + size));
                }
                Window::Cumulate { size, step, offset } if (start - offset).rem_euclid(size) == 0 => {
                    found.extend((1..=size / step).map(|n| (start, start + n * step)));
                }
                _ => {}
            }
        }
        found.retain(|(start, end)| (*start..*end).contains(&time));
        found
    }

    #[test]
    fn panes_have_the_windows_of_each_of_their_times() {
        for window in [
            Window::Tumble { size: 10, offset: 0 },
            Window::Tumble { size: 10, offset: -3 },
            Window::Hop { size: 10, slide: 2, offset: 1 },
            Window::Hop { size: 9, slide: 6, offset: 0 },
            Window::Hop { size: 7, slide: 3, offset: 2 },
            Window::Hop { size: 4, slide: 10, offset: 7 },
            Window::Cumulate { size: 12, step: 3, offset: 0 },
            Window::Cumulate { size: 12, step: 4, offset: 5 },
        ] {
            let grid = Grid::of(window).unwrap();
            for time in -60..60 {
                let pane = grid.pane_of(time);
                assert!(grid.is_in(pane, time) && grid.pane_of(pane) == pane, "{window} {time}");
                for after in [-100, -30, -7, 0, 5, 8, 100] {
                    let expected: Vec<_> =
                        windows(window, time).into_iter().filter(|(_, end)| end - 1 > after).collect();
                    let ends: Vec<_> = grid.ends_of(pane, after).map(|end| (grid.start_of(end), end)).collect();
                    assert_eq!(ends, expected, "{window} {time} after {after}");
                    assert_eq!(grid.next_end_of(pane, after), expected.first().map(|(_, end)| *end));
                }
            }
        }
    }

    #[test]
    fn times_at_the_ends_of_the_range_do_not_overflow() {
        for window in
            [Window::Hop { size: 10_000, slide: 2_000, offset: 7 }, Window::Cumulate { size: 100, step: 10, offset: 0 }]
        {
            let grid = Grid::of(window).unwrap();
            for time in [i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX] {
                let pane = grid.pane_of(time);
                let _ = (grid.first_end(pane), grid.ends_of(pane, time).count(), grid.start_of(time));
            }
        }
    }
}
