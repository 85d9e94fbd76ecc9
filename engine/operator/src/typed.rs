//! Sources and sinks with the type of their records, as APIs over rows hand them to each other.
//!
//! A spec is a recipe: the job graph keeps what `make` returns and makes an instance of it for each subtask and each restart.
//! It opens nothing itself. APIs (`yeoul-stream`) take specs; connectors provide them; neither knows the other.

use std::sync::Arc;

use yeoul_frame::Record;

use crate::{Committer, Operator, OutputId, Source};

/// Makes instances of a source.
///
/// ```
/// use yeoul_operator::{MakeSource, Source};
///
/// /// An instance for each subtask.
/// fn instances(make: &MakeSource, parallelism: u16) -> Vec<Box<dyn Source>> {
///     (0..parallelism).map(|_| make()).collect()
/// }
/// ```
pub type MakeSource = Arc<dyn Fn() -> Box<dyn Source> + Send + Sync>;
/// Makes instances of an operator.
///
/// ```
/// use std::sync::Arc;
/// use yeoul_operator::MakeOperator;
/// # struct Pass;
/// # impl yeoul_operator::Operator for Pass {
/// #     fn process(&mut self, _: yeoul_operator::InputId, _: &yeoul_frame::Frame, _: &mut yeoul_operator::Context<'_>)
/// #     -> Result<(), yeoul_operator::OperatorError> {
/// #         Ok(())
/// #     }
/// # }
///
/// // `Pass` is an `Operator`.
/// let make: MakeOperator = Arc::new(|| Box::new(Pass));
/// assert!(make().has_room());
/// ```
pub type MakeOperator = Arc<dyn Fn() -> Box<dyn Operator> + Send + Sync>;
/// Makes the committer of a sink, one for a job.
///
/// ```
/// use std::sync::Arc;
/// use yeoul_frame::Epoch;
/// use yeoul_operator::{MakeCommitter, OperatorError, Services};
/// # struct Forgetful;
/// # impl yeoul_operator::Committer for Forgetful {
/// #     fn recover(&mut self, _: &Services, committed: Epoch) -> Result<Epoch, OperatorError> {
/// #         Ok(committed)
/// #     }
/// #     fn deliver(&mut self, _: Epoch, _: &[yeoul_operator::SealedOutput]) -> Result<(), OperatorError> {
/// #         Ok(())
/// #     }
/// # }
///
/// // `Forgetful` is a `Committer` that has all that was committed.
/// let make: MakeCommitter = Arc::new(|| Box::new(Forgetful));
/// assert_eq!(make().recover(&Services::default(), Epoch(7))?, Epoch(7));
/// # Ok::<_, OperatorError>(())
/// ```
pub type MakeCommitter = Arc<dyn Fn() -> Box<dyn Committer> + Send + Sync>;

/// Where frames of malformed input go, for sources that have such an output ([`SourceSpec::Error`]).
///
/// ```
/// use yeoul_operator::{ERROR_OUTPUT, OutputId};
///
/// assert_ne!(ERROR_OUTPUT, OutputId::MAIN);
/// ```
pub const ERROR_OUTPUT: OutputId = OutputId(1);

/// A source of records of one type.
///
/// ```
/// use yeoul_operator::{MakeSource, SourceSpec};
///
/// /// A source of numbers that one instance reads.
/// struct Numbers(MakeSource);
///
/// impl SourceSpec for Numbers {
///     type Out = u64;
///     type Error = ();
///
///     fn make(&self) -> MakeSource {
///         self.0.clone()
///     }
///
///     fn parallelism(&self) -> Option<u16> {
///         Some(1)
///     }
/// }
/// ```
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
///
/// ```
/// use yeoul_operator::{MakeCommitter, MakeOperator, SinkSpec};
///
/// /// A sink of numbers: who seals them on each shard, and who shows them.
/// struct Numbers(MakeOperator, MakeCommitter);
///
/// impl SinkSpec for Numbers {
///     type In = u64;
///
///     fn make(&self) -> MakeOperator {
///         self.0.clone()
///     }
///
///     fn committer(&self) -> MakeCommitter {
///         self.1.clone()
///     }
/// }
/// ```
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
