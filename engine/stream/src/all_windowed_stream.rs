//! A whole stream cut into windows, and what can be computed of them.

use std::time::Duration;

use yeoul_frame::Record;
use yeoul_state::AggregateFunction;

use crate::owned_state::StateRecord;
use crate::window::function::OfOneKey;
use crate::{
    Collector, DataStream, Evictor, OutputTag, ProcessAllWindowFunction, TimeWindow, Trigger, WindowAssigner,
    WindowedStream,
};

/// A whole stream cut into windows (Flink's `AllWindowedStream`). All records come to one subtask: that of the one key `()`.
///
/// ```
/// use std::time::Duration;
/// use yeoul_stream::{DataStream, OperatorHarness, TumblingEventTimeWindows};
///
/// // Of each hour, the driver with the most tips. Records are (driver, tips in that hour).
/// let mut harness = OperatorHarness::of(|tips: DataStream<(u64, u64)>| {
///     tips.window_all(TumblingEventTimeWindows::of(Duration::from_secs(3_600)))
///         .reduce(|most, tips| if tips.1 > most.1 { *most = *tips })
/// })?;
/// harness.push([((7, 30), 3_599_999), ((8, 50), 3_599_999), ((7, 10), 7_199_999)])?;
/// harness.finish()?;
/// assert_eq!(harness.take_output(), [((8, 50), 3_599_999), ((7, 10), 7_199_999)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub struct AllWindowedStream<T: Record>(pub(crate) WindowedStream<(), T>);

impl<T: Record> AllWindowedStream<T> {
    pub(crate) fn of(stream: &DataStream<T>, assigner: WindowAssigner<T>) -> Self {
        // All records have one key, so that its state goes with it wherever a restore puts it.
        Self(WindowedStream::of(stream.key_by(|_| ()), assigner))
    }

