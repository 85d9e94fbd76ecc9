//! What exactly-once costs: the keyed count with checkpoints every second and every 10 ms against none, in one run.
//! To reach: 97 % and 85 % of the throughput.

use std::time::Duration;

use yeoul_bench::memory_source::frames_of_words;
use yeoul_bench::run::{Count, config, keyed_job, time};

/// Of each source; some seconds, so that the last checkpoint of a job is one among several.
const RECORDS: u64 = 200_000_000;
const ROUNDS: usize = 5;
/// With few keys every epoch dirties the same few; with many, nearly every record dirties another.
const KEYS: [u64; 2] = [10_000, 100_000];

fn main() {
    KEYS.iter().for_each(|keys| with_keys(*keys));
}

fn with_keys(keys: u64) {
    let frames = frames_of_words(1 << 20, keys);
    let run = |interval: Option<Duration>, keep: bool| {
        let folder = tempfile::tempdir().expect("a folder for checkpoints");
        let data = keep.then(|| folder.path().join("data"));
        let took = time(keyed_job::<Count>(&frames, RECORDS), config(2, data, interval));
        2.0 * RECORDS as f64 / took.as_secs_f64() / 1e6
    };
    // Taken in turn, so that a change of the machine's mood falls on all three.
    let mut rates = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        rates[0].push(run(None, false));
        rates[1].push(run(Some(Duration::from_secs(1)), true));
        rates[2].push(run(Some(Duration::from_millis(10)), true));
    }
    let medians = rates.map(|mut of| {
        of.sort_by(f64::total_cmp);
        of[of.len() / 2]
    });
    println!("checkpoints/none: {:.1} M records/s on 2 shards ({keys} keys)", medians[0]);
    for (name, median) in [("1 s", medians[1]), ("10 ms", medians[2])] {
        println!("checkpoints/every {name}: {median:.1} M records/s = {:.1} % of none", 100.0 * median / medians[0]);
    }
}
