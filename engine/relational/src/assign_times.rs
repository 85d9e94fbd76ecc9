//! Event times from a column of timestamps.

use std::fmt;
use std::sync::Arc;

use arrow_array::types::{
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, cast::AsArray};
use arrow_schema::{DataType, TimeUnit};
use yeoul_frame::{Frame, Timestamp};
use yeoul_operator::{Context, InputId, Operator, OperatorError, OutputId, TimestampAssigner};

use crate::input::Input;
use crate::time_order::millis;

/// Gives rows the event time that stands in a column.
///
/// As a source's assigner, a row whose time is null gets none, and the first operator that needs event time says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignTimes {
    /// A column of timestamps.
    pub column: usize,
    /// How far the watermark is behind the greatest event time, in milliseconds: for whoever makes watermarks, at the source.
    pub delay: i64,
}

impl fmt::Display for AssignTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WatermarkAssigner(rowtime=[${}], watermark=[${0} - {}])", self.column, millis(self.delay))
    }
}

impl AssignTimes {
    /// An instance.
    ///
    /// # Errors
    /// None now; as every spec.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        Ok(Box::new(AssignTimesOperator(self)))
    }
}

impl TimestampAssigner for AssignTimes {
    /// # Panics
    /// If the column does not hold timestamps: plans are checked before they run.
    fn assign(&self, frame: &Frame, times: &mut [Timestamp]) {
        let array = frame.columns().and_then(|columns| columns.arrays().get(self.column));
        let array = array.unwrap_or_else(|| panic!("a frame of columns has the rowtime column {}", self.column));
        let millis = to_millis(array).unwrap_or_else(|error| panic!("{error}"));
        times.copy_from_slice(&millis);
    }
}

struct AssignTimesOperator(Arc<AssignTimes>);

impl Operator for AssignTimesOperator {
    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let input = Input::of(frame)?;
        let column = input.column(self.0.column)?;
        check_times(&column)?;
        let assigner = &self.0;
        let frame = frame.clone().assign_times(|frame, times| assigner.assign(frame, times));
        cx.emit(OutputId::MAIN, frame);
        Ok(())
    }
}

fn check_times(column: &ArrayRef) -> Result<(), OperatorError> {
    if column.null_count() > 0 {
        return Err(OperatorError::new("the rowtime of a row is null, and event time needs one")
            .hint("filter such rows out before, or give the column a default with COALESCE"));
    }
    Ok(())
}

/// The event times that a rowtime column gives.
pub(crate) fn event_times(column: &ArrayRef) -> Result<Vec<Timestamp>, OperatorError> {
    check_times(column)?;
    to_millis(column)
}

/// Milliseconds of a column of timestamps; [`Timestamp::MIN`] for null.
fn to_millis(array: &ArrayRef) -> Result<Vec<Timestamp>, OperatorError> {
    fn of<T: ArrowPrimitiveType<Native = i64>>(array: &ArrayRef, millis: impl Fn(i64) -> i64) -> Vec<Timestamp> {
        let array = array.as_primitive::<T>();
        let mut times: Vec<Timestamp> = array.values().iter().map(|&value| Timestamp(millis(value))).collect();
        if let Some(nulls) = array.nulls() {
            for (time, is_valid) in times.iter_mut().zip(nulls.iter()) {
                *time = if is_valid { *time } else { Timestamp::MIN };
            }
        }
        times
    }
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            Ok(of::<TimestampSecondType>(array, |value| value.saturating_mul(1_000)))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => Ok(of::<TimestampMillisecondType>(array, |value| value)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Ok(of::<TimestampMicrosecondType>(array, |value| value.div_euclid(1_000)))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            Ok(of::<TimestampNanosecondType>(array, |value| value.div_euclid(1_000_000)))
        }
        other => Err(OperatorError::new(format!("a rowtime column is of type {other}"))
            .hint("event time is taken from a column of TIMESTAMP or TIMESTAMP_LTZ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Harness, Table, rows};

    #[test]
    fn times_are_those_of_the_column_and_null_is_an_error() {
        let table = Table::new(&[("a", DataType::Int64), ("ts", DataType::Timestamp(TimeUnit::Millisecond, None))]);
        let spec = Arc::new(AssignTimes { column: 1, delay: 0 });
        assert_eq!(spec.to_string(), "WatermarkAssigner(rowtime=[$1], watermark=[$1 - 0 ms])");
        let mut harness = Harness::of(move || spec.clone().operator(), &[]);
        harness.push(0, table.frame("+I 1 500\n+I 2 -3"));
        assert_eq!(rows(&harness.take()), "+I 1 500 @500\n+I 2 -3 @-3");
        let error = harness.try_push(0, table.frame("+I 1 null")).unwrap_err().to_string();
        assert!(error.contains("rowtime"), "{error}");
    }
}
