//! Where user code puts its results: archives them into frames of the main output.
//!
//! Invariants:
//! 1. Records leave in the order in which they were collected.
//! 2. After the first record that cannot be archived nothing more is taken; the operator fails with that record's error.

use rkyv::{Archive, Serialize};
use yeoul_frame::{
    FRAME_ROWS, FieldType, Frame, Pool, PushError, Record, RowBuilder, RowKind, RowSerializer, Timestamp,
};
use yeoul_operator::{Context, OperatorError, OutputId};

/// Takes the results of user code (Flink's `Collector`).
///
/// A result takes the event time of the record or timer that is being worked on (a timer for processing time has none), unless
/// [`collect_at`](Self::collect_at) gives another.
///
/// ```
/// use yeoul_stream::{Collector, DataStream, OperatorHarness};
///
/// let mut harness = OperatorHarness::of(|lines: DataStream<String>| {
///     lines.flat_map(|line, out: &mut Collector<String>| line.split(' ').for_each(|word| out.collect(word.to_owned())))
/// })?;
/// harness.push([("how shallow".to_owned(), 7)])?;
/// assert_eq!(harness.take_output(), [("how".to_owned(), 7), ("shallow".to_owned(), 7)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub struct Collector<O: Record> {
    rows: RowBuilder<O>,
    full: Vec<Frame>,
    time: Timestamp,
    kind: RowKind,
    error: Option<PushError>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a result is given away: `collect(x)` reads better than `collect(&x)`"
)]
impl<O: Record> Collector<O> {
    /// An empty one, with frame memory from `pool`.
    ///
    /// ```
    /// use yeoul_frame::Pool;
    /// use yeoul_stream::Collector;
    ///
    /// // In tests of what is given a collector. What it holds leaves by an operator.
    /// let mut out = Collector::<u64>::new(&Pool::new());
    /// out.collect(7);
    /// ```
    #[must_use]
    pub fn new(pool: &Pool) -> Self {
        Self {
            rows: RowBuilder::new(pool, FRAME_ROWS),
            full: Vec::new(),
            time: Timestamp::MIN,
            kind: RowKind::Insert,
            error: None,
        }
    }

    /// Adds a result.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.flat_map(|n, out| (0..n.to_native()).for_each(|n| out.collect(n))))?;
    /// harness.push([(2, 7), (0, 8)])?;
    /// assert_eq!(harness.take_output(), [(0, 7), (1, 7)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[inline]
    pub fn collect(&mut self, result: O) {
        self.push(&result, self.time, self.kind);
    }

    /// Adds a result that is given as another type with the same archived form, such as its borrowed twin (`BidRow` of `Bid`): text goes
    /// into the frame from where it lies.
    ///
    /// ```
    /// # use yeoul_stream::{StreamEnvironment, WatermarkStrategy};
    /// use yeoul_frame::record;
    ///
    /// #[record]
    /// struct Name { name: String }
    ///
    /// # let env = StreamEnvironment::new("names");
    /// # let lines = env.from_collection(vec!["a b".to_owned()], WatermarkStrategy::no_watermarks());
    /// let names = lines.flat_map::<Name, _>(|line, out| line.split(' ').for_each(|name| out.collect_row(NameRow { name })));
    /// # let _ = names;
    /// ```
    #[inline]
    pub fn collect_row<U>(&mut self, row: U)
    where
        U: Archive<Archived = O::Archived> + Serialize<RowSerializer>,
    {
        self.push(&row, self.time, self.kind);
    }

    /// Adds a result with an event time of its own.
    ///
    /// ```
    /// use yeoul_frame::Timestamp;
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// // Numbers are given their own values as event times.
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<i64>| {
    ///     numbers.flat_map(|n, out| out.collect_at(n.to_native(), Timestamp(n.to_native())))
    /// })?;
    /// harness.push([(40, 7)])?;
    /// assert_eq!(harness.take_output(), [(40, 40)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[inline]
    pub fn collect_at(&mut self, result: O, time: Timestamp) {
        self.push(&result, time, self.kind);
    }

    /// Adds a change of a changelog: a result that comes, goes, or replaces another.
    ///
    /// ```
    /// use yeoul_frame::RowKind;
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|left: DataStream<u64>| left.flat_map(|id, out| out.collect_change(id.to_native(), RowKind::Delete)))?;
    /// harness.push([(7, 1)])?;
    /// assert_eq!(harness.take_changes(), [(RowKind::Delete, 7, 1)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[inline]
    pub fn collect_change(&mut self, result: O, kind: RowKind) {
        self.push(&result, self.time, kind);
    }

    /// Adds a record that is already archived: copies its bytes, or archives what it borrows.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// // Each word twice.
    /// let mut harness = OperatorHarness::of(|words: DataStream<String>| words.flat_map::<String, _>(|word, out| {
    ///     out.collect_archived(word);
    ///     out.collect_archived(word);
    /// }))?;
    /// harness.push([("swift".to_owned(), 1)])?;
    /// assert_eq!(harness.take_output().len(), 2);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[inline]
    pub fn collect_archived(&mut self, result: &O::Archived)
    where
        O: FieldType,
    {
        if self.error.is_some() {
            return;
        }
        let (time, kind) = (self.time, self.kind);
        if let Err(error) = self.rows.push_archived(result, time, kind) {
            match error {
                PushError::Full => {
                    self.full.push(self.rows.finish());
                    self.error = self.rows.push_archived(result, time, kind).err();
                }
                error => self.error = Some(error),
            }
        }
    }

    /// The event time and kind that what follows takes.
    #[inline]
    pub(crate) fn stamp(&mut self, time: Timestamp, kind: RowKind) {
        (self.time, self.kind) = (time, kind);
    }

    #[inline]
    pub(crate) fn push<U>(&mut self, result: &U, time: Timestamp, kind: RowKind)
    where
        U: Archive<Archived = O::Archived> + Serialize<RowSerializer>,
    {
        if self.error.is_some() {
            return;
        }
        if let Err(error) = self.rows.push_as(result, time, kind) {
            self.make_room(error, result, time, kind);
        }
    }

    #[cold]
    fn make_room<U>(&mut self, error: PushError, result: &U, time: Timestamp, kind: RowKind)
    where
        U: Archive<Archived = O::Archived> + Serialize<RowSerializer>,
    {
        match error {
            PushError::Full => {
                self.full.push(self.rows.finish());
                self.error = self.rows.push_as(result, time, kind).err();
            }
            error => self.error = Some(error),
        }
    }

    /// Emits the full frames, and says whether the call should go on: there is room for more.
    #[inline]
    pub(crate) fn emit_full(&mut self, output: OutputId, cx: &mut Context<'_>) -> Result<bool, OperatorError> {
        if self.full.is_empty() && self.error.is_none() {
            return Ok(true);
        }
        self.emit_waiting(output, cx)?;
        Ok(cx.has_room())
    }

    /// Emits all that was collected. Called at the end of each call of the operator: nothing waits for a frame to fill.
    pub(crate) fn flush(&mut self, output: OutputId, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        self.emit_waiting(output, cx)?;
        if !self.rows.is_empty() {
            cx.emit(output, self.rows.finish());
        }
        Ok(())
    }

    fn emit_waiting(&mut self, output: OutputId, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        if let Some(error) = self.error.take() {
            return Err(OperatorError::new("a result cannot be archived").caused_by(error));
        }
        for frame in self.full.drain(..) {
            cx.emit(output, frame);
        }
        Ok(())
    }
}
