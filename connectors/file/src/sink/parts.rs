//! Makes parts visible, epoch by epoch, and knows by their names what has been delivered.
//!
//! The steps of a delivery: write each instance's text to its hidden file; sync the files of the parts that are complete;
//! rename them, one right after another; sync the folder. Whatever it is that a crash cuts short, the next run removes
//! hidden files and has delivered again what the log still holds.
//!
//! Invariants:
//! 1. A hidden file is the work of this run: it holds committed epochs only, from its part's first on, without a gap.
//! 2. Before a part is renamed its bytes are durable; before the next epoch is begun, so is its name.
//! 3. So a visible part whose first epoch the log no longer holds is durable under its name. One whose first epoch is
//!    delivered again may owe its name to a folder sync that never came or failed: it is written anew and renamed over
//!    itself, the same bytes under the same name.
//! 4. A part ends where its instance sealed its end, where the number of shards changed, or where the job ended.
//! 5. Parts of one instance are shown in the order of epochs: all before its newest was delivered.
//! 6. A visible part is never replaced by a shorter one: the log may have lost its beginning or its end since.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use yeoul_frame::Epoch;
use yeoul_operator::{Committer, OperatorError, SealedOutput, Services};
use yeoul_sys::File;
use yeoul_sys::planted::{Bug, is_planted};

use super::Settings;
use super::chunk::{self, Chunk};
use super::durable::{self, Folder};
use super::name::{Part, PartName, PartNames};

/// The outside half of a sink of parts.
pub(crate) struct PartsCommitter {
    path: String,
    names: PartNames,
    header: Arc<[u8]>,
    overwrite: bool,
    folder: Option<Folder>,
    committed: Epoch,
    /// The last epoch that this run has delivered.
    delivered: Epoch,
    /// The parts that were visible at the start: by instance, first epoch to last. Empty once no epoch of before is left.
    shown: BTreeMap<u16, BTreeMap<Epoch, Epoch>>,
    open: BTreeMap<u16, OpenPart>,
    failed: bool,
}

/// A part that is not complete.
struct OpenPart {
    file: Arc<dyn File>,
    hidden: String,
    part: Part,
    /// Bytes in the file.
    len: u64,
    /// The offset of the text that must come next.
    next: u64,
    /// The number of shards that wrote it.
    shards: u16,
    /// It is visible already, up to this epoch, and is written anew (invariant 3).
    shown_until: Option<Epoch>,
}

impl PartsCommitter {
    pub(crate) fn new<E>(settings: &Settings<E>, header: Arc<[u8]>, extension: &'static str) -> Self {
        Self {
            path: settings.path.clone(),
            names: PartNames { prefix: settings.prefix.clone(), extension },
            header,
            overwrite: settings.overwrite,
            folder: None,
            committed: Epoch(0),
            delivered: Epoch(0),
            shown: BTreeMap::new(),
            open: BTreeMap::new(),
            failed: false,
        }
    }

    fn folder(&self) -> &Folder {
        self.folder.as_ref().expect("a committer recovers before it delivers")
    }

    fn failed(&self, cause: io::Error) -> OperatorError {
        OperatorError::new(format!("cannot write output in the folder '{}'", self.path)).caused_by(cause)
    }

