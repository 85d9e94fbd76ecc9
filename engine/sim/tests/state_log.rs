//! The real state log and manifest over the simulated disk: a toy table is committed epoch by epoch, crashed at random calls, and
//! must come back as the last acknowledged epoch, or as the one that was being committed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use yeoul_frame::{Epoch, KeyGroups, OperatorId, ShardId, TableId, Timestamp, hash_u64};
use yeoul_sim::campaign::{self, Extent};
use yeoul_sim::clock::SimClock;
use yeoul_sim::disk::{Death, SimDisk};
use yeoul_sim::fault::{CallKind, Fault};
use yeoul_sim::planted::{Place, Planted};
use yeoul_sim::rng::{Chance, Rng};
use yeoul_sim::trace::Trace;
use yeoul_state::commit::{Commit, JobMeta, ShardLog};
use yeoul_state::log::{BlockKind, Corrupt, Layout, LogAddress, LogBuffer, LogOptions, LogWriter};
use yeoul_state::manifest::{Manifest, ManifestOptions};
use yeoul_state::recovery::Replay;
use yeoul_state::sealed::SealedEpochs;
use yeoul_sys::Storage;

const TABLE: TableId = TableId(1);
const SINK: OperatorId = OperatorId(9);
const LAYOUT: Layout = Layout::Fixed { key: 8, value: 8 };
const GROUPS: KeyGroups = KeyGroups::DEFAULT;
const OPTIONS: ManifestOptions = ManifestOptions { retained: 2, store: 7, rewrite_bytes: 1500 };
const EPOCHS: u64 = 30;

type State = BTreeMap<u64, u64>;

struct Shard {
    log: LogBuffer,
    writer: LogWriter,
    cells: BTreeMap<u64, (u64, LogAddress, usize)>,
    dirty: BTreeSet<u64>,
}

struct Store {
    manifest: Manifest,
    job: JobMeta,
    shards: Vec<Shard>,
}

