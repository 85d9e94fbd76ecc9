//! SQL scripts over the flights and the NEXMark events, each against an answer worked out by a plain sequential program, on one to four shards.

use std::path::Path;
use std::time::Duration;

use yeoul::TableEnvironment;
use yeoul::sql::session::Step;
use yeoul::sql::{parse, variables};
use yeoul::table::{Results, final_table};

use crate::{answers, nexmark};

/// Runs a script and returns what its SELECT gives in the end, if it has one. Results of INSERT are in `out`.
fn run(name: &str, shards: u16, out: &Path) -> Option<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join(name)).unwrap();
    let known = |key: &str| match key {
        "DATA" => Some(root.join("data").display().to_string()),
        "NEXMARK" => Some(root.join("data/nexmark-20k.ndjson.gz").display().to_string()),
        "OUT" => Some(out.display().to_string()),
        _ => None,
    };
    let script = variables::substitute(&text, &known).unwrap();
    let mut env = TableEnvironment::new();
    env.config_mut().shards = shards;
    env.config_mut().data = Some(out.join("state"));
    let changes = out.join("changes").display().to_string();
    let mut selected = None;
    for statement in parse::parse(&script).unwrap() {
        let Step::Job(job) = env.take(&statement).unwrap_or_else(|error| panic!("{name}: {error}")) else { continue };
        let built = env.build(&job, name, &Results::Changelog(changes.clone()));
        let built = built.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(built.bounded, "{name} reads files that end");
        let mut config = env.config_of(&job);
        config.checkpoint_interval = Some(Duration::from_millis(5));
        env.start(built, config).wait().unwrap();
        if job.result.is_some() {
            let table = final_table(&std::fs::read(&changes).unwrap()).unwrap();
            selected = Some(String::from_utf8(table).unwrap().lines().map(str::to_owned).collect());
        }
    }
    selected
}

fn check(name: &str, answers: &[(&str, Vec<String>)]) {
    for shards in [1, 2, 4] {
        let out = tempfile::tempdir().unwrap();
        let selected = run(name, shards, out.path());
        for (file, answer) in answers {
            let mut seen = match file {
                &"" => selected.clone().expect("the script has a SELECT"),
                file => std::fs::read_to_string(out.path().join(file)).unwrap().lines().map(str::to_owned).collect(),
            };
            seen.sort();
            let mut answer = answer.clone();
            answer.sort();
            assert!(!answer.is_empty());
            let missing = answer.iter().find(|line| seen.binary_search(line).is_err());
            let extra = seen.iter().find(|line| answer.binary_search(line).is_err());
            assert_eq!((seen.len(), missing, extra), (answer.len(), None, None), "{name} {file} on {shards} shards");
            assert!(seen == answer, "{name} {file} on {shards} shards: lines are doubled");
        }
    }
}

/// As a table of CSV files shows times: without a fraction that is zero.
fn whole_seconds(lines: Vec<String>) -> Vec<String> {
    lines.into_iter().map(|line| line.replace(".000,", ",")).collect()
}

#[test]
fn delays_an_hour_and_the_flights_that_were_too_late() {
    let (hours, late) = answers::delays();
    check("delays.sql", &[("delays.csv", whole_seconds(hours)), ("late.csv", whole_seconds(late))]);
}

#[test]
fn the_five_most_delayed_routes_of_each_day() {
    check("late_routes.sql", &[("", answers::late_routes())]);
}

#[test]
fn departures_with_the_weather_of_their_time() {
    check("weather.sql", &[("", answers::weather())]);
}

#[test]
fn nexmark_queries_over_the_shipped_events() {
    for (query, answer) in [
        ("q2", nexmark::q2()),
        ("q3", nexmark::q3()),
        ("q4", nexmark::q4()),
        ("q5", nexmark::q5()),
        ("q8", nexmark::q8()),
    ] {
        check(&format!("nexmark/{query}.sql"), &[("", answer)]);
    }
}
