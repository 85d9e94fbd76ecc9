//! What reading makes of a file's bytes: frames of rows or of columns, and of what is malformed among them.
//!
//! The reader knows splits, offsets and turns; what a record becomes is behind these two traits, looked at once a turn.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};
use arrow_schema::{DataType, Field, Schema as ColumnSchema, SchemaRef};
use yeoul_formats::columns::{ColumnBuilder, ColumnDecoder, ColumnPlan, TextFormat, UnfitColumns};
use yeoul_formats::{BadRecord, Decoded, Malformed, RecordDecoder, no_time};
use yeoul_frame::{ColumnBatch, Frame, Pool, RowBuilder, RowKind, Schema, TextBuilder, Timestamp};

use super::Format;
use super::file_columns::{FileColumn, FileColumns, FilePlan};
use super::malformed::MalformedRecord;
use super::scan::Input;

/// How a source's files are read.
pub(crate) trait Reading: Send + Sync + 'static {
    /// What finds records.
    type Decoder: Send;
    /// What they become.
    type Frames: Frames<Self::Decoder>;

    /// Whether every newline ends a record, so that a file can be divided at any of them.
    fn is_divisible(&self) -> bool;

    /// A decoder for one file.
    fn decoder(&self) -> Self::Decoder;

    /// Reads the header that the file starts with: its length; none if more of the file is needed for that.
    fn header(&self, decoder: &mut Self::Decoder, head: &[u8], all: bool) -> Result<Option<usize>, Malformed>;

    /// Frames of at most `rows` records.
    fn frames(&self, pool: &Pool, rows: usize) -> Self::Frames;
}

/// The frames that one instance is filling.
pub(crate) trait Frames<D>: Send {
    /// What is decoded from now on is of this file.
    fn of_file(&mut self, input: Input<'_>) {
        let _ = input;
    }

    /// Decodes records until the frame is full or no whole record is left.
    fn decode(&mut self, decoder: &mut D, window: &[u8], last: bool) -> Result<Decoded, BadRecord>;

    /// The frame of what was decoded, perhaps empty.
    fn finish(&mut self) -> Frame;

    /// Takes a malformed record, if there is room for it.
    fn put_aside(&mut self, record: &MalformedRecord) -> bool;

    /// No malformed record has been taken since the last frame of them.
    fn nothing_aside(&self) -> bool;

    /// The frame of malformed records, perhaps empty.
    fn finish_aside(&mut self) -> Frame;
}

/// Files read as rows of `T`.
pub(crate) struct RowReading<T, F> {
    pub(crate) format: F,
    pub(crate) records: PhantomData<fn() -> T>,
}

impl<T: Schema, F: Format> Reading for RowReading<T, F> {
    type Decoder = F::Decoder;
    type Frames = RowFrames<T>;

    fn is_divisible(&self) -> bool {
        self.format.is_divisible()
    }

    fn decoder(&self) -> F::Decoder {
        self.format.decoder::<T>()
    }

    fn header(&self, decoder: &mut F::Decoder, head: &[u8], all: bool) -> Result<Option<usize>, Malformed> {
        self.format.header(decoder, head, all)
    }

    fn frames(&self, pool: &Pool, rows: usize) -> RowFrames<T> {
        RowFrames { rows: RowBuilder::new(pool, rows), aside: RowBuilder::new(pool, rows) }
    }
}

/// Frames of rows.
pub(crate) struct RowFrames<T: Schema> {
    rows: RowBuilder<T>,
    aside: RowBuilder<MalformedRecord>,
}

impl<T: Schema, D: RecordDecoder> Frames<D> for RowFrames<T> {
    fn decode(&mut self, decoder: &mut D, window: &[u8], last: bool) -> Result<Decoded, BadRecord> {
        decoder.decode_into(window, last, &mut self.rows, no_time)
    }

    fn finish(&mut self) -> Frame {
        self.rows.finish()
    }

    fn put_aside(&mut self, record: &MalformedRecord) -> bool {
        !self.aside.is_full() && self.aside.push(record, Timestamp::MIN, RowKind::Insert).is_ok()
    }

    fn nothing_aside(&self) -> bool {
        self.aside.is_empty()
    }

    fn finish_aside(&mut self) -> Frame {
        self.aside.finish()
    }
}

/// Files read as columns.
#[derive(Debug, Clone)]
pub struct ColumnText {
    format: TextFormat,
    plan: Arc<ColumnPlan>,
    about: Arc<FilePlan>,
}

