//! Files as a process of the simulation sees them: [`Storage`] and [`File`] over a [`SimDisk`].
//!
//! # What a power loss leaves
//!
//! The least that Linux file systems with a journal promise, and no more:
//!
//! | done before | afterwards |
//! |---|---|
//! | bytes written, then `sync_data` returned without error | they are there, and so is the length, if the file has a name |
//! | bytes written, not synced | each 512-byte sector holds any state since the last sync, on its own: all of a write, none, a prefix, some sectors, one of them torn |
//! | length changed (by writing, `set_len`, `allocate`), not synced | any length since the last sync, whatever the bytes: bytes past it are gone, missing ones are zero |
//! | file made, removed or renamed, then `sync_dir` of the folder (of the new one, for a rename between two) | it is so |
//! | the same, not synced | it is so or not, each change on its own; a later change of a name only with the earlier ones of that name |
//! | file made and its bytes synced, but not the folder | the file may be absent |
//! | folder made and synced itself, but not the folder above | the folder may be absent with all that is in it |
//! | renamed over a file | the old file or the new one, never none; the new one may lack unsynced bytes |
//! | `sync_data` returned an error | of what it should have saved any part is there, and no later sync saves the rest, though reads still show it |
//! | `sync_dir` returned an error | the same for names |
//!
//! Killing the process loses nothing of this: the next process sees all that was written, durable or not. Either way locks are
//! free again, and handles of the dead process give an error on every call.
//!
//! Not modelled: bytes of other files showing in a grown file (journaling file systems zero them); a disk that forgets what it
//! acknowledged (that is what [`Planted::SkipFsync`] shows the tests to notice); time stamps.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use yeoul_sys::{Clock, Entry, File, Region, Storage};

use crate::calls::{Shown, disk_full, failed_sync};
use crate::disk::{SimDisk, State};
use crate::fault::{CallKind, Effect};
use crate::image::Change;
use crate::names::Inode;
use crate::planted::{Planted, TEMPORARY};
use crate::rng::Chance;
use crate::trace::digest_of;
use crate::tree::OpenMark;

/// One process's files below one folder; made by [`SimProcess::folder`](crate::disk::SimProcess::folder).
pub struct SimStorage {
    disk: SimDisk,
    process: u64,
    root: String,
}

impl SimStorage {
    pub(crate) fn new(disk: SimDisk, process: u64, root: String) -> Self {
        Self { disk, process, root }
    }

    fn call<R>(
        &self,
        kind: CallKind,
        path: &str,
        body: impl FnOnce(&mut State, &str, Option<Effect>) -> io::Result<(R, Shown)>,
    ) -> io::Result<R> {
        let path = self.full(path);
        self.disk.state().call(self.process, kind, &path, |state, effect| body(state, &path, effect))
    }

    fn full(&self, path: &str) -> String {
        match (self.root.as_str(), path) {
            ("", path) => path.to_owned(),
            (root, "") => root.to_owned(),
            // An absolute path stays one, to be refused.
            (_, path) if path.starts_with('/') => path.to_owned(),
            (root, path) => format!("{root}/{path}"),
        }
    }

    fn handle(&self, path: &str, inode: Inode) -> Arc<dyn File> {
        let open = self.disk.state().tree.open_mark(inode);
        Arc::new(SimFile { disk: self.disk.clone(), process: self.process, path: self.full(path), inode, _open: open })
    }
}

