//! What takes a shard's chunks: its log on disk, or nothing at all for a job that keeps no state.
//!
//! Steppable: `take` handles one chunk and blocks while the disk works. On a thread of its own in production.

use yeoul_frame::ShardId;
use yeoul_state::log::{Chunk, LogWriter, Sealed};

use crate::error::JobError;
use crate::shard::Event;

/// The receiving end of a shard's log.
pub enum Writer {
    /// Appends to the log and makes epochs durable.
    Log(Box<LogWriter>),
    /// Keeps nothing. Epochs are sealed at once: they order the sinks' deliveries and no more.
    Nothing(ShardId),
}

impl Writer {
    /// Takes one chunk. Returns what there is to tell, and a buffer to be used again.
    ///
    /// # Errors
    /// The disk refused. The writer takes nothing more.
    pub fn take(&mut self, mut chunk: Chunk) -> Result<(Option<Event>, Option<Vec<u8>>), JobError> {
        match self {
            Self::Log(log) => {
                let last = chunk.sealed.is_some();
                let told = |cause| JobError::Storage { doing: "writing the state log", cause };
                log.append(chunk).map_err(told)?;
                let event = if last { Some(Event::Sealed(log.seal().map_err(told)?)) } else { None };
                Ok((event, log.take_spent()))
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
}
