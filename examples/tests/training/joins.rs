//! Joins and co-groups of two streams by windows and by how far their times lie apart; every partitioning.

use std::time::Duration;

use yeoul::prelude::*;
use yeoul_examples::training::generator::{self, MINUTE};
use yeoul_examples::training::records::{ArchivedTaxiFare, ArchivedTaxiRide, TaxiFare, TaxiRide};

use crate::runs::{Run, check};
use crate::{RIDES, fares, rides};

const SIZE: i64 = 30 * MINUTE;
const SLIDE: i64 = 10 * MINUTE;

fn millis(millis: i64) -> Duration {
    Duration::from_millis(millis.unsigned_abs())
}

fn taxi_of_ride(ride: &ArchivedTaxiRide) -> u64 {
    ride.taxi_id() % 20
}

fn taxi_of_fare(fare: &ArchivedTaxiFare) -> u64 {
    fare.taxi_id() % 20
}

/// All pairs of rides and fares of one group of taxis.
fn pairs() -> impl Iterator<Item = (TaxiRide, TaxiFare)> {
    let fares = generator::fares(RIDES);
    generator::rides(RIDES).into_iter().flat_map(move |ride| {
        let of_taxi = fares.iter().filter(|fare| fare.taxi_id % 20 == ride.taxi_id % 20).cloned().collect::<Vec<_>>();
        of_taxi.into_iter().map(move |fare| (ride.clone(), fare))
    })
}

/// The beginnings of the windows that hold a time.
fn windows(time: i64, size: i64, slide: i64) -> Vec<i64> {
    let last = time - time.rem_euclid(slide);
    (0..size / slide).map(|n| last - n * slide).collect()
}

/// Rides and fares of one group of taxis, for each window that both are in.
fn joined(size: i64, slide: i64) -> Vec<(u64, u64, bool)> {
    let each = pairs().flat_map(|(ride, fare)| {
        let of_fare = windows(fare.start_time.0, size, slide);
        let both = windows(ride.event_time.0, size, slide).into_iter().filter(move |start| of_fare.contains(start));
        both.map(move |_| (ride.ride_id, fare.ride_id, ride.is_start))
    });
    each.collect()
}

#[test]
fn a_join_by_windows_is_that_of_nested_loops() {
    let by = |run: &Run, tumbling: bool| {
        let (rides, fares) = (rides(run).key_by(taxi_of_ride), fares(run).key_by(taxi_of_fare));
        let join = rides.join(&fares);
        let join = if tumbling {
            join.window(TumblingEventTimeWindows::of(millis(SIZE)))
        } else {
            join.window(SlidingEventTimeWindows::of(millis(SIZE), millis(SLIDE)))
        };
        join.apply(|ride, fare, out| out.collect((ride.ride_id, fare.ride_id, ride.is_start)))
    };
    let expected = joined(SIZE, SIZE);
    assert!(expected.len() > 1_000, "{}", expected.len());
    check(|run| by(run, true), expected);
    check(|run| by(run, false), joined(SIZE, SLIDE));
}

#[test]
fn a_co_group_has_all_of_either_side() {
    let mut expected = std::collections::BTreeMap::<(u64, i64), (u64, u64)>::new();
    for ride in generator::rides(RIDES) {
        for start in windows(ride.event_time.0, SIZE, SIZE) {
            expected.entry((ride.taxi_id % 20, start)).or_default().0 += 1;
        }
    }
    for fare in generator::fares(RIDES) {
        for start in windows(fare.start_time.0, SIZE, SIZE) {
            expected.entry((fare.taxi_id % 20, start)).or_default().1 += 1;
        }
    }
    let expected: Vec<(u64, u64)> = expected.into_values().collect();
    assert!(expected.iter().any(|(_, fares)| *fares == 0), "some windows have rides alone");
    check(
        |run| {
            let (rides, fares) = (rides(run).key_by(taxi_of_ride), fares(run).key_by(taxi_of_fare));
            let groups = rides.co_group(&fares).window(TumblingEventTimeWindows::of(millis(SIZE)));
            groups.apply(|rides, fares, out| out.collect((rides.len() as u64, fares.len() as u64)))
        },
        expected,
    );
}

#[test]
fn an_interval_join_is_that_of_nested_loops() {
    let near =
        |(ride, fare): &(TaxiRide, TaxiFare)| (-SLIDE..=2 * SLIDE).contains(&(fare.start_time.0 - ride.event_time.0));
    let expected: Vec<_> =
        pairs().filter(near).map(|(ride, fare)| (ride.ride_id, fare.ride_id, ride.is_start)).collect();
    assert!(expected.len() > 1_000, "{}", expected.len());
    check(
        |run| {
            let (rides, fares) = (rides(run).key_by(taxi_of_ride), fares(run).key_by(taxi_of_fare));
            let join = rides.interval_join(&fares).between(-SLIDE, 2 * SLIDE);
            join.apply(|ride, fare, out| out.collect((ride.ride_id, fare.ride_id, ride.is_start)))
        },
        expected,
    );
}

/// Whatever way records take to the instances of what comes next, each arrives once.
#[test]
fn every_partitioning_brings_each_record_to_one_instance() {
    type Route = fn(&DataStream<TaxiRide>) -> DataStream<TaxiRide>;
    let routes: [Route; 5] = [
        |rides| rides.rebalance(),
        |rides| rides.shuffle(),
        |rides| rides.rescale(),
        |rides| rides.global(),
        |rides| rides.partition_custom(|ride| ride.taxi_id(), |taxi, instances| (*taxi % u64::from(instances)) as u16),
    ];
    let expected: Vec<(u64, bool)> = generator::rides(RIDES).iter().map(|ride| (ride.ride_id, ride.is_start)).collect();
    for route in routes {
        let seen = |rides: &DataStream<TaxiRide>| route(rides).map(|ride| (ride.ride_id(), ride.is_start()));
        check(|run| seen(&rides(run)), expected.clone());
    }
}
