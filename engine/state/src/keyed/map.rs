//! A map for each key, each entry of which is a record of its own: found, written and logged by itself.
//!
//! Invariant: `subs` (which is not saved, but built up by a restore) names the entries of each key, in order. So a walk
//! over a map goes in the order of its keys, after a restore as before.

use std::collections::BTreeSet;

use yeoul_frame::{KeyHash, TableId, Timestamp};

use super::ttl_table::TtlTable;
use super::{Current, KeyedTable, StateDescriptor, StateHandle, States, handle, state_table_by};
use crate::key::{Compound, Key};
use crate::log::{BlockView, Corrupt, LogAddress};
use crate::state_table::StateTable;
use crate::stored::Value;
use crate::table::{Restored, Table};

handle! {
    /// Opens a [`MapState`].
    MapHandle<N, V>
}

pub(super) struct MapTable<K, N, V> {
    entries: TtlTable<Compound<K, N>, V>,
    subs: Subs<K, N>,
}

/// The entries' keys by the user's key.
struct Subs<K, N>(Table<K, BTreeSet<N>>);

impl<K: Key, N: Key + Ord> Subs<K, N> {
    fn add(&mut self, key: &K, hash: KeyHash, sub: &N) {
        self.0.upsert(key, hash, BTreeSet::new).insert(sub.clone());
    }

    fn remove(&mut self, key: &K, hash: KeyHash, sub: &N) {
        let subs = self.0.upsert(key, hash, BTreeSet::new);
        subs.remove(sub);
        if subs.is_empty() {
            self.0.remove(key, hash);
        }
    }
}

impl<K: Key, N: Key + Ord, V: Value> MapTable<K, N, V> {
    pub(super) fn new(id: TableId, state: &StateDescriptor) -> Self {
        Self { entries: TtlTable::new(id, state), subs: Subs(Table::new(id, &state.name)) }
    }
}

/// The map of the current key.
///
/// ```
/// use yeoul_frame::{OperatorId, Timestamp};
/// use yeoul_state::{Key, States};
///
/// let mut states = States::<u64>::new(OperatorId::of("doc"));
/// let pages = states.map::<u64, u32>("clicks of each page");
/// states.set_key(&7, 7u64.hash(), Timestamp(0));
/// states.of(&pages).put(&2, 20);
/// states.of(&pages).put(&1, 10);
/// assert_eq!(states.of(&pages).get(&2), Some(&20));
/// assert_eq!(states.of(&pages).keys(), [1, 2]);
/// ```
pub struct MapState<'a, K, N, V> {
    table: &'a mut MapTable<K, N, V>,
    at: Current<'a, K>,
}

impl<K: Key, N: Key + Ord, V: Value> StateHandle<K> for MapHandle<N, V> {
    type State<'a> = MapState<'a, K, N, V>;

    #[inline]
    fn open<'a>(&self, states: &'a mut States<K>) -> MapState<'a, K, N, V> {
        let (table, at) = states.table(self.index);
        MapState { table, at }
    }

    fn index(&self) -> usize {
        self.index
    }

    fn open_in<'a>(table: &'a mut dyn StateTable, key: &'a K, now: Timestamp) -> Option<MapState<'a, K, N, V>> {
        let at = Current { key, hash: key.hash(), now };
        Some(MapState { table: table.as_any()?.downcast_mut()?, at })
    }
}

impl<N: Key + Ord, V: Value> MapHandle<N, V> {
    /// Asks for the memory of an entry of a key with this hash, which will be reached for soon; some tens of records ahead is best. Where an
    /// entry lies depends on its own key too, so [`States::prefetch`] cannot ask for it.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let pages = states.map::<u64, u32>("clicks of each page");
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// pages.prefetch(&mut states, 7u64.hash(), &2);
    /// // Some tens of records later:
    /// *states.of(&pages).get_or_else(&2, || 0) += 1;
    /// assert_eq!(states.of(&pages).get(&2), Some(&1));
    /// ```
    #[inline]
    pub fn prefetch<K: Key>(&self, states: &mut States<K>, hash: KeyHash, sub: &N) {
        let (table, _) = states.table::<MapTable<K, N, V>>(self.index);
        table.entries.prefetch(Compound::<K, N>::hash_of(hash, sub));
    }
}

