//! What one source instance knows of its files, as it stands in a snapshot, and what the next run's instances make of it.
//!
//! Integers are little endian. A snapshot of one instance, of which `docs/format.md` prints an example:
//!
//! ```text
//! u8 version = 2 │ u8 watched │ u64 seen │ u32 files │ then for each file that the instance owns a split of:
//!   u64 file id │ u64 number │ u64 length │ i64 modified (ms) │ u8 compression │ u64 split size │ u16 length, path (UTF-8)
//!   u32 runs  │ each: u64 first │ u64 step │ u64 count       splits not begun
//!   u32 begun │ each: u64 number │ u64 offset                splits begun
//! ```
//!
//! An offset is of bytes in text, of rows in Parquet.
//!
//! Files are numbered in the order in which they settled ([`watch`](super::watch)); those of a run that is not watched all have
//! number 0. The instance has seen all files whose numbers are below `seen`.
//!
//! A file that is done has no runs and nothing begun; its path is left out if it has one split, so that it takes 51 bytes.
//! It stays in the snapshot for as long as a listing finds it: move files away once they are read, and nothing grows.
//!
//! Invariants:
//! 1. An instance knows a file if and only if it has seen it, owns one of its splits, and has not been done with it and seen it
//!    go.
//! 2. A split's progress is that of the instance which owned it in the run that made the snapshot. If that instance did not
//!    know the file, the split is done if it had seen the file, and nothing of it has been read if not.

use std::collections::{BTreeMap, btree_map};

use yeoul_operator::{OperatorError, Subtask};

use super::compression::Compression;
use super::discover::Identity;
use super::scan::Input;
use super::split::{FileId, Left, Remaining, Run, Splitting};

const VERSION: u8 = 2;

/// What an instance knows of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownFile {
    /// As the user would write it; empty where the snapshot left it out.
    pub(crate) path: String,
    /// Which it was, in the order in which files settled.
    pub(crate) number: u64,
    pub(crate) identity: Identity,
    pub(crate) compression: Compression,
    pub(crate) split_size: u64,
    pub(crate) remaining: Remaining,
}

impl KnownFile {
    pub(crate) fn splitting(&self) -> Splitting {
        Splitting { size: self.split_size, len: self.identity.len }
    }

    /// What reading it needs to know.
    pub(crate) fn input(&self) -> Input<'_> {
        Input { path: &self.path, identity: self.identity, compression: self.compression }
    }

    /// The path, or the best there is in its place, for messages.
    fn name(&self, id: FileId) -> String {
        if self.path.is_empty() { format!("<file {:016x}>", id.0) } else { self.path.clone() }
    }
}

/// The files of one instance.
pub(crate) type Known = BTreeMap<FileId, KnownFile>;

/// Writes what an instance knows.
pub(crate) fn encode(watched: bool, seen: u64, known: &Known) -> Vec<u8> {
    let mut out = vec![VERSION, u8::from(watched)];
    out.extend(seen.to_le_bytes());
    out.extend((known.len() as u32).to_le_bytes());
    for (id, file) in known {
        out.extend(id.0.to_le_bytes());
        out.extend(file.number.to_le_bytes());
        out.extend(file.identity.len.to_le_bytes());
        out.extend(file.identity.modified.to_le_bytes());
        out.push(file.compression.code());
        out.extend(file.split_size.to_le_bytes());
        let needed = !file.remaining.is_done() || file.splitting().count() > 1;
        let path = if needed { file.path.as_bytes() } else { b"" };
        // Paths are far below 64 KiB (`PATH_MAX` is 4 KiB); a longer one is left out rather than cut.
        let path = if path.len() <= usize::from(u16::MAX) { path } else { b"" };
        out.extend((path.len() as u16).to_le_bytes());
        out.extend(path);
        out.extend((file.remaining.runs.len() as u32).to_le_bytes());
        for run in &file.remaining.runs {
            [run.first, run.step, run.count].iter().for_each(|n| out.extend(n.to_le_bytes()));
        }
        out.extend((file.remaining.begun.len() as u32).to_le_bytes());
        for (number, offset) in &file.remaining.begun {
            [number, offset].iter().for_each(|n| out.extend(n.to_le_bytes()));
        }
    }
    out
}

