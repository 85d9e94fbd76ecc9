//! A source of records in memory that fails once in its middle: after a checkpoint that holds the first half of what it reads.
//!
//! Invariants:
//! 1. The failure comes when an epoch is committed in which all of the failing instance's splits stand at their middle.
//! 2. Nothing of a second half is read before the failure, nor, of one that is held, before the test lets it go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use yeoul::frame::{Epoch, Record, RowBuilder, RowKind};
use yeoul::operator::{
    MakeSource, OpenContext, OperatorError, Snapshot, Source, SourceContext, SourcePoll, SourceSpec, SplitId, Subtask,
};
use yeoul::prelude::*;

/// Records that one poll emits: few, so that there are many frames.
const POLL_ROWS: usize = 7;
/// Turns, of a millisecond or more each, after which nothing will come of waiting.
const PATIENCE: u32 = 20_000;

/// How far a test is, over the attempts of its job.
#[derive(Clone, Default)]
pub(crate) struct Stage(Arc<Flags>);

#[derive(Default)]
struct Flags {
    failed: AtomicBool,
    restored: AtomicBool,
    released: AtomicBool,
    /// The last committed epoch.
    committed: AtomicU64,
}

impl Stage {
    /// Lets held sources go on.
    pub(crate) fn release(&self) {
        self.0.released.store(true, Ordering::Relaxed);
    }

    /// Has the failure be over. Whether it was not before.
    pub(crate) fn fail(&self) -> bool {
        !self.0.failed.swap(true, Ordering::Relaxed)
    }

    /// Whether the failure is over.
    pub(crate) fn has_failed(&self) -> bool {
        self.0.failed.load(Ordering::Relaxed)
    }

    /// Tells which epoch is committed.
    pub(crate) fn committed(&self, epoch: Epoch) {
        self.0.committed.fetch_max(epoch.0, Ordering::Relaxed);
    }

    /// Whether a source went on from its middle.
    pub(crate) fn was_restored(&self) -> bool {
        self.0.restored.load(Ordering::Relaxed)
    }
}

/// Splits of records, each read in two halves.
pub(crate) struct Halves<T> {
    splits: Arc<[Vec<T>]>,
    stage: Stage,
    held_from: usize,
    is_slow: bool,
}

impl<T: Record> Halves<T> {
    pub(crate) fn of(splits: impl IntoIterator<Item = Vec<T>>, stage: &Stage) -> Self {
        Self { splits: splits.into_iter().collect(), stage: stage.clone(), held_from: usize::MAX, is_slow: false }
    }

    /// The second halves of the splits from this one on wait until the test releases them, too.
    pub(crate) fn held_from(self, split: usize) -> Self {
        Self { held_from: split, ..self }
    }

    /// Reads a frame a millisecond, as a source does whose records come at their own time.
    pub(crate) fn slow(self) -> Self {
        Self { is_slow: true, ..self }
    }
}

impl<T: Record + Clone> SourceSpec for Halves<T> {
    type Out = T;
    type Error = ();

    fn make(&self) -> MakeSource {
        let (splits, stage, held_from, is_slow) =
            (self.splits.clone(), self.stage.clone(), self.held_from, self.is_slow);
        Arc::new(move || {
            let (splits, stage) = (splits.clone(), stage.clone());
            Box::new(Reader {
                splits,
                stage,
                held_from,
                is_slow,
                own: Vec::new(),
                rows: None,
                middle: None,
                waited: 0,
                turn: 0,
                next: Timestamp::MIN,
            })
        })
    }

    fn parallelism(&self) -> Option<u16> {
        Some(self.splits.len() as u16)
    }
}

struct Reader<T: Record> {
    splits: Arc<[Vec<T>]>,
    stage: Stage,
    held_from: usize,
    is_slow: bool,
    /// Its splits, how much of each it has emitted, and whether it has said that it is done with it.
    own: Vec<(usize, usize, bool)>,
    rows: Option<RowBuilder<T>>,
    /// The first epoch at whose end all splits stood at their middle.
    middle: Option<Epoch>,
    waited: u32,
    /// The split whose turn it is.
    turn: usize,
    /// When the next frame comes, of a slow source.
    next: Timestamp,
}

impl<T: Record + Clone> Source for Reader<T> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let Subtask { index, parallelism } = cx.subtask;
        let owned = |split: &usize| SplitId(*split as u64).owner(parallelism) == index;
        self.own = (0..self.splits.len()).filter(owned).map(|split| (split, 0, false)).collect();
        self.rows = Some(RowBuilder::new(cx.pool, POLL_ROWS));
        Ok(())
    }

    fn poll(&mut self, cx: &mut SourceContext<'_>) -> Result<SourcePoll, OperatorError> {
        let (has_failed, is_released) = (self.stage.has_failed(), self.stage.0.released.load(Ordering::Relaxed));
        let later = SourcePoll::Pending { until: Some(cx.now().plus(1)) };
        if self.is_slow && cx.now() < self.next {
            return Ok(later);
        }
        self.next = cx.now().plus(1);
        let mut is_over = true;
        for step in 0..self.own.len() {
            let at = (self.turn + step) % self.own.len();
            let (split, read, finished) = &mut self.own[at];
            let (all, id) = (&self.splits[*split], SplitId(*split as u64));
            let limit = if has_failed && (*split < self.held_from || is_released) { all.len() } else { all.len() / 2 };
            let rows = self.rows.as_mut().expect("a source is opened before it is polled");
            for record in all[..limit].iter().skip(*read).take(POLL_ROWS) {
                rows.push(record, Timestamp::MIN, RowKind::Insert).expect("there is room for a few small records");
                *read += 1;
            }
            if !rows.is_empty() {
                cx.emit(id, rows.finish());
                (self.waited, self.turn) = (0, at + 1);
                return Ok(if self.is_slow { later } else { SourcePoll::Ready });
            }
            if *read == all.len() && !std::mem::replace(finished, true) {
                cx.finished(id);
            }
            is_over &= *finished;
        }
        if is_over {
            return Ok(SourcePoll::End);
        }
        let is_committed = |epoch: Epoch| self.stage.0.committed.load(Ordering::Relaxed) >= epoch.0;
        if self.middle.is_some_and(is_committed) && self.stage.fail() {
            return Err(OperatorError::new("a planned failure"));
        }
        self.waited += 1;
        if self.waited > PATIENCE {
            return Err(OperatorError::new("what the test waits for does not come").permanent());
        }
        Ok(later)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        let is_in_the_middle = self.own.iter().all(|(split, read, _)| *read >= self.splits[*split].len() / 2);
        if is_in_the_middle {
            self.middle.get_or_insert(snapshot.epoch);
        }
        let bytes = self.own.iter().flat_map(|(split, read, _)| [*split, *read]).flat_map(usize::to_le_bytes);
        snapshot.state("positions", bytes.collect());
        Ok(())
    }

    fn restore(&mut self, _: &str, _: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        let words: Vec<usize> =
            bytes.chunks_exact(8).map(|word| usize::from_le_bytes(word.try_into().unwrap())).collect();
        for pair in words.chunks_exact(2) {
            if let Some((_, read, _)) = self.own.iter_mut().find(|(split, ..)| *split == pair[0]) {
                *read = pair[1];
                self.stage.0.restored.fetch_or(pair[1] > 0, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}
