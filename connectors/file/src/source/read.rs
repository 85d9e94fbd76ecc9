//! One instance of a file source: which files it knows, which split is in its hands.
//!
//! Invariants:
//! 1. A split that this instance owns is left in `known`, or in hand, or done.
//! 2. `queue` holds the files of which something is left in `known`.
//! 3. The position that a snapshot notes is that of the split in hand; whatever lies before it has been emitted.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, PoisonError};

use yeoul_frame::{RowBuilder, Schema, Timestamp};
use yeoul_operator::{OpenContext, OperatorError, Snapshot, Source, SourceContext, SourcePoll, Subtask};
use yeoul_sys::Storage;

use super::discover::{self, Found, Identity, Settling};
use super::malformed::MalformedRecord;
use super::progress::{self, Earlier, Known, KnownFile};
use super::split::{FileId, Left, Remaining, Splitting};
use super::text::{Mapped, Text};
use super::turn::{InHand, Turn};
use super::{Compression, Format, Shared};
use crate::path::InputPath;

/// The name of the state in a snapshot.
const STATE: &str = "files";

/// One instance of a file source.
pub(crate) struct FileReader<T: Schema, F: Format> {
    shared: Arc<Shared<F>>,
    stage: Stage,
    /// Set by `open`.
    outside: Option<Outside<T>>,
    earlier: Earlier,
    known: Known,
    queue: BTreeMap<(i64, String), FileId>,
    in_hand: Option<InHand<F::Decoder>>,
    /// The file whose split was read last: consecutive splits are mostly of one file.
    mapped: Option<Mapped>,
    settling: Settling,
    next_listing: Timestamp,
}

/// What `open` gives.
struct Outside<T: Schema> {
    storage: Arc<dyn Storage>,
    input: InputPath,
    subtask: Subtask,
    rows: RowBuilder<T>,
    malformed: RowBuilder<MalformedRecord>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No listing has been made yet.
    Fresh,
    Reading,
    /// Nothing is left, and all files are as they were.
    Ended,
}

impl<T: Schema, F: Format> FileReader<T, F> {
    pub(crate) fn new(shared: Arc<Shared<F>>) -> Self {
        Self {
            shared,
            stage: Stage::Fresh,
            outside: None,
            earlier: Earlier::default(),
            known: Known::new(),
            queue: BTreeMap::new(),
            in_hand: None,
            mapped: None,
            settling: Settling::default(),
            next_listing: Timestamp::MIN,
        }
    }

    fn outside(&self) -> &Outside<T> {
        self.outside.as_ref().expect("a source is opened before it is used")
    }

    fn is_watched(&self) -> bool {
        self.shared.settings.watch.is_some()
    }

    /// Finds out what there is to read: from the earlier run's positions if there are any, from a listing if not.
    fn start(&mut self) -> Result<(), OperatorError> {
        if self.stage != Stage::Fresh {
            return Ok(());
        }
        self.stage = Stage::Reading;
        if !self.earlier.is_empty() {
            self.known = std::mem::take(&mut self.earlier).share_of(self.outside().subtask)?;
            if self.known.is_empty() && !self.is_watched() {
                return Ok(());
            }
            let found = self.list()?;
            let others = self.compare(found)?;
            for (&id, file) in &self.known {
                if !file.remaining.is_done() {
                    self.queue.insert(self.place(file), id);
                }
            }
            if self.is_watched() {
                self.settling.settled(others);
            }
        } else if self.is_watched() {
            let found = self.list()?;
            self.settling.settled(found);
        } else {
            let shared = Arc::clone(&self.shared);
            let mut listing = shared.listing.lock().unwrap_or_else(PoisonError::into_inner);
            let found = match &*listing {
                Some(found) => Arc::clone(found),
                None => Arc::clone(listing.insert(self.list()?.into())),
            };
            drop(listing);
            found.iter().for_each(|file| self.admit(file));
        }
        Ok(())
    }

    fn list(&self) -> Result<Vec<Found>, OperatorError> {
        let outside = self.outside();
        // What was known before tells best that a file is gone.
        let may_be_none = self.is_watched() || !self.known.is_empty();
        let found = discover::list(&*outside.storage, &outside.input, may_be_none)?;
        let mut paths = HashMap::new();
        for file in &found {
            if let Some(other) = paths.insert(FileId::of(&file.path), &file.path) {
                return Err(OperatorError::new(format!("the paths '{other}' and '{}' have the same hash", file.path))
                    .hint("give one of the two files another name"));
            }
        }
        Ok(found)
    }

