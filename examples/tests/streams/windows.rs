//! Windows over windows, and windows with triggers, evictors and gaps of the records' own.

use std::collections::BTreeMap;
use std::time::Duration;

use yeoul::prelude::*;
use yeoul::rkyv::Archived;
use yeoul::state::ValueHandle;

use crate::check;
use crate::halves::Halves;

/// Driver, time, tip.
type Fare = (u64, i64, u64);

const HOUR: i64 = 100;

fn ms(millis: i64) -> Duration {
    Duration::from_millis(millis as u64)
}

/// In the order of time, of seven drivers.
fn fares() -> Vec<Fare> {
    (0..900u64).map(|n| (n * n % 7, (n * 3) as i64, n * 31 % 50)).collect()
}

fn watermarks() -> WatermarkStrategy<Fare> {
    WatermarkStrategy::for_monotonous_timestamps()
        .with_timestamp_assigner(|fare: &Archived<Fare>| Timestamp(fare.1.to_native()))
        .with_granularity(Duration::ZERO)
}

/// Says which hour of its driver's it is, beside the sum of tips.
#[derive(Clone, Default)]
struct Hours(ValueHandle<u64>);

impl ProcessWindowFunction for Hours {
    type Key = u64;
    type In = Fare;
    type Out = (u64, u64, u64);

    fn declare(&mut self, states: &mut WindowStates<u64>) {
        self.0 = states.global.value("hours");
    }

    fn process(
        &mut self,
        driver: &u64,
        cx: &mut WindowContext<'_, u64>,
        sum: &[Fare],
        out: &mut Collector<(u64, u64, u64)>,
    ) -> Result<(), OperatorError> {
        let hours = cx.global_state(&self.0).get_or(0);
        *hours += 1;
        out.collect((*driver, *hours, sum[0].2));
        Ok(())
    }
}

/// HourlyTips of the training: of each hour the driver with the most tips, by keyed windows and windows of the whole stream.
#[test]
fn hourly_tips_are_those_of_a_sequential_program() {
    let mut sums: BTreeMap<(i64, u64), u64> = BTreeMap::new();
    fares().iter().for_each(|(driver, time, tip)| *sums.entry((time / HOUR, *driver)).or_default() += tip);
    let mut hours: BTreeMap<u64, u64> = BTreeMap::new();
    let mut most: BTreeMap<i64, (u64, u64, u64)> = BTreeMap::new();
    for ((hour, driver), sum) in &sums {
        let nth = hours.entry(*driver).or_default();
        *nth += 1;
        let tips = (*sum, *driver, *nth);
        let best = most.entry(*hour).or_insert(tips);
        *best = tips.max(*best);
    }
    let expected: Vec<_> =
        most.iter().map(|(hour, (sum, driver, nth))| ((hour + 1) * HOUR, *driver, *nth, *sum)).collect();
    check(
        |env, stage, sink| {
            let fares = env.from_source(Halves::of([fares()], stage), watermarks(), "fares");
            let hourly = fares
                .key_by(|fare| fare.0.to_native())
                .window(TumblingEventTimeWindows::of(ms(HOUR)))
                .reduce_process(|sum, fare| sum.2 += fare.2, Hours::default());
            let most = hourly.window_all(TumblingEventTimeWindows::of(ms(HOUR))).reduce_with(
                |most, tips| {
                    if (tips.2, tips.0) > (most.2, most.0) {
                        *most = *tips;
                    }
                },
                |window, most, out| out.collect((window.end.0, most.0, most.1, most.2)),
            );
            most.sink_to(sink);
        },
        |_| expected.clone(),
    );
}

/// Key, start, end, sum.
type Sum = (u64, i64, i64, u64);

#[test]
fn count_windows_and_sessions_of_the_records_own_gaps_go_on_after_a_failure() {
    let by_driver = |driver: u64| fares().into_iter().filter(move |fare| fare.0 == driver);
    let gap = |fare: &Fare| 4 + fare.2 as i64;
    let mut expected: Vec<Sum> = Vec::new();
    for driver in 0..7 {
        let tips: Vec<u64> = by_driver(driver).map(|fare| fare.2).collect();
        // The last five, after every third.
        let ends = (3..=tips.len()).step_by(3);
        expected.extend(ends.map(|end| (driver, 0, 0, tips[end.saturating_sub(5)..end].iter().sum())));
        let mut sessions: Vec<Sum> = Vec::new();
        for fare in by_driver(driver) {
            match sessions.last_mut().filter(|session| fare.1 <= session.2) {
                Some(session) => (session.2, session.3) = (session.2.max(fare.1 + gap(&fare)), session.3 + fare.2),
                None => sessions.push((driver, fare.1, fare.1 + gap(&fare), fare.2)),
            }
        }
        expected.append(&mut sessions);
    }
    // Every eight of all drivers, and nothing of the rest.
    let all: Vec<u64> = fares().iter().map(|fare| fare.2).collect();
    expected.extend(all.chunks_exact(8).map(|tips| (100, 0, 0, tips.iter().sum())));
    check(
        |env, stage, sink| {
            let fares = env.from_source(Halves::of([fares()], stage), watermarks(), "fares");
            let keyed = fares.key_by(|fare| fare.0.to_native());
            let last = keyed
                .sliding_count_window(5, 3)
                .reduce_with(|sum, fare| sum.2 += fare.2, |driver, _, sum, out| out.collect((*driver, 0, 0, sum.2)));
            let gaps =
                EventTimeSessionWindows::with_dynamic_gap(|fare: &Archived<Fare>| ms(4 + fare.2.to_native() as i64));
            let sessions = keyed.window(gaps).reduce_with(
                |sum, fare| sum.2 += fare.2,
                |driver, window, sum, out| out.collect((*driver, window.start.0, window.end.0, sum.2)),
            );
            let eights = fares
                .count_window_all(8)
                .reduce_with(|sum, fare| sum.2 += fare.2, |_, sum, out| out.collect((100, 0, 0, sum.2)));
            last.union(&sessions).union(&eights).sink_to(sink);
        },
        |_| expected.clone(),
    );
}
