//! The rows of partitions, in order: each a record of its own.
//!
//! A row's record is named by its partition, its sort key and a number that tells it from its equals. What is written or taken away is one
//! record, so neither a row nor a checkpoint costs what its partition is large. Each partition's rows stand in order in memory too, and
//! by name where they are replaced or taken back: that is not saved, but built up before the first frame after a restore.
//!
//! Invariants:
//! 1. Rows are sorted by their sort keys; among equals, by number, a new row having the greatest.
//! 2. A partition has the rows of the table, and there is none without rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hasher;
use std::sync::Arc;

use yeoul_frame::{KeyHash, OperatorId, hash_bytes};
use yeoul_state::log::Corrupt;
use yeoul_state::{Compound, KeyBytes, StateTable, Stored, Table};

use crate::key::ColumnKey;

/// Bytes of the number behind a sort key.
const NUMBER: usize = 8;

/// A row, its event time, and what it is replaced by (empty: nothing).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RankedRow {
    pub(super) time: i64,
    pub(super) id: KeyBytes,
    pub(super) row: Arc<[u8]>,
}

impl Stored for RankedRow {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self { time: 0, id: KeyBytes::vacant(), row: Arc::default() }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.time.encode(out);
        self.id.encode(out);
        out.extend_from_slice(&self.row);
    }

    /// Takes all the bytes.
    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let (time, id) = (i64::decode(bytes)?, KeyBytes::decode(bytes)?);
        Ok(Self { time, id, row: std::mem::take(bytes).into() })
    }

    fn heap_bytes(&self) -> usize {
        self.id.heap_bytes() + self.row.len() + 16
    }
}

/// How rows are found to be replaced or taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FoundBy {
    /// They are not.
    Nothing,
    /// By their ids, which are one row's each.
    Id,
    /// By all of their values.
    Row,
}

/// A partition's key, with the hash that the exchange has computed.
#[derive(PartialEq, Eq)]
struct Named<K>(K, KeyHash);

impl<K: Eq> std::hash::Hash for Named<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.1.0);
    }
}

/// A partition's rows in memory.
#[derive(Debug, Default)]
struct Partition {
    rows: BTreeMap<KeyBytes, RankedRow>,
    /// Hashes of what rows are found by, with where they are.
    found: BTreeSet<(u64, KeyBytes)>,
    /// Above the numbers of all rows.
    next: u64,
}

impl FoundBy {
    fn hash(self, row: &RankedRow) -> Option<u64> {
        match self {
            Self::Nothing => None,
            Self::Id => Some(hash_bytes(row.id.as_bytes()).0),
            Self::Row => Some(hash_bytes(&row.row).0),
        }
    }
}

impl Partition {
    fn add(&mut self, place: KeyBytes, row: RankedRow, by: FoundBy) {
        self.found.extend(by.hash(&row).map(|hash| (hash, place.clone())));
        let number = place.as_bytes().last_chunk::<NUMBER>().map_or(0, |number| u64::from_be_bytes(*number));
        self.next = self.next.max(number + 1);
        self.rows.insert(place, row);
    }
}

/// The rows of an operator's partitions.
pub(super) struct Ranks<K> {
    rows: Table<Compound<K, KeyBytes>, RankedRow>,
    /// When a partition was last written, with a time to live.
    written: Option<(Table<K, i64>, i64)>,
    by: FoundBy,
    partitions: HashMap<Named<K>, Partition>,
    is_restored: bool,
}

impl<K: ColumnKey> Ranks<K> {
    pub(super) fn new(operator: OperatorId, ttl: Option<i64>, by: FoundBy) -> Self {
        let table = |name: &str| operator.table(name);
        Self {
            rows: Table::new(table("ranked"), "ranked"),
            written: ttl.map(|ttl| (Table::new(table("ranked written"), "ranked written"), ttl)),
            by,
            partitions: HashMap::new(),
            is_restored: false,
        }
    }

    /// Puts the rows of a restored table in order, once.
    pub(super) fn build(&mut self) {
        if !std::mem::replace(&mut self.is_restored, true) {
            for (place, row) in self.rows.iter() {
                let name = Named(place.key.clone(), place.key.hash());
                let partition = self.partitions.entry(name).or_default();
                partition.add(place.sub.clone(), row.clone(), self.by);
            }
        }
    }

