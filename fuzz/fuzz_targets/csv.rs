//! CSV from arbitrary bytes: no panic; how the input is cut into pieces changes no record, nor what is found after malformed
//! ones; a value that does not fit never changes where records begin; and what is written from the cells reads back as those
//! cells.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yeoul_formats::{CsvDecoder, CsvEncoder, CsvOptions, Header, Receipt, RecordDecoder};
use yeoul_frame::{DataType, Field};

const fn field(name: &'static str, data_type: DataType) -> Field {
    Field { name, data_type, nullable: true }
}

const FIELDS: &[Field] = &[
    field("s", DataType::Utf8),
    field("i", DataType::I32),
    field("f", DataType::F64),
    field("t", DataType::Timestamp),
    field("b", DataType::Bool),
];

/// All records as text, then the error if there is one. `pieces` are how many bytes the input grows by at a time.
fn read(options: CsvOptions, fields: &[Field], input: &[u8], piece: usize) -> Vec<String> {
    let mut decoder = CsvDecoder::new(fields, options);
    let (mut found, mut from, mut to) = (Vec::new(), 0, 0);
    loop {
        to = input.len().min(to + piece);
        let decoded = decoder.decode(&input[from..to], to == input.len(), |cells| {
            found.push(format!("{cells:?}"));
            Receipt::Taken
        });
        match decoded {
            Ok(decoded) => from += decoded.consumed,
            Err(bad) => {
                assert!(bad.bytes.end > bad.bytes.start);
                // The words depend on how much of the record was there to be shown.
                found.push("error".to_string());
                return found;
            }
        }
        if to == input.len() {
            assert_eq!(from, to, "every byte is taken or refused");
            return found;
        }
    }
}

/// Where records end, good ones and malformed ones, decoded one at a time, empty lines included.
fn ends(options: CsvOptions, fields: &[Field], input: &[u8]) -> Vec<usize> {
    let mut decoder = CsvDecoder::new(fields, options);
    let (mut found, mut from) = (Vec::new(), 0);
    while from < input.len() {
        let mut taken = false;
        let decoded = decoder.decode(&input[from..], true, |_| {
            if std::mem::replace(&mut taken, true) { Receipt::Full } else { Receipt::Taken }
        });
        from += match decoded {
            Ok(decoded) => decoded.consumed,
            Err(bad) if bad.records > 0 => bad.bytes.start,
            Err(bad) => bad.bytes.end,
        };
        // Empty lines go with the record before them, whatever became of it.
        while let Some(empty) = [&b"\n"[..], b"\r\n"].iter().find(|end| input[from..].starts_with(end)) {
            from += empty.len();
        }
        from += usize::from(input[from..] == *b"\r");
        found.push(from);
    }
    found
}

/// All records as text, those after malformed ones too.
fn recover(options: CsvOptions, fields: &[Field], input: &[u8], piece: usize) -> Vec<String> {
    let mut decoder = CsvDecoder::new(fields, options);
    let (mut found, mut from, mut to) = (Vec::new(), 0, 0);
    while from < input.len() {
        let decoded = decoder.decode(&input[from..to], to == input.len(), |cells| {
            found.push(format!("{cells:?}"));
            Receipt::Taken
        });
        match decoded {
            Ok(decoded) => {
                from += decoded.consumed;
                to = input.len().min(to + piece);
            }
            Err(bad) => {
                found.push("error".to_string());
                from += bad.bytes.end;
            }
        }
    }
    found
}

fuzz_target!(|data: &[u8]| {
    let Some((&how, input)) = data.split_first() else { return };
    let header = [Header::Named, Header::Skipped, Header::Absent][usize::from(how % 3)];
    let options = CsvOptions { delimiter: b",;\t|"[usize::from(how / 4 % 4)], header, newlines_in_quotes: how < 200 };
    let fields = &FIELDS[..1 + usize::from(how) % FIELDS.len()];

    let whole = read(options, fields, input, input.len().max(1));
    assert_eq!(whole, read(options, fields, input, 1 + usize::from(how % 16)));

    // A header that does not fit is a fault of its own.
    let plain = CsvOptions { header: Header::Absent, ..options };
    if !input.starts_with(b"\xef\xbb\xbf") {
        assert_eq!(recover(plain, fields, input, input.len().max(1)), recover(plain, fields, input, 1 + usize::from(how % 16)));
        let texts: Vec<Field> = fields.iter().map(|f| Field { data_type: DataType::Utf8, ..*f }).collect();
        assert_eq!(ends(plain, fields, input), ends(plain, &texts, input));
    }

    let encoder = CsvEncoder::new(fields, options.delimiter);
    let mut written = Vec::new();
    encoder.header(&mut written);
    let mut decoder = CsvDecoder::new(fields, options);
    let _ = decoder.decode(input, true, |cells| {
        encoder.encode_cells(cells, &mut written);
        Receipt::Taken
    });
    let named = CsvOptions { header: Header::Named, newlines_in_quotes: true, ..options };
    let again = read(named, fields, &written, 4096);
    let records = whole.iter().take_while(|record| *record != "error").count();
    assert_eq!(again, whole[..records], "{}", written.escape_ascii());
});
