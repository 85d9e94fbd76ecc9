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
use crate::window::assigner::{Assigner, AtEnd, Domain};
use crate::window::content::{Aggregate, Content, Elements, Reduce};
use crate::window::general::{self, ElementStore, Folds, GeneralSettings, GeneralWindows, KeyedTrigger, Lists};
use crate::window::outcome::{ByClosure, ByFunction, ByFunctionInPlace};
use crate::window::session::{SessionSettings, SessionWindows};
use crate::{
    Collector, DataStream, EndOfStreamTrigger, EventTimeTrigger, Evictor, KeyedStream, NeverTrigger, OutputTag,
    ProcessWindowFunction, ProcessingTimeTrigger, TimeWindow, Trigger, WindowAssigner, WindowStates,
};

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
    assigner: WindowAssigner<T>,
    trigger: Option<MakeTrigger<K, T>>,
    evictor: Option<MakeElements<K, T>>,
    lateness: i64,
    late: Option<yeoul_operator::OutputId>,
    sides: Sides,
}

type MakeTrigger<K, T> = Arc<dyn Fn() -> Box<dyn KeyedTrigger<K, T>> + Send + Sync>;
type MakeElements<K, T> = Arc<dyn Fn() -> Box<dyn ElementStore<K, T>> + Send + Sync>;

/// Makes instances of this trigger.
fn making<K: Key, T: Record, R: Trigger<T> + Clone + Sync>(trigger: R) -> MakeTrigger<K, T> {
    Arc::new(move || Box::new(general::StatefulTrigger::new(trigger.clone())))
}

impl<K: Key + Sync, T: Record> WindowedStream<K, T> {
    pub(crate) fn of(keyed: KeyedStream<K, T>, assigner: WindowAssigner<T>) -> Self {
        Self { keyed, assigner, trigger: None, evictor: None, lateness: 0, late: None, sides: Sides::default() }
    }

