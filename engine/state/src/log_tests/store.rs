//! Whole lives of a store: checkpoints, recoveries, changes of the number of shards, compaction, savepoints.

use std::collections::BTreeMap;
use std::sync::Arc;

use yeoul_frame::{Epoch, OperatorId, ShardId};
use yeoul_sys::Storage;

use super::memory::MemoryStorage;
use super::model::{Choices, DIR, GROUPS, Job, NUMBER, NUMBERS, OPERATOR, TEXTS, churn, options, unkeyed};
use crate::catalog::{Catalog, TableEntry};
use crate::commit::Commit;
use crate::log::{Layout, LogBuffer, LogOptions, RunId};
use crate::saved::SavedState;
use crate::savepoint::{copy_savepoint, import_savepoint, read_savepoint};
use crate::sealed::SealedEpochs;

#[test]
fn every_recovery_restores_the_last_commit_on_any_number_of_shards() {
    for seed in 1..=20 {
        let storage = MemoryStorage::new();
        let mut choices = Choices(seed);
        let mut expected = BTreeMap::new();
        let mut epoch = Epoch(0);
        for _run in 0..8 {
            let shards = 1 + choices.below(4) as u16;
            let mut job = Job::open(&storage, shards, 4096, 1).unwrap();
            assert_eq!(job.state(), expected, "seed {seed}, after {epoch}");
            assert_eq!(job.epoch, epoch);
            for _ in 0..1 + choices.below(30) {
                churn(&mut job, &mut choices, 20, 60);
                let commit = job.checkpoint(b"out").unwrap();
                (expected, epoch) = (job.state(), commit.epoch);
            }
            // What is not checkpointed is lost.
            churn(&mut job, &mut choices, 20, 60);
        }
    }
}

#[test]
fn compaction_keeps_the_log_within_a_multiple_of_the_state() {
    let storage = MemoryStorage::new();
    let mut choices = Choices(42);
    let mut job = Job::open(&storage, 2, 4096, 1).unwrap();
    let mut first = None;
    for _ in 0..300 {
        churn(&mut job, &mut choices, 50, 100);
        job.checkpoint(b"").unwrap();
        first = first.or(job.shards[0].oldest());
    }
    assert!(job.shards[0].oldest() > first, "the first segment was dropped");
    let files: Vec<_> = storage.list(DIR).unwrap().into_iter().filter(|entry| entry.name.ends_with(".log")).collect();
    let live: u64 = job.shards.iter().map(|shard| shard.log.liveness().live()).sum();
    let bytes: u64 = files.iter().map(|entry| entry.len).sum();
    assert!(bytes < 4 * live + 8 * 4096, "{bytes} bytes in {} files for {live} live ones", files.len());
    let expected = job.state();
    drop(job);
    assert_eq!(Job::open(&storage, 3, 4096, 1).unwrap().state(), expected);
}

#[test]
fn a_deleted_key_stays_deleted_when_one_shard_compacts_a_segment_that_another_still_lists() {
    let storage = MemoryStorage::new();
    let mut job = Job::open(&storage, 1, 2048, 1).unwrap();
    let value = |n: u64| Some(n.to_le_bytes().to_vec());
    (0..20).for_each(|key| job.set(NUMBERS, 0, key, value(key)));
    job.checkpoint(b"").unwrap();
    drop(job);
    // Two shards share the first segment. The first shard deletes all its keys and compacts, tombstones included.
    let mut job = Job::open(&storage, 2, 2048, 1).unwrap();
    job.compact = 0..1;
    let shared = job.shards[0].oldest();
    assert!(shared.is_some() && shared == job.shards[1].oldest());
    let firsts: Vec<u64> = (0..20).filter(|key| GROUPS.shard(GROUPS.of(yeoul_frame::hash_u64(*key)), 2) == 0).collect();
    firsts.iter().for_each(|key| job.set(NUMBERS, 0, *key, None));
    for round in 0..200 {
        firsts.iter().for_each(|key| job.set(TEXTS, 0, *key, value(round)));
        job.checkpoint(b"").unwrap();
    }
    assert!(job.shards[0].oldest() > shared && job.shards[1].oldest() == shared);
    let expected = job.state();
    assert!(firsts.iter().all(|key| !expected.contains_key(&(NUMBERS.0, 0, *key))));
    drop(job);
    for shards in [1, 3, 1] {
        let mut job = Job::open(&storage, shards, 2048, 1).unwrap();
        assert_eq!(job.state(), expected, "on {shards}");
        job.checkpoint(b"").unwrap();
    }
}

