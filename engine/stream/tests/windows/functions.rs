//! State of window functions, windows of whole streams, staggered windows, and what is refused.

use std::collections::BTreeSet;

use proptest::prelude::*;
use yeoul_frame::Timestamp;
use yeoul_operator::{OperatorError, Subtask};
use yeoul_state::ValueHandle;
use yeoul_stream::{
    AllWindowContext, Collector, Count, CountTrigger, CustomWindows, DataStream, EventTimeSessionWindows,
    OperatorHarness, OutputTag, ProcessAllWindowFunction, ProcessWindowFunction, PurgingTrigger, TimeWindow,
    TumblingEventTimeWindows, TumblingProcessingTimeWindows, WindowAssigner, WindowContext, WindowStagger,
    WindowStates, WindowedStream,
};

use crate::aligned::Reading;
use crate::fleet::Fleet;
use crate::script::Do::{Clock, Push, Watermark};
use crate::script::{check, ms};

/// Key, start of the window, how often the window has fired, how often any of the key has, elements.
type Firings = (u64, i64, u64, u64, u64);

/// Counts its firings, by the window and by the key, in states of one name.
#[derive(Clone, Default)]
struct Counting {
    of_window: ValueHandle<u64>,
    of_key: ValueHandle<u64>,
    /// Told of windows that expire.
    expired: Option<OutputTag<(u64, u64)>>,
}

impl ProcessWindowFunction for Counting {
    type Key = u64;
    type In = Reading;
    type Out = Firings;

    fn declare(&mut self, states: &mut WindowStates<u64>) {
        self.of_window = states.window.value("firings");
        self.of_key = states.global.value("firings");
    }

    fn process(
        &mut self,
        key: &u64,
        cx: &mut WindowContext<'_, u64>,
        readings: &[Reading],
        out: &mut Collector<Firings>,
    ) -> Result<(), OperatorError> {
        let start = cx.window().start.0;
        let of_window = cx.window_state(&self.of_window).get_or(0);
        *of_window += 1;
        let of_window = *of_window;
        let of_key = cx.global_state(&self.of_key).get_or(0);
        *of_key += 1;
        out.collect((*key, start, of_window, *of_key, readings.len() as u64));
        Ok(())
    }

    fn clear(&mut self, key: &u64, cx: &mut WindowContext<'_, u64>) -> Result<(), OperatorError> {
        let firings = cx.window_state(&self.of_window).get().copied().unwrap_or(0);
        cx.window_state(&self.of_window).clear();
        if let Some(tag) = &self.expired {
            cx.output(tag, (*key, firings));
        }
        Ok(())
    }
}

#[test]
fn state_of_a_window_and_of_its_key_are_apart_are_restored_and_the_windows_is_cleared() {
    for moves in [false, true] {
        let expired = OutputTag::<(u64, u64)>::new("expired");
        let mut fleet = Fleet::new(|readings: DataStream<Reading>| {
            let windows = readings.key_by(|reading| reading.0.to_native()).window(TumblingEventTimeWindows::of(ms(10)));
            let function = Counting { expired: Some(expired.clone()), ..Counting::default() };
            let counts = windows.allowed_lateness(ms(20)).process(function);
            let _ = counts.side_output(&expired);
            counts
        });
        let step = |fleet: &mut Fleet<Reading, Firings>, expected: &[Firings], gone: &[(u64, u64)]| {
            let counts: Vec<_> = fleet.take_output().into_iter().map(|(count, _)| count).collect();
            assert_eq!(counts, expected, "moves: {moves}");
            let expired: Vec<_> = fleet.take_side_output(&expired).into_iter().map(|(of, _)| of).collect();
            assert_eq!(expired, gone, "moves: {moves}");
            if moves {
                fleet.restart(2, &[], i64::MIN);
                fleet.restart(1, &[], i64::MIN);
            }
        };
        fleet.push(&[((7, 1), 5), ((7, 1), 15), ((8, 1), 5)]);
        step(&mut fleet, &[], &[]);
        fleet.watermark(9);
        step(&mut fleet, &[(7, 0, 1, 1, 1), (8, 0, 1, 1, 1)], &[]);
        fleet.push(&[((7, 1), 6)]);
        step(&mut fleet, &[(7, 0, 2, 2, 2)], &[]);
        fleet.watermark(19);
        step(&mut fleet, &[(7, 10, 1, 3, 1)], &[]);
        // Windows expire when they are past their lateness.
        fleet.watermark(29);
        step(&mut fleet, &[], &[(7, 2), (8, 1)]);
        fleet.watermark(i64::MAX);
        step(&mut fleet, &[], &[(7, 1)]);
        assert_eq!(fleet.state_entries(), 2, "the firings of the two keys");
    }
}

