//! Prepares one attempt at a job: opens the store, lets sinks deliver what was committed before, builds shards that know how to restore themselves.
//!
//! Nothing runs yet: the parts are handed to threads, or to the simulator's scheduler.
//!
//! Invariant: output visible outside is a prefix of the fault-free output, by whole epochs: before a shard is built, each sink has
//! delivered what was committed, from its marker on.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use yeoul_frame::{Epoch, KeyGroups, OperatorId, Pool, ShardId};
use yeoul_operator::{JobGraph, NodeKind, Partitioning, Services, Waker};
use yeoul_ring::{Bell, Doorbell, Parker};
use yeoul_state::catalog::Catalog;
use yeoul_state::commit::JobMeta;
use yeoul_state::log::{Chunk, LogBuffer, LogOptions, RunId};
use yeoul_sys::planted::{Bug, is_planted};
use yeoul_sys::{Clock, Storage};

use crate::attention::Attention;
use crate::bells::ring;
use crate::build::{Built, build};
use crate::chain::guard;
use crate::compact::Compactor;
use crate::config::{JobConfig, LOG_CHUNKS};
use crate::coordinator::{Charge, Coordinator, Outlet, Timing, finish, serve};
use crate::error::JobError;
use crate::memory::{MemoryLimits, StateMemory};
use crate::plan::Plan;
use crate::request::{Pending, Request};
use crate::restore::{Opened, Restored, check_operators, open_and_restore};
use crate::shard::{Command, Event, Links, Parts, Shard};
use crate::store::Store;
use crate::task::Task;
use crate::watch::JobWatch;
use crate::writer::Writer;

/// All parts of an attempt, ready to be driven.
pub struct Attempt {
    /// One for each shard.
    pub seats: Vec<Seat>,
    /// Starts and commits epochs.
    pub coordinator: Coordinator,
    /// What shards and writers tell the coordinator.
    pub events: Receiver<Event>,
    /// By which they tell it.
    pub told: Sender<Event>,
    /// The job's clock.
    pub clock: Arc<dyn Clock>,
}

/// A shard and its writer, before they run.
pub struct Seat {
    /// Becomes the shard, where it is to run.
    pub seed: Seed,
    /// On what the shard waits.
    pub parker: Parker,
    /// What wakes it.
    pub bell: Bell,
    /// Takes its chunks.
    pub writer: Writer,
    /// By which they come.
    pub chunks: Receiver<Chunk>,
    /// By which written buffers go back.
    pub spent: Sender<Vec<u8>>,
    /// By which the shard is told.
    pub commands: Sender<Command>,
}

/// A shard whose operators are not open yet. Opening reads the log, so each shard does it on its own thread.
pub struct Seed {
    id: ShardId,
    tasks: Vec<Task>,
    log: LogOptions,
    /// Wakes the shard: for threads that its sources have of their own.
    bell: Bell,
    links: Links,
    services: Services,
    key_groups: KeyGroups,
    memory: MemoryLimits,
    frame_rows: usize,
    restored: Arc<Restored>,
    /// Of the job's own store.
    storage: Option<Arc<dyn Storage>>,
    attention: Arc<Attention>,
    allow_non_restored: bool,
    allow_renamed_types: bool,
}

impl Seed {
    /// Opens and restores the shard's operators.
    ///
    /// # Errors
    /// An operator that cannot open, or state that cannot be read.
    pub fn open(mut self) -> Result<Shard, JobError> {
        let pool = Pool::new().with_frame_rows(self.frame_rows);
        let mut log = LogBuffer::new(self.log);
        let open = crate::restore::Open {
            allow_non_restored: self.allow_non_restored,
            allow_renamed_types: self.allow_renamed_types,
            shard: self.id,
            key_groups: self.key_groups,
            services: &self.services,
            pool: &pool,
            memory: self.memory,
            waker: Waker::new({
                let bell = self.bell.clone();
                move || ring(&bell)
            }),
        };
        let opened = open_and_restore(&open, &mut self.tasks, &mut log, &self.restored);
        if opened.is_err() {
            self.tasks.iter_mut().for_each(|task| task.chain.close());
        }
        let Opened { segments, tables, evicted } = opened?;
        let newest = segments.iter().map(|of| of.reference().segment).max().unwrap_or_default();
        let memory = StateMemory::new(self.id, self.memory, newest, evicted);
        let compactor = Compactor::new(self.storage, segments, memory);
        // Without a coordinator the attempt is over, and this shard is told to quit.
        let _ = self.links.events.send(Event::Opened { shard: self.id, tables });
        Ok(Shard::new(Parts {
            id: self.id,
            tasks: self.tasks,
            log,
            links: self.links,
            pool,
            clock: self.services.clock.clone(),
            compactor,
            attention: self.attention,
        }))
    }
}

