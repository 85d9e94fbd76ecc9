//! Two streams: interval joins against a sequential program, whatever the order of arrival, with a restore (co-groups and window joins:
//! examples/tests/training/joins.rs).

use proptest::prelude::*;
use yeoul_frame::Timestamp;
use yeoul_operator::{OpenContext, OperatorError, Subtask};
use yeoul_stream::{
    Collector, DataStream, HarnessError, JoinContext, OperatorHarness, OutputTag, ProcessJoinFunction,
    StreamEnvironment, WatermarkStrategy,
};

/// Records are (key, number); numbers tell them apart.
type Side = (u64, u64);
type Pair = (u64, u64, u64);
type Timed<T> = Vec<(T, i64)>;

const BOUND: i64 = 20;

fn joined(
    lower: i64,
    upper: i64,
    late: Option<(&OutputTag<Side>, &OutputTag<Side>)>,
) -> Result<OperatorHarness<Side, Pair, Side>, HarnessError> {
    OperatorHarness::of_two(|left: DataStream<Side>, right: DataStream<Side>| {
        let mut join = left
            .key_by(|record| record.0.to_native())
            .interval_join(&right.key_by(|record| record.0.to_native()))
            .between(lower, upper);
        if let Some((left, right)) = late {
            join = join.side_output_left_late_data(left).side_output_right_late_data(right);
        }
        join.apply(|left, right, out| out.collect((left.0, left.1, right.1)))
    })
}

fn sequential(left: &Timed<Side>, right: &Timed<Side>, lower: i64, upper: i64) -> Timed<Pair> {
    let pairs = left.iter().flat_map(|(a, at)| {
        let of = right.iter().filter(|(b, bt)| a.0 == b.0 && (at + lower..=at + upper).contains(bt));
        of.map(|(b, bt)| ((a.0, a.1, b.1), *at.max(bt))).collect::<Vec<_>>()
    });
    let mut pairs: Timed<Pair> = pairs.collect();
    pairs.sort_unstable();
    pairs
}

