//! Savepoints: a folder that holds a job's whole state and names nothing outside itself.
//!
//! The segments are copies of those that a commit names, and `SAVEPOINT` is a manifest file with that commit, so the formats and
//! their checks are the log's. Names are derived from ids, so the folder may be moved or copied. A new job begins by
//! importing the folder into its own store, and then recovers as from any commit, on as many shards as it likes.
//!
//! Invariants:
//! 1. `SAVEPOINT` gets its name after everything else in the folder is durable; a folder without it is incomplete.
//! 2. A store without a manifest but with `IMPORT` is one whose import did not end; the next import begins it anew.
//! 3. Nothing of a store that has a checkpoint, or that could not be read, is removed. Whoever imports holds the store's lock meanwhile.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use yeoul_sys::{Storage, failpoint};

use crate::commit::Commit;
use crate::entry::{FileHeader, decode_manifest};
use crate::log::segment::{named, path_in};
use crate::log::{Segment, SegmentId};
use crate::manifest::{
    IMPORT, MANIFEST, Manifest, ManifestOptions, StoreLock, list_segments, make_durable_folder, read_file,
    remove_if_there, rewrite,
};

/// The name of the file that makes a folder a savepoint.
pub const SAVEPOINT: &str = "SAVEPOINT";

/// Reads what a savepoint holds. Its tables are read with [`replay`](crate::recovery::replay) from
/// [`Commit::assign`]'s lists, or by [importing](import_savepoint) it.
///
/// # Errors
/// If the folder is no complete savepoint, or is damaged.
pub fn read_savepoint(storage: &dyn Storage, dir: &str) -> io::Result<Commit> {
    let path = path_in(dir, SAVEPOINT);
    let bytes = read_file(storage, &path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            let message = format!("{dir:?} is no complete savepoint: it holds no file {SAVEPOINT}");
            io::Error::new(io::ErrorKind::NotFound, message)
        }
        _ => named(&path, "cannot be read", &error),
    })?;
    let mut image = decode_manifest(&bytes, &path, 1)?;
    let commit = image.commits.pop_back();
    commit.ok_or_else(|| crate::log::Corrupt::new("a savepoint without a commit").at(&path, 0).into())
}

/// Copies a savepoint into a store that is new, checking every block on the way, and opens the store. The savepoint is not
/// changed.
///
/// # Errors
/// If the store holds a checkpoint already, the savepoint is damaged, or a disk fails.
pub fn import_savepoint(
    from: &dyn Storage,
    from_dir: &str,
    to: Arc<dyn Storage>,
    to_dir: &str,
    options: ManifestOptions,
) -> io::Result<(Manifest, Commit)> {
    let lock = StoreLock::take(&*to, to_dir)?;
    import_locked(from, from_dir, to, to_dir, options, lock)
}

/// Opens a store, and begins it from a savepoint if it has no checkpoint yet. `from` opens the savepoint's folder, which is not looked at
/// if the store has one.
///
/// # Errors
/// As for [`Manifest::open`] and [`import_savepoint`]. A store that could not be opened is left as it is.
pub fn open_or_import(
    from: impl FnOnce() -> io::Result<Arc<dyn Storage>>,
    from_dir: &str,
    to: Arc<dyn Storage>,
    to_dir: &str,
    options: ManifestOptions,
) -> io::Result<(Manifest, Commit)> {
    let mut lock = StoreLock::take(&*to, to_dir)?;
    let entries = to.list(to_dir).map_err(|error| named(to_dir, "cannot be listed", &error))?;
    let begun = entries.iter().any(|entry| entry.name == MANIFEST);
    if begun {
        match Manifest::open_locked(to.clone(), to_dir, options, None, lock)? {
            (manifest, Some(commit)) => return Ok((manifest, commit)),
            // A store without a checkpoint is as good as none.
            (manifest, None) => lock = manifest.into_lock(),
        }
    }
    let from = from()?;
    if begun {
        read_savepoint(&*from, from_dir)?;
        mark(&*to, to_dir)?;
        for id in list_segments(&*to, to_dir)? {
            remove_if_there(&*to, &path_in(to_dir, &id.file_name()))?;
        }
        // The mark is durable: from here on the folder is one into which a savepoint is being copied, whatever is left in it.
        remove_if_there(&*to, &path_in(to_dir, MANIFEST))?;
        to.sync_dir(to_dir).map_err(|error| named(to_dir, "cannot be made durable", &error))?;
    }
    import_locked(&*from, from_dir, to, to_dir, options, lock)
}

fn import_locked(
    from: &dyn Storage,
    from_dir: &str,
    to: Arc<dyn Storage>,
    to_dir: &str,
    options: ManifestOptions,
    lock: StoreLock,
) -> io::Result<(Manifest, Commit)> {
    let commit = read_savepoint(from, from_dir)?;
    begin_import(&*to, to_dir)?;
    let mut copied = std::collections::BTreeSet::new();
    for of in commit.shards.iter().flat_map(|log| &log.segments) {
        if !copied.insert(of.segment) {
            continue;
        }
        let segment = Segment::open(from, from_dir, of)?;
        segment.verify()?;
        let path = path_in(to_dir, &of.segment.file_name());
        let file = to.create(&path).map_err(|error| named(&path, "cannot be created", &error))?;
        failpoint!("savepoint.before-copy")?;
        file.write_at(segment.bytes(), 0).map_err(|error| named(&path, "cannot be written", &error))?;
        file.sync_data().map_err(|error| named(&path, "cannot be made durable", &error))?;
    }
    to.sync_dir(to_dir).map_err(|error| named(to_dir, "cannot make the names of segments durable", &error))?;
    failpoint!("savepoint.after-copy")?;
    let (manifest, _) = Manifest::open_locked(to, to_dir, options, Some(commit.clone()), lock)?;
    Ok((manifest, commit))
}

