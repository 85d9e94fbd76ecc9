//! An open-loop source: records are due by the clock, whether or not the job keeps up, and carry the moment at which they were due.
//!
//! So latencies are corrected for coordinated omission: a record that the job takes late counts with all of its delay.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use yeoul::frame::{RowBuilder, RowKind, Timestamp, hash_u64};
use yeoul::operator::{
    Context, InputId, OpenContext, Operator, OperatorError, Snapshot, Source, SourceContext, SourcePoll, SplitId,
    Subtask,
};

use crate::histogram::Histogram;
use crate::memory_source::Words;

/// How many records are due after a time.
pub type Schedule = Arc<dyn Fn(f64) -> u64 + Send + Sync>;

/// Emits what a schedule (records of one instance by seconds since `begin`) makes due, until `seconds` have passed.
pub struct PacedSource {
    begin: Instant,
    schedule: Schedule,
    seconds: f64,
    keys: u64,
    emitted: u64,
    instance: usize,
    backlog: Arc<Backlog>,
}

/// How many records are due and not taken yet, by instance.
#[derive(Default)]
pub struct Backlog([AtomicU64; 2]);

impl Backlog {
    /// Of all instances.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.0.iter().map(|of| of.load(Ordering::Relaxed)).sum()
    }
}

impl PacedSource {
    /// Of uniformly distributed keys below `keys`. `backlog` shows how many records are due and not taken yet; for two instances at most.
    #[must_use]
    pub fn new(begin: Instant, schedule: Schedule, seconds: f64, keys: u64, backlog: Arc<Backlog>) -> Self {
        Self { begin, schedule, seconds, keys, emitted: 0, instance: 0, backlog }
    }
}

impl Source for PacedSource {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.instance = usize::from(cx.subtask.index);
        Ok(())
    }

    fn poll(&mut self, cx: &mut SourceContext<'_>) -> Result<SourcePoll, OperatorError> {
        let elapsed = self.begin.elapsed();
        let due = (self.schedule)(elapsed.as_secs_f64().min(self.seconds));
        let waiting = due.saturating_sub(self.emitted);
        self.backlog.0[self.instance].store(waiting, Ordering::Relaxed);
        if waiting == 0 {
            if elapsed.as_secs_f64() >= self.seconds {
                return Ok(SourcePoll::End);
            }
            // Ready without records: it is polled again at once, as if data came by a socket that is looked at without pause.
            return Ok(SourcePoll::Ready);
        }
        let count = waiting.min(1024);
        // The moment at which the frame's first record was due stands for all of it: never later than a record's own.
        let due_at = due_time(&self.schedule, self.emitted + 1, elapsed.as_secs_f64());
        let mut rows = RowBuilder::<Words>::new(cx.pool(), 1024);
        for _ in 0..count {
            let key = ((u128::from(hash_u64(self.emitted).0) * u128::from(self.keys)) >> 64) as u64;
            let row: Words = [key, (due_at * 1e9) as u64, 0, 0, 0, 0, 0, 0];
            rows.push(&row, Timestamp(elapsed.as_millis() as i64), RowKind::Insert).expect("1,024 rows fit");
            self.emitted += 1;
        }
        cx.emit(SplitId(0), rows.finish());
        Ok(SourcePoll::Ready)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        snapshot.state("emitted", self.emitted.to_le_bytes().to_vec());
        Ok(())
    }

    fn restore(&mut self, _name: &str, _from: Subtask, _bytes: &[u8]) -> Result<(), OperatorError> {
        Ok(())
    }
}

/// When the schedule reached `count`, by bisection.
fn due_time(schedule: &Schedule, count: u64, now: f64) -> f64 {
    let (mut low, mut high) = (0.0, now);
    for _ in 0..30 {
        let middle = f64::midpoint(low, high);
        if schedule(middle) >= count { high = middle } else { low = middle }
    }
    high
}

/// Notes how long after it was due each record arrives here.
pub struct Probe {
    begin: Instant,
    /// From this second on.
    from: f64,
    histogram: Histogram,
    result: Arc<std::sync::Mutex<Histogram>>,
}

impl Probe {
    /// Adds what it saw to `result` when it is closed.
    #[must_use]
    pub fn new(begin: Instant, from: f64, result: Arc<std::sync::Mutex<Histogram>>) -> Self {
        Self { begin, from, histogram: Histogram::default(), result }
    }
}

impl Operator for Probe {
    fn process(
        &mut self,
        _input: InputId,
        frame: &yeoul::frame::Frame,
        _cx: &mut Context<'_>,
    ) -> Result<(), OperatorError> {
        let now = self.begin.elapsed();
        if now.as_secs_f64() >= self.from {
            for (_, words) in frame.rows::<Words>().iter() {
                self.histogram.add((now.as_nanos() as u64).saturating_sub(words[1].to_native()), 1);
            }
        }
        Ok(())
    }

    fn close(&mut self) {
        self.result.lock().expect("no probe panics").merge(&self.histogram);
    }
}
