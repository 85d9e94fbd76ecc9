//! Rows of a stretch of time that wait for whoever may come, unindexed: a frame's columns as they came, or the rows of small frames.
//!
//! Columns become rows only when the log wants them, and rows become columns again when somebody looks at them.
//!
//! Invariants:
//! 1. A block has a row at least, and each has a time between the least and the most.
//! 2. Its encoding does not tell how it is held.

use std::cell::OnceCell;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_schema::DataType;
use yeoul_operator::OperatorError;
use yeoul_state::Stored;
use yeoul_state::log::Corrupt;

use crate::input::gather;
use crate::row::{EncodedRows, RowCodec};

/// Columns, and which of their rows are meant.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) columns: &'a [ArrayRef],
    /// None: all of them.
    pub(super) picked: Option<&'a [u32]>,
}

impl View<'_> {
    /// About how many bytes the rows take. None where that is not told without looking into each value.
    pub(super) fn bytes(self, rows: usize) -> Option<usize> {
        let of = |column: &ArrayRef| match column.data_type() {
            DataType::Utf8View | DataType::BinaryView => {
                let views = match column.as_string_view_opt() {
                    Some(texts) => texts.views(),
                    None => column.as_binary_view().views(),
                };
                // A view's low word is its length.
                let length = |view: u128| view as u32 as usize;
                Some(match self.picked {
                    None => views.iter().map(|view| length(*view)).sum::<usize>(),
                    Some(picked) => picked.iter().map(|row| length(views[*row as usize])).sum(),
                })
            }
            other => other.primitive_width().map(|width| width * rows),
        };
        self.columns.iter().map(of).sum()
    }

    /// The rows that are meant, densely.
    pub(super) fn dense(self) -> Result<Vec<ArrayRef>, OperatorError> {
        let Some(picked) = self.picked else { return Ok(self.columns.to_vec()) };
        let picked = UInt32Array::from(picked.to_vec());
        self.columns.iter().map(|column| gather(column, &picked)).collect()
    }
}

/// Rows with their times' bounds.
#[derive(Debug)]
pub(super) struct Block {
    rows: u32,
    pub(super) least: i64,
    pub(super) most: i64,
    held: Held,
}

#[derive(Debug)]
enum Held {
    Columns {
        columns: Vec<ArrayRef>,
        picked: Option<Vec<u32>>,
        codec: Arc<RowCodec>,
        /// About what the rows take; other rows of the columns' buffers may be held with them.
        bytes: usize,
    },
    Rows {
        /// Each behind its length.
        bytes: Vec<u8>,
        /// Their columns, since somebody looked at them.
        read: OnceCell<Vec<ArrayRef>>,
    },
}

impl Block {
    /// Rows of a frame whose times are from `least` to `most`, and which take about so many bytes.
    pub(super) fn of(
        view: View<'_>,
        rows: usize,
        bytes: usize,
        (least, most): (i64, i64),
        codec: &Arc<RowCodec>,
    ) -> Self {
        debug_assert!(rows > 0 && least <= most, "a block has a row at least, and each has a time between the bounds");
        let held = Held::Columns {
            columns: view.columns.to_vec(),
            picked: view.picked.map(<[u32]>::to_vec),
            codec: Arc::clone(codec),
            bytes,
        };
        Self { rows: rows as u32, least, most, held }
    }

    /// Appends encoded rows from `from` on, whose times are from `least` to `most`, until there are `full` bytes: one at least. Returns
    /// which row is next. Only blocks that began [empty](Stored::vacant) take some.
    pub(super) fn append(&mut self, rows: &EncodedRows, from: usize, full: usize, (least, most): (i64, i64)) -> usize {
        let Held::Rows { bytes, read } = &mut self.held else {
            unreachable!("rows are appended to blocks that hold rows");
        };
        (self.least, self.most) =
            if self.rows == 0 { (least, most) } else { (self.least.min(least), self.most.max(most)) };
        read.take();
        let mut next = from;
        while next < rows.len() && (next == from || bytes.len() < full) {
            put_row(rows.row(next), bytes);
            next += 1;
        }
        self.rows += (next - from) as u32;
        next
    }

    /// Bytes of the rows that were appended.
    pub(super) fn appended(&self) -> usize {
        match &self.held {
            Held::Columns { .. } => 0,
            Held::Rows { bytes, .. } => bytes.len(),
        }
    }

    fn rows(&self) -> usize {
        self.rows as usize
    }

    /// The rows as columns.
    pub(super) fn view(&self, codec: &RowCodec) -> Result<View<'_>, OperatorError> {
        match &self.held {
            Held::Columns { columns, picked, .. } => Ok(View { columns, picked: picked.as_deref() }),
            Held::Rows { bytes, read } => {
                if read.get().is_none() {
                    let rows: Vec<&[u8]> = split(bytes).collect();
                    // Nobody else sets it.
                    _ = read.set(codec.decode(&rows)?);
                }
                Ok(View { columns: read.get().map_or(&[], Vec::as_slice), picked: None })
            }
        }
    }
}

