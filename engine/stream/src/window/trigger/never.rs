//! The triggers of global windows: one that never fires, and one that fires at the end of the input.

use yeoul_frame::{Record, Timestamp};

use super::{Trigger, TriggerContext, TriggerResult};

/// Never fires (Flink's `NeverTrigger`): the default of [`GlobalWindows`](crate::GlobalWindows), which need another one to be of use.
///
/// ```
/// use yeoul_stream::{Count, DataStream, NeverTrigger, OperatorHarness, TumblingEventTimeWindows};
/// # use std::time::Duration;
///
/// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
///     let minutes = TumblingEventTimeWindows::of(Duration::from_secs(60));
///     readings.key_by(|id| id.to_native()).window(minutes).trigger(NeverTrigger::create()).aggregate(Count::new())
/// })?;
/// harness.push([(7, 1_000)])?;
/// harness.finish()?;
/// assert_eq!(harness.take_output(), []);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct NeverTrigger(());

impl NeverTrigger {
    /// The trigger.
    #[must_use]
    pub const fn create() -> Self {
        Self(())
    }
}

impl<T: Record> Trigger<T> for NeverTrigger {
    type State = ();

    fn on_element(&mut self, _: &T::Archived, _: Timestamp, (): &mut (), _: &mut TriggerContext<'_>) -> TriggerResult {
        TriggerResult::Continue
    }

    fn can_merge(&self) -> bool {
        true
    }

    fn clear(&mut self, (): &(), _: &mut TriggerContext<'_>) {}
}

/// Fires at the end of the input (Flink's `EndOfStreamTrigger`).
///
/// ```
/// use yeoul_stream::{Count, DataStream, GlobalWindows, OperatorHarness};
///
/// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
///     let all = GlobalWindows::create_with_end_of_stream_trigger();
///     readings.key_by(|id| id.to_native()).window(all).aggregate(Count::new())
/// })?;
/// harness.push([(7, 1_000), (7, 9_000_000)])?;
/// harness.finish()?;
/// assert_eq!(harness.take_output(), [(2u64, i64::MAX)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct EndOfStreamTrigger(());

impl EndOfStreamTrigger {
    /// The trigger.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{Count, DataStream, EndOfStreamTrigger, OperatorHarness, TumblingEventTimeWindows};
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    ///     let minutes = TumblingEventTimeWindows::of(Duration::from_secs(60));
    ///     readings.key_by(|id| id.to_native()).window(minutes).trigger(EndOfStreamTrigger::create()).aggregate(Count::new())
    /// })?;
    /// harness.push([(7, 1_000)])?;
    /// harness.watermark(59_998)?;
    /// assert_eq!(harness.take_output(), []);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub const fn create() -> Self {
        Self(())
    }
}

impl<T: Record> Trigger<T> for EndOfStreamTrigger {
    type State = ();

    fn on_element(&mut self, _: &T::Archived, _: Timestamp, (): &mut (), cx: &mut TriggerContext<'_>) -> TriggerResult {
        cx.register_event_time_timer(Timestamp::MAX);
        TriggerResult::Continue
    }

    fn on_event_time(&mut self, time: Timestamp, (): &mut (), _: &mut TriggerContext<'_>) -> TriggerResult {
        if time == Timestamp::MAX { TriggerResult::Fire } else { TriggerResult::Continue }
    }

    fn can_merge(&self) -> bool {
        true
    }

    fn on_merge(&mut self, (): &mut (), _: Vec<()>, cx: &mut TriggerContext<'_>) {
        cx.register_event_time_timer(Timestamp::MAX);
    }

    fn clear(&mut self, (): &(), cx: &mut TriggerContext<'_>) {
        cx.delete_event_time_timer(Timestamp::MAX);
    }
}
