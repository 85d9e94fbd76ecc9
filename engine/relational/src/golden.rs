//! What operators keep has the bytes that docs/format.md prints: each table's namespaces, keys and values, and operator states, as
//! they stand in the log.

#![cfg(test)]

mod page;

use std::sync::Arc;

use arrow_schema::{DataType, SchemaRef, TimeUnit};
use yeoul_frame::OperatorId;
use yeoul_operator::{Operator, OperatorError, Subtask};

use crate::testing::{Harness, Table, not_in, printed};
use crate::{
    AfterMatch, AggregateCall, AggregateFunction, ChangelogNormalize, ColumnValue, Expression, IntervalJoin, JoinKind,
    LocalAggregate, MatchRecognize, OrderTime, OverAggregate, OverCall, OverFrame, Pattern, Phases, Pick, Rank,
    RankStrategy, Reference, RegularJoin, SortKey, TemporalJoin, TemporalSort, Window, WindowAggregate, WindowAssign,
    WindowEndJoin, WindowJoin, WindowTime,
};

const SHORT: DataType = DataType::Int16;
const MILLIS: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);
/// The key of no columns: a byte string of one byte, in which no leaf is null.
const NO_COLUMNS: [u8; 5] = [1, 0, 0, 0, 0];

/// A key of one column that may be null: its word, and whether it is null.
fn short(key: Option<i16>) -> Vec<u8> {
    let word = i64::from(key.unwrap_or_default()).to_le_bytes();
    [&word[..], &[u8::from(key.is_none())]].concat()
}

/// A byte string.
fn sized(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_le_bytes()[..], bytes].concat()
}

/// A record of a table: its namespace, its key, and the name under which the page prints its value (empty: it has none).
type Expected<'a> = (i64, Vec<u8>, &'a str);

/// Holds a table in the log against the page, and the state that says up to when time has passed.
fn check(harness: &mut Harness, table: &str, expected: &[Expected<'_>], states: &[&str]) {
    let saved = harness.snapshot();
    let mut found = saved.puts(OperatorId::of("tested").table(table));
    found.sort();
    let value = |name: &str| if name.is_empty() { Vec::new() } else { printed(name) };
    let mut wanted: Vec<_> = expected.iter().map(|(at, key, name)| (*at, key.clone(), value(name))).collect();
    wanted.sort();
    assert_eq!(found, wanted, "{table}: {found:02x?}");
    let names: Vec<&str> = saved.states().iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, states, "beside {table}");
    // What was written is read.
    let again = harness.restored(Subtask { index: 0, parallelism: 1 }, &[&saved]).state_entries();
    assert_eq!(again, harness.state_entries(), "{table} comes back");
}

fn open<S: 'static>(
    spec: S,
    keys: &[&[usize]],
    operator: fn(Arc<S>) -> Result<Box<dyn Operator>, OperatorError>,
) -> Harness {
    let spec = Arc::new(spec);
    Harness::of(move || operator(Arc::clone(&spec)), keys)
}

/// The columns of both inputs of a join.
fn both(left: &Table, right: &Table) -> SchemaRef {
    let fields = left.schema().fields().iter().chain(right.schema().fields());
    Arc::new(arrow_schema::Schema::new(fields.cloned().collect::<Vec<_>>()))
}

#[test]
fn rows_of_window_joins_are_as_printed() {
    let rows = Table::new(&[("k", SHORT), ("end", MILLIS)]);
    let spec = WindowJoin {
        kind: JoinKind::Left,
        left_keys: vec![0, 1],
        right_keys: vec![0, 1],
        left_end: 1,
        right_end: 1,
        residual: None,
        left_schema: rows.schema().clone(),
        right_schema: rows.schema().clone(),
        schema: both(&rows, &rows),
    };
    let mut harness = open(spec, &[&[0, 1], &[0, 1]], WindowJoin::operator);
    harness.push(0, rows.frame("+I null 1000"));
    let row = [1, 0, 0, 0xe8, 3, 0, 0, 0, 0, 0, 0];
    check(&mut harness, "left", &[(1000, sized(&row), "window-join")], &["passed"]);
}

