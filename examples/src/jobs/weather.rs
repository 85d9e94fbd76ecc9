//! Departures joined with the weather then known: the latest observation at the airport at or before the scheduled departure.

use yeoul::operator::OpenContext;
use yeoul::prelude::*;
use yeoul::state::{MapHandle, States};

use crate::options::Options;
use crate::records::{ArchivedDeparture, ArchivedWeather, Departure, Weather};

/// A departure and the weather then known.
#[record]
#[derive(Debug, Clone, PartialEq)]
pub struct DepartureInWeather {
    /// The flight.
    pub flight_id: u64,
    /// Where.
    pub origin: String,
    /// When it was to leave.
    pub sched_dep: Timestamp,
    /// Minutes behind schedule; none if cancelled.
    pub dep_delay: Option<i32>,
    /// When the weather was observed, if it ever was before.
    pub observed_at: Option<Timestamp>,
    /// Miles an hour.
    pub wind_speed: Option<f64>,
    /// Miles.
    pub visib: Option<f64>,
}

type Waiting = Vec<(u64, Option<i32>)>;
type Observed = (Option<f64>, Option<f64>);

/// Keeps departures until event time has come to them, and of the weather what a later departure may ask for.
#[derive(Clone, Default)]
pub struct Join {
    waiting: MapHandle<Timestamp, Waiting>,
    weather: MapHandle<Timestamp, Observed>,
}

impl KeyedCoProcessFunction for Join {
    type Key = KeyStr;
    type In1 = Departure;
    type In2 = Weather;
    type Out = DepartureInWeather;

    fn open(&mut self, states: &mut States<KeyStr>, _cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.waiting = states.map("waiting");
        self.weather = states.map("weather");
        Ok(())
    }

    fn process1(
        &mut self,
        flight: &ArchivedDeparture,
        cx: &mut KeyedContext<'_, KeyStr>,
        _out: &mut Collector<DepartureInWeather>,
    ) -> Result<(), OperatorError> {
        let waiting = cx.state(&self.waiting).get_or_else(&flight.sched_dep(), Vec::new);
        waiting.push((flight.flight_id(), flight.dep_delay()));
        cx.register_event_time_timer(flight.sched_dep());
        Ok(())
    }

    fn process2(
        &mut self,
        weather: &ArchivedWeather,
        cx: &mut KeyedContext<'_, KeyStr>,
        _out: &mut Collector<DepartureInWeather>,
    ) -> Result<(), OperatorError> {
        cx.state(&self.weather).put(&weather.observed_at(), (weather.wind_speed(), weather.visib()));
        Ok(())
    }

    fn on_timer(
        &mut self,
        time: Timestamp,
        cx: &mut KeyedContext<'_, KeyStr>,
        out: &mut Collector<DepartureInWeather>,
    ) -> Result<(), OperatorError> {
        let known = cx.state(&self.weather).keys();
        let latest = known.iter().copied().filter(|at| *at <= time).max();
        let (wind_speed, visib) = latest.and_then(|at| cx.state(&self.weather).get(&at).copied()).unwrap_or_default();
        let origin = cx.key().to_string();
        for (flight_id, dep_delay) in cx.state(&self.waiting).get(&time).cloned().unwrap_or_default() {
            let (origin, observed_at) = (origin.clone(), latest);
            out.collect(DepartureInWeather {
                flight_id,
                origin,
                sched_dep: time,
                dep_delay,
                observed_at,
                wind_speed,
                visib,
            });
        }
        cx.state(&self.waiting).remove(&time);
        // Event time only goes on: what is older than the latest known is not asked for again.
        for old in known.iter().filter(|at| latest.is_some_and(|latest| **at < latest)) {
            cx.state(&self.weather).remove(old);
        }
        Ok(())
    }
}

/// The path of the weather: that of the departures but for the file's name.
fn weather_beside(departures: &str) -> String {
    let (folder, name) = departures.split_at(departures.rfind('/').map_or(0, |slash| slash + 1));
    format!("{folder}{}", name.replace("departures", "weather"))
}

/// Builds the job: `joined` below the folder for results. The weather lies beside the departures.
pub fn build(env: &Environment, options: &Options) {
    let beside = weather_beside(&options.input);
    let weather = env.from_source(
        FileSource::csv::<Weather>(&beside),
        WatermarkStrategy::for_monotonous_timestamps()
            .with_timestamp_assigner(|weather: &ArchivedWeather| weather.observed_at()),
        "weather",
    );
    let weather = weather.key_by(|weather| KeyStr::from(weather.origin()));
    super::departures(env, options)
        .key_by(|flight| KeyStr::from(flight.origin()))
        .connect(&weather)
        .process(Join::default())
        .name("join")
        .sink_to(FileSink::csv::<DepartureInWeather>(options.result("joined")).overwrite())
        .name("joined.csv");
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_weather_lies_beside_the_departures() {
        let beside = super::weather_beside;
        assert_eq!(beside("data/departures-2013-01.csv.gz"), "data/weather-2013-01.csv.gz");
        assert_eq!(beside("/srv/departures/departures.csv"), "/srv/departures/weather.csv");
        assert_eq!(beside("departures.csv"), "weather.csv");
    }
}
