//! CSV from arbitrary bytes: no panic; how the input is cut into pieces changes no record; and what is written from the cells
//! reads back as those cells.
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

fuzz_target!(|data: &[u8]| {
    let Some((&how, input)) = data.split_first() else { return };
    let header = [Header::Named, Header::Skipped, Header::Absent][usize::from(how % 3)];
    let options = CsvOptions { delimiter: b",;\t|"[usize::from(how / 4 % 4)], header, newlines_in_quotes: how < 200 };
    let fields = &FIELDS[..1 + usize::from(how) % FIELDS.len()];

    let whole = read(options, fields, input, input.len().max(1));
    assert_eq!(whole, read(options, fields, input, 1 + usize::from(how % 16)));

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