#[test]
fn a_purge_leaves_the_state_of_the_window() {
    let mut fleet = Fleet::new(|readings: DataStream<Reading>| {
        let windows = readings.key_by(|reading| reading.0.to_native()).window(TumblingEventTimeWindows::of(ms(10)));
        windows.trigger(PurgingTrigger::of(CountTrigger::of(2))).process(Counting::default())
    });
    fleet.push(&[((7, 1), 5), ((7, 1), 5), ((7, 1), 6), ((7, 1), 6), ((7, 1), 7)]);
    let counts: Vec<_> = fleet.take_output().into_iter().map(|(count, _)| count).collect();
    assert_eq!(counts, [(7, 0, 1, 1, 2), (7, 0, 2, 2, 2)]);
    fleet.watermark(9);
    assert_eq!(fleet.state_entries(), 1);
}

/// Counts firings of the key alone: state that the fast paths have too.
#[derive(Clone, Default)]
struct OfKey(ValueHandle<u64>);

impl ProcessWindowFunction for OfKey {
    type Key = u64;
    type In = u64;
    type Out = (u64, u64, u64);

    fn declare(&mut self, states: &mut WindowStates<u64>) {
        self.0 = states.global.value("firings");
    }

    fn process(
        &mut self,
        key: &u64,
        cx: &mut WindowContext<'_, u64>,
        counts: &[u64],
        out: &mut Collector<(u64, u64, u64)>,
    ) -> Result<(), OperatorError> {
        let firings = cx.global_state(&self.0).get_or(0);
        *firings += 1;
        out.collect((*key, *firings, counts[0]));
        Ok(())
    }
}

#[test]
fn state_of_a_key_is_restored_on_every_path() {
    type With = fn(&DataStream<Reading>) -> WindowedStream<u64, Reading>;
    let paths: [With; 3] = [
        |readings| readings.key_by(|reading| reading.0.to_native()).window(TumblingEventTimeWindows::of(ms(10))),
        |readings| readings.key_by(|reading| reading.0.to_native()).window(EventTimeSessionWindows::with_gap(ms(2))),
        |readings| {
            let windows = TumblingEventTimeWindows::of(ms(10));
            readings.key_by(|reading| reading.0.to_native()).window(windows).trigger(CountTrigger::of(1))
        },
    ];
    for path in paths {
        let mut fleet = Fleet::new(|readings: DataStream<Reading>| {
            path(&readings).aggregate_process(Count::new(), OfKey::default())
        });
        for firing in 1..5u64 {
            let time = firing as i64 * 10;
            fleet.push(&(0..20).map(|key| ((key, 1), time)).collect::<Vec<_>>());
            fleet.watermark(time + 9);
            let expected: Vec<_> = (0..20).map(|key| (key, firing, 1)).collect();
            assert_eq!(fleet.take_output().into_iter().map(|(count, _)| count).collect::<Vec<_>>(), expected);
            fleet.restart(1 + (firing % 3) as u16, &[], i64::MIN);
        }
    }
}

#[test]
fn state_of_windows_that_merge_is_refused() {
    let error = OperatorHarness::of(|readings: DataStream<Reading>| {
        let sessions =
            readings.key_by(|reading| reading.0.to_native()).window(EventTimeSessionWindows::with_gap(ms(10)));
        sessions.process(Counting::default())
    });
    let error = error.err().expect("it is refused").to_string();
    assert!(error.contains("per-window state"), "{error}");
}

