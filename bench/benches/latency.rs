//! How long records take: at half load with checkpoints every second, through a burst, and until committed output is visible.
//!
//! Open loop: a record counts from the moment at which it was due. `YEOUL_BURST_SECONDS` sets the length of the burst (30 for the published figure).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use yeoul::file::FileSink;
use yeoul::frame::{Epoch, Frame, RowBuilder, RowKind};
use yeoul::operator::{
    Chaining, Committer, Context, InputId, JobGraph, Node, NodeKind, Operator, OperatorError, OutputId, Partitioning,
    SealedOutput, Services, SinkSpec, Snapshot, Source, WatermarkSpec,
};
use yeoul::record;
use yeoul::runtime::spawn;
use yeoul_bench::disk::syncs;
use yeoul_bench::hiccup::hiccups;
use yeoul_bench::histogram::Histogram;
use yeoul_bench::memory_source::Words;
use yeoul_bench::paced_source::{Backlog, PacedSource, Probe, Schedule};
use yeoul_bench::process::resident;
use yeoul_bench::run::{ByFirstWord, Count, config, time};

const KEYS: u64 = 100_000;

fn node(uid: &str, kind: NodeKind) -> Node {
    Node { uid: uid.to_owned(), name: uid.to_owned(), parallelism: None, chaining: Chaining::Always, kind }
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
    backlog: &Arc<Backlog>,
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
fn watched(begin: Instant, schedule: &Schedule, seconds: f64, backlog: &Arc<Backlog>) -> (JobGraph, Arc<Watched>) {
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
    let (begin, backlog) = (Instant::now(), Arc::<Backlog>::default());
    let (graph, watched) = watched(begin, &schedule, seconds, &backlog);
    let before = resident();
    let folder = tempfile::tempdir().expect("a folder for checkpoints");
    let settings = config(2, Some(folder.path().join("data")), Some(Duration::from_secs(1)));
    let job = spawn(graph, settings, Services::default());
    let (mut most, mut caught_up) = (before, None);
    while !job.has_ended() {
        most = most.max(resident());
        let now = begin.elapsed().as_secs_f64();
        if caught_up.is_none() && now > length + 1.0 && backlog.records() < 2048 {
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

/// What the sink writes of a record.
#[record]
struct Due {
    key: u64,
    moment: u64,
}

/// The moments at which an epoch's records were due, by epoch, until they are visible.
type Moments = Arc<Mutex<BTreeMap<Epoch, Vec<u64>>>>;

/// Makes of a record what the sink writes, and notes when it was due.
struct NoteMoments {
    since: Vec<u64>,
    moments: Moments,
}

impl Operator for NoteMoments {
    fn process(&mut self, _input: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let mut out = RowBuilder::<Due>::new(cx.pool(), frame.len());
        let rows = frame.rows::<Words>();
        for (row, words) in rows.iter() {
            let due = Due { key: words[0].to_native(), moment: words[1].to_native() };
            self.since.push(due.moment);
            out.push(&due, rows.time(row), RowKind::Insert).expect("as many as came in");
        }
        cx.emit(OutputId::MAIN, out.finish());
        Ok(())
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        let mut moments = self.moments.lock().expect("no committer panics");
        moments.entry(snapshot.epoch).or_default().append(&mut self.since);
        Ok(())
    }
}

/// The file sink's committer; notes how late each record is when its delivery is over.
struct Noted {
    inner: Box<dyn Committer>,
    begin: Instant,
    moments: Moments,
    result: Arc<Mutex<Histogram>>,
}

impl Committer for Noted {
    fn recover(&mut self, services: &Services, committed: Epoch) -> Result<Epoch, OperatorError> {
        self.inner.recover(services, committed)
    }

    fn deliver(&mut self, epoch: Epoch, outputs: &[SealedOutput]) -> Result<(), OperatorError> {
        self.inner.deliver(epoch, outputs)?;
        let now = self.begin.elapsed().as_nanos() as u64;
        let mut moments = self.moments.lock().expect("no operator panics");
        let later = moments.split_off(&epoch.next());
        let mut result = self.result.lock().expect("no probe panics");
        for moment in std::mem::replace(&mut *moments, later).into_values().flatten() {
            result.add(now.saturating_sub(moment), 1);
        }
        Ok(())
    }

    fn retained_from(&self, delivered: Epoch) -> Epoch {
        self.inner.retained_from(delivered)
    }

    fn finish(&mut self) -> Result<(), OperatorError> {
        self.inner.finish()
    }
}

/// From due to visible in the folder of the file sink, each epoch a part that is synced and renamed.
fn visible() {
    let schedule: Schedule = Arc::new(|seconds| (seconds * 5_000.0) as u64);
    let (begin, result, moments) = (Instant::now(), Arc::new(Mutex::new(Histogram::default())), Moments::default());
    let (mut graph, count) = paced(begin, &schedule, 10.0, &Arc::default());
    let folder = tempfile::tempdir().expect("a folder for checkpoints");
    let noted = moments.clone();
    let note =
        Arc::new(move || Box::new(NoteMoments { since: Vec::new(), moments: noted.clone() }) as Box<dyn Operator>);
    let note = graph.add(node("note", NodeKind::Operator { make: note }));
    graph.connect(count, OutputId::MAIN, note, InputId(0), Partitioning::Forward);
    let sink = FileSink::csv::<Due>(folder.path().join("out").to_string_lossy());
    let (inner, seen) = (sink.committer(), result.clone());
    let committer = Arc::new(move || {
        Box::new(Noted { inner: inner(), begin, moments: moments.clone(), result: seen.clone() }) as Box<dyn Committer>
    });
    let sink = graph.add(node("sink", NodeKind::Sink { make: sink.make(), committer }));
    graph.connect(note, OutputId::MAIN, sink, InputId(0), Partitioning::Forward);
    let _ = time(graph, config(2, Some(folder.path().join("data")), Some(Duration::from_millis(10))));
    println!("visible/limit: one fdatasync of 4 KiB appended: {}", syncs(folder.path()).summary());
    println!(
        "visible/checkpoints every 10 ms, 10,000 records/s, parts of the file sink: {}",
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
