//! What benches of whole jobs share: a source that replays frames from memory, and a way to run a job and time it.

pub mod memory_source;
pub mod run;
