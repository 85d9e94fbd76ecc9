//! Everything around the job in one run: what goes wrong at which step, who looks from outside, and what a crash leaves.
//!
//! Invariants:
//! 1. Each fault at a step strikes once, before the first step at or after its own.
//! 2. What a power loss keeps comes from the seed alone.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use crossbeam_channel::bounded;
use yeoul_runtime::JobWatch;
use yeoul_runtime::request::Request;
use yeoul_sys::Clock;

use crate::clock::SimClock;
use crate::disk::{Death, SimDisk};
use crate::fault::Fault;
use crate::feed::Feed;
use crate::rng::Chance;
use crate::trace::Trace;
use crate::visible::Watcher;

/// The reader outside looks once in so many steps.
const LOOK_EVERY: u64 = 64;

/// What users ask of the job that runs, until its coordinator hears of it.
pub(crate) type Requests = Rc<RefCell<VecDeque<Request>>>;

/// Who works with the job's files from outside.
#[derive(Debug, Default)]
pub(crate) struct Outside {
    pub(crate) consumes: bool,
    pub(crate) feed: Option<Feed>,
}

/// The machine and its surroundings.
pub(crate) struct World {
    pub(crate) clock: SimClock,
    pub(crate) disk: SimDisk,
    pub(crate) trace: Trace,
    pub(crate) watchers: Vec<Watcher>,
    /// Faults at steps that have not struck yet.
    waiting: Vec<Fault>,
    /// For what a power loss keeps.
    chance: Box<dyn Chance>,
    /// A crash that a step brought, not answered yet.
    death: Option<Death>,
    /// When the last crash or failure was, and how many epochs had been committed by its process: until the next one.
    fell_at: Option<u64>,
    /// The longest time from a crash to the next commit, in nanoseconds.
    pub(crate) longest_recovery: u64,
    calls_at_look: u64,
    /// Reads parts and takes them away.
    consumes: bool,
    /// What users ask of the job that runs.
    pub(crate) requests: Requests,
    /// A user has stopped the attempt that runs.
    stopped: bool,
    /// Gives a job that watches folders its input, and drains it at last.
    pub(crate) feed: Option<Feed>,
    /// Who is killed goes on as if nothing had been: a planted bug.
    pub(crate) kills_fail: bool,
}

impl World {
    pub(crate) fn new(
        clock: SimClock,
        disk: SimDisk,
        trace: Trace,
        watchers: Vec<Watcher>,
        faults: &[Fault],
        outside: Outside,
        chance: Box<dyn Chance>,
    ) -> Self {
        disk.arm(faults);
        let waiting = faults.iter().filter(|fault| step_of(fault).is_some()).cloned().collect();
        Self {
            clock,
            disk,
            trace,
            watchers,
            waiting,
            chance,
            death: None,
            fell_at: None,
            longest_recovery: 0,
            calls_at_look: u64::MAX,
            consumes: outside.consumes,
            requests: Requests::default(),
            stopped: false,
            feed: outside.feed,
            kills_fail: false,
        }
    }

    /// What happens before a step. True if the process is dead.
    pub(crate) fn before_step(&mut self, step: u64, watch: &JobWatch, completed: u64) -> bool {
        if self.fell_at.is_some() && watch.checkpoints().completed > completed {
            let since = self.fell_at.take().expect("looked at above");
            self.longest_recovery = self.longest_recovery.max(self.clock.monotonic_nanos() - since);
        }
        if self.disk.fell().is_some() {
            return true;
        }
        if step.is_multiple_of(LOOK_EVERY) {
            self.look(step);
        }
        while let Some(at) = self.waiting.iter().position(|fault| step_of(fault).is_some_and(|due| due <= step)) {
            match self.waiting.remove(at) {
                Fault::Kill { .. } => self.death = Some(Death::Kill),
                Fault::Power { .. } => self.death = Some(Death::Power),
                Fault::Wall { by_millis, .. } => self.clock.set_wall(self.clock.wall_millis() + by_millis),
                Fault::Rot { at, .. } => self.rot(at),
                Fault::Savepoint { .. } => self.ask(Request::Savepoint(format!("save/{step}"), bounded(1).0)),
                Fault::Stop { .. } => {
                    self.stopped = true;
                    self.ask(Request::Stop { savepoint: None, drain: false, reply: bounded(1).0 });
                }
                Fault::Call { .. } => {}
            }
            if self.death.is_some() {
                return true;
            }
        }
        let now = self.clock.monotonic_nanos();
        if let Some(feed) = &mut self.feed
            && feed.turn(&self.disk, now, watch.checkpoints().completed)
        {
            self.ask(Request::Stop { savepoint: None, drain: true, reply: bounded(1).0 });
        }
        false
    }