#[test]
fn rows_of_sessions_are_as_printed() {
    let rows = Table::new(&[("k", SHORT), ("t", MILLIS)]);
    let given = Table::new(&[("k", SHORT), ("t", MILLIS), ("start", MILLIS), ("end", MILLIS), ("time", MILLIS)]);
    let spec = WindowAssign {
        window: Window::Session { gap: 1000 },
        time: WindowTime::Column(1),
        keys: vec![0],
        input_schema: rows.schema().clone(),
        schema: given.schema().clone(),
    };
    let mut harness = open(spec, &[&[0]], WindowAssign::operator);
    harness.push(0, rows.frame("+I 1 1000"));
    let first_span = [&short(Some(1))[..], &1i64.to_le_bytes()].concat();
    check(&mut harness, "session rows", &[(0, first_span, "session-rows")], &["fired"]);
}

#[test]
fn rows_of_interval_joins_are_as_printed() {
    let rows = Table::new(&[("k", SHORT), ("t", MILLIS)]);
    let spec = IntervalJoin {
        kind: JoinKind::Left,
        left_keys: vec![0],
        right_keys: vec![0],
        left_time: 1,
        right_time: 1,
        lower: -1000,
        upper: 1001,
        residual: None,
        left_schema: rows.schema().clone(),
        right_schema: rows.schema().clone(),
        schema: both(&rows, &rows),
    };
    let mut harness = open(spec, &[&[0], &[0]], IntervalJoin::operator);
    harness.push(0, rows.frame("+I 1 -900\n+I 1 -100"));
    harness.push(1, rows.frame("+I 1 850"));
    // Half of 2,001 ms is a pane: both rows are before 0.
    check(&mut harness, "left", &[(-1, short(Some(1)), "interval-join")], &["passed"]);
}

#[test]
fn rows_and_ends_of_windows_are_as_printed() {
    let rows = Table::new(&[("k", SHORT), ("t", MILLIS)]);
    let spec = WindowEndJoin {
        ends: 1,
        left_keys: vec![0],
        right_keys: vec![0],
        left_time: 1,
        right_time: 1,
        lower: -1000,
        upper: 0,
        residual: None,
        left_schema: rows.schema().clone(),
        right_schema: rows.schema().clone(),
        schema: both(&rows, &rows),
    };
    let mut harness = open(spec, &[&[0], &[0]], WindowEndJoin::operator).broadcast(1);
    harness.push(0, rows.frame("+I 1 -900\n+I null -800\n+I 1 -600"));
    check(&mut harness, "rows", &[(-2, 1_u64.to_le_bytes().to_vec(), "rows")], &[]);
    harness.push(1, rows.frame("+I 1 1000 @999"));
    check(&mut harness, "ends", &[(0, 1000_i64.to_le_bytes().to_vec(), "ends")], &[]);
}

#[test]
fn what_not_in_keeps_is_as_printed() {
    let (left, right) = (Table::new(&[("k", SHORT), ("v", SHORT)]), Table::new(&[("k", SHORT)]));
    let spec = || not_in(&left, &right);
    let key = |key: Option<i16>| [&NO_COLUMNS[..], &short(key)].concat();
    let mut harness = open(spec(), &[&[], &[]], RegularJoin::operator);
    harness.push(0, left.frame("+I null 7 @1000"));
    check(&mut harness, "left", &[(0, key(None), "not-in-left")], &[]);
    assert_eq!(key(Some(5)), printed("not-in-key"));
    let mut harness = open(spec(), &[&[], &[]], RegularJoin::operator);
    harness.push(1, right.frame("+I 5\n+I null\n+I 5\n+I null"));
    check(&mut harness, "right", &[(0, key(None), "not-in-nulls"), (0, key(Some(5)), "not-in-right")], &[]);
}

#[test]
fn rows_of_temporal_joins_are_as_printed() {
    let rows = Table::new(&[("k", SHORT), ("t", MILLIS)]);
    let spec = TemporalJoin {
        kind: JoinKind::Left,
        left_keys: vec![0],
        right_keys: vec![0],
        left_time: 1,
        right_time: 1,
        right_primary_key: vec![0],
        residual: None,
        left_schema: rows.schema().clone(),
        right_schema: rows.schema().clone(),
        schema: both(&rows, &rows),
    };
    let mut harness = open(spec, &[&[0], &[0]], TemporalJoin::operator);
    harness.push(0, rows.frame("-U null 1000\n+U null 1000"));
    check(&mut harness, "pending", &[(3, short(None), "pending")], &["passed"]);
    harness.push(1, rows.frame("-D 1 700\n+I 1 500"));
    check(&mut harness, "versions", &[(0, short(Some(1)), "versions")], &["passed"]);
}

