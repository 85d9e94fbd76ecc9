//! The rows of one input by join key: encoded, end to end in chunks.
//!
//! A key's rows fill chunk 0, then 1, and so on, each a record of the table: a key with few rows is one lookup and one allocation, and a
//! write to a key with many is logged by chunk, not whole. An entry is its row's length, the number of its partners, perhaps the time of
//! its last write, then the row.
//!
//! Invariants:
//! 1. Chunk 0 of a key says which its last chunk is; if a key has rows, chunk 0 is there.
//! 2. The last chunk, if it is not chunk 0, has rows.

use yeoul_frame::{KeyHash, TableId};
use yeoul_state::log::Corrupt;
use yeoul_state::{Compound, Key, StateTable, Stored, Table};
use yeoul_sys::prefetch_write;

/// A chunk takes no more rows once it has this many bytes.
const CHUNK_BYTES: usize = 2048;
/// At least so many buckets are looked at after each frame (and one for each row in it) for chunks whose rows have all expired.
const SWEPT: usize = 16;

/// Rows of a key, end to end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Chunk {
    /// In chunk 0: the key's last chunk.
    last: u32,
    bytes: Vec<u8>,
}

impl Stored for Chunk {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self::default()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.last.encode(out);
        (self.bytes.len() as u32).encode(out);
        out.extend_from_slice(&self.bytes);
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let last = u32::decode(bytes)?;
        let length = u32::decode(bytes)? as usize;
        let (held, rest) = bytes
            .split_at_checked(length)
            .ok_or_else(|| Corrupt::new(format!("rows of {length} bytes in {} bytes", bytes.len())))?;
        *bytes = rest;
        Ok(Self { last, bytes: held.to_vec() })
    }

    fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}

/// Where an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    chunk: u32,
    at: u32,
}

/// An entry, as it lies there.
#[derive(Clone, Copy)]
pub(super) struct Entry<'t> {
    pub(super) row: &'t [u8],
    pub(super) partners: u32,
    pub(super) place: Place,
}

/// The rows of one input.
pub(super) struct Bag<K: Key> {
    table: Table<Compound<K, u32>, Chunk>,
    /// How long a row lives, in milliseconds.
    ttl: Option<i64>,
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

impl<K: Key> Bag<K> {
    pub(super) fn new(id: TableId, name: &str, ttl: Option<i64>) -> Self {
        Self { table: Table::new(id, name), ttl }
    }

    fn head(&self) -> usize {
        if self.ttl.is_some() { 16 } else { 8 }
    }

    fn place(key: &K, hash: KeyHash, chunk: u32) -> (Compound<K, u32>, KeyHash) {
        (Compound { key: key.clone(), sub: chunk }, Compound::<K, u32>::hash_of(hash, &chunk))
    }

    /// Asks for a key's rows that will be looked up soon.
    #[inline]
    pub(super) fn prefetch(&self, hash: KeyHash) {
        self.table.prefetch(Compound::<K, u32>::hash_of(hash, &0));
    }

    /// Asks for the bytes of a key's rows, whose place has been asked for before: they are one more way through memory.
    #[inline]
    pub(super) fn prefetch_rows(&self, key: &K, hash: KeyHash) {
        let (first, first_hash) = Self::place(key, hash, 0);
        if let Some(chunk) = self.table.get(&first, first_hash)
            && let [first, .., last] = &chunk.bytes[..]
        {
            prefetch_write(first);
            prefetch_write(last);
        }
    }

    /// Calls `visit` for each row of a key that has not expired, in the order of chunks.
    #[inline]
    pub(super) fn for_each<'t>(&'t self, key: &K, hash: KeyHash, now: i64, mut visit: impl FnMut(Entry<'t>)) {
        let (first, first_hash) = Self::place(key, hash, 0);
        let Some(chunk) = self.table.get(&first, first_hash) else { return };
        self.visit(chunk, 0, now, &mut visit);
        for number in 1..=chunk.last {
            let (place, hash) = Self::place(key, hash, number);
            if let Some(chunk) = self.table.get(&place, hash) {
                self.visit(chunk, number, now, &mut visit);
            }
        }
    }

