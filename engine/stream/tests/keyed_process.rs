//! Keyed functions: every kind of state, both kinds of timers, side outputs; restored at any point.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use rkyv::Archived;
use yeoul_frame::Timestamp;
use yeoul_operator::{OpenContext, OperatorError, Subtask};
use yeoul_state::{ListHandle, MapHandle, ReducingHandle, States, ValueHandle};
use yeoul_stream::{
    Collector, DataStream, KeyedContext, KeyedProcessFunction, OperatorHarness, OutputTag, Prefetch, TimeDomain,
};

type Reading = (u64, i64);
/// Key, count, sum, number of distinct amounts, last amounts, and whether the clock asked.
type Report = (u64, u64, i64, u64, String, bool);

/// Reports on a key a hundred milliseconds of event time after its last record, and at each whole second of the clock in between.
#[derive(Clone)]
struct Reports {
    count: ValueHandle<u64>,
    due: ValueHandle<Timestamp>,
    sum: ReducingHandle<i64>,
    amounts: MapHandle<i64, u64>,
    last: ListHandle<i64>,
    negative: OutputTag<Reading>,
}

impl Reports {
    fn report(&self, cx: &mut KeyedContext<'_, u64>, by_clock: bool) -> Report {
        let count = cx.state(&self.count).get().copied().unwrap_or(0);
        let sum = cx.state(&self.sum).get().copied().unwrap_or(0);
        let distinct = cx.state(&self.amounts).keys().len() as u64;
        let last = format!("{:?}", cx.state(&self.last).get());
        (*cx.key(), count, sum, distinct, last, by_clock)
    }
}

impl KeyedProcessFunction for Reports {
    type Key = u64;
    type In = Reading;
    type Out = Report;

    fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.count = states.value("count");
        self.due = states.value("due");
        self.sum = states.reducing("sum", |a: &i64, b| a + b);
        self.amounts = states.map("amounts");
        self.last = states.list("last");
        Ok(())
    }

    fn process(
        &mut self,
        reading: &Archived<Reading>,
        cx: &mut KeyedContext<'_, u64>,
        _: &mut Collector<Report>,
    ) -> Result<(), OperatorError> {
        let (key, amount) = (reading.0.to_native(), reading.1.to_native());
        if amount < 0 {
            cx.output(&self.negative, (key, amount));
            return Ok(());
        }
        *cx.state(&self.count).get_or(0) += 1;
        cx.state(&self.sum).add(amount);
        *cx.state(&self.amounts).get_or_else(&amount, || 0) += 1;
        cx.state(&self.last).add(amount);
        if let Some(due) = cx.state(&self.due).get().copied() {
            cx.delete_event_time_timer(due);
        }
        let due = cx.timestamp().plus(100);
        cx.state(&self.due).update(due);
        cx.register_event_time_timer(due);
        let next = cx.processing_time().0.div_euclid(1_000) * 1_000 + 1_000;
        cx.register_processing_time_timer(Timestamp(next));
        Ok(())
    }

    fn on_timer(
        &mut self,
        _: Timestamp,
        cx: &mut KeyedContext<'_, u64>,
        out: &mut Collector<Report>,
    ) -> Result<(), OperatorError> {
        let report = self.report(cx, cx.time_domain() == TimeDomain::Processing);
        out.collect(report);
        if cx.time_domain() == TimeDomain::Event {
            cx.state(&self.count).clear();
            cx.state(&self.due).clear();
            cx.state(&self.sum).clear();
            cx.state(&self.amounts).clear();
        }
        cx.state(&self.last).clear();
        Ok(())
    }
}

#[derive(Default)]
struct Model {
    count: u64,
    sum: i64,
    amounts: BTreeSet<i64>,
    last: Vec<i64>,
}

impl Model {
    fn report(&mut self, key: u64, by_clock: bool) -> Report {
        let report = (
            key,
            self.count,
            self.sum,
            self.amounts.len() as u64,
            format!("{:?}", std::mem::take(&mut self.last)),
            by_clock,
        );
        if !by_clock {
            *self = Self::default();
        }
        report
    }
}

