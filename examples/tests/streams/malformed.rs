//! Input that cannot be read: it goes beside the rest (in = out + errors), or ends the job for good, unless the failure may pass.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use yeoul::operator::{Files, Services};
use yeoul::prelude::*;
use yeoul::rkyv::Archived;
use yeoul::stream::collect;

use crate::halves::Stage;
use crate::{SHARDS, environment};

#[record]
#[derive(Debug, Clone, PartialEq)]
struct Reading {
    sensor: u64,
    value: f64,
}

const LINES: u64 = 3_000;

/// Every 13th line is none; of those, one in two has a wrong type, the other is cut short.
fn line(n: u64) -> (String, bool) {
    match n % 26 {
        0 => (format!(r#"{{"sensor":"s{n}","value":1.5}}"#), false),
        13 => (format!(r#"{{"sensor":{n},"val"#), false),
        _ => (format!(r#"{{"sensor":{n},"value":1.5}}"#), true),
    }
}

/// Lets records pass slowly, so that there are checkpoints, until it has failed once after one.
fn fail_once(stage: &Stage, committed: &Stage) -> impl Fn(&Archived<Reading>) -> bool + Clone + Send + Sync + use<> {
    let (stage, committed) = (stage.clone(), committed.clone());
    move |_| {
        if !stage.has_failed() {
            std::thread::sleep(Duration::from_micros(200));
            assert!(!(committed.has_failed() && stage.fail()), "a planned failure");
        }
        true
    }
}

#[test]
fn malformed_records_are_counted_with_the_rest_over_a_failure() {
    for shards in SHARDS {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("readings.ndjson");
        let mut file = std::fs::File::create(&input).unwrap();
        (0..LINES).for_each(|n| writeln!(file, "{}", line(n).0).unwrap());
        let env = environment(shards, &folder.path().join("data"));
        let source = FileSource::ndjson::<Reading>(input.display().to_string())
            .on_malformed(OnMalformed::SideOutput)
            .split_size(20_000);
        let (good, bad) = env.from_source_with_errors(source, WatermarkStrategy::no_watermarks(), "readings");
        let (stage, committed) = (Stage::default(), Stage::default());
        let ((readings, read), (errors, told)) = (collect(), collect());
        good.filter(fail_once(&stage, &committed)).map(|reading| reading.sensor()).sink_to(readings);
        bad.map(|record: &Archived<MalformedRecord>| record.line()).sink_to(errors);
        let job = env.execute_async().unwrap();
        let watch = job.watch().clone();
        while watch.checkpoints().completed == 0 && !job.has_ended() {
            std::thread::sleep(Duration::from_millis(1));
        }
        committed.fail();
        job.wait().unwrap();
        assert_eq!(watch.attempts(), 2, "{:?}", watch.last_failure());
        let (mut read, mut told): (Vec<u64>, Vec<u64>) = (read.take(), told.take());
        read.sort_unstable();
        told.sort_unstable();
        assert_eq!(read.len() + told.len(), LINES as usize, "in = out + errors, on {shards} shards");
        assert_eq!(read, (0..LINES).filter(|n| line(*n).1).collect::<Vec<_>>());
        assert_eq!(told, (0..LINES).filter(|n| !line(*n).1).map(|n| n + 1).collect::<Vec<_>>());
    }
}

/// How a job ends: after how many attempts, and with which message unless it ends well.
type Fate = (u32, Option<&'static str>);

/// Files whose second opening fails, as that of a network share may.
struct Flaky {
    openings: AtomicU32,
    second: Option<io::ErrorKind>,
}

impl Files for Flaky {
    fn folder(&self, folder: &Path) -> io::Result<Arc<dyn yeoul::sys::Storage>> {
        Services::default().files.folder(folder)
    }

    fn existing(&self, folder: &Path) -> io::Result<Arc<dyn yeoul::sys::Storage>> {
        match (self.openings.fetch_add(1, Ordering::Relaxed), self.second) {
            (1, Some(kind)) => Err(kind.into()),
            _ => Services::default().files.existing(folder),
        }
    }
}

/// Runs a job that fails once, and then opens its input anew, with restarts to spare.
fn ends(name: &str, text: &str, second: Option<io::ErrorKind>, (attempts, message): Fate) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), text).unwrap();
    let files = Arc::new(Flaky { openings: AtomicU32::new(0), second });
    let mut env = environment(1, &folder.path().join("data")).with_services(Services { files, ..Services::default() });
    env.config_mut().restart = RestartStrategy::FixedDelay { attempts: 5, delay: Duration::from_millis(1) };
    let input = folder.path().join(name).display().to_string();
    let (stage, (sink, readings)) = (Stage::default(), collect());
    let planned = move |_: &Archived<Reading>| {
        assert!(!stage.fail(), "a planned failure");
        true
    };
    let source = FileSource::csv::<Reading>(input);
    env.from_source(source, WatermarkStrategy::no_watermarks(), "readings").filter(planned).sink_to(sink);
    let job = env.execute_async().unwrap();
    let watch = job.watch().clone();
    let outcome = job.wait();
    let as_told = match (message, &outcome) {
        (None, Ok(_)) => readings.take().len() == 1,
        (Some(part), Err(error)) => error.to_string().contains(part),
        _ => false,
    };
    assert!(as_told && watch.attempts() == attempts, "{name} {second:?}: {} attempts, {outcome:?}", watch.attempts());
}

#[test]
fn what_would_fail_again_ends_the_job_and_what_may_pass_is_tried_again() {
    let good = "sensor,value\n1,2.5\n";
    ends("good.csv", good, None, (2, None));
    // It passes: a third attempt reads the file.
    ends("good.csv", good, Some(io::ErrorKind::TimedOut), (3, None));
    // It does not.
    ends("gone.csv", good, Some(io::ErrorKind::NotFound), (2, Some("cannot read the input")));
    ends("columns.csv", "sensor,warmth\n1,2.5\n", None, (1, Some("malformed header")));
    ends("malformed.csv", "sensor,value\n2,cold\n", None, (1, Some("malformed record")));
}
