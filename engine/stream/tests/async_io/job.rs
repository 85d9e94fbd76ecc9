//! Whole jobs with requests in flight: failures, checkpoints, savepoints, backpressure, the end.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use futures_channel::oneshot;
use rkyv::Archived;
use yeoul_frame::Timestamp;
use yeoul_operator::{MakeCommitter, MakeOperator, OpenContext, OperatorError, Services, SinkSpec};
use yeoul_runtime::{JobConfig, JobHandle, Outcome, RestartStrategy, spawn};
use yeoul_stream::{
    AsyncFunction, AsyncOptions, AsyncRequest, CollectSink, Collected, Collector, Count, DataStream, KeyedContext,
    KeyedProcessFunction, StreamEnvironment, TumblingEventTimeWindows, WatermarkStrategy, collect,
};

use crate::gate::{Ask, Away, Gate};
use crate::source::{FRAME, Numbers};

fn config(shards: u16, data: Option<&Path>) -> JobConfig {
    JobConfig {
        shards,
        data: data.map(Path::to_owned),
        checkpoint_interval: Some(Duration::from_millis(2)),
        restart: RestartStrategy::FixedDelay { attempts: 5, delay: Duration::from_millis(1) },
        pin: false,
        ..JobConfig::default()
    }
}

/// One target of several jobs, one after another.
#[derive(Clone)]
struct Target(Arc<CollectSink<u64>>);

impl SinkSpec for Target {
    type In = u64;

    fn make(&self) -> MakeOperator {
        self.0.make()
    }

    fn committer(&self) -> MakeCommitter {
        self.0.committer()
    }
}

/// A job of numbers through what `build` adds, into memory.
fn job(
    numbers: &Numbers,
    config: JobConfig,
    build: impl FnOnce(DataStream<u64>) -> DataStream<u64>,
) -> (JobHandle, Collected<u64>) {
    let (sink, results) = collect();
    (job_into(Target(Arc::new(sink)), numbers, config, build), results)
}

fn job_into(
    target: Target,
    numbers: &Numbers,
    config: JobConfig,
    build: impl FnOnce(DataStream<u64>) -> DataStream<u64>,
) -> JobHandle {
    let env = StreamEnvironment::new("numbers");
    let source = env.from_source(numbers.clone(), WatermarkStrategy::for_monotonous_timestamps(), "numbers");
    build(source).uid("ask").sink_to(target).uid("sink");
    spawn(env.build().unwrap(), config, Services::default())
}

