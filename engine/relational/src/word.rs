//! Values of at most eight bytes as words, and back: what keys and accumulators are made of.
//!
//! Signed integers are sign-extended, floats are their bits, and null is 0 beside a null mask. The order of a type's values can be
//! had as the order of words ([`Order`]).

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, BooleanArray, make_array};
use arrow_buffer::{Buffer, NullBuffer};
use arrow_data::ArrayData;
use arrow_schema::{DataType, TimeUnit};

/// A native value that fits into a word.
pub(crate) trait Word: Copy {
    fn to_word(self) -> u64;
}

macro_rules! integers {
    ($($type:ty)*) => { $(
        impl Word for $type {
            #[inline(always)]
            #[allow(clippy::cast_lossless, reason = "one cast for signed and unsigned numbers: it extends the sign")]
            fn to_word(self) -> u64 {
                self as u64
            }
        }
    )* };
}
integers! { i8 i16 i32 i64 u8 u16 u32 u64 }

impl Word for f32 {
    #[inline(always)]
    fn to_word(self) -> u64 {
        u64::from(self.to_bits())
    }
}

impl Word for f64 {
    #[inline(always)]
    fn to_word(self) -> u64 {
        self.to_bits()
    }
}

/// Evaluates `$body` with `$native` as the Arrow type behind a data type of at most eight bytes.
macro_rules! by_word_type {
    ($data_type:expr, $native:ident => $body:expr, bool => $bool:expr, _ => $other:expr) => {
        match $data_type {
            DataType::Boolean => $bool,
            DataType::Int8 => {
                type $native = Int8Type;
                $body
            }
            DataType::Int16 => {
                type $native = Int16Type;
                $body
            }
            DataType::Int32 => {
                type $native = Int32Type;
                $body
            }
            DataType::Int64 => {
                type $native = Int64Type;
                $body
            }
            DataType::UInt8 => {
                type $native = UInt8Type;
                $body
            }
            DataType::UInt16 => {
                type $native = UInt16Type;
                $body
            }
            DataType::UInt32 => {
                type $native = UInt32Type;
                $body
            }
            DataType::UInt64 => {
                type $native = UInt64Type;
                $body
            }
            DataType::Float32 => {
                type $native = Float32Type;
                $body
            }
            DataType::Float64 => {
                type $native = Float64Type;
                $body
            }
            DataType::Date32 => {
                type $native = Date32Type;
                $body
            }
            DataType::Date64 => {
                type $native = Date64Type;
                $body
            }
            DataType::Time32(TimeUnit::Second) => {
                type $native = Time32SecondType;
                $body
            }
            DataType::Time32(TimeUnit::Millisecond) => {
                type $native = Time32MillisecondType;
                $body
            }
            DataType::Time64(TimeUnit::Microsecond) => {
                type $native = Time64MicrosecondType;
                $body
            }
            DataType::Time64(TimeUnit::Nanosecond) => {
                type $native = Time64NanosecondType;
                $body
            }
            DataType::Timestamp(TimeUnit::Second, _) => {
                type $native = TimestampSecondType;
                $body
            }
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                type $native = TimestampMillisecondType;
                $body
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                type $native = TimestampMicrosecondType;
                $body
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                type $native = TimestampNanosecondType;
                $body
            }
            DataType::Duration(TimeUnit::Second) => {
                type $native = DurationSecondType;
                $body
            }
            DataType::Duration(TimeUnit::Millisecond) => {
                type $native = DurationMillisecondType;
                $body
            }
            DataType::Duration(TimeUnit::Microsecond) => {
                type $native = DurationMicrosecondType;
                $body
            }
            DataType::Duration(TimeUnit::Nanosecond) => {
                type $native = DurationNanosecondType;
                $body
            }
            DataType::Interval(arrow_schema::IntervalUnit::YearMonth) => {
                type $native = IntervalYearMonthType;
                $body
            }
            _ => $other,
        }
    };
}

/// Bytes of a value of this type, if it fits into a word.
pub(crate) fn width(data_type: &DataType) -> Option<usize> {
    by_word_type!(data_type, T => Some(size_of::<<T as ArrowPrimitiveType>::Native>()), bool => Some(1), _ => None)
}

