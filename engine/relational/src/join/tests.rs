//! Joins of two changelogs against a plain model after every frame, through snapshots, restores and other numbers of shards.

#![cfg(test)]

use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BooleanArray};
use arrow_schema::DataType;
use proptest::prelude::*;
use yeoul_frame::Columns;

use super::*;
use crate::expression::EvaluationTime;
use crate::testing::{Fold, Harness, Step, Table, fold, rows, run_with_restores};

/// `column a < column b`.
#[derive(Debug)]
pub(super) struct Less(pub(super) [usize; 2]);

impl fmt::Display for Less {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${} < ${}", self.0[0], self.0[1])
    }
}

impl Expression for Less {
    fn data_type(&self) -> &DataType {
        &DataType::Boolean
    }
    fn nullable(&self) -> bool {
        true
    }
    fn columns(&self) -> &[usize] {
        &self.0
    }
    fn evaluate(&self, input: &Columns, _: usize, _: &EvaluationTime<'_>) -> Result<ArrayRef, OperatorError> {
        let [a, b] = self.0.map(|index| input.arrays()[index].as_primitive::<Int64Type>().clone());
        let less = a.iter().zip(b.iter()).map(|(a, b)| a.zip(b).map(|(a, b)| a < b));
        Ok(Arc::new(less.collect::<BooleanArray>()))
    }
}

fn left() -> Table {
    Table::new(&[("k", DataType::Int64), ("s", DataType::Utf8View), ("v", DataType::Int64)])
}

fn right() -> Table {
    Table::new(&[("rk", DataType::Int64), ("rs", DataType::Utf8View), ("w", DataType::Int64)])
}

fn spec(kind: JoinKind, keys: &[usize], residual: bool) -> RegularJoin {
    let mut columns = vec![("k", DataType::Int64), ("s", DataType::Utf8View), ("v", DataType::Int64)];
    if kind.has_right() {
        columns.extend([("rk", DataType::Int64), ("rs", DataType::Utf8View), ("w", DataType::Int64)]);
    }
    RegularJoin {
        kind,
        left_keys: keys.to_vec(),
        right_keys: keys.to_vec(),
        null_equals_null: false,
        null_aware: false,
        residual: residual.then(|| Arc::new(Less([2, 5])) as Arc<dyn Expression>),
        left_schema: left().schema().clone(),
        right_schema: right().schema().clone(),
        left_unique: Uniqueness::None,
        right_unique: Uniqueness::None,
        left_ttl: None,
        right_ttl: None,
        update_before: true,
        schema: Table::new(&columns).schema().clone(),
    }
}

fn harness(spec: RegularJoin) -> Harness {
    let (left, right) = (spec.left_keys.clone(), spec.right_keys.clone());
    let spec = Arc::new(spec);
    Harness::of(move || spec.clone().operator(), &[&left, &right])
}

#[test]
fn a_left_join_takes_back_its_nulls_when_a_partner_comes() {
    let spec = spec(JoinKind::Left, &[0], false);
    assert_eq!(
        spec.to_string(),
        "Join(joinType=[LeftOuterJoin], leftKeys=[$0], rightKeys=[$0], leftInputSpec=[NoUniqueKey], rightInputSpec=[NoUniqueKey])"
    );
    let mut harness = harness(spec);
    harness.push(0, left().frame("+I 1 a 1\n+I null b 2"));
    assert_eq!(rows(&harness.take()), "+I 1 a 1 null null null @0\n+I null b 2 null null null @0");
    harness.push(1, right().frame("+I 1 x 7 @9\n+I 1 y 8 @9\n+I null z 9 @9"));
    assert_eq!(
        rows(&harness.take()),
        "-D 1 a 1 null null null @9\n+I 1 a 1 1 x 7 @9\n+I 1 a 1 1 y 8 @9",
        "null is equal to nothing"
    );
    harness.push(1, right().frame("-D 1 x 7\n-D 1 y 8"));
    assert_eq!(rows(&harness.take()), "-D 1 a 1 1 x 7 @0\n-D 1 a 1 1 y 8 @0\n+I 1 a 1 null null null @0");
}

#[test]
fn an_update_replaces_the_row_of_a_key_that_is_unique() {
    let mut harness =
        harness(RegularJoin { right_unique: Uniqueness::JoinKeyContainsUnique, ..spec(JoinKind::Inner, &[0], false) });
    harness.push(1, right().frame("+I 1 x 7\n+U 1 y 8"));
    harness.push(0, left().frame("+I 1 a 1"));
    assert_eq!(rows(&harness.take()), "+I 1 a 1 1 y 8 @0");
    assert_eq!(harness.state_entries(), 2);
}

#[test]
fn rows_that_are_too_old_have_no_partners() {
    let mut harness =
        harness(RegularJoin { left_ttl: Some(Duration::from_millis(10)), ..spec(JoinKind::Inner, &[0], false) });
    harness.push(0, left().frame("+I 1 a 1"));
    harness.processing_time(9);
    harness.push(0, left().frame("+I 1 b 1"));
    harness.processing_time(10);
    harness.push(1, right().frame("+I 1 x 7"));
    assert_eq!(rows(&harness.take()), "+I 1 b 1 1 x 7 @0");
}

