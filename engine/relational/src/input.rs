//! The rows of a column frame that are meant, a dense column at a time.
//!
//! A column is handed on as it is where all rows of the batch are meant, sliced where a run of them is, and gathered where a list is:
//! only columns that are asked for cost anything.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, UInt32Array, new_null_array};
use arrow_select::take::take;
use yeoul_frame::{Columns, Frame, Indices, RowKind, Timestamp};
use yeoul_operator::OperatorError;

/// The selected rows of a column frame.
pub(crate) struct Input<'a> {
    frame: &'a Frame,
    columns: &'a Columns,
    pick: Pick,
}

enum Pick {
    All,
    Span(usize),
    List(UInt32Array),
}

impl<'a> Input<'a> {
    pub(crate) fn of(frame: &'a Frame) -> Result<Self, OperatorError> {
        let columns = frame.columns().ok_or_else(no_columns)?;
        let pick = match frame.indices() {
            Indices::Span(rows) if rows.start == 0 && rows.end as usize == frame.batch().len() => Pick::All,
            Indices::Span(rows) => Pick::Span(rows.start as usize),
            Indices::List(rows) => Pick::List(UInt32Array::from(rows.as_slice().to_vec())),
        };
        Ok(Self { frame, columns, pick })
    }

    pub(crate) fn rows(&self) -> usize {
        self.frame.len()
    }

    pub(crate) fn frame(&self) -> &'a Frame {
        self.frame
    }

    /// All rows of the batch are meant.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.pick, Pick::All)
    }

    /// A column's values of the selected rows, in their order.
    pub(crate) fn column(&self, index: usize) -> Result<ArrayRef, OperatorError> {
        let array = self.columns.arrays().get(index).ok_or_else(|| no_column(index, self.columns))?;
        match &self.pick {
            Pick::All => Ok(Arc::clone(array)),
            Pick::Span(start) => Ok(array.slice(*start, self.rows())),
            Pick::List(rows) => gather(array, rows),
        }
    }

    pub(crate) fn columns_of(&self, indices: &[usize]) -> Result<Vec<ArrayRef>, OperatorError> {
        indices.iter().map(|&index| self.column(index)).collect()
    }

    pub(crate) fn all_columns(&self) -> Result<Vec<ArrayRef>, OperatorError> {
        (0..self.columns.arrays().len()).map(|index| self.column(index)).collect()
    }

    /// Columns with the values of those that `read` names; the others may be nulls.
    pub(crate) fn dense(&self, read: &[usize]) -> Result<Cow<'a, Columns>, OperatorError> {
        if self.is_whole() {
            return Ok(Cow::Borrowed(self.columns));
        }
        let schema = self.columns.schema();
        let arrays = (0..schema.fields().len()).map(|index| match (&self.pick, read.contains(&index)) {
            (Pick::List(_), false) => Ok(new_null_array(schema.field(index).data_type(), self.rows())),
            _ => self.column(index),
        });
        let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
        let dense = Columns::new(Arc::clone(schema), arrays);
        dense.map(Cow::Owned).map_err(|error| OperatorError::new("gathered columns do not fit").caused_by(error))
    }

    /// Event times of the selected rows.
    pub(crate) fn times(&self) -> Cow<'a, [Timestamp]> {
        self.marks(self.frame.times())
    }

    /// Kinds of the selected rows; none: all are inserts.
    pub(crate) fn kinds(&self) -> Option<Cow<'a, [RowKind]>> {
        let kinds = self.marks(self.frame.kinds()?);
        kinds.iter().any(|kind| *kind != RowKind::Insert).then_some(kinds)
    }

    fn marks<T: Copy>(&self, all: &'a [T]) -> Cow<'a, [T]> {
        match &self.pick {
            Pick::All => Cow::Borrowed(all),
            Pick::Span(start) => Cow::Borrowed(&all[*start..*start + self.rows()]),
            Pick::List(rows) => Cow::Owned(rows.values().iter().map(|&row| all[row as usize]).collect()),
        }
    }

    /// The number of a selected row in the batch.
    pub(crate) fn row(&self, position: usize) -> u32 {
        match &self.pick {
            Pick::All => position as u32,
            Pick::Span(start) => (start + position) as u32,
            Pick::List(rows) => rows.value(position),
        }
    }
}

/// The values at these positions; a null position gives null.
pub(crate) fn gather(array: &dyn Array, positions: &UInt32Array) -> Result<ArrayRef, OperatorError> {
    take(array, positions, None).map_err(|error| {
        OperatorError::new(format!("a column of {} cannot be gathered", array.data_type())).caused_by(error)
    })
}

/// Refuses rows that change where a plan says that none does.
pub(crate) fn check_inserts(name: &dyn std::fmt::Display, input: &Input<'_>) -> Result<(), OperatorError> {
    if input.kinds().is_none() {
        return Ok(());
    }
    Err(OperatorError::new(format!("{name} over rows that change"))
        .hint("this is a fault of the plan, or of a source that declares the wrong changelog mode"))
}

#[cold]
fn no_columns() -> OperatorError {
    OperatorError::new("a relational operator was given rows where it takes columns")
        .hint("convert the stream to a table before it")
}

#[cold]
fn no_column(index: usize, columns: &Columns) -> OperatorError {
    OperatorError::new(format!("column {index} of a frame of {} columns", columns.arrays().len()))
}
