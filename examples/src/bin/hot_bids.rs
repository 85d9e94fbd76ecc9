//! Bids per auction in sliding windows, on all cores: `cargo run --release --bin hot_bids`.

use std::process::ExitCode;

fn main() -> ExitCode {
    yeoul_examples::run("hot_bids", "examples/data/nexmark-20k.ndjson.gz", yeoul_examples::jobs::hot_bids::build)
}
