//! Calls that fail, processes that die, and bugs put in on purpose.

use std::io::ErrorKind;

use yeoul_sim::clock::SimClock;
use yeoul_sim::disk::{Death, SimDisk};
use yeoul_sim::fault::Fault;
use yeoul_sim::planted::Planted;
use yeoul_sim::rng::Rng;
use yeoul_sim::trace::Trace;
use yeoul_sys::Storage;

fn disk(faults: &[&str]) -> SimDisk {
    let disk = SimDisk::new(1, SimClock::new(0), Trace::keeping(100));
    let faults: Vec<Fault> = faults.iter().map(|line| line.parse().unwrap()).collect();
    disk.arm(&faults);
    disk
}

#[test]
fn the_nth_call_fails_once_or_from_then_on() {
    let once = disk(&["call create 2 EMFILE"]);
    let storage = once.start().folder("");
    storage.create("a").unwrap();
    let error = storage.create("b").err().unwrap();
    assert!(error.to_string().contains("create b: too many open files"), "{error}");
    storage.create("b").unwrap();

    let onwards = disk(&["call any 2 onwards ENOSPC"]);
    let storage = onwards.start().folder("");
    storage.create("a").unwrap();
    for _ in 0..3 {
        assert_eq!(storage.create("b").err().unwrap().kind(), ErrorKind::StorageFull);
    }
    onwards.disarm();
    storage.create("b").unwrap();
}

#[test]
fn a_fault_may_concern_some_paths_only() {
    let disk = disk(&["call create 1 EIO in state/"]);
    disk.start().folder("out").create("a").unwrap();
    let error = disk.start().folder("state").create("a").err().unwrap();
    assert!(error.to_string().contains("state/a"), "{error}");
}

#[test]
fn a_short_write_leaves_a_part() {
    let disk = disk(&["call write 1 short"]);
    let file = disk.start().folder("").create("a").unwrap();
    assert_eq!(file.write_at(&[1; 1000], 0).unwrap_err().kind(), ErrorKind::StorageFull);
    let left = disk.read("a").unwrap();
    assert!(left.len() < 1000 && left.iter().all(|b| *b == 1));
}

#[test]
fn interruption_reaches_the_caller_only_where_the_contract_lets_it() {
    let disk = disk(&["call any 2 onwards EINTR"]);
    let file = disk.start().folder("").create("a").unwrap();
    file.write_at(&[1; 10], 0).unwrap();
    assert_eq!(file.read_at(&mut [0; 20], 0).unwrap(), 10);
    assert_eq!(file.sync_data().unwrap_err().kind(), ErrorKind::Interrupted);
}

/// After a failed sync reads show the bytes, a second sync succeeds, and they are lost all the same.
#[test]
fn a_failed_sync_marks_lost_bytes_clean() {
    for fault in ["call sync 1 EIO", "call write 2 late-sync"] {
        let disk = disk(&[fault]);
        disk.put("a", &[0; 4096]);
        let file = disk.start().folder("").open("a").unwrap();
        for at in (0..4096).step_by(512) {
            file.write_at(&[1; 512], at).unwrap();
        }
        file.sync_data().unwrap_err();
        file.write_at(&[2; 512], 0).unwrap();
        file.sync_data().unwrap();
        let mut seen = [0; 4096];
        file.read_at(&mut seen, 0).unwrap();
        assert!(seen[..512] == [2; 512] && seen[512..] == [1; 3584], "reads show all");
        assert!(disk.violations()[0].contains("synced again"), "{:?}", disk.violations());
        let lost = (0..200).any(|seed| {
            let fork = disk.fork(Trace::keeping(0));
            fork.power_loss(&mut Rng::new(seed));
            let left = fork.read("a").unwrap();
            assert_eq!(left[..512], [2; 512], "what the second sync wrote is durable");
            left[512..].contains(&0)
        });
        assert!(lost, "{fault}: the sync that failed had saved everything");
    }
}

