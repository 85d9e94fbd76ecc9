//! Timers that put records back into the order of event time.

use yeoul::operator::OpenContext;
use yeoul::prelude::*;
use yeoul::rkyv::Archived;
use yeoul::state::{MapHandle, States};

/// Holds each number, which is its own event time, until the watermark has passed it; what comes behind the watermark goes aside.
#[derive(Clone)]
struct Sort {
    waiting: MapHandle<Timestamp, u32>,
    late: OutputTag<i64>,
}

impl KeyedProcessFunction for Sort {
    type Key = ();
    type In = i64;
    type Out = i64;

    fn open(&mut self, states: &mut States<()>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.waiting = states.map("waiting");
        Ok(())
    }

    fn process(
        &mut self,
        number: &Archived<i64>,
        cx: &mut KeyedContext<'_, ()>,
        _: &mut Collector<i64>,
    ) -> Result<(), OperatorError> {
        let time = cx.timestamp();
        if time <= cx.watermark() {
            cx.output(&self.late, number.to_native());
        } else {
            *cx.state(&self.waiting).get_or_else(&time, || 0) += 1;
            cx.register_event_time_timer(time);
        }
        Ok(())
    }

    fn on_timer(
        &mut self,
        time: Timestamp,
        cx: &mut KeyedContext<'_, ()>,
        out: &mut Collector<i64>,
    ) -> Result<(), OperatorError> {
        let count = cx.state(&self.waiting).get(&time).copied().unwrap_or(0);
        (0..count).for_each(|_| out.collect(time.0));
        cx.state(&self.waiting).remove(&time);
        Ok(())
    }
}

/// The numbers in order, and those that came too late for it.
#[must_use]
pub fn sorted(numbers: &DataStream<i64>) -> (DataStream<i64>, DataStream<i64>) {
    let late = OutputTag::new("late");
    let sorted =
        numbers.key_by(|_| ()).process(Sort { waiting: MapHandle::default(), late: late.clone() }).uid("sorter");
    let late = sorted.side_output(&late);
    (sorted, late)
}
