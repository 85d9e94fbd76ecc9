//! A small job: numbers, counted by key, delivered as lines of text.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use yeoul_frame::{Epoch, Frame, KeyHash, OperatorId, RowBuilder, RowKind, Timestamp, hash_u64};
use yeoul_operator::{
    Chaining, Committer, Context, InputId, JobGraph, Node, NodeKind, OpenContext, Operator, OperatorError, OutputId,
    Partitioning, Progress, Router, SealedOutput, Services, Snapshot, Source, SourceContext, SourcePoll, SplitId,
    Strategy, Subtask, WatermarkSpec,
};
use yeoul_runtime::{JobConfig, RestartStrategy};
use yeoul_state::{StateTable, Table};

pub(crate) const SPLITS: u64 = 4;
pub(crate) const PER_SPLIT: u64 = 20_000;
pub(crate) const KEYS: u64 = 257;

/// Emits `split * PER_SPLIT + n` for the splits it owns, some records a poll.
pub(crate) struct Numbers {
    positions: BTreeMap<u64, u64>,
    turn: u64,
}

impl Numbers {
    pub(crate) fn new() -> Self {
        Self { positions: BTreeMap::new(), turn: 0 }
    }
}

impl Source for Numbers {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let Subtask { index, parallelism } = cx.subtask;
        self.positions = (0..SPLITS).filter(|id| SplitId(*id).owner(parallelism) == index).map(|id| (id, 0)).collect();
        Ok(())
    }

    fn poll(&mut self, cx: &mut SourceContext<'_>) -> Result<SourcePoll, OperatorError> {
        self.turn += 1;
        let open: Vec<u64> = self.positions.iter().filter(|(_, at)| **at < PER_SPLIT).map(|(id, _)| *id).collect();
        let Some(id) = open.get((self.turn % open.len().max(1) as u64) as usize).copied() else {
            return Ok(SourcePoll::End);
        };
        let at = self.positions.get_mut(&id).expect("an owned split");
        let mut rows = RowBuilder::<u64>::new(cx.pool(), 1024);
        for _ in 0..100.min(PER_SPLIT - *at) {
            rows.push(&(id * PER_SPLIT + *at), Timestamp(*at as i64), RowKind::Insert).expect("room for 100");
            *at += 1;
        }
        cx.emit(SplitId(id), rows.finish());
        if *at == PER_SPLIT {
            cx.finished(SplitId(id));
        }
        Ok(SourcePoll::Ready)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        let bytes = self.positions.iter().flat_map(|(id, at)| [id.to_le_bytes(), at.to_le_bytes()]).flatten().collect();
        snapshot.state("positions", bytes);
        Ok(())
    }

    fn restore(&mut self, _name: &str, _from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        for pair in bytes.chunks(16) {
            let id = u64::from_le_bytes(pair[..8].try_into().unwrap());
            if let Some(at) = self.positions.get_mut(&id) {
                *at = u64::from_le_bytes(pair[8..].try_into().unwrap());
            }
        }
        Ok(())
    }
}

pub(crate) struct ByKey;

impl Router for ByKey {
    fn hash(&self, frame: &Frame, hashes: &mut Vec<KeyHash>) {
        hashes.extend(frame.rows::<u64>().iter().map(|(_, n)| hash_u64(n.to_native() % KEYS)));
    }
}

/// What a test does to the counting operator while it runs.
pub(crate) type Meddle = Arc<dyn Fn(u64) -> Result<(), OperatorError> + Send + Sync>;

/// Counts by key; emits (key, count) for each at the end of event time.
pub(crate) struct Count {
    table: Table<u64, u64>,
    out: Vec<(u64, u64)>,
    started: bool,
    seen: Arc<AtomicU64>,
    meddle: Meddle,
}

impl Count {
    pub(crate) fn new(seen: Arc<AtomicU64>, meddle: Meddle) -> Self {
        let table = Table::new(OperatorId::of("count").table("counts"), "counts");
        Self { table, out: Vec::new(), started: false, seen, meddle }
    }
}

