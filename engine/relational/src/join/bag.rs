//! The rows of one input by join key: encoded, end to end in chunks.
//!
//! A key's rows lie in chunks 0, 1 and so on, each a record of the table: a key with few rows is one lookup and one allocation, and a
//! write to a key with many is logged by chunk, not whole. An entry is its row's length, the number of its partners, perhaps the time of
//! its last write, then the row.
//!
//! Rows of a key are in no order: what goes leaves room that the key's last chunk fills.
//!
//! Invariants:
//! 1. A key's chunks are numbered without gaps, none is empty, and chunk 0 says which the last is.
//! 2. A chunk that is not the last has at least half of [`CHUNK_BYTES`], but for what expires until it is swept.

use std::ops::Range;

use yeoul_frame::{KeyHash, TableId};
use yeoul_state::log::Corrupt;
use yeoul_state::{Compound, Key, StateTable, Stored, Table};
use yeoul_sys::prefetch_write;

/// A chunk takes no more rows once it has this many bytes, and is filled up from the last one below half of them.
const CHUNK_BYTES: usize = 2048;
/// At least so many buckets are looked at after each frame (and one for each row in it) for chunks whose rows have all expired.
const SWEPT: usize = 16;

/// Bytes before a row that says how long it is and how many partners it has; and with when it was written.
pub(super) const PLAIN: usize = 8;
pub(super) const DATED: usize = 16;

/// Rows of a key, end to end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Chunk<const HEAD: usize> {
    /// In chunk 0: the key's last chunk.
    last: u32,
    bytes: Vec<u8>,
}

