//! A text key that lies in its slot: up to 22 bytes inline, longer texts on the heap.
//!
//! Invariants:
//! 1. Texts of at most [`KeyStr::INLINE`] bytes are inline and padded with zeros, longer ones are not; so the derived
//!    equality is that of the texts.
//! 2. The bytes are UTF-8.

use std::fmt;

use crate::log::Corrupt;
use crate::stored::{Stored, put_sized, take_sized};

/// A text as a key: 24 bytes in a slot, and no allocation up to [`KeyStr::INLINE`] bytes.
///
/// ```
/// use yeoul_state::KeyStr;
/// let tail = KeyStr::new("N14228");
/// assert_eq!(tail.as_str(), "N14228");
/// assert_eq!(size_of::<KeyStr>(), 24);
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyStr(Text);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Text {
    Inline { len: u8, bytes: [u8; KeyStr::INLINE] },
    Heap(Box<str>),
}

impl KeyStr {
    /// The longest text that is kept inline, in bytes.
    pub const INLINE: usize = 22;

    /// A key of this text.
    #[must_use]
    #[inline]
    pub fn new(text: &str) -> Self {
        let mut bytes = [0; Self::INLINE];
        match bytes.get_mut(..text.len()) {
            Some(place) => {
                place.copy_from_slice(text.as_bytes());
                Self(Text::Inline { len: text.len() as u8, bytes })
            }
            None => Self(Text::Heap(text.into())),
        }
    }

    /// The text. Checks an inline text's UTF-8 again, as this crate has no unsafe code; [`Self::as_bytes`] does not.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Inline { .. } => std::str::from_utf8(self.as_bytes()).expect("a key's text is UTF-8"),
            Text::Heap(text) => text,
        }
    }

    /// The text's bytes.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Text::Heap(text) => text.as_bytes(),
        }
    }
}

impl From<&str> for KeyStr {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl PartialOrd for KeyStr {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for KeyStr {
    /// As the texts, by code point.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl fmt::Debug for KeyStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for KeyStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Stored for KeyStr {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self(Text::Inline { len: 0, bytes: [0; Self::INLINE] })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_sized(self.as_bytes(), out);
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let text = std::str::from_utf8(take_sized(bytes, "text key")?);
        text.map(Self::new).map_err(|error| Corrupt::new(format!("a text key is not UTF-8: {error}")))
    }

    fn heap_bytes(&self) -> usize {
        match &self.0 {
            Text::Inline { .. } => 0,
            Text::Heap(text) => text.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stored::decode_all;

    #[test]
    fn texts_around_the_bound_keep_their_equality_and_order() {
        let texts: Vec<String> = (0..30).map(|n| "ü".repeat(n / 2) + if n % 2 == 1 { "z" } else { "" }).collect();
        for a in &texts {
            for b in &texts {
                let (x, y) = (KeyStr::new(a), KeyStr::new(b));
                assert_eq!((x == y, x.cmp(&y)), (a == b, a.cmp(b)));
            }
            let mut bytes = Vec::new();
            KeyStr::new(a).encode(&mut bytes);
            assert_eq!(decode_all::<KeyStr>(&bytes).unwrap().as_str(), a);
        }
    }
}
