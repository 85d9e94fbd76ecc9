//! Waking a parked shard.

use yeoul_ring::Bell;

/// Wakes the shard if it is parked.
///
/// # Panics
/// If the kernel refuses to count up an event descriptor, which it does only for one that is not open any more.
pub(crate) fn ring(bell: &Bell) {
    if let Err(error) = bell.ring() {
        panic!("a shard's bell cannot be rung: {error}");
    }
}
