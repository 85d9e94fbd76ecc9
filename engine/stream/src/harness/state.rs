//! Keyed state of an operator, read and set by a test: by the state's name, for any key.
//!
//! What is opened is the state that the operator's function has, so a change is seen by the function, and is part of the next snapshot.

use yeoul_frame::Record;
use yeoul_state::{
    AggregateFunction, AggregatingHandle, AggregatingState, Key, ListHandle, ListState, MapHandle, MapState,
    ReducingHandle, ReducingState, StateHandle, Value, ValueHandle, ValueState,
};

use super::{HarnessError, OperatorHarness};

impl<I: Record, O: Record, J: Record> OperatorHarness<I, O, J> {
    /// Opens the value state of a key, at the present processing time.
    ///
    /// ```
    /// # use yeoul_operator::{OpenContext, OperatorError};
    /// # use yeoul_state::{States, ValueHandle};
    /// # use yeoul_stream::{Collector, DataStream, KeyedContext, KeyedProcessFunction, OperatorHarness};
    /// /// Counts the records of each key.
    /// #[derive(Clone, Default)]
    /// struct Counting {
    ///     count: ValueHandle<u64>,
    /// }
    ///
    /// impl KeyedProcessFunction for Counting {
    ///     type Key = u64;
    ///     type In = u64;
    ///     type Out = u64;
    ///
    ///     fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
    ///         self.count = states.value("count");
    ///         Ok(())
    ///     }
    ///
    ///     fn process(&mut self, _: &rkyv::Archived<u64>, cx: &mut KeyedContext<'_, u64>, out: &mut Collector<u64>) -> Result<(), OperatorError> {
    ///         let count = cx.state(&self.count).get_or(0);
    ///         *count += 1;
    ///         out.collect(*count);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.key_by(|n| n.to_native()).process(Counting::default()))?;
    /// harness.push([(7, 0), (7, 1)])?;
    /// assert_eq!(harness.value_state::<u64, u64, _>(&7, "count", |count| count.get().copied())?, Some(2));
    /// harness.value_state::<u64, u64, _>(&7, "count", |mut count| count.update(40))?;
    /// harness.push([(7, 2)])?;
    /// assert_eq!(harness.take_output().last(), Some(&(41, 2)));
    /// let error = harness.value_state::<u64, u64, _>(&7, "counts", |_| ()).unwrap_err().to_string();
    /// assert!(error.contains("no state 'counts'; it has 'count' (u64 to u64)"), "{error}");
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    ///
    /// # Errors
    /// If the operator has no such state, the state has another kind or other types, or the key belongs to another subtask.
    pub fn value_state<K: Key, V: Value, R>(
        &mut self,
        key: &K,
        name: &str,
        look: impl FnOnce(ValueState<'_, K, V>) -> R,
    ) -> Result<R, HarnessError> {
        self.state::<K, ValueHandle<V>, R>(key, name, look)
    }

    /// Opens the list state of a key.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_operator::{OpenContext, OperatorError};
    /// # use yeoul_state::*;
    /// # use yeoul_stream::{Collector, Count, DataStream, KeyedContext, KeyedProcessFunction, OperatorHarness};
    /// # #[derive(Clone)] struct Numbers(ListHandle<u64>);
    /// # impl KeyedProcessFunction for Numbers {
    /// #     type Key = u64; type In = u64; type Out = u64;
    /// #     fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
    /// #         self.0 = states.list("numbers");
    /// #         Ok(())
    /// #     }
    /// #     fn process(&mut self, n: &Archived<u64>, cx: &mut KeyedContext<'_, u64>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
    /// #         cx.state(&self.0).add(n.to_native());
    /// #         Ok(())
    /// #     }
    /// # }
    /// # let numbers = Numbers(ListHandle::default());
    /// // A function that keeps the numbers of each ten in a list:
    /// let mut harness = OperatorHarness::of(|stream: DataStream<u64>| stream.key_by(|n| n.to_native() / 10).process(numbers))?;
    /// harness.push([(71, 0), (75, 1)])?;
    /// let numbers = harness.list_state::<u64, u64, _>(&7, "numbers", |mut numbers| numbers.get())?;
    /// assert_eq!(numbers, [71, 75]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    ///
    /// # Errors
    /// As [`value_state`](Self::value_state).
    pub fn list_state<K: Key, T: Value, R>(
        &mut self,
        key: &K,
        name: &str,
        look: impl FnOnce(ListState<'_, K, T>) -> R,
    ) -> Result<R, HarnessError> {
        self.state::<K, ListHandle<T>, R>(key, name, look)
    }

    /// Opens the map state of a key.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_operator::{OpenContext, OperatorError};
    /// # use yeoul_state::*;
    /// # use yeoul_stream::{Collector, Count, DataStream, KeyedContext, KeyedProcessFunction, OperatorHarness};
    /// # #[derive(Clone)] struct Numbers(MapHandle<u64, u64>);
    /// # impl KeyedProcessFunction for Numbers {
    /// #     type Key = u64; type In = u64; type Out = u64;
    /// #     fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
    /// #         self.0 = states.map("numbers");
    /// #         Ok(())
    /// #     }
    /// #     fn process(&mut self, n: &Archived<u64>, cx: &mut KeyedContext<'_, u64>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
    /// #         cx.state(&self.0).put(&(n.to_native() % 10), n.to_native());
    /// #         Ok(())
    /// #     }
    /// # }
    /// # let numbers = Numbers(MapHandle::default());
    /// // A function that keeps the numbers of each ten by their last digit:
    /// let mut harness = OperatorHarness::of(|stream: DataStream<u64>| stream.key_by(|n| n.to_native() / 10).process(numbers))?;
    /// harness.push([(71, 0), (75, 1)])?;
    /// let digits = harness.map_state::<u64, u64, u64, _>(&7, "numbers", |mut numbers| numbers.keys())?;
    /// assert_eq!(digits, [1, 5]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    ///
    /// # Errors
    /// As [`value_state`](Self::value_state).
    pub fn map_state<K: Key, N: Key + Ord, V: Value, R>(
        &mut self,
        key: &K,
        name: &str,
        look: impl FnOnce(MapState<'_, K, N, V>) -> R,
    ) -> Result<R, HarnessError> {
        self.state::<K, MapHandle<N, V>, R>(key, name, look)
    }

    /// Opens the reducing state of a key.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_operator::{OpenContext, OperatorError};
    /// # use yeoul_state::*;
    /// # use yeoul_stream::{Collector, Count, DataStream, KeyedContext, KeyedProcessFunction, OperatorHarness};
    /// # #[derive(Clone)] struct Numbers(ReducingHandle<u64>);
    /// # impl KeyedProcessFunction for Numbers {
    /// #     type Key = u64; type In = u64; type Out = u64;
    /// #     fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
    /// #         self.0 = states.reducing("sum", |sum: &u64, n| sum + n);
    /// #         Ok(())
    /// #     }
    /// #     fn process(&mut self, n: &Archived<u64>, cx: &mut KeyedContext<'_, u64>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
    /// #         cx.state(&self.0).add(n.to_native());
    /// #         Ok(())
    /// #     }
    /// # }
    /// # let numbers = Numbers(ReducingHandle::default());
    /// // A function that keeps the sum of each ten:
    /// let mut harness = OperatorHarness::of(|stream: DataStream<u64>| stream.key_by(|n| n.to_native() / 10).process(numbers))?;
    /// harness.push([(71, 0), (75, 1)])?;
    /// let sum = harness.reducing_state::<u64, u64, _>(&7, "sum", |sum| sum.get().copied())?;
    /// assert_eq!(sum, Some(146));
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    ///
    /// # Errors
    /// As [`value_state`](Self::value_state).
    pub fn reducing_state<K: Key, V: Value, R>(
        &mut self,
        key: &K,
        name: &str,
        look: impl FnOnce(ReducingState<'_, K, V>) -> R,
    ) -> Result<R, HarnessError> {
        self.state::<K, ReducingHandle<V>, R>(key, name, look)
    }

    /// Opens the aggregating state of a key.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_operator::{OpenContext, OperatorError};
    /// # use yeoul_state::*;
    /// # use yeoul_stream::{Collector, Count, DataStream, KeyedContext, KeyedProcessFunction, OperatorHarness};
    /// # #[derive(Clone)] struct Numbers(AggregatingHandle<Count<Archived<u64>>>);
    /// # impl KeyedProcessFunction for Numbers {
    /// #     type Key = u64; type In = u64; type Out = u64;
    /// #     fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
    /// #         self.0 = states.aggregating("count", Count::new());
    /// #         Ok(())
    /// #     }
    /// #     fn process(&mut self, n: &Archived<u64>, cx: &mut KeyedContext<'_, u64>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
    /// #         cx.state(&self.0).add(n);
    /// #         Ok(())
    /// #     }
    /// # }
    /// # let numbers = Numbers(AggregatingHandle::default());
    /// // A function that keeps how many numbers of each ten there were:
    /// let mut harness = OperatorHarness::of(|stream: DataStream<u64>| stream.key_by(|n| n.to_native() / 10).process(numbers))?;
    /// harness.push([(71, 0), (75, 1)])?;
    /// let count = harness.aggregating_state::<u64, Count<Archived<u64>>, _>(&7, "count", |mut count| count.get())?;
    /// assert_eq!(count, Some(2));
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    ///
    /// # Errors
    /// As [`value_state`](Self::value_state).
    pub fn aggregating_state<K: Key, A: AggregateFunction, R>(
        &mut self,
        key: &K,
        name: &str,
        look: impl FnOnce(AggregatingState<'_, K, A>) -> R,
    ) -> Result<R, HarnessError> {
        self.state::<K, AggregatingHandle<A>, R>(key, name, look)
    }

    fn state<K: Key, H: StateHandle<K>, R>(
        &mut self,
        key: &K,
        name: &str,
        look: impl FnOnce(H::State<'_>) -> R,
    ) -> Result<R, HarnessError> {
        let operator = self.recipe.name.clone();
        if !self.log.owns(key.hash()) {
            let subtask = self.subtask;
            return Err(HarnessError::State(format!(
                "the key belongs to another subtask than {} of {}; ask the harness of that one",
                subtask.index, subtask.parallelism
            )));
        }
        let now = self.now;
        let seen = self.look_at(name, |table| {
            let (saved_key, saved_value) = table.describe().types;
            H::open_in(table, key, now).map(look).ok_or_else(|| {
                HarnessError::State(format!(
                    "state '{name}' of operator '{operator}' keeps {saved_key} to {saved_value}, and is asked for as {} of keys of type {}",
                    std::any::type_name::<H>(),
                    std::any::type_name::<K>()
                ))
            })
        });
        seen.unwrap_or_else(|| Err(self.no_state(name)))
    }

    fn no_state(&mut self, name: &str) -> HarnessError {
        let mut there = Vec::new();
        self.operator.tables(&mut |table| {
            let of = table.describe();
            there.push(format!("'{}' ({} to {})", of.name, of.types.0, of.types.1));
        });
        let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
        HarnessError::State(format!("operator '{}' has no state '{name}'; it has {there}", self.recipe.name))
    }
}
