//! Decides when the oldest segment of a shard's log is rewritten, and walks it to do so.
//!
//! First in, first out: only the oldest segment is ever rewritten. Its records that are still the newest of their key go
//! back on the tables' dirty lists, and so to the log's tail with a later snapshot; its tombstones have nothing older to
//! hide, so they go with it. At least half of the log is live in the long run, so a byte is rewritten about once.
//!
//! Pure bookkeeping: owns no file and no table. The counts steer when to compact, and nothing else rests on them.
//!
//! Invariants:
//! 1. A segment that is dropped was relocated before the epoch that drops it began.
//! 2. Neither the segment that is being written nor one with undelivered output is due.

use std::collections::VecDeque;

use yeoul_frame::Epoch;
use yeoul_sys::Region;

use crate::log::{BlockCursor, BlockKind, BlockView, Corrupt, Segment, SegmentId};

/// So many segments are never too many, however small they are.
const FEW_SEGMENTS: usize = 16;

/// One segment's use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentUse {
    /// The segment.
    pub segment: SegmentId,
    /// Bytes written to it.
    pub bytes: u64,
    /// Bytes of records in it that are the newest of their key; an estimate after recovery.
    pub live: u64,
    /// The last epoch whose sealed output it holds.
    pub output: Option<Epoch>,
}

/// Counts live bytes per segment of one shard's log, oldest first.
#[derive(Debug)]
pub struct Liveness {
    segments: VecDeque<SegmentUse>,
    segment_bytes: u32,
    /// Sums over `segments`.
    bytes: u64,
    live: u64,
    relocated: Vec<SegmentId>,
}

impl Liveness {
    pub(crate) fn new(segment_bytes: u32) -> Self {
        Self { segments: VecDeque::new(), segment_bytes, bytes: 0, live: 0, relocated: Vec::new() }
    }

    /// The segment to relocate next, if it is worth it: less than half of the log is live, or it is in many small pieces
    /// (each recovery begins a new one). `delivered` is the last epoch whose output all targets have.
    #[must_use]
    pub fn due(&self, delivered: Epoch) -> Option<SegmentId> {
        let oldest = self.segments.front().filter(|_| self.segments.len() > 1 && self.relocated.is_empty())?;
        let sparse = self.live * 2 < self.bytes;
        let full = (self.bytes / u64::from(self.segment_bytes)) as usize;
        let scattered = self.segments.len() > FEW_SEGMENTS + 4 * full;
        let free = oldest.output.is_none_or(|epoch| epoch <= delivered);
        (free && (sparse || scattered)).then_some(oldest.segment)
    }

    /// Each segment's use, oldest first.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = &SegmentUse> {
        self.segments.iter()
    }

    /// Bytes of the log.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Live bytes of the log.
    #[must_use]
    pub fn live(&self) -> u64 {
        self.live
    }

    /// Recovery read a block of a restored segment, of so many bytes in all. Its records count as live until retired.
    pub(crate) fn restored(&mut self, block: &BlockView<'_>, bytes: u64) {
        let live = if block.kind() == BlockKind::Put { u64::from(block.header().payload) } else { 0 };
        self.wrote(block.address().segment(), bytes, live);
        if block.kind() == BlockKind::SealedOutput {
            self.holds_output(block.address().segment(), block.epoch());
        }
    }

    /// Segments are written in the order of their ids, so the one that is written to is always the last.
    #[inline]
    pub(crate) fn wrote(&mut self, segment: SegmentId, bytes: u64, live: u64) {
        self.bytes += bytes;
        self.live += live;
        match self.segments.back_mut() {
            Some(last) if last.segment == segment => {
                last.bytes += bytes;
                last.live += live;
            }
            _ => self.segments.push_back(SegmentUse { segment, bytes, live, output: None }),
        }
    }

    #[inline]
    pub(crate) fn retire(&mut self, segment: SegmentId, bytes: u64) {
        if let Ok(at) = self.segments.binary_search_by_key(&segment, |of| of.segment) {
            let of = &mut self.segments[at];
            let dead = bytes.min(of.live);
            of.live -= dead;
            self.live -= dead;
        }
    }

    pub(crate) fn holds_output(&mut self, segment: SegmentId, epoch: Epoch) {
        if let Some(last) = self.segments.back_mut().filter(|last| last.segment == segment) {
            last.output = last.output.max(Some(epoch));
        }
    }

    pub(crate) fn relocated(&mut self, segment: SegmentId) {
        let oldest = self.segments.front().filter(|_| self.segments.len() > 1).map(|of| of.segment);
        assert_eq!(oldest, Some(segment), "only the oldest segment is relocated, and never the one that is written");
        self.relocated.push(segment);
    }

    pub(crate) fn take_relocated(&mut self) -> Vec<SegmentId> {
        for id in &self.relocated {
            let of =
                self.segments.pop_front().filter(|of| of.segment == *id).expect("relocated segments are the oldest");
            self.bytes -= of.bytes;
            self.live -= of.live;
        }
        std::mem::take(&mut self.relocated)
    }
}

