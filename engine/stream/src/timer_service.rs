//! The timers of one keyed operator, for both kinds of time.

use yeoul_frame::{OperatorId, Timestamp};
use yeoul_operator::OpenContext;
use yeoul_state::{Key, StateTable, Timer, Timers};

/// A kind of time.
///
/// ```
/// use yeoul_stream::{DataStream, OperatorHarness, TimeDomain};
///
/// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.map(|n| n.to_native()))?;
/// // A map has no timers of either kind.
/// assert!(harness.timers(TimeDomain::Event, &7u64).is_err() && harness.timers(TimeDomain::Processing, &7u64).is_err());
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeDomain {
    /// Event times and watermarks.
    Event,
    /// The machine's clock.
    Processing,
}

/// The table of a keyed function's timers for event time.
pub(crate) const EVENT_TIMERS: &str = "@event-timers";
/// The table of a keyed function's timers for processing time.
pub(crate) const PROCESSING_TIMERS: &str = "@processing-timers";

pub(crate) struct TimerService<K: Key> {
    pub(crate) event: Timers<K>,
    pub(crate) processing: Timers<K>,
}

impl<K: Key> TimerService<K> {
    pub(crate) fn open(cx: &OpenContext<'_>) -> Self {
        Self::of(cx.operator)
    }

    /// No timers, of this operator.
    pub(crate) fn of(operator: OperatorId) -> Self {
        let timers = |name: &str| Timers::new(operator.table(name), name);
        Self { event: timers(EVENT_TIMERS), processing: timers(PROCESSING_TIMERS) }
    }

    pub(crate) fn pop_due(&mut self, domain: TimeDomain, now: Timestamp) -> Option<Timer<K>> {
        match domain {
            TimeDomain::Event => self.event.pop_due(now),
            TimeDomain::Processing => self.processing.pop_due(now),
        }
    }

    pub(crate) fn of_domain(&self, domain: TimeDomain) -> &Timers<K> {
        match domain {
            TimeDomain::Event => &self.event,
            TimeDomain::Processing => &self.processing,
        }
    }

    pub(crate) fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        visit(&mut self.event);
        visit(&mut self.processing);
    }
}
