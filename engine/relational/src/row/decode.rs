//! Rows to columns.

use std::sync::Arc;

use arrow_array::builder::make_view;
use arrow_array::cast::AsArray;
use arrow_array::types::{ByteArrayType, GenericBinaryType, GenericStringType};
use arrow_array::{
    ArrayRef, BinaryViewArray, Decimal128Array, FixedSizeBinaryArray, GenericByteArray, ListArray, MapArray,
    OffsetSizeTrait, StructArray, new_null_array,
};
use arrow_buffer::{ArrowNativeType, Buffer, NullBuffer, OffsetBuffer};
use arrow_schema::{ArrowError, DataType};
use yeoul_frame::TextBuilder;
use yeoul_operator::OperatorError;

use super::{Leaf, LeafKind, RowCodec, is_null};
use crate::word::words_to_array;

impl RowCodec {
    /// All columns of these rows. An empty row gives nulls.
    pub(crate) fn decode(&self, rows: &[&[u8]]) -> Result<Vec<ArrayRef>, OperatorError> {
        (0..self.types.len()).map(|column| self.decode_column(rows, column)).collect()
    }

    /// One column of these rows.
    pub(crate) fn decode_column(&self, rows: &[&[u8]], column: usize) -> Result<ArrayRef, OperatorError> {
        let span = self.spans[column].clone();
        let (array, next) = self.array(rows, span.start).map_err(|error| {
            OperatorError::new(format!("rows of state do not give a column of {}", self.types[column]))
                .caused_by(error)
                .hint("start from a savepoint of the same plan")
        })?;
        debug_assert_eq!(next, span.end, "a column takes its leaves");
        Ok(array)
    }

    /// The array whose first leaf this is, and the leaf after its last.
    fn array(&self, rows: &[&[u8]], index: usize) -> Result<(ArrayRef, usize), ArrowError> {
        let Leaf { data_type, kind } = &self.leaves[index];
        if let (LeafKind::Presence, DataType::Null) = (kind, data_type) {
            return Ok((new_null_array(data_type, rows.len()), index + 1));
        }
        let nulls = nulls(rows, index);
        let array = match kind {
            LeafKind::Presence => {
                let DataType::Struct(fields) = data_type else { unreachable!("only structs have presence alone") };
                let mut next = index + 1;
                let mut children = Vec::with_capacity(fields.len());
                for _ in fields {
                    let (child, after) = self.array(rows, next)?;
                    children.push(child);
                    next = after;
                }
                let array = StructArray::try_new_with_length(fields.clone(), children, nulls, rows.len())?;
                return Ok((Arc::new(array), next));
            }
            LeafKind::Word { at, width } => match width {
                8 => words_to_array(data_type, words::<8>(rows, *at), nulls),
                4 => words_to_array(data_type, words::<4>(rows, *at), nulls),
                2 => words_to_array(data_type, words::<2>(rows, *at), nulls),
                _ => words_to_array(data_type, words::<1>(rows, *at), nulls),
            },
            LeafKind::Decimal { at } => {
                let values = rows.iter().map(|row| {
                    row.get(*at..at + 16).map_or(0, |bytes| i128::from_le_bytes(bytes.try_into().expect("16 bytes")))
                });
                let array = Decimal128Array::new(values.collect::<Vec<_>>().into(), nulls);
                Arc::new(array.with_data_type(data_type.clone()))
            }
            LeafKind::Bytes { nth } => self.bytes(rows, *nth, data_type, nulls)?,
            LeafKind::List { nth, element } => self.lists(rows, *nth, data_type, element, nulls)?,
        };
        Ok((array, index + 1))
    }

