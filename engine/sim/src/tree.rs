//! The simulated disk's files and folders: each call's effect when nothing fails.
//!
//! Invariants:
//! 1. Paths are relative, without `..`; the root is `""`.
//! 2. An inode that has a name, visible or durable, or an open handle is kept.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use yeoul_sys::Entry;

use crate::file::FileState;
use crate::names::{Inode, NameChange, Names, ROOT};
use crate::rng::Chance;
use crate::trace::digest_of;

/// Held by whoever has the file open.
pub(crate) type OpenMark = Arc<()>;

#[derive(Debug, Clone)]
pub(crate) struct Tree {
    names: Names,
    files: BTreeMap<Inode, (FileState, OpenMark)>,
    /// Locked files and the process that holds the lock.
    locks: BTreeMap<Inode, (u64, String)>,
    last: Inode,
    sweep_at: usize,
}

/// How many files there are before the first sweep for nameless ones.
const FIRST_SWEEP: usize = 64;

impl Tree {
    pub(crate) fn new() -> Self {
        Self { names: Names::new(), files: BTreeMap::new(), locks: BTreeMap::new(), last: ROOT, sweep_at: FIRST_SWEEP }
    }

    pub(crate) fn create(&mut self, path: &str, modified: i64) -> io::Result<Inode> {
        let (dir, name) = self.place(path)?;
        if self.child(dir, name).is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let inode = self.next();
        self.files.insert(inode, (FileState::durable(&[], modified), OpenMark::default()));
        self.names.change(NameChange::Link { dir, name: name.to_owned(), inode });
        Ok(inode)
    }

    pub(crate) fn open(&self, path: &str) -> io::Result<Inode> {
        let inode = self.find(path)?;
        if self.files.contains_key(&inode) { Ok(inode) } else { Err(ErrorKind::IsADirectory.into()) }
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str) -> io::Result<Inode> {
        let inode = self.find(from)?;
        let ((from_dir, from), (to_dir, to)) = (self.place(from)?, self.place(to)?);
        if let Some(old) = self.child(to_dir, to) {
            if old == inode {
                return Ok(inode);
            }
            match (self.names.folder(inode), self.names.folder(old)) {
                (_, Some(folder)) if !folder.is_empty() => return Err(ErrorKind::DirectoryNotEmpty.into()),
                (None, Some(_)) => return Err(ErrorKind::IsADirectory.into()),
                (Some(_), None) => return Err(ErrorKind::NotADirectory.into()),
                _ => {}
            }
        }
        self.names.change(NameChange::Move { from: (from_dir, from.to_owned()), to: (to_dir, to.to_owned()), inode });
        Ok(inode)
    }

    pub(crate) fn remove(&mut self, path: &str) -> io::Result<()> {
        let (dir, name) = self.place(path)?;
        let inode = self.child(dir, name).ok_or(ErrorKind::NotFound)?;
        if self.names.folder(inode).is_some_and(|folder| !folder.is_empty()) {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        self.names.change(NameChange::Unlink { dir, name: name.to_owned(), inode });
        Ok(())
    }

    pub(crate) fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        let folder = self.names.folder(self.find(path)?).ok_or(ErrorKind::NotADirectory)?;
        Ok(folder.iter().map(|(name, inode)| self.entry(name, *inode)).collect())
    }

    pub(crate) fn create_dir_all(&mut self, path: &str) -> io::Result<()> {
        self.make_folders(path, false)
    }

    pub(crate) fn folder(&self, path: &str) -> io::Result<Inode> {
        let inode = self.find(path)?;
        if self.names.folder(inode).is_some() { Ok(inode) } else { Err(ErrorKind::NotADirectory.into()) }
    }

    pub(crate) fn sync_folder(&mut self, dir: Inode) {
        self.names.sync(dir);
        self.sweep();
    }

    pub(crate) fn fail_folder_sync(&mut self, dir: Inode, chance: &mut dyn Chance) {
        self.names.fail_sync(dir, chance);
    }

    /// The file of an open handle.
    pub(crate) fn file(&mut self, inode: Inode) -> &mut FileState {
        &mut self.files.get_mut(&inode).expect("a file is kept while a handle is open (invariant 2)").0
    }

    pub(crate) fn open_mark(&self, inode: Inode) -> OpenMark {
        self.files[&inode].1.clone()
    }

    /// Syncs a file that may be gone by now.
    pub(crate) fn sync_if_there(&mut self, inode: Inode) {
        if let Some((file, _)) = self.files.get_mut(&inode) {
            file.sync();
        }
    }

    /// Takes a lock, or names the process that holds it.
    pub(crate) fn lock(&mut self, path: &str, process: u64, modified: i64) -> io::Result<Result<Inode, u64>> {
        let inode = match self.open(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => self.create(path, modified)?,
            other => other?,
        };
        if let Some((holder, _)) = self.locks.get(&inode) {
            return Ok(Err(*holder));
        }
        self.locks.insert(inode, (process, path.to_owned()));
        Ok(Ok(inode))
    }

    pub(crate) fn unlock(&mut self, inode: Inode, process: u64) {
        if self.locks.get(&inode).is_some_and(|(holder, _)| *holder == process) {
            self.locks.remove(&inode);
        }
    }

    pub(crate) fn locks(&self) -> Vec<String> {
        self.locks.values().map(|(_, path)| path.clone()).collect()
    }

    pub(crate) fn process_ended(&mut self, process: u64) {
        self.locks.retain(|_, (holder, _)| *holder != process);
    }

    pub(crate) fn processes_ended(&mut self) {
        self.locks.clear();
        let linked = self.names.linked();
        self.files.retain(|inode, _| linked.contains(inode));
        for (file, _) in self.files.values_mut() {
            file.process_ended();
        }
    }

