//! From a commit back to running operators: what was sealed but perhaps not delivered, what operators noted, and each shard's tables.
//!
//! Whatever the number of shards was when the commit was made: tables take the keys that their shard owns now, operators and
//! sources are given every earlier subtask's notes and take what is theirs.
//!
//! Invariants:
//! 1. A restore that does not fit the job is refused by names before any state is read.
//! 2. Memory is bounded by named limits; past a limit there is backpressure or a clear error: state is evicted after each segment, so that a
//!    restore holds one segment's records more than its limit at most.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use yeoul_frame::{Epoch, KeyGroups, KeyHash, OperatorId, Pool, ShardId, TableId, Timestamp};
use yeoul_operator::{JobGraph, OpenContext, SealedOutput, Services, SplitId, Subtask, Waker};
use yeoul_state::catalog::{Catalog, TableEntry};
use yeoul_state::commit::{Commit, JobMeta, ShardLog};
use yeoul_state::log::{BlockView, Corrupt, LogAddress, LogBuffer, Segment, SegmentId};
use yeoul_state::recovery::{Replay, RestoredState, operator_states};
use yeoul_state::sealed::SealedEpochs;
use yeoul_sys::Storage;

use crate::chain::{WATERMARK_STATE, guard};
use crate::error::JobError;
use crate::memory::{MemoryLimits, evict_restored};
use crate::task::{EVENT_TIME_STATE, Head, Task};

/// The last commit and what belongs to the whole job.
pub struct Restored {
    from: Option<From>,
}

struct From {
    storage: Arc<dyn Storage>,
    commit: Commit,
    logs: Vec<ShardLog>,
    states: Vec<RestoredState>,
    catalog: Catalog,
}

impl Restored {
    /// A job that begins anew.
    #[must_use]
    pub fn nothing() -> Self {
        Self { from: None }
    }

    /// Reads what belongs to the whole job.
    ///
    /// # Errors
    /// The commit does not fit the job, or its log cannot be read.
    pub fn read(storage: Arc<dyn Storage>, commit: Commit, job: JobMeta) -> Result<Self, JobError> {
        if commit.job.key_groups != job.key_groups {
            return Err(JobError::Settings(format!(
                "the checkpoint has {} key groups and the job {}; the number is fixed for the life of the state\n  hint: set the key groups to {}",
                commit.job.key_groups.count(),
                job.key_groups.count(),
                commit.job.key_groups.count()
            )));
        }
        let failed = |cause| JobError::reading("reading the state log", cause);
        let states = operator_states(&*storage, "", &commit).map_err(failed)?;
        let logs = commit.assign(job.shards);
        let catalog = Catalog::decode(&commit.blobs).map_err(|error| JobError::Corrupt(error.what.into_owned()))?;
        Ok(Self { from: Some(From { storage, commit, logs, states, catalog }) })
    }