    /// As [`WindowedStream::trigger`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// use yeoul_stream::CountTrigger;
    ///
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    ///     let minutes = readings.window_all(TumblingEventTimeWindows::of(Duration::from_secs(60)));
    ///     minutes.trigger(CountTrigger::of(2)).aggregate(Count::new())
    /// })?;
    /// harness.push([(7, 0), (8, 1), (9, 2)])?;
    /// assert_eq!(harness.take_output(), [(2u64, 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn trigger<R: Trigger<T> + Clone + Sync>(self, trigger: R) -> Self {
        Self(self.0.trigger(trigger))
    }

    /// As [`WindowedStream::evictor`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// use yeoul_stream::CountEvictor;
    ///
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    ///     let minutes = readings.window_all(TumblingEventTimeWindows::of(Duration::from_secs(60)));
    ///     minutes.evictor(CountEvictor::of(2)).reduce(|sum, reading| *sum += reading)
    /// })?;
    /// harness.push([(1, 0), (2, 1), (3, 2)])?;
    /// harness.finish()?;
    /// // Of the last two.
    /// assert_eq!(harness.take_output(), [(5, 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn evictor<E>(self, evictor: E) -> Self
    where
        T: StateRecord + Clone,
        E: Evictor<T> + Clone + Sync,
    {
        Self(self.0.evictor(evictor))
    }

    /// As [`WindowedStream::allowed_lateness`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    ///     let minutes = readings.window_all(TumblingEventTimeWindows::of(Duration::from_secs(60)));
    ///     minutes.allowed_lateness(Duration::from_secs(10)).aggregate(Count::new())
    /// })?;
    /// harness.push([(7, 0)])?;
    /// harness.watermark(60_000)?;
    /// harness.push([(8, 59_000)])?;
    /// assert_eq!(harness.take_output(), [(1u64, 59_999), (2, 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn allowed_lateness(self, lateness: Duration) -> Self {
        Self(self.0.allowed_lateness(lateness))
    }

    /// As [`WindowedStream::side_output_late_data`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// use yeoul_stream::OutputTag;
    ///
    /// let late = OutputTag::<u64>::new("late");
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    ///     let minutes = readings.window_all(TumblingEventTimeWindows::of(Duration::from_secs(60)));
    ///     let counts = minutes.side_output_late_data(&late).aggregate(Count::new());
    ///     counts.side_output(&late);
    ///     counts
    /// })?;
    /// harness.watermark(60_000)?;
    /// harness.push([(7, 1_000)])?;
    /// assert_eq!(harness.take_side_output(&late), [(7, 1_000)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn side_output_late_data(self, tag: &OutputTag<T>) -> Self {
        Self(self.0.side_output_late_data(tag))
    }

    /// One record for each window: `reduce` folds the second record into the first.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    ///     let minutes = readings.window_all(TumblingEventTimeWindows::of(Duration::from_secs(60)));
    ///     minutes.reduce(|sum, reading| *sum += reading)
    /// })?;
    /// harness.push([(1, 0), (2, 1), (5, 60_000)])?;
    /// harness.finish()?;
    /// assert_eq!(harness.take_output(), [(3, 59_999), (5, 119_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn reduce<R>(&self, reduce: R) -> DataStream<T>
    where
        T: StateRecord + Clone,
        R: Fn(&mut T, &T) + Clone + Send + Sync + 'static,
    {
        self.0.reduce(reduce)
    }

    /// As [`reduce`](Self::reduce), with results made of the window and the reduced record.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    ///     let minutes = readings.window_all(TumblingEventTimeWindows::of(Duration::from_secs(60)));
    ///     minutes.reduce_with(|sum, reading| *sum += reading, |window, sum, out| out.collect((window.start.0, *sum)))
    /// })?;
    /// harness.push([(1, 60_000), (2, 61_000)])?;
    /// harness.finish()?;
    /// assert_eq!(harness.take_output(), [((60_000, 3), 119_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn reduce_with<R, O, F>(&self, reduce: R, result: F) -> DataStream<O>
    where
        T: StateRecord + Clone,
        R: Fn(&mut T, &T) + Clone + Send + Sync + 'static,
        O: Record,
        F: Fn(TimeWindow, &T, &mut Collector<O>) + Clone + Send + Sync + 'static,
    {
        self.0.reduce_with(reduce, move |(), window, reduced, out| result(window, reduced, out))
    }

    /// As [`reduce`](Self::reduce), with a function that is given the reduced record as its only element.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::{AllWindowContext, Collector, ProcessAllWindowFunction};
    /// # #[derive(Clone)]
    /// # struct Since;
    /// # impl ProcessAllWindowFunction for Since {
    /// #     type In = u64;
    /// #     type Out = (i64, u64);
    /// #     fn process(&mut self, cx: &mut AllWindowContext<'_>, elements: &[u64], out: &mut Collector<(i64, u64)>) -> Result<(), OperatorError> {
    /// #         elements.iter().for_each(|element| out.collect((cx.window().start.0, *element)));
    /// #         Ok(())
    /// #     }
    /// # }
    /// // `Since`, a `ProcessAllWindowFunction`, puts the window's start before each element.
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    ///     let minutes = readings.window_all(TumblingEventTimeWindows::of(Duration::from_secs(60)));
    ///     minutes.reduce_process(|sum, reading| *sum += reading, Since)
    /// })?;
    /// harness.push([(1, 60_000), (2, 61_000)])?;
    /// harness.finish()?;
    /// assert_eq!(harness.take_output(), [((60_000, 3), 119_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn reduce_process<R, P>(&self, reduce: R, function: P) -> DataStream<P::Out>
    where
        T: StateRecord + Clone,
        R: Fn(&mut T, &T) + Clone + Send + Sync + 'static,
        P: ProcessAllWindowFunction<In = T> + Clone + Sync,
    {
        self.0.reduce_process(reduce, OfOneKey(function))
    }

    /// One result for each window.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    /// readings.window_all(TumblingEventTimeWindows::of(Duration::from_secs(60))).aggregate(Count::new())
    /// # })?;
    /// # harness.push([((7, 1), 1_000), ((8, 2), 2_000)])?;
    /// # harness.finish()?;
    /// # assert_eq!(harness.take_output(), [(2u64, 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn aggregate<A>(&self, function: A) -> DataStream<A::Out>
    where
        A: AggregateFunction<In = T::Archived, Out: Record> + Clone + Sync,
    {
        self.0.aggregate(function)
    }

    /// As [`aggregate`](Self::aggregate), with results made of the window and the aggregate.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    ///     let minutes = readings.window_all(TumblingEventTimeWindows::of(Duration::from_secs(60)));
    ///     minutes.aggregate_with(Count::new(), |window, count, out| out.collect((window.start.0, count)))
    /// })?;
    /// harness.push([(1, 60_000), (2, 61_000)])?;
    /// harness.finish()?;
    /// assert_eq!(harness.take_output(), [((60_000, 2), 119_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn aggregate_with<A, O, F>(&self, function: A, result: F) -> DataStream<O>
    where
        A: AggregateFunction<In = T::Archived> + Clone + Sync,
        O: Record,
        F: Fn(TimeWindow, A::Out, &mut Collector<O>) + Clone + Send + Sync + 'static,
    {
        self.0.aggregate_with(function, move |(), window, aggregate, out| result(window, aggregate, out))
    }

    /// As [`aggregate`](Self::aggregate), with a function that is given the aggregate as its only element.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::{AllWindowContext, Collector, ProcessAllWindowFunction};
    /// # #[derive(Clone)]
    /// # struct Since;
    /// # impl ProcessAllWindowFunction for Since {
    /// #     type In = u64;
    /// #     type Out = (i64, u64);
    /// #     fn process(&mut self, cx: &mut AllWindowContext<'_>, elements: &[u64], out: &mut Collector<(i64, u64)>) -> Result<(), OperatorError> {
    /// #         elements.iter().for_each(|element| out.collect((cx.window().start.0, *element)));
    /// #         Ok(())
    /// #     }
    /// # }
    /// // `Since`, a `ProcessAllWindowFunction`, puts the window's start before each element.
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    ///     let minutes = readings.window_all(TumblingEventTimeWindows::of(Duration::from_secs(60)));
    ///     minutes.aggregate_process(Count::new(), Since)
    /// })?;
    /// harness.push([(1, 60_000), (2, 61_000)])?;
    /// harness.finish()?;
    /// assert_eq!(harness.take_output(), [((60_000, 2), 119_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn aggregate_process<A, P>(&self, function: A, then: P) -> DataStream<P::Out>
    where
        A: AggregateFunction<In = T::Archived, Out: Record> + Clone + Sync,
        P: ProcessAllWindowFunction<In = A::Out> + Clone + Sync,
    {
        self.0.aggregate_process(function, OfOneKey(then))
    }

    /// Works on all records of each window together: an example is at [`ProcessAllWindowFunction`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::{AllWindowContext, Collector, ProcessAllWindowFunction};
    /// # #[derive(Clone)]
    /// # struct Since;
    /// # impl ProcessAllWindowFunction for Since {
    /// #     type In = u64;
    /// #     type Out = (i64, u64);
    /// #     fn process(&mut self, cx: &mut AllWindowContext<'_>, elements: &[u64], out: &mut Collector<(i64, u64)>) -> Result<(), OperatorError> {
    /// #         elements.iter().for_each(|element| out.collect((cx.window().start.0, *element)));
    /// #         Ok(())
    /// #     }
    /// # }
    /// // `Since`, a `ProcessAllWindowFunction`, puts the window's start before each element.
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    ///     let minutes = readings.window_all(TumblingEventTimeWindows::of(Duration::from_secs(60)));
    ///     minutes.process(Since)
    /// })?;
    /// harness.push([(1, 60_000), (2, 61_000)])?;
    /// harness.finish()?;
    /// assert_eq!(harness.take_output(), [((60_000, 1), 119_999), ((60_000, 2), 119_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn process<P>(&self, function: P) -> DataStream<P::Out>
    where
        T: StateRecord + Clone,
        P: ProcessAllWindowFunction<In = T> + Clone + Sync,
    {
        self.0.process(OfOneKey(function))
    }
}
