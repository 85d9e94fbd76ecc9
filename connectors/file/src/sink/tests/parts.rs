//! Parts on a real disk: their names, their bytes, and the moments at which they appear.

use std::path::Path;
use std::time::Duration;

use yeoul_frame::{Epoch, Pool, RowBuilder, RowKind, Timestamp};
use yeoul_operator::{Context, Counters, InputId, Services, SinkSpec};

use crate::sink::harness::{Log, Row, Run, rows};
use crate::{FileSink, Roll};

/// What an outside reader sees: names and contents.
fn seen(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap()))
        .filter(|(name, _)| !name.starts_with('.'))
        .collect();
    files.sort();
    files
}

fn names(folder: &Path) -> Vec<String> {
    seen(folder).into_iter().map(|(name, _)| name).collect()
}

fn hidden(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().filter(|e| e.as_ref().unwrap().file_name().as_encoded_bytes()[0] == b'.').count()
}

fn out(folder: &tempfile::TempDir) -> String {
    folder.path().join("out").display().to_string()
}

#[test]
fn each_epoch_is_a_part_by_default() {
    let folder = tempfile::tempdir().unwrap();
    let (sink, services, mut log) = (FileSink::csv::<Row>(out(&folder)), Services::default(), Log::default());
    let path = folder.path().join("out");
    let mut run = Run::start(&sink, &services, 2, &log).unwrap();
    run.write(0, &rows(1, 0..2)).unwrap();
    run.commit(2, &mut log).unwrap();
    assert_eq!(seen(&path), [], "committed, and not delivered yet");
    run.deliver(&mut log).unwrap();
    run.epoch(2, &mut log, &[&[], &[]]);
    run.epoch(2, &mut log, &[&rows(3, 0..1), &rows(3, 1..2)]);
    let expected = [
        ("part-00000-e0000000001-0000000001.csv", "epoch,n\n1,0\n1,1\n"),
        ("part-00000-e0000000003-0000000003.csv", "epoch,n\n3,0\n"),
        ("part-00001-e0000000003-0000000003.csv", "epoch,n\n3,1\n"),
    ];
    assert_eq!(seen(&path), expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
    run.finish().unwrap();
    assert_eq!((names(&path).len(), hidden(&path)), (3, 0));
    assert_eq!(log.kept(), 1, "the log keeps no more than the last epoch");
}

#[test]
fn parts_are_rolled_by_size_and_survive_a_restart_in_between() {
    let folder = tempfile::tempdir().unwrap();
    let sink = FileSink::ndjson::<Row>(out(&folder)).roll(Roll::Bytes(45)).prefix("row");
    let (services, mut log) = (Services::default(), Log::default());
    let path = folder.path().join("out");
    let line = |epoch: u64| format!("{{\"epoch\":{epoch},\"n\":0}}\n");
    for epoch in 1..=7 {
        // Each epoch in a run of its own.
        let mut run = Run::start(&sink, &services, 1, &log).unwrap();
        run.epoch(1, &mut log, &[&rows(epoch, 0..1)]);
    }
    let part = |first: u64, last: u64| {
        (format!("row-00000-e{first:010}-{last:010}.ndjson"), (first..=last).map(line).collect::<String>())
    };
    assert_eq!(seen(&path), [part(1, 3), part(4, 6)]);
    let mut run = Run::start(&sink, &services, 1, &log).unwrap();
    run.finish().unwrap();
    assert_eq!(seen(&path), [part(1, 3), part(4, 6), part(7, 7)]);
    assert_eq!(hidden(&path), 0);
}

#[test]
fn parts_are_rolled_by_age_even_if_nothing_follows() {
    let folder = tempfile::tempdir().unwrap();
    let sink = FileSink::ndjson::<Row>(out(&folder)).roll(Roll::Every(Duration::from_millis(100)));
    let (services, mut log) = (Services::default(), Log::default());
    let path = folder.path().join("out");
    let mut run = Run::start(&sink, &services, 1, &log).unwrap();
    run.epoch(1, &mut log, &[&rows(1, 0..1)]);
    run.pass(60);
    run.epoch(1, &mut log, &[&rows(2, 0..1)]);
    run.pass(60);
    assert_eq!(names(&path).len(), 0);
    run.epoch(1, &mut log, &[&[]]);
    assert_eq!(names(&path), ["part-00000-e0000000001-0000000003.ndjson"]);
    run.pass(1000);
    run.epoch(1, &mut log, &[&[]]);
    assert_eq!(names(&path).len(), 1);
}

#[test]
fn another_number_of_shards_completes_the_parts_of_before() {
    let folder = tempfile::tempdir().unwrap();
    let sink = FileSink::csv::<Row>(out(&folder)).roll(Roll::Bytes(1 << 20));
    let (services, mut log) = (Services::default(), Log::default());
    let path = folder.path().join("out");
    let mut run = Run::start(&sink, &services, 3, &log).unwrap();
    run.epoch(3, &mut log, &[&rows(1, 0..1), &rows(1, 1..2), &rows(1, 2..3)]);
    drop(run);
    let mut run = Run::start(&sink, &services, 2, &log).unwrap();
    // Nothing is written, and still the parts of the three are seen.
    run.epoch(2, &mut log, &[&[], &[]]);
    let first: Vec<String> = (0..3).map(|s| format!("part-{s:05}-e0000000001-0000000001.csv")).collect();
    assert_eq!(names(&path), first);
    run.epoch(2, &mut log, &[&rows(3, 0..1), &rows(3, 1..2)]);
    run.finish().unwrap();
    assert_eq!(names(&path).len(), 5);
    assert!(seen(&path).iter().all(|(_, text)| text.starts_with("epoch,n\n")), "each file has a header");
}

#[test]
fn a_folder_of_another_run_is_refused_or_cleared() {
    let folder = tempfile::tempdir().unwrap();
    let sink = FileSink::ndjson::<Row>(out(&folder));
    let services = Services::default();
    let path = folder.path().join("out");
    let mut log = Log::default();
    Run::start(&sink, &services, 1, &log).unwrap().epoch(1, &mut log, &[&rows(1, 0..1)]);
    std::fs::write(path.join("notes.txt"), "mine").unwrap();
    let error = Run::start(&sink, &services, 1, &Log::default()).err().expect("refused").to_string();
    assert!(
        error.contains("part-00000-e0000000001-0000000001.ndjson") && error.contains("'sink.overwrite' = 'true'"),
        "{error}"
    );
    let mut log = Log::default();
    let mut run = Run::start(&sink.clone().overwrite(), &services, 1, &log).unwrap();
    assert_eq!(names(&path), ["notes.txt"]);
    run.epoch(1, &mut log, &[&rows(1, 5..6)]);
    drop(run);
    // Restarted, it removes nothing.
    Run::start(&sink.overwrite(), &services, 1, &log).unwrap();
    assert_eq!(names(&path).len(), 2);
}

#[test]
fn two_sinks_share_a_folder_by_their_prefixes() {
    let folder = tempfile::tempdir().unwrap();
    let services = Services::default();
    let sink = FileSink::ndjson::<Row>(out(&folder));
    let first = Run::start(&sink, &services, 1, &Log::default()).unwrap();
    let error = Run::start(&sink, &services, 1, &Log::default()).err().expect("locked").to_string();
    assert!(error.contains("locked by process") && error.contains("prefix of its own"), "{error}");
    let other = Run::start(&sink.clone().prefix("part-00001"), &services, 1, &Log::default()).unwrap();
    drop((first, other));
    Run::start(&sink, &services, 1, &Log::default()).unwrap();
}

#[test]
fn too_much_text_in_one_epoch_and_changes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let services = Services::default();
    let sink = FileSink::ndjson::<Row>(out(&folder)).epoch_limit(300_000);
    let mut run = Run::start(&sink, &services, 1, &Log::default()).unwrap();
    let error = (0..100).find_map(|_| run.write(0, &rows(1, 0..1000)).err()).unwrap().to_string();
    assert!(error.contains("limit of 300000") && error.contains("checkpoints more often"), "{error}");

    let (pool, counters) = (Pool::new(), Counters::default());
    let mut changes = RowBuilder::<Row>::new(&pool, 9);
    changes.push(&Row { epoch: 1, n: 1 }, Timestamp(0), RowKind::Insert).unwrap();
    changes.push(&Row { epoch: 1, n: 2 }, Timestamp(0), RowKind::Delete).unwrap();
    let mut emitted = vec![];
    let mut cx = Context::new(&mut emitted, Timestamp::MIN, Timestamp(0), &pool, &counters);
    let error = sink.make()().process(InputId(0), &changes.finish(), &mut cx).unwrap_err().to_string();
    assert!(error.contains("Delete") && error.contains("only add"), "{error}");
}

