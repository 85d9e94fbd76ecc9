//! Files as a source that can be read again from any record, and as a sink that shows each record once.
//!
//! The source takes a file, a glob or a folder, perhaps watched for new files; the sink leaves files that appear only
//! once their epochs are committed. Both reach files through the job's [`Services`](yeoul_operator::Services) alone, so
//! the simulator can stand in for the disk. How bytes become records is `yeoul-formats`.
//!
//! | module | what |
//! |---|---|
//! | [`source`] | [`FileSource`]: discovery, splits, exact offsets, malformed records |
//! | [`sink`] | [`FileSink`]: sealed epochs into parts, or into one file |
//! | `parquet` | the format of tables that is not text, if the feature of that name is on |

mod glob;
mod path;
pub mod source;
pub mod sink;
#[cfg(feature = "parquet")]
mod parquet;

pub use glob::BadGlob;
pub use sink::{ColumnLines, FileSink, MAX_AGE, Roll};

#[cfg(feature = "parquet")]
pub use parquet::{ParquetColumns, ParquetCompression, ParquetOptions, ParquetParts};
pub use source::{
    ColumnText, Compression, FileColumn, FileFact, FileSource, Line, MalformedRecord, OnMalformed, malformed_columns,
};
