//! Keyed functions beside a broadcast stream: keyed state, broadcast state and both kinds of timers, against a model; restored at any
//! point, on any number of subtasks (as a job: examples/tests/training/broadcast.rs).

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rkyv::Archived;
use yeoul_frame::Timestamp;
use yeoul_operator::{OpenContext, OperatorError, Subtask};
use yeoul_state::{ListHandle, States, ValueHandle};
use yeoul_stream::{
    BroadcastStateHandle, Collector, DataStream, KeyedBroadcastContext, KeyedBroadcastProcessFunction,
    KeyedBroadcastWriteContext, OperatorHarness, OutputTag, TimeDomain,
};

type Reading = (u64, i64);
/// What a key's readings are multiplied by: of keys of this remainder, this factor.
type Rule = (u64, i64);
/// Key, amounts, each by the factor of now, how many rules there are, and whether the clock asked.
type Report = (u64, Vec<i64>, u64, bool);

/// How many rules there may be.
const RULES: u64 = 3;

/// Tells a key's readings a hundred milliseconds of event time after the last of them, and at each whole second of the clock in between.
#[derive(Clone)]
struct Factors {
    factors: BroadcastStateHandle<u64, i64>,
    amounts: ListHandle<i64>,
    due: ValueHandle<Timestamp>,
    /// Told of readings without a rule, and of rules that take one back.
    odd: OutputTag<Reading>,
}

impl KeyedBroadcastProcessFunction for Factors {
    type Key = u64;
    type In = Reading;
    type Broadcast = Rule;
    type Out = Report;

    fn declare(&mut self, states: &mut yeoul_stream::OperatorStates) {
        self.factors = states.broadcast("factors");
    }

    fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.amounts = states.list("amounts");
        self.due = states.value("due");
        Ok(())
    }

    fn process(
        &mut self,
        reading: &Archived<Reading>,
        cx: &mut KeyedBroadcastContext<'_, '_, u64>,
        _: &mut Collector<Report>,
    ) -> Result<(), OperatorError> {
        let (key, amount) = (reading.0.to_native(), reading.1.to_native());
        if !cx.broadcast_state(&self.factors).contains_key(&(key % RULES)) {
            cx.output(&self.odd, (key, amount));
        }
        cx.state(&self.amounts).add(amount);
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

    fn process_broadcast(
        &mut self,
        rule: &Archived<Rule>,
        cx: &mut KeyedBroadcastWriteContext<'_, '_, u64>,
        _: &mut Collector<Report>,
    ) -> Result<(), OperatorError> {
        let (remainder, factor) = (rule.0.to_native(), rule.1.to_native());
        if factor != 0 {
            cx.update(&self.factors).insert(remainder, factor);
            return Ok(());
        }
        // A rule that is taken back takes with it what its keys have.
        cx.update(&self.factors).remove(&remainder);
        let mut forgotten = Vec::new();
        cx.apply_to_keyed_state(&self.amounts, |key, mut amounts| {
            if key % RULES == remainder {
                forgotten.extend(amounts.get().into_iter().map(|amount| (*key, amount)));
                amounts.clear();
            }
        });
        forgotten.into_iter().for_each(|reading| cx.output(&self.odd, reading));
        Ok(())
    }

    fn on_timer(
        &mut self,
        _: Timestamp,
        cx: &mut KeyedBroadcastContext<'_, '_, u64>,
        out: &mut Collector<Report>,
    ) -> Result<(), OperatorError> {
        let (key, by_clock) = (*cx.key(), cx.time_domain() == TimeDomain::Processing);
        let factors = cx.broadcast_state(&self.factors);
        let (factor, rules) = (factors.get(&(key % RULES)).copied().unwrap_or(1), factors.len() as u64);
        let amounts = cx.state(&self.amounts).get().into_iter().map(|amount| amount * factor).collect();
        out.collect((key, amounts, rules, by_clock));
        cx.state(&self.amounts).clear();
        if !by_clock {
            cx.state(&self.due).clear();
        }
        Ok(())
    }
}

#[derive(Default)]
struct Model {
    factors: BTreeMap<u64, i64>,
    amounts: BTreeMap<u64, Vec<i64>>,
    dues: BTreeMap<u64, i64>,
    event: BTreeSet<(i64, u64)>,
    processing: BTreeSet<(i64, u64)>,
    odd: Vec<(Reading, i64)>,
}

