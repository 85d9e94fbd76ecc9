//! Writes one file, each epoch's text at its fixed place, and makes it visible at the job's end.
//!
//! Text carries its offset, so that delivering it again writes the same bytes to the same place: no marker is needed, and
//! the log may let go of an epoch as soon as its text is synced. Only the last committed epoch is asked for again: one epoch is in
//! flight at a time, so each one before it was synced before it was committed. What else the log may still hold is not asked
//! for: after a rescale it need not be without gaps.
//!
//! Invariants:
//! 1. From the start of a fresh job until the file is visible, the hidden file exists, durable under its name, and holds
//!    all that the log has let go of.
//! 2. Each run writes to a file of its own, made from what is durable in the one before: a file whose sync has failed
//!    is not synced again.
//! 3. What is under the hidden name is never replaced by something shorter. A file that holds more than the job has committed
//!    is of another run, and refused.

use std::io;
use std::sync::Arc;

use yeoul_frame::Epoch;
use yeoul_operator::{Committer, OperatorError, SealedOutput, Services};
use yeoul_sys::{File, Storage};

use super::Settings;
use super::chunk::{self, Chunk};
use super::durable::{self, Folder};

/// How much is copied at once.
const COPIED: usize = 1 << 20;

/// The outside half of a sink of one file.
pub(crate) struct SingleCommitter {
    path: String,
    /// The folder and the name in it.
    place: (String, String),
    header: Arc<[u8]>,
    overwrite: bool,
    folder: Option<Folder>,
    growing: Option<Growing>,
    committed: Epoch,
    /// The last epoch that this run has delivered.
    delivered: Epoch,
    failed: bool,
}

/// The file that this run writes.
struct Growing {
    file: Arc<dyn File>,
    /// The offset of the text that must come next.
    next: u64,
    /// Bytes of text in the file: more than `next` while epochs of before are delivered again.
    held: u64,
}

impl SingleCommitter {
    pub(crate) fn new<E>(settings: &Settings<E>, header: Arc<[u8]>) -> Self {
        let place = match settings.path.rsplit_once('/') {
            Some(("", name)) => ("/".to_owned(), name.to_owned()),
            Some((folder, name)) => (folder.to_owned(), name.to_owned()),
            None => (".".to_owned(), settings.path.clone()),
        };
        Self {
            path: settings.path.clone(),
            place,
            header,
            overwrite: settings.overwrite,
            folder: None,
            growing: None,
            committed: Epoch(0),
            delivered: Epoch(0),
            failed: false,
        }
    }

    fn storage(&self) -> &dyn Storage {
        &*self.folder.as_ref().expect("a committer recovers before it delivers").storage
    }

    fn hidden(&self) -> String {
        format!(".{}.open", self.place.1)
    }

    fn fresh(&self) -> String {
        format!(".{}.new", self.place.1)
    }

    fn failed(&self, cause: io::Error) -> OperatorError {
        OperatorError::new(format!("cannot write the output file '{}'", self.path)).caused_by(cause)
    }

