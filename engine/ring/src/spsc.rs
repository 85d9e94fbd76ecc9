//! A bounded ring from one producer to one consumer, each on a thread of its own; neither ever waits.
//!
//! Each end keeps its own index and a copy of the other's as last seen, and looks at the other's cache line only when that
//! copy does not suffice (John Giacomoni, Tipp Moseley, Manish Vachharajani, "FastForward for Efficient Pipeline
//! Parallelism", 2008, states the cost; the cached index is the form in mgeier/rtrb). A batch is published by one store.
//!
//! What is left of the cost is cache lines that move between cores, so each end asks for them before it needs them: the
//! producer for the places it will fill after the next batch and for its index, the consumer for the batch after this one.
//! That doubled the throughput of batches of 64 words and took a fifth off the time of one hop.
//!
//! Invariants:
//! 1. Positions count from zero and wrap at the end of `usize`: `0 <= tail - head <= capacity`.
//! 2. Places `head..tail` hold items and are the consumer's; all others are empty and the producer's.
//! 3. Only the producer stores `tail`, only the consumer stores `head`; each end's own copy is exact, its copy of the other
//!    is some value that the other had: the producer never overrates the room, nor the consumer the items.
//! 4. An end that is dropped says so after its last store.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use crate::atomic::{Arc, AtomicBool, AtomicUsize, Ordering, Padded};
use crate::slots::Slots;

/// Makes a ring for up to `capacity` items, and gives its two ends.
///
/// Panics if `capacity` is not a power of two.
///
/// ```
/// let (mut producer, mut consumer) = yeoul_ring::ring(64);
/// std::thread::spawn(move || {
///     assert_eq!(producer.push_slice(&[1, 2, 3]), 3);
///     producer.try_push(4).unwrap();
/// })
/// .join()
/// .unwrap();
/// let mut items = Vec::new();
/// assert_eq!(consumer.pop_batch(&mut items, 10), 4);
/// assert_eq!(items, [1, 2, 3, 4]);
/// assert!(consumer.is_closed());
/// ```
#[must_use]
pub fn ring<T: Send>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    let shared = Arc::new(Shared {
        tail: Padded(AtomicUsize::new(0)),
        head: Padded(AtomicUsize::new(0)),
        producer_gone: Padded(AtomicBool::new(false)),
        consumer_gone: Padded(AtomicBool::new(false)),
        slots: Slots::new(capacity),
    });
    let producer = Producer { shared: Arc::clone(&shared), tail: 0, seen_head: 0, _not_sync: PhantomData };
    (producer, Consumer { shared, head: 0, seen_tail: 0, _not_sync: PhantomData })
}

struct Shared<T> {
    /// One past the last item published.
    tail: Padded<AtomicUsize>,
    /// The first item not taken.
    head: Padded<AtomicUsize>,
    producer_gone: Padded<AtomicBool>,
    consumer_gone: Padded<AtomicBool>,
    slots: Slots<T>,
}

// SAFETY: the ends move items from one thread to another, which `T: Send` allows, and never share one. Which end may touch
// which place is settled by the indices (invariants 2 and 3), whose stores and loads order the touches.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as for Send; there is one end of each kind, and its operations take it by `&mut`.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // Both ends are gone, and the count that brought us here ordered their stores before these loads.
        let (mut head, tail) = (self.head.0.load(Ordering::Relaxed), self.tail.0.load(Ordering::Relaxed));
        while head != tail {
            // SAFETY: places `head..tail` hold items (invariant 2), and each is taken once.
            drop(unsafe { self.slots.read(head) });
            head = head.wrapping_add(1);
        }
    }
}

/// The end that puts items in. It may move to another thread, but not be used by two.
///
/// ```compile_fail
/// fn shared<T: Sync>(_: T) {}
/// shared(yeoul_ring::ring::<u8>(2).0); // Not Sync.
/// ```
/// ```compile_fail
/// let _ = yeoul_ring::ring::<std::rc::Rc<u8>>(2); // What is not Send does not travel.
/// ```
pub struct Producer<T> {
    shared: Arc<Shared<T>>,
    /// The exact `tail`.
    tail: usize,
    /// A `head` that was.
    seen_head: usize,
    _not_sync: PhantomData<Cell<()>>,
}

