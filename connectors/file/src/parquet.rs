//! Parquet: a format of columns, whose files are whole only at their end.
//!
//! As a source, a file has as many splits as if it were text, over which its row groups are spread; a position is a row's number in its
//! file. As a sink, an instance makes one file of each epoch, since no file can be gone on with. Types are
//! Flink's, as its format writes them; INT96 is read and not written.
//!
//! | module | what |
//! |---|---|
//! | [`options`] | Flink's options |
//! | [`types`] | which types are carried, and how a file's schema and a table's meet |
//! | [`fit`], [`place`] | a file's arrays become a table's, by name; a query's become those that are written, by place |
//! | [`thrift`], [`bytes`] | what a file says is looked at before it is believed; its bytes as the crate wants them |
//! | [`footer`], [`read`] | reading |
//! | [`write`] | writing |

mod bytes;
mod fit;
mod footer;
mod options;
mod place;
mod read;
mod thrift;
mod types;
mod write;
#[cfg(test)]
pub(crate) mod sample;

pub use options::{ParquetCompression, ParquetOptions};
pub use read::ParquetColumns;
pub use write::ParquetParts;
