//! Sources of one's own: a program says what its splits are and how one is read from a position; the rest is done here.
//!
//! Who reads which split, snapshots of positions, restores at any parallelism, the error output and a rate are the layer's. A
//! [`SplitSource`] becomes a source by [`into_source`](SplitSource::into_source); whether it keeps the contract,
//! [`SourceConformance`](crate::conformance::SourceConformance) checks.
//!
//! # What it guarantees
//! Exactly once, as far as the source can be read again: a snapshot notes for each split the position behind what was collected, and a
//! restart opens the split there. A reader must give the same records in the same order from one position, whoever opens it and how often.
//!
//! Invariants:
//! 1. All that a reader collected before it was asked for its position has been emitted; nothing after it has.
//! 2. A split is read by its owner alone, [`SplitId::owner`], and by one reader at a time.
//! 3. A split that ended stays ended, restarts included, as long as it is listed.

mod generator;
mod iter_reader;
mod output;
mod positions;
mod rate;
mod user_source;
#[cfg(test)]
mod tests;

use std::time::Duration;

use yeoul_frame::{Record, Timestamp, hash_bytes};
use yeoul_operator::{OpenContext, OperatorError, Services, SplitId, Subtask, Waker};

use crate::StateRecord;
use crate::owned_state::archive;

pub use generator::{GeneratorSource, NumberSequence};
pub use iter_reader::IterReader;
pub use output::SplitOutput;
pub use user_source::UserSource;

/// A source of the program's own (what Flink's `Source` with its enumerator and readers is).
///
/// ```
/// use yeoul_operator::OperatorError;
/// use yeoul_stream::conformance::SourceConformance;
/// use yeoul_stream::{ReadStatus, ReaderContext, SplitOutput, SplitReader, SplitSource};
///
/// /// Counts down from each of its numbers.
/// struct Countdowns(Vec<u64>);
///
/// impl SplitSource for Countdowns {
///     type Split = u64;
///     type Reader = Countdown;
///
///     fn splits(&self, _: &ReaderContext) -> Result<Vec<u64>, OperatorError> {
///         Ok(self.0.clone())
///     }
///
///     fn open(&self, from: &u64, at: Option<u64>, _: &ReaderContext) -> Result<Countdown, OperatorError> {
///         Ok(Countdown { left: at.unwrap_or(*from) })
///     }
/// }
///
/// struct Countdown {
///     left: u64,
/// }
///
/// impl SplitReader for Countdown {
///     type Out = u64;
///     type Error = ();
///     type Position = u64;
///
///     fn read(&mut self, out: &mut SplitOutput<u64>) -> Result<ReadStatus, OperatorError> {
///         while self.left > 0 && out.has_room() {
///             out.collect(self.left);
///             self.left -= 1;
///         }
///         Ok(if self.left == 0 { ReadStatus::End } else { ReadStatus::More })
///     }
///
///     fn position(&self) -> u64 {
///         self.left
///     }
/// }
///
/// SourceConformance::of(|| Countdowns(vec![3, 2]).into_source()).expecting([3, 2, 1, 2, 1]).run()?;
/// # Ok::<_, yeoul_stream::conformance::Violation>(())
/// ```
pub trait SplitSource: Send + Sync + 'static {
    /// What describes a split: a file's name, a partition's number. It stands in snapshots, so it says what the split is and not what may
    /// change of it.
    type Split: StateRecord;
    /// What reads one split.
    type Reader: SplitReader;

    /// All splits that there are. Each instance asks when it starts, also after a restart, and takes those that it owns and has not met.
    ///
    /// # Errors
    /// They cannot be listed: the job fails, and asks again after a restart.
    fn splits(&self, cx: &ReaderContext) -> Result<Vec<Self::Split>, OperatorError>;

    /// Names a split, the same way for ever. By default a hash of what describes it.
    fn id(&self, split: &Self::Split) -> SplitId {
        SplitId(hash_bytes(&archive(split)).0)
    }

    /// Opens a split at its beginning, or where a reader of it stood in an earlier run.
    ///
    /// # Errors
    /// It cannot be opened, or has no such position.
    fn open(
        &self,
        split: &Self::Split,
        from: Option<<Self::Reader as SplitReader>::Position>,
        cx: &ReaderContext,
    ) -> Result<Self::Reader, OperatorError>;

    /// How often to ask for splits again. Such a source never ends. A split that ended and is no longer listed is forgotten: listed once
    /// more, it is a new one.
    fn discover_every(&self) -> Option<Duration> {
        None
    }

    /// How many splits an instance reads at once, in turn; the others wait until one ends, in the order of the list. All of them by
    /// default, as partitions want it, whose event times go on side by side; files want fewer.
    fn at_once(&self) -> usize {
        usize::MAX
    }

    /// How many instances can have something to read, if that is fewer than all shards.
    fn parallelism(&self) -> Option<u16> {
        None
    }

    /// This, as a stream's source.
    fn into_source(self) -> UserSource<Self>
    where
        Self: Sized,
    {
        UserSource::new(self)
    }
}

