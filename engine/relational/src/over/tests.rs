//! OVER in the order of time: each frame and call, however the input is cut.

#![cfg(test)]

use arrow_schema::TimeUnit;

use super::*;
use crate::aggregate::AggregateFunction as F;
use crate::testing::{Fold, Harness, Table, check, fold, rows};

fn input() -> Vec<(&'static str, DataType)> {
    vec![
        ("k", DataType::Int64),
        ("v", DataType::Int64),
        ("s", DataType::Utf8View),
        ("ts", DataType::Timestamp(TimeUnit::Millisecond, None)),
    ]
}

fn call(function: F, argument: Option<usize>, result: DataType) -> OverCall {
    OverCall::Aggregate(AggregateCall::new(function, argument, result))
}

fn sum() -> OverCall {
    call(F::Sum, Some(1), DataType::Int64)
}

fn spec(time: OrderTime, frame: OverFrame, calls: Vec<OverCall>) -> OverAggregate {
    let mut columns = input();
    let input = Table::new(&columns);
    for of in &calls {
        columns.push(match of {
            OverCall::Aggregate(call) => ("a", call.result.clone()),
            _ => ("n", DataType::Int64),
        });
    }
    OverAggregate {
        partition: vec![0],
        order: vec![SortKey::ascending(3)],
        time: Some(time),
        frame,
        calls,
        retracting_input: false,
        update_before: false,
        ttl: None,
        input_schema: input.schema().clone(),
        schema: Table::new(&columns).schema().clone(),
    }
}

fn harness(spec: OverAggregate) -> Harness {
    let spec = Arc::new(spec);
    Harness::of(move || spec.clone().operator(), &[&[0]])
}

const SCRIPT: &str = "
    0 +I 1 4 d 40 @1
    0 +I 1 1 a 10 @1
    0 +I 2 7 x 10 @1
    0 +I 1 2 b 20 @1
    0 +I 1 3 c 20 @1
    w 20
    0 +I 1 9 z 20 @1
    0 +I 1 5 e 45 @1
    w 44
    0 +I 1 null f 500 @1
    w 600";

fn over(frame: OverFrame, calls: Vec<OverCall>, expected: &str) -> usize {
    let spec = spec(OrderTime::RowTime(3), frame, calls);
    let late = "late +I 1 9 z 20 @1";
    check(|| harness(spec.clone()), &[&Table::new(&input())], SCRIPT, &format!("{expected}\n{late}"))
}

#[test]
fn frames_from_the_first_row_on() {
    let calls = || {
        vec![sum(), call(F::CountStar, None, DataType::Int64), OverCall::RowNumber, OverCall::Rank, OverCall::DenseRank]
    };
    over(
        OverFrame::UnboundedRows,
        calls(),
        "+I 1 1 a 10 1 1 1 1 1 @10
         +I 2 7 x 10 7 1 1 1 1 @10
         +I 1 2 b 20 3 2 2 2 2 @20
         +I 1 3 c 20 6 3 3 2 2 @20
         +I 1 4 d 40 10 4 4 4 3 @40
         +I 1 5 e 45 15 5 5 5 4 @45
         +I 1 null f 500 15 6 6 6 5 @500",
    );
    over(
        OverFrame::UnboundedRange,
        calls(),
        "+I 1 1 a 10 1 1 1 1 1 @10
         +I 2 7 x 10 7 1 1 1 1 @10
         +I 1 2 b 20 6 3 2 2 2 @20
         +I 1 3 c 20 6 3 3 2 2 @20
         +I 1 4 d 40 10 4 4 4 3 @40
         +I 1 5 e 45 15 5 5 5 4 @45
         +I 1 null f 500 15 6 6 6 5 @500",
    );
}

