//! Planes that were not seen for six hours, on all cores: `cargo run --release --bin unseen_planes`.

use std::process::ExitCode;

fn main() -> ExitCode {
    yeoul_examples::run(
        "unseen_planes",
        "examples/data/departures-2013-01.csv.gz",
        yeoul_examples::jobs::unseen_planes::build,
    )
}
