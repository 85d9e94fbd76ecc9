//! A service that answers when the test says so, from whichever thread that is.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use yeoul_operator::OperatorError;
use yeoul_stream::{AsyncFunction, AsyncRequest};

/// What the service may fail with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Away;

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the service is away")
    }
}

impl std::error::Error for Away {}

type Answer = Result<Vec<u64>, Away>;

/// The service. Open, it answers ten times the number.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    is_open: bool,
    answers: BTreeMap<u64, VecDeque<Answer>>,
    waiting: BTreeMap<u64, Waker>,
    asked: Vec<(u64, u32)>,
}

impl Gate {
    /// Answers the request for `n` that is in flight, or that comes next.
    pub(crate) fn answer(&self, n: u64, answer: Answer) {
        let mut inner = self.0.lock().unwrap();
        inner.answers.entry(n).or_default().push_back(answer);
        if let Some(waker) = inner.waiting.remove(&n) {
            waker.wake();
        }
    }

    /// Answers all requests, in the order of their numbers, and those that will come.
    pub(crate) fn open(&self) {
        let mut inner = self.0.lock().unwrap();
        inner.is_open = true;
        std::mem::take(&mut inner.waiting).into_values().for_each(Waker::wake);
    }

    /// All requests so far: number and attempt.
    pub(crate) fn asked(&self) -> Vec<(u64, u32)> {
        self.0.lock().unwrap().asked.clone()
    }

    fn ask(&self, n: u64, attempt: u32) -> Waiting {
        self.0.lock().unwrap().asked.push((n, attempt));
        Waiting { gate: self.clone(), n }
    }
}

struct Waiting {
    gate: Gate,
    n: u64,
}

impl Future for Waiting {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let mut inner = self.gate.0.lock().unwrap();
        if let Some(answer) = inner.answers.get_mut(&self.n).and_then(VecDeque::pop_front) {
            return Poll::Ready(answer);
        }
        if inner.is_open {
            return Poll::Ready(Ok(vec![self.n * 10]));
        }
        inner.waiting.insert(self.n, cx.waker().clone());
        Poll::Pending
    }
}

/// Asks the gate about each number.
#[derive(Clone)]
pub(crate) struct Ask(pub(crate) Gate);

impl AsyncFunction for Ask {
    type In = u64;
    type Out = u64;
    type Error = Away;

    fn invoke(&mut self, n: &u64, request: AsyncRequest) -> impl Future<Output = Answer> + Send + 'static {
        self.0.ask(*n, request.attempt())
    }
}

/// As [`Ask`]; without an answer in time the number stands for it.
#[derive(Clone)]
pub(crate) struct AskOr(pub(crate) Ask);

impl AsyncFunction for AskOr {
    type In = u64;
    type Out = u64;
    type Error = Away;

    fn invoke(&mut self, n: &u64, request: AsyncRequest) -> impl Future<Output = Answer> + Send + 'static {
        self.0.invoke(n, request)
    }

    fn timeout(&mut self, n: &u64, _: AsyncRequest) -> Result<Vec<u64>, OperatorError> {
        Ok(vec![*n])
    }
}