fn until(holds: impl Fn() -> bool) {
    while !holds() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn sorted(results: &Collected<u64>) -> Vec<u64> {
    let mut results = results.take();
    results.sort_unstable();
    results
}

fn tenfold(count: u64) -> Vec<u64> {
    (0..count).map(|n| n * 10).collect()
}

fn minutes(minutes: u64) -> AsyncOptions {
    AsyncOptions::new(Duration::from_secs(60 * minutes))
}

type Question = (u64, oneshot::Sender<u64>);

/// Asks a thread, which answers some at a time and the last one first, and not the first time for some numbers.
#[derive(Clone)]
struct Thread {
    questions: Option<mpsc::Sender<Question>>,
    refused: Arc<[(u64, AtomicBool)]>,
    asked: Arc<AtomicU64>,
}

impl AsyncFunction for Thread {
    type In = u64;
    type Out = u64;
    type Error = oneshot::Canceled;

    fn open(&mut self, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let (questions, asked) = mpsc::channel::<Question>();
        let refused = self.refused.clone();
        std::thread::spawn(move || {
            let mut held = Vec::new();
            let answer_all = |held: &mut Vec<Question>| {
                while let Some((n, answer)) = held.pop() {
                    let _ = answer.send(n * 10);
                }
            };
            loop {
                match asked.recv_timeout(Duration::from_millis(1)) {
                    Ok((n, answer)) => {
                        let once = refused.iter().find(|(of, _)| *of == n);
                        if once.is_none_or(|(_, refused)| refused.swap(true, Ordering::Relaxed)) {
                            held.push((n, answer));
                        }
                        if held.len() >= 37 {
                            answer_all(&mut held);
                        }
                    }
                    Err(mpsc::RecvTimeoutError::Timeout) => answer_all(&mut held),
                    Err(mpsc::RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        self.questions = Some(questions);
        Ok(())
    }

    fn invoke(
        &mut self,
        n: &u64,
        _: AsyncRequest,
    ) -> impl Future<Output = Result<Vec<u64>, oneshot::Canceled>> + Send + 'static {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.questions.as_ref().expect("opened").send((*n, answer)).expect("the thread ends after this");
        async move { Ok(vec![answered.await?]) }
    }

    fn close(&mut self) {
        self.questions = None;
    }
}

/// Each number has its answer once, and each window all of its answers, although the job fails twice in the middle. (The answers of an
/// ordered operator come in the order of the numbers, too.)
fn fails_twice(shards: u16, is_ordered: bool) {
    const COUNT: u64 = 20_000;
    let data = tempfile::tempdir().unwrap();
    let refused: Arc<[_]> = [6_000, 13_000].map(|n| (n, AtomicBool::new(false))).into();
    let asked = Arc::new(AtomicU64::new(0));
    let thread = Thread { questions: None, refused, asked: asked.clone() };
    let numbers = Numbers::to(COUNT, true);
    let (counts_sink, counts) = collect();
    let (job, results) = job(&numbers, config(shards, Some(data.path())), |numbers| {
        let options = minutes(1).capacity(100);
        let asked =
            if is_ordered { numbers.async_ordered(thread, options) } else { numbers.async_unordered(thread, options) };
        let windows = TumblingEventTimeWindows::of(Duration::from_millis(100));
        asked
            .key_by(|_| 0_u64)
            .window(windows)
            .aggregate(Count::new())
            .uid("counts")
            .sink_to(counts_sink)
            .uid("sink-counts");
        asked
    });
    let watch = job.watch().clone();
    assert_eq!(job.wait().unwrap(), Outcome::Finished);
    // On two shards both numbers may be in flight at once.
    assert!((4 - u32::from(shards)..=3).contains(&watch.attempts()), "{} on {shards} shards", watch.attempts());
    assert!(watch.last_failure().unwrap().contains("the request failed at attempt 1"), "{:?}", watch.last_failure());
    let mut given = results.take();
    if !(is_ordered && shards == 1) {
        given.sort_unstable();
    }
    assert!(given == tenfold(COUNT), "{} results on {shards} shards", given.len());
    assert_eq!(counts.take(), vec![100; COUNT as usize / 100], "on {shards} shards");
    assert!(asked.load(Ordering::Relaxed) > COUNT, "what was in flight is asked again");
}

#[test]
fn a_failure_loses_and_doubles_no_result() {
    for shards in [1, 2] {
        for is_ordered in [true, false] {
            fails_twice(shards, is_ordered);
        }
    }
}

/// Counts the milliseconds of the clock.
#[derive(Clone)]
struct Ticks(Arc<AtomicU64>);

impl KeyedProcessFunction for Ticks {
    type Key = u64;
    type In = u64;
    type Out = u64;

    fn process(
        &mut self,
        _: &Archived<u64>,
        cx: &mut KeyedContext<'_, u64>,
        _: &mut Collector<u64>,
    ) -> Result<(), OperatorError> {
        let next = cx.processing_time().plus(1);
        cx.register_processing_time_timer(next);
        Ok(())
    }

    fn on_timer(
        &mut self,
        at: Timestamp,
        cx: &mut KeyedContext<'_, u64>,
        _: &mut Collector<u64>,
    ) -> Result<(), OperatorError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        cx.register_processing_time_timer(at.max(cx.processing_time()).plus(1));
        Ok(())
    }
}

#[test]
fn ten_thousand_requests_in_flight_hold_up_neither_their_shard_nor_its_checkpoints() {
    const COUNT: u64 = 10_000;
    let (data, gate, numbers) = (tempfile::tempdir().unwrap(), Gate::default(), Numbers::to(COUNT, false));
    let ticks = Arc::new(AtomicU64::new(0));
    let ticked = || ticks.load(Ordering::Relaxed);
    let (job, results) = job(&numbers, config(1, Some(data.path())), |numbers| {
        let (sink, _) = collect();
        numbers.key_by(|_| 0_u64).process(Ticks(ticks.clone())).uid("ticks").sink_to(sink).uid("sink-ticks");
        numbers.async_unordered(Ask(gate.clone()), minutes(60).capacity(COUNT as usize))
    });
    until(|| gate.asked().len() == COUNT as usize);
    // All of them are in flight; the clock of another operator of the shard goes on, and so do epochs.
    let (ticks_before, epochs_before) = (ticked(), job.watch().checkpoints().completed);
    until(|| ticked() > ticks_before + 20 && job.watch().checkpoints().completed > epochs_before + 3);
    assert!(results.take().is_empty());
    let answering = gate.clone();
    std::thread::spawn(move || answering.open()).join().unwrap();
    numbers.over.store(true, Ordering::Relaxed);
    assert_eq!(job.wait().unwrap(), Outcome::Finished);
    assert_eq!(sorted(&results), tenfold(COUNT));
    assert_eq!(gate.asked().len(), COUNT as usize, "each was asked once");
}

#[test]
fn a_full_operator_holds_up_its_source_and_no_barrier() {
    let (data, gate, numbers) = (tempfile::tempdir().unwrap(), Gate::default(), Numbers::to(100_000, true));
    let config = JobConfig { checkpoint_interval: None, ring_capacity: 8, ..config(1, Some(data.path())) };
    let ask = Ask(gate.clone());
    let (job, results) = job(&numbers, config, |numbers| numbers.async_ordered(ask, minutes(60).capacity(10)));
    let watch = job.watch().clone();
    let came = || watch.operators().iter().map(|of| of.counters.records_in.get()).max().unwrap_or(0);
    until(|| gate.asked().len() == 10 && watch.source_records() >= 2 * FRAME);
    let read = watch.source_records();
    assert!(came() <= FRAME, "one frame was taken, of which ten records are in flight");
    let save = data.path().join("save");
    job.savepoint(save.to_str().unwrap()).unwrap();
    assert!(came() >= read, "what stood before the barrier is part of the savepoint");
    assert_eq!(gate.asked().len(), 10);
    gate.open();
    assert_eq!(job.wait().unwrap(), Outcome::Finished);
    assert_eq!(results.take(), tenfold(100_000));
}

#[test]
fn a_job_ends_when_all_requests_have_their_answers() {
    let (gate, numbers) = (Gate::default(), Numbers::to(300, true));
    let ask = Ask(gate.clone());
    let (job, results) =
        job(&numbers, config(2, None), |numbers| numbers.async_unordered(ask, minutes(60).capacity(500)));
    until(|| gate.asked().len() == 300);
    assert!(!job.has_ended());
    gate.open();
    assert_eq!(job.wait().unwrap(), Outcome::Finished);
    assert_eq!(sorted(&results), tenfold(300));
}

#[test]
fn requests_in_flight_go_on_from_a_savepoint_with_another_number_of_shards() {
    const COUNT: u64 = 1_000;
    for is_ordered in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let numbers = Numbers::to(COUNT, false);
        let (sink, results) = collect();
        let target = Target(Arc::new(sink));
        let mut given = Vec::new();
        let mut from_savepoint = None;
        for (run, shards) in [1_u16, 2, 1].into_iter().enumerate() {
            let (gate, data, save) =
                (Gate::default(), folder.path().join(format!("data-{run}")), folder.path().join(format!("save-{run}")));
            let config = JobConfig { from_savepoint: from_savepoint.take(), ..config(shards, Some(&data)) };
            let ask = Ask(gate.clone());
            let options = minutes(60).capacity(300);
            let job = job_into(target.clone(), &numbers, config, |numbers| match is_ordered {
                true => numbers.async_ordered(ask, options),
                false => numbers.async_unordered(ask, options),
            });
            if run == 2 {
                numbers.over.store(true, Ordering::Relaxed);
                gate.open();
                assert_eq!(job.wait().unwrap(), Outcome::Finished);
                let asked: BTreeSet<_> = gate.asked().into_iter().map(|(n, _)| n).collect();
                assert_eq!(asked.len() + given.len(), COUNT as usize, "what has its results is not asked again");
            } else {
                // As many as there is room for, of which some have their answers and others not.
                until(|| gate.asked().len() >= 300);
                let some: Vec<u64> = gate.asked().iter().map(|(n, _)| *n).step_by(3).collect();
                some.iter().for_each(|n| gate.answer(*n, Ok(vec![n * 10])));
                let epoch = job.stop(Some(save.to_str().unwrap()), false).unwrap();
                assert_eq!(job.wait().unwrap(), Outcome::Stopped(epoch));
                from_savepoint = Some(save);
            }
            given.extend(results.take());
        }
        given.sort_unstable();
        assert_eq!(given, tenfold(COUNT), "ordered: {is_ordered}");
    }
}

#[test]
fn a_request_that_fails_fails_the_job_with_its_record() {
    let (gate, numbers) = (Gate::default(), Numbers::to(3, true));
    gate.answer(2, Err(Away));
    let (job, _) = job(&numbers, config(1, None), |numbers| numbers.async_ordered(Ask(gate), minutes(1)).name("ask"));
    let error = job.wait().unwrap_err().to_string();
    let expected = "operator 'ask (1/1)' failed: the request failed at attempt 1 (record 0200000000000000 of type u64 of event time 2): \
                    the service is away";
    assert!(error.starts_with(expected), "{error}");
}
