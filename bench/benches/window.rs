//! Window counts over row frames in memory, one core, by the operators alone: no exchange, no checkpoints.
//!
//! Sliding: 10 s by 2 s over 10,000 keys, a million records a second of event time; the goal is 40 M records/s. Tumbling beside it, and
//! both with records out of order by up to a second. A record is a key and an amount, both `u64`; hashes come with the frames, as the
//! exchange sends them, or are made by the operator.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use yeoul_bench::driven::{drive, last_operator};
use yeoul_frame::{FRAME_ROWS, Frame, KeyHash, Pool, RowBuilder, RowKind, Timestamp};
use yeoul_operator::{InputId, Operator};
use yeoul_state::Key;
use yeoul_stream::{
    Count, DataStream, KeyedStream, SlidingEventTimeWindows, StreamEnvironment, TumblingEventTimeWindows,
    WatermarkStrategy,
};

type Row = (u64, u64);

const RECORDS: usize = 12_000_000;
const PER_SECOND: i64 = 1_000_000;

#[derive(Clone, Copy)]
enum Order {
    InOrder,
    /// Event times fall behind by up to this many milliseconds.
    Shuffled(i64),
}

/// Frames of keys at random out of `keys`, with event times that go on from frame to frame.
fn frames(keys: u64, order: Order, hashed: bool) -> Vec<(InputId, Frame)> {
    let pool = Pool::keeping(0);
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let mut rows = RowBuilder::<Row>::new(&pool, FRAME_ROWS);
    let mut frames = Vec::new();
    let mut at = 0_i64;
    while (at as usize) < RECORDS {
        for _ in 0..FRAME_ROWS {
            let late = match order {
                Order::InOrder => 0,
                Order::Shuffled(bound) => random() as i64 & (bound - 1),
            };
            let time = Timestamp(at * 1000 / PER_SECOND + 10_000 - late);
            rows.push(&(random() % keys, 1), time, RowKind::Insert).expect("a frame has room for its rows");
            at += 1;
        }
        let frame = rows.finish();
        let frame = if hashed {
            let hashes: Vec<KeyHash> = frame.rows::<Row>().iter().map(|(_, row)| row.0.to_native().hash()).collect();
            frame.with_hashes(hashes)
        } else {
            frame
        };
        frames.push((InputId(0), frame));
    }
    frames
}

fn operator(window: impl FnOnce(&KeyedStream<u64, Row>) -> DataStream<Row>) -> Box<dyn Operator> {
    let env = StreamEnvironment::new("bench");
    let rows = env.from_collection(Vec::<Row>::new(), WatermarkStrategy::no_watermarks());
    let _ = window(&rows.key_by(|row| row.0.to_native()));
    last_operator(&env)
}

/// The least that a sliding count can do with a record: find its pane of 2 s in an array by key, and add one.
fn bare_panes(frames: &[(InputId, Frame)]) -> u64 {
    const PANES: usize = 8;
    let mut panes = vec![0_u64; 10_000 * PANES];
    for (_, frame) in frames {
        let rows = frame.rows::<Row>();
        for (row, record) in rows.iter() {
            let pane = rows.time(row).0 as usize / 2_000 % PANES;
            panes[record.0.to_native() as usize * PANES + pane] += record.1.to_native();
        }
    }
    panes.iter().sum()
}

fn windows(c: &mut Criterion) {
    let sliding = |keyed: &KeyedStream<u64, Row>| {
        let windows = SlidingEventTimeWindows::of(Duration::from_secs(10), Duration::from_secs(2));
        keyed.window(windows).aggregate_with(Count::new(), |key, _, count, out| out.collect((*key, count)))
    };
    let tumbling = |keyed: &KeyedStream<u64, Row>| {
        let windows = TumblingEventTimeWindows::of(Duration::from_secs(10));
        keyed.window(windows).aggregate_with(Count::new(), |key, _, count, out| out.collect((*key, count)))
    };
    let mut group = c.benchmark_group("window");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements(RECORDS as u64));
    for (name, order, hashed) in [
        ("in order", Order::InOrder, true),
        ("in order, hashed here", Order::InOrder, false),
        ("up to 1 s late", Order::Shuffled(1024), true),
    ] {
        let frames = frames(10_000, order, hashed);
        if hashed {
            group.bench_function(format!("limit: a bare pane updated a record, {name}"), |b| {
                b.iter(|| bare_panes(&frames));
            });
        }
        let bound = if let Order::Shuffled(bound) = order { bound } else { 1 };
        group.bench_function(format!("sliding 10 s by 2 s, 10 k keys, {name}"), |b| {
            b.iter_custom(|n| (0..n).map(|_| drive(operator(sliding), &frames, bound).0).sum());
        });
        group.bench_function(format!("tumbling 10 s, 10 k keys, {name}"), |b| {
            b.iter_custom(|n| (0..n).map(|_| drive(operator(tumbling), &frames, bound).0).sum());
        });
    }
    group.finish();
}

criterion_group!(benches, windows);
criterion_main!(benches);
