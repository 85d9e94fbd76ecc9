//! One seed: a fault-free run, then one with faults, and what is to be said of it.

use std::collections::BTreeSet;
use std::time::Duration;

use yeoul_state::manifest::{Manifest, ManifestOptions};

use crate::campaign::{self, Extent};
use crate::clock::SimClock;
use crate::disk::SimDisk;
use crate::fault::Fault;
use crate::job::{self, LATE, MAIN, epoch_of};
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
use crate::world::World;

/// When a run counts as stuck. The wall clock may be set back by a minute.
const PATIENCE: Patience = Patience { idle: Duration::from_secs(300), steps: 2_000_000 };
/// Input is not made longer than this for the sake of more epochs.
const MOST_RECORDS: usize = 32_000;
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
    for (path, text) in job::inputs(&workload) {
        disk.put(&path, text.as_bytes());
    }
    let place = options.planted.map(Planted::place);
    if let (Some(bug), Some(Place::Disk)) = (options.planted, place) {
        disk.plant(bug);
    }
    let bug = if let Some(Place::Engine(bug)) = place { Some(bug) } else { None };
    let can_be_planted = yeoul_sys::planted::plant(bug);
    assert!(bug.is_none() || can_be_planted, "this build has no bugs to plant; build it with --features planted");
    let watchers = [MAIN, LATE].map(|folder| Watcher::new(&format!("{folder}/"), epoch_of)).into();
    let chance = Box::new(rng.branch("power"));
    let mut world = World::new(clock.clone(), disk.clone(), trace.clone(), watchers, faults, chance);
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
    let counts = |of: &Broken| match of {
        Broken::Vanished { .. } => history.ending == Ending::Finished,
        Broken::NotAPrefix { .. } => setting.roll_bytes == 0,
        Broken::Changed { .. } => true,
    };
    let judged = world.watchers.iter().flat_map(Watcher::judge).filter(counts);
    let mut broken: Vec<String> = judged.map(|of| of.to_string()).collect();
    broken.extend(disk.violations());
    let [main, late] = [0, 1].map(|at| rows(&disk, &world.watchers[at]));
    let output = Output { main, late };
    let difference = if history.ending == Ending::Finished {
        broken.extend(left(&disk, setting));
        workload.judge(&output)
    } else {
        crate::compare::Difference::default()
    };
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
        recovery_ms: world.longest_recovery / 1_000_000,
        steps: extent.steps,
        calls: disk.calls(),
        digest,
    };
    Run { report, extent, trace, difference: difference.to_string(), output, stops: history.stops }
}

/// Runs a seed's job without faults. Its input is made longer until there are epochs enough; that is the setting to go on with.
#[must_use]
pub fn calm(mut setting: Setting, options: &Options) -> (Setting, Run) {
    loop {
        let run = run(&setting, &[], options);
        if run.report.epochs >= LEAST_EPOCHS || setting.records >= MOST_RECORDS || !run.report.is_clean(false) {
            return (setting, run);
        }
        setting.records *= 2;
    }
}

/// Draws the faults of a seed, for a run of this extent.
#[must_use]
pub fn faults_of(setting: &Setting, extent: &Extent) -> Vec<Fault> {
    let mut rng = Rng::new(setting.seed).branch("faults");
    let mut faults = bearable(setting, campaign::draw(&mut rng, extent));
    if rng.in_cases(1, 6) {
        // Damage shows when it is read: at the next start.
        let step = rng.below(extent.steps + 1);
        faults.extend([Fault::Rot { step, at: rng.bits() }, Fault::Kill { step: step + 1 }]);
    }
    faults
}

/// The faults that leave the job's answer determined.
#[must_use]
pub fn bearable(setting: &Setting, mut faults: Vec<Fault>) -> Vec<Fault> {
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
        let text = String::from_utf8(disk.read(&path).unwrap_or_default()).unwrap_or_default();
        // A line that is no row stays one that nothing expects.
        rows.extend(text.lines().map(|line| Row::parse(line).unwrap_or_else(|| Row::of([i64::MIN]))));
    }
    rows
}

/// Files that nothing accounts for at the end.
fn left(disk: &SimDisk, setting: &Setting) -> Vec<String> {
    let process = disk.start();
    let mut named = BTreeSet::new();
    let opened = Manifest::open(
        process.folder(DATA),
        "",
        ManifestOptions { retained: setting.retained, ..ManifestOptions::default() },
    );
    let obsolete = opened.as_ref().map_or(0, |(manifest, _)| manifest.obsolete());
    if let Ok((_, Some(commit))) = &opened {
        named = commit.segments().iter().map(|id| format!("{DATA}/{}", id.file_name())).collect();
    }
    drop(opened);
    process.kill();
    let known = |path: &str| {
        let in_data = path.strip_prefix("data/");
        path.starts_with("in/")
            || in_data.is_some_and(|name| ["MANIFEST", "LOCK"].contains(&name))
            || (epoch_of(path).is_some() && path.starts_with("out/"))
            || (in_data.is_some() && (obsolete == 0 || named.contains(path)))
    };
    left_over(disk, known).into_iter().map(|path| format!("{path} is left over")).collect()
}
