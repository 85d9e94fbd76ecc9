//! The first rows of all, in an order.

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use yeoul_operator::{Operator, OperatorError};

use crate::sort_key::{SortKey, list};

/// The rows from one place to another of all rows.
#[derive(Debug, Clone)]
pub struct SortLimit {
    /// What rows are ordered by; the order of arrival if empty.
    pub order: Vec<SortKey>,
    /// How many rows are skipped.
    pub offset: u64,
    /// How many come out.
    pub limit: u64,
    /// Whether rows may be taken back.
    pub retracting_input: bool,
    /// Whether a change is sent with the row as it was.
    pub update_before: bool,
    /// What comes in, and out.
    pub schema: SchemaRef,
}

impl fmt::Display for SortLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SortLimit(orderBy=[{}], offset=[{}], fetch=[{}])", list(&self.order), self.offset, self.limit)
    }
}

impl SortLimit {
    /// An instance.
    ///
    /// # Errors
    /// A type that cannot be kept or ordered, or a schema that is not that of the result.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        crate::refusal::not_supported(&self)
    }
}
