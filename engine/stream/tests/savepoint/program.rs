//! The job whose savepoints are looked at: a keyed function with every kind of state and both kinds of timers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use yeoul_frame::{RowBuilder, RowKind, Timestamp};
use yeoul_operator::{
    JobGraph, MakeSource, OpenContext, OperatorError, Services, Snapshot, Source, SourceContext, SourcePoll,
    SourceSpec, SplitId, Subtask,
};
use yeoul_runtime::{JobConfig, JobError, JobHandle};
use yeoul_state::{
    AggregateFunction, AggregatingHandle, ListHandle, MapHandle, ReducingHandle, Row, StateDescriptor, States, Ttl,
    ValueHandle,
};
use yeoul_stream::{
    Collected, Collector, KeyedContext, KeyedProcessFunction, StreamEnvironment, WatermarkStrategy, collect,
};

pub(crate) type Event = (u64, i64);

/// Long after all events.
pub(crate) const DUE: i64 = 1_000_000_000;
/// Long after the clock of any machine that runs this.
pub(crate) const NEVER: i64 = i64::MAX / 4;

pub(crate) fn events() -> Vec<Event> {
    (0..6_000_u64).map(|n| (n * n % 211, (n % 97) as i64 - 40)).collect()
}

/// Gives records, then ends or waits until the job is stopped.
#[derive(Clone)]
pub(crate) struct Feed {
    records: Arc<[Event]>,
    waits: bool,
    given: Arc<AtomicBool>,
}

impl Feed {
    pub(crate) fn that_ends(records: Vec<Event>) -> Self {
        Self { records: records.into(), waits: false, given: Arc::default() }
    }

    pub(crate) fn that_waits(records: Vec<Event>) -> Self {
        Self { waits: true, ..Self::that_ends(records) }
    }

    /// Waits until every record has left the source: what is asked for after it comes behind them.
    pub(crate) fn until_given(&self, job: &JobHandle) {
        while !self.given.load(Ordering::Acquire) && !job.has_ended() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl SourceSpec for Feed {
    type Out = Event;
    type Error = ();

    fn make(&self) -> MakeSource {
        let feed = self.clone();
        Arc::new(move || Box::new(Feeding { feed: feed.clone(), at: 0 }))
    }

    fn parallelism(&self) -> Option<u16> {
        Some(1)
    }
}

struct Feeding {
    feed: Feed,
    at: usize,
}

impl Source for Feeding {
    fn open(&mut self, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        Ok(())
    }

    fn poll(&mut self, cx: &mut SourceContext<'_>) -> Result<SourcePoll, OperatorError> {
        let rest = &self.feed.records[self.at..];
        if rest.is_empty() {
            self.feed.given.store(true, Ordering::Release);
            return Ok(if self.feed.waits { SourcePoll::Pending { until: None } } else { SourcePoll::End });
        }
        let mut rows = RowBuilder::<Event>::new(cx.pool(), 64);
        for event in rest.iter().take(64) {
            rows.push(event, Timestamp(self.at as i64), RowKind::Insert).expect("room for 64");
            self.at += 1;
        }
        cx.emit(SplitId(0), rows.finish());
        Ok(SourcePoll::Ready)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        snapshot.state("at", (self.at as u64).to_le_bytes().to_vec());
        Ok(())
    }

    /// A job that goes on from a savepoint is given other records, from their beginning.
    fn restore(&mut self, _: &str, _: Subtask, _: &[u8]) -> Result<(), OperatorError> {
        Ok(())
    }
}

#[derive(Clone)]
pub(crate) struct Mean;

impl AggregateFunction for Mean {
    type In = i64;
    type Acc = (i64, u64);
    type Out = i64;

    fn create(&self) -> (i64, u64) {
        (0, 0)
    }

    fn add(&self, acc: &mut (i64, u64), value: &i64) {
        *acc = (acc.0 + value, acc.1 + 1);
    }

    fn merge(&self, acc: &mut (i64, u64), other: &(i64, u64)) {
        *acc = (acc.0 + other.0, acc.1 + other.1);
    }

    fn result(&self, acc: &(i64, u64)) -> i64 {
        acc.0 / acc.1 as i64
    }
}

/// The states of the function, which readers and bootstraps declare alike.
#[derive(Clone, Default)]
pub(crate) struct Handles {
    pub(crate) last: ValueHandle<Row<(String, i64)>>,
    pub(crate) recent: ValueHandle<i64>,
    pub(crate) all: ListHandle<i64>,
    pub(crate) by_rest: MapHandle<i64, u32>,
    pub(crate) most: ReducingHandle<i64>,
    pub(crate) mean: AggregatingHandle<Mean>,
}

pub(crate) fn recent() -> StateDescriptor {
    StateDescriptor::new("recent").ttl(Ttl::millis(3_600_000))
}

impl Handles {
    pub(crate) fn declare(states: &mut States<u64>) -> Self {
        Self {
            last: states.value("last"),
            recent: states.value(recent()),
            all: states.list("all"),
            by_rest: states.map("by rest"),
            most: states.reducing("most", |a: &i64, b: i64| b.max(*a)),
            mean: states.aggregating("mean", Mean),
        }
    }
}

/// All that a key has, in a form to compare.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Digest {
    pub(crate) last: Option<(String, i64)>,
    pub(crate) recent: Option<i64>,
    pub(crate) all: Vec<i64>,
    pub(crate) by_rest: Vec<(i64, u32)>,
    pub(crate) most: Option<i64>,
    pub(crate) mean: Option<i64>,
}

impl Digest {
    /// What the events of one key come to, without the engine.
    pub(crate) fn of(values: &[i64]) -> Self {
        let mut by_rest = BTreeMap::new();
        values.iter().for_each(|value| *by_rest.entry(value % 5).or_insert(0) += 1);
        Self {
            last: values.last().map(|value| (format!("value {value}"), *value)),
            recent: values.last().copied(),
            all: values.to_vec(),
            by_rest: by_rest.into_iter().collect(),
            most: values.iter().max().copied(),
            mean: (!values.is_empty()).then(|| values.iter().sum::<i64>() / values.len() as i64),
        }
    }

