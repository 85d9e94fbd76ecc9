//! A segment file, mapped read-only: its blocks, and records read where they lie.
//!
//! A segment is mapped only once nobody appends to it: a segment of an earlier run, or one that the writer has left.
//! Bytes past its committed length are ignored; they are preallocated, or were never committed.
//!
//! Invariants:
//! 1. No byte of a block is handed out before the block's checksum held, by [`Segment::verify`] or by walking its blocks.
//! 2. Blocks tile the committed length exactly.

use std::io;
use std::ops::Range;

use yeoul_sys::{Region, Storage};

use super::address::{LogAddress, RunId, SegmentId};
use super::block::{BlockView, Origin, variable_record};
use super::corrupt::Corrupt;
use super::header::{ALIGN, Layout};

/// One segment of a shard's log, as a commit names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRef {
    /// The segment.
    pub segment: SegmentId,
    /// The committed bytes, a multiple of the block alignment.
    pub len: u32,
    /// The run that wrote it.
    pub run: RunId,
    /// The key groups for which this listing counts. A segment written before a change of the number of shards holds
    /// groups of several shards; each shard lists it for its own.
    pub groups: Range<u16>,
}

impl SegmentRef {
    /// Where a reader expects the segment's blocks to say that they stand.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin { segment: self.segment, run: self.run }
    }
}

/// A path below the storage's root.
pub(crate) fn path_in(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}

/// A mapped segment.
#[derive(Debug, Clone)]
pub struct Segment {
    path: String,
    reference: SegmentRef,
    bytes: Region,
}

impl Segment {
    /// Maps a segment. Nothing of it is checked yet but its length.
    ///
    /// # Errors
    /// If the file cannot be mapped, or is shorter than what was committed.
    pub fn open(storage: &dyn Storage, dir: &str, reference: &SegmentRef) -> io::Result<Self> {
        let path = path_in(dir, &reference.segment.file_name());
        let file = storage.open(&path).map_err(|error| named(&path, "cannot be opened", &error))?;
        let bytes = file.map().map_err(|error| named(&path, "cannot be mapped", &error))?;
        if (bytes.len() as u64) < u64::from(reference.len) {
            let what =
                format!("the file has {} bytes, fewer than the {} that were committed", bytes.len(), reference.len);
            return Err(Corrupt::new(what).at(&path, bytes.len() as u64).into());
        }
        let bytes = bytes.slice(0..reference.len as usize);
        Ok(Self { path, reference: reference.clone(), bytes })
    }

    /// Walks all blocks, checking each.
    ///
    /// # Errors
    /// If a block is not as it was written.
    pub fn verify(&self) -> Result<(), Corrupt> {
        let mut at = BlockCursor::default();
        while self.next_block(&mut at)?.is_some() {}
        Ok(())
    }

    /// The block at the cursor, checked; moves the cursor past it. `None` at the end.
    ///
    /// # Errors
    /// If the block is not as it was written. The cursor stays.
    pub fn next_block(&self, at: &mut BlockCursor) -> Result<Option<BlockView<'_>>, Corrupt> {
        if at.0 == self.bytes.len() {
            return Ok(None);
        }
        let (block, next) = BlockView::parse(&self.bytes, at.0, self.reference.origin())
            .map_err(|error| error.at(&self.path, at.0 as u64))?;
        at.0 = next;
        Ok(Some(block))
    }

    /// Key and value of the record at an address of this segment. Only for addresses that came from its blocks, after
    /// they were checked; `None` if no such record can stand there.
    #[must_use]
    #[inline]
    pub fn record(&self, address: LogAddress, layout: Layout) -> Option<(&[u8], &[u8])> {
        debug_assert_eq!(address.segment(), self.reference.segment);
        let rest = self.bytes.get(address.offset() as usize..)?;
        match layout {
            Layout::Fixed { key, value } => Some(rest.get(..(key + value) as usize)?.split_at(key as usize)),
            Layout::Variable => variable_record(rest, address.offset() as usize).map(|(key, value, _)| (key, value)),
        }
    }

    /// How the commit names it.
    #[must_use]
    pub fn reference(&self) -> &SegmentRef {
        &self.reference
    }

    /// The committed bytes.
    #[must_use]
    pub fn bytes(&self) -> &Region {
        &self.bytes
    }

    /// The file, relative to the storage's root.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// A place between two blocks of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BlockCursor(usize);

impl BlockCursor {
    /// Bytes from the segment's start.
    #[must_use]
    pub fn offset(self) -> usize {
        self.0
    }
}

const _: () = assert!(Region::ALIGNMENT.is_multiple_of(ALIGN), "alignment in a segment is alignment in memory");

/// The same error, saying which file it is about.
pub(crate) fn named(path: &str, what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{path} {what}: {error}"))
}
