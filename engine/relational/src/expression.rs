//! Scalar expressions, as operators see them: something that gives a column for columns.
//!
//! Who parses and plans them is not known here; a call is made once a frame.

use std::fmt;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::{DataType, SchemaRef};
use yeoul_frame::{Columns, Timestamp};
use yeoul_operator::OperatorError;

/// The times that an expression may ask for.
#[derive(Debug, Clone, Copy)]
pub struct EvaluationTime<'a> {
    /// Event times, one for each row.
    pub times: &'a [Timestamp],
    /// The present processing time.
    pub now: Timestamp,
    /// The present watermark.
    pub watermark: Timestamp,
}

/// A scalar expression over the columns of one input.
pub trait Expression: Send + Sync + fmt::Debug + fmt::Display {
    /// The type of its values.
    fn data_type(&self) -> &DataType;

    /// Whether a value may be null.
    fn nullable(&self) -> bool;

    /// Which input columns it reads, in ascending order. Others are given as nulls if gathering them would cost anything.
    fn columns(&self) -> &[usize];

    /// One value for each of `rows` dense rows.
    ///
    /// # Errors
    /// A value for which the expression is not defined.
    fn evaluate(&self, input: &Columns, rows: usize, time: &EvaluationTime<'_>) -> Result<ArrayRef, OperatorError>;
}

/// An input column as an expression.
#[derive(Debug, Clone)]
pub struct ColumnValue {
    index: [usize; 1],
    data_type: DataType,
    nullable: bool,
}

impl ColumnValue {
    /// Column `index` of `schema`.
    ///
    /// # Panics
    /// If there is no such column.
    #[must_use]
    pub fn new(schema: &SchemaRef, index: usize) -> Self {
        let field = schema.field(index);
        Self { index: [index], data_type: field.data_type().clone(), nullable: field.is_nullable() }
    }
}

impl fmt::Display for ColumnValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", self.index[0])
    }
}

impl Expression for ColumnValue {
    fn data_type(&self) -> &DataType {
        &self.data_type
    }

    fn nullable(&self) -> bool {
        self.nullable
    }

    fn columns(&self) -> &[usize] {
        &self.index
    }

    fn evaluate(&self, input: &Columns, _: usize, _: &EvaluationTime<'_>) -> Result<ArrayRef, OperatorError> {
        Ok(Arc::clone(&input.arrays()[self.index[0]]))
    }
}
