//! Which windows a record belongs to (Flink's window assigners).

use std::time::Duration;

use crate::watermarks::millis;
use crate::window::grid::Grid;

/// The clock that windows follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Domain {
    /// Event times and watermarks.
    Event,
    /// The machine's clock.
    Processing,
}

/// Assigns records to windows. Made by [`TumblingEventTimeWindows`] and its kin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowAssigner {
    pub(crate) kind: Assigner,
    pub(crate) domain: Domain,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Assigner {
    /// Windows at the same times for all keys.
    Aligned(Grid),
    /// A window ends when a key has been silent for this many milliseconds.
    Session(i64),
}

impl WindowAssigner {
    /// Flink's name for it.
    pub(crate) fn name(&self) -> &'static str {
        match (self.kind, self.domain) {
            (Assigner::Aligned(grid), Domain::Event) if grid.is_tumbling() => "TumblingEventTimeWindows",
            (Assigner::Aligned(_), Domain::Event) => "SlidingEventTimeWindows",
            (Assigner::Aligned(grid), Domain::Processing) if grid.is_tumbling() => "TumblingProcessingTimeWindows",
            (Assigner::Aligned(_), Domain::Processing) => "SlidingProcessingTimeWindows",
            (Assigner::Session(_), Domain::Event) => "EventTimeSessionWindows",
            (Assigner::Session(_), Domain::Processing) => "ProcessingTimeSessionWindows",
        }
    }
}

/// A span in milliseconds, as a window's size must be.
fn at_least_one(span: Duration, what: &str) -> i64 {
    let span = millis(span);
    assert!(span > 0, "the {what} of a window is at least one millisecond");
    span
}

macro_rules! tumbling {
    ($(#[$doc:meta])* $name:ident, $domain:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(Grid);

        impl $name {
            /// Windows of this size, one after another, aligned to 1970-01-01 00:00 UTC.
            ///
            /// # Panics
            /// If the size is below one millisecond.
            #[must_use]
            pub fn of(size: Duration) -> Self {
                let size = at_least_one(size, "size");
                Self(Grid::new(size, size))
            }

            /// Shifts all windows by this much: with windows of a day and an offset of 15 hours they begin at midnight of UTC+9.
            #[must_use]
            pub fn offset(self, offset: Duration) -> Self {
                Self(self.0.shifted(millis(offset)))
            }
        }

        impl From<$name> for WindowAssigner {
            fn from(windows: $name) -> Self {
                Self { kind: Assigner::Aligned(windows.0), domain: $domain }
            }
        }
    };
}

macro_rules! sliding {
    ($(#[$doc:meta])* $name:ident, $domain:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(Grid);

        impl $name {
            /// Windows of this size, one beginning every `slide`, aligned to 1970-01-01 00:00 UTC.
            ///
            /// A record is kept once, in a pane as long as the greatest common divisor of the two, whatever their ratio.
            ///
            /// # Panics
            /// If the size or the slide is below one millisecond.
            #[must_use]
            pub fn of(size: Duration, slide: Duration) -> Self {
                Self(Grid::new(at_least_one(size, "size"), at_least_one(slide, "slide")))
            }

            /// Shifts all windows by this much.
            #[must_use]
            pub fn offset(self, offset: Duration) -> Self {
                Self(self.0.shifted(millis(offset)))
            }
        }

        impl From<$name> for WindowAssigner {
            fn from(windows: $name) -> Self {
                Self { kind: Assigner::Aligned(windows.0), domain: $domain }
            }
        }
    };
}

macro_rules! session {
    ($(#[$doc:meta])* $name:ident, $domain:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(i64);

        impl $name {
            /// A key's window ends when no record of it has come for this long.
            ///
            /// # Panics
            /// If the gap is below one millisecond.
            #[must_use]
            pub fn with_gap(gap: Duration) -> Self {
                Self(at_least_one(gap, "gap"))
            }
        }

        impl From<$name> for WindowAssigner {
            fn from(windows: $name) -> Self {
                Self { kind: Assigner::Session(windows.0), domain: $domain }
            }
        }
    };
}

tumbling! {
    /// Windows of one size, one after another, in event time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::{TumblingEventTimeWindows, WindowAssigner};
    /// let hours: WindowAssigner = TumblingEventTimeWindows::of(Duration::from_secs(3600)).into();
    /// # let _ = hours;
    /// ```
    TumblingEventTimeWindows, Domain::Event
}
tumbling! {
    /// Windows of one size, one after another, by the machine's clock.
    TumblingProcessingTimeWindows, Domain::Processing
}
sliding! {
    /// Windows of one size that begin at a regular pace and overlap, in event time.
    SlidingEventTimeWindows, Domain::Event
}
sliding! {
    /// Windows of one size that begin at a regular pace and overlap, by the machine's clock.
    SlidingProcessingTimeWindows, Domain::Processing
}
session! {
    /// Windows of activity, a key at a time, that end with a gap in event time.
    EventTimeSessionWindows, Domain::Event
}
session! {
    /// Windows of activity, a key at a time, that end with a gap by the machine's clock.
    ProcessingTimeSessionWindows, Domain::Processing
}
