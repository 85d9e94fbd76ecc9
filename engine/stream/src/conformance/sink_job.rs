//! A job that is all sink: writers, a log of what they sealed, and a committer, driven a step at a time over crashes.
//!
//! Invariants, which are the engine's:
//! 1. An epoch is delivered only once it is committed, and the next is committed only once it was delivered.
//! 2. A crash forgets all but the log and the target. What follows the last commit is written again, and need not fall to the same writers.

use std::collections::BTreeMap;
use std::sync::Arc;

use yeoul_frame::{Epoch, KeyGroups, OperatorId, Pool, Timestamp};
use yeoul_operator::{
    Committer, Context, Counters, InputId, OpenContext, Operator, OperatorError, SealedOutput, Services, SinkSpec,
    Snapshot, Subtask, Waker,
};

use super::frames::frames;
use super::rule::guard;
use super::sink_checks::Checks;
use super::{Rule, Violation};
use crate::StateRecord;

/// Why a step did not come to its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// A call failed.
    Failed(String),
    /// A rule is broken.
    Broken(Violation),
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Self {
        Self::Broken(violation)
    }
}

/// What outlives a crash, but for the target.
pub(super) struct Log {
    pub(super) committed: u64,
    /// The last epoch of which a delivery came to its end.
    pub(super) delivered: u64,
    outputs: BTreeMap<u64, Vec<SealedOutput>>,
    states: Vec<(Subtask, String, Vec<u8>)>,
    retained_from: u64,
    /// Runs that there were.
    runs: u64,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { committed: 0, delivered: 0, outputs: BTreeMap::new(), states: Vec::new(), retained_from: 1, runs: 0 }
    }
}

/// One run between two crashes.
pub(super) struct Run {
    writers: Vec<Box<dyn Operator>>,
    committer: Box<dyn Committer>,
    shards: u16,
    number: u64,
    pool: Pool,
}

impl Run {
    /// Starts a run: recovers, delivers what was committed and may not have arrived, opens writers.
    pub(super) fn start<T, S>(
        checks: &Checks<T, S>,
        target: &T,
        services: &Services,
        shards: u16,
        log: &mut Log,
    ) -> Result<Self, Stop>
    where
        S: SinkSpec<In: StateRecord + Clone + PartialEq + std::fmt::Debug>,
    {
        let sink = guard("making the sink", || (checks.sink)(target))?;
        let mut committer = sink.committer()();
        let marker = called("recover", || committer.recover(services, Epoch(log.committed)))?;
        checks.check_marker(marker, log)?;
        for (epoch, outputs) in log.outputs.range(marker.0 + 1..) {
            called("deliver", || committer.deliver(Epoch(*epoch), outputs))?;
        }
        log.delivered = log.committed;
        let parallelism = sink.parallelism().unwrap_or(shards).clamp(1, shards);
        let (make, pool, mut writers) = (sink.make(), Pool::new(), Vec::new());
        for index in 0..parallelism {
            let mut writer = make();
            let mut cx = OpenContext {
                operator: OperatorId::of("sink"),
                name: "sink",
                subtask: Subtask { index, parallelism },
                key_groups: KeyGroups::DEFAULT,
                services,
                pool: &pool,
                counters: Arc::default(),
                waker: Waker::default(),
            };
            called("open", || writer.open(&mut cx))?;
            for (from, name, bytes) in &log.states {
                called("restore", || writer.restore(name, *from, bytes))?;
            }
            writers.push(writer);
        }
        log.runs += 1;
        Ok(Self { writers, committer, shards, number: log.runs, pool })
    }

    /// Recovers and does no more, as a run that crashes early.
    pub(super) fn only_recover<T, S>(
        checks: &Checks<T, S>,
        target: &T,
        services: &Services,
        log: &Log,
    ) -> Result<Epoch, Stop>
    where
        S: SinkSpec,
    {
        let mut committer = (checks.sink)(target).committer()();
        called("recover", || committer.recover(services, Epoch(log.committed)))
    }

