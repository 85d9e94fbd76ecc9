//! The folders of the simulated disk: what processes see, what is durable, and the changes between the two.
//!
//! After a power loss each change of a name since the folder's last sync has happened or not, independently of the others, within
//! what a journal promises:
//!
//! - A name's history survives as a prefix: a later change of a name never survives an earlier one of the same name.
//! - A rename over a file leaves the old file or the new one, never none. Where renames are atomic (the default), it is done in
//!   both folders or in none; else the old name may remain beside the new one.
//! - A file or folder never loses its last name by a move: a move into a folder whose making is lost is lost too, and a folder that
//!   is gone was emptied first.
//! - Syncing a folder makes the changes of its names durable, not the folder's own name in the folder above, and not the bytes of
//!   its files. A move between folders is durable when the folder moved into is synced.
//!
//! Invariants:
//! 1. With every change kept, the durable names are the visible ones (but for changes that an earlier failed sync lost).
//! 2. With none kept, they are the durable ones of before.

use std::collections::{BTreeMap, BTreeSet};

use crate::rng::Chance;

/// A file or folder, whatever its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Inode(pub(crate) u64);

/// The folder that is always there.
pub(crate) const ROOT: Inode = Inode(0);

/// One change of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NameChange {
    /// A file or folder was made.
    Link { dir: Inode, name: String, inode: Inode },
    /// A name was removed.
    Unlink { dir: Inode, name: String, inode: Inode },
    /// A name was moved, over whatever had the new one.
    Move { from: (Inode, String), to: (Inode, String), inode: Inode },
}

/// A folder's names.
pub(crate) type Folder = BTreeMap<String, Inode>;

type Name<'a> = (Inode, &'a str);

/// All names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    visible: BTreeMap<Inode, Folder>,
    durable: BTreeMap<Inode, Folder>,
    pending: Vec<NameChange>,
}

impl Names {
    pub(crate) fn new() -> Self {
        let root = BTreeMap::from([(ROOT, Folder::new())]);
        Self { visible: root.clone(), durable: root, pending: Vec::new() }
    }

    /// The names in a folder as processes see them, or `None` for what is not a folder.
    pub(crate) fn folder(&self, dir: Inode) -> Option<&Folder> {
        self.visible.get(&dir)
    }

    /// Declares a new inode to be a folder.
    pub(crate) fn add_folder(&mut self, dir: Inode) {
        self.visible.insert(dir, Folder::new());
        self.durable.insert(dir, Folder::new());
    }

    /// Makes a change visible; durable once its folder is synced.
    pub(crate) fn change(&mut self, change: NameChange) {
        change.apply(&mut self.visible);
        self.pending.push(change);
    }

    /// How many changes are not durable.
    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Makes the names of a folder durable.
    pub(crate) fn sync(&mut self, dir: Inode) {
        let needed = self.needed_by(dir);
        self.settle(&needed, |_| Survives::Whole);
    }

    /// A sync of a folder that failed: some of its changes are durable, the others are lost and will not be tried again.
    pub(crate) fn fail_sync(&mut self, dir: Inode, chance: &mut dyn Chance) {
        let needed = self.needed_by(dir);
        self.settle(&needed, |_| if chance.in_cases(1, 2) { Survives::Whole } else { Survives::No });
    }

    /// What is there after a power loss becomes all there is. Returns the inodes that still have a name.
    pub(crate) fn crash(&mut self, atomic_moves: bool, chance: &mut dyn Chance) -> BTreeSet<Inode> {
        // A mood for the whole disk, so that the corners (nothing, everything) are met often enough.
        let odds = chance.below(9);
        let all = vec![true; self.pending.len()];
        self.settle(&all, |change| {
            if odds > 0 && (odds == 8 || chance.in_cases(odds, 8)) {
                Survives::Whole
            } else if !atomic_moves && matches!(change, NameChange::Move { .. }) && chance.in_cases(1, 2) {
                Survives::Beside
            } else {
                Survives::No
            }
        });
        let reachable = self.reachable(&self.durable);
        self.durable.retain(|dir, _| reachable.contains(dir));
        self.visible = self.durable.clone();
        reachable
    }

    /// Inodes that have a name somewhere, or may have one after a crash.
    pub(crate) fn linked(&self) -> BTreeSet<Inode> {
        let mut linked = self.reachable(&self.visible);
        linked.extend(self.reachable(&self.durable));
        linked.extend(self.visible.values().chain(self.durable.values()).flat_map(|folder| folder.values().copied()));
        linked.extend(self.pending.iter().map(NameChange::inode));
        linked
    }

