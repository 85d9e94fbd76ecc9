//! What is taken out of a window around its function: the trait of evictors, and those of Flink.
//!
//! A window with an evictor keeps all its elements, whatever its function is.

mod count;
mod delta;
mod time;

use yeoul_frame::Timestamp;

use crate::TimeWindow;

pub use count::CountEvictor;
pub use delta::DeltaEvictor;
pub use time::TimeEvictor;

/// An element of a window and its event time (Flink's `TimestampedValue`).
///
/// ```
/// use yeoul_frame::Timestamp;
/// use yeoul_stream::{Evictor, EvictorContext, TimestampedValue};
///
/// /// Leaves what came at or after a time, and positive.
/// struct Since(Timestamp);
///
/// impl Evictor<i64> for Since {
///     fn evict_before(&mut self, elements: &mut Vec<TimestampedValue<i64>>, _: &EvictorContext) {
///         elements.retain(|element| *element.value() > 0 && element.timestamp().is_some_and(|time| time >= self.0));
///     }
/// }
/// ```
#[derive(Debug)]
pub struct TimestampedValue<T> {
    pub(crate) value: T,
    pub(crate) time: Timestamp,
    /// Which firing of the operator, and its place in the window then: what is missing afterwards has been evicted.
    pub(crate) place: (u64, usize),
}

impl<T> TimestampedValue<T> {
    /// The element.
    #[must_use]
    pub fn value(&self) -> &T {
        &self.value
    }

    /// Its event time, if it has one.
    #[must_use]
    pub fn timestamp(&self) -> Option<Timestamp> {
        Some(self.time).filter(|time| *time != Timestamp::MIN)
    }
}

/// What an evictor knows of the window that fires (Flink's `EvictorContext`).
///
/// ```
/// use yeoul_stream::{Evictor, EvictorContext, TimestampedValue};
///
/// /// Leaves the second half of a window, once it fires at its end.
/// struct SecondHalf;
///
/// impl Evictor<i64> for SecondHalf {
///     fn evict_before(&mut self, elements: &mut Vec<TimestampedValue<i64>>, cx: &EvictorContext) {
///         let window = cx.window();
///         if cx.current_watermark() >= window.max_timestamp() {
///             let middle = window.start.plus((window.end.0 - window.start.0) / 2);
///             elements.retain(|element| element.timestamp() >= Some(middle));
///         }
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct EvictorContext {
    pub(crate) window: TimeWindow,
    pub(crate) watermark: Timestamp,
    pub(crate) now: Timestamp,
}

impl EvictorContext {
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
    ///
    /// ```
    /// use yeoul_stream::{Evictor, EvictorContext, TimestampedValue};
    /// # use yeoul_stream::{Count, CountTrigger, DataStream, GlobalWindows, OperatorHarness};
    ///
    /// /// Leaves nothing of a window that fires in the first second of the clock.
    /// #[derive(Clone)]
    /// struct Warming;
    ///
    /// impl Evictor<u64> for Warming {
    ///     fn evict_before(&mut self, elements: &mut Vec<TimestampedValue<u64>>, cx: &EvictorContext) {
    ///         elements.retain(|_| cx.current_processing_time().0 >= 1_000);
    ///     }
    /// }
    ///
    /// # let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
    /// #     let all = readings.key_by(|id| id.to_native()).window(GlobalWindows::create());
    /// #     all.trigger(CountTrigger::of(1)).evictor(Warming).aggregate(Count::new())
    /// # })?;
    /// harness.push([(7, 0)])?;
    /// harness.processing_time(1_000)?;
    /// harness.push([(7, 0)])?;
    /// assert_eq!(harness.take_output().last(), Some(&(1u64, i64::MAX)));
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn current_processing_time(&self) -> Timestamp {
        self.now
    }
}

/// Takes elements out of a window that fires (Flink's `Evictor`), before its function sees them or after it. What is taken out is gone
/// from the window; the order in which an evictor leaves the others is the function's, not the window's. Elements of another firing are not
/// put in: the job would fail.
///
/// ```
/// use yeoul_stream::{Count, CountTrigger, DataStream, Evictor, EvictorContext, GlobalWindows, OperatorHarness, TimestampedValue};
///
/// /// The function sees, and the window keeps, even readings only.
/// #[derive(Clone)]
/// struct Even;
///
/// impl Evictor<u64> for Even {
///     fn evict_before(&mut self, elements: &mut Vec<TimestampedValue<u64>>, _: &EvictorContext) {
///         elements.retain(|element| element.value() % 2 == 0);
///     }
/// }
///
/// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
///     let all = readings.key_by(|_| ()).window(GlobalWindows::create());
///     all.trigger(CountTrigger::of(3)).evictor(Even).aggregate(Count::new())
/// })?;
/// harness.push((0..6).map(|n| (n, 0)))?;
/// let counts: Vec<u64> = harness.take_output().into_iter().map(|(count, _)| count).collect();
/// assert_eq!(counts, [2, 3]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub trait Evictor<T>: Send + 'static {
    /// Before the function: `elements` are all of the window's, in the order in which they came.
    fn evict_before(&mut self, elements: &mut Vec<TimestampedValue<T>>, cx: &EvictorContext) {
        let _ = (elements, cx);
    }

    /// After the function: `elements` are those that it saw.
    fn evict_after(&mut self, elements: &mut Vec<TimestampedValue<T>>, cx: &EvictorContext) {
        let _ = (elements, cx);
    }
}

/// On which side of the function an evictor works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

/// The methods of an evictor with a `side` and an `evict`.
macro_rules! on_its_side {
    ($item:ty) => {
        fn evict_before(&mut self, elements: &mut Vec<TimestampedValue<$item>>, _: &EvictorContext) {
            if self.side == Side::Before {
                self.evict(elements);
            }
        }

        fn evict_after(&mut self, elements: &mut Vec<TimestampedValue<$item>>, _: &EvictorContext) {
            if self.side == Side::After {
                self.evict(elements);
            }
        }
    };
}
use on_its_side;
