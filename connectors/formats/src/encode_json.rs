//! Records as NDJSON, from their cells.
//!
//! One object a line, keys in the order of the schema, LF after each. Nested records, and fields whose name is a path, are
//! nested objects; what the decoder of the same schema reads back is the same record. A nested record that may be null
//! and whose cells are all null is `null`. Timestamps are text, `yyyy-MM-dd HH:mm:ss.SSS`.

use crate::encode_number::{write_float, write_signed, write_unsigned};
use crate::fields::{FieldTree, Target};
use crate::records::CellMemory;
use crate::time_text::write_timestamp;
use std::fmt;
use wide::u8x16;
use yeoul_frame::{Cell, Field, Schema};

/// Encodes records as NDJSON.
///
/// ```
/// use yeoul_formats::NdjsonEncoder;
/// use yeoul_frame::{Cell, DataType, Field, Timestamp};
///
/// let field = |name, data_type| Field { name, data_type, nullable: true };
/// let fields = [field("id", DataType::U64), field("bid.text", DataType::Utf8), field("bid.at", DataType::Timestamp)];
/// let mut out = Vec::new();
/// let encoder = NdjsonEncoder::new(&fields);
/// encoder.encode_cells(&[Cell::U64(7), Cell::Str("a\"b"), Cell::Timestamp(Timestamp(1))], &mut out).unwrap();
/// assert_eq!(out, b"{\"id\":7,\"bid\":{\"text\":\"a\\\"b\",\"at\":\"1970-01-01 00:00:00.001\"}}\n");
/// ```
#[derive(Debug)]
pub struct NdjsonEncoder {
    tree: FieldTree,
    /// By object: each key with what stands before its value, and the target.
    objects: Vec<Vec<(Vec<u8>, Target)>>,
    memory: CellMemory,
}

/// A value that JSON has no way to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unencodable {
    /// The field's path.
    pub field: String,
    /// The value.
    pub value: String,
}

impl fmt::Display for Unencodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "field `{}` is {}, which JSON cannot write; map it to null or text before the sink",
            self.field, self.value
        )
    }
}

impl std::error::Error for Unencodable {}

impl NdjsonEncoder {
    /// An encoder of these fields.
    ///
    /// # Panics
    /// If two fields have the same path, or one is a value where another has an object.
    #[must_use]
    pub fn new(fields: &[Field]) -> Self {
        let tree = FieldTree::new(fields);
        let objects = tree.objects.iter().map(|object| {
            let keys = object.keys.iter().enumerate();
            keys.map(|(i, (key, target))| {
                let mut before = vec![if i == 0 { b'{' } else { b',' }];
                write_string(&mut before, key);
                before.push(b':');
                (before, *target)
            })
            .collect()
        });
        Self { objects: objects.collect(), memory: CellMemory::default(), tree }
    }

    /// An encoder of a record type's fields.
    #[must_use]
    pub fn of<T: Schema>() -> Self {
        Self::new(T::FIELDS)
    }

    /// Appends a record and a newline. The schema must be the one that the encoder was made for.
    ///
    /// # Errors
    /// A float that is not finite. Nothing of the record is appended then.
    pub fn encode<T: Schema>(&mut self, record: &T::Archived, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        let mut cells = self.memory.take();
        T::cells(record, &mut cells);
        let result = self.encode_cells(&cells, out);
        self.memory.give_back(cells);
        result
    }

