//! Joins a row with the version of a table as of the row's time.

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use yeoul_operator::{Operator, OperatorError};

use super::JoinKind;
use crate::aggregate::columns;
use crate::expression::Expression;
use crate::key::HashColumns;

/// Joins left rows with the right row of their key as it was at the left row's time. Late rows are counted, and go to [`LATE`](crate::LATE).
#[derive(Debug, Clone)]
pub struct TemporalJoin {
    /// Inner or left.
    pub kind: JoinKind,
    /// The left columns that are compared; null is equal to nothing.
    pub left_keys: Vec<usize>,
    /// The right columns, in the order of the left ones, and of their types.
    pub right_keys: Vec<usize>,
    /// The column of the left's event time.
    pub left_time: usize,
    /// The column of the right's event time: when a version begins.
    pub right_time: usize,
    /// The right's primary key: what versions are of. All of it is among `right_keys`.
    pub right_primary_key: Vec<usize>,
    /// A boolean over the left columns and then the right ones.
    pub residual: Option<Arc<dyn Expression>>,
    /// What comes in on the left.
    pub left_schema: SchemaRef,
    /// What comes in on the right.
    pub right_schema: SchemaRef,
    /// What comes out: the left columns, then the right ones.
    pub schema: SchemaRef,
}

impl fmt::Display for TemporalJoin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "TemporalJoin(joinType=[{}], leftKeys=[{}], rightKeys=[{}], asOf=[${}], versions=[${} by {}]",
            self.kind,
            columns(&self.left_keys),
            columns(&self.right_keys),
            self.left_time,
            self.right_time,
            columns(&self.right_primary_key)
        )?;
        if let Some(residual) = &self.residual {
            write!(f, ", where=[{residual}]")?;
        }
        f.write_str(")")
    }
}

impl TemporalJoin {
    /// By what the rows of an input (0 left, 1 right) are exchanged before it.
    #[must_use]
    pub fn exchange(&self, side: usize) -> HashColumns {
        HashColumns { columns: if side == 0 { self.left_keys.clone() } else { self.right_keys.clone() } }
    }

    /// An instance.
    ///
    /// # Errors
    /// Keys of different types, a type that cannot be kept, or a schema that is not that of the result.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        crate::refusal::not_supported(&self)
    }
}
