//! Columns written as text: each type in each style, selection and kinds, and that what is written is read back.

use std::sync::Arc;

use arrow_array::types::Int64Type;
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, ListArray,
    StringViewArray, StructArray, Time32MillisecondArray, TimestampMillisecondArray,
};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use yeoul_formats::Header;
use yeoul_formats::columns::{
    ColumnBuilder, ColumnEncoder, ColumnPlan, CsvTableOptions, FrameEncoder, JsonOptions, Style, TextFormat,
    TimestampForm,
};
use yeoul_frame::{ColumnBatch, Frame, RowKind, Selection, Timestamp};

fn frame(columns: Vec<(&str, ArrayRef)>, kinds: Vec<RowKind>) -> (SchemaRef, Frame) {
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays: Vec<ArrayRef> = columns.into_iter().map(|(_, array)| array).collect();
    let times = vec![Timestamp(0); arrays[0].len()];
    (Arc::clone(&schema), ColumnBatch::of(schema, arrays, times, kinds).unwrap())
}

fn everything() -> (SchemaRef, Frame) {
    let names: ArrayRef = Arc::new(StringViewArray::from(vec![Some("a, \"b\""), None, Some("c")]));
    let person = StructArray::new(
        Fields::from(vec![Field::new("name", DataType::Utf8View, true)]),
        vec![Arc::new(StringViewArray::from(vec![None, None, Some("Kate")]))],
        Some(vec![true, false, true].into()),
    );
    let ids = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), None]), None, Some(vec![])]);
    frame(
        vec![
            ("flag", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
            ("n", Arc::new(Int32Array::from(vec![Some(-7), None, Some(0)]))),
            ("x", Arc::new(Float64Array::from(vec![Some(1e10), None, Some(f64::NAN)]))),
            ("name", names),
            (
                "at",
                Arc::new(TimestampMillisecondArray::from(vec![Some(1_767_225_600_000), None, Some(1_767_225_661_500)])),
            ),
            ("seen", Arc::new(TimestampMillisecondArray::from(vec![Some(0), None, Some(-1)]).with_timezone("UTC"))),
            ("day", Arc::new(Date32Array::from(vec![Some(20_454), None, Some(0)]))),
            ("hour", Arc::new(Time32MillisecondArray::from(vec![Some(36_900_000), None, Some(1)]))),
            (
                "price",
                Arc::new(
                    Decimal128Array::from(vec![Some(12_345), None, Some(-5)]).with_precision_and_scale(10, 2).unwrap(),
                ),
            ),
            ("person", Arc::new(person)),
            ("ids", Arc::new(ids)),
        ],
        vec![RowKind::Insert, RowKind::UpdateBefore, RowKind::Delete],
    )
}

fn text(schema: &SchemaRef, style: Style, frame: &Frame) -> String {
    let mut encoder = ColumnEncoder::new(Arc::clone(schema), style).unwrap();
    let mut out = encoder.header();
    // Row by row: one byte is always enough.
    let mut from = 0;
    while from < frame.len() {
        let next = encoder.encode(frame, from, &mut out, 1).unwrap();
        assert_eq!(next, from + 1);
        from = next;
    }
    let mut whole = encoder.header();
    assert_eq!(encoder.encode(frame, 0, &mut whole, usize::MAX), Ok(frame.len()));
    assert_eq!(whole, out);
    String::from_utf8(out).unwrap()
}

#[test]
fn rows_are_printed_as_flink_prints_them() {
    let (schema, frame) = everything();
    assert_eq!(
        text(&schema, Style::Print, &frame),
        "+I[true, -7, 1.0E10, a, \"b\", 2026-01-01T00:00, 1970-01-01T00:00:00Z, 2026-01-01, 10:15, 123.45, +I[null], [1, null]]\n\
         -U[null, null, null, null, null, null, null, null, null, null, null]\n\
         -D[false, 0, NaN, c, 2026-01-01T00:01:01.500, 1969-12-31T23:59:59.999Z, 1970-01-01, 00:00:00.001, -0.05, +I[Kate], []]\n"
    );
    let selected = frame.select(Selection::rows(&[1]));
    assert_eq!(text(&schema, Style::Print, &selected).lines().count(), 1);
}

