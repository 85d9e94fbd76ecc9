//! Sinks of one's own, of two strengths: those that show each epoch once, and one that may be told of an epoch again.
//!
//! Both write on shards and show on the job's committer thread, which may block. Whether a sink keeps the contract,
//! [`SinkConformance`](crate::conformance::SinkConformance) checks.
//!
//! | form | what the program gives | what its readers see |
//! |---|---|---|
//! | [`EpochTarget`] | a target that takes an epoch's records and a marker in one step | each epoch once, in whole, in order: exactly once |
//! | [`TransactionalSink`] | the same, and the writers: what they seal is the program's (a file that is ready to be renamed, say) | as above |
//! | [`IdempotentSink`] | a target that upserts and deletes by key | the last epoch perhaps twice, perhaps in part for a moment: at least once, and since the second time changes nothing, the table of a run without failures |
//!
//! # Why it is exactly once
//! What an instance wrote in an epoch is sealed in the state log as part of the epoch's snapshot, so it is committed with the state that
//! it follows from, or not at all. Only then is it delivered. A crash before the commit forgets the epoch, output and all, and its records
//! are read again; a crash after it finds the sealed output in the log, and delivers what the target's marker does not name yet. Nothing
//! rests on how long the job was down, nor on transactions of the target that stay open over a commit.

mod idempotent;
mod epoch_target;
mod pieces;
mod record_writer;
mod transactional;

use rkyv::Archive;
use yeoul_frame::{Epoch, Record, RowKind, Timestamp};
use yeoul_operator::{OpenContext, OperatorError, Services, Subtask};

use crate::StateRecord;

pub use epoch_target::{EpochTarget, ExactlyOnce};
pub use idempotent::{AtLeastOnce, IdempotentSink};
pub use record_writer::RecordWriter;
pub use transactional::UserSink;

/// A sink that shows each epoch once (what Flink's two-phase commit and its `Sink` with a committer are).
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use yeoul_frame::Epoch;
/// use yeoul_operator::{OperatorError, Services};
/// use yeoul_stream::conformance::SinkConformance;
/// use yeoul_stream::{EpochCommitter, RecordWriter, Sealed, SinkContext, TransactionalSink};
///
/// /// What everyone sees: a marker and a total, changed in one critical section.
/// #[derive(Clone, Default)]
/// struct Ledger(Arc<Mutex<(Epoch, Vec<u64>)>>);
///
/// impl TransactionalSink for Ledger {
///     type Writer = RecordWriter<u64>;
///     type Committer = Ledger;
///
///     fn writer(&self, _: &SinkContext) -> Result<RecordWriter<u64>, OperatorError> {
///         Ok(RecordWriter::default())
///     }
///
///     fn committer(&self, _: &Services) -> Result<Ledger, OperatorError> {
///         Ok(self.clone())
///     }
/// }
///
/// impl EpochCommitter for Ledger {
///     type Committable = Vec<u64>;
///
///     fn recover(&mut self, _: Epoch) -> Result<Epoch, OperatorError> {
///         Ok(self.0.lock().unwrap().0)
///     }
///
///     fn deliver(&mut self, epoch: Epoch, sealed: Vec<Sealed<Vec<u64>>>) -> Result<(), OperatorError> {
///         let mut ledger = self.0.lock().unwrap();
///         if epoch > ledger.0 {
///             ledger.0 = epoch;
///             ledger.1.extend(sealed.into_iter().flat_map(|of| of.committable));
///         }
///         Ok(())
///     }
/// }
///
/// SinkConformance::of(Ledger::default, |ledger| ledger.clone().into_sink(), |ledger| ledger.0.lock().unwrap().1.clone())
///     .writing(0..50)
///     .run()?;
/// # Ok::<_, yeoul_stream::conformance::Violation>(())
/// ```
pub trait TransactionalSink: Send + Sync + 'static {
    /// Takes an instance's records.
    type Writer: EpochWriter;
    /// Makes epochs visible.
    type Committer: EpochCommitter<Committable = <Self::Writer as EpochWriter>::Committable>;

    /// The writer of an instance, made anew for each run.
    ///
    /// # Errors
    /// It cannot begin.
    fn writer(&self, cx: &SinkContext) -> Result<Self::Writer, OperatorError>;

    /// The committer of a run, one for the job. It may connect and wait.
    ///
    /// # Errors
    /// The target cannot be reached.
    fn committer(&self, services: &Services) -> Result<Self::Committer, OperatorError>;

    /// How many instances write, if that is fewer than all shards.
    fn parallelism(&self) -> Option<u16> {
        None
    }

    /// This, as a stream's sink.
    fn into_sink(self) -> UserSink<Self>
    where
        Self: Sized,
    {
        UserSink::new(self)
    }
}

