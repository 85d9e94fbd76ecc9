//! State that is larger than its memory: it is evicted and the result is right, or the job ends with an error that says what holds it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use yeoul_frame::{Frame, KeyHash, OperatorId, RowBuilder, RowKind, Timestamp, hash_u64};
use yeoul_operator::{
    Context, InputId, JobGraph, NodeKind, OpenContext, Operator, OperatorError, OutputId, Partitioning, Progress,
    Router, Services, Snapshot, Source, SourceContext, SourcePoll, Strategy, Subtask, WatermarkSpec,
};
use yeoul_runtime::{JobConfig, JobError, Outcome, spawn};
use yeoul_state::{StateTable, Table, Value};

use crate::parts::{Deliver, Lines, Meddle, Numbers, Outside, PER_SPLIT, SPLITS, config, delivered, node};

/// Polls of the source between two checkpoints, each of 100 records: so that there are many, however fast the machine is.
const POLLS_AN_EPOCH: u32 = 20;
/// Records of a key, which come one after the other.
const RUN: u64 = 8;

/// Numbers, some of them after each checkpoint.
struct Metered {
    numbers: Numbers,
    left: u32,
    /// It has no more to give and does not end.
    halted: Arc<AtomicBool>,
}

impl Source for Metered {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.numbers.open(cx)
    }

    fn poll(&mut self, cx: &mut SourceContext<'_>) -> Result<SourcePoll, OperatorError> {
        if self.left == 0 || self.halted.load(Ordering::Relaxed) {
            return Ok(SourcePoll::Pending { until: Some(Timestamp(0)) });
        }
        self.left -= 1;
        self.numbers.poll(cx)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        self.left = POLLS_AN_EPOCH;
        self.numbers.snapshot(snapshot)
    }

    fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        self.numbers.restore(name, from, bytes)
    }
}

struct ByRun;

impl Router for ByRun {
    fn hash(&self, frame: &Frame, hashes: &mut Vec<KeyHash>) {
        hashes.extend(frame.rows::<u64>().iter().map(|(_, n)| hash_u64(n.to_native() / RUN)));
    }
}

/// What a test keeps for a key, and what it amounts to.
trait Kept: Value {
    fn add(&mut self, n: u64);
    fn sum(&self) -> u64;
}

/// 640 bytes on the heap.
impl Kept for String {
    fn add(&mut self, n: u64) {
        self.push_str(&format!("{n:>80}"));
    }

    fn sum(&self) -> u64 {
        self.split_ascii_whitespace().map(|n| n.parse::<u64>().unwrap()).sum()
    }
}

/// 640 bytes in the slot.
impl Kept for [u64; 80] {
    fn add(&mut self, n: u64) {
        self[(n % 80) as usize] += n;
    }

    fn sum(&self) -> u64 {
        self.iter().sum()
    }
}

struct Keep<V> {
    table: Table<u64, V>,
    out: Vec<(u64, u64)>,
    started: bool,
    seen: Arc<AtomicU64>,
    meddle: Meddle,
}

