//! Keeps the elements of a window that are near its last one.

use std::fmt;
use std::marker::PhantomData;

use super::{Evictor, EvictorContext, Side, TimestampedValue, on_its_side};

/// Keeps elements whose distance to the last one is less than a threshold (Flink's `DeltaEvictor`).
///
/// ```
/// use yeoul_stream::{Count, CountTrigger, DataStream, DeltaEvictor, GlobalWindows, OperatorHarness};
///
/// let mut harness = OperatorHarness::of(|readings: DataStream<f64>| {
///     let all = readings.key_by(|_| ()).window(GlobalWindows::create());
///     let near = DeltaEvictor::of(10.0, |reading: &f64, last: &f64| (last - reading).abs());
///     all.trigger(CountTrigger::of(4)).evictor(near).aggregate(Count::new())
/// })?;
/// harness.push([1.0, 12.0, 15.0, 20.0].map(|reading| (reading, 0)))?;
/// assert_eq!(harness.take_output(), [(3u64, i64::MAX)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub struct DeltaEvictor<T, D> {
    threshold: f64,
    delta: D,
    side: Side,
    records: PhantomData<fn(T)>,
}

impl<T, D: Fn(&T, &T) -> f64> DeltaEvictor<T, D> {
    /// Evicts elements for which `delta(element, last)` is the threshold or more, before the function.
    pub fn of(threshold: f64, delta: D) -> Self {
        Self { threshold, delta, side: Side::Before, records: PhantomData }
    }

    /// Evicts after the function, which sees all elements.
    ///
    /// ```
    /// use yeoul_stream::{Count, CountTrigger, DataStream, DeltaEvictor, GlobalWindows, OperatorHarness};
    ///
    /// // How many there are after every second one; then those go that are far from the last.
    /// let mut harness = OperatorHarness::of(|readings: DataStream<f64>| {
    ///     let all = readings.key_by(|_| ()).window(GlobalWindows::create());
    ///     let near = DeltaEvictor::of(10.0, |reading: &f64, last: &f64| (last - reading).abs()).after();
    ///     all.trigger(CountTrigger::of(2)).evictor(near).aggregate(Count::new())
    /// })?;
    /// harness.push([1.0, 12.0, 15.0, 20.0].map(|reading| (reading, 0)))?;
    /// let counts: Vec<u64> = harness.take_output().into_iter().map(|(count, _)| count).collect();
    /// assert_eq!(counts, [2, 3]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn after(self) -> Self {
        Self { side: Side::After, ..self }
    }

    fn evict(&self, elements: &mut Vec<TimestampedValue<T>>) {
        let distances: Option<Vec<f64>> = elements
            .last()
            .map(|last| elements.iter().map(|element| (self.delta)(&element.value, &last.value)).collect());
        let mut distances = distances.into_iter().flatten();
        elements.retain(|_| distances.next().is_none_or(|distance| distance < self.threshold));
    }
}

impl<T, D: Clone> Clone for DeltaEvictor<T, D> {
    fn clone(&self) -> Self {
        Self { delta: self.delta.clone(), records: PhantomData, ..*self }
    }
}

impl<T, D> fmt::Debug for DeltaEvictor<T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeltaEvictor({}, {:?})", self.threshold, self.side)
    }
}

impl<T: 'static, D: Fn(&T, &T) -> f64 + Send + 'static> Evictor<T> for DeltaEvictor<T, D> {
    on_its_side!(T);
}
