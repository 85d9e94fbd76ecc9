//! Bugs put in on purpose, to see that the tests find them.
//!
//! The engine asks [`is_planted`] where a bug could be. Without the feature `planted`, which only the simulator's own build turns on,
//! the answer is a constant and nothing is left of the question. Bugs are planted a thread at a time: the simulator runs a whole job
//! on one, so that two runs do not meet.

/// A bug of the engine that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A task reads on from an input that has delivered its barrier.
    BarrierOvertaken,
    /// Blocks of the log are used whatever their checksum.
    ChecksumIgnored,
    /// After a restart the first epoch has the number of the last one before.
    EpochReused,
    /// Timers come back empty.
    TimerNotRestored,
    /// Some of the records that were written since the barrier do not reach the log.
    DirtyBitLost,
    /// Compaction lets go of a segment without writing its live records anew.
    CompactionDropsLive,
    /// A sink's marker names an epoch before all of its output is visible.
    MarkerAfterCommit,
    /// A shard that has put something into another's ring does not wake it.
    BellNotRung,
}

#[cfg(feature = "planted")]
mod planted_here {
    use std::cell::Cell;

    thread_local! {
        pub(super) static BUG: Cell<Option<super::Bug>> = const { Cell::new(None) };
    }
}

/// Whether this bug is planted in this thread.
#[inline]
#[must_use]
pub fn is_planted(bug: Bug) -> bool {
    #[cfg(feature = "planted")]
    return planted_here::BUG.get() == Some(bug);
    #[cfg(not(feature = "planted"))]
    {
        let _ = bug;
        false
    }
}

/// Plants a bug in this thread in place of the one before it; `None` leaves none. False if this build has no bugs to plant.
pub fn plant(bug: Option<Bug>) -> bool {
    #[cfg(feature = "planted")]
    planted_here::BUG.set(bug);
    let _ = bug;
    cfg!(feature = "planted")
}
