//! Rows that follow from their numbers, as a source: cut into splits, read from exact positions, as fast as can be or at a pace.
//!
//! The stream is dealt out in blocks, to one split after another. There are as many splits as there were instances when the job
//! began; after a restart with more instances, some have nothing to do. One instance alone has the rows in their order. At a
//! pace a block is what comes in a hundredth of a second, so that no split waits for long while others have their turn.
//!
//! Invariants:
//! 1. How the stream is dealt out stays as it was when the job began, whatever is set since: by it each row is in one split.
//! 2. At a pace, a row's time follows from its number and from the lowest number that was still to come when the run began,
//!    which all instances know: so they keep one pace and not one each.
//!
//! A snapshot, integers little endian: `u8 version = 2 │ u64 splits │ u64 numbers in a block │ then for each split that the
//! instance owns: u64 split │ u64 the next row's number, or the largest if it is at its end`. Version 1 has no block in it: it
//! is then the rows' own, and stays so.

use std::collections::BTreeMap;
use std::sync::Arc;

use yeoul_frame::{Frame, Timestamp};
use yeoul_operator::{
    MakeSource, OpenContext, OperatorError, Snapshot, Source, SourceContext, SourcePoll, SplitId, Subtask,
};

/// The name of the state in a snapshot.
const STATE: &str = "numbered";
const VERSION: u8 = 2;
/// The version that does not say how large a block is.
const WITHOUT_BLOCK: u8 = 1;
/// How often a paced source makes rows at most, in milliseconds.
const TICK: u32 = 10;

/// Makes rows by their numbers.
pub trait NumberedRows: Send + Sync + 'static {
    /// The frame of the rows with these numbers, at most a block of them. It may have fewer rows than there are numbers. `now`
    /// is the present processing time.
    fn frame(&self, from: u64, to: u64, now: Timestamp) -> Frame;

    /// How many numbers make about a frame.
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
            Box::new(Generator {
                rows: Arc::clone(&rows),
                subtask: Subtask { index: 0, parallelism: 1 },
                deal: None,
                restored: 0,
                splits: BTreeMap::new(),
                lowest: u64::MAX,
                began: None,
            }) as Box<dyn Source>
        })
    }
}

/// How the stream is dealt out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Deal {
    /// That of the snapshots in which it stands.
    version: u8,
    splits: u64,
    block: u64,
}

struct Generator<R> {
    rows: Arc<R>,
    subtask: Subtask,
    /// None until it is known.
    deal: Option<Deal>,
    /// How many splits the snapshot told of.
    restored: u64,
    /// The next row of each split that is this instance's and not at its end.
    splits: BTreeMap<u64, u64>,
    /// The lowest next row of all splits, whoever owns them, when the run began.
    lowest: u64,
    /// For a paced source: when this run began, by the clock.
    began: Option<i64>,
}

impl<R: NumberedRows> Generator<R> {
    fn start(&mut self) -> Result<Deal, OperatorError> {
        if let Some(deal) = self.deal {
            return if self.restored == deal.splits { Ok(deal) } else { Err(self.incomplete(deal)) };
        }
        let (own, splits) = (u64::from(self.subtask.index), u64::from(self.subtask.parallelism));
        let block = self.rows.rate().map_or(u64::MAX, a_tick_of).min(self.rows.block()).max(1);
        let deal = Deal { version: VERSION, splits, block };
        (self.deal, self.restored, self.lowest) = (Some(deal), splits, 0);
        self.splits.insert(own, own * block);
        Ok(deal)
    }

    #[cold]
    fn incomplete(&self, deal: Deal) -> OperatorError {
        OperatorError::new(format!("the snapshot has positions of {} splits out of {}", self.restored, deal.splits))
            .hint("start from another savepoint: this one lacks the states of some instances of the source")
            .permanent()
    }

    /// How many rows of the whole are to have come by now.
    fn due(&self, rate: u64, now: i64, began: i64) -> u64 {
        let passed = u128::from(u64::try_from(now.saturating_sub(began)).unwrap_or(0));
        let rows = u64::try_from(passed * u128::from(rate) / 1000).unwrap_or(u64::MAX);
        self.lowest.saturating_add(rows)
    }

