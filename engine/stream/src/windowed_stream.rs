//! A keyed stream cut into windows, and what can be computed of them.

use std::sync::Arc;
use std::time::Duration;

use yeoul_frame::Record;
use yeoul_operator::{MakeOperator, Operator};
use yeoul_state::{AggregateFunction, Key};

use crate::key_selector::FrameKeys;
use crate::owned_state::StateRecord;
use crate::tag::Sides;
use crate::watermarks::millis;
use crate::window::aligned::{AlignedSettings, AlignedWindows};
use crate::window::assigner::{Assigner, Domain};
use crate::window::content::{Aggregate, Content, Elements, Reduce};
use crate::window::session::{SessionSettings, SessionWindows};
use crate::{Collector, DataStream, KeyedStream, OutputTag, ProcessWindowFunction, TimeWindow, WindowAssigner};

/// A keyed stream cut into windows (Flink's `WindowedStream`).
///
/// ```
/// use std::time::Duration;
/// use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
///
/// // Readings are (sensor, value). How many came of each sensor, a minute at a time?
/// let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
///     readings
///         .key_by(|reading| reading.0.to_native())
///         .window(TumblingEventTimeWindows::of(Duration::from_secs(60)))
///         .aggregate_with(Count::new(), |sensor, _window, count, out| out.collect((*sensor, count)))
/// })?;
/// harness.push([((7, 1), 1_000), ((8, 1), 2_000), ((7, 1), 59_999), ((7, 1), 60_000)])?;
/// harness.watermark(59_999)?;
/// let mut counts = harness.take_output();
/// counts.sort();
/// assert_eq!(counts, [((7, 2u64), 59_999), ((8, 1), 59_999)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub struct WindowedStream<K: Key, T: Record> {
    keyed: KeyedStream<K, T>,
    assigner: WindowAssigner,
    lateness: i64,
    late: Option<yeoul_operator::OutputId>,
    sides: Sides,
}

impl<K: Key + Sync, T: Record> WindowedStream<K, T> {
    pub(crate) fn of(keyed: KeyedStream<K, T>, assigner: WindowAssigner) -> Self {
        Self { keyed, assigner, lateness: 0, late: None, sides: Sides::default() }
    }

    /// For this long after a window has fired, a late record makes it fire again with that record. Event time only.
    #[must_use]
    pub fn allowed_lateness(self, lateness: Duration) -> Self {
        Self { lateness: millis(lateness), ..self }
    }

    /// Records that come too late for all their windows go to a side output. Otherwise they are dropped, and counted.
    #[must_use]
    pub fn side_output_late_data(self, tag: &OutputTag<T>) -> Self {
        match self.sides.output(tag) {
            Ok(late) => Self { late: Some(late), ..self },
            Err(mistake) => {
                self.keyed.stream.env.mistake(mistake);
                self
            }
        }
    }

    /// One record for each key and window: `reduce` folds the second record into the first.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    /// readings
    ///     .key_by(|reading| reading.0.to_native())
    ///     .window(TumblingEventTimeWindows::of(Duration::from_secs(60)))
    ///     .reduce(|sum, reading| sum.1 += reading.1)
    /// # })?;
    /// # harness.push([((7, 1), 1_000), ((7, 2), 2_000)])?;
    /// # harness.finish()?;
    /// # assert_eq!(harness.take_output(), [((7, 3), 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn reduce<R>(&self, reduce: R) -> DataStream<T>
    where
        T: StateRecord + Clone,
        R: Fn(&mut T, &T) + Clone + Send + Sync + 'static,
    {
        self.reduce_with(reduce, |_, _, reduced, out| out.collect(reduced.clone()))
    }

    /// As [`reduce`](Self::reduce), with results made of the key, the window and the reduced record.
    pub fn reduce_with<R, O, F>(&self, reduce: R, result: F) -> DataStream<O>
    where
        T: StateRecord + Clone,
        R: Fn(&mut T, &T) + Clone + Send + Sync + 'static,
        O: Record,
        F: Fn(&K, TimeWindow, &T, &mut Collector<O>) + Clone + Send + Sync + 'static,
    {
        self.windows(move || Reduce::<T, R, F, O>::new(reduce.clone(), result.clone()))
    }

