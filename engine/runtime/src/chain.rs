//! The operators of one task, run one item at a time, most downstream first.
//!
//! Invariants:
//! 1. An operator's output is taken by the next one before it works on its next item: what is between two chained operators is bounded by
//!    what one call emits.
//! 2. A signal leaves an operator after all that it emitted because of what came before the signal.
//! 3. Nothing leaves an operator before its start: what the clock sets free right after a restore waits for that, too.
//! 4. At a barrier an operator's tables are frozen and its state is noted before the barrier goes on.
//! 5. What an operator has in flight keeps back its idleness and a drain's barrier, and no other barrier.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use yeoul_frame::signal::{Barrier, Purpose};
use yeoul_frame::{Frame, OperatorId, Pool, Signal, Timestamp};
use yeoul_operator::{Context, Counters, InputId, Operator, OperatorError, OutputId, Progress, Snapshot};

use crate::error::JobError;
use crate::inbox::Arrival;
use crate::outbox::Outbox;

/// The name under which the runtime keeps an operator's watermark in a snapshot.
pub const WATERMARK_STATE: &str = "@watermark";

/// Where an output goes.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// To a later operator of the same task.
    Operator(usize, InputId),
    /// To another task.
    Edge(usize),
}

/// One operator of a chain.
pub struct Slot {
    /// Its stable id.
    pub id: OperatorId,
    /// Its name and subtask, for messages.
    pub name: String,
    /// The operator.
    pub operator: Box<dyn Operator>,
    /// What it counts.
    pub counters: Arc<Counters>,
    /// Where its outputs go.
    pub targets: Vec<(OutputId, Target)>,
    /// The watermark that it has been told.
    pub watermark: Timestamp,
    /// Whether it was opened, and is to be closed.
    pub is_open: bool,
    /// The processing time that it has been told and has not done all of: nothing, a barrier least of all, comes in between.
    timing: Option<Timestamp>,
    /// Work is left of the frame that came last: as with a time, nothing comes in between.
    has_more: bool,
    /// Whether its start has gone on to all that it sends to.
    started: bool,
    /// Its input is idle, which those after it have not been told: it has results in flight.
    idle_unsaid: bool,
    queue: VecDeque<Arrival>,
}

impl Slot {
    /// An operator with nothing to do yet.
    #[must_use]
    pub fn new(
        id: OperatorId,
        name: String,
        operator: Box<dyn Operator>,
        counters: Arc<Counters>,
        targets: Vec<(OutputId, Target)>,
    ) -> Self {
        let (watermark, queue) = (Timestamp::MIN, VecDeque::new());
        Self {
            id,
            name,
            operator,
            counters,
            targets,
            watermark,
            is_open: false,
            timing: None,
            has_more: false,
            started: false,
            idle_unsaid: false,
            queue,
        }
    }

    /// Whether there is something to work on now.
    fn is_due(&self) -> bool {
        self.timing.is_some() || self.has_more || self.queue.front().is_some_and(|item| !self.waits(item))
    }

    /// Whether this waits for what is in flight. After a drain's barrier nothing is committed: what came back then would be lost.
    fn waits(&self, item: &Arrival) -> bool {
        matches!(item, Arrival::Signal(Signal::Barrier(Barrier { purpose: Purpose::Drain, .. })))
            && self.operator.in_flight()
    }
}

/// What a shard lends to its tasks during a step.
pub struct Env<'a> {
    /// Processing time, read once a step.
    pub now: Timestamp,
    /// Sources are not to read now: output leaves too slowly.
    pub held_back: bool,
    /// The task has not passed the barrier of the epoch in flight.
    pub barrier_due: bool,
    /// Memory for frames.
    pub pool: &'a Pool,
    /// Collects what operators put into the snapshot.
    pub noted: &'a mut Noted,
}

/// What the operators of a shard put into the snapshot of the epoch in flight, beside their tables.
#[derive(Default)]
pub struct Noted {
    /// Operator state by name.
    pub states: Vec<(OperatorId, String, Vec<u8>)>,
    /// Output for committers.
    pub sealed: Vec<(OperatorId, Arc<[u8]>)>,
    /// The least watermark of its sources at the barrier.
    pub watermark: Option<Timestamp>,
}