#[test]
fn a_failed_folder_sync_is_not_made_good_by_the_next() {
    let lost = (0..50).any(|seed| {
        let disk = SimDisk::new(seed, SimClock::new(0), Trace::keeping(0));
        disk.arm(&["call sync_dir 1 EIO".parse().unwrap()]);
        let storage = disk.start().folder("");
        storage.create("a").unwrap();
        storage.sync_dir("").unwrap_err();
        storage.sync_dir("").unwrap();
        storage.open("a").unwrap();
        disk.power_loss(&mut Rng::new(seed));
        disk.files().is_empty()
    });
    assert!(lost);
}

#[test]
fn a_flipped_bit_shows_in_reads_and_maps() {
    let disk = disk(&["call read 2 flip:9", "call map 2 flip:9"]);
    disk.put("a", &[0; 4]);
    let file = disk.start().folder("").open("a").unwrap();
    let read = || {
        let mut bytes = [0; 4];
        file.read_at(&mut bytes, 0).unwrap();
        bytes
    };
    assert_eq!([read(), read(), read()], [[0; 4], [0, 2, 0, 0], [0; 4]]);
    assert_eq!((file.map().unwrap()[1], file.map().unwrap()[1]), (0, 2));
    assert!(disk.flip("a", 32 + 3) && !disk.flip("b", 0));
    assert_eq!(read(), [8, 0, 0, 0]);
}

#[test]
fn a_dead_process_changes_nothing() {
    let disk = disk(&[]);
    let process = disk.start();
    let storage = process.folder("");
    let file = storage.create("a").unwrap();
    let lock = storage.lock("LOCK").unwrap();
    disk.kill();
    assert!(!process.is_alive() && disk.locks().is_empty());
    let other = disk.start().folder("").lock("LOCK").unwrap();
    drop(lock);
    assert_eq!(disk.locks(), ["LOCK"], "the dead holder's guard frees no other's lock");
    assert!(file.write_at(b"x", 0).is_err() && file.len().is_err() && file.map().is_err());
    assert!(storage.create("b").is_err() && storage.list("").is_err() && storage.remove("a").is_err());
    assert_eq!(disk.read("a").unwrap(), b"");
    drop(other);
    assert!(disk.locks().is_empty());
}

#[test]
fn a_lock_excludes_and_names_its_holder() {
    let disk = disk(&[]);
    let (one, two) = (disk.start(), disk.start());
    let _held = one.folder("").lock("LOCK").unwrap();
    let error = two.folder("").lock("LOCK").err().unwrap();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert!(error.to_string().contains("process 1"), "{error}");
    one.kill();
    assert!(two.is_alive());
    two.folder("").lock("LOCK").unwrap();
}

#[test]
fn a_process_may_die_before_or_after_the_call_is_done() {
    for (fault, written, death) in [
        ("call write 1 kill-before", 0, Death::Kill),
        ("call write 1 kill-after", 3, Death::Kill),
        ("call write 1 power-before", 0, Death::Power),
        ("call write 1 power-after", 3, Death::Power),
    ] {
        let disk = disk(&[fault]);
        let process = disk.start();
        let file = process.folder("").create("a").unwrap();
        assert!(file.write_at(b"abc", 0).is_err());
        assert!(file.write_at(b"abcdef", 0).is_err());
        assert_eq!((disk.fell(), process.is_alive()), (Some(death), false));
        assert_eq!(disk.read("a").unwrap().len(), written, "{fault}");
        disk.kill();
        assert_eq!(disk.fell(), None);
    }
}

