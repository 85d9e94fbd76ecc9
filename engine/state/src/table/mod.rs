//! A keyed table: finds a key's value in one memory miss, and knows what was written since the last barrier.
//!
//! Holds the values of one state (and one namespace) of the keys that one shard owns. A frame's keys are looked up
//! together ([`Table::upsert_batch`]), so that their misses overlap. Does no I/O: what is drained goes to a
//! [`LogBuffer`](crate::log::LogBuffer).
//!
//! Invariants:
//! 1. The log up to a barrier, with what was frozen at it, replays to the table as it was at that barrier.
//! 2. The first write to an entry after a barrier marks it; a write that meets a frozen, undrained entry encodes that first.
//! 3. A removed key keeps its entry, marked deleted, until its tombstone is in the log; a key that the log has never seen
//!    leaves no trace.
//! 4. An evicted value is read as any other, and comes back into its slot when it is written. What is read from the log stays in memory
//!    until the next eviction.
//! 5. No call takes time in proportion to the table, but those that walk it by name (`iter`), and `restored` after a migration.

mod batch;
mod bucket;
mod buckets;
mod cold;
mod dirty;
mod meta;
mod pending;
mod restore;
mod scan;
mod snapshot;
#[cfg(test)]
mod tests;
mod writes;

use std::sync::Arc;

use yeoul_frame::{Epoch, KeyHash, TableId};

use crate::key::Key;
use crate::log::{Layout, SegmentId};
use crate::migration::{Migrations, Upgrade};
use crate::stored::Value;
use buckets::{Buckets, Place};
use cold::Cold;
use meta::{Meta, Parity};
use pending::Pending;
use writes::Writes;

pub(crate) use restore::Restored;
pub use scan::Cursor;

/// A hash table whose changes are drained to the state log.
///
/// Keys come with their [hash](Key::hash), which the exchange has already computed.
///
/// ```
/// use yeoul_frame::TableId;
/// use yeoul_state::{Key, Table};
///
/// let mut counts = Table::<u64, u64>::new(TableId(1), "counts");
/// for key in [7, 8, 7_u64] {
///     *counts.upsert(&key, key.hash(), || 0) += 1;
/// }
/// assert_eq!(counts.get(&7, 7_u64.hash()), Some(&2));
/// assert_eq!(counts.remove(&8, 8_u64.hash()), Some(1));
/// assert_eq!(counts.len(), 1);
/// ```
pub struct Table<K, V> {
    id: TableId,
    name: String,
    namespace: i64,
    layout: Layout,
    buckets: Buckets<K, V>,
    writes: Writes,
    pending: Pending,
    cold: Cold<V>,
    live: usize,
    /// The newest segment that holds a record of this table.
    newest: SegmentId,
    /// Records of this table in the log that count as live, and their bytes, for the mean of variable widths.
    logged: (u64, u64),
    sweep: usize,
    /// Every shard logs all keys, so a key's newest record may stand in several segments.
    replicated: bool,
    /// What makes the values of earlier versions, if there were any.
    migrations: Option<Box<Migrations>>,
    /// While values of an earlier version are restored: what makes them.
    upgrade: Option<Arc<Upgrade>>,
    /// Bytes that whoever has the table holds beside it.
    beside: usize,
    /// Blocks of earlier epochs mean nothing.
    since: Epoch,
}

impl<K: Key, V: Value> Table<K, V> {
    /// An empty table in namespace 0. `id` names it across restarts, `name` in messages and the catalog.
    #[must_use]
    pub fn new(id: TableId, name: &str) -> Self {
        let mut writes = Writes::new();
        Self {
            id,
            name: name.to_owned(),
            namespace: 0,
            layout: Layout::of(K::WIDTH, V::WIDTH),
            buckets: Buckets::new(&mut writes),
            writes,
            pending: Pending::default(),
            cold: Cold::default(),
            live: 0,
            newest: SegmentId(0),
            logged: (0, 0),
            sweep: 0,
            replicated: false,
            migrations: None,
            upgrade: None,
            beside: 0,
            since: Epoch(0),
        }
    }

    /// The same table, for keys that every shard has and logs.
    #[must_use]
    pub(crate) fn replicated(mut self) -> Self {
        self.replicated = true;
        self
    }

    /// The same table, of values of which there were earlier versions.
    #[must_use]
    pub(crate) fn migrated_by(mut self, migrations: &Migrations) -> Self {
        self.migrations = (*migrations != Migrations::default()).then(|| Box::new(migrations.clone()));
        self
    }

