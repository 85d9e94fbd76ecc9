//! Drives one operator step by step: as it is, killed a step after a snapshot that was taken after each single step, and restored after all
//! of them. For what is seen of one moment only, which a job that is killed may see at another.

use std::fmt::Debug;

use yeoul::frame::{OwnedRecord, Record};
use yeoul::prelude::*;

/// What happens to the operator: a record comes, or time passes.
#[derive(Debug, Clone)]
pub(crate) enum Step<I, J = ()> {
    Push(I, i64),
    /// A record of the second input.
    Second(J, i64),
    Watermark(i64),
    /// Processing time.
    Clock(i64),
    /// Event time runs to its end.
    End,
}

impl<I: Record, J: Record> Step<I, J> {
    fn take<O: Record>(self, harness: &mut OperatorHarness<I, O, J>) {
        match self {
            Self::Push(record, time) => harness.push([(record, time)]),
            Self::Second(record, time) => harness.push_second([(record, time)]),
            Self::Watermark(watermark) => harness.watermark(watermark),
            Self::Clock(now) => harness.processing_time(now),
            Self::End => harness.finish(),
        }
        .unwrap();
    }
}

/// When the operator is taken from a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Restored {
    Never,
    /// After this step; the one behind it is taken twice, for the first time by an operator that dies.
    After(usize),
    Always,
}

/// What `look` finds after each step is what stands beside the step. It is also told how many records were late in that step.
pub(crate) fn check_steps<I, J, O, S>(
    operator: &OperatorHarness<I, O, J>,
    steps: &[(Step<I, J>, S)],
    look: impl Fn(&mut OperatorHarness<I, O, J>, u64) -> S,
) where
    I: Record + Clone + Debug,
    J: Record + Clone + Debug,
    O: Record,
    S: PartialEq + Debug,
{
    let forms = (0..steps.len()).map(Restored::After).chain([Restored::Always]);
    for restored in std::iter::once(Restored::Never).chain(forms) {
        let mut harness = operator.restored(operator.subtask(), &[]).unwrap();
        for (at, (step, expected)) in steps.iter().enumerate() {
            let late = harness.counters().late.get();
            step.clone().take(&mut harness);
            let late = harness.counters().late.get() - late;
            assert_eq!(look(&mut harness, late), *expected, "step {at}, {step:?}, restored {restored:?}");
            if restored == Restored::Always || restored == Restored::After(at) {
                let snapshot = harness.snapshot().unwrap();
                if let Some((lost, _)) = steps.get(at + 1) {
                    lost.clone().take(&mut harness);
                }
                harness = harness.restored(harness.subtask(), &[&snapshot]).unwrap();
            }
        }
    }
}

/// What came out, in order of value: for [`check_steps`].
pub(crate) fn output<I: Record, O: OwnedRecord + Ord, J: Record>(
    harness: &mut OperatorHarness<I, O, J>,
    _late: u64,
) -> Vec<O> {
    let mut records: Vec<O> = harness.take_output().into_iter().map(|(record, _)| record).collect();
    records.sort();
    records
}
