//! Casts between numbers and BOOLEAN, and of bytes to bytes.

use std::sync::Arc;

use arrow_array::builder::BinaryViewBuilder;
use arrow_array::types::{ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, BinaryViewArray, BooleanArray, Decimal128Array, PrimitiveArray, cast::AsArray};
use arrow_schema::DataType;
use datafusion_common::{DataFusionError, Result};

use super::super::decimal::{limit, rescale};
use super::{Job, parse};
use crate::types::{Kind, SqlType};

impl Job {
    pub(super) fn number(&self, array: &ArrayRef, to: &SqlType) -> Result<ArrayRef> {
        match array.data_type() {
            DataType::Boolean => {
                let ones = arrow_cast::cast(array, &DataType::Int32)?;
                self.number(&ones, to)
            }
            DataType::Float32 | DataType::Float64 => {
                let wide = arrow_cast::cast(array, &DataType::Float64)?;
                self.of_float(wide.as_primitive(), to)
            }
            DataType::Decimal128(_, scale) => self.of_decimal(array.as_primitive(), *scale, to),
            _ => {
                let wide = arrow_cast::cast(array, &DataType::Int64)?;
                of_int(wide.as_primitive(), to)
            }
        }
    }

    /// As Java does: first to INT, at whose bounds it stays, then narrower, where it wraps; not a number is 0.
    fn of_float(&self, values: &PrimitiveArray<Float64Type>, to: &SqlType) -> Result<ArrayRef> {
        Ok(match &to.kind {
            Kind::TinyInt => unary::<_, Int8Type>(values, |value| value as i32 as i8),
            Kind::SmallInt => unary::<_, Int16Type>(values, |value| value as i32 as i16),
            Kind::Int => unary::<_, Int32Type>(values, |value| value as i32),
            Kind::BigInt => unary::<_, Int64Type>(values, |value| value as i64),
            Kind::Float => unary::<_, Float32Type>(values, |value| value as f32),
            Kind::Double => Arc::new(values.clone()),
            Kind::Boolean => booleans(values, |value| value != 0.0),
            Kind::Decimal { precision, scale } => {
                let each = |value: Option<f64>| {
                    let Some(value) = value else { return Ok(None) };
                    let found = if value.is_finite() {
                        parse::decimal(&value.to_string(), *precision, *scale)
                    } else {
                        Err(parse::NoNumber)
                    };
                    Ok(self.judged(found.ok(), to, || value.to_string())?.flatten())
                };
                decimals(values.iter().map(each).collect::<Result<_>>()?, *precision, *scale)?
            }
            _ => return Err(no_number(to)),
        })
    }

    fn of_decimal(&self, values: &Decimal128Array, scale: i8, to: &SqlType) -> Result<ArrayRef> {
        let unit = 10i128.pow(u32::from(scale.unsigned_abs()));
        // The low bits of what stands before the point, as Java's `longValue` has it.
        let whole = |value: i128| (value / unit) as i64;
        Ok(match &to.kind {
            Kind::TinyInt => unary::<_, Int8Type>(values, |value| whole(value) as i8),
            Kind::SmallInt => unary::<_, Int16Type>(values, |value| whole(value) as i16),
            Kind::Int => unary::<_, Int32Type>(values, |value| whole(value) as i32),
            Kind::BigInt => unary::<_, Int64Type>(values, whole),
            Kind::Float => unary::<_, Float32Type>(values, |value| float(value, scale) as f32),
            Kind::Double => unary::<_, Float64Type>(values, |value| float(value, scale)),
            Kind::Boolean => booleans(values, |value| value != 0),
            Kind::Decimal { precision, scale: new } => {
                let limit = limit(*precision);
                let each = |value| rescale(value, i32::from(scale), i32::from(*new)).filter(|new| new.abs() < limit);
                decimals(values.unary_opt(each), *precision, *new)?
            }
            _ => return Err(no_number(to)),
        })
    }

    /// Cut or filled with zeros to the length.
    pub(super) fn bytes(&self, array: &ArrayRef, to: &Kind) -> Result<ArrayRef> {
        let array = arrow_cast::cast(array, &DataType::BinaryView)?;
        let array: &BinaryViewArray = array.as_binary_view();
        let mut built = BinaryViewBuilder::with_capacity(array.len());
        for value in array {
            match value {
                Some(value) => built.append_value(fitted(value, to)),
                None => built.append_null(),
            }
        }
        Ok(Arc::new(built.finish()))
    }
}

/// Bytes in the length of their type.
pub(super) fn fitted(value: &[u8], to: &Kind) -> Vec<u8> {
    let mut value = value.to_vec();
    match to {
        Kind::Binary(length) => value.resize(*length as usize, 0),
        Kind::Varbinary(length) => value.truncate(*length as usize),
        _ => {}
    }
    value
}

fn of_int(values: &PrimitiveArray<Int64Type>, to: &SqlType) -> Result<ArrayRef> {
    Ok(match &to.kind {
        Kind::TinyInt => unary::<_, Int8Type>(values, |value| value as i8),
        Kind::SmallInt => unary::<_, Int16Type>(values, |value| value as i16),
        Kind::Int => unary::<_, Int32Type>(values, |value| value as i32),
        Kind::BigInt => Arc::new(values.clone()),
        Kind::Float => unary::<_, Float32Type>(values, |value| value as f32),
        Kind::Double => unary::<_, Float64Type>(values, |value| value as f64),
        Kind::Boolean => booleans(values, |value| value != 0),
        Kind::Decimal { precision, scale } => {
            let limit = limit(*precision);
            let each = |value: i64| rescale(value.into(), 0, i32::from(*scale)).filter(|value| value.abs() < limit);
            decimals(values.unary_opt(each), *precision, *scale)?
        }
        _ => return Err(no_number(to)),
    })
}

fn no_number(to: &SqlType) -> DataFusionError {
    DataFusionError::Internal(format!("a number is cast to {to}"))
}

fn unary<F: ArrowPrimitiveType, T: ArrowPrimitiveType>(
    values: &PrimitiveArray<F>,
    each: impl Fn(F::Native) -> T::Native,
) -> ArrayRef {
    Arc::new(values.unary::<_, T>(each))
}

fn booleans<F: ArrowPrimitiveType>(values: &PrimitiveArray<F>, each: impl Fn(F::Native) -> bool) -> ArrayRef {
    Arc::new(values.iter().map(|value| value.map(&each)).collect::<BooleanArray>())
}

fn decimals(values: Decimal128Array, precision: u8, scale: i8) -> Result<ArrayRef> {
    Ok(Arc::new(values.with_precision_and_scale(precision, scale)?))
}

/// The nearest DOUBLE.
fn float(value: i128, scale: i8) -> f64 {
    // Both are exact, so that the quotient is rounded once.
    const EXACT: i128 = 1 << 53;
    if value.abs() <= EXACT && (0..=22).contains(&scale) {
        return value as f64 / 10f64.powi(i32::from(scale));
    }
    format!("{value}e{}", -i32::from(scale)).parse().unwrap_or(f64::NAN)
}
