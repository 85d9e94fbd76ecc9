//! The coordinator of two shards that are played by the test, by a clock that the test sets.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, bounded, unbounded};
use yeoul_frame::{KeyGroups, ShardId};
use yeoul_operator::{Counters, NodeId, OperatorError, Services};
use yeoul_ring::{Doorbell, Parker};

use super::*;

#[derive(Default)]
struct Watch(AtomicU64);

impl Clock for Watch {
    fn monotonic_nanos(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn wall_millis(&self) -> i64 {
        0
    }
}

const SECOND: u64 = 1_000_000_000;

struct Stage {
    coordinator: Coordinator,
    clock: Arc<Watch>,
    counters: Arc<Counters>,
    attention: Arc<Attention>,
    told: Vec<Receiver<Command>>,
    _parkers: Vec<Parker>,
}

impl Stage {
    fn new(outlets: BTreeMap<OperatorId, Outlet>) -> Self {
        let clock = Arc::<Watch>::default();
        let (counters, attention) = (Arc::<Counters>::default(), Arc::<Attention>::default());
        let (mut shards, mut told, mut parkers) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..2 {
            let ((parker, bell), (commands, obeyed)) = (Doorbell::new().unwrap(), unbounded());
            shards.push((commands, bell));
            told.push(obeyed);
            parkers.push(parker);
        }
        let subtask = Subtask { index: 0, parallelism: 1 };
        let coordinator = Coordinator::new(Charge {
            job: JobMeta { key_groups: KeyGroups::DEFAULT, shards: 2 },
            timing: Timing { interval: Some(Duration::from_secs(1)), timeout: Duration::from_secs(10) },
            clock: clock.clone(),
            shards,
            watched: vec![Watched { node: NodeId(0), subtask, counters: counters.clone() }],
            watch: Arc::default(),
            store: None,
            outlets,
            committed: Epoch(0),
            catalog: Catalog::default(),
            attention: attention.clone(),
            files: Services::default().files,
        });
        Self { coordinator, clock, counters, attention, told, _parkers: parkers }
    }

    fn opened(mut self) -> Self {
        for shard in 0..2 {
            self.coordinator.event(Event::Opened { shard: ShardId(shard), tables: BTreeMap::new() }).unwrap();
        }
        self
    }

    fn at(&self, seconds: u64) {
        self.clock.0.store(seconds * SECOND, Ordering::Relaxed);
    }

    /// What shard 0 is told meanwhile, by name.
    fn told(&self) -> Vec<String> {
        self.told[0].try_iter().map(|of| format!("{of:?}").split([' ', '(']).next().unwrap().to_owned()).collect()
    }

    fn seal(&mut self, epoch: u64, outputs: &[(OperatorId, Arc<[u8]>)]) -> Result<(), JobError> {
        let epoch = Epoch(epoch);
        for shard in [0, 1].map(ShardId) {
            let watermark = Some(Timestamp(7 + i64::from(shard.0)));
            self.coordinator.event(Event::Outputs { shard, epoch, outputs: outputs.to_vec(), watermark })?;
            let sealed = Sealed { shard, epoch, segments: Vec::new(), complete: Vec::new(), bytes: 0 };
            self.coordinator.event(Event::Sealed(sealed))?;
        }
        self.step().map(|_| ())
    }

