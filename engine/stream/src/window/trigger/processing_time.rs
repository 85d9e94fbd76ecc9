//! Fires when the clock passes the end of the window.

use yeoul_frame::{Record, Timestamp};

use super::{Trigger, TriggerContext, TriggerResult};

/// Fires when the clock passes the window's end (Flink's `ProcessingTimeTrigger`). The default of windows in processing time.
///
/// ```
/// use std::time::Duration;
/// use yeoul_stream::{Count, DataStream, OperatorHarness, ProcessingTimeTrigger, TumblingProcessingTimeWindows};
///
/// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
///     let minutes = TumblingProcessingTimeWindows::of(Duration::from_secs(60));
///     readings.key_by(|id| id.to_native()).window(minutes).trigger(ProcessingTimeTrigger::create()).aggregate(Count::new())
/// })?;
/// harness.processing_time(1_000)?;
/// harness.push([(7, 0), (7, 0)])?;
/// harness.processing_time(60_000)?;
/// assert_eq!(harness.take_output(), [(2u64, 59_999)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessingTimeTrigger(());

impl ProcessingTimeTrigger {
    /// The trigger.
    #[must_use]
    pub const fn create() -> Self {
        Self(())
    }
}

impl<T: Record> Trigger<T> for ProcessingTimeTrigger {
    type State = ();

    fn on_element(&mut self, _: &T::Archived, _: Timestamp, (): &mut (), cx: &mut TriggerContext<'_>) -> TriggerResult {
        cx.register_processing_time_timer(cx.window().max_timestamp());
        TriggerResult::Continue
    }

    fn on_processing_time(&mut self, time: Timestamp, (): &mut (), cx: &mut TriggerContext<'_>) -> TriggerResult {
        if time == cx.window().max_timestamp() { TriggerResult::Fire } else { TriggerResult::Continue }
    }

    fn can_merge(&self) -> bool {
        true
    }

    fn on_merge(&mut self, (): &mut (), _: Vec<()>, cx: &mut TriggerContext<'_>) {
        let last = cx.window().max_timestamp();
        if last > cx.current_processing_time() {
            cx.register_processing_time_timer(last);
        }
    }

    fn clear(&mut self, (): &(), cx: &mut TriggerContext<'_>) {
        cx.delete_processing_time_timer(cx.window().max_timestamp());
    }
}
