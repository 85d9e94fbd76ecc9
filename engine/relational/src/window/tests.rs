//! Window aggregates against a plain model at the end of a run, through snapshots, restores and other numbers of shards.

#![cfg(test)]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::{DataType, TimeUnit};
use proptest::prelude::*;
use yeoul_operator::Subtask;

use super::*;
use crate::aggregate::AggregateFunction as F;
use crate::testing::{Fold, Harness, Step, Table, fold, rows, run_with_restores};

const MILLIS: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

fn input() -> Table {
    Table::new(&[("k", DataType::Int64), ("v", DataType::Int64), ("start", MILLIS), ("end", MILLIS)])
}

fn spec(window: Window, distinct: bool) -> WindowAggregate {
    let mut calls = vec![
        AggregateCall::new(F::CountStar, None, DataType::Int64),
        AggregateCall::new(F::Max, Some(1), DataType::Int64),
    ];
    if distinct {
        calls.push(AggregateCall::new(F::Count, Some(1), DataType::Int64).distinct());
    }
    let mut columns = vec![("k", DataType::Int64), ("n", DataType::Int64), ("max", DataType::Int64)];
    if distinct {
        columns.push(("d", DataType::Int64));
    }
    columns.extend([("window_start", MILLIS), ("window_end", MILLIS)]);
    WindowAggregate {
        window,
        time: WindowTime::RowTime,
        keys: vec![0],
        calls,
        properties: vec![WindowProperty::Start, WindowProperty::End],
        input_schema: input().schema().clone(),
        retracting_input: false,
        schema: Table::new(&columns).schema().clone(),
    }
}

fn harness(spec: WindowAggregate) -> Harness {
    let keys = spec.exchange().columns;
    let spec = Arc::new(spec);
    Harness::of(move || spec.clone().operator(), &[&keys])
}

#[test]
fn windows_fire_with_the_watermark_and_late_rows_come_out_at_the_side() {
    let spec = spec(Window::Hop { size: 10, slide: 5, offset: 0 }, false);
    assert_eq!(
        spec.to_string(),
        "WindowAggregate(groupBy=[$0], window=[HOP(size 10 ms, slide 5 ms)], select=[COUNT(*), MAX($1)])"
    );
    let mut harness = harness(spec);
    harness.push(0, input().frame("+I 1 7 0 0 @3\n+I 1 9 0 0 @6\n+I 2 4 0 0 @12"));
    harness.watermark(9);
    assert_eq!(rows(&harness.take()), "+I 1 1 7 -5 5 @4\n+I 1 2 9 0 10 @9");
    harness.push(0, input().frame("+I 1 8 0 0 @4\n+I 3 1 0 0 @7"));
    assert_eq!(rows(&harness.take_from(crate::LATE)), "+I 1 8 0 0 @4");
    assert_eq!(harness.counters.late.get(), 1);
    harness.finish();
    let mut out: Vec<String> = rows(&harness.take()).lines().map(str::to_owned).collect();
    out.sort_unstable();
    assert_eq!(out, ["+I 1 1 9 5 15 @14", "+I 2 1 4 10 20 @19", "+I 2 1 4 5 15 @14", "+I 3 1 1 5 15 @14"]);
    assert_eq!(harness.state_entries(), 0);
}

#[test]
fn windows_of_the_clock_that_rows_bring_along_are_waited_for_and_take_what_comes_after() {
    let spec = spec(Window::Tumble { size: 10, offset: 0 }, true);
    let time = WindowTime::Windowed { start: 2, end: 3, by_clock: true };
    let mut harness = harness(WindowAggregate { time, ..spec });
    harness.push(0, input().frame("+I 1 7 0 10 @9\n+I 1 7 10 20 @19"));
    harness.watermark(15);
    harness.processing_time(209);
    assert_eq!(rows(&harness.take()), "");
    harness.push(0, input().frame("+I 1 9 0 10 @9"));
    harness.processing_time(210);
    assert_eq!(rows(&harness.take()), "+I 1 2 9 2 0 10 @9");
    harness.push(0, input().frame("+I 1 5 0 10 @9"));
    harness.processing_time(211);
    assert_eq!(rows(&harness.take()), "+I 1 1 5 1 0 10 @9");
    assert_eq!(harness.counters.late.get(), 0);
    harness.finish();
    assert_eq!(rows(&harness.take()), "+I 1 1 7 1 10 20 @19");
    assert_eq!(harness.state_entries(), 0);
}