#[derive(Debug, Clone)]
enum Step {
    Push(Vec<(Reading, i64)>),
    Watermark(i64),
    Clock(i64),
    Restart(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let records = prop::collection::vec(((0..5u64, -1..20i64), 0..500i64), 0..20);
    let step = prop_oneof![
        4 => records.prop_map(Step::Push),
        3 => (0..700i64).prop_map(Step::Watermark),
        3 => (0..1_500i64).prop_map(Step::Clock),
        2 => (1..4u16).prop_map(Step::Restart),
    ];
    prop::collection::vec(step, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn reports_match_the_model(steps in steps()) {
        let negative = OutputTag::new("negative");
        let recipe = OperatorHarness::of(|readings: DataStream<Reading>| {
            let reports = readings.key_by(|reading| reading.0.to_native()).process(Reports {
                count: ValueHandle::default(),
                due: ValueHandle::default(),
                sum: ReducingHandle::default(),
                amounts: MapHandle::default(),
                last: ListHandle::default(),
                negative: negative.clone(),
            });
            let _ = reports.side_output(&negative);
            reports
        })
        .unwrap();
        let mut instances = vec![recipe.restored(Subtask { index: 0, parallelism: 1 }, &[]).unwrap()];
        let mut model: BTreeMap<u64, Model> = BTreeMap::new();
        let (mut event, mut processing) = (BTreeSet::new(), BTreeSet::new());
        let mut dues = BTreeMap::new();
        let (mut watermark, mut now) = (i64::MIN, 0i64);
        for step in steps.into_iter().chain([Step::Watermark(i64::MAX), Step::Clock(2_000)]) {
            let (mut expected, mut sides) = (Vec::new(), Vec::new());
            match step {
                Step::Push(records) => {
                    instances.iter_mut().for_each(|instance| instance.push(records.iter().copied()).unwrap());
                    for ((key, amount), time) in records {
                        if amount < 0 {
                            sides.push(((key, amount), time));
                            continue;
                        }
                        let state = model.entry(key).or_default();
                        state.count += 1;
                        state.sum += amount;
                        state.amounts.insert(amount);
                        state.last.push(amount);
                        if let Some(due) = dues.insert(key, time + 100) {
                            event.remove(&(due, key));
                        }
                        event.insert((time + 100, key));
                        processing.insert((now.div_euclid(1_000) * 1_000 + 1_000, key));
                    }
                }
                Step::Watermark(to) => {
                    instances.iter_mut().for_each(|instance| instance.watermark(to).unwrap());
                    // A timer behind the watermark waits for the next one.
                    let rises = to > watermark;
                    watermark = to.max(watermark);
                    while let Some((time, key)) = event.first().copied().filter(|(time, _)| rises && *time <= watermark) {
                        event.remove(&(time, key));
                        dues.remove(&key);
                        expected.push((model.entry(key).or_default().report(key, false), time));
                    }
                }
                Step::Clock(passed) => {
                    now += passed;
                    instances.iter_mut().for_each(|instance| instance.processing_time(now).unwrap());
                    while let Some((time, key)) = processing.first().copied().filter(|(time, _)| *time <= now) {
                        processing.remove(&(time, key));
                        expected.push((model.entry(key).or_default().report(key, true), i64::MIN));
                    }
                }
                Step::Restart(parallelism) => {
                    let snapshots: Vec<_> = instances.iter_mut().map(|instance| instance.snapshot().unwrap()).collect();
                    let snapshots: Vec<_> = snapshots.iter().collect();
                    instances = (0..parallelism)
                        .map(|index| recipe.restored(Subtask { index, parallelism }, &snapshots).unwrap())
                        .collect();
                }
            }
            let mut output: Vec<_> = instances.iter_mut().flat_map(OperatorHarness::take_output).collect();
            output.sort();
            expected.sort();
            assert_eq!(output, expected);
            let mut side: Vec<_> = instances.iter_mut().flat_map(|instance| instance.take_side_output(&negative)).collect();
            side.sort_unstable();
            sides.sort_unstable();
            assert_eq!(side, sides);
        }
        assert_eq!(instances.iter_mut().map(OperatorHarness::state_entries).sum::<usize>(), 0);
    }
}

/// Sets a timer a second on; notes what is told of it ahead and when it fires.
#[derive(Clone, Default)]
struct Told {
    ahead: Arc<Mutex<Vec<i64>>>,
    fired: Arc<Mutex<Vec<i64>>>,
}

impl KeyedProcessFunction for Told {
    type Key = u64;
    type In = u64;
    type Out = u64;

    fn open(&mut self, _: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        Ok(())
    }

    fn process(
        &mut self,
        _: &Archived<u64>,
        cx: &mut KeyedContext<'_, u64>,
        _: &mut Collector<u64>,
    ) -> Result<(), OperatorError> {
        cx.register_event_time_timer(cx.timestamp().plus(1_000));
        Ok(())
    }

    fn prefetch_timer(&self, time: Timestamp, _: &mut Prefetch<'_, u64>) {
        assert!(!self.fired.lock().unwrap().contains(&time.0), "it is told of before it fires");
        self.ahead.lock().unwrap().push(time.0);
    }

    fn on_timer(
        &mut self,
        time: Timestamp,
        _: &mut KeyedContext<'_, u64>,
        _: &mut Collector<u64>,
    ) -> Result<(), OperatorError> {
        self.fired.lock().unwrap().push(time.0);
        Ok(())
    }
}

#[test]
fn a_function_is_told_of_each_timer_before_it_fires() {
    let told = Told::default();
    let function = told.clone();
    let mut harness =
        OperatorHarness::of(|keys: DataStream<u64>| keys.key_by(|key| key.to_native()).process(function)).unwrap();
    harness.push((0..100).map(|key| (key, key as i64))).unwrap();
    harness.watermark(1_059).unwrap();
    let due = (1_000..1_060).collect::<Vec<_>>();
    assert_eq!((&*told.ahead.lock().unwrap(), &*told.fired.lock().unwrap()), (&due, &due));
}
