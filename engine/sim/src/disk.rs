//! The simulated machine's disk, as the test sees it: starts and ends processes, puts files in place, reads what is visible from
//! outside, counts calls and fails them.
//!
//! The engine sees it through [`SimStorage`], whose head states what may survive a crash.
//!
//! Invariants:
//! 1. A process that ended changes nothing: every call on any of its handles is an error.
//! 2. A lock is held by one living process at most.
//! 3. Each decision comes from the seed: no order here depends on addresses or time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use yeoul_sys::Clock;

use crate::calls::Calls;
use crate::clock::SimClock;
use crate::fault::{CallKind, Fault};
use crate::file::FileState;
use crate::planted::Planted;
use crate::rng::{Chance, Rng};
use crate::storage::SimStorage;
use crate::trace::{Trace, digest_of};
use crate::tree::Tree;

/// What the disk promises beyond the least that every disk does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskModel {
    /// A rename is done in whole or not at all, as on journaling file systems. If not, the old name may remain beside the new one.
    pub atomic_rename: bool,
}

impl Default for DiskModel {
    fn default() -> Self {
        Self { atomic_rename: true }
    }
}

/// How a process came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// Killed; the page cache stays.
    Kill,
    /// The power failed; the page cache is gone.
    Power,
}

/// The disk. Clones are handles of the same one.
///
/// ```
/// use yeoul_sim::{clock::SimClock, disk::SimDisk, rng::Rng, trace::Trace};
/// use yeoul_sys::Storage;
///
/// let disk = SimDisk::new(1, SimClock::new(0), Trace::keeping(100));
/// let storage = disk.start().folder("state");
/// let file = storage.create("log")?;
/// file.write_at(b"kept", 0)?;
/// file.sync_data()?;
/// storage.sync_dir("")?;
/// file.write_at(b"?", 4)?;                  // may survive or not
///
/// disk.power_loss(&mut Rng::new(2));
/// assert!(file.write_at(b"x", 0).is_err()); // a dead process writes nothing
/// assert!(disk.read("state/log").unwrap().starts_with(b"kept"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

/// A process that uses the disk.
#[derive(Clone)]
pub struct SimProcess {
    disk: SimDisk,
    number: u64,
}

#[derive(Clone)]
pub(crate) struct State {
    pub(crate) tree: Tree,
    pub(crate) calls: Calls,
    pub(crate) alive: BTreeSet<u64>,
    pub(crate) fell: Option<Death>,
    pub(crate) violations: Vec<String>,
    pub(crate) planted: BTreeSet<Planted>,
    pub(crate) clock: SimClock,
    pub(crate) trace: Trace,
    /// For what a failing call leaves behind.
    pub(crate) chance: Rng,
    model: DiskModel,
    processes: u64,
}

impl SimDisk {
    /// An empty disk with the default model. The seed decides what failing calls leave behind.
    #[must_use]
    pub fn new(seed: u64, clock: SimClock, trace: Trace) -> Self {
        Self::with_model(seed, clock, trace, DiskModel::default())
    }