#[test]
fn rows_are_written_as_json() {
    let (schema, frame) = everything();
    let style = |options| Style::Format(TextFormat::Json(options));
    let all = text(&schema, style(JsonOptions::default()), &frame);
    let lines: Vec<&str> = all.lines().collect();
    assert_eq!(
        lines[0],
        r#"{"flag":true,"n":-7,"x":10000000000.0,"name":"a, \"b\"","at":"2026-01-01 00:00:00","seen":"1970-01-01 00:00:00Z","day":"2026-01-01","hour":"10:15:00","price":123.45,"person":{"name":null},"ids":[1,null]}"#
    );
    assert!(lines[1].starts_with(r#"{"flag":null,"n":null,"#) && lines[1].ends_with(r#""person":null,"ids":null}"#));
    assert!(lines[2].contains(r#""x":"NaN","#) && lines[2].contains(r#""at":"2026-01-01 00:01:01.5""#), "{}", lines[2]);
    let options = JsonOptions { ignore_null_fields: true, timestamps: TimestampForm::Iso, ..JsonOptions::default() };
    let few = text(&schema, style(options), &frame);
    let lines: Vec<&str> = few.lines().collect();
    assert_eq!(lines[1], "{}");
    assert!(lines[0].contains(r#""at":"2026-01-01T00:00:00""#) && lines[0].contains(r#""person":{}"#), "{}", lines[0]);
    // Valid JSON, whatever is in it.
    all.lines().for_each(|line| drop(serde_json::from_str::<serde_json::Value>(line).unwrap()));
}

#[test]
fn rows_are_written_as_csv_and_read_back() {
    let (schema, frame) = everything();
    let flat: Vec<usize> = (0..9).collect();
    let schema = Arc::new(schema.project(&flat).unwrap());
    let columns = frame.columns().unwrap();
    let arrays = columns.arrays()[..9].to_vec();
    let frame = ColumnBatch::of(Arc::clone(&schema), arrays, frame.times().to_vec(), vec![]).unwrap();
    let options = CsvTableOptions {
        header: Header::Named,
        null_literal: Some("c".to_owned()),
        delimiter: b';',
        ..CsvTableOptions::default()
    };
    let format = TextFormat::Csv(options);
    let text = text(&schema, Style::Format(format.clone()), &frame);
    assert_eq!(
        text,
        "flag;n;x;name;at;seen;day;hour;price\n\
         true;-7;10000000000.0;\"a, \"\"b\"\"\";2026-01-01 00:00:00;1970-01-01 00:00:00Z;2026-01-01;10:15:00;123.45\n\
         c;c;c;c;c;c;c;c;c\n\
         false;0;NaN;\"c\";2026-01-01 00:01:01.5;1969-12-31 23:59:59.999Z;1970-01-01;00:00:00.001;-0.05\n"
    );
    let plan = Arc::new(ColumnPlan::new(&schema, None, None).unwrap());
    let mut builder = ColumnBuilder::new(Arc::clone(&plan), 100, false);
    format.decoder(&plan).unwrap().decode(text.as_bytes(), true, &mut builder).unwrap();
    let back = builder.finish();
    let shown = |frame: &Frame| format!("{:?}", frame.columns().unwrap().arrays());
    assert_eq!(shown(&back), shown(&frame));
}

#[test]
fn changes_are_written_with_their_kinds() {
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let names: ArrayRef = Arc::new(StringViewArray::from(vec![Some("a, \"b\""), Some("")]));
    let times: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![Some(0), None]));
    let kinds = vec![RowKind::UpdateBefore, RowKind::Delete];
    let (schema, frame) = self::frame(vec![("id", ids), ("name", names), ("at", times)], kinds);
    assert_eq!(text(&schema, Style::Changelog, &frame), "-U1,\"a, \"\"b\"\"\",1970-01-01 00:00:00.000\n-D,\"\",\n");
    assert_eq!(
        text(&schema, Style::JsonChangelog, &frame),
        "{\"op\":\"-U\",\"id\":1,\"name\":\"a, \\\"b\\\"\",\"at\":\"1970-01-01 00:00:00\"}\n{\"op\":\"-D\",\"id\":null,\"name\":\"\",\"at\":null}\n"
    );
}

#[test]
fn what_a_style_cannot_carry_is_refused() {
    let (schema, frame) = everything();
    let csv = Style::Format(TextFormat::Csv(CsvTableOptions::default()));
    assert!(ColumnEncoder::new(Arc::clone(&schema), csv).unwrap_err().0.contains("`person`"));
    assert!(ColumnEncoder::new(Arc::clone(&schema), Style::Format(TextFormat::Raw)).is_err());
    for (delimiter, null) in [(b'"', None), (b'\n', None), (b',', Some("n,a")), (b',', Some("\"")), (b';', Some("a\r"))]
    {
        let options =
            CsvTableOptions { delimiter, null_literal: null.map(str::to_owned), ..CsvTableOptions::default() };
        let flat = Arc::new(schema.project(&[0]).unwrap());
        let csv = TextFormat::Csv(options);
        assert!(ColumnEncoder::new(Arc::clone(&flat), Style::Format(csv.clone())).unwrap_err().0.contains("of csv"));
        assert!(csv.decoder(&Arc::new(ColumnPlan::new(&flat, None, None).unwrap())).unwrap_err().0.contains("of csv"));
    }
    let odd = Arc::new(Schema::new(vec![Field::new("t", DataType::Duration(TimeUnit::Second), true)]));
    assert!(ColumnEncoder::new(odd, Style::Print).unwrap_err().0.contains("`t`"));
    let one = Arc::new(Schema::new(vec![Field::new("line", DataType::Utf8View, true)]));
    let mut raw = ColumnEncoder::new(one, Style::Format(TextFormat::Raw)).unwrap();
    let mut out = Vec::new();
    assert!(raw.encode(&frame, 0, &mut out, 1).unwrap_err().contains("was to come"));
    let lines: ArrayRef = Arc::new(StringViewArray::from(vec![Some("one"), None, Some("two\nthree")]));
    let (_, frame) = self::frame(vec![("line", lines)], vec![]);
    assert!(raw.encode(&frame, 0, &mut out, usize::MAX).unwrap_err().contains("line end"));
    assert_eq!(out, b"one\n\n", "nothing of the row that cannot be written");
    let lines: ArrayRef = Arc::new(StringViewArray::from(vec!["a\rb", "three\r"]));
    let (_, frame) = self::frame(vec![("line", lines)], vec![]);
    assert!(raw.encode(&frame, 0, &mut out, usize::MAX).unwrap_err().contains("carriage return"));
    assert_eq!(out, b"one\n\na\rb\n");
}

#[test]
fn fine_times_are_written_with_their_digits() {
    use arrow_array::{TimestampMicrosecondArray, TimestampNanosecondArray};
    let nanos = [0, 1_500_000_000, 1_000_001_000, -1, i64::MAX, i64::MIN];
    let micros = [0, 1_500_000, 1_001, -1, i64::MAX, i64::MIN];
    let arrays: Vec<(&str, ArrayRef)> = vec![
        ("n", Arc::new(TimestampNanosecondArray::from(nanos.to_vec()))),
        ("m", Arc::new(TimestampMicrosecondArray::from(micros.to_vec()).with_timezone("UTC"))),
    ];
    let (schema, frame) = self::frame(arrays, vec![]);
    assert_eq!(
        text(&schema, Style::Format(TextFormat::Csv(CsvTableOptions::default())), &frame),
        "1970-01-01 00:00:00,1970-01-01 00:00:00Z\n\
         1970-01-01 00:00:01.5,1970-01-01 00:00:01.5Z\n\
         1970-01-01 00:00:01.000001,1970-01-01 00:00:00.001001Z\n\
         1969-12-31 23:59:59.999999999,1969-12-31 23:59:59.999999Z\n\
         2262-04-11 23:47:16.854775807,294247-01-10 04:00:54.775807Z\n\
         1677-09-21 00:12:43.145224192,-290308-12-21 19:59:05.224192Z\n"
    );
    let printed = text(&schema, Style::Print, &frame);
    assert!(printed.contains("+I[1970-01-01T00:00:01.000001, 1970-01-01T00:00:00.001001Z]\n"), "{printed}");
    assert!(printed.contains("+I[1969-12-31T23:59:59.999999999, "), "{printed}");
    assert!(printed.starts_with("+I[1970-01-01T00:00, 1970-01-01T00:00:00Z]\n"), "{printed}");
}

/// Whatever the delimiter and the null, what is written is read back.
#[test]
fn csv_is_read_back_whatever_stands_between_its_fields() {
    let (_, frame) = everything();
    let flat: Vec<usize> = (0..9).collect();
    let columns = frame.columns().unwrap();
    let schema = Arc::new(columns.schema().project(&flat).unwrap());
    let arrays = columns.arrays()[..9].to_vec();
    let frame = ColumnBatch::of(Arc::clone(&schema), arrays, frame.times().to_vec(), vec![]).unwrap();
    let shown = |frame: &Frame| format!("{:?}", frame.columns().unwrap().arrays());
    let check = |delimiter: u8, null: &str| {
        let options = CsvTableOptions { delimiter, null_literal: Some(null.to_owned()), ..CsvTableOptions::default() };
        let format = TextFormat::Csv(options);
        let text = text(&schema, Style::Format(format.clone()), &frame);
        let plan = Arc::new(ColumnPlan::new(&schema, None, None).unwrap());
        let mut builder = ColumnBuilder::new(Arc::clone(&plan), 100, false);
        format.decoder(&plan).unwrap().decode(text.as_bytes(), true, &mut builder).unwrap();
        assert_eq!(shown(&builder.finish()), shown(&frame), "{:?} {null:?}: {text}", char::from(delimiter));
    };
    for delimiter in 1..128u8 {
        if !matches!(delimiter, b'"' | b'\r' | b'\n') {
            check(delimiter, "");
        }
    }
    for null in ["true", "-7", "10000000000.0", "2026-01-01", "123.45", "c", "NaN", "0"] {
        check(b';', null);
    }
}
