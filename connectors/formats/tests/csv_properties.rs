//! The CSV decoder against a plain reader, byte by byte, and against the encoder.

use proptest::collection::vec;
use proptest::prelude::*;
use yeoul_formats::{CsvDecoder, CsvEncoder, CsvOptions, Header, Receipt, RecordDecoder};
use yeoul_frame::{Cell, DataType, Field, Timestamp};

const fn field(name: &'static str, data_type: DataType) -> Field {
    Field { name, data_type, nullable: true }
}

/// Three columns of text.
const TEXTS: &[Field] = &[field("a", DataType::Utf8), field("b", DataType::Utf8), field("c", DataType::Utf8)];

const POSITIONAL: CsvOptions = CsvOptions { delimiter: b',', header: Header::Absent, newlines_in_quotes: true };

type Row = Vec<Option<String>>;

fn row(cells: &[Cell<'_>]) -> Row {
    let text = |cell: &Cell<'_>| match cell {
        Cell::Null => None,
        Cell::Str(text) => Some((*text).to_string()),
        other => Some(format!("{other:?}")),
    };
    cells.iter().map(text).collect()
}

/// RFC 4180 read one byte at a time; `None` where it is malformed.
fn plain_reader(input: &[u8], columns: usize) -> Option<Vec<Row>> {
    let mut rows = Vec::new();
    let mut at = 0;
    while at < input.len() {
        // The input's end serves as a line end, after a CR too.
        if input[at] == b'\n' || input[at..].starts_with(b"\r\n") || input[at..] == *b"\r" {
            at += if input[at] == b'\n' { 1 } else { 2 };
            continue;
        }
        let mut row = Vec::new();
        loop {
            let mut text = Vec::new();
            let quoted = input.get(at) == Some(&b'"');
            if quoted {
                at += 1;
                loop {
                    match (*input.get(at)?, input.get(at + 1)) {
                        (b'"', Some(b'"')) => (text.push(b'"'), at += 2).1,
                        (b'"', _) => break at += 1,
                        (byte, _) => (text.push(byte), at += 1).1,
                    }
                }
            } else {
                while let Some(&byte) = input.get(at) {
                    if matches!(byte, b',' | b'\n')
                        || input[at..].starts_with(b"\r\n")
                        || (byte == b'\r' && at + 1 == input.len())
                    {
                        break;
                    }
                    if byte == b'"' {
                        return None;
                    }
                    text.push(byte);
                    at += 1;
                }
            }
            row.push(if text.is_empty() && !quoted { None } else { Some(String::from_utf8(text).ok()?) });
            match input.get(at) {
                Some(b',') => at += 1,
                Some(b'\r') if matches!(input.get(at + 1), None | Some(b'\n')) => break at += 2,
                Some(b'\n') | None => break at += 1,
                Some(_) => return None,
            }
        }
        if row.len() != columns {
            return None;
        }
        rows.push(row);
    }
    Some(rows)
}

/// Decodes input given in pieces that end at these lengths.
fn decode(decoder: &mut CsvDecoder, input: &[u8], cuts: &[usize]) -> Result<Vec<Row>, String> {
    let (mut rows, mut from) = (Vec::new(), 0);
    for to in cuts.iter().copied().chain([input.len()]) {
        let decoded = decoder.decode(&input[from..to.max(from)], to == input.len(), |cells| {
            rows.push(row(cells));
            Receipt::Taken
        });
        from += decoded.map_err(|error| error.to_string())?.consumed;
    }
    assert_eq!(from, input.len(), "all is used or refused");
    Ok(rows)
}

/// Decodes input given in pieces, and goes on after each malformed record: the records, and where each piece of input that was
/// given up begins and ends.
fn recover(fields: &[Field], input: &[u8], cuts: &[usize]) -> (Vec<Row>, Vec<std::ops::Range<usize>>) {
    let mut decoder = CsvDecoder::new(fields, POSITIONAL);
    let (mut rows, mut bad, mut from) = (Vec::new(), Vec::new(), 0);
    for to in cuts.iter().copied().chain([input.len()]) {
        while from < to {
            let decoded = decoder.decode(&input[from..to], to == input.len(), |cells| {
                rows.push(row(cells));
                Receipt::Taken
            });
            match decoded {
                Ok(decoded) => {
                    from += decoded.consumed;
                    break;
                }
                Err(found) => {
                    bad.push(from + found.bytes.start..from + found.bytes.end);
                    from += found.bytes.end;
                }
            }
        }
    }
    (rows, bad)
}

