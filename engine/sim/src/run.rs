//! One seed: a fault-free run, then one with faults, and what is to be said of it.

use std::collections::BTreeSet;
use std::time::Duration;

use yeoul_state::commit::Commit;
use yeoul_state::manifest::{Manifest, ManifestOptions};

use crate::campaign::{self, Extent};
use crate::clock::SimClock;
use crate::compare::Difference;
use crate::disk::SimDisk;
use crate::fault::Fault;
use crate::feed::Feed;
use crate::job::{self, LATE, MAIN, part_of};
use crate::planted::{Place, Planted};
use crate::report::{Ending, RunReport};
use crate::rng::{Chance, Rng};
use crate::row::Row;
use crate::schedule::{Patience, Scheduler};
use crate::setting::{DATA, LEAST_EPOCHS, Setting};
use crate::supervisor;
use crate::trace::Trace;
use crate::visible::{Broken, Watcher, left_over};
use crate::workload::{JobKind, Output, Workload};
use crate::world::{Outside, World};

/// When a run counts as stuck. The wall clock may be set back by a minute.
const PATIENCE: Patience = Patience { idle: Duration::from_secs(300), steps: 1_000_000 };
/// Input is not made longer than this for the sake of more epochs.
const MOST_RECORDS: usize = 64_000;
/// Nor are epochs made shorter than this.
const LEAST_INTERVAL: Duration = Duration::from_micros(50);
/// From a crash to the next commit, in simulated time: pauses of the scheduler and the restart delays of three attempts are in it.
const MOST_RECOVERY_MS: u64 = 30_000;
/// What the wall clock shows at the beginning.
const BEGINNING: i64 = 1_700_000_000_000;

/// What a run needs besides its setting.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A bug to put in.
    pub planted: Option<Planted>,
    /// How many lines of the trace are kept.
    pub keep: usize,
    /// The commit tested, for the report.
    pub commit: String,
}

/// A run that is over.
#[derive(Debug)]
pub struct Run {
    /// What is to be said of it.
    pub report: RunReport,
    /// What there was to choose from for faults.
    pub extent: Extent,
    /// What it did, the last lines of it.
    pub trace: Vec<String>,
    /// What is different, in words.
    pub difference: String,
    /// The output.
    pub output: Output,
    /// Named errors that ended a process on the way.
    pub stops: Vec<String>,
}

/// Runs a setting with these faults.
#[must_use]
pub fn run(setting: &Setting, faults: &[Fault], options: &Options) -> Run {
    let rng = Rng::new(setting.seed);
    let workload = Workload::draw(setting.kind, setting.seed, setting.records);
    let clock = SimClock::new(BEGINNING);
    let trace = Trace::keeping(options.keep);
    let disk = SimDisk::new(setting.seed, clock.clone(), trace.clone());
    let input = job::inputs(&workload, setting).into_iter();
    let feed = Feed::new(input, setting.moved, &disk);
    let outside = Outside { consumes: setting.consumed, feed: setting.watched.then_some(feed) };
    let place = options.planted.map(Planted::place);
    if let (Some(bug), Some(Place::Disk)) = (options.planted, place) {
        disk.plant(bug);
    }
    let bug = if let Some(Place::Engine(bug)) = place { Some(bug) } else { None };
    let can_be_planted = yeoul_sys::planted::plant(bug);
    assert!(bug.is_none() || can_be_planted, "this build has no bugs to plant; build it with --features planted");
    let watchers = [MAIN, LATE].map(|folder| Watcher::new(&format!("{folder}/"), part_of)).into();
    let chance = Box::new(rng.branch("power"));
    let mut world = World::new(clock.clone(), disk.clone(), trace.clone(), watchers, faults, outside, chance);
    world.kills_fail = place == Some(Place::Supervisor);
    let mut scheduler = Scheduler::new(setting.seed, clock, trace.clone(), PATIENCE);
    let history = supervisor::run(&mut world, &mut scheduler, &|| job::graph(&workload, setting), &|number| {
        setting.config(number)
    });

    yeoul_sys::planted::plant(None);
    let extent = Extent::of(&disk, scheduler.steps());
    let digest = trace.digest();
    let trace = trace.lines();
    // A job that stopped for good has not had its chance to bring back what a power loss took.
    // Larger parts of different instances end at different epochs, which is allowed.
    let is_stopped = faults.iter().any(|fault| matches!(fault, Fault::Stop { .. }));
    let counts = |of: &Broken| match of {
        Broken::Vanished { .. } => history.ending == Ending::Finished,
        Broken::NotAPrefix { .. } => setting.roll_bytes == 0 && setting.roll_every.is_none(),
        // A job that is stopped shows its single file, and the next one replaces it.
        Broken::Changed { .. } => !(setting.single && is_stopped),
        Broken::Again { .. } => true,
    };
    let judged = world.watchers.iter().flat_map(Watcher::judge).filter(counts);
    let mut broken: Vec<String> = judged.map(|of| of.to_string()).collect();
    broken.extend(disk.violations());
    let [main, late] = [0, 1].map(|at| rows(&disk, &world.watchers[at]));
    let output = Output { main, late };
    let mut difference = match history.ending {
        Ending::Finished | Ending::Stopped(_) => workload.judge(&output),
        Ending::Stuck(_) | Ending::Panicked(_) => Difference::default(),
    };
    match history.ending {
        Ending::Finished => broken.extend(left(&disk, setting)),
        Ending::Stopped(_) => of_a_part(setting.kind, &mut difference),
        Ending::Stuck(_) | Ending::Panicked(_) => {}
    }
    let recovery_ms = world.longest_recovery / 1_000_000;
    if recovery_ms > MOST_RECOVERY_MS {
        broken.push(format!("a recovery took {recovery_ms} ms of simulated time, more than {MOST_RECOVERY_MS}"));
    }
    let report = RunReport {
        commit: options.commit.clone(),
        seed: setting.seed,
        job: setting.kind,
        layer: 'A',
        shards: setting.shards_of(0),
        faults: faults.to_vec(),
        ending: history.ending,
        restarts: history.restarts,
        epochs: history.epochs,
        lost: difference.lost.len(),
        duplicated: difference.duplicated.len(),
        different: difference.different.len(),
        broken,
        recovery_ms,
        steps: extent.steps,
        calls: disk.calls(),
        digest,
    };
    Run { report, extent, trace, difference: difference.to_string(), output, stops: history.stops }
}

