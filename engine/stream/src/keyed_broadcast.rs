//! KeyedBroadcastProcessFunction: records with the state and timers of their key, beside a stream of which every subtask is given all.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use rkyv::Archive;
use yeoul_frame::{Frame, Record, Timestamp};
use yeoul_operator::{Context, InputId, OpenContext, OperatorError, OutputId, Snapshot, Subtask};
use yeoul_state::{Key, StateHandle, States};

use crate::broadcast::BroadcastContext;
use crate::collector::Collector;
use crate::key_selector::FrameKeys;
use crate::keyed_operator::{KeyedFunction, KeyedOperator, Opened};
use crate::operator_state::{BroadcastStateHandle, OperatorStates};
use crate::process::ProcessContext;
use crate::tag::Sides;
use crate::{DataStream, KeyedContext, KeyedStream, Prefetch, StateRecord};

/// Works on the records of a keyed stream, with their key's state and timers and with what a broadcast stream has left in broadcast state
/// (Flink's `KeyedBroadcastProcessFunction`).
///
/// Between the two streams there is no order. Of the broadcast stream, every subtask is given every record: what it does to the state must
/// follow from the record and the state alone, or the copies are not alike.
///
/// ```
/// use yeoul_operator::{OpenContext, OperatorError};
/// use yeoul_state::{States, ValueHandle};
/// use yeoul_stream::{
///     BroadcastStateHandle, Collector, DataStream, KeyedBroadcastContext, KeyedBroadcastProcessFunction, KeyedBroadcastWriteContext,
///     OperatorHarness, OperatorStates,
/// };
///
/// /// Reports a sensor with every so-and-so-manieth reading, as the rule says that came last.
/// #[derive(Clone, Default)]
/// struct Every {
///     rule: BroadcastStateHandle<u8, u64>,
///     seen: ValueHandle<u64>,
/// }
///
/// impl KeyedBroadcastProcessFunction for Every {
///     type Key = u64;
///     type In = u64;
///     type Broadcast = u64;
///     type Out = u64;
///
///     fn declare(&mut self, states: &mut OperatorStates) {
///         self.rule = states.broadcast("rule");
///     }
///
///     fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
///         self.seen = states.value("seen");
///         Ok(())
///     }
///
///     fn process(&mut self, _: &rkyv::Archived<u64>, cx: &mut KeyedBroadcastContext<'_, '_, u64>, out: &mut Collector<u64>) -> Result<(), OperatorError> {
///         let every = cx.broadcast_state(&self.rule).get(&0).copied();
///         let seen = cx.state(&self.seen).get_or(0);
///         *seen += 1;
///         if every.is_some_and(|every| *seen % every == 0) {
///             out.collect(*cx.key());
///         }
///         Ok(())
///     }
///
///     fn process_broadcast(
///         &mut self,
///         every: &rkyv::Archived<u64>,
///         cx: &mut KeyedBroadcastWriteContext<'_, '_, u64>,
///         _: &mut Collector<u64>,
///     ) -> Result<(), OperatorError> {
///         // With a new rule, counting begins anew.
///         cx.apply_to_keyed_state(&self.seen, |_, mut seen| seen.clear());
///         cx.update(&self.rule).insert(0, every.to_native());
///         Ok(())
///     }
/// }
///
/// let mut harness = OperatorHarness::of_two(|sensors: DataStream<u64>, rules: DataStream<u64>| {
///     sensors.key_by(|sensor| sensor.to_native()).connect_broadcast(&rules).process(Every::default())
/// })?;
/// harness.push([(7, 0)])?;
/// harness.push_second([(2, 1)])?;
/// harness.push([(7, 2), (7, 3), (8, 4), (7, 5)])?;
/// assert_eq!(harness.take_output(), [(7, 3)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub trait KeyedBroadcastProcessFunction: Send + 'static {
    /// The key.
    type Key: Key;
    /// What it takes, all records of a key in one subtask.
    type In: Record;
    /// What every subtask takes.
    type Broadcast: Record;
    /// What it gives.
    type Out: Record;

    /// Declares states that belong to no key, before they are restored.
    fn declare(&mut self, states: &mut OperatorStates);

    /// Called once for each subtask, before the first record and before state is restored: declares the states of keys.
    ///
    /// # Errors
    /// Whatever makes it impossible to run; the job fails with it.
    fn open(&mut self, states: &mut States<Self::Key>, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let _ = (states, cx);
        Ok(())
    }

    /// Takes a record of the keyed stream. Broadcast state can be read, not changed: other subtasks do not see this record.
    ///
    /// # Errors
    /// A failure that fails the job.
    fn process(
        &mut self,
        record: &<Self::In as Archive>::Archived,
        cx: &mut KeyedBroadcastContext<'_, '_, Self::Key>,
        out: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError>;

    /// Takes a record of the broadcast stream, in every subtask. There is no current key; the state of all of them can be worked on.
    ///
    /// # Errors
    /// A failure that fails the job.
    fn process_broadcast(
        &mut self,
        record: &<Self::Broadcast as Archive>::Archived,
        cx: &mut KeyedBroadcastWriteContext<'_, '_, Self::Key>,
        out: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError>;

    /// A timer that was set for the current key is due.
    ///
    /// # Errors
    /// A failure that fails the job.
    fn on_timer(
        &mut self,
        time: Timestamp,
        cx: &mut KeyedBroadcastContext<'_, '_, Self::Key>,
        out: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError> {
        let _ = (time, cx, out);
        Ok(())
    }

    /// Called once at the end.
    fn close(&mut self) {}
}

/// All that [`KeyedContext`] gives, and broadcast state to read.
///
/// ```
/// # use rkyv::Archived;
/// # use yeoul_operator::OperatorError;
/// # use yeoul_stream::*;
/// # /// Lets readings pass that are above the limit.
/// # #[derive(Clone, Default)]
/// # struct Above(BroadcastStateHandle<u8, u64>);
/// # impl KeyedBroadcastProcessFunction for Above {
/// #     type Key = u64;
/// #     type In = u64;
/// #     type Broadcast = u64;
/// #     type Out = u64;
/// #     fn declare(&mut self, states: &mut OperatorStates) {
/// #         self.0 = states.broadcast("limit");
/// #     }
/// // In an `impl KeyedBroadcastProcessFunction`:
/// fn process(&mut self, reading: &Archived<u64>, cx: &mut KeyedBroadcastContext<'_, '_, u64>, out: &mut Collector<u64>) -> Result<(), OperatorError> {
///     if cx.broadcast_state(&self.0).get(&0).is_some_and(|limit| *reading > *limit) {
///         out.collect(reading.to_native());
///     }
///     Ok(())
/// }
/// # fn process_broadcast(&mut self, limit: &Archived<u64>, cx: &mut KeyedBroadcastWriteContext<'_, '_, u64>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
/// #     cx.update(&self.0).insert(0, limit.to_native());
/// #     Ok(())
/// # }
/// # }
/// let mut harness = OperatorHarness::of_two(|readings: DataStream<u64>, limits: DataStream<u64>| {
///     readings.key_by(|reading| reading.to_native()).connect_broadcast(&limits).process(Above::default())
/// })?;
/// harness.push_broadcast([(100, 0)])?;
/// harness.push([(99, 1), (101, 2)])?;
/// assert_eq!(harness.take_output(), [(101, 2)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub struct KeyedBroadcastContext<'a, 'k, K: Key> {
    keyed: &'a mut KeyedContext<'k, K>,
    states: &'a OperatorStates,
}

impl<K: Key> KeyedBroadcastContext<'_, '_, K> {
    /// A map of broadcast state, to read.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::*;
    /// # /// Lets readings pass that are above the limit.
    /// # #[derive(Clone, Default)]
    /// # struct Above(BroadcastStateHandle<u8, u64>);
    /// # impl KeyedBroadcastProcessFunction for Above {
    /// #     type Key = u64;
    /// #     type In = u64;
    /// #     type Broadcast = u64;
    /// #     type Out = u64;
    /// #     fn declare(&mut self, states: &mut OperatorStates) {
    /// #         self.0 = states.broadcast("limit");
    /// #     }
    /// // In an `impl KeyedBroadcastProcessFunction`:
    /// fn process(&mut self, reading: &Archived<u64>, cx: &mut KeyedBroadcastContext<'_, '_, u64>, out: &mut Collector<u64>) -> Result<(), OperatorError> {
    ///     if cx.broadcast_state(&self.0).get(&0).is_some_and(|limit| *reading > *limit) {
    ///         out.collect(reading.to_native());
    ///     }
    ///     Ok(())
    /// }
    /// # fn process_broadcast(&mut self, limit: &Archived<u64>, cx: &mut KeyedBroadcastWriteContext<'_, '_, u64>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
    /// #     cx.update(&self.0).insert(0, limit.to_native());
    /// #     Ok(())
    /// # }
    /// # }
    /// let mut harness = OperatorHarness::of_two(|readings: DataStream<u64>, limits: DataStream<u64>| {
    ///     readings.key_by(|reading| reading.to_native()).connect_broadcast(&limits).process(Above::default())
    /// })?;
    /// harness.push_broadcast([(100, 0)])?;
    /// harness.push([(99, 1), (101, 2)])?;
    /// assert_eq!(harness.take_output(), [(101, 2)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn broadcast_state<N: StateRecord + Ord, V: StateRecord>(
        &self,
        handle: &BroadcastStateHandle<N, V>,
    ) -> &BTreeMap<N, V> {
        self.states.entries(handle)
    }
}