#[test]
fn sessions_join_and_a_late_row_may_still_belong_to_one() {
    let mut harness = harness(spec(Window::Session { gap: 10 }, false));
    harness.push(0, input().frame("+I 1 1 0 0 @0\n+I 1 2 0 0 @25\n+I 2 3 0 0 @100"));
    harness.watermark(8);
    harness.push(0, input().frame("+I 1 4 0 0 @10\n+I 1 5 0 0 @18"));
    harness.watermark(20);
    assert_eq!(rows(&harness.take()), "");
    // At 5 it is behind the watermark even with its gap, but the session from 0 to 35 is not over.
    harness.push(0, input().frame("+I 1 9 0 0 @5\n+I 3 1 0 0 @5"));
    harness.watermark(34);
    assert_eq!(rows(&harness.take()), "+I 1 5 9 0 35 @34");
    assert_eq!(rows(&harness.take_from(crate::LATE)), "+I 3 1 0 0 @5");
    harness.finish();
    assert_eq!(rows(&harness.take()), "+I 2 1 3 100 110 @109");
    assert_eq!(harness.state_entries(), 0);
}

#[test]
fn windows_that_cumulate_hold_one_pane_of_what_has_fired() {
    let mut harness = harness(spec(Window::Cumulate { size: 100, step: 10, offset: 0 }, false));
    for step in 0..9 {
        harness.push(0, input().frame(&format!("+I 1 {step} 0 0 @{}", step * 10)));
        harness.watermark(step * 10 + 9);
        let (n, end) = (step + 1, step * 10 + 10);
        assert_eq!(rows(&harness.take()), format!("+I 1 {n} {step} 0 {end} @{}", end - 1));
        assert_eq!(harness.state_entries(), 1);
    }
    // Behind what has fired, but in the longest window.
    harness.push(0, input().frame("+I 1 77 0 0 @35\n+I 2 5 0 0 @1"));
    harness.finish();
    assert_eq!(rows(&harness.take()), "+I 1 10 77 0 100 @99\n+I 2 1 5 0 100 @99");
    assert_eq!(harness.state_entries(), 0);
}

#[test]
fn a_session_that_grows_has_one_timer() {
    let mut harness = harness(spec(Window::Session { gap: 10 }, false));
    (0..50).for_each(|time| harness.push(0, input().frame(&format!("+I 1 {time} 0 0 @{time}"))));
    assert_eq!(harness.state_entries(), 2);
    harness.watermark(30);
    assert_eq!(harness.state_entries(), 2);
    harness.finish();
    assert_eq!(rows(&harness.take()), "+I 1 50 49 0 59 @58");
    assert_eq!(harness.state_entries(), 0);
}

/// Two instances, the first of which goes further than the second; then one, restored of a snapshot of one that was restored of theirs.
fn one_of_two(window: Window, times: &[i64], far: i64, near: i64) -> (usize, Vec<String>, Harness) {
    let mut first = harness(spec(window, false));
    let saved = first.snapshot();
    let mut two = [0, 1].map(|index| first.restored(Subtask { index, parallelism: 2 }, &[&saved]));
    let lines = times.iter().flat_map(|time| (0..20).map(move |key| format!("+I {key} 1 0 0 @{time}")));
    let frame = input().frame(&lines.collect::<Vec<_>>().join("\n"));
    two.iter_mut().for_each(|one| one.push(0, frame.clone()));
    two[0].watermark(far);
    two[1].watermark(near);
    let ahead = two[0].counters.records_in.get() as usize / times.len();
    let given = two.iter_mut().flat_map(Harness::take).collect::<Vec<_>>();
    let saved = two.each_mut().map(|one| one.snapshot());
    let one = Subtask { index: 0, parallelism: 1 };
    let again = first.restored(one, &[&saved[0], &saved[1]]).snapshot();
    (ahead, rows(&given).lines().map(str::to_owned).collect(), first.restored(one, &[&again]))
}