    fn find(&self, name: &str) -> io::Result<Option<Arc<dyn File>>> {
        match self.storage().open(name) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    /// Makes this run's file, with all of what was written before. `next` is the offset of the text that comes next.
    fn begin(&self, from: Option<&dyn File>, next: u64) -> io::Result<Growing> {
        let (storage, header) = (self.storage(), self.header.len() as u64);
        let file = durable::create(storage, &self.fresh())?;
        let len = from.map_or(Ok(0), |from| from.len())?;
        match from {
            Some(from) if len >= header => copy(from, &*file, len)?,
            _ => file.write_at(&self.header, 0)?,
        }
        durable::sync(&*file)?;
        storage.rename(&self.fresh(), &self.hidden())?;
        durable::sync_names(storage)?;
        Ok(Growing { file, next, held: len.saturating_sub(header) })
    }

    fn deliver_all(&mut self, epoch: Epoch, outputs: &[SealedOutput]) -> Result<(), OperatorError> {
        if outputs.is_empty() || epoch <= self.delivered {
            return Ok(());
        }
        self.delivered = epoch;
        let is_new = epoch > self.committed;
        for output in outputs {
            let chunk = chunk::parse(&output.bytes).ok_or_else(|| {
                OperatorError::new(format!("{epoch} holds output for '{}' that no file sink sealed", self.path))
                    .hint("give each sink a uid of its own, and keep it")
            })?;
            if self.growing.is_none() {
                self.growing = Some(self.resume(&chunk)?);
            }
            let growing = self.growing.as_mut().expect("it was begun above");
            if chunk.offset != growing.next {
                return Err(OperatorError::new(format!(
                    "the sink '{}' sealed bytes {} and then {}: {epoch} is not what follows",
                    self.path, growing.next, chunk.offset
                ))
                .hint("the state log has lost output; restore from a savepoint"));
            }
            if is_new && growing.held > growing.next {
                let (held, next) = (growing.held, growing.next);
                return Err(self.holds_more(held, next));
            }
            growing.next += chunk.text.len() as u64;
            growing.held = growing.held.max(growing.next);
            let written = durable::write(&*growing.file, chunk.text, self.header.len() as u64 + chunk.offset);
            written.map_err(|e| self.failed(e))?;
        }
        let growing = self.growing.as_ref().expect("an epoch with output was written");
        durable::sync(&*growing.file).map_err(|e| self.failed(e))
    }

    /// Goes on with what earlier runs wrote: the hidden file, or the visible one if the job had ended.
    fn resume(&self, chunk: &Chunk<'_>) -> Result<Growing, OperatorError> {
        let steps = || -> io::Result<Result<Growing, u64>> {
            let header = self.header.len() as u64;
            let before = match self.find(&self.hidden())? {
                Some(hidden) => Some(hidden),
                // What `overwrite` lets stand is another run's, unless this one has ended: then it holds what comes again.
                None => match self.find(&self.place.1)? {
                    Some(_) if self.overwrite && chunk.offset == 0 => None,
                    Some(visible) if self.overwrite && !holds(&*visible, header + chunk.offset, chunk.text)? => None,
                    other => other,
                },
            };
            let len = before.as_ref().map_or(Ok(0), |before| before.len())?;
            if chunk.offset > 0 && len < header + chunk.offset {
                return Ok(Err(len));
            }
            self.begin(before.as_deref(), chunk.offset).map(Ok)
        };
        steps().map_err(|e| self.failed(e))?.map_err(|len| {
            OperatorError::new(format!(
                "{} bytes of '{}' were written before, and {len} of them are there",
                self.header.len() as u64 + chunk.offset,
                self.path
            ))
            .hint(format!(
                "put '{}/{}' back as it was, or start the job afresh",
                self.place.0,
                self.hidden()
            ))
        })
    }

    /// A fresh job has delivered nothing: text under the hidden name is another job's, which may still be resumed.
    fn refuse_foreign(&self) -> Result<(), OperatorError> {
        let hidden = self.find(&self.hidden()).map_err(|e| self.failed(e))?;
        let len = hidden.map_or(Ok(0), |hidden| hidden.len()).map_err(|e| self.failed(e))?;
        if self.overwrite || len <= self.header.len() as u64 {
            return Ok(());
        }
        let (folder, hidden) = (&self.place.0, self.hidden());
        Err(OperatorError::new(format!("'{folder}/{hidden}' holds {len} bytes that a job which has not ended wrote"))
            .hint("resume that job, or remove the file, or have it replaced: 'sink.overwrite' = 'true' of the table (FileSink::overwrite in a program)")
            .permanent())
    }

    #[cold]
    fn holds_more(&self, held: u64, next: u64) -> OperatorError {
        let (folder, hidden) = (&self.place.0, self.hidden());
        OperatorError::new(format!(
            "'{folder}/{hidden}' holds {held} bytes of text, but {next} of this job are committed: the rest is of another run"
        ))
        .hint(format!(
            "move it away and start afresh; or, to go on from an earlier savepoint of the same job, cut it to {} bytes",
            self.header.len() as u64 + next
        ))
    }

    fn show(&mut self) -> io::Result<()> {
        if self.growing.is_none() {
            // What is under the hidden name is durable. What is visible may owe its name to a sync that failed, so it is
            // written anew and put in its own place.
            match (self.find(&self.hidden())?, self.find(&self.place.1)?) {
                (Some(_), _) => {}
                (None, Some(visible)) => {
                    self.growing = Some(self.begin(Some(&*visible), 0)?);
                }
                (None, None) => self.growing = Some(self.begin(None, 0)?),
            }
        }
        let storage = self.storage();
        durable::show(storage, &self.hidden(), &self.place.1)?;
        // A file system whose renames are not atomic may have left the old name beside the new one.
        durable::remove(storage, &self.hidden())?;
        self.folder.as_mut().map_or(Ok(()), Folder::close)
    }

    /// After a failure nothing more is tried: a failed sync says nothing the second time.
    fn once(&mut self, steps: impl FnOnce(&mut Self) -> Result<(), OperatorError>) -> Result<(), OperatorError> {
        if self.failed {
            return Err(OperatorError::new(format!("output to '{}' failed before, and needs a restart", self.path)));
        }
        let result = steps(self);
        self.failed = result.is_err();
        result
    }
}

/// Whether the file's bytes from `at` on are `text`, as far as it reaches.
fn holds(file: &dyn File, at: u64, text: &[u8]) -> io::Result<bool> {
    let len = file.len()?.saturating_sub(at).min(text.len() as u64) as usize;
    let mut there = vec![0; len];
    file.read_exact_at(&mut there, at)?;
    Ok(there == text[..len])
}

fn copy(from: &dyn File, to: &dyn File, len: u64) -> io::Result<()> {
    let mut buffer = vec![0; COPIED.min(len as usize)];
    let mut at = 0;
    while at < len {
        let part = buffer.len().min((len - at) as usize);
        from.read_exact_at(&mut buffer[..part], at)?;
        to.write_at(&buffer[..part], at)?;
        at += part as u64;
    }
    Ok(())
}

impl Committer for SingleCommitter {
    fn recover(&mut self, services: &Services, committed: Epoch) -> Result<Epoch, OperatorError> {
        let (folder, name) = self.place.clone();
        if name.is_empty() {
            return Err(OperatorError::new(format!("the output path '{}' names no file", self.path))
                .hint("a sink of a single file takes the file's path, such as out/result.csv")
                .permanent());
        }
        self.committed = committed;
        self.folder = Some(Folder::open(services, &folder, format!(".{name}.lock"))?);
        durable::remove(self.storage(), &self.fresh()).map_err(|e| self.failed(e))?;
        if committed == Epoch(0) {
            if !self.overwrite && self.find(&name).map_err(|e| self.failed(e))?.is_some() {
                return Err(OperatorError::new(format!("the output file '{}' exists already", self.path))
                    .hint("move it away, or have it replaced when the job ends: 'sink.overwrite' = 'true' of the table (FileSink::overwrite in a program)")
                    .permanent());
            }
            self.refuse_foreign()?;
            // Invariant 1. It also replaces what an earlier fresh start left.
            self.growing = Some(self.begin(None, 0).map_err(|e| self.failed(e))?);
        }
        // All before the last committed epoch was synced before that one was begun.
        Ok(Epoch(committed.0.saturating_sub(1)))
    }

    fn deliver(&mut self, epoch: Epoch, outputs: &[SealedOutput]) -> Result<(), OperatorError> {
        self.once(|committer| committer.deliver_all(epoch, outputs))
    }

    fn finish(&mut self) -> Result<(), OperatorError> {
        self.once(|committer| committer.show().map_err(|e| committer.failed(e)))
    }
}
