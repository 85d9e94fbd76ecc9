//! The user functions of the simulated jobs: aggregation, timers, a join, state that expires.

use yeoul_frame::Timestamp;
use yeoul_operator::{OpenContext, OperatorError};
use yeoul_state::{MapHandle, StateDescriptor, States, Ttl, ValueHandle};
use yeoul_stream::{AggregateFunction, Collector, KeyedCoProcessFunction, KeyedContext, KeyedProcessFunction};

use super::records::{ArchivedInput, Counted, Input, Pair, Seen, Total};

/// Counts and sums.
#[derive(Clone)]
pub(super) struct CountAndSum;

impl AggregateFunction for CountAndSum {
    type In = ArchivedInput;
    type Acc = (i64, i64);
    type Out = (i64, i64);

    fn create(&self) -> (i64, i64) {
        (0, 0)
    }

    fn add(&self, acc: &mut (i64, i64), record: &ArchivedInput) {
        acc.0 += 1;
        acc.1 += record.value();
    }

    fn merge(&self, acc: &mut (i64, i64), other: &(i64, i64)) {
        acc.0 += other.0;
        acc.1 += other.1;
    }

    fn result(&self, acc: &(i64, i64)) -> (i64, i64) {
        *acc
    }
}

/// Sums by period in map state; a timer at each period's end adds the period to the running total and emits that.
#[derive(Clone, Default)]
pub(super) struct RunningTotal {
    pub(super) period: i64,
    sums: MapHandle<i64, i64>,
    total: ValueHandle<i64>,
}

impl RunningTotal {
    pub(super) fn of(period: i64) -> Self {
        Self { period, ..Self::default() }
    }
}

impl KeyedProcessFunction for RunningTotal {
    type Key = u64;
    type In = Input;
    type Out = Total;

    fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.sums = states.map("sums");
        self.total = states.value("total");
        Ok(())
    }

    fn process(
        &mut self,
        record: &ArchivedInput,
        cx: &mut KeyedContext<'_, u64>,
        _: &mut Collector<Total>,
    ) -> Result<(), OperatorError> {
        let end = record.time() - record.time().rem_euclid(self.period) + self.period;
        *cx.state(&self.sums).get_or_else(&end, || 0) += record.value();
        cx.register_event_time_timer(Timestamp(end - 1));
        Ok(())
    }

    fn on_timer(
        &mut self,
        time: Timestamp,
        cx: &mut KeyedContext<'_, u64>,
        out: &mut Collector<Total>,
    ) -> Result<(), OperatorError> {
        let end = time.0 + 1;
        let sum = cx.state(&self.sums).get(&end).copied();
        let sum = sum.ok_or_else(|| OperatorError::new(format!("no sum for key {} and the end {end}", cx.key())))?;
        cx.state(&self.sums).remove(&end);
        let total = cx.state(&self.total).get().copied().unwrap_or(0) + sum;
        cx.state(&self.total).update(total);
        out.collect(Total { key: *cx.key(), end, total });
        Ok(())
    }
}

/// Pairs records of two streams with one key and one bucket of time.
#[derive(Clone, Default)]
pub(super) struct Pairs {
    bucket: i64,
    /// By bucket, then id.
    left: MapHandle<(i64, u64), i64>,
    right: MapHandle<(i64, u64), i64>,
}

impl Pairs {
    pub(super) fn of(bucket: i64) -> Self {
        Self { bucket, ..Self::default() }
    }

    fn take(&self, record: &ArchivedInput, is_left: bool, cx: &mut KeyedContext<'_, u64>, out: &mut Collector<Pair>) {
        let bucket = record.time().div_euclid(self.bucket);
        let (own, other) = if is_left { (&self.left, &self.right) } else { (&self.right, &self.left) };
        cx.state(own).put(&(bucket, record.id()), record.value());
        cx.register_event_time_timer(Timestamp((bucket + 1) * self.bucket - 1));
        let (key, id, value) = (*cx.key(), record.id(), record.value());
        cx.state(other).for_each(|(of, with), factor| {
            if *of == bucket {
                let (left, right) = if is_left { (id, *with) } else { (*with, id) };
                out.collect(Pair { key, left, right, product: value * factor });
            }
        });
    }
}

