//! Values as text, as Flink writes them: TRUE, 1.0E10, 2026-01-01 10:20:30.400, [1, NULL], {a=1}, (1, x).

use std::fmt::{Display, LowerExp, Write};
use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int64Type, IntervalMonthDayNanoType, Time32MillisecondType,
};
use arrow_array::{Array, ArrayRef, cast::AsArray};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use datafusion_common::{DataFusionError, Result};

use super::Job;
use crate::functions::calendar::{self, DAY, to_wall};
use crate::functions::is_null;
use crate::settings::Zone;
use crate::types::{Kind, SqlType};

/// Writes the value of a row, which is not NULL; whether it can be written.
pub(in crate::functions) type Written<'a> = Box<dyn Fn(usize, &mut String) -> bool + 'a>;

impl Job {
    pub(super) fn to_text(&self, array: &ArrayRef, to: &Kind) -> Result<ArrayRef> {
        let write = written(array, self.zone, self.digits)?;
        let mut built = StringViewBuilder::with_capacity(array.len());
        let mut text = String::new();
        for row in 0..array.len() {
            if array.is_null(row) {
                built.append_null();
                continue;
            }
            text.clear();
            let value = write(row, &mut text).then_some(());
            match self.judged(value, &SqlType::of(to.clone()), || unwritten(array.data_type()).to_owned())? {
                None => built.append_null(),
                Some(_) => {
                    fit(&mut text, to);
                    built.append_value(&text);
                }
            }
        }
        Ok(Arc::new(built.finish()))
    }
}

/// What has no form as text.
fn unwritten(of: &DataType) -> &'static str {
    match of {
        DataType::BinaryView => "bytes that are no UTF-8",
        DataType::Timestamp(..) => "a time beyond the calendar",
        _ => "a value with bytes that are no UTF-8, or with a time beyond the calendar",
    }
}

/// Cut to the length of its type; a CHAR is filled with blanks.
fn fit(text: &mut String, to: &Kind) {
    let (Kind::Char(length) | Kind::Varchar(length)) = to else { return };
    let length = *length as usize;
    if let Some((end, _)) = text.char_indices().nth(length) {
        text.truncate(end);
    } else if matches!(to, Kind::Char(_)) {
        let missing = length - text.chars().count();
        text.extend(std::iter::repeat_n(' ', missing));
    }
}

