//! Columns filled from text: types, gaps, malformed records, and that they hold what rows hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::types::Int64Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array, Int32Array,
    Int64Array, ListArray, StringViewArray, StructArray, Time32MillisecondArray, TimestampMillisecondArray,
};
use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit};
use yeoul_formats::columns::{
    ColumnBuilder, ColumnEncoder, ColumnPlan, CsvTableOptions, FrameEncoder, JsonOptions, Style, TextFormat,
};
use yeoul_formats::options::Options;
use yeoul_formats::{BadRecord, Header};
use yeoul_frame::{ColumnBatch, Frame, Timestamp};

const MILLIS: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

/// Decodes all of the text in frames of `rows` rows; malformed records are put aside.
fn decode(format: &TextFormat, plan: &Arc<ColumnPlan>, rows: usize, text: &[u8]) -> (Vec<Frame>, Vec<BadRecord>) {
    let mut decoder = format.decoder(plan).unwrap();
    let mut columns = ColumnBuilder::new(Arc::clone(plan), rows, format.forgives());
    let (mut frames, mut bad, mut at) = (Vec::new(), Vec::new(), 0);
    while at < text.len() {
        match decoder.decode(&text[at..], true, &mut columns) {
            Ok(decoded) => {
                at += decoded.consumed;
                if decoded.full {
                    assert_eq!(columns.len(), rows);
                    frames.push(columns.finish());
                }
            }
            Err(error) => {
                at += error.bytes.end;
                bad.push(error);
            }
        }
    }
    frames.push(columns.finish());
    (frames, bad)
}

fn one_frame(format: &TextFormat, plan: ColumnPlan, text: &str) -> (Vec<ArrayRef>, Vec<BadRecord>) {
    let (frames, bad) = decode(format, &Arc::new(plan), 1024, text.as_bytes());
    let columns = frames[0].columns().unwrap();
    columns.arrays().iter().for_each(|array| array.to_data().validate_full().unwrap());
    (columns.arrays().to_vec(), bad)
}

fn json(options: JsonOptions) -> TextFormat {
    TextFormat::Json(options)
}

