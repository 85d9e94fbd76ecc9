//! What all instances of a run of a source see alike: the listing with which it starts; and of a watched folder one listing at a time,
//! and the files in the order in which they settled.
//!
//! Each instance is given every file, with its number, in that order. So which files an instance has seen is one number, and of
//! a file that it does not know it can tell whether it has not seen it or is done with it and has seen it go.
//!
//! Invariants:
//! 1. Files are numbered without a gap. A file that settles again after it was gone is another one.
//! 2. A file is kept until every instance has been given it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use yeoul_frame::Timestamp;
use yeoul_operator::{OperatorError, Subtask};

use super::discover::{Found, Identity, Settling};
use super::split::FileId;

/// What the instances of one run share; locked by each once an interval, for the time of a listing at most.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// By instance, once it is open: the number of the file that it is given next.
    instances: Vec<Option<u64>>,
    /// Counts listings.
    pub(crate) generation: u64,
    /// The last listing.
    pub(crate) present: Arc<[Found]>,
    pub(crate) next_listing: Option<Timestamp>,
    /// The first listing of a run that is not watched.
    at_start: Option<Arc<[Found]>>,
    /// Files of earlier runs that were gone or others at the first listing, and of which nothing had been read: they are as if they had
    /// never been seen.
    pub(crate) forgotten: HashSet<FileId>,
    settling: Settling,
    /// Files that were numbered and are still there.
    numbered: HashSet<FileId>,
    /// The last files, up to `next`.
    files: VecDeque<Found>,
    /// The number of the file that settles next.
    next: u64,
}

impl Watch {
    /// An instance is opened. The second time for one of them, or with another number of them, is another run, which begins anew.
    pub(crate) fn open(&mut self, subtask: Subtask) {
        let index = usize::from(subtask.index);
        if self.instances.len() != usize::from(subtask.parallelism) || self.instances[index].is_some() {
            *self = Self { instances: vec![None; usize::from(subtask.parallelism)], ..Self::default() };
        }
        self.instances[index] = Some(0);
    }

    /// The listing with which a run that is not watched starts, which the first instance makes.
    pub(crate) fn at_start(
        &mut self,
        list: impl FnOnce() -> Result<Vec<Found>, OperatorError>,
    ) -> Result<Arc<[Found]>, OperatorError> {
        if let Some(found) = &self.at_start {
            return Ok(Arc::clone(found));
        }
        Ok(Arc::clone(self.at_start.insert(list()?.into())))
    }

    /// The first instance to start makes the first listing: after `next` files of earlier runs, of which it knows these, and has read
    /// nothing of those.
    pub(crate) fn start(
        &mut self,
        next: u64,
        known: impl Iterator<Item = FileId>,
        untouched: &[(FileId, Identity)],
        list: impl FnOnce() -> Result<Vec<Found>, OperatorError>,
    ) -> Result<(), OperatorError> {
        if self.generation == 0 {
            let found = list()?;
            let now: HashMap<FileId, Identity> =
                found.iter().map(|file| (FileId::of(&file.path), file.identity)).collect();
            let other = untouched.iter().filter(|(id, identity)| now.get(id) != Some(identity));
            self.forgotten = other.map(|(id, _)| *id).collect();
            (self.next, self.numbered) = (next, known.filter(|id| !self.forgotten.contains(id)).collect());
            self.take(found);
        }
        Ok(())
    }

    /// Lists again if it is time. A clock that was set back does not put it off.
    pub(crate) fn look(
        &mut self,
        now: Timestamp,
        interval: i64,
        list: impl FnOnce() -> Result<Vec<Found>, OperatorError>,
    ) -> Result<(), OperatorError> {
        let upto = now.plus(interval);
        match self.next_listing {
            Some(next) if next > now && next <= upto => return Ok(()),
            Some(_) => {
                let found = list()?;
                self.take(found);
            }
            None => {}
        }
        self.next_listing = Some(upto);
        Ok(())
    }

