//! Files as the engine sees them: a tree below one root, which a disk or the simulator may stand behind.
//!
//! The calls are few and positional, so that each can fail alone and be replayed. Nothing is durable before
//! [`File::sync_data`] for bytes, and [`Storage::sync_dir`] for names, has returned. A failed sync is never retried:
//! the kernel may have marked the lost pages clean.
//!
//! Paths are relative to the root, separated by `/`, and never hold `..`; the root itself is `""`.

use std::io;
use std::sync::Arc;

use crate::Region;

/// A tree of files below one root.
pub trait Storage: Send + Sync {
    /// Makes a new, empty file for reading and writing. It must not exist; its folder must.
    fn create(&self, path: &str) -> io::Result<Arc<dyn File>>;

    /// Opens a file that exists, for reading and writing; for reading only where writing is refused.
    fn open(&self, path: &str) -> io::Result<Arc<dyn File>>;

    /// Gives a file another name, atomically, in place of any file that had it.
    /// Survives a power loss once both folders are synced.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file, or a folder that is empty.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// What a folder holds, sorted by name. A folder that does not exist is an error of kind `NotFound`.
    fn list(&self, dir: &str) -> io::Result<Vec<Entry>>;

    /// What the path names, as [`list`](Self::list) shows it. A path that does not exist is an error of kind `NotFound`.
    fn entry(&self, path: &str) -> io::Result<Entry> {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let found = self.list(dir)?.into_iter().find(|entry| entry.name == name);
        found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("there is no '{path}'")))
    }

    /// Makes a folder and those above it, where they do not exist.
    fn create_dir_all(&self, dir: &str) -> io::Result<()>;

    /// Makes the names in a folder durable: those made, changed and removed.
    fn sync_dir(&self, dir: &str) -> io::Result<()>;

    /// Takes an exclusive lock on a file, made if need be, and holds it until the guard is dropped or the process ends.
    /// Never waits: a lock held elsewhere is an error of kind `WouldBlock` that names its holder where it can. The holder may
    /// remove the file. A file of that name that is no lock is an error.
    fn lock(&self, path: &str) -> io::Result<Box<dyn Send>>;
}

/// An open file. All access is positional, so a handle may be shared.
pub trait File: Send + Sync {
    /// Writes all of `bytes` at `offset`, or fails; short writes and `EINTR` are carried on from. The file grows as needed.
    /// After an error, any part of the bytes may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Reads up to `buf.len()` bytes at `offset`; returns how many, zero only at or past the end (or for an empty `buf`).
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Makes the bytes and the length durable (`fdatasync`). After an error, give up the file: never call it again.
    fn sync_data(&self) -> io::Result<()>;

    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Makes the file at least `len` bytes long, and reserves disk space for them where the file system can.
    /// The new bytes read as zero. So a full disk shows here, and later writes change no metadata.
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// Cuts or extends the file to `len` bytes; new bytes read as zero. Never cut a file that is mapped.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// A read-only view of the file at its present length.
    ///
    /// The caller promises what the type cannot: that nobody changes or cuts these bytes while a view of them lives.
    /// So map sealed segments, nothing else: input files are others' to change.
    fn map(&self) -> io::Result<Region>;

    /// Whether the length is zero.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `buf` from `offset`, or fails with `UnexpectedEof`.
    fn read_exact_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            let read = self.read_at(buf, offset)?;
            if read == 0 {
                let message = format!("the file ends at {offset}, {} bytes before what was to be read", buf.len());
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
            }
            buf = &mut buf[read..];
            offset += read as u64;
        }
        Ok(())
    }
}

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name, without the folder.
    pub name: String,
    /// The length in bytes; without meaning for a folder.
    pub len: u64,
    /// When it was last changed: milliseconds since 1970-01-01 00:00:00 UTC.
    pub modified: i64,
    /// Whether it is a folder.
    pub is_dir: bool,
}
