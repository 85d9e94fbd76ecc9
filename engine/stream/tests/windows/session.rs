//! Sessions against a model that keeps a plain list of windows and merges them as records come.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use yeoul_stream::{
    DataStream, DynamicProcessingTimeSessionWindows, EventTimeSessionWindows, OutputTag, ProcessingTimeSessionWindows,
    ProcessingTimeTrigger, WindowAssigner,
};

use crate::aligned::{Form, Path, Reading, Step, Sum, paths, steps};
use crate::fleet::Fleet;
use crate::script::Do::{self, Clock, Push, Watermark};
use crate::script::check as check_script;

/// How long a record keeps its session open.
#[derive(Debug, Clone, Copy)]
enum Gap {
    Fixed(i64),
    /// By its amount, up to this.
    Dynamic(i64),
}

impl Gap {
    fn of(self, amount: u64) -> i64 {
        match self {
            Self::Fixed(gap) => gap,
            Self::Dynamic(most) => 1 + amount as i64 % most,
        }
    }
}

struct Model {
    gap: Gap,
    lateness: i64,
    watermark: i64,
    /// By key: start, end, sum.
    sessions: BTreeMap<u64, Vec<(i64, i64, u64)>>,
    late: Vec<(Reading, i64)>,
    output: Vec<(Sum, i64)>,
}

impl Model {
    fn new(gap: Gap, lateness: i64) -> Self {
        Self { gap, lateness, watermark: i64::MIN, sessions: BTreeMap::new(), late: Vec::new(), output: Vec::new() }
    }

    fn push(&mut self, (reading, time): (Reading, i64)) {
        let (key, amount) = reading;
        let gap = self.gap.of(amount);
        let sessions = self.sessions.entry(key).or_default();
        let (mut merged, rest): (Vec<_>, Vec<_>) =
            sessions.iter().partition(|(start, end, _)| *start <= time + gap && time <= *end);
        merged.push((time, time + gap, amount));
        let start = merged.iter().map(|session| session.0).min().unwrap();
        let end = merged.iter().map(|session| session.1).max().unwrap();
        let sum = merged.iter().map(|session| session.2).sum();
        if end - 1 + self.lateness <= self.watermark {
            assert_eq!(merged.len(), 1, "what is still there is not too late");
            self.late.push((reading, time));
            return;
        }
        *sessions = rest;
        sessions.push((start, end, sum));
        if end - 1 <= self.watermark {
            self.output.push(((key, start, end, sum), end - 1));
        }
    }

    fn watermark(&mut self, watermark: i64) {
        let (before, now) = (self.watermark, watermark.max(self.watermark));
        for (key, sessions) in &mut self.sessions {
            for (start, end, sum) in &*sessions {
                if before < end - 1 && end - 1 <= now {
                    self.output.push(((*key, *start, *end, *sum), end - 1));
                }
            }
            sessions.retain(|(_, end, _)| end - 1 + self.lateness > now);
        }
        self.watermark = now;
    }
}

fn ms(millis: i64) -> Duration {
    Duration::from_millis(millis as u64)
}

fn check(gap: Gap, lateness: i64, (form, path): (Form, Path), steps: &[Step]) {
    let late = OutputTag::new("late");
    let mut fleet = Fleet::new(|readings: DataStream<Reading>| {
        let windowed = readings
            .key_by(|reading| reading.0.to_native())
            .window(match gap {
                Gap::Fixed(gap) => WindowAssigner::from(EventTimeSessionWindows::with_gap(ms(gap))),
                Gap::Dynamic(_) => WindowAssigner::from(EventTimeSessionWindows::with_dynamic_gap(
                    move |reading: &rkyv::Archived<Reading>| ms(gap.of(reading.1.to_native())),
                )),
            })
            .allowed_lateness(ms(lateness))
            .side_output_late_data(&late);
        let sums = form.of(&path.of(windowed));
        let _ = sums.side_output(&late);
        sums
    });
    let mut model = Model::new(gap, lateness);
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
    assert_eq!(fleet.state_entries(), 0, "neither sessions nor timers are left behind");
}

