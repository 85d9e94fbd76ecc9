//! Functions of numbers. What is rounded to fewer digits has fewer: a DECIMAL's scale follows from a constant number of them.

use std::sync::Arc;

use arrow_array::{ArrayRef, Decimal128Array, Float64Array, Int64Array, cast::AsArray, types};
use arrow_schema::DataType;
use datafusion_common::{DataFusionError, Result, ScalarValue};

use super::{Call, Definition, function, is_int};
use crate::types::DECIMAL_DIGITS;

macro_rules! float {
    ($name:literal, |$x:ident| $body:expr) => {
        function(
            $name,
            |given| match given {
                [of] if of.is_numeric() || *of == DataType::Null => Ok((vec![DataType::Float64], DataType::Float64)),
                _ => Err(concat!($name, "(number)")),
            },
            |call| {
                let array = call.array(0)?;
                let values = array.as_primitive::<types::Float64Type>();
                let result: Float64Array = values.iter().map(|value| value.map(|$x| $body)).collect();
                Ok(Arc::new(result))
            },
        )
    };
}

macro_rules! floats {
    ($name:literal, $form:literal, |$x:ident, $y:ident| $body:expr) => {
        function(
            $name,
            |given| match given {
                [x, y] if [x, y].iter().all(|of| of.is_numeric() || **of == DataType::Null) => {
                    Ok((vec![DataType::Float64; 2], DataType::Float64))
                }
                _ => Err($form),
            },
            |call| {
                let (x, y) = (call.array(0)?, call.array(1)?);
                let (x, y) = (x.as_primitive::<types::Float64Type>(), y.as_primitive::<types::Float64Type>());
                let each = |(x, y): (Option<f64>, Option<f64>)| {
                    let ($x, $y) = (x?, y?);
                    Some($body)
                };
                Ok(Arc::new(x.iter().zip(y).map(each).collect::<Float64Array>()))
            },
        )
    };
}

macro_rules! constant {
    ($name:literal, $value:expr) => {
        function(
            $name,
            |given| if given.is_empty() { Ok((Vec::new(), DataType::Float64)) } else { Err(concat!($name, "()")) },
            |call| Ok(Arc::new(Float64Array::from_value($value, call.rows))),
        )
    };
}

