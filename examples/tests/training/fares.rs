//! Exercises over fares, and over rides with their fares.

use std::collections::BTreeMap;

use yeoul::frame::OwnedRecord;
use yeoul::prelude::*;
use yeoul::rkyv::Archived;
use yeoul_examples::training::generator;
use yeoul_examples::training::highest_fares::{self, HighestFare};
use yeoul_examples::training::hourly_tips::{self, HOUR, HourlyTips};
use yeoul_examples::training::records::{TaxiFare, TaxiRide};
use yeoul_examples::training::rides_and_fares::{self, RideAndFare, Unmatched};

use crate::runs::{Run, check};
use crate::steps::Step::{End, Push, Second, Watermark};
use crate::steps::{check_steps, output};
use crate::{BOUND, RIDES, fare_time, fares, ride_time, rides};

/// The end of the hour of a time.
fn hour(time: Timestamp) -> i64 {
    let hour = HOUR.as_millis() as i64;
    time.0 - time.0.rem_euclid(hour) + hour
}

/// Each driver's tips of each hour.
fn tips_of(fares: impl IntoIterator<Item = TaxiFare>) -> Vec<HourlyTips> {
    let mut sums: BTreeMap<(i64, u64), u64> = BTreeMap::new();
    for fare in fares {
        *sums.entry((hour(fare.start_time) - 1, fare.driver_id)).or_default() += u64::from(fare.tip);
    }
    let each =
        sums.into_iter().map(|((end, driver_id), tips)| HourlyTips { end_of_hour: Timestamp(end), driver_id, tips });
    each.collect()
}

fn tips() -> Vec<HourlyTips> {
    tips_of(generator::fares(RIDES))
}

/// S10, S4.
#[test]
fn tips_of_each_driver_and_hour_by_windows() {
    check(|run| hourly_tips::by_windows(&fares(run)), tips());
}

/// D1, D2.
#[test]
fn tips_of_each_driver_and_hour_by_timers_are_the_same() {
    check(|run| hourly_tips::by_timers(&fares(run)).0, tips());
}

/// S10, S9: windows over windows.
#[test]
fn the_driver_with_the_most_tips_of_each_hour() {
    let mut most: BTreeMap<Timestamp, HourlyTips> = BTreeMap::new();
    for tips in tips() {
        let held = most.entry(tips.end_of_hour).or_insert_with(|| tips.clone());
        if tips.tips > held.tips {
            *held = tips;
        }
    }
    let most: Vec<_> = most.into_values().collect();
    check(|run| hourly_tips::most_of_each_hour(&hourly_tips::by_windows(&fares(run))), most.clone());
    check(|run| hourly_tips::most_of_each_hour(&hourly_tips::by_timers(&fares(run)).0), most);
}

/// D3: the side output of late records has all of them, and the hours have all others.
#[test]
fn fares_that_are_late_go_aside() {
    // Every tenth comes so long after its hour that in no form of the job it is in time. The others are in time in any form.
    let behind = HOUR.as_millis() as i64 + 4 * BOUND;
    let mut given = generator::fares(RIDES);
    let last = given.last().map_or(0, |fare| fare.start_time.0);
    let late = |fare: &TaxiFare| fare.ride_id.is_multiple_of(10) && fare.start_time.0 < last - behind - 2 * BOUND;
    let arrival = |fare: &TaxiFare| fare.start_time.0 + if late(fare) { behind } else { 0 };
    given.sort_by_key(arrival);
    let (aside, in_time): (Vec<TaxiFare>, Vec<TaxiFare>) = given.iter().cloned().partition(late);
    assert!(aside.len() > 20, "{}", aside.len());
    // They are shuffled by when they come.
    let by_timers = |run: &Run| hourly_tips::by_timers(&run.stream(&given, arrival, fare_time, BOUND));
    check(|run| by_timers(run).1, aside.clone());
    check(|run| by_timers(run).0, tips_of(in_time));
}

/// Sends fares by what was paid to one of three side outputs, and all that is left on.
#[derive(Clone)]
struct Split {
    small: OutputTag<u64>,
    middling: OutputTag<TaxiFare>,
    large: OutputTag<String>,
}

impl ProcessFunction for Split {
    type In = TaxiFare;
    type Out = u64;

    fn process(
        &mut self,
        fare: &Archived<TaxiFare>,
        cx: &mut ProcessContext<'_>,
        out: &mut Collector<u64>,
    ) -> Result<(), OperatorError> {
        match fare.total() {
            _ if !fare.by_card() => out.collect(fare.ride_id()),
            ..1_500 => cx.output(&self.small, fare.ride_id()),
            1_500..3_000 => cx.output(&self.middling, TaxiFare::from_archived(fare)),
            3_000.. => cx.output(&self.large, format!("{}: {}", fare.ride_id(), fare.total())),
        }
        Ok(())
    }
}