impl<'k, K: Key> Deref for KeyedBroadcastContext<'_, 'k, K> {
    type Target = KeyedContext<'k, K>;

    fn deref(&self) -> &KeyedContext<'k, K> {
        self.keyed
    }
}

impl<K: Key> DerefMut for KeyedBroadcastContext<'_, '_, K> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.keyed
    }
}

/// All that [`BroadcastContext`] gives, and the state of all keys.
///
/// ```
/// # use rkyv::Archived;
/// # use yeoul_operator::OperatorError;
/// # use yeoul_stream::*;
/// # /// Lets readings pass that are above the limit.
/// # #[derive(Clone, Default)]
/// # struct Above(BroadcastStateHandle<u8, u64>);
/// # impl KeyedBroadcastProcessFunction for Above {
/// #     type Key = u64;
/// #     type In = u64;
/// #     type Broadcast = u64;
/// #     type Out = u64;
/// #     fn declare(&mut self, states: &mut OperatorStates) {
/// #         self.0 = states.broadcast("limit");
/// #     }
/// // In an `impl KeyedBroadcastProcessFunction`:
/// # fn process(&mut self, reading: &Archived<u64>, cx: &mut KeyedBroadcastContext<'_, '_, u64>, out: &mut Collector<u64>) -> Result<(), OperatorError> {
/// #     if cx.broadcast_state(&self.0).get(&0).is_some_and(|limit| *reading > *limit) {
/// #         out.collect(reading.to_native());
/// #     }
/// #     Ok(())
/// # }
/// fn process_broadcast(&mut self, limit: &Archived<u64>, cx: &mut KeyedBroadcastWriteContext<'_, '_, u64>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
///     cx.update(&self.0).insert(0, limit.to_native());
///     Ok(())
/// }
/// # }
/// let mut harness = OperatorHarness::of_two(|readings: DataStream<u64>, limits: DataStream<u64>| {
///     readings.key_by(|reading| reading.to_native()).connect_broadcast(&limits).process(Above::default())
/// })?;
/// harness.push_broadcast([(100, 0)])?;
/// harness.push([(99, 1), (101, 2)])?;
/// assert_eq!(harness.take_output(), [(101, 2)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub struct KeyedBroadcastWriteContext<'a, 'k, K: Key> {
    broadcast: BroadcastContext<'a>,
    keyed: &'k mut States<K>,
}

