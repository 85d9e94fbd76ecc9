//! From starting a job whose state holds ten million keys to its first output. To reach: 500 ms on two shards; the limit is reading the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use yeoul::frame::Frame;
use yeoul::operator::{
    Chaining, Context, InputId, JobGraph, Node, NodeKind, Operator, OperatorError, OutputId, Partitioning, Services,
    Source, WatermarkSpec,
};
use yeoul::runtime::spawn;
use yeoul::state::StateTable;
use yeoul_bench::memory_source::{MemorySource, frames_of, frames_of_words};
use yeoul_bench::run::{ByFirstWord, Count, config};

const KEYS: u64 = 10_000_000;

/// Counts, and notes when its first frame has been counted.
struct FirstOutput {
    count: Count,
    begun: Instant,
    first: Arc<AtomicU64>,
}

impl Operator for FirstOutput {
    fn process(&mut self, input: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        self.count.process(input, frame, cx)?;
        let now = self.begun.elapsed().as_nanos() as u64;
        let _ = self.first.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        Ok(())
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        self.count.tables(visit);
    }
}

fn job(frames: &Arc<[Frame]>, records: u64, begun: Instant, first: &Arc<AtomicU64>) -> JobGraph {
    let (frames, first) = (frames.clone(), first.clone());
    let source = Arc::new(move || Box::new(MemorySource::new(frames.clone(), records)) as Box<dyn Source>);
    let mut graph = JobGraph { name: "restore".to_owned(), ..JobGraph::default() };
    let node = |uid: &str, kind| Node {
        uid: uid.to_owned(),
        name: uid.to_owned(),
        parallelism: None,
        chaining: Chaining::Always,
        kind,
    };
    let from = graph.add(node("memory", NodeKind::Source { make: source, watermarks: WatermarkSpec::default() }));
    let make = Arc::new(move || {
        Box::new(FirstOutput { count: Count::default(), begun, first: first.clone() }) as Box<dyn Operator>
    });
    let to = graph.add(node("count", NodeKind::Operator { make }));
    graph.connect(from, OutputId::MAIN, to, InputId(0), Partitioning::Hash(Arc::new(ByFirstWord)));
    graph
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder for checkpoints");
    let data = || Some(folder.path().join("data"));
    // Each key once, in an order without pattern: the two sources read a half each.
    let frames = frames_of(KEYS, |at| at);
    let run = |frames: &Arc<[Frame]>, records| {
        let (begun, first) = (Instant::now(), Arc::new(AtomicU64::new(0)));
        let settings = config(2, data(), Some(Duration::from_secs(3600)));
        if let Err(error) = spawn(job(frames, records, begun, &first), settings, Services::default()).wait() {
            panic!("{error}");
        }
        Duration::from_nanos(first.load(Ordering::Relaxed))
    };
    run(&frames, KEYS / 2);
    drop(frames);
    let few = frames_of_words(1024, KEYS);
    let bytes: u64 = std::fs::read_dir(folder.path().join("data"))
        .expect("the data folder")
        .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()))
        .sum();
    let mut took: Vec<Duration> = (0..5).map(|_| run(&few, 1024)).collect();
    took.sort();
    // The log was just written and lies in the page cache, as it does for the job.
    let begun = Instant::now();
    let read: usize = std::fs::read_dir(folder.path().join("data"))
        .expect("the data folder")
        .map(|entry| std::fs::read(entry.expect("a file").path()).expect("its bytes").len())
        .sum();
    println!("restore/limit: {} MiB of files read by one thread: {:.0?}", read >> 20, begun.elapsed());
    println!(
        "restore/{KEYS} keys, {} MiB of log, 2 shards: first output after {:.0?} (median of 5)",
        bytes >> 20,
        took[2]
    );
}
