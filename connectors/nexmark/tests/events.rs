//! The events have the benchmark's proportions, references and texts, and are the same however a table asks for them.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, Int32Array, StructArray};
use arrow_schema::{DataType, Field, Schema};
use yeoul_formats::columns::{ColumnBuilder, ColumnEncoder, ColumnPlan, FrameEncoder, JsonOptions, Style, TextFormat};
use yeoul_frame::{COLUMN_ROWS, Frame};
use yeoul_nexmark::model::Kind;
use yeoul_nexmark::{EventTable, Events, Settings, schema};

fn frames(table: &EventTable, events: u64) -> Vec<Frame> {
    (0..events.div_ceil(table.block()))
        .map(|block| table.frame(block * table.block(), events.min((block + 1) * table.block())))
        .collect()
}

fn nested(used: Option<&[Vec<String>]>) -> EventTable {
    EventTable::new(Settings::default(), Events::All, &schema(Events::All), None, used).unwrap()
}

fn row(frame: &Frame, column: usize) -> &StructArray {
    frame.columns().unwrap().arrays()[column].as_struct()
}

fn longs<'f>(row: &'f StructArray, name: &str) -> &'f arrow_array::PrimitiveArray<Int64Type> {
    row.column_by_name(name).unwrap().as_primitive()
}

/// The first events of the benchmark's own generator, with its default settings.
fn reference() -> Vec<Frame> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/data/nexmark-20k.ndjson.gz");
    let (packed, mut text) = (std::fs::read(path).unwrap(), Vec::new());
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut text).unwrap();
    let plan = Arc::new(ColumnPlan::new(&schema(Events::All), None, None).unwrap());
    let mut decoder = TextFormat::Json(JsonOptions::default()).decoder(&plan).unwrap();
    let (mut columns, mut frames, mut at) = (ColumnBuilder::new(plan, 1000, false), Vec::new(), 0);
    while at < text.len() {
        at += decoder.decode(&text[at..], true, &mut columns).unwrap().consumed;
        frames.push(columns.finish());
    }
    frames
}

/// What the reference fixes of each event, whatever the random numbers.
fn skeleton(frames: &[Frame]) -> Vec<[i64; 3]> {
    let of = |frame: &Frame, at: usize| {
        let kind = frame.columns().unwrap().array::<Int32Array>(0).unwrap().value(at);
        let row = row(frame, 1 + kind as usize);
        let time = row.column_by_name("dateTime").unwrap().as_primitive::<TimestampMillisecondType>().value(at);
        let id = if kind == 2 { 0 } else { longs(row, "id").value(at) };
        [i64::from(kind), id, time]
    };
    frames.iter().flat_map(|frame| (0..frame.len()).map(move |at| of(frame, at))).collect()
}

/// Shares and ranges of what is random, each with how far two runs may be apart.
fn profile(frames: &[Frame]) -> Vec<(&'static str, f64, f64)> {
    let mut found: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    let (mut person_id, mut auction_id) = (1000, 1000);
    for frame in frames {
        let types: &Int32Array = frame.columns().unwrap().array(0).unwrap();
        let (person, auction, bid) = (row(frame, 1), row(frame, 2), row(frame, 3));
        for at in 0..frame.len() {
            let mut note = |name, value: f64| found.entry(name).or_default().push(value);
            let flag = |is: bool| f64::from(u8::from(is));
            let text =
                |row: &StructArray, name| row.column_by_name(name).unwrap().as_string_view().value(at).to_owned();
            match types.value(at) {
                0 => {
                    person_id = longs(person, "id").value(at);
                    note("length of a person's extra", text(person, "extra").len() as f64);
                    note("length of an email", text(person, "emailAddress").len() as f64);
                }
                1 => {
                    auction_id = longs(auction, "id").value(at);
                    let seller = longs(auction, "seller").value(at);
                    note("hot sellers", flag(seller == person_id / 100 * 100));
                    note("sellers after the last person", (seller - person_id) as f64);
                    note("category", longs(auction, "category").value(at) as f64);
                    let times = |name| auction.column_by_name(name).unwrap().as_primitive::<TimestampMillisecondType>();
                    note("length of an auction", (times("expires").value(at) - times("dateTime").value(at)) as f64);
                    let first = longs(auction, "initialBid").value(at);
                    note("reserves above a million", flag(longs(auction, "reserve").value(at) - first > 1_000_000));
                    note("length of an auction's extra", text(auction, "extra").len() as f64);
                    note("length of an item's name", text(auction, "itemName").len() as f64);
                    note("length of a description", text(auction, "description").len() as f64);
                }
                _ => {
                    let (to, by) = (longs(bid, "auction").value(at), longs(bid, "bidder").value(at));
                    note("hot auctions", flag(to == auction_id / 100 * 100));
                    note("auctions after the last", (to - auction_id) as f64);
                    note("hot bidders", flag(by == person_id / 100 * 100 + 1001));
                    note("bidders after the last person", (by - person_id) as f64);
                    note("bids below 100000", flag(longs(bid, "price").value(at) < 100_000));
                    note("hot channels", flag(!text(bid, "channel").starts_with("channel-")));
                    note("length of a bid's extra", text(bid, "extra").len() as f64);
                }
            }
        }
    }
    let mut all = Vec::new();
    for (name, values) in found {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let spread = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
        // Five times how far the means of two such samples are apart.
        all.push((name, mean, 7.0 * (spread / values.len() as f64).sqrt() + 1e-9));
        let ends = [values.iter().copied().fold(f64::MAX, f64::min), values.iter().copied().fold(f64::MIN, f64::max)];
        ends.into_iter().for_each(|end| all.push((name, end, (ends[1] - ends[0]) / 10.0 + 1.0)));
    }
    all
}