impl<T: Send> Producer<T> {
    /// How many items the ring holds at most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shared.slots.capacity()
    }

    /// Puts an item in, or gives it back if the ring is full.
    #[inline]
    pub fn try_push(&mut self, item: T) -> Result<(), T> {
        if self.room(1) == 0 {
            return Err(item);
        }
        self.shared.tail.expect_write();
        // SAFETY: there is room, so the place at `tail` is empty and ours (invariant 2).
        unsafe { self.shared.slots.write(self.tail, item) };
        self.publish(1);
        Ok(())
    }

    /// Puts in as many of the items as there is room for, from the first on, by one publication; returns how many.
    #[inline]
    pub fn push_slice(&mut self, items: &[T]) -> usize
    where
        T: Copy,
    {
        let count = self.room(items.len()).min(items.len());
        // SAFETY: there is room for `count`, so these places are empty and ours (invariant 2); a copy of a `Copy` is an item.
        unsafe { self.shared.slots.write_all(self.tail, items.as_ptr(), count) };
        self.publish(count);
        self.expect_more(count);
        count
    }

    /// Moves in as many of the items as there is room for, from the first on, by one publication; returns how many. The
    /// rest stay, in order.
    pub fn push_batch(&mut self, items: &mut Vec<T>) -> usize {
        let len = items.len();
        let count = self.room(len).min(len);
        // SAFETY: the vector gives up its first `count` items: its length is zero while they are moved, and the rest are
        // shifted down before it is set again. There is room for `count` (invariant 2). Nothing between can panic.
        unsafe {
            items.set_len(0);
            let start = items.as_mut_ptr();
            self.shared.slots.write_all(self.tail, start, count);
            start.copy_from(start.add(count), len - count);
            items.set_len(len - count);
        }
        self.publish(count);
        self.expect_more(count);
        count
    }

    /// Puts in items while there are any and there is room, by one publication; returns how many. An item is asked for
    /// only if there is room for it.
    pub fn push_iter(&mut self, items: impl IntoIterator<Item = T>) -> usize {
        let mut items = items.into_iter();
        let room = self.room(self.capacity());
        // Publishes on every way out, so that a panic of the iterator loses nothing that was put in.
        let mut written = Written { producer: self, count: 0 };
        while written.count < room
            && let Some(item) = items.next()
        {
            // SAFETY: `count < room`, so the place is empty and ours (invariant 2).
            unsafe { written.producer.shared.slots.write(written.producer.tail.wrapping_add(written.count), item) };
            written.count += 1;
        }
        written.count
    }

    /// How many items there is room for now; the consumer may make more.
    #[must_use]
    pub fn free(&mut self) -> usize {
        self.room(self.capacity())
    }

    /// Whether the consumer is gone, so that nothing put in will ever be taken.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        // Acquire: pairs with the Release store in the consumer's drop; whoever sees it gone sees what it did before.
        self.shared.consumer_gone.0.load(Ordering::Acquire)
    }

    /// The room that is known; looks at the consumer's index if that is less than `wanted`.
    #[inline]
    fn room(&mut self, wanted: usize) -> usize {
        let capacity = self.capacity();
        let known = capacity - self.tail.wrapping_sub(self.seen_head);
        if known >= wanted {
            return known;
        }
        // Acquire: pairs with the Release store in `Consumer::release`; the items before this head have been moved out before
        // we write over them.
        self.seen_head = self.shared.head.0.load(Ordering::Acquire);
        let used = self.tail.wrapping_sub(self.seen_head);
        debug_assert!(used <= capacity, "0 <= tail - head <= capacity");
        capacity - used
    }

    /// After a batch: asks for the places of the batch after the next. Only if they are known to be empty: asked for earlier,
    /// they would be taken from under the consumer.
    #[inline]
    fn expect_more(&self, count: usize) {
        if self.capacity() - self.tail.wrapping_sub(self.seen_head) >= count.saturating_mul(2) {
            self.shared.slots.expect_writes(self.tail.wrapping_add(count), count);
        }
    }

    #[inline]
    fn publish(&mut self, count: usize) {
        if count > 0 {
            self.tail = self.tail.wrapping_add(count);
            // Release: pairs with the Acquire load in `Consumer::available`; the items are written before they are seen.
            self.shared.tail.0.store(self.tail, Ordering::Release);
        }
    }
}

