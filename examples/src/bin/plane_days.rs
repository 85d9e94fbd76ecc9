//! A plane's day as a session, on all cores: `cargo run --release --bin plane_days`.

use std::process::ExitCode;

fn main() -> ExitCode {
    yeoul_examples::run(
        "plane_days",
        "examples/data/departures-2013-01.csv.gz",
        yeoul_examples::jobs::plane_days::build,
    )
}
