//! Delays per airport and hour; flights that come too late for their hour go to a side output.

use std::time::Duration;

use yeoul::prelude::*;

use crate::options::Options;
use crate::records::{ArchivedDeparture, Departure};

/// How far behind the latest scheduled departure a report may be.
pub const BOUND: Duration = Duration::from_secs(3600);

/// One airport's hour.
#[record]
#[derive(Debug, Clone, PartialEq)]
pub struct HourOfDelays {
    /// The airport.
    pub origin: String,
    /// When the hour began.
    pub hour: Timestamp,
    /// Scheduled departures.
    pub flights: u64,
    /// Of them, cancelled.
    pub cancelled: u64,
    /// The longest delay in minutes, if any flight left.
    pub worst: Option<i32>,
    /// The mean delay in minutes, if any flight left.
    pub mean: Option<f64>,
}

/// Folds departures.
#[derive(Clone, Copy)]
pub struct Delays;

impl AggregateFunction for Delays {
    type In = ArchivedDeparture;
    /// Flights, cancelled ones, the sum of delays, the longest.
    type Acc = (u64, u64, i64, i32);
    type Out = (u64, u64, i64, i32);

    fn create(&self) -> Self::Acc {
        (0, 0, 0, i32::MIN)
    }

    fn add(&self, (flights, cancelled, sum, worst): &mut Self::Acc, flight: &ArchivedDeparture) {
        *flights += 1;
        match flight.dep_delay() {
            Some(delay) => (*sum, *worst) = (*sum + i64::from(delay), delay.max(*worst)),
            None => *cancelled += 1,
        }
    }

    fn merge(&self, into: &mut Self::Acc, other: &Self::Acc) {
        *into = (into.0 + other.0, into.1 + other.1, into.2 + other.2, into.3.max(other.3));
    }

    fn result(&self, accumulator: &Self::Acc) -> Self::Out {
        *accumulator
    }
}

/// Builds the job: `delays.csv` and `late.csv` in the folder for results.
pub fn build(env: &Environment, options: &Options) {
    let flights = env.from_source(
        FileSource::csv::<Departure>(&options.input),
        WatermarkStrategy::for_bounded_out_of_orderness(BOUND)
            .with_timestamp_assigner(|flight: &ArchivedDeparture| flight.sched_dep())
            .with_granularity(Duration::ZERO),
        "departures",
    );
    let late = OutputTag::<Departure>::new("late");
    let hours = flights
        .key_by(|flight| KeyStr::from(flight.origin()))
        .window(TumblingEventTimeWindows::of(Duration::from_secs(3600)))
        .side_output_late_data(&late)
        .aggregate_with(Delays, |origin, window, (flights, cancelled, sum, worst), out| {
            let left = flights - cancelled;
            out.collect(HourOfDelays {
                origin: origin.to_string(),
                hour: window.start,
                flights,
                cancelled,
                worst: (left > 0).then_some(worst),
                mean: (left > 0).then(|| sum as f64 / left as f64),
            });
        })
        .name("delays");
    hours.sink_to(Print::<HourOfDelays>::new().most(SHOWN)).name("terminal");
    hours.sink_to(FileSink::csv::<HourOfDelays>(options.result("delays.csv")).single().overwrite()).name("delays.csv");
    let late = hours.side_output(&late);
    late.sink_to(FileSink::csv::<Departure>(options.result("late.csv")).single().overwrite()).name("late.csv");
}

/// How many results are shown as they come; all are in the file.
const SHOWN: u64 = 30;
