//! What goes wrong when savepoints are read and written by hand.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use yeoul_operator::OperatorError;
use yeoul_state::SavedError;
use yeoul_state::catalog::Misfit;

/// Why a savepoint cannot be read or written.
///
/// ```
/// use yeoul_stream::{Bootstrap, SavepointError, SavepointWriter};
///
/// let twice = || Bootstrap::list("seen", [7u64]);
/// let error = SavepointWriter::new().with_operator("planes", twice()).with_operator("planes", twice()).write("never").unwrap_err();
/// assert!(matches!(error, SavepointError::Taken(what) if what.contains("is given its list seen twice")));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum SavepointError {
    /// A folder or one of its files, and what happened to it.
    Storage {
        /// The savepoint's folder.
        folder: PathBuf,
        /// What lies below. [`InvalidData`](io::ErrorKind::InvalidData) if a file is not as it was written.
        cause: io::Error,
    },
    /// There is no operator, or no state of an operator, of this name.
    Unknown {
        /// What was asked for, by name.
        what: String,
        /// The names that there are.
        there: Vec<String>,
    },
    /// What is saved has other types than those asked for.
    Misfit(Misfit),
    /// A name that is given out already.
    Taken(String),
    /// What a user's function reported.
    Function(OperatorError),
}

impl fmt::Display for SavepointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storage { folder, cause } => write!(f, "the savepoint {folder:?}: {cause}"),
            Self::Unknown { what, there } if there.is_empty() => {
                write!(f, "the savepoint has no {what}, nor any other")
            }
            Self::Unknown { what, there } => {
                write!(f, "the savepoint has no {what}\n  hint: it has {}", there.join(", "))
            }
            Self::Misfit(misfit) => misfit.fmt(f),
            Self::Taken(what) => f.write_str(what),
            Self::Function(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SavepointError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Storage { cause, .. } => Some(cause),
            Self::Misfit(misfit) => Some(misfit),
            Self::Function(error) => Some(error),
            Self::Unknown { .. } | Self::Taken(_) => None,
        }
    }
}

impl SavepointError {
    pub(super) fn of(folder: &Path, cause: io::Error) -> Self {
        Self::Storage { folder: folder.to_owned(), cause }
    }
}

impl From<OperatorError> for SavepointError {
    fn from(error: OperatorError) -> Self {
        Self::Function(error)
    }
}

impl SavepointError {
    pub(super) fn saved(folder: &std::path::Path, error: SavedError) -> Self {
        match error {
            SavedError::Misfit(misfit) => Self::Misfit(misfit),
            SavedError::Io(cause) => Self::Storage { folder: folder.to_owned(), cause },
        }
    }
}
