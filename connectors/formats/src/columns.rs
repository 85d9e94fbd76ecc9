//! Text to columns: the decoders, filling Arrow arrays in place of rows.
//!
//! A [`ColumnPlan`] says which columns of a table, and which fields in them, a job uses; a [`ColumnDecoder`] reads those and
//! steps over the rest by the same walk as the row decoders; a [`ColumnBuilder`] holds the columns of one frame.
//!
//! In place of rows' types there are SQL's: besides numbers, flags, text (`Utf8View`) and TIMESTAMP(3) also DATE, TIME, DECIMAL,
//! ROW and ARRAY of what is not nested. Where Flink's formats convert text to numbers and anything to text, these do.
//!
//! ```
//! use std::sync::Arc;
//! use arrow_array::{Int64Array, StringViewArray};
//! use arrow_schema::{DataType, Field, Schema};
//! use yeoul_formats::columns::{ColumnBuilder, ColumnPlan, JsonOptions, TextFormat};
//!
//! let table = Schema::new(vec![
//!     Field::new("id", DataType::Int64, true),
//!     Field::new("name", DataType::Utf8View, true),
//!     Field::new("note", DataType::Utf8View, true),
//! ]);
//! let plan = Arc::new(ColumnPlan::new(&table, Some(&[0, 1]), None)?);
//! let mut decoder = TextFormat::Json(JsonOptions::default()).decoder(&plan)?;
//! let mut columns = ColumnBuilder::new(plan, 1024, false);
//! let text = b"{\"id\": 1, \"name\": \"Boise\", \"note\": \"?\"}\n{\"id\": 2}\n";
//! assert_eq!(decoder.decode(text, true, &mut columns)?.records, 2);
//! let frame = columns.finish();
//! let columns = frame.columns().unwrap();
//! assert_eq!(columns.array::<Int64Array>(0).unwrap(), &Int64Array::from(vec![1, 2]));
//! assert_eq!(columns.array::<StringViewArray>(1).unwrap(), &StringViewArray::from(vec![Some("Boise"), None]));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod builder;
mod column;
mod encode;
mod format;
mod plan;
mod view;

pub use builder::ColumnBuilder;
pub use encode::{ColumnEncoder, FrameEncoder, Style};
pub use format::{CsvTableOptions, JsonOptions, TextFormat, TimestampForm};
pub use plan::{ColumnPlan, UnfitColumns, unused_column};

use crate::csv::CsvReader;
use crate::lines::LineDecoder;
use crate::malformed::Malformed;
use crate::ndjson::NdjsonReader;
use crate::records::{BadRecord, Decoded, Receipt, RecordDecoder};
use yeoul_frame::Cell;

/// Decodes records into columns. Made by [`TextFormat::decoder`].
#[derive(Debug)]
pub struct ColumnDecoder(Reader);

#[derive(Debug)]
enum Reader {
    Ndjson(NdjsonReader),
    Csv(CsvReader),
    Lines(LineDecoder),
}

impl ColumnDecoder {
    /// Decodes records from `bytes`, whose first byte starts a record, until `out` is full or no whole record is left. A record
    /// without a line end counts as whole only if `last` says that nothing follows `bytes`.
    ///
    /// # Errors
    /// The first record that cannot be decoded. Those before it are in `out`.
    #[inline]
    pub fn decode(&mut self, bytes: &[u8], last: bool, out: &mut ColumnBuilder) -> Result<Decoded, BadRecord> {
        match &mut self.0 {
            Reader::Ndjson(reader) => reader.read(bytes, last, out),
            Reader::Csv(reader) => reader.read(bytes, last, out),
            Reader::Lines(lines) => lines.decode(bytes, last, |cells| {
                if out.is_full() {
                    return Receipt::Full;
                }
                if let [Cell::Str(line)] = cells {
                    out.push_line(line);
                }
                Receipt::Taken
            }),
        }
    }

    /// Reads the head of a file, of which `head` must be the start, as far as the format has one: its length, or `None` if
    /// more of the file is needed for that.
    ///
    /// # Errors
    /// A header that does not fit the table.
    pub fn read_header(&mut self, head: &[u8], last: bool) -> Result<Option<usize>, Malformed> {
        match &mut self.0 {
            Reader::Csv(reader) => reader.read_header(head, last),
            Reader::Ndjson(_) | Reader::Lines(_) => Ok(Some(0)),
        }
    }
}
