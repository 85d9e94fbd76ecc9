//! What a ring moves between two pinned cores, beside what the machine itself moves, measured in the same run.
//!
//! `cargo bench -p yeoul-bench --bench ring`. Needs two idle cores: anything else that runs takes time from one end.
//! A throughput's iteration is 65,536 items; a hop's iteration is one round trip, two hops.

use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use yeoul_ring::{Doorbell, ring};
use yeoul_sys::{prefetch_read, prefetch_write, thread::spawn_pinned};

/// Items handed over by one publication.
const BATCH: usize = 64;
/// 256 batches: the ring's 128 KiB stay in a core's own caches.
const CAPACITY: usize = 16_384;
/// Items of one iteration.
const ITEMS: usize = 1 << 16;

/// Runs two ends at once, each on a core of its own; the time until the second is through.
fn across_cores(first: impl FnOnce() + Send + 'static, second: impl FnOnce() + Send + 'static) -> Duration {
    let start = Arc::new(Barrier::new(2));
    let begin = Arc::clone(&start);
    let first = spawn_pinned("first", Some(0), move || {
        begin.wait();
        first();
    });
    let second = spawn_pinned("second", Some(1), move || {
        start.wait();
        let begin = Instant::now();
        second();
        begin.elapsed()
    });
    first.unwrap().join().unwrap();
    second.unwrap().join().unwrap()
}

fn batches_through_a_ring(iterations: u64) -> Duration {
    let (mut producer, mut consumer) = ring::<u64>(CAPACITY);
    let total = iterations as usize * ITEMS;
    let send = move || {
        let items: [u64; BATCH] = std::array::from_fn(|i| i as u64);
        let mut sent = 0;
        while sent < total {
            let pushed = producer.push_slice(black_box(&items[..BATCH.min(total - sent)]));
            sent += pushed;
            if pushed == 0 {
                spin_loop();
            }
        }
    };
    let receive = move || {
        let mut out = Vec::with_capacity(BATCH);
        let mut received = 0;
        while received < total {
            out.clear();
            let popped = consumer.pop_batch(&mut out, BATCH);
            received += popped;
            if popped == 0 {
                spin_loop();
            }
            black_box(&out);
        }
    };
    across_cores(send, receive)
}

/// As many bytes through plain shared memory: blocks of 4 KiB, each handed over by its own flag, lines asked for ahead.
fn blocks_of_shared_memory(iterations: u64) -> Duration {
    #[repr(align(128))]
    struct Block {
        full: AtomicUsize,
        words: Words,
    }
    #[repr(align(128))]
    struct Words([AtomicU64; 512]);

    /// As many bytes as the ring has.
    const BLOCKS: usize = 32;
    /// Lines.
    const AHEAD: usize = 8;
    let blocks: Arc<[Block; BLOCKS]> = Arc::new(std::array::from_fn(|_| Block {
        full: AtomicUsize::new(0),
        words: Words([const { AtomicU64::new(0) }; 512]),
    }));
    let turns = iterations as usize * ITEMS / 512;
    let theirs = Arc::clone(&blocks);
    let send = move || {
        for turn in 0..turns {
            let block = &theirs[turn % BLOCKS];
            // Acquire and Release: each flag's load pairs with the other end's store.
            while block.full.load(Ordering::Acquire) != 0 {
                spin_loop();
            }
            for (i, line) in block.words.0.chunks(8).enumerate() {
                // A core has about ten lines under way at once.
                let ahead = if i + AHEAD < 64 { block } else { &theirs[(turn + 1) % BLOCKS] };
                prefetch_write(&ahead.words.0[(i + AHEAD) % 64 * 8]);
                line.iter().for_each(|word| word.store(turn as u64, Ordering::Relaxed));
            }
            block.full.store(1, Ordering::Release);
        }
    };
    let receive = move || {
        for turn in 0..turns {
            let block = &blocks[turn % BLOCKS];
            while block.full.load(Ordering::Acquire) == 0 {
                spin_loop();
            }
            let mut sum = 0u64;
            for (i, line) in block.words.0.chunks(8).enumerate() {
                prefetch_read(&block.words.0[(i + AHEAD).min(63) * 8]);
                sum = line.iter().fold(sum, |sum, word| sum.wrapping_add(word.load(Ordering::Relaxed)));
            }
            black_box(sum);
            block.full.store(0, Ordering::Release);
        }
    };
    across_cores(send, receive)
}

