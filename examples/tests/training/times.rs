//! Kinds of time: one query in each, and timers of both.

use std::time::Duration;

use yeoul::operator::OpenContext;
use yeoul::prelude::*;
use yeoul::rkyv::Archived;
use yeoul::state::States;

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
    let records = [(7, 1_000, 1_000), (7, 2_000, 12_000), (8, 11_000, 13_000), (7, 9_000, 14_000)];
    let mut event =
        OperatorHarness::of(|records: DataStream<u64>| counts(&records, TumblingEventTimeWindows::of(ten))).unwrap();
    let mut ingestion = event.restored(event.subtask(), &[]).unwrap();
    let mut clock =
        OperatorHarness::of(|records: DataStream<u64>| counts(&records, TumblingProcessingTimeWindows::of(ten)))
            .unwrap();
    for (key, said, came) in records {
        event.push([(key, said)]).unwrap();
        ingestion.push([(key, came)]).unwrap();
        clock.processing_time(came).unwrap();
        clock.push([(key, i64::MIN)]).unwrap();
    }
    event.finish().unwrap();
    ingestion.finish().unwrap();
    clock.processing_time(20_000).unwrap();
    let sorted = |mut found: Vec<((u64, u64), i64)>| {
        found.sort_unstable_by_key(|(count, time)| (*time, *count));
        found.into_iter().map(|(count, _)| count).collect::<Vec<_>>()
    };
    assert_eq!(sorted(event.take_output()), [(7, 3), (8, 1)]);
    assert_eq!(sorted(ingestion.take_output()), [(7, 1), (7, 2), (8, 1)]);
    let mut found: Vec<(u64, u64)> = clock.take_output().into_iter().map(|(count, _)| count).collect();
    found.sort_unstable();
    assert_eq!(found, [(7, 1), (7, 2), (8, 1)]);
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
    let mut harness = OperatorHarness::of(|numbers: DataStream<i64>| numbers.key_by(|_| ()).process(Timers)).unwrap();
    harness.push((1..=7).map(|number| (number, number * SECOND))).unwrap();
    // Timers are part of a snapshot.
    let snapshot = harness.snapshot().unwrap();
    let mut harness = harness.restored(harness.subtask(), &[&snapshot]).unwrap();
    harness.watermark(100 * SECOND).unwrap();
    harness.processing_time(100 * SECOND).unwrap();
    let found = harness.take_output();
    let of =
        |kind: &str| found.iter().filter(|((of, _), _)| of == kind).map(|((_, time), _)| *time).collect::<Vec<_>>();
    // 6 took back that of 1.
    assert_eq!(of("Event"), [12, 13, 14, 15, 16, 17]);
    assert_eq!(of("Processing"), [12, 13, 14, 15, 16, 17]);
}
