//! The steps by which a file becomes visible and stays so, in their order, each with its point of failure.

use std::io;
use std::sync::Arc;

use yeoul_operator::OperatorError;
use yeoul_sys::{File, Storage, failpoint};

/// Appends text to a file that is not visible.
pub(crate) fn write(file: &dyn File, text: &[u8], at: u64) -> io::Result<()> {
    failpoint!("file-sink.before-write")?;
    file.write_at(text, at)
}

/// Makes a file's bytes durable: before its rename, so that no name ever shows bytes that a power loss can take.
pub(crate) fn sync(file: &dyn File) -> io::Result<()> {
    failpoint!("file-sink.before-sync")?;
    file.sync_data()
}

/// Makes a file visible.
pub(crate) fn show(storage: &dyn Storage, hidden: &str, visible: &str) -> io::Result<()> {
    failpoint!("file-sink.before-rename")?;
    storage.rename(hidden, visible)
}

/// Makes names durable: before the epoch counts as delivered, so that the log still holds what a power loss can take.
pub(crate) fn sync_names(storage: &dyn Storage) -> io::Result<()> {
    failpoint!("file-sink.before-folder-sync")?;
    storage.sync_dir("")?;
    failpoint!("file-sink.after-folder-sync")
}

/// Makes a file that is not visible, in place of one that an earlier run left.
pub(crate) fn create(storage: &dyn Storage, name: &str) -> io::Result<Arc<dyn File>> {
    match storage.create(name) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            storage.remove(name)?;
            storage.create(name)
        }
        other => other,
    }
}

/// Removes a file if it is there.
pub(crate) fn remove(storage: &dyn Storage, name: &str) -> io::Result<()> {
    match storage.remove(name) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A folder that one committer writes in, alone.
pub(crate) struct Folder {
    pub(crate) storage: Arc<dyn Storage>,
    lock_name: String,
    lock: Option<Box<dyn Send>>,
}

impl Folder {
    /// Opens a folder and locks out others who would write files of the same name.
    pub(crate) fn open(
        services: &yeoul_operator::Services,
        path: &str,
        lock_name: String,
    ) -> Result<Self, OperatorError> {
        let failed = |cause: io::Error| {
            OperatorError::new(format!("cannot write output in the folder '{path}'")).caused_by(cause)
        };
        let storage = services.files.results(std::path::Path::new(path)).map_err(failed)?;
        match storage.lock(&lock_name) {
            Ok(lock) => Ok(Self { storage, lock_name, lock: Some(lock) }),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                Err(failed(e)
                    .hint("give each sink that writes in this folder a prefix of its own, and run the job once"))
            }
            Err(e) => Err(failed(e)),
        }
    }

    /// Leaves the folder, with its names durable. The lock is removed while it is held: who opened it before that finds out.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        if self.lock.is_some() {
            remove(&*self.storage, &self.lock_name)?;
            sync_names(&*self.storage)?;
            self.lock = None;
        }
        Ok(())
    }
}
