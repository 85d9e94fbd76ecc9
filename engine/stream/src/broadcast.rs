//! Streams beside one that every subtask is given whole: rules, prices, whatever all records are held against.
//!
//! The rules are broadcast state: every subtask changes its copy by the same records, and records of the other stream read it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use rkyv::Archive;
use yeoul_frame::{Frame, Record};
use yeoul_operator::{
    Context, InputId, MakeOperator, OpenContext, Operator, OperatorError, OutputId, Snapshot, Subtask,
};

use crate::collector::Collector;
use crate::operator_state::{BroadcastStateHandle, OperatorStates};
use crate::process::ProcessContext;
use crate::side_outputs::SideOutputs;
use crate::stateless::opened;
use crate::tag::Sides;
use crate::{DataStream, StateRecord};

/// Works on the records of a stream with what a broadcast stream has left in broadcast state (Flink's `BroadcastProcessFunction`).
///
/// Between the two streams there is no order. Of the broadcast stream, every subtask is given every record: what it does to the state must
/// follow from the record and the state alone, or the copies are not alike.
///
/// ```
/// use yeoul_operator::OperatorError;
/// use yeoul_stream::{
///     BroadcastContext, BroadcastProcessFunction, BroadcastStateHandle, Collector, DataStream, OperatorHarness, OperatorStates,
///     ProcessContext,
/// };
///
/// /// Lets readings (sensor, value) pass that are above their sensor's limit.
/// #[derive(Clone, Default)]
/// struct Above {
///     limits: BroadcastStateHandle<u64, i64>,
/// }
///
/// type Reading = rkyv::Archived<(u64, i64)>;
///
/// impl BroadcastProcessFunction for Above {
///     type In = (u64, i64);
///     type Broadcast = (u64, i64);
///     type Out = (u64, i64);
///
///     fn declare(&mut self, states: &mut OperatorStates) {
///         self.limits = states.broadcast("limits");
///     }
///
///     fn process(&mut self, reading: &Reading, cx: &mut ProcessContext<'_>, out: &mut Collector<(u64, i64)>) -> Result<(), OperatorError> {
///         let (sensor, value) = (reading.0.to_native(), reading.1.to_native());
///         if cx.broadcast_state(&self.limits).get(&sensor).is_some_and(|limit| value > *limit) {
///             out.collect((sensor, value));
///         }
///         Ok(())
///     }
///
///     fn process_broadcast(&mut self, limit: &Reading, cx: &mut BroadcastContext<'_>, _: &mut Collector<(u64, i64)>) -> Result<(), OperatorError> {
///         cx.update(&self.limits).insert(limit.0.to_native(), limit.1.to_native());
///         Ok(())
///     }
/// }
///
/// let mut harness = OperatorHarness::of_two(|readings: DataStream<(u64, i64)>, limits: DataStream<(u64, i64)>| {
///     readings.connect_broadcast(&limits).process(Above::default())
/// })?;
/// harness.push_second([((7, 100), 0)])?;
/// harness.push([((7, 99), 1), ((7, 101), 2), ((8, 500), 3)])?;
/// assert_eq!(harness.take_output(), [((7, 101), 2)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub trait BroadcastProcessFunction: Send + 'static {
    /// What it takes, each record in one subtask.
    type In: Record;
    /// What every subtask takes.
    type Broadcast: Record;
    /// What it gives.
    type Out: Record;

    /// Declares states, before they are restored.
    fn declare(&mut self, states: &mut OperatorStates);

    /// Called once for each subtask, before the first record.
    ///
    /// # Errors
    /// Whatever makes it impossible to run; the job fails with it.
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let _ = cx;
        Ok(())
    }

    /// Takes a record. Broadcast state can be read, not changed: other subtasks do not see this record.
    ///
    /// # Errors
    /// A failure that fails the job.
    fn process(
        &mut self,
        record: &<Self::In as Archive>::Archived,
        cx: &mut ProcessContext<'_>,
        out: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError>;

    /// Takes a record of the broadcast stream, in every subtask.
    ///
    /// # Errors
    /// A failure that fails the job.
    fn process_broadcast(
        &mut self,
        record: &<Self::Broadcast as Archive>::Archived,
        cx: &mut BroadcastContext<'_>,
        out: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError>;

    /// Called once at the end.
    fn close(&mut self) {}
}

/// What a function knows of a broadcast record: all that [`ProcessContext`] tells, and the right to change broadcast state.
///
/// ```
/// # use rkyv::Archived;
/// # use yeoul_operator::OperatorError;
/// # use yeoul_stream::*;
/// # /// Lets readings pass that are above the limit.
/// # #[derive(Clone, Default)]
/// # struct Above(BroadcastStateHandle<u8, u64>);
/// # impl BroadcastProcessFunction for Above {
/// #     type In = u64;
/// #     type Broadcast = u64;
/// #     type Out = u64;
/// #     fn declare(&mut self, states: &mut OperatorStates) {
/// #         self.0 = states.broadcast("limit");
/// #     }
/// // In an `impl BroadcastProcessFunction`:
/// # fn process(&mut self, reading: &Archived<u64>, cx: &mut ProcessContext<'_>, out: &mut Collector<u64>) -> Result<(), OperatorError> {
/// #     if cx.broadcast_state(&self.0).get(&0).is_some_and(|limit| *reading > *limit) {
/// #         out.collect(reading.to_native());
/// #     }
/// #     Ok(())
/// # }
/// fn process_broadcast(&mut self, limit: &Archived<u64>, cx: &mut BroadcastContext<'_>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
///     cx.update(&self.0).insert(0, limit.to_native());
///     Ok(())
/// }
/// # }
/// let mut harness = OperatorHarness::of_two(|readings: DataStream<u64>, limits: DataStream<u64>| {
///     readings.connect_broadcast(&limits).process(Above::default())
/// })?;
/// harness.push_broadcast([(100, 0)])?;
/// harness.push([(99, 1), (101, 2)])?;
/// assert_eq!(harness.take_output(), [(101, 2)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub struct BroadcastContext<'a>(ProcessContext<'a>);

impl<'a> BroadcastContext<'a> {
    /// Of a broadcast record.
    pub(crate) fn within<'b: 'a>(cx: &'a mut ProcessContext<'b>) -> Self {
        let ProcessContext { time, kind, watermark, now, subtask, .. } = *cx;
        Self(ProcessContext { time, kind, watermark, now, subtask, sides: &mut *cx.sides, states: &mut *cx.states })
    }

    /// A map of broadcast state, to change.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::*;
    /// # /// Lets readings pass that are above the limit.
    /// # #[derive(Clone, Default)]
    /// # struct Above(BroadcastStateHandle<u8, u64>);
    /// # impl BroadcastProcessFunction for Above {
    /// #     type In = u64;
    /// #     type Broadcast = u64;
    /// #     type Out = u64;
    /// #     fn declare(&mut self, states: &mut OperatorStates) {
    /// #         self.0 = states.broadcast("limit");
    /// #     }
    /// // In an `impl BroadcastProcessFunction`:
    /// # fn process(&mut self, reading: &Archived<u64>, cx: &mut ProcessContext<'_>, out: &mut Collector<u64>) -> Result<(), OperatorError> {
    /// #     if cx.broadcast_state(&self.0).get(&0).is_some_and(|limit| *reading > *limit) {
    /// #         out.collect(reading.to_native());
    /// #     }
    /// #     Ok(())
    /// # }
    /// fn process_broadcast(&mut self, limit: &Archived<u64>, cx: &mut BroadcastContext<'_>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
    ///     cx.update(&self.0).insert(0, limit.to_native());
    ///     Ok(())
    /// }
    /// # }
    /// let mut harness = OperatorHarness::of_two(|readings: DataStream<u64>, limits: DataStream<u64>| {
    ///     readings.connect_broadcast(&limits).process(Above::default())
    /// })?;
    /// harness.push_broadcast([(100, 0)])?;
    /// harness.push([(99, 1), (101, 2)])?;
    /// assert_eq!(harness.take_output(), [(101, 2)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn update<K: StateRecord + Ord, V: StateRecord>(
        &mut self,
        handle: &BroadcastStateHandle<K, V>,
    ) -> &mut std::collections::BTreeMap<K, V> {
        self.0.states.entries_mut(handle)
    }
}

