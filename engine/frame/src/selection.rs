//! Which rows of a batch are meant.
//!
//! Invariants:
//! 1. Every row number in a selection is below its `bound`.
//! 2. `start ≤ end`, and `end` is at most the length of the list if there is one.
//!
//! Not here: whether the rows exist. A frame checks `bound` against its batch, once, when it is made.

use std::ops::Range;
use std::sync::Arc;

/// The rows of a batch that are meant, in their order: a range of row numbers, or a list of them.
///
/// ```
/// use yeoul_frame::Selection;
///
/// let even = Selection::matching(10, |row| row % 2 == 0);
/// assert_eq!(even.iter().collect::<Vec<_>>(), [0, 2, 4, 6, 8]);
/// assert_eq!(even.slice(1..3).iter().collect::<Vec<_>>(), [2, 4]);
/// ```
#[derive(Clone)]
pub struct Selection {
    list: Option<Arc<[u32]>>,
    start: u32,
    end: u32,
    bound: u32,
}

impl Selection {
    /// The rows of this range of row numbers.
    ///
    /// # Panics
    /// If the range ends before it starts.
    #[must_use]
    pub fn span(rows: Range<u32>) -> Self {
        assert!(rows.start <= rows.end, "a span of rows from {} to {} ends before it starts", rows.start, rows.end);
        Self { list: None, start: rows.start, end: rows.end, bound: rows.end }
    }

    /// These rows, in this order.
    ///
    /// # Panics
    /// If there are more than 2³² − 1 of them.
    #[must_use]
    pub fn rows(rows: &[u32]) -> Self {
        let end = u32::try_from(rows.len()).expect("a frame has fewer than 2³² rows");
        let bound = rows.iter().fold(0, |bound, &row| bound.max(row.saturating_add(1)));
        assert!(bound < u32::MAX, "row numbers are below 2³² − 2");
        Self { list: Some(rows.into()), start: 0, end, bound }
    }

    /// The rows below `rows` for which `keep` holds. The predicate is called once per row, in order; the loop has no
    /// branch that depends on its answer.
    #[must_use]
    #[inline]
    pub fn matching(rows: u32, keep: impl FnMut(u32) -> bool) -> Self {
        compact(0..rows, rows as usize, keep).unwrap_or(Self::span(0..rows))
    }

    /// The positions of the values for which `keep` holds, in the same manner: a filter over one primitive column.
    ///
    /// # Panics
    /// If there are more than 2³² − 1 of them.
    #[must_use]
    #[inline]
    pub fn matching_values<V: Copy>(values: &[V], mut keep: impl FnMut(V) -> bool) -> Self {
        let rows = u32::try_from(values.len()).expect("a frame has fewer than 2³² rows");
        let mut left = values.iter();
        // The iterator is as long as the range, so the default is never taken.
        Self::matching(rows, |_| left.next().is_some_and(|&value| keep(value)))
    }

    /// The selected rows for which `keep` holds, in the same manner.
    #[must_use]
    #[inline]
    pub fn refine(&self, keep: impl FnMut(u32) -> bool) -> Self {
        match self.indices() {
            Indices::Span(rows) => compact(rows, self.len(), keep),
            Indices::List(rows) => compact(rows.copied(), self.len(), keep),
        }
        .unwrap_or_else(|| self.clone())
    }

    /// Those rows of a list that many share that lie at `start..end` in it; all are below `bound`.
    pub(crate) fn part(list: &Arc<[u32]>, start: u32, end: u32, bound: u32) -> Self {
        debug_assert!(start <= end && end as usize <= list.len());
        debug_assert!(list[start as usize..end as usize].iter().all(|&row| row < bound));
        Self { list: Some(Arc::clone(list)), start, end, bound }
    }

    /// How many rows are selected.
    #[must_use]
    pub const fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// No row is selected.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Every selected row number is below this.
    #[must_use]
    pub const fn bound(&self) -> u32 {
        self.bound
    }

    /// The rows at these positions of the selection. Shares the list.
    ///
    /// # Panics
    /// If the range is not within `0..self.len()`.
    #[must_use]
    pub fn slice(&self, positions: Range<usize>) -> Self {
        assert!(
            positions.start <= positions.end && positions.end <= self.len(),
            "positions {positions:?} of a selection of {} rows",
            self.len()
        );
        let (start, end) = (self.start + positions.start as u32, self.start + positions.end as u32);
        let bound = if self.list.is_none() { end } else { self.bound };
        Self { list: self.list.clone(), start, end, bound }
    }

    /// The selected row numbers.
    #[must_use]
    #[inline]
    pub fn indices(&self) -> Indices<'_> {
        match &self.list {
            None => Indices::Span(self.start..self.end),
            Some(list) => Indices::List(list[self.start as usize..self.end as usize].iter()),
        }
    }

    /// As [`indices`](Self::indices).
    #[inline]
    pub fn iter(&self) -> Indices<'_> {
        self.indices()
    }
}

/// Those of `rows` (which are `count`) for which `keep` holds; none if it holds for all.
///
/// Each row number is written where the next kept one goes, whether it is kept or not, and then stepped over or not.
#[inline]
fn compact(rows: impl Iterator<Item = u32>, count: usize, mut keep: impl FnMut(u32) -> bool) -> Option<Selection> {
    let mut list: Arc<[u32]> = std::iter::repeat_n(0, count).collect();
    let kept = Arc::get_mut(&mut list).expect("not yet shared");
    let mut len = 0;
    for row in rows {
        kept[len] = row;
        len += usize::from(keep(row));
    }
    if len == count {
        return None;
    }
    let bound = kept[..len].iter().fold(0, |bound, &row| bound.max(row + 1));
    // A selection may live long; a few rows do not keep a long list.
    if len < count / SPARSE {
        list = list[..len].into();
    }
    Some(Selection { list: Some(list), start: 0, end: len as u32, bound })
}

/// A list is cut to size if less than one part in this many of it is used.
const SPARSE: usize = 8;

impl<'a> IntoIterator for &'a Selection {
    type Item = u32;
    type IntoIter = Indices<'a>;

    #[inline]
    fn into_iter(self) -> Indices<'a> {
        self.indices()
    }
}

impl PartialEq for Selection {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Selection {}

impl std::fmt::Debug for Selection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.indices() {
            Indices::Span(rows) => write!(f, "Selection({rows:?})"),
            Indices::List(rows) => write!(f, "Selection({:?})", rows.as_slice()),
        }
    }
}

/// Selected row numbers. Match on it to write one loop for each form, or iterate: the methods that run to the end
/// (`for_each`, `fold`, `sum`, …) decide once, `next` decides each time.
#[derive(Clone, Debug)]
pub enum Indices<'a> {
    /// A range of row numbers.
    Span(Range<u32>),
    /// A list of row numbers.
    List(std::slice::Iter<'a, u32>),
}

impl Iterator for Indices<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        match self {
            Self::Span(rows) => rows.next(),
            Self::List(rows) => rows.next().copied(),
        }
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Span(rows) => rows.size_hint(),
            Self::List(rows) => rows.size_hint(),
        }
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<u32> {
        match self {
            Self::Span(rows) => rows.nth(n),
            Self::List(rows) => rows.nth(n).copied(),
        }
    }

    #[inline]
    fn fold<B, F: FnMut(B, u32) -> B>(self, init: B, f: F) -> B {
        match self {
            Self::Span(rows) => rows.fold(init, f),
            Self::List(rows) => rows.copied().fold(init, f),
        }
    }
}

impl ExactSizeIterator for Indices<'_> {}
impl std::iter::FusedIterator for Indices<'_> {}
