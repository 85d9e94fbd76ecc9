//! Reads Parquet files: row group after row group, a frame at a time, only the leaves that a job uses.
//!
//! A row group belongs to the split in whose bytes it starts, so that no split needs to know of another. A split's position is the
//! number, in the file, of the row that comes next: the footer tells its row group, and what stands before it there is skipped,
//! by whole pages where their headers let it.
//!
//! Invariants:
//! 1. Each row group is in one split, and is read by the rows that the footer gives it, or the file is damaged.
//! 2. What is held of a file is its footer and, of each leaf that is read, a page and its dictionary.

use std::collections::VecDeque;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_schema::{FieldRef, Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use yeoul_formats::columns::UnfitColumns;
use yeoul_frame::Pool;
use yeoul_operator::{OperatorError, SourceContext, SplitId};
use yeoul_sys::File;

use super::bytes::FileBytes;
use super::fit::fit;
use super::types::{carries, meet};
use crate::source::file_columns::{FileColumn, FileColumns, FilePlan};
use crate::source::progress;
use crate::source::scan::{Input, Scan, Share, Turn};
use crate::{Compression, OnMalformed};

/// The columns of a table, read from Parquet files.
#[derive(Debug, Clone)]
pub struct ParquetColumns {
    /// The columns of the frames that are in the files.
    wanted: Arc<[FieldRef]>,
    used: Option<Arc<[Vec<String>]>>,
    about: Arc<FilePlan>,
}

impl ParquetColumns {
    pub(crate) fn new(
        table: &Schema,
        projection: Option<&[usize]>,
        used: Option<&[Vec<String>]>,
    ) -> Result<Self, UnfitColumns> {
        let all: Vec<usize> = (0..table.fields().len()).collect();
        let projection = projection.unwrap_or(&all);
        let wanted: Arc<[FieldRef]> = projection.iter().map(|&column| Arc::clone(&table.fields()[column])).collect();
        wanted.iter().try_for_each(|field| carries(field.data_type(), field.name()))?;
        let about = Arc::new(FilePlan::new(&Schema::new(wanted.to_vec()), Vec::new()));
        Ok(Self { wanted, used: used.map(Arc::from), about })
    }

    pub(crate) fn with_file_columns(self, columns: Vec<FileColumn>) -> Self {
        let about = Arc::new(FilePlan::new(&Schema::new(self.wanted.to_vec()), columns));
        Self { about, ..self }
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        self.about.schema()
    }
}

/// An open file, with what its footer says.
pub(crate) struct Footer {
    path: String,
    bytes: FileBytes,
    metadata: ArrowReaderMetadata,
    mask: ProjectionMask,
    groups: Vec<Group>,
}

/// A row group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Group {
    index: usize,
    /// Where its bytes start.
    start: u64,
    /// The number of its first row in the file.
    first: u64,
    /// The number of the row after its last.
    end: u64,
}

/// Frames of columns.
pub(crate) struct ParquetFrames {
    about: FileColumns,
    rows: usize,
}

/// A split that is being read.
pub(crate) struct InHand {
    id: SplitId,
    footer: Footer,
    /// Those not begun.
    groups: VecDeque<Group>,
    begun: Option<(Group, ParquetRecordBatchReader)>,
    /// The number of the row that comes next.
    position: u64,
}

impl Scan for ParquetColumns {
    type Frames = ParquetFrames;
    type Opened = Footer;
    type InHand = InHand;

    fn compression(&self, _: Compression, _: &str) -> Compression {
        Compression::Plain
    }

    fn is_divisible(&self) -> bool {
        true
    }

    fn may_be_empty(&self) -> bool {
        false
    }

    fn frames(&self, _: &Pool, rows: usize) -> ParquetFrames {
        ParquetFrames { about: FileColumns::new(Arc::clone(&self.about)), rows }
    }

    fn open(&self, input: Input<'_>, handle: Arc<dyn File>) -> Result<Footer, OperatorError> {
        let bytes = FileBytes { handle, len: input.identity.len };
        let options = || ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let incomplete = |cause: ParquetError| {
            damaged(input.path, &bytes, "is no whole Parquet file", &cause)
                .hint("was it copied while it was being written, or is it of another format? put the complete file in its place")
        };
        let own = guarded(|| ArrowReaderMetadata::load(&bytes, options())).map_err(incomplete)?;
        let groups = groups(own.metadata().row_groups(), own.metadata().file_metadata().num_rows(), bytes.len)
            .map_err(|reason| damaged(input.path, &bytes, "is damaged", &reason))?;
        let mismatch = |reason: String| {
            OperatorError::new(format!("the Parquet file '{}' is not of the table's form: {reason}", input.path))
                .hint("declare the column as it stands in the file, or leave it out of the table")
                .permanent()
        };
        let meeting = meet(&self.wanted, self.used.as_deref(), own.schema(), own.parquet_schema()).map_err(mismatch)?;
        let read = meeting.read.iter().enumerate().filter(|(_, read)| **read).map(|(leaf, _)| leaf);
        let mask = ProjectionMask::leaves(own.parquet_schema(), read);
        let options = options().with_schema(Arc::new(meeting.schema));
        let metadata = guarded(|| ArrowReaderMetadata::try_new(Arc::clone(own.metadata()), options))
            .map_err(|cause| mismatch(cause.to_string()))?;
        Ok(Footer { path: input.path.to_owned(), bytes, metadata, mask, groups })
    }

    fn handle(opened: &Footer) -> &Arc<dyn File> {
        &opened.bytes.handle
    }

