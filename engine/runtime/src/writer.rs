//! What takes a shard's chunks: its log on disk, or nothing at all for a job that keeps no state.
//!
//! Steppable: `take` handles one chunk and blocks while the disk works; `idle`, when no chunk waits, reads a little of what was written long
//! ago. On a thread of its own in production.
//!
//! Invariants:
//! 1. An epoch is told to be sealed after all its bytes, and the names of their files, are durable.
//! 2. After an error nothing more is taken, and nothing is tried again on the same files.

use std::sync::Arc;
use std::time::Duration;

use yeoul_frame::ShardId;
use yeoul_state::log::{Chunk, LogWriter, Sealed};
use yeoul_state::scrub::Scrub;
use yeoul_sys::Clock;

use crate::error::JobError;
use crate::shard::Event;
use crate::watch::JobWatch;

/// The receiving end of a shard's log.
pub enum Writer {
    /// Appends to the log and makes epochs durable.
    Log(Box<LogEnd>),
    /// Keeps nothing. Epochs are sealed at once: they order the sinks' deliveries and no more.
    Nothing(ShardId),
}

/// A log on disk, and what looks after its old parts.
pub struct LogEnd {
    /// Appends.
    pub log: LogWriter,
    /// Reads again what was sealed, if the job wants that.
    pub scrub: Option<Scrub>,
    /// The job's clock.
    pub clock: Arc<dyn Clock>,
    /// Is told how far the reading has come.
    pub watch: Arc<JobWatch>,
}

impl Writer {
    /// Takes one chunk. Returns what there is to tell, and a buffer to be used again.
    ///
    /// # Errors
    /// The disk refused. The writer takes nothing more.
    pub fn take(&mut self, mut chunk: Chunk) -> Result<(Option<Event>, Option<Vec<u8>>), JobError> {
        match self {
            Self::Log(end) => {
                let last = chunk.sealed.is_some();
                let told = |cause| JobError::Storage { doing: "writing the state log", cause };
                end.log.append(chunk).map_err(told)?;
                let event = if last { Some(Event::Sealed(end.log.seal().map_err(told)?)) } else { None };
                Ok((event, end.log.take_spent()))
            }
            Self::Nothing(shard) => {
                let sealed = chunk.sealed.take().map(|seal| {
                    Event::Sealed(Sealed {
                        shard: *shard,
                        epoch: seal.epoch,
                        segments: Vec::new(),
                        complete: Vec::new(),
                        bytes: 0,
                    })
                });
                Ok((sealed, Some(std::mem::take(&mut chunk.bytes))))
            }
        }
    }

    /// No chunk waits: checks a slice of the sealed segments if one is due. Returns after how long it wants to be called again.
    ///
    /// # Errors
    /// A block of the log is not as it was written, or cannot be read. The writer takes nothing more.
    pub fn idle(&mut self) -> Result<Option<Duration>, JobError> {
        let Self::Log(end) = self else { return Ok(None) };
        let LogEnd { log, scrub: Some(scrub), clock, watch } = &mut **end else { return Ok(None) };
        let now = clock.monotonic_nanos();
        if now >= scrub.due() {
            let before = scrub.done();
            log.scrub(scrub, now).map_err(|cause| JobError::reading("checking the state log for decay", cause))?;
            let after = scrub.done();
            watch.scrubbed(after.bytes - before.bytes, after.passes - before.passes);
        }
        Ok(Some(Duration::from_nanos(scrub.due().saturating_sub(now))))
    }
}
