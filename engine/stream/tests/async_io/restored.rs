//! What is in flight at a snapshot is asked again by whoever goes on from it, on any number of subtasks.

use std::time::Duration;

use yeoul_operator::Subtask;
use yeoul_stream::{AsyncOptions, DataStream};

use crate::gate::{Ask, Gate};
use crate::stage::{Saved, Stage, make};

fn ordered(numbers: &DataStream<u64>, gate: Gate) -> DataStream<u64> {
    numbers.async_ordered(Ask(gate), AsyncOptions::new(Duration::from_secs(1)).capacity(3))
}

fn unordered(numbers: &DataStream<u64>, gate: Gate) -> DataStream<u64> {
    numbers.async_unordered(Ask(gate), AsyncOptions::new(Duration::from_secs(1)).capacity(3))
}

/// Five records, of which the second is complete, the last two wait for room, and the first has left or not; watermarks between them.
const BEFORE: &str = "w5 1@10,2@20 w20 3@30 w31 4@40,5@50 w50";

/// For each mode, runs of so many subtasks one after another; each but the last one is snapshotted before it answers. Then what leaves each
/// subtask of the last run.
fn check(build: fn(&DataStream<u64>, Gate) -> DataStream<u64>, before: &str, runs: &[u16], expected: &[&str]) {
    let gate = Gate::default();
    let first = make(|numbers| build(numbers, gate.clone()));
    let mut stage = Stage::open(&first, Subtask { index: 0, parallelism: 1 });
    stage.play(before, &gate).unwrap();
    let mut saved: Saved = vec![stage.save()];
    let mut left: Vec<String> = Vec::new();
    for (at, parallelism) in runs.iter().enumerate() {
        let gate = Gate::default();
        let mut stages = Stage::restored(&make(|numbers| build(numbers, gate.clone())), *parallelism, &saved);
        // Before it does anything, and when it has asked: what is in flight is the same.
        let at_once: Saved = stages.iter_mut().map(Stage::save).collect();
        left = stages.iter_mut().map(|stage| stage.play("", &gate).unwrap().replace("full", "")).collect();
        let asked: Saved = stages.iter_mut().map(Stage::save).collect();
        if at + 1 < runs.len() {
            saved = if at % 2 == 0 { asked } else { at_once };
            continue;
        }
        gate.open();
        left.iter_mut().zip(&mut stages).for_each(|(left, stage)| left.push_str(&stage.play("", &gate).unwrap()));
        // Nothing is left behind, and what comes next goes through.
        for stage in &mut stages {
            assert_eq!(stage.play("6@60 w60", &gate).unwrap(), "60@60 w60");
        }
    }
    assert_eq!(left, expected, "{before} in {runs:?}");
}

#[test]
fn what_was_in_flight_leaves_after_a_restore_in_its_order_with_its_watermarks() {
    let all = "10'@10 20@20 w20 30'@30 w31 40@40 50'@50 w50";
    for build in [ordered as fn(&_, _) -> _, unordered] {
        for runs in [&[1][..], &[1, 1], &[1, 1, 1]] {
            check(build, BEFORE, runs, &[all]);
        }
    }
    check(ordered, &format!("{BEFORE} a2"), &[1], &[all]);
    // What has left is not asked again.
    check(unordered, &format!("{BEFORE} a2"), &[1], &["10'@10 w20 30'@30 w31 40@40 50'@50 w50"]);
    check(ordered, &format!("{BEFORE} a1"), &[1], &["20@20 w20 30'@30 w31 40@40 50'@50 w50"]);
}

#[test]
fn another_number_of_subtasks_deals_out_what_was_in_flight() {
    for build in [ordered as fn(&_, _) -> _, unordered] {
        check(build, BEFORE, &[2], &["10'@10 30'@30 50'@50 w50", "20@20 40@40 w50"]);
        check(build, BEFORE, &[2, 1], &["10'@10 30'@30 50'@50 20@20 40@40 w50"]);
        check(build, BEFORE, &[2, 2], &["10'@10 30'@30 50'@50 w50", "20@20 40@40 w50"]);
        check(build, BEFORE, &[1, 2, 1], &["10'@10 30'@30 50'@50 20@20 40@40 w50"]);
        check(build, BEFORE, &[7], &["10'@10 w50", "20@20 w50", "30'@30 w50", "40@40 w50", "50'@50 w50", "w50", "w50"]);
        // Nothing was in flight.
        check(build, "w5", &[2, 1], &[""]);
    }
}
