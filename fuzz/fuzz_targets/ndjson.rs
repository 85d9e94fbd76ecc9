//! NDJSON from arbitrary bytes: no panic; what a decoder has learned changes no result; a line that serde_json reads too
//! means the same; and what is written from the cells reads back as those cells.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use yeoul_formats::{NdjsonDecoder, NdjsonEncoder, Receipt, RecordDecoder};
use yeoul_frame::{Cell, DataType, Field};

const fn field(name: &'static str, data_type: DataType) -> Field {
    Field { name, data_type, nullable: true }
}

const FIELDS: &[Field] = &[
    field("i", DataType::I64),
    field("b", DataType::I8),
    field("u", DataType::U64),
    field("f", DataType::F64),
    field("g", DataType::F32),
    field("s", DataType::Utf8),
    field("t", DataType::Timestamp),
    field("o.s", DataType::Utf8),
    field("o.p.b", DataType::Bool),
];

fn read(decoder: &mut NdjsonDecoder, line: &[u8]) -> Result<Option<String>, String> {
    // Text of the cells: it shows floats to the last bit, and owns what it shows.
    decoder.decode_line(line, |cells| format!("{cells:?}")).map_err(|error| error.to_string())
}

fuzz_target!(|data: &[u8]| {
    let mut learned = NdjsonDecoder::new(FIELDS);
    let encoder = NdjsonEncoder::new(FIELDS);
    let lines: Vec<&[u8]> = data.split(|&byte| byte == b'\n').collect();
    for line in lines.iter().chain(&lines) {
        let found = read(&mut learned, line);
        assert_eq!(found, read(&mut NdjsonDecoder::new(FIELDS), line), "learning changed a result");
        let mut written = Vec::new();
        let encoded = learned.decode_line(line, |cells| {
            agrees(line, cells);
            encoder.encode_cells(cells, &mut written).expect("a decoded float is finite");
        });
        if let Ok(Some(())) = encoded {
            // Years that have no four digits are the one thing that is written and not read.
            if !written.windows(2).any(|pair| pair == b"-:" || pair == b"\"-") && written.len() < 1 << 16 {
                let again = read(&mut learned, &written);
                assert!(
                    again == found || again.is_err_and(|error| error.contains("timestamp")),
                    "{}",
                    written.escape_ascii()
                );
            }
        }
    }

    // The whole input as a source gives it: every byte is taken or refused.
    let mut at = 0;
    while at < data.len() {
        match learned.decode(&data[at..], true, |_| Receipt::Taken) {
            Ok(decoded) => at += decoded.consumed,
            Err(bad) => {
                assert!(bad.bytes.end > bad.bytes.start);
                at += bad.bytes.end;
            }
        }
    }
    assert_eq!(at, data.len());
});

/// Compares with serde_json what both read alike.
fn agrees(line: &[u8], cells: &[Cell<'_>]) {
    let Ok(value) = serde_json::from_slice::<Value>(line) else { return };
    for (name, cell) in ["i", "s", "f"].into_iter().zip([cells[0], cells[5], cells[3]]) {
        match (&value[name], cell) {
            (Value::Null, Cell::Null) => {}
            (Value::String(text), Cell::Str(found)) => assert_eq!(text, found),
            // It reads a minus zero as a float.
            (Value::Number(number), Cell::I64(found)) => assert!(number.as_i64() == Some(found) || found == 0),
            (Value::Number(number), Cell::F64(found)) => assert_eq!(number.as_f64(), Some(found)),
            (value, cell) => panic!("{value:?} against {cell:?} in {}", line.escape_ascii()),
        }
    }
}
