//! Async I/O: order, capacity, time limits, retries, restores; one operator by hand, and whole jobs.

mod gate;
mod stage;
mod results;
mod restored;
mod any_order;
mod source;
mod job;