    pub(crate) fn read(handles: &Handles, cx: &mut yeoul_stream::KeyedReadContext<'_, u64>) -> Self {
        let mut by_rest = Vec::new();
        cx.state(&handles.by_rest).for_each(|key, count| by_rest.push((*key, *count)));
        let last = cx.state(&handles.last).get().map(|row| (row.get().0.to_string(), row.get().1.to_native()));
        Self {
            last,
            recent: cx.state(&handles.recent).get().copied(),
            all: cx.state(&handles.all).get(),
            by_rest,
            most: cx.state(&handles.most).get().copied(),
            mean: cx.state(&handles.mean).get(),
        }
    }

    /// One number of all of it.
    pub(crate) fn number(&self) -> i64 {
        let rests: i64 = self.by_rest.iter().map(|(rest, count)| rest * 7 + i64::from(*count)).sum();
        let last = self.last.as_ref().map_or(0, |(text, value)| text.len() as i64 * 1_000 + value);
        let first: i64 = self.all.iter().enumerate().map(|(at, value)| at as i64 * value).sum();
        last + self.recent.unwrap_or(0) + first + rests + self.most.unwrap_or(0) + self.mean.unwrap_or(0)
    }
}

/// What all events come to, by key.
pub(crate) fn expected(events: &[Event]) -> BTreeMap<u64, Digest> {
    let mut values: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
    events.iter().for_each(|(key, value)| values.entry(*key).or_default().push(*value));
    values.into_iter().map(|(key, values)| (key, Digest::of(&values))).collect()
}

/// Keeps all that there is of a key, and tells it when its timer is due.
#[derive(Clone, Default)]
pub(crate) struct Everything {
    handles: Handles,
}

impl KeyedProcessFunction for Everything {
    type Key = u64;
    type In = Event;
    type Out = Event;

    fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.handles = Handles::declare(states);
        Ok(())
    }

    fn process(
        &mut self,
        event: &rkyv::Archived<Event>,
        cx: &mut KeyedContext<'_, u64>,
        _: &mut Collector<Event>,
    ) -> Result<(), OperatorError> {
        let (handles, value) = (&self.handles, event.1.to_native());
        cx.state(&handles.last).update(Row::new(&(format!("value {value}"), value)));
        cx.state(&handles.recent).update(value);
        cx.state(&handles.all).add(value);
        *cx.state(&handles.by_rest).get_or_else(&(value % 5), || 0) += 1;
        cx.state(&handles.most).add(value);
        cx.state(&handles.mean).add(&value);
        cx.register_event_time_timer(Timestamp(DUE));
        cx.register_processing_time_timer(Timestamp(NEVER));
        Ok(())
    }

    fn on_timer(
        &mut self,
        _: Timestamp,
        cx: &mut KeyedContext<'_, u64>,
        out: &mut Collector<Event>,
    ) -> Result<(), OperatorError> {
        let handles = &self.handles;
        let mut by_rest = Vec::new();
        cx.state(&handles.by_rest).for_each(|key, count| by_rest.push((*key, *count)));
        let last = cx.state(&handles.last).get().map(|row| (row.get().0.to_string(), row.get().1.to_native()));
        let digest = Digest {
            last,
            recent: cx.state(&handles.recent).get().copied(),
            all: cx.state(&handles.all).get(),
            by_rest,
            most: cx.state(&handles.most).get().copied(),
            mean: cx.state(&handles.mean).get(),
        };
        let key = *cx.key();
        cx.delete_processing_time_timer(Timestamp(NEVER));
        out.collect((key, digest.number()));
        Ok(())
    }
}

pub(crate) fn graph<P>(feed: &Feed, function: P) -> (JobGraph, Collected<Event>)
where
    P: KeyedProcessFunction<Key = u64, In = Event, Out = Event> + Clone + Sync,
{
    let env = StreamEnvironment::new("everything");
    let (sink, collected) = collect();
    env.from_source(feed.clone(), WatermarkStrategy::for_monotonous_timestamps(), "feed")
        .uid("feed")
        .key_by(|event| event.0.to_native())
        .process(function)
        .uid("everything")
        .sink_to(sink)
        .uid("out");
    (env.build().unwrap(), collected)
}

pub(crate) fn config(shards: u16, data: Option<&Path>) -> JobConfig {
    JobConfig {
        shards,
        data: data.map(Path::to_owned),
        checkpoint_interval: Some(Duration::from_millis(3)),
        pin: false,
        ..JobConfig::default()
    }
}

/// Runs a job until it has taken all records, and stops it with a savepoint.
pub(crate) fn savepoint(graph: JobGraph, feed: &Feed, config: JobConfig, folder: &Path) -> Result<(), JobError> {
    let job = yeoul_runtime::spawn(graph, config, Services::default());
    feed.until_given(&job);
    job.stop(folder.to_str(), false)?;
    job.wait().map(|_| ())
}

/// Runs a job from a savepoint to its end; what comes out, sorted.
pub(crate) fn run<P>(shards: u16, savepoint: &Path, more: Vec<Event>, function: P) -> Result<Vec<Event>, JobError>
where
    P: KeyedProcessFunction<Key = u64, In = Event, Out = Event> + Clone + Sync,
{
    let data = tempfile::tempdir().unwrap();
    let (graph, collected) = graph(&Feed::that_ends(more), function);
    let from = JobConfig { from_savepoint: Some(savepoint.to_owned()), ..config(shards, Some(data.path())) };
    yeoul_runtime::spawn(graph, from, Services::default()).wait()?;
    let mut out = collected.take();
    out.sort_unstable();
    Ok(out)
}

/// What a job tells in the end of these events.
pub(crate) fn told(events: &[Event]) -> Vec<Event> {
    expected(events).into_iter().map(|(key, digest)| (key, digest.number())).collect()
}
