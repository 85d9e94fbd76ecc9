//! A scalar expression, as relational operators see it.
//!
//! Implemented by the SQL front end; an operator asks for values only.

use std::fmt;

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use yeoul_frame::{Columns, Timestamp};
use yeoul_operator::OperatorError;

/// The times that an expression may ask for.
#[derive(Debug, Clone, Copy)]
pub struct EvaluationTime<'a> {
    /// One event time a row.
    pub event_times: &'a [Timestamp],
    /// Processing time, now.
    pub now: Timestamp,
    /// The current watermark.
    pub watermark: Timestamp,
}

/// Computes one value a row.
pub trait Expression: Send + Sync + fmt::Debug + fmt::Display {
    /// The type of its values.
    fn data_type(&self) -> &DataType;

    /// Whether a value can be null.
    fn nullable(&self) -> bool;

    /// Which input columns it reads, in ascending order.
    fn columns(&self) -> &[usize];

    /// The values over a dense input of `rows` rows.
    ///
    /// # Errors
    /// If a row has no value, such as a cast that does not succeed.
    fn evaluate(&self, input: &Columns, rows: usize, time: &EvaluationTime<'_>) -> Result<ArrayRef, OperatorError>;
}
