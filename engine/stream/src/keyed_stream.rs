//! A stream of which all records of one key come to one place, and what can be done with it.

use std::ops::AddAssign;
use std::sync::Arc;

use rkyv::Archive;
use yeoul_frame::Record;
use yeoul_operator::{InputId, MakeOperator, OutputId, Partitioning};
use yeoul_state::Key;

use crate::environment::Port;
use crate::key_selector::{FrameKeys, KeyRouter, KeySelector, selector};
use crate::keyed_fold::{self, KeyedFold};
use crate::keyed_operator::{KeyedOperator, OneInput};
use crate::owned_state::StateRecord;
use crate::tag::Sides;
use crate::{
    CoGroupedStreams, CountEvictor, CountTrigger, DataStream, GlobalWindows, IntervalJoined, JoinedStreams,
    KeyedBroadcastConnectedStreams, KeyedConnectedStreams, KeyedProcessFunction, PurgingTrigger, WindowAssigner,
    WindowedStream,
};

/// A stream of which all records of one key come to one place (Flink's `KeyedStream`).
///
/// ```
/// use yeoul_stream::{DataStream, KeyedStream, OperatorHarness};
///
/// // Readings are (sensor, value).
/// let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
///     let by_sensor: KeyedStream<u64, (u64, i64)> = readings.key_by(|reading| reading.0.to_native());
///     by_sensor.max(|reading| &mut reading.1)
/// })?;
/// harness.push([((7, 4), 10), ((8, 1), 20), ((7, 2), 30)])?;
/// assert_eq!(harness.take_output(), [((7, 4), 10), ((8, 1), 20), ((7, 4), 30)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub struct KeyedStream<K: Key, T: Record> {
    pub(crate) stream: DataStream<T>,
    pub(crate) selector: Arc<dyn KeySelector<K>>,
    /// The same of one record.
    pub(crate) key: RecordKey<K, T>,
}

/// The key of a record.
pub(crate) type RecordKey<K, T> = Arc<dyn Fn(&<T as Archive>::Archived) -> K + Send + Sync>;

impl<K: Key, T: Record> Clone for KeyedStream<K, T> {
    fn clone(&self) -> Self {
        Self { stream: self.stream.clone(), selector: self.selector.clone(), key: self.key.clone() }
    }
}