/// Where records end, good ones and malformed ones, decoded one at a time, empty lines included.
fn ends(fields: &[Field], input: &[u8]) -> Vec<usize> {
    let mut decoder = CsvDecoder::new(fields, POSITIONAL);
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

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        vec(prop::sample::select(vec!['"', ',', '\n', '\r', 'x', ' ', '\u{e9}', '\\']), 0..8)
            .prop_map(String::from_iter),
        "[a-z]{0,3}",
        vec(any::<char>(), 0..80).prop_map(String::from_iter),
    ]
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    vec(vec(prop::option::of(text()), 3), 0..12)
}

fn encode(rows: &[Row]) -> Vec<u8> {
    let encoder = CsvEncoder::new(TEXTS, b',');
    let mut out = Vec::new();
    for row in rows {
        let cells: Vec<Cell<'_>> = row.iter().map(|text| text.as_deref().map_or(Cell::Null, Cell::Str)).collect();
        encoder.encode_cells(&cells, &mut out);
    }
    out
}

fn sorted_cuts(cuts: &[prop::sample::Index], len: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(len + 1)).collect();
    cuts.sort_unstable();
    cuts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is written is read back, however it is cut.
    #[test]
    fn round_trip(rows in rows(), cuts in vec(any::<prop::sample::Index>(), 0..5)) {
        let input = encode(&rows);
        let cuts = sorted_cuts(&cuts, input.len());
        prop_assert_eq!(decode(&mut CsvDecoder::new(TEXTS, POSITIONAL), &input, &cuts), Ok(rows));
    }

    /// Any bytes: as the plain reader reads them, or refused where it refuses.
    #[test]
    fn as_the_plain_reader(
        input in prop_oneof![
            vec(prop::sample::select(b"\"\",,\n\n\r\rxy\xc3\xa9".to_vec()), 0..24),
            rows().prop_map(|rows| encode(&rows)),
            vec(any::<u8>(), 0..60),
        ],
        cuts in vec(any::<prop::sample::Index>(), 0..4),
    ) {
        prop_assume!(!input.starts_with(b"\xef\xbb\xbf"));
        let cuts = sorted_cuts(&cuts, input.len());
        let found = decode(&mut CsvDecoder::new(TEXTS, POSITIONAL), &input, &cuts);
        match plain_reader(&input, 3) {
            Some(rows) => prop_assert_eq!(found, Ok(rows), "{}", input.escape_ascii()),
            None => prop_assert!(found.is_err(), "{} gave {:?}", input.escape_ascii(), found),
        }
    }

    /// A value that does not fit its column takes its own record away and no other, whatever its quoted text looks like.
    #[test]
    fn a_malformed_value_costs_its_own_record(
        rows in vec((any::<bool>(), text(), text()), 0..12),
        cuts in vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let record = |(good, b, c): &(bool, String, String)| {
            vec![Some(if *good { "7" } else { "x" }.to_string()), Some(b.clone()), Some(c.clone())]
        };
        let all: Vec<Row> = rows.iter().map(record).collect();
        let mut good: Vec<Row> = rows.iter().filter(|(good, ..)| *good).map(record).collect();
        good.iter_mut().for_each(|row| row[0] = Some("I64(7)".to_string()));
        let fields = [field("a", DataType::I64), TEXTS[1], TEXTS[2]];
        let input = encode(&all);
        let (found, bad) = recover(&fields, &input, &sorted_cuts(&cuts, input.len()));
        prop_assert_eq!(found, good, "{}", input.escape_ascii());
        // What was given up are whole records.
        let given_up: Vec<u8> = bad.into_iter().flat_map(|range| input[range].to_vec()).collect();
        let expected: Vec<Row> = rows.iter().filter(|(good, ..)| !good).map(record).collect();
        prop_assert_eq!(given_up, encode(&expected));
    }

    /// How the input is cut changes neither what is found after malformed records nor where they end.
    #[test]
    fn recovery_does_not_depend_on_cuts(
        input in vec(prop::sample::select(b"\"\",,\n\n\r7x".to_vec()), 0..40),
        cuts in vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let fields = [field("a", DataType::I64), TEXTS[1]];
        let cuts = sorted_cuts(&cuts, input.len());
        prop_assert_eq!(recover(&fields, &input, &cuts), recover(&fields, &input, &[]), "{}", input.escape_ascii());
        // Nor do values that fit no column.
        prop_assert_eq!(ends(&fields, &input), ends(&TEXTS[..2], &input), "{}", input.escape_ascii());
    }

    /// A decoder that goes on after each malformed record comes to the end.
    #[test]
    fn after_an_error_there_is_a_next_record(input in vec(prop::sample::select(b"\",\n\rx1".to_vec()), 0..60)) {
        let mut decoder = CsvDecoder::new(TEXTS, POSITIONAL);
        let mut at = 0;
        while at < input.len() {
            match decoder.decode(&input[at..], true, |_| Receipt::Taken) {
                Ok(decoded) => at += decoded.consumed,
                Err(bad) => {
                    prop_assert!(bad.bytes.end > bad.bytes.start);
                    at += bad.bytes.end;
                }
            }
        }
    }
}

