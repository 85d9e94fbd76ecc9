//! Every bit of a small store flipped in turn, and blocks swapped, stale, zeroed and taken from elsewhere: each is
//! detected or without effect. Never a wrong restore.

use std::collections::BTreeMap;

use yeoul_frame::Epoch;

use super::memory::MemoryStorage;
use super::model::{Choices, Job, NUMBERS, State, churn, unkeyed};
use crate::entry::decode_manifest;
use crate::log::{BlockCursor, Segment};
use crate::recovery::RestoredOutput;

type Image = BTreeMap<String, Vec<u8>>;

/// All that a restart sees of a store.
#[derive(Debug, PartialEq)]
struct Seen {
    epoch: Epoch,
    state: State,
    operators: Vec<Vec<u8>>,
    outputs: Vec<RestoredOutput>,
}

fn see(image: &Image) -> std::io::Result<Seen> {
    let storage = MemoryStorage::of_image(image);
    let job = Job::open(&storage, 1, 4096, 1)?;
    let Some(commit) = job.manifest.retained().back() else {
        return Ok(Seen { epoch: Epoch(0), state: job.state(), operators: Vec::new(), outputs: Vec::new() });
    };
    let (operators, outputs) = unkeyed(&storage, commit, Epoch(commit.epoch.0 - 2))?;
    Ok(Seen { epoch: job.epoch, state: job.state(), operators, outputs })
}

fn store(epochs: u64, changes: u64, keys: u64) -> Image {
    let storage = MemoryStorage::new();
    let mut choices = Choices(99);
    for _ in 0..2 {
        let mut job = Job::open(&storage, 1, 4096, 1).unwrap();
        job.compact = 0..0;
        for _ in 0..epochs {
            churn(&mut job, &mut choices, changes, keys);
            job.checkpoint(b"sealed").unwrap();
        }
    }
    let mut image = storage.image();
    // The preallocated zeros are as long as they like; a few of them are enough to flip.
    for bytes in image.values_mut() {
        let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
        bytes.truncate(end.next_multiple_of(16) + 16);
    }
    image
}

/// Flips every bit of every file. Returns how many flips were detected, and how many had no effect.
fn flip_all(image: &Image) -> (u64, u64) {
    let expected = see(image).unwrap();
    let mut image = image.clone();
    let paths: Vec<String> = image.keys().cloned().collect();
    let (mut detected, mut harmless) = (0, 0);
    for path in paths {
        for bit in 0..image[&path].len() * 8 {
            let flip = |image: &mut Image| image.get_mut(&path).unwrap()[bit / 8] ^= 1 << (bit % 8);
            flip(&mut image);
            match see(&image) {
                Ok(seen) => {
                    assert_eq!(seen, expected, "bit {bit} of {path} changed what is restored");
                    harmless += 1;
                }
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains(&path) && text.contains("byte"), "the error names file and place: {text}");
                    detected += 1;
                }
            }
            flip(&mut image);
        }
    }
    (detected, harmless)
}

#[test]
fn every_flipped_bit_of_a_small_store_is_detected_or_without_effect() {
    let (detected, harmless) = flip_all(&store(2, 12, 8));
    assert!(detected > 2 * harmless && harmless > 0, "{detected} detected, {harmless} harmless");
}

/// At full length by `YEOUL_FLIPS=1 cargo test --release -p yeoul-state every_flipped_bit`.
#[test]
fn every_flipped_bit_of_a_larger_store_is_detected_or_without_effect() {
    let size = if std::env::var_os("YEOUL_FLIPS").is_some() { (4, 40, 60) } else { (2, 6, 12) };
    let (detected, harmless) = flip_all(&store(size.0, size.1, size.2));
    assert!(detected > harmless, "{detected} detected, {harmless} harmless");
    println!("{detected} detected, {harmless} harmless");
}