    fn take(&mut self, found: Vec<Found>) {
        self.generation += 1;
        let present: HashSet<FileId> = found.iter().map(|file| FileId::of(&file.path)).collect();
        self.numbered.retain(|id| present.contains(id));
        let new = found.iter().filter(|file| !self.numbered.contains(&FileId::of(&file.path))).cloned().collect();
        for file in self.settling.settled(new) {
            self.numbered.insert(FileId::of(&file.path));
            self.files.push_back(file);
            self.next += 1;
        }
        self.present = found.into();
    }

    /// The files that an instance has not been given yet, `seen` being the number of the first, with their numbers.
    pub(crate) fn give(&mut self, index: u16, seen: u64) -> Vec<(u64, Found)> {
        let first = self.next - self.files.len() as u64;
        let new = self.files.iter().enumerate().map(|(at, file)| (first + at as u64, file.clone()));
        let new = new.filter(|(number, _)| *number >= seen).collect();
        if let Some(next) = self.instances.get_mut(usize::from(index)) {
            *next = Some(self.next);
        }
        let least = self.instances.iter().map(|next| next.unwrap_or(0)).min().unwrap_or(0);
        self.files.drain(..least.saturating_sub(first) as usize);
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Found {
        let identity = Identity { len: 1, modified: 0 };
        Found { path: path.to_owned(), inside: path.to_owned(), identity }
    }

    fn given(watch: &mut Watch, index: u16, seen: u64) -> Vec<(u64, String)> {
        watch.give(index, seen).into_iter().map(|(number, file)| (number, file.path)).collect()
    }

    #[test]
    fn every_instance_is_given_every_file_in_one_order() {
        let mut watch = Watch::default();
        (0..2).for_each(|index| watch.open(Subtask { index, parallelism: 2 }));
        let mut now = Timestamp(0);
        watch.start(7, [FileId::of("old")].into_iter(), &[], || Ok(vec![file("old"), file("a")])).unwrap();
        watch.start(7, [].into_iter(), &[], || panic!("listed already")).unwrap();
        watch.look(now, 100, || panic!("listed at the start")).unwrap();
        watch.look(Timestamp(99), 100, || panic!("not yet")).unwrap();
        for listing in [["old", "a", "b"].as_slice(), &["b", "c"], &["a", "b", "c"], &["a", "b", "c"]] {
            now = now.plus(100);
            watch.look(now, 100, || Ok(listing.iter().map(|path| file(path)).collect())).unwrap();
        }
        let named = |number, path: &str| (number, path.to_owned());
        // `a` was gone for a listing: it is another file.
        let all = [named(7, "a"), named(8, "b"), named(9, "c"), named(10, "a")];
        assert_eq!(given(&mut watch, 0, 7), all);
        assert_eq!(given(&mut watch, 0, 11), []);
        assert_eq!(watch.files.len(), 4, "the other has not seen them");
        assert_eq!(given(&mut watch, 1, 8), all[1..]);
        assert_eq!(watch.files.len(), 0);
        // The clock is set back by more than an interval.
        let mut listed = false;
        watch
            .look(Timestamp(50), 100, || {
                Ok({
                    listed = true;
                    vec![]
                })
            })
            .unwrap();
        assert!(listed && watch.next_listing == Some(Timestamp(150)));
    }

    #[test]
    fn another_run_begins_anew() {
        let mut watch = Watch::default();
        watch.open(Subtask { index: 0, parallelism: 1 });
        watch.start(3, [].into_iter(), &[], || Ok(vec![file("a")])).unwrap();
        watch.open(Subtask { index: 0, parallelism: 1 });
        let mut listed = false;
        watch
            .start(5, [].into_iter(), &[], || {
                Ok({
                    listed = true;
                    vec![]
                })
            })
            .unwrap();
        assert!(listed && watch.next == 5);
    }
}