    /// One result for each key and window.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// use yeoul_stream::AggregateFunction;
    ///
    /// /// The mean of readings (sensor, value).
    /// #[derive(Clone)]
    /// struct Mean;
    ///
    /// impl AggregateFunction for Mean {
    ///     type In = rkyv::Archived<(u64, f64)>;
    ///     type Acc = (f64, u64);
    ///     type Out = f64;
    ///
    ///     fn create(&self) -> (f64, u64) {
    ///         (0.0, 0)
    ///     }
    ///     fn add(&self, sum: &mut (f64, u64), reading: &Self::In) {
    ///         *sum = (sum.0 + reading.1.to_native(), sum.1 + 1);
    ///     }
    ///     fn merge(&self, sum: &mut (f64, u64), other: &(f64, u64)) {
    ///         *sum = (sum.0 + other.0, sum.1 + other.1);
    ///     }
    ///     fn result(&self, sum: &(f64, u64)) -> f64 {
    ///         sum.0 / sum.1 as f64
    ///     }
    /// }
    ///
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<(u64, f64)>| {
    /// readings
    ///     .key_by(|reading| reading.0.to_native())
    ///     .window(TumblingEventTimeWindows::of(Duration::from_secs(60)))
    ///     .aggregate(Mean)
    /// # })?;
    /// # harness.push([((7, 1.0), 1_000), ((7, 2.0), 2_000)])?;
    /// # harness.finish()?;
    /// # assert_eq!(harness.take_output(), [(1.5, 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn aggregate<A>(&self, function: A) -> DataStream<A::Out>
    where
        A: AggregateFunction<In = T::Archived, Out: Record> + Clone + Sync,
    {
        self.aggregate_with(function, |_, _, result, out| out.collect(result))
    }

    /// As [`aggregate`](Self::aggregate), with results made of the key, the window and the aggregate.
    pub fn aggregate_with<A, O, F>(&self, function: A, result: F) -> DataStream<O>
    where
        A: AggregateFunction<In = T::Archived> + Clone + Sync,
        O: Record,
        F: Fn(&K, TimeWindow, A::Out, &mut Collector<O>) + Clone + Send + Sync + 'static,
    {
        self.windows(move || Aggregate::<T, A, F, O>::new(function.clone(), result.clone()))
    }

    /// Works on all records of each key and window together.
    pub fn process<P>(&self, function: P) -> DataStream<P::Out>
    where
        T: StateRecord + Clone,
        P: ProcessWindowFunction<Key = K, In = T> + Clone + Sync,
    {
        self.windows(move || Elements(function.clone()))
    }

    fn windows<C>(&self, content: impl Fn() -> C + Send + Sync + 'static) -> DataStream<C::Out>
    where
        C: Content<K, In = T>,
    {
        let selector = self.keyed.selector.clone();
        let domain = self.assigner.domain;
        // No record is late by the machine's clock.
        let lateness = if domain == Domain::Event { self.lateness } else { 0 };
        // Each operator made of this stream has side outputs of its own.
        let (late, sides) = (self.late, self.sides.copied());
        let declared = sides.clone();
        let make: MakeOperator = match self.assigner.kind {
            Assigner::Aligned(grid) => Arc::new(move || {
                let settings = AlignedSettings { grid, domain, lateness, late, sides: sides.clone() };
                Box::new(AlignedWindows::new(settings, FrameKeys::new(selector.clone()), content()))
                    as Box<dyn Operator>
            }),
            Assigner::Session(gap) => Arc::new(move || {
                let settings = SessionSettings { gap, domain, lateness, late, sides: sides.clone() };
                Box::new(SessionWindows::new(settings, FrameKeys::new(selector.clone()), content()))
                    as Box<dyn Operator>
            }),
        };
        self.keyed.one_input(self.assigner.name(), make, &declared)
    }
}
