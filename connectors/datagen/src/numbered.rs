//! Rows that follow from their numbers, as a source: cut into splits, read from exact positions, as fast as can be or at a pace.
//!
//! The stream is dealt out in blocks, to one split after another. There are as many splits as there were instances when the job
//! began; after a restart with more instances, some have nothing to do. One instance alone has the rows in their order.
//!
//! A snapshot, integers little endian: `u8 version = 1 │ u64 splits │ then for each split that the instance owns: u64 split │
//! u64 the next row's number`.

use std::collections::BTreeMap;
use std::sync::Arc;

use yeoul_frame::{Frame, Timestamp};
use yeoul_operator::{
    MakeSource, OpenContext, OperatorError, Snapshot, Source, SourceContext, SourcePoll, SplitId, Subtask,
};

/// The name of the state in a snapshot.
const STATE: &str = "numbered";
const VERSION: u8 = 1;
/// How often a paced source makes rows, in milliseconds.
const TICK: i64 = 10;

/// Makes rows by their numbers.
pub trait NumberedRows: Send + Sync + 'static {
    /// The frame of the rows with these numbers, at most a block of them. It may have fewer rows than there are numbers. `now`
    /// is the present processing time.
    fn frame(&self, from: u64, to: u64, now: Timestamp) -> Frame;

    /// How many numbers make about a frame. It does not change as long as snapshots are to be restored.
    fn block(&self) -> u64;

    /// The number after the last; `None`: there is no end.
    fn end(&self) -> Option<u64>;

    /// How many rows come in a second; `None`: as many as can be made.
    fn rate(&self) -> Option<u64>;
}

/// A recipe for a source of rows by number.
#[derive(Debug)]
pub struct NumberedSource<R>(Arc<R>);

impl<R: NumberedRows> NumberedSource<R> {
    /// A source of these rows.
    #[must_use]
    pub fn new(rows: R) -> Self {
        Self(Arc::new(rows))
    }

    /// The recipe for its instances.
    #[must_use]
    pub fn make(&self) -> MakeSource {
        let rows = Arc::clone(&self.0);
        Arc::new(move || {
            let (subtask, splits) = (Subtask { index: 0, parallelism: 1 }, BTreeMap::new());
            Box::new(Generator { rows: Arc::clone(&rows), subtask, count: 0, splits, began: None }) as Box<dyn Source>
        })
    }
}

struct Generator<R> {
    rows: Arc<R>,
    subtask: Subtask,
    /// How many splits there are; 0 until it is known.
    count: u64,
    /// The next row of each split that is this instance's and not at its end.
    splits: BTreeMap<u64, u64>,
    /// For a paced source: the time by the clock at which the first row would have come.
    began: Option<i64>,
}

impl<R: NumberedRows> Generator<R> {
    fn start(&mut self) {
        if self.count == 0 {
            self.count = u64::from(self.subtask.parallelism);
            let own = u64::from(self.subtask.index);
            self.splits.insert(own, own * self.rows.block());
        }
    }

    /// The row after `last` in a split: the next, or the first of the split's next block.
    fn after(&self, last: u64) -> u64 {
        let block = self.rows.block();
        if (last + 1).is_multiple_of(block) { last + 1 + (self.count - 1) * block } else { last + 1 }
    }

    /// How many rows are to have come by now, if `next` was the next when the clock was first looked at.
    fn due(&mut self, rate: u64, now: i64, next: u64) -> u64 {
        let rate = u128::from(rate.max(1));
        let began = *self.began.get_or_insert_with(|| now.saturating_sub((u128::from(next) * 1000 / rate) as i64));
        let passed = u128::from(u64::try_from(now.saturating_sub(began)).unwrap_or(0));
        u64::try_from(passed * rate / 1000).unwrap_or(u64::MAX)
    }
}

impl<R: NumberedRows> Source for Generator<R> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.subtask = cx.subtask;
        Ok(())
    }

    fn poll(&mut self, cx: &mut SourceContext<'_>) -> Result<SourcePoll, OperatorError> {
        self.start();
        // The split that is behind goes first, so that all go on at one pace.
        let Some((&split, &from)) = self.splits.iter().min_by_key(|(_, next)| **next) else {
            return Ok(SourcePoll::End);
        };
        let block = self.rows.block();
        let end = self.rows.end().unwrap_or(u64::MAX);
        if from >= end {
            self.splits.remove(&split);
            cx.finished(SplitId(split));
            return Ok(SourcePoll::Ready);
        }
        let mut to = (from / block + 1).saturating_mul(block).min(end);
        if let Some(rate) = self.rows.rate() {
            to = to.min(self.due(rate, cx.now().0, from));
            if to <= from {
                return Ok(SourcePoll::Pending { until: Some(cx.now().plus(TICK)) });
            }
        }
        cx.emit(SplitId(split), self.rows.frame(from, to, cx.now()));
        let next = self.after(to - 1);
        self.splits.insert(split, next);
        Ok(SourcePoll::Ready)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        self.start();
        let mut state = vec![VERSION];
        state.extend(self.count.to_le_bytes());
        for number in 0..self.count {
            if SplitId(number).owner(self.subtask.parallelism) == self.subtask.index {
                // One that is not there is at its end.
                let next = self.splits.get(&number).copied().unwrap_or(u64::MAX);
                state.extend(number.to_le_bytes());
                state.extend(next.to_le_bytes());
            }
        }
        snapshot.state(STATE, state);
        Ok(())
    }

    fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        let numbers = || -> Option<Vec<u64>> {
            let (&VERSION, rest) = bytes.split_first()? else { return None };
            let (numbers, rest) = rest.as_chunks::<8>();
            (name == STATE && rest.is_empty() && numbers.len() % 2 == 1)
                .then(|| numbers.iter().map(|number| u64::from_le_bytes(*number)).collect())
        };
        let Some(numbers) = numbers().filter(|numbers| numbers[0] > 0) else {
            return Err(OperatorError::new(format!(
                "the snapshot of instance {} holds state '{name}' of {} bytes, which a source of numbered rows does not know",
                from.index,
                bytes.len()
            ))
            .hint("give the operator that wrote it its old uid, or start from another savepoint")
            .permanent());
        };
        self.count = numbers[0];
        for split in numbers[1..].chunks_exact(2) {
            if split[1] != u64::MAX && SplitId(split[0]).owner(self.subtask.parallelism) == self.subtask.index {
                self.splits.insert(split[0], split[1]);
            }
        }
        Ok(())
    }
}
