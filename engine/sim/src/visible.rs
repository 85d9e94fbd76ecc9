//! What an outside reader saw during a run, and what is left at its end.
//!
//! A reader looks at the visible files now and then. When the run is over, every look is held against the final output.
//!
//! Invariants that a sink must keep:
//! 1. A file that was seen under its final name never changes, not even across a crash.
//! 2. It never vanishes, but for a power loss, and then it is back once the job has recovered.
//! 3. At every look the epochs seen are a prefix of all epochs: none is seen before all of an earlier one is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::disk::SimDisk;
use crate::trace::digest_of;

/// Tells the epoch of an output file from its path, or `None` for files that are no finished output.
pub type EpochOf = fn(&str) -> Option<u64>;

/// A reader that looks from outside.
#[derive(Debug, Clone)]
pub struct Watcher {
    folder: String,
    epoch_of: EpochOf,
    looks: Vec<Look>,
    /// Every file ever seen, with a digest of its bytes.
    known: BTreeMap<String, u64>,
    broken: Vec<Broken>,
}

#[derive(Debug, Clone)]
struct Look {
    step: u64,
    paths: BTreeSet<String>,
}

/// A promise to outside readers that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// A finished file has other bytes than before.
    Changed {
        /// The file.
        path: String,
        /// When it was seen with other bytes.
        step: u64,
    },
    /// A finished file is gone though the power did not fail, or gone at the end.
    Vanished {
        /// The file.
        path: String,
        /// When it was missed.
        step: u64,
    },
    /// A file of an epoch was seen while one of an earlier epoch, which is there at the end, was not.
    NotAPrefix {
        /// When it was seen.
        step: u64,
        /// The later file, which was seen.
        seen: String,
        /// The earlier file, which was not.
        missing: String,
    },
}

impl Watcher {
    /// A reader of the files below a folder (`"out/"`).
    #[must_use]
    pub fn new(folder: &str, epoch_of: EpochOf) -> Self {
        Self { folder: folder.to_owned(), epoch_of, looks: Vec::new(), known: BTreeMap::new(), broken: Vec::new() }
    }

    /// Looks at what is visible now.
    pub fn look(&mut self, disk: &SimDisk, step: u64) {
        let mut paths = BTreeSet::new();
        for (path, _) in disk.files() {
            if !path.starts_with(&self.folder) || (self.epoch_of)(&path).is_none() {
                continue;
            }
            let digest = digest_of(&disk.read(&path).unwrap_or_default());
            if *self.known.entry(path.clone()).or_insert(digest) != digest {
                self.broken.push(Broken::Changed { path: path.clone(), step });
            }
            paths.insert(path);
        }
        if let Some(last) = self.looks.last() {
            let gone = last.paths.difference(&paths);
            self.broken.extend(gone.map(|path| Broken::Vanished { path: path.clone(), step }));
        }
        if self.looks.last().is_none_or(|last| last.paths != paths) {
            self.looks.push(Look { step, paths });
        }
    }

    /// The power failed: what was seen may be gone until the job has recovered. What is left now is no output of a running job.
    pub fn power_lost(&mut self) {
        self.looks.push(Look { step: self.looks.last().map_or(0, |look| look.step), paths: BTreeSet::new() });
    }

    /// The paths at the last look, in the order of their epochs, then names.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        let mut files: Vec<String> =
            self.looks.last().into_iter().flat_map(|look| look.paths.iter().cloned()).collect();
        files.sort_by_key(|path| ((self.epoch_of)(path), path.clone()));
        files
    }

    /// Holds every look against the last one. Call it when the run is over, after a last [`Watcher::look`].
    #[must_use]
    pub fn judge(&self) -> Vec<Broken> {
        let mut broken = self.broken.clone();
        let Some(last) = self.looks.last() else { return broken };
        let lost = self.known.keys().filter(|path| !last.paths.contains(*path));
        broken.extend(lost.map(|path| Broken::Vanished { path: path.clone(), step: last.step }));
        let order = self.files();
        for look in &self.looks {
            let Some(missing) = order.iter().position(|path| !look.paths.contains(path)) else { continue };
            let epoch = (self.epoch_of)(&order[missing]);
            let later =
                order[missing..].iter().find(|path| (self.epoch_of)(path) > epoch && look.paths.contains(*path));
            if let Some(seen) = later {
                let (seen, missing) = (seen.clone(), order[missing].clone());
                broken.push(Broken::NotAPrefix { step: look.step, seen, missing });
            }
        }
        broken
    }
}

