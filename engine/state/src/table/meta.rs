//! The word that a table keeps with each entry: whether it is there, written since the barrier, in the log, and where.
//!
//! ```text
//! bit  31 ............ 14 13      12 ......... 4  3       2        1 0
//!      segment, low bits  evicted tag (top bit 1) logged  deleted  written
//! ```
//!
//! Invariants:
//! 1. Zero is a vacant slot; an occupied one has a tag, whose top bit is set.
//! 2. `written` is 0 for a clean entry, else the parity of the epoch in which it was written.
//! 3. `logged`: some record of this key stands in the log, so that its removal needs a tombstone.
//! 4. `evicted`: the slot's value is vacant, and what the key's value is stands in the log. Such an entry is not deleted; it may be
//!    written, by relocation, which changes no value.

use yeoul_frame::KeyHash;

use crate::log::{LogAddress, SegmentId};

const WRITTEN: u32 = 0b11;
const DELETED: u32 = 1 << 2;
const LOGGED: u32 = 1 << 3;
const TAG_SHIFT: u32 = 4;
const TAG: u32 = 0x1ff << TAG_SHIFT;
const TAG_PRESENT: u32 = 0x100 << TAG_SHIFT;
const EVICTED: u32 = 1 << 13;
const SEGMENT_SHIFT: u32 = 14;
const SEGMENT_BITS: u32 = 32 - SEGMENT_SHIFT;
/// Stands for "the newest record in the log is already counted as dead".
const UNCOUNTED: u32 = (1 << SEGMENT_BITS) - 1;

/// One of the two epochs that can have undrained writes: 1 or 2. Zero bits mean clean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parity(u32);

impl Parity {
    pub(crate) const FIRST: Self = Self(1);

