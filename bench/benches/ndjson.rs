//! NDJSON to records in frames, and its neighbours: how fast lines can be found at all, serde_json, the encoders, CSV.
//!
//! The input is the first 20,000 events of `NEXMark` (335 bytes a line), unpacked in memory. A figure in elements a second is
//! in lines a second on one core. `serde_json` reads into borrowed structs and builds no rows, so it does less.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde::Deserialize;
use std::borrow::Cow;
use std::hint::black_box;
use std::io::Read;
use yeoul_formats::{CsvDecoder, CsvEncoder, CsvOptions, NdjsonDecoder, NdjsonEncoder, RecordDecoder, no_time};
use yeoul_frame::{FRAME_ROWS, Frame, Pool, RowBuilder, Schema, Timestamp, record};

/// Two fields used.
#[record]
struct Two {
    event_type: i32,
    #[record(rename = "bid.auction")]
    auction: Option<i64>,
}

/// Two others, one of them a time.
#[record]
struct TwoWithTime {
    #[record(rename = "bid.auction")]
    auction: Option<i64>,
    #[record(rename = "bid.dateTime")]
    time: Option<Timestamp>,
}

/// All fields used.
#[record]
struct Event {
    event_type: i32,
    person: Option<Person>,
    auction: Option<Auction>,
    bid: Option<Bid>,
}

#[record]
struct Person {
    id: i64,
    name: String,
    #[record(rename = "emailAddress")]
    email_address: String,
    #[record(rename = "creditCard")]
    credit_card: String,
    city: String,
    state: String,
    #[record(rename = "dateTime")]
    date_time: Timestamp,
    extra: String,
}

#[record]
struct Auction {
    id: i64,
    #[record(rename = "itemName")]
    item_name: String,
    description: String,
    #[record(rename = "initialBid")]
    initial_bid: i64,
    reserve: i64,
    #[record(rename = "dateTime")]
    date_time: Timestamp,
    expires: Timestamp,
    seller: i64,
    category: i64,
    extra: String,
}

#[record]
struct Bid {
    auction: i64,
    bidder: i64,
    price: i64,
    channel: String,
    url: String,
    #[record(rename = "dateTime")]
    date_time: Timestamp,
    extra: String,
}

#[derive(Deserialize)]
struct SerdeTwo {
    #[allow(dead_code, reason = "read, as the record's field is")]
    event_type: i32,
    #[allow(dead_code, reason = "read, as the record's field is")]
    bid: Option<SerdeTwoBid>,
}

#[derive(Deserialize)]
struct SerdeTwoBid {
    #[allow(dead_code, reason = "read, as the record's field is")]
    auction: i64,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "read, as the record's fields are")]
struct SerdeEvent<'a> {
    event_type: i32,
    #[serde(borrow)]
    person: Option<SerdePerson<'a>>,
    #[serde(borrow)]
    auction: Option<SerdeAuction<'a>>,
    #[serde(borrow)]
    bid: Option<SerdeBid<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "read, as the record's fields are")]
struct SerdePerson<'a> {
    id: i64,
    name: &'a str,
    email_address: &'a str,
    credit_card: &'a str,
    city: &'a str,
    state: &'a str,
    date_time: &'a str,
    #[serde(borrow)]
    extra: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "read, as the record's fields are")]
struct SerdeAuction<'a> {
    id: i64,
    item_name: &'a str,
    description: &'a str,
    initial_bid: i64,
    reserve: i64,
    date_time: &'a str,
    expires: &'a str,
    seller: i64,
    category: i64,
    #[serde(borrow)]
    extra: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "read, as the record's fields are")]
struct SerdeBid<'a> {
    auction: i64,
    bidder: i64,
    price: i64,
    channel: &'a str,
    url: &'a str,
    date_time: &'a str,
    #[serde(borrow)]
    extra: Cow<'a, str>,
}

fn events() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/nexmark-20k.ndjson.gz");
    let packed = std::fs::read(path).expect("the sample is part of the repository");
    let mut events = Vec::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut events).expect("the sample is gzip");
    events
}

fn lines(events: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = events;
    std::iter::from_fn(move || {
        let end = memchr::memchr(b'\n', rest)?;
        let line = &rest[..end];
        rest = &rest[end + 1..];
        Some(line)
    })
}

