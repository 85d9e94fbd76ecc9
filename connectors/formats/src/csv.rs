//! Comma-separated values as RFC 4180 has them, decoded by a schema.
//!
//! - A field in quotes may hold delimiters, newlines and doubled quotes. A quote within an unquoted field is refused: what
//!   it means differs between writers.
//! - An empty field without quotes is null; `""` is empty text. Nothing is trimmed.
//! - Records end at LF or CRLF. A CR alone is part of its field. Every record must have as many columns as the header, or
//!   as the schema where there is none or its names are not used. An empty line is no record, unless records have
//!   one column: then it is a null.
//! - Numbers are plain digits with an optional `-`; leading zeros are allowed. Floats may be `NaN`, `Infinity`, `-Infinity`.
//!   Booleans are `true` and `false` in any case. Timestamps are those of [`time_text`](crate::time_text). All may be quoted.
//! - A byte order mark at the start of a file is stepped over.
//!
//! The one thing that a decoder must know of a file beyond the bytes that it is given is the header, which stands at the
//! file's start only. A source that starts elsewhere gives it the file's head first: [`CsvDecoder::read_header`].

mod parser;

use crate::fields::FieldTree;
use crate::malformed::Malformed;
use crate::records::{
    BadRecord, CellReceiver, Decoded, Receipt, Receiver, RecordDecoder, RecordMemory, RecordParser, bad_record,
    each_record,
};
use crate::window::{WINDOW, WindowMemory, more_lines, whole_lines};
pub(crate) use parser::Nulls;
use parser::Parser;
use yeoul_frame::{Cell, Field, Schema};

/// How a CSV file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CsvOptions {
    /// Between fields. Not a quote, CR or LF.
    pub delimiter: u8,
    /// What the first record of a file is.
    pub header: Header,
    /// Whether a quoted field may hold newlines. If not, such a field is refused, and a file may be read in byte ranges; see
    /// [`boundary`](crate::boundary).
    pub newlines_in_quotes: bool,
}

impl Default for CsvOptions {
    /// Commas, a header whose names are used, newlines in quotes allowed.
    fn default() -> Self {
        Self { delimiter: b',', header: Header::Named, newlines_in_quotes: true }
    }
}

/// What the first record of a file is, and so how columns find their fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// Names: a field is the column with its path as name. Columns that no field names are stepped over; a field that
    /// no column names is an error, whether or not it may be null.
    Named,
    /// Names, but they are not used: fields are columns by position.
    Skipped,
    /// A record: fields are columns by position.
    Absent,
}

/// Decodes CSV by a schema. See the [module](self) for what it takes and refuses.
///
/// ```
/// use yeoul_formats::{CsvDecoder, CsvOptions, Receipt, RecordDecoder};
/// use yeoul_frame::{Cell, DataType, Field};
///
/// let fields = [
///     Field { name: "delay", data_type: DataType::I32, nullable: true },
///     Field { name: "airport", data_type: DataType::Utf8, nullable: false },
/// ];
/// let mut decoder = CsvDecoder::new(&fields, CsvOptions::default());
/// let mut rows = Vec::new();
/// let input = b"airport,carrier,delay\r\nEWR,UA,-4\r\n\"O\"\"HARE\",\"A,A\",\r\n";
/// let decoded = decoder.decode(input, true, |cells| {
///     rows.push(format!("{cells:?}"));
///     Receipt::Taken
/// });
/// assert_eq!(decoded.unwrap().consumed, input.len());
/// assert_eq!(rows, [r#"[I64(-4), Str("EWR")]"#, r#"[Null, Str("O\"HARE")]"#]);
/// ```
#[derive(Debug)]
pub struct CsvDecoder {
    reader: CsvReader,
    memory: RecordMemory,
}

/// What reads CSV, whatever becomes of the records.
#[derive(Debug)]
pub(crate) struct CsvReader {
    parser: Parser,
    windows: WindowMemory,
    /// Text is validated by whole windows rather than field by field.
    text: bool,
    /// The next byte is the first of a file.
    at_head: bool,
}

impl CsvDecoder {
    /// A decoder of these fields. It expects the start of a file.
    ///
    /// # Panics
    /// If two fields have the same path, or the delimiter is a quote, CR or LF.
    #[must_use]
    pub fn new(fields: &[Field], options: CsvOptions) -> Self {
        assert!(!matches!(options.delimiter, b'"' | b'\r' | b'\n'), "a CSV delimiter is no quote, CR or LF");
        let tree = FieldTree::new(fields);
        Self { memory: RecordMemory::new(tree.leaves.len()), reader: CsvReader::new(tree, options) }
    }

    /// A decoder of a record type's fields.
    #[must_use]
    pub fn of<T: Schema>(options: CsvOptions) -> Self {
        Self::new(T::FIELDS, options)
    }

