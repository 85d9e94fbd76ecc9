//! One machine on which a job runs, dies and is started again: the engine's parts stepped in turn on one thread, over a simulated disk
//! and clock.
//!
//! Invariants:
//! 1. Time passes only when no part has anything to do, a tick at once, so a run is the same each time.
//! 2. A process that died writes nothing more.

use std::sync::Arc;

use yeoul_operator::{JobGraph, Services};
use yeoul_runtime::attempt::{Attempt, Seat, prepare};
use yeoul_runtime::coordinator::Tick;
use yeoul_runtime::shard::{Event, Progress};
use yeoul_runtime::{JobConfig, JobError, JobWatch, Outcome, Request};
use yeoul_sys::Clock;

use crate::clock::SimClock;
use crate::disk::SimDisk;
use crate::trace::Trace;

/// 2026-01-01 00:00:00 UTC, when a machine's clock begins.
pub const BEGINNING: i64 = 1_767_225_600_000;
/// How far the clock goes at once, in milliticks.
pub const TICK: i64 = 1000;
/// A job that has not ended by then will not.
const MOST_STEPS: usize = 200_000;

/// What happens when all that could be done at a moment is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The clock goes on.
    Wait,
    /// The user stops the job; event time runs to its end.
    Drain,
    /// The user stops the job with a savepoint in this folder.
    Stop(&'static str),
    /// The process is killed.
    Die,
}

/// The clock and the disk, which outlive processes.
pub struct Machine {
    clock: SimClock,
    disk: SimDisk,
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine {
    /// With an empty disk.
    #[must_use]
    pub fn new() -> Self {
        let clock = SimClock::new(BEGINNING);
        Self { disk: SimDisk::new(1, clock.clone(), Trace::keeping(0)), clock }
    }

    /// What stands in a file.
    #[must_use]
    pub fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.disk.read(path)
    }

    /// Runs a job in a process of its own until it ends or dies. `next` is asked with the number of ticks that the process has run.
    ///
    /// # Errors
    /// Why the job failed.
    pub fn run(
        &self,
        graph: &JobGraph,
        config: &JobConfig,
        watch: &Arc<JobWatch>,
        mut next: impl FnMut(u32) -> Next,
    ) -> Result<Option<Outcome>, String> {
        let process = self.disk.start();
        let services = Services { clock: Arc::new(self.clock.clone()), files: Arc::new(process) };
        let seed = self.clock.monotonic_nanos() + 1;
        let ended = step_to_the_end(graph, config, &services, watch, seed, &mut |ticks| {
            let next = next(ticks);
            match next {
                Next::Die => self.disk.kill(),
                Next::Wait | Next::Drain | Next::Stop(_) => self.clock.advance(TICK.unsigned_abs() * 1_000_000),
            }
            next
        });
        self.disk.kill();
        ended
    }
}

fn step_to_the_end(
    graph: &JobGraph,
    config: &JobConfig,
    services: &Services,
    watch: &Arc<JobWatch>,
    seed: u64,
    next: &mut dyn FnMut(u32) -> Next,
) -> Result<Option<Outcome>, String> {
    let said = |error: JobError| error.to_string();
    let Attempt { seats, mut coordinator, events, told, .. } =
        prepare(graph, config, services, watch, seed).map_err(said)?;
    let (mut shards, mut writers) = (Vec::new(), Vec::new());
    for Seat { seed, parker, bell, writer, chunks, spent, commands } in seats {
        shards.push(Some((seed.open().map_err(said)?, parker, commands)));
        writers.push((writer, chunks, spent, bell));
    }
    let (mut ticks, mut asked) = (0, false);
    for _ in 0..MOST_STEPS {
        let mut worked = false;
        for slot in &mut shards {
            let Some((shard, ..)) = slot else { continue };
            match shard.step().map_err(said)? {
                Progress::Worked => worked = true,
                Progress::Idle(_) => {}
                Progress::Ended => {
                    let _ = told.send(Event::Ended(shard.id()));
                    *slot = None;
                    worked = true;
                }
            }
        }
        for (writer, chunks, spent, bell) in &mut writers {
            while let Ok(chunk) = chunks.try_recv() {
                let (event, buffer) = writer.take(chunk).map_err(said)?;
                if let Some(buffer) = buffer {
                    let _ = spent.try_send(buffer);
                }
                if let Some(event) = event {
                    let _ = told.send(event);
                }
                bell.ring().map_err(|error| error.to_string())?;
                worked = true;
            }
        }
        while let Ok(event) = events.try_recv() {
            coordinator.event(event).map_err(said)?;
            worked = true;
        }
        match coordinator.step().map_err(said)? {
            Tick::Worked => worked = true,
            Tick::Ended(outcome) => return Ok(Some(outcome)),
            Tick::Idle(_) => {}
        }
        if worked {
            continue;
        }
        match next(ticks) {
            Next::Die => return Ok(None),
            Next::Wait => {}
            stop => {
                let (savepoint, drain) = match stop {
                    Next::Stop(folder) => (Some(folder.to_owned()), false),
                    _ => (None, true),
                };
                if !std::mem::replace(&mut asked, true) {
                    coordinator.request(Request::Stop { savepoint, drain, reply: reply() });
                }
            }
        }
        ticks += 1;
    }
    Err(format!("the job has not ended after {MOST_STEPS} steps"))
}

/// Where an answer goes that nobody reads.
fn reply() -> yeoul_runtime::request::Reply {
    crossbeam_channel::bounded(1).0
}
