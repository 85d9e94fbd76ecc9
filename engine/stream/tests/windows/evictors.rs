//! Each evictor against what Flink's documentation says of it, on either side of the function, and count windows against a plain model.

use std::collections::BTreeMap;

use proptest::prelude::*;
use yeoul_frame::Timestamp;
use yeoul_stream::{
    Count, CountEvictor, CountTrigger, DataStream, DeltaEvictor, EventTimeSessionWindows, Evictor, EvictorContext,
    GlobalWindows, OperatorHarness, PurgingTrigger, TimeEvictor, TimestampedValue, TumblingEventTimeWindows,
};

use crate::aligned::{Form, Reading, Sum};
use crate::fleet::Fleet;
use crate::script::Do::{Push, Watermark};
use crate::script::{check, ms};

const END: i64 = i64::MAX;

#[test]
fn a_count_evictor_keeps_the_last_elements() {
    let tens = TumblingEventTimeWindows::of(ms(10));
    check(
        tens,
        5,
        |windows| windows.evictor(CountEvictor::of(2)),
        &[
            (Push(7, 1, 0), &[]),
            (Push(7, 2, 9), &[]),
            (Push(7, 3, 1), &[]),
            (Push(8, 4, 1), &[]),
            (Watermark(9), &["7 [0, 10) 2 3", "8 [0, 10) 4"]),
            (Push(7, 5, 2), &["7 [0, 10) 3 5"]),
            (Watermark(END), &[]),
        ],
    );
    check(
        tens,
        5,
        |windows| windows.evictor(CountEvictor::of(2).after()),
        &[
            (Push(7, 1, 0), &[]),
            (Push(7, 2, 9), &[]),
            (Push(7, 3, 1), &[]),
            (Watermark(9), &["7 [0, 10) 1 2 3"]),
            (Push(7, 4, 2), &["7 [0, 10) 2 3 4"]),
            (Push(7, 5, 2), &["7 [0, 10) 3 4 5"]),
            (Watermark(END), &[]),
        ],
    );
}

#[test]
fn a_time_evictor_keeps_what_is_younger_than_its_span_before_the_youngest() {
    let all = |windows: yeoul_stream::WindowedStream<u64, Reading>| windows.trigger(CountTrigger::of(3));
    check(
        GlobalWindows::create(),
        0,
        |windows| all(windows).evictor(TimeEvictor::of(ms(10))),
        &[
            (Push(7, 1, 20), &[]),
            (Push(7, 2, 10), &[]),
            // The cutoff is 10: what is at it goes.
            (Push(7, 3, 11), &["7 all 1 3"]),
            (Push(7, 4, 25), &[]),
            (Push(7, 5, 30), &[]),
            (Push(7, 6, 12), &["7 all 4 5"]),
        ],
    );
    check(
        GlobalWindows::create(),
        0,
        |windows| all(windows).evictor(TimeEvictor::of(ms(10)).after()),
        &[
            (Push(7, 1, 20), &[]),
            (Push(7, 2, 10), &[]),
            (Push(7, 3, 11), &["7 all 1 2 3"]),
            (Push(7, 4, 12), &[]),
            (Push(7, 5, 13), &[]),
            (Push(7, 6, 14), &["7 all 1 3 4 5 6"]),
        ],
    );
    // Without event times nothing is old.
    check(
        GlobalWindows::create(),
        0,
        |windows| all(windows).evictor(TimeEvictor::of(ms(1))),
        &[(Push(7, 1, i64::MIN), &[]), (Push(7, 2, i64::MIN), &[]), (Push(7, 3, i64::MIN), &["7 all 1 2 3"])],
    );
}

