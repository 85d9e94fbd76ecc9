//! Reads what one sink sealed, an epoch at a time, so that a restart holds one epoch of it in memory and not all that the log keeps.
//!
//! Each writer (a shard in one run) has its epochs in order; the epochs of all of them are merged.
//!
//! Invariants:
//! 1. Epochs come in increasing order, each once; within one, output is in the order of subtasks, and of a subtask as it was sealed.

use std::collections::VecDeque;
use std::io;

use yeoul_frame::{Epoch, OperatorId};
use yeoul_sys::Storage;

use crate::commit::Commit;
use crate::log::{BlockCursor, Segment};
use crate::recovery::{RestoredOutput, writers_since};

/// The sealed output of one sink in the epochs after a given one.
pub struct SealedEpochs {
    sink: OperatorId,
    after: Epoch,
    last: Epoch,
    writers: Vec<Writer>,
}

/// Where the reading of one writer's blocks stands.
struct Writer {
    ahead: VecDeque<Segment>,
    at: BlockCursor,
    /// What has been read and not been given out: the first piece of its next epoch.
    next: Option<RestoredOutput>,
}

impl SealedEpochs {
    /// Of what `sink` sealed in the epochs after `after`, up to the commit's.
    ///
    /// # Errors
    /// If a segment cannot be read, or a block is not as it was written.
    pub fn open(storage: &dyn Storage, dir: &str, commit: &Commit, sink: OperatorId, after: Epoch) -> io::Result<Self> {
        let segments =
            if after < commit.epoch { writers_since(storage, dir, commit, after)? } else { Default::default() };
        let writers = segments.into_values().map(|ahead| Writer { ahead, at: BlockCursor::default(), next: None });
        let mut epochs = Self { sink, after, last: commit.epoch, writers: writers.collect() };
        for at in 0..epochs.writers.len() {
            epochs.writers[at].next = epochs.read(at)?;
        }
        Ok(epochs)
    }

    /// The next epoch in which the sink sealed anything, and what that was.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn next_epoch(&mut self) -> io::Result<Option<(Epoch, Vec<RestoredOutput>)>> {
        let next = |writer: &Writer| writer.next.as_ref().map(|output| output.epoch);
        let Some(epoch) = self.writers.iter().filter_map(next).min() else { return Ok(None) };
        let mut outputs = Vec::new();
        for at in 0..self.writers.len() {
            while let Some(output) = self.writers[at].next.take_if(|output| output.epoch == epoch) {
                outputs.push(output);
                self.writers[at].next = self.read(at)?;
            }
        }
        // Stable: within a subtask the order of sealing stays.
        outputs.sort_by_key(|output| output.subtask);
        Ok(Some((epoch, outputs)))
    }

    /// The writer's next piece of output, whole.
    fn read(&mut self, at: usize) -> io::Result<Option<RestoredOutput>> {
        let writer = &mut self.writers[at];
        let mut open: Option<RestoredOutput> = None;
        while let Some(segment) = writer.ahead.front() {
            let Some(block) = segment.next_block(&mut writer.at)? else {
                writer.ahead.pop_front();
                writer.at = BlockCursor::default();
                continue;
            };
            if block.epoch() <= self.after || block.epoch() > self.last {
                continue;
            }
            let Some(output) = block.sealed_output().filter(|output| output.sink == self.sink) else { continue };
            let piece = open.get_or_insert_with(|| RestoredOutput {
                sink: output.sink,
                subtask: output.subtask,
                shards: output.shards,
                epoch: output.epoch,
                sequence: output.sequence,
                bytes: Vec::new(),
            });
            piece.bytes.extend_from_slice(output.bytes);
            if !output.more {
                return Ok(open);
            }
        }
        Ok(None)
    }
}