impl Model {
    fn push(&mut self, (key, amount): Reading, time: i64, now: i64) {
        if !self.factors.contains_key(&(key % RULES)) {
            self.odd.push(((key, amount), time));
        }
        self.amounts.entry(key).or_default().push(amount);
        if let Some(due) = self.dues.insert(key, time + 100) {
            self.event.remove(&(due, key));
        }
        self.event.insert((time + 100, key));
        self.processing.insert((now.div_euclid(1_000) * 1_000 + 1_000, key));
    }

    fn rule(&mut self, (remainder, factor): Rule, time: i64) {
        if factor != 0 {
            self.factors.insert(remainder, factor);
            return;
        }
        self.factors.remove(&remainder);
        for (key, amounts) in self.amounts.iter_mut().filter(|(key, _)| *key % RULES == remainder) {
            self.odd.extend(amounts.drain(..).map(|amount| ((*key, amount), time)));
        }
    }

    fn report(&mut self, key: u64, by_clock: bool) -> Report {
        let factor = self.factors.get(&(key % RULES)).copied().unwrap_or(1);
        let amounts = self.amounts.remove(&key).unwrap_or_default();
        (key, amounts.into_iter().map(|amount| amount * factor).collect(), self.factors.len() as u64, by_clock)
    }
}

#[derive(Debug, Clone)]
enum Step {
    Push(Vec<(Reading, i64)>),
    Rule(Rule, i64),
    Watermark(i64),
    Clock(i64),
    Restart(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let records = prop::collection::vec(((0..6u64, 1..20i64), 0..500i64), 0..20);
    let step = prop_oneof![
        4 => records.prop_map(Step::Push),
        2 => ((0..RULES, 0..5i64), 0..500i64).prop_map(|(rule, time)| Step::Rule(rule, time)),
        3 => (0..700i64).prop_map(Step::Watermark),
        3 => (0..1_500i64).prop_map(Step::Clock),
        2 => (1..5u16).prop_map(Step::Restart),
    ];
    prop::collection::vec(step, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn readings_meet_the_rules_of_the_model(steps in steps()) {
        let odd = OutputTag::new("odd");
        let recipe = OperatorHarness::of_two(|readings: DataStream<Reading>, rules: DataStream<Rule>| {
            let function = Factors {
                factors: BroadcastStateHandle::default(),
                amounts: ListHandle::default(),
                due: ValueHandle::default(),
                odd: odd.clone(),
            };
            let reports = readings.key_by(|reading| reading.0.to_native()).connect_broadcast(&rules).process(function);
            let _ = reports.side_output(&odd);
            reports
        })
        .unwrap();
        let mut instances = vec![recipe.restored(Subtask { index: 0, parallelism: 1 }, &[]).unwrap()];
        let mut model = Model::default();
        let (mut watermark, mut now) = (i64::MIN, 0i64);
        for step in steps.into_iter().chain([Step::Watermark(i64::MAX), Step::Clock(2_000)]) {
            let mut expected = Vec::new();
            match step {
                Step::Push(records) => {
                    instances.iter_mut().for_each(|instance| instance.push(records.iter().copied()).unwrap());
                    records.into_iter().for_each(|(reading, time)| model.push(reading, time, now));
                }
                Step::Rule(rule, time) => {
                    instances.iter_mut().for_each(|instance| instance.push_broadcast([(rule, time)]).unwrap());
                    model.rule(rule, time);
                }
                Step::Watermark(to) => {
                    instances.iter_mut().for_each(|instance| instance.watermark(to).unwrap());
                    // A timer behind the watermark waits for the next one.
                    let rises = to > watermark;
                    watermark = to.max(watermark);
                    while let Some((time, key)) = model.event.first().copied().filter(|(time, _)| rises && *time <= watermark) {
                        model.event.remove(&(time, key));
                        model.dues.remove(&key);
                        expected.push((model.report(key, false), time));
                    }
                }
                Step::Clock(passed) => {
                    now += passed;
                    instances.iter_mut().for_each(|instance| instance.processing_time(now).unwrap());
                    while let Some((time, key)) = model.processing.first().copied().filter(|(time, _)| *time <= now) {
                        model.processing.remove(&(time, key));
                        expected.push((model.report(key, true), i64::MIN));
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
            let mut found: Vec<_> = instances.iter_mut().flat_map(|instance| instance.take_side_output(&odd)).collect();
            found.sort_unstable();
            model.odd.sort_unstable();
            assert_eq!(found, std::mem::take(&mut model.odd));
            for instance in &mut instances {
                assert_eq!(instance.broadcast_state::<u64, i64>("factors").unwrap(), model.factors, "alike in each subtask");
            }
        }
        assert_eq!(instances.iter_mut().map(OperatorHarness::state_entries).sum::<usize>(), 0);
    }
}
