//! Which buckets hold entries written in one epoch: a bit a bucket, and a bit for each word of those.
//!
//! A bitmap and not a list: its size is bounded, it names no entry that growth could move, and draining in its order walks
//! memory and the log in the order of the hash, which makes a restore sequential.
//!
//! Invariants:
//! 1. The bit of every bucket with an entry written in the epoch is set. Others may be: a bit is a hint to look.
//! 2. A summary bit is set if and only if its word is not zero.

use yeoul_sys::Slab;

#[derive(Default)]
pub(crate) struct DirtyBits {
    words: Slab<u64>,
    summary: Slab<u64>,
}

impl DirtyBits {
    /// Makes room for buckets below `buckets`.
    pub(crate) fn cover(&mut self, buckets: usize) {
        while self.words.len() * 64 < buckets {
            self.words.push(0);
        }
        while self.summary.len() * 64 < self.words.len() {
            self.summary.push(0);
        }
    }

    #[inline]
    pub(crate) fn set(&mut self, bucket: usize) {
        let word = bucket / 64;
        let bits = &mut self.words.as_mut_slice()[word];
        let before = *bits;
        *bits = before | 1 << (bucket % 64);
        if before == 0 {
            self.summary.as_mut_slice()[word / 64] |= 1 << (word % 64);
        }
    }

    /// The first set bucket from `bucket` on.
    pub(crate) fn next(&self, bucket: usize) -> Option<usize> {
        let (words, summary) = (self.words.as_slice(), self.summary.as_slice());
        let word = bucket / 64;
        let rest = words.get(word)? & (u64::MAX << (bucket % 64));
        if rest != 0 {
            return Some(word * 64 + rest.trailing_zeros() as usize);
        }
        let from = word + 1;
        let mut at = from / 64;
        let mut groups = summary.get(at)? & (u64::MAX << (from % 64));
        while groups == 0 {
            at += 1;
            groups = *summary.get(at)?;
        }
        let word = at * 64 + groups.trailing_zeros() as usize;
        Some(word * 64 + words[word].trailing_zeros() as usize)
    }

    pub(crate) fn clear(&mut self, bucket: usize) {
        let word = bucket / 64;
        let bits = &mut self.words.as_mut_slice()[word];
        *bits &= !(1 << (bucket % 64));
        if *bits == 0 {
            self.summary.as_mut_slice()[word / 64] &= !(1 << (word % 64));
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.words.memory_bytes() + self.summary.memory_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_what_is_set_and_nothing_else() {
        let set = [0, 1, 63, 64, 4095, 4096, 70_000, 262_143, 262_144, 999_999];
        let mut bits = DirtyBits::default();
        bits.cover(1_000_000);
        set.iter().for_each(|&bucket| bits.set(bucket));
        bits.set(500);
        bits.clear(500);
        let walk = |bits: &DirtyBits| std::iter::successors(bits.next(0), |&at| bits.next(at + 1)).collect::<Vec<_>>();
        assert_eq!(walk(&bits), set);
        set.iter().skip(1).for_each(|&bucket| bits.clear(bucket));
        assert_eq!(walk(&bits), [0]);
        assert_eq!(bits.next(1), None);
    }
}
