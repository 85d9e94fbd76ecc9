//! Why a record could not be decoded, and where.

use std::fmt;

/// A record that cannot be decoded: where, why, and what stood there.
///
/// ```
/// use yeoul_frame::{DataType, Field};
/// let mut decoder = yeoul_formats::NdjsonDecoder::new(&[Field { name: "id", data_type: DataType::I64, nullable: false }]);
/// let error = decoder.decode_line(br#"{"id": 12x}"#, |_| ()).unwrap_err();
/// assert_eq!(error.column, 10);
/// assert_eq!(error.to_string(), "column 10: expected a comma or `}`, found `x}`");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Byte in the record, counted from 1.
    pub column: u64,
    /// The field whose value this is about, by its path, if it is about one.
    pub field: Option<String>,
    /// What is wrong.
    pub reason: Reason,
    /// The bytes at the column, at most [`FOUND_LIMIT`] of them, with what is not printable escaped. Empty at the
    /// record's end.
    pub found: String,
}

/// How many bytes of the input [`Malformed::found`] shows.
pub const FOUND_LIMIT: usize = 32;

/// What is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Something else had to stand here; the text says what, with its article.
    Expected(&'static str),
    /// The record ends although this is not complete.
    EndsInside(&'static str),
    /// A number does not fit the field's type, whose name this is.
    OutOfRange(&'static str),
    /// A string holds a raw byte below 0x20, which JSON wants escaped.
    ControlCharacter,
    /// A backslash is followed by none of `"\/bfnrtu`, or `\u` not by four hexadecimal digits.
    BadEscape,
    /// A `\u` escape is one half of a surrogate pair without the other.
    LoneSurrogate,
    /// A string that is used is not UTF-8.
    NotUtf8,
    /// Not `yyyy-MM-dd HH:mm:ss`, ISO-8601, or (in JSON) an integer of milliseconds.
    NotATimestamp,
    /// A key that is used stands in its object twice.
    Duplicate,
    /// Values are nested deeper than this limit.
    TooDeep(usize),
    /// A CSV record has another number of columns than its header or schema.
    ColumnCount {
        /// As many as the header or the schema has.
        expected: usize,
        /// As many as the record has.
        found: usize,
    },
    /// A JSON object lacks a key that is used, and that it was declared to have.
    MissingField,
    /// A CSV header lacks a column that the schema names.
    MissingColumn,
    /// A newline in a quoted CSV field, although the input was declared to have none.
    NewlineInQuotes,
    /// The record was read, but its values do not make a row of the schema; the text is the schema's reason.
    NotARow(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expected(what) => write!(f, "expected {what}"),
            Self::EndsInside(what) => write!(f, "the record ends inside {what}"),
            Self::OutOfRange(what) => write!(f, "the number does not fit {what}"),
            Self::ControlCharacter => f.write_str("a control character in a string must be escaped"),
            Self::BadEscape => f.write_str("not an escape that JSON knows"),
            Self::LoneSurrogate => f.write_str("half of a surrogate pair without the other half"),
            Self::NotUtf8 => f.write_str("the text is not UTF-8"),
            Self::NotATimestamp => {
                f.write_str("expected a timestamp such as `2026-01-01 10:15:00.000` or `2026-01-01T10:15:00Z`")
            }
            Self::Duplicate => f.write_str("the key stands twice in its object; which of the two is meant?"),
            Self::TooDeep(limit) => write!(f, "values are nested more than {limit} deep"),
            Self::ColumnCount { expected, found } => write!(f, "expected {expected} columns, the record has {found}"),
            Self::MissingField => f.write_str("the object lacks a key that it must have"),
            Self::MissingColumn => {
                f.write_str("the header has no such column; name the column in the header, or map columns by position")
            }
            Self::NewlineInQuotes => f.write_str(
                "a newline in a quoted field, though the input was declared to have none; read the file as one split",
            ),
            Self::NotARow(reason) => f.write_str(reason),
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}", self.column)?;
        if let Some(field) = &self.field {
            write!(f, ", field `{field}`")?;
        }
        write!(f, ": {}", self.reason)?;
        match self.found.as_str() {
            "" => f.write_str(", found the end of the record"),
            found => write!(f, ", found `{found}`"),
        }
    }
}

impl std::error::Error for Malformed {}

/// What the parsers return: places instead of text, so that it is cheap to make and small to pass.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Where in the window.
    pub(crate) at: usize,
    /// Which leaf of the schema, if the value of one is at fault.
    pub(crate) leaf: Option<u16>,
    pub(crate) reason: Reason,
    /// The window ends before the record does: with more input it may be well.
    pub(crate) incomplete: bool,
}

impl Fault {
    /// Boxed, so that a `Result` of a position stays in two registers.
    #[cold]
    #[inline(never)]
    pub(crate) fn new(at: usize, reason: Reason) -> Box<Self> {
        Box::new(Self { at, leaf: None, reason, incomplete: false })
    }

    #[cold]
    pub(crate) fn incomplete(at: usize, reason: Reason) -> Box<Self> {
        Box::new(Self { at, leaf: None, reason, incomplete: true })
    }

    #[cold]
    pub(crate) fn of(mut self: Box<Self>, leaf: u16) -> Box<Self> {
        self.leaf.get_or_insert(leaf);
        self
    }

    /// Tells the outside of it: `record` is the whole record without its line end, starting at `start` in the window.
    #[cold]
    pub(crate) fn report(self, record: &[u8], start: usize, path: impl Fn(u16) -> String) -> Malformed {
        let at = (self.at - start).min(record.len());
        let found = &record[at..record.len().min(at + FOUND_LIMIT)];
        let mut text = String::new();
        for chunk in found.utf8_chunks() {
            chunk
                .valid()
                .chars()
                .for_each(|c| if c.is_control() { text.extend(c.escape_default()) } else { text.push(c) });
            chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
        }
        Malformed { column: at as u64 + 1, field: self.leaf.map(path), reason: self.reason, found: text }
    }
}
