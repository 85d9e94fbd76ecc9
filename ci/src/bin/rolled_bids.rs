//! Bids per auction as the example counts them, under limits so small that a short run meets what takes days otherwise: parts of
//! several epochs, many small segments that are compacted and removed, a manifest that is rewritten, state that does not fit into
//! memory, and savepoints while it runs. Takes the options of the examples, and further:
//! `--from DIR` begins from a savepoint, `--stop-into DIR` stops with one, after `--stop-after MS`, and then ends with 3.

use std::marker::PhantomData;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use yeoul::prelude::*;
use yeoul_ci::crash::leg::STOPPED;
use yeoul_examples::jobs::hot_bids::{BOUND, BidsOfAuction, time_of};
use yeoul_examples::options::Options;
use yeoul_examples::records::AuctionEvent;

/// Bytes of a part.
const PART: u64 = 64 << 10;
/// The panes of a run hold some hundred KiB of texts, of which all but a hundredth of this is evicted as soon as it can be.
const STATE_MEMORY: usize = 8 << 20;
/// Bytes of text that a count keeps beside it at most.
const TALLY: usize = 300;
/// Savepoints of one process.
const SAVEPOINTS: usize = 2;

/// What this program is told beside the options of the examples.
#[derive(Default)]
struct Savepoints {
    from: Option<PathBuf>,
    stop_into: Option<PathBuf>,
    stop_after: Duration,
}

/// Takes its own options out, and leaves the others.
fn savepoints(arguments: impl Iterator<Item = String>) -> Result<(Savepoints, Vec<String>), String> {
    let mut arguments = arguments;
    let (mut own, mut others) = (Savepoints::default(), Vec::new());
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
        match name.as_str() {
            "--from" => own.from = Some(value()?.into()),
            "--stop-into" => own.stop_into = Some(value()?.into()),
            "--stop-after" => {
                let text = value()?;
                let millis = text.parse().map_err(|_| format!("{name} needs a number, not '{text}'"))?;
                own.stop_after = Duration::from_millis(millis);
            }
            _ => others.push(name),
        }
    }
    Ok((own, others))
}

fn main() -> ExitCode {
    let parsed = savepoints(std::env::args().skip(1)).and_then(|(own, others)| {
        Ok((own, Options::parse(others, "examples/data/nexmark-20k.ndjson.gz", "out/rolled_bids")?))
    });
    let (savepoints, options) = match parsed {
        Ok(parsed) => parsed,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    if options.labels {
        yeoul::sys::failpoint::labels().iter().for_each(|label| println!("{label}"));
        return ExitCode::SUCCESS;
    }
    match run(&options, &savepoints) {
        Ok(Outcome::Finished) => ExitCode::SUCCESS,
        Ok(Outcome::Stopped(_)) => ExitCode::from(STOPPED),
        Err(error) => {
            eprintln!("rolled_bids: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Counts, and keeps a stroke for each one counted, so that its state is large enough to be evicted.
struct Tally<T: ?Sized>(PhantomData<fn(&T)>);

impl<T: ?Sized> Tally<T> {
    const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: ?Sized> Clone for Tally<T> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<T: ?Sized + 'static> AggregateFunction for Tally<T> {
    type In = T;
    type Acc = (u64, String);
    type Out = u64;

    fn create(&self) -> (u64, String) {
        (0, " ".repeat(TALLY / 2))
    }

    fn add(&self, tally: &mut (u64, String), _: &T) {
        tally.0 += 1;
        if tally.1.len() < TALLY {
            tally.1.push('|');
        }
    }

    fn merge(&self, tally: &mut (u64, String), other: &(u64, String)) {
        tally.0 += other.0;
    }

    fn result(&self, tally: &(u64, String)) -> u64 {
        // What comes back from the log comes back whole.
        assert_eq!(tally.1.bytes().filter(|byte| *byte == b' ').count(), TALLY / 2, "a tally lost its text");
        tally.0
    }
}

fn run(options: &Options, savepoints: &Savepoints) -> Result<Outcome, yeoul::Error> {
    let begun = Instant::now();
    let mut env = options.environment("rolled_bids");
    let config = env.config_mut();
    config.log_segment_bytes = 256 << 10;
    config.manifest_rewrite_bytes = 4 << 10;
    config.retained_checkpoints = 2;
    config.state_memory = STATE_MEMORY;
    config.evict_percent = 1;
    config.from_savepoint.clone_from(&savepoints.from);
    let events = env.from_source(
        FileSource::ndjson::<AuctionEvent>(&options.input),
        WatermarkStrategy::for_bounded_out_of_orderness(BOUND).with_timestamp_assigner(time_of),
        "events",
    );
    events
        .filter(|event| event.bid().is_some())
        .key_by(|event| event.bid().map_or(0, |bid| bid.auction()))
        .window(SlidingEventTimeWindows::of(Duration::from_secs(10), Duration::from_secs(2)))
        .aggregate_with(Tally::new(), |auction, window, bids, out| {
            out.collect(BidsOfAuction { auction: *auction, start: window.start, end: window.end, bids });
        })
        .name("bids")
        .sink_to(FileSink::csv::<BidsOfAuction>(options.result("bids")).roll(Roll::Bytes(PART)).overwrite())
        .name("bids.csv");
    let job = env.execute_async()?;
    if let Some(into) = &savepoints.stop_into {
        std::thread::sleep(savepoints.stop_after.saturating_sub(begun.elapsed()));
        // A job that has ended by then is done.
        if let Err(error) = job.stop(Some(&into.display().to_string()), false) {
            eprintln!("rolled_bids: not stopped: {error}");
        }
    } else if let Some(data) = &options.data {
        for number in 0..SAVEPOINTS {
            let name = format!("savepoint-{}-{number}", std::process::id());
            // A job that ends meanwhile takes no more; why it ended is told below.
            let taken = job.savepoint(&data.with_file_name(name).display().to_string());
            if let Err(error) = taken {
                eprintln!("rolled_bids: no savepoint: {error}");
            }
        }
    }
    Ok(job.wait()?)
}
