//! The records that the examples read and write.

use yeoul::prelude::*;

/// A departure from one of New York's airports, in the order in which departures were reported. Times are UTC.
#[record]
#[derive(Debug, Clone, PartialEq)]
pub struct Departure {
    /// A running number.
    pub flight_id: u64,
    /// Of the airline.
    pub carrier: String,
    /// The flight's number.
    pub flight: u32,
    /// The plane, where known.
    pub tailnum: Option<String>,
    /// From where.
    pub origin: String,
    /// To where.
    pub dest: String,
    /// In miles.
    pub distance: u32,
    /// Scheduled departure: the event time.
    pub sched_dep: Timestamp,
    /// Minutes behind schedule; none if the flight was cancelled.
    pub dep_delay: Option<i32>,
    /// When it was reported.
    pub reported_at: Timestamp,
    /// Minutes behind schedule at arrival.
    pub arr_delay: Option<i32>,
    /// Minutes in the air.
    pub air_time: Option<i32>,
}

/// Weather at an airport.
#[record]
#[derive(Debug, Clone, PartialEq)]
pub struct Weather {
    /// Where.
    pub origin: String,
    /// When.
    pub observed_at: Timestamp,
    /// Degrees Fahrenheit.
    pub temp: Option<f64>,
    /// Miles an hour.
    pub wind_speed: Option<f64>,
    /// Inches.
    pub precip: Option<f64>,
    /// Millibars.
    pub pressure: Option<f64>,
    /// Miles.
    pub visib: Option<f64>,
}

/// A bid of the NEXMark benchmark, as far as the examples use it.
#[record]
#[derive(Debug, Clone, PartialEq)]
pub struct AuctionEvent {
    /// 0 a person, 1 an auction, 2 a bid.
    pub event_type: i32,
    /// The bid, if it is one.
    pub bid: Option<Bid>,
    /// When the person came, if it is one.
    pub person: Option<When>,
    /// When the auction was opened, if it is one.
    pub auction: Option<When>,
}

/// When something happened.
#[record]
#[derive(Debug, Clone, PartialEq)]
pub struct When {
    /// When.
    #[record(rename = "dateTime")]
    pub date_time: Timestamp,
}

/// Someone offers a price.
#[record]
#[derive(Debug, Clone, PartialEq)]
pub struct Bid {
    /// For what.
    pub auction: u64,
    /// The price.
    pub price: i64,
    /// When.
    #[record(rename = "dateTime")]
    pub date_time: Timestamp,
}