    fn is_over(&self, key: &K, hash: KeyHash, now: i64) -> bool {
        self.written.as_ref().is_some_and(|(written, ttl)| {
            written.get(key, hash).is_some_and(|written| written.saturating_add(*ttl) <= now)
        })
    }

    /// The sort key of the last row of a partition that has `full` rows.
    pub(super) fn last_of_full(&self, key: &K, hash: KeyHash, full: usize, now: i64) -> Option<&[u8]> {
        let partition =
            self.partitions.get(&Named(key.clone(), hash)).filter(|partition| partition.rows.len() >= full)?;
        let (place, _) = partition.rows.last_key_value().filter(|_| !self.is_over(key, hash, now))?;
        Some(sort_of(place))
    }

    /// A partition, to be written. One whose life is over begins anew.
    pub(super) fn open<'r>(&'r mut self, key: &'r K, hash: KeyHash, now: i64) -> Opened<'r, K> {
        if self.is_over(key, hash, now) {
            self.forget(key, hash);
        }
        if let Some((written, _)) = &mut self.written {
            written.set(key, hash, now);
        }
        let partition = self.partitions.entry(Named(key.clone(), hash)).or_default();
        Opened { partition, table: &mut self.rows, key, hash, by: self.by }
    }

    /// Forgets a partition that has no rows.
    pub(super) fn close(&mut self, key: &K, hash: KeyHash) {
        if self.partitions.get(&Named(key.clone(), hash)).is_some_and(|partition| partition.rows.is_empty()) {
            self.forget(key, hash);
        }
    }

    fn forget(&mut self, key: &K, hash: KeyHash) {
        let partition = self.partitions.remove(&Named(key.clone(), hash));
        for place in partition.into_iter().flat_map(|partition| partition.rows.into_keys()) {
            let hash = Compound::<K, KeyBytes>::hash_of(hash, &place);
            self.rows.remove(&Compound { key: key.clone(), sub: place }, hash);
        }
        if let Some((written, _)) = &mut self.written {
            written.remove(key, hash);
        }
    }

    /// Forgets partitions whose life is over, a few at a time.
    pub(super) fn sweep(&mut self, buckets: usize, now: i64) {
        let Some((written, ttl)) = &mut self.written else { return };
        let mut over: Vec<K> = Vec::new();
        written.sweep(buckets, |key, written| {
            let is_over = written.saturating_add(*ttl) <= now;
            over.extend(is_over.then(|| key.clone()));
            is_over
        });
        over.iter().for_each(|key| self.forget(key, key.hash()));
    }

    pub(super) fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        visit(&mut self.rows);
        if let Some((written, _)) = &mut self.written {
            visit(written);
        }
    }
}

/// The sort key of a place.
fn sort_of(place: &KeyBytes) -> &[u8] {
    let bytes = place.as_bytes();
    &bytes[..bytes.len() - NUMBER]
}

/// A partition to write to.
pub(super) struct Opened<'r, K> {
    partition: &'r mut Partition,
    table: &'r mut Table<Compound<K, KeyBytes>, RankedRow>,
    key: &'r K,
    hash: KeyHash,
    by: FoundBy,
}

