//! Grouped aggregates against a plain model after every frame, through snapshots, restores and other numbers of shards.

#![cfg(test)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::DataType;
use proptest::prelude::*;

use super::AggregateFunction as F;
use super::*;
use crate::testing::{Fold, Harness, Step, Table, fold, rows, run_with_restores};

fn input() -> Table {
    Table::new(&[
        ("k", DataType::Int64),
        ("v", DataType::Int32),
        ("s", DataType::Utf8View),
        ("f", DataType::Boolean),
        ("d", DataType::Decimal128(10, 2)),
        ("x", DataType::Float64),
    ])
}

fn spec(keys: &[usize], calls: Vec<AggregateCall>, retracting_input: bool) -> GroupAggregate {
    let input = input();
    let field =
        |column: usize| (input.schema().field(column).name().clone(), input.schema().field(column).data_type().clone());
    let mut columns: Vec<(String, DataType)> = keys.iter().map(|&key| field(key)).collect();
    columns.extend(calls.iter().enumerate().map(|(n, call)| (format!("c{n}"), call.result.clone())));
    let columns: Vec<(&str, DataType)> =
        columns.iter().map(|(name, data_type)| (name.as_str(), data_type.clone())).collect();
    GroupAggregate {
        keys: keys.to_vec(),
        calls,
        input_schema: input.schema().clone(),
        retracting_input,
        update_before: true,
        ttl: None,
        schema: Table::new(&columns).schema().clone(),
    }
}

fn harness(spec: GroupAggregate) -> Harness {
    let keys = spec.keys.clone();
    let spec = Arc::new(spec);
    Harness::of(move || spec.clone().operator(), &[&keys])
}

fn call(function: F, argument: usize, result: DataType) -> AggregateCall {
    AggregateCall::new(function, Some(argument), result)
}

#[test]
fn one_change_a_key_and_frame() {
    let calls = vec![AggregateCall::new(F::CountStar, None, DataType::Int64), call(F::Sum, 1, DataType::Int32)];
    let mut harness = harness(spec(&[0], calls, true));
    let input = input();
    harness.push(0, input.frame("+I 1 10 a true 0 0 @1\n+I 2 20 a true 0 0 @2\n+I 1 30 a true 0 0 @3"));
    assert_eq!(rows(&harness.take()), "+I 1 2 40 @1\n+I 2 1 20 @2");
    harness.push(0, input.frame("+I 1 null a true 0 0\n-D 2 20 a true 0 0\n+I null 5 a true 0 0"));
    assert_eq!(rows(&harness.take()), "-U 1 2 40 @0\n+U 1 3 40 @0\n-D 2 1 20 @0\n+I null 1 5 @0");
    harness.push(0, input.frame("-D 7 20 a true 0 0\n+I 8 1 a true 0 0\n-D 8 1 a true 0 0"));
    assert_eq!(rows(&harness.take()), "", "what was never there does not go");
    assert_eq!(harness.state_entries(), 2);
}

#[test]
fn keys_that_are_never_null_are_words_and_several_are_bytes() {
    let table = Table::new(&[("a", DataType::Int64), ("b", DataType::Utf8View)]).not_null();
    for (keys, expected) in [(&[0][..], "+I 1 2 @0\n+I 2 1 @0"), (&[1, 0], "+I x 1 2 @0\n+I y 2 1 @0")] {
        let calls = vec![AggregateCall::new(F::Count, Some(1), DataType::Int64)];
        let fields = keys.iter().map(|&key| table.schema().field(key).clone());
        let count = arrow_schema::Field::new("n", DataType::Int64, false);
        let spec = Arc::new(GroupAggregate {
            keys: keys.to_vec(),
            calls,
            input_schema: table.schema().clone(),
            retracting_input: true,
            update_before: true,
            ttl: None,
            schema: Arc::new(arrow_schema::Schema::new(fields.chain([count]).collect::<Vec<_>>())),
        });
        let mut harness = Harness::of(move || spec.clone().operator(), &[keys]);
        harness.push(0, table.frame("+I 1 x\n+I 2 y\n+I 1 x"));
        assert_eq!(rows(&harness.take()), expected);
        harness.push(0, table.frame("-D 1 x\n-D 1 x"));
        assert_eq!(rows(&harness.take()), expected.lines().next().unwrap().replace("+I", "-D"));
    }
}

