//! Timers: for a key, a namespace and a time, at most one; due in the order of time.
//!
//! A table keeps them through snapshots as it keeps any state; an ordered map beside it, which is not saved but built up
//! again by a restore, says which is due. One value of this type holds the timers of one kind of time: an operator has one
//! for event time and one for processing time.
//!
//! Invariants:
//! 1. The table and the ordered map hold the same timers.
//! 2. Timers of one time are due in the order of the key's hash, then the namespace: the same after a restore as before.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use yeoul_frame::{Epoch, KeyHash, TableId, Timestamp};
use yeoul_sys::Region;
use yeoul_sys::planted::{Bug, is_planted};

use crate::key::{Compound, Key};
use crate::log::{BlockView, Corrupt, LogAddress, LogBuffer};
use crate::migration::NotMigrated;
use crate::state_table::{Drained, StateTable, TableDescription};
use crate::stored::tree_bytes;
use crate::table::{Restored, Table};

/// A timer that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer<K> {
    /// The key for which it was set.
    pub key: K,
    /// The key's hash.
    pub hash: KeyHash,
    /// The namespace: a window, or 0.
    pub namespace: i64,
    /// When it is due.
    pub time: Timestamp,
}

type Saved<K> = Compound<K, (i64, Timestamp)>;

/// Time, hash, namespace, and a number that tells apart different keys of one hash.
type Due = (Timestamp, KeyHash, i64, u32);

/// The timers of one kind of time.
///
/// ```
/// use yeoul_frame::{TableId, Timestamp};
/// use yeoul_state::{Key, Timers};
///
/// let mut timers = Timers::<u64>::new(TableId(1), "event timers");
/// timers.register(&7, 7_u64.hash(), 0, Timestamp(2_000));
/// timers.register(&8, 8_u64.hash(), 0, Timestamp(1_000));
/// assert!(!timers.register(&8, 8_u64.hash(), 0, Timestamp(1_000)), "it is set already");
/// assert_eq!(timers.next_time(), Some(Timestamp(1_000)));
/// assert_eq!(timers.pop_due(Timestamp(1_500)).map(|timer| timer.key), Some(8));
/// assert_eq!(timers.pop_due(Timestamp(1_500)), None);
/// ```
pub struct Timers<K> {
    table: Table<Saved<K>, ()>,
    due: BTreeMap<Due, K>,
}

impl<K: Key> Timers<K> {
    /// No timers.
    #[must_use]
    pub fn new(id: TableId, name: &str) -> Self {
        Self { table: Table::new(id, name), due: BTreeMap::new() }
    }

    /// Sets a timer. Returns whether it was not set before.
    pub fn register(&mut self, key: &K, hash: KeyHash, namespace: i64, time: Timestamp) -> bool {
        let saved = Compound { key: key.clone(), sub: (namespace, time) };
        let saved_hash = Saved::<K>::hash_of(hash, &saved.sub);
        // One that is set already is not written to the log again.
        let added = !self.table.contains(&saved, saved_hash);
        if added {
            self.table.set(&saved, saved_hash, ());
            add_due(&mut self.due, saved.key, hash, namespace, time);
        }
        added
    }

    /// Asks for the memory of a timer that will be set soon; some tens of records ahead is best.
    #[inline]
    pub fn prefetch(&self, hash: KeyHash, namespace: i64, time: Timestamp) {
        self.table.prefetch(Saved::<K>::hash_of(hash, &(namespace, time)));
    }

    /// Takes a timer back. Returns whether it was set.
    pub fn delete(&mut self, key: &K, hash: KeyHash, namespace: i64, time: Timestamp) -> bool {
        let saved = Compound { key: key.clone(), sub: (namespace, time) };
        let removed = self.table.remove(&saved, Saved::<K>::hash_of(hash, &saved.sub)).is_some();
        if removed {
            remove_due(&mut self.due, key, hash, namespace, time);
        }
        removed
    }

    /// When the next timer is due.
    #[must_use]
    pub fn next_time(&self) -> Option<Timestamp> {
        self.due.first_key_value().map(|(&(time, ..), _)| time)
    }

