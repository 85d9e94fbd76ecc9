//! Chains: how many tasks a job's shards are given, with and without what breaks them, and that the records are the same.

use std::sync::Arc;

use yeoul_frame::Epoch;
use yeoul_operator::Services;
use yeoul_runtime::build::build;
use yeoul_runtime::plan::Plan;
use yeoul_runtime::{JobConfig, JobWatch, Outcome};
use yeoul_stream::{Collection, DataStream, StreamEnvironment, WatermarkStrategy};

const SHARDS: u16 = 2;

/// Runs the job of source, `first`, `second` and sink. Gives the operators of each task and the number of tasks of each shard.
fn tasks(
    first: fn(DataStream<u64>) -> DataStream<u64>,
    second: fn(DataStream<u64>) -> DataStream<u64>,
) -> (Vec<String>, Vec<usize>) {
    let job = || {
        let env = StreamEnvironment::new("chains");
        let none = WatermarkStrategy::no_watermarks();
        let numbers = env.from_source(Collection::of(0..100u64).splits(SHARDS), none, "numbers");
        let first = first(numbers.map(|n| n.to_native() + 1).name("first"));
        let second = second(first.map(|n| n.to_native() * 2).name("second"));
        let (sink, found) = yeoul_stream::collect();
        second.sink_to(sink).name("sink");
        (env.build().unwrap(), found)
    };
    let (config, services) = (JobConfig { shards: SHARDS, pin: false, ..JobConfig::default() }, Services::default());
    let (graph, found) = job();
    let plan = Plan::of(&graph, SHARDS);
    let name = |task: &yeoul_runtime::plan::TaskPlan| {
        task.nodes.iter().map(|node| graph.nodes[node.0].name.as_str()).collect::<Vec<_>>().join(" -> ")
    };
    let names = plan.tasks.iter().map(name).collect();
    // What the shards of an attempt are given.
    let attempt =
        yeoul_runtime::attempt::prepare(&graph, &config, &services, &Arc::new(JobWatch::default()), 1).unwrap();
    let bells: Vec<_> = attempt.seats.iter().map(|seat| seat.bell.clone()).collect();
    let built = build(&graph, &plan, &config, &bells, Epoch(0)).unwrap();
    let shards = built.shards.iter().map(Vec::len).collect();
    assert_eq!(yeoul_runtime::spawn(graph, config, services).wait().unwrap(), Outcome::Finished);
    let mut found = found.take();
    found.sort_unstable();
    assert!(found.into_iter().eq((1..=100).map(|n| n * 2)));
    (names, shards)
}

#[test]
fn what_breaks_a_chain_gives_the_job_more_tasks() {
    type Change = fn(DataStream<u64>) -> DataStream<u64>;
    let (as_it_is, new, alone): (Change, Change, Change) =
        (|stream| stream, DataStream::start_new_chain, DataStream::disable_chaining);
    // One subtask is not chained to two, and is on the first shard alone.
    let one: Change = |stream| stream.set_parallelism(1);
    for (first, second, expected, on_second) in [
        (as_it_is, as_it_is, &["numbers -> first -> second -> sink"][..], 1),
        (new, as_it_is, &["numbers", "first -> second -> sink"], 2),
        (as_it_is, new, &["numbers -> first", "second -> sink"], 2),
        (new, new, &["numbers", "first", "second -> sink"], 3),
        (alone, as_it_is, &["numbers", "first", "second -> sink"], 3),
        (as_it_is, alone, &["numbers -> first", "second", "sink"], 3),
        (alone, alone, &["numbers", "first", "second", "sink"], 4),
        (one, as_it_is, &["numbers", "first", "second -> sink"], 2),
    ] {
        let (names, shards) = tasks(first, second);
        assert_eq!(names, expected);
        assert_eq!(shards, [expected.len(), on_second], "tasks of each shard of {expected:?}");
    }
}