#[test]
fn a_result_that_stays_is_not_given_again() {
    let mut harness = harness(spec(&[0], vec![call(F::Max, 1, DataType::Int32)], false));
    harness.push(0, input().frame("+I 1 10 a true 0 0"));
    harness.push(0, input().frame("+I 1 9 a true 0 0"));
    harness.push(0, input().frame("+I 1 11 a true 0 0"));
    assert_eq!(rows(&harness.take()), "+I 1 10 @0\n-U 1 10 @0\n+U 1 11 @0");
    assert!(harness.try_push(0, input().frame("-D 1 11 a true 0 0")).is_err(), "the plan said that it only grows");
}

#[test]
fn results_are_those_of_flink() {
    let decimal = DataType::Decimal128(38, 2);
    let calls = vec![
        call(F::Avg, 1, DataType::Int32),
        call(F::Sum, 4, decimal),
        call(F::Avg, 4, DataType::Decimal128(38, 6)),
        call(F::StddevPop, 5, DataType::Float64),
        call(F::VarSamp, 5, DataType::Float64),
        call(F::ListAgg { separator: "|".to_owned() }, 2, DataType::Utf8View),
        call(F::Min, 2, DataType::Utf8View),
        call(F::FirstValue, 1, DataType::Int32),
        call(F::LastValue, 4, DataType::Decimal128(10, 2)),
        call(F::Sum0, 1, DataType::Int32),
    ];
    let mut harness = harness(spec(&[], calls, false));
    harness.push(0, input().frame("+I 1 null null true null null"));
    assert_eq!(rows(&harness.take()), "+I null null null null null null null null null 0 @0");
    harness.push(0, input().frame("+I 1 -3 b true 100 2\n+I 1 2147483647 a true 100 4\n+I 1 4 c true 101 6"));
    // AVG of integers is truncated, SUM(INT) wraps around, AVG of decimals has six digits.
    let expected = "715827882 301 1003333 1.632993161855452 4 b|a|c a -3 101 -2147483648";
    assert!(rows(&harness.take()).ends_with(&format!("+U {expected} @0")));
}

#[test]
fn a_decimal_sum_past_38_digits_is_null() {
    let table = Table::new(&[("d", DataType::Decimal128(38, 0))]);
    let calls = vec![AggregateCall::new(F::Sum, Some(0), DataType::Decimal128(38, 0))];
    let spec = Arc::new(GroupAggregate {
        keys: vec![],
        calls,
        input_schema: table.schema().clone(),
        retracting_input: false,
        update_before: false,
        ttl: None,
        schema: table.schema().clone(),
    });
    let mut harness = Harness::of(move || spec.clone().operator(), &[&[]]);
    let most = "9".repeat(38);
    harness.push(0, table.frame(&format!("+I {most}")));
    harness.push(0, table.frame("+I 1"));
    assert_eq!(rows(&harness.take()), format!("+I {most} @0\n+U null @0"));
}

/// Aggregates of one column, all rows being one group; what comes out last.
fn of_column(data_type: DataType, calls: Vec<AggregateCall>, frames: &[&str]) -> String {
    let table = Table::new(&[("x", data_type)]);
    let names: Vec<String> = (0..calls.len()).map(|n| format!("c{n}")).collect();
    let columns: Vec<_> = names.iter().zip(&calls).map(|(name, call)| (name.as_str(), call.result.clone())).collect();
    let spec = Arc::new(GroupAggregate {
        keys: vec![],
        schema: Table::new(&columns).schema().clone(),
        calls,
        input_schema: table.schema().clone(),
        retracting_input: true,
        update_before: false,
        ttl: None,
    });
    let mut harness = Harness::of(move || spec.clone().operator(), &[&[]]);
    frames.iter().for_each(|frame| harness.push(0, table.frame(frame)));
    let out = rows(&harness.take());
    out.lines().last().unwrap_or_default().split_once(' ').map(|(_, row)| row.to_owned()).unwrap_or_default()
}