/// Prepares an attempt.
///
/// # Errors
/// The graph cannot run, the store cannot be opened, or a sink cannot deliver what was committed before.
pub fn prepare(
    graph: &JobGraph,
    config: &JobConfig,
    services: &Services,
    watch: &Arc<JobWatch>,
    run_seed: u64,
) -> Result<Attempt, JobError> {
    graph.check().map_err(JobError::Graph)?;
    let shards = config.shards;
    if shards == 0 || shards > config.key_groups.count() {
        return Err(JobError::Settings(format!(
            "{shards} shards with {} key groups: take between 1 and as many shards as key groups",
            config.key_groups.count()
        )));
    }
    if config.ring_capacity < 2 {
        return Err(JobError::Settings(format!("rings of {} messages: take 2 or more", config.ring_capacity)));
    }
    check_keyed(graph, shards)?;
    let job = JobMeta { key_groups: config.key_groups, shards };
    let (store, restored) = match &config.data {
        Some(folder) => {
            let (store, restored) = Store::open(services, folder, config, job, run_seed)?;
            (Some(store), restored)
        }
        None => match &config.from_savepoint {
            Some(from) => (None, Store::read_savepoint(services, Path::new(from), job)?),
            None => (None, Restored::nothing()),
        },
    };
    check_operators(&restored, graph, config.allow_non_restored_state)?;
    let mut epoch = restored.epoch();
    if is_planted(Bug::EpochReused) {
        epoch = Epoch(epoch.0.saturating_sub(1));
    }
    let outlets = deliver_committed(graph, services, &restored)?;

    let plan = Plan::of(graph, shards);
    let doorbells: Vec<(Parker, Bell)> = (0..shards)
        .map(|_| Doorbell::new().map_err(|cause| JobError::Storage { doing: "making a shard's doorbell", cause }))
        .collect::<Result<_, _>>()?;
    let bells: Vec<Bell> = doorbells.iter().map(|(_, bell)| bell.clone()).collect();
    let Built { shards: tasks, watched } = build(graph, &plan, config, &bells, epoch)?;
    let sources = (0..watched.len()).filter(|at| Plan::is_source(graph, watched[*at].node)).collect();
    watch.attempt(watched.clone(), sources);

    let restored = Arc::new(restored);
    let attention = Arc::<Attention>::default();
    let (told, events) = unbounded();
    let memory = MemoryLimits::of(config.state_memory, shards, config.evict_percent);
    let mut seats = Vec::new();
    let mut to_shards = Vec::new();
    for ((number, tasks), (parker, bell)) in tasks.into_iter().enumerate().zip(doorbells) {
        let id = ShardId(number as u16);
        let (commands, obeyed) = unbounded();
        let (to_writer, chunks) = bounded(LOG_CHUNKS);
        let (spent, recycled) = bounded(LOG_CHUNKS);
        let (log, writer) = match &store {
            Some(store) => store.log_of(id, job, &restored, watch),
            None => {
                let mut options = LogOptions::single(RunId(run_seed));
                (options.shard, options.shards, options.epoch) = (id, shards, epoch.next());
                // What a savepoint left in tables has addresses there: this log, which nobody writes, goes on above them.
                options.first_segment = restored.next_segment();
                (options, Writer::Nothing(id))
            }
        };
        to_shards.push((commands.clone(), bell.clone()));
        let seed = Seed {
            id,
            tasks,
            log,
            bell: bell.clone(),
            links: Links { commands: obeyed, events: told.clone(), chunks: to_writer, spent: recycled },
            services: services.clone(),
            key_groups: config.key_groups,
            memory,
            frame_rows: config.frame_rows,
            restored: restored.clone(),
            storage: store.as_ref().map(Store::storage),
            attention: attention.clone(),
            allow_non_restored: config.allow_non_restored_state,
            allow_renamed_types: config.allow_renamed_types,
        };
        seats.push(Seat { seed, parker, bell, writer, chunks, spent, commands });
    }
    let timing = Timing { interval: config.checkpoint_interval, timeout: config.checkpoint_timeout };
    let clock = services.clock.clone();
    let coordinator = Coordinator::new(Charge {
        job,
        timing,
        clock: clock.clone(),
        shards: to_shards,
        watched,
        watch: watch.clone(),
        store,
        outlets,
        committed: epoch,
        catalog: Catalog::of(graph.nodes.iter().map(|node| node.uid.as_str())),
        attention,
        files: services.files.clone(),
    });
    Ok(Attempt { seats, coordinator, events, told, clock })
}

