//! Runs an attempt on threads: a pinned one for each shard, one for each shard's writer; the caller's coordinates.
//!
//! Nothing is decided here. Each thread drives one steppable part and parks when it has nothing to do.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, select};
use yeoul_ring::{Bell, Parker};
use yeoul_state::log::Chunk;
use yeoul_sys::Clock;
use yeoul_sys::thread::spawn_pinned;

use crate::attempt::{Attempt, Seat};
use crate::bells::ring;
use crate::chain::panic_message;
use crate::coordinator::{Coordinator, Outcome, Request, Tick};
use crate::error::JobError;
use crate::shard::{Command, Event, Progress, Shard};
use crate::writer::Writer;

/// Runs an attempt to its end.
///
/// # Errors
/// Why the attempt failed. All its threads have ended.
pub fn run(attempt: Attempt, requests: &Receiver<Request>, pin: bool) -> Result<Outcome, JobError> {
    let Attempt { seats, mut coordinator, events, told, clock } = attempt;
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
            let outcome = catch_unwind(AssertUnwindSafe(|| match seed.open() {
                Ok(shard) => drive(shard, parker, &*clock, &told_by_shard),
                Err(error) => Err(error),
            }));
            let error = match outcome {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error,
                Err(panic) => JobError::Panic { operator: format!("shard-{number}"), message: panic_message(&*panic) },
            };
            let _ = told_by_shard.send(Event::Failed(error));
        }));
        start(spawn_pinned(format!("log-{number}"), None, move || {
            write(writer, &chunks, &spent, &bell, &told_by_writer);
        }));
    }
    drop(told);
    let result = coordinate(&mut coordinator, &events, requests, &*clock);
    // Whatever the outcome: shards end, their writers see the channel close and end too.
    for (to_shard, bell) in commands {
        let _ = to_shard.send(Command::Quit);
        ring(&bell);
    }
    drop(coordinator);
    for thread in threads {
        // A thread that panicked outside of its guard has said nothing; the attempt's own result stands.
        let _ = thread.join();
    }
    result
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
                let patience = until.map(|until| {
                    Duration::from_millis(u64::try_from(until.0.saturating_sub(clock.wall_millis())).unwrap_or(0))
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

fn write(mut writer: Writer, chunks: &Receiver<Chunk>, spent: &Sender<Vec<u8>>, bell: &Bell, told: &Sender<Event>) {
    while let Ok(chunk) = chunks.recv() {
        match writer.take(chunk) {
            Ok((event, buffer)) => {
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
            Err(error) => {
                let _ = told.send(Event::Failed(error));
                return;
            }
        }
    }
}

/// Waits, or returns early if a request to end comes meanwhile.
///
/// # Errors
/// [`JobError::Cancelled`] if the user cancelled.
pub fn pause(delay: Duration, requests: &Receiver<Request>) -> Result<(), JobError> {
    match requests.recv_timeout(delay) {
        Ok(Request::Cancel | Request::Stop { .. }) => Err(JobError::Cancelled),
        Ok(Request::Savepoint(_, reply)) => {
            let refused = JobError::Settings("the job is between two attempts; ask again when it runs".to_owned());
            let _ = reply.send(Err(refused));
            pause(delay, requests)
        }
        Err(RecvTimeoutError::Timeout) => Ok(()),
        Err(RecvTimeoutError::Disconnected) => {
            std::thread::sleep(delay);
            Ok(())
        }
    }
}
