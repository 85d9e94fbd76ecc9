//! What was written since the barrier, and what a snapshot still has to drain.
//!
//! Invariants:
//! 1. `dirty` entries bear the present parity, `left` entries the other one.
//! 2. An entry that bears a parity stands in a bucket whose bit is set in that parity's bitmap.
//! 3. At a freeze nothing of the epoch before is left.

use super::dirty::DirtyBits;
use super::meta::{Meta, Parity};

pub(crate) struct Writes {
    active: DirtyBits,
    frozen: DirtyBits,
    parity: Parity,
    dirty: usize,
    left: usize,
    /// Frozen buckets before this one were drained, unless growth moved entries: then the walk begins again.
    cursor: usize,
}

impl Writes {
    pub(crate) fn new() -> Self {
        let (active, frozen) = (DirtyBits::default(), DirtyBits::default());
        Self { active, frozen, parity: Parity::FIRST, dirty: 0, left: 0, cursor: 0 }
    }

    pub(crate) fn cover(&mut self, buckets: usize) {
        self.active.cover(buckets);
        self.frozen.cover(buckets);
    }

    /// The parity that entries written now bear.
    #[inline]
    pub(crate) fn parity(&self) -> Parity {
        self.parity
    }

    /// The parity of what is frozen.
    pub(crate) fn frozen_parity(&self) -> Parity {
        self.parity.other()
    }

    /// Entries written since the barrier.
    pub(crate) fn dirty(&self) -> usize {
        self.dirty
    }

    /// Frozen entries that are not drained.
    pub(crate) fn left(&self) -> usize {
        self.left
    }

    /// A clean entry of this bucket is written.
    #[inline]
    pub(crate) fn written(&mut self, bucket: usize, meta: &mut Meta) {
        meta.set_written(self.parity);
        self.active.set(bucket);
        self.dirty += 1;
    }

    /// A frozen entry was encoded before its turn, and is clean now.
    pub(crate) fn drained(&mut self, meta: &mut Meta) {
        meta.set_clean();
        self.left -= 1;
    }

    /// A written entry is gone without a trace.
    pub(crate) fn forgotten(&mut self) {
        self.dirty -= 1;
    }

    /// Growth moved an entry to this bucket.
    pub(crate) fn moved(&mut self, bucket: usize, meta: Meta) {
        if meta.written_in(self.parity) {
            self.active.set(bucket);
        } else if !meta.is_clean() {
            self.frozen.set(bucket);
            self.cursor = self.cursor.min(bucket);
        }
    }

    pub(crate) fn freeze(&mut self) {
        assert!(self.left == 0, "{} entries of the epoch before are not drained", self.left);
        std::mem::swap(&mut self.active, &mut self.frozen);
        self.parity = self.parity.other();
        self.left = std::mem::take(&mut self.dirty);
        self.cursor = 0;
    }

    /// The next buckets that may hold frozen entries, in order. Their bits are cleared: the caller drains them.
    pub(crate) fn next_frozen<'a>(&mut self, out: &'a mut [usize]) -> &'a [usize] {
        let mut count = 0;
        while count < out.len()
            && let Some(bucket) = self.frozen.next(self.cursor)
        {
            self.frozen.clear(bucket);
            self.cursor = bucket + 1;
            out[count] = bucket;
            count += 1;
        }
        assert!(count > 0, "{} frozen entries are in no bucket that is marked", self.left);
        &out[..count]
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.active.memory_bytes() + self.frozen.memory_bytes()
    }
}
