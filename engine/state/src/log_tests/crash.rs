//! Torn tails, failed calls, and crashes between any two calls.

use yeoul_frame::Epoch;

use super::memory::MemoryStorage;
use super::model::{Choices, Job, churn};
use crate::entry::decode_manifest;

const MANIFEST: &str = "job/state/MANIFEST";

#[test]
fn a_torn_tail_of_the_manifest_is_the_commit_before_or_the_commit() {
    let storage = MemoryStorage::new();
    let mut choices = Choices(5);
    let mut job = Job::open(&storage, 1, 4096, 1).unwrap();
    churn(&mut job, &mut choices, 20, 20);
    job.checkpoint(b"").unwrap();
    let (before, first) = (storage.image(), job.state());
    churn(&mut job, &mut choices, 20, 20);
    job.checkpoint(b"").unwrap();
    let (after, second) = (storage.image(), job.state());
    let (old, new) = (&before[MANIFEST], &after[MANIFEST]);
    let start = (0..old.len()).find(|&at| old[at] != new[at]).unwrap() & !15;
    let end = new.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    let check = |manifest: Vec<u8>, what: &str| {
        let mut image = after.clone();
        image.insert(MANIFEST.to_owned(), manifest);
        let job = Job::open(&MemoryStorage::of_image(&image), 1, 4096, 1).unwrap();
        let expected = if job.epoch == Epoch(1) { &first } else { &second };
        assert!(job.state() == *expected && job.epoch <= Epoch(2) && job.epoch >= Epoch(1), "{what}");
        job.epoch
    };
    let mut committed = 0;
    for cut in start..=end {
        // A prefix of the write arrived; the rest is still zero, or the file is shorter.
        let mut torn = old.clone();
        torn[start..cut].copy_from_slice(&new[start..cut]);
        committed += u32::from(check(torn, &format!("a prefix up to {cut}")) == Epoch(2));
        check(new[..cut].to_vec(), &format!("cut at {cut}"));
        // A suffix arrived.
        let mut torn = old.clone();
        torn[cut..end].copy_from_slice(&new[cut..end]);
        check(torn, &format!("a suffix from {cut}"));
        // Garbage arrived.
        let mut torn = old.clone();
        torn[start..cut].fill(0xa5);
        assert_eq!(check(torn, &format!("garbage up to {cut}")), Epoch(1));
    }
    assert!(committed > 10, "a whole copy is a commit");
}

#[test]
fn damage_before_the_last_commit_is_an_error_that_names_file_and_place() {
    let storage = MemoryStorage::new();
    let mut job = Job::open(&storage, 1, 1 << 20, 1).unwrap();
    for _ in 0..3 {
        churn(&mut job, &mut Choices(5), 20, 20);
        job.checkpoint(b"").unwrap();
    }
    let bytes = storage.image().remove(MANIFEST).unwrap();
    let image = decode_manifest(&bytes, MANIFEST, 9).unwrap();
    assert!(image.commits.len() == 3 && !image.healed);
    let end = bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    let (mut refused, mut healed) = (0, 0);
    for at in 0..end {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        match decode_manifest(&damaged, MANIFEST, 9) {
            Ok(read) => {
                assert!(read.commits == image.commits && read.healed, "byte {at}");
                healed += 1;
            }
            Err(error) => {
                assert!(error.file == MANIFEST && error.offset <= at as u64, "{error}");
                refused += 1;
            }
        }
    }
    assert!(healed > 0 && refused > 2 * healed, "{refused} refused, {healed} healed");
}

