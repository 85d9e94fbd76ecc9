//! An open Parquet file: what its footer says, held against what can be, and readers of its row groups.
//!
//! Invariants:
//! 1. The crate is given no footer that [`thrift`] has not passed.
//! 2. Of a frame the bytes are about [`FRAME_BYTES`] by what the footer says of its row group, or it is of one row.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_schema::FieldRef;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Compression as Codec;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{FooterTail, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::reader::ChunkReader;
use yeoul_operator::OperatorError;

use super::bytes::FileBytes;
use super::thrift::{self, Fault};
use super::types::meet;
use crate::source::progress;
use crate::source::scan::Input;

/// How long a footer may be; usual are some KiB, and some MiB for thousands of columns.
const FOOTER_LIMIT: u64 = 64 << 20;
/// How many bytes the values of a frame have, where that is fewer rows than a frame may have: so large values do not fill the rings.
const FRAME_BYTES: u64 = 1 << 20;
/// What an element takes in memory at least, though a file may hold it in a few bits.
const ELEMENT_BYTES: u64 = 8;

/// An open file, with what its footer says.
pub(crate) struct Footer {
    pub(super) path: String,
    pub(super) bytes: FileBytes,
    metadata: ArrowReaderMetadata,
    mask: ProjectionMask,
    /// By column of the table: whether it is text of which nobody has seen yet that it is any.
    pub(super) unchecked: Vec<bool>,
    pub(super) groups: Vec<Group>,
}

/// A row group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) index: usize,
    /// The number of its first row in the file.
    pub(super) first: u64,
    /// The number of the row after its last.
    pub(super) end: u64,
}

impl Footer {
    pub(super) fn open(
        input: Input<'_>,
        bytes: FileBytes,
        wanted: &[FieldRef],
        used: Option<&[Vec<String>]>,
    ) -> std::result::Result<Self, OperatorError> {
        let options = || ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let incomplete = |cause: ParquetError| {
            damaged(input.path, &bytes, "is no whole Parquet file", &cause)
                .hint("was it copied while it was being written, or is it of another format? put the complete file in its place: nothing of it has been read")
        };
        let own = guarded(ParquetError::General, || ArrowReaderMetadata::try_new(Arc::new(load(&bytes)?), options()))
            .map_err(incomplete)?;
        let groups = groups(own.metadata().row_groups(), own.metadata().file_metadata().num_rows(), bytes.len)
            .map_err(|reason| damaged(input.path, &bytes, "is damaged", &reason))?;
        let mismatch = |reason: String| {
            OperatorError::new(format!("the Parquet file '{}' is not of the table's form: {reason}", input.path))
                .hint("declare the column as it stands in the file, or leave it out of the table")
                .permanent()
        };
        let meeting = meet(wanted, used, own.schema(), own.parquet_schema()).map_err(mismatch)?;
        let read = meeting.read.iter().enumerate().filter(|(_, read)| **read).map(|(leaf, _)| leaf);
        let mask = ProjectionMask::leaves(own.parquet_schema(), read);
        if let Some((column, codec)) = unknown_codec(own.metadata(), &mask) {
            return Err(OperatorError::new(format!(
                "column `{column}` of the Parquet file '{}' is compressed with {codec}, which is not there",
                input.path
            ))
            .hint("write the file with snappy, gzip, zstd or lz4, or leave the column out of the table")
            .permanent());
        }
        let options = options().with_schema(Arc::new(meeting.schema));
        let metadata =
            guarded(ParquetError::General, || ArrowReaderMetadata::try_new(Arc::clone(own.metadata()), options))
                .map_err(|cause| mismatch(cause.to_string()))?;
        Ok(Self { path: input.path.to_owned(), bytes, metadata, mask, unchecked: meeting.unchecked, groups })
    }

    /// The row groups of one of `count` splits. They stay in their order, and consecutive ones go to consecutive splits, of which
    /// each has as many as any other, or one more: where their bytes lie says nothing.
    pub(super) fn share(&self, split: u64, count: u64) -> impl Iterator<Item = Group> + '_ {
        let groups = self.groups.len() as u64;
        let split_of = move |index: u64| if groups <= count { index } else { index * count / groups };
        self.groups.iter().copied().filter(move |group| split_of(group.index as u64) == split)
    }

    /// Reads a row group without its first `skipped` rows, in frames of at most `most` rows.
    pub(super) fn reader(&self, group: Group, skipped: usize, most: usize) -> Result<ParquetRecordBatchReader> {
        let of = self.metadata.metadata().row_group(group.index);
        let read = of.columns().iter().enumerate().filter(|(leaf, _)| self.mask.leaf_included(*leaf));
        let bytes = read.map(|(_, column)| {
            let values = u64::try_from(column.num_values()).unwrap_or(0).saturating_mul(ELEMENT_BYTES);
            values.max(u64::try_from(column.uncompressed_size()).unwrap_or(0))
        });
        let bytes = bytes.fold(1, u64::saturating_add);
        let rows = FRAME_BYTES.saturating_mul(group.end - group.first) / bytes;
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(self.bytes.clone(), self.metadata.clone())
            .with_row_groups(vec![group.index])
            .with_projection(self.mask.clone())
            .with_batch_size(rows.clamp(1, most as u64) as usize);
        if skipped > 0 { reader.with_offset(skipped).build() } else { reader.build() }
    }
}