impl<const HEAD: usize> Stored for Chunk<HEAD> {
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
        let mut at = 0;
        while at < length {
            let row = held.get(at..at + 4).map(|row| word(row, 0) as usize);
            at = row.and_then(|row| at.checked_add(HEAD + row)).filter(|end| *end <= length).ok_or_else(|| {
                Corrupt::new(format!(
                    "a join's row at byte {at} of {length} that ends after them: it may have been kept {} a time to live, and now is {}",
                    if HEAD == DATED { "without" } else { "with" },
                    if HEAD == DATED { "with one" } else { "without" }
                ))
            })?;
        }
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

/// The rows of one input, each behind so many bytes.
pub(super) struct Bag<K: Key, const HEAD: usize> {
    table: Table<Compound<K, u32>, Chunk<HEAD>>,
    /// How long a row lives, in milliseconds; if it dies, it is dated.
    ttl: Option<i64>,
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// When the entry that begins here was written, with a time to live.
fn since(bytes: &[u8], at: usize) -> i64 {
    i64::from_le_bytes(bytes[at + 8..at + 16].try_into().expect("eight bytes"))
}

impl<const HEAD: usize> Chunk<HEAD> {
    /// Gives memory back once three quarters of it are unused.
    fn give_back(&mut self) {
        if self.bytes.len() * 4 < self.bytes.capacity() {
            self.bytes.shrink_to(self.bytes.len() * 2);
        }
    }
}

impl<K: Key, const HEAD: usize> Bag<K, HEAD> {
    pub(super) fn new(id: TableId, name: &str, ttl: Option<i64>) -> Self {
        const { assert!(HEAD == PLAIN || HEAD == DATED, "there are two forms") };
        debug_assert!(ttl.is_none() || HEAD == DATED, "rows that die are dated");
        Self { table: Table::new(id, name), ttl }
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
    fn visit<'t>(&self, chunk: &'t Chunk<HEAD>, number: u32, now: i64, visit: &mut impl FnMut(Entry<'t>)) {
        let bytes = &chunk.bytes[..];
        let mut at = 0;
        while at < bytes.len() {
            let end = at + HEAD + word(bytes, at) as usize;
            if !self.is_expired(bytes, at, now) {
                let place = Place { chunk: number, at: at as u32 };
                visit(Entry { row: &bytes[at + HEAD..end], partners: word(bytes, at + 4), place });
            }
            at = end;
        }
    }

    fn is_expired(&self, bytes: &[u8], at: usize, now: i64) -> bool {
        self.ttl.is_some_and(|ttl| since(bytes, at).saturating_add(ttl) <= now)
    }

    /// Adds a row.
    pub(super) fn add(&mut self, key: &K, hash: KeyHash, row: &[u8], partners: u32, now: i64) {
        let (first, first_hash) = Self::place(key, hash, 0);
        let entry = |chunk: &mut Chunk<HEAD>| {
            // Most keys have one row: their chunk is as long as it.
            if chunk.bytes.is_empty() {
                chunk.bytes.reserve_exact(HEAD + row.len());
            }
            chunk.bytes.extend_from_slice(&(row.len() as u32).to_le_bytes());
            chunk.bytes.extend_from_slice(&partners.to_le_bytes());
            if HEAD == DATED {
                chunk.bytes.extend_from_slice(&now.to_le_bytes());
            }
            chunk.bytes.extend_from_slice(row);
        };
        let chunk = self.table.upsert(&first, first_hash, Chunk::default);
        if chunk.last == 0 && chunk.bytes.len() < CHUNK_BYTES {
            return entry(chunk);
        }
        let mut last = chunk.last;
        let (mut place, mut place_hash) = Self::place(key, hash, last);
        if self.table.get(&place, place_hash).is_some_and(|chunk| chunk.bytes.len() >= CHUNK_BYTES) {
            last += 1;
            self.table.upsert(&first, first_hash, Chunk::default).last = last;
            (place, place_hash) = Self::place(key, hash, last);
        }
        entry(self.table.upsert(&place, place_hash, Chunk::default));
    }

    /// Whether a key has a row that has not expired.
    pub(super) fn has_rows(&self, key: &K, hash: KeyHash, now: i64) -> bool {
        let mut any = false;
        self.for_each(key, hash, now, |_| any = true);
        any
    }

    /// Puts a row in place of all that a key has.
    pub(super) fn replace(&mut self, key: &K, hash: KeyHash, row: &[u8], partners: u32, now: i64) {
        let (first, first_hash) = Self::place(key, hash, 0);
        let chunk = self.table.upsert(&first, first_hash, Chunk::default);
        if chunk.last == 0 {
            chunk.bytes.clear();
        } else {
            while self.remove(key, hash, None, i64::MIN) {}
        }
        self.add(key, hash, row, partners, now);
    }

    /// Takes one row equal to this one away that has not expired; or, without a row, any. Returns whether there was one.
    pub(super) fn remove(&mut self, key: &K, hash: KeyHash, row: Option<&[u8]>, now: i64) -> bool {
        let (first, first_hash) = Self::place(key, hash, 0);
        let Some(last) = self.table.get(&first, first_hash).map(|chunk| chunk.last) else { return false };
        for number in 0..=last {
            let (place, place_hash) = Self::place(key, hash, number);
            let Some(entry) = self.table.get(&place, place_hash).and_then(|chunk| self.find(&chunk.bytes, row, now))
            else {
                continue;
            };
            if let Some(chunk) = self.table.get_mut(&place, place_hash) {
                chunk.bytes.drain(entry);
                chunk.give_back();
                if chunk.bytes.len() < CHUNK_BYTES / 2 {
                    self.fill(key, hash, number, now);
                }
            }
            return true;
        }
        false
    }

    /// Where a chunk has an entry of this row.
    fn find(&self, bytes: &[u8], row: Option<&[u8]>, now: i64) -> Option<Range<usize>> {
        let mut at = 0;
        while at < bytes.len() {
            let end = at + HEAD + word(bytes, at) as usize;
            if row.is_none_or(|row| *row == bytes[at + HEAD..end] && !self.is_expired(bytes, at, now)) {
                return Some(at..end);
            }
            at = end;
        }
        None
    }

    /// Brings entries of the last chunks into one that has too few, and drops the last one if nothing is left in it.
    fn fill(&mut self, key: &K, hash: KeyHash, number: u32, now: i64) {
        let (first, first_hash) = Self::place(key, hash, 0);
        let (place, place_hash) = Self::place(key, hash, number);
        let Some(before) = self.table.get(&first, first_hash).map(|chunk| chunk.last) else { return };
        let mut last = before;
        let mut length = self.table.get(&place, place_hash).map_or(0, |chunk| chunk.bytes.len());
        while number < last && length < CHUNK_BYTES / 2 {
            let (end, end_hash) = Self::place(key, hash, last);
            let moved = self.take_front(&end, end_hash, CHUNK_BYTES - length, now);
            if self.table.get(&end, end_hash).is_none_or(|chunk| chunk.bytes.is_empty()) {
                self.table.remove(&end, end_hash);
                last -= 1;
            }
            if !moved.is_empty() {
                let chunk = self.table.upsert(&place, place_hash, Chunk::default);
                chunk.bytes.extend_from_slice(&moved);
                length = chunk.bytes.len();
            }
        }
        if number == last && length == 0 {
            self.table.remove(&place, place_hash);
            let Some(shorter) = last.checked_sub(1) else { return };
            last = shorter;
        }
        if last != before
            && let Some(chunk) = self.table.get_mut(&first, first_hash)
        {
            chunk.last = last;
        }
    }

    /// Takes the first entries of a chunk away, as many as begin within `room` bytes, and drops those that have expired.
    fn take_front(&mut self, place: &Compound<K, u32>, hash: KeyHash, room: usize, now: i64) -> Vec<u8> {
        self.drop_expired(place, hash, now);
        let Some(chunk) = self.table.get_mut(place, hash) else { return Vec::new() };
        let mut at = 0;
        while at < chunk.bytes.len().min(room) {
            at += HEAD + word(&chunk.bytes, at) as usize;
        }
        let moved = chunk.bytes.drain(..at).collect();
        chunk.give_back();
        moved
    }

    /// Drops the entries of a chunk that have expired.
    fn drop_expired(&mut self, place: &Compound<K, u32>, hash: KeyHash, now: i64) {
        let Some(ttl) = self.ttl else { return };
        let Some(chunk) = self.table.get_mut(place, hash) else { return };
        let (mut at, mut kept) = (0, 0);
        while at < chunk.bytes.len() {
            let end = at + HEAD + word(&chunk.bytes, at) as usize;
            if since(&chunk.bytes, at).saturating_add(ttl) > now {
                chunk.bytes.copy_within(at..end, kept);
                kept += end - at;
            }
            at = end;
        }
        chunk.bytes.truncate(kept);
        chunk.give_back();
    }

    /// Sets the number of an entry's partners.
    pub(super) fn set_partners(&mut self, key: &K, hash: KeyHash, place: Place, partners: u32) {
        let (key, hash) = Self::place(key, hash, place.chunk);
        if let Some(chunk) = self.table.get_mut(&key, hash) {
            let at = place.at as usize + 4;
            chunk.bytes[at..at + 4].copy_from_slice(&partners.to_le_bytes());
        }
    }

    /// Removes rows that have expired, from chunks at least half of which have: a few chunks at a time.
    pub(super) fn sweep(&mut self, now: i64, rows: usize) {
        let Some(ttl) = self.ttl else { return };
        let mut half: Vec<Compound<K, u32>> = Vec::new();
        self.table.sweep(SWEPT.max(rows), |place, chunk| {
            let (mut at, mut expired, bytes) = (0, 0, &chunk.bytes[..]);
            while at < bytes.len() {
                let end = at + HEAD + word(bytes, at) as usize;
                if since(bytes, at).saturating_add(ttl) <= now {
                    expired += end - at;
                }
                at = end;
            }
            let is_only = place.sub == 0 && chunk.last == 0;
            if expired * 2 >= bytes.len() && !(is_only && expired == bytes.len()) {
                half.push(place.clone());
            }
            is_only && expired == bytes.len()
        });
        for place in half {
            let hash = place.key.hash();
            self.drop_expired(&place, Compound::<K, u32>::hash_of(hash, &place.sub), now);
            self.fill(&place.key, hash, place.sub, now);
        }
    }

    pub(super) fn table(&mut self) -> &mut dyn StateTable {
        &mut self.table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bag: &Bag<u64, PLAIN>, key: u64) -> Vec<(Vec<u8>, u32)> {
        let mut rows = vec![];
        bag.for_each(&key, key.hash(), 0, |entry| rows.push((entry.row.to_vec(), entry.partners)));
        rows
    }

    #[test]
    fn rows_of_many_chunks_come_and_go() {
        let mut bag = Bag::<u64, PLAIN>::new(TableId(1), "rows", None);
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
            assert!(bag.remove(&7, 7_u64.hash(), Some(&row(n)), 0));
            assert!(!bag.remove(&7, 7_u64.hash(), Some(&row(n)), 0));
        }
        assert_eq!((all(&bag, 7), bag.table.len()), (vec![], 1));
        assert!(bag.remove(&8, 8_u64.hash(), None, 0) && bag.table.is_empty());
    }

