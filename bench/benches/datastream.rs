//! The DataStream API's operators over row frames in memory, one core, without exchange and checkpoints; hourly tips also as whole jobs on
//! one shard, from a source that hands out frames to the one line of each hour.
//!
//! Tips of each driver and hour, by windows and by a process function with a map and timers (goal: 20 M fares/s in each form); an interval join of two
//! streams of a million keys (5 M records/s); an update of one entry of a map state of a million entries (20 M/s); a sliding window of 60 s
//! by 1 s beside a tumbling one of 60 s (1.5 times its time a record at most).

use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use yeoul::frame::{FRAME_ROWS, Frame, KeyHash, Pool, Record, RowBuilder, RowKind, Timestamp, hash_u64};
use yeoul::operator::{InputId, OpenContext, Operator, OperatorError};
use yeoul::prelude::*;
use yeoul::rkyv::Archived;
use yeoul::state::{ListHandle, MapHandle, States};
use yeoul_bench::driven::{drive, drive_after, last_operator};
use yeoul_bench::memory_source::Once;
use yeoul_bench::run::{config, time};
use yeoul_examples::training::hourly_tips::{self, HourlyTips};
use yeoul_examples::training::records::TaxiFare;

type Frames = Vec<(InputId, Frame)>;

/// Frames of `count` records made by their number, with event times that go on by one record in so many microseconds.
fn frames<T: Record>(
    count: u64,
    micros: i64,
    input: InputId,
    make: impl Fn(u64, Timestamp) -> T,
    key: impl Fn(&Archived<T>) -> u64,
) -> Frames {
    let pool = Pool::keeping(0);
    let mut rows = RowBuilder::<T>::new(&pool, FRAME_ROWS);
    let mut frames = Vec::new();
    let mut finish = |rows: &mut RowBuilder<T>| {
        let frame = rows.finish();
        let hashes: Vec<KeyHash> = frame.rows::<T>().iter().map(|(_, record)| key(record).hash()).collect();
        frames.push((input, frame.with_hashes(hashes)));
    };
    for number in 0..count {
        if rows.is_full() {
            finish(&mut rows);
        }
        let time = Timestamp(number as i64 * micros / 1000);
        rows.push(&make(number, time), time, RowKind::Insert).expect("a frame has room for its rows");
    }
    finish(&mut rows);
    frames
}

fn operator<T: Record + Clone, O: Record>(build: impl FnOnce(&DataStream<T>) -> DataStream<O>) -> Box<dyn Operator> {
    let env = StreamEnvironment::new("bench");
    let _ = build(&env.from_collection(Vec::<T>::new(), WatermarkStrategy::no_watermarks()));
    last_operator(&env)
}

fn fare(number: u64, start_time: Timestamp) -> TaxiFare {
    let driver_id = hash_u64(number).0 % 10_000;
    let tip = (number % 997) as u32;
    TaxiFare { ride_id: number, taxi_id: driver_id, driver_id, start_time, by_card: true, tip, tolls: 0, total: 1000 }
}

fn tips(c: &mut Criterion) {
    const FARES: u64 = 10_000_000;
    // A day of event time.
    let fares = frames(FARES, 8640, InputId(0), fare, |fare| fare.driver_id());
    let mut group = group(c, "hourly tips", FARES);
    group.bench_function("keyed windows", |b| {
        b.iter_custom(|n| (0..n).map(|_| drive(operator(hourly_tips::by_windows), &fares, 1).0).sum());
    });
    group.bench_function("a process function with timers", |b| {
        b.iter_custom(|n| (0..n).map(|_| drive(operator(|fares| hourly_tips::by_timers(fares).0), &fares, 1).0).sum());
    });
    // Whole jobs: hashes are made on the way, and the driver with the most tips of each hour is found over all windows. A watermark leaves the
    // source where event time has risen by the granularity: with 200 ms (the default) behind each 23 records, as these fares are 115 a second.
    let frames: Arc<[Frame]> = fares.into_iter().map(|(_, frame)| frame.without_hashes()).collect();
    let by_windows = hourly_tips::by_windows as fn(&DataStream<TaxiFare>) -> _;
    for (name, form) in [("keyed windows", by_windows), ("a process function", |fares| hourly_tips::by_timers(fares).0)]
    {
        for granularity in [Duration::from_millis(200), Duration::from_secs(10)] {
            let name = format!("a job: {name}, then window_all");
            group.bench_function(BenchmarkId::new(name, format!("watermarks {granularity:?}")), |b| {
                b.iter_custom(|n| (0..n).map(|_| most_of_each_hour(&frames, granularity, form)).sum());
            });
        }
    }
    group.finish();
}

