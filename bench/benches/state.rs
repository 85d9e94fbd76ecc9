//! Keyed count over row frames in memory, one core, dirty tracking on; the pause and the bytes of a snapshot; a restore.
//! To reach: 60, 30 and 25 M records/s at 1 k, 1 M and 10 M keys; a pause of at most 200 µs (p99) and at most 1.1 × the dirty
//! bytes + 16 KiB with 10 M keys of which 1 % are dirty; 10 M keys restored in 500 ms; 40 bytes a key.
//! The limits: a bare table with prefetch (no growth, no dirty tracking, no removal), and hashbrown, in the same run.

use std::hash::{BuildHasherDefault, Hasher};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use yeoul_bench::histogram::Histogram;
use yeoul_bench::memory_source::{Words, frames_of_words};
use yeoul_frame::{Frame, KeyHash, TableId, hash_u64};
use yeoul_state::log::{BlockView, LogBuffer, LogOptions, Origin, RunId, SegmentId};
use yeoul_state::{Drained, Key, StateTable, Table};

const RUN: RunId = RunId(1);
/// Records of a slice of draining: what takes less than 100 µs.
const SLICE: usize = 1_000;

/// Keys and hashes of a frame, as a keyed operator has them.
#[derive(Default)]
struct Keys {
    keys: Vec<u64>,
    hashes: Vec<KeyHash>,
}

impl Keys {
    fn of(&mut self, frame: &Frame) {
        self.keys.clear();
        self.hashes.clear();
        for (_, row) in frame.rows::<Words>() {
            let key = row[0].to_native();
            self.keys.push(key);
            self.hashes.push(key.hash());
        }
    }
}

/// What is measured: counts a frame's keys.
trait Counts {
    fn count(&mut self, keys: &[u64], hashes: &[KeyHash]);
    /// Begins an epoch; not timed.
    fn barrier(&mut self) {}
}

struct Ours {
    table: Table<u64, u64>,
    log: LogBuffer,
}

impl Ours {
    fn new() -> Self {
        Self { table: Table::new(TableId(1), "counts"), log: LogBuffer::new(LogOptions::single(RUN)) }
    }

    fn drain_slice(&mut self) -> (Drained, usize) {
        let drained = self.table.drain(SLICE, &mut self.log);
        let mut bytes = 0;
        while let Some(chunk) = self.log.take_chunk() {
            bytes += chunk.bytes.len();
            self.log.recycle(chunk.bytes);
        }
        (drained, bytes)
    }

    fn seal(&mut self) -> usize {
        let chunk = self.log.seal(self.log.epoch());
        chunk.bytes.len()
    }
}

impl Counts for Ours {
    fn count(&mut self, keys: &[u64], hashes: &[KeyHash]) {
        self.table.upsert_batch(keys, hashes, || 0, |_, count| *count += 1);
    }

    fn barrier(&mut self) {
        self.table.freeze();
        while self.drain_slice().0 == Drained::More {}
        self.seal();
    }
}

/// Linear probing over 16-byte slots at a load of one half, with one look-ahead: as little as a count can cost.
struct Bare {
    slots: Vec<(u64, u64)>,
}

impl Bare {
    fn new(keys: u64) -> Self {
        let slots = vec![(0, 0); (keys * 2 + 1024) as usize];
        yeoul_sys::advise_huge_pages(&slots);
        Self { slots }
    }

    #[inline]
    fn home(&self, hash: KeyHash) -> usize {
        ((u128::from(hash.0) * (self.slots.len() - 1024) as u128) >> 64) as usize
    }
}

impl Counts for Bare {
    fn count(&mut self, keys: &[u64], hashes: &[KeyHash]) {
        const AHEAD: usize = 24;
        for &hash in &hashes[..AHEAD] {
            yeoul_sys::prefetch_write(&self.slots[self.home(hash)]);
        }
        for (i, &key) in keys.iter().enumerate() {
            if let Some(&hash) = hashes.get(i + AHEAD) {
                yeoul_sys::prefetch_write(&self.slots[self.home(hash)]);
            }
            let mut at = self.home(hashes[i]);
            while self.slots[at].1 != 0 && self.slots[at].0 != key {
                at += 1;
            }
            self.slots[at].0 = key;
            self.slots[at].1 += 1;
        }
    }
}

/// The stable hash, as hashbrown wants it.
#[derive(Default)]
struct Stable(u64);

impl Hasher for Stable {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are integers");
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = hash_u64(key).0;
    }
}

struct Hashbrown(hashbrown::HashMap<u64, u64, BuildHasherDefault<Stable>>);

impl Counts for Hashbrown {
    fn count(&mut self, keys: &[u64], _: &[KeyHash]) {
        for key in keys {
            *self.0.entry(*key).or_default() += 1;
        }
    }
}

fn filled(mut counts: impl Counts, keys: u64) -> impl Counts {
    fill(&mut counts, keys);
    counts
}

fn fill(counts: &mut impl Counts, keys: u64) {
    for first in (0..keys).step_by(1024) {
        let keys: Vec<u64> = (0..1024).map(|i| (first + i).min(keys - 1)).collect();
        let hashes: Vec<KeyHash> = keys.iter().map(Key::hash).collect();
        counts.count(&keys, &hashes);
    }
}