    pub(crate) fn power_lost(&mut self, atomic_rename: bool, chance: &mut dyn Chance) {
        self.locks.clear();
        let left = self.names.crash(atomic_rename, chance);
        self.files.retain(|inode, _| left.contains(inode));
        for (file, _) in self.files.values_mut() {
            file.power_lost(chance);
        }
    }

    /// One number over all that is visible.
    pub(crate) fn digest(&self) -> u64 {
        let mut all = Vec::new();
        self.walk(ROOT, "", &mut |path, inode| {
            all.extend_from_slice(path.as_bytes());
            if let Some((file, _)) = self.files.get(&inode) {
                all.extend(digest_of(&file.cache().to_vec()).to_le_bytes());
            }
        });
        digest_of(&all)
    }

    /// Puts a file in place, durably.
    pub(crate) fn put(&mut self, path: &str, file: FileState) {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        self.put_folder(above);
        let dir = self.find(above).expect("the folder was made just now");
        let inode = self.next();
        self.files.insert(inode, (file, OpenMark::default()));
        self.names.change(NameChange::Link { dir, name: name.to_owned(), inode });
        self.names.sync(dir);
    }

    /// Takes a file away, durably.
    pub(crate) fn take(&mut self, path: &str) -> io::Result<()> {
        let dir = self.find(path.rsplit_once('/').map_or("", |(above, _)| above))?;
        self.remove(path)?;
        self.names.sync(dir);
        Ok(())
    }

    /// Makes folders, durably.
    pub(crate) fn put_folder(&mut self, path: &str) {
        self.make_folders(path, true).expect("the test's own folders have no file in their way");
    }

    pub(crate) fn read(&self, path: &str) -> Option<Vec<u8>> {
        Some(self.files.get(&self.find(path).ok()?)?.0.cache().to_vec())
    }

    pub(crate) fn files(&self) -> Vec<(String, u64)> {
        let mut all = Vec::new();
        self.walk(ROOT, "", &mut |path, inode| {
            if let Some((file, _)) = self.files.get(&inode) {
                all.push((path.to_owned(), file.cache().len()));
            }
        });
        all.sort();
        all
    }

    pub(crate) fn flip(&mut self, path: &str, bit: u64) -> bool {
        let Ok(inode) = self.open(path) else { return false };
        let file = self.file(inode);
        let bits = file.cache().len() * 8;
        if bits > 0 {
            file.flip(bit % bits);
        }
        bits > 0
    }

    /// How many changes, of names and of bytes, are not durable.
    pub(crate) fn pending(&self) -> usize {
        self.names.pending() + self.files.values().filter(|(file, _)| file.has_pending()).count()
    }

    fn make_folders(&mut self, path: &str, durable: bool) -> io::Result<()> {
        let mut dir = ROOT;
        for name in parts(path)? {
            dir = match self.child(dir, name) {
                Some(there) if self.names.folder(there).is_some() => there,
                Some(_) => return Err(ErrorKind::NotADirectory.into()),
                None => {
                    let inode = self.next();
                    self.names.add_folder(inode);
                    self.names.change(NameChange::Link { dir, name: name.to_owned(), inode });
                    if durable {
                        self.names.sync(dir);
                    }
                    inode
                }
            };
        }
        Ok(())
    }

    fn find(&self, path: &str) -> io::Result<Inode> {
        let mut at = ROOT;
        for name in parts(path)? {
            let folder = self.names.folder(at).ok_or(ErrorKind::NotADirectory)?;
            at = *folder.get(name).ok_or(ErrorKind::NotFound)?;
        }
        Ok(at)
    }

    /// The folder that holds, or is to hold, the last part of a path.
    fn place<'a>(&self, path: &'a str) -> io::Result<(Inode, &'a str)> {
        if parts(path)?.next().is_none() {
            return Err(ErrorKind::InvalidInput.into());
        }
        let path = path.trim_end_matches('/');
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok((self.folder(above)?, name))
    }

    fn child(&self, dir: Inode, name: &str) -> Option<Inode> {
        self.names.folder(dir)?.get(name).copied()
    }

    fn entry(&self, name: &str, inode: Inode) -> Entry {
        let file = self.files.get(&inode).map(|(file, _)| file);
        Entry {
            name: name.to_owned(),
            len: file.map_or(0, |file| file.cache().len()),
            modified: file.map_or(0, |file| file.modified),
            is_dir: file.is_none(),
        }
    }

    fn walk(&self, dir: Inode, path: &str, visit: &mut dyn FnMut(&str, Inode)) {
        for (name, &inode) in self.names.folder(dir).into_iter().flatten() {
            let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            visit(&path, inode);
            self.walk(inode, &path, visit);
        }
    }

    fn next(&mut self) -> Inode {
        self.last = Inode(self.last.0 + 1);
        self.last
    }

    /// Forgets files without a name and without a handle. Seldom, since it looks at all names.
    fn sweep(&mut self) {
        if self.files.len() < self.sweep_at {
            return;
        }
        let linked = self.names.linked();
        self.files.retain(|inode, (_, mark)| linked.contains(inode) || Arc::strong_count(mark) > 1);
        self.sweep_at = (2 * self.files.len()).max(FIRST_SWEEP);
    }
}

fn parts(path: &str) -> io::Result<impl Iterator<Item = &str>> {
    let outside = path.starts_with('/') || path.split('/').any(|part| part == "..");
    if outside {
        return Err(ErrorKind::InvalidInput.into());
    }
    Ok(path.split('/').filter(|part| !part.is_empty() && *part != "."))
}
