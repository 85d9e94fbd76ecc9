//! Writes a savepoint that no job has taken: of tables filled by hand, or of another savepoint with some operators exchanged.
//!
//! The log, the commit and the catalog are those of any savepoint, and made by the same code. Of a savepoint that is changed the segments
//! are copied as they are; what is exchanged stays in them, and counts no more.
//!
//! Invariants:
//! 1. All that is written belongs to one epoch, later than any of the savepoint that is changed: a table that is written has all its
//!    records in it, and counts from it on.
//! 2. The notes of operators that stay are written again, from the same subtasks: only those of the commit's own epoch count.
//! 3. The folder is a savepoint only after [`NewSavepoint::finish`] returned.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use yeoul_frame::{Epoch, KeyGroups, OperatorId, ShardId, Timestamp, hash_u64};
use yeoul_sys::Storage;

use crate::catalog::{Catalog, TableEntry};
use crate::commit::{Commit, JobMeta, ShardLog};
use crate::log::{LogBuffer, LogOptions, LogWriter, RunId, SegmentId, SegmentRef, WriterOptions};
use crate::saved::SavedState;
use crate::savepoint::{begin_savepoint, copy_segments, finish_savepoint};
use crate::state_table::{Drained, StateTable};

/// Records that are encoded before full chunks are written.
const SLICE: usize = 4096;

/// A savepoint that is being written.
pub struct NewSavepoint {
    to: Arc<dyn Storage>,
    dir: String,
    /// The savepoint's identity.
    id: u64,
    commit: Commit,
    catalog: Catalog,
    /// The log of each shard; what is new stands in the first.
    logs: Vec<(LogBuffer, LogWriter)>,
}

impl NewSavepoint {
    /// Begins an empty one in a folder of its own. `id` is the caller's, another one for each savepoint.
    ///
    /// # Errors
    /// If the folder holds anything, or a disk fails.
    pub fn begin(to: Arc<dyn Storage>, dir: &str, id: u64, key_groups: KeyGroups) -> io::Result<Self> {
        begin_savepoint(&*to, dir)?;
        let job = JobMeta { key_groups, shards: 1 };
        let shards = vec![ShardLog { shard: ShardId(0), segments: Vec::new() }];
        let commit = Commit { epoch: Epoch(1), job, watermark: Timestamp::MIN, shards, blobs: BTreeMap::new() };
        Ok(Self::open(to, dir, id, commit, Catalog::default()))
    }

    /// Begins one with all that another has, without these operators.
    ///
    /// # Errors
    /// If the folder holds anything, the other is damaged, or a disk fails.
    pub fn begin_from(
        base: &SavedState,
        without: &[OperatorId],
        to: Arc<dyn Storage>,
        dir: &str,
        id: u64,
    ) -> io::Result<Self> {
        begin_savepoint(&*to, dir)?;
        let (from, from_dir) = base.place();
        copy_segments(from, from_dir, base.commit(), &*to, dir)?;
        let mut catalog = base.catalog().clone();
        let stays = |operator: OperatorId| !without.contains(&operator);
        catalog.operators.retain(|id, _| stays(*id));
        catalog.tables.retain(|_, entry| stays(entry.operator));
        catalog.sinks.retain(|id, _| stays(*id));
        let mut commit = Commit { epoch: base.commit().epoch.next(), ..base.commit().clone() };
        // What is new is listed at every shard, also one that had nothing.
        commit.shards = base.commit().assign(commit.job.shards);
        let mut new = Self::open(to, dir, id, commit, catalog);
        for state in base.operator_states().iter().filter(|state| stays(state.operator)) {
            new.note(state.shard, state.operator, &state.name, &state.bytes)?;
        }
        Ok(new)
    }

