//! The manifest: the append-only log of commits, and the only commit point of a store.
//!
//! A commit is one write and one `fdatasync`. Now and then, and at every opening, the retained commits are written to
//! a new file that takes the old one's name, so no torn tail is ever appended to.
//!
//! Invariants:
//! 1. A commit is appended only after everything that it names is durable.
//! 2. A segment file is removed only once a durable commit, and every retained one, no longer names it.
//! 3. After any error the manifest is poisoned: each later call fails, and no sync is tried again.
//! 4. Segment ids at and above [`Manifest::first_segment`] are in no commit and in no file when the run begins.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::ops::Range;
use std::sync::Arc;

use yeoul_frame::{Epoch, ShardId, hash_u64};
use yeoul_sys::{File, Storage, failpoint};

use crate::commit::{Commit, JobMeta};
use crate::entry::{EntryEncoder, FileHeader, decode_manifest};
use crate::log::segment::{named, path_in};
use crate::log::{LogOptions, RunId, SegmentId, SegmentRef, WriterOptions};

/// The manifest's name in a store's folder.
pub const MANIFEST: &str = "MANIFEST";
/// Marks a store into which a savepoint is being copied.
pub(crate) const IMPORT: &str = "IMPORT";
const LOCK: &str = "LOCK";

/// Settings of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManifestOptions {
    /// How many checkpoints are kept, at least 1. Segments that any of them names stay on disk.
    pub retained: usize,
    /// Drawn by the caller, another one for each opening; becomes the store's identity if the store is new.
    pub store: u64,
    /// The manifest is rewritten when it has grown by this many bytes.
    pub rewrite_bytes: u64,
}

impl Default for ManifestOptions {
    fn default() -> Self {
        Self { retained: 1, store: 0, rewrite_bytes: 1024 * 1024 }
    }
}

/// An open, locked store.
pub struct Manifest {
    storage: Arc<dyn Storage>,
    dir: String,
    options: ManifestOptions,
    file: Arc<dyn File>,
    encoder: EntryEncoder,
    /// Where the file's bytes from its beginning ended.
    base: u64,
    allocated: u64,
    retained: VecDeque<Commit>,
    garbage: BTreeSet<SegmentId>,
    poisoned: bool,
    lock: StoreLock,
}

