//! Two threads at once: order, completeness and wakes, for as long as a test may take. Runs under Miri too, shorter.
#![cfg(not(loom))]

use std::time::{Duration, Instant};

use yeoul_ring::{Doorbell, ring};
use yeoul_sys::Random;

const fn scale(full: u64, under_miri: u64) -> u64 {
    if cfg!(miri) { under_miri } else { full }
}

#[test]
fn batches_of_any_size_arrive_whole_and_in_order() {
    for capacity in [1, 2, 8, 1024] {
        let count = scale(if capacity < 8 { 200_000 } else { 2_000_000 }, 300);
        let (mut producer, mut consumer) = ring::<u64>(capacity);
        let sender = std::thread::spawn(move || {
            let mut random = Random::new(1);
            let mut next = 0;
            while next < count {
                let end = (next + random.below(100)).min(count);
                let batch: Vec<u64> = (next..end).collect();
                next += match random.below(3) {
                    0 => producer.push_slice(&batch),
                    1 => producer.push_iter(next..end),
                    _ => producer.push_batch(&mut batch.clone()),
                } as u64;
                if producer.free() == 0 {
                    std::thread::yield_now();
                }
            }
        });
        let mut random = Random::new(2);
        let (mut expected, mut out) = (0, Vec::new());
        while !consumer.is_closed() {
            if let Some(&item) = consumer.peek() {
                assert_eq!(item, expected);
            }
            consumer.pop_batch(&mut out, random.below(100) as usize);
            out.extend(consumer.try_pop());
            if out.is_empty() {
                std::thread::yield_now();
            }
            for item in out.drain(..) {
                assert_eq!(item, expected);
                expected += 1;
            }
        }
        assert_eq!(expected, count);
        sender.join().unwrap();
    }
}

#[test]
fn owned_items_survive_the_end_of_either_side() {
    for round in 0..scale(200, 6) {
        let (mut producer, mut consumer) = ring::<Box<u64>>(16);
        let sender = std::thread::spawn(move || {
            let mut sent = 0;
            while !producer.is_closed() && sent < 1000 {
                if producer.try_push(Box::new(sent)).is_ok() {
                    sent += 1;
                } else {
                    std::thread::yield_now();
                }
            }
        });
        let mut received = 0;
        while received < round * 5 && !consumer.is_closed() {
            match consumer.try_pop() {
                Some(item) => {
                    assert_eq!(*item, received);
                    received += 1;
                }
                None => std::thread::yield_now(),
            }
        }
        drop(consumer);
        sender.join().unwrap();
    }
}

/// Each item is sent only after the last was answered, so each side parks between any two: a wake that is lost would show
/// as a park of a second.
#[test]
#[cfg_attr(miri, ignore = "Miri has no epoll wake-ups across threads that mio can use")]
fn no_wake_is_lost_between_two_that_park_all_the_time() {
    let (mut here, ring_here) = Doorbell::new().unwrap();
    let (mut there, ring_there) = Doorbell::new().unwrap();
    let (mut ask, mut asked) = ring::<u64>(2);
    let (mut answer, mut answered) = ring::<u64>(2);
    let count = 20_000;
    let other = std::thread::spawn(move || {
        loop {
            there.prepare();
            if let Some(item) = asked.try_pop() {
                there.cancel();
                answer.try_push(item + 1).unwrap();
                ring_here.ring().unwrap();
            } else if asked.is_closed() {
                return;
            } else {
                park_briefly(&mut there);
            }
        }
    });
    for i in 0..count {
        ask.try_push(i).unwrap();
        ring_there.ring().unwrap();
        loop {
            here.prepare();
            if let Some(item) = answered.try_pop() {
                here.cancel();
                assert_eq!(item, i + 1);
                break;
            }
            park_briefly(&mut here);
        }
    }
    drop(ask);
    ring_there.ring().unwrap();
    other.join().unwrap();
}

fn park_briefly(parker: &mut yeoul_ring::Parker) {
    let start = Instant::now();
    parker.park(Some(Duration::from_secs(5))).unwrap();
    assert!(start.elapsed() < Duration::from_secs(4), "a wake was lost");
}

#[test]
#[cfg_attr(miri, ignore = "needs the system's poll")]
fn a_bell_before_the_park_ends_it_and_a_timeout_ends_it_too() {
    let (mut parker, bell) = Doorbell::new().unwrap();
    bell.clone().ring().unwrap();
    parker.prepare();
    bell.ring().unwrap();
    parker.bell().ring().unwrap();
    park_briefly(&mut parker);
    assert_eq!(parker.ready().count(), 0, "the bell is no I/O");

    // Rung while nobody was parked: nothing is left over from it.
    bell.ring().unwrap();
    let start = Instant::now();
    parker.prepare();
    parker.park(Some(Duration::from_millis(20))).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(15));
}

#[test]
#[cfg_attr(miri, ignore = "needs the system's poll")]
fn io_readiness_ends_a_park() {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use mio::{Interest, Token, unix::SourceFd};

    let (mut parker, _bell) = Doorbell::new().unwrap();
    let (mut from, to) = UnixStream::pair().unwrap();
    let socket = to.as_raw_fd();
    parker.registry().register(&mut SourceFd(&socket), Token(7), Interest::READABLE).unwrap();
    let writer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(5));
        from.write_all(b"x").unwrap();
        from
    });
    parker.prepare();
    park_briefly(&mut parker);
    assert_eq!(parker.ready().collect::<Vec<_>>(), [Token(7)]);
    parker.poll_io().unwrap();
    drop(writer.join().unwrap());
}

#[test]
#[cfg_attr(miri, ignore = "needs the system's poll")]
#[should_panic(expected = "prepare, look for work, then park")]
fn a_park_without_prepare_is_refused() {
    let (mut parker, _bell) = Doorbell::new().unwrap();
    let _ = parker.park(None);
}
