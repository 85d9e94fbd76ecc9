//! Exercises over page views: windows of each kind, and what surprises about them.

use std::collections::BTreeMap;
use std::time::Duration;

use yeoul::frame::hash_u64;
use yeoul::prelude::*;
use yeoul::rkyv::Archived;
use yeoul_examples::training::page_views::{self, GAP, Standing, View, Views};

use crate::runs::{Run, check, check_in_order};

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
/// How far views are out of order at most.
const BOUND: i64 = 20 * SECOND;
/// Ten minutes of views, some five a second.
const VIEWS: u64 = 3_000;

fn view(number: u64) -> View {
    let chance = |what: u64, below: u64| hash_u64(number << 8 | what).0 % below;
    // Users come in the hours of their number: most of them more than once.
    let hour = chance(1, 3) as i64 * 60 * MINUTE;
    View {
        page: chance(2, 12),
        user: chance(3, 40),
        at: Timestamp(number as i64 * 200 + hour % 2 + chance(4, 100) as i64),
    }
}

fn views() -> Vec<View> {
    let mut views: Vec<View> = (0..VIEWS).map(view).collect();
    views.sort_by_key(|view| view.at);
    views
}

fn stream(run: &Run) -> DataStream<View> {
    run.stream(&views(), |view| view.at.0, |view| view.at(), BOUND)
}

/// The views of each key in windows of this size, one each `slide`.
fn counted(of: fn(&View) -> u64, size: i64, slide: i64) -> Vec<Views> {
    let mut counts: BTreeMap<(u64, i64), u64> = BTreeMap::new();
    for view in views() {
        let first = view.at.0.div_euclid(slide) * slide + slide;
        (first..=view.at.0 + size)
            .step_by(slide as usize)
            .for_each(|end| *counts.entry((of(&view), end)).or_default() += 1);
    }
    counts.into_iter().map(|((of, end), views)| Views { of, end: Timestamp(end), views }).collect()
}

/// S4.
#[test]
fn views_of_each_minute_and_of_a_minute_every_ten_seconds() {
    check(|run| page_views::a_minute(&stream(run)), counted(|view| view.page, MINUTE, MINUTE));
    check(|run| page_views::a_minute_every_ten_seconds(&stream(run)), counted(|view| view.page, MINUTE, 10 * SECOND));
}

/// S4.
#[test]
fn views_of_all_pages() {
    check(|run| page_views::of_all_pages(&stream(run)), counted(|_| 0, MINUTE, MINUTE));
}

/// S4.
#[test]
fn views_of_each_visit() {
    // Each user's views lie 45 minutes further apart from the twentieth on.
    let away = GAP.as_millis() as i64 * 3 / 2;
    let mut seen: BTreeMap<u64, i64> = BTreeMap::new();
    let mut moved: Vec<View> = views();
    for view in &mut moved {
        let seen = seen.entry(view.user).or_default();
        *seen += 1;
        view.at = view.at.plus(*seen / 20 * away);
    }
    moved.sort_by_key(|view| view.at);
    let mut by_user: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
    moved.iter().for_each(|view| by_user.entry(view.user).or_default().push(view.at.0));
    let gap = GAP.as_millis() as i64;
    let mut expected = Vec::new();
    for (user, times) in by_user {
        for visit in times.chunk_by(|before, after| after - before <= gap) {
            let last = visit.last().copied().unwrap_or_default();
            expected.push(Views { of: user, end: Timestamp(last + gap), views: visit.len() as u64 });
        }
    }
    assert!(expected.len() > 80, "users come more than once");
    check(|run| page_views::a_session(&run.stream(&moved, |view| view.at.0, |view| view.at(), BOUND)), expected);
}

/// S4, S9: a window that counts never ends by time.
#[test]
fn each_hundredth_view_and_nothing_of_what_is_left() {
    let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
    views().iter().for_each(|view| *counts.entry(view.page).or_default() += 1);
    let expected: Vec<u64> = counts.into_iter().flat_map(|(page, views)| vec![page; (views / 100) as usize]).collect();
    check(|run| page_views::each_hundred(&stream(run)), expected);
}

