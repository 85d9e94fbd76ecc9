//! ProcessFunction on a stream without keys: records one by one, with their time, the watermark and side outputs.

use std::collections::BTreeMap;

use rkyv::{Archive, Serialize};
use yeoul_frame::{Frame, Record, RowKind, RowSerializer, Timestamp};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError, OutputId, Snapshot, Subtask};

use crate::collector::Collector;
use crate::operator_state::{BroadcastStateHandle, ListStateHandle, OperatorStates, UnionList, UnionListStateHandle};
use crate::side_outputs::SideOutputs;
use crate::stateless::opened;
use crate::tag::Sides;
use crate::{OutputTag, StateRecord};

/// Works on one record after another (Flink's `ProcessFunction`).
///
/// ```
/// use yeoul_operator::OperatorError;
/// use yeoul_stream::{Collector, OperatorHarness, OutputTag, ProcessContext, ProcessFunction};
///
/// #[derive(Clone)]
/// struct SplitOff(OutputTag<u64>);
///
/// impl ProcessFunction for SplitOff {
///     type In = u64;
///     type Out = u64;
///
///     fn process(&mut self, n: &rkyv::Archived<u64>, cx: &mut ProcessContext<'_>, out: &mut Collector<u64>) -> Result<(), OperatorError> {
///         let n = n.to_native();
///         if n % 2 == 0 { out.collect(n) } else { cx.output(&self.0, n) }
///         Ok(())
///     }
/// }
///
/// let odd = OutputTag::new("odd");
/// let mut harness = OperatorHarness::of(|numbers| {
///     let even = numbers.process(SplitOff(odd.clone()));
///     even.side_output(&odd);
///     even
/// })?;
/// harness.push([(1, 10), (2, 20), (3, 30)])?;
/// assert_eq!(harness.take_output(), [(2, 20)]);
/// assert_eq!(harness.take_side_output(&odd), [(1, 10), (3, 30)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub trait ProcessFunction: Send + 'static {
    /// What it takes.
    type In: Record;
    /// What it gives.
    type Out: Record;

    /// Declares state that belongs to no key, before it is restored (Flink's `CheckpointedFunction`).
    fn declare(&mut self, states: &mut OperatorStates) {
        let _ = states;
    }

    /// Called once for each subtask, before the first record.
    ///
    /// # Errors
    /// Whatever makes it impossible to run; the job fails with it.
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let _ = cx;
        Ok(())
    }

    /// Takes a record.
    ///
    /// # Errors
    /// A failure that fails the job.
    fn process(
        &mut self,
        record: &<Self::In as Archive>::Archived,
        cx: &mut ProcessContext<'_>,
        out: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError>;

    /// Called once at the end.
    fn close(&mut self) {}
}

