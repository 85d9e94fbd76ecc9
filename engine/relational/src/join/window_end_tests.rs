//! Joins with windows' ends, against a regular join of the same rows, however their input is cut.

#![cfg(test)]

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{ArrayRef, BooleanArray};
use arrow_schema::TimeUnit;
use proptest::prelude::*;
use yeoul_frame::{Columns, Frame, Selection};
use yeoul_operator::Subtask;

use super::tests::Less;
use super::*;
use crate::expression::EvaluationTime;
use crate::testing::{Fold, Harness, Step, Table, check, fold, rows, run_with_restores};

const MILLIS: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);
const LOWER: i64 = -1_000;

/// `lower <= left time - right time <= 0`, and perhaps `left v < right v`.
#[derive(Debug)]
struct Within([usize; 4], bool);

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.0, self.1)
    }
}

impl Expression for Within {
    fn data_type(&self) -> &DataType {
        &DataType::Boolean
    }
    fn nullable(&self) -> bool {
        true
    }
    fn columns(&self) -> &[usize] {
        &self.0
    }
    fn evaluate(&self, input: &Columns, rows: usize, time: &EvaluationTime<'_>) -> Result<ArrayRef, OperatorError> {
        let [row, end] = [2, 3].map(|at| input.arrays()[self.0[at]].as_primitive::<TimestampMillisecondType>().clone());
        let less = Less([self.0[0], self.0[1]]).evaluate(input, rows, time)?;
        let less = less.as_boolean();
        let holds = |(at, (row, end)): (usize, (Option<i64>, Option<i64>))| {
            let (row, end) = (row?, end?);
            let near = (LOWER..=0).contains(&(row - end));
            Some(near && (!self.1 || (less.is_valid(at) && less.value(at))))
        };
        Ok(Arc::new(row.iter().zip(end.iter()).enumerate().map(holds).collect::<BooleanArray>()))
    }
}

fn rows_table() -> Table {
    Table::new(&[("k", DataType::Int64), ("s", DataType::Utf8View), ("v", DataType::Int64), ("ts", MILLIS)])
}

fn ends_table() -> Table {
    Table::new(&[("ek", DataType::Int64), ("es", DataType::Utf8View), ("w", DataType::Int64), ("e", MILLIS)])
}

/// Rows by input 0 and ends by input 1, or the other way round.
fn sides(ends: usize) -> [Table; 2] {
    if ends == 1 { [rows_table(), ends_table()] } else { [ends_table(), rows_table()] }
}

fn joined_columns(ends: usize) -> SchemaRef {
    let [left, right] = sides(ends);
    Arc::new(Schema::new(left.schema().fields().iter().chain(right.schema().fields()).cloned().collect::<Vec<_>>()))
}

fn spec(ends: usize, keys: &[usize], residual: bool) -> WindowEndJoin {
    let [left, right] = sides(ends);
    // The row's v is less than the end's.
    let values = if ends == 1 { [2, 6] } else { [6, 2] };
    WindowEndJoin {
        ends,
        left_keys: keys.to_vec(),
        right_keys: keys.to_vec(),
        left_time: 3,
        right_time: 3,
        lower: if ends == 1 { LOWER } else { 0 },
        upper: if ends == 1 { 0 } else { -LOWER },
        residual: residual.then(|| Arc::new(Less(values)) as Arc<dyn Expression>),
        left_schema: left.schema().clone(),
        right_schema: right.schema().clone(),
        schema: joined_columns(ends),
    }
}

/// Rows are spread by their key, as they might lie anywhere.
fn open(spec: WindowEndJoin) -> Harness {
    let (ends, spec) = (spec.ends, Arc::new(spec));
    Harness::of(move || spec.clone().operator(), &[&[0], &[0]]).broadcast(ends)
}

/// The same as a regular join.
fn regular(ends: usize, keys: &[usize], residual: bool) -> Harness {
    let [left, right] = sides(ends);
    let within = if ends == 1 { [2, 6, 3, 7] } else { [6, 2, 7, 3] };
    let spec = Arc::new(RegularJoin {
        kind: JoinKind::Inner,
        left_keys: keys.to_vec(),
        right_keys: keys.to_vec(),
        null_equals_null: false,
        null_aware: false,
        residual: Some(Arc::new(Within(within, residual))),
        left_schema: left.schema().clone(),
        right_schema: right.schema().clone(),
        left_unique: Uniqueness::None,
        right_unique: Uniqueness::None,
        left_ttl: None,
        right_ttl: None,
        update_before: false,
        schema: joined_columns(ends),
    });
    Harness::of(move || spec.clone().operator(), &[keys, keys])
}

