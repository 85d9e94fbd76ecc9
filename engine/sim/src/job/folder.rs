//! The plainest exactly-once sink over files: one file for each epoch and subtask, of comma-separated integers.
//!
//! Its marker is that the file is there: delivering again what is there already changes nothing.

use std::io;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use yeoul_frame::{Cell, Epoch, Frame, Schema};
use yeoul_operator::{
    Committer, Context, InputId, NodeKind, Operator, OperatorError, SealedOutput, Services, Snapshot,
};
use yeoul_sys::Storage;

/// A recipe for the sink.
pub(crate) struct FolderSink<T> {
    folder: String,
    records: PhantomData<fn() -> T>,
}

impl<T: Schema> FolderSink<T> {
    pub(crate) fn new(folder: &str) -> Self {
        Self { folder: folder.to_owned(), records: PhantomData }
    }

    pub(crate) fn kind(self) -> NodeKind {
        let folder = self.folder;
        NodeKind::Sink {
            make: Arc::new(|| Box::new(Lines::<T> { text: Vec::new(), records: PhantomData })),
            committer: Arc::new(move || Box::new(Folder { path: folder.clone(), storage: None })),
        }
    }
}

/// The epoch of a finished file.
pub(crate) fn epoch_of(path: &str) -> Option<u64> {
    path.rsplit('/').next()?.strip_prefix("part-")?.split('-').next()?.parse().ok()
}

struct Lines<T> {
    text: Vec<u8>,
    records: PhantomData<fn() -> T>,
}

impl<T: Schema> Operator for Lines<T> {
    fn process(&mut self, _: InputId, frame: &Frame, _: &mut Context<'_>) -> Result<(), OperatorError> {
        for (_, row) in frame.rows::<T>().iter() {
            let mut cells = Vec::new();
            T::cells(row, &mut cells);
            let words: Vec<String> = cells
                .iter()
                .map(|cell| match cell {
                    Cell::I64(number) => number.to_string(),
                    Cell::U64(number) => number.to_string(),
                    other => format!("{other:?}"),
                })
                .collect();
            self.text.extend_from_slice(words.join(",").as_bytes());
            self.text.push(b'\n');
        }
        Ok(())
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        if !self.text.is_empty() {
            snapshot.seal(std::mem::take(&mut self.text));
        }
        Ok(())
    }
}

struct Folder {
    path: String,
    storage: Option<Arc<dyn Storage>>,
}

impl Folder {
    fn put(&self, storage: &dyn Storage, epoch: Epoch, outputs: &[SealedOutput]) -> io::Result<()> {
        let there: Vec<String> = storage.list("")?.into_iter().map(|entry| entry.name).collect();
        for output in outputs {
            // A subtask seals once an epoch, so the name is the same at every delivery, also if the log holds no more of the others.
            let name = format!("part-{:06}-{}", epoch.0, output.subtask.index);
            if there.contains(&name) {
                continue;
            }
            let temporary = format!(".{name}.tmp");
            let file = storage.create(&temporary)?;
            file.write_at(&output.bytes, 0)?;
            file.sync_data()?;
            storage.rename(&temporary, &name)?;
        }
        if outputs.is_empty() { Ok(()) } else { storage.sync_dir("") }
    }
}

impl Committer for Folder {
    fn recover(&mut self, services: &Services, committed: Epoch) -> Result<Epoch, OperatorError> {
        let failed = |cause| OperatorError::new(format!("cannot look at {}", self.path)).caused_by(cause);
        let storage = services.files.folder(Path::new(&self.path)).map_err(failed)?;
        let mut last = Epoch(0);
        for entry in storage.list("").map_err(failed)? {
            match epoch_of(&entry.name) {
                Some(epoch) if epoch > committed.0 => {
                    let what = format!("{} is there, but the last committed epoch is {committed}", entry.name);
                    return Err(OperatorError::new(what));
                }
                Some(epoch) => last = last.max(Epoch(epoch)),
                None => storage.remove(&entry.name).map_err(failed)?,
            }
        }
        // The names that are seen may not be durable yet, and the log forgets what it is told is here.
        storage.sync_dir("").map_err(failed)?;
        self.storage = Some(storage);
        // The last one may be there in part only.
        Ok(Epoch(last.0.saturating_sub(1)))
    }

    fn deliver(&mut self, epoch: Epoch, outputs: &[SealedOutput]) -> Result<(), OperatorError> {
        let storage = self.storage.as_ref().expect("recovered before it delivers");
        self.put(&**storage, epoch, outputs)
            .map_err(|cause| OperatorError::new(format!("cannot write {epoch} to {}", self.path)).caused_by(cause))
    }
}