/// What a [`ProcessFunction`] knows of the record that it is given.
///
/// ```
/// # use rkyv::Archived;
/// # use yeoul_frame::*;
/// # use yeoul_operator::*;
/// # use yeoul_stream::{BroadcastProcessFunction, Collector, DataStream, ListStateHandle, OperatorHarness, OperatorStates};
/// # use yeoul_stream::{OutputTag, ProcessContext, ProcessFunction, UnionListStateHandle};
/// # #[derive(Clone)] struct Function;
/// # impl ProcessFunction for Function {
/// #     type In = u64; type Out = (u64, i64, i64);
/// // In an `impl ProcessFunction`:
/// fn process(&mut self, record: &Archived<u64>, cx: &mut ProcessContext<'_>, out: &mut Collector<(u64, i64, i64)>) -> Result<(), OperatorError> {
///     assert_eq!((cx.kind(), cx.subtask().index, cx.processing_time()), (RowKind::Insert, 0, Timestamp(50_000)));
///     out.collect((record.to_native(), cx.timestamp().0, cx.watermark().0));
///     Ok(())
/// }
/// # }
/// # let mut harness = OperatorHarness::of(|records: DataStream<u64>| records.process(Function))?;
/// harness.processing_time(50_000)?;
/// harness.watermark(900)?;
/// harness.push([(7, 1_000)])?;
/// assert_eq!(harness.take_output(), [((7, 1_000, 900), 1_000)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub struct ProcessContext<'a> {
    pub(crate) time: Timestamp,
    pub(crate) kind: RowKind,
    pub(crate) watermark: Timestamp,
    pub(crate) now: Timestamp,
    pub(crate) subtask: Subtask,
    pub(crate) sides: &'a mut SideOutputs,
    pub(crate) states: &'a mut OperatorStates,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a result is given away: `collect(x)` reads better than `collect(&x)`"
)]
impl ProcessContext<'_> {
    /// The record's event time.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.time
    }

    /// The record's kind, in a changelog.
    #[must_use]
    pub fn kind(&self) -> RowKind {
        self.kind
    }

    /// The present watermark.
    #[must_use]
    pub fn watermark(&self) -> Timestamp {
        self.watermark
    }

    /// The present processing time.
    #[must_use]
    pub fn processing_time(&self) -> Timestamp {
        self.now
    }

    /// Which instance this is.
    #[must_use]
    pub fn subtask(&self) -> Subtask {
        self.subtask
    }

    /// A list of this subtask's own that is part of every snapshot.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_frame::*;
    /// # use yeoul_operator::*;
    /// # use yeoul_stream::{BroadcastProcessFunction, Collector, DataStream, ListStateHandle, OperatorHarness, OperatorStates};
    /// # use yeoul_stream::{OutputTag, ProcessContext, ProcessFunction, UnionListStateHandle};
    /// # #[derive(Clone)] struct Function(ListStateHandle<u64>);
    /// # impl ProcessFunction for Function {
    /// #     type In = u64; type Out = u64;
    /// // In an `impl ProcessFunction`:
    /// fn declare(&mut self, states: &mut OperatorStates) {
    ///     self.0 = states.list("seen");
    /// }
    ///
    /// fn process(&mut self, record: &Archived<u64>, cx: &mut ProcessContext<'_>, out: &mut Collector<u64>) -> Result<(), OperatorError> {
    ///     let seen = cx.list_state(&self.0);
    ///     seen.push(record.to_native());
    ///     out.collect(seen.len() as u64);
    ///     Ok(())
    /// }
    /// # }
    /// # let mut harness = OperatorHarness::of(|records: DataStream<u64>| records.process(Function(ListStateHandle::default())))?;
    /// harness.push([(7, 0), (9, 1)])?;
    /// assert_eq!(harness.take_output(), [(1, 0), (2, 1)]);
    /// assert_eq!(harness.operator_list::<u64>("seen")?, [7, 9]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn list_state<T: StateRecord>(&mut self, handle: &ListStateHandle<T>) -> &mut Vec<T> {
        self.states.elements(handle)
    }

    /// A list of this subtask's own, and what all subtasks had in theirs before the last restore.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_frame::*;
    /// # use yeoul_operator::*;
    /// # use yeoul_stream::{BroadcastProcessFunction, Collector, DataStream, ListStateHandle, OperatorHarness, OperatorStates};
    /// # use yeoul_stream::{OutputTag, ProcessContext, ProcessFunction, UnionListStateHandle};
    /// # #[derive(Clone)] struct Function(UnionListStateHandle<u64>);
    /// # impl ProcessFunction for Function {
    /// #     type In = u64; type Out = u64;
    /// // In an `impl ProcessFunction`:
    /// fn declare(&mut self, states: &mut OperatorStates) {
    ///     self.0 = states.union_list("seen");
    /// }
    ///
    /// fn process(&mut self, record: &Archived<u64>, cx: &mut ProcessContext<'_>, out: &mut Collector<u64>) -> Result<(), OperatorError> {
    ///     let seen = cx.union_list_state(&self.0);
    ///     seen.own().push(record.to_native());
    ///     out.collect(seen.restored().len() as u64);
    ///     Ok(())
    /// }
    /// # }
    /// # let mut harness = OperatorHarness::of(|records: DataStream<u64>| records.process(Function(UnionListStateHandle::default())))?;
    /// harness.push([(7, 0), (9, 1)])?;
    /// let snapshot = harness.snapshot()?;
    /// let mut restored = harness.restored(harness.subtask(), &[&snapshot])?;
    /// restored.push([(8, 2)])?;
    /// assert_eq!(restored.take_output(), [(2, 2)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn union_list_state<T: StateRecord>(&mut self, handle: &UnionListStateHandle<T>) -> &mut UnionList<T> {
        self.states.union(handle)
    }

    /// A map of broadcast state, to read.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::*;
    /// # #[derive(Clone, Default)]
    /// # struct Above(BroadcastStateHandle<u8, u64>);
    /// # impl BroadcastProcessFunction for Above {
    /// #     type In = u64; type Broadcast = u64; type Out = u64;
    /// #     fn declare(&mut self, states: &mut OperatorStates) { self.0 = states.broadcast("limit"); }
    /// // In an `impl BroadcastProcessFunction`:
    /// fn process(&mut self, reading: &Archived<u64>, cx: &mut ProcessContext<'_>, out: &mut Collector<u64>) -> Result<(), OperatorError> {
    ///     if cx.broadcast_state(&self.0).get(&0).is_some_and(|limit| *reading > *limit) {
    ///         out.collect(reading.to_native());
    ///     }
    ///     Ok(())
    /// }
    /// # fn process_broadcast(&mut self, limit: &Archived<u64>, cx: &mut BroadcastContext<'_>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
    /// #     cx.update(&self.0).insert(0, limit.to_native());
    /// #     Ok(())
    /// # }
    /// # }
    /// # let mut harness = OperatorHarness::of_two(|readings: DataStream<u64>, limits: DataStream<u64>| {
    /// #     readings.connect_broadcast(&limits).process(Above::default())
    /// # })?;
    /// harness.push_broadcast([(100, 0)])?;
    /// harness.push([(99, 1), (101, 2)])?;
    /// assert_eq!(harness.take_output(), [(101, 2)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn broadcast_state<K: StateRecord + Ord, V: StateRecord>(
        &self,
        handle: &BroadcastStateHandle<K, V>,
    ) -> &BTreeMap<K, V> {
        self.states.entries(handle)
    }

    /// Adds a record to a side output, with the present record's event time.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_frame::*;
    /// # use yeoul_operator::*;
    /// # use yeoul_stream::{BroadcastProcessFunction, Collector, DataStream, ListStateHandle, OperatorHarness, OperatorStates};
    /// # use yeoul_stream::{OutputTag, ProcessContext, ProcessFunction, UnionListStateHandle};
    /// # #[derive(Clone)] struct Function(OutputTag<String>);
    /// # impl ProcessFunction for Function {
    /// #     type In = u64; type Out = u64;
    /// // In an `impl ProcessFunction`:
    /// fn process(&mut self, record: &Archived<u64>, cx: &mut ProcessContext<'_>, out: &mut Collector<u64>) -> Result<(), OperatorError> {
    ///     match record.to_native() {
    ///         0 => cx.output(&self.0, "none".to_owned()),
    ///         n => out.collect(n),
    ///     }
    ///     Ok(())
    /// }
    /// # }
    /// # let tag = OutputTag::new("zeros");
    /// # let mut harness = OperatorHarness::of(|records: DataStream<u64>| {
    /// #     let results = records.process(Function(tag.clone()));
    /// #     results.side_output(&tag);
    /// #     results
    /// # })?;
    /// harness.push([(7, 1), (0, 2)])?;
    /// assert_eq!(harness.take_side_output(&tag), [("none".to_owned(), 2)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn output<T: Record>(&mut self, tag: &OutputTag<T>, record: T) {
        self.sides.collect(tag, &record, self.time);
    }

    /// As [`output`](Self::output), with a record that is given as another type with the same archived form.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_frame::*;
    /// # use yeoul_operator::*;
    /// # use yeoul_stream::{BroadcastProcessFunction, Collector, DataStream, ListStateHandle, OperatorHarness, OperatorStates};
    /// # use yeoul_stream::{OutputTag, ProcessContext, ProcessFunction, UnionListStateHandle};
    /// # #[record]
    /// # #[derive(Debug, Clone, PartialEq)]
    /// # struct Name { name: String }
    /// # #[derive(Clone)] struct Function(OutputTag<Name>);
    /// # impl ProcessFunction for Function {
    /// #     type In = String; type Out = u64;
    /// // In an `impl ProcessFunction`:
    /// fn process(&mut self, record: &Archived<String>, cx: &mut ProcessContext<'_>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
    ///     // `Name` is a record of one text, `NameRow` its row.
    ///     cx.output_row(&self.0, NameRow { name: record });
    ///     Ok(())
    /// }
    /// # }
    /// # let tag = OutputTag::new("names");
    /// # let mut harness = OperatorHarness::of(|records: DataStream<String>| {
    /// #     let results = records.process(Function(tag.clone()));
    /// #     results.side_output(&tag);
    /// #     results
    /// # })?;
    /// harness.push([("swift".to_owned(), 1)])?;
    /// assert_eq!(harness.take_side_output(&tag), [(Name { name: "swift".to_owned() }, 1)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn output_row<T, U>(&mut self, tag: &OutputTag<T>, row: U)
    where
        T: Record,
        U: Archive<Archived = T::Archived> + Serialize<RowSerializer>,
    {
        self.sides.collect(tag, &row, self.time);
    }
}