/// The right to change a store's folder, held as long as this lives.
pub(crate) struct StoreLock(#[expect(dead_code, reason = "it is held, and does no more")] Box<dyn Send>);

impl StoreLock {
    /// Makes the folder, durably, and takes its lock. Who else holds it makes this fail at once.
    pub(crate) fn take(storage: &dyn Storage, dir: &str) -> io::Result<Self> {
        make_durable_folder(storage, dir)?;
        let lock = storage.lock(&path_in(dir, LOCK)).map_err(|error| named(dir, "cannot be locked", &error))?;
        Ok(Self(lock))
    }
}

impl Manifest {
    /// Opens the store in `dir`, or makes it, and begins a new run. Returns the last commit, if there is one.
    ///
    /// # Errors
    /// If the folder is in use, a committed entry is damaged, or the disk fails.
    pub fn open(storage: Arc<dyn Storage>, dir: &str, options: ManifestOptions) -> io::Result<(Self, Option<Commit>)> {
        let lock = StoreLock::take(&*storage, dir)?;
        Self::open_locked(storage, dir, options, None, lock)
    }

    /// As [`open`](Self::open); `first` is the first commit of a store that must be new, all of whose segments are durable.
    pub(crate) fn open_locked(
        storage: Arc<dyn Storage>,
        dir: &str,
        options: ManifestOptions,
        first: Option<Commit>,
        lock: StoreLock,
    ) -> io::Result<(Self, Option<Commit>)> {
        assert!(options.retained > 0, "at least one checkpoint is retained");
        let on_disk = list_segments(&*storage, dir)?;
        let path = path_in(dir, MANIFEST);
        let (mut header, mut commits) = match read_file(&*storage, &path) {
            Ok(bytes) if first.is_none() => {
                let image = decode_manifest(&bytes, &path, options.retained)?;
                (image.header, image.commits)
            }
            Ok(_) => return Err(exists(dir)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let importing = storage.open(&path_in(dir, IMPORT)).is_ok();
                if (importing || !on_disk.is_empty()) && first.is_none() {
                    return Err(lost(&path, importing, on_disk.len()));
                }
                let header =
                    FileHeader { store: options.store, number: 0, run: 0, first_segment: SegmentId(1), entries: 0 };
                (header, first.into_iter().collect())
            }
            Err(error) => return Err(named(&path, "cannot be read", &error)),
        };
        let named: BTreeSet<SegmentId> = commits.iter().flat_map(Commit::segments).collect();
        let last = named.last().max(on_disk.last()).map_or(0, |id| id.0);
        header.first_segment = header.first_segment.max(SegmentId(last + 1));
        if header.first_segment > SegmentId::MOST {
            return Err(io::Error::other(crate::log::LogFault::OutOfSegments));
        }
        header.run += 1;
        let garbage = on_disk.difference(&named).copied().collect();
        let rewritten = rewrite(&*storage, dir, MANIFEST, options.rewrite_bytes, header, &mut commits)?;
        remove_if_there(&*storage, &path_in(dir, IMPORT))?;
        let last = commits.back().cloned();
        let Rewritten { file, encoder, allocated } = rewritten;
        let base = encoder.offset;
        let manifest = Self {
            storage,
            dir: dir.to_owned(),
            options,
            file,
            encoder,
            base,
            allocated,
            retained: commits,
            garbage,
            poisoned: false,
            lock,
        };
        Ok((manifest, last))
    }

    /// Gives up the store, but not the right to change it.
    pub(crate) fn into_lock(self) -> StoreLock {
        self.lock
    }

    /// Commits an epoch. Returns once it is durable. Everything that the commit names must be.
    ///
    /// # Errors
    /// Any error is final: the manifest is poisoned, and the epoch may or may not turn out committed at the next opening.
    pub fn append(&mut self, commit: &Commit) -> io::Result<()> {
        if let Some(last) = self.retained.back() {
            assert!(commit.epoch > last.epoch, "{} is committed after {}", commit.epoch, last.epoch);
            assert_eq!(commit.job.key_groups, last.job.key_groups, "the number of key groups never changes");
        }
        self.guard(|manifest| {
            let (at, mut bytes) = (manifest.encoder.offset, Vec::new());
            manifest.encoder.commit(commit, manifest.retained.back(), &mut bytes);
            let path = path_in(&manifest.dir, MANIFEST);
            if manifest.encoder.offset > manifest.allocated {
                manifest.allocated = manifest.encoder.offset.next_multiple_of(manifest.options.rewrite_bytes.max(1));
                let full = |error| named(&path, "cannot be given disk space", &error);
                manifest.file.allocate(manifest.allocated).map_err(full)?;
            }
            failpoint!("manifest.before-append")?;
            manifest.file.write_at(&bytes, at).map_err(|error| named(&path, "cannot be written", &error))?;
            failpoint!("manifest.before-sync")?;
            manifest.file.sync_data().map_err(|error| named(&path, "cannot be made durable", &error))?;
            failpoint!("manifest.after-sync")?;
            manifest.retain(commit.clone());
            if manifest.encoder.offset >= manifest.base + manifest.options.rewrite_bytes {
                let header = manifest.encoder.header;
                let (grow, commits) = (manifest.options.rewrite_bytes, &mut manifest.retained);
                let rewritten = rewrite(&*manifest.storage, &manifest.dir, MANIFEST, grow, header, commits)?;
                manifest.base = rewritten.encoder.offset;
                manifest.file = rewritten.file;
                manifest.encoder = rewritten.encoder;
                manifest.allocated = rewritten.allocated;
            }
            Ok(())
        })
    }

    /// Removes the segment files that no retained commit names. Returns how many. Call it when nothing waits.
    ///
    /// # Errors
    /// Any error is final: the manifest is poisoned.
    pub fn remove_obsolete(&mut self) -> io::Result<usize> {
        self.guard(|manifest| {
            let mut removed = 0;
            while let Some(&id) = manifest.garbage.first() {
                let path = path_in(&manifest.dir, &id.file_name());
                failpoint!("manifest.before-remove")?;
                // A removal that a crash undoes is done again at the next opening, so no folder sync is needed.
                remove_if_there(&*manifest.storage, &path)?;
                manifest.garbage.pop_first();
                failpoint!("manifest.after-remove")?;
                removed += 1;
            }
            Ok(removed)
        })
    }

    /// Segment files that [`remove_obsolete`](Self::remove_obsolete) will remove.
    #[must_use]
    pub fn obsolete(&self) -> usize {
        self.garbage.len()
    }

    /// The retained commits, oldest first.
    #[must_use]
    pub fn retained(&self) -> &VecDeque<Commit> {
        &self.retained
    }

    /// Whether an error ended this manifest's life.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    /// Names this run in every block that it writes.
    #[must_use]
    pub fn run(&self) -> RunId {
        let header = &self.encoder.header;
        RunId(hash_u64(header.store.rotate_left(32) ^ header.run).0)
    }

    /// The first segment id that is this run's to use.
    #[must_use]
    pub fn first_segment(&self) -> SegmentId {
        self.encoder.header.first_segment
    }

    /// The options of a shard's [`LogBuffer`](crate::log::LogBuffer) in this run, with the default bound of a segment.
    #[must_use]
    pub fn log_options(&self, shard: ShardId, job: JobMeta) -> LogOptions {
        LogOptions {
            shard,
            shards: job.shards,
            run: self.run(),
            first_segment: self.first_segment(),
            epoch: self.retained.back().map_or(Epoch(1), |last| last.epoch.next()),
            segment_bytes: LogOptions::SEGMENT_BYTES,
        }
    }

    /// The options of the [`LogWriter`](crate::log::LogWriter) that belongs to these options of the buffer, continuing
    /// the segments that [`Commit::assign`] gave the shard.
    #[must_use]
    pub fn writer_options(&self, log: LogOptions, job: JobMeta, restored: Vec<SegmentRef>) -> WriterOptions {
        let groups: Range<u16> = job.key_groups.range(log.shard.0, job.shards);
        WriterOptions { shard: log.shard, run: log.run, groups, restored, segment_bytes: log.segment_bytes }
    }

    fn retain(&mut self, commit: Commit) {
        self.retained.push_back(commit);
        while self.retained.len() > self.options.retained {
            let old = self.retained.pop_front().expect("there are more than are retained").segments();
            let mut gone = old;
            for commit in &self.retained {
                for id in commit.segments() {
                    gone.remove(&id);
                }
            }
            self.garbage.extend(gone);
        }
    }

    /// Holds invariant 3.
    fn guard<T>(&mut self, work: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        if self.poisoned {
            return Err(io::Error::other(format!(
                "the manifest in {:?} failed before and takes nothing more; restart the job from its last checkpoint",
                self.dir
            )));
        }
        self.poisoned = true;
        let result = work(self);
        self.poisoned = result.is_err();
        result
    }
}

pub(crate) struct Rewritten {
    file: Arc<dyn File>,
    encoder: EntryEncoder,
    allocated: u64,
}

/// Writes a manifest file with these commits, and room to grow, and gives it its name, durably.
pub(crate) fn rewrite(
    storage: &dyn Storage,
    dir: &str,
    name: &str,
    grow: u64,
    header: FileHeader,
    commits: &mut VecDeque<Commit>,
) -> io::Result<Rewritten> {
    let (encoder, bytes) =
        EntryEncoder::begin(FileHeader { number: header.number + 1, ..header }, commits.make_contiguous().iter());
    let (new, path) = (path_in(dir, &format!("{name}.new")), path_in(dir, name));
    remove_if_there(storage, &new)?;
    failpoint!("manifest.before-rewrite")?;
    let file = storage.create(&new).map_err(|error| named(&new, "cannot be created", &error))?;
    let allocated = encoder.offset + grow;
    file.allocate(allocated).map_err(|error| named(&new, "cannot be given disk space", &error))?;
    file.write_at(&bytes, 0).map_err(|error| named(&new, "cannot be written", &error))?;
    failpoint!("manifest.before-rewrite-sync")?;
    file.sync_data().map_err(|error| named(&new, "cannot be made durable", &error))?;
    failpoint!("manifest.before-rename")?;
    storage.rename(&new, &path).map_err(|error| named(&new, "cannot be renamed", &error))?;
    failpoint!("manifest.after-rename")?;
    storage.sync_dir(dir).map_err(|error| named(dir, "cannot make the manifest's name durable", &error))?;
    failpoint!("manifest.after-folder-sync")?;
    Ok(Rewritten { file, encoder, allocated })
}

/// Makes a folder, and its name in each folder above it, durable; also if it exists, since whoever made it may have been
/// killed before it was durable.
pub(crate) fn make_durable_folder(storage: &dyn Storage, dir: &str) -> io::Result<()> {
    if dir.is_empty() {
        return Ok(());
    }
    storage.create_dir_all(dir).map_err(|error| named(dir, "cannot be made", &error))?;
    let above = dir.match_indices('/').map(|(at, _)| &dir[..at]);
    for above in std::iter::once("").chain(above) {
        storage.sync_dir(above).map_err(|error| named(dir, "cannot be made durable", &error))?;
    }
    Ok(())
}

pub(crate) fn remove_if_there(storage: &dyn Storage, path: &str) -> io::Result<()> {
    match storage.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(named(path, "cannot be removed", &error)),
        _ => Ok(()),
    }
}

/// The segment files in a folder.
pub(crate) fn list_segments(storage: &dyn Storage, dir: &str) -> io::Result<BTreeSet<SegmentId>> {
    let entries = storage.list(dir).map_err(|error| named(dir, "cannot be listed", &error))?;
    Ok(entries.iter().filter_map(|entry| SegmentId::of_file_name(&entry.name)).collect())
}

/// A whole file's bytes.
pub(crate) fn read_file(storage: &dyn Storage, path: &str) -> io::Result<Vec<u8>> {
    let file = storage.open(path)?;
    let mut bytes = vec![0; usize::try_from(file.len()?).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

fn lost(path: &str, importing: bool, segments: usize) -> io::Error {
    let message = if importing {
        format!("{path} is missing because a savepoint was being restored and that did not end; restore it again")
    } else {
        format!("{path} is missing beside {segments} segment files; restore the file, or use an empty folder")
    };
    io::Error::new(io::ErrorKind::InvalidData, message)
}

fn exists(dir: &str) -> io::Error {
    let message = format!("{dir:?} holds a store already; restore a savepoint into an empty folder");
    io::Error::new(io::ErrorKind::AlreadyExists, message)
}
