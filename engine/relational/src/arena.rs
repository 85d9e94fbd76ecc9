//! Rows of a key, end to end: one allocation, whatever their number.
//!
//! An entry is its row's length, a mark of the operator's own, the row's event time, then the row.

use yeoul_operator::OperatorError;
use yeoul_state::Stored;
use yeoul_state::log::Corrupt;

/// The most bytes of entries: their number stands before them in four bytes.
const MOST_BYTES: usize = u32::MAX as usize;

/// How many bytes entries take with one more row.
///
/// # Errors
/// They would be more than can be kept of one key.
pub(crate) fn grown(held: usize, row: usize) -> Result<usize, OperatorError> {
    held.checked_add(Arena::HEAD).and_then(|held| held.checked_add(row)).filter(|all| *all <= MOST_BYTES).ok_or_else(
        || {
            OperatorError::new(format!(
                "a row of {row} bytes, beside rows of its key that take {held} bytes of state: together more than 4 GiB"
            ))
            .hint("take more columns into the key, or keep rows for a shorter time")
            .permanent()
        },
    )
}

/// Rows in the order in which they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Arena {
    bytes: Vec<u8>,
}

/// A row as it lies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) time: i64,
    pub(crate) mark: u32,
    pub(crate) row: &'a [u8],
    /// Where it lies.
    at: usize,
}

impl Arena {
    /// Bytes before a row.
    pub(crate) const HEAD: usize = 16;

    /// # Errors
    /// One key's rows take more than 4 GiB.
    pub(crate) fn push(&mut self, time: i64, mark: u32, row: &[u8]) -> Result<(), OperatorError> {
        grown(self.bytes.len(), row.len())?;
        self.append(time, mark, row);
        Ok(())
    }

    fn append(&mut self, time: i64, mark: u32, row: &[u8]) {
        Self::encode_entry(time, mark, row, &mut self.bytes);
    }

    /// Appends an entry as arenas hold it.
    pub(crate) fn encode_entry(time: i64, mark: u32, row: &[u8], out: &mut Vec<u8>) {
        out.reserve(Self::HEAD + row.len());
        out.extend_from_slice(&(row.len() as u32).to_le_bytes());
        out.extend_from_slice(&mark.to_le_bytes());
        out.extend_from_slice(&time.to_le_bytes());
        out.extend_from_slice(row);
    }

    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let entry = Self::entry(&self.bytes, at)?;
            at += Self::HEAD + entry.row.len();
            Some(entry)
        })
    }

    /// The entry that lies at a place.
    #[inline]
    pub(crate) fn at(&self, place: Place) -> Entry<'_> {
        Self::entry(&self.bytes, place.0).expect("an entry lies there")
    }

    #[inline]
    fn entry(bytes: &[u8], at: usize) -> Option<Entry<'_>> {
        let head = bytes.get(at..at + Self::HEAD)?;
        let length = u32::from_le_bytes(head[..4].try_into().expect("four bytes")) as usize;
        let mark = u32::from_le_bytes(head[4..8].try_into().expect("four bytes"));
        let time = i64::from_le_bytes(head[8..].try_into().expect("eight bytes"));
        Some(Entry { time, mark, row: &bytes[at + Self::HEAD..at + Self::HEAD + length], at })
    }

    /// How many bytes its entries take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Sets the mark of the entry that lies at a place.
    pub(crate) fn set_mark(&mut self, place: Place, mark: u32) {
        self.bytes[place.0 + 4..place.0 + 8].copy_from_slice(&mark.to_le_bytes());
    }

    /// Keeps the entries for which `keeps` holds, in their order; each is asked for once.
    pub(crate) fn retain(&mut self, mut keeps: impl FnMut(Entry<'_>) -> bool) {
        let mut entries = self.iter();
        let Some(first) = entries.find(|entry| !keeps(*entry)) else { return };
        let mut kept = Self { bytes: self.bytes[..first.at].to_vec() };
        for entry in entries.filter(|entry| keeps(*entry)) {
            kept.append(entry.time, entry.mark, entry.row);
        }
        *self = kept;
    }
}

/// Where an entry lies in its arena, until the arena changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place(usize);

impl Entry<'_> {
    pub(crate) fn place(&self) -> Place {
        Place(self.at)
    }
}

impl Stored for Arena {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self::default()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        (self.bytes.len() as u32).encode(out);
        out.extend_from_slice(&self.bytes);
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let length = u32::decode(bytes)? as usize;
        let (held, rest) = bytes
            .split_at_checked(length)
            .ok_or_else(|| Corrupt::new(format!("rows of {length} bytes in {} bytes", bytes.len())))?;
        *bytes = rest;
        let mut at = 0;
        while at < length {
            let row = held.get(at..at + 4).map(|row| u32::from_le_bytes(row.try_into().expect("four bytes")) as usize);
            at = row
                .and_then(|row| at.checked_add(Self::HEAD + row))
                .filter(|end| *end <= length)
                .ok_or_else(|| Corrupt::new(format!("a row at byte {at} of {length} that ends after them")))?;
        }
        Ok(Self { bytes: held.to_vec() })
    }

    fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: usize = Arena::HEAD;

    fn shown(arena: &Arena) -> Vec<(i64, u32, Vec<u8>)> {
        arena.iter().map(|entry| (entry.time, entry.mark, entry.row.to_vec())).collect()
    }

    #[test]
    fn rows_come_back_change_and_go_and_garbage_is_refused() {
        let mut arena = Arena::default();
        arena.push(5, 1, b"abc").unwrap();
        arena.push(-7, 2, b"").unwrap();
        arena.push(9, 3, b"z").unwrap();
        let place = arena.iter().nth(1).unwrap().place();
        arena.set_mark(place, 8);
        assert_eq!(shown(&arena), [(5, 1, b"abc".to_vec()), (-7, 8, vec![]), (9, 3, b"z".to_vec())]);
        let mut bytes = Vec::new();
        arena.encode(&mut bytes);
        assert_eq!(Arena::decode(&mut &bytes[..]), Ok(arena.clone()));
        assert!((0..bytes.len()).all(|short| Arena::decode(&mut &bytes[..short]).is_err()));
        bytes[4] = 200;
        assert!(Arena::decode(&mut &bytes[..]).is_err());
        arena.retain(|entry| entry.time > 0);
        assert_eq!(shown(&arena), [(5, 1, b"abc".to_vec()), (9, 3, b"z".to_vec())]);
        arena.retain(|_| false);
        assert!(arena.is_empty());
    }

    #[test]
    fn rows_that_four_bytes_cannot_count_are_refused() {
        assert_eq!(grown(0, 3).ok(), Some(19));
        assert_eq!(grown(MOST_BYTES - HEAD, 0).ok(), Some(MOST_BYTES));
        assert_eq!(grown(MOST_BYTES - HEAD - 7, 7).ok(), Some(MOST_BYTES));
        for (held, row) in [(MOST_BYTES - HEAD, 1), (MOST_BYTES, 0), (0, MOST_BYTES), (usize::MAX - 3, 9)] {
            let error = grown(held, row).unwrap_err().to_string();
            assert!(error.contains("more than 4 GiB") && error.contains(&held.to_string()), "{error}");
        }
    }
}
