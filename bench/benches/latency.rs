//! How long records take: at half load with checkpoints every second, through a burst, and until committed output is visible.
//!
//! Open loop: a record counts from the moment at which it was due. `YEOUL_BURST_SECONDS` sets the length of the burst (30 for the published figure).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use yeoul::frame::{Epoch, Frame};
use yeoul::operator::{
    Committer, Context, InputId, JobGraph, Node, NodeKind, Operator, OperatorError, OutputId, Partitioning,
    SealedOutput, Services, Snapshot, Source, WatermarkSpec,
};
use yeoul::runtime::spawn;
use yeoul_bench::hiccup::hiccups;
use yeoul_bench::histogram::Histogram;
use yeoul_bench::memory_source::Words;
use yeoul_bench::paced_source::{PacedSource, Probe, Schedule};
use yeoul_bench::process::resident;
use yeoul_bench::run::{ByFirstWord, Count, config, time};

const KEYS: u64 = 100_000;

fn node(uid: &str, kind: NodeKind) -> Node {
    Node { uid: uid.to_owned(), name: uid.to_owned(), parallelism: None, chainable: true, kind }
}

/// Counts, and passes its input on to whoever looks at latencies.
#[derive(Default)]
struct CountAndPass(Count);

impl Operator for CountAndPass {
    fn process(&mut self, input: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        self.0.process(input, frame, cx)?;
        cx.emit(OutputId::MAIN, frame.clone().without_hashes());
        Ok(())
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn yeoul::state::StateTable)) {
        self.0.tables(visit);
    }
}

fn paced(
    begin: Instant,
    schedule: &Schedule,
    seconds: f64,
    backlog: &Arc<AtomicU64>,
) -> (JobGraph, yeoul::operator::NodeId) {
    let (schedule, backlog) = (schedule.clone(), backlog.clone());
    let make = Arc::new(move || {
        Box::new(PacedSource::new(begin, schedule.clone(), seconds, KEYS, backlog.clone())) as Box<dyn Source>
    });
    let mut graph = JobGraph { name: "latency".to_owned(), ..JobGraph::default() };
    let from = graph.add(node("paced", NodeKind::Source { make, watermarks: WatermarkSpec::default() }));
    let count = graph.add(node("count", NodeKind::Operator { make: Arc::new(|| Box::<CountAndPass>::default()) }));
    graph.connect(from, OutputId::MAIN, count, InputId(0), Partitioning::Hash(Arc::new(ByFirstWord)));
    (graph, count)
}

/// The most that the job sustains, both sources together: all records are due at once.
fn sustainable() -> f64 {
    let records: u64 = 40_000_000;
    let schedule: Schedule = Arc::new(move |_| records);
    let (graph, _) = paced(Instant::now(), &schedule, 0.0, &Arc::default());
    let took = time(graph, config(2, None, None));
    2.0 * records as f64 / took.as_secs_f64()
}

fn half_load(sustained: f64) {
    let each = sustained / 4.0;
    let schedule: Schedule = Arc::new(move |seconds| (seconds * each) as u64);
    let (begin, result) = (Instant::now(), Arc::new(Mutex::new(Histogram::default())));
    let seconds = 10.0;
    let (mut graph, count) = paced(begin, &schedule, seconds, &Arc::default());
    let seen = result.clone();
    let probe = Arc::new(move || Box::new(Probe::new(begin, 1.0, seen.clone())) as Box<dyn Operator>);
    let probe = graph.add(node("probe", NodeKind::Operator { make: probe }));
    graph.connect(count, OutputId::MAIN, probe, InputId(0), Partitioning::Forward);
    let folder = tempfile::tempdir().expect("a folder for checkpoints");
    let _ = time(graph, config(2, Some(folder.path().join("data")), Some(Duration::from_secs(1))));
    let result = result.lock().expect("no probe panics");
    println!("latency/limit: threads that only look at the clock, 5 s: {}", hiccups(Duration::from_secs(5)).summary());
    println!("latency/half load ({:.1} M records/s), checkpoints every 1 s: {}", sustained / 2e6, result.summary());
}