#[test]
fn rows_that_wait_to_be_sorted_are_of_the_key_of_no_columns() {
    let rows = Table::new(&[("k", SHORT), ("t", MILLIS)]);
    let spec = || TemporalSort { time: OrderTime::RowTime(1), order: vec![], schema: rows.schema().clone() };
    let mut harness = open(spec(), &[&[]], TemporalSort::operator);
    harness.push(0, rows.frame("+I 1 -1"));
    check(&mut harness, "pending", &[(-1, NO_COLUMNS.to_vec(), "sort-pending")], &["passed"]);
}

/// Windows of `k` over the times `t`, without calls.
fn windows(rows: &Table, window: Window) -> WindowAggregate {
    WindowAggregate {
        window,
        time: WindowTime::Column(1),
        keys: vec![0],
        calls: vec![],
        properties: vec![],
        input_schema: rows.schema().clone(),
        retracting_input: false,
        schema: Table::new(&[("k", SHORT)]).schema().clone(),
    }
}

#[test]
fn the_time_that_has_passed_is_as_printed() {
    fn check(name: &str, mut harness: Harness) {
        let mut saved = harness.snapshot();
        assert_eq!(saved.states(), [(name.to_owned(), i64::MIN.to_le_bytes().to_vec())], "none has passed");
        saved.states_mut()[0].1 = printed(name);
        let mut again = harness.restored(Subtask { index: 0, parallelism: 1 }, &[&saved]);
        // The groups of the instance that was at this time are ahead no more.
        again.watermark(-1);
        assert_eq!(again.snapshot().states(), [(name.to_owned(), printed(name))]);
    }
    let rows = Table::new(&[("k", SHORT), ("t", MILLIS)]);
    let sort = TemporalSort { time: OrderTime::RowTime(1), order: vec![], schema: rows.schema().clone() };
    check("passed", open(sort, &[&[]], TemporalSort::operator));
    for window in [Window::Tumble { size: 10, offset: 0 }, Window::Session { gap: 10 }] {
        let spec = windows(&rows, window);
        check("fired", open(spec, &[&[0]], WindowAggregate::operator));
    }
}

#[test]
fn which_windows_may_have_fired_behind_the_exchange_is_a_number() {
    let rows = Table::new(&[("k", SHORT), ("t", MILLIS)]);
    let spec = windows(&rows, Window::Tumble { size: 10, offset: 0 });
    let local = LocalAggregate::before_windows(&spec, Phases::Two).unwrap();
    let mut harness = open(local, &[], LocalAggregate::operator);
    harness.watermark(0x0102);
    let saved = harness.snapshot();
    assert_eq!(saved.states(), [("open-after".to_owned(), vec![2, 1, 0, 0, 0, 0, 0, 0])]);
    let mut again = harness.restored(Subtask { index: 0, parallelism: 1 }, &[&saved]);
    assert_eq!(again.snapshot().states(), saved.states());
}

fn over(time: Option<OrderTime>, order: SortKey, calls: Vec<OverCall>) -> (Table, OverAggregate) {
    let mut columns = vec![("k", SHORT), ("v", SHORT), ("t", MILLIS)];
    let rows = Table::new(&columns);
    columns.extend(calls.iter().map(|call| match call {
        OverCall::Aggregate(call) => ("a", call.result.clone()),
        _ => ("n", DataType::Int64),
    }));
    let spec = OverAggregate {
        partition: vec![0],
        order: vec![order],
        time,
        frame: OverFrame::UnboundedRows,
        calls,
        retracting_input: false,
        update_before: false,
        ttl: None,
        input_schema: rows.schema().clone(),
        schema: Table::new(&columns).schema().clone(),
    };
    (rows, spec)
}

