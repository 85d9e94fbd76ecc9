//! The exercises against sequential programs, in every form that a job may run in.

mod runs;
mod steps;
mod rides;
mod fares;
mod words;
mod life;
mod times;
mod views;
mod operations;
mod joins;
mod broadcast;

use yeoul::prelude::*;
use yeoul::rkyv::Archived;
use yeoul_examples::training::generator::{self, MINUTE};
use yeoul_examples::training::records::{TaxiFare, TaxiRide};

use runs::Run;

/// Rides and fares that a test reads.
const RIDES: u64 = 600;
/// How far records are out of order at most.
const BOUND: i64 = 10 * MINUTE;

fn ride_time(ride: &Archived<TaxiRide>) -> Timestamp {
    ride.event_time()
}

fn fare_time(fare: &Archived<TaxiFare>) -> Timestamp {
    fare.start_time()
}

/// All rides of a run.
fn rides(run: &Run) -> DataStream<TaxiRide> {
    run.stream(&generator::rides(RIDES), |ride| ride.event_time.0, ride_time, BOUND)
}

/// All fares of a run.
fn fares(run: &Run) -> DataStream<TaxiFare> {
    run.stream(&generator::fares(RIDES), |fare| fare.start_time.0, fare_time, BOUND)
}
