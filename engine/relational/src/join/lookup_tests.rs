//! Lookup joins: rows beside a table that is read when the operator is opened.

#![cfg(test)]

use yeoul_frame::Frame;
use yeoul_operator::source::{Source, SourceContext, SourcePoll, SplitId};
use yeoul_operator::{OpenContext, Snapshot, Subtask};

use super::tests::Less;
use super::*;
use crate::output::OUTPUT_ROWS;
use crate::testing::{Harness, Table, rows};

/// Gives one frame.
struct Once(Option<Frame>);

impl Source for Once {
    fn open(&mut self, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        Ok(())
    }

    fn poll(&mut self, cx: &mut SourceContext<'_>) -> Result<SourcePoll, OperatorError> {
        let Some(frame) = self.0.take() else { return Ok(SourcePoll::End) };
        cx.emit(SplitId(0), frame);
        Ok(SourcePoll::Ready)
    }

    fn snapshot(&mut self, _: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        Ok(())
    }

    fn restore(&mut self, _: &str, _: Subtask, _: &[u8]) -> Result<(), OperatorError> {
        Ok(())
    }
}

/// Looks rows up in a table of these lines; with a condition `v < w`.
fn open(kind: JoinKind, table: &str, residual: bool) -> (Table, Harness) {
    let (left, right) =
        ([("k", DataType::Int64), ("v", DataType::Int64)], [("rk", DataType::Int64), ("w", DataType::Int64)]);
    let all = Table::new(&[left.clone(), right.clone()].concat());
    let (left, right) = (Table::new(&left), Table::new(&right));
    let frame = right.frame(table);
    let spec = Arc::new(LookupJoin {
        kind,
        left_keys: vec![0],
        right_keys: vec![0],
        residual: residual.then(|| Arc::new(Less([1, 3])) as Arc<dyn Expression>),
        left_schema: left.schema().clone(),
        table_schema: right.schema().clone(),
        table: Arc::new(move || Box::new(Once(Some(frame.clone()))) as Box<dyn Source>),
        name: "t".into(),
        schema: all.schema().clone(),
    });
    (left, Harness::of(move || spec.clone().operator(), &[&[0]]))
}

fn check(kind: JoinKind, residual: bool, expected: &str) {
    let (left, mut harness) = open(kind, "+I 1 10\n+I 1 20\n+I 2 5\n+I null 7", residual);
    harness.push(0, left.frame("+I 3 1 @1\n-U 1 15 @2\n+U 2 9 @3\n+I null 0 @4\n+I 1 0 @5"));
    assert_eq!(rows(&harness.take()), expected, "{kind}");
}

#[test]
fn rows_come_out_with_what_the_table_has_for_their_key() {
    let (first, last) = ("-U 1 15 1 10 @2\n-U 1 15 1 20 @2\n+U 2 9 2 5 @3", "+I 1 0 1 10 @5\n+I 1 0 1 20 @5");
    check(JoinKind::Inner, false, &format!("{first}\n{last}"));
    check(JoinKind::Left, false, &format!("+I 3 1 null null @1\n{first}\n+I null 0 null null @4\n{last}"));
    check(JoinKind::Inner, true, &format!("-U 1 15 1 20 @2\n{last}"));
    let alone = "+U 2 9 null null @3\n+I null 0 null null @4";
    check(JoinKind::Left, true, &format!("+I 3 1 null null @1\n-U 1 15 1 20 @2\n{alone}\n{last}"));
}

#[test]
fn a_row_with_many_partners_makes_many_frames() {
    // Of the table's rows of key 1, those meet the condition that are above the row's own value.
    let many = 2 * OUTPUT_ROWS as i64 + 10;
    // The values above which there are none, those of one end of the table, those of all of its parts, and all.
    for (value, is_rising) in [many, many - 5, 7, -1].into_iter().flat_map(|value| [(value, true), (value, false)]) {
        let mut table: Vec<i64> = (0..many).collect();
        if !is_rising {
            table.reverse();
        }
        let lines: String = table.iter().map(|w| format!("+I 1 {w}\n")).collect();
        let (left, mut harness) = open(JoinKind::Left, &lines, true);
        harness.push(0, left.frame(&format!("+I 2 0\n+I 1 {value}\n+I 2 1\n+I 1 {value}\n+I 2 2")));
        let out = harness.take();
        assert!(out.iter().all(|frame| frame.len() <= OUTPUT_ROWS + 5), "{value}");
        let partners = table.iter().filter(|w| **w > value).map(|w| format!("+I 1 {value} 1 {w} @0"));
        let partners: Vec<String> = partners.collect();
        let of_one = if partners.is_empty() { format!("+I 1 {value} null null @0") } else { partners.join("\n") };
        let alone = |v: i64| format!("+I 2 {v} null null @0");
        let expected = [alone(0), of_one.clone(), alone(1), of_one, alone(2)].join("\n");
        assert_eq!(rows(&out), expected, "{value} {is_rising}");
    }
}
