//! What the engine sees of a table: something that freezes, drains, restores, relocates and evicts.
//!
//! The runtime holds tables of many types behind this one trait; it never names a key or a value. All methods are called
//! between frames, by the shard that owns the table; none blocks, none does I/O.
//!
//! The life of a snapshot: [`freeze`](StateTable::freeze) at the barrier, [`drain`](StateTable::drain) in slices until
//! [`Drained::Done`], then the log is sealed. The next freeze may come only after that.

use std::any::Any;

use yeoul_frame::{Epoch, KeyHash, TableId};
use yeoul_sys::Region;

use crate::log::{BlockView, Corrupt, Layout, LogAddress, LogBuffer};
use crate::migration::NotMigrated;

/// Whether a drain has come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a snapshot is whole only when every table is drained"]
pub enum Drained {
    /// All that was frozen is in the log buffer.
    Done,
    /// There is more: call again.
    More,
}

/// What the catalog of a checkpoint says of a table, so that a restore with other types is refused with names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDescription {
    /// The table.
    pub id: TableId,
    /// Its name within its operator.
    pub name: String,
    /// How its records are laid out.
    pub layout: Layout,
    /// What its keys and values are called in the program.
    pub types: (&'static str, &'static str),
    /// Of which version its values are, if its program counts them.
    pub version: u32,
}

/// A table of keyed state, as the engine sees it.
pub trait StateTable: Send {
    /// The table.
    fn id(&self) -> TableId;

    /// Its entry in the catalog.
    fn describe(&self) -> TableDescription;

    /// Fixes what the snapshot holds: everything written up to now. Constant time.
    ///
    /// Panics if the epoch before is not drained.
    fn freeze(&mut self);

    /// Encodes up to about `max_records` frozen records into the log.
    fn drain(&mut self, max_records: usize, log: &mut LogBuffer) -> Drained;

    /// Readies a table that no one has written to yet: the blocks of `since` and later epochs hold values of the version `saved`; those of
    /// earlier ones are superseded, and mean nothing.
    ///
    /// # Errors
    /// If it has another version and does not know how to make its values of those.
    fn migrate(&mut self, saved: u32, since: Epoch) -> Result<(), NotMigrated>;

    /// All blocks have been applied. What was [migrated](Self::migrate) is on the dirty list after it.
    fn restored(&mut self) {}

    /// The table by its own type, if it can be looked into by those who know that type: tests and readers of savepoints.
    fn as_any(&mut self) -> Option<&mut dyn Any> {
        None
    }

    /// Applies a block of this table, in the order of the log, to a table that no one has written to yet.
    ///
    /// Takes the records whose key's routing hash is `owned`. Calls `retired` with the address and bytes of each record that
    /// is not (or no longer) the newest of a key of this table, for the count of live bytes.
    ///
    /// # Errors
    /// If a key or value does not decode, or the block's layout is not the table's.
    fn restore(
        &mut self,
        block: &BlockView<'_>,
        owned: &dyn Fn(KeyHash) -> bool,
        retired: &mut dyn FnMut(LogAddress, usize),
    ) -> Result<(), Corrupt>;

    /// For compaction: puts on the dirty list each record of the block that is the newest of its key.
    /// Returns how many there were.
    ///
    /// # Errors
    /// If a key does not decode.
    fn relocate(&mut self, block: &BlockView<'_>) -> Result<usize, Corrupt>;

    /// Replaces clean values whose records stand in this block of a sealed segment by their places there, until about `target_bytes` are
    /// free; `segment` is the whole mapped segment. Values of fixed width, and those that hold next to nothing outside their slot, stay.
    /// What was evicted and relocated to this block is read from here from now on. Returns the bytes freed.
    ///
    /// # Errors
    /// If a key does not decode.
    fn evict(&mut self, block: &BlockView<'_>, segment: &Region, target_bytes: usize) -> Result<usize, Corrupt>;

    /// Forgets some of the evicted values that were read since, which are kept decoded. Returns the bytes freed; 0 when there are none.
    fn cool(&mut self) -> usize {
        0
    }

    /// Bytes that [`cool`](Self::cool) frees, if it is called until it frees none.
    fn read_bytes(&self) -> usize {
        0
    }

    /// Bytes of memory held, in all.
    fn memory_bytes(&self) -> usize;

    /// Records held.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Records on the dirty list, which the next snapshot will write.
    fn dirty(&self) -> usize;
}
