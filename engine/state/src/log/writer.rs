//! Appends a shard's chunks to segment files and makes epochs durable. Blocks; lives on an I/O thread.
//!
//! Invariants:
//! 1. A segment is created by this writer, in this run; a file that exists is never appended to.
//! 2. [`LogWriter::seal`] returns after all bytes of the epoch, and the names of their files, are durable.
//! 3. After any error the writer is poisoned: each later call fails, and no sync is tried again.

use std::io;
use std::sync::Arc;

use crate::scrub::Scrub;
use yeoul_frame::{Epoch, ShardId};
use yeoul_sys::{File, Storage, failpoint};

use super::address::SegmentId;
use super::chunk::{Chunk, Seal};
use super::options::WriterOptions;
use super::segment::{SegmentRef, named, path_in};

/// The first preallocation of a segment; each further one doubles it, up to the segment's bound.
const FIRST_ALLOCATION: u64 = 1024 * 1024;
/// Written buffers that are kept for reuse.
const MOST_SPENT: usize = 4;

/// An epoch of one shard, durable and ready to be named by a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The shard.
    pub shard: ShardId,
    /// The epoch.
    pub epoch: Epoch,
    /// All segments that make up the shard's state as of the epoch, oldest first.
    pub segments: Vec<SegmentRef>,
    /// Segments to which nothing more will be written since this epoch: they can be mapped now.
    pub complete: Vec<SegmentRef>,
    /// Bytes written for this epoch.
    pub bytes: u64,
}

/// Appends one shard's log.
pub struct LogWriter {
    storage: Arc<dyn Storage>,
    dir: String,
    options: WriterOptions,
    segments: Vec<SegmentRef>,
    open: Option<OpenSegment>,
    /// Left, but not durable yet.
    left: Vec<OpenSegment>,
    created: bool,
    pending: Option<Seal>,
    bytes: u64,
    poisoned: bool,
    spent: Vec<Vec<u8>>,
}

struct OpenSegment {
    id: SegmentId,
    path: String,
    file: Arc<dyn File>,
    end: u64,
    allocated: u64,
    dirty: bool,
}

