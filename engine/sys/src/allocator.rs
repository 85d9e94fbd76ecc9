//! The allocator of Yeoul's own programs: mimalloc, which keeps what is freed for longer than it does by itself.
//!
//! Frames, and the columns they are made of, are allocated and freed all the time, in blocks of up to some megabytes. If such memory goes
//! back to the system and comes again, the system zeroes it again, by huge pages: with mimalloc's second of patience that took more than
//! half of a join's time.

use std::ffi::{c_int, c_long};
use std::time::Duration;

pub use mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc 3, in milliseconds.
const PURGE_DELAY: c_int = 15;

unsafe extern "C" {
    fn mi_option_set(option: c_int, value: c_long);
}

/// Lets what is freed stay with this process for so long, ready to be used again.
///
/// Has an effect on programs whose global allocator is [`MiMalloc`].
///
/// ```
/// yeoul_sys::allocator::keep_freed(std::time::Duration::from_secs(10));
/// ```
pub fn keep_freed(time: Duration) {
    let millis = c_long::try_from(time.as_millis()).unwrap_or(c_long::MAX);
    // SAFETY: mimalloc's function of this name and type, which is linked in with `MiMalloc`; it takes any value, on any thread.
    unsafe { mi_option_set(PURGE_DELAY, millis) }
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" {
        fn mi_option_get(option: c_int) -> c_long;
    }

    #[test]
    fn the_option_is_the_one_that_is_meant() {
        // SAFETY: mimalloc's function of this name and type.
        let get = || unsafe { mi_option_get(PURGE_DELAY) };
        // Its place among the options may change with mimalloc; what it is by itself tells it from the others.
        assert!(std::env::var_os("MIMALLOC_PURGE_DELAY").is_some() || get() == 1000);
        keep_freed(Duration::from_secs(7));
        assert_eq!(get(), 7000);
    }
}
