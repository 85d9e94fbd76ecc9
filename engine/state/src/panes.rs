//! One small table a namespace, dropped whole: the state of aligned windows.
//!
//! A window's pane is reached by its namespace once for a run of records, and its end costs one record in the log, not a
//! tombstone for each key. What was dropped is counted as dead in slices.
//!
//! Invariants:
//! 1. What is frozen of a pane is logged although the pane is dropped meanwhile; its drop is logged with the next epoch.
//! 2. Within an epoch, drops stand in the log before the records of panes, so a namespace may come into being again.
//! 3. Neither a barrier nor a drain looks at panes that were not written to: windows that wait for late records are many.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use yeoul_frame::{Epoch, KeyHash, TableId};
use yeoul_sys::Region;

use crate::key::Key;
use crate::log::{BlockKind, BlockView, Corrupt, Layout, LogAddress, LogBuffer};
use crate::migration::NotMigrated;
use crate::state_table::{Drained, StateTable, TableDescription};
use crate::stored::Value;
use crate::table::Table;

/// A new pane is made as large as the one before it is, up to this many keys: enough to make it takes about 100 µs.
const MOST_EXPECTED_KEYS: usize = 16 << 10;
/// Buckets looked at for one record of a drain's budget.
const BUCKETS_A_RECORD: usize = 4;

/// Tables by namespace.
///
/// ```
/// use yeoul_frame::TableId;
/// use yeoul_state::{Key, Panes};
///
/// let mut windows = Panes::<u64, u64>::new(TableId(1), "windows");
/// *windows.pane(60_000).upsert(&7, 7_u64.hash(), || 0) += 1;
/// *windows.pane(120_000).upsert(&7, 7_u64.hash(), || 0) += 1;
/// assert_eq!(windows.namespaces().collect::<Vec<_>>(), [60_000, 120_000]);
/// windows.drop_namespace(60_000);
/// assert!(windows.get(60_000).is_none());
/// ```
pub struct Panes<K, V> {
    id: TableId,
    name: String,
    panes: BTreeMap<i64, Pane<K, V>>,
    /// Namespaces of panes that may have been written to since the barrier, each once for as long as its pane is there.
    changed: Vec<i64>,
    /// Those that were so at the barrier, and may not be drained.
    draining: Vec<i64>,
    /// Namespaces dropped since the barrier, whose records the log holds.
    dropped: Vec<i64>,
    /// Those dropped before the barrier, to be logged first.
    frozen_dropped: Vec<i64>,
    /// Dropped panes that still hold frozen records.
    dying: VecDeque<Table<K, V>>,
    /// Dropped panes whose records in the log are to be counted as dead.
    retiring: VecDeque<Table<K, V>>,
    /// How many keys a pane had when it was dropped, and its namespace: for a pane that has none before it.
    last_dropped: (i64, usize),
    /// Bytes that whoever holds the panes holds beside them.
    beside: usize,
    /// Blocks of earlier epochs mean nothing.
    since: Epoch,
}

struct Pane<K, V> {
    table: Table<K, V>,
    /// Whether it stands among the changed ones.
    is_changed: bool,
}

impl<K: Key, V: Value> Pane<K, V> {
    /// The table, to be written to.
    fn change(&mut self, namespace: i64, changed: &mut Vec<i64>) -> &mut Table<K, V> {
        if !self.is_changed {
            self.is_changed = true;
            changed.push(namespace);
        }
        &mut self.table
    }
}

