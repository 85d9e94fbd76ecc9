//! Rows in the order of time.

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use yeoul_operator::{Operator, OperatorError};

use crate::sort_key::{SortKey, list};
use crate::time_order::OrderTime;

/// Orders rows by time, then by other columns. Late rows are counted, and go to [`LATE`](crate::LATE).
#[derive(Debug, Clone)]
pub struct TemporalSort {
    /// By which time first.
    pub time: OrderTime,
    /// By what among rows of one time.
    pub order: Vec<SortKey>,
    /// What comes in, and out.
    pub schema: SchemaRef,
}

impl fmt::Display for TemporalSort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TemporalSort(time=[{}], orderBy=[{}])", self.time, list(&self.order))
    }
}

impl TemporalSort {
    /// An instance.
    ///
    /// # Errors
    /// A type that cannot be kept or ordered, or a schema that is not that of the result.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        crate::refusal::not_supported(&self)
    }
}