fn lines(options: CsvOptions, fields: &[Field], input: &str) -> Result<Vec<Row>, String> {
    decode(&mut CsvDecoder::new(fields, options), input.as_bytes(), &[])
}

fn texts<const N: usize>(row: [&str; N]) -> Row {
    row.iter().map(|text| (*text != "-").then(|| (*text).to_string())).collect()
}

#[test]
fn columns_find_fields_by_name() {
    let fields = [field("delay", DataType::I32), field("at", DataType::Timestamp), field("o.k", DataType::Bool)];
    let input = "\u{feff}o.k,carrier,\"at\",delay\r\ntrue,UA,2013-01-01 10:15:00,-4\r\n\r\nFALSE,\"U\"\"A\",2013-01-01T10:15:00.5Z,\"007\"\r\n,,,";
    let expected = vec![
        texts(["I64(-4)", &format!("{:?}", Cell::Timestamp(Timestamp(1_357_035_300_000))), "Bool(true)"]),
        texts(["I64(7)", &format!("{:?}", Cell::Timestamp(Timestamp(1_357_035_300_500))), "Bool(false)"]),
        texts(["-", "-", "-"]),
    ];
    assert_eq!(lines(CsvOptions::default(), &fields, input), Ok(expected));
}

#[test]
fn values_that_do_not_fit_are_refused() {
    for (data_type, value, error) in [
        (
            DataType::I32,
            "1.5",
            "malformed record at byte 2 of the input: column 1, field `x`: expected an integer, found `1.5`",
        ),
        (
            DataType::I8,
            "128",
            "malformed record at byte 2 of the input: column 1, field `x`: the number does not fit i8, found `128`",
        ),
        (
            DataType::U8,
            "-1",
            "malformed record at byte 2 of the input: column 1, field `x`: the number does not fit u8, found `-1`",
        ),
        (
            DataType::F64,
            "1e999",
            "malformed record at byte 2 of the input: column 1, field `x`: the number does not fit f64, found `1e999`",
        ),
        (
            DataType::F64,
            "inf",
            "malformed record at byte 2 of the input: column 1, field `x`: expected a number, found `inf`",
        ),
        (
            DataType::Bool,
            "1",
            "malformed record at byte 2 of the input: column 1, field `x`: expected true or false, found `1`",
        ),
        (
            DataType::I64,
            "1\"",
            "malformed record at byte 2 of the input: column 2: expected no quote within a field that does not begin with one, found `\"`",
        ),
        (
            DataType::I64,
            "\"1\"2",
            "malformed record at byte 2 of the input: column 4: expected a delimiter or the line's end after a closing quote, found `2`",
        ),
        (
            DataType::I64,
            "\"1",
            "malformed record at byte 2 of the input: column 3: the record ends inside a quoted field, found the end of the record",
        ),
        (
            DataType::I64,
            "1,2",
            "malformed record at byte 2 of the input: column 4: expected 1 columns, the record has 2, found the end of the record",
        ),
    ] {
        let fields = [field("x", data_type)];
        assert_eq!(lines(CsvOptions::default(), &fields, &format!("x\n{value}")), Err(error.to_string()));
    }
}

