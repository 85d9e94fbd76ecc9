//! Who does what, and when: shards, barrier alignment, exchange, checkpoints, recovery.
//!
//! A job graph becomes tasks; each shard runs one subtask of each. A shard is a steppable state machine that never blocks: on
//! threads in production (`threads.rs`), under one seeded scheduler in the simulator. Nothing here knows what an operator computes.

pub mod config;
pub mod error;
pub mod plan;
pub mod build;
pub mod message;
mod bells;
pub mod event_time;
pub mod alignment;
pub mod inbox;
pub mod align;
pub mod merge;
pub mod chain;
pub mod outbox;
pub mod task;
pub mod shard;
pub mod drain;
pub mod compact;
pub mod memory;
pub mod writer;
pub mod attention;
pub mod request;
pub mod coordinator;
pub mod store;
pub mod restore;
pub mod attempt;
pub mod watch;
pub mod restart;
pub mod threads;
pub mod job;
#[cfg(test)]
mod golden;

pub use align::CheckpointingMode;
pub use config::JobConfig;
pub use error::JobError;
pub use job::{JobHandle, spawn};
pub use request::{Outcome, Request};
pub use restart::RestartStrategy;
pub use watch::JobWatch;
