//! The NDJSON decoder against serde_json, over generated, truncated and damaged input.

mod generate;

use generate::{damaged, line, text};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use yeoul_formats::{NdjsonDecoder, NdjsonEncoder, Receipt, RecordDecoder};
use yeoul_frame::{Cell, DataType, Field};

const fn field(name: &'static str, data_type: DataType) -> Field {
    Field { name, data_type, nullable: true }
}

/// A field of each kind, nested ones, and a key that needs escaping.
const FIELDS: &[Field] = &[
    field("int", DataType::I64),
    field("text", DataType::Utf8),
    field("in.small", DataType::I8),
    field("in.text", DataType::Utf8),
    field("in.deep.float", DataType::F64),
    field("flag", DataType::Bool),
    field("k\u{e9}y \"\\", DataType::U64),
];

/// Owned cells, to compare.
#[derive(Debug, Clone, PartialEq)]
enum Owned {
    Null,
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(u64),
    Str(String),
}

fn owned(cells: &[Cell<'_>]) -> Vec<Owned> {
    let own = |cell: &Cell<'_>| match *cell {
        Cell::Null => Owned::Null,
        Cell::Bool(value) => Owned::Bool(value),
        Cell::I64(value) => Owned::I64(value),
        Cell::U64(value) => Owned::U64(value),
        Cell::F64(value) => Owned::F64(value.to_bits()),
        Cell::Str(text) => Owned::Str(text.to_string()),
        Cell::Timestamp(_) => unreachable!("no such field"),
    };
    cells.iter().map(own).collect()
}

/// What the decoder should find, by serde_json's reading of the line; `None` if it should refuse.
fn expected(record: &Value) -> Option<Vec<Owned>> {
    FIELDS.iter().map(|field| expected_cell(record, field)).collect()
}

fn expected_cell(record: &Value, field: &Field) -> Option<Owned> {
    let mut value = record;
    for key in field.name.split('.') {
        value = match value {
            Value::Object(map) => map.get(key).unwrap_or(&Value::Null),
            Value::Null => return Some(Owned::Null),
            _ => return None,
        };
    }
    match (value, field.data_type) {
        (Value::Null, _) => Some(Owned::Null),
        (Value::Bool(flag), DataType::Bool) => Some(Owned::Bool(*flag)),
        (Value::String(text), DataType::Utf8) => Some(Owned::Str(text.clone())),
        (Value::Number(number), DataType::I64) => number.as_i64().map(Owned::I64),
        (Value::Number(number), DataType::I8) => number.as_i64().filter(|n| i8::try_from(*n).is_ok()).map(Owned::I64),
        (Value::Number(number), DataType::U64) => number.as_u64().map(Owned::U64),
        (Value::Number(number), DataType::F64) => number.as_f64().map(|value| Owned::F64(value.to_bits())),
        _ => None,
    }
}

