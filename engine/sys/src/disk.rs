//! [`Storage`] on a real disk, below one folder.
//!
//! Invariants:
//! 1. No path leaves the root by its text: absolute paths and `..` are refused before the system sees them.
//! 2. What this storage creates, only its owner can read: folders 0700, files 0600.
//! 3. Every error names the operation and the whole path; its kind is the system's, its source is the system's error.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use crate::{Entry, File, Region, Storage, failpoint};

/// Folders made here are their owner's alone.
const FOLDER_MODE: u32 = 0o700;
/// As are files.
const FILE_MODE: u32 = 0o600;

/// The files below one folder of the machine.
///
/// ```
/// use yeoul_sys::{DiskStorage, Storage};
///
/// # fn main() -> std::io::Result<()> {
/// # let folder = std::env::temp_dir().join(format!("yeoul-disk-doc-{}", std::process::id()));
/// let storage = DiskStorage::new(&folder)?;
/// let file = storage.create("segment-0")?;
/// file.write_at(b"bytes", 0)?;
/// file.sync_data()?;       // The bytes are durable now,
/// storage.sync_dir("")?;   // and so is the name.
/// assert_eq!(&file.map()?[..], b"bytes");
/// # std::fs::remove_dir_all(folder)
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DiskStorage {
    root: PathBuf,
}

impl DiskStorage {
    /// The files below `root`, which is made (mode 0700) if it does not exist.
    pub fn new(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        make_folder(&root)?;
        Ok(Self { root })
    }

    /// The files below a folder that must exist: for input, where making an empty folder would hide a mistyped name.
    pub fn existing(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        let metadata = fs::metadata(&root).map_err(|e| failed("open the folder", &root, e))?;
        if !metadata.is_dir() {
            return Err(failed("open the folder", &root, io::ErrorKind::NotADirectory.into()));
        }
        Ok(Self { root })
    }

