//! Requests of async I/O, one core, by the operator alone: with so many in flight, how many a second are made, woken, answered and leave.
//!
//! A request is answered after it was woken once. Some are woken at a time, those that wait longest, and as many are made
//! anew; so the number in flight stays. A record is a `u64`, its answer one, too.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use yeoul_frame::{FRAME_ROWS, Frame, KeyGroups, OperatorId, Pool, RowBuilder, RowKind, Timestamp};
use yeoul_operator::{Context, Counters, InputId, NodeKind, OpenContext, Operator, OutputId, Services, Subtask};
use yeoul_stream::{AsyncOptions, DataStream, StreamEnvironment, WatermarkStrategy, async_fn};

const IN_FLIGHT: usize = 10_000;
const RECORDS: u64 = 1_000_000;
/// How many are woken at a time.
const WOKEN: usize = 500;

/// Who waits to be woken, in the order in which they came.
type Waiting = Arc<Mutex<Vec<Waker>>>;

/// Answers when it was woken.
struct Once {
    n: u64,
    waiting: Option<Waiting>,
}

impl Future for Once {
    type Output = Result<Vec<u64>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        match self.waiting.take() {
            Some(waiting) => {
                waiting.lock().expect("no one panics").push(cx.waker().clone());
                Poll::Pending
            }
            None => Poll::Ready(Ok(vec![self.n])),
        }
    }
}

#[derive(Clone, Copy)]
enum Mode {
    Ordered,
    Unordered,
}

fn operator(mode: Mode, waiting: &Waiting) -> Box<dyn Operator> {
    let env = StreamEnvironment::new("bench");
    let numbers: DataStream<u64> = env.from_collection(Vec::<u64>::new(), WatermarkStrategy::no_watermarks());
    let waiting = waiting.clone();
    let ask = async_fn(move |n: &u64| Once { n: *n, waiting: Some(waiting.clone()) });
    let options = AsyncOptions::new(Duration::from_secs(60)).capacity(IN_FLIGHT);
    let _ = match mode {
        Mode::Ordered => numbers.async_ordered(ask, options),
        Mode::Unordered => numbers.async_unordered(ask, options),
    };
    let graph = env.build().expect("the graph is sound");
    match &graph.nodes.last().expect("the asynchronous operator").kind {
        NodeKind::Operator { make } => make(),
        _ => unreachable!("the last node is the asynchronous operator"),
    }
}

fn frames() -> Vec<Frame> {
    let pool = Pool::keeping(0);
    let mut rows = RowBuilder::<u64>::new(&pool, FRAME_ROWS);
    let mut frames = Vec::new();
    for n in 0..RECORDS {
        rows.push(&n, Timestamp(0), RowKind::Insert).expect("a frame has room for its rows");
        if rows.is_full() || n + 1 == RECORDS {
            frames.push(rows.finish());
        }
    }
    frames
}

/// Runs all records through a fresh operator.
fn run(mode: Mode, frames: &[Frame]) -> Duration {
    let waiting = Waiting::default();
    let mut operator = operator(mode, &waiting);
    let (pool, counters) = (Pool::new(), Arc::new(Counters::default()));
    let mut cx = OpenContext {
        operator: OperatorId(1),
        name: "async",
        subtask: Subtask { index: 0, parallelism: 1 },
        key_groups: KeyGroups::DEFAULT,
        services: &Services::default(),
        pool: &pool,
        counters: counters.clone(),
        waker: yeoul_operator::Waker::default(),
    };
    operator.open(&mut cx).expect("it opens");
    let mut emitted: Vec<(OutputId, Frame)> = Vec::new();
    let (mut left, mut woken, mut frames, mut most) = (0, Vec::new(), frames.iter(), 0);
    let start = Instant::now();
    while left < RECORDS {
        let mut cx = Context::new(&mut emitted, Timestamp::MIN, Timestamp(0), &pool, &counters);
        if operator.next_processing_time() == Some(Timestamp::MIN) {
            operator.on_processing_time(Timestamp(0), &mut cx).expect("it works");
            left += emitted.drain(..).map(|(_, frame)| frame.len() as u64).sum::<u64>();
        } else if operator.has_room()
            && let Some(frame) = frames.next()
        {
            operator.process(InputId(0), frame, &mut cx).expect("it works");
        } else {
            let mut waiting = waiting.lock().expect("no one panics");
            most = most.max(waiting.len());
            let some = waiting.len().min(WOKEN);
            woken.extend(waiting.drain(..some));
            drop(waiting);
            woken.drain(..).for_each(Waker::wake);
        }
    }
    let took = start.elapsed();
    assert_eq!(most, IN_FLIGHT, "as many requests are in flight as may be");
    took
}

fn async_io(c: &mut Criterion) {
    let frames = frames();
    let mut group = c.benchmark_group("async_io");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements(RECORDS));
    for (name, mode) in [("ordered", Mode::Ordered), ("unordered", Mode::Unordered)] {
        group.bench_function(format!("{name}, {IN_FLIGHT} in flight"), |b| {
            b.iter_custom(|n| (0..n).map(|_| run(mode, &frames)).sum());
        });
    }
    group.finish();
}

criterion_group!(benches, async_io);
criterion_main!(benches);