impl<'a> Deref for BroadcastContext<'a> {
    type Target = ProcessContext<'a>;

    fn deref(&self) -> &ProcessContext<'a> {
        &self.0
    }
}

impl DerefMut for BroadcastContext<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

/// A stream and a broadcast one (Flink's `BroadcastConnectedStream`).
///
/// ```
/// # use rkyv::Archived;
/// # use yeoul_operator::OperatorError;
/// # use yeoul_stream::*;
/// # /// Lets readings pass that are above the limit.
/// # #[derive(Clone, Default)]
/// # struct Above(BroadcastStateHandle<u8, u64>);
/// # impl BroadcastProcessFunction for Above {
/// #     type In = u64;
/// #     type Broadcast = u64;
/// #     type Out = u64;
/// #     fn declare(&mut self, states: &mut OperatorStates) {
/// #         self.0 = states.broadcast("limit");
/// #     }
/// # fn process(&mut self, reading: &Archived<u64>, cx: &mut ProcessContext<'_>, out: &mut Collector<u64>) -> Result<(), OperatorError> {
/// #     if cx.broadcast_state(&self.0).get(&0).is_some_and(|limit| *reading > *limit) {
/// #         out.collect(reading.to_native());
/// #     }
/// #     Ok(())
/// # }
/// # fn process_broadcast(&mut self, limit: &Archived<u64>, cx: &mut BroadcastContext<'_>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
/// #     cx.update(&self.0).insert(0, limit.to_native());
/// #     Ok(())
/// # }
/// # }
/// // `Above`, a `BroadcastProcessFunction`, keeps the last limit, and lets pass what is above it.
/// let mut harness = OperatorHarness::of_two(|readings: DataStream<u64>, limits: DataStream<u64>| {
///     let both: BroadcastConnectedStreams<u64, u64> = readings.connect_broadcast(&limits);
///     both.process(Above::default())
/// })?;
/// harness.push_broadcast([(100, 0)])?;
/// harness.push([(99, 1), (101, 2)])?;
/// assert_eq!(harness.take_output(), [(101, 2)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub struct BroadcastConnectedStreams<A: Record, B: Record> {
    stream: DataStream<A>,
    broadcast: DataStream<B>,
}