    /// What is decoded next is the start of a file, as for a new decoder.
    pub fn begin_file(&mut self) {
        self.reader.at_head = true;
    }

    /// Reads the head of a file, a byte order mark and the header, of which `head` must be the start. Returns how many bytes
    /// that is, or `None` if `head` ends before the header does; `last` says that nothing follows `head`.
    ///
    /// After this, decoding goes on at any record of the file. Where decoding begins at the file's start, there is no need
    /// to call it.
    ///
    /// # Errors
    /// A header that is malformed, or that does not fit the schema.
    pub fn read_header(&mut self, head: &[u8], last: bool) -> Result<Option<usize>, Malformed> {
        self.reader.read_header(head, last)
    }
}

impl RecordDecoder for CsvDecoder {
    fn decode(
        &mut self,
        bytes: &[u8],
        last: bool,
        receive: impl FnMut(&[Cell<'_>]) -> Receipt,
    ) -> Result<Decoded, BadRecord> {
        self.reader.read(bytes, last, &mut CellReceiver { memory: &mut self.memory, receive })
    }
}

impl CsvReader {
    pub(crate) fn new(tree: FieldTree, options: CsvOptions) -> Self {
        let (windows, text) = (WindowMemory::default(), tree.has_text());
        Self { windows, text, parser: Parser::new(tree, options), at_head: true }
    }

    /// A table's columns are these leaves, by position, unless a header names them.
    pub(crate) fn with_columns(mut self, leaves: &[Option<u16>], nulls: Nulls) -> Self {
        self.parser = self.parser.with_columns(leaves, nulls);
        self
    }

    /// See [`CsvDecoder::read_header`].
    pub(crate) fn read_header(&mut self, head: &[u8], last: bool) -> Result<Option<usize>, Malformed> {
        const MARK: &[u8] = crate::BYTE_ORDER_MARK;
        if head.len() < MARK.len() && MARK.starts_with(head) && !last {
            return Ok(None);
        }
        let mark = if head.starts_with(MARK) { MARK.len() } else { 0 };
        if self.parser.options.header == Header::Absent {
            self.at_head = false;
            return Ok(Some(mark));
        }
        let head = &head[mark..];
        if head.is_empty() && last {
            // An empty file: no header and no records.
            return Ok(Some(mark));
        }
        let mut next = whole_lines(head, 1, last);
        while let Some(len) = next {
            let parser = &mut self.parser;
            let window = self.windows.open(head, len, true, |marks, bytes, len| parser.mark(marks, bytes, len));
            match parser.header(window) {
                Ok(end) => {
                    self.at_head = false;
                    return Ok(Some(mark + end.min(len)));
                }
                Err(fault) if fault.incomplete && !(last && len == head.len()) => next = more_lines(head, len, last),
                Err(fault) => return Err(fault.report(&window.bytes[..len], 0, |leaf| parser.path(leaf))),
            }
        }
        Ok(None)
    }

    #[inline]
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
        last: bool,
        receiver: &mut impl Receiver,
    ) -> Result<Decoded, BadRecord> {
        let mut done = Decoded { consumed: 0, records: 0, full: false };
        if self.at_head {
            match self.read_header(bytes, last) {
                Ok(Some(len)) => done.consumed = len,
                Ok(None) => return Ok(done),
                Err(malformed) => {
                    let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |newline| newline + 1);
                    return Err(BadRecord { records: 0, bytes: 0..end, malformed });
                }
            }
        }
        let mut next = whole_lines(&bytes[done.consumed..], WINDOW, last);
        while let Some(len) = next.filter(|_| done.consumed < bytes.len() && !done.full) {
            let rest = &bytes[done.consumed..];
            let parser = &mut self.parser;
            let window = self.windows.open(rest, len, self.text, |marks, bytes, len| parser.mark(marks, bytes, len));
            match each_record(parser, window, receiver) {
                Ok(step) => done = done.and(step),
                Err((at, records, fault)) => {
                    // What is wrong with a record may stand before a quoted field that goes on after the window: the record
                    // is not cut there, since the rest of it would be read as records of its own.
                    let end = parser.end(&window, at);
                    let incomplete = end.as_ref().is_err_and(|fault| fault.incomplete);
                    if !incomplete || (last && len == rest.len()) {
                        let end = end.map_err(|fault| fault.at);
                        return Err(bad_record(parser, window, done, (at, records, fault), end));
                    }
                    done = done.and(Decoded { consumed: at, records, full: false });
                    if at == 0 {
                        // One record fills the window; any other comes first in the next.
                        next = more_lines(rest, len, last);
                        continue;
                    }
                }
            }
            next = whole_lines(&bytes[done.consumed..], WINDOW, last);
        }
        Ok(done)
    }
}