/// Walks the records of a sealed segment, a block at a time: to put what is live on the tables' dirty lists, or to evict what is clean.
#[derive(Debug)]
pub struct Walk {
    segment: Segment,
    at: BlockCursor,
}

impl Walk {
    /// Begins with a segment that is complete.
    #[must_use]
    pub fn new(segment: Segment) -> Self {
        Self { segment, at: BlockCursor::default() }
    }

    /// The segment.
    #[must_use]
    pub fn segment(&self) -> SegmentId {
        self.segment.reference().segment
    }

    /// Gives the next block whose records may be live to `visit`, with the whole segment. `false` when there is none left; after a
    /// relocation, tell the log buffer then that the segment is [relocated](crate::log::LogBuffer::relocated).
    ///
    /// # Errors
    /// If a block is not as it was written.
    pub fn step(
        &mut self,
        visit: &mut dyn FnMut(&BlockView<'_>, &Region) -> Result<(), Corrupt>,
    ) -> Result<bool, Corrupt> {
        while let Some(block) = self.segment.next_block(&mut self.at)? {
            if block.kind() == BlockKind::Put {
                visit(&block, self.segment.bytes())?;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(counts: &[(u32, u64, u64)]) -> Liveness {
        let mut liveness = Liveness::new(1000);
        for &(id, bytes, live) in counts {
            liveness.wrote(SegmentId(id), bytes, live);
        }
        liveness
    }

    #[test]
    fn the_oldest_segment_is_due_when_less_than_half_is_live() {
        let check = |counts: &[(u32, u64, u64)], expected: Option<u32>| {
            assert_eq!(of(counts).due(Epoch(0)), expected.map(SegmentId), "{counts:?}");
        };
        check(&[], None);
        check(&[(1, 1000, 0)], None);
        check(&[(1, 1000, 1000), (2, 1000, 0)], None);
        check(&[(1, 1000, 999), (2, 1000, 0)], Some(1));
        check(&(1..=16).map(|id| (id, 10, 10)).collect::<Vec<_>>(), None);
        check(&(1..=17).map(|id| (id, 10, 10)).collect::<Vec<_>>(), Some(1));
    }

    #[test]
    fn undelivered_output_and_a_relocation_under_way_hold_it_back() {
        let mut liveness = of(&[(3, 1000, 400)]);
        liveness.holds_output(SegmentId(3), Epoch(7));
        liveness.wrote(SegmentId(5), 1000, 500);
        assert_eq!(liveness.due(Epoch(6)), None);
        assert_eq!(liveness.due(Epoch(7)), Some(SegmentId(3)));
        liveness.relocated(SegmentId(3));
        assert_eq!(liveness.due(Epoch(7)), None);
        assert_eq!(liveness.take_relocated(), [SegmentId(3)]);
        assert_eq!((liveness.bytes(), liveness.live()), (1000, 500));
    }

    #[test]
    fn what_is_retired_is_dead_once_only_as_far_as_it_was_live() {
        let mut liveness = of(&[(1, 100, 60), (4, 100, 100)]);
        liveness.retire(SegmentId(1), 50);
        liveness.retire(SegmentId(1), 50);
        liveness.retire(SegmentId(2), 50);
        liveness.retire(SegmentId(4), 1);
        assert_eq!(liveness.segments().map(|of| of.live).collect::<Vec<_>>(), [0, 99]);
        assert_eq!(liveness.live(), 99);
    }
}