impl<K: Key> KeyedBroadcastWriteContext<'_, '_, K> {
    /// Calls `apply` for each key of this subtask that a state holds something of, with that state (Flink's `applyToKeyedState`). It goes
    /// over all of them before anything else comes.
    ///
    /// ```
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_state::ValueHandle;
    /// # use yeoul_stream::KeyedBroadcastWriteContext;
    /// /// What a function's `process_broadcast` may do: all counts begin anew.
    /// fn forget(counts: &ValueHandle<u64>, cx: &mut KeyedBroadcastWriteContext<'_, '_, u64>) {
    ///     cx.apply_to_keyed_state(counts, |_, mut count| count.clear());
    /// }
    /// ```
    pub fn apply_to_keyed_state<H: StateHandle<K>>(&mut self, handle: &H, apply: impl FnMut(&K, H::State<'_>)) {
        let now = self.broadcast.processing_time();
        self.keyed.apply_to_all(handle, now, apply);
    }
}

impl<'a, K: Key> Deref for KeyedBroadcastWriteContext<'a, '_, K> {
    type Target = BroadcastContext<'a>;

    fn deref(&self) -> &BroadcastContext<'a> {
        &self.broadcast
    }
}

impl<K: Key> DerefMut for KeyedBroadcastWriteContext<'_, '_, K> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.broadcast
    }
}