#[test]
fn a_decimal_sum_that_wraps_around_is_null_until_it_is_back() {
    let decimal = DataType::Decimal128(38, 0);
    let calls = || vec![call(F::Sum, 0, decimal.clone()), call(F::Avg, 0, DataType::Decimal128(38, 6))];
    let most = format!("9{}", "0".repeat(37));
    let (more, less) = (format!("+I {most}"), format!("-D {most}"));
    let check = |frames: &[&str], expected: &str| assert_eq!(of_column(decimal.clone(), calls(), frames), expected);
    check(&[&more, &more, &more], "null null @0");
    check(&[&[&more[..]; 3].join("\n")], "null null @0");
    check(&[&[&more[..], &more, &more, "+I 5"].join("\n"), &[&less[..]; 3].join("\n")], "5 5000000 @0");
    check(&[&[&more[..], &more, &more, "+I 5"].join("\n"), &less, &less, &less], "5 5000000 @0");
}

#[test]
fn an_average_of_decimals_is_null_only_if_it_does_not_fit_itself() {
    let averages = |scales: [i8; 2]| scales.map(|scale| call(F::Avg, 0, DataType::Decimal128(38, scale))).to_vec();
    let rows = vec![format!("+I 9{}", "0".repeat(30)); 100].join("\n");
    let expected = format!("9{0}000000 9{0}0 @0", "0".repeat(30));
    assert_eq!(of_column(DataType::Decimal128(38, 0), averages([6, 1]), &[&rows]), expected, "each at its own scale");
    assert_eq!(of_column(DataType::Decimal128(38, 0), averages([2, 6]), &["+I -1\n+I -1\n+I 0"]), "-67 -666667 @0");
    assert_eq!(of_column(DataType::Decimal128(38, 2), averages([0, 2]), &["+I 149\n+I 150"]), "1 150 @0");
    let float = Arc::new(spec(&[0], vec![call(F::Avg, 4, DataType::Float64)], false)).operator();
    assert!(float.err().unwrap().to_string().contains("is not defined over"));
}

#[test]
fn a_sum_of_floats_is_the_same_however_frames_are_cut() {
    let calls = || vec![call(F::Sum, 0, DataType::Float64)];
    let whole = of_column(DataType::Float64, calls(), &["+I 1e16\n+I 1.0\n+I 1.0"]);
    for frames in [&["+I 1e16", "+I 1.0\n+I 1.0"][..], &["+I 1e16", "+I 1.0", "+I 1.0"], &["+I 1e16\n+I 1.0", "+I 1.0"]]
    {
        assert_eq!(of_column(DataType::Float64, calls(), frames), whole);
    }
    assert_eq!(whole, "10000000000000000 @0");
}

#[test]
fn a_value_that_was_counted_is_not_written_again() {
    let distinct = || call(F::Count, 1, DataType::Int64).distinct();
    let mut harness = harness(spec(&[0], vec![distinct(), distinct().filter(3)], false));
    harness.push(0, input().frame("+I 1 10 a false 0 0\n+I 1 11 a true 0 0"));
    harness.snapshot();
    harness.push(0, input().frame("+I 1 10 a false 0 0\n+I 1 11 a true 0 0"));
    assert_eq!(harness.dirty_entries(), 1, "the group, which counts its rows");
    harness.push(0, input().frame("+I 1 10 a true 0 0"));
    assert_eq!(harness.dirty_entries(), 2, "a feed that had not counted it");
    assert_eq!(rows(&harness.take()), "+I 1 2 1 @0\n-U 1 2 1 @0\n+U 1 2 2 @0");
}