fn put_row(row: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(row.len() as u32).to_le_bytes());
    out.extend_from_slice(row);
}

/// Takes a row off the front.
fn next<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (row, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *bytes = rest;
    Some(row)
}

fn split(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || next(&mut bytes))
}

impl Stored for Block {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self { rows: 0, least: 0, most: 0, held: Held::Rows { bytes: Vec::new(), read: OnceCell::new() } }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.rows.encode(out);
        self.least.encode(out);
        self.most.encode(out);
        match &self.held {
            Held::Rows { bytes, .. } => out.extend_from_slice(bytes),
            Held::Columns { columns, picked, codec, .. } => {
                let mut rows = EncodedRows::default();
                let dense = View { columns, picked: picked.as_deref() }.dense();
                let encoded = dense.and_then(|columns| codec.encode(&columns, self.rows(), &mut rows));
                // A column that came by the schema can be gathered and encoded, and blocks of gigabytes are not held as columns.
                encoded.unwrap_or_else(|error| panic!("{error}"));
                rows.iter().for_each(|row| put_row(row, out));
            }
        }
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let (rows, least, most) = (u32::decode(bytes)?, i64::decode(bytes)?, i64::decode(bytes)?);
        let mut rest = *bytes;
        for row in 0..rows {
            next(&mut rest).ok_or_else(|| {
                Corrupt::new(format!("a block of {rows} rows in {} bytes ends within row {row}", bytes.len()))
            })?;
        }
        let held = bytes[..bytes.len() - rest.len()].to_vec();
        *bytes = rest;
        Ok(Self { rows, least, most, held: Held::Rows { bytes: held, read: OnceCell::new() } })
    }

    fn heap_bytes(&self) -> usize {
        match &self.held {
            Held::Columns { picked, bytes, .. } => bytes + picked.as_ref().map_or(0, |picked| 4 * picked.capacity()),
            Held::Rows { bytes, read } => {
                let columns = read.get().into_iter().flatten().map(|column| column.get_buffer_memory_size());
                bytes.capacity() + columns.sum::<usize>()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Table, rows};

    #[test]
    fn columns_and_rows_have_one_encoding_and_garbage_is_refused() {
        let table = Table::new(&[("k", DataType::Int64), ("s", DataType::Utf8View)]);
        let frame = table.frame("+I 1 a\n+I 2 a-text-of-more-than-twelve-bytes\n+I null null\n+I 4 d");
        let columns = frame.columns().unwrap().arrays();
        let codec = Arc::new(RowCodec::of_fields(table.schema().fields()).unwrap());
        let picked = View { columns, picked: Some(&[1, 2, 3]) };
        let of_columns = Block::of(picked, 3, 60, (-5, 9), &codec);
        let mut of_rows = Block::vacant();
        for (list, least, most) in [(&[1, 2][..], -5, 3), (&[3], 9, 9)] {
            let mut encoded = EncodedRows::default();
            let dense = View { columns, picked: Some(list) }.dense().unwrap();
            codec.encode(&dense, list.len(), &mut encoded).unwrap();
            assert_eq!(of_rows.append(&encoded, 0, usize::MAX, (least, most)), list.len());
        }
        let (mut bytes, mut again) = (Vec::new(), Vec::new());
        of_columns.encode(&mut bytes);
        of_rows.encode(&mut again);
        assert_eq!(bytes, again);
        let mut encoded = EncodedRows::default();
        codec.encode(columns, 4, &mut encoded).unwrap();
        assert_eq!(
            (Block::vacant().append(&encoded, 1, 0, (-5, 9)), View { columns, picked: None }.bytes(4)),
            (2, Some(66))
        );
        for short in 0..bytes.len() {
            assert!(Block::decode(&mut &bytes[..short]).is_err(), "cut to {short} bytes");
        }
        let restored = Block::decode(&mut &bytes[..]).unwrap();
        assert_eq!((restored.rows(), restored.least, restored.most), (3, -5, 9));
        let before = restored.heap_bytes();
        for block in [&of_columns, &of_rows, &restored] {
            let dense = block.view(&codec).unwrap().dense().unwrap();
            let times = vec![yeoul_frame::Timestamp(0); 3];
            let frame = crate::output::frame(table.schema(), dense, times, Vec::new()).unwrap();
            let text = rows(&[frame]);
            assert_eq!(text, "+I 2 a-text-of-more-than-twelve-bytes @0\n+I null null @0\n+I 4 d @0");
        }
        assert!(restored.heap_bytes() > before && of_columns.heap_bytes() > 0, "what is read is counted");
    }
}
