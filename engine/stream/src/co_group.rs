//! Two keyed streams cut into the same windows: their records together (co-group), or in pairs (join).
//!
//! The records of both become one stream of either, whose windows hold them all until they fire.

use std::marker::PhantomData;
use std::time::Duration;

use rkyv::{Archive, Deserialize, Serialize};
use yeoul_frame::{OwnedRecord, Record, RowDeserializer};
use yeoul_operator::OperatorError;
use yeoul_state::Key;

use crate::collector::Collector;
use crate::window::function::{ProcessWindowFunction, WindowContext};
use crate::{DataStream, KeyedStream, StateRecord, WindowAssigner, WindowedStream};

/// Two keyed streams that are to be cut into windows together (Flink's `CoGroupedStreams`).
///
/// ```
/// use std::time::Duration;
/// use yeoul_stream::{StreamEnvironment, TumblingEventTimeWindows, WatermarkStrategy, collect};
///
/// # let env = StreamEnvironment::new("visits");
/// # let timed = || WatermarkStrategy::no_watermarks().with_timestamp_assigner(|of: &rkyv::Archived<(u64, i64)>| yeoul_frame::Timestamp(of.1.to_native()));
/// # let (clicks, bought) = (env.from_collection([(7u64, 1_000i64), (7, 61_000)], timed()), env.from_collection([(7, 2_000), (7, 3_000)], timed()));
/// # let clicks = clicks.key_by(|click| click.0.to_native());
/// # let bought = bought.key_by(|bought| bought.0.to_native());
/// // Of each minute, how often a user clicked, and how often something was bought. Records are (user, milliseconds).
/// let minutes = clicks.co_group(&bought).window(TumblingEventTimeWindows::of(Duration::from_secs(60)));
/// let (sink, counts) = collect();
/// minutes.apply(|clicks, bought, out| out.collect((clicks.len() as u64, bought.len() as u64))).sink_to(sink);
/// # let config = yeoul_runtime::JobConfig { shards: 1, pin: false, ..Default::default() };
/// # yeoul_runtime::spawn(env.build()?, config, Default::default()).wait()?;
/// # let mut counts = counts.take();
/// # counts.sort_unstable();
/// # assert_eq!(counts, [(1, 0), (1, 2)]);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct CoGroupedStreams<K: Key, A: Record, B: Record> {
    first: KeyedStream<K, A>,
    second: KeyedStream<K, B>,
}

impl<K: Key + Sync, A: StateRecord + Clone, B: StateRecord + Clone> CoGroupedStreams<K, A, B> {
    pub(crate) fn of(first: KeyedStream<K, A>, second: KeyedStream<K, B>) -> Self {
        Self { first, second }
    }

    /// Cuts both into these windows.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::{StreamEnvironment, TumblingEventTimeWindows, WatermarkStrategy, collect};
    ///
    /// # let env = StreamEnvironment::new("visits");
    /// # let timed = || WatermarkStrategy::no_watermarks().with_timestamp_assigner(|of: &rkyv::Archived<(u64, i64)>| yeoul_frame::Timestamp(of.1.to_native()));
    /// # let (clicks, bought) = (env.from_collection([(7u64, 1_000i64), (7, 61_000)], timed()), env.from_collection([(7, 2_000), (7, 3_000)], timed()));
    /// # let clicks = clicks.key_by(|click| click.0.to_native());
    /// # let bought = bought.key_by(|bought| bought.0.to_native());
    /// // Of each minute, how often a user clicked, and how often something was bought. Records are (user, milliseconds).
    /// let minutes = clicks.co_group(&bought).window(TumblingEventTimeWindows::of(Duration::from_secs(60)));
    /// let (sink, counts) = collect();
    /// minutes.apply(|clicks, bought, out| out.collect((clicks.len() as u64, bought.len() as u64))).sink_to(sink);
    /// # let config = yeoul_runtime::JobConfig { shards: 1, pin: false, ..Default::default() };
    /// # yeoul_runtime::spawn(env.build()?, config, Default::default()).wait()?;
    /// # let mut counts = counts.take();
    /// # counts.sort_unstable();
    /// # assert_eq!(counts, [(1, 0), (1, 2)]);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn window(&self, assigner: impl Into<WindowAssigner<Either<A, B>>>) -> CoGroupedWindows<K, A, B> {
        let first = self.first.stream.map(|record| Either::<A, B>::First(A::from_archived(record)));
        let second = self.second.stream.map(|record| Either::<A, B>::Second(B::from_archived(record)));
        let (of_first, of_second) = (self.first.key.clone(), self.second.key.clone());
        let either = first.union(&second).key_by(move |either| match either {
            ArchivedEither::First(record) => of_first(record),
            ArchivedEither::Second(record) => of_second(record),
        });
        CoGroupedWindows { windowed: either.window(assigner) }
    }
}