/// Text is sealed in pieces, and comes out whole.
#[test]
fn an_epoch_of_many_chunks_is_one_part() {
    let folder = tempfile::tempdir().unwrap();
    let (sink, services, mut log) = (FileSink::csv::<Row>(out(&folder)), Services::default(), Log::default());
    let mut run = Run::start(&sink, &services, 1, &log).unwrap();
    let mut expected = "epoch,n\n".to_owned();
    for from in (0..200_000).step_by(1000) {
        run.write(0, &rows(1, from..from + 1000)).unwrap();
        (from..from + 1000).for_each(|n| expected += &format!("1,{n}\n"));
    }
    run.commit(1, &mut log).unwrap();
    run.deliver(&mut log).unwrap();
    assert!(expected.len() > 1 << 20);
    assert_eq!(seen(&folder.path().join("out"))[0].1, expected);
    assert_eq!(log.committed, Epoch(1));
    run.finish().unwrap();
    let _ = run.services();
}

/// The log still holds what was shown.
#[test]
fn parts_that_a_consumer_removes_do_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let sink = FileSink::ndjson::<Row>(out(&folder)).roll(Roll::Bytes(45));
    let (services, mut log) = (Services::default(), Log::default());
    log.hoards = true;
    let path = folder.path().join("out");
    let mut run = Run::start(&sink, &services, 2, &log).unwrap();
    run.epoch(2, &mut log, &[&rows(1, 0..1), &rows(1, 0..1)]);
    for epoch in 2..=7 {
        run.epoch(2, &mut log, &[&rows(epoch, 0..1), &[]]);
    }
    drop(run);
    assert_eq!(log.kept(), 7);
    assert_eq!(names(&path), ["part-00000-e0000000001-0000000003.ndjson", "part-00000-e0000000004-0000000006.ndjson"]);
    std::fs::remove_file(path.join("part-00000-e0000000001-0000000003.ndjson")).unwrap();
    let mut run = Run::start(&sink, &services, 2, &log).unwrap();
    run.finish().unwrap();
    let expected = [
        "part-00000-e0000000004-0000000006.ndjson",
        "part-00000-e0000000007-0000000007.ndjson",
        "part-00001-e0000000001-0000000001.ndjson",
    ];
    assert_eq!(names(&path), expected);
}