/// How the values of an array are written; `digits` is the precision of its times, if it is known beside their unit.
pub(in crate::functions) fn written(array: &ArrayRef, zone: Zone, digits: Option<u8>) -> Result<Written<'_>> {
    macro_rules! shown {
        ($array:expr, |$value:ident, $out:ident| $body:expr) => {{
            let values = $array;
            Box::new(move |row, $out: &mut String| {
                let $value = values.value(row);
                $body;
                true
            })
        }};
    }
    // Writing into a String never fails.
    Ok(match array.data_type() {
        DataType::Utf8View => shown!(array.as_string_view(), |value, out| out.push_str(value)),
        DataType::Utf8 => shown!(array.as_string::<i32>(), |value, out| out.push_str(value)),
        DataType::Boolean => {
            shown!(array.as_boolean(), |value, out| out.push_str(if value { "TRUE" } else { "FALSE" }))
        }
        DataType::Float32 => shown!(array.as_primitive::<Float32Type>(), |value, out| {
            scientific(value, value.into(), out);
        }),
        DataType::Float64 => shown!(array.as_primitive::<Float64Type>(), |value, out| double(value, out)),
        DataType::Decimal128(_, scale) => {
            let scale = usize::from(scale.unsigned_abs());
            shown!(array.as_primitive::<Decimal128Type>(), |value, out| decimal(value, scale, out))
        }
        DataType::Date32 => shown!(array.as_primitive::<Date32Type>(), |value, out| {
            let _ = calendar::format("yyyy-MM-dd", i64::from(value) * DAY, out);
        }),
        DataType::Time32(TimeUnit::Millisecond) => {
            shown!(array.as_primitive::<Time32MillisecondType>(), |value, out| {
                let pattern = if value % 1000 == 0 { "HH:mm:ss" } else { "HH:mm:ss.SSS" };
                let _ = calendar::format(pattern, i64::from(value), out);
                if value % 1000 != 0 {
                    out.truncate(out.trim_end_matches('0').len());
                }
            })
        }
        DataType::Timestamp(unit, local) => {
            let per_milli = if *unit == TimeUnit::Nanosecond { 1_000_000 } else { 1 };
            // Nanoseconds hold TIMESTAMP(6) more often than TIMESTAMP(9).
            let digits = digits.unwrap_or(if *unit == TimeUnit::Nanosecond { 6 } else { 3 });
            let local = local.is_some();
            let numbers = arrow_cast::cast(array, &DataType::Int64)?;
            let numbers = numbers.as_primitive::<Int64Type>().clone();
            Box::new(move |row, out| {
                let number = numbers.value(row);
                let (millis, nanos) = (number.div_euclid(per_milli), number.rem_euclid(per_milli));
                let millis = if local { to_wall(millis, zone) } else { millis };
                timestamp(millis, nanos, digits, out).is_some()
            })
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            shown!(array.as_primitive::<IntervalMonthDayNanoType>(), |value, out| {
                interval(value.months, i64::from(value.days) * DAY + value.nanoseconds / 1_000_000, out);
            })
        }
        DataType::BinaryView => {
            let values = array.as_binary_view();
            Box::new(move |row, out| {
                let text = std::str::from_utf8(values.value(row));
                text.map(|text| out.push_str(text)).is_ok()
            })
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let item = nullable(list.values(), zone, digits)?;
            Box::new(move |row, out| {
                let offsets = &list.offsets()[row..=row + 1];
                listed(['[', ']'], ", ", offsets[0] as usize..offsets[1] as usize, out, &item)
            })
        }
        DataType::Map(..) => {
            let map = array.as_map();
            let (key, value) = (nullable(map.keys(), zone, digits)?, nullable(map.values(), zone, digits)?);
            Box::new(move |row, out| {
                let offsets = &map.offsets()[row..=row + 1];
                listed(['{', '}'], ", ", offsets[0] as usize..offsets[1] as usize, out, &|entry, out: &mut String| {
                    let known = key(entry, out);
                    out.push('=');
                    known & value(entry, out)
                })
            })
        }
        DataType::Struct(_) => {
            let fields = array.as_struct().columns().iter().map(|column| nullable(column, zone, digits));
            let fields = fields.collect::<Result<Vec<_>>>()?;
            Box::new(move |row, out| {
                listed(['(', ')'], ", ", 0..fields.len(), out, &|field, out: &mut String| fields[field](row, out))
            })
        }
        of if of.is_integer() => {
            let numbers = arrow_cast::cast(array, &DataType::Int64)?;
            let numbers = numbers.as_primitive::<Int64Type>().clone();
            Box::new(move |row, out| write!(out, "{}", numbers.value(row)).is_ok())
        }
        DataType::Null => Box::new(|_, _| true),
        other => return Err(DataFusionError::NotImplemented(format!("{other} as text"))),
    })
}

/// As a part of something else, where NULL is written too.
fn nullable(array: &ArrayRef, zone: Zone, digits: Option<u8>) -> Result<Written<'_>> {
    let (write, null) = (written(array, zone, digits)?, is_null(array));
    Ok(Box::new(move |row, out| {
        if null(row) {
            out.push_str("NULL");
            return true;
        }
        write(row, out)
    }))
}

