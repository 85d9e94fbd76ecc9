//! One file of the simulated disk: what the page cache shows, what is durable, and what lies between.
//!
//! Invariants:
//! 1. Processes see the page cache only. A power loss leaves what [`image`](crate::image) allows and nothing else.
//! 2. After a sync that succeeds all changes since the last sync are durable, whatever fails later.
//! 3. After a sync that fails no pending change is tried again: what it did not save is lost though the page cache shows it.

use crate::content::Content;
use crate::image::{self, Change};
use crate::rng::Chance;

#[derive(Debug, Clone, Default)]
pub(crate) struct FileState {
    cache: Content,
    durable: Content,
    /// The page cache at the last sync; `None` while that is `durable` (no sync has failed).
    synced: Option<Content>,
    pending: Vec<Change>,
    /// When it was last changed, for listings.
    pub(crate) modified: i64,
    /// Something cannot be written back: the next sync fails.
    pub(crate) doomed: bool,
    /// A sync failed in this process.
    pub(crate) failed: bool,
    /// How many of the first bytes a process has mapped.
    pub(crate) mapped: u64,
}

impl FileState {
    /// A file whose bytes are durable; a new one has none.
    pub(crate) fn durable(bytes: &[u8], modified: i64) -> Self {
        let content = Content::from_bytes(bytes);
        Self { cache: content.clone(), durable: content, modified, ..Self::default() }
    }

    pub(crate) fn cache(&self) -> &Content {
        &self.cache
    }

    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(crate) fn change(&mut self, change: Change) {
        change.apply(&mut self.cache);
        self.pending.push(change);
    }

    pub(crate) fn sync(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        match self.synced.take() {
            None => self.durable = self.cache.clone(),
            Some(synced) => {
                self.durable = image::all(&self.durable, &synced, &self.pending);
                self.synced = Some(self.cache.clone());
            }
        }
        self.pending.clear();
    }

    pub(crate) fn fail_sync(&mut self, chance: &mut dyn Chance) {
        self.durable = self.survivor(chance);
        self.synced = Some(self.cache.clone());
        self.pending.clear();
        self.doomed = false;
        self.failed = true;
    }

    /// The process ended: the page cache stays.
    pub(crate) fn process_ended(&mut self) {
        self.failed = false;
        self.mapped = 0;
    }

    /// The power failed: the page cache is gone.
    pub(crate) fn power_lost(&mut self, chance: &mut dyn Chance) {
        let durable = self.survivor(chance);
        *self = Self { cache: durable.clone(), durable, modified: self.modified, ..Self::default() };
    }

    /// Flips a bit, on the disk and in the page cache.
    pub(crate) fn flip(&mut self, bit: u64) {
        for content in [Some(&mut self.cache), Some(&mut self.durable), self.synced.as_mut()].into_iter().flatten() {
            let mut byte = [0];
            if content.read(&mut byte, bit / 8) == 1 {
                content.write(&[byte[0] ^ (1 << (bit % 8))], bit / 8);
            }
        }
    }

    fn survivor(&self, chance: &mut dyn Chance) -> Content {
        if self.pending.is_empty() {
            return self.durable.clone();
        }
        image::some(&self.durable, self.synced.as_ref().unwrap_or(&self.durable), &self.pending, chance)
    }
}
