//! Starts epochs, collects what shards say of them, commits them, and has sinks deliver them.
//!
//! Steppable: takes events, looks at the clock, commits and delivers (which blocks on I/O, so it has a thread of its own in production).
//!
//! Invariants:
//! 1. A manifest entry is written only after everything that it names is durable; it is the only commit point.
//! 2. Output is delivered only after its epoch is committed, in the order of epochs; the next epoch's delivery waits for this one's.
//! 3. One epoch is in flight at a time; epochs are numbered without gaps from the last committed one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;
use yeoul_frame::signal::{Barrier, Purpose};
use yeoul_frame::{Epoch, OperatorId, Timestamp};
use yeoul_operator::{Committer, SealedOutput, Subtask};
use yeoul_ring::Bell;
use yeoul_state::commit::{Commit, JobMeta, ShardLog};
use yeoul_state::log::Sealed;
use yeoul_sys::{Clock, failpoint};

use crate::bells::ring;
use crate::build::Watched;
use crate::error::JobError;
use crate::shard::{Command, Event, is_last};
use crate::store::Store;
use crate::watch::JobWatch;

/// What a user may ask of a running job.
#[derive(Debug)]
pub enum Request {
    /// Take a savepoint into this folder; the job goes on.
    Savepoint(String, Sender<Result<Epoch, JobError>>),
    /// Stop after an epoch of its own, with a savepoint if a folder is given; `drain` lets event time run to its end first.
    Stop {
        /// Where to put the savepoint.
        savepoint: Option<String>,
        /// Whether windows and timers fire first.
        drain: bool,
    },
    /// End at once; what is not committed is lost to this run and found again by the next.
    Cancel,
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All input was read and all output delivered.
    Finished,
    /// It was stopped on request, after this epoch.
    Stopped(Epoch),
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// Nothing is due before this time (monotonic nanoseconds), unless an event comes.
    Idle(Option<u64>),
    /// It did something.
    Worked,
    /// The job has ended, and so have its shards.
    Ended(Outcome),
}

/// When epochs are started.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Between the starts of two epochs. None: only on request and at the end.
    pub interval: Option<Duration>,
    /// After this long an epoch fails the attempt.
    pub timeout: Duration,
}

/// What a coordinator has charge of.
pub struct Charge {
    /// The job's shape.
    pub job: JobMeta,
    /// When epochs are started.
    pub timing: Timing,
    /// The job's clock.
    pub clock: Arc<dyn Clock>,
    /// How each shard is told, and woken.
    pub shards: Vec<(Sender<Command>, Bell)>,
    /// Every operator instance.
    pub watched: Vec<Watched>,
    /// What the outside may watch.
    pub watch: Arc<JobWatch>,
    /// The data folder, if the job has one.
    pub store: Option<Store>,
    /// The sinks' outside halves.
    pub committers: BTreeMap<OperatorId, Box<dyn Committer>>,
    /// The epoch from which the shards were restored.
    pub committed: Epoch,
}

/// The coordinator of one attempt.
pub struct Coordinator {
    job: JobMeta,
    timing: Timing,
    clock: Arc<dyn Clock>,
    shards: Vec<(Sender<Command>, Bell)>,
    watched: Vec<Watched>,
    watch: Arc<JobWatch>,
    store: Option<Store>,
    committers: BTreeMap<OperatorId, Box<dyn Committer>>,
    committed: Epoch,
    flight: Option<Flight>,
    requests: VecDeque<Request>,
    exhausted: Vec<bool>,
    ended: usize,
    last_start: u64,
    /// What had been worked on when the last epoch started: without more, no epoch is worth starting.
    worked_at_start: u64,
    outcome: Option<Outcome>,
}

struct Flight {
    barrier: Barrier,
    started: u64,
    sealed: Vec<Option<Sealed>>,
    outputs: Vec<Option<Vec<(OperatorId, Arc<[u8]>)>>>,
    savepoint: Option<(String, Option<Sender<Result<Epoch, JobError>>>)>,
}

impl Coordinator {
    /// For shards that stand ready.
    #[must_use]
    pub fn new(charge: Charge) -> Self {
        let Charge { job, timing, clock, shards, watched, watch, store, committers, committed } = charge;
        let last_start = clock.monotonic_nanos();
        let count = shards.len();
        Self {
            job,
            timing,
            clock,
            shards,
            watched,
            watch,
            store,
            committers,
            committed,
            flight: None,
            requests: VecDeque::new(),
            exhausted: vec![false; count],
            ended: 0,
            last_start,
            worked_at_start: 0,
            outcome: None,
        }
    }

    /// Takes note of what a user asks.
    pub fn request(&mut self, request: Request) {
        self.requests.push_back(request);
    }

