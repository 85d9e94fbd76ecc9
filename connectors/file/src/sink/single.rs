//! Writes one file, each epoch's text at its fixed place, and makes it visible at the job's end.
//!
//! Text carries its offset, so that delivering it again writes the same bytes to the same place: no marker is needed, and
//! the log may let go of an epoch as soon as its text is synced.
//!
//! Invariants:
//! 1. From the start of a fresh job until the file is visible, the hidden file exists, durable under its name, and holds
//!    all that the log has let go of.
//! 2. Each run writes to a file of its own, made from what is durable in the one before: a file whose sync has failed
//!    is not synced again.

use std::io;
use std::sync::Arc;

use yeoul_frame::Epoch;
use yeoul_operator::{Committer, OperatorError, SealedOutput, Services};
use yeoul_sys::{File, Storage};

use super::durable::{self, Folder};
use super::{Encoding, Settings, chunk};

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
    /// The last epoch that this run has delivered.
    delivered: Epoch,
    failed: bool,
}

/// The file that this run writes.
struct Growing {
    file: Arc<dyn File>,
    /// The offset of the text that must come next.
    next: u64,
}

impl SingleCommitter {
    pub(crate) fn new<E: Encoding>(settings: &Settings<E>, header: Arc<[u8]>) -> Self {
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

    /// What earlier runs wrote: the hidden file, or the visible one if the job had ended.
    fn written(&self) -> io::Result<Option<Arc<dyn File>>> {
        Ok(match self.find(&self.hidden())? {
            Some(file) => Some(file),
            None => self.find(&self.place.1)?,
        })
    }

    /// Makes this run's file, with the first `text` bytes of what was written before.
    fn begin(&self, from: Option<&dyn File>, text: u64) -> io::Result<Growing> {
        let storage = self.storage();
        let file = durable::create(storage, &self.fresh())?;
        match from {
            Some(from) => copy(from, &*file, self.header.len() as u64 + text)?,
            None => file.write_at(&self.header, 0)?,
        }
        durable::sync(&*file)?;
        storage.rename(&self.fresh(), &self.hidden())?;
        durable::sync_names(storage)?;
        Ok(Growing { file, next: text })
    }

    fn deliver_all(&mut self, epoch: Epoch, outputs: &[SealedOutput]) -> Result<(), OperatorError> {
        if outputs.is_empty() || epoch <= self.delivered {
            return Ok(());
        }
        self.delivered = epoch;
        for output in outputs {
            let chunk = chunk::parse(&output.bytes).ok_or_else(|| {
                OperatorError::new(format!("{epoch} holds output for '{}' that no file sink sealed", self.path))
                    .hint("give each sink a uid of its own, and keep it")
            })?;
            if self.growing.is_none() {
                self.growing = Some(self.resume(chunk.offset)?);
            }
            let growing = self.growing.as_mut().expect("it was begun above");
            if chunk.offset != growing.next {
                return Err(OperatorError::new(format!(
                    "the sink '{}' sealed bytes {} and then {}: {epoch} is not what follows",
                    self.path, growing.next, chunk.offset
                ))
                .hint("the state log has lost output; restore from a savepoint"));
            }
            growing.next += chunk.text.len() as u64;
            let written = durable::write(&*growing.file, chunk.text, self.header.len() as u64 + chunk.offset);
            written.map_err(|e| self.failed(e))?;
        }
        let growing = self.growing.as_ref().expect("an epoch with output was written");
        durable::sync(&*growing.file).map_err(|e| self.failed(e))
    }

    fn resume(&self, offset: u64) -> Result<Growing, OperatorError> {
        if offset == 0 {
            return self.begin(None, 0).map_err(|e| self.failed(e));
        }
        let before = self.written().map_err(|e| self.failed(e))?;
        let len = before.as_ref().map_or(Ok(0), |before| before.len()).map_err(|e| self.failed(e))?;
        let needed = self.header.len() as u64 + offset;
        match before {
            Some(before) if len >= needed => self.begin(Some(&*before), offset).map_err(|e| self.failed(e)),
            _ => Err(OperatorError::new(format!(
                "{needed} bytes of '{}' were written before, and {len} of them are there",
                self.path
            ))
            .hint(format!(
                "put '{}/{}' back as it was, or start the job afresh",
                self.place.0,
                self.hidden()
            ))),
        }
    }

    fn show(&mut self) -> io::Result<()> {
        if self.growing.is_none() {
            // What is under the hidden name is durable. What is visible may owe its name to a sync that failed, so it is
            // written anew and put in its own place.
            match (self.find(&self.hidden())?, self.find(&self.place.1)?) {
                (Some(_), _) => {}
                (None, Some(visible)) => {
                    let text = visible.len()?.saturating_sub(self.header.len() as u64);
                    self.growing = Some(self.begin(Some(&*visible), text)?);
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
                .hint("a sink of a single file takes the file's path, such as out/result.csv"));
        }
        self.folder = Some(Folder::open(services, &folder, format!(".{name}.lock"))?);
        durable::remove(self.storage(), &self.fresh()).map_err(|e| self.failed(e))?;
        if committed == Epoch(0) {
            if !self.overwrite && self.find(&name).map_err(|e| self.failed(e))?.is_some() {
                return Err(OperatorError::new(format!("the output file '{}' exists already", self.path))
                    .hint("move it away, or set FileSink::overwrite to have it replaced when the job ends"));
            }
            // Invariant 1. It also replaces what an earlier fresh start left.
            self.growing = Some(self.begin(None, 0).map_err(|e| self.failed(e))?);
        }
        // Delivering again changes nothing, and the log holds little more than the last epoch.
        Ok(Epoch(0))
    }

    fn deliver(&mut self, epoch: Epoch, outputs: &[SealedOutput]) -> Result<(), OperatorError> {
        self.once(|committer| committer.deliver_all(epoch, outputs))
    }

    fn finish(&mut self) -> Result<(), OperatorError> {
        self.once(|committer| committer.show().map_err(|e| committer.failed(e)))
    }
}
