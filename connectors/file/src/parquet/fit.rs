//! A file's arrays become a table's: the parts of ROWs by their names, what is not there null, values in the table's types.
//!
//! Which types meet was decided when the file was opened ([`types`](super::types)); what is refused here are values.
//!
//! Invariants:
//! 1. Text that leaves here is UTF-8: the crate has looked at that which the file calls text, and at no other.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef, BinaryViewArray, ListArray, MapArray, PrimitiveArray, StructArray, new_null_array};
use arrow_schema::{ArrowError, DataType, Field, TimeUnit};
use yeoul_formats::columns::unused_column;

use super::types::entry;

/// Whether text is known to be some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    Checked,
    Unchecked,
}

/// The values of `found`, if there are any, as the table's column `field`.
///
/// # Errors
/// A value that is none of the column's type.
pub(super) fn fit(found: Option<&ArrayRef>, field: &Field, rows: usize, text: Text) -> Result<ArrayRef, String> {
    let column = part(found, field, rows, text).map_err(|reason| format!("column `{}`: {reason}", field.name()))?;
    if !field.is_nullable() && column.null_count() > 0 {
        return Err(format!("column `{}` is null in a row, and NOT NULL in the table", field.name()));
    }
    Ok(column)
}

fn part(found: Option<&ArrayRef>, field: &Field, rows: usize, text: Text) -> Result<ArrayRef, String> {
    let Some(found) = found else { return Ok(unused_column(field.data_type(), field.is_nullable(), rows)) };
    // A column of which its writer has seen no value has no type, whatever it is in the table.
    if *found.data_type() == DataType::Null {
        return Ok(new_null_array(field.data_type(), found.len()));
    }
    // Arrow's own words: a part that may not be null is null in a ROW, ARRAY or MAP that is not.
    let wrong = |error: ArrowError| error.to_string();
    Ok(match field.data_type() {
        DataType::Struct(fields) => {
            let row = found.as_struct();
            let parts = fields.iter().map(|field| part(row.column_by_name(field.name()), field, row.len(), text));
            let parts = parts.collect::<Result<Vec<_>, _>>()?;
            let nulls = row.nulls().cloned();
            Arc::new(StructArray::try_new_with_length(fields.clone(), parts, nulls, row.len()).map_err(wrong)?)
        }
        DataType::List(element) => {
            let list = found.as_list::<i32>();
            let values = part(Some(list.values()), element, list.values().len(), text)?;
            let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
            Arc::new(ListArray::try_new(Arc::clone(element), offsets, values, nulls).map_err(wrong)?)
        }
        DataType::Map(entries, sorted) => {
            let map = found.as_map();
            let ((key, value), DataType::Struct(fields)) = (entry(entries), entries.data_type()) else {
                unreachable!("a map's entries are a ROW")
            };
            let keys = part(Some(map.keys()), key, map.keys().len(), text)?;
            let values = part(Some(map.values()), value, map.values().len(), text)?;
            let pairs = StructArray::try_new(fields.clone(), vec![keys, values], None).map_err(wrong)?;
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            Arc::new(MapArray::try_new(Arc::clone(entries), offsets, pairs, nulls, *sorted).map_err(wrong)?)
        }
        to => leaf(found, to, text)?,
    })
}

/// The values of a leaf in another type.
fn leaf(found: &ArrayRef, to: &DataType, text: Text) -> Result<ArrayRef, String> {
    Ok(match (found.data_type(), to) {
        (DataType::Utf8View, DataType::Utf8View) if text == Text::Unchecked => {
            let checked = found.as_string_view().clone().to_binary_view().to_string_view();
            Arc::new(checked.map_err(|error| format!("a value is no text in UTF-8: {error}"))?)
        }
        // A file's numbers may have more digits than their type says.
        (from @ DataType::Decimal128(..), DataType::Decimal128(digits, _))
            if from == to && has_digits(found, *digits) =>
        {
            Arc::clone(found)
        }
        (from, to) if from == to && !matches!(to, DataType::Decimal128(..)) => Arc::clone(found),
        (DataType::Utf8View, DataType::BinaryView) => Arc::new(found.as_string_view().clone().to_binary_view()),
        (DataType::FixedSizeBinary(_), DataType::BinaryView) => {
            Arc::new(found.as_fixed_size_binary().iter().collect::<BinaryViewArray>())
        }
        (DataType::Float32, DataType::Float64) => {
            Arc::new(found.as_primitive::<Float32Type>().unary::<_, Float64Type>(f64::from))
        }
        (DataType::Decimal128(_, from), DataType::Decimal128(precision, scale)) => {
            let factor = 10i128.pow(u32::from(scale.abs_diff(*from)));
            let most = 10u128.pow(u32::from(*precision));
            let fits = |value: i128| value.checked_mul(factor).filter(|value| value.unsigned_abs() < most);
            let values = converted::<Decimal128Type, Decimal128Type>(found, to, fits)?;
            Arc::new(values.with_data_type(to.clone()))
        }
        (DataType::Timestamp(from, _), DataType::Timestamp(unit, _)) => time(found, *from, *unit, to)?,
        (DataType::Time32(from) | DataType::Time64(from), DataType::Time32(_)) => {
            let (unit, millis) = (nanos(*from), nanos(TimeUnit::Millisecond));
            let day = |value: i64| i32::try_from(value.checked_mul(unit)? / millis).ok();
            match from {
                TimeUnit::Microsecond => clock::<Time64MicrosecondType>(found, to, day)?,
                TimeUnit::Nanosecond => clock::<Time64NanosecondType>(found, to, day)?,
                // Milliseconds are what is wanted, and came before; Parquet has no seconds.
                TimeUnit::Second | TimeUnit::Millisecond => {
                    clock::<Time32SecondType>(found, to, |value| day(value.into()))?
                }
            }
        }
        (_, DataType::Int8) => integer::<Int8Type>(found, to)?,
        (_, DataType::Int16) => integer::<Int16Type>(found, to)?,
        (_, DataType::Int32) => integer::<Int32Type>(found, to)?,
        (_, DataType::Int64) => integer::<Int64Type>(found, to)?,
        (from, to) => return Err(format!("{from} was found to be {to} when the file was opened, and is not")),
    })
}

