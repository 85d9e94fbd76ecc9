//! Drives one operator without a runtime: for tests of functions and operators (Flink's operator test harnesses).
//!
//! It pushes records, watermarks and times in, shows what comes out, and snapshots and restores as a shard does: through the encoded log.

mod error;
mod log;
mod operator_states;
mod recipe;
mod state;
mod timers;
mod times;

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use yeoul_frame::{Frame, KeyGroups, KeyHash, OperatorId, OwnedRecord, Pool, Record, RowBuilder, RowKind, Timestamp};
use yeoul_operator::{
    Context, Counters, InputId, OpenContext, Operator, OperatorError, OutputId, Progress, Services, Subtask,
};

use crate::{DataStream, OutputTag, StreamEnvironment, WatermarkStrategy};
use log::HarnessLog;
use recipe::Recipe;

pub use error::HarnessError;
pub use log::HarnessSnapshot;

/// One operator, driven by hand. `I` is what its first input takes, `J` its second, `O` what it gives.
///
/// Any one operator of one or two inputs can be driven so, keyed or not, with broadcast state or windows: what `build` returns is taken out of
/// its graph. (Co-groups and joins by windows begin with a map of each input, and run in jobs.) Records go through its key selectors as they
/// would through the exchange.
///
/// ```
/// use yeoul_stream::OperatorHarness;
///
/// let mut harness = OperatorHarness::of(|numbers| numbers.map(|n: &rkyv::Archived<u64>| n.to_native() * 2))?;
/// harness.push([(1u64, 10), (2, 20)])?;
/// assert_eq!(harness.take_output(), [(2u64, 10), (4, 20)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub struct OperatorHarness<I: Record, O: Record, J: Record = ()> {
    recipe: Recipe,
    operator: Box<dyn Operator>,
    subtask: Subtask,
    pool: Pool,
    counters: Arc<Counters>,
    watermark: Timestamp,
    /// Of each input.
    watermarks: [Timestamp; 2],
    /// The last one that left, and those that no one has taken.
    left: (Timestamp, Vec<i64>),
    now: Timestamp,
    emitted: Vec<(OutputId, Frame)>,
    outputs: BTreeMap<OutputId, Vec<Frame>>,
    log: HarnessLog,
    records: PhantomData<fn(I, J) -> O>,
}

impl<I: Record + Clone, O: Record> OperatorHarness<I, O> {
    /// Drives the operator whose stream `build` returns; what is before it (a filter, say) is left out.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.key_by(|n| n.to_native() % 2).reduce(|sum, n| *sum += n))?;
    /// harness.push([(1, 10), (2, 20), (3, 30)])?;
    /// assert_eq!(harness.take_output(), [(1, 10), (2, 20), (4, 30)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    ///
    /// # Errors
    /// The graph cannot be built, or the operator does not open.
    pub fn of(build: impl FnOnce(DataStream<I>) -> DataStream<O>) -> Result<Self, HarnessError> {
        let env = StreamEnvironment::new("harness");
        let input = env.from_collection(Vec::<I>::new(), WatermarkStrategy::no_watermarks());
        let output = build(input);
        Self::new(&env, &output)
    }
}

impl<I: Record + Clone, O: Record> OperatorHarness<I, O> {
    /// As [`of`](Self::of), of an operator that is known as `id` in a job with these key groups, at a time of the clock.
    pub(crate) fn known_as(
        id: OperatorId,
        key_groups: KeyGroups,
        now: Timestamp,
        build: impl FnOnce(DataStream<I>) -> DataStream<O>,
    ) -> Result<Self, HarnessError> {
        let env = StreamEnvironment::new("harness");
        let output = build(env.from_collection(Vec::<I>::new(), WatermarkStrategy::no_watermarks()));
        let recipe = Recipe { id, key_groups, ..Recipe::of(&env, &output)? };
        let what = match &recipe.reads_from {
            Some(other) => format!("'{}' reads from another operator, '{other}'", recipe.name),
            None if recipe.is_source => "the stream is that which was given".to_owned(),
            None => String::new(),
        };
        if !what.is_empty() {
            return Err(HarnessError::Several(format!(
                "{what}\n  hint: build one operator from the stream that is given"
            )));
        }
        let mut harness = Self::open(recipe, Subtask { index: 0, parallelism: 1 }, &[])?;
        harness.now = now;
        Ok(harness)
    }
}

