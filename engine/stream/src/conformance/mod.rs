//! Whether a source or sink keeps the contract on which exactly once rests: a test that any implementation can run.
//!
//! [`SourceConformance`] and [`SinkConformance`] drive instances as the engine would, without one: they snapshot, crash and restore
//! wherever that may happen, at changing parallelism, and name the [`Rule`] that is broken. They know no implementation: whatever is
//! a [`SourceSpec`](yeoul_operator::SourceSpec) or a [`SinkSpec`](yeoul_operator::SinkSpec) can be checked.

mod compare;
mod faults;
mod frames;
mod garbage;
mod readers;
mod rule;
mod sink;
mod sink_checks;
mod sink_job;
mod source;
mod source_checks;

pub use rule::{Rule, Violation};
pub use sink::SinkConformance;
pub use source::SourceConformance;
