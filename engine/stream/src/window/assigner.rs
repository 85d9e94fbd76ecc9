//! Which windows a record belongs to (Flink's window assigners).

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use yeoul_frame::Record;

use crate::watermarks::millis;
use crate::window::custom::Assign;
use crate::window::grid::Grid;
use crate::window::stagger::WindowStagger;

/// The clock that windows follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Domain {
    /// Event times and watermarks.
    Event,
    /// The machine's clock.
    Processing,
}

/// Assigns records of `T` to windows. Made by [`TumblingEventTimeWindows`] and its kin.
///
/// ```
/// use std::time::Duration;
/// use yeoul_stream::{TumblingEventTimeWindows, WindowAssigner};
/// let hours: WindowAssigner<u64> = TumblingEventTimeWindows::of(Duration::from_secs(3600)).into();
/// assert_eq!(hours.name(), "TumblingEventTimeWindows");
/// ```
pub struct WindowAssigner<T: Record> {
    pub(crate) kind: Assigner<T>,
    pub(crate) domain: Domain,
}

/// How long a record keeps its session open, in milliseconds.
pub(crate) type Gap<T> = Arc<dyn Fn(&<T as rkyv::Archive>::Archived) -> i64 + Send + Sync>;

pub(crate) enum Assigner<T: Record> {
    /// Windows at the same times for all keys.
    Aligned(Grid),
    /// Windows of one grid, each key's shifted by an offset of its own.
    Staggered(Grid, WindowStagger),
    /// A window ends when a key has been silent for this many milliseconds.
    Session(i64),
    /// A window ends when a key has been silent for as long as each of its records asks.
    DynamicSession(Gap<T>),
    /// One window for all times.
    Global(AtEnd),
    /// What a function of the user's says.
    Custom(Assign<T>),
}

/// What a global window does at the end of the input, unless it has another trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtEnd {
    Nothing,
    Fire,
}

impl<T: Record> Clone for Assigner<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Aligned(grid) => Self::Aligned(*grid),
            Self::Staggered(grid, stagger) => Self::Staggered(*grid, *stagger),
            Self::Session(gap) => Self::Session(*gap),
            Self::DynamicSession(gap) => Self::DynamicSession(gap.clone()),
            Self::Global(at_end) => Self::Global(*at_end),
            Self::Custom(assign) => Self::Custom(assign.clone()),
        }
    }
}

impl<T: Record> Clone for WindowAssigner<T> {
    fn clone(&self) -> Self {
        Self { kind: self.kind.clone(), domain: self.domain }
    }
}

impl<T: Record> fmt::Debug for WindowAssigner<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl<T: Record> WindowAssigner<T> {
    /// Flink's name for it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::{SlidingEventTimeWindows, WindowAssigner};
    ///
    /// let windows = SlidingEventTimeWindows::of(Duration::from_secs(10), Duration::from_secs(5));
    /// assert_eq!(WindowAssigner::<u64>::from(windows).name(), "SlidingEventTimeWindows");
    /// // As long as its slide, it is tumbling.
    /// let windows = SlidingEventTimeWindows::of(Duration::from_secs(5), Duration::from_secs(5));
    /// assert_eq!(WindowAssigner::<u64>::from(windows).name(), "TumblingEventTimeWindows");
    /// ```
    #[must_use]
    pub fn name(&self) -> &'static str {
        match (&self.kind, self.domain) {
            (Assigner::Aligned(grid) | Assigner::Staggered(grid, _), domain) => match (grid.is_tumbling(), domain) {
                (true, Domain::Event) => "TumblingEventTimeWindows",
                (true, Domain::Processing) => "TumblingProcessingTimeWindows",
                (false, Domain::Event) => "SlidingEventTimeWindows",
                (false, Domain::Processing) => "SlidingProcessingTimeWindows",
            },
            (Assigner::Session(_), Domain::Event) => "EventTimeSessionWindows",
            (Assigner::Session(_), Domain::Processing) => "ProcessingTimeSessionWindows",
            (Assigner::DynamicSession(_), Domain::Event) => "DynamicEventTimeSessionWindows",
            (Assigner::DynamicSession(_), Domain::Processing) => "DynamicProcessingTimeSessionWindows",
            (Assigner::Global(_), _) => "GlobalWindows",
            (Assigner::Custom(_), _) => "CustomWindows",
        }
    }

    /// Whether its windows become one where they meet.
    pub(crate) fn merges(&self) -> bool {
        matches!(self.kind, Assigner::Session(_) | Assigner::DynamicSession(_))
    }
}

