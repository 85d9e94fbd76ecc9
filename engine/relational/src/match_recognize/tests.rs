//! MATCH_RECOGNIZE over text tables: order, lateness, references, restores.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, cast::AsArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use proptest::prelude::*;
use yeoul_frame::Columns;
use yeoul_operator::OperatorError;

use super::{AfterMatch, MatchRecognize, Pattern, Pick, Reference};
use crate::LATE;
use crate::aggregate::AggregateFunction;
use crate::expression::{EvaluationTime, Expression};
use crate::testing::{Fold, Harness, Step, Table, fold, rows, run_with_restores};
use crate::time_order::OrderTime;

/// Compares two references, or one with a number; or hands one on.
#[derive(Debug)]
enum Over {
    Less(usize, usize, [usize; 2]),
    Below(usize, f64, [usize; 1]),
    Value(DataType, [usize; 1]),
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl Expression for Over {
    fn data_type(&self) -> &DataType {
        if let Self::Value(data_type, _) = self { data_type } else { &DataType::Boolean }
    }

    fn nullable(&self) -> bool {
        true
    }

    fn columns(&self) -> &[usize] {
        match self {
            Self::Less(_, _, columns) => columns,
            Self::Below(_, _, columns) | Self::Value(_, columns) => columns,
        }
    }

    fn evaluate(&self, input: &Columns, rows: usize, _: &EvaluationTime<'_>) -> Result<ArrayRef, OperatorError> {
        let number = |column: usize, row: usize| -> Option<f64> {
            let array = &input.arrays()[column];
            (!array.is_null(row)).then(|| match array.data_type() {
                DataType::Float64 => array.as_any().downcast_ref::<Float64Array>().unwrap().value(row),
                _ => array.as_primitive::<Int64Type>().value(row) as f64,
            })
        };
        Ok(match self {
            Self::Value(_, [column]) => input.arrays()[*column].clone(),
            Self::Less(a, b, _) => {
                Arc::new((0..rows).map(|row| Some(number(*a, row)? < number(*b, row)?)).collect::<BooleanArray>())
            }
            Self::Below(a, limit, _) => {
                Arc::new((0..rows).map(|row| Some(number(*a, row)? < *limit)).collect::<BooleanArray>())
            }
        })
    }
}

fn less(a: usize, b: usize) -> Option<Arc<dyn Expression>> {
    Some(Arc::new(Over::Less(a, b, [a.min(b), a.max(b)])))
}

/// A key, a price and a time.
fn input() -> Table {
    let millis = DataType::Timestamp(TimeUnit::Millisecond, None);
    Table::new(&[("key", DataType::Int64), ("price", DataType::Int64), ("ts", millis)])
}

fn repeat(variable: usize, least: u32, greedy: bool) -> Pattern {
    Pattern::Repeat { pattern: Box::new(Pattern::Variable(variable)), least, most: None, greedy }
}

fn spec(
    pattern: Vec<Pattern>,
    conditions: Vec<Option<Arc<dyn Expression>>>,
    references: Vec<Reference>,
    measures: &[usize],
    after: AfterMatch,
) -> MatchRecognize {
    let measure = |&at: &usize| Arc::new(Over::Value(references[at].data_type.clone(), [at])) as Arc<dyn Expression>;
    let mut fields = vec![Field::new("key", DataType::Int64, true)];
    fields.extend(measures.iter().map(|&at| Field::new(format!("m{at}"), references[at].data_type.clone(), true)));
    MatchRecognize {
        partition: vec![0],
        order: OrderTime::RowTime(2),
        pattern: Pattern::Sequence(pattern),
        variables: conditions.into_iter().zip('A'..).map(|(condition, name)| (name.to_string(), condition)).collect(),
        measures: measures.iter().map(measure).collect(),
        references,
        within: None,
        after,
        input_schema: input().schema().clone(),
        schema: Arc::new(Schema::new(fields)),
    }
}

fn price(variable: usize, pick: Pick) -> Reference {
    Reference { variable: Some(variable), pick, column: 1, data_type: DataType::Int64 }
}

/// A fall and a rise: A, then B below the row before, then C above the last B. Measures: A, the last B, C, and how many rows.
fn falls_and_rises() -> MatchRecognize {
    let count = Pick::Aggregate(AggregateFunction::Count);
    let references = vec![
        price(0, Pick::Last(0)),
        price(1, Pick::Last(0)),
        price(2, Pick::Last(0)),
        Reference { variable: None, pick: Pick::Last(1), column: 1, data_type: DataType::Int64 },
        Reference { variable: None, pick: count, column: 1, data_type: DataType::Int64 },
    ];
    let pattern = vec![Pattern::Variable(0), repeat(1, 1, true), Pattern::Variable(2)];
    spec(pattern, vec![None, less(1, 3), less(1, 2)], references, &[0, 1, 2, 4], AfterMatch::PastLastRow)
}

fn harness(spec: MatchRecognize) -> Harness {
    let spec = Arc::new(spec);
    Harness::of(move || spec.clone().operator(), &[&[0]])
}

#[test]
fn rows_are_matched_in_the_order_of_their_times() {
    let mut harness = harness(falls_and_rises());
    harness.push(0, input().frame("+I 1 7 4\n+I 1 9 1\n+I 2 5 1\n+I 1 3 3\n+I 1 5 2"));
    harness.watermark(3);
    assert_eq!(rows(&harness.take()), "");
    harness.push(0, input().frame("+I 1 1 3\n+I 2 4 9\n+I 1 8 5"));
    assert_eq!(rows(&harness.take_from(LATE)), "+I 1 1 3 @0");
    harness.watermark(4);
    assert_eq!(rows(&harness.take()), "+I 1 9 3 7 4 @4");
    harness.finish();
    assert_eq!(rows(&harness.take()), "");
    assert_eq!(harness.counters.late.get(), 1);
}

#[test]
fn a_condition_may_look_at_the_last_but_one_of_another_variable() {
    // A, then B below the row before, then C above the last B but one, as in DEFINE C AS C.price > LAST(B.price, 1): the row under
    // test for C is no B, so that it is the last but one of the Bs before it. With a single B it is null, and no row is a C.
    let mut spec = falls_and_rises();
    spec.references.push(price(1, Pick::Last(1)));
    spec.variables[2].1 = less(5, 2);
    spec.after = AfterMatch::Last(2);
    let mut harness = harness(spec);
    let keys = [
        // One falls, one rises above all: no V.
        "+I 1 9 0\n+I 1 5 1\n+I 1 12 2",
        // Two fall; 5 is above the last of them, 3, and not above 5.
        "+I 2 9 0\n+I 2 5 1\n+I 2 3 2\n+I 2 5 3",
        // 6 is above 5. The search goes on at it: 6, 4, 2, and 5 is above 4, though below the first.
        "+I 3 9 0\n+I 3 5 1\n+I 3 3 2\n+I 3 6 3\n+I 3 4 4\n+I 3 2 5\n+I 3 5 6",
        // 8 falls once, the second 8 does not fall and is above nothing; from it on 7 falls, again alone.
        "+I 4 9 0\n+I 4 8 1\n+I 4 8 2\n+I 4 7 3\n+I 4 9 4",
    ];
    harness.push(0, input().frame(&keys.join("\n")));
    harness.finish();
    assert_eq!(rows(&harness.take()), "+I 3 9 3 6 4 @3\n+I 3 6 2 5 4 @6");
}

#[test]
fn what_is_no_longer_needed_is_forgotten() {
    // A B, both with conditions: a row that fits no A holds nothing.
    let references = vec![price(0, Pick::Last(0)), price(1, Pick::Last(0))];
    let below = |at: usize, limit: f64| Some(Arc::new(Over::Below(at, limit, [at])) as Arc<dyn Expression>);
    let pattern = vec![Pattern::Variable(0), Pattern::Variable(1)];
    let spec = spec(pattern, vec![below(0, 5.0), below(1, 9.0)], references, &[0, 1], AfterMatch::PastLastRow);
    let mut harness = harness(spec);
    harness.push(0, input().frame("+I 1 7 1\n+I 2 4 1\n+I 3 4 1\n+I 3 8 2"));
    harness.watermark(2);
    assert_eq!(rows(&harness.take()), "+I 3 4 8 @2");
    // Key 2 waits for its B; keys 1 and 3 are gone.
    assert_eq!(harness.state_entries(), 1);
}

#[test]
fn within_ends_a_run_and_its_state() {
    let mut spec = falls_and_rises();
    spec.within = Some(10);
    let mut harness = harness(spec);
    harness.push(0, input().frame("+I 1 9 0\n+I 1 5 1\n+I 1 8 10\n+I 2 9 0\n+I 2 5 1\n+I 2 8 9"));
    harness.watermark(11);
    assert_eq!(rows(&harness.take()), "+I 2 9 5 8 3 @9");
    harness.watermark(30);
    assert_eq!(harness.state_entries(), 0);
}

#[test]
fn an_aggregate_covers_the_row_under_test() {
    // A+ while the average of A stays below 10, then B.
    let average = Reference {
        variable: Some(0),
        pick: Pick::Aggregate(AggregateFunction::Avg),
        column: 1,
        data_type: DataType::Int64,
    };
    let references = vec![average, price(0, Pick::First(0)), price(1, Pick::Last(0)), price(0, Pick::First(7))];
    let below: Option<Arc<dyn Expression>> = Some(Arc::new(Over::Below(0, 10.0, [0])));
    let pattern = vec![repeat(0, 1, true), Pattern::Variable(1)];
    let spec = spec(pattern, vec![below, None], references, &[0, 1, 2, 3], AfterMatch::PastLastRow);
    let mut harness = harness(spec);
    harness.push(0, input().frame("+I 1 4 1\n+I 1 12 2\n+I 1 20 3\n+I 1 3 4\n+I 1 50 5"));
    harness.finish();
    assert_eq!(rows(&harness.take()), "+I 1 8 4 20 null @3\n+I 1 3 3 50 null @5");
}

#[test]
fn rows_that_change_are_refused() {
    let error = harness(falls_and_rises()).try_push(0, input().frame("-D 1 7 4")).unwrap_err().to_string();
    assert!(error.contains("MATCH_RECOGNIZE"), "{error}");
}

/// A sequential answer for [`falls_and_rises`] over one key's prices.
fn model(prices: &[i64]) -> Vec<String> {
    let (mut found, mut at) = (vec![], 0);
    while at < prices.len() {
        let mut end = at + 1;
        while end < prices.len() && prices[end] < prices[end - 1] {
            end += 1;
        }
        if end > at + 1 && end < prices.len() && prices[end] > prices[end - 1] {
            found.push(format!("{} {} {} {}", prices[at], prices[end - 1], prices[end], end + 1 - at));
            at = end + 1;
        } else {
            at += 1;
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn restores_and_cuts_change_nothing(
        all in prop::collection::vec((0..3_i64, 0..9_i64), 1..60),
        cut in 1..9_usize,
        restores in prop::collection::vec((0..16_usize, 1..3_u16), 0..3),
    ) {
        let (mut steps, mut time) = (vec![], 0);
        let mut prices = BTreeMap::<i64, Vec<i64>>::new();
        for rows in all.chunks(cut) {
            let line = |(at, (key, price)): (usize, &(i64, i64))| format!("+I {key} {price} {}", time + at as i64);
            // Within a frame the last come first: the operator puts them in order.
            let lines: Vec<String> = rows.iter().enumerate().map(line).rev().collect();
            steps.push(Step::Push(0, input().frame(&lines.join("\n"))));
            time += rows.len() as i64;
            steps.push(Step::Watermark(time - 1));
            for (key, price) in rows {
                prices.entry(*key).or_default().push(*price);
            }
        }
        for (at, parallelism) in restores {
            steps.insert(at.min(steps.len()), Step::Restore(parallelism));
        }
        let mut folded = Fold::new();
        run_with_restores(harness(falls_and_rises()), &steps, |_, out| fold(&mut folded, out));
        let mut expected = Fold::new();
        for (key, prices) in &prices {
            for found in model(prices) {
                *expected.entry(format!("{key} {found}")).or_default() += 1;
            }
        }
        prop_assert_eq!(folded, expected);
    }
}

#[test]
fn in_processing_time_rows_are_matched_as_they_come() {
    let mut spec = falls_and_rises();
    spec.order = OrderTime::ProcTime;
    let mut harness = harness(spec);
    harness.processing_time(5);
    harness.push(0, input().frame("+I 1 9 100\n+I 1 5 1"));
    harness.processing_time(4);
    harness.push(0, input().frame("+I 1 8 50"));
    assert_eq!(rows(&harness.take()), "+I 1 9 5 8 3 @5");
}
