//! Keeps a shard's state within its memory: evicts clean values to the log once it holds more than a share of the limit, and fails the job
//! when it holds more than the limit with everything evicted that can be.
//!
//! Looks after each commit and works in slices between frames; nothing is counted for a record. What was written since the last sealed
//! segment, values of fixed width, small ones, keys, timers and indexes stay in memory and count.
//!
//! Invariants:
//! 1. Memory is bounded by named limits; past a limit there is backpressure or a clear error: state that is over its limit after
//!    `PATIENCE` rounds of eviction, or far over it between two commits, ends the job with a permanent error that names the tables, if the
//!    process as a whole holds more than the job's limit.
//! 2. Only records of sealed segments are evicted, and each segment is walked once when it is sealed; older ones again, in turn, only
//!    while there is more to free.

use std::collections::BTreeMap;

use yeoul_frame::{ShardId, Timestamp};
use yeoul_state::StateTable;
use yeoul_state::compaction::Walk;
use yeoul_state::log::{BlockView, Corrupt, Segment, SegmentId};
use yeoul_sys::{Region, failpoint};

use crate::error::JobError;
use crate::task::Task;

/// Commits in a row after which state may be over its limit with all evicted that can be.
const PATIENCE: u32 = 2;
/// Between two commits nothing can be evicted: so far over its limit, and by as much as the limit itself, state may be.
const OVERDRAFT: usize = 256 << 20;
/// Between two looks at what is held, in milliseconds.
const LOOK_MILLIS: i64 = 100;
/// A segment takes at most this part of a shard's limit: what stands in the segment that is being written cannot be evicted yet.
const SEGMENTS_IN_LIMIT: usize = 8;
/// But segments need not be smaller than this.
const LEAST_SEGMENT_BYTES: u32 = 64 << 10;

/// What a shard's state may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryLimits {
    /// Of all shards together, as the user set it.
    pub job: usize,
    /// Of this shard.
    pub shard: usize,
    /// Beyond this, clean values are evicted.
    pub evict_above: usize,
}

impl MemoryLimits {
    /// A shard's share of a job's limit; eviction begins at so many hundredths of it.
    #[must_use]
    pub fn of(job: usize, shards: u16, evict_percent: u8) -> Self {
        let shard = job / usize::from(shards.max(1));
        Self { job, shard, evict_above: shard / 100 * usize::from(evict_percent.min(100)) }
    }

    /// The bound of a segment of the log: the one that was set, or less where memory is scarce.
    #[must_use]
    pub fn segment_bytes(&self, set: u32) -> u32 {
        let part = u32::try_from(self.shard / SEGMENTS_IN_LIMIT).unwrap_or(u32::MAX);
        set.min(part.max(LEAST_SEGMENT_BYTES))
    }
}

/// Looks after one shard's memory.
pub struct StateMemory {
    shard: ShardId,
    limits: MemoryLimits,
    /// An epoch has been committed since the last look.
    look: bool,
    /// Something was evicted: from here on each segment that is sealed is walked, so that what compaction moved is read from there.
    evicting: bool,
    /// Segments up to here were walked when they were sealed.
    newest: SegmentId,
    /// Where the next walk through older segments goes on.
    hand: SegmentId,
    round: Option<Round>,
    /// What was held when a round had walked all there is and could not free enough: until a sixteenth more is held, older segments are
    /// not walked again.
    settled: usize,
    /// Rounds in a row that ended over the limit.
    over: u32,
    /// When it last looked between commits, in units of [`LOOK_MILLIS`].
    looked: i64,
}

/// Eviction under way, after a commit.
struct Round {
    /// Bytes to free.
    surplus: usize,
    stage: Stage,
    /// Older segments that the hand may still come to.
    left: usize,
}

enum Stage {
    /// Values that were read from the log are forgotten.
    Cooling,
    /// The next segment is to be chosen.
    Choosing,
    /// A segment is walked.
    Walking(Walk),
}

