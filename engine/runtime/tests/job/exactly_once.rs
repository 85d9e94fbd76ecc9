//! The result is the same on any number of shards, across restarts, and across a savepoint with another number of shards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use yeoul_frame::Frame;
use yeoul_operator::{Context, InputId, NodeKind, Operator, OperatorError, Partitioning, Services, Snapshot};
use yeoul_runtime::{CheckpointingMode, JobConfig, JobError, Outcome, spawn};

use crate::parts::{Deliver, Lines, Outside, config, delivered, expected, graph, graph_with_pass};

#[test]
fn the_result_does_not_depend_on_the_number_of_shards() {
    for shards in [1, 2, 3] {
        let outside = Outside::default();
        let job = spawn(graph(&outside, Arc::new(|_| Ok(()))), config(shards), Services::default());
        assert_eq!(job.wait().unwrap(), Outcome::Finished, "{shards} shards");
        assert_eq!(delivered(&outside), expected(), "{shards} shards");
    }
}

/// Seals as many pieces without bytes as fill more than a chunk of the log by their headers alone, then the lines.
#[derive(Default)]
struct Hollow(Lines);

impl Operator for Hollow {
    fn process(&mut self, input: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        self.0.process(input, frame, cx)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        (0..5_000).for_each(|_| snapshot.seal(Vec::new()));
        self.0.snapshot(snapshot)
    }
}

#[test]
fn pieces_of_output_may_be_empty() {
    let (data, outside) = (tempfile::tempdir().unwrap(), Outside::default());
    let mut graph = graph(&outside, Arc::new(|_| Ok(())));
    let sink = outside.clone();
    graph.nodes[2].kind = NodeKind::Sink {
        make: Arc::new(|| Box::<Hollow>::default()),
        committer: Arc::new(move || Box::new(Deliver(sink.clone()))),
    };
    let config = JobConfig { data: Some(data.path().to_owned()), ..config(2) };
    assert_eq!(spawn(graph, config, Services::default()).wait().unwrap(), Outcome::Finished);
    assert_eq!(delivered(&outside), expected());
}

#[test]
fn a_failure_loses_and_duplicates_nothing() {
    for shards in [1, 2] {
        let data = tempfile::tempdir().unwrap();
        let outside = Outside::default();
        let failures = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let meddle = move |seen: u64| {
            std::thread::sleep(Duration::from_micros(20));
            for (at, failed) in [20_000, 60_000].into_iter().zip(&*failures) {
                if seen > at && !failed.swap(true, Ordering::Relaxed) {
                    return Err(OperatorError::new("a planted failure"));
                }
            }
            Ok(())
        };
        let config = JobConfig { data: Some(data.path().to_owned()), ..config(shards) };
        let job = spawn(graph(&outside, Arc::new(meddle)), config, Services::default());
        let watch = job.watch().clone();
        assert_eq!(job.wait().unwrap(), Outcome::Finished);
        assert_eq!(delivered(&outside), expected(), "{shards} shards");
        assert_eq!(watch.attempts(), 3);
        assert!(watch.last_failure().unwrap().contains("operator 'count"), "{:?}", watch.last_failure());
    }
}

#[test]
fn at_least_once_a_failure_loses_nothing() {
    let data = tempfile::tempdir().unwrap();
    let outside = Outside::default();
    let failed = Arc::new(AtomicBool::new(false));
    let meddle = move |seen: u64| {
        std::thread::sleep(Duration::from_micros(20));
        match seen > 40_000 && !failed.swap(true, Ordering::Relaxed) {
            true => Err(OperatorError::new("a planted failure")),
            false => Ok(()),
        }
    };
    let checkpointing_mode = CheckpointingMode::AtLeastOnce;
    let config = JobConfig { data: Some(data.path().to_owned()), checkpointing_mode, ..config(2) };
    let job = spawn(graph(&outside, Arc::new(meddle)), config, Services::default());
    let watch = job.watch().clone();
    assert_eq!(job.wait().unwrap(), Outcome::Finished);
    assert_eq!(watch.attempts(), 2);
    let counts = |lines: Vec<String>| -> Vec<(u64, u64)> {
        let pair = |line: &String| {
            line.split_once(' ').and_then(|(key, count)| Some((key.parse().ok()?, count.parse().ok()?)))
        };
        lines.iter().map(|line| pair(line).expect("a key and a count")).collect()
    };
    let (found, least) = (counts(delivered(&outside)), counts(expected()));
    assert_eq!(found.len(), least.len());
    assert!(found.iter().zip(&least).all(|(found, least)| found.0 == least.0 && found.1 >= least.1));
}