    /// Takes note of what a shard or writer says.
    ///
    /// # Errors
    /// The failure that it reports.
    pub fn event(&mut self, event: Event) -> Result<(), JobError> {
        match event {
            Event::Exhausted(shard) => self.exhausted[usize::from(shard.0)] = true,
            Event::Outputs { shard, epoch, outputs } => {
                let flight = self.flight_of(epoch);
                let place = &mut flight.outputs[usize::from(shard.0)];
                assert!(place.is_none(), "a shard says once what its sinks sealed in an epoch");
                *place = Some(outputs);
            }
            Event::Sealed(sealed) => {
                let shard = usize::from(sealed.shard.0);
                let flight = self.flight_of(sealed.epoch);
                assert!(flight.sealed[shard].is_none(), "a shard's epoch is sealed once");
                flight.sealed[shard] = Some(sealed);
            }
            Event::Active(_) => {}
            Event::Failed(error) => return Err(error),
            Event::Ended(_) => self.ended += 1,
        }
        Ok(())
    }

    /// Does what is due: commits and delivers the epoch in flight, starts the next, ends the job.
    ///
    /// # Errors
    /// The attempt has failed.
    pub fn step(&mut self) -> Result<Tick, JobError> {
        if let Some(outcome) = self.outcome {
            return Ok(if self.ended == self.shards.len() { Tick::Ended(outcome) } else { Tick::Idle(None) });
        }
        if matches!(self.requests.front(), Some(Request::Cancel)) {
            return Err(JobError::Cancelled);
        }
        let now = self.clock.monotonic_nanos();
        if let Some(flight) = &self.flight {
            if flight.sealed.iter().all(Option::is_some) && flight.outputs.iter().all(Option::is_some) {
                let flight = self.flight.take().expect("looked at above");
                self.commit(flight)?;
                return Ok(Tick::Worked);
            }
            let deadline = flight.started.saturating_add(self.timing.timeout.as_nanos() as u64);
            if now >= deadline {
                let missing: Vec<_> = (0..self.shards.len()).filter(|at| flight.sealed[*at].is_none()).collect();
                return Err(JobError::Settings(format!(
                    "checkpoint {} took longer than {:?}; shards {missing:?} have not sealed it\n  hint: raise the checkpoint timeout, \
                     or look for an operator that takes long for a single frame",
                    flight.barrier.epoch.0, self.timing.timeout
                )));
            }
            return Ok(Tick::Idle(Some(deadline)));
        }
        if let Some(barrier) = self.next_epoch(now) {
            self.start(barrier, now);
            return Ok(Tick::Worked);
        }
        Ok(Tick::Idle(self.next_start(now)))
    }

    /// The last committed epoch.
    #[must_use]
    pub fn committed(&self) -> Epoch {
        self.committed
    }

    fn flight_of(&mut self, epoch: Epoch) -> &mut Flight {
        let flight = self.flight.as_mut().expect("one epoch is in flight at a time");
        assert_eq!(flight.barrier.epoch, epoch, "one epoch is in flight at a time");
        flight
    }

    /// The epoch that is due now, if one is.
    fn next_epoch(&mut self, now: u64) -> Option<Barrier> {
        let barrier = |purpose| Some(Barrier { epoch: self.committed.next(), purpose });
        match self.requests.front() {
            Some(Request::Savepoint(..)) => return barrier(Purpose::Savepoint),
            Some(Request::Stop { drain: true, .. }) => return barrier(Purpose::Drain),
            Some(Request::Stop { drain: false, .. }) => return barrier(Purpose::Stop),
            Some(Request::Cancel) | None => {}
        }
        if self.exhausted.iter().all(|exhausted| *exhausted) {
            return barrier(Purpose::Drain);
        }
        let due = self.last_start.saturating_add(self.timing.interval?.as_nanos() as u64);
        (now >= due && self.worked() != self.worked_at_start)
            .then_some(Barrier { epoch: self.committed.next(), purpose: Purpose::Checkpoint })
    }

    /// When to look again: at the interval's end if anything happened, else after a while (or when a shard becomes active).
    fn next_start(&self, now: u64) -> Option<u64> {
        const IDLE_LOOK: u64 = 1_000_000_000;
        let due = self.last_start.saturating_add(self.timing.interval?.as_nanos() as u64);
        Some(if now < due { due } else { now + IDLE_LOOK })
    }

    /// Grows with all that changes what a checkpoint would hold.
    fn worked(&self) -> u64 {
        self.watched
            .iter()
            .map(|of| &of.counters)
            .map(|of| of.records_in.get() + of.records_out.get() + of.late.get() + of.errors.get())
            .sum()
    }

    fn start(&mut self, barrier: Barrier, now: u64) {
        let savepoint = match self.requests.pop_front() {
            Some(Request::Savepoint(folder, reply)) => Some((folder, Some(reply))),
            Some(Request::Stop { savepoint, .. }) => savepoint.map(|folder| (folder, None)),
            Some(Request::Cancel) => unreachable!("a cancelled job starts no epoch"),
            None => None,
        };
        self.last_start = now;
        self.worked_at_start = self.worked();
        let count = self.shards.len();
        self.flight = Some(Flight {
            barrier,
            started: now,
            sealed: (0..count).map(|_| None).collect(),
            outputs: (0..count).map(|_| None).collect(),
            savepoint,
        });
        self.tell_all(&Command::Start(barrier));
    }

    fn commit(&mut self, flight: Flight) -> Result<(), JobError> {
        let epoch = flight.barrier.epoch;
        let sealed: Vec<Sealed> =
            flight.sealed.into_iter().map(|sealed| sealed.expect("all shards have sealed")).collect();
        let bytes = sealed.iter().map(|sealed| sealed.bytes).sum();
        let commit = Commit {
            epoch,
            job: self.job,
            watermark: self.least_watermark(),
            shards: sealed.iter().map(|of| ShardLog { shard: of.shard, segments: of.segments.clone() }).collect(),
            blobs: BTreeMap::new(),
        };
        if let Some(store) = &mut self.store {
            failpoint!("commit.before-manifest")
                .map_err(|cause| JobError::Storage { doing: "committing an epoch", cause })?;
            store
                .commit(&commit)
                .map_err(|cause| JobError::Storage { doing: "committing an epoch to the manifest", cause })?;
            failpoint!("commit.after-manifest")
                .map_err(|cause| JobError::Storage { doing: "committing an epoch", cause })?;
        }
        self.committed = epoch;
        let outputs = flight.outputs.into_iter().map(|of| of.expect("all shards have said")).enumerate();
        let subtask = |shard: usize| Subtask { index: shard as u16, parallelism: self.job.shards };
        let outputs: Vec<_> = outputs
            .flat_map(|(shard, of)| {
                of.into_iter().map(move |(sink, bytes)| (sink, SealedOutput { epoch, subtask: subtask(shard), bytes }))
            })
            .collect();
        let retained_from = self.deliver(epoch, outputs)?;
        self.watch.committed(
            epoch,
            self.clock.monotonic_nanos().saturating_sub(flight.started),
            bytes,
            self.clock.wall_millis(),
        );
        if let Some((folder, reply)) = flight.savepoint {
            let result = match &self.store {
                Some(store) => store
                    .savepoint(&commit, &folder)
                    .map_err(|cause| JobError::Storage { doing: "writing the savepoint", cause }),
                None => Err(JobError::Settings("a savepoint needs a data folder; set one for the job".to_owned())),
            };
            match reply {
                Some(reply) => drop(reply.send(result.map(|()| epoch))),
                None => result?,
            }
        }
        for ((commands, bell), of) in self.shards.iter().zip(sealed) {
            // A shard that is gone has said why; the next event brings it.
            let _ =
                commands.send(Command::Committed { epoch, retained_from, complete: of.complete, live: of.segments });
            ring(bell);
        }
        if is_last(flight.barrier.purpose) {
            for committer in self.committers.values_mut() {
                committer
                    .finish()
                    .map_err(|cause| JobError::Operator { operator: "a sink's committer".to_owned(), cause })?;
            }
            self.outcome = Some(match flight.barrier.purpose {
                Purpose::Drain if self.exhausted.iter().all(|exhausted| *exhausted) => Outcome::Finished,
                _ => Outcome::Stopped(epoch),
            });
            self.tell_all(&Command::Quit);
        }
        Ok(())
    }

    /// Has each sink make the epoch's output visible. Returns the first epoch whose sealed output the log must keep.
    fn deliver(&mut self, epoch: Epoch, outputs: Vec<(OperatorId, SealedOutput)>) -> Result<Epoch, JobError> {
        let mut by_sink: BTreeMap<OperatorId, Vec<SealedOutput>> = BTreeMap::new();
        for (sink, output) in outputs {
            by_sink.entry(sink).or_default().push(output);
        }
        let mut retained = epoch.next();
        for (sink, committer) in &mut self.committers {
            failpoint!("commit.before-delivery")
                .map_err(|cause| JobError::Storage { doing: "delivering an epoch", cause })?;
            let outputs = by_sink.remove(sink).unwrap_or_default();
            committer
                .deliver(epoch, &outputs)
                .map_err(|cause| JobError::Operator { operator: "a sink's committer".to_owned(), cause })?;
            retained = retained.min(committer.retained_from(epoch));
        }
        failpoint!("commit.after-delivery")
            .map_err(|cause| JobError::Storage { doing: "delivering an epoch", cause })?;
        assert!(by_sink.is_empty(), "sealed output belongs to a sink with a committer");
        Ok(retained)
    }

    fn least_watermark(&self) -> Timestamp {
        self.watch.source_watermark()
    }

    fn tell_all(&self, command: &Command) {
        for (commands, bell) in &self.shards {
            // A shard that is gone has said why; the next event brings it.
            let _ = commands.send(command.clone());
            ring(bell);
        }
    }
}
