//! A stream of records, and what can be done with it.

use std::marker::PhantomData;
use std::sync::Arc;

use yeoul_frame::{Record, Schema};
use yeoul_operator::{Chaining, InputId, MakeOperator, Node, NodeId, OutputId, Partitioning, SinkSpec};
use yeoul_state::Key;

use crate::collector::Collector;
use crate::custom_partitioner::CustomPartitioner;
use crate::environment::Port;
use crate::owned_state::StateRecord;
use crate::process::{ProcessFunction, ProcessOperator};
use crate::stateless::{Filter, FlatMap, Map, MapRow};
use crate::tag::Sides;
use crate::{
    AllWindowedStream, BroadcastConnectedStreams, ConnectedStreams, CountEvictor, CountTrigger, GlobalWindows,
    KeyedStream, OutputTag, PurgingTrigger, StreamEnvironment, WindowAssigner,
};

/// A stream of records of `T` (Flink's `DataStream`).
///
/// User code is given `&T::Archived`: the record as it lies in its frame. Each method adds an operator to the graph and gives
/// the stream of its results; nothing runs before the job is executed.
///
/// ```
/// use yeoul_stream::{StreamEnvironment, WatermarkStrategy};
///
/// let env = StreamEnvironment::new("lengths");
/// let words = env.from_collection(vec!["swift".to_owned(), "shallow".to_owned()], WatermarkStrategy::no_watermarks());
/// let lengths = words.filter(|word| word.starts_with('s')).map(|word| word.len() as u64).name("lengths").uid("lengths-1");
/// let (sink, _) = yeoul_stream::collect();
/// lengths.sink_to(sink);
/// assert_eq!(env.build()?.nodes[2].uid, "lengths-1");
/// # Ok::<_, yeoul_stream::GraphError>(())
/// ```
pub struct DataStream<T: Record> {
    pub(crate) env: StreamEnvironment,
    pub(crate) ports: Vec<Port>,
    records: PhantomData<fn() -> T>,
}

impl<T: Record> Clone for DataStream<T> {
    /// Another handle: each operator made of either gets all records.
    fn clone(&self) -> Self {
        Self::of(self.env.clone(), self.ports.clone())
    }
}

impl<T: Record> DataStream<T> {
    pub(crate) fn of(env: StreamEnvironment, ports: Vec<Port>) -> Self {
        Self { env, ports, records: PhantomData }
    }

