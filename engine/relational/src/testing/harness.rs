//! One operator, driven by hand: as a shard does, with snapshots through the encoded log.

use std::collections::BTreeMap;
use std::sync::Arc;

use yeoul_frame::{Epoch, Frame, KeyGroups, KeyHash, OperatorId, Pool, Selection, ShardId, TableId, Timestamp};
use yeoul_operator::{
    Context, Counters, InputId, OpenContext, Operator, OperatorError, OutputId, Progress, Router, Services, Snapshot,
    Subtask,
};
use yeoul_state::log::{BlockKind, BlockView, Chunk, LogBuffer, LogOptions, Origin, Record, RunId, SegmentId};
use yeoul_state::{Drained, StateTable};

use crate::key::HashColumns;

/// Records drained in one slice: few, so that tests meet what happens between slices.
const SLICE: usize = 3;

type Make = Arc<dyn Fn() -> Result<Box<dyn Operator>, OperatorError>>;

/// One instance of an operator.
pub(crate) struct Harness {
    make: Make,
    /// The key of each input, if there is an exchange before it.
    keys: Vec<Option<Arc<dyn Router>>>,
    operator: Box<dyn Operator>,
    subtask: Subtask,
    pool: Pool,
    pub(crate) counters: Arc<Counters>,
    watermark: Timestamp,
    now: Timestamp,
    outputs: BTreeMap<OutputId, Vec<Frame>>,
    /// The most frames that one call gave.
    pub(crate) most_frames: usize,
    buffer: LogBuffer,
    history: Vec<Piece>,
    run: RunId,
    epoch: Epoch,
}

/// What an instance's snapshot holds.
#[derive(Clone)]
pub(crate) struct Saved {
    subtask: Subtask,
    watermark: Timestamp,
    now: Timestamp,
    epoch: Epoch,
    history: Vec<Piece>,
    states: Vec<(String, Vec<u8>)>,
}

#[derive(Clone)]
struct Piece {
    chunk: Arc<Chunk>,
    run: RunId,
    owners: Vec<Subtask>,
}

impl Saved {
    /// The records of a table that were written: namespace, key and value.
    pub(crate) fn puts(&self, table: TableId) -> Vec<(i64, Vec<u8>, Vec<u8>)> {
        let mut found = Vec::new();
        for Piece { chunk, run, .. } in &self.history {
            let mut segment = vec![0; chunk.offset as usize];
            segment.extend_from_slice(&chunk.bytes);
            let mut at = chunk.offset as usize;
            while at < segment.len() {
                let origin = Origin { segment: chunk.segment, run: *run };
                let (block, next) = BlockView::parse(&segment, at, origin).unwrap();
                at = next;
                if block.table() == table && block.kind() == BlockKind::Put {
                    let of = |record: Record<'_>| (block.namespace(), record.key.to_vec(), record.value.to_vec());
                    found.extend(block.records().map(of));
                }
            }
        }
        found
    }

    pub(crate) fn states(&self) -> &[(String, Vec<u8>)] {
        &self.states
    }

    pub(crate) fn states_mut(&mut self) -> &mut [(String, Vec<u8>)] {
        &mut self.states
    }
}

fn owns(subtask: Subtask, hash: KeyHash) -> bool {
    let groups = KeyGroups::DEFAULT;
    groups.shard(groups.of(hash), subtask.parallelism) == subtask.index
}

impl Harness {
    /// An operator whose inputs are keyed by these columns.
    pub(crate) fn of(make: impl Fn() -> Result<Box<dyn Operator>, OperatorError> + 'static, keys: &[&[usize]]) -> Self {
        let keys = keys.iter().map(|columns| Some(HashColumns { columns: columns.to_vec() }.router())).collect();
        Self::open(Arc::new(make), keys, Subtask { index: 0, parallelism: 1 }, &[])
    }

    /// The same, the first input being exchanged by this router.
    pub(crate) fn routed(mut self, router: Arc<dyn Router>) -> Self {
        self.keys[0] = Some(router);
        self
    }

    /// The same, with all rows of one input to every instance.
    pub(crate) fn broadcast(mut self, input: usize) -> Self {
        self.keys[input] = None;
        self
    }

