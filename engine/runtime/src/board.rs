//! What a shard publishes about itself for others to read: single-writer figures, never a way to steer.

use std::sync::atomic::{AtomicU64, Ordering};

/// One shard's figures, on a cache line of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct ShardBoard {
    steps: AtomicU64,
}

impl ShardBoard {
    /// The shard did something in this step. Only the shard itself may call this.
    pub fn active(&self) {
        self.steps.store(self.steps.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// How many steps did something.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }
}