#[test]
fn what_was_durable_at_the_rename_is_never_taken_for_a_torn_tail() {
    let storage = MemoryStorage::new();
    let mut job = Job::open(&storage, 1, 1 << 20, 1).unwrap();
    churn(&mut job, &mut Choices(5), 20, 20);
    job.checkpoint(b"").unwrap();
    drop(job);
    drop(Job::open(&storage, 1, 1 << 20, 1).unwrap());
    let mut bytes = storage.image().remove(MANIFEST).unwrap();
    let end = bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    // Both copies of the only commit are gone; the header knows that there was one.
    bytes[300.min(end - 200)..end].fill(0);
    let error = decode_manifest(&bytes, MANIFEST, 1).unwrap_err();
    assert!(error.to_string().contains("were durable"), "{error}");
}

#[test]
fn a_failure_at_any_call_is_reported_and_the_next_run_has_a_whole_epoch() {
    for retained in [1, 2] {
        for call in 1.. {
            let storage = MemoryStorage::new();
            let mut choices = Choices(17);
            let mut states = vec![(Epoch(0), Default::default())];
            let run = |storage: &MemoryStorage, choices: &mut Choices, states: &mut Vec<_>| -> std::io::Result<()> {
                let mut job = Job::open(storage, 2, 2048, retained)?;
                for _ in 0..12 {
                    churn(&mut job, choices, 40, 30);
                    // What is committed if this checkpoint gets as far as that.
                    states.push((job.epoch.next(), job.state()));
                    if let Err(error) = job.checkpoint(b"") {
                        assert!(error.to_string().contains("asked to fail"), "{error}");
                        let mut poisoned = job.shards.iter_mut().filter(|shard| shard.writer.is_poisoned());
                        let again = match poisoned.next() {
                            Some(shard) => shard.writer.seal().unwrap_err(),
                            None => job.manifest.remove_obsolete().unwrap_err(),
                        };
                        assert!(again.to_string().contains("failed before"), "{again}");
                        return Err(error);
                    }
                }
                Ok(())
            };
            run(&storage, &mut choices, &mut states).unwrap();
            storage.fail_from(call);
            let ended = run(&storage, &mut choices, &mut states).is_ok();
            let storage = MemoryStorage::of_image(&storage.image());
            let job = Job::open(&storage, 1 + (call % 3) as u16, 2048, retained).unwrap();
            let (_, expected) = states.iter().find(|(epoch, _)| *epoch == job.epoch).unwrap();
            assert_eq!(&job.state(), expected, "failing from call {call}, at {}", job.epoch);
            assert!(job.epoch.0 + 1 >= states.last().unwrap().0.0, "no more than the last checkpoint is undone");
            if ended {
                assert!(call > 50, "the failing calls were reached");
                break;
            }
        }
    }
}

#[test]
fn a_second_opening_removes_what_the_first_left_behind() {
    let storage = MemoryStorage::new();
    let mut choices = Choices(23);
    let mut job = Job::open(&storage, 2, 2048, 1).unwrap();
    for _ in 0..5 {
        churn(&mut job, &mut choices, 40, 30);
        job.checkpoint(b"").unwrap();
    }
    // An epoch that reaches the disk but not the manifest.
    storage.fail_from(storage.calls());
    churn(&mut job, &mut choices, 40, 30);
    let image = {
        let storage = MemoryStorage::of_image(&storage.image());
        let mut job = Job::open(&storage, 2, 2048, 1).unwrap();
        churn(&mut job, &mut choices, 400, 30);
        for shard in &mut job.shards {
            shard.log.put(
                super::model::NUMBERS,
                0,
                super::model::NUMBER,
                |key| key.extend([1; 8]),
                |value| value.extend([1; 8]),
            );
            let epoch = shard.log.epoch();
            shard.writer.append(shard.log.seal(epoch)).unwrap();
            shard.writer.seal().unwrap();
        }
        storage.image()
    };
    let storage = MemoryStorage::of_image(&image);
    let job = Job::open(&storage, 2, 2048, 1).unwrap();
    let named = job.manifest.retained().back().unwrap().segments();
    let files = storage.image().keys().filter(|path| path.ends_with(".log")).count();
    assert_eq!(files, named.len(), "every segment file is named by the commit");
}
