//! One file on a real disk.

use yeoul_operator::Services;

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
