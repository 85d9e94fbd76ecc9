//! The growing end of a log in memory: places blocks in chunks, and chunks in segments.
//!
//! Invariants:
//! 1. Chunks leave in the order of the log; within a segment each begins where the one before it ended.
//! 2. No record is split over blocks, no block over chunks, no chunk over segments.
//! 3. No buffer grows past [`CHUNK_BYTES`], except one made to measure for a single larger record.

use std::collections::VecDeque;

use yeoul_frame::Epoch;

use super::address::{LogAddress, MAX_SEGMENT_BYTES, SegmentId};
use super::chunk::{Chunk, LogFault};
use super::header::{ALIGN, BLOCK_BYTES, BlockHeader, BlockKind, HEADER_BYTES, Layout, widths};
use super::options::LogOptions;
use crate::compaction::Liveness;

/// Capacity of a chunk: what goes to the writer in one piece.
pub(crate) const CHUNK_BYTES: usize = 4 * BLOCK_BYTES;
/// A block is not begun with less room than this in its chunk; it would be mostly header.
const LEAST_ROOM: usize = 4 * 1024;
/// Buffers kept for reuse.
const MOST_SPARE: usize = 4;

/// What all records of a block have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) kind: BlockKind,
    pub(crate) owner: u64,
    pub(crate) namespace: i64,
    pub(crate) layout: Layout,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) options: LogOptions,
    /// The epoch for which blocks are written.
    pub(crate) epoch: Epoch,
    pub(crate) fault: Option<LogFault>,
    segment: SegmentId,
    /// Where in the segment `bytes` begins.
    base: usize,
    bytes: Vec<u8>,
    /// The block that is being filled, and where in `bytes` it begins.
    open: Option<(Group, usize)>,
    full: VecDeque<Chunk>,
    spare: Vec<Vec<u8>>,
}

impl Tail {
    pub(crate) fn new(options: LogOptions) -> Self {
        let first = options.first_segment.0.saturating_add(u32::from(options.shard.0));
        Self {
            options,
            epoch: options.epoch,
            fault: (first > SegmentId::MOST.0).then_some(LogFault::OutOfSegments),
            segment: SegmentId(first.min(SegmentId::MOST.0)),
            base: 0,
            bytes: Vec::new(),
            open: None,
            full: VecDeque::new(),
            spare: Vec::new(),
        }
    }

    pub(crate) fn segment(&self) -> SegmentId {
        self.segment
    }

    /// The address of what stands at an index of the buffer.
    #[inline]
    pub(crate) fn address_of(&self, at: usize) -> LogAddress {
        if self.fault.is_some() { LogAddress::NONE } else { LogAddress::new(self.segment, (self.base + at) as u32) }
    }

    pub(crate) fn take_chunk(&mut self) -> Option<Chunk> {
        self.full.pop_front()
    }

    /// All that was not taken: the last chunk, possibly empty.
    pub(crate) fn take_rest(&mut self) -> Chunk {
        assert!(self.full.is_empty(), "chunks leave in order: take_chunk until it returns none, then seal");
        self.flush();
        self.full.pop_front().unwrap_or_else(|| self.chunk(Vec::new()))
    }

    pub(crate) fn pending(&self) -> usize {
        self.full.iter().map(|chunk| chunk.bytes.len()).sum::<usize>() + self.bytes.len()
    }

    pub(crate) fn recycle(&mut self, mut bytes: Vec<u8>) {
        if bytes.capacity() == CHUNK_BYTES && self.spare.len() < MOST_SPARE {
            bytes.clear();
            self.spare.push(bytes);
        }
    }

    /// Makes the open block one of this group with room for a record of `width` bytes, to be appended to what it returns.
    #[inline]
    pub(crate) fn make_room(&mut self, group: Group, width: usize, liveness: &mut Liveness) -> &mut Vec<u8> {
        if let Some((open, start)) = self.open {
            let end = (self.bytes.len() + width).next_multiple_of(ALIGN);
            let fits = end - start <= BLOCK_BYTES && end <= self.bytes.capacity();
            if open == group && fits && self.base + end <= self.options.segment_bytes as usize {
                return &mut self.bytes;
            }
        }
        self.open_block(group, width, liveness);
        &mut self.bytes
    }

