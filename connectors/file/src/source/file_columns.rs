//! Columns that are not in a file but about it: its path, name, length and time of change (Flink's metadata columns).
//!
//! They have one value in all rows of a frame, since a frame is of one split.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, TimestampMillisecondArray};
use arrow_schema::{DataType, FieldRef, Schema, SchemaRef, TimeUnit};
use yeoul_frame::{ColumnBatch, Frame, TextBuilder, Timestamp};

use super::discover::Identity;
use super::scan::Input;

/// Something about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFact {
    /// `file.path`: as the user would write it.
    Path,
    /// `file.name`: the last name of the path.
    Name,
    /// `file.size`: its length in bytes.
    Size,
    /// `file.modification-time`: when it was last changed.
    Modified,
}

impl FileFact {
    /// All of them, by Flink's keys.
    pub const KEYS: [(&'static str, Self); 4] = [
        ("file.path", Self::Path),
        ("file.name", Self::Name),
        ("file.size", Self::Size),
        ("file.modification-time", Self::Modified),
    ];

    /// The fact of this key.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        Self::KEYS.iter().find(|(known, _)| *known == key).map(|(_, fact)| *fact)
    }

    /// The type of its column.
    #[must_use]
    pub fn data_type(self) -> DataType {
        match self {
            Self::Path | Self::Name => DataType::Utf8View,
            Self::Size => DataType::Int64,
            Self::Modified => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        }
    }
}

/// A column about the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileColumn {
    /// Its place among all columns of the frames.
    pub place: usize,
    /// Its name and type.
    pub field: FieldRef,
    /// What it says.
    pub fact: FileFact,
}

/// The columns of frames once those about the file stand among those that are read.
#[derive(Debug, Clone)]
pub(crate) struct FilePlan {
    schema: SchemaRef,
    /// By place.
    columns: Vec<FileColumn>,
}

impl FilePlan {
    /// These among the columns of `read`.
    pub(crate) fn new(read: &Schema, mut columns: Vec<FileColumn>) -> Self {
        columns.sort_by_key(|column| column.place);
        let mut fields: Vec<FieldRef> = read.fields().iter().cloned().collect();
        for column in &columns {
            assert!(column.place <= fields.len(), "a column has a place among the others");
            assert_eq!(*column.field.data_type(), column.fact.data_type(), "a fact has one type");
            fields.insert(column.place, Arc::clone(&column.field));
        }
        Self { schema: Arc::new(Schema::new(fields)), columns }
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

/// Completes the frames of one file after another.
#[derive(Debug)]
pub(crate) struct FileColumns {
    plan: Arc<FilePlan>,
    path: String,
    identity: Identity,
}

impl FileColumns {
    pub(crate) fn new(plan: Arc<FilePlan>) -> Self {
        Self { plan, path: String::new(), identity: Identity { len: 0, modified: 0 } }
    }

    /// What comes now is of this file.
    pub(crate) fn of_file(&mut self, input: Input<'_>) {
        (self.path, self.identity) = (input.path.to_owned(), input.identity);
    }

    /// Adds the columns about the file.
    pub(crate) fn complete(&self, frame: Frame) -> Frame {
        if self.plan.columns.is_empty() || frame.is_empty() {
            return frame;
        }
        let arrays = frame.columns().map(|columns| columns.arrays().to_vec()).unwrap_or_default();
        self.frame(arrays, frame.len())
    }

    /// A frame of what was read, and the columns about the file.
    pub(crate) fn frame(&self, mut arrays: Vec<ArrayRef>, rows: usize) -> Frame {
        for column in &self.plan.columns {
            arrays.insert(column.place, self.array(column.fact, rows));
        }
        let times = vec![Timestamp::MIN; rows];
        let frame = ColumnBatch::of(Arc::clone(&self.plan.schema), arrays, times, Vec::new());
        frame.expect("the columns of the plan, each with a value of every row")
    }

    fn array(&self, fact: FileFact, rows: usize) -> ArrayRef {
        let name = || self.path.rsplit('/').next().unwrap_or_default();
        match fact {
            FileFact::Path => repeated(&self.path, rows),
            FileFact::Name => repeated(name(), rows),
            FileFact::Size => Arc::new(Int64Array::from(vec![self.identity.len.cast_signed(); rows])),
            FileFact::Modified => {
                let times = TimestampMillisecondArray::from(vec![self.identity.modified; rows]);
                Arc::new(times.with_data_type(fact.data_type()))
            }
        }
    }
}

fn repeated(text: &str, rows: usize) -> ArrayRef {
    let mut column = TextBuilder::default();
    if rows > 0 {
        column.push(text);
        (1..rows).for_each(|_| column.push_again());
    }
    Arc::new(column.finish(None))
}