impl<I: Record + Clone, J: Record + Clone, O: Record> OperatorHarness<I, O, J> {
    /// Drives an operator of two inputs.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of_two(|numbers: DataStream<u64>, words: DataStream<String>| {
    ///     numbers.connect(&words).map(|number| number.to_native(), |word| word.len() as u64)
    /// })?;
    /// harness.push([(7, 1)])?;
    /// harness.push_second([("swift".to_owned(), 2)])?;
    /// assert_eq!(harness.take_output(), [(7, 1), (5, 2)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    ///
    /// # Errors
    /// As [`of`](OperatorHarness::of).
    pub fn of_two(build: impl FnOnce(DataStream<I>, DataStream<J>) -> DataStream<O>) -> Result<Self, HarnessError> {
        let env = StreamEnvironment::new("harness");
        let first = env.from_collection(Vec::<I>::new(), WatermarkStrategy::no_watermarks());
        let second = env.from_collection(Vec::<J>::new(), WatermarkStrategy::no_watermarks());
        let output = build(first, second);
        Self::new(&env, &output)
    }
}

impl<I: Record, O: Record, J: Record> OperatorHarness<I, O, J> {
    fn new(env: &StreamEnvironment, output: &DataStream<O>) -> Result<Self, HarnessError> {
        Self::open(Recipe::of(env, output)?, Subtask { index: 0, parallelism: 1 }, &[])
    }

    /// Another instance of the same operator, restored from the snapshots of all instances of an earlier run.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.key_by(|n| n.to_native() % 2).reduce(|sum, n| *sum += n))?;
    /// harness.push([(1, 10)])?;
    /// let snapshot = harness.snapshot()?;
    /// let mut restored = harness.restored(harness.subtask(), &[&snapshot])?;
    /// restored.push([(3, 30)])?;
    /// assert_eq!(restored.take_output(), [(4, 30)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    ///
    /// # Errors
    /// A snapshot does not restore.
    pub fn restored(&self, subtask: Subtask, from: &[&HarnessSnapshot]) -> Result<Self, HarnessError> {
        Self::open(self.recipe.clone(), subtask, from)
    }

    /// Drops what came out so far.
    pub(crate) fn forget_output(&mut self) {
        self.outputs.clear();
    }

    /// The operator, with all that it holds.
    pub(crate) fn into_operator(self) -> Box<dyn Operator> {
        self.operator
    }

    fn open(recipe: Recipe, subtask: Subtask, from: &[&HarnessSnapshot]) -> Result<Self, HarnessError> {
        let watermark = from.iter().map(|snapshot| snapshot.watermark).min().unwrap_or(Timestamp::MIN);
        let mut harness = Self {
            operator: (recipe.make)(),
            subtask,
            pool: Pool::new(),
            counters: Arc::new(Counters::default()),
            watermark,
            watermarks: [watermark; 2],
            left: (Timestamp::MIN, Vec::new()),
            now: from.iter().map(|snapshot| snapshot.now).max().unwrap_or(Timestamp(0)),
            emitted: Vec::new(),
            outputs: BTreeMap::new(),
            log: HarnessLog::after(subtask, from),
            recipe,
            records: PhantomData,
        };
        let mut cx = OpenContext {
            operator: harness.recipe.id,
            name: &harness.recipe.name,
            subtask,
            key_groups: harness.recipe.key_groups,
            services: &Services::default(),
            pool: &harness.pool,
            counters: harness.counters.clone(),
            waker: yeoul_operator::Waker::default(),
        };
        harness.operator.open(&mut cx)?;
        harness.log.restore(&mut *harness.operator, from)?;
        Ok(harness)
    }

    /// Pushes records with their event times into the first input.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.key_by(|n| n.to_native() % 2).reduce(|sum, n| *sum += n))?;
    /// harness.push([(1, 10), (3, 20)])?;
    /// assert_eq!(harness.take_output(), [(1, 10), (4, 20)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    ///
    /// # Errors
    /// The operator failed.
    pub fn push(&mut self, records: impl IntoIterator<Item = (I, i64)>) -> Result<(), HarnessError> {
        self.push_records(InputId(0), records)
    }

    /// Pushes records with their event times into the second input.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of_two(|numbers: DataStream<u64>, words: DataStream<String>| {
    ///     numbers.connect(&words).map(|number| number.to_native(), |word| word.len() as u64)
    /// })?;
    /// harness.push_second([("swift".to_owned(), 2)])?;
    /// assert_eq!(harness.take_output(), [(5, 2)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    ///
    /// # Errors
    /// The operator failed.
    pub fn push_second(&mut self, records: impl IntoIterator<Item = (J, i64)>) -> Result<(), HarnessError> {
        self.push_records(InputId(1), records)
    }

