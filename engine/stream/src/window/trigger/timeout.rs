//! Makes a window fire that another trigger has left waiting for too long.

use std::time::Duration;

use yeoul_frame::{Record, Timestamp};

use super::{Trigger, TriggerContext, TriggerResult};
use crate::window::assigner::at_least_one;

/// Fires when another trigger does, or a time of the clock after the first element that it has not fired for (Flink's
/// `ProcessingTimeoutTrigger`).
///
/// Other than in Flink, a timer of the nested trigger, and a window's expiry, fire the window only if the nested trigger says so.
///
/// ```
/// use std::time::Duration;
/// use yeoul_stream::{Count, CountTrigger, DataStream, GlobalWindows, OperatorHarness, ProcessingTimeoutTrigger, PurgingTrigger};
///
/// // Batches of a hundred, but none waits for longer than a second.
/// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
///     let batches = PurgingTrigger::of(ProcessingTimeoutTrigger::of(CountTrigger::of(100), Duration::from_secs(1)));
///     readings.key_by(|id| id.to_native()).window(GlobalWindows::create()).trigger(batches).aggregate(Count::new())
/// })?;
/// harness.push([(7, 0), (7, 1), (7, 2)])?;
/// harness.processing_time(1_001)?;
/// assert_eq!(harness.take_output(), [(3u64, i64::MAX)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ProcessingTimeoutTrigger<R> {
    nested: R,
    timeout: i64,
    resets: bool,
    clears: bool,
}

impl<R> ProcessingTimeoutTrigger<R> {
    /// Fires when `nested` fires, and this long after the first element at the latest.
    ///
    /// # Panics
    /// If the timeout is below one millisecond.
    #[must_use]
    pub fn of(nested: R, timeout: Duration) -> Self {
        Self { nested, timeout: at_least_one(timeout, "timeout"), resets: false, clears: true }
    }

    /// Whether the time begins anew with each element. It does not unless told.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{Count, CountTrigger, DataStream, GlobalWindows, OperatorHarness, ProcessingTimeoutTrigger, PurgingTrigger};
    /// // A batch ends a second after its last record, not after its first.
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    ///     let timeout = ProcessingTimeoutTrigger::of(CountTrigger::of(100), Duration::from_secs(1)).reset_timer_on_new_record(true);
    ///     let all = readings.key_by(|id| id.to_native()).window(GlobalWindows::create());
    ///     all.trigger(PurgingTrigger::of(timeout)).aggregate(Count::new())
    /// })?;
    /// for now in [0, 800, 1_600] {
    ///     harness.processing_time(now)?;
    ///     harness.push([(7, 0)])?;
    /// }
    /// assert_eq!(harness.take_output(), []);
    /// harness.processing_time(2_601)?;
    /// assert_eq!(harness.take_output(), [(3u64, i64::MAX)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn reset_timer_on_new_record(self, resets: bool) -> Self {
        Self { resets, ..self }
    }

    /// Whether the nested trigger is cleared when the time is up: a count then begins anew. It is unless told.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::{Count, CountTrigger, DataStream, GlobalWindows, OperatorHarness, ProcessingTimeoutTrigger};
    /// // The count of three goes on over the time that is up after two.
    /// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    ///     let trigger = ProcessingTimeoutTrigger::of(CountTrigger::of(3), Duration::from_secs(1)).clear_on_timeout(false);
    ///     readings.key_by(|id| id.to_native()).window(GlobalWindows::create()).trigger(trigger).aggregate(Count::new())
    /// })?;
    /// harness.push([(7, 0), (7, 0)])?;
    /// harness.processing_time(1_001)?;
    /// harness.push([(7, 0)])?;
    /// let counts: Vec<u64> = harness.take_output().into_iter().map(|(count, _)| count).collect();
    /// assert_eq!(counts, [2, 3]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn clear_on_timeout(self, clears: bool) -> Self {
        Self { clears, ..self }
    }

    /// Takes back the timer, clears the nested trigger, and forgets both.
    fn reset<T: Record>(&mut self, state: &mut (Option<Timestamp>, R::State), cx: &mut TriggerContext<'_>)
    where
        R: Trigger<T>,
    {
        self.clear(state, cx);
        *state = Default::default();
    }
}

impl<T: Record, R: Trigger<T>> Trigger<T> for ProcessingTimeoutTrigger<R> {
    /// When the time is up, and the nested trigger's state.
    type State = (Option<Timestamp>, R::State);

    fn on_element(
        &mut self,
        element: &T::Archived,
        time: Timestamp,
        state: &mut Self::State,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        let result = self.nested.on_element(element, time, &mut state.1, cx);
        if result.is_fire() {
            self.reset(state, cx);
            return result;
        }
        if self.resets
            && let Some(due) = state.0.take()
        {
            cx.delete_processing_time_timer(due);
        }
        if state.0.is_none() {
            let due = cx.current_processing_time().plus(self.timeout);
            state.0 = Some(due);
            cx.register_processing_time_timer(due);
        }
        result
    }

    fn on_event_time(
        &mut self,
        time: Timestamp,
        state: &mut Self::State,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        let result = self.nested.on_event_time(time, &mut state.1, cx);
        if result.is_fire() && self.clears {
            self.reset(state, cx);
        }
        result
    }

    fn on_processing_time(
        &mut self,
        time: Timestamp,
        state: &mut Self::State,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        let result = self.nested.on_processing_time(time, &mut state.1, cx);
        let is_up = state.0 == Some(time);
        if !is_up && !result.is_fire() {
            return result;
        }
        if self.clears {
            self.reset(state, cx);
        } else if is_up {
            state.0 = None;
        }
        if result.is_purge() { TriggerResult::FireAndPurge } else { TriggerResult::Fire }
    }

    fn can_merge(&self) -> bool {
        self.nested.can_merge()
    }

    fn on_merge(&mut self, state: &mut Self::State, merged: Vec<Self::State>, cx: &mut TriggerContext<'_>) {
        let (dues, nested): (Vec<_>, Vec<_>) = merged.into_iter().unzip();
        self.nested.on_merge(&mut state.1, nested, cx);
        state.0 = dues.into_iter().chain([state.0]).flatten().min();
        if let Some(due) = state.0 {
            cx.register_processing_time_timer(due);
        }
    }

    fn clear(&mut self, state: &Self::State, cx: &mut TriggerContext<'_>) {
        if let Some(due) = state.0 {
            cx.delete_processing_time_timer(due);
        }
        self.nested.clear(&state.1, cx);
    }
}
