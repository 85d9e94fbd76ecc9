//! An alert as soon as event time is two hours past a ride's beginning without its end; the ends that came without a beginning go aside.

use yeoul::operator::OpenContext;
use yeoul::prelude::*;
use yeoul::state::{States, ValueHandle};

use super::records::{ArchivedTaxiRide, TaxiRide};

/// In milliseconds.
pub const TWO_HOURS: i64 = 2 * 3_600_000;

/// For how long a reported ride's end is waited for, in milliseconds.
const DAY: i64 = 24 * 3_600_000;

/// A ride of which one half waits for the other: whether it has begun, and when that was or when it ended.
type Half = (bool, i64);

#[derive(Clone)]
struct Alerts {
    half: ValueHandle<Half>,
    /// The ride has been reported: its end may still come.
    alerted: ValueHandle<bool>,
    missing_start: OutputTag<u64>,
}

impl KeyedProcessFunction for Alerts {
    type Key = u64;
    type In = TaxiRide;
    type Out = u64;

    fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.half = states.value("half");
        self.alerted = states.value("alerted");
        Ok(())
    }

    fn process(
        &mut self,
        ride: &ArchivedTaxiRide,
        cx: &mut KeyedContext<'_, u64>,
        out: &mut Collector<u64>,
    ) -> Result<(), OperatorError> {
        let (is_start, time) = (ride.is_start(), ride.event_time());
        if cx.state(&self.alerted).get().is_some() {
            // The end of a ride that has been reported. Nothing more will come of it.
            cx.state(&self.alerted).clear();
            return Ok(());
        }
        match cx.state(&self.half).get().copied() {
            None => {
                cx.state(&self.half).update((is_start, time.0));
                // A beginning waits for two hours; an end without one is given the same, so that neither stays for ever.
                cx.register_event_time_timer(time.plus(TWO_HOURS));
            }
            Some((was_start, other)) => {
                cx.state(&self.half).clear();
                cx.delete_event_time_timer(Timestamp(other).plus(TWO_HOURS));
                let (start, end) = if was_start { (other, time.0) } else { (time.0, other) };
                if end - start > TWO_HOURS {
                    out.collect(ride.ride_id());
                }
            }
        }
        Ok(())
    }

    fn on_timer(
        &mut self,
        time: Timestamp,
        cx: &mut KeyedContext<'_, u64>,
        out: &mut Collector<u64>,
    ) -> Result<(), OperatorError> {
        let ride_id = *cx.key();
        match cx.state(&self.half).get().copied() {
            Some((true, _)) => {
                out.collect(ride_id);
                cx.state(&self.alerted).update(true);
                cx.register_event_time_timer(time.plus(DAY));
            }
            Some((false, _)) => cx.output(&self.missing_start, ride_id),
            // A day after the alert nobody waits for the ride's end any more.
            None => cx.state(&self.alerted).clear(),
        }
        cx.state(&self.half).clear();
        Ok(())
    }
}

/// The rides of more than two hours, and those of which only the end came.
#[must_use]
pub fn alerts(rides: &DataStream<TaxiRide>) -> (DataStream<u64>, DataStream<u64>) {
    let missing_start = OutputTag::new("missing start");
    let function =
        Alerts { half: ValueHandle::default(), alerted: ValueHandle::default(), missing_start: missing_start.clone() };
    let alerts = rides.key_by(|ride| ride.ride_id()).process(function).uid("long rides");
    let missing_start = alerts.side_output(&missing_start);
    (alerts, missing_start)
}
