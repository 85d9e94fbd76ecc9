//! What goes wrong in a harness.

use std::fmt;

use yeoul_operator::OperatorError;

use crate::GraphError;

/// What went wrong in a harness.
#[derive(Debug)]
pub enum HarnessError {
    /// The operator's graph cannot be built.
    Graph(GraphError),
    /// The operator failed.
    Operator(OperatorError),
    /// A snapshot does not restore.
    Corrupt(yeoul_state::log::Corrupt),
}

impl fmt::Display for HarnessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Graph(error) => error.fmt(f),
            Self::Operator(error) => error.fmt(f),
            Self::Corrupt(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for HarnessError {}

impl From<OperatorError> for HarnessError {
    fn from(error: OperatorError) -> Self {
        Self::Operator(error)
    }
}