impl<K: Key, V: Value> Panes<K, V> {
    /// No panes.
    #[must_use]
    pub fn new(id: TableId, name: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            panes: BTreeMap::new(),
            changed: Vec::new(),
            draining: Vec::new(),
            dropped: Vec::new(),
            frozen_dropped: Vec::new(),
            dying: VecDeque::new(),
            retiring: VecDeque::new(),
            last_dropped: (i64::MIN, 0),
            beside: 0,
            since: Epoch(0),
        }
    }

    /// Counts so many bytes as held with the panes: of what is made of them and is no state, but takes memory like it.
    ///
    /// ```
    /// use yeoul_frame::TableId;
    /// use yeoul_state::{Panes, StateTable};
    ///
    /// let mut windows = Panes::<u64, u64>::new(TableId(1), "windows");
    /// let before = windows.memory_bytes();
    /// windows.count_beside(1_000);
    /// assert_eq!(windows.memory_bytes(), before + 1_000);
    /// ```
    pub fn count_beside(&mut self, bytes: usize) {
        self.beside = bytes;
    }

    /// The table of a namespace, which is made if there is none.
    pub fn pane(&mut self, namespace: i64) -> &mut Table<K, V> {
        if !self.panes.contains_key(&namespace) {
            let expected = self.expected_keys(namespace);
            self.make(namespace).reserve(expected);
        }
        self.get_mut(namespace).expect("it is there now")
    }

    fn make(&mut self, namespace: i64) -> &mut Table<K, V> {
        let made = || Pane { table: Table::new(self.id, &self.name).with_namespace(namespace), is_changed: false };
        &mut self.panes.entry(namespace).or_insert_with(made).table
    }

    /// How many keys a new pane will have: about as many as the one before it. That is not the one that was dropped last, if panes wait for
    /// late records: it may be much older.
    fn expected_keys(&self, namespace: i64) -> usize {
        let before = self.panes.range(..namespace).next_back().map(|(before, pane)| (*before, pane.table.len()));
        let dropped = Some(self.last_dropped).filter(|(dropped, _)| *dropped <= namespace);
        before.max(dropped).map_or(0, |(_, keys)| keys.min(MOST_EXPECTED_KEYS))
    }

    /// The table of a namespace.
    #[must_use]
    pub fn get(&self, namespace: i64) -> Option<&Table<K, V>> {
        self.panes.get(&namespace).map(|pane| &pane.table)
    }

    /// The table of a namespace, to change.
    #[must_use]
    pub fn get_mut(&mut self, namespace: i64) -> Option<&mut Table<K, V>> {
        self.panes.get_mut(&namespace).map(|pane| pane.change(namespace, &mut self.changed))
    }

    /// The namespaces, in ascending order.
    pub fn namespaces(&self) -> impl DoubleEndedIterator<Item = i64> + '_ {
        self.panes.keys().copied()
    }

    /// The namespaces from this one on, in ascending order.
    ///
    /// ```
    /// use yeoul_frame::TableId;
    /// use yeoul_state::Panes;
    ///
    /// let mut windows = Panes::<u64, u64>::new(TableId(1), "windows");
    /// [10, 20, 30].into_iter().for_each(|namespace| _ = windows.pane(namespace));
    /// assert_eq!(windows.namespaces_from(15).collect::<Vec<_>>(), [20, 30]);
    /// ```
    pub fn namespaces_from(&self, first: i64) -> impl DoubleEndedIterator<Item = i64> + '_ {
        self.panes.range(first..).map(|(namespace, _)| *namespace)
    }

    /// The tables of a range of namespaces, in ascending order.
    pub fn within(&self, namespaces: Range<i64>) -> impl DoubleEndedIterator<Item = &Table<K, V>> {
        self.panes.range(namespaces).map(|(_, pane)| &pane.table)
    }

    fn tables(&self) -> impl Iterator<Item = &Table<K, V>> {
        self.panes.values().map(|pane| &pane.table)
    }

    /// Drops a namespace with all its keys.
    pub fn drop_namespace(&mut self, namespace: i64) {
        let Some(Pane { table: mut pane, .. }) = self.panes.remove(&namespace) else { return };
        pane.rewind();
        self.last_dropped = (namespace, pane.len());
        let drained = pane.is_drained();
        if !drained || pane.is_logged() {
            self.dropped.push(namespace);
        }
        if !drained {
            self.dying.push_back(pane);
        } else if pane.is_logged() {
            self.retiring.push_back(pane);
        }
    }
}

impl<K: Key, V: Value> StateTable for Panes<K, V> {
    fn id(&self) -> TableId {
        self.id
    }

    fn describe(&self) -> TableDescription {
        TableDescription {
            id: self.id,
            name: self.name.clone(),
            layout: Layout::of(K::WIDTH, V::WIDTH),
            types: (std::any::type_name::<K>(), std::any::type_name::<V>()),
            version: 0,
        }
    }

