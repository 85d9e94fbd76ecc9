//! Fires when the watermark passes the end of the window.

use yeoul_frame::{Record, Timestamp};

use super::{Trigger, TriggerContext, TriggerResult};

/// Fires when the watermark passes the window's end, and again with each late element that it still takes (Flink's `EventTimeTrigger`).
/// The default of windows in event time.
///
/// ```
/// use std::time::Duration;
/// use yeoul_stream::{Count, DataStream, EventTimeTrigger, OperatorHarness, TumblingEventTimeWindows};
///
/// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
///     let minutes = TumblingEventTimeWindows::of(Duration::from_secs(60));
///     readings.key_by(|id| id.to_native()).window(minutes).trigger(EventTimeTrigger::create()).aggregate(Count::new())
/// })?;
/// harness.push([(7, 1_000), (7, 2_000)])?;
/// harness.watermark(59_999)?;
/// assert_eq!(harness.take_output(), [(2u64, 59_999)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct EventTimeTrigger(());

impl EventTimeTrigger {
    /// The trigger.
    #[must_use]
    pub const fn create() -> Self {
        Self(())
    }
}

impl<T: Record> Trigger<T> for EventTimeTrigger {
    type State = ();

    fn on_element(&mut self, _: &T::Archived, _: Timestamp, (): &mut (), cx: &mut TriggerContext<'_>) -> TriggerResult {
        let last = cx.window().max_timestamp();
        if last <= cx.current_watermark() {
            return TriggerResult::Fire;
        }
        cx.register_event_time_timer(last);
        TriggerResult::Continue
    }

    fn on_event_time(&mut self, time: Timestamp, (): &mut (), cx: &mut TriggerContext<'_>) -> TriggerResult {
        if time == cx.window().max_timestamp() { TriggerResult::Fire } else { TriggerResult::Continue }
    }

    fn can_merge(&self) -> bool {
        true
    }

    fn on_merge(&mut self, (): &mut (), _: Vec<()>, cx: &mut TriggerContext<'_>) {
        let last = cx.window().max_timestamp();
        if last > cx.current_watermark() {
            cx.register_event_time_timer(last);
        }
    }

    fn clear(&mut self, (): &(), cx: &mut TriggerContext<'_>) {
        cx.delete_event_time_timer(cx.window().max_timestamp());
    }
}