pub(super) const FUNCTIONS: &[Definition] = &[
    float!("sqrt", |x| x.sqrt()),
    float!("exp", |x| x.exp()),
    float!("ln", |x| x.ln()),
    float!("log10", |x| x.log10()),
    float!("log2", |x| x.log2()),
    float!("sin", |x| x.sin()),
    float!("cos", |x| x.cos()),
    float!("tan", |x| x.tan()),
    float!("asin", |x| x.asin()),
    float!("acos", |x| x.acos()),
    float!("atan", |x| x.atan()),
    float!("sinh", |x| x.sinh()),
    float!("cosh", |x| x.cosh()),
    float!("tanh", |x| x.tanh()),
    float!("cot", |x| 1.0 / x.tan()),
    float!("degrees", |x| x.to_degrees()),
    float!("radians", |x| x.to_radians()),
    floats!("power", "POWER(base, exponent)", |x, y| x.powf(y)),
    floats!("atan2", "ATAN2(y, x)", |y, x| y.atan2(x)),
    constant!("pi", std::f64::consts::PI),
    constant!("e", std::f64::consts::E),
    function(
        "log",
        |given| match given {
            [_] | [_, _] if given.iter().all(|of| of.is_numeric() || *of == DataType::Null) => {
                Ok((vec![DataType::Float64; given.len()], DataType::Float64))
            }
            _ => Err("LOG(number) or LOG(base, number)"),
        },
        |call| {
            let last = call.array(call.args.len() - 1)?;
            let numbers = last.as_primitive::<types::Float64Type>();
            if call.args.len() == 1 {
                return Ok(Arc::new(numbers.unary::<_, types::Float64Type>(f64::ln)));
            }
            let bases = call.array(0)?;
            let bases = bases.as_primitive::<types::Float64Type>();
            let result: Float64Array = bases.iter().zip(numbers).map(|(base, x)| Some(x?.ln() / base?.ln())).collect();
            Ok(Arc::new(result))
        },
    ),
    function(
        "mod",
        |given| match given {
            // The result is of the divisor's type, so that the arguments' types must stay as they are.
            [x, y] if is_int(x) && is_int(y) => Ok((given.to_vec(), y.clone())),
            // With a DECIMAL beside a whole number or another DECIMAL it is the operator's: see `typing`.
            [x, y] if x.is_numeric() && y.is_numeric() => Ok((vec![DataType::Float64; 2], DataType::Float64)),
            _ => Err("MOD(number, by)"),
        },
        |call| {
            let x = call.array(0)?;
            if is_int(x.data_type())
                && let super::Ints::One(Some(by)) = call.int(1)?
                && by != 0
            {
                let x = arrow_cast::cast(&x, &DataType::Int64)?;
                let rest = x.as_primitive::<types::Int64Type>().unary::<_, types::Int64Type>(|x| x.wrapping_rem(by));
                return Ok(arrow_cast::cast(&rest, call.returns)?);
            }
            let y = call.array(1)?;
            let result: ArrayRef = match x.data_type() {
                of if is_int(of) => {
                    let (x, y) = (arrow_cast::cast(&x, &DataType::Int64)?, arrow_cast::cast(&y, &DataType::Int64)?);
                    let (x, y) = (x.as_primitive::<types::Int64Type>(), y.as_primitive::<types::Int64Type>());
                    let mut zero = false;
                    let result: Int64Array = x
                        .iter()
                        .zip(y)
                        .map(|(x, y)| {
                            let (x, y) = (x?, y?);
                            zero |= y == 0;
                            Some(x.checked_rem(y).unwrap_or(0))
                        })
                        .collect();
                    if zero {
                        return Err(DataFusionError::Execution("MOD by zero".into()));
                    }
                    Arc::new(result)
                }
                _ => arrow_arith::numeric::rem(&x, &y)?,
            };
            Ok(arrow_cast::cast(&result, call.returns)?)
        },
    ),
    function("abs", same, |call| each(call, i64::wrapping_abs, f64::abs, |value, _| value.abs())),
    function("sign", same, |call| {
        let sign = |value: f64| if value == 0.0 { value } else { value.signum() };
        each(call, i64::signum, sign, |value, unit| value.signum() * unit)
    }),
    function("floor", whole, |call| each(call, |value| value, f64::floor, |value, unit| value.div_euclid(unit))),
    function("ceil", whole, ceiling),
    function("ceiling", whole, ceiling),
    function("round", digits, |call| cut(call, true)),
    function("truncate", digits, |call| cut(call, false)),
];

fn ceiling(call: &Call<'_>) -> Result<ArrayRef> {
    each(call, |value| value, f64::ceil, |value, unit| -(-value).div_euclid(unit))
}

/// The type of ROUND and TRUNCATE of a DECIMAL, which depends on how many digits are kept, if that is a constant.
pub(super) fn cut_type(name: &str, given: &[DataType], values: &[Option<&ScalarValue>]) -> Option<DataType> {
    let (DataType::Decimal128(precision, scale), "round" | "truncate") = (given.first()?, name) else { return None };
    let (precision, scale) = (i64::from(*precision), i64::from(*scale));
    let digits = match values {
        [_] => 0,
        [_, Some(digits)] => match digits.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(Some(digits))) => digits,
            _ => return None,
        },
        _ => return None,
    };
    if digits >= scale {
        return None;
    }
    let digits = digits.max(0);
    // A nine that is rounded up needs a digit more.
    let precision = (1 + precision - scale + digits).min(i64::from(DECIMAL_DIGITS));
    Some(DataType::Decimal128(u8::try_from(precision).ok()?, i8::try_from(digits).ok()?))
}