impl<K: ColumnKey> Opened<'_, K> {
    pub(super) fn len(&self) -> usize {
        self.partition.rows.len()
    }

    /// The first rows, in order.
    pub(super) fn first(&self, rows: usize) -> Vec<RankedRow> {
        self.partition.rows.values().take(rows).cloned().collect()
    }

    /// The sort key of the last row.
    pub(super) fn last(&self) -> Option<&[u8]> {
        self.partition.rows.last_key_value().map(|(place, _)| sort_of(place))
    }

    fn record(&self, place: &KeyBytes) -> (Compound<K, KeyBytes>, KeyHash) {
        let hash = Compound::<K, KeyBytes>::hash_of(self.hash, place);
        (Compound { key: self.key.clone(), sub: place.clone() }, hash)
    }

    /// Puts a row behind its equals. Returns where that is.
    pub(super) fn insert(&mut self, sort: &[u8], row: RankedRow) -> KeyBytes {
        let place = KeyBytes::new(&[sort, &self.partition.next.to_be_bytes()].concat());
        self.set(place.clone(), row);
        place
    }

    fn set(&mut self, place: KeyBytes, row: RankedRow) {
        let (record, hash) = self.record(&place);
        self.table.set(&record, hash, row.clone());
        self.partition.add(place, row, self.by);
    }

    fn take(&mut self, place: &KeyBytes) -> Option<RankedRow> {
        let (record, hash) = self.record(place);
        self.table.remove(&record, hash);
        let row = self.partition.rows.remove(place)?;
        if let Some(hash) = self.by.hash(&row) {
            self.partition.found.remove(&(hash, place.clone()));
        }
        Some(row)
    }

    /// Where the first row is of those that `is_same` says, all of which have this hash.
    fn find(&self, hash: u64, is_same: impl Fn(&RankedRow) -> bool) -> Option<KeyBytes> {
        let of_hash = self.partition.found.range((hash, KeyBytes::vacant())..).take_while(|(other, _)| *other == hash);
        of_hash.map(|(_, place)| place).find(|place| self.partition.rows.get(place).is_some_and(&is_same)).cloned()
    }

    /// Puts a row in place of the one that has its id: where that was, if it is ordered as that was.
    pub(super) fn replace(&mut self, sort: &[u8], row: RankedRow) {
        match self.find_id(&row.id) {
            None => _ = self.insert(sort, row),
            Some(place) if sort_of(&place) != sort => {
                self.take(&place);
                self.insert(sort, row);
            }
            // The same row again changes nothing.
            Some(place) if self.partition.rows.get(&place) == Some(&row) => {}
            Some(place) => self.set(place, row),
        }
    }

    fn find_id(&self, id: &KeyBytes) -> Option<KeyBytes> {
        self.find(hash_bytes(id.as_bytes()).0, |held| held.id == *id)
    }

    /// Takes the row away that has this id.
    pub(super) fn remove_id(&mut self, id: &[u8]) {
        if let Some(place) = self.find_id(&KeyBytes::new(id)) {
            self.take(&place);
        }
    }

    /// Takes one row away that is the same.
    pub(super) fn remove(&mut self, row: &[u8]) {
        if let Some(place) = self.find(hash_bytes(row).0, |held| *held.row == *row) {
            self.take(&place);
        }
    }

    /// Takes the last row away. Returns it, and where it was.
    pub(super) fn remove_last(&mut self) -> Option<(KeyBytes, RankedRow)> {
        let place = self.partition.rows.last_key_value().map(|(place, _)| place.clone())?;
        let row = self.take(&place)?;
        Some((place, row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use yeoul_state::{Key, NullableWord};

    #[test]
    fn the_bytes_are_those_that_the_format_page_prints() {
        let row = RankedRow { time: 1_000, id: KeyBytes::new(b"k"), row: (*b"\0a").into() };
        crate::testing::check_printed("ranked", &row);
        let (mut ranks, seven) =
            (Ranks::<NullableWord>::new(OperatorId::of("top"), None, FoundBy::Id), NullableWord::new(7));
        ranks.open(&seven, seven.hash(), 0).insert(b"\x01\xff", row);
        let (place, _) = ranks.rows.iter().next().unwrap();
        crate::testing::check_printed("ranked-key", place);
    }

    #[test]
    fn a_row_is_written_alone_and_found_among_its_equals() {
        for by in [FoundBy::Id, FoundBy::Row] {
            let mut ranks = Ranks::<NullableWord>::new(OperatorId::of("top"), None, by);
            let seven = NullableWord::new(7);
            let hash = seven.hash();
            let row = |n: u32| RankedRow { time: 0, id: KeyBytes::new(&n.to_le_bytes()), row: n.to_le_bytes().into() };
            let mut partition = ranks.open(&seven, hash, 0);
            (0..1_000).for_each(|n| _ = partition.insert(b"same", row(n)));
            ranks.rows.freeze();
            let before = ranks.rows.dirty();
            let mut partition = ranks.open(&seven, hash, 0);
            match by {
                FoundBy::Id => partition.remove_id(&500_u32.to_le_bytes()),
                _ => partition.remove(&500_u32.to_le_bytes()),
            }
            partition.insert(b"same", row(5_000));
            assert_eq!(ranks.rows.dirty() - before, 2, "one removed, one put in");
            let held: Vec<RankedRow> = ranks.open(&seven, hash, 0).first(2_000);
            assert_eq!(held, (0..1_000).filter(|n| *n != 500).chain([5_000]).map(row).collect::<Vec<_>>());
        }
    }
}
