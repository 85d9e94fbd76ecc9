//! Rows as bytes: how state keeps rows of columns, and what a key of several columns is.
//!
//! A row is: a bit for each leaf that is null; the leaves of fixed width at fixed places, little-endian; for each leaf of variable
//! width but the last, where it ends; then their bytes. A struct's leaves stand in its place, after a leaf for the struct itself.
//! Encoded and decoded a column at a time.
//!
//! Invariants:
//! 1. Two rows have the same bytes if and only if their values are the same (floats by their bits).
//! 2. No row is empty, so empty bytes stand for a row of nulls, as outer joins add them.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use std::ops::Range;

use arrow_schema::{DataType, FieldRef};
use yeoul_operator::OperatorError;

use crate::word;
pub(crate) use encode::EncodedRows;

/// Encodes and decodes rows of columns of fixed types.
#[derive(Debug, Clone)]
pub(crate) struct RowCodec {
    types: Vec<DataType>,
    /// Which leaves a column has.
    spans: Vec<Range<usize>>,
    leaves: Vec<Leaf>,
    /// Bytes before the first byte of variable width.
    head: usize,
    variable: usize,
}

#[derive(Debug, Clone)]
struct Leaf {
    data_type: DataType,
    kind: LeafKind,
}

#[derive(Debug, Clone)]
enum LeafKind {
    /// Null or not, nothing else: a struct itself.
    Presence,
    /// A word's low bytes at this place.
    Word { at: usize, width: usize },
    /// A decimal at this place.
    Decimal { at: usize },
    /// The n-th leaf of variable width.
    Bytes { nth: usize },
    /// A list, as bytes: its elements' rows, each behind its length.
    List { nth: usize, element: Box<RowCodec> },
}

impl RowCodec {
    /// # Errors
    /// A type that has no encoding.
    pub(crate) fn new(types: impl IntoIterator<Item = DataType>) -> Result<Self, OperatorError> {
        let mut codec =
            Self { types: types.into_iter().collect(), spans: vec![], leaves: vec![], head: 0, variable: 0 };
        for data_type in codec.types.clone() {
            let start = codec.leaves.len();
            codec.add(&data_type)?;
            codec.spans.push(start..codec.leaves.len());
        }
        let nulls = codec.null_bytes();
        let mut at = nulls;
        for leaf in &mut codec.leaves {
            match &mut leaf.kind {
                LeafKind::Word { at: place, width } => {
                    *place = at;
                    at += *width;
                }
                LeafKind::Decimal { at: place } => {
                    *place = at;
                    at += 16;
                }
                _ => {}
            }
        }
        codec.head = at + 4 * codec.variable.saturating_sub(1);
        Ok(codec)
    }

    fn add(&mut self, data_type: &DataType) -> Result<(), OperatorError> {
        let nth = self.variable;
        let kind = match data_type {
            DataType::Struct(_) | DataType::Null => LeafKind::Presence,
            DataType::Decimal128(..) => LeafKind::Decimal { at: 0 },
            DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => LeafKind::Bytes { nth },
            DataType::List(element) | DataType::Map(element, _) => {
                LeafKind::List { nth, element: Box::new(Self::new([element.data_type().clone()])?) }
            }
            other => match word::width(other) {
                Some(width) => LeafKind::Word { at: 0, width },
                None => return Err(no_encoding(other)),
            },
        };
        self.variable += usize::from(matches!(kind, LeafKind::Bytes { .. } | LeafKind::List { .. }));
        self.leaves.push(Leaf { data_type: data_type.clone(), kind });
        if let DataType::Struct(fields) = data_type {
            for field in fields {
                self.add(field.data_type())?;
            }
        }
        Ok(())
    }

    /// For the columns of these fields.
    pub(crate) fn of_fields<'a>(fields: impl IntoIterator<Item = &'a FieldRef>) -> Result<Self, OperatorError> {
        Self::new(fields.into_iter().map(|field| field.data_type().clone()))
    }

    fn null_bytes(&self) -> usize {
        self.leaves.len().div_ceil(8).max(1)
    }

    /// Where the ends of variable leaves begin.
    fn ends_at(&self) -> usize {
        self.head - 4 * self.variable.saturating_sub(1)
    }

    /// The bytes of the n-th variable leaf of a row.
    #[inline]
    fn variable_of<'r>(&self, row: &'r [u8], nth: usize) -> &'r [u8] {
        let end_of = |nth: usize| {
            let at = self.ends_at() + 4 * nth;
            u32::from_le_bytes(row[at..at + 4].try_into().expect("four bytes")) as usize
        };
        let start = if nth == 0 { self.head } else { end_of(nth - 1) };
        let end = if nth + 1 == self.variable { row.len() } else { end_of(nth) };
        &row[start..end]
    }
}

#[inline]
fn is_null(row: &[u8], leaf: usize) -> bool {
    row.is_empty() || row[leaf / 8] >> (leaf % 8) & 1 == 1
}

#[cold]
fn no_encoding(data_type: &DataType) -> OperatorError {
    OperatorError::new(format!("values of type {data_type} cannot be kept in state or be part of a key"))
        .hint("cast the column to another type, or leave it out")
}
