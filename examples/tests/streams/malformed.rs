//! Input that cannot be read goes beside the rest: in = out + errors.

use std::io::Write;
use std::time::Duration;

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
