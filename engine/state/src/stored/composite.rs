//! Encodings of texts, lists, options, arrays and tuples, made of those of their parts.

use std::collections::BTreeSet;

use super::{Stored, put_sized, take_sized, tree_bytes};
use crate::log::Corrupt;

impl Stored for String {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self::new()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_sized(self.as_bytes(), out);
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let text = std::str::from_utf8(take_sized(bytes, "string")?);
        text.map(str::to_owned).map_err(|error| Corrupt::new(format!("a string is not UTF-8: {error}")))
    }

    fn heap_bytes(&self) -> usize {
        self.capacity()
    }
}

impl<T: Stored> Stored for Vec<T> {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self::new()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        u32::try_from(self.len()).expect("a list has fewer than 2³² elements").encode(out);
        self.iter().for_each(|item| item.encode(out));
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let count = u32::decode(bytes)? as usize;
        if T::WIDTH == Some(0) && count > 1 << 20 {
            return Err(Corrupt::new(format!("a list of {count} empty elements")));
        }
        // What is reserved is bounded by the bytes that are there, not by what they say.
        let mut list = Self::with_capacity(count.min(bytes.len() / T::WIDTH.unwrap_or(4).max(1)));
        for _ in 0..count {
            list.push(T::decode(bytes)?);
        }
        Ok(list)
    }

    fn heap_bytes(&self) -> usize {
        self.capacity() * size_of::<T>() + self.iter().map(T::heap_bytes).sum::<usize>()
    }
}

impl<T: Stored + Ord> Stored for BTreeSet<T> {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self::new()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        u32::try_from(self.len()).expect("a set has fewer than 2³² elements").encode(out);
        self.iter().for_each(|item| item.encode(out));
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        Vec::decode(bytes).map(Self::from_iter)
    }

    fn heap_bytes(&self) -> usize {
        tree_bytes(self.len(), size_of::<T>()) + self.iter().map(T::heap_bytes).sum::<usize>()
    }
}

impl<T: Stored> Stored for Option<T> {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        None
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.is_some().encode(out);
        if let Some(value) = self {
            value.encode(out);
        }
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        if bool::decode(bytes)? { T::decode(bytes).map(Some) } else { Ok(None) }
    }

    fn heap_bytes(&self) -> usize {
        self.as_ref().map_or(0, T::heap_bytes)
    }
}

impl<T: Stored, const N: usize> Stored for [T; N] {
    const WIDTH: Option<usize> = match T::WIDTH {
        Some(width) => Some(width * N),
        None => None,
    };

    fn vacant() -> Self {
        std::array::from_fn(|_| T::vacant())
    }

    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|item| item.encode(out));
    }

    #[inline]
    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let mut array = Self::vacant();
        for item in &mut array {
            *item = T::decode(bytes)?;
        }
        Ok(array)
    }

    fn heap_bytes(&self) -> usize {
        self.iter().map(T::heap_bytes).sum()
    }
}

/// The width of encodings that follow one another.
const fn sum(widths: &[Option<usize>]) -> Option<usize> {
    let (mut at, mut all) = (0, 0);
    while at < widths.len() {
        match widths[at] {
            Some(width) => all += width,
            None => return None,
        }
        at += 1;
    }
    Some(all)
}

macro_rules! tuples {
    ($(($($part:ident $at:tt)*))*) => { $(
        impl<$($part: Stored),*> Stored for ($($part,)*) {
            const WIDTH: Option<usize> = sum(&[$($part::WIDTH),*]);

            fn vacant() -> Self {
                ($($part::vacant(),)*)
            }

            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                $(self.$at.encode(out);)*
            }

            #[inline]
            fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
                Ok(($($part::decode(bytes)?,)*))
            }

            fn heap_bytes(&self) -> usize {
                0 $(+ self.$at.heap_bytes())*
            }
        }
    )* };
}
tuples! {
    (A 0) (A 0 B 1) (A 0 B 1 C 2) (A 0 B 1 C 2 D 3) (A 0 B 1 C 2 D 3 E 4) (A 0 B 1 C 2 D 3 E 4 F 5)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6) (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7)
}