    fn open(make: Make, keys: Vec<Option<Arc<dyn Router>>>, subtask: Subtask, from: &[&Saved]) -> Self {
        let epoch = Epoch(from.iter().map(|saved| saved.epoch.0).max().unwrap_or(0) + 1);
        let mut history: Vec<Piece> = Vec::new();
        for saved in from {
            for piece in &saved.history {
                let mut piece = piece.clone();
                piece.owners.push(saved.subtask);
                history.push(piece);
            }
        }
        let run = RunId(history.iter().map(|piece| piece.run.0).max().unwrap_or(0) + 1);
        let last = history.iter().map(|piece| piece.chunk.segment.0).max().unwrap_or(0);
        let options = LogOptions {
            shard: ShardId(subtask.index),
            shards: subtask.parallelism,
            first_segment: SegmentId(last + 1),
            epoch,
            ..LogOptions::single(run)
        };
        let mut harness = Self {
            operator: make().expect("the operator is made"),
            make,
            keys,
            subtask,
            pool: Pool::new(),
            counters: Arc::default(),
            watermark: from.iter().map(|saved| saved.watermark).min().unwrap_or(Timestamp::MIN),
            now: from.iter().map(|saved| saved.now).max().unwrap_or(Timestamp(0)),
            outputs: BTreeMap::new(),
            most_frames: 0,
            buffer: LogBuffer::new(options),
            history,
            run,
            epoch,
        };
        let mut cx = OpenContext {
            operator: OperatorId::of("tested"),
            name: "tested",
            subtask,
            key_groups: KeyGroups::DEFAULT,
            services: &Services::default(),
            pool: &harness.pool,
            counters: harness.counters.clone(),
            waker: yeoul_operator::Waker::default(),
        };
        harness.operator.open(&mut cx).unwrap();
        if !from.is_empty() {
            harness.operator.on_restore();
        }
        for saved in from {
            for (name, bytes) in &saved.states {
                harness.operator.restore(name, saved.subtask, bytes).unwrap();
            }
        }
        for piece in &harness.history {
            let owned = |hash: KeyHash| owns(subtask, hash) && piece.owners.iter().all(|owner| owns(*owner, hash));
            let mut segment = vec![0; piece.chunk.offset as usize];
            segment.extend_from_slice(&piece.chunk.bytes);
            let mut at = piece.chunk.offset as usize;
            while at < segment.len() {
                let origin = Origin { segment: piece.chunk.segment, run: piece.run };
                let (block, next) = BlockView::parse(&segment, at, origin).unwrap();
                at = next;
                harness.operator.tables(&mut |table| {
                    if table.id() == block.table() {
                        table.restore(&block, &owned, &mut |_, _| ()).unwrap();
                    }
                });
            }
        }
        harness
    }

    /// Another instance of the same operator, restored.
    pub(crate) fn restored(&self, subtask: Subtask, from: &[&Saved]) -> Self {
        Self::open(self.make.clone(), self.keys.clone(), subtask, from)
    }

    pub(crate) fn push(&mut self, input: u8, frame: Frame) {
        self.try_push(input, frame).unwrap();
    }

    /// Pushes a frame as the exchange would: with hashes, and without rows of other subtasks.
    pub(crate) fn try_push(&mut self, input: u8, frame: Frame) -> Result<(), OperatorError> {
        let frame = match self.keys.get(usize::from(input)) {
            Some(Some(router)) => {
                let mut hashes = Vec::new();
                router.hash(&frame, &mut hashes);
                let mine: Vec<u32> = frame
                    .indices()
                    .zip(&hashes)
                    .filter(|(_, hash)| owns(self.subtask, **hash))
                    .map(|(row, _)| row)
                    .collect();
                if mine.len() == frame.len() {
                    frame.with_hashes(hashes)
                } else {
                    hashes.retain(|hash| owns(self.subtask, *hash));
                    frame.select(Selection::rows(&mine)).with_hashes(hashes)
                }
            }
            _ => frame,
        };
        if frame.is_empty() {
            return Ok(());
        }
        self.counters.records_in.add(frame.len() as u64);
        self.call(|operator, cx| operator.process(InputId(input), &frame, cx).map(|()| Progress::Done))
    }

    pub(crate) fn watermark(&mut self, watermark: i64) {
        if Timestamp(watermark) > self.watermark {
            self.watermark = Timestamp(watermark);
            self.call(|operator, cx| operator.on_watermark(Timestamp(watermark), cx)).unwrap();
        }
    }

    pub(crate) fn watermark_of(&self) -> i64 {
        self.watermark.0
    }

    pub(crate) fn idle(&mut self) {
        self.operator.on_idle();
    }

    /// Puts back what was taken.
    pub(crate) fn keep(&mut self, output: OutputId, frames: Vec<Frame>) {
        self.outputs.insert(output, frames);
    }

