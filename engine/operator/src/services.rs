//! What reaches an operator from outside: the clock and the file systems, as arguments, so that the simulator can stand in for them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use yeoul_sys::{Clock, SystemClock};
use yeoul_sys::{DiskStorage, Storage};

/// Opens folders.
pub trait Files: Send + Sync {
    /// The tree of files below `folder`.
    ///
    /// # Errors
    /// The folder cannot be created or opened.
    fn folder(&self, folder: &Path) -> io::Result<Arc<dyn Storage>>;

    /// As [`folder`](Self::folder), for results: others may read them as the user's umask has it, where state is its owner's alone.
    ///
    /// # Errors
    /// The folder cannot be created or opened.
    fn results(&self, folder: &Path) -> io::Result<Arc<dyn Storage>> {
        self.folder(folder)
    }

    /// The tree of files below a folder that must exist: for input, where making an empty folder would hide a mistyped name.
    ///
    /// # Errors
    /// There is no such folder, or it cannot be opened.
    fn existing(&self, folder: &Path) -> io::Result<Arc<dyn Storage>> {
        self.folder(folder)
    }
}

/// The folders of this machine's disks.
#[derive(Debug, Default, Clone, Copy)]
pub struct Disk;

impl Files for Disk {
    fn folder(&self, folder: &Path) -> io::Result<Arc<dyn Storage>> {
        Ok(Arc::new(DiskStorage::new(PathBuf::from(folder))?))
    }

    fn results(&self, folder: &Path) -> io::Result<Arc<dyn Storage>> {
        Ok(Arc::new(DiskStorage::results(PathBuf::from(folder))?))
    }

    fn existing(&self, folder: &Path) -> io::Result<Arc<dyn Storage>> {
        Ok(Arc::new(DiskStorage::existing(PathBuf::from(folder))?))
    }
}

/// The outside world, as the engine sees it.
#[derive(Clone)]
pub struct Services {
    /// Monotonic and wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// Files of sources, sinks and state.
    pub files: Arc<dyn Files>,
}

impl Default for Services {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), files: Arc::new(Disk) }
    }
}