    fn open(to: Arc<dyn Storage>, dir: &str, id: u64, commit: Commit, catalog: Catalog) -> Self {
        let first = commit.segments().last().map_or(0, |last| last.0) + 1;
        // The name that a store of this identity would give to its run 0: no store has one.
        let run = RunId(hash_u64(id.rotate_left(32)).0);
        let shards = commit.job.shards.max(1);
        let log = |shard| {
            let (segment_bytes, epoch, first_segment) = (LogOptions::SEGMENT_BYTES, commit.epoch, SegmentId(first));
            let options = LogOptions { shard: ShardId(shard), shards, run, first_segment, epoch, segment_bytes };
            let groups = commit.job.key_groups.range(shard, shards);
            let writer = WriterOptions { shard: ShardId(shard), run, groups, restored: Vec::new(), segment_bytes };
            (LogBuffer::new(options), LogWriter::new(to.clone(), dir, writer))
        };
        let logs = (0..shards).map(log).collect();
        Self { to, dir: dir.to_owned(), id, commit, catalog, logs }
    }

    /// Into how many groups its job has the keys.
    #[must_use]
    pub fn key_groups(&self) -> KeyGroups {
        self.commit.job.key_groups
    }

    /// To which epoch it belongs.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.commit.epoch
    }

    /// Names an operator.
    pub fn operator(&mut self, uid: &str) -> OperatorId {
        let id = OperatorId::of(uid);
        self.catalog.operators.insert(id, uid.to_owned());
        id
    }

    /// Writes a table of an operator, all of whose entries were written since it was made.
    ///
    /// # Errors
    /// If a disk fails.
    pub fn table(&mut self, operator: OperatorId, table: &mut dyn StateTable) -> io::Result<()> {
        let entry = TableEntry { since: self.commit.epoch, ..TableEntry::of(operator, table) };
        self.catalog.tables.insert(table.id(), entry);
        let (buffer, writer) = &mut self.logs[0];
        table.freeze();
        loop {
            let drained = table.drain(SLICE, buffer);
            while let Some(chunk) = buffer.take_chunk() {
                writer.append(chunk)?;
            }
            if drained == Drained::Done {
                return Ok(());
            }
        }
    }

    /// Writes what the first subtask of an operator notes beside its tables.
    ///
    /// # Errors
    /// If a disk fails.
    pub fn state(&mut self, operator: OperatorId, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.note(ShardId(0), operator, name, bytes)
    }

    fn note(&mut self, shard: ShardId, operator: OperatorId, name: &str, bytes: &[u8]) -> io::Result<()> {
        let Some((buffer, writer)) = self.logs.get_mut(usize::from(shard.0)) else {
            let (uid, shards) = (self.catalog.name_of(operator), self.commit.job.shards);
            let what = format!("state {name:?} of {uid} is of {shard}, but the job has {shards} shards");
            return Err(crate::log::Corrupt::new(what).into());
        };
        buffer.operator_state(operator, name, bytes);
        while let Some(chunk) = buffer.take_chunk() {
            writer.append(chunk)?;
        }
        Ok(())
    }

    /// Makes it durable, and the folder a savepoint. Returns what it holds.
    ///
    /// # Errors
    /// If a disk fails.
    pub fn finish(mut self) -> io::Result<Commit> {
        let epoch = self.commit.epoch;
        let mut written: Vec<SegmentRef> = Vec::new();
        for (buffer, writer) in &mut self.logs {
            writer.append(buffer.seal(epoch))?;
            written.extend(writer.seal()?.segments);
        }
        written.sort_by_key(|of| of.segment);
        // Each shard finds its keys in what is new; who wrote it is another matter.
        let JobMeta { key_groups, shards } = self.commit.job;
        for log in &mut self.commit.shards {
            let groups = key_groups.range(log.shard.0, shards);
            log.segments.extend(written.iter().map(|of| SegmentRef { groups: groups.clone(), ..of.clone() }));
        }
        self.commit.blobs = self.catalog.encode();
        finish_savepoint(&*self.to, &self.dir, self.id, self.commit)
    }
}
