//! What the NDJSON decoder refuses, where, and with which words.

use yeoul_formats::{NdjsonDecoder, Reason, Receipt, RecordDecoder};
use yeoul_frame::{Cell, DataType, Field, Timestamp};

const fn field(name: &'static str, data_type: DataType) -> Field {
    Field { name, data_type, nullable: true }
}

const FIELDS: &[Field] = &[
    field("i", DataType::I32),
    field("u", DataType::U64),
    field("f", DataType::F32),
    field("s", DataType::Utf8),
    field("t", DataType::Timestamp),
    field("b", DataType::Bool),
    field("o.x", DataType::I64),
];

#[track_caller]
fn check(line: &[u8], column: u64, reason: &Reason) {
    let mut decoder = NdjsonDecoder::new(FIELDS);
    for _ in 0..2 {
        let error = decoder.decode_line(line, |_| ()).expect_err("must be refused");
        assert_eq!((error.column, &error.reason), (column, reason), "{}", line.escape_ascii());
    }
}

#[test]
fn structure() {
    let expected = Reason::Expected;
    for (line, column, reason) in [
        ("[]", 1, expected("an object")),
        ("{", 2, Reason::EndsInside("an object")),
        (r#"{"i":1"#, 7, Reason::EndsInside("an object")),
        (r#"{"i":1}}"#, 8, expected("the end of the record")),
        (r#"{"i":1,}"#, 8, expected("a key in double quotes")),
        (r#"{"i":1 "u":2}"#, 8, expected("a comma or `}`")),
        (r#"{,"i":1}"#, 2, expected("a key in double quotes")),
        (r#"{i:1}"#, 2, expected("a key in double quotes")),
        (r#"{"i" 1}"#, 6, expected("a colon")),
        (r#"{"i":}"#, 6, expected("an integer")),
        (r#"{"z":}"#, 6, expected("a JSON value")),
        (r#"{"z":[1,]}"#, 9, expected("a JSON value")),
        (r#"{"z":[1 2]}"#, 9, expected("a comma or `]`")),
        (r#"{"z":[}"#, 7, expected("a JSON value")),
        (r#"{"z":nul}"#, 6, expected("a JSON value")),
        (r#"{"z":01}"#, 6, expected("a number without leading zeros")),
        (r#"{"z":1.}"#, 8, expected("a digit")),
        (r#"{"z":-}"#, 7, expected("a digit")),
        (r#"{"z":1e+}"#, 9, expected("a digit")),
        (r#"{"z":"abc"#, 10, Reason::EndsInside("a string")),
        (r#"{"z":"abc\"#, 11, Reason::EndsInside("a string")),
        ("{\"z\":\"a\tb\"}", 8, Reason::ControlCharacter),
        (r#"{"i":1,"i":1}"#, 12, Reason::Duplicate),
        (r#"{"o":null,"o":{"x":1}}"#, 15, Reason::Duplicate),
        (r#"{"o":1}"#, 6, expected("an object or null")),
    ] {
        check(line.as_bytes(), column, &reason);
    }
    let deep = format!("{{\"z\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    check(deep.as_bytes(), 133, &Reason::TooDeep(128));
}

#[test]
fn values() {
    let expected = Reason::Expected;
    for (line, column, reason) in [
        (r#"{"i":"1"}"#, 6, expected("an integer")),
        (r#"{"i":1.0}"#, 6, expected("an integer")),
        (r#"{"i":1e3}"#, 6, expected("an integer")),
        (r#"{"i":00}"#, 6, expected("a number without leading zeros")),
        (r#"{"i":-01}"#, 6, expected("a number without leading zeros")),
        (r#"{"i":2147483648}"#, 6, Reason::OutOfRange("i32")),
        (r#"{"u":-1}"#, 6, Reason::OutOfRange("u64")),
        (r#"{"u":18446744073709551616}"#, 6, Reason::OutOfRange("u64")),
        (r#"{"f":1e39}"#, 6, Reason::OutOfRange("f32")),
        (r#"{"f":true}"#, 6, expected("a number")),
        (r#"{"f":.5}"#, 6, expected("a number")),
        (r#"{"b":1}"#, 6, expected("true or false")),
        (r#"{"t":"2026-02-30 00:00:00"}"#, 6, Reason::NotATimestamp),
        (r#"{"t":1.5}"#, 6, expected("a timestamp")),
        (r#"{"s":1}"#, 6, expected("a string")),
        (r#"{"s":"\x"}"#, 7, Reason::BadEscape),
        (r#"{"s":"\u12g4"}"#, 7, Reason::BadEscape),
        (r#"{"s":"\u12"}"#, 7, Reason::BadEscape),
        (r#"{"s":"\ud800"}"#, 7, Reason::LoneSurrogate),
        (r#"{"s":"\ud800\u0041"}"#, 7, Reason::LoneSurrogate),
        (r#"{"s":"\udc00\ud800"}"#, 7, Reason::LoneSurrogate),
    ] {
        check(line.as_bytes(), column, &reason);
    }
    check(b"{\"s\":\"ab\xff\"}", 9, &Reason::NotUtf8);
    check(b"{\"s\":\"\\n\xc3\"}", 9, &Reason::NotUtf8);
}

#[test]
fn what_is_well() {
    let mut decoder = NdjsonDecoder::new(FIELDS);
    let mut cells = |line: &str| decoder.decode_line(line.as_bytes(), |cells| format!("{cells:?}")).unwrap().unwrap();
    let null = "Null, Null, Null, Null, Null, Null, Null";
    assert_eq!(cells("\u{feff} { } \r\n"), format!("[{null}]"));
    assert_eq!(cells(r#"{"o":null,"\u0069":null,"zz":"\q\ud800"}"#), format!("[{null}]"));
    assert_eq!(cells(r#"{"\u0069":-0,"o":{"x" : 7 }}"#), "[I64(0), Null, Null, Null, Null, Null, I64(7)]");
    assert_eq!(
        cells(r#"{"u":18446744073709551615,"f":0.1}"#),
        format!("[Null, U64({}), F64({}), Null, Null, Null, Null]", u64::MAX, f64::from(0.1f32))
    );
    for time in [r#""1970-01-01T00:00:01Z""#, r#""1970-01-01 00:00:01""#, "1000", r#""1970-01-01 00:00:01\u002e000""#] {
        let second = format!("[Null, Null, Null, Null, {:?}, Null, Null]", Cell::Timestamp(Timestamp(1000)));
        assert_eq!(cells(&format!(r#"{{"t":{time}}}"#)), second);
    }
    assert_eq!(
        cells(r#"{"s":"\ud83d\ude00\b\f\/\u00e9"}"#),
        format!("[Null, Null, Null, {:?}, Null, Null, Null]", Cell::Str("\u{1f600}\u{8}\u{c}/\u{e9}"))
    );
}

/// An error tells which bytes of the input it is about, and decoding goes on after them.
#[test]
fn a_bad_record_among_good_ones() {
    let input = b"{\"i\":1}\n\n{\"i\":x}\r\n{\"i\":3}";
    let mut decoder = NdjsonDecoder::new(FIELDS);
    let bad = decoder.decode(input, true, |_| Receipt::Taken).unwrap_err();
    assert_eq!((bad.records, bad.bytes.clone()), (1, 9..18));
    assert_eq!(
        bad.to_string(),
        "malformed record at byte 9 of the input: column 6, field `i`: expected an integer, found `x}`"
    );
    let rest = decoder.decode(&input[bad.bytes.end..], true, |_| Receipt::Taken).unwrap();
    assert_eq!((rest.records, rest.consumed), (1, 7));
}