    /// An empty disk.
    #[must_use]
    pub fn with_model(seed: u64, clock: SimClock, trace: Trace, model: DiskModel) -> Self {
        let state = State {
            tree: Tree::new(),
            calls: Calls::default(),
            alive: BTreeSet::new(),
            fell: None,
            violations: Vec::new(),
            planted: BTreeSet::new(),
            clock,
            trace,
            chance: Rng::new(seed).branch("disk"),
            model,
            processes: 0,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Starts a process. Others that live go on: what keeps them apart are locks.
    #[must_use]
    pub fn start(&self) -> SimProcess {
        let mut state = self.state();
        state.processes += 1;
        let number = state.processes;
        state.alive.insert(number);
        state.trace.note(format_args!("process {number} starts"));
        drop(state);
        SimProcess { disk: self.clone(), number }
    }

    /// Ends all processes. What they wrote stays visible; what they did not sync may still be lost by a power loss later.
    pub fn kill(&self) {
        let mut state = self.state();
        state.alive.clear();
        state.fell = None;
        state.calls.forget_late_syncs();
        state.tree.processes_ended();
        state.trace.note(format_args!("killed"));
    }

    /// Takes all locks from their holders, who live on: what a planted bug does.
    pub(crate) fn break_locks(&self) {
        self.state().tree.processes_ended();
    }

    /// Makes every further call of the processes that live fail, but frees nothing yet: the moment between a death and its being
    /// noticed. To be followed by [`SimDisk::kill`] or [`SimDisk::power_loss`].
    pub(crate) fn silence(&self) {
        self.state().alive.clear();
    }

    /// Ends all processes and throws away what was not synced, but for what `chance` keeps of it.
    pub fn power_loss(&self, chance: &mut dyn Chance) {
        let mut state = self.state();
        let state = &mut *state;
        state.alive.clear();
        state.fell = None;
        state.calls.forget_late_syncs();
        state.tree.power_lost(state.model.atomic_rename, chance);
        let digest = state.tree.digest();
        state.trace.note(format_args!("power lost, what is left: {digest:016x}"));
    }

    /// Set when a fault has ended the process inside a call: run no more of it, and answer by [`SimDisk::kill`] or
    /// [`SimDisk::power_loss`].
    #[must_use]
    pub fn fell(&self) -> Option<Death> {
        self.state().fell
    }

    /// Adds faults; only those that concern calls matter here. Each counts calls from now on.
    pub fn arm(&self, faults: &[Fault]) {
        self.state().calls.arm(faults);
    }

    /// Removes all faults that have not struck yet, and those that strike again and again.
    pub fn disarm(&self) {
        self.state().calls.disarm();
    }

    /// Switches a planted bug on. Those of the engine are not this disk's affair.
    pub fn plant(&self, bug: Planted) {
        self.state().planted.insert(bug);
    }

    /// How many calls there were since the beginning.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state().calls.count()
    }

    /// How many calls there were of each kind since the beginning; kinds without calls are absent.
    #[must_use]
    pub fn calls_by_kind(&self) -> BTreeMap<CallKind, u64> {
        self.state().calls.by_kind().clone()
    }

    /// What processes did that no correct engine does, such as syncing a file again after its sync has failed.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// Puts a file in place, durable, with the folders above it: input, written before the run.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let mut state = self.state();
        let file = FileState::durable(bytes, state.clock.wall_millis());
        state.tree.put(path, file);
        state.trace.note(format_args!("put {path} {} bytes {:016x}", bytes.len(), digest_of(bytes)));
    }

    /// Takes a file away, durably, as an outside process does; counts as no call. Returns its bytes if it was there.
    pub fn take(&self, path: &str) -> Option<Vec<u8>> {
        let mut state = self.state();
        let bytes = state.tree.read(path)?;
        state.tree.take(path).ok()?;
        state.trace.note(format_args!("take {path}"));
        Some(bytes)
    }

    /// A file's bytes as an outside process sees them at this moment; counts as no call.
    #[must_use]
    pub fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.state().tree.read(path)
    }

    /// All files with their lengths, as an outside process sees them at this moment, sorted by path.
    #[must_use]
    pub fn files(&self) -> Vec<(String, u64)> {
        self.state().tree.files()
    }

    /// How many changes of names are not durable, plus how many files hold bytes that are not.
    #[must_use]
    pub fn unsynced(&self) -> usize {
        self.state().tree.pending()
    }

    /// The paths of the locks that are held.
    #[must_use]
    pub fn locks(&self) -> Vec<String> {
        self.state().tree.locks()
    }

    /// Flips one bit of a file at rest, counted round; false if the file does not exist or is empty.
    pub fn flip(&self, path: &str, bit: u64) -> bool {
        let mut state = self.state();
        let done = state.tree.flip(path, bit);
        state.trace.note(format_args!("flip {path} bit {bit}: {done}"));
        done
    }

    /// A disk of its own in the same state, with its own trace: to try another crash of the same moment.
    #[must_use]
    pub fn fork(&self, trace: Trace) -> Self {
        let now = self.state();
        let state = State { trace, clock: now.clock.fork(), ..now.clone() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A panic of the engine must not take the disk with it: the disk is what shows that nothing was harmed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimProcess {
    /// The files below a folder, which is made, durably, if it does not exist. `""` is the whole disk.
    #[must_use]
    pub fn folder(&self, path: &str) -> Arc<SimStorage> {
        let root = path.trim_matches('/');
        self.disk.state().tree.put_folder(root);
        Arc::new(SimStorage::new(self.disk.clone(), self.number, root.to_owned()))
    }

    /// False once the process was killed or the power failed.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.disk.state().alive.contains(&self.number)
    }

    /// Ends this process alone; the page cache stays.
    pub fn kill(&self) {
        let mut state = self.disk.state();
        state.alive.remove(&self.number);
        state.tree.process_ended(self.number);
        state.trace.note(format_args!("process {} killed", self.number));
    }
}
