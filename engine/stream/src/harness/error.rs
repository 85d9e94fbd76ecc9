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
    /// A state, or a table of timers, is not there, or not of the types that it was asked for with.
    State(String),
}

impl fmt::Display for HarnessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Graph(error) => error.fmt(f),
            Self::Operator(error) => error.fmt(f),
            Self::Corrupt(error) => error.fmt(f),
            Self::State(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for HarnessError {}

impl From<OperatorError> for HarnessError {
    fn from(error: OperatorError) -> Self {
        Self::Operator(error)
    }
}
