//! Any call of the committers fails or is the last one: at every moment an outside reader sees a prefix, and at the end all.
//!
//! The disk is the simulator's: a power loss keeps any part of what was not synced. Epochs that were not committed are run
//! again with other content.

use std::sync::Arc;

use yeoul_operator::Services;
use yeoul_sim::clock::SimClock;
use yeoul_sim::disk::{Death, SimDisk};
use yeoul_sim::fault::{Effect, Fault};
use yeoul_sim::rng::{Chance, Rng};
use yeoul_sim::trace::Trace;

use crate::sink::harness::{Log, Row, Run, Writes};
use crate::{FileSink, Roll};

const EPOCHS: u64 = 12;

/// What was committed: by epoch and instance.
#[derive(Default)]
struct Truth {
    lines: Vec<Vec<Vec<String>>>,
}

impl Truth {
    /// The text of an instance in all epochs.
    fn of(&self, subtask: usize) -> Vec<String> {
        self.lines.iter().filter_map(|epoch| epoch.get(subtask)).flatten().cloned().collect()
    }

    /// The lines of an instance in epochs `first..=last`, counted from 1.
    fn part(&self, subtask: usize, first: usize, last: usize) -> Vec<String> {
        let epochs = self.lines.get(first - 1..last).unwrap_or_else(|| panic!("epoch {last} is not committed"));
        epochs.iter().filter_map(|epoch| epoch.get(subtask)).flatten().cloned().collect()
    }
}

fn lines(text: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(text).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "torn: {text:?}");
    text.lines().map(str::to_owned).collect()
}

/// The rows of a Parquet file, as the other formats have them.
#[cfg(feature = "parquet")]
fn rows_of(bytes: Vec<u8>) -> Vec<String> {
    use arrow_array::{cast::AsArray, types::Int64Type};
    let file = bytes::Bytes::from(bytes);
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(file, 1024).expect("a whole file");
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.expect("an undamaged file");
        let column = |at: usize| batch.column(at).as_primitive::<Int64Type>().values();
        rows.extend(column(0).iter().zip(column(1)).map(|(epoch, n)| format!("{epoch},{n}")));
    }
    rows
}

/// What an outside reader sees is complete parts of committed epochs, in order, each once.
fn check_parts(disk: &SimDisk, truth: &Truth, all: bool) {
    let (seen, _) = read_parts(disk, truth, all);
    for (subtask, seen) in seen.into_iter().enumerate() {
        let expected = truth.of(subtask);
        assert!(expected.starts_with(&seen), "instance {subtask}: no prefix");
        assert!(!all || seen == expected, "instance {subtask}: {} of {} lines", seen.len(), expected.len());
    }
}

/// Rolled by epoch, all epochs below the highest that is visible are visible in full.
fn check_epochs(disk: &SimDisk, truth: &Truth, all: bool) {
    check_parts(disk, truth, all);
    let (seen, reached) = read_parts(disk, truth, all);
    let below = reached.into_iter().max().unwrap_or(0).saturating_sub(1);
    for (subtask, seen) in seen.into_iter().enumerate() {
        let whole = if below == 0 { vec![] } else { truth.part(subtask, 1, below) };
        assert!(seen.starts_with(&whole), "instance {subtask}: not all of the first {below} epochs");
    }
}

/// The lines of each instance's visible parts, and the last epoch among them.
fn read_parts(disk: &SimDisk, truth: &Truth, all: bool) -> (Vec<Vec<String>>, [usize; 3]) {
    let mut seen = vec![Vec::new(); 3];
    let mut reached = [0; 3];
    for (path, _) in disk.files() {
        let Some(name) = path.strip_prefix("out/") else { continue };
        if name.starts_with('.') {
            assert!(!all, "{name} is left over");
            continue;
        }
        let number = |range: std::ops::Range<usize>| name[range].parse::<usize>().unwrap();
        let (subtask, first, last) = (number(5..10), number(12..22), number(23..33));
        assert!(reached[subtask] < first && first <= last, "{name} after epoch {}", reached[subtask]);
        reached[subtask] = last;
        let bytes = disk.read(&path).unwrap();
        #[cfg(feature = "parquet")]
        let text = if name.ends_with(".parquet") { rows_of(bytes) } else { lines(&bytes) };
        #[cfg(not(feature = "parquet"))]
        let text = lines(&bytes);
        assert_eq!(text, truth.part(subtask, first, last), "{name}");
        seen[subtask].extend(text);
    }
    (seen, reached)
}

fn check_single(disk: &SimDisk, truth: &Truth, all: bool) {
    let expected = truth.of(0);
    match disk.read("out/result") {
        Some(text) => {
            let text = lines(&text);
            assert!(expected.starts_with(&text), "no prefix");
            assert!(!all || text == expected, "{} of {} lines", text.len(), expected.len());
        }
        None => assert!(!all, "there is no result"),
    }
    assert!(!all || disk.files().len() == 1, "left over: {:?}", disk.files());
}

