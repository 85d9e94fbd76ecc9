//! The elements of arrays, and the entries of maps, of the rows that are there.
//!
//! A slice of an array holds the elements of all rows that it was cut from, and a row that is NULL may span some; who
//! looks at all elements must see neither.
//!
//! Invariants:
//! 1. Each part is as long as the last row's end, and each of its places lies in the range of one row that is not NULL.

use arrow_array::{Array, ArrayRef, UInt32Array, cast::AsArray};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;
use datafusion_common::Result;

/// The rows' ranges in their elements, or in their keys and values.
pub(super) struct Dense {
    pub(super) offsets: OffsetBuffer<i32>,
    pub(super) nulls: Option<NullBuffer>,
    /// The elements of arrays, or the keys and the values of maps.
    pub(super) parts: Vec<ArrayRef>,
}

impl Dense {
    /// Of an array of arrays or of maps.
    pub(super) fn of(array: &ArrayRef) -> Result<Self> {
        let (offsets, parts) = match array.data_type() {
            DataType::Map(..) => {
                let map = array.as_map();
                (map.offsets(), vec![map.keys(), map.values()])
            }
            _ => {
                let list = array.as_list::<i32>();
                (list.offsets(), vec![list.values()])
            }
        };
        let nulls = array.nulls().cloned();
        let empty = |row: usize| offsets[row] == offsets[row + 1];
        if (0..array.len()).all(|row| array.is_valid(row) || empty(row)) {
            let (start, end) = (offsets[0], offsets[array.len()]);
            let cut = |part: &ArrayRef| part.slice(start as usize, (end - start) as usize);
            let parts = parts.into_iter().map(cut).collect();
            if start == 0 {
                return Ok(Self { offsets: offsets.clone(), nulls, parts });
            }
            let offsets: ScalarBuffer<i32> = offsets.iter().map(|offset| offset - start).collect();
            return Ok(Self { offsets: OffsetBuffer::new(offsets), nulls, parts });
        }
        let valid = |row: &usize| array.is_valid(*row);
        let places = (0..array.len()).filter(valid).flat_map(|row| offsets[row]..offsets[row + 1]);
        let places: UInt32Array = places.map(|place| u32::try_from(place).ok()).collect();
        let lengths =
            (0..array.len()).map(|row| if valid(&row) { offsets[row + 1] - offsets[row] } else { 0 } as usize);
        let offsets = OffsetBuffer::from_lengths(lengths);
        let parts = parts.into_iter().map(|part| arrow_select::take::take(part, &places, None));
        Ok(Self { offsets, nulls, parts: parts.collect::<std::result::Result<_, _>>()? })
    }

    /// The places of a row's elements; nothing if it is NULL.
    pub(super) fn row(&self, row: usize) -> Option<std::ops::Range<usize>> {
        let range = self.offsets[row] as usize..self.offsets[row + 1] as usize;
        self.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)).then_some(range)
    }
}
