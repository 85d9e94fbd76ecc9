//! Metrics of the user's own, by name: each instance of an operator has its own, written by its shard and read by anyone.
//!
//! Flink's meters are counters here: who reads one twice knows the rate between.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Count;

/// A count that only rises (Flink's `Counter`).
///
/// ```
/// let seen = yeoul_operator::Counter::default();
/// seen.inc();
/// seen.add(2);
/// assert_eq!(seen.get(), 3);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<Count>);

impl Counter {
    /// Adds one.
    ///
    /// ```
    /// let seen = yeoul_operator::Counter::default();
    /// seen.inc();
    /// assert_eq!(seen.get(), 1);
    /// ```
    #[inline]
    pub fn inc(&self) {
        self.0.add(1);
    }

    /// Adds.
    ///
    /// ```
    /// let bytes = yeoul_operator::Counter::default();
    /// bytes.add(4_096);
    /// assert_eq!(bytes.get(), 4_096);
    /// ```
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.add(n);
    }

    /// The present value.
    ///
    /// ```
    /// let seen = yeoul_operator::Counter::default();
    /// // A clone counts the same.
    /// seen.clone().inc();
    /// assert_eq!(seen.get(), 1);
    /// ```
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// A value that rises and falls (Flink's `Gauge`).
///
/// ```
/// let depth = yeoul_operator::Gauge::default();
/// depth.set(7);
/// depth.set(-4);
/// assert_eq!(depth.get(), -4);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<AtomicI64>);

impl Gauge {
    /// Replaces the value.
    ///
    /// ```
    /// let depth = yeoul_operator::Gauge::default();
    /// depth.set(7);
    /// assert_eq!(depth.get(), 7);
    /// ```
    #[inline]
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The present value.
    ///
    /// ```
    /// assert_eq!(yeoul_operator::Gauge::default().get(), 0);
    /// ```
    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Buckets for each power of two.
const STEPS: u64 = 4;
/// Buckets in all: the values below `STEPS` one by one, then `STEPS` for each power of two.
const BUCKETS: usize = (STEPS + (u64::BITS as u64 - 2) * STEPS) as usize;

/// How values are distributed (Flink's `Histogram`): over buckets that are at most a quarter of their values wide.
///
/// ```
/// let histogram = yeoul_operator::Histogram::default();
/// (1..=1000u64).for_each(|value| histogram.update(value));
/// assert_eq!(histogram.count(), 1000);
/// assert!((500..=640).contains(&histogram.quantile(0.5)));
/// ```
#[derive(Clone)]
pub struct Histogram(Arc<[Count; BUCKETS]>);

impl Default for Histogram {
    fn default() -> Self {
        Self(Arc::new(std::array::from_fn(|_| Count::default())))
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Histogram({} values)", self.count())
    }
}

impl Histogram {
    /// Adds a value.
    ///
    /// ```
    /// let sizes = yeoul_operator::Histogram::default();
    /// sizes.update(1_000);
    /// assert_eq!(sizes.count(), 1);
    /// ```
    #[inline]
    pub fn update(&self, value: u64) {
        self.0[bucket(value)].add(1);
    }

    /// How many values there are.
    ///
    /// ```
    /// let sizes = yeoul_operator::Histogram::default();
    /// [1, 1_000, 1_000].iter().for_each(|size| sizes.update(*size));
    /// assert_eq!(sizes.count(), 3);
    /// ```
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().map(Count::get).sum()
    }

    /// A value that at least this part (0 to 1) of all values does not exceed, at most a quarter too high; 0 if there is none.
    ///
    /// ```
    /// let sizes = yeoul_operator::Histogram::default();
    /// (1..=100).for_each(|size| sizes.update(size));
    /// assert!((99..=124).contains(&sizes.quantile(0.99)));
    /// assert_eq!(yeoul_operator::Histogram::default().quantile(0.5), 0);
    /// ```
    #[must_use]
    pub fn quantile(&self, part: f64) -> u64 {
        let wanted = ((self.count() as f64 * part).ceil() as u64).max(1);
        let mut seen = 0;
        for (at, count) in self.0.iter().enumerate() {
            seen += count.get();
            if seen >= wanted {
                return last_of(at);
            }
        }
        0
    }
}

/// The bucket of a value.
fn bucket(value: u64) -> usize {
    if value < STEPS {
        return value as usize;
    }
    let power = u64::from(value.ilog2());
    // The two bits after the first.
    let step = (value >> (power - 2)) & (STEPS - 1);
    (STEPS + (power - 2) * STEPS + step) as usize
}

/// The greatest value of a bucket.
fn last_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket;
    }
    let (power, step) = ((bucket - STEPS) / STEPS, (bucket - STEPS) % STEPS);
    // One below the first value of the next bucket; that of the last one is beyond what a u64 holds.
    (u128::from(STEPS + step + 1) << power).wrapping_sub(1).min(u128::from(u64::MAX)) as u64
}

