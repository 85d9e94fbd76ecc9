//! One instance of a file source: which files it knows, which split is in its hands.
//!
//! Invariants:
//! 1. A split that this instance owns is left in `known`, or in hand, or done.
//! 2. `queue` holds the files of which something is left in `known`.
//! 3. The position that a snapshot notes is that of the split in hand; whatever lies before it has been emitted.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, PoisonError};

use yeoul_frame::Timestamp;
use yeoul_operator::{OpenContext, OperatorError, Snapshot, Source, SourceContext, SourcePoll, Subtask};
use yeoul_sys::Storage;

use super::discover::{self, Found, Identity};
use super::progress::{self, Earlier, Known, KnownFile};
use super::scan::{Scan, Share, Turn};
use super::split::{FileId, Left, Remaining, Splitting};
use super::watch::Watch;
use super::{Compression, Shared};
use crate::path::InputPath;

/// The name of the state in a snapshot.
const STATE: &str = "files";

/// One instance of a file source.
pub(crate) struct FileReader<S: Scan> {
    shared: Arc<Shared<S>>,
    stage: Stage,
    /// Set by `open`.
    outside: Option<Outside<S::Frames>>,
    earlier: Earlier,
    known: Known,
    queue: BTreeMap<(i64, String), FileId>,
    in_hand: Option<Taken<S::InHand>>,
    /// The file whose split was read last: consecutive splits are mostly of one file.
    opened: Option<(FileId, S::Opened)>,
    /// All files whose numbers are below this have been seen.
    seen: u64,
    /// The listing that was looked at last.
    generation: u64,
    /// When to look at the watched folder again.
    next_look: Option<Timestamp>,
}

/// The split in hand.
struct Taken<T> {
    file: FileId,
    number: u64,
    split: T,
}

/// What `open` gives.
struct Outside<F> {
    storage: Arc<dyn Storage>,
    input: InputPath,
    subtask: Subtask,
    frames: F,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No listing has been made yet.
    Fresh,
    Reading,
    /// Nothing is left, and all files are as they were.
    Ended,
}

impl<S: Scan> FileReader<S> {
    pub(crate) fn new(shared: Arc<Shared<S>>) -> Self {
        Self {
            shared,
            stage: Stage::Fresh,
            outside: None,
            earlier: Earlier::default(),
            known: Known::new(),
            queue: BTreeMap::new(),
            in_hand: None,
            opened: None,
            seen: 0,
            generation: 0,
            next_look: None,
        }
    }

    fn outside(&self) -> &Outside<S::Frames> {
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
        let earlier = std::mem::take(&mut self.earlier);
        if !earlier.is_empty() {
            (self.seen, self.known) = (earlier.seen(), earlier.share_of(self.outside().subtask)?);
        }
        let shared = Arc::clone(&self.shared);
        let untouched = if earlier.is_empty() { Vec::new() } else { earlier.untouched()? };
        let mut watch = shared.watch.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_watched() {
            watch.start(self.seen, earlier.files(), &untouched, || self.list(true))?;
            watch.forgotten.iter().for_each(|id| _ = self.known.remove(id));
            self.catch_up(&mut watch)?;
        } else if earlier.is_empty() {
            let now = watch.at_start(|| self.list(false))?;
            drop(watch);
            let mut listing = shared.listing.lock().unwrap_or_else(PoisonError::into_inner);
            let first = Arc::clone(listing.get_or_insert_with(|| Arc::clone(&now)));
            drop(listing);
            let mut now = by_path(&now);
            // Nothing is kept of what an attempt before this one has read.
            first.iter().for_each(|file| self.admit(0, now.remove(&FileId::of(&file.path)).unwrap_or(file)));
            self.seen = 1;
        } else if !self.known.is_empty() || !untouched.is_empty() {
            // What was known before tells best that a file is gone.
            let found = watch.at_start(|| self.list(true))?;
            drop(watch);
            let now = by_path(&found);
            for (id, identity) in untouched {
                if let Some(file) = now.get(&id).filter(|file| file.identity != identity) {
                    self.known.remove(&id);
                    self.admit(0, file);
                }
            }
            self.compare(&found)?;
        }
        for (&id, file) in &self.known {
            if !file.remaining.is_done() {
                self.queue.insert(self.place(file), id);
            }
        }
        Ok(())
    }

