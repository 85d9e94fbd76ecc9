//! The table at the head of `storage.rs`, row by row: each case says what to do and exactly which disks may be left.

use std::collections::BTreeSet;

use yeoul_sim::clock::SimClock;
use yeoul_sim::disk::{DiskModel, SimDisk};
use yeoul_sim::rng::Rng;
use yeoul_sim::trace::Trace;
use yeoul_sys::Storage;

const CRASHES: u64 = 3000;
const SECTOR: usize = 512;

fn disk_after(model: DiskModel, work: impl FnOnce(&dyn Storage)) -> SimDisk {
    let disk = SimDisk::with_model(1, SimClock::new(0), Trace::keeping(0), model);
    work(&*disk.start().folder(""));
    disk
}

/// What is left after each of many power losses at the same moment.
fn left(disk: &SimDisk, show: impl Fn(&SimDisk) -> String) -> BTreeSet<String> {
    (0..CRASHES)
        .map(|seed| {
            let fork = disk.fork(Trace::keeping(0));
            fork.power_loss(&mut Rng::new(seed));
            show(&fork)
        })
        .collect()
}

fn check_model(model: DiskModel, work: impl FnOnce(&dyn Storage), expected: &[&str]) {
    let seen = left(&disk_after(model, work), all_files);
    let expected: BTreeSet<String> = expected.iter().map(|&text| text.to_owned()).collect();
    assert_eq!(seen, expected);
}

/// `expected`: each disk as "path=sectors", separated by spaces.
fn check(work: impl FnOnce(&dyn Storage), expected: &[&str]) {
    check_model(DiskModel::default(), work, expected);
}

fn all_files(disk: &SimDisk) -> String {
    let files = disk.files().into_iter().map(|(path, _)| {
        let bytes = disk.read(&path).expect("listed just now");
        format!("{path}={}", sectors(&bytes))
    });
    files.collect::<Vec<_>>().join(" ")
}

/// One letter a sector: its byte as a digit, or `~` if it holds more than one value.
fn sectors(bytes: &[u8]) -> String {
    let letter =
        |sector: &[u8]| if sector.iter().all(|b| *b == sector[0]) { char::from(b'0' + sector[0]) } else { '~' };
    bytes.chunks(SECTOR).map(letter).collect()
}

fn write(storage: &dyn Storage, path: &str, bytes: &[u8]) {
    let file = storage.create(path).unwrap();
    file.write_at(bytes, 0).unwrap();
    file.sync_data().unwrap();
}

fn durable(storage: &dyn Storage, path: &str, bytes: &[u8]) {
    write(storage, path, bytes);
    storage.sync_dir(path.rsplit_once('/').map_or("", |(dir, _)| dir)).unwrap();
}

#[test]
fn synced_bytes_in_a_synced_folder_stay() {
    check(|s| durable(s, "a", &[1; 600]), &["a=11"]);
}

#[test]
fn a_synced_file_in_an_unsynced_folder_may_be_absent() {
    check(|s| write(s, "a", &[1; 600]), &["", "a=11"]);
}

#[test]
fn a_folder_that_is_synced_itself_but_not_above_may_be_absent() {
    let work = |s: &dyn Storage| {
        s.create_dir_all("d").unwrap();
        durable(s, "d/a", &[1; 10]);
    };
    check(work, &["", "d/a=1"]);
    check(|s| (work(s), s.sync_dir("").unwrap()).0, &["d/a=1"]);
}

#[test]
fn two_unsynced_writes_survive_in_any_combination() {
    let disk = disk_after(DiskModel::default(), |s| {
        durable(s, "a", &[0; 2 * SECTOR]);
        let file = s.open("a").unwrap();
        file.write_at(&[1; SECTOR], 0).unwrap();
        file.write_at(&[1; SECTOR], 512).unwrap();
    });
    let seen = left(&disk, all_files);
    for combination in ["a=00", "a=10", "a=01", "a=11", "a=~0", "a=0~", "a=~1"] {
        assert!(seen.contains(combination), "{combination} missing in {seen:?}");
    }
}

#[test]
fn of_one_write_any_sectors_survive() {
    let disk = disk_after(DiskModel::default(), |s| {
        durable(s, "a", &[0; 3 * SECTOR]);
        s.open("a").unwrap().write_at(&[1; 3 * SECTOR], 0).unwrap();
    });
    let whole: BTreeSet<String> = left(&disk, all_files).into_iter().filter(|text| !text.contains('~')).collect();
    assert_eq!(whole.len(), 8, "{whole:?}");
}

#[test]
fn within_a_sector_a_later_write_brings_the_earlier_one() {
    let disk = disk_after(DiskModel::default(), |s| {
        durable(s, "a", &[0; SECTOR]);
        let file = s.open("a").unwrap();
        file.write_at(&[1; 100], 0).unwrap();
        file.write_at(&[2; 100], 100).unwrap();
    });
    let seen = left(&disk, |disk| {
        let bytes = disk.read("a").unwrap();
        assert!(bytes[199] != 2 || bytes[..200] == [[1; 100], [2; 100]].concat(), "{bytes:?}");
        format!("{}{}", bytes[0], bytes[199])
    });
    assert_eq!(seen, ["00", "10", "12"].map(str::to_owned).into());
}

#[test]
fn a_length_survives_without_its_bytes_and_bytes_are_gone_without_their_length() {
    let disk = disk_after(DiskModel::default(), |s| {
        durable(s, "a", &[1; SECTOR]);
        s.open("a").unwrap().write_at(&[2; SECTOR], 512).unwrap();
    });
    let seen = left(&disk, all_files);
    assert!(["a=1", "a=10", "a=12"].iter().all(|state| seen.contains(*state)), "{seen:?}");
    let lengths = left(&disk, |disk| disk.read("a").unwrap().len().to_string());
    assert_eq!(lengths, ["512", "1024"].map(str::to_owned).into());
}