#[test]
fn events_are_the_benchmarks_but_for_its_random_numbers() {
    let (reference, own) = (reference(), frames(&nested(None), 20_000));
    own.iter().flat_map(|frame| frame.columns().unwrap().arrays()).for_each(|a| a.to_data().validate_full().unwrap());
    assert!(skeleton(&own) == skeleton(&reference), "kinds, ids and times");
    for ((name, own, within), (_, expected, _)) in profile(&own).into_iter().zip(profile(&reference)) {
        assert!((own - expected).abs() <= within, "{name}: {own}, where the benchmark has {expected} (± {within})");
    }
}

#[test]
fn proportions_ids_and_hot_keys_are_the_benchmarks() {
    const EVENTS: u64 = 200_000;
    let own = frames(&nested(None), EVENTS);
    let kinds = skeleton(&own).iter().fold([0; 3], |mut kinds, [kind, ..]| {
        kinds[*kind as usize] += 1;
        kinds
    });
    assert_eq!(kinds, [EVENTS / 50, EVENTS * 3 / 50, EVENTS * 46 / 50]);
    let found = profile(&own);
    // By name: the mean, the least and the largest.
    let check = |name: &str, share: f64, least: f64, most: f64| {
        let found: Vec<f64> = found.iter().filter(|found| found.0 == name).map(|found| found.1).collect();
        assert!((found[0] - share).abs() < 0.02, "{name}: {} and not {share}", found[0]);
        assert_eq!((found[1], found[2]), (least, most), "{name}");
    };
    check("hot auctions", 0.5 + 0.5 / 111.0, 0.0, 1.0);
    check("hot bidders", 0.75, 0.0, 1.0);
    check("hot sellers", 0.75, 0.0, 1.0);
    check("hot channels", 0.5, 0.0, 1.0);
    check("bids below 100000", 0.5, 0.0, 1.0);
    let bidders = found.iter().filter(|found| found.0 == "bidders after the last person").map(|found| found.1);
    assert!(bidders.skip(1).eq([1.0, 1010.0]), "a bidder is one of a thousand persons, a thousand further on");
}

#[test]
fn a_frame_is_bounded_whatever_the_proportions() {
    let check = |kind: Kind, proportions: [u64; 3], sizes: [u64; 3]| {
        let settings = Settings { proportions, sizes, ..Settings::default() };
        settings.check().unwrap();
        let used = [vec!["extra".to_owned()]];
        let events = Events::Only(kind);
        let table = EventTable::new(settings, events, &schema(events), None, Some(&used)).unwrap();
        assert!(table.block() <= 1 << 16, "{proportions:?}");
        for block in 0..5 {
            let frame = table.frame(block * table.block() + 7, (block + 1) * table.block() + 7);
            let bytes = frame.len() as u64 * sizes[kind.number() as usize];
            assert!(frame.len() <= COLUMN_ROWS && (bytes <= 8 << 20 || frame.len() == 1), "{kind:?} {proportions:?}");
        }
    };
    for kind in [Kind::Person, Kind::Auction, Kind::Bid] {
        for proportions in [[1, 3, 46], [1, 30_000, 69_999], [500_000, 1, 0], [1, 1, 999_998], [1000, 1000, 1100]] {
            check(kind, proportions, [200, 500, 100]);
            check(kind, proportions, [1 << 20, 100_000, 30_000]);
        }
    }
}

#[test]
fn what_is_not_used_changes_nothing_of_what_is() {
    let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
    let used = [path("bid.price"), path("bid.extra"), path("auction.seller"), path("person.extra")];
    for (whole, pruned) in frames(&nested(None), 1000).iter().zip(frames(&nested(Some(&used)), 1000)) {
        assert!(whole.times() == pruned.times());
        for path in &used {
            let column = match path[0].as_str() {
                "person" => 1,
                "auction" => 2,
                _ => 3,
            };
            let field = |frame: &Frame| -> ArrayRef { row(frame, column).column_by_name(&path[1]).unwrap().clone() };
            assert_eq!(&field(whole), &field(&pruned), "{path:?}");
            assert_eq!(row(whole, column).nulls(), row(&pruned, column).nulls());
        }
        let bid = row(&pruned, 3);
        assert_eq!(bid.column_by_name("url").unwrap().null_count(), pruned.len());
        assert_eq!(bid.data_type(), row(whole, 3).data_type());
        assert_eq!(pruned.columns().unwrap().arrays()[0].null_count(), pruned.len(), "the type is not used");
    }
}

#[test]
fn a_table_of_one_kind_has_the_same_rows() {
    let lines = |table: &EventTable, column: Option<usize>| {
        let mut out = Vec::new();
        for frame in frames(table, 6000) {
            let style = Style::Format(TextFormat::Json(JsonOptions::default()));
            match column {
                None => {
                    let schema = frame.columns().unwrap().schema().clone();
                    ColumnEncoder::new(schema, style).unwrap().encode(&frame, 0, &mut out, usize::MAX).unwrap();
                }
                Some(column) => {
                    // The rows of one kind, as a frame of their own.
                    let row = row(&frame, column);
                    let schema = std::sync::Arc::new(Schema::new(row.fields().clone()));
                    let columns = yeoul_frame::Columns::new(schema.clone(), row.columns().to_vec()).unwrap();
                    let there: Vec<u32> = (0..frame.len() as u32).filter(|at| row.is_valid(*at as usize)).collect();
                    let frame = frame.with_columns(columns).select(yeoul_frame::Selection::rows(&there));
                    ColumnEncoder::new(schema, style).unwrap().encode(&frame, 0, &mut out, usize::MAX).unwrap();
                }
            }
        }
        String::from_utf8(out).unwrap()
    };
    for (kind, column) in [(Kind::Person, 1), (Kind::Auction, 2), (Kind::Bid, 3)] {
        let events = Events::Only(kind);
        let flat = EventTable::new(Settings::default(), events, &schema(events), None, None).unwrap();
        let found = lines(&flat, None);
        assert!(found.lines().count() >= 120);
        assert!(found == lines(&nested(None), Some(column)), "{kind:?}");
    }
}

#[test]
fn a_seed_gives_the_same_events_for_ever() {
    let table = nested(None);
    let mut out = Vec::new();
    let style = Style::Format(TextFormat::Json(JsonOptions::default()));
    let mut encoder = ColumnEncoder::new(table.schema().clone(), style).unwrap();
    encoder.encode(&table.frame(0, 5), 0, &mut out, usize::MAX).unwrap();
    let text = String::from_utf8(out).unwrap();
    let expected = include_str!("first.ndjson");
    assert_eq!(text, expected, "who changes the events changes every figure that was measured with them");
}

#[test]
fn columns_may_be_not_null_and_times_at_the_ends_of_time() {
    let inner: Vec<Field> =
        schema(Events::Only(Kind::Auction)).fields().iter().map(|f| f.as_ref().clone().with_nullable(false)).collect();
    let auction = Field::new("auction", DataType::Struct(inner.clone().into()), true);
    let all = Schema::new(vec![Field::new("event_type", DataType::Int32, false), auction]);
    for base_time in [i64::MIN, i64::MAX - 1, 0] {
        for used in [None, Some([vec!["event_type".to_owned()]])] {
            let settings = Settings { base_time, rate: 1, ..Settings::default() };
            let used = used.as_ref().map(|used| used.as_slice());
            let table = EventTable::new(settings.clone(), Events::All, &all, None, used).unwrap();
            assert_eq!(table.frame(0, 1000).len(), 1000);
            let events = Events::Only(Kind::Auction);
            let table = EventTable::new(settings, events, &Schema::new(inner.clone()), None, used).unwrap();
            assert_eq!(table.frame(0, 1000).len(), 60);
        }
    }
}

#[test]
fn columns_that_events_do_not_have_are_refused() {
    let check = |events, fields: Vec<Field>| {
        EventTable::new(Settings::default(), events, &Schema::new(fields), None, None).unwrap_err().to_string()
    };
    let error = check(Events::All, vec![Field::new("bids", DataType::Int64, true)]);
    assert!(error.contains("`bids`") && error.contains("event_type, person, auction, bid"), "{error}");
    let error = check(Events::All, vec![Field::new("bid", DataType::Int64, true)]);
    assert!(error.contains("has to be a ROW"), "{error}");
    let error = check(Events::Only(Kind::Bid), vec![Field::new("price", DataType::Int32, true)]);
    assert!(error.contains("has to be of type Int64"), "{error}");
    let inner = vec![Field::new("cost", DataType::Int64, true)];
    let error = check(Events::All, vec![Field::new("bid", DataType::Struct(inner.into()), true)]);
    assert!(error.contains("`bid.cost`") && error.contains("price"), "{error}");
    let inner = vec![Field::new("price", DataType::Int64, false)];
    let error = check(Events::All, vec![Field::new("bid", DataType::Struct(inner.into()), false)]);
    assert!(error.contains("`bid` is NOT NULL"), "{error}");
}
