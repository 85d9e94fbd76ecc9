//! What a source is: something that can be read from an exact position again.

use yeoul_frame::{Frame, Pool, Timestamp};

use crate::{Counters, OpenContext, OperatorError, OutputId, Snapshot, Subtask};

/// Names a split (a file's byte range, a partition) across restarts and whatever the number of shards.
///
/// ```
/// use yeoul_operator::SplitId;
///
/// let owners: Vec<u16> = (0..5).map(|split| SplitId(split).owner(3)).collect();
/// assert_eq!(owners, [0, 1, 2, 0, 1]);
/// ```
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
///
/// ```
/// use yeoul_frame::Timestamp;
/// use yeoul_operator::SourcePoll;
///
/// /// What a source says that gives something each second.
/// fn each_second(now: Timestamp, last: Timestamp) -> SourcePoll {
///     let next = last.plus(1_000);
///     if next <= now { SourcePoll::Ready } else { SourcePoll::Pending { until: Some(next) } }
/// }
/// assert_eq!(each_second(Timestamp(1_500), Timestamp(1_000)), SourcePoll::Pending { until: Some(Timestamp(2_000)) });
/// ```
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
///
/// ```
/// use yeoul_frame::{Pool, RowBuilder, RowKind, Timestamp};
/// use yeoul_operator::source::SourceItem;
/// use yeoul_operator::{Counters, OpenContext, OperatorError, Snapshot, Source, SourceContext, SourcePoll, SplitId, Subtask};
///
/// /// The numbers below ten, one a call.
/// struct Numbers(u64);
///
/// impl Source for Numbers {
///     fn open(&mut self, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
///         Ok(())
///     }
///
///     fn poll(&mut self, cx: &mut SourceContext<'_>) -> Result<SourcePoll, OperatorError> {
///         if self.0 == 10 {
///             return Ok(SourcePoll::End);
///         }
///         let mut rows = RowBuilder::<u64>::new(cx.pool(), 1);
///         rows.push(&self.0, Timestamp::MIN, RowKind::Insert).map_err(|error| OperatorError::new("a number").caused_by(error))?;
///         cx.emit(SplitId(0), rows.finish());
///         self.0 += 1;
///         Ok(SourcePoll::Ready)
///     }
///
///     fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
///         snapshot.state("next", self.0.to_le_bytes().to_vec());
///         Ok(())
///     }
///
///     fn restore(&mut self, _: &str, _: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
///         self.0 = u64::from_le_bytes(bytes.try_into().map_err(|_| OperatorError::new("no number"))?);
///         Ok(())
///     }
/// }
///
/// let (mut items, pool, counters, mut numbers) = (Vec::new(), Pool::new(), Counters::default(), Numbers(0));
/// numbers.restore("next", Subtask { index: 0, parallelism: 1 }, &7_u64.to_le_bytes())?;
/// while numbers.poll(&mut SourceContext::new(&mut items, Timestamp(0), &pool, &counters))? != SourcePoll::End {}
/// assert!(items.len() == 3 && matches!(items[0], SourceItem::Records(SplitId(0), _)));
/// # Ok::<_, OperatorError>(())
/// ```
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
///
/// ```
/// use yeoul_frame::Timestamp;
/// use yeoul_operator::SplitId;
/// use yeoul_operator::source::SourceItem;
///
/// /// Whether it keeps the watermark of its split from holding others back.
/// fn lets_go(item: &SourceItem) -> bool {
///     matches!(item, SourceItem::Idle(_) | SourceItem::Finished(_))
/// }
/// assert!(lets_go(&SourceItem::Idle(SplitId(0))) && !lets_go(&SourceItem::Watermark(SplitId(0), Timestamp(7))));
/// ```
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
///
/// ```
/// use yeoul_frame::{Pool, RowBuilder, RowKind, Timestamp};
/// use yeoul_operator::source::SourceItem;
/// use yeoul_operator::{Counters, ERROR_OUTPUT, SourceContext, SplitId};
///
/// let (mut items, pool, counters) = (Vec::new(), Pool::new(), Counters::default());
/// let mut cx = SourceContext::new(&mut items, Timestamp(50), &pool, &counters);
/// let mut rows = RowBuilder::<i64>::new(cx.pool(), 1);
/// rows.push(&cx.now().0, Timestamp::MIN, RowKind::Insert).unwrap();
/// let frame = rows.finish();
/// cx.emit(SplitId(0), frame.clone());
/// cx.emit_side(ERROR_OUTPUT, frame);
/// cx.counters().errors.add(1);
/// cx.watermark(SplitId(0), Timestamp(40));
/// cx.idle(SplitId(0));
/// cx.finished(SplitId(0));
/// assert!(matches!(items[..], [
///     SourceItem::Records(..), SourceItem::Side(..), SourceItem::Watermark(..), SourceItem::Idle(_), SourceItem::Finished(_)
/// ]));
/// ```
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