/// Marks a store as being imported into, after clearing away what an import that did not end left.
fn begin_import(to: &dyn Storage, dir: &str) -> io::Result<()> {
    let entries = to.list(dir).map_err(|error| named(dir, "cannot be listed", &error))?;
    let has = |name: &str| entries.iter().any(|entry| entry.name == name);
    let segments = list_segments(to, dir)?;
    if has(MANIFEST) || (!segments.is_empty() && !has(IMPORT)) {
        let message = format!("{dir:?} holds a store already; restore a savepoint into an empty folder");
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    for id in segments {
        let path = path_in(dir, &id.file_name());
        to.remove(&path).map_err(|error| named(&path, "cannot be removed", &error))?;
    }
    if !has(IMPORT) {
        mark(to, dir)?;
    }
    failpoint!("savepoint.after-mark")
}

/// Marks a store as being imported into, durably.
fn mark(to: &dyn Storage, dir: &str) -> io::Result<()> {
    let path = path_in(dir, IMPORT);
    remove_if_there(to, &path)?;
    to.create(&path).map_err(|error| named(&path, "cannot be created", &error))?;
    to.sync_dir(dir).map_err(|error| named(&path, "cannot be made durable", &error))
}

/// Copies a store's commit into a folder of its own, as a savepoint, checking every block on the way. The store goes on being
/// written meanwhile; only committed bytes are read. `id` is the caller's, another one for each savepoint.
///
/// # Errors
/// If the folder holds anything, a block is not as it was written, or a disk fails; the savepoint is then worthless.
pub fn copy_savepoint(
    from: &dyn Storage,
    from_dir: &str,
    commit: &Commit,
    to: &dyn Storage,
    to_dir: &str,
    id: u64,
) -> io::Result<Commit> {
    begin_savepoint(to, to_dir)?;
    copy_segments(from, from_dir, commit, to, to_dir)?;
    finish_savepoint(to, to_dir, id, commit.clone())
}

/// Makes the folder of a savepoint, or takes an empty one.
pub(crate) fn begin_savepoint(to: &dyn Storage, to_dir: &str) -> io::Result<()> {
    make_durable_folder(to, to_dir)?;
    if let Some(entry) = to.list(to_dir).map_err(|error| named(to_dir, "cannot be listed", &error))?.first() {
        let message = format!(
            "{to_dir:?} is not empty (it holds {:?}); a savepoint needs a folder of its own\n  hint: give another one; segments beside which there \
             is no file {SAVEPOINT} are of a savepoint that was not completed, and may be removed",
            entry.name
        );
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    Ok(())
}

/// Copies the segments that a commit names, checking every block.
pub(crate) fn copy_segments(
    from: &dyn Storage,
    from_dir: &str,
    commit: &Commit,
    to: &dyn Storage,
    to_dir: &str,
) -> io::Result<()> {
    let mut copied = std::collections::BTreeSet::new();
    for of in commit.shards.iter().flat_map(|log| &log.segments) {
        if !copied.insert(of.segment) {
            continue;
        }
        let source = path_in(from_dir, &of.segment.file_name());
        let mut bytes = vec![0; of.len as usize];
        let file = from.open(&source).map_err(|error| named(&source, "cannot be opened", &error))?;
        file.read_exact_at(&mut bytes, 0).map_err(|error| named(&source, "cannot be read", &error))?;
        let mut at = 0;
        while at < bytes.len() {
            let (_, next) =
                crate::log::BlockView::parse(&bytes, at, of.origin()).map_err(|error| error.at(&source, at as u64))?;
            at = next;
        }
        let path = path_in(to_dir, &of.segment.file_name());
        let file = to.create(&path).map_err(|error| named(&path, "cannot be created", &error))?;
        failpoint!("savepoint.before-copy-out")?;
        file.write_at(&bytes, 0).map_err(|error| named(&path, "cannot be written", &error))?;
        file.sync_data().map_err(|error| named(&path, "cannot be made durable", &error))?;
    }
    Ok(())
}

/// Gives a savepoint its name, once all that the commit names is written.
pub(crate) fn finish_savepoint(to: &dyn Storage, to_dir: &str, id: u64, commit: Commit) -> io::Result<Commit> {
    to.sync_dir(to_dir).map_err(|error| named(to_dir, "cannot make the names of segments durable", &error))?;
    let header = FileHeader { store: id, number: 0, run: 0, first_segment: SegmentId(1), entries: 0 };
    failpoint!("savepoint.before-finish-copy")?;
    rewrite(to, to_dir, SAVEPOINT, 0, header, &mut VecDeque::from([commit.clone()]))?;
    Ok(commit)
}
