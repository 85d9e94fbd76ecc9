//! CoProcessFunction: records of two streams without keys, by one function that has a method for each.

use rkyv::Archive;
use yeoul_frame::{Frame, Record};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError, OutputId, Snapshot, Subtask};

use crate::ProcessContext;
use crate::collector::Collector;
use crate::operator_state::OperatorStates;
use crate::side_outputs::SideOutputs;
use crate::stateless::opened;
use crate::tag::Sides;

/// Works on the records of two streams (Flink's `CoProcessFunction`). Between the two there is no order.
///
/// Which records of the two come to the same subtask is not said: what both must see belongs to a key
/// ([`KeyedCoProcessFunction`](crate::KeyedCoProcessFunction)), or is broadcast
/// ([`BroadcastProcessFunction`](crate::BroadcastProcessFunction)).
///
/// ```
/// use yeoul_operator::OperatorError;
/// use yeoul_stream::{CoProcessFunction, Collector, DataStream, OperatorHarness, ProcessContext};
///
/// /// Celsius from one stream, tenths of Fahrenheit from the other: degrees Celsius.
/// #[derive(Clone)]
/// struct Celsius;
///
/// impl CoProcessFunction for Celsius {
///     type In1 = i64;
///     type In2 = i64;
///     type Out = i64;
///
///     fn process1(&mut self, degrees: &rkyv::Archived<i64>, _: &mut ProcessContext<'_>, out: &mut Collector<i64>) -> Result<(), OperatorError> {
///         out.collect(degrees.to_native());
///         Ok(())
///     }
///
///     fn process2(&mut self, tenths: &rkyv::Archived<i64>, _: &mut ProcessContext<'_>, out: &mut Collector<i64>) -> Result<(), OperatorError> {
///         out.collect((tenths.to_native() - 320) / 18);
///         Ok(())
///     }
/// }
///
/// let mut harness = OperatorHarness::of_two(|celsius: DataStream<i64>, fahrenheit: DataStream<i64>| {
///     celsius.connect(&fahrenheit).process(Celsius)
/// })?;
/// harness.push([(21, 0)])?;
/// harness.push_second([(680, 1)])?;
/// assert_eq!(harness.take_output(), [(21, 0), (20, 1)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub trait CoProcessFunction: Send + 'static {
    /// What it takes from the first stream.
    type In1: Record;
    /// What it takes from the second stream.
    type In2: Record;
    /// What it gives.
    type Out: Record;

    /// Declares state that belongs to no key, before it is restored.
    fn declare(&mut self, states: &mut OperatorStates) {
        let _ = states;
    }

    /// Called once for each subtask, before the first record.
    ///
    /// # Errors
    /// Whatever makes it impossible to run; the job fails with it.
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let _ = cx;
        Ok(())
    }

    /// Takes a record of the first stream.
    ///
    /// # Errors
    /// A failure that fails the job.
    fn process1(
        &mut self,
        record: &<Self::In1 as Archive>::Archived,
        cx: &mut ProcessContext<'_>,
        out: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError>;

    /// Takes a record of the second stream.
    ///
    /// # Errors
    /// A failure that fails the job.
    fn process2(
        &mut self,
        record: &<Self::In2 as Archive>::Archived,
        cx: &mut ProcessContext<'_>,
        out: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError>;

    /// Called once at the end.
    fn close(&mut self) {}
}

pub(crate) struct CoProcessOperator<P: CoProcessFunction> {
    function: P,
    declared: Sides,
    states: OperatorStates,
    opened: Option<(Collector<P::Out>, SideOutputs, Subtask)>,
}

impl<P: CoProcessFunction> CoProcessOperator<P> {
    pub(crate) fn new(function: P, declared: Sides) -> Self {
        Self { function, declared, states: OperatorStates::default(), opened: None }
    }
}

impl<P: CoProcessFunction> Operator for CoProcessOperator<P> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.opened = Some((Collector::new(cx.pool), SideOutputs::open(&self.declared, cx.pool), cx.subtask));
        self.function.declare(&mut self.states);
        self.function.open(cx)
    }

    fn process(&mut self, input: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let (out, sides, subtask) = opened(&mut self.opened);
        let function = &mut self.function;
        let parts = (&mut self.states, &mut *sides, *subtask);
        match input {
            InputId(0) => ProcessContext::each::<P::In1, _>(frame, cx, parts, out, |record, pcx, out| {
                function.process1(record, pcx, out)
            })?,
            _ => ProcessContext::each::<P::In2, _>(frame, cx, parts, out, |record, pcx, out| {
                function.process2(record, pcx, out)
            })?,
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

/// Two closures, one for each stream.
pub(crate) struct CoFlatMap<A, B, O, F, G> {
    pub(crate) first: F,
    pub(crate) second: G,
    pub(crate) records: std::marker::PhantomData<fn(A, B) -> O>,
}

impl<A, B, O, F: Clone, G: Clone> Clone for CoFlatMap<A, B, O, F, G> {
    fn clone(&self) -> Self {
        Self { first: self.first.clone(), second: self.second.clone(), records: self.records }
    }
}

impl<A, B, O, F, G> CoProcessFunction for CoFlatMap<A, B, O, F, G>
where
    A: Record,
    B: Record,
    O: Record,
    F: Fn(&A::Archived, &mut Collector<O>) + Send + 'static,
    G: Fn(&B::Archived, &mut Collector<O>) + Send + 'static,
{
    type In1 = A;
    type In2 = B;
    type Out = O;

    fn process1(
        &mut self,
        record: &A::Archived,
        _: &mut ProcessContext<'_>,
        out: &mut Collector<O>,
    ) -> Result<(), OperatorError> {
        (self.first)(record, out);
        Ok(())
    }

    fn process2(
        &mut self,
        record: &B::Archived,
        _: &mut ProcessContext<'_>,
        out: &mut Collector<O>,
    ) -> Result<(), OperatorError> {
        (self.second)(record, out);
        Ok(())
    }
}