    /// Constant time for each pane that was written to.
    fn freeze(&mut self) {
        assert!(
            self.dying.is_empty() && self.frozen_dropped.is_empty(),
            "the panes of the epoch before are not drained"
        );
        for namespace in self.changed.drain(..) {
            // One that was dropped and has come again stands there twice.
            if let Some(pane) = self.panes.get_mut(&namespace).filter(|pane| pane.is_changed) {
                pane.is_changed = false;
                pane.table.freeze();
                self.draining.push(namespace);
            }
        }
        // They are taken from the end, and stand in the log in their order.
        self.draining.sort_unstable_by(|a, b| b.cmp(a));
        self.frozen_dropped = std::mem::take(&mut self.dropped);
    }

    fn drain(&mut self, max_records: usize, log: &mut LogBuffer) -> Drained {
        let mut budget = max_records.max(1);
        while let Some(namespace) = self.frozen_dropped.pop() {
            log.drop_namespace(self.id, namespace);
            budget -= 1;
            if budget == 0 {
                return Drained::More;
            }
        }
        while let Some(pane) = self.dying.front_mut() {
            if pane.drain_within(&mut budget, log) == Drained::More {
                return Drained::More;
            }
            self.retiring.extend(self.dying.pop_front());
        }
        while let Some(namespace) = self.draining.last() {
            // Of one that was dropped meanwhile, what was frozen is dying; what has come in its place is not frozen.
            let pane = self.panes.get_mut(namespace).filter(|pane| !pane.table.is_drained());
            if let Some(pane) = pane
                && pane.table.drain_within(&mut budget, log) == Drained::More
            {
                return Drained::More;
            }
            self.draining.pop();
        }
        while let Some(pane) = self.retiring.front_mut() {
            if budget == 0 || pane.retire_some(budget * BUCKETS_A_RECORD, log) {
                return Drained::More;
            }
            self.retiring.pop_front();
        }
        Drained::Done
    }

    fn restore(
        &mut self,
        block: &BlockView<'_>,
        owned: &dyn Fn(KeyHash) -> bool,
        retired: &mut dyn FnMut(LogAddress, usize),
    ) -> Result<(), Corrupt> {
        let namespace = block.namespace();
        if block.epoch() < self.since {
            block.retire(retired);
            return Ok(());
        }
        if block.kind() == BlockKind::Put || self.panes.contains_key(&namespace) {
            self.make(namespace).restore(block, owned, retired)?;
        }
        if self.panes.get(&namespace).is_some_and(|pane| pane.table.is_empty()) {
            self.panes.remove(&namespace);
        }
        Ok(())
    }

    fn migrate(&mut self, saved: u32, since: Epoch) -> Result<(), NotMigrated> {
        self.since = since;
        if saved == 0 { Ok(()) } else { Err(NotMigrated::of(saved, 0)) }
    }

    fn as_any(&mut self) -> Option<&mut dyn std::any::Any> {
        Some(self)
    }

    fn relocate(&mut self, block: &BlockView<'_>) -> Result<usize, Corrupt> {
        if block.epoch() < self.since {
            return Ok(0);
        }
        self.get_mut(block.namespace()).map_or(Ok(0), |pane| pane.relocate(block))
    }

    fn evict(&mut self, block: &BlockView<'_>, segment: &Region, target_bytes: usize) -> Result<usize, Corrupt> {
        if block.epoch() < self.since {
            return Ok(0);
        }
        let pane = self.panes.get_mut(&block.namespace());
        pane.map_or(Ok(0), |pane| pane.table.evict(block, segment, target_bytes))
    }

    fn cool(&mut self) -> usize {
        self.panes.values_mut().map(|pane| pane.table.cool()).sum()
    }

    fn read_bytes(&self) -> usize {
        self.tables().map(Table::read_bytes).sum()
    }

    fn memory_bytes(&self) -> usize {
        self.beside + self.tables().chain(&self.dying).chain(&self.retiring).map(Table::memory_bytes).sum::<usize>()
    }

    fn len(&self) -> usize {
        self.tables().map(Table::len).sum()
    }