fn decode(mut bytes: &[u8]) -> Option<(bool, u64, Known)> {
    let bytes = &mut bytes;
    let [version, watched] = take(bytes)?;
    if version != VERSION || watched > 1 {
        return None;
    }
    let seen = u64::from_le_bytes(take(bytes)?);
    let mut known = Known::new();
    for _ in 0..u32::from_le_bytes(take(bytes)?) {
        let id = FileId(u64::from_le_bytes(take(bytes)?));
        let number = u64::from_le_bytes(take(bytes)?);
        let len = u64::from_le_bytes(take(bytes)?);
        let modified = i64::from_le_bytes(take(bytes)?);
        let [compression] = take(bytes)?;
        let compression = Compression::from_code(compression)?;
        let split_size = u64::from_le_bytes(take(bytes)?);
        let path_len = usize::from(u16::from_le_bytes(take(bytes)?));
        let path = String::from_utf8(bytes.split_off(..path_len)?.to_vec()).ok()?;
        let mut remaining = Remaining::default();
        for _ in 0..u32::from_le_bytes(take(bytes)?) {
            let [first, step, count] = [take(bytes)?, take(bytes)?, take(bytes)?].map(u64::from_le_bytes);
            if step == 0 || count == 0 {
                return None;
            }
            remaining.runs.push(Run { first, step, count });
        }
        for _ in 0..u32::from_le_bytes(take(bytes)?) {
            let [number, offset] = [take(bytes)?, take(bytes)?].map(u64::from_le_bytes);
            remaining.begun.insert(number, offset);
        }
        if split_size == 0 {
            return None;
        }
        let identity = Identity { len, modified };
        known.insert(id, KnownFile { path, number, identity, compression, split_size, remaining });
    }
    bytes.is_empty().then_some((watched == 1, seen, known))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    bytes.split_off(..N)?.try_into().ok()
}

/// What the instances of an earlier run knew, gathered until each of them has been given back.
#[derive(Debug, Default)]
pub(crate) struct Earlier {
    parallelism: u16,
    instances: BTreeMap<u16, (u64, Known)>,
}

impl Earlier {
    /// Takes one instance's snapshot.
    pub(crate) fn add(&mut self, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        let Some((_, seen, known)) = decode(bytes) else {
            return Err(OperatorError::new(format!(
                "the snapshot of file source instance {} ({} bytes) is not of a form that this version reads",
                from.index,
                bytes.len()
            ))
            .hint("restore it with the version that wrote it")
            .permanent());
        };
        self.parallelism = from.parallelism;
        self.instances.insert(from.index, (seen, known));
        Ok(())
    }

    /// Nothing was given back: this is a fresh start.
    pub(crate) fn is_empty(&self) -> bool {
        self.instances.is_empty()
    }

    /// How many files any of the instances had seen.
    pub(crate) fn seen(&self) -> u64 {
        self.instances.values().map(|(seen, _)| *seen).max().unwrap_or(0)
    }

    /// The files that any of the instances knew.
    pub(crate) fn files(&self) -> impl Iterator<Item = FileId> {
        self.instances.values().flat_map(|(_, known)| known.keys().copied())
    }

    /// What `subtask` now knows: invariant 2 for each split that it owns.
    pub(crate) fn share_of(&self, subtask: Subtask) -> Result<Known, OperatorError> {
        if self.instances.len() != usize::from(self.parallelism) {
            return Err(OperatorError::new(format!(
                "the snapshot holds the positions of {} of {} instances of the file source",
                self.instances.len(),
                self.parallelism
            )));
        }
        let mut files = self.merged()?;
        for (&id, file) in &mut files {
            let number = file.number;
            file.remaining = Remaining::of(id, file.splitting(), subtask, |split| self.left(id, number, split));
        }
        files.retain(|&id, file| {
            (0..file.splitting().count()).any(|number| id.split(number).owner(subtask.parallelism) == subtask.index)
        });
        Ok(files)
    }

    /// The files of which no instance has read anything, as they were.
    pub(crate) fn untouched(&self) -> Result<Vec<(FileId, Identity)>, OperatorError> {
        let mut files = self.merged()?;
        files.retain(|&id, file| {
            let nothing = |split| matches!(self.left(id, file.number, split), Left::Whole | Left::From(0));
            (0..file.splitting().count()).all(nothing)
        });
        Ok(files.into_iter().map(|(id, file)| (id, file.identity)).collect())
    }

