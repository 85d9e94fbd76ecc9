//! What a keyed function says ahead that it will reach for, some tens of records before it comes to it.

use yeoul_frame::{KeyHash, Timestamp};
use yeoul_state::{Key, MapHandle, States, Value};

use crate::timer_service::TimerService;

/// Where a function says ahead what it will reach for; see [`KeyedProcessFunction::prefetch`](crate::KeyedProcessFunction::prefetch).
///
/// ```
/// use rkyv::Archived;
/// use yeoul_operator::{OpenContext, OperatorError};
/// use yeoul_state::{MapHandle, States};
/// use yeoul_stream::{Collector, KeyedContext, KeyedProcessFunction, Prefetch};
///
/// /// Counts what each customer buys of each article.
/// #[derive(Clone, Default)]
/// struct Bought(MapHandle<u64, u64>);
///
/// impl KeyedProcessFunction for Bought {
///     type Key = u64;
///     type In = (u64, u64);
///     type Out = u64;
///
///     fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
///         self.0 = states.map("bought");
///         Ok(())
///     }
///
///     fn prefetch(&self, bought: &Archived<(u64, u64)>, ahead: &mut Prefetch<'_, u64>) {
///         ahead.entry(&self.0, &bought.1.to_native());
///     }
///
///     fn process(&mut self, bought: &Archived<(u64, u64)>, cx: &mut KeyedContext<'_, u64>, _: &mut Collector<u64>)
///     -> Result<(), OperatorError> {
///         *cx.state(&self.0).get_or_else(&bought.1.to_native(), || 0) += 1;
///         Ok(())
///     }
/// }
/// ```
pub struct Prefetch<'a, K: Key> {
    pub(crate) states: &'a mut States<K>,
    pub(crate) timers: &'a TimerService<K>,
    pub(crate) hash: KeyHash,
}

impl<K: Key> Prefetch<'_, K> {
    /// An entry of a map state of the record's key.
    #[inline]
    pub fn entry<N: Key + Ord, V: Value>(&mut self, map: &MapHandle<N, V>, entry: &N) {
        map.prefetch(self.states, self.hash, entry);
    }

    /// A timer for event time of the record's key.
    ///
    /// ```
    /// use rkyv::Archived;
    /// use yeoul_stream::{KeyedProcessFunction, Prefetch};
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::{Collector, DataStream, KeyedContext, OperatorHarness};
    /// # #[derive(Clone)]
    /// # struct Remind;
    /// # impl KeyedProcessFunction for Remind {
    /// #     type Key = u64;
    /// #     type In = (u64, i64);
    /// #     type Out = u64;
    /// // In an `impl KeyedProcessFunction` that sets a timer for the time that a record says:
    /// fn prefetch(&self, record: &Archived<(u64, i64)>, ahead: &mut Prefetch<'_, u64>) {
    ///     ahead.event_time_timer(yeoul_frame::Timestamp(record.1.to_native()));
    /// }
    /// #     fn process(&mut self, record: &Archived<(u64, i64)>, cx: &mut KeyedContext<'_, u64>, _: &mut Collector<u64>)
    /// #     -> Result<(), OperatorError> {
    /// #         cx.register_event_time_timer(yeoul_frame::Timestamp(record.1.to_native()));
    /// #         Ok(())
    /// #     }
    /// # }
    /// # let mut harness = OperatorHarness::of(|records: DataStream<(u64, i64)>| records.key_by(|record| record.0.to_native()).process(Remind))?;
    /// harness.push([((7, 100), 0), ((8, 200), 0)])?;
    /// assert_eq!(harness.num_event_time_timers(), 2);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[inline]
    pub fn event_time_timer(&mut self, time: Timestamp) {
        self.timers.event.prefetch(self.hash, 0, time);
    }

    /// A timer for processing time of the record's key.
    ///
    /// ```
    /// use rkyv::Archived;
    /// use yeoul_stream::{KeyedProcessFunction, Prefetch};
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::{Collector, DataStream, KeyedContext, OperatorHarness};
    /// # #[derive(Clone)]
    /// # struct Remind;
    /// # impl KeyedProcessFunction for Remind {
    /// #     type Key = u64;
    /// #     type In = (u64, i64);
    /// #     type Out = u64;
    /// // In an `impl KeyedProcessFunction` that sets a timer for the time that a record says:
    /// fn prefetch(&self, record: &Archived<(u64, i64)>, ahead: &mut Prefetch<'_, u64>) {
    ///     ahead.processing_time_timer(yeoul_frame::Timestamp(record.1.to_native()));
    /// }
    /// #     fn process(&mut self, record: &Archived<(u64, i64)>, cx: &mut KeyedContext<'_, u64>, _: &mut Collector<u64>)
    /// #     -> Result<(), OperatorError> {
    /// #         cx.register_processing_time_timer(yeoul_frame::Timestamp(record.1.to_native()));
    /// #         Ok(())
    /// #     }
    /// # }
    /// # let mut harness = OperatorHarness::of(|records: DataStream<(u64, i64)>| records.key_by(|record| record.0.to_native()).process(Remind))?;
    /// harness.push([((7, 100), 0), ((8, 200), 0)])?;
    /// assert_eq!(harness.num_processing_time_timers(), 2);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[inline]
    pub fn processing_time_timer(&mut self, time: Timestamp) {
        self.timers.processing.prefetch(self.hash, 0, time);
    }
}
