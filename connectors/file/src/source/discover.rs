//! Which files there are: one listing of what a path means, and in a watched folder which of them are complete.
//!
//! Invariants:
//! 1. A listing is sorted by path and holds each file once.
//! 2. A watched file is taken once two listings in a row have seen it with the same length and time.

use std::collections::HashMap;
use std::io;

use yeoul_operator::OperatorError;
use yeoul_sys::{Entry, Storage};

use crate::glob::{self, Segment};
use crate::path::{InputPath, Wanted};

/// How deep `**` goes: deeper is taken for a link that leads back.
const FOLDER_DEPTH: usize = 64;

/// What tells one file's content from another's, short of reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The length in bytes.
    pub(crate) len: u64,
    /// When it was last changed, in milliseconds since 1970-01-01 00:00:00 UTC.
    pub(crate) modified: i64,
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes, changed at {}", self.len, yeoul_frame::Timestamp(self.modified))
    }
}

/// A file of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its path as the user would write it.
    pub(crate) path: String,
    /// Its path in the base folder.
    pub(crate) inside: String,
    pub(crate) identity: Identity,
}

/// Whether a name in a folder is of a file that is not meant: hidden, or not complete by its writer's own word.
fn is_passed_over(name: &str) -> bool {
    name.starts_with(['.', '_']) || name.ends_with(".tmp") || name.ends_with('~')
}

/// All files that the path means now.
pub(crate) fn list(storage: &dyn Storage, input: &InputPath, watched: bool) -> Result<Vec<Found>, OperatorError> {
    let failed = |cause| OperatorError::new(format!("cannot list the input '{}'", input.text)).caused_by(cause);
    let mut found = Vec::new();
    let mut take = |inside: String, entry: &Entry| {
        let identity = Identity { len: entry.len, modified: entry.modified };
        found.push(Found { path: input.display(&inside), inside, identity });
    };
    match &input.wanted {
        Wanted::Folder => folder(storage, "", &mut take).map_err(failed)?,
        Wanted::Named(name) => {
            // Its parent may hold a great many files, or be closed to this user.
            match storage.entry(name) {
                Ok(entry) if entry.is_dir => folder(storage, name, &mut take).map_err(failed)?,
                Ok(entry) => take(name.clone(), &entry),
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(e)),
                Err(_) => {
                    let error = OperatorError::new(format!("there is no file or folder '{}'", input.text));
                    // What is watched may be away for a moment: a mount, a folder that is replaced by another.
                    return Err(if watched {
                        error.hint("make the folder: the job looks again when it restarts")
                    } else {
                        error
                            .hint("check the path; it is relative to the folder in which the job was started")
                            .permanent()
                    });
                }
            }
        }
        Wanted::Matching(segments) => {
            matching(storage, "", segments, 0, &mut take).map_err(failed)?;
            if found.is_empty() && !watched {
                return Err(OperatorError::new(format!("no file matches '{}'", input.text))
                    .hint("check the pattern; hidden files match only a pattern that begins with a dot")
                    .permanent());
            }
        }
    }
    if found.is_empty() && !watched && has_only_folders(storage, input).map_err(failed)? {
        return Err(OperatorError::new(format!("the folder '{}' holds no files, only folders", input.text))
            .hint(format!("'{}/**' reads all files below it", input.text.trim_end_matches('/')))
            .permanent());
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    // `**/**` and its like come to a file by several ways.
    found.dedup_by(|a, b| a.path == b.path);
    Ok(found)
}

