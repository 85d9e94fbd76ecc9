//! Why a job failed.

use std::fmt;
use std::io;
use std::time::Duration;

use yeoul_frame::Epoch;
use yeoul_operator::OperatorError;

/// Why a job, or one attempt at it, ended before its time.
#[derive(Debug)]
#[non_exhaustive]
pub enum JobError {
    /// The graph cannot run.
    Graph(String),
    /// An operator reported an error.
    Operator {
        /// Its name and subtask, as `name (1/2)`.
        operator: String,
        /// What it reported.
        cause: OperatorError,
    },
    /// User code or an operator panicked. The process is sound; the job's state is taken from its last checkpoint.
    Panic {
        /// The operator's name and subtask.
        operator: String,
        /// The panic's message.
        message: String,
    },
    /// The state log or manifest could not be written or read. Nothing is retried on the same files.
    Storage {
        /// What was being done.
        doing: &'static str,
        /// The error that lies below.
        cause: io::Error,
    },
    /// What is on disk is not what was written.
    Corrupt(String),
    /// A checkpoint took longer than it may.
    Timeout {
        /// Its epoch.
        epoch: Epoch,
        /// The shards that have not sealed it.
        missing: Vec<usize>,
        /// How long it may take.
        limit: Duration,
    },
    /// A setting does not fit the state or the machine.
    Settings(String),
    /// The user cancelled the job.
    Cancelled,
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Graph(what) | Self::Settings(what) => f.write_str(what),
            Self::Operator { operator, cause } => write!(f, "operator '{operator}' failed: {cause}"),
            Self::Panic { operator, message } => write!(
                f,
                "operator '{operator}' panicked: {message}\n  hint: the backtrace is on stderr if RUST_BACKTRACE=1 is set"
            ),
            Self::Storage { doing, cause } => write!(f, "{doing} failed: {cause}\n  hint: {}", advice(cause)),
            Self::Corrupt(what) => write!(
                f,
                "the stored state is damaged: {what}\n  hint: restore from a savepoint or an older checkpoint; nothing was changed"
            ),
            Self::Timeout { epoch, missing, limit } => write!(
                f,
                "checkpoint {} took longer than {limit:?}; shards {missing:?} have not sealed it\n  hint: raise the checkpoint timeout, or look \
                 for an operator that takes long for a single frame",
                epoch.0
            ),
            Self::Cancelled => f.write_str("the job was cancelled"),
        }
    }
}

impl std::error::Error for JobError {}

impl JobError {
    /// Whether another attempt could end otherwise.
    #[must_use]
    pub fn is_worth_a_restart(&self) -> bool {
        match self {
            Self::Operator { cause, .. } => !cause.is_permanent(),
            Self::Panic { .. } | Self::Storage { .. } | Self::Timeout { .. } => true,
            Self::Graph(_) | Self::Corrupt(_) | Self::Settings(_) | Self::Cancelled => false,
        }
    }

    /// Something on disk could not be read. What is there but is not what was written will not mend itself.
    #[must_use]
    pub fn reading(doing: &'static str, cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::InvalidData => Self::Corrupt(format!("{doing} failed: {cause}")),
            _ => Self::Storage { doing, cause },
        }
    }
}

fn advice(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free space on the disk that holds the data folder, then start the job again; it resumes from its last checkpoint"
        }
        io::ErrorKind::PermissionDenied => "make the data folder writable for this user",
        _ => "look at the disk; the job resumes from its last checkpoint when it is started again",
    }
}
