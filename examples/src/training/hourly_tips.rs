//! The driver with the most tips of each hour: with windows, and with windows made by hand of a map and timers.

use std::time::Duration;

use yeoul::operator::OpenContext;
use yeoul::prelude::*;
use yeoul::state::{MapHandle, States};

use super::records::{ArchivedTaxiFare, TaxiFare};

/// An hour.
pub const HOUR: Duration = Duration::from_secs(3600);

/// A driver's tips of an hour.
#[record]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HourlyTips {
    /// The hour's last millisecond.
    pub end_of_hour: Timestamp,
    /// The driver.
    pub driver_id: u64,
    /// In cents.
    pub tips: u64,
}

/// Sums tips.
#[derive(Clone)]
struct SumOfTips;

impl AggregateFunction for SumOfTips {
    type In = ArchivedTaxiFare;
    type Acc = u64;
    type Out = u64;

    fn create(&self) -> u64 {
        0
    }

    fn add(&self, sum: &mut u64, fare: &ArchivedTaxiFare) {
        *sum += u64::from(fare.tip());
    }

    fn merge(&self, sum: &mut u64, other: &u64) {
        *sum += other;
    }

    fn result(&self, sum: &u64) -> u64 {
        *sum
    }
}

/// Each driver's tips of each hour.
#[must_use]
pub fn by_windows(fares: &DataStream<TaxiFare>) -> DataStream<HourlyTips> {
    fares
        .key_by(|fare| fare.driver_id())
        .window(TumblingEventTimeWindows::of(HOUR))
        .aggregate_with(SumOfTips, |driver_id, window, tips, out| {
            out.collect(HourlyTips { end_of_hour: window.max_timestamp(), driver_id: *driver_id, tips });
        })
        .uid("tips by windows")
}

/// Windows made by hand: a sum for each end of a window, and a timer there.
#[derive(Clone)]
struct PseudoWindow {
    millis: i64,
    sums: MapHandle<Timestamp, u64>,
    late: OutputTag<TaxiFare>,
}

impl PseudoWindow {
    /// The last millisecond of a fare's window.
    fn end_of(&self, fare: &ArchivedTaxiFare) -> Timestamp {
        let time = fare.start_time().0;
        Timestamp(time - time.rem_euclid(self.millis) + self.millis - 1)
    }
}

impl KeyedProcessFunction for PseudoWindow {
    type Key = u64;
    type In = TaxiFare;
    type Out = HourlyTips;

    fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.sums = states.map("sum of tips");
        Ok(())
    }

    /// A hint, for speed alone: which sum a fare will need.
    fn prefetch(&self, fare: &ArchivedTaxiFare, ahead: &mut Prefetch<'_, u64>) {
        ahead.entry(&self.sums, &self.end_of(fare));
    }

    fn prefetch_timer(&self, end: Timestamp, ahead: &mut Prefetch<'_, u64>) {
        ahead.entry(&self.sums, &end);
    }

    fn process(
        &mut self,
        fare: &ArchivedTaxiFare,
        cx: &mut KeyedContext<'_, u64>,
        _: &mut Collector<HourlyTips>,
    ) -> Result<(), OperatorError> {
        let end = self.end_of(fare);
        if end <= cx.watermark() {
            cx.output(&self.late, <TaxiFare as yeoul::frame::OwnedRecord>::from_archived(fare));
            return Ok(());
        }
        let mut is_first = false;
        *cx.state(&self.sums).get_or_else(&end, || {
            is_first = true;
            0
        }) += u64::from(fare.tip());
        if is_first {
            cx.register_event_time_timer(end);
        }
        Ok(())
    }

    fn on_timer(
        &mut self,
        end: Timestamp,
        cx: &mut KeyedContext<'_, u64>,
        out: &mut Collector<HourlyTips>,
    ) -> Result<(), OperatorError> {
        let tips = cx.state(&self.sums).get(&end).copied().unwrap_or(0);
        out.collect(HourlyTips { end_of_hour: end, driver_id: *cx.key(), tips });
        cx.state(&self.sums).remove(&end);
        Ok(())
    }
}

/// As [`by_windows`], and the fares that came too late for their hour.
#[must_use]
pub fn by_timers(fares: &DataStream<TaxiFare>) -> (DataStream<HourlyTips>, DataStream<TaxiFare>) {
    let late = OutputTag::new("late fares");
    let window = PseudoWindow { millis: HOUR.as_millis() as i64, sums: MapHandle::default(), late: late.clone() };
    let tips = fares.key_by(|fare| fare.driver_id()).process(window).uid("tips by timers");
    let late = tips.side_output(&late);
    (tips, late)
}

/// Of each hour the driver with the most tips; of equal ones the lower number, so that it does not depend on the order.
#[must_use]
pub fn most_of_each_hour(tips: &DataStream<HourlyTips>) -> DataStream<HourlyTips> {
    tips.window_all(TumblingEventTimeWindows::of(HOUR))
        .reduce(|most, tips| {
            if (tips.tips, std::cmp::Reverse(tips.driver_id)) > (most.tips, std::cmp::Reverse(most.driver_id)) {
                most.clone_from(tips);
            }
        })
        .uid("most tips")
}
