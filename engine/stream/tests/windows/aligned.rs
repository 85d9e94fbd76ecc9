//! Tumbling and sliding windows against a model that copies each record into each of its windows.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use rkyv::Archived;
use yeoul_stream::{
    AggregateFunction, Collector, DataStream, EventTimeTrigger, Evictor, OutputTag, ProcessWindowFunction,
    ProcessingTimeTrigger, SlidingEventTimeWindows, SlidingProcessingTimeWindows, WindowContext, WindowedStream,
};

use crate::fleet::Fleet;

/// Key and amount.
pub(crate) type Reading = (u64, u64);
/// Key, window and sum.
pub(crate) type Sum = (u64, i64, i64, u64);

#[derive(Clone)]
struct Summing;

impl AggregateFunction for Summing {
    type In = Archived<Reading>;
    type Acc = u64;
    type Out = u64;

    fn create(&self) -> u64 {
        0
    }
    fn add(&self, sum: &mut u64, reading: &Archived<Reading>) {
        *sum += reading.1.to_native();
    }
    fn merge(&self, sum: &mut u64, other: &u64) {
        *sum += other;
    }
    fn result(&self, sum: &u64) -> u64 {
        *sum
    }
}

#[derive(Clone)]
struct SummingAll;

impl ProcessWindowFunction for SummingAll {
    type Key = u64;
    type In = Reading;
    type Out = Sum;

    fn process(
        &mut self,
        key: &u64,
        cx: &mut WindowContext<'_, u64>,
        elements: &[Reading],
        out: &mut Collector<Sum>,
    ) -> Result<(), yeoul_operator::OperatorError> {
        assert!(elements.iter().all(|reading| reading.0 == *key));
        out.collect((
            *key,
            cx.window().start.0,
            cx.window().end.0,
            elements.iter().map(|reading| reading.1).sum::<u64>(),
        ));
        Ok(())
    }
}

/// Makes a sum of the only element.
#[derive(Clone)]
struct WithKey;

impl ProcessWindowFunction for WithKey {
    type Key = u64;
    type In = u64;
    type Out = Sum;

    fn process(
        &mut self,
        key: &u64,
        cx: &mut WindowContext<'_, u64>,
        elements: &[u64],
        out: &mut Collector<Sum>,
    ) -> Result<(), yeoul_operator::OperatorError> {
        assert_eq!(elements.len(), 1, "an aggregate is one element");
        out.collect((*key, cx.window().start.0, cx.window().end.0, elements[0]));
        Ok(())
    }
}

/// Leaves everything where it is.
#[derive(Clone)]
struct Nothing;

impl Evictor<Reading> for Nothing {}

/// Which operator works: all give the same.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Path {
    Fast,
    /// The general one, with folded contents.
    Trigger,
    /// The general one, with all elements kept.
    Evictor,
}

impl Path {
    pub(crate) fn of(self, windows: WindowedStream<u64, Reading>) -> WindowedStream<u64, Reading> {
        match self {
            Self::Fast => windows,
            Self::Trigger => windows.trigger(EventTimeTrigger::create()),
            Self::Evictor => windows.evictor(Nothing),
        }
    }

    /// In processing time.
    pub(crate) fn of_clock(self, windows: WindowedStream<u64, Reading>) -> WindowedStream<u64, Reading> {
        match self {
            Self::Trigger => windows.trigger(ProcessingTimeTrigger::create()),
            _ => self.of(windows),
        }
    }
}

pub(crate) fn paths() -> impl Strategy<Value = Path> {
    prop_oneof![Just(Path::Fast), Just(Path::Trigger), Just(Path::Evictor)]
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    Aggregate,
    Reduce,
    Process,
    AggregateProcess,
    ReduceProcess,
}

