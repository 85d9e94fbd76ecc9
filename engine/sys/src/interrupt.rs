//! Requests to stop from outside: SIGINT (Ctrl-C) and SIGTERM, as a count that anyone may look at.
//!
//! The first is a request, and what becomes of it is up to the program. One who asks three times is not kept waiting: the
//! process ends at once, as it would have done without the handler.
//!
//! Invariants:
//! 1. The handler calls only what is safe in a signal handler: atomic operations and `_exit`.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

/// The request at which the process ends without further ado.
const PATIENCE: u32 = 3;

static ASKED: AtomicU32 = AtomicU32::new(0);

/// Counts requests from now on, in place of ending the process. Further calls do nothing.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(imp::install);
}

/// How often the process was asked to stop.
#[must_use]
pub fn asked() -> u32 {
    ASKED.load(Ordering::Relaxed)
}

#[cfg(not(miri))]
mod imp {
    use super::*;

    pub(super) fn install() {
        for signal in [libc::SIGINT, libc::SIGTERM] {
            // SAFETY: called once, under a `Once`. A zeroed sigaction is a valid one, its fields are set before use, and
            // the handler does only what invariant 1 says.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = on_request as *const () as libc::sighandler_t;
                action.sa_flags = libc::SA_RESTART;
                libc::sigemptyset(&mut action.sa_mask);
                libc::sigaction(signal, &action, std::ptr::null_mut());
            }
        }
    }

    extern "C" fn on_request(signal: libc::c_int) {
        if ASKED.fetch_add(1, Ordering::Relaxed) + 1 >= PATIENCE {
            // SAFETY: _exit takes no pointer and does not return.
            unsafe { libc::_exit(128 + signal) }
        }
    }
}

#[cfg(miri)]
mod imp {
    pub(super) fn install() {}
}
