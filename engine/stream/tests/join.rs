//! Two keyed streams joined by event time: each departure with the weather that was known then, whatever the order of arrival.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rkyv::Archived;
use yeoul_frame::{Timestamp, record};
use yeoul_operator::{OpenContext, OperatorError, Subtask};
use yeoul_state::{ListHandle, MapHandle, Row, States};
use yeoul_stream::{Collector, KeyedCoProcessFunction, KeyedContext, OperatorHarness, OutputTag};

#[record]
#[derive(Debug, Clone, PartialEq)]
struct Departure {
    airport: u64,
    flight: u64,
}

#[record]
#[derive(Debug, Clone, PartialEq)]
struct Weather {
    airport: u64,
    sky: String,
}

/// Weather is kept by event time; a departure waits until the watermark says that its weather is known.
#[derive(Clone)]
struct WithWeather {
    weather: MapHandle<Timestamp, Row<Weather>>,
    waiting: MapHandle<Timestamp, u64>,
    at_once: ListHandle<u64>,
    late: OutputTag<u64>,
}

impl KeyedCoProcessFunction for WithWeather {
    type Key = u64;
    type In1 = Departure;
    type In2 = Weather;
    type Out = (u64, String);

    fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.weather = states.map("weather");
        self.waiting = states.map("waiting");
        self.at_once = states.list("flights");
        Ok(())
    }

    fn process1(
        &mut self,
        departure: &ArchivedDeparture,
        cx: &mut KeyedContext<'_, u64>,
        _: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError> {
        let time = cx.timestamp();
        if time <= cx.watermark() {
            cx.output(&self.late, departure.flight());
        } else {
            cx.state(&self.waiting).put(&time, departure.flight());
            cx.state(&self.at_once).add(departure.flight());
            cx.register_event_time_timer(time);
        }
        Ok(())
    }

    fn process2(
        &mut self,
        weather: &Archived<Weather>,
        cx: &mut KeyedContext<'_, u64>,
        _: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError> {
        let time = cx.timestamp();
        let weather = Weather { airport: weather.airport(), sky: weather.sky().to_owned() };
        cx.state(&self.weather).put(&time, Row::new(&weather));
        Ok(())
    }

    fn on_timer(
        &mut self,
        time: Timestamp,
        cx: &mut KeyedContext<'_, u64>,
        out: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError> {
        let Some(flight) = cx.state(&self.waiting).get(&time).copied() else { return Ok(()) };
        cx.state(&self.waiting).remove(&time);
        let mut known = None;
        cx.state(&self.weather).for_each(|at, weather| {
            if *at <= time {
                known = Some(weather.get().sky().to_owned());
            }
        });
        out.collect((flight, known.unwrap_or_else(|| "unknown".to_owned())));
        // Only the last weather up to now can still be asked for.
        let mut old: Vec<_> = cx.state(&self.weather).keys().into_iter().filter(|at| *at <= time).collect();
        old.pop();
        old.iter().for_each(|at| cx.state(&self.weather).remove(at));
        Ok(())
    }
}

type Harness = OperatorHarness<Departure, (u64, String), Weather>;

fn harness(late: &OutputTag<u64>) -> Harness {
    OperatorHarness::of_two(|departures, weather| {
        let function = WithWeather {
            weather: MapHandle::default(),
            waiting: MapHandle::default(),
            at_once: ListHandle::default(),
            late: late.clone(),
        };
        let departures = departures.key_by(|departure: &ArchivedDeparture| departure.airport());
        let joined =
            departures.connect(&weather.key_by(|weather: &ArchivedWeather| weather.airport())).process(function);
        let _ = joined.side_output(late);
        joined
    })
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Batches of records in any order within a batch's bounds; the watermark stands at each batch's start.
    #[test]
    fn departures_get_the_weather_of_their_time(
        batches in prop::collection::vec((
            prop::collection::btree_set((0..3u64, 0..100i64), 0..20),
            prop::collection::btree_map((0..3u64, 0..100i64), "[a-z]{0,20}", 0..8),
            prop::option::of(1..4u16),
        ), 1..8),
    ) {
        let late = OutputTag::new("late");
        let recipe = harness(&late);
        let mut instances = vec![recipe.restored(Subtask { index: 0, parallelism: 1 }, &[]).unwrap()];
        let (mut output, mut expected) = (Vec::new(), Vec::new());
        let mut versions: BTreeMap<(u64, i64), String> = BTreeMap::new();
        let mut flight = 0;
        for (batch, (departures, weather, restart)) in batches.into_iter().enumerate() {
            let base = batch as i64 * 100;
            let departures: Vec<_> = departures.into_iter().map(|(airport, time)| {
                flight += 1;
                (Departure { airport, flight }, base + time)
            }).collect();
            versions.extend(weather.iter().map(|((airport, time), sky)| ((*airport, base + time), sky.clone())));
            for (departure, time) in &departures {
                let known = versions.range((departure.airport, i64::MIN)..=(departure.airport, *time)).next_back();
                expected.push((departure.flight, known.map_or("unknown".to_owned(), |(_, sky)| sky.clone())));
            }
            let weather: Vec<_> = weather.into_iter()
                .map(|((airport, time), sky)| (Weather { airport, sky }, base + time))
                .collect();
            for instance in &mut instances {
                instance.push(departures.iter().cloned()).unwrap();
                instance.push_second(weather.iter().cloned()).unwrap();
            }
            if let Some(parallelism) = restart {
                let snapshots: Vec<_> = instances.iter_mut().map(|instance| instance.snapshot().unwrap()).collect();
                let snapshots: Vec<_> = snapshots.iter().collect();
                instances = (0..parallelism)
                    .map(|index| recipe.restored(Subtask { index, parallelism }, &snapshots).unwrap())
                    .collect();
            }
            for instance in &mut instances {
                instance.watermark(base + 99).unwrap();
                output.extend(instance.take_output().into_iter().map(|(joined, _)| joined));
                assert!(instance.take_side_output(&late).is_empty());
            }
        }
        output.sort();
        assert_eq!(output, expected);
        for instance in &mut instances {
            instance.push([(Departure { airport: 1, flight: 0 }, 5)]).unwrap();
        }
        let late: usize = instances.iter_mut().map(|instance| instance.take_side_output(&late).len()).sum();
        assert_eq!(late, 1);
    }
}
