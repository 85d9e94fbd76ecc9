//! Properties of the table against a plain model, through its own log.
//!
//! The model is a `BTreeMap`, and a copy of it for each barrier. Whatever order writes, removals, barriers, slices of
//! draining, compaction and restores come in, the log replayed must equal the copy of its last sealed barrier.

use std::collections::BTreeMap;

use proptest::prelude::*;
use yeoul_frame::{KeyHash, TableId};

use crate::key::{Compound, Key};
use crate::key_str::KeyStr;
use crate::log::SegmentId;
use crate::state_table::Drained;
use crate::stored::Value;
use crate::table::Table;
use crate::testing::Disk;

const ID: TableId = TableId(42);

#[derive(Debug, Clone)]
enum Step {
    Add(u8, u8),
    AddMany(u8, u16),
    Set(u8, u8),
    Remove(u8),
    RemoveMany(u8, u16),
    Change(u8),
    Barrier,
    Drain(u8),
    Compact,
    Evict(u16),
    Read(u8),
    Cool,
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (any::<u8>(), any::<u8>()).prop_map(|(key, by)| Step::Add(key, by)),
        2 => (any::<u8>(), 0..600_u16).prop_map(|(from, count)| Step::AddMany(from, count)),
        4 => (any::<u8>(), any::<u8>()).prop_map(|(key, to)| Step::Set(key, to)),
        6 => any::<u8>().prop_map(Step::Remove),
        1 => (any::<u8>(), 0..600_u16).prop_map(|(from, count)| Step::RemoveMany(from, count)),
        3 => any::<u8>().prop_map(Step::Change),
        4 => Just(Step::Barrier),
        6 => (1..40_u8).prop_map(Step::Drain),
        2 => Just(Step::Compact),
        3 => any::<u16>().prop_map(Step::Evict),
        3 => any::<u8>().prop_map(Step::Read),
        1 => Just(Step::Cool),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 1..120)
}

/// A table, its log, and what both should hold.
struct Run<K: Key, V: Value> {
    table: Table<K, V>,
    disk: Disk,
    model: BTreeMap<u64, u64>,
    /// The model at the barrier whose snapshot is being drained.
    frozen: Option<BTreeMap<u64, u64>>,
    /// The model at the last sealed barrier.
    sealed: BTreeMap<u64, u64>,
    /// Compacted in this epoch: dropped once the next one is sealed.
    compacted: Option<SegmentId>,
    dropping: Option<SegmentId>,
    key: fn(u64) -> K,
    value: fn(u64) -> V,
    number: fn(&V) -> u64,
}

impl<K: Key, V: Value> Run<K, V> {
    fn new(key: fn(u64) -> K, value: fn(u64) -> V, number: fn(&V) -> u64) -> Self {
        Self {
            table: Table::new(ID, "test"),
            disk: Disk::new(),
            model: BTreeMap::new(),
            frozen: None,
            sealed: BTreeMap::new(),
            compacted: None,
            dropping: None,
            key,
            value,
            number,
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Add(key, by) => self.add(u64::from(key), u64::from(by)),
            Step::AddMany(from, count) => {
                let keys: Vec<K> = (0..count).map(|i| (self.key)(u64::from(from) + u64::from(i))).collect();
                let hashes: Vec<KeyHash> = keys.iter().map(Key::hash).collect();
                let (value, number) = (self.value, self.number);
                self.table.upsert_batch(&keys, &hashes, || value(0), |_, v| *v = value(number(v) + 1));
                (0..count).for_each(|i| *self.model.entry(u64::from(from) + u64::from(i)).or_default() += 1);
            }
            Step::Set(key, to) => {
                let (key, to) = (u64::from(key), u64::from(to));
                let (k, v) = ((self.key)(key), (self.value)(to));
                let before = self.table.set(&k, k.hash(), v).map(|v| (self.number)(&v));
                assert_eq!(before, self.model.insert(key, to));
            }
            Step::Remove(key) => self.remove(u64::from(key)),
            Step::RemoveMany(from, count) => (0..count).for_each(|i| self.remove(u64::from(from) + u64::from(i))),
            Step::Change(key) => {
                let k = (self.key)(u64::from(key));
                let (value, number) = (self.value, self.number);
                let found = self.table.get_mut(&k, k.hash()).map(|v| *v = value(number(v) * 2));
                assert_eq!(found.is_some(), self.model.get_mut(&u64::from(key)).map(|v| *v *= 2).is_some());
            }
            Step::Barrier => self.barrier(),
            Step::Drain(slice) => self.drain(usize::from(slice)),
            Step::Compact => self.compact(),
            Step::Evict(target) => self.evict(usize::from(target)),
            Step::Read(key) => {
                let k = (self.key)(u64::from(key));
                assert_eq!(self.table.get(&k, k.hash()).map(self.number), self.model.get(&u64::from(key)).copied());
            }
            Step::Cool => {
                let before = self.table.memory_bytes();
                let freed = self.table.cool();
                assert!(freed == 0 || self.table.memory_bytes() < before);
            }
            Step::Crash => self.crash(),
        }
    }

    fn add(&mut self, key: u64, by: u64) {
        let k = (self.key)(key);
        let (value, number) = (self.value, self.number);
        let v = self.table.upsert(&k, k.hash(), || value(0));
        *v = value(number(v) + by);
        *self.model.entry(key).or_default() += by;
    }

    fn remove(&mut self, key: u64) {
        let k = (self.key)(key);
        let before = self.table.remove(&k, k.hash()).map(|v| (self.number)(&v));
        assert_eq!(before, self.model.remove(&key));
    }