struct Written<'a, T: Send> {
    producer: &'a mut Producer<T>,
    count: usize,
}

impl<T: Send> Drop for Written<'_, T> {
    fn drop(&mut self) {
        self.producer.publish(self.count);
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        // Release: pairs with the Acquire load in `Consumer::is_closed`; the last `tail` is seen by whoever sees this.
        self.shared.producer_gone.0.store(true, Ordering::Release);
    }
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Producer(at {} of a ring of {})", self.tail, self.shared.slots.capacity())
    }
}

/// The end that takes items out. It may move to another thread, but not be used by two.
///
/// ```compile_fail
/// fn shared<T: Sync>(_: T) {}
/// shared(yeoul_ring::ring::<u8>(2).1); // Not Sync.
/// ```
pub struct Consumer<T> {
    shared: Arc<Shared<T>>,
    /// The exact `head`.
    head: usize,
    /// A `tail` that was.
    seen_tail: usize,
    _not_sync: PhantomData<Cell<()>>,
}

impl<T: Send> Consumer<T> {
    /// How many items the ring holds at most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shared.slots.capacity()
    }

    /// Takes the oldest item.
    #[inline]
    pub fn try_pop(&mut self) -> Option<T> {
        if self.available(1) == 0 {
            return None;
        }
        // SAFETY: there is an item at `head`, published and ours (invariant 2).
        let item = unsafe { self.shared.slots.read(self.head) };
        self.release(1);
        Some(item)
    }

    /// Takes up to `most` items, oldest first, and appends them to `items`, by one publication; returns how many.
    #[inline]
    pub fn pop_batch(&mut self, items: &mut Vec<T>, most: usize) -> usize {
        let available = self.available(most);
        let count = available.min(most);
        if available - count >= count {
            self.shared.slots.expect_reads(self.head.wrapping_add(count), count);
        }
        items.reserve(count);
        // SAFETY: `count` items are published and ours (invariant 2), and the vector has room for them past its length, which
        // takes them in once they are there.
        unsafe {
            self.shared.slots.read_all(self.head, items.as_mut_ptr().add(items.len()), count);
            items.set_len(items.len() + count);
        }
        self.release(count);
        count
    }

    /// The oldest item, left where it is.
    #[must_use]
    #[inline]
    pub fn peek(&mut self) -> Option<&T> {
        if self.available(1) == 0 {
            return None;
        }
        // SAFETY: there is an item at `head`; only we take items, and the borrow of `self` keeps us from it (invariant 2).
        Some(unsafe { self.shared.slots.get(self.head) })
    }

    /// How many items can be taken now; the producer may add more.
    #[must_use]
    pub fn len(&self) -> usize {
        // Relaxed: the number only; whoever takes an item loads the index anew, with Acquire.
        self.shared.tail.0.load(Ordering::Relaxed).wrapping_sub(self.head)
    }

    /// Whether no item can be taken now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether nothing is left and nothing will come: the producer is gone, and all it put in has been taken.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        // Acquire: pairs with the Release store in the producer's drop. Looked at first: the index that is loaded after it is
        // the last one.
        self.shared.producer_gone.0.load(Ordering::Acquire) && self.is_empty()
    }

    /// The items that are known; looks at the producer's index if those are fewer than `wanted`.
    #[inline]
    fn available(&mut self, wanted: usize) -> usize {
        let known = self.seen_tail.wrapping_sub(self.head);
        if known >= wanted {
            return known;
        }
        // Acquire: pairs with the Release store in `Producer::publish`; the items before this tail are written before we read.
        self.seen_tail = self.shared.tail.0.load(Ordering::Acquire);
        let known = self.seen_tail.wrapping_sub(self.head);
        debug_assert!(known <= self.capacity(), "0 <= tail - head <= capacity");
        known
    }

    #[inline]
    fn release(&mut self, count: usize) {
        if count > 0 {
            self.head = self.head.wrapping_add(count);
            // Release: pairs with the Acquire load in `Producer::room`; the items are moved out before their places are reused.
            self.shared.head.0.store(self.head, Ordering::Release);
        }
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        // Release: pairs with the Acquire load in `Producer::is_closed`.
        self.shared.consumer_gone.0.store(true, Ordering::Release);
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Consumer(at {} of a ring of {})", self.head, self.shared.slots.capacity())
    }
}
