//! Makes another trigger drop what the window holds when it fires.

use yeoul_frame::{Record, Timestamp};

use super::{Trigger, TriggerContext, TriggerResult};

/// Fires when another trigger does, and drops what the window holds (Flink's `PurgingTrigger`).
///
/// ```
/// use yeoul_stream::{Count, CountTrigger, DataStream, GlobalWindows, OperatorHarness, PurgingTrigger};
///
/// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
///     let all = readings.key_by(|id| id.to_native()).window(GlobalWindows::create());
///     all.trigger(PurgingTrigger::of(CountTrigger::of(2))).aggregate(Count::new())
/// })?;
/// harness.push([(7, 0), (7, 1), (7, 2), (7, 3), (7, 4)])?;
/// let counts: Vec<u64> = harness.take_output().into_iter().map(|(count, _)| count).collect();
/// assert_eq!(counts, [2, 2]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct PurgingTrigger<R>(R);

impl<R> PurgingTrigger<R> {
    /// Fires and purges when `nested` fires.
    #[must_use]
    pub const fn of(nested: R) -> Self {
        Self(nested)
    }
}

fn purging(result: TriggerResult) -> TriggerResult {
    if result.is_fire() { TriggerResult::FireAndPurge } else { result }
}

impl<T: Record, R: Trigger<T>> Trigger<T> for PurgingTrigger<R> {
    type State = R::State;

    fn on_element(
        &mut self,
        element: &T::Archived,
        time: Timestamp,
        state: &mut R::State,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        purging(self.0.on_element(element, time, state, cx))
    }

    fn on_event_time(&mut self, time: Timestamp, state: &mut R::State, cx: &mut TriggerContext<'_>) -> TriggerResult {
        purging(self.0.on_event_time(time, state, cx))
    }

    fn on_processing_time(
        &mut self,
        time: Timestamp,
        state: &mut R::State,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        purging(self.0.on_processing_time(time, state, cx))
    }

    fn can_merge(&self) -> bool {
        self.0.can_merge()
    }

    fn on_merge(&mut self, state: &mut R::State, merged: Vec<R::State>, cx: &mut TriggerContext<'_>) {
        self.0.on_merge(state, merged, cx);
    }

    fn clear(&mut self, state: &R::State, cx: &mut TriggerContext<'_>) {
        self.0.clear(state, cx);
    }
}