/// One instance's half: takes records, and says at the end of each epoch what it wrote.
///
/// ```
/// use rkyv::Archived;
/// use yeoul_frame::Epoch;
/// use yeoul_operator::OperatorError;
/// use yeoul_stream::{EpochWriter, WriteContext};
///
/// /// Seals the sum of an epoch's numbers.
/// #[derive(Default)]
/// struct Sum(Option<u64>);
///
/// impl EpochWriter for Sum {
///     type In = u64;
///     type Committable = u64;
///
///     fn write(&mut self, number: &Archived<u64>, _: &WriteContext) -> Result<(), OperatorError> {
///         *self.0.get_or_insert(0) += number.to_native();
///         Ok(())
///     }
///
///     fn seal(&mut self, _: Epoch) -> Result<Option<u64>, OperatorError> {
///         Ok(self.0.take())
///     }
/// }
/// assert_eq!(Sum::default().seal(Epoch(1))?, None);
/// # Ok::<_, OperatorError>(())
/// ```
pub trait EpochWriter: Send + 'static {
    /// What it takes.
    type In: Record;
    /// What it hands to the committer: the output itself, or where the target has it ready to be shown (a file's name). It is kept in the
    /// state log.
    type Committable: StateRecord;

    /// Takes a record. It does not wait, and nothing of it may be visible outside yet.
    ///
    /// # Errors
    /// The record cannot be written: the job fails, and the epoch is not committed.
    fn write(&mut self, record: &<Self::In as Archive>::Archived, cx: &WriteContext) -> Result<(), OperatorError>;

    /// The epoch ends: what was written since the last one did, if anything was. What it names must be durable by now.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    fn seal(&mut self, epoch: Epoch) -> Result<Option<Self::Committable>, OperatorError>;

    /// How many bytes it holds in memory of the epoch, of whose records so many were given to it. Past the sink's
    /// [`epoch_limit`](UserSink::epoch_limit) the job fails. By default none: what is written is elsewhere.
    fn held_bytes(&self, given: u64) -> u64 {
        let _ = given;
        0
    }
}

/// Limits what an instance holds until the epoch ends.
pub(crate) fn check_epoch(name: &str, held: u64, limit: u64) -> Result<(), OperatorError> {
    if held <= limit {
        return Ok(());
    }
    Err(OperatorError::new(format!("the sink '{name}' holds {held} bytes of one epoch, more than its limit of {limit}"))
        .hint("make checkpoints more often, or raise the sink's epoch_limit: what is written in an epoch is held in memory until it ends"))
}

/// What an instance of a sink may hold of an epoch in memory, by default: 1 GiB.
///
/// ```
/// assert_eq!(yeoul_stream::EPOCH_LIMIT, 1_073_741_824);
/// ```
pub const EPOCH_LIMIT: u64 = 1 << 30;

/// What it may hold at most: an archive has no room for two GiB.
const MOST_EPOCH_BYTES: u64 = 3 << 29;

const _: () = assert!(EPOCH_LIMIT <= MOST_EPOCH_BYTES, "what is allowed by default can be sealed");

