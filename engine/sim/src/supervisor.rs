//! Runs a job to its end, whatever happens to it: a new attempt after a failure, a new process after a crash.
//!
//! What `yeoul_runtime::job` does within a process, and what a user or a service manager does around it.
//!
//! Invariants:
//! 1. A crash ends every part at once: nothing of the dead process runs on.
//! 2. After a failure the parts run on until they see that they are to quit, as their threads would.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use yeoul_operator::{JobGraph, Services};
use yeoul_runtime::attempt::{Attempt, Seat, prepare};
use yeoul_runtime::restart::Restarts;
use yeoul_runtime::shard::Command;
use yeoul_runtime::{JobConfig, JobError, JobWatch, Outcome};
use yeoul_sys::Clock;

use crate::disk::SimProcess;
use crate::parts::{COORDINATOR, CoordinatorPart, ShardPart, Verdict, WriterPart, guarded};
use crate::report::Ending;
use crate::schedule::{Part, Scheduler, Step, Stop};
use crate::world::{Watch, World};

/// How many processes a run may take, before it counts as getting nowhere.
const MOST_PROCESSES: usize = 60;

/// How a job came to its end, and what it took.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) ending: Ending,
    /// Attempts after the first.
    pub(crate) restarts: u32,
    /// The last epoch committed.
    pub(crate) epochs: u64,
    /// Named errors that ended a process.
    pub(crate) stops: Vec<String>,
}

/// Why an attempt is over.
enum Over {
    Done,
    /// A user has stopped it, and will start it again.
    Stopped,
    Failed(JobError),
    Down,
    /// It should be down, and goes on beside the next one: a planted bug.
    Survived,
    Stuck(String),
}

/// A part of a process that should be dead. Nobody listens to it.
struct Undead(Box<dyn Part>);

impl Part for Undead {
    fn name(&self) -> &'static str {
        "undead"
    }

    fn step(&mut self) -> Step {
        match self.0.step() {
            Step::Failed(_) => Step::Ended,
            step => step,
        }
    }

    fn is_called(&self) -> bool {
        self.0.is_called()
    }
}

/// Runs the job to its end. `graph` and `config` are asked for each process, by its number.
pub(crate) fn run(
    world: &mut World,
    scheduler: &mut Scheduler,
    graph: &dyn Fn() -> JobGraph,
    config: &dyn Fn(usize) -> JobConfig,
) -> History {
    let mut undead = Vec::new();
    let mut history = History { ending: Ending::Finished, restarts: 0, epochs: 0, stops: Vec::new() };
    for number in 0..MOST_PROCESSES {
        let process = world.disk.start();
        let over = one_process(world, scheduler, &process, &graph(), &config(number), &mut history, &mut undead);
        match over {
            Over::Done => {
                let locks = world.disk.locks();
                if !locks.is_empty() {
                    history.stops.push(format!("locks are held after the end: {}", locks.join(", ")));
                    history.ending = Ending::Stopped("locks were left over".to_owned());
                }
                process.kill();
                world.look(scheduler.steps());
                return history;
            }
            Over::Survived => {}
            Over::Stopped => {
                process.kill();
                world.look(scheduler.steps());
            }
            Over::Down => world.bury(scheduler.steps()),
            Over::Stuck(why) => {
                history.ending = Ending::Stuck(why);
                return history;
            }
            Over::Failed(error @ JobError::Panic { .. }) => {
                history.ending = Ending::Panicked(error.to_string());
                return history;
            }
            Over::Failed(error) => {
                process.kill();
                if !error.is_worth_a_restart() {
                    history.ending = Ending::Stopped(error.to_string());
                    return history;
                }
                let text = error.to_string();
                if history.stops.last() == Some(&text) {
                    // Nothing goes wrong any more, and it is the same error: it will not go away.
                    history.ending = Ending::Stopped(text);
                    return history;
                }
                // A person has read the error, mended what lasted, and starts the job again.
                history.stops.push(text);
                world.calm();
            }
        }
        history.restarts += 1;
    }
    history.ending = Ending::Stuck(format!("not done after {MOST_PROCESSES} processes"));
    history
}

