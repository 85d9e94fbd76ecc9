//! Tests of the log, the manifest and savepoints together, over a storage in memory.

mod memory;
mod model;

mod corruption;
mod crash;
mod golden;
mod store;
