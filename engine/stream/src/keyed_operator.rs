//! The operator of keyed functions, of one input or two.
//!
//! A frame's keys are read and hashed together, and their state is asked for before it is needed; then the function is called a record
//! at a time, in order.

use std::marker::PhantomData;

use yeoul_frame::{Frame, Record, RowKind, Timestamp};
use yeoul_operator::{
    Context, InputId, OpenContext, Operator, OperatorError, OutputId, Progress, Snapshot, Subtask, unknown_state,
};
use yeoul_state::{Key, StateTable, States};

use crate::collector::Collector;
use crate::key_selector::FrameKeys;
use crate::keyed_process::{KeyedCoProcessFunction, KeyedContext, KeyedProcessFunction};
use crate::prefetch::Prefetch;
use crate::side_outputs::SideOutputs;
use crate::stateless::opened;
use crate::tag::Sides;
use crate::timer_service::{TimeDomain, TimerService};

/// Keys ahead for which state is asked for.
const AHEAD: usize = 24;
/// Timers that fire in one call.
const TIMERS_A_CALL: usize = 1024;
/// Places of each expiring state that are looked at after each frame.
const SWEPT_A_FRAME: usize = 64;

/// A keyed function with its inputs erased: what the operator calls.
pub(crate) trait KeyedFunction: Send + 'static {
    type Key: Key;
    type Out: Record;

    fn open(&mut self, states: &mut States<Self::Key>, cx: &mut OpenContext<'_>) -> Result<(), OperatorError>;

    /// Takes a frame of an input; `keys` has a selector for each input with keys.
    fn frame(
        &mut self,
        input: InputId,
        frame: &Frame,
        keys: &mut [FrameKeys<Self::Key>],
        opened: &mut Opened<Self::Key, Self::Out>,
        cx: &Context<'_>,
    ) -> Result<(), OperatorError>;

    fn on_timer(
        &mut self,
        time: Timestamp,
        cx: &mut KeyedContext<'_, Self::Key>,
        out: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError>;

    /// Puts what belongs to no key into the snapshot.
    fn snapshot(&mut self, _: &mut Snapshot<'_>) {}

    /// Gives it back.
    fn restore(&mut self, name: &str, _: Subtask, _: Subtask, _: &[u8]) -> Result<(), OperatorError> {
        Err(unknown_state(name))
    }

    fn close(&mut self);
}

/// What an instance has once it is open.
pub(crate) struct Opened<K: Key, O: Record> {
    states: States<K>,
    timers: TimerService<K>,
    sides: SideOutputs,
    out: Collector<O>,
    subtask: Subtask,
}

impl<K: Key, O: Record> Opened<K, O> {
    /// What a function may reach for a record that has no key.
    pub(crate) fn without_key(&mut self) -> (&mut States<K>, &mut SideOutputs, &mut Collector<O>, Subtask) {
        (&mut self.states, &mut self.sides, &mut self.out, self.subtask)
    }

    /// Calls `process` for each selected record of a frame, and `prefetch` some records before.
    #[inline]
    pub(crate) fn each<T: Record, P>(
        &mut self,
        frame: &Frame,
        keys: &mut FrameKeys<K>,
        cx: &Context<'_>,
        function: &mut P,
        prefetch: impl Fn(&P, &T::Archived, &mut Prefetch<'_, K>),
        mut process: impl FnMut(
            &mut P,
            &T::Archived,
            &mut KeyedContext<'_, K>,
            &mut Collector<O>,
        ) -> Result<(), OperatorError>,
    ) -> Result<(), OperatorError> {
        let Self { states, timers, sides, out, subtask } = self;
        let (keys, hashes) = keys.read(frame);
        let rows = frame.rows::<T>();
        let mut ahead = rows.iter().zip(hashes);
        let mut ask = |function: &P, states: &mut States<K>, timers: &TimerService<K>| {
            if let Some(((_, record), &hash)) = ahead.next() {
                states.prefetch(hash);
                prefetch(function, record, &mut Prefetch { states, timers, hash });
            }
        };
        (0..AHEAD).for_each(|_| ask(function, states, timers));
        let (watermark, now, subtask) = (cx.watermark(), cx.now(), *subtask);
        for (i, (row, record)) in rows.iter().enumerate() {
            ask(function, states, timers);
            states.set_key(&keys[i], hashes[i], now);
            let (time, kind) = (rows.time(row), rows.kind(row));
            out.stamp(time, kind);
            let domain = TimeDomain::Event;
            let mut kcx = KeyedContext { states, timers, sides, time, kind, domain, watermark, now, subtask };
            process(function, record, &mut kcx, out)?;
        }
        states.sweep(SWEPT_A_FRAME, now);
        Ok(())
    }
}

/// The function of one input.
pub(crate) struct OneInput<P>(pub(crate) P);

impl<P: KeyedProcessFunction> KeyedFunction for OneInput<P> {
    type Key = P::Key;
    type Out = P::Out;

    fn open(&mut self, states: &mut States<P::Key>, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.0.open(states, cx)
    }

    fn frame(
        &mut self,
        _: InputId,
        frame: &Frame,
        keys: &mut [FrameKeys<P::Key>],
        opened: &mut Opened<P::Key, P::Out>,
        cx: &Context<'_>,
    ) -> Result<(), OperatorError> {
        opened.each::<P::In, _>(frame, &mut keys[0], cx, &mut self.0, P::prefetch, P::process)
    }

    fn on_timer(
        &mut self,
        time: Timestamp,
        cx: &mut KeyedContext<'_, P::Key>,
        out: &mut Collector<P::Out>,
    ) -> Result<(), OperatorError> {
        self.0.on_timer(time, cx, out)
    }

    fn close(&mut self) {
        self.0.close();
    }
}

/// The function of two inputs.
pub(crate) struct TwoInputs<P>(pub(crate) P);

impl<P: KeyedCoProcessFunction> KeyedFunction for TwoInputs<P> {
    type Key = P::Key;
    type Out = P::Out;

    fn open(&mut self, states: &mut States<P::Key>, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.0.open(states, cx)
    }

    fn frame(
        &mut self,
        input: InputId,
        frame: &Frame,
        keys: &mut [FrameKeys<P::Key>],
        opened: &mut Opened<P::Key, P::Out>,
        cx: &Context<'_>,
    ) -> Result<(), OperatorError> {
        let keys = &mut keys[usize::from(input.0)];
        match input {
            InputId(0) => opened.each::<P::In1, _>(frame, keys, cx, &mut self.0, P::prefetch1, P::process1),
            _ => opened.each::<P::In2, _>(frame, keys, cx, &mut self.0, P::prefetch2, P::process2),
        }
    }

    fn on_timer(
        &mut self,
        time: Timestamp,
        cx: &mut KeyedContext<'_, P::Key>,
        out: &mut Collector<P::Out>,
    ) -> Result<(), OperatorError> {
        self.0.on_timer(time, cx, out)
    }

    fn close(&mut self) {
        self.0.close();
    }
}

pub(crate) struct KeyedOperator<F: KeyedFunction> {
    function: F,
    /// By input.
    keys: Vec<FrameKeys<F::Key>>,
    declared: Sides,
    opened: Option<Opened<F::Key, F::Out>>,
    kind: PhantomData<fn() -> F::Out>,
}

impl<F: KeyedFunction> KeyedOperator<F> {
    pub(crate) fn new(function: F, keys: Vec<FrameKeys<F::Key>>, declared: Sides) -> Self {
        Self { function, keys, declared, opened: None, kind: PhantomData }
    }

    /// Fires the timers that are due, as far as there is room.
    fn fire(&mut self, domain: TimeDomain, upto: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        let Opened { states, timers, sides, out, subtask } = opened(&mut self.opened);
        let (watermark, now, subtask) = (cx.watermark(), cx.now(), *subtask);
        for _ in 0..TIMERS_A_CALL {
            let Some(timer) = timers.pop_due(domain, upto) else {
                states.sweep(SWEPT_A_FRAME, now);
                sides.flush(cx)?;
                out.flush(OutputId::MAIN, cx)?;
                return Ok(Progress::Done);
            };
            states.set_key(&timer.key, timer.hash, now);
            // What comes of the clock has no event time, unless the function gives it one.
            let stamp = if domain == TimeDomain::Event { timer.time } else { Timestamp::MIN };
            out.stamp(stamp, RowKind::Insert);
            let (time, kind) = (timer.time, RowKind::Insert);
            let mut kcx = KeyedContext { states, timers, sides, time, kind, domain, watermark, now, subtask };
            self.function.on_timer(timer.time, &mut kcx, out)?;
            if !(out.emit_full(OutputId::MAIN, cx)? & sides.emit_full(cx)?) {
                break;
            }
        }
        Ok(Progress::More)
    }
}

impl<F: KeyedFunction> Operator for KeyedOperator<F> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let mut states = States::new(cx.operator);
        self.function.open(&mut states, cx)?;
        self.opened = Some(Opened {
            states,
            timers: TimerService::open(cx),
            sides: SideOutputs::open(&self.declared, cx.pool),
            out: Collector::new(cx.pool),
            subtask: cx.subtask,
        });
        Ok(())
    }

    fn process(&mut self, input: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let opened = opened(&mut self.opened);
        self.function.frame(input, frame, &mut self.keys, opened, cx)?;
        opened.sides.flush(cx)?;
        opened.out.flush(OutputId::MAIN, cx)
    }

    fn on_watermark(&mut self, watermark: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        self.fire(TimeDomain::Event, watermark, cx)
    }

    fn next_processing_time(&self) -> Option<Timestamp> {
        self.opened.as_ref()?.timers.processing.next_time()
    }

    fn on_processing_time(&mut self, now: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        self.fire(TimeDomain::Processing, now, cx)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        self.function.snapshot(snapshot);
        Ok(())
    }

    fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        let own = opened(&mut self.opened).subtask;
        self.function.restore(name, from, own, bytes)
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        if let Some(opened) = &mut self.opened {
            opened.states.tables().for_each(&mut *visit);
            opened.timers.tables(visit);
        }
    }

    fn close(&mut self) {
        self.function.close();
    }
}
