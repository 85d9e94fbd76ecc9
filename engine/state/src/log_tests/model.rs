//! A toy job over the real log: shards with two tables of plain maps, driven epoch by epoch.
//!
//! What a run commits is kept as a [`State`] for each epoch, so a recovery can be compared with it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use yeoul_frame::{Epoch, KeyGroups, KeyHash, OperatorId, ShardId, TableId, Timestamp, hash_u64};

use super::memory::MemoryStorage;
use crate::commit::{Commit, JobMeta, ShardLog};
use crate::compaction::Walk;
use crate::log::{
    BlockKind, BlockView, Corrupt, Layout, LogAddress, LogBuffer, LogOptions, LogWriter, Segment, SegmentId, SegmentRef,
};
use crate::manifest::{Manifest, ManifestOptions};
use crate::recovery::{Replay, RestoredOutput, operator_states};
use crate::sealed::SealedEpochs;

pub(super) const DIR: &str = "job/state";
pub(super) const NUMBERS: TableId = TableId(1);
pub(super) const TEXTS: TableId = TableId(2);
pub(super) const OPERATOR: OperatorId = OperatorId(77);
pub(super) const NUMBER: Layout = Layout::Fixed { key: 8, value: 8 };
pub(super) const GROUPS: KeyGroups = KeyGroups::DEFAULT;

/// Both tables, by (table, namespace, key): values as they are encoded.
pub(super) type State = BTreeMap<(u64, i64, u64), Vec<u8>>;

type Cells = BTreeMap<(u64, i64, u64), (Vec<u8>, LogAddress, u32)>;

/// One shard: its tables as maps, the records that changed since the last barrier, and both ends of its log.
pub(super) struct Shard {
    cells: Cells,
    dirty: BTreeSet<(u64, i64, u64)>,
    dropped: Vec<(TableId, i64)>,
    pub(super) log: LogBuffer,
    pub(super) writer: LogWriter,
    complete: Vec<SegmentRef>,
    relocation: Option<Walk>,
    segments: Vec<SegmentRef>,
}

pub(super) struct Job {
    pub(super) storage: MemoryStorage,
    pub(super) manifest: Manifest,
    pub(super) shards: Vec<Shard>,
    pub(super) job: JobMeta,
    pub(super) epoch: Epoch,
    /// The shards that compact their logs.
    pub(super) compact: std::ops::Range<usize>,
}

pub(super) fn options(retained: usize) -> ManifestOptions {
    ManifestOptions { retained, store: 0xfeed_beef_1234_5678, rewrite_bytes: 2048 }
}

fn layout(table: u64) -> Layout {
    if table == NUMBERS.0 { NUMBER } else { Layout::Variable }
}

impl Job {
    /// Opens the store and restores its last commit onto so many shards.
    pub(super) fn open(storage: &MemoryStorage, shards: u16, segment_bytes: u32, retained: usize) -> io::Result<Self> {
        let dynamic: Arc<dyn yeoul_sys::Storage> = Arc::new(storage.clone());
        let (manifest, commit) = Manifest::open(Arc::clone(&dynamic), DIR, options(retained))?;
        Self::restore(storage, manifest, commit.as_ref(), shards, segment_bytes)
    }

    pub(super) fn restore(
        storage: &MemoryStorage,
        mut manifest: Manifest,
        commit: Option<&Commit>,
        shards: u16,
        segment_bytes: u32,
    ) -> io::Result<Self> {
        let dynamic: Arc<dyn yeoul_sys::Storage> = Arc::new(storage.clone());
        let job = JobMeta { key_groups: GROUPS, shards };
        let assigned = commit.map_or_else(Vec::new, |commit| commit.assign(shards));
        let mut all = Vec::new();
        for shard in (0..shards).map(ShardId) {
            let own = assigned.iter().find(|log| log.shard == shard).cloned();
            let own = own.unwrap_or(ShardLog { shard, segments: Vec::new() });
            let log = LogOptions { segment_bytes, ..manifest.log_options(shard, job) };
            let writer = manifest.writer_options(log, job, own.segments.clone());
            let mut shard = Shard {
                cells: Cells::new(),
                dirty: BTreeSet::new(),
                dropped: Vec::new(),
                log: LogBuffer::new(log),
                writer: LogWriter::new(Arc::clone(&dynamic), DIR, writer),
                complete: own.segments.clone(),
                relocation: None,
                segments: own.segments.clone(),
            };
            let Shard { cells, log, .. } = &mut shard;
            let mut replay = Replay::new(Arc::clone(&dynamic), DIR, &own, GROUPS);
            replay.run(log.liveness_mut(), &mut |block, owned, retired| apply(cells, block, owned, retired))?;
            all.push(shard);
        }
        manifest.remove_obsolete()?;
        let epoch = commit.map_or(Epoch(0), |commit| commit.epoch);
        Ok(Self { storage: storage.clone(), manifest, shards: all, job, epoch, compact: 0..usize::from(shards) })
    }

