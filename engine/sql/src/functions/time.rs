//! Functions of dates and times.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, Int64Array, TimestampMillisecondArray, types};
use arrow_schema::{DataType, TimeUnit};
use datafusion_common::{DataFusionError, Result, ScalarValue};

use super::calendar::{self, from_wall, to_wall};
use super::{Call, Definition, TEXT, function, is_int, is_text, refuse, texts_to};
use crate::error::SqlError;
use crate::types::LTZ;

const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

fn ltz() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some(LTZ.into()))
}

/// Times, dates and text count as points on the wall clock.
fn time_like(of: &DataType) -> Option<DataType> {
    match of {
        DataType::Timestamp(_, None) | DataType::Date32 => Some(TIMESTAMP),
        DataType::Timestamp(_, Some(_)) => Some(ltz()),
        DataType::Time32(_) => Some(of.clone()),
        of if is_text(of) => Some(TIMESTAMP),
        _ => None,
    }
}

impl Call<'_> {
    /// Argument `index` as wall clock times in the session's zone.
    fn wall(&self, index: usize) -> Result<Walls> {
        let array = self.array(index)?;
        let local = matches!(array.data_type(), DataType::Timestamp(_, Some(_)));
        let millis = match array.data_type() {
            DataType::Time32(_) => {
                let millis = arrow_cast::cast(&array, &DataType::Time32(TimeUnit::Millisecond))?;
                arrow_cast::cast(&arrow_cast::cast(&millis, &DataType::Int32)?, &DataType::Int64)?
            }
            _ => {
                arrow_cast::cast(&arrow_cast::cast(&array, &if local { ltz() } else { TIMESTAMP })?, &DataType::Int64)?
            }
        };
        let millis = millis.as_any().downcast_ref::<Int64Array>().cloned();
        let millis = millis.ok_or_else(|| DataFusionError::Internal("a time is no number".into()))?;
        Ok(Walls { millis, zone: local.then_some(self.zone) })
    }

    /// One time a row, given on the wall clock; in the type that the call has.
    fn times(&self, each: impl FnMut(usize) -> Option<i64>) -> Result<ArrayRef> {
        let values: Int64Array = (0..self.rows).map(each).collect();
        match self.returns {
            DataType::Timestamp(_, Some(_)) => {
                let values: Int64Array =
                    values.iter().map(|value| value.map(|value| from_wall(value, self.zone))).collect();
                Ok(arrow_cast::cast(&values, self.returns)?)
            }
            DataType::Date32 => {
                let days: Int32Array =
                    values.iter().map(|value| value.map(|value| value.div_euclid(calendar::DAY) as i32)).collect();
                Ok(Arc::new(days.reinterpret_cast::<types::Date32Type>()))
            }
            _ => Ok(arrow_cast::cast(&values, self.returns)?),
        }
    }
}

struct Walls {
    millis: Int64Array,
    zone: Option<crate::settings::Zone>,
}

impl Walls {
    fn get(&self, row: usize) -> Option<i64> {
        use arrow_array::Array;
        let millis = self.millis.is_valid(row).then(|| self.millis.value(row))?;
        Some(self.zone.map_or(millis, |zone| to_wall(millis, zone)))
    }
}

/// A unit or field as text, then a time.
fn unit_and_time(
    given: &[DataType],
    result: Option<DataType>,
    form: &'static str,
) -> std::result::Result<(Vec<DataType>, DataType), &'static str> {
    match given {
        [unit, time] if is_text(unit) => {
            let time = time_like(time).ok_or(form)?;
            let result = result.unwrap_or_else(|| time.clone());
            Ok((vec![TEXT, time], result))
        }
        _ => Err(form),
    }
}

fn rounded(call: &Call<'_>, round: fn(&str, i64) -> Option<i64>) -> Result<ArrayRef> {
    let (times, units) = (call.wall(0)?, call.text(1)?);
    call.times(|row| round(units.get(row)?, times.get(row)?))
}

fn time_and_unit(given: &[DataType]) -> std::result::Result<(Vec<DataType>, DataType), &'static str> {
    match given {
        [time, unit] if is_text(unit) => {
            let taken = if *time == DataType::Date32 { Some(DataType::Date32) } else { time_like(time) };
            let time = taken.ok_or("FLOOR(time TO unit)")?;
            Ok((vec![time.clone(), TEXT], time))
        }
        _ => Err("FLOOR(time TO unit) or CEIL(time TO unit)"),
    }
}

