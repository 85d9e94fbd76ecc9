//! What an operator instance counts. Written by its shard only, read by anyone.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use yeoul_frame::Timestamp;

use crate::Metrics;

/// A count with one writer.
///
/// ```
/// let seen = yeoul_operator::Count::default();
/// seen.add(3);
/// seen.add(4);
/// assert_eq!(seen.get(), 7);
/// seen.set(0);
/// assert_eq!(seen.get(), 0);
/// ```
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds. Only the owning shard may call this.
    #[inline]
    pub fn add(&self, n: u64) {
        // One writer: a load and a store are enough, and cheaper than a locked add.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Replaces. Only the owning shard may call this.
    #[inline]
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The present value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters that every operator instance has, by Flink's names where Flink has one.
///
/// For an operator that neither buffers nor multiplies, `in = out + late + errors`.
///
/// ```
/// use yeoul_frame::Timestamp;
/// use yeoul_operator::Counters;
///
/// let counters = Counters::default();
/// assert_eq!(counters.watermark(), Timestamp::MIN);
/// counters.records_in.add(3);
/// counters.records_out.add(2);
/// counters.late.add(1);
/// counters.set_watermark(Timestamp(1_000));
/// assert_eq!(counters.records_in.get(), counters.records_out.get() + counters.late.get() + counters.errors.get());
/// ```
#[derive(Debug)]
pub struct Counters {
    /// `numRecordsIn`.
    pub records_in: Count,
    /// `numRecordsOut`, over all outputs.
    pub records_out: Count,
    /// `numLateRecords`: behind the watermark, whether dropped by the user's choice or sent to a side output.
    pub late: Count,
    /// Malformed records, sent to the error output.
    pub errors: Count,
    /// What may have changed it without a record: times of the clock that came, splits that ended.
    pub turns: Count,
    /// Bytes that its state keeps in memory.
    pub state_bytes: Count,
    /// Keys, entries and timers in its state tables.
    pub state_entries: Count,
    /// The user's own.
    pub metrics: Metrics,
    watermark: AtomicI64,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            records_in: Count::default(),
            records_out: Count::default(),
            late: Count::default(),
            errors: Count::default(),
            turns: Count::default(),
            state_bytes: Count::default(),
            state_entries: Count::default(),
            metrics: Metrics::default(),
            watermark: AtomicI64::new(i64::MIN),
        }
    }
}

impl Counters {
    /// `currentInputWatermark`.
    #[must_use]
    pub fn watermark(&self) -> Timestamp {
        Timestamp(self.watermark.load(Ordering::Relaxed))
    }

    /// Publishes the watermark. Only the owning shard may call this.
    pub fn set_watermark(&self, watermark: Timestamp) {
        self.watermark.store(watermark.0, Ordering::Relaxed);
    }
}