/// One of the kinds.
///
/// ```
/// use yeoul_operator::{Metric, Metrics};
///
/// let metrics = Metrics::default();
/// metrics.counter("rejected").inc();
/// for (name, metric) in metrics.all() {
///     let Metric::Counter(rejected) = metric else { panic!("{name} is {metric:?}") };
///     assert_eq!((&name[..], rejected.get()), ("rejected", 1));
/// }
/// ```
#[derive(Debug, Clone)]
pub enum Metric {
    /// A counter.
    Counter(Counter),
    /// A gauge.
    Gauge(Gauge),
    /// A histogram.
    Histogram(Histogram),
}

/// The metrics of one operator instance.
///
/// ```
/// use yeoul_operator::{Counter, OpenContext, OperatorError};
///
/// /// Counts what it rejects.
/// #[derive(Clone, Default)]
/// struct Check {
///     rejected: Counter,
/// }
///
/// impl Check {
///     fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
///         self.rejected = cx.metrics().counter("rejected");
///         Ok(())
///     }
/// }
/// # let metrics = yeoul_operator::Metrics::default();
/// # let check = Check { rejected: metrics.counter("rejected") };
/// # check.rejected.inc();
/// # assert_eq!(metrics.counter("rejected").get(), 1);
/// ```
#[derive(Debug, Default)]
pub struct Metrics(Mutex<Vec<(String, Metric)>>);

impl Metrics {
    /// The counter of this name; a new one if the name is new.
    ///
    /// ```
    /// let metrics = yeoul_operator::Metrics::default();
    /// metrics.counter("seen").inc();
    /// assert_eq!(metrics.counter("seen").get(), 1);
    /// ```
    ///
    /// # Panics
    /// If the name is that of a metric of another kind.
    pub fn counter(&self, name: &str) -> Counter {
        match self.of(name, || Metric::Counter(Counter::default())) {
            Metric::Counter(counter) => counter,
            other => panic!("the metric '{name}' is {other:?}, not a counter; give each a name of its own"),
        }
    }

    /// The gauge of this name; a new one if the name is new.
    ///
    /// ```
    /// let metrics = yeoul_operator::Metrics::default();
    /// metrics.gauge("depth").set(-4);
    /// assert_eq!(metrics.gauge("depth").get(), -4);
    /// ```
    ///
    /// # Panics
    /// If the name is that of a metric of another kind.
    pub fn gauge(&self, name: &str) -> Gauge {
        match self.of(name, || Metric::Gauge(Gauge::default())) {
            Metric::Gauge(gauge) => gauge,
            other => panic!("the metric '{name}' is {other:?}, not a gauge; give each a name of its own"),
        }
    }

    /// The histogram of this name; a new one if the name is new.
    ///
    /// ```
    /// let metrics = yeoul_operator::Metrics::default();
    /// metrics.histogram("sizes").update(7);
    /// assert_eq!(metrics.histogram("sizes").count(), 1);
    /// ```
    ///
    /// # Panics
    /// If the name is that of a metric of another kind.
    pub fn histogram(&self, name: &str) -> Histogram {
        match self.of(name, || Metric::Histogram(Histogram::default())) {
            Metric::Histogram(histogram) => histogram,
            other => panic!("the metric '{name}' is {other:?}, not a histogram; give each a name of its own"),
        }
    }

    /// All of them, in the order in which they were first asked for.
    ///
    /// ```
    /// let metrics = yeoul_operator::Metrics::default();
    /// let (_, _) = (metrics.counter("seen"), metrics.gauge("depth"));
    /// let names: Vec<String> = metrics.all().into_iter().map(|(name, _)| name).collect();
    /// assert_eq!(names, ["seen", "depth"]);
    /// ```
    #[must_use]
    pub fn all(&self) -> Vec<(String, Metric)> {
        self.lock().clone()
    }

    fn of(&self, name: &str, make: impl FnOnce() -> Metric) -> Metric {
        let mut metrics = self.lock();
        if let Some((_, metric)) = metrics.iter().find(|(known, _)| known == name) {
            return metric.clone();
        }
        let metric = make();
        metrics.push((name.to_owned(), metric.clone()));
        metric
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(String, Metric)>> {
        // The lock guards names and handles; a panic elsewhere leaves them whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_in_the_bucket_that_ends_next() {
        for value in (0..2000).chain((0..64).flat_map(|shift| [(1u64 << shift) - 1, 1 << shift])).chain([u64::MAX]) {
            let at = bucket(value);
            assert!(last_of(at) >= value && (at == 0 || last_of(at - 1) < value), "{value} is in bucket {at}");
            assert!(last_of(at) - value <= value / 4, "{value} ends at {}", last_of(at));
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn a_name_is_one_metric() {
        let metrics = Metrics::default();
        metrics.counter("seen").add(2);
        metrics.counter("seen").inc();
        metrics.gauge("depth").set(-4);
        metrics.histogram("sizes").update(7);
        let all = metrics.all();
        assert_eq!(
            format!("{all:?}"),
            "[(\"seen\", Counter(Counter(Count(3)))), (\"depth\", Gauge(Gauge(-4))), (\"sizes\", Histogram(Histogram(1 values)))]"
        );
    }

    #[test]
    #[should_panic(expected = "not a gauge")]
    fn a_name_of_another_kind_is_refused() {
        let metrics = Metrics::default();
        metrics.counter("seen");
        metrics.gauge("seen");
    }
}
