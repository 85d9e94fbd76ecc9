//! Reads Parquet files: row group after row group, a frame at a time, only the leaves that a job uses.
//!
//! Row groups fall to a file's splits by their numbers, so that no split needs to know of another. A split's position is the
//! number, in the file, of the row that comes next: the footer tells its row group, and what stands before it there is skipped,
//! by whole pages where their headers let it.
//!
//! Invariants:
//! 1. Each row group is in one split, and is read by the rows that the footer gives it, or the file is damaged.
//! 2. What is held of a file is its footer and, of each leaf that is read, a page and its dictionary.

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::Arc;

use arrow_schema::{FieldRef, Schema, SchemaRef};
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::errors::ParquetError;
use yeoul_formats::columns::UnfitColumns;
use yeoul_frame::Pool;
use yeoul_operator::{OperatorError, SourceContext, SplitId};
use yeoul_sys::File;

use super::bytes::FileBytes;
use super::fit::{Text, fit};
use super::footer::{Footer, Group, damaged, guarded};
use super::types::carries;
use crate::source::file_columns::{FileColumn, FileColumns, FilePlan};
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
        Footer::open(input, bytes, &self.wanted, self.used.as_deref())
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
        let mut groups: VecDeque<Group> = opened.share(share.number, share.count).collect();
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
                let reader = guarded(ParquetError::General, || footer.reader(group, skipped, frames.rows))
                    .map_err(|cause| broken(&cause))?;
                begun.insert((group, reader))
            }
        };
        let fewer = |position: u64| {
            let rows = (group.end - group.first, position - group.first);
            broken(&format_args!("row group {} has {} rows by its footer, and {} in it", group.index, rows.0, rows.1))
        };
        let next = guarded(ParquetError::General, || reader.next().transpose().map_err(ParquetError::from))
            .map_err(|cause| broken(&cause))?;
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
        let arrays = self.wanted.iter().zip(&footer.unchecked).map(|(field, unchecked)| {
            let text = if *unchecked { Text::Unchecked } else { Text::Checked };
            guarded(|reason| reason, || fit(batch.column_by_name(field.name()), field, rows, text))
        });
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