    #[cold]
    pub(crate) fn open_block(&mut self, group: Group, width: usize, liveness: &mut Liveness) {
        self.close_block();
        self.place_block(width);
        let (first, second) = widths(group.kind, group.layout);
        let header = BlockHeader { first, second, ..self.header(group.kind, group.owner, group.namespace) };
        self.open = Some((group, self.bytes.len()));
        self.bytes.extend_from_slice(&header.encode());
        liveness.wrote(self.segment, HEADER_BYTES as u64, 0);
    }

    pub(crate) fn close_block(&mut self) {
        if let Some((_, start)) = self.open.take() {
            let payload = (self.bytes.len() - start - HEADER_BYTES) as u32;
            self.bytes[start + 8..start + 12].copy_from_slice(&payload.to_le_bytes());
            self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN), 0);
        }
    }

    /// Appends a block of these bytes and no others.
    pub(crate) fn whole_block(&mut self, header: BlockHeader, name: &[u8], part: &[u8], liveness: &mut Liveness) {
        let payload = name.len() + part.len();
        self.close_block();
        self.place_block(payload);
        let header = BlockHeader { address: self.here(), payload: payload as u32, ..header };
        self.bytes.extend_from_slice(&header.encode());
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(part);
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN), 0);
        liveness.wrote(self.segment, BlockHeader::block_bytes(payload) as u64, 0);
    }

    /// Makes room for a block with at least this payload: in this chunk, else in a new chunk, else in a new segment.
    fn place_block(&mut self, payload: usize) {
        let block = BlockHeader::block_bytes(payload);
        let limit = self.options.segment_bytes as usize;
        let end = self.base + self.bytes.len();
        if end > 0 && end + block.max(LEAST_ROOM.min(limit / 4)) > limit {
            self.flush();
            self.next_segment();
        }
        if self.bytes.len() + block.max(LEAST_ROOM) > self.bytes.capacity() {
            self.flush();
            let spare = if block <= CHUNK_BYTES { self.spare.pop() } else { None };
            self.bytes = spare.unwrap_or_else(|| Vec::with_capacity(block.max(CHUNK_BYTES)));
        }
    }

    fn next_segment(&mut self) {
        self.base = 0;
        match self.segment.0.checked_add(u32::from(self.options.shards)) {
            Some(id) if id <= SegmentId::MOST.0 => self.segment = SegmentId(id),
            _ => _ = self.fault.get_or_insert(LogFault::OutOfSegments),
        }
    }

    /// Moves what was encoded to the full chunks.
    fn flush(&mut self) {
        self.close_block();
        if !self.bytes.is_empty() {
            let bytes = std::mem::take(&mut self.bytes);
            let chunk = self.chunk(bytes);
            self.base += chunk.bytes.len();
            self.full.push_back(chunk);
        }
    }

    fn chunk(&self, bytes: Vec<u8>) -> Chunk {
        Chunk { segment: self.segment, offset: self.base as u32, bytes, sealed: None, fault: self.fault }
    }

    pub(crate) fn header(&self, kind: BlockKind, owner: u64, namespace: i64) -> BlockHeader {
        BlockHeader {
            payload: 0,
            kind,
            shard: self.options.shard,
            address: self.here(),
            epoch: self.epoch,
            run: self.options.run,
            owner,
            namespace,
            first: 0,
            second: 0,
        }
    }

    /// The next byte's address; a segment's very end (where nothing is ever written) is clamped.
    fn here(&self) -> LogAddress {
        LogAddress::new(self.segment, ((self.base + self.bytes.len()) as u32).min(MAX_SEGMENT_BYTES - 1))
    }
}
