//! A stream of which all records of one key come to one place, and what can be done with it.

use std::ops::AddAssign;
use std::sync::Arc;

use rkyv::Archive;
use yeoul_frame::Record;
use yeoul_operator::{InputId, MakeOperator, OutputId, Partitioning};
use yeoul_state::Key;

use crate::environment::Port;
use crate::key_selector::{FrameKeys, KeyRouter, KeySelector, selector};
use crate::keyed_fold::KeyedFold;
use crate::keyed_operator::{KeyedOperator, OneInput};
use crate::owned_state::StateRecord;
use crate::tag::Sides;
use crate::{
    CoGroupedStreams, CountEvictor, CountTrigger, DataStream, GlobalWindows, IntervalJoined, JoinedStreams,
    KeyedBroadcastConnectedStreams, KeyedConnectedStreams, KeyedProcessFunction, PurgingTrigger, WindowAssigner,
    WindowedStream,
};

/// A stream of which all records of one key come to one place (Flink's `KeyedStream`).
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
        self.fold("Keyed Sum", move |sum, mut record| *field(sum) += *field(&mut record))
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
        self.fold("Keyed Min", move |least, mut record| {
            let (least, found) = (field(least), field(&mut record));
            if *found < *least {
                least.clone_from(found);
            }
        })
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
        self.fold("Keyed Max", move |most, mut record| {
            let (most, found) = (field(most), field(&mut record));
            if *found > *most {
                most.clone_from(found);
            }
        })
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
    pub fn connect<U: Record>(&self, other: &KeyedStream<K, U>) -> KeyedConnectedStreams<K, T, U> {
        KeyedConnectedStreams::of(self.clone(), other.clone())
    }

    /// This stream beside one of which every subtask of the next operator gets all records.
    pub fn connect_broadcast<U: Record>(&self, rules: &DataStream<U>) -> KeyedBroadcastConnectedStreams<K, T, U> {
        KeyedBroadcastConnectedStreams::of(self.clone(), rules.broadcast())
    }

    /// Joins records of one key of both streams whose event times lie close to each other.
    pub fn interval_join<U: StateRecord>(&self, other: &KeyedStream<K, U>) -> IntervalJoined<K, T, U>
    where
        T: StateRecord,
    {
        IntervalJoined::of(self.clone(), other.clone())
    }

    /// Both streams' records of one key and window together.
    pub fn co_group<U: StateRecord + Clone>(&self, other: &KeyedStream<K, U>) -> CoGroupedStreams<K, T, U>
    where
        T: StateRecord + Clone,
    {
        CoGroupedStreams::of(self.clone(), other.clone())
    }

    /// Both streams' records of one key and window, pair by pair.
    pub fn join<U: StateRecord + Clone>(&self, other: &KeyedStream<K, U>) -> JoinedStreams<K, T, U>
    where
        T: StateRecord + Clone,
    {
        JoinedStreams(self.co_group(other))
    }

    /// Cuts the stream into windows.
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
