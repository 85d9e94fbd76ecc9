//! Interval joins of every kind, however their input is cut.

#![cfg(test)]

use arrow_schema::TimeUnit;
use yeoul_frame::Timestamp;

use super::tests::Less;
use super::*;
use crate::testing::{Harness, Table, check};

fn columns(prefix: &str) -> Vec<(String, DataType)> {
    let of = |name: &str, data_type| (format!("{prefix}{name}"), data_type);
    let millis = DataType::Timestamp(TimeUnit::Millisecond, None);
    vec![of("k", DataType::Int64), of("v", DataType::Int64), of("ts", millis)]
}

fn table(columns: &[(String, DataType)]) -> Table {
    Table::new(&columns.iter().map(|(name, of)| (name.as_str(), of.clone())).collect::<Vec<_>>())
}

fn spec(kind: JoinKind, residual: bool) -> Arc<IntervalJoin> {
    let (left, right) = (columns("l"), columns("r"));
    let all = if kind.has_right() { [left.clone(), right.clone()].concat() } else { left.clone() };
    Arc::new(IntervalJoin {
        kind,
        left_keys: vec![0],
        right_keys: vec![0],
        left_time: 2,
        right_time: 2,
        lower: -1_000,
        upper: 2_000,
        residual: residual.then(|| Arc::new(Less([1, 4])) as Arc<dyn Expression>),
        left_schema: table(&left).schema().clone(),
        right_schema: table(&right).schema().clone(),
        schema: table(&all).schema().clone(),
    })
}

fn open(spec: &Arc<IntervalJoin>) -> Harness {
    let spec = spec.clone();
    Harness::of(move || spec.clone().operator(), &[&[0], &[0]])
}

/// Right rows from 2 s before a left row to 1 s after it go with it.
const SCRIPT: &str = "
    0 +I 1 10 5000 @5000
    1 +I 1 20 3000 @3000
    1 +I 1 21 2999 @2999
    1 +I 1 5 6000 @6000
    1 +I 1 22 6001 @6001
    1 +I 2 23 5000 @5000
    1 +I null 24 5000 @5000
    0 +I null 11 5000 @5000
    w 5000
    0 +I 1 12 5000 @5000
    0 +I 1 13 8000 @8000
    0 +I 3 14 5500 @5500
    w 7000
    0 +I 1 15 100 @100
    1 +I 1 27 200 @200
    1 +I null 28 200 @200
    1 +I 3 25 6500 @6500
    1 +I 1 26 8500 @8500
    w 20000";

fn joined(kind: JoinKind, residual: bool, expected: &str) {
    // The rows of 100 and 200 come so late that nothing of theirs is kept; they are late if they do not come out alone.
    let alone = |side| kind.keeps(side) && kind != JoinKind::Semi;
    let mut late = String::new();
    if !alone(0) {
        late.push_str("late +I 1 15 100 @100\n");
    }
    if !alone(1) {
        late.push_str("late +I 1 27 200 @200\nlate +I null 28 200 @200\n");
    }
    let (left, right) = (table(&columns("l")), table(&columns("r")));
    let spec = spec(kind, residual);
    let left = check(|| open(&spec), &[&left, &right], SCRIPT, &format!("{expected}{late}"));
    assert_eq!(left, 0, "no state is left of what has passed");
}

#[test]
fn each_kind_gives_its_rows() {
    // The row of 12 comes late and is joined with what is kept; that of 25 comes late and waits.
    let pairs = "+I 1 10 5000 1 20 3000 @5000\n+I 1 10 5000 1 5 6000 @6000\n+I 1 13 8000 1 5 6000 @8000
        +I 1 13 8000 1 22 6001 @8000\n+I 1 13 8000 1 26 8500 @8500
        +I 1 12 5000 1 20 3000 @5000\n+I 1 12 5000 1 5 6000 @6000\n";
    let left = "+I 3 14 5500 null null null @5500\n+I null 11 5000 null null null @5000
        +I 1 15 100 null null null @100\n";
    let right = "+I null null null 1 21 2999 @2999\n+I null null null 2 23 5000 @5000
        +I null null null null 24 5000 @5000\n+I null null null 3 25 6500 @6500
        +I null null null 1 27 200 @200\n+I null null null null 28 200 @200\n";
    joined(JoinKind::Inner, false, pairs);
    joined(JoinKind::Left, false, &format!("{pairs}{left}"));
    joined(JoinKind::Right, false, &format!("{pairs}{right}"));
    joined(JoinKind::Full, false, &format!("{pairs}{left}{right}"));
    joined(JoinKind::Semi, false, "+I 1 10 5000 @5000\n+I 1 12 5000 @5000\n+I 1 13 8000 @8000\n");
    joined(JoinKind::Anti, false, "+I 3 14 5500 @5500\n+I null 11 5000 @5000\n+I 1 15 100 @100\n");
}

#[test]
fn a_condition_beside_the_times_decides_who_has_a_partner() {
    let pairs = "+I 1 10 5000 1 20 3000 @5000\n+I 1 13 8000 1 22 6001 @8000\n+I 1 13 8000 1 26 8500 @8500
        +I 1 12 5000 1 20 3000 @5000\n";
    let left = "+I 3 14 5500 null null null @5500\n+I null 11 5000 null null null @5000
        +I 1 15 100 null null null @100\n";
    let right = "+I null null null 1 21 2999 @2999\n+I null null null 2 23 5000 @5000
        +I null null null null 24 5000 @5000\n+I null null null 1 5 6000 @6000\n+I null null null 3 25 6500 @6500
        +I null null null 1 27 200 @200\n+I null null null null 28 200 @200\n";
    joined(JoinKind::Full, true, &format!("{pairs}{left}{right}"));
    joined(JoinKind::Semi, true, "+I 1 10 5000 @5000\n+I 1 12 5000 @5000\n+I 1 13 8000 @8000\n");
    joined(JoinKind::Anti, true, "+I 3 14 5500 @5500\n+I null 11 5000 @5000\n+I 1 15 100 @100\n");
}

#[test]
fn a_hot_key_and_rows_that_are_days_apart_are_joined() {
    // Left rows each second for 20 minutes and the same a month later; each goes with the right rows of its second and the three about it.
    let (left, right) = (table(&columns("l")), table(&columns("r")));
    let seconds = || (0..1_200_i64).chain(2_592_000..2_593_200);
    let lines = |shift: i64| {
        let line = |at: i64| format!("+I 1 {at} {time} @{time}\n", time = at * 1_000 + shift);
        seconds().map(line).collect::<String>()
    };
    let mut harness = open(&spec(JoinKind::Left, false));
    harness.push(1, right.frame(&lines(500)));
    harness.push(0, left.frame(&lines(0)));
    let out: usize = harness.take().iter().map(yeoul_frame::Frame::len).sum();
    // The right times are from 2 s before to 1 s after: 2 before, 1 after; at each beginning there are fewer before.
    assert_eq!(out, 2 * (1_200 * 3 - 2 - 1));
}

#[test]
fn the_watermark_is_held_back_by_how_old_a_pair_may_be() {
    let behind = |kind| spec(kind, false).operator().unwrap().output_watermark(Timestamp(10_000));
    assert_eq!(behind(JoinKind::Inner), Timestamp(8_000));
    assert_eq!(behind(JoinKind::Left), Timestamp(6_500));
    assert_eq!(spec(JoinKind::Left, false).operator().unwrap().output_watermark(Timestamp::MAX), Timestamp::MAX);
}
