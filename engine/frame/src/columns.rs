//! Column frames: Arrow arrays under one schema.

use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::ptr::NonNull;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_buffer::Buffer;
use arrow_schema::SchemaRef;
use yeoul_sys::Region;

use crate::batch::{Batch, Data};
use crate::pool::Marks;
use crate::{Frame, RowKind, Timestamp};

/// Arrays of equal length with the names and types of their columns.
#[derive(Clone, Debug)]
pub struct Columns {
    schema: SchemaRef,
    arrays: Vec<ArrayRef>,
}

/// Why arrays do not make a column frame.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ColumnError {
    /// The schema names another number of columns.
    Count {
        /// Columns in the schema.
        schema: usize,
        /// Arrays given.
        arrays: usize,
    },
    /// A column, the times or the kinds are longer or shorter than the rest.
    Length {
        /// The column's name, or `times` or `kinds`.
        column: String,
        /// Its length.
        length: usize,
        /// The length of the rest.
        rows: usize,
    },
    /// A column has another type than the schema says.
    Type {
        /// The column's name.
        column: String,
        /// Its type.
        found: arrow_schema::DataType,
        /// What the schema says.
        expected: arrow_schema::DataType,
    },
}

impl std::fmt::Display for ColumnError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count { schema, arrays } => write!(f, "{arrays} arrays for a schema of {schema} columns"),
            Self::Length { column, length, rows } => {
                write!(f, "column {column} has {length} elements in a frame of {rows} rows")
            }
            Self::Type { column, found, expected } => {
                write!(f, "column {column} is of type {found}, its schema says {expected}")
            }
        }
    }
}

impl std::error::Error for ColumnError {}

impl Columns {
    /// These arrays under this schema.
    ///
    /// # Errors
    /// If their number, types or lengths do not agree.
    pub fn new(schema: SchemaRef, arrays: Vec<ArrayRef>) -> Result<Self, ColumnError> {
        if schema.fields().len() != arrays.len() {
            return Err(ColumnError::Count { schema: schema.fields().len(), arrays: arrays.len() });
        }
        let rows = arrays.first().map_or(0, |array| array.len());
        for (field, array) in schema.fields().iter().zip(&arrays) {
            if array.len() != rows {
                return Err(ColumnError::Length { column: field.name().clone(), length: array.len(), rows });
            }
            if field.data_type() != array.data_type() {
                return Err(ColumnError::Type {
                    column: field.name().clone(),
                    found: array.data_type().clone(),
                    expected: field.data_type().clone(),
                });
            }
        }
        Ok(Self { schema, arrays })
    }

    /// The columns' names and types.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The arrays, in the schema's order.
    #[must_use]
    pub fn arrays(&self) -> &[ArrayRef] {
        &self.arrays
    }

    /// The array of column `index` as an `A`, if it is one.
    #[must_use]
    pub fn array<A: Array + 'static>(&self, index: usize) -> Option<&A> {
        self.arrays.get(index)?.as_any().downcast_ref()
    }

    /// How many rows there are; none if there is no column to tell.
    #[must_use]
    pub fn rows(&self) -> Option<usize> {
        self.arrays.first().map(|array| array.len())
    }

    /// The memory that the arrays hold, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.arrays.iter().map(|array| array.get_array_memory_size()).sum()
    }
}

/// Makes column frames.
pub struct ColumnBatch;

impl ColumnBatch {
    /// A frame of these arrays, with one event time per row, and one kind per row or none (all inserts).
    ///
    /// # Errors
    /// If numbers, types or lengths do not agree.
    pub fn of(
        schema: SchemaRef,
        arrays: Vec<ArrayRef>,
        times: Vec<Timestamp>,
        kinds: Vec<RowKind>,
    ) -> Result<Frame, ColumnError> {
        let columns = Columns::new(schema, arrays)?;
        let rows = columns.rows().unwrap_or(times.len());
        let wrong = |column: &str, length| ColumnError::Length { column: column.to_owned(), length, rows };
        if times.len() != rows {
            return Err(wrong("times", times.len()));
        }
        if !kinds.is_empty() && kinds.len() != rows {
            return Err(wrong("kinds", kinds.len()));
        }
        let rows = u32::try_from(rows).map_err(|_| wrong("times", rows))?;
        let marks = Arc::new(Marks { times, kinds });
        Ok(Frame::whole(Batch::new(rows, marks, Data::Columns(columns))))
    }
}

/// An Arrow buffer over a part of a region, such as a mapped file. Nothing is copied; the buffer keeps the region.
///
/// An array of a primitive type made of it asks for alignment to that type.
///
/// # Panics
/// If the range is not within the region.
///
/// ```
/// use arrow_array::Int32Array;
/// use yeoul_frame::columns::region_buffer;
/// use yeoul_sys::Region;
///
/// let region = Region::from_vec([7i32.to_le_bytes(), 8i32.to_le_bytes()].concat());
/// let array = Int32Array::new(region_buffer(&region, 4..8).into(), None);
/// assert_eq!(array.values().as_ref(), [8]);
/// assert_eq!(array.values().as_ptr().cast(), region[4..].as_ptr());
/// ```
#[must_use]
pub fn region_buffer(region: &Region, range: Range<usize>) -> Buffer {
    let bytes = &region[range];
    let (start, len) = (NonNull::from(bytes).cast(), bytes.len());
    // SAFETY: `start` and `len` name bytes of the region, which do not move or change while a handle lives, and the
    // buffer owns a handle.
    unsafe { Buffer::from_custom_allocation(start, len, Arc::new(AssertUnwindSafe(region.clone()))) }
}