/// Windows over the records of two streams.
///
/// ```
/// use std::time::Duration;
/// use yeoul_stream::{StreamEnvironment, TumblingEventTimeWindows, WatermarkStrategy, collect};
///
/// # let env = StreamEnvironment::new("visits");
/// # let timed = || WatermarkStrategy::no_watermarks().with_timestamp_assigner(|of: &rkyv::Archived<(u64, i64)>| yeoul_frame::Timestamp(of.1.to_native()));
/// # let (clicks, bought) = (env.from_collection([(7u64, 1_000i64), (7, 61_000)], timed()), env.from_collection([(7, 2_000), (7, 3_000)], timed()));
/// # let clicks = clicks.key_by(|click| click.0.to_native());
/// # let bought = bought.key_by(|bought| bought.0.to_native());
/// // Of each minute, how often a user clicked, and how often something was bought. Records are (user, milliseconds).
/// let minutes = clicks.co_group(&bought).window(TumblingEventTimeWindows::of(Duration::from_secs(60)));
/// let (sink, counts) = collect();
/// minutes.apply(|clicks, bought, out| out.collect((clicks.len() as u64, bought.len() as u64))).sink_to(sink);
/// # let config = yeoul_runtime::JobConfig { shards: 1, pin: false, ..Default::default() };
/// # yeoul_runtime::spawn(env.build()?, config, Default::default()).wait()?;
/// # let mut counts = counts.take();
/// # counts.sort_unstable();
/// # assert_eq!(counts, [(1, 0), (1, 2)]);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct CoGroupedWindows<K: Key, A: StateRecord + Clone, B: StateRecord + Clone> {
    windowed: WindowedStream<K, Either<A, B>>,
}

