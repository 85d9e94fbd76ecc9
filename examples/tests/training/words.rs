//! Exercises over words and numbers.

use std::time::Duration;

use yeoul::prelude::*;
use yeoul::rkyv::Archived;
use yeoul_examples::training::{control, deduplicator, sorter};

use crate::runs::{check, check_in_order, check_sequence};
use crate::steps::Step::{Clock, End, Push, Second, Watermark};
use crate::steps::{check_steps, output};

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
    let remember = Some(Duration::from_secs(10));
    let operator = OperatorHarness::of(|ids: DataStream<u64>| deduplicator::deduplicated(&ids, remember)).unwrap();
    let steps = [
        (Push(7, 0), vec![7]),
        (Push(7, 1), vec![]),
        (Push(8, 2), vec![8]),
        (Clock(9_999), vec![]),
        (Push(7, 3), vec![]),
        (Push(9, 4), vec![9]),
        (Clock(10_000), vec![]),
        (Push(7, 5), vec![7]),
        (Push(9, 6), vec![]),
        (Clock(19_999), vec![]),
        (Push(7, 7), vec![]),
        (Push(9, 8), vec![9]),
    ];
    check_steps(&operator, &steps, output);
}

/// E8: what was blocked first does not pass.
#[test]
fn blocked_words_do_not_pass_once_their_control_has_come() {
    let operator = OperatorHarness::of_two(|blocked: DataStream<String>, words: DataStream<String>| {
        control::allowed(&blocked, &words)
    })
    .unwrap();
    let block = |word: &str| (Push(word.to_owned(), 0), vec![]);
    let pass = |word: &str| (Second(word.to_owned(), 0), vec![word.to_owned()]);
    let stop = |word: &str| (Second(word.to_owned(), 0), vec![]);
    let steps = [block("DROP"), block("IGNORE"), pass("Apache"), stop("DROP"), pass("Flink"), stop("IGNORE")];
    check_steps(&operator, &steps, output);
}

/// E8: words that no control names pass in any order of the two streams.
#[test]
fn words_that_are_not_blocked_pass() {
    let words: Vec<String> = (0..200).map(|n| format!("word {}", n % 50)).collect();
    let blocked: Vec<String> = (50..60).map(|n| format!("word {n}")).collect();
    check(|run| control::allowed(&run.untimed(&blocked), &run.untimed(&words)), words.clone());
}

/// E8: words behind the controls that name them do not pass, in jobs.
#[test]
fn words_behind_their_controls_do_not_pass() {
    let blocked: Vec<String> = (0..10).map(|n| format!("word {n}")).collect();
    // Ten controls are read in the first ten ticks; the first four hundred words, in twenty-one ticks or more, are of others.
    let words: Vec<String> = (0..600).map(|n| format!("word {}", if n < 400 { 10 + n % 40 } else { n % 50 })).collect();
    let expected: Vec<String> = words.iter().filter(|word| !blocked.contains(word)).cloned().collect();
    assert!(expected.len() < words.len());
    check_in_order(|run| control::allowed(&run.untimed(&blocked), &run.untimed(&words)), expected);
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

/// S2, S3: what is behind the watermark is late, and all else comes.
#[test]
fn numbers_behind_the_watermark_go_aside() {
    // Each number is its event time. Every tenth comes so long after its time that in no form of the job it is in time.
    const BEHIND: i64 = 100;
    let late = |number: i64| number % 10 == 0 && number < 600 - 2 * BEHIND;
    let arrival = |number: &i64| number + if late(*number) { BEHIND } else { 0 };
    let mut numbers: Vec<i64> = (0..600).collect();
    numbers.sort_by_key(arrival);
    let time = |number: &Archived<i64>| Timestamp(number.to_native());
    let stream = |run: &crate::Run| run.stream(&numbers, arrival, time, 5);
    check(|run| sorter::sorted(&stream(run)).0, (0..600).filter(|number| !late(*number)).collect());
    check(|run| sorter::sorted(&stream(run)).1, (0..600).filter(|number| late(*number)).collect());
}

/// S2, S3: a number at the watermark is late, one behind it by a millisecond is not.
#[test]
fn a_number_is_late_from_the_watermark_on() {
    let late = OutputTag::<i64>::new("late");
    let operator = OperatorHarness::of(|numbers: DataStream<i64>| sorter::sorted(&numbers).0).unwrap();
    let steps = [
        (Push(10, 10), (vec![], vec![])),
        (Push(11, 11), (vec![], vec![])),
        (Watermark(10), (vec![10], vec![])),
        (Push(10, 10), (vec![], vec![10])),
        (Push(9, 9), (vec![], vec![9])),
        (Push(11, 11), (vec![], vec![])),
        (Watermark(11), (vec![11, 11], vec![])),
        (End, (vec![], vec![])),
    ];
    check_steps(&operator, &steps, |harness, count| {
        let aside = harness.take_side_output(&late).into_iter().map(|(number, _)| number).collect::<Vec<_>>();
        (output(harness, count), aside)
    });
}
