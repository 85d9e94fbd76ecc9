//! Filter, map and flat map: rides within the city, with the cells of their ends.

use yeoul::prelude::*;

use super::city;
use super::records::{ArchivedTaxiRide, TaxiRide};

/// A ride with the cells in which it begins and ends.
#[record]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EnrichedRide {
    /// Names the ride.
    pub ride_id: u64,
    /// Whether it begins.
    pub is_start: bool,
    /// Where it begins.
    pub start_cell: u32,
    /// Where it ends.
    pub end_cell: u32,
}

fn is_in_city(ride: &ArchivedTaxiRide) -> bool {
    city::contains(ride.start_lon(), ride.start_lat()) && city::contains(ride.end_lon(), ride.end_lat())
}

fn enriched(ride: &ArchivedTaxiRide) -> EnrichedRide {
    EnrichedRide {
        ride_id: ride.ride_id(),
        is_start: ride.is_start(),
        start_cell: city::cell_of(ride.start_lon(), ride.start_lat()),
        end_cell: city::cell_of(ride.end_lon(), ride.end_lat()),
    }
}

/// Rides that begin and end in the city.
#[must_use]
pub fn cleansed(rides: &DataStream<TaxiRide>) -> DataStream<TaxiRide> {
    rides.filter(is_in_city)
}

/// One enriched ride for each.
#[must_use]
pub fn mapped(rides: &DataStream<TaxiRide>) -> DataStream<EnrichedRide> {
    cleansed(rides).map(enriched)
}

/// Both at once: an enriched ride, or none.
#[must_use]
pub fn flat_mapped(rides: &DataStream<TaxiRide>) -> DataStream<EnrichedRide> {
    rides.flat_map(|ride, out| {
        if is_in_city(ride) {
            out.collect(enriched(ride));
        }
    })
}
