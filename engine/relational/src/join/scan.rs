//! Finds the rows that go with a row: by times that are near each other and by equal keys, a column at a time.
//!
//! Neither side has an index. Values are equal if their bytes in a row are, as for keys of state.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{ArrayRef, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave;
use yeoul_frame::Timestamp;
use yeoul_operator::OperatorError;

use super::block::View;
use crate::input::gather;
use crate::output::types_of;
use crate::row::{EncodedRows, RowCodec};
use crate::word::{read_words, width};

/// The times of a column of TIMESTAMP(3).
pub(super) fn times_of(column: &ArrayRef) -> &[i64] {
    column.as_primitive::<TimestampMillisecondType>().values()
}

/// How keys of one side are read: columns of at most eight bytes as words, the others as rows.
struct Keys {
    words: Vec<usize>,
    others: Vec<usize>,
    codec: RowCodec,
}

impl Keys {
    fn new(schema: &SchemaRef, keys: &[usize]) -> Result<Self, OperatorError> {
        let (words, others): (Vec<usize>, Vec<usize>) =
            keys.iter().partition(|key| width(schema.field(**key).data_type()).is_some());
        Ok(Self { codec: RowCodec::new(types_of(schema, &others))?, words, others })
    }

    fn words(&self, columns: &[ArrayRef]) -> Vec<Vec<u64>> {
        let read = |key: &usize| {
            let mut words = Vec::with_capacity(columns[*key].len());
            read_words(&columns[*key], &mut words);
            words
        };
        self.words.iter().map(read).collect()
    }
}

/// Which rows go with which: equal keys, and the end is from `low` to `high` after the row's time.
pub(super) struct Scan {
    ends: Keys,
    rows: Keys,
    /// The column of a row's time.
    time: usize,
    pub(super) low: i64,
    pub(super) high: i64,
}

/// Rows of windows' ends, with their keys.
pub(super) struct Ends {
    pub(super) columns: Vec<ArrayRef>,
    /// Ends and rows, in ascending order.
    order: Vec<(i64, u32)>,
    words: Vec<Vec<u64>>,
    others: EncodedRows,
}

impl Scan {
    /// `ends` and `rows`: the schema of a side and its keys.
    pub(super) fn new(
        ends: (&SchemaRef, &[usize]),
        rows: (&SchemaRef, &[usize]),
        time: usize,
        low: i64,
        high: i64,
    ) -> Result<Self, OperatorError> {
        Ok(Self { ends: Keys::new(ends.0, ends.1)?, rows: Keys::new(rows.0, rows.1)?, time, low, high })
    }

    /// Rows to be found partners for: these of the columns, each with its end.
    pub(super) fn ends(&self, columns: Vec<ArrayRef>, mut order: Vec<(i64, u32)>) -> Result<Ends, OperatorError> {
        order.sort_unstable();
        let mut others = EncodedRows::default();
        if let Some(first) = self.ends.others.first() {
            let keys: Vec<ArrayRef> = self.ends.others.iter().map(|key| Arc::clone(&columns[*key])).collect();
            self.ends.codec.encode(&keys, columns[*first].len(), &mut others)?;
        }
        Ok(Ends { words: self.ends.words(&columns), columns, order, others })
    }

    /// Puts into `found` what goes with the rows of a view, whose times are from `least` to `most`. `pause` is asked after each end.
    pub(super) fn find<'v>(
        &self,
        ends: &Ends,
        view: View<'v>,
        bounds: (i64, i64),
        found: &mut Found<'v>,
        mut pause: impl FnMut(&mut Found<'v>) -> Result<(), OperatorError>,
    ) -> Result<(), OperatorError> {
        let reached = ends.between(bounds.0.saturating_add(self.low), bounds.1.saturating_add(self.high));
        if reached.is_empty() {
            return Ok(());
        }
        let times = times_of(&view.columns[self.time]);
        let words = self.rows.words(view.columns);
        let mut met = Vec::new();
        for &(end, row) in &ends.order[reached] {
            let span = end.saturating_sub(self.high)..=end.saturating_sub(self.low);
            let equal = |key: usize, at: u32| words[key][at as usize] == ends.words[key][row as usize];
            match words.split_first() {
                None => pick(view, times.len(), &mut met, |at| span.contains(&times[at])),
                Some((first, rest)) => {
                    let word = ends.words[0][row as usize];
                    pick(view, times.len(), &mut met, |at| (first[at] == word) & span.contains(&times[at]));
                    met.retain(|at| (1..=rest.len()).all(|key| equal(key, *at)));
                }
            }
            self.retain_equal(view, ends.others_of(row), &mut met)?;
            found.push(view, &met, row);
            pause(found)?;
        }
        Ok(())
    }