impl LogWriter {
    /// The writer of a shard whose run begins. `dir` is the store's folder, which exists. Does no I/O.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>, dir: &str, options: WriterOptions) -> Self {
        Self {
            storage,
            dir: dir.to_owned(),
            segments: options.restored.clone(),
            options,
            open: None,
            left: Vec::new(),
            created: false,
            pending: None,
            bytes: 0,
            poisoned: false,
            spent: Vec::new(),
        }
    }

    /// Writes a chunk, not yet durably. Chunks come in the order in which the shard's buffer gave them.
    ///
    /// # Errors
    /// Any error is final: the writer is poisoned.
    pub fn append(&mut self, mut chunk: Chunk) -> io::Result<()> {
        self.guard(|writer| {
            assert!(writer.pending.is_none(), "an epoch's last chunk is sealed before the next chunk comes");
            if let Some(fault) = chunk.fault {
                return Err(io::Error::new(io::ErrorKind::InvalidData, fault));
            }
            if !chunk.bytes.is_empty() {
                chunk.finish();
                writer.write(&chunk)?;
            }
            writer.pending = chunk.sealed.take();
            if writer.spent.len() < MOST_SPENT && chunk.bytes.capacity() > 0 {
                writer.spent.push(std::mem::take(&mut chunk.bytes));
            }
            Ok(())
        })
    }

    /// Makes the epoch durable whose last chunk was appended. Without anything written it does no I/O.
    ///
    /// # Errors
    /// Any error is final: the writer is poisoned, and what it wrote may or may not be on disk.
    pub fn seal(&mut self) -> io::Result<Sealed> {
        self.guard(|writer| {
            let seal = writer.pending.take().expect("the epoch's last chunk was appended");
            failpoint!("log.before-sync")?;
            for segment in writer.left.iter().chain(&writer.open).filter(|segment| segment.dirty) {
                segment.file.sync_data().map_err(|error| named(&segment.path, "cannot be made durable", &error))?;
            }
            failpoint!("log.after-sync")?;
            if std::mem::take(&mut writer.created) {
                writer
                    .storage
                    .sync_dir(&writer.dir)
                    .map_err(|error| named(&writer.dir, "cannot make the names of new segments durable", &error))?;
                failpoint!("log.after-folder-sync")?;
            }
            if let Some(open) = &mut writer.open {
                open.dirty = false;
            }
            let left: Vec<SegmentId> = writer.left.drain(..).map(|segment| segment.id).collect();
            writer.segments.retain(|of| !seal.dropped.contains(&of.segment));
            Ok(Sealed {
                shard: writer.options.shard,
                epoch: seal.epoch,
                segments: writer.segments.clone(),
                complete: writer.segments.iter().filter(|of| left.contains(&of.segment)).cloned().collect(),
                bytes: std::mem::take(&mut writer.bytes),
            })
        })
    }

    /// Reads a slice of what was written and is no longer written to: see [`Scrub`].
    ///
    /// # Errors
    /// As [`Scrub::slice`]; any error is final: the writer is poisoned.
    pub fn scrub(&mut self, scrub: &mut Scrub, now: u64) -> io::Result<()> {
        self.guard(|writer| {
            let written = writer.left.iter().chain(&writer.open).map(|segment| segment.id).min();
            let sealed = writer.segments.partition_point(|of| written.is_none_or(|written| of.segment < written));
            scrub.slice(&*writer.storage, &writer.dir, &writer.segments[..sealed], now)
        })
    }

    /// A buffer that was written and can be [given back](super::LogBuffer::recycle) to the shard.
    pub fn take_spent(&mut self) -> Option<Vec<u8>> {
        self.spent.pop()
    }

    /// Whether an error ended this writer's life.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    fn write(&mut self, chunk: &Chunk) -> io::Result<()> {
        if self.open.as_ref().is_none_or(|open| open.id != chunk.segment) {
            self.create(chunk.segment)?;
        }
        let open = self.open.as_mut().expect("created above");
        assert_eq!(open.end, u64::from(chunk.offset), "a chunk begins where the one before it ended");
        let end = open.end + chunk.bytes.len() as u64;
        if end > open.allocated {
            let bound = u64::from(self.options.segment_bytes);
            let wanted = (open.allocated * 2).clamp(FIRST_ALLOCATION.min(bound), bound).max(end);
            open.file.allocate(wanted).map_err(|error| named(&open.path, "cannot be given disk space", &error))?;
            open.allocated = wanted;
        }
        failpoint!("log.before-write")?;
        open.file.write_at(&chunk.bytes, open.end).map_err(|error| named(&open.path, "cannot be written", &error))?;
        failpoint!("log.after-write")?;
        open.end = end;
        open.dirty = true;
        self.bytes += chunk.bytes.len() as u64;
        let last = self.segments.last_mut().expect("an open segment is listed");
        last.len = u32::try_from(end).expect("a segment's bound fits");
        Ok(())
    }

    fn create(&mut self, id: SegmentId) -> io::Result<()> {
        assert!(self.segments.last().is_none_or(|last| last.segment < id), "segment ids of a shard only grow");
        if let Some(left) = self.open.take() {
            self.left.push(left);
        }
        failpoint!("log.before-create")?;
        let path = path_in(&self.dir, &id.file_name());
        let file = self.storage.create(&path).map_err(|error| named(&path, "cannot be created", &error))?;
        failpoint!("log.after-create")?;
        self.created = true;
        self.open = Some(OpenSegment { id, path, file, end: 0, allocated: 0, dirty: false });
        let groups = self.options.groups.clone();
        self.segments.push(SegmentRef { segment: id, len: 0, run: self.options.run, groups });
        Ok(())
    }

    /// Holds invariant 3.
    fn guard<T>(&mut self, work: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        if self.poisoned {
            return Err(io::Error::other(format!(
                "the state log of {} failed before and takes nothing more; restart the job from its last checkpoint",
                self.options.shard
            )));
        }
        // Set while the work is under way, so that a panic in it poisons too.
        self.poisoned = true;
        let result = work(self);
        self.poisoned = result.is_err();
        result
    }
}
