//! Kinds of time: one query in each, and timers of both.

use std::time::Duration;

use yeoul::operator::OpenContext;
use yeoul::prelude::*;
use yeoul::rkyv::Archived;
use yeoul::state::States;

use crate::runs::check;
use crate::steps::Step::{Clock, End, Push, Watermark};
use crate::steps::{check_steps, output};

/// A second, in milliseconds.
const SECOND: i64 = 1000;

/// How many records of each key a window of ten seconds has.
fn counts(records: &DataStream<u64>, windows: impl Into<WindowAssigner<u64>>) -> DataStream<(u64, u64)> {
    let windows = records.key_by(|key| key.to_native()).window(windows);
    windows.aggregate_with(Count::new(), |key, _, count, out| out.collect((*key, count)))
}

/// S1: by the time that records carry, by the time at which they came in, and by the clock at the window.
#[test]
fn one_query_in_event_time_and_by_the_clock() {
    let ten = Duration::from_secs(10);
    // What is said of a record's time and what the clock says when it comes: late records are in the window of their time, or in that
    // of their coming.
    let event =
        OperatorHarness::of(|records: DataStream<u64>| counts(&records, TumblingEventTimeWindows::of(ten))).unwrap();
    let said = [
        (Push(7, 1_000), vec![]),
        (Push(7, 2_000), vec![]),
        (Push(8, 11_000), vec![]),
        (Push(7, 9_000), vec![]),
        (End, vec![(7, 3), (8, 1)]),
    ];
    check_steps(&event, &said, output);
    let came = [
        (Push(7, 1_000), vec![]),
        (Push(7, 12_000), vec![]),
        (Push(8, 13_000), vec![]),
        (Push(7, 14_000), vec![]),
        (End, vec![(7, 1), (7, 2), (8, 1)]),
    ];
    check_steps(&event, &came, output);
    let clock =
        OperatorHarness::of(|records: DataStream<u64>| counts(&records, TumblingProcessingTimeWindows::of(ten)))
            .unwrap();
    let untimed = |key| Push(key, i64::MIN);
    let by_the_clock = [
        (Clock(1_000), vec![]),
        (untimed(7), vec![]),
        (Clock(12_000), vec![(7, 1)]),
        (untimed(7), vec![]),
        (Clock(13_000), vec![]),
        (untimed(8), vec![]),
        (Clock(14_000), vec![]),
        (untimed(7), vec![]),
        (Clock(20_000), vec![(7, 2), (8, 1)]),
    ];
    check_steps(&clock, &by_the_clock, output);
}

/// S1: in event time a job gives the same in every order and form.
#[test]
fn a_query_in_event_time_gives_the_same_in_any_order() {
    // Record `n` is of second `n` and of key `n % 7`: each window of ten seconds has at least one of each.
    let records: Vec<u64> = (0..600).collect();
    let expected = (0..60).flat_map(|window| (0..7).map(move |key| (window, key))).map(|(window, key)| {
        let of_key = (window * 10..window * 10 + 10).filter(|record| record % 7 == key);
        (key, of_key.count() as u64)
    });
    let time = |record: &Archived<u64>| Timestamp(record.to_native() as i64 * SECOND);
    check(
        |run| {
            let records = run.stream(&records, |record| *record as i64 * SECOND, time, 20 * SECOND);
            let keys = records.map(|record| record.to_native() % 7);
            counts(&keys, TumblingEventTimeWindows::of(Duration::from_secs(10)))
        },
        expected.collect(),
    );
}

/// Sets a timer of each kind ten seconds on, twice; a record of an even number takes the timers of five seconds before it back.
#[derive(Clone)]
struct Timers;

impl KeyedProcessFunction for Timers {
    type Key = ();
    type In = i64;
    type Out = (String, i64);

    fn open(&mut self, _: &mut States<()>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        Ok(())
    }

    fn process(
        &mut self,
        number: &Archived<i64>,
        cx: &mut KeyedContext<'_, ()>,
        _: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError> {
        let due = Timestamp((number.to_native() + 10) * SECOND);
        for _ in 0..2 {
            cx.register_event_time_timer(due);
            cx.register_processing_time_timer(due);
        }
        if number.to_native() % 2 == 0 {
            cx.delete_event_time_timer(due.minus(5 * SECOND));
            cx.delete_processing_time_timer(due.minus(5 * SECOND));
        }
        Ok(())
    }

    fn on_timer(
        &mut self,
        time: Timestamp,
        cx: &mut KeyedContext<'_, ()>,
        out: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError> {
        out.collect((format!("{:?}", cx.time_domain()), time.0 / SECOND));
        Ok(())
    }
}

/// D4.
#[test]
fn timers_of_both_kinds_are_set_once_and_can_be_taken_back() {
    let operator = OperatorHarness::of(|numbers: DataStream<i64>| numbers.key_by(|_| ()).process(Timers)).unwrap();
    let event = |times: &[i64]| times.iter().map(|time| ("Event".to_owned(), *time)).collect::<Vec<_>>();
    let processing = |times: &[i64]| times.iter().map(|time| ("Processing".to_owned(), *time)).collect::<Vec<_>>();
    let mut steps: Vec<_> = (1..=7).map(|number| (Push(number, number * SECOND), vec![])).collect();
    steps.extend([
        // 6 took back the timers of 1, which were due at 11.
        (Watermark(11 * SECOND), vec![]),
        (Clock(11 * SECOND), vec![]),
        (Watermark(13 * SECOND), event(&[12, 13])),
        (Clock(12 * SECOND), processing(&[12])),
        // 8 takes back those of 3: that for event time has gone off.
        (Push(8, 8 * SECOND), vec![]),
        (Clock(15 * SECOND), processing(&[14, 15])),
        (Watermark(100 * SECOND), event(&[14, 15, 16, 17, 18])),
        (Clock(100 * SECOND), processing(&[16, 17, 18])),
    ]);
    check_steps(&operator, &steps, output);
}
