//! Text as values of other types. Blanks around are no part of it.

use std::sync::Arc;

use arrow_array::builder::BinaryViewBuilder;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType,
};
use arrow_array::{Array, ArrayRef, BooleanArray, Decimal128Array, PrimitiveArray, StringViewArray, cast::AsArray};
use arrow_schema::DataType;
use datafusion_common::{DataFusionError, Result};

use super::super::calendar;
use super::super::decimal::limit;
use super::Job;
use super::number::fitted;
use super::time::Instant;
use crate::types::{Kind, SqlType};

/// Text is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoNumber;

impl Job {
    pub(super) fn parse(&self, array: &ArrayRef, to: &SqlType) -> Result<ArrayRef> {
        let array = arrow_cast::cast(array, &DataType::Utf8View)?;
        let texts: &StringViewArray = array.as_string_view();
        Ok(match &to.kind {
            Kind::Boolean => {
                let values = self.each(texts, to, boolean).collect::<Result<BooleanArray>>()?;
                Arc::new(values)
            }
            Kind::TinyInt => self.primitive::<Int8Type>(texts, to, |text| i8::try_from(whole(text)?).ok())?,
            Kind::SmallInt => self.primitive::<Int16Type>(texts, to, |text| i16::try_from(whole(text)?).ok())?,
            Kind::Int => self.primitive::<Int32Type>(texts, to, |text| i32::try_from(whole(text)?).ok())?,
            Kind::BigInt => self.primitive::<Int64Type>(texts, to, whole)?,
            Kind::Float => self.primitive::<Float32Type>(texts, to, |text| float(text)?.parse().ok())?,
            Kind::Double => self.primitive::<Float64Type>(texts, to, |text| float(text)?.parse().ok())?,
            Kind::Decimal { precision, scale } => {
                let each = |text: &str| decimal(text, *precision, *scale).ok();
                let values = self.each(texts, to, each).map(|value| value.map(Option::flatten));
                let values = values.collect::<Result<Decimal128Array>>()?;
                Arc::new(values.with_precision_and_scale(*precision, *scale)?)
            }
            Kind::Date => self.primitive::<Date32Type>(texts, to, |text| {
                i32::try_from(calendar::parse_day(text)?.div_euclid(calendar::DAY)).ok()
            })?,
            Kind::Time(digits) => self.primitive::<Time32MillisecondType>(texts, to, |text| {
                Some(Instant::of_millis(calendar::parse_clock(text)?).cut(*digits).millis as i32)
            })?,
            Kind::Timestamp(digits) | Kind::TimestampLtz(digits) => {
                let (local, of) = (matches!(to.kind, Kind::TimestampLtz(_)), to.arrow());
                let each = |text: Option<&str>| {
                    let Some(text) = text else { return Ok(None) };
                    let Some((millis, nanos)) = calendar::parse_nanos(text) else {
                        return self.judged(None, to, || text.to_owned());
                    };
                    let millis = if local { calendar::from_wall(millis, self.zone) } else { millis };
                    self.in_range(Instant { millis, nanos }.cut(*digits), to, &of, || text.to_owned())
                };
                self.in_units(texts.iter().map(each), to)?
            }
            Kind::Binary(_) | Kind::Varbinary(_) | Kind::Bytes => {
                let mut built = BinaryViewBuilder::with_capacity(texts.len());
                for text in texts {
                    match text {
                        Some(text) => built.append_value(fitted(text.as_bytes(), &to.kind)),
                        None => built.append_null(),
                    }
                }
                Arc::new(built.finish())
            }
            _ => return Err(DataFusionError::Internal(format!("text is cast to {to}"))),
        })
    }

    fn each<'a, T>(
        &'a self,
        texts: &'a StringViewArray,
        to: &'a SqlType,
        parse: impl Fn(&str) -> Option<T> + 'a,
    ) -> impl Iterator<Item = Result<Option<T>>> + 'a {
        texts.iter().map(move |text| match text {
            None => Ok(None),
            Some(text) => self.judged(parse(text.trim_matches(' ')), to, || text.to_owned()),
        })
    }

    fn primitive<T: ArrowPrimitiveType>(
        &self,
        texts: &StringViewArray,
        to: &SqlType,
        parse: impl Fn(&str) -> Option<T::Native>,
    ) -> Result<ArrayRef> {
        let values = self.each(texts, to, parse).collect::<Result<Vec<Option<T::Native>>>>()?;
        Ok(Arc::new(values.into_iter().collect::<PrimitiveArray<T>>()))
    }
}

