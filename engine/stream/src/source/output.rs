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
    ///
    /// ```
    /// # use yeoul_operator::OperatorError;
    /// use yeoul_stream::SplitOutput;
    /// # use yeoul_stream::{ReadStatus, ReaderContext, SplitReader, SplitSource};
    /// # use yeoul_stream::conformance::SourceConformance;
    /// # struct Log;
    /// # impl SplitSource for Log {
    /// #     type Split = u64;
    /// #     type Reader = Entries;
    /// #     fn splits(&self, _: &ReaderContext) -> Result<Vec<u64>, OperatorError> {
    /// #         Ok(vec![0])
    /// #     }
    /// #     fn open(&self, _: &u64, at: Option<u64>, _: &ReaderContext) -> Result<Entries, OperatorError> {
    /// #         Ok(Entries(at.unwrap_or(0)))
    /// #     }
    /// # }
    /// # struct Entries(u64);
    /// # impl SplitReader for Entries {
    /// #     type Out = String;
    /// #     type Error = ();
    /// #     type Position = u64;
    /// # fn read(&mut self, out: &mut SplitOutput<String>) -> Result<ReadStatus, OperatorError> {
    /// // In a reader of a log whose entries have times:
    /// let entries = [(10, "swift"), (12, "shallow")];
    /// while let Some((time, text)) = entries.get(self.0 as usize).filter(|_| out.has_room()) {
    ///     out.collect_at((*text).to_owned(), yeoul_frame::Timestamp(*time));
    ///     self.0 += 1;
    /// }
    /// # Ok(if self.0 == 2 { ReadStatus::End } else { ReadStatus::More })
    /// # }
    /// #     fn position(&self) -> u64 {
    /// #         self.0
    /// #     }
    /// # }
    /// # SourceConformance::of(|| Log.into_source()).expecting(["swift", "shallow"].map(str::to_owned)).run()?;
    /// # Ok::<_, yeoul_stream::conformance::Violation>(())
    /// ```
    #[inline]
    pub fn collect_at(&mut self, record: O, time: Timestamp) {
        self.push(&record, time);
    }

    /// Adds a record that is given as another type with the same archived form, such as its borrowed twin (`BidRow` of `Bid`).
    ///
    /// ```
    /// use yeoul_frame::record;
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::conformance::SourceConformance;
    /// # use yeoul_stream::{ReadStatus, ReaderContext, SplitOutput, SplitReader, SplitSource};
    ///
    /// #[record]
    /// #[derive(Debug, Clone, PartialEq)]
    /// struct Word { text: String, letters: u64 }
    ///
    /// # struct Text(&'static str);
    /// # impl SplitSource for Text {
    /// #     type Split = String;
    /// #     type Reader = Words;
    /// #     fn splits(&self, _: &ReaderContext) -> Result<Vec<String>, OperatorError> {
    /// #         Ok(vec![self.0.to_owned()])
    /// #     }
    /// #     fn open(&self, text: &String, at: Option<u64>, _: &ReaderContext) -> Result<Words, OperatorError> {
    /// #         Ok(Words(text.clone(), at.unwrap_or(0)))
    /// #     }
    /// # }
    /// # struct Words(String, u64);
    /// # impl SplitReader for Words {
    /// #     type Out = Word;
    /// #     type Error = ();
    /// #     type Position = u64;
    /// # fn read(&mut self, out: &mut SplitOutput<Word>) -> Result<ReadStatus, OperatorError> {
    /// // In a reader: the record's text is written from where it stands, without a `String` of its own.
    /// for text in self.0.split(' ').skip(self.1 as usize) {
    ///     out.collect_row(WordRow { text, letters: text.len() as u64 });
    ///     self.1 += 1;
    /// }
    /// # Ok(if self.1 as usize == self.0.split(' ').count() { ReadStatus::End } else { ReadStatus::More })
    /// # }
    /// #     fn position(&self) -> u64 {
    /// #         self.1
    /// #     }
    /// # }
    /// # let words = ["swift", "and", "shallow"].map(|text| Word { text: text.to_owned(), letters: text.len() as u64 });
    /// # SourceConformance::of(|| Text("swift and shallow").into_source()).expecting(words).run()?;
    /// # Ok::<_, yeoul_stream::conformance::Violation>(())
    /// ```
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
    ///
    /// ```
    /// # use yeoul_frame::Timestamp;
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::{ReadStatus, ReaderContext, SplitOutput, SplitReader, SplitSource};
    /// # use yeoul_stream::conformance::SourceConformance;
    /// # struct Log;
    /// # impl SplitSource for Log {
    /// #     type Split = u64;
    /// #     type Reader = Entries;
    /// #     fn splits(&self, _: &ReaderContext) -> Result<Vec<u64>, OperatorError> {
    /// #         Ok(vec![0])
    /// #     }
    /// #     fn open(&self, _: &u64, at: Option<u64>, _: &ReaderContext) -> Result<Entries, OperatorError> {
    /// #         Ok(Entries(at.unwrap_or(0)))
    /// #     }
    /// # }
    /// # struct Entries(u64);
    /// # impl SplitReader for Entries {
    /// #     type Out = u64;
    /// #     type Error = ();
    /// #     type Position = u64;
    /// # fn read(&mut self, out: &mut SplitOutput<u64>) -> Result<ReadStatus, OperatorError> {
    /// // In a reader of a log that is in the order of time, with heartbeats (here 20) between its entries:
    /// let log = [Ok(10), Err(20), Ok(30), Err(40)];
    /// while let Some(entry) = log.get(self.0 as usize).filter(|_| out.has_room()) {
    ///     match *entry {
    ///         Ok(time) => out.collect_at(time, Timestamp(time as i64)),
    ///         Err(heartbeat) => out.watermark(Timestamp(heartbeat)),
    ///     }
    ///     self.0 += 1;
    /// }
    /// # Ok(if self.0 == 4 { ReadStatus::End } else { ReadStatus::More })
    /// # }
    /// #     fn position(&self) -> u64 {
    /// #         self.0
    /// #     }
    /// # }
    /// # SourceConformance::of(|| Log.into_source()).expecting([10, 30]).run()?;
    /// # Ok::<_, yeoul_stream::conformance::Violation>(())
    /// ```
    pub fn watermark(&mut self, watermark: Timestamp) {
        self.end_frame();
        self.said.push(Said::Watermark(watermark));
    }

    /// The split no longer holds the watermark back, until it gives a record or a watermark again. If none of the instance's splits has
    /// anything to say, others' event time goes on without the instance, whatever idleness the stream's strategy has.
    ///
    /// ```
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::{ReadStatus, ReaderContext, SplitOutput, SplitReader, SplitSource};
    /// # use yeoul_stream::conformance::SourceConformance;
    /// # struct Tail;
    /// # impl SplitSource for Tail {
    /// #     type Split = u64;
    /// #     type Reader = Numbers;
    /// #     fn splits(&self, _: &ReaderContext) -> Result<Vec<u64>, OperatorError> {
    /// #         Ok(vec![0])
    /// #     }
    /// #     fn open(&self, _: &u64, at: Option<u64>, _: &ReaderContext) -> Result<Numbers, OperatorError> {
    /// #         Ok(Numbers(at.unwrap_or(0)))
    /// #     }
    /// # }
    /// # struct Numbers(u64);
    /// # impl SplitReader for Numbers {
    /// #     type Out = u64;
    /// #     type Error = ();
    /// #     type Position = u64;
    /// # fn read(&mut self, out: &mut SplitOutput<u64>) -> Result<ReadStatus, OperatorError> {
    /// # while self.0 < 3 && out.has_room() {
    /// #     out.collect(self.0);
    /// #     self.0 += 1;
    /// # }
    /// # if self.0 < 3 {
    /// #     return Ok(ReadStatus::More);
    /// # }
    /// // In a reader that has come to what is the end for now; it looks again in a second.
    /// out.idle();
    /// let until = Some(out.now().plus(1_000));
    /// Ok(ReadStatus::Pending { until })
    /// # }
    /// #     fn position(&self) -> u64 {
    /// #         self.0
    /// #     }
    /// # }
    /// # SourceConformance::of(|| Tail.into_source()).expecting(0..3).never_ending().run()?;
    /// # Ok::<_, yeoul_stream::conformance::Violation>(())
    /// ```
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
