//! What goes wrong in a harness.

use std::fmt;

use yeoul_operator::OperatorError;

use crate::GraphError;

/// What went wrong in a harness.
///
/// ```
/// use yeoul_stream::{DataStream, HarnessError, OperatorHarness};
///
/// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.map(|n| n.to_native()))?;
/// let error = harness.value_state::<u64, u64, _>(&7, "sum", |_| ()).unwrap_err();
/// assert!(matches!(error, HarnessError::State(what) if what.contains("no state 'sum'")));
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
#[derive(Debug)]
pub enum HarnessError {
    /// The operator's graph cannot be built.
    Graph(GraphError),
    /// The stream is made by more than one operator.
    Several(String),
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
            Self::State(what) | Self::Several(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for HarnessError {}

impl From<OperatorError> for HarnessError {
    fn from(error: OperatorError) -> Self {
        Self::Operator(error)
    }
}
