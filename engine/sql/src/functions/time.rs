//! Functions of dates and times.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, Int64Array, TimestampMillisecondArray, cast::AsArray, types};
use arrow_schema::{DataType, TimeUnit};
use datafusion_common::{DataFusionError, Result, ScalarValue};

use super::calendar::{self, from_wall, to_wall};
use super::pattern;
use super::zone::zone_or_short;
use super::{Call, Definition, TEXT, function, is_int, is_text, refuse, texts_to};
use crate::error::SqlError;
use crate::types::LTZ;

/// The pattern of a time where none is given.
const SECONDS: &str = "yyyy-MM-dd HH:mm:ss";
/// UNIX_TIMESTAMP of text that is no time, as Flink documents it.
const NO_TIME: i64 = i64::MIN;

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
            // Before 1970, too, a millisecond is the one that has begun.
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                let nanos = arrow_cast::cast(&array, &DataType::Int64)?;
                Arc::new(
                    nanos
                        .as_primitive::<types::Int64Type>()
                        .unary::<_, types::Int64Type>(|nanos| nanos.div_euclid(1_000_000)),
                )
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
            // A time of day goes round: an hour after 23:30 it is 00:30.
            DataType::Time32(_) => {
                let clock: Int32Array =
                    values.iter().map(|value| value.map(|value| value.rem_euclid(calendar::DAY) as i32)).collect();
                Ok(Arc::new(clock.reinterpret_cast::<types::Time32MillisecondType>()))
            }
            _ => Ok(arrow_cast::cast(&values, self.returns)?),
        }
    }

    /// The nanoseconds of the last millisecond of argument `index`, if its type has any.
    fn below_millis(&self, index: usize) -> Result<Option<Int64Array>> {
        let array = self.array(index)?;
        let DataType::Timestamp(TimeUnit::Nanosecond, _) = array.data_type() else { return Ok(None) };
        let nanos = arrow_cast::cast(&array, &DataType::Int64)?;
        Ok(Some(nanos.as_primitive::<types::Int64Type>().unary(|nanos| nanos.rem_euclid(1_000_000))))
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
        |given| match given {
            // Of a time of nanoseconds they can be asked for.
            [unit, time @ DataType::Timestamp(..)] if is_text(unit) => Ok((vec![TEXT, time.clone()], DataType::Int64)),
            [unit, time] if is_text(unit) && time_like(time).is_some() => {
                Ok((vec![TEXT, time_like(time).unwrap_or(TIMESTAMP)], DataType::Int64))
            }
            _ => Err("EXTRACT(unit FROM time), such as EXTRACT(HOUR FROM ts)"),
        },
        |call| {
            let (fields, times, below) = (call.text(0)?, call.wall(1)?, call.below_millis(1)?);
            call.values::<i64, Int64Array>(|row| {
                let nanos = below.as_ref().map_or(0, |below| below.value(row));
                calendar::part(fields.get(row)?, times.get(row)?, nanos)
            })
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
                Some(patterns) => pattern::read(patterns.get(row)?, texts.get(row)?),
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
                Some(patterns) => pattern::read(patterns.get(row)?, texts.get(row)?),
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
                        Some(patterns) => pattern::read(patterns.get(row)?, texts.get(row)?)?,
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
            let each = |row| {
                let precision = precisions.as_ref().map_or(Some(3), |precisions| precisions.get(row));
                let millis = match (numbers.get(row), precision) {
                    (None, _) | (_, None) => None,
                    (Some(seconds), Some(0)) => seconds.checked_mul(1000),
                    (millis, Some(3)) => millis,
                    (_, Some(other)) => return Err(no_precision(other)),
                };
                Ok(millis.filter(|millis| calendar::YEARS.contains(millis)))
            };
            let values = (0..call.rows).map(each).collect::<std::result::Result<TimestampMillisecondArray, SqlError>>();
            Ok(Arc::new(values.map_err(refuse)?.with_timezone(LTZ)))
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
                let pattern = patterns.as_ref().map_or(Some(SECONDS), |patterns| patterns.get(row));
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
                    let (from, to) = (zone_or_short(from.get(row)?)?, zone_or_short(to.get(row)?)?);
                    Some(to_wall(from_wall(local, from), to))
                };
                converted().and_then(|time| calendar::format(SECONDS, time, out)).is_some()
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
                let pattern = patterns.as_ref().map_or(Some(SECONDS), |patterns| patterns.get(row))?;
                let read = pattern::read_on(pattern, texts.get(row)?);
                let millis = read.map(|(local, zone)| from_wall(local, zone.unwrap_or(call.zone)));
                // Java's division: half a second before 1970 is second 0.
                Some(millis.map_or(NO_TIME, |millis| millis / 1000))
            })
        },
    ),
];

