//! Where a reader puts what it reads: records, watermarks, and what is no record.
//!
//! Invariants:
//! 1. What was said of a split leaves in the order in which it was said; errors go their own way.
//! 2. After the first record that cannot be archived nothing more is taken, and the source fails with that record's error.

use rkyv::{Archive, Serialize};
use yeoul_frame::{FRAME_ROWS, Frame, Pool, PushError, Record, RowBuilder, RowKind, RowSerializer, Timestamp};
use yeoul_operator::{ERROR_OUTPUT, OperatorError, SourceContext, SplitId};

/// Takes what a [`SplitReader`](crate::SplitReader) reads.
///
/// ```
/// use yeoul_frame::Timestamp;
/// use yeoul_operator::OperatorError;
/// use yeoul_stream::{ReadStatus, SplitOutput};
///
/// fn read(lines: &mut std::vec::IntoIter<String>, out: &mut SplitOutput<u64, String>) -> Result<ReadStatus, OperatorError> {
///     while out.has_room() {
///         let Some(line) = lines.next() else { return Ok(ReadStatus::End) };
///         match line.parse() {
///             Ok(number) => out.collect(number),
///             Err(_) => out.error(line),
///         }
///     }
///     Ok(ReadStatus::More)
/// }
/// ```
pub struct SplitOutput<O: Record, E: Record = ()> {
    rows: RowBuilder<O>,
    errors: RowBuilder<E>,
    said: Vec<Said>,
    malformed: Vec<Frame>,
    error_count: u64,
    room: u64,
    taken: u64,
    now: Timestamp,
    refused: Option<PushError>,
}

/// Something about the split, in order.
enum Said {
    Records(Frame),
    Watermark(Timestamp),
    Idle,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a record is given away: `collect(x)` reads better than `collect(&x)`"
)]
impl<O: Record, E: Record> SplitOutput<O, E> {
    pub(crate) fn new(pool: &Pool) -> Self {
        Self {
            rows: RowBuilder::new(pool, FRAME_ROWS),
            errors: RowBuilder::new(pool, FRAME_ROWS),
            said: Vec::new(),
            malformed: Vec::new(),
            error_count: 0,
            room: FRAME_ROWS as u64,
            taken: 0,
            now: Timestamp(0),
            refused: None,
        }
    }

    /// Whether this call should go on: there is room for more in about one frame, and within the rate. What is collected all the same is
    /// taken, but only an end of the call lets others have their turn.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.taken < self.room && !self.rows.is_full() && self.refused.is_none()
    }

    /// Adds a record without an event time: the stream's [`WatermarkStrategy`](crate::WatermarkStrategy) gives it one.
    #[inline]
    pub fn collect(&mut self, record: O) {
        self.push(&record, Timestamp::MIN);
    }

    /// Adds a record with its event time, which stands unless the strategy assigns another.
    #[inline]
    pub fn collect_at(&mut self, record: O, time: Timestamp) {
        self.push(&record, time);
    }

    /// Adds a record that is given as another type with the same archived form, such as its borrowed twin (`BidRow` of `Bid`).
    #[inline]
    pub fn collect_row<U>(&mut self, row: U)
    where
        U: Archive<Archived = O::Archived> + Serialize<RowSerializer>,
    {
        self.push(&row, Timestamp::MIN);
    }

    /// Gives what stands in place of input that is no record to the stream of errors, and counts it.
    pub fn error(&mut self, error: E) {
        if self.refused.is_some() {
            return;
        }
        self.error_count += 1;
        self.taken += 1;
        let mut pushed = self.errors.push(&error, Timestamp::MIN, RowKind::Insert);
        if let Err(PushError::Full) = pushed {
            self.malformed.push(self.errors.finish());
            pushed = self.errors.push(&error, Timestamp::MIN, RowKind::Insert);
        }
        self.refused = pushed.err();
    }

    /// States the split's watermark: no record behind it comes any more. For sources that know; others leave it to the strategy.
    pub fn watermark(&mut self, watermark: Timestamp) {
        self.end_frame();
        self.said.push(Said::Watermark(watermark));
    }

    /// The split no longer holds the watermark back, until it gives a record or a watermark again. If none of the instance's splits has
    /// anything to say, others' event time goes on without the instance, whatever idleness the stream's strategy has.
    pub fn idle(&mut self) {
        self.end_frame();
        self.said.push(Said::Idle);
    }

    /// The present processing time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    #[inline]
    fn push<U>(&mut self, record: &U, time: Timestamp)
    where
        U: Archive<Archived = O::Archived> + Serialize<RowSerializer>,
    {
        if self.refused.is_some() {
            return;
        }
        self.taken += 1;
        if let Err(error) = self.rows.push_as(record, time, RowKind::Insert) {
            self.make_room(error, record, time);
        }
    }

    #[cold]
    fn make_room<U>(&mut self, error: PushError, record: &U, time: Timestamp)
    where
        U: Archive<Archived = O::Archived> + Serialize<RowSerializer>,
    {
        self.refused = match error {
            PushError::Full => {
                self.end_frame();
                self.rows.push_as(record, time, RowKind::Insert).err()
            }
            error => Some(error),
        };
    }

    fn end_frame(&mut self) {
        if !self.rows.is_empty() {
            self.said.push(Said::Records(self.rows.finish()));
        }
    }

    /// A turn begins: so many records may be given in it, at most.
    pub(crate) fn begin(&mut self, room: u64, now: Timestamp) {
        (self.room, self.taken, self.now) = (room.min(FRAME_ROWS as u64), 0, now);
    }

    /// Emits what was said of a split. Returns how many records, errors among them, and whether anything was said but that it is idle.
    pub(crate) fn flush(
        &mut self,
        split: SplitId,
        is_idle: &mut bool,
        cx: &mut SourceContext<'_>,
    ) -> Result<(u64, bool), OperatorError> {
        if let Some(error) = self.refused.take() {
            return Err(
                OperatorError::new(format!("a record of split {} cannot be archived", split.0)).caused_by(error)
            );
        }
        self.end_frame();
        let mut spoke = false;
        for said in self.said.drain(..) {
            match said {
                Said::Records(frame) => cx.emit(split, frame),
                Said::Watermark(watermark) => cx.watermark(split, watermark),
                // Said once, and no reason to end the turn: the instance is idle only if those that are looked at next are silent, too.
                Said::Idle => {
                    if !std::mem::replace(is_idle, true) {
                        cx.idle(split);
                    }
                    continue;
                }
            }
            (*is_idle, spoke) = (false, true);
        }
        if self.error_count > 0 {
            self.malformed.push(self.errors.finish());
            self.malformed.drain(..).for_each(|frame| cx.emit_side(ERROR_OUTPUT, frame));
            cx.counters().errors.add(std::mem::take(&mut self.error_count));
            spoke = true;
        }
        Ok((self.taken, spoke))
    }
}
