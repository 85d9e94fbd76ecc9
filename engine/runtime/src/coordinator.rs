//! Starts epochs, collects what shards say of them, commits them, and has sinks deliver them.
//!
//! Steppable: takes events, looks at the clock, commits and delivers (which blocks on I/O, so it has a thread of its own in production).
//!
//! Invariants:
//! 1. A manifest entry is written only after everything that it names is durable; it is the only commit point.
//! 2. Output is delivered only after its epoch is committed, in the order of epochs; the next epoch's delivery waits for this one's.
//! 3. One epoch is in flight at a time; epochs are numbered without gaps from the last committed one.
//! 4. Output visible outside is a prefix of the fault-free output, by whole epochs: what is delivered was committed, and is delivered
//!    whole or again.
//! 5. No epoch is started before every shard has restored its state.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;
use yeoul_frame::signal::{Barrier, Purpose};
use yeoul_frame::{Epoch, OperatorId, Timestamp};
use yeoul_operator::{Committer, Files, SealedOutput, Subtask};
use yeoul_ring::Bell;
use yeoul_state::catalog::Catalog;
use yeoul_state::commit::{Commit, JobMeta, ShardLog};
use yeoul_state::log::Sealed;
use yeoul_sys::{Clock, failpoint};

use crate::attention::Attention;
use crate::bells::ring;
use crate::build::Watched;
use crate::chain::guard;
use crate::error::JobError;
use crate::request::{Outcome, Pending, Request};
use crate::shard::{Command, Event};
use crate::store::Store;
use crate::watch::JobWatch;

/// With nothing to do, a look at the counters now and then, should all else fail (nanoseconds).
const IDLE_LOOK: u64 = 1_000_000_000;

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
    pub outlets: BTreeMap<OperatorId, Outlet>,
    /// The epoch from which the shards were restored.
    pub committed: Epoch,
    /// What checkpoints say of the job; shards add their tables.
    pub catalog: Catalog,
    /// Asks the shards to say when they have something to do.
    pub attention: Arc<Attention>,
    /// Opens the folders of savepoints.
    pub files: Arc<dyn Files>,
}

/// A sink's outside half.
pub struct Outlet {
    /// The sink's name, for messages.
    pub name: String,
    /// Makes its output visible.
    pub committer: Box<dyn Committer>,
    /// The first epoch whose sealed output it may still ask for.
    pub retained_from: Epoch,
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
    outlets: BTreeMap<OperatorId, Outlet>,
    committed: Epoch,
    catalog: Catalog,
    attention: Arc<Attention>,
    files: Arc<dyn Files>,
    /// Which shards have opened their operators.
    opened: Vec<bool>,
    /// What shards are still to be told. One of them hears of an epoch before another, and may have its barrier there already.
    untold: VecDeque<(usize, Command)>,
    flight: Option<Flight>,
    /// What the epoch in flight answers.
    serving: Option<Request>,
    pending: Pending,
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
    /// Whether all sources had read everything when it started. (A drain makes them all look so.)
    exhausted: bool,
    /// The least watermark of the job's sources at the barrier, as far as shards have said.
    watermark: Option<Timestamp>,
}