/// Numbered records whose event times rise, each at most `BOUND` behind those before it.
fn records() -> impl Strategy<Value = Timed<Side>> {
    prop::collection::vec((0..3u64, 0..8i64, 0..BOUND), 0..60).prop_map(|steps| {
        let mut time = 0;
        let each = steps.into_iter().enumerate().map(|(number, (key, step, back))| {
            time += step;
            ((key, number as u64), time - back)
        });
        each.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn an_interval_join_is_that_of_a_sequential_program(
        left in records(),
        right in records(),
        lower in -30..10i64,
        width in 0..40i64,
        cut in 0..60usize,
    ) {
        let upper = lower + width;
        let mut harness = joined(lower, upper, None).unwrap();
        let mut found = Vec::new();
        let (mut high, mut restored) = (0, false);
        for step in 0..left.len().max(right.len()) {
            if step == cut {
                // Two instances take over, and then one again.
                let snapshot = harness.snapshot().unwrap();
                found.append(&mut harness.take_output());
                let halves: Vec<_> = [0, 1].map(|index| {
                    harness.restored(Subtask { index, parallelism: 2 }, &[&snapshot]).unwrap().snapshot().unwrap()
                }).into();
                let halves: Vec<_> = halves.iter().collect();
                harness = harness.restored(Subtask { index: 0, parallelism: 1 }, &halves).unwrap();
                restored = true;
            }
            harness.push(left.get(step).cloned()).unwrap();
            harness.push_second(right.get(step).cloned()).unwrap();
            // The watermark of two inputs is the lesser: no record is behind it.
            let behind = |records: &Timed<Side>| records.get(step + 1..).unwrap_or_default().iter().map(|(_, time)| *time).min();
            let next = behind(&left).into_iter().chain(behind(&right)).min().unwrap_or(high + 1);
            high = high.max(next);
            harness.watermark(next - 1).unwrap();
        }
        prop_assert_eq!(restored, cut < left.len().max(right.len()));
        harness.finish().unwrap();
        prop_assert_eq!(harness.state_entries(), 0, "nothing is left");
        prop_assert_eq!(harness.counters().late.get(), 0);
        found.append(&mut harness.take_output());
        found.sort_unstable();
        prop_assert_eq!(found, sequential(&left, &right, lower, upper));
    }
}

#[test]
fn bounds_may_be_left_out_and_late_records_go_aside() {
    let (left, right) = (OutputTag::new("left"), OutputTag::new("right"));
    let mut harness = joined(-2, 2, Some((&left, &right))).unwrap();
    harness.push([((1, 0), 10)]).unwrap();
    harness.push_second([8, 9, 12, 13].map(|time| ((1, time as u64), time))).unwrap();
    assert_eq!(harness.take_output(), [((1, 0, 8), 10), ((1, 0, 9), 10), ((1, 0, 12), 12)]);
    harness.watermark(20).unwrap();
    assert_eq!(harness.state_entries(), 0, "all has expired");
    harness.push([((1, 1), 19), ((1, 2), 20)]).unwrap();
    harness.push_second([((1, 3), 5)]).unwrap();
    assert_eq!(harness.take_output(), []);
    assert_eq!(harness.counters().late.get(), 2);
    assert_eq!(harness.take_side_output(&left), [((1, 1), 19)]);
    assert_eq!(harness.take_side_output(&right), [((1, 3), 5)]);

    let mut harness = OperatorHarness::of_two(|left: DataStream<Side>, right: DataStream<Side>| {
        let join =
            left.key_by(|record| record.0.to_native()).interval_join(&right.key_by(|record| record.0.to_native()));
        let join = join.lower_bound_exclusive().between(-2, 2).upper_bound_exclusive().upper_bound_exclusive();
        join.apply(|left, right, out| out.collect((left.0, left.1, right.1)))
    })
    .unwrap();
    harness.push([((1, 0), 10)]).unwrap();
    harness.push_second([8, 9, 11, 12].map(|time| ((1, time as u64), time))).unwrap();
    assert_eq!(harness.take_output(), [((1, 0, 9), 10), ((1, 0, 11), 11)]);
}

/// Numbers its pairs, and says when each of the two was and when both; pairs whose right record was first go aside too.
#[derive(Clone)]
struct Pairs {
    number: Option<u64>,
    right_first: OutputTag<Pair>,
}

impl ProcessJoinFunction for Pairs {
    type Left = Side;
    type Right = Side;
    type Out = (u64, i64, i64, i64);

    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        assert!(self.number.is_none() && cx.subtask.parallelism <= 2, "opened once, with its subtask");
        self.number = Some(0);
        Ok(())
    }

    fn process(
        &mut self,
        left: &Side,
        right: &Side,
        cx: &mut JoinContext<'_>,
        out: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError> {
        let number = self.number.as_mut().ok_or_else(|| OperatorError::new("a pair came before `open`"))?;
        *number += 1;
        if cx.right_timestamp() < cx.left_timestamp() {
            cx.output(&self.right_first, (left.0, left.1, right.1));
        }
        out.collect((*number, cx.left_timestamp().0, cx.right_timestamp().0, cx.timestamp().0));
        Ok(())
    }
}

/// Open, both times and side outputs, before and after a restore; `close` is in life.rs.
#[test]
fn a_function_of_pairs_is_opened_and_is_told_the_times_of_both() {
    let right_first = OutputTag::new("right first");
    let mut harness = OperatorHarness::of_two(|left: DataStream<Side>, right: DataStream<Side>| {
        let key = |record: &rkyv::Archived<Side>| record.0.to_native();
        let function = Pairs { number: None, right_first: right_first.clone() };
        let pairs = left.key_by(key).interval_join(&right.key_by(key)).between(-5, 5).process(function);
        pairs.side_output(&right_first);
        pairs
    })
    .unwrap();
    harness.push([((1, 0), 10), ((2, 1), 20)]).unwrap();
    // Of each side once what comes meets what is there.
    harness.push_second([((1, 2), 7), ((2, 3), 24), ((2, 4), 26)]).unwrap();
    assert_eq!(harness.take_output(), [((1, 10, 7, 10), 10), ((2, 20, 24, 24), 24)]);
    assert_eq!(harness.take_side_output(&right_first), [((1, 0, 2), 10)]);
    let snapshot = harness.snapshot().unwrap();
    for parallelism in [1, 2] {
        let (mut output, mut aside) = (Vec::new(), Vec::new());
        for index in 0..parallelism {
            let mut restored = harness.restored(Subtask { index, parallelism }, &[&snapshot]).unwrap();
            restored.push([((2, 5), 25)]).unwrap();
            // In the order in which the right records came: the first pair after a restore is the first of its instance.
            output.extend(restored.take_output());
            aside.extend(restored.take_side_output(&right_first));
        }
        assert_eq!(output, [((1, 25, 24, 25), 25), ((2, 25, 26, 26), 26)], "on {parallelism}");
        assert_eq!(aside, [((2, 5, 3), 25)], "on {parallelism}");
    }
}

#[test]
fn the_pairs_of_a_frame_that_are_more_than_there_is_room_for_come_in_several_calls() {
    const HELD: u64 = 20_000;
    let number = |n: u64| ((1, n), n as i64);
    let mut harness = joined(0, HELD as i64, None).unwrap();
    harness.push_second((0..HELD).map(number)).unwrap();
    harness.push([((1, 0), 0), ((2, 1), 1), ((1, 2), 2), ((1, 3), HELD as i64 + 1), ((1, 4), 4)]).unwrap();
    let of = |left: u64| (left..HELD).map(move |right| ((1, left, right), right as i64));
    assert!(harness.take_output().into_iter().eq([0, 2, 4].into_iter().flat_map(of)));
    harness.finish().unwrap();
    assert_eq!(harness.state_entries(), 0);

    // In a job, with rings that hold two frames.
    let env = StreamEnvironment::new("pairs");
    let ascending = || WatermarkStrategy::for_monotonous_timestamps();
    let timed = |side: &rkyv::Archived<Side>| Timestamp(side.1.to_native() as i64);
    let stream = |of: Vec<Side>| env.from_collection(of, ascending().with_timestamp_assigner(timed));
    let key = |side: &rkyv::Archived<Side>| side.0.to_native();
    let (left, right) = (stream((0..6).map(|n| (1, n)).collect()), stream((0..HELD).map(|n| (1, n)).collect()));
    let joined = left.key_by(key).interval_join(&right.key_by(key)).between(-(HELD as i64), HELD as i64);
    let (sink, pairs) = yeoul_stream::collect();
    joined.apply(|left, right, out| out.collect((left.0, left.1, right.1))).sink_to(sink);
    let config = yeoul_runtime::JobConfig { shards: 2, ring_capacity: 2, pin: false, ..Default::default() };
    let job = yeoul_runtime::spawn(env.build().unwrap(), config, yeoul_operator::Services::default());
    assert_eq!(job.wait().unwrap(), yeoul_runtime::Outcome::Finished);
    let mut pairs = pairs.take();
    pairs.sort_unstable();
    assert!(pairs.into_iter().eq((0..6).flat_map(|left| (0..HELD).map(move |right| (1, left, right)))));
}

#[test]
fn streams_of_two_environments_are_refused() {
    let other = StreamEnvironment::new("other").from_collection([(1u64, 1u64)], WatermarkStrategy::no_watermarks());
    let error = OperatorHarness::of_two(|left: DataStream<Side>, _: DataStream<Side>| {
        let key = |record: &rkyv::Archived<Side>| record.0.to_native();
        left.key_by(key).interval_join(&other.key_by(key)).between(0, 1).apply(|left, _, out| out.collect(*left))
    })
    .map(|_| ())
    .unwrap_err();
    assert!(error.to_string().contains("two environments"), "{error}");
}
