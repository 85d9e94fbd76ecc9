//! The states against plain collections, through snapshots and restores.

use std::collections::BTreeMap;

use proptest::prelude::*;
use yeoul_frame::{OperatorId, Timestamp};

use super::{
    AggregateFunction, AggregatingHandle, ListHandle, MapHandle, ReducingHandle, StateDescriptor, States, ValueHandle,
};
use crate::key::Key;
use crate::state_table::{Drained, StateTable};
use crate::testing::Disk;
use crate::ttl::{Ttl, TtlUpdate, TtlVisibility};

struct Mean;

impl AggregateFunction for Mean {
    type In = u64;
    type Acc = (u64, u64);
    type Out = u64;

    fn create(&self) -> (u64, u64) {
        (0, 0)
    }

    fn add(&self, acc: &mut (u64, u64), value: &u64) {
        *acc = (acc.0 + value, acc.1 + 1);
    }

    fn merge(&self, acc: &mut (u64, u64), other: &(u64, u64)) {
        *acc = (acc.0 + other.0, acc.1 + other.1);
    }

    fn result(&self, acc: &(u64, u64)) -> u64 {
        acc.0 / acc.1
    }
}

struct Job {
    states: States<u32>,
    value: ValueHandle<u64>,
    list: ListHandle<String>,
    map: MapHandle<u16, u64>,
    most: ReducingHandle<u64>,
    mean: AggregatingHandle<Mean>,
}

impl Job {
    fn new() -> Self {
        Self::of(None)
    }

    fn of(ttl: Option<Ttl>) -> Self {
        let mut states = States::new(OperatorId::of("job"));
        let named = |name| ttl.into_iter().fold(StateDescriptor::new(name), StateDescriptor::ttl);
        let value = states.value(named("value"));
        let list = states.list(named("list"));
        let map = states.map(named("map"));
        let most = states.reducing(named("most"), |a: &u64, b| b.max(*a));
        let mean = states.aggregating(named("mean"), Mean);
        Self { states, value, list, map, most, mean }
    }

    fn at(&mut self, key: u32) -> &mut States<u32> {
        self.states.set_key(&key, key.hash(), Timestamp(0));
        &mut self.states
    }

    fn model(&mut self, keys: u32) -> BTreeMap<u32, Model> {
        (0..keys).map(|key| (key, self.model_of(key))).filter(|(_, model)| *model != Model::default()).collect()
    }

    fn model_of(&mut self, key: u32) -> Model {
        let (value, list, map, most, mean) = (self.value, self.list, self.map, self.most, self.mean);
        let states = self.at(key);
        let mut entries = Vec::new();
        states.of(&map).for_each(|sub, value| entries.push((*sub, *value)));
        assert!(entries.is_sorted());
        assert_eq!(states.of(&map).is_empty(), entries.is_empty());
        assert_eq!(states.of(&map).keys(), entries.iter().map(|entry| entry.0).collect::<Vec<_>>());
        Model {
            value: states.of(&value).get().copied(),
            list: states.of(&list).get(),
            map: entries.into_iter().collect(),
            most: states.of(&most).get().copied(),
            mean: states.of(&mean).get(),
            added: Vec::new(),
        }
    }

    fn drain(&mut self, disk: &mut Disk, slice: usize) -> bool {
        let done = self.states.tables().all(|table| table.drain(slice, &mut disk.log) == Drained::Done);
        disk.take_chunks();
        done
    }

    fn restored(disk: &Disk) -> Self {
        Self::new().restored_from(disk)
    }

    fn restored_from(mut self, disk: &Disk) -> Self {
        self.states.tables().for_each(|table| disk.restore(table).unwrap());
        self
    }

    /// A restart at a barrier that stands here.
    fn restarted(mut self, ttl: Ttl, disk: &mut Disk) -> Self {
        self.states.tables().for_each(StateTable::freeze);
        while !self.drain(disk, usize::MAX) {}
        disk.seal();
        Self::of(Some(ttl)).restored_from(disk)
    }

    /// Puts something into each state of key 1.
    fn fill(&mut self, now: i64) {
        let Self { states, value, list, map, most, mean } = self;
        states.set_key(&1, 1_u32.hash(), Timestamp(now));
        states.of(value).update(1);
        states.of(list).add("1".to_owned());
        states.of(map).put(&1, 1);
        states.of(most).add(9);
        states.of(mean).add(&9);
    }

