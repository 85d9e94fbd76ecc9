//! Exercises over fares, and over rides with their fares.

use std::collections::BTreeMap;

use yeoul::prelude::*;
use yeoul_examples::training::generator::{self, MINUTE};
use yeoul_examples::training::highest_fares::{self, HighestFare};
use yeoul_examples::training::hourly_tips::{self, HOUR, HourlyTips};
use yeoul_examples::training::records::TaxiFare;
use yeoul_examples::training::rides_and_fares::{self, RideAndFare, Unmatched};

use crate::runs::{Run, check};
use crate::{BOUND, RIDES, fare_time, fares, ride_time, rides};

/// The end of the hour of a time.
fn hour(time: Timestamp) -> i64 {
    let hour = HOUR.as_millis() as i64;
    time.0 - time.0.rem_euclid(hour) + hour
}

fn tips() -> Vec<HourlyTips> {
    let mut sums: BTreeMap<(i64, u64), u64> = BTreeMap::new();
    for fare in generator::fares(RIDES) {
        *sums.entry((hour(fare.start_time) - 1, fare.driver_id)).or_default() += u64::from(fare.tip);
    }
    let each =
        sums.into_iter().map(|((end, driver_id), tips)| HourlyTips { end_of_hour: Timestamp(end), driver_id, tips });
    each.collect()
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

/// D3: the side output of late records has all of them.
#[test]
fn fares_that_are_late_go_aside() {
    // In order but for every tenth, which comes when the watermark has passed its hour.
    let behind = HOUR.as_millis() as i64 + 10 * MINUTE;
    let mut given = generator::fares(RIDES);
    let last = given.last().map_or(0, |fare| fare.start_time.0);
    let late = |fare: &TaxiFare| fare.ride_id.is_multiple_of(10) && fare.start_time.0 < last - behind - BOUND;
    given.sort_by_key(|fare| fare.start_time.0 + if late(fare) { behind + BOUND } else { 0 });
    let expected: Vec<u64> = given.iter().filter(|fare| late(fare)).map(|fare| fare.ride_id).collect();
    assert!(!expected.is_empty());
    crate::runs::check_in_order(
        |run| {
            let fares = run.stream(&given, |fare| fare.start_time.0, fare_time, BOUND);
            hourly_tips::by_timers(&fares).1.map(|fare| fare.ride_id())
        },
        expected,
    );
}

fn pairs(of: impl Fn(u64) -> bool) -> Vec<RideAndFare> {
    let each = (0..RIDES).filter(|ride_id| of(*ride_id)).map(|ride_id| {
        let fare = generator::fare(ride_id);
        RideAndFare { ride_id, driver_id: fare.driver_id, total: fare.total }
    });
    each.collect()
}

/// E9.
#[test]
fn each_ride_finds_its_fare_in_any_order() {
    check(|run| rides_and_fares::joined(&rides(run), &fares(run)), pairs(|_| true));
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

/// S5, S6.
#[test]
fn the_highest_fare_of_all_and_one_by_one() {
    let mut highest: BTreeMap<(u64, i64), u32> = BTreeMap::new();
    for fare in generator::fares(RIDES) {
        let held = highest.entry((fare.driver_id, hour(fare.start_time))).or_default();
        *held = fare.total.max(*held);
    }
    let expected: Vec<_> = highest
        .into_iter()
        .map(|((driver_id, end), total)| HighestFare { driver_id, end: Timestamp(end), total })
        .collect();
    check(|run| highest_fares::of_all(&fares(run)), expected.clone());
    check(|run| highest_fares::one_by_one(&fares(run)), expected);
}
