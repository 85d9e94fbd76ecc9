//! Casts between dates, times of day and points in time.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, Int64Array, cast::AsArray, types};
use arrow_schema::{DataType, TimeUnit};
use datafusion_common::{DataFusionError, Result};

use super::Job;
use crate::error::SqlError;
use crate::functions::calendar::{self, DAY, from_wall, to_wall};
use crate::types::{Kind, SqlType};

/// A time on the wall clock, or since 1970, and the nanoseconds of its last millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instant {
    pub(super) millis: i64,
    pub(super) nanos: i64,
}

impl Instant {
    pub(super) fn of_millis(millis: i64) -> Self {
        Self { millis, nanos: 0 }
    }

    /// With so many digits of a second.
    pub(super) fn cut(self, digits: u8) -> Self {
        if digits < 3 {
            let unit = 10i64.pow(3 - u32::from(digits));
            return Self::of_millis(self.millis / unit * unit);
        }
        let unit = 10i64.pow(9 - u32::from(digits.min(9)));
        Self { nanos: self.nanos / unit * unit, ..self }
    }

    /// As a number of the type's units; nothing if it is out of its range.
    pub(super) fn in_type(self, of: &DataType) -> Option<i64> {
        match of {
            DataType::Timestamp(TimeUnit::Nanosecond, _) => self.millis.checked_mul(1_000_000)?.checked_add(self.nanos),
            _ => Some(self.millis),
        }
    }
}

impl Job {
    pub(super) fn time(&self, array: &ArrayRef, to: &SqlType) -> Result<ArrayRef> {
        let instants = self.instants(array, to)?;
        Ok(match &to.kind {
            Kind::Date => {
                let days = instants.map(|instant| instant.map(|instant| instant.millis.div_euclid(DAY) as i32));
                Arc::new(days.collect::<Int32Array>().reinterpret_cast::<types::Date32Type>())
            }
            Kind::Time(digits) => {
                let clock = |instant: Instant| Instant::of_millis(instant.millis.rem_euclid(DAY)).cut(*digits);
                let millis = instants.map(|instant| instant.map(|instant| clock(instant).millis as i32));
                Arc::new(millis.collect::<Int32Array>().reinterpret_cast::<types::Time32MillisecondType>())
            }
            Kind::Timestamp(digits) | Kind::TimestampLtz(digits) => {
                let of = to.arrow();
                let each = |instant: Option<Instant>| {
                    let Some(instant) = instant else { return Ok(None) };
                    self.in_range(instant.cut(*digits), to, &of, || {
                        let mut text = String::new();
                        let known = calendar::format("yyyy-MM-dd HH:mm:ss", instant.millis, &mut text);
                        known.map_or_else(|| format!("{} ms", instant.millis), |()| text)
                    })
                };
                self.in_units(instants.map(each), to)?
            }
            _ => return Err(DataFusionError::Internal(format!("a time is cast to {to}"))),
        })
    }

    /// A point in time in the units of its type, `of`.
    pub(super) fn in_range(
        &self,
        instant: Instant,
        to: &SqlType,
        of: &DataType,
        shown: impl FnOnce() -> String,
    ) -> Result<Option<i64>> {
        self.judged_with(instant.in_type(of), || {
            SqlError::new(format!("'{}' is no {to}", shown())).hint(
                "a TIMESTAMP of more than three digits lies in 1677-09-22 to 2262-04-10: write TIMESTAMP(3), or TRY_CAST for NULL",
            )
        })
    }

    /// Numbers of a TIMESTAMP's units as one.
    pub(super) fn in_units(&self, values: impl Iterator<Item = Result<Option<i64>>>, to: &SqlType) -> Result<ArrayRef> {
        let values = values.collect::<Result<Int64Array>>()?;
        Ok(arrow_cast::cast(&values, &to.arrow())?)
    }

    /// The times as they are on the target's clock: that of a wall, or the world's.
    fn instants(&self, array: &ArrayRef, to: &SqlType) -> Result<impl Iterator<Item = Option<Instant>>> {
        let (per_milli, local) = match array.data_type() {
            DataType::Timestamp(TimeUnit::Nanosecond, zone) => (1_000_000, zone.is_some()),
            DataType::Timestamp(_, zone) => (1, zone.is_some()),
            _ => (1, false),
        };
        let numbers = match array.data_type() {
            DataType::Date32 => arrow_cast::cast(array, &DataType::Timestamp(TimeUnit::Millisecond, None))?,
            DataType::Time32(_) | DataType::Time64(_) => {
                let millis = arrow_cast::cast(array, &DataType::Time32(TimeUnit::Millisecond))?;
                arrow_cast::cast(&millis, &DataType::Int32)?
            }
            _ => Arc::clone(array),
        };
        let numbers = arrow_cast::cast(&numbers, &DataType::Int64)?;
        let numbers = numbers.as_primitive::<types::Int64Type>().clone();
        let (zone, into_local) = (self.zone, matches!(to.kind, Kind::TimestampLtz(_)));
        Ok((0..numbers.len()).map(move |row| {
            use arrow_array::Array;
            let number = numbers.is_valid(row).then(|| numbers.value(row))?;
            let (millis, nanos) = (number.div_euclid(per_milli), number.rem_euclid(per_milli));
            let millis = match (local, into_local) {
                (true, false) => to_wall(millis, zone),
                (false, true) => from_wall(millis, zone),
                _ => millis,
            };
            Some(Instant { millis, nanos })
        }))
    }
}