impl<V: Kept> Operator for Keep<V> {
    fn process(&mut self, _: InputId, frame: &Frame, _: &mut Context<'_>) -> Result<(), OperatorError> {
        (self.meddle)(self.seen.fetch_add(frame.len() as u64, Ordering::Relaxed))?;
        let hashes = frame.hashes().expect("the exchange gives hashes");
        for ((_, n), hash) in frame.rows::<u64>().iter().zip(hashes) {
            self.table.upsert(&(n.to_native() / RUN), *hash, V::vacant).add(n.to_native());
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        if watermark < Timestamp::MAX {
            return Ok(Progress::Done);
        }
        if !std::mem::replace(&mut self.started, true) {
            self.out = self.table.iter().map(|(key, kept)| (*key, kept.sum())).collect();
        }
        while cx.has_room() && !self.out.is_empty() {
            let mut rows = RowBuilder::<(u64, u64)>::new(cx.pool(), 1024);
            for pair in self.out.drain(self.out.len().saturating_sub(500)..) {
                rows.push(&pair, Timestamp(0), RowKind::Insert).expect("room for 500");
            }
            cx.emit(OutputId::MAIN, rows.finish());
        }
        Ok(if self.out.is_empty() { Progress::Done } else { Progress::More })
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        visit(&mut self.table);
    }
}

fn graph<V: Kept>(outside: &Outside, meddle: Meddle, halted: &Arc<AtomicBool>) -> JobGraph {
    let mut graph = JobGraph { name: "kept".to_owned(), ..JobGraph::default() };
    let watermarks = WatermarkSpec { strategy: Strategy::Monotonous, granularity: 50, ..WatermarkSpec::default() };
    let halted = halted.clone();
    let metered = move || Metered { numbers: Numbers::new(), left: POLLS_AN_EPOCH, halted: halted.clone() };
    let make = Arc::new(move || Box::new(metered()) as Box<dyn Source>);
    let numbers = graph.add(node("numbers", NodeKind::Source { make, watermarks }));
    let seen = Arc::new(AtomicU64::new(0));
    let keep = move || Keep::<V> {
        table: Table::new(OperatorId::of("keep").table("kept"), "kept"),
        out: Vec::new(),
        started: false,
        seen: seen.clone(),
        meddle: meddle.clone(),
    };
    let make = Arc::new(move || Box::new(keep()) as Box<dyn Operator>);
    let keep = graph.add(node("keep", NodeKind::Operator { make }));
    let outside = outside.clone();
    let sink = graph.add(node(
        "sink",
        NodeKind::Sink {
            make: Arc::new(|| Box::<Lines>::default()),
            committer: Arc::new(move || Box::new(Deliver(outside.clone()))),
        },
    ));
    graph.connect(numbers, OutputId::MAIN, keep, InputId(0), Partitioning::Hash(Arc::new(ByRun)));
    graph.connect(keep, OutputId::MAIN, sink, InputId(0), Partitioning::Forward);
    graph
}

fn expected() -> Vec<String> {
    let mut sums = BTreeMap::<u64, u64>::new();
    (0..SPLITS * PER_SPLIT).for_each(|n| *sums.entry(n / RUN).or_default() += n);
    let mut lines: Vec<String> = sums.iter().map(|(key, sum)| format!("{key} {sum}")).collect();
    lines.sort();
    lines
}

/// Texts take 6.4 MB beside their table's 1.4 MB. Nothing slows the job down but the source, so a limit has room for one epoch.
const LIMIT: usize = 3 << 20;

#[test]
fn texts_of_three_times_the_limit_are_evicted_and_read_again() {
    for (shards, memory, fails) in
        [(1, LIMIT, false), (2, LIMIT, false), (1, LIMIT, true), (2, LIMIT, true), (1, usize::MAX, false)]
    {
        let data = tempfile::tempdir().unwrap();
        let outside = Outside::default();
        let failed = AtomicBool::new(!fails);
        let meddle = move |seen| {
            if seen > SPLITS * PER_SPLIT * 3 / 4 && !failed.swap(true, Ordering::Relaxed) {
                return Err(OperatorError::new("a planted failure"));
            }
            Ok(())
        };
        let config =
            JobConfig { data: Some(data.path().to_owned()), state_memory: memory, evict_percent: 50, ..config(shards) };
        let job = spawn(graph::<String>(&outside, Arc::new(meddle), &Arc::default()), config, Services::default());
        let watch = job.watch().clone();
        assert_eq!(job.wait().unwrap(), Outcome::Finished, "{shards} shards, {memory} bytes");
        assert_eq!(delivered(&outside), expected(), "{shards} shards, {memory} bytes");
        assert!(watch.checkpoints().completed > 10, "{} checkpoints", watch.checkpoints().completed);
        assert_eq!(watch.attempts(), 1 + u32::from(fails), "{:?}", watch.last_failure());
    }
}

#[test]
fn state_that_cannot_be_evicted_ends_the_job_and_is_named() {
    for (shards, keeps) in [(1, true), (2, true), (1, false)] {
        let data = tempfile::tempdir().unwrap();
        let outside = Outside::default();
        let config = JobConfig { data: keeps.then(|| data.path().to_owned()), state_memory: LIMIT, ..config(shards) };
        let job =
            spawn(graph::<[u64; 80]>(&outside, Arc::new(|_| Ok(())), &Arc::default()), config, Services::default());
        let watch = job.watch().clone();
        let error = job.wait().unwrap_err();
        assert!(matches!(error, JobError::Settings(_)), "{error}");
        let text = error.to_string();
        for part in [&format!("/{shards})', state 'kept': "), "state_memory of 3.00 MiB", "hint: raise state_memory"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(watch.attempts(), 1, "another attempt would end no better");
    }
}

/// The job has no more input and does not end, so nothing but the reading of what it wrote can end it.
#[test]
fn decay_of_an_idle_jobs_log_is_found_and_ends_it() {
    let data = tempfile::tempdir().unwrap();
    let halted = Arc::<AtomicBool>::default();
    let config = JobConfig {
        data: Some(data.path().to_owned()),
        log_segment_bytes: 64 << 10,
        scrub_interval: Some(Duration::from_millis(20)),
        ..config(1)
    };
    let job = spawn(graph::<String>(&Outside::default(), Arc::new(|_| Ok(())), &halted), config, Services::default());
    while job.watch().checkpoints().completed < 10 {
        std::thread::yield_now();
    }
    halted.store(true, Ordering::Relaxed);
    let passes = job.watch().scrub().passes;
    while job.watch().scrub().passes < passes + 2 && !job.has_ended() {
        std::thread::yield_now();
    }
    let names = std::fs::read_dir(data.path()).unwrap().map(|entry| entry.unwrap().path());
    let oldest = names.filter(|path| path.extension().is_some_and(|of| of == "log")).min().unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&oldest).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"decay", 100).unwrap();
    let error = job.wait().unwrap_err();
    assert!(matches!(error, JobError::Corrupt(_)), "{error}");
    let name = oldest.file_name().unwrap().to_str().unwrap();
    assert!(error.to_string().contains(name) && error.to_string().contains("for decay"), "{error}");
}