/// Runs a job on one shard, from frames in memory to the line of each hour.
fn most_of_each_hour(
    frames: &Arc<[Frame]>,
    granularity: Duration,
    tips: impl Fn(&DataStream<TaxiFare>) -> DataStream<HourlyTips>,
) -> Duration {
    let env = StreamEnvironment::new("hourly tips");
    let strategy = WatermarkStrategy::for_monotonous_timestamps().with_granularity(granularity);
    let fares = env.from_source(Once::of(Arc::clone(frames)), strategy, "fares");
    let (sink, most) = collect();
    hourly_tips::most_of_each_hour(&tips(&fares)).sink_to(sink);
    let took = time(env.build().expect("the graph is sound"), config(1, None, None));
    assert_eq!(most.take().len(), 24);
    took
}

fn interval_join(c: &mut Criterion) {
    const RECORDS: u64 = 4_000_000;
    let make = |salt: u64| move |number: u64, _: Timestamp| (hash_u64(number ^ salt << 40).0 % 1_000_000, number);
    let key = |record: &Archived<(u64, u64)>| record.0.to_native();
    // Two thousand records a second of event time of each side, which are held for a minute: 120,000 of each.
    let left = frames(RECORDS / 2, 500, InputId(0), make(1), key);
    let right = frames(RECORDS / 2, 500, InputId(1), make(2), key);
    let both: Frames = left.into_iter().zip(right).flat_map(|(left, right)| [left, right]).collect();
    let mut group = group(c, "interval join", RECORDS);
    group.bench_function("1 M keys, a minute", |b| {
        b.iter_custom(|n| {
            let build = || {
                let env = StreamEnvironment::new("bench");
                let stream = || env.from_collection(Vec::<(u64, u64)>::new(), WatermarkStrategy::no_watermarks());
                let (left, right) = (stream().key_by(key), stream().key_by(key));
                let _ = left.interval_join(&right).between(-60_000, 60_000).apply(|left, right, out| {
                    out.collect((left.1, right.1));
                });
                last_operator(&env)
            };
            (0..n).map(|_| drive(build(), &both, 1).0).sum()
        });
    });
    group.finish();
}

/// Adds to one entry of its key's map. `AHEAD`: names the entry ahead.
#[derive(Clone, Default)]
struct Entries<const AHEAD: bool>(MapHandle<u64, u64>);

impl<const AHEAD: bool> KeyedProcessFunction for Entries<AHEAD> {
    type Key = u64;
    type In = (u64, u64);
    type Out = u64;

    fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.0 = states.map("entries");
        Ok(())
    }

    fn prefetch(&self, record: &Archived<(u64, u64)>, ahead: &mut Prefetch<'_, u64>) {
        if AHEAD {
            ahead.entry(&self.0, &record.1.to_native());
        }
    }

    fn process(
        &mut self,
        record: &Archived<(u64, u64)>,
        cx: &mut KeyedContext<'_, u64>,
        _: &mut Collector<u64>,
    ) -> Result<(), OperatorError> {
        *cx.state(&self.0).get_or_else(&record.1.to_native(), || 0) += 1;
        Ok(())
    }
}

