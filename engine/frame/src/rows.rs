//! A typed view of a row frame: a base address and a stride.
//!
//! Invariants:
//! 1. `base` is where `rows` valid values of `T::Archived` begin; they live and do not change for `'a`.
//! 2. Every selected row number is below `rows`.

use std::marker::PhantomData;
use std::ops::Index;

use crate::{Batch, Indices, Record, RowKind, Selection, Timestamp};

/// The rows of a frame as `T`, read in place.
pub struct Rows<'a, T: Record> {
    base: *const T::Archived,
    batch: &'a Batch,
    selection: &'a Selection,
    lives: PhantomData<&'a [T::Archived]>,
}

impl<T: Record> Clone for Rows<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Record> Copy for Rows<'_, T> {}

impl<'a, T: Record> Rows<'a, T> {
    /// # Safety
    /// `base` is where `batch.rows` valid values of `T::Archived` begin, which live and do not change for `'a`, and the
    /// selection's bound is at most `batch.rows`.
    #[inline]
    pub(crate) unsafe fn new(base: *const u8, batch: &'a Batch, selection: &'a Selection) -> Self {
        Self { base: base.cast(), batch, selection, lives: PhantomData }
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

    /// The row with this number in the batch, selected or not.
    ///
    /// # Panics
    /// If the batch has no such row.
    #[must_use]
    #[inline]
    pub fn get(&self, row: u32) -> &'a T::Archived {
        assert!(row < self.batch.rows, "row {row} of {}", self.batch.rows);
        // SAFETY: below the number of rows, as just checked.
        unsafe { self.at(row) }
    }

    /// The event time of the row with this number.
    ///
    /// # Panics
    /// If the batch has no such row.
    #[must_use]
    #[inline]
    pub fn time(&self, row: u32) -> Timestamp {
        self.batch.times()[row as usize]
    }

    /// The kind of the row with this number.
    ///
    /// # Panics
    /// If the batch has no such row (unless every row is an insert).
    #[must_use]
    #[inline]
    pub fn kind(&self, row: u32) -> RowKind {
        self.batch.kinds().map_or(RowKind::Insert, |kinds| kinds[row as usize])
    }

    /// All rows of the batch, selected or not, in one slice.
    #[must_use]
    #[inline]
    pub fn all(&self) -> &'a [T::Archived] {
        // SAFETY: invariant 1.
        unsafe { std::slice::from_raw_parts(self.base, self.batch.len()) }
    }

    /// The selected rows with their numbers.
    #[must_use]
    #[inline]
    pub fn iter(&self) -> RowIter<'a, T> {
        RowIter { rows: *self, indices: self.selection.indices() }
    }

    /// # Safety
    /// `row` is below the number of rows.
    #[inline]
    unsafe fn at(&self, row: u32) -> &'a T::Archived {
        // SAFETY: `row` is below the number of valid values that begin at `base` (invariant 1).
        unsafe { &*self.base.add(row as usize) }
    }
}

impl<T: Record> Index<u32> for Rows<'_, T> {
    type Output = T::Archived;

    #[inline]
    fn index(&self, row: u32) -> &T::Archived {
        self.get(row)
    }
}

impl<'a, T: Record> IntoIterator for Rows<'a, T> {
    type Item = (u32, &'a T::Archived);
    type IntoIter = RowIter<'a, T>;

    #[inline]
    fn into_iter(self) -> RowIter<'a, T> {
        self.iter()
    }
}

impl<'a, T: Record> IntoIterator for &Rows<'a, T> {
    type Item = (u32, &'a T::Archived);
    type IntoIter = RowIter<'a, T>;

    #[inline]
    fn into_iter(self) -> RowIter<'a, T> {
        self.iter()
    }
}

/// Selected rows with their numbers. As for [`Indices`], the methods that run to the end decide only once whether the
/// selection is a range or a list.
pub struct RowIter<'a, T: Record> {
    rows: Rows<'a, T>,
    indices: Indices<'a>,
}

impl<'a, T: Record> Iterator for RowIter<'a, T> {
    type Item = (u32, &'a T::Archived);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let row = self.indices.next()?;
        // SAFETY: a selected row number is below the number of rows (invariant 2).
        Some((row, unsafe { self.rows.at(row) }))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.indices.size_hint()
    }

    #[inline]
    fn fold<B, F: FnMut(B, Self::Item) -> B>(self, init: B, mut f: F) -> B {
        let rows = self.rows;
        // SAFETY: a selected row number is below the number of rows (invariant 2).
        self.indices.fold(init, move |folded, row| f(folded, (row, unsafe { rows.at(row) })))
    }
}

impl<T: Record> ExactSizeIterator for RowIter<'_, T> {}
impl<T: Record> std::iter::FusedIterator for RowIter<'_, T> {}
