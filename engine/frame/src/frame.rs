//! What flows: a handle to a batch, which of its rows are meant, and perhaps their keys' hashes.
//!
//! Invariants:
//! 1. The selection's bound is at most the batch's number of rows.
//! 2. If there are hashes, there is one for each selected row, in the order of the selection.

use std::any::TypeId;
use std::ops::Range;
use std::sync::Arc;

use crate::batch::{Batch, Data};
use crate::{Columns, Indices, KeyHash, Record, RowKind, Rows, Selection, Timestamp};

/// An immutable batch of records with event times and row kinds, and a selection of its rows.
///
/// Cloning, selecting and slicing give another handle to the same bytes.
///
/// ```
/// use yeoul_frame::{Pool, RowBuilder, RowKind, Selection, Timestamp};
///
/// let mut rows = RowBuilder::<(u64, String)>::new(&Pool::new(), 1024);
/// for (id, word) in [(1, "shallow"), (2, "swift"), (3, "stream")] {
///     rows.push(&(id, word.to_owned()), Timestamp(10), RowKind::Insert).unwrap();
/// }
/// let frame = rows.finish();
/// let odd = frame.select(Selection::rows(&[0, 2]));
/// let words: Vec<&str> = odd.rows::<(u64, String)>().iter().map(|(_, row)| row.1.as_str()).collect();
/// assert_eq!(words, ["shallow", "stream"]);
/// ```
#[derive(Clone)]
pub struct Frame {
    batch: Arc<Batch>,
    selection: Selection,
    hashes: Option<Hashes>,
}

/// Hashes of a run of positions, within a list that other frames may share.
#[derive(Clone)]
struct Hashes {
    list: Arc<[KeyHash]>,
    start: u32,
}

impl Frame {
    /// All rows of a batch.
    pub(crate) fn whole(batch: Batch) -> Self {
        let selection = Selection::span(0..batch.rows);
        Self { batch: Arc::new(batch), selection, hashes: None }
    }

