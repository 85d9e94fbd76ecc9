//! A storage in memory for tests: counts syncs, keeps what is durable apart from what is not, and fails on demand.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use yeoul_sys::{Entry, File, Region, Storage};

#[derive(Default, Clone)]
pub(super) struct MemoryStorage {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    files: BTreeMap<String, Arc<MemoryFile>>,
    calls: u64,
    /// The call that fails, counted from 1, and all after it.
    fail_at: Option<u64>,
    log: Vec<String>,
}

struct MemoryFile {
    path: Mutex<String>,
    bytes: Mutex<Vec<u8>>,
    /// Not counted: the storage holds its files.
    storage: Weak<Mutex<Inner>>,
}

impl MemoryStorage {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A copy of all files as they are now.
    pub(super) fn image(&self) -> BTreeMap<String, Vec<u8>> {
        self.lock_inner().files.iter().map(|(path, file)| (path.clone(), file.bytes.lock().unwrap().clone())).collect()
    }

    pub(super) fn of_image(image: &BTreeMap<String, Vec<u8>>) -> Self {
        let storage = Self::new();
        for (path, bytes) in image {
            storage.insert(path, bytes.clone());
        }
        storage
    }

    /// Makes the `call`-th call from now, and all after it, fail.
    pub(super) fn fail_from(&self, call: u64) {
        let mut inner = self.lock_inner();
        inner.fail_at = Some(inner.calls + call);
    }

    /// The mutating calls so far, as `what path`.
    pub(super) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.lock_inner().log)
    }

    pub(super) fn calls(&self) -> u64 {
        self.lock_inner().calls
    }

    fn insert(&self, path: &str, bytes: Vec<u8>) -> Arc<MemoryFile> {
        let file = Arc::new(MemoryFile {
            path: Mutex::new(path.to_owned()),
            bytes: Mutex::new(bytes),
            storage: Arc::downgrade(&self.inner),
        });
        self.lock_inner().files.insert(path.to_owned(), Arc::clone(&file));
        file
    }

    fn lock_inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    fn call(&self, what: &str, path: &str) -> io::Result<()> {
        let mut inner = self.lock_inner();
        inner.calls += 1;
        if inner.fail_at.is_some_and(|at| inner.calls >= at) {
            return Err(io::Error::other(format!("asked to fail {what} {path}")));
        }
        inner.log.push(format!("{what} {path}"));
        Ok(())
    }
}

impl MemoryFile {
    fn call(&self, what: &str) -> io::Result<()> {
        let path = self.path.lock().unwrap().clone();
        let inner = self.storage.upgrade().ok_or_else(|| missing(&path))?;
        MemoryStorage { inner }.call(what, &path)
    }
}

fn missing(path: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, path.to_owned())
}

impl Storage for MemoryStorage {
    fn create(&self, path: &str) -> io::Result<Arc<dyn File>> {
        self.call("create", path)?;
        if self.lock_inner().files.contains_key(path) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, path.to_owned()));
        }
        Ok(self.insert(path, Vec::new()))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn File>> {
        let file = self.lock_inner().files.get(path).cloned().ok_or_else(|| missing(path))?;
        Ok(file)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.call("rename", to)?;
        let mut inner = self.lock_inner();
        let file = inner.files.remove(from).ok_or_else(|| missing(from))?;
        to.clone_into(&mut file.path.lock().unwrap());
        inner.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        if !self.lock_inner().files.contains_key(path) {
            return Err(missing(path));
        }
        self.call("remove", path)?;
        self.lock_inner().files.remove(path);
        Ok(())
    }

    fn list(&self, dir: &str) -> io::Result<Vec<Entry>> {
        let inner = self.lock_inner();
        let prefix = if dir.is_empty() { String::new() } else { format!("{dir}/") };
        let names = inner.files.iter().filter_map(|(path, file)| {
            let name = path.strip_prefix(&prefix).filter(|name| !name.contains('/'))?;
            let len = file.bytes.lock().unwrap().len() as u64;
            Some(Entry { name: name.to_owned(), len, modified: 0, is_dir: false })
        });
        Ok(names.collect())
    }

    fn create_dir_all(&self, _dir: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.call("sync-dir", dir)
    }

    fn lock(&self, _path: &str) -> io::Result<Box<dyn Send>> {
        Ok(Box::new(()))
    }
}

impl File for MemoryFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.call("write")?;
        let mut all = self.bytes.lock().unwrap();
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        if all.len() < end {
            all.resize(end, 0);
        }
        all[start..end].copy_from_slice(bytes);
        Ok(())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let all = self.bytes.lock().unwrap();
        let rest = all.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.call("sync")
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.call("allocate")?;
        let mut all = self.bytes.lock().unwrap();
        if (all.len() as u64) < len {
            all.resize(len as usize, 0);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.call("set-len")?;
        self.bytes.lock().unwrap().resize(len as usize, 0);
        Ok(())
    }

    fn map(&self) -> io::Result<Region> {
        Ok(Region::from_vec(self.bytes.lock().unwrap().clone()))
    }
}
