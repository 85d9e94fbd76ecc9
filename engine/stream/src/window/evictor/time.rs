//! Keeps the elements of a window that are not much older than its youngest.

use std::time::Duration;

use super::{Evictor, EvictorContext, Side, TimestampedValue, on_its_side};
use crate::watermarks::millis;

/// Keeps elements whose event time is less than this long before the greatest in the window (Flink's `TimeEvictor`). Where elements have
/// no event time, it keeps them all.
///
/// ```
/// use std::time::Duration;
/// use yeoul_stream::{Count, CountTrigger, DataStream, GlobalWindows, OperatorHarness, TimeEvictor};
///
/// let mut harness = OperatorHarness::of(|readings: DataStream<i64>| {
///     let all = readings.key_by(|_| ()).window(GlobalWindows::create());
///     all.trigger(CountTrigger::of(3)).evictor(TimeEvictor::of(Duration::from_millis(10))).aggregate(Count::new())
/// })?;
/// harness.push([(1, 0), (2, 5), (3, 10)])?;
/// assert_eq!(harness.take_output(), [(2u64, i64::MAX)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TimeEvictor {
    window_size: i64,
    side: Side,
}

impl TimeEvictor {
    /// Evicts before the function.
    #[must_use]
    pub fn of(window_size: Duration) -> Self {
        Self { window_size: millis(window_size), side: Side::Before }
    }

    /// Evicts after the function, which sees all elements.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::{Count, CountTrigger, DataStream, GlobalWindows, OperatorHarness, TimeEvictor};
    ///
    /// // How many there are after every second one; then those go that are older than ten milliseconds.
    /// let mut harness = OperatorHarness::of(|readings: DataStream<i64>| {
    ///     let all = readings.key_by(|_| ()).window(GlobalWindows::create());
    ///     all.trigger(CountTrigger::of(2)).evictor(TimeEvictor::of(Duration::from_millis(10)).after()).aggregate(Count::new())
    /// })?;
    /// harness.push([(1, 0), (2, 10), (3, 15), (4, 19)])?;
    /// let counts: Vec<u64> = harness.take_output().into_iter().map(|(count, _)| count).collect();
    /// assert_eq!(counts, [2, 3]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub const fn after(self) -> Self {
        Self { side: Side::After, ..self }
    }

    fn evict<T>(&self, elements: &mut Vec<TimestampedValue<T>>) {
        // As in Flink, the first element speaks for all.
        if elements.first().is_none_or(|first| first.timestamp().is_none()) {
            return;
        }
        if let Some(latest) = elements.iter().map(|element| element.time).max() {
            elements.retain(|element| element.time > latest.minus(self.window_size));
        }
    }
}

impl<T> Evictor<T> for TimeEvictor {
    on_its_side!(T);
}