/// Whether the path names a folder in which there are others, none of them hidden.
fn has_only_folders(storage: &dyn Storage, input: &InputPath) -> io::Result<bool> {
    let name = match &input.wanted {
        Wanted::Folder => "",
        Wanted::Named(name) => name,
        Wanted::Matching(_) => return Ok(false),
    };
    Ok(storage.list(name)?.iter().any(|entry| entry.is_dir && !is_passed_over(&entry.name)))
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

fn folder(storage: &dyn Storage, dir: &str, take: &mut impl FnMut(String, &Entry)) -> io::Result<()> {
    for entry in storage.list(dir)?.iter().filter(|entry| !entry.is_dir && !is_passed_over(&entry.name)) {
        take(join(dir, &entry.name), entry);
    }
    Ok(())
}

fn matching(
    storage: &dyn Storage,
    dir: &str,
    segments: &[Segment],
    depth: usize,
    take: &mut impl FnMut(String, &Entry),
) -> io::Result<()> {
    let Some((segment, rest)) = segments.split_first() else { return Ok(()) };
    if depth > FOLDER_DEPTH {
        let why =
            format!("'{dir}' is {FOLDER_DEPTH} folders deep; is there a link that leads back to a folder above it?");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let entries = match storage.list(dir) {
        // A folder that went while its parent was read.
        Err(e) if e.kind() == io::ErrorKind::NotFound && depth > 0 => return Ok(()),
        other => other?,
    };
    match segment {
        Segment::AnyFolders => {
            if rest.is_empty() {
                // A last `**` means all files below.
                entries
                    .iter()
                    .filter(|e| !e.is_dir && !is_passed_over(&e.name))
                    .for_each(|e| take(join(dir, &e.name), e));
            } else {
                matching(storage, dir, rest, depth, take)?;
            }
            for entry in entries.iter().filter(|entry| entry.is_dir && !entry.name.starts_with('.')) {
                matching(storage, &join(dir, &entry.name), segments, depth + 1, take)?;
            }
        }
        Segment::Name(tokens) => {
            for entry in entries.iter().filter(|entry| glob::matches(tokens, &entry.name)) {
                match (rest.is_empty(), entry.is_dir) {
                    (true, false) => take(join(dir, &entry.name), entry),
                    (false, true) => matching(storage, &join(dir, &entry.name), rest, depth + 1, take)?,
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

/// Tells complete files from those that are still being written.
#[derive(Debug, Default)]
pub(crate) struct Settling {
    seen: HashMap<String, Identity>,
}

impl Settling {
    /// Takes a listing of files not yet taken; gives those that have not changed since the one before.
    pub(crate) fn settled(&mut self, found: Vec<Found>) -> Vec<Found> {
        let before = std::mem::take(&mut self.seen);
        let (settled, open): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|file| before.get(&file.path) == Some(&file.identity));
        self.seen = open.into_iter().map(|file| (file.path, file.identity)).collect();
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use yeoul_sys::DiskStorage;

    fn listing(files: &[&str], pattern: &str) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let storage = DiskStorage::new(folder.path()).unwrap();
        for file in files {
            if let Some((dir, _)) = file.rsplit_once('/') {
                storage.create_dir_all(dir).unwrap();
            }
            storage.create(file).unwrap().write_at(b"x", 0).unwrap();
        }
        let input = InputPath::parse(pattern).unwrap();
        let found = list(&storage, &input, false).map_err(|error| error.to_string())?;
        Ok(found.into_iter().map(|file| file.inside).collect())
    }

    #[test]
    fn files_folders_and_patterns_are_found_in_order() {
        let files =
            ["b.csv", "a.csv", ".c.csv", "d.txt", "in/x.csv", "in/_y.csv", "in/z.tmp", "in/deep/w.csv", ".git/v.csv"];
        let check =
            |pattern: &str, expected: &[&str]| assert_eq!(listing(&files, pattern).unwrap(), expected, "{pattern}");
        check("a.csv", &["a.csv"]);
        check(".c.csv", &[".c.csv"]);
        check("*.csv", &["a.csv", "b.csv"]);
        check("in", &["in/x.csv"]);
        check(".", &["a.csv", "b.csv", "d.txt"]);
        check("**/*.csv", &["a.csv", "b.csv", "in/_y.csv", "in/deep/w.csv", "in/x.csv"]);
        check("**/**/w.csv", &["in/deep/w.csv"]);
        check("**", &["a.csv", "b.csv", "d.txt", "in/deep/w.csv", "in/x.csv"]);
        check("*/x.csv", &["in/x.csv"]);
        check("i?/[xy].csv", &["in/x.csv"]);
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        assert!(listing(&["a"], "b").unwrap_err().contains("no file or folder 'b'"));
        assert!(listing(&["a"], "*.csv").unwrap_err().contains("no file matches '*.csv'"));
        let error = listing(&["in/day=1/a.csv", "in/_b"], "in").unwrap_err();
        assert!(error.contains("'in' holds no files") && error.contains("'in/**'"), "{error}");
        assert!(listing(&["in/a.csv"], ".").unwrap_err().contains("holds no files"));
        assert_eq!(listing(&["in/.hidden/a.csv", "in/_b"], "in").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_file_settles_when_two_listings_agree() {
        let file = |path: &str, len| Found {
            path: path.to_owned(),
            inside: path.to_owned(),
            identity: Identity { len, modified: 0 },
        };
        let mut settling = Settling::default();
        assert_eq!(settling.settled(vec![file("a", 1), file("b", 1)]), []);
        assert_eq!(settling.settled(vec![file("a", 1), file("b", 2), file("c", 1)]), [file("a", 1)]);
        assert_eq!(settling.settled(vec![file("b", 2)]), [file("b", 2)]);
        // It was away for one listing: it begins anew.
        assert_eq!(settling.settled(vec![file("c", 1)]), []);
    }
}