    /// Takes the first timer whose time is `now` or before.
    pub fn pop_due(&mut self, now: Timestamp) -> Option<Timer<K>> {
        let first = self.due.first_entry()?;
        let &(time, hash, namespace, _) = first.key();
        if time > now {
            return None;
        }
        let saved = Compound { key: first.remove(), sub: (namespace, time) };
        let removed = self.table.remove(&saved, Saved::<K>::hash_of(hash, &saved.sub));
        debug_assert!(removed.is_some(), "the table and the ordered map hold the same timers");
        Some(Timer { key: saved.key, hash, namespace, time })
    }

    /// Asks for the memory of the next `count` timers that are due at `now`, and tells of each, so that what its key holds may be asked for too:
    /// a timer's place and its key's follow from hashes, so each would be waited for.
    ///
    /// ```
    /// use yeoul_frame::{TableId, Timestamp};
    /// use yeoul_state::{Key, Timers};
    ///
    /// let mut timers = Timers::<u64>::new(TableId(1), "event timers");
    /// timers.register(&7, 7_u64.hash(), 0, Timestamp(2_000));
    /// timers.register(&8, 8_u64.hash(), 0, Timestamp(1_000));
    /// let mut told = Vec::new();
    /// timers.prefetch_due(Timestamp(1_500), 16, |hash, time| told.push((hash, time)));
    /// assert_eq!(told, [(8_u64.hash(), Timestamp(1_000))]);
    /// ```
    #[inline]
    pub fn prefetch_due(&self, now: Timestamp, count: usize, mut each: impl FnMut(KeyHash, Timestamp)) {
        for &(time, hash, namespace, _) in self.due.keys().take(count).take_while(|due| due.0 <= now) {
            self.prefetch(hash, namespace, time);
            each(hash, time);
        }
    }

    /// The timers that are set, in the order in which they are due.
    ///
    /// ```
    /// use yeoul_frame::{TableId, Timestamp};
    /// use yeoul_state::{Key, Timers};
    ///
    /// let mut timers = Timers::<u64>::new(TableId(1), "event timers");
    /// timers.register(&7, 7_u64.hash(), 0, Timestamp(2_000));
    /// timers.register(&8, 8_u64.hash(), 0, Timestamp(1_000));
    /// assert_eq!(timers.iter().map(|timer| timer.key).collect::<Vec<_>>(), [8, 7]);
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = Timer<K>> + '_ {
        let timer = |(&(time, hash, namespace, _), key): (&Due, &K)| Timer { key: key.clone(), hash, namespace, time };
        self.due.iter().map(timer)
    }

    /// How many timers are set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.due.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.due.is_empty()
    }
}

fn add_due<K: Key>(due: &mut BTreeMap<Due, K>, key: K, hash: KeyHash, namespace: i64, time: Timestamp) {
    let mut nth = 0;
    loop {
        match due.entry((time, hash, namespace, nth)) {
            Entry::Vacant(place) => {
                place.insert(key);
                return;
            }
            Entry::Occupied(_) => nth += 1,
        }
    }
}

fn remove_due<K: Key>(due: &mut BTreeMap<Due, K>, key: &K, hash: KeyHash, namespace: i64, time: Timestamp) {
    let alike = (time, hash, namespace, 0)..=(time, hash, namespace, u32::MAX);
    let found = due.range(alike).find(|(_, held)| *held == key).map(|(at, _)| *at);
    due.remove(&found.expect("the table and the ordered map hold the same timers"));
}

impl<K: Key> StateTable for Timers<K> {
    fn id(&self) -> TableId {
        self.table.id()
    }

    fn describe(&self) -> TableDescription {
        self.table.describe()
    }

    fn freeze(&mut self) {
        self.table.freeze();
    }

    fn drain(&mut self, max_records: usize, log: &mut LogBuffer) -> Drained {
        self.table.drain(max_records, log)
    }

    fn restore(
        &mut self,
        block: &BlockView<'_>,
        owned: &dyn Fn(KeyHash) -> bool,
        retired: &mut dyn FnMut(LogAddress, usize),
    ) -> Result<(), Corrupt> {
        let due = &mut self.due;
        self.table.restore_each(block, owned, retired, |restored| match restored {
            _ if is_planted(Bug::TimerNotRestored) => {}
            Restored::Added(timer) => add_due(due, timer.key.clone(), timer.key.hash(), timer.sub.0, timer.sub.1),
            Restored::Removed(timer) => remove_due(due, &timer.key, timer.key.hash(), timer.sub.0, timer.sub.1),
        })
    }