/// Files at the end of a run that nothing accounts for.
#[must_use]
pub fn left_over(disk: &SimDisk, accounted: impl Fn(&str) -> bool) -> Vec<String> {
    disk.files().into_iter().map(|(path, _)| path).filter(|path| !accounted(path)).collect()
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { path, step } => {
                write!(f, "{path} had other bytes at step {step} than when it was first seen")
            }
            Self::Vanished { path, step } => write!(f, "{path} was seen, and gone at step {step}"),
            Self::NotAPrefix { step, seen, missing } => {
                write!(f, "{seen} was visible at step {step} before {missing} of an earlier epoch")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use yeoul_sys::Storage;

    use super::*;
    use crate::clock::SimClock;
    use crate::trace::Trace;

    fn epoch_of(path: &str) -> Option<u64> {
        path.strip_prefix("out/part-")?.split('-').next()?.parse().ok()
    }

    fn check(work: impl FnOnce(&SimDisk, &dyn Storage, &mut dyn FnMut(u64)), expected: &[&str]) {
        let disk = SimDisk::new(1, SimClock::new(0), Trace::keeping(0));
        let storage = disk.start().folder("out");
        let mut watcher = Watcher::new("out/", epoch_of);
        work(&disk, &*storage, &mut |step| watcher.look(&disk, step));
        let broken: Vec<String> = watcher.judge().iter().map(ToString::to_string).collect();
        assert_eq!(broken, expected);
    }

    #[test]
    fn epochs_that_appear_in_order_are_fine() {
        let work = |disk: &SimDisk, _: &dyn Storage, look: &mut dyn FnMut(u64)| {
            for (step, path) in ["out/part-1-a", "out/part-1-b", "out/.tmp", "out/part-3-a"].iter().enumerate() {
                disk.put(path, b"x");
                look(step as u64);
            }
        };
        check(work, &[]);
    }

    #[test]
    fn a_later_epoch_before_an_earlier_one_is_told() {
        let work = |disk: &SimDisk, _: &dyn Storage, look: &mut dyn FnMut(u64)| {
            for path in ["out/part-1-a", "out/part-2-a", "out/part-1-b"] {
                disk.put(path, b"x");
                look(7);
            }
        };
        check(work, &["out/part-2-a was visible at step 7 before out/part-1-b of an earlier epoch"]);
    }

    #[test]
    fn a_change_and_a_loss_are_told() {
        let work = |disk: &SimDisk, storage: &dyn Storage, look: &mut dyn FnMut(u64)| {
            disk.put("out/part-1", b"x");
            look(1);
            storage.open("part-1").unwrap().write_at(b"y", 0).unwrap();
            look(2);
            storage.remove("part-1").unwrap();
            look(3);
        };
        let changed = "out/part-1 had other bytes at step 2 than when it was first seen";
        check(work, &[changed, "out/part-1 was seen, and gone at step 3", "out/part-1 was seen, and gone at step 3"]);
    }

    #[test]
    fn after_a_power_loss_a_file_may_be_missing_until_the_end() {
        let disk = SimDisk::new(1, SimClock::new(0), Trace::keeping(0));
        let mut watcher = Watcher::new("", epoch_of);
        disk.put("out/part-1", b"x");
        watcher.look(&disk, 1);
        let fresh = SimDisk::new(1, SimClock::new(0), Trace::keeping(0));
        watcher.power_lost();
        watcher.look(&fresh, 2);
        assert_eq!(watcher.judge().len(), 1);
        watcher.look(&disk, 3);
        assert_eq!((watcher.judge(), watcher.files()), (vec![], vec!["out/part-1".to_owned()]));
    }

    #[test]
    fn what_nothing_accounts_for_is_left_over() {
        let disk = SimDisk::new(1, SimClock::new(0), Trace::keeping(0));
        disk.put("out/part-1", b"x");
        disk.put("out/.tmp", b"x");
        assert_eq!(left_over(&disk, |path| epoch_of(path).is_some()), ["out/.tmp"]);
    }
}
