//! Rows repeated for grouping sets.

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use yeoul_operator::{Operator, OperatorError};

/// Repeats rows once for each grouping set, with the columns that are not in it as null and the set's GROUPING_ID last.
#[derive(Debug, Clone)]
pub struct Expand {
    /// For each set, which of `columns` are in it.
    pub sets: Vec<Vec<bool>>,
    /// The grouping columns.
    pub columns: Vec<usize>,
    /// What comes out: the input's columns, then the GROUPING_ID as BIGINT: a bit for each of `columns`, the first the highest, 1 if it
    /// is not in the set.
    pub schema: SchemaRef,
}

impl fmt::Display for Expand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = |set: &Vec<bool>| {
            let within = self.columns.iter().zip(set).filter(|(_, within)| **within);
            format!("({})", within.map(|(column, _)| format!("${column}")).collect::<Vec<_>>().join(", "))
        };
        write!(f, "Expand(sets=[{}])", self.sets.iter().map(set).collect::<Vec<_>>().join(", "))
    }
}

impl Expand {
    /// An instance.
    ///
    /// # Errors
    /// A type that cannot be kept or ordered, or a schema that is not that of the result.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        crate::refusal::not_supported(&self)
    }
}
