//! One small table a namespace, dropped whole: the state of aligned windows.
//!
//! A window's pane is reached by its namespace once for a run of records, and its end costs one record in the log, not a
//! tombstone for each key. What was dropped is counted as dead in slices.
//!
//! Invariants:
//! 1. What is frozen of a pane is logged although the pane is dropped meanwhile; its drop is logged with the next epoch.
//! 2. Within an epoch, drops stand in the log before the records of panes, so a namespace may come into being again.

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

/// A new pane is made as large as the last one was, up to this many keys: enough to make it takes about 100 µs.
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
    panes: BTreeMap<i64, Table<K, V>>,
    /// Namespaces dropped since the barrier, whose records the log holds.
    dropped: Vec<i64>,
    /// Those dropped before the barrier, to be logged first.
    frozen_dropped: Vec<i64>,
    /// Dropped panes that still hold frozen records.
    dying: VecDeque<Table<K, V>>,
    /// Dropped panes whose records in the log are to be counted as dead.
    retiring: VecDeque<Table<K, V>>,
    expected_keys: usize,
    /// Blocks of earlier epochs mean nothing.
    since: Epoch,
}

impl<K: Key, V: Value> Panes<K, V> {
    /// No panes.
    #[must_use]
    pub fn new(id: TableId, name: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            panes: BTreeMap::new(),
            dropped: Vec::new(),
            frozen_dropped: Vec::new(),
            dying: VecDeque::new(),
            retiring: VecDeque::new(),
            expected_keys: 0,
            since: Epoch(0),
        }
    }

    /// The table of a namespace, which is made if there is none.
    pub fn pane(&mut self, namespace: i64) -> &mut Table<K, V> {
        self.panes.entry(namespace).or_insert_with(|| {
            let mut pane = Table::new(self.id, &self.name).with_namespace(namespace);
            pane.reserve(self.expected_keys);
            pane
        })
    }

    /// The table of a namespace.
    #[must_use]
    pub fn get(&self, namespace: i64) -> Option<&Table<K, V>> {
        self.panes.get(&namespace)
    }

    /// The table of a namespace, to change.
    #[must_use]
    pub fn get_mut(&mut self, namespace: i64) -> Option<&mut Table<K, V>> {
        self.panes.get_mut(&namespace)
    }

    /// The namespaces, in ascending order.
    pub fn namespaces(&self) -> impl DoubleEndedIterator<Item = i64> + '_ {
        self.panes.keys().copied()
    }

    /// The tables of a range of namespaces, in ascending order.
    pub fn within(&self, namespaces: Range<i64>) -> impl DoubleEndedIterator<Item = &Table<K, V>> {
        self.panes.range(namespaces).map(|(_, pane)| pane)
    }

    /// Drops a namespace with all its keys.
    pub fn drop_namespace(&mut self, namespace: i64) {
        let Some(mut pane) = self.panes.remove(&namespace) else { return };
        pane.rewind();
        self.expected_keys = pane.len().min(MOST_EXPECTED_KEYS);
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

    /// Constant time for each pane.
    fn freeze(&mut self) {
        assert!(
            self.dying.is_empty() && self.frozen_dropped.is_empty(),
            "the panes of the epoch before are not drained"
        );
        self.panes.values_mut().for_each(Table::freeze);
        self.frozen_dropped = std::mem::take(&mut self.dropped);
    }

    fn drain(&mut self, max_records: usize, log: &mut LogBuffer) -> Drained {
        let mut budget = max_records.max(1);
        while let Some(namespace) = self.frozen_dropped.pop() {
            log.drop_namespace(self.id, namespace);
            budget = budget.saturating_sub(1);
        }
        while let Some(pane) = self.dying.front_mut() {
            if pane.drain_within(&mut budget, log) == Drained::More {
                return Drained::More;
            }
            self.retiring.extend(self.dying.pop_front());
        }
        for pane in self.panes.values_mut().filter(|pane| !pane.is_drained()) {
            if pane.drain_within(&mut budget, log) == Drained::More {
                return Drained::More;
            }
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
            self.pane(namespace).restore(block, owned, retired)?;
        }
        if self.panes.get(&namespace).is_some_and(Table::is_empty) {
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
        self.panes.get_mut(&block.namespace()).map_or(Ok(0), |pane| pane.relocate(block))
    }

    fn evict(&mut self, block: &BlockView<'_>, segment: &Region, target_bytes: usize) -> Result<usize, Corrupt> {
        if block.epoch() < self.since {
            return Ok(0);
        }
        self.panes.get_mut(&block.namespace()).map_or(Ok(0), |pane| pane.evict(block, segment, target_bytes))
    }

    fn cool(&mut self) -> usize {
        self.panes.values_mut().map(Table::cool).sum()
    }

    fn read_bytes(&self) -> usize {
        self.panes.values().map(Table::read_bytes).sum()
    }

    fn memory_bytes(&self) -> usize {
        self.panes.values().chain(&self.dying).chain(&self.retiring).map(Table::memory_bytes).sum()
    }

    fn len(&self) -> usize {
        self.panes.values().map(Table::len).sum()
    }

    fn dirty(&self) -> usize {
        self.panes.values().map(Table::dirty).sum::<usize>() + self.dropped.len()
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