/// Rows of the second before an end go with it.
const SCRIPT: &str = "
    0 +I 1 a 10 5000 @5000
    0 +I 1 a 11 4999 @4999
    0 +I 2 a 12 5500 @5500
    0 +I null a 13 5500 @5500
    0 +I 1 b 14 6000 @6000
    0 +I 1 b 15 6001 @6001
    1 +I 1 a 20 6000 @5999
    1 +I null a 21 6000 @5999
    w 6000
    0 +I 1 c 16 5200 @5200
    0 +I 2 c 17 5200 @5200
    0 +I 1 c 18 4000 @4000
    0 +I 1 d 19 6900 @6900
    w 6500
    1 +I 1 b 22 7000 @6999
    w 7000
    0 +I 1 e 23 6500 @6500
    0 +I 1 e 24 6000 @6000
    w 20000
    0 +I 1 f 25 6100 @6100";

#[test]
fn rows_meet_ends_whichever_comes_first() {
    let expected = "
        +I 1 a 10 5000 1 a 20 6000 @5999
        +I 1 b 14 6000 1 a 20 6000 @5999
        +I 1 c 16 5200 1 a 20 6000 @5200
        +I 1 b 14 6000 1 b 22 7000 @6999
        +I 1 b 15 6001 1 b 22 7000 @6999
        +I 1 d 19 6900 1 b 22 7000 @6999
        +I 1 e 23 6500 1 b 22 7000 @6500
        +I 1 e 24 6000 1 a 20 6000 @6000
        +I 1 e 24 6000 1 b 22 7000 @6000
        +I 1 f 25 6100 1 b 22 7000 @6100";
    let joined = |ends: usize, keys: &[usize], script: &str, expected: &str| {
        let [left, right] = &sides(ends);
        check(|| open(spec(ends, keys, false)), &[left, right], script, expected);
    };
    joined(1, &[0], SCRIPT, expected);
    // By both columns; and ends on the left.
    let of_both = "
        +I 1 a 10 5000 1 a 20 6000 @5999
        +I 1 b 14 6000 1 b 22 7000 @6999
        +I 1 b 15 6001 1 b 22 7000 @6999";
    joined(1, &[0, 1], SCRIPT, of_both);
    let turned: String = SCRIPT
        .lines()
        .map(|line| match line.trim().split_at_checked(1) {
            Some(("0", rest)) => format!("1{rest}\n"),
            Some(("1", rest)) => format!("0{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let of_left = "
        +I 1 a 20 6000 1 a 10 5000 @5999
        +I 1 b 22 7000 1 b 14 6000 @6999
        +I 1 b 22 7000 1 b 15 6001 @6999";
    joined(0, &[0, 1], &turned, of_left);
}

impl Harness {
    fn rows_kept(&mut self) -> usize {
        let before = self.state_entries();
        self.watermark(i64::MAX);
        before - self.state_entries()
    }
}

#[test]
fn rows_go_with_the_watermark_and_ends_stay() {
    let [table, ends] = sides(1);
    let script = |first: i64| (0..3_000).map(|n| format!("+I 1 a {n} {} @0\n", first + n / 10)).collect::<String>();
    let mut harness = open(spec(1, &[0], false));
    harness.push(0, table.frame(&script(10_000)));
    harness.push(1, ends.frame("+I 1 a 0 10500"));
    assert_eq!(harness.take().iter().map(Frame::len).sum::<usize>(), 3_000);
    // A pane is of 500 ms: this one reaches ends up to 11,499.
    harness.watermark(11_498);
    assert_eq!(harness.state_entries(), 2, "a block and an end");
    harness.watermark(11_499);
    assert_eq!(harness.state_entries(), 1, "an end");
    harness.push(0, table.frame(&script(10_000)));
    assert_eq!(harness.take().iter().map(Frame::len).sum::<usize>(), 3_000, "late rows meet what has come");
    assert_eq!(harness.rows_kept(), 0, "and are not kept");
}

#[test]
fn small_frames_share_a_block() {
    let [table, ends] = sides(1);
    let line = |n: i64| format!("+I 1 a-text-of-more-than-twelve-bytes {n} {} @0", 10_000 + n % 200);
    let mut harness = open(spec(1, &[0], false));
    for n in 0..3_000 {
        harness.push(0, table.frame(&line(n)));
        if n % 700 == 0 {
            let saved = harness.snapshot();
            let taken = saved.clone();
            harness = harness.restored(Subtask { index: 0, parallelism: 1 }, &[&taken]);
        }
    }
    let entries = harness.state_entries();
    // Rows of some eighty bytes in blocks of 16 KiB, and a block more for each restore.
    assert!((12..=20).contains(&entries), "{entries} blocks");
    harness.push(1, ends.frame("+I 1 a 0 10500"));
    assert_eq!(harness.take().iter().map(Frame::len).sum::<usize>(), 3_000);
    // Of a large frame of which little is selected only that is kept, and of one of which much is, its columns.
    let frame = table.frame(&(0..4_000).map(|n| line(n) + "\n").collect::<String>());
    for (step, expected, blocks) in [(3, 1_334, 5..=9), (1, 4_000, 1..=2)] {
        let mut harness = open(spec(1, &[0], false));
        let selected: Vec<u32> = (0..4_000).step_by(step).collect();
        harness.push(0, frame.select(Selection::rows(&selected)));
        assert!(blocks.contains(&harness.state_entries()), "{} blocks", harness.state_entries());
        harness.push(1, ends.frame("+I 1 a 0 10500"));
        assert_eq!(harness.take().iter().map(Frame::len).sum::<usize>(), expected);
    }
}

#[test]
fn what_it_cannot_do_is_refused() {
    let refused = |spec: WindowEndJoin| Arc::new(spec).operator().err().unwrap().to_string();
    assert!(refused(WindowEndJoin { lower: 1, ..spec(1, &[0], false) }).contains("wrong way round"));
    assert!(refused(WindowEndJoin { right_time: 2, ..spec(1, &[0], false) }).contains("TIMESTAMP(3)"));
    assert!(refused(WindowEndJoin { right_keys: vec![1], ..spec(1, &[0], false) }).contains("cast"));
    let mut harness = open(spec(1, &[0], false));
    assert!(harness.try_push(0, rows_table().frame("-D 1 a 1 1")).is_err());
}

#[derive(Debug, Clone)]
enum Event {
    Row { key: Option<i64>, text: u8, value: i64, time: Option<i64> },
    End { key: Option<i64>, text: u8, value: i64, after: i64 },
    Watermark(i64),
    Restore(u16),
}

fn event() -> impl Strategy<Value = Event> {
    let key = || prop::option::weighted(0.9, 0..3_i64);
    let row = (key(), 0..2_u8, 0..3_i64, prop::option::weighted(0.95, 0..6_000_i64));
    prop_oneof![
        20 => row.prop_map(|(key, text, value, time)| Event::Row { key, text, value, time }),
        4 => (key(), 0..2_u8, 0..3_i64, 1..1_500_i64)
            .prop_map(|(key, text, value, after)| Event::End { key, text, value, after }),
        3 => (0..800_i64).prop_map(Event::Watermark),
        1 => (1..4_u16).prop_map(Event::Restore),
    ]
}

fn text(key: Option<i64>, text: u8, value: i64, time: Option<i64>) -> String {
    let shown = |value: Option<i64>| value.map_or("null".to_owned(), |value| value.to_string());
    let text = ["a", "a-text-of-more-than-twelve-bytes"][usize::from(text)];
    format!("+I {} {text} {value} {} @{}", shown(key), shown(time), time.unwrap_or(0))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn pairs_are_those_of_a_regular_join(
        events in prop::collection::vec(event(), 1..120),
        cut in 1..8_usize,
        ends in 0..2_usize,
        which_keys in 0..4_usize,
        residual: bool,
    ) {
        let keys = [&[0][..], &[1], &[0, 1], &[]][which_keys];
        let tables = sides(ends);
        let (mut steps, mut lines, mut side, mut watermark) = (vec![], vec![], 0, -500_i64);
        let mut flush = |lines: &mut Vec<String>, side: usize, step: Option<Step>| {
            if !lines.is_empty() {
                steps.push(Step::Push(side as u8, tables[side].frame(&lines.join("\n"))));
                lines.clear();
            }
            steps.extend(step);
        };
        for event in &events {
            let (of, line) = match event {
                Event::Row { key, text: of, value, time } => (1 - ends, text(*key, *of, *value, *time)),
                // Any end that comes is after the watermark.
                Event::End { key, text: of, value, after } => (ends, text(*key, *of, *value, Some(watermark + after))),
                Event::Watermark(by) => {
                    watermark += by;
                    flush(&mut lines, side, Some(Step::Watermark(watermark)));
                    continue;
                }
                Event::Restore(parallelism) => {
                    flush(&mut lines, side, Some(Step::Restore(*parallelism)));
                    continue;
                }
            };
            if of != side || lines.len() >= cut {
                flush(&mut lines, side, None);
                side = of;
            }
            lines.push(line);
        }
        flush(&mut lines, side, None);
        let given = |first: Harness| {
            let (mut folds, mut all) = (vec![], Fold::new());
            run_with_restores(first, &steps, |_, out| {
                fold(&mut all, out);
                let mut sorted: Vec<String> = rows(out).lines().map(str::to_owned).collect();
                sorted.sort();
                folds.push(sorted);
            });
            (folds, all)
        };
        prop_assert_eq!(given(open(spec(ends, keys, residual))), given(regular(ends, keys, residual)));
    }
}
