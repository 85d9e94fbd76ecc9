//! Runs an attempt on threads: a pinned one for each shard, one for each shard's writer; the caller's coordinates.
//!
//! Nothing is decided here. Each thread drives one steppable part and parks when it has nothing to do.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, select};
use yeoul_ring::{Bell, Parker};
use yeoul_state::log::Chunk;
use yeoul_sys::Clock;
use yeoul_sys::thread::spawn_pinned;

use crate::attempt::{Attempt, Seat};
use crate::bells::ring;
use crate::chain::panic_message;
use crate::coordinator::{Coordinator, Tick};
use crate::error::JobError;
use crate::request::{Outcome, Pending, Request};
use crate::shard::{Command, Event, Progress, Shard};
use crate::writer::Writer;

/// The longest a shard parks that waits for a time of day.
const LONGEST_PARK: Duration = Duration::from_secs(1);

/// The longest a writer waits for a chunk before it asks again what there is to do.
const LONGEST_IDLE: Duration = Duration::from_secs(3600);

/// Runs an attempt to its end.
///
/// # Errors
/// Why the attempt failed. All its threads have ended.
pub fn run(
    attempt: Attempt,
    requests: &Receiver<Request>,
    pending: &mut Pending,
    pin: bool,
) -> Result<Outcome, JobError> {
    let Attempt { seats, coordinator, events, told, clock } = attempt;
    let mut coordinator = coordinator.with_pending(std::mem::take(pending));
    let mut threads = Vec::new();
    let mut commands = Vec::new();
    let mut start = |thread: io::Result<JoinHandle<()>>| match thread {
        Ok(thread) => threads.push(thread),
        Err(cause) => {
            let failed = JobError::Storage { doing: "starting a thread", cause };
            let _ = told.send(Event::Failed(failed));
        }
    };
    for (number, seat) in seats.into_iter().enumerate() {
        let Seat { seed, parker, bell, writer, chunks, spent, commands: to_shard } = seat;
        commands.push((to_shard, bell.clone()));
        let (told_by_shard, told_by_writer, clock) = (told.clone(), told.clone(), clock.clone());
        let core = pin.then_some(number);
        start(spawn_pinned(format!("shard-{number}"), core, move || {
            let name = format!("shard-{number}");
            let event = match caught(&name, || seed.open()) {
                Err(error) => Event::Refused(error),
                Ok(shard) => match caught(&name, || drive(shard, parker, &*clock, &told_by_shard)) {
                    Ok(()) => return,
                    Err(error) => Event::Failed(error),
                },
            };
            let _ = told_by_shard.send(event);
        }));
        start(spawn_pinned(format!("log-{number}"), None, move || {
            if let Err(error) =
                caught(&format!("log-{number}"), || write(writer, &chunks, &spent, &bell, &told_by_writer))
            {
                let _ = told_by_writer.send(Event::Failed(error));
            }
        }));
    }
    drop(told);
    let result = caught("coordinator", || coordinate(&mut coordinator, &events, requests, &*clock));
    // Whatever the outcome: shards end, their writers see the channel close and end too.
    for (to_shard, bell) in commands {
        let _ = to_shard.send(Command::Quit);
        ring(&bell);
    }
    *pending = coordinator.into_pending();
    for thread in threads {
        // What a thread had to say it has said; the attempt's own result stands.
        let _ = thread.join();
    }
    result
}

/// Runs a part of the engine; its panic is the attempt's failure, not the process's.
fn caught<R>(part: &str, work: impl FnOnce() -> Result<R, JobError>) -> Result<R, JobError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(JobError::Panic { operator: part.to_owned(), message: panic_message(&*panic) }))
}