impl Operator for Count {
    fn process(&mut self, _input: InputId, frame: &Frame, _cx: &mut Context<'_>) -> Result<(), OperatorError> {
        (self.meddle)(self.seen.fetch_add(frame.len() as u64, Ordering::Relaxed))?;
        let hashes = frame.hashes().expect("the exchange gives hashes");
        for ((_, n), hash) in frame.rows::<u64>().iter().zip(hashes) {
            *self.table.upsert(&(n.to_native() % KEYS), *hash, || 0) += 1;
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        if watermark < Timestamp::MAX {
            return Ok(Progress::Done);
        }
        if !std::mem::replace(&mut self.started, true) {
            self.out = self.table.iter().map(|(key, count)| (*key, *count)).collect();
        }
        while cx.has_room() && !self.out.is_empty() {
            let mut rows = RowBuilder::<(u64, u64)>::new(cx.pool(), 1024);
            for pair in self.out.drain(self.out.len().saturating_sub(7)..) {
                rows.push(&pair, Timestamp(0), RowKind::Insert).expect("room for 7");
            }
            cx.emit(OutputId::MAIN, rows.finish());
        }
        Ok(if self.out.is_empty() { Progress::Done } else { Progress::More })
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        visit(&mut self.table);
    }
}

/// Passes everything on as text to its committer.
#[derive(Default)]
pub(crate) struct Lines(Vec<u8>);

impl Operator for Lines {
    fn process(&mut self, _input: InputId, frame: &Frame, _cx: &mut Context<'_>) -> Result<(), OperatorError> {
        for (_, row) in frame.rows::<(u64, u64)>().iter() {
            self.0.extend(format!("{} {}\n", row.0.to_native(), row.1.to_native()).bytes());
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

/// What the outside holds: lines and the marker, set together.
pub(crate) type Outside = Arc<Mutex<(Epoch, Vec<String>)>>;

pub(crate) struct Deliver(pub(crate) Outside);

impl Committer for Deliver {
    fn recover(&mut self, _services: &Services, committed: Epoch) -> Result<Epoch, OperatorError> {
        let marker = self.0.lock().unwrap().0;
        assert!(marker <= committed, "output was delivered before its epoch was committed");
        Ok(marker)
    }

    fn deliver(&mut self, epoch: Epoch, outputs: &[SealedOutput]) -> Result<(), OperatorError> {
        let mut outside = self.0.lock().unwrap();
        assert!(epoch > outside.0, "an epoch was delivered twice");
        outside.0 = epoch;
        for output in outputs {
            outside.1.extend(String::from_utf8(output.bytes.to_vec()).unwrap().lines().map(str::to_owned));
        }
        Ok(())
    }
}

pub(crate) fn node(uid: &str, kind: NodeKind) -> Node {
    Node { uid: uid.to_owned(), name: uid.to_owned(), parallelism: None, chaining: Chaining::Always, kind }
}

pub(crate) fn graph(outside: &Outside, meddle: Meddle) -> JobGraph {
    let mut graph = JobGraph { name: "counts".to_owned(), ..JobGraph::default() };
    let watermarks = WatermarkSpec { strategy: Strategy::Monotonous, granularity: 50, ..WatermarkSpec::default() };
    let numbers =
        graph.add(node("numbers", NodeKind::Source { make: Arc::new(|| Box::new(Numbers::new())), watermarks }));
    let seen = Arc::new(AtomicU64::new(0));
    let make = Arc::new(move || Box::new(Count::new(seen.clone(), meddle.clone())) as Box<dyn Operator>);
    let count = graph.add(node("count", NodeKind::Operator { make }));
    let outside = outside.clone();
    let sink = graph.add(node(
        "sink",
        NodeKind::Sink {
            make: Arc::new(|| Box::<Lines>::default()),
            committer: Arc::new(move || Box::new(Deliver(outside.clone()))),
        },
    ));
    graph.connect(numbers, OutputId::MAIN, count, InputId(0), Partitioning::Hash(Arc::new(ByKey)));
    graph.connect(count, OutputId::MAIN, sink, InputId(0), Partitioning::Forward);
    graph
}

/// Gives on what comes; counts its instances that are open.
pub(crate) struct Pass(pub(crate) Arc<AtomicI64>);

impl Operator for Pass {
    fn open(&mut self, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        cx.emit(OutputId::MAIN, frame.clone());
        Ok(())
    }

    fn close(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// As [`graph`], with a [`Pass`] between the source and the counts.
pub(crate) fn graph_with_pass(outside: &Outside, meddle: Meddle, open: &Arc<AtomicI64>) -> JobGraph {
    let mut graph = graph(outside, meddle);
    let open = open.clone();
    let pass = graph.add(node("pass", NodeKind::Operator { make: Arc::new(move || Box::new(Pass(open.clone()))) }));
    let numbers = std::mem::replace(&mut graph.edges[0].from, pass);
    graph.connect(numbers, OutputId::MAIN, pass, InputId(0), Partitioning::Forward);
    graph
}

pub(crate) fn config(shards: u16) -> JobConfig {
    JobConfig {
        shards,
        checkpoint_interval: Some(Duration::from_millis(2)),
        restart: RestartStrategy::FixedDelay { attempts: 3, delay: Duration::from_millis(1) },
        pin: false,
        ..JobConfig::default()
    }
}

/// What the outside must hold in the end, sorted.
pub(crate) fn expected() -> Vec<String> {
    let mut counts = BTreeMap::<u64, u64>::new();
    for n in 0..SPLITS * PER_SPLIT {
        *counts.entry(n % KEYS).or_default() += 1;
    }
    let mut lines: Vec<String> = counts.iter().map(|(key, count)| format!("{key} {count}")).collect();
    lines.sort();
    lines
}

pub(crate) fn delivered(outside: &Outside) -> Vec<String> {
    let mut lines = outside.lock().unwrap().1.clone();
    lines.sort();
    lines
}
