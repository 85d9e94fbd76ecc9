//! One value a key.

use yeoul_frame::{KeyHash, Timestamp};

use super::ttl_table::TtlTable;
use super::{Current, KeyedTable, StateHandle, States, handle};
use crate::key::Key;
use crate::state_table::StateTable;
use crate::stored::Value;

handle! {
    /// Opens a [`ValueState`].
    ValueHandle<V>
}

/// The value of the current key.
pub struct ValueState<'a, K, V> {
    table: &'a mut TtlTable<K, V>,
    at: Current<'a, K>,
}

impl<K: Key, V: Value> StateHandle<K> for ValueHandle<V> {
    type State<'a> = ValueState<'a, K, V>;

    #[inline]
    fn open<'a>(&self, states: &'a mut States<K>) -> ValueState<'a, K, V> {
        let (table, at) = states.table(self.index);
        ValueState { table, at }
    }

    fn index(&self) -> usize {
        self.index
    }

    fn open_in<'a>(table: &'a mut dyn StateTable, key: &'a K, now: Timestamp) -> Option<ValueState<'a, K, V>> {
        let at = Current { key, hash: key.hash(), now };
        Some(ValueState { table: table.as_any()?.downcast_mut()?, at })
    }
}

impl<'a, K: Key, V: Value> ValueState<'a, K, V> {
    /// The value, if there is one.
    #[must_use]
    #[inline]
    pub fn get(self) -> Option<&'a V> {
        self.table.get(self.at.key, self.at.hash, self.at.now)
    }

    /// The value, to change, which starts as `default` if there is none. Counts as a write.
    #[must_use]
    #[inline]
    pub fn get_or(self, default: V) -> &'a mut V {
        self.get_or_else(|| default)
    }

    /// The value, to change, which starts as `default()` if there is none. Counts as a write.
    #[must_use]
    #[inline]
    pub fn get_or_else(self, default: impl FnOnce() -> V) -> &'a mut V {
        self.table.upsert(self.at.key, self.at.hash, self.at.now, default)
    }

    /// Sets the value.
    #[inline]
    pub fn update(&mut self, value: V) {
        self.table.set(self.at.key, self.at.hash, self.at.now, value);
    }

    /// Removes the value.
    #[inline]
    pub fn clear(&mut self) {
        self.table.remove(self.at.key, self.at.hash);
    }
}

impl<K: Key, V: Value> KeyedTable<K> for TtlTable<K, V> {
    fn as_state_table(&mut self) -> &mut dyn StateTable {
        self
    }

    fn keys(&self, visit: &mut dyn FnMut(&K)) {
        self.for_each_key(visit);
    }

    fn prefetch(&self, hash: KeyHash) {
        TtlTable::prefetch(self, hash);
    }

    fn sweep(&mut self, buckets: usize, now: Timestamp) {
        TtlTable::sweep(self, buckets, now, |_| ());
    }
}
