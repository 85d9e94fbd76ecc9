//! What reaches an operator from outside: the clock and the file systems, as arguments, so that the simulator can stand in for them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use yeoul_sys::{Clock, SystemClock};
use yeoul_sys::{DiskStorage, Storage};

/// Opens folders.
///
/// ```
/// use std::io;
/// use std::path::Path;
/// use std::sync::Arc;
/// use yeoul_operator::Files;
/// use yeoul_sys::Storage;
///
/// /// No files at all, for jobs that are to have none.
/// struct NoFiles;
///
/// impl Files for NoFiles {
///     fn folder(&self, folder: &Path) -> io::Result<Arc<dyn Storage>> {
///         Err(io::Error::other(format!("{} is not to be opened", folder.display())))
///     }
/// }
/// assert!(NoFiles.existing(Path::new("in")).is_err_and(|error| error.to_string() == "in is not to be opened"));
/// ```
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
///
/// ```
/// use yeoul_operator::Files;
/// use yeoul_operator::services::Disk;
///
/// let folder = std::env::temp_dir().join(format!("yeoul-no-such-folder-doc-{}", std::process::id()));
/// assert!(Disk.existing(&folder).is_err());
/// ```
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
///
/// ```
/// use std::sync::Arc;
/// use yeoul_operator::Services;
/// # use yeoul_sys::Clock;
/// # #[derive(Debug)]
/// # struct Noon;
/// # impl Clock for Noon {
/// #     fn monotonic_nanos(&self) -> u64 {
/// #         0
/// #     }
/// #     fn wall_millis(&self) -> i64 {
/// #         12 * 3_600_000
/// #     }
/// # }
///
/// // A clock that stands, over this machine's files.
/// let services = Services { clock: Arc::new(Noon), ..Services::default() };
/// assert_eq!(services.clock.wall_millis(), 43_200_000);
/// ```
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