    fn barrier(&mut self) {
        while self.frozen.is_some() {
            self.drain(1000);
        }
        self.table.freeze();
        self.frozen = Some(self.model.clone());
        self.dropping = self.compacted.take();
    }

    fn drain(&mut self, slice: usize) {
        if self.frozen.is_none() {
            return;
        }
        let drained = self.table.drain(slice, &mut self.disk.log);
        self.disk.take_chunks();
        if drained == Drained::Done {
            self.sealed = self.frozen.take().expect("it is frozen");
            self.disk.seal();
            if let Some(segment) = self.dropping.take() {
                self.disk.remove(segment);
            }
            self.check_restored();
        }
    }

    fn compact(&mut self) {
        // Only between snapshots, one segment at a time, and never the one that is being written.
        if self.frozen.is_none() && self.compacted.is_none() {
            self.compacted =
                self.disk.relocate_oldest(&mut self.table).filter(|&oldest| Some(oldest) != self.disk.newest());
        }
    }

    /// Only between snapshots, as the engine does.
    fn evict(&mut self, target: usize) {
        if self.frozen.is_none() {
            let freed = self.disk.evict(&mut self.table, target);
            assert!(freed == 0 || V::WIDTH.is_none(), "values of fixed width stay");
        }
    }

    /// Goes on from the last sealed barrier.
    fn crash(&mut self) {
        if self.frozen.is_some() {
            return; // What was drained of an unsealed epoch would have to be cut off the log.
        }
        self.table = Table::new(ID, "test");
        self.disk.restore(&mut self.table).unwrap();
        self.model = self.sealed.clone();
        self.compacted = None;
    }

    fn contents(&self, table: &Table<K, V>) -> BTreeMap<Vec<u8>, u64> {
        let encoded = |(key, value): (&K, &V)| {
            let mut bytes = Vec::new();
            key.encode(&mut bytes);
            (bytes, (self.number)(value))
        };
        table.iter().map(encoded).collect()
    }

    fn encoded(&self, model: &BTreeMap<u64, u64>) -> BTreeMap<Vec<u8>, u64> {
        let encoded = |(&key, &value): (&u64, &u64)| {
            let mut bytes = Vec::new();
            (self.key)(key).encode(&mut bytes);
            (bytes, value)
        };
        model.iter().map(encoded).collect()
    }

    fn check_restored(&self) {
        let mut restored = Table::new(ID, "test");
        self.disk.restore(&mut restored).unwrap();
        assert!(self.contents(&restored) == self.encoded(&self.sealed), "the log replays to the barrier");
        assert_eq!(restored.len(), self.sealed.len());
        assert_eq!(restored.dirty(), 0, "what is restored is clean");
        restored.buckets.check();
    }

    fn finish(mut self) {
        assert!(self.contents(&self.table) == self.encoded(&self.model), "the table is the model");
        for (&key, value) in &self.model {
            let k = (self.key)(key);
            assert_eq!(self.table.get(&k, k.hash()).map(self.number), Some(*value));
        }
        assert_eq!(self.table.len(), self.model.len());
        self.table.buckets.check();
        self.barrier();
        self.drain(usize::MAX);
        assert!(self.frozen.is_none() && self.table.dirty() == 0);
    }
}

fn check<K: Key, V: Value>(steps: &[Step], key: fn(u64) -> K, value: fn(u64) -> V, number: fn(&V) -> u64) {
    let mut run = Run::new(key, value, number);
    steps.iter().for_each(|step| run.step(step));
    run.finish();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_log_of_fixed_widths_replays_to_the_barrier(steps in steps()) {
        check(&steps, |key| key, |value| value, |value| *value);
    }

    #[test]
    fn a_log_of_variable_widths_replays_to_the_barrier(steps in steps()) {
        check(
            &steps,
            |key| KeyStr::new(&("k".repeat(key as usize % 40) + &key.to_string())),
            |value| "v".repeat(value as usize % 300) + &value.to_string(),
            |text| text.trim_start_matches('v').parse().unwrap(),
        );
    }

    #[test]
    fn a_log_of_compound_keys_replays_to_the_barrier(steps in steps()) {
        check(&steps, |key| Compound { key: key % 7, sub: key as i32 }, |value| (value, true), |value| value.0);
    }

    /// All keys in a few buckets: long runs of passed entries, through growth and removal.
    #[test]
    fn colliding_hashes_only_cost_time(steps in steps()) {
        check(&steps, Colliding, |value| value, |value| *value);
    }
}

/// Of the keys of one hash only one can be evicted at a time.
#[test]
fn values_of_colliding_keys_are_told_apart_when_evicted() {
    let mut run = Run::new(
        Colliding,
        |value| "v".repeat(100) + &value.to_string(),
        |text: &String| text.trim_start_matches('v').parse().unwrap(),
    );
    (0..50).for_each(|key| run.step(&Step::Set(key, key)));
    for round in 0..3 {
        run.barrier();
        run.drain(usize::MAX);
        let freed = run.disk.evict(&mut run.table, usize::MAX);
        assert!(freed > 0 || round > 0, "one of each hash");
        (0..50).step_by(3).for_each(|key| run.step(&Step::Change(key)));
        (0..50).step_by(7).for_each(|key| run.step(&Step::Remove(key)));
        (0..50).for_each(|key| run.step(&Step::Read(key)));
    }
    run.finish();
}

/// A key whose hash has few values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Colliding(pub(super) u64);

impl crate::Stored for Colliding {
    const WIDTH: Option<usize> = Some(8);

    fn vacant() -> Self {
        Self(0)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, crate::log::Corrupt> {
        u64::decode(bytes).map(Self)
    }
}

impl Key for Colliding {
    fn hash(&self) -> KeyHash {
        (self.0 % 5).hash()
    }
}