fn decode(decoder: &mut NdjsonDecoder, line: &[u8]) -> Result<Option<Vec<Owned>>, String> {
    decoder.decode_line(line, owned).map_err(|error| error.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    /// One decoder over several lines finds in each what serde_json finds, whatever it learned from those before.
    #[test]
    fn as_serde_json_reads_it(lines in vec(line(), 1..6)) {
        let mut decoder = NdjsonDecoder::new(FIELDS);
        for line in lines.iter().chain(&lines) {
            let oracle: Value = serde_json::from_str(line).unwrap();
            let found = decode(&mut decoder, line.as_bytes());
            match expected(&oracle) {
                Some(cells) => prop_assert_eq!(found, Ok(Some(cells)), "{}", line),
                None => prop_assert!(found.is_err(), "{} gave {:?}", line, found),
            }
        }
    }

    /// A damaged line is refused or means what serde_json takes it to mean; a decoder that has learned from good lines
    /// says the same as a new one.
    #[test]
    fn damage_is_seen(good in vec(line(), 0..3), bad in damaged()) {
        let mut learned = NdjsonDecoder::new(FIELDS);
        for line in &good {
            let _ = decode(&mut learned, line.as_bytes());
        }
        let found = decode(&mut learned, &bad);
        prop_assert_eq!(&found, &decode(&mut NdjsonDecoder::new(FIELDS), &bad));
        if let (Ok(Some(cells)), Ok(oracle)) = (&found, serde_json::from_slice::<Value>(&bad)) {
            // serde_json reads a minus zero as a float; and it lets the last of two equal keys win.
            if !bad.windows(2).any(|pair| pair == b"-0") {
                prop_assert_eq!(Some(cells.clone()), expected(&oracle));
            }
        }
    }

    /// Without used fields, exactly the lines are taken that serde_json takes as an object, but for escapes and UTF-8 in
    /// strings, which are not looked at.
    #[test]
    fn what_is_stepped_over_is_held_to_the_grammar(bad in damaged()) {
        let taken = NdjsonDecoder::new(&[]).decode_line(&bad, |_| ());
        let oracle = serde_json::from_slice::<serde::de::IgnoredAny>(&bad).is_ok() && bad.trim_ascii_start().starts_with(b"{");
        if oracle && !bad.contains(&b'\n') {
            prop_assert!(matches!(taken, Ok(Some(()))), "{} refused: {:?}", bad.escape_ascii(), taken);
        }
        if !oracle && !bad.contains(&b'\\') && !bad.starts_with(b"\xef\xbb\xbf") {
            prop_assert!(!matches!(taken, Ok(Some(()))), "{} taken", bad.escape_ascii());
        }
    }

    /// No part of a line is a record.
    #[test]
    fn truncated_lines_are_refused(line in line()) {
        let line = line.trim().as_bytes();
        for fields in [FIELDS, &[]] {
            let mut decoder = NdjsonDecoder::new(fields);
            for end in 1..line.len() {
                let error = decoder.decode_line(&line[..end], |_| ()).unwrap_err();
                prop_assert!(error.column as usize <= end + 1, "{}", error);
            }
        }
    }

    /// Anything at all: no panic, and every byte is accounted for.
    #[test]
    fn any_bytes(bytes in prop_oneof![vec(any::<u8>(), 0..300), damaged()], last: bool) {
        let mut decoder = NdjsonDecoder::new(FIELDS);
        let mut at = 0;
        while at < bytes.len() {
            match decoder.decode(&bytes[at..], last, |_| Receipt::Taken) {
                Ok(decoded) => {
                    let rest = &bytes[at + decoded.consumed..];
                    prop_assert!(rest.is_empty() || !last && !rest.contains(&b'\n'));
                    break;
                }
                Err(bad) => {
                    prop_assert!(bad.bytes.start < bad.bytes.end);
                    at += bad.bytes.end;
                }
            }
        }
    }

    /// However the input is cut into pieces, and wherever the receiver is full, the records are the same.
    #[test]
    fn pieces_make_the_whole(records in vec(typed_cells(), 0..30), cuts in vec(1..200usize, 1..20), room in 1..9usize) {
        let encoder = NdjsonEncoder::new(FIELDS);
        let mut input = Vec::new();
        for record in &records {
            encoder.encode_cells(&borrowed(record), &mut input).unwrap();
        }
        let mut decoder = NdjsonDecoder::new(FIELDS);
        let (mut found, mut from, mut to) = (Vec::new(), 0, 0);
        let mut cuts = cuts.iter().cycle();
        while to < input.len() {
            to = input.len().min(to + cuts.next().unwrap());
            loop {
                let mut free = room;
                let decoded = decoder.decode(&input[from..to], to == input.len(), |cells| {
                    if free == 0 {
                        return Receipt::Full;
                    }
                    free -= 1;
                    found.push(owned(cells));
                    Receipt::Taken
                }).unwrap();
                from += decoded.consumed;
                if !decoded.full {
                    break;
                }
                prop_assert_eq!(decoded.records, room);
            }
        }
        prop_assert_eq!(from, input.len());
        prop_assert_eq!(found, records);
    }
}

fn typed_cells() -> impl Strategy<Value = Vec<Owned>> {
    let finite = any::<f64>().prop_filter("finite", |value| value.is_finite());
    (any::<i64>(), prop::option::of(text()), any::<i8>(), text(), prop::option::of(finite), any::<bool>(), any::<u64>())
        .prop_map(|(int, text, small, inner, float, flag, unsigned)| {
            vec![
                Owned::I64(int),
                text.map_or(Owned::Null, Owned::Str),
                Owned::I64(small.into()),
                Owned::Str(inner),
                float.map_or(Owned::Null, |value| Owned::F64(value.to_bits())),
                Owned::Bool(flag),
                Owned::U64(unsigned),
            ]
        })
}

fn borrowed(cells: &[Owned]) -> Vec<Cell<'_>> {
    fn borrow(cell: &Owned) -> Cell<'_> {
        match cell {
            Owned::Null => Cell::Null,
            Owned::Bool(value) => Cell::Bool(*value),
            Owned::I64(value) => Cell::I64(*value),
            Owned::U64(value) => Cell::U64(*value),
            Owned::F64(bits) => Cell::F64(f64::from_bits(*bits)),
            Owned::Str(text) => Cell::Str(text),
        }
    }
    cells.iter().map(borrow).collect()
}
