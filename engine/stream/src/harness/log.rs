//! The harness's state log: what a shard's log holds, in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use yeoul_frame::{Epoch, KeyGroups, KeyHash, OperatorId, ShardId, TableId, Timestamp};
use yeoul_operator::{Operator, OperatorError, Snapshot, Subtask};
use yeoul_state::log::{BlockView, Chunk, LogBuffer, LogOptions, Origin, RunId, SegmentId};
use yeoul_state::state_table::TableDescription;
use yeoul_state::{Drained, StateTable};

use super::HarnessError;

/// Records drained in one slice: few, so that tests meet what happens between slices.
const SLICE: usize = 3;

/// What one instance's snapshot holds.
///
/// ```
/// use yeoul_stream::{DataStream, OperatorHarness};
///
/// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.key_by(|n| n.to_native() % 2).reduce(|sum, n| *sum += n))?;
/// harness.push([(1, 10)])?;
/// let first = harness.snapshot()?;
/// harness.push([(3, 20)])?;
/// // The second is of no use to who goes on from the first.
/// let second = harness.snapshot()?;
/// let mut restored = harness.restored(harness.subtask(), &[&first])?;
/// restored.push([(5, 30)])?;
/// assert_eq!(restored.take_output(), [(6, 30)]);
/// # let _ = second;
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
#[derive(Clone)]
pub struct HarnessSnapshot {
    pub(crate) watermark: Timestamp,
    pub(crate) now: Timestamp,
    subtask: Subtask,
    epoch: Epoch,
    history: Vec<Piece>,
    tables: Versions,
    states: Vec<(String, Vec<u8>)>,
    sealed: Vec<Arc<[u8]>>,
}

impl HarnessSnapshot {
    /// What a sink sealed in this epoch, in order.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.key_by(|n| n.to_native() % 2).reduce(|sum, n| *sum += n))?;
    /// harness.push([(1, 10)])?;
    /// // It is no sink.
    /// assert!(harness.snapshot()?.sealed().is_empty());
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn sealed(&self) -> &[Arc<[u8]>] {
        &self.sealed
    }

    /// Bytes that this epoch added to the log.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.key_by(|n| n.to_native() % 2).reduce(|sum, n| *sum += n))?;
    /// harness.push([(1, 10)])?;
    /// let (first, second) = (harness.snapshot()?, harness.snapshot()?);
    /// // Nothing has changed between the two: what is left is the mark of the epoch.
    /// assert!(second.bytes() < first.bytes());
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.history.iter().filter(|piece| piece.epoch == self.epoch).map(|piece| piece.chunk.bytes.len()).sum()
    }
}

/// Of each table the version of its values, and the first epoch that counts: what a job's catalog says.
type Versions = BTreeMap<TableId, (u32, Epoch)>;

/// A piece of the log, and which of its keys count.
#[derive(Clone)]
struct Piece {
    chunk: Arc<Chunk>,
    run: RunId,
    epoch: Epoch,
    /// The instances whose it was, one after another: only keys that all of them owned are still meant.
    owners: Vec<Subtask>,
}

fn owns(subtask: Subtask, hash: KeyHash) -> bool {
    let groups = KeyGroups::DEFAULT;
    groups.shard(groups.of(hash), subtask.parallelism) == subtask.index
}

/// The log of one instance, and what of earlier ones it goes on from.
pub(crate) struct HarnessLog {
    buffer: LogBuffer,
    run: RunId,
    subtask: Subtask,
    history: Vec<Piece>,
    tables: Versions,
    /// The snapshot that is frozen and not drained yet.
    frozen: Option<HarnessSnapshot>,
}

impl HarnessLog {
    pub(crate) fn after(subtask: Subtask, from: &[&HarnessSnapshot]) -> Self {
        let epoch = from.iter().map(|snapshot| snapshot.epoch).max().unwrap_or(Epoch(0));
        let adopt = |snapshot: &&HarnessSnapshot| {
            let subtask = snapshot.subtask;
            let pieces = snapshot.history.clone().into_iter();
            pieces.map(move |mut piece| {
                piece.owners.push(subtask);
                piece
            })
        };
        let history: Vec<_> = from.iter().flat_map(adopt).collect();
        let run = RunId(history.iter().map(|piece| piece.run.0).max().unwrap_or(0) + 1);
        let last = history.iter().map(|piece| piece.chunk.segment.0).max().unwrap_or(0);
        let options = LogOptions {
            shard: ShardId(subtask.index),
            shards: subtask.parallelism,
            first_segment: SegmentId(last + 1),
            epoch: epoch.next(),
            ..LogOptions::single(run)
        };
        Self { buffer: LogBuffer::new(options), run, subtask, history, tables: Versions::new(), frozen: None }
    }