    fn migrate(&mut self, saved: u32, since: Epoch) -> Result<(), NotMigrated> {
        self.table.migrate(saved, since)
    }

    fn as_any(&mut self) -> Option<&mut dyn std::any::Any> {
        Some(self)
    }

    fn relocate(&mut self, block: &BlockView<'_>) -> Result<usize, Corrupt> {
        self.table.relocate(block)
    }

    /// A timer is all key: there is nothing to evict.
    fn evict(&mut self, _: &BlockView<'_>, _: &Region, _: usize) -> Result<usize, Corrupt> {
        Ok(0)
    }

    fn memory_bytes(&self) -> usize {
        self.table.memory_bytes() + tree_bytes(self.due.len(), size_of::<Due>() + size_of::<K>())
    }

    fn len(&self) -> usize {
        self.table.len()
    }

    fn dirty(&self) -> usize {
        self.table.dirty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::Disk;

    const ID: TableId = TableId(9);

    fn all(timers: &mut Timers<u64>) -> Vec<(i64, KeyHash, i64, u64)> {
        let mut all = Vec::new();
        while let Some(timer) = timers.pop_due(Timestamp::MAX) {
            all.push((timer.time.0, timer.hash, timer.namespace, timer.key));
        }
        all
    }

    #[test]
    fn a_timer_that_is_set_again_is_not_logged_again() {
        let (mut timers, mut disk) = (Timers::new(ID, "timers"), Disk::new());
        assert!(timers.register(&7_u64, 7_u64.hash(), 0, Timestamp(5)));
        assert_eq!(timers.dirty(), 1);
        timers.freeze();
        disk.drain(&mut timers, 16);
        assert!(!timers.register(&7, 7_u64.hash(), 0, Timestamp(5)));
        assert_eq!(timers.dirty(), 0);
        assert!(timers.delete(&7, 7_u64.hash(), 0, Timestamp(5)) && timers.register(&7, 7_u64.hash(), 0, Timestamp(5)));
        assert_eq!(timers.dirty(), 1);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Register(u64, i64, i64),
        Delete(u64, i64, i64),
        Advance(i64),
        Snapshot,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0..20_u64, 0..3_i64, 0..50_i64).prop_map(|(key, namespace, time)| Step::Register(key, namespace, time)),
            4 => (0..20_u64, 0..3_i64, 0..50_i64).prop_map(|(key, namespace, time)| Step::Delete(key, namespace, time)),
            2 => (0..60_i64).prop_map(Step::Advance),
            2 => Just(Step::Snapshot),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn timers_are_a_sorted_set_before_and_after_a_restore(steps in prop::collection::vec(step(), 1..150)) {
            let (mut timers, mut disk) = (Timers::new(ID, "timers"), Disk::new());
            let mut model = BTreeSet::new();
            for step in steps {
                match step {
                    Step::Register(key, namespace, time) => {
                        let added = timers.register(&key, key.hash(), namespace, Timestamp(time));
                        assert_eq!(added, model.insert((time, key.hash(), namespace, key)));
                    }
                    Step::Delete(key, namespace, time) => {
                        let removed = timers.delete(&key, key.hash(), namespace, Timestamp(time));
                        assert_eq!(removed, model.remove(&(time, key.hash(), namespace, key)));
                    }
                    Step::Advance(now) => {
                        while let Some(timer) = timers.pop_due(Timestamp(now)) {
                            let expected = model.pop_first().unwrap();
                            assert_eq!((timer.time.0, timer.hash, timer.namespace, timer.key), expected);
                        }
                        assert!(model.first().is_none_or(|first| first.0 > now));
                    }
                    Step::Snapshot => {
                        timers.freeze();
                        disk.drain(&mut timers, 16);
                        let mut restored = Timers::new(ID, "timers");
                        disk.restore(&mut restored).unwrap();
                        assert_eq!(all(&mut restored), model.iter().copied().collect::<Vec<_>>());
                    }
                }
                assert_eq!(timers.next_time().map(|time| time.0), model.first().map(|first| first.0));
            }
            assert_eq!(all(&mut timers), model.into_iter().collect::<Vec<_>>());
        }
    }
}