/// A number's type, and the same as result.
fn same(given: &[DataType]) -> std::result::Result<(Vec<DataType>, DataType), &'static str> {
    let of = match given {
        [DataType::Null] => DataType::Float64,
        [of @ (DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64)] => of.clone(),
        [of @ (DataType::Float32 | DataType::Float64 | DataType::Decimal128(..))] => of.clone(),
        _ => return Err("ABS(number), or SIGN(number)"),
    };
    Ok((vec![of.clone()], of))
}

/// What stands before the point of a DECIMAL has room in its digits without those behind it, the next number too.
fn whole(given: &[DataType]) -> std::result::Result<(Vec<DataType>, DataType), &'static str> {
    match given {
        [of @ DataType::Decimal128(precision, _)] => Ok((vec![of.clone()], DataType::Decimal128(*precision, 0))),
        [_] => same(given).map_err(|_| "FLOOR(number) or CEIL(number)"),
        _ => Err("FLOOR(number) or CEIL(number)"),
    }
}

/// Each value: a whole number, a floating one, or a DECIMAL with what 1 is in it.
fn each(
    call: &Call<'_>,
    int: impl Fn(i64) -> i64,
    float: impl Fn(f64) -> f64,
    exact: impl Fn(i128, i128) -> i128,
) -> Result<ArrayRef> {
    Ok(match Numbers::of(&call.array(0)?)? {
        Numbers::Ints(values) => narrow_ints(&values.unary(int), call.returns),
        Numbers::Floats(values) => narrow_floats(values.unary(float), call.returns),
        Numbers::Decimals(values) => {
            let unit = 10i128.pow(u32::from(values.scale().unsigned_abs()));
            decimals(values.unary(|value| exact(value, unit)), call.returns)?
        }
    })
}

/// Numbers of any type, as wide as those of their kind are.
enum Numbers {
    Ints(Int64Array),
    Floats(Float64Array),
    Decimals(Decimal128Array),
}

impl Numbers {
    fn of(array: &ArrayRef) -> Result<Self> {
        Ok(match array.data_type() {
            DataType::Decimal128(..) => Self::Decimals(array.as_primitive().clone()),
            DataType::Float32 | DataType::Float64 => {
                Self::Floats(arrow_cast::cast(array, &DataType::Float64)?.as_primitive().clone())
            }
            _ => Self::Ints(arrow_cast::cast(array, &DataType::Int64)?.as_primitive().clone()),
        })
    }
}

/// In the type that they were of; what has no room wraps, as in Java.
fn narrow_ints(values: &Int64Array, to: &DataType) -> ArrayRef {
    match to {
        DataType::Int8 => Arc::new(values.unary::<_, types::Int8Type>(|value| value as i8)),
        DataType::Int16 => Arc::new(values.unary::<_, types::Int16Type>(|value| value as i16)),
        DataType::Int32 => Arc::new(values.unary::<_, types::Int32Type>(|value| value as i32)),
        _ => Arc::new(values.clone()),
    }
}

fn narrow_floats(values: Float64Array, to: &DataType) -> ArrayRef {
    match to {
        DataType::Float32 => Arc::new(values.unary::<_, types::Float32Type>(|value| value as f32)),
        _ => Arc::new(values),
    }
}

fn decimals(values: Decimal128Array, to: &DataType) -> Result<ArrayRef> {
    let DataType::Decimal128(precision, scale) = to else {
        return Err(DataFusionError::Internal(format!("{to} is no DECIMAL")));
    };
    Ok(Arc::new(values.with_precision_and_scale(*precision, *scale)?))
}

fn digits(given: &[DataType]) -> std::result::Result<(Vec<DataType>, DataType), &'static str> {
    let form = "ROUND(number [, digits]) or TRUNCATE(number [, digits])";
    match given {
        [of] => same(std::slice::from_ref(of)).map_err(|_| form),
        [of, digits] if is_int(digits) => {
            let (mut taken, result) = same(std::slice::from_ref(of)).map_err(|_| form)?;
            taken.push(DataType::Int32);
            Ok((taken, result))
        }
        _ => Err(form),
    }
}

