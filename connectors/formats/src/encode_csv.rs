//! Records as CSV, from their cells.
//!
//! Text is quoted, and quotes in it doubled, only if it holds the delimiter, a quote, CR or LF, or is empty, and other values
//! only if they hold the delimiter; null is an empty cell without quotes. (Text that begins with a byte order mark is quoted too, since readers drop one at a file's
//! start.) Timestamps are `yyyy-MM-dd HH:mm:ss.SSS`. Records end at LF. Fields of nested records are
//! columns of their own, named by their path, depth first.

use crate::encode_number::{write_float, write_signed, write_unsigned};
use crate::fields::FieldTree;
use crate::records::CellMemory;
use crate::time_text::write_timestamp;
use wide::u8x16;
use yeoul_frame::{Cell, Field, Schema};

/// Encodes records as CSV.
///
/// ```
/// use yeoul_formats::CsvEncoder;
/// use yeoul_frame::{Cell, DataType, Field};
///
/// let field = |name, data_type| Field { name, data_type, nullable: true };
/// let encoder = CsvEncoder::new(&[field("id", DataType::U64), field("note", DataType::Utf8)], b',');
/// let mut out = Vec::new();
/// encoder.header(&mut out);
/// encoder.encode_cells(&[Cell::U64(7), Cell::Str("say \"hi\"")], &mut out);
/// encoder.encode_cells(&[Cell::Null, Cell::Str("")], &mut out);
/// assert_eq!(out, b"id,note\n7,\"say \"\"hi\"\"\"\n,\"\"\n");
/// ```
#[derive(Debug)]
pub struct CsvEncoder {
    tree: FieldTree,
    delimiter: u8,
    memory: CellMemory,
}

impl CsvEncoder {
    /// An encoder of these fields with this delimiter.
    ///
    /// # Panics
    /// If two fields have the same path, or the delimiter is a quote, CR, LF or not ASCII.
    #[must_use]
    pub fn new(fields: &[Field], delimiter: u8) -> Self {
        let plain = delimiter.is_ascii() && !matches!(delimiter, b'"' | b'\r' | b'\n');
        assert!(plain, "a CSV delimiter is an ASCII byte other than quote, CR and LF");
        Self { tree: FieldTree::new(fields), delimiter, memory: CellMemory::default() }
    }

    /// An encoder of a record type's fields, with commas.
    #[must_use]
    pub fn of<T: Schema>() -> Self {
        Self::new(T::FIELDS, b',')
    }

    /// Appends the header: the fields' paths.
    pub fn header(&self, out: &mut Vec<u8>) {
        for (i, leaf) in self.tree.leaves.iter().enumerate() {
            if i > 0 {
                out.push(self.delimiter);
            }
            write_csv_text(out, &leaf.path, self.delimiter);
        }
        out.push(b'\n');
    }

    /// Appends a record. The schema must be the one that the encoder was made for.
    pub fn encode<T: Schema>(&mut self, record: &T::Archived, out: &mut Vec<u8>) {
        let mut cells = self.memory.take();
        T::cells(record, &mut cells);
        self.encode_cells(&cells, out);
        self.memory.give_back(cells);
    }

    /// Appends the record that these cells are, one a leaf, depth first.
    pub fn encode_cells(&self, cells: &[Cell<'_>], out: &mut Vec<u8>) {
        for (i, (cell, leaf)) in cells.iter().zip(&self.tree.leaves).enumerate() {
            if i > 0 {
                out.push(self.delimiter);
            }
            let start = out.len();
            match *cell {
                Cell::Null => {}
                Cell::Bool(true) => out.extend_from_slice(b"true"),
                Cell::Bool(false) => out.extend_from_slice(b"false"),
                Cell::I64(value) => write_signed(out, value),
                Cell::U64(value) => write_unsigned(out, value),
                Cell::Str(text) => write_csv_text(out, text, self.delimiter),
                Cell::Timestamp(time) => write_timestamp(out, time),
                Cell::F64(value) => {
                    if !write_float(out, value, leaf.kind) {
                        out.extend_from_slice(not_finite_name(value));
                    }
                }
            }
            if !matches!(cell, Cell::Str(_)) && out[start..].contains(&self.delimiter) {
                put_in_quotes(out, start);
            }
        }
        out.push(b'\n');
    }
}

/// What stands for a number that is not finite.
pub(crate) fn not_finite_name(value: f64) -> &'static [u8] {
    match value {
        value if value.is_nan() => b"NaN",
        value if value > 0.0 => b"Infinity",
        _ => b"-Infinity",
    }
}

