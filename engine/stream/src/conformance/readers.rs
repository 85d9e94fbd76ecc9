//! All instances of a source in one run, polled in turn under a clock that the test sets.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use yeoul_frame::{Epoch, KeyGroups, OperatorId, OwnedRecord, Pool, Timestamp};
use yeoul_operator::source::SourceItem;
use yeoul_operator::{
    Counters, ERROR_OUTPUT, MakeSource, OpenContext, OperatorError, Services, Snapshot, Source, SourceContext,
    SourcePoll, SplitId, Subtask, Waker,
};

use super::frames::{ROWS, records};
use super::rule::guard;
use super::{Rule, Violation};

/// So many polls in a row may say that there is more and give nothing: what is passed over takes turns too.
const IDLE_POLLS: u32 = 1_000;

/// So many times in a row all instances may wait for a time, and give nothing once it has come.
const IDLE_WAITS: u32 = 10_000;

/// The clock of all runs: it goes on over crashes.
pub(super) type Clock = Rc<Cell<Timestamp>>;

/// What all instances noted.
pub(super) type Noted = Vec<(Subtask, String, Vec<u8>)>;

/// What came of a source so far.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen<T> {
    pub(super) splits: BTreeMap<SplitId, Vec<T>>,
    pub(super) errors: usize,
    watermarks: BTreeMap<SplitId, Timestamp>,
    /// The first watermark that fell. Told after all else: records that come again bring their watermarks with them.
    pub(super) fallen: Option<Violation>,
}

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self { splits: BTreeMap::new(), errors: 0, watermarks: BTreeMap::new(), fallen: None }
    }
}

impl<T> Seen<T> {
    pub(super) fn count(&self) -> usize {
        self.splits.values().map(Vec::len).sum()
    }
}

/// Rings when a waker is called.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    rings: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.rings.notify_all();
    }

    /// Whether it rang before patience was at its end.
    fn wait(&self, patience: Duration) -> bool {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.rings.wait_timeout_while(rung, patience, |rung| !*rung);
        std::mem::take(&mut *waited.unwrap_or_else(PoisonError::into_inner).0)
    }
}

/// How an instance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Reads,
    Waits(Option<Timestamp>),
    Ended,
}

struct Instance {
    source: Box<dyn Source>,
    subtask: Subtask,
    counters: Arc<Counters>,
    standing: Standing,
    idle_polls: u32,
}

/// A run of a source.
pub(super) struct Readers {
    instances: Vec<Instance>,
    pool: Pool,
    clock: Clock,
    turn: usize,
    idle_waits: u32,
    bell: Arc<Bell>,
    patience: Duration,
}

impl Readers {
    /// Opens all instances and gives them what an earlier run noted.
    pub(super) fn open(
        make: &MakeSource,
        limit: Option<u16>,
        parallelism: u16,
        noted: &Noted,
        clock: &Clock,
        patience: Duration,
    ) -> Result<Self, Violation> {
        let parallelism = limit.unwrap_or(parallelism).clamp(1, parallelism);
        let bell = Arc::<Bell>::default();
        let pool = Pool::new().with_frame_rows(ROWS);
        let mut instances = Vec::new();
        for index in 0..parallelism {
            let subtask = Subtask { index, parallelism };
            let mut source = opened(make, subtask, &pool, &bell)?;
            for (from, name, bytes) in noted {
                works("restore", guard("restore", || source.source.restore(name, *from, bytes))?)?;
            }
            instances.push(source);
        }
        Ok(Self { instances, pool, clock: Rc::clone(clock), turn: 0, idle_waits: 0, bell, patience })
    }

    /// Polls the next instance that may have something. False once all have ended, or wait and `may_rest` says that this is enough.
    pub(super) fn step<T: OwnedRecord>(
        &mut self,
        seen: &mut Seen<T>,
        may_rest: impl Fn(&Seen<T>) -> bool,
    ) -> Result<bool, Violation> {
        let count = self.instances.len();
        let next = (self.turn..self.turn + count).map(|at| at % count);
        if let Some(at) = next.clone().find(|at| self.instances[*at].standing == Standing::Reads) {
            self.turn = at + 1;
            self.poll(at, seen)?;
            return Ok(true);
        }
        let waits = |instance: &Instance| match instance.standing {
            Standing::Waits(until) => Some(until),
            Standing::Reads | Standing::Ended => None,
        };
        let untils: Vec<_> = self.instances.iter().filter_map(waits).collect();
        if untils.is_empty() || may_rest(seen) {
            return Ok(false);
        }
        self.idle_waits += 1;
        if self.idle_waits > IDLE_WAITS {
            let what = format!("after {} records it waits again and again, and nothing comes", seen.count());
            return Err(Violation::new(Rule::WakesUp, what));
        }
        match untils.iter().flatten().min() {
            Some(until) => self.clock.set(self.clock.get().max(*until)),
            None if self.bell.wait(self.patience) => {}
            None => {
                let what = format!("after {} records it waits without a time, and no waker was called", seen.count());
                return Err(Violation::new(Rule::WakesUp, what));
            }
        }
        for instance in &mut self.instances {
            if let Standing::Waits(_) = instance.standing {
                instance.standing = Standing::Reads;
            }
        }
        Ok(true)
    }

