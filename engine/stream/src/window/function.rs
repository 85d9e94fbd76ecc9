//! What windows compute: the functions that users write, beside [`AggregateFunction`].

use std::marker::PhantomData;

use yeoul_frame::{Record, Timestamp};
use yeoul_operator::{OpenContext, OperatorError};
use yeoul_state::{AggregateFunction, Key, StateHandle};

use crate::side_outputs::SideOutputs;
use crate::{Collector, OutputTag, TimeWindow, WindowKey, WindowStates};

/// An [`AggregateFunction`] that counts what is added.
///
/// ```
/// use yeoul_stream::{AggregateFunction, Count};
/// let count = Count::<str>::new();
/// let mut acc = count.create();
/// count.add(&mut acc, "one");
/// assert_eq!(count.result(&acc), 1);
/// ```
#[derive(Debug)]
pub struct Count<T: ?Sized>(PhantomData<fn(&T)>);

impl<T: ?Sized> Count<T> {
    /// A count.
    ///
    /// ```
    /// use yeoul_stream::{Count, DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| readings.count_window_all(2).aggregate(Count::new()))?;
    /// harness.push([(7, 0), (8, 1)])?;
    /// assert_eq!(harness.take_output()[0].0, 2);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: ?Sized> Default for Count<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: ?Sized> Clone for Count<T> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<T: ?Sized + 'static> AggregateFunction for Count<T> {
    type In = T;
    type Acc = u64;
    type Out = u64;

    fn create(&self) -> u64 {
        0
    }

    #[inline]
    fn add(&self, count: &mut u64, _: &T) {
        *count += 1;
    }

    #[inline]
    fn merge(&self, count: &mut u64, other: &u64) {
        *count += other;
    }

    fn result(&self, count: &u64) -> u64 {
        *count
    }
}

/// Works on what a key's window holds when it fires (Flink's `ProcessWindowFunction`): all its records, which are kept until then, or one
/// element, the result of a reduction or an aggregate ([`reduce_process`](crate::WindowedStream::reduce_process),
/// [`aggregate_process`](crate::WindowedStream::aggregate_process)), which needs far less state.
///
/// ```
/// use std::time::Duration;
/// use yeoul_operator::OperatorError;
/// use yeoul_state::ValueHandle;
/// use yeoul_stream::{
///     Collector, DataStream, OperatorHarness, ProcessWindowFunction, TumblingEventTimeWindows, WindowContext, WindowStates,
/// };
///
/// /// The median of a minute's readings (sensor, value), and the greatest median of the sensor so far.
/// #[derive(Clone, Default)]
/// struct Medians {
///     greatest: ValueHandle<i64>,
/// }
///
/// impl ProcessWindowFunction for Medians {
///     type Key = u64;
///     type In = (u64, i64);
///     type Out = (u64, i64, i64);
///
///     fn declare(&mut self, states: &mut WindowStates<u64>) {
///         self.greatest = states.global.value("greatest median");
///     }
///
///     fn process(
///         &mut self,
///         sensor: &u64,
///         cx: &mut WindowContext<'_, u64>,
///         readings: &[(u64, i64)],
///         out: &mut Collector<(u64, i64, i64)>,
///     ) -> Result<(), OperatorError> {
///         let mut values: Vec<i64> = readings.iter().map(|reading| reading.1).collect();
///         values.sort_unstable();
///         let median = values[values.len() / 2];
///         let greatest = cx.global_state(&self.greatest).get_or(median);
///         *greatest = median.max(*greatest);
///         out.collect((*sensor, median, *greatest));
///         Ok(())
///     }
/// }
///
/// let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
///     let minutes = TumblingEventTimeWindows::of(Duration::from_secs(60));
///     readings.key_by(|reading| reading.0.to_native()).window(minutes).process(Medians::default())
/// })?;
/// harness.push([((7, 9), 1_000), ((7, 5), 2_000), ((7, 1), 3_000), ((7, 2), 61_000)])?;
/// harness.finish()?;
/// assert_eq!(harness.take_output(), [((7, 5, 5), 59_999), ((7, 2, 5), 119_999)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub trait ProcessWindowFunction: Send + 'static {
    /// The key.
    type Key: Key;
    /// What it takes.
    type In: Record;
    /// What it gives.
    type Out: Record;

    /// Declares the states; the handles are kept. Called once for each subtask, before anything else, and once while the job is built.
    fn declare(&mut self, states: &mut WindowStates<Self::Key>) {
        let _ = states;
    }

    /// Called once for each subtask, before the first window.
    ///
    /// # Errors
    /// Whatever makes it impossible to run; the job fails with it.
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let _ = cx;
        Ok(())
    }

    /// The window of `key` fires. Results take the window's last time as their event time.
    ///
    /// # Errors
    /// A failure that fails the job.
    fn process(
        &mut self,
        key: &Self::Key,
        cx: &mut WindowContext<'_, Self::Key>,
        elements: &[Self::In],
        out: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError>;

    /// The window of `key` expires and will not fire again: what its per-window state holds is removed here. As in Flink it is not called
    /// when a trigger purges the window, which leaves such state as it is. Plain windows of functions that declare
    /// no state, neither of windows nor of keys, do not call it: there is nothing to remove.
    ///
    /// # Errors
    /// A failure that fails the job.
    fn clear(&mut self, key: &Self::Key, cx: &mut WindowContext<'_, Self::Key>) -> Result<(), OperatorError> {
        let _ = (key, cx);
        Ok(())
    }

    /// Called once at the end.
    fn close(&mut self) {}
}

/// As [`ProcessWindowFunction`], for windows of a whole stream (Flink's `ProcessAllWindowFunction`).
///
/// ```
/// use std::time::Duration;
/// use yeoul_operator::OperatorError;
/// use yeoul_stream::{AllWindowContext, Collector, DataStream, OperatorHarness, ProcessAllWindowFunction, TumblingEventTimeWindows};
///
/// /// The longest word of each minute.
/// #[derive(Clone)]
/// struct Longest;
///
/// impl ProcessAllWindowFunction for Longest {
///     type In = String;
///     type Out = String;
///
///     fn process(
///         &mut self,
///         _: &mut AllWindowContext<'_>,
///         words: &[String],
///         out: &mut Collector<String>,
///     ) -> Result<(), OperatorError> {
///         words.iter().max_by_key(|word| word.len()).into_iter().for_each(|word| out.collect(word.clone()));
///         Ok(())
///     }
/// }
///
/// let mut harness = OperatorHarness::of(|words: DataStream<String>| {
///     words.window_all(TumblingEventTimeWindows::of(Duration::from_secs(60))).process(Longest)
/// })?;
/// harness.push(["swift", "shallow"].map(|word| (word.to_owned(), 1_000)))?;
/// harness.finish()?;
/// assert_eq!(harness.take_output(), [("shallow".to_owned(), 59_999)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub trait ProcessAllWindowFunction: Send + 'static {
    /// What it takes.
    type In: Record;
    /// What it gives.
    type Out: Record;

    /// As [`ProcessWindowFunction::declare`].
    fn declare(&mut self, states: &mut WindowStates<()>) {
        let _ = states;
    }

    /// As [`ProcessWindowFunction::open`].
    ///
    /// # Errors
    /// Whatever makes it impossible to run; the job fails with it.
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let _ = cx;
        Ok(())
    }

    /// The window fires. Results take the window's last time as their event time.
    ///
    /// # Errors
    /// A failure that fails the job.
    fn process(
        &mut self,
        cx: &mut AllWindowContext<'_>,
        elements: &[Self::In],
        out: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError>;

    /// As [`ProcessWindowFunction::clear`].
    ///
    /// # Errors
    /// A failure that fails the job.
    fn clear(&mut self, cx: &mut AllWindowContext<'_>) -> Result<(), OperatorError> {
        let _ = cx;
        Ok(())
    }

    /// Called once at the end.
    fn close(&mut self) {}
}

/// What a [`ProcessAllWindowFunction`] may reach.
///
/// ```
/// # use yeoul_operator::OperatorError;
/// # use yeoul_stream::{AllWindowContext, Collector, DataStream, OperatorHarness, ProcessAllWindowFunction};
/// # #[derive(Clone)] struct Ends;
/// # impl ProcessAllWindowFunction for Ends {
/// #     type In = u64; type Out = i64;
/// // In an `impl ProcessAllWindowFunction`:
/// fn process(&mut self, cx: &mut AllWindowContext<'_>, _: &[u64], out: &mut Collector<i64>) -> Result<(), OperatorError> {
///     out.collect(cx.window().end.0);
///     Ok(())
/// }
/// # }
/// # let mut harness = OperatorHarness::of(|readings: DataStream<u64>| readings.count_window_all(2).process(Ends))?;
/// harness.push([(7, 0), (8, 1)])?;
/// // A window of two records has no end in time.
/// assert_eq!(harness.take_output()[0].0, i64::MAX);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub type AllWindowContext<'a> = WindowContext<'a, ()>;

/// A function of a whole stream's windows as one of the windows of its only key.
#[derive(Clone)]
pub(crate) struct OfOneKey<P>(pub(crate) P);

impl<P: ProcessAllWindowFunction> ProcessWindowFunction for OfOneKey<P> {
    type Key = ();
    type In = P::In;
    type Out = P::Out;

    fn declare(&mut self, states: &mut WindowStates<()>) {
        self.0.declare(states);
    }

    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.0.open(cx)
    }

    fn process(
        &mut self,
        (): &(),
        cx: &mut AllWindowContext<'_>,
        elements: &[P::In],
        out: &mut Collector<P::Out>,
    ) -> Result<(), OperatorError> {
        self.0.process(cx, elements, out)
    }

    fn clear(&mut self, (): &(), cx: &mut AllWindowContext<'_>) -> Result<(), OperatorError> {
        self.0.clear(cx)
    }

    fn close(&mut self) {
        self.0.close();
    }
}

/// What a window function may reach: the window that fires, the times, state, side outputs.
///
/// ```
/// # use std::time::Duration;
/// # use yeoul_operator::OperatorError;
/// # use yeoul_state::ValueHandle;
/// # use yeoul_stream::*;
/// # #[derive(Clone)] struct Function;
/// # impl ProcessWindowFunction for Function {
/// #     type Key = u64; type In = u64; type Out = u64;
/// // In an `impl ProcessWindowFunction`:
/// fn process(&mut self, key: &u64, cx: &mut WindowContext<'_, u64>, elements: &[u64], out: &mut Collector<u64>) -> Result<(), OperatorError> {
///     let window = cx.window();
///     assert!(cx.watermark() >= window.max_timestamp() && cx.processing_time().0 == 0);
///     out.collect(key + window.start.0 as u64);
///     assert_eq!(elements.len(), 1);
///     Ok(())
/// }
/// # }
/// # let tag = OutputTag::new("long");
/// # let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
/// #     let minutes = readings.key_by(|id| id.to_native()).window(TumblingEventTimeWindows::of(Duration::from_secs(60)));
/// #     let results = minutes.process(Function);
/// #     results.side_output::<u64>(&tag);
/// #     results
/// # })?;
/// harness.push([(7, 1_000), (7, 61_000)])?;
/// harness.finish()?;
/// assert_eq!(harness.take_output(), [(7, 59_999), (60_007, 119_999)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub struct WindowContext<'a, K: Key> {
    pub(crate) key: &'a K,
    pub(crate) window: TimeWindow,
    pub(crate) watermark: Timestamp,
    pub(crate) now: Timestamp,
    pub(crate) states: &'a mut WindowStates<K>,
    pub(crate) sides: &'a mut SideOutputs,
}

impl<K: Key> WindowContext<'_, K> {
    /// The window.
    #[must_use]
    pub fn window(&self) -> TimeWindow {
        self.window
    }

    /// The present watermark.
    #[must_use]
    pub fn watermark(&self) -> Timestamp {
        self.watermark
    }

    /// The present processing time.
    #[must_use]
    pub fn processing_time(&self) -> Timestamp {
        self.now
    }

    /// A state of this key and window (Flink's `windowState()`).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_state::ValueHandle;
    /// # use yeoul_stream::*;
    /// # #[derive(Clone)] struct Function(ValueHandle<u64>);
    /// # impl ProcessWindowFunction for Function {
    /// #     type Key = u64; type In = u64; type Out = u64;
    /// # fn declare(&mut self, states: &mut WindowStates<u64>) { self.0 = states.window.value("firings"); }
    /// // In an `impl ProcessWindowFunction`:
    /// fn process(&mut self, _: &u64, cx: &mut WindowContext<'_, u64>, _: &[u64], out: &mut Collector<u64>) -> Result<(), OperatorError> {
    ///     // Each window has its own, which its `clear` removes.
    ///     let firings = cx.window_state(&self.0).get_or(0);
    ///     *firings += 1;
    ///     out.collect(*firings);
    ///     Ok(())
    /// }
    /// # }
    /// # let tag = OutputTag::new("long");
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    /// #     let minutes = readings.key_by(|id| id.to_native()).window(TumblingEventTimeWindows::of(Duration::from_secs(60)));
    /// #     let results = minutes.process(Function(ValueHandle::default()));
    /// #     results.side_output::<u64>(&tag);
    /// #     results
    /// # })?;
    /// harness.push([(7, 1_000), (7, 61_000)])?;
    /// harness.finish()?;
    /// assert_eq!(harness.take_output(), [(1, 59_999), (1, 119_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn window_state<H: StateHandle<WindowKey<K>>>(&mut self, handle: &H) -> H::State<'_> {
        let key = WindowKey { key: self.key.clone(), sub: self.window };
        self.states.window.set_key(&key, key.hash(), self.now);
        self.states.window.of(handle)
    }

    /// A state of this key, which its windows share (Flink's `globalState()`).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_state::ValueHandle;
    /// # use yeoul_stream::*;
    /// # #[derive(Clone)] struct Function(ValueHandle<u64>);
    /// # impl ProcessWindowFunction for Function {
    /// #     type Key = u64; type In = u64; type Out = u64;
    /// # fn declare(&mut self, states: &mut WindowStates<u64>) { self.0 = states.global.value("firings"); }
    /// // In an `impl ProcessWindowFunction`:
    /// fn process(&mut self, _: &u64, cx: &mut WindowContext<'_, u64>, _: &[u64], out: &mut Collector<u64>) -> Result<(), OperatorError> {
    ///     let firings = cx.global_state(&self.0).get_or(0);
    ///     *firings += 1;
    ///     out.collect(*firings);
    ///     Ok(())
    /// }
    /// # }
    /// # let tag = OutputTag::new("long");
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    /// #     let minutes = readings.key_by(|id| id.to_native()).window(TumblingEventTimeWindows::of(Duration::from_secs(60)));
    /// #     let results = minutes.process(Function(ValueHandle::default()));
    /// #     results.side_output::<u64>(&tag);
    /// #     results
    /// # })?;
    /// harness.push([(7, 1_000), (7, 61_000)])?;
    /// harness.finish()?;
    /// assert_eq!(harness.take_output(), [(1, 59_999), (2, 119_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn global_state<H: StateHandle<K>>(&mut self, handle: &H) -> H::State<'_> {
        self.states.global.set_key(self.key, self.key.hash(), self.now);
        self.states.global.of(handle)
    }

    /// Adds a record to a side output, with the window's last time as its event time.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_state::ValueHandle;
    /// # use yeoul_stream::*;
    /// # #[derive(Clone)] struct Function(OutputTag<u64>);
    /// # impl ProcessWindowFunction for Function {
    /// #     type Key = u64; type In = u64; type Out = u64;
    /// // In an `impl ProcessWindowFunction`:
    /// fn process(&mut self, key: &u64, cx: &mut WindowContext<'_, u64>, elements: &[u64], _: &mut Collector<u64>) -> Result<(), OperatorError> {
    ///     cx.output(&self.0, *key + elements.len() as u64);
    ///     Ok(())
    /// }
    /// # }
    /// # let tag = OutputTag::new("long");
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    /// #     let minutes = readings.key_by(|id| id.to_native()).window(TumblingEventTimeWindows::of(Duration::from_secs(60)));
    /// #     let results = minutes.process(Function(tag.clone()));
    /// #     results.side_output::<u64>(&tag);
    /// #     results
    /// # })?;
    /// harness.push([(7, 1_000), (7, 61_000)])?;
    /// harness.finish()?;
    /// assert_eq!(harness.take_side_output(&tag), [(8, 59_999), (8, 119_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "as `Collector::collect`: a result is given away")]
    pub fn output<T: Record>(&mut self, tag: &OutputTag<T>, record: T) {
        self.sides.collect(tag, &record, self.window.max_timestamp());
    }
}
