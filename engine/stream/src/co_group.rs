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
use crate::{DataStream, Evictor, KeyedStream, OutputTag, StateRecord, Trigger, WindowAssigner, WindowedStream};

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
        PairedWindows::of(either.window(assigner))
    }
}

/// Windows over the records of two streams, of which groups or pairs are made ([`CoGroupedWindows`], [`JoinedWindows`]).
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
pub struct PairedWindows<K: Key, A: StateRecord + Clone, B: StateRecord + Clone, M> {
    windowed: WindowedStream<K, Either<A, B>>,
    made: PhantomData<fn() -> M>,
}

/// Windows of which groups are made.
pub type CoGroupedWindows<K, A, B> = PairedWindows<K, A, B, Groups>;
/// Windows of which pairs are made.
pub type JoinedWindows<K, A, B> = PairedWindows<K, A, B, Pairs>;

/// What [`CoGroupedWindows`] make.
#[derive(Debug)]
pub enum Groups {}
/// What [`JoinedWindows`] make.
#[derive(Debug)]
pub enum Pairs {}

impl<K: Key + Sync, A: StateRecord + Clone, B: StateRecord + Clone, M> PairedWindows<K, A, B, M> {
    fn of(windowed: WindowedStream<K, Either<A, B>>) -> Self {
        Self { windowed, made: PhantomData }
    }

