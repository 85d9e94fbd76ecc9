//! The rows of a partition of an order that is no time, as one record.
//!
//! Invariants:
//! 1. Rows are sorted by their sort keys; among equals, by arrival.

use std::sync::Arc;

use yeoul_state::log::Corrupt;
use yeoul_state::{KeyBytes, Stored};

/// A row, and what it is ordered by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RankedRow {
    pub(super) sort: KeyBytes,
    pub(super) row: Arc<[u8]>,
}

/// A partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ranked {
    pub(super) since: i64,
    pub(super) rows: Vec<RankedRow>,
}

impl Ranked {
    /// Where a new row with this sort key goes: after its equals.
    pub(super) fn place(&self, sort: &[u8]) -> usize {
        self.rows.partition_point(|row| row.sort.as_bytes() <= sort)
    }

    /// Takes one row out that is the same.
    pub(super) fn remove(&mut self, sort: &[u8], row: &[u8]) -> bool {
        let start = self.rows.partition_point(|held| held.sort.as_bytes() < sort);
        let equals = self.rows[start..].iter().take_while(|held| held.sort.as_bytes() == sort);
        let found = equals.enumerate().find(|(_, held)| *held.row == *row).map(|(at, _)| start + at);
        found.map(|at| self.rows.remove(at)).is_some()
    }
}

impl Stored for Ranked {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self::default()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.since.encode(out);
        (self.rows.len() as u32).encode(out);
        for row in &self.rows {
            row.sort.encode(out);
            (row.row.len() as u32).encode(out);
            out.extend_from_slice(&row.row);
        }
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let (since, count) = (i64::decode(bytes)?, u32::decode(bytes)?);
        let mut rows = Vec::new();
        for _ in 0..count {
            let sort = KeyBytes::decode(bytes)?;
            let length = u32::decode(bytes)? as usize;
            let (row, rest) = bytes
                .split_at_checked(length)
                .ok_or_else(|| Corrupt::new(format!("a row of {length} bytes in {} bytes", bytes.len())))?;
            *bytes = rest;
            rows.push(RankedRow { sort, row: row.into() });
        }
        Ok(Self { since, rows })
    }

    fn heap_bytes(&self) -> usize {
        let of = |row: &RankedRow| row.sort.heap_bytes() + row.row.len() + 16;
        self.rows.capacity() * size_of::<RankedRow>() + self.rows.iter().map(of).sum::<usize>()
    }
}
