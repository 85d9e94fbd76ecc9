//! Several instances of one operator, as a job has them: records go by key, watermarks to all.

use std::fmt::Debug;

use yeoul_frame::{OwnedRecord, Record};
use yeoul_operator::Subtask;
use yeoul_stream::{DataStream, HarnessSnapshot, OperatorHarness, OutputTag};

pub(crate) struct Fleet<I: Record, O: Record> {
    recipe: OperatorHarness<I, O>,
    instances: Vec<OperatorHarness<I, O>>,
    late: u64,
}

impl<I: Record + Clone, O: OwnedRecord + Ord + Debug> Fleet<I, O> {
    pub(crate) fn new(build: impl FnOnce(DataStream<I>) -> DataStream<O>) -> Self {
        let recipe = OperatorHarness::of(build).unwrap();
        let first = recipe.restored(Subtask { index: 0, parallelism: 1 }, &[]).unwrap();
        Self { recipe, instances: vec![first], late: 0 }
    }

    pub(crate) fn push(&mut self, records: &[(I, i64)]) {
        self.instances.iter_mut().for_each(|instance| instance.push(records.iter().cloned()).unwrap());
    }

    pub(crate) fn watermark(&mut self, watermark: i64) {
        self.instances.iter_mut().for_each(|instance| instance.watermark(watermark).unwrap());
    }

    pub(crate) fn watermark_of(&mut self, instance: usize, watermark: i64) {
        self.instances[instance].watermark(watermark).unwrap();
    }

    pub(crate) fn processing_time(&mut self, now: i64) {
        self.instances.iter_mut().for_each(|instance| instance.processing_time(now).unwrap());
    }

    pub(crate) fn processing_time_of(&mut self, instance: usize, now: i64) {
        self.instances[instance].processing_time(now).unwrap();
    }

    /// What came out, sorted: subtasks and keys have no order between them.
    pub(crate) fn take_output(&mut self) -> Vec<(O, i64)> {
        let mut output: Vec<_> = self.instances.iter_mut().flat_map(OperatorHarness::take_output).collect();
        output.sort();
        output
    }

    /// What came out, subtask by subtask in the order in which it came.
    pub(crate) fn take_unsorted(&mut self) -> Vec<(O, i64)> {
        self.instances.iter_mut().flat_map(OperatorHarness::take_output).collect()
    }

    pub(crate) fn take_side_output<S: OwnedRecord + Ord>(&mut self, tag: &OutputTag<S>) -> Vec<(S, i64)> {
        let mut output: Vec<_> =
            self.instances.iter_mut().flat_map(|instance| instance.take_side_output(tag)).collect();
        output.sort();
        output
    }

    /// Stops at a barrier and starts again with another number of instances. What is pushed between the barrier and the drain is lost with
    /// the crash, but must not harm the snapshot.
    pub(crate) fn restart(&mut self, parallelism: u16, lost: &[(I, i64)], lost_watermark: i64) {
        self.instances.iter_mut().for_each(|instance| instance.barrier().unwrap());
        self.late += self.instances.iter().map(|instance| instance.counters().late.get()).sum::<u64>();
        self.push(lost);
        self.watermark(lost_watermark);
        let snapshots: Vec<HarnessSnapshot> = self.instances.iter_mut().map(OperatorHarness::drain).collect();
        let snapshots: Vec<_> = snapshots.iter().collect();
        let restored = |index| self.recipe.restored(Subtask { index, parallelism }, &snapshots).unwrap();
        self.instances = (0..parallelism).map(restored).collect();
    }

    /// Snapshots and goes on.
    pub(crate) fn checkpoint(&mut self) {
        self.instances.iter_mut().for_each(|instance| _ = instance.snapshot().unwrap());
    }

    pub(crate) fn late(&self) -> u64 {
        self.late + self.instances.iter().map(|instance| instance.counters().late.get()).sum::<u64>()
    }

    pub(crate) fn state_entries(&mut self) -> usize {
        self.instances.iter_mut().map(OperatorHarness::state_entries).sum()
    }
}