#[test]
fn a_part_that_is_open_survives_another_way_of_rolling() {
    let folder = tempfile::tempdir().unwrap();
    let sink = FileSink::ndjson::<Row>(out(&folder));
    let (services, mut log) = (Services::default(), Log::default());
    let by_size = sink.clone().roll(Roll::Bytes(45));
    let mut run = Run::start(&by_size, &services, 2, &log).unwrap();
    for epoch in 1..=4 {
        run.epoch(2, &mut log, &[&rows(epoch, 0..1), &rows(epoch, 0..u64::from(epoch == 1))]);
    }
    drop(run);
    let mut run = Run::start(&sink, &services, 2, &log).unwrap();
    run.epoch(2, &mut log, &[&[], &rows(5, 0..1)]);
    run.finish().unwrap();
    let expected = [
        "part-00000-e0000000001-0000000003.ndjson",
        "part-00000-e0000000004-0000000005.ndjson",
        "part-00001-e0000000001-0000000005.ndjson",
    ];
    assert_eq!(names(&folder.path().join("out")), expected);
}

/// An epoch whose first pieces the log has lost is shorter than what is visible of it.
#[test]
fn a_visible_part_is_not_replaced_by_its_tail() {
    let folder = tempfile::tempdir().unwrap();
    let (sink, services, mut log) = (FileSink::csv::<Row>(out(&folder)), Services::default(), Log::default());
    let path = folder.path().join("out");
    let mut run = Run::start(&sink, &services, 1, &log).unwrap();
    (0..100).for_each(|from| run.write(0, &rows(1, from * 1000..(from + 1) * 1000)).unwrap());
    run.epoch(1, &mut log, &[&[]]);
    drop(run);
    let before = seen(&path);
    let pieces = log.outputs(1);
    assert!(pieces.len() > 2);
    log.holds(1, pieces[1..].to_vec());
    let mut run = Run::start(&sink, &services, 1, &log).unwrap();
    assert_eq!(seen(&path), before);
    run.epoch(1, &mut log, &[&rows(2, 0..1)]);
    run.finish().unwrap();
    assert_eq!(seen(&path)[0], before[0]);
    assert_eq!((names(&path).len(), hidden(&path)), (2, 0));
}

