//! Seeded input: skewed keys, times out of order within a bound and, if asked for, beyond it, sources of different speed.
//!
//! Invariants:
//! 1. A record that is not made late has a time of at least its source's greatest time so far minus the bound: it is above its
//!    source's watermark, so above any merged watermark, under every schedule.
//! 2. A record made late is below its source's watermark if that was emitted in time, which depends on the schedule.

use super::Event;
use crate::rng::{Chance, Rng};

/// What an input looks like.
#[derive(Debug, Clone)]
pub struct Shape {
    /// How many sources, at least 1.
    pub sources: usize,
    /// How many records in all, spread unevenly over the sources.
    pub records: usize,
    /// How many keys, at least 1.
    pub keys: u64,
    /// 0: all keys are as frequent; more: some are far more frequent.
    pub key_skew: u32,
    /// By how many milliseconds time goes on from record to record, on average.
    pub step: i64,
    /// By how many milliseconds a record may lag behind the greatest time so far.
    pub bound: i64,
    /// How many of a thousand records lag behind by more than the bound.
    pub late_per_mille: u64,
    /// By how many milliseconds beyond the bound such a record lags at most.
    pub late_by: i64,
    /// By what factor the sources differ, at most, in the speed of their times and in their number of records.
    pub source_skew: u64,
}

impl Shape {
    /// The records of each source, in the order in which they are read.
    pub fn generate(&self, rng: &mut Rng) -> Vec<Vec<Event>> {
        let weights: Vec<u64> = (0..self.sources).map(|_| 1 + rng.below(self.source_skew)).collect();
        let all: u64 = weights.iter().sum();
        let counts = weights.iter().map(|weight| (self.records as u64 * weight / all) as usize);
        let scramble = rng.bits() | 1;
        let mut next_id = 0;
        let mut sources = Vec::with_capacity(self.sources);
        for count in counts {
            let step = self.step * (1 + rng.below(self.source_skew)).cast_signed();
            sources.push(self.source(rng, next_id, count, step, scramble));
            next_id += count as u64;
        }
        sources
    }

    fn source(&self, rng: &mut Rng, first_id: u64, count: usize, step: i64, scramble: u64) -> Vec<Event> {
        // Sometimes below zero, where division rounds the wrong way if one is not careful.
        let mut base = rng.between(-20, 20) * self.step;
        let mut greatest = i64::MIN;
        let mut events = Vec::with_capacity(count);
        for id in (first_id..).take(count) {
            // Now and then a jump, so that several windows close at once; now and then none, so that times are equal.
            base += match rng.below(40) {
                0 => rng.between(0, 50 * step),
                1..=8 => 0,
                _ => rng.between(0, 2 * step),
            };
            let late = greatest > i64::MIN && rng.in_cases(self.late_per_mille, 1000);
            let time = if late {
                greatest - self.bound - 1 - rng.between(0, self.late_by)
            } else {
                base - rng.between(0, self.bound)
            };
            greatest = greatest.max(time);
            // Multiplied, so that frequent keys fall into any key group.
            let key = rng.skewed(self.keys, self.key_skew).wrapping_mul(scramble) >> 16;
            events.push(Event { id, key, time, value: rng.between(-1000, 1000) });
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(late_per_mille: u64) -> Shape {
        Shape {
            sources: 3,
            records: 3000,
            keys: 40,
            key_skew: 2,
            step: 20,
            bound: 300,
            late_per_mille,
            late_by: 900,
            source_skew: 4,
        }
    }

    /// For each record of each source, by how much it lags behind the greatest time before it.
    fn lags(sources: &[Vec<Event>]) -> Vec<i64> {
        let mut lags = Vec::new();
        for source in sources {
            let mut greatest = i64::MIN;
            for event in source {
                lags.push(greatest.saturating_sub(event.time));
                greatest = greatest.max(event.time);
            }
        }
        lags
    }

    #[test]
    fn times_are_out_of_order_within_the_bound_and_beyond_it_only_if_asked_for() {
        for seed in 0..20 {
            let within = lags(&shape(0).generate(&mut Rng::new(seed)));
            assert!(within.iter().all(|lag| *lag <= 300) && within.iter().any(|lag| *lag > 0));
            let beyond = lags(&shape(50).generate(&mut Rng::new(seed)));
            let late = beyond.iter().filter(|lag| **lag > 300).count();
            assert!((50..300).contains(&late), "{late} late records");
        }
    }

    #[test]
    fn ids_are_unique_and_increase_along_a_source() {
        let sources = shape(50).generate(&mut Rng::new(1));
        let ids: Vec<u64> = sources.iter().flatten().map(|event| event.id).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
        assert!((2990..=3000).contains(&ids.len()));
    }

    #[test]
    fn keys_are_skewed() {
        let mut counts = std::collections::BTreeMap::new();
        for event in shape(0).generate(&mut Rng::new(2)).iter().flatten() {
            *counts.entry(event.key).or_insert(0) += 1;
        }
        let most = counts.values().max().unwrap();
        assert!(counts.len() <= 40 && *most > 3000 / counts.len() * 2, "{counts:?}");
    }
}