/// D3: three side outputs of three types of records, and what is left.
#[test]
fn fares_are_split_four_ways() {
    let split = |run: &Run| {
        let (small, middling, large) = (OutputTag::new("small"), OutputTag::new("middling"), OutputTag::new("large"));
        let split = Split { small: small.clone(), middling: middling.clone(), large: large.clone() };
        let rest = fares(run).process(split);
        (rest.side_output(&small), rest.side_output(&middling), rest.side_output(&large), rest)
    };
    let (cards, cash): (Vec<TaxiFare>, Vec<TaxiFare>) =
        generator::fares(RIDES).into_iter().partition(|fare| fare.by_card);
    let of = |totals: std::ops::Range<u32>| cards.iter().filter(move |fare| totals.contains(&fare.total));
    let small: Vec<u64> = of(0..1_500).map(|fare| fare.ride_id).collect();
    let middling: Vec<TaxiFare> = of(1_500..3_000).cloned().collect();
    let large: Vec<String> = of(3_000..u32::MAX).map(|fare| format!("{}: {}", fare.ride_id, fare.total)).collect();
    assert!(small.len() > 50 && middling.len() > 50 && large.len() > 50 && cash.len() > 50);
    check(|run| split(run).0, small);
    check(|run| split(run).1, middling);
    check(|run| split(run).2, large);
    check(|run| split(run).3, cash.iter().map(|fare| fare.ride_id).collect());
}

fn pairs(of: impl Fn(u64) -> bool) -> Vec<RideAndFare> {
    (0..RIDES).filter(|ride_id| of(*ride_id)).map(of_ride).collect()
}

fn of_ride(ride_id: u64) -> RideAndFare {
    let fare = generator::fare(ride_id);
    RideAndFare { ride_id, driver_id: fare.driver_id, total: fare.total }
}

/// E9.
#[test]
fn each_ride_finds_its_fare_in_any_order() {
    check(|run| rides_and_fares::joined(&rides(run), &fares(run)), pairs(|_| true));
}

/// E9: whoever comes first waits, also over a restart; what has found its partner leaves nothing.
#[test]
fn a_pair_that_is_complete_leaves_no_state() {
    let operator = OperatorHarness::of_two(|rides, fares| rides_and_fares::joined(&rides, &fares)).unwrap();
    let ride = |ride_id: u64| Push(generator::ride(ride_id)[0].clone(), 0);
    let fare = |ride_id: u64| Second(generator::fare(ride_id), 0);
    let pair = |ride_id: u64| vec![of_ride(ride_id)];
    let steps = [
        (ride(1), (vec![], 1)),
        (fare(1), (pair(1), 0)),
        (fare(2), (vec![], 1)),
        (ride(2), (pair(2), 0)),
        // Three pairs at once.
        (ride(3), (vec![], 1)),
        (fare(4), (vec![], 2)),
        (ride(5), (vec![], 3)),
        (fare(3), (pair(3), 2)),
        (ride(4), (pair(4), 1)),
        (fare(5), (pair(5), 0)),
    ];
    check_steps(&operator, &steps, |harness, late| (output(harness, late), harness.state_entries()));
}

/// D6.
#[test]
fn what_finds_no_partner_goes_aside() {
    let given: Vec<_> = generator::rides(RIDES).into_iter().filter(|ride| !ride.ride_id.is_multiple_of(7)).collect();
    let paid: Vec<_> = generator::fares(RIDES).into_iter().filter(|fare| !fare.ride_id.is_multiple_of(5)).collect();
    let streams = |run: &Run| {
        let rides = run.stream(&given, |ride| ride.event_time.0, ride_time, BOUND);
        rides_and_fares::joined_in_time(&rides, &run.stream(&paid, |fare| fare.start_time.0, fare_time, BOUND))
    };
    let unmatched = (0..RIDES).filter_map(|ride_id| match (ride_id % 7, ride_id % 5) {
        (0, 0) => None,
        (0, _) => Some(Unmatched { ride_id, is_ride: false }),
        (_, 0) => Some(Unmatched { ride_id, is_ride: true }),
        _ => None,
    });
    check(|run| streams(run).0, pairs(|ride_id| !ride_id.is_multiple_of(7) && !ride_id.is_multiple_of(5)));
    check(|run| streams(run).1, unmatched.collect());
}