    /// The folder that all paths are relative to.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn resolve(&self, path: &str) -> io::Result<PathBuf> {
        let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !inside {
            let why = format!(
                "the path {path:?} leaves its root {}; use one relative to it, without ..",
                self.root.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        Ok(if path.is_empty() { self.root.clone() } else { self.root.join(path) })
    }
}

impl Storage for DiskStorage {
    fn create(&self, path: &str) -> io::Result<Arc<dyn File>> {
        let path = self.resolve(path)?;
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(FILE_MODE);
        let file = options.open(&path).map_err(|e| failed("create", &path, e))?;
        failpoint!("disk.after-create")?;
        Ok(Arc::new(DiskFile { file, path }))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn File>> {
        let path = self.resolve(path)?;
        let file = match fs::OpenOptions::new().read(true).write(true).open(&path) {
            Err(e) if matches!(e.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
                fs::File::open(&path)
            }
            other => other,
        };
        Ok(Arc::new(DiskFile { file: file.map_err(|e| failed("open", &path, e))?, path }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.resolve(from)?, self.resolve(to)?);
        failpoint!("disk.before-rename")?;
        fs::rename(&from, &to).map_err(|e| failed(&format!("rename to {}", to.display()), &from, e))?;
        failpoint!("disk.after-rename")
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let path = self.resolve(path)?;
        let removed = match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => fs::remove_dir(&path),
            Ok(_) => fs::remove_file(&path),
            Err(e) => Err(e),
        };
        removed.map_err(|e| failed("remove", &path, e))?;
        failpoint!("disk.after-remove")
    }

    /// A name that is not UTF-8 is an error, never skipped. A link is followed; one that leads nowhere, and a file that
    /// goes while the folder is read, are left out.
    fn list(&self, dir: &str) -> io::Result<Vec<Entry>> {
        let dir = self.resolve(dir)?;
        let mut entries = Vec::new();
        for item in fs::read_dir(&dir).map_err(|e| failed("list", &dir, e))? {
            let item = item.map_err(|e| failed("list", &dir, e))?;
            let metadata = match fs::metadata(item.path()) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                other => other.map_err(|e| failed("read the metadata of", &item.path(), e))?,
            };
            let name = item.file_name().into_string().map_err(|name| {
                let why = format!("the name {name:?} in {} is not UTF-8; rename it", dir.display());
                io::Error::new(io::ErrorKind::InvalidData, why)
            })?;
            let modified = metadata.modified().map_err(|e| failed("read the time of", &item.path(), e))?;
            let modified = match modified.duration_since(UNIX_EPOCH) {
                Ok(after) => after.as_millis() as i64,
                Err(before) => -(before.duration().as_millis() as i64),
            };
            entries.push(Entry { name, len: metadata.len(), modified, is_dir: metadata.is_dir() });
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn create_dir_all(&self, dir: &str) -> io::Result<()> {
        make_folder(&self.resolve(dir)?)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let dir = self.resolve(dir)?;
        failpoint!("disk.before-sync-dir")?;
        fs::File::open(&dir).and_then(|folder| folder.sync_all()).map_err(|e| failed("sync the folder", &dir, e))?;
        failpoint!("disk.after-sync-dir")
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn Send>> {
        let path = self.resolve(path)?;
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
        let file = options.open(&path).map_err(|e| failed("open the lock", &path, e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let why = format!("{} is locked by {}; stop it, or use another folder", path.display(), holder(&path));
                return Err(io::Error::new(io::ErrorKind::WouldBlock, why));
            }
            Err(fs::TryLockError::Error(e)) => return Err(failed("lock", &path, e)),
        }
        // The name is a courtesy to whoever is refused; the lock itself is what excludes.
        let named = file.set_len(0).and_then(|()| write!(&file, "{}", std::process::id()));
        named.map_err(|e| failed("write the holder into", &path, e))?;
        Ok(Box::new(Lock(file)))
    }
}

/// Makes a folder and those above it, as far as they are missing, and makes the names of the new ones durable: what is synced in a
/// folder is lost if the folder's own name is.
fn make_folder(dir: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = dir.ancestors().take_while(|at| !at.as_os_str().is_empty() && !at.exists()).collect();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(dir)
        .map_err(|e| failed("make the folder", dir, e))?;
    for made in missing {
        let above = made.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::File::open(above).and_then(|folder| folder.sync_all()).map_err(|e| failed("sync the folder", above, e))?;
    }
    Ok(())
}

/// Who wrote itself into a lock file last.
fn holder(path: &Path) -> String {
    match fs::read_to_string(path) {
        Ok(pid) if !pid.trim().is_empty() => format!("process {}", pid.trim()),
        _ => "another process".to_owned(),
    }
}

/// An exclusive `flock`, given back when the file is closed. The file stays: removing it would let two processes each
/// hold a lock on a file of that name.
#[expect(dead_code, reason = "held for its drop")]
struct Lock(fs::File);

struct DiskFile {
    file: fs::File,
    path: PathBuf,
}

impl File for DiskFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        // In two halves where a crash between them is to be tried; else in one.
        let half = if failpoint::is_live() { bytes.len() / 2 } else { bytes.len() };
        self.file.write_all_at(&bytes[..half], offset).map_err(|e| failed("write to", &self.path, e))?;
        failpoint!("disk.half-written")?;
        let rest = self.file.write_all_at(&bytes[half..], offset + half as u64);
        rest.map_err(|e| failed("write to", &self.path, e))?;
        failpoint!("disk.after-write")
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.file.read_at(buf, offset) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map_err(|e| failed("read from", &self.path, e)),
            }
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        failpoint!("disk.before-sync")?;
        self.file.sync_data().map_err(|e| failed("sync", &self.path, e))?;
        failpoint!("disk.after-sync")
    }

    fn len(&self) -> io::Result<u64> {
        self.file.metadata().map(|m| m.len()).map_err(|e| failed("read the length of", &self.path, e))
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        if len <= self.len()? {
            return Ok(());
        }
        match reserve(&self.file, len) {
            Err(e) if matches!(e.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOSYS)) => self.set_len(len),
            other => other.map_err(|e| failed(&format!("reserve {len} bytes for"), &self.path, e)),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len).map_err(|e| failed(&format!("set to {len} bytes the length of"), &self.path, e))
    }

    fn map(&self) -> io::Result<Region> {
        let len = self.len()?;
        let len = usize::try_from(len).map_err(|e| failed("map", &self.path, io::Error::other(e)))?;
        Region::map(&self.file, len, &self.path).map_err(|e| failed(&format!("map {len} bytes of"), &self.path, e))
    }
}

#[cfg(target_os = "linux")]
fn reserve(file: &fs::File, len: u64) -> io::Result<()> {
    let len = libc::off_t::try_from(len).map_err(|_| io::Error::from_raw_os_error(libc::EFBIG))?;
    loop {
        // SAFETY: fallocate takes no pointer; the descriptor is open for as long as `file` is borrowed.
        if unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, len) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn reserve(_: &fs::File, _: u64) -> io::Result<()> {
    Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP))
}

/// What was tried on which path; the system's error is its source.
#[derive(Debug)]
struct Failed {
    action: String,
    path: PathBuf,
    source: io::Error,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.action, self.path.display(), self.source)
    }
}

impl std::error::Error for Failed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

fn failed(action: &str, path: &Path, source: io::Error) -> io::Error {
    io::Error::new(source.kind(), Failed { action: action.to_owned(), path: path.to_owned(), source })
}