#[test]
fn a_dynamic_gap_of_nothing_fails_the_job_and_says_so() {
    let mut harness = OperatorHarness::of(|readings: DataStream<Reading>| {
        let gaps = EventTimeSessionWindows::with_dynamic_gap(|reading: &rkyv::Archived<Reading>| {
            ms(reading.1.to_native() as i64)
        });
        readings.key_by(|reading| reading.0.to_native()).window(gaps).aggregate(Count::new())
    })
    .unwrap();
    harness.push([((7, 1), 0)]).unwrap();
    let error = harness.push([((7, 0), 0)]).unwrap_err().to_string();
    assert!(error.contains("the gap that a record asks for is 0 ms"), "{error}");
}

/// The sum of all and how many there were; the most so far.
#[derive(Clone, Default)]
struct Totals(ValueHandle<u64>);

impl ProcessAllWindowFunction for Totals {
    type In = Reading;
    type Out = (i64, u64, u64, u64);

    fn declare(&mut self, states: &mut WindowStates<()>) {
        self.0 = states.global.value("most");
    }

    fn process(
        &mut self,
        cx: &mut AllWindowContext<'_>,
        readings: &[Reading],
        out: &mut Collector<(i64, u64, u64, u64)>,
    ) -> Result<(), OperatorError> {
        let sum: u64 = readings.iter().map(|reading| reading.1).sum();
        let most = cx.global_state(&self.0).get_or(0);
        *most = sum.max(*most);
        let most = *most;
        out.collect((cx.window().start.0, readings.len() as u64, sum, most));
        Ok(())
    }
}

#[test]
fn windows_of_a_whole_stream_have_all_keys_on_one_subtask() {
    let mut fleet = Fleet::new(|readings: DataStream<Reading>| {
        readings.window_all(TumblingEventTimeWindows::of(ms(10))).process(Totals::default())
    });
    fleet.restart(3, &[], i64::MIN);
    fleet.push(&(0..10).map(|key| ((key, key), 5)).collect::<Vec<_>>());
    fleet.restart(2, &[((1, 1), 5)], i64::MIN);
    fleet.push(&[((3, 5), 9), ((4, 7), 10)]);
    fleet.watermark(9);
    assert_eq!(fleet.take_output(), [((0, 11, 50, 50), 9)]);
    fleet.restart(1, &[], i64::MIN);
    fleet.watermark(i64::MAX);
    assert_eq!(fleet.take_output(), [((10, 1, 7, 50), 19)]);
}

#[test]
fn count_windows_of_a_whole_stream_count_over_all_keys() {
    let sum = |sum: &mut Reading, reading: &Reading| sum.1 += reading.1;
    let readings: Vec<_> = [1, 2, 3, 4, 5].map(|amount| ((amount, amount), 0)).to_vec();
    let mut fleet = Fleet::new(|readings: DataStream<Reading>| readings.count_window_all(2).reduce(sum));
    fleet.push(&readings);
    assert_eq!(fleet.take_output(), [((1, 3), i64::MAX), ((3, 7), i64::MAX)]);
    let mut fleet = Fleet::new(|readings: DataStream<Reading>| readings.sliding_count_window_all(3, 2).reduce(sum));
    fleet.push(&readings);
    assert_eq!(fleet.take_output(), [((1, 3), i64::MAX), ((2, 9), i64::MAX)]);
}

/// HourlyTips (DataStream training): the driver with the most tips of each hour, of windows over windows.
#[test]
fn windows_over_windows_take_the_time_of_the_first_ones_end() {
    let mut first = Fleet::new(|fares: DataStream<Reading>| {
        let hours = fares.key_by(|fare| fare.0.to_native()).window(TumblingEventTimeWindows::of(ms(3_600)));
        hours.reduce(|sum, fare| sum.1 += fare.1)
    });
    first.push(&[((1, 5), 0), ((2, 7), 10), ((1, 3), 3_599), ((2, 1), 3_600), ((3, 9), 3_601)]);
    first.watermark(i64::MAX);
    let hourly = first.take_output();
    let mut second = Fleet::new(|tips: DataStream<Reading>| {
        tips.window_all(TumblingEventTimeWindows::of(ms(3_600))).reduce_with(
            |most, tips| {
                if tips.1 > most.1 {
                    *most = *tips;
                }
            },
            |window, most: &Reading, out: &mut Collector<(i64, u64, u64)>| out.collect((window.end.0, most.0, most.1)),
        )
    });
    second.push(&hourly);
    second.watermark(i64::MAX);
    assert_eq!(second.take_output(), [((3_600, 1, 8), 3_599), ((7_200, 3, 9), 7_199)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A key's windows have one offset, whatever happens; those of different keys have several.
    #[test]
    fn staggered_windows_hold_their_records_and_keep_their_offsets(
        natural in any::<bool>(),
        size in 10..1_000i64,
        offset in 0..500i64,
        pushes in prop::collection::vec((0..3_000i64, 1..4u16), 1..8),
    ) {
        let stagger = if natural { WindowStagger::Natural } else { WindowStagger::Random };
        let mut fleet = Fleet::new(|readings: DataStream<Reading>| {
            let windows = TumblingEventTimeWindows::of(ms(size)).offset_back(ms(offset)).stagger(stagger);
            readings.key_by(|reading| reading.0.to_native()).window(windows).aggregate_with(
                Count::new(),
                |key, window, count, out| out.collect((*key, window.start.0, window.end.0, count)),
            )
        });
        let mut now = 5_000;
        let mut expected = 0;
        for (time, parallelism) in &pushes {
            now += 77;
            fleet.processing_time(now);
            fleet.push(&(0..30).map(|key| ((key, 1), *time)).collect::<Vec<_>>());
            expected += 30;
            fleet.restart(*parallelism, &[], i64::MIN);
        }
        fleet.watermark(i64::MAX);
        let windows = fleet.take_output();
        let offsets: BTreeSet<_> = windows.iter().map(|((key, start, ..), _)| (*key, (start + offset).rem_euclid(size))).collect();
        assert_eq!(offsets.len(), 30, "one offset a key");
        let different = offsets.iter().map(|(_, offset)| offset).collect::<BTreeSet<_>>().len();
        if natural {
            assert_eq!(different, 1, "one subtask had the first records of all keys");
            assert_eq!(offsets.first().map(|(_, offset)| *offset), Some(5_077 % size));
        } else {
            assert!(different > 3, "{different} offsets");
        }
        let mut counted = 0;
        for ((_, start, end, count), last) in windows {
            assert_eq!((end - start, last), (size, end - 1));
            let within = pushes.iter().filter(|(time, _)| (start..end).contains(time)).count() as u64;
            assert_eq!(count, within);
            counted += count;
        }
        assert_eq!(counted, expected);
        assert_eq!(fleet.state_entries(), 0);
    }
}

#[test]
fn staggered_windows_follow_the_clock_too() {
    let mut harness = OperatorHarness::of(|readings: DataStream<Reading>| {
        let windows = TumblingProcessingTimeWindows::of(ms(100)).stagger(WindowStagger::Natural);
        readings.key_by(|reading| reading.0.to_native()).window(windows).aggregate(Count::new())
    })
    .unwrap();
    harness.processing_time(1_030).unwrap();
    harness.push([((7, 1), 0)]).unwrap();
    harness.processing_time(1_129).unwrap();
    assert_eq!(harness.take_output(), []);
    let snapshot = harness.snapshot().unwrap();
    let mut harness = harness.restored(Subtask { index: 0, parallelism: 1 }, &[&snapshot]).unwrap();
    harness.push([((8, 1), 0)]).unwrap();
    harness.processing_time(1_130).unwrap();
    assert_eq!(harness.take_output(), [(1u64, 1_129), (1, 1_129)]);
}

#[test]
fn negative_offsets_shift_windows_back() {
    let hours = |hours: i64| ms(hours * 3_600_000);
    let starts = |windows: TumblingEventTimeWindows| {
        let mut harness = OperatorHarness::of(|readings: DataStream<Reading>| {
            readings
                .window_all(windows)
                .aggregate_with(Count::new(), |window, _, out| out.collect(window.start.0 / 3_600_000))
        })
        .unwrap();
        harness.push([((1, 1), 0)]).unwrap();
        harness.finish().unwrap();
        harness.take_output()[0].0
    };
    let days = TumblingEventTimeWindows::of(hours(24));
    assert_eq!(starts(days), 0);
    assert_eq!(starts(days.offset_back(hours(8))), -8);
    assert_eq!(starts(days.offset(hours(16))), -8);
    assert_eq!(starts(days.offset(hours(8))), -16);
    assert_eq!(starts(days.offset_back(hours(32))), -8);
}

#[test]
fn windows_of_ones_own_overlap_as_they_like_and_a_record_may_be_in_none() {
    let window = |start, end| TimeWindow { start: Timestamp(start), end: Timestamp(end) };
    let assign = move |_: &rkyv::Archived<Reading>, time: Timestamp, windows: &mut Vec<TimeWindow>| {
        windows.extend([window(0, 10), window(5, 30)].into_iter().filter(|held| held.start <= time && time < held.end));
    };
    check(
        CustomWindows::event_time(assign),
        0,
        |windows| windows,
        &[
            (Push(7, 1, 3), &[]),
            (Push(7, 2, 7), &[]),
            (Push(7, 3, 20), &[]),
            (Push(7, 4, 40), &[]),
            (Watermark(9), &["7 [0, 10) 1 2"]),
            (Push(7, 5, 3), &["late 5"]),
            (Push(7, 6, 7), &[]),
            (Watermark(i64::MAX), &["7 [5, 30) 2 3 6"]),
        ],
    );
    check(
        CustomWindows::processing_time(assign),
        0,
        |windows| windows,
        &[
            (Clock(6), &[]),
            (Push(7, 1, 0), &[]),
            (Clock(10), &["7 [0, 10) 1"]),
            (Push(7, 2, 0), &[]),
            (Clock(30), &["7 [5, 30) 1 2"]),
            (Push(7, 3, 0), &[]),
            (Watermark(i64::MAX), &[]),
        ],
    );
}

/// Counts, for each key, the windows that hold something: one more when a window fires, one less when it expires.
#[derive(Clone, Default)]
struct Open(ValueHandle<i64>);

impl ProcessWindowFunction for Open {
    type Key = u64;
    type In = Reading;
    type Out = i64;

    fn declare(&mut self, states: &mut WindowStates<u64>) {
        self.0 = states.global.value("open");
    }

    fn process(
        &mut self,
        _: &u64,
        cx: &mut WindowContext<'_, u64>,
        _: &[Reading],
        out: &mut Collector<i64>,
    ) -> Result<(), OperatorError> {
        let open = cx.global_state(&self.0).get_or(0);
        *open += 1;
        out.collect(*open);
        Ok(())
    }

    fn clear(&mut self, _: &u64, cx: &mut WindowContext<'_, u64>) -> Result<(), OperatorError> {
        *cx.global_state(&self.0).get_or(0) -= 1;
        Ok(())
    }
}

#[test]
fn a_plain_window_that_expires_tells_a_function_with_state_of_keys() {
    let windows: [WindowAssigner<Reading>; 2] =
        [TumblingEventTimeWindows::of(ms(10)).into(), EventTimeSessionWindows::with_gap(ms(5)).into()];
    for windows in windows {
        let mut fleet = Fleet::new(|readings: DataStream<Reading>| {
            readings.key_by(|reading| reading.0.to_native()).window(windows.clone()).process(Open::default())
        });
        for time in [0, 10, 20] {
            fleet.push(&[((7, 1), time)]);
            fleet.watermark(time + 9);
            assert_eq!(fleet.take_output().into_iter().map(|(open, _)| open).collect::<Vec<_>>(), [1], "{time}");
        }
    }
}
