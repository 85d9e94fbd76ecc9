//! The example's source and sink pass the conformance tests, and its job goes on after failures in the middle.

#[path = "../custom_source_sink.rs"]
#[expect(dead_code, unreachable_pub, reason = "here it is a module, and its main is not called")]
mod program;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use program::{Epochs, Folder};
use tempfile::TempDir;
use yeoul::prelude::*;
use yeoul::stream::conformance::{SinkConformance, SourceConformance};

const FILES: usize = 5;

/// What the files hold, file by file.
fn expected(lines: usize) -> Vec<String> {
    (0..FILES).flat_map(|file| (0..lines).map(move |line| format!("line {line} of file {file}"))).collect()
}

fn files(lines: usize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (file, lines) in expected(lines).chunks(lines).enumerate() {
        fs::write(folder.path().join(format!("{file}.txt")), lines.join("\n")).unwrap();
    }
    folder
}

/// The lines that anyone sees: of files that have an epoch's name.
fn visible(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let shown = names.filter(|name| name.parse::<u64>().is_ok());
    let texts = shown.map(|name| fs::read_to_string(folder.join(name)).unwrap());
    texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn sink(to: &Path) -> impl yeoul::operator::SinkSpec<In = String> + use<> {
    let to = to.to_owned();
    ExactlyOnce::new(move |services| {
        let folder = services.files.results(&to);
        Ok(Epochs(folder.map_err(|error| OperatorError::new("the results' folder").caused_by(error))?))
    })
}

#[test]
fn the_source_passes() {
    let folder = files(11);
    let from = folder.path().to_owned();
    SourceConformance::of(move || Folder(from.clone()).into_source()).expecting(expected(11)).run().unwrap();
}

#[test]
fn the_sink_passes_crashes_at_every_call_of_its_files_included() {
    let fresh = || tempfile::tempdir().unwrap();
    SinkConformance::of(fresh, |to| sink(to.path()), |to| visible(to.path())).writing(expected(8)).run().unwrap();
}

/// How far the job is, over its runs.
#[derive(Default)]
struct Stage {
    /// The last epoch that is committed.
    committed: AtomicU64,
    failed: AtomicBool,
}

/// The folder, whose first file to come to its middle waits there for a checkpoint that says so, and then fails, once.
struct Failing(Folder, Arc<Stage>);

impl SplitSource for Failing {
    type Split = String;
    type Reader = Half;

    fn splits(&self, cx: &ReaderContext) -> Result<Vec<String>, OperatorError> {
        self.0.splits(cx)
    }

    fn open(&self, file: &String, from: Option<u64>, cx: &ReaderContext) -> Result<Half, OperatorError> {
        let lines = self.0.open(file, from, cx)?;
        Ok(Half { lines, stage: self.1.clone(), noted: Cell::new(None) })
    }
}

struct Half {
    lines: <Folder as SplitSource>::Reader,
    stage: Arc<Stage>,
    /// What was committed when a checkpoint was taken in the middle.
    noted: Cell<Option<u64>>,
}

impl SplitReader for Half {
    type Out = String;
    type Error = ();
    type Position = u64;

    fn read(&mut self, out: &mut SplitOutput<String>) -> Result<ReadStatus, OperatorError> {
        if self.lines.position() < LINES as u64 / 2 || self.stage.failed.load(Ordering::Relaxed) {
            return self.lines.read(out);
        }
        let committed = self.stage.committed.load(Ordering::Relaxed);
        if self.noted.get().is_some_and(|noted| committed > noted) && !self.stage.failed.swap(true, Ordering::Relaxed) {
            return Err(OperatorError::new("a planned failure"));
        }
        Ok(ReadStatus::Pending { until: Some(out.now().plus(1)) })
    }

    fn position(&self) -> u64 {
        let position = self.lines.position();
        if position >= LINES as u64 / 2 && self.noted.get().is_none() {
            self.noted.set(Some(self.stage.committed.load(Ordering::Relaxed)));
        }
        position
    }
}

/// In each file.
const LINES: usize = 3_000;

#[test]
fn the_job_goes_on_from_a_checkpoint_in_its_middle() {
    for shards in [1, 2, 3] {
        let (from, to, state) = (files(LINES), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let env = Environment::new("lines").with_config(JobConfig {
            shards,
            data: Some(state.path().to_owned()),
            checkpoint_interval: Some(Duration::from_millis(2)),
            restart: RestartStrategy::FixedDelay { attempts: 1, delay: Duration::from_millis(1) },
            frame_rows: 16,
            pin: false,
            ..JobConfig::default()
        });
        let stage = Arc::<Stage>::default();
        let source = Failing(Folder(from.path().to_owned()), stage.clone()).into_source();
        env.from_source(source, WatermarkStrategy::no_watermarks(), "folder").sink_to(sink(to.path()));
        let job = env.execute_async().unwrap();
        let watch = job.watch().clone();
        while !job.has_ended() {
            stage.committed.fetch_max(watch.checkpoints().epoch.0, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(1));
        }
        job.wait().unwrap();
        assert_eq!(watch.attempts(), 2, "on {shards} shards: {:?}", watch.last_failure());
        let (mut seen, mut expected) = (visible(to.path()), expected(LINES));
        seen.sort();
        expected.sort();
        assert!(seen == expected, "on {shards} shards: {} lines, and not {}", seen.len(), expected.len());
    }
}

/// The last value of each key, by upserts.
#[derive(Clone, Default)]
struct Table(Arc<Mutex<BTreeMap<u64, u64>>>);

impl IdempotentSink for Table {
    type In = (u64, u64);

    fn upsert(&mut self, (key, value): (u64, u64)) -> Result<(), OperatorError> {
        self.0.lock().unwrap().insert(key, value);
        Ok(())
    }

    fn delete(&mut self, (key, _): (u64, u64)) -> Result<(), OperatorError> {
        self.0.lock().unwrap().remove(&key);
        Ok(())
    }
}

const NUMBERS: u64 = 60_000;
const KEYS: u64 = 101;

#[test]
fn sums_that_are_upserted_are_right_after_failures() {
    for shards in [1, 3] {
        let state = tempfile::tempdir().unwrap();
        let env = Environment::new("sums").with_config(JobConfig {
            shards,
            data: Some(state.path().to_owned()),
            checkpoint_interval: Some(Duration::from_millis(2)),
            restart: RestartStrategy::FixedDelay { attempts: 3, delay: Duration::from_millis(1) },
            pin: false,
            ..JobConfig::default()
        });
        let (table, passed) = (Table::default(), Arc::<AtomicU64>::default());
        let numbers = NumberSequence::new(0..NUMBERS).rate(400_000);
        let failing = move |n: &yeoul::rkyv::Archived<u64>| {
            let passed = passed.fetch_add(1, Ordering::Relaxed);
            assert!(![20_000, 50_000, 70_000].contains(&passed), "a planned failure");
            (n.to_native() % KEYS, n.to_native())
        };
        env.from_source(numbers, WatermarkStrategy::no_watermarks(), "numbers")
            .map(failing)
            .key_by(|pair| pair.0.to_native())
            .reduce(|sum: &mut (u64, u64), pair| sum.1 += pair.1)
            .sink_to(AtLeastOnce::new({
                let table = table.clone();
                move |_| Ok(table.clone())
            }));
        let job = env.execute_async().unwrap();
        let watch = job.watch().clone();
        job.wait().unwrap();
        assert!(watch.attempts() > 1, "on {shards} shards no failure came");
        let sum = |key: u64| (key..NUMBERS).step_by(KEYS as usize).sum::<u64>();
        let expected: BTreeMap<u64, u64> = (0..KEYS).map(|key| (key, sum(key))).collect();
        assert!(*table.0.lock().unwrap() == expected, "on {shards} shards");
    }
}