    fn list(&self, may_be_none: bool) -> Result<Vec<Found>, OperatorError> {
        let outside = self.outside();
        let found = discover::list(&*outside.storage, &outside.input, may_be_none)?;
        let mut paths = HashMap::new();
        for file in &found {
            if let Some(other) = paths.insert(FileId::of(&file.path), &file.path) {
                return Err(OperatorError::new(format!("the paths '{other}' and '{}' have the same hash", file.path))
                    .hint("give one of the two files another name")
                    .permanent());
            }
        }
        Ok(found)
    }

    /// Looks again at a watched folder, if it is time.
    fn look(&mut self, now: Timestamp) -> Result<(), OperatorError> {
        let Some(interval) = self.shared.settings.watch else { return Ok(()) };
        let interval = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1);
        if self.next_look.is_some_and(|next| next > now && next <= now.plus(interval)) {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let mut watch = shared.watch.lock().unwrap_or_else(PoisonError::into_inner);
        watch.look(now, interval, || self.list(true))?;
        self.catch_up(&mut watch)?;
        self.next_look = watch.next_listing;
        Ok(())
    }

    /// Takes in what other instances, or this one, have found since this one looked last.
    fn catch_up(&mut self, watch: &mut Watch) -> Result<(), OperatorError> {
        if self.generation != watch.generation {
            self.generation = watch.generation;
            self.compare(&watch.present)?;
            for (number, file) in watch.give(self.outside().subtask.index, self.seen) {
                self.admit(number, &file);
                self.seen = number + 1;
            }
        }
        Ok(())
    }

    /// Holds what is known against a listing. A file that is done and gone is forgotten.
    fn compare(&mut self, found: &[Found]) -> Result<(), OperatorError> {
        let present = by_path(found);
        let in_hand = self.in_hand.as_ref().map(|taken| taken.file);
        let mut gone = Vec::new();
        for (&id, file) in &mut self.known {
            match present.get(&id) {
                Some(now) if now.identity != file.identity => {
                    return Err(progress::changed(&now.path, file.identity, now.identity));
                }
                Some(now) => file.path.clone_from(&now.path),
                None if !file.remaining.is_done() || in_hand == Some(id) => return Err(progress::gone(&file.path)),
                None => gone.push(id),
            }
        }
        gone.iter().for_each(|id| _ = self.known.remove(id));
        Ok(())
    }

    /// Takes a file in, if any of its splits is this instance's.
    fn admit(&mut self, number: u64, found: &Found) {
        let settings = &self.shared.settings;
        let compression = settings.format.compression(settings.compression, &found.path);
        let divided = compression == Compression::Plain && settings.format.is_divisible();
        let len = found.identity.len;
        let may_be_empty = compression == Compression::Plain && settings.format.may_be_empty();
        let size = match (divided, may_be_empty, len) {
            // Nothing is in it; where there would be a header at least, that is an error when it is read.
            (_, true, 0) => return,
            (_, false, 0) | (false, ..) => Splitting::WHOLE,
            (true, ..) => settings.split_size,
        };
        let id = FileId::of(&found.path);
        if let Some(known) = self.known.get_mut(&id).filter(|known| !known.remaining.is_done()) {
            // It was away and is back, the same, between two looks of this instance, which has not read all of it.
            known.number = number;
            return;
        }
        let splitting = Splitting { size, len };
        let remaining = Remaining::of(id, splitting, self.outside().subtask, |_| Left::Whole);
        if remaining.is_done() {
            return;
        }
        let (path, identity) = (found.path.clone(), found.identity);
        let file = KnownFile { path, number, identity, compression, split_size: size, remaining };
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
        let opened = match self.opened.take().filter(|(opened, _)| *opened == id) {
            Some((_, opened)) => opened,
            None => self.open_file(file)?,
        };
        let splitting = file.splitting();
        let (split, range) = (id.split(number), splitting.range(number));
        let share = Share { split, number, count: splitting.count(), range, from };
        let frames = &mut self.outside.as_mut().expect("a source is opened before it is used").frames;
        let split = self.shared.settings.format.begin(file.input(), share, opened, frames)?;
        self.in_hand = Some(Taken { file: id, number, split });
        Ok(true)
    }