    /// All files, each once. What is left of them is not told.
    fn merged(&self) -> Result<Known, OperatorError> {
        let mut files = Known::new();
        for (&id, file) in self.instances.values().flat_map(|(_, known)| known) {
            match files.entry(id) {
                btree_map::Entry::Vacant(entry) => _ = entry.insert(file.clone()),
                btree_map::Entry::Occupied(mut entry) => {
                    let other = entry.get_mut();
                    if other.identity != file.identity {
                        return Err(changed(&file.name(id), other.identity, file.identity));
                    }
                    if other.path.is_empty() {
                        other.path.clone_from(&file.path);
                    }
                    other.number = other.number.max(file.number);
                }
            }
        }
        Ok(files)
    }

    /// What was left of a split of the file with this number: invariant 2.
    fn left(&self, id: FileId, number: u64, split: u64) -> Left {
        let (seen, known) = &self.instances[&id.split(split).owner(self.parallelism)];
        match known.get(&id) {
            Some(known) => known.remaining.left(split),
            None if number < *seen => Left::Nothing,
            None => Left::Whole,
        }
    }
}

/// A file is not what it was.
pub(crate) fn changed(path: &str, was: Identity, is: Identity) -> OperatorError {
    OperatorError::new(format!("the input file '{path}' changed while the job was reading it: it was {was}, and is {is}"))
        .hint("an input file must stay as it is from when it is first seen; write new data to new files, and move a file into place once it is complete. One of which no checkpoint has a part may be replaced: the job takes the new one when it starts again")
}

/// A file is shorter than it was.
pub(crate) fn cut(path: &str, len: u64) -> OperatorError {
    OperatorError::new(format!(
        "the input file '{path}' changed while the job was reading it: it had {len} bytes, and was cut"
    ))
    .hint("an input file must stay as it is from when it is first seen; put the whole file back")
}

/// The system does not give a file's bytes.
pub(crate) fn unreadable(path: &str, cause: std::io::Error) -> OperatorError {
    OperatorError::new(format!("cannot read the input file '{path}'")).caused_by(cause)
}