#[test]
fn a_group_dies_with_its_life() {
    let calls = vec![call(F::Count, 2, DataType::Int64).distinct(), call(F::Max, 1, DataType::Int32)];
    let spec = GroupAggregate { ttl: Some(Duration::from_millis(100)), ..spec(&[0], calls, false) };
    assert_eq!(spec.to_string(), "GroupAggregate(groupBy=[$0], select=[COUNT(DISTINCT $2), MAX($1)], ttl=[100 ms])");
    let mut harness = harness(spec);
    harness.push(0, input().frame("+I 1 10 a true 0 0"));
    harness.processing_time(50);
    harness.push(0, input().frame("+I 1 10 a true 0 0"));
    assert_eq!(rows(&harness.take()), "+I 1 1 10 @0\n-U 1 1 10 @0\n+U 1 1 10 @0");
    harness.processing_time(150);
    harness.push(0, input().frame("+I 1 3 a true 0 0"));
    assert_eq!(rows(&harness.take()), "+I 1 1 3 @0", "a new life");
}

#[test]
fn what_a_group_does_not_know_is_not_taken_back_however_frames_are_cut() {
    let calls = || {
        vec![
            AggregateCall::new(F::CountStar, None, DataType::Int64),
            call(F::Count, 1, DataType::Int64),
            call(F::Sum, 1, DataType::Int32),
            call(F::Min, 1, DataType::Int32),
            call(F::Count, 1, DataType::Int64).distinct(),
        ]
    };
    let check = |lines: &[&str], expected: &str| {
        for cut in 1..=lines.len() {
            let mut harness = harness(spec(&[0], calls(), true));
            let mut folded = Fold::new();
            for lines in lines.chunks(cut) {
                harness.push(0, input().frame(&lines.join("\n")));
                fold(&mut folded, &harness.take());
            }
            let expected: Fold = expected.lines().map(|row| (row.to_owned(), 1)).collect();
            assert_eq!(folded, expected, "{lines:?} by {cut}");
            if expected.is_empty() {
                assert_eq!(harness.state_entries(), 0);
            }
        }
    };
    check(&["-U 1 10 a true 0 0", "+U 1 11 a true 0 0"], "1 1 1 11 11 1");
    check(&["-U 1 10 a true 0 0", "+U 1 null a true 0 0", "+I 1 null a true 0 0"], "1 2 0 null null 0");
    check(&["-D 1 10 a true 0 0", "+I 1 10 a true 0 0"], "1 1 1 10 10 1");
    check(&["-D 1 10 a true 0 0"], "");
    check(&["+I 1 10 a true 0 0", "-D 1 10 a true 0 0", "-D 1 10 a true 0 0", "+I 1 12 a true 0 0"], "1 1 1 12 12 1");
}

#[test]
fn values_live_as_long_as_their_group() {
    let calls = [F::Min, F::Max, F::FirstValue, F::LastValue].map(|function| call(function, 1, DataType::Int32));
    let text = F::ListAgg { separator: ",".to_owned() };
    let calls = calls.into_iter().chain([call(text, 2, DataType::Utf8View)]).collect();
    let spec = GroupAggregate { ttl: Some(Duration::from_millis(100)), ..spec(&[0], calls, true) };
    let mut harness = harness(spec);
    harness.push(0, input().frame("+I 1 5 a true 0 0"));
    harness.processing_time(60);
    harness.push(0, input().frame("+I 1 7 b true 0 0"));
    harness.take();
    harness.processing_time(120);
    harness.push(0, input().frame("-D 1 7 b true 0 0"));
    assert_eq!(rows(&harness.take()), "-U 1 5 7 5 7 a,b @0\n+U 1 5 5 5 5 a @0");
    harness.processing_time(230);
    harness.push(0, input().frame("-D 1 5 a true 0 0\n+I 1 9 c true 0 0"));
    assert_eq!(rows(&harness.take()), "+I 1 9 9 9 9 c @0", "a new life");
    // However many values come at a time, what is over goes.
    for now in 3..12 {
        harness.processing_time(now * 100);
        let lines = (0..500).map(|n| format!("+I {} {n} a true 0 0", now * 1_000 + n));
        harness.push(0, input().frame(&lines.collect::<Vec<_>>().join("\n")));
        // For each group itself and five multisets.
        assert!(harness.state_entries() <= 6 * 1_500, "{} entries", harness.state_entries());
    }
}

