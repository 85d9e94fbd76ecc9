//! An interval times a whole number.

use arrow_arith::numeric::mul;
use arrow_schema::{DataType, IntervalUnit};

use super::{Definition, function, is_int};

/// The call that stands for `INTERVAL … * n`.
pub(crate) const TIMES: &str = "interval_times";

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

pub(super) const FUNCTIONS: &[Definition] = &[function(
    TIMES,
    |given| match given {
        [INTERVAL, number] if is_int(number) => Ok((vec![INTERVAL, DataType::Int64], INTERVAL)),
        _ => Err("INTERVAL '1' DAY * n with a whole number n"),
    },
    |call| Ok(mul(&call.array(0)?, &call.array(1)?)?),
)];