fn cut(call: &Call<'_>, half_up: bool) -> Result<ArrayRef> {
    let digits = if call.args.len() > 1 { Some(call.int(1)?) } else { None };
    let digits = |row: usize| digits.as_ref().map_or(Some(0), |digits| digits.get(row));
    Ok(match Numbers::of(&call.array(0)?)? {
        Numbers::Floats(values) => {
            let each = |(row, value): (usize, Option<f64>)| Some(cut_float(value?, digits(row)?, half_up));
            narrow_floats(values.iter().enumerate().map(each).collect(), call.returns)
        }
        Numbers::Decimals(values) => {
            let scale = values.scale();
            // What goes with the scale is zero by now.
            let new = if let DataType::Decimal128(_, new) = call.returns { *new } else { scale };
            let gone = 10i128.pow(u32::from((scale - new).unsigned_abs()));
            let each = |(row, value): (usize, Option<i128>)| {
                Some(cut_below(value?, i64::from(scale).saturating_sub(digits(row)?), half_up) / gone)
            };
            decimals(values.iter().enumerate().map(each).collect(), call.returns)?
        }
        Numbers::Ints(values) => {
            let each = |(row, value): (usize, Option<i64>)| {
                Some(cut_below(value?.into(), 0i64.saturating_sub(digits(row)?), half_up) as i64)
            };
            narrow_ints(&values.iter().enumerate().map(each).collect(), call.returns)
        }
    })
}

/// A whole number without its last `cut` digits, which become zeros.
fn cut_below(value: i128, cut: i64, half_up: bool) -> i128 {
    if cut <= 0 {
        return value;
    }
    let Some(unit) = u32::try_from(cut).ok().and_then(|cut| 10i128.checked_pow(cut)) else { return 0 };
    let half = if half_up { unit / 2 * value.signum() } else { 0 };
    (value + half) / unit * unit
}

/// Powers of ten that a DOUBLE holds without a rest.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// A DOUBLE with so many digits behind the point, cut by the shortest decimal number that stands for it, as Java's
/// `BigDecimal.valueOf` has it: 1.005 is 1.01 though its bits are below that.
pub(super) fn cut_float(value: f64, digits: i64, half_up: bool) -> f64 {
    if !value.is_finite() || value == 0.0 {
        return value;
    }
    let power = usize::try_from(digits).ok().and_then(|digits| POWERS.get(digits));
    if let Some(power) = power {
        let scaled = value.abs() * power;
        // The bits and the product are each off by half a unit in the last place at most. Where that cannot decide,
        // both operands of the quotient are exact, so that it is rounded once.
        let off = scaled * (2.0 * f64::EPSILON);
        let part = scaled.fract();
        let clear = if half_up { (part - 0.5).abs() > off } else { part > off && part < 1.0 - off };
        if scaled < (1u64 << 52) as f64 && clear {
            let whole = if half_up { (scaled + 0.5).floor() } else { scaled.trunc() };
            return (whole / power).copysign(value);
        }
    }
    by_decimal_digits(value, digits, half_up)
}

fn by_decimal_digits(value: f64, digits: i64, half_up: bool) -> f64 {
    let text = format!("{:e}", value.abs());
    let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
    let (before, behind) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // At most seventeen digits, the last of them so many places behind the point.
    let (Ok(number), Ok(power)) = ([before, behind].concat().parse::<i128>(), power.parse::<i64>()) else {
        return value;
    };
    let scale = behind.len() as i64 - power;
    let cut = scale.saturating_sub(digits);
    if cut <= 0 {
        return value;
    }
    let number = cut_below(number, cut, half_up);
    format!("{number}e{}", -scale).parse::<f64>().unwrap_or(value).copysign(value)
}
