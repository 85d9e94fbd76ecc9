//! A ring does what a `VecDeque` of bounded length does, whatever the operations and their order. Runs under Miri too.
#![cfg(not(loom))]

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;
use yeoul_ring::ring;

#[derive(Debug, Clone)]
enum Operation {
    Push,
    PushBatch(usize),
    PushIter(usize),
    Pop,
    PopBatch(usize),
    Peek,
    Free,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        Just(Operation::Push),
        (0..20usize).prop_map(Operation::PushBatch),
        (0..20usize).prop_map(Operation::PushIter),
        Just(Operation::Pop),
        (0..20usize).prop_map(Operation::PopBatch),
        Just(Operation::Peek),
        Just(Operation::Free),
    ]
}

fn cases() -> ProptestConfig {
    // Miri cannot write the file of failures, and is slow.
    ProptestConfig { cases: if cfg!(miri) { 4 } else { 2000 }, failure_persistence: None, ..ProptestConfig::default() }
}

const STEPS: usize = if cfg!(miri) { 15 } else { 100 };

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_ring_is_a_bounded_queue(power in 0..5u32, operations in prop::collection::vec(operation(), 0..STEPS)) {
        // Boxed, so that an item lost, doubled or read before it was written is an error of memory.
        let capacity = 1usize << power;
        let (mut producer, mut consumer) = ring::<Box<u64>>(capacity);
        let mut model = VecDeque::new();
        let mut next = 0u64..;
        let mut out = Vec::new();
        for operation in operations {
            let room = capacity - model.len();
            match operation {
                Operation::Push => {
                    let item = next.next().unwrap();
                    prop_assert_eq!(producer.try_push(Box::new(item)).is_ok(), room > 0);
                    model.extend((room > 0).then_some(item));
                }
                Operation::PushBatch(count) => {
                    let items: Vec<u64> = next.by_ref().take(count).collect();
                    let mut boxed = items.iter().map(|&item| Box::new(item)).collect();
                    let pushed = producer.push_batch(&mut boxed);
                    prop_assert_eq!(pushed, count.min(room));
                    prop_assert!(boxed.iter().map(|item| **item).eq(items[pushed..].iter().copied()));
                    model.extend(&items[..pushed]);
                }
                Operation::PushIter(count) => {
                    let items: Vec<u64> = next.by_ref().take(count).collect();
                    let mut source = items.iter().map(|&item| Box::new(item));
                    let pushed = producer.push_iter(source.by_ref());
                    prop_assert_eq!(pushed, count.min(room));
                    prop_assert_eq!(source.count(), count - pushed);
                    model.extend(&items[..pushed]);
                }
                Operation::Pop => prop_assert_eq!(consumer.try_pop().map(|item| *item), model.pop_front()),
                Operation::PopBatch(most) => {
                    out.clear();
                    prop_assert_eq!(consumer.pop_batch(&mut out, most), most.min(model.len()));
                    for item in &out {
                        prop_assert_eq!(Some(**item), model.pop_front());
                    }
                }
                Operation::Peek => prop_assert_eq!(consumer.peek().map(|item| **item), model.front().copied()),
                Operation::Free => prop_assert_eq!(producer.free(), room),
            }
            prop_assert_eq!(consumer.len(), model.len());
            prop_assert_eq!(consumer.is_empty(), model.is_empty());
            prop_assert!(!consumer.is_closed() && !producer.is_closed());
        }
    }

    #[test]
    fn slices_wrap_around(power in 0..7u32, steps in prop::collection::vec((0..100usize, 0..100usize), 0..STEPS)) {
        let capacity = 1usize << power;
        let (mut producer, mut consumer) = ring::<u32>(capacity);
        let (mut sent, mut received) = (0u32, 0u32);
        let mut out = Vec::new();
        for (push, pop) in steps {
            let items: Vec<u32> = (sent..).take(push).collect();
            sent += producer.push_slice(&items) as u32;
            out.clear();
            consumer.pop_batch(&mut out, pop);
            for &item in &out {
                prop_assert_eq!(item, received);
                received += 1;
            }
            prop_assert_eq!(consumer.len() as u32, sent - received);
        }
    }
}

#[test]
fn items_left_behind_are_dropped_once_whichever_end_goes_first() {
    for producer_first in [true, false] {
        let counted = std::sync::Arc::new(());
        let (mut producer, mut consumer) = ring(8);
        for _ in 0..5 {
            producer.try_push(std::sync::Arc::clone(&counted)).unwrap();
        }
        drop(consumer.try_pop());
        if producer_first {
            drop(producer);
            assert!(!consumer.is_closed(), "four items are left");
            let mut out = Vec::new();
            consumer.pop_batch(&mut out, 3);
            assert!(!consumer.is_closed());
            drop(out);
        } else {
            drop(consumer);
            assert!(producer.is_closed());
            producer.try_push(std::sync::Arc::clone(&counted)).unwrap();
        }
        let expected = if producer_first { 1 } else { 5 };
        assert_eq!(std::sync::Arc::strong_count(&counted), 1 + expected);
    }
}

#[test]
fn a_panic_of_the_iterator_keeps_what_was_put_in() {
    let (mut producer, mut consumer) = ring(8);
    let items = (0..5).map(|i| if i == 3 { panic!("the iterator's own") } else { Box::new(i) });
    assert!(catch_unwind(AssertUnwindSafe(|| producer.push_iter(items))).is_err());
    let mut out = Vec::new();
    consumer.pop_batch(&mut out, 8);
    assert_eq!(out, [Box::new(0), Box::new(1), Box::new(2)]);
}

#[test]
fn items_without_size_are_counted() {
    let (mut producer, mut consumer) = ring(4);
    assert_eq!(producer.push_slice(&[(); 9]), 4);
    assert_eq!(producer.try_push(()), Err(()));
    assert_eq!(consumer.pop_batch(&mut Vec::new(), 9), 4);
    assert_eq!(consumer.try_pop(), None);
}

#[test]
#[should_panic(expected = "a ring's capacity must be a power of two, not 6")]
fn a_capacity_that_is_no_power_of_two_is_refused() {
    let _ = ring::<u8>(6);
}

/// That they are not shared, nor carry what may not travel, is shown in their documentation, by what does not compile.
#[test]
fn ends_move_between_threads() {
    fn sends<T: Send>(_: &T) {}
    let (producer, consumer) = ring::<std::cell::Cell<u8>>(2);
    sends(&producer);
    sends(&consumer);
}
