//! What is kept of one partition: rows that wait for the watermark, rows of matches under way, and those matches.
//!
//! Invariants:
//! 1. Rows stand in the order of their times, those of one time as they came; the first `seen` of them have been through the automaton.
//! 2. No row is kept that no run or complete match holds and that has been seen.
//! 3. A run's rows are kept, and end with the last that has been seen; a complete match's are kept and have been seen.

use std::collections::VecDeque;

use yeoul_state::Stored;
use yeoul_state::log::Corrupt;

use super::automaton::{Match, Place, Run, Runs};

/// A row and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) time: i64,
    pub(super) bytes: Box<[u8]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Partition {
    /// The place of the first row that is kept.
    first: Place,
    rows: VecDeque<Held>,
    seen: usize,
    /// The time of the last row seen.
    last: i64,
    pub(super) runs: Runs,
}

impl Partition {
    pub(super) fn new() -> Self {
        Self { first: 0, rows: VecDeque::new(), seen: 0, last: i64::MIN, runs: Runs::default() }
    }

    /// Whether a row of this time comes after later ones have been seen.
    pub(super) fn is_past(&self, time: i64) -> bool {
        time < self.last
    }

    /// The time of the last row seen.
    pub(super) fn last(&self) -> i64 {
        self.last
    }

    /// Adds a row that is not past. Returns whether it is the next to be seen.
    pub(super) fn add(&mut self, time: i64, bytes: &[u8]) -> bool {
        debug_assert!(!self.is_past(time), "rows stand in the order of their times");
        let behind = self.rows.iter().rev().take(self.rows.len() - self.seen).take_while(|row| row.time > time).count();
        let at = self.rows.len() - behind;
        self.rows.insert(at, Held { time, bytes: bytes.into() });
        at == self.seen
    }

    /// The rows not seen yet whose time is at most `until`.
    pub(super) fn due(&self, until: i64) -> impl Iterator<Item = &Held> {
        self.rows.range(self.seen..).take_while(move |row| row.time <= until)
    }

    /// The place of the next row to be seen.
    pub(super) fn next(&self) -> Place {
        self.first + self.seen as u64
    }

    /// When the next row is to be seen.
    pub(super) fn next_time(&self) -> Option<i64> {
        self.rows.get(self.seen).map(|row| row.time)
    }

    /// The row at a place, and the runs, which change while rows are looked at.
    pub(super) fn parts(&mut self) -> (Rows<'_>, &mut Runs) {
        (Rows { first: self.first, rows: &self.rows }, &mut self.runs)
    }

    /// The next row has been through the automaton.
    pub(super) fn saw(&mut self) {
        self.last = self.rows[self.seen].time;
        self.seen += 1;
    }

    /// Lets go of rows that nothing holds.
    pub(super) fn prune(&mut self) {
        let open = self.runs.open.iter().map(|run| run.start);
        let complete = self.runs.complete.iter().map(|complete| complete.start);
        let needed = open.chain(complete).min().unwrap_or(self.next());
        let gone = (needed - self.first) as usize;
        self.rows.drain(..gone);
        self.seen -= gone;
        self.first = needed;
    }

    /// Refuses matches whose rows are not among those that are kept, or runs that say of their last variable what cannot be.
    fn check(&self) -> Result<(), Corrupt> {
        let Some(next) = self.first.checked_add(self.rows.len() as u64).map(|_| self.next()) else {
            return Err(Corrupt::new(format!("{} rows from place {} on", self.rows.len(), self.first)));
        };
        // Where the rows of a match end that are all kept and seen.
        let end = |start: Place, rows: usize| {
            Some(start)
                .filter(|start| *start >= self.first && rows > 0)?
                .checked_add(rows as u64)
                .filter(|end| *end <= next)
        };
        for Run { start, variables, count, .. } in &self.runs.open {
            let rows = variables.len();
            if end(*start, rows) != Some(next) || *count == 0 || *count as usize > rows {
                return Err(Corrupt::new(format!(
                    "a run of {rows} rows from place {start} on, the last {count} of one element, in a partition whose rows from {} to {next} \
                     have been seen",
                    self.first
                )));
            }
        }
        for Match { start, variables } in &self.runs.complete {
            if end(*start, variables.len()).is_none() {
                return Err(Corrupt::new(format!(
                    "a match of {} rows from place {start} on, in a partition whose rows from {} to {next} have been seen",
                    variables.len(),
                    self.first
                )));
            }
        }
        Ok(())
    }

    /// Nothing is kept but how far it is.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.runs == Runs::default()
    }
}

/// Rows by their places.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    first: Place,
    rows: &'a VecDeque<Held>,
}

impl<'a> Rows<'a> {
    /// `count` rows from a place on.
    pub(super) fn from(self, start: Place, count: usize) -> impl ExactSizeIterator<Item = &'a Held> {
        let at = (start - self.first) as usize;
        self.rows.range(at..at + count)
    }
}

