//! Departures joined with the weather then known, on all cores: `cargo run --release --bin weather`.

use std::process::ExitCode;

fn main() -> ExitCode {
    yeoul_examples::run("weather", "examples/data/departures-2013-01.csv.gz", yeoul_examples::jobs::weather::build)
}