fn map_state(c: &mut Criterion) {
    const ENTRIES: u64 = 1_000_000;
    const RECORDS: u64 = 8_000_000;
    let key = |record: &Archived<(u64, u64)>| record.0.to_native();
    fn build<const AHEAD: bool>() -> Box<dyn Operator> {
        operator(|records: &DataStream<(u64, u64)>| {
            records.key_by(|record| record.0.to_native()).process(Entries::<AHEAD>::default())
        })
    }
    for keys in [1_000u64, ENTRIES] {
        let entry = move |entry: u64| (entry % keys, entry / keys);
        let all = frames(ENTRIES, 1, InputId(0), move |number, _| entry(number), key);
        let records = frames(RECORDS, 1, InputId(0), move |number, _| entry(hash_u64(number).0 % ENTRIES), key);
        let mut group = group(c, "map state", RECORDS);
        for (name, build) in
            [("an entry updated", build::<false> as fn() -> _), ("an entry named ahead", build::<true>)]
        {
            group.bench_function(BenchmarkId::new(name, format!("1 M of {keys} keys")), |b| {
                b.iter_custom(|n| (0..n).map(|_| drive_after(build(), &all, &records, 1).0).sum());
            });
        }
        group.throughput(Throughput::Elements(ENTRIES));
        group.bench_function(BenchmarkId::new("an entry added", format!("1 M of {keys} keys")), |b| {
            b.iter_custom(|n| (0..n).map(|_| drive(build::<false>(), &all, 1).0).sum());
        });
        group.finish();
    }
}

/// Adds a number to its key's list.
#[derive(Clone, Default)]
struct Append(ListHandle<u64>);

impl KeyedProcessFunction for Append {
    type Key = u64;
    type In = (u64, u64);
    type Out = u64;

    fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.0 = states.list("numbers");
        Ok(())
    }

    fn process(
        &mut self,
        record: &Archived<(u64, u64)>,
        cx: &mut KeyedContext<'_, u64>,
        _: &mut Collector<u64>,
    ) -> Result<(), OperatorError> {
        cx.state(&self.0).add(record.1.to_native());
        Ok(())
    }
}

fn list_state(c: &mut Criterion) {
    const RECORDS: u64 = 4_000_000;
    let records = frames(
        RECORDS,
        1,
        InputId(0),
        |number, _| (hash_u64(number).0 % 1_000, number),
        |record: &Archived<(u64, u64)>| record.0.to_native(),
    );
    let mut group = group(c, "list state", RECORDS);
    group.bench_function("an element appended, 4 M of 1000 keys", |b| {
        let build = || {
            operator(|records: &DataStream<(u64, u64)>| {
                records.key_by(|record| record.0.to_native()).process(Append::default())
            })
        };
        b.iter_custom(|n| (0..n).map(|_| drive(build(), &records, 1).0).sum());
    });
    group.finish();
}

fn sliding(c: &mut Criterion) {
    const RECORDS: u64 = 12_000_000;
    // A hundred thousand records a second of event time, of a thousand keys.
    let key = |record: &Archived<(u64, u64)>| record.0.to_native();
    let records = frames(RECORDS, 10, InputId(0), |number, _| (hash_u64(number).0 % 1_000, 1u64), key);
    let mut group = group(c, "windows of 60 s", RECORDS);
    let minute = Duration::from_secs(60);
    let build = |assigner: WindowAssigner<(u64, u64)>| {
        operator(move |records: &DataStream<(u64, u64)>| {
            let windows = records.key_by(|record| record.0.to_native()).window(assigner);
            windows.aggregate_with(Count::new(), |key, _, count, out| out.collect((*key, count)))
        })
    };
    for (name, assigner) in [
        ("tumbling", WindowAssigner::from(TumblingEventTimeWindows::of(minute))),
        ("sliding by 1 s", SlidingEventTimeWindows::of(minute, Duration::from_secs(1)).into()),
    ] {
        group.bench_function(name, |b| {
            b.iter_custom(|n| (0..n).map(|_| drive(build(assigner.clone()), &records, 1).0).sum());
        });
    }
    group.finish();
}

fn group<'c>(
    c: &'c mut Criterion,
    name: &str,
    records: u64,
) -> criterion::BenchmarkGroup<'c, criterion::measurement::WallTime> {
    let mut group = c.benchmark_group(name);
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements(records));
    group
}

criterion_group!(benches, tips, interval_join, map_state, list_state, sliding);
criterion_main!(benches);
