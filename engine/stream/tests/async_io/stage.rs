//! One instance of an operator, played by a script; what leaves it, watermarks included, is text.

use std::sync::Arc;

use yeoul_frame::{Epoch, Frame, KeyGroups, OperatorId, Pool, RowBuilder, RowKind, Timestamp};
use yeoul_operator::{
    Context, Counters, InputId, MakeOperator, NodeKind, OpenContext, Operator, OperatorError, OutputId, Progress,
    Services, Snapshot, Subtask,
};
use yeoul_stream::{DataStream, StreamEnvironment, WatermarkStrategy};

use crate::gate::{Away, Gate};

/// What the instances of one run had in a snapshot, and the watermark that each had come to.
pub(crate) type Saved = Vec<(Vec<u8>, Timestamp)>;

pub(crate) struct Stage {
    operator: Box<dyn Operator>,
    pool: Pool,
    counters: Counters,
    now: Timestamp,
    watermark: Timestamp,
    said: Timestamp,
    emitted: Vec<(OutputId, Frame)>,
    log: Vec<String>,
}

/// The recipe of the operator that `build` adds.
pub(crate) fn make(build: impl FnOnce(&DataStream<u64>) -> DataStream<u64>) -> MakeOperator {
    let env = StreamEnvironment::new("stage");
    let _ = build(&env.from_collection(Vec::<u64>::new(), WatermarkStrategy::no_watermarks()));
    let graph = env.build().unwrap();
    let node = graph.nodes.last().unwrap();
    assert_eq!(node.chaining, yeoul_operator::Chaining::Head, "what it has no room for stays in the rings before it");
    let NodeKind::Operator { make } = &node.kind else { panic!("the last node is an operator") };
    make.clone()
}

impl Stage {
    pub(crate) fn open(make: &MakeOperator, subtask: Subtask) -> Self {
        let mut stage = Self {
            operator: make(),
            pool: Pool::new(),
            counters: Counters::default(),
            now: Timestamp(0),
            watermark: Timestamp::MIN,
            said: Timestamp::MIN,
            emitted: Vec::new(),
            log: Vec::new(),
        };
        let mut cx = OpenContext {
            operator: OperatorId(1),
            name: "stage",
            subtask,
            key_groups: KeyGroups::DEFAULT,
            services: &Services::default(),
            pool: &stage.pool,
            counters: Arc::default(),
            waker: yeoul_operator::Waker::default(),
        };
        stage.operator.open(&mut cx).unwrap();
        stage
    }

    /// Another run's instances, as the runtime restores them.
    pub(crate) fn restored(make: &MakeOperator, parallelism: u16, saved: &Saved) -> Vec<Self> {
        let before = saved.len() as u16;
        let restore = |index| {
            let mut stage = Self::open(make, Subtask { index, parallelism });
            stage.operator.on_restore();
            for (from, (bytes, _)) in (0..).zip(saved) {
                stage.operator.restore("in-flight", Subtask { index: from, parallelism: before }, bytes).unwrap();
            }
            let own = |at: &usize| before != parallelism || *at == usize::from(index);
            let watermarks = (0..saved.len()).filter(own).map(|at| saved[at].1);
            stage.watermark = watermarks.min().unwrap_or(Timestamp::MIN);
            stage.said = stage.operator.output_watermark(stage.watermark);
            stage
        };
        (0..parallelism).map(restore).collect()
    }

    pub(crate) fn save(&mut self) -> (Vec<u8>, Timestamp) {
        let (mut states, mut sealed) = (Vec::new(), Vec::new());
        self.operator.snapshot(&mut Snapshot::new(Epoch(1), OperatorId(1), &mut states, &mut sealed)).unwrap();
        let [(_, _, bytes)] = &states[..] else { panic!("one state") };
        (bytes.clone(), self.watermark)
    }

    /// Plays one step: records `1@10,2@20`, a watermark `w20`, an answer `a1`, an empty one `n1`, an error `e1`, a time `t50`, nothing at all. Then the
    /// operator does what is due. Returns what left: records, watermarks, and `full` if it has no room.
    pub(crate) fn play(&mut self, step: &str, gate: &Gate) -> Result<String, OperatorError> {
        for word in step.split_whitespace() {
            let (what, of) = word.split_at(1);
            match what {
                "w" => self.watermark(of.parse().unwrap())?,
                "a" => gate.answer(of.parse().unwrap(), Ok(vec![of.parse::<u64>().unwrap() * 10])),
                "n" => gate.answer(of.parse().unwrap(), Ok(vec![])),
                "e" => gate.answer(of.parse().unwrap(), Err(Away)),
                "t" => self.now = Timestamp(of.parse().unwrap()),
                _ => self.push(word)?,
            }
        }
        while self.operator.next_processing_time().is_some_and(|due| due <= self.now) {
            let now = self.now;
            self.call(|operator, cx| operator.on_processing_time(now, cx).map(drop))?;
        }
        if !self.operator.has_room() {
            self.log.push("full".to_owned());
        }
        Ok(std::mem::take(&mut self.log).join(" "))
    }

    fn push(&mut self, records: &str) -> Result<(), OperatorError> {
        let mut rows = RowBuilder::<u64>::new(&self.pool, 1024);
        for record in records.split(',') {
            let (n, time) = record.split_once('@').unwrap();
            // Odd ones are changes of another kind, which results take over.
            let n: u64 = n.parse().unwrap();
            let kind = if n.is_multiple_of(2) { RowKind::Insert } else { RowKind::UpdateAfter };
            rows.push(&n, Timestamp(time.parse().unwrap()), kind).unwrap();
        }
        let frame = rows.finish();
        self.call(|operator, cx| operator.process(InputId(0), &frame, cx))
    }

    fn watermark(&mut self, watermark: i64) -> Result<(), OperatorError> {
        self.watermark = Timestamp(watermark);
        let watermark = self.watermark;
        self.call(|operator, cx| {
            let progress = operator.on_watermark(watermark, cx)?;
            assert_eq!(progress, Progress::Done);
            Ok(())
        })
    }

    fn call(
        &mut self,
        f: impl FnOnce(&mut dyn Operator, &mut Context<'_>) -> Result<(), OperatorError>,
    ) -> Result<(), OperatorError> {
        let mut cx = Context::new(&mut self.emitted, self.watermark, self.now, &self.pool, &self.counters);
        f(&mut *self.operator, &mut cx)?;
        for (_, frame) in self.emitted.drain(..) {
            let rows = frame.rows::<u64>();
            let shown = rows.iter().map(|(row, n)| {
                let kind = if rows.kind(row) == RowKind::Insert { "" } else { "'" };
                format!("{n}{kind}@{}", rows.time(row).0)
            });
            self.log.extend(shown);
        }
        let said = self.operator.output_watermark(self.watermark);
        assert!(said >= self.said, "watermarks never go back");
        if said > self.said {
            self.said = said;
            self.log.push(format!("w{}", said.0));
        }
        Ok(())
    }
}

/// Plays each step of a script and compares what leaves.
pub(crate) fn check(build: impl FnOnce(&DataStream<u64>, Gate) -> DataStream<u64>, script: &[(&str, &str)]) {
    let gate = Gate::default();
    let make = make(|numbers| build(numbers, gate.clone()));
    let mut stage = Stage::open(&make, Subtask { index: 0, parallelism: 1 });
    for (step, expected) in script {
        let left = stage.play(step, &gate).unwrap_or_else(|error| format!("failed: {error}"));
        assert_eq!(left, *expected, "after '{step}'");
    }
}
