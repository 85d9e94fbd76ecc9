//! What operators give: column frames of their schema.

use arrow_array::ArrayRef;
use arrow_schema::{DataType, SchemaRef};
use yeoul_frame::{ColumnBatch, Frame, RowKind, Selection, Timestamp};
use yeoul_operator::{Context, OperatorError, OutputId};

/// The most rows that an operator puts into one frame where it decides itself.
pub(crate) const OUTPUT_ROWS: usize = 4096;

/// Sends rows on by the main output. No kinds: all are inserts.
pub(crate) fn emit(
    cx: &mut Context<'_>,
    schema: &SchemaRef,
    arrays: Vec<ArrayRef>,
    times: Vec<Timestamp>,
    kinds: Vec<RowKind>,
) -> Result<(), OperatorError> {
    if times.is_empty() {
        return Ok(());
    }
    cx.emit(OutputId::MAIN, frame(schema, arrays, times, kinds)?);
    Ok(())
}

/// A frame under an operator's schema.
pub(crate) fn frame(
    schema: &SchemaRef,
    arrays: Vec<ArrayRef>,
    times: Vec<Timestamp>,
    kinds: Vec<RowKind>,
) -> Result<Frame, OperatorError> {
    ColumnBatch::of(schema.clone(), arrays, times, kinds).map_err(|error| {
        OperatorError::new("an operator's result does not fit the schema that its plan gives it").caused_by(error)
    })
}

/// Counts late rows and sends them to [`LATE`](crate::LATE), as they came.
pub(crate) fn emit_late(cx: &mut Context<'_>, frame: &Frame, rows: &[u32]) {
    if rows.is_empty() {
        return;
    }
    cx.counters().late.add(rows.len() as u64);
    cx.emit(crate::LATE, frame.select(Selection::rows(rows)));
}

/// The types of some columns.
pub(crate) fn types_of(schema: &SchemaRef, columns: &[usize]) -> Vec<DataType> {
    columns.iter().map(|&column| schema.field(column).data_type().clone()).collect()
}

/// Refuses a plan whose schema says something else than its operator gives.
pub(crate) fn check_schema(name: &str, schema: &SchemaRef, types: &[DataType]) -> Result<(), OperatorError> {
    let expected: Vec<&DataType> = schema.fields().iter().map(|field| field.data_type()).collect();
    if expected.iter().copied().eq(types) {
        return Ok(());
    }
    Err(OperatorError::new(format!("{name} gives columns of {types:?}, its schema says {expected:?}")))
}
