//! Keys of columns: a word that may be null, and a row of columns as canonical bytes that lie in their slot.
//!
//! Invariants:
//! 1. Bytes of at most [`KeyBytes::INLINE`] are inline and padded with zeros, longer ones are not; so the derived equality is that of
//!    the bytes.
//! 2. A null [`NullableWord`] has the value 0, so the derived equality is that of the column's values.

use std::fmt;

use yeoul_frame::{KeyHash, hash_bytes, hash_u64};

use crate::key::Key;
use crate::log::Corrupt;
use crate::stored::{Stored, put_sized, take_sized};

/// Bytes as a key: 24 bytes in a slot, and no allocation up to [`KeyBytes::INLINE`] bytes. Ordered as byte strings.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyBytes(Bytes);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Bytes {
    Inline { len: u8, bytes: [u8; KeyBytes::INLINE] },
    Heap(Box<[u8]>),
}

impl KeyBytes {
    /// The most bytes that are kept inline.
    pub const INLINE: usize = 22;

    /// A key of these bytes.
    #[must_use]
    #[inline]
    pub fn new(from: &[u8]) -> Self {
        let mut bytes = [0; Self::INLINE];
        match bytes.get_mut(..from.len()) {
            Some(place) => {
                place.copy_from_slice(from);
                Self(Bytes::Inline { len: from.len() as u8, bytes })
            }
            None => Self(Bytes::Heap(from.into())),
        }
    }

    /// The bytes.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Bytes::Heap(bytes) => bytes,
        }
    }
}

impl PartialOrd for KeyBytes {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for KeyBytes {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().fmt(f)
    }
}

impl Stored for KeyBytes {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self(Bytes::Inline { len: 0, bytes: [0; Self::INLINE] })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_sized(self.as_bytes(), out);
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        take_sized(bytes, "key of columns").map(Self::new)
    }

    fn heap_bytes(&self) -> usize {
        match &self.0 {
            Bytes::Inline { .. } => 0,
            Bytes::Heap(bytes) => bytes.len(),
        }
    }
}

impl Key for KeyBytes {
    #[inline]
    fn hash(&self) -> KeyHash {
        hash_bytes(self.as_bytes())
    }
}

/// A column of at most eight bytes as a key, when it may be null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NullableWord {
    value: u64,
    is_null: bool,
}

impl NullableWord {
    /// The key of null.
    pub const NULL: Self = Self { value: 0, is_null: true };
    /// The hash of [`NULL`](Self::NULL): that of a number which few streams hold.
    pub const NULL_HASH: KeyHash = hash_u64(0x9e37_79b9_7f4a_7c15);

    /// The key of a value.
    #[must_use]
    #[inline]
    pub const fn new(value: u64) -> Self {
        Self { value, is_null: false }
    }

    /// The value, if it is not null.
    #[must_use]
    #[inline]
    pub const fn get(self) -> Option<u64> {
        if self.is_null { None } else { Some(self.value) }
    }
}

impl Stored for NullableWord {
    const WIDTH: Option<usize> = Some(9);

    fn vacant() -> Self {
        Self::new(0)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.value.encode(out);
        self.is_null.encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let (value, is_null) = (u64::decode(bytes)?, bool::decode(bytes)?);
        if is_null && value != 0 {
            return Err(Corrupt::new(format!("a null key has the value {value:#x}")));
        }
        Ok(Self { value, is_null })
    }
}

impl Key for NullableWord {
    #[inline]
    fn hash(&self) -> KeyHash {
        if self.is_null { Self::NULL_HASH } else { hash_u64(self.value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stored::decode_all;

    #[test]
    fn bytes_around_the_bound_keep_their_equality_and_order() {
        let all: Vec<Vec<u8>> = (0..30_u8).map(|n| vec![n / 2; usize::from(n)]).collect();
        for a in &all {
            for b in &all {
                let (x, y) = (KeyBytes::new(a), KeyBytes::new(b));
                assert_eq!((x == y, x.cmp(&y)), (a == b, a.cmp(b)));
            }
            let mut bytes = Vec::new();
            KeyBytes::new(a).encode(&mut bytes);
            assert_eq!(decode_all::<KeyBytes>(&bytes).unwrap().as_bytes(), a);
        }
        assert_eq!(size_of::<KeyBytes>(), 24);
    }

    #[test]
    fn a_word_has_one_hash_whether_it_may_be_null_or_not() {
        assert_eq!(NullableWord::new(7).hash(), 7_u64.hash());
        assert_ne!(NullableWord::NULL, NullableWord::new(0));
        for word in [NullableWord::NULL, NullableWord::new(0), NullableWord::new(u64::MAX)] {
            let mut bytes = Vec::new();
            word.encode(&mut bytes);
            assert_eq!(decode_all::<NullableWord>(&bytes), Ok(word));
        }
        assert!(decode_all::<NullableWord>(&[1, 0, 0, 0, 0, 0, 0, 0, 1]).is_err());
    }
}
