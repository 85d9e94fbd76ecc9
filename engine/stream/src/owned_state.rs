//! Whole records as state: kept as their owned Rust value, encoded by rkyv when they are drained to the log.

use rkyv::api::high::{HighSerializer, HighValidator};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Serialize};
use yeoul_frame::OwnedRecord;
use yeoul_state::Stored;
use yeoul_state::log::Corrupt;

/// A record that can be kept in state and read back. Implemented for every type that qualifies: whatever `#[record]` stands above,
/// and what else rkyv can archive, check and deserialize.
pub trait StateRecord:
    OwnedRecord
    + Archive<Archived: for<'a> CheckBytes<HighValidator<'a, rancor::Error>>>
    + for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, rancor::Error>>
{
}

impl<T> StateRecord for T where
    T: OwnedRecord
        + Archive<Archived: for<'a> CheckBytes<HighValidator<'a, rancor::Error>>>
        + for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, rancor::Error>>
{
}

/// The archive of a record, aligned.
///
/// # Panics
/// If the type's own `Serialize` fails; those of `#[record]` and the standard types do not.
pub(crate) fn archive<T: StateRecord>(record: &T) -> AlignedVec {
    match rkyv::to_bytes::<rancor::Error>(record) {
        Ok(bytes) => bytes,
        Err(error) => panic!("archiving a {}: {error}", std::any::type_name::<T>()),
    }
}

/// The record that these bytes archive.
pub(crate) fn unarchive<T: StateRecord>(bytes: &[u8]) -> Result<T, Corrupt> {
    // Archived values are aligned; a slice of a larger buffer need not be.
    let mut aligned = AlignedVec::<16>::with_capacity(bytes.len());
    aligned.extend_from_slice(bytes);
    let archived = rkyv::access::<T::Archived, rancor::Error>(&aligned).map_err(|error| {
        Corrupt::new(format!("{} bytes are not a {}: {error}", bytes.len(), std::any::type_name::<T>()))
    })?;
    Ok(T::from_archived(archived))
}

/// A record in a table's slot.
#[derive(Debug, Clone, PartialEq)]
pub struct Owned<T>(Option<T>);

impl<T> Owned<T> {
    pub(crate) fn new(record: T) -> Self {
        Self(Some(record))
    }

    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// The record, if there is one.
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }

    /// The record, if there is one.
    pub(crate) fn into_inner(self) -> Option<T> {
        self.0
    }

    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        self.0.as_mut()
    }
}

impl<T: StateRecord> Stored for Owned<T> {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self(None)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.0.is_some().encode(out);
        if let Some(record) = &self.0 {
            put(record, out);
        }
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        if bool::decode(bytes)? { take(bytes).map(Self::new) } else { Ok(Self(None)) }
    }
}

/// Records in a table's slot, in the order in which they came.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnedList<T>(pub(crate) Vec<T>);

impl<T: StateRecord> Stored for OwnedList<T> {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self(Vec::new())
    }

    fn encode(&self, out: &mut Vec<u8>) {
        u32::try_from(self.0.len()).expect("a window holds fewer than 2³² records").encode(out);
        self.0.iter().for_each(|record| put(record, out));
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let count = u32::decode(bytes)?;
        (0..count).map(|_| take(bytes)).collect::<Result<_, _>>().map(Self)
    }

    fn heap_bytes(&self) -> usize {
        // What the records own is not counted: it is not known without walking them.
        self.0.capacity() * size_of::<T>()
    }
}

/// Appends a record: its archive's length and the archive.
pub(crate) fn put<T: StateRecord>(record: &T, out: &mut Vec<u8>) {
    let bytes = archive(record);
    u32::try_from(bytes.len()).expect("a record is shorter than 4 GiB").encode(out);
    out.extend_from_slice(&bytes);
}

/// Reads what [`put`] appended.
pub(crate) fn take<T: StateRecord>(bytes: &mut &[u8]) -> Result<T, Corrupt> {
    let len = u32::decode(bytes)? as usize;
    let Some((record, rest)) = bytes.split_at_checked(len) else {
        return Err(Corrupt::new(format!("{} bytes are left where a record takes {len}", bytes.len())));
    };
    *bytes = rest;
    unarchive(record)
}