#[test]
fn every_type_is_read_from_json() {
    let table = Schema::new(vec![
        field("flag", DataType::Boolean),
        field("tiny", DataType::Int8),
        field("int", DataType::Int32),
        field("big", DataType::Int64),
        field("float", DataType::Float32),
        field("double", DataType::Float64),
        field("text", DataType::Utf8View),
        field("at", MILLIS),
        field("day", DataType::Date32),
        field("hour", DataType::Time32(TimeUnit::Millisecond)),
        field("price", DataType::Decimal128(10, 2)),
        field("tags", DataType::List(Arc::new(field("item", DataType::Utf8View)))),
        field("ids", DataType::List(Arc::new(field("item", DataType::Int64)))),
        field("plain", DataType::Utf8),
    ]);
    let text = r#"
{"flag": true, "tiny": -128, "int": 7, "big": 9007199254740993, "float": 0.1, "double": 1e300, "text": "short", "at": "2026-01-01 00:00:00.250", "day": "2026-01-02", "hour": "10:15:00.5", "price": 12.345, "tags": ["a", null, "long enough for a buffer"], "ids": [], "plain": "p"}
{"other": {"x": [1, {"y": 2}]}}
{"flag": null, "tags": null, "ids": [1, -2], "text": "esc\u00e9ped \"text\"", "at": "2026-01-01T00:00:01Z", "price": "-0.005"}
{"flag": "FALSE", "int": " 12 ", "double": "2.5", "text": {"a": [1, 2]}, "tags": [ ], "at": 5, "plain": 3.50}
"#;
    let (arrays, bad) = one_frame(&json(JsonOptions::default()), ColumnPlan::new(&table, None, None).unwrap(), text);
    assert_eq!(bad, []);
    let expected: Vec<ArrayRef> = vec![
        Arc::new(BooleanArray::from(vec![Some(true), None, None, Some(false)])),
        Arc::new(Int8Array::from(vec![Some(-128), None, None, None])),
        Arc::new(Int32Array::from(vec![Some(7), None, None, Some(12)])),
        Arc::new(Int64Array::from(vec![Some(9_007_199_254_740_993), None, None, None])),
        Arc::new(Float32Array::from(vec![Some(0.1), None, None, None])),
        Arc::new(Float64Array::from(vec![Some(1e300), None, None, Some(2.5)])),
        Arc::new(StringViewArray::from(vec![Some("short"), None, Some("escéped \"text\""), Some(r#"{"a": [1, 2]}"#)])),
        Arc::new(TimestampMillisecondArray::from(vec![
            Some(1_767_225_600_250),
            None,
            Some(1_767_225_601_000),
            Some(5),
        ])),
        Arc::new(Date32Array::from(vec![Some(20_455), None, None, None])),
        Arc::new(Time32MillisecondArray::from(vec![Some(36_900_500), None, None, None])),
        Arc::new(
            Decimal128Array::from(vec![Some(1235), None, Some(-1), None]).with_precision_and_scale(10, 2).unwrap(),
        ),
    ];
    for (array, expected) in arrays.iter().zip(&expected) {
        assert_eq!(array, expected);
    }
    let tags = arrays[11].as_any().downcast_ref::<ListArray>().unwrap();
    assert_eq!((tags.is_valid(0), tags.is_valid(1), tags.is_valid(2), tags.value(3).len()), (true, false, false, 0));
    let first: ArrayRef = Arc::new(StringViewArray::from(vec![Some("a"), None, Some("long enough for a buffer")]));
    assert_eq!(&tags.value(0), &first);
    let ids =
        ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![]), None, Some(vec![Some(1), Some(-2)]), None]);
    assert_eq!(arrays[12].as_ref(), &ids as &dyn Array);
    let plain: ArrayRef = Arc::new(arrow_array::StringArray::from(vec![Some("p"), None, None, Some("3.50")]));
    assert_eq!(&arrays[13], &plain);
}

fn nested() -> Schema {
    let person = Fields::from(vec![field("id", DataType::Int64), field("name", DataType::Utf8View)]);
    let bid = Fields::from(vec![
        Field::new("price", DataType::Int64, false),
        field("tags", DataType::List(Arc::new(Field::new("item", DataType::Int64, false)))),
        field("note", DataType::Utf8View),
    ]);
    Schema::new(vec![
        field("kind", DataType::Int32),
        field("person", DataType::Struct(person)),
        field("bid", DataType::Struct(bid)),
    ])
}

#[test]
fn rows_within_rows_are_null_or_have_null_fields() {
    let text = r#"{"kind": 0, "person": {"id": 1, "name": "Julie"}, "bid": null}
{"kind": 2, "person": null, "bid": {"price": 5, "tags": [1], "note": "x"}}
{"kind": 0, "person": {}}
{"kind": 0}
{"bid": {"note": "y", "price": 6}}
"#;
    let (arrays, bad) = one_frame(&json(JsonOptions::default()), ColumnPlan::new(&nested(), None, None).unwrap(), text);
    assert_eq!(bad, []);
    let person = arrays[1].as_any().downcast_ref::<StructArray>().unwrap();
    let there: Vec<bool> = (0..5).map(|row| person.is_valid(row)).collect();
    assert_eq!(there, [true, false, true, false, false]);
    let names: ArrayRef = Arc::new(StringViewArray::from(vec![Some("Julie"), None, None, None, None]));
    assert_eq!(person.column(1), &names);
    let bid = arrays[2].as_any().downcast_ref::<StructArray>().unwrap();
    assert_eq!((0..5).filter(|row| bid.is_valid(*row)).collect::<Vec<_>>(), [1, 4]);

    // Of a ROW, only what is used is read; the type stays.
    let used = vec![vec!["bid".to_owned(), "note".to_owned()]];
    let plan = ColumnPlan::new(&nested(), Some(&[2, 0]), Some(&used)).unwrap();
    let (pruned, _) = one_frame(&json(JsonOptions::default()), plan, text);
    let pruned_bid = pruned[0].as_any().downcast_ref::<StructArray>().unwrap();
    assert_eq!(pruned_bid.data_type(), bid.data_type());
    assert_eq!(pruned_bid.column(2), bid.column(2));
    assert_eq!((pruned_bid.nulls(), pruned_bid.column(0).null_count()), (bid.nulls(), 0));
    assert_eq!(pruned[1].null_count(), 5, "`kind` is wanted, but not used");
}

#[test]
fn a_malformed_record_leaves_nothing_behind() {
    let good = [
        r#"{"kind": 0, "person": {"id": 1, "name": "a name that is not short"}}"#,
        r#"{"bid": {"price": 5, "tags": [1, 2, 3]}}"#,
        r#"{"kind": 3}"#,
        r#"{"bid": {"price": 6, "tags": []}, "kind": 4}"#,
        r#"{"bid": {"price": 7, "tags": [9], "note": "n"}, "kind": 5}"#,
    ];
    let bad = [
        r#"{"kind": 1, "person": {"id": 2, "name": "another that is not short"}, "bid": {"price": 1, "tags": [4, 5"#,
        r#"{"kind": 1, "bid": {"price": 1, "tags": [7, 8], "note": "z"}, "person": {"id": "x"}}"#,
        r#"{"kind": 1, "bid": {"tags": [7, 8], "note": "without a price"}}"#,
        r#"{"kind": 1, "bid": {"price": 1, "tags": [7, null]}}"#,
        r#"{"kind": 1, "kind": 2}"#,
        r#"{"person": {"name": "x", "id": 1}, "bid": {"price": 99999999999999999999}}"#,
    ];
    let plan = Arc::new(ColumnPlan::new(&nested(), None, None).unwrap());
    let format = json(JsonOptions::default());
    let (expected, none) = decode(&format, &plan, 3, (good.join("\n")).as_bytes());
    assert_eq!(none, []);
    for (i, wrong) in bad.iter().enumerate() {
        for place in 0..=good.len() {
            let mut lines = good.to_vec();
            lines.insert(place, wrong);
            lines.insert(place, bad[(i + 1) % bad.len()]);
            let (frames, found) = decode(&format, &plan, 3, lines.join("\n").as_bytes());
            assert_eq!(found.len(), 2, "{wrong}");
            for (frame, expected) in frames.iter().zip(&expected) {
                assert_eq!(
                    frame.columns().unwrap().arrays(),
                    expected.columns().unwrap().arrays(),
                    "{wrong} at {place}"
                );
            }
            assert_eq!(frames.len(), expected.len());
        }
    }
    let (_, found) = decode(&format, &plan, 3, bad.join("\n").as_bytes());
    let reasons: Vec<String> = found.iter().map(|bad| bad.malformed.to_string()).collect();
    assert!(reasons[1].contains("field `person.id`: expected an integer"), "{}", reasons[1]);
    assert!(reasons[2].contains("`bid.price`, which is NOT NULL"), "{}", reasons[2]);
    assert!(reasons[3].contains("an element of a list is null"), "{}", reasons[3]);
}

#[test]
fn malformed_records_take_no_room_in_a_frame() {
    let table = Schema::new(vec![
        field("a", DataType::Utf8View),
        field("b", DataType::List(Arc::new(field("item", DataType::Utf8View)))),
        field("n", DataType::Int32),
    ]);
    let long = "x".repeat(1 << 20);
    let bad = format!("{{\"a\": \"{long}\", \"b\": [\"{long}\", \"y\"], \"n\": \"?\"}}\n");
    let good = "{\"a\": \"a text of some length\", \"b\": [\"z\"], \"n\": 1}\n";
    let text = [good.repeat(3), bad.repeat(40), good.repeat(2)].concat();
    let plan = ColumnPlan::new(&table, None, None).unwrap();
    let (frames, bad) = decode(&json(JsonOptions::default()), &Arc::new(plan), 1024, text.as_bytes());
    assert_eq!((frames.len(), frames[0].len(), bad.len()), (1, 5, 40));
    let columns = frames[0].columns().unwrap();
    let lists: &ListArray = columns.array(1).unwrap();
    let texts = [columns.array(0).unwrap(), lists.values().as_any().downcast_ref::<StringViewArray>().unwrap()];
    let bytes: usize = texts.iter().flat_map(|texts| texts.data_buffers()).map(|buffer| buffer.capacity()).sum();
    assert!(bytes < 200_000, "{bytes} bytes of five short records");
}

#[test]
fn flinks_json_options() {
    let lines =
        "{\"kind\": 1}\n{\"kind\": \"x\", \"person\": 5, \"bid\": {\"price\": 1, \"tags\": [1, \"?\"]}}\n{\"kind\": 2";
    let plan = || ColumnPlan::new(&nested(), None, None).unwrap();
    let forgiving = json(JsonOptions { ignore_parse_errors: true, ..JsonOptions::default() });
    let (arrays, bad) = one_frame(&forgiving, plan(), lines);
    assert_eq!(bad.len(), 1, "what is not JSON is malformed all the same");
    let kinds: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
    assert_eq!(&arrays[0], &kinds);
    let bid = arrays[2].as_any().downcast_ref::<StructArray>().unwrap();
    assert!(arrays[1].is_null(1) && bid.is_valid(1) && bid.column(1).is_null(1));
    // An element that does not fit is null, if it may be; if not, then its list is, wherever in it the element stands.
    let check = |nullable: bool, line: &str, expected: Option<Option<&str>>| {
        let lists = DataType::List(Arc::new(Field::new("item", DataType::Int32, nullable)));
        let table = Schema::new(vec![field("a", lists), field("end", DataType::Int32)]);
        let line = format!("{line}\n{{\"a\": [7, 8], \"end\": 9}}");
        let (arrays, bad) = one_frame(&forgiving, ColumnPlan::new(&table, None, None).unwrap(), &line);
        let lists = arrays[0].as_any().downcast_ref::<ListArray>().unwrap();
        assert_eq!((lists.len(), bad.len()), (1 + usize::from(expected.is_some()), usize::from(expected.is_none())));
        if let Some(expected) = expected {
            let list = lists.is_valid(0).then(|| {
                let values = lists.value(0);
                let values = values.as_any().downcast_ref::<Int32Array>().unwrap();
                let shown = values.iter().map(|value| value.map_or("null".to_owned(), |value| value.to_string()));
                shown.collect::<Vec<_>>().join(" ")
            });
            assert_eq!(list.as_deref(), expected, "{line}");
        }
        let last = lists.value(lists.len() - 1);
        assert_eq!(last.as_any().downcast_ref::<Int32Array>().unwrap().values(), &[7, 8], "{line}");
    };
    check(true, r#"{"a": [1, "x", 3]}"#, Some(Some("1 null 3")));
    check(true, r#"{"a": [{"b": [2]}, 5000000000, null, " 4 "], "end": 1}"#, Some(Some("null null null 4")));
    check(true, r#"{"a": [1, "x], "end": 1}"#, None);
    check(true, r#"{"a": [1, tru], "end": 1}"#, None);
    for line in [r#"{"a": [1, "x", 3]}"#, r#"{"a": [null, "x"]}"#, r#"{"a": ["x", null]}"#] {
        check(false, line, Some(None));
    }
    check(false, r#"{"a": [1, null]}"#, None);

    let strict = json(JsonOptions { fail_on_missing_field: true, ..JsonOptions::default() });
    let whole = r#"{"kind": null, "person": {"id": 1, "name": null}, "bid": null}"#;
    let inner = r#"{"kind": null, "person": {"id": 1}, "bid": null}"#;
    let outer = r#"{"person": null, "bid": null}"#;
    // Of what is projected every field has to be there, used or not; of the rest none, as in Flink.
    let check = |projection: &[usize], missing: &[Option<&str>]| {
        let plan = strict.plan(&nested(), Some(projection), Some(&[])).unwrap();
        let (arrays, bad) = one_frame(&strict, plan, &[whole, inner, outer, whole].join("\n"));
        assert!(arrays.iter().all(|array| array.len() == 4 - missing.len()), "{projection:?}");
        assert_eq!((arrays.len(), bad.len()), (projection.len(), missing.len()), "{projection:?}: {bad:?}");
        for (bad, field) in bad.iter().zip(missing) {
            let reason = bad.malformed.to_string();
            assert!(field.is_none_or(|field| reason.contains(&format!("field `{field}`"))), "{reason}");
        }
    };
    check(&[0], &[Some("kind")]);
    check(&[1], &[Some("person.name")]);
    check(&[2, 1, 0], &[Some("person.name"), Some("kind")]);
    check(&[2], &[]);
}

#[test]
fn csv_by_position_and_by_name() {
    let table = Schema::new(vec![
        field("carrier", DataType::Utf8View),
        field("delay", DataType::Int32),
        field("at", MILLIS),
        field("share", DataType::Decimal128(5, 3)),
        field("day", DataType::Date32),
    ]);
    let text = "UA,-4,2013-01-01 10:00:00,0.5,2013-01-01\n,,,,\n\"A\"\"A\",7,2013-01-01T10:00:00.125,1,2013-01-02\nNA,NA,NA,NA,NA\n";
    let csv = |options| TextFormat::Csv(options);
    let plan = |projection: &[usize]| ColumnPlan::new(&table, Some(projection), None).unwrap();
    let (arrays, bad) = one_frame(&csv(CsvTableOptions::default()), plan(&[1, 0]), text);
    let carriers: ArrayRef = Arc::new(StringViewArray::from(vec![Some("UA"), Some(""), Some("A\"A")]));
    let delays: ArrayRef = Arc::new(Int32Array::from(vec![Some(-4), None, Some(7)]));
    assert_eq!((&arrays[0], &arrays[1]), (&delays, &carriers), "nothing is empty text, as in Flink");
    assert_eq!(bad.len(), 1, "NA is no number");

    let with_null = CsvTableOptions { null_literal: Some("NA".to_owned()), ..CsvTableOptions::default() };
    let (arrays, bad) = one_frame(&csv(with_null), plan(&[0, 3, 4, 2]), text);
    assert_eq!(bad, []);
    let carriers: ArrayRef = Arc::new(StringViewArray::from(vec![Some("UA"), Some(""), Some("A\"A"), None]));
    assert_eq!(&arrays[0], &carriers);
    let shares = Decimal128Array::from(vec![Some(500), None, Some(1000), None]).with_precision_and_scale(5, 3).unwrap();
    assert_eq!(arrays[1].as_ref(), &shares as &dyn Array);
    let days: ArrayRef = Arc::new(Date32Array::from(vec![Some(15_706), None, Some(15_707), None]));
    assert_eq!(&arrays[2], &days);
    assert_eq!(arrays[3].as_any().downcast_ref::<TimestampMillisecondArray>().unwrap().value(2), 1_357_034_400_125);

    let named = CsvTableOptions { header: Header::Named, ..CsvTableOptions::default() };
    let text = "delay,x,carrier\n5,?,UA\n";
    let (arrays, _) = one_frame(&csv(named), plan(&[0, 1]), text);
    let delays: ArrayRef = Arc::new(Int32Array::from(vec![5]));
    assert_eq!((arrays[1].clone(), arrays[0].len()), (delays, 1));
    let skipped = CsvTableOptions { header: Header::Skipped, delimiter: b';', ..CsvTableOptions::default() };
    let (arrays, bad) = one_frame(&csv(skipped), plan(&[1]), "a;b;c;d;e\nUA;5;;;\nUA;5\n");
    let delays: ArrayRef = Arc::new(Int32Array::from(vec![5]));
    assert_eq!((arrays[0].clone(), bad.len()), (delays, 1));
}

#[test]
fn timestamps_have_the_digits_of_their_type() {
    let check = |unit: TimeUnit, text: &str, expected: Result<&str, &str>| {
        let table = Schema::new(vec![field("t", DataType::Timestamp(unit, None)), field("b", DataType::Utf8View)]);
        let plan = || ColumnPlan::new(&table, None, None).unwrap();
        let (csv, bad_csv) = one_frame(&TextFormat::Csv(CsvTableOptions::default()), plan(), &format!("{text},x\n"));
        let (json, bad) = one_frame(&json(JsonOptions::default()), plan(), &format!("{{\"t\": \"{text}\"}}\n"));
        assert_eq!(bad.len(), bad_csv.len());
        match (bad.first().map(|bad| bad.malformed.to_string()), expected) {
            (None, Ok(expected)) => assert_eq!((shown(&json[0]).as_str(), &csv[0]), (expected, &json[0])),
            (Some(found), Err(expected)) => assert!(found.contains(expected), "{text}: {found}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    };
    use TimeUnit::{Microsecond, Millisecond, Nanosecond};
    for (unit, expected) in [
        (Millisecond, "2026-01-01T10:15:00.123"),
        (Microsecond, "2026-01-01T10:15:00.123456"),
        (Nanosecond, "2026-01-01T10:15:00.123456789"),
    ] {
        check(unit, "2026-01-01 10:15:00.123456789", Ok(expected));
        check(unit, "2026-01-01 10:15:00.5", Ok("2026-01-01T10:15:00.500"));
        check(unit, "1969-12-31T23:59:59Z", Ok("1969-12-31T23:59:59"));
        check(unit, "2026-01-01 10", Err("timestamp"));
    }
    check(Nanosecond, "1969-12-31 23:59:59.9999995", Ok("1969-12-31T23:59:59.999999500"));
    check(Nanosecond, "1677-09-21 00:12:43.2", Ok("1677-09-21T00:12:43.200"));
    check(Nanosecond, "9999-12-31 00:00:00", Err("from 1677 to 2262"));
    check(Nanosecond, "2262-04-11 23:47:16.854775808", Err("from 1677 to 2262"));
    // A JSON number is milliseconds, whatever the type.
    let table = Schema::new(vec![field("t", DataType::Timestamp(Nanosecond, None))]);
    let lines = "{\"t\": -5}\n{\"t\": 9223372036854775807}\n{\"t\": 1.5}\n";
    let (arrays, bad) = one_frame(&json(JsonOptions::default()), ColumnPlan::new(&table, None, None).unwrap(), lines);
    assert_eq!((shown(&arrays[0]).as_str(), bad.len()), ("1969-12-31T23:59:59.995", 2));
}

#[test]
fn csv_numbers_may_stand_between_blanks_and_nulls_in_quotes() {
    let check = |data_type: DataType, null: Option<&str>, text: &str, expected: Result<&str, &str>| {
        let table = Schema::new(vec![field("a", data_type.clone()), field("b", DataType::Utf8View)]);
        let null_literal = null.map(str::to_owned);
        let format = TextFormat::Csv(CsvTableOptions { null_literal, ..CsvTableOptions::default() });
        let (arrays, bad) = one_frame(&format, ColumnPlan::new(&table, None, None).unwrap(), &format!("{text},x\n"));
        let found = match bad.first() {
            Some(bad) => Err(bad.malformed.to_string()),
            None => Ok(shown(&arrays[0])),
        };
        match (&found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{data_type} {text:?}"),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{data_type} {text:?}: {found}"),
            _ => panic!("{data_type} {text:?}: {found:?}"),
        }
    };
    for (text, expected) in [
        (" 5", Ok("5")),
        ("+5", Ok("5")),
        ("\t-5 ", Ok("-5")),
        ("\"5\"", Ok("5")),
        ("\" +5\"", Ok("5")),
        ("  ", Ok("null")),
        ("\"\"", Ok("null")),
        ("+", Err("an integer")),
        ("+-5", Err("an integer")),
        ("5 6", Err("an integer")),
        (" 99999999999999999999", Err("i64")),
        ("\"NULL\"", Err("an integer")),
    ] {
        check(DataType::Int64, None, text, expected);
    }
    for (text, expected) in [("\"NULL\"", Ok("null")), (" NULL ", Ok("null")), ("NUL", Err("an integer"))] {
        check(DataType::Int64, Some("NULL"), text, expected);
    }
    check(DataType::Int64, Some("0"), "\"0\"", Ok("0"));
    check(DataType::Boolean, None, " true", Ok("true"));
    check(DataType::Float64, None, " +2.5", Ok("2.5"));
    check(DataType::Decimal128(5, 2), None, " +.5 ", Ok("0.50"));
    check(MILLIS, None, "\"\"", Ok("null"));
    check(MILLIS, None, " 2026-01-01 00:00:00", Err("timestamp"));
    // Text is as it stands; in quotes it is no null.
    check(DataType::Utf8View, Some("NULL"), " a ", Ok(" a "));
    check(DataType::Utf8View, Some("NULL"), "\"NULL\"", Ok("NULL"));
}

/// The only value of an array, as text.
fn shown(array: &ArrayRef) -> String {
    let schema = Arc::new(Schema::new(vec![Field::new("v", array.data_type().clone(), true)]));
    let frame = ColumnBatch::of(Arc::clone(&schema), vec![Arc::clone(array)], vec![Timestamp(0)], vec![]).unwrap();
    let mut out = Vec::new();
    ColumnEncoder::new(schema, Style::Print).unwrap().encode(&frame, 0, &mut out, 1).unwrap();
    let text = String::from_utf8(out).unwrap();
    text.strip_prefix("+I[").and_then(|text| text.strip_suffix("]\n")).unwrap().to_owned()
}

#[test]
fn raw_lines_are_one_column() {
    let table = Schema::new(vec![field("line", DataType::Utf8View)]);
    let (arrays, bad) = one_frame(&TextFormat::Raw, ColumnPlan::new(&table, None, None).unwrap(), "a\n\nb c\r\nlast");
    let lines: ArrayRef = Arc::new(StringViewArray::from(vec!["a", "", "b c", "last"]));
    assert_eq!((arrays[0].clone(), bad), (lines, vec![]));
    let plan = Arc::new(ColumnPlan::new(&table, Some(&[]), None).unwrap());
    let (frames, _) = decode(&TextFormat::Raw, &plan, 2, b"a\nb\nc\n");
    assert_eq!(frames.iter().map(Frame::len).collect::<Vec<_>>(), [2, 1], "rows are counted without any column");
    let two = Schema::new(vec![field("a", DataType::Utf8View), field("b", DataType::Utf8View)]);
    let plan = Arc::new(ColumnPlan::new(&two, Some(&[0]), None).unwrap());
    assert!(TextFormat::Raw.decoder(&plan).unwrap_err().0.contains("one column"));
}

#[test]
fn formats_are_made_of_options() {
    let check = |name: &str, options: &[(&str, &str)]| {
        let given: BTreeMap<String, String> =
            options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut options = Options::new(&given);
        let format = TextFormat::from_options(name, &mut options).map_err(|error| error.to_string())?;
        options.finish("format").map_err(|error| error.to_string())?;
        Ok::<_, String>(format)
    };
    assert_eq!(check("jsn", &[]), Ok(None));
    assert_eq!(
        check("json", &[("json.ignore-parse-errors", "true")]),
        Ok(Some(json(JsonOptions { ignore_parse_errors: true, ..JsonOptions::default() })))
    );
    assert!(check("json", &[("json.ignore-parse-error", "true")]).unwrap_err().contains("did you mean"));
    assert!(check("csv", &[("csv.field-delimiter", "ab")]).unwrap_err().contains("one ASCII character"));
    assert!(check("csv", &[("csv.null-literal", "n,a")]).unwrap_err().contains("without the delimiter"));
    let delimiter = |text: &str| match check("csv", &[("csv.field-delimiter", text)]) {
        Ok(Some(TextFormat::Csv(options))) => Ok(options.delimiter),
        other => Err(other.unwrap_err()),
    };
    for (text, byte) in [(";", b';'), ("\t", b'\t'), ("\\t", b'\t'), ("\\u0001", 1), ("\\u007C", b'|'), ("\\\\", b'\\')]
    {
        assert_eq!(delimiter(text), Ok(byte), "{text:?}");
    }
    for text in ["", "\"", "\\u0022", "\\u000a", "\\u1", "\\u0101", "\\u+001", "\\x", "é", "\\é"] {
        assert!(delimiter(text).unwrap_err().contains("one ASCII character"), "{text:?}");
    }
    // Flink's own options that ask for what is done anyhow are taken, and the others refused with what is done.
    let defaults =
        [("csv.quote-character", "\""), ("csv.allow-comments", "false"), ("csv.array-element-delimiter", ";")];
    assert!(check("csv", &defaults).is_ok());
    let defaults = [("json.map-null-key.mode", "FAIL"), ("json.decode.json-parser.enabled", "true")];
    assert!(check("json", &defaults).is_ok());
    assert!(check("raw", &[("raw.endianness", "big-endian")]).is_ok());
    assert!(check("csv", &[("csv.quote-character", "'")]).unwrap_err().contains("by double quotes"));
    assert!(check("csv", &[("csv.allow-comments", "true")]).unwrap_err().contains("every line is a record"));
    let Ok(Some(TextFormat::Csv(options))) = check("csv", &[("csv.field-delimiter", "\\t"), ("csv.header", "names")])
    else {
        panic!("csv has these options");
    };
    assert_eq!((options.delimiter, options.header), (b'\t', Header::Named));
}

/// Whatever stands in the input: no panic, valid arrays, and as many rows as records were taken; with a small frame and with a
/// large one the same rows.
#[test]
fn garbled_input_gives_valid_columns() {
    let lines = [
        r#"{"kind": 0, "person": {"id": 1, "name": "a name that is \u00e9 not short"}, "bid": null}"#,
        r#"{"bid": {"price": 5, "tags": [1, 2, 3], "note": "n"}, "kind": 3}"#,
        r#"{"kind": "7", "bid": {"price": 6, "tags": [], "note": null}, "x": [{"y": [1.5e3, true]}]}"#,
    ];
    let mut random = yeoul_sys::Random::new(7);
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..4000 {
        let mut text: Vec<u8> = Vec::new();
        for _ in 0..random.below(6) + 1 {
            text.extend_from_slice(lines[random.below(3) as usize].as_bytes());
            text.push(b'\n');
        }
        for _ in 0..random.below(4) {
            let at = random.below(text.len().max(1) as u64) as usize;
            if text.is_empty() {
                break;
            }
            match random.below(3) {
                0 => text[at] = b"{}[]\",:\\ntu0e-.x\n\xff"[random.below(18) as usize],
                1 => _ = text.remove(at),
                _ => text.truncate(at.max(1)),
            }
        }
        for ignore_parse_errors in [false, true] {
            let format = json(JsonOptions { ignore_parse_errors, ..JsonOptions::default() });
            let plan = Arc::new(ColumnPlan::new(&nested(), None, None).unwrap());
            let (small, bad) = decode(&format, &plan, 1, &text);
            let (large, bad_again) = decode(&format, &plan, 1000, &text);
            assert_eq!(bad.len(), bad_again.len());
            let whole = large[0].columns().unwrap();
            whole.arrays().iter().for_each(|array| array.to_data().validate_full().unwrap());
            let rows = large[0].len();
            assert_eq!(small.iter().map(Frame::len).sum::<usize>(), rows);
            for (row, frame) in small.iter().filter(|frame| !frame.is_empty()).enumerate() {
                for (one, all) in frame.columns().unwrap().arrays().iter().zip(whole.arrays()) {
                    assert_eq!(one, &all.slice(row, 1));
                }
            }
            (taken, refused) = (taken + rows, refused + bad.len());
        }
    }
    assert!(taken > 10_000 && refused > 2000, "{taken} records taken, {refused} refused");
}
