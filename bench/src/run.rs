//! Builds the job that most figures are about (memory source, keyed exchange, count, nothing) and times it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use yeoul::JobConfig;
use yeoul::frame::{Frame, KeyHash, OperatorId, hash_u64};
use yeoul::operator::{
    Chaining, Context, InputId, JobGraph, Node, NodeKind, Operator, OperatorError, OutputId, Partitioning, Router,
    Services, Source, WatermarkSpec,
};
use yeoul::runtime::spawn;
use yeoul::state::{StateTable, Table};

use crate::memory_source::{MemorySource, Words};

/// Routes by the first word.
pub struct ByFirstWord;

impl Router for ByFirstWord {
    fn hash(&self, frame: &Frame, hashes: &mut Vec<KeyHash>) {
        let rows = frame.rows::<Words>();
        hashes.extend(rows.iter().map(|(_, words)| hash_u64(words[0].to_native())));
    }
}

/// Reads one word of each record, and no more: what an exchange costs by itself.
#[derive(Default)]
pub struct Touch(u64);

impl Operator for Touch {
    fn process(&mut self, _input: InputId, frame: &Frame, _cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let rows = frame.rows::<Words>();
        self.0 = rows.iter().fold(self.0, |sum, (_, words)| sum.wrapping_add(words[1].to_native()));
        std::hint::black_box(self.0);
        Ok(())
    }
}

/// Counts by the first word.
pub struct Count {
    table: Table<u64, u64>,
    keys: Vec<u64>,
    hashes: Vec<KeyHash>,
}

impl Default for Count {
    fn default() -> Self {
        Self { table: Table::new(OperatorId::of("count").table("n"), "n"), keys: Vec::new(), hashes: Vec::new() }
    }
}

impl Operator for Count {
    fn process(&mut self, _input: InputId, frame: &Frame, _cx: &mut Context<'_>) -> Result<(), OperatorError> {
        self.keys.clear();
        self.keys.extend(frame.rows::<Words>().iter().map(|(_, words)| words[0].to_native()));
        self.hashes.clear();
        match frame.hashes() {
            Some(hashes) => self.hashes.extend_from_slice(hashes),
            None => self.hashes.extend(self.keys.iter().map(|key| hash_u64(*key))),
        }
        self.table.upsert_batch(&self.keys, &self.hashes, || 0, |_, count| *count += 1);
        Ok(())
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        visit(&mut self.table);
    }
}

/// Memory source → exchange by key → `make`.
#[must_use]
pub fn keyed_job<O: Operator + Default + 'static>(frames: &Arc<[Frame]>, records_per_source: u64) -> JobGraph {
    let frames = frames.clone();
    let source = Arc::new(move || Box::new(MemorySource::new(frames.clone(), records_per_source)) as Box<dyn Source>);
    let mut graph = JobGraph { name: "bench".to_owned(), ..JobGraph::default() };
    let node = |uid: &str, kind| Node {
        uid: uid.to_owned(),
        name: uid.to_owned(),
        parallelism: None,
        chaining: Chaining::Always,
        kind,
    };
    let from = graph.add(node("memory", NodeKind::Source { make: source, watermarks: WatermarkSpec::default() }));
    let to = graph.add(node("count", NodeKind::Operator { make: Arc::new(|| Box::<O>::default()) }));
    graph.connect(from, OutputId::MAIN, to, InputId(0), Partitioning::Hash(Arc::new(ByFirstWord)));
    graph
}

/// Runs a job to its end.
///
/// # Panics
/// If it fails.
#[must_use]
pub fn time(graph: JobGraph, config: JobConfig) -> Duration {
    let start = Instant::now();
    let job = spawn(graph, config, Services::default());
    if let Err(error) = job.wait() {
        panic!("{error}");
    }
    start.elapsed()
}

/// A configuration with this many shards, a data folder or none, and this checkpoint interval.
#[must_use]
pub fn config(shards: u16, data: Option<PathBuf>, interval: Option<Duration>) -> JobConfig {
    JobConfig { shards, data, checkpoint_interval: interval, ..JobConfig::default() }
}
