//! When windows fire: the trait of triggers, and those of Flink.
//!
//! A trigger decides and does nothing else: it is told of elements and timers, has one value of state for each key and window, and answers
//! what is to happen with the window's content. It knows neither keys nor what the content is.

mod continuous;
mod count;
mod delta;
mod event_time;
mod never;
mod processing_time;
mod purging;
mod timeout;

use yeoul_frame::{Record, Timestamp};
use yeoul_state::Value;

use crate::{TimeDomain, TimeWindow};

pub use continuous::{ContinuousEventTimeTrigger, ContinuousProcessingTimeTrigger};
pub use count::CountTrigger;
pub use delta::{DeltaTrigger, LastElement};
pub use event_time::EventTimeTrigger;
pub use never::{EndOfStreamTrigger, NeverTrigger};
pub use processing_time::ProcessingTimeTrigger;
pub use purging::PurgingTrigger;
pub use timeout::ProcessingTimeoutTrigger;

/// What is to happen with a window (Flink's `TriggerResult`).
///
/// ```
/// use yeoul_stream::TriggerResult;
/// assert!(TriggerResult::FireAndPurge.is_fire() && TriggerResult::FireAndPurge.is_purge());
/// assert!(!TriggerResult::Purge.is_fire());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerResult {
    /// Nothing.
    Continue,
    /// The window's function is called; what the window holds is kept.
    Fire,
    /// What the window holds is dropped. Trigger state, per-window state and timers stay.
    Purge,
    /// The window's function is called, then what the window holds is dropped.
    FireAndPurge,
}

impl TriggerResult {
    /// Whether the function is called.
    ///
    /// ```
    /// use yeoul_stream::TriggerResult;
    /// assert!(TriggerResult::Fire.is_fire() && !TriggerResult::Continue.is_fire());
    /// ```
    #[must_use]
    pub const fn is_fire(self) -> bool {
        matches!(self, Self::Fire | Self::FireAndPurge)
    }

    /// Whether the content is dropped.
    ///
    /// ```
    /// use yeoul_stream::TriggerResult;
    /// assert!(TriggerResult::Purge.is_purge() && !TriggerResult::Fire.is_purge());
    /// ```
    #[must_use]
    pub const fn is_purge(self) -> bool {
        matches!(self, Self::Purge | Self::FireAndPurge)
    }
}

/// Decides when a window fires (Flink's `Trigger`), for windows of records of `T`.
///
/// Where Flink opens state by name, a trigger has one value of [`State`](Self::State) for each key and window. It begins as the default,
/// is part of every snapshot, and takes no memory while it is the default. It is removed when the window expires.
///
/// ```
/// use rkyv::Archived;
/// use std::time::Duration;
/// use yeoul_frame::Timestamp;
/// use yeoul_stream::{Count, DataStream, OperatorHarness, Trigger, TriggerContext, TriggerResult, TumblingEventTimeWindows};
///
/// /// Fires at the end of the window, and early at each reading above a limit, but so at most three times.
/// #[derive(Clone)]
/// struct Alarms(i64);
///
/// impl Trigger<(u64, i64)> for Alarms {
///     type State = u32;
///
///     fn on_element(
///         &mut self,
///         reading: &Archived<(u64, i64)>,
///         _: Timestamp,
///         alarms: &mut u32,
///         cx: &mut TriggerContext<'_>,
///     ) -> TriggerResult {
///         cx.register_event_time_timer(cx.window().max_timestamp());
///         if reading.1 <= self.0 || *alarms == 3 {
///             return TriggerResult::Continue;
///         }
///         *alarms += 1;
///         TriggerResult::Fire
///     }
///
///     fn on_event_time(&mut self, time: Timestamp, _: &mut u32, cx: &mut TriggerContext<'_>) -> TriggerResult {
///         if time == cx.window().max_timestamp() { TriggerResult::Fire } else { TriggerResult::Continue }
///     }
///
///     fn clear(&mut self, _: &u32, cx: &mut TriggerContext<'_>) {
///         cx.delete_event_time_timer(cx.window().max_timestamp());
///     }
/// }
///
/// let mut harness = OperatorHarness::of(|readings: DataStream<(u64, i64)>| {
///     readings
///         .key_by(|reading| reading.0.to_native())
///         .window(TumblingEventTimeWindows::of(Duration::from_secs(60)))
///         .trigger(Alarms(100))
///         .aggregate(Count::new())
/// })?;
/// harness.push([((7, 10), 1_000), ((7, 130), 2_000), ((7, 20), 3_000)])?;
/// assert_eq!(harness.take_output(), [(2u64, 59_999)]);
/// harness.finish()?;
/// assert_eq!(harness.take_output(), [(3, 59_999)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub trait Trigger<T: Record>: Send + 'static {
    /// What is remembered for each key and window.
    type State: Value + Default + PartialEq;

    /// An element has come into the window. `time` is its event time, [`Timestamp::MIN`] if it has none.
    fn on_element(
        &mut self,
        element: &T::Archived,
        time: Timestamp,
        state: &mut Self::State,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult;

    /// An event-time timer of the window is due, or the window is about to expire.
    fn on_event_time(
        &mut self,
        time: Timestamp,
        state: &mut Self::State,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        let _ = (time, state, cx);
        TriggerResult::Continue
    }

    /// A processing-time timer of the window is due.
    fn on_processing_time(
        &mut self,
        time: Timestamp,
        state: &mut Self::State,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        let _ = (time, state, cx);
        TriggerResult::Continue
    }

    /// Whether it can be used with windows that merge, that is with sessions.
    fn can_merge(&self) -> bool {
        false
    }

    /// The windows that had these states, and have been [cleared](Self::clear), have become one: that of the context, whose state is
    /// `state`, and which has no timers yet.
    fn on_merge(&mut self, state: &mut Self::State, merged: Vec<Self::State>, cx: &mut TriggerContext<'_>) {
        let _ = (state, merged, cx);
    }

    /// The window expires, or has become part of another one: takes back its timers. Its state is removed after this.
    fn clear(&mut self, state: &Self::State, cx: &mut TriggerContext<'_>);
}

/// Sets and takes back timers of one key and window.
pub(crate) trait TimersOfWindow {
    fn register(&mut self, domain: TimeDomain, time: Timestamp);
    fn delete(&mut self, domain: TimeDomain, time: Timestamp);
}

/// What a trigger may reach: the window, the times, timers of the window (Flink's `TriggerContext`).
///
/// ```
/// use rkyv::Archived;
/// use yeoul_frame::Timestamp;
/// use yeoul_stream::{Trigger, TriggerContext, TriggerResult};
///
/// /// Fires a second of the clock after a window's first element, and only then.
/// #[derive(Clone)]
/// struct Once;
///
/// impl Trigger<u64> for Once {
///     type State = Option<Timestamp>;
///
///     fn on_element(&mut self, _: &Archived<u64>, _: Timestamp, due: &mut Self::State, cx: &mut TriggerContext<'_>) -> TriggerResult {
///         let at = *due.get_or_insert(cx.current_processing_time().plus(1_000));
///         if at >= cx.current_processing_time() {
///             cx.register_processing_time_timer(at);
///         }
///         TriggerResult::Continue
///     }
///
///     fn on_processing_time(&mut self, _: Timestamp, _: &mut Self::State, _: &mut TriggerContext<'_>) -> TriggerResult {
///         TriggerResult::Fire
///     }
///
///     fn clear(&mut self, due: &Self::State, cx: &mut TriggerContext<'_>) {
///         due.iter().for_each(|due| cx.delete_processing_time_timer(*due));
///     }
/// }
/// ```
pub struct TriggerContext<'a> {
    pub(crate) window: TimeWindow,
    pub(crate) watermark: Timestamp,
    pub(crate) now: Timestamp,
    pub(crate) timers: &'a mut dyn TimersOfWindow,
}

