//! Latencies in buckets: below one per cent of error, constant memory.

/// Counts of durations, in nanoseconds.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    most: u64,
}

/// Each power of two is divided into this many buckets.
const STEPS: u64 = 128;

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; 64 * STEPS as usize], total: 0, most: 0 }
    }
}

impl Histogram {
    /// Notes `count` durations of this many nanoseconds.
    pub fn add(&mut self, nanos: u64, count: u64) {
        self.counts[bucket(nanos)] += count;
        self.total += count;
        self.most = self.most.max(nanos);
    }

    /// Adds what another histogram holds.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.most = self.most.max(other.most);
    }

    /// How many were noted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The duration that this share (0 to 1) of all does not exceed, in nanoseconds.
    #[must_use]
    pub fn quantile(&self, share: f64) -> u64 {
        let rank = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank.max(1) {
                return upper(at).min(self.most);
            }
        }
        self.most
    }

    /// Median, p99, p99.9, p99.99 and the most, in microseconds.
    #[must_use]
    pub fn summary(&self) -> String {
        let us = |nanos: u64| nanos as f64 / 1000.0;
        format!(
            "p50 {:.1} µs, p99 {:.1}, p99.9 {:.1}, p99.99 {:.1}, max {:.1} of {} records",
            us(self.quantile(0.5)),
            us(self.quantile(0.99)),
            us(self.quantile(0.999)),
            us(self.quantile(0.9999)),
            us(self.most),
            self.total
        )
    }
}

fn bucket(nanos: u64) -> usize {
    if nanos < STEPS {
        return nanos as usize;
    }
    let power = u64::from(63 - nanos.leading_zeros()) - u64::from(STEPS.trailing_zeros());
    ((power + 1) * STEPS + ((nanos >> power) - STEPS)) as usize
}

fn upper(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket;
    }
    let power = bucket / STEPS - 1;
    ((STEPS + bucket % STEPS + 1) << power) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_one_per_cent() {
        let mut histogram = Histogram::default();
        for nanos in 1..=1_000_000 {
            histogram.add(nanos, 1);
        }
        for share in [0.001, 0.5, 0.99, 0.999] {
            let exact = share * 1e6;
            let seen = histogram.quantile(share) as f64;
            assert!((seen - exact).abs() <= exact * 0.01, "{share}: {seen}");
        }
        assert_eq!(histogram.quantile(1.0), 1_000_000);
    }
}
