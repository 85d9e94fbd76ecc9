//! The answers, worked out by plain sequential programs over all records at once: no shards, no watermarks, no state, no epochs.
//!
//! Each function is short enough to be seen correct, and shares no code with the engine.

pub mod clock;
pub mod join;
pub mod lateness;
pub mod session;
pub mod timers;
pub mod ttl;
pub mod window;
