//! Exercises over rides.

use std::collections::BTreeMap;

use yeoul::prelude::*;
use yeoul_examples::training::generator::{self, MINUTE};
use yeoul_examples::training::longest_rides::{self, Ride};
use yeoul_examples::training::records::TaxiRide;
use yeoul_examples::training::ride_cleansing::{self, EnrichedRide};
use yeoul_examples::training::{city, long_ride_alerts};

use crate::runs::{check, check_in_order, last_of_each};
use crate::steps::Step::{self, Push, Watermark};
use crate::steps::{check_steps, output};
use crate::{RIDES, ride_time, rides};

fn in_city(ride: &TaxiRide) -> bool {
    city::contains(ride.start_lon, ride.start_lat) && city::contains(ride.end_lon, ride.end_lat)
}

fn enriched() -> Vec<EnrichedRide> {
    let each = generator::rides(RIDES).into_iter().filter(in_city).map(|ride| EnrichedRide {
        ride_id: ride.ride_id,
        is_start: ride.is_start,
        start_cell: ride.start_cell(),
        end_cell: city::cell_of(ride.end_lon, ride.end_lat),
    });
    each.collect()
}

/// E1 to E4: which points the city has, and in which cell each lies. A cell is 0.0014 degrees wide and 0.00125 high; its column is that many
/// widths from 74.05 W, its row that many heights from 41.00 N, both rounded down, and its number 250 times the row and the column. Of the
/// second point: 0.0643 / 0.0014 = 45.93 and 0.2516 / 0.00125 = 201.28, so 250 * 201 + 45 = 50,295.
#[test]
fn cells_and_borders_are_those_computed_by_hand() {
    let inside = [
        // Corners belong to the city: north-west, north-east, south-west, south-east. The southern border is a row of its own, the 401st.
        ((-74.05, 41.00), 0),
        ((-73.70, 41.00), 249),
        ((-74.05, 40.50), 100_000),
        ((-73.70, 40.50), 100_249),
        // Just within each corner: the first and the last cell of the first row, and of the last one.
        ((-74.0499, 40.9999), 0),
        ((-73.7001, 40.9999), 249),
        ((-74.0499, 40.5001), 99_750),
        ((-73.7001, 40.5001), 99_999),
        // In the middle of the city.
        ((-73.9857, 40.7484), 50_295),
        ((-74.0445, 40.6892), 62_003),
        ((-73.7781, 40.6413), 71_694),
        ((-73.8737, 40.7769), 44_625),
        // Either side of a column's and of a row's border.
        ((-74.0487, 40.9990), 0),
        ((-74.0485, 40.9990), 1),
        ((-74.0490, 40.9988), 0),
        ((-74.0490, 40.9987), 250),
    ];
    for ((longitude, latitude), cell) in inside {
        assert!(city::contains(longitude, latitude), "{longitude} {latitude}");
        assert_eq!(city::cell_of(longitude, latitude), cell, "{longitude} {latitude}");
    }
    // Beyond each border and each corner.
    let outside = [
        (-74.0501, 40.75),
        (-73.6999, 40.75),
        (-73.90, 41.0001),
        (-73.90, 40.4999),
        (-74.0501, 41.0001),
        (-73.6999, 41.0001),
        (-74.0501, 40.4999),
        (-73.6999, 40.4999),
    ];
    for (longitude, latitude) in outside {
        assert!(!city::contains(longitude, latitude), "{longitude} {latitude}");
    }
    // Rides between these points: those with both ends in the city are left, with the cells above.
    let points: Vec<((f64, f64), Option<u32>)> = inside
        .iter()
        .map(|(point, cell)| (*point, Some(*cell)))
        .chain(outside.iter().map(|point| (*point, None)))
        .collect();
    let (mut given, mut cleansed, mut enriched) = (Vec::new(), Vec::new(), Vec::new());
    for (start, start_cell) in &points {
        for (end, end_cell) in &points {
            let ride_id = given.len() as u64;
            let [ride, _] = generator::ride(ride_id);
            let is_start = ride.is_start;
            given.push(TaxiRide { start_lon: start.0, start_lat: start.1, end_lon: end.0, end_lat: end.1, ..ride });
            if let (Some(start_cell), Some(end_cell)) = (*start_cell, *end_cell) {
                cleansed.push(ride_id);
                enriched.push(EnrichedRide { ride_id, is_start, start_cell, end_cell });
            }
        }
    }
    let stream = |run: &crate::Run| run.stream(&given, |ride| ride.event_time.0, ride_time, crate::BOUND);
    check(|run| ride_cleansing::cleansed(&stream(run)).map(|ride| ride.ride_id()), cleansed);
    check(|run| ride_cleansing::mapped(&stream(run)), enriched.clone());
    check(|run| ride_cleansing::flat_mapped(&stream(run)), enriched);
}

/// E1.
#[test]
fn rides_outside_the_city_are_left_out() {
    let expected: Vec<_> =
        generator::rides(RIDES).iter().filter(|ride| in_city(ride)).map(|ride| ride.ride_id).collect();
    assert!(expected.len() < generator::rides(RIDES).len());
    check(|run| ride_cleansing::cleansed(&rides(run)).map(|ride| ride.ride_id()), expected);
}

/// E2.
#[test]
fn each_ride_has_the_cells_of_its_ends() {
    check(|run| ride_cleansing::mapped(&rides(run)), enriched());
}

