//! How frames and signals move between shards: a bounded ring from one thread to one other, and a bell that wakes it.
//!
//! A ring keeps its order and never blocks; full, it refuses, which is the engine's only backpressure. A shard with
//! nothing to do parks at its [`Parker`]; whoever pushes to one of its rings calls [`Bell::ring`]. A ring knows nothing
//! of what it carries.
//!
//! Checked three ways: every interleaving at small bounds (`tests/loom.rs`), undefined behaviour (Miri), and threads under
//! load (`tests/stress.rs`).

mod atomic;
#[cfg(not(loom))]
pub mod doorbell;
pub mod parked;
mod slots;
pub mod spsc;

#[cfg(not(loom))]
pub use doorbell::{Bell, Doorbell, Parker};
pub use parked::Parked;
pub use spsc::{Consumer, Producer, ring};
