//! Raw lines: each line is a record of one text field.
//!
//! A line ends at LF or CRLF, which do not belong to it. An empty line is a record with empty text; only the nothing after
//! the last line end is none. Text must be UTF-8.

use crate::malformed::{Fault, Reason};
use crate::records::{BadRecord, Decoded, Receipt, RecordDecoder};
use memchr::memchr;
use yeoul_frame::{Cell, DataType, Field, Schema};

/// Decodes lines into records whose only field is text.
#[derive(Debug)]
pub struct LineDecoder(());

impl LineDecoder {
    /// A decoder of records with this schema.
    ///
    /// # Panics
    /// If the schema is not one field of text.
    #[must_use]
    pub fn new(fields: &[Field]) -> Self {
        let text = matches!(fields, [Field { data_type: DataType::Utf8, .. }]);
        assert!(text, "raw lines fill records of one text field, not {fields:?}");
        Self(())
    }

    /// A decoder of a record type.
    #[must_use]
    pub fn of<T: Schema>() -> Self {
        Self::new(T::FIELDS)
    }
}

impl RecordDecoder for LineDecoder {
    fn decode(
        &mut self,
        bytes: &[u8],
        last: bool,
        mut receive: impl FnMut(&[Cell<'_>]) -> Receipt,
    ) -> Result<Decoded, BadRecord> {
        let mut done = Decoded { consumed: 0, records: 0, full: false };
        while done.consumed < bytes.len() {
            let rest = &bytes[done.consumed..];
            let (line, len) = match memchr(b'\n', rest) {
                Some(newline) => (&rest[..newline], newline + 1),
                None if last => (rest, rest.len()),
                None => break,
            };
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let fault = match std::str::from_utf8(line) {
                Ok(text) => match receive(&[Cell::Str(text)]) {
                    Receipt::Taken => {
                        done = done.and(Decoded { consumed: len, records: 1, full: false });
                        continue;
                    }
                    Receipt::Full => return Ok(Decoded { full: true, ..done }),
                    Receipt::Refused(reason) => Fault::new(0, Reason::NotARow(reason)),
                },
                Err(error) => Fault::new(error.valid_up_to(), Reason::NotUtf8),
            };
            let malformed = fault.report(line, 0, |_| String::new());
            return Err(BadRecord { records: done.records, bytes: done.consumed..done.consumed + len, malformed });
        }
        Ok(done)
    }
}