    /// Each record becomes one record. The closure's result is owned; to build one that borrows text from the record, use
    /// [`map_row`](Self::map_row) or [`flat_map`](Self::flat_map).
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|words: DataStream<String>| words.map(|word| word.len() as u64))?;
    /// harness.push([("swift".to_owned(), 10)])?;
    /// assert_eq!(harness.take_output(), [(5u64, 10)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn map<O, F>(&self, map: F) -> DataStream<O>
    where
        O: Record,
        F: Fn(&T::Archived) -> O + Clone + Send + Sync + 'static,
    {
        self.one_input("Map", Arc::new(move || Box::new(Map::<T, O, F>::new(map.clone()))), &Sides::default())
    }

    /// Each record becomes one record of `O`, given as its row with borrowed text: nothing is copied but into the frame.
    ///
    /// ```
    /// # use yeoul_stream::{DataStream, OperatorHarness};
    /// use yeoul_frame::record;
    ///
    /// #[record]
    /// #[derive(Clone)]
    /// struct Named { id: u64, name: String }
    /// #[record]
    /// struct Name { name: String }
    ///
    /// let mut names = OperatorHarness::of(|named: DataStream<Named>| named.map_row::<Name, _>(|of| NameRow { name: of.name() }))?;
    /// names.push([(Named { id: 7, name: "swift".to_owned() }, 10)])?;
    /// assert_eq!(names.take_output()[0].0.name, "swift");
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn map_row<O, F>(&self, map: F) -> DataStream<O>
    where
        O: Schema,
        F: for<'a> Fn(&'a T::Archived) -> O::Row<'a> + Clone + Send + Sync + 'static,
    {
        self.one_input("Map", Arc::new(move || Box::new(MapRow::<T, O, F>::new(map.clone()))), &Sides::default())
    }

    /// Each record becomes any number of records, given to the collector.
    ///
    /// ```
    /// # use yeoul_stream::{StreamEnvironment, WatermarkStrategy};
    /// # let env = StreamEnvironment::new("words");
    /// # let lines = env.from_collection(vec!["a b".to_owned()], WatermarkStrategy::no_watermarks());
    /// let words = lines.flat_map(|line, out| line.split(' ').for_each(|word| out.collect(word.to_owned())));
    /// # let _ = words;
    /// ```
    pub fn flat_map<O, F>(&self, flat_map: F) -> DataStream<O>
    where
        O: Record,
        F: Fn(&T::Archived, &mut Collector<O>) + Clone + Send + Sync + 'static,
    {
        let make = Arc::new(move || Box::new(FlatMap::<T, O, F>::new(flat_map.clone())) as _);
        self.one_input("Flat Map", make, &Sides::default())
    }

    /// Keeps the records for which the predicate holds. They stay where they are: the result is a selection of the same bytes.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.filter(|n| n.to_native() % 2 == 0))?;
    /// harness.push([(1, 10), (2, 20)])?;
    /// assert_eq!(harness.take_output(), [(2, 20)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn filter<F>(&self, keep: F) -> Self
    where
        F: Fn(&T::Archived) -> bool + Clone + Send + Sync + 'static,
    {
        self.one_input("Filter", Arc::new(move || Box::new(Filter::<T, F>::new(keep.clone()))), &Sides::default())
    }

    /// Works on each record with access to its event time, the watermark and side outputs.
    ///
    /// ```
    /// # use yeoul_operator::OperatorError;
    /// use yeoul_stream::{Collector, DataStream, OperatorHarness, ProcessContext, ProcessFunction};
    ///
    /// /// Each number with its event time.
    /// #[derive(Clone)]
    /// struct Timed;
    ///
    /// impl ProcessFunction for Timed {
    ///     type In = u64;
    ///     type Out = (u64, i64);
    ///
    ///     fn process(&mut self, n: &rkyv::Archived<u64>, cx: &mut ProcessContext<'_>, out: &mut Collector<(u64, i64)>) -> Result<(), OperatorError> {
    ///         out.collect((n.to_native(), cx.timestamp().0));
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.process(Timed))?;
    /// # harness.push([(1, 10)])?;
    /// # assert_eq!(harness.take_output(), [((1, 10), 10)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn process<P>(&self, function: P) -> DataStream<P::Out>
    where
        P: ProcessFunction<In = T> + Clone + Sync,
    {
        let sides = Sides::default();
        let of = sides.clone();
        let make = Arc::new(move || Box::new(ProcessOperator::new(function.clone(), of.clone())) as _);
        self.one_input("Process", make, &sides)
    }

    /// All records of both streams.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of_two(|east: DataStream<u64>, west: DataStream<u64>| east.union(&west).map(|n| n.to_native()))?;
    /// harness.push([(1, 10)])?;
    /// harness.push_second([(2, 5)])?;
    /// assert_eq!(harness.take_output(), [(1, 10), (2, 5)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if !self.env.is(&other.env) {
            self.env.mistake("a union of streams of two environments; build both with one".to_owned());
            // The other's nodes are not in this graph, which will not be built.
            return Self::of(self.env.clone(), self.ports.clone());
        }
        Self::of(self.env.clone(), self.ports.iter().chain(&other.ports).cloned().collect())
    }

    /// Brings all records of one key to one place, where state of that key can be kept.
    ///
    /// ```
    /// # use yeoul_stream::{StreamEnvironment, WatermarkStrategy};
    /// # let env = StreamEnvironment::new("keyed");
    /// # let readings = env.from_collection(vec![(7u64, 1i64)], WatermarkStrategy::no_watermarks());
    /// let by_sensor = readings.key_by(|reading| reading.0.to_native());
    /// # let _ = by_sensor;
    /// ```
    ///
    /// What has no stable hash of its own value is no [`Key`], and does not compile: fractions, references, enums, lists and arrays of anything
    /// but bytes.
    ///
    /// ```compile_fail,E0277
    /// # use yeoul_stream::{StreamEnvironment, WatermarkStrategy};
    /// # let env = StreamEnvironment::new("keyed");
    /// # let readings = env.from_collection(vec![(7u64, 1f64)], WatermarkStrategy::no_watermarks());
    /// let by_value = readings.key_by(|reading| reading.1.to_native());
    /// ```
    pub fn key_by<K, F>(&self, key: F) -> KeyedStream<K, T>
    where
        K: Key + Sync,
        F: Fn(&T::Archived) -> K + Send + Sync + 'static,
    {
        KeyedStream::by(self.clone(), key)
    }

    /// Cuts the whole stream into windows. All records come to one subtask.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
    ///
    /// let mut harness = OperatorHarness::of(|readings: DataStream<i64>| {
    ///     readings.window_all(TumblingEventTimeWindows::of(Duration::from_secs(60))).aggregate(Count::new())
    /// })?;
    /// harness.push([(1, 1_000), (2, 59_999), (3, 60_000)])?;
    /// harness.finish()?;
    /// assert_eq!(harness.take_output(), [(2u64, 59_999), (1, 119_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn window_all(&self, assigner: impl Into<WindowAssigner<T>>) -> AllWindowedStream<T> {
        AllWindowedStream::of(self, assigner.into())
    }

    /// Windows of `size` records each, one after another. One that is not full does not fire.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|readings: DataStream<i64>| {
    ///     readings.count_window_all(2).reduce(|sum, reading| *sum += reading)
    /// })?;
    /// harness.push([1, 2, 3, 4, 5].map(|reading| (reading, 0)))?;
    /// assert_eq!(harness.take_output(), [(3, i64::MAX), (7, i64::MAX)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn count_window_all(&self, size: u64) -> AllWindowedStream<T> {
        self.window_all(GlobalWindows::create()).trigger(PurgingTrigger::of(CountTrigger::of(size)))
    }

    /// Windows of the last `size` records, after every `slide` of them (Flink's `countWindowAll(size, slide)`).
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|readings: DataStream<i64>| {
    ///     readings.sliding_count_window_all(3, 2).reduce(|sum, reading| *sum += reading)
    /// })?;
    /// harness.push([1, 2, 3, 4].map(|reading| (reading, 0)))?;
    /// assert_eq!(harness.take_output(), [(3, i64::MAX), (9, i64::MAX)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn sliding_count_window_all(&self, size: usize, slide: u64) -> AllWindowedStream<T>
    where
        T: StateRecord + Clone,
    {
        self.window_all(GlobalWindows::create()).evictor(CountEvictor::of(size)).trigger(CountTrigger::of(slide))
    }

    /// The side output of this stream's operator that the tag names.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use yeoul_stream::{Count, DataStream, OperatorHarness, OutputTag, TumblingEventTimeWindows};
    ///
    /// let late = OutputTag::<u64>::new("late");
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    ///     let minutes = readings.window_all(TumblingEventTimeWindows::of(Duration::from_secs(60)));
    ///     let counts = minutes.side_output_late_data(&late).aggregate(Count::new());
    ///     let too_late: DataStream<u64> = counts.side_output(&late);
    /// #     let _ = too_late;
    ///     counts
    /// })?;
    /// harness.watermark(60_000)?;
    /// harness.push([(7, 1_000)])?;
    /// assert_eq!(harness.take_side_output(&late), [(7, 1_000)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn side_output<S: Record>(&self, tag: &OutputTag<S>) -> DataStream<S> {
        let ports: Vec<_> = self.ports.iter().filter(|port| port.output == OutputId::MAIN).collect();
        let [port] = ports[..] else {
            self.env.mistake(format!(
                "side output '{}' of a stream that is not one operator's; take it before the union",
                tag.name()
            ));
            return DataStream::of(self.env.clone(), Vec::new());
        };
        self.env.output(port.node, self.env.side(port.node, tag))
    }

    /// Writes the stream to a sink, exactly once.
    ///
    /// ```
    /// use yeoul_stream::{StreamEnvironment, WatermarkStrategy, collect};
    ///
    /// let env = StreamEnvironment::new("numbers");
    /// let (sink, _numbers) = collect();
    /// env.from_collection([1u64, 2], WatermarkStrategy::no_watermarks()).sink_to(sink).name("to memory");
    /// assert_eq!(env.build()?.nodes[1].name, "to memory");
    /// # Ok::<_, yeoul_stream::GraphError>(())
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "a sink belongs to the stream that it ends")]
    pub fn sink_to<S: SinkSpec<In = T>>(&self, sink: S) -> StreamSink {
        self.env.sink(&sink, &self.ports)
    }

    /// Deals frames out evenly over the next operator's subtasks.
    ///
    /// ```
    /// # let env = yeoul_stream::StreamEnvironment::new("numbers"); let numbers = env.from_collection([1u64, 2], yeoul_stream::WatermarkStrategy::no_watermarks());
    /// numbers.rebalance().map(|n| n.to_native() * 2);
    /// assert_eq!(env.build()?.edges[0].partitioning.name(), "REBALANCE");
    /// # Ok::<_, yeoul_stream::GraphError>(())
    /// ```
    #[must_use]
    pub fn rebalance(&self) -> Self {
        self.partitioned(&Partitioning::Rebalance)
    }

    /// Gives every record to every subtask of the next operator.
    ///
    /// ```
    /// # let env = yeoul_stream::StreamEnvironment::new("numbers"); let numbers = env.from_collection([1u64, 2], yeoul_stream::WatermarkStrategy::no_watermarks());
    /// // Each subtask of the map gets all numbers: with four of them, it gives each number four times.
    /// numbers.broadcast().map(|n| n.to_native() * 2);
    /// assert_eq!(env.build()?.edges[0].partitioning.name(), "BROADCAST");
    /// # Ok::<_, yeoul_stream::GraphError>(())
    /// ```
    #[must_use]
    pub fn broadcast(&self) -> Self {
        self.partitioned(&Partitioning::Broadcast)
    }

    /// Deals records out by chance, one by one.
    ///
    /// ```
    /// # let env = yeoul_stream::StreamEnvironment::new("numbers"); let numbers = env.from_collection([1u64, 2], yeoul_stream::WatermarkStrategy::no_watermarks());
    /// numbers.shuffle().map(|n| n.to_native() * 2);
    /// assert_eq!(env.build()?.edges[0].partitioning.name(), "SHUFFLE");
    /// # Ok::<_, yeoul_stream::GraphError>(())
    /// ```
    #[must_use]
    pub fn shuffle(&self) -> Self {
        self.partitioned(&Partitioning::Shuffle)
    }

    /// As [`rebalance`](Self::rebalance), but each subtask deals to its own share of the next operator's subtasks: fewer rings, and less
    /// even where the subtasks have not the same to do.
    ///
    /// ```
    /// # let env = yeoul_stream::StreamEnvironment::new("numbers"); let numbers = env.from_collection([1u64, 2], yeoul_stream::WatermarkStrategy::no_watermarks());
    /// // One subtask of the first map deals to two of the second.
    /// numbers.map(|n| n.to_native() + 1).set_parallelism(2).rescale().map(|n| n.to_native() * 2).set_parallelism(4);
    /// assert_eq!(env.build()?.edges[1].partitioning.name(), "RESCALE");
    /// # Ok::<_, yeoul_stream::GraphError>(())
    /// ```
    #[must_use]
    pub fn rescale(&self) -> Self {
        self.partitioned(&Partitioning::Rescale)
    }

    /// Gives each record to the subtask that `partition` chooses, of the record's key and the number of subtasks.
    ///
    /// ```
    /// # use yeoul_stream::{StreamEnvironment, WatermarkStrategy};
    /// # let env = StreamEnvironment::new("partitioned");
    /// # let readings = env.from_collection(vec![(7u64, 1i64)], WatermarkStrategy::no_watermarks());
    /// // Sensors below 100 to the first subtask, all others to the last.
    /// let split = readings.partition_custom(|reading| reading.0.to_native(), |sensor, subtasks| if *sensor < 100 { 0 } else { subtasks - 1 });
    /// # let _ = split;
    /// ```
    #[must_use]
    pub fn partition_custom<K, F, P>(&self, key: F, partition: P) -> Self
    where
        F: Fn(&T::Archived) -> K + Send + Sync + 'static,
        P: Fn(&K, u16) -> u16 + Send + Sync + 'static,
    {
        self.partitioned(&Partitioning::Custom(Arc::new(CustomPartitioner::<T, F, P>::new(key, partition))))
    }

    /// This stream beside another, worked on by one function that has a method for each.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of_two(|celsius: DataStream<i64>, fahrenheit: DataStream<i64>| {
    ///     celsius.connect(&fahrenheit).map(|degrees| degrees.to_native(), |degrees| (degrees.to_native() - 32) * 5 / 9)
    /// })?;
    /// harness.push([(21, 0)])?;
    /// harness.push_second([(68, 1)])?;
    /// assert_eq!(harness.take_output(), [(21, 0), (20, 1)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn connect<U: Record>(&self, other: &DataStream<U>) -> ConnectedStreams<T, U> {
        ConnectedStreams::of(self.clone(), other.clone())
    }

    /// This stream beside one of which every subtask of the next operator gets all records.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::*;
    /// # #[derive(Clone, Default)]
    /// # struct Above(BroadcastStateHandle<u8, u64>);
    /// # impl BroadcastProcessFunction for Above {
    /// #     type In = u64; type Broadcast = u64; type Out = u64;
    /// #     fn declare(&mut self, states: &mut OperatorStates) { self.0 = states.broadcast("limit"); }
    /// #     fn process(&mut self, n: &Archived<u64>, cx: &mut ProcessContext<'_>, out: &mut Collector<u64>) -> Result<(), OperatorError> {
    /// #         if cx.broadcast_state(&self.0).get(&0).is_some_and(|limit| *n > *limit) { out.collect(n.to_native()); }
    /// #         Ok(())
    /// #     }
    /// #     fn process_broadcast(&mut self, n: &Archived<u64>, cx: &mut BroadcastContext<'_>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
    /// #         cx.update(&self.0).insert(0, n.to_native());
    /// #         Ok(())
    /// #     }
    /// # }
    /// // `Above`, a `BroadcastProcessFunction`, keeps the last limit, and lets pass what is above it.
    /// let mut harness = OperatorHarness::of_two(|readings: DataStream<u64>, limits: DataStream<u64>| {
    ///     readings.connect_broadcast(&limits).process(Above::default())
    /// })?;
    /// harness.push_broadcast([(100, 0)])?;
    /// harness.push([(99, 1), (101, 2)])?;
    /// assert_eq!(harness.take_output(), [(101, 2)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn connect_broadcast<U: Record>(&self, rules: &DataStream<U>) -> BroadcastConnectedStreams<T, U> {
        BroadcastConnectedStreams::of(self.clone(), rules.broadcast())
    }

    /// Gives every record to the first subtask of the next operator.
    ///
    /// ```
    /// # let env = yeoul_stream::StreamEnvironment::new("numbers"); let numbers = env.from_collection([1u64, 2], yeoul_stream::WatermarkStrategy::no_watermarks());
    /// numbers.global().map(|n| n.to_native() * 2);
    /// assert_eq!(env.build()?.edges[0].partitioning.name(), "GLOBAL");
    /// # Ok::<_, yeoul_stream::GraphError>(())
    /// ```
    #[must_use]
    pub fn global(&self) -> Self {
        self.partitioned(&Partitioning::Global)
    }

    fn partitioned(&self, partitioning: &Partitioning) -> Self {
        let ports = self.ports.iter().map(|port| Port { partitioning: partitioning.clone(), ..port.clone() });
        Self::of(self.env.clone(), ports.collect())
    }

    /// What people read of this stream's operator.
    ///
    /// ```
    /// # let env = yeoul_stream::StreamEnvironment::new("numbers"); let numbers = env.from_collection([1u64, 2], yeoul_stream::WatermarkStrategy::no_watermarks());
    /// let _doubled = numbers.map(|n| n.to_native() * 2).name("doubled");
    /// assert_eq!(env.build()?.nodes[1].name, "doubled");
    /// # Ok::<_, yeoul_stream::GraphError>(())
    /// ```
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        self.change("a name", |node| name.clone_into(&mut node.name))
    }

    /// Names the state of this stream's operator across restarts and changes of the program. Give one to every operator with state.
    ///
    /// ```
    /// # let env = yeoul_stream::StreamEnvironment::new("numbers"); let numbers = env.from_collection([1u64, 2], yeoul_stream::WatermarkStrategy::no_watermarks());
    /// let _sums = numbers.key_by(|n| n.to_native() % 2).reduce(|sum, n| *sum += n).uid("sums");
    /// assert_eq!(env.build()?.nodes[1].uid, "sums");
    /// # Ok::<_, yeoul_stream::GraphError>(())
    /// ```
    #[must_use]
    pub fn uid(self, uid: &str) -> Self {
        self.change("a uid", |node| uid.clone_into(&mut node.uid))
    }

    /// How many subtasks this stream's operator has, if fewer than there are shards.
    ///
    /// ```
    /// # let env = yeoul_stream::StreamEnvironment::new("numbers"); let numbers = env.from_collection([1u64, 2], yeoul_stream::WatermarkStrategy::no_watermarks());
    /// let _doubled = numbers.rebalance().map(|n| n.to_native() * 2).set_parallelism(2);
    /// assert_eq!(env.build()?.nodes[1].parallelism, Some(2));
    /// # Ok::<_, yeoul_stream::GraphError>(())
    /// ```
    #[must_use]
    pub fn set_parallelism(self, parallelism: u16) -> Self {
        self.change("a parallelism", |node| node.parallelism = Some(parallelism))
    }

    /// This stream's operator shares a task neither with the one before it nor with those after it.
    ///
    /// ```
    /// # let env = yeoul_stream::StreamEnvironment::new("numbers"); let numbers = env.from_collection([1u64, 2], yeoul_stream::WatermarkStrategy::no_watermarks());
    /// let _doubled = numbers.map(|n| n.to_native() * 2).disable_chaining();
    /// assert_eq!(env.build()?.nodes[1].chaining, yeoul_operator::Chaining::Never);
    /// # Ok::<_, yeoul_stream::GraphError>(())
    /// ```
    #[must_use]
    pub fn disable_chaining(self) -> Self {
        self.change("chaining", |node| node.chaining = Chaining::Never)
    }

    /// This stream's operator does not share a task with the one before it; those after it may share its.
    ///
    /// ```
    /// # let env = yeoul_stream::StreamEnvironment::new("numbers"); let numbers = env.from_collection([1u64, 2], yeoul_stream::WatermarkStrategy::no_watermarks());
    /// let _doubled = numbers.map(|n| n.to_native() * 2).start_new_chain();
    /// assert_eq!(env.build()?.nodes[1].chaining, yeoul_operator::Chaining::Head);
    /// # Ok::<_, yeoul_stream::GraphError>(())
    /// ```
    #[must_use]
    pub fn start_new_chain(self) -> Self {
        self.change("a chain's start", |node| node.chaining = Chaining::Head)
    }

    fn change(self, what: &str, change: impl FnOnce(&mut Node)) -> Self {
        match &self.ports[..] {
            [port] if matches!(port.partitioning, Partitioning::Forward) => self.env.node(port.node, change),
            _ => self.env.mistake(format!(
                "{what} was set on a stream that is not one operator's; set it before union or rebalance"
            )),
        }
        self
    }

    /// Adds an operator with this stream as its only input.
    pub(crate) fn one_input<O: Record>(&self, name: &str, make: MakeOperator, sides: &Sides) -> DataStream<O> {
        let node = self.env.operator(name, make, &[(InputId(0), &self.ports)], sides);
        self.env.output(node, OutputId::MAIN)
    }
}