impl<K: Key + Sync, A: StateRecord + Clone, B: StateRecord + Clone> CoGroupedWindows<K, A, B> {
    /// For this long after a window has fired, a late record makes it fire again with that record. Event time only.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::{StreamEnvironment, TumblingEventTimeWindows, WatermarkStrategy, collect};
    ///
    /// # let env = StreamEnvironment::new("visits");
    /// # let timed = || WatermarkStrategy::no_watermarks().with_timestamp_assigner(|of: &rkyv::Archived<(u64, i64)>| yeoul_frame::Timestamp(of.1.to_native()));
    /// # let (clicks, bought) = (env.from_collection([(7u64, 1_000i64), (7, 61_000)], timed()), env.from_collection([(7, 2_000), (7, 3_000)], timed()));
    /// # let clicks = clicks.key_by(|click| click.0.to_native());
    /// # let bought = bought.key_by(|bought| bought.0.to_native());
    /// // What comes up to ten seconds late makes its minute fire again.
    /// let minutes = clicks.co_group(&bought).window(TumblingEventTimeWindows::of(Duration::from_secs(60)));
    /// let (sink, counts) = collect();
    /// minutes.allowed_lateness(Duration::from_secs(10)).apply(|clicks, bought, out| out.collect((clicks.len() as u64, bought.len() as u64))).sink_to(sink);
    /// # let config = yeoul_runtime::JobConfig { shards: 1, pin: false, ..Default::default() };
    /// # yeoul_runtime::spawn(env.build()?, config, Default::default()).wait()?;
    /// # let mut counts = counts.take();
    /// # counts.sort_unstable();
    /// # assert_eq!(counts, [(1, 0), (1, 2)]);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn allowed_lateness(self, lateness: Duration) -> Self {
        Self { windowed: self.windowed.allowed_lateness(lateness) }
    }

    /// Calls a closure with the records of each key and window, of both streams; either list may be empty (Flink's `CoGroupFunction`).
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::{DataStream, TumblingEventTimeWindows};
    ///
    /// // Clicks and purchases of each user, an hour at a time.
    /// let env = yeoul_stream::StreamEnvironment::new("funnel");
    /// # use yeoul_stream::WatermarkStrategy;
    /// # let clicks = env.from_collection(vec![7u64], WatermarkStrategy::no_watermarks());
    /// # let purchases = env.from_collection(vec![(7u64, 100i64)], WatermarkStrategy::no_watermarks());
    /// let funnel = clicks
    ///     .key_by(|user| user.to_native())
    ///     .co_group(&purchases.key_by(|purchase| purchase.0.to_native()))
    ///     .window(TumblingEventTimeWindows::of(Duration::from_secs(3600)))
    ///     .apply(|clicks, purchases, out| out.collect((clicks.len() as u64, purchases.iter().map(|bought| bought.1).sum::<i64>())));
    /// # let _: DataStream<(u64, i64)> = funnel;
    /// ```
    pub fn apply<O, F>(&self, function: F) -> DataStream<O>
    where
        O: Record,
        F: Fn(&[&A], &[&B], &mut Collector<O>) + Clone + Send + Sync + 'static,
    {
        self.windowed.process(CoGroup { function, types: PhantomData }).name("Co-Group")
    }
}

/// Two keyed streams of which pairs are to be made, window by window (Flink's `JoinedStreams`).
///
/// ```
/// use std::time::Duration;
/// use yeoul_stream::{StreamEnvironment, TumblingEventTimeWindows, WatermarkStrategy, collect};
///
/// # let env = StreamEnvironment::new("visits");
/// # let timed = || WatermarkStrategy::no_watermarks().with_timestamp_assigner(|of: &rkyv::Archived<(u64, i64)>| yeoul_frame::Timestamp(of.1.to_native()));
/// # let (clicks, bought) = (env.from_collection([(7u64, 1_000i64), (7, 61_000)], timed()), env.from_collection([(7, 2_000), (7, 3_000)], timed()));
/// # let clicks = clicks.key_by(|click| click.0.to_native());
/// # let bought = bought.key_by(|bought| bought.0.to_native());
/// // The pairs of each minute. Records are (user, milliseconds).
/// let minutes = clicks.join(&bought).window(TumblingEventTimeWindows::of(Duration::from_secs(60)));
/// let (sink, pairs) = collect();
/// minutes.apply(|click, bought, out| out.collect((click.1, bought.1))).sink_to(sink);
/// # let config = yeoul_runtime::JobConfig { shards: 1, pin: false, ..Default::default() };
/// # yeoul_runtime::spawn(env.build()?, config, Default::default()).wait()?;
/// assert_eq!(pairs.take(), [(1_000, 2_000), (1_000, 3_000)]);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct JoinedStreams<K: Key, A: Record, B: Record>(pub(crate) CoGroupedStreams<K, A, B>);