    /// Polls instances that have ended once more: each says again that it has.
    pub(super) fn poll_after_the_end<T: OwnedRecord>(&mut self, seen: &mut Seen<T>) -> Result<(), Violation> {
        for at in 0..self.instances.len() {
            let before = (seen.count(), seen.errors);
            self.poll(at, seen)?;
            if self.instances[at].standing != Standing::Ended || before != (seen.count(), seen.errors) {
                let what = format!("instance {at} said End, and had more when it was asked again");
                return Err(Violation::new(Rule::EndIsFinal, what));
            }
        }
        Ok(())
    }

    /// The snapshot of all instances.
    pub(super) fn snapshot(&mut self, epoch: u64) -> Result<Noted, Violation> {
        let mut noted = Noted::new();
        for Instance { source, subtask, .. } in &mut self.instances {
            let (mut states, mut sealed) = (Vec::new(), Vec::new());
            let mut snapshot = Snapshot::new(Epoch(epoch), OperatorId::of("source"), &mut states, &mut sealed);
            works("snapshot", guard("snapshot", || source.snapshot(&mut snapshot))?)?;
            noted.extend(states.into_iter().map(|(_, name, bytes)| (*subtask, name, bytes)));
        }
        Ok(noted)
    }

    fn poll<T: OwnedRecord>(&mut self, at: usize, seen: &mut Seen<T>) -> Result<(), Violation> {
        let instance = &mut self.instances[at];
        let (mut items, subtask, now) = (Vec::new(), instance.subtask, self.clock.get());
        let mut cx = SourceContext::new(&mut items, now, &self.pool, &instance.counters);
        let poll = works("poll", guard("poll", || instance.source.poll(&mut cx))?)?;
        let gave = !items.is_empty();
        self.idle_waits = if gave { 0 } else { self.idle_waits };
        for item in items {
            take(item, subtask, seen)?;
        }
        instance.standing = match poll {
            SourcePoll::Ready => Standing::Reads,
            SourcePoll::Pending { until } => Standing::Waits(until),
            SourcePoll::End => Standing::Ended,
        };
        let waits = matches!(poll, SourcePoll::Pending { until } if until.is_none_or(|until| until > now));
        instance.idle_polls = if gave || waits || poll == SourcePoll::End { 0 } else { instance.idle_polls + 1 };
        if instance.idle_polls > IDLE_POLLS {
            let what = format!("instance {at} was asked {IDLE_POLLS} times in a row, and gave nothing but {poll:?}");
            return Err(Violation::new(Rule::SaysPending, what));
        }
        Ok(())
    }
}

/// Whether an instance takes these bytes as what another noted. It is not asked to read on: a changed byte may say that a file is
/// exabytes long.
pub(super) fn takes(make: &MakeSource, from: Subtask, name: &str, bytes: &[u8]) -> Result<bool, Violation> {
    let pool = Pool::new();
    let mut instance = opened(make, Subtask { index: 0, parallelism: 1 }, &pool, &Arc::default())?;
    Ok(guard("restore", || instance.source.restore(name, from, bytes))?.is_ok())
}

fn opened(make: &MakeSource, subtask: Subtask, pool: &Pool, bell: &Arc<Bell>) -> Result<Instance, Violation> {
    let (services, counters, bell) = (Services::default(), Arc::<Counters>::default(), Arc::clone(bell));
    let mut source = guard("make", || make())?;
    let mut cx = OpenContext {
        operator: OperatorId::of("source"),
        name: "source",
        subtask,
        key_groups: KeyGroups::DEFAULT,
        services: &services,
        pool,
        counters: Arc::clone(&counters),
        waker: Waker::new(move || bell.ring()),
    };
    works("open", guard("open", || source.open(&mut cx))?)?;
    Ok(Instance { source, subtask, counters, standing: Standing::Reads, idle_polls: 0 })
}

fn take<T: OwnedRecord>(item: SourceItem, subtask: Subtask, seen: &mut Seen<T>) -> Result<(), Violation> {
    let split = match &item {
        SourceItem::Records(split, _)
        | SourceItem::Watermark(split, _)
        | SourceItem::Idle(split)
        | SourceItem::Finished(split) => *split,
        SourceItem::Side(output, frame) if *output == ERROR_OUTPUT => {
            seen.errors += frame.len();
            return Ok(());
        }
        SourceItem::Side(output, _) => {
            let what = format!("it emitted to output {}, which a source does not have", output.0);
            return Err(Violation::new(Rule::Works, what));
        }
    };
    let owner = split.owner(subtask.parallelism);
    if owner != subtask.index {
        let what = format!(
            "instance {} of {} speaks for split {}, which is instance {owner}'s",
            subtask.index, subtask.parallelism, split.0
        );
        return Err(Violation::new(Rule::OneReader, what));
    }
    match item {
        SourceItem::Records(_, frame) => seen.splits.entry(split).or_default().extend(records::<T>(&frame)?),
        SourceItem::Watermark(_, watermark) => {
            let last = seen.watermarks.insert(split, watermark);
            if let Some(last) = last.filter(|last| *last > watermark) {
                let what = format!("split {} was at {last:?}, and then at {watermark:?}", split.0);
                seen.fallen.get_or_insert(Violation::new(Rule::WatermarksRise, what));
            }
        }
        SourceItem::Idle(_) | SourceItem::Finished(_) | SourceItem::Side(..) => {}
    }
    Ok(())
}

fn works<T>(call: &str, result: Result<T, OperatorError>) -> Result<T, Violation> {
    result.map_err(|error| Violation::new(Rule::Works, format!("{call} failed: {error}")))
}