impl<K: Key + Sync, T: Record> KeyedStream<K, T> {
    pub(crate) fn by<F: Fn(&T::Archived) -> K + Send + Sync + 'static>(stream: DataStream<T>, key: F) -> Self {
        let key = Arc::new(key);
        Self { stream, selector: selector::<T, K, F>(key.clone()), key }
    }

    /// Works on each record with state and timers of its key.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_operator::{OpenContext, OperatorError};
    /// # use yeoul_state::{States, ValueHandle};
    /// # use yeoul_stream::{Collector, DataStream, KeyedContext, KeyedProcessFunction, OperatorHarness};
    /// # #[derive(Clone, Default)]
    /// # struct First(ValueHandle<bool>);
    /// # impl KeyedProcessFunction for First {
    /// #     type Key = u64;
    /// #     type In = u64;
    /// #     type Out = u64;
    /// #     fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
    /// #         self.0 = states.value("seen");
    /// #         Ok(())
    /// #     }
    /// #     fn process(&mut self, n: &Archived<u64>, cx: &mut KeyedContext<'_, u64>, out: &mut Collector<u64>) -> Result<(), OperatorError> {
    /// #         if !std::mem::replace(cx.state(&self.0).get_or(false), true) {
    /// #             out.collect(n.to_native());
    /// #         }
    /// #         Ok(())
    /// #     }
    /// # }
    /// // `First`, a `KeyedProcessFunction`, lets the first record of each key pass.
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.key_by(|n| n.to_native() / 10).process(First::default()))?;
    /// harness.push([(11, 1), (12, 2), (25, 3), (11, 4)])?;
    /// assert_eq!(harness.take_output(), [(11, 1), (25, 3)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn process<P>(&self, function: P) -> DataStream<P::Out>
    where
        P: KeyedProcessFunction<Key = K, In = T> + Clone + Sync,
    {
        let sides = Sides::default();
        let (selector, declared) = (self.selector.clone(), sides.clone());
        let make = Arc::new(move || {
            let keys = vec![FrameKeys::new(selector.clone())];
            Box::new(KeyedOperator::new(OneInput(function.clone()), keys, declared.clone())) as _
        });
        self.one_input("Keyed Process", make, &sides)
    }

    /// For each record the reduction of all records of its key so far: `reduce` folds the second record into the first.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    ///     readings.key_by(|reading| reading.0.to_native()).reduce(|sum, reading| sum.1 += reading.1)
    /// })?;
    /// harness.push([((7, 1), 10), ((8, 5), 20), ((7, 2), 30)])?;
    /// assert_eq!(harness.take_output(), [((7, 1), 10), ((8, 5), 20), ((7, 3), 30)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn reduce<R>(&self, reduce: R) -> DataStream<T>
    where
        T: StateRecord,
        R: Fn(&mut T, &T) + Clone + Send + Sync + 'static,
    {
        self.fold("Keyed Reduce", move |reduced, record| reduce(reduced, &record))
    }

    /// For each record the first record of its key with the sum of this field over all records of the key so far.
    ///
    /// ```
    /// # use yeoul_stream::{DataStream, OperatorHarness};
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    /// readings.key_by(|reading| reading.0.to_native()).sum(|reading| &mut reading.1)
    /// # })?;
    /// # harness.push([((7, 1), 10), ((8, 5), 20), ((7, 2), 30)])?;
    /// # assert_eq!(harness.take_output(), [((7, 1), 10), ((8, 5), 20), ((7, 3), 30)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn sum<N, F>(&self, field: F) -> DataStream<T>
    where
        T: StateRecord,
        N: AddAssign + Copy + 'static,
        F: for<'a> Fn(&'a mut T) -> &'a mut N + Clone + Send + Sync + 'static,
    {
        self.fold("Keyed Sum", keyed_fold::sum(field))
    }

    /// For each record the first record of its key with the least value of this field so far; what does not compare changes nothing.
    ///
    /// ```
    /// # use yeoul_stream::{DataStream, OperatorHarness};
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    /// readings.key_by(|reading| reading.0.to_native()).min(|reading| &mut reading.1)
    /// # })?;
    /// # harness.push([((7, 4), 10), ((7, 9), 20), ((7, 2), 30)])?;
    /// # assert_eq!(harness.take_output(), [((7, 4), 10), ((7, 4), 20), ((7, 2), 30)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn min<N, F>(&self, field: F) -> DataStream<T>
    where
        T: StateRecord,
        N: PartialOrd + Clone + 'static,
        F: for<'a> Fn(&'a mut T) -> &'a mut N + Clone + Send + Sync + 'static,
    {
        self.fold("Keyed Min", keyed_fold::min(field))
    }

    /// For each record the first record of its key with the greatest value of this field so far; what does not compare changes nothing.
    ///
    /// ```
    /// # use yeoul_stream::{DataStream, OperatorHarness};
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    /// readings.key_by(|reading| reading.0.to_native()).max(|reading| &mut reading.1)
    /// # })?;
    /// # harness.push([((7, 4), 10), ((7, 2), 20), ((7, 9), 30)])?;
    /// # assert_eq!(harness.take_output(), [((7, 4), 10), ((7, 4), 20), ((7, 9), 30)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn max<N, F>(&self, field: F) -> DataStream<T>
    where
        T: StateRecord,
        N: PartialOrd + Clone + 'static,
        F: for<'a> Fn(&'a mut T) -> &'a mut N + Clone + Send + Sync + 'static,
    {
        self.fold("Keyed Max", keyed_fold::max(field))
    }

    /// For each record the record of its key with the least value so far, whole; of equal ones the first.
    ///
    /// ```
    /// # use yeoul_stream::{DataStream, OperatorHarness};
    /// # let mut harness = OperatorHarness::of(|rides: DataStream<(u64, u32, i64)>| {
    /// // Rides are (cell, driver, minutes): the shortest of each cell.
    /// rides.key_by(|ride| ride.0.to_native()).min_by(|ride| ride.2)
    /// # })?;
    /// # harness.push([((7, 1, 12), 10), ((7, 2, 12), 20), ((7, 3, 6), 30)])?;
    /// # assert_eq!(harness.take_output(), [((7, 1, 12), 10), ((7, 1, 12), 20), ((7, 3, 6), 30)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn min_by<N, F>(&self, value: F) -> DataStream<T>
    where
        T: StateRecord,
        N: PartialOrd,
        F: Fn(&T) -> N + Clone + Send + Sync + 'static,
    {
        self.fold("Keyed Min By", move |least, record| {
            if value(&record) < value(least) {
                *least = record;
            }
        })
    }

    /// For each record the record of its key with the greatest value so far, whole; of equal ones the first.
    ///
    /// ```
    /// # use yeoul_stream::{DataStream, OperatorHarness};
    /// # let mut harness = OperatorHarness::of(|rides: DataStream<(u64, u32, i64)>| {
    /// rides.key_by(|ride| ride.0.to_native()).max_by(|ride| ride.2)
    /// # })?;
    /// # harness.push([((7, 1, 6), 10), ((7, 2, 12), 20), ((7, 3, 12), 30)])?;
    /// # assert_eq!(harness.take_output(), [((7, 1, 6), 10), ((7, 2, 12), 20), ((7, 2, 12), 30)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn max_by<N, F>(&self, value: F) -> DataStream<T>
    where
        T: StateRecord,
        N: PartialOrd,
        F: Fn(&T) -> N + Clone + Send + Sync + 'static,
    {
        self.fold("Keyed Max By", move |most, record| {
            if value(&record) > value(most) {
                *most = record;
            }
        })
    }

    fn fold<R>(&self, name: &str, fold: R) -> DataStream<T>
    where
        T: StateRecord,
        R: Fn(&mut T, T) + Clone + Send + Sync + 'static,
    {
        let selector = self.selector.clone();
        let make =
            Arc::new(move || Box::new(KeyedFold::<K, T, R>::new(FrameKeys::new(selector.clone()), fold.clone())) as _);
        self.one_input(name, make, &Sides::default())
    }

    /// Brings records of one key of both streams to one place, where they share its state.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_operator::{OpenContext, OperatorError};
    /// # use yeoul_state::{States, ValueHandle};
    /// # use yeoul_stream::{Collector, DataStream, KeyedCoProcessFunction, KeyedContext, OperatorHarness};
    /// # #[derive(Clone, Default)]
    /// # struct Priced(ValueHandle<u64>);
    /// # impl KeyedCoProcessFunction for Priced {
    /// #     type Key = u64;
    /// #     type In1 = u64;
    /// #     type In2 = (u64, u64);
    /// #     type Out = (u64, u64);
    /// #     fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
    /// #         self.0 = states.value("price");
    /// #         Ok(())
    /// #     }
    /// #     fn process1(&mut self, article: &Archived<u64>, cx: &mut KeyedContext<'_, u64>, out: &mut Collector<(u64, u64)>) -> Result<(), OperatorError> {
    /// #         cx.state(&self.0).get().into_iter().for_each(|price| out.collect((article.to_native(), *price)));
    /// #         Ok(())
    /// #     }
    /// #     fn process2(&mut self, price: &Archived<(u64, u64)>, cx: &mut KeyedContext<'_, u64>, _: &mut Collector<(u64, u64)>) -> Result<(), OperatorError> {
    /// #         cx.state(&self.0).update(price.1.to_native());
    /// #         Ok(())
    /// #     }
    /// # }
    /// // `Priced`, a `KeyedCoProcessFunction`, gives each article that is sold its last price. Prices are (article, price).
    /// let mut harness = OperatorHarness::of_two(|sold: DataStream<u64>, prices: DataStream<(u64, u64)>| {
    ///     sold.key_by(|article| article.to_native()).connect(&prices.key_by(|price| price.0.to_native())).process(Priced::default())
    /// })?;
    /// harness.push_second([((7, 99), 0), ((8, 50), 0)])?;
    /// harness.push([(7, 1)])?;
    /// assert_eq!(harness.take_output(), [((7, 99), 1)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn connect<U: Record>(&self, other: &KeyedStream<K, U>) -> KeyedConnectedStreams<K, T, U> {
        KeyedConnectedStreams::of(self.clone(), other.clone())
    }

    /// This stream beside one of which every subtask of the next operator gets all records.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::*;
    /// # #[derive(Clone, Default)]
    /// # struct Above(BroadcastStateHandle<u8, i64>);
    /// # impl KeyedBroadcastProcessFunction for Above {
    /// #     type Key = u64;
    /// #     type In = (u64, i64);
    /// #     type Broadcast = i64;
    /// #     type Out = u64;
    /// #     fn declare(&mut self, states: &mut OperatorStates) {
    /// #         self.0 = states.broadcast("limit");
    /// #     }
    /// #     fn process(&mut self, reading: &Archived<(u64, i64)>, cx: &mut KeyedBroadcastContext<'_, '_, u64>, out: &mut Collector<u64>) -> Result<(), OperatorError> {
    /// #         if cx.broadcast_state(&self.0).get(&0).is_some_and(|limit| reading.1 > *limit) {
    /// #             out.collect(*cx.key());
    /// #         }
    /// #         Ok(())
    /// #     }
    /// #     fn process_broadcast(&mut self, n: &Archived<i64>, cx: &mut KeyedBroadcastWriteContext<'_, '_, u64>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
    /// #         cx.update(&self.0).insert(0, n.to_native());
    /// #         Ok(())
    /// #     }
    /// # }
    /// // `Above`, a `KeyedBroadcastProcessFunction`, gives the sensor of each reading (sensor, value) above the limit.
    /// let mut harness = OperatorHarness::of_two(|readings: DataStream<(u64, i64)>, limits: DataStream<i64>| {
    ///     readings.key_by(|reading| reading.0.to_native()).connect_broadcast(&limits).process(Above::default())
    /// })?;
    /// harness.push_broadcast([(100, 0)])?;
    /// harness.push([((7, 99), 1), ((8, 101), 2)])?;
    /// assert_eq!(harness.take_output(), [(8, 2)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn connect_broadcast<U: Record>(&self, rules: &DataStream<U>) -> KeyedBroadcastConnectedStreams<K, T, U> {
        KeyedBroadcastConnectedStreams::of(self.clone(), rules.broadcast())
    }

    /// Joins records of one key of both streams whose event times lie close to each other.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// // Clicks and purchases of users, at most five seconds apart.
    /// let mut harness = OperatorHarness::of_two(|clicks: DataStream<u64>, bought: DataStream<(u64, i64)>| {
    ///     let (clicks, bought) = (clicks.key_by(|user| user.to_native()), bought.key_by(|bought| bought.0.to_native()));
    ///     clicks.interval_join(&bought).between(-5_000, 5_000).apply(|_, bought, out| out.collect(*bought))
    /// })?;
    /// harness.push([(7, 10_000)])?;
    /// harness.push_second([((7, 99), 5_000), ((7, 50), 15_001), ((8, 20), 10_000)])?;
    /// assert_eq!(harness.take_output(), [((7, 99), 10_000)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn interval_join<U: StateRecord>(&self, other: &KeyedStream<K, U>) -> IntervalJoined<K, T, U>
    where
        T: StateRecord,
    {
        IntervalJoined::of(self.clone(), other.clone())
    }

    /// Both streams' records of one key and window together.
    ///
    /// ```
    /// use yeoul_stream::{GlobalWindows, StreamEnvironment, WatermarkStrategy, collect};
    ///
    /// let env = StreamEnvironment::new("funnel");
    /// # let clicks = env.from_collection([7u64, 7], WatermarkStrategy::no_watermarks());
    /// # let bought = env.from_collection([(7u64, 99i64)], WatermarkStrategy::no_watermarks());
    /// let (clicks, bought) = (clicks.key_by(|user| user.to_native()), bought.key_by(|bought| bought.0.to_native()));
    /// let all = clicks.co_group(&bought).window(GlobalWindows::create_with_end_of_stream_trigger());
    /// let (sink, funnel) = collect();
    /// all.apply(|clicks, bought, out| out.collect((clicks.len() as u64, bought.len() as u64))).sink_to(sink);
    /// # let config = yeoul_runtime::JobConfig { shards: 1, pin: false, ..Default::default() };
    /// # yeoul_runtime::spawn(env.build()?, config, Default::default()).wait()?;
    /// // User 7 clicked twice and bought once, once the job has run.
    /// assert_eq!(funnel.take(), [(2u64, 1u64)]);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn co_group<U: StateRecord + Clone>(&self, other: &KeyedStream<K, U>) -> CoGroupedStreams<K, T, U>
    where
        T: StateRecord + Clone,
    {
        CoGroupedStreams::of(self.clone(), other.clone())
    }

    /// Both streams' records of one key and window, pair by pair.
    ///
    /// ```
    /// use yeoul_stream::{GlobalWindows, StreamEnvironment, WatermarkStrategy, collect};
    ///
    /// let env = StreamEnvironment::new("joined");
    /// # let clicks = env.from_collection([7u64, 8], WatermarkStrategy::no_watermarks());
    /// # let bought = env.from_collection([(7u64, 99i64)], WatermarkStrategy::no_watermarks());
    /// let (clicks, bought) = (clicks.key_by(|user| user.to_native()), bought.key_by(|bought| bought.0.to_native()));
    /// let all = clicks.join(&bought).window(GlobalWindows::create_with_end_of_stream_trigger());
    /// let (sink, pairs) = collect();
    /// all.apply(|user, bought, out| out.collect((*user, bought.1))).sink_to(sink);
    /// # let config = yeoul_runtime::JobConfig { shards: 1, pin: false, ..Default::default() };
    /// # yeoul_runtime::spawn(env.build()?, config, Default::default()).wait()?;
    /// // Once the job has run. User 8 bought nothing.
    /// assert_eq!(pairs.take(), [(7u64, 99i64)]);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn join<U: StateRecord + Clone>(&self, other: &KeyedStream<K, U>) -> JoinedStreams<K, T, U>
    where
        T: StateRecord + Clone,
    {
        JoinedStreams(self.co_group(other))
    }

    /// Cuts the stream into windows.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
    ///
    /// let mut harness = OperatorHarness::of(|clicks: DataStream<u64>| {
    ///     clicks.key_by(|user| user.to_native()).window(TumblingEventTimeWindows::of(Duration::from_secs(60))).aggregate(Count::new())
    /// })?;
    /// harness.push([(7, 1_000), (7, 2_000), (7, 61_000)])?;
    /// harness.finish()?;
    /// assert_eq!(harness.take_output(), [(2u64, 59_999), (1, 119_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn window(&self, assigner: impl Into<WindowAssigner<T>>) -> WindowedStream<K, T> {
        WindowedStream::of(self.clone(), assigner.into())
    }

    /// Windows of `size` records of a key each, one after another. One that is not full does not fire.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    ///     readings.key_by(|reading| reading.0.to_native()).count_window(2).reduce(|sum, reading| sum.1 += reading.1)
    /// })?;
    /// harness.push([((7, 1), 0), ((8, 5), 1), ((7, 2), 2), ((7, 3), 3)])?;
    /// assert_eq!(harness.take_output(), [((7, 3), i64::MAX)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn count_window(&self, size: u64) -> WindowedStream<K, T> {
        self.window(GlobalWindows::create()).trigger(PurgingTrigger::of(CountTrigger::of(size)))
    }

    /// Windows of a key's last `size` records, after every `slide` of them (Flink's `countWindow(size, slide)`).
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
    ///     readings.key_by(|reading| reading.0.to_native()).sliding_count_window(3, 2).reduce(|sum, reading| sum.1 += reading.1)
    /// })?;
    /// harness.push([1, 2, 3, 4].map(|reading| ((7, reading), 0)))?;
    /// assert_eq!(harness.take_output(), [((7, 3), i64::MAX), ((7, 9), i64::MAX)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn sliding_count_window(&self, size: usize, slide: u64) -> WindowedStream<K, T>
    where
        T: StateRecord + Clone,
    {
        self.window(GlobalWindows::create()).evictor(CountEvictor::of(size)).trigger(CountTrigger::of(slide))
    }

    /// The stream's ports, by which records go to their key's place.
    pub(crate) fn ports(&self) -> Vec<Port> {
        let router = Partitioning::Hash(Arc::new(KeyRouter(self.selector.clone())));
        self.stream.ports.iter().map(|port| Port { partitioning: router.clone(), ..port.clone() }).collect()
    }

    /// Adds an operator with this stream as its only input.
    pub(crate) fn one_input<O: Record>(&self, name: &str, make: MakeOperator, sides: &Sides) -> DataStream<O> {
        let env = &self.stream.env;
        let node = env.operator(name, make, &[(InputId(0), &self.ports())], sides);
        env.output(node, OutputId::MAIN)
    }
}