    /// Which states of key 1 show that they hold something: value, list, map, reducing, aggregating.
    fn shown(&mut self, now: i64) -> [bool; 5] {
        let Self { states, value, list, map, most, mean } = self;
        states.set_key(&1, 1_u32.hash(), Timestamp(now));
        [
            states.of(value).get().is_some(),
            states.of(list).get().len() == 1,
            states.of(map).contains(&1),
            states.of(most).get().is_some(),
            states.of(mean).get().is_some(),
        ]
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    value: Option<u64>,
    list: Vec<String>,
    map: BTreeMap<u16, u64>,
    most: Option<u64>,
    mean: Option<u64>,
    added: Vec<u64>,
}

#[derive(Debug, Clone)]
enum Step {
    SetValue(u64),
    ClearValue,
    Append(u64),
    UpdateList(u8),
    ClearList,
    Put(u16, u64),
    Increment(u16),
    Remove(u16),
    ClearMap,
    Fold(u64),
    ClearFolds,
    Barrier,
    Drain(u8),
    Crash,
}

fn step() -> impl Strategy<Value = (u32, Step)> {
    let step = prop_oneof![
        4 => any::<u64>().prop_map(Step::SetValue),
        2 => Just(Step::ClearValue),
        6 => any::<u64>().prop_map(Step::Append),
        2 => (0..4_u8).prop_map(Step::UpdateList),
        2 => Just(Step::ClearList),
        5 => (0..9_u16, any::<u64>()).prop_map(|(sub, value)| Step::Put(sub, value)),
        4 => (0..9_u16).prop_map(Step::Increment),
        3 => (0..9_u16).prop_map(Step::Remove),
        1 => Just(Step::ClearMap),
        4 => (0..1_000_u64).prop_map(Step::Fold),
        1 => Just(Step::ClearFolds),
        3 => Just(Step::Barrier),
        5 => (1..5_u8).prop_map(Step::Drain),
        1 => Just(Step::Crash),
    ];
    (0..4_u32, step)
}

impl Step {
    /// Does the same to the job and to the model.
    fn apply(&self, job: &mut Job, key: u32, model: &mut Model) {
        let (value, list, map, most, mean) = (job.value, job.list, job.map, job.most, job.mean);
        let states = job.at(key);
        match *self {
            Self::SetValue(to) => {
                states.of(&value).update(to);
                model.value = Some(to);
            }
            Self::ClearValue => {
                states.of(&value).clear();
                model.value = None;
            }
            Self::Append(item) => {
                states.of(&list).add(item.to_string());
                model.list.push(item.to_string());
            }
            Self::UpdateList(len) => {
                let items: Vec<String> = (0..len).map(|i| i.to_string()).collect();
                states.of(&list).update(items.clone());
                model.list = items;
            }
            Self::ClearList => {
                states.of(&list).clear();
                model.list.clear();
            }
            Self::Put(sub, to) => {
                states.of(&map).put(&sub, to);
                model.map.insert(sub, to);
            }
            Self::Increment(sub) => {
                let held = states.of(&map).get_or_else(&sub, || 0);
                *held = held.wrapping_add(1);
                let held = model.map.entry(sub).or_default();
                *held = held.wrapping_add(1);
            }
            Self::Remove(sub) => {
                states.of(&map).remove(&sub);
                model.map.remove(&sub);
            }
            Self::ClearMap => {
                states.of(&map).clear();
                model.map.clear();
            }
            Self::Fold(by) => {
                states.of(&most).add(by);
                states.of(&mean).add(&by);
                model.added.push(by);
            }
            Self::ClearFolds => {
                states.of(&most).clear();
                states.of(&mean).clear();
                model.added.clear();
            }
            Self::Barrier | Self::Drain(_) | Self::Crash => {}
        }
        model.most = model.added.iter().copied().max();
        model.mean = (!model.added.is_empty()).then(|| model.added.iter().sum::<u64>() / model.added.len() as u64);
    }
}

fn without_history(models: &BTreeMap<u32, Model>) -> BTreeMap<u32, Model> {
    let bare = models.iter().map(|(key, model)| (*key, Model { added: Vec::new(), ..model.clone() }));
    bare.filter(|(_, model)| *model != Model::default()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn states_are_plain_collections_that_survive(steps in prop::collection::vec(step(), 1..150)) {
        let (mut job, mut disk) = (Job::new(), Disk::new());
        let mut models = BTreeMap::<u32, Model>::new();
        let mut sealed = models.clone();
        let mut frozen: Option<BTreeMap<u32, Model>> = None;
        for (key, step) in steps {
            let seal = |job: &mut Job, disk: &mut Disk, frozen: &mut Option<_>, sealed: &mut _, slice| {
                if frozen.is_some() && job.drain(disk, slice) {
                    disk.seal();
                    *sealed = frozen.take().unwrap();
                    assert_eq!(Job::restored(disk).model(4), without_history(sealed), "the log replays to the barrier");
                }
            };
            match step {
                Step::Barrier => {
                    seal(&mut job, &mut disk, &mut frozen, &mut sealed, usize::MAX);
                    job.states.tables().for_each(StateTable::freeze);
                    frozen = Some(models.clone());
                }
                Step::Drain(slice) => seal(&mut job, &mut disk, &mut frozen, &mut sealed, usize::from(slice)),
                Step::Crash if frozen.is_none() => {
                    job = Job::restored(&disk);
                    models = sealed.clone();
                }
                step => step.apply(&mut job, key, models.entry(key).or_default()),
            }
        }
        assert_eq!(job.model(4), without_history(&models));
    }
}

#[test]
fn values_expire_as_declared() {
    let check = |ttl: Ttl, shown_at_150: bool, shown_at_230: bool| {
        // As it is, and with a restart before each look.
        for restarts in [false, true] {
            let (mut job, mut disk) = (Job::of(Some(ttl)), Disk::new());
            job.fill(50);
            for (now, shown) in [(149, true), (150, shown_at_150), (230, shown_at_230)] {
                job = if restarts { job.restarted(ttl, &mut disk) } else { job };
                assert_eq!(job.shown(now), [shown; 5], "{ttl:?} at {now}, restarts: {restarts}");
            }
            job = if restarts { job.restarted(ttl, &mut disk) } else { job };
            let Job { states, list, map, most, mean, .. } = &mut job;
            states.set_key(&1, 1_u32.hash(), Timestamp(1_000));
            states.of(most).add(3);
            states.of(mean).add(&3);
            // What has expired begins anew, unless it is still to be seen.
            let expected = if ttl.hides_expired() { (3, 3) } else { (9, 6) };
            assert_eq!((states.of(most).get().copied(), states.of(mean).get()), (Some(expected.0), Some(expected.1)));
            (0..100).for_each(|_| states.sweep(4, Timestamp(5_000)));
            assert!(states.tables().all(|table| table.is_empty()), "what has expired is removed");
            assert!(states.of(list).is_empty() && states.of(map).is_empty());
            states.of(list).add("5".to_owned());
            assert_eq!(states.of(list).get(), ["5"]);
        }
    };
    let ttl = Ttl::millis(100);
    check(ttl, false, false);
    check(ttl.update(TtlUpdate::OnReadAndWrite), true, true);
    check(ttl.visibility(TtlVisibility::ReturnExpiredIfNotCleanedUp), true, true);
}

#[test]
fn an_entry_of_a_map_and_an_element_of_a_list_are_logged_by_themselves() {
    let (mut job, mut disk) = (Job::new(), Disk::new());
    let (value, list, map) = (job.value, job.list, job.map);
    let states = job.at(7);
    for n in 0..10_000_u16 {
        states.of(&map).put(&n, u64::from(n));
        states.of(&list).add(n.to_string());
    }
    let mut logged = |job: &mut Job| {
        let dirty: usize = job.states.tables().map(|table| table.dirty()).sum();
        job.states.tables().for_each(StateTable::freeze);
        let before = disk.bytes();
        while !job.drain(&mut disk, 1_000) {}
        (dirty, disk.bytes() - before)
    };
    assert!(logged(&mut job).1 > 100_000);
    let states = job.at(7);
    *states.of(&map).get_or_else(&5_000, || 0) += 1;
    states.of(&list).add("more".to_owned());
    states.of(&value).update(1);
    let (dirty, bytes) = logged(&mut job);
    assert_eq!(dirty, 3);
    assert!(bytes < 1_000, "{bytes} bytes for an entry, an element and a value");
}

#[test]
#[should_panic(expected = "declared twice")]
fn a_name_is_declared_once() {
    let mut states = States::<u32>::new(OperatorId::of("twice"));
    let _ = states.value::<u64>("count");
    let _ = states.list::<u64>("count");
}
