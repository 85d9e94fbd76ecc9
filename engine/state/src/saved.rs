//! Saved state, opened to be read: a savepoint, or the store of a job that nobody runs.
//!
//! Knows what the catalog says and gives tables what was saved of them, a range of key groups at a time, so that who reads needs memory for a
//! part of the state only. What is read is what a job would be given; nothing is written but the store's `LOCK`.
//!
//! Invariants:
//! 1. A store is locked as long as it is read: its segments are those of its last commit.
//! 2. A table that does not fit what was saved is refused by names before any of it is read.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use yeoul_frame::{KeyHash, OperatorId, TableId, hash_bytes};
use yeoul_sys::Storage;

use crate::catalog::{Catalog, Misfit, TableEntry};
use crate::commit::Commit;
use crate::entry::decode_manifest;
use crate::log::segment::{named, path_in};
use crate::log::{BlockCursor, BlockKind, BlockView, LogAddress, Segment, SegmentId, SegmentRef};
use crate::manifest::{MANIFEST, StoreLock, read_file};
use crate::recovery::{RestoredState, operator_states, replay};
use crate::savepoint::{SAVEPOINT, read_savepoint};
use crate::state_table::StateTable;

/// Why saved state cannot be read.
#[derive(Debug)]
pub enum SavedError {
    /// A table does not fit what was saved.
    Misfit(Misfit),
    /// A file cannot be read, or is not as it was written.
    Io(io::Error),
}

