//! Which futures are to be polled: each has a waker of its own, which says so once and wakes the shard.
//!
//! Invariants:
//! 1. A future that was woken after its last poll began is in the queue, and its shard has been woken after it was put there.
//! 2. The queue holds each attempt at most once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use crossbeam_channel::{Receiver, Sender, unbounded};
use yeoul_operator::Waker;

use super::order::Number;

/// The queue of futures to be polled.
pub(super) struct Wakes {
    woken: Receiver<Number>,
    shared: Arc<Shared>,
}

struct Shared {
    queue: Sender<Number>,
    shard: Waker,
}

/// Wakes the future of one attempt, from any thread.
pub(super) struct Call {
    number: Number,
    queued: AtomicBool,
    shared: Arc<Shared>,
}

impl Wakes {
    pub(super) fn new(shard: Waker) -> Self {
        let (queue, woken) = unbounded();
        Self { woken, shared: Arc::new(Shared { queue, shard }) }
    }

    /// The waker of a new attempt, which is to be polled.
    pub(super) fn call(&self, number: Number) -> Arc<Call> {
        let call = Arc::new(Call { number, queued: AtomicBool::new(true), shared: self.shared.clone() });
        call.queue();
        call
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.woken.is_empty()
    }

    /// A request to be polled. It may be over meanwhile, or at another attempt: a poll too much does no harm.
    pub(super) fn next(&self) -> Option<Number> {
        self.woken.try_recv().ok()
    }
}

impl Call {
    /// A poll begins: who wakes from here on means the next one.
    pub(super) fn begin(&self) {
        // AcqRel: pairs with the swap in `wake_by_ref`. Who found the future queued already has written before what this poll then sees.
        self.queued.swap(false, Ordering::AcqRel);
    }

    fn queue(&self) {
        // Without the operator nobody polls any more.
        let _ = self.shared.queue.send(self.number);
    }
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // AcqRel: pairs with the swap in `begin`.
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.queue();
            self.shared.shard.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn a_future_is_queued_once_however_often_it_is_woken_and_again_after_its_poll() {
        let rung = Arc::<AtomicUsize>::default();
        let bell = rung.clone();
        let wakes = Wakes::new(Waker::new(move || {
            bell.fetch_add(1, Ordering::Relaxed);
        }));
        let call = wakes.call(Number(7));
        let waker = std::task::Waker::from(call.clone());
        waker.wake_by_ref();
        assert_eq!(
            (wakes.next(), wakes.next()),
            (Some(Number(7)), None),
            "a new attempt is polled without being woken"
        );
        call.begin();
        let clones = [waker.clone(), waker];
        std::thread::spawn(move || clones.into_iter().for_each(std::task::Waker::wake)).join().unwrap();
        assert_eq!((wakes.next(), wakes.next()), (Some(Number(7)), None));
        assert_eq!(rung.load(Ordering::Relaxed), 1);
    }
}