/// What the log still holds of parts that are visible need not be all of them.
#[test]
fn visible_parts_stay_when_the_log_has_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let sink = FileSink::ndjson::<Row>(out(&folder)).roll(Roll::Bytes(45));
    let (services, mut log) = (Services::default(), Log::default());
    let path = folder.path().join("out");
    let mut run = Run::start(&sink, &services, 2, &log).unwrap();
    run.epoch(2, &mut log, &[&rows(1, 0..1), &rows(1, 0..1)]);
    (2..=7).for_each(|epoch| run.epoch(2, &mut log, &[&rows(epoch, 0..1), &[]]));
    drop(run);
    let before = seen(&path);
    log.holds(2, vec![]);
    let mut run = Run::start(&sink, &services, 2, &log).unwrap();
    assert_eq!(seen(&path), before);
    run.finish().unwrap();
    assert_eq!(seen(&path)[..2], before);
    assert_eq!((names(&path).len(), hidden(&path)), (4, 0));
}

#[test]
fn a_part_that_gets_no_more_is_complete_at_last() {
    let folder = tempfile::tempdir().unwrap();
    let sink = FileSink::ndjson::<Row>(out(&folder)).roll(Roll::Bytes(1 << 20));
    let (services, mut log) = (Services::default(), Log::default());
    let mut run = Run::start(&sink, &services, 1, &log).unwrap();
    run.epoch(1, &mut log, &[&rows(1, 0..1)]);
    run.pass(crate::MAX_AGE.as_millis() as i64 - 1);
    run.epoch(1, &mut log, &[&[]]);
    run.epoch(1, &mut log, &[&[]]);
    assert_eq!((names(&folder.path().join("out")).len(), log.kept()), (0, 1), "the log is held");
    run.pass(1);
    run.epoch(1, &mut log, &[&[]]);
    run.epoch(1, &mut log, &[&[]]);
    assert_eq!((names(&folder.path().join("out")).len(), log.kept()), (1, 0));
}

/// Others of the user's group read them, if the umask lets them.
#[test]
fn results_have_the_modes_of_other_files() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (parts, single) = (FileSink::csv::<Row>(out(&folder)), FileSink::csv::<Row>(out(&folder) + "/one").single());
    Run::start(&parts, &Services::default(), 1, &Log::default()).unwrap().epoch(
        1,
        &mut Log::default(),
        &[&rows(1, 0..1)],
    );
    Run::start(&single, &Services::default(), 1, &Log::default()).unwrap().finish().unwrap();
    std::fs::create_dir(folder.path().join("plain")).unwrap();
    std::fs::File::create(folder.path().join("plain/file")).unwrap();
    let mode = |path: &str| std::fs::metadata(folder.path().join(path)).unwrap().permissions().mode();
    assert_eq!(mode("out"), mode("plain"));
    for file in ["out/part-00000-e0000000001-0000000001.csv", "out/one"] {
        assert_eq!(mode(file), mode("plain/file"), "{file}");
    }
}