/// What running a chain came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// All queues are empty: it can take input.
    Ready,
    /// It has used its turn and has more to do.
    Busy,
    /// It waits for room in a ring.
    Blocked,
    /// It waits for what an operator has in flight: until then it takes no input.
    Waiting,
}

/// The operators of one task and the edges that leave it.
pub struct Chain {
    /// In an order in which every target points forward.
    pub slots: Vec<Slot>,
    /// The edges.
    pub edges: Vec<Outbox>,
    /// Where the outputs of the task's source go, if it has one.
    source: Vec<(OutputId, Target)>,
    emitted: Vec<(OutputId, Frame)>,
    /// The barrier that the last operator passed, until the shard asks.
    passed: Option<Barrier>,
    ended: bool,
    /// Something was sent or fired since the task last asked, apart from what came in.
    acted: bool,
}

impl Chain {
    /// Of these operators and edges; `source` says where the outputs of a source at the head go.
    #[must_use]
    pub fn new(slots: Vec<Slot>, edges: Vec<Outbox>, source: Vec<(OutputId, Target)>) -> Self {
        Self { slots, edges, source, emitted: Vec::new(), passed: None, ended: false, acted: false }
    }

    /// Whether the end has gone through all operators.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// The barrier that has gone through all operators since the last call.
    pub fn take_passed(&mut self) -> Option<Barrier> {
        self.passed.take()
    }

    /// Whether it may be given records.
    #[must_use]
    pub fn has_room(&self, env: &Env<'_>) -> bool {
        let room = |operator: &dyn Operator| match env.barrier_due {
            true => operator.has_room_before_barrier(),
            false => operator.has_room(),
        };
        self.slots.first().is_none_or(|slot| room(&*slot.operator))
    }

    /// Puts a frame that came by `input` of the task into the first operator.
    pub fn enter(&mut self, input: InputId, frame: Frame) {
        self.slots[0].queue.push_back(Arrival::Frame(input, frame));
    }

    /// Puts a signal that holds for the whole task into the first operator.
    pub fn enter_signal(&mut self, signal: Signal) {
        self.slots[0].queue.push_back(Arrival::Signal(signal));
    }

    /// Sends a frame of the source's `output` to where that goes.
    ///
    /// # Errors
    /// The user's key selector panicked.
    pub fn from_source(&mut self, output: OutputId, frame: &Frame) -> Result<(), JobError> {
        for at in 0..self.source.len() {
            let (from, target) = self.source[at];
            if from == output {
                self.send(target, frame.clone())?;
            }
        }
        Ok(())
    }

    /// Sends a signal of the source to all that it goes to.
    pub fn signal_from_source(&mut self, signal: Signal) {
        let source = std::mem::take(&mut self.source);
        self.forward(&source, signal);
        self.source = source;
        self.note_passed(signal);
    }

    /// Works on what is in the chain, for at most `budget` calls of operators.
    ///
    /// # Errors
    /// What an operator reported, or that it panicked.
    pub fn run(&mut self, budget: &mut usize, env: &mut Env<'_>) -> Result<Run, JobError> {
        loop {
            if !self.flush() {
                return Ok(Run::Blocked);
            }
            let Some(at) = self.slots.iter().rposition(Slot::is_due) else {
                let is_waiting = self.slots.iter().any(|slot| !slot.queue.is_empty());
                return Ok(if is_waiting { Run::Waiting } else { Run::Ready });
            };
            if *budget == 0 {
                return Ok(Run::Busy);
            }
            *budget -= 1;
            self.work(at, env)?;
        }
    }

    /// Calls operators whose processing time has come. Only when the chain is ready or waiting. Returns when the next one is due.
    ///
    /// # Errors
    /// As for `run`.
    pub fn on_time(&mut self, env: &mut Env<'_>) -> Result<Option<Timestamp>, JobError> {
        let mut next: Option<Timestamp> = None;
        for at in 0..self.slots.len() {
            // Invariant 3. Its start wakes the task, which then asks again.
            if !self.slots[at].started {
                continue;
            }
            if let Some(due) = self.slots[at].operator.next_processing_time() {
                let due = if due <= env.now {
                    self.time(at, env.now, env)?;
                    if self.slots[at].timing.is_some() {
                        Some(env.now)
                    } else {
                        self.slots[at].operator.next_processing_time()
                    }
                } else {
                    Some(due)
                };
                next = match (next, due) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
            }
        }
        Ok(next)
    }