    /// The epoch from which the job goes on; 0 for one that begins anew.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.from.as_ref().map_or(Epoch(0), |from| from.commit.epoch)
    }

    /// The segments from which a shard starts.
    #[must_use]
    pub fn log_of(&self, shard: ShardId) -> Option<&ShardLog> {
        self.from.as_ref()?.logs.iter().find(|log| log.shard == shard)
    }

    /// The commit, if there is one.
    #[must_use]
    pub fn commit(&self) -> Option<&Commit> {
        self.from.as_ref().map(|from| &from.commit)
    }

    /// The first segment id that the commit does not name.
    #[must_use]
    pub fn next_segment(&self) -> SegmentId {
        let greatest = self.from.as_ref().and_then(|from| from.commit.segments().last().copied());
        SegmentId(greatest.map_or(0, |id| id.0) + 1)
    }

    /// Gives what a sink sealed in the epochs after `delivered` to `deliver`, an epoch at a time and in their order. What it said it would
    /// not ask for again is not read.
    ///
    /// # Errors
    /// The log cannot be read, or `deliver` failed.
    pub fn outputs_after(
        &self,
        sink: OperatorId,
        delivered: Epoch,
        deliver: &mut dyn FnMut(Epoch, Vec<SealedOutput>) -> Result<(), JobError>,
    ) -> Result<(), JobError> {
        let Some(from) = &self.from else { return Ok(()) };
        // What the log holds of a sink that the commit does not name was left behind by an earlier restore.
        let Some(retained) = from.catalog.sinks.get(&sink) else { return Ok(()) };
        let retained = Epoch(retained.0.saturating_sub(1));
        let failed = |cause| JobError::reading("reading sealed output from the log", cause);
        let after = delivered.max(retained);
        let mut epochs = SealedEpochs::open(&*from.storage, "", &from.commit, sink, after).map_err(failed)?;
        while let Some((epoch, outputs)) = epochs.next_epoch().map_err(failed)? {
            let sealed = outputs.into_iter().map(|output| {
                // Of the run that sealed it, which may not be the last one: sinks tell by it where a run with other shards began.
                let subtask = Subtask { index: output.subtask.0, parallelism: output.shards };
                SealedOutput { epoch, subtask, bytes: output.bytes.into() }
            });
            deliver(epoch, sealed.collect())?;
        }
        Ok(())
    }
}

/// Whether every operator that has state in the commit is still in the graph.
///
/// # Errors
/// Names the first one that is not, unless such state may be left behind.
pub fn check_operators(restored: &Restored, graph: &JobGraph, allow_non_restored: bool) -> Result<(), JobError> {
    let Some(from) = restored.from.as_ref().filter(|_| !allow_non_restored) else { return Ok(()) };
    let known: HashSet<OperatorId> = graph.nodes.iter().map(yeoul_operator::Node::id).collect();
    // Each operator notes how far event time had come; who noted nothing else had no state, and is missed by nobody.
    let mut noted = from.states.iter().filter(|state| state.name != WATERMARK_STATE);
    let noted = noted.find(|state| !known.contains(&state.operator));
    let noted = noted.map(|state| format!("state '{}' of {}", state.name, from.catalog.name_of(state.operator)));
    let table = || from.catalog.tables.iter().find(|(_, table)| !known.contains(&table.operator));
    let mut state = noted.or_else(|| table().map(|(id, _)| from.catalog.name_of_table(*id)));
    // Output that was committed and may not have been delivered would never be.
    for sink in from.catalog.sinks.keys().filter(|sink| !known.contains(sink)) {
        restored.outputs_after(*sink, Epoch(0), &mut |epoch, _| {
            state.get_or_insert_with(|| format!("output of {epoch} for {}", from.catalog.name_of(*sink)));
            Ok(())
        })?;
    }
    match state {
        None => Ok(()),
        Some(state) => Err(JobError::Settings(format!(
            "the checkpoint holds {state}, which this job does not have\n  hint: give the operator that wrote it its old uid, or allow non-restored \
             state to leave it behind"
        ))),
    }
}

/// What opening a shard's operators takes.
pub struct Open<'a> {
    /// Whether state of operators that the job no longer has is left behind.
    pub allow_non_restored: bool,
    /// Whether types of state may be called otherwise than they were.
    pub allow_renamed_types: bool,
    /// The shard.
    pub shard: ShardId,
    /// Of the job.
    pub key_groups: KeyGroups,
    /// Clock and files.
    pub services: &'a Services,
    /// Where frames get their memory.
    pub pool: &'a Pool,
    /// What state may hold in memory.
    pub memory: MemoryLimits,
    /// Wakes the shard.
    pub waker: Waker,
}

/// What comes of opening a shard's operators.
pub struct Opened {
    /// The mapped segments, from which evicted state is read.
    pub segments: Vec<Segment>,
    /// The shard's tables.
    pub tables: BTreeMap<TableId, TableEntry>,
    /// Whether state was evicted on the way.
    pub evicted: bool,
}