impl<'a, K: Key, N: Key + Ord, V: Value> MapState<'a, K, N, V> {
    fn entry(&self, sub: &N) -> (Compound<K, N>, KeyHash) {
        let hash = Compound::<K, N>::hash_of(self.at.hash, sub);
        (Compound { key: self.at.key.clone(), sub: sub.clone() }, hash)
    }

    /// The value of an entry.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let pages = states.map::<u64, u32>("clicks of each page");
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// states.of(&pages).put(&2, 20);
    /// states.of(&pages).put(&1, 10);
    /// assert_eq!(states.of(&pages).get(&2), Some(&20));
    /// assert_eq!(states.of(&pages).get(&3), None);
    /// ```
    #[must_use]
    pub fn get(self, sub: &N) -> Option<&'a V> {
        let (key, hash) = self.entry(sub);
        self.table.entries.get(&key, hash, self.at.now)
    }

    /// Whether there is such an entry.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let pages = states.map::<u64, u32>("clicks of each page");
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// states.of(&pages).put(&2, 20);
    /// states.of(&pages).put(&1, 10);
    /// assert!(states.of(&pages).contains(&2) && !states.of(&pages).contains(&3));
    /// ```
    #[must_use]
    pub fn contains(&mut self, sub: &N) -> bool {
        let (key, hash) = self.entry(sub);
        self.table.entries.get(&key, hash, self.at.now).is_some()
    }

    /// Sets an entry.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let pages = states.map::<u64, u32>("clicks of each page");
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// states.of(&pages).put(&2, 20);
    /// states.of(&pages).put(&2, 21);
    /// assert_eq!(states.of(&pages).get(&2), Some(&21));
    /// ```
    pub fn put(&mut self, sub: &N, value: V) {
        let (key, hash) = self.entry(sub);
        if self.table.entries.set(&key, hash, self.at.now, value) {
            self.table.subs.add(self.at.key, self.at.hash, sub);
        }
    }

    /// The value of an entry, to change, which starts as `default()` if there is none. Counts as a write.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let pages = states.map::<u64, u32>("clicks of each page");
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// *states.of(&pages).get_or_else(&2, || 0) += 1;
    /// *states.of(&pages).get_or_else(&2, || 0) += 1;
    /// assert_eq!(states.of(&pages).get(&2), Some(&2));
    /// ```
    pub fn get_or_else(self, sub: &N, default: impl FnOnce() -> V) -> &'a mut V {
        let (key, hash) = self.entry(sub);
        let MapTable { entries, subs } = self.table;
        entries.upsert(&key, hash, self.at.now, || {
            // Whether the entry is new or has expired, it is named once.
            subs.add(self.at.key, self.at.hash, sub);
            default()
        })
    }

    /// Removes an entry.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let pages = states.map::<u64, u32>("clicks of each page");
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// states.of(&pages).put(&2, 20);
    /// states.of(&pages).put(&1, 10);
    /// states.of(&pages).remove(&2);
    /// assert_eq!(states.of(&pages).keys(), [1]);
    /// ```
    pub fn remove(&mut self, sub: &N) {
        let (key, hash) = self.entry(sub);
        if self.table.entries.remove(&key, hash) {
            self.table.subs.remove(self.at.key, self.at.hash, sub);
        }
    }

    /// Calls `visit` for each entry, in the order of their keys.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let pages = states.map::<u64, u32>("clicks of each page");
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// states.of(&pages).put(&2, 20);
    /// states.of(&pages).put(&1, 10);
    /// let mut all = Vec::new();
    /// states.of(&pages).for_each(|page, clicks| all.push((*page, *clicks)));
    /// assert_eq!(all, [(1, 10), (2, 20)]);
    /// ```
    pub fn for_each(&mut self, mut visit: impl FnMut(&N, &V)) {
        let (entries, at) = (&mut self.table.entries, &self.at);
        for sub in self.table.subs.0.get(at.key, at.hash).into_iter().flatten() {
            let key = Compound { key: at.key.clone(), sub: sub.clone() };
            if let Some(value) = entries.get(&key, Compound::<K, N>::hash_of(at.hash, sub), at.now) {
                visit(sub, value);
            }
        }
    }

    /// The entries' keys, in order.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let pages = states.map::<u64, u32>("clicks of each page");
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// states.of(&pages).put(&2, 20);
    /// states.of(&pages).put(&1, 10);
    /// assert_eq!(states.of(&pages).keys(), [1, 2]);
    /// ```
    #[must_use]
    pub fn keys(&mut self) -> Vec<N> {
        let mut keys = Vec::new();
        self.for_each(|sub, _| keys.push(sub.clone()));
        keys
    }

    /// Calls `visit` for each entry that is there, from the first key on (or from the last one back), until it says no.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let pages = states.map::<u64, u32>("clicks of each page");
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// states.of(&pages).put(&2, 20);
    /// states.of(&pages).put(&1, 10);
    /// let mut last = None;
    /// states.of(&pages).visit_while(true, |page, _| {
    ///     last = Some(*page);
    ///     false
    /// });
    /// assert_eq!(last, Some(2));
    /// ```
    pub fn visit_while(&mut self, backwards: bool, mut visit: impl FnMut(&N, &V) -> bool) {
        let (entries, at) = (&mut self.table.entries, &self.at);
        let Some(subs) = self.table.subs.0.get(at.key, at.hash) else { return };
        let mut go_on = |sub: &N| {
            let key = Compound { key: at.key.clone(), sub: sub.clone() };
            let value = entries.get(&key, Compound::<K, N>::hash_of(at.hash, sub), at.now);
            value.is_none_or(|value| visit(sub, value))
        };
        if backwards {
            subs.iter().rev().all(&mut go_on);
        } else {
            subs.iter().all(&mut go_on);
        }
    }

    /// Whether there are none, not even expired ones.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let pages = states.map::<u64, u32>("clicks of each page");
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// assert!(states.of(&pages).is_empty());
    /// states.of(&pages).put(&2, 20);
    /// assert!(!states.of(&pages).is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.table.subs.0.contains(self.at.key, self.at.hash)
    }

    /// Removes all entries.
    ///
    /// ```
    /// # use yeoul_frame::{OperatorId, Timestamp};
    /// # use yeoul_state::{Key, States};
    /// # let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let pages = states.map::<u64, u32>("clicks of each page");
    /// # states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// states.of(&pages).put(&2, 20);
    /// states.of(&pages).put(&1, 10);
    /// states.of(&pages).clear();
    /// assert!(states.of(&pages).keys().is_empty());
    /// ```
    pub fn clear(&mut self) {
        for sub in self.table.subs.0.remove(self.at.key, self.at.hash).into_iter().flatten() {
            let (key, hash) = self.entry(&sub);
            self.table.entries.remove(&key, hash);
        }
    }
}

