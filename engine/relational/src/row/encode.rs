//! Columns to rows.

use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{Array, ArrayRef, BinaryArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::DataType;
use yeoul_operator::OperatorError;

use super::{Leaf, LeafKind, RowCodec};
use crate::word::read_words;

/// The rows of a frame, end to end. Keeps its memory from frame to frame.
#[derive(Debug, Default)]
pub(crate) struct EncodedRows {
    bytes: Vec<u8>,
    /// Where each row begins, and the last one ends.
    starts: Vec<u32>,
    /// Where the next leaf of variable width of each row goes.
    cursors: Vec<u32>,
    words: Vec<u64>,
}

impl EncodedRows {
    #[inline]
    pub(crate) fn row(&self, row: usize) -> &[u8] {
        &self.bytes[self.starts[row] as usize..self.starts[row + 1] as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|row| self.row(row))
    }
}

/// A leaf of the columns at hand: nulls are those of its structs too.
struct Source {
    array: ArrayRef,
    nulls: Option<NullBuffer>,
}

impl RowCodec {
    /// Encodes `rows` rows of these columns, in place of what `out` held.
    ///
    /// # Errors
    /// A frame's rows are larger than 4 GiB.
    pub(crate) fn encode(&self, columns: &[ArrayRef], rows: usize, out: &mut EncodedRows) -> Result<(), OperatorError> {
        debug_assert_eq!(columns.len(), self.types.len(), "a column for each type");
        let mut sources = Vec::with_capacity(self.leaves.len());
        let mut leaves = self.leaves.iter();
        for column in columns {
            flatten(column, None, &mut leaves, &mut sources)?;
        }
        let EncodedRows { bytes, starts, cursors, words } = out;
        starts.clear();
        starts.resize(rows + 1, 0);
        starts[1..].fill(self.head as u32);
        let mut total = self.head as u64 * rows as u64;
        for (leaf, source) in self.leaves.iter().zip(&sources) {
            if matches!(leaf.kind, LeafKind::Bytes { .. } | LeafKind::List { .. }) {
                for_each_bytes(source, rows, |row, value| {
                    total += value.len() as u64;
                    starts[row + 1] = starts[row + 1].wrapping_add(value.len() as u32);
                });
            }
        }
        if total > u64::from(u32::MAX) {
            return Err(OperatorError::new(format!("a frame's rows take {total} bytes of state, more than 4 GiB"))
                .hint("make frames smaller, or the values"));
        }
        // Nothing wraps around below this.
        for row in 0..rows {
            starts[row + 1] += starts[row];
        }
        bytes.clear();
        bytes.resize(total as usize, 0);
        cursors.clear();
        cursors.extend(starts[..rows].iter().map(|start| start + self.head as u32));

        for (index, (leaf, source)) in self.leaves.iter().zip(&sources).enumerate() {
            if let Some(nulls) = &source.nulls {
                let (byte, bit) = (index / 8, 1 << (index % 8));
                for (row, is_valid) in nulls.iter().enumerate() {
                    if !is_valid {
                        bytes[starts[row] as usize + byte] |= bit;
                    }
                }
            }
            match &leaf.kind {
                LeafKind::Presence => {}
                LeafKind::Word { at, width } => {
                    words.clear();
                    read_words(&source.array, words);
                    if let Some(nulls) = &source.nulls {
                        words.iter_mut().zip(nulls.iter()).for_each(|(word, is_valid)| *word *= u64::from(is_valid));
                    }
                    match width {
                        8 => put_words::<8>(bytes, starts, *at, words),
                        4 => put_words::<4>(bytes, starts, *at, words),
                        2 => put_words::<2>(bytes, starts, *at, words),
                        _ => put_words::<1>(bytes, starts, *at, words),
                    }
                }
                LeafKind::Decimal { at } => {
                    let values = source.array.as_primitive::<Decimal128Type>().values();
                    for (row, value) in values.iter().enumerate() {
                        if source.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
                            let at = starts[row] as usize + at;
                            bytes[at..at + 16].copy_from_slice(&value.to_le_bytes());
                        }
                    }
                }
                LeafKind::Bytes { nth } | LeafKind::List { nth, .. } => {
                    for_each_bytes(source, rows, |row, value| {
                        let at = cursors[row] as usize;
                        bytes[at..at + value.len()].copy_from_slice(value);
                        cursors[row] += value.len() as u32;
                    });
                    if nth + 1 < self.variable {
                        let place = self.ends_at() + 4 * nth;
                        for (start, cursor) in starts.iter().zip(cursors.iter()) {
                            let at = *start as usize + place;
                            bytes[at..at + 4].copy_from_slice(&(cursor - start).to_le_bytes());
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

#[inline]
fn put_words<const N: usize>(bytes: &mut [u8], starts: &[u32], at: usize, words: &[u64]) {
    for (start, word) in starts.iter().zip(words) {
        let at = *start as usize + at;
        bytes[at..at + N].copy_from_slice(&word.to_le_bytes()[..N]);
    }
}

fn flatten<'l>(
    array: &ArrayRef,
    above: Option<&NullBuffer>,
    leaves: &mut impl Iterator<Item = &'l Leaf>,
    out: &mut Vec<Source>,
) -> Result<(), OperatorError> {
    let leaf = leaves.next().expect("a leaf for each array");
    if &leaf.data_type != array.data_type() {
        let (found, expected) = (array.data_type(), &leaf.data_type);
        return Err(OperatorError::new(format!("a column of {found} came where the plan says {expected}")));
    }
    let nulls = match array.data_type() {
        DataType::Null => Some(NullBuffer::new_null(array.len())),
        _ => NullBuffer::union(above, array.nulls()).filter(|nulls| nulls.null_count() > 0),
    };
    if let LeafKind::List { element, .. } = &leaf.kind {
        let array = list_bytes(array, element)?;
        out.push(Source { array, nulls });
        return Ok(());
    }
    out.push(Source { array: array.clone(), nulls: nulls.clone() });
    if let Some(record) = array.as_struct_opt() {
        for child in record.columns() {
            flatten(child, nulls.as_ref(), leaves, out)?;
        }
    }
    Ok(())
}

/// Each list as bytes: its elements' rows, each behind its length.
fn list_bytes(array: &ArrayRef, element: &RowCodec) -> Result<ArrayRef, OperatorError> {
    let (values, offsets): (ArrayRef, &OffsetBuffer<i32>) = match array.data_type() {
        DataType::Map(..) => {
            let map = array.as_map();
            (std::sync::Arc::new(map.entries().clone()), map.offsets())
        }
        _ => {
            let list = array.as_list::<i32>();
            (list.values().clone(), list.offsets())
        }
    };
    // A slice of lists has the elements of all of them.
    let (first, end) = (offsets[0] as usize, offsets[array.len()] as usize);
    let values = values.slice(first, end - first);
    let mut encoded = EncodedRows::default();
    element.encode(std::slice::from_ref(&values), values.len(), &mut encoded)?;
    let bytes = encoded.bytes.len() as u64 + 4 * encoded.len() as u64;
    if bytes > i32::MAX as u64 {
        return Err(OperatorError::new(format!("a frame's lists take {bytes} bytes of state, more than 2 GiB"))
            .hint("make frames smaller, or the lists"));
    }
    let mut lists = Vec::with_capacity(array.len());
    for pair in offsets.windows(2) {
        let mut bytes = Vec::new();
        for row in pair[0]..pair[1] {
            let row = encoded.row(row as usize - first);
            bytes.extend_from_slice(&(row.len() as u32).to_le_bytes());
            bytes.extend_from_slice(row);
        }
        lists.push(bytes);
    }
    Ok(std::sync::Arc::new(BinaryArray::from_iter_values(lists)))
}

/// Calls `each` with the bytes of every value that is not null.
#[inline]
fn for_each_bytes(source: &Source, rows: usize, mut each: impl FnMut(usize, &[u8])) {
    macro_rules! walk {
        ($array:expr) => {{
            let array = $array;
            match &source.nulls {
                None => (0..rows).for_each(|row| each(row, array.value(row).as_ref())),
                Some(nulls) => {
                    for row in 0..rows {
                        if nulls.is_valid(row) {
                            each(row, array.value(row).as_ref());
                        }
                    }
                }
            }
        }};
    }
    let array = &source.array;
    match array.data_type() {
        DataType::Utf8 => walk!(array.as_string::<i32>()),
        DataType::LargeUtf8 => walk!(array.as_string::<i64>()),
        DataType::Utf8View => walk!(array.as_string_view()),
        DataType::Binary => walk!(array.as_binary::<i32>()),
        DataType::LargeBinary => walk!(array.as_binary::<i64>()),
        DataType::BinaryView => walk!(array.as_binary_view()),
        DataType::FixedSizeBinary(_) => walk!(array.as_fixed_size_binary()),
        other => unreachable!("{other} is not kept as bytes"),
    }
}
