//! Delays per airport and hour, on all cores: `cargo run --release --bin delays`.

use std::process::ExitCode;

fn main() -> ExitCode {
    yeoul_examples::run("delays", "examples/data/departures-2013-01.csv.gz", yeoul_examples::jobs::delays::build)
}
