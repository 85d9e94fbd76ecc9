//! What the two ends of a shard's log need to know at the start of a run. The manifest gives it.

use std::ops::Range;

use yeoul_frame::{Epoch, ShardId};

use super::address::{MAX_SEGMENT_BYTES, RunId, SegmentId};
use super::segment::SegmentRef;

/// What a shard's log needs to know at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOptions {
    /// The shard that writes.
    pub shard: ShardId,
    /// How many shards there are: the step from one of this shard's segment ids to its next.
    pub shards: u16,
    /// The run, as the manifest named it.
    pub run: RunId,
    /// The first segment id of the run, as the manifest named it; this shard's first is `shard` above it.
    pub first_segment: SegmentId,
    /// The first epoch that will be sealed.
    pub epoch: Epoch,
    /// A segment is not grown past this many bytes (but one larger record gets a segment of its own).
    pub segment_bytes: u32,
}

impl LogOptions {
    /// The default bound of a segment.
    pub const SEGMENT_BYTES: u32 = MAX_SEGMENT_BYTES;

    /// Options for shard 0 of 1 of a new store: what tests and examples want.
    #[must_use]
    pub const fn single(run: RunId) -> Self {
        Self {
            shard: ShardId(0),
            shards: 1,
            run,
            first_segment: SegmentId(1),
            epoch: Epoch(1),
            segment_bytes: Self::SEGMENT_BYTES,
        }
    }
}

/// What a shard's writer needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriterOptions {
    /// The shard.
    pub shard: ShardId,
    /// The run, as the manifest named it.
    pub run: RunId,
    /// The key groups that the shard owns.
    pub groups: Range<u16>,
    /// The segments that recovery assigned to the shard, oldest first.
    pub restored: Vec<SegmentRef>,
    /// The bound of a segment; preallocation stops there.
    pub segment_bytes: u32,
}