impl Stored for Partition {
    const WIDTH: Option<usize> = None;

    fn vacant() -> Self {
        Self::new()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.first.encode(out);
        self.last.encode(out);
        (self.seen as u32).encode(out);
        (self.rows.len() as u32).encode(out);
        for row in &self.rows {
            row.time.encode(out);
            (row.bytes.len() as u32).encode(out);
            out.extend_from_slice(&row.bytes);
        }
        (self.runs.open.len() as u32).encode(out);
        for run in &self.runs.open {
            run.start.encode(out);
            run.start_time.encode(out);
            run.element.encode(out);
            run.count.encode(out);
            run.variables.encode(out);
        }
        (self.runs.complete.len() as u32).encode(out);
        for complete in &self.runs.complete {
            complete.start.encode(out);
            complete.variables.encode(out);
        }
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let (first, last) = (u64::decode(bytes)?, i64::decode(bytes)?);
        let (seen, rows) = (u32::decode(bytes)? as usize, u32::decode(bytes)?);
        let mut partition = Self { first, rows: VecDeque::new(), seen, last, runs: Runs::default() };
        for _ in 0..rows {
            let (time, length) = (i64::decode(bytes)?, u32::decode(bytes)? as usize);
            let (row, rest) = bytes.split_at_checked(length).ok_or_else(|| {
                Corrupt::new(format!("a row of {length} bytes stands in the last {} of a partition", bytes.len()))
            })?;
            partition.rows.push_back(Held { time, bytes: row.into() });
            *bytes = rest;
        }
        for _ in 0..u32::decode(bytes)? {
            let (start, start_time) = (u64::decode(bytes)?, i64::decode(bytes)?);
            let (element, count) = (u16::decode(bytes)?, u32::decode(bytes)?);
            let variables = Vec::decode(bytes)?;
            partition.runs.open.push(Run { start, start_time, variables, element, count });
        }
        for _ in 0..u32::decode(bytes)? {
            let (start, variables) = (u64::decode(bytes)?, Vec::decode(bytes)?);
            partition.runs.complete.push(Match { start, variables });
        }
        if seen > partition.rows.len() {
            return Err(Corrupt::new(format!("{seen} of the {rows} rows of a partition have been seen")));
        }
        partition.check()?;
        Ok(partition)
    }

    fn heap_bytes(&self) -> usize {
        let rows: usize = self.rows.iter().map(|row| row.bytes.len()).sum();
        let runs: usize = self.runs.open.iter().map(|run| 2 * run.variables.capacity()).sum();
        let complete: usize = self.runs.complete.iter().map(|complete| 2 * complete.variables.capacity()).sum();
        rows + self.rows.capacity() * size_of::<Held>()
            + runs
            + self.runs.open.capacity() * size_of::<Run>()
            + complete
            + self.runs.complete.capacity() * size_of::<Match>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(start: Place, rows: usize, count: u32) -> Run {
        Run { start, start_time: 0, variables: vec![0; rows], element: 0, count }
    }

    /// A partition of rows from place 5 on, of which some have been seen; what is wrong with it, if anything is.
    fn check(first: Place, rows: i64, seen: usize, open: Vec<Run>, complete: &[(Place, usize)], expected: &str) {
        let row = |time| Held { time, bytes: (*b"row").into() };
        let complete = complete.iter().map(|&(start, rows)| Match { start, variables: vec![0; rows] }).collect();
        let partition =
            Partition { first, rows: (0..rows).map(row).collect(), seen, last: 0, runs: Runs { open, complete } };
        let mut bytes = Vec::new();
        partition.encode(&mut bytes);
        match Partition::decode(&mut &bytes[..]) {
            Ok(again) => assert_eq!((again, ""), (partition, expected)),
            Err(error) => assert!(!expected.is_empty() && error.to_string().contains(expected), "{error}"),
        }
        assert!((0..bytes.len()).all(|short| Partition::decode(&mut &bytes[..short]).is_err()));
    }

    #[test]
    fn matches_whose_rows_are_not_kept_are_refused() {
        check(5, 4, 3, vec![run(5, 3, 1), run(7, 1, 1)], &[(6, 2), (5, 1)], "");
        check(5, 4, 5, vec![], &[], "5 of the 4 rows");
        for (start, rows, count) in [(4, 4, 1), (6, 3, 1), (6, 1, 1), (8, 0, 0), (7, 1, 2), (7, 1, 0), (u64::MAX, 3, 1)]
        {
            check(5, 4, 3, vec![run(start, rows, count)], &[], &format!("a run of {rows} rows from place {start} on"));
        }
        for (start, rows) in [(4, 2), (6, 3), (8, 1), (6, 0), (u64::MAX, 1)] {
            check(5, 4, 3, vec![], &[(start, rows)], &format!("a match of {rows} rows from place {start} on"));
        }
        check(u64::MAX - 1, 4, 3, vec![], &[], "4 rows from place");
    }
}
