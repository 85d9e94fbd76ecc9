//! What a spec answers for which there is no operator yet.

use std::fmt;

use yeoul_operator::{Operator, OperatorError};

/// Refuses by name.
pub(crate) fn not_supported(what: &dyn fmt::Display) -> Result<Box<dyn Operator>, OperatorError> {
    Err(OperatorError::new(format!("{what} is not supported yet"))
        .hint("this part of the query has a plan, and no operator in this version"))
}
