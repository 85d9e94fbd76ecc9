//! The operator: takes records as far as there is room, passes results and watermarks on as the order has it, keeps the rest for a snapshot.
//!
//! Invariants:
//! 1. A record that came is in one place: waiting, in a request, or left with its results.
//! 2. At most `capacity` requests have not left; what waits beside them is less than what one call brought, or came before a barrier and is
//!    at most [`WAITING_BEFORE_BARRIER`] and what one call brought.
//! 3. Watermarks that those behind have been told never go back, across restarts included.

use std::collections::VecDeque;

use yeoul_frame::{Frame, OwnedRecord, Timestamp};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError, OutputId, Progress, Snapshot, Subtask};

use super::held::{self, Held, Restore};
use super::order::{Leaving, Mode, Order};
use super::requests::Requests;
use super::{AsyncFunction, AsyncOptions, AsyncRetry};
use crate::collector::Collector;
use crate::stateless::opened;

/// How many requests are made in one call.
const STARTS_PER_CALL: usize = 256;

/// So many records may wait that came before a barrier when there was no room for them. They are in the snapshot then; past this a barrier
/// waits behind the records before it until some leave.
const WAITING_BEFORE_BARRIER: usize = 1 << 17;

pub(super) struct AsyncOperator<A: AsyncFunction> {
    function: A,
    options: AsyncOptions,
    retry: AsyncRetry<A::Out, A::Error>,
    order: Order,
    /// What came and is not in `order` yet.
    waiting: VecDeque<Held<A::In>>,
    /// Up to which watermark those behind have been told.
    released: Timestamp,
    /// What was restored, until the first call after it.
    restored: Option<Restore>,
    opened: Option<(Requests<A>, Collector<A::Out>, Subtask)>,
}

impl<A: AsyncFunction> AsyncOperator<A> {
    pub(super) fn new(mode: Mode, function: A, options: AsyncOptions, retry: AsyncRetry<A::Out, A::Error>) -> Self {
        Self {
            function,
            options,
            retry,
            order: Order::new(mode),
            waiting: VecDeque::new(),
            released: Timestamp::MIN,
            restored: None,
            opened: None,
        }
    }

    /// A watermark comes, behind all that came.
    fn hold(&mut self, watermark: Timestamp) {
        match self.waiting.back_mut() {
            None => self.order.watermark(watermark),
            Some(Held::Watermark(last)) => *last = watermark,
            Some(Held::Record(..)) => self.waiting.push_back(Held::Watermark(watermark)),
        }
    }

    /// The first call after a restore: the watermark to which the task had come stands behind all that was restored. It is not said again
    /// to this operator, but by chance.
    fn resume(&mut self, watermark: Timestamp) {
        if self.restored.take().is_some() && watermark > self.released {
            self.hold(watermark);
        }
    }

    /// Whether something that waits may go on.
    fn can_start(&self) -> bool {
        match self.waiting.front() {
            None => false,
            Some(Held::Watermark(_)) => true,
            Some(Held::Record(..)) => self.order.records() < self.options.capacity,
        }
    }

    fn start(&mut self, now: Timestamp) {
        let (requests, ..) = opened(&mut self.opened);
        for _ in 0..STARTS_PER_CALL {
            match self.waiting.pop_front() {
                None => break,
                Some(Held::Watermark(watermark)) => self.order.watermark(watermark),
                Some(Held::Record(record, time, kind)) => {
                    if self.order.records() >= self.options.capacity {
                        self.waiting.push_front(Held::Record(record, time, kind));
                        break;
                    }
                    requests.start(self.order.push(), (record, time, kind), now, &mut self.function);
                }
            }
        }
    }