impl<K: Key + Sync, A: StateRecord + Clone, B: StateRecord + Clone> JoinedStreams<K, A, B> {
    /// Cuts both into these windows.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::{StreamEnvironment, TumblingEventTimeWindows, WatermarkStrategy, collect};
    ///
    /// # let env = StreamEnvironment::new("visits");
    /// # let timed = || WatermarkStrategy::no_watermarks().with_timestamp_assigner(|of: &rkyv::Archived<(u64, i64)>| yeoul_frame::Timestamp(of.1.to_native()));
    /// # let (clicks, bought) = (env.from_collection([(7u64, 1_000i64), (7, 61_000)], timed()), env.from_collection([(7, 2_000), (7, 3_000)], timed()));
    /// # let clicks = clicks.key_by(|click| click.0.to_native());
    /// # let bought = bought.key_by(|bought| bought.0.to_native());
    /// // The pairs of each minute. Records are (user, milliseconds).
    /// let minutes = clicks.join(&bought).window(TumblingEventTimeWindows::of(Duration::from_secs(60)));
    /// let (sink, pairs) = collect();
    /// minutes.apply(|click, bought, out| out.collect((click.1, bought.1))).sink_to(sink);
    /// # let config = yeoul_runtime::JobConfig { shards: 1, pin: false, ..Default::default() };
    /// # yeoul_runtime::spawn(env.build()?, config, Default::default()).wait()?;
    /// assert_eq!(pairs.take(), [(1_000, 2_000), (1_000, 3_000)]);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn window(&self, assigner: impl Into<WindowAssigner<Either<A, B>>>) -> JoinedWindows<K, A, B> {
        JoinedWindows(self.0.window(assigner))
    }
}

/// Windows of pairs.
///
/// ```
/// use std::time::Duration;
/// use yeoul_stream::{StreamEnvironment, TumblingEventTimeWindows, WatermarkStrategy, collect};
///
/// # let env = StreamEnvironment::new("visits");
/// # let timed = || WatermarkStrategy::no_watermarks().with_timestamp_assigner(|of: &rkyv::Archived<(u64, i64)>| yeoul_frame::Timestamp(of.1.to_native()));
/// # let (clicks, bought) = (env.from_collection([(7u64, 1_000i64), (7, 61_000)], timed()), env.from_collection([(7, 2_000), (7, 3_000)], timed()));
/// # let clicks = clicks.key_by(|click| click.0.to_native());
/// # let bought = bought.key_by(|bought| bought.0.to_native());
/// // The pairs of each minute. Records are (user, milliseconds).
/// let minutes = clicks.join(&bought).window(TumblingEventTimeWindows::of(Duration::from_secs(60)));
/// let (sink, pairs) = collect();
/// minutes.apply(|click, bought, out| out.collect((click.1, bought.1))).sink_to(sink);
/// # let config = yeoul_runtime::JobConfig { shards: 1, pin: false, ..Default::default() };
/// # yeoul_runtime::spawn(env.build()?, config, Default::default()).wait()?;
/// assert_eq!(pairs.take(), [(1_000, 2_000), (1_000, 3_000)]);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct JoinedWindows<K: Key, A: StateRecord + Clone, B: StateRecord + Clone>(CoGroupedWindows<K, A, B>);

