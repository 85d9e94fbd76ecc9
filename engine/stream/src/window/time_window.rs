//! A window in time.

use std::fmt;
use std::ops::Range;

use yeoul_frame::{KeyHash, Timestamp};
use yeoul_state::log::Corrupt;
use yeoul_state::{Compound, Key, Stored};

/// The times from `start` on and before `end`.
///
/// ```
/// use yeoul_frame::Timestamp;
/// use yeoul_stream::TimeWindow;
///
/// let minute = TimeWindow { start: Timestamp(0), end: Timestamp(60_000) };
/// assert_eq!(minute.max_timestamp(), Timestamp(59_999));
/// assert_eq!(TimeWindow::GLOBAL.max_timestamp(), Timestamp::MAX);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeWindow {
    /// The first time in it.
    pub start: Timestamp,
    /// The first time after it.
    pub end: Timestamp,
}

/// A key and a window of it: what trigger state, contents and per-window state are kept under.
///
/// ```
/// use yeoul_frame::Timestamp;
/// use yeoul_stream::{TimeWindow, WindowKey};
///
/// let minute = |n: i64| TimeWindow { start: Timestamp(n * 60_000), end: Timestamp((n + 1) * 60_000) };
/// let of = |key, minute| WindowKey { key, sub: minute };
/// assert_ne!(of(7u64, minute(0)), of(7, minute(1)));
/// ```
pub type WindowKey<K> = Compound<K, TimeWindow>;

impl TimeWindow {
    /// The window of all times (Flink's `GlobalWindow`): it has no end that a watermark passes.
    pub const GLOBAL: Self = Self { start: Timestamp::MIN, end: Timestamp::MAX };

    /// The last time in it: the event time of its results.
    #[must_use]
    pub const fn max_timestamp(&self) -> Timestamp {
        if self.end.0 == i64::MAX { Timestamp::MAX } else { self.end.minus(1) }
    }

    /// Whether the two overlap or touch: sessions that do are one.
    ///
    /// ```
    /// use yeoul_frame::Timestamp;
    /// use yeoul_stream::TimeWindow;
    ///
    /// let window = |start, end| TimeWindow { start: Timestamp(start), end: Timestamp(end) };
    /// assert!(window(0, 10).intersects(&window(10, 20)) && !window(0, 10).intersects(&window(11, 20)));
    /// assert_eq!(window(0, 10).cover(&window(10, 20)), window(0, 20));
    /// ```
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }

    /// Which it [intersects](Self::intersects) of windows that are disjoint, do not touch, and stand in the order of time. None: where it is
    /// to stand.
    #[inline]
    pub(crate) fn joined<W>(&self, windows: &[W], of: impl Fn(&W) -> Self) -> Range<usize> {
        let first = windows.partition_point(|window| of(window).end < self.start);
        let after = first + windows[first..].partition_point(|window| of(window).start <= self.end);
        first..after
    }

    /// The smallest window that holds both.
    #[must_use]
    pub fn cover(&self, other: &Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

impl fmt::Display for TimeWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.start, self.end)
    }
}

impl Stored for TimeWindow {
    const WIDTH: Option<usize> = <(Timestamp, Timestamp)>::WIDTH;

    fn vacant() -> Self {
        Self { start: Timestamp(0), end: Timestamp(0) }
    }

    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.start.encode(out);
        self.end.encode(out);
    }

    #[inline]
    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        Ok(Self { start: Timestamp::decode(bytes)?, end: Timestamp::decode(bytes)? })
    }
}

impl Key for TimeWindow {
    #[inline]
    fn hash(&self) -> KeyHash {
        self.start.hash().then(self.end.hash())
    }
}