impl fmt::Display for SavedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misfit(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SavedError {}

impl From<io::Error> for SavedError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Misfit> for SavedError {
    fn from(error: Misfit) -> Self {
        Self::Misfit(error)
    }
}

/// A savepoint or a store, to read.
///
/// ```no_run
/// use std::path::PathBuf;
/// use std::sync::Arc;
/// use yeoul_state::SavedState;
/// use yeoul_sys::DiskStorage;
///
/// let folder = DiskStorage::existing(PathBuf::from("savepoints/flights"))?;
/// let saved = SavedState::open(Arc::new(folder), "")?;
/// for (table, entry) in &saved.catalog().tables {
///     println!("{}: {:?}", entry.name, saved.count_entries()?.get(table));
/// }
/// # Ok::<_, std::io::Error>(())
/// ```
pub struct SavedState {
    storage: Arc<dyn Storage>,
    dir: String,
    commit: Commit,
    catalog: Catalog,
    states: Vec<RestoredState>,
    /// Of a store.
    _lock: Option<StoreLock>,
}

impl SavedState {
    /// Opens the savepoint or the store in a folder.
    ///
    /// # Errors
    /// If the folder holds neither, a job uses the store or has committed nothing yet, or what it holds is damaged.
    pub fn open(storage: Arc<dyn Storage>, dir: &str) -> io::Result<Self> {
        let entries = storage.list(dir).map_err(|error| named(dir, "cannot be listed", &error))?;
        let has = |name: &str| entries.iter().any(|entry| entry.name == name);
        let (commit, lock) = if has(SAVEPOINT) {
            (read_savepoint(&*storage, dir)?, None)
        } else if has(MANIFEST) {
            let lock = StoreLock::take(&*storage, dir)?;
            (last_commit(&*storage, dir)?, Some(lock))
        } else {
            let message = format!(
                "{dir:?} holds neither a file {SAVEPOINT} nor a file {MANIFEST}; give the folder of a savepoint that is complete, or of a job's store"
            );
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        };
        let catalog = Catalog::decode(&commit.blobs)?;
        let states = operator_states(&*storage, dir, &commit)?;
        Ok(Self { storage, dir: dir.to_owned(), commit, catalog, states, _lock: lock })
    }

    /// The commit that is read.
    #[must_use]
    pub fn commit(&self) -> &Commit {
        &self.commit
    }

    /// Its operators and tables.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// What operators noted beside their tables, in the order of subtasks.
    #[must_use]
    pub fn operator_states(&self) -> &[RestoredState] {
        &self.states
    }

    pub(crate) fn place(&self) -> (&dyn Storage, &str) {
        (&*self.storage, &self.dir)
    }

    /// Gives an operator's tables, which are empty, what was saved of them: the keys whose groups fall to part `part` of `parts`.
    ///
    /// # Errors
    /// If a table was saved with other types and there is no migration, or a file is damaged.
    ///
    /// # Panics
    /// If `part` is not below `parts`.
    pub fn restore(
        &self,
        operator: OperatorId,
        (part, parts): (u16, u16),
        tables: &mut [&mut dyn StateTable],
    ) -> Result<(), SavedError> {
        let declared: BTreeMap<TableId, TableEntry> =
            tables.iter().map(|table| (table.id(), TableEntry::of(operator, &**table))).collect();
        self.catalog.check(&declared)?;
        for table in tables.iter_mut() {
            self.catalog.migrate(operator, &mut **table, self.commit.epoch)?;
        }
        let places: HashMap<TableId, usize> = tables.iter().enumerate().map(|(at, table)| (table.id(), at)).collect();
        let log = &self.commit.assign(parts)[usize::from(part)];
        let visit = &mut |block: &BlockView<'_>,
                          owned: &dyn Fn(KeyHash) -> bool,
                          retired: &mut dyn FnMut(LogAddress, usize)| {
            match places.get(&block.table()) {
                Some(&at) => tables[at].restore(block, owned, retired),
                None => Ok(()),
            }
        };
        replay(&self.storage, &self.dir, log, self.commit.job.key_groups, visit)?;
        tables.iter_mut().for_each(|table| table.restored());
        Ok(())
    }

    /// How many entries each table has, without knowing their types. Reads the whole log. A few too many if the job's parallelism was changed
    /// after keys were removed: which parts of an old segment still count is known by a key's type only.
    ///
    /// # Errors
    /// If a file is damaged.
    pub fn count_entries(&self) -> io::Result<BTreeMap<TableId, u64>> {
        let mut listed: BTreeMap<SegmentId, (&SegmentRef, Range<u16>)> = BTreeMap::new();
        for of in self.commit.shards.iter().flat_map(|log| &log.segments) {
            // Whoever wrote it had all the groups for which it is listed.
            let (_, groups) = listed.entry(of.segment).or_insert_with(|| (of, of.groups.clone()));
            *groups = groups.start.min(of.groups.start)..groups.end.max(of.groups.end);
        }
        // Of a key its hash is kept: whoever counts wants to know how many, not which. They are kept by the groups of who wrote them: a drop
        // is of the keys of these groups only.
        let mut live: HashMap<(TableId, i64), Vec<(Range<u16>, HashSet<u64>)>> = HashMap::new();
        for (of, groups) in listed.values() {
            let segment = Segment::open(&*self.storage, &self.dir, of)?;
            let mut at = BlockCursor::default();
            while let Some(block) = segment.next_block(&mut at)? {
                let since = self.catalog.tables.get(&block.table()).map(|entry| entry.since);
                if !block.kind().is_keyed() || since.is_none_or(|since| block.epoch() < since) {
                    continue;
                }
                let writers = live.entry((block.table(), block.namespace())).or_default();
                let hashes = || block.records().map(|record| hash_bytes(record.key).0);
                if !matches!(block.kind(), BlockKind::Put | BlockKind::Delete) {
                    writers.retain(|(of, _)| of.start < groups.start || of.end > groups.end);
                    continue;
                }
                // Who had the keys before.
                let others = writers.iter_mut().filter(|(of, _)| of.start < groups.end && groups.start < of.end);
                others.for_each(|(_, keys)| hashes().for_each(|key| _ = keys.remove(&key)));
                if block.kind() == BlockKind::Put {
                    match writers.iter_mut().find(|(of, _)| of == groups) {
                        Some((_, keys)) => keys.extend(hashes()),
                        None => writers.push((groups.clone(), hashes().collect())),
                    }
                }
            }
        }
        let mut counts: BTreeMap<TableId, u64> = self.catalog.tables.keys().map(|id| (*id, 0)).collect();
        for ((table, _), writers) in live {
            *counts.entry(table).or_default() += writers.iter().map(|(_, keys)| keys.len() as u64).sum::<u64>();
        }
        Ok(counts)
    }
}

/// The last commit of a store, which is locked.
fn last_commit(storage: &dyn Storage, dir: &str) -> io::Result<Commit> {
    let path = path_in(dir, MANIFEST);
    let bytes = read_file(storage, &path).map_err(|error| named(&path, "cannot be read", &error))?;
    decode_manifest(&bytes, &path, 1)?.commits.pop_back().ok_or_else(|| {
        let message =
            format!("the store in {dir:?} holds no checkpoint yet; let its job make one, or read a savepoint");
        io::Error::new(io::ErrorKind::NotFound, message)
    })
}
