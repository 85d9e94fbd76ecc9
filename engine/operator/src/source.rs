//! What a source is: something that can be read from an exact position again.

use yeoul_frame::{Frame, Pool, Timestamp};

use crate::{Counters, OpenContext, OperatorError, OutputId, Snapshot, Subtask};

/// Names a split (a file's byte range, a partition) across restarts and whatever the number of shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SplitId(pub u64);

impl SplitId {
    /// Which of `parallelism` instances reads this split. A pure function, so no assignment has to be agreed on or remembered.
    #[must_use]
    pub fn owner(self, parallelism: u16) -> u16 {
        (self.0 % u64::from(parallelism)) as u16
    }
}

/// What a source's turn came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourcePoll {
    /// It emitted something, or may do so at once.
    Ready,
    /// Nothing to read now. It is polled again at `until` (processing time) or when the source's [`Waker`](crate::Waker) is called.
    Pending {
        /// When to look again, if nothing else happens.
        until: Option<Timestamp>,
    },
    /// This instance has read all it will ever read.
    End,
}

/// One instance of a source. It never blocks: what must wait lives on an I/O thread, which pushes what it has and then calls the
/// [`Waker`](crate::Waker) that the source was opened with.
pub trait Source: Send {
    /// Called once, before `restore` and `poll`.
    ///
    /// # Errors
    /// The input cannot be opened.
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError>;

    /// Reads about one frame's worth.
    ///
    /// # Errors
    /// The input cannot be read, or a record is malformed and the user wants that to fail the job.
    fn poll(&mut self, cx: &mut SourceContext<'_>) -> Result<SourcePoll, OperatorError>;

    /// Notes the exact position of each split: all that was emitted lies before it, nothing else does.
    ///
    /// # Errors
    /// As for [`Operator::snapshot`](crate::Operator::snapshot).
    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError>;

    /// Gives back what `snapshot` noted, once for each instance of the run that noted it; the source takes the splits that it owns now.
    ///
    /// # Errors
    /// Bytes that this source did not write.
    fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError>;
}

/// Something a source says, in order.
#[derive(Debug)]
pub enum SourceItem {
    /// Records of a split, in the split's order.
    Records(SplitId, Frame),
    /// Frames for another output than the main one (malformed records).
    Side(OutputId, Frame),
    /// A watermark that the source knows by itself (a change stream's heartbeat).
    Watermark(SplitId, Timestamp),
    /// The split has nothing to say for now: it no longer holds the watermark back, until it says something again.
    Idle(SplitId),
    /// The split has been read to its end: it no longer holds the watermark back.
    Finished(SplitId),
}

/// What a source may do during a poll.
pub struct SourceContext<'a> {
    items: &'a mut Vec<SourceItem>,
    now: Timestamp,
    pool: &'a Pool,
    counters: &'a Counters,
}

impl<'a> SourceContext<'a> {
    /// For the runtime and for tests of sources.
    pub fn new(items: &'a mut Vec<SourceItem>, now: Timestamp, pool: &'a Pool, counters: &'a Counters) -> Self {
        Self { items, now, pool, counters }
    }

    /// Sends records of a split on.
    pub fn emit(&mut self, split: SplitId, frame: Frame) {
        if !frame.is_empty() {
            self.items.push(SourceItem::Records(split, frame));
        }
    }

    /// Sends a frame to another output than the main one.
    pub fn emit_side(&mut self, output: OutputId, frame: Frame) {
        if !frame.is_empty() {
            self.items.push(SourceItem::Side(output, frame));
        }
    }

    /// States a split's watermark.
    pub fn watermark(&mut self, split: SplitId, watermark: Timestamp) {
        self.items.push(SourceItem::Watermark(split, watermark));
    }

    /// Says that a split has nothing to say for now. With all its splits idle, so is the instance.
    pub fn idle(&mut self, split: SplitId) {
        self.items.push(SourceItem::Idle(split));
    }

    /// Says that a split has been read to its end.
    pub fn finished(&mut self, split: SplitId) {
        self.items.push(SourceItem::Finished(split));
    }

    /// The present processing time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Where frames get their memory.
    #[must_use]
    pub fn pool(&self) -> &'a Pool {
        self.pool
    }

    /// This instance's counters.
    #[must_use]
    pub fn counters(&self) -> &'a Counters {
        self.counters
    }
}