#[test]
fn an_unsynced_cut_or_reservation_is_done_or_not() {
    let cut = |s: &dyn Storage| {
        durable(s, "a", &[1; 2 * SECTOR]);
        s.open("a").unwrap().set_len(512).unwrap();
    };
    check(cut, &["a=1", "a=11"]);
    let cut_and_back = |s: &dyn Storage| {
        cut(s);
        s.open("a").unwrap().allocate(2 * SECTOR as u64).unwrap();
    };
    check(cut_and_back, &["a=1", "a=11", "a=10"]);
    check(|s| (cut_and_back(s), s.open("a").unwrap().sync_data().unwrap()).0, &["a=10"]);
}

#[test]
fn an_unsynced_rename_is_done_or_not_and_never_loses_the_file() {
    let work = |s: &dyn Storage| {
        durable(s, "a", &[1]);
        s.rename("a", "b").unwrap();
    };
    check(work, &["a=1", "b=1"]);
    check_model(DiskModel { atomic_rename: false }, work, &["a=1", "b=1", "a=1 b=1"]);
    check(|s| (work(s), s.sync_dir("").unwrap()).0, &["b=1"]);
}

#[test]
fn a_rename_over_a_file_leaves_the_old_or_the_new_one() {
    let work = |s: &dyn Storage| {
        durable(s, "a", &[1]);
        write(s, "tmp", &[2]);
        s.rename("tmp", "a").unwrap();
    };
    check(work, &["a=1", "a=1 tmp=2", "a=2"]);
}

#[test]
fn a_rename_may_survive_without_unsynced_bytes() {
    let disk = disk_after(DiskModel::default(), |s| {
        durable(s, "a", &[1]);
        s.create("tmp").unwrap().write_at(&[2], 0).unwrap();
        s.rename("tmp", "a").unwrap();
        s.sync_dir("").unwrap();
    });
    assert_eq!(left(&disk, all_files), ["a=", "a=0", "a=2"].map(str::to_owned).into());
}

#[test]
fn an_unsynced_removal_is_done_or_not() {
    let work = |s: &dyn Storage| {
        durable(s, "a", &[1]);
        s.remove("a").unwrap();
    };
    check(work, &["", "a=1"]);
    check(|s| (work(s), s.sync_dir("").unwrap()).0, &[""]);
}

#[test]
fn a_later_change_of_a_name_never_comes_without_the_earlier_ones() {
    let work = |s: &dyn Storage| {
        durable(s, "a", &[1]);
        s.rename("a", "b").unwrap();
        write(s, "a", &[2]);
    };
    // Never "a=2" alone: that would lose what was durable under "a".
    check(work, &["a=1", "b=1", "a=2 b=1"]);
}

#[test]
fn names_are_independent_of_each_other() {
    let work = |s: &dyn Storage| {
        write(s, "a", &[1]);
        write(s, "b", &[2]);
    };
    check(work, &["", "a=1", "b=2", "a=1 b=2"]);
}

#[test]
fn a_move_between_folders_is_durable_when_the_new_one_is_synced() {
    let work = |s: &dyn Storage, synced: &[&str]| {
        s.create_dir_all("d").unwrap();
        s.create_dir_all("e").unwrap();
        s.sync_dir("").unwrap();
        durable(s, "d/a", &[1]);
        s.rename("d/a", "e/a").unwrap();
        synced.iter().for_each(|dir| s.sync_dir(dir).unwrap());
    };
    check(|s| work(s, &[]), &["d/a=1", "e/a=1"]);
    check(|s| work(s, &["d"]), &["d/a=1", "e/a=1"]);
    check(|s| work(s, &["e"]), &["e/a=1"]);
}

#[test]
fn a_move_into_a_lost_folder_is_lost_and_not_the_file() {
    let work = |s: &dyn Storage| {
        durable(s, "a", &[1]);
        s.create_dir_all("d/e").unwrap();
        s.rename("a", "d/e/a").unwrap();
    };
    check(work, &["a=1", "d/e/a=1"]);
    check(|s| (work(s), s.sync_dir("d/e").unwrap()).0, &["d/e/a=1"]);
}

#[test]
fn a_folder_is_gone_only_when_it_was_emptied() {
    let work = |s: &dyn Storage| {
        s.create_dir_all("d").unwrap();
        s.sync_dir("").unwrap();
        durable(s, "d/a", &[1]);
        s.create_dir_all("keep").unwrap();
        s.sync_dir("").unwrap();
        s.rename("d/a", "keep/a").unwrap();
        s.remove("d").unwrap();
    };
    check(work, &["d/a=1", "keep/a=1"]);
    check(|s| (work(s), s.sync_dir("").unwrap()).0, &["keep/a=1"]);
}

#[test]
fn what_was_left_is_durable_from_then_on() {
    let disk = disk_after(DiskModel::default(), |s| {
        durable(s, "a", &[1; 5000]);
        s.open("a").unwrap().write_at(&[2; 5000], 100).unwrap();
        s.rename("a", "b").unwrap();
        write(s, "c", &[3]);
    });
    disk.power_loss(&mut Rng::new(9));
    let after = all_files(&disk);
    assert_eq!(disk.unsynced(), 0);
    assert_eq!(left(&disk, all_files), BTreeSet::from([after]));
}

#[test]
fn a_kill_loses_nothing_but_what_it_left_unsynced_may_go_with_the_power() {
    let disk = disk_after(DiskModel::default(), |s| write(s, "a", &[1]));
    disk.kill();
    assert_eq!(all_files(&disk), "a=1");
    assert_eq!(left(&disk, all_files), ["", "a=1"].map(str::to_owned).into());
}