impl<A: Record, B: Record> BroadcastConnectedStreams<A, B> {
    pub(crate) fn of(stream: DataStream<A>, broadcast: DataStream<B>) -> Self {
        if !stream.env.is(&broadcast.env) {
            stream.env.mistake("streams of two environments are connected; build both with one".to_owned());
        }
        Self { stream, broadcast }
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
    /// # impl BroadcastProcessFunction for Above {
    /// #     type In = u64;
    /// #     type Broadcast = u64;
    /// #     type Out = u64;
    /// #     fn declare(&mut self, states: &mut OperatorStates) {
    /// #         self.0 = states.broadcast("limit");
    /// #     }
    /// # fn process(&mut self, reading: &Archived<u64>, cx: &mut ProcessContext<'_>, out: &mut Collector<u64>) -> Result<(), OperatorError> {
    /// #     if cx.broadcast_state(&self.0).get(&0).is_some_and(|limit| *reading > *limit) {
    /// #         out.collect(reading.to_native());
    /// #     }
    /// #     Ok(())
    /// # }
    /// # fn process_broadcast(&mut self, limit: &Archived<u64>, cx: &mut BroadcastContext<'_>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
    /// #     cx.update(&self.0).insert(0, limit.to_native());
    /// #     Ok(())
    /// # }
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
    pub fn process<P>(&self, function: P) -> DataStream<P::Out>
    where
        P: BroadcastProcessFunction<In = A, Broadcast = B> + Clone + Sync,
    {
        let sides = Sides::default();
        let declared = sides.clone();
        let make: MakeOperator = Arc::new(move || Box::new(BroadcastOperator::new(function.clone(), declared.clone())));
        let env = &self.stream.env;
        // The nodes of another environment are not in this graph, which will not be built.
        let broadcast = if env.is(&self.broadcast.env) { &self.broadcast.ports[..] } else { &[] };
        let inputs = [(InputId(0), &self.stream.ports[..]), (InputId(1), broadcast)];
        let node = env.operator("Broadcast Process", make, &inputs, &sides);
        env.output(node, OutputId::MAIN)
    }
}

struct BroadcastOperator<P: BroadcastProcessFunction> {
    function: P,
    declared: Sides,
    states: OperatorStates,
    opened: Option<(Collector<P::Out>, SideOutputs, Subtask)>,
}

impl<P: BroadcastProcessFunction> BroadcastOperator<P> {
    fn new(function: P, declared: Sides) -> Self {
        Self { function, declared, states: OperatorStates::default(), opened: None }
    }
}

impl<P: BroadcastProcessFunction> Operator for BroadcastOperator<P> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.opened = Some((Collector::new(cx.pool), SideOutputs::open(&self.declared, cx.pool), cx.subtask));
        self.function.declare(&mut self.states);
        self.function.open(cx)
    }

    fn process(&mut self, input: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let (out, sides, subtask) = opened(&mut self.opened);
        let (function, states) = (&mut self.function, &mut self.states);
        if input == InputId(0) {
            ProcessContext::each::<P::In, _>(frame, cx, (states, sides, *subtask), out, |record, pcx, out| {
                function.process(record, pcx, out)
            })?;
        } else {
            ProcessContext::each::<P::Broadcast, _>(frame, cx, (states, sides, *subtask), out, |record, pcx, out| {
                function.process_broadcast(record, &mut BroadcastContext::within(pcx), out)
            })?;
        }
        sides.flush(cx)?;
        out.flush(OutputId::MAIN, cx)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        self.states.snapshot(snapshot);
        Ok(())
    }

    fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        let (_, _, own) = opened(&mut self.opened);
        self.states.restore(name, from, *own, bytes)
    }

    fn close(&mut self) {
        self.function.close();
    }
}