    #[must_use]
    pub(crate) const fn other(self) -> Self {
        Self(WRITTEN - self.0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta(u32);

/// What is looked for among the entries of a bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tag(u32);

impl Tag {
    /// From bits of the hash that neither choose the shard (the highest) nor the bucket (the lowest 32, from the top).
    #[inline]
    pub(crate) const fn of(hash: KeyHash) -> Self {
        Self((((hash.0 >> 32) as u32) << TAG_SHIFT) & TAG | TAG_PRESENT)
    }
}

impl Meta {
    pub(crate) const VACANT: Self = Self(0);

    /// A clean entry that is not in the log.
    #[inline]
    pub(crate) const fn new(tag: Tag) -> Self {
        Self(tag.0)
    }

    #[inline]
    pub(crate) const fn is_vacant(self) -> bool {
        self.0 == 0
    }

    #[inline]
    pub(crate) const fn has(self, tag: Tag) -> bool {
        self.0 & TAG == tag.0
    }

    #[inline]
    pub(crate) const fn is_deleted(self) -> bool {
        self.0 & DELETED != 0
    }

    /// Occupied, and not deleted.
    #[inline]
    pub(crate) const fn is_live(self) -> bool {
        self.0 & (TAG_PRESENT | DELETED) == TAG_PRESENT
    }

    /// For an occupied entry: its value is in its slot.
    #[inline]
    pub(crate) const fn is_at_hand(self) -> bool {
        self.0 & (DELETED | EVICTED) == 0
    }

    #[inline]
    pub(crate) const fn is_evicted(self) -> bool {
        self.0 & EVICTED != 0
    }

    #[inline]
    pub(crate) const fn set_evicted(&mut self, evicted: bool) {
        self.0 = if evicted { self.0 | EVICTED } else { self.0 & !EVICTED };
    }

    /// Written in this epoch, with its value in its slot: nothing is to be done before another write.
    #[inline]
    pub(crate) const fn is_live_in(self, parity: Parity) -> bool {
        self.0 & (WRITTEN | DELETED | EVICTED) == parity.0
    }

    /// Not written, with its value in its slot: it need only be marked before a write.
    #[inline]
    pub(crate) const fn is_clean_at_hand(self) -> bool {
        self.0 & (WRITTEN | EVICTED) == 0
    }

    #[inline]
    pub(crate) const fn is_logged(self) -> bool {
        self.0 & LOGGED != 0
    }

    #[inline]
    pub(crate) const fn is_clean(self) -> bool {
        self.0 & WRITTEN == 0
    }

    #[inline]
    pub(crate) const fn written_in(self, parity: Parity) -> bool {
        self.0 & WRITTEN == parity.0
    }

    #[inline]
    pub(crate) const fn set_written(&mut self, parity: Parity) {
        self.0 = self.0 & !WRITTEN | parity.0;
    }

    #[inline]
    pub(crate) const fn set_clean(&mut self) {
        self.0 &= !WRITTEN;
    }

    #[inline]
    pub(crate) const fn set_deleted(&mut self, deleted: bool) {
        self.0 = if deleted { self.0 | DELETED } else { self.0 & !DELETED };
    }

    /// The newest record stands in this segment.
    #[inline]
    pub(crate) const fn set_logged(&mut self, at: LogAddress) {
        self.set_segment(at.segment().0);
    }

    /// Some record stands in the log, which nobody counts as live.
    pub(crate) const fn set_logged_uncounted(&mut self) {
        self.set_segment(UNCOUNTED);
    }

    /// No record of the key stands in the log, but its tombstone.
    pub(crate) const fn set_unlogged(&mut self) {
        self.0 &= ((1 << SEGMENT_SHIFT) - 1) & !LOGGED;
    }

    #[inline]
    const fn set_segment(&mut self, segment: u32) {
        self.0 = self.0 & ((1 << SEGMENT_SHIFT) - 1) | LOGGED | segment << SEGMENT_SHIFT;
    }

    /// Whether the newest record may stand in this segment. Exact, as long as the log's segments differ in their low bits.
    #[inline]
    pub(crate) const fn may_be_in(self, segment: SegmentId) -> bool {
        self.is_logged() && self.0 >> SEGMENT_SHIFT == segment.0 & UNCOUNTED
    }

    /// The segment of the newest record: the last one with these low bits that is not after `newest`.
    #[inline]
    pub(crate) const fn counted_in(self, newest: SegmentId) -> Option<SegmentId> {
        let low = self.0 >> SEGMENT_SHIFT;
        if !self.is_logged() || low == UNCOUNTED {
            return None;
        }
        let behind = newest.0.wrapping_sub(low) & UNCOUNTED;
        Some(SegmentId(newest.0.saturating_sub(behind)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_touch_one_another() {
        for hash in [0, u64::MAX, 0x1234_5678_9abc_def0] {
            let tag = Tag::of(KeyHash(hash));
            let mut meta = Meta::new(tag);
            assert!(meta.is_live() && meta.is_clean() && !meta.is_logged() && meta.has(tag));
            for segment in [1, UNCOUNTED - 1, UNCOUNTED + 1, SegmentId::MOST.0 - 8] {
                meta.set_written(Parity::FIRST);
                meta.set_logged(LogAddress::new(SegmentId(segment), 64));
                assert!(meta.may_be_in(SegmentId(segment)) && !meta.may_be_in(SegmentId(segment ^ 1)));
                assert_eq!(meta.counted_in(SegmentId(segment)), Some(SegmentId(segment)));
                assert_eq!(meta.counted_in(SegmentId(segment + 7)), Some(SegmentId(segment)));
                assert!(meta.written_in(Parity::FIRST) && !meta.written_in(Parity::FIRST.other()) && meta.has(tag));
                meta.set_evicted(true);
                assert!(meta.is_live() && !meta.is_at_hand() && !meta.is_live_in(Parity::FIRST));
                assert_eq!(meta.counted_in(SegmentId(segment)), Some(SegmentId(segment)));
                meta.set_evicted(false);
                meta.set_deleted(true);
                assert!(!meta.is_live() && !meta.is_vacant() && meta.has(tag));
                meta.set_deleted(false);
                meta.set_written(Parity::FIRST.other());
                meta.set_clean();
                assert!(meta.is_live() && meta.is_clean() && meta.is_logged());
            }
            meta.set_logged_uncounted();
            assert_eq!(meta.counted_in(SegmentId(99)), None);
        }
    }
}