    fn open_file(&self, file: &KnownFile) -> Result<S::Opened, OperatorError> {
        let outside = self.outside();
        let failed = |cause: io::Error| match cause.kind() {
            io::ErrorKind::NotFound => progress::gone(&file.path),
            _ => progress::unreadable(&file.path, cause),
        };
        let Some(inside) = outside.input.inside(&file.path) else { return Err(progress::gone(&file.path)) };
        let handle = outside.storage.open(inside).map_err(failed)?;
        check_length(file, handle.len().map_err(failed)?)?;
        self.shared.settings.format.open(file.input(), handle)
    }

    /// The split in hand is read. Its file must still be as long as it was: what was read does not show that it grew.
    fn put_down(&mut self, cx: &mut SourceContext<'_>) -> Result<(), OperatorError> {
        let Taken { file: id, number, split } = self.in_hand.take().expect("a split is in hand");
        let file = &self.known[&id];
        let opened = S::end(split);
        let len = S::handle(&opened).len().map_err(|cause| progress::unreadable(&file.path, cause))?;
        check_length(file, len)?;
        cx.finished(id.split(number));
        self.opened = Some((id, opened));
        Ok(())
    }

    /// Nothing is left. A run that is not watched ends, if its files are still what they were.
    fn rest(&mut self) -> Result<SourcePoll, OperatorError> {
        self.opened = None;
        if self.is_watched() {
            return Ok(SourcePoll::Pending { until: self.next_look });
        }
        if self.stage == Stage::Reading && !self.known.is_empty() {
            let found = self.list(true)?;
            self.compare(&found)?;
        }
        self.stage = Stage::Ended;
        Ok(SourcePoll::End)
    }
}

fn by_path(found: &[Found]) -> HashMap<FileId, &Found> {
    found.iter().map(|file| (FileId::of(&file.path), file)).collect()
}

fn check_length(file: &KnownFile, len: u64) -> Result<(), OperatorError> {
    if len == file.identity.len {
        return Ok(());
    }
    Err(progress::changed(&file.path, file.identity, Identity { len, ..file.identity }))
}

impl<S: Scan> Source for FileReader<S> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let input = self.shared.input.clone().map_err(|bad| OperatorError::new(bad.to_string()).permanent())?;
        let storage = cx.services.files.existing(&input.base).map_err(|cause| {
            let is_missing = cause.kind() == io::ErrorKind::NotFound;
            let failed = OperatorError::new(format!("cannot read the input '{}'", input.text))
                .caused_by(cause)
                .hint("check the path; it is relative to the folder in which the job was started");
            // Any other failure may pass.
            if is_missing { failed.permanent() } else { failed }
        })?;
        let settings = &self.shared.settings;
        let frames = settings.format.frames(cx.pool, settings.frame_rows);
        self.shared.watch.lock().unwrap_or_else(PoisonError::into_inner).open(cx.subtask);
        self.outside = Some(Outside { storage, input, subtask: cx.subtask, frames });
        Ok(())
    }

    fn poll(&mut self, cx: &mut SourceContext<'_>) -> Result<SourcePoll, OperatorError> {
        self.start()?;
        self.look(cx.now())?;
        if self.in_hand.is_none() && !self.take_split()? {
            return self.rest();
        }
        let taken = self.in_hand.as_mut().expect("a split was taken");
        let outside = self.outside.as_mut().expect("a source is opened before it is used");
        let settings = &self.shared.settings;
        match settings.format.turn(&mut taken.split, settings.on_malformed, &mut outside.frames, cx)? {
            Turn::More => {}
            Turn::Done => self.put_down(cx)?,
        }
        Ok(SourcePoll::Ready)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        self.start()?;
        // The split in hand is noted among those that are begun, for the time of writing.
        if let Some(Taken { file, number, split }) = &self.in_hand
            && let Some(file) = self.known.get_mut(file)
        {
            file.remaining.begun.insert(*number, S::position(split));
        }
        snapshot.state(STATE, progress::encode(self.is_watched(), self.seen, &self.known));
        if let Some(Taken { file, number, .. }) = &self.in_hand
            && let Some(file) = self.known.get_mut(file)
        {
            file.remaining.begun.remove(number);
        }
        Ok(())
    }

    fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        if name != STATE {
            return Err(OperatorError::new(format!(
                "the snapshot holds state '{name}', which a file source does not know"
            ))
            .hint("give the operator that wrote it its old uid, or start from another savepoint")
            .permanent());
        }
        self.earlier.add(from, bytes)
    }
}