impl Store {
    fn open(storage: &Arc<dyn Storage>, shards: u16) -> io::Result<(Self, Epoch)> {
        let (mut manifest, commit) = Manifest::open(storage.clone(), "state", OPTIONS)?;
        let job = JobMeta { key_groups: GROUPS, shards };
        let assigned = commit.as_ref().map_or_else(Vec::new, |commit| commit.assign(shards));
        let mut all = Vec::new();
        for shard in (0..shards).map(ShardId) {
            let empty = ShardLog { shard, segments: Vec::new() };
            let own = assigned.iter().find(|log| log.shard == shard).unwrap_or(&empty);
            let options = LogOptions { segment_bytes: 2048, ..manifest.log_options(shard, job) };
            let writer = manifest.writer_options(options, job, own.segments.clone());
            let mut log = LogBuffer::new(options);
            let mut cells = BTreeMap::new();
            let mut replay = Replay::new(storage.clone(), "state", own, GROUPS);
            replay.run(log.liveness_mut(), &mut |block, owned, retired| {
                for record in block.records() {
                    let number =
                        |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).map_err(|_| Corrupt::new("a number"));
                    let key = number(record.key)?;
                    let old = match block.kind() {
                        _ if !owned(hash_u64(key)) => Some((0, record.address, record.bytes as usize)),
                        BlockKind::Put => {
                            cells.insert(key, (number(record.value)?, record.address, record.bytes as usize))
                        }
                        _ => cells.remove(&key),
                    };
                    old.into_iter().for_each(|(_, at, bytes)| retired(at, bytes));
                }
                Ok(())
            })?;
            let writer = LogWriter::new(storage.clone(), "state", writer);
            all.push(Shard { log, writer, cells, dirty: BTreeSet::new() });
        }
        if let Some(commit) = &commit {
            let last = Epoch(commit.epoch.0 - 1);
            let outputs = SealedEpochs::open(&**storage, "state", commit, SINK, last)?.next_epoch()?;
            let outputs = outputs.map_or(Vec::new(), |(_, outputs)| outputs);
            assert!(outputs.iter().all(|output| output.bytes == commit.epoch.0.to_le_bytes()));
            assert_eq!(outputs.len(), usize::from(commit.job.shards), "each shard sealed its output");
        }
        manifest.remove_obsolete()?;
        let epoch = commit.map_or(Epoch(0), |commit| commit.epoch);
        Ok((Self { manifest, job, shards: all }, epoch))
    }

    fn state(&self) -> State {
        self.shards.iter().flat_map(|shard| shard.cells.iter().map(|(key, cell)| (*key, cell.0))).collect()
    }

    fn churn(&mut self, rng: &mut Rng) {
        for _ in 0..rng.below(40) {
            let (key, value) = (rng.skewed(80, 1), rng.bits());
            let shard = &mut self.shards[usize::from(GROUPS.shard(GROUPS.of(hash_u64(key)), self.job.shards))];
            let old = if rng.in_cases(1, 5) {
                shard.cells.remove(&key)
            } else {
                shard.cells.insert(key, (value, LogAddress::NONE, 0))
            };
            if let Some((_, at, bytes)) = old {
                shard.log.retire(at, bytes);
            }
            shard.dirty.insert(key);
        }
    }

    fn commit(&mut self, epoch: Epoch) -> io::Result<()> {
        let mut shards = Vec::new();
        for (at, shard) in self.shards.iter_mut().enumerate() {
            let id = ShardId(at as u16);
            shard.log.begin(epoch);
            for key in std::mem::take(&mut shard.dirty) {
                let encoded = key.to_le_bytes();
                match shard.cells.get_mut(&key) {
                    Some(cell) => {
                        let value = cell.0.to_le_bytes();
                        shard.log.retire(cell.1, cell.2);
                        cell.1 = shard.log.put(TABLE, 0, LAYOUT, |k| k.extend(encoded), |v| v.extend(value));
                        cell.2 = LAYOUT.record_bytes(8, 8);
                    }
                    None => shard.log.delete(TABLE, 0, LAYOUT, |k| k.extend(encoded)),
                }
            }
            shard.log.sealed_output(SINK, id, epoch, 0, &epoch.0.to_le_bytes());
            while let Some(chunk) = shard.log.take_chunk() {
                shard.writer.append(chunk)?;
            }
            shard.writer.append(shard.log.seal(epoch))?;
            shards.push(ShardLog { shard: id, segments: shard.writer.seal()?.segments });
        }
        let commit = Commit { epoch, job: self.job, watermark: Timestamp(0), shards, blobs: BTreeMap::new() };
        self.manifest.append(&commit)?;
        self.manifest.remove_obsolete()?;
        for shard in &mut self.shards {
            if let Some(oldest) = shard.log.liveness().due(epoch) {
                let live = shard.cells.iter().filter(|(_, cell)| !cell.1.is_none() && cell.1.segment() == oldest);
                shard.dirty.extend(live.map(|(key, _)| *key));
                shard.log.relocated(oldest);
            }
        }
        Ok(())
    }
}

struct Run {
    disk: SimDisk,
    trace: Trace,
    restarts: u32,
    /// What was wrong, if anything.
    wrong: Option<String>,
}

/// Runs a store to its last epoch through all faults. An error of the engine is answered by a restart, as in production.
fn run(seed: u64, faults: &[Fault], bug: Option<Planted>) -> Run {
    let rng = Rng::new(seed);
    let (mut work, mut survival) = (rng.branch("work"), rng.branch("survival"));
    let trace = Trace::keeping(40);
    let disk = SimDisk::new(seed, SimClock::new(0), trace.clone());
    disk.put("state/README", b"so that the folder exists");
    disk.arm(faults);
    bug.into_iter().for_each(|bug| disk.plant(bug));
    let mut run = Run { disk: disk.clone(), trace, restarts: 0, wrong: None };
    // What each epoch holds; the one that is being committed is the last.
    let mut history = BTreeMap::from([(0, State::new())]);
    let mut acknowledged = 0;
    while acknowledged < EPOCHS {
        let storage: Arc<dyn Storage> = disk.start().folder("");
        let shards = 1 + work.below(3) as u16;
        let result = attempt(&storage, shards, &mut work, &mut history, &mut acknowledged);
        match result {
            Err(Failure::Wrong(why)) => {
                run.wrong = Some(why);
                return run;
            }
            Err(Failure::Io(_)) if disk.fell() == Some(Death::Power) => disk.power_loss(&mut survival),
            Err(Failure::Io(error)) if disk.fell().is_none() && run.restarts > 30 => {
                run.wrong = Some(format!("does not recover: {error}"));
                return run;
            }
            Err(Failure::Io(_)) | Ok(()) => disk.kill(),
        }
        run.restarts += 1;
        if run.restarts == 30 {
            disk.disarm();
        }
    }
    run
}

