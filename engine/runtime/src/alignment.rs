//! Keeps sources of one group from running away from each other in event time (Flink's watermark alignment).
//!
//! Each source instance publishes its watermark in a cell of its own and reads the others'. The cells are published figures, like a
//! counter: a stale one only makes a source wait a moment longer or read a frame more.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use yeoul_frame::Timestamp;

/// The watermarks of the sources of one group.
#[derive(Debug)]
pub struct Group(Vec<AtomicI64>);

impl Group {
    /// Of this many source instances, none of which has a watermark.
    #[must_use]
    pub fn new(members: usize) -> Arc<Self> {
        Arc::new(Self((0..members).map(|_| AtomicI64::new(i64::MIN)).collect()))
    }
}

/// One source instance's part in its group.
#[derive(Debug, Clone)]
pub struct Drift {
    /// The group.
    pub group: Arc<Group>,
    /// Which member this is.
    pub member: usize,
    /// How far it may be ahead of the group's lowest watermark, in milliseconds.
    pub max_drift: i64,
}

impl Drift {
    /// Whether a source with this watermark may go on reading.
    #[must_use]
    pub fn may_read(&self, watermark: Timestamp) -> bool {
        let least = self.group.0.iter().map(|cell| cell.load(Ordering::Relaxed)).min().unwrap_or(i64::MIN);
        watermark == Timestamp::MIN || watermark.0 <= least.saturating_add(self.max_drift)
    }

    /// States this source's watermark.
    pub fn publish(&self, watermark: Timestamp) {
        self.group.0[self.member].store(watermark.0, Ordering::Relaxed);
    }
}