/// A file that is needed is gone.
pub(crate) fn gone(path: &str) -> OperatorError {
    OperatorError::new(format!("the input file '{path}' has not been read to its end, and is gone"))
        .hint("put it back, or another in its place if nothing of it has been read; files may be moved away once they are read and the checkpoint after that is complete")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, len: u64, size: u64, subtask: Subtask, left: impl Fn(u64) -> Left) -> (FileId, KnownFile) {
        let id = FileId::of(path);
        let identity = Identity { len, modified: 5 };
        let remaining = Remaining::of(id, Splitting { size, len }, subtask, left);
        let known = KnownFile {
            path: path.to_owned(),
            number: 0,
            identity,
            compression: Compression::Plain,
            split_size: size,
            remaining,
        };
        (id, known)
    }

    #[test]
    fn snapshots_round_trip_and_refuse_other_bytes() {
        let alone = Subtask { index: 0, parallelism: 1 };
        let known = Known::from([
            file("a", 100, 10, alone, |n| if n == 3 { Left::From(31) } else { Left::Whole }),
            file("b", 100, 10, alone, |_| Left::Nothing),
            file("c", 100, Splitting::WHOLE, alone, |_| Left::From(7)),
        ]);
        let bytes = encode(true, 6, &known);
        assert_eq!(decode(&bytes), Some((true, 6, known)));
        for len in 0..bytes.len() {
            assert_eq!(decode(&bytes[..len]), None, "cut at {len}");
        }
        let mut earlier = Earlier::default();
        let error = earlier.add(alone, b"?").unwrap_err().to_string();
        assert!(error.contains("is not of a form"), "{error}");
    }

    #[test]
    fn the_bytes_are_those_that_the_format_page_prints() {
        let runs = vec![Run { first: 2, step: 2, count: 3 }];
        let remaining = Remaining { runs, begun: BTreeMap::from([(0, 5)]) };
        let identity = Identity { len: 90, modified: 7 };
        let (path, compression) = ("a".to_owned(), Compression::Plain);
        let file = KnownFile { path, number: 3, identity, compression, split_size: 10, remaining };
        let page = include_str!("../../../../docs/format.md").lines();
        let lines = page.filter_map(|line| line.strip_prefix("files ")?.trim_start().strip_prefix("| "));
        let hex = lines.flat_map(|line| line.split('|').next().unwrap_or_default().split_whitespace());
        let printed: Vec<u8> = hex.map(|hex| u8::from_str_radix(hex, 16).unwrap()).collect();
        let known = Known::from([(FileId(9), file)]);
        assert_eq!(encode(true, 4, &known), printed);
        assert_eq!(decode(&printed), Some((true, 4, known)));
    }

    #[test]
    fn a_done_file_of_one_split_takes_51_bytes() {
        let alone = Subtask { index: 0, parallelism: 1 };
        let none = encode(false, 1, &Known::new()).len();
        let one = encode(false, 1, &Known::from([file("some/long/path", 9, 10, alone, |_| Left::Nothing)])).len();
        assert_eq!(one - none, 51);
    }

    /// However many instances there were and are, what was left of each split is left, once.
    #[test]
    fn any_number_of_instances_takes_over_from_any_other() {
        let left = |number: u64| match number % 5 {
            0 | 1 => Left::Nothing,
            2 => Left::From(number * 10 + 3),
            _ => Left::Whole,
        };
        for before in 1..=5u16 {
            for after in 1..=5u16 {
                let mut earlier = Earlier::default();
                for index in 0..before {
                    let from = Subtask { index, parallelism: before };
                    let mut known = Known::from([file("a", 370, 10, from, left)]);
                    // One that owns nothing of a small file does not know it (invariant 1).
                    let (id, small) = file("small", 9, 10, from, |_| Left::From(4));
                    if !small.remaining.is_done() {
                        known.insert(id, small);
                    }
                    earlier.add(from, &encode(true, 1, &known)).unwrap();
                }
                let mut found = BTreeMap::new();
                for index in 0..after {
                    let to = Subtask { index, parallelism: after };
                    for (id, mut file) in earlier.share_of(to).unwrap() {
                        while let Some((number, offset)) = file.remaining.take_next() {
                            assert_eq!(id.split(number).owner(after), index);
                            assert!(found.insert((file.path.clone(), number), offset).is_none(), "read twice");
                        }
                    }
                }
                let mut expected: BTreeMap<_, _> = (0..37)
                    .filter_map(|number| match left(number) {
                        Left::Nothing => None,
                        Left::Whole => Some((("a".to_owned(), number), None)),
                        Left::From(offset) => Some((("a".to_owned(), number), Some(offset))),
                    })
                    .collect();
                expected.insert(("small".to_owned(), 0), Some(4));
                assert_eq!(found, expected, "{before} to {after}");
            }
        }
    }

    #[test]
    fn splits_that_their_owner_had_not_seen_are_unread() {
        let mut earlier = Earlier::default();
        for index in 0..2 {
            let from = Subtask { index, parallelism: 2 };
            let known =
                if index == 0 { Known::from([file("a", 100, 10, from, |_| Left::Nothing)]) } else { Known::new() };
            earlier.add(from, &encode(true, 1 - u64::from(index), &known)).unwrap();
        }
        let all = earlier.share_of(Subtask { index: 0, parallelism: 1 }).unwrap();
        let mut remaining = all[&FileId::of("a")].remaining.clone();
        let numbers: Vec<u64> = std::iter::from_fn(|| remaining.take_next()).map(|(number, _)| number).collect();
        assert_eq!(numbers.len(), 5);
        assert!(numbers.iter().all(|&number| FileId::of("a").split(number).owner(2) == 1));
    }

    /// The same, but the other instance had seen the file, and seen it go.
    #[test]
    fn splits_that_their_owner_has_forgotten_are_done() {
        let mut earlier = Earlier::default();
        for index in 0..2 {
            let from = Subtask { index, parallelism: 2 };
            let known =
                if index == 0 { Known::from([file("a", 100, 10, from, |_| Left::Nothing)]) } else { Known::new() };
            earlier.add(from, &encode(true, 1, &known)).unwrap();
        }
        assert_eq!(earlier.seen(), 1);
        let all = earlier.share_of(Subtask { index: 0, parallelism: 1 }).unwrap();
        assert!(all[&FileId::of("a")].remaining.is_done());
    }

    #[test]
    fn an_incomplete_or_contradictory_snapshot_is_refused() {
        let from = |index| Subtask { index, parallelism: 2 };
        let mut earlier = Earlier::default();
        earlier.add(from(0), &encode(true, 1, &Known::from([file("a", 100, 10, from(0), |_| Left::Whole)]))).unwrap();
        assert!(earlier.share_of(from(0)).unwrap_err().to_string().contains("1 of 2 instances"));
        earlier.add(from(1), &encode(true, 1, &Known::from([file("a", 120, 10, from(1), |_| Left::Whole)]))).unwrap();
        let error = earlier.share_of(from(0)).unwrap_err().to_string();
        assert!(error.contains("'a' changed") && error.contains("100 bytes") && error.contains("120 bytes"), "{error}");
    }
}