/// A paced job whose latencies are watched.
fn watched(begin: Instant, schedule: &Schedule, seconds: f64, backlog: &Arc<AtomicU64>) -> (JobGraph, Arc<Watched>) {
    let (mut graph, count) = paced(begin, schedule, seconds, backlog);
    let watched: Arc<Watched> = Arc::default();
    let noted = watched.clone();
    let probe = Arc::new(move || {
        Box::new(Watch { begin, seen: Histogram::default(), since: 0.0, noted: noted.clone() }) as Box<dyn Operator>
    });
    let probe = graph.add(node("probe", NodeKind::Operator { make: probe }));
    graph.connect(count, OutputId::MAIN, probe, InputId(0), Partitioning::Forward);
    (graph, watched)
}

/// Ten times what is sustained, then a tenth of it until everything is caught up and some seconds more.
fn burst() {
    // What this very job sustains, checkpoints and all: all records are due at once.
    let records: u64 = 100_000_000;
    let begin = Instant::now();
    let (graph, _) = watched(begin, &(Arc::new(move |_| records) as Schedule), 0.0, &Arc::default());
    let folder = tempfile::tempdir().expect("a folder for checkpoints");
    let took = time(graph, config(2, Some(folder.path().join("data")), Some(Duration::from_secs(1))));
    let sustained = 2.0 * records as f64 / took.as_secs_f64();
    let length: f64 = std::env::var("YEOUL_BURST_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2.0);
    let each = sustained / 2.0;
    let schedule: Schedule = Arc::new(move |seconds| {
        let calm = 0.1 * each;
        (seconds.min(length) * 10.0 * each + (seconds - length).max(0.0) * calm) as u64
    });
    // Caught up when 10 × length × each + (t − length) × 0.1 × each = t × each; a margin for the machine's moods.
    let seconds = length * 9.9 / 0.9 * 1.25 + 10.0;
    let (begin, backlog) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let (graph, watched) = watched(begin, &schedule, seconds, &backlog);
    let before = resident();
    let folder = tempfile::tempdir().expect("a folder for checkpoints");
    let settings = config(2, Some(folder.path().join("data")), Some(Duration::from_secs(1)));
    let job = spawn(graph, settings, Services::default());
    let (mut most, mut caught_up) = (before, None);
    while !job.has_ended() {
        most = most.max(resident());
        let now = begin.elapsed().as_secs_f64();
        if caught_up.is_none() && now > length + 1.0 && backlog.load(Ordering::Relaxed) < 1024 {
            caught_up = Some(now);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    if let Err(error) = job.wait() {
        panic!("{error}");
    }
    let expected = 2 * schedule(seconds);
    let caught_up = caught_up.unwrap_or(f64::NAN);
    let windows = watched.windows.lock().expect("no probe panics");
    let calm =
        windows.iter().filter(|(at, p99)| *at > caught_up && *p99 <= 2_000_000).map(|(at, _)| *at).reduce(f64::min);
    let after: Vec<u64> = windows.iter().filter(|(at, _)| *at > caught_up + 5.0).map(|(_, p99)| *p99).collect();
    println!(
        "burst/10 × for {length} s: {} of {expected} records arrived; memory grew by {} MiB; caught up after {caught_up:.1} s; \
         {WINDOW} s of which p99 is below 2 ms ended {:.2} s after that; of {} such windows from 5 s on, {} are above 2 ms",
        watched.records.load(Ordering::Relaxed),
        (most - before) >> 20,
        calm.unwrap_or(f64::NAN) - caught_up,
        after.len(),
        after.iter().filter(|p99| **p99 > 2_000_000).count(),
    );
}

/// Seconds over which a burst's latencies are gathered.
const WINDOW: f64 = 0.25;

/// What probes saw: how many records, and the p99 of each window, in nanoseconds, by its end in seconds.
#[derive(Default)]
struct Watched {
    records: AtomicU64,
    windows: Mutex<Vec<(f64, u64)>>,
}

/// Gathers latencies in windows.
struct Watch {
    begin: Instant,
    seen: Histogram,
    since: f64,
    noted: Arc<Watched>,
}

impl Operator for Watch {
    fn process(&mut self, _input: InputId, frame: &Frame, _cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let now = self.begin.elapsed();
        let first = frame.rows::<Words>().iter().map(|(_, words)| words[1].to_native()).min().unwrap_or(0);
        // The oldest stands for the whole frame.
        self.seen.add((now.as_nanos() as u64).saturating_sub(first), frame.len() as u64);
        self.noted.records.fetch_add(frame.len() as u64, Ordering::Relaxed);
        if now.as_secs_f64() - self.since > WINDOW {
            self.since = now.as_secs_f64();
            let p99 = std::mem::take(&mut self.seen).quantile(0.99);
            self.noted.windows.lock().expect("no probe panics").push((self.since, p99));
        }
        Ok(())
    }
}

/// Seals the moments at which records were due.
#[derive(Default)]
struct SealMoments(Vec<u8>);

impl Operator for SealMoments {
    fn process(&mut self, _input: InputId, frame: &Frame, _cx: &mut Context<'_>) -> Result<(), OperatorError> {
        for (_, words) in frame.rows::<Words>().iter() {
            self.0.extend(words[1].to_native().to_le_bytes());
        }
        Ok(())
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        if !self.0.is_empty() {
            snapshot.seal(std::mem::take(&mut self.0));
        }
        Ok(())
    }
}

/// Makes output visible by creating a file (without the syncs of the file sink), and notes how late that is.
struct Visible {
    begin: Instant,
    folder: std::path::PathBuf,
    result: Arc<Mutex<Histogram>>,
}

impl Committer for Visible {
    fn recover(&mut self, _services: &Services, _committed: Epoch) -> Result<Epoch, OperatorError> {
        Ok(Epoch(0))
    }

    fn deliver(&mut self, epoch: Epoch, outputs: &[SealedOutput]) -> Result<(), OperatorError> {
        for output in outputs {
            let name = self.folder.join(format!("{}-{}", epoch.0, output.subtask.index));
            std::fs::write(&name, &output.bytes)
                .map_err(|error| OperatorError::new("writing a result").caused_by(error))?;
        }
        let now = self.begin.elapsed().as_nanos() as u64;
        let mut result = self.result.lock().expect("no probe panics");
        for moment in outputs.iter().flat_map(|output| output.bytes.chunks(8)) {
            result.add(now.saturating_sub(u64::from_le_bytes(moment.try_into().expect("8 bytes"))), 1);
        }
        Ok(())
    }
}

fn visible() {
    let schedule: Schedule = Arc::new(|seconds| (seconds * 5_000.0) as u64);
    let (begin, result) = (Instant::now(), Arc::new(Mutex::new(Histogram::default())));
    let (mut graph, count) = paced(begin, &schedule, 10.0, &Arc::default());
    let folder = tempfile::tempdir().expect("a folder for checkpoints");
    let (seen, out) = (result.clone(), folder.path().to_owned());
    let committer =
        Arc::new(move || Box::new(Visible { begin, folder: out.clone(), result: seen.clone() }) as Box<dyn Committer>);
    let sink = graph.add(node("sink", NodeKind::Sink { make: Arc::new(|| Box::<SealMoments>::default()), committer }));
    graph.connect(count, OutputId::MAIN, sink, InputId(0), Partitioning::Forward);
    let _ = time(graph, config(2, Some(folder.path().join("data")), Some(Duration::from_millis(10))));
    println!(
        "visible/checkpoints every 10 ms, 10,000 records/s: {}",
        result.lock().expect("no probe panics").summary()
    );
}

fn main() {
    let sustained = sustainable();
    println!("latency/sustained: {:.1} M records/s on 2 shards", sustained / 1e6);
    // As with criterion, a word on the command line picks out what is run.
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let run = |name: &str| wanted.as_ref().is_none_or(|word| name.contains(word.as_str()));
    if run("half") {
        half_load(sustained);
    }
    if run("visible") {
        visible();
    }
    if run("burst") {
        burst();
    }
}
