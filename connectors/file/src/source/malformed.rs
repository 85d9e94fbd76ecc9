//! What becomes of a record that cannot be decoded.

use yeoul_frame::record;

/// What to do with a record that cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnMalformed {
    /// Fail the job, with file, line and column.
    #[default]
    Fail,
    /// Send it to the error output as a [`MalformedRecord`], and go on with the next record.
    SideOutput,
}

/// A record that could not be decoded, where it stands, and why.
#[record]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MalformedRecord {
    /// The file's path.
    pub file: String,
    /// The line on which the record starts, counted from 1.
    pub line: u64,
    /// The byte in the record at which decoding failed, counted from 1.
    pub column: u64,
    /// Where the record starts: the bytes before it in the file, decompressed.
    pub offset: u64,
    /// What is wrong.
    pub reason: String,
    /// The record as it stands, without its line end. Bytes that are not UTF-8 are replaced by U+FFFD; the exact ones are
    /// in the file at `offset`.
    pub raw: String,
}

/// A line of a file, as it stands, without its line end.
#[record]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The text.
    pub text: String,
}