    #[inline]
    fn visit<'t>(&self, chunk: &'t Chunk, number: u32, now: i64, visit: &mut impl FnMut(Entry<'t>)) {
        let (head, bytes) = (self.head(), &chunk.bytes[..]);
        let mut at = 0;
        while at < bytes.len() {
            let end = at + head + word(bytes, at) as usize;
            if !self.is_expired(bytes, at, now) {
                let place = Place { chunk: number, at: at as u32 };
                visit(Entry { row: &bytes[at + head..end], partners: word(bytes, at + 4), place });
            }
            at = end;
        }
    }

    fn is_expired(&self, bytes: &[u8], at: usize, now: i64) -> bool {
        self.ttl.is_some_and(|ttl| {
            let since = i64::from_le_bytes(bytes[at + 8..at + 16].try_into().expect("eight bytes"));
            since.saturating_add(ttl) <= now
        })
    }

    /// Adds a row.
    pub(super) fn add(&mut self, key: &K, hash: KeyHash, row: &[u8], partners: u32, now: i64) {
        let ttl = self.ttl;
        let (first, first_hash) = Self::place(key, hash, 0);
        let head = self.head();
        let entry = |chunk: &mut Chunk| {
            // Most keys have one row: their chunk is as long as it.
            if chunk.bytes.is_empty() {
                chunk.bytes.reserve_exact(head + row.len());
            }
            chunk.bytes.extend_from_slice(&(row.len() as u32).to_le_bytes());
            chunk.bytes.extend_from_slice(&partners.to_le_bytes());
            if ttl.is_some() {
                chunk.bytes.extend_from_slice(&now.to_le_bytes());
            }
            chunk.bytes.extend_from_slice(row);
        };
        let chunk = self.table.upsert(&first, first_hash, Chunk::default);
        if chunk.last == 0 && chunk.bytes.len() < CHUNK_BYTES {
            return entry(chunk);
        }
        let last = chunk.last.max(1);
        let (place, place_hash) = Self::place(key, hash, last);
        let is_full = self.table.get(&place, place_hash).is_some_and(|chunk| chunk.bytes.len() >= CHUNK_BYTES);
        let last = last + u32::from(is_full);
        self.table.upsert(&first, first_hash, Chunk::default).last = last;
        let (place, place_hash) = Self::place(key, hash, last);
        entry(self.table.upsert(&place, place_hash, Chunk::default));
    }

    /// Puts a row in place of all that a key has.
    pub(super) fn replace(&mut self, key: &K, hash: KeyHash, row: &[u8], partners: u32, now: i64) {
        let (first, first_hash) = Self::place(key, hash, 0);
        let chunk = self.table.upsert(&first, first_hash, Chunk::default);
        if chunk.last == 0 {
            chunk.bytes.clear();
        } else {
            while self.remove(key, hash, None) {}
        }
        self.add(key, hash, row, partners, now);
    }

    /// Takes one row equal to this one away; or, without a row, any. Returns whether there was one.
    pub(super) fn remove(&mut self, key: &K, hash: KeyHash, row: Option<&[u8]>) -> bool {
        let head = self.head();
        let mut found = None;
        self.for_each(key, hash, i64::MIN, |entry| {
            if found.is_none() && row.is_none_or(|row| row == entry.row) {
                found = Some((entry.place, entry.row.len()));
            }
        });
        let Some((at, length)) = found else { return false };
        let (place, place_hash) = Self::place(key, hash, at.chunk);
        if let Some(chunk) = self.table.get_mut(&place, place_hash) {
            chunk.bytes.drain(at.at as usize..at.at as usize + head + length);
        }
        self.shrink(key, hash);
        true
    }

    /// Drops empty chunks from the end.
    fn shrink(&mut self, key: &K, hash: KeyHash) {
        let (first, first_hash) = Self::place(key, hash, 0);
        let Some(chunk) = self.table.get(&first, first_hash) else { return };
        let (before, is_empty) = (chunk.last, chunk.bytes.is_empty());
        let mut last = before;
        while last > 0 {
            let (place, place_hash) = Self::place(key, hash, last);
            match self.table.get(&place, place_hash) {
                Some(chunk) if !chunk.bytes.is_empty() => break,
                Some(_) => _ = self.table.remove(&place, place_hash),
                None => {}
            }
            last -= 1;
        }
        if last == 0 && is_empty {
            self.table.remove(&first, first_hash);
        } else if last != before
            && let Some(chunk) = self.table.get_mut(&first, first_hash)
        {
            chunk.last = last;
        }
    }

