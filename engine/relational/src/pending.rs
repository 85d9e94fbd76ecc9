//! Rows that wait for the watermark, by key, and come back in the order of their times.
//!
//! Rows lie in panes by spans of event time, so that a watermark looks at the rows that it sets free and few others.
//!
//! Invariants:
//! 1. Rows come back by time, then by the hash of their key, then in the order in which they came.

use yeoul_frame::{KeyHash, TableId};
use yeoul_operator::OperatorError;
use yeoul_state::{Key, Panes, StateTable};

use crate::aggregate::Groups;
use crate::arena::{Arena, Entry, Place};
use crate::row::EncodedRows;

/// How much event time a pane holds, in milliseconds: about what passes between two watermarks.
const SPAN: i64 = 256;

/// The rows that wait.
pub(crate) struct Pending<K> {
    panes: Panes<K, Arena>,
    split: Vec<(i64, u32)>,
}

/// Rows that have waited long enough.
pub(crate) struct Ripe<K> {
    arenas: Vec<(K, KeyHash, Arena)>,
    /// By row: its time, its key's hash, its arena, and its place there.
    rows: Vec<(i64, KeyHash, u32, Place)>,
}

impl<K: Key> Pending<K> {
    pub(crate) fn new(id: TableId, name: &str) -> Self {
        Self { panes: Panes::new(id, name), split: Vec::new() }
    }

    /// Adds the rows of a frame, but for those that `skips`, each with a mark of the operator's own.
    ///
    /// # Errors
    /// One key's rows take more than 4 GiB.
    pub(crate) fn add(
        &mut self,
        groups: &Groups<K>,
        times: &[i64],
        rows: &EncodedRows,
        skips: impl Fn(usize) -> bool,
        mark: impl Fn(usize) -> u32,
    ) -> Result<(), OperatorError> {
        let Self { panes, split } = self;
        split.clear();
        split.extend((0..times.len()).filter(|&row| !skips(row)).map(|row| (times[row].div_euclid(SPAN), row as u32)));
        // By pane, then by key; a key's rows stay in their order.
        split.sort_by_key(|&(pane, row)| (pane, groups.ids[row as usize]));
        for pane in split.chunk_by(|a, b| a.0 == b.0) {
            let table = panes.pane(pane[0].0);
            for rows_of_key in pane.chunk_by(|a, b| groups.ids[a.1 as usize] == groups.ids[b.1 as usize]) {
                let group = groups.ids[rows_of_key[0].1 as usize] as usize;
                let arena = table.upsert(&groups.keys[group], groups.hashes[group], Arena::default);
                for &(_, row) in rows_of_key {
                    arena.push(times[row as usize], mark(row as usize), rows.row(row as usize))?;
                }
            }
        }
        Ok(())
    }

    /// The earliest rows whose time is at most `upto`, those of one pane; none if there are none.
    pub(crate) fn take(&mut self, upto: i64) -> Option<Ripe<K>> {
        loop {
            let pane = self.panes.namespaces().next().filter(|pane| pane.saturating_mul(SPAN) <= upto)?;
            let table = self.panes.get_mut(pane)?;
            let mut ripe = Ripe { arenas: Vec::new(), rows: Vec::new() };
            if pane.saturating_mul(SPAN).saturating_add(SPAN - 1) <= upto {
                for (key, arena) in table.iter() {
                    ripe.push(key, arena.clone());
                }
                self.panes.drop_namespace(pane);
            } else {
                let is_due = |entry: &Entry<'_>| entry.time <= upto;
                let due = table.iter().filter(|(_, arena)| arena.iter().any(|entry| is_due(&entry)));
                let due: Vec<K> = due.map(|(key, _)| key.clone()).collect();
                for key in due {
                    let Some(arena) = table.get_mut(&key, key.hash()) else { continue };
                    let mut taken = arena.clone();
                    taken.retain(|entry| is_due(&entry));
                    arena.retain(|entry| !is_due(&entry));
                    if arena.is_empty() {
                        table.remove(&key, key.hash());
                    }
                    ripe.push(&key, taken);
                }
                if table.is_empty() {
                    self.panes.drop_namespace(pane);
                }
                if ripe.rows.is_empty() {
                    return None;
                }
            }
            if !ripe.rows.is_empty() {
                ripe.rows.sort();
                return Some(ripe);
            }
        }
    }

    pub(crate) fn table(&mut self) -> &mut dyn StateTable {
        &mut self.panes
    }
}

impl<K: Key> Ripe<K> {
    /// These rows of a frame, that wait for nothing.
    ///
    /// # Errors
    /// One key's rows take more than 4 GiB.
    pub(crate) fn of(
        groups: &Groups<K>,
        mut picked: Vec<usize>,
        times: &[i64],
        rows: &EncodedRows,
        mark: impl Fn(usize) -> u32,
    ) -> Result<Self, OperatorError> {
        let mut ripe = Self { arenas: Vec::new(), rows: Vec::new() };
        // By key; a key's rows stay in their order.
        picked.sort_by_key(|&row| groups.ids[row]);
        for of_key in picked.chunk_by(|&a, &b| groups.ids[a] == groups.ids[b]) {
            let mut arena = Arena::default();
            for &row in of_key {
                arena.push(times[row], mark(row), rows.row(row))?;
            }
            ripe.push(&groups.keys[groups.ids[of_key[0]] as usize], arena);
        }
        ripe.rows.sort();
        Ok(ripe)
    }

    fn push(&mut self, key: &K, arena: Arena) {
        let (hash, number) = (key.hash(), self.arenas.len() as u32);
        self.rows.extend(arena.iter().map(|entry| (entry.time, hash, number, entry.place())));
        self.arenas.push((key.clone(), hash, arena));
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn time(&self, row: usize) -> i64 {
        self.rows[row].0
    }

    pub(crate) fn hash(&self, row: usize) -> KeyHash {
        self.rows[row].1
    }

    pub(crate) fn key(&self, row: usize) -> &K {
        &self.arenas[self.rows[row].2 as usize].0
    }

    pub(crate) fn mark(&self, row: usize) -> u32 {
        let (_, _, arena, place) = self.rows[row];
        self.arenas[arena as usize].2.at(place).mark
    }

    pub(crate) fn row(&self, row: usize) -> &[u8] {
        let (_, _, arena, place) = self.rows[row];
        self.arenas[arena as usize].2.at(place).row
    }
}
