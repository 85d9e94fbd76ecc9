//! Whole records as state: kept as their owned Rust value, encoded by rkyv when they are drained to the log.

use std::cell::Cell;
use std::num::NonZeroU32;

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
///
/// ```
/// use yeoul_frame::record;
/// use yeoul_stream::StateRecord;
///
/// #[record]
/// #[derive(Debug, Clone, PartialEq)]
/// struct Visit { page: String, seconds: Option<u32> }
///
/// fn is_kept<T: StateRecord>() {}
/// is_kept::<Visit>();
/// is_kept::<(u64, Vec<String>)>();
/// ```
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

/// About how many bytes a record owns outside itself, if that is known: what its archive has beside its fixed part. It stands until it is
/// learnt again.
#[doc(hidden)]
#[derive(Debug, Clone, Default)]
pub struct Outside(Cell<Option<NonZeroU32>>);

/// After how many changes it is looked at again what a record owns: one, two, four and so on. So one that grows for long without being written
/// to the log is seen to grow, and looking costs little.
#[derive(Debug, Clone, Copy, Default)]
pub struct Changes {
    since: u8,
    /// The power of two.
    again: u8,
}

impl Changes {
    /// Counts one. Returns whether to look again.
    fn count(&mut self) -> bool {
        self.since += 1;
        let again = self.since >> self.again != 0;
        if again {
            *self = Self { since: 0, again: (self.again + 1).min(7) };
        }
        again
    }
}

impl Outside {
    /// Records that are archived just now have so much in all.
    fn learn(&self, bytes: usize, records: usize) {
        if records > 0 {
            // One more than there are, so that it can be known that there are none.
            self.0.set(NonZeroU32::new(u32::try_from(bytes.div_ceil(records) + 1).unwrap_or(u32::MAX)));
        }
    }

    /// What `len` records own. If no archive of any was made so far, some are made of these.
    pub(crate) fn of<'a, T: StateRecord>(&self, len: usize, records: impl Iterator<Item = &'a T>) -> usize {
        const SAMPLED: usize = 4;
        if len == 0 || !std::mem::needs_drop::<T>() {
            return 0;
        }
        if self.0.get().is_none() {
            let stride = len.div_ceil(SAMPLED);
            let sampled = records.skip(stride / 2).step_by(stride);
            let bytes = sampled.map(|record| outside::<T>(archive(record).len()));
            let (bytes, sampled) = bytes.fold((0, 0), |(all, count), bytes| (all + bytes, count + 1));
            self.learn(bytes, sampled);
        }
        self.0.get().map_or(0, |mean| (mean.get() as usize - 1) * len)
    }
}

/// Of an archive of this length, what is not the fixed part of the record.
fn outside<T: StateRecord>(archive: usize) -> usize {
    archive.saturating_sub(size_of::<T::Archived>())
}

/// Records that are written one behind another, or read, and what they own.
pub(crate) struct Measured {
    bytes: usize,
    records: usize,
}

impl Measured {
    pub(crate) const fn new() -> Self {
        Self { bytes: 0, records: 0 }
    }

    /// As [`put`].
    pub(crate) fn put<T: StateRecord>(&mut self, record: &T, out: &mut Vec<u8>) {
        let before = out.len();
        put(record, out);
        self.count::<T>(out.len() - before);
    }

    /// As [`take`].
    pub(crate) fn take<T: StateRecord>(&mut self, bytes: &mut &[u8]) -> Result<T, Corrupt> {
        let before = bytes.len();
        let record = take(bytes)?;
        self.count::<T>(before - bytes.len());
        Ok(record)
    }

    fn count<T: StateRecord>(&mut self, encoded: usize) {
        self.bytes += outside::<T>(encoded - size_of::<u32>());
        self.records += 1;
    }

    pub(crate) fn tell(&self, of: &Outside) {
        of.learn(self.bytes, self.records);
    }
}

/// A record in a table's slot.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub enum Owned<T> {
    /// There is none.
    None,
    /// It, what it owns, and how often it was changed.
    Some(T, Outside, Changes),
}

impl<T> Owned<T> {
    pub(crate) fn new(record: T) -> Self {
        Self::Some(record, Outside::default(), Changes::default())
    }

    pub(crate) const fn none() -> Self {
        Self::None
    }

    /// The record, if there is one.
    pub(crate) fn get(&self) -> Option<&T> {
        if let Self::Some(record, ..) = self { Some(record) } else { None }
    }