impl<K: Key, N: Key + Ord, V: Value> KeyedTable<K> for MapTable<K, N, V> {
    fn as_state_table(&mut self) -> &mut dyn StateTable {
        self
    }

    fn keys(&self, visit: &mut dyn FnMut(&K)) {
        self.subs.0.iter().for_each(|(key, _)| visit(key));
    }

    /// Where an entry is depends on its own key too, so there is nothing to ask for.
    fn prefetch(&self, _: KeyHash) {}

    fn prefetch_whole(&self, hash: KeyHash) {
        self.subs.0.prefetch(hash);
    }

    fn sweep(&mut self, buckets: usize, now: Timestamp) {
        let subs = &mut self.subs;
        self.entries.sweep(buckets, now, |entry| subs.remove(&entry.key, entry.key.hash(), &entry.sub));
    }
}

impl<K: Key, N: Key + Ord, V: Value> StateTable for MapTable<K, N, V> {
    state_table_by!(entries);

    fn restore(
        &mut self,
        block: &BlockView<'_>,
        owned: &dyn Fn(KeyHash) -> bool,
        retired: &mut dyn FnMut(LogAddress, usize),
    ) -> Result<(), Corrupt> {
        let subs = &mut self.subs;
        self.entries.restore_each(block, owned, retired, |restored| match restored {
            Restored::Added(entry) => subs.add(&entry.key, entry.key.hash(), &entry.sub),
            Restored::Removed(entry) => subs.remove(&entry.key, entry.key.hash(), &entry.sub),
        })
    }

    fn memory_bytes(&self) -> usize {
        self.entries.memory_bytes() + self.subs.0.memory_bytes()
    }
}