/// E3.
#[test]
fn a_flat_map_gives_a_ride_or_none() {
    check(|run| ride_cleansing::flat_mapped(&rides(run)), enriched());
}

/// E4, E5.
#[test]
fn the_longest_ride_of_a_cell_comes_with_each_ride() {
    let minutes = [6, 5, 8, 8, 3, 11, 12, 7];
    let ended: Vec<Ride> = minutes.into_iter().map(|minutes| Ride { start_cell: 50_797, minutes }).collect();
    let expected = [6, 6, 8, 8, 8, 11, 12, 12].map(|minutes| Ride { start_cell: 50_797, minutes });
    check_in_order(|run| longest_rides::longest(&run.untimed(&ended)), expected.to_vec());
}

/// E4, E5, with the state of rides that have begun.
#[test]
fn the_longest_ride_of_each_cell_in_the_end() {
    let mut longest: BTreeMap<u32, i64> = BTreeMap::new();
    for ride_id in 0..RIDES {
        let [begins, ends] = generator::ride(ride_id);
        if in_city(&begins) {
            let minutes = (ends.event_time.0 - begins.event_time.0) / MINUTE;
            let most = longest.entry(begins.start_cell() % 8).or_default();
            *most = minutes.max(*most);
        }
    }
    // What comes with each ride depends on the order. What comes with the last one, which is seldom the longest itself, does not.
    let expected = longest.into_iter().map(|(start_cell, minutes)| Ride { start_cell, minutes }).collect();
    check(
        |run| {
            let ended = longest_rides::ended(&rides(run));
            let coarse = ended.map(|ride| Ride { start_cell: ride.start_cell() % 8, minutes: ride.minutes() });
            last_of_each(&longest_rides::longest(&coarse), |ride| ride.start_cell())
        },
        expected,
    );
}

/// D7.
#[test]
fn rides_of_more_than_two_hours_are_reported() {
    let long = |ride_id: &u64| {
        let [begins, ends] = generator::ride(*ride_id);
        ends.event_time.0 - begins.event_time.0 > long_ride_alerts::TWO_HOURS
    };
    let expected: Vec<u64> = (0..RIDES).filter(long).collect();
    assert!(!expected.is_empty());
    check(|run| long_ride_alerts::alerts(&rides(run)).0, expected);
}

/// D7: what never comes is reported, and nothing waits for ever.
#[test]
fn rides_without_an_end_are_reported_and_ends_without_a_beginning_go_aside() {
    let halves: Vec<TaxiRide> = generator::rides(RIDES)
        .into_iter()
        .filter(|ride| match ride.ride_id % 10 {
            0 => ride.is_start,
            1 => !ride.is_start,
            _ => true,
        })
        .collect();
    let stream = |run: &crate::Run| run.stream(&halves, |ride| ride.event_time.0, ride_time, crate::BOUND);
    let long = |ride_id: &u64| {
        let [begins, ends] = generator::ride(*ride_id);
        ride_id % 10 != 1
            && (ride_id.is_multiple_of(10) || ends.event_time.0 - begins.event_time.0 > long_ride_alerts::TWO_HOURS)
    };
    check(|run| long_ride_alerts::alerts(&stream(run)).0, (0..RIDES).filter(long).collect());
    check(|run| long_ride_alerts::alerts(&stream(run)).1, (0..RIDES).filter(|ride| ride % 10 == 1).collect());
}

/// D7: as soon as the watermark is two hours past the beginning; and nothing of a ride stays.
#[test]
fn a_long_ride_is_reported_when_the_watermark_says_so_and_leaves_nothing() {
    let operator = OperatorHarness::of(|rides: DataStream<TaxiRide>| long_ride_alerts::alerts(&rides).0).unwrap();
    let two_hours = long_ride_alerts::TWO_HOURS;
    let [begins, ends] = generator::ride(7);
    let half = |ride_id: u64, ride: &TaxiRide, time: i64| {
        Push(TaxiRide { ride_id, event_time: Timestamp(time), ..ride.clone() }, time)
    };
    let now = 30 * two_hours;
    // A half that waits, or an alert, and its timer are two entries.
    let steps: [(Step<TaxiRide>, _); 14] = [
        (half(7, &begins, 0), (vec![], 2)),
        (Watermark(two_hours - 1), (vec![], 2)),
        (Watermark(two_hours), (vec![7], 2)),
        // Its end comes after all: nothing more is said.
        (half(7, &ends, two_hours + 10), (vec![], 1)),
        (Watermark(now - 1), (vec![], 0)),
        // A ride within two hours, in either order; an end without a beginning; a beginning without an end.
        (half(8, &begins, now), (vec![], 2)),
        (half(8, &ends, now + 60_000), (vec![], 0)),
        (half(9, &ends, now + 60_000), (vec![], 2)),
        (half(9, &begins, now), (vec![], 0)),
        (half(10, &ends, now), (vec![], 2)),
        (half(11, &begins, now), (vec![], 4)),
        (Watermark(now + two_hours - 1), (vec![], 4)),
        (Watermark(now + two_hours), (vec![11], 2)),
        (Watermark(2 * now), (vec![], 0)),
    ];
    check_steps(&operator, &steps, |harness, late| (output(harness, late), harness.state_entries()));
}