    /// The same table, for the records of another namespace.
    #[must_use]
    pub fn with_namespace(mut self, namespace: i64) -> Self {
        debug_assert!(self.buckets.taken() == 0, "a namespace is chosen before the first write");
        self.namespace = namespace;
        self
    }

    /// The value of a key.
    #[must_use]
    #[inline]
    pub fn get(&self, key: &K, hash: KeyHash) -> Option<&V> {
        let Place { bucket, lane } = self.buckets.find(key, hash)?;
        let here = &self.buckets.as_slice()[bucket];
        if here.meta[lane].is_at_hand() { Some(&here.values[lane]) } else { self.away(here.meta[lane], hash) }
    }

    /// The value of a key, to change; counts as a write.
    #[must_use]
    #[inline]
    pub fn get_mut(&mut self, key: &K, hash: KeyHash) -> Option<&mut V> {
        let at = self.buckets.find(key, hash)?;
        let meta = self.buckets.at(at.bucket).meta[at.lane];
        if !meta.is_at_hand() {
            if meta.is_deleted() {
                return None;
            }
            self.bring_back(at, hash);
        }
        self.touch(at);
        Some(&mut self.buckets.at(at.bucket).values[at.lane])
    }

    /// Whether the key has a value.
    #[must_use]
    #[inline]
    pub fn contains(&self, key: &K, hash: KeyHash) -> bool {
        self.get(key, hash).is_some()
    }

    /// The value of a key, to change; if there is none, it starts as `default()`.
    #[inline]
    pub fn upsert(&mut self, key: &K, hash: KeyHash, default: impl FnOnce() -> V) -> &mut V {
        let at = match self.buckets.find(key, hash) {
            Some(at) => {
                let meta = &mut self.buckets.at(at.bucket).meta[at.lane];
                if meta.is_clean_at_hand() {
                    self.writes.written(at.bucket, meta);
                } else if !meta.is_live_in(self.writes.parity()) {
                    self.reclaim(at, hash, default);
                }
                at
            }
            None => self.insert(key, hash, default()),
        };
        &mut self.buckets.at(at.bucket).values[at.lane]
    }

    /// Sets the value of a key; returns the one before.
    pub fn set(&mut self, key: &K, hash: KeyHash, value: V) -> Option<V> {
        match self.buckets.find(key, hash) {
            Some(at) => {
                if self.buckets.at(at.bucket).meta[at.lane].is_evicted() {
                    self.bring_back(at, hash);
                }
                self.touch(at);
                let here = self.buckets.at(at.bucket);
                if here.meta[at.lane].is_deleted() {
                    self.revive(at, value);
                    return None;
                }
                Some(std::mem::replace(&mut here.values[at.lane], value))
            }
            None => {
                self.insert(key, hash, value);
                None
            }
        }
    }

    /// Removes a key; returns its value.
    pub fn remove(&mut self, key: &K, hash: KeyHash) -> Option<V> {
        let at = self.buckets.find(key, hash)?;
        if self.buckets.at(at.bucket).meta[at.lane].is_deleted() {
            return None;
        }
        Some(self.remove_at(at, hash))
    }

    fn remove_at(&mut self, at: Place, hash: KeyHash) -> V {
        if self.buckets.at(at.bucket).meta[at.lane].is_evicted() {
            self.bring_back(at, hash);
        }
        self.touch(at);
        self.live -= 1;
        let here = self.buckets.at(at.bucket);
        let meta = &mut here.meta[at.lane];
        if meta.is_logged() {
            meta.set_deleted(true);
            return std::mem::replace(&mut here.values[at.lane], V::vacant());
        }
        self.writes.forgotten();
        self.buckets.vacate(at).1
    }