#[test]
fn retained_checkpoints_keep_their_segments() {
    let storage = MemoryStorage::new();
    let mut choices = Choices(7);
    let mut job = Job::open(&storage, 1, 2048, 3).unwrap();
    for _ in 0..100 {
        churn(&mut job, &mut choices, 30, 40);
        job.checkpoint(b"").unwrap();
        let retained = job.manifest.retained();
        assert!(retained.len() <= 3);
        for of in retained.iter().flat_map(|commit| commit.segments()) {
            assert!(
                storage.open(&format!("{DIR}/{}", of.file_name())).is_ok(),
                "{of} of a retained checkpoint is there"
            );
        }
    }
    assert_eq!(job.manifest.retained().iter().map(|commit| commit.epoch.0).collect::<Vec<_>>(), [98, 99, 100]);
}

#[test]
fn a_checkpoint_costs_one_sync_a_shard_and_one_for_the_manifest() {
    let storage = MemoryStorage::new();
    let mut job = Job::open(&storage, 2, 1 << 20, 1).unwrap();
    let value = |n: u64| Some(n.to_le_bytes().to_vec());
    (0..20).for_each(|key| job.set(NUMBERS, 0, key, value(1)));
    job.checkpoint(b"").unwrap();
    storage.take_log();
    (0..20).for_each(|key| job.set(NUMBERS, 0, key, value(2)));
    job.checkpoint(b"").unwrap();
    let (first, second) = ("00000001.log", "00000002.log");
    let expected = [first, first, second, second, "MANIFEST", "MANIFEST"];
    let expected: Vec<String> = expected
        .iter()
        .zip(["write", "sync"].iter().cycle())
        .map(|(name, what)| format!("{what} {DIR}/{name}"))
        .collect();
    assert_eq!(storage.take_log(), expected);
}

#[test]
fn fixed_width_records_cost_no_more_than_a_tenth_beside_their_bytes() {
    let storage = MemoryStorage::new();
    let mut job = Job::open(&storage, 1, 1 << 26, 1).unwrap();
    (0..50_000).for_each(|key| job.set(NUMBERS, 0, key, Some(vec![1; 8])));
    let chunked = job.checkpoint(b"").unwrap();
    let bytes: u64 = chunked.shards[0].segments.iter().map(|of| u64::from(of.len)).sum();
    assert!(bytes <= 50_000 * 16 * 1002 / 1000 + 1024, "{bytes} bytes");
    assert_eq!(Layout::of(Some(8), Some(8)), NUMBER);
}

#[test]
fn sealed_output_and_operator_state_come_back_whole() {
    let storage = MemoryStorage::new();
    let mut job = Job::open(&storage, 2, 4096, 1).unwrap();
    job.compact = 0..0;
    let mut large = vec![0u8; 3 << 20];
    large.iter_mut().enumerate().for_each(|(at, byte)| *byte = (at % 251) as u8);
    let mut choices = Choices(3);
    let mut last = None;
    for epoch in 1..=30u64 {
        churn(&mut job, &mut choices, 30, 40);
        let output = if epoch == 29 { large.clone() } else { epoch.to_le_bytes().to_vec() };
        last = Some(job.checkpoint(&output).unwrap());
    }
    let commit = last.unwrap();
    let (states, outputs) = unkeyed(&storage, &commit, Epoch(27)).unwrap();
    assert_eq!(states, [[30, 0], [30, 1]], "only the last epoch's");
    let found: Vec<_> = outputs.iter().map(|out| (out.subtask.0, out.epoch.0)).collect();
    assert_eq!(found, [(0, 28), (0, 29), (0, 30), (1, 28), (1, 29), (1, 30)]);
    assert!(outputs[1].bytes == large && outputs[4].bytes == large);
    assert!(unkeyed(&storage, &commit, Epoch(30)).unwrap().1.is_empty());
    let mut other = SealedEpochs::open(&storage, DIR, &commit, OperatorId(1), Epoch(27)).unwrap();
    assert!(other.next_epoch().unwrap().is_none(), "no other sink's");

    // Compaction takes whole segments from the front, wherever an epoch's output is cut: what is left of it is not handed out.
    let mut cut = commit.clone();
    let mut seen = Vec::new();
    while cut.shards[0].segments.len() > 1 {
        cut.shards[0].segments.remove(0);
        let outputs = unkeyed(&storage, &cut, Epoch(0)).unwrap().1;
        let found: Vec<_> = outputs.iter().filter(|out| out.subtask.0 == 0).collect();
        for out in &found {
            let expected = if out.epoch.0 == 29 { large.clone() } else { out.epoch.0.to_le_bytes().to_vec() };
            assert!(out.bytes == expected, "a part of epoch {}", out.epoch.0);
        }
        seen.push(found.len());
    }
    assert!(seen.is_sorted_by(|a, b| a >= b) && seen.contains(&2) && seen.contains(&1), "{seen:?}");
}

