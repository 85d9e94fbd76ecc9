//! What may be a row: any type that rkyv can archive and that may cross threads.

use rkyv::rancor::{self, Strategy};
use rkyv::{Archive, Deserialize, Serialize};

use crate::serializer::RowSerializer;

/// A type of rows. Implemented for every type that qualifies; there is nothing to write.
///
/// Rows are archived: user code reads `&T::Archived`, in place. That the archived form is valid rests on the contract
/// of rkyv's [`Archive`]: `resolve` leaves a valid value in its place.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a record",
    label = "not a record",
    note = "write `#[record]` above the struct, or derive rkyv's `Archive` and `Serialize`"
)]
pub trait Record: Archive<Archived: Send + Sync + 'static> + Serialize<RowSerializer> + Send + Sync + 'static {}

impl<T> Record for T where T: Archive<Archived: Send + Sync + 'static> + Serialize<RowSerializer> + Send + Sync + 'static
{}

/// How [`OwnedRecord`] reads an archive.
pub type RowDeserializer = Strategy<(), rancor::Error>;

/// A record that can be taken out of its frame as an owned value. Implemented for every type that qualifies.
pub trait OwnedRecord: Record {
    /// The owned form of an archived record: this copies, and allocates for strings and lists.
    ///
    /// # Panics
    /// If the type's own `Deserialize` fails; those of rkyv for the standard types do not.
    fn from_archived(archived: &Self::Archived) -> Self;
}

impl<T> OwnedRecord for T
where
    T: Record,
    T::Archived: Deserialize<T, RowDeserializer>,
{
    #[inline]
    fn from_archived(archived: &T::Archived) -> T {
        match rkyv::api::deserialize_using::<T, (), rancor::Error>(archived, &mut ()) {
            Ok(value) => value,
            Err(error) => panic!("deserializing a {}: {error}", std::any::type_name::<T>()),
        }
    }
}

/// Whether the archived form of a type lies in one piece, so that copying its bytes copies the value.
///
/// # Safety
/// `FIXED` may be true only if no value of `Self::Archived` refers to bytes outside itself.
pub unsafe trait FixedWidth: Archive {
    /// No data out of line.
    const FIXED: bool;
}

macro_rules! fixed {
    ($($type:ty)*) => { $(
        // SAFETY: an archived number or flag is the value itself.
        unsafe impl FixedWidth for $type { const FIXED: bool = true; }
    )* };
}
fixed! { () bool char i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 crate::Timestamp }

// SAFETY: claims nothing.
unsafe impl FixedWidth for String {
    const FIXED: bool = false;
}

// SAFETY: claims nothing.
unsafe impl<T: Archive> FixedWidth for Vec<T> {
    const FIXED: bool = false;
}

// SAFETY: an archived option is a tag and the archived value, in place.
unsafe impl<T: FixedWidth> FixedWidth for Option<T> {
    const FIXED: bool = T::FIXED;
}

// SAFETY: an archived array is the archived values, in place.
unsafe impl<T: FixedWidth, const N: usize> FixedWidth for [T; N] {
    const FIXED: bool = T::FIXED;
}

macro_rules! fixed_tuples {
    ($(($($part:ident)*))*) => { $(
        // SAFETY: an archived tuple is the archived values, in place.
        unsafe impl<$($part: FixedWidth),*> FixedWidth for ($($part,)*) { const FIXED: bool = true $(&& $part::FIXED)*; }
    )* };
}
fixed_tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }
