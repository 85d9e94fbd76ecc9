//! KeyedProcessFunction: records one by one, with their key's state and timers.

use rkyv::{Archive, Serialize};
use yeoul_frame::{Record, RowKind, RowSerializer, Timestamp};
use yeoul_operator::{OpenContext, OperatorError, Subtask};
use yeoul_state::{Key, StateHandle, States};

use crate::collector::Collector;
use crate::side_outputs::SideOutputs;
use crate::timer_service::TimerService;
use crate::{OutputTag, Prefetch, TimeDomain};

/// Works on one record after another with state and timers of the record's key (Flink's `KeyedProcessFunction`).
///
/// Each subtask has a clone of it. States are declared in [`open`](Self::open); what it gives is kept, and opened for the current key with
/// [`KeyedContext::state`].
///
/// ```
/// use yeoul_frame::Timestamp;
/// use yeoul_operator::{OpenContext, OperatorError};
/// use yeoul_state::{States, ValueHandle};
/// use yeoul_stream::{Collector, DataStream, KeyedContext, KeyedProcessFunction, OperatorHarness};
///
/// /// Reports a plane that was not seen for six hours.
/// #[derive(Clone, Default)]
/// struct Missing {
///     last_seen: ValueHandle<Timestamp>,
/// }
///
/// const SIX_HOURS: i64 = 6 * 3_600_000;
///
/// impl KeyedProcessFunction for Missing {
///     type Key = u64;
///     type In = u64;
///     type Out = u64;
///
///     fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
///         self.last_seen = states.value("last seen");
///         Ok(())
///     }
///
///     fn process(&mut self, _: &rkyv::Archived<u64>, cx: &mut KeyedContext<'_, u64>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
///         let time = cx.timestamp();
///         cx.state(&self.last_seen).update(time);
///         cx.register_event_time_timer(time.plus(SIX_HOURS));
///         Ok(())
///     }
///
///     fn on_timer(&mut self, time: Timestamp, cx: &mut KeyedContext<'_, u64>, out: &mut Collector<u64>) -> Result<(), OperatorError> {
///         if cx.state(&self.last_seen).get().is_some_and(|seen| seen.plus(SIX_HOURS) == time) {
///             out.collect(*cx.key());
///         }
///         Ok(())
///     }
/// }
///
/// let mut harness = OperatorHarness::of(|planes: DataStream<u64>| planes.key_by(|plane| plane.to_native()).process(Missing::default()))?;
/// harness.push([(7, 0), (8, 0), (8, 1_000)])?;
/// harness.watermark(SIX_HOURS)?;
/// assert_eq!(harness.take_output(), [(7, SIX_HOURS)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub trait KeyedProcessFunction: Send + 'static {
    /// The key.
    type Key: Key;
    /// What it takes.
    type In: Record;
    /// What it gives.
    type Out: Record;

    /// Called once for each subtask, before the first record and before state is restored: declares the states.
    ///
    /// # Errors
    /// Whatever makes it impossible to run; the job fails with it.
    fn open(&mut self, states: &mut States<Self::Key>, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let _ = (states, cx);
        Ok(())
    }

    /// Takes a record.
    ///
    /// # Errors
    /// A failure that fails the job.
    fn process(
        &mut self,
        record: &<Self::In as Archive>::Archived,
        cx: &mut KeyedContext<'_, Self::Key>,
        out: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError>;

    /// Asks for memory that [`process`](Self::process) will reach for when it comes to `record`, some tens of records later. It changes nothing but
    /// the time that a large state takes: the value, list or other state of a record's key is asked for anyway; an entry of a map and a timer
    /// lie elsewhere, and each that is not in the cache costs a record some 80 ns unless it was named here.
    #[inline]
    fn prefetch(&self, record: &<Self::In as Archive>::Archived, ahead: &mut Prefetch<'_, Self::Key>) {
        let _ = (record, ahead);
    }

    /// Asks for memory that [`on_timer`](Self::on_timer) will reach for when it comes to a timer of this time, some tens of timers later, as
    /// [`prefetch`](Self::prefetch) does for a record.
    #[inline]
    fn prefetch_timer(&self, time: Timestamp, ahead: &mut Prefetch<'_, Self::Key>) {
        let _ = (time, ahead);
    }

    /// A timer that was set for the current key is due. Which kind of time it is for, [`KeyedContext::time_domain`] says.
    ///
    /// # Errors
    /// A failure that fails the job.
    fn on_timer(
        &mut self,
        time: Timestamp,
        cx: &mut KeyedContext<'_, Self::Key>,
        out: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError> {
        let _ = (time, cx, out);
        Ok(())
    }

    /// Called once at the end.
    fn close(&mut self) {}
}

/// As [`KeyedProcessFunction`], with records of two streams that share the state of their keys (Flink's `KeyedCoProcessFunction`). Between
/// the two streams there is no order; event time says which came first.
///
/// ```
/// use rkyv::Archived;
/// use yeoul_operator::{OpenContext, OperatorError};
/// use yeoul_state::{States, ValueHandle};
/// use yeoul_stream::{Collector, DataStream, KeyedCoProcessFunction, KeyedContext, OperatorHarness};
///
/// /// Gives each article that is sold its last price.
/// #[derive(Clone, Default)]
/// struct Priced(ValueHandle<u64>);
///
/// impl KeyedCoProcessFunction for Priced {
///     type Key = u64;
///     type In1 = u64;
///     type In2 = (u64, u64);
///     type Out = (u64, u64);
///
///     fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
///         self.0 = states.value("price");
///         Ok(())
///     }
///
///     fn process1(&mut self, sold: &Archived<u64>, cx: &mut KeyedContext<'_, u64>, out: &mut Collector<(u64, u64)>) -> Result<(), OperatorError> {
///         cx.state(&self.0).get().into_iter().for_each(|price| out.collect((sold.to_native(), *price)));
///         Ok(())
///     }
///
///     fn process2(&mut self, price: &Archived<(u64, u64)>, cx: &mut KeyedContext<'_, u64>, _: &mut Collector<(u64, u64)>) -> Result<(), OperatorError> {
///         cx.state(&self.0).update(price.1.to_native());
///         Ok(())
///     }
/// }
///
/// let mut harness = OperatorHarness::of_two(|sold: DataStream<u64>, prices: DataStream<(u64, u64)>| {
///     sold.key_by(|article| article.to_native()).connect(&prices.key_by(|price| price.0.to_native())).process(Priced::default())
/// })?;
/// harness.push_second([((7, 99), 0), ((8, 50), 0)])?;
/// harness.push([(7, 1)])?;
/// assert_eq!(harness.take_output(), [((7, 99), 1)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub trait KeyedCoProcessFunction: Send + 'static {
    /// The key of both streams.
    type Key: Key;
    /// What it takes from the first stream.
    type In1: Record;
    /// What it takes from the second stream.
    type In2: Record;
    /// What it gives.
    type Out: Record;

    /// Called once for each subtask, before the first record and before state is restored: declares the states.
    ///
    /// # Errors
    /// Whatever makes it impossible to run; the job fails with it.
    fn open(&mut self, states: &mut States<Self::Key>, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let _ = (states, cx);
        Ok(())
    }

    /// Takes a record of the first stream.
    ///
    /// # Errors
    /// A failure that fails the job.
    fn process1(
        &mut self,
        record: &<Self::In1 as Archive>::Archived,
        cx: &mut KeyedContext<'_, Self::Key>,
        out: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError>;

    /// Asks for memory that [`process1`](Self::process1) will reach for when it comes to `record`, some tens of records later. It changes nothing but
    /// the time that a large state takes: the value, list or other state of a record's key is asked for anyway; an entry of a map and a timer
    /// lie elsewhere, and each that is not in the cache costs a record some 80 ns unless it was named here.
    #[inline]
    fn prefetch1(&self, record: &<Self::In1 as Archive>::Archived, ahead: &mut Prefetch<'_, Self::Key>) {
        let _ = (record, ahead);
    }

    /// Takes a record of the second stream.
    ///
    /// # Errors
    /// A failure that fails the job.
    fn process2(
        &mut self,
        record: &<Self::In2 as Archive>::Archived,
        cx: &mut KeyedContext<'_, Self::Key>,
        out: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError>;

    /// Asks for memory that [`process2`](Self::process2) will reach for when it comes to `record`, some tens of records later. It changes nothing but
    /// the time that a large state takes: the value, list or other state of a record's key is asked for anyway; an entry of a map and a timer
    /// lie elsewhere, and each that is not in the cache costs a record some 80 ns unless it was named here.
    #[inline]
    fn prefetch2(&self, record: &<Self::In2 as Archive>::Archived, ahead: &mut Prefetch<'_, Self::Key>) {
        let _ = (record, ahead);
    }

    /// Asks for memory that [`on_timer`](Self::on_timer) will reach for when it comes to a timer of this time, some tens of timers later.
    #[inline]
    fn prefetch_timer(&self, time: Timestamp, ahead: &mut Prefetch<'_, Self::Key>) {
        let _ = (time, ahead);
    }

    /// A timer that was set for the current key is due.
    ///
    /// # Errors
    /// A failure that fails the job.
    fn on_timer(
        &mut self,
        time: Timestamp,
        cx: &mut KeyedContext<'_, Self::Key>,
        out: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError> {
        let _ = (time, cx, out);
        Ok(())
    }

    /// Called once at the end.
    fn close(&mut self) {}
}

/// What a keyed function may reach: the current key's state and timers, the times, side outputs.
///
/// ```
/// # use rkyv::Archived;
/// # use yeoul_frame::*;
/// # use yeoul_operator::*;
/// # use yeoul_state::*;
/// # use yeoul_stream::{Collector, DataStream, KeyedContext, KeyedProcessFunction, OperatorHarness, OutputTag, TimeDomain};
/// # #[derive(Clone)] struct Function;
/// # impl KeyedProcessFunction for Function {
/// #     type Key = u64; type In = u64; type Out = (u64, i64, i64);
/// // In an `impl KeyedProcessFunction`:
/// fn process(&mut self, _: &Archived<u64>, cx: &mut KeyedContext<'_, u64>, out: &mut Collector<(u64, i64, i64)>) -> Result<(), OperatorError> {
///     assert_eq!((cx.kind(), cx.time_domain(), cx.subtask().index), (RowKind::Insert, TimeDomain::Event, 0));
///     assert_eq!(cx.processing_time(), Timestamp(50_000));
///     out.collect((*cx.key(), cx.timestamp().0, cx.watermark().0));
///     Ok(())
/// }
/// # }
/// # let mut harness = OperatorHarness::of(|records: DataStream<u64>| records.key_by(|n| n.to_native()).process(Function))?;
/// harness.processing_time(50_000)?;
/// harness.watermark(900)?;
/// harness.push([(7, 1_000)])?;
/// assert_eq!(harness.take_output(), [((7, 1_000, 900), 1_000)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub struct KeyedContext<'a, K: Key> {
    pub(crate) states: &'a mut States<K>,
    pub(crate) timers: &'a mut TimerService<K>,
    pub(crate) sides: &'a mut SideOutputs,
    pub(crate) time: Timestamp,
    pub(crate) kind: RowKind,
    pub(crate) domain: TimeDomain,
    pub(crate) watermark: Timestamp,
    pub(crate) now: Timestamp,
    pub(crate) subtask: Subtask,
}

impl<K: Key> KeyedContext<'_, K> {
    /// The current key.
    #[must_use]
    pub fn key(&self) -> &K {
        self.states.key()
    }

    /// A state of the current key.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_frame::*;
    /// # use yeoul_operator::*;
    /// # use yeoul_state::*;
    /// # use yeoul_stream::{Collector, DataStream, KeyedContext, KeyedProcessFunction, OperatorHarness, OutputTag, TimeDomain};
    /// # #[derive(Clone)] struct Function(ValueHandle<u64>);
    /// # impl KeyedProcessFunction for Function {
    /// #     type Key = u64; type In = u64; type Out = u64;
    /// #     fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> { self.0 = states.value("seen"); Ok(()) }
    /// // In an `impl KeyedProcessFunction`:
    /// fn process(&mut self, _: &Archived<u64>, cx: &mut KeyedContext<'_, u64>, out: &mut Collector<u64>) -> Result<(), OperatorError> {
    ///     let seen = cx.state(&self.0).get_or(0);
    ///     *seen += 1;
    ///     out.collect(*seen);
    ///     Ok(())
    /// }
    /// # }
    /// # let mut harness = OperatorHarness::of(|records: DataStream<u64>| records.key_by(|n| n.to_native()).process(Function(ValueHandle::default())))?;
    /// harness.push([(7, 0), (8, 1), (7, 2)])?;
    /// assert_eq!(harness.take_output(), [(1, 0), (1, 1), (2, 2)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[inline]
    pub fn state<H: StateHandle<K>>(&mut self, handle: &H) -> H::State<'_> {
        self.states.of(handle)
    }

    /// The record's event time, or the timer's time.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.time
    }

    /// The record's kind, in a changelog.
    #[must_use]
    pub fn kind(&self) -> RowKind {
        self.kind
    }

    /// The kind of time that the timer which is due was set for; event time while a record is worked on.
    #[must_use]
    pub fn time_domain(&self) -> TimeDomain {
        self.domain
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

    /// Which instance this is.
    #[must_use]
    pub fn subtask(&self) -> Subtask {
        self.subtask
    }

    /// Sets a timer of the current key: it is due when the watermark reaches `time`. Setting one that is set changes nothing.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_frame::*;
    /// # use yeoul_operator::*;
    /// # use yeoul_state::*;
    /// # use yeoul_stream::{Collector, DataStream, KeyedContext, KeyedProcessFunction, OperatorHarness, OutputTag, TimeDomain};
    /// # #[derive(Clone)] struct Function;
    /// # impl KeyedProcessFunction for Function {
    /// #     type Key = u64; type In = u64; type Out = u64;
    /// // In an `impl KeyedProcessFunction`:
    /// fn process(&mut self, _: &Archived<u64>, cx: &mut KeyedContext<'_, u64>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
    ///     cx.register_event_time_timer(cx.timestamp().plus(1_000));
    ///     Ok(())
    /// }
    /// # fn on_timer(&mut self, _: Timestamp, cx: &mut KeyedContext<'_, u64>, out: &mut Collector<u64>) -> Result<(), OperatorError> { out.collect(*cx.key()); Ok(()) }
    /// # }
    /// # let mut harness = OperatorHarness::of(|records: DataStream<u64>| records.key_by(|n| n.to_native()).process(Function))?;
    /// harness.push([(7, 100)])?;
    /// assert_eq!(harness.timers(TimeDomain::Event, &7u64)?, [1_100]);
    /// harness.watermark(1_100)?;
    /// assert_eq!(harness.take_output(), [(7, 1_100)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn register_event_time_timer(&mut self, time: Timestamp) {
        self.timers.event.register(self.states.key(), self.states.key_hash(), 0, time);
    }

    /// Takes a timer of the current key back.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_frame::*;
    /// # use yeoul_operator::*;
    /// # use yeoul_state::*;
    /// # use yeoul_stream::{Collector, DataStream, KeyedContext, KeyedProcessFunction, OperatorHarness, OutputTag, TimeDomain};
    /// # #[derive(Clone)] struct Function;
    /// # impl KeyedProcessFunction for Function {
    /// #     type Key = (); type In = i64; type Out = u64;
    /// // In an `impl KeyedProcessFunction`:
    /// fn process(&mut self, record: &Archived<i64>, cx: &mut KeyedContext<'_, ()>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
    ///     match record.to_native() {
    ///         time @ 0.. => cx.register_event_time_timer(Timestamp(time)),
    ///         time => cx.delete_event_time_timer(Timestamp(-time)),
    ///     }
    ///     Ok(())
    /// }
    /// # }
    /// # let mut harness = OperatorHarness::of(|records: DataStream<i64>| records.key_by(|_| ()).process(Function))?;
    /// harness.push([(1_000, 0), (2_000, 1), (-1_000, 2)])?;
    /// assert_eq!(harness.timers(TimeDomain::Event, &())?, [2_000]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn delete_event_time_timer(&mut self, time: Timestamp) {
        self.timers.event.delete(self.states.key(), self.states.key_hash(), 0, time);
    }

    /// Sets a timer of the current key: it is due when the clock reaches `time`.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_frame::*;
    /// # use yeoul_operator::*;
    /// # use yeoul_state::*;
    /// # use yeoul_stream::{Collector, DataStream, KeyedContext, KeyedProcessFunction, OperatorHarness, OutputTag, TimeDomain};
    /// # #[derive(Clone)] struct Function;
    /// # impl KeyedProcessFunction for Function {
    /// #     type Key = u64; type In = u64; type Out = u64;
    /// // In an `impl KeyedProcessFunction`:
    /// fn process(&mut self, _: &Archived<u64>, cx: &mut KeyedContext<'_, u64>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
    ///     cx.register_processing_time_timer(cx.processing_time().plus(1_000));
    ///     Ok(())
    /// }
    /// # fn on_timer(&mut self, _: Timestamp, cx: &mut KeyedContext<'_, u64>, out: &mut Collector<u64>) -> Result<(), OperatorError> { out.collect(*cx.key()); Ok(()) }
    /// # }
    /// # let mut harness = OperatorHarness::of(|records: DataStream<u64>| records.key_by(|n| n.to_native()).process(Function))?;
    /// harness.processing_time(100)?;
    /// harness.push([(7, 100)])?;
    /// assert_eq!(harness.timers(TimeDomain::Processing, &7u64)?, [1_100]);
    /// harness.processing_time(1_100)?;
    /// assert_eq!(harness.take_output()[0].0, 7);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn register_processing_time_timer(&mut self, time: Timestamp) {
        self.timers.processing.register(self.states.key(), self.states.key_hash(), 0, time);
    }

    /// Takes a timer of the current key back.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_frame::*;
    /// # use yeoul_operator::*;
    /// # use yeoul_state::*;
    /// # use yeoul_stream::{Collector, DataStream, KeyedContext, KeyedProcessFunction, OperatorHarness, OutputTag, TimeDomain};
    /// # #[derive(Clone)] struct Function;
    /// # impl KeyedProcessFunction for Function {
    /// #     type Key = (); type In = i64; type Out = u64;
    /// // In an `impl KeyedProcessFunction`:
    /// fn process(&mut self, record: &Archived<i64>, cx: &mut KeyedContext<'_, ()>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
    ///     match record.to_native() {
    ///         time @ 0.. => cx.register_processing_time_timer(Timestamp(time)),
    ///         time => cx.delete_processing_time_timer(Timestamp(-time)),
    ///     }
    ///     Ok(())
    /// }
    /// # }
    /// # let mut harness = OperatorHarness::of(|records: DataStream<i64>| records.key_by(|_| ()).process(Function))?;
    /// harness.push([(1_000, 0), (2_000, 1), (-1_000, 2)])?;
    /// assert_eq!(harness.timers(TimeDomain::Processing, &())?, [2_000]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn delete_processing_time_timer(&mut self, time: Timestamp) {
        self.timers.processing.delete(self.states.key(), self.states.key_hash(), 0, time);
    }

    /// Adds a record to a side output, with the present record's event time.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_frame::*;
    /// # use yeoul_operator::*;
    /// # use yeoul_state::*;
    /// # use yeoul_stream::{Collector, DataStream, KeyedContext, KeyedProcessFunction, OperatorHarness, OutputTag, TimeDomain};
    /// # #[derive(Clone)] struct Function(OutputTag<String>);
    /// # impl KeyedProcessFunction for Function {
    /// #     type Key = u64; type In = u64; type Out = u64;
    /// // In an `impl KeyedProcessFunction`:
    /// fn process(&mut self, record: &Archived<u64>, cx: &mut KeyedContext<'_, u64>, out: &mut Collector<u64>) -> Result<(), OperatorError> {
    ///     match record.to_native() {
    ///         0 => cx.output(&self.0, "none".to_owned()),
    ///         n => out.collect(n),
    ///     }
    ///     Ok(())
    /// }
    /// # }
    /// # let tag = OutputTag::new("zeros");
    /// # let mut harness = OperatorHarness::of(|records: DataStream<u64>| {
    /// #     let results = records.key_by(|n| n.to_native()).process(Function(tag.clone()));
    /// #     results.side_output(&tag);
    /// #     results
    /// # })?;
    /// harness.push([(7, 1), (0, 2)])?;
    /// assert_eq!(harness.take_side_output(&tag), [("none".to_owned(), 2)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "as `Collector::collect`: a result is given away")]
    pub fn output<T: Record>(&mut self, tag: &OutputTag<T>, record: T) {
        self.sides.collect(tag, &record, self.time);
    }

    /// As [`output`](Self::output), with a record that is given as another type with the same archived form.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_frame::*;
    /// # use yeoul_operator::*;
    /// # use yeoul_state::*;
    /// # use yeoul_stream::{Collector, DataStream, KeyedContext, KeyedProcessFunction, OperatorHarness, OutputTag, TimeDomain};
    /// # #[record]
    /// # #[derive(Debug, Clone, PartialEq)]
    /// # struct Name { name: String }
    /// # #[derive(Clone)] struct Function(OutputTag<Name>);
    /// # impl KeyedProcessFunction for Function {
    /// #     type Key = u64; type In = String; type Out = u64;
    /// // In an `impl KeyedProcessFunction`:
    /// fn process(&mut self, record: &Archived<String>, cx: &mut KeyedContext<'_, u64>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
    ///     // `Name` is a record of one text, `NameRow` its row.
    ///     cx.output_row(&self.0, NameRow { name: record });
    ///     Ok(())
    /// }
    /// # }
    /// # let tag = OutputTag::new("names");
    /// # let mut harness = OperatorHarness::of(|records: DataStream<String>| {
    /// #     let results = records.key_by(|n| n.len() as u64).process(Function(tag.clone()));
    /// #     results.side_output(&tag);
    /// #     results
    /// # })?;
    /// harness.push([("swift".to_owned(), 1)])?;
    /// assert_eq!(harness.take_side_output(&tag), [(Name { name: "swift".to_owned() }, 1)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "as `Collector::collect_row`")]
    pub fn output_row<T, U>(&mut self, tag: &OutputTag<T>, row: U)
    where
        T: Record,
        U: Archive<Archived = T::Archived> + Serialize<RowSerializer>,
    {
        self.sides.collect(tag, &row, self.time);
    }
}