    /// Looks again at a watched folder.
    fn look(&mut self, now: Timestamp) -> Result<(), OperatorError> {
        let Some(interval) = self.shared.settings.watch else { return Ok(()) };
        if self.next_listing > now {
            return Ok(());
        }
        if self.next_listing > Timestamp::MIN {
            let found = self.list()?;
            let new = self.compare(found)?;
            for file in self.settling.settled(new) {
                self.admit(&file);
            }
        }
        self.next_listing = now.plus(i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1));
        Ok(())
    }

    /// Holds what is known against a listing; returns the files that are not known. A file that is done and gone is
    /// forgotten.
    fn compare(&mut self, found: Vec<Found>) -> Result<Vec<Found>, OperatorError> {
        let mut present: HashMap<FileId, Found> =
            found.into_iter().map(|file| (FileId::of(&file.path), file)).collect();
        let in_hand = self.in_hand.as_ref().map(|split| split.file);
        let mut gone = Vec::new();
        for (&id, file) in &mut self.known {
            match present.remove(&id) {
                Some(now) if now.identity != file.identity => {
                    return Err(progress::changed(&now.path, file.identity, now.identity));
                }
                Some(now) => file.path = now.path,
                None if !file.remaining.is_done() || in_hand == Some(id) => return Err(progress::gone(&file.path)),
                None => gone.push(id),
            }
        }
        gone.iter().for_each(|id| _ = self.known.remove(id));
        let mut others: Vec<Found> = present.into_values().collect();
        others.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(others)
    }

    /// Takes a file in, if any of its splits is this instance's.
    fn admit(&mut self, found: &Found) {
        let settings = &self.shared.settings;
        let compression = settings.compression.of(&found.path);
        let divided = compression == Compression::Plain && settings.format.is_divisible();
        let len = found.identity.len;
        let size = match (divided, compression, len) {
            (true, ..) => settings.split_size,
            // Nothing is in it; compressed, it would have a header at least, and is an error when it is read.
            (false, Compression::Plain, 0) => return,
            (false, ..) => Splitting::WHOLE,
        };
        let id = FileId::of(&found.path);
        let splitting = Splitting { size, len };
        let remaining = Remaining::of(id, splitting, self.outside().subtask, |_| Left::Whole);
        if remaining.is_done() {
            return;
        }
        let (path, identity) = (found.path.clone(), found.identity);
        let file = KnownFile { path, identity, compression, split_size: size, remaining };
        self.queue.insert(self.place(&file), id);
        self.known.insert(id, file);
    }

    /// Where a file stands in the order of reading. Files of a watched folder come in the order in which they were written.
    fn place(&self, file: &KnownFile) -> (i64, String) {
        (if self.is_watched() { file.identity.modified } else { 0 }, file.path.clone())
    }

    /// Takes the next split in hand, if one is left.
    fn take_split(&mut self) -> Result<bool, OperatorError> {
        let Some(entry) = self.queue.first_entry() else { return Ok(false) };
        let id = *entry.get();
        let file = self.known.get_mut(&id).expect("the queue holds known files");
        let (number, from) = file.remaining.take_next().expect("the queue holds files of which something is left");
        if file.remaining.is_done() {
            entry.remove();
        }
        let file = &self.known[&id];
        let mapped = match self.mapped.take().filter(|mapped| mapped.file == id) {
            Some(mapped) => mapped,
            None => self.map(id, file)?,
        };
        let range = file.splitting().range(number);
        let text = match file.compression {
            Compression::Plain | Compression::ByName => {
                // Asked for ahead of its use, so that the shard waits for the disk as little as it can.
                mapped.bytes.slice(range.start as usize..range.end as usize).advise_will_need();
                Text::plain(mapped, range, from)
            }
            compression => Text::compressed(compression, mapped, from),
        };
        let decoder = self.shared.settings.format.decoder::<T>();
        let split = InHand::new(id, number, file.path.clone(), decoder);
        self.in_hand = Some(match text {
            Ok(text) => split.with(text),
            Err(fault) => return Err(split.text_error(fault)),
        });
        Ok(true)
    }

    fn map(&self, id: FileId, file: &KnownFile) -> Result<Mapped, OperatorError> {
        let outside = self.outside();
        let failed = |cause: io::Error| match cause.kind() {
            io::ErrorKind::NotFound => progress::gone(&file.path),
            _ => unreadable(&file.path, cause),
        };
        let Some(inside) = outside.input.inside(&file.path) else { return Err(progress::gone(&file.path)) };
        let handle = outside.storage.open(inside).map_err(failed)?;
        let bytes = handle.map().map_err(failed)?;
        check_length(file, bytes.len() as u64)?;
        bytes.advise_sequential();
        Ok(Mapped::new(id, handle, bytes))
    }

    /// The split in hand is read. Its file must still be as long as it was: a mapping does not show that it grew.
    fn put_down(&mut self, cx: &mut SourceContext<'_>) -> Result<(), OperatorError> {
        let split = self.in_hand.take().expect("a split is in hand");
        let file = &self.known[&split.file];
        let id = split.id();
        let mapped = split.into_mapped();
        let len = mapped.handle.len().map_err(|cause| unreadable(&file.path, cause))?;
        check_length(file, len)?;
        cx.finished(id);
        self.mapped = Some(mapped);
        Ok(())
    }

    /// Nothing is left. A run that is not watched ends, if its files are still what they were.
    fn rest(&mut self) -> Result<SourcePoll, OperatorError> {
        self.mapped = None;
        if self.is_watched() {
            return Ok(SourcePoll::Pending { until: Some(self.next_listing) });
        }
        if self.stage == Stage::Reading && !self.known.is_empty() {
            let found = self.list()?;
            self.compare(found)?;
        }
        self.stage = Stage::Ended;
        Ok(SourcePoll::End)
    }
}