    /// Has writers take an epoch's rows.
    pub(super) fn write<T, S>(&mut self, checks: &Checks<T, S>, epoch: u64) -> Result<(), Stop>
    where
        S: SinkSpec<In: StateRecord + Clone + PartialEq + std::fmt::Debug>,
    {
        let count = self.writers.len();
        let mut dealt = vec![Vec::new(); count];
        for (at, row) in checks.epoch(epoch).iter().enumerate() {
            let to = checks.key.as_ref().map_or(at as u64 + self.number, |key| key(&row.1));
            dealt[(to % count as u64) as usize].push(row);
        }
        for (writer, rows) in self.writers.iter_mut().zip(dealt) {
            for frame in frames(&rows, &self.pool)? {
                let (mut emitted, counters) = (Vec::new(), Counters::default());
                let mut cx = Context::new(&mut emitted, Timestamp::MIN, Timestamp(0), &self.pool, &counters);
                called("process", || writer.process(InputId(0), &frame, &mut cx))?;
            }
        }
        Ok(())
    }

    /// The barrier: what writers note and seal, not committed yet.
    pub(super) fn seal(&mut self, epoch: u64) -> Result<Snapshots, Stop> {
        let parallelism = self.writers.len() as u16;
        let mut taken = Snapshots { states: Vec::new(), outputs: Vec::new() };
        for (index, writer) in (0..).zip(&mut self.writers) {
            let (mut states, mut sealed) = (Vec::new(), Vec::new());
            let mut snapshot = Snapshot::new(Epoch(epoch), OperatorId::of("sink"), &mut states, &mut sealed);
            called("snapshot", || writer.snapshot(&mut snapshot))?;
            let of_states = |(_, name, bytes)| (Subtask { index, parallelism }, name, bytes);
            taken.states.extend(states.into_iter().map(of_states));
            // As in the engine: of output the place is a shard's.
            let subtask = Subtask { index, parallelism: self.shards };
            let output = |(_, bytes)| SealedOutput { epoch: Epoch(epoch), subtask, bytes };
            taken.outputs.extend(sealed.into_iter().map(output));
        }
        Ok(taken)
    }

    /// Delivers the epoch that was committed last.
    pub(super) fn deliver(&mut self, log: &mut Log) -> Result<(), Stop> {
        let epoch = Epoch(log.committed);
        let outputs = log.outputs.get(&epoch.0).map_or(&[][..], Vec::as_slice);
        called("deliver", || self.committer.deliver(epoch, outputs))?;
        log.delivered = epoch.0;
        log.retained_from = guard("retained_from", || self.committer.retained_from(epoch))?.0;
        Ok(())
    }

    /// The job's orderly end.
    pub(super) fn finish(&mut self) -> Result<(), Stop> {
        called("finish", || self.committer.finish())
    }
}

/// What writers gave at a barrier.
pub(super) struct Snapshots {
    states: Vec<(Subtask, String, Vec<u8>)>,
    outputs: Vec<SealedOutput>,
}

impl Snapshots {
    /// Commits the epoch.
    pub(super) fn commit(self, log: &mut Log) {
        log.committed += 1;
        log.states = self.states;
        // What an earlier delivery let go of is gone with this commit.
        log.outputs = log.outputs.split_off(&log.retained_from);
        if !self.outputs.is_empty() {
            log.outputs.insert(log.committed, self.outputs);
        }
    }
}

fn called<R>(call: &str, does: impl FnOnce() -> Result<R, OperatorError>) -> Result<R, Stop> {
    guard(call, does)?.map_err(|error| Stop::Failed(format!("{call} failed: {error}")))
}

impl Stop {
    /// As a violation, where nothing was made to fail.
    pub(super) fn unprovoked(self) -> Violation {
        match self {
            Self::Failed(what) => Violation::new(Rule::Works, what),
            Self::Broken(violation) => violation,
        }
    }
}