/// Appends a word for each value; what stands for null is 0. Returns whether the type has words.
pub(crate) fn read_words(array: &dyn Array, out: &mut Vec<u64>) -> bool {
    let start = out.len();
    by_word_type!(array.data_type(),
        T => out.extend(array.as_primitive::<T>().values().iter().map(|value| value.to_word())),
        bool => out.extend(array.as_boolean().values().iter().map(u64::from)),
        _ => return false);
    if let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) {
        for (word, is_valid) in out[start..].iter_mut().zip(nulls.iter()) {
            *word = if is_valid { *word } else { 0 };
        }
    }
    true
}

/// An array of this type from words. A word's low bytes are the value, so this is compiled by width and not by type.
///
/// # Panics
/// If values of this type do not fit into words.
pub(crate) fn words_to_array(data_type: &DataType, words: Vec<u64>, nulls: Option<NullBuffer>) -> ArrayRef {
    let rows = words.len();
    let values = match width(data_type) {
        Some(_) if *data_type == DataType::Boolean => {
            return Arc::new(BooleanArray::new(words.iter().map(|word| *word != 0).collect(), nulls));
        }
        Some(8) => Buffer::from_vec(words),
        Some(4) => Buffer::from_vec(words.iter().map(|word| *word as u32).collect::<Vec<_>>()),
        Some(2) => Buffer::from_vec(words.iter().map(|word| *word as u16).collect::<Vec<_>>()),
        Some(_) => Buffer::from_vec(words.iter().map(|word| *word as u8).collect::<Vec<_>>()),
        None => panic!("{data_type} does not fit into a word"),
    };
    let data = ArrayData::builder(data_type.clone()).len(rows).add_buffer(values).nulls(nulls);
    make_array(data.build().expect("a value and a null for each row"))
}

/// How the words of a type are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Signed,
    Unsigned,
    Float32,
    Float64,
}

impl Order {
    pub(crate) fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Float32 => Self::Float32,
            DataType::Float64 => Self::Float64,
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 | DataType::Boolean => {
                Self::Unsigned
            }
            _ => Self::Signed,
        }
    }

    /// A number that is ordered as the value is; NaN is above all numbers, and both zeros are one.
    #[inline(always)]
    pub(crate) fn rank(self, word: u64) -> u64 {
        const TOP: u64 = 1 << 63;
        match self {
            Self::Unsigned => word,
            Self::Signed => word ^ TOP,
            Self::Float32 => rank_of(f64::from(f32::from_bits(word as u32))),
            Self::Float64 => rank_of(f64::from_bits(word)),
        }
    }
}

#[inline(always)]
fn rank_of(value: f64) -> u64 {
    if value.is_nan() {
        return u64::MAX;
    }
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Float64Array, Int32Array, TimestampMillisecondArray};

    #[test]
    fn words_round_trip_with_their_nulls_and_types() {
        let arrays: [ArrayRef; 4] = [
            Arc::new(Int32Array::from(vec![Some(-1), None, Some(i32::MIN)])),
            Arc::new(Float64Array::from(vec![Some(-0.5), None, Some(f64::INFINITY)])),
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
            Arc::new(TimestampMillisecondArray::from(vec![Some(5), None, Some(-5)]).with_timezone("UTC")),
        ];
        for array in arrays {
            let mut words = Vec::new();
            assert!(read_words(&array, &mut words));
            assert_eq!(words[1], 0);
            let back = words_to_array(array.data_type(), words, array.nulls().cloned());
            assert_eq!(&back, &array);
        }
    }

    #[test]
    fn ranks_are_ordered_as_the_values_are() {
        let floats = [f64::NEG_INFINITY, -2.5, -1e-300, 0.0, 1e-300, 7.0, f64::INFINITY, f64::NAN];
        assert!(
            floats
                .windows(2)
                .all(|pair| { Order::Float64.rank(pair[0].to_bits()) < Order::Float64.rank(pair[1].to_bits()) })
        );
        assert_eq!(Order::Float64.rank((-0.0_f64).to_bits()), Order::Float64.rank(0));
        assert!(Order::Signed.rank(-1_i64 as u64) < Order::Signed.rank(0));
    }
}
