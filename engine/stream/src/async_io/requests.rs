//! The requests of one operator instance: started, polled when they were woken, made again, given up.
//!
//! Invariants:
//! 1. A request has one attempt at a time, and its timers are those of the state that it is in.
//! 2. User code is called for a bounded number of requests at a time: what is left is due at once.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use yeoul_frame::{RowKind, Timestamp};
use yeoul_operator::{OperatorError, Waker};

use super::order::{Number, Order};
use super::wakes::{Call, Wakes};
use super::{AsyncFunction, AsyncOptions, AsyncRequest, AsyncRetry};

/// How many requests are polled, or meet their time, in one call of the operator.
const PER_CALL: usize = 256;

type Answer<A> = Result<Vec<<A as AsyncFunction>::Out>, <A as AsyncFunction>::Error>;

struct Request<A: AsyncFunction> {
    record: A::In,
    time: Timestamp,
    kind: RowKind,
    /// The last one that was made, from 1.
    attempt: u32,
    /// When it is given up, if ever.
    deadline: Option<Timestamp>,
    state: State<A>,
}

enum State<A: AsyncFunction> {
    /// An attempt is on its way.
    Asked { answer: Pin<Box<dyn Future<Output = Answer<A>> + Send>>, call: Arc<Call> },
    /// The next attempt is made at this time.
    Pausing(Timestamp),
    /// It has its results, and waits for its turn.
    Complete(Vec<A::Out>),
}

impl<A: AsyncFunction> Request<A> {
    fn about(&self, options: &AsyncOptions) -> AsyncRequest {
        AsyncRequest { time: self.time, kind: self.kind, attempt: self.attempt, limit: options.timeout }
    }

    fn ask(&mut self, number: Number, options: &AsyncOptions, function: &mut A, wakes: &Wakes) {
        let about = self.about(options);
        let answer = Box::pin(function.invoke(&self.record, about));
        self.state = State::Asked { answer, call: wakes.call(number) };
    }
}

pub(super) struct Requests<A: AsyncFunction> {
    options: AsyncOptions,
    retry: AsyncRetry<A::Out, A::Error>,
    live: BTreeMap<Number, Request<A>>,
    /// When requests are given up or made again.
    timers: BTreeSet<(Timestamp, Number)>,
    wakes: Wakes,
}

impl<A: AsyncFunction> Requests<A> {
    pub(super) fn new(options: AsyncOptions, retry: AsyncRetry<A::Out, A::Error>, shard: Waker) -> Self {
        let (live, timers, wakes) = (BTreeMap::new(), BTreeSet::new(), Wakes::new(shard));
        Self { options, retry, live, timers, wakes }
    }

    /// Makes a request; it is polled with the next [`poll`](Self::poll).
    pub(super) fn start(
        &mut self,
        number: Number,
        (record, time, kind): (A::In, Timestamp, RowKind),
        now: Timestamp,
        function: &mut A,
    ) {
        let deadline = after(now, self.options.timeout);
        self.timers.extend(deadline.map(|deadline| (deadline, number)));
        let mut request = Request { record, time, kind, attempt: 1, deadline, state: State::Pausing(now) };
        request.ask(number, &self.options, function, &self.wakes);
        self.live.insert(number, request);
    }

    /// Polls those that were woken, and tells `order` which of them are complete.
    pub(super) fn poll(&mut self, now: Timestamp, function: &mut A, order: &mut Order) -> Result<(), OperatorError> {
        for _ in 0..PER_CALL {
            let Some(number) = self.wakes.next() else { break };
            let Some(request) = self.live.get_mut(&number) else { continue };
            let State::Asked { answer, call } = &mut request.state else { continue };
            call.begin();
            let waker = std::task::Waker::from(call.clone());
            let Poll::Ready(outcome) = answer.as_mut().poll(&mut Context::from_waker(&waker)) else { continue };
            // A wait past the end of time is one without end: the time limit ends it.
            if let Some(delay) = self.retry.after(request.attempt, &outcome) {
                let at = after(now, delay).unwrap_or(Timestamp::MAX);
                self.timers.insert((at, number));
                request.state = State::Pausing(at);
                continue;
            }
            match outcome {
                Ok(results) => self.complete(number, results, order),
                Err(error) => {
                    let attempts = request.attempt;
                    let what = format!(
                        "the request failed at attempt {attempts} ({} of event time {})",
                        function.describe(&request.record),
                        request.time.0
                    );
                    return Err(OperatorError::new(what)
                        .caused_by(error)
                        .hint("give an AsyncRetry whose attempts outlast the failure, or let the future answer with what stands for the result"));
                }
            }
        }
        Ok(())
    }

    /// Gives up those whose time is over, and makes those again whose pause is.
    pub(super) fn on_time(&mut self, now: Timestamp, function: &mut A, order: &mut Order) -> Result<(), OperatorError> {
        for _ in 0..PER_CALL {
            let Some((at, number)) = self.timers.first().copied().filter(|(at, _)| *at <= now) else { break };
            self.timers.remove(&(at, number));
            let request = self.live.get_mut(&number).expect("a timer belongs to a request that is not complete");
            if request.deadline.is_some_and(|deadline| deadline <= now) {
                let about = request.about(&self.options);
                let results = function.timeout(&request.record, about)?;
                self.complete(number, results, order);
            } else {
                request.attempt += 1;
                request.ask(number, &self.options, function, &self.wakes);
            }
        }
        Ok(())
    }

    fn complete(&mut self, number: Number, results: Vec<A::Out>, order: &mut Order) {
        let request = self.live.get_mut(&number).expect("it was just looked at");
        if let Some(deadline) = request.deadline {
            self.timers.remove(&(deadline, number));
        }
        if let State::Pausing(at) = request.state {
            self.timers.remove(&(at, number));
        }
        request.state = State::Complete(results);
        order.complete(number);
    }

    /// Takes the results of a complete request out, with its record's event time and kind.
    pub(super) fn leave(&mut self, number: Number) -> (Vec<A::Out>, Timestamp, RowKind) {
        match self.live.remove(&number) {
            Some(Request { state: State::Complete(results), time, kind, .. }) => (results, time, kind),
            _ => panic!("only complete requests leave, each once"),
        }
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Option<Timestamp> {
        if self.wakes.is_empty() { self.timers.first().map(|(at, _)| *at) } else { Some(Timestamp::MIN) }
    }

    /// The records, by number.
    pub(super) fn records(&self) -> impl Iterator<Item = (Number, &A::In, Timestamp, RowKind)> {
        self.live.iter().map(|(number, request)| (*number, &request.record, request.time, request.kind))
    }

    /// Drops all of them.
    pub(super) fn clear(&mut self) {
        self.live.clear();
        self.timers.clear();
    }
}

/// The time so much later, rounded up to a millisecond. None: never.
fn after(now: Timestamp, wait: Duration) -> Option<Timestamp> {
    let millis = i64::try_from(wait.as_nanos().div_ceil(1_000_000)).ok()?;
    now.0.checked_add(millis).map(Timestamp)
}
