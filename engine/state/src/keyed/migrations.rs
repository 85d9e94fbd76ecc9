//! Every kind of state migrates: by a chain, with and without a time to live, and what was migrated needs the migration no more.

#![cfg(test)]

use std::fmt::Debug;

use yeoul_frame::{Epoch, OperatorId, Timestamp};

use super::{
    AggregateFunction, AggregatingHandle, ListHandle, MapHandle, ReducingHandle, StateDescriptor, StateHandle, States,
    ValueHandle,
};
use crate::key::Key;
use crate::migration::NotMigrated;
use crate::row::Row;
use crate::testing::Disk;
use crate::ttl::Ttl;

type Old = (String, u32);
type New = (String, u64, bool);

fn states() -> States<u64> {
    States::new(OperatorId::of("operator"))
}

const KEYS: u64 = 500;

/// One key's state, written and read in some version of a program.
struct Version<D, W, R> {
    declare: D,
    write: W,
    read: R,
}

fn at<K: Key>(states: &mut States<K>, key: &K) {
    states.set_key(key, key.hash(), Timestamp(1_000));
}

/// Saves by one version, restores by the next with its migrations, changes some keys, saves, and restores by `after`, which has none.
#[expect(clippy::needless_pass_by_value, reason = "reads better at the calls")]
fn check<H1, H2, H3, T: PartialEq + Debug>(
    old: Version<impl Fn(&mut States<u64>) -> H1, impl Fn(&mut States<u64>, &H1, u64), ()>,
    new: Version<
        impl Fn(&mut States<u64>) -> H2,
        impl Fn(&mut States<u64>, &H2, u64),
        impl Fn(&mut States<u64>, &H2) -> T,
    >,
    after: Version<impl Fn(&mut States<u64>) -> H3, (), impl Fn(&mut States<u64>, &H3) -> T>,
    expected: impl Fn(u64) -> T,
    none: &T,
) where
    H1: StateHandle<u64>,
    H2: StateHandle<u64>,
    H3: StateHandle<u64>,
{
    let mut disk = Disk::new();
    let mut before = states();
    let handle = (old.declare)(&mut before);
    for key in 0..KEYS {
        at(&mut before, &key);
        (old.write)(&mut before, &handle, key);
    }
    before.tables().for_each(|table| {
        table.freeze();
        disk.drain(table, 100);
    });

    let mut now = states();
    let handle = (new.declare)(&mut now);
    for table in now.tables() {
        assert_eq!(table.describe().version, 2);
        table.migrate(0, Epoch(0)).unwrap();
        disk.restore(table).unwrap();
        table.restored();
        assert_eq!(table.dirty(), table.len(), "all is to be written anew");
        // As compaction does; nothing in the old segment is the newest of its key.
        disk.relocate_oldest(table);
    }
    for key in 0..KEYS {
        at(&mut now, &key);
        assert_eq!((new.read)(&mut now, &handle), expected(key), "{key} after the migration");
        if key % 7 == 0 {
            (new.write)(&mut now, &handle, key);
        }
    }
    now.tables().for_each(|table| {
        table.freeze();
        disk.drain(table, 100);
        assert_eq!(table.dirty(), 0);
    });

    let mut later = states();
    let handle = (after.declare)(&mut later);
    for table in later.tables() {
        table.migrate(2, Epoch(2)).unwrap();
        disk.restore(table).unwrap();
        table.restored();
        assert_eq!(table.dirty(), 0, "nothing is migrated");
        disk.relocate_oldest(table);
    }
    for key in 0..KEYS {
        at(&mut later, &key);
        let value = (after.read)(&mut later, &handle);
        assert_eq!(&value == none, key % 7 == 0, "{key} comes back if it was not removed");
        assert!(key % 7 == 0 || value == expected(key), "{key} is as migrated");
    }
}

/// Version 0 is a pair, 1 has wider numbers, 2 is a record of three.
fn chain(name: &str) -> StateDescriptor {
    StateDescriptor::new(name)
        .migrate_from(1, |(text, number): (String, u64)| Row::<New>::new(&(text, number, true)))
        .migrate_from(0, |old: Row<Old>| (old.get().0.to_string(), u64::from(old.get().1.to_native()) + 1))
}

fn old_row(key: u64) -> Row<Old> {
    Row::new(&("x".repeat(key as usize % 30), key as u32))
}