/// Runs a seed's job without faults. Its input is made longer, and its epochs shorter, until there are enough of them; that is the setting to go on with.
#[must_use]
pub fn calm(mut setting: Setting, options: &Options) -> (Setting, Run) {
    loop {
        let mut run = run(&setting, &[], options);
        let enough = run.report.epochs >= LEAST_EPOCHS;
        if enough || !run.report.is_clean(false) {
            return (setting, run);
        }
        if setting.records >= MOST_RECORDS {
            run.report.broken.push(format!("only {} epochs; there should be {LEAST_EPOCHS}", run.report.epochs));
            return (setting, run);
        }
        // A barrier behind full rings of long steps takes its time: first these are made short, then there is more to read.
        if setting.interval > LEAST_INTERVAL {
            setting.interval = LEAST_INTERVAL;
            setting.ring_capacity = 2;
            setting.step_calls = setting.step_calls.min(2);
        } else {
            setting.records *= 2;
        }
    }
}

/// Draws the faults of a seed, for a run of this extent.
#[must_use]
pub fn faults_of(setting: &Setting, extent: &Extent) -> Vec<Fault> {
    drawn(setting, extent, &mut Rng::new(setting.seed).branch("faults"))
}

/// Draws faults of all kinds for a run of this extent: what [`campaign::draw`] does, and damage at rest, savepoints and stops.
#[must_use]
pub fn drawn(setting: &Setting, extent: &Extent, rng: &mut dyn Chance) -> Vec<Fault> {
    let mut faults = bearable(setting, campaign::draw(rng, extent));
    if rng.in_cases(1, 6) {
        // Damage shows when it is read: at the next start.
        let step = rng.below(extent.steps + 1);
        faults.extend([Fault::Rot { step, at: rng.bits() }, Fault::Kill { step: step + 1 }]);
    }
    if rng.in_cases(1, 3) {
        faults.extend((0..=rng.below(2)).map(|_| Fault::Savepoint { step: rng.below(extent.steps + 1) }));
    }
    if rng.in_cases(1, 4) {
        faults.push(Fault::Stop { step: rng.below(extent.steps + 1) });
    }
    faults
}

/// The faults that leave the job's answer determined.
#[must_use]
pub fn bearable(setting: &Setting, mut faults: Vec<Fault>) -> Vec<Fault> {
    if setting.watched {
        // A folder is listed anew when the clock has caught up; until then a quiet job is none that has read all.
        faults.retain(|fault| !matches!(fault, Fault::Wall { by_millis: ..0, .. }));
    }
    if setting.kind == JobKind::Ttl {
        // What has expired is swept away some time; a clock that is set back would have it live again, or not.
        faults.retain(|fault| !matches!(fault, Fault::Wall { by_millis: ..0, .. }));
    }
    faults
}

/// The rows of all finished files, in the order of epochs.
fn rows(disk: &SimDisk, watcher: &Watcher) -> Vec<Row> {
    let mut rows = Vec::new();
    for path in watcher.files() {
        let text = String::from_utf8(watcher.read(disk, &path)).unwrap_or_default();
        // A line that is no row stays one that nothing expects.
        rows.extend(text.lines().map(|line| Row::parse(line).unwrap_or_else(|| Row::of([i64::MIN]))));
    }
    rows
}

/// What is to be said of output that ends before the input does: nothing is missing, and what a late record that is not shown yet
/// explains is not wrong.
fn of_a_part(kind: JobKind, difference: &mut Difference) {
    difference.lost.clear();
    if matches!(kind, JobKind::WindowCount | JobKind::Idle | JobKind::Ttl | JobKind::Clock | JobKind::ClockWindows) {
        difference.different.retain(|(expected, _)| expected.is_none());
    }
}

/// Files that nothing accounts for at the end. They are listed before the manifest is opened, which puts in order what it finds.
fn left(disk: &SimDisk, setting: &Setting) -> Vec<String> {
    let mut there = left_over(disk, |path| {
        let finished = part_of(path).is_some() && path.starts_with("out/");
        path.starts_with("in/") || path.starts_with("save/") || finished
    });
    disk.disarm();
    let process = disk.start();
    let opened = Manifest::open(
        process.folder(DATA),
        "",
        ManifestOptions { retained: setting.retained, ..ManifestOptions::default() },
    );
    let mut named = BTreeSet::from(["MANIFEST", "LOCK"].map(|name| format!("{DATA}/{name}")));
    match &opened {
        Ok((manifest, _)) => {
            let segments = manifest.retained().iter().flat_map(Commit::segments);
            named.extend(segments.map(|id| format!("{DATA}/{}", id.file_name())));
        }
        Err(error) => there.push(format!("a manifest that cannot be opened ({error})")),
    }
    drop(opened);
    process.kill();
    there.retain(|path| !named.contains(path));
    there.into_iter().map(|path| format!("{path} is left over")).collect()
}