    /// Tells an operator the processing time, for the first time or to go on.
    fn time(&mut self, at: usize, now: Timestamp, env: &Env<'_>) -> Result<(), JobError> {
        let mut progress = Progress::Done;
        let output_watermark = |slot: &Slot| slot.operator.output_watermark(slot.watermark);
        let before = output_watermark(&self.slots[at]);
        self.call(at, env, |operator, cx| {
            progress = operator.on_processing_time(now, cx)?;
            Ok(())
        })?;
        self.acted = true;
        self.slots[at].counters.turns.add(1);
        self.slots[at].timing = (progress == Progress::More).then_some(now);
        self.distribute(at)?;
        // What was kept back behind results in flight goes on behind them.
        let after = output_watermark(&self.slots[at]);
        if after > before {
            self.forward_from(at, Signal::Watermark(after));
        }
        if self.slots[at].idle_unsaid && !self.slots[at].operator.in_flight() {
            self.slots[at].idle_unsaid = false;
            self.forward_from(at, Signal::Idle);
        }
        Ok(())
    }

    /// Whether anything was sent that had waited, or a time has come, since the last call.
    pub fn take_acted(&mut self) -> bool {
        std::mem::take(&mut self.acted)
    }

    /// Tries to send what waits for room. True if nothing waits any more.
    pub fn flush(&mut self) -> bool {
        let acted = &mut self.acted;
        self.edges.iter_mut().fold(true, |clear, edge| edge.flush(acted) & clear)
    }

    fn work(&mut self, at: usize, env: &mut Env<'_>) -> Result<(), JobError> {
        if let Some(now) = self.slots[at].timing {
            return self.time(at, now, env);
        }
        if self.slots[at].has_more {
            self.call(at, env, |operator, cx| operator.go_on(cx))?;
            self.slots[at].has_more = self.slots[at].operator.has_more();
            return self.distribute(at);
        }
        let arrival = self.slots[at].queue.pop_front().expect("the caller saw an item");
        match arrival {
            Arrival::Frame(input, frame) => {
                self.slots[at].idle_unsaid = false;
                self.slots[at].counters.records_in.add(frame.len() as u64);
                self.call(at, env, |operator, cx| operator.process(input, &frame, cx))?;
                self.slots[at].has_more = self.slots[at].operator.has_more();
                self.distribute(at)?;
            }
            Arrival::Signal(signal) => {
                let mut progress = Progress::Done;
                match signal {
                    Signal::Watermark(watermark) => {
                        self.slots[at].idle_unsaid = false;
                        debug_assert!(watermark >= self.slots[at].watermark, "watermarks of a task never go back");
                        self.slots[at].watermark = watermark;
                        self.slots[at].counters.set_watermark(watermark);
                        self.call(at, env, |operator, cx| {
                            progress = operator.on_watermark(watermark, cx)?;
                            Ok(())
                        })?;
                    }
                    Signal::Barrier(barrier) => self.snapshot(at, barrier, env)?,
                    Signal::Idle => {
                        self.call(at, env, |operator, _| {
                            operator.on_idle();
                            Ok(())
                        })?;
                        self.slots[at].idle_unsaid = self.slots[at].operator.in_flight();
                        if self.slots[at].idle_unsaid {
                            return Ok(());
                        }
                    }
                    Signal::Start | Signal::End => {}
                }
                self.distribute(at)?;
                if progress == Progress::More {
                    self.slots[at].queue.push_front(Arrival::Signal(signal));
                    return Ok(());
                }
                let forwarded = match signal {
                    Signal::Watermark(watermark) => {
                        Signal::Watermark(self.slots[at].operator.output_watermark(watermark))
                    }
                    other => other,
                };
                // All of them kept back says nothing.
                if forwarded != Signal::Watermark(Timestamp::MIN) {
                    self.forward_from(at, forwarded);
                }
                self.slots[at].started |= signal == Signal::Start;
                self.note_passed(signal);
            }
        }
        Ok(())
    }

