//! The only door to the operating system: storage, mapped memory, clocks, threads, and points at which to fail.
//!
//! The engine sees files and time as the traits [`Storage`], [`File`] and [`Clock`], so that the simulator can put its
//! own in their place. What only makes sense on a real machine (pinning, huge pages, signals) is here as plain functions
//! and types with a safe surface. Nothing here knows of records, state or epochs.

#[cfg(feature = "allocator")]
pub mod allocator;
pub mod clock;
pub mod disk;
pub mod failpoint;
pub mod interrupt;
pub mod memory;
pub mod planted;
pub mod prefetch;
pub mod random;
pub mod region;
pub mod sigbus;
pub mod slab;
pub mod storage;
pub mod thread;

pub use clock::{Clock, SystemClock};
pub use disk::DiskStorage;
pub use memory::{allocated_bytes, memory_bytes};
pub use prefetch::{prefetch_read, prefetch_read_at, prefetch_write, prefetch_write_at};
pub use random::Random;
pub use region::Region;
pub use slab::{Slab, advise_huge_pages};
pub use storage::{Entry, File, Storage};