impl TriggerContext<'_> {
    /// The window.
    #[must_use]
    pub fn window(&self) -> TimeWindow {
        self.window
    }

    /// The present watermark.
    #[must_use]
    pub fn current_watermark(&self) -> Timestamp {
        self.watermark
    }

    /// The present processing time.
    #[must_use]
    pub fn current_processing_time(&self) -> Timestamp {
        self.now
    }

    /// Asks for a call of [`Trigger::on_event_time`] once the watermark has reached `time`. Asked for twice, it comes once.
    ///
    /// ```
    /// use rkyv::Archived;
    /// use yeoul_frame::Timestamp;
    /// use yeoul_stream::{Trigger, TriggerContext, TriggerResult};
    /// # use std::time::Duration;
    /// # use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows};
    ///
    /// /// Fires at the middle of a window, if the watermark is not there yet.
    /// #[derive(Clone)]
    /// struct Middle;
    ///
    /// fn middle(cx: &TriggerContext<'_>) -> Timestamp {
    ///     let window = cx.window();
    ///     window.start.plus((window.end.0 - window.start.0) / 2)
    /// }
    ///
    /// impl Trigger<u64> for Middle {
    ///     type State = ();
    ///
    ///     fn on_element(&mut self, _: &Archived<u64>, _: Timestamp, (): &mut (), cx: &mut TriggerContext<'_>) -> TriggerResult {
    ///         let middle = middle(cx);
    ///         if cx.current_watermark() < middle {
    ///             cx.register_event_time_timer(middle);
    ///         }
    ///         TriggerResult::Continue
    ///     }
    ///
    ///     fn on_event_time(&mut self, time: Timestamp, (): &mut (), cx: &mut TriggerContext<'_>) -> TriggerResult {
    ///         if time == middle(cx) { TriggerResult::Fire } else { TriggerResult::Continue }
    ///     }
    ///
    ///     fn clear(&mut self, (): &(), cx: &mut TriggerContext<'_>) {
    ///         let middle = middle(cx);
    ///         cx.delete_event_time_timer(middle);
    ///     }
    /// }
    ///
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    /// #     let seconds = TumblingEventTimeWindows::of(Duration::from_secs(1));
    /// #     readings.key_by(|id| id.to_native()).window(seconds).trigger(Middle).aggregate(Count::new())
    /// # })?;
    /// harness.push([(7, 100), (7, 700)])?;
    /// harness.watermark(499)?;
    /// assert_eq!(harness.take_output(), []);
    /// harness.watermark(500)?;
    /// assert_eq!(harness.take_output(), [(2u64, 999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn register_event_time_timer(&mut self, time: Timestamp) {
        self.timers.register(TimeDomain::Event, time);
    }

    /// Asks for a call of [`Trigger::on_processing_time`] once the clock has passed `time`.
    pub fn register_processing_time_timer(&mut self, time: Timestamp) {
        self.timers.register(TimeDomain::Processing, time);
    }

    /// Takes a timer back. One that is not set is none.
    pub fn delete_event_time_timer(&mut self, time: Timestamp) {
        self.timers.delete(TimeDomain::Event, time);
    }

    /// Takes a timer back. One that is not set is none.
    pub fn delete_processing_time_timer(&mut self, time: Timestamp) {
        self.timers.delete(TimeDomain::Processing, time);
    }
}
