//! How a stream's event times and watermarks come about, typed (Flink's `WatermarkStrategy`).

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use yeoul_frame::{Frame, Record, Timestamp};
use yeoul_operator::{Alignment, Strategy, TimestampAssigner, WatermarkGenerator, WatermarkSpec};

/// How event times and watermarks of records of `T` come about.
///
/// ```
/// use std::time::Duration;
/// use yeoul_frame::Timestamp;
/// use yeoul_stream::WatermarkStrategy;
///
/// // Records are (sensor, milliseconds), and come at most twenty seconds late.
/// let strategy = WatermarkStrategy::<(u64, i64)>::for_bounded_out_of_orderness(Duration::from_secs(20))
///     .with_timestamp_assigner(|reading| Timestamp(reading.1.to_native()))
///     .with_idleness(Duration::from_secs(60));
/// # let _ = strategy;
/// ```
pub struct WatermarkStrategy<T: Record> {
    spec: WatermarkSpec,
    records: PhantomData<fn() -> T>,
}

impl<T: Record> Clone for WatermarkStrategy<T> {
    fn clone(&self) -> Self {
        Self { spec: self.spec.clone(), records: PhantomData }
    }
}

impl<T: Record> WatermarkStrategy<T> {
    fn of(strategy: Strategy) -> Self {
        Self { spec: WatermarkSpec { strategy, ..WatermarkSpec::default() }, records: PhantomData }
    }

    /// No watermarks before the end of input: for jobs in processing time.
    ///
    /// ```
    /// use yeoul_operator::Strategy;
    /// use yeoul_stream::WatermarkStrategy;
    /// assert!(matches!(WatermarkStrategy::<u64>::no_watermarks().into_spec().strategy, Strategy::None));
    /// ```
    #[must_use]
    pub fn no_watermarks() -> Self {
        Self::of(Strategy::None)
    }

    /// Event times never fall within a split.
    ///
    /// ```
    /// use yeoul_frame::Timestamp;
    /// use yeoul_operator::Strategy;
    /// use yeoul_stream::WatermarkStrategy;
    ///
    /// // Records are their own event times, in milliseconds.
    /// let rising = WatermarkStrategy::<i64>::for_monotonous_timestamps().with_timestamp_assigner(|time| Timestamp(time.to_native()));
    /// assert!(matches!(rising.into_spec().strategy, Strategy::Monotonous));
    /// ```
    #[must_use]
    pub fn for_monotonous_timestamps() -> Self {
        Self::of(Strategy::Monotonous)
    }

    /// A record's event time is at most `bound` behind the highest before it in its split.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_operator::Strategy;
    /// use yeoul_stream::WatermarkStrategy;
    ///
    /// let late = WatermarkStrategy::<u64>::for_bounded_out_of_orderness(Duration::from_secs(20));
    /// assert!(matches!(late.into_spec().strategy, Strategy::BoundedOutOfOrderness(20_000)));
    /// ```
    #[must_use]
    pub fn for_bounded_out_of_orderness(bound: Duration) -> Self {
        Self::of(Strategy::BoundedOutOfOrderness(millis(bound)))
    }