/// Reads one split. It is dropped when the split has ended or the job has: what is to be closed is closed then.
///
/// ```
/// use yeoul_operator::OperatorError;
/// use yeoul_stream::{ReadStatus, SplitOutput, SplitReader};
///
/// /// A counter that never ends.
/// struct Counter(u64);
///
/// impl SplitReader for Counter {
///     type Out = u64;
///     type Error = ();
///     type Position = u64;
///
///     fn read(&mut self, out: &mut SplitOutput<u64>) -> Result<ReadStatus, OperatorError> {
///         while out.has_room() {
///             out.collect(self.0);
///             self.0 += 1;
///         }
///         Ok(ReadStatus::More)
///     }
///
///     fn position(&self) -> u64 {
///         self.0
///     }
/// }
/// assert_eq!(Counter(7).position(), 7);
/// ```
pub trait SplitReader: Send + 'static {
    /// What it reads.
    type Out: Record;
    /// What it gives in place of input that it cannot read, to the stream of errors
    /// ([`from_source_with_errors`](crate::StreamEnvironment::from_source_with_errors)). `()` if it never does.
    type Error: Record;
    /// Where in its split it stands.
    type Position: StateRecord;

    /// Reads on, about as far as `out` has room. It does not wait: what must wait lives on a thread of the source's own, which calls the
    /// [`waker`](ReaderContext::waker) once there is something to take.
    ///
    /// # Errors
    /// The input cannot be read: the job fails, and goes on from its last checkpoint.
    fn read(&mut self, out: &mut SplitOutput<Self::Out, Self::Error>) -> Result<ReadStatus, OperatorError>;

    /// Where it stands: behind all that it has collected, and before all that it has not.
    fn position(&self) -> Self::Position;
}

/// How a reader stands after [`read`](SplitReader::read).
///
/// ```
/// use std::sync::mpsc::{Receiver, TryRecvError};
///
/// use yeoul_stream::{ReadStatus, SplitOutput};
///
/// /// Takes what a thread has pushed; the thread calls the waker after it.
/// fn take(pushed: &Receiver<u64>, out: &mut SplitOutput<u64>) -> ReadStatus {
///     while out.has_room() {
///         match pushed.try_recv() {
///             Ok(number) => out.collect(number),
///             Err(TryRecvError::Empty) => return ReadStatus::Pending { until: None },
///             Err(TryRecvError::Disconnected) => return ReadStatus::End,
///         }
///     }
///     ReadStatus::More
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadStatus {
    /// There is more to read now.
    More,
    /// There is nothing to read now. It is asked again at `until` (processing time), or once the waker was called.
    Pending {
        /// When to ask again, if nothing else happens.
        until: Option<Timestamp>,
    },
    /// The split has been read to its end, for good.
    End,
}

/// What a reader is opened with.
///
/// ```
/// use yeoul_stream::ReaderContext;
///
/// // As a reader's own thread would, once it has pushed something:
/// fn pushed(cx: &ReaderContext) {
///     cx.waker().wake();
/// }
/// ```
#[derive(Clone)]
pub struct ReaderContext {
    name: String,
    subtask: Subtask,
    services: Services,
    waker: Waker,
}

impl ReaderContext {
    pub(crate) fn of(cx: &OpenContext<'_>) -> Self {
        Self { name: cx.name.to_owned(), subtask: cx.subtask, services: cx.services.clone(), waker: cx.waker.clone() }
    }

    /// The source's name, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which instance this is.
    #[must_use]
    pub fn subtask(&self) -> Subtask {
        self.subtask
    }

    /// Clock and files. What is read through them can be simulated.
    #[must_use]
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Has a source that said [`Pending`](ReadStatus::Pending) be asked again. It may be called from any thread.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }
}