    /// Appends the record that these cells are, one a leaf, depth first.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    ///
    /// # Panics
    /// If there are fewer cells than leaves.
    pub fn encode_cells(&self, cells: &[Cell<'_>], out: &mut Vec<u8>) -> Result<(), Unencodable> {
        let start = out.len();
        let result = self.object(0, cells, out);
        match result {
            Ok(()) => out.push(b'\n'),
            Err(_) => out.truncate(start),
        }
        result
    }

    fn object(&self, object: u16, cells: &[Cell<'_>], out: &mut Vec<u8>) -> Result<(), Unencodable> {
        let keys = &self.objects[usize::from(object)];
        for (before, target) in keys {
            out.extend_from_slice(before);
            match *target {
                Target::Leaf(leaf) => self.leaf(leaf, &cells[usize::from(leaf)], out)?,
                Target::Object(child) => {
                    if self.tree.objects[usize::from(child)].nullable && self.all_null(child, cells) {
                        out.extend_from_slice(b"null");
                    } else {
                        self.object(child, cells, out)?;
                    }
                }
            }
        }
        out.extend_from_slice(if keys.is_empty() { b"{}" } else { b"}" });
        Ok(())
    }

    fn all_null(&self, object: u16, cells: &[Cell<'_>]) -> bool {
        self.objects[usize::from(object)].iter().all(|(_, target)| match *target {
            Target::Leaf(leaf) => cells[usize::from(leaf)].is_null(),
            Target::Object(child) => self.all_null(child, cells),
        })
    }

    #[inline]
    fn leaf(&self, leaf: u16, cell: &Cell<'_>, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        match *cell {
            Cell::Null => out.extend_from_slice(b"null"),
            Cell::Bool(true) => out.extend_from_slice(b"true"),
            Cell::Bool(false) => out.extend_from_slice(b"false"),
            Cell::I64(value) => write_signed(out, value),
            Cell::U64(value) => write_unsigned(out, value),
            Cell::Str(text) => write_string(out, text),
            Cell::F64(value) => {
                let field = &self.tree.leaves[usize::from(leaf)];
                if !write_float(out, value, field.kind) {
                    return Err(Unencodable { field: field.path.clone(), value: value.to_string() });
                }
            }
            Cell::Timestamp(time) => {
                out.push(b'"');
                write_timestamp(out, time);
                out.push(b'"');
            }
        }
        Ok(())
    }
}

/// Appends a string with its quotes.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut written = 0;
    let (chunks, rest) = bytes.as_chunks::<16>();
    for (i, chunk) in chunks.iter().enumerate() {
        let lanes = u8x16::new(*chunk);
        let special = lanes.simd_eq(u8x16::splat(b'"'))
            | lanes.simd_eq(u8x16::splat(b'\\'))
            | lanes.min(u8x16::splat(0x1f)).simd_eq(lanes);
        let mut mask = special.to_bitmask();
        while mask != 0 {
            let at = 16 * i + mask.trailing_zeros() as usize;
            mask &= mask - 1;
            out.extend_from_slice(&bytes[written..at]);
            write_escape(out, bytes[at]);
            written = at + 1;
        }
    }
    for (i, &byte) in rest.iter().enumerate() {
        if matches!(byte, b'"' | b'\\' | 0..0x20) {
            let at = 16 * chunks.len() + i;
            out.extend_from_slice(&bytes[written..at]);
            write_escape(out, byte);
            written = at + 1;
        }
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

#[cold]
fn write_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            let hex = |digit: u8| b"0123456789abcdef"[usize::from(digit)];
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use yeoul_frame::DataType;

    const fn field(name: &'static str, data_type: DataType, nullable: bool) -> Field {
        Field { name, data_type, nullable }
    }

    fn check(fields: &[Field], cells: &[Cell<'_>], line: &str) {
        let mut out = Vec::new();
        NdjsonEncoder::new(fields).encode_cells(cells, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), format!("{line}\n"));
    }

    #[test]
    fn nested_records_and_nulls() {
        const INNER: &[Field] = &[field("x", DataType::I64, true), field("y.z", DataType::Bool, true)];
        let fields = [field("a", DataType::Record(INNER), true), field("b", DataType::Record(INNER), false)];
        let null = Cell::Null;
        check(&fields, &[null, null, null, null], r#"{"a":null,"b":{"x":null,"y":{"z":null}}}"#);
        let cells = [Cell::I64(-1), null, null, Cell::Bool(true)];
        check(&fields, &cells, r#"{"a":{"x":-1,"y":{"z":null}},"b":{"x":null,"y":{"z":true}}}"#);
        check(&[], &[], "{}");
    }

    #[test]
    fn strings_are_escaped_wherever_it_is_needed() {
        for lead in 0..40 {
            let pad = "é".repeat(lead);
            let text = format!("{pad}\"\\\u{1}\n\t\r\u{8}\u{c}\u{1f}{pad}\u{7f}");
            let line = format!("{{\"t\":\"{pad}\\\"\\\\\\u0001\\n\\t\\r\\b\\f\\u001f{pad}\u{7f}\"}}");
            check(&[field("t", DataType::Utf8, false)], &[Cell::Str(&text)], &line);
        }
    }

    #[test]
    fn what_json_cannot_write_is_refused_whole() {
        let encoder = NdjsonEncoder::new(&[field("a", DataType::I64, true), field("f", DataType::F64, true)]);
        let mut out = b"before".to_vec();
        let error = encoder.encode_cells(&[Cell::I64(1), Cell::F64(f64::NAN)], &mut out).unwrap_err();
        assert_eq!((error.field.as_str(), out.as_slice()), ("f", b"before".as_slice()));
    }
}
