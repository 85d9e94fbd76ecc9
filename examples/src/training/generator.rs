//! Makes rides and fares: each is a function of its number, so any part of them can be made again.

use yeoul::frame::hash_u64;
use yeoul::prelude::*;

use super::records::{TaxiFare, TaxiRide};

/// The first ride begins at 2026-01-01 00:00 UTC.
pub const BEGINNING: Timestamp = Timestamp(1_767_225_600_000);
/// A minute, in milliseconds.
pub const MINUTE: i64 = 60_000;
/// How many drivers there are.
const DRIVERS: u64 = 40;

/// A number below `below` that depends on the ride and on what it is for.
fn chance(ride_id: u64, what: u64, below: u64) -> u64 {
    hash_u64(ride_id << 8 | what).0 % below
}

/// When a ride begins: twenty seconds after the one before it.
fn start(ride_id: u64) -> Timestamp {
    BEGINNING.plus(ride_id as i64 * 20_000)
}

/// How long a ride takes, in minutes: one in fifty more than two hours.
fn minutes(ride_id: u64) -> i64 {
    let most = if chance(ride_id, 1, 50) == 0 { 200 } else { 60 };
    1 + chance(ride_id, 2, most) as i64
}

/// The beginning and the end of a ride. One in ten begins or ends out of town.
#[must_use]
pub fn ride(ride_id: u64) -> [TaxiRide; 2] {
    let out = chance(ride_id, 3, 10);
    let longitude = |what, out| if out { -75.0 } else { -74.0 + chance(ride_id, what, 2_500) as f64 / 10_000.0 };
    let latitude = |what| 40.55 + chance(ride_id, what, 4_000) as f64 / 10_000.0;
    let begins = TaxiRide {
        ride_id,
        is_start: true,
        event_time: start(ride_id),
        start_lon: longitude(4, out == 0),
        start_lat: latitude(5),
        end_lon: longitude(6, out == 1),
        end_lat: latitude(7),
        passengers: 1 + chance(ride_id, 8, 4) as u16,
        taxi_id: chance(ride_id, 9, DRIVERS) / 2,
        driver_id: chance(ride_id, 9, DRIVERS),
    };
    let ends =
        TaxiRide { is_start: false, event_time: begins.event_time.plus(minutes(ride_id) * MINUTE), ..begins.clone() };
    [begins, ends]
}

/// What a ride cost, known when it begins.
#[must_use]
pub fn fare(ride_id: u64) -> TaxiFare {
    let [ride, _] = ride(ride_id);
    let (tip, tolls) = (chance(ride_id, 10, 1_000) as u32, 500 * (chance(ride_id, 11, 8) / 7) as u32);
    TaxiFare {
        ride_id,
        taxi_id: ride.taxi_id,
        driver_id: ride.driver_id,
        start_time: ride.event_time,
        by_card: chance(ride_id, 12, 3) > 0,
        tip,
        tolls,
        total: 250 + minutes(ride_id) as u32 * 60 + tip + tolls,
    }
}

/// The beginnings and ends of the first `count` rides, in the order of event time.
#[must_use]
pub fn rides(count: u64) -> Vec<TaxiRide> {
    let mut rides: Vec<TaxiRide> = (0..count).flat_map(ride).collect();
    rides.sort_by_key(|ride| ride.event_time);
    rides
}

/// The fares of the first `count` rides, in the order of event time.
#[must_use]
pub fn fares(count: u64) -> Vec<TaxiFare> {
    (0..count).map(fare).collect()
}