#[test]
fn keys_of_other_types_are_refused() {
    let wrong = RegularJoin { right_keys: vec![1], ..spec(JoinKind::Inner, &[0], false) };
    assert!(Arc::new(wrong).operator().err().unwrap().to_string().contains("cast"));
}

type Row = (Option<i64>, u8, i64);

fn text((key, text, value): &Row) -> String {
    let text = ["a", "b", "a-text-of-more-than-twelve-bytes"][usize::from(*text)];
    format!("{} {text} {value}", key.map_or("null".to_owned(), |key| key.to_string()))
}

fn model(kind: JoinKind, keys: &[usize], residual: bool, tables: &[Vec<Row>; 2]) -> Fold {
    let goes = |left: &Row, right: &Row| {
        let keys_match =
            keys.iter().all(|key| if *key == 0 { left.0.is_some() && left.0 == right.0 } else { left.1 == right.1 });
        keys_match && (!residual || left.2 < right.2)
    };
    let mut out = vec![];
    for left in &tables[0] {
        let partners: Vec<&Row> = tables[1].iter().filter(|right| goes(left, right)).collect();
        match kind {
            JoinKind::Semi if !partners.is_empty() => out.push(text(left)),
            JoinKind::Anti if partners.is_empty() => out.push(text(left)),
            JoinKind::Semi | JoinKind::Anti => {}
            _ => {
                if partners.is_empty() && kind.keeps(0) {
                    out.push(format!("{} null null null", text(left)));
                }
                out.extend(partners.iter().map(|right| format!("{} {}", text(left), text(right))));
            }
        }
    }
    if kind.keeps(1) {
        for right in tables[1].iter().filter(|right| !tables[0].iter().any(|left| goes(left, right))) {
            out.push(format!("null null null {}", text(right)));
        }
    }
    let mut fold = Fold::new();
    out.into_iter().for_each(|row| *fold.entry(row).or_default() += 1);
    fold
}

#[derive(Debug, Clone)]
enum Event {
    Insert(usize, Row),
    Delete(usize, prop::sample::Index),
    Restore(u16),
}

fn event() -> impl Strategy<Value = Event> {
    let row = (prop::option::weighted(0.85, 0..3_i64), 0..3_u8, 0..3_i64);
    prop_oneof![
        8 => (0..2_usize, row).prop_map(|(side, row)| Event::Insert(side, row)),
        5 => (0..2_usize, any::<prop::sample::Index>()).prop_map(|(side, index)| Event::Delete(side, index)),
        1 => (1..3_u16).prop_map(Event::Restore),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn the_fold_is_the_join_at_every_frame(
        events in prop::collection::vec(event(), 1..60),
        cut in 1..5_usize,
        kind in 0..6_usize,
        which_keys in 0..3_usize,
        residual: bool,
    ) {
        let kind = [JoinKind::Inner, JoinKind::Left, JoinKind::Right, JoinKind::Full, JoinKind::Semi, JoinKind::Anti][kind];
        let keys = [&[0][..], &[0, 1], &[]][which_keys];
        let inputs = [left(), right()];
        let (mut steps, mut states) = (vec![], vec![]);
        let (mut tables, mut lines, mut last) = ([vec![], vec![]], vec![], 0);
        let mut flush = |lines: &mut Vec<String>, side: usize, tables: &[Vec<Row>; 2]| {
            if !lines.is_empty() {
                steps.push(Step::Push(side as u8, inputs[side].frame(&lines.join("\n"))));
                states.push(tables.clone());
                lines.clear();
            }
        };
        let mut restores = vec![];
        for event in &events {
            match event {
                Event::Insert(side, _) | Event::Delete(side, _) if *side != last || lines.len() >= cut => {
                    flush(&mut lines, last, &tables);
                    last = *side;
                }
                _ => {}
            }
            match event {
                Event::Insert(side, row) => {
                    lines.push(format!("+I {}", text(row)));
                    tables[*side].push(*row);
                }
                Event::Delete(side, index) if !tables[*side].is_empty() => {
                    let at = index.index(tables[*side].len());
                    let row: Row = tables[*side].remove(at);
                    lines.push(format!("-D {}", text(&row)));
                }
                Event::Delete(..) => {}
                Event::Restore(parallelism) => restores.push(*parallelism),
            }
        }
        flush(&mut lines, last, &tables);
        // Restores stand at even distances.
        for (n, parallelism) in restores.iter().enumerate() {
            let at = (n + 1) * steps.len() / (restores.len() + 1);
            let state = states.get(at.wrapping_sub(1)).cloned().unwrap_or_default();
            steps.insert(at, Step::Restore(*parallelism));
            states.insert(at, state);
        }
        let mut folded = Fold::new();
        let mut ended = run_with_restores(harness(spec(kind, keys, residual)), &steps, |at, out| {
            fold(&mut folded, out);
            let tables = states.get(at).unwrap_or(&tables);
            assert_eq!(folded, model(kind, keys, residual, tables), "{kind} after step {at}");
        });
        if tables.iter().all(Vec::is_empty) {
            assert_eq!(ended.iter_mut().map(Harness::state_entries).sum::<usize>(), 0);
        }
    }
}