/// The end of a stream: a sink that has been added to the graph.
///
/// ```
/// # let env = yeoul_stream::StreamEnvironment::new("numbers");
/// # let numbers = env.from_collection([1u64, 2], yeoul_stream::WatermarkStrategy::no_watermarks());
/// let (sink, _committed) = yeoul_stream::collect();
/// numbers.sink_to(sink).name("to memory").uid("numbers-out").set_parallelism(1);
/// let node = &env.build()?.nodes[1];
/// assert_eq!((node.name.as_str(), node.uid.as_str(), node.parallelism), ("to memory", "numbers-out", Some(1)));
/// # Ok::<_, yeoul_stream::GraphError>(())
/// ```
pub struct StreamSink {
    pub(crate) env: StreamEnvironment,
    pub(crate) node: NodeId,
}

impl StreamSink {
    /// What people read.
    ///
    /// ```
    /// # let env = yeoul_stream::StreamEnvironment::new("numbers"); let numbers = env.from_collection([1u64, 2], yeoul_stream::WatermarkStrategy::no_watermarks());
    /// numbers.sink_to(yeoul_stream::collect().0).name("to memory");
    /// assert_eq!(env.build()?.nodes[1].name, "to memory");
    /// # Ok::<_, yeoul_stream::GraphError>(())
    /// ```
    pub fn name(self, name: &str) -> Self {
        self.env.node(self.node, |node| name.clone_into(&mut node.name));
        self
    }

