//! Joins of two keyed streams by how far their event times lie apart.

mod buffers;
mod notes;
mod operator;

use std::marker::PhantomData;
use std::sync::Arc;

use yeoul_frame::{Record, Timestamp};
use yeoul_operator::{InputId, OpenContext, OperatorError, OutputId};
use yeoul_state::Key;

use crate::collector::Collector;
use crate::key_selector::FrameKeys;
use crate::side_outputs::SideOutputs;
use crate::tag::Sides;
use crate::{DataStream, KeyedStream, OutputTag, StateRecord};
use operator::{Bounds, IntervalJoin};

/// Two keyed streams that are joined by how far the event times of their records lie apart (Flink's `IntervalJoin`).
///
/// ```
/// use yeoul_stream::{DataStream, OperatorHarness};
///
/// // Orders (id, customer) and payments (order, cents) of the same order, paid at most ten seconds after.
/// let mut harness = OperatorHarness::of_two(|orders: DataStream<(u64, u64)>, payments: DataStream<(u64, i64)>| {
///     orders
///         .key_by(|order| order.0.to_native())
///         .interval_join(&payments.key_by(|payment| payment.0.to_native()))
///         .between(0, 10_000)
///         .apply(|order, payment, out| out.collect((order.1, payment.1)))
/// })?;
/// harness.push([((1, 70), 5_000), ((2, 80), 6_000)])?;
/// harness.push_second([((1, 999), 15_000), ((2, 500), 16_001)])?;
/// assert_eq!(harness.take_output(), [((70u64, 999i64), 15_000)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub struct IntervalJoined<K: Key, A: Record, B: Record> {
    left: KeyedStream<K, A>,
    right: KeyedStream<K, B>,
    bounds: Bounds,
    /// Whether the lower and the upper bound are left out.
    exclusive: [bool; 2],
    late: [Option<OutputId>; 2],
    sides: Sides,
}

/// Works on pairs of records whose event times lie within the bounds (Flink's `ProcessJoinFunction`).
///
/// ```
/// use yeoul_operator::OperatorError;
/// use yeoul_stream::{Collector, DataStream, JoinContext, OperatorHarness, ProcessJoinFunction};
///
/// /// How long after each order it was paid.
/// #[derive(Clone)]
/// struct Wait;
///
/// impl ProcessJoinFunction for Wait {
///     type Left = u64;
///     type Right = u64;
///     type Out = (u64, i64);
///
///     fn process(&mut self, order: &u64, _: &u64, cx: &mut JoinContext<'_>, out: &mut Collector<(u64, i64)>) -> Result<(), OperatorError> {
///         out.collect((*order, cx.right_timestamp().0 - cx.left_timestamp().0));
///         Ok(())
///     }
/// }
///
/// let mut harness = OperatorHarness::of_two(|orders: DataStream<u64>, paid: DataStream<u64>| {
///     orders.key_by(|order| order.to_native()).interval_join(&paid.key_by(|order| order.to_native())).between(0, 10_000).process(Wait)
/// })?;
/// harness.push([(1, 5_000)])?;
/// harness.push_second([(1, 7_000)])?;
/// assert_eq!(harness.take_output(), [((1, 2_000), 7_000)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub trait ProcessJoinFunction: Send + 'static {
    /// Records of the left stream.
    type Left: Record;
    /// Records of the right stream.
    type Right: Record;
    /// What it gives.
    type Out: Record;

    /// Called once for each subtask, before anything else.
    ///
    /// # Errors
    /// Whatever makes it impossible to run; the job fails with it.
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let _ = cx;
        Ok(())
    }

    /// Takes a pair. Results take the later one's event time.
    ///
    /// # Errors
    /// A failure that fails the job.
    fn process(
        &mut self,
        left: &Self::Left,
        right: &Self::Right,
        cx: &mut JoinContext<'_>,
        out: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError>;

    /// Called once at the end.
    fn close(&mut self) {}
}

