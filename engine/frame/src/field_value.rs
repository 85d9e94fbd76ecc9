//! How an archived value is read: what the accessors that `#[record]` writes return.

use rkyv::Archive;
use rkyv::option::ArchivedOption;
use rkyv::vec::ArchivedVec;

use crate::Timestamp;

/// A type whose archived form is read in its most natural way: numbers by value, text as `&str`, lists as slices,
/// records as references to their archived form, and options as `Option`s of those.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a type that a record's field can have",
    label = "not a field's type",
    note = "a struct needs `#[record]` above it; any other type that rkyv can archive needs `#[record(opaque)]` above the field"
)]
pub trait FieldValue: Archive<Archived: 'static> {
    /// What it is read as.
    type Read<'a>;

    /// Reads it.
    fn read(archived: &Self::Archived) -> Self::Read<'_>;
}

macro_rules! plain {
    ($($type:ty)*) => { $(
        impl FieldValue for $type {
            type Read<'a> = $type;

            #[inline]
            fn read(archived: &Self::Archived) -> $type {
                *archived
            }
        }
    )* };
}
plain! { bool i8 u8 }

macro_rules! multibyte {
    ($($type:ty)*) => { $(
        impl FieldValue for $type {
            type Read<'a> = $type;

            #[inline]
            fn read(archived: &Self::Archived) -> $type {
                archived.to_native()
            }
        }
    )* };
}
multibyte! { i16 i32 i64 i128 u16 u32 u64 u128 f32 f64 char }

impl FieldValue for Timestamp {
    type Read<'a> = Timestamp;

    #[inline]
    fn read(archived: &Self::Archived) -> Timestamp {
        archived.get()
    }
}

impl FieldValue for String {
    type Read<'a> = &'a str;

    #[inline]
    fn read(archived: &Self::Archived) -> &str {
        archived.as_str()
    }
}

impl<T: FieldValue> FieldValue for Option<T> {
    type Read<'a> = Option<T::Read<'a>>;

    #[inline]
    fn read(archived: &Self::Archived) -> Option<T::Read<'_>> {
        match archived {
            ArchivedOption::None => None,
            ArchivedOption::Some(value) => Some(T::read(value)),
        }
    }
}

impl<T: Archive<Archived: 'static>> FieldValue for Vec<T> {
    type Read<'a> = &'a [T::Archived];

    #[inline]
    fn read(archived: &ArchivedVec<T::Archived>) -> &[T::Archived] {
        archived.as_slice()
    }
}

impl<T: Archive<Archived: 'static>, const N: usize> FieldValue for [T; N] {
    type Read<'a> = &'a [T::Archived; N];

    #[inline]
    fn read(archived: &[T::Archived; N]) -> &[T::Archived; N] {
        archived
    }
}

macro_rules! tuples {
    ($(($($part:ident)*))*) => { $(
        impl<$($part: Archive<Archived: 'static>),*> FieldValue for ($($part,)*) {
            type Read<'a> = &'a Self::Archived;

            #[inline]
            fn read(archived: &Self::Archived) -> &Self::Archived {
                archived
            }
        }
    )* };
}
tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }
