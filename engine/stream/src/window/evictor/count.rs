//! Keeps the last elements of a window, up to a number of them.

use super::{Evictor, EvictorContext, Side, TimestampedValue, on_its_side};

/// Keeps up to this many elements, the last ones (Flink's `CountEvictor`).
///
/// ```
/// use yeoul_stream::{CountEvictor, CountTrigger, DataStream, GlobalWindows, OperatorHarness};
///
/// // The greatest of the last three, after every second one.
/// let mut harness = OperatorHarness::of(|readings: DataStream<i64>| {
///     let all = readings.key_by(|_| ()).window(GlobalWindows::create());
///     all.trigger(CountTrigger::of(2)).evictor(CountEvictor::of(3)).reduce(|most, reading| *most = (*most).max(*reading))
/// })?;
/// harness.push([9, 1, 2, 3, 4, 5].map(|reading| (reading, 0)))?;
/// let most: Vec<i64> = harness.take_output().into_iter().map(|(most, _)| most).collect();
/// assert_eq!(most, [9, 3, 5]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct CountEvictor {
    max_count: usize,
    side: Side,
}

impl CountEvictor {
    /// Evicts before the function.
    #[must_use]
    pub const fn of(max_count: usize) -> Self {
        Self { max_count, side: Side::Before }
    }

    /// Evicts after the function, which sees all elements.
    ///
    /// ```
    /// use yeoul_stream::{CountEvictor, CountTrigger, DataStream, GlobalWindows, OperatorHarness};
    ///
    /// // The sum of all that there are, after every second one; of those one stays.
    /// let mut harness = OperatorHarness::of(|readings: DataStream<i64>| {
    ///     let all = readings.key_by(|_| ()).window(GlobalWindows::create());
    ///     all.trigger(CountTrigger::of(2)).evictor(CountEvictor::of(1).after()).reduce(|sum, reading| *sum += *reading)
    /// })?;
    /// harness.push([1, 2, 3, 4].map(|reading| (reading, 0)))?;
    /// let sums: Vec<i64> = harness.take_output().into_iter().map(|(sum, _)| sum).collect();
    /// assert_eq!(sums, [3, 9]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub const fn after(self) -> Self {
        Self { side: Side::After, ..self }
    }

    fn evict<T>(&self, elements: &mut Vec<TimestampedValue<T>>) {
        elements.drain(..elements.len().saturating_sub(self.max_count));
    }
}

impl<T> Evictor<T> for CountEvictor {
    on_its_side!(T);
}