fn gaps() -> impl Strategy<Value = Gap> {
    prop_oneof![2 => (1..25i64).prop_map(Gap::Fixed), 1 => (1..25i64).prop_map(Gap::Dynamic)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn aggregated_sessions_match_the_model(
        gap in gaps(), lateness in prop_oneof![Just(0), 1..40i64], path in paths(), steps in steps(),
    ) {
        check(gap, lateness, (Form::Aggregate, path), &steps);
    }

    #[test]
    fn functions_of_reduced_sessions_match_the_model(
        gap in gaps(), lateness in prop_oneof![Just(0), 1..40i64], path in paths(), steps in steps(),
    ) {
        check(gap, lateness, (Form::ReduceProcess, path), &steps);
    }

    #[test]
    fn sessions_of_all_elements_match_the_model(
        gap in gaps(), lateness in prop_oneof![Just(0), 1..40i64], path in paths(), steps in steps(),
    ) {
        check(gap, lateness, (Form::Process, path), &steps);
    }

    #[test]
    fn processing_time_sessions_match_the_model(
        gap in gaps(),
        path in paths(),
        steps in prop::collection::vec((0..40i64, prop::collection::vec((0..6u64, 1..100u64), 0..20), prop::option::of(1..4u16)), 1..20),
    ) {
        let mut fleet = Fleet::new(|readings: DataStream<Reading>| {
            let windows = match gap {
                Gap::Fixed(gap) => WindowAssigner::from(ProcessingTimeSessionWindows::with_gap(ms(gap))),
                Gap::Dynamic(_) => WindowAssigner::from(ProcessingTimeSessionWindows::with_dynamic_gap(
                    move |reading: &rkyv::Archived<Reading>| ms(gap.of(reading.1.to_native())),
                )),
            };
            Form::Aggregate.of(&path.of_clock(readings.key_by(|reading| reading.0.to_native()).window(windows)))
        });
        let mut model = Model::new(gap, 0);
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
    }
}

/// As a person would work it out: a reading keeps its key's session open for as many milliseconds of the clock as it says.
#[test]
fn sessions_by_the_clock_last_as_long_as_their_most_patient_record() {
    let patience = || -> DynamicProcessingTimeSessionWindows<Reading> {
        ProcessingTimeSessionWindows::with_dynamic_gap(|reading: &rkyv::Archived<Reading>| {
            ms(reading.1.to_native() as i64)
        })
    };
    assert_eq!(WindowAssigner::from(patience()).name(), "DynamicProcessingTimeSessionWindows");
    let steps: &[(Do, &[&str])] = &[
        (Clock(1_000), &[]),
        (Push(7, 100, 5), &[]),
        (Clock(1_050), &[]),
        // An impatient reading does not shorten the session.
        (Push(7, 10, 5), &[]),
        (Clock(1_090), &[]),
        (Push(7, 50, 5), &[]),
        (Push(8, 20, 5), &[]),
        (Clock(1_109), &[]),
        (Clock(1_110), &["8 [1090, 1110) 20"]),
        // Event time says nothing.
        (Watermark(2_000), &[]),
        (Clock(1_139), &[]),
        (Clock(1_140), &["7 [1000, 1140) 100 10 50"]),
        // Where it ended another one begins: it has been told of.
        (Push(7, 5, 5), &[]),
        (Push(8, 3, 5), &[]),
        (Clock(1_142), &[]),
        (Clock(1_145), &["8 [1140, 1143) 3", "7 [1140, 1145) 5"]),
    ];
    check_script(patience(), 0, |windows| windows, steps);
    // The same by a trigger that says what is so without it, which is another operator.
    check_script(patience(), 0, |windows| windows.trigger(ProcessingTimeTrigger::create()), steps);
}

#[test]
fn a_session_fires_once_a_key_over_restores_of_instances_that_were_not_equally_far() {
    let ways = [&[1][..], &[2], &[3, 2], &[2, 1], &[1, 3, 2]];
    for (parallelism, path) in ways.into_iter().flat_map(|way| [(way, Path::Fast), (way, Path::Trigger)]) {
        let mut fleet = Fleet::new(|readings: DataStream<Reading>| {
            let keyed = readings.key_by(|reading| reading.0.to_native());
            Form::Aggregate.of(&path.of(keyed.window(EventTimeSessionWindows::with_gap(ms(10)))))
        });
        fleet.restart(2, &[], i64::MIN);
        let readings = || (0..40u64).map(|key| ((key, 1), 5)).collect::<Vec<_>>();
        fleet.push(&readings());
        // The sessions of one instance have fired and are gone.
        fleet.watermark_of(0, 20);
        let fired: Vec<u64> = fleet.take_output().iter().map(|((key, ..), _)| *key).collect();
        assert!(!fired.is_empty() && fired.len() < 40);
        for &parallelism in parallelism {
            fleet.restart(parallelism, &[], i64::MIN);
        }
        fleet.push(&readings());
        fleet.watermark(20);
        let expected = (0..40u64).filter(|key| !fired.contains(key)).map(|key| ((key, 5, 15, 2), 14));
        assert_eq!(fleet.take_output(), expected.collect::<Vec<_>>(), "{parallelism:?}");
        assert_eq!(fleet.late(), fired.len() as u64, "{parallelism:?}");
    }
}
