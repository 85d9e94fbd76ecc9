//! Window joins of every kind, however their input is cut.

#![cfg(test)]

use arrow_schema::TimeUnit;
use yeoul_operator::context::FRAMES_PER_CALL;

use super::tests::Less;
use super::*;
use crate::testing::{Harness, Table, check};

fn columns(prefix: &str) -> Vec<(String, DataType)> {
    let millis = DataType::Timestamp(TimeUnit::Millisecond, None);
    let of = |name: &str, data_type| (format!("{prefix}{name}"), data_type);
    vec![of("k", DataType::Int64), of("v", DataType::Int64), of("start", millis.clone()), of("end", millis)]
}

fn table(columns: &[(String, DataType)]) -> Table {
    Table::new(&columns.iter().map(|(name, of)| (name.as_str(), of.clone())).collect::<Vec<_>>())
}

fn open_join(kind: JoinKind, residual: bool) -> Harness {
    let (left, right) = (columns("l"), columns("r"));
    let all = if kind.has_right() { [left.clone(), right.clone()].concat() } else { left.clone() };
    let (left, right) = (table(&left), table(&right));
    let spec = Arc::new(WindowJoin {
        kind,
        left_keys: vec![0, 2, 3],
        right_keys: vec![0, 2, 3],
        left_end: 3,
        right_end: 3,
        residual: residual.then(|| Arc::new(Less([1, 5])) as Arc<dyn Expression>),
        left_schema: left.schema().clone(),
        right_schema: right.schema().clone(),
        schema: table(&all).schema().clone(),
    });
    let keys = [0, 2, 3];
    Harness::of(move || spec.clone().operator(), &[&keys, &keys])
}

fn joined(kind: JoinKind, residual: bool, script: &str, expected: &str) {
    let (left, right) = (table(&columns("l")), table(&columns("r")));
    let left = check(|| open_join(kind, residual), &[&left, &right], script, expected);
    assert_eq!(left, 0, "no state is left of closed windows");
}

const SCRIPT: &str = "
    0 +I 1 10 0 10 @9
    0 +I 1 11 0 10 @9
    0 +I 2 20 0 10 @9
    0 +I null 30 0 10 @9
    1 +I 1 11 0 10 @9
    1 +I 3 40 0 10 @9
    1 +I null 50 0 10 @9
    1 +I 1 60 10 20 @19
    0 +I 1 70 10 20 @19
    w 9
    0 +I 1 80 0 10 @9
    1 +I 2 90 0 10 @9
    1 +I 1 71 10 20 @19
    w 18
    0 +I 4 1 20 30 @29
    w 30";

#[test]
fn each_kind_gives_its_rows_when_the_window_is_over() {
    let late = "late +I 1 80 0 10 @9\nlate +I 2 90 0 10 @9\n";
    let pairs = "+I 1 10 0 10 1 11 0 10 @9\n+I 1 11 0 10 1 11 0 10 @9
        +I 1 70 10 20 1 60 10 20 @19\n+I 1 70 10 20 1 71 10 20 @19\n";
    let left = "+I 2 20 0 10 null null null null @9\n+I null 30 0 10 null null null null @9
        +I 4 1 20 30 null null null null @29\n";
    let right = "+I null null null null 3 40 0 10 @9\n+I null null null null null 50 0 10 @9\n";
    joined(JoinKind::Inner, false, SCRIPT, &format!("{pairs}{late}"));
    joined(JoinKind::Left, false, SCRIPT, &format!("{pairs}{left}{late}"));
    joined(JoinKind::Right, false, SCRIPT, &format!("{pairs}{right}{late}"));
    joined(JoinKind::Full, false, SCRIPT, &format!("{pairs}{left}{right}{late}"));
    let semi = "+I 1 10 0 10 @9\n+I 1 11 0 10 @9\n+I 1 70 10 20 @19\n";
    joined(JoinKind::Semi, false, SCRIPT, &format!("{semi}{late}"));
    let anti = "+I 2 20 0 10 @9\n+I null 30 0 10 @9\n+I 4 1 20 30 @29\n";
    joined(JoinKind::Anti, false, SCRIPT, &format!("{anti}{late}"));
}

#[test]
fn a_condition_beside_the_keys_decides_who_has_a_partner() {
    let late = "late +I 1 80 0 10 @9\nlate +I 2 90 0 10 @9\n";
    let pairs = "+I 1 10 0 10 1 11 0 10 @9\n+I 1 70 10 20 1 71 10 20 @19\n";
    let left = "+I 1 11 0 10 null null null null @9\n+I 2 20 0 10 null null null null @9
        +I null 30 0 10 null null null null @9\n+I 4 1 20 30 null null null null @29\n";
    let right = "+I null null null null 3 40 0 10 @9\n+I null null null null null 50 0 10 @9
        +I null null null null 1 60 10 20 @19\n";
    joined(JoinKind::Full, true, SCRIPT, &format!("{pairs}{left}{right}{late}"));
    joined(JoinKind::Semi, true, SCRIPT, &format!("+I 1 10 0 10 @9\n+I 1 70 10 20 @19\n{late}"));
    let anti = "+I 1 11 0 10 @9\n+I 2 20 0 10 @9\n+I null 30 0 10 @9\n+I 4 1 20 30 @29\n";
    joined(JoinKind::Anti, true, SCRIPT, &format!("{anti}{late}"));
}

#[test]
fn what_many_pairs_come_to_is_given_in_parts() {
    // Of one key 300 left rows and 500 right ones, and other keys that have a row on one side: 150,000 pairs in 37 frames, then these.
    let script: String = [(0, 0..300), (1, 0..500)]
        .into_iter()
        .flat_map(|(side, values)| values.map(move |v| (side, v)))
        .map(|(side, v)| format!("{side} +I 1 {v} 0 10 @9\n{side} +I {} {v} 0 10 @9\n", 2 + 1_000 * side + v))
        .collect();
    for (kind, residual) in [(JoinKind::Full, false), (JoinKind::Full, true), (JoinKind::Inner, true)] {
        let mut harness = open_join(kind, residual);
        for side in [0, 1] {
            let of_side = script.lines().filter_map(|line| line.strip_prefix(["0 ", "1 "][usize::from(side)]));
            harness.push(
                side,
                table(&columns(["l", "r"][usize::from(side)])).frame(&of_side.collect::<Vec<_>>().join("\n")),
            );
        }
        harness.watermark(9);
        let (most, out) = (harness.most_frames, harness.take());
        let mut expected: usize = (0..300).map(|v| if residual { 499 - v } else { 500 }).sum();
        if kind == JoinKind::Full {
            // With the condition, no left row is below the first right one.
            expected += 300 + 500 + usize::from(residual);
        }
        assert_eq!(out.iter().map(yeoul_frame::Frame::len).sum::<usize>(), expected, "{kind} {residual}");
        assert!(most <= FRAMES_PER_CALL + 4, "{most} frames in one call");
        assert!(out.len() > FRAMES_PER_CALL, "{} frames", out.len());
        assert_eq!(harness.state_entries(), 0);
    }
}
