//! What travels between frames, in band: signals never overtake records.

use crate::{Epoch, Timestamp};

/// An in-band mark between frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Records may follow from here on. Comes once, first of all but for the last word of an input that has nothing to say: so whoever
    /// has heard it from all inputs knows which of them count, before it sees the first record.
    Start,
    /// No record with an event time at or below this one is expected to follow; one that does is late.
    Watermark(Timestamp),
    /// Everything before belongs to this epoch, everything after to a later one.
    Barrier(Barrier),
    /// This input takes no part in the watermark until its next frame or watermark.
    Idle,
    /// Nothing follows.
    End,
}

/// The mark of one epoch, and why it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Barrier {
    /// The epoch that ends here.
    pub epoch: Epoch,
    /// What the epoch is for.
    pub purpose: Purpose,
}

/// Why an epoch was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A periodic checkpoint.
    Checkpoint,
    /// A savepoint that a user asked for; the job goes on.
    Savepoint,
    /// Sources stop here; after this epoch is committed the job stops (stop with savepoint).
    Stop,
    /// As `Stop`, but the watermark goes to its maximum first, so that windows and timers fire (drain).
    Drain,
}
