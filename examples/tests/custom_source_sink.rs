//! The example's source and sink pass the conformance tests, and its job goes on after failures in the middle.

#[path = "../custom_source_sink.rs"]
#[expect(dead_code, unreachable_pub, reason = "here it is a module, and its main is not called")]
mod program;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// How many lines pass before each of the failures.
const FAILURES: [u64; 3] = [500, 3_000, 8_000];

#[test]
fn the_job_goes_on_after_failures_in_its_middle() {
    for shards in [1, 2, 3] {
        let (from, to, state) = (files(3_000), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let env = Environment::new("lines").with_config(JobConfig {
            shards,
            data: Some(state.path().to_owned()),
            checkpoint_interval: Some(Duration::from_millis(1)),
            restart: RestartStrategy::FixedDelay { attempts: 3, delay: Duration::from_millis(1) },
            frame_rows: 16,
            pin: false,
            ..JobConfig::default()
        });
        let source = Folder(from.path().to_owned()).into_source();
        let lines = env.from_source(source, WatermarkStrategy::no_watermarks(), "folder");
        lines.process(Failing(Arc::default())).sink_to(sink(to.path()));
        let job = env.execute_async().unwrap();
        let watch = job.watch().clone();
        job.wait().unwrap();
        assert_eq!(watch.attempts(), 1 + FAILURES.len() as u32, "on {shards} shards: {:?}", watch.last_failure());
        let (mut seen, mut expected) = (visible(to.path()), expected(3_000));
        seen.sort();
        expected.sort();
        assert!(seen == expected, "on {shards} shards: {} lines, and not {}", seen.len(), expected.len());
    }
}

/// Passes lines on, and fails when so many have passed in all runs.
#[derive(Clone)]
struct Failing(Arc<AtomicU64>);

impl ProcessFunction for Failing {
    type In = String;
    type Out = String;

    fn process(
        &mut self,
        line: &yeoul::rkyv::Archived<String>,
        _: &mut ProcessContext<'_>,
        out: &mut Collector<String>,
    ) -> Result<(), OperatorError> {
        if FAILURES.contains(&self.0.fetch_add(1, Ordering::Relaxed)) {
            return Err(OperatorError::new("a planned failure"));
        }
        out.collect(line.to_string());
        Ok(())
    }
}
