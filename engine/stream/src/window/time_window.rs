//! A window in time.

use std::fmt;

use yeoul_frame::Timestamp;

/// The times from `start` on and before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeWindow {
    /// The first time in it.
    pub start: Timestamp,
    /// The first time after it.
    pub end: Timestamp,
}

impl TimeWindow {
    /// The last time in it: the event time of its results.
    #[must_use]
    pub const fn max_timestamp(&self) -> Timestamp {
        self.end.minus(1)
    }
}

impl fmt::Display for TimeWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.start, self.end)
    }
}