    /// How many rows are selected.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.selection.len()
    }

    /// No row is selected.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.selection.is_empty()
    }

    /// All rows, selected or not.
    #[must_use]
    #[inline]
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Which rows are meant.
    #[must_use]
    #[inline]
    pub const fn selection(&self) -> &Selection {
        &self.selection
    }

    /// The selected row numbers.
    #[must_use]
    #[inline]
    pub fn indices(&self) -> Indices<'_> {
        self.selection.indices()
    }

    /// The same bytes with other rows selected: row numbers are the batch's. Hashes do not come along.
    ///
    /// # Panics
    /// If the selection names a row that the batch does not have.
    #[must_use]
    pub fn select(&self, selection: Selection) -> Self {
        self.assert_has(&selection);
        Self { batch: Arc::clone(&self.batch), selection, hashes: None }
    }

    /// As [`select`](Self::select), without a new handle.
    ///
    /// # Panics
    /// If the selection names a row that the batch does not have.
    #[must_use]
    pub fn into_selected(mut self, selection: Selection) -> Self {
        self.assert_has(&selection);
        self.selection = selection;
        self.hashes = None;
        self
    }

    /// The same bytes with only these positions of the selection selected. Hashes come along.
    ///
    /// # Panics
    /// If the range is not within `0..self.len()`.
    #[must_use]
    pub fn slice(&self, positions: Range<usize>) -> Self {
        let hashes = self
            .hashes
            .as_ref()
            .map(|hashes| Hashes { list: Arc::clone(&hashes.list), start: hashes.start + positions.start as u32 });
        Self { batch: Arc::clone(&self.batch), selection: self.selection.slice(positions), hashes }
    }

    /// Event times by row number, of all rows of the batch.
    #[must_use]
    #[inline]
    pub fn times(&self) -> &[Timestamp] {
        self.batch.times()
    }

    /// The same rows with other event times. `assign` gets the frame and the times by row number, to overwrite; it reads
    /// the old ones there and not from the frame, which may be without them.
    ///
    /// In place if this is the only handle to the batch, and otherwise over the same bytes with times of its own.
    ///
    /// # Panics
    /// If `assign` keeps a handle to the frame.
    #[must_use]
    pub fn assign_times(mut self, assign: impl FnOnce(&Self, &mut [Timestamp])) -> Self {
        let own = Arc::get_mut(&mut self.batch).and_then(Batch::own_times).map(std::mem::take);
        if let Some(mut times) = own {
            assign(&self, &mut times);
            let place = Arc::get_mut(&mut self.batch).and_then(Batch::own_times);
            *place.expect("assigning event times keeps no handle to the frame") = times;
        } else {
            let mut times = self.times().to_vec();
            assign(&self, &mut times);
            self.batch = Arc::new(Batch::with_times(&self.batch, times));
        }
        self
    }

    /// Row kinds by row number, of all rows of the batch; none: every row is an insert.
    #[must_use]
    #[inline]
    pub fn kinds(&self) -> Option<&[RowKind]> {
        self.batch.kinds()
    }

    /// The rows as `T`.
    ///
    /// # Panics
    /// If the batch holds columns or another type of rows: an operator was given its neighbour's frame.
    #[must_use]
    #[inline]
    pub fn rows<T: Record>(&self) -> Rows<'_, T> {
        let data = match self.batch.data() {
            Data::Rows(data) if data.archived == TypeId::of::<T::Archived>() => data,
            Data::Rows(data) => other_type::<T>(data.name),
            _ => other_type::<T>("columns"),
        };
        // SAFETY: the memory holds `rows` values of `T::Archived`, since it is the type that the batch was made of
        // (invariant 2 of the batch), and the selection's bound is at most `rows` (invariant 1).
        unsafe { Rows::new(data.memory.as_ptr(), &self.batch, &self.selection) }
    }

    /// Whether [`rows`](Self::rows) of `T` can be had.
    #[must_use]
    pub fn holds<T: Record>(&self) -> bool {
        matches!(self.batch.data(), Data::Rows(data) if data.archived == TypeId::of::<T::Archived>())
    }

    /// The arrays, if this is a column frame. They hold all rows of the batch, selected or not.
    #[must_use]
    #[inline]
    pub fn columns(&self) -> Option<&Columns> {
        self.batch.columns()
    }

    /// A column frame of the same rows, times, kinds, selection and hashes with other columns.
    ///
    /// # Panics
    /// If an array has another number of elements than the batch has rows.
    #[must_use]
    pub fn with_columns(&self, columns: Columns) -> Self {
        assert!(
            columns.rows().is_none_or(|rows| rows == self.batch.len()),
            "columns of {:?} rows for a batch of {} rows",
            columns.rows(),
            self.batch.len()
        );
        let batch = Arc::new(self.batch.with_columns(columns));
        Self { batch, selection: self.selection.clone(), hashes: self.hashes.clone() }
    }

    /// The keys' hashes by position in the selection, if an exchange has computed them.
    #[must_use]
    #[inline]
    pub fn hashes(&self) -> Option<&[KeyHash]> {
        self.hashes.as_ref().map(|hashes| &hashes.list[hashes.start as usize..][..self.len()])
    }

    /// The same frame with the keys' hashes, one per selected row.
    ///
    /// # Panics
    /// If there are more or fewer hashes than selected rows.
    #[must_use]
    pub fn with_hashes(self, hashes: impl Into<Arc<[KeyHash]>>) -> Self {
        let list = hashes.into();
        assert_eq!(list.len(), self.len(), "one hash per selected row");
        Self { hashes: Some(Hashes { list, start: 0 }), ..self }
    }

    /// The same frame without hashes: after a new key was chosen, the old one's are wrong.
    #[must_use]
    pub fn without_hashes(mut self) -> Self {
        self.hashes = None;
        self
    }

    /// Some of this frame's rows, with their hashes from a list that other frames share.
    pub(crate) fn part(&self, selection: Selection, hashes: Arc<[KeyHash]>, start: u32) -> Self {
        debug_assert!(selection.bound() <= self.batch.rows && hashes.len() >= start as usize + selection.len());
        Self { batch: Arc::clone(&self.batch), selection, hashes: Some(Hashes { list: hashes, start }) }
    }

    /// The memory that the batch behind this handle holds, in bytes. Handles to one batch all say the same.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.batch.bytes()
    }

    /// Where row `row` of the batch lies in memory, to show that no copy was made on the way.
    ///
    /// # Panics
    /// If the batch holds columns or has no such row.
    #[must_use]
    pub fn row_address(&self, row: u32) -> *const u8 {
        assert!(row < self.batch.rows, "row {row} of {}", self.batch.rows);
        match self.batch.data() {
            Data::Rows(data) => data.memory.bytes()[row as usize * data.stride..].as_ptr(),
            _ => panic!("a row's address in a column frame"),
        }
    }

    fn assert_has(&self, selection: &Selection) {
        assert!(
            selection.bound() <= self.batch.rows,
            "a selection of rows below {} from a batch of {} rows",
            selection.bound(),
            self.batch.rows
        );
    }
}

#[cold]
fn other_type<T>(held: &str) -> ! {
    panic!("rows of {} were asked of a frame of {held}", std::any::type_name::<T>())
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({} of {:?})", self.len(), self.batch)
    }
}
