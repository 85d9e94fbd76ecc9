//! What can stand in a table's slot and in the log: a native Rust value with one encoding.
//!
//! In memory a `u64` is a `u64`; encoded, integers are little-endian and of fixed width, and everything of variable width
//! begins with its length as `u32`, so that encodings can follow one another. `docs/format.md` describes the bytes; they
//! are part of the format on disk and never change.

mod composite;

use yeoul_frame::Timestamp;
use yeoul_sys::Region;

use crate::log::Corrupt;

/// A value with one encoding, which a table can hold and the log can keep.
pub trait Stored: Sized + Send + 'static {
    /// Bytes of the encoding, if every value takes the same.
    const WIDTH: Option<usize>;

    /// A value that holds no memory beside itself, for slots in which nothing stands. Never seen by users.
    fn vacant() -> Self;

    /// Appends the encoding.
    fn encode(&self, out: &mut Vec<u8>);

    /// Takes a value off the front of `bytes`.
    ///
    /// # Errors
    /// If the bytes are not an encoding of this type.
    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt>;

    /// Bytes held outside the value itself.
    fn heap_bytes(&self) -> usize {
        0
    }

    /// Whether an evicted value stays in its slot and reads itself from the mapped log. Values of other types of variable width leave their
    /// slot, and are decoded when they are read.
    const SPILLS: bool = false;

    /// Lets go of the memory if `bytes`, mapped, are the value's encoding. Returns the bytes freed. Called where [`Self::SPILLS`].
    fn evict(&mut self, _bytes: Region) -> usize {
        0
    }
}

/// What can be a value of keyed state. Implemented for everything that is [`Stored`]: numbers, `bool`, `char`,
/// [`Timestamp`], `String`, lists, arrays, options and tuples of these, and [`Row`](crate::Row)s of records.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a value of keyed state",
    note = "wrap a record as `Row<T>`, or implement `yeoul_state::Stored`"
)]
pub trait Value: Stored {}

impl<T: Stored> Value for T {}

/// Decodes a value that takes up all of `bytes`.
///
/// # Errors
/// If the bytes are not an encoding of `T`, or some are left.
#[inline]
pub fn decode_all<T: Stored>(mut bytes: &[u8]) -> Result<T, Corrupt> {
    let value = T::decode(&mut bytes)?;
    if bytes.is_empty() {
        return Ok(value);
    }
    Err(Corrupt::new(format!("{} bytes are left over after a {}", bytes.len(), std::any::type_name::<T>())))
}

/// Bytes that a B-tree of so many entries of this size takes: its nodes are two thirds full in the mean.
pub(crate) const fn tree_bytes(entries: usize, size: usize) -> usize {
    entries * (size + size / 2 + 4)
}

/// Takes `len` bytes off the front.
#[inline]
pub(crate) fn take<'a>(bytes: &mut &'a [u8], len: usize, what: &str) -> Result<&'a [u8], Corrupt> {
    match bytes.split_at_checked(len) {
        Some((head, rest)) => {
            *bytes = rest;
            Ok(head)
        }
        None => Err(too_short(bytes.len(), len, what)),
    }
}

#[cold]
fn too_short(left: usize, wanted: usize, what: &str) -> Corrupt {
    Corrupt::new(format!("{left} bytes are left where a {what} takes {wanted}"))
}

/// Takes a length and that many bytes off the front.
pub(crate) fn take_sized<'a>(bytes: &mut &'a [u8], what: &str) -> Result<&'a [u8], Corrupt> {
    let len = u32::decode(bytes)?;
    take(bytes, len as usize, what)
}

/// Appends a length and the bytes.
pub(crate) fn put_sized(bytes: &[u8], out: &mut Vec<u8>) {
    u32::try_from(bytes.len()).expect("a key or value is shorter than 4 GiB").encode(out);
    out.extend_from_slice(bytes);
}

macro_rules! numbers {
    ($($type:ty)*) => { $(
        impl Stored for $type {
            const WIDTH: Option<usize> = Some(size_of::<$type>());

            #[inline]
            fn vacant() -> Self {
                0 as $type
            }

            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            #[inline]
            fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
                let head = take(bytes, size_of::<$type>(), stringify!($type))?;
                Ok(<$type>::from_le_bytes(head.try_into().expect("as many bytes as were taken")))
            }
        }
    )* };
}
numbers! { u8 u16 u32 u64 u128 i8 i16 i32 i64 i128 f32 f64 }

impl Stored for () {
    const WIDTH: Option<usize> = Some(0);

    fn vacant() -> Self {}

    fn encode(&self, _: &mut Vec<u8>) {}

    fn decode(_: &mut &[u8]) -> Result<Self, Corrupt> {
        Ok(())
    }
}

impl Stored for bool {
    const WIDTH: Option<usize> = Some(1);

    fn vacant() -> Self {
        false
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        match u8::decode(bytes)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Corrupt::new(format!("a bool is {other}"))),
        }
    }
}

impl Stored for char {
    const WIDTH: Option<usize> = Some(4);

    fn vacant() -> Self {
        '\0'
    }

    fn encode(&self, out: &mut Vec<u8>) {
        u32::from(*self).encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let code = u32::decode(bytes)?;
        char::from_u32(code).ok_or_else(|| Corrupt::new(format!("a char is {code:#x}, which is none")))
    }
}

impl Stored for Timestamp {
    const WIDTH: Option<usize> = Some(8);

    fn vacant() -> Self {
        Self(0)
    }

    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }

    #[inline]
    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        i64::decode(bytes).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "reads better at the calls")]
    fn check<T: Stored + PartialEq + std::fmt::Debug>(value: T, bytes: &[u8]) {
        let mut out = Vec::new();
        value.encode(&mut out);
        assert_eq!(out, bytes, "{value:?}");
        assert!(T::WIDTH.is_none_or(|width| width == out.len()));
        for short in 0..out.len() {
            assert!(decode_all::<T>(&out[..short]).is_err(), "{value:?} cut to {short} bytes");
        }
        assert_eq!(decode_all::<T>(&out).as_ref(), Ok(&value));
        out.push(0);
        assert!(decode_all::<T>(&out).is_err());
    }

    #[test]
    fn encodings_are_those_of_the_format() {
        check(0x0102_0304_u32, &[4, 3, 2, 1]);
        check(-2_i64, &[0xfe, 255, 255, 255, 255, 255, 255, 255]);
        check(1.5_f64, &[0, 0, 0, 0, 0, 0, 0xf8, 0x3f]);
        check(true, &[1]);
        check('ü', &[0xfc, 0, 0, 0]);
        check(Timestamp(1), &[1, 0, 0, 0, 0, 0, 0, 0]);
        check("ab".to_owned(), &[2, 0, 0, 0, b'a', b'b']);
        check(vec![7_u8, 8], &[2, 0, 0, 0, 7, 8]);
        check(Some(9_u16), &[1, 9, 0]);
        check(None::<u16>, &[0]);
        check([1_u16, 2], &[1, 0, 2, 0]);
        check((1_u8, "x".to_owned()), &[1, 1, 0, 0, 0, b'x']);
        assert_eq!(<(u64, [u32; 3], bool)>::WIDTH, Some(21));
        assert!(decode_all::<bool>(&[2]).is_err() && decode_all::<String>(&[1, 0, 0, 0, 255]).is_err());
        assert!(decode_all::<Vec<()>>(&[255; 4]).is_err(), "no memory by a length found in bytes");
    }
}
