//! Arithmetic of DECIMAL with Flink's precision and scale. A result that does not fit is NULL.

use std::hash::Hash;
use std::sync::Arc;

use arrow_array::{Decimal128Array, cast::AsArray, types};
use arrow_schema::DataType;
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::types::DECIMAL_DIGITS;

/// What an operator does with these operands, if both are exact numbers and one is a DECIMAL.
pub(crate) fn arithmetic(operator: Operator, left: &DataType, right: &DataType) -> Option<Arc<ScalarUDF>> {
    let (left, right) = (exact(left)?, exact(right)?);
    let (precision, scale) = result(operator, left, right)?;
    let function = Arithmetic {
        operator,
        left,
        right,
        precision,
        scale,
        signature: Signature::user_defined(Volatility::Immutable),
    };
    Some(Arc::new(ScalarUDF::new_from_impl(function)))
}

/// Digits in all and after the point.
fn exact(of: &DataType) -> Option<(u8, i8)> {
    Some(match of {
        DataType::Int8 => (3, 0),
        DataType::Int16 => (5, 0),
        DataType::Int32 => (10, 0),
        DataType::Int64 => (19, 0),
        DataType::Decimal128(precision, scale) => (*precision, *scale),
        _ => return None,
    })
}

/// Flink's `LogicalTypeMerging`.
fn result(operator: Operator, (p1, s1): (u8, i8), (p2, s2): (u8, i8)) -> Option<(u8, i8)> {
    let (p1, s1, p2, s2) = (i32::from(p1), i32::from(s1), i32::from(p2), i32::from(s2));
    let (precision, scale) = match operator {
        Operator::Plus | Operator::Minus => {
            let scale = s1.max(s2);
            ((p1 - s1).max(p2 - s2) + scale + 1, scale)
        }
        Operator::Multiply => (p1 + p2, s1 + s2),
        Operator::Divide => {
            let scale = (s1 + p2 + 1).max(6);
            (p1 - s1 + s2 + scale, scale)
        }
        Operator::Modulo => ((p1 - s1).min(p2 - s2) + s1.max(s2), s1.max(s2)),
        _ => return None,
    };
    let most = i32::from(DECIMAL_DIGITS);
    let (precision, scale) = if precision <= most {
        (precision, scale)
    } else {
        let whole = precision - scale;
        (most, (most - whole).max(scale.min(6)))
    };
    Some((u8::try_from(precision).ok()?, i8::try_from(scale).ok()?))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Arithmetic {
    operator: Operator,
    left: (u8, i8),
    right: (u8, i8),
    precision: u8,
    scale: i8,
    signature: Signature,
}

impl ScalarUDFImpl for Arithmetic {
    fn name(&self) -> &str {
        "decimal_arithmetic"
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        self.schema_name(args)
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        match args {
            [left, right] => Ok(format!("({} {} {})", left.schema_name(), self.operator, right.schema_name())),
            _ => Ok(self.operator.to_string()),
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, _given: &[DataType]) -> Result<Vec<DataType>> {
        Ok([self.left, self.right].map(|(precision, scale)| DataType::Decimal128(precision, scale)).to_vec())
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(DataType::Decimal128(self.precision, self.scale))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let (left, right) =
            (arrays[0].as_primitive::<types::Decimal128Type>(), arrays[1].as_primitive::<types::Decimal128Type>());
        let fits = i32::from(self.left.0) + i32::from(self.right.0) <= i32::from(DECIMAL_DIGITS);
        let result: Decimal128Array = if self.operator == Operator::Multiply && fits {
            // A product of so few digits always fits and has its scale.
            arrow_arith::arity::binary(left, right, |x, y| x.wrapping_mul(y))?
        } else {
            let each = |(x, y): (Option<i128>, Option<i128>)| self.one(x?, y?).transpose();
            left.iter().zip(right).map(each).map(Option::transpose).collect::<Result<_>>()?
        };
        let result = result.with_precision_and_scale(self.precision, self.scale)?;
        debug_assert_eq!(result.len(), left.len(), "one result a row");
        Ok(ColumnarValue::Array(Arc::new(result)))
    }
}

impl Arithmetic {
    /// The value at the result's scale; nothing if it does not fit.
    fn one(&self, x: i128, y: i128) -> Result<Option<i128>> {
        let (s1, s2, scale) = (i32::from(self.left.1), i32::from(self.right.1), i32::from(self.scale));
        let value = match self.operator {
            Operator::Plus | Operator::Minus => {
                let common = s1.max(s2);
                let (x, y) = (rescale(x, s1, common), rescale(y, s2, common));
                let sum = match (x, y) {
                    (Some(x), Some(y)) if self.operator == Operator::Plus => x.checked_add(y),
                    (Some(x), Some(y)) => x.checked_sub(y),
                    _ => None,
                };
                sum.and_then(|sum| rescale(sum, common, scale))
            }
            Operator::Multiply => x.checked_mul(y).and_then(|product| rescale(product, s1 + s2, scale)),
            _ if y == 0 => {
                return Err(DataFusionError::Execution("division by zero".into()));
            }
            Operator::Divide => {
                // One digit more than is kept, to round by.
                let shift = u32::try_from(scale + 1 - s1 + s2).unwrap_or(0);
                let wide = 10i128.checked_pow(shift).and_then(|unit| x.checked_mul(unit));
                wide.and_then(|wide| rescale(wide / y, scale + 1, scale))
            }
            _ => {
                let common = s1.max(s2);
                match (rescale(x, s1, common), rescale(y, s2, common)) {
                    (Some(x), Some(y)) => x.checked_rem(y).and_then(|rest| rescale(rest, common, scale)),
                    _ => None,
                }
            }
        };
        let limit = limit(self.precision);
        Ok(value.filter(|value| value.abs() < limit))
    }
}

/// The least number that has no room in so many digits.
pub(super) fn limit(precision: u8) -> i128 {
    10i128.pow(u32::from(precision))
}

/// A value at another scale, rounded half away from zero.
pub(super) fn rescale(value: i128, from: i32, to: i32) -> Option<i128> {
    let unit = 10i128.checked_pow(from.abs_diff(to))?;
    if to >= from {
        return value.checked_mul(unit);
    }
    let (whole, rest) = (value / unit, value % unit);
    Some(if rest.unsigned_abs() * 2 >= unit.unsigned_abs() { whole + value.signum() } else { whole })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_and_scale_are_flinks() {
        assert_eq!(result(Operator::Multiply, (4, 3), (19, 0)), Some((23, 3)));
        assert_eq!(result(Operator::Plus, (10, 2), (5, 3)), Some((12, 3)));
        assert_eq!(result(Operator::Divide, (10, 2), (5, 0)), Some((16, 8)));
        assert_eq!(result(Operator::Multiply, (30, 10), (20, 8)), Some((38, 6)));
        assert_eq!(rescale(-125, 2, 1), Some(-13));
        assert_eq!(rescale(124, 2, 1), Some(12));
    }
}
