//! The records of the exercises. Money is in cents, so that sums do not depend on the order in which they are made.

use yeoul::prelude::*;

/// A ride begins or ends.
#[record]
#[derive(Debug, Clone, PartialEq)]
pub struct TaxiRide {
    /// Names the ride.
    pub ride_id: u64,
    /// Whether it begins.
    pub is_start: bool,
    /// When.
    pub event_time: Timestamp,
    /// Where it began, in degrees.
    pub start_lon: f64,
    /// Where it began, in degrees.
    pub start_lat: f64,
    /// Where it ends, in degrees.
    pub end_lon: f64,
    /// Where it ends, in degrees.
    pub end_lat: f64,
    /// How many.
    pub passengers: u16,
    /// The car.
    pub taxi_id: u64,
    /// The driver.
    pub driver_id: u64,
}

/// What a ride cost.
#[record]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaxiFare {
    /// Names the ride.
    pub ride_id: u64,
    /// The car.
    pub taxi_id: u64,
    /// The driver.
    pub driver_id: u64,
    /// When the ride began.
    pub start_time: Timestamp,
    /// Whether by card.
    pub by_card: bool,
    /// In cents.
    pub tip: u32,
    /// In cents.
    pub tolls: u32,
    /// In cents.
    pub total: u32,
}

impl TaxiRide {
    /// The cell in which it began.
    #[must_use]
    pub fn start_cell(&self) -> u32 {
        super::city::cell_of(self.start_lon, self.start_lat)
    }
}