impl<K: Key + Sync, A: StateRecord + Clone, B: StateRecord + Clone> JoinedWindows<K, A, B> {
    /// For this long after a window has fired, a late record makes it fire again with all its pairs. Event time only.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::{StreamEnvironment, TumblingEventTimeWindows, WatermarkStrategy, collect};
    ///
    /// # let env = StreamEnvironment::new("visits");
    /// # let timed = || WatermarkStrategy::no_watermarks().with_timestamp_assigner(|of: &rkyv::Archived<(u64, i64)>| yeoul_frame::Timestamp(of.1.to_native()));
    /// # let (clicks, bought) = (env.from_collection([(7u64, 1_000i64), (7, 61_000)], timed()), env.from_collection([(7, 2_000), (7, 3_000)], timed()));
    /// # let clicks = clicks.key_by(|click| click.0.to_native());
    /// # let bought = bought.key_by(|bought| bought.0.to_native());
    /// // What comes up to ten seconds late makes its minute fire again.
    /// let minutes = clicks.join(&bought).window(TumblingEventTimeWindows::of(Duration::from_secs(60)));
    /// let (sink, pairs) = collect();
    /// minutes.allowed_lateness(Duration::from_secs(10)).apply(|click, bought, out| out.collect((click.1, bought.1))).sink_to(sink);
    /// # let config = yeoul_runtime::JobConfig { shards: 1, pin: false, ..Default::default() };
    /// # yeoul_runtime::spawn(env.build()?, config, Default::default()).wait()?;
    /// assert_eq!(pairs.take(), [(1_000, 2_000), (1_000, 3_000)]);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn allowed_lateness(self, lateness: Duration) -> Self {
        Self(self.0.allowed_lateness(lateness))
    }

    /// Calls a closure with each pair of one key and window (Flink's `JoinFunction`). A record without a partner is in no pair.
    ///
    /// ```
    /// use std::time::Duration;
    /// # use yeoul_stream::{DataStream, TumblingEventTimeWindows};
    /// # let env = yeoul_stream::StreamEnvironment::new("joined");
    /// # use yeoul_stream::WatermarkStrategy;
    /// # let clicks = env.from_collection(vec![7u64], WatermarkStrategy::no_watermarks());
    /// # let purchases = env.from_collection(vec![(7u64, 100i64)], WatermarkStrategy::no_watermarks());
    /// let pairs = clicks
    ///     .key_by(|user| user.to_native())
    ///     .join(&purchases.key_by(|purchase| purchase.0.to_native()))
    ///     .window(TumblingEventTimeWindows::of(Duration::from_secs(3600)))
    ///     .apply(|user, purchase, out| out.collect((*user, purchase.1)));
    /// # let _: DataStream<(u64, i64)> = pairs;
    /// ```
    pub fn apply<O, F>(&self, function: F) -> DataStream<O>
    where
        O: Record,
        F: Fn(&A, &B, &mut Collector<O>) + Clone + Send + Sync + 'static,
    {
        let each = move |first: &[&A], second: &[&B], out: &mut Collector<O>| {
            first.iter().for_each(|left| second.iter().for_each(|right| function(left, right, out)));
        };
        self.0.windowed.process(CoGroup { function: each, types: PhantomData }).name("Window Join")
    }
}

/// A record of the first stream or of the second: what the windows of both have.
///
/// ```
/// use std::time::Duration;
/// use yeoul_stream::{Either, TumblingEventTimeWindows, WindowAssigner};
///
/// // What windows over clicks (by user) and purchases (user, price) are windows of.
/// let minutes: WindowAssigner<Either<u64, (u64, i64)>> = TumblingEventTimeWindows::of(Duration::from_secs(60)).into();
/// assert_eq!(minutes.name(), "TumblingEventTimeWindows");
/// ```
#[derive(Debug, Clone, Archive, Serialize)]
pub enum Either<A, B> {
    /// Of the first stream.
    First(A),
    /// Of the second stream.
    Second(B),
}

// By hand: an owned record says that it can be made, not by which trait.
impl<A: OwnedRecord, B: OwnedRecord> Deserialize<Either<A, B>, RowDeserializer> for ArchivedEither<A, B> {
    fn deserialize(&self, _: &mut RowDeserializer) -> Result<Either<A, B>, rkyv::rancor::Error> {
        Ok(match self {
            Self::First(record) => Either::First(A::from_archived(record)),
            Self::Second(record) => Either::Second(B::from_archived(record)),
        })
    }
}

struct CoGroup<K, A, B, O, F> {
    function: F,
    types: PhantomData<fn(K, A, B) -> O>,
}

impl<K, A, B, O, F: Clone> Clone for CoGroup<K, A, B, O, F> {
    fn clone(&self) -> Self {
        Self { function: self.function.clone(), types: PhantomData }
    }
}

impl<K, A, B, O, F> ProcessWindowFunction for CoGroup<K, A, B, O, F>
where
    K: Key,
    A: StateRecord + Clone,
    B: StateRecord + Clone,
    O: Record,
    F: Fn(&[&A], &[&B], &mut Collector<O>) + Send + 'static,
{
    type Key = K;
    type In = Either<A, B>;
    type Out = O;

    fn process(
        &mut self,
        _: &K,
        _: &mut WindowContext<'_, K>,
        elements: &[Either<A, B>],
        out: &mut Collector<O>,
    ) -> Result<(), OperatorError> {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for element in elements {
            match element {
                Either::First(record) => first.push(record),
                Either::Second(record) => second.push(record),
            }
        }
        (self.function)(&first, &second, out);
        Ok(())
    }
}