#[test]
fn frames_that_move_on() {
    let calls =
        || vec![sum(), call(F::Max, Some(2), DataType::Utf8View), call(F::FirstValue, Some(1), DataType::Int64)];
    over(
        OverFrame::Rows { preceding: 1 },
        calls(),
        "+I 1 1 a 10 1 a 1 @10
         +I 2 7 x 10 7 x 7 @10
         +I 1 2 b 20 3 b 1 @20
         +I 1 3 c 20 5 c 2 @20
         +I 1 4 d 40 7 d 3 @40
         +I 1 5 e 45 9 e 4 @45
         +I 1 null f 500 5 f 5 @500",
    );
    let left = over(
        OverFrame::Range { preceding: 25 },
        calls(),
        "+I 1 1 a 10 1 a 1 @10
         +I 2 7 x 10 7 x 7 @10
         +I 1 2 b 20 6 c 1 @20
         +I 1 3 c 20 6 c 1 @20
         +I 1 4 d 40 9 d 2 @40
         +I 1 5 e 45 14 e 2 @45
         +I 1 null f 500 null f null @500",
    );
    assert_eq!(left, 0, "what no row can reach back to is not kept");
}

#[test]
fn a_value_so_many_rows_before() {
    let lag = |offset| call(F::Lag { offset }, Some(2), DataType::Utf8View);
    over(
        OverFrame::UnboundedRows,
        vec![lag(1), lag(3), sum()],
        "+I 1 1 a 10 null null 1 @10
         +I 2 7 x 10 null null 7 @10
         +I 1 2 b 20 a null 3 @20
         +I 1 3 c 20 b null 6 @20
         +I 1 4 d 40 c a 10 @40
         +I 1 5 e 45 d b 15 @45
         +I 1 null f 500 e c 15 @500",
    );
}

#[test]
fn a_value_counts_once() {
    let distinct = AggregateCall::new(F::Count, Some(1), DataType::Int64).distinct();
    let spec = spec(OrderTime::RowTime(3), OverFrame::UnboundedRows, vec![OverCall::Aggregate(distinct.clone())]);
    let script = "0 +I 1 5 a 1 @1\n0 +I 1 5 b 2 @1\nw 1\n0 +I 2 5 c 3 @1\n0 +I 1 6 d 4 @1\nw 9";
    let expected = "+I 1 5 a 1 1 @1\n+I 1 5 b 2 1 @2\n+I 2 5 c 3 1 @3\n+I 1 6 d 4 2 @4";
    check(|| harness(spec.clone()), &[&Table::new(&input())], script, expected);
    let refused = OverAggregate { frame: OverFrame::Rows { preceding: 2 }, ..spec };
    assert!(Arc::new(refused).operator().err().unwrap().to_string().contains("not supported yet"));
}

#[test]
fn by_processing_time_rows_come_out_as_they_come() {
    let rows_spec = spec(OrderTime::ProcTime, OverFrame::Rows { preceding: 1 }, vec![sum()]);
    let table = Table::new(&input());
    let script = "0 +I 1 1 a 0 @7\n0 +I 2 5 b 0 @8\n0 +I 1 2 c 0 @9\nw 100\n0 +I 1 4 d 0 @3";
    let expected = "+I 1 1 a 0 1 @7\n+I 2 5 b 0 5 @8\n+I 1 2 c 0 3 @9\n+I 1 4 d 0 6 @3";
    check(|| harness(rows_spec.clone()), &[&table], script, expected);
    let mut ranged = harness(spec(OrderTime::ProcTime, OverFrame::Range { preceding: 100 }, vec![sum()]));
    for (now, expected) in [(0, 1), (100, 2), (150, 2), (251, 1)] {
        ranged.processing_time(now);
        ranged.push(0, table.frame("+I 1 1 a 0"));
        assert_eq!(rows(&ranged.take()), format!("+I 1 1 a 0 {expected} @0"), "at {now}");
    }
}

