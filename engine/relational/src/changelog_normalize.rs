//! Upserts by key as a full changelog.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::SchemaRef;
use yeoul_operator::{Operator, OperatorError};

use crate::aggregate::columns;

/// Turns upserts by key into a full changelog: inserts, updates with the row as it was, and deletes with all of the row.
#[derive(Debug, Clone)]
pub struct ChangelogNormalize {
    /// The key.
    pub keys: Vec<usize>,
    /// Whether a change is sent with the row as it was.
    pub update_before: bool,
    /// A key of which no row came for so long is forgotten.
    pub ttl: Option<Duration>,
    /// What comes in, and out.
    pub schema: SchemaRef,
}

impl fmt::Display for ChangelogNormalize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChangelogNormalize(key=[{}])", columns(&self.keys))
    }
}

impl ChangelogNormalize {
    /// An instance.
    ///
    /// # Errors
    /// A type that cannot be kept or ordered, or a schema that is not that of the result.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        crate::refusal::not_supported(&self)
    }
}