/// Opens a shard's operators and gives them their state.
///
/// # Errors
/// An operator cannot open, or its state cannot be read.
pub fn open_and_restore(
    open: &Open<'_>,
    tasks: &mut [Task],
    log: &mut LogBuffer,
    restored: &Restored,
) -> Result<Opened, JobError> {
    let mut declared = BTreeMap::new();
    for task in tasks.iter_mut() {
        open_task(open, task)?;
        for slot in &mut task.chain.slots {
            slot.operator.tables(&mut |table| {
                declared.insert(table.id(), TableEntry::of(slot.id, table));
            });
        }
    }
    let Some(from) = &restored.from else {
        return Ok(Opened { segments: Vec::new(), tables: declared, evicted: false });
    };
    let misfit = |misfit: yeoul_state::catalog::Misfit| JobError::Settings(misfit.to_string());
    from.catalog.check(&declared).map_err(misfit)?;
    if !open.allow_renamed_types {
        from.catalog.check_types(&declared).map_err(misfit)?;
    }
    for slot in tasks.iter_mut().flat_map(|task| &mut task.chain.slots) {
        let mut refused = None;
        slot.operator.tables(&mut |table| match from.catalog.migrate(slot.id, table, from.commit.epoch) {
            Ok(entry) => drop(declared.insert(table.id(), entry)),
            Err(error) => refused = refused.take().or(Some(error)),
        });
        refused.map_or(Ok(()), |error| Err(misfit(error)))?;
    }
    for task in tasks.iter_mut() {
        restore_notes(task, from)?;
    }
    let (segments, evicted) = restore_tables(open, tasks, log, from)?;
    Ok(Opened { segments, tables: declared, evicted })
}

fn open_task(open: &Open<'_>, task: &mut Task) -> Result<(), JobError> {
    let subtask = task.subtask;
    let cx = |operator, name, counters| OpenContext {
        operator,
        name,
        subtask,
        key_groups: open.key_groups,
        services: open.services,
        pool: open.pool,
        counters,
        waker: open.waker.clone(),
    };
    if let Head::Source(head) = &mut task.head {
        let mut cx = cx(head.id, &head.name, head.counters.clone());
        guard(&head.name, || head.source.open(&mut cx))?;
    }
    for slot in &mut task.chain.slots {
        let mut cx = cx(slot.id, &slot.name, slot.counters.clone());
        guard(&slot.name, || slot.operator.open(&mut cx))?;
        slot.is_open = true;
    }
    Ok(())
}

/// Gives operators and sources what they, or their fellow subtasks, noted at the barrier.
fn restore_notes(task: &mut Task, from: &From) -> Result<(), JobError> {
    let subtask = task.subtask;
    let of = |id: OperatorId| from.states.iter().filter(move |state| state.operator == id);
    // Each instance notes its event time, so there were as many as there are such notes: fewer than shards, for some operators.
    let instances = move |id: OperatorId, name: &'static str| of(id).filter(|state| state.name == name).count() as u16;
    let earlier = |state: &RestoredState, parallelism| Subtask { index: state.shard.0, parallelism };
    // If there were as many instances as now, each goes on from its own event time; else from the least, which is certain.
    let own = |state: &RestoredState, parallelism| parallelism != subtask.parallelism || state.shard.0 == subtask.index;
    if let Head::Source(head) = &mut task.head {
        let before = instances(head.id, EVENT_TIME_STATE);
        for state in of(head.id) {
            guard(&head.name, || match state.name.as_str() {
                EVENT_TIME_STATE => {
                    let owned = |split: SplitId| split.owner(subtask.parallelism) == subtask.index;
                    head.event_time.load(&state.bytes, own(state, before), owned)
                }
                name => head.source.restore(name, earlier(state, before), &state.bytes),
            })?;
        }
        head.counters.set_watermark(head.event_time.watermark());
    }
    for slot in &mut task.chain.slots {
        guard(&slot.name, || {
            slot.operator.on_restore();
            Ok(())
        })?;
        let mut watermark: Option<Timestamp> = None;
        let before = instances(slot.id, WATERMARK_STATE);
        for state in of(slot.id) {
            if state.name == WATERMARK_STATE {
                if !own(state, before) {
                    continue;
                }
                let bytes = state.bytes.as_slice().try_into().map_err(|_| {
                    JobError::Corrupt(format!(
                        "the watermark of '{}' has {} bytes, not 8",
                        slot.name,
                        state.bytes.len()
                    ))
                })?;
                let at = Timestamp(i64::from_le_bytes(bytes));
                watermark = Some(watermark.map_or(at, |least| least.min(at)));
            } else {
                guard(&slot.name, || slot.operator.restore(&state.name, earlier(state, before), &state.bytes))?;
            }
        }
        slot.watermark = watermark.unwrap_or(Timestamp::MIN);
        slot.counters.set_watermark(slot.watermark);
    }
    if let Head::Inbox(inbox) = &mut task.head {
        // The first operator may be new to the job; whatever the others were told had come by this inbox.
        let told = task.chain.slots.iter().map(|slot| slot.watermark).max();
        inbox.restore_watermark(told.unwrap_or(Timestamp::MIN));
    }
    Ok(())
}

