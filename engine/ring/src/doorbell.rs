//! Parks a thread with nothing to do in mio's poll, until a bell rings or I/O is ready.
//!
//! A bell that is rung when nobody is parked costs a fence and a load; only one that finds the thread parked makes a system
//! call. So a sender rings after every push, and a busy receiver is never disturbed.
//!
//! Invariants:
//! 1. What was pushed before [`Bell::ring`] is found after [`Parker::prepare`], or ends the next [`Parker::park`].
//! 2. A park may end for no reason; it never lasts past a ring.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Poll, Registry, Token, Waker};

use crate::parked::Parked;

/// The token of the bell itself; I/O that is registered with [`Parker::registry`] may use any other.
pub const BELL: Token = Token(usize::MAX);
/// I/O events that one park takes in; more wait for the next.
const EVENTS: usize = 64;

/// Makes a parker and its bell.
///
/// ```
/// use std::time::Duration;
/// use yeoul_ring::{Doorbell, ring};
///
/// # fn main() -> std::io::Result<()> {
/// let (mut parker, bell) = Doorbell::new()?;
/// let (mut producer, mut consumer) = ring(8);
/// let sender = std::thread::spawn(move || {
///     producer.try_push("work").unwrap();
///     bell.ring().unwrap();
/// });
/// loop {
///     parker.prepare();
///     if let Some(work) = consumer.try_pop() {
///         parker.cancel();
///         assert_eq!(work, "work");
///         break;
///     }
///     parker.park(Some(Duration::from_secs(1)))?;
/// }
/// # sender.join().unwrap();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Doorbell;

impl Doorbell {
    /// A parker for one thread, and a bell to be cloned to all that bring it work.
    ///
    /// Fails if the system gives no poll or no waker, as when the process has too many open files.
    #[allow(clippy::new_ret_no_self, reason = "a doorbell is its two ends")]
    pub fn new() -> io::Result<(Parker, Bell)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), BELL)?;
        let shared = Arc::new(Shared { parked: Parked::new(), waker });
        let parker =
            Parker { poll, events: Events::with_capacity(EVENTS), shared: Arc::clone(&shared), prepared: false };
        Ok((parker, Bell { shared }))
    }
}

struct Shared {
    parked: Parked,
    waker: Waker,
}

/// Where one thread waits.
pub struct Parker {
    poll: Poll,
    events: Events,
    shared: Arc<Shared>,
    prepared: bool,
}

impl Parker {
    /// Announces that this thread is about to park. Look at every source of work after this; then [`park`](Self::park) if
    /// there is none, or [`cancel`](Self::cancel).
    #[inline]
    pub fn prepare(&mut self) {
        self.shared.parked.announce();
        self.prepared = true;
    }

    /// Whether the bell has rung since `prepare`, so that a park would end at once. For whoever drives parts without parking.
    #[must_use]
    pub fn is_rung(&self) -> bool {
        self.prepared && !self.shared.parked.is_announced()
    }

    /// Takes `prepare` back: there was work after all.
    #[inline]
    pub fn cancel(&mut self) {
        self.shared.parked.withdraw();
        self.prepared = false;
    }

    /// Waits until the bell rings, I/O is ready or the timeout is over (`None`: there is none); possibly less. Which I/O is
    /// ready, [`ready`](Self::ready) says.
    ///
    /// Panics if [`prepare`](Self::prepare) was not called since the last park: work could have been missed.
    pub fn park(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        assert!(self.prepared, "prepare, look for work, then park");
        let polled = self.poll(timeout);
        self.cancel();
        polled
    }

    fn poll(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            // A signal ends the wait early, which the caller bears as it does any spurious wake.
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            other => other,
        }
    }

    /// Looks for I/O that is ready, without waiting; for a thread that is too busy ever to park.
    pub fn poll_io(&mut self) -> io::Result<()> {
        self.poll(Some(Duration::ZERO))
    }

    /// The I/O that was ready when the last park ended.
    pub fn ready(&self) -> impl Iterator<Item = Token> + '_ {
        self.events.iter().map(|event| event.token()).filter(|&token| token != BELL)
    }

    /// Where I/O is registered, with any token but [`BELL`].
    #[must_use]
    pub fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// Another bell of this parker.
    #[must_use]
    pub fn bell(&self) -> Bell {
        Bell { shared: Arc::clone(&self.shared) }
    }
}

/// Wakes the thread at one parker. A clone is the same bell.
#[derive(Clone)]
pub struct Bell {
    shared: Arc<Shared>,
}

impl Bell {
    /// Wakes the parked thread, if it is parked or about to be. Call it after the work was put where that thread looks.
    ///
    /// Fails only if the system refuses the wake; then the thread may sleep on, so the caller must fail too.
    #[inline]
    pub fn ring(&self) -> io::Result<()> {
        if self.shared.parked.take() { self.shared.waker.wake() } else { Ok(()) }
    }
}

impl fmt::Debug for Parker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parker").field("prepared", &self.prepared).finish_non_exhaustive()
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell").finish_non_exhaustive()
    }
}