    pub(crate) fn processing_time(&mut self, now: i64) {
        self.now = Timestamp(now);
        while self.operator.next_processing_time().is_some_and(|due| due <= self.now) {
            self.call(|operator, cx| operator.on_processing_time(cx.now(), cx)).unwrap();
        }
    }

    pub(crate) fn finish(&mut self) {
        self.watermark(i64::MAX);
    }

    fn call(
        &mut self,
        mut f: impl FnMut(&mut dyn Operator, &mut Context<'_>) -> Result<Progress, OperatorError>,
    ) -> Result<(), OperatorError> {
        loop {
            let mut emitted = Vec::new();
            let mut cx = Context::new(&mut emitted, self.watermark, self.now, &self.pool, &self.counters);
            let progress = f(&mut *self.operator, &mut cx)?;
            self.most_frames = self.most_frames.max(emitted.len());
            for (output, frame) in emitted {
                self.outputs.entry(output).or_default().push(frame);
            }
            if progress == Progress::Done {
                return Ok(());
            }
        }
    }

    pub(crate) fn take(&mut self) -> Vec<Frame> {
        self.take_from(OutputId::MAIN)
    }

    pub(crate) fn take_from(&mut self, output: OutputId) -> Vec<Frame> {
        self.outputs.remove(&output).unwrap_or_default()
    }

    pub(crate) fn snapshot(&mut self) -> Saved {
        let (mut states, mut sealed) = (Vec::new(), Vec::new());
        let id = OperatorId::of("tested");
        self.operator.snapshot(&mut Snapshot::new(self.epoch, id, &mut states, &mut sealed)).unwrap();
        self.operator.tables(&mut |table: &mut dyn StateTable| table.freeze());
        let mut chunks = Vec::new();
        let buffer = &mut self.buffer;
        self.operator.tables(&mut |table| {
            while table.drain(SLICE, buffer) == Drained::More {
                chunks.extend(std::iter::from_fn(|| buffer.take_chunk()));
            }
        });
        chunks.extend(std::iter::from_fn(|| self.buffer.take_chunk()));
        chunks.push(self.buffer.seal(self.epoch));
        for mut chunk in chunks {
            chunk.finish();
            self.history.push(Piece { chunk: Arc::new(chunk), run: self.run, owners: vec![self.subtask] });
        }
        let saved = Saved {
            subtask: self.subtask,
            watermark: self.watermark,
            now: self.now,
            epoch: self.epoch,
            history: self.history.clone(),
            states: states.into_iter().map(|(_, name, bytes)| (name, bytes)).collect(),
        };
        self.epoch = self.epoch.next();
        saved
    }

    /// Entries written since the last snapshot.
    pub(crate) fn dirty_entries(&mut self) -> usize {
        let mut entries = 0;
        self.operator.tables(&mut |table| entries += table.dirty());
        entries
    }

    pub(crate) fn state_entries(&mut self) -> usize {
        let mut entries = 0;
        self.operator.tables(&mut |table| entries += table.len());
        entries
    }
}

/// What a test does to an operator.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Push(u8, Frame),
    Watermark(i64),
    /// A snapshot, from which this many instances go on.
    Restore(u16),
}

/// Runs steps; after each, `check` sees what came out of the main output, in the order of instances. At the end, event time ends.
pub(crate) fn run_with_restores(
    first: Harness,
    steps: &[Step],
    mut check: impl FnMut(usize, &[Frame]),
) -> Vec<Harness> {
    let mut instances = vec![first];
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Push(input, frame) => instances.iter_mut().for_each(|one| one.push(*input, frame.clone())),
            Step::Watermark(time) => instances.iter_mut().for_each(|one| one.watermark(*time)),
            Step::Restore(parallelism) => {
                let saved: Vec<Saved> = instances.iter_mut().map(Harness::snapshot).collect();
                let from: Vec<&Saved> = saved.iter().collect();
                let late: Vec<Vec<Frame>> = instances.iter_mut().map(|one| one.take_from(crate::LATE)).collect();
                let open = |index| instances[0].restored(Subtask { index, parallelism: *parallelism }, &from);
                let mut next: Vec<Harness> = (0..*parallelism).map(open).collect();
                next[0].outputs.insert(crate::LATE, late.into_iter().flatten().collect());
                instances = next;
            }
        }
        let out: Vec<Frame> = instances.iter_mut().flat_map(Harness::take).collect();
        check(at, &out);
    }
    instances.iter_mut().for_each(Harness::finish);
    let out: Vec<Frame> = instances.iter_mut().flat_map(Harness::take).collect();
    check(steps.len(), &out);
    instances
}