#[test]
fn a_stopped_job_goes_on_from_its_savepoint_with_another_number_of_shards() {
    for (before, after) in [(1, 3), (3, 2)] {
        let (data, save, again) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let savepoint = save.path().join("one");
        let slow = Arc::new(|_| {
            std::thread::sleep(Duration::from_micros(200));
            Ok(())
        });
        let outside = Outside::default();
        let first = JobConfig { data: Some(data.path().to_owned()), ..config(before) };
        let job = spawn(graph(&outside, slow), first, Services::default());
        while job.watch().source_records() < 10_000 {
            std::thread::sleep(Duration::from_millis(1));
        }
        job.stop(Some(savepoint.to_str().unwrap()), false).unwrap();
        assert!(matches!(job.wait().unwrap(), Outcome::Stopped(_)));
        assert!(delivered(&outside).is_empty(), "windows do not fire at a stop without drain");

        // The folder may be moved.
        let moved = save.path().join("moved");
        std::fs::rename(&savepoint, &moved).unwrap();
        let second = JobConfig { data: Some(again.path().to_owned()), from_savepoint: Some(moved), ..config(after) };
        let job = spawn(graph(&outside, Arc::new(|_| Ok(()))), second, Services::default());
        let watch = job.watch().clone();
        assert_eq!(job.wait().unwrap(), Outcome::Finished);
        assert!(watch.source_records() < 70_000, "it read {} records anew", watch.source_records());
        assert_eq!(delivered(&outside), expected(), "{before} shards, then {after}");
    }
}

/// What Flink calls an externalized checkpoint: the folder of a job that was cancelled, without a savepoint.
#[test]
fn a_job_starts_from_the_checkpoint_that_a_cancelled_one_left() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let slow = Arc::new(|_| {
        std::thread::sleep(Duration::from_micros(200));
        Ok(())
    });
    let first = JobConfig { data: Some(at("first")), ..config(2) };
    let job = spawn(graph(&Outside::default(), slow), first, Services::default());
    let until = |reached: &dyn Fn() -> bool| {
        while !reached() {
            assert!(!job.has_ended(), "it was to go on for longer");
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    until(&|| job.watch().source_records() >= 10_000);
    let completed = job.watch().checkpoints().completed;
    until(&|| job.watch().checkpoints().completed >= completed + 2);
    job.cancel();
    assert!(matches!(job.wait(), Err(JobError::Cancelled)));

    // Whoever has a copy of the folder goes on from it, on any number of shards, and so does who has the folder itself, wherever it was moved.
    std::fs::create_dir(at("copy")).unwrap();
    for file in std::fs::read_dir(at("first")).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), at("copy").join(file.file_name())).unwrap();
    }
    std::fs::rename(at("first"), at("moved")).unwrap();
    for (name, shards) in [("copy", 3), ("moved", 1)] {
        let outside = Outside::default();
        let config = JobConfig { data: Some(at(name)), ..config(shards) };
        let job = spawn(graph(&outside, Arc::new(|_| Ok(()))), config, Services::default());
        let watch = job.watch().clone();
        assert_eq!(job.wait().unwrap(), Outcome::Finished);
        assert!(watch.source_records() <= 70_000, "it read {} records anew", watch.source_records());
        assert_eq!(delivered(&outside), expected(), "{name}");
    }
}

#[test]
fn an_operator_without_state_may_leave_or_join_a_job_that_goes_on() {
    let folder = |name: &str, of: &tempfile::TempDir| of.path().join(name);
    let (work, outside) = (tempfile::tempdir().unwrap(), Outside::default());
    let slow = Arc::new(|_| {
        std::thread::sleep(Duration::from_micros(200));
        Ok(())
    });
    let mut from_savepoint = None;
    for (run, with_pass) in [true, false, true].into_iter().enumerate() {
        let config = JobConfig {
            data: Some(folder(&format!("run-{run}"), &work)),
            from_savepoint: from_savepoint.take(),
            ..config(2)
        };
        let graph = match with_pass {
            true => graph_with_pass(&outside, slow.clone(), &Arc::default()),
            false => graph(&outside, slow.clone()),
        };
        let job = spawn(graph, config, Services::default());
        if run == 2 {
            assert_eq!(job.wait().unwrap(), Outcome::Finished);
            break;
        }
        while job.watch().source_records() < 10_000 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let savepoint = folder(&format!("savepoint-{run}"), &work);
        job.stop(Some(savepoint.to_str().unwrap()), false).unwrap();
        assert!(matches!(job.wait().unwrap(), Outcome::Stopped(_)));
        from_savepoint = Some(savepoint);
    }
    assert_eq!(delivered(&outside), expected());
}

#[test]
fn a_global_edge_gives_all_records_to_one_instance_and_ends_the_others() {
    let outside = Outside::default();
    let mut graph = graph(&outside, Arc::new(|_| Ok(())));
    graph.edges[1].partitioning = Partitioning::Global;
    let job = spawn(graph, config(3), Services::default());
    assert_eq!(job.wait().unwrap(), Outcome::Finished);
    assert_eq!(delivered(&outside), expected());
}