impl ProcessContext<'_> {
    /// Calls `f` for each selected record of a frame.
    #[inline]
    pub(crate) fn each<T: Record, O: Record>(
        frame: &Frame,
        cx: &Context<'_>,
        (states, sides, subtask): (&mut OperatorStates, &mut SideOutputs, Subtask),
        out: &mut Collector<O>,
        mut f: impl FnMut(&T::Archived, &mut ProcessContext<'_>, &mut Collector<O>) -> Result<(), OperatorError>,
    ) -> Result<(), OperatorError> {
        let rows = frame.rows::<T>();
        let (watermark, now) = (cx.watermark(), cx.now());
        for (row, record) in rows {
            let (time, kind) = (rows.time(row), rows.kind(row));
            out.stamp(time, kind);
            f(record, &mut ProcessContext { time, kind, watermark, now, subtask, sides, states }, out)?;
        }
        Ok(())
    }
}

pub(crate) struct ProcessOperator<P: ProcessFunction> {
    function: P,
    declared: Sides,
    states: OperatorStates,
    opened: Option<(Collector<P::Out>, SideOutputs, Subtask)>,
}

impl<P: ProcessFunction> ProcessOperator<P> {
    pub(crate) fn new(function: P, declared: Sides) -> Self {
        Self { function, declared, states: OperatorStates::default(), opened: None }
    }
}

impl<P: ProcessFunction> Operator for ProcessOperator<P> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.opened = Some((Collector::new(cx.pool), SideOutputs::open(&self.declared, cx.pool), cx.subtask));
        self.function.declare(&mut self.states);
        self.function.open(cx)
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let (out, sides, subtask) = opened(&mut self.opened);
        let (function, states) = (&mut self.function, &mut self.states);
        ProcessContext::each::<P::In, _>(frame, cx, (states, sides, *subtask), out, |record, pcx, out| {
            function.process(record, pcx, out)
        })?;
        sides.flush(cx)?;
        out.flush(OutputId::MAIN, cx)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        self.states.snapshot(snapshot);
        Ok(())
    }

    fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        let (_, _, own) = opened(&mut self.opened);
        self.states.restore(name, from, *own, bytes)
    }

    fn close(&mut self) {
        self.function.close();
    }
}