#[test]
fn who_was_ahead_stays_ahead_over_restores_in_a_row() {
    let (ahead, mut given, mut one) = one_of_two(Window::Hop { size: 20, slide: 10, offset: 0 }, &[15], 19, 9);
    assert!((1..20).contains(&ahead) && given.len() == ahead, "{ahead} of 20 keys, {} windows", given.len());
    one.finish();
    given.extend(rows(&one.take()).lines().map(str::to_owned));
    given.sort_unstable();
    let mut expected: Vec<_> =
        (0..20).flat_map(|k| [format!("+I {k} 1 1 0 20 @19"), format!("+I {k} 1 1 10 30 @29")]).collect();
    expected.sort_unstable();
    assert_eq!(given, expected, "each window once");

    let (ahead, _, mut one) = one_of_two(Window::Session { gap: 10 }, &[0], 50, 10);
    let lines: Vec<String> = (0..20).map(|key| format!("+I {key} 1 0 0 @25")).collect();
    one.push(0, input().frame(&lines.join("\n")));
    assert_eq!(one.counters.late.get() as usize, ahead, "late for keys that were ahead, and for no others");
}

#[test]
fn windows_in_processing_time_end_with_the_clock() {
    for window in [Window::Tumble { size: 10, offset: 0 }, Window::Session { gap: 10 }] {
        let mut harness = harness(WindowAggregate { time: WindowTime::ProcTime, ..spec(window, false) });
        harness.processing_time(1);
        harness.push(0, input().frame("+I 1 7 0 0 @500"));
        harness.watermark(1_000);
        harness.processing_time(9);
        assert_eq!(rows(&harness.take()), "");
        harness.processing_time(11);
        let session = matches!(window, Window::Session { .. });
        assert_eq!(rows(&harness.take()), if session { "+I 1 1 7 1 11 @10" } else { "+I 1 1 7 0 10 @9" });
        harness.push(0, input().frame("+I 1 8 0 0"));
        harness.finish();
        assert_eq!(harness.take().len(), 1, "the end of input leaves nothing behind");
    }
}

#[test]
fn what_no_window_can_do_is_refused() {
    let refused = |spec: WindowAggregate| Arc::new(spec).operator().err().unwrap().to_string();
    assert!(refused(spec(Window::Cumulate { size: 10, step: 3, offset: 0 }, false)).contains("no window"));
    assert!(refused(spec(Window::Session { gap: 1 }, true)).contains("DISTINCT"));
    let over = WindowAggregate { retracting_input: true, ..spec(Window::Tumble { size: 10, offset: 0 }, false) };
    assert!(refused(over).contains("taken back"));
}

type Row = (i64, i64, i64);

/// The windows of rows, those that are late left out, the plain way.
fn model(window: Window, given: bool, distinct: bool, events: &[Event]) -> (Fold, usize) {
    let (mut watermark, mut late) = (i64::MIN, 0);
    let mut windows: BTreeMap<(i64, i64, i64), Vec<i64>> = BTreeMap::new();
    let mut sessions: BTreeMap<i64, Vec<(i64, i64, Vec<i64>)>> = BTreeMap::new();
    for event in events {
        match event {
            Event::Watermark(time) => watermark = watermark.max(*time),
            Event::Restore(_) => {}
            Event::Row((key, value, time)) => {
                let of: Vec<(i64, i64)> = match window {
                    _ if given => vec![given_window(*time)],
                    Window::Session { gap } => {
                        let mut own = (*time, time + gap, vec![*value]);
                        let sessions = sessions.entry(*key).or_default();
                        let mut rest = vec![];
                        for other in sessions.drain(..) {
                            // Once it has fired, a session is closed.
                            if other.1 - 1 > watermark && other.0 <= own.1 && own.0 <= other.1 {
                                own.0 = own.0.min(other.0);
                                own.1 = own.1.max(other.1);
                                own.2.extend(other.2);
                            } else {
                                rest.push(other);
                            }
                        }
                        if own.1 - 1 > watermark {
                            rest.push(own);
                        } else {
                            late += 1;
                        }
                        *sessions = rest;
                        continue;
                    }
                    _ => (time - 100..=time + 100)
                        .flat_map(|start| match window {
                            Window::Tumble { size, offset } if (start - offset).rem_euclid(size) == 0 => {
                                vec![(start, start + size)]
                            }
                            Window::Hop { size, slide, offset } if (start - offset).rem_euclid(slide) == 0 => {
                                vec![(start, start + size)]
                            }
                            Window::Cumulate { size, step, offset } if (start - offset).rem_euclid(size) == 0 => {
                                (1..=size / step).map(|n| (start, start + n * step)).collect()
                            }
                            _ => vec![],
                        })
                        .filter(|(start, end)| (start..end).contains(&time))
                        .collect(),
                };
                let open: Vec<_> = of.iter().filter(|(_, end)| end - 1 > watermark).collect();
                late += usize::from(open.is_empty());
                for (start, end) in open {
                    windows.entry((*key, *start, *end)).or_default().push(*value);
                }
            }
        }
    }
    for (key, sessions) in sessions {
        for (start, end, values) in sessions {
            windows.insert((key, start, end), values);
        }
    }
    let mut fold = Fold::new();
    for ((key, start, end), values) in windows {
        let values_of = values.iter().collect::<std::collections::BTreeSet<_>>().len();
        let distinct = if distinct { format!(" {values_of}") } else { String::new() };
        let (n, max) = (values.len(), values.iter().max().unwrap());
        fold.insert(format!("{key} {n} {max}{distinct} {start} {end}"), 1);
    }
    (fold, late)
}