/// Runs a job to its end, through whatever goes wrong. How many calls it made to the disk.
fn run_job<S: Writes>(seed: u64, sink: &S, faults: &[Fault], check: impl Fn(&SimDisk, &Truth, bool)) -> u64 {
    let clock = SimClock::new(0);
    let disk = SimDisk::new(seed, clock.clone(), Trace::keeping(0));
    let mut rng = Rng::new(seed);
    let (mut log, mut truth) = (Log::default(), Truth::default());
    disk.arm(faults);
    for attempt in 0.. {
        assert!(attempt < 40, "no progress");
        let shards = 1 + rng.below(3) as u16;
        let services = Services { clock: Arc::new(clock.clone()), files: Arc::new(disk.start()) };
        let result = run_attempt(attempt, &mut rng, sink, &services, shards, &mut log, &mut truth, &|truth| {
            check(&disk, truth, false);
        });
        match (result, disk.fell()) {
            (Ok(()), None) => break,
            (_, Some(Death::Power)) => disk.power_loss(&mut rng),
            (_, Some(Death::Kill)) => disk.kill(),
            // An error: the job restarts. Perhaps the power fails after that, when errors of before show.
            (Err(_), None) if rng.in_cases(1, 2) => disk.kill(),
            (Err(_), None) => disk.power_loss(&mut rng),
        }
        check(&disk, &truth, false);
    }
    check(&disk, &truth, true);
    // What was delivered stays, whatever comes.
    disk.power_loss(&mut rng);
    check(&disk, &truth, true);
    assert_eq!(disk.violations(), [""; 0]);
    disk.calls()
}

#[expect(clippy::too_many_arguments, reason = "the parts of one job, as plain values")]
fn run_attempt<S: Writes>(
    attempt: u64,
    rng: &mut Rng,
    sink: &S,
    services: &Services,
    shards: u16,
    log: &mut Log,
    truth: &mut Truth,
    check: &dyn Fn(&Truth),
) -> Result<(), yeoul_operator::OperatorError> {
    let writers = sink.instances().unwrap_or(shards);
    let mut run = Run::start(sink, services, shards, log)?;
    check(truth);
    while log.committed.0 < EPOCHS {
        let epoch = log.committed.0 + 1;
        let mut written = Vec::new();
        for subtask in 0..writers {
            let count = rng.below(4);
            // Other content in each attempt.
            let rows: Vec<Row> =
                (0..count).map(|n| Row { epoch, n: n + 10 * u64::from(subtask) + 100 * attempt }).collect();
            run.write(subtask, &rows)?;
            written.push(rows.iter().map(|row| format!("{},{}", row.epoch, row.n)).collect());
        }
        run.pass(40);
        run.commit(shards, log)?;
        truth.lines.push(written);
        check(truth);
        run.deliver(log)?;
        check(truth);
    }
    run.finish()
}

const EFFECTS: [Effect; 7] = [
    Effect::Eio,
    Effect::Short,
    Effect::LateSync,
    Effect::KillBefore,
    Effect::KillAfter,
    Effect::PowerBefore,
    Effect::PowerAfter,
];

/// Each call of a job fails once, in each way; then at random, several in a run.
fn campaign<S: Writes>(sink: &S, seeds: u64, check: impl Fn(&SimDisk, &Truth, bool)) {
    let calls = run_job(1, sink, &[], &check);
    assert!(calls > 20, "{calls} calls");
    let at = |nth, effect| Fault::Call { kind: None, path: None, nth, onwards: false, effect };
    for nth in 1..=calls {
        for effect in EFFECTS {
            run_job(nth * 7, sink, &[at(nth, effect)], &check);
        }
    }
    for seed in 0..seeds {
        let mut rng = Rng::new(seed).branch("faults");
        let faults: Vec<Fault> = (0..1 + rng.below(6))
            .map(|_| at(1 + rng.below(2 * calls), EFFECTS[rng.below(EFFECTS.len() as u64) as usize]))
            .collect();
        run_job(seed, sink, &faults, &check);
    }
}

#[test]
fn parts_by_epoch_survive_every_fault() {
    campaign(&FileSink::csv::<Row>("out").header(false), 400, check_epochs);
}

#[test]
fn parts_by_size_survive_every_fault() {
    campaign(&FileSink::csv::<Row>("out").header(false).roll(Roll::Bytes(30)), 400, check_parts);
}

#[test]
fn parts_by_age_survive_every_fault() {
    let age = std::time::Duration::from_millis(100);
    campaign(&FileSink::csv::<Row>("out").header(false).roll(Roll::Every(age)), 400, check_parts);
}

#[test]
fn a_single_file_survives_every_fault() {
    campaign(&FileSink::csv::<Row>("out/result").header(false).single(), 400, check_single);
}

#[test]
fn overwriting_survives_every_fault() {
    campaign(&FileSink::csv::<Row>("out").header(false).overwrite(), 200, check_epochs);
    campaign(&FileSink::csv::<Row>("out/result").header(false).single().overwrite(), 200, check_single);
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_parts_survive_every_fault() {
    let columns = crate::sink::harness::columns();
    let sink = FileSink::parquet("out", &columns, crate::ParquetOptions::default()).unwrap();
    campaign(&sink, 400, check_epochs);
}
