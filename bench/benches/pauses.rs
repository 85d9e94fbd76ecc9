//! For how long a shard does nothing else because of a snapshot: ten million keys on two shards, one percent of them dirty in each epoch of a second.
//! To reach: p99 of at most 200 µs.
//!
//! The source has something to say at every step of its shard, so the time between two polls is all that the shard did in between: a slice
//! of the frozen list among it. What is shown is how long something that was due at any microsecond would have waited. The same job without checkpoints is the limit: it has the machine's own pauses.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use yeoul::frame::{RowBuilder, RowKind, Timestamp, hash_u64};
use yeoul::operator::{
    Chaining, InputId, JobGraph, Node, NodeKind, OpenContext, OperatorError, OutputId, Partitioning, Snapshot, Source,
    SourceContext, SourcePoll, SplitId, Subtask, WatermarkSpec,
};
use yeoul_bench::hiccup::hiccups;
use yeoul_bench::histogram::Histogram;
use yeoul_bench::memory_source::Words;
use yeoul_bench::run::{ByFirstWord, Count, config, time};

const KEYS: u64 = 10_000_000;
/// Of both instances, a second: one percent of the keys.
const RECORDS_PER_SECOND: f64 = 100_000.0;
const SECONDS: f64 = 15.0;
/// Nanoseconds between two moments at which something may be due.
const EVERY: u64 = 1000;
/// The keys' first epochs hold all of them; what follows is looked at.
const SETTLED: f64 = 5.0;

/// Each key once, then keys at random by the clock; notes the time from each moment to the next poll.
struct Watcher {
    instance: u64,
    emitted: u64,
    filled: Option<Instant>,
    polled: Instant,
    gaps: Histogram,
    result: Arc<Mutex<Histogram>>,
}

impl Watcher {
    fn emit(&mut self, count: u64, key_of: impl Fn(u64) -> u64, cx: &mut SourceContext<'_>) {
        let mut rows = RowBuilder::<Words>::new(cx.pool(), 1024);
        for _ in 0..count {
            rows.push(&[key_of(self.emitted), 0, 0, 0, 0, 0, 0, 0], Timestamp(0), RowKind::Insert).expect("it fits");
            self.emitted += 1;
        }
        cx.emit(SplitId(0), rows.finish());
    }
}

impl Source for Watcher {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.instance = u64::from(cx.subtask.index);
        Ok(())
    }

    fn poll(&mut self, cx: &mut SourceContext<'_>) -> Result<SourcePoll, OperatorError> {
        let half = KEYS / 2;
        let instance = self.instance;
        if self.emitted < half {
            self.emit(1024.min(half - self.emitted), |at| at * 2 + instance, cx);
            return Ok(SourcePoll::Ready);
        }
        let now = Instant::now();
        let since = (now - *self.filled.get_or_insert(now)).as_secs_f64();
        let gap = (now - self.polled).as_nanos() as u64;
        if gap >= EVERY {
            self.polled = now;
            if since > SETTLED {
                (0..gap).step_by(EVERY as usize).for_each(|late| self.gaps.add(gap - late, 1));
            }
        }
        if since > SECONDS {
            self.result.lock().expect("no source panics").merge(&self.gaps);
            self.gaps = Histogram::default();
            return Ok(SourcePoll::End);
        }
        let due = half + (since * RECORDS_PER_SECOND / 2.0) as u64;
        if due > self.emitted {
            self.emit(1024.min(due - self.emitted), |at| hash_u64(at * 2 + instance).0 % KEYS, cx);
        }
        Ok(SourcePoll::Ready)
    }

    fn snapshot(&mut self, _snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        Ok(())
    }

    fn restore(&mut self, _name: &str, _from: Subtask, _bytes: &[u8]) -> Result<(), OperatorError> {
        Ok(())
    }
}

fn pauses(interval: Option<Duration>) -> Histogram {
    let result: Arc<Mutex<Histogram>> = Arc::default();
    let seen = result.clone();
    let make = Arc::new(move || {
        let (polled, result) = (Instant::now(), seen.clone());
        Box::new(Watcher { instance: 0, emitted: 0, filled: None, polled, gaps: Histogram::default(), result })
            as Box<dyn Source>
    });
    let node = |uid: &str, kind| Node {
        uid: uid.to_owned(),
        name: uid.to_owned(),
        parallelism: None,
        chaining: Chaining::Always,
        kind,
    };
    let mut graph = JobGraph { name: "pauses".to_owned(), ..JobGraph::default() };
    let from = graph.add(node("watcher", NodeKind::Source { make, watermarks: WatermarkSpec::default() }));
    let to = graph.add(node("count", NodeKind::Operator { make: Arc::new(|| Box::<Count>::default()) }));
    graph.connect(from, OutputId::MAIN, to, InputId(0), Partitioning::Hash(Arc::new(ByFirstWord)));
    let folder = tempfile::tempdir().expect("a folder for checkpoints");
    let data = interval.map(|_| folder.path().join("data"));
    let _ = time(graph, config(2, data, interval));
    std::mem::take(&mut *result.lock().expect("no source panics"))
}

fn main() {
    let (without, with) = (pauses(None), pauses(Some(Duration::from_secs(1))));
    let text = |seen: &Histogram| seen.summary().replace("records", "moments");
    println!("pauses/limit: threads that only look at the clock, 5 s: {}", text(&hiccups(Duration::from_secs(5))));
    println!("pauses/limit: the same job without checkpoints: {}", text(&without));
    println!("pauses/1 % of 10 M keys dirty in each epoch of 1 s: {}", text(&with));
}
