//! The mapped segments of one shard's log, by id: where evicted values are read from.
//!
//! Holds a segment from when recovery read it, or the writer left it, until it was compacted. Removing it here does not
//! unmap it under a value that is still read from it: a region is counted.

use std::collections::BTreeMap;

use yeoul_sys::Region;

use crate::log::{Corrupt, LogAddress, Segment, SegmentId};
use crate::state_table::Segments;

/// A shard's mapped segments.
#[derive(Debug, Default)]
pub struct MappedSegments {
    segments: BTreeMap<SegmentId, Segment>,
}

impl MappedSegments {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a segment that was read by recovery, or [verified](Segment::verify) after the writer left it.
    pub fn insert(&mut self, segment: Segment) {
        self.segments.insert(segment.reference().segment, segment);
    }

    /// The segment, for a relocation.
    #[must_use]
    pub fn get(&self, id: SegmentId) -> Option<&Segment> {
        self.segments.get(&id)
    }

    /// Lets go of a segment that a commit dropped.
    pub fn remove(&mut self, id: SegmentId) -> Option<Segment> {
        self.segments.remove(&id)
    }

    /// Checks one segment again, the one after `last`; a background scrub calls it now and then and so goes round.
    /// Returns the segment checked.
    ///
    /// # Errors
    /// If a block is no longer as it was written.
    pub fn scrub_after(&self, last: SegmentId) -> Result<Option<SegmentId>, Corrupt> {
        let after = self.segments.range(SegmentId(last.0 + 1)..).next().or_else(|| self.segments.iter().next());
        after.map_or(Ok(None), |(id, segment)| segment.verify().map(|()| Some(*id)))
    }
}

impl Segments for MappedSegments {
    fn region(&self, at: LogAddress) -> Option<Region> {
        self.segments.get(&at.segment()).map(|segment| segment.bytes().clone())
    }
}
