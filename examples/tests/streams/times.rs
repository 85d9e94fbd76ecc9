//! Event time and processing time: a watermark generator of one's own, a split that falls silent, timers by the clock.

use std::collections::BTreeMap;
use std::time::Duration;

use yeoul::operator::WatermarkGenerator;
use yeoul::prelude::*;
use yeoul::rkyv::Archived;
use yeoul::state::{States, ValueHandle};

use crate::halves::{Halves, Stage};
use crate::{check, check_folded};

/// A record: key and event time.
type Event = (u64, i64);

fn window_counts(events: &DataStream<Event>, size: i64, late: &OutputTag<Event>) -> DataStream<(u64, i64, u64)> {
    events
        .key_by(|event| event.0.to_native())
        .window(TumblingEventTimeWindows::of(Duration::from_millis(size as u64)))
        .side_output_late_data(late)
        .aggregate_with(Count::new(), |key, window, count, out| out.collect((*key, window.start.0, count)))
}

/// With every third record the watermark is that record's time.
#[derive(Default)]
struct EveryThird {
    seen: u8,
}

impl WatermarkGenerator for EveryThird {
    fn on_event(&mut self, time: Timestamp) -> Option<Timestamp> {
        self.seen = (self.seen + 1) % 3;
        (self.seen == 0).then_some(time)
    }

    fn save(&self) -> Vec<u8> {
        vec![self.seen]
    }

    fn load(&mut self, bytes: &[u8]) {
        self.seen = bytes[0];
    }
}

#[test]
fn a_generator_of_ones_own_goes_on_where_it_was() {
    const SIZE: i64 = 20;
    // An odd number of records before the failure, times that go up and down.
    let events: Vec<Event> = (0..401i64).map(|n| ((n % 7) as u64, n * 5 + (n * 37) % 90)).collect();
    let mut expected: BTreeMap<(u64, i64), u64> = BTreeMap::new();
    let (mut watermark, mut late) = (i64::MIN, Vec::new());
    for (n, (key, time)) in events.iter().enumerate() {
        let start = time - time % SIZE;
        if start + SIZE - 1 <= watermark {
            late.push((*key, *time, u64::MAX));
        } else {
            *expected.entry((*key, start)).or_default() += 1;
        }
        if n % 3 == 2 {
            watermark = watermark.max(*time);
        }
    }
    assert!(late.len() > 20 && expected.len() > 100);
    let expected: Vec<_> = expected.into_iter().map(|((key, start), count)| (key, start, count)).chain(late).collect();
    check(
        |env, stage, sink| {
            let watermarks = WatermarkStrategy::for_generator(EveryThird::default)
                .with_timestamp_assigner(|event: &Archived<Event>| Timestamp(event.1.to_native()))
                .with_granularity(Duration::ZERO);
            let late = OutputTag::new("late");
            let stream = env.from_source(Halves::of([events.clone()], stage), watermarks, "events");
            let counts = window_counts(&stream, SIZE, &late);
            let late = counts.side_output(&late).map(|event| (event.0.to_native(), event.1.to_native(), u64::MAX));
            counts.union(&late).sink_to(sink);
        },
        |_| expected.clone(),
    );
}

#[test]
fn a_silent_split_does_not_hold_windows_back_once_it_is_idle() {
    const SIZE: i64 = 100;
    // The first split goes on and on, half of it before the failure. The second says one thing at time 0, and another at the end.
    let lively: Vec<Event> = (0..2_000).map(|n| (n % 5, n as i64 * 10)).collect();
    let silent: Vec<Event> = vec![(5, 0), (6, 20_000)];
    let mut expected: BTreeMap<(u64, i64), u64> = BTreeMap::new();
    for (key, time) in lively.iter().chain(&silent) {
        *expected.entry((*key, time - time % SIZE)).or_default() += 1;
    }
    let expected: Vec<_> = expected.into_iter().map(|((key, start), count)| (key, start, count)).collect();
    check(
        |env, stage, sink| {
            let watermarks = WatermarkStrategy::for_monotonous_timestamps()
                .with_timestamp_assigner(|event: &Archived<Event>| Timestamp(event.1.to_native()))
                .with_idleness(Duration::from_millis(20))
                .with_granularity(Duration::ZERO);
            let source = Halves::of([lively.clone(), silent.clone()], stage).slow().held_from(1);
            let events = env.from_source(source, watermarks, "events");
            let stage = stage.clone();
            // The second waits for a window that ends long after its only record.
            let seen = move |count: &Archived<(u64, i64, u64)>| {
                if count.1 >= 2_000 {
                    stage.release();
                }
                true
            };
            window_counts(&events, SIZE, &OutputTag::new("late")).filter(seen).sink_to(sink);
        },
        |_| expected.clone(),
    );
}

/// Counts a key's records, and emits the count by a timer of the clock; what is left at the end, by one in event time.
#[derive(Clone)]
struct CountByTheClock {
    stage: Stage,
    count: ValueHandle<u64>,
}

impl KeyedProcessFunction for CountByTheClock {
    type Key = u64;
    type In = Event;
    type Out = Event;

    fn open(
        &mut self,
        states: &mut States<u64>,
        _: &mut yeoul::operator::OpenContext<'_>,
    ) -> Result<(), OperatorError> {
        self.count = states.value("count");
        Ok(())
    }

    fn process(
        &mut self,
        _: &Archived<Event>,
        cx: &mut KeyedContext<'_, u64>,
        _: &mut Collector<Event>,
    ) -> Result<(), OperatorError> {
        let count = cx.state(&self.count).get().copied().unwrap_or(0);
        if count == 0 {
            // Long enough to be set in one attempt and due in the next, most times.
            let due = cx.processing_time().plus(if self.stage.has_failed() { 5 } else { 150 });
            cx.register_processing_time_timer(due);
        }
        cx.register_event_time_timer(Timestamp(i64::MAX - 1));
        cx.state(&self.count).update(count + 1);
        Ok(())
    }

    fn on_timer(
        &mut self,
        time: Timestamp,
        cx: &mut KeyedContext<'_, u64>,
        out: &mut Collector<Event>,
    ) -> Result<(), OperatorError> {
        if cx.time_domain() == TimeDomain::Processing {
            assert!(time <= cx.processing_time(), "not before its time");
            self.stage.release();
        }
        if let Some(count) = cx.state(&self.count).get().copied() {
            cx.state(&self.count).clear();
            out.collect((*cx.key(), count as i64));
        }
        Ok(())
    }
}

#[test]
fn timers_of_the_clock_fire_after_a_failure_and_lose_nothing() {
    let events: Vec<Event> = (0..300).map(|n| (n % 11, 0)).collect();
    let mut expected: BTreeMap<u64, i64> = BTreeMap::new();
    events.iter().for_each(|(key, _)| *expected.entry(*key).or_default() += 1);
    check_folded(
        |env, stage, sink| {
            // Nothing is read on before a timer has fired.
            let source = Halves::of([events.clone()], stage).held_from(0);
            let events = env.from_source(source, WatermarkStrategy::no_watermarks(), "events");
            let count = CountByTheClock { stage: stage.clone(), count: ValueHandle::default() };
            let counts = events.key_by(|event| event.0.to_native()).process(count).uid("counts");
            counts.sink_to(sink);
        },
        // How often timers fired before the end is the clock's affair; each key's total is not.
        |counts: Vec<Event>| {
            let mut totals: BTreeMap<u64, i64> = BTreeMap::new();
            counts.iter().for_each(|(key, count)| *totals.entry(*key).or_default() += count);
            totals.into_iter().collect()
        },
        |_| expected.clone().into_iter().collect(),
    );
}
