//! The jobs.

use std::time::Duration;

use yeoul::prelude::*;

use crate::options::Options;
use crate::records::{ArchivedDeparture, Departure};

pub mod delays;
pub mod plane_days;
pub mod unseen_planes;
pub mod weather;
pub mod hot_bids;

/// Longer than any departure of the month was reported late (1,300 minutes): with it, nothing is late.
pub const LONGEST_DELAY: Duration = Duration::from_secs(24 * 3600);

/// All departures, in event time by schedule, none of them late.
#[must_use]
pub fn departures(env: &Environment, options: &Options) -> DataStream<Departure> {
    env.from_source(
        FileSource::csv::<Departure>(&options.input),
        WatermarkStrategy::for_bounded_out_of_orderness(LONGEST_DELAY)
            .with_timestamp_assigner(|flight: &ArchivedDeparture| flight.sched_dep()),
        "departures",
    )
}
