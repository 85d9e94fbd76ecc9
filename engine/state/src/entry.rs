//! Entries of a manifest file: framing, and telling a torn tail from corruption.
//!
//! Every entry stands twice, one copy after the other, written by one call. A write that is cut short by a crash can
//! spoil both copies of the last entry, and then nothing valid follows: the entry never was committed. Decay of the disk
//! spoils one place: then the twin is whole, or later entries are, and a committed epoch is never mistaken for a torn one.
//!
//! Invariants:
//! 1. An entry is accepted only if its checksum holds and it names its own place, file and number in the sequence.
//! 2. Damage before a valid later entry, or within what was durable before the file got its name, is an error.

use std::collections::VecDeque;

use crate::commit::{Commit, Input};
use crate::log::{Corrupt, SegmentId};

/// `YME1`: an entry of a manifest of format version 1.
pub const MAGIC: u32 = u32::from_le_bytes(*b"YME1");
/// Bytes before an entry's payload.
pub const HEADER_BYTES: usize = 48;
/// Entries start at multiples of this.
pub const ALIGN: usize = 16;

/// The first entry of a manifest file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileHeader {
    /// Tells this store from any other: drawn when it was made.
    pub store: u64,
    /// Counts the files that have been the store's manifest.
    pub number: u64,
    /// Counts the times that the store was opened.
    pub run: u64,
    /// The first segment id that the run may use.
    pub first_segment: SegmentId,
    /// Entries, this one included, that were durable before the file got its name.
    pub entries: u32,
}

/// What an entry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum EntryKind {
    /// A [`FileHeader`].
    Header = 0,
    /// A [`Commit`], encoded against the one before it in the file.
    Commit = 1,
}

impl FileHeader {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16);
        out.extend_from_slice(&self.run.to_le_bytes());
        out.extend_from_slice(&self.first_segment.0.to_le_bytes());
        out.extend_from_slice(&self.entries.to_le_bytes());
        out
    }

    fn decode(entry: &Entry<'_>) -> Result<Self, Corrupt> {
        let mut input = Input(entry.payload);
        let (run, first, entries) = (input.u64()?, SegmentId(input.u32()?), input.u32()?);
        if entry.kind != EntryKind::Header || !input.0.is_empty() || first.0 == 0 || first > SegmentId::MOST {
            return Err(Corrupt::new("the first entry is not a manifest's header"));
        }
        Ok(Self { store: entry.store, number: entry.number, run, first_segment: first, entries })
    }
}

/// Appends entries to the bytes of a manifest file.
#[derive(Debug)]
pub(crate) struct EntryEncoder {
    pub(crate) header: FileHeader,
    pub(crate) sequence: u64,
    pub(crate) offset: u64,
}

impl EntryEncoder {
    /// Begins a file. Returns the bytes of its header and of the commits that are in it from the start.
    pub(crate) fn begin<'a>(header: FileHeader, commits: impl ExactSizeIterator<Item = &'a Commit>) -> (Self, Vec<u8>) {
        let header = FileHeader { entries: 1 + commits.len() as u32, ..header };
        let mut encoder = Self { header, sequence: 0, offset: 0 };
        let mut out = Vec::new();
        encoder.entry(EntryKind::Header, &header.encode(), &mut out);
        let mut base = None;
        for commit in commits {
            encoder.commit(commit, base, &mut out);
            base = Some(commit);
        }
        (encoder, out)
    }

    /// Appends both copies of a commit's entry.
    pub(crate) fn commit(&mut self, commit: &Commit, base: Option<&Commit>, out: &mut Vec<u8>) {
        let mut payload = Vec::new();
        commit.encode(base, &mut payload);
        self.entry(EntryKind::Commit, &payload, out);
    }

    fn entry(&mut self, kind: EntryKind, payload: &[u8], out: &mut Vec<u8>) {
        for copy in 0..2u8 {
            let start = out.len();
            out.extend_from_slice(&MAGIC.to_le_bytes());
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
            out.extend_from_slice(&[kind as u8, copy, 0, 0]);
            out.extend_from_slice(&self.sequence.to_le_bytes());
            out.extend_from_slice(&self.offset.to_le_bytes());
            out.extend_from_slice(&self.header.store.to_le_bytes());
            out.extend_from_slice(&self.header.number.to_le_bytes());
            out.extend_from_slice(payload);
            out.resize(start + (HEADER_BYTES + payload.len()).next_multiple_of(ALIGN), 0);
            let crc = crc32c::crc32c(&out[start + 8..]);
            out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
            self.offset += (out.len() - start) as u64;
        }
        self.sequence += 1;
    }
}

/// What a manifest file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestImage {
    /// Its header.
    pub header: FileHeader,
    /// Its last commits, oldest first; as many as were asked for.
    pub commits: VecDeque<Commit>,
    /// Whether the last entry was damaged in one copy and read from the other.
    pub healed: bool,
}