/// Flink's words for true and false.
fn boolean(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(&["t", "true", "y", "yes", "1"]) {
        Some(true)
    } else if is(&["f", "false", "n", "no", "0"]) {
        Some(false)
    } else {
        None
    }
}

/// A whole number; digits behind a point are cut off.
fn whole(text: &str) -> Option<i64> {
    let (before, behind) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(behind) {
        return None;
    }
    if !behind.is_empty() && matches!(before, "" | "+" | "-") {
        return Some(0);
    }
    // Rust's own reader takes a sign and digits, as Flink's does.
    before.parse().ok()
}

/// Text that Java takes for a floating number, as Rust takes it.
fn float(text: &str) -> Option<&str> {
    match text.strip_prefix(['+', '-']).unwrap_or(text) {
        "NaN" => return Some("NaN"),
        "Infinity" => return Some(if text.starts_with('-') { "-inf" } else { "inf" }),
        _ => {}
    }
    let text = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)).then_some(text)
}

/// A DECIMAL at this scale, rounded half away from zero; nothing if it has no room.
pub(super) fn decimal(text: &str, precision: u8, scale: i8) -> std::result::Result<Option<i128>, NoNumber> {
    let (negative, rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i16>().map_err(|_| NoNumber)?),
        None => (rest, 0),
    };
    let (before, behind) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = [before, behind].concat();
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NoNumber);
    }
    let digits = all.trim_start_matches('0');
    let shift = i64::from(exponent) - behind.len() as i64 + i64::from(scale);
    let room = usize::from(precision);
    let (kept, up) = if shift >= 0 {
        let zeros = usize::try_from(shift).unwrap_or(usize::MAX);
        if digits.is_empty() {
            return Ok(Some(0));
        }
        if digits.len().saturating_add(zeros) > room {
            return Ok(None);
        }
        ([digits, &"0".repeat(zeros)].concat(), false)
    } else {
        let cut = usize::try_from(-shift).unwrap_or(usize::MAX);
        match digits.len().checked_sub(cut) {
            Some(kept) => (digits[..kept].to_owned(), digits.as_bytes().get(kept).is_some_and(|digit| *digit >= b'5')),
            None => (String::new(), false),
        }
    };
    if kept.len() > room {
        return Ok(None);
    }
    let value = if kept.is_empty() { 0 } else { kept.parse::<i128>().map_err(|_| NoNumber)? } + i128::from(up);
    if value >= limit(precision) {
        return Ok(None);
    }
    Ok(Some(if negative { -value } else { value }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_text() {
        for (text, precision, scale, expected) in [
            ("12.345", 5, 2, Ok(Some(1235))),
            ("-12.345", 5, 2, Ok(Some(-1235))),
            ("12", 5, 2, Ok(Some(1200))),
            ("1234.5", 5, 2, Ok(None)),
            ("999.995", 5, 2, Ok(None)),
            ("1.5e2", 5, 0, Ok(Some(150))),
            ("5e-3", 5, 2, Ok(Some(1))),
            ("4e-3", 5, 2, Ok(Some(0))),
            ("0.000000000000000000000000000000000000000000001", 38, 2, Ok(Some(0))),
            ("1e30000", 38, 0, Ok(None)),
            (".5", 3, 1, Ok(Some(5))),
            ("5.", 3, 1, Ok(Some(50))),
            ("", 3, 1, Err(NoNumber)),
            ("1.2.3", 3, 1, Err(NoNumber)),
            ("x", 3, 1, Err(NoNumber)),
        ] {
            assert_eq!(decimal(text, precision, scale), expected, "{text} as DECIMAL({precision}, {scale})");
        }
        assert_eq!(whole("12.9"), Some(12));
        assert_eq!(whole("-7"), Some(-7));
        assert_eq!(whole("1e3"), None);
        assert_eq!(whole("9223372036854775808"), None);
        assert_eq!(whole(""), None);
    }
}
