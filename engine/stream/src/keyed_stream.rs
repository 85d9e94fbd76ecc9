//! A stream of which all records of one key come to one place, and what can be done with it.

use std::sync::Arc;

use yeoul_frame::Record;
use yeoul_operator::{InputId, MakeOperator, OutputId, Partitioning};
use yeoul_state::Key;

use crate::environment::Port;
use crate::key_selector::{FrameKeys, KeyRouter, KeySelector};
use crate::keyed_operator::{KeyedOperator, OneInput};
use crate::keyed_reduce::KeyedReduce;
use crate::owned_state::StateRecord;
use crate::tag::Sides;
use crate::{
    CountEvictor, CountTrigger, DataStream, GlobalWindows, KeyedConnectedStreams, KeyedProcessFunction, PurgingTrigger,
    WindowAssigner, WindowedStream,
};

/// A stream of which all records of one key come to one place (Flink's `KeyedStream`).
pub struct KeyedStream<K: Key, T: Record> {
    pub(crate) stream: DataStream<T>,
    pub(crate) selector: Arc<dyn KeySelector<K>>,
}

impl<K: Key, T: Record> Clone for KeyedStream<K, T> {
    fn clone(&self) -> Self {
        Self { stream: self.stream.clone(), selector: self.selector.clone() }
    }
}

impl<K: Key + Sync, T: Record> KeyedStream<K, T> {
    pub(crate) fn of(stream: DataStream<T>, selector: Arc<dyn KeySelector<K>>) -> Self {
        Self { stream, selector }
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
        let selector = self.selector.clone();
        let make = Arc::new(move || {
            Box::new(KeyedReduce::<K, T, R>::new(FrameKeys::new(selector.clone()), reduce.clone())) as _
        });
        self.one_input("Keyed Reduce", make, &Sides::default())
    }

    /// Brings records of one key of both streams to one place, where they share its state.
    pub fn connect<U: Record>(&self, other: &KeyedStream<K, U>) -> KeyedConnectedStreams<K, T, U> {
        KeyedConnectedStreams::of(self.clone(), other.clone())
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