impl StateMemory {
    /// For a shard whose state was restored from segments up to `newest`, of which some was evicted at once if `evicting`.
    #[must_use]
    pub fn new(shard: ShardId, limits: MemoryLimits, newest: SegmentId, evicting: bool) -> Self {
        let (look, round, settled, over, looked) = (false, None, 0, 0, 0);
        Self { shard, limits, look, evicting, newest, hand: SegmentId(0), round, settled, over, looked }
    }

    /// An epoch is committed.
    pub fn committed(&mut self) {
        self.look = true;
    }

    /// A slice of eviction from these sealed segments. Returns whether there was any.
    ///
    /// # Errors
    /// State is over its limit for good, or a block of the log is not as it was written.
    pub fn step(&mut self, tasks: &mut [Task], mapped: &BTreeMap<SegmentId, Segment>) -> Result<bool, JobError> {
        if std::mem::take(&mut self.look) {
            let held = held(tasks);
            let surplus = held.saturating_sub(self.limits.evict_above);
            self.evicting |= surplus > 0;
            let left = if kept(tasks) > self.settled { mapped.len() } else { 0 };
            match &mut self.round {
                Some(round) => (round.surplus, round.left) = (surplus, left),
                None if !self.evicting => self.over = 0,
                None => self.round = Some(Round { surplus, stage: Stage::Cooling, left }),
            }
        }
        let Some(round) = &mut self.round else { return Ok(false) };
        match &mut round.stage {
            Stage::Cooling => {
                let mut freed = 0;
                if round.surplus > 0 {
                    each_table(tasks, &mut |_, table| freed += table.cool());
                    round.surplus = round.surplus.saturating_sub(freed);
                }
                if freed == 0 || round.surplus == 0 {
                    round.stage = Stage::Choosing;
                }
            }
            Stage::Choosing => match self.next_segment(mapped) {
                Some(segment) => {
                    failpoint!("evict.before-segment")
                        .map_err(|cause| JobError::Storage { doing: "evicting state", cause })?;
                    let round = self.round.as_mut().expect("looked at above");
                    round.stage = Stage::Walking(Walk::new(segment));
                }
                None => {
                    let has_freed = self.round.take().is_some_and(|round| round.surplus == 0);
                    self.judge(tasks, has_freed)?;
                }
            },
            Stage::Walking(walk) => {
                let surplus = &mut round.surplus;
                let more = walk
                    .step(&mut |block, segment| evict_block(tasks, block, segment, surplus))
                    .map_err(|error| JobError::Corrupt(error.to_string()))?;
                if !more {
                    round.stage = Stage::Choosing;
                    failpoint!("evict.after-segment")
                        .map_err(|cause| JobError::Storage { doing: "evicting state", cause })?;
                }
            }
        }
        Ok(true)
    }

    /// The segment to walk next: those that were sealed since the last round, then older ones while there is more to free.
    fn next_segment(&mut self, mapped: &BTreeMap<SegmentId, Segment>) -> Option<Segment> {
        let after = |id: SegmentId| mapped.range(SegmentId(id.0 + 1)..).next();
        if let Some((id, segment)) = after(self.newest) {
            self.newest = *id;
            return Some(segment.clone());
        }
        let round = self.round.as_mut()?;
        if round.surplus == 0 || round.left == 0 {
            return None;
        }
        round.left -= 1;
        let (id, segment) = after(self.hand).or_else(|| mapped.first_key_value())?;
        self.hand = *id;
        Some(segment.clone())
    }

    /// All is evicted that can be.
    fn judge(&mut self, tasks: &mut [Task], has_freed: bool) -> Result<(), JobError> {
        let kept = kept(tasks);
        self.settled = if has_freed { 0 } else { self.settled.max(kept + kept / 16) };
        self.over = if kept > self.limits.shard { self.over + 1 } else { 0 };
        if self.over > PATIENCE && self.is_confirmed() { Err(self.too_much(tasks, kept)) } else { Ok(()) }
    }