/// A span in milliseconds, as a window's size must be.
pub(crate) fn at_least_one(span: Duration, what: &str) -> i64 {
    let span = millis(span);
    assert!(span > 0, "the {what} of a window is at least one millisecond");
    span
}

macro_rules! tumbling {
    ($(#[$doc:meta])* $name:ident, $domain:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(Grid, WindowStagger);

        impl $name {
            /// Windows of this size, one after another, aligned to 1970-01-01 00:00 UTC.
            ///
            /// ```
            /// use std::time::Duration;
            /// use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
            ///
            /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
            ///     readings.window_all(TumblingEventTimeWindows::of(Duration::from_secs(60))).aggregate(Count::new())
            /// })?;
            /// harness.push([(7, 59_999), (7, 60_000)])?;
            /// harness.finish()?;
            /// assert_eq!(harness.take_output(), [(1u64, 59_999), (1, 119_999)]);
            /// # Ok::<_, yeoul_stream::HarnessError>(())
            /// ```
            ///
            /// # Panics
            /// If the size is below one millisecond.
            #[must_use]
            pub fn of(size: Duration) -> Self {
                let size = at_least_one(size, "size");
                Self(Grid::new(size, size), WindowStagger::Aligned)
            }

            /// Windows begin this much later: with windows of a day and an offset of 15 hours they begin at midnight of UTC+9.
            ///
            /// ```
            /// use std::time::Duration;
            /// use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
            ///
            /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
            ///     let minutes = TumblingEventTimeWindows::of(Duration::from_secs(60)).offset(Duration::from_secs(15));
            ///     readings.window_all(minutes).aggregate(Count::new())
            /// })?;
            /// harness.push([(7, 15_000), (7, 74_999)])?;
            /// harness.finish()?;
            /// assert_eq!(harness.take_output(), [(2u64, 74_999)]);
            /// # Ok::<_, yeoul_stream::HarnessError>(())
            /// ```
            #[must_use]
            pub fn offset(self, offset: Duration) -> Self {
                Self(self.0.shifted(millis(offset)), self.1)
            }

            /// Windows begin this much earlier, Flink's negative offset: with windows of a day and 9 hours they begin at midnight of UTC+9.
            ///
            /// ```
            /// use std::time::Duration;
            /// use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
            ///
            /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
            ///     let minutes = TumblingEventTimeWindows::of(Duration::from_secs(60)).offset_back(Duration::from_secs(15));
            ///     readings.window_all(minutes).aggregate(Count::new())
            /// })?;
            /// harness.push([(7, 0), (7, 44_999)])?;
            /// harness.finish()?;
            /// assert_eq!(harness.take_output(), [(2u64, 44_999)]);
            /// # Ok::<_, yeoul_stream::HarnessError>(())
            /// ```
            #[must_use]
            pub fn offset_back(self, offset: Duration) -> Self {
                Self(self.0.shifted(-millis(offset)), self.1)
            }

            /// How the windows of different keys are spread, beside the offset.
            ///
            /// ```
            /// use std::time::Duration;
            /// use yeoul_stream::{TumblingProcessingTimeWindows, WindowAssigner, WindowStagger};
            ///
            /// let minutes = TumblingProcessingTimeWindows::of(Duration::from_secs(60)).stagger(WindowStagger::Random);
            /// assert_ne!(minutes, TumblingProcessingTimeWindows::of(Duration::from_secs(60)));
            /// ```
            #[must_use]
            pub fn stagger(self, stagger: WindowStagger) -> Self {
                Self(self.0, stagger)
            }
        }

        impl<T: Record> From<$name> for WindowAssigner<T> {
            fn from(windows: $name) -> Self {
                let kind = match windows.1 {
                    WindowStagger::Aligned => Assigner::Aligned(windows.0),
                    stagger => Assigner::Staggered(windows.0, stagger),
                };
                Self { kind, domain: $domain }
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
            /// ```
            /// use std::time::Duration;
            /// use yeoul_stream::{Count, DataStream, OperatorHarness, SlidingEventTimeWindows};
            ///
            /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
            ///     readings.window_all(SlidingEventTimeWindows::of(Duration::from_secs(60), Duration::from_secs(30))).aggregate(Count::new())
            /// })?;
            /// harness.push([(7, 40_000)])?;
            /// harness.finish()?;
            /// assert_eq!(harness.take_output(), [(1u64, 59_999), (1, 89_999)]);
            /// # Ok::<_, yeoul_stream::HarnessError>(())
            /// ```
            ///
            /// # Panics
            /// If the size or the slide is below one millisecond.
            #[must_use]
            pub fn of(size: Duration, slide: Duration) -> Self {
                Self(Grid::new(at_least_one(size, "size"), at_least_one(slide, "slide")))
            }

            /// Windows begin this much later.
            ///
            /// ```
            /// use std::time::Duration;
            /// use yeoul_stream::{Count, DataStream, OperatorHarness, SlidingEventTimeWindows};
            ///
            /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
            ///     let minutes = SlidingEventTimeWindows::of(Duration::from_secs(60), Duration::from_secs(30)).offset(Duration::from_secs(5));
            ///     readings.window_all(minutes).aggregate(Count::new())
            /// })?;
            /// harness.push([(7, 40_000)])?;
            /// harness.finish()?;
            /// assert_eq!(harness.take_output(), [(1u64, 64_999), (1, 94_999)]);
            /// # Ok::<_, yeoul_stream::HarnessError>(())
            /// ```
            #[must_use]
            pub fn offset(self, offset: Duration) -> Self {
                Self(self.0.shifted(millis(offset)))
            }

            /// Windows begin this much earlier: Flink's negative offset.
            ///
            /// ```
            /// use std::time::Duration;
            /// use yeoul_stream::SlidingEventTimeWindows;
            ///
            /// let minutes = SlidingEventTimeWindows::of(Duration::from_secs(60), Duration::from_secs(30));
            /// assert_eq!(minutes.offset_back(Duration::from_secs(5)), minutes.offset(Duration::from_secs(25)));
            /// ```
            #[must_use]
            pub fn offset_back(self, offset: Duration) -> Self {
                Self(self.0.shifted(-millis(offset)))
            }
        }

        impl<T: Record> From<$name> for WindowAssigner<T> {
            fn from(windows: $name) -> Self {
                Self { kind: Assigner::Aligned(windows.0), domain: $domain }
            }
        }
    };
}

macro_rules! session {
    ($(#[$doc:meta])* $name:ident, $dynamic:ident, $domain:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(i64);

        impl $name {
            /// A key's window ends when no record of it has come for this long.
            ///
            /// ```
            /// use std::time::Duration;
            /// use yeoul_stream::{Count, DataStream, EventTimeSessionWindows, OperatorHarness};
            ///
            /// let mut harness = OperatorHarness::of(|clicks: DataStream<u64>| {
            ///     let sessions = EventTimeSessionWindows::with_gap(Duration::from_secs(1));
            ///     clicks.key_by(|user| user.to_native()).window(sessions).aggregate(Count::new())
            /// })?;
            /// harness.push([(7, 0), (7, 900), (7, 2_000)])?;
            /// harness.finish()?;
            /// assert_eq!(harness.take_output(), [(2u64, 1_899), (1, 2_999)]);
            /// # Ok::<_, yeoul_stream::HarnessError>(())
            /// ```
            ///
            /// # Panics
            /// If the gap is below one millisecond.
            #[must_use]
            pub fn with_gap(gap: Duration) -> Self {
                Self(at_least_one(gap, "gap"))
            }

            /// Each record says how long it keeps its window open. A gap below one millisecond fails the job.
            ///
            /// ```
            /// use std::time::Duration;
            /// use yeoul_stream::{EventTimeSessionWindows, WindowAssigner};
            ///
            /// // Clicks are (user, patience in ms).
            /// let sessions = EventTimeSessionWindows::with_dynamic_gap::<(u64, u64), _>(|click| Duration::from_millis(click.1.to_native()));
            /// assert_eq!(WindowAssigner::from(sessions).name(), "DynamicEventTimeSessionWindows");
            /// ```
            pub fn with_dynamic_gap<T, F>(gap: F) -> $dynamic<T>
            where
                T: Record,
                F: Fn(&T::Archived) -> Duration + Send + Sync + 'static,
            {
                $dynamic { gap: Arc::new(move |record| millis(gap(record))), records: PhantomData }
            }
        }

        #[doc = concat!("As [`", stringify!($name), "`], with gaps that are the records' own.")]
        pub struct $dynamic<T: Record> {
            gap: Gap<T>,
            records: PhantomData<fn(T)>,
        }

        impl<T: Record> fmt::Debug for $dynamic<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($dynamic))
            }
        }

        impl<T: Record> Clone for $dynamic<T> {
            fn clone(&self) -> Self {
                Self { gap: self.gap.clone(), records: PhantomData }
            }
        }

        impl<T: Record> From<$dynamic<T>> for WindowAssigner<T> {
            fn from(windows: $dynamic<T>) -> Self {
                Self { kind: Assigner::DynamicSession(windows.gap), domain: $domain }
            }
        }

        impl<T: Record> From<$name> for WindowAssigner<T> {
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
    /// use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
    ///
    /// // Days of UTC+9, which begin nine hours before those of UTC.
    /// let days = TumblingEventTimeWindows::of(Duration::from_secs(86_400)).offset_back(Duration::from_secs(9 * 3_600));
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    ///     readings.key_by(|id| id.to_native()).window(days).aggregate_with(Count::new(), |_, window, count, out| {
    ///         out.collect((window.start.0 / 3_600_000, count));
    ///     })
    /// })?;
    /// harness.push([(7, 1_000)])?;
    /// harness.finish()?;
    /// assert_eq!(harness.take_output()[0].0, (-9, 1));
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    TumblingEventTimeWindows, Domain::Event
}
tumbling! {
    /// Windows of one size, one after another, by the machine's clock.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingProcessingTimeWindows};
    ///
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    ///     let seconds = TumblingProcessingTimeWindows::of(Duration::from_secs(1));
    ///     readings.key_by(|id| id.to_native()).window(seconds).aggregate(Count::new())
    /// })?;
    /// harness.push([(7, 0), (7, 0)])?;
    /// harness.processing_time(1_000)?;
    /// assert_eq!(harness.take_output(), [(2u64, 999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    TumblingProcessingTimeWindows, Domain::Processing
}
sliding! {
    /// Windows of one size that begin at a regular pace and overlap, in event time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::{Count, DataStream, OperatorHarness, SlidingEventTimeWindows};
    ///
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    ///     let windows = SlidingEventTimeWindows::of(Duration::from_secs(10), Duration::from_secs(5));
    ///     readings.key_by(|id| id.to_native()).window(windows).aggregate(Count::new())
    /// })?;
    /// harness.push([(7, 1_000), (7, 6_000)])?;
    /// harness.finish()?;
    /// assert_eq!(harness.take_output(), [(1u64, 4_999), (2, 9_999), (1, 14_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    SlidingEventTimeWindows, Domain::Event
}
sliding! {
    /// Windows of one size that begin at a regular pace and overlap, by the machine's clock.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::{SlidingProcessingTimeWindows, WindowAssigner};
    /// let windows = SlidingProcessingTimeWindows::of(Duration::from_secs(10), Duration::from_secs(5));
    /// assert_eq!(WindowAssigner::<u64>::from(windows).name(), "SlidingProcessingTimeWindows");
    /// ```
    SlidingProcessingTimeWindows, Domain::Processing
}
session! {
    /// Windows of activity, a key at a time, that end with a gap in event time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::{Count, DataStream, EventTimeSessionWindows, OperatorHarness};
    ///
    /// // Records are (user, patience in ms): a session lasts as long as its most patient record.
    /// let mut harness = OperatorHarness::of(|clicks: DataStream<(u64, u64)>| {
    ///     let sessions = EventTimeSessionWindows::with_dynamic_gap(|click: &rkyv::Archived<(u64, u64)>| {
    ///         Duration::from_millis(click.1.to_native())
    ///     });
    ///     clicks.key_by(|click| click.0.to_native()).window(sessions).aggregate(Count::new())
    /// })?;
    /// harness.push([((7, 100), 0), ((7, 10), 50), ((7, 10), 120)])?;
    /// harness.finish()?;
    /// assert_eq!(harness.take_output(), [(2u64, 99), (1, 129)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    EventTimeSessionWindows, DynamicEventTimeSessionWindows, Domain::Event
}
session! {
    /// Windows of activity, a key at a time, that end with a gap by the machine's clock.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::{Count, DataStream, OperatorHarness, ProcessingTimeSessionWindows};
    ///
    /// let mut harness = OperatorHarness::of(|clicks: DataStream<u64>| {
    ///     let sessions = ProcessingTimeSessionWindows::with_gap(Duration::from_secs(1));
    ///     clicks.key_by(|user| user.to_native()).window(sessions).aggregate(Count::new())
    /// })?;
    /// harness.push([(7, 0)])?;
    /// harness.processing_time(500)?;
    /// harness.push([(7, 0)])?;
    /// harness.processing_time(1_500)?;
    /// assert_eq!(harness.take_output(), [(2u64, 1_499)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    ProcessingTimeSessionWindows, DynamicProcessingTimeSessionWindows, Domain::Processing
}

/// One window for all of a key's records (Flink's `GlobalWindows`). It fires when its trigger says so; unless it is given one, never.
///
/// ```
/// use yeoul_stream::{CountTrigger, DataStream, GlobalWindows, OperatorHarness};
///
/// let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
///     let all = readings.key_by(|reading| reading.0.to_native()).window(GlobalWindows::create());
///     all.trigger(CountTrigger::of(2)).reduce(|sum, reading| sum.1 += reading.1)
/// })?;
/// harness.push([((7, 1), 0), ((7, 2), 1), ((7, 3), 2), ((7, 4), 3)])?;
/// let sums: Vec<i64> = harness.take_output().into_iter().map(|(sum, _)| sum.1).collect();
/// assert_eq!(sums, [3, 10]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GlobalWindows(AtEnd);

impl GlobalWindows {
    /// One window for all times, that never fires by itself.
    ///
    /// ```
    /// use yeoul_stream::{Count, DataStream, GlobalWindows, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| readings.window_all(GlobalWindows::create()).aggregate(Count::new()))?;
    /// harness.push([(7, 0)])?;
    /// harness.finish()?;
    /// assert_eq!(harness.take_output(), [] as [(u64, i64); 0]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub const fn create() -> Self {
        Self(AtEnd::Nothing)
    }

    /// One window for all times, that fires at the end of the input.
    ///
    /// ```
    /// use yeoul_stream::{Count, DataStream, GlobalWindows, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    ///     readings.window_all(GlobalWindows::create_with_end_of_stream_trigger()).aggregate(Count::new())
    /// })?;
    /// harness.push([(7, 0), (8, 1)])?;
    /// harness.finish()?;
    /// assert_eq!(harness.take_output()[0].0, 2);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub const fn create_with_end_of_stream_trigger() -> Self {
        Self(AtEnd::Fire)
    }
}

impl<T: Record> From<GlobalWindows> for WindowAssigner<T> {
    fn from(windows: GlobalWindows) -> Self {
        // Its end never comes, by whichever clock; no record is late.
        Self { kind: Assigner::Global(windows.0), domain: Domain::Processing }
    }
}
