//! Whoever puts files into watched folders: the next ones when the job has been quiet since it took the last, and, when all are read,
//! asks for the job to be drained.
//!
//! Invariants:
//! 1. A file comes only when all before it are read and committed; so no record is late for the order in which files are found.
//! 2. A file is moved away only when it is read and committed.

use crate::disk::SimDisk;
use crate::job::InputFile;

/// A job that has committed nothing for so long (simulated nanoseconds) has read all that there is. Longer than a coordinator with
/// nothing to do waits before it looks again.
const QUIET: u64 = 3_000_000_000;

/// Files that come one after the other.
#[derive(Debug)]
pub(crate) struct Feed {
    waves: std::vec::IntoIter<Vec<InputFile>>,
    /// The files that are there.
    there: Vec<String>,
    /// Moves files away that are read.
    moves: bool,
    completed: u64,
    quiet_since: u64,
    pub(crate) drained: bool,
}

impl Feed {
    pub(crate) fn new(mut waves: std::vec::IntoIter<Vec<InputFile>>, moves: bool, disk: &SimDisk) -> Self {
        let first = waves.next().unwrap_or_default();
        let mut feed = Self { waves, there: Vec::new(), moves, completed: 0, quiet_since: 0, drained: false };
        feed.put(first, disk);
        feed
    }

    fn put(&mut self, files: Vec<InputFile>, disk: &SimDisk) {
        for (path, bytes) in files {
            disk.put(&path, &bytes);
            self.there.push(path);
        }
    }

    /// A new attempt has all its time before it.
    pub(crate) fn begins(&mut self, now: u64) {
        self.quiet_since = now;
        self.drained = false;
    }

    /// Does what is due. True if the job is to be drained now.
    pub(crate) fn turn(&mut self, disk: &SimDisk, now: u64, completed: u64) -> bool {
        if std::mem::replace(&mut self.completed, completed) != completed {
            self.quiet_since = now;
        }
        if self.drained || now.saturating_sub(self.quiet_since) < QUIET {
            return false;
        }
        self.quiet_since = now;
        if self.moves {
            for path in self.there.drain(..) {
                disk.take(&path);
            }
        }
        match self.waves.next() {
            Some(files) => self.put(files, disk),
            None => self.drained = true,
        }
        self.drained
    }
}