#[test]
fn a_partition_dies_with_its_life() {
    let spec = spec(
        OrderTime::ProcTime,
        OverFrame::UnboundedRows,
        vec![sum(), call(F::Lag { offset: 1 }, Some(1), DataType::Int64)],
    );
    let mut harness = harness(OverAggregate { ttl: Some(Duration::from_millis(100)), ..spec });
    let table = Table::new(&input());
    for (now, expected) in [(0, "1 null"), (99, "2 1"), (150, "3 1"), (250, "1 null")] {
        harness.processing_time(now);
        harness.push(0, table.frame("+I 1 1 a 0"));
        assert_eq!(rows(&harness.take()), format!("+I 1 1 a 0 {expected} @0"), "at {now}");
    }
}

#[test]
fn in_an_order_that_is_no_time_rows_are_ranked_again() {
    let of = |frame| {
        let calls = vec![
            sum(),
            OverCall::RowNumber,
            OverCall::Rank,
            OverCall::DenseRank,
            call(F::Lag { offset: 1 }, Some(2), DataType::Utf8View),
        ];
        let spec = spec(OrderTime::ProcTime, frame, calls);
        OverAggregate {
            time: None,
            order: vec![SortKey::descending(1)],
            retracting_input: true,
            update_before: true,
            ..spec
        }
    };
    let table = Table::new(&input());
    let mut harness = harness(of(OverFrame::UnboundedRows));
    harness.push(0, table.frame("+I 1 5 a 0\n+I 1 7 b 0\n+I 2 1 x 0"));
    assert_eq!(
        rows(&harness.take()),
        "+I 1 7 b 0 7 1 1 1 null @0\n+I 1 5 a 0 12 2 2 2 b @0\n+I 2 1 x 0 1 1 1 1 null @0"
    );
    harness.push(0, table.frame("+I 1 7 c 0 @3"));
    assert_eq!(
        rows(&harness.take()),
        "-U 1 5 a 0 12 2 2 2 b @3\n+U 1 5 a 0 19 3 3 2 c @3\n+I 1 7 c 0 14 2 1 1 b @3",
        "what stands before it stays as it is"
    );
    harness.push(0, table.frame("-D 1 7 b 0\n-D 2 1 x 0"));
    assert_eq!(
        rows(&harness.take()),
        "-D 1 7 b 0 7 1 1 1 null @0\n-U 1 7 c 0 14 2 1 1 b @0\n+U 1 7 c 0 7 1 1 1 null @0
-U 1 5 a 0 19 3 3 2 c @0\n+U 1 5 a 0 12 2 2 2 c @0\n-D 2 1 x 0 1 1 1 1 null @0"
    );
    assert_eq!(harness.state_entries(), 1, "an empty partition is not kept");
    // The fold is the same however the rows come.
    for (frame, expected) in [
        (OverFrame::UnboundedRange, ["7 b 0 14 1", "7 c 0 14 2", "5 a 0 19 3"]),
        (OverFrame::Rows { preceding: 1 }, ["7 b 0 7 1", "7 c 0 14 2", "5 a 0 12 3"]),
    ] {
        let mut calls = of(frame);
        calls.calls.truncate(2);
        let calls = OverAggregate { schema: spec(OrderTime::ProcTime, frame, calls.calls.clone()).schema, ..calls };
        for cut in [
            &["+I 1 5 a 0\n+I 1 7 b 0\n-D 1 5 a 0\n+I 1 5 a 0\n+I 1 7 c 0"][..],
            &["+I 1 5 a 0", "+I 1 7 b 0", "+I 1 7 c 0"],
        ] {
            let (mut harness, mut folded) = (self::harness(calls.clone()), Fold::new());
            for text in cut {
                harness.push(0, table.frame(text));
                fold(&mut folded, &harness.take());
            }
            let expected: Fold = expected.iter().map(|row| (format!("1 {row}"), 1)).collect();
            assert_eq!(folded, expected, "{frame}");
        }
    }
    let ranged = OverAggregate { frame: OverFrame::Range { preceding: 5 }, ..of(OverFrame::UnboundedRows) };
    assert!(Arc::new(ranged).operator().err().unwrap().to_string().contains("not supported yet"));
}
