//! Windows of one's own: a function from records to windows.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use rkyv::Archive;
use yeoul_frame::{Record, Timestamp};

use crate::window::assigner::{Assigner, Domain};
use crate::{TimeWindow, WindowAssigner};

/// Appends the windows of a record that came at a time.
pub(crate) type Assign<T> = Arc<dyn Fn(&<T as Archive>::Archived, Timestamp, &mut Vec<TimeWindow>) + Send + Sync>;

/// Assigns each record to the windows that a function gives for it (a `WindowAssigner` of one's own, in Flink). They do not merge.
///
/// ```
/// use yeoul_frame::Timestamp;
/// use yeoul_stream::{Count, CustomWindows, DataStream, OperatorHarness, TimeWindow};
///
/// // Two hours each by day, and one window for the night. An hour is a millisecond here.
/// let windows = CustomWindows::event_time(|_: &rkyv::Archived<u64>, time, windows| {
///     let (day, hour) = (time.0.div_euclid(24) * 24, time.0.rem_euclid(24));
///     let (start, end) = if hour < 6 { (day, day + 6) } else { (time.0 - hour % 2, time.0 - hour % 2 + 2) };
///     windows.push(TimeWindow { start: Timestamp(start), end: Timestamp(end) });
/// });
/// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
///     readings.key_by(|id| id.to_native()).window(windows).aggregate(Count::new())
/// })?;
/// harness.push([(7, 1), (7, 4), (7, 8), (7, 9), (7, 10)])?;
/// harness.finish()?;
/// assert_eq!(harness.take_output(), [(2u64, 5), (2, 9), (1, 11)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub struct CustomWindows<T: Record> {
    assign: Assign<T>,
    domain: Domain,
    records: PhantomData<fn(T)>,
}

impl<T: Record> CustomWindows<T> {
    /// Windows in event time: `assign` is given a record and its event time, and appends the record's windows.
    #[must_use]
    pub fn event_time(assign: impl Fn(&T::Archived, Timestamp, &mut Vec<TimeWindow>) + Send + Sync + 'static) -> Self {
        Self { assign: Arc::new(assign), domain: Domain::Event, records: PhantomData }
    }

    /// Windows by the machine's clock: `assign` is given a record and the time at which it came.
    ///
    /// ```
    /// use yeoul_frame::Timestamp;
    /// use yeoul_stream::{Count, CustomWindows, DataStream, OperatorHarness, TimeWindow};
    ///
    /// // A batch for as long as it is: all that comes in the same tenth of a second.
    /// let tenths = CustomWindows::processing_time(|_: &rkyv::Archived<u64>, now, windows| {
    ///     let start = now.0 - now.0.rem_euclid(100);
    ///     windows.push(TimeWindow { start: Timestamp(start), end: Timestamp(start + 100) });
    /// });
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    ///     readings.key_by(|id| id.to_native()).window(tenths).aggregate(Count::new())
    /// })?;
    /// harness.processing_time(1_234)?;
    /// harness.push([(7, 0), (7, 0)])?;
    /// harness.processing_time(1_300)?;
    /// assert_eq!(harness.take_output(), [(2u64, 1_299)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn processing_time(
        assign: impl Fn(&T::Archived, Timestamp, &mut Vec<TimeWindow>) + Send + Sync + 'static,
    ) -> Self {
        Self { assign: Arc::new(assign), domain: Domain::Processing, records: PhantomData }
    }
}

impl<T: Record> Clone for CustomWindows<T> {
    fn clone(&self) -> Self {
        Self { assign: self.assign.clone(), domain: self.domain, records: PhantomData }
    }
}

impl<T: Record> fmt::Debug for CustomWindows<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustomWindows({:?} time)", self.domain)
    }
}

impl<T: Record> From<CustomWindows<T>> for WindowAssigner<T> {
    fn from(windows: CustomWindows<T>) -> Self {
        Self { kind: Assigner::Custom(windows.assign), domain: windows.domain }
    }
}