    /// Keeps those rows whose keys of other types are as encoded.
    fn retain_equal(&self, view: View<'_>, key: Option<&[u8]>, met: &mut Vec<u32>) -> Result<(), OperatorError> {
        let Some(key) = key.filter(|_| !met.is_empty()) else { return Ok(()) };
        let list = UInt32Array::from(met.clone());
        let keys = self.rows.others.iter().map(|key| gather(&view.columns[*key], &list));
        let mut encoded = EncodedRows::default();
        self.rows.codec.encode(&keys.collect::<Result<Vec<_>, _>>()?, met.len(), &mut encoded)?;
        let mut rows = encoded.iter();
        met.retain(|_| rows.next() == Some(key));
        Ok(())
    }
}

/// The rows of a view for which `holds`, in their order.
#[inline]
fn pick(view: View<'_>, rows: usize, met: &mut Vec<u32>, holds: impl Fn(usize) -> bool) {
    met.clear();
    let count = view.picked.map_or(rows, <[u32]>::len);
    met.resize(count, 0);
    // Few rows are met: each is written, and the place goes on where one is.
    let mut next = 0;
    match view.picked {
        None => {
            for row in 0..rows {
                met[next] = row as u32;
                next += usize::from(holds(row));
            }
        }
        Some(picked) => {
            for &row in picked {
                met[next] = row;
                next += usize::from(holds(row as usize));
            }
        }
    }
    met.truncate(next);
}

impl Ends {
    /// The places of those whose end is from `first` to `last`.
    fn between(&self, first: i64, last: i64) -> Range<usize> {
        let from = self.order.partition_point(|(end, _)| *end < first);
        from..self.order.partition_point(|(end, _)| *end <= last).max(from)
    }

    /// Whether any is near enough to rows whose times are from `least` to `most`.
    pub(super) fn reach(&self, least: i64, most: i64, scan: &Scan) -> bool {
        !self.between(least.saturating_add(scan.low), most.saturating_add(scan.high)).is_empty()
    }

    /// The first end and the last one.
    pub(super) fn span(&self) -> Option<(i64, i64)> {
        Some((self.order.first()?.0, self.order.last()?.0))
    }

    fn others_of(&self, row: u32) -> Option<&[u8]> {
        (self.others.len() > 0).then(|| self.others.row(row as usize))
    }
}

/// Pairs that were found: rows of views, and the row of an end for each.
#[derive(Default)]
pub(super) struct Found<'v> {
    views: Vec<&'v [ArrayRef]>,
    /// Which view, and which of its rows.
    pub(super) rows: Vec<(usize, usize)>,
    pub(super) ends: Vec<u32>,
}

impl<'v> Found<'v> {
    fn push(&mut self, view: View<'v>, met: &[u32], end: u32) {
        if met.is_empty() {
            return;
        }
        if self.views.last().is_none_or(|last| !std::ptr::eq(*last, view.columns)) {
            self.views.push(view.columns);
        }
        self.rows.extend(met.iter().map(|row| (self.views.len() - 1, *row as usize)));
        self.ends.resize(self.rows.len(), end);
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Columns of rows, and columns of ends, a row for each pair. Nothing is left here.
    pub(super) fn take_columns(&mut self, ends: &[ArrayRef]) -> Result<[Vec<ArrayRef>; 2], OperatorError> {
        let (views, rows) = (std::mem::take(&mut self.views), std::mem::take(&mut self.rows));
        let column = |index: usize| {
            let arrays: Vec<&dyn arrow_array::Array> = views.iter().map(|view| view[index].as_ref()).collect();
            interleave(&arrays, &rows).map_err(|error| {
                OperatorError::new(format!("column {index} of kept rows cannot be gathered")).caused_by(error)
            })
        };
        let width = views.first().map_or(0, |view| view.len());
        let rows = (0..width).map(column).collect::<Result<_, _>>()?;
        let list = UInt32Array::from(std::mem::take(&mut self.ends));
        let ends = ends.iter().map(|column| gather(column, &list)).collect::<Result<_, _>>()?;
        Ok([rows, ends])
    }
}

/// The times of pairs: those of one side's rows.
pub(super) fn times_at(times: &[Timestamp], rows: impl Iterator<Item = usize>) -> Vec<Timestamp> {
    rows.map(|row| times[row]).collect()
}