/// The job's half: makes committed epochs visible, each with a marker that names it.
///
/// ```
/// use yeoul_frame::Epoch;
/// use yeoul_operator::OperatorError;
/// use yeoul_stream::{EpochCommitter, Sealed};
///
/// /// A total, and the last epoch in it.
/// struct Total {
///     marker: Epoch,
///     total: u64,
/// }
///
/// impl EpochCommitter for Total {
///     type Committable = u64;
///
///     fn recover(&mut self, _: Epoch) -> Result<Epoch, OperatorError> {
///         Ok(self.marker)
///     }
///
///     fn deliver(&mut self, epoch: Epoch, sums: Vec<Sealed<u64>>) -> Result<(), OperatorError> {
///         if epoch > self.marker {
///             self.marker = epoch;
///             self.total += sums.iter().map(|of| of.committable).sum::<u64>();
///         }
///         Ok(())
///     }
/// }
/// # let mut total = Total { marker: Epoch(0), total: 0 };
/// # let subtask = yeoul_operator::Subtask { index: 0, parallelism: 1 };
/// # for _ in 0..2 {
/// #     total.deliver(Epoch(1), vec![Sealed { subtask, committable: 7 }])?;
/// # }
/// # assert_eq!(total.total, 7);
/// # Ok::<_, OperatorError>(())
/// ```
pub trait EpochCommitter: Send + 'static {
    /// What writers sealed.
    type Committable: StateRecord;

    /// Clears away what an earlier run left unfinished, keeps that run from writing any more, and answers the marker: the last epoch that
    /// the target has in whole. Called once, first. Nothing after `committed`, the job's last commit, ever happened.
    ///
    /// # Errors
    /// The target cannot be reached or read.
    fn recover(&mut self, committed: Epoch) -> Result<Epoch, OperatorError>;

    /// Shows an epoch's output and sets the marker, in one step of the target. It may be told again of an epoch that the target has, which
    /// changes nothing; epochs come in order, and those in which nobody wrote may be left out.
    ///
    /// # Errors
    /// The target refuses: the job fails, and delivers again after a restart.
    fn deliver(&mut self, epoch: Epoch, sealed: Vec<Sealed<Self::Committable>>) -> Result<(), OperatorError>;

    /// The first epoch of which what was sealed must be kept although `delivered` was delivered. By default none of it.
    fn retained_from(&self, delivered: Epoch) -> Epoch {
        delivered.next()
    }

    /// The job ends in order, after its last delivery.
    ///
    /// # Errors
    /// The target refuses.
    fn finish(&mut self) -> Result<(), OperatorError> {
        Ok(())
    }
}

/// What one instance wrote in an epoch.
///
/// ```
/// use yeoul_stream::Sealed;
///
/// /// In the order of instances.
/// fn files(mut sealed: Vec<Sealed<String>>) -> Vec<String> {
///     sealed.sort_by_key(|of| of.subtask.index);
///     sealed.into_iter().map(|of| of.committable).collect()
/// }
/// # assert!(files(Vec::new()).is_empty());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Sealed<C> {
    /// The instance.
    pub subtask: Subtask,
    /// What it sealed.
    pub committable: C,
}

/// What a writer is made with.
///
/// ```
/// use yeoul_stream::SinkContext;
///
/// /// A name that no other writer of the job has.
/// fn file_name(cx: &SinkContext) -> String {
///     format!("{}-{}", cx.name(), cx.subtask().index)
/// }
/// ```
#[derive(Clone)]
pub struct SinkContext {
    name: String,
    subtask: Subtask,
    services: Services,
}

impl SinkContext {
    pub(crate) fn of(cx: &OpenContext<'_>) -> Self {
        Self { name: cx.name.to_owned(), subtask: cx.subtask, services: cx.services.clone() }
    }

    /// The sink's name, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which instance this is.
    #[must_use]
    pub fn subtask(&self) -> Subtask {
        self.subtask
    }

    /// Clock and files. What is written through them can be simulated, and made to fail by the conformance test.
    ///
    /// ```
    /// use std::path::Path;
    /// use yeoul_operator::OperatorError;
    /// use yeoul_stream::SinkContext;
    ///
    /// /// Where a writer of files begins.
    /// fn folder(cx: &SinkContext) -> Result<std::sync::Arc<dyn yeoul_sys::Storage>, OperatorError> {
    ///     let folder = cx.services().files.results(Path::new("out"));
    ///     folder.map_err(|error| OperatorError::new(format!("'{}' has no folder 'out'", cx.name())).caused_by(error))
    /// }
    /// ```
    #[must_use]
    pub fn services(&self) -> &Services {
        &self.services
    }
}

/// What goes with a record that is written.
///
/// ```
/// use yeoul_frame::RowKind;
/// use yeoul_stream::WriteContext;
///
/// fn is_gone(cx: &WriteContext) -> bool {
///     matches!(cx.kind, RowKind::Delete | RowKind::UpdateBefore)
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteContext {
    /// The record's event time.
    pub time: Timestamp,
    /// What it is in a changelog; [`RowKind::Insert`] in a stream that only grows.
    pub kind: RowKind,
    /// The present watermark.
    pub watermark: Timestamp,
    /// The present processing time.
    pub now: Timestamp,
}
