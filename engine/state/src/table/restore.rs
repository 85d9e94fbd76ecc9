//! From the log back into the table, and from one segment of it to another: restore, migration, relocation, savepoints, eviction.

use yeoul_frame::{Epoch, KeyHash, TableId};
use yeoul_sys::Region;
use yeoul_sys::planted::{Bug, is_planted};

use super::Table;
use super::bucket::LANES;
use super::buckets::{Place, position};
use super::cold::WORTHWHILE;
use crate::key::Key;
use crate::log::{BlockKind, BlockView, Corrupt, Layout, LogAddress, LogBuffer};
use crate::migration::{Migrations, NotMigrated};
use crate::state_table::{Drained, StateTable, TableDescription};
use crate::stored::{Value, decode_all};

/// Values that one call of `cool` forgets: some tens of microseconds.
const COOLED: usize = 1024;

/// What a restored record did to a table, for indexes that are kept beside it.
pub(crate) enum Restored<'a, K> {
    Added(&'a K),
    Removed(&'a K),
}

impl<K: Key, V: Value> Table<K, V> {
    /// Makes room at once for about this many keys more.
    pub fn reserve(&mut self, keys: usize) {
        self.buckets.make_room(keys, &mut self.writes);
    }

    /// Applies a block of the log: see [`StateTable::restore`](crate::StateTable::restore).
    ///
    /// # Errors
    /// If a key or value does not decode, or the block's layout is not the table's.
    pub(crate) fn restore_each(
        &mut self,
        block: &BlockView<'_>,
        owned: &dyn Fn(KeyHash) -> bool,
        retired: &mut dyn FnMut(LogAddress, usize),
        mut restored: impl FnMut(Restored<'_, K>),
    ) -> Result<(), Corrupt> {
        if block.epoch() < self.since {
            block.retire(retired);
            return Ok(());
        }
        match block.kind() {
            BlockKind::Put => {
                self.check_layout(block)?;
                let (keys, hashes) = self.keys_of(block)?;
                let outlook = Outlook::of(&hashes);
                if self.buckets.taken() == 0 {
                    self.reserve(keys.len() + outlook.still_to_come(keys.len()));
                }
                let taken_before = self.buckets.taken();
                let mut records = block.records();
                let mut fault = None;
                let upgrade = self.upgrade.clone();
                self.ahead(&hashes, |table, i| {
                    let record = records.next().expect("a record for each key");
                    if !owned(keys[i].routing()) {
                        retired(record.address, record.bytes as usize);
                        return;
                    }
                    let value = match &upgrade {
                        None => decode_all::<V>(record.value),
                        Some(upgrade) => upgrade.value::<V>(record.value),
                    };
                    match value {
                        Ok(value) => {
                            if table.restore_one(&keys[i], hashes[i], value, record.address, retired) {
                                restored(Restored::Added(&keys[i]));
                            }
                            table.count(record.address, record.bytes as usize);
                        }
                        Err(error) => fault = Some(table.unreadable(error)),
                    }
                });
                self.reserve(outlook.still_to_come(self.buckets.taken() - taken_before));
                fault.map_or(Ok(()), Err)
            }
            BlockKind::Delete => {
                self.check_layout(block)?;
                let (keys, hashes) = self.keys_of(block)?;
                self.ahead(&hashes, |table, i| {
                    // A tombstone that another owner wrote says nothing of the key's later life here.
                    if !owned(keys[i].routing()) {
                        return;
                    }
                    let Some(at) = table.buckets.find(&keys[i], hashes[i]) else { return };
                    table.retire_at(at, retired);
                    let key = table.forget(at);
                    table.live -= 1;
                    restored(Restored::Removed(&key));
                });
                Ok(())
            }
            BlockKind::DropNamespace => {
                self.restore_drop(owned, retired, restored);
                Ok(())
            }
            other => Err(Corrupt::new(format!("a {other:?} block was given to the table {:?}", self.name))),
        }
    }

    /// For compaction: see [`StateTable::relocate`].
    ///
    /// # Errors
    /// If a key does not decode.
    pub fn relocate(&mut self, block: &BlockView<'_>) -> Result<usize, Corrupt> {
        if block.kind() != BlockKind::Put || block.epoch() < self.since || is_planted(Bug::CompactionDropsLive) {
            return Ok(0);
        }
        let (keys, hashes) = self.keys_of(block)?;
        let segment = block.address().segment();
        let before = self.writes.dirty();
        self.ahead(&hashes, |table, i| {
            let Some(at) = table.buckets.find(&keys[i], hashes[i]) else { return };
            let meta = &mut table.buckets.at(at.bucket).meta[at.lane];
            if meta.is_clean() && meta.is_live() && (table.replicated || meta.may_be_in(segment)) {
                table.writes.written(at.bucket, meta);
            }
        });
        Ok(self.writes.dirty() - before)
    }

    /// Replaces clean values whose records stand in this block by their places there, until about `target_bytes` are free. What is evicted
    /// already and was written anew by relocation is read from here from now on. Returns the bytes freed.
    ///
    /// # Errors
    /// If a key does not decode.
    pub fn evict(&mut self, block: &BlockView<'_>, segment: &Region, target_bytes: usize) -> Result<usize, Corrupt> {
        let evictable = V::SPILLS || V::WIDTH.is_none();
        if !evictable
            || block.kind() != BlockKind::Put
            || block.epoch() < self.since
            || block.layout() != Layout::Variable
        {
            return Ok(0);
        }
        let (keys, hashes) = self.keys_of(block)?;
        let mut records = block.records();
        let (mut freed, mut encoded) = (0, Vec::new());
        self.ahead(&hashes, |table, i| {
            let record = records.next().expect("a record for each key");
            let Some(at) = table.buckets.find(&keys[i], hashes[i]) else { return };
            let meta = table.buckets.at(at.bucket).meta[at.lane];
            if !meta.is_live() || !meta.is_clean() || !meta.may_be_in(block.address().segment()) {
                return;
            }
            if meta.is_evicted() {
                if table.cold.bytes(hashes[i]) == record.value {
                    table.cold.put(hashes[i], record.address, segment);
                }
                return;
            }
            if freed >= target_bytes {
                return;
            }
            let value = &mut table.buckets.at(at.bucket).values[at.lane];
            if V::SPILLS {
                let end = (record.address.offset() + record.bytes) as usize;
                freed += value.evict(segment.slice(end - record.value.len()..end));
                return;
            }
            let held = value.heap_bytes();
            if held <= WORTHWHILE || table.cold.has(hashes[i]) {
                return;
            }
            encoded.clear();
            value.encode(&mut encoded);
            // A segment may hold several records of a key: any will do that reads as the newest.
            if encoded == record.value {
                *value = V::vacant();
                table.buckets.at(at.bucket).meta[at.lane].set_evicted(true);
                table.cold.put(hashes[i], record.address, segment);
                freed += held - WORTHWHILE;
            }
        });
        Ok(freed)
    }

    /// Forgets some values that were read from the log since they were evicted. Returns the bytes freed.
    pub fn cool(&mut self) -> usize {
        self.cold.cool(COOLED)
    }

    /// Bytes that values hold which were read from the log since they were evicted.
    pub fn read_bytes(&self) -> usize {
        self.cold.read_bytes()
    }

    /// Readies the empty table for values of an earlier version, with or without the time to live that those of the present one have.
    pub(crate) fn upgrade_from(&mut self, saved: u32, since: Epoch, timed: bool) -> Result<(), NotMigrated> {
        self.since = since;
        let none = Migrations::default();
        self.upgrade = self.migrations.as_deref().unwrap_or(&none).from(saved, timed)?;
        Ok(())
    }

    /// All has been restored: what was migrated is to be written anew.
    pub(crate) fn restored(&mut self) {
        if self.upgrade.take().is_none() {
            return;
        }
        for bucket in 0..self.buckets.count() {
            for lane in 0..LANES {
                let meta = &mut self.buckets.at(bucket).meta[lane];
                if meta.is_live() && meta.is_clean() {
                    self.writes.written(bucket, meta);
                }
            }
        }
    }

    #[cold]
    fn unreadable(&self, error: Corrupt) -> Corrupt {
        let Corrupt { file, offset, what } = error;
        let (name, value) = (&self.name, std::any::type_name::<V>());
        let hint = "if the type has changed since, give the state a new version and a migration (StateDescriptor::migrate_from)";
        Corrupt {
            file,
            offset,
            what: format!("a value of the state {name:?} does not read as {value}: {what}; {hint}").into(),
        }
    }

    fn check_layout(&self, block: &BlockView<'_>) -> Result<(), Corrupt> {
        let layout = match &self.upgrade {
            None => self.layout,
            Some(upgrade) => Layout::of(K::WIDTH, upgrade.width),
        };
        let expected = match (layout, block.kind()) {
            (Layout::Fixed { key, .. }, BlockKind::Delete) => Layout::Fixed { key, value: 0 },
            (layout, _) => layout,
        };
        if block.layout() == expected {
            return Ok(());
        }
        let (name, found) = (&self.name, block.layout());
        Err(Corrupt::new(format!(
            "the state {name:?} was saved with records of {found:?} and is declared with {expected:?}; declare the types that it was saved with"
        )))
    }

    fn keys_of(&self, block: &BlockView<'_>) -> Result<(Vec<K>, Vec<KeyHash>), Corrupt> {
        let most = block.records().size_hint().1.unwrap_or(0);
        let (mut keys, mut hashes) = (Vec::with_capacity(most), Vec::with_capacity(most));
        for record in block.records() {
            let key = decode_all::<K>(record.key)?;
            hashes.push(key.hash());
            keys.push(key);
        }
        Ok((keys, hashes))
    }

    /// Returns whether the key is new.
    #[inline]
    fn restore_one(
        &mut self,
        key: &K,
        hash: KeyHash,
        value: V,
        address: LogAddress,
        retired: &mut dyn FnMut(LogAddress, usize),
    ) -> bool {
        let found = self.buckets.find(key, hash);
        let at = match found {
            Some(at) => {
                self.retire_at(at, retired);
                let here = self.buckets.at(at.bucket);
                here.values[at.lane] = value;
                if here.meta[at.lane].is_evicted() {
                    here.meta[at.lane].set_evicted(false);
                    self.cold.remove(hash);
                }
                at
            }
            None => {
                self.live += 1;
                self.buckets.insert(key.clone(), hash, value, &mut self.writes)
            }
        };
        self.buckets.at(at.bucket).meta[at.lane].set_logged(address);
        found.is_none()
    }

    fn retire_at(&mut self, at: Place, retired: &mut dyn FnMut(LogAddress, usize)) {
        if let Some(segment) = self.buckets.at(at.bucket).meta[at.lane].counted_in(self.newest) {
            let bytes = self.retired_bytes();
            retired(LogAddress::new(segment, 0), bytes);
        }
    }

    /// Takes an entry out of the table, with all that is kept of it.
    fn forget(&mut self, at: Place) -> K {
        let evicted = self.buckets.at(at.bucket).meta[at.lane].is_evicted();
        let (key, _) = self.buckets.vacate(at);
        if evicted {
            self.cold.remove(key.hash());
        }
        key
    }

    /// Forgets the keys that the writer of a dropped namespace owned.
    fn restore_drop(
        &mut self,
        owned: &dyn Fn(KeyHash) -> bool,
        retired: &mut dyn FnMut(LogAddress, usize),
        mut restored: impl FnMut(Restored<'_, K>),
    ) {
        for bucket in 0..self.buckets.count() {
            for lane in 0..LANES {
                let here = self.buckets.at(bucket);
                if here.meta[lane].is_live() && owned(here.keys[lane].routing()) {
                    let at = Place { bucket, lane };
                    self.retire_at(at, retired);
                    let key = self.forget(at);
                    self.live -= 1;
                    restored(Restored::Removed(&key));
                }
            }
        }
    }

    /// Makes the walk of [`Self::retire_some`] begin at the beginning.
    pub(crate) fn rewind(&mut self) {
        self.sweep = 0;
    }

    /// Counts the logged records of some buckets as dead and forgets them, going on where the last call ended.
    /// Returns whether there may be more. For a table whose namespace was dropped.
    pub(crate) fn retire_some(&mut self, buckets: usize, log: &mut LogBuffer) -> bool {
        let end = self.buckets.count().min(self.sweep.saturating_add(buckets));
        while self.sweep < end {
            for lane in 0..LANES {
                if self.buckets.at(self.sweep).meta[lane].is_logged() {
                    self.retire_at(Place { bucket: self.sweep, lane }, &mut |at, bytes| log.retire(at, bytes));
                }
            }
            self.sweep += 1;
        }
        end < self.buckets.count()
    }
}

/// What a block says of those behind it. A snapshot is drained in the order of the table, and hashes are spread evenly; so keys
/// that fill a part of the order, from its start or from where the block before ended, will fill the rest as densely.
struct Outlook {
    /// Of the order, how much the block covers, and how much lies behind it.
    covered: u64,
    behind: u64,
}

impl Outlook {
    fn of(hashes: &[KeyHash]) -> Self {
        let positions = || hashes.iter().map(|hash| position(*hash));
        let (first, last) = (positions().min().unwrap_or(0), positions().max().unwrap_or(u64::MAX));
        Self { covered: last - first, behind: u64::MAX - last }
    }

    /// How many new keys to expect behind a block that brought `new` of them. Too few say nothing, and none are believed beyond a
    /// multiple: keys may have been chosen so that their hashes lie close together.
    fn still_to_come(&self, new: usize) -> usize {
        const TELLING: usize = 64;
        const MOST: u128 = 4096;
        if new < TELLING || self.covered == 0 {
            return 0;
        }
        let new = new as u128;
        (new * u128::from(self.behind) / u128::from(self.covered)).min(new * MOST) as usize
    }
}

impl<K: Key, V: Value> StateTable for Table<K, V> {
    fn id(&self) -> TableId {
        self.id
    }

    fn describe(&self) -> TableDescription {
        TableDescription {
            id: self.id,
            name: self.name.clone(),
            layout: self.layout,
            types: (std::any::type_name::<K>(), std::any::type_name::<V>()),
            version: self.migrations.as_ref().map_or(0, |migrations| migrations.version()),
        }
    }

    fn freeze(&mut self) {
        Table::freeze(self);
    }

    fn migrate(&mut self, saved: u32, since: Epoch) -> Result<(), NotMigrated> {
        self.upgrade_from(saved, since, false)
    }

    fn restored(&mut self) {
        Table::restored(self);
    }

    fn as_any(&mut self) -> Option<&mut dyn std::any::Any> {
        Some(self)
    }

    fn drain(&mut self, max_records: usize, log: &mut LogBuffer) -> Drained {
        Table::drain(self, max_records, log)
    }

    fn restore(
        &mut self,
        block: &BlockView<'_>,
        owned: &dyn Fn(KeyHash) -> bool,
        retired: &mut dyn FnMut(LogAddress, usize),
    ) -> Result<(), Corrupt> {
        self.restore_each(block, owned, retired, |_| ())
    }

    fn relocate(&mut self, block: &BlockView<'_>) -> Result<usize, Corrupt> {
        Table::relocate(self, block)
    }

    fn evict(&mut self, block: &BlockView<'_>, segment: &Region, target_bytes: usize) -> Result<usize, Corrupt> {
        Table::evict(self, block, segment, target_bytes)
    }

    fn cool(&mut self) -> usize {
        Table::cool(self)
    }

    fn read_bytes(&self) -> usize {
        Table::read_bytes(self)
    }

    fn memory_bytes(&self) -> usize {
        Table::memory_bytes(self)
    }

    fn len(&self) -> usize {
        Table::len(self)
    }

    fn dirty(&self) -> usize {
        Table::dirty(self)
    }
}