#[test]
fn headers_that_do_not_fit_are_refused() {
    let named = CsvOptions::default();
    let skipped = CsvOptions { header: Header::Skipped, ..named };
    for (options, input, error) in [
        (
            named,
            "a,b\n1,2",
            "malformed record at byte 0 of the input: column 1, field `c`: the header has no such column; name the column in the header, or map columns by position, found `a,b\n`",
        ),
        (
            named,
            "a,b,c,a\n",
            "malformed record at byte 0 of the input: column 7, field `a`: the key stands twice in its object; which of the two is meant?, found `a\n`",
        ),
        (
            skipped,
            "a,b\n1,2",
            "malformed record at byte 0 of the input: column 1: expected 3 columns, the record has 2, found `a,b\n`",
        ),
    ] {
        assert_eq!(lines(options, TEXTS, input).map_err(|error| error.replace("\\n", "\n")), Err(error.to_string()));
    }
    assert_eq!(lines(skipped, TEXTS, "x,y,z\n1,2,3\n"), Ok(vec![texts(["1", "2", "3"])]));
    assert_eq!(lines(named, TEXTS, ""), Ok(vec![]));
}

#[test]
fn a_header_read_once_serves_any_part_of_the_file() {
    let file = b"c,b,a\n1,2,3\n4,5,6\n";
    let mut decoder = CsvDecoder::new(TEXTS, CsvOptions::default());
    assert_eq!(decoder.read_header(&file[..3], false), Ok(None));
    assert_eq!(decoder.read_header(&file[..9], false), Ok(Some(6)));
    assert_eq!(decode(&mut decoder, &file[12..], &[]), Ok(vec![texts(["6", "5", "4"])]));
    decoder.begin_file();
    assert_eq!(decode(&mut decoder, file, &[]).map(|rows| rows.len()), Ok(2));
}

#[test]
fn newlines_in_quotes_can_be_declared_absent() {
    let options = CsvOptions { newlines_in_quotes: false, ..POSITIONAL };
    let error = lines(options, TEXTS, "1,\"2\n\",3\n").unwrap_err();
    assert!(error.contains("a newline in a quoted field"), "{error}");
}

#[test]
fn one_column_has_null_records() {
    let fields = [field("x", DataType::Utf8)];
    assert_eq!(
        lines(POSITIONAL, &fields, "a\n\n\"\"\n\r\nb"),
        Ok(vec![texts(["a"]), texts(["-"]), texts([""]), texts(["-"]), texts(["b"])])
    );
}

/// The end of a malformed record may lie beyond the window in which its fault was found.
#[test]
fn the_text_of_a_malformed_record_is_not_read_as_records() {
    let forged = "1,2,3\n".repeat(20_000);
    let rows = vec![
        vec![Some("x".to_string()), Some(forged), None],
        vec![Some("7".to_string()), Some("b".to_string()), Some("c".to_string())],
    ];
    let input = encode(&rows);
    let fields = [field("a", DataType::I64), TEXTS[1], TEXTS[2]];
    for cuts in [vec![], vec![4, 10_000, 70_000]] {
        let (found, bad) = recover(&fields, &input, &cuts);
        assert_eq!(found, [texts(["I64(7)", "b", "c"])]);
        assert_eq!(bad, vec![0..input.len() - "7,b,c\n".len()]);
    }
}

#[test]
fn a_quoted_field_may_be_longer_than_a_window() {
    let long = "line, with \"quotes\"\n".repeat(20_000);
    let rows = vec![vec![Some("x".to_string()), Some(long), None]; 3];
    let input = encode(&rows);
    let cuts = [10, 100_000, 100_001, 500_000];
    assert_eq!(decode(&mut CsvDecoder::new(TEXTS, POSITIONAL), &input, &cuts), Ok(rows));
}