const EXTRACTED: &[&str] = &[
    "MILLENNIUM",
    "CENTURY",
    "DECADE",
    "YEAR",
    "ISOYEAR",
    "QUARTER",
    "MONTH",
    "WEEK",
    "DOY",
    "DAY",
    "DOW",
    "ISODOW",
    "HOUR",
    "MINUTE",
    "SECOND",
    "MILLISECOND",
    "MICROSECOND",
    "NANOSECOND",
    "EPOCH",
];
const ROUNDED: &[&str] = &[
    "MILLENNIUM",
    "CENTURY",
    "DECADE",
    "YEAR",
    "QUARTER",
    "MONTH",
    "WEEK",
    "DAY",
    "HOUR",
    "MINUTE",
    "SECOND",
    "MILLISECOND",
];
const COUNTED: &[&str] = &["YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND", "MILLISECOND"];
/// Units that a day has several of.
const OF_DAY: &[&str] = &["HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND", "NANOSECOND"];

/// The type of a call with a constant unit or precision, or that there is none of it.
pub(super) fn type_of_unit(
    name: &str,
    given: &[DataType],
    values: &[Option<&ScalarValue>],
) -> Option<Result<DataType>> {
    let (shown, place, units) = match name {
        "extract" => ("EXTRACT", 0, EXTRACTED),
        "floor_to" => ("FLOOR", 1, ROUNDED),
        "ceil_to" => ("CEIL", 1, ROUNDED),
        "timestampdiff" => ("TIMESTAMPDIFF", 0, COUNTED),
        "timestampadd" => ("TIMESTAMPADD", 0, COUNTED),
        "to_timestamp_ltz" => return precision_type(given, values),
        _ => return None,
    };
    let Some(unit) = values.get(place).copied().flatten().and_then(|unit| unit.try_as_str().flatten()) else {
        let error = SqlError::new(format!("the unit of {shown} is no constant"));
        return Some(Err(refuse(error.hint(format!("units are {}", units.join(", "))))));
    };
    let of_day = given.iter().any(|of| matches!(of, DataType::Time32(_)));
    let known: Vec<&str> = units.iter().copied().filter(|unit| !of_day || OF_DAY.contains(unit)).collect();
    if !known.contains(&unit) {
        let of = if of_day { " of a TIME" } else { "" };
        let error = SqlError::new(format!("{shown}{of} knows no unit {unit}"));
        return Some(Err(refuse(error.hint(format!("units are {}", known.join(", "))))));
    }
    // A DATE plus hours, minutes or seconds.
    let short = OF_DAY.contains(&unit);
    (name == "timestampadd" && given.get(2) == Some(&DataType::Date32) && short).then_some(Ok(TIMESTAMP))
}

fn precision_type(given: &[DataType], values: &[Option<&ScalarValue>]) -> Option<Result<DataType>> {
    let [number, precision] = given else { return None };
    if !is_int(number) || !is_int(precision) {
        return None;
    }
    match values.get(1).copied().flatten()?.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(Some(precision))) if !matches!(precision, 0 | 3) => {
            Some(Err(refuse(no_precision(precision))))
        }
        _ => None,
    }
}

fn no_precision(precision: i64) -> SqlError {
    SqlError::new(format!("TO_TIMESTAMP_LTZ knows no precision {precision}"))
        .hint("write 0 for a number of seconds, 3 for one of milliseconds")
}

/// Whether times can be written in a constant's pattern.
pub(super) fn check(pattern: &str) -> std::result::Result<(), SqlError> {
    calendar::format(pattern, 0, &mut String::new()).ok_or_else(|| no_pattern(pattern))
}

/// Whether times can be read in a constant's pattern.
pub(super) fn check_read(pattern: &str) -> std::result::Result<(), SqlError> {
    if pattern::reads(pattern) { Ok(()) } else { Err(no_pattern(pattern)) }
}

fn no_pattern(pattern: &str) -> SqlError {
    SqlError::new(format!("'{pattern}' is no pattern of a time")).hint("write letters such as yyyy-MM-dd HH:mm:ss.SSS")
}