#[test]
fn every_flipped_bit_of_a_segment_is_detected() {
    let image = store(8, 40, 200);
    let commit = decode_manifest(&image["job/state/MANIFEST"], "m", 1).unwrap().commits.pop_back().unwrap();
    let mut flips = 0;
    for of in &commit.shards[0].segments {
        let path = format!("job/state/{}", of.segment.file_name());
        let mut bytes = image[&path].clone();
        for bit in (0..of.len as usize * 8).step_by(7) {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let storage = MemoryStorage::of_image(&BTreeMap::from([(path.clone(), bytes.clone())]));
            let error = Segment::open(&storage, "job/state", of).unwrap().verify().unwrap_err();
            assert!(error.file == path && error.offset <= bit as u64 / 8, "{error}");
            bytes[bit / 8] ^= 1 << (bit % 8);
            flips += 1;
        }
    }
    assert!(flips > 5_000);
}

#[test]
fn blocks_that_are_moved_stale_zeroed_or_from_elsewhere_are_detected() {
    let image = store(4, 24, 40);
    let expected = see(&image).unwrap();
    let commit = decode_manifest(&image["job/state/MANIFEST"], "m", 1).unwrap().commits.pop_back().unwrap();
    let storage = MemoryStorage::of_image(&image);
    let mut blocks = Vec::new();
    for of in &commit.shards[0].segments {
        let segment = Segment::open(&storage, "job/state", of).unwrap();
        let mut at = BlockCursor::default();
        loop {
            let start = at.offset();
            if segment.next_block(&mut at).unwrap().is_none() {
                break;
            }
            blocks.push((segment.path().to_owned(), start..at.offset()));
        }
    }
    assert!(blocks.len() > 20);
    // The same place of the same segment in another store with the same history.
    let other = {
        let storage = MemoryStorage::new();
        let mut job = Job::open(&storage, 1, 4096, 1).unwrap();
        job.set(NUMBERS, 0, 1, Some(vec![0; 8]));
        job.checkpoint(b"").unwrap();
        storage.image()
    };
    for (path, range) in &blocks {
        let mut zeroed = image.clone();
        zeroed.get_mut(path).unwrap()[range.clone()].fill(0);
        assert!(see(&zeroed).is_err(), "zeroed {path} {range:?}");
        for (from, source) in &blocks {
            if source.len() == range.len() && (from, source) != (path, range) {
                let mut moved = image.clone();
                let bytes = image[from][source.clone()].to_vec();
                moved.get_mut(path).unwrap()[range.clone()].copy_from_slice(&bytes);
                match see(&moved) {
                    Ok(seen) => assert_eq!(seen, expected, "{from} {source:?} over {path} {range:?}"),
                    Err(error) => assert!(error.to_string().contains(path), "{error}"),
                }
            }
        }
    }
    for path in other.keys().filter(|path| path.ends_with(".log")) {
        let Some(bytes) = image.get(path) else { continue };
        let (mut mixed, other) = (image.clone(), &other[path]);
        let count = bytes.len().min(other.len()).min(64);
        if bytes[..count] != other[..count] {
            mixed.get_mut(path).unwrap()[..count].copy_from_slice(&other[..count]);
            assert!(see(&mixed).is_err() || see(&mixed).unwrap() == expected);
        }
    }
}

#[test]
fn a_file_that_is_missing_or_cut_is_named() {
    let image = store(6, 60, 100);
    let commit = decode_manifest(&image["job/state/MANIFEST"], "m", 1).unwrap().commits.pop_back().unwrap();
    for of in &commit.shards[0].segments {
        let path = format!("job/state/{}", of.segment.file_name());
        let mut without = image.clone();
        let bytes = without.remove(&path).unwrap();
        assert!(see(&without).unwrap_err().to_string().contains(&path));
        for len in [0, 1, of.len as usize / 2, of.len as usize - 1] {
            without.insert(path.clone(), bytes[..len].to_vec());
            let error = see(&without).unwrap_err().to_string();
            assert!(error.contains(&path) && error.contains("committed"), "{error}");
        }
    }
    let mut without = image.clone();
    without.remove("job/state/MANIFEST");
    assert!(see(&without).unwrap_err().to_string().contains("MANIFEST is missing"));
    for len in [0, 1, 100] {
        let mut cut = image.clone();
        cut.get_mut("job/state/MANIFEST").unwrap().truncate(len);
        assert!(see(&cut).unwrap_err().to_string().contains("MANIFEST"));
    }
}