    /// Looks now and then between commits, while nothing can be evicted.
    ///
    /// # Errors
    /// State is far over its limit.
    pub fn watch(&mut self, now: Timestamp, tasks: &mut [Task]) -> Result<(), JobError> {
        let look = now.0.div_euclid(LOOK_MILLIS);
        if look == self.looked {
            return Ok(());
        }
        self.looked = look;
        if self.evicting && self.round.is_none() {
            // What was read from the log since the last round may go at any time; a walk over evicted state reads all of it.
            let surplus = held(tasks).saturating_sub(self.limits.shard);
            self.round = (surplus > 0).then_some(Round { surplus, stage: Stage::Cooling, left: 0 });
        }
        let kept = kept(tasks);
        let most = self.limits.shard.saturating_add(self.limits.shard.max(OVERDRAFT));
        if kept > most && self.is_confirmed() { Err(self.too_much(tasks, kept)) } else { Ok(()) }
    }

    /// What a large table holds is estimated from a sample, and shards may have unlike shares of the keys: a job is not ended while the whole
    /// process holds less than its state may.
    fn is_confirmed(&self) -> bool {
        yeoul_sys::allocated_bytes().is_none_or(|bytes| bytes > self.limits.job as u64)
    }

    #[cold]
    fn too_much(&self, tasks: &mut [Task], held: usize) -> JobError {
        let mut tables = Vec::new();
        each_table(tasks, &mut |operator, table| {
            let line = format!(
                "'{operator}', state '{}': {} in {} entries",
                table.describe().name,
                mib(table.memory_bytes()),
                table.len()
            );
            tables.push((table.memory_bytes(), line));
        });
        tables.sort_by(|a, b| b.cmp(a));
        let named: String = tables.iter().take(NAMED).map(|(_, line)| format!("\n  {line}")).collect();
        JobError::Settings(format!(
            "the state of {} holds {} in memory that cannot be evicted to the log, more than its share of {} of the job's state_memory of \
             {}:{named}\n  hint: raise state_memory, run on a machine with more memory, or give the state a time to live; texts, lists and \
             records are evicted once a checkpoint has them, numbers, small values, keys and timers are not",
            self.shard,
            mib(held),
            mib(self.limits.shard),
            mib(self.limits.job),
        ))
    }
}

/// Tables that an error names.
const NAMED: usize = 3;

fn mib(bytes: usize) -> String {
    format!("{:.2} MiB", bytes as f64 / f64::from(1 << 20))
}

/// Evicts from a segment, whole, until state holds no more than it should. For a restore, which may take its time. Returns whether there was
/// anything to free.
///
/// # Errors
/// A block is not as it was written.
pub fn evict_restored(tasks: &mut [Task], limits: MemoryLimits, segment: &Segment) -> Result<bool, Corrupt> {
    let mut surplus = held(tasks).saturating_sub(limits.evict_above);
    if surplus == 0 {
        return Ok(false);
    }
    let mut walk = Walk::new(segment.clone());
    while surplus > 0 && walk.step(&mut |block, bytes| evict_block(tasks, block, bytes, &mut surplus))? {}
    Ok(true)
}

fn evict_block(
    tasks: &mut [Task],
    block: &BlockView<'_>,
    segment: &Region,
    surplus: &mut usize,
) -> Result<(), Corrupt> {
    let mut result = Ok(());
    each_table(tasks, &mut |_, table| {
        if table.id() == block.table() {
            match table.evict(block, segment, *surplus) {
                Ok(freed) => *surplus = surplus.saturating_sub(freed),
                Err(error) => result = Err(error),
            }
        }
    });
    result
}

fn held(tasks: &mut [Task]) -> usize {
    let mut held = 0;
    each_table(tasks, &mut |_, table| held += table.memory_bytes());
    held
}

/// What tables hold but for what was read from the log, which may be forgotten at any time.
fn kept(tasks: &mut [Task]) -> usize {
    let mut kept = 0;
    each_table(tasks, &mut |_, table| kept += table.memory_bytes().saturating_sub(table.read_bytes()));
    kept
}

/// Calls `visit` with each table and the name of its operator.
pub(crate) fn each_table(tasks: &mut [Task], visit: &mut dyn FnMut(&str, &mut dyn StateTable)) {
    for task in tasks {
        for slot in &mut task.chain.slots {
            let name = &slot.name;
            slot.operator.tables(&mut |table| visit(name, table));
        }
    }
}
