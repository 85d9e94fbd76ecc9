//! State of window functions: of a key and window, and of a key over all its windows.

use yeoul_frame::OperatorId;
use yeoul_state::{Key, StateTable, States};

use crate::WindowKey;

/// Where a window function declares its states.
///
/// ```
/// use std::time::Duration;
/// use yeoul_operator::OperatorError;
/// use yeoul_state::ValueHandle;
/// use yeoul_stream::{
///     Collector, DataStream, OperatorHarness, ProcessWindowFunction, TumblingEventTimeWindows, WindowContext, WindowStates,
/// };
///
/// /// Which firing of its window it is: the first at its end, later ones with late readings.
/// #[derive(Clone, Default)]
/// struct Firings(ValueHandle<u64>);
///
/// impl ProcessWindowFunction for Firings {
///     type Key = u64;
///     type In = u64;
///     type Out = u64;
///
///     fn declare(&mut self, states: &mut WindowStates<u64>) {
///         self.0 = states.window.value("firings");
///     }
///
///     fn process(&mut self, _: &u64, cx: &mut WindowContext<'_, u64>, _: &[u64], out: &mut Collector<u64>) -> Result<(), OperatorError> {
///         let firings = cx.window_state(&self.0).get_or(0);
///         *firings += 1;
///         out.collect(*firings);
///         Ok(())
///     }
///
///     fn clear(&mut self, _: &u64, cx: &mut WindowContext<'_, u64>) -> Result<(), OperatorError> {
///         cx.window_state(&self.0).clear();
///         Ok(())
///     }
/// }
///
/// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
///     let minutes = TumblingEventTimeWindows::of(Duration::from_secs(60));
///     readings.key_by(|id| id.to_native()).window(minutes).allowed_lateness(Duration::from_secs(60)).process(Firings::default())
/// })?;
/// harness.push([(7, 1_000)])?;
/// harness.watermark(59_999)?;
/// harness.push([(7, 2_000)])?;
/// assert_eq!(harness.take_output(), [(1, 59_999), (2, 59_999)]);
/// harness.finish()?;
/// assert_eq!(harness.state_entries(), 0);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub struct WindowStates<K: Key> {
    /// States of a key and window (Flink's `windowState()`). What they hold is for the function's `clear` to remove.
    pub window: States<WindowKey<K>>,
    /// States of a key, which all its windows share (Flink's `globalState()`).
    pub global: States<K>,
}

impl<K: Key> WindowStates<K> {
    /// None are declared yet.
    pub(crate) fn new(operator: OperatorId) -> Self {
        Self { window: States::new(operator).prefixed("window: "), global: States::new(operator).prefixed("global: ") }
    }

    pub(crate) fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        self.window.tables().for_each(&mut *visit);
        self.global.tables().for_each(&mut *visit);
    }
}
