//! A record of the user's as a value of state: kept as its archive, read in place, and evictable to the log.
//!
//! In memory it is the bytes that the log will hold; draining copies them, evicting exchanges them for the same bytes in a
//! mapped segment, and reading does not care. A write replaces the whole.
//!
//! Invariants:
//! 1. The bytes are a checked archive of `T`, aligned to 16 or more, or there are none (a vacant slot).
//! 2. What is evicted are the same bytes in a segment of the log, which stays mapped as long as they are held.

use std::fmt;
use std::marker::PhantomData;

use rkyv::api::high::{HighSerializer, HighValidator};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Serialize};
use yeoul_sys::Region;

use crate::log::Corrupt;
use crate::stored::Stored;

/// A record that can be kept as a [`Row`]. Implemented for every type that rkyv archives and checks: whatever `#[record]`
/// stands above.
pub trait RowRecord:
    Archive<Archived: for<'a> CheckBytes<HighValidator<'a, rancor::Error>> + 'static>
    + for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, rancor::Error>>
    + 'static
{
}

impl<T> RowRecord for T where
    T: Archive<Archived: for<'a> CheckBytes<HighValidator<'a, rancor::Error>> + 'static>
        + for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, rancor::Error>>
        + 'static
{
}

/// A record as it is archived, in memory or in the mapped log.
///
/// As a value of state it must be the whole value: its encoding has no length of its own, so it cannot be part of a tuple.
///
/// ```
/// use yeoul_state::Row;
///
/// let row = Row::new(&("N14228".to_owned(), 12_u32));
/// assert_eq!(row.get().0.as_str(), "N14228");
/// assert_eq!(row.get().1.to_native(), 12);
/// ```
pub struct Row<T> {
    bytes: Region,
    evicted: bool,
    record: PhantomData<fn() -> T>,
}

impl<T: RowRecord> Row<T> {
    /// Archives a record.
    ///
    /// # Panics
    /// If the type's own `Serialize` fails; those of `#[record]` and the standard types do not.
    #[must_use]
    pub fn new(record: &T) -> Self {
        match rkyv::to_bytes::<rancor::Error>(record) {
            Ok(bytes) => Self::of(Region::from_vec(bytes.into_vec())),
            Err(error) => panic!("archiving a {}: {error}", std::any::type_name::<T>()),
        }
    }

    fn of(bytes: Region) -> Self {
        Self { bytes, evicted: false, record: PhantomData }
    }

    /// The record, where it lies. Checks the archive again, as this crate has no unsafe code.
    ///
    /// # Panics
    /// If a mapped segment no longer holds what was written to it.
    #[must_use]
    pub fn get(&self) -> &T::Archived {
        match access::<T>(&self.bytes) {
            Ok(record) => record,
            Err(error) => panic!("the log no longer holds what was written to it: {error}"),
        }
    }

    /// Whether it is read from the log.
    #[must_use]
    pub fn is_evicted(&self) -> bool {
        self.evicted
    }
}

fn access<T: RowRecord>(bytes: &[u8]) -> Result<&T::Archived, Corrupt> {
    rkyv::access::<T::Archived, rancor::Error>(bytes).map_err(|error| {
        Corrupt::new(format!("{} bytes are not a {}: {error}", bytes.len(), std::any::type_name::<T>()))
    })
}

impl<T> Clone for Row<T> {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), evicted: self.evicted, record: PhantomData }
    }
}

impl<T: RowRecord<Archived: fmt::Debug>> fmt::Debug for Row<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl<T: RowRecord> Stored for Row<T> {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self::of(Region::empty())
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes);
    }

    /// Takes all the bytes.
    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let row = Self::of(Region::from_vec(std::mem::take(bytes).to_vec()));
        access::<T>(&row.bytes)?;
        Ok(row)
    }

    fn heap_bytes(&self) -> usize {
        if self.evicted { 0 } else { self.bytes.len() }
    }

    const SPILLS: bool = true;

    /// Keeps the bytes where they are if those in the log are others: they would come back as another record. A row that is evicted and
    /// was written anew by relocation is read from its new place, so that the old segment can go.
    fn evict(&mut self, bytes: Region) -> usize {
        if self.bytes[..] != bytes[..] {
            return 0;
        }
        let freed = self.heap_bytes();
        self.bytes = bytes;
        self.evicted = true;
        freed
    }
}

#[cfg(test)]
mod tests {
    use yeoul_frame::TableId;

    use super::*;
    use crate::key::Key;
    use crate::state_table::StateTable;
    use crate::table::Table;
    use crate::testing::Disk;

    type Visit = (String, u64);

    fn visit(key: u64) -> Visit {
        ("N".repeat(key as usize % 40), key)
    }

    #[test]
    fn clean_rows_are_read_from_the_log_and_written_ones_are_not() {
        let mut table = Table::<u64, Row<Visit>>::new(TableId(1), "visits");
        let mut disk = Disk::new();
        (0..500).for_each(|key: u64| _ = table.set(&key, key.hash(), Row::new(&visit(key))));
        assert_eq!(disk.evict(&mut table, usize::MAX), 0, "nothing is in the log yet");
        table.freeze();
        disk.drain(&mut table, 100);
        table.set(&5, 5_u64.hash(), Row::new(&visit(500)));
        // Few enough rows that all are counted.
        let before = table.memory_bytes();
        let freed = disk.evict(&mut table, usize::MAX);
        assert_eq!(table.memory_bytes(), before - freed);
        assert!(freed > 10_000);
        for key in 0..500_u64 {
            let row = table.get(&key, key.hash()).unwrap();
            let expected = visit(if key == 5 { 500 } else { key });
            assert_eq!((row.get().0.as_str(), row.get().1.to_native()), (expected.0.as_str(), expected.1));
            assert_eq!(row.is_evicted(), key != 5);
        }
        // Compaction copies evicted rows without bringing them into memory.
        disk.relocate_oldest(&mut table).unwrap();
        table.freeze();
        disk.drain(&mut table, 100);
        let mut restored = Table::<u64, Row<Visit>>::new(TableId(1), "visits");
        disk.restore(&mut restored).unwrap();
        assert_eq!(StateTable::len(&restored), 500);
        assert_eq!(restored.get(&5, 5_u64.hash()).unwrap().get().1.to_native(), 500);
        assert!(disk.evict(&mut table, usize::MAX) > 0 && disk.evict(&mut table, usize::MAX) == 0);
    }

    #[test]
    fn garbage_is_refused() {
        let mut bytes = Vec::new();
        Row::new(&visit(30)).encode(&mut bytes);
        for at in 0..bytes.len() {
            // Whatever a flipped byte does, it is refused or reads as some record.
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x80;
            if let Ok(row) = crate::stored::decode_all::<Row<Visit>>(&bytes) {
                let _ = row.get().0.len();
            }
        }
        assert!(crate::stored::decode_all::<Row<Visit>>(&bytes[..7]).is_err());
    }
}