/// Windows that overlap: two with one end.
fn given_window(time: i64) -> (i64, i64) {
    let end = time.div_euclid(10) * 10 + 10;
    (end - if time % 2 == 0 { 10 } else { 20 }, end)
}

#[derive(Debug, Clone)]
enum Event {
    Row(Row),
    Watermark(i64),
    Restore(u16),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => (0..3_i64, 0..4_i64, 0..60_i64).prop_map(Event::Row),
        2 => (0..60_i64).prop_map(Event::Watermark),
        1 => (1..3_u16).prop_map(Event::Restore),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn every_window_is_given_once_and_every_row_is_in_its_windows_or_late(
        events in prop::collection::vec(event(), 1..80),
        cut in 1..6_usize,
        which in 0..7_usize,
        plain: bool,
    ) {
        let window = [
            Window::Tumble { size: 10, offset: 3 },
            Window::Hop { size: 10, slide: 4, offset: 0 },
            Window::Cumulate { size: 12, step: 4, offset: 1 },
            Window::Session { gap: 5 },
            Window::Tumble { size: 10, offset: 0 },
            Window::Hop { size: 9, slide: 3, offset: 2 },
            Window::Session { gap: 12 },
        ][which];
        let given = which == 4;
        let distinct = !plain && (given || !matches!(window, Window::Session { .. }));
        let spec = spec(window, distinct);
        let time = if given { WindowTime::Windowed { start: 2, end: 3, by_clock: false } } else { WindowTime::RowTime };
        let spec = WindowAggregate { time, ..spec };
        let (mut steps, mut lines) = (vec![], vec![]);
        let mut rows_in = 0;
        for event in &events {
            if let Event::Row((key, value, time)) = event {
                let (start, end) = given_window(*time);
                lines.push(format!("+I {key} {value} {start} {end} @{time}"));
                rows_in += 1;
            }
            if lines.len() >= cut || !matches!(event, Event::Row(_)) {
                steps.push(Step::Push(0, input().frame(&lines.join("\n"))));
                lines.clear();
            }
            match event {
                Event::Watermark(time) => steps.push(Step::Watermark(*time)),
                Event::Restore(parallelism) => steps.push(Step::Restore(*parallelism)),
                Event::Row(_) => {}
            }
        }
        steps.push(Step::Push(0, input().frame(&lines.join("\n"))));
        let (expected, late) = model(window, given, distinct, &events);
        let mut folded = Fold::new();
        let mut ended = run_with_restores(harness(spec), &steps, |_, out| fold(&mut folded, out));
        prop_assert_eq!(folded, expected);
        let late_out: usize = ended.iter_mut().flat_map(|one| one.take_from(crate::LATE)).map(|frame| frame.len()).sum();
        prop_assert_eq!(late_out, late, "of {} rows", rows_in);
        prop_assert_eq!(ended.iter_mut().map(Harness::state_entries).sum::<usize>(), 0);
    }
}
