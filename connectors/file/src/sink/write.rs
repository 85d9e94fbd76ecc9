//! One instance of a file sink: turns records into text (or the bytes of a format that is none), and seals it at each barrier.
//!
//! Its state in a snapshot, integers little endian: `u8 version = 1 │ u64 bytes of text sealed │ u64 bytes in the part that
//! is not complete │ i64 when that part's first record came, in ms, or the least number`.
//!
//! Invariants:
//! 1. All text of an epoch is in `full`, in order, then in `chunk`; its bytes are `epoch_bytes`.
//! 2. `offset` is the number of bytes of text sealed in earlier epochs.
//! 3. What is held of an epoch is at most the limit and one piece: text beyond that fails the job with an error that names the option.
//!    While an encoder ends its file, what that writes out is held twice.
//! 4. An encoder that holds rows ends its file with the part, and its parts end with each epoch: no row is held across a barrier.
//!
//! The text is handed to the log at the barrier, not before: the right to seal comes with the snapshot, and is of one epoch.

use std::sync::Arc;

use yeoul_formats::columns::FrameEncoder;
use yeoul_frame::{Frame, RowKind, Timestamp};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError, Progress, Snapshot, Subtask};

use super::Settings;
use super::chunk;
use super::roll::Growing;

/// The name of the state in a snapshot.
const STATE: &str = "file-sink";
const VERSION: u8 = 1;

/// One instance of a file sink.
pub(crate) struct FileWriter<E, X> {
    settings: Arc<Settings<E>>,
    encoder: X,
    subtask: Subtask,
    chunk: Vec<u8>,
    full: Vec<Arc<[u8]>>,
    epoch_bytes: u64,
    offset: u64,
    part: Growing,
    now: Timestamp,
    /// The number of instances has changed: an epoch is sealed even without text, so that parts of before are completed.
    announces: bool,
}

impl<E, X: FrameEncoder> FileWriter<E, X> {
    pub(crate) fn new(settings: Arc<Settings<E>>, encoder: X) -> Self {
        let mut first = Vec::with_capacity(2 * settings.piece);
        chunk::begin(&mut first);
        Self {
            settings,
            encoder,
            subtask: Subtask { index: 0, parallelism: 1 },
            chunk: first,
            full: Vec::new(),
            epoch_bytes: 0,
            offset: 0,
            part: Growing::default(),
            now: Timestamp::MIN,
            announces: false,
        }
    }

    /// Bytes of text in the chunk.
    fn pending(&self) -> usize {
        self.chunk.len() - chunk::HEADER
    }

    /// Completes the chunk, and begins the next.
    fn complete_chunk(&mut self, ends_part: bool) -> Arc<[u8]> {
        let offset = self.offset + self.epoch_bytes - self.pending() as u64;
        chunk::complete(&mut self.chunk, offset, ends_part);
        let sealed = Arc::from(self.chunk.as_slice());
        chunk::begin(&mut self.chunk);
        sealed
    }

    /// Completes the file that the encoder is in the middle of, if its format has an end.
    fn end_file(&mut self) -> Result<(), OperatorError> {
        loop {
            let start = self.chunk.len();
            let ended = self.encoder.end_file(&mut self.chunk, self.settings.piece).map_err(|reason| {
                OperatorError::new(format!("a file cannot be completed in '{}': {reason}", self.settings.path))
            })?;
            self.epoch_bytes += (self.chunk.len() - start) as u64;
            if ended {
                return Ok(());
            }
            let full = self.complete_chunk(false);
            self.full.push(full);
        }
    }

    #[cold]
    fn too_much(&self) -> OperatorError {
        OperatorError::new(format!(
            "the file sink '{}' wrote {} bytes in one epoch, more than its limit of {}",
            self.settings.path,
            self.epoch_bytes + self.encoder.held() as u64,
            self.settings.epoch_limit
        ))
        .hint("make checkpoints more often, or raise FileSink::epoch_limit in a program: the text of an epoch is held in memory")
    }
}