/// Whether no number has more digits than these.
fn has_digits(found: &ArrayRef, digits: u8) -> bool {
    let most = 10u128.pow(u32::from(digits));
    found.as_primitive::<Decimal128Type>().values().iter().all(|value| value.unsigned_abs() < most)
}

/// How many nanoseconds a unit has.
fn nanos(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

/// Times in another unit: what is finer is cut off, towards the past.
pub(super) fn time(found: &ArrayRef, from: TimeUnit, unit: TimeUnit, to: &DataType) -> Result<ArrayRef, String> {
    fn of<F, T>(found: &ArrayRef, from: TimeUnit, unit: TimeUnit, to: &DataType) -> Result<ArrayRef, String>
    where
        F: ArrowPrimitiveType<Native = i64>,
        T: ArrowPrimitiveType<Native = i64>,
    {
        let (from, unit) = (nanos(from), nanos(unit));
        let values = match from >= unit {
            true => converted::<F, T>(found, to, |value| value.checked_mul(from / unit))?,
            false => converted::<F, T>(found, to, |value| Some(value.div_euclid(unit / from)))?,
        };
        Ok(Arc::new(values.with_data_type(to.clone())))
    }
    fn to_unit<F: ArrowPrimitiveType<Native = i64>>(
        found: &ArrayRef,
        from: TimeUnit,
        unit: TimeUnit,
        to: &DataType,
    ) -> Result<ArrayRef, String> {
        match unit {
            TimeUnit::Second => of::<F, TimestampSecondType>(found, from, unit, to),
            TimeUnit::Millisecond => of::<F, TimestampMillisecondType>(found, from, unit, to),
            TimeUnit::Microsecond => of::<F, TimestampMicrosecondType>(found, from, unit, to),
            TimeUnit::Nanosecond => of::<F, TimestampNanosecondType>(found, from, unit, to),
        }
    }
    match from {
        TimeUnit::Second => to_unit::<TimestampSecondType>(found, from, unit, to),
        TimeUnit::Millisecond => to_unit::<TimestampMillisecondType>(found, from, unit, to),
        TimeUnit::Microsecond => to_unit::<TimestampMicrosecondType>(found, from, unit, to),
        TimeUnit::Nanosecond => to_unit::<TimestampNanosecondType>(found, from, unit, to),
    }
}

fn clock<F: ArrowPrimitiveType>(
    found: &ArrayRef,
    to: &DataType,
    fits: impl Fn(F::Native) -> Option<i32>,
) -> Result<ArrayRef, String> {
    Ok(Arc::new(converted::<F, Time32MillisecondType>(found, to, fits)?))
}

fn integer<T>(found: &ArrayRef, to: &DataType) -> Result<ArrayRef, String>
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i64> + TryFrom<u64>,
{
    fn signed<F, T>(found: &ArrayRef, to: &DataType) -> Result<ArrayRef, String>
    where
        F: ArrowPrimitiveType,
        F::Native: Into<i64>,
        T: ArrowPrimitiveType,
        T::Native: TryFrom<i64>,
    {
        Ok(Arc::new(converted::<F, T>(found, to, |value| T::Native::try_from(value.into()).ok())?))
    }
    match found.data_type() {
        DataType::Int8 => signed::<Int8Type, T>(found, to),
        DataType::Int16 => signed::<Int16Type, T>(found, to),
        DataType::Int32 => signed::<Int32Type, T>(found, to),
        DataType::Int64 => signed::<Int64Type, T>(found, to),
        DataType::UInt8 => signed::<UInt8Type, T>(found, to),
        DataType::UInt16 => signed::<UInt16Type, T>(found, to),
        DataType::UInt32 => signed::<UInt32Type, T>(found, to),
        DataType::UInt64 => {
            Ok(Arc::new(converted::<UInt64Type, T>(found, to, |value| T::Native::try_from(value).ok())?))
        }
        other => Err(format!("{other} was found to be an integer when the file was opened, and is not")),
    }
}

/// The values that are there, each converted.
fn converted<F: ArrowPrimitiveType, T: ArrowPrimitiveType>(
    found: &ArrayRef,
    to: &DataType,
    fits: impl Fn(F::Native) -> Option<T::Native>,
) -> Result<PrimitiveArray<T>, String> {
    let values = found.as_primitive::<F>();
    let outside = |value: F::Native| ArrowError::ComputeError(format!("the value {value:?} does not fit into {to}"));
    values.try_unary(|value| fits(value).ok_or_else(|| outside(value))).map_err(|error| match error {
        ArrowError::ComputeError(reason) => reason,
        other => other.to_string(),
    })
}
