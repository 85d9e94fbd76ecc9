//! Time as an argument: the engine asks a [`Clock`], never the system, so that the simulator can set it.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A source of time.
pub trait Clock: Send + Sync {
    /// Nanoseconds since some fixed moment of this process's life. Never goes back.
    fn monotonic_nanos(&self) -> u64;

    /// Milliseconds since 1970-01-01 00:00:00 UTC. May jump either way when the machine's clock is set.
    fn wall_millis(&self) -> i64;
}

/// The machine's clocks. All values of this type in a process agree.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn monotonic_nanos(&self) -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        // Runs out after 584 years.
        START.get_or_init(Instant::now).elapsed().as_nanos() as u64
    }

    fn wall_millis(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_millis() as i64,
            Err(before) => -(before.duration().as_millis() as i64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_time_does_not_go_back_and_wall_time_is_of_this_century() {
        let mut last = 0;
        for _ in 0..1000 {
            let now = SystemClock.monotonic_nanos();
            assert!(now >= last);
            last = now;
        }
        assert!((1_577_836_800_000..4_102_444_800_000).contains(&SystemClock.wall_millis()));
    }
}