/// Decodes a manifest file, keeping the last `keep` commits.
///
/// # Errors
/// If a committed entry is damaged; the error names `file` and the place.
pub fn decode_manifest(bytes: &[u8], file: &str, keep: usize) -> Result<ManifestImage, Corrupt> {
    let mut scan = Scan { bytes, of: None };
    let (mut at, mut sequence) = (0, 0);
    let mut image: Option<ManifestImage> = None;
    // The base of the next commit, which may be older than what is kept.
    let mut last: Option<Commit> = None;
    loop {
        let found = scan.next(at, sequence).map_err(|error| error.at(file, at as u64))?;
        let durable = image.as_ref().map_or(1, |image| u64::from(image.header.entries));
        let Some(found) = found else {
            if sequence >= durable {
                break;
            }
            let what =
                format!("entry {sequence} is not readable, though {durable} were durable when the file was named");
            return Err(Corrupt::new(what).at(file, at as u64));
        };
        let wrong = |error: Corrupt| error.at(file, at as u64);
        match &mut image {
            None => {
                let header = FileHeader::decode(&found.entry).map_err(wrong)?;
                scan.of = Some((header.store, header.number));
                image = Some(ManifestImage { header, commits: VecDeque::new(), healed: found.healed });
            }
            Some(image) => {
                if found.entry.kind != EntryKind::Commit {
                    return Err(wrong(Corrupt::new("a header stands among the commits")));
                }
                let commit = Commit::decode(found.entry.payload, last.as_ref()).map_err(wrong)?;
                if last.as_ref().is_some_and(|last| last.epoch >= commit.epoch) {
                    return Err(wrong(Corrupt::new(format!("{} is committed after a later one", commit.epoch))));
                }
                if image.commits.len() == keep {
                    image.commits.pop_front();
                }
                if keep > 0 {
                    image.commits.push_back(commit.clone());
                }
                last = Some(commit);
                image.healed |= found.healed;
            }
        }
        (at, sequence) = (found.end, sequence + 1);
    }
    Ok(image.expect("the loop is left only past the header"))
}

struct Entry<'a> {
    kind: EntryKind,
    copy: u8,
    sequence: u64,
    store: u64,
    number: u64,
    payload: &'a [u8],
    end: usize,
}

struct Found<'a> {
    entry: Entry<'a>,
    end: usize,
    healed: bool,
}

struct Scan<'a> {
    bytes: &'a [u8],
    of: Option<(u64, u64)>,
}

impl<'a> Scan<'a> {
    /// The entry numbered `sequence`, whose copies begin at `at`; `None` if there is none and the tail may be torn.
    fn next(&self, at: usize, sequence: u64) -> Result<Option<Found<'a>>, Corrupt> {
        let whole = |at, copy| self.entry_at(at).filter(|entry| entry.sequence == sequence && entry.copy == copy);
        let first = whole(at, 0);
        let second_at = first.as_ref().map_or(at, |first| first.end);
        if let (Some(_), Some(second)) = (&first, whole(second_at, 1)) {
            return Ok(Some(Found { end: second.end, entry: second, healed: false }));
        }
        // Something here is damaged, or the file's entries end here.
        let (mut twin, mut probe) = (first, second_at);
        while probe + HEADER_BYTES <= self.bytes.len() {
            if let Some(entry) = self.entry_at(probe) {
                if entry.sequence > sequence {
                    let what =
                        format!("entry {sequence} is damaged, though entry {} after it is whole", entry.sequence);
                    return Err(Corrupt::new(what));
                }
                if entry.sequence == sequence && entry.copy == 1 {
                    twin.get_or_insert(entry);
                }
            }
            probe += ALIGN;
        }
        Ok(twin.map(|entry| Found { end: self.bytes.len(), entry, healed: true }))
    }

    fn entry_at(&self, at: usize) -> Option<Entry<'a>> {
        let mut input = Input(self.bytes.get(at..)?);
        if input.u32().ok()? != MAGIC {
            return None;
        }
        let (crc, len) = (input.u32().ok()?, input.u32().ok()? as usize);
        let flags = input.take(4).ok()?;
        let (sequence, offset) = (input.u64().ok()?, input.u64().ok()?);
        let (store, number) = (input.u64().ok()?, input.u64().ok()?);
        let kind = match flags {
            [0, 0 | 1, 0, 0] => EntryKind::Header,
            [1, 0 | 1, 0, 0] => EntryKind::Commit,
            _ => return None,
        };
        if offset != at as u64 || self.of.is_some_and(|of| of != (store, number)) {
            return None;
        }
        let end = at + (HEADER_BYTES + len).next_multiple_of(ALIGN);
        let body = self.bytes.get(at + 8..end)?;
        let payload = self.bytes.get(at + HEADER_BYTES..at + HEADER_BYTES + len)?;
        (crc32c::crc32c(body) == crc).then_some(Entry { kind, copy: flags[1], sequence, store, number, payload, end })
    }
}
