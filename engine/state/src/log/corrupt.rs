//! The one error for bytes that do not read as they were written. It names the file and the place.

use std::borrow::Cow;
use std::fmt;

/// What does not read as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corrupt {
    /// The file, relative to the storage's root; empty if the bytes were not read from a file.
    pub file: String,
    /// Bytes from the start of the file.
    pub offset: u64,
    /// What is wrong, with the value found.
    pub what: Cow<'static, str>,
}

impl Corrupt {
    /// Bytes that are wrong in this way, at a place that the caller adds with [`Self::at`].
    #[must_use]
    pub fn new(what: impl Into<Cow<'static, str>>) -> Self {
        Self { file: String::new(), offset: 0, what: what.into() }
    }

    /// The same, named as being in `file` at `offset`; a place already named is kept.
    #[must_use]
    pub fn at(mut self, file: &str, offset: u64) -> Self {
        if self.file.is_empty() {
            file.clone_into(&mut self.file);
            self.offset = offset;
        }
        self
    }
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.file.is_empty() {
            return write!(f, "corrupt state: {}", self.what);
        }
        write!(
            f,
            "corrupt state in {} at byte {}: {}; restore from another checkpoint or savepoint, and check the disk",
            self.file, self.offset, self.what
        )
    }
}

impl std::error::Error for Corrupt {}

impl From<Corrupt> for std::io::Error {
    fn from(error: Corrupt) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}
