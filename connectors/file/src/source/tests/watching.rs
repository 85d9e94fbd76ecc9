//! A watched folder: each file once, when it is complete, also across restarts.

use std::time::Duration;

use yeoul_frame::Timestamp;
use yeoul_operator::{MakeSource, SourcePoll};

use crate::FileSource;
use crate::source::harness::{Input, Instance, Saved, in_frames_of, save};

fn watching(input: &Input) -> MakeSource {
    in_frames_of(1, FileSource::lines(input.path("")).watch(Duration::from_millis(100)))
}

fn tick(all: &mut [Instance]) {
    for instance in all {
        instance.now = instance.now.plus(100);
        instance.run_until_idle().unwrap();
    }
}

fn sorted(all: &[Instance]) -> Vec<&str> {
    let mut texts: Vec<&str> = all.iter().flat_map(Instance::texts).collect();
    texts.sort_unstable();
    texts
}

#[test]
fn a_file_is_read_once_when_it_has_settled() {
    let input = Input::new(&[("a", b"1\n"), (".hidden", b"no\n"), ("_part", b"no\n"), ("b.tmp", b"no\n")]);
    let make = watching(&input);
    let mut all = Instance::all(&make, 2, &Saved::new()).unwrap();
    for instance in &mut all {
        assert_eq!(instance.poll().unwrap(), SourcePoll::Pending { until: Some(Timestamp(100)) });
    }
    tick(&mut all);
    assert_eq!(sorted(&all), ["1"]);
    input.put("b", b"2\n");
    tick(&mut all);
    assert_eq!(sorted(&all), ["1"], "seen once");
    input.put("b", b"2\n3\n");
    tick(&mut all);
    assert_eq!(sorted(&all), ["1"], "still being written");
    tick(&mut all);
    assert_eq!(sorted(&all), ["1", "2", "3"]);
    tick(&mut all);
    assert_eq!(sorted(&all), ["1", "2", "3"]);
}

#[test]
fn a_watched_folder_that_is_away_for_a_moment_does_not_end_the_job_for_good() {
    let input = Input::new(&[]);
    let (folder, away) = (input.folder().join("in"), input.folder().join("away"));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("a"), "1\n").unwrap();
    let make = in_frames_of(1, FileSource::lines(input.path("in")).watch(Duration::from_millis(100)));
    let mut all = Instance::all(&make, 1, &Saved::new()).unwrap();
    tick(&mut all);
    std::fs::rename(&folder, &away).unwrap();
    all[0].now = all[0].now.plus(100);
    let error = all[0].run_until_idle().unwrap_err();
    assert!(error.to_string().contains("no file or folder") && !error.is_permanent(), "{error}");
}

#[test]
fn done_files_are_not_read_again_after_a_restart() {
    let input = Input::new(&[("a", b"1\n"), ("b", b"2\n")]);
    let make = watching(&input);
    let mut all = Instance::all(&make, 2, &Saved::new()).unwrap();
    tick(&mut all);
    tick(&mut all);
    input.put("c", b"3\n");
    let saved = save(&mut all);
    let mut after = Instance::all(&make, 3, &saved).unwrap();
    tick(&mut after);
    tick(&mut after);
    assert_eq!((sorted(&all), sorted(&after)), (vec!["1", "2"], vec!["3"]));
    // Moved away, it is forgotten; the snapshot shrinks.
    let sizes = |all: &mut Vec<Instance>| save(all).iter().map(|(_, _, bytes)| bytes.len()).sum::<usize>();
    let before = sizes(&mut after);
    std::fs::remove_file(input.folder().join("a")).unwrap();
    tick(&mut after);
    assert_eq!(before - sizes(&mut after), 51);
}

#[test]
fn a_restart_in_the_middle_of_a_file_goes_on_there() {
    let input = Input::new(&[("a", b"1\n2\n3\n"), ("b", b"4\n5\n6\n")]);
    let make = watching(&input);
    for turns in 0..12 {
        let mut all = Instance::all(&make, 1, &Saved::new()).unwrap();
        all[0].poll().unwrap();
        all[0].now = Timestamp(100);
        (0..turns).for_each(|_| _ = all[0].poll().unwrap());
        let saved = save(&mut all);
        let mut after = Instance::all(&make, 2, &saved).unwrap();
        tick(&mut after);
        tick(&mut after);
        let mut texts = [sorted(&all), sorted(&after)].concat();
        texts.sort_unstable();
        assert_eq!(texts, ["1", "2", "3", "4", "5", "6"], "{turns} turns");
    }
}

