//! A bucket: three entries and their words, in one cache line when key and value have eight bytes each.
//!
//! A lookup is one miss where an index beside dense slots makes two; at ten million keys that is the difference that
//! counts (ARCHITECTURE.md has the figures).

use super::meta::{Meta, Tag};
use crate::stored::Stored;

/// Entries of a bucket.
pub(crate) const LANES: usize = 3;

#[repr(C)]
pub(crate) struct Bucket<K, V> {
    pub(crate) meta: [Meta; LANES],
    /// How many entries that belong here or before stand in a later bucket: a search goes on only if there are any.
    pub(crate) passed: u32,
    pub(crate) keys: [K; LANES],
    pub(crate) values: [V; LANES],
}

const _: () = assert!(size_of::<Bucket<u64, u64>>() == 64);

impl<K: Stored, V: Stored> Bucket<K, V> {
    pub(crate) fn vacant() -> Self {
        Self {
            meta: [Meta::VACANT; LANES],
            passed: 0,
            keys: std::array::from_fn(|_| K::vacant()),
            values: std::array::from_fn(|_| V::vacant()),
        }
    }
}

impl<K, V> Bucket<K, V> {
    /// A bit for each lane with this tag. Without branches: which lane it is cannot be predicted.
    #[inline]
    pub(crate) const fn matching(&self, tag: Tag) -> u32 {
        self.meta[0].has(tag) as u32 | (self.meta[1].has(tag) as u32) << 1 | (self.meta[2].has(tag) as u32) << 2
    }

    #[inline]
    pub(crate) fn vacant_lane(&self) -> Option<usize> {
        self.meta.iter().position(|meta| meta.is_vacant())
    }
}