    fn ask(&self, request: Request) {
        self.trace.note(format_args!("a user asks: {request:?}"));
        self.requests.borrow_mut().push_back(request);
    }

    /// Whether what was asked of the attempt that has stopped is that it ran out, and nothing else before that.
    pub(crate) fn is_drained(&self) -> bool {
        !self.stopped && self.feed.as_ref().is_some_and(|feed| feed.drained)
    }

    /// An attempt begins: what was asked of the one before is forgotten.
    pub(crate) fn begins(&mut self) {
        self.requests.borrow_mut().clear();
        self.stopped = false;
        if let Some(feed) = &mut self.feed {
            feed.begins(self.clock.monotonic_nanos());
        }
    }

    /// Whether the process is dead.
    pub(crate) fn is_down(&self) -> bool {
        self.death.is_some() || self.disk.fell().is_some()
    }

    /// Whether the process should be dead and is not; then its locks are broken, so that the next one can begin.
    pub(crate) fn survives(&mut self) -> bool {
        let survives = self.kills_fail && self.death == Some(Death::Kill) && self.disk.fell().is_none();
        if survives {
            self.death = None;
            self.disk.break_locks();
        }
        survives
    }

    /// Answers the process's death: what it left is what the next one finds.
    pub(crate) fn bury(&mut self, step: u64) {
        let death = self.death.take().or_else(|| self.disk.fell()).unwrap_or(Death::Kill);
        self.fell_at.get_or_insert(self.clock.monotonic_nanos());
        match death {
            Death::Kill => self.disk.kill(),
            Death::Power => {
                self.disk.power_loss(&mut *self.chance);
                self.watchers.iter_mut().for_each(Watcher::power_lost);
            }
        }
        self.trace.note(format_args!("{death:?} at step {step}"));
        // The machine takes a while to come back.
        self.clock.advance(1_000_000 * (1 + self.chance.below(50)));
    }

    /// An attempt has failed.
    pub(crate) fn failed(&mut self) {
        self.fell_at.get_or_insert(self.clock.monotonic_nanos());
    }

    /// Looks at the output.
    pub(crate) fn look(&mut self, step: u64) {
        // Nothing can have changed without a call.
        let calls = self.disk.calls();
        if std::mem::replace(&mut self.calls_at_look, calls) != calls {
            self.watchers.iter_mut().for_each(|watcher| watcher.look(&self.disk, step));
            if self.consumes {
                self.watchers.iter_mut().for_each(|watcher| watcher.consume(&self.disk));
            }
        }
    }

    /// Nothing more goes wrong.
    pub(crate) fn calm(&mut self) {
        self.waiting.clear();
        self.disk.disarm();
    }

    fn rot(&mut self, at: u64) {
        let files = self.disk.files();
        let kept: Vec<_> = files.into_iter().filter(|(path, _)| path.starts_with("data/")).collect();
        let Some((path, _)) = kept.get((at % kept.len().max(1) as u64) as usize) else { return };
        // A byte that something was written to: most of what is preallocated is never read.
        let bytes = self.disk.read(path).unwrap_or_default();
        let written: Vec<u64> = (0..).zip(&bytes).filter(|(_, byte)| **byte != 0).map(|(place, _)| place).collect();
        if let Some(place) = written.get((at.rotate_left(32) % written.len().max(1) as u64) as usize) {
            self.disk.flip(path, place * 8 + at % 8);
        }
    }
}

fn step_of(fault: &Fault) -> Option<u64> {
    match fault {
        Fault::Kill { step } | Fault::Power { step } | Fault::Wall { step, .. } | Fault::Rot { step, .. } => {
            Some(*step)
        }
        Fault::Savepoint { step } | Fault::Stop { step } => Some(*step),
        Fault::Call { .. } => None,
    }
}

/// What is shared with the engine's own figures.
pub(crate) type Watch = Arc<JobWatch>;