type Harness<O> = OperatorHarness<View, O>;

/// Views of a page at these milliseconds.
fn at(page: u64, times: &[i64]) -> Vec<(View, i64)> {
    times.iter().map(|at| (View { page, user: 1, at: Timestamp(*at) }, *at)).collect()
}

/// S7.
#[test]
fn the_state_of_a_window_and_of_a_key_are_apart() {
    let lateness = Duration::from_secs(600);
    let mut harness: Harness<Standing> =
        OperatorHarness::of(|views| page_views::records_of_the_day(&views, lateness)).unwrap();
    let mut found = Vec::new();
    let mut take = |harness: &mut Harness<Standing>| {
        let mut standings: Vec<_> = harness.take_output().into_iter().map(|(standing, _)| standing).collect();
        standings.sort();
        found.extend(standings.into_iter().map(|of| (of.page, of.views, of.firings, of.most)));
    };
    harness.push([at(7, &[1, 2, 3]), at(8, &[4])].concat()).unwrap();
    harness.watermark(MINUTE).unwrap();
    take(&mut harness);
    // Both states come back from a snapshot.
    let snapshot = harness.snapshot().unwrap();
    let mut harness = harness.restored(harness.subtask(), &[&snapshot]).unwrap();
    harness.push(at(7, &[MINUTE + 1])).unwrap();
    harness.watermark(2 * MINUTE).unwrap();
    take(&mut harness);
    // A late view: the first minute fires for the second time, the second one's count is its own.
    harness.push(at(7, &[5])).unwrap();
    take(&mut harness);
    harness.finish().unwrap();
    take(&mut harness);
    assert_eq!(found, [(7, 3, 1, 3), (8, 1, 1, 1), (7, 1, 1, 3), (7, 4, 2, 4)]);
}

/// S7, in a job that is killed.
#[test]
fn the_most_views_of_any_minute_of_each_page() {
    let mut expected = Vec::new();
    let mut most: BTreeMap<u64, u64> = BTreeMap::new();
    for minute in counted(|view| view.page, MINUTE, MINUTE).chunk_by(|a, b| a.of == b.of) {
        for Views { of, views, .. } in minute {
            let most = most.entry(*of).or_default();
            *most = (*most).max(*views);
            expected.push(Standing { page: *of, views: *views, firings: 1, most: *most });
        }
    }
    check_in_order(|run| page_views::records_of_the_day(&stream(run), Duration::ZERO), expected);
}

/// S8.
#[test]
fn late_records_are_dropped_go_aside_or_make_windows_fire_again() {
    let late = OutputTag::<View>::new("late");
    let windows = |views: &DataStream<View>| {
        views.key_by(|view| view.page()).window(TumblingEventTimeWindows::of(Duration::from_secs(60)))
    };
    let count = |windows: WindowedStream<u64, View>| {
        windows.aggregate_with(Count::new(), |_, _, views, out| out.collect(views))
    };
    let run = |mut harness: Harness<u64>| {
        harness.push(at(7, &[1, 2])).unwrap();
        harness.watermark(MINUTE - 1).unwrap();
        // Late, but within ten seconds; and then later than that.
        harness.push(at(7, &[3])).unwrap();
        harness.watermark(MINUTE + 10 * SECOND - 1).unwrap();
        harness.push(at(7, &[4, 5])).unwrap();
        harness.finish().unwrap();
        let aside = harness.take_side_output(&late).len();
        (
            harness.take_output().into_iter().map(|(views, _)| views).collect::<Vec<_>>(),
            aside,
            harness.counters().late.get(),
        )
    };
    let harness = |build: &dyn Fn(DataStream<View>) -> DataStream<u64>| OperatorHarness::of(build).unwrap();
    assert_eq!(run(harness(&|views| count(windows(&views)))), (vec![2], 0, 3));
    assert_eq!(run(harness(&|views| count(windows(&views).side_output_late_data(&late)))), (vec![2], 3, 3));
    let lateness = Duration::from_secs(10);
    let both = |views| count(windows(&views).allowed_lateness(lateness).side_output_late_data(&late));
    assert_eq!(run(harness(&both)), (vec![2, 3], 2, 2));
}