fn new_value(row: &Row<New>) -> New {
    let row = row.get();
    (row.0.to_string(), row.1.to_native(), row.2)
}

fn expected(key: u64) -> New {
    ("x".repeat(key as usize % 30), key + 1, true)
}

#[test]
fn values_migrate() {
    for ttl in [None, Some(Ttl::millis(10_000))] {
        let with = |state: StateDescriptor| ttl.map_or(state.clone(), |ttl| state.ttl(ttl));
        check(
            Version {
                declare: |states: &mut States<u64>| states.value::<Row<Old>>(with("x".into())),
                write: |states: &mut States<u64>, handle: &ValueHandle<Row<Old>>, key| {
                    states.of(handle).update(old_row(key));
                },
                read: (),
            },
            Version {
                declare: |states: &mut States<u64>| states.value::<Row<New>>(with(chain("x"))),
                write: |states: &mut States<u64>, handle: &ValueHandle<Row<New>>, _| states.of(handle).clear(),
                read: |states: &mut States<u64>, handle: &ValueHandle<Row<New>>| states.of(handle).get().map(new_value),
            },
            Version {
                declare: |states: &mut States<u64>| {
                    states.value::<Row<New>>(with(StateDescriptor::new("x").version(2)))
                },
                write: (),
                read: |states: &mut States<u64>, handle: &ValueHandle<Row<New>>| states.of(handle).get().map(new_value),
            },
            |key| Some(expected(key)),
            &None,
        );
    }
}

#[test]
fn lists_and_maps_migrate_by_element() {
    let some = |key: u64| vec![expected(key); key as usize % 3 + 1];
    check(
        Version {
            declare: |states: &mut States<u64>| states.list::<Row<Old>>("x"),
            write: |states: &mut States<u64>, handle: &ListHandle<Row<Old>>, key| {
                (0..=key % 3).for_each(|_| states.of(handle).add(old_row(key)));
            },
            read: (),
        },
        Version {
            declare: |states: &mut States<u64>| states.list::<Row<New>>(chain("x")),
            write: |states: &mut States<u64>, handle: &ListHandle<Row<New>>, _| states.of(handle).clear(),
            read: |states: &mut States<u64>, handle: &ListHandle<Row<New>>| {
                states.of(handle).get().iter().map(new_value).collect::<Vec<_>>()
            },
        },
        Version {
            declare: |states: &mut States<u64>| states.list::<Row<New>>(StateDescriptor::new("x").version(2)),
            write: (),
            read: |states: &mut States<u64>, handle: &ListHandle<Row<New>>| {
                states.of(handle).get().iter().map(new_value).collect::<Vec<_>>()
            },
        },
        some,
        &Vec::new(),
    );
    let entries = |states: &mut States<u64>, handle: &MapHandle<u32, Row<New>>| {
        let mut entries = Vec::new();
        states.of(handle).for_each(|sub, value| entries.push((*sub, new_value(value))));
        entries
    };
    check(
        Version {
            declare: |states: &mut States<u64>| states.map::<u32, Row<Old>>("x"),
            write: |states: &mut States<u64>, handle: &MapHandle<u32, Row<Old>>, key| {
                (0..3).for_each(|sub| states.of(handle).put(&sub, old_row(key)));
            },
            read: (),
        },
        Version {
            declare: |states: &mut States<u64>| states.map::<u32, Row<New>>(chain("x")),
            write: |states: &mut States<u64>, handle: &MapHandle<u32, Row<New>>, _| states.of(handle).clear(),
            read: entries,
        },
        Version {
            declare: |states: &mut States<u64>| states.map::<u32, Row<New>>(StateDescriptor::new("x").version(2)),
            write: (),
            read: entries,
        },
        |key| (0..3).map(|sub| (sub, expected(key))).collect(),
        &Vec::new(),
    );
}

struct Sum;

impl AggregateFunction for Sum {
    type In = u64;
    type Acc = (u64, u64);
    type Out = (u64, u64);

    fn create(&self) -> (u64, u64) {
        (0, 0)
    }

    fn add(&self, acc: &mut (u64, u64), value: &u64) {
        *acc = (acc.0 + value, acc.1 + 1);
    }

    fn merge(&self, acc: &mut (u64, u64), other: &(u64, u64)) {
        *acc = (acc.0 + other.0, acc.1 + other.1);
    }

