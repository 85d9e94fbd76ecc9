//! The timers of a keyed function, looked at from outside.

use yeoul_frame::Record;
use yeoul_state::{Key, StateTable, Timers};

use super::{HarnessError, OperatorHarness};
use crate::TimeDomain;
use crate::timer_service::{EVENT_TIMERS, PROCESSING_TIMERS};

fn table_of(domain: TimeDomain) -> &'static str {
    match domain {
        TimeDomain::Event => EVENT_TIMERS,
        TimeDomain::Processing => PROCESSING_TIMERS,
    }
}

impl<I: Record, O: Record, J: Record> OperatorHarness<I, O, J> {
    /// How many timers for event time a keyed function has set.
    ///
    /// ```
    /// # use yeoul_operator::{OpenContext, OperatorError};
    /// # use yeoul_stream::{Collector, DataStream, KeyedContext, KeyedProcessFunction, OperatorHarness, TimeDomain};
    /// /// Sets a timer a second after each record.
    /// #[derive(Clone)]
    /// struct Second;
    ///
    /// impl KeyedProcessFunction for Second {
    ///     type Key = u64;
    ///     type In = u64;
    ///     type Out = u64;
    ///
    ///     fn process(&mut self, _: &rkyv::Archived<u64>, cx: &mut KeyedContext<'_, u64>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
    ///         cx.register_event_time_timer(cx.timestamp().plus(1_000));
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.key_by(|n| n.to_native()).process(Second))?;
    /// harness.push([(7, 10), (8, 20), (7, 30)])?;
    /// assert_eq!((harness.num_event_time_timers(), harness.num_processing_time_timers()), (3, 0));
    /// assert_eq!(harness.timers(TimeDomain::Event, &7u64)?, [1_010, 1_030]);
    /// harness.watermark(1_020)?;
    /// assert_eq!(harness.num_event_time_timers(), 1);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn num_event_time_timers(&mut self) -> usize {
        self.num_timers(TimeDomain::Event)
    }

    /// How many timers for processing time a keyed function has set.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::{Collector, DataStream, KeyedContext, KeyedProcessFunction, OperatorHarness, TimeDomain};
    /// # #[derive(Clone)] struct Second;
    /// # impl KeyedProcessFunction for Second {
    /// #     type Key = u64; type In = u64; type Out = u64;
    /// // In an `impl KeyedProcessFunction`:
    /// fn process(&mut self, _: &Archived<u64>, cx: &mut KeyedContext<'_, u64>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
    ///     cx.register_processing_time_timer(cx.processing_time().plus(1_000));
    ///     Ok(())
    /// }
    /// # }
    /// # let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.key_by(|n| n.to_native()).process(Second))?;
    /// harness.push([(7, 10), (8, 20)])?;
    /// assert_eq!(harness.num_processing_time_timers(), 2);
    /// harness.processing_time(1_000)?;
    /// assert_eq!(harness.num_processing_time_timers(), 0);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn num_processing_time_timers(&mut self) -> usize {
        self.num_timers(TimeDomain::Processing)
    }

    fn num_timers(&mut self, domain: TimeDomain) -> usize {
        self.look_at(table_of(domain), |table| table.len()).unwrap_or(0)
    }

    /// When a key's timers of one kind are due, in order.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::{Collector, DataStream, KeyedContext, KeyedProcessFunction, OperatorHarness, TimeDomain};
    /// # #[derive(Clone)] struct Second;
    /// # impl KeyedProcessFunction for Second {
    /// #     type Key = u64; type In = u64; type Out = u64;
    /// // In an `impl KeyedProcessFunction`:
    /// fn process(&mut self, _: &Archived<u64>, cx: &mut KeyedContext<'_, u64>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
    ///     cx.register_event_time_timer(cx.timestamp().plus(1_000));
    ///     Ok(())
    /// }
    /// # }
    /// # let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.key_by(|n| n.to_native()).process(Second))?;
    /// harness.push([(7, 10), (8, 20)])?;
    /// assert_eq!(harness.timers(TimeDomain::Event, &8u64)?, [1_020]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    ///
    /// # Errors
    /// If the operator is no keyed function, or its key has another type.
    pub fn timers<K: Key>(&mut self, domain: TimeDomain, key: &K) -> Result<Vec<i64>, HarnessError> {
        let times = self.look_at(table_of(domain), |table| {
            let timers = table.as_any()?.downcast_ref::<Timers<K>>()?;
            Some(timers.iter().filter(|timer| timer.key == *key).map(|timer| timer.time.0).collect())
        });
        match times {
            Some(Some(times)) => Ok(times),
            Some(None) => Err(HarnessError::State(format!(
                "the timers of operator '{}' are not those of keys of type {}",
                self.recipe.name,
                std::any::type_name::<K>()
            ))),
            None => Err(HarnessError::State(format!(
                "operator '{}' has no timers of its function's; it is no keyed function",
                self.recipe.name
            ))),
        }
    }

    /// Looks at a table of the operator.
    pub(super) fn look_at<R>(&mut self, name: &str, look: impl FnOnce(&mut dyn StateTable) -> R) -> Option<R> {
        let id = self.recipe.id.table(name);
        let (mut look, mut seen) = (Some(look), None);
        self.operator.tables(&mut |table| {
            if table.id() == id
                && let Some(look) = look.take()
            {
                seen = Some(look(table));
            }
        });
        seen
    }
}