    /// Sets the number of an entry's partners.
    pub(super) fn set_partners(&mut self, key: &K, hash: KeyHash, place: Place, partners: u32) {
        let (key, hash) = Self::place(key, hash, place.chunk);
        if let Some(chunk) = self.table.get_mut(&key, hash) {
            let at = place.at as usize + 4;
            chunk.bytes[at..at + 4].copy_from_slice(&partners.to_le_bytes());
        }
    }

    /// Removes chunks whose rows have all expired, a few at a time.
    pub(super) fn sweep(&mut self, now: i64, rows: usize) {
        let Some(ttl) = self.ttl else { return };
        self.table.sweep(SWEPT.max(rows), |place, chunk| {
            let (mut at, bytes) = (0, &chunk.bytes[..]);
            while at < bytes.len() {
                let since = i64::from_le_bytes(bytes[at + 8..at + 16].try_into().expect("eight bytes"));
                if since.saturating_add(ttl) > now {
                    return false;
                }
                at += 16 + word(bytes, at) as usize;
            }
            // Chunk 0 of several stays: it says which the last is.
            place.sub != 0 || chunk.last == 0
        });
    }

    pub(super) fn table(&mut self) -> &mut dyn StateTable {
        &mut self.table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bag: &Bag<u64>, key: u64) -> Vec<(Vec<u8>, u32)> {
        let mut rows = vec![];
        bag.for_each(&key, key.hash(), 0, |entry| rows.push((entry.row.to_vec(), entry.partners)));
        rows
    }

    #[test]
    fn rows_of_many_chunks_come_and_go() {
        let mut bag = Bag::<u64>::new(TableId(1), "rows", None);
        let row = |n: u32| vec![n as u8; 100 + n as usize];
        for n in 0..60 {
            bag.add(&7, 7_u64.hash(), &row(n), n, 0);
        }
        bag.add(&8, 8_u64.hash(), b"x", 0, 0);
        assert_eq!(all(&bag, 7), (0..60).map(|n| (row(n), n)).collect::<Vec<_>>());
        assert!(bag.table.len() > 3);
        let mut places = vec![];
        bag.for_each(&7, 7_u64.hash(), 0, |entry| places.push(entry.place));
        bag.set_partners(&7, 7_u64.hash(), places[59], 1_000);
        assert_eq!(all(&bag, 7)[59].1, 1_000);
        for n in (0..60).rev().step_by(2).chain((0..60).step_by(2)) {
            assert!(bag.remove(&7, 7_u64.hash(), Some(&row(n))));
            assert!(!bag.remove(&7, 7_u64.hash(), Some(&row(n))));
        }
        assert_eq!((all(&bag, 7), bag.table.len()), (vec![], 1));
        assert!(bag.remove(&8, 8_u64.hash(), None) && bag.table.is_empty());
    }

    #[test]
    fn rows_expire() {
        let mut bag = Bag::<u64>::new(TableId(1), "rows", Some(10));
        bag.add(&7, 7_u64.hash(), b"a", 0, 0);
        bag.add(&7, 7_u64.hash(), b"b", 0, 5);
        let mut seen = vec![];
        bag.for_each(&7, 7_u64.hash(), 10, |entry| seen.push(entry.row));
        assert_eq!(seen, [b"b"]);
        for _ in 0..100 {
            bag.sweep(15, 0);
        }
        assert!(bag.table.is_empty());
    }

    #[test]
    fn a_chunk_comes_back_and_garbage_is_refused() {
        let chunk = Chunk { last: 3, bytes: vec![1, 2, 3] };
        let mut bytes = Vec::new();
        chunk.encode(&mut bytes);
        assert_eq!(Chunk::decode(&mut &bytes[..]), Ok(chunk));
        assert!((0..bytes.len()).all(|short| Chunk::decode(&mut &bytes[..short]).is_err()));
    }
}
