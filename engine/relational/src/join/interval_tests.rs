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
    1 +I 3 25 6500 @6500
    1 +I 1 26 8500 @8500
    w 20000";

fn joined(kind: JoinKind, residual: bool, expected: &str) {
    let late = "late +I 1 12 5000 @5000\nlate +I 3 25 6500 @6500\n";
    let (left, right) = (table(&columns("l")), table(&columns("r")));
    let spec = spec(kind, residual);
    let left = check(|| open(&spec), &[&left, &right], SCRIPT, &format!("{expected}{late}"));
    assert_eq!(left, 0, "no state is left of what has passed");
}

#[test]
fn each_kind_gives_its_rows() {
    let pairs = "+I 1 10 5000 1 20 3000 @5000\n+I 1 10 5000 1 5 6000 @6000\n+I 1 13 8000 1 5 6000 @8000
        +I 1 13 8000 1 22 6001 @8000\n+I 1 13 8000 1 26 8500 @8500\n";
    let left = "+I 3 14 5500 null null null @5500\n+I null 11 5000 null null null @5000\n";
    let right =
        "+I null null null 1 21 2999 @2999\n+I null null null 2 23 5000 @5000\n+I null null null null 24 5000 @5000\n";
    joined(JoinKind::Inner, false, pairs);
    joined(JoinKind::Left, false, &format!("{pairs}{left}"));
    joined(JoinKind::Right, false, &format!("{pairs}{right}"));
    joined(JoinKind::Full, false, &format!("{pairs}{left}{right}"));
    joined(JoinKind::Semi, false, "+I 1 10 5000 @5000\n+I 1 13 8000 @8000\n");
    joined(JoinKind::Anti, false, "+I 3 14 5500 @5500\n+I null 11 5000 @5000\n");
}

#[test]
fn a_condition_beside_the_times_decides_who_has_a_partner() {
    let pairs = "+I 1 10 5000 1 20 3000 @5000\n+I 1 13 8000 1 22 6001 @8000\n+I 1 13 8000 1 26 8500 @8500\n";
    let left = "+I 3 14 5500 null null null @5500\n+I null 11 5000 null null null @5000\n";
    let right = "+I null null null 1 21 2999 @2999\n+I null null null 2 23 5000 @5000
        +I null null null null 24 5000 @5000\n+I null null null 1 5 6000 @6000\n";
    joined(JoinKind::Full, true, &format!("{pairs}{left}{right}"));
    joined(JoinKind::Semi, true, "+I 1 10 5000 @5000\n+I 1 13 8000 @8000\n");
    joined(JoinKind::Anti, true, "+I 3 14 5500 @5500\n+I null 11 5000 @5000\n");
}

#[test]
fn the_watermark_is_held_back_by_how_old_a_pair_may_be() {
    let behind = |kind| spec(kind, false).operator().unwrap().output_watermark(Timestamp(10_000));
    assert_eq!(behind(JoinKind::Inner), Timestamp(8_000));
    assert_eq!(behind(JoinKind::Left), Timestamp(6_500));
    assert_eq!(spec(JoinKind::Left, false).operator().unwrap().output_watermark(Timestamp::MAX), Timestamp::MAX);
}
