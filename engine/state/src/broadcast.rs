//! A map that every shard has whole: what a broadcast stream builds up.
//!
//! Each shard logs its own copy, all alike at a barrier; so after a change of the number of shards any of them restores
//! the map for anyone. And so each rewrites all that is live in a segment that it drops, though another copy may stand elsewhere:
//! elsewhere may be listed for other shards only, the next time their number changes.

use std::collections::BTreeSet;
use std::ops::RangeBounds;

use yeoul_frame::{KeyHash, TableId};

use crate::key::Key;
use crate::keyed::state_table_by;
use crate::log::{BlockView, Corrupt, LogAddress};
use crate::state_table::StateTable;
use crate::stored::{Value, tree_bytes};
use crate::table::{Restored, Table};

/// A replicated map, walked in the order of its keys (Flink's `BroadcastState`).
///
/// ```
/// use yeoul_frame::TableId;
/// use yeoul_state::{BroadcastState, KeyStr};
///
/// let mut limits = BroadcastState::<KeyStr, i64>::new(TableId(1), "limits");
/// limits.put(&"LGA".into(), 30);
/// assert_eq!(limits.get(&"LGA".into()), Some(&30));
/// ```
pub struct BroadcastState<N, V> {
    table: Table<N, V>,
    keys: BTreeSet<N>,
}

impl<N: Key + Ord, V: Value> BroadcastState<N, V> {
    /// An empty map.
    #[must_use]
    pub fn new(id: TableId, name: &str) -> Self {
        Self { table: Table::new(id, name).replicated(), keys: BTreeSet::new() }
    }

    /// The value of an entry.
    #[must_use]
    pub fn get(&self, key: &N) -> Option<&V> {
        self.table.get(key, key.hash())
    }

    /// Sets an entry.
    pub fn put(&mut self, key: &N, value: V) {
        if self.table.set(key, key.hash(), value).is_none() {
            self.keys.insert(key.clone());
        }
    }

    /// Removes an entry; returns its value.
    pub fn remove(&mut self, key: &N) -> Option<V> {
        self.keys.remove(key);
        self.table.remove(key, key.hash())
    }

    /// The entries, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&N, &V)> {
        self.keys.iter().filter_map(|key| Some((key, self.get(key)?)))
    }

    /// The entries of a range of keys, in their order.
    pub fn range(&self, keys: impl RangeBounds<N>) -> impl Iterator<Item = (&N, &V)> {
        self.keys.range(keys).filter_map(|key| Some((key, self.get(key)?)))
    }

    /// Removes all entries.
    pub fn clear(&mut self) {
        for key in std::mem::take(&mut self.keys) {
            self.table.remove(&key, key.hash());
        }
    }
}

impl<N: Key + Ord, V: Value> StateTable for BroadcastState<N, V> {
    state_table_by!(table);

    /// Takes every entry, whoever owns the hash of its key.
    fn restore(
        &mut self,
        block: &BlockView<'_>,
        _: &dyn Fn(KeyHash) -> bool,
        retired: &mut dyn FnMut(LogAddress, usize),
    ) -> Result<(), Corrupt> {
        let keys = &mut self.keys;
        self.table.restore_each(block, &|_| true, retired, |restored| match restored {
            Restored::Added(key) => _ = keys.insert(key.clone()),
            Restored::Removed(key) => _ = keys.remove(key),
        })
    }

    fn memory_bytes(&self) -> usize {
        self.table.memory_bytes() + tree_bytes(self.keys.len(), size_of::<N>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state_table::Drained;
    use crate::testing::Disk;

    /// Two shards log the map; after a restore on one, the segments of the first copy are dropped. Later only those may be listed for a
    /// shard, so what is dropped must have been written again.
    #[test]
    fn a_segment_that_is_dropped_is_written_again_though_another_copy_is_newer() {
        let mut disk = Disk::new();
        for _shard in 0..2 {
            let mut map = BroadcastState::<u64, u64>::new(TableId(1), "map");
            (0..2_000).for_each(|key| map.put(&key, key));
            map.freeze();
            disk.drain(&mut map, 100);
        }
        let mut map = BroadcastState::<u64, u64>::new(TableId(1), "map");
        disk.restore(&mut map).unwrap();
        disk.relocate_oldest(&mut map).unwrap();
        assert!(map.dirty() > 500, "{} are written again", map.dirty());
        map.freeze();
        assert_eq!(map.drain(usize::MAX, &mut disk.log), Drained::Done);
    }
}
