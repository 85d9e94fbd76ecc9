//! Keyed and broadcast state side by side, with timers of both kinds.

use std::collections::BTreeMap;

use yeoul::operator::OpenContext;
use yeoul::prelude::*;
use yeoul::rkyv::Archived;
use yeoul::state::{MapHandle, States, ValueHandle};

use crate::runs::check;

/// How far records are out of order at most.
const BOUND: i64 = 40;
const METERS: u64 = 12;
/// Of each tariff some meters.
const TARIFFS: u64 = 3;

/// Meter, consumption, time.
type Reading = (u64, i64, i64);
/// Tariff, price, from when on.
type Price = (u64, i64, i64);
/// Meter, time, cost; a notice that the meter lives has no cost.
type Cost = (u64, i64, i64);

/// Costs of readings by the price of their time: known once event time has come there. Of each meter it says by the clock that it lives,
/// once, two seconds after its first reading.
#[derive(Clone, Default)]
struct Costs {
    prices: BroadcastStateHandle<(u64, i64), i64>,
    waiting: MapHandle<i64, i64>,
    seen: ValueHandle<bool>,
}

impl KeyedBroadcastProcessFunction for Costs {
    type Key = u64;
    type In = Reading;
    type Broadcast = Price;
    type Out = Cost;

    fn declare(&mut self, states: &mut OperatorStates) {
        self.prices = states.broadcast("prices");
    }

    fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.waiting = states.map("waiting");
        self.seen = states.value("seen");
        Ok(())
    }

    fn process(
        &mut self,
        reading: &Archived<Reading>,
        cx: &mut KeyedBroadcastContext<'_, '_, u64>,
        _: &mut Collector<Cost>,
    ) -> Result<(), OperatorError> {
        let time = cx.timestamp();
        *cx.state(&self.waiting).get_or_else(&time.0, || 0) += reading.1.to_native();
        cx.register_event_time_timer(time);
        if cx.state(&self.seen).get().is_none() {
            cx.state(&self.seen).update(true);
            let now = cx.processing_time();
            cx.register_processing_time_timer(now.plus(2_000));
        }
        Ok(())
    }

    fn process_broadcast(
        &mut self,
        price: &Archived<Price>,
        cx: &mut KeyedBroadcastWriteContext<'_, '_, u64>,
        _: &mut Collector<Cost>,
    ) -> Result<(), OperatorError> {
        let from = (price.0.to_native(), price.2.to_native());
        cx.update(&self.prices).insert(from, price.1.to_native());
        Ok(())
    }

    fn on_timer(
        &mut self,
        time: Timestamp,
        cx: &mut KeyedBroadcastContext<'_, '_, u64>,
        out: &mut Collector<Cost>,
    ) -> Result<(), OperatorError> {
        let meter = *cx.key();
        if cx.time_domain() == TimeDomain::Processing {
            out.collect((meter, -1, 0));
            return Ok(());
        }
        let prices = cx.broadcast_state(&self.prices);
        let tariff = meter % TARIFFS;
        let price = prices.range((tariff, i64::MIN)..=(tariff, time.0)).next_back().map_or(0, |(_, price)| *price);
        let consumed = cx.state(&self.waiting).get(&time.0).copied().unwrap_or(0);
        cx.state(&self.waiting).remove(&time.0);
        out.collect((meter, time.0, consumed * price));
        Ok(())
    }
}

#[test]
fn readings_cost_what_the_broadcast_price_of_their_time_says() {
    // Each meter is read in the first ticks of the job, long before its end. Some times have two readings of a meter.
    let readings: Vec<Reading> =
        (0..900).map(|n| (n % METERS, 1 + n as i64 % 7, 10 * (n / (2 * METERS)) as i64)).collect();
    let last = readings.iter().map(|reading| reading.2).max().expect("there are some");
    let prices: Vec<Price> = (0..72).map(|n| (n % TARIFFS, 100 + n as i64, last * n as i64 / 72)).collect();
    let mut consumed = BTreeMap::new();
    readings.iter().for_each(|(meter, amount, time)| *consumed.entry((*meter, *time)).or_insert(0) += amount);
    let cost = |((meter, time), consumed): ((u64, i64), i64)| {
        let known = |price: &&Price| price.0 == meter % TARIFFS && price.2 <= time;
        let price = prices.iter().rev().find(known).map_or(0, |price| price.1);
        (meter, time, consumed * price)
    };
    let expected = consumed.into_iter().map(cost).chain((0..METERS).map(|meter| (meter, -1, 0))).collect();
    check(
        |run| {
            let time = |record: &Archived<Reading>| Timestamp(record.2.to_native());
            let readings = run.stream(&readings, |reading| reading.2, time, BOUND);
            let prices = run.stream(&prices, |price| price.2, time, BOUND);
            readings
                .key_by(|reading| reading.0.to_native())
                .connect_broadcast(&prices)
                .process(Costs::default())
                .uid("costs")
        },
        expected,
    );
}