    /// When as many rows of the whole are to have come.
    fn time_of(&self, rows: u64, rate: u64, began: i64) -> i64 {
        let millis = (u128::from(rows.saturating_sub(self.lowest)) * 1000).div_ceil(u128::from(rate));
        began.saturating_add(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

impl Deal {
    /// The row after `last` in a split: the next, or the first of the split's next block.
    fn after(self, last: u64) -> u64 {
        let next = last.saturating_add(1);
        if next.is_multiple_of(self.block) {
            next.saturating_add((self.splits - 1).saturating_mul(self.block))
        } else {
            next
        }
    }
}

/// How many rows come in a tick, at least one.
fn a_tick_of(rate: u64) -> u64 {
    (rate / u64::from(1000 / TICK)).max(1)
}

impl<R: NumberedRows> Source for Generator<R> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.subtask = cx.subtask;
        Ok(())
    }

    fn poll(&mut self, cx: &mut SourceContext<'_>) -> Result<SourcePoll, OperatorError> {
        let deal = self.start()?;
        let now = cx.now().0;
        let began = *self.began.get_or_insert(now);
        // The split that is behind goes first, so that all go on at one pace.
        let Some((&split, &from)) = self.splits.iter().min_by_key(|(_, next)| **next) else {
            return Ok(SourcePoll::End);
        };
        let end = self.rows.end().unwrap_or(u64::MAX);
        if from >= end {
            self.splits.remove(&split);
            cx.finished(SplitId(split));
            return Ok(SourcePoll::Ready);
        }
        // What is left of the block, as far as it is one frame.
        let mut to = (from / deal.block + 1).saturating_mul(deal.block).min(end);
        to = to.min(from.saturating_add(self.rows.block().max(1)));
        if let Some(rate) = self.rows.rate() {
            let rate = rate.max(1);
            let due = self.due(rate, now, began);
            let enough = to.min(from.saturating_add(a_tick_of(rate)));
            if due < enough {
                let at = self.time_of(enough, rate, began).max(now.saturating_add(i64::from(TICK)));
                return Ok(SourcePoll::Pending { until: Some(Timestamp(at)) });
            }
            to = to.min(due);
        }
        cx.emit(SplitId(split), self.rows.frame(from, to, cx.now()));
        self.splits.insert(split, deal.after(to - 1));
        Ok(SourcePoll::Ready)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        let deal = self.start()?;
        let mut state = vec![deal.version];
        state.extend(deal.splits.to_le_bytes());
        if deal.version != WITHOUT_BLOCK {
            state.extend(deal.block.to_le_bytes());
        }
        for number in 0..deal.splits {
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
        let found = (name == STATE).then(|| read(bytes, self.rows.block())).flatten();
        let Some((deal, next)) = found.filter(|(deal, _)| self.deal.is_none_or(|known| known == *deal)) else {
            return Err(OperatorError::new(format!(
                "the snapshot of instance {} holds state '{name}' of {} bytes, which a source of numbered rows does not know",
                from.index,
                bytes.len()
            ))
            .hint("give the operator that wrote it its old uid, or start from another savepoint")
            .permanent());
        };
        self.deal = Some(deal);
        for (split, next) in next {
            self.restored += 1;
            self.lowest = self.lowest.min(next);
            if next != u64::MAX && SplitId(split).owner(self.subtask.parallelism) == self.subtask.index {
                self.splits.insert(split, next);
            }
        }
        Ok(())
    }
}

/// What an instance noted: how the stream is dealt out, and the next row of each of its splits.
fn read(bytes: &[u8], own_block: u64) -> Option<(Deal, Vec<(u64, u64)>)> {
    let (&version, rest) = bytes.split_first()?;
    let (numbers, rest) = rest.as_chunks::<8>();
    let mut numbers = numbers.iter().map(|number| u64::from_le_bytes(*number));
    let splits = numbers.next()?;
    let block = match version {
        VERSION => numbers.next()?,
        WITHOUT_BLOCK => own_block.max(1),
        _ => return None,
    };
    let numbers: Vec<u64> = numbers.collect();
    let (pairs, odd) = numbers.as_chunks::<2>();
    let next: Vec<(u64, u64)> = pairs.iter().map(|&[split, next]| (split, next)).collect();
    let sound = splits > 0 && block > 0 && rest.is_empty() && odd.is_empty();
    let known = next.iter().all(|(split, _)| *split < splits) && splits <= u64::from(u16::MAX);
    (sound && known).then_some((Deal { version, splits, block }, next))
}