/// What a [`ProcessJoinFunction`] knows of the pair that it is given.
///
/// ```
/// # use yeoul_operator::OperatorError;
/// use yeoul_stream::{Collector, DataStream, JoinContext, OperatorHarness, OutputTag, ProcessJoinFunction};
///
/// # #[derive(Clone)]
/// # struct Paid(OutputTag<u64>);
/// # impl ProcessJoinFunction for Paid {
/// #     type Left = u64;
/// #     type Right = u64;
/// #     type Out = i64;
/// // In an `impl ProcessJoinFunction`:
/// fn process(&mut self, order: &u64, _: &u64, cx: &mut JoinContext<'_>, out: &mut Collector<i64>) -> Result<(), OperatorError> {
///     if cx.right_timestamp().0 - cx.left_timestamp().0 > 1_000 {
///         cx.output(&self.0, *order);
///     }
///     out.collect(cx.timestamp().0);
///     Ok(())
/// }
/// # }
/// # let tag = OutputTag::new("late");
/// # let mut harness = OperatorHarness::of_two(|orders: DataStream<u64>, paid: DataStream<u64>| {
/// #     let (orders, paid) = (orders.key_by(|order| order.to_native()), paid.key_by(|order| order.to_native()));
/// #     let joined = orders.interval_join(&paid).between(-9_000, 10_000).process(Paid(tag.clone()));
/// #     joined.side_output(&tag);
/// #     joined
/// # })?;
/// // Of an order at 5 s that was paid at 7 s:
/// # harness.push([(1, 5_000)])?;
/// # harness.push_second([(1, 7_000)])?;
/// assert_eq!(harness.take_output(), [(7_000, 7_000)]);
/// assert_eq!(harness.take_side_output(&tag), [(1, 7_000)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub struct JoinContext<'a> {
    left: Timestamp,
    right: Timestamp,
    sides: &'a mut SideOutputs,
}

