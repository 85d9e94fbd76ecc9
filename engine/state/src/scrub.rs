//! Reads the sealed segments of a shard's log again, a few blocks at a time, so that decay is found while an older copy may still exist.
//!
//! Steppable and slow: one pass over the log takes `interval`, whatever its size, and a slice is due when its share of that has gone by.
//! Writes nothing. What the page cache holds is read from there, so what it finds first is what the machine would have read anyway.
//!
//! Invariants:
//! 1. A slice reads at most [`SLICE_BYTES`] and one block more.
//! 2. Only segments to which nothing more is written are read, and of those only what is still listed.

use std::io;
use std::time::Duration;

use yeoul_sys::Storage;

use crate::log::{BlockCursor, Segment, SegmentId, SegmentRef};

/// Bytes that a slice reads, about: half a millisecond of checksums.
pub const SLICE_BYTES: usize = 1 << 20;
/// With nothing to read, a pass is looked after so many times an interval.
const LOOKS: u64 = 64;

/// How far the reading has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scrubbed {
    /// Bytes whose checksums were found to hold.
    pub bytes: u64,
    /// Passes over the whole log.
    pub passes: u64,
}

/// The walk over one shard's segments.
#[derive(Debug)]
pub struct Scrub {
    interval: u64,
    due: u64,
    at: Option<(Segment, BlockCursor)>,
    /// Segments up to here were read in this pass.
    last: SegmentId,
    done: Scrubbed,
}

impl Scrub {
    /// A pass takes this long. `now` in monotonic nanoseconds: everything was read at the restore, so the first slice comes later.
    #[must_use]
    pub fn new(interval: Duration, now: u64) -> Self {
        let interval = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).max(1);
        Self {
            interval,
            due: now.saturating_add(interval / LOOKS),
            at: None,
            last: SegmentId(0),
            done: Scrubbed::default(),
        }
    }

    /// When the next slice is due, in monotonic nanoseconds.
    #[must_use]
    pub fn due(&self) -> u64 {
        self.due
    }

    /// How far it has come.
    #[must_use]
    pub fn done(&self) -> Scrubbed {
        self.done
    }

    /// Reads a slice of these segments, oldest first, of the folder `dir`.
    ///
    /// # Errors
    /// If a segment cannot be read, or a block is not as it was written: the error names the file and the place.
    pub fn slice(&mut self, storage: &dyn Storage, dir: &str, sealed: &[SegmentRef], now: u64) -> io::Result<()> {
        let listed = |id: SegmentId| sealed.iter().any(|of| of.segment == id);
        self.at = self.at.take().filter(|(segment, _)| listed(segment.reference().segment));
        let mut read = 0;
        while read < SLICE_BYTES {
            let (segment, at) = match &mut self.at {
                Some(at) => at,
                None => {
                    let Some(next) = sealed.iter().find(|of| of.segment > self.last) else {
                        self.done.passes += u64::from(self.last != SegmentId(0));
                        self.last = SegmentId(0);
                        break;
                    };
                    self.last = next.segment;
                    self.at.insert((Segment::open(storage, dir, next)?, BlockCursor::default()))
                }
            };
            let start = at.offset();
            if segment.next_block(at)?.is_none() {
                self.at = None;
                continue;
            }
            read += at.offset() - start;
        }
        self.done.bytes += read as u64;
        let all: u64 = sealed.iter().map(|of| u64::from(of.len)).sum();
        let share = u128::from(self.interval) * u128::from(read as u64) / u128::from(all.max(1));
        let pause = if read == 0 { self.interval / LOOKS } else { u64::try_from(share).unwrap_or(u64::MAX) };
        self.due = now.saturating_add(pause.max(1));
        Ok(())
    }
}
