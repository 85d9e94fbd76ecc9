//! Rows a second through single operators, on one thread: `cargo bench -p yeoul-relational --bench rates [-- name]`.
//!
//! Frames are made beforehand and of 4096 rows; what comes out is dropped. The figures are for comparing two versions of an operator on a
//! quiet machine; queries are measured in `bench/`.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, StringViewArray, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use yeoul_frame::{ColumnBatch, Frame, KeyGroups, OperatorId, Pool, RowKind, Timestamp};
use yeoul_operator::{Context, Counters, InputId, OpenContext, Operator, Progress, Services, Subtask, Waker};
use yeoul_relational::{
    AggregateCall, AggregateFunction, Deduplicate, GroupAggregate, JoinKind, OrderTime, Rank, RankStrategy,
    RegularJoin, SortKey, Uniqueness, Window, WindowAggregate, WindowProperty, WindowTime,
};
use yeoul_sys::{Clock, SystemClock};

const ROWS: usize = 4096;
const FRAMES: usize = 500;

fn schema(fields: &[(&str, DataType)]) -> SchemaRef {
    Arc::new(Schema::new(fields.iter().map(|(name, of)| Field::new(*name, of.clone(), false)).collect::<Vec<_>>()))
}

fn millis() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, None)
}

fn input() -> SchemaRef {
    schema(&[("k", DataType::Int64), ("v", DataType::Int64), ("s", DataType::Utf8View), ("ts", millis())])
}

/// Numbers that look random and are the same each time.
fn mixed(n: u64) -> u64 {
    let n = (n ^ (n >> 31)).wrapping_mul(0x7fb5_d329_728e_a185);
    (n ^ (n >> 27)).wrapping_mul(0x81da_def4_bc2d_d44d) >> 16
}

/// Rows of so many keys; event time rises by a millisecond each ten rows. With `pairs`, each row is taken back some rows later.
fn frames(keys: u64, pairs: bool) -> Vec<Frame> {
    let schema = input();
    let row = |n: u64| (mixed(n) % keys, mixed(n + 77) % 10_000);
    (0..FRAMES as u64)
        .map(|frame| {
            let numbers: Vec<u64> = (0..ROWS as u64).map(|at| frame * ROWS as u64 + at).collect();
            let source = |n: &u64| if pairs && n % 2 == 1 && *n > 20_001 { n - 20_001 } else { *n };
            let kind = |n: &u64| if pairs && n % 2 == 1 && *n > 20_001 { RowKind::Delete } else { RowKind::Insert };
            let of = |pick: &dyn Fn(u64) -> i64| -> Vec<i64> { numbers.iter().map(|n| pick(source(n))).collect() };
            let times = of(&|n| (n / 10) as i64);
            let arrays: Vec<ArrayRef> = vec![
                Arc::new(Int64Array::from(of(&|n| row(n).0 as i64))),
                Arc::new(Int64Array::from(of(&|n| row(n).1 as i64))),
                Arc::new(StringViewArray::from_iter_values(
                    numbers.iter().map(|n| format!("a text of channel {}", row(source(n)).1 % 100)),
                )),
                Arc::new(TimestampMillisecondArray::from(times.clone())),
            ];
            let kinds = if pairs { numbers.iter().map(kind).collect() } else { Vec::new() };
            ColumnBatch::of(schema.clone(), arrays, times.into_iter().map(Timestamp).collect(), kinds).expect("a frame")
        })
        .collect()
}

fn measure(name: &str, mut operator: Box<dyn Operator>, frames: &[(u8, Frame)], watermarks: bool) {
    if std::env::args().skip(1).any(|wanted| !wanted.starts_with('-') && !name.contains(&wanted)) {
        return;
    }
    let (pool, counters) = (Pool::new(), Arc::new(Counters::default()));
    let mut cx = OpenContext {
        operator: OperatorId::of("measured"),
        name,
        subtask: Subtask { index: 0, parallelism: 1 },
        key_groups: KeyGroups::DEFAULT,
        services: &Services::default(),
        pool: &pool,
        counters: counters.clone(),
        waker: Waker::default(),
    };
    operator.open(&mut cx).expect("it opens");
    let mut watermark = Timestamp::MIN;
    let (mut rows, mut out) = (0, 0);
    let start = SystemClock.monotonic_nanos();
    for (input, frame) in frames {
        let mut emitted = Vec::new();
        let mut cx = Context::new(&mut emitted, watermark, Timestamp(0), &pool, &counters);
        operator.process(InputId(*input), frame, &mut cx).expect("a frame is taken");
        out += emitted.iter().map(|(_, frame)| frame.len()).sum::<usize>();
        rows += frame.len();
        if watermarks {
            watermark = frame.times().last().copied().unwrap_or(watermark);
            loop {
                let mut emitted = Vec::new();
                let mut cx = Context::new(&mut emitted, watermark, Timestamp(0), &pool, &counters);
                let progress = operator.on_watermark(watermark, &mut cx).expect("a watermark is taken");
                out += emitted.iter().map(|(_, frame)| frame.len()).sum::<usize>();
                if progress == Progress::Done {
                    break;
                }
            }
        }
    }
    let taken = SystemClock.monotonic_nanos() - start;
    println!(
        "{name:<28} {:>7.2} M rows/s  {:>5.0} ns a row, {out} out",
        rows as f64 / (taken as f64 / 1e9) / 1e6,
        taken as f64 / rows as f64
    );
}