#[test]
fn a_group_of_which_more_is_taken_back_than_was_there_has_no_value() {
    let calls = [F::Min, F::Max, F::FirstValue].map(|function| call(function, 1, DataType::Int32));
    let mut harness = harness(spec(&[0], calls.into(), true));
    harness.push(0, input().frame("+I 1 10 a true 0 0\n+I 1 null a true 0 0\n+I 1 null a true 0 0"));
    harness.push(0, input().frame("-D 1 10 a true 0 0\n-D 1 11 a true 0 0"));
    assert!(rows(&harness.take()).ends_with("+U 1 null null null @0"));
}

#[test]
fn what_is_not_defined_is_refused_by_name() {
    for (function, column, result) in [
        (F::Sum, 2, DataType::Utf8View),
        (F::Sum, 1, DataType::Float64),
        (F::ListAgg { separator: ",".to_owned() }, 1, DataType::Utf8View),
        (F::Count, 1, DataType::Int32),
        (F::Min, 1, DataType::Int64),
    ] {
        let error = Arc::new(spec(&[0], vec![call(function, column, result)], false)).operator().err().unwrap();
        assert!(error.to_string().contains("is not defined over"), "{error}");
    }
}

type Row = (Option<i64>, Option<i32>, Option<u8>, bool);

fn text((key, value, text, flag): &Row) -> String {
    let show = |value: Option<String>| value.unwrap_or_else(|| "null".to_owned());
    let text = text.map(|text| ((b'a' + text) as char).to_string().repeat(usize::from(text) * 7 + 1));
    let value = show(value.map(|value| value.to_string()));
    format!("{} {value} {} {flag} {value} {value}", show(key.map(|key| key.to_string())), show(text))
}

fn calls() -> Vec<AggregateCall> {
    vec![
        AggregateCall::new(F::CountStar, None, DataType::Int64),
        call(F::Count, 1, DataType::Int64).filter(3),
        call(F::Sum, 1, DataType::Int32),
        call(F::Avg, 1, DataType::Int32),
        call(F::Min, 1, DataType::Int32).filter(3),
        call(F::Max, 1, DataType::Int32),
        call(F::Count, 1, DataType::Int64).distinct(),
        call(F::Count, 2, DataType::Int64).distinct(),
        call(F::Sum, 1, DataType::Int32).distinct().filter(3),
        call(F::Max, 4, DataType::Decimal128(10, 2)),
        call(F::Sum, 5, DataType::Float64),
    ]
}

fn text_calls() -> Vec<AggregateCall> {
    vec![call(F::Min, 2, DataType::Utf8View), call(F::Max, 2, DataType::Utf8View).filter(3)]
}

