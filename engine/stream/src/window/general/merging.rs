//! The windows of one key that merge, and under which window what each holds is kept (Flink's `MergingWindowSet`).
//!
//! Pure: takes a new window and returns what has become of it. What a window holds is kept under the first window that it was made of,
//! so that a session which grows moves nothing.
//!
//! Invariants:
//! 1. A key's windows are disjoint, do not touch, and stand in the order of time.
//! 2. No two windows have the same state window.

use std::ops::Range;

use crate::TimeWindow;

/// The windows of one key: each with its state window.
pub(crate) type Merging = Vec<(TimeWindow, TimeWindow)>;

/// What a new window has become.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Merge {
    /// It, or the one that it is now part of.
    pub(crate) window: TimeWindow,
    /// Where what that one holds is kept.
    pub(crate) state: TimeWindow,
    /// The windows that it has taken the place of. The first of them kept what it held where `window` does now.
    pub(crate) replaced: Vec<(TimeWindow, TimeWindow)>,
}

/// Whether a window would be added to one that is there.
pub(crate) fn joins(windows: &Merging, new: &TimeWindow) -> bool {
    windows.iter().any(|(window, _)| window.intersects(new))
}

/// Adds a window.
pub(crate) fn add(windows: &mut Merging, new: TimeWindow) -> Merge {
    let Range { start: first, end: after } = new.joined(windows, |(window, _)| *window);
    if first == after {
        windows.insert(first, (new, new));
        return Merge { window: new, state: new, replaced: Vec::new() };
    }
    let (_, state) = windows[first];
    let window = windows[first..after].iter().fold(new, |all, (window, _)| all.cover(window));
    if after == first + 1 && windows[first].0 == window {
        return Merge { window, state, replaced: Vec::new() };
    }
    let replaced = windows.splice(first..after, [(window, state)]).collect();
    Merge { window, state, replaced }
}

/// The state window of a window, if it is there.
pub(crate) fn state_of(windows: &Merging, window: &TimeWindow) -> Option<TimeWindow> {
    let at = windows.binary_search_by_key(window, |(window, _)| *window).ok()?;
    Some(windows[at].1)
}

/// Forgets a window.
pub(crate) fn retire(windows: &mut Merging, window: &TimeWindow) {
    windows.retain(|(held, _)| held != window);
}

#[cfg(test)]
mod tests {
    use super::*;
    use yeoul_frame::Timestamp;

    fn of((start, end): (i64, i64)) -> TimeWindow {
        TimeWindow { start: Timestamp(start), end: Timestamp(end) }
    }

    fn check(added: &[(i64, i64)], new: (i64, i64), expected: ((i64, i64), (i64, i64), &[(i64, i64)])) {
        let mut windows = Vec::new();
        added.iter().for_each(|window| _ = add(&mut windows, of(*window)));
        assert_eq!(joins(&windows, &of(new)), windows.iter().any(|(window, _)| window.intersects(&of(new))));
        let merge = add(&mut windows, of(new));
        let replaced: Vec<_> = merge.replaced.iter().map(|(window, _)| *window).collect();
        assert_eq!((merge.window, merge.state), (of(expected.0), of(expected.1)), "{added:?} and {new:?}");
        assert_eq!(replaced, expected.2.iter().copied().map(of).collect::<Vec<_>>(), "{added:?} and {new:?}");
        assert_eq!(state_of(&windows, &merge.window), Some(merge.state));
        assert!(windows.is_sorted_by(|a, b| a.0.end < b.0.start), "{windows:?}");
        retire(&mut windows, &merge.window);
        assert_eq!(state_of(&windows, &merge.window), None);
    }

    #[test]
    fn a_window_stays_alone_is_part_of_one_or_brings_several_together() {
        check(&[], (0, 10), ((0, 10), (0, 10), &[]));
        check(&[(0, 10)], (11, 20), ((11, 20), (11, 20), &[]));
        check(&[(0, 10)], (2, 9), ((0, 10), (0, 10), &[]));
        check(&[(0, 10)], (0, 10), ((0, 10), (0, 10), &[]));
        // They touch.
        check(&[(0, 10)], (10, 20), ((0, 20), (0, 10), &[(0, 10)]));
        check(&[(10, 20)], (0, 10), ((0, 20), (10, 20), &[(10, 20)]));
        check(&[(10, 20)], (0, 40), ((0, 40), (10, 20), &[(10, 20)]));
        check(&[(20, 30), (0, 10)], (10, 20), ((0, 30), (0, 10), &[(0, 10), (20, 30)]));
        // What a window holds stays where it was first.
        check(&[(0, 10), (5, 15), (40, 50)], (12, 22), ((0, 22), (0, 10), &[(0, 15)]));
    }
}