/// S9: windows of an hour that begin at 12:05 end at 1:00, by an offset at 1:05; and time without records has no windows.
#[test]
fn windows_are_aligned_to_the_epoch_and_empty_ones_give_nothing() {
    let hour = Duration::from_secs(3600);
    let ends = |windows: TumblingEventTimeWindows| {
        let mut harness: Harness<Timestamp> = OperatorHarness::of(move |views: DataStream<View>| {
            let windows = views.key_by(|view| view.page()).window(windows);
            windows.aggregate_with(Count::new(), |_, window, _, out| out.collect(window.end))
        })
        .unwrap();
        harness.push(at(7, &[5 * MINUTE, 10 * MINUTE, 300 * MINUTE])).unwrap();
        harness.finish().unwrap();
        harness.take_output().into_iter().map(|(end, _)| end.0 / MINUTE).collect::<Vec<_>>()
    };
    assert_eq!(ends(TumblingEventTimeWindows::of(hour)), [60, 360]);
    assert_eq!(ends(TumblingEventTimeWindows::of(hour).offset(Duration::from_secs(300))), [65, 305]);
}

/// S9: a record is in 96 windows of a day every quarter of an hour, and in no more of its state than in one.
#[test]
fn a_record_of_a_sliding_window_is_kept_once() {
    let (day, quarter) = (Duration::from_secs(86_400), Duration::from_secs(900));
    let mut harness: Harness<u64> = OperatorHarness::of(|views: DataStream<View>| {
        let windows = views.key_by(|view| view.page()).window(SlidingEventTimeWindows::of(day, quarter));
        windows.aggregate_with(Count::new(), |_, _, views, out| out.collect(views))
    })
    .unwrap();
    harness.push(at(7, &[MINUTE, 2 * MINUTE])).unwrap();
    assert_eq!(harness.state_entries(), 1, "both are in one pane");
    harness.finish().unwrap();
    assert_eq!(harness.take_output().into_iter().map(|(views, _)| views).collect::<Vec<_>>(), vec![2; 96]);
}

/// S9: what a window gives has the time of its last millisecond, so a window behind it takes it into the same hour.
#[test]
fn windows_after_windows_are_of_the_same_time() {
    let twice = |run: &Run| {
        let minutes = page_views::a_minute(&stream(run));
        minutes
            .window_all(TumblingEventTimeWindows::of(Duration::from_secs(60)))
            .reduce_with(
                |sum, views| sum.views += views.views,
                |window, sum, out| out.collect(Views { of: 0, end: window.end, views: sum.views }),
            )
            .uid("again")
    };
    check(twice, counted(|_| 0, MINUTE, MINUTE));
}

/// S9: a late record may join two sessions, and what one of them gave stays given.
#[test]
fn a_late_record_between_two_sessions_makes_them_one() {
    let mut harness: Harness<Views> = OperatorHarness::of(|views: DataStream<View>| {
        let sessions = EventTimeSessionWindows::with_gap(Duration::from_secs(10));
        let windows = views
            .key_by(|view: &Archived<View>| view.page())
            .window(sessions)
            .allowed_lateness(Duration::from_secs(60));
        windows.aggregate_with(Count::new(), |of, window, views, out| {
            out.collect(Views { of: *of, end: window.end, views });
        })
    })
    .unwrap();
    harness.push(at(7, &[0, 15 * SECOND])).unwrap();
    harness.watermark(12 * SECOND).unwrap();
    harness.push(at(7, &[8 * SECOND])).unwrap();
    harness.finish().unwrap();
    let found: Vec<_> =
        harness.take_output().into_iter().map(|(views, _)| (views.end.0 / SECOND, views.views)).collect();
    assert_eq!(found, [(10, 1), (25, 3)]);
}
