//! Steps the parts of a job on one thread, in a random order, over simulated time.
//!
//! A part is whatever has a `step`: a shard, a writer, the coordinator, a reader outside. Parts differ in how often they get their
//! turn, and the differences change as the run goes on, so that each is now and then far ahead of the others or starved. Time goes on
//! a little at each step, and to the next thing due when all parts are idle.
//!
//! Invariants:
//! 1. The order depends on the seed and on what parts answer, on nothing else.
//! 2. A part that may have something to do gets its turn after finitely many steps.
//! 3. Steps are counted across restarts, so that a fault's step is one moment of the whole run.

use std::time::Duration;

use yeoul_sys::Clock;

use crate::clock::SimClock;
use crate::rng::{Chance, Rng};
use crate::trace::Trace;

/// Something that is stepped.
pub trait Part {
    /// Its name in the trace.
    fn name(&self) -> &str;

    /// Does a bounded piece of what is due.
    fn step(&mut self) -> Step;

    /// Whether something has woken it since it said that it was idle: a bell, or a message in a channel that it waits at.
    fn is_called(&self) -> bool {
        false
    }
}

/// What became of a part's step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It did something; it, or others through it, may have more to do.
    Worked,
    /// Nothing is due before this time (monotonic nanoseconds), unless another part works.
    Idle(Option<u64>),
    /// It has ended and is not stepped again.
    Ended,
    /// The attempt has failed.
    Failed(String),
}

/// Why a run of the parts came to an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// All parts have ended.
    Ended,
    /// A part has failed.
    Failed(String),
    /// The caller wanted it, before this step.
    Interrupted,
    /// No part has anything to do, now or later; or time or steps have run out.
    Stuck(String),
}

/// When a run counts as stuck.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Simulated time in which no part did anything.
    pub idle: Duration,
    /// Steps in one call of [`Scheduler::run`].
    pub steps: u64,
}

/// The scheduler of one run, across all its restarts.
#[derive(Debug, Clone)]
pub struct Scheduler {
    rng: Rng,
    clock: SimClock,
    trace: Trace,
    patience: Patience,
    steps: u64,
}

/// How often a part gets its turn, compared with others.
const WEIGHTS: [u64; 4] = [1, 4, 16, 64];
/// Weights are drawn anew after at most this many steps.
const WEIGHTS_LAST: u64 = 400;

impl Scheduler {
    /// A scheduler of this seed.
    #[must_use]
    pub fn new(seed: u64, clock: SimClock, trace: Trace, patience: Patience) -> Self {
        Self { rng: Rng::new(seed).branch("schedule"), clock, trace, patience, steps: 0 }
    }

    /// Steps so far, across restarts.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Steps the parts until they have ended or one has failed. Before each step `interrupt` is asked, with the number of the step;
    /// it also is the place for faults that happen at a step.
    pub fn run(&mut self, parts: &mut [Box<dyn Part + '_>], mut interrupt: impl FnMut(u64) -> bool) -> Stop {
        let mut turns = Turns::new(parts.len());
        let last = self.steps.saturating_add(self.patience.steps);
        let mut idle_since = self.clock.monotonic_nanos();
        while turns.any_living() {
            if self.steps == last {
                return Stop::Stuck(format!("no end after {} steps", self.patience.steps));
            }
            let Some(at) = turns.next(&mut self.rng) else {
                if !turns.wake_called(parts)
                    && let Err(stuck) = self.wait(&mut turns, idle_since)
                {
                    return stuck;
                }
                continue;
            };
            if interrupt(self.steps) {
                return Stop::Interrupted;
            }
            self.steps += 1;
            self.pass_time();
            let step = parts[at].step();
            self.trace.note(format_args!("step {} {}: {step:?}", self.steps, parts[at].name()));
            match step {
                Step::Worked => {
                    idle_since = self.clock.monotonic_nanos();
                    turns.all_awake();
                }
                Step::Idle(until) => turns.asleep(at, until),
                Step::Ended => turns.ended(at),
                Step::Failed(error) => return Stop::Failed(error),
            }
        }
        Stop::Ended
    }

    /// A step takes some microseconds, now and then far longer, as on a machine that is busy with other things.
    fn pass_time(&mut self) {
        let nanos = match self.rng.below(1000) {
            0 => self.rng.below(50_000_000),
            1..=30 => self.rng.below(1_000_000),
            _ => self.rng.below(20_000),
        };
        self.clock.advance(nanos);
    }

    /// All parts are idle: time goes on to the first thing due.
    fn wait(&self, turns: &mut Turns, idle_since: u64) -> Result<(), Stop> {
        let Some(due) = turns.first_due() else {
            return Err(Stop::Stuck("no part has anything to do, now or later".to_owned()));
        };
        let idle = Duration::from_nanos(due.saturating_sub(idle_since));
        if idle > self.patience.idle {
            return Err(Stop::Stuck(format!("no part did anything for {:?}", self.patience.idle)));
        }
        self.clock.advance_to(due);
        turns.all_awake();
        Ok(())
    }
}

/// Whose turn it is.
struct Turns {
    states: Vec<Turn>,
    weights: Vec<u64>,
    weights_last: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Awake,
    Asleep(Option<u64>),
    Ended,
}

impl Turns {
    fn new(parts: usize) -> Self {
        Self { states: vec![Turn::Awake; parts], weights: vec![1; parts], weights_last: 0 }
    }

    /// The part to step, or `None` if all are idle.
    fn next(&mut self, rng: &mut Rng) -> Option<usize> {
        if self.weights_last == 0 {
            self.weights_last = 1 + rng.below(WEIGHTS_LAST);
            let mut drawn = || WEIGHTS[usize::try_from(rng.below(WEIGHTS.len() as u64)).expect("below four")];
            self.weights.iter_mut().for_each(|weight| *weight = drawn());
        }
        // A part that is idle is stepped too now and then: waking for nothing must do no harm.
        let all = rng.in_cases(1, 32);
        let mut counts: Vec<u64> = Vec::with_capacity(self.states.len());
        for (state, weight) in self.states.iter().zip(&self.weights) {
            counts.push(match state {
                Turn::Awake => *weight,
                Turn::Asleep(_) if all => *weight,
                Turn::Asleep(_) | Turn::Ended => 0,
            });
        }
        if !self.states.contains(&Turn::Awake) {
            return None;
        }
        self.weights_last -= 1;
        let mut ticket = rng.below(counts.iter().sum());
        counts.iter().position(|count| {
            let hit = ticket < *count;
            ticket = ticket.saturating_sub(*count);
            hit
        })
    }

    fn any_living(&self) -> bool {
        self.states.iter().any(|state| *state != Turn::Ended)
    }

    fn all_awake(&mut self) {
        self.states.iter_mut().filter(|state| **state != Turn::Ended).for_each(|state| *state = Turn::Awake);
    }

    /// Wakes the parts that something calls. Returns whether there was any.
    fn wake_called(&mut self, parts: &[Box<dyn Part + '_>]) -> bool {
        let mut any = false;
        for (state, part) in self.states.iter_mut().zip(parts) {
            if *state != Turn::Ended && part.is_called() {
                *state = Turn::Awake;
                any = true;
            }
        }
        any
    }

    fn asleep(&mut self, at: usize, until: Option<u64>) {
        self.states[at] = Turn::Asleep(until);
    }

    fn ended(&mut self, at: usize) {
        self.states[at] = Turn::Ended;
        self.all_awake();
    }

    fn first_due(&self) -> Option<u64> {
        let due = |state: &Turn| if let Turn::Asleep(until) = state { *until } else { None };
        self.states.iter().filter_map(due).min()
    }
}