#[test]
fn every_segment_that_holds_a_part_of_undelivered_output_is_held_back() {
    let mut log = LogBuffer::new(LogOptions { segment_bytes: 4096, ..LogOptions::single(RunId(1)) });
    log.sealed_output(OperatorId(1), ShardId(0), Epoch(1), 0, &vec![7; 3 << 20]);
    let outputs: Vec<_> = log.liveness().segments().map(|of| of.output).collect();
    assert_eq!(outputs, [Some(Epoch(1)); 3]);
}

#[test]
fn a_savepoint_moves_a_job_to_another_place_and_number_of_shards() {
    let storage = MemoryStorage::new();
    let mut job = Job::open(&storage, 2, 4096, 1).unwrap();
    let mut choices = Choices(11);
    for _ in 0..40 {
        churn(&mut job, &mut choices, 30, 200);
        job.checkpoint(b"").unwrap();
    }
    let last = job.checkpoint(b"last").unwrap();
    let expected = job.state();
    let save = |to: &MemoryStorage, folder: &str| copy_savepoint(&storage, DIR, &last, to, folder, 5);
    // Cut short, it is none.
    let short = MemoryStorage::new();
    short.fail_from(4);
    assert!(save(&short, "sp").is_err());
    let short = MemoryStorage::of_image(&short.image());
    assert!(read_savepoint(&short, "sp").unwrap_err().to_string().contains("no complete savepoint"));
    let written = save(&storage, "sp/one").unwrap();
    assert_eq!(written, last);
    let again = save(&storage, "sp/one").unwrap_err();
    assert!(again.to_string().contains("needs a folder of its own"), "{again}");

    // Only the savepoint's folder, under another name.
    let elsewhere = MemoryStorage::of_image(
        &storage
            .image()
            .into_iter()
            .filter_map(|(path, bytes)| Some((path.strip_prefix("sp/one/")?.to_owned(), bytes)))
            .map(|(name, bytes)| (format!("moved/{name}"), bytes))
            .collect(),
    );
    assert_eq!(read_savepoint(&elsewhere, "moved").unwrap(), written);
    for shards in [1, 2, 5] {
        let target = MemoryStorage::new();
        let shared: Arc<dyn Storage> = Arc::new(target.clone());
        let (manifest, commit) = import_savepoint(&elsewhere, "moved", shared, DIR, options(1)).unwrap();
        assert_eq!(commit, written);
        let mut job = Job::restore(&target, manifest, Some(&commit), shards, 4096).unwrap();
        assert_eq!(job.state(), expected);
        churn(&mut job, &mut choices, 30, 200);
        job.checkpoint(b"").unwrap();
        let expected = job.state();
        drop(job);
        assert_eq!(Job::open(&target, 2, 4096, 1).unwrap().state(), expected);
        let shared: Arc<dyn Storage> = Arc::new(target.clone());
        let again = import_savepoint(&elsewhere, "moved", shared, DIR, options(1)).err().unwrap();
        assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
    }
}

/// Of a store with one record, in a folder of `to`.
fn small_savepoint(to: &MemoryStorage, folder: &str) -> Commit {
    let storage = MemoryStorage::new();
    let mut job = Job::open(&storage, 1, 4096, 1).unwrap();
    job.set(NUMBERS, 0, 1, Some(vec![2; 8]));
    let commit = job.checkpoint(b"").unwrap();
    copy_savepoint(&storage, DIR, &commit, to, folder, 5).unwrap()
}

#[test]
fn an_import_that_was_cut_short_is_begun_anew() {
    let source = MemoryStorage::new();
    let written = small_savepoint(&source, "sp");
    for call in 1.. {
        let target = MemoryStorage::new();
        target.fail_from(call);
        let shared: Arc<dyn Storage> = Arc::new(target.clone());
        let ended = import_savepoint(&source, "sp", shared, DIR, options(1)).is_ok();
        // A restart: the store opens if the import had come to its commit, else the import begins anew.
        let target = MemoryStorage::of_image(&target.image());
        let shared: Arc<dyn Storage> = Arc::new(target.clone());
        let commit = match import_savepoint(&source, "sp", shared, DIR, options(1)) {
            Ok((_, commit)) => commit,
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists, "{error}");
                let shared: Arc<dyn Storage> = Arc::new(target.clone());
                crate::manifest::Manifest::open(shared, DIR, options(1)).unwrap().1.unwrap()
            }
        };
        assert_eq!(commit, written, "failing from call {call}");
        if ended {
            break;
        }
    }
}