    pub(super) fn set(&mut self, table: TableId, namespace: i64, key: u64, value: Option<Vec<u8>>) {
        let owner = GROUPS.shard(GROUPS.of(hash_u64(key)), self.job.shards);
        let shard = &mut self.shards[usize::from(owner)];
        let at = (table.0, namespace, key);
        match value {
            Some(value) => {
                let cell = shard.cells.entry(at).or_insert((Vec::new(), LogAddress::NONE, 0));
                cell.0 = value;
            }
            None => {
                if let Some((_, old, bytes)) = shard.cells.remove(&at) {
                    shard.log.retire(old, bytes as usize);
                }
            }
        }
        shard.dirty.insert(at);
    }

    /// Takes a checkpoint: seals every shard's log, then commits.
    pub(super) fn checkpoint(&mut self, output: &[u8]) -> io::Result<Commit> {
        let epoch = self.epoch.next();
        let mut shards = Vec::new();
        for (index, shard) in self.shards.iter_mut().enumerate() {
            let id = ShardId(index as u16);
            shard.drain(epoch, id, output)?;
            shards.push(ShardLog { shard: id, segments: shard.segments.clone() });
        }
        let blobs = BTreeMap::from([("delivered".to_owned(), epoch.0.to_le_bytes().to_vec())]);
        let commit = Commit { epoch, job: self.job, watermark: Timestamp(epoch.0 as i64 * 1000), shards, blobs };
        self.manifest.append(&commit)?;
        self.epoch = epoch;
        self.manifest.remove_obsolete()?;
        for shard in &mut self.shards[self.compact.clone()] {
            shard.compact(&self.storage, epoch)?;
        }
        Ok(commit)
    }

    pub(super) fn state(&self) -> State {
        let mut all = State::new();
        for shard in &self.shards {
            for (at, (value, _, _)) in &shard.cells {
                assert!(all.insert(*at, value.clone()).is_none(), "two shards hold {at:?}");
            }
        }
        all
    }
}

impl Shard {
    fn drain(&mut self, epoch: Epoch, id: ShardId, output: &[u8]) -> io::Result<()> {
        self.log.begin(epoch);
        for (table, namespace) in std::mem::take(&mut self.dropped) {
            self.log.drop_namespace(table, namespace);
        }
        for (table, namespace, key) in std::mem::take(&mut self.dirty) {
            let put_key = |out: &mut Vec<u8>| out.extend_from_slice(&key.to_le_bytes());
            match self.cells.get_mut(&(table, namespace, key)) {
                Some((value, at, bytes)) => {
                    self.log.retire(*at, *bytes as usize);
                    *at = self
                        .log
                        .put(TableId(table), namespace, layout(table), put_key, |out| out.extend_from_slice(value));
                    *bytes = layout(table).record_bytes(8, value.len()) as u32;
                }
                None => self.log.delete(TableId(table), namespace, layout(table), put_key),
            }
        }
        self.log.operator_state(OPERATOR, "offsets", &[epoch.0 as u8, id.0 as u8]);
        if !output.is_empty() {
            self.log.sealed_output(OPERATOR, id, epoch, 0, output);
        }
        while let Some(chunk) = self.log.take_chunk() {
            self.writer.append(chunk)?;
        }
        self.writer.append(self.log.seal(epoch))?;
        let sealed = self.writer.seal()?;
        while let Some(spent) = self.writer.take_spent() {
            self.log.recycle(spent);
        }
        self.complete.extend(sealed.complete);
        self.segments = sealed.segments;
        Ok(())
    }