fn keyed_count(c: &mut Criterion) {
    let mut group = c.benchmark_group("keyed count");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    for (name, keys, records) in
        [("1 k keys", 1_000, 1 << 14), ("1 M keys", 1_000_000, 1 << 22), ("10 M keys", 10_000_000, 1 << 23)]
    {
        let frames = frames_of_words(records, keys);
        group.throughput(Throughput::Elements(records));
        let mut measure = |what: &str, counts: &mut dyn FnMut(&[u64], &[KeyHash]), barrier: &mut dyn FnMut()| {
            let mut of_frame = Keys::default();
            group.bench_function(format!("{name}, {what}"), |b| {
                b.iter_custom(|rounds| {
                    let mut took = Duration::ZERO;
                    for _ in 0..rounds {
                        barrier();
                        let start = Instant::now();
                        for frame in frames.iter() {
                            of_frame.of(frame);
                            counts(&of_frame.keys, &of_frame.hashes);
                        }
                        took += start.elapsed();
                    }
                    took
                });
            });
        };
        {
            let ours = std::cell::RefCell::new(Ours::new());
            fill(&mut *ours.borrow_mut(), keys);
            let bytes = ours.borrow().table.memory_bytes() as f64 / keys as f64;
            println!("{name}: {bytes:.1} bytes a key, bitmaps and all");
            measure("table", &mut |k, h| ours.borrow_mut().count(k, h), &mut || ours.borrow_mut().barrier());
        }
        let mut bare = filled(Bare::new(keys), keys);
        measure("limit: bare table with prefetch", &mut |k, h| bare.count(k, h), &mut || ());
        let mut std = filled(Hashbrown(hashbrown::HashMap::default()), keys);
        measure("limit: hashbrown", &mut |k, h| std.count(k, h), &mut || ());
    }
    group.finish();
}

fn snapshot(c: &mut Criterion) {
    const KEYS: u64 = 10_000_000;
    let mut ours = Ours::new();
    fill(&mut ours, KEYS);
    ours.barrier();
    let mut group = c.benchmark_group("snapshot");
    group.sample_size(10);
    let (mut pauses, mut written, mut seed) = (Histogram::default(), 0, 0);
    let dirty = KEYS / 100;
    group.bench_function("10 M keys, 1 % dirty: freeze and drain", |b| {
        b.iter_custom(|rounds| {
            let mut took = Duration::ZERO;
            for _ in 0..rounds {
                let keys: Vec<u64> = (0..dirty).map(|i| hash_u64(seed + i).0 % KEYS).collect();
                seed += dirty;
                keys.chunks(1024).for_each(|keys| ours.count(keys, &keys.iter().map(Key::hash).collect::<Vec<_>>()));
                written = 0;
                let begun = Instant::now();
                let mut slice = begun;
                ours.table.freeze();
                loop {
                    let (drained, bytes) = ours.drain_slice();
                    written += bytes;
                    let now = Instant::now();
                    pauses.add((now - slice).as_nanos() as u64, 1);
                    slice = now;
                    if drained == Drained::Done {
                        break;
                    }
                }
                took += begun.elapsed();
                written += ours.seal();
            }
            took
        });
    });
    group.finish();
    println!("snapshot: pauses {}", pauses.summary().replace("records", "slices"));
    println!(
        "snapshot: {written} bytes for at most {} dirty ones, {:.3} of them",
        dirty * 16,
        written as f64 / (dirty * 16) as f64
    );
}

fn restore(c: &mut Criterion) {
    const KEYS: u64 = 10_000_000;
    let mut ours = Ours::new();
    fill(&mut ours, KEYS);
    ours.table.freeze();
    let mut segments: Vec<(SegmentId, Vec<u8>)> = Vec::new();
    let mut more = Drained::More;
    while more == Drained::More {
        more = ours.table.drain(SLICE, &mut ours.log);
        let rest = (more == Drained::Done).then(|| ours.log.take_chunk());
        let mut chunks: Vec<_> =
            rest.flatten().into_iter().chain(std::iter::from_fn(|| ours.log.take_chunk())).collect();
        if more == Drained::Done {
            chunks.push(ours.log.seal(ours.log.epoch()));
        }
        for mut chunk in chunks {
            chunk.finish();
            match segments.last_mut() {
                Some((id, bytes)) if *id == chunk.segment => bytes.extend(chunk.bytes),
                _ => segments.push((chunk.segment, chunk.bytes)),
            }
        }
    }
    let mut group = c.benchmark_group("restore");
    group.sample_size(10).measurement_time(Duration::from_secs(10)).throughput(Throughput::Elements(KEYS));
    group.bench_function("10 M keys from mapped bytes, checksums verified", |b| {
        b.iter_with_large_drop(|| {
            let mut table = Table::<u64, u64>::new(TableId(1), "counts");
            for (segment, bytes) in &segments {
                let mut at = 0;
                while at < bytes.len() {
                    let origin = Origin { segment: *segment, run: RUN };
                    let (block, next) = BlockView::parse(bytes, at, origin).expect("just written");
                    table.restore(&block, &|_| true, &mut |_, _| ()).expect("just written");
                    at = next;
                }
            }
            assert_eq!(table.len(), KEYS as usize);
            table
        });
    });
    group.finish();
}

criterion_group!(benches, keyed_count, snapshot, restore);
criterion_main!(benches);
