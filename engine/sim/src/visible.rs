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

/// What the name of a finished output file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Who wrote it.
    pub instance: u32,
    /// Its first epoch.
    pub first: u64,
    /// Its last epoch.
    pub last: u64,
}

/// Tells what an output file is from its path, or `None` for files that are no finished output.
pub type PartOf = fn(&str) -> Option<Part>;

/// A reader that looks from outside.
#[derive(Debug, Clone)]
pub struct Watcher {
    folder: String,
    part_of: PartOf,
    looks: Vec<Look>,
    /// Every file ever seen, with a digest of its bytes.
    known: BTreeMap<String, u64>,
    broken: Vec<Broken>,
    /// What a consumer took away, with its bytes. It counts as seen ever after.
    consumed: BTreeMap<String, Vec<u8>>,
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
    /// A file holds epochs that a consumer has taken away already.
    Again {
        /// The file.
        path: String,
        /// What was taken away.
        taken: String,
        /// When it was seen.
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
    pub fn new(folder: &str, part_of: PartOf) -> Self {
        let (looks, known, broken, consumed) = (Vec::new(), BTreeMap::new(), Vec::new(), BTreeMap::new());
        Self { folder: folder.to_owned(), part_of, looks, known, broken, consumed }
    }

    fn epoch_of(&self, path: &str) -> Option<u64> {
        (self.part_of)(path).map(|part| part.last)
    }

    /// Takes away what was seen at the last look, all but the newest part of each instance, as a consumer does that has read it.
    pub fn consume(&mut self, disk: &SimDisk) {
        let Some(last) = self.looks.last() else { return };
        let mut newest = BTreeMap::new();
        let parts: Vec<(String, Part)> =
            last.paths.iter().filter_map(|path| Some((path.clone(), (self.part_of)(path)?))).collect();
        for (_, part) in &parts {
            let greatest = newest.entry(part.instance).or_insert(part.last);
            *greatest = part.last.max(*greatest);
        }
        for (path, part) in parts {
            if newest[&part.instance] != part.last
                && !self.consumed.contains_key(&path)
                && let Some(bytes) = disk.take(&path)
            {
                self.consumed.insert(path, bytes);
            }
        }
    }

    /// The bytes of a file, also of one that a consumer has taken away.
    #[must_use]
    pub fn read(&self, disk: &SimDisk, path: &str) -> Vec<u8> {
        self.consumed.get(path).cloned().or_else(|| disk.read(path)).unwrap_or_default()
    }

    /// Looks at what is visible now.
    pub fn look(&mut self, disk: &SimDisk, step: u64) {
        let mut paths = BTreeSet::new();
        for (path, _) in disk.files() {
            let Some(part) = (self.part_of)(&path).filter(|_| path.starts_with(&self.folder)) else { continue };
            let again = self.consumed.keys().find(|taken| {
                (self.part_of)(taken).is_some_and(|taken| taken.instance == part.instance && taken.last >= part.first)
            });
            if let Some(taken) = again {
                let again = Broken::Again { path: path.clone(), taken: taken.clone(), step };
                if !self.broken.iter().any(|of| matches!(of, Broken::Again { path: known, .. } if *known == path)) {
                    self.broken.push(again);
                }
            }
            let digest = digest_of(&disk.read(&path).unwrap_or_default());
            if *self.known.entry(path.clone()).or_insert(digest) != digest {
                self.broken.push(Broken::Changed { path: path.clone(), step });
            }
            paths.insert(path);
        }
        paths.extend(self.consumed.keys().cloned());
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
        files.sort_by_key(|path| (self.epoch_of(path), path.clone()));
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
            let epoch = self.epoch_of(&order[missing]);
            let later = order[missing..].iter().find(|path| self.epoch_of(path) > epoch && look.paths.contains(*path));
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
            Self::Again { path, taken, step } => {
                write!(f, "{path} was shown at step {step}, and {taken} had been shown and taken away")
            }
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

    fn part_of(path: &str) -> Option<Part> {
        let epoch = path.strip_prefix("out/part-")?.split('-').next()?.parse().ok()?;
        Some(Part { instance: 0, first: epoch, last: epoch })
    }

    fn check(work: impl FnOnce(&SimDisk, &dyn Storage, &mut dyn FnMut(u64)), expected: &[&str]) {
        let disk = SimDisk::new(1, SimClock::new(0), Trace::keeping(0));
        let storage = disk.start().folder("out");
        let mut watcher = Watcher::new("out/", part_of);
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
        let mut watcher = Watcher::new("", part_of);
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
    fn what_a_consumer_took_stays_seen_and_must_not_come_again() {
        let disk = SimDisk::new(1, SimClock::new(0), Trace::keeping(0));
        let mut watcher = Watcher::new("out/", part_of);
        for path in ["out/part-1", "out/part-2", "out/part-3"] {
            disk.put(path, path.as_bytes());
            watcher.look(&disk, 1);
            watcher.consume(&disk);
        }
        assert_eq!(disk.files().len(), 1);
        assert_eq!((watcher.judge(), watcher.files().len()), (vec![], 3));
        assert_eq!(watcher.read(&disk, "out/part-1"), b"out/part-1");
        disk.put("out/part-2", b"out/part-2");
        watcher.look(&disk, 9);
        watcher.look(&disk, 10);
        let told: Vec<String> = watcher.judge().iter().map(ToString::to_string).collect();
        assert_eq!(told, ["out/part-2 was shown at step 9, and out/part-2 had been shown and taken away"]);
    }

    #[test]
    fn what_nothing_accounts_for_is_left_over() {
        let disk = SimDisk::new(1, SimClock::new(0), Trace::keeping(0));
        disk.put("out/part-1", b"x");
        disk.put("out/.tmp", b"x");
        assert_eq!(left_over(&disk, |path| part_of(path).is_some()), ["out/.tmp"]);
    }
}
