//! Fires at a regular pace, in event time and in processing time, as long as the window is there.

use std::time::Duration;

use yeoul_frame::{Record, Timestamp};

use super::{Trigger, TriggerContext, TriggerResult};
use crate::window::assigner::at_least_one;

/// The multiple of the interval after `time`, but not after the window's last time if that is still to come.
fn next(time: Timestamp, interval: i64, last: Timestamp) -> Timestamp {
    let next = time.minus(time.0.rem_euclid(interval)).plus(interval);
    if time < last { next.min(last) } else { next }
}

/// When windows with these states fire next, if any does: at the earliest time of all.
fn earliest(state: Option<Timestamp>, merged: Vec<Option<Timestamp>>) -> Option<Timestamp> {
    merged.into_iter().chain([state]).flatten().min()
}

/// Fires at each multiple of an interval that the watermark passes, and at the window's end (Flink's `ContinuousEventTimeTrigger`).
///
/// ```
/// use std::time::Duration;
/// use yeoul_stream::{ContinuousEventTimeTrigger, Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
///
/// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
///     let hours = readings.key_by(|id| id.to_native()).window(TumblingEventTimeWindows::of(Duration::from_secs(3_600)));
///     hours.trigger(ContinuousEventTimeTrigger::of(Duration::from_secs(60))).aggregate(Count::new())
/// })?;
/// harness.push([(7, 1_000)])?;
/// harness.watermark(60_000)?;
/// assert_eq!(harness.take_output(), [(1u64, 3_599_999)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ContinuousEventTimeTrigger(i64);

impl ContinuousEventTimeTrigger {
    /// Fires at this pace.
    ///
    /// # Panics
    /// If the interval is below one millisecond.
    #[must_use]
    pub fn of(interval: Duration) -> Self {
        Self(at_least_one(interval, "interval between firings"))
    }
}

impl<T: Record> Trigger<T> for ContinuousEventTimeTrigger {
    /// When it fires next.
    type State = Option<Timestamp>;

    fn on_element(
        &mut self,
        _: &T::Archived,
        time: Timestamp,
        fire: &mut Option<Timestamp>,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        let last = cx.window().max_timestamp();
        if last <= cx.current_watermark() {
            return TriggerResult::Fire;
        }
        cx.register_event_time_timer(last);
        if fire.is_none() {
            let at = next(time, self.0, last).min(last);
            *fire = Some(at);
            cx.register_event_time_timer(at);
        }
        TriggerResult::Continue
    }

    fn on_event_time(
        &mut self,
        time: Timestamp,
        fire: &mut Option<Timestamp>,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        let last = cx.window().max_timestamp();
        if time == last {
            return TriggerResult::Fire;
        }
        if *fire != Some(time) {
            return TriggerResult::Continue;
        }
        // A window without an end would fire for ever once the input has ended.
        let goes_on = last < Timestamp::MAX || cx.current_watermark() < Timestamp::MAX;
        *fire = goes_on.then(|| next(time, self.0, last));
        if let Some(at) = *fire {
            cx.register_event_time_timer(at);
        }
        TriggerResult::Fire
    }

    fn can_merge(&self) -> bool {
        true
    }

    fn on_merge(&mut self, fire: &mut Option<Timestamp>, merged: Vec<Option<Timestamp>>, cx: &mut TriggerContext<'_>) {
        *fire = earliest(*fire, merged);
        if let Some(at) = *fire {
            cx.register_event_time_timer(at);
        }
    }

    fn clear(&mut self, fire: &Option<Timestamp>, cx: &mut TriggerContext<'_>) {
        cx.delete_event_time_timer(cx.window().max_timestamp());
        if let Some(at) = *fire {
            cx.delete_event_time_timer(at);
        }
    }
}

/// Fires at each multiple of an interval that the clock passes (Flink's `ContinuousProcessingTimeTrigger`).
///
/// ```
/// use std::time::Duration;
/// use yeoul_stream::{ContinuousProcessingTimeTrigger, Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
///
/// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
///     let days = readings.key_by(|id| id.to_native()).window(TumblingEventTimeWindows::of(Duration::from_secs(86_400)));
///     days.trigger(ContinuousProcessingTimeTrigger::of(Duration::from_secs(10))).aggregate(Count::new())
/// })?;
/// harness.processing_time(3_000)?;
/// harness.push([(7, 1_000)])?;
/// harness.processing_time(10_001)?;
/// assert_eq!(harness.take_output(), [(1u64, 86_399_999)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ContinuousProcessingTimeTrigger(i64);

impl ContinuousProcessingTimeTrigger {
    /// Fires at this pace.
    ///
    /// # Panics
    /// If the interval is below one millisecond.
    #[must_use]
    pub fn of(interval: Duration) -> Self {
        Self(at_least_one(interval, "interval between firings"))
    }
}

impl<T: Record> Trigger<T> for ContinuousProcessingTimeTrigger {
    /// When it fires next.
    type State = Option<Timestamp>;

    fn on_element(
        &mut self,
        _: &T::Archived,
        _: Timestamp,
        fire: &mut Option<Timestamp>,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        if fire.is_none() {
            let at = next(cx.current_processing_time(), self.0, cx.window().max_timestamp());
            *fire = Some(at);
            cx.register_processing_time_timer(at);
        }
        TriggerResult::Continue
    }

    fn on_processing_time(
        &mut self,
        time: Timestamp,
        fire: &mut Option<Timestamp>,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        // When the input has ended, a window's end comes before what was to come.
        let last = cx.window().max_timestamp();
        if *fire != Some(time) && time != last {
            return TriggerResult::Continue;
        }
        let at = next(time, self.0, last);
        *fire = Some(at);
        cx.register_processing_time_timer(at);
        TriggerResult::Fire
    }

    fn can_merge(&self) -> bool {
        true
    }

    fn on_merge(&mut self, fire: &mut Option<Timestamp>, merged: Vec<Option<Timestamp>>, cx: &mut TriggerContext<'_>) {
        *fire = earliest(*fire, merged);
        if let Some(at) = *fire {
            cx.register_processing_time_timer(at);
        }
    }

    fn clear(&mut self, fire: &Option<Timestamp>, cx: &mut TriggerContext<'_>) {
        if let Some(at) = *fire {
            cx.delete_processing_time_timer(at);
        }
    }
}
