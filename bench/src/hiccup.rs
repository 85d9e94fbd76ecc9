//! What the machine itself takes away from threads that only ever look at the clock: other threads, the kernel, the hypervisor.
//!
//! A record that is due while its core is taken waits at least until the core is back; no engine does better than this.

use std::time::{Duration, Instant};

use crate::histogram::Histogram;

/// Nanoseconds between two events.
const EVERY: u64 = 1000;

/// Looks at the clock on every core at once for this long, and returns how late events would be seen that are due each microsecond.
///
/// # Panics
/// If a thread cannot be started.
#[must_use]
pub fn hiccups(length: Duration) -> Histogram {
    let cores = yeoul_sys::thread::cores();
    let threads: Vec<_> = (0..cores)
        .map(|core| {
            yeoul_sys::thread::spawn_pinned(format!("watch-{core}"), Some(core), move || watch(length))
                .expect("a thread")
        })
        .collect();
    let mut all = Histogram::default();
    for thread in threads {
        all.merge(&thread.join().expect("it only looks at the clock"));
    }
    all
}

fn watch(length: Duration) -> Histogram {
    let (begin, mut seen) = (Instant::now(), Histogram::default());
    let mut last = begin;
    while last - begin < length {
        let now = Instant::now();
        let gap = (now - last).as_nanos() as u64;
        if gap >= EVERY {
            (0..gap).step_by(EVERY as usize).for_each(|late| seen.add(late, 1));
            last = now;
        }
    }
    seen
}