/// Parts between brackets. Returns whether all of them could be written.
pub(in crate::functions) fn listed(
    around: [char; 2],
    between: &str,
    range: std::ops::Range<usize>,
    out: &mut String,
    each: &dyn Fn(usize, &mut String) -> bool,
) -> bool {
    out.push(around[0]);
    let start = range.start;
    let known = range.fold(true, |known, part| {
        if part > start {
            out.push_str(between);
        }
        known & each(part, out)
    });
    out.push(around[1]);
    known
}

/// A DOUBLE as Java writes it.
pub(in crate::functions) fn double(value: f64, out: &mut String) {
    scientific(value, value, out);
}

/// Java writes a power of ten below a thousandth and from ten million on, and always a digit behind the point.
fn scientific(value: impl Display + LowerExp, wide: f64, out: &mut String) {
    if wide.is_nan() {
        out.push_str("NaN");
    } else if wide.is_infinite() {
        out.push_str(if wide < 0.0 { "-Infinity" } else { "Infinity" });
    } else if wide == 0.0 || (1e-3..1e7).contains(&wide.abs()) {
        let start = out.len();
        // Writing into a String never fails.
        let _ = write!(out, "{value}");
        if !out[start..].contains('.') {
            out.push_str(".0");
        }
    } else {
        let powered = format!("{value:e}");
        let (digits, power) = powered.split_once('e').unwrap_or((&powered, "0"));
        out.push_str(digits);
        if !digits.contains('.') {
            out.push_str(".0");
        }
        out.push('E');
        out.push_str(power);
    }
}

fn decimal(value: i128, scale: usize, out: &mut String) {
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    if value < 0 {
        out.push('-');
    }
    let point = digits.len() - scale;
    out.push_str(&digits[..point]);
    if scale > 0 {
        out.push('.');
        out.push_str(&digits[point..]);
    }
}

/// All digits that are not zero at the end, and as many as the precision says.
fn timestamp(millis: i64, nanos: i64, digits: u8, out: &mut String) -> Option<()> {
    calendar::format("yyyy-MM-dd HH:mm:ss", millis, out)?;
    let fraction = format!("{:09}", millis.rem_euclid(1000) * 1_000_000 + nanos);
    let shown = fraction.trim_end_matches('0').len().max(usize::from(digits));
    if shown > 0 {
        out.push('.');
        out.push_str(&fraction[..shown]);
    }
    Some(())
}

fn interval(months: i32, millis: i64, out: &mut String) {
    let _ = if months != 0 {
        let (sign, months) = (if months < 0 { '-' } else { '+' }, months.unsigned_abs());
        write!(out, "{sign}{}-{:02}", months / 12, months % 12)
    } else {
        let (sign, left) = (if millis < 0 { '-' } else { '+' }, millis.unsigned_abs());
        let (day, clock) = (left / DAY.unsigned_abs(), left % DAY.unsigned_abs());
        let (seconds, rest) = (clock / 1000, clock % 1000);
        write!(out, "{sign}{day} {:02}:{:02}:{:02}.{rest:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_flink_writes_them() {
        let text = |write: &dyn Fn(&mut String)| {
            let mut out = String::new();
            write(&mut out);
            out
        };
        for (value, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1.25e300, "1.25E300"),
            (f64::NEG_INFINITY, "-Infinity"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(text(&|out| double(value, out)), expected);
        }
        assert_eq!(text(&|out| decimal(-5, 3, out)), "-0.005");
        assert_eq!(text(&|out| decimal(1200, 0, out)), "1200");
        assert_eq!(text(&|out| timestamp(1, 0, 3, out).unwrap()), "1970-01-01 00:00:00.001");
        assert_eq!(text(&|out| timestamp(0, 0, 0, out).unwrap()), "1970-01-01 00:00:00");
        assert_eq!(text(&|out| timestamp(0, 100, 6, out).unwrap()), "1970-01-01 00:00:00.0000001");
        assert_eq!(text(&|out| interval(-84, 0, out)), "-7-00");
        assert_eq!(text(&|out| interval(0, 123_456_789, out)), "+1 10:17:36.789");
    }
}
