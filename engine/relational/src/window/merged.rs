//! The panes of a window, merged by key while it fires.

use yeoul_frame::KeyHash;
use yeoul_state::{Key, Table};

use crate::aggregate::{Accumulators, Plan, TextValue, merge_text};

const NONE: u32 = u32::MAX;

/// Keys and their accumulators, in the order in which they were met. Keeps its memory from window to window.
pub(super) struct Merged<K, A> {
    pub(super) keys: Vec<K>,
    pub(super) held: Vec<A>,
    hashes: Vec<KeyHash>,
    places: Vec<u32>,
}

impl<K: Key, A: Accumulators> Merged<K, A> {
    pub(super) fn new() -> Self {
        Self { keys: vec![], held: vec![], hashes: vec![], places: vec![] }
    }

    pub(super) fn clear(&mut self) {
        self.keys.clear();
        self.held.clear();
        self.hashes.clear();
        self.places.fill(NONE);
    }

    /// Adds a pane's keys for which `takes` holds. The first pane that comes is taken over as it is.
    pub(super) fn add(&mut self, plan: &Plan, pane: &Table<K, A>, alone: bool, takes: impl Fn(KeyHash) -> bool) {
        for (key, held) in pane.iter() {
            if alone {
                if takes(key.routing()) {
                    self.keys.push(key.clone());
                    self.held.push(held.clone());
                }
                continue;
            }
            let hash = key.hash();
            if !takes(hash) {
                continue;
            }
            match self.place(key, hash) {
                Some(at) => merge(plan, &mut self.held[at], held),
                None => self.held.push(held.clone()),
            }
        }
    }

    /// Where a key is; none: it was added, and its accumulators must be.
    fn place(&mut self, key: &K, hash: KeyHash) -> Option<usize> {
        if self.keys.len() * 2 >= self.places.len() {
            self.grow();
        }
        let mask = self.places.len() - 1;
        let mut place = hash.0 as usize & mask;
        loop {
            let id = self.places[place];
            if id == NONE {
                self.places[place] = self.keys.len() as u32;
                self.keys.push(key.clone());
                self.hashes.push(hash);
                return None;
            }
            if self.hashes[id as usize] == hash && self.keys[id as usize] == *key {
                return Some(id as usize);
            }
            place = (place + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let size = (self.places.len() * 2).max(1024);
        self.places.clear();
        self.places.resize(size, NONE);
        for (id, hash) in self.hashes.iter().enumerate() {
            let mut place = hash.0 as usize & (size - 1);
            while self.places[place] != NONE {
                place = (place + 1) & (size - 1);
            }
            self.places[place] = id as u32;
        }
    }
}

/// Merges one group's accumulators into another's; those of `from` are later.
pub(crate) fn merge<A: Accumulators>(plan: &Plan, into: &mut A, from: &A) {
    plan.merge(into.words_mut(), |word| from.words()[word]);
    for slot in plan.slots.iter().filter(|slot| slot.keep.is_text()) {
        let text: &TextValue = &from.texts()[slot.at];
        if let Some(text) = text {
            merge_text(slot.keep, &mut into.texts_mut()[slot.at], text, plan);
        }
    }
}