#[test]
fn a_store_that_cannot_be_opened_is_left_as_it_is_by_an_import() {
    let source = MemoryStorage::new();
    let written = small_savepoint(&source, "sp");
    let import = |target: &MemoryStorage| {
        let (from, to): (Arc<dyn Storage>, Arc<dyn Storage>) = (Arc::new(source.clone()), Arc::new(target.clone()));
        crate::savepoint::open_or_import(|| Ok(from), "sp", to, DIR, options(1))
    };
    // A store with a checkpoint: it is what counts.
    let target = MemoryStorage::new();
    let mut job = Job::open(&target, 1, 4096, 1).unwrap();
    let own = job.checkpoint(b"own").unwrap();
    drop(job);
    assert_eq!(import(&target).unwrap().1, own);
    // The same store, damaged in every byte of its manifest: whatever comes of it, nothing is removed.
    let path = format!("{DIR}/{}", crate::manifest::MANIFEST);
    let whole = target.image();
    let bytes = whole.iter().find(|(name, _)| **name == path).unwrap().1.clone();
    let mut refused = 0;
    for at in (0..bytes.len()).step_by(7) {
        let mut image = whole.clone();
        let mut other = bytes.clone();
        // Each entry stands there twice.
        other.iter_mut().skip(at).for_each(|byte| *byte ^= 0x55);
        image.insert(path.clone(), other.clone());
        let target = MemoryStorage::of_image(&image);
        match import(&target) {
            Ok((_, commit)) => assert_eq!(commit, own),
            Err(_) => {
                refused += 1;
                let left = target.image();
                assert!(whole.keys().all(|name| left.contains_key(name)), "damaged from {at}: {:?}", left.keys());
            }
        }
    }
    assert!(refused > 0);
    // A store that was begun and has no checkpoint: it is made anew, whatever call fails on the way.
    let begun = MemoryStorage::new();
    drop(Job::open(&begun, 1, 4096, 1).unwrap());
    for call in 1.. {
        let target = MemoryStorage::of_image(&begun.image());
        target.fail_from(call);
        let ended = import(&target).is_ok();
        let target = MemoryStorage::of_image(&target.image());
        assert_eq!(import(&target).unwrap().1, written, "failing from call {call}");
        if ended {
            break;
        }
    }
}

/// A shard that drops a namespace drops its own keys of it, and those of no other shard.
#[test]
fn entries_are_counted_by_whose_they_are() {
    let storage = MemoryStorage::new();
    let mut job = Job::open(&storage, 2, 4096, 1).unwrap();
    let value = |n: u64| Some(n.to_le_bytes().to_vec());
    (0..200).for_each(|key| job.set(NUMBERS, 7, key, value(key)));
    let count = |job: &mut Job, folder: &str| {
        let entry = TableEntry {
            operator: OPERATOR,
            name: "numbers".to_owned(),
            layout: NUMBER,
            types: None,
            version: 0,
            since: Epoch(0),
        };
        let catalog = Catalog { tables: BTreeMap::from([(NUMBERS, entry)]), ..Catalog::default() };
        let commit = Commit { blobs: catalog.encode(), ..job.checkpoint(b"").unwrap() };
        let to = MemoryStorage::new();
        copy_savepoint(&storage, DIR, &commit, &to, folder, 5).unwrap();
        SavedState::open(Arc::new(to), folder).unwrap().count_entries().unwrap()[&NUMBERS]
    };
    assert_eq!(count(&mut job, "all"), 200);
    let left = (0..200).filter(|key| GROUPS.shard(GROUPS.of(yeoul_frame::hash_u64(*key)), 2) == 0).count() as u64;
    assert!((1..200).contains(&left));
    job.shards[1].drop_namespace(NUMBERS, 7);
    assert_eq!(count(&mut job, "without"), left);
    // On one shard a key is written anew, which is the same key still, and one is removed.
    drop(job);
    let mut job = Job::open(&storage, 1, 4096, 1).unwrap();
    assert_eq!(job.state().len() as u64, left);
    let mut there: Vec<u64> = job.state().keys().map(|(_, _, key)| *key).collect();
    job.set(NUMBERS, 7, there.pop().unwrap(), None);
    there.iter().take(5).for_each(|key| job.set(NUMBERS, 7, *key, value(0)));
    assert_eq!(count(&mut job, "anew"), left - 1);
    job.shards[0].drop_namespace(NUMBERS, 7);
    assert_eq!(count(&mut job, "none"), 0);
}
