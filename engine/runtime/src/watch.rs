//! What the outside may watch of a running job: counters by operator, checkpoints, the watermark, checks of the log.

use std::sync::Mutex;
use std::time::Duration;

use yeoul_frame::{Epoch, Timestamp};
use yeoul_state::scrub::Scrubbed;

use crate::build::Watched;
use crate::error::JobError;

/// The last completed checkpoint, and how many there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checkpoints {
    /// The last committed epoch.
    pub epoch: Epoch,
    /// Checkpoints completed by this run of the job.
    pub completed: u64,
    /// From its start to the end of delivery, in nanoseconds.
    pub duration_nanos: u64,
    /// Bytes that it wrote.
    pub bytes: u64,
    /// When it was committed (wall clock, ms since 1970).
    pub at_millis: i64,
}

/// Figures of a job, over all its attempts. Written seldom (once an epoch, once an attempt), so a lock serves.
#[derive(Debug, Default)]
pub struct JobWatch {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    operators: Vec<Watched>,
    sources: Vec<usize>,
    checkpoints: Checkpoints,
    scrubbed: Scrubbed,
    attempts: u32,
    last_failure: Option<String>,
    asked: usize,
}

impl JobWatch {
    /// A new attempt runs with these operator instances, of which those at `sources` are sources.
    pub fn attempt(&self, operators: Vec<Watched>, sources: Vec<usize>) {
        let mut inner = self.lock();
        inner.attempts += 1;
        inner.operators = operators;
        inner.sources = sources;
    }

    /// An epoch was committed and delivered.
    pub fn committed(&self, epoch: Epoch, duration_nanos: u64, bytes: u64, at_millis: i64) {
        let mut inner = self.lock();
        let completed = inner.checkpoints.completed + 1;
        inner.checkpoints = Checkpoints { epoch, completed, duration_nanos, bytes, at_millis };
    }

    /// A shard's log was read again: so many bytes of it, and to its end so many times.
    pub fn scrubbed(&self, bytes: u64, passes: u64) {
        let mut inner = self.lock();
        inner.scrubbed.bytes += bytes;
        inner.scrubbed.passes += passes;
    }

    /// How much of the logs of all shards was read again and found to be as it was written.
    #[must_use]
    pub fn scrub(&self) -> Scrubbed {
        self.lock().scrubbed
    }

    /// An attempt failed; the next begins after `delay`.
    pub fn failed(&self, error: &JobError, delay: Duration) {
        self.lock().last_failure = Some(format!("{error} (restarting in {delay:?})"));
    }

    /// The last failure that led to a restart.
    #[must_use]
    pub fn last_failure(&self) -> Option<String> {
        self.lock().last_failure.clone()
    }

    /// Whether someone waits for the job to stop, or for a savepoint: whatever the job itself waits for, its next epoch should not.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.lock().asked > 0
    }

    /// Something was asked.
    pub(crate) fn ask(&self) {
        self.lock().asked += 1;
    }

    /// Something that was asked has its answer.
    pub(crate) fn answered(&self) {
        self.lock().asked -= 1;
    }

    /// The present operator instances.
    #[must_use]
    pub fn operators(&self) -> Vec<Watched> {
        self.lock().operators.clone()
    }

    /// How many attempts there were.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.lock().attempts
    }

    /// The last checkpoint.
    #[must_use]
    pub fn checkpoints(&self) -> Checkpoints {
        self.lock().checkpoints
    }

    /// The least watermark of all source instances.
    #[must_use]
    pub fn source_watermark(&self) -> Timestamp {
        let inner = self.lock();
        let least = inner.sources.iter().map(|at| inner.operators[*at].counters.watermark()).min();
        least.unwrap_or(Timestamp::MIN)
    }

    /// Records that sources have brought in, by this attempt.
    #[must_use]
    pub fn source_records(&self) -> u64 {
        let inner = self.lock();
        inner.sources.iter().map(|at| inner.operators[*at].counters.records_out.get()).sum()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // The lock guards plain figures; a panic elsewhere leaves them whole.
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
