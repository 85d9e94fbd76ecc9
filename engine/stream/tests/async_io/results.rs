//! What leaves an asynchronous operator, and when.

use std::time::Duration;

use yeoul_operator::Subtask;
use yeoul_stream::{AsyncOptions, AsyncRetry, DataStream, StreamEnvironment, WatermarkStrategy};

use crate::gate::{Ask, AskOr, Away, Gate};
use crate::stage::{Stage, check, make};

fn options() -> AsyncOptions {
    AsyncOptions::new(Duration::from_millis(50))
}

fn ordered(numbers: &DataStream<u64>, gate: Gate) -> DataStream<u64> {
    numbers.async_ordered(Ask(gate), options())
}

fn unordered(numbers: &DataStream<u64>, gate: Gate) -> DataStream<u64> {
    numbers.async_unordered(Ask(gate), options())
}

#[test]
fn ordered_results_leave_in_the_order_of_their_records() {
    check(
        ordered,
        &[
            ("w5", "w5"),
            ("1@10,2@20 3@30", ""),
            ("w25", ""),
            ("a3", ""),
            ("a2", ""),
            ("a1", "10'@10 20@20 30'@30 w25"),
            ("4@40,5@50 w60 a5 n4", "50'@50 w60"),
        ],
    );
}

#[test]
fn unordered_results_leave_as_they_come_and_none_passes_a_watermark() {
    check(
        unordered,
        &[
            ("1@10,2@20 w20 w21 3@30 4@40 w50 5@50", ""),
            ("a4", ""),
            ("a2", "20@20"),
            ("a5 a1", "10'@10 w21 40@40"),
            ("a3", "30'@30 w50 50'@50"),
            ("w70", "w70"),
        ],
    );
}

#[test]
fn a_full_operator_has_no_room_until_results_leave() {
    let two = |numbers: &DataStream<u64>, gate| numbers.async_ordered(Ask(gate), options().capacity(2));
    check(
        two,
        &[
            ("1@1", ""),
            ("2@2,3@3,4@4,5@5 w5", "full"),
            // Complete, and not at its turn: it counts.
            ("a2 a3", "full"),
            ("a1", "10'@1 20@2 30'@3 full"),
            ("a4", "40@4"),
            ("a5", "50'@5 w5"),
        ],
    );
}

#[test]
fn without_an_answer_in_time_the_job_fails_with_the_records_description() {
    let hint =
        "hint: raise the time limit of AsyncOptions, or say in AsyncFunction::timeout what stands for the answer";
    let failed =
        format!("failed: no answer within 50ms (record 0200000000000000 of type u64 of event time 20)\n  {hint}");
    check(ordered, &[("t7 1@10,2@20", ""), ("t56 a1", "10'@10"), ("t57", &failed)]);
}

#[test]
fn what_stands_for_an_answer_that_is_not_there_in_time_takes_its_place() {
    let or = |numbers: &DataStream<u64>, gate| numbers.async_ordered(AskOr(Ask(gate)), options());
    check(or, &[("1@10,2@20", ""), ("t49 a2", ""), ("t50", "1'@10 20@20"), ("a1 t90", "")]);
    // All attempts together, pauses included.
    let retry = |numbers: &DataStream<u64>, gate| {
        let retry = AsyncRetry::fixed_delay(9, Duration::from_millis(30));
        numbers.async_ordered_with_retry(AskOr(Ask(gate)), options(), retry)
    };
    check(retry, &[("2@20 e2", ""), ("t30 e2", ""), ("t49", ""), ("t50", "2@20"), ("t90", "")]);
    // A time limit that never comes.
    let never = |numbers: &DataStream<u64>, gate| numbers.async_ordered(Ask(gate), AsyncOptions::new(Duration::MAX));
    check(never, &[("2@20", ""), ("t9000000000000000000", ""), ("a2", "20@20")]);
}

fn retrying(numbers: &DataStream<u64>, gate: Gate) -> DataStream<u64> {
    let retry = AsyncRetry::exponential_backoff(3, Duration::from_millis(10), Duration::from_secs(1), 2.0);
    numbers.async_unordered_with_retry(Ask(gate), options(), retry.if_result(<[u64]>::is_empty))
}

#[test]
fn requests_are_made_again_after_their_pause_as_often_as_said() {
    let failed = "failed: the request failed at attempt 3 (record 0200000000000000 of type u64 of event time 20): the service is away\n  \
                  hint: give an AsyncRetry whose attempts outlast the failure, or let the future answer with what stands for the result";
    check(retrying, &[("2@20 e2", ""), ("t9 a2", ""), ("t10", "20@20")]);
    check(retrying, &[("2@20 n2", ""), ("t10 e2", ""), ("t29", ""), ("t30 a2", "20@20")]);
    check(retrying, &[("2@20 e2", ""), ("t10 e2", ""), ("t30", ""), ("e2", failed)]);
    // What the last attempt answers stands, whatever it is.
    check(retrying, &[("2@20 n2", ""), ("t10 n2", ""), ("t30 n2 w30", "w30")]);
    let no_retry = |numbers: &DataStream<u64>, gate| {
        let retry = AsyncRetry::fixed_delay(9, Duration::ZERO).if_error(|error: &Away| *error != Away);
        numbers.async_ordered_with_retry(Ask(gate), options(), retry)
    };
    check(no_retry, &[("2@20 e2", &failed.replace("attempt 3", "attempt 1"))]);
}

#[test]
fn each_attempt_is_a_request_with_its_number() {
    let gate = Gate::default();
    let make = make(|numbers| retrying(numbers, gate.clone()));
    let mut stage = Stage::open(&make, Subtask { index: 0, parallelism: 1 });
    for step in ["2@20,4@40 e2", "t10", "a4 a2"] {
        stage.play(step, &gate).unwrap();
    }
    assert_eq!(gate.asked(), [(2, 1), (4, 1), (2, 2)]);
}

#[test]
fn a_capacity_of_nothing_is_a_mistake_with_a_name() {
    let env = StreamEnvironment::new("mistakes");
    let numbers = env.from_collection(0..10u64, WatermarkStrategy::no_watermarks());
    let _ = numbers.async_ordered(Ask(Gate::default()), options().capacity(0));
    let error = env.build().err().unwrap().to_string();
    assert!(error.contains("capacity of 0 requests"), "{error}");
}
