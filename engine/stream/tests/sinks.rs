//! What sinks give in whole jobs: several into one target, a target that begins with a savepoint, one whose last epoch did not arrive,
//! epochs that are too large.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use yeoul_frame::Epoch;
use yeoul_operator::{OperatorError, Services, SinkSpec};
use yeoul_runtime::{JobConfig, JobHandle, Outcome, RestartStrategy, spawn};
use yeoul_stream::{
    AtLeastOnce, Collected, EpochTarget, ExactlyOnce, IdempotentSink, NumberSequence, SavepointReader, SavepointWriter,
    StreamEnvironment, WatermarkStrategy, collect,
};

fn config(data: &Path) -> JobConfig {
    JobConfig {
        shards: 2,
        data: Some(data.to_owned()),
        checkpoint_interval: Some(Duration::from_millis(2)),
        restart: RestartStrategy::FixedDelay { attempts: 5, delay: Duration::from_millis(1) },
        pin: false,
        ..JobConfig::default()
    }
}

fn sorted(results: &Collected<u64>) -> Vec<u64> {
    let mut results = results.take();
    results.sort_unstable();
    results
}

#[test]
fn two_sinks_of_one_job_into_one_target_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (sink, results) = collect();
    let env = StreamEnvironment::new("numbers");
    for (numbers, sink) in [(0..100_u64, sink.clone()), (100..200, sink)] {
        env.from_collection(numbers, WatermarkStrategy::no_watermarks()).sink_to(sink);
    }
    let job = spawn(env.build().unwrap(), config(folder.path()), Services::default());
    assert_eq!(job.wait().unwrap(), Outcome::Finished);
    assert_eq!(sorted(&results), (0..200).collect::<Vec<_>>());
}

const COUNT: u64 = 20_000;

/// A job of numbers, which takes half a second.
fn job(config: JobConfig, sink: impl SinkSpec<In = u64>) -> JobHandle {
    let env = StreamEnvironment::new("numbers");
    let source = NumberSequence::new(0..COUNT).rate(2 * COUNT);
    env.from_source(source, WatermarkStrategy::no_watermarks(), "numbers").sink_to(sink).uid("sink");
    spawn(env.build().unwrap(), config, Services::default())
}

#[test]
fn a_job_waits_for_who_takes_its_records_unless_it_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (sink, results) = collect();
    results.hold_back(1_000, || false);
    let waits = job(config(folder.path()), sink);
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(!waits.has_ended() && waits.watch().checkpoints().completed < 100);
    let mut all = Vec::new();
    while !waits.has_ended() {
        all.extend(results.wait(Duration::from_millis(10)));
    }
    all.extend(results.take());
    all.sort_unstable();
    assert!(all.into_iter().eq(0..COUNT));

    // Who stops it does not read meanwhile, nor does who has gone.
    for is_released in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (sink, results) = collect();
        results.hold_back(1_000, || false);
        let waits = job(config(folder.path()), sink);
        std::thread::sleep(Duration::from_millis(200));
        if is_released {
            results.release();
        } else {
            let watch = waits.watch().clone();
            results.hold_back(1_000, move || watch.is_asked());
        }
        let epoch = waits.stop(None, false).unwrap();
        assert_eq!(waits.wait().unwrap(), Outcome::Stopped(epoch));
        let given = sorted(&results);
        assert!(given.len() < COUNT as usize && !given.is_empty());
    }
}

/// An epoch and its numbers, in one step; so many deliveries fail.
#[derive(Clone, Default)]
struct Ledger {
    has: Arc<Mutex<(Epoch, Vec<u64>)>>,
    fails: Arc<AtomicU64>,
}

impl EpochTarget for Ledger {
    type In = u64;

    fn recover(&mut self, _: Epoch) -> Result<Epoch, OperatorError> {
        Ok(self.has.lock().unwrap().0)
    }

    fn deliver(&mut self, epoch: Epoch, numbers: Vec<u64>) -> Result<(), OperatorError> {
        let fails = self.fails.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        fails.map_or(Ok(()), |_| Err(OperatorError::new("the ledger is away")))?;
        let mut has = self.has.lock().unwrap();
        if epoch > has.0 {
            has.0 = epoch;
            has.1.extend(numbers);
        }
        Ok(())
    }
}

