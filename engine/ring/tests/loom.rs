//! Every interleaving at small bounds, with the orderings that the memory model allows:
//! `RUSTFLAGS="--cfg loom" cargo test -p yeoul-ring --release --test loom --target-dir target/loom`.
//!
//! The ring is small enough to wrap and to fill, so that each index is both fresh and stale somewhere in the model.
#![cfg(loom)]

use loom::sync::Arc;
use loom::thread;
use yeoul_ring::{Consumer, Parked, ring};

/// Checks every interleaving with at most this many preemptions; switches where a thread gives way or blocks are free.
/// The published experience is that two or three find what there is to find (Madanlal Musuvathi, Shaz Qadeer, "Iterative
/// Context Bounding for Systematic Testing of Multithreaded Programs", 2007).
fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(model);
}

/// Takes all that comes until the ring is closed, giving way when it is empty.
fn drain(
    consumer: &mut Consumer<Box<u32>>,
    mut pop: impl FnMut(&mut Consumer<Box<u32>>, &mut Vec<Box<u32>>),
) -> Vec<u32> {
    let mut out = Vec::new();
    loop {
        let before = out.len();
        pop(consumer, &mut out);
        if out.len() == before {
            if consumer.is_closed() {
                return out.into_iter().map(|item| *item).collect();
            }
            thread::yield_now();
        }
    }
}

#[test]
fn single_items_keep_their_order_through_a_ring_of_one() {
    check(|| {
        let (mut producer, mut consumer) = ring(1);
        let sender = thread::spawn(move || {
            for i in 0..3 {
                let mut item = Box::new(i);
                while let Err(back) = producer.try_push(item) {
                    item = back;
                    thread::yield_now();
                }
            }
        });
        let items = drain(&mut consumer, |consumer, out| out.extend(consumer.try_pop()));
        assert_eq!(items, [0, 1, 2]);
        sender.join().unwrap();
    });
}

#[test]
fn batches_keep_their_order_around_the_end_of_the_ring() {
    check(|| {
        let (mut producer, mut consumer) = ring(2);
        let sender = thread::spawn(move || {
            let mut items: Vec<_> = (0..4).map(Box::new).collect();
            producer.try_push(items.remove(0)).unwrap();
            while !items.is_empty() {
                if producer.push_batch(&mut items) == 0 {
                    thread::yield_now();
                }
            }
        });
        let items = drain(&mut consumer, |consumer, out| {
            consumer.pop_batch(out, 2);
        });
        assert_eq!(items, [0, 1, 2, 3]);
        sender.join().unwrap();
    });
}

#[test]
fn peek_sees_the_item_that_pop_then_takes() {
    check(|| {
        let (mut producer, mut consumer) = ring(2);
        let sender = thread::spawn(move || {
            producer.push_iter([Box::new(1), Box::new(2)]);
            producer.push_iter([Box::new(3)])
        });
        let seen = consumer.peek().map(|item| **item);
        if let Some(seen) = seen {
            assert_eq!(seen, 1);
            assert_eq!(*consumer.try_pop().unwrap(), 1);
        }
        sender.join().unwrap();
    });
}

#[test]
fn what_is_left_is_dropped_once_when_the_ends_go_at_the_same_time() {
    check(|| {
        // loom's own Arc: an item that is dropped twice, or not at all, fails the model.
        let (mut producer, mut consumer) = ring(2);
        let sender = thread::spawn(move || {
            let _ = producer.try_push(Arc::new(1));
            let _ = producer.try_push(Arc::new(2));
            let _ = producer.try_push(Arc::new(3));
        });
        drop(consumer.try_pop());
        drop(consumer);
        sender.join().unwrap();
    });
}

#[test]
fn closed_means_that_nothing_is_left() {
    check(|| {
        let (mut producer, mut consumer) = ring(2);
        let sender = thread::spawn(move || {
            producer.try_push(7).unwrap();
        });
        if consumer.is_closed() {
            panic!("the item was not taken");
        }
        if consumer.try_pop().is_some() {
            sender.join().unwrap();
            assert!(consumer.is_closed());
        } else {
            sender.join().unwrap();
            assert!(!consumer.is_closed());
        }
    });
}

/// The sleeper's loop and the bringer's, with loom's park for mio's poll. A lost wake is a deadlock, which loom reports.
#[test]
fn no_wake_is_lost() {
    check(|| {
        let parked = Arc::new(Parked::new());
        let (mut producer, mut consumer) = ring(1);
        let bell = Arc::clone(&parked);
        let sleeper = thread::spawn(move || {
            let mut received = 0;
            while received < 2 {
                parked.announce();
                if consumer.try_pop().is_some() {
                    parked.withdraw();
                    received += 1;
                } else {
                    thread::park();
                    parked.withdraw();
                }
            }
        });
        let thread = sleeper.thread().clone();
        for _ in 0..2 {
            while producer.try_push(()).is_err() {
                thread::yield_now();
            }
            if bell.take() {
                thread.unpark();
            }
        }
        sleeper.join().unwrap();
    });
}

/// Two bring work to one sleeper, on a ring each.
#[test]
fn no_wake_is_lost_between_two_bringers() {
    check(|| {
        let parked = Arc::new(Parked::new());
        let mut consumers = Vec::new();
        let mut producers = Vec::new();
        for _ in 0..2 {
            let (producer, consumer) = ring(1);
            producers.push(producer);
            consumers.push(consumer);
        }
        let sleeper_thread = thread::current();
        let bringers: Vec<_> = producers
            .into_iter()
            .map(|mut producer| {
                let (bell, sleeper) = (Arc::clone(&parked), sleeper_thread.clone());
                thread::spawn(move || {
                    producer.try_push(()).unwrap();
                    if bell.take() {
                        sleeper.unpark();
                    }
                })
            })
            .collect();
        let mut received = 0;
        while received < 2 {
            parked.announce();
            let found = consumers.iter_mut().filter_map(|consumer| consumer.try_pop()).count();
            if found == 0 {
                thread::park();
            }
            parked.withdraw();
            received += found;
        }
        for bringer in bringers {
            bringer.join().unwrap();
        }
    });
}
