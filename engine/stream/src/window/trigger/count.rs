//! Fires each time so many elements have come.

use yeoul_frame::{Record, Timestamp};

use super::{Trigger, TriggerContext, TriggerResult};

/// Fires when a window has had this many elements since it last fired (Flink's `CountTrigger`).
///
/// ```
/// use yeoul_stream::{Count, CountTrigger, DataStream, GlobalWindows, OperatorHarness};
///
/// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
///     let all = readings.key_by(|id| id.to_native()).window(GlobalWindows::create());
///     all.trigger(CountTrigger::of(2)).aggregate(Count::new())
/// })?;
/// harness.push([(7, 0), (7, 1), (7, 2), (7, 3), (7, 4)])?;
/// let counts: Vec<u64> = harness.take_output().into_iter().map(|(count, _)| count).collect();
/// assert_eq!(counts, [2, 4]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct CountTrigger(u64);

impl CountTrigger {
    /// Fires at every `max_count`-th element.
    ///
    /// # Panics
    /// If `max_count` is 0.
    #[must_use]
    pub const fn of(max_count: u64) -> Self {
        assert!(max_count > 0, "a count trigger fires at one element at the earliest");
        Self(max_count)
    }
}

impl<T: Record> Trigger<T> for CountTrigger {
    type State = u64;

    fn on_element(
        &mut self,
        _: &T::Archived,
        _: Timestamp,
        count: &mut u64,
        _: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        *count += 1;
        if *count < self.0 {
            return TriggerResult::Continue;
        }
        *count = 0;
        TriggerResult::Fire
    }

    fn can_merge(&self) -> bool {
        true
    }

    fn on_merge(&mut self, count: &mut u64, merged: Vec<u64>, _: &mut TriggerContext<'_>) {
        *count += merged.iter().sum::<u64>();
    }

    fn clear(&mut self, _: &u64, _: &mut TriggerContext<'_>) {}
}
