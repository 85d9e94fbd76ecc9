//! Single properties of the table, one a test.

use yeoul_frame::{KeyHash, TableId};

use super::model::Colliding;
use crate::key::{Compound, Key};
use crate::state_table::{Drained, StateTable};
use crate::table::Table;
use crate::testing::Disk;

const ID: TableId = TableId(43);

#[test]
fn grows_without_losing_a_key_or_a_mark() {
    let mut table = Table::<u64, u64>::new(ID, "grows");
    let mut disk = Disk::new();
    let keys = 60_000_u64;
    for key in 0..keys {
        table.upsert(&key, key.hash(), || key);
        if key % 1_000 == 0 {
            table.buckets.check();
        }
        // Freezes while entries move, and drains a little with each key.
        if key % 5_000 == 4_999 {
            while table.drain(64, &mut disk.log) == Drained::More {
                disk.take_chunks();
            }
            table.freeze();
        } else if key % 7 == 0 {
            let _ = table.drain(8, &mut disk.log);
            disk.take_chunks();
        }
    }
    assert!((0..keys).all(|key| table.get(&key, key.hash()) == Some(&key)));
    disk.drain(&mut table, 64);
    table.freeze();
    disk.drain(&mut table, 64);
    let mut restored = Table::<u64, u64>::new(ID, "grows");
    disk.restore(&mut restored).unwrap();
    assert!((0..keys).all(|key| restored.get(&key, key.hash()) == Some(&key)));
    assert_eq!(restored.len(), keys as usize);
}

#[test]
fn a_restore_finds_room_for_what_comes_in_the_order_of_the_table() {
    let mut table = Table::<u64, u64>::new(ID, "ordered");
    let mut disk = Disk::new();
    let mut expected = 0;
    // Each epoch brings more keys than all before it, so each would overrun a table that has room for the former.
    for keys in [3_000_u64, 20_000, 100_000] {
        (0..keys).for_each(|key| *table.upsert(&key, key.hash(), || 0) += 1);
        table.freeze();
        disk.drain(&mut table, 1_000);
        expected = keys as usize;
    }
    let mut restored = Table::<u64, u64>::new(ID, "ordered");
    disk.visit(
        |_| true,
        |block| {
            restored.restore(block, &|_| true, &mut |_, _| ())?;
            let longest = restored.buckets.longest_cluster();
            assert!(longest < 200, "{longest} buckets in a row are full with {} keys", restored.len());
            Ok(())
        },
    )
    .unwrap();
    restored.buckets.check();
    assert_eq!(restored.len(), expected);
    let (before, after) = (table.memory_bytes(), restored.memory_bytes());
    assert!(after < before * 2, "{after} bytes after the restore, {before} before it");
}

#[test]
fn a_snapshot_costs_what_changed() {
    let mut table = Table::<u64, u64>::new(ID, "costs");
    let mut disk = Disk::new();
    (0..50_000_u64).for_each(|key| *table.upsert(&key, key.hash(), || 0) += 1);
    table.freeze();
    disk.drain(&mut table, 1_000);
    let before = disk.bytes();
    (0..50_000_u64).step_by(100).for_each(|key| *table.upsert(&key, key.hash(), || 0) += 1);
    assert_eq!(table.dirty(), 500);
    table.freeze();
    disk.drain(&mut table, 1_000);
    let (written, dirty) = (disk.bytes() - before, 500 * 16);
    assert!(written <= dirty * 11 / 10 + (16 << 10), "{written} bytes written for {dirty} dirty ones");
}

#[test]
fn what_the_log_never_saw_leaves_no_tombstone() {
    let mut table = Table::<u64, u64>::new(ID, "short-lived");
    let mut disk = Disk::new();
    for key in 0..1_000_u64 {
        table.upsert(&key, key.hash(), || key);
        table.remove(&key, key.hash());
    }
    assert_eq!((table.len(), table.dirty()), (0, 0));
    table.freeze();
    disk.drain(&mut table, 100);
    assert_eq!(disk.bytes(), 0);
}

#[test]
fn a_shard_restores_only_what_it_owns() {
    let mut table = Table::<Compound<u64, u64>, u64>::new(ID, "owned");
    let mut disk = Disk::new();
    for key in 0..500_u64 {
        let key = Compound { key: key % 50, sub: key };
        table.upsert(&key, key.hash(), || 1);
    }
    table.freeze();
    disk.drain(&mut table, 100);
    let owned = |hash: KeyHash| hash.0 & 1 == 0;
    let mut half = Table::<Compound<u64, u64>, u64>::new(ID, "owned");
    disk.restore_owned(&mut half, &owned).unwrap();
    let expected = table.iter().filter(|(key, _)| owned(key.key.hash())).count();
    assert!(half.len() == expected && half.iter().all(|(key, _)| owned(key.key.hash())));
}