#[test]
fn a_file_that_changes_after_it_was_read_is_an_error() {
    let input = Input::new(&[("a", b"1\n")]);
    let make = watching(&input);
    let mut all = Instance::all(&make, 1, &Saved::new()).unwrap();
    tick(&mut all);
    tick(&mut all);
    input.put("a", b"1\n2\n");
    all[0].now = all[0].now.plus(100);
    let error = all[0].run_until_idle().unwrap_err().to_string();
    assert!(error.contains("changed while the job was reading it") && error.contains("new files"), "{error}");
}

#[test]
fn files_come_in_the_order_in_which_they_were_written() {
    let input = Input::new(&[]);
    for (age, name) in ["c", "a", "b"].iter().enumerate() {
        input.put(name, format!("{name}\n").as_bytes());
        let file = std::fs::File::options().write(true).open(input.folder().join(name)).unwrap();
        let modified = std::time::UNIX_EPOCH + Duration::from_secs(1_600_000_000 + age as u64);
        file.set_modified(modified).unwrap();
    }
    let mut all = Instance::all(&watching(&input), 1, &Saved::new()).unwrap();
    tick(&mut all);
    tick(&mut all);
    assert_eq!(all[0].texts(), ["c", "a", "b"]);
}

fn tick_one(instance: &mut Instance) -> Result<(), yeoul_operator::OperatorError> {
    instance.now = instance.now.plus(100);
    instance.run_until_idle()
}

/// Two instances, a file of four splits that both have read, and where to move it.
fn read_in_splits(input: &Input) -> (MakeSource, Vec<Instance>, impl Fn() + '_, impl Fn() + '_) {
    input.put("a", b"1\n2\n3\n4\n");
    let source = FileSource::lines(input.path("")).watch(Duration::from_millis(100)).split_size(2);
    let make = in_frames_of(1, source);
    let mut all = Instance::all(&make, 2, &Saved::new()).unwrap();
    tick(&mut all);
    tick(&mut all);
    assert_eq!(sorted(&all), ["1", "2", "3", "4"]);
    let (inside, outside) = (input.folder().join("a"), input.folder().join("_away"));
    let (from, to) = (inside.clone(), outside.clone());
    (make, all, move || std::fs::rename(&from, &to).unwrap(), move || std::fs::rename(&outside, &inside).unwrap())
}

/// Instances forget a file that is done and gone at different moments; a checkpoint may come in between.
#[test]
fn a_file_may_be_moved_away_once_it_is_read() {
    for first in 0..2 {
        for after in 1..4 {
            for is_back in [false, true] {
                let input = Input::new(&[]);
                let (make, mut all, away, back) = read_in_splits(&input);
                away();
                tick_one(&mut all[first]).unwrap();
                let saved = save(&mut all);
                if is_back {
                    back();
                }
                let mut rest = Instance::all(&make, after, &saved).unwrap();
                for _ in 0..3 {
                    tick(&mut rest);
                }
                assert_eq!(sorted(&rest), [""; 0], "instance {first} forgot it, {after} go on, it is back: {is_back}");
            }
        }
    }
}

/// What one instance has not seen yet is not done, though another is done with its share: moved away, it is missed.
#[test]
fn a_file_that_one_instance_has_not_seen_is_missed() {
    for restarts in [false, true] {
        let input = Input::new(&[]);
        let source = FileSource::lines(input.path("")).watch(Duration::from_millis(100)).split_size(2);
        let make = in_frames_of(1, source);
        let mut all = Instance::all(&make, 2, &Saved::new()).unwrap();
        tick(&mut all);
        input.put("a", b"1\n2\n3\n4\n");
        tick_one(&mut all[0]).unwrap();
        tick_one(&mut all[0]).unwrap();
        assert_eq!(all[0].texts().len(), 2);
        let saved = save(&mut all);
        std::fs::remove_file(input.folder().join("a")).unwrap();
        let error = if restarts {
            let mut rest = Instance::all(&make, 1, &saved).unwrap();
            tick_one(&mut rest[0]).unwrap_err()
        } else {
            tick_one(&mut all[1]).unwrap_err()
        };
        assert!(error.to_string().contains("a' has not been read to its end, and is gone"), "{error}");
    }
}

#[test]
fn a_clock_that_is_set_back_does_not_stop_the_listings() {
    let input = Input::new(&[]);
    let mut all = Instance::all(&watching(&input), 1, &Saved::new()).unwrap();
    all[0].now = Timestamp(1_000_000);
    tick(&mut all);
    input.put("a", b"1\n");
    all[0].now = Timestamp(0);
    tick(&mut all);
    tick(&mut all);
    assert_eq!(sorted(&all), ["1"]);
}