    /// Reads the folder. Returns the last epoch of which everything is known to be delivered.
    fn look(&mut self, committed: Epoch) -> Result<Epoch, OperatorError> {
        let folder = self.folder();
        let entries = folder.storage.list("").map_err(|e| self.failed(e))?;
        let mut parts = Vec::new();
        for entry in entries.iter().filter(|entry| !entry.is_dir) {
            match self.names.parse(&entry.name) {
                Some(PartName::Open) => durable::remove(&*folder.storage, &entry.name).map_err(|e| self.failed(e))?,
                Some(PartName::Visible(part)) => parts.push(part),
                None => {}
            }
        }
        if committed == Epoch(0) && self.overwrite && !parts.is_empty() {
            for part in parts.drain(..) {
                durable::remove(&*folder.storage, &self.names.visible(part)).map_err(|e| self.failed(e))?;
            }
            // A name that came back after a power loss would count as delivered.
            folder.storage.sync_dir("").map_err(|e| self.failed(e))?;
        }
        if let Some(foreign) = parts.iter().find(|part| part.last > committed) {
            return Err(OperatorError::new(format!(
                "the folder '{}' holds '{}', but no epoch after {} of this job is committed",
                self.path,
                self.names.visible(*foreign),
                committed.0
            ))
            .hint("it is of another run: choose an empty folder or another prefix, remove the files, or have a fresh job remove them: 'sink.overwrite' = 'true' of the table (FileSink::overwrite in a program)")
            .permanent());
        }
        let highest = parts.iter().map(|part| part.last).max().unwrap_or(Epoch(0));
        for part in parts {
            self.shown.entry(part.subtask).or_default().insert(part.first, part.last);
        }
        // Parts of different instances end at different epochs: names do not tell what an instance without a part in some
        // epoch still owes. The log does: it holds all that is not delivered, whichever way parts were rolled then.
        Ok(if is_planted(Bug::MarkerAfterCommit) { highest } else { Epoch(0) })
    }

    fn deliver_all(&mut self, epoch: Epoch, outputs: &[SealedOutput]) -> Result<(), OperatorError> {
        let Some(first) = outputs.first() else { return Ok(()) };
        if epoch <= self.delivered {
            return Ok(());
        }
        self.delivered = epoch;
        let shards = first.subtask.parallelism;
        let is_new = epoch > self.committed;
        let is_over = |open: &OpenPart| open.shards != shards || (is_new && open.shown_until.is_some());
        let over: Vec<u16> = self.open.iter().filter(|(_, open)| is_over(open)).map(|(subtask, _)| *subtask).collect();
        self.show(&over)?;
        if is_new {
            self.shown.clear();
        }
        let mut chunks: BTreeMap<u16, Vec<Chunk<'_>>> = BTreeMap::new();
        for output in outputs {
            let chunk = chunk::parse(&output.bytes).ok_or_else(|| {
                OperatorError::new(format!("{epoch} holds output for '{}' that no file sink sealed", self.path))
                    .hint("give each sink a uid of its own, and keep it")
            })?;
            chunks.entry(output.subtask.index).or_default().push(chunk);
        }
        let mut complete = Vec::new();
        for (subtask, chunks) in chunks {
            if self.append(subtask, shards, epoch, &chunks)? {
                complete.push(subtask);
            }
        }
        self.show(&complete)
    }

