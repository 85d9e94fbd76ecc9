//! Open addressing over buckets, placed in the order of the hash, that grows in place and in small steps.
//!
//! An entry's home is `hash × homes / 2⁶⁴` (its bits rotated, since a shard owns a range of the high ones). A full bucket
//! passes entries on to the next and counts them, so a search knows where to stop and a removal moves nothing. To grow, the
//! array is first extended, then its clusters are moved from the last to the first: homes keep their order, so what moves
//! lands behind all that has not moved yet, and one number tells which rule holds for a key.
//!
//! Invariants:
//! 1. An entry stands in its home bucket or in a later one, and every bucket from its home to the one before it counts it
//!    in `passed`.
//! 2. While growing, an entry whose home among the old ones is below `split` stands by the old homes, any other by the new.
//! 3. No step moves more than one cluster past `STEP_BUCKETS`; a cluster's length does not depend on the table's.

use yeoul_frame::KeyHash;
use yeoul_sys::Slab;

use super::bucket::{Bucket, LANES};
use super::meta::{Meta, Tag};
use super::writes::Writes;
use crate::key::Key;
use crate::stored::Value;

/// Growth begins when this share of the lanes is taken.
const FULL_PERCENT: usize = 72;
/// A table of up to so many bytes doubles, so that each entry moves about once. A larger one grows by a third, which holds memory at 30 to
/// 40 bytes for a key and value of eight bytes each; an entry then moves up to three times more, by sequential access.
const DOUBLING_BYTES: usize = 64 << 20;
/// Buckets added or moved with each key that is inserted while the table grows.
const STEP_BUCKETS: usize = 12;

/// Where an entry stands. Good until the next insertion, removal or step of growth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) bucket: usize,
    pub(crate) lane: usize,
}

/// The rule that gives a hash its home.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Homes {
    count: usize,
    /// What `count` will be when the growth is done.
    next: usize,
    /// Old homes from here on have moved. `usize::MAX` when not growing.
    split: usize,
}

impl Homes {
    const fn of(count: usize) -> Self {
        Self { count, next: count, split: usize::MAX }
    }

    #[inline]
    pub(crate) const fn home(&self, hash: KeyHash) -> usize {
        let home = scale(hash, self.count);
        if home < self.split { home } else { scale(hash, self.next) }
    }

    const fn is_growing(&self) -> bool {
        self.split != usize::MAX
    }
}

#[inline]
const fn scale(hash: KeyHash, homes: usize) -> usize {
    ((position(hash) as u128 * homes as u128) >> 64) as usize
}

/// Where a hash stands in the order of the table, as a fraction of 2⁶⁴.
#[inline]
pub(crate) const fn position(hash: KeyHash) -> u64 {
    hash.0.rotate_left(32)
}

pub(crate) struct Buckets<K, V> {
    slab: Slab<Bucket<K, V>>,
    homes: Homes,
    /// Lanes taken.
    taken: usize,
    moving: Vec<(K, V, Meta, KeyHash)>,
}

impl<K: Key, V: Value> Buckets<K, V> {
    pub(crate) fn new(writes: &mut Writes) -> Self {
        let mut buckets = Self { slab: Slab::new(), homes: Homes::of(1), taken: 0, moving: Vec::new() };
        buckets.extend(1, writes);
        buckets
    }

    pub(crate) fn count(&self) -> usize {
        self.slab.len()
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[Bucket<K, V>] {
        self.slab.as_slice()
    }

    #[inline]
    pub(crate) fn at(&mut self, bucket: usize) -> &mut Bucket<K, V> {
        &mut self.slab.as_mut_slice()[bucket]
    }

    #[inline]
    pub(crate) fn homes(&self) -> Homes {
        self.homes
    }

    #[inline]
    pub(crate) fn find(&self, key: &K, hash: KeyHash) -> Option<Place> {
        let tag = Tag::of(hash);
        let buckets = self.slab.as_slice();
        let mut bucket = self.homes.home(hash);
        loop {
            let here = &buckets[bucket];
            let mut lanes = here.matching(tag);
            while lanes != 0 {
                let lane = lanes.trailing_zeros() as usize;
                if here.keys[lane] == *key {
                    return Some(Place { bucket, lane });
                }
                lanes &= lanes - 1;
            }
            if here.passed == 0 {
                return None;
            }
            bucket += 1;
        }
    }

    /// Adds a key that is not there.
    #[inline(never)]
    pub(crate) fn insert(&mut self, key: K, hash: KeyHash, value: V, writes: &mut Writes) -> Place {
        if self.homes.is_growing() {
            self.step(writes);
        } else if self.taken * 100 >= self.homes.count * LANES * FULL_PERCENT {
            let count = self.homes.count;
            let doubles = count * size_of::<Bucket<K, V>>() < DOUBLING_BYTES;
            let next = if doubles { (count * 2).max(8) } else { count + count / 3 };
            self.homes = Homes { count, next, split: count };
        }
        self.put(key, value, Meta::new(Tag::of(hash)), hash, writes)
    }

    fn put(&mut self, key: K, value: V, meta: Meta, hash: KeyHash, writes: &mut Writes) -> Place {
        let mut bucket = self.homes.home(hash);
        loop {
            if bucket == self.slab.len() {
                self.extend(bucket + 1, writes);
            }
            let here = self.at(bucket);
            if let Some(lane) = here.vacant_lane() {
                here.meta[lane] = meta;
                here.keys[lane] = key;
                here.values[lane] = value;
                self.taken += 1;
                return Place { bucket, lane };
            }
            here.passed += 1;
            bucket += 1;
        }
    }

    /// Takes an entry out of its place.
    pub(crate) fn vacate(&mut self, at: Place) -> (K, V) {
        let hash = self.slab.as_slice()[at.bucket].keys[at.lane].hash();
        let home = self.homes.home(hash);
        self.take(at, home)
    }

    fn take(&mut self, at: Place, home: usize) -> (K, V) {
        debug_assert!(home <= at.bucket, "an entry stands at or after its home");
        for passing in &mut self.slab.as_mut_slice()[home..at.bucket] {
            passing.passed -= 1;
        }
        self.taken -= 1;
        let here = self.at(at.bucket);
        here.meta[at.lane] = Meta::VACANT;
        (
            std::mem::replace(&mut here.keys[at.lane], K::vacant()),
            std::mem::replace(&mut here.values[at.lane], V::vacant()),
        )
    }

    /// Makes room at once for this many entries more, for a caller that is about to add them in the order of the table.
    ///
    /// Entries that come in that order into a table that is too small would all pile up at its beginning, one cluster, and each
    /// would walk the whole of it.
    pub(crate) fn make_room(&mut self, more: usize, writes: &mut Writes) {
        let homes = (self.taken + more) * 100 / (LANES * (FULL_PERCENT - 4)) + 1;
        if homes <= self.homes.count {
            return;
        }
        self.grow_to_the_end(writes);
        if homes <= self.homes.count {
            return;
        }
        if self.taken == 0 {
            self.homes = Homes::of(homes);
            self.extend(homes, writes);
        } else {
            let count = self.homes.count;
            self.homes = Homes { count, next: homes.max(count + count / 3), split: count };
            self.grow_to_the_end(writes);
        }
    }

    fn grow_to_the_end(&mut self, writes: &mut Writes) {
        while self.homes.is_growing() {
            self.step(writes);
        }
    }

    fn extend(&mut self, count: usize, writes: &mut Writes) {
        while self.slab.len() < count {
            self.slab.push(Bucket::vacant());
        }
        writes.cover(self.slab.len());
    }

    /// One step of growth: first extends, then moves clusters.
    fn step(&mut self, writes: &mut Writes) {
        let have = self.slab.len();
        if have < self.homes.next {
            self.extend(self.homes.next.min(have + STEP_BUCKETS), writes);
            return;
        }
        let until = self.homes.split.saturating_sub(STEP_BUCKETS);
        while self.homes.split > until {
            self.move_cluster(writes);
        }
        if self.homes.split == 0 {
            self.homes = Homes::of(self.homes.next);
        } else {
            self.prefetch_step();
        }
    }

    /// Asks for the buckets that the next step will move from and to.
    fn prefetch_step(&self) {
        let buckets = self.slab.as_slice();
        let Homes { count, next, split } = self.homes;
        let from = split.saturating_sub(STEP_BUCKETS);
        let to = |home: usize| (home as u64 * next as u64 / count as u64) as usize;
        buckets[from..split].iter().chain(&buckets[to(from)..to(split)]).for_each(yeoul_sys::prefetch_write);
    }

    /// Moves the last cluster that stands by the old homes: buckets from `start` on, into which nothing is passed.
    fn move_cluster(&mut self, writes: &mut Writes) {
        let buckets = self.slab.as_slice();
        let split = self.homes.split;
        let (mut start, mut end) = (split - 1, split);
        while start > 0 && buckets[start - 1].passed != 0 {
            start -= 1;
        }
        // Entries of old homes may have been passed into buckets that already stand by the new.
        while buckets[end - 1].passed != 0 {
            end += 1;
        }
        let mut moving = std::mem::take(&mut self.moving);
        for bucket in start..end {
            for lane in 0..LANES {
                let meta = self.slab.as_slice()[bucket].meta[lane];
                if meta.is_vacant() {
                    continue;
                }
                let hash = self.slab.as_slice()[bucket].keys[lane].hash();
                let home = scale(hash, self.homes.count);
                if home < split {
                    let (key, value) = self.take(Place { bucket, lane }, home);
                    moving.push((key, value, meta, hash));
                }
            }
        }
        self.homes.split = start;
        for (key, value, meta, hash) in moving.drain(..) {
            let place = self.put(key, value, meta, hash, writes);
            writes.moved(place.bucket, meta);
        }
        self.moving = moving;
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.slab.memory_bytes()
    }

    /// The most buckets in a row that passed an entry on. For tests: walks the whole table.
    #[cfg(test)]
    pub(crate) fn longest_cluster(&self) -> usize {
        self.slab.as_slice().split(|here| here.passed == 0).map(<[_]>::len).max().unwrap_or(0)
    }

    /// Panics if the first invariant does not hold. For tests: walks the whole table.
    #[cfg(test)]
    pub(crate) fn check(&self) {
        let buckets = self.slab.as_slice();
        let mut passed = vec![0; buckets.len()];
        let mut taken = 0;
        for (bucket, here) in buckets.iter().enumerate() {
            for lane in (0..LANES).filter(|&lane| !here.meta[lane].is_vacant()) {
                taken += 1;
                let home = self.homes.home(here.keys[lane].hash());
                passed[home..bucket].iter_mut().for_each(|count| *count += 1);
            }
        }
        assert_eq!(taken, self.taken);
        assert!(buckets.iter().map(|here| here.passed).eq(passed), "every passed entry is counted, and only those");
    }
}