fn check_length(file: &KnownFile, len: u64) -> Result<(), OperatorError> {
    if len == file.identity.len {
        return Ok(());
    }
    Err(progress::changed(&file.path, file.identity, Identity { len, ..file.identity }))
}

fn unreadable(path: &str, cause: io::Error) -> OperatorError {
    OperatorError::new(format!("cannot read the input file '{path}'")).caused_by(cause)
}

impl<T: Schema, F: Format> Source for FileReader<T, F> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let input = self.shared.input.clone().map_err(|bad| OperatorError::new(bad.to_string()))?;
        let storage = cx.services.files.existing(&input.base).map_err(|cause| {
            OperatorError::new(format!("cannot read the input '{}'", input.text))
                .caused_by(cause)
                .hint("check the path; it is relative to the folder in which the job was started")
        })?;
        let rows = RowBuilder::new(cx.pool, self.shared.settings.frame_rows);
        let malformed = RowBuilder::new(cx.pool, self.shared.settings.frame_rows);
        self.outside = Some(Outside { storage, input, subtask: cx.subtask, rows, malformed });
        Ok(())
    }

    fn poll(&mut self, cx: &mut SourceContext<'_>) -> Result<SourcePoll, OperatorError> {
        self.start()?;
        self.look(cx.now())?;
        if self.in_hand.is_none() && !self.take_split()? {
            return self.rest();
        }
        let split = self.in_hand.as_mut().expect("a split was taken");
        let outside = self.outside.as_mut().expect("a source is opened before it is used");
        let settings = &self.shared.settings;
        match split.turn(&settings.format, settings.on_malformed, &mut outside.rows, &mut outside.malformed, cx)? {
            Turn::More => {}
            Turn::Done => self.put_down(cx)?,
        }
        Ok(SourcePoll::Ready)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        self.start()?;
        // The split in hand is noted among those that are begun, for the time of writing.
        if let Some(split) = &self.in_hand
            && let Some(file) = self.known.get_mut(&split.file)
        {
            file.remaining.begun.insert(split.number, split.position());
        }
        snapshot.state(STATE, progress::encode(self.is_watched(), &self.known));
        if let Some(split) = &self.in_hand
            && let Some(file) = self.known.get_mut(&split.file)
        {
            file.remaining.begun.remove(&split.number);
        }
        Ok(())
    }

    fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        if name != STATE {
            return Err(OperatorError::new(format!(
                "the snapshot holds state '{name}', which a file source does not know"
            ))
            .hint("give the operator that wrote it its old uid, or start from another savepoint"));
        }
        self.earlier.add(from, bytes)
    }
}