impl Storage for SimStorage {
    fn create(&self, path: &str) -> io::Result<Arc<dyn File>> {
        let inode = self.call(CallKind::Create, path, |state, path, _| {
            let modified = state.clock.wall_millis();
            Ok((state.tree.create(path, modified)?, Shown::Nothing))
        })?;
        Ok(self.handle(path, inode))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn File>> {
        let inode = self.call(CallKind::Open, path, |state, path, _| Ok((state.tree.open(path)?, Shown::Nothing)))?;
        Ok(self.handle(path, inode))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let to = self.full(to);
        self.call(CallKind::Rename, from, |state, from, _| {
            let inode = state.tree.rename(from, &to)?;
            state.calls.renamed(inode);
            Ok(((), Shown::Name(to)))
        })
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.call(CallKind::Remove, path, |state, path, _| Ok((state.tree.remove(path)?, Shown::Nothing)))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<Entry>> {
        self.call(CallKind::List, dir, |state, dir, _| {
            let entries = state.tree.list(dir)?;
            let count = entries.len() as u64;
            Ok((entries, Shown::Number(count)))
        })
    }

    fn create_dir_all(&self, dir: &str) -> io::Result<()> {
        self.call(CallKind::CreateDir, dir, |state, dir, _| Ok((state.tree.create_dir_all(dir)?, Shown::Nothing)))
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.call(CallKind::SyncDir, dir, |state, dir, effect| {
            let inode = state.tree.folder(dir)?;
            if let Some(effect) = effect {
                state.tree.fail_folder_sync(inode, &mut state.chance);
                return Err(failed_sync(effect));
            }
            if !state.planted.contains(&Planted::SkipFolderSync) {
                state.tree.sync_folder(inode);
            }
            Ok(((), Shown::Nothing))
        })
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn Send>> {
        let process = self.process;
        let inode = self.call(CallKind::Lock, path, |state, path, _| {
            let modified = state.clock.wall_millis();
            match state.tree.lock(path, process, modified)? {
                Ok(inode) => Ok((inode, Shown::Nothing)),
                Err(holder) => {
                    let why = format!("{path} is locked by the simulated process {holder}");
                    Err(io::Error::new(ErrorKind::WouldBlock, why))
                }
            }
        })?;
        Ok(Box::new(SimLock { disk: self.disk.clone(), process, inode }))
    }
}

struct SimLock {
    disk: SimDisk,
    process: u64,
    inode: Inode,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        // If the process is dead the lock is another's by now, and is left alone.
        self.disk.state().tree.unlock(self.inode, self.process);
    }
}

struct SimFile {
    disk: SimDisk,
    process: u64,
    path: String,
    inode: Inode,
    /// Keeps the file while this handle lives, though it has no name.
    _open: OpenMark,
}

impl SimFile {
    fn call<R>(
        &self,
        kind: CallKind,
        body: impl FnOnce(&mut State, Option<Effect>) -> io::Result<(R, Shown)>,
    ) -> io::Result<R> {
        self.disk.state().call(self.process, kind, &self.path, body)
    }

    fn change(&self, state: &mut State, change: Change) {
        let modified = state.clock.wall_millis();
        let file = state.tree.file(self.inode);
        let first = match &change {
            Change::Write { offset, .. } => *offset,
            Change::SetLen(len) => *len,
        };
        if first < file.mapped {
            let violation =
                format!("{} was changed at {first} though its first {} bytes are mapped", self.path, file.mapped);
            state.violations.push(violation);
        }
        let file = state.tree.file(self.inode);
        file.modified = modified;
        file.change(change);
    }
}

impl File for SimFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.call(CallKind::Write, |state, effect| {
            let done = match effect {
                Some(Effect::Short) => state.chance.below(bytes.len() as u64) as usize,
                _ => bytes.len(),
            };
            if done > 0 {
                self.change(state, Change::Write { offset, bytes: bytes[..done].to_vec() });
            }
            match effect {
                Some(Effect::Short) => return Err(disk_full()),
                Some(Effect::LateSync) => state.tree.file(self.inode).doomed = true,
                _ => {}
            }
            Ok(((), Shown::Bytes { at: offset, len: bytes.len() as u64, digest: digest_of(bytes) }))
        })
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.call(CallKind::Read, |state, effect| {
            let mut wanted = buf.len();
            if effect == Some(Effect::Short) && wanted > 1 {
                wanted = 1 + state.chance.below(wanted as u64 - 1) as usize;
            }
            let read = state.tree.file(self.inode).cache().read(&mut buf[..wanted], offset);
            if let Some(Effect::FlipBit(bit)) = effect {
                flip(&mut buf[..read], bit);
            }
            Ok((read, Shown::Bytes { at: offset, len: read as u64, digest: digest_of(&buf[..read]) }))
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.call(CallKind::Sync, |state, effect| {
            let file = state.tree.file(self.inode);
            if file.failed {
                state.violations.push(format!("{} was synced again after a sync of it had failed", self.path));
            }
            let file = state.tree.file(self.inode);
            if effect.is_some() || file.doomed {
                file.fail_sync(&mut state.chance);
                return Err(failed_sync(effect.unwrap_or(Effect::Eio)));
            }
            let planted = |bug| state.planted.contains(&bug);
            if planted(Planted::RenameBeforeSync) && is_temporary(&self.path) {
                state.calls.sync_after_rename(self.inode);
            } else if planted(Planted::AcknowledgeEarly) {
                state.calls.sync_late(self.inode);
            } else if !planted(Planted::SkipFsync) {
                state.tree.file(self.inode).sync();
            }
            Ok(((), Shown::Nothing))
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.call(CallKind::Len, |state, _| {
            let len = state.tree.file(self.inode).cache().len();
            Ok((len, Shown::Number(len)))
        })
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.call(CallKind::Allocate, |state, _| {
            if len > state.tree.file(self.inode).cache().len() {
                self.change(state, Change::SetLen(len));
            }
            Ok(((), Shown::Number(len)))
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.call(CallKind::SetLen, |state, _| {
            self.change(state, Change::SetLen(len));
            Ok(((), Shown::Number(len)))
        })
    }

    /// A copy of the bytes as they are now: what is written later does not show, which a correct engine cannot notice since it
    /// changes nothing that is mapped.
    fn map(&self) -> io::Result<Region> {
        self.call(CallKind::Map, |state, effect| {
            let file = state.tree.file(self.inode);
            let mut bytes = file.cache().to_vec();
            file.mapped = file.mapped.max(bytes.len() as u64);
            if let Some(Effect::FlipBit(bit)) = effect {
                flip(&mut bytes, bit);
            }
            let shown = Shown::Bytes { at: 0, len: bytes.len() as u64, digest: digest_of(&bytes) };
            Ok((Region::from_vec(bytes), shown))
        })
    }
}

fn flip(bytes: &mut [u8], bit: u64) {
    if !bytes.is_empty() {
        let bit = bit % (bytes.len() as u64 * 8);
        bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
    }
}

fn is_temporary(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.starts_with('.') || TEMPORARY.iter().any(|word| name.contains(word))
}
