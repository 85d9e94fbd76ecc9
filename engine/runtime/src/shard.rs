//! A shard: the tasks of one thread, their state and their end of the log, as a state machine that never blocks.
//!
//! `step` does a bounded piece of everything that is due: commands, tasks (most downstream first), a slice of the snapshot in
//! flight, compaction. Whoever drives it decides what to do when nothing is due: a thread parks, the simulator picks another shard.
//!
//! Invariants:
//! 1. A shard never blocks, allocates without bound, or touches another shard's memory except through a ring.
//! 2. No snapshot of epoch `e` holds an effect of a record after `Barrier(e)`, or lacks one of a record before it: tables are frozen when
//!    the barrier passes their operator, and drained before the epoch is sealed.
//! 3. One epoch is in flight at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use yeoul_frame::signal::Barrier;
use yeoul_frame::{Epoch, OperatorId, Pool, ShardId, TableId, Timestamp};
use yeoul_state::catalog::TableEntry;
use yeoul_state::log::{Chunk, LogBuffer, SegmentRef};
use yeoul_sys::Clock;

use crate::attention::Attention;
use crate::chain::{Env, Noted};
use crate::compact::Compactor;
use crate::config::OUTPUT_SLICE;
use crate::drain::{Drain, check_records};
use crate::error::JobError;
use crate::task::{Standing, Task};

/// What a shard is told.
#[derive(Debug, Clone)]
pub enum Command {
    /// Begin this epoch: sources send its barrier.
    Start(Barrier),
    /// This epoch is committed, and what it sealed is durable.
    Committed {
        /// The epoch.
        epoch: Epoch,
        /// The first epoch whose sealed output the log must keep.
        retained_from: Epoch,
        /// Segments of this shard's log to which nothing more will be written.
        complete: Vec<SegmentRef>,
        /// All segments of this shard's log that are still needed.
        live: Vec<SegmentRef>,
    },
    /// Let go of everything and end.
    Quit,
}

/// What a shard tells.
#[derive(Debug)]
pub enum Event {
    /// A shard's operators are open and have their state; these are their tables.
    Opened {
        /// The shard.
        shard: ShardId,
        /// Its tables.
        tables: BTreeMap<TableId, TableEntry>,
    },
    /// All its sources have read all they will ever read.
    Exhausted(ShardId),
    /// All that this shard has to say of an epoch is with its writer; this is what its sinks sealed.
    Outputs {
        /// The shard.
        shard: ShardId,
        /// The epoch.
        epoch: Epoch,
        /// What its sinks sealed, in order.
        outputs: Vec<(OperatorId, Arc<[u8]>)>,
        /// The least watermark of its sources at the barrier.
        watermark: Option<Timestamp>,
    },
    /// The epoch of a shard is durable.
    Sealed(yeoul_state::log::Sealed),
    /// A shard or writer has failed.
    Failed(JobError),
    /// A shard's operators could not be opened.
    Refused(JobError),
    /// A shard has done something since the coordinator [asked](crate::attention).
    Active(ShardId),
    /// A shard has ended.
    Ended(ShardId),
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It did something, and may have more to do.
    Worked,
    /// Nothing is due until a message comes or, if given, this processing time.
    Idle(Option<Timestamp>),
    /// It has ended.
    Ended,
}

/// The ends by which a shard talks to the rest.
pub struct Links {
    /// What it is told.
    pub commands: Receiver<Command>,
    /// What it tells.
    pub events: Sender<Event>,
    /// To its writer. Bounded: if the disk is slower than the state changes, draining waits.
    pub chunks: Sender<Chunk>,
    /// Written buffers, to be used again.
    pub spent: Receiver<Vec<u8>>,
}

/// What a shard is made of.
pub struct Parts {
    /// Which one it is.
    pub id: ShardId,
    /// Its subtasks, in an order in which every edge points forward.
    pub tasks: Vec<Task>,
    /// Its end of the log.
    pub log: LogBuffer,
    /// The ends by which it talks to the rest.
    pub links: Links,
    /// Memory for frames.
    pub pool: Pool,
    /// The job's clock.
    pub clock: Arc<dyn Clock>,
    /// Keeps its log and memory within bounds.
    pub compactor: Compactor,
    /// By which the coordinator asks to be told of work.
    pub attention: Arc<Attention>,
}

/// One shard.
pub struct Shard {
    id: ShardId,
    tasks: Vec<Task>,
    log: LogBuffer,
    links: Links,
    pool: Pool,
    clock: Arc<dyn Clock>,
    compactor: Compactor,
    noted: Noted,
    flight: Option<Flight>,
    /// The last epoch that has begun here.
    begun: Epoch,
    exhausted_told: bool,
    attention: Arc<Attention>,
    /// Something was done that the coordinator was not told of.
    unsaid: bool,
    quit: bool,
}

/// The epoch in flight.
struct Flight {
    barrier: Barrier,
    /// For each task, whether its operators have all passed the barrier.
    passed: Vec<bool>,
    drain: Drain,
    /// What sinks sealed, once all tasks have passed.
    outputs: Option<Vec<(OperatorId, Arc<[u8]>)>>,
    /// How many of these are in the log.
    logged: usize,
    /// What could not be handed to the writer yet.
    held: Option<Chunk>,
    sealed: bool,
}

impl Flight {
    fn of(barrier: Barrier, tasks: usize) -> Self {
        let passed = vec![false; tasks];
        Self { barrier, passed, drain: Drain::default(), outputs: None, logged: 0, held: None, sealed: false }
    }
}

impl Shard {
    /// A shard whose operators have been opened and restored.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { id, tasks, log, links, pool, clock, compactor, attention } = parts;
        Self {
            id,
            tasks,
            log,
            links,
            pool,
            clock,
            compactor,
            noted: Noted::default(),
            flight: None,
            begun: Epoch(0),
            exhausted_told: false,
            attention,
            unsaid: false,
            quit: false,
        }
    }

    /// Which shard this is.
    #[must_use]
    pub fn id(&self) -> ShardId {
        self.id
    }

    /// Does a bounded piece of everything that is due.
    ///
    /// # Errors
    /// The failure of an operator, which fails the attempt: all operators are closed. The shard is not to be stepped again.
    pub fn step(&mut self) -> Result<Progress, JobError> {
        let progress = self.work();
        if matches!(progress, Ok(Progress::Ended) | Err(_)) {
            self.tasks.iter_mut().for_each(|task| task.chain.close());
        }
        progress
    }

    fn work(&mut self) -> Result<Progress, JobError> {
        let mut worked = self.obey()?;
        if self.quit {
            return Ok(Progress::Ended);
        }
        let now = Timestamp(self.clock.wall_millis());
        let mut until: Option<Timestamp> = None;
        let held_back = self.attention.holds_back(|| self.clock.monotonic_nanos());
        let mut env = Env { now, held_back, barrier_due: false, pool: &self.pool, noted: &mut self.noted };
        // Most downstream first, so that what is in the rings leaves before more comes.
        for at in (0..self.tasks.len()).rev() {
            env.barrier_due = self.flight.as_ref().is_some_and(|flight| !flight.passed[at]);
            match self.tasks[at].step(&mut env)? {
                Standing::Worked => worked = true,
                Standing::Idle(Some(due)) => until = Some(until.map_or(due, |until| until.min(due))),
                Standing::Idle(None) | Standing::Blocked | Standing::Ended => {}
            }
            if let Some(barrier) = self.tasks[at].chain.take_passed() {
                // The barrier may come by a ring before the coordinator has told this shard of the epoch.
                let flight = self.flight.get_or_insert_with(|| {
                    assert!(barrier.epoch > self.begun, "an epoch begins once");
                    self.begun = barrier.epoch;
                    self.log.begin(barrier.epoch);
                    Flight::of(barrier, self.tasks.len())
                });
                assert_eq!(flight.barrier.epoch, barrier.epoch, "one epoch is in flight at a time");
                assert!(
                    !std::mem::replace(&mut flight.passed[at], true),
                    "epochs leave in increasing order, each once"
                );
                flight.drain.task_passed(at, &self.tasks[at]);
            }
        }
        self.compactor.watch(now, &mut self.tasks)?;
        let snapshot = self.snapshot_slice()?;
        let compaction = self.flight.is_none() && self.compactor.step(&mut self.tasks, &mut self.log)?;
        self.tell_exhausted();
        self.unsaid |= worked;
        // In an idle step, too: the one before it may have been too early to see that it was asked.
        if self.unsaid && self.attention.take() {
            self.unsaid = false;
            self.tell(Event::Active(self.id));
        }
        if worked || snapshot || compaction {
            return Ok(Progress::Worked);
        }
        Ok(Progress::Idle(until))
    }

    fn obey(&mut self) -> Result<bool, JobError> {
        let mut any = false;
        loop {
            let command = match self.links.commands.try_recv() {
                Ok(command) => command,
                Err(TryRecvError::Empty) => return Ok(any),
                // Whoever would tell it is gone: the attempt is over.
                Err(TryRecvError::Disconnected) => Command::Quit,
            };
            any = true;
            match command {
                Command::Start(barrier) => {
                    if barrier.epoch > self.begun {
                        assert!(self.flight.is_none(), "one epoch is in flight at a time");
                        self.begun = barrier.epoch;
                        self.log.begin(barrier.epoch);
                        self.flight = Some(Flight::of(barrier, self.tasks.len()));
                    }
                    for task in &mut self.tasks {
                        task.start(barrier);
                    }
                }
                Command::Committed { epoch, retained_from, complete, live } => {
                    assert!(
                        self.flight.as_ref().is_none_or(|flight| flight.barrier.epoch > epoch),
                        "an epoch is committed after it was sealed"
                    );
                    self.compactor.committed(retained_from, &complete, &live)?;
                }
                Command::Quit => {
                    self.quit = true;
                    return Ok(true);
                }
            }
        }
    }

    /// A slice of the snapshot in flight: drains frozen records, hands full chunks to the writer, seals at the end.
    fn snapshot_slice(&mut self) -> Result<bool, JobError> {
        let Some(flight) = &mut self.flight else { return Ok(false) };
        while let Ok(spent) = self.links.spent.try_recv() {
            self.log.recycle(spent);
        }
        // What is waiting for the writer goes first; the log leaves in order.
        let mut worked = false;
        while let Some(chunk) = flight.held.take().or_else(|| self.log.take_chunk()) {
            match self.links.chunks.try_send(chunk) {
                Ok(()) => worked = true,
                Err(crossbeam_channel::TrySendError::Full(chunk)) => {
                    flight.held = Some(chunk);
                    return Ok(worked);
                }
                // The writer has failed and has told why.
                Err(crossbeam_channel::TrySendError::Disconnected(_)) => return Ok(worked),
            }
        }
        if flight.sealed {
            self.flight = None;
            return Ok(true);
        }
        if flight.drain.slice(&mut self.tasks, &mut self.log, &*self.clock) {
            check_records(&mut self.tasks, &self.log)?;
            return Ok(true);
        }
        if !flight.passed.iter().all(|passed| *passed) {
            return Ok(worked);
        }
        let epoch = flight.barrier.epoch;
        if flight.outputs.is_none() {
            for (operator, name, bytes) in self.noted.states.drain(..) {
                self.log.operator_state(operator, &name, &bytes);
            }
            flight.outputs = Some(std::mem::take(&mut self.noted.sealed));
            return Ok(true);
        }
        let (before, mut copied) = (flight.logged, 0);
        let left = flight.outputs.iter().flatten().skip(before);
        for (sequence, (sink, bytes)) in (before as u64..).zip(left) {
            if copied >= OUTPUT_SLICE {
                break;
            }
            self.log.sealed_output(*sink, self.id, epoch, sequence, bytes);
            flight.logged += 1;
            // A piece without bytes takes room, too.
            copied += bytes.len().max(1);
        }
        // Full chunks go to the writer before the log is sealed.
        if flight.logged > before {
            return Ok(true);
        }
        let outputs = flight.outputs.take().unwrap_or_default();
        flight.held = Some(self.log.seal(epoch));
        flight.sealed = true;
        let watermark = self.noted.watermark.take();
        self.tell(Event::Outputs { shard: self.id, epoch, outputs, watermark });
        Ok(true)
    }

    fn tell_exhausted(&mut self) {
        if !self.exhausted_told && self.tasks.iter().all(|task| !task.is_source() || task.is_exhausted_source()) {
            self.exhausted_told = true;
            self.tell(Event::Exhausted(self.id));
        }
    }

    fn tell(&self, event: Event) {
        // Without a coordinator the attempt is over, and this shard is told to quit or is dropped.
        let _ = self.links.events.send(event);
    }
}