#[test]
fn names_and_kinds_of_files_are_kept_apart() {
    let disk = disk(&[]);
    let storage = disk.start().folder("");
    storage.create_dir_all("d/e").unwrap();
    storage.create("d/a").unwrap();
    let kind = |result: std::io::Result<()>| result.unwrap_err().kind();
    assert_eq!(kind(storage.create("d/a").map(drop)), ErrorKind::AlreadyExists);
    assert_eq!(kind(storage.create("x/a").map(drop)), ErrorKind::NotFound);
    assert_eq!(kind(storage.open("d").map(drop)), ErrorKind::IsADirectory);
    assert_eq!(kind(storage.open("d/b").map(drop)), ErrorKind::NotFound);
    assert_eq!(kind(storage.list("d/a").map(drop)), ErrorKind::NotADirectory);
    assert_eq!(kind(storage.list("x").map(drop)), ErrorKind::NotFound);
    assert_eq!(kind(storage.remove("d")), ErrorKind::DirectoryNotEmpty);
    assert_eq!(kind(storage.rename("d/b", "d/c")), ErrorKind::NotFound);
    assert_eq!(kind(storage.create_dir_all("d/a/f")), ErrorKind::NotADirectory);
    for outside in ["../x", "/x", "d/../../x"] {
        assert_eq!(kind(storage.create(outside).map(drop)), ErrorKind::InvalidInput);
    }
    let names: Vec<_> = storage.list("d").unwrap().into_iter().map(|entry| (entry.name, entry.is_dir)).collect();
    assert_eq!(names, [("a".to_owned(), false), ("e".to_owned(), true)]);
}

#[test]
fn a_removed_file_lives_while_it_is_open() {
    let disk = disk(&[]);
    let storage = disk.start().folder("");
    let file = storage.create("a").unwrap();
    file.write_at(b"abc", 0).unwrap();
    storage.remove("a").unwrap();
    for n in 0..200 {
        storage.create(&format!("f{n}")).unwrap();
        storage.sync_dir("").unwrap();
    }
    assert_eq!((file.len().unwrap(), disk.read("a")), (3, None));
}

#[test]
fn a_change_below_a_mapping_is_noted() {
    let disk = disk(&[]);
    let file = disk.start().folder("").create("a").unwrap();
    file.write_at(&[1; 10], 0).unwrap();
    assert_eq!(&file.map().unwrap()[..], [1; 10]);
    file.write_at(&[2], 10).unwrap();
    assert!(disk.violations().is_empty());
    file.set_len(5).unwrap();
    assert!(disk.violations()[0].contains("mapped"), "{:?}", disk.violations());
}

/// The protocol that the planted bugs spoil: replace a file by a new one, durably.
fn replace(storage: &dyn Storage, version: u8) -> std::io::Result<()> {
    let file = storage.create("tmp")?;
    file.write_at(&[version; 100], 0)?;
    file.sync_data()?;
    storage.rename("tmp", "kept")?;
    storage.sync_dir("")
}

/// True if, after a power loss at some call, the file is not the last acknowledged version or the one after it.
fn loses(bug: Option<Planted>, seed: u64) -> bool {
    let disk = SimDisk::new(seed, SimClock::new(0), Trace::keeping(0));
    bug.into_iter().for_each(|bug| disk.plant(bug));
    disk.put("kept", &[0; 100]);
    disk.arm(&[format!("call any {} power-before", 1 + seed % 50).parse().unwrap()]);
    let storage = disk.start().folder("");
    let mut acknowledged = 0;
    while replace(&*storage, acknowledged + 1).is_ok() {
        acknowledged += 1;
    }
    disk.power_loss(&mut Rng::new(seed));
    let left = disk.read("kept");
    left != Some(vec![acknowledged; 100]) && left != Some(vec![acknowledged + 1; 100])
}

#[test]
fn a_correct_protocol_survives_and_each_planted_bug_shows_within_a_hundred_seeds() {
    assert!((0..1000).all(|seed| !loses(None, seed)));
    for bug in Planted::ALL.into_iter().filter(|bug| bug.place() == yeoul_sim::planted::Place::Disk) {
        let found = (0..100).position(|seed| loses(Some(bug), seed));
        assert!(found.is_some(), "{bug} was not noticed");
    }
}
