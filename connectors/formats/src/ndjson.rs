//! One JSON object a line (NDJSON, JSON Lines), decoded as far as a schema asks.
//!
//! - A field is found by its path; `bid.price` is in the object at `bid`. A path that is missing, or that ends at a null,
//!   is null. Keys are compared byte by byte, after unescaping.
//! - Integers must be written as integers and fit their field. Floats are the nearest value of their width; one that
//!   would be infinite is refused. Timestamps are text (see [`time_text`](crate::time_text)) or an integer of
//!   milliseconds. There is no coercion between text and numbers.
//! - A key that is used and stands twice in its object is an error, since either choice would drop a value silently.
//! - Empty lines, and lines of nothing but blanks, are no records. CRLF ends a line as LF does. A byte order mark before a
//!   record is stepped over.
//!
//! What is not used is held to the grammar of RFC 8259 as well, at any depth up to 128, except that in strings that are
//! not used, keys among them, escapes are not checked for being known nor bytes for being UTF-8, and that keys that are
//! not used may stand twice. So a truncated or garbled line is an error whichever fields a job uses.
//!
//! Speed comes from guessing: see `json/script.rs` for keys, and `window.rs` for strings.

use crate::fields::FieldTree;
use crate::json::{JsonState, Walk};
use crate::leaves::Leaves;
use crate::malformed::{Fault, Malformed};
use crate::marks::Marks;
use crate::records::{
    BadRecord, CellReceiver, Decoded, Receipt, Receiver, RecordDecoder, RecordMemory, RecordParser, bad_record,
    each_record,
};
use crate::window::{WINDOW, Window, WindowMemory, whole_lines};
use yeoul_frame::{Cell, Field, Schema};

/// Decodes NDJSON by a schema. See the [module](self) for what it takes and refuses.
///
/// ```
/// use yeoul_formats::NdjsonDecoder;
/// use yeoul_frame::{Cell, DataType, Field};
///
/// let fields = [
///     Field { name: "bid.price", data_type: DataType::I64, nullable: true },
///     Field { name: "kind", data_type: DataType::Utf8, nullable: false },
/// ];
/// let mut decoder = NdjsonDecoder::new(&fields);
/// let line = br#"{"kind": "b\u00efd", "tags": ["x", {"y": 1}], "bid": {"auction": 7, "price": 1200}}"#;
/// let record = decoder.decode_line(line, |cells| assert_eq!(cells, [Cell::I64(1200), Cell::Str("bïd")])).unwrap();
/// assert!(record.is_some());
/// assert!(decoder.decode_line(b"   ", |_| ()).unwrap().is_none(), "a blank line is no record");
/// ```
#[derive(Debug)]
pub struct NdjsonDecoder {
    reader: NdjsonReader,
    memory: RecordMemory,
}

/// What reads NDJSON, whatever becomes of the records.
#[derive(Debug)]
pub(crate) struct NdjsonReader {
    parser: Parser,
    windows: WindowMemory,
    /// Text is validated by whole windows rather than string by string.
    text: bool,
}

/// What belongs to the format, apart from what belongs to one call.
#[derive(Debug)]
struct Parser {
    tree: FieldTree,
    state: JsonState,
}

impl RecordParser for Parser {
    #[inline]
    fn record<'a, L: Leaves<'a>>(
        &mut self,
        window: Window<'a>,
        at: usize,
        leaves: &mut L,
    ) -> Result<(usize, bool), Box<Fault>> {
        Walk::new(window, leaves, &mut self.state).record(at)
    }

    fn path(&self, leaf: u16) -> String {
        self.tree.leaves[usize::from(leaf)].path.clone()
    }
}

impl NdjsonDecoder {
    /// A decoder of these fields. Dots in a name go into nested objects; see the [module](self).
    ///
    /// # Panics
    /// If two fields have the same path, or one is a value where another has an object.
    #[must_use]
    pub fn new(fields: &[Field]) -> Self {
        let tree = FieldTree::new(fields);
        Self { memory: RecordMemory::new(tree.leaves.len()), reader: NdjsonReader::new(tree) }
    }

    /// A decoder of a record type's fields.
    #[must_use]
    pub fn of<T: Schema>() -> Self {
        Self::new(T::FIELDS)
    }

    /// Decodes one line, with or without its line end, and gives the cells to `read`, one a leaf of the schema, depth
    /// first. `None` if the line is blank.
    ///
    /// # Errors
    /// What is wrong with the line.
    pub fn decode_line<R>(&mut self, line: &[u8], read: impl FnOnce(&[Cell<'_>]) -> R) -> Result<Option<R>, Malformed> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let NdjsonReader { parser, windows, text } = &mut self.reader;
        let window = windows.open(line, line.len(), *text, Marks::json);
        let result = self.memory.with(|leaves| {
            let (end, found) = parser.record(window, 0, leaves)?;
            if end <= line.len() {
                return Err(Fault::new(end - 1, crate::Reason::Expected("one record, not several lines")));
            }
            Ok(found.then(|| read(leaves.cells)))
        });
        result.map_err(|fault: Box<Fault>| fault.report(line, 0, |leaf| parser.path(leaf)))
    }
}

impl RecordDecoder for NdjsonDecoder {
    fn decode(
        &mut self,
        bytes: &[u8],
        last: bool,
        receive: impl FnMut(&[Cell<'_>]) -> Receipt,
    ) -> Result<Decoded, BadRecord> {
        self.reader.read(bytes, last, &mut CellReceiver { memory: &mut self.memory, receive })
    }
}

impl NdjsonReader {
    pub(crate) fn new(tree: FieldTree) -> Self {
        let parser = Parser { state: JsonState::new(&tree), tree };
        Self { windows: WindowMemory::default(), text: parser.tree.has_text(), parser }
    }

    /// A used key that is missing in an object that is there makes its record malformed, and is not null.
    pub(crate) fn all_keys(mut self, all: bool) -> Self {
        self.parser.state.all_keys = all;
        self
    }

    #[inline]
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
        last: bool,
        receiver: &mut impl Receiver,
    ) -> Result<Decoded, BadRecord> {
        let mut done = Decoded { consumed: 0, records: 0, full: false };
        while done.consumed < bytes.len() && !done.full {
            let rest = &bytes[done.consumed..];
            let Some(len) = whole_lines(rest, WINDOW, last) else { break };
            let window = self.windows.open(rest, len, self.text, Marks::json);
            match each_record(&mut self.parser, window, receiver) {
                Ok(step) => done = done.and(step),
                Err(fault) => {
                    // Every newline ends a record.
                    let from = Err(fault.2.at);
                    return Err(bad_record(&self.parser, window, done, fault, from));
                }
            }
        }
        Ok(done)
    }
}
