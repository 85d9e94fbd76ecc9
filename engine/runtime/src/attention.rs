//! How the coordinator of an idle job learns that there is something to checkpoint, without being told of every record.
//!
//! It asks; the first shard that does something then tells it, once. A shard that is not asked pays one load.
//!
//! Invariants:
//! 1. Work that the coordinator's look, made after it asked, does not see is work of a shard that sees that it was asked.

use std::sync::atomic::{AtomicBool, Ordering, fence};

/// Whether the coordinator wants to hear of work.
#[derive(Debug, Default)]
pub struct Attention(AtomicBool);

impl Attention {
    /// Asks. Look at the counters after this.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
        // SeqCst: pairs with the fence by which a shard announces that it will park, after which it looks here once more.
        fence(Ordering::SeqCst);
    }

    /// Whether it was asked, and the answer is this caller's to give.
    #[must_use]
    pub fn take(&self) -> bool {
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed)
    }
}