pub(super) const FUNCTIONS: &[Definition] = &[
    function(
        "extract",
        |given| unit_and_time(given, Some(DataType::Int64), "EXTRACT(unit FROM time), such as EXTRACT(HOUR FROM ts)"),
        |call| {
            let (fields, times) = (call.text(0)?, call.wall(1)?);
            call.values::<i64, Int64Array>(|row| calendar::part(fields.get(row)?, times.get(row)?))
        },
    ),
    function("floor_to", time_and_unit, |call| rounded(call, calendar::floor)),
    function("ceil_to", time_and_unit, |call| rounded(call, calendar::ceil)),
    function(
        "date_format",
        |given| match given {
            [time, pattern] if is_text(pattern) => {
                let time = time_like(time).ok_or("DATE_FORMAT(time, 'yyyy-MM-dd HH:mm:ss')")?;
                Ok((vec![time, TEXT], TEXT))
            }
            _ => Err("DATE_FORMAT(time, 'yyyy-MM-dd HH:mm:ss')"),
        },
        |call| {
            let (times, patterns) = (call.wall(0)?, call.text(1)?);
            if let Some(pattern) = patterns.one() {
                check(pattern).map_err(refuse)?;
            }
            let mut fixed = patterns.one().map(calendar::Formatter::new);
            call.texts(|row, out| match (times.get(row), patterns.get(row)) {
                (Some(time), Some(pattern)) => match &mut fixed {
                    Some(fixed) => fixed.text(time).map(|text| out.push_str(text)).is_some(),
                    None => calendar::format(pattern, time, out).is_some(),
                },
                _ => false,
            })
        },
    ),
    function(
        "timestampdiff",
        |given| match given {
            [unit, from, to] if is_text(unit) => match (time_like(from), time_like(to)) {
                (Some(from), Some(to)) => Ok((vec![TEXT, from, to], DataType::Int32)),
                _ => Err("TIMESTAMPDIFF(unit, from, to)"),
            },
            _ => Err("TIMESTAMPDIFF(unit, from, to)"),
        },
        |call| {
            let (units, from, to) = (call.text(0)?, call.wall(1)?, call.wall(2)?);
            call.values::<i32, Int32Array>(|row| {
                calendar::difference(units.get(row)?, from.get(row)?, to.get(row)?).map(|count| count as i32)
            })
        },
    ),
    function(
        "timestampadd",
        |given| match given {
            [unit, count, time] if is_text(unit) && is_int(count) => {
                // A DATE stays one, unless the unit is shorter than a day: see `added_type`.
                let time = if *time == DataType::Date32 { Some(DataType::Date32) } else { time_like(time) };
                let time = time.ok_or("TIMESTAMPADD(unit, count, time)")?;
                Ok((vec![TEXT, DataType::Int64, time.clone()], time))
            }
            _ => Err("TIMESTAMPADD(unit, count, time)"),
        },
        |call| {
            let (units, counts, times) = (call.text(0)?, call.int(1)?, call.wall(2)?);
            call.times(|row| calendar::add(units.get(row)?, counts.get(row)?, times.get(row)?))
        },
    ),
    function(
        "to_timestamp",
        |given| texts_to(given, 1..=2, TIMESTAMP, "TO_TIMESTAMP(string [, pattern])"),
        |call| {
            let texts = call.text(0)?;
            let patterns = if call.args.len() > 1 { Some(call.text(1)?) } else { None };
            call.times(|row| match &patterns {
                None => calendar::parse_sql(texts.get(row)?),
                Some(patterns) => calendar::parse(patterns.get(row)?, texts.get(row)?),
            })
        },
    ),
    function(
        "to_date",
        |given| texts_to(given, 1..=2, DataType::Date32, "TO_DATE(string [, pattern])"),
        |call| {
            let texts = call.text(0)?;
            let patterns = if call.args.len() > 1 { Some(call.text(1)?) } else { None };
            call.times(|row| match &patterns {
                None => calendar::parse_sql(texts.get(row)?),
                Some(patterns) => calendar::parse(patterns.get(row)?, texts.get(row)?),
            })
        },
    ),
    function(
        "to_timestamp_ltz",
        |given| match given {
            [number] if is_int(number) => Ok((vec![DataType::Int64], ltz())),
            [number, precision] if is_int(number) && is_int(precision) => {
                Ok((vec![DataType::Int64, DataType::Int32], ltz()))
            }
            [_] | [_, _] | [_, _, _] if given.iter().all(is_text) => Ok((vec![TEXT; given.len()], ltz())),
            _ => Err("TO_TIMESTAMP_LTZ(number [, 0 or 3]) or TO_TIMESTAMP_LTZ(string [, pattern [, zone]])"),
        },
        |call| {
            if is_text(&call.args[0].data_type()) {
                let texts = call.text(0)?;
                let patterns = if call.args.len() > 1 { Some(call.text(1)?) } else { None };
                let zones = if call.args.len() > 2 { Some(call.text(2)?) } else { None };
                return call.times(|row| {
                    let wall = match &patterns {
                        None => calendar::parse_sql(texts.get(row)?)?,
                        Some(patterns) => calendar::parse(patterns.get(row)?, texts.get(row)?)?,
                    };
                    match &zones {
                        None => Some(wall),
                        // `times` takes what it is given for the session's wall clock.
                        Some(zones) => {
                            Some(to_wall(from_wall(wall, crate::settings::zone(zones.get(row)?)?), call.zone))
                        }
                    }
                });
            }
            let numbers = call.int(0)?;
            let precisions = if call.args.len() > 1 { Some(call.int(1)?) } else { None };
            let values: TimestampMillisecondArray = (0..call.rows)
                .map(|row| {
                    let precision = precisions.as_ref().map_or(Some(3), |precisions| precisions.get(row))?;
                    let millis = match precision {
                        0 => numbers.get(row)?.checked_mul(1000),
                        3 => numbers.get(row),
                        _ => None,
                    };
                    millis.filter(|millis| calendar::YEARS.contains(millis))
                })
                .collect();
            Ok(Arc::new(values.with_timezone(LTZ)))
        },
    ),
    function(
        "from_unixtime",
        |given| match given {
            [number] if is_int(number) => Ok((vec![DataType::Int64], TEXT)),
            [number, pattern] if is_int(number) && is_text(pattern) => Ok((vec![DataType::Int64, TEXT], TEXT)),
            _ => Err("FROM_UNIXTIME(seconds [, pattern])"),
        },
        |call| {
            let seconds = call.int(0)?;
            let patterns = if call.args.len() > 1 { Some(call.text(1)?) } else { None };
            call.texts(|row, out| {
                let pattern = patterns.as_ref().map_or(Some("yyyy-MM-dd HH:mm:ss"), |patterns| patterns.get(row));
                match (seconds.get(row).and_then(|seconds| seconds.checked_mul(1000)), pattern) {
                    (Some(millis), Some(pattern)) => {
                        calendar::format(pattern, to_wall(millis, call.zone), out).is_some()
                    }
                    _ => false,
                }
            })
        },
    ),
    function(
        "convert_tz",
        |given| texts_to(given, 3..=3, TEXT, "CONVERT_TZ(string, from, to)"),
        |call| {
            let (texts, from, to) = (call.text(0)?, call.text(1)?, call.text(2)?);
            call.texts(|row, out| {
                let converted = || {
                    let local = calendar::parse_sql(texts.get(row)?)?;
                    let (from, to) = (crate::settings::zone(from.get(row)?)?, crate::settings::zone(to.get(row)?)?);
                    Some(to_wall(from_wall(local, from), to))
                };
                converted().and_then(|time| calendar::format("yyyy-MM-dd HH:mm:ss", time, out)).is_some()
            })
        },
    ),
    function(
        "unix_timestamp",
        // Without arguments it is the clock's, and is replaced before it is evaluated.
        |given| texts_to(given, 0..=2, DataType::Int64, "UNIX_TIMESTAMP(string [, pattern])"),
        |call| {
            let texts = call.text(0)?;
            let patterns = if call.args.len() > 1 { Some(call.text(1)?) } else { None };
            call.values::<i64, Int64Array>(|row| {
                let local = match &patterns {
                    None => calendar::parse_sql(texts.get(row)?)?,
                    Some(patterns) => calendar::parse(patterns.get(row)?, texts.get(row)?)?,
                };
                Some(from_wall(local, call.zone).div_euclid(1000))
            })
        },
    ),
];

/// The type of a DATE plus hours, minutes or seconds.
pub(super) fn added_type(name: &str, given: &[DataType], values: &[Option<&ScalarValue>]) -> Option<DataType> {
    let unit = values.first().copied().flatten()?.try_as_str().flatten()?;
    let short = !matches!(unit, "YEAR" | "QUARTER" | "MONTH" | "WEEK" | "DAY");
    (name == "timestampadd" && given.get(2) == Some(&DataType::Date32) && short).then_some(TIMESTAMP)
}

/// Whether times can be written in a constant's pattern.
pub(super) fn check(pattern: &str) -> std::result::Result<(), SqlError> {
    calendar::format(pattern, 0, &mut String::new()).ok_or_else(|| no_pattern(pattern))
}

/// Whether times can be read in a constant's pattern.
pub(super) fn check_read(pattern: &str) -> std::result::Result<(), SqlError> {
    if calendar::reads(pattern) { Ok(()) } else { Err(no_pattern(pattern)) }
}

fn no_pattern(pattern: &str) -> SqlError {
    SqlError::new(format!("'{pattern}' is no pattern of a time")).hint("write letters such as yyyy-MM-dd HH:mm:ss.SSS")
}
