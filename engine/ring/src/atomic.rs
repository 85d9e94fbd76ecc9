//! The one seam between the machine's atomics and loom's. Everything else in this crate takes them from here.

#[cfg(not(loom))]
pub(crate) use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering, fence},
};

#[cfg(loom)]
pub(crate) use loom::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering, fence},
};

/// A value on cache lines of its own, so that a core that writes it does not take a neighbour's value from another core.
///
/// 128 bytes: x86-64 fetches lines in pairs, and lines of some aarch64 are that long.
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

impl<T> Padded<T> {
    /// Asks for the line to be written soon. A store that follows another then does not wait for its line in turn.
    #[inline]
    pub(crate) fn expect_write(&self) {
        #[cfg(not(loom))]
        yeoul_sys::prefetch_write(self);
    }
}
