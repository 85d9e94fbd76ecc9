//! Reads a committed epoch back: first what the operators and sinks sealed, then each shard's tables.
//!
//! In order: [`Manifest::open`](crate::manifest::Manifest::open) gives the last commit; [`operator_states`] and
//! [`SealedEpochs`](crate::sealed::SealedEpochs) give what is not keyed; [`Commit::assign`](crate::commit::Commit::assign) gives each shard its
//! segments, whatever the number of shards was; [`Replay`] feeds each shard's tables, block by block.
//!
//! Invariants:
//! 1. Nothing of a block is handed out before its checksum held. After an error, what was restored must be thrown away.
//! 2. A key's records are replayed in the order in which they were written, and only from listings that count for it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;

use yeoul_frame::{Epoch, KeyGroups, KeyHash, OperatorId, ShardId};
use yeoul_sys::Storage;

use crate::commit::{Commit, ShardLog};
use crate::compaction::Liveness;
use crate::log::{BlockCursor, BlockView, Corrupt, LogAddress, RunId, Segment, SegmentId, SegmentRef};

/// What [`StateTable::restore`](crate::state_table::StateTable::restore) wants: a block, which keys of it count, and whom to
/// tell of records that are not, or no longer, the newest of a key. A block that drops a namespace counts for owned keys
/// only, too.
pub type Visit<'a> =
    dyn FnMut(&BlockView<'_>, &dyn Fn(KeyHash) -> bool, &mut dyn FnMut(LogAddress, usize)) -> Result<(), Corrupt> + 'a;

/// Replays a shard's keyed state, a block at a time.
pub struct Replay {
    storage: Arc<dyn Storage>,
    dir: String,
    groups: KeyGroups,
    ahead: VecDeque<SegmentRef>,
    current: Option<(Segment, BlockCursor)>,
    done: Vec<Segment>,
}

impl Replay {
    /// Begins with the segments that [`Commit::assign`] gave the shard. Does no I/O.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>, dir: &str, log: &ShardLog, groups: KeyGroups) -> Self {
        let ahead = log.segments.iter().cloned().collect();
        Self { storage, dir: dir.to_owned(), groups, ahead, current: None, done: Vec::new() }
    }

    /// Reads one block. `false` when all were read.
    ///
    /// # Errors
    /// If a segment cannot be read, or a block is not as it was written.
    pub fn step(&mut self, liveness: &mut Liveness, visit: &mut Visit<'_>) -> io::Result<bool> {
        let (segment, at) = match &mut self.current {
            Some(current) => current,
            None => {
                let Some(next) = self.ahead.pop_front() else { return Ok(false) };
                let segment = Segment::open(&*self.storage, &self.dir, &next)?;
                segment.bytes().advise_sequential();
                self.current.insert((segment, BlockCursor::default()))
            }
        };
        let start = at.offset();
        if let Some(block) = segment.next_block(at)? {
            liveness.restored(&block, (at.offset() - start) as u64);
            if block.kind().is_keyed() {
                let (groups, range) = (self.groups, &segment.reference().groups);
                let owned = |hash| range.contains(&groups.of(hash).0);
                let mut retired = |at: LogAddress, bytes: usize| liveness.retire(at.segment(), bytes as u64);
                visit(&block, &owned, &mut retired).map_err(|error| error.at(segment.path(), start as u64))?;
            }
            return Ok(true);
        }
        let (segment, _) = self.current.take().expect("it was just read");
        self.done.push(segment);
        Ok(true)
    }

    /// Reads everything that is left.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn run(&mut self, liveness: &mut Liveness, visit: &mut Visit<'_>) -> io::Result<()> {
        while self.step(liveness, visit)? {}
        Ok(())
    }

    /// The segments that were read to their end so far.
    #[must_use]
    pub fn done(&self) -> &[Segment] {
        &self.done
    }

    /// The segments read so far, mapped and checked: from them evicted values are read.
    #[must_use]
    pub fn into_segments(self) -> Vec<Segment> {
        self.done
    }
}

/// Replays one shard's keyed state in one call, for callers that may block: each block with the keys of it that count.
///
/// # Errors
/// As [`Replay::step`].
pub fn replay(
    storage: &Arc<dyn Storage>,
    dir: &str,
    log: &ShardLog,
    groups: KeyGroups,
    visit: &mut Visit<'_>,
) -> io::Result<()> {
    let mut liveness = Liveness::new(crate::log::LogOptions::SEGMENT_BYTES);
    Replay::new(Arc::clone(storage), dir, log, groups).run(&mut liveness, visit)
}