/// Decodes all of the input into frames, each dropped as soon as it is full; the number of records.
fn into_frames<T: Schema>(decoder: &mut impl RecordDecoder, pool: &Pool, input: &[u8]) -> usize {
    let mut rows = RowBuilder::<T>::new(pool, FRAME_ROWS);
    let (mut at, mut records) = (0, 0);
    loop {
        let decoded = decoder.decode_into(&input[at..], true, &mut rows, no_time).expect("the sample is well-formed");
        at += decoded.consumed;
        records += decoded.records;
        let frame: Frame = rows.finish();
        black_box(frame);
        if !decoded.full {
            return records;
        }
    }
}

/// All records as frames, for the encoders.
fn frames<T: Schema>(input: &[u8]) -> Vec<Frame> {
    let (pool, mut decoder) = (Pool::new(), NdjsonDecoder::of::<T>());
    let mut rows = RowBuilder::<T>::new(&pool, FRAME_ROWS);
    let (mut frames, mut at) = (Vec::new(), 0);
    loop {
        let decoded = decoder.decode_into(&input[at..], true, &mut rows, no_time).expect("the sample is well-formed");
        at += decoded.consumed;
        frames.push(rows.finish());
        if !decoded.full {
            return frames;
        }
    }
}

fn decode<T: Schema>(criterion: &mut Criterion, name: &str, events: &[u8], count: usize) {
    let mut group = criterion.benchmark_group("ndjson");
    group.throughput(Throughput::Elements(count as u64));
    let (pool, mut decoder) = (Pool::new(), NdjsonDecoder::of::<T>());
    group.bench_function(name, |bench| {
        bench.iter(|| assert_eq!(into_frames::<T>(&mut decoder, &pool, black_box(events)), count));
    });
}

fn ndjson(criterion: &mut Criterion) {
    let events = events();
    let count = lines(&events).count();
    let mut group = criterion.benchmark_group("ndjson");
    group.throughput(Throughput::Elements(count as u64));
    group.bench_function("limit: split into lines", |bench| {
        bench.iter(|| assert_eq!(lines(black_box(&events)).count(), count));
    });
    group.bench_function("limit: copy", |bench| {
        let mut copy = Vec::with_capacity(events.len());
        bench.iter(|| {
            copy.clear();
            copy.extend_from_slice(black_box(&events));
        });
    });
    group.finish();
    decode::<Two>(criterion, "two fields used", &events, count);
    decode::<TwoWithTime>(criterion, "two fields used, one a time", &events, count);
    decode::<Event>(criterion, "all fields used", &events, count);

    let mut group = criterion.benchmark_group("ndjson");
    group.throughput(Throughput::Elements(count as u64));
    group.bench_function("serde_json, two fields used", |bench| {
        bench.iter(|| {
            for line in lines(black_box(&events)) {
                black_box(serde_json::from_slice::<SerdeTwo>(line).expect("the sample is well-formed"));
            }
        });
    });
    group.bench_function("serde_json, all fields used", |bench| {
        bench.iter(|| {
            for line in lines(black_box(&events)) {
                black_box(serde_json::from_slice::<SerdeEvent<'_>>(line).expect("the sample is well-formed"));
            }
        });
    });
    let frames = frames::<Event>(&events);
    group.bench_function("encode all fields", |bench| {
        let (mut encoder, mut out) = (NdjsonEncoder::of::<Event>(), Vec::new());
        bench.iter(|| {
            out.clear();
            for frame in &frames {
                for (_, event) in frame.rows::<Event>().iter() {
                    encoder.encode::<Event>(event, &mut out).expect("no floats");
                }
            }
            black_box(&out);
        });
    });
}

fn csv(criterion: &mut Criterion) {
    let frames = frames::<Event>(&events());
    let count = frames.iter().map(Frame::len).sum::<usize>();
    let mut encoder = CsvEncoder::of::<Event>();
    let mut encode = |out: &mut Vec<u8>| {
        out.clear();
        encoder.header(out);
        for frame in &frames {
            frame.rows::<Event>().iter().for_each(|(_, event)| encoder.encode::<Event>(event, out));
        }
    };
    let mut group = criterion.benchmark_group("csv");
    group.throughput(Throughput::Elements(count as u64));
    let mut input = Vec::new();
    group.bench_function("encode all fields", |bench| bench.iter(|| encode(&mut input)));
    encode(&mut input);
    let (pool, mut decoder) = (Pool::new(), CsvDecoder::of::<Event>(CsvOptions::default()));
    group.bench_function("decode all fields", |bench| {
        bench.iter(|| {
            decoder.begin_file();
            assert_eq!(into_frames::<Event>(&mut decoder, &pool, black_box(&input)), count);
        });
    });
}

criterion_group!(benches, ndjson, csv);
criterion_main!(benches);
