//! The collecting sink in whole jobs: several sinks into one target, and a target that begins with a savepoint.

use std::path::Path;
use std::time::Duration;

use yeoul_operator::Services;
use yeoul_runtime::{JobConfig, Outcome, RestartStrategy, spawn};
use yeoul_stream::{Collected, StreamEnvironment, WatermarkStrategy, collect};

fn config(data: &Path) -> JobConfig {
    JobConfig {
        shards: 2,
        data: Some(data.to_owned()),
        checkpoint_interval: Some(Duration::from_millis(2)),
        restart: RestartStrategy::FixedDelay { attempts: 5, delay: Duration::from_millis(1) },
        pin: false,
        ..JobConfig::default()
    }
}

fn sorted(results: &Collected<u64>) -> Vec<u64> {
    let mut results = results.take();
    results.sort_unstable();
    results
}

#[test]
fn two_sinks_of_one_job_into_one_target_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (sink, results) = collect();
    let env = StreamEnvironment::new("numbers");
    for (numbers, sink) in [(0..100_u64, sink.clone()), (100..200, sink)] {
        env.from_collection(numbers, WatermarkStrategy::no_watermarks()).sink_to(sink);
    }
    let job = spawn(env.build().unwrap(), config(folder.path()), Services::default());
    assert_eq!(job.wait().unwrap(), Outcome::Finished);
    assert_eq!(sorted(&results), (0..200).collect::<Vec<_>>());
}