#[test]
fn a_delta_evictor_keeps_what_is_near_the_last_element() {
    let near = DeltaEvictor::of(10.0, |reading: &Reading, last: &Reading| reading.1.abs_diff(last.1) as f64);
    let all = |windows: yeoul_stream::WindowedStream<u64, Reading>| windows.trigger(CountTrigger::of(2));
    check(
        GlobalWindows::create(),
        0,
        |windows| all(windows).evictor(near.clone()),
        &[
            (Push(7, 10, 0), &[]),
            (Push(7, 19, 0), &["7 all 10 19"]),
            (Push(7, 30, 0), &[]),
            (Push(7, 20, 0), &["7 all 19 20"]),
            (Push(7, 25, 0), &[]),
            (Push(7, 90, 0), &["7 all 90"]),
        ],
    );
    check(
        GlobalWindows::create(),
        0,
        |windows| all(windows).evictor(near.clone().after()),
        &[
            (Push(7, 10, 0), &[]),
            (Push(7, 30, 0), &["7 all 10 30"]),
            (Push(7, 31, 0), &[]),
            (Push(7, 32, 0), &["7 all 30 31 32"]),
        ],
    );
}

/// Keeps what it takes out of a window, and puts it into the next one.
#[derive(Default)]
struct Hoarding(Vec<TimestampedValue<Reading>>);

impl Clone for Hoarding {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Evictor<Reading> for Hoarding {
    fn evict_before(&mut self, readings: &mut Vec<TimestampedValue<Reading>>, _: &EvictorContext) {
        let kept = std::mem::take(&mut self.0);
        if kept.is_empty() {
            self.0 = std::mem::take(readings);
        } else {
            readings.extend(kept);
        }
    }
}

#[test]
fn an_evictor_that_puts_elements_of_another_window_in_fails_the_job() {
    let mut harness = OperatorHarness::of(|readings: DataStream<Reading>| {
        let tens = readings.key_by(|reading| reading.0.to_native()).window(TumblingEventTimeWindows::of(ms(10)));
        tens.evictor(Hoarding::default()).aggregate(Count::new())
    })
    .unwrap();
    harness.push([((7, 1), 0), ((7, 2), 1), ((7, 3), 10)]).unwrap();
    harness.watermark(9).unwrap();
    let error = harness.watermark(19).unwrap_err().to_string();
    assert!(error.contains("elements of another firing") && error.contains("take elements out"), "{error}");
}

/// Shows the function the elements in the order of time, without those of odd amounts; after it, drops the first one that it saw.
#[derive(Clone)]
struct Sorting;

impl Evictor<Reading> for Sorting {
    fn evict_before(&mut self, readings: &mut Vec<TimestampedValue<Reading>>, cx: &EvictorContext) {
        assert!(cx.current_watermark() >= cx.window().max_timestamp());
        readings.retain(|reading| reading.value().1 % 2 == 0);
        readings.sort_by_key(TimestampedValue::timestamp);
    }

