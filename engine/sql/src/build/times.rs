//! Event times at the source: the rowtime column's value for each row, before the row goes anywhere.
//!
//! Watermarks are made a split at a time, so times have to be known where splits are. A rowtime that is computed is computed here
//! from the connector's columns; where it has no value the row gets no time, and the operator after the source that
//! computes the column says what is wrong.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use yeoul_frame::{Columns, Frame, Timestamp};
use yeoul_operator::{OperatorError, TimestampAssigner};
use yeoul_relational::{Calc, EvaluationTime, Expression, Projected};

use super::scan::Path;
use crate::error::{Result, SqlError};

/// Reads the time of `column` of what `calc` makes of the paths.
pub(super) fn assigner(
    column: usize,
    calc: Option<&Calc>,
    paths: &[Path],
    schema: &SchemaRef,
) -> Result<Arc<dyn TimestampAssigner>> {
    let missing = || SqlError::new("the event time is not read");
    let projected = match calc.and_then(|calc| calc.projection.as_ref()) {
        None => Projected::Column(column),
        Some(projection) => projection.get(column).cloned().ok_or_else(missing)?,
    };
    let at = |index: usize| paths.get(index).cloned().ok_or_else(missing);
    let rowtime = match projected {
        Projected::Column(index) => Rowtime::Stored(at(index)?),
        Projected::Computed(expression) => {
            let read = expression.columns();
            let fields: Vec<Field> = read.iter().map(|index| schema.field(*index).clone()).collect();
            let paths = read.iter().map(|index| at(*index)).collect::<Result<Vec<_>>>()?;
            Rowtime::Computed { paths, schema: Arc::new(Schema::new(fields)), expression }
        }
    };
    Ok(Arc::new(Assigner(rowtime)))
}

enum Rowtime {
    Stored(Path),
    Computed {
        /// What the expression reads, in its order.
        paths: Vec<Path>,
        schema: SchemaRef,
        expression: Arc<dyn Expression>,
    },
}

struct Assigner(Rowtime);

impl Assigner {
    fn values(&self, columns: &Columns, rows: usize) -> std::result::Result<ArrayRef, OperatorError> {
        match &self.0 {
            Rowtime::Stored(path) => path.values(columns),
            Rowtime::Computed { paths, schema, expression } => {
                let arrays = paths.iter().map(|path| path.values(columns)).collect::<std::result::Result<_, _>>()?;
                let read = Columns::new(Arc::clone(schema), arrays)
                    .map_err(|error| OperatorError::new("the event time's columns do not fit").caused_by(error))?;
                let times = vec![Timestamp::MIN; rows];
                let time = EvaluationTime { times: &times, now: Timestamp::MIN, watermark: Timestamp::MIN };
                expression.evaluate(&read, rows, &time)
            }
        }
    }
}

impl TimestampAssigner for Assigner {
    fn assign(&self, frame: &Frame, times: &mut [Timestamp]) {
        let found = frame.columns().and_then(|columns| write(&self.values(columns, times.len()).ok()?, times));
        if found.is_none() {
            times.fill(Timestamp::MIN);
        }
    }
}

/// Milliseconds since 1970, none for NULL.
fn write(values: &ArrayRef, times: &mut [Timestamp]) -> Option<()> {
    let DataType::Timestamp(unit, _) = values.data_type() else { return None };
    let (numbers, millis): (_, fn(i64) -> i64) = match unit {
        TimeUnit::Second => (values.as_primitive::<TimestampSecondType>().values(), |value| value.saturating_mul(1000)),
        TimeUnit::Millisecond => (values.as_primitive::<TimestampMillisecondType>().values(), |value| value),
        TimeUnit::Microsecond => {
            (values.as_primitive::<TimestampMicrosecondType>().values(), |value| value.div_euclid(1000))
        }
        TimeUnit::Nanosecond => {
            (values.as_primitive::<TimestampNanosecondType>().values(), |value| value.div_euclid(1_000_000))
        }
    };
    for (time, value) in times.iter_mut().zip(numbers) {
        *time = Timestamp(millis(*value));
    }
    if let Some(nulls) = values.nulls() {
        for (time, is_valid) in times.iter_mut().zip(nulls) {
            *time = if is_valid { *time } else { Timestamp::MIN };
        }
    }
    Some(())
}