    /// A step, and the shards told what came of it.
    fn step(&mut self) -> Result<Tick, JobError> {
        let tick = self.coordinator.step()?;
        while self.coordinator.tell() {}
        Ok(tick)
    }
}

#[test]
fn no_epoch_starts_before_every_shard_has_restored() {
    let mut stage = Stage::new(BTreeMap::new());
    stage.counters.records_in.add(1);
    stage.at(100);
    assert_eq!(stage.step().unwrap(), Tick::Idle(None));
    stage.coordinator.event(Event::Opened { shard: ShardId(1), tables: BTreeMap::new() }).unwrap();
    assert_eq!(stage.step().unwrap(), Tick::Idle(None));
    stage.coordinator.event(Event::Opened { shard: ShardId(0), tables: BTreeMap::new() }).unwrap();
    assert_eq!(stage.step().unwrap(), Tick::Idle(Some(101 * SECOND)));
    stage.at(101);
    assert_eq!(stage.step().unwrap(), Tick::Worked);
    assert_eq!(stage.told(), ["Start"]);
    // Its time runs from its start.
    stage.at(111);
    let error = stage.step().unwrap_err();
    assert!(matches!(&error, JobError::Timeout { epoch: Epoch(1), missing, .. } if *missing == [0, 1]), "{error}");
    assert!(error.is_worth_a_restart());
}

#[test]
fn a_job_without_work_asks_once_and_is_told_once() {
    let mut stage = Stage::new(BTreeMap::new()).opened();
    assert!(!stage.attention.take(), "nobody asked");
    stage.at(1);
    assert_eq!(stage.step().unwrap(), Tick::Idle(Some(2 * SECOND)));
    assert!(stage.attention.take());
    assert!(!stage.attention.take(), "one answer is enough");
    stage.counters.records_in.add(1);
    stage.coordinator.event(Event::Active(ShardId(0))).unwrap();
    assert_eq!(stage.step().unwrap(), Tick::Worked);
    assert!(!stage.attention.take());
}

#[test]
fn a_time_that_came_without_a_record_is_worth_an_epoch() {
    let mut stage = Stage::new(BTreeMap::new()).opened();
    stage.at(1);
    assert!(matches!(stage.step().unwrap(), Tick::Idle(_)));
    stage.counters.turns.add(1);
    assert_eq!(stage.step().unwrap(), Tick::Worked);
    assert_eq!(stage.told(), ["Start"]);
}

#[test]
fn a_cancel_is_seen_behind_other_requests_and_while_an_epoch_is_in_flight() {
    let mut stage = Stage::new(BTreeMap::new()).opened();
    let stop = |reply| Request::Stop { savepoint: None, drain: false, reply };
    let ((first, _), (second, _)) = (bounded(1), bounded(1));
    stage.coordinator.request(stop(first));
    assert_eq!(stage.step().unwrap(), Tick::Worked);
    stage.coordinator.request(stop(second));
    stage.coordinator.request(Request::Cancel);
    assert!(matches!(stage.step(), Err(JobError::Cancelled)));
}

#[test]
fn a_stop_is_left_to_the_next_attempt_until_it_is_answered() {
    let mut stage = Stage::new(BTreeMap::new()).opened();
    let (reply, answer) = bounded(1);
    stage.coordinator.request(Request::Stop { savepoint: None, drain: true, reply });
    assert_eq!(stage.step().unwrap(), Tick::Worked);
    stage.coordinator.event(Event::Failed(JobError::Graph("any".to_owned()))).unwrap_err();
    let pending = stage.coordinator.into_pending();
    assert!(pending.decided.is_none() && answer.is_empty());

    let mut stage = Stage::new(BTreeMap::new()).opened();
    stage.coordinator = stage.coordinator.with_pending(pending);
    assert_eq!(stage.step().unwrap(), Tick::Worked);
    let drains = matches!(stage.told[0].try_recv(), Ok(Command::Start(Barrier { purpose: Purpose::Drain, .. })));
    assert!(drains, "the first thing that the next attempt does");
    stage.seal(1, &[]).unwrap();
    assert_eq!(answer.recv().unwrap().unwrap(), Epoch(1));
    // A shard that fails on its way out does not change what is committed and delivered.
    stage.coordinator.event(Event::Failed(JobError::Graph("any".to_owned()))).unwrap();
    stage.coordinator.event(Event::Ended(ShardId(1))).unwrap();
    assert_eq!(stage.step().unwrap(), Tick::Ended(Outcome::Stopped(Epoch(1))));
}

#[test]
fn a_savepoint_that_cannot_be_written_is_refused_at_once() {
    let mut stage = Stage::new(BTreeMap::new()).opened();
    let (reply, answer) = bounded(1);
    stage.coordinator.request(Request::Savepoint("anywhere".to_owned(), reply));
    assert!(answer.recv().unwrap().unwrap_err().to_string().contains("needs a data folder"));
    assert_eq!(stage.step().unwrap(), Tick::Idle(Some(SECOND)));
}

/// Fails in the way that the test wants.
struct Faulty(fn() -> Result<(), OperatorError>);

impl Committer for Faulty {
    fn recover(&mut self, _: &Services, committed: Epoch) -> Result<Epoch, OperatorError> {
        Ok(committed)
    }

    fn deliver(&mut self, _: Epoch, _: &[SealedOutput]) -> Result<(), OperatorError> {
        (self.0)()
    }
}

fn outlet(fault: fn() -> Result<(), OperatorError>) -> BTreeMap<OperatorId, Outlet> {
    let outlet = Outlet { name: "planes".to_owned(), committer: Box::new(Faulty(fault)), retained_from: Epoch(1) };
    BTreeMap::from([(OperatorId(1), outlet)])
}

#[test]
fn a_committer_that_fails_or_panics_is_named_by_its_sink_and_leaves_the_outcome_decided() {
    let faults: [fn() -> Result<(), OperatorError>; 2] = [|| Err(OperatorError::new("no")), || panic!("no")];
    for fault in faults {
        let mut stage = Stage::new(outlet(fault)).opened();
        let (reply, answer) = bounded(1);
        stage.coordinator.request(Request::Stop { savepoint: None, drain: true, reply });
        stage.step().unwrap();
        let error = stage.seal(1, &[]).unwrap_err().to_string();
        assert!(error.starts_with("operator 'planes'"), "{error}");
        let pending = stage.coordinator.into_pending();
        assert_eq!(pending.decided, Some(Outcome::Stopped(Epoch(1))));
        assert!(answer.is_empty() && pending.requests.len() == 1);
    }
}

#[test]
fn output_that_nobody_can_deliver_is_an_error_with_a_name() {
    let mut stage = Stage::new(BTreeMap::new()).opened();
    stage.counters.records_in.add(1);
    stage.at(1);
    stage.step().unwrap();
    let error = stage.seal(1, &[(OperatorId(9), Arc::from(&b"x"[..]))]).unwrap_err();
    assert!(matches!(error, JobError::Graph(_)) && error.to_string().contains("operator 9"), "{error}");
}

#[test]
fn a_savepoint_that_was_asked_for_between_two_attempts_is_refused_before_it_costs_an_epoch() {
    let mut stage = Stage::new(BTreeMap::new()).opened();
    let ((first, refused), (second, waits)) = (bounded(1), bounded(1));
    let mut pending = Pending::default();
    pending.requests.push_back(Request::Stop { savepoint: Some("/tmp".to_owned()), drain: true, reply: first });
    pending.requests.push_back(Request::Stop { savepoint: None, drain: false, reply: second });
    stage.coordinator = stage.coordinator.with_pending(pending);
    assert_eq!(stage.step().unwrap(), Tick::Worked);
    let error = refused.try_recv().unwrap().unwrap_err().to_string();
    assert!(error.contains("a savepoint needs a data folder"), "{error}");
    // What was asked after it is what begins.
    assert_eq!(stage.told(), ["Start"]);
    assert!(waits.try_recv().is_err());
    assert!(matches!(stage.coordinator.flight.as_ref().unwrap().barrier.purpose, Purpose::Stop));
}
