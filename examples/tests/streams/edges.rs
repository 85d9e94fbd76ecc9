//! Edges that do not go by key: to every subtask, to each in turn.

use yeoul::prelude::*;
use yeoul::rkyv::Archived;

use crate::check;
use crate::halves::Halves;

/// Says where each record came.
#[derive(Clone)]
struct Where;

impl ProcessFunction for Where {
    type In = u64;
    type Out = (u16, u64);

    fn process(
        &mut self,
        n: &Archived<u64>,
        cx: &mut ProcessContext<'_>,
        out: &mut Collector<(u16, u64)>,
    ) -> Result<(), OperatorError> {
        out.collect((cx.subtask().index, n.to_native()));
        Ok(())
    }
}

const NUMBERS: u64 = 400;

#[test]
fn a_broadcast_edge_gives_each_record_to_each_subtask_once() {
    check(
        |env, stage, sink| {
            let source = Halves::of([(0..NUMBERS).collect(), (NUMBERS..2 * NUMBERS).collect()], stage);
            let numbers = env.from_source(source, WatermarkStrategy::no_watermarks(), "numbers");
            numbers.broadcast().process(Where).sink_to(sink);
        },
        |shards| (0..shards).flat_map(|at| (0..2 * NUMBERS).map(move |n| (at, n))).collect(),
    );
}

#[test]
fn a_rebalance_edge_gives_each_record_to_one_subtask_and_some_to_each() {
    check(
        |env, stage, sink| {
            let source = Halves::of([(0..NUMBERS).collect()], stage);
            let numbers = env.from_source(source, WatermarkStrategy::no_watermarks(), "numbers");
            let places = numbers.rebalance().process(Where);
            places.map(|place| (u16::MAX, place.1.to_native())).union(&shares(&places)).sink_to(sink);
        },
        |shards| (0..NUMBERS).map(|n| (u16::MAX, n)).chain((0..shards).map(|at| (at, 1))).collect(),
    );
}

#[test]
fn a_global_edge_gives_each_record_to_the_first_subtask() {
    check(
        |env, stage, sink| {
            let source = Halves::of([(0..NUMBERS).collect(), (NUMBERS..2 * NUMBERS).collect()], stage);
            let numbers = env.from_source(source, WatermarkStrategy::no_watermarks(), "numbers");
            numbers.global().process(Where).sink_to(sink);
        },
        |_| (0..2 * NUMBERS).map(|n| (0, n)).collect(),
    );
}

#[test]
fn a_custom_partitioner_says_where_each_record_goes() {
    check(
        |env, stage, sink| {
            let source = Halves::of([(0..NUMBERS).collect()], stage);
            let numbers = env.from_source(source, WatermarkStrategy::no_watermarks(), "numbers");
            let by_tens = |tens: &u64, instances: u16| (*tens % u64::from(instances)) as u16;
            numbers.partition_custom(|n| n.to_native() / 10, by_tens).process(Where).sink_to(sink);
        },
        |shards| (0..NUMBERS).map(|n| ((n / 10 % u64::from(shards)) as u16, n)).collect(),
    );
}

/// For each subtask that has got records one record, whatever their number: `(subtask, 1)`.
fn shares(places: &DataStream<(u16, u64)>) -> DataStream<(u16, u64)> {
    places
        .key_by(|place| u64::from(place.0.to_native()))
        .reduce(|sum, _| sum.1 = u64::MAX)
        .filter(|sum| sum.1 != u64::MAX)
        .map(|first| (first.0.to_native(), 1))
}
