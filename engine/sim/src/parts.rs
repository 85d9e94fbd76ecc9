//! The engine's steppable parts, as the scheduler steps them: what `yeoul_runtime::threads` does with threads, on one.
//!
//! Invariants:
//! 1. What a part says and when it ends is what its thread would say and do; only the order is the scheduler's.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use yeoul_ring::{Bell, Parker};
use yeoul_runtime::attempt::Seed;
use yeoul_runtime::chain::panic_message;
use yeoul_runtime::coordinator::{Coordinator, Tick};
use yeoul_runtime::shard::{Event, Progress, Shard};
use yeoul_runtime::writer::Writer;
use yeoul_runtime::{JobError, Outcome};
use yeoul_state::log::Chunk;
use yeoul_sys::Clock;

use crate::clock::SimClock;
use crate::schedule::{Part, Step};
use crate::world::Requests;

/// Runs engine code; a panic becomes the error that a thread's own guard makes of it.
pub(crate) fn guarded<R>(what: &str, work: impl FnOnce() -> Result<R, JobError>) -> Result<R, JobError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(JobError::Panic { operator: what.to_owned(), message: panic_message(&*panic) }))
}

/// A shard, from its seed on.
pub(crate) struct ShardPart {
    name: String,
    stage: Stage,
    told: Sender<Event>,
    clock: SimClock,
    parker: Parker,
    rest: Rest,
}

/// How far a shard with nothing to do is on its way to sleep, as `threads.rs` puts it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Busy,
    /// It has announced that it will park, and looks once more.
    Announced,
    /// It sleeps until its bell rings or, if given, until this time. A bell that is not rung shows here as a job that is stuck.
    Parked(Option<u64>),
}

enum Stage {
    Seed(Box<Seed>),
    Runs(Box<Shard>),
    Gone,
}

impl ShardPart {
    pub(crate) fn new(number: usize, seed: Seed, parker: Parker, told: Sender<Event>, clock: SimClock) -> Self {
        Self {
            name: format!("shard-{number}"),
            stage: Stage::Seed(Box::new(seed)),
            told,
            clock,
            parker,
            rest: Rest::Busy,
        }
    }

    fn advance(&mut self) -> Result<Step, JobError> {
        match std::mem::replace(&mut self.stage, Stage::Gone) {
            Stage::Seed(seed) => {
                self.stage = Stage::Runs(Box::new(guarded(&self.name, || seed.open())?));
                Ok(Step::Worked)
            }
            Stage::Runs(mut shard) => {
                let progress = guarded(&self.name, || shard.step())?;
                if progress == Progress::Ended {
                    // A coordinator that is gone does not wait for it.
                    let _ = self.told.send(Event::Ended(shard.id()));
                    return Ok(Step::Ended);
                }
                self.stage = Stage::Runs(shard);
                let Progress::Idle(until) = progress else {
                    self.wake();
                    return Ok(Step::Worked);
                };
                Ok(self.tire(until.map(|until| {
                    let left = u64::try_from(until.0.saturating_sub(self.clock.wall_millis())).unwrap_or(0);
                    self.clock.monotonic_nanos().saturating_add(left.saturating_mul(1_000_000))
                })))
            }
            Stage::Gone => Ok(Step::Ended),
        }
    }

    fn wake(&mut self) {
        if self.rest != Rest::Busy {
            self.parker.cancel();
            self.rest = Rest::Busy;
        }
    }

    /// There was nothing to do.
    fn tire(&mut self, until: Option<u64>) -> Step {
        match self.rest {
            Rest::Busy => {
                self.parker.prepare();
                self.rest = Rest::Announced;
                // It looks once more.
                Step::Idle(Some(self.clock.monotonic_nanos()))
            }
            Rest::Announced | Rest::Parked(_) => {
                self.rest = Rest::Parked(until);
                Step::Idle(until)
            }
        }
    }
}

impl Part for ShardPart {
    fn name(&self) -> &str {
        &self.name
    }

    fn step(&mut self) -> Step {
        if let Rest::Parked(until) = self.rest {
            if !self.parker.is_rung() && until.is_none_or(|until| until > self.clock.monotonic_nanos()) {
                return Step::Idle(until);
            }
            self.wake();
        }
        self.advance().unwrap_or_else(|error| {
            let _ = self.told.send(Event::Failed(error));
            Step::Ended
        })
    }