/// A keyed stream and a broadcast one.
///
/// ```
/// # use rkyv::Archived;
/// # use yeoul_operator::OperatorError;
/// # use yeoul_stream::*;
/// # /// Lets readings pass that are above the limit.
/// # #[derive(Clone, Default)]
/// # struct Above(BroadcastStateHandle<u8, u64>);
/// # impl KeyedBroadcastProcessFunction for Above {
/// #     type Key = u64;
/// #     type In = u64;
/// #     type Broadcast = u64;
/// #     type Out = u64;
/// #     fn declare(&mut self, states: &mut OperatorStates) {
/// #         self.0 = states.broadcast("limit");
/// #     }
/// # fn process(&mut self, reading: &Archived<u64>, cx: &mut KeyedBroadcastContext<'_, '_, u64>, out: &mut Collector<u64>) -> Result<(), OperatorError> {
/// #     if cx.broadcast_state(&self.0).get(&0).is_some_and(|limit| *reading > *limit) {
/// #         out.collect(reading.to_native());
/// #     }
/// #     Ok(())
/// # }
/// # fn process_broadcast(&mut self, limit: &Archived<u64>, cx: &mut KeyedBroadcastWriteContext<'_, '_, u64>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
/// #     cx.update(&self.0).insert(0, limit.to_native());
/// #     Ok(())
/// # }
/// # }
/// // `Above`, a `KeyedBroadcastProcessFunction`, keeps the last limit, and lets pass what is above it.
/// let mut harness = OperatorHarness::of_two(|readings: DataStream<u64>, limits: DataStream<u64>| {
///     readings.key_by(|reading| reading.to_native()).connect_broadcast(&limits).process(Above::default())
/// })?;
/// harness.push_broadcast([(100, 0)])?;
/// harness.push([(99, 1), (101, 2)])?;
/// assert_eq!(harness.take_output(), [(101, 2)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub struct KeyedBroadcastConnectedStreams<K: Key, A: Record, B: Record> {
    keyed: KeyedStream<K, A>,
    broadcast: DataStream<B>,
}

impl<K: Key + Sync, A: Record, B: Record> KeyedBroadcastConnectedStreams<K, A, B> {
    pub(crate) fn of(keyed: KeyedStream<K, A>, broadcast: DataStream<B>) -> Self {
        if !keyed.stream.env.is(&broadcast.env) {
            keyed.stream.env.mistake("streams of two environments are connected; build both with one".to_owned());
        }
        Self { keyed, broadcast }
    }