    /// Names the sink's sealed output across restarts and changes of the program.
    ///
    /// ```
    /// # let env = yeoul_stream::StreamEnvironment::new("numbers"); let numbers = env.from_collection([1u64, 2], yeoul_stream::WatermarkStrategy::no_watermarks());
    /// numbers.sink_to(yeoul_stream::collect().0).uid("numbers-out");
    /// assert_eq!(env.build()?.nodes[1].uid, "numbers-out");
    /// # Ok::<_, yeoul_stream::GraphError>(())
    /// ```
    pub fn uid(self, uid: &str) -> Self {
        self.env.node(self.node, |node| uid.clone_into(&mut node.uid));
        self
    }

    /// How many subtasks write.
    ///
    /// ```
    /// # let env = yeoul_stream::StreamEnvironment::new("numbers"); let numbers = env.from_collection([1u64, 2], yeoul_stream::WatermarkStrategy::no_watermarks());
    /// numbers.rebalance().sink_to(yeoul_stream::collect().0).set_parallelism(1);
    /// assert_eq!(env.build()?.nodes[1].parallelism, Some(1));
    /// # Ok::<_, yeoul_stream::GraphError>(())
    /// ```
    pub fn set_parallelism(self, parallelism: u16) -> Self {
        self.env.node(self.node, |node| node.parallelism = Some(parallelism));
        self
    }
}