    /// Notes a barrier or the end, if every operator of the task has now seen it.
    fn note_passed(&mut self, signal: Signal) {
        let underway = |slot: &Slot| slot.queue.iter().any(|item| matches!(item, Arrival::Signal(s) if *s == signal));
        match signal {
            Signal::Start | Signal::Watermark(_) | Signal::Idle => {}
            _ if self.slots.iter().any(underway) => {}
            Signal::Barrier(barrier) => self.passed = Some(barrier),
            Signal::End => self.ended = true,
        }
    }

    /// Lets go of what the operators hold outside: those that were opened, once.
    pub fn close(&mut self) {
        for slot in &mut self.slots {
            if !std::mem::take(&mut slot.is_open) {
                continue;
            }
            // A panic while closing changes nothing: the job's fate is decided already.
            let _ = guard(&slot.name, || {
                slot.operator.close();
                Ok(())
            });
        }
    }

    fn snapshot(&mut self, at: usize, barrier: Barrier, env: &mut Env<'_>) -> Result<(), JobError> {
        let slot = &mut self.slots[at];
        let noted = &mut *env.noted;
        let mut snapshot = Snapshot::new(barrier.epoch, slot.id, &mut noted.states, &mut noted.sealed);
        snapshot.state(WATERMARK_STATE, slot.watermark.0.to_le_bytes().to_vec());
        guard(&slot.name, || slot.operator.snapshot(&mut snapshot))?;
        let (mut bytes, mut entries) = (0, 0);
        slot.operator.tables(&mut |table| {
            table.freeze();
            bytes += table.memory_bytes();
            entries += table.len();
        });
        slot.counters.state_bytes.set(bytes as u64);
        slot.counters.state_entries.set(entries as u64);
        Ok(())
    }

    fn call(
        &mut self,
        at: usize,
        env: &Env<'_>,
        f: impl FnOnce(&mut dyn Operator, &mut Context<'_>) -> Result<(), OperatorError>,
    ) -> Result<(), JobError> {
        let slot = &mut self.slots[at];
        let mut cx = Context::new(&mut self.emitted, slot.watermark, env.now, env.pool, &slot.counters);
        guard(&slot.name, || f(&mut *slot.operator, &mut cx))
    }

    fn distribute(&mut self, at: usize) -> Result<(), JobError> {
        let mut emitted = std::mem::take(&mut self.emitted);
        for (output, frame) in emitted.drain(..) {
            for index in 0..self.slots[at].targets.len() {
                let (from, target) = self.slots[at].targets[index];
                if from == output {
                    self.send(target, frame.clone())?;
                }
            }
        }
        self.emitted = emitted;
        Ok(())
    }

    fn send(&mut self, target: Target, frame: Frame) -> Result<(), JobError> {
        match target {
            Target::Operator(slot, input) => self.slots[slot].queue.push_back(Arrival::Frame(input, frame)),
            Target::Edge(edge) => self.edges[edge].frame(frame)?,
        }
        Ok(())
    }

    fn forward_from(&mut self, at: usize, signal: Signal) {
        let targets = std::mem::take(&mut self.slots[at].targets);
        self.forward(&targets, signal);
        self.slots[at].targets = targets;
    }

    /// A signal goes once to each place that any output goes to.
    fn forward(&mut self, targets: &[(OutputId, Target)], signal: Signal) {
        for (_, target) in targets {
            match *target {
                Target::Operator(slot, _) => self.slots[slot].queue.push_back(Arrival::Signal(signal)),
                Target::Edge(edge) => self.edges[edge].signal(signal),
            }
        }
    }
}

/// Calls user code: its error and its panic become the job's, with the operator's name.
pub fn guard<R>(name: &str, f: impl FnOnce() -> Result<R, OperatorError>) -> Result<R, JobError> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(cause)) => Err(JobError::Operator { operator: name.to_owned(), cause }),
        Err(panic) => Err(JobError::Panic { operator: name.to_owned(), message: panic_message(&*panic) }),
    }
}

/// The text of a panic.
#[must_use]
pub fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests;