    fn begin(
        &self,
        input: Input<'_>,
        share: Share,
        opened: Footer,
        frames: &mut ParquetFrames,
    ) -> Result<InHand, OperatorError> {
        frames.about.of_file(input);
        let mine = opened.groups.iter().copied().filter(|group| share.range.contains(&group.start));
        let mut groups: VecDeque<Group> = mine.collect();
        let (first, end) = (groups.front().map_or(0, |group| group.first), groups.back().map_or(0, |group| group.end));
        let position = share.from.unwrap_or(first);
        if !groups.is_empty() && !(first..=end).contains(&position) {
            return Err(OperatorError::new(format!(
                "rows {first} to {end} of the input file '{}' are to be read, and it was read up to row {position} before",
                input.path
            ))
            .hint("it is not the file that was read before; put that one back"));
        }
        groups.retain(|group| group.end > position);
        Ok(InHand { id: share.split, footer: opened, groups, begun: None, position })
    }

    fn turn(
        &self,
        split: &mut InHand,
        _: OnMalformed,
        frames: &mut ParquetFrames,
        cx: &mut SourceContext<'_>,
    ) -> Result<Turn, OperatorError> {
        let InHand { id, footer, groups, begun, position } = split;
        let broken = |reason: &dyn Display| damaged(&footer.path, &footer.bytes, "is damaged", reason);
        let (group, reader) = match begun {
            Some(begun) => begun,
            None => {
                let Some(group) = groups.pop_front() else { return Ok(Turn::Done) };
                *position = group.first.max(*position);
                let skipped = (*position - group.first) as usize;
                let reader = guarded(|| footer.reader(group, skipped, frames.rows)).map_err(|cause| broken(&cause))?;
                begun.insert((group, reader))
            }
        };
        let fewer = |position: u64| {
            let rows = (group.end - group.first, position - group.first);
            broken(&format_args!("row group {} has {} rows by its footer, and {} in it", group.index, rows.0, rows.1))
        };
        let next = guarded(|| reader.next().transpose().map_err(ParquetError::from)).map_err(|cause| broken(&cause))?;
        let Some(batch) = next.filter(|batch| batch.num_rows() > 0) else {
            if *position != group.end {
                return Err(fewer(*position));
            }
            *begun = None;
            return Ok(if groups.is_empty() { Turn::Done } else { Turn::More });
        };
        let rows = batch.num_rows();
        if *position + rows as u64 > group.end {
            return Err(fewer(*position + rows as u64));
        }
        let arrays = self.wanted.iter().map(|field| fit(batch.column_by_name(field.name()), field, rows));
        let arrays = arrays.collect::<Result<Vec<_>, _>>().map_err(|reason| {
            let (from, to) = (*position, *position + rows as u64);
            OperatorError::new(format!("rows {from} to {to} of the Parquet file '{}': {reason}", footer.path))
                .hint("declare the column so that all its values fit, or leave it out of the table")
                .permanent()
        })?;
        cx.emit(*id, frames.about.frame(arrays, rows));
        *position += rows as u64;
        Ok(Turn::More)
    }

    fn position(split: &InHand) -> u64 {
        split.position
    }

    fn end(split: InHand) -> Footer {
        split.footer
    }
}

impl Footer {
    fn reader(&self, group: Group, skipped: usize, rows: usize) -> Result<ParquetRecordBatchReader, ParquetError> {
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(self.bytes.clone(), self.metadata.clone())
            .with_row_groups(vec![group.index])
            .with_projection(self.mask.clone())
            .with_batch_size(rows);
        if skipped > 0 { reader.with_offset(skipped).build() } else { reader.build() }
    }
}

/// The row groups of a footer, if it can be true of a file of this length.
fn groups(of: &[RowGroupMetaData], rows: i64, len: u64) -> Result<Vec<Group>, String> {
    let mut groups = Vec::with_capacity(of.len());
    let mut first = 0u64;
    for (index, group) in of.iter().enumerate() {
        let odd = |what: &str| format!("row group {index} of its footer {what}");
        let count = u64::try_from(group.num_rows()).map_err(|_| odd("has fewer rows than none"))?;
        let mut start = len;
        for column in group.columns() {
            if column.file_path().is_some() {
                return Err(odd("lies in another file"));
            }
            let from = column.dictionary_page_offset().filter(|at| *at > 0).unwrap_or(column.data_page_offset());
            let place = u64::try_from(from).ok().zip(u64::try_from(column.compressed_size()).ok());
            let inside = place.filter(|(from, size)| from.checked_add(*size).is_some_and(|end| end <= len));
            start = start.min(inside.ok_or_else(|| odd("lies outside of the file"))?.0);
        }
        let end = first.checked_add(count).filter(|end| *end <= i64::MAX as u64);
        let end = end.ok_or_else(|| odd("has more rows than can be"))?;
        // One without columns would be in no split.
        groups.push(Group { index, start: start.min(len.saturating_sub(1)), first, end });
        first = end;
    }
    match u64::try_from(rows) == Ok(first) {
        true => Ok(groups),
        false => Err(format!("its footer says {rows} rows, and its row groups have {first}")),
    }
}

/// What the reader makes of damaged bytes, a panic included: it trusts some of what it reads, and what it holds is given up here.
fn guarded<T>(call: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(ParquetError::General(text.unwrap_or("it cannot be read").to_owned()))
    })
}

/// A file that says what cannot be; or that has been cut meanwhile, which looks the same.
fn damaged(path: &str, bytes: &FileBytes, how: &str, reason: &dyn Display) -> OperatorError {
    match bytes.handle.len() {
        Ok(len) if len < bytes.len => progress::cut(path, bytes.len),
        _ => OperatorError::new(format!("the input file '{path}' of {} bytes {how}: {reason}", bytes.len))
            .hint("put an undamaged file in its place and start again"),
    }
}