impl JoinContext<'_> {
    /// The left record's event time.
    ///
    /// ```
    /// # use yeoul_operator::OperatorError;
    /// use yeoul_stream::{Collector, DataStream, JoinContext, OperatorHarness, OutputTag, ProcessJoinFunction};
    ///
    /// # #[derive(Clone)]
    /// # struct Paid(OutputTag<u64>);
    /// # impl ProcessJoinFunction for Paid {
    /// #     type Left = u64;
    /// #     type Right = u64;
    /// #     type Out = i64;
    /// // In an `impl ProcessJoinFunction`:
    /// fn process(&mut self, order: &u64, _: &u64, cx: &mut JoinContext<'_>, out: &mut Collector<i64>) -> Result<(), OperatorError> {
    ///     out.collect(cx.left_timestamp().0);
    ///     Ok(())
    /// }
    /// # }
    /// # let tag = OutputTag::new("late");
    /// # let mut harness = OperatorHarness::of_two(|orders: DataStream<u64>, paid: DataStream<u64>| {
    /// #     let (orders, paid) = (orders.key_by(|order| order.to_native()), paid.key_by(|order| order.to_native()));
    /// #     let joined = orders.interval_join(&paid).between(-9_000, 10_000).process(Paid(tag.clone()));
    /// #     joined.side_output(&tag);
    /// #     joined
    /// # })?;
    /// // Of an order at 5 s that was paid at 7 s:
    /// # harness.push([(1, 5_000)])?;
    /// # harness.push_second([(1, 7_000)])?;
    /// assert_eq!(harness.take_output()[0].0, 5_000);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn left_timestamp(&self) -> Timestamp {
        self.left
    }

    /// The right record's event time.
    ///
    /// ```
    /// # use yeoul_operator::OperatorError;
    /// use yeoul_stream::{Collector, DataStream, JoinContext, OperatorHarness, OutputTag, ProcessJoinFunction};
    ///
    /// # #[derive(Clone)]
    /// # struct Paid(OutputTag<u64>);
    /// # impl ProcessJoinFunction for Paid {
    /// #     type Left = u64;
    /// #     type Right = u64;
    /// #     type Out = i64;
    /// // In an `impl ProcessJoinFunction`:
    /// fn process(&mut self, order: &u64, _: &u64, cx: &mut JoinContext<'_>, out: &mut Collector<i64>) -> Result<(), OperatorError> {
    ///     out.collect(cx.right_timestamp().0);
    ///     Ok(())
    /// }
    /// # }
    /// # let tag = OutputTag::new("late");
    /// # let mut harness = OperatorHarness::of_two(|orders: DataStream<u64>, paid: DataStream<u64>| {
    /// #     let (orders, paid) = (orders.key_by(|order| order.to_native()), paid.key_by(|order| order.to_native()));
    /// #     let joined = orders.interval_join(&paid).between(-9_000, 10_000).process(Paid(tag.clone()));
    /// #     joined.side_output(&tag);
    /// #     joined
    /// # })?;
    /// // Of an order at 5 s that was paid at 7 s:
    /// # harness.push([(1, 5_000)])?;
    /// # harness.push_second([(1, 7_000)])?;
    /// assert_eq!(harness.take_output()[0].0, 7_000);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn right_timestamp(&self) -> Timestamp {
        self.right
    }

    /// The pair's event time: the later of the two.
    ///
    /// ```
    /// # use yeoul_operator::OperatorError;
    /// use yeoul_stream::{Collector, DataStream, JoinContext, OperatorHarness, OutputTag, ProcessJoinFunction};
    ///
    /// # #[derive(Clone)]
    /// # struct Paid(OutputTag<u64>);
    /// # impl ProcessJoinFunction for Paid {
    /// #     type Left = u64;
    /// #     type Right = u64;
    /// #     type Out = i64;
    /// // In an `impl ProcessJoinFunction`:
    /// fn process(&mut self, order: &u64, _: &u64, cx: &mut JoinContext<'_>, out: &mut Collector<i64>) -> Result<(), OperatorError> {
    ///     out.collect(cx.timestamp().0);
    ///     Ok(())
    /// }
    /// # }
    /// # let tag = OutputTag::new("late");
    /// # let mut harness = OperatorHarness::of_two(|orders: DataStream<u64>, paid: DataStream<u64>| {
    /// #     let (orders, paid) = (orders.key_by(|order| order.to_native()), paid.key_by(|order| order.to_native()));
    /// #     let joined = orders.interval_join(&paid).between(-9_000, 10_000).process(Paid(tag.clone()));
    /// #     joined.side_output(&tag);
    /// #     joined
    /// # })?;
    /// // Of an order at 5 s that was paid at 7 s:
    /// # harness.push([(1, 5_000)])?;
    /// # harness.push_second([(1, 7_000)])?;
    /// assert_eq!(harness.take_output()[0].0, 7_000);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.left.max(self.right)
    }

    /// Adds a record to a side output, with the pair's event time.
    ///
    /// ```
    /// # use yeoul_operator::OperatorError;
    /// use yeoul_stream::{Collector, DataStream, JoinContext, OperatorHarness, OutputTag, ProcessJoinFunction};
    ///
    /// # #[derive(Clone)]
    /// # struct Paid(OutputTag<u64>);
    /// # impl ProcessJoinFunction for Paid {
    /// #     type Left = u64;
    /// #     type Right = u64;
    /// #     type Out = i64;
    /// // In an `impl ProcessJoinFunction`:
    /// fn process(&mut self, order: &u64, _: &u64, cx: &mut JoinContext<'_>, out: &mut Collector<i64>) -> Result<(), OperatorError> {
    ///     cx.output(&self.0, *order);
    ///     Ok(())
    /// }
    /// # }
    /// # let tag = OutputTag::new("late");
    /// # let mut harness = OperatorHarness::of_two(|orders: DataStream<u64>, paid: DataStream<u64>| {
    /// #     let (orders, paid) = (orders.key_by(|order| order.to_native()), paid.key_by(|order| order.to_native()));
    /// #     let joined = orders.interval_join(&paid).between(-9_000, 10_000).process(Paid(tag.clone()));
    /// #     joined.side_output(&tag);
    /// #     joined
    /// # })?;
    /// // Of an order at 5 s that was paid at 7 s:
    /// # harness.push([(1, 5_000)])?;
    /// # harness.push_second([(1, 7_000)])?;
    /// assert_eq!(harness.take_side_output(&tag), [(1, 7_000)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "as `Collector::collect`: a result is given away")]
    pub fn output<T: Record>(&mut self, tag: &OutputTag<T>, record: T) {
        self.sides.collect(tag, &record, self.timestamp());
    }
}

impl<K: Key + Sync, A: StateRecord, B: StateRecord> IntervalJoined<K, A, B> {
    pub(crate) fn of(left: KeyedStream<K, A>, right: KeyedStream<K, B>) -> Self {
        if !left.stream.env.is(&right.stream.env) {
            left.stream.env.mistake("streams of two environments are joined; build both with one".to_owned());
        }
        let (bounds, exclusive) = (Bounds { lower: 0, upper: 0 }, [false; 2]);
        Self { left, right, bounds, exclusive, late: [None; 2], sides: Sides::default() }
    }