    /// Relocates one due segment, whole.
    fn compact(&mut self, storage: &MemoryStorage, delivered: Epoch) -> io::Result<()> {
        let Some(due) = self.log.liveness().due(delivered) else { return Ok(()) };
        let Some(of) = self.complete.iter().find(|of| of.segment == due) else { return Ok(()) };
        self.relocation = Some(Walk::new(Segment::open(storage, DIR, of)?));
        let relocation = self.relocation.as_mut().expect("set above");
        let (cells, dirty) = (&self.cells, &mut self.dirty);
        let mut visit = |block: &BlockView<'_>, _: &yeoul_sys::Region| {
            for record in block.records() {
                let at = (block.table().0, block.namespace(), key_of(record.key));
                if cells.get(&at).is_some_and(|cell| cell.1 == record.address) {
                    dirty.insert(at);
                }
            }
            Ok(())
        };
        while relocation.step(&mut visit)? {}
        self.log.relocated(due);
        self.complete.retain(|of| of.segment != due);
        Ok(())
    }

    /// Drops the shard's keys of a namespace.
    pub(super) fn drop_namespace(&mut self, table: TableId, namespace: i64) {
        self.dropped.push((table, namespace));
        self.cells.retain(|at, (_, address, bytes)| {
            let stays = (at.0, at.1) != (table.0, namespace);
            if !stays {
                self.log.retire(*address, *bytes as usize);
            }
            stays
        });
    }

    pub(super) fn oldest(&self) -> Option<SegmentId> {
        self.segments.first().map(|of| of.segment)
    }
}

fn key_of(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("keys have eight bytes"))
}

fn apply(
    cells: &mut Cells,
    block: &BlockView<'_>,
    owned: &dyn Fn(KeyHash) -> bool,
    retired: &mut dyn FnMut(LogAddress, usize),
) -> Result<(), Corrupt> {
    let (table, namespace) = (block.table().0, block.namespace());
    if block.kind() == BlockKind::DropNamespace {
        cells.retain(|at, _| (at.0, at.1) != (table, namespace) || !owned(hash_u64(at.2)));
        return Ok(());
    }
    for record in block.records() {
        let key = record.key.try_into().map(u64::from_le_bytes).map_err(|_| Corrupt::new("a key"))?;
        if !owned(hash_u64(key)) {
            retired(record.address, record.bytes as usize);
            continue;
        }
        let old = match block.kind() {
            BlockKind::Put => {
                cells.insert((table, namespace, key), (record.value.to_vec(), record.address, record.bytes))
            }
            _ => cells.remove(&(table, namespace, key)),
        };
        if let Some((_, at, bytes)) = old {
            retired(at, bytes as usize);
        }
    }
    Ok(())
}

/// What a commit holds beside keyed state.
pub(super) fn unkeyed(
    storage: &MemoryStorage,
    commit: &Commit,
    delivered: Epoch,
) -> io::Result<(Vec<Vec<u8>>, Vec<RestoredOutput>)> {
    let states = operator_states(storage, DIR, commit)?.into_iter().map(|state| state.bytes).collect();
    let mut epochs = SealedEpochs::open(storage, DIR, commit, OPERATOR, delivered)?;
    let (mut outputs, mut last) = (Vec::new(), delivered);
    while let Some((epoch, of)) = epochs.next_epoch()? {
        assert!(epoch > last && of.iter().all(|output| output.epoch == epoch));
        last = epoch;
        outputs.extend(of);
    }
    outputs.sort_by_key(|output| (output.subtask, output.epoch, output.sequence));
    Ok((states, outputs))
}

/// A small generator of repeatable choices (xorshift64*, S. Vigna, "An experimental exploration of Marsaglia's xorshift
/// generators, scrambled").
pub(super) struct Choices(pub(super) u64);

impl Choices {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

/// Changes some keys of both tables.
pub(super) fn churn(job: &mut Job, choices: &mut Choices, changes: u64, keys: u64) {
    for _ in 0..changes {
        let key = choices.below(keys);
        match choices.below(8) {
            0 => job.set(NUMBERS, 0, key, None),
            1 => job.set(TEXTS, -5, key, None),
            2..=4 => job.set(TEXTS, -5, key, Some(vec![b'a' + (key % 26) as u8; choices.below(40) as usize])),
            _ => {
                let value = choices.below(1 << 30).to_le_bytes().to_vec();
                job.set(NUMBERS, 0, key, Some(value));
            }
        }
    }
}
