//! `NEXMark` events into frames and out again: the same bytes.

use arrow_array::Array;
use std::io::Read;
use yeoul_formats::columns::{ColumnBuilder, ColumnEncoder, ColumnPlan, FrameEncoder, JsonOptions, Style, TextFormat};
use yeoul_formats::{CsvDecoder, CsvEncoder, CsvOptions, NdjsonDecoder, NdjsonEncoder, RecordDecoder, TextDecoder};
use yeoul_frame::{Cell, FRAME_ROWS, Frame, Pool, RowBuilder, Schema, Timestamp, record};

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

/// Three of the fields, by path.
#[record]
struct BidPrice {
    #[record(rename = "bid.price")]
    price: Option<i64>,
    #[record(rename = "bid.dateTime")]
    time: Option<Timestamp>,
    event_type: u8,
}

fn events() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/data/nexmark-20k.ndjson.gz");
    let packed = std::fs::read(path).expect("the sample is part of the repository");
    let mut events = Vec::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut events).expect("the sample is gzip");
    events
}

/// All of the input as frames, decoded in pieces as a source would read them.
fn frames<T: Schema>(
    decoder: &mut TextDecoder,
    input: &[u8],
    piece: usize,
    time: impl Fn(&[Cell<'_>]) -> Timestamp + Copy,
) -> Vec<Frame> {
    let mut rows = RowBuilder::<T>::new(&Pool::new(), FRAME_ROWS);
    let (mut frames, mut from, mut to) = (Vec::new(), 0, 0);
    while from < input.len() {
        to = input.len().min(to + piece);
        loop {
            let decoded = decoder.decode_into(&input[from..to], to == input.len(), &mut rows, time).unwrap();
            from += decoded.consumed;
            if !decoded.full {
                break;
            }
            frames.push(rows.finish());
        }
    }
    frames.push(rows.finish());
    frames
}

#[test]
fn through_frames_and_back() {
    let events = events();
    let mut decoder = TextDecoder::Ndjson(NdjsonDecoder::of::<Event>());
    let frames = frames::<Event>(&mut decoder, &events, 100_003, |_| Timestamp::MIN);
    assert_eq!(frames.iter().map(Frame::len).sum::<usize>(), 20_000);
    let (mut json, mut csv) = (NdjsonEncoder::of::<Event>(), CsvEncoder::of::<Event>());
    let (mut json_out, mut csv_out) = (Vec::new(), Vec::new());
    csv.header(&mut csv_out);
    for frame in &frames {
        for (_, event) in frame.rows::<Event>().iter() {
            json.encode::<Event>(event, &mut json_out).unwrap();
            csv.encode::<Event>(event, &mut csv_out);
        }
    }
    assert!(json_out == events, "the same bytes");

    let mut decoder = TextDecoder::Csv(CsvDecoder::of::<Event>(CsvOptions::default()));
    let again = self::frames::<Event>(&mut decoder, &csv_out, 70_001, |_| Timestamp::MIN);
    json_out.clear();
    for frame in &again {
        frame.rows::<Event>().iter().for_each(|(_, event)| json.encode::<Event>(event, &mut json_out).unwrap());
    }
    assert!(json_out == events, "the same bytes by way of CSV");
}

#[test]
fn a_few_fields_agree_with_all() {
    let events = events();
    let mut decoder = TextDecoder::Ndjson(NdjsonDecoder::of::<BidPrice>());
    let time = |cells: &[Cell<'_>]| match cells[1] {
        Cell::Timestamp(time) => time,
        _ => Timestamp::MIN,
    };
    let few = frames::<BidPrice>(&mut decoder, &events, events.len(), time);
    let mut oracle = serde_json::Deserializer::from_slice(&events).into_iter::<serde_json::Value>();
    for frame in &few {
        for (row, bid) in frame.rows::<BidPrice>().iter() {
            let event = oracle.next().unwrap().unwrap();
            assert_eq!(bid.price(), event["bid"]["price"].as_i64());
            assert_eq!(bid.time().map(|time| time.to_string()).as_deref(), event["bid"]["dateTime"].as_str());
            assert_eq!(u64::from(bid.event_type()), event["event_type"].as_u64().unwrap());
            assert_eq!(frame.times()[row as usize], bid.time().unwrap_or(Timestamp::MIN));
        }
    }
    assert!(oracle.next().is_none());
}

/// The benchmark's events as a table.
fn table() -> arrow_schema::Schema {
    use arrow_schema::{DataType, Field, Fields, TimeUnit};
    let fields = |text: &str| -> Fields {
        let field = |name: &str| {
            let data_type = match name {
                "dateTime" | "expires" => DataType::Timestamp(TimeUnit::Millisecond, None),
                "id" | "initialBid" | "reserve" | "seller" | "category" | "auction" | "bidder" | "price" => {
                    DataType::Int64
                }
                _ => DataType::Utf8View,
            };
            Field::new(name, data_type, true)
        };
        text.split(' ').map(field).collect()
    };
    let row = |name: &str, text: &str| Field::new(name, DataType::Struct(fields(text)), true);
    arrow_schema::Schema::new(vec![
        Field::new("event_type", DataType::Int32, true),
        row("person", "id name emailAddress creditCard city state dateTime extra"),
        row("auction", "id itemName description initialBid reserve dateTime expires seller category extra"),
        row("bid", "auction bidder price channel url dateTime extra"),
    ])
}

#[test]
fn columns_hold_what_stands_in_the_text() {
    let events = events();
    let format = TextFormat::Json(JsonOptions::default());
    let schema = table();
    let plan = std::sync::Arc::new(ColumnPlan::new(&schema, None, None).unwrap());
    let mut decoder = format.decoder(&plan).unwrap();
    let mut columns = ColumnBuilder::new(std::sync::Arc::clone(&plan), 777, false);
    let mut encoder = ColumnEncoder::new(std::sync::Arc::clone(plan.schema()), Style::Format(format.clone())).unwrap();
    let (mut at, mut out) = (0, Vec::new());
    loop {
        let decoded = decoder.decode(&events[at..], true, &mut columns).unwrap();
        at += decoded.consumed;
        let frame = columns.finish();
        frame.columns().unwrap().arrays().iter().for_each(|array| array.to_data().validate_full().unwrap());
        encoder.encode(&frame, 0, &mut out, usize::MAX).unwrap();
        if !decoded.full {
            break;
        }
    }
    // Written timestamps have no zeros at their end.
    fn normal(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) if text.len() == 23 && text.as_bytes()[19] == b'.' => {
                *text = text.trim_end_matches('0').trim_end_matches('.').to_owned();
            }
            serde_json::Value::Object(object) => object.values_mut().for_each(normal),
            _ => {}
        }
    }
    let values = |text: &[u8]| -> Vec<serde_json::Value> {
        let read = serde_json::Deserializer::from_slice(text).into_iter::<serde_json::Value>();
        let mut values: Vec<_> = read.map(Result::unwrap).collect();
        values.iter_mut().for_each(normal);
        values
    };
    let (found, expected) = (values(&out), values(&events));
    assert_eq!(found.len(), 20_000);
    assert!(found == expected, "the same values");
}

#[test]
fn what_the_schema_refuses_is_malformed() {
    #[record]
    struct Needs {
        id: i64,
    }
    let mut rows = RowBuilder::<Needs>::new(&Pool::new(), 8);
    let input = b"{\"id\":1}\n{\"id\":null}\n{\"id\":3}\n";
    let bad = NdjsonDecoder::of::<Needs>().decode_into(input, true, &mut rows, |_| Timestamp::MIN).unwrap_err();
    assert_eq!((bad.records, bad.bytes.clone()), (1, 9..21));
    assert!(bad.malformed.to_string().contains("field id: no value for a i64"), "{}", bad.malformed);
    let rest = &input[bad.bytes.end..];
    let decoded = NdjsonDecoder::of::<Needs>().decode_into(rest, true, &mut rows, |_| Timestamp::MIN).unwrap();
    assert_eq!((decoded.consumed, decoded.records, rows.len()), (9, 1, 2));
}