    /// Joins a left record of event time t with the right ones from t + `lower` to t + `upper` milliseconds, both included. Either may be
    /// below zero. Without this, event times must be equal.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of_two(|orders: DataStream<u64>, paid: DataStream<u64>| {
    ///     let (orders, paid) = (orders.key_by(|order| order.to_native()), paid.key_by(|order| order.to_native()));
    ///     orders.interval_join(&paid).between(-1_000, 2_000).apply(|order, _, out| out.collect(*order))
    /// })?;
    /// harness.push([(1, 5_000)])?;
    /// harness.push_second([(1, 3_999), (1, 4_000), (1, 7_000), (1, 7_001)])?;
    /// assert_eq!(harness.take_output(), [(1, 5_000), (1, 7_000)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn between(self, lower: i64, upper: i64) -> Self {
        if lower > upper {
            let mistake =
                format!("an interval join between {lower} and {upper} milliseconds: write the lower bound first");
            self.left.stream.env.mistake(mistake);
        }
        Self { bounds: Bounds { lower, upper }, ..self }
    }

    /// Leaves out right records of exactly the lower bound.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of_two(|orders: DataStream<u64>, paid: DataStream<u64>| {
    ///     let (orders, paid) = (orders.key_by(|order| order.to_native()), paid.key_by(|order| order.to_native()));
    ///     orders.interval_join(&paid).between(0, 2_000).lower_bound_exclusive().apply(|order, _, out| out.collect(*order))
    /// })?;
    /// harness.push([(1, 5_000)])?;
    /// harness.push_second([(1, 5_000), (1, 5_001)])?;
    /// assert_eq!(harness.take_output(), [(1, 5_001)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn lower_bound_exclusive(self) -> Self {
        Self { exclusive: [true, self.exclusive[1]], ..self }
    }

    /// Leaves out right records of exactly the upper bound.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of_two(|orders: DataStream<u64>, paid: DataStream<u64>| {
    ///     let (orders, paid) = (orders.key_by(|order| order.to_native()), paid.key_by(|order| order.to_native()));
    ///     orders.interval_join(&paid).between(0, 2_000).upper_bound_exclusive().apply(|order, _, out| out.collect(*order))
    /// })?;
    /// harness.push([(1, 5_000)])?;
    /// harness.push_second([(1, 6_999), (1, 7_000)])?;
    /// assert_eq!(harness.take_output(), [(1, 6_999)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn upper_bound_exclusive(self) -> Self {
        Self { exclusive: [self.exclusive[0], true], ..self }
    }

    /// Left records that come behind the watermark go to a side output. Otherwise they are dropped, and counted.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness, OutputTag};
    ///
    /// let late = OutputTag::new("late");
    /// let mut harness = OperatorHarness::of_two(|orders: DataStream<u64>, paid: DataStream<u64>| {
    ///     let (orders, paid) = (orders.key_by(|order| order.to_native()), paid.key_by(|order| order.to_native()));
    ///     let joined = orders.interval_join(&paid).between(0, 2_000).side_output_left_late_data(&late).apply(|order, _, out| out.collect(*order));
    ///     joined.side_output(&late);
    ///     joined
    /// })?;
    /// harness.watermark(10_000)?;
    /// harness.push([(1, 5_000)])?;
    /// harness.push_second([(2, 20_000)])?;
    /// assert_eq!(harness.take_side_output(&late), [(1, 5_000)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn side_output_left_late_data(self, tag: &OutputTag<A>) -> Self {
        self.late_to(0, tag)
    }

    /// Right records that come behind the watermark go to a side output. Otherwise they are dropped, and counted.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness, OutputTag};
    ///
    /// let late = OutputTag::new("late");
    /// let mut harness = OperatorHarness::of_two(|orders: DataStream<u64>, paid: DataStream<u64>| {
    ///     let (orders, paid) = (orders.key_by(|order| order.to_native()), paid.key_by(|order| order.to_native()));
    ///     let joined = orders.interval_join(&paid).between(0, 2_000).side_output_right_late_data(&late).apply(|order, _, out| out.collect(*order));
    ///     joined.side_output(&late);
    ///     joined
    /// })?;
    /// harness.watermark(10_000)?;
    /// harness.push([(2, 20_000)])?;
    /// harness.push_second([(1, 5_000)])?;
    /// assert_eq!(harness.take_side_output(&late), [(1, 5_000)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    #[must_use]
    pub fn side_output_right_late_data(self, tag: &OutputTag<B>) -> Self {
        self.late_to(1, tag)
    }

    fn late_to<T: Record>(mut self, side: usize, tag: &OutputTag<T>) -> Self {
        match self.sides.output(tag) {
            Ok(output) => self.late[side] = Some(output),
            Err(mistake) => self.left.stream.env.mistake(mistake),
        }
        self
    }

    /// Works on each pair with its event times and side outputs.
    ///
    /// ```
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::{Collector, DataStream, JoinContext, OperatorHarness, ProcessJoinFunction};
    /// # #[derive(Clone)]
    /// # struct Wait;
    /// # impl ProcessJoinFunction for Wait {
    /// #     type Left = u64;
    /// #     type Right = u64;
    /// #     type Out = i64;
    /// #     fn process(&mut self, _: &u64, _: &u64, cx: &mut JoinContext<'_>, out: &mut Collector<i64>) -> Result<(), OperatorError> {
    /// #         out.collect(cx.right_timestamp().0 - cx.left_timestamp().0);
    /// #         Ok(())
    /// #     }
    /// # }
    /// // `Wait`, a `ProcessJoinFunction`, says how long it took until an order was paid.
    /// let mut harness = OperatorHarness::of_two(|orders: DataStream<u64>, paid: DataStream<u64>| {
    ///     let (orders, paid) = (orders.key_by(|order| order.to_native()), paid.key_by(|order| order.to_native()));
    ///     orders.interval_join(&paid).between(0, 10_000).process(Wait)
    /// })?;
    /// harness.push([(1, 5_000)])?;
    /// harness.push_second([(1, 7_000)])?;
    /// assert_eq!(harness.take_output(), [(2_000, 7_000)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn process<P>(&self, function: P) -> DataStream<P::Out>
    where
        P: ProcessJoinFunction<Left = A, Right = B> + Clone + Sync,
    {
        let keys = (self.left.selector.clone(), self.right.selector.clone());
        let [lower, upper] = self.exclusive.map(i64::from);
        let bounds =
            Bounds { lower: self.bounds.lower.saturating_add(lower), upper: self.bounds.upper.saturating_sub(upper) };
        let (late, sides) = (self.late, self.sides.copied());
        let declared = sides.clone();
        let make = Arc::new(move || {
            let keys = [FrameKeys::new(keys.0.clone()), FrameKeys::new(keys.1.clone())];
            Box::new(IntervalJoin::new(bounds, late, keys, function.clone(), sides.clone())) as _
        });
        let env = &self.left.stream.env;
        // The nodes of another environment are not in this graph, which will not be built.
        let right = if env.is(&self.right.stream.env) { self.right.ports() } else { Vec::new() };
        let inputs = [(InputId(0), &self.left.ports()[..]), (InputId(1), &right[..])];
        let node = env.operator("Interval Join", make, &inputs, &declared);
        env.output(node, OutputId::MAIN)
    }

    /// Calls a closure with each pair.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of_two(|orders: DataStream<u64>, paid: DataStream<u64>| {
    ///     let (orders, paid) = (orders.key_by(|order| order.to_native()), paid.key_by(|order| order.to_native()));
    ///     orders.interval_join(&paid).between(0, 2_000).apply(|order, _, out| out.collect(*order))
    /// })?;
    /// harness.push([(1, 5_000)])?;
    /// harness.push_second([(1, 6_000), (1, 8_000)])?;
    /// assert_eq!(harness.take_output(), [(1, 6_000)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn apply<O, F>(&self, join: F) -> DataStream<O>
    where
        O: Record,
        F: Fn(&A, &B, &mut Collector<O>) + Clone + Send + Sync + 'static,
    {
        self.process(Apply { join, records: PhantomData })
    }
}

/// A closure over pairs.
struct Apply<A, B, O, F> {
    join: F,
    records: PhantomData<fn(A, B) -> O>,
}

impl<A, B, O, F: Clone> Clone for Apply<A, B, O, F> {
    fn clone(&self) -> Self {
        Self { join: self.join.clone(), records: PhantomData }
    }
}

impl<A, B, O, F> ProcessJoinFunction for Apply<A, B, O, F>
where
    A: Record,
    B: Record,
    O: Record,
    F: Fn(&A, &B, &mut Collector<O>) + Send + 'static,
{
    type Left = A;
    type Right = B;
    type Out = O;

    fn process(
        &mut self,
        left: &A,
        right: &B,
        _: &mut JoinContext<'_>,
        out: &mut Collector<O>,
    ) -> Result<(), OperatorError> {
        (self.join)(left, right, out);
        Ok(())
    }
}