/// A named piece of an operator's own state, as one shard's operator left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredState {
    /// The operator.
    pub operator: OperatorId,
    /// The shard on which it ran.
    pub shard: ShardId,
    /// The state's name.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A piece of output that a sink sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredOutput {
    /// The sink.
    pub sink: OperatorId,
    /// Which of its subtasks.
    pub subtask: ShardId,
    /// How many shards the job had when it was sealed.
    pub shards: u16,
    /// The epoch that it belongs to.
    pub epoch: Epoch,
    /// Its place within the subtask's output of this epoch.
    pub sequence: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// All operators' own state as of a commit, from all shards that there were then. Each shard takes what it needs.
///
/// # Errors
/// If a segment cannot be read, or a block is not as it was written.
pub fn operator_states(storage: &dyn Storage, dir: &str, commit: &Commit) -> io::Result<Vec<RestoredState>> {
    let mut all: Vec<RestoredState> = Vec::new();
    let mut parts = Parts::default();
    let before = Epoch(commit.epoch.0.saturating_sub(1));
    walk_since(storage, dir, commit, before, &mut |block| {
        let Some(state) = block.operator_state() else { return Ok(()) };
        let of = (state.operator.0, block.header().shard, block.header().run, 0);
        if parts.is_next(of, state.part, state.more)? {
            let last = all.last_mut().filter(|last| last.name == state.name);
            last.ok_or_else(|| Corrupt::new("a part of an operator's state has another name than the one before it"))?
                .bytes
                .extend_from_slice(state.bytes);
        } else {
            all.push(RestoredState {
                operator: state.operator,
                shard: state.shard,
                name: state.name.to_owned(),
                bytes: state.bytes.to_vec(),
            });
        }
        Ok(())
    })?;
    parts.end()?;
    Ok(all)
}

/// Whether the parts of what was split over blocks are all there, in their order.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    open: Option<(PartOf, u32)>,
}

/// Owner, shard and run, and the place among its fellows.
pub(crate) type PartOf = (u64, ShardId, RunId, u64);

impl Parts {
    /// Whether this part continues the one before it; else it is the first of something new.
    pub(crate) fn is_next(&mut self, of: PartOf, part: u32, more: bool) -> Result<bool, Corrupt> {
        let expected = self.open.take().map_or((of, 0), |(of, last)| (of, last + 1));
        if expected != (of, part) {
            return Err(Corrupt::new(format!(
                "part {part} stands where part {} of something else was expected",
                expected.1
            )));
        }
        self.open = more.then_some((of, part));
        Ok(part > 0)
    }

    pub(crate) fn end(&self) -> io::Result<()> {
        match self.open {
            None => Ok(()),
            Some((_, part)) => {
                Err(Corrupt::new(format!("the log ends after part {part}, and another should follow")).into())
            }
        }
    }
}

/// Walks the blocks of the epochs after `after`, one writer after the other.
fn walk_since(
    storage: &dyn Storage,
    dir: &str,
    commit: &Commit,
    after: Epoch,
    visit: &mut dyn FnMut(&BlockView<'_>) -> Result<(), Corrupt>,
) -> io::Result<()> {
    for segment in writers_since(storage, dir, commit, after)?.values().flatten() {
        let mut at = BlockCursor::default();
        while let Some(block) = segment.next_block(&mut at)? {
            if block.epoch() > after && block.epoch() <= commit.epoch {
                visit(&block).map_err(|error| error.at(segment.path(), u64::from(block.address().offset())))?;
            }
        }
    }
    Ok(())
}

/// The segments that hold the epochs after `after`, by who wrote them (shard and run). Segments of which all blocks are older are not
/// read: epochs only grow within what one shard wrote in one run.
pub(crate) fn writers_since(
    storage: &dyn Storage,
    dir: &str,
    commit: &Commit,
    after: Epoch,
) -> io::Result<BTreeMap<(u16, u64), VecDeque<Segment>>> {
    let listed: BTreeMap<SegmentId, &SegmentRef> =
        commit.shards.iter().flat_map(|log| &log.segments).map(|of| (of.segment, of)).collect();
    let mut writers: BTreeMap<(u16, u64), VecDeque<Segment>> = BTreeMap::new();
    let mut complete: BTreeSet<(u16, u64)> = BTreeSet::new();
    for of in listed.values().rev() {
        let segment = Segment::open(storage, dir, of)?;
        let Some(first) = segment.next_block(&mut BlockCursor::default())? else { continue };
        let RunId(run) = of.run;
        let (writer, epoch) = ((first.header().shard.0, run), first.epoch());
        if !complete.contains(&writer) {
            writers.entry(writer).or_default().push_front(segment);
            if epoch <= after {
                complete.insert(writer);
            }
        }
    }
    Ok(writers)
}