    #[test]
    fn rows_expire() {
        let mut bag = Bag::<u64, DATED>::new(TableId(1), "rows", Some(10));
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
    fn updates_of_a_keys_rows_leave_no_chunks_behind() {
        let (mut bag, hash) = (Bag::<u64, PLAIN>::new(TableId(1), "rows", None), 7_u64.hash());
        let row = |n: u64| [&n.to_le_bytes()[..], &[7; 92]].concat();
        (0..30).for_each(|n| bag.add(&7, hash, &row(n), 0, 0));
        for n in 30..30_000 {
            assert!(bag.remove(&7, hash, Some(&row(n - 30)), 0));
            bag.add(&7, hash, &row(n), 0, 0);
            // 3 KB of rows, in chunks that are at least half full.
            assert!(bag.table.len() <= 4, "{} chunks after {n} updates", bag.table.len());
        }
        let mut left: Vec<_> = all(&bag, 7).into_iter().map(|(bytes, _)| bytes).collect();
        left.sort_by_key(|bytes| u64::from_le_bytes(bytes[..8].try_into().unwrap()));
        assert_eq!(left, (29_970..30_000).map(row).collect::<Vec<_>>());
    }

    #[test]
    fn what_expired_leaves_neither_chunks_nor_gaps() {
        let (mut bag, hash) = (Bag::<u64, DATED>::new(TableId(1), "rows", Some(100)), 7_u64.hash());
        // A key that is silent once it has had two chunks.
        (0..30).for_each(|n| bag.add(&8, 8_u64.hash(), &[n; 100], 0, 0));
        for now in 0..5_000 {
            bag.add(&7, hash, &[now as u8; 100], 0, now);
            bag.sweep(now, 1);
        }
        let mut places = vec![];
        bag.for_each(&7, hash, 5_000, |entry| places.push((entry.place.chunk, entry.row[0])));
        let mut rows: Vec<u8> = places.iter().map(|(_, row)| *row).collect();
        rows.sort_unstable();
        let mut expected: Vec<u8> = (4_901..5_000).map(|now| now as u8).collect();
        expected.sort_unstable();
        assert_eq!(rows, expected);
        let last = places.iter().map(|(chunk, _)| *chunk).max().unwrap();
        assert!(last < 40, "the last of the chunks that a probe asks for is {last}");
        (0..100).for_each(|_| bag.sweep(6_000, 16));
        assert!(bag.table.is_empty(), "{} chunks", bag.table.len());
    }

    #[test]
    fn a_chunk_comes_back_and_what_is_cut_short_or_of_the_other_form_is_refused() {
        let (mut plain, mut dated) =
            (Bag::<u64, PLAIN>::new(TableId(1), "rows", None), Bag::<u64, DATED>::new(TableId(1), "rows", Some(10)));
        for row in [&b"abc"[..], b"", b"a row that is longer than the time in front of it"] {
            plain.add(&7, 7_u64.hash(), row, 1, 5_000);
            dated.add(&7, 7_u64.hash(), row, 1, 5_000);
        }
        let (place, hash) = Bag::<u64, PLAIN>::place(&7, 7_u64.hash(), 0);
        let (plain, dated) = (plain.table.get(&place, hash).unwrap(), dated.table.get(&place, hash).unwrap());
        let (mut of_plain, mut of_dated) = (Vec::new(), Vec::new());
        plain.encode(&mut of_plain);
        dated.encode(&mut of_dated);
        assert_eq!(Chunk::<PLAIN>::decode(&mut &of_plain[..]).as_ref(), Ok(plain));
        assert_eq!(Chunk::<DATED>::decode(&mut &of_dated[..]).as_ref(), Ok(dated));
        assert!((0..of_plain.len()).all(|short| Chunk::<PLAIN>::decode(&mut &of_plain[..short]).is_err()));
        let error = |error: Corrupt| error.to_string();
        let with = Chunk::<PLAIN>::decode(&mut &of_dated[..]).map_err(error).unwrap_err();
        assert!(with.contains("with a time to live, and now is without"), "{with}");
        let without = Chunk::<DATED>::decode(&mut &of_plain[..]).map_err(error).unwrap_err();
        assert!(without.contains("without a time to live, and now is with one"), "{without}");
        // The length of the first row is wrong.
        of_plain[8] = 200;
        assert!(Chunk::<PLAIN>::decode(&mut &of_plain[..]).is_err());
    }

    #[test]
    fn a_chunk_has_the_bytes_that_the_format_page_prints() {
        let mut bag = Bag::<u64, DATED>::new(TableId(1), "rows", Some(10));
        bag.add(&7, 7_u64.hash(), b"\0a", 3, 5_000);
        let (place, hash) = Bag::<u64, DATED>::place(&7, 7_u64.hash(), 0);
        crate::testing::check_printed("join-chunk", bag.table.get(&place, hash).unwrap());
    }
}
