//! Freeze and drain: the table's half of a snapshot.

use std::cell::Cell;

use yeoul_sys::planted::{Bug, is_planted};

use super::Table;
use super::bucket::LANES;
use super::buckets::Place;
use crate::key::Key;
use crate::log::{LogAddress, LogBuffer};
use crate::state_table::Drained;
use crate::stored::Value;

/// Buckets whose lines are asked for together.
const AHEAD: usize = 16;

/// A record with more bytes takes as long as several.
const RECORD_BYTES: usize = 512;

impl<K: Key, V: Value> Table<K, V> {
    /// Fixes what the snapshot holds: everything written up to now. Constant time.
    ///
    /// Panics if the epoch before is not drained.
    pub fn freeze(&mut self) {
        assert!(self.pending.is_empty(), "the records of the epoch before are not all in the log");
        self.writes.freeze();
    }

    /// Encodes about `max_records` frozen records into the log; a large one counts for several.
    pub fn drain(&mut self, max_records: usize, log: &mut LogBuffer) -> Drained {
        self.drain_within(&mut max_records.max(1), log)
    }

    /// The same, and takes what was done off the budget.
    pub(crate) fn drain_within(&mut self, budget: &mut usize, log: &mut LogBuffer) -> Drained {
        let mut scratch = Vec::new();
        while *budget > 0 && self.log_pending(&mut scratch, log) {
            *budget -= 1;
        }
        while *budget > 0 && self.writes.left() > 0 {
            let mut next = [0; AHEAD];
            let next = self.writes.next_frozen(&mut next);
            for &bucket in next {
                yeoul_sys::prefetch_write(&self.buckets.as_slice()[bucket]);
            }
            for &bucket in next {
                *budget = budget.saturating_sub(1 + self.drain_bucket(bucket, log));
            }
        }
        if self.is_drained() { Drained::Done } else { Drained::More }
    }

    /// Whether everything frozen is in the log.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.pending.is_empty() && self.writes.left() == 0
    }

    /// Whether the log may hold records of this table.
    pub(crate) fn is_logged(&self) -> bool {
        self.newest.0 != 0
    }

    /// Entries written since the barrier.
    #[must_use]
    pub fn dirty(&self) -> usize {
        self.writes.dirty()
    }

    fn drain_bucket(&mut self, bucket: usize, log: &mut LogBuffer) -> usize {
        let frozen = self.writes.frozen_parity();
        let mut drained = 0;
        for lane in 0..LANES {
            let meta = &mut self.buckets.at(bucket).meta[lane];
            if meta.written_in(frozen) {
                self.writes.drained(meta);
                if is_planted(Bug::DirtyBitLost) && bucket.is_multiple_of(5) {
                    continue;
                }
                drained += 1 + self.log_entry(Place { bucket, lane }, log) / RECORD_BYTES;
            }
        }
        drained
    }

    /// Logs an entry as it is now. Returns how many bytes that were.
    fn log_entry(&mut self, at: Place, log: &mut LogBuffer) -> usize {
        let meta = self.buckets.at(at.bucket).meta[at.lane];
        if let Some(segment) = meta.counted_in(self.newest) {
            self.retire(LogAddress::new(segment, 0), log);
        }
        let here = self.buckets.at(at.bucket);
        let key = &here.keys[at.lane];
        if meta.is_deleted() {
            log.delete(self.id, self.namespace, self.layout, |out| key.encode(out));
            self.buckets.vacate(at);
            return 0;
        }
        let value = &here.values[at.lane];
        // What was evicted and relocated is copied as it stands.
        let evicted = meta.is_evicted().then(|| self.cold.bytes(key.hash()));
        let bytes = Cell::new(8);
        let address = log.put(
            self.id,
            self.namespace,
            self.layout,
            |out| {
                let start = out.len();
                key.encode(out);
                bytes.set(bytes.get() + out.len() - start);
            },
            |out| {
                let start = out.len();
                match evicted {
                    Some(bytes) => out.extend_from_slice(bytes),
                    None => value.encode(out),
                }
                bytes.set(bytes.get() + out.len() - start);
            },
        );
        if !address.is_none() {
            self.buckets.at(at.bucket).meta[at.lane].set_logged(address);
            self.count(address, bytes.get());
        }
        bytes.get()
    }

    /// A write is about to change an entry that is frozen and not drained: encodes it first.
    #[cold]
    pub(super) fn write_over_frozen(&mut self, at: Place) {
        let here = self.buckets.at(at.bucket);
        let meta = &mut here.meta[at.lane];
        let supersedes = meta.counted_in(self.newest);
        let (mut key, mut value) = (Vec::new(), Vec::new());
        here.keys[at.lane].encode(&mut key);
        if meta.is_deleted() {
            self.pending.push(&key, None, supersedes);
            meta.set_unlogged();
        } else {
            here.values[at.lane].encode(&mut value);
            self.pending.push(&key, Some(&value), supersedes);
            // The record is written over in the next epoch for certain, so it counts as dead at once.
            meta.set_logged_uncounted();
        }
        self.writes.drained(meta);
        self.writes.written(at.bucket, meta);
    }

    /// Logs the oldest pending record, if any.
    fn log_pending(&mut self, scratch: &mut Vec<u8>, log: &mut LogBuffer) -> bool {
        scratch.clear();
        let Some(shape) = self.pending.pop(scratch) else { return false };
        if let Some(segment) = shape.supersedes {
            self.retire(LogAddress::new(segment, 0), log);
        }
        let (key, value) = scratch.split_at(shape.key as usize);
        if shape.value.is_none() {
            log.delete(self.id, self.namespace, self.layout, |out| out.extend_from_slice(key));
            return true;
        }
        let (put_key, put_value) =
            (|out: &mut Vec<u8>| out.extend_from_slice(key), |out: &mut Vec<u8>| out.extend_from_slice(value));
        let address = log.put(self.id, self.namespace, self.layout, put_key, put_value);
        if !address.is_none() {
            self.count(address, 8 + scratch.len());
            self.retire(address, log);
        }
        true
    }

    /// A record now stands in the log.
    pub(super) fn count(&mut self, address: LogAddress, bytes: usize) {
        self.newest = self.newest.max(address.segment());
        self.logged.0 += 1;
        self.logged.1 += bytes as u64;
    }

    /// A record in this segment is superseded.
    fn retire(&mut self, at: LogAddress, log: &mut LogBuffer) {
        let bytes = self.retired_bytes();
        log.retire(at, bytes);
    }

    /// The bytes of a record that is no longer live: exact for fixed widths, the mean for others.
    pub(super) fn retired_bytes(&mut self) -> usize {
        let mean = (self.logged.1 / self.logged.0.max(1)) as usize;
        self.logged = (self.logged.0.saturating_sub(1), self.logged.1.saturating_sub(mean as u64));
        match self.layout {
            crate::log::Layout::Variable => mean,
            fixed => fixed.record_bytes(0, 0),
        }
    }
}