/// The query over rows, the plain way.
fn model(table: &[Row], texts: bool) -> Fold {
    let mut groups: BTreeMap<Option<i64>, Vec<&Row>> = BTreeMap::new();
    table.iter().for_each(|row| groups.entry(row.0).or_default().push(row));
    let mut fold = Fold::new();
    for (key, rows) in groups {
        let show = |value: Option<String>| value.unwrap_or_else(|| "null".to_owned());
        let values: Vec<i32> = rows.iter().filter_map(|row| row.1).collect();
        let kept: Vec<i32> = rows.iter().filter(|row| row.3).filter_map(|row| row.1).collect();
        let distinct = |values: &[i32]| values.iter().copied().collect::<std::collections::BTreeSet<_>>();
        let words = |row: &&&Row| text(row).split(' ').nth(2).unwrap().to_owned();
        let all: Vec<String> = rows.iter().filter(|row| row.2.is_some()).map(|row| words(&row)).collect();
        let some: Vec<String> = rows.iter().filter(|row| row.3 && row.2.is_some()).map(|row| words(&row)).collect();
        let sum = |values: &[i32]| (!values.is_empty()).then(|| values.iter().sum::<i32>().to_string());
        let mut cells = vec![
            show(key.map(|key| key.to_string())),
            rows.len().to_string(),
            kept.len().to_string(),
            show(sum(&values)),
            show((!values.is_empty()).then(|| (values.iter().sum::<i32>() / values.len() as i32).to_string())),
            show(kept.iter().min().map(ToString::to_string)),
            show(values.iter().max().map(ToString::to_string)),
            distinct(&values).len().to_string(),
            all.iter().collect::<std::collections::BTreeSet<_>>().len().to_string(),
            show(sum(&distinct(&kept).into_iter().collect::<Vec<_>>())),
            show(values.iter().max().map(ToString::to_string)),
            show(sum(&values)),
        ];
        if texts {
            cells.push(show(all.iter().min().cloned()));
            cells.push(show(some.iter().max().cloned()));
        }
        *fold.entry(cells.join(" ")).or_default() += 1;
    }
    fold
}

#[derive(Debug, Clone)]
enum Event {
    Insert(Row),
    /// Takes one of the rows that are there.
    Delete(prop::sample::Index),
    Cut,
    Restore(u16),
}

fn event() -> impl Strategy<Value = Event> {
    let row = (
        prop::option::weighted(0.9, 0..4_i64),
        prop::option::weighted(0.8, -3..4_i32),
        prop::option::weighted(0.8, 0..3_u8),
        any::<bool>(),
    );
    prop_oneof![
        8 => row.prop_map(Event::Insert),
        5 => any::<prop::sample::Index>().prop_map(Event::Delete),
        3 => Just(Event::Cut),
        1 => (1..3_u16).prop_map(Event::Restore),
    ]
}

fn check(events: &[Event], keys: &[usize], retracting: bool, texts: bool) {
    let (mut steps, mut tables, mut table, mut lines) = (vec![], vec![], Vec::<Row>::new(), Vec::<String>::new());
    let input = input();
    for event in events.iter().chain([&Event::Cut]) {
        match event {
            Event::Insert(row) => {
                lines.push(format!("+I {}", text(row)));
                table.push(*row);
            }
            Event::Delete(index) if retracting && !table.is_empty() => {
                let row = table.remove(index.index(table.len()));
                lines.push(format!("-D {}", text(&row)));
            }
            Event::Delete(_) => {}
            Event::Cut | Event::Restore(_) => {
                steps.push(Step::Push(0, input.frame(&lines.join("\n"))));
                tables.push(table.clone());
                lines.clear();
                if let Event::Restore(parallelism) = event {
                    steps.push(Step::Restore(*parallelism));
                    tables.push(table.clone());
                }
            }
        }
    }
    let mut all = calls();
    if texts {
        all.extend(text_calls());
    }
    let mut folded = Fold::new();
    let mut ended = run_with_restores(harness(spec(keys, all, retracting)), &steps, |at, out| {
        fold(&mut folded, out);
        assert_eq!(folded, model(tables.get(at).unwrap_or(&table), texts), "after step {at}");
    });
    if retracting && table.is_empty() {
        let left: usize = ended.iter_mut().map(Harness::state_entries).sum();
        assert_eq!(left, 0, "no state is left of nothing");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_fold_is_the_query_at_every_frame(
        events in prop::collection::vec(event(), 1..60),
        retracting: bool,
        texts: bool,
    ) {
        check(&events, &[0], retracting, texts);
    }
}