    #[inline]
    fn value<'r>(&self, row: &'r [u8], nth: usize) -> &'r [u8] {
        if row.is_empty() { row } else { self.variable_of(row, nth) }
    }

    fn bytes(
        &self,
        rows: &[&[u8]],
        nth: usize,
        data_type: &DataType,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, ArrowError> {
        Ok(match data_type {
            DataType::Utf8View => {
                let values = rows.iter().map(|row| self.value(row, nth));
                let array = TextBuilder::from_utf8(values, nulls);
                Arc::new(array.map_err(|error| ArrowError::InvalidArgumentError(error.to_string()))?)
            }
            DataType::BinaryView => Arc::new(self.views(rows, nth, nulls)?),
            DataType::Utf8 => Arc::new(self.plain::<GenericStringType<i32>>(rows, nth, nulls)?),
            DataType::LargeUtf8 => Arc::new(self.plain::<GenericStringType<i64>>(rows, nth, nulls)?),
            DataType::Binary => Arc::new(self.plain::<GenericBinaryType<i32>>(rows, nth, nulls)?),
            DataType::LargeBinary => Arc::new(self.plain::<GenericBinaryType<i64>>(rows, nth, nulls)?),
            DataType::FixedSizeBinary(width) => {
                let mut values = Vec::with_capacity(rows.len() * *width as usize);
                for row in rows {
                    let start = values.len();
                    values.extend_from_slice(self.value(row, nth));
                    values.resize(start + *width as usize, 0);
                }
                Arc::new(FixedSizeBinaryArray::try_new(*width, values.into(), nulls)?)
            }
            other => unreachable!("{other} is not kept as bytes"),
        })
    }

    fn views(&self, rows: &[&[u8]], nth: usize, nulls: Option<NullBuffer>) -> Result<BinaryViewArray, ArrowError> {
        let mut views: Vec<u128> = Vec::with_capacity(rows.len());
        let mut data: Vec<u8> = Vec::new();
        for row in rows {
            let value = self.value(row, nth);
            views.push(make_view(value, 0, data.len() as u32));
            if value.len() > 12 {
                data.extend_from_slice(value);
            }
        }
        BinaryViewArray::try_new(views.into(), vec![Buffer::from_vec(data)], nulls)
    }

    fn plain<T: ByteArrayType>(
        &self,
        rows: &[&[u8]],
        nth: usize,
        nulls: Option<NullBuffer>,
    ) -> Result<GenericByteArray<T>, ArrowError>
    where
        T::Offset: OffsetSizeTrait,
    {
        let offsets = OffsetBuffer::from_lengths(rows.iter().map(|row| self.value(row, nth).len()));
        let mut data = Vec::with_capacity(offsets.last().map_or(0, |end: &T::Offset| end.as_usize()));
        rows.iter().for_each(|row| data.extend_from_slice(self.value(row, nth)));
        GenericByteArray::try_new(offsets, Buffer::from_vec(data), nulls)
    }

    fn lists(
        &self,
        rows: &[&[u8]],
        nth: usize,
        data_type: &DataType,
        element: &RowCodec,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, ArrowError> {
        let mut elements = Vec::new();
        let mut lengths = Vec::with_capacity(rows.len());
        for row in rows {
            let before = elements.len();
            let mut rest = self.value(row, nth);
            while let Some((length, after)) = rest.split_first_chunk::<4>() {
                let (row, after) = after.split_at(u32::from_le_bytes(*length) as usize);
                elements.push(row);
                rest = after;
            }
            lengths.push(elements.len() - before);
        }
        let (values, _) = element.array(&elements, 0)?;
        let offsets = OffsetBuffer::from_lengths(lengths);
        Ok(match data_type {
            DataType::Map(field, sorted) => {
                Arc::new(MapArray::try_new(field.clone(), offsets, values.as_struct().clone(), nulls, *sorted)?)
            }
            DataType::List(field) => Arc::new(ListArray::try_new(field.clone(), offsets, values, nulls)?),
            other => unreachable!("{other} is not a list"),
        })
    }
}

fn nulls(rows: &[&[u8]], leaf: usize) -> Option<NullBuffer> {
    let any = rows.iter().any(|row| is_null(row, leaf));
    any.then(|| rows.iter().map(|row| !is_null(row, leaf)).collect::<Vec<bool>>().into())
}

#[inline]
fn words<const N: usize>(rows: &[&[u8]], at: usize) -> Vec<u64> {
    let word = |row: &&[u8]| {
        let mut word = [0; 8];
        if let Some(bytes) = row.get(at..at + N) {
            word[..N].copy_from_slice(bytes);
        }
        u64::from_le_bytes(word)
    };
    rows.iter().map(word).collect()
}
