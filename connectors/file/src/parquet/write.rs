//! Writes frames of columns as Parquet: a file from its first row to the end of its epoch, in memory until then.
//!
//! Pages are encoded and compressed as they fill, and row groups closed at their size, when their pages are put one after another. What is
//! left for a barrier is the row group that is open, at most the size that the user chose, and the footer.
//!
//! Invariants:
//! 1. What was given out since the last file's end is a prefix of one file.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use arrow_select::take::take;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use yeoul_formats::columns::{FrameEncoder, UnfitColumns};
use yeoul_frame::{COLUMN_ROWS, Frame};

use super::ParquetOptions;
use super::place::placed;
use super::types::carries;

/// The columns of a table, written as Parquet files.
#[derive(Debug, Clone)]
pub struct ParquetParts {
    /// The columns as they are written: times in the unit that the user chose.
    written: SchemaRef,
    options: ParquetOptions,
}

impl ParquetParts {
    pub(crate) const EXTENSION: &'static str = "parquet";

    pub(crate) fn new(table: &Schema, options: ParquetOptions) -> Result<Self, UnfitColumns> {
        if table.fields().is_empty() {
            return Err(UnfitColumns("a table without columns cannot be written as parquet".to_owned()));
        }
        table.fields().iter().try_for_each(|field| carries(field.data_type(), field.name()))?;
        let fields: Vec<FieldRef> = table.fields().iter().map(|field| in_unit(field, options.unit)).collect();
        Ok(Self { written: Arc::new(Schema::new(fields)), options })
    }

    pub(crate) fn encoder(&self) -> ParquetEncoder {
        ParquetEncoder { parts: self.clone(), writer: None, ready: Vec::new(), taken: 0 }
    }
}

/// A column with its times in this unit.
fn in_unit(field: &FieldRef, unit: Option<TimeUnit>) -> FieldRef {
    let data_type = match (field.data_type(), unit) {
        (DataType::Timestamp(_, zone), Some(unit)) => DataType::Timestamp(unit, zone.clone()),
        (DataType::Struct(fields), _) => DataType::Struct(fields.iter().map(|field| in_unit(field, unit)).collect()),
        (DataType::List(element), _) => DataType::List(in_unit(element, unit)),
        (DataType::Map(entries, sorted), _) => DataType::Map(in_unit(entries, unit), *sorted),
        (other, _) => other.clone(),
    };
    Arc::new(Field::clone(field).with_data_type(data_type))
}

/// Writes one file after another.
pub(crate) struct ParquetEncoder {
    parts: ParquetParts,
    /// The file that is being written, if it has a row.
    writer: Option<ArrowWriter<Vec<u8>>>,
    /// Bytes of it that are complete, of which `taken` have been given out.
    ready: Vec<u8>,
    taken: usize,
}

impl ParquetEncoder {
    fn give(&mut self, out: &mut Vec<u8>, enough: usize) {
        let part = (self.ready.len() - self.taken).min(enough.saturating_sub(out.len()));
        out.extend_from_slice(&self.ready[self.taken..self.taken + part]);
        self.taken += part;
        if self.taken == self.ready.len() {
            self.ready.clear();
            self.taken = 0;
        }
    }

    /// The rows of a frame at these positions, in the types that are written.
    fn batch(&self, frame: &Frame, positions: Range<usize>) -> Result<RecordBatch, String> {
        let columns = frame.columns().ok_or("a frame of rows came to a sink of columns")?;
        let rows: UInt32Array = frame.slice(positions).indices().collect::<Vec<u32>>().into();
        let in_order = rows.values().iter().enumerate().all(|(place, row)| *row as usize == place);
        let all = columns.rows() == Some(rows.len()) && in_order;
        let arrays = columns.arrays().iter().zip(self.parts.written.fields()).map(|(array, field)| {
            let chosen = if all { Arc::clone(array) } else { take(array, &rows, None).map_err(|e| e.to_string())? };
            placed(&chosen, field)
        });
        let arrays = arrays.collect::<Result<Vec<ArrayRef>, String>>()?;
        RecordBatch::try_new(Arc::clone(&self.parts.written), arrays).map_err(|error| error.to_string())
    }
}

impl FrameEncoder for ParquetEncoder {
    fn header(&self) -> Vec<u8> {
        Vec::new()
    }

    fn encode(&mut self, frame: &Frame, from: usize, out: &mut Vec<u8>, enough: usize) -> Result<usize, String> {
        self.give(out, enough);
        if !self.ready.is_empty() || from >= frame.len() {
            return Ok(from);
        }
        // Not more: whether a row group is full is known once its rows are written.
        let to = frame.len().min(from + COLUMN_ROWS);
        let batch = self.batch(frame, from..to)?;
        let failed = |error: parquet::errors::ParquetError| error.to_string();
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                // Without the Arrow schema: who reads the file sees what Parquet itself says.
                let options = ArrowWriterOptions::new()
                    .with_properties(self.parts.options.properties())
                    .with_skip_arrow_metadata(true);
                let schema = Arc::clone(&self.parts.written);
                none.insert(ArrowWriter::try_new_with_options(Vec::new(), schema, options).map_err(failed)?)
            }
        };
        writer.write(&batch).map_err(failed)?;
        // Offsets are counted on the way in: what has come out may be taken away.
        self.ready = std::mem::take(writer.inner_mut());
        self.give(out, enough);
        Ok(to)
    }

    fn held(&self) -> usize {
        self.writer.as_ref().map_or(0, ArrowWriter::memory_size) + self.ready.len() - self.taken
    }

    fn end_file(&mut self, out: &mut Vec<u8>, enough: usize) -> Result<bool, String> {
        if let Some(writer) = self.writer.take() {
            let rest = writer.into_inner().map_err(|error| error.to_string())?;
            // Mostly nothing waits: what may be a whole row group is not copied then.
            match self.ready.is_empty() {
                true => self.ready = rest,
                false => self.ready.extend(rest),
            }
        }
        self.give(out, enough);
        Ok(self.ready.is_empty())
    }
}