enum Failure {
    Wrong(String),
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn attempt(
    storage: &Arc<dyn Storage>,
    shards: u16,
    work: &mut Rng,
    history: &mut BTreeMap<u64, State>,
    acknowledged: &mut u64,
) -> Result<(), Failure> {
    let (mut store, Epoch(epoch)) = Store::open(storage, shards)?;
    if epoch < *acknowledged || history.get(&epoch) != Some(&store.state()) {
        let known = history.contains_key(&epoch);
        return Err(Failure::Wrong(format!(
            "epoch {epoch} came back, {acknowledged} was acknowledged; known: {known}"
        )));
    }
    history.split_off(&(epoch + 1));
    *acknowledged = epoch;
    for epoch in epoch + 1..=EPOCHS {
        store.churn(work);
        history.insert(epoch, store.state());
        store.commit(Epoch(epoch))?;
        *acknowledged = epoch;
        if work.in_cases(1, 12) {
            // An orderly restart, perhaps with another number of shards.
            return Ok(());
        }
    }
    Ok(())
}

fn check(seed: u64, faults: &[Fault]) -> Run {
    let run = run(seed, faults, None);
    let lines = || run.trace.lines().join("\n");
    assert_eq!(run.wrong, None, "seed {seed} {faults:?}\n{}", lines());
    assert!(run.disk.violations().is_empty(), "seed {seed} {faults:?}: {:?}\n{}", run.disk.violations(), lines());
    run
}

fn extent(seed: u64) -> Extent {
    Extent::of(&check(seed, &[]).disk, 0)
}

/// Faults inside calls only: there is no scheduler here that could crash between steps.
fn drawn(seed: u64, extent: &Extent) -> Vec<Fault> {
    let mut faults = campaign::draw(&mut Rng::new(seed).branch("faults"), extent);
    faults.retain(|fault| matches!(fault, Fault::Call { .. }));
    faults
}

#[test]
fn committed_epochs_survive_random_faults() {
    // More of them by hand: YEOUL_SEEDS=20000 takes a minute.
    let seeds = std::env::var("YEOUL_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(400);
    let (mut restarts, mut removals) = (0, 0);
    for seed in 0..seeds {
        let run = check(seed, &drawn(seed, &extent(seed)));
        restarts += u64::from(run.restarts);
        removals += run.disk.calls_by_kind().get(&CallKind::Remove).copied().unwrap_or_default();
    }
    assert!(restarts > 4 * seeds && removals > 10 * seeds, "{restarts} restarts, {removals} removals");
}

#[test]
fn each_call_may_fail_or_be_the_last() {
    let extent = extent(3);
    // A fault that strikes onwards is disarmed after some restarts, so these runs end too.
    for faults in campaign::sweep(&extent).step_by(7) {
        check(3, &faults);
    }
}

#[test]
fn a_seed_replays() {
    for seed in 0..10 {
        let faults = drawn(seed, &extent(seed));
        assert_eq!(check(seed, &faults).trace.digest(), check(seed, &faults).trace.digest());
    }
}

#[test]
fn planted_bugs_of_the_disk_are_found_within_a_hundred_seeds() {
    for bug in Planted::ALL.into_iter().filter(|bug| bug.place() == Place::Disk) {
        let found = (0..100).find(|&seed| run(seed, &drawn(seed, &extent(seed)), Some(bug)).wrong.is_some());
        assert!(found.is_some(), "{bug} was not found");
    }
}