impl ColumnText {
    /// The columns of the plan, in this format.
    pub(crate) fn new(format: TextFormat, plan: Arc<ColumnPlan>) -> Result<Self, UnfitColumns> {
        // Later, in the middle of a job, it cannot fail any more.
        format.decoder(&plan)?;
        let about = Arc::new(FilePlan::new(plan.schema(), Vec::new()));
        Ok(Self { format, plan, about })
    }

    /// The same, with columns about the file.
    pub(crate) fn with_file_columns(self, columns: Vec<FileColumn>) -> Self {
        let about = Arc::new(FilePlan::new(self.plan.schema(), columns));
        Self { about, ..self }
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        self.about.schema()
    }
}

impl Reading for ColumnText {
    type Decoder = ColumnDecoder;
    type Frames = ColumnFrames;

    fn is_divisible(&self) -> bool {
        self.format.is_divisible()
    }

    fn decoder(&self) -> ColumnDecoder {
        self.format.decoder(&self.plan).expect("a decoder of this plan was made before")
    }

    fn header(&self, decoder: &mut ColumnDecoder, head: &[u8], all: bool) -> Result<Option<usize>, Malformed> {
        decoder.read_header(head, all)
    }

    fn frames(&self, _: &Pool, rows: usize) -> ColumnFrames {
        ColumnFrames {
            columns: ColumnBuilder::new(Arc::clone(&self.plan), rows, self.format.forgives()),
            about: FileColumns::new(Arc::clone(&self.about)),
            aside: Aside::default(),
            room: rows,
        }
    }
}

/// Frames of columns.
pub(crate) struct ColumnFrames {
    columns: ColumnBuilder,
    about: FileColumns,
    aside: Aside,
    room: usize,
}

/// Malformed records as columns.
#[derive(Default)]
struct Aside {
    file: TextBuilder,
    line: Vec<i64>,
    column: Vec<i64>,
    offset: Vec<i64>,
    reason: TextBuilder,
    raw: TextBuilder,
}

/// Text that one frame of malformed records holds at most, unless a single one is larger.
const ASIDE_BYTES: usize = 16 << 20;

/// The columns of the frames of malformed records: those of [`MalformedRecord`].
#[must_use]
pub fn malformed_columns() -> SchemaRef {
    let text = |name| Field::new(name, DataType::Utf8View, false);
    let number = |name| Field::new(name, DataType::Int64, false);
    let fields = vec![text("file"), number("line"), number("column"), number("offset"), text("reason"), text("raw")];
    Arc::new(ColumnSchema::new(fields))
}

impl Frames<ColumnDecoder> for ColumnFrames {
    fn of_file(&mut self, input: Input<'_>) {
        self.about.of_file(input);
    }

    fn decode(&mut self, decoder: &mut ColumnDecoder, window: &[u8], last: bool) -> Result<Decoded, BadRecord> {
        decoder.decode(window, last, &mut self.columns)
    }

    fn finish(&mut self) -> Frame {
        self.about.complete(self.columns.finish())
    }

    fn put_aside(&mut self, record: &MalformedRecord) -> bool {
        let aside = &mut self.aside;
        let bytes = aside.raw.bytes() + aside.reason.bytes();
        if aside.line.len() >= self.room || (bytes + record.raw.len() > ASIDE_BYTES && !aside.line.is_empty()) {
            return false;
        }
        aside.file.push(&record.file);
        aside.line.push(record.line.cast_signed());
        aside.column.push(record.column.cast_signed());
        aside.offset.push(record.offset.cast_signed());
        aside.reason.push(&record.reason);
        aside.raw.push(&record.raw);
        true
    }

    fn nothing_aside(&self) -> bool {
        self.aside.line.is_empty()
    }

    fn finish_aside(&mut self) -> Frame {
        let mut aside = std::mem::take(&mut self.aside);
        let rows = aside.line.len();
        let number = |values: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(values)) };
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(aside.file.finish(None)),
            number(aside.line),
            number(aside.column),
            number(aside.offset),
            Arc::new(aside.reason.finish(None)),
            Arc::new(aside.raw.finish(None)),
        ];
        let frame = ColumnBatch::of(malformed_columns(), arrays, vec![Timestamp::MIN; rows], Vec::new());
        frame.expect("six columns, each with a value of every record")
    }
}
