//! What a function keeps beside its keys, looked at by a test: as it would be noted at a barrier that stands here.

use std::collections::BTreeMap;

use yeoul_frame::{Epoch, Record};
use yeoul_operator::Snapshot;

use super::{HarnessError, OperatorHarness};
use crate::StateRecord;
use crate::owned_state::take;

impl<I: Record, O: Record, J: Record> OperatorHarness<I, O, J> {
    /// A map of a function's broadcast state.
    ///
    /// ```
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::{
    /// #     BroadcastContext, BroadcastProcessFunction, BroadcastStateHandle, Collector, DataStream, OperatorHarness, OperatorStates, ProcessContext,
    /// # };
    /// /// Keeps the last limit of each sensor.
    /// #[derive(Clone, Default)]
    /// struct Limits {
    ///     limits: BroadcastStateHandle<u64, i64>,
    /// }
    ///
    /// impl BroadcastProcessFunction for Limits {
    ///     type In = u64;
    ///     type Broadcast = (u64, i64);
    ///     type Out = i64;
    ///
    ///     fn declare(&mut self, states: &mut OperatorStates) {
    ///         self.limits = states.broadcast("limits");
    ///     }
    ///
    ///     fn process(&mut self, sensor: &rkyv::Archived<u64>, cx: &mut ProcessContext<'_>, out: &mut Collector<i64>) -> Result<(), OperatorError> {
    ///         cx.broadcast_state(&self.limits).get(&sensor.to_native()).into_iter().for_each(|limit| out.collect(*limit));
    ///         Ok(())
    ///     }
    ///
    ///     fn process_broadcast(
    ///         &mut self, limit: &rkyv::Archived<(u64, i64)>, cx: &mut BroadcastContext<'_>, _: &mut Collector<i64>,
    ///     ) -> Result<(), OperatorError> {
    ///         cx.update(&self.limits).insert(limit.0.to_native(), limit.1.to_native());
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let mut harness = OperatorHarness::of_two(|sensors: DataStream<u64>, limits: DataStream<(u64, i64)>| {
    ///     sensors.connect_broadcast(&limits).process(Limits::default())
    /// })?;
    /// harness.push_broadcast([((7, 100), 0)])?;
    /// assert_eq!(harness.broadcast_state::<u64, i64>("limits")?[&7], 100);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    ///
    /// # Errors
    /// If the function has not declared such a map, or its entries have other types.
    pub fn broadcast_state<K: StateRecord + Ord, V: StateRecord>(
        &mut self,
        name: &str,
    ) -> Result<BTreeMap<K, V>, HarnessError> {
        let bytes = self.noted(&format!("broadcast {name}"))?;
        let (mut bytes, mut entries) = (bytes.as_slice(), BTreeMap::new());
        while !bytes.is_empty() {
            let key = take(&mut bytes).map_err(HarnessError::Corrupt)?;
            entries.insert(key, take(&mut bytes).map_err(HarnessError::Corrupt)?);
        }
        Ok(entries)
    }

    /// The elements of a list that a function keeps beside its keys.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::{Collector, DataStream, ListStateHandle, OperatorHarness, OperatorStates, ProcessContext, ProcessFunction};
    /// # #[derive(Clone, Default)] struct Seen(ListStateHandle<u64>);
    /// # impl ProcessFunction for Seen {
    /// #     type In = u64; type Out = u64;
    /// #     fn declare(&mut self, states: &mut OperatorStates) { self.0 = states.list("seen"); }
    /// #     fn process(&mut self, n: &Archived<u64>, cx: &mut ProcessContext<'_>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
    /// #         cx.list_state(&self.0).push(n.to_native());
    /// #         Ok(())
    /// #     }
    /// # }
    /// // A function that keeps what it has seen in a list of its subtask's:
    /// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.process(Seen::default()))?;
    /// harness.push([(7, 0), (9, 1)])?;
    /// assert_eq!(harness.operator_list::<u64>("seen")?, [7, 9]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    ///
    /// # Errors
    /// If the function has not declared such a list, or its elements have another type.
    pub fn operator_list<T: StateRecord>(&mut self, name: &str) -> Result<Vec<T>, HarnessError> {
        let bytes = self.noted(&format!("list {name}"))?;
        let (mut bytes, mut elements) = (bytes.as_slice(), Vec::new());
        while !bytes.is_empty() {
            elements.push(take(&mut bytes).map_err(HarnessError::Corrupt)?);
        }
        Ok(elements)
    }

    /// Pushes records with their event times into the broadcast input, which is the second.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of_two(|numbers: DataStream<u64>, rules: DataStream<u64>| {
    ///     numbers.connect(&rules.broadcast()).map(|n| n.to_native(), |rule| rule.to_native() + 100)
    /// })?;
    /// harness.push_broadcast([(1, 0)])?;
    /// assert_eq!(harness.take_output(), [(101, 0)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    ///
    /// # Errors
    /// The operator failed.
    pub fn push_broadcast(&mut self, records: impl IntoIterator<Item = (J, i64)>) -> Result<(), HarnessError> {
        self.push_second(records)
    }

    fn noted(&mut self, name: &str) -> Result<Vec<u8>, HarnessError> {
        let (mut states, mut sealed) = (Vec::new(), Vec::new());
        self.operator.snapshot(&mut Snapshot::new(Epoch(0), self.recipe.id, &mut states, &mut sealed))?;
        let there: Vec<String> = states.iter().map(|(_, name, _)| format!("'{name}'")).collect();
        let found = states.into_iter().find(|(_, noted, _)| noted == name);
        found.map(|(_, _, bytes)| bytes).ok_or_else(|| {
            let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
            HarnessError::State(format!("operator '{}' has no state '{name}'; it has {there}", self.recipe.name))
        })
    }
}