    /// When windows fire. Without it they fire when they end: by the watermark or by the clock, as the assigner has it.
    ///
    /// Windows with a trigger are kept a key and window at a time; those of the default one share what overlaps.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// use yeoul_stream::{CountTrigger, PurgingTrigger};
    ///
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    /// readings
    ///     .key_by(|reading| reading.0.to_native())
    ///     .window(TumblingEventTimeWindows::of(Duration::from_secs(60)))
    ///     .trigger(PurgingTrigger::of(CountTrigger::of(2)))
    ///     .aggregate(Count::new())
    /// # })?;
    /// # harness.push([((7, 1), 1_000), ((7, 2), 2_000), ((7, 3), 3_000)])?;
    /// # assert_eq!(harness.take_output(), [(2u64, 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn trigger<R: Trigger<T> + Clone + Sync>(self, trigger: R) -> Self {
        if self.assigner.merges() && !trigger.can_merge() {
            self.keyed.stream.env.mistake(format!(
                "a trigger of {}, whose windows merge, that cannot merge; implement can_merge and on_merge, or use another trigger",
                self.assigner.name()
            ));
        }
        Self { trigger: Some(making(trigger)), ..self }
    }

    /// What is taken out of windows around their function. With it a window keeps all its elements, whatever is made of them.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// use yeoul_stream::CountEvictor;
    ///
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    /// // The sum of each minute's last two readings.
    /// readings
    ///     .key_by(|reading| reading.0.to_native())
    ///     .window(TumblingEventTimeWindows::of(Duration::from_secs(60)))
    ///     .evictor(CountEvictor::of(2))
    ///     .reduce(|sum, reading| sum.1 += reading.1)
    /// # })?;
    /// # harness.push([((7, 1), 1_000), ((7, 2), 2_000), ((7, 3), 3_000)])?;
    /// # harness.finish()?;
    /// # assert_eq!(harness.take_output(), [((7, 5), 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn evictor<E>(self, evictor: E) -> Self
    where
        T: StateRecord + Clone,
        E: Evictor<T> + Clone + Sync,
    {
        let make = move || Box::new(general::Elements::new(Some(Box::new(evictor.clone())))) as Box<_>;
        Self { evictor: Some(Arc::new(make)), ..self }
    }

    /// For this long after the watermark has passed a window's end, a late record makes it fire again with that record. Event time only.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    /// readings
    ///     .key_by(|reading| reading.0.to_native())
    ///     .window(TumblingEventTimeWindows::of(Duration::from_secs(60)))
    ///     .allowed_lateness(Duration::from_secs(10))
    ///     .aggregate(Count::new())
    /// # })?;
    /// # harness.push([((7, 1), 1_000)])?;
    /// # harness.watermark(59_999)?;
    /// # harness.push([((7, 2), 2_000)])?;
    /// # assert_eq!(harness.take_output(), [(1u64, 59_999), (2, 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn allowed_lateness(self, lateness: Duration) -> Self {
        Self { lateness: millis(lateness), ..self }
    }

    /// Records that come too late for all their windows go to a side output. Otherwise they are dropped, and counted.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// use yeoul_stream::OutputTag;
    ///
    /// let late = OutputTag::new("late");
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    /// let counts = readings
    ///     .key_by(|reading| reading.0.to_native())
    ///     .window(TumblingEventTimeWindows::of(Duration::from_secs(60)))
    ///     .side_output_late_data(&late)
    ///     .aggregate(Count::new());
    /// let too_late = counts.side_output(&late);
    /// # let _ = too_late;
    /// # counts
    /// # })?;
    /// # harness.watermark(59_999)?;
    /// # harness.push([((7, 2), 2_000)])?;
    /// # assert_eq!(harness.take_side_output(&late), [((7, 2), 2_000)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
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
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    /// readings
    ///     .key_by(|reading| reading.0.to_native())
    ///     .window(TumblingEventTimeWindows::of(Duration::from_secs(60)))
    ///     .reduce_with(
    ///         |most, reading| most.1 = most.1.max(reading.1),
    ///         |sensor, window, most, out| out.collect((*sensor, window.end.0, most.1)),
    ///     )
    /// # })?;
    /// # harness.push([((7, 1), 1_000), ((7, 2), 2_000)])?;
    /// # harness.finish()?;
    /// # assert_eq!(harness.take_output(), [((7u64, 60_000i64, 2i64), 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn reduce_with<R, O, F>(&self, reduce: R, result: F) -> DataStream<O>
    where
        T: StateRecord + Clone,
        R: Fn(&mut T, &T) + Clone + Send + Sync + 'static,
        O: Record,
        F: Fn(&K, TimeWindow, &T, &mut Collector<O>) + Clone + Send + Sync + 'static,
    {
        self.windows(move || Reduce::<T, R, _, O>::new(reduce.clone(), ByClosure(result.clone())))
    }

    /// As [`reduce`](Self::reduce), with a function that is given the reduced record as its only element, and has state and side outputs.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::{Collector, DataStream, OperatorHarness, ProcessWindowFunction, TumblingEventTimeWindows, WindowContext};
    /// /// (sensor, end of the window, greatest value)
    /// #[derive(Clone)]
    /// struct WithEnd;
    ///
    /// impl ProcessWindowFunction for WithEnd {
    ///     type Key = u64;
    ///     type In = (u64, i64);
    ///     type Out = (u64, i64, i64);
    ///
    ///     fn process(
    ///         &mut self,
    ///         sensor: &u64,
    ///         cx: &mut WindowContext<'_, u64>,
    ///         greatest: &[(u64, i64)],
    ///         out: &mut Collector<(u64, i64, i64)>,
    ///     ) -> Result<(), OperatorError> {
    ///         assert_eq!(greatest.len(), 1);
    ///         out.collect((*sensor, cx.window().end.0, greatest[0].1));
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    /// readings
    ///     .key_by(|reading| reading.0.to_native())
    ///     .window(TumblingEventTimeWindows::of(Duration::from_secs(60)))
    ///     .reduce_process(|most, reading| most.1 = most.1.max(reading.1), WithEnd)
    /// # })?;
    /// # harness.push([((7, 1), 1_000), ((7, 2), 2_000)])?;
    /// # harness.finish()?;
    /// # assert_eq!(harness.take_output(), [((7, 60_000, 2), 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn reduce_process<R, P>(&self, reduce: R, function: P) -> DataStream<P::Out>
    where
        T: StateRecord + Clone,
        R: Fn(&mut T, &T) + Clone + Send + Sync + 'static,
        P: ProcessWindowFunction<Key = K, In = T> + Clone + Sync,
    {
        self.windows(move || Reduce::<T, R, _, P::Out>::new(reduce.clone(), ByFunctionInPlace(function.clone())))
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

    /// As [`aggregate`](Self::aggregate), with results made of the key, the window and the aggregate: the example of
    /// [`WindowedStream`] does so.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
    /// // (sensor, end of the window, readings)
    /// let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    ///     let minutes = TumblingEventTimeWindows::of(Duration::from_secs(60));
    ///     let windows = readings.key_by(|reading| reading.0.to_native()).window(minutes);
    ///     windows.aggregate_with(Count::new(), |sensor, window, count, out| out.collect((*sensor, window.end.0, count)))
    /// })?;
    /// harness.push([((7, 21), 1_000), ((7, 22), 2_000)])?;
    /// harness.finish()?;
    /// assert_eq!(harness.take_output(), [((7u64, 60_000i64, 2u64), 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn aggregate_with<A, O, F>(&self, function: A, result: F) -> DataStream<O>
    where
        A: AggregateFunction<In = T::Archived> + Clone + Sync,
        O: Record,
        F: Fn(&K, TimeWindow, A::Out, &mut Collector<O>) + Clone + Send + Sync + 'static,
    {
        self.windows(move || Aggregate::<T, A, _, O>::new(function.clone(), ByClosure(result.clone())))
    }

    /// As [`aggregate`](Self::aggregate), with a function that is given the aggregate as its only element, and has state and side
    /// outputs.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::{Collector, Count, DataStream, OperatorHarness, ProcessWindowFunction, TumblingEventTimeWindows, WindowContext};
    /// /// (sensor, end of the window, readings)
    /// #[derive(Clone)]
    /// struct WithEnd;
    ///
    /// impl ProcessWindowFunction for WithEnd {
    ///     type Key = u64;
    ///     type In = u64;
    ///     type Out = (u64, i64, u64);
    ///
    ///     fn process(
    ///         &mut self,
    ///         sensor: &u64,
    ///         cx: &mut WindowContext<'_, u64>,
    ///         count: &[u64],
    ///         out: &mut Collector<(u64, i64, u64)>,
    ///     ) -> Result<(), OperatorError> {
    ///         out.collect((*sensor, cx.window().end.0, count[0]));
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    /// readings
    ///     .key_by(|reading| reading.0.to_native())
    ///     .window(TumblingEventTimeWindows::of(Duration::from_secs(60)))
    ///     .aggregate_process(Count::new(), WithEnd)
    /// # })?;
    /// # harness.push([((7, 1), 1_000), ((7, 2), 2_000)])?;
    /// # harness.finish()?;
    /// # assert_eq!(harness.take_output(), [((7, 60_000, 2), 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn aggregate_process<A, P>(&self, function: A, then: P) -> DataStream<P::Out>
    where
        A: AggregateFunction<In = T::Archived, Out: Record> + Clone + Sync,
        P: ProcessWindowFunction<Key = K, In = A::Out> + Clone + Sync,
    {
        self.windows(move || Aggregate::<T, A, _, P::Out>::new(function.clone(), ByFunction(then.clone())))
    }

    /// Works on all records of each key and window together: an example is at [`ProcessWindowFunction`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::{Collector, DataStream, OperatorHarness, ProcessWindowFunction, TumblingEventTimeWindows, WindowContext};
    /// # #[derive(Clone)]
    /// # struct Spread;
    /// # impl ProcessWindowFunction for Spread {
    /// #     type Key = u64;
    /// #     type In = (u64, i64);
    /// #     type Out = i64;
    /// # fn process(&mut self, _: &u64, _: &mut WindowContext<'_, u64>, readings: &[(u64, i64)], out: &mut Collector<i64>)
    /// # -> Result<(), OperatorError> {
    /// #     let (least, most) = (readings.iter().map(|reading| reading.1).min(), readings.iter().map(|reading| reading.1).max());
    /// #     out.collect(most.unwrap_or(0) - least.unwrap_or(0));
    /// #     Ok(())
    /// # }
    /// # }
    /// // `Spread`, a `ProcessWindowFunction`, tells how far the readings of a minute lie apart.
    /// let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    ///     readings.key_by(|reading| reading.0.to_native()).window(TumblingEventTimeWindows::of(Duration::from_secs(60))).process(Spread)
    /// })?;
    /// harness.push([((7, 21), 1_000), ((7, 18), 2_000), ((7, 25), 3_000)])?;
    /// harness.finish()?;
    /// assert_eq!(harness.take_output(), [(7, 59_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn process<P>(&self, function: P) -> DataStream<P::Out>
    where
        T: StateRecord + Clone,
        P: ProcessWindowFunction<Key = K, In = T> + Clone + Sync,
    {
        let content = move || Elements(function.clone());
        if self.is_plain(content()) {
            return self.windows(content);
        }
        let all: MakeElements<K, T> = Arc::new(|| Box::new(general::Elements::new(None)));
        self.general(content, Some(self.evictor.clone().unwrap_or(all)))
    }

    /// Whether one of the fast paths will do.
    fn is_plain<C: Content<K, In = T>>(&self, content: C) -> bool {
        matches!(self.assigner.kind, Assigner::Aligned(_) | Assigner::Session(_))
            && self.trigger.is_none()
            && self.evictor.is_none()
            && !has_state(content)
    }

    fn windows<C>(&self, content: impl Fn() -> C + Send + Sync + 'static) -> DataStream<C::Out>
    where
        C: Content<K, In = T>,
    {
        if !self.is_plain(content()) {
            return self.general(content, self.evictor.clone());
        }
        let selector = self.keyed.selector.clone();
        let domain = self.assigner.domain;
        let (lateness, late, sides) = self.parts();
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
            _ => unreachable!("plain windows are aligned or sessions"),
        };
        self.keyed.one_input(self.assigner.name(), make, &declared)
    }

    /// The general operator. `elements`: what keeps all of them, where that is asked for.
    fn general<C>(
        &self,
        content: impl Fn() -> C + Send + Sync + 'static,
        elements: Option<MakeElements<K, T>>,
    ) -> DataStream<C::Out>
    where
        C: Content<K, In = T>,
    {
        let (lateness, late, sides) = self.parts();
        let settings = GeneralSettings { assigner: self.assigner.clone(), lateness, late, sides: sides.clone() };
        let trigger = self.trigger.clone().unwrap_or_else(|| default_trigger(&self.assigner));
        let selector = self.keyed.selector.clone();
        let make: MakeOperator = Arc::new(move || {
            let contents: Box<dyn general::Contents<K, T, C::Out>> = match &elements {
                Some(elements) => Box::new(Lists::new(content(), elements())),
                None => Box::new(Folds::new(content())),
            };
            let keys = FrameKeys::new(selector.clone());
            Box::new(GeneralWindows::new(settings.clone(), keys, trigger(), contents)) as Box<dyn Operator>
        });
        self.keyed.one_input(self.assigner.name(), make, &sides)
    }

    /// The lateness, and the side outputs of one operator: each made of this stream has its own.
    fn parts(&self) -> (i64, Option<yeoul_operator::OutputId>, Sides) {
        // No record is late by the machine's clock.
        let lateness = if self.assigner.domain == Domain::Event { self.lateness } else { 0 };
        (lateness, self.late, self.sides.copied())
    }
}

/// The trigger of windows that are given none.
fn default_trigger<K: Key, T: Record>(assigner: &WindowAssigner<T>) -> MakeTrigger<K, T> {
    match (&assigner.kind, assigner.domain) {
        (Assigner::Global(AtEnd::Nothing), _) => making(NeverTrigger::create()),
        (Assigner::Global(AtEnd::Fire), _) => making(EndOfStreamTrigger::create()),
        (_, Domain::Event) => making(EventTimeTrigger::create()),
        (_, Domain::Processing) => making(ProcessingTimeTrigger::create()),
    }
}

/// Whether a function has state of its own: of each window, which the fast paths do not have, or of each key, which it may write to when a
/// window expires, of which the fast paths do not tell it.
fn has_state<K: Key, C: Content<K>>(mut content: C) -> bool {
    let mut states = WindowStates::new(yeoul_frame::OperatorId(0));
    content.declare(&mut states);
    !states.window.is_empty() || !states.global.is_empty()
}