fn coordinate(
    coordinator: &mut Coordinator,
    events: &Receiver<Event>,
    requests: &Receiver<Request>,
    clock: &dyn Clock,
) -> Result<Outcome, JobError> {
    let never = crossbeam_channel::never();
    let mut requests = requests;
    loop {
        let until = match coordinator.step()? {
            Tick::Worked => continue,
            Tick::Ended(outcome) => return Ok(outcome),
            Tick::Idle(until) => until,
        };
        let patience = until.map_or(Duration::from_secs(3600), |until| {
            Duration::from_nanos(until.saturating_sub(clock.monotonic_nanos()))
        });
        select! {
            recv(events) -> event => match event {
                Ok(event) => coordinator.event(event)?,
                Err(_) => return Err(JobError::Panic {
                    operator: "engine".to_owned(),
                    message: "all shards are gone without a word".to_owned(),
                }),
            },
            recv(requests) -> request => match request {
                Ok(request) => coordinator.request(request),
                // Nobody can ask anything any more; the job goes on.
                Err(_) => requests = &never,
            },
            default(patience) => {}
        }
        while let Ok(event) = events.try_recv() {
            coordinator.event(event)?;
        }
    }
}

/// Drives a shard until it ends. It parks only after a step, made while its bell was already armed, found nothing to do.
fn drive(mut shard: Shard, mut parker: Parker, clock: &dyn Clock, told: &Sender<Event>) -> Result<(), JobError> {
    let mut armed = false;
    loop {
        match shard.step()? {
            Progress::Worked => {
                if std::mem::take(&mut armed) {
                    parker.cancel();
                }
            }
            Progress::Idle(_) if !armed => {
                parker.prepare();
                armed = true;
            }
            Progress::Idle(until) => {
                // The wall clock may be set meanwhile, so a time of day is not slept for at a stretch.
                let patience = until.map(|until| {
                    let left = u64::try_from(until.0.saturating_sub(clock.wall_millis())).unwrap_or(0);
                    Duration::from_millis(left).min(LONGEST_PARK)
                });
                parker.park(patience).map_err(|cause| JobError::Storage { doing: "parking a shard", cause })?;
                armed = false;
            }
            Progress::Ended => {
                let _ = told.send(Event::Ended(shard.id()));
                return Ok(());
            }
        }
    }
}

fn write(
    mut writer: Writer,
    chunks: &Receiver<Chunk>,
    spent: &Sender<Vec<u8>>,
    bell: &Bell,
    told: &Sender<Event>,
) -> Result<(), JobError> {
    loop {
        let chunk = match chunks.try_recv() {
            Ok(chunk) => chunk,
            Err(TryRecvError::Disconnected) => return Ok(()),
            Err(TryRecvError::Empty) => {
                let patience = writer.idle()?.map_or(LONGEST_IDLE, |until| until.min(LONGEST_IDLE));
                match chunks.recv_timeout(patience) {
                    Ok(chunk) => chunk,
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                }
            }
        };
        let (event, buffer) = writer.take(chunk)?;
        if let Some(buffer) = buffer {
            // If the shard has enough of them, this one is freed.
            let _ = spent.try_send(buffer);
        }
        if let Some(event) = event {
            let _ = told.send(event);
        }
        // The shard may have waited for room.
        ring(bell);
    }
}

/// Waits. What is asked meanwhile is kept for the next attempt.
///
/// # Errors
/// [`JobError::Cancelled`] if the user cancelled.
pub fn pause(
    delay: Duration,
    requests: &Receiver<Request>,
    pending: &mut Pending,
    clock: &dyn Clock,
) -> Result<(), JobError> {
    let until = clock.monotonic_nanos().saturating_add(delay.as_nanos() as u64);
    loop {
        let left = Duration::from_nanos(until.saturating_sub(clock.monotonic_nanos()));
        match requests.recv_timeout(left) {
            Ok(Request::Cancel) => return Err(JobError::Cancelled),
            Ok(request) => pending.requests.push_back(request),
            Err(RecvTimeoutError::Timeout) => return Ok(()),
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::sleep(left);
                return Ok(());
            }
        }
    }
}