    pub(crate) fn owns(&self, hash: KeyHash) -> bool {
        owns(self.subtask, hash)
    }

    /// Gives an opened operator what the snapshots hold of it.
    pub(crate) fn restore(
        &mut self,
        operator: &mut dyn Operator,
        from: &[&HarnessSnapshot],
    ) -> Result<(), HarnessError> {
        self.migrate(operator, from)?;
        for snapshot in from {
            for (name, bytes) in &snapshot.states {
                operator.restore(name, snapshot.subtask, bytes)?;
            }
        }
        for piece in &self.history {
            let owned = |hash: KeyHash| self.owns(hash) && piece.owners.iter().all(|owner| owns(*owner, hash));
            let bytes = &piece.chunk.bytes;
            // A chunk stands at its offset in its segment.
            let mut segment = vec![0; piece.chunk.offset as usize];
            segment.extend_from_slice(bytes);
            let origin = Origin { segment: piece.chunk.segment, run: piece.run };
            let mut at = piece.chunk.offset as usize;
            while at < segment.len() {
                let (block, next) = BlockView::parse(&segment, at, origin).map_err(HarnessError::Corrupt)?;
                at = next;
                let mut result = Ok(());
                operator.tables(&mut |table| {
                    if table.id() == block.table() && result.is_ok() {
                        result = table.restore(&block, &owned, &mut |_, _| ());
                    }
                });
                result.map_err(HarnessError::Corrupt)?;
            }
        }
        operator.tables(&mut |table| table.restored());
        Ok(())
    }

    /// Readies the tables for what was saved of them, be it of an earlier version.
    fn migrate(&mut self, operator: &mut dyn Operator, from: &[&HarnessSnapshot]) -> Result<(), HarnessError> {
        let (tables, next) = (&mut self.tables, self.buffer.epoch());
        let mut refused = None;
        operator.tables(&mut |table| {
            let TableDescription { id, name, version, .. } = table.describe();
            let saved = from.iter().find_map(|snapshot| snapshot.tables.get(&id).copied());
            let since = match (saved, from.is_empty()) {
                (Some((of, since)), _) if of == version => since,
                (None, true) => Epoch(0),
                _ => next,
            };
            tables.insert(id, (version, since));
            let (saved, since) = saved.unwrap_or((version, since));
            if let Err(error) = table.migrate(saved, since) {
                refused = Some(HarnessError::State(format!(
                    "state '{name}' was saved with values of version {saved}: {error}"
                )));
            }
        });
        refused.map_or(Ok(()), Err)
    }

    pub(crate) fn freeze(
        &mut self,
        operator: &mut dyn Operator,
        id: OperatorId,
        watermark: Timestamp,
        now: Timestamp,
    ) -> Result<(), OperatorError> {
        assert!(self.frozen.is_none(), "the epoch before is drained first");
        let epoch = self.buffer.epoch();
        let (mut states, mut sealed) = (Vec::new(), Vec::new());
        operator.snapshot(&mut Snapshot::new(epoch, id, &mut states, &mut sealed))?;
        operator.tables(&mut |table: &mut dyn StateTable| table.freeze());
        self.frozen = Some(HarnessSnapshot {
            watermark,
            now,
            subtask: self.subtask,
            epoch,
            history: Vec::new(),
            tables: self.tables.clone(),
            states: states.into_iter().map(|(_, name, bytes)| (name, bytes)).collect(),
            sealed: sealed.into_iter().map(|(_, bytes)| bytes).collect(),
        });
        Ok(())
    }

    pub(crate) fn drain(&mut self, operator: &mut dyn Operator) -> HarnessSnapshot {
        let frozen = self.frozen.take().expect("a barrier stands before a drain");
        let mut chunks = Vec::new();
        operator.tables(&mut |table| {
            while table.drain(SLICE, &mut self.buffer) == Drained::More {
                chunks.extend(std::iter::from_fn(|| self.buffer.take_chunk()));
            }
        });
        chunks.extend(std::iter::from_fn(|| self.buffer.take_chunk()));
        chunks.push(self.buffer.seal(frozen.epoch));
        for mut chunk in chunks {
            chunk.finish();
            let piece =
                Piece { chunk: Arc::new(chunk), run: self.run, epoch: frozen.epoch, owners: vec![self.subtask] };
            self.history.push(piece);
        }
        HarnessSnapshot { history: self.history.clone(), ..frozen }
    }
}
