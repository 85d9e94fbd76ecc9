//! A map that every shard has whole: what a broadcast stream builds up.
//!
//! Each shard logs its own copy, all alike at a barrier; so after a change of the number of shards any of them restores
//! the map for anyone.

use std::collections::BTreeSet;

use yeoul_frame::{KeyHash, TableId};

use crate::key::Key;
use crate::keyed::state_table_by;
use crate::log::{BlockView, Corrupt, LogAddress};
use crate::state_table::StateTable;
use crate::stored::Value;
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
        Self { table: Table::new(id, name), keys: BTreeSet::new() }
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
        self.table.memory_bytes() + self.keys.len() * size_of::<N>()
    }
}