/// D6: when the watermark passes it, and nothing of it stays.
#[test]
fn what_waits_for_a_partner_is_cleared_in_time() {
    let operator = OperatorHarness::of_two(|rides, fares| rides_and_fares::joined_in_time(&rides, &fares).0).unwrap();
    let begun = |ride_id| generator::ride(ride_id)[0].clone();
    let ride = |ride_id, time| Push(TaxiRide { event_time: Timestamp(time), ..begun(ride_id) }, time);
    let fare = |ride_id, time| Second(TaxiFare { start_time: Timestamp(time), ..generator::fare(ride_id) }, time);
    let tag = OutputTag::<Unmatched>::new("unmatched");
    let of = |ride_id, is_ride| vec![Unmatched { ride_id, is_ride }];
    // A half in state and its timer are two entries.
    let steps = [
        (ride(1, 1_000), (vec![], 2)),
        (fare(2, 2_000), (vec![], 4)),
        (Watermark(999), (vec![], 4)),
        (Watermark(1_000), (of(1, true), 2)),
        (ride(3, 3_000), (vec![], 4)),
        (fare(3, 3_000), (vec![], 2)),
        (Watermark(2_000), (of(2, false), 0)),
        (End, (vec![], 0)),
    ];
    check_steps(&operator, &steps, |harness, _| {
        let unmatched = harness.take_side_output(&tag).into_iter().map(|(unmatched, _)| unmatched).collect::<Vec<_>>();
        (unmatched, harness.state_entries())
    });
}

/// D2: a window that has fired leaves nothing.
#[test]
fn windows_made_by_hand_are_removed_when_they_fire() {
    let operator = OperatorHarness::of(|fares| hourly_tips::by_timers(&fares).0).unwrap();
    let hour = HOUR.as_millis() as i64;
    let fare = |driver_id, time, tip| {
        Push(TaxiFare { driver_id, tip, start_time: Timestamp(time), ..generator::fare(0) }, time)
    };
    let tips =
        |driver_id, hours: i64, tips| vec![HourlyTips { end_of_hour: Timestamp(hours * hour - 1), driver_id, tips }];
    // A sum and its timer are two entries; a driver's second hour is open beside the first.
    let steps: [(crate::steps::Step<TaxiFare>, _); 7] = [
        (fare(7, 1_000, 3), (vec![], 2)),
        (fare(7, 2_000, 4), (vec![], 2)),
        (fare(7, hour, 5), (vec![], 4)),
        (Watermark(hour - 2), (vec![], 4)),
        (Watermark(hour - 1), (tips(7, 1, 7), 2)),
        (fare(7, 3_000, 9), (vec![], 2)),
        (End, (tips(7, 2, 5), 0)),
    ];
    check_steps(&operator, &steps, |harness, late| (output(harness, late), harness.state_entries()));
}

/// S5, S6: a window of all its fares is handed all of them, an incremental one the highest alone.
#[test]
fn the_highest_fare_of_all_and_one_by_one() {
    let mut highest: BTreeMap<(u64, i64), (u32, u64)> = BTreeMap::new();
    for fare in generator::fares(RIDES) {
        let (held, fares) = highest.entry((fare.driver_id, hour(fare.start_time))).or_default();
        *held = fare.total.max(*held);
        *fares += 1;
    }
    let of_all: Vec<_> = highest
        .into_iter()
        .map(|((driver_id, end), (total, handed))| HighestFare { driver_id, end: Timestamp(end), total, handed })
        .collect();
    assert!(of_all.iter().any(|highest| highest.handed > 3));
    let one_by_one = of_all.iter().map(|highest| HighestFare { handed: 1, ..highest.clone() }).collect();
    check(|run| highest_fares::of_all(&fares(run)), of_all);
    check(|run| highest_fares::one_by_one(&fares(run)), one_by_one);
}

/// S5, S6: how much a snapshot of one window holds.
#[test]
fn a_window_of_all_fares_keeps_each_and_an_incremental_one_does_not_grow() {
    type Program = fn(&DataStream<TaxiFare>) -> DataStream<HighestFare>;
    let held = |program: Program, count: u64| {
        let mut operator = OperatorHarness::of(|fares: DataStream<TaxiFare>| program(&fares)).unwrap();
        operator.push((0..count).map(|ride_id| (TaxiFare { driver_id: 7, ..generator::fare(ride_id) }, 0))).unwrap();
        assert_eq!(operator.state_entries(), 1, "one window of one driver");
        operator.snapshot().unwrap().bytes()
    };
    let fare = std::mem::size_of::<Archived<TaxiFare>>();
    assert!(held(highest_fares::of_all, 1_000) - held(highest_fares::of_all, 1) >= 999 * fare);
    assert_eq!(held(highest_fares::one_by_one, 1_000), held(highest_fares::one_by_one, 1));
}
