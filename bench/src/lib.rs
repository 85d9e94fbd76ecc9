//! What benches of whole jobs share: sources in memory and by the clock, histograms, and a way to run a job and time it.

pub mod disk;
pub mod driven;
pub mod hiccup;
pub mod histogram;
pub mod memory_source;
pub mod paced_source;
pub mod process;
pub mod run;
