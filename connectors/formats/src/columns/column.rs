//! One column while it is being filled: values for some rows, in order, and gaps for the rest.
//!
//! A leaf that has no value in a record costs nothing then: the column is padded when its next value comes, or at the end.
//!
//! Invariants:
//! 1. A column has at most as many values as there are rows; what is missing at its end is null.
//! 2. `gaps` are ranges of rows without a value, in order, not empty, apart, and below the number of values.

use arrow_buffer::{BooleanBufferBuilder, NullBuffer};
use yeoul_frame::TextBuilder;

/// Rows without a value.
#[derive(Debug, Default)]
pub(super) struct Gaps(Vec<(usize, usize)>);

impl Gaps {
    #[cold]
    fn add(&mut self, from: usize, to: usize) {
        self.0.push((from, to));
    }

    /// Forgets all from `row` on.
    fn cut(&mut self, row: usize) {
        while let Some(gap) = self.0.last_mut().filter(|gap| gap.1 > row) {
            gap.1 = row;
            if gap.0 >= row {
                self.0.pop();
            }
        }
    }

    /// The bits of `rows` rows, if not all have a value.
    fn take(&mut self, rows: usize) -> Option<NullBuffer> {
        if self.0.is_empty() {
            return None;
        }
        let mut bits = BooleanBufferBuilder::new(rows);
        for (from, to) in self.0.drain(..) {
            bits.append_n(from - bits.len(), true);
            bits.append_n(to - from, false);
        }
        bits.append_n(rows - bits.len(), true);
        Some(NullBuffer::new(bits.finish()))
    }
}

/// A column of values of one size.
#[derive(Debug, Default)]
pub(super) struct Dense<T> {
    values: Vec<T>,
    gaps: Gaps,
}

impl<T: Copy + Default> Dense<T> {
    /// The value of row `row`, which is past all that have one.
    #[inline(always)]
    pub(super) fn put(&mut self, row: usize, value: T) {
        if self.values.len() != row {
            self.pad(row);
        }
        self.values.push(value);
    }

    #[inline(never)]
    fn pad(&mut self, row: usize) {
        debug_assert!(self.values.len() < row, "a row has one value");
        self.gaps.add(self.values.len(), row);
        self.values.resize(row, T::default());
    }

    /// Whether row `row`, the last, has a value.
    pub(super) fn has(&self, row: usize) -> bool {
        self.values.len() > row
    }

    pub(super) fn cut(&mut self, row: usize) {
        self.values.truncate(row);
        self.gaps.cut(row);
    }

    /// The values of `rows` rows, and which of them have one; the column is then empty.
    pub(super) fn take(&mut self, rows: usize) -> (Vec<T>, Option<NullBuffer>) {
        if self.values.len() < rows {
            self.pad(rows);
        }
        (std::mem::replace(&mut self.values, Vec::with_capacity(rows)), self.gaps.take(rows))
    }
}

/// A column of text.
#[derive(Debug, Default)]
pub(super) struct Strings {
    pub(super) text: TextBuilder,
    gaps: Gaps,
}

impl Strings {
    #[inline(always)]
    pub(super) fn put(&mut self, row: usize, value: &str) {
        if self.text.len() != row {
            self.pad(row);
        }
        self.text.push(value);
    }

    #[inline(never)]
    fn pad(&mut self, row: usize) {
        debug_assert!(self.text.len() < row, "a row has one value");
        self.gaps.add(self.text.len(), row);
        self.text.resize(row);
    }

    fn cut(&mut self, row: usize) {
        self.text.resize(row.min(self.text.len()));
        self.gaps.cut(row);
    }

    /// Which of `rows` rows have a value; `text` is then as long.
    pub(super) fn complete(&mut self, rows: usize) -> Option<NullBuffer> {
        if self.text.len() < rows {
            self.pad(rows);
        }
        self.gaps.take(rows)
    }
}

/// A column of lists: where each ends among the elements, which are a column of their own.
#[derive(Debug)]
pub(super) struct Lists {
    pub(super) element: u16,
    /// An element may be null.
    pub(super) nullable: bool,
    ends: Vec<i32>,
    gaps: Gaps,
}

impl Lists {
    pub(super) fn new(element: u16, nullable: bool) -> Self {
        Self { element, nullable, ends: Vec::new(), gaps: Gaps::default() }
    }

    /// How many elements there are.
    pub(super) fn elements(&self) -> usize {
        self.ends.last().map_or(0, |end| *end as usize)
    }

    pub(super) fn put(&mut self, row: usize, end: usize) {
        if self.ends.len() != row {
            self.pad(row);
        }
        self.ends.push(end as i32);
    }

    fn pad(&mut self, row: usize) {
        self.gaps.add(self.ends.len(), row);
        self.ends.resize(row, self.elements() as i32);
    }

    fn cut(&mut self, row: usize) {
        self.ends.truncate(row);
        self.gaps.cut(row);
    }

    /// Offsets of `rows` lists, and which rows have one.
    pub(super) fn take(&mut self, rows: usize) -> (Vec<i32>, Option<NullBuffer>) {
        if self.ends.len() < rows {
            self.pad(rows);
        }
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        offsets.append(&mut self.ends);
        (offsets, self.gaps.take(rows))
    }
}

/// The column of a leaf.
#[derive(Debug)]
pub(super) enum Column {
    /// Whatever is an integer: numbers, flags, dates, times.
    Words(Dense<i64>),
    Floats(Dense<f64>),
    Decimals(Dense<i128>),
    Strings(Strings),
    Lists(Lists),
}

impl Column {
    /// Forgets rows from `row` on.
    pub(super) fn cut(&mut self, row: usize) {
        match self {
            Self::Words(column) => column.cut(row),
            Self::Floats(column) => column.cut(row),
            Self::Decimals(column) => column.cut(row),
            Self::Strings(column) => column.cut(row),
            Self::Lists(column) => column.cut(row),
        }
    }

    /// Bytes of text, or about as many as the elements are worth; nothing for what is of one size.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Words(_) | Self::Floats(_) | Self::Decimals(_) => 0,
            Self::Strings(column) => column.text.bytes(),
            Self::Lists(column) => column.elements() * size_of::<i64>(),
        }
    }

    /// Whether row `row`, the last, has a value.
    pub(super) fn has(&self, row: usize) -> bool {
        match self {
            Self::Words(column) => column.has(row),
            Self::Floats(column) => column.has(row),
            Self::Decimals(column) => column.has(row),
            Self::Strings(column) => column.text.len() > row,
            Self::Lists(column) => column.ends.len() > row,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_null_and_what_is_cut_is_forgotten() {
        let mut column = Dense::<i64>::default();
        for round in 0..2 {
            column.put(0, 7);
            column.put(3, 8);
            column.cut(2);
            assert!(!column.has(2));
            column.put(4, 9);
            column.put(5, 1);
            column.cut(5);
            let (values, nulls) = column.take(7);
            assert_eq!(values, [7, 0, 0, 0, 9, 0, 0], "round {round}");
            let valid: Vec<bool> = nulls.unwrap().iter().collect();
            assert_eq!(valid, [true, false, false, false, true, false, false]);
            column.put(0, 1);
            column.put(1, 2);
            assert_eq!(column.take(2), (vec![1, 2], None));
        }
    }
}