#[test]
fn a_new_target_goes_on_where_the_savepoints_old_one_ended() {
    // With a delivery of the savepoint's epoch that fails once; and into one target over all runs.
    for (fails, is_new) in [(0, true), (1, true), (0, false), (1, false)] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let old = Ledger { fails: Arc::new(AtomicU64::new(fails)), ..Ledger::default() };
        let sink = |ledger: &Ledger| {
            let ledger = ledger.clone();
            ExactlyOnce::new(move |_| Ok(ledger.clone()))
        };
        // All that it gives belongs to the savepoint's epoch.
        let first = job(JobConfig { checkpoint_interval: None, ..config(&at("first")) }, sink(&old));
        while first.watch().source_records() < 1_000 {
            std::thread::yield_now();
        }
        let epoch = first.stop(Some(at("save").to_str().unwrap()), false).unwrap();
        assert_eq!(first.wait().unwrap(), Outcome::Stopped(epoch));
        assert_eq!((old.fails.load(Ordering::Relaxed), old.has.lock().unwrap().0), (0, epoch));

        let new = if is_new { Ledger::default() } else { old.clone() };
        let config = JobConfig { from_savepoint: Some(at("save")), ..config(&at("second")) };
        assert_eq!(job(config, sink(&new)).wait().unwrap(), Outcome::Finished);
        let mut all = old.has.lock().unwrap().1.clone();
        assert!(all.len() >= 1_000);
        if is_new {
            all.extend(new.has.lock().unwrap().1.iter());
        }
        all.sort_unstable();
        assert!(all.into_iter().eq(0..COUNT), "fails {fails}, a new target: {is_new}");
    }
}

/// A table of numbers, which may be away.
#[derive(Clone, Default)]
struct Table(Arc<Mutex<(bool, BTreeSet<u64>)>>);

impl IdempotentSink for Table {
    type In = u64;

    fn upsert(&mut self, number: u64) -> Result<(), OperatorError> {
        let mut table = self.0.lock().unwrap();
        table.1.insert(number);
        if table.0 { Err(OperatorError::new("the table is away")) } else { Ok(()) }
    }

    fn delete(&mut self, _: u64) -> Result<(), OperatorError> {
        unreachable!("nothing is deleted")
    }
}

#[test]
fn what_did_not_arrive_is_told_again_from_a_savepoint_that_was_changed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let table = Table::default();
    let sink = || {
        let table = table.clone();
        AtLeastOnce::new(move |_| Ok(table.clone()))
    };
    table.0.lock().unwrap().0 = true;
    let first = JobConfig { checkpoint_interval: None, restart: RestartStrategy::None, ..config(&at("first")) };
    let error = job(first, sink()).wait().unwrap_err().to_string();
    assert!(error.contains("the table is away"), "{error}");

    let left = SavepointReader::open(at("first")).unwrap();
    SavepointWriter::from_existing(&left).write(at("once")).unwrap();
    let once = SavepointReader::open(at("once")).unwrap();
    SavepointWriter::from_existing(&once).write(at("twice")).unwrap();
    for from in ["once", "twice"] {
        *table.0.lock().unwrap() = (false, BTreeSet::new());
        let config = JobConfig { from_savepoint: Some(at(from)), ..config(&at(&format!("after-{from}"))) };
        assert_eq!(job(config, sink()).wait().unwrap(), Outcome::Finished);
        assert!(table.0.lock().unwrap().1.iter().copied().eq(0..COUNT), "{from}");
    }
}

#[test]
fn an_epoch_that_does_not_fit_is_refused_by_name() {
    let run = |sink: &dyn Fn() -> JobHandle| sink().wait().unwrap_err().to_string();
    let config = || JobConfig { checkpoint_interval: None, data: None, ..config(Path::new("")) };
    for error in [
        run(&|| job(config(), ExactlyOnce::new(|_| Ok(Ledger::default())).epoch_limit(60_000))),
        run(&|| job(config(), AtLeastOnce::new(|_| Ok(Table::default())).epoch_limit(60_000))),
    ] {
        assert!(error.contains("the sink 'Sink (") && error.contains("more than its limit of 60000"), "{error}");
        assert!(error.contains("checkpoints more often"), "{error}");
    }
    // What is sealed makes room.
    let each = JobConfig { checkpoint_interval: Some(Duration::from_millis(50)), ..config() };
    let sink = ExactlyOnce::new(|_| Ok(Ledger::default())).epoch_limit(60_000);
    assert_eq!(job(each, sink).wait().unwrap(), Outcome::Finished);
}