fn round_trips_through_two_rings(iterations: u64) -> Duration {
    let (mut ask, mut asked) = ring::<u64>(BATCH);
    let (mut answer, mut answered) = ring::<u64>(BATCH);
    let reply = move || {
        for _ in 0..iterations {
            let item = loop {
                match asked.try_pop() {
                    Some(item) => break item,
                    None => spin_loop(),
                }
            };
            answer.try_push(item).unwrap();
        }
    };
    let request = move || {
        for i in 0..iterations {
            ask.try_push(i).unwrap();
            while answered.try_pop().is_none() {
                spin_loop();
            }
        }
    };
    across_cores(reply, request)
}

fn round_trips_of_two_flags(iterations: u64) -> Duration {
    #[repr(align(128))]
    struct Flag(AtomicU64);

    let flags = Arc::new((Flag(AtomicU64::new(0)), Flag(AtomicU64::new(0))));
    let theirs = Arc::clone(&flags);
    let reply = move || {
        for i in 1..=iterations {
            while theirs.0.0.load(Ordering::Acquire) != i {
                spin_loop();
            }
            theirs.1.0.store(i, Ordering::Release);
        }
    };
    let request = move || {
        for i in 1..=iterations {
            flags.0.0.store(i, Ordering::Release);
            while flags.1.0.load(Ordering::Acquire) != i {
                spin_loop();
            }
        }
    };
    across_cores(reply, request)
}

/// Round trips between two threads that park after each: two wakes each.
fn round_trips_of_two_bells(iterations: u64) -> Duration {
    let (mut here, bell_here) = Doorbell::new().unwrap();
    let (mut there, bell_there) = Doorbell::new().unwrap();
    let (mut ask, mut asked) = ring::<u64>(2);
    let (mut answer, mut answered) = ring::<u64>(2);
    let reply = move || {
        for _ in 0..iterations {
            loop {
                there.prepare();
                if let Some(item) = asked.try_pop() {
                    there.cancel();
                    answer.try_push(item).unwrap();
                    bell_here.ring().unwrap();
                    break;
                }
                there.park(None).unwrap();
            }
        }
    };
    let request = move || {
        for i in 0..iterations {
            ask.try_push(i).unwrap();
            bell_there.ring().unwrap();
            loop {
                here.prepare();
                if answered.try_pop().is_some() {
                    here.cancel();
                    break;
                }
                here.park(None).unwrap();
            }
        }
    };
    across_cores(reply, request)
}

fn throughput(c: &mut Criterion) {
    let mut group = c.benchmark_group("ring: 8-byte items between two cores");
    group.throughput(Throughput::Elements(ITEMS as u64));
    group.bench_function("batches of 64", |b| b.iter_custom(batches_through_a_ring));
    group.bench_function("limit: 4 KiB blocks of shared memory", |b| b.iter_custom(blocks_of_shared_memory));
    group.finish();
}

fn latency(c: &mut Criterion) {
    let mut group = c.benchmark_group("ring: one hop between two cores");
    // A hop is half a round trip.
    group.bench_function("ring", |b| b.iter_custom(|n| round_trips_through_two_rings(n) / 2));
    group.bench_function("limit: a flag", |b| b.iter_custom(|n| round_trips_of_two_flags(n) / 2));
    group.bench_function("parked: push, bell, wake, pop", |b| b.iter_custom(|n| round_trips_of_two_bells(n) / 2));
    group.finish();
}

fn bell(c: &mut Criterion) {
    let (_parker, bell) = Doorbell::new().unwrap();
    c.bench_function("bell: ring with nobody parked", |b| b.iter(|| bell.ring().unwrap()));
}

criterion_group!(ring_benches, throughput, latency, bell);
criterion_main!(ring_benches);
