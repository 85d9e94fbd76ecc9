//! What a user may ask of a running job, and what of it is still to be done when an attempt fails.
//!
//! Invariants:
//! 1. A request is kept over attempts until it is answered: a failure in between does not make a job forget that it is to stop.
//! 2. Once a last epoch is committed the job's outcome is decided. No later failure makes its shards run again.

use std::collections::VecDeque;

use crossbeam_channel::Sender;
use yeoul_frame::Epoch;

use crate::error::JobError;

/// By which a request is answered, once.
pub type Reply = Sender<Result<Epoch, JobError>>;

/// What a user may ask of a running job.
#[derive(Debug)]
pub enum Request {
    /// Take a savepoint into this folder; the job goes on.
    Savepoint(String, Reply),
    /// Stop after an epoch of its own.
    Stop {
        /// Where to put a savepoint, if one is wanted.
        savepoint: Option<String>,
        /// Whether event time runs to its end first, so that windows and timers fire.
        drain: bool,
        /// Told the last epoch.
        reply: Reply,
    },
    /// End at once; what is not committed is lost to this run and found again by the next.
    Cancel,
}

impl Request {
    /// The folder into which it wants a savepoint.
    #[must_use]
    pub fn savepoint(&self) -> Option<&str> {
        match self {
            Self::Savepoint(folder, _) => Some(folder),
            Self::Stop { savepoint, .. } => savepoint.as_deref(),
            Self::Cancel => None,
        }
    }

    /// Answers it.
    pub fn answer(self, result: Result<Epoch, JobError>) {
        match self {
            // Who asked may have gone away.
            Self::Savepoint(_, reply) | Self::Stop { reply, .. } => drop(reply.send(result)),
            Self::Cancel => {}
        }
    }
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All input was read and all output delivered.
    Finished,
    /// It was stopped on request, after this epoch.
    Stopped(Epoch),
}

/// What one attempt leaves to the next.
#[derive(Debug, Default)]
pub struct Pending {
    /// What was asked and is not answered, in order.
    pub requests: VecDeque<Request>,
    /// How the job ends, if its last epoch is committed: all that may be left to do is to deliver it.
    pub decided: Option<Outcome>,
    /// A shard's operators could not be opened.
    pub refused: bool,
}
