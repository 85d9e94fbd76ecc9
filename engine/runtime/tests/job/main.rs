//! Whole jobs on real threads and files: results, restarts, savepoints, failures.

mod parts;
mod exactly_once;
mod failures;
mod endings;
mod zero_copy;
mod memory;
mod partitioning;