    /// Applies to the durable names what survives of the chosen changes, and forgets all the chosen.
    fn settle(&mut self, chosen: &[bool], mut fate: impl FnMut(&NameChange) -> Survives) {
        let mut lost = Lost::default();
        let mut left = Vec::new();
        for (change, &chosen) in std::mem::take(&mut self.pending).into_iter().zip(chosen) {
            if !chosen {
                left.push(change);
                continue;
            }
            match if lost.stops(&change) { Survives::No } else { fate(&change) } {
                Survives::Whole => {
                    change.apply(&mut self.durable);
                    lost.note_place(&change);
                }
                Survives::Beside => {
                    let NameChange::Move { from, to, inode } = &change else {
                        unreachable!("only a move has two halves")
                    };
                    self.durable.entry(to.0).or_default().insert(to.1.clone(), *inode);
                    lost.names.insert(from.clone());
                }
                Survives::No => lost.note(&change),
            }
        }
        self.pending = left;
    }

    /// Which pending changes a sync of `dir` makes durable: those of its names, and all that these rest on.
    fn needed_by(&self, dir: Inode) -> Vec<bool> {
        let mut names: BTreeSet<Name<'_>> = BTreeSet::new();
        let mut made = BTreeSet::new();
        let mut emptied = BTreeSet::new();
        let mut needed = vec![false; self.pending.len()];
        for (at, change) in self.pending.iter().enumerate().rev() {
            let by_sync = match change {
                NameChange::Link { dir: of, .. } | NameChange::Unlink { dir: of, .. } => *of == dir,
                NameChange::Move { to, .. } => to.0 == dir,
            };
            let makes = matches!(change, NameChange::Link { inode, .. } if made.contains(inode));
            let rests = change.names().any(|name| names.contains(&name) || emptied.contains(&name.0));
            if !(by_sync || makes || rests) {
                continue;
            }
            needed[at] = true;
            names.extend(change.names());
            match change {
                NameChange::Link { dir, .. } if makes => _ = made.insert(*dir),
                NameChange::Link { .. } => {}
                NameChange::Unlink { inode, .. } => _ = emptied.insert(*inode),
                NameChange::Move { from, to, .. } if from.0 != to.0 => _ = made.insert(to.0),
                NameChange::Move { .. } => {}
            }
        }
        needed
    }

    fn reachable(&self, tree: &BTreeMap<Inode, Folder>) -> BTreeSet<Inode> {
        let mut seen = BTreeSet::from([ROOT]);
        let mut open = vec![ROOT];
        while let Some(dir) = open.pop() {
            for &inode in tree.get(&dir).into_iter().flat_map(BTreeMap::values) {
                if seen.insert(inode) {
                    open.push(inode);
                }
            }
        }
        seen
    }
}

enum Survives {
    Whole,
    /// The new name of a move, beside the old one.
    Beside,
    No,
}

/// What later changes can no longer rest on.
#[derive(Default)]
struct Lost {
    names: BTreeSet<(Inode, String)>,
    /// Folders whose making is lost.
    unmade: BTreeSet<Inode>,
    /// Folders in which a change is lost, so that they were not emptied.
    changed: BTreeSet<Inode>,
}

impl Lost {
    fn stops(&self, change: &NameChange) -> bool {
        let history = change.names().any(|(dir, name)| self.names.contains(&(dir, name.to_owned())));
        history
            || match change {
                NameChange::Link { .. } => false,
                NameChange::Unlink { inode, .. } => self.changed.contains(inode),
                NameChange::Move { from, to, .. } => from.0 != to.0 && self.unmade.contains(&to.0),
            }
    }

    fn note(&mut self, change: &NameChange) {
        for (dir, name) in change.names() {
            self.names.insert((dir, name.to_owned()));
            self.changed.insert(dir);
        }
        if let NameChange::Link { inode, .. } = change {
            self.unmade.insert(*inode);
        }
    }

    /// What is made in a folder that is lost is out of reach too.
    fn note_place(&mut self, change: &NameChange) {
        if let NameChange::Link { dir, inode, .. } = change
            && self.unmade.contains(dir)
        {
            self.unmade.insert(*inode);
        }
    }
}

impl NameChange {
    fn inode(&self) -> Inode {
        match self {
            Self::Link { inode, .. } | Self::Unlink { inode, .. } | Self::Move { inode, .. } => *inode,
        }
    }

    fn names(&self) -> impl Iterator<Item = Name<'_>> {
        let (one, other) = match self {
            Self::Link { dir, name, .. } | Self::Unlink { dir, name, .. } => ((*dir, name.as_str()), None),
            Self::Move { from, to, .. } => ((from.0, from.1.as_str()), Some((to.0, to.1.as_str()))),
        };
        std::iter::once(one).chain(other)
    }

    fn apply(&self, tree: &mut BTreeMap<Inode, Folder>) {
        match self {
            Self::Link { dir, name, inode } => _ = tree.entry(*dir).or_default().insert(name.clone(), *inode),
            Self::Unlink { dir, name, .. } => _ = tree.entry(*dir).or_default().remove(name),
            Self::Move { from, to, inode } => {
                let old = tree.entry(from.0).or_default();
                // After a failed sync the old name may be another file's already.
                if old.get(&from.1) == Some(inode) {
                    old.remove(&from.1);
                }
                tree.entry(to.0).or_default().insert(to.1.clone(), *inode);
            }
        }
    }
}
