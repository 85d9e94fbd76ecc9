//! What rows are ordered by, as bytes that are ordered as the rows are.

use std::fmt;

use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, SchemaRef};
use yeoul_operator::OperatorError;

use crate::word::{Order, read_words, width};

/// A column that rows are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SortKey {
    /// The column.
    pub column: usize,
    /// From the greatest to the least.
    pub descending: bool,
    /// Null before all values, in the output.
    pub nulls_first: bool,
}

impl SortKey {
    /// Ascending; null is the least, as in Flink.
    #[must_use]
    pub fn ascending(column: usize) -> Self {
        Self { column, descending: false, nulls_first: true }
    }

    /// Descending; null is the least, as in Flink.
    #[must_use]
    pub fn descending(column: usize) -> Self {
        Self { column, descending: true, nulls_first: false }
    }
}

impl fmt::Display for SortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${} {}", self.column, if self.descending { "DESC" } else { "ASC" })?;
        // Null is the least unless said otherwise.
        match (self.nulls_first, self.descending) {
            (true, true) => f.write_str(" NULLS FIRST"),
            (false, false) => f.write_str(" NULLS LAST"),
            _ => Ok(()),
        }
    }
}

/// `$0 ASC, $1 DESC`, for plans.
pub(crate) fn list(keys: &[SortKey]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The sort keys of a frame's rows. Keeps its memory from frame to frame.
#[derive(Debug, Default)]
pub(crate) struct SortKeys {
    bytes: Vec<u8>,
    starts: Vec<u32>,
}

enum Values {
    Words(Vec<u64>, Order),
    Wide(ArrayRef),
    Texts(ArrayRef),
}

/// Refuses columns that have no order.
pub(crate) fn check(schema: &SchemaRef, keys: &[SortKey]) -> Result<(), OperatorError> {
    for key in keys {
        let data_type = schema.field(key.column).data_type();
        let text = matches!(data_type, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8);
        if width(data_type).is_none() && !text && !matches!(data_type, DataType::Decimal128(..)) {
            return Err(OperatorError::new(format!("rows cannot be ordered by {key}, a column of {data_type}"))
                .hint("order by a column of numbers, texts or times"));
        }
    }
    Ok(())
}

impl SortKeys {
    /// Takes the keys of a frame's rows; `columns` are those of the keys.
    pub(crate) fn read(&mut self, keys: &[SortKey], columns: &[ArrayRef], rows: usize) {
        let values: Vec<Values> = keys.iter().zip(columns).map(|(_, column)| values_of(column)).collect();
        self.bytes.clear();
        self.starts.clear();
        self.starts.push(0);
        for row in 0..rows {
            for ((key, values), column) in keys.iter().zip(&values).zip(columns) {
                let start = self.bytes.len();
                if column.is_null(row) {
                    // Not inverted below: 0 is before all values and 2 after them.
                    self.bytes.push(if key.nulls_first { 0 } else { 2 });
                    continue;
                }
                self.bytes.push(1);
                match values {
                    Values::Words(words, order) => {
                        self.bytes.extend_from_slice(&order.rank(words[row]).to_be_bytes());
                    }
                    Values::Wide(array) => {
                        let value = array.as_primitive::<Decimal128Type>().value(row);
                        self.bytes.extend_from_slice(&(value as u128 ^ (1 << 127)).to_be_bytes());
                    }
                    Values::Texts(array) => put_text(text_of(array, row).as_bytes(), &mut self.bytes),
                }
                if key.descending {
                    self.bytes[start + 1..].iter_mut().for_each(|byte| *byte = !*byte);
                }
            }
            self.starts.push(self.bytes.len() as u32);
        }
    }

    #[inline]
    pub(crate) fn of(&self, row: usize) -> &[u8] {
        &self.bytes[self.starts[row] as usize..self.starts[row + 1] as usize]
    }
}

fn values_of(column: &ArrayRef) -> Values {
    match column.data_type() {
        DataType::Decimal128(..) => Values::Wide(column.clone()),
        data_type if width(data_type).is_some() => {
            let mut words = Vec::with_capacity(column.len());
            read_words(column, &mut words);
            Values::Words(words, Order::of(data_type))
        }
        _ => Values::Texts(column.clone()),
    }
}

fn text_of(array: &ArrayRef, row: usize) -> &str {
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row),
        _ => array.as_string_view().value(row),
    }
}

/// A text, its zeros escaped, and an end that is before every byte that may follow.
fn put_text(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        out.push(byte);
        if byte == 0 {
            out.push(0xff);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Decimal128Array, Float64Array, StringViewArray};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "reads better at the calls")]
    fn check(column: ArrayRef) {
        for (key, backwards) in [(SortKey::ascending(0), false), (SortKey::descending(0), true)] {
            let mut keys = SortKeys::default();
            keys.read(&[key], std::slice::from_ref(&column), column.len());
            let sorted = (1..column.len()).all(|row| match backwards {
                false => keys.of(row - 1) < keys.of(row),
                true => keys.of(row - 1) > keys.of(row),
            });
            assert!(sorted, "{column:?} by {key}");
        }
    }

    #[test]
    fn bytes_are_ordered_as_the_values_are() {
        check(Arc::new(StringViewArray::from(vec![
            None,
            Some(""),
            Some("a"),
            Some("a\0"),
            Some("a\0b"),
            Some("ab"),
            Some("ü"),
        ])));
        check(Arc::new(Float64Array::from(vec![None, Some(-1e9), Some(-0.5), Some(0.0), Some(2.0), Some(f64::NAN)])));
        check(Arc::new(Decimal128Array::from(vec![None, Some(-(1 << 100)), Some(-1), Some(0), Some(1 << 100)])));
        assert_eq!(SortKey { nulls_first: true, ..SortKey::descending(3) }.to_string(), "$3 DESC NULLS FIRST");
    }
}
