//! The shared, immutable part of frames: all rows, their event times and their kinds.
//!
//! Invariants:
//! 1. There is one time per row, and one kind per row or none at all (then every row is an insert).
//! 2. A row batch's memory holds `rows` valid archived values of the type `archived` names, at `stride` from 0, and
//!    what they refer to; none of it changes.
//! 3. Every array of a column batch has `rows` elements.

use std::any::TypeId;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use crate::memory::Memory;
use crate::pool::{Buffers, Marks, Pool};
use crate::{Columns, RowKind, Timestamp};

/// All rows of a frame's batch, selected or not.
pub struct Batch {
    pub(crate) rows: u32,
    /// Taken at the drop, and only there.
    marks: ManuallyDrop<Arc<Marks>>,
    data: Data,
}

pub(crate) enum Data {
    Rows(RowData),
    Columns(Columns),
    /// Those of another batch (which has its own, not another's), under other times.
    Of(Arc<Batch>),
}

/// Archived rows.
pub(crate) struct RowData {
    pub(crate) memory: Memory,
    /// Where the memory goes at the end.
    pub(crate) home: Pool,
    pub(crate) stride: usize,
    /// Where the bytes out of line begin and end.
    pub(crate) heap: std::ops::Range<usize>,
    /// The archived type.
    pub(crate) archived: TypeId,
    /// The record type's name, for messages.
    pub(crate) name: &'static str,
}

impl Batch {
    pub(crate) fn new(rows: u32, marks: Arc<Marks>, data: Data) -> Self {
        debug_assert_eq!(marks.times.len(), rows as usize);
        Self { rows, marks: ManuallyDrop::new(marks), data }
    }

    /// What the rows are: never [`Data::Of`].
    #[inline]
    pub(crate) fn data(&self) -> &Data {
        match &self.data {
            Data::Of(batch) => &batch.data,
            data => data,
        }
    }

    /// A batch of the same rows with other times.
    ///
    /// # Panics
    /// If there is not one time per row.
    pub(crate) fn with_times(batch: &Arc<Self>, times: Vec<Timestamp>) -> Self {
        assert_eq!(times.len(), batch.len(), "one time per row");
        let owner = if let Data::Of(owner) = &batch.data { owner } else { batch };
        let marks = Arc::new(Marks { times, kinds: batch.marks.kinds.clone() });
        Self::new(batch.rows, marks, Data::Of(Arc::clone(owner)))
    }

    /// The times, if no other batch reads them.
    pub(crate) fn own_times(&mut self) -> Option<&mut Vec<Timestamp>> {
        Arc::get_mut(&mut self.marks).map(|marks| &mut marks.times)
    }

    /// A batch of other columns for the same rows.
    pub(crate) fn with_columns(&self, columns: Columns) -> Self {
        Self::new(self.rows, Arc::clone(&self.marks), Data::Columns(columns))
    }

    /// How many rows there are.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.rows as usize
    }

    /// There is no row.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Event times by row number.
    #[must_use]
    #[inline]
    pub fn times(&self) -> &[Timestamp] {
        &self.marks.times
    }

    /// Row kinds by row number; none: every row is an insert.
    #[must_use]
    #[inline]
    pub fn kinds(&self) -> Option<&[RowKind]> {
        if self.marks.kinds.is_empty() { None } else { Some(&self.marks.kinds) }
    }

    /// The arrays, if this is a column batch.
    #[must_use]
    #[inline]
    pub fn columns(&self) -> Option<&Columns> {
        match self.data() {
            Data::Columns(columns) => Some(columns),
            _ => None,
        }
    }

    /// The bytes of the rows themselves and of what they own out of line, if this is a row batch. Padding is zero.
    #[must_use]
    pub fn row_bytes(&self) -> Option<(&[u8], &[u8])> {
        match self.data() {
            Data::Rows(data) => {
                let bytes = data.memory.bytes();
                Some((&bytes[..self.len() * data.stride], &bytes[data.heap.clone()]))
            }
            _ => None,
        }
    }

    /// The memory that this batch holds, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let marks = self.marks.times.capacity() * size_of::<Timestamp>() + self.marks.kinds.capacity();
        let data = match &self.data {
            Data::Rows(data) => data.memory.len(),
            Data::Columns(columns) => columns.bytes(),
            Data::Of(batch) => batch.bytes(),
        };
        marks + data
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // SAFETY: nothing reads `marks` after this, the batch being dropped.
        let marks = unsafe { ManuallyDrop::take(&mut self.marks) };
        if let Data::Rows(data) = &mut self.data {
            let memory = std::mem::replace(&mut data.memory, Memory::empty());
            data.home.put(Buffers { memory, marks });
        }
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.data {
            Data::Rows(data) => write!(f, "Batch({} rows of {})", self.rows, data.name),
            Data::Columns(columns) => write!(f, "Batch({} rows of {} columns)", self.rows, columns.arrays().len()),
            Data::Of(batch) => batch.fmt(f),
        }
    }
}