/// Whether every keyed operator runs on all shards: by its shard the log knows to whom a key's state belongs.
fn check_keyed(graph: &JobGraph, shards: u16) -> Result<(), JobError> {
    for edge in &graph.edges {
        let node = &graph.nodes[edge.to.0];
        if let (Partitioning::Hash(_), Some(parallelism)) = (&edge.partitioning, node.parallelism)
            && parallelism < shards
        {
            return Err(JobError::Graph(format!(
                "operator '{}' is keyed and set to run on {parallelism} of {shards} shards; keyed operators run on all of them\n  hint: \
                 leave out set_parallelism there, or give the job fewer shards",
                node.name
            )));
        }
    }
    Ok(())
}

/// Ends a job whose last epoch is committed: delivers what may not have been delivered, and does what was asked to follow it.
///
/// # Errors
/// The store cannot be opened, or a sink cannot deliver.
pub fn settle(
    graph: &JobGraph,
    config: &JobConfig,
    services: &Services,
    pending: &mut Pending,
    run_seed: u64,
) -> Result<(), JobError> {
    let Some(folder) = &config.data else { return Ok(()) };
    let job = JobMeta { key_groups: config.key_groups, shards: config.shards };
    let (store, restored) = Store::open(services, folder, config, job, run_seed)?;
    let mut outlets = deliver_committed(graph, services, &restored)?;
    finish(&mut outlets)?;
    if let Some(commit) = restored.commit()
        && let Some(Request::Stop { .. }) = pending.requests.front()
        && let Some(request) = pending.requests.pop_front()
    {
        serve(request, Some(&store), commit, &outlets);
    }
    Ok(())
}

/// Makes the sinks' committers, and has each deliver what was committed but may not have reached it, an epoch at a time.
fn deliver_committed(
    graph: &JobGraph,
    services: &Services,
    restored: &Restored,
) -> Result<BTreeMap<OperatorId, Outlet>, JobError> {
    let mut outlets = BTreeMap::new();
    for node in &graph.nodes {
        let NodeKind::Sink { committer, .. } = &node.kind else { continue };
        let mut committer = guard(&node.name, || Ok(committer()))?;
        let committed = restored.epoch();
        let delivered = guard(&node.name, || {
            committer.of_sink(node.id());
            committer.recover(services, committed)
        })?;
        if delivered > committed {
            return Err(JobError::Settings(format!(
                "sink '{}' has delivered up to epoch {}, and the job goes on from epoch {}: its target belongs to another run, or the data \
                 folder is older than it\n  hint: give the job the data folder that its output came from, or the sink a new target",
                node.name, delivered.0, committed.0
            )));
        }
        restored.outputs_after(node.id(), delivered, &mut |epoch, outputs| {
            guard(&node.name, || committer.deliver(epoch, &outputs))
        })?;
        let retained_from = guard(&node.name, || Ok(committer.retained_from(committed)))?;
        outlets.insert(node.id(), Outlet { name: node.name.clone(), committer, retained_from });
    }
    Ok(outlets)
}