    /// The record, if there is one.
    pub(crate) fn into_inner(self) -> Option<T> {
        if let Self::Some(record, ..) = self { Some(record) } else { None }
    }

    /// The record, to be changed, if there is one.
    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        let Self::Some(record, owns, changes) = self else { return None };
        if changes.count() {
            *owns = Outside::default();
        }
        Some(record)
    }
}

impl<T: PartialEq> PartialEq for Owned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: StateRecord> Stored for Owned<T> {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self::None
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.get().is_some().encode(out);
        if let Self::Some(record, owns, _) = self {
            let mut measured = Measured::new();
            measured.put(record, out);
            measured.tell(owns);
        }
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        if !bool::decode(bytes)? {
            return Ok(Self::None);
        }
        let (mut measured, owns) = (Measured::new(), Outside::default());
        let record = measured.take(bytes)?;
        measured.tell(&owns);
        Ok(Self::Some(record, owns, Changes::default()))
    }

    fn heap_bytes(&self) -> usize {
        if let Self::Some(record, owns, _) = self { owns.of(1, std::iter::once(record)) } else { 0 }
    }
}

/// Records in a table's slot, in the order in which they came.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub struct OwnedList<T> {
    pub(crate) records: Vec<T>,
    owns: Outside,
}

impl<T> OwnedList<T> {
    pub(crate) fn new(records: Vec<T>) -> Self {
        Self { records, owns: Outside::default() }
    }
}

impl<T: PartialEq> PartialEq for OwnedList<T> {
    fn eq(&self, other: &Self) -> bool {
        self.records == other.records
    }
}

impl<T: StateRecord> Stored for OwnedList<T> {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self::new(Vec::new())
    }

    fn encode(&self, out: &mut Vec<u8>) {
        u32::try_from(self.records.len()).expect("a window holds fewer than 2³² records").encode(out);
        let mut measured = Measured::new();
        self.records.iter().for_each(|record| measured.put(record, out));
        measured.tell(&self.owns);
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let count = u32::decode(bytes)?;
        let mut measured = Measured::new();
        let list = Self::new((0..count).map(|_| measured.take(bytes)).collect::<Result<_, _>>()?);
        measured.tell(&list.owns);
        Ok(list)
    }

    fn heap_bytes(&self) -> usize {
        let records = &self.records;
        records.capacity() * size_of::<T>() + self.owns.of(records.len(), records.iter())
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

#[cfg(test)]
mod tests {
    use yeoul_frame::TableId;
    use yeoul_state::stored::decode_all;
    use yeoul_state::{Key as _, Table};

    use super::*;

    /// What a value says that it holds outside itself: before it has been encoded, after it, and read back.
    fn check<V: Stored + Clone>(value: &V, expected: std::ops::Range<usize>) {
        let mut bytes = Vec::new();
        let fresh = value.clone();
        value.encode(&mut bytes);
        for value in [&fresh, value, &decode_all::<V>(&bytes).unwrap()] {
            assert!(expected.contains(&value.heap_bytes()), "{} bytes in {} encoded", value.heap_bytes(), bytes.len());
        }
    }

    #[test]
    fn records_are_counted_with_what_they_own() {
        type Note = (u64, String);
        let note = |len: usize| (7, "n".repeat(len));
        check(&Owned::new(note(1_000)), 1_000..1_100);
        check(&Owned::<Note>::none(), 0..1);
        check(&Owned::new((7_u64, 8_u64)), 0..1);
        check(&OwnedList::new(vec![note(1_000); 100]), 100_000..110_000);
        check(&OwnedList::new((0..100).map(|n| note(n * 20)).collect::<Vec<Note>>()), 80_000..120_000);
        check(&OwnedList::<Note>::new(Vec::new()), 0..1);
        // One that grows without being written is seen to grow.
        let mut grows = Owned::new(note(20));
        for len in 21..1_000 {
            grows.get_mut().unwrap().1.push('n');
            assert!((len / 2..len + 16).contains(&grows.heap_bytes()), "{len}: {}", grows.heap_bytes());
        }
        // Numbers own nothing, and take no more than themselves.
        assert_eq!(size_of::<Owned<(u64, u64)>>(), size_of::<Option<(u64, u64)>>());
        let mut table = Table::<u64, Owned<Note>>::new(TableId(1), "notes");
        (0..5_000_u64).for_each(|key| _ = table.set(&key, key.hash(), Owned::new(note(1_000))));
        assert!((5_000_000..7_000_000).contains(&table.memory_bytes()), "{} bytes", table.memory_bytes());
    }
}