impl Coordinator {
    /// For shards that stand ready.
    #[must_use]
    pub fn new(charge: Charge) -> Self {
        let Charge { job, timing, clock, shards, watched, watch, store, outlets, committed, catalog, attention, files } =
            charge;
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
            outlets,
            committed,
            catalog,
            attention,
            files,
            opened: vec![false; count],
            untold: VecDeque::new(),
            flight: None,
            serving: None,
            pending: Pending::default(),
            exhausted: vec![false; count],
            ended: 0,
            last_start,
            worked_at_start: 0,
            outcome: None,
        }
    }

    /// Takes over what an earlier attempt left to be done.
    #[must_use]
    pub fn with_pending(mut self, pending: Pending) -> Self {
        self.pending = pending;
        self
    }

    /// What this attempt leaves to the next, if it is over and the job is not.
    #[must_use]
    pub fn into_pending(mut self) -> Pending {
        if let Some(request) = self.serving.take() {
            self.pending.requests.push_front(request);
        }
        self.pending
    }

    /// Takes note of what a user asks; refuses at once what cannot be done.
    pub fn request(&mut self, request: Request) {
        match request.savepoint().map_or(Ok(()), |folder| self.check_folder(folder)) {
            Ok(()) => self.pending.requests.push_back(request),
            Err(error) => request.answer(Err(error)),
        }
    }

    /// Answers what cannot be done before it costs an epoch: it may have been asked between two attempts, and its folder filled since.
    fn refuse_unfit(&mut self) {
        while let Some(Err(error)) =
            self.pending.requests.front().and_then(Request::savepoint).map(|to| self.check_folder(to))
            && let Some(request) = self.pending.requests.pop_front()
        {
            request.answer(Err(error));
        }
    }

    /// Whether a savepoint can be put into this folder.
    fn check_folder(&self, folder: &str) -> Result<(), JobError> {
        if self.store.is_none() {
            return Err(JobError::Settings("a savepoint needs a data folder; set one for the job".to_owned()));
        }
        let held = match self.files.existing(Path::new(folder)) {
            Ok(found) => found.list(""),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => Err(error),
        };
        match held.map_err(|cause| JobError::Storage { doing: "looking at the savepoint's folder", cause })?.first() {
            None => Ok(()),
            Some(entry) => Err(JobError::Settings(format!(
                "the folder '{folder}' holds '{}'; a savepoint needs an empty folder, or one that does not exist",
                entry.name
            ))),
        }
    }

    /// Takes note of what a shard or writer says.
    ///
    /// # Errors
    /// The failure that it reports.
    pub fn event(&mut self, event: Event) -> Result<(), JobError> {
        match event {
            Event::Opened { shard, tables } => {
                self.opened[usize::from(shard.0)] = true;
                self.catalog.tables.extend(tables);
                if self.opened.iter().all(|opened| *opened) {
                    // Time spent on restoring is no part of a checkpoint's.
                    self.last_start = self.clock.monotonic_nanos();
                }
            }
            Event::Exhausted(shard) => self.exhausted[usize::from(shard.0)] = true,
            Event::Outputs { shard, epoch, outputs, watermark } => {
                let flight = self.flight_of(epoch);
                flight.watermark = flight.watermark.into_iter().chain(watermark).min();
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
            // All is committed and delivered, and every writer has done its last: this is a shard on its way out.
            Event::Failed(_) | Event::Refused(_) if self.outcome.is_some() => self.ended += 1,
            Event::Failed(error) => return Err(error),
            Event::Refused(error) => {
                self.pending.refused = true;
                return Err(error);
            }
            Event::Ended(_) => self.ended += 1,
        }
        Ok(())
    }

    /// Does what is due: commits and delivers the epoch in flight, starts the next, ends the job.
    ///
    /// # Errors
    /// The attempt has failed.
    pub fn step(&mut self) -> Result<Tick, JobError> {
        if self.tell() {
            return Ok(Tick::Worked);
        }
        if let Some(outcome) = self.outcome {
            return Ok(if self.ended >= self.shards.len() { Tick::Ended(outcome) } else { Tick::Idle(None) });
        }
        if self.pending.requests.iter().any(|request| matches!(request, Request::Cancel)) {
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
                return Err(JobError::Timeout { epoch: flight.barrier.epoch, missing, limit: self.timing.timeout });
            }
            return Ok(Tick::Idle(Some(deadline)));
        }
        if !self.opened.iter().all(|opened| *opened) {
            return Ok(Tick::Idle(None));
        }
        self.refuse_unfit();
        if let Some(barrier) = self.next_epoch(now) {
            self.start(barrier, now);
            return Ok(Tick::Worked);
        }
        let Some(interval) = self.timing.interval else { return Ok(Tick::Idle(None)) };
        let due = self.last_start.saturating_add(interval.as_nanos() as u64);
        if now < due {
            return Ok(Tick::Idle(Some(due)));
        }
        // The interval ended without work. The next shard that has some says so, if it has not begun just now.
        self.attention.ask();
        match self.next_epoch(now) {
            Some(barrier) => {
                self.start(barrier, now);
                Ok(Tick::Worked)
            }
            None => Ok(Tick::Idle(Some(now + IDLE_LOOK))),
        }
    }

    fn flight_of(&mut self, epoch: Epoch) -> &mut Flight {
        let flight = self.flight.as_mut().expect("one epoch is in flight at a time");
        assert_eq!(flight.barrier.epoch, epoch, "one epoch is in flight at a time");
        flight
    }

    /// The epoch that is due now, if one is.
    fn next_epoch(&mut self, now: u64) -> Option<Barrier> {
        let barrier = |purpose| Some(Barrier { epoch: self.committed.next(), purpose });
        match self.pending.requests.front() {
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

    /// Grows with all that changes what a checkpoint would hold.
    fn worked(&self) -> u64 {
        self.watched
            .iter()
            .map(|of| &of.counters)
            .map(|of| of.records_in.get() + of.records_out.get() + of.late.get() + of.errors.get() + of.turns.get())
            .sum()
    }

    fn start(&mut self, barrier: Barrier, now: u64) {
        self.serving = self.pending.requests.pop_front();
        self.last_start = now;
        self.worked_at_start = self.worked();
        let count = self.shards.len();
        self.flight = Some(Flight {
            barrier,
            started: now,
            sealed: (0..count).map(|_| None).collect(),
            outputs: (0..count).map(|_| None).collect(),
            exhausted: self.exhausted.iter().all(|exhausted| *exhausted),
            watermark: None,
        });
        self.tell_all(&Command::Start(barrier));
    }

    fn commit(&mut self, flight: Flight) -> Result<(), JobError> {
        let epoch = flight.barrier.epoch;
        let sealed: Vec<Sealed> =
            flight.sealed.into_iter().map(|sealed| sealed.expect("all shards have sealed")).collect();
        let bytes = sealed.iter().map(|sealed| sealed.bytes).sum();
        self.catalog.sinks = self.outlets.iter().map(|(sink, outlet)| (*sink, outlet.retained_from)).collect();
        let commit = Commit {
            epoch,
            job: self.job,
            watermark: flight.watermark.unwrap_or(Timestamp::MIN),
            shards: sealed.iter().map(|of| ShardLog { shard: of.shard, segments: of.segments.clone() }).collect(),
            blobs: self.catalog.encode(),
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
        self.pending.decided = match flight.barrier.purpose {
            Purpose::Drain if flight.exhausted => Some(Outcome::Finished),
            Purpose::Drain | Purpose::Stop => Some(Outcome::Stopped(epoch)),
            Purpose::Checkpoint | Purpose::Savepoint => None,
        };
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
        for (shard, of) in sealed.into_iter().enumerate() {
            let command = Command::Committed { epoch, retained_from, complete: of.complete, live: of.segments };
            self.untold.push_back((shard, command));
        }
        if let Some(outcome) = self.pending.decided {
            finish(&mut self.outlets)?;
            self.outcome = Some(outcome);
        }
        if let Some(request) = self.serving.take() {
            serve(request, self.store.as_ref(), &commit, &self.outlets);
        }
        if self.outcome.is_some() {
            self.tell_all(&Command::Quit);
        }
        Ok(())
    }

    /// Has each sink make the epoch's output visible. Returns for each shard the first epoch whose sealed output its log must keep.
    fn deliver(&mut self, epoch: Epoch, outputs: Vec<(OperatorId, SealedOutput)>) -> Result<Epoch, JobError> {
        self.attention.begin_delivery(self.clock.monotonic_nanos());
        let delivered = self.deliver_by_sink(epoch, outputs);
        self.attention.end_delivery();
        delivered
    }

    fn deliver_by_sink(&mut self, epoch: Epoch, outputs: Vec<(OperatorId, SealedOutput)>) -> Result<Epoch, JobError> {
        let mut by_sink: BTreeMap<OperatorId, Vec<SealedOutput>> = BTreeMap::new();
        for (sink, output) in outputs {
            by_sink.entry(sink).or_default().push(output);
        }
        let mut retained = epoch.next();
        for (sink, outlet) in &mut self.outlets {
            failpoint!("commit.before-delivery")
                .map_err(|cause| JobError::Storage { doing: "delivering an epoch", cause })?;
            let outputs = by_sink.remove(sink).unwrap_or_default();
            guard(&outlet.name, || outlet.committer.deliver(epoch, &outputs))?;
            // The same for all shards: after a change of their number, each one's log holds output of instances that are no more.
            outlet.retained_from = guard(&outlet.name, || Ok(outlet.committer.retained_from(epoch)))?;
            retained = retained.min(outlet.retained_from);
        }
        failpoint!("commit.after-delivery")
            .map_err(|cause| JobError::Storage { doing: "delivering an epoch", cause })?;
        match by_sink.keys().next() {
            None => Ok(retained),
            Some(operator) => Err(JobError::Graph(format!(
                "{} sealed output, and is no sink; only sinks have a committer that could deliver it",
                self.catalog.name_of(*operator)
            ))),
        }
    }

    fn tell_all(&mut self, command: &Command) {
        self.untold.extend((0..self.shards.len()).map(|shard| (shard, command.clone())));
    }

    /// Tells one shard what it is to be told next. Returns whether there was anything.
    fn tell(&mut self) -> bool {
        let Some((shard, command)) = self.untold.pop_front() else { return false };
        let (commands, bell) = &self.shards[shard];
        // A shard that is gone has said why; the next event brings it.
        let _ = commands.send(command);
        ring(bell);
        true
    }
}

/// Tells the sinks that the job is at its orderly end.
///
/// # Errors
/// A sink's target refuses.
pub fn finish(outlets: &mut BTreeMap<OperatorId, Outlet>) -> Result<(), JobError> {
    for outlet in outlets.values_mut() {
        guard(&outlet.name, || outlet.committer.finish())?;
    }
    Ok(())
}

/// Does what was asked to follow an epoch, and answers. A savepoint that cannot be written is the answer, and no failure of the job.
pub fn serve(request: Request, store: Option<&Store>, commit: &Commit, outlets: &BTreeMap<OperatorId, Outlet>) {
    let written = match (request.savepoint(), store) {
        (None, _) => Ok(()),
        (Some(folder), Some(store)) => delivered(commit, outlets).and_then(|commit| {
            let written = store.savepoint(&commit, folder);
            written.map_err(|cause| JobError::Storage { doing: "writing the savepoint", cause })
        }),
        (Some(_), None) => Err(JobError::Settings("a savepoint needs a data folder; set one for the job".to_owned())),
    };
    request.answer(written.map(|()| commit.epoch));
}

/// A commit as it stands once its epoch is delivered: what has reached its sinks' targets is not given to those of whoever begins from it.
/// (The job's own commit was written before the delivery, and cannot know.)
fn delivered(commit: &Commit, outlets: &BTreeMap<OperatorId, Outlet>) -> Result<Commit, JobError> {
    let mut catalog = Catalog::decode(&commit.blobs).map_err(|error| JobError::Corrupt(error.what.into_owned()))?;
    for (sink, outlet) in outlets {
        let retained_from = guard(&outlet.name, || Ok(outlet.committer.retained_from(commit.epoch)))?;
        catalog.sinks.insert(*sink, retained_from);
    }
    Ok(Commit { blobs: catalog.encode(), ..commit.clone() })
}

#[cfg(test)]
mod tests;