    /// Appends what an instance wrote in an epoch. Whether its part is complete now.
    fn append(&mut self, subtask: u16, shards: u16, epoch: Epoch, chunks: &[Chunk<'_>]) -> Result<bool, OperatorError> {
        if !self.open.contains_key(&subtask) {
            // What lies before an instance's newest part was delivered, whether or not its parts are still there (invariant 5).
            let newest = self.shown.get(&subtask).and_then(BTreeMap::last_key_value);
            if newest.is_some_and(|(first, _)| epoch < *first) {
                return Ok(false);
            }
            let shown = self.shown.get(&subtask).and_then(|parts| parts.range(..=epoch).next_back());
            let shown = shown.filter(|(_, last)| **last >= epoch).map(|(first, last)| (*first, *last));
            let shown_until = match shown {
                Some((first, _)) if first < epoch => return Ok(false),
                Some((_, last)) => Some(last),
                None if chunks.iter().all(|chunk| chunk.text.is_empty()) => return Ok(false),
                None => None,
            };
            let open = self.begin(subtask, shards, epoch, chunks[0].offset, shown_until).map_err(|e| self.failed(e))?;
            self.open.insert(subtask, open);
        }
        let mut open = self.open.remove(&subtask).expect("it was opened above");
        for chunk in chunks {
            if chunk.offset != open.next && open.shown_until.is_some() {
                // The log has let go of some of a part that is visible: so that is durable, and stays.
                durable::remove(&*self.folder().storage, &open.hidden).map_err(|e| self.failed(e))?;
                return Ok(false);
            }
            if chunk.offset != open.next {
                return Err(OperatorError::new(format!(
                    "instance {subtask} of the sink in '{}' sealed bytes {} and then {}: {epoch} is not what follows",
                    self.path, open.next, chunk.offset
                ))
                .hint("the state log has lost output; restore from a savepoint"));
            }
            let (at, written) = (open.len, durable::write(&*open.file, chunk.text, open.len));
            open.len = at + chunk.text.len() as u64;
            open.next += chunk.text.len() as u64;
            written.map_err(|e| OperatorError::new(format!("cannot write output to '{}'", self.path)).caused_by(e))?;
        }
        open.part.last = epoch;
        let is_complete = match open.shown_until {
            Some(until) => epoch >= until,
            None => chunks.iter().any(|chunk| chunk.ends_part),
        };
        self.open.insert(subtask, open);
        Ok(is_complete)
    }

    fn begin(
        &self,
        subtask: u16,
        shards: u16,
        epoch: Epoch,
        next: u64,
        shown_until: Option<Epoch>,
    ) -> io::Result<OpenPart> {
        let hidden = self.names.open(subtask, epoch);
        let file = durable::create(&*self.folder().storage, &hidden)?;
        file.write_at(&self.header, 0)?;
        let part = Part { subtask, first: epoch, last: epoch };
        Ok(OpenPart { file, hidden, part, len: self.header.len() as u64, next, shards, shown_until })
    }

    /// Makes parts visible, for good.
    fn show(&mut self, subtasks: &[u16]) -> Result<(), OperatorError> {
        let parts: Vec<OpenPart> = subtasks.iter().filter_map(|subtask| self.open.remove(subtask)).collect();
        if parts.is_empty() {
            return Ok(());
        }
        let storage = &*self.folder().storage;
        let steps = || -> io::Result<()> {
            for open in &parts {
                durable::sync(&*open.file)?;
            }
            for open in &parts {
                let visible = self.names.visible(open.part);
                let stays = match open.shown_until {
                    Some(until) => open.part.last < until || open.len < storage.open(&visible)?.len()?,
                    None => false,
                };
                if stays {
                    durable::remove(storage, &open.hidden)?;
                } else {
                    durable::show(storage, &open.hidden, &visible)?;
                }
            }
            durable::sync_names(storage)
        };
        steps().map_err(|e| self.failed(e))
    }

    /// After a failure nothing more is tried: a failed sync says nothing the second time.
    fn once(&mut self, steps: impl FnOnce(&mut Self) -> Result<(), OperatorError>) -> Result<(), OperatorError> {
        if self.failed {
            return Err(OperatorError::new(format!("output in '{}' failed before, and needs a restart", self.path)));
        }
        let result = steps(self);
        self.failed = result.is_err();
        result
    }
}

impl Committer for PartsCommitter {
    fn recover(&mut self, services: &Services, committed: Epoch) -> Result<Epoch, OperatorError> {
        self.folder = Some(Folder::open(services, &self.path, self.names.lock())?);
        self.committed = committed;
        self.look(committed)
    }

    fn deliver(&mut self, epoch: Epoch, outputs: &[SealedOutput]) -> Result<(), OperatorError> {
        self.once(|committer| committer.deliver_all(epoch, outputs))
    }

    fn retained_from(&self, delivered: Epoch) -> Epoch {
        self.open.values().map(|open| open.part.first).fold(delivered.next(), Epoch::min)
    }

    fn finish(&mut self) -> Result<(), OperatorError> {
        self.once(|committer| {
            let all: Vec<u16> = committer.open.keys().copied().collect();
            committer.show(&all)?;
            let closed = committer.folder.as_mut().map_or(Ok(()), Folder::close);
            closed.map_err(|e| committer.failed(e))
        })
    }
}