    fn evict_after(&mut self, readings: &mut Vec<TimestampedValue<Reading>>, _: &EvictorContext) {
        if !readings.is_empty() {
            readings.remove(0);
        }
    }
}

#[test]
fn an_evictor_of_ones_own_works_on_both_sides_and_may_leave_nothing() {
    let tens = TumblingEventTimeWindows::of(ms(10));
    check(
        tens,
        50,
        |windows| windows.evictor(Sorting),
        &[
            (Push(7, 2, 5), &[]),
            (Push(7, 3, 1), &[]),
            (Push(7, 4, 3), &[]),
            (Push(7, 6, 4), &[]),
            (Watermark(9), &["7 [0, 10) 4 6 2"]),
            // The window holds 2 and 6 in the order in which they came.
            (Push(7, 8, 0), &["7 [0, 10) 8 6 2"]),
            (Push(7, 9, 0), &["7 [0, 10) 6 2"]),
            (Push(7, 9, 0), &["7 [0, 10) 2"]),
            // As in Flink a process function is called with no element; nothing is left.
            (Push(7, 9, 0), &["7 [0, 10)"]),
            (Watermark(END), &[]),
        ],
    );
}

#[test]
fn elements_of_sessions_that_merge_come_together() {
    let sessions = EventTimeSessionWindows::with_gap(ms(10));
    check(
        sessions,
        0,
        |windows| windows.evictor(CountEvictor::of(3)),
        &[
            (Push(7, 1, 40), &[]),
            (Push(7, 2, 20), &[]),
            (Push(7, 3, 0), &[]),
            (Push(7, 4, 30), &[]),
            (Push(7, 5, 10), &[]),
            (Push(7, 6, 41), &[]),
            (Watermark(END), &["7 [0, 51) 4 5 6"]),
        ],
    );
}

#[derive(Debug, Clone)]
enum Step {
    Push(Vec<Reading>),
    Restart(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let readings = prop::collection::vec((0..4u64, 1..100u64), 0..20);
    prop::collection::vec(
        prop_oneof![3 => readings.prop_map(Step::Push), 1 => (1..4u16).prop_map(Step::Restart)],
        1..20,
    )
}

fn play(fleet: &mut Fleet<Reading, Sum>, steps: &[Step], mut model: impl FnMut(Reading) -> Option<u64>) {
    for step in steps {
        match step {
            Step::Push(readings) => {
                let readings: Vec<_> = readings.iter().map(|reading| (*reading, 0)).collect();
                fleet.push(&readings);
                let sums = readings.iter().filter_map(|(reading, _)| Some((reading.0, model(*reading)?)));
                let mut sums: Vec<_> = sums.map(|(key, sum)| ((key, i64::MIN, i64::MAX, sum), i64::MAX)).collect();
                sums.sort_unstable();
                assert_eq!(fleet.take_output(), sums);
            }
            Step::Restart(parallelism) => fleet.restart(*parallelism, &[((1, 1), 0)], i64::MIN),
        }
    }
    fleet.watermark(i64::MAX);
    assert_eq!(fleet.take_output(), [], "a count window that is not full does not fire");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn count_windows_match_the_model(size in 1..6u64, form in 0..3, steps in steps()) {
        let form = [Form::Aggregate, Form::Reduce, Form::Process][form as usize];
        let mut fleet = Fleet::new(|readings: DataStream<Reading>| {
            form.of(&readings.key_by(|reading| reading.0.to_native()).count_window(size))
        });
        let mut held: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        play(&mut fleet, &steps, |(key, amount)| {
            let held = held.entry(key).or_default();
            held.push(amount);
            (held.len() as u64 == size).then(|| held.drain(..).sum())
        });
    }

    #[test]
    fn sliding_count_windows_match_the_model(size in 1..6usize, slide in 1..6u64, form in 0..3, steps in steps()) {
        let form = [Form::Aggregate, Form::Reduce, Form::Process][form as usize];
        let mut fleet = Fleet::new(|readings: DataStream<Reading>| {
            form.of(&readings.key_by(|reading| reading.0.to_native()).sliding_count_window(size, slide))
        });
        let mut all: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        play(&mut fleet, &steps, |(key, amount)| {
            let all = all.entry(key).or_default();
            all.push(amount);
            ((all.len() as u64).is_multiple_of(slide)).then(|| all.iter().rev().take(size).sum())
        });
    }
}

#[test]
fn what_a_count_window_has_purged_leaves_nothing_behind() {
    let mut fleet = Fleet::new(|readings: DataStream<Reading>| {
        let windows = readings.key_by(|reading| reading.0.to_native()).window(GlobalWindows::create());
        windows.trigger(PurgingTrigger::of(CountTrigger::of(2))).aggregate(Count::new())
    });
    let twice: Vec<_> = (0..200u64).map(|n| ((n / 2, 1u64), Timestamp::MIN.0)).collect();
    fleet.push(&twice);
    assert_eq!(fleet.take_output().len(), 100);
    assert_eq!(fleet.state_entries(), 0);
    fleet.push(&twice[..1]);
    assert_eq!(fleet.state_entries(), 2, "the count of the window and that of the trigger");
}
