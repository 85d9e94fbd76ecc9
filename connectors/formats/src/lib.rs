//! Text formats at the doors: bytes to cells to records, and back.
//!
//! The decoders are directed by a schema: they parse the fields that a job uses and step over the rest. They own no
//! file and no thread; a source hands them bytes and a row builder. No input makes them panic: what cannot be decoded is
//! a [`Malformed`] with its column.
//!
//! | module | what |
//! |---|---|
//! | [`boundary`] | where records start, for sources that read byte ranges |
//! | [`ndjson`], [`csv`], [`lines`] | the three decoders |
//! | [`records`] | bytes into frames: the entry that sources call |
//! | [`columns`], [`options`] | the same into Arrow columns, for SQL, with the options of a table |
//! | [`time_text`] | timestamps as text |
//! | [`encode_json`], [`encode_csv`] | the encoders |

pub mod boundary;
pub mod malformed;
pub mod fields;
mod marks;
mod window;
mod arena;
mod number;
mod decimal;
pub mod time_text;
mod calendar_text;
mod leaves;
mod kind;
mod json;
pub mod ndjson;
pub mod csv;
pub mod lines;
pub mod records;
mod type_name;
pub mod options;
pub mod columns;
pub mod encode_json;
pub mod encode_csv;
mod encode_number;

pub use csv::{CsvDecoder, CsvOptions, Header};
pub use encode_csv::CsvEncoder;
pub use encode_json::{NdjsonEncoder, Unencodable};
pub use lines::LineDecoder;
pub use malformed::{Malformed, Reason};
pub use ndjson::NdjsonDecoder;
pub use records::{BadRecord, Decoded, Receipt, RecordDecoder, TextDecoder, no_time};
pub use type_name::type_name;

/// Some writers put it before UTF-8 text, of which it is no part.
pub const BYTE_ORDER_MARK: &[u8; 3] = b"\xef\xbb\xbf";