/// Replays the shard's log into its tables. What does not fit into memory is evicted after each segment. Returns the segments, and whether
/// anything was.
fn restore_tables(
    open: &Open<'_>,
    tasks: &mut [Task],
    log: &mut LogBuffer,
    from: &From,
) -> Result<(Vec<Segment>, bool), JobError> {
    // Which operator holds a table.
    let mut places: HashMap<TableId, (usize, usize)> = HashMap::new();
    for (number, task) in tasks.iter_mut().enumerate() {
        for (slot, of) in task.chain.slots.iter_mut().enumerate() {
            of.operator.tables(&mut |table| {
                places.insert(table.id(), (number, slot));
            });
        }
    }
    let Some(shard_log) = from.logs.iter().find(|of| of.shard == open.shard) else { return Ok((Vec::new(), false)) };
    let mut replay = Replay::new(from.storage.clone(), "", shard_log, open.key_groups);
    let failed = |cause| JobError::reading("restoring state", cause);
    let (mut whole, mut evicted) = (0, false);
    let mut failed_user = None;
    loop {
        let visit = &mut |block: &BlockView<'_>,
                          owned: &dyn Fn(KeyHash) -> bool,
                          retired: &mut dyn FnMut(LogAddress, usize)| {
            if !from.catalog.has(block.table()) {
                block.retire(retired);
                return Ok(());
            }
            let Some((task, slot)) = places.get(&block.table()) else {
                if open.allow_non_restored {
                    return Ok(());
                }
                return Err(Corrupt::new(format!(
                    "the checkpoint holds {}, which no operator of this job has; give the operator that wrote it its old uid, \
                     or allow non-restored state to leave it behind",
                    from.catalog.name_of_table(block.table())
                )));
            };
            let mut result = Ok(());
            let slot = &mut tasks[*task].chain.slots[*slot];
            // A migration is the user's, and may panic.
            let guarded = guard(&slot.name, || {
                slot.operator.tables(&mut |table| {
                    if table.id() == block.table() {
                        result = table.restore(block, owned, retired);
                    }
                });
                Ok(())
            });
            failed_user = guarded.err();
            if failed_user.is_some() { Err(Corrupt::new("a migration failed")) } else { result }
        };
        let step = replay.step(log.liveness_mut(), visit);
        if let Some(error) = failed_user.take() {
            return Err(error);
        }
        if !step.map_err(failed)? {
            for slot in tasks.iter_mut().flat_map(|task| &mut task.chain.slots) {
                slot.operator.tables(&mut |table| table.restored());
            }
            return Ok((replay.into_segments(), evicted));
        }
        if let Some(segment) = replay.done().get(whole) {
            whole += 1;
            let result = evict_restored(tasks, open.memory, segment);
            evicted |= result.map_err(|error| JobError::Corrupt(error.to_string()))?;
        }
    }
}
