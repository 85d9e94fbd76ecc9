//! Why a job failed.

use std::fmt;
use std::io;

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
            Self::Cancelled => f.write_str("the job was cancelled"),
        }
    }
}

impl std::error::Error for JobError {}

impl JobError {
    /// Whether another attempt could end otherwise.
    #[must_use]
    pub fn is_worth_a_restart(&self) -> bool {
        matches!(self, Self::Operator { .. } | Self::Panic { .. } | Self::Storage { .. })
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
