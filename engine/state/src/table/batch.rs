//! A frame's keys, looked up together.
//!
//! While one key is updated, the bucket of a later one is on its way from memory, and so is the bucket behind it: an entry
//! in six was passed on, and whether it was is known only when the first has come.

use yeoul_frame::KeyHash;
use yeoul_sys::prefetch_write;

use super::Table;
use super::bucket::Bucket;
use super::meta::Tag;
use crate::key::Key;
use crate::stored::Value;

/// How many keys ahead a bucket is asked for.
const AHEAD: usize = 32;
/// A table of fewer bytes lies in the second-level cache; asking ahead would cost more than it saves.
const CACHED_BYTES: usize = 1 << 19;

impl<K: Key, V: Value> Table<K, V> {
    /// Updates the values of a frame's keys in their order: `update(i, value)` for `keys[i]`, whose value starts as
    /// `default()` if there is none.
    ///
    /// ```
    /// use yeoul_frame::TableId;
    /// use yeoul_state::{Key, Table};
    ///
    /// let mut sums = Table::<u64, i64>::new(TableId(1), "sums");
    /// let keys = [1, 2, 1];
    /// let hashes = keys.map(|key: u64| key.hash());
    /// let amounts = [10, 20, 30];
    /// sums.upsert_batch(&keys, &hashes, || 0, |i, sum| *sum += amounts[i]);
    /// assert_eq!(sums.get(&1, hashes[0]), Some(&40));
    /// ```
    #[inline]
    pub fn upsert_batch(
        &mut self,
        keys: &[K],
        hashes: &[KeyHash],
        mut default: impl FnMut() -> V,
        mut update: impl FnMut(usize, &mut V),
    ) {
        assert_eq!(keys.len(), hashes.len(), "every key has its hash");
        if self.buckets.count() * size_of::<Bucket<K, V>>() <= CACHED_BYTES {
            for (i, (key, &hash)) in keys.iter().zip(hashes).enumerate() {
                update(i, self.upsert(key, hash, &mut default));
            }
            return;
        }
        self.ahead(hashes, |table, i| update(i, table.upsert(&keys[i], hashes[i], &mut default)));
    }

    /// Looks up a frame's keys in their order: `found(i, value)` for `keys[i]`.
    #[inline]
    pub fn get_batch<'t>(&'t self, keys: &[K], hashes: &[KeyHash], mut found: impl FnMut(usize, Option<&'t V>)) {
        assert_eq!(keys.len(), hashes.len(), "every key has its hash");
        hashes.iter().take(AHEAD).for_each(|&hash| self.prefetch(hash));
        for (i, (key, &hash)) in keys.iter().zip(hashes).enumerate() {
            if let Some(&hash) = hashes.get(i + AHEAD) {
                self.prefetch(hash);
            }
            found(i, self.get(key, hash));
        }
    }

    /// Calls `act` for each hash in order, with the buckets of later ones on their way.
    #[inline(always)]
    pub(super) fn ahead(&mut self, hashes: &[KeyHash], mut act: impl FnMut(&mut Self, usize)) {
        hashes.iter().take(AHEAD).for_each(|&hash| self.prefetch(hash));
        for i in 0..hashes.len() {
            if let Some(&hash) = hashes.get(i + AHEAD) {
                self.prefetch(hash);
            }
            act(self, i);
        }
    }

    /// Asks for a key's bucket, for a caller that looks its keys up one by one: some tens of keys ahead is best.
    #[inline(always)]
    pub fn prefetch(&self, hash: KeyHash) {
        ask(self.buckets.as_slice(), self.buckets.homes().home(hash));
    }
}

impl<K: Key, V: Value> Table<K, V> {
    /// Asks for the entry of a key whose bucket was [asked for](Self::prefetch) some keys before: where keys and values are large, a bucket has
    /// many cache lines, and which of them a key needs is known only once the first is there. Of a key that is new: for where it will stand.
    #[inline]
    pub fn prefetch_entry(&self, hash: KeyHash) {
        if size_of::<Bucket<K, V>>() <= 64 {
            return;
        }
        let buckets = self.buckets.as_slice();
        let here = &buckets[self.buckets.homes().home(hash).min(buckets.len() - 1)];
        let lanes = here.matching(Tag::of(hash));
        let lane = if lanes == 0 { here.vacant_lane() } else { Some(lanes.trailing_zeros() as usize) };
        if let Some(lane) = lane {
            prefetch_write(&here.keys[lane]);
            let value = std::ptr::from_ref(&here.values[lane]).cast::<u8>();
            for line in (0..size_of::<V>()).step_by(64) {
                yeoul_sys::prefetch_write_at(value.wrapping_add(line));
            }
        }
    }
}

/// Asks for a bucket, and for the next, to which an entry in six or so was passed on.
#[inline(always)]
fn ask<K, V>(buckets: &[Bucket<K, V>], bucket: usize) {
    if let [here, next, ..] = &buckets[bucket.min(buckets.len() - 1)..] {
        prefetch_write(here);
        if size_of::<Bucket<K, V>>() > 64 {
            prefetch_write(&here.values[0]);
        }
        prefetch_write(next);
    }
}
