//! The first rows of a window's partition: as many as come out, as one record.
//!
//! Invariants:
//! 1. Rows are sorted by their sort keys; among equals, by arrival.

use std::sync::Arc;

use yeoul_state::log::Corrupt;
use yeoul_state::{KeyBytes, Stored};

/// A row, and what it is ordered by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FirstRow {
    pub(super) sort: KeyBytes,
    pub(super) row: Arc<[u8]>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FirstRows(pub(super) Vec<FirstRow>);

impl FirstRows {
    /// Adds a row after its equals, if that is one of the first `most` places.
    pub(super) fn add(&mut self, sort: &[u8], row: &[u8], most: usize) {
        let place = self.0.partition_point(|held| held.sort.as_bytes() <= sort);
        if place < most {
            self.0.insert(place, FirstRow { sort: KeyBytes::new(sort), row: row.into() });
            self.0.truncate(most);
        }
    }
}

impl Stored for FirstRows {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self::default()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        (self.0.len() as u32).encode(out);
        for held in &self.0 {
            held.sort.encode(out);
            (held.row.len() as u32).encode(out);
            out.extend_from_slice(&held.row);
        }
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let mut rows = Vec::new();
        for _ in 0..u32::decode(bytes)? {
            let sort = KeyBytes::decode(bytes)?;
            let length = u32::decode(bytes)? as usize;
            let (row, rest) = bytes
                .split_at_checked(length)
                .ok_or_else(|| Corrupt::new(format!("a row of {length} bytes in {} bytes", bytes.len())))?;
            *bytes = rest;
            rows.push(FirstRow { sort, row: row.into() });
        }
        Ok(Self(rows))
    }

    fn heap_bytes(&self) -> usize {
        let of = |held: &FirstRow| held.sort.heap_bytes() + held.row.len() + 16;
        self.0.capacity() * size_of::<FirstRow>() + self.0.iter().map(of).sum::<usize>()
    }
}
