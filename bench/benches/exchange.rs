//! Exchange by key of 64-byte row frames, two shards to two shards. To reach: 80 M records/s in all; the machine's limit is how fast it reads memory.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use yeoul_bench::memory_source::frames_of_words;
use yeoul_bench::run::{Touch, config, keyed_job, time};

const RECORDS: u64 = 20_000_000;

fn exchange(c: &mut Criterion) {
    let mut group = c.benchmark_group("exchange");
    group.sample_size(10).measurement_time(Duration::from_secs(8));
    for (name, held) in [("from L2", 16 * 1024), ("from memory", 2 << 20)] {
        let frames = frames_of_words(held, 1 << 20);
        group.throughput(Throughput::Elements(2 * RECORDS));
        group.bench_function(format!("2 to 2 shards, {name}"), |b| {
            b.iter_custom(|rounds| {
                (0..rounds).map(|_| time(keyed_job::<Touch>(&frames, RECORDS), config(2, None, None))).sum()
            });
        });
        // The limit: both cores read the same bytes, and do no more.
        group.bench_function(format!("limit: two threads read the records, {name}"), |b| {
            b.iter_custom(|rounds| {
                let start = Instant::now();
                for _ in 0..rounds {
                    std::thread::scope(|scope| {
                        for _ in 0..2 {
                            scope.spawn(|| {
                                let mut left = RECORDS;
                                let mut sum = 0u64;
                                for frame in frames.iter().cycle() {
                                    let rows = frame.rows::<[u64; 8]>();
                                    sum =
                                        rows.iter().fold(sum, |sum, (_, w)| sum ^ w[0].to_native() ^ w[1].to_native());
                                    left = left.saturating_sub(frame.len() as u64);
                                    if left == 0 {
                                        break;
                                    }
                                }
                                std::hint::black_box(sum);
                            });
                        }
                    });
                }
                start.elapsed()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, exchange);
criterion_main!(benches);
