//! Events into columns: decoded from NDJSON, and made by the generator.
//!
//! The input of the decoder is the first 20,000 events of `NEXMark` (335 bytes a line), unpacked in memory, as for the bench
//! `ndjson`. A figure in elements a second is in events a second on one core.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::io::Read;
use std::sync::Arc;
use yeoul_formats::columns::{ColumnBuilder, ColumnEncoder, FrameEncoder, JsonOptions, Style, TextFormat};
use yeoul_frame::{FRAME_ROWS, Frame};
use yeoul_nexmark::{EventTable, Events, Settings, schema};

fn events() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/nexmark-20k.ndjson.gz");
    let packed = std::fs::read(path).expect("the sample is part of the repository");
    let mut events = Vec::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut events).expect("the sample is gzip");
    events
}

/// What the cases use: a name, and paths, none for all.
const CASES: [(&str, &[&str]); 4] = [
    ("two fields used", &["event_type", "bid.auction"]),
    ("two fields used, one a time", &["bid.auction", "bid.dateTime"]),
    ("all numbers of bids", &["event_type", "bid.auction", "bid.bidder", "bid.price", "bid.dateTime"]),
    ("all fields used", &[]),
];

fn paths(used: &[&str]) -> Option<Vec<Vec<String>>> {
    let paths = used.iter().map(|path| path.split('.').map(str::to_owned).collect());
    (!used.is_empty()).then(|| paths.collect())
}

fn ndjson(criterion: &mut Criterion) {
    let events = events();
    let count = memchr::memchr_iter(b'\n', &events).count();
    let mut group = criterion.benchmark_group("ndjson to columns");
    group.throughput(Throughput::Elements(count as u64));
    let format = TextFormat::Json(JsonOptions::default());
    for (name, used) in CASES {
        let plan = format.plan(&schema(Events::All), None, paths(used).as_deref()).expect("the sample's columns");
        let plan = Arc::new(plan);
        let mut decoder = format.decoder(&plan).expect("json carries all columns");
        let mut columns = ColumnBuilder::new(plan, FRAME_ROWS, false);
        group.bench_function(name, |bench| {
            bench.iter(|| {
                let (mut at, mut records) = (0, 0);
                loop {
                    let text = &black_box(&events)[at..];
                    let decoded = decoder.decode(text, true, &mut columns).expect("the sample is well-formed");
                    at += decoded.consumed;
                    records += decoded.records;
                    black_box(columns.finish());
                    if !decoded.full {
                        break;
                    }
                }
                assert_eq!(records, count);
            });
        });
    }
}

fn generator(criterion: &mut Criterion) {
    const BLOCKS: u64 = 20;
    let mut group = criterion.benchmark_group("nexmark generator");
    group.throughput(Throughput::Elements(BLOCKS * FRAME_ROWS as u64));
    for (name, used) in CASES {
        let table =
            EventTable::new(Settings::default(), Events::All, &schema(Events::All), None, paths(used).as_deref());
        let table = table.expect("the events' own columns");
        let mut from = 0;
        group.bench_function(name, |bench| {
            bench.iter(|| {
                for _ in 0..BLOCKS {
                    black_box(table.frame(from, from + table.block()));
                    from += table.block();
                }
            });
        });
    }
    let table = EventTable::new(Settings::default(), Events::All, &schema(Events::All), None, None);
    let table = table.expect("the events' own columns");
    let frames: Vec<Frame> =
        (0..BLOCKS).map(|block| table.frame(block * table.block(), (block + 1) * table.block())).collect();
    let style = Style::Format(TextFormat::Json(JsonOptions::default()));
    let mut encoder = ColumnEncoder::new(table.schema().clone(), style).expect("json carries all columns");
    let mut out = Vec::new();
    group.bench_function("encode all fields as NDJSON", |bench| {
        bench.iter(|| {
            out.clear();
            for frame in &frames {
                encoder.encode(frame, 0, &mut out, usize::MAX).expect("events have text");
            }
            black_box(&out);
        });
    });
}

criterion_group!(benches, ndjson, generator);
criterion_main!(benches);