    fn push_records<R: Record>(
        &mut self,
        input: InputId,
        records: impl IntoIterator<Item = (R, i64)>,
    ) -> Result<(), HarnessError> {
        let mut rows = RowBuilder::<R>::new(&self.pool, yeoul_frame::FRAME_ROWS);
        let archived = |error| OperatorError::new("a pushed record cannot be archived").caused_by(error);
        for (record, time) in records {
            if rows.is_full() {
                self.push_frame(input, rows.finish())?;
            }
            match rows.push(&record, Timestamp(time), RowKind::Insert) {
                Err(yeoul_frame::PushError::Full) => {
                    self.push_frame(input, rows.finish())?;
                    rows.push(&record, Timestamp(time), RowKind::Insert).map_err(archived)?;
                }
                other => other.map_err(archived)?,
            }
        }
        if rows.is_empty() { Ok(()) } else { self.push_frame(input, rows.finish()) }
    }

    /// Pushes a frame as the exchange would: with the hashes of its keys, and without the rows of other subtasks.
    ///
    /// ```
    /// use yeoul_frame::{Pool, RowBuilder, RowKind, Timestamp};
    /// use yeoul_operator::InputId;
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.key_by(|n| n.to_native() % 2).reduce(|sum, n| *sum += n))?;
    /// let mut rows = RowBuilder::<u64>::new(&Pool::new(), 16);
    /// rows.push(&3, Timestamp(10), RowKind::Insert).unwrap();
    /// harness.push_frame(InputId(0), rows.finish())?;
    /// assert_eq!(harness.take_output(), [(3, 10)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    ///
    /// # Errors
    /// The operator failed.
    pub fn push_frame(&mut self, input: InputId, frame: Frame) -> Result<(), HarnessError> {
        let frame = match self.recipe.routers.iter().find(|(of, _)| *of == input) {
            None => frame,
            Some((_, router)) => {
                let mut hashes = Vec::new();
                router.hash(&frame, &mut hashes);
                let own = |hash: &KeyHash| self.log.owns(*hash);
                if hashes.iter().all(own) {
                    frame.with_hashes(hashes)
                } else {
                    let rows: Vec<u32> =
                        frame.indices().zip(&hashes).filter(|(_, hash)| own(hash)).map(|(row, _)| row).collect();
                    hashes.retain(own);
                    frame.select(yeoul_frame::Selection::rows(&rows)).with_hashes(hashes)
                }
            }
        };
        self.counters.records_in.add(frame.len() as u64);
        self.call(|operator, cx| operator.process(input, &frame, cx).map(|()| Progress::Done))?;
        while self.operator.has_more() {
            self.call(|operator, cx| operator.go_on(cx).map(|()| Progress::Done))?;
        }
        Ok(())
    }

    fn call(
        &mut self,
        mut f: impl FnMut(&mut dyn Operator, &mut Context<'_>) -> Result<Progress, OperatorError>,
    ) -> Result<(), HarnessError> {
        loop {
            let mut cx = Context::new(&mut self.emitted, self.watermark, self.now, &self.pool, &self.counters);
            let progress = f(&mut *self.operator, &mut cx)?;
            for (output, frame) in self.emitted.drain(..) {
                self.outputs.entry(output).or_default().push(frame);
            }
            if progress == Progress::Done {
                return Ok(());
            }
        }
    }

    /// Snapshots the operator at a barrier that stands here.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.key_by(|n| n.to_native() % 2).reduce(|sum, n| *sum += n))?;
    /// harness.push([(1, 10)])?;
    /// let snapshot = harness.snapshot()?;
    /// // What comes later is no part of it.
    /// harness.push([(3, 20)])?;
    /// assert_eq!(harness.restored(harness.subtask(), &[&snapshot])?.state_entries(), 1);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    ///
    /// # Errors
    /// The operator failed.
    pub fn snapshot(&mut self) -> Result<HarnessSnapshot, HarnessError> {
        self.barrier()?;
        Ok(self.drain())
    }

    /// The first half of [`snapshot`](Self::snapshot): freezes. Records may be pushed before the second half; they are no part of it.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.key_by(|n| n.to_native() % 2).reduce(|sum, n| *sum += n))?;
    /// harness.push([(1, 10)])?;
    /// harness.barrier()?;
    /// harness.push([(3, 20)])?;
    /// let snapshot = harness.drain();
    /// let mut restored = harness.restored(harness.subtask(), &[&snapshot])?;
    /// restored.push([(5, 30)])?;
    /// assert_eq!(restored.take_output(), [(6, 30)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    ///
    /// # Errors
    /// The operator failed.
    pub fn barrier(&mut self) -> Result<(), HarnessError> {
        self.log.freeze(&mut *self.operator, self.recipe.id, self.watermark, self.now)?;
        Ok(())
    }

    /// The second half: drains what is frozen, and seals it.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.key_by(|n| n.to_native() % 2).reduce(|sum, n| *sum += n))?;
    /// harness.push([(1, 10)])?;
    /// harness.barrier()?;
    /// let snapshot = harness.drain();
    /// assert!(snapshot.bytes() > 0);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn drain(&mut self) -> HarnessSnapshot {
        self.log.drain(&mut *self.operator)
    }

    /// Takes what came out of the main output, with event times.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.key_by(|n| n.to_native() % 2).reduce(|sum, n| *sum += n))?;
    /// harness.push([(1, 10)])?;
    /// assert_eq!(harness.take_output(), [(1, 10)]);
    /// assert!(harness.take_output().is_empty());
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn take_output(&mut self) -> Vec<(O, i64)>
    where
        O: OwnedRecord,
    {
        owned(&self.take_frames(OutputId::MAIN))
    }

    /// Takes what came out of the main output as a changelog: kinds, records and event times.
    ///
    /// ```
    /// use yeoul_frame::RowKind;
    /// use yeoul_stream::OperatorHarness;
    ///
    /// let mut harness = OperatorHarness::of(|numbers| numbers.map(|n: &rkyv::Archived<u64>| n.to_native() * 2))?;
    /// harness.push([(1u64, 10)])?;
    /// assert_eq!(harness.take_changes(), [(RowKind::Insert, 2u64, 10)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn take_changes(&mut self) -> Vec<(RowKind, O, i64)>
    where
        O: OwnedRecord,
    {
        let frames = self.take_frames(OutputId::MAIN);
        let of = |frame: &Frame| {
            let rows = frame.rows::<O>();
            let change = |(row, record)| (rows.kind(row), O::from_archived(record), rows.time(row).0);
            rows.iter().map(change).collect::<Vec<_>>()
        };
        frames.iter().flat_map(of).collect()
    }

    /// Takes what came out of a side output, with event times. Empty if no stream was made of it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::{Count, DataStream, OperatorHarness, OutputTag, TumblingEventTimeWindows};
    ///
    /// let late = OutputTag::<u64>::new("late");
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    ///     let minutes = readings.window_all(TumblingEventTimeWindows::of(Duration::from_secs(60)));
    ///     let counts = minutes.side_output_late_data(&late).aggregate(Count::new());
    ///     counts.side_output(&late);
    ///     counts
    /// })?;
    /// harness.watermark(60_000)?;
    /// harness.push([(7, 1_000)])?;
    /// assert_eq!(harness.take_side_output(&late), [(7, 1_000)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn take_side_output<S: OwnedRecord>(&mut self, tag: &OutputTag<S>) -> Vec<(S, i64)> {
        let side = self.recipe.sides.list().into_iter().find(|side| *side.name == *tag.name());
        side.map_or_else(Vec::new, |side| owned(&self.take_frames(side.output)))
    }

    /// Takes the frames that came out of an output.
    ///
    /// ```
    /// use yeoul_operator::OutputId;
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.key_by(|n| n.to_native() % 2).reduce(|sum, n| *sum += n))?;
    /// harness.push([(1, 10), (2, 20)])?;
    /// let frames = harness.take_frames(OutputId::MAIN);
    /// assert_eq!(frames.iter().map(|frame| frame.len()).sum::<usize>(), 2);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn take_frames(&mut self, output: OutputId) -> Vec<Frame> {
        self.outputs.remove(&output).unwrap_or_default()
    }

    /// What the operator counts.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.key_by(|n| n.to_native() % 2).reduce(|sum, n| *sum += n))?;
    /// harness.push([(1, 10), (2, 20)])?;
    /// assert_eq!((harness.counters().records_in.get(), harness.counters().records_out.get()), (2, 2));
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Which instance it is.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.key_by(|n| n.to_native() % 2).reduce(|sum, n| *sum += n))?;
    /// assert_eq!((harness.subtask().index, harness.subtask().parallelism), (0, 1));
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn subtask(&self) -> Subtask {
        self.subtask
    }

    /// Entries in all of its state tables.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.key_by(|n| n.to_native() % 2).reduce(|sum, n| *sum += n))?;
    /// harness.push([(1, 10), (2, 20), (3, 30)])?;
    /// assert_eq!(harness.state_entries(), 2);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn state_entries(&mut self) -> usize {
        let mut entries = 0;
        self.operator.tables(&mut |table| entries += table.len());
        entries
    }
}

fn owned<T: OwnedRecord>(frames: &[Frame]) -> Vec<(T, i64)> {
    let of = |frame: &Frame| {
        let rows = frame.rows::<T>();
        rows.iter().map(|(row, record)| (T::from_archived(record), rows.time(row).0)).collect::<Vec<_>>()
    };
    frames.iter().flat_map(of).collect()
}