    /// When windows fire, as [`WindowedStream::trigger`]; records of both streams count.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::{CountTrigger, PurgingTrigger, StreamEnvironment, TumblingEventTimeWindows, WatermarkStrategy, collect};
    ///
    /// # let env = StreamEnvironment::new("visits");
    /// # let timed = || WatermarkStrategy::no_watermarks().with_timestamp_assigner(|of: &rkyv::Archived<(u64, i64)>| yeoul_frame::Timestamp(of.1.to_native()));
    /// # let (clicks, bought) = (env.from_collection([(7u64, 1_000i64), (7, 61_000)], timed()), env.from_collection([(7, 2_000), (7, 3_000)], timed()));
    /// # let clicks = clicks.key_by(|click| click.0.to_native());
    /// # let bought = bought.key_by(|bought| bought.0.to_native());
    /// // Whenever there are three of a user in a minute: here one click and two purchases.
    /// let minutes = clicks.co_group(&bought).window(TumblingEventTimeWindows::of(Duration::from_secs(60)));
    /// let (sink, counts) = collect();
    /// minutes
    ///     .trigger(PurgingTrigger::of(CountTrigger::of(3)))
    ///     .apply(|clicks, bought, out| out.collect((clicks.len() as u64, bought.len() as u64)))
    ///     .sink_to(sink);
    /// # let config = yeoul_runtime::JobConfig { shards: 1, pin: false, ..Default::default() };
    /// # yeoul_runtime::spawn(env.build()?, config, Default::default()).wait()?;
    /// assert_eq!(counts.take(), [(1, 2)]);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn trigger<R: Trigger<Either<A, B>> + Clone + Sync>(self, trigger: R) -> Self {
        Self::of(self.windowed.trigger(trigger))
    }

    /// What is taken out of windows before they are grouped or paired, as [`WindowedStream::evictor`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::{CountEvictor, StreamEnvironment, TumblingEventTimeWindows, WatermarkStrategy, collect};
    ///
    /// # let env = StreamEnvironment::new("visits");
    /// # let timed = || WatermarkStrategy::no_watermarks().with_timestamp_assigner(|of: &rkyv::Archived<(u64, i64)>| yeoul_frame::Timestamp(of.1.to_native()));
    /// # let (clicks, bought) = (env.from_collection([(7u64, 1_000i64)], timed()), env.from_collection([(7, 2_000), (7, 3_000)], timed()));
    /// # let clicks = clicks.key_by(|click| click.0.to_native());
    /// # let bought = bought.key_by(|bought| bought.0.to_native());
    /// // Of the last two of a minute, whatever they are.
    /// let minutes = clicks.co_group(&bought).window(TumblingEventTimeWindows::of(Duration::from_secs(60)));
    /// let (sink, counts) = collect();
    /// minutes.evictor(CountEvictor::of(2)).apply(|clicks, bought, out| out.collect(clicks.len() as u64 + bought.len() as u64)).sink_to(sink);
    /// # let config = yeoul_runtime::JobConfig { shards: 1, pin: false, ..Default::default() };
    /// # yeoul_runtime::spawn(env.build()?, config, Default::default()).wait()?;
    /// assert_eq!(counts.take(), [2]);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn evictor<E: Evictor<Either<A, B>> + Clone + Sync>(self, evictor: E) -> Self {
        Self::of(self.windowed.evictor(evictor))
    }

    /// For this long after a window has fired, a late record makes it fire again with that record. Event time only.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::{StreamEnvironment, TumblingEventTimeWindows, WatermarkStrategy, collect};
    ///
    /// # let env = StreamEnvironment::new("visits");
    /// # let timed = WatermarkStrategy::for_monotonous_timestamps().with_timestamp_assigner(|of: &rkyv::Archived<(u64, i64)>| yeoul_frame::Timestamp(of.1.to_native()));
    /// # let visits = env.from_collection([(7u64, 1_000i64), (7, 61_001), (7, 2_001)], timed);
    /// # let clicks = visits.filter(|visit| visit.1 % 2 == 0).key_by(|click| click.0.to_native());
    /// # let bought = visits.filter(|visit| visit.1 % 2 == 1).key_by(|bought| bought.0.to_native());
    /// // A click in the first minute, a purchase in the second, and then one in the first: be it late or not, it meets the click.
    /// let minutes = clicks.co_group(&bought).window(TumblingEventTimeWindows::of(Duration::from_secs(60)));
    /// let (sink, counts) = collect();
    /// minutes
    ///     .allowed_lateness(Duration::from_secs(10))
    ///     .apply(|clicks, bought, out| out.collect((clicks.len() as u64, bought.len() as u64)))
    ///     .sink_to(sink);
    /// # let config = yeoul_runtime::JobConfig { shards: 1, pin: false, ..Default::default() };
    /// # yeoul_runtime::spawn(env.build()?, config, Default::default()).wait()?;
    /// assert!(counts.take().contains(&(1, 1)));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn allowed_lateness(self, lateness: Duration) -> Self {
        Self::of(self.windowed.allowed_lateness(lateness))
    }

    /// Records of either stream that come too late for all their windows go to a side output. Otherwise they are dropped, and counted.
    ///
    /// ```
    /// use std::time::Duration;
    /// use yeoul_stream::{ArchivedEither, OutputTag, StreamEnvironment, TumblingEventTimeWindows, WatermarkStrategy, collect};
    ///
    /// # let env = StreamEnvironment::new("visits");
    /// # let timed = WatermarkStrategy::for_monotonous_timestamps().with_timestamp_assigner(|of: &rkyv::Archived<(u64, i64)>| yeoul_frame::Timestamp(of.1.to_native()));
    /// # let visits = env.from_collection([(7u64, 1_000i64), (7, 61_001), (7, 2_001)], timed);
    /// # let clicks = visits.filter(|visit| visit.1 % 2 == 0).key_by(|click| click.0.to_native());
    /// # let bought = visits.filter(|visit| visit.1 % 2 == 1).key_by(|bought| bought.0.to_native());
    /// // A click in the first minute, a purchase in the second, and then one in the first: it meets the click, or it is told that it is late.
    /// let late = OutputTag::new("late");
    /// let minutes = clicks.join(&bought).window(TumblingEventTimeWindows::of(Duration::from_secs(60)));
    /// let pairs = minutes.side_output_late_data(&late).apply(|click, bought, out| out.collect((click.1, bought.1)));
    /// let too_late = pairs.side_output(&late).map(|late| match late {
    ///     ArchivedEither::First(click) => (click.1.to_native(), 0),
    ///     ArchivedEither::Second(bought) => (0, bought.1.to_native()),
    /// });
    /// let (sink, both) = collect();
    /// pairs.union(&too_late).sink_to(sink);
    /// # let config = yeoul_runtime::JobConfig { shards: 1, pin: false, ..Default::default() };
    /// # yeoul_runtime::spawn(env.build()?, config, Default::default()).wait()?;
    /// let both = both.take();
    /// assert!(both == [(1_000, 2_001)] || both == [(0, 2_001)], "{both:?}");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn side_output_late_data(self, tag: &OutputTag<Either<A, B>>) -> Self {
        Self::of(self.windowed.side_output_late_data(tag))
    }
}