impl Form {
    pub(crate) fn of(self, windows: &WindowedStream<u64, Reading>) -> DataStream<Sum> {
        match self {
            Self::Aggregate => windows.aggregate_with(Summing, |key, window, sum, out| {
                out.collect((*key, window.start.0, window.end.0, sum));
            }),
            Self::Reduce => windows.reduce_with(
                |sum, reading| sum.1 += reading.1,
                |key, window, sum, out| out.collect((*key, window.start.0, window.end.0, sum.1)),
            ),
            Self::Process => windows.process(SummingAll),
            Self::AggregateProcess => windows.aggregate_process(Summing, WithKey),
            Self::ReduceProcess => windows.reduce_process(|sum, reading| sum.1 += reading.1, SummingAll),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Shape {
    size: i64,
    slide: i64,
    offset: i64,
    lateness: i64,
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Push(Vec<(Reading, i64)>),
    Watermark(i64),
    Checkpoint,
    Restart { parallelism: u16, lost: Vec<(Reading, i64)>, lost_watermark: i64 },
}

/// Each record in each of its windows, as the textbook has it.
struct Model {
    shape: Shape,
    watermark: i64,
    windows: BTreeMap<(i64, u64), u64>,
    late: Vec<(Reading, i64)>,
    in_no_window: usize,
    output: Vec<(Sum, i64)>,
}

impl Model {
    fn push(&mut self, (reading, time): (Reading, i64)) {
        let Shape { size, slide, offset, lateness } = self.shape;
        let starts = (time - size + 1..=time).filter(|start| (start - offset).rem_euclid(slide) == 0);
        let (mut windows, mut taken) = (0, 0);
        for start in starts {
            windows += 1;
            let end = start + size;
            if end - 1 + lateness <= self.watermark {
                continue;
            }
            taken += 1;
            let sum = self.windows.entry((end, reading.0)).or_default();
            *sum += reading.1;
            if end - 1 <= self.watermark {
                self.output.push(((reading.0, start, end, *sum), end - 1));
            }
        }
        match (windows, taken) {
            (0, _) => self.in_no_window += 1,
            (_, 0) => self.late.push((reading, time)),
            _ => {}
        }
    }

    fn watermark(&mut self, watermark: i64) {
        let watermark = watermark.max(self.watermark);
        for ((end, key), sum) in &self.windows {
            if self.watermark < end - 1 && end - 1 <= watermark {
                self.output.push(((*key, end - self.shape.size, *end, *sum), end - 1));
            }
        }
        self.watermark = watermark;
        let lateness = self.shape.lateness;
        self.windows.retain(|(end, _), _| end - 1 + lateness > watermark);
    }
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let record = ((0..6u64, 1..100u64), -50..150i64);
    let records = move || prop::collection::vec(record.clone(), 0..30);
    let step = prop_oneof![
        6 => records().prop_map(Step::Push),
        4 => (-60..170i64).prop_map(Step::Watermark),
        1 => Just(Step::Checkpoint),
        2 => (1..4u16, records(), -60..170i64)
            .prop_map(|(parallelism, lost, lost_watermark)| Step::Restart { parallelism, lost, lost_watermark }),
    ];
    prop::collection::vec(step, 1..25)
}

fn shapes() -> impl Strategy<Value = Shape> {
    (1..30i64, 1..30i64, 0..30i64, prop_oneof![Just(0), 1..40i64], any::<bool>()).prop_map(
        |(size, slide, offset, lateness, tumbling)| {
            let slide = if tumbling { size } else { slide };
            Shape { size, slide, offset: offset % slide, lateness }
        },
    )
}

fn ms(millis: i64) -> Duration {
    Duration::from_millis(millis as u64)
}

fn check(shape: Shape, (form, path): (Form, Path), steps: &[Step]) {
    let late = OutputTag::new("late");
    let mut fleet = Fleet::new(|readings: DataStream<Reading>| {
        let windows = SlidingEventTimeWindows::of(ms(shape.size), ms(shape.slide)).offset(ms(shape.offset));
        let windowed = readings
            .key_by(|reading| reading.0.to_native())
            .window(windows)
            .allowed_lateness(ms(shape.lateness))
            .side_output_late_data(&late);
        let sums = form.of(&path.of(windowed));
        let _ = sums.side_output(&late);
        sums
    });
    let mut model = Model {
        shape,
        watermark: i64::MIN,
        windows: BTreeMap::new(),
        late: Vec::new(),
        in_no_window: 0,
        output: Vec::new(),
    };
    let mut lates = 0;
    for step in steps.iter().chain([&Step::Watermark(i64::MAX)]) {
        match step {
            Step::Push(records) => {
                fleet.push(records);
                records.iter().for_each(|record| model.push(*record));
            }
            Step::Watermark(watermark) => {
                fleet.watermark(*watermark);
                model.watermark(*watermark);
            }
            Step::Checkpoint => fleet.checkpoint(),
            Step::Restart { parallelism, lost, lost_watermark } => fleet.restart(*parallelism, lost, *lost_watermark),
        }
        model.output.sort_unstable();
        assert_eq!(fleet.take_output(), std::mem::take(&mut model.output), "after {step:?}");
        model.late.sort_unstable();
        lates += model.late.len() as u64;
        assert_eq!(fleet.take_side_output(&late), std::mem::take(&mut model.late), "late after {step:?}");
        assert_eq!(fleet.late(), lates);
    }
    assert_eq!(fleet.state_entries(), 0, "nothing is left behind");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn aggregates_match_the_model(shape in shapes(), path in paths(), steps in steps()) {
        check(shape, (Form::Aggregate, path), &steps);
    }

    #[test]
    fn reduced_records_match_the_model(shape in shapes(), path in paths(), steps in steps()) {
        check(shape, (Form::Reduce, path), &steps);
    }

    #[test]
    fn all_elements_match_the_model(shape in shapes(), path in paths(), steps in steps()) {
        check(shape, (Form::Process, path), &steps);
    }

    #[test]
    fn functions_of_aggregates_match_the_model(shape in shapes(), path in paths(), steps in steps()) {
        check(shape, (Form::AggregateProcess, path), &steps);
    }

    #[test]
    fn functions_of_reduced_records_match_the_model(shape in shapes(), path in paths(), steps in steps()) {
        check(shape, (Form::ReduceProcess, path), &steps);
    }

    /// In processing time a record's time is the clock's; windows fire when the clock has passed them.
    #[test]
    fn processing_time_windows_match_the_model(
        shape in shapes(),
        path in paths(),
        steps in prop::collection::vec((0..40i64, prop::collection::vec((0..6u64, 1..100u64), 0..20), prop::option::of(1..4u16)), 1..20),
    ) {
        let shape = Shape { lateness: 0, ..shape };
        let mut fleet = Fleet::new(|readings: DataStream<Reading>| {
            let windows = SlidingProcessingTimeWindows::of(ms(shape.size), ms(shape.slide)).offset(ms(shape.offset));
            Form::Aggregate.of(&path.of_clock(readings.key_by(|reading| reading.0.to_native()).window(windows)))
        });
        let mut model = Model {
            shape, watermark: i64::MIN, windows: BTreeMap::new(), late: Vec::new(), in_no_window: 0, output: Vec::new(),
        };
        let mut now = 1_000;
        for (passed, readings, restart) in steps {
            now += passed;
            fleet.processing_time(now);
            model.watermark(now - 1);
            fleet.push(&readings.iter().map(|reading| (*reading, 0)).collect::<Vec<_>>());
            readings.iter().for_each(|reading| model.push((*reading, now)));
            model.output.sort_unstable();
            assert_eq!(fleet.take_output(), std::mem::take(&mut model.output));
            if let Some(parallelism) = restart {
                fleet.restart(parallelism, &[], i64::MIN);
                fleet.processing_time(now);
            }
        }
        fleet.watermark(i64::MAX);
        model.watermark(i64::MAX - 1);
        model.output.sort_unstable();
        assert_eq!(fleet.take_output(), model.output);
        assert!(model.late.is_empty() && fleet.late() == 0);
    }
}

/// Subtasks read their clocks apart: at a barrier a window may have fired in one and not in another.
#[test]
fn a_window_that_some_subtasks_have_fired_fires_for_the_other_keys_only() {
    let mut fleet = Fleet::new(|readings: DataStream<Reading>| {
        let windows = SlidingProcessingTimeWindows::of(ms(20), ms(10));
        Form::Aggregate.of(&readings.key_by(|reading| reading.0.to_native()).window(windows))
    });
    fleet.restart(2, &[], i64::MIN);
    fleet.processing_time(1_005);
    let readings: Vec<_> = (0..20u64).map(|key| ((key, 1), 0)).collect();
    fleet.push(&readings);
    fleet.processing_time_of(0, 1_010);
    let fired = fleet.take_output();
    assert!(!fired.is_empty() && fired.len() < 20, "{} of 20 keys", fired.len());
    fleet.restart(1, &[], i64::MIN);
    fleet.processing_time(1_010);
    let rest = fleet.take_output();
    let mut all: Vec<_> = fired.into_iter().chain(rest).collect();
    all.sort_unstable();
    assert_eq!(all, (0..20u64).map(|key| ((key, 990, 1_010, 1), 1_009)).collect::<Vec<_>>());
    fleet.processing_time(1_020);
    assert_eq!(fleet.take_output(), (0..20u64).map(|key| ((key, 1_000, 1_020, 1), 1_019)).collect::<Vec<_>>());
    assert_eq!(fleet.state_entries(), 0);
}

#[test]
fn after_a_restore_of_instances_that_were_not_equally_far_no_record_is_silently_lost() {
    use yeoul_operator::Subtask;
    use yeoul_stream::{Count, OperatorHarness, TumblingEventTimeWindows};
    let tag = OutputTag::<Reading>::new("late");
    let recipe = OperatorHarness::of(|readings: DataStream<Reading>| {
        readings
            .key_by(|reading| reading.0.to_native())
            .window(TumblingEventTimeWindows::of(Duration::from_secs(10)))
            .side_output_late_data(&tag)
            .aggregate_with(Count::new(), |key, _window, count, out| out.collect((*key, count)))
    })
    .unwrap();
    let readings = || (0..50u64).map(|key| ((key, 1u64), 5_000));
    let mut two = [0, 1].map(|index| recipe.restored(Subtask { index, parallelism: 2 }, &[]).unwrap());
    two.iter_mut().for_each(|instance| instance.push(readings()).unwrap());
    // The window has fired on one of the two.
    two[0].watermark(9_999).unwrap();
    let fired: Vec<u64> = two[0].take_output().iter().map(|((key, _), _)| *key).collect();
    assert!(!fired.is_empty() && fired.len() < 50);
    let snapshots = two.map(|mut instance| instance.snapshot().unwrap());
    let all: Vec<_> = snapshots.iter().collect();
    let mut one = recipe.restored(Subtask { index: 0, parallelism: 1 }, &all).unwrap();
    one.push(readings()).unwrap();
    one.watermark(9_999).unwrap();
    let mut late: Vec<u64> = one.take_side_output(&tag).iter().map(|((key, _), _)| *key).collect();
    let mut counted: Vec<u64> = one
        .take_output()
        .iter()
        .map(|((key, count), _)| {
            assert_eq!(*count, 2, "key {key}");
            *key
        })
        .collect();
    assert_eq!(one.counters().late.get() as usize, fired.len());
    late.sort_unstable();
    counted.append(&mut late.clone());
    counted.sort_unstable();
    let mut before = fired;
    before.sort_unstable();
    assert_eq!((late, counted), (before, (0..50).collect()));
}

/// A key's windows fire once each, in one subtask or another, however often in a row the job is restored before all keys are equally far.
fn fires_once(domain: Domain, path: Path, parallelism: &[u16]) {
    let mut fleet = Fleet::new(|readings: DataStream<Reading>| {
        let keyed = readings.key_by(|reading| reading.0.to_native());
        Form::Aggregate.of(&match domain {
            Domain::Event => path.of(keyed.window(SlidingEventTimeWindows::of(ms(20), ms(10)))),
            Domain::Processing => path.of_clock(keyed.window(SlidingProcessingTimeWindows::of(ms(20), ms(10)))),
        })
    });
    // One instance, or all of them.
    let advance = |fleet: &mut Fleet<Reading, Sum>, only: Option<usize>, now: i64| match (domain, only) {
        (Domain::Event, Some(only)) => fleet.watermark_of(only, now - 1),
        (Domain::Event, None) => fleet.watermark(now - 1),
        (Domain::Processing, Some(only)) => fleet.processing_time_of(only, now),
        (Domain::Processing, None) => fleet.processing_time(now),
    };
    let readings = |time: i64| (0..20u64).map(|key| ((key, 1), time)).collect::<Vec<_>>();
    fleet.restart(3, &[], i64::MIN);
    advance(&mut fleet, None, 1_000);
    fleet.push(&readings(1_000));
    // Three instances, three times: none, one and two windows have fired.
    advance(&mut fleet, Some(1), 1_010);
    advance(&mut fleet, Some(2), 1_020);
    let mut all = fleet.take_output();
    assert!(!all.is_empty() && all.len() < 40, "{} of 40 windows", all.len());
    for &parallelism in parallelism {
        fleet.restart(parallelism, &[], i64::MIN);
        all.extend(fleet.take_output());
    }
    // The clock may have gone back meanwhile: what comes then is in windows that have not fired.
    if domain == Domain::Processing {
        advance(&mut fleet, None, 1_005);
        fleet.push(&readings(0));
        assert_eq!(fleet.late(), 0, "by the machine's clock nothing is late");
    }
    let mut counted = 0;
    advance(&mut fleet, None, 1_020);
    advance(&mut fleet, None, 1_100);
    for (sum, time) in fleet.take_output() {
        // What came after the restarts is in later windows.
        let (key, start, end, amount) = sum;
        let first = usize::from(start <= 1_000 && 1_000 < end);
        counted += amount as usize - first;
        if first == 1 {
            all.push(((key, start, end, 1), time));
        }
    }
    all.sort_unstable();
    let expected =
        (0..20u64).flat_map(|key| [((key, 990, 1_010, 1), 1_009), ((key, 1_000, 1_020, 1), 1_019)]).collect::<Vec<_>>();
    assert_eq!(all, expected, "{domain:?} by way of {parallelism:?}");
    assert_eq!(counted, if domain == Domain::Processing { 40 } else { 0 });
    assert_eq!(fleet.state_entries(), 0);
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Domain {
    Event,
    Processing,
}

#[test]
fn a_window_fires_once_a_key_over_restores_in_a_row() {
    for domain in [Domain::Event, Domain::Processing] {
        for parallelism in [&[1][..], &[3], &[1, 1], &[3, 3], &[1, 3], &[2, 1], &[2, 3, 2], &[4, 2, 1]] {
            for path in [Path::Fast, Path::Trigger, Path::Evictor] {
                fires_once(domain, path, parallelism);
            }
        }
    }
}
