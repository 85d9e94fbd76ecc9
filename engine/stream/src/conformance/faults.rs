//! Files that work up to some call, and not at all after it: a crash of the process in its middle.
//!
//! Such a crash loses nothing that was written, so syncs are counted and not done: they would take nearly all of the time. What a power
//! loss takes is the simulator's to find out.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use yeoul_operator::{Files, Services};
use yeoul_sys::{Entry, File, Region, Storage};

/// How many calls are left; none: every call fails.
#[derive(Clone)]
struct Calls(Arc<AtomicU64>);

impl Calls {
    fn call(&self) -> io::Result<()> {
        let spend = |left: u64| left.checked_sub(1);
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend) {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::other("the conformance test fails this call, as a crash would")),
        }
    }
}

/// The services, with files that fail after so many calls.
pub(super) fn failing_after(calls: u64, services: &Services) -> Services {
    let calls = Calls(Arc::new(AtomicU64::new(calls)));
    Services { clock: Arc::clone(&services.clock), files: Arc::new(Failing { files: services.files.clone(), calls }) }
}

struct Failing {
    files: Arc<dyn Files>,
    calls: Calls,
}

impl Failing {
    fn failing(&self, tree: io::Result<Arc<dyn Storage>>) -> io::Result<Arc<dyn Storage>> {
        Ok(Arc::new(FailingStorage { storage: tree?, calls: self.calls.clone() }))
    }
}

impl Files for Failing {
    fn folder(&self, folder: &Path) -> io::Result<Arc<dyn Storage>> {
        self.calls.call()?;
        self.failing(self.files.folder(folder))
    }

    fn results(&self, folder: &Path) -> io::Result<Arc<dyn Storage>> {
        self.calls.call()?;
        self.failing(self.files.results(folder))
    }

    fn existing(&self, folder: &Path) -> io::Result<Arc<dyn Storage>> {
        self.calls.call()?;
        self.failing(self.files.existing(folder))
    }
}

struct FailingStorage {
    storage: Arc<dyn Storage>,
    calls: Calls,
}

impl FailingStorage {
    fn failing(&self, file: io::Result<Arc<dyn File>>) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(FailingFile { file: file?, calls: self.calls.clone() }))
    }
}

impl Storage for FailingStorage {
    fn create(&self, path: &str) -> io::Result<Arc<dyn File>> {
        self.calls.call()?;
        self.failing(self.storage.create(path))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn File>> {
        self.calls.call()?;
        self.failing(self.storage.open(path))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.calls.call()?;
        self.storage.rename(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.calls.call()?;
        self.storage.remove(path)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<Entry>> {
        self.calls.call()?;
        self.storage.list(dir)
    }

    fn entry(&self, path: &str) -> io::Result<Entry> {
        self.calls.call()?;
        self.storage.entry(path)
    }

    fn create_dir_all(&self, dir: &str) -> io::Result<()> {
        self.calls.call()?;
        self.storage.create_dir_all(dir)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.calls.call()?;
        // A folder that is not there cannot be synced.
        self.storage.list(dir).map(drop)
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn Send>> {
        self.calls.call()?;
        self.storage.lock(path)
    }
}

struct FailingFile {
    file: Arc<dyn File>,
    calls: Calls,
}

impl File for FailingFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Err(error) = self.calls.call() {
            // A crash in a write leaves any part of it.
            let _ = self.file.write_at(&bytes[..bytes.len() / 2], offset);
            return Err(error);
        }
        self.file.write_at(bytes, offset)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.calls.call()?;
        self.file.read_at(buf, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.calls.call()
    }

    fn len(&self) -> io::Result<u64> {
        self.calls.call()?;
        self.file.len()
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.calls.call()?;
        self.file.allocate(len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.calls.call()?;
        self.file.set_len(len)
    }

    fn map(&self) -> io::Result<Region> {
        self.calls.call()?;
        self.file.map()
    }
}