impl<K: Key + Sync, A: StateRecord + Clone, B: StateRecord + Clone> CoGroupedWindows<K, A, B> {
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
        PairedWindows::of(self.0.window(assigner).windowed)
    }
}

impl<K: Key + Sync, A: StateRecord + Clone, B: StateRecord + Clone> JoinedWindows<K, A, B> {
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
        self.windowed.process(CoGroup { function: each, types: PhantomData }).name("Window Join")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CountEvictor, CountTrigger, OperatorHarness, TumblingEventTimeWindows};

    type Visit = (u64, i64);
    type Both = Either<Visit, Visit>;

    /// How many of either stream each minute of a key has, of windows with these settings.
    fn counts(
        set: impl FnOnce(CoGroupedWindows<u64, Visit, Visit>) -> CoGroupedWindows<u64, Visit, Visit>,
    ) -> OperatorHarness<Both, (u64, u64)> {
        let minute = Duration::from_secs(60);
        OperatorHarness::of(|both: DataStream<Both>| {
            let keyed = both.key_by(|either| match either {
                ArchivedEither::First(visit) | ArchivedEither::Second(visit) => visit.0.to_native(),
            });
            let windows = set(PairedWindows::of(keyed.window(TumblingEventTimeWindows::of(minute))));
            windows.apply(|first, second, out| out.collect((first.len() as u64, second.len() as u64)))
        })
        .unwrap()
    }

    fn first(time: i64) -> (Both, i64) {
        (Either::First((7, time)), time)
    }

    fn second(time: i64) -> (Both, i64) {
        (Either::Second((7, time)), time)
    }

    #[test]
    fn late_records_of_either_stream_make_a_window_fire_again_and_then_go_aside() {
        let late = OutputTag::new("late");
        let mut harness =
            counts(|windows| windows.allowed_lateness(Duration::from_secs(10)).side_output_late_data(&late));
        harness.push([first(1_000), second(2_000)]).unwrap();
        harness.watermark(60_000).unwrap();
        harness.push([second(3_000)]).unwrap();
        assert_eq!(harness.take_output(), [((1, 1), 59_999), ((1, 2), 59_999)]);
        harness.watermark(69_999).unwrap();
        harness.push([first(4_000), second(5_000), first(61_000)]).unwrap();
        let times: Vec<i64> = harness.take_side_output(&late).into_iter().map(|(_, time)| time).collect();
        assert_eq!(times, [4_000, 5_000]);
        harness.finish().unwrap();
        assert_eq!(harness.take_output(), [((1, 0), 119_999)]);
    }

    #[test]
    fn triggers_and_evictors_see_the_records_of_both_streams() {
        let mut harness = counts(|windows| windows.trigger(CountTrigger::of(2)));
        harness.push([first(1_000), second(2_000), second(3_000), second(4_000)]).unwrap();
        assert_eq!(harness.take_output(), [((1, 1), 59_999), ((1, 3), 59_999)]);
        let mut harness = counts(|windows| windows.evictor(CountEvictor::of(2)));
        harness.push([first(1_000), first(2_000), second(3_000)]).unwrap();
        harness.finish().unwrap();
        assert_eq!(harness.take_output(), [((1, 1), 59_999)]);
    }
}