    fn dirty(&self) -> usize {
        self.tables().map(Table::dirty).sum::<usize>() + self.dropped.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::Disk;

    type Model = BTreeMap<(i64, u64), u64>;

    const ID: TableId = TableId(3);

    #[derive(Debug, Clone)]
    enum Step {
        Add(u8, u16),
        Remove(u8, u16),
        Drop(u8),
        Barrier,
        Drain(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            12 => (0..5_u8, 0..300_u16).prop_map(|(pane, key)| Step::Add(pane, key)),
            3 => (0..5_u8, 0..300_u16).prop_map(|(pane, key)| Step::Remove(pane, key)),
            2 => (0..5_u8).prop_map(Step::Drop),
            2 => Just(Step::Barrier),
            4 => (1..20_u8).prop_map(Step::Drain),
        ]
    }

    fn contents(panes: &Panes<u64, u64>) -> Model {
        let pane =
            |namespace| panes.get(namespace).into_iter().flat_map(Table::iter).map(move |(k, v)| ((namespace, *k), *v));
        panes.namespaces().flat_map(pane).collect()
    }

    fn drain(panes: &mut Panes<u64, u64>, disk: &mut Disk, frozen: &mut Option<Model>, slice: usize) {
        if frozen.is_none() || panes.drain(slice, &mut disk.log) == Drained::More {
            return disk.take_chunks();
        }
        disk.seal();
        let mut restored = Panes::new(ID, "panes");
        disk.restore(&mut restored).unwrap();
        assert_eq!(Some(contents(&restored)), frozen.take(), "the log replays to the barrier");
    }

    #[test]
    fn a_new_pane_is_as_large_as_the_one_before_it() {
        let mut panes = Panes::<u64, u64>::new(ID, "panes");
        let fill = |pane: &mut Table<u64, u64>, keys: u64| (0..keys).for_each(|key| _ = pane.set(&key, key.hash(), 0));
        fill(panes.pane(0), 10_000);
        fill(panes.pane(10), 1);
        // The one that is dropped was full; those of today have one key.
        panes.drop_namespace(0);
        for namespace in 2..1_000 {
            fill(panes.pane(namespace * 10), 1);
        }
        assert!(panes.memory_bytes() < 2_000_000, "{} bytes", panes.memory_bytes());
        // Where none waits for late records, it is the one that was dropped.
        let mut panes = Panes::<u64, u64>::new(ID, "panes");
        fill(panes.pane(0), 10_000);
        panes.drop_namespace(0);
        assert!(panes.pane(10).memory_bytes() > 10_000 * 16);
    }

    #[test]
    fn drops_are_logged_within_the_budget() {
        let (mut panes, mut disk) = (Panes::<u64, u64>::new(ID, "panes"), Disk::new());
        (0..100).for_each(|namespace| _ = panes.pane(namespace).set(&7, 7_u64.hash(), 1));
        panes.freeze();
        while panes.drain(64, &mut disk.log) == Drained::More {}
        disk.seal();
        (0..90).for_each(|namespace| panes.drop_namespace(namespace));
        panes.freeze();
        let mut calls = 1;
        while panes.drain(10, &mut disk.log) == Drained::More {
            calls += 1;
        }
        assert!(calls >= 9, "{calls} calls");
        disk.seal();
        let mut restored = Panes::new(ID, "panes");
        disk.restore(&mut restored).unwrap();
        assert_eq!(contents(&restored), contents(&panes));
        assert_eq!(contents(&restored).len(), 10);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn a_log_of_panes_replays_to_the_barrier(steps in prop::collection::vec(step(), 1..200)) {
            let (mut panes, mut disk) = (Panes::new(ID, "panes"), Disk::new());
            let (mut model, mut frozen) = (Model::new(), None);
            for step in steps {
                match step {
                    Step::Add(pane, key) => {
                        let (pane, key) = (i64::from(pane), u64::from(key));
                        *panes.pane(pane).upsert(&key, key.hash(), || 0) += 1;
                        *model.entry((pane, key)).or_default() += 1;
                    }
                    Step::Remove(pane, key) => {
                        let (pane, key) = (i64::from(pane), u64::from(key));
                        let removed = panes.get_mut(pane).and_then(|pane| pane.remove(&key, key.hash()));
                        assert_eq!(removed, model.remove(&(pane, key)));
                    }
                    Step::Drop(pane) => {
                        panes.drop_namespace(i64::from(pane));
                        model.retain(|&(namespace, _), _| namespace != i64::from(pane));
                    }
                    Step::Barrier => {
                        while frozen.is_some() {
                            drain(&mut panes, &mut disk, &mut frozen, 50);
                        }
                        panes.freeze();
                        frozen = Some(model.clone());
                    }
                    Step::Drain(slice) => drain(&mut panes, &mut disk, &mut frozen, usize::from(slice)),
                }
                assert_eq!(panes.len(), model.len());
            }
            assert_eq!(contents(&panes), model);
        }
    }
}
