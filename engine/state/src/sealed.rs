//! Reads what one sink sealed, an epoch at a time, so that a restart holds one epoch of it in memory and not all that the log keeps.
//!
//! Each writer (a shard in one run) has its epochs in order; the epochs of all of them are merged.
//!
//! Invariants:
//! 1. An epoch of which a writer's first piece is no longer there is left out for that writer: the segment that held it was compacted
//!    away, which happens only once all targets have the epoch. What is left of it is no whole epoch, and must not be delivered as one.
//! 2. Epochs come in increasing order, each once; within one, output is in the order of subtasks, and of a subtask as it was sealed.

use std::collections::VecDeque;
use std::io;

use yeoul_frame::{Epoch, OperatorId};
use yeoul_sys::Storage;

use crate::commit::Commit;
use crate::log::{BlockCursor, Segment};
use crate::recovery::{Parts, RestoredOutput, writers_since};

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
    parts: Parts,
    /// The last epoch whose first piece was met.
    whole: Option<Epoch>,
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
        let writer =
            |ahead| Writer { ahead, at: BlockCursor::default(), parts: Parts::default(), whole: None, next: None };
        let writers = segments.into_values().map(writer);
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

    /// The sink's next piece of output of one writer, whole.
    fn read(&mut self, at: usize) -> io::Result<Option<RestoredOutput>> {
        let (sink, range) = (self.sink, (self.after, self.last));
        let writer = &mut self.writers[at];
        while let Some(output) = writer.read(range)? {
            if output.sink == sink {
                return Ok(Some(output));
            }
        }
        Ok(None)
    }
}

impl Writer {
    /// The next piece of output of any sink, whole, of the epochs after the first and up to the last.
    fn read(&mut self, (after, last): (Epoch, Epoch)) -> io::Result<Option<RestoredOutput>> {
        let mut open: Option<RestoredOutput> = None;
        while let Some(segment) = self.ahead.front() {
            let Some(block) = segment.next_block(&mut self.at)? else {
                self.ahead.pop_front();
                self.at = BlockCursor::default();
                continue;
            };
            if block.epoch() <= after || block.epoch() > last {
                continue;
            }
            let Some(output) = block.sealed_output() else { continue };
            if output.sequence == 0 && output.part == 0 {
                self.whole = Some(output.epoch);
            }
            if self.whole != Some(output.epoch) {
                continue;
            }
            let of = (output.sink.0, block.header().shard, block.header().run, output.sequence);
            let continued = self.parts.is_next(of, output.part, output.more);
            let continued = continued.map_err(|error| error.at(segment.path(), u64::from(block.address().offset())))?;
            debug_assert_eq!(continued, open.is_some(), "parts follow each other");
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
        self.parts.end()?;
        Ok(None)
    }
}
