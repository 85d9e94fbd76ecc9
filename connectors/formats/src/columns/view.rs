//! A column of a frame, to be written row by row: its type is looked at once a frame.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
};
use arrow_array::{Array, BooleanArray, ListArray, PrimitiveArray, StringArray, StringViewArray, StructArray};
use arrow_schema::{DataType, Fields, TimeUnit};

use super::plan::UnfitColumns;
use crate::type_name;

/// The values of one column.
pub(super) enum View<'f> {
    Null,
    Bool(&'f BooleanArray),
    I8(&'f PrimitiveArray<Int8Type>),
    I16(&'f PrimitiveArray<Int16Type>),
    I32(&'f PrimitiveArray<Int32Type>),
    I64(&'f PrimitiveArray<Int64Type>),
    F32(&'f PrimitiveArray<Float32Type>),
    F64(&'f PrimitiveArray<Float64Type>),
    Text(&'f StringViewArray),
    OldText(&'f StringArray),
    /// With whether it is of a zone, and so an instant.
    Time(&'f PrimitiveArray<TimestampMillisecondType>, bool),
    Micros(&'f PrimitiveArray<TimestampMicrosecondType>, bool),
    Nanos(&'f PrimitiveArray<TimestampNanosecondType>, bool),
    Date(&'f PrimitiveArray<Date32Type>),
    Clock(&'f PrimitiveArray<Time32MillisecondType>),
    Decimal(&'f PrimitiveArray<Decimal128Type>, i8),
    Struct(&'f StructArray, Vec<View<'f>>),
    List(&'f ListArray, Box<View<'f>>),
}

/// One value.
pub(super) enum Value<'v, 'f> {
    Null,
    Bool(bool),
    Integer(i64),
    F32(f32),
    F64(f64),
    Text(&'f str),
    Time(i64, bool),
    /// A time in nanoseconds, which have more digits than 64 bits if they come of microseconds.
    FineTime(i128, bool),
    Date(i32),
    Clock(i32),
    Decimal(i128, i8),
    /// The fields' names and values, in a row.
    Struct(&'f Fields, &'v [View<'f>], usize),
    /// The elements in a range.
    List(&'v View<'f>, std::ops::Range<usize>),
}

impl<'f> View<'f> {
    /// Whether values of this type can be written.
    pub(super) fn fits(data_type: &DataType, name: &str) -> Result<(), UnfitColumns> {
        match data_type {
            DataType::Null
            | DataType::Boolean
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Float32
            | DataType::Float64
            | DataType::Utf8View
            | DataType::Utf8
            | DataType::Timestamp(TimeUnit::Millisecond | TimeUnit::Microsecond | TimeUnit::Nanosecond, _)
            | DataType::Date32
            | DataType::Time32(TimeUnit::Millisecond)
            | DataType::Decimal128(..) => Ok(()),
            DataType::Struct(fields) => {
                fields.iter().try_for_each(|field| Self::fits(field.data_type(), &format!("{name}.{}", field.name())))
            }
            DataType::List(element) => Self::fits(element.data_type(), &format!("{name}[]")),
            other => Err(UnfitColumns(format!(
                "column `{name}` is of type {}, which text formats do not carry yet; CAST it to STRING",
                type_name(other)
            ))),
        }
    }

    /// The view of an array whose type fits.
    pub(super) fn of(array: &'f dyn Array) -> Self {
        fn numbers<T: ArrowPrimitiveType>(array: &dyn Array) -> &PrimitiveArray<T> {
            array.as_primitive()
        }
        match array.data_type() {
            DataType::Boolean => Self::Bool(array.as_boolean()),
            DataType::Int8 => Self::I8(numbers(array)),
            DataType::Int16 => Self::I16(numbers(array)),
            DataType::Int32 => Self::I32(numbers(array)),
            DataType::Int64 => Self::I64(numbers(array)),
            DataType::Float32 => Self::F32(numbers(array)),
            DataType::Float64 => Self::F64(numbers(array)),
            DataType::Utf8View => Self::Text(array.as_string_view()),
            DataType::Utf8 => Self::OldText(array.as_string()),
            DataType::Timestamp(TimeUnit::Nanosecond, zone) => Self::Nanos(numbers(array), zone.is_some()),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => Self::Micros(numbers(array), zone.is_some()),
            DataType::Timestamp(_, zone) => Self::Time(numbers(array), zone.is_some()),
            DataType::Date32 => Self::Date(numbers(array)),
            DataType::Time32(_) => Self::Clock(numbers(array)),
            DataType::Decimal128(_, scale) => Self::Decimal(numbers(array), *scale),
            DataType::Struct(_) => {
                let array = array.as_struct();
                Self::Struct(array, array.columns().iter().map(|child| Self::of(&**child)).collect())
            }
            DataType::List(_) => {
                let array: &ListArray = array.as_list();
                Self::List(array, Box::new(Self::of(&**array.values())))
            }
            _ => Self::Null,
        }
    }

    fn array(&self) -> Option<&'f dyn Array> {
        Some(match self {
            Self::Null => return None,
            Self::Bool(array) => *array,
            Self::I8(array) => *array,
            Self::I16(array) => *array,
            Self::I32(array) => *array,
            Self::I64(array) => *array,
            Self::F32(array) => *array,
            Self::F64(array) => *array,
            Self::Text(array) => *array,
            Self::OldText(array) => *array,
            Self::Time(array, _) => *array,
            Self::Micros(array, _) => *array,
            Self::Nanos(array, _) => *array,
            Self::Date(array) => *array,
            Self::Clock(array) => *array,
            Self::Decimal(array, _) => *array,
            Self::Struct(array, _) => *array,
            Self::List(array, _) => *array,
        })
    }

    /// The value in a row.
    #[inline]
    pub(super) fn value(&self, row: usize) -> Value<'_, 'f> {
        if self.array().is_none_or(|array| array.is_null(row)) {
            return Value::Null;
        }
        match self {
            Self::Null => Value::Null,
            Self::Bool(array) => Value::Bool(array.value(row)),
            Self::I8(array) => Value::Integer(array.value(row).into()),
            Self::I16(array) => Value::Integer(array.value(row).into()),
            Self::I32(array) => Value::Integer(array.value(row).into()),
            Self::I64(array) => Value::Integer(array.value(row)),
            Self::F32(array) => Value::F32(array.value(row)),
            Self::F64(array) => Value::F64(array.value(row)),
            Self::Text(array) => Value::Text(array.value(row)),
            Self::OldText(array) => Value::Text(array.value(row)),
            Self::Time(array, instant) => Value::Time(array.value(row), *instant),
            Self::Micros(array, instant) => Value::FineTime(i128::from(array.value(row)) * 1000, *instant),
            Self::Nanos(array, instant) => Value::FineTime(array.value(row).into(), *instant),
            Self::Date(array) => Value::Date(array.value(row)),
            Self::Clock(array) => Value::Clock(array.value(row)),
            Self::Decimal(array, scale) => Value::Decimal(array.value(row), *scale),
            Self::Struct(array, children) => Value::Struct(array.fields(), children, row),
            Self::List(array, elements) => {
                let offsets = array.value_offsets();
                Value::List(elements, offsets[row] as usize..offsets[row + 1] as usize)
            }
        }
    }
}