#[test]
fn what_over_keeps_is_as_printed() {
    let call = |function, result| OverCall::Aggregate(AggregateCall::new(function, Some(1), result));
    let calls =
        || vec![call(AggregateFunction::Sum, DataType::Int64), call(AggregateFunction::Lag { offset: 1 }, SHORT)];
    for (table, value) in [("totals", "totals"), ("tails", "tails")] {
        let (rows, spec) = over(Some(OrderTime::RowTime(2)), SortKey::ascending(2), calls());
        let mut harness = open(spec, &[&[0]], OverAggregate::operator);
        harness.processing_time(5000);
        harness.push(0, rows.frame("+I 1 4 10\n+I 1 null 10\n+I 1 -6 20"));
        harness.watermark(20);
        check(&mut harness, table, &[(0, short(Some(1)), value)], &["passed"]);
    }
    let (rows, spec) = over(None, SortKey::ascending(1), vec![OverCall::RowNumber]);
    let mut harness = open(spec, &[&[0]], OverAggregate::operator);
    harness.processing_time(5000);
    harness.push(0, rows.frame("+I 1 7 10\n+I 1 null 10"));
    check(&mut harness, "ranked", &[(0, short(Some(1)), "over-ranked")], &[]);
}

#[test]
fn the_first_rows_of_windows_are_as_printed() {
    let rows = Table::new(&[("v", SHORT), ("end", MILLIS)]);
    let spec = Rank {
        partition: vec![1],
        order: vec![SortKey::descending(0)],
        from: 1,
        to: 2,
        rank_column: false,
        strategy: RankStrategy::AppendOnly,
        window_end: Some(1),
        update_before: false,
        ttl: None,
        input_schema: rows.schema().clone(),
        schema: rows.schema().clone(),
    };
    let mut harness = open(spec, &[&[1]], Rank::operator);
    harness.push(0, rows.frame("+I 4 1000\n+I 5 1000\n+I 3 1000"));
    check(&mut harness, "ranked", &[(1000, short(Some(1000)), "window-ranked")], &["passed"]);
}

#[test]
fn upserts_are_kept_as_printed() {
    let rows = Table::new(&[("k", SHORT), ("v", SHORT)]);
    let spec = ChangelogNormalize { keys: vec![0], update_before: true, ttl: None, schema: rows.schema().clone() };
    let mut harness = open(spec, &[&[0]], ChangelogNormalize::operator);
    harness.processing_time(5000);
    harness.push(0, rows.frame("+U 1 7"));
    check(&mut harness, "kept", &[(0, short(Some(1)), "normalized")], &[]);
}

/// A match begins with a row that says so, and ends with any row if its first row says so.
fn matches(rows: &Table) -> MatchRecognize {
    let conditions = Table::new(&[("A.a", DataType::Boolean), ("A.c", DataType::Boolean)]);
    let value = |index| Some(Arc::new(ColumnValue::new(conditions.schema(), index)) as Arc<dyn Expression>);
    let reference = |pick, column| Reference { variable: Some(0), pick, column, data_type: DataType::Boolean };
    let any = Pattern::Repeat { pattern: Box::new(Pattern::Variable(1)), least: 0, most: None, greedy: false };
    MatchRecognize {
        partition: vec![0],
        order: OrderTime::RowTime(3),
        pattern: Pattern::Sequence(vec![Pattern::Variable(0), any, Pattern::Variable(2)]),
        variables: vec![("A".into(), value(0)), ("B".into(), None), ("C".into(), value(1))],
        references: vec![reference(Pick::Last(0), 1), reference(Pick::First(0), 2)],
        measures: vec![],
        within: None,
        after: AfterMatch::PastLastRow,
        input_schema: rows.schema().clone(),
        schema: Table::new(&[("k", SHORT)]).schema().clone(),
    }
}

#[test]
fn partitions_of_match_recognize_are_as_printed() {
    let rows = Table::new(&[("k", SHORT), ("a", DataType::Boolean), ("c", DataType::Boolean), ("t", MILLIS)]);
    for (table, key, value) in
        [("partitions", vec![], "partition"), ("partition timers", [0_i64, 50].map(i64::to_le_bytes).concat(), "")]
    {
        let mut harness = open(matches(&rows), &[&[0]], MatchRecognize::operator);
        // The first row begins nothing; the match of the third and fourth waits for that which the second has begun.
        harness.push(0, rows.frame("+I 1 false false 10\n+I 1 true false 20\n+I 1 true true 30\n+I 1 false false 40"));
        harness.push(0, rows.frame("+I 1 false false 50"));
        harness.watermark(40);
        check(&mut harness, table, &[(0, [short(Some(1)), key].concat(), value)], &[]);
    }
}
