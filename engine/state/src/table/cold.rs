//! Values that were evicted: where their encodings stand in the mapped log, and those that were read since.
//!
//! An entry's slot then holds a vacant value, and its word says so. Entries are known by the whole hash of their key; of two keys with one
//! hash only the first is ever evicted. What is read is decoded once and kept until [`Cold::cool`]; what is written leaves.
//!
//! Invariants:
//! 1. An entry is here if and only if its word in the table says that it is evicted.
//! 2. The bytes at an entry's place decode to its value: they were compared with its encoding when it came.
//! 3. A segment is held mapped for as long as an entry stands in it, whatever became of its file.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use yeoul_frame::KeyHash;
use yeoul_sys::Region;

use crate::log::{LogAddress, SegmentId, block};
use crate::stored::{Value, decode_all};

/// A value that holds no more memory than this outside its slot is not worth evicting: its entry here takes as much.
pub(super) const WORTHWHILE: usize = 48;

pub(super) struct Cold<V> {
    entries: HashMap<u64, Entry<V>, BuildHasherDefault<Itself>>,
    segments: BTreeMap<SegmentId, Mapped>,
    /// Entries that were read since they were cooled, and the bytes that this holds.
    read: RefCell<Vec<u64>>,
    read_bytes: Cell<usize>,
}

struct Entry<V> {
    at: LogAddress,
    read: OnceCell<Box<V>>,
}

struct Mapped {
    bytes: Region,
    entries: usize,
}

impl<V> Default for Cold<V> {
    fn default() -> Self {
        let (read, read_bytes) = (RefCell::default(), Cell::new(0));
        Self { entries: HashMap::default(), segments: BTreeMap::new(), read, read_bytes }
    }
}

impl<V: Value> Cold<V> {
    /// Whether some key has this hash here.
    pub(super) fn has(&self, hash: KeyHash) -> bool {
        self.entries.contains_key(&hash.0)
    }

    /// The encoded value of an entry.
    pub(super) fn bytes(&self, hash: KeyHash) -> &[u8] {
        let at = self.entry(hash).at;
        let offset = at.offset() as usize;
        let rest = self.segments.get(&at.segment()).and_then(|segment| segment.bytes.get(offset..));
        let record = rest.and_then(|rest| block::variable_record(rest, offset));
        record.expect("an evicted value's record is where it was").1
    }

    /// The value of an entry, read from the log if it was not since it was cooled.
    pub(super) fn read(&self, hash: KeyHash) -> &V {
        self.entry(hash).read.get_or_init(|| {
            let value = Box::new(self.decode(hash));
            self.read.borrow_mut().push(hash.0);
            self.read_bytes.set(self.read_bytes.get() + size_of::<V>() + value.heap_bytes());
            value
        })
    }

    /// The value of an entry, not to be kept here.
    ///
    /// Panics if a mapped segment no longer holds what was written to it, which fails the attempt.
    pub(super) fn decode(&self, hash: KeyHash) -> V {
        match decode_all(self.bytes(hash)) {
            Ok(value) => value,
            Err(error) => {
                panic!("the log no longer holds what was written to it at {:?}: {error}", self.entry(hash).at)
            }
        }
    }

    fn entry(&self, hash: KeyHash) -> &Entry<V> {
        self.entries.get(&hash.0).expect("an entry is here if and only if its word says that it is evicted")
    }

    /// Puts an entry here, or where it is already, to another place at which the same bytes stand.
    pub(super) fn put(&mut self, hash: KeyHash, at: LogAddress, segment: &Region) {
        match self.entries.get_mut(&hash.0) {
            Some(entry) => {
                let before = std::mem::replace(&mut entry.at, at);
                self.left(before);
            }
            None => _ = self.entries.insert(hash.0, Entry { at, read: OnceCell::new() }),
        }
        let of = self.segments.entry(at.segment()).or_insert_with(|| Mapped { bytes: segment.clone(), entries: 0 });
        of.entries += 1;
        // The bytes of a log only grow: whoever gives a longer view of a segment gives the same bytes and more.
        if segment.len() > of.bytes.len() {
            of.bytes = segment.clone();
        }
    }

    /// Takes an entry away.
    pub(super) fn take(&mut self, hash: KeyHash) -> V {
        let value = match self.entries.get_mut(&hash.0).and_then(|entry| entry.read.take()) {
            Some(value) => {
                self.read_bytes.set(self.read_bytes.get().saturating_sub(size_of::<V>() + value.heap_bytes()));
                *value
            }
            None => self.decode(hash),
        };
        self.remove(hash);
        value
    }

    /// Takes an entry away, and nobody wants its value.
    pub(super) fn remove(&mut self, hash: KeyHash) {
        let gone = self.entries.remove(&hash.0);
        let gone = gone.expect("an entry is here if and only if its word says that it is evicted");
        if let Some(value) = gone.read.into_inner() {
            self.read_bytes.set(self.read_bytes.get().saturating_sub(size_of::<V>() + value.heap_bytes()));
        }
        self.left(gone.at);
    }

    fn left(&mut self, at: LogAddress) {
        let Some(of) = self.segments.get_mut(&at.segment()) else { return };
        of.entries -= 1;
        if of.entries == 0 {
            self.segments.remove(&at.segment());
        }
    }

    /// Bytes that values hold which were read, their places in the list of reads included.
    pub(super) fn read_bytes(&self) -> usize {
        self.read.borrow().capacity() * size_of::<u64>() + self.read_bytes.get()
    }

    /// Forgets up to `most` values that were read. Returns the bytes freed, and at least 1 while there are more.
    pub(super) fn cool(&mut self, most: usize) -> usize {
        let before = self.read_bytes();
        let read = self.read.get_mut();
        // What was written since it was read is in the list and no longer here.
        let forgotten = read.len().min(most);
        for hash in read.drain(read.len() - forgotten..) {
            if let Some(value) = self.entries.get_mut(&hash).and_then(|entry| entry.read.take()) {
                self.read_bytes.set(self.read_bytes.get().saturating_sub(size_of::<V>() + value.heap_bytes()));
            }
        }
        if read.is_empty() {
            // A value's own size may have been estimated otherwise when it was read.
            self.read_bytes.set(0);
        }
        if read.len() <= read.capacity() / 2 {
            read.shrink_to(read.len());
        }
        let more = usize::from(!read.is_empty());
        before.saturating_sub(self.read_bytes()).max(more)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let entries = self.entries.capacity() * (size_of::<(u64, Entry<V>)>() + 1);
        entries + self.read_bytes()
    }
}

/// Takes a hash for what it is.
#[derive(Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only hashes of keys are looked up");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
