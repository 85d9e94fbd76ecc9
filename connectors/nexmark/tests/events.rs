//! The events have the benchmark's proportions, references and texts, and are the same however a table asks for them.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, Int32Array, StructArray};
use arrow_schema::{DataType, Field, Schema};
use yeoul_formats::columns::{ColumnEncoder, FrameEncoder, JsonOptions, Style, TextFormat};
use yeoul_frame::Frame;
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

#[test]
fn proportions_ids_and_hot_keys_are_the_benchmarks() {
    const EVENTS: u64 = 200_000;
    let (mut kinds, mut hot_auctions, mut hot_bidders, mut hot_sellers) = ([0u64; 3], 0u64, 0u64, 0u64);
    let (mut next_person, mut next_auction, mut hot_channels, mut cheap) = (1000, 1000, 0u64, 0u64);
    for frame in frames(&nested(None), EVENTS) {
        let columns = frame.columns().unwrap();
        columns.arrays().iter().for_each(|array| array.to_data().validate_full().unwrap());
        let types: &Int32Array = columns.array(0).unwrap();
        let (person, auction, bid) = (row(&frame, 1), row(&frame, 2), row(&frame, 3));
        for at in 0..frame.len() {
            kinds[types.value(at) as usize] += 1;
            match types.value(at) {
                0 => {
                    assert_eq!(longs(person, "id").value(at), next_person);
                    next_person += 1;
                }
                1 => {
                    assert_eq!(longs(auction, "id").value(at), next_auction);
                    next_auction += 1;
                    let seller = longs(auction, "seller").value(at);
                    assert!((1000..next_person + 10).contains(&seller));
                    hot_sellers += u64::from(seller == (next_person - 1) / 100 * 100);
                    assert!((10..15).contains(&longs(auction, "category").value(at)));
                    assert!(longs(auction, "reserve").value(at) > longs(auction, "initialBid").value(at));
                    let times = |name| auction.column_by_name(name).unwrap().as_primitive::<TimestampMillisecondType>();
                    let length = times("expires").value(at) - times("dateTime").value(at);
                    assert!((1..=334).contains(&length), "{length}");
                }
                _ => {
                    let (to, by) = (longs(bid, "auction").value(at), longs(bid, "bidder").value(at));
                    assert!((next_auction - 1 - 100..=next_auction + 10).contains(&to), "{to}");
                    assert!((1000..next_person + 10).contains(&by));
                    hot_auctions += u64::from(to == (next_auction - 1) / 100 * 100);
                    hot_bidders += u64::from(by == (next_person - 1) / 100 * 100 + 1);
                    let price = longs(bid, "price").value(at);
                    assert!((100..=100_000_000).contains(&price));
                    cheap += u64::from(price < 100_000);
                    let text = |name| bid.column_by_name(name).unwrap().as_string_view().value(at);
                    let own = text("channel").starts_with("channel-");
                    hot_channels += u64::from(!own);
                    assert!(text("url").starts_with("https://www.nexmark.com/"), "{}", text("url"));
                    assert!(own || !text("url").contains("channel_id"));
                    assert!((54..=81).contains(&text("extra").len()), "{}", text("extra").len());
                    assert!(text("extra").bytes().all(|byte| (b'H'..=b'z').contains(&byte)));
                }
            }
            assert_eq!([person, auction, bid].iter().filter(|row| row.is_valid(at)).count(), 1);
        }
    }
    assert_eq!(kinds, [EVENTS / 50, EVENTS * 3 / 50, EVENTS * 46 / 50]);
    let near = |count: u64, of: u64, share: f64| {
        let found = count as f64 / of as f64;
        assert!((found - share).abs() < 0.02, "{found} and not {share}");
    };
    near(hot_auctions, kinds[2], 0.5 + 0.5 / 111.0);
    near(hot_bidders, kinds[2], 0.75);
    near(hot_sellers, kinds[1], 0.75);
    near(hot_channels, kinds[2], 0.5);
    near(cheap, kinds[2], 0.5);
}

#[test]
fn what_is_not_used_changes_nothing_of_what_is() {
    let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
    let used = [path("bid.price"), path("bid.extra"), path("auction.seller"), path("person.extra")];
    for (whole, pruned) in frames(&nested(None), 5000).iter().zip(frames(&nested(Some(&used)), 5000)) {
        assert_eq!(whole.times(), pruned.times());
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
}