    fn result(&self, acc: &(u64, u64)) -> (u64, u64) {
        *acc
    }
}

/// Of fixed width, and each version of another one.
#[test]
fn reductions_and_accumulators_migrate() {
    let chain = || {
        let state = StateDescriptor::new("x").migrate_from(0, |old: u16| u64::from(old) * 2);
        state.migrate_from(1, |sum: u64| (sum, 1_u64))
    };
    let old = || Version {
        declare: |states: &mut States<u64>| states.reducing::<u16>("x", |a, b| a + b),
        write: |states: &mut States<u64>, handle: &ReducingHandle<u16>, key| states.of(handle).add(key as u16),
        read: (),
    };
    check(
        old(),
        Version {
            declare: |states: &mut States<u64>| states.aggregating(chain(), Sum),
            write: |states: &mut States<u64>, handle: &AggregatingHandle<Sum>, _| states.of(handle).clear(),
            read: |states: &mut States<u64>, handle: &AggregatingHandle<Sum>| states.of(handle).get(),
        },
        Version {
            declare: |states: &mut States<u64>| states.aggregating(StateDescriptor::new("x").version(2), Sum),
            write: (),
            read: |states: &mut States<u64>, handle: &AggregatingHandle<Sum>| states.of(handle).get(),
        },
        |key| Some((key * 2, 1)),
        &None,
    );
    check(
        old(),
        Version {
            declare: |states: &mut States<u64>| states.reducing(chain(), |_, last: (u64, u64)| last),
            write: |states: &mut States<u64>, handle: &ReducingHandle<(u64, u64)>, _| states.of(handle).clear(),
            read: |states: &mut States<u64>, handle: &ReducingHandle<(u64, u64)>| states.of(handle).get().copied(),
        },
        Version {
            declare: |states: &mut States<u64>| {
                states.reducing(StateDescriptor::new("x").version(2), |_, last: (u64, u64)| last)
            },
            write: (),
            read: |states: &mut States<u64>, handle: &ReducingHandle<(u64, u64)>| states.of(handle).get().copied(),
        },
        |key| Some((key * 2, 1)),
        &None,
    );
}

#[test]
fn what_no_migration_leads_from_is_refused() {
    let refused = |declared: StateDescriptor, saved| -> NotMigrated {
        let mut states = states();
        let _ = states.value::<u64>(declared);
        let table = states.tables().next().unwrap();
        table.migrate(saved, Epoch(0)).unwrap_err()
    };
    let shown = refused(StateDescriptor::new("x").version(3), 1).to_string();
    assert!(shown.contains("no migration leads from version 1") && shown.contains("migrate_from(1"), "{shown}");
    let partly = StateDescriptor::new("x").migrate_from(2, |old: u32| u64::from(old));
    assert!(refused(partly.clone(), 1).to_string().contains("no migration leads from version 1"));
    assert!(refused(partly, 4).to_string().contains("version 4"));
    assert!(refused("x".into(), 1).to_string().contains("no way back"));
}

#[test]
#[should_panic(expected = "a migration from version 0 and none from version 1")]
fn a_gap_between_migrations_is_a_mistake_of_the_program() {
    let state = StateDescriptor::new("x").version(2).migrate_from(0, |old: u32| u64::from(old));
    let _ = states().value::<u64>(state);
}

#[test]
#[should_panic(expected = "gives u64, where version 1 is u32")]
fn a_migration_to_another_type_is_a_mistake_of_the_program() {
    let state = StateDescriptor::new("x").migrate_from(0, |old: u16| u64::from(old));
    let _ = states().value::<u32>(state);
}

/// Bytes that are no value of the old version give an error, whatever they are.
#[test]
fn garbage_is_refused_by_a_migration() {
    let mut disk = Disk::new();
    let mut before = states();
    let handle = before.value::<String>("x");
    for key in 0..100_u64 {
        at(&mut before, &key);
        before.of(&handle).update("y".repeat(key as usize));
    }
    before.tables().for_each(|table| {
        table.freeze();
        disk.drain(table, 10);
    });
    let mut now = states();
    let _ = now.value::<Row<New>>(chain("x"));
    let table = now.tables().next().unwrap();
    table.migrate(0, Epoch(0)).unwrap();
    let shown = disk.restore(table).unwrap_err().to_string();
    assert!(shown.contains("a value of the state \"x\" does not read") && shown.contains("migrate_from"), "{shown}");
}
