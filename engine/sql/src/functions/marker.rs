//! Functions that the planner reads rather than computes: times of the engine, group windows, versioned tables.
//!
//! None of them is evaluated; each is replaced before, by a column of the engine's or by a node of the plan.

use arrow_schema::{DataType, TimeUnit};
use datafusion_common::DataFusionError;

use super::{Definition, function, is_timestamp, row::struct_of, volatile};
use crate::plan::AS_OF;
use crate::types::LTZ;

const INTERVAL: DataType = DataType::Interval(arrow_schema::IntervalUnit::MonthDayNano);
const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

const TIME: DataType = DataType::Time32(TimeUnit::Millisecond);

fn ltz() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some(LTZ.into()))
}

/// Processing time, as an attribute.
pub(crate) const PROCTIME: &str = "proctime";
/// The current watermark.
pub(crate) const CURRENT_WATERMARK: &str = "current_watermark";
/// Functions of the clock, which are computed from it.
pub(crate) const CLOCK: &[&str] = &[
    PROCTIME,
    "now",
    "current_timestamp",
    "current_row_timestamp",
    "localtimestamp",
    "current_date",
    "current_time",
    "localtime",
    UNIX_NOW,
];
/// UNIX_TIMESTAMP without arguments.
pub(crate) const UNIX_NOW: &str = "unix_now";

fn replaced(call: &super::Call<'_>) -> super::Result<arrow_array::ArrayRef> {
    Err(DataFusionError::Internal(format!("a function of the planner's of {} arguments is evaluated", call.args.len())))
}

macro_rules! window {
    ($name:literal, $lengths:expr, $form:literal) => {
        function(
            $name,
            |given| match given {
                [time, lengths @ ..]
                    if is_timestamp(time)
                        && $lengths.contains(&lengths.len())
                        && lengths.iter().all(|of| *of == INTERVAL) =>
                {
                    let result = struct_of(&[
                        ("window_start", TIMESTAMP),
                        ("window_end", TIMESTAMP),
                        ("window_time", time.clone()),
                        ("window_proctime", ltz()),
                    ]);
                    Ok((given.to_vec(), result))
                }
                _ => Err($form),
            },
            replaced,
        )
    };
}

fn nothing(given: &[DataType], result: DataType) -> Result<(Vec<DataType>, DataType), &'static str> {
    if given.is_empty() {
        Ok((Vec::new(), result))
    } else {
        Err("PROCTIME(), NOW() and CURRENT_TIMESTAMP without arguments")
    }
}

pub(super) const FUNCTIONS: &[Definition] = &[
    window!("tumble", 1..=2, "GROUP BY TUMBLE(time, INTERVAL '1' MINUTE)"),
    window!("hop", 2..=3, "GROUP BY HOP(time, slide, size)"),
    window!("session", 1..=1, "GROUP BY SESSION(time, gap)"),
    function(
        "window_row",
        |given| match given {
            [start, end, time] => {
                let parts = [
                    ("window_start", start.clone()),
                    ("window_end", end.clone()),
                    ("window_time", time.clone()),
                    ("window_proctime", ltz()),
                ];
                Ok((given.to_vec(), struct_of(&parts)))
            }
            _ => Err("a group window"),
        },
        replaced,
    ),
    volatile(PROCTIME, |given| nothing(given, ltz()), replaced),
    volatile("now", |given| nothing(given, ltz()), replaced),
    volatile("current_timestamp", |given| nothing(given, ltz()), replaced),
    volatile("current_row_timestamp", |given| nothing(given, ltz()), replaced),
    volatile("localtimestamp", |given| nothing(given, TIMESTAMP), replaced),
    volatile("current_date", |given| nothing(given, DataType::Date32), replaced),
    volatile("current_time", |given| nothing(given, TIME), replaced),
    volatile("localtime", |given| nothing(given, TIME), replaced),
    volatile(UNIX_NOW, |given| nothing(given, DataType::Int64), replaced),
    Definition {
        name: CURRENT_WATERMARK,
        types: |given| match given {
            [time] if is_timestamp(time) => Ok((given.to_vec(), time.clone())),
            _ => Err("CURRENT_WATERMARK(time attribute)"),
        },
        evaluate: replaced,
        volatility: datafusion_expr::Volatility::Volatile,
        nullable: true,
    },
    volatile(
        AS_OF,
        |given| match given {
            [_, _, ..] => Ok((given.to_vec(), DataType::Boolean)),
            _ => Err("FOR SYSTEM_TIME AS OF time"),
        },
        replaced,
    ),
];
