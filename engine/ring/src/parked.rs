//! The handshake between a thread about to sleep and those that may have work for it, without the sleep itself.
//!
//! The sleeper announces itself, then looks for work once more; the bringer of work puts it down, then looks for a sleeper.
//! Between write and look each has a SeqCst fence, so at least one of them sees the other (Dekker's argument): either the
//! sleeper finds the work, or the bringer finds the sleeper. The fence costs about 20 ns, the look a line that is shared
//! while nobody sleeps.
//!
//! Invariants:
//! 1. Of those who bring work to one announced sleeper, exactly one is told to wake it.
//! 2. A wake may come late, when the sleeper has gone on by itself; never not at all.

use std::fmt;

use crate::atomic::{AtomicBool, Ordering, Padded, fence};

/// Whether someone sleeps, or is about to.
///
/// The system's part of sleeping and waking is the caller's: [`Doorbell`](crate::doorbell) uses mio's poll, the model
/// check loom's threads.
pub struct Parked(Padded<AtomicBool>);

impl Default for Parked {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Parked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parked")
    }
}

impl Parked {
    /// Nobody sleeps.
    #[must_use]
    pub fn new() -> Self {
        Self(Padded(AtomicBool::new(false)))
    }

    /// Announces the sleep. Look for work after this, and sleep only if there is none.
    #[inline]
    pub fn announce(&self) {
        // Every change is a swap, here and below: plain stores beside swaps of another thread have an order too, but loom
        // does not keep to it, and on the way to sleep the difference is nothing.
        self.0.0.swap(true, Ordering::Relaxed);
        // SeqCst: pairs with the fence in `take`. Ours first: the bringer's load sees the announcement. Theirs first: our look
        // at the rings, after this, sees the work.
        fence(Ordering::SeqCst);
    }

    /// Takes the announcement back: there was work, or the sleep is over.
    #[inline]
    pub fn withdraw(&self) {
        // Relaxed: a wake that is already on its way is spurious, which every sleeper must bear.
        self.0.0.swap(false, Ordering::Relaxed);
    }

    /// Whether the sleep is announced and nobody has taken on to end it.
    #[inline]
    #[must_use]
    pub fn is_announced(&self) -> bool {
        // Relaxed: a hint; nothing is read on the strength of it.
        self.0.0.load(Ordering::Relaxed)
    }

    /// Called after work was put down: whether the caller must wake the sleeper.
    #[inline]
    #[must_use]
    pub fn take(&self) -> bool {
        // SeqCst: pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
        // Relaxed: the fence has done the ordering. The plain load first leaves the line shared while nobody sleeps; the swap
        // lets one of several bringers win.
        self.0.0.load(Ordering::Relaxed) && self.0.0.swap(false, Ordering::Relaxed)
    }
}
