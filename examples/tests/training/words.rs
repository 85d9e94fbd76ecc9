//! Exercises over words and numbers.

use std::time::Duration;

use yeoul::prelude::*;
use yeoul::rkyv::Archived;
use yeoul_examples::training::{control, deduplicator, sorter};

use crate::runs::{check, check_in_order, check_sequence};

/// E7.
#[test]
fn the_first_of_equal_records_passes() {
    let ids: Vec<u64> = (0..500).map(|n| n * n % 37).collect();
    let mut expected = ids.clone();
    expected.sort_unstable();
    expected.dedup();
    check(|run| deduplicator::deduplicated(&run.untimed(&ids), None), expected);
}

/// E7: the state of a key goes after its time to live.
#[test]
fn a_key_that_was_forgotten_passes_again() {
    let mut harness =
        OperatorHarness::of(|ids: DataStream<u64>| deduplicator::deduplicated(&ids, Some(Duration::from_secs(10))))
            .unwrap();
    harness.push([(7, 0), (7, 1), (8, 2)]).unwrap();
    harness.processing_time(9_999).unwrap();
    harness.push([(7, 3)]).unwrap();
    assert_eq!(harness.take_output(), [(7, 0), (8, 2)]);
    harness.processing_time(10_000).unwrap();
    harness.push([(7, 4), (9, 5)]).unwrap();
    assert_eq!(harness.take_output(), [(7, 4), (9, 5)]);
}

/// E8.
#[test]
fn blocked_words_do_not_pass_once_their_control_has_come() {
    let mut harness = OperatorHarness::of_two(|blocked: DataStream<String>, words: DataStream<String>| {
        control::allowed(&blocked, &words)
    })
    .unwrap();
    let words = |words: &[&str]| words.iter().map(|word| ((*word).to_owned(), 0)).collect::<Vec<_>>();
    harness.push(words(&["DROP", "IGNORE"])).unwrap();
    let snapshot = harness.snapshot().unwrap();
    let mut harness = harness.restored(harness.subtask(), &[&snapshot]).unwrap();
    harness.push_second(words(&["Apache", "DROP", "Flink", "IGNORE"])).unwrap();
    assert_eq!(harness.take_output(), words(&["Apache", "Flink"]));
}

/// E8: words that no control names pass in any order of the two streams.
#[test]
fn words_that_are_not_blocked_pass() {
    let words: Vec<String> = (0..200).map(|n| format!("word {}", n % 50)).collect();
    let blocked: Vec<String> = (50..60).map(|n| format!("word {n}")).collect();
    check(|run| control::allowed(&run.untimed(&blocked), &run.untimed(&words)), words.clone());
}

/// S2, S3.
#[test]
fn numbers_come_out_in_order() {
    let numbers: [i64; 15] = [4, 2, 7, 11, 9, 15, 12, 13, 17, 14, 21, 24, 22, 19, 23];
    let time = |number: &Archived<i64>| Timestamp(number.to_native());
    let mut in_order = numbers.to_vec();
    in_order.sort_unstable();
    let sorted = |run: &crate::Run| sorter::sorted(&run.stream(&numbers, |number| *number, time, 5)).0;
    check(sorted, in_order.clone());
    check_sequence(sorted, in_order);
    let mut harness = OperatorHarness::of(|numbers: DataStream<i64>| sorter::sorted(&numbers).0).unwrap();
    let (mut highest, mut found) = (i64::MIN, Vec::new());
    for number in numbers {
        harness.push([(number, number)]).unwrap();
        highest = highest.max(number);
        // As `for_bounded_out_of_orderness(5)` says it: nothing at or before this comes any more.
        harness.watermark(highest - 5 - 1).unwrap();
        found.extend(harness.take_output().into_iter().map(|(number, _)| number));
    }
    harness.finish().unwrap();
    found.extend(harness.take_output().into_iter().map(|(number, _)| number));
    assert!(found.is_sorted() && found.len() == numbers.len(), "{found:?}");
}

/// S2, S3: what is behind the watermark is late.
#[test]
fn numbers_behind_the_watermark_go_aside() {
    let numbers: [i64; 6] = [10, 30, 29, 9, 31, 11];
    let time = |number: &Archived<i64>| Timestamp(number.to_native());
    let sorted = |late: bool| {
        move |run: &crate::Run| {
            let (sorted, aside) = sorter::sorted(&run.stream(&numbers, |number| *number, time, 2));
            if late { aside } else { sorted }
        }
    };
    check_in_order(sorted(false), vec![10, 29, 30, 31]);
    check_in_order(sorted(true), vec![9, 11]);
}
