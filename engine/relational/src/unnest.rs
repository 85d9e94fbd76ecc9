//! A row for each element of an array or map.

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use yeoul_operator::{Operator, OperatorError};

/// Replaces an array by its elements (a map by its keys and values), one row for each.
#[derive(Debug, Clone)]
pub struct Unnest {
    /// The column of the array or map.
    pub column: usize,
    /// Whether a row without elements is kept, with null in their place.
    pub keep_empty: bool,
    /// Whether the number of the element comes out, from 1, as the last column.
    pub ordinality: bool,
    /// What comes in.
    pub input_schema: SchemaRef,
    /// What comes out: the input's columns with the array's element, or the map's key and value, where the column was; then the number as
    /// INT.
    pub schema: SchemaRef,
}

impl fmt::Display for Unnest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unnest(column=[${}]", self.column)?;
        f.write_str(if self.ordinality { ", ordinality)" } else { ")" })
    }
}

impl Unnest {
    /// An instance.
    ///
    /// # Errors
    /// A type that cannot be kept or ordered, or a schema that is not that of the result.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        crate::refusal::not_supported(&self)
    }
}