    /// All keys, in the order of the hash (which an insertion may change). Walks the whole table, but reads no value.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        let all = self.buckets.as_slice().iter().flat_map(|here| here.meta.iter().zip(&here.keys));
        all.filter(|(meta, _)| meta.is_live()).map(|(_, key)| key)
    }

    /// All keys and values, in the order of the hash (which an insertion may change). Walks the whole table.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.buckets.as_slice().iter().flat_map(|here| {
            let live = here.meta.iter().zip(here.keys.iter().zip(&here.values));
            live.filter(|(meta, _)| meta.is_live())
                .map(|(meta, (key, value))| (key, if meta.is_evicted() { self.cold.read(key.hash()) } else { value }))
        })
    }

    /// Removes what `expired` says, looking at a few buckets at a time: `buckets` of them, going on where the last call
    /// ended. Returns how many were removed.
    pub fn sweep(&mut self, buckets: usize, mut expired: impl FnMut(&K, &V) -> bool) -> usize {
        let mut removed = 0;
        for _ in 0..buckets.min(self.buckets.count()) {
            self.sweep = if self.sweep + 1 < self.buckets.count() { self.sweep + 1 } else { 0 };
            for lane in 0..bucket::LANES {
                let here = &self.buckets.as_slice()[self.sweep];
                let (meta, key) = (here.meta[lane], &here.keys[lane]);
                let gone = meta.is_live()
                    && if meta.is_evicted() {
                        expired(key, &self.cold.decode(key.hash()))
                    } else {
                        expired(key, &here.values[lane])
                    };
                if gone {
                    let hash = key.hash();
                    self.remove_at(Place { bucket: self.sweep, lane }, hash);
                    removed += 1;
                }
            }
        }
        removed
    }

    /// How many keys have a value.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether no key has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Counts so many bytes as held with the table: of what is made of its keys and is no state, but takes memory like it.
    ///
    /// ```
    /// use yeoul_frame::TableId;
    /// use yeoul_state::Table;
    ///
    /// let mut table = Table::<u64, u64>::new(TableId(1), "counts");
    /// let before = table.memory_bytes();
    /// table.count_beside(1_000);
    /// assert_eq!(table.memory_bytes(), before + 1_000);
    /// ```
    pub fn count_beside(&mut self, bytes: usize) {
        self.beside = bytes;
    }

    /// Bytes of memory held: buckets, bitmaps, and for types that hold memory outside their slot, that too: counted in a small table,
    /// estimated by a sample in a large one, so that it takes a bounded time.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        const SAMPLED: usize = 256;
        let fixed = self.beside
            + self.buckets.memory_bytes()
            + self.writes.memory_bytes()
            + self.pending.memory_bytes()
            + self.cold.memory_bytes();
        if K::WIDTH.is_some() && V::WIDTH.is_some() {
            return fixed;
        }
        let stride = self.buckets.count().div_ceil(SAMPLED).max(1);
        let (mut seen, mut heap) = (0, 0);
        for here in self.buckets.as_slice().iter().step_by(stride) {
            for lane in (0..bucket::LANES).filter(|lane| here.meta[*lane].is_live()) {
                seen += 1;
                heap += here.keys[lane].heap_bytes() + here.values[lane].heap_bytes();
            }
        }
        let whole = if stride == 1 { heap } else { (heap as u128 * self.live as u128 / seen.max(1) as u128) as usize };
        fixed + whole
    }

    /// Marks an entry as written in this epoch.
    #[inline]
    fn touch(&mut self, at: Place) {
        let parity: Parity = self.writes.parity();
        let meta = &mut self.buckets.at(at.bucket).meta[at.lane];
        if meta.written_in(parity) {
            return;
        }
        if meta.is_clean() {
            self.writes.written(at.bucket, meta);
        } else {
            self.write_over_frozen(at);
        }
    }

    #[cold]
    fn insert(&mut self, key: &K, hash: KeyHash, value: V) -> Place {
        let at = self.buckets.insert(key.clone(), hash, value, &mut self.writes);
        self.writes.written(at.bucket, &mut self.buckets.at(at.bucket).meta[at.lane]);
        self.live += 1;
        at
    }

    /// The value of an entry whose slot does not hold it.
    #[cold]
    fn away(&self, meta: Meta, hash: KeyHash) -> Option<&V> {
        if meta.is_deleted() { None } else { Some(self.cold.read(hash)) }
    }

    /// Puts an evicted value into its slot again. Changes nothing that a snapshot would hold.
    #[cold]
    fn bring_back(&mut self, at: Place, hash: KeyHash) {
        let value = self.cold.take(hash);
        let here = self.buckets.at(at.bucket);
        here.values[at.lane] = value;
        here.meta[at.lane].set_evicted(false);
    }

    /// Readies an entry that is evicted, frozen or deleted.
    #[cold]
    fn reclaim(&mut self, at: Place, hash: KeyHash, default: impl FnOnce() -> V) {
        if self.buckets.at(at.bucket).meta[at.lane].is_evicted() {
            self.bring_back(at, hash);
        }
        self.touch(at);
        if self.buckets.at(at.bucket).meta[at.lane].is_deleted() {
            self.revive(at, default());
        }
    }

    #[cold]
    fn revive(&mut self, at: Place, value: V) {
        let here = self.buckets.at(at.bucket);
        here.meta[at.lane].set_deleted(false);
        here.values[at.lane] = value;
        self.live += 1;
    }
}
