//! An alert by timer when a plane is not seen for six hours.

use yeoul::operator::OpenContext;
use yeoul::prelude::*;
use yeoul::state::{MapHandle, States};

use crate::options::Options;
use crate::records::{ArchivedDeparture, Departure};

/// In milliseconds.
pub const SIX_HOURS: i64 = 6 * 3_600_000;

/// A plane has not been seen for six hours.
#[record]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unseen {
    /// The plane.
    pub tailnum: String,
    /// Its last scheduled departure before that.
    pub last_seen: Timestamp,
}

/// Keeps the departures of the last six hours of each plane. Reports come out of order, so the latest alone would not do: it may lie
/// past the gap.
#[derive(Clone, Default)]
pub struct Watch {
    seen: MapHandle<Timestamp, ()>,
}

impl KeyedProcessFunction for Watch {
    type Key = KeyStr;
    type In = Departure;
    type Out = Unseen;

    fn open(&mut self, states: &mut States<KeyStr>, _cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.seen = states.map("seen");
        Ok(())
    }

    fn process(
        &mut self,
        flight: &ArchivedDeparture,
        cx: &mut KeyedContext<'_, KeyStr>,
        _out: &mut Collector<Unseen>,
    ) -> Result<(), OperatorError> {
        cx.state(&self.seen).put(&flight.sched_dep(), ());
        cx.register_event_time_timer(flight.sched_dep().plus(SIX_HOURS));
        Ok(())
    }

    fn on_timer(
        &mut self,
        time: Timestamp,
        cx: &mut KeyedContext<'_, KeyStr>,
        out: &mut Collector<Unseen>,
    ) -> Result<(), OperatorError> {
        let last_seen = time.minus(SIX_HOURS);
        let mut again = false;
        cx.state(&self.seen).for_each(|seen, ()| again |= *seen > last_seen && *seen <= time);
        if !again {
            let tailnum = cx.key().to_string();
            out.collect(Unseen { tailnum, last_seen });
        }
        cx.state(&self.seen).remove(&last_seen);
        Ok(())
    }
}

/// Builds the job: `unseen` below the folder for results.
pub fn build(env: &Environment, options: &Options) {
    super::departures(env, options)
        .filter(|flight| flight.tailnum().is_some())
        .key_by(|flight| KeyStr::from(flight.tailnum().unwrap_or_default()))
        .process(Watch::default())
        .name("watch")
        .sink_to(FileSink::csv::<Unseen>(options.result("unseen")).overwrite())
        .name("unseen.csv");
}