#[test]
fn other_types_are_refused_by_name() {
    let mut table = Table::<u64, u64>::new(ID, "visits");
    let mut disk = Disk::new();
    table.upsert(&1, 1_u64.hash(), || 1);
    table.freeze();
    disk.drain(&mut table, 100);
    let error = disk.restore(&mut Table::<u64, u32>::new(ID, "visits")).unwrap_err().to_string();
    assert!(error.contains("\"visits\"") && error.contains("value: 8") && error.contains("value: 4"), "{error}");
    assert!(disk.restore(&mut Table::<u64, String>::new(ID, "visits")).is_err());
}

#[test]
#[should_panic(expected = "1 entries of the epoch before are not drained")]
fn a_barrier_does_not_overtake_a_drain() {
    let mut table = Table::<u64, u64>::new(ID, "early");
    table.upsert(&1, 1_u64.hash(), || 1);
    table.freeze();
    table.freeze();
}

#[test]
fn sweeping_comes_by_every_key() {
    let mut table = Table::<u64, u64>::new(ID, "swept");
    (0..10_000_u64).for_each(|key| _ = table.upsert(&key, key.hash(), || key));
    let mut removed = 0;
    while !table.is_empty() {
        removed += table.sweep(16, |_, _| true);
    }
    assert_eq!(removed, 10_000);
}

/// Tombstones that were drained leave room, into which growth moves entries that the drain has not come to.
#[test]
fn growth_moves_frozen_entries_back_before_the_drain_and_none_is_missed() {
    for (run, drained) in (12..60).flat_map(|run| (1..20).map(move |drained| (run, drained))) {
        let key = |n: u64| Colliding(n * 5);
        let mut table = Table::<Colliding, u64>::new(ID, "back");
        let mut disk = Disk::new();
        (0..run).for_each(|n| _ = table.upsert(&key(n), key(n).hash(), || n));
        table.freeze();
        disk.drain(&mut table, 100);
        (0..run / 2).for_each(|n| _ = table.remove(&key(n), key(n).hash()));
        (run / 2..run).for_each(|n| *table.upsert(&key(n), key(n).hash(), || 0) += 1);
        table.freeze();
        (0..drained).for_each(|_| _ = table.drain(1, &mut disk.log));
        // Each of these takes growth a step further.
        (0..80).for_each(|n| _ = table.upsert(&Colliding(n * 5 + 1), Colliding(1).hash(), || n));
        disk.drain(&mut table, 100);
        let mut restored = Table::<Colliding, u64>::new(ID, "back");
        disk.restore(&mut restored).unwrap();
        assert!((run / 2..run).all(|n| restored.get(&key(n), key(n).hash()) == Some(&(n + 1))));
        assert_eq!(restored.len() as u64, run - run / 2);
    }
}

#[test]
fn evicted_texts_leave_memory_and_come_back_when_they_are_written() {
    let text = |key: u64| format!("{key}").repeat(100);
    let mut table = Table::<u64, String>::new(TableId(1), "texts");
    let mut disk = Disk::new();
    (0..4_000).for_each(|key: u64| _ = table.set(&key, key.hash(), text(key)));
    assert_eq!(disk.evict(&mut table, usize::MAX), 0, "nothing is in the log yet");
    table.freeze();
    disk.drain(&mut table, 100);
    let full = table.memory_bytes();
    assert!(disk.evict(&mut table, usize::MAX) > full / 2);
    let evicted = table.memory_bytes();
    assert!(evicted < full / 2, "{evicted} of {full} bytes are left");
    for key in 0..4_000 {
        assert_eq!(table.get(&key, key.hash()), Some(&text(key)));
    }
    assert!(table.memory_bytes() > full, "what was read is kept, and counted");
    while table.cool() > 0 {}
    assert_eq!(table.memory_bytes().min(evicted + (64 << 10)), table.memory_bytes());
    table.get_mut(&7, 7_u64.hash()).unwrap().push('!');
    assert_eq!(table.dirty(), 1);
    // Compaction copies what is evicted as it stands, and the segment from which it was read goes.
    let oldest = disk.relocate_oldest(&mut table).unwrap();
    assert!(table.dirty() > 10);
    table.freeze();
    disk.drain(&mut table, 100);
    disk.remove(oldest);
    let mut restored = Table::<u64, String>::new(TableId(1), "texts");
    disk.restore(&mut restored).unwrap();
    for key in 0..4_000 {
        let expected = if key == 7 { text(key) + "!" } else { text(key) };
        assert_eq!(table.get(&key, key.hash()), Some(&expected));
        assert_eq!(restored.get(&key, key.hash()), Some(&expected));
    }
}