impl KeyedCoProcessFunction for Pairs {
    type Key = u64;
    type In1 = Input;
    type In2 = Input;
    type Out = Pair;

    fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.left = states.map("left");
        self.right = states.map("right");
        Ok(())
    }

    fn process1(
        &mut self,
        record: &ArchivedInput,
        cx: &mut KeyedContext<'_, u64>,
        out: &mut Collector<Pair>,
    ) -> Result<(), OperatorError> {
        self.take(record, true, cx, out);
        Ok(())
    }

    fn process2(
        &mut self,
        record: &ArchivedInput,
        cx: &mut KeyedContext<'_, u64>,
        out: &mut Collector<Pair>,
    ) -> Result<(), OperatorError> {
        self.take(record, false, cx, out);
        Ok(())
    }

    fn on_timer(
        &mut self,
        time: Timestamp,
        cx: &mut KeyedContext<'_, u64>,
        _: &mut Collector<Pair>,
    ) -> Result<(), OperatorError> {
        let bucket = time.0.div_euclid(self.bucket);
        for side in [&self.left, &self.right] {
            for sub in cx.state(side).keys().into_iter().filter(|(of, _)| *of == bucket) {
                cx.state(side).remove(&sub);
            }
        }
        Ok(())
    }
}

/// Counts a key's records since its last long break, in processing time.
#[derive(Clone)]
pub(super) struct Recently {
    ttl: i64,
    count: ValueHandle<i64>,
}

impl Recently {
    pub(super) fn of(ttl: i64) -> Self {
        Self { ttl, count: ValueHandle::default() }
    }
}

impl KeyedProcessFunction for Recently {
    type Key = u64;
    type In = Input;
    type Out = Seen;

    fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.count = states.value(StateDescriptor::new("count").ttl(Ttl::millis(self.ttl)));
        Ok(())
    }

    fn process(
        &mut self,
        record: &ArchivedInput,
        cx: &mut KeyedContext<'_, u64>,
        out: &mut Collector<Seen>,
    ) -> Result<(), OperatorError> {
        let count = cx.state(&self.count).get().copied().unwrap_or(0) + 1;
        cx.state(&self.count).update(count);
        out.collect(Seen { key: *cx.key(), id: record.id(), now: cx.processing_time().0, count });
        Ok(())
    }
}

/// Counts and sums a key's records, and emits that by a timer of the clock, some time after the first of them; at the end of event time
/// what is left.
#[derive(Clone, Default)]
pub(super) struct CountByTheClock {
    delay: i64,
    counted: ValueHandle<(i64, i64)>,
}

impl CountByTheClock {
    pub(super) fn of(delay: i64) -> Self {
        Self { delay, ..Self::default() }
    }
}

impl KeyedProcessFunction for CountByTheClock {
    type Key = u64;
    type In = Input;
    type Out = Counted;

    fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.counted = states.value("counted");
        Ok(())
    }

    fn process(
        &mut self,
        record: &ArchivedInput,
        cx: &mut KeyedContext<'_, u64>,
        _: &mut Collector<Counted>,
    ) -> Result<(), OperatorError> {
        let before = cx.state(&self.counted).get().copied();
        if before.is_none() {
            let due = cx.processing_time().plus(self.delay);
            cx.register_processing_time_timer(due);
            cx.register_event_time_timer(Timestamp(i64::MAX - 1));
        }
        let (count, sum) = before.unwrap_or((0, 0));
        cx.state(&self.counted).update((count + 1, sum + record.value()));
        Ok(())
    }

    fn on_timer(
        &mut self,
        _: Timestamp,
        cx: &mut KeyedContext<'_, u64>,
        out: &mut Collector<Counted>,
    ) -> Result<(), OperatorError> {
        if let Some((count, sum)) = cx.state(&self.counted).get().copied() {
            cx.state(&self.counted).clear();
            out.collect(Counted { key: *cx.key(), count, sum });
        }
        Ok(())
    }
}
