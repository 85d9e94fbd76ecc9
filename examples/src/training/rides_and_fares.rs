//! A join by state: each ride's beginning with its fare, in whichever order the two come; and what to do where one never comes.

use yeoul::operator::OpenContext;
use yeoul::prelude::*;
use yeoul::rkyv::Archive;
use yeoul::state::{Row, RowRecord, States, ValueHandle};

use super::records::{ArchivedTaxiFare, ArchivedTaxiRide, TaxiFare, TaxiRide};

/// A ride that begins, and what it costs.
#[record]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RideAndFare {
    /// Names the ride.
    pub ride_id: u64,
    /// The driver, from the ride.
    pub driver_id: u64,
    /// In cents, from the fare.
    pub total: u32,
}

/// A ride without a fare, or a fare without a ride.
#[record]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unmatched {
    /// Names the ride.
    pub ride_id: u64,
    /// Whether it is the ride that came.
    pub is_ride: bool,
}

/// The names under which rides and fares that wait for each other are kept.
#[derive(Clone, Default)]
struct Waiting {
    ride: ValueHandle<Row<TaxiRide>>,
    fare: ValueHandle<Row<TaxiFare>>,
}

/// The owned form of a ride.
pub(crate) fn owned(ride: &ArchivedTaxiRide) -> TaxiRide {
    <TaxiRide as yeoul::frame::OwnedRecord>::from_archived(ride)
}

fn row<T: yeoul::frame::OwnedRecord + RowRecord>(archived: &<T as Archive>::Archived) -> Row<T> {
    Row::new(&T::from_archived(archived))
}

fn pair(ride: &ArchivedTaxiRide, fare: &ArchivedTaxiFare) -> RideAndFare {
    RideAndFare { ride_id: ride.ride_id(), driver_id: ride.driver_id(), total: fare.total() }
}

/// Whoever comes first waits for the other.
#[derive(Clone, Default)]
struct Join(Waiting);

impl KeyedCoProcessFunction for Join {
    type Key = u64;
    type In1 = TaxiRide;
    type In2 = TaxiFare;
    type Out = RideAndFare;

    fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.0 = Waiting { ride: states.value("ride"), fare: states.value("fare") };
        Ok(())
    }

    fn process1(
        &mut self,
        ride: &ArchivedTaxiRide,
        cx: &mut KeyedContext<'_, u64>,
        out: &mut Collector<RideAndFare>,
    ) -> Result<(), OperatorError> {
        match cx.state(&self.0.fare).get().map(|fare| pair(ride, fare.get())) {
            Some(pair) => {
                out.collect(pair);
                cx.state(&self.0.fare).clear();
            }
            None => cx.state(&self.0.ride).update(row(ride)),
        }
        Ok(())
    }

    fn process2(
        &mut self,
        fare: &ArchivedTaxiFare,
        cx: &mut KeyedContext<'_, u64>,
        out: &mut Collector<RideAndFare>,
    ) -> Result<(), OperatorError> {
        match cx.state(&self.0.ride).get().map(|ride| pair(ride.get(), fare)) {
            Some(pair) => {
                out.collect(pair);
                cx.state(&self.0.ride).clear();
            }
            None => cx.state(&self.0.fare).update(row(fare)),
        }
        Ok(())
    }
}

/// Each ride that begins, with its fare.
#[must_use]
pub fn joined(rides: &DataStream<TaxiRide>, fares: &DataStream<TaxiFare>) -> DataStream<RideAndFare> {
    let rides = rides.filter(|ride| ride.is_start()).key_by(|ride| ride.ride_id());
    rides.connect(&fares.key_by(|fare| fare.ride_id())).process(Join::default()).uid("rides and fares")
}

/// As [`Join`], but event time waits for nobody: what is alone when the watermark passes it goes aside.
#[derive(Clone)]
struct ExpiringJoin {
    waiting: Waiting,
    unmatched: OutputTag<Unmatched>,
}

impl KeyedCoProcessFunction for ExpiringJoin {
    type Key = u64;
    type In1 = TaxiRide;
    type In2 = TaxiFare;
    type Out = RideAndFare;

    fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.waiting = Waiting { ride: states.value("ride"), fare: states.value("fare") };
        Ok(())
    }

    fn process1(
        &mut self,
        ride: &ArchivedTaxiRide,
        cx: &mut KeyedContext<'_, u64>,
        out: &mut Collector<RideAndFare>,
    ) -> Result<(), OperatorError> {
        match cx.state(&self.waiting.fare).get().map(|fare| (pair(ride, fare.get()), fare.get().start_time())) {
            Some((pair, since)) => {
                out.collect(pair);
                cx.state(&self.waiting.fare).clear();
                cx.delete_event_time_timer(since);
            }
            None => {
                cx.state(&self.waiting.ride).update(row(ride));
                cx.register_event_time_timer(ride.event_time());
            }
        }
        Ok(())
    }

    fn process2(
        &mut self,
        fare: &ArchivedTaxiFare,
        cx: &mut KeyedContext<'_, u64>,
        out: &mut Collector<RideAndFare>,
    ) -> Result<(), OperatorError> {
        match cx.state(&self.waiting.ride).get().map(|ride| (pair(ride.get(), fare), ride.get().event_time())) {
            Some((pair, since)) => {
                out.collect(pair);
                cx.state(&self.waiting.ride).clear();
                cx.delete_event_time_timer(since);
            }
            None => {
                cx.state(&self.waiting.fare).update(row(fare));
                cx.register_event_time_timer(fare.start_time());
            }
        }
        Ok(())
    }

    fn on_timer(
        &mut self,
        _: Timestamp,
        cx: &mut KeyedContext<'_, u64>,
        _: &mut Collector<RideAndFare>,
    ) -> Result<(), OperatorError> {
        let (ride_id, is_ride) = (*cx.key(), cx.state(&self.waiting.ride).get().is_some());
        cx.state(&self.waiting.ride).clear();
        cx.state(&self.waiting.fare).clear();
        cx.output(&self.unmatched, Unmatched { ride_id, is_ride });
        Ok(())
    }
}

/// As [`joined`], and what found no partner before the watermark passed it.
#[must_use]
pub fn joined_in_time(
    rides: &DataStream<TaxiRide>,
    fares: &DataStream<TaxiFare>,
) -> (DataStream<RideAndFare>, DataStream<Unmatched>) {
    let unmatched = OutputTag::new("unmatched");
    let rides = rides.filter(|ride| ride.is_start()).key_by(|ride| ride.ride_id());
    let join = ExpiringJoin { waiting: Waiting::default(), unmatched: unmatched.clone() };
    let joined = rides.connect(&fares.key_by(|fare| fare.ride_id())).process(join).uid("rides and fares in time");
    let unmatched = joined.side_output(&unmatched);
    (joined, unmatched)
}
