//! [`Storage`] on a real disk, below one folder.
//!
//! Invariants:
//! 1. No path leaves the root by its text: absolute paths and `..` are refused before the system sees them.
//! 2. State that this storage creates, only its owner can read: folders 0700, files 0600. Results are what users' other files
//!    are: their umask decides. Input is opened for reading only.
//! 3. Every error names the operation and the whole path; its kind is the system's, its source is the system's error.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use crate::{Entry, File, Region, Storage, failpoint};

/// What a tree of files is for, and so who may read what is made in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    State,
    Results,
    Input,
}

impl Use {
    fn folder_mode(self) -> u32 {
        if self == Self::Results { 0o777 } else { 0o700 }
    }

    fn file_mode(self) -> u32 {
        if self == Self::Results { 0o666 } else { 0o600 }
    }
}

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
    kind: Use,
}

impl DiskStorage {
    /// The files below `root`, which is made (mode 0700) if it does not exist.
    pub fn new(root: impl Into<PathBuf>) -> io::Result<Self> {
        Self::made(root.into(), Use::State)
    }

    /// As [`new`](Self::new), for what a job is run for: files and folders are made with the modes that the user's umask leaves.
    pub fn results(root: impl Into<PathBuf>) -> io::Result<Self> {
        Self::made(root.into(), Use::Results)
    }

    fn made(root: PathBuf, kind: Use) -> io::Result<Self> {
        make_folder(&root, kind)?;
        Ok(Self { root, kind })
    }

    /// The files below a folder that must exist, to be read only: for input, where making an empty folder would hide a mistyped
    /// name.
    pub fn existing(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        let metadata = fs::metadata(&root).map_err(|e| failed("open the folder", &root, e))?;
        if !metadata.is_dir() {
            return Err(failed("open the folder", &root, io::ErrorKind::NotADirectory.into()));
        }
        Ok(Self { root, kind: Use::Input })
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
        options.read(true).write(true).create_new(true).mode(self.kind.file_mode());
        let file = options.open(&path).map_err(|e| failed("create", &path, e))?;
        failpoint!("disk.after-create")?;
        Ok(Arc::new(DiskFile { file, path }))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn File>> {
        let path = self.resolve(path)?;
        let file = match fs::OpenOptions::new().read(true).write(self.kind != Use::Input).open(&path) {
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
            entries.push(entry(name, &item.path(), &metadata)?);
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// A link is followed.
    fn entry(&self, path: &str) -> io::Result<Entry> {
        let (name, path) = (path.rsplit('/').next().unwrap_or(path), self.resolve(path)?);
        let metadata = fs::metadata(&path).map_err(|e| failed("read the metadata of", &path, e))?;
        entry(name.to_owned(), &path, &metadata)
    }

    fn create_dir_all(&self, dir: &str) -> io::Result<()> {
        make_folder(&self.resolve(dir)?, self.kind)
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
        options.read(true).write(true).create(true).truncate(false).mode(self.kind.file_mode());
        // A link could lead to any file.
        options.custom_flags(libc::O_NOFOLLOW);
        let file = loop {
            let file = options.open(&path).map_err(|e| failed("open the lock", &path, e))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(fs::TryLockError::WouldBlock) => {
                    let why =
                        format!("{} is locked by {}; stop it, or use another folder", path.display(), holder(&path));
                    return Err(io::Error::new(io::ErrorKind::WouldBlock, why));
                }
                Err(fs::TryLockError::Error(e)) => return Err(failed("lock", &path, e)),
            }
            // Its last holder may have removed it in between: then what is locked has no name, and keeps nobody out.
            if is_named(&file, &path).map_err(|e| failed("read the metadata of", &path, e))? {
                break file;
            }
        };
        if !is_lock(&file).map_err(|e| failed("read the lock", &path, e))? {
            let why = format!("{} is no lock file, but somebody's data; move it away", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
        }
        // The name is a courtesy to whoever is refused; the lock itself is what excludes.
        let named = file.set_len(0).and_then(|()| write!(&file, "{}", std::process::id()));
        named.map_err(|e| failed("write the holder into", &path, e))?;
        Ok(Box::new(Lock(file)))
    }
}

fn entry(name: String, path: &Path, metadata: &fs::Metadata) -> io::Result<Entry> {
    let modified = metadata.modified().map_err(|e| failed("read the time of", path, e))?;
    let modified = match modified.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_millis() as i64,
        Err(before) => -(before.duration().as_millis() as i64),
    };
    Ok(Entry { name, len: metadata.len(), modified, is_dir: metadata.is_dir() })
}

/// Whether the path is this file's.
fn is_named(file: &fs::File, path: &Path) -> io::Result<bool> {
    let here = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((here.dev(), here.ino()) == (there.dev(), there.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Whether a file is empty or holds what `lock` writes.
fn is_lock(file: &fs::File) -> io::Result<bool> {
    let mut text = [0; 11];
    let len = file.read_at(&mut text, 0)?;
    Ok(len < text.len() && text[..len].iter().all(u8::is_ascii_digit))
}

/// Makes a folder and those above it, as far as they are missing, and makes their names durable: what is synced in a folder is
/// lost if the folder's own name is. The last one's name is made durable even if it was there: whoever made it may have died
/// before that.
fn make_folder(dir: &Path, kind: Use) -> io::Result<()> {
    let missing = dir.ancestors().take_while(|at| !at.as_os_str().is_empty() && !at.exists()).count();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(kind.folder_mode())
        .create(dir)
        .map_err(|e| failed("make the folder", dir, e))?;
    for made in dir.ancestors().take(missing.max(1)) {
        let Some(above) = made.parent() else { break };
        let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
        match fs::File::open(above).and_then(|folder| folder.sync_all()) {
            // A folder that was there may lie in one that only others may read.
            Err(e) if missing == 0 && e.kind() == io::ErrorKind::PermissionDenied => {}
            other => other.map_err(|e| failed("sync the folder", above, e))?,
        }
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

/// An exclusive `flock`, given back when the file is closed. Its holder may remove the file before.
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
