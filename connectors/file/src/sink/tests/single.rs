//! One file on a real disk.

use yeoul_frame::Epoch;
use yeoul_operator::{Services, SinkSpec};

use crate::FileSink;
use crate::sink::harness::{Log, Row, Run, rows};

struct Out(tempfile::TempDir);

impl Out {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> String {
        self.0.path().join("out/result.csv").display().to_string()
    }

    fn text(&self) -> Option<String> {
        std::fs::read_to_string(self.path()).ok()
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path().join("out")).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn the_file_appears_at_the_end_and_nothing_else_is_left() {
    let out = Out::new();
    let (sink, services, mut log) = (FileSink::csv::<Row>(out.path()).single(), Services::default(), Log::default());
    let mut run = Run::start(&sink, &services, 3, &log).unwrap();
    run.epoch(3, &mut log, &[&rows(1, 0..2)]);
    assert_eq!(out.text(), None);
    assert_eq!(out.names(), [".result.csv.lock", ".result.csv.open"]);
    drop(run);
    let mut run = Run::start(&sink, &services, 2, &log).unwrap();
    run.epoch(2, &mut log, &[&rows(2, 2..3)]);
    run.epoch(2, &mut log, &[&[]]);
    assert_eq!(log.kept(), 0, "the log keeps nothing of a file that grows");
    run.finish().unwrap();
    assert_eq!(out.text().unwrap(), "epoch,n\n1,0\n1,1\n2,2\n");
    assert_eq!(out.names(), ["result.csv"]);
}

/// A job that is stopped shows what it has; resumed, it goes on from there.
#[test]
fn a_job_can_be_stopped_and_resumed() {
    let out = Out::new();
    let (sink, services, mut log) = (FileSink::csv::<Row>(out.path()).single(), Services::default(), Log::default());
    let mut expected = "epoch,n\n".to_owned();
    for epoch in 1..5 {
        let mut run = Run::start(&sink, &services, 1, &log).unwrap();
        if epoch != 3 {
            run.epoch(1, &mut log, &[&rows(epoch, 0..1)]);
            expected += &format!("{epoch},0\n");
        }
        run.finish().unwrap();
        assert_eq!(out.text().unwrap(), expected);
        assert_eq!(out.names(), ["result.csv"]);
    }
}

#[test]
fn a_job_without_output_leaves_a_file_with_a_header() {
    let out = Out::new();
    let sink = FileSink::csv::<Row>(out.path()).single();
    Run::start(&sink, &Services::default(), 1, &Log::default()).unwrap().finish().unwrap();
    assert_eq!(out.text().unwrap(), "epoch,n\n");
    let error = Run::start(&sink, &Services::default(), 1, &Log::default()).err().expect("refused").to_string();
    assert!(error.contains("exists already") && error.contains("overwrite"), "{error}");
}

#[test]
fn an_old_result_stays_until_the_new_one_is_complete() {
    let out = Out::new();
    let services = Services::default();
    let sink = FileSink::csv::<Row>(out.path()).single().overwrite();
    for turn in 1..4 {
        let before = out.text();
        let mut log = Log::default();
        Run::start(&sink, &services, 1, &log).unwrap().epoch(1, &mut log, &[&rows(turn, 0..turn)]);
        let mut run = Run::start(&sink, &services, 1, &log).unwrap();
        assert_eq!(out.text(), before);
        run.finish().unwrap();
        assert_eq!(out.text().unwrap().lines().count() as u64, turn + 1);
    }
}

#[test]
fn a_hidden_file_that_is_gone_is_an_error() {
    let out = Out::new();
    let (sink, services, mut log) = (FileSink::csv::<Row>(out.path()).single(), Services::default(), Log::default());
    let mut run = Run::start(&sink, &services, 1, &log).unwrap();
    run.epoch(1, &mut log, &[&rows(1, 0..2)]);
    run.epoch(1, &mut log, &[&[]]);
    drop(run);
    std::fs::remove_file(out.0.path().join("out/.result.csv.open")).unwrap();
    let mut run = Run::start(&sink, &services, 1, &log).unwrap();
    run.write(0, &rows(3, 0..1)).unwrap();
    run.commit(1, &mut log).unwrap();
    let error = run.deliver(&mut log).unwrap_err().to_string();
    assert!(error.contains("16 bytes of") && error.contains("put '"), "{error}");
}

/// A job of three epochs, which crashes then: with its log, and what epoch 1 sealed.
fn three_epochs(out: &Out) -> (Log, Vec<yeoul_operator::SealedOutput>) {
    let mut log = Log::default();
    let mut run = Run::start(&FileSink::csv::<Row>(out.path()).single(), &Services::default(), 1, &log).unwrap();
    run.epoch(1, &mut log, &[&rows(1, 0..2)]);
    let first = log.outputs(1);
    run.epoch(1, &mut log, &[&rows(2, 0..2)]);
    run.epoch(1, &mut log, &[&rows(3, 0..2)]);
    assert_eq!((first.len(), log.outputs(1).len()), (1, 0));
    (log, first)
}

const THREE: &str = "epoch,n\n1,0\n1,1\n2,0\n2,1\n3,0\n3,1\n";

/// After a rescale the log may hold old epochs again, with gaps between them or after them.
#[test]
fn what_is_committed_survives_a_log_with_gaps() {
    for keeps_last in [true, false] {
        let out = Out::new();
        let sink = FileSink::csv::<Row>(out.path()).single();
        let (mut log, first) = three_epochs(&out);
        log.holds(1, first);
        if !keeps_last {
            log.holds(3, vec![]);
        }
        let mut run = Run::start(&sink, &Services::default(), 1, &log).unwrap();
        run.epoch(1, &mut log, &[&rows(4, 0..1)]);
        run.finish().unwrap();
        assert_eq!(out.text().unwrap(), format!("{THREE}4,0\n"), "the last epoch is held: {keeps_last}");
    }
}

#[test]
fn what_is_delivered_again_never_shortens_the_file() {
    let out = Out::new();
    let (log, first) = three_epochs(&out);
    let hidden = || std::fs::read_to_string(out.0.path().join("out/.result.csv.open")).unwrap();
    assert_eq!(hidden(), THREE);
    let mut committer = FileSink::csv::<Row>(out.path()).single().committer()();
    assert_eq!(committer.recover(&Services::default(), log.committed).unwrap(), Epoch(2));
    committer.deliver(Epoch(1), &first).unwrap();
    assert_eq!(hidden(), THREE);
    // The log lacks the rest: what comes now is not what follows.
    let error = committer.deliver(Epoch(4), &first).unwrap_err().to_string();
    assert!(error.contains("is not what follows"), "{error}");
    assert_eq!(hidden(), THREE);
}

#[test]
fn a_file_that_holds_more_than_is_committed_is_refused() {
    let out = Out::new();
    let (sink, services, mut log) = (FileSink::csv::<Row>(out.path()).single(), Services::default(), Log::default());
    let mut run = Run::start(&sink, &services, 1, &log).unwrap();
    run.epoch(1, &mut log, &[&rows(1, 0..2)]);
    let mut savepoint = log.clone();
    run.epoch(1, &mut log, &[&rows(2, 0..2)]);
    drop(run);
    let hidden = out.0.path().join("out/.result.csv.open");
    let text = std::fs::read_to_string(&hidden).unwrap();
    let mut run = Run::start(&sink, &services, 1, &savepoint).unwrap();
    run.write(0, &rows(2, 5..6)).unwrap();
    run.commit(1, &mut savepoint).unwrap();
    let error = run.deliver(&mut savepoint).unwrap_err().to_string();
    assert!(error.contains("holds 16 bytes of text, but 8") && error.contains("cut it to 16 bytes"), "{error}");
    assert_eq!(std::fs::read_to_string(&hidden).unwrap(), text);
}

#[test]
fn a_fresh_job_does_not_take_the_place_of_one_that_has_not_ended() {
    let out = Out::new();
    let sink = FileSink::csv::<Row>(out.path()).single();
    let (log, _) = three_epochs(&out);
    let error = Run::start(&sink, &Services::default(), 1, &Log::default()).err().expect("refused").to_string();
    assert!(error.contains("has not ended") && error.contains("overwrite"), "{error}");
    Run::start(&sink, &Services::default(), 1, &log).unwrap().finish().unwrap();
    assert_eq!(out.text().unwrap(), THREE);
}

#[test]
fn an_old_result_is_not_taken_for_what_this_run_wrote() {
    let out = Out::new();
    let sink = FileSink::csv::<Row>(out.path()).single().overwrite();
    std::fs::create_dir(out.0.path().join("out")).unwrap();
    std::fs::write(out.path(), "epoch,n\n9,9\n9,9\n9,9\n9,9\n9,9\n9,9\n").unwrap();
    let mut log = Log::default();
    let mut run = Run::start(&sink, &Services::default(), 1, &log).unwrap();
    (1..=3).for_each(|epoch| run.epoch(1, &mut log, &[&rows(epoch, 0..2)]));
    drop(run);
    std::fs::remove_file(out.0.path().join("out/.result.csv.open")).unwrap();
    let error = Run::start(&sink, &Services::default(), 1, &log).err().expect("refused").to_string();
    assert!(error.contains("put '"), "{error}");
}
