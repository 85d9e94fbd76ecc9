//! A computed key and a rolling maximum: the longest ride so far of each cell.

use yeoul::prelude::*;
use yeoul::state::{Row, States, ValueHandle};

use super::records::{ArchivedTaxiRide, TaxiRide};
use super::{city, ride_cleansing};

/// A ride that has ended.
#[record]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ride {
    /// Where it began.
    pub start_cell: u32,
    /// In minutes.
    pub minutes: i64,
}

/// Gives a ride when it has ended: keyed by the ride, whose beginning waits for its end.
#[derive(Clone, Default)]
struct Ended(ValueHandle<Row<TaxiRide>>);

impl KeyedProcessFunction for Ended {
    type Key = u64;
    type In = TaxiRide;
    type Out = Ride;

    fn open(
        &mut self,
        states: &mut States<u64>,
        _: &mut yeoul::operator::OpenContext<'_>,
    ) -> Result<(), OperatorError> {
        self.0 = states.value("other end");
        Ok(())
    }

    fn process(
        &mut self,
        ride: &ArchivedTaxiRide,
        cx: &mut KeyedContext<'_, u64>,
        out: &mut Collector<Ride>,
    ) -> Result<(), OperatorError> {
        let Some(other) = cx.state(&self.0).get().map(|other| other.get().event_time()) else {
            cx.state(&self.0).update(Row::new(&super::rides_and_fares::owned(ride)));
            return Ok(());
        };
        cx.state(&self.0).clear();
        let start_cell = city::cell_of(ride.start_lon(), ride.start_lat());
        out.collect(Ride { start_cell, minutes: (ride.event_time().0 - other.0).abs() / super::generator::MINUTE });
        Ok(())
    }
}

/// Rides within the city, as they end.
#[must_use]
pub fn ended(rides: &DataStream<TaxiRide>) -> DataStream<Ride> {
    ride_cleansing::cleansed(rides).key_by(|ride| ride.ride_id()).process(Ended::default()).uid("ended rides")
}

/// With each ride that ends, the longest of its cell so far.
#[must_use]
pub fn longest(ended: &DataStream<Ride>) -> DataStream<Ride> {
    ended.key_by(|ride| ride.start_cell()).max_by(|ride| ride.minutes).uid("longest rides")
}