    /// Watermarks by a generator of one's own; `make` makes one for each split.
    ///
    /// ```
    /// use yeoul_frame::Timestamp;
    /// use yeoul_operator::WatermarkGenerator;
    /// use yeoul_stream::WatermarkStrategy;
    ///
    /// /// Event times are those of closed hours: nothing comes for an hour once a record of the next one has passed.
    /// #[derive(Default)]
    /// struct Hours(i64);
    ///
    /// impl WatermarkGenerator for Hours {
    ///     fn on_event(&mut self, time: Timestamp) -> Option<Timestamp> {
    ///         let hour = time.0.div_euclid(3_600_000);
    ///         (hour > self.0).then(|| {
    ///             self.0 = hour;
    ///             Timestamp(hour * 3_600_000 - 1)
    ///         })
    ///     }
    /// }
    ///
    /// let strategy = WatermarkStrategy::<u64>::for_generator(Hours::default);
    /// # let _ = strategy;
    /// assert_eq!(Hours::default().on_event(Timestamp(3_600_001)), Some(Timestamp(3_599_999)));
    /// ```
    #[must_use]
    pub fn for_generator<G: WatermarkGenerator + 'static>(make: impl Fn() -> G + Send + Sync + 'static) -> Self {
        Self::of(Strategy::Custom(Arc::new(move || Box::new(make()))))
    }

    /// Reads event times from records. Without this the source's own times stand.
    ///
    /// ```
    /// use yeoul_frame::Timestamp;
    /// use yeoul_stream::WatermarkStrategy;
    ///
    /// // Readings are (sensor, seconds).
    /// let strategy = WatermarkStrategy::<(u64, i64)>::for_monotonous_timestamps()
    ///     .with_timestamp_assigner(|reading| Timestamp(reading.1.to_native() * 1_000));
    /// assert!(strategy.into_spec().assigner.is_some());
    /// ```
    #[must_use]
    pub fn with_timestamp_assigner(
        mut self,
        assign: impl Fn(&T::Archived) -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        self.spec.assigner = Some(Arc::new(Assigner::<T, _> { assign, records: PhantomData }));
        self
    }

    /// A split that is silent for this long, in processing time, no longer holds the watermark back.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::WatermarkStrategy;
    ///
    /// let minute = Duration::from_secs(60);
    /// let strategy = WatermarkStrategy::<u64>::for_monotonous_timestamps().with_idleness(minute);
    /// assert_eq!(strategy.into_spec().idleness, Some(minute));
    /// ```
    #[must_use]
    pub fn with_idleness(mut self, patience: Duration) -> Self {
        self.spec.idleness = Some(patience);
        self
    }

    /// The source stops reading while its watermark is more than `max_drift` ahead of the lowest of its group. Who is idle, or was asked and has
    /// no watermark yet, is not waited for.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::WatermarkStrategy;
    ///
    /// // Given to both sources of a join: the faster one waits, and the join buffers an hour at most.
    /// let strategy = WatermarkStrategy::<u64>::for_monotonous_timestamps().with_watermark_alignment("join", Duration::from_secs(3_600));
    /// assert_eq!(strategy.into_spec().alignment.unwrap().max_drift, 3_600_000);
    /// ```
    #[must_use]
    pub fn with_watermark_alignment(mut self, group: &str, max_drift: Duration) -> Self {
        self.spec.alignment = Some(Alignment { group: group.to_owned(), max_drift: millis(max_drift) });
        self
    }

    /// How far, in event time, the watermark rises before it is sent. Zero sends every rise; by default 200 ms. A smaller rise is sent when
    /// the source has had nothing to give for a second, when its split falls idle, and at the end.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::WatermarkStrategy;
    ///
    /// let strategy = WatermarkStrategy::<u64>::for_monotonous_timestamps().with_granularity(Duration::ZERO);
    /// assert_eq!(strategy.into_spec().granularity, 0);
    /// ```
    #[must_use]
    pub fn with_granularity(mut self, rise: Duration) -> Self {
        self.spec.granularity = millis(rise);
        self
    }

    /// What the job graph holds.
    ///
    /// ```
    /// use yeoul_operator::WatermarkSpec;
    /// use yeoul_stream::WatermarkStrategy;
    ///
    /// let spec = WatermarkStrategy::<u64>::for_monotonous_timestamps().into_spec();
    /// assert_eq!(spec.granularity, WatermarkSpec::GRANULARITY);
    /// ```
    #[must_use]
    pub fn into_spec(self) -> WatermarkSpec {
        self.spec
    }
}

/// A span in milliseconds, held within what timestamps can say.
pub(crate) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

struct Assigner<T, F> {
    assign: F,
    records: PhantomData<fn() -> T>,
}

impl<T: Record, F: Fn(&T::Archived) -> Timestamp + Send + Sync> TimestampAssigner for Assigner<T, F> {
    fn assign(&self, frame: &Frame, times: &mut [Timestamp]) {
        frame.rows::<T>().iter().for_each(|(row, record)| times[row as usize] = (self.assign)(record));
    }
}
