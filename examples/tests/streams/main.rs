//! What a program may build of streams, as whole jobs: on one shard and several, with a failure in the middle from which the job goes on.

mod halves;
mod edges;
mod states;
mod times;
mod windows;
mod malformed;

use std::time::Duration;

use yeoul::prelude::*;
use yeoul::stream::collect;

use halves::Stage;

/// Numbers of shards on which each job runs.
const SHARDS: [u16; 3] = [1, 2, 3];

/// An environment of so many shards whose state is in `folder`, with frequent checkpoints.
fn environment(shards: u16, folder: &std::path::Path) -> Environment {
    Environment::new("streams").with_config(JobConfig {
        shards,
        data: Some(folder.to_owned()),
        checkpoint_interval: Some(Duration::from_millis(2)),
        restart: RestartStrategy::FixedDelay { attempts: 1, delay: Duration::from_millis(1) },
        frame_rows: 8,
        pin: false,
        ..JobConfig::default()
    })
}

/// Runs a job on each number of shards, with its planned failure, and compares what it collects, in any order, with `expected`.
fn check<T>(build: impl Fn(&Environment, &Stage, CollectSink<T>), expected: impl Fn(u16) -> Vec<T>)
where
    T: StateRecord + Clone + Ord + std::fmt::Debug,
{
    check_folded(build, |collected| collected, expected);
}

/// As [`check`], with what is collected put into a form that does not depend on the clock.
fn check_folded<T>(
    build: impl Fn(&Environment, &Stage, CollectSink<T>),
    fold: impl Fn(Vec<T>) -> Vec<T>,
    expected: impl Fn(u16) -> Vec<T>,
) where
    T: StateRecord + Clone + Ord + std::fmt::Debug,
{
    for shards in SHARDS {
        let folder = tempfile::tempdir().unwrap();
        let env = environment(shards, folder.path());
        let stage = Stage::default();
        let (sink, collected) = collect();
        build(&env, &stage, sink);
        let job = env.execute_async().unwrap();
        let watch = job.watch().clone();
        while !job.has_ended() {
            stage.committed(watch.checkpoints().epoch);
            std::thread::sleep(Duration::from_millis(1));
        }
        job.wait().unwrap();
        assert_eq!(watch.attempts(), 2, "the planned failure on {shards} shards: {:?}", watch.last_failure());
        assert!(stage.was_restored(), "the job went on from a checkpoint, on {shards} shards");
        let (mut seen, mut expected) = (fold(collected.take()), expected(shards));
        seen.sort();
        expected.sort();
        assert!(!expected.is_empty());
        assert_eq!(seen, expected, "on {shards} shards");
    }
}
