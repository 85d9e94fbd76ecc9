//! Sources and sinks with the type of their records, as APIs over rows hand them to each other.
//!
//! A spec is a recipe: the job graph keeps what `make` returns and makes an instance of it for each subtask and each restart.
//! It opens nothing itself. APIs (`yeoul-stream`) take specs; connectors provide them; neither knows the other.

use std::sync::Arc;

use yeoul_frame::Record;

use crate::{Committer, Operator, OutputId, Source};

/// Makes instances of a source.
pub type MakeSource = Arc<dyn Fn() -> Box<dyn Source> + Send + Sync>;
/// Makes instances of an operator.
pub type MakeOperator = Arc<dyn Fn() -> Box<dyn Operator> + Send + Sync>;
/// Makes the committer of a sink, one for a job.
pub type MakeCommitter = Arc<dyn Fn() -> Box<dyn Committer> + Send + Sync>;

/// Where frames of malformed input go, for sources that have such an output ([`SourceSpec::Error`]).
pub const ERROR_OUTPUT: OutputId = OutputId(1);

/// A source of records of one type.
pub trait SourceSpec {
    /// What it reads, on the main output.
    type Out: Record;
    /// What it sends to [`ERROR_OUTPUT`] in place of input that it cannot read. `()` if it never does.
    type Error: Record;

    /// The recipe for its instances.
    fn make(&self) -> MakeSource;

    /// How many instances can have something to read, if that is fewer than all shards.
    fn parallelism(&self) -> Option<u16> {
        None
    }
}

/// A sink of records of one type.
pub trait SinkSpec {
    /// What it writes.
    type In: Record;

    /// The recipe for the instances that seal output.
    fn make(&self) -> MakeOperator;

    /// The recipe for the half that makes sealed output visible.
    fn committer(&self) -> MakeCommitter;

    /// How many instances it wants, if that is fewer than all shards (one, to write one file).
    fn parallelism(&self) -> Option<u16> {
        None
    }
}