    /// Works on the records of both.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::*;
    /// # /// Lets readings pass that are above the limit.
    /// # #[derive(Clone, Default)]
    /// # struct Above(BroadcastStateHandle<u8, u64>);
    /// # impl KeyedBroadcastProcessFunction for Above {
    /// #     type Key = u64;
    /// #     type In = u64;
    /// #     type Broadcast = u64;
    /// #     type Out = u64;
    /// #     fn declare(&mut self, states: &mut OperatorStates) {
    /// #         self.0 = states.broadcast("limit");
    /// #     }
    /// # fn process(&mut self, reading: &Archived<u64>, cx: &mut KeyedBroadcastContext<'_, '_, u64>, out: &mut Collector<u64>) -> Result<(), OperatorError> {
    /// #     if cx.broadcast_state(&self.0).get(&0).is_some_and(|limit| *reading > *limit) {
    /// #         out.collect(reading.to_native());
    /// #     }
    /// #     Ok(())
    /// # }
    /// # fn process_broadcast(&mut self, limit: &Archived<u64>, cx: &mut KeyedBroadcastWriteContext<'_, '_, u64>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
    /// #     cx.update(&self.0).insert(0, limit.to_native());
    /// #     Ok(())
    /// # }
    /// # }
    /// // `Above`, a `KeyedBroadcastProcessFunction`, keeps the last limit, and lets pass what is above it.
    /// let mut harness = OperatorHarness::of_two(|readings: DataStream<u64>, limits: DataStream<u64>| {
    ///     readings.key_by(|reading| reading.to_native()).connect_broadcast(&limits).process(Above::default())
    /// })?;
    /// harness.push_broadcast([(100, 0)])?;
    /// harness.push([(99, 1), (101, 2)])?;
    /// assert_eq!(harness.take_output(), [(101, 2)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn process<P>(&self, function: P) -> DataStream<P::Out>
    where
        P: KeyedBroadcastProcessFunction<Key = K, In = A, Broadcast = B> + Clone + Sync,
    {
        let sides = Sides::default();
        let (selector, declared) = (self.keyed.selector.clone(), sides.clone());
        let make = Arc::new(move || {
            let keys = vec![FrameKeys::new(selector.clone())];
            let function = Broadcasting { function: function.clone(), states: OperatorStates::default() };
            Box::new(KeyedOperator::new(function, keys, declared.clone())) as _
        });
        let env = &self.keyed.stream.env;
        // The nodes of another environment are not in this graph, which will not be built.
        let broadcast = if env.is(&self.broadcast.env) { &self.broadcast.ports[..] } else { &[] };
        let inputs = [(InputId(0), &self.keyed.ports()[..]), (InputId(1), broadcast)];
        let node = env.operator("Keyed Broadcast Process", make, &inputs, &sides);
        env.output(node, OutputId::MAIN)
    }
}

/// The function and its states that belong to no key.
struct Broadcasting<P> {
    function: P,
    states: OperatorStates,
}

impl<P: KeyedBroadcastProcessFunction> KeyedFunction for Broadcasting<P> {
    type Key = P::Key;
    type Out = P::Out;

    fn open(&mut self, states: &mut States<P::Key>, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.function.declare(&mut self.states);
        self.function.open(states, cx)
    }

    fn frame(
        &mut self,
        input: InputId,
        frame: &Frame,
        keys: &mut [FrameKeys<P::Key>],
        opened: &mut Opened<P::Key, P::Out>,
        cx: &Context<'_>,
    ) -> Result<(), OperatorError> {
        let Self { function, states } = self;
        if input == InputId(0) {
            let prefetch = |_: &P, _: &<P::In as Archive>::Archived, _: &mut Prefetch<'_, P::Key>| {};
            return opened.each::<P::In, P>(
                frame,
                &mut keys[0],
                cx,
                function,
                prefetch,
                |function, record, keyed, out| {
                    function.process(record, &mut KeyedBroadcastContext { keyed, states }, out)
                },
            );
        }
        let (keyed, sides, out, subtask) = opened.without_key();
        ProcessContext::each::<P::Broadcast, _>(frame, cx, (states, sides, subtask), out, |record, pcx, out| {
            let mut bcx = KeyedBroadcastWriteContext { broadcast: BroadcastContext::within(pcx), keyed };
            function.process_broadcast(record, &mut bcx, out)
        })
    }

    fn on_timer(
        &mut self,
        time: Timestamp,
        cx: &mut KeyedContext<'_, P::Key>,
        out: &mut Collector<P::Out>,
    ) -> Result<(), OperatorError> {
        self.function.on_timer(time, &mut KeyedBroadcastContext { keyed: cx, states: &self.states }, out)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) {
        self.states.snapshot(snapshot);
    }

    fn restore(&mut self, name: &str, from: Subtask, own: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        self.states.restore(name, from, own, bytes)
    }

    fn close(&mut self) {
        self.function.close();
    }
}
