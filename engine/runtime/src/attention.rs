//! What the coordinator and the shards let each other know without a message.
//!
//! How the coordinator of an idle job learns that there is something to checkpoint, without being told of every record: it asks; the
//! first shard that does something then tells it, once. A shard that is not asked pays one load.
//!
//! And how sources learn that output leaves more slowly than it is made. Deliveries are made on the coordinator's thread, which starts
//! no epoch meanwhile, and sinks hold what they are to seal next: into a pipe that no one reads that would grow to their limit, and
//! fail the job. So sources wait once a delivery has taken [`LONG`].
//!
//! Invariants:
//! 1. Work that the coordinator's look, made after it asked, does not see is work of a shard that sees that it was asked.
//! 2. Sources wait only while a delivery is under way.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

/// How long a delivery may take before sources wait for its end (nanoseconds). Those of files take a thousandth of it.
pub const LONG: u64 = 1_000_000_000;

/// Whether the coordinator wants to hear of work, and whether it is busy delivering.
#[derive(Debug, Default)]
pub struct Attention {
    asked: AtomicBool,
    /// When the delivery that is under way began, in monotonic nanoseconds; 0: there is none.
    delivering: AtomicU64,
}

impl Attention {
    /// Says that a delivery begins.
    pub fn begin_delivery(&self, now: u64) {
        self.delivering.store(now.max(1), Ordering::Relaxed);
    }

    /// Says that it is over.
    pub fn end_delivery(&self) {
        self.delivering.store(0, Ordering::Relaxed);
    }

    /// Whether sources are to wait. The clock is read only while a delivery is under way.
    #[must_use]
    pub fn holds_back(&self, now: impl FnOnce() -> u64) -> bool {
        match self.delivering.load(Ordering::Relaxed) {
            0 => false,
            since => now().saturating_sub(since) > LONG,
        }
    }

    /// Asks. Look at the counters after this.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
        // SeqCst: pairs with the fence by which a shard announces that it will park, after which it looks here once more.
        fence(Ordering::SeqCst);
    }

    /// Whether it was asked, and the answer is this caller's to give.
    #[must_use]
    pub fn take(&self) -> bool {
        self.asked.load(Ordering::Relaxed) && self.asked.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_wait_for_a_delivery_that_takes_long_and_for_no_other() {
        let attention = Attention::default();
        assert!(!attention.holds_back(|| panic!("nobody delivers")));
        attention.begin_delivery(0);
        assert!(!attention.holds_back(|| LONG));
        assert!(attention.holds_back(|| LONG + 2));
        attention.end_delivery();
        assert!(!attention.holds_back(|| panic!("nobody delivers")));
    }
}