fn call(function: AggregateFunction, argument: Option<usize>) -> AggregateCall {
    AggregateCall::new(function, argument, DataType::Int64)
}

fn group(keys: &[usize], calls: Vec<AggregateCall>, retracting_input: bool) -> Box<dyn Operator> {
    let input = input();
    let mut fields: Vec<Field> = keys.iter().map(|&key| input.field(key).clone()).collect();
    fields.extend((0..calls.len()).map(|n| Field::new(format!("c{n}"), DataType::Int64, true)));
    let spec = GroupAggregate {
        keys: keys.to_vec(),
        calls,
        input_schema: input,
        retracting_input,
        update_before: true,
        ttl: None,
        schema: Arc::new(Schema::new(fields)),
    };
    Arc::new(spec).operator().expect("an operator")
}

fn windows(window: Window) -> Box<dyn Operator> {
    let calls = vec![call(AggregateFunction::CountStar, None), call(AggregateFunction::Max, Some(1))];
    let fields =
        [("k", DataType::Int64), ("n", DataType::Int64), ("m", DataType::Int64), ("s", millis()), ("e", millis())];
    let spec = WindowAggregate {
        window,
        time: WindowTime::RowTime,
        keys: vec![0],
        calls,
        properties: vec![WindowProperty::Start, WindowProperty::End],
        input_schema: input(),
        retracting_input: false,
        schema: schema(&fields),
    };
    Arc::new(spec).operator().expect("an operator")
}

fn join(kind: JoinKind, left_unique: Uniqueness) -> Box<dyn Operator> {
    let fields = |schema: SchemaRef| {
        schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>()
    };
    let spec = RegularJoin {
        kind,
        left_keys: vec![0],
        right_keys: vec![0],
        null_equals_null: false,
        null_aware: false,
        residual: None,
        left_schema: input(),
        right_schema: input(),
        left_unique,
        right_unique: Uniqueness::None,
        left_ttl: None,
        right_ttl: None,
        update_before: true,
        schema: Arc::new(Schema::new([fields(input()), fields(input())].concat())),
    };
    Arc::new(spec).operator().expect("an operator")
}

fn top(to: u64, rank_column: bool, strategy: RankStrategy) -> Box<dyn Operator> {
    let mut fields: Vec<Field> = input().fields().iter().map(|field| field.as_ref().clone()).collect();
    fields.extend(rank_column.then(|| Field::new("rank", DataType::Int64, false)));
    let spec = Rank {
        partition: vec![0],
        order: vec![SortKey::descending(1)],
        from: 1,
        to,
        rank_column,
        strategy,
        window_end: None,
        update_before: true,
        ttl: None,
        input_schema: input(),
        schema: Arc::new(Schema::new(fields)),
    };
    Arc::new(spec).operator().expect("an operator")
}

fn main() {
    let by = |input: u8, frames: Vec<Frame>| frames.into_iter().map(|frame| (input, frame)).collect::<Vec<_>>();
    let (few, many) = (by(0, frames(1_000, false)), by(0, frames(200_000, false)));
    let (few_pairs, many_pairs) = (by(0, frames(1_000, true)), by(0, frames(200_000, true)));
    let calls = || {
        vec![
            call(AggregateFunction::CountStar, None),
            call(AggregateFunction::Sum, Some(1)),
            call(AggregateFunction::Min, Some(1)),
            call(AggregateFunction::Max, Some(1)),
        ]
    };
    measure("group, 1000 keys", group(&[0], calls(), false), &few, false);
    measure("group, 200000 keys", group(&[0], calls(), false), &many, false);
    measure("group by text and number", group(&[2, 0], calls(), false), &few, false);
    measure("group, taken back", group(&[0], calls(), true), &many_pairs, false);
    measure(
        "count distinct",
        group(&[0], vec![call(AggregateFunction::Count, Some(1)).distinct()], false),
        &few,
        false,
    );
    measure("tumble", windows(Window::Tumble { size: 10_000, offset: 0 }), &many, true);
    measure("hop", windows(Window::Hop { size: 10_000, slide: 2_000, offset: 0 }), &many, true);
    measure("hop of 60", windows(Window::Hop { size: 60_000, slide: 1_000, offset: 0 }), &few, true);
    measure("top 1", top(1, false, RankStrategy::AppendOnly), &many, false);
    measure("top 10 with place", top(10, true, RankStrategy::AppendOnly), &few, false);
    measure("top 10, taken back", top(10, true, RankStrategy::Retract), &few_pairs, false);
    let last = Deduplicate {
        keys: vec![0],
        order: OrderTime::RowTime(3),
        keep_first: false,
        update_before: true,
        every_change: false,
        ttl: None,
        schema: input(),
    };
    measure("last row", Arc::new(last).operator().expect("an operator"), &many, false);
    // One left row for each ten right ones.
    let (left, right) = (frames(200_000, false), by(1, frames(200_000, false)));
    let both: Vec<(u8, Frame)> = left.into_iter().step_by(10).map(|frame| (0, frame)).chain(right).collect();
    measure("join, inner", join(JoinKind::Inner, Uniqueness::JoinKeyContainsUnique), &both, false);
    measure("join, left", join(JoinKind::Left, Uniqueness::JoinKeyContainsUnique), &both, false);
}