/// Attempts in one process, as many as its restart strategy allows.
fn one_process(
    world: &mut World,
    scheduler: &mut Scheduler,
    process: &SimProcess,
    graph: &JobGraph,
    config: &JobConfig,
    history: &mut History,
    undead: &mut Vec<Box<dyn Part>>,
) -> Over {
    let services = Services { clock: Arc::new(world.clock.clone()), files: Arc::new(process.clone()) };
    let watch: Watch = Arc::new(JobWatch::default());
    let mut restarts = Restarts::new(config.restart.clone());
    loop {
        let over = one_attempt(world, scheduler, graph, config, &services, &watch, undead);
        history.epochs = history.epochs.max(watch.checkpoints().epoch.0);
        if world.is_down() {
            return Over::Down;
        }
        let Over::Failed(error) = over else { return over };
        world.failed();
        world.trace.note(format_args!("attempt failed: {error}"));
        if !error.is_worth_a_restart() || matches!(error, JobError::Panic { .. }) {
            return Over::Failed(error);
        }
        let Some(delay) = restarts.failed(Duration::from_nanos(world.clock.monotonic_nanos())) else {
            return Over::Failed(error);
        };
        history.restarts += 1;
        world.clock.advance(delay.as_nanos() as u64);
    }
}

fn one_attempt(
    world: &mut World,
    scheduler: &mut Scheduler,
    graph: &JobGraph,
    config: &JobConfig,
    services: &Services,
    watch: &Watch,
    undead: &mut Vec<Box<dyn Part>>,
) -> Over {
    world.begins();
    let run_seed = services.clock.monotonic_nanos() ^ (services.clock.wall_millis() as u64).rotate_left(32);
    let Attempt { seats, coordinator, events, told, .. } =
        match guarded("preparing", || prepare(graph, config, services, watch, run_seed)) {
            Ok(attempt) => attempt,
            Err(error) => return Over::Failed(error),
        };
    let verdict: Verdict = Rc::new(RefCell::new(None));
    let mut commands = Vec::new();
    let mut parts: Vec<Box<dyn Part>> = Vec::new();
    for (number, seat) in seats.into_iter().enumerate() {
        let Seat { seed, parker, bell, writer, chunks, spent, commands: to_shard } = seat;
        commands.push((to_shard, bell.clone()));
        parts.push(Box::new(ShardPart::new(number, seed, parker, told.clone(), world.clock.clone())));
        parts.push(Box::new(WriterPart::new(number, writer, chunks, spent, bell, told.clone(), world.clock.clone())));
    }
    drop(told);
    parts.push(Box::new(CoordinatorPart::new(coordinator, events, world.requests.clone(), verdict.clone())));
    parts.append(undead);
    let completed = watch.checkpoints().completed;
    let mut stop = scheduler.run(&mut parts, |step| world.before_step(step, watch, completed));
    if matches!(stop, Stop::Failed(_)) && !world.is_down() {
        // As the threads do: the coordinator is gone, shards are told to quit, writers write what waits for them.
        parts.retain(|part| part.name() != COORDINATOR);
        for (to_shard, bell) in &commands {
            let _ = to_shard.send(Command::Quit);
            bell.ring().expect("the system wakes a simulated shard");
        }
        stop = scheduler.run(&mut parts, |step| world.before_step(step, watch, completed));
        if let Stop::Stuck(why) = stop {
            return Over::Stuck(format!("after a failure: {why}"));
        }
    }
    if world.survives() {
        undead.extend(parts.into_iter().map(|part| Box::new(Undead(part)) as Box<dyn Part>));
        return Over::Survived;
    }
    if world.is_down() {
        // The parts die with the process: what they do when they are dropped reaches nothing.
        world.disk.silence();
        return Over::Down;
    }
    drop(parts);
    match (stop, verdict.borrow_mut().take()) {
        (_, Some(Err(error))) => Over::Failed(error),
        (Stop::Ended, Some(Ok(Outcome::Finished))) => Over::Done,
        (Stop::Ended, Some(Ok(Outcome::Stopped(_)))) if world.is_drained() => Over::Done,
        (Stop::Ended, Some(Ok(Outcome::Stopped(_)))) => Over::Stopped,
        (Stop::Stuck(why), _) => Over::Stuck(why),
        (stop, verdict) => Over::Stuck(format!("the parts ended without a verdict: {stop:?}, {verdict:?}")),
    }
}
