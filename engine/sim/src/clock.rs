//! Time that passes only when the scheduler says so.
//!
//! Invariants:
//! 1. Monotonic time never goes back, not even when the wall clock is set back.
//! 2. Reading the clock does not move it, so that adding a reading to the engine changes no schedule.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use yeoul_sys::Clock;

/// The clocks of the simulated machine; clones show the same time.
///
/// ```
/// use yeoul_sim::clock::SimClock;
/// use yeoul_sys::Clock;
/// let clock = SimClock::new(1_000);
/// clock.advance(2_500_000);
/// assert_eq!((clock.monotonic_nanos(), clock.wall_millis()), (2_500_000, 1_002));
/// clock.set_wall(500);
/// assert_eq!((clock.monotonic_nanos(), clock.wall_millis()), (2_500_000, 500));
/// ```
#[derive(Debug, Clone)]
pub struct SimClock {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    nanos: AtomicU64,
    /// What the wall clock showed when `nanos` was zero; moves when the wall clock is set.
    epoch_millis: AtomicI64,
}

impl SimClock {
    /// Monotonic time zero; the wall clock at `wall_millis` since 1970.
    #[must_use]
    pub fn new(wall_millis: i64) -> Self {
        Self { inner: Arc::new(Inner { nanos: AtomicU64::new(0), epoch_millis: AtomicI64::new(wall_millis) }) }
    }

    /// Lets time pass, on both clocks.
    pub fn advance(&self, nanos: u64) {
        self.inner.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Lets time pass until the monotonic clock shows at least `nanos`.
    pub fn advance_to(&self, nanos: u64) {
        self.inner.nanos.fetch_max(nanos, Ordering::Relaxed);
    }

    /// Sets the wall clock, forwards or back, as an operator or NTP does.
    pub fn set_wall(&self, millis: i64) {
        let passed = self.passed_millis();
        self.inner.epoch_millis.store(millis.wrapping_sub(passed), Ordering::Relaxed);
    }

    /// A clock of its own that shows the same time now.
    #[must_use]
    pub fn fork(&self) -> Self {
        let nanos = self.inner.nanos.load(Ordering::Relaxed);
        let epoch_millis = self.inner.epoch_millis.load(Ordering::Relaxed);
        Self { inner: Arc::new(Inner { nanos: AtomicU64::new(nanos), epoch_millis: AtomicI64::new(epoch_millis) }) }
    }

    fn passed_millis(&self) -> i64 {
        (self.inner.nanos.load(Ordering::Relaxed) / 1_000_000).cast_signed()
    }
}

impl Clock for SimClock {
    fn monotonic_nanos(&self) -> u64 {
        self.inner.nanos.load(Ordering::Relaxed)
    }

    fn wall_millis(&self) -> i64 {
        self.inner.epoch_millis.load(Ordering::Relaxed).wrapping_add(self.passed_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_show_the_same_time_and_reading_does_not_move_it() {
        let clock = SimClock::new(0);
        let other = clock.clone();
        clock.advance_to(7_000_000);
        clock.advance_to(3_000_000);
        for _ in 0..3 {
            assert_eq!((other.monotonic_nanos(), other.wall_millis()), (7_000_000, 7));
        }
    }
}