    /// Emits what may leave, up to the next watermark: that one goes on behind it, and what follows comes with the next call.
    fn emit(&mut self, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let (requests, out, _) = opened(&mut self.opened);
        while let Some(leaving) = self.order.next() {
            match leaving {
                Leaving::Record(number) => {
                    let (results, time, kind) = requests.leave(number);
                    out.stamp(time, kind);
                    results.into_iter().for_each(|result| out.collect(result));
                    if !out.emit_full(OutputId::MAIN, cx)? {
                        break;
                    }
                }
                Leaving::Watermark(watermark) => {
                    assert!(watermark >= self.released, "watermarks that those behind have been told never go back");
                    self.released = watermark;
                    break;
                }
            }
        }
        out.flush(OutputId::MAIN, cx)
    }
}

impl<A: AsyncFunction> Operator for AsyncOperator<A> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let requests = Requests::new(self.options, self.retry.clone(), cx.waker.clone());
        self.opened = Some((requests, Collector::new(cx.pool), cx.subtask));
        self.function.open(cx)
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        self.resume(cx.watermark());
        let rows = frame.rows::<A::In>();
        let held = |(row, record)| Held::Record(A::In::from_archived(record), rows.time(row), rows.kind(row));
        self.waiting.extend(rows.iter().map(held));
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Timestamp, _: &mut Context<'_>) -> Result<Progress, OperatorError> {
        // It is at least the one to which the task had come.
        self.restored = None;
        if self.in_flight() {
            self.hold(watermark);
        } else {
            self.released = self.released.max(watermark);
        }
        Ok(Progress::Done)
    }

    fn output_watermark(&self, _: Timestamp) -> Timestamp {
        self.released
    }

    fn has_room(&self) -> bool {
        self.waiting.is_empty() && self.order.records() < self.options.capacity
    }

    fn has_room_before_barrier(&self) -> bool {
        self.waiting.len() < WAITING_BEFORE_BARRIER
    }

    fn in_flight(&self) -> bool {
        !(self.waiting.is_empty() && self.order.is_empty())
    }

    fn next_processing_time(&self) -> Option<Timestamp> {
        if self.restored.is_some() || self.order.is_due() || self.can_start() {
            return Some(Timestamp::MIN);
        }
        self.opened.as_ref().and_then(|(requests, ..)| requests.due())
    }

    fn on_processing_time(&mut self, now: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        self.resume(cx.watermark());
        // What is made now is polled now: an answer that is there already leaves with this call.
        self.start(now);
        let (requests, ..) = opened(&mut self.opened);
        requests.poll(now, &mut self.function, &mut self.order)?;
        requests.on_time(now, &mut self.function, &mut self.order)?;
        self.emit(cx)?;
        // Never `More`: a barrier may come between.
        Ok(Progress::Done)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        let (requests, ..) = opened(&mut self.opened);
        let mut bytes = held::begin(self.released);
        let mut watermarks = self.order.watermarks().peekable();
        for (number, record, time, kind) in requests.records() {
            while let Some((_, watermark)) = watermarks.next_if(|(before, _)| *before <= number) {
                held::put_watermark(watermark, &mut bytes);
            }
            held::put_record(record, time, kind, &mut bytes);
        }
        watermarks.for_each(|(_, watermark)| held::put_watermark(watermark, &mut bytes));
        for held in &self.waiting {
            match held {
                Held::Record(record, time, kind) => held::put_record(record, *time, *kind, &mut bytes),
                Held::Watermark(watermark) => held::put_watermark(*watermark, &mut bytes),
            }
        }
        snapshot.state(held::IN_FLIGHT, bytes);
        Ok(())
    }

    fn on_restore(&mut self) {
        self.restored = Some(Restore::default());
    }

    fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        let (_, _, own) = opened(&mut self.opened);
        let restored = self.restored.get_or_insert_default();
        self.waiting.extend(restored.share(name, from, *own, bytes)?);
        self.released = restored.released.unwrap_or(Timestamp::MIN);
        Ok(())
    }

    fn close(&mut self) {
        self.waiting.clear();
        if let Some((requests, ..)) = &mut self.opened {
            requests.clear();
        }
        self.function.close();
    }
}
