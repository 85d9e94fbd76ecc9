//! The highest fare of each driver and hour, in two ways: of all the window's records together, and record by record.

use yeoul::prelude::*;

use super::hourly_tips::HOUR;
use super::records::TaxiFare;

/// The highest fare of a driver in an hour.
#[record]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HighestFare {
    /// The driver.
    pub driver_id: u64,
    /// Where the window ends.
    pub end: Timestamp,
    /// In cents.
    pub total: u32,
    /// How many fares the window's function was handed: all of the window, or one.
    pub handed: u64,
}

/// Looks at all fares that it is handed.
#[derive(Clone)]
struct Highest;

impl ProcessWindowFunction for Highest {
    type Key = u64;
    type In = TaxiFare;
    type Out = HighestFare;

    fn process(
        &mut self,
        driver_id: &u64,
        cx: &mut WindowContext<'_, u64>,
        fares: &[TaxiFare],
        out: &mut Collector<HighestFare>,
    ) -> Result<(), OperatorError> {
        let total = fares.iter().map(|fare| fare.total).max().unwrap_or(0);
        let handed = fares.len() as u64;
        out.collect(HighestFare { driver_id: *driver_id, end: cx.window().end, total, handed });
        Ok(())
    }
}

/// All fares of an hour at once, which are all kept until then.
#[must_use]
pub fn of_all(fares: &DataStream<TaxiFare>) -> DataStream<HighestFare> {
    let hours = fares.key_by(|fare| fare.driver_id()).window(TumblingEventTimeWindows::of(HOUR));
    hours.process(Highest).uid("wasteful max")
}

/// One fare is kept for each driver and hour, and only that is handed over.
#[must_use]
pub fn one_by_one(fares: &DataStream<TaxiFare>) -> DataStream<HighestFare> {
    let hours = fares.key_by(|fare| fare.driver_id()).window(TumblingEventTimeWindows::of(HOUR));
    let higher = |highest: &mut TaxiFare, fare: &TaxiFare| {
        if fare.total > highest.total {
            highest.clone_from(fare);
        }
    };
    hours.reduce_process(higher, Highest).uid("reducing max")
}
