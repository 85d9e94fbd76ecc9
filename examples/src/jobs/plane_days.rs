//! A plane's day: its flights until it has stood for eight hours, as a session.

use std::time::Duration;

use yeoul::prelude::*;

use crate::options::Options;
use crate::records::ArchivedDeparture;

/// A plane that stands for this long begins a new day.
pub const GAP: Duration = Duration::from_secs(8 * 3600);

/// What a plane did between two long stops.
#[record]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlaneDay {
    /// The plane.
    pub tailnum: String,
    /// Its first scheduled departure of the day.
    pub first: Timestamp,
    /// Its last.
    pub last: Timestamp,
    /// How many.
    pub flights: u64,
    /// Miles in all.
    pub miles: u64,
}

/// Counts flights and miles.
#[derive(Clone, Copy)]
pub struct Day;

impl AggregateFunction for Day {
    type In = ArchivedDeparture;
    type Acc = (u64, u64);
    type Out = (u64, u64);

    fn create(&self) -> (u64, u64) {
        (0, 0)
    }

    fn add(&self, (flights, miles): &mut (u64, u64), flight: &ArchivedDeparture) {
        *flights += 1;
        *miles += u64::from(flight.distance());
    }

    fn merge(&self, into: &mut (u64, u64), other: &(u64, u64)) {
        *into = (into.0 + other.0, into.1 + other.1);
    }

    fn result(&self, day: &(u64, u64)) -> (u64, u64) {
        *day
    }
}

/// Builds the job: `days` below the folder for results.
pub fn build(env: &Environment, options: &Options) {
    super::departures(env, options)
        .filter(|flight| flight.tailnum().is_some())
        .key_by(|flight| KeyStr::from(flight.tailnum().unwrap_or_default()))
        .window(EventTimeSessionWindows::with_gap(GAP))
        .aggregate_with(Day, |tailnum, window, (flights, miles), out| {
            let last = window.end.minus(GAP.as_millis() as i64);
            out.collect(PlaneDay { tailnum: tailnum.to_string(), first: window.start, last, flights, miles });
        })
        .name("days")
        .sink_to(FileSink::csv::<PlaneDay>(options.result("days")).overwrite())
        .name("days.csv");
}