/// Reads the footer, and looks at it before the crate does.
fn load(bytes: &FileBytes) -> Result<ParquetMetaData> {
    let short = || ParquetError::EOF(format!("a file of {} bytes has no room for its footer", bytes.len));
    let end = bytes.len.checked_sub(8).ok_or_else(short)?;
    let tail = FooterTail::try_from(&bytes.get_bytes(end, 8)?[..])?;
    if tail.is_encrypted_footer() {
        return Err(ParquetError::NYI("its footer is encrypted".to_owned()));
    }
    let len = tail.metadata_length() as u64;
    if len > FOOTER_LIMIT {
        return Err(ParquetError::General(format!("its footer has {len} bytes, and the limit is {FOOTER_LIMIT}")));
    }
    let footer = bytes.get_bytes(end.checked_sub(len).ok_or_else(short)?, len as usize)?;
    thrift::footer(&footer).map_err(|fault| match fault {
        Fault::Short => ParquetError::EOF("its footer ends too early".to_owned()),
        Fault::Odd(reason) => ParquetError::General(reason),
    })?;
    ParquetMetaDataReader::decode_metadata(&footer)
}

/// A column that is read and compressed in a way that nobody here knows.
fn unknown_codec(metadata: &ParquetMetaData, mask: &ProjectionMask) -> Option<(String, &'static str)> {
    let columns = metadata.row_groups().iter().flat_map(|group| group.columns().iter().enumerate());
    columns.filter(|(leaf, _)| mask.leaf_included(*leaf)).find_map(|(_, column)| {
        let codec = match column.compression() {
            Codec::BROTLI(_) => "BROTLI",
            Codec::LZO => "LZO",
            Codec::UNCOMPRESSED | Codec::SNAPPY | Codec::GZIP(_) | Codec::ZSTD(_) | Codec::LZ4 | Codec::LZ4_RAW => {
                return None;
            }
        };
        Some((column.column_path().string(), codec))
    })
}

/// The row groups of a footer, if it can be true of a file of this length.
fn groups(of: &[RowGroupMetaData], rows: i64, len: u64) -> std::result::Result<Vec<Group>, String> {
    let mut groups = Vec::with_capacity(of.len());
    let mut first = 0u64;
    for (index, group) in of.iter().enumerate() {
        let odd = |what: &str| format!("row group {index} of its footer {what}");
        let count = u64::try_from(group.num_rows()).map_err(|_| odd("has fewer rows than none"))?;
        if group.columns().is_empty() && count > 0 {
            return Err(odd("has rows without columns"));
        }
        for column in group.columns() {
            if column.file_path().is_some() {
                return Err(odd("lies in another file"));
            }
            let from = column.dictionary_page_offset().filter(|at| *at > 0).unwrap_or(column.data_page_offset());
            let place = u64::try_from(from).ok().zip(u64::try_from(column.compressed_size()).ok());
            let inside = place.is_some_and(|(from, size)| from.checked_add(size).is_some_and(|end| end <= len));
            if !inside {
                return Err(odd("lies outside of the file"));
            }
        }
        let end = first.checked_add(count).filter(|end| *end <= i64::MAX as u64);
        let end = end.ok_or_else(|| odd("has more rows than can be"))?;
        groups.push(Group { index, first, end });
        first = end;
    }
    match u64::try_from(rows) == Ok(first) {
        true => Ok(groups),
        false => Err(format!("its footer says {rows} rows, and its row groups have {first}")),
    }
}

/// What is made of damaged bytes, a panic included: the crate trusts some of what it reads, and what it holds is given up here.
pub(super) fn guarded<T, E>(
    error: impl FnOnce(String) -> E,
    call: impl FnOnce() -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(error(text.unwrap_or("it cannot be read").to_owned()))
    })
}

/// A file that says what cannot be; or that has been cut meanwhile, which looks the same.
pub(super) fn damaged(path: &str, bytes: &FileBytes, how: &str, reason: &dyn Display) -> OperatorError {
    match bytes.handle.len() {
        Ok(len) if len < bytes.len => progress::cut(path, bytes.len),
        _ => OperatorError::new(format!("the input file '{path}' of {} bytes {how}: {reason}", bytes.len)).hint(
            "put an undamaged file in its place: the job goes on with it if no checkpoint has a part of this one, and is to be started afresh if one has",
        ),
    }
}