    fn is_called(&self) -> bool {
        self.parker.is_rung()
    }
}

/// A shard's writer with the chunks that wait for it.
pub(crate) struct WriterPart {
    name: String,
    writer: Writer,
    chunks: Option<Receiver<Chunk>>,
    spent: Sender<Vec<u8>>,
    /// Wakes the shard, which may wait for room.
    bell: Bell,
    told: Sender<Event>,
    clock: SimClock,
}

impl WriterPart {
    pub(crate) fn new(
        number: usize,
        writer: Writer,
        chunks: Receiver<Chunk>,
        spent: Sender<Vec<u8>>,
        bell: Bell,
        told: Sender<Event>,
        clock: SimClock,
    ) -> Self {
        Self { name: format!("log-{number}"), writer, chunks: Some(chunks), spent, bell, told, clock }
    }

    fn failed(&mut self, error: JobError) -> Step {
        // Its end of the channel closes, which is how its shard knows.
        self.chunks = None;
        let _ = self.told.send(Event::Failed(error));
        Step::Ended
    }
}

impl Part for WriterPart {
    fn name(&self) -> &str {
        &self.name
    }

    fn step(&mut self) -> Step {
        let Some(chunks) = &self.chunks else { return Step::Ended };
        let chunk = match chunks.try_recv() {
            Ok(chunk) => chunk,
            Err(TryRecvError::Empty) => {
                return match guarded(&self.name, || self.writer.idle()) {
                    Ok(until) => Step::Idle(
                        until.map(|until| self.clock.monotonic_nanos().saturating_add(until.as_nanos() as u64)),
                    ),
                    Err(error) => self.failed(error),
                };
            }
            Err(TryRecvError::Disconnected) => return Step::Ended,
        };
        match guarded(&self.name, || self.writer.take(chunk)) {
            Ok((event, buffer)) => {
                if let Some(buffer) = buffer {
                    let _ = self.spent.try_send(buffer);
                }
                if let Some(event) = event {
                    let _ = self.told.send(event);
                }
                self.bell.ring().expect("the system wakes a simulated shard");
                Step::Worked
            }
            Err(error) => self.failed(error),
        }
    }

    fn is_called(&self) -> bool {
        self.chunks.as_ref().is_some_and(|chunks| !chunks.is_empty())
    }
}

/// The coordinator's name.
pub(crate) const COORDINATOR: &str = "coordinator";

/// How the coordinator ended, for whoever runs the attempt.
pub(crate) type Verdict = Rc<RefCell<Option<Result<Outcome, JobError>>>>;

/// The coordinator with the events that wait for it.
pub(crate) struct CoordinatorPart {
    coordinator: Coordinator,
    events: Receiver<Event>,
    requests: Requests,
    verdict: Verdict,
}

impl CoordinatorPart {
    pub(crate) fn new(coordinator: Coordinator, events: Receiver<Event>, requests: Requests, verdict: Verdict) -> Self {
        Self { coordinator, events, requests, verdict }
    }

    fn advance(&mut self) -> Result<Tick, JobError> {
        if let Some(request) = self.requests.borrow_mut().pop_front() {
            self.coordinator.request(request);
            return Ok(Tick::Worked);
        }
        // One event at a time: what comes between two of them is the scheduler's to decide.
        if let Ok(event) = self.events.try_recv() {
            self.coordinator.event(event)?;
            return Ok(Tick::Worked);
        }
        self.coordinator.step()
    }
}

impl Part for CoordinatorPart {
    fn name(&self) -> &str {
        COORDINATOR
    }

    fn step(&mut self) -> Step {
        if self.verdict.borrow().is_some() {
            return Step::Ended;
        }
        let result = guarded("coordinator", || self.advance());
        let (verdict, step) = match result {
            Ok(Tick::Worked) => return Step::Worked,
            Ok(Tick::Idle(until)) => return Step::Idle(until),
            Ok(Tick::Ended(outcome)) => (Ok(outcome), Step::Ended),
            Err(error) => {
                let text = error.to_string();
                (Err(error), Step::Failed(text))
            }
        };
        *self.verdict.borrow_mut() = Some(verdict);
        step
    }

    fn is_called(&self) -> bool {
        !self.events.is_empty() || !self.requests.borrow().is_empty()
    }
}
