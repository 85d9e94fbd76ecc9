//! Keys: what a stream is partitioned by, and what tables look up.
//!
//! A key's [`hash`](Key::hash) is stable; it decides the key group and so the shard. A part of a key that is the engine's
//! own (a map state's entry, a list's position) must not: [`Compound`] keys are routed by their first half only.

use yeoul_frame::{KeyHash, Timestamp, hash_bytes, hash_u64};

use crate::key_str::KeyStr;
use crate::log::Corrupt;
use crate::stored::Stored;

/// A key of a table.
///
/// Two keys are equal if and only if their encodings are.
///
/// Keys are integers, `bool`, `char`, [`Timestamp`], text, and tuples and options of keys. Of lists and arrays only those of bytes are: they are
/// hashed by what they hold, in every run alike.
///
/// ```
/// fn key_by(key: impl yeoul_state::Key) -> yeoul_frame::KeyHash {
///     key.hash()
/// }
///
/// assert_eq!(key_by((7u64, "north".to_owned())), key_by((7u64, "north".to_owned())));
/// assert_eq!(key_by(vec![1u8, 2]), key_by(vec![1u8, 2]));
/// assert_ne!(key_by([1u8, 2]), key_by([2u8, 1]));
/// ```
///
/// What is not equal to itself (a fraction that is no number), what is compared by where it lies, and what a change of the program may number
/// anew is refused when it is compiled. A fraction:
///
/// ```compile_fail,E0277
/// # fn key_by(_: impl yeoul_state::Key) {}
/// key_by(7.5f64);
/// ```
///
/// A list or an array of anything but bytes:
///
/// ```compile_fail,E0277
/// # fn key_by(_: impl yeoul_state::Key) {}
/// key_by(vec![7u64]);
/// ```
///
/// ```compile_fail,E0277
/// # fn key_by(_: impl yeoul_state::Key) {}
/// key_by([7u64]);
/// ```
///
/// An enum, even one that Rust can hash: its key is the number that the program says stands for it.
///
/// ```compile_fail,E0277
/// # fn key_by(_: impl yeoul_state::Key) {}
/// #[derive(Clone, Copy, PartialEq, Eq, Hash)]
/// enum Kind {
///     Low,
/// }
/// key_by(Kind::Low);
/// ```
pub trait Key: Stored + Clone + Eq {
    /// The stable hash of the whole key.
    fn hash(&self) -> KeyHash;

    /// The stable hash of the part that decides the key group: all of it, but for [`Compound`] keys.
    #[inline]
    fn routing(&self) -> KeyHash {
        self.hash()
    }
}

macro_rules! integers {
    ($($type:ty)*) => { $(
        impl Key for $type {
            #[inline]
            fn hash(&self) -> KeyHash {
                // Sign-extending, as `hash_u64` asks.
                hash_u64(i64::from(*self) as u64)
            }
        }
    )* };
}
integers! { u8 u16 u32 i8 i16 i32 bool }

impl Key for i64 {
    #[inline]
    fn hash(&self) -> KeyHash {
        hash_u64(*self as u64)
    }
}

impl Key for u64 {
    #[inline]
    fn hash(&self) -> KeyHash {
        hash_u64(*self)
    }
}

macro_rules! wide {
    ($($type:ty)*) => { $(
        impl Key for $type {
            #[inline]
            fn hash(&self) -> KeyHash {
                hash_bytes(&self.to_le_bytes())
            }
        }
    )* };
}
wide! { u128 i128 }

impl Key for char {
    fn hash(&self) -> KeyHash {
        hash_u64(u64::from(u32::from(*self)))
    }
}

impl Key for () {
    fn hash(&self) -> KeyHash {
        hash_u64(0)
    }
}

impl Key for Timestamp {
    #[inline]
    fn hash(&self) -> KeyHash {
        hash_u64(self.0 as u64)
    }
}

impl Key for String {
    #[inline]
    fn hash(&self) -> KeyHash {
        hash_bytes(self.as_bytes())
    }
}

impl Key for KeyStr {
    #[inline]
    fn hash(&self) -> KeyHash {
        hash_bytes(self.as_bytes())
    }
}

impl Key for Vec<u8> {
    #[inline]
    fn hash(&self) -> KeyHash {
        hash_bytes(self)
    }
}

impl<const N: usize> Key for [u8; N] {
    #[inline]
    fn hash(&self) -> KeyHash {
        hash_bytes(self)
    }
}

impl<T: Key> Key for Option<T> {
    #[inline]
    fn hash(&self) -> KeyHash {
        match self {
            None => hash_u64(0),
            Some(key) => hash_u64(1).then(key.hash()),
        }
    }
}

macro_rules! tuples {
    ($(($first:ident $($part:ident $at:tt)*))*) => { $(
        impl<$first: Key, $($part: Key),*> Key for ($first, $($part,)*) {
            #[inline]
            fn hash(&self) -> KeyHash {
                self.0.hash()$(.then(self.$at.hash()))*
            }
        }
    )* };
}
tuples! { (A) (A B 1) (A B 1 C 2) (A B 1 C 2 D 3) (A B 1 C 2 D 3 E 4) (A B 1 C 2 D 3 E 4 F 5) }

/// A user's key with a part of the engine's own behind it; routed by the user's key alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Compound<K, N> {
    /// The user's key.
    pub key: K,
    /// The rest.
    pub sub: N,
}

impl<K: Key, N: Key> Compound<K, N> {
    /// The hash of the compound of a key with this hash and `sub`.
    #[inline]
    pub fn hash_of(key: KeyHash, sub: &N) -> KeyHash {
        key.then(sub.hash())
    }
}

impl<K: Key, N: Key> Key for Compound<K, N> {
    #[inline]
    fn hash(&self) -> KeyHash {
        Self::hash_of(self.key.hash(), &self.sub)
    }

    #[inline]
    fn routing(&self) -> KeyHash {
        self.key.routing()
    }
}

impl<K: Key, N: Key> Stored for Compound<K, N> {
    const WIDTH: Option<usize> = <(K, N)>::WIDTH;

    fn vacant() -> Self {
        Self { key: K::vacant(), sub: N::vacant() }
    }

    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.key.encode(out);
        self.sub.encode(out);
    }

    #[inline]
    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        Ok(Self { key: K::decode(bytes)?, sub: N::decode(bytes)? })
    }

    fn heap_bytes(&self) -> usize {
        self.key.heap_bytes() + self.sub.heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_text_has_one_hash_whatever_holds_it() {
        for text in ["", "LGA", "a text of more than the twenty-two bytes that fit"] {
            assert_eq!(text.to_owned().hash(), KeyStr::new(text).hash());
            assert_eq!(text.to_owned().hash(), text.as_bytes().to_vec().hash());
        }
        assert_eq!(7_u8.hash(), 7_u64.hash());
        assert_eq!((-7_i8).hash(), (-7_i64).hash());
    }

    #[test]
    fn compound_keys_are_routed_by_the_users_part() {
        let compound = Compound { key: 5_u64, sub: 9_u32 };
        assert_eq!(compound.routing(), 5_u64.hash());
        assert_eq!(compound.hash(), (5_u64, 9_u32).hash());
    }
}
