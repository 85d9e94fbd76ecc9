//! Each job against an answer worked out by a plain sequential program, on one to four shards.

mod flights;
mod answers;
mod nexmark;
mod scripts;

use std::path::Path;

use answers::*;
use yeoul_examples::jobs;
use yeoul_examples::options::Options;

type Build = fn(&yeoul::Environment, &Options);

/// Runs a job on each number of shards and compares the named result, sorted, with the answer.
fn check(build: Build, input: &str, results: &[(&str, Vec<String>)]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for shards in [1, 2, 4] {
        let out = tempfile::tempdir().unwrap();
        let input = root.join("data").join(input).display().to_string();
        let mut options = Options::parse([], &input, &out.path().display().to_string()).unwrap();
        (options.shards, options.quiet) = (Some(shards), true);
        options.data = Some(out.path().join("state"));
        options.interval = std::time::Duration::from_millis(5);
        let env = options.environment("test");
        build(&env, &options);
        env.execute().unwrap();
        for (name, answer) in results {
            let mut seen = Vec::new();
            for file in files(&out.path().join(name)) {
                seen.extend(std::fs::read_to_string(file).unwrap().lines().skip(1).map(str::to_owned));
            }
            seen.sort();
            let mut answer = answer.clone();
            answer.sort();
            assert!(!answer.is_empty());
            let missing = answer.iter().find(|line| seen.binary_search(line).is_err());
            let extra = seen.iter().find(|line| answer.binary_search(line).is_err());
            assert_eq!((seen.len(), missing, extra), (answer.len(), None, None), "{name} on {shards} shards");
            assert!(seen == answer, "{name} on {shards} shards: lines are doubled");
        }
    }
}

/// A result is one file, or the files of a folder.
fn files(result: &Path) -> Vec<std::path::PathBuf> {
    if result.is_file() {
        return vec![result.to_owned()];
    }
    std::fs::read_dir(result).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn delays_per_airport_and_hour_and_what_came_too_late() {
    let (hours, late) = delays();
    assert!(late.len() > 500, "{} late flights", late.len());
    check(jobs::delays::build, "departures-2013-01.csv.gz", &[("delays.csv", hours), ("late.csv", late)]);
}

#[test]
fn a_planes_day() {
    check(jobs::plane_days::build, "departures-2013-01.csv.gz", &[("days", plane_days())]);
}

#[test]
fn planes_not_seen_for_six_hours() {
    check(jobs::unseen_planes::build, "departures-2013-01.csv.gz", &[("unseen", unseen_planes())]);
}

#[test]
fn departures_in_the_weather_then_known() {
    check(jobs::weather::build, "departures-2013-01.csv.gz", &[("joined", weather())]);
}

#[test]
fn bids_per_auction_in_sliding_windows() {
    check(jobs::hot_bids::build, "nexmark-20k.ndjson.gz", &[("bids", hot_bids())]);
}