/// Puts what was written from `start` on, and has no quotes in it, in quotes.
pub(crate) fn put_in_quotes(out: &mut Vec<u8>, start: usize) {
    out.insert(start, b'"');
    out.push(b'"');
}

/// Appends a text, in quotes if it needs them.
pub(crate) fn write_csv_text(out: &mut Vec<u8>, text: &str, delimiter: u8) {
    if !needs_quotes(text.as_bytes(), delimiter) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(quote) = memchr::memchr(b'"', rest) {
        out.extend_from_slice(&rest[..=quote]);
        out.push(b'"');
        rest = &rest[quote + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn needs_quotes(text: &[u8], delimiter: u8) -> bool {
    let set = [delimiter, b'"', b'\r', b'\n'];
    let (chunks, rest) = text.as_chunks::<16>();
    let any = |chunk: &[u8; 16]| {
        let lanes = u8x16::new(*chunk);
        set.iter().map(|&byte| lanes.simd_eq(u8x16::splat(byte))).reduce(|a, b| a | b).is_some_and(|found| found.any())
    };
    text.is_empty()
        || text.starts_with(crate::BYTE_ORDER_MARK)
        || chunks.iter().any(any)
        || rest.iter().any(|byte| set.contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use yeoul_frame::{DataType, Timestamp};

    #[test]
    fn text_is_quoted_only_if_it_must_be() {
        let encoder = CsvEncoder::new(&[Field { name: "t", data_type: DataType::Utf8, nullable: true }], b';');
        let long = "x".repeat(20);
        for (text, expected) in [
            ("plain, with comma", "plain, with comma"),
            ("", "\"\""),
            ("a;b", "\"a;b\""),
            ("a\"b", "\"a\"\"b\""),
            ("\r", "\"\r\""),
            (&format!("{long}\n{long}"), &format!("\"{long}\n{long}\"")),
            (&format!("{long}{long}"), &format!("{long}{long}")),
        ] {
            let mut out = Vec::new();
            encoder.encode_cells(&[Cell::Str(text)], &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), format!("{expected}\n"));
        }
    }

    #[test]
    fn values_that_hold_the_delimiter_are_quoted() {
        let fields = [
            Field { name: "n", data_type: DataType::I64, nullable: true },
            Field { name: "t", data_type: DataType::Timestamp, nullable: true },
            Field { name: "b", data_type: DataType::Bool, nullable: true },
        ];
        for (delimiter, expected) in [
            (b'-', "\"-5\"-\"1970-01-01 00:00:00.001\"-true\n--\n"),
            (b' ', "-5 \"1970-01-01 00:00:00.001\" true\n  \n"),
            (b'e', "-5e1970-01-01 00:00:00.001e\"true\"\nee\n"),
            (b';', "-5;1970-01-01 00:00:00.001;true\n;;\n"),
        ] {
            let (encoder, mut out) = (CsvEncoder::new(&fields, delimiter), Vec::new());
            encoder.encode_cells(&[Cell::I64(-5), Cell::Timestamp(Timestamp(1)), Cell::Bool(true)], &mut out);
            encoder.encode_cells(&[Cell::Null; 3], &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn values() {
        const INNER: &[Field] = &[Field { name: "y", data_type: DataType::Timestamp, nullable: false }];
        let fields = [
            Field { name: "x", data_type: DataType::F32, nullable: true },
            Field { name: "r", data_type: DataType::Record(INNER), nullable: true },
            Field { name: "b", data_type: DataType::Bool, nullable: true },
        ];
        let encoder = CsvEncoder::new(&fields, b',');
        let mut out = Vec::new();
        encoder.header(&mut out);
        encoder
            .encode_cells(&[Cell::F64(f64::from(0.1f32)), Cell::Timestamp(Timestamp(1)), Cell::Bool(false)], &mut out);
        encoder.encode_cells(&[Cell::F64(f64::NEG_INFINITY), Cell::Null, Cell::Null], &mut out);
        assert_eq!(out, b"x,r.y,b\n0.1,1970-01-01 00:00:00.001,false\n-Infinity,,\n");
    }
}