impl<E: Send + Sync, X: FrameEncoder> Operator for FileWriter<E, X> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.subtask = cx.subtask;
        Ok(())
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        self.now = self.now.max(cx.now());
        let change = frame
            .kinds()
            .filter(|_| !self.encoder.shows_kinds())
            .and_then(|kinds| frame.indices().map(|row| kinds[row as usize]).find(|kind| *kind != RowKind::Insert));
        if let Some(kind) = change {
            return Err(OperatorError::new(format!(
                "a change of kind {kind:?} came to the file sink '{}', which can only add records",
                self.settings.path
            ))
            .hint("write a stream without updates, or turn changes into records that say what they are")
            .permanent());
        }
        let before = self.epoch_bytes;
        let mut next = 0;
        while next < frame.len() {
            let start = self.chunk.len();
            next = self.encoder.encode(frame, next, &mut self.chunk, self.settings.piece).map_err(|reason| {
                OperatorError::new(format!("a record cannot be written to '{}': {reason}", self.settings.path))
                    .permanent()
            })?;
            self.epoch_bytes += (self.chunk.len() - start) as u64;
            if self.chunk.len() >= self.settings.piece {
                if self.epoch_bytes > self.settings.epoch_limit {
                    return Err(self.too_much());
                }
                let full = self.complete_chunk(false);
                self.full.push(full);
            }
        }
        let held = self.encoder.held() as u64;
        if held > 0 && self.epoch_bytes + held > self.settings.epoch_limit {
            return Err(self.too_much());
        }
        if self.epoch_bytes > before || held > 0 {
            // Of what is held it is not known how many bytes it will be.
            self.part.add((self.epoch_bytes - before).max(1), self.now);
        }
        Ok(())
    }

    fn next_processing_time(&self) -> Option<Timestamp> {
        // Asked for only until it has come: what is due is done at the next barrier.
        self.part.due(self.settings.roll).filter(|due| !self.settings.single && *due > self.now)
    }

    fn on_processing_time(&mut self, now: Timestamp, _: &mut Context<'_>) -> Result<Progress, OperatorError> {
        self.now = self.now.max(now);
        Ok(Progress::Done)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        let ends_part = !self.settings.single && self.part.is_complete(self.settings.roll, self.now);
        if ends_part {
            self.end_file()?;
        }
        for full in self.full.drain(..) {
            snapshot.seal(full);
        }
        let announces = std::mem::take(&mut self.announces);
        if self.pending() > 0 || ends_part || announces {
            let last = self.complete_chunk(ends_part);
            snapshot.seal(last);
        }
        debug_assert_eq!(self.encoder.held(), 0, "no row is held across a barrier");
        self.offset += std::mem::take(&mut self.epoch_bytes);
        if ends_part {
            self.part = Growing::default();
        }
        let mut state = vec![VERSION];
        state.extend(self.offset.to_le_bytes());
        state.extend(self.part.bytes.to_le_bytes());
        state.extend(self.part.since.map_or(i64::MIN, |since| since.0).to_le_bytes());
        snapshot.state(STATE, state);
        Ok(())
    }

    fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        let state = || -> Option<[u64; 3]> {
            let (&VERSION, mut rest) = bytes.split_first()? else { return None };
            let mut take = || rest.split_off(..8).and_then(|word| word.try_into().ok()).map(u64::from_le_bytes);
            let words = [take()?, take()?, take()?];
            rest.is_empty().then_some(words)
        };
        let (STATE, Some([offset, part, since])) = (name, state()) else {
            return Err(OperatorError::new(format!(
                "the snapshot holds state '{name}' of {} bytes, which a file sink does not know",
                bytes.len()
            ))
            .hint("give the operator that wrote it its old uid, or start from another savepoint")
            .permanent());
        };
        if from == self.subtask {
            self.offset = offset;
            let since = since as i64;
            self.part = Growing { bytes: part, since: (since != i64::MIN).then_some(Timestamp(since)) };
        } else if from.parallelism != self.subtask.parallelism {
            // Parts of the earlier instances are completed as they are; each instance begins anew.
            self.announces = self.subtask.index == 0;
        }
        Ok(())
    }
}
