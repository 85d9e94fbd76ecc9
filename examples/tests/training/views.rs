//! Exercises over page views: windows of each kind, and what surprises about them.

use std::collections::BTreeMap;
use std::time::Duration;

use yeoul::frame::hash_u64;
use yeoul::prelude::*;
use yeoul::rkyv::Archived;
use yeoul_examples::training::page_views::{self, GAP, Standing, View, Views};

use crate::runs::{Run, check};
use crate::steps::Step::{Clock, End, Push, Watermark};
use crate::steps::{Step, check_steps, output};

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
/// How far views are out of order at most.
const BOUND: i64 = 20 * SECOND;
/// Ten minutes of views, some five a second.
const VIEWS: u64 = 3_000;

fn view(number: u64) -> View {
    let chance = |what: u64, below: u64| hash_u64(number << 8 | what).0 % below;
    View { page: chance(2, 12), user: chance(3, 40), at: Timestamp(number as i64 * 200 + chance(4, 100) as i64) }
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

/// A view of a page at this millisecond.
fn at(page: u64, time: i64) -> Step<View> {
    Push(View { page, user: 1, at: Timestamp(time) }, time)
}

/// S7.
#[test]
fn the_state_of_a_window_and_of_a_key_are_apart() {
    let lateness = Duration::from_secs(600);
    let operator =
        OperatorHarness::of(|views: DataStream<View>| page_views::records_of_the_day(&views, lateness)).unwrap();
    let fires = |page, views, firings, most| Standing { page, views, firings, most };
    // And whether all that is held is the most of each of two pages: at the end, where minutes have gone with their firings.
    let steps = [
        (at(7, 1), (vec![], false)),
        (at(7, 2), (vec![], false)),
        (at(8, 4), (vec![], false)),
        (at(7, 3), (vec![], false)),
        (Watermark(MINUTE), (vec![fires(7, 3, 1, 3), fires(8, 1, 1, 1)], false)),
        (at(7, MINUTE + 1), (vec![], false)),
        (Watermark(2 * MINUTE), (vec![fires(7, 1, 1, 3)], false)),
        // Late views: each minute counts its own firings, and both know of the most views of any.
        (at(7, 5), (vec![fires(7, 4, 2, 4)], false)),
        (at(7, MINUTE + 2), (vec![fires(7, 2, 2, 4)], false)),
        (at(8, 5), (vec![fires(8, 2, 2, 2)], false)),
        (End, (vec![], true)),
    ];
    check_steps(&operator, &steps, |harness, late| (output(harness, late), harness.state_entries() == 2));
}

/// Says of each firing its window, the watermark and the processing time.
#[derive(Clone)]
struct Times;

impl ProcessWindowFunction for Times {
    type Key = u64;
    type In = View;
    type Out = (i64, i64, i64, i64);

    fn process(
        &mut self,
        _: &u64,
        cx: &mut WindowContext<'_, u64>,
        _: &[View],
        out: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError> {
        out.collect((cx.window().start.0, cx.window().end.0, cx.watermark().0, cx.processing_time().0));
        Ok(())
    }
}

/// S7.
#[test]
fn a_window_knows_its_bounds_the_watermark_and_the_clock() {
    let operator = OperatorHarness::of(|views: DataStream<View>| {
        let windows = views.key_by(|view| view.page()).window(TumblingEventTimeWindows::of(Duration::from_secs(60)));
        windows.allowed_lateness(Duration::from_secs(600)).process(Times)
    })
    .unwrap();
    let fires = |start: i64, watermark: i64, now: i64| (start, start + MINUTE, watermark, now);
    let steps = [
        (at(7, 1), vec![]),
        (at(7, MINUTE), vec![]),
        (Clock(5), vec![]),
        (Watermark(MINUTE + 3), vec![fires(0, MINUTE + 3, 5)]),
        (Clock(6), vec![]),
        (at(7, 2), vec![fires(0, MINUTE + 3, 6)]),
        (End, vec![fires(MINUTE, i64::MAX, 6)]),
    ];
    check_steps(&operator, &steps, output);
}

/// S7, in a job that is killed.
#[test]
fn the_most_views_of_any_minute_of_each_page() {
    let mut expected = Vec::new();
    let mut most: BTreeMap<u64, u64> = BTreeMap::new();
    for Views { of, views, .. } in counted(|view| view.page, MINUTE, MINUTE) {
        let most = most.entry(of).or_default();
        *most = (*most).max(views);
        expected.push(Standing { page: of, views, firings: 1, most: *most });
    }
    // A page's minutes fire one after another in any order of the views.
    check(|run| page_views::records_of_the_day(&stream(run), Duration::ZERO), expected);
}

/// S8.
#[test]
fn late_records_are_dropped_go_aside_or_make_windows_fire_again() {
    let late = OutputTag::<View>::new("late");
    let count = |windows: WindowedStream<u64, View>| {
        windows.aggregate_with(Count::new(), |_, _, views, out| out.collect(views))
    };
    let minutes = |views: &DataStream<View>| {
        views.key_by(|view| view.page()).window(TumblingEventTimeWindows::of(Duration::from_secs(60)))
    };
    let after = [
        at(7, 1),
        at(7, 2),
        Watermark(MINUTE - 1),
        // Late, but within ten seconds; and then later than that.
        at(7, 3),
        Watermark(MINUTE + 10 * SECOND - 2),
        at(7, 4),
        Watermark(MINUTE + 10 * SECOND - 1),
        at(7, 5),
        at(8, 6),
        End,
    ];
    // Of each of these steps: what comes out, how many go aside, how many count as late.
    type Seen = (Vec<u64>, usize, u64);
    let check = |operator: OperatorHarness<View, u64>, seen: [Seen; 10]| {
        let steps: Vec<_> = after.iter().cloned().zip(seen).collect();
        check_steps(&operator, &steps, |harness, lost| {
            let aside = harness.take_side_output(&late).len();
            (output(harness, lost), aside, lost)
        });
    };
    let quiet = || (vec![], 0, 0);
    let fires = |views| (vec![views], 0, 0);

    let dropped = || (vec![], 0, 1);
    let seen = [quiet(), quiet(), fires(2), dropped(), quiet(), dropped(), quiet(), dropped(), dropped(), quiet()];
    check(OperatorHarness::of(|views| count(minutes(&views))).unwrap(), seen);

    let aside = || (vec![], 1, 1);
    let seen = [quiet(), quiet(), fires(2), aside(), quiet(), aside(), quiet(), aside(), aside(), quiet()];
    let sorted_out = OperatorHarness::of(|views| count(minutes(&views).side_output_late_data(&late)));
    check(sorted_out.unwrap(), seen);

    let seen = [quiet(), quiet(), fires(2), fires(3), quiet(), fires(4), quiet(), aside(), aside(), quiet()];
    let lateness = Duration::from_secs(10);
    let both =
        OperatorHarness::of(|views| count(minutes(&views).allowed_lateness(lateness).side_output_late_data(&late)));
    check(both.unwrap(), seen);
}

/// S9: windows of an hour that begin at 12:05 end at 1:00, by an offset at 1:05; and time without records has no windows.
#[test]
fn windows_are_aligned_to_the_epoch_and_empty_ones_give_nothing() {
    let check = |windows: TumblingEventTimeWindows, ends: [i64; 2]| {
        let operator = OperatorHarness::of(move |views: DataStream<View>| {
            let windows = views.key_by(|view| view.page()).window(windows);
            windows.aggregate_with(Count::new(), |_, window, _, out| out.collect(window.end.0 / MINUTE))
        })
        .unwrap();
        let steps = [
            (at(7, 5 * MINUTE), vec![]),
            (at(7, 10 * MINUTE), vec![]),
            (at(7, 300 * MINUTE), vec![]),
            (Watermark(ends[0] * MINUTE - 2), vec![]),
            (Watermark(ends[0] * MINUTE - 1), vec![ends[0]]),
            (Watermark(ends[1] * MINUTE - 2), vec![]),
            (Watermark(ends[1] * MINUTE - 1), vec![ends[1]]),
            (End, vec![]),
        ];
        check_steps(&operator, &steps, output);
    };
    let hour = TumblingEventTimeWindows::of(Duration::from_secs(3600));
    check(hour, [60, 360]);
    check(hour.offset(Duration::from_secs(300)), [65, 305]);
}

/// S9: a record is in 96 windows of a day every quarter of an hour, and in no more of its state than in one.
#[test]
fn a_record_of_a_sliding_window_is_kept_once() {
    let (day, quarter) = (Duration::from_secs(86_400), Duration::from_secs(900));
    let days = |views: &DataStream<View>| {
        let windows = views.key_by(|view| view.page()).window(SlidingEventTimeWindows::of(day, quarter));
        windows.aggregate_with(Count::new(), |of, window, views, out| {
            out.collect(Views { of: *of, end: window.end, views });
        })
    };
    let operator = OperatorHarness::of(|views: DataStream<View>| days(&views)).unwrap();
    let of = |windows: std::ops::Range<i64>, views: u64| {
        windows.map(|end| Views { of: 7, end: Timestamp(end * 15 * MINUTE), views }).collect::<Vec<_>>()
    };
    let steps = [
        (at(7, MINUTE), (vec![], 1)),
        // Both are in one pane.
        (at(7, 2 * MINUTE), (vec![], 1)),
        (Watermark(60 * MINUTE), (of(1..5, 2), 1)),
        (at(7, 62 * MINUTE), (vec![], 2)),
        (Watermark(75 * MINUTE), (of(5..6, 3), 2)),
        (Watermark(24 * 60 * MINUTE), (of(6..97, 3), 1)),
        (End, (of(97..101, 1), 0)),
    ];
    check_steps(&operator, &steps, |harness, late| (output(harness, late), harness.state_entries()));
    let (day, quarter) = (day.as_millis() as i64, quarter.as_millis() as i64);
    check(|run| days(&stream(run)).uid("days"), counted(|view| view.page, day, quarter));
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
    let operator = OperatorHarness::of(|views: DataStream<View>| {
        let sessions = EventTimeSessionWindows::with_gap(Duration::from_secs(10));
        let windows = views
            .key_by(|view: &Archived<View>| view.page())
            .window(sessions)
            .allowed_lateness(Duration::from_secs(60));
        windows.aggregate_with(Count::new(), |_, window, views, out| {
            out.collect((window.start.0 / SECOND, window.end.0 / SECOND, views));
        })
    })
    .unwrap();
    let steps = [
        (at(7, 0), vec![]),
        (at(7, 15 * SECOND), vec![]),
        (Watermark(12 * SECOND), vec![(0, 10, 1)]),
        (at(7, 8 * SECOND), vec![]),
        (Watermark(25 * SECOND), vec![(0, 25, 3)]),
        // It takes views as late as a minute.
        (Watermark(84 * SECOND), vec![]),
        (at(7, 16 * SECOND), vec![(0, 26, 4)]),
        (Watermark(86 * SECOND), vec![]),
        (at(7, 16 * SECOND), vec![]),
        (End, vec![]),
    ];
    check_steps(&operator, &steps, output);
}
