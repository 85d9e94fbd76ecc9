//! Open windows are read from a savepoint: panes of tumbling windows, and sessions.

use std::time::Duration;

use yeoul_operator::JobGraph;
use yeoul_stream::savepoint::{Aggregated, Records, Reduced, SavedPane, SavedSession};
use yeoul_stream::{
    Collector, Count, EventTimeSessionWindows, ProcessWindowFunction, SavepointReader, StreamEnvironment,
    TumblingEventTimeWindows, WatermarkStrategy, WindowContext, collect,
};

use crate::program::{Event, Feed, config, savepoint};

#[derive(Clone)]
struct First;

impl ProcessWindowFunction for First {
    type Key = u64;
    type In = Event;
    type Out = Event;

    fn process(
        &mut self,
        key: &u64,
        _: &mut WindowContext<'_, u64>,
        records: &[Event],
        out: &mut Collector<Event>,
    ) -> Result<(), yeoul_operator::OperatorError> {
        out.collect((*key, records.len() as i64));
        Ok(())
    }
}

fn graph(feed: &Feed) -> JobGraph {
    let env = StreamEnvironment::new("windows");
    let events = env.from_source(feed.clone(), WatermarkStrategy::for_monotonous_timestamps(), "feed").uid("feed");
    let (sink, _) = collect::<u64>();
    let (reduced, _) = collect::<Event>();
    let (processed, _) = collect::<Event>();
    let (sessions, _) = collect::<u64>();
    let keyed = events.key_by(|event| event.0.to_native());
    let hours = || keyed.window(TumblingEventTimeWindows::of(Duration::from_secs(3_600)));
    hours().aggregate(Count::new()).uid("counts").sink_to(sink).uid("a");
    hours().reduce(|sum: &mut Event, next: &Event| sum.1 += next.1).uid("sums").sink_to(reduced).uid("b");
    hours().process(First).uid("all").sink_to(processed).uid("c");
    let sessions_of = keyed.window(EventTimeSessionWindows::with_gap(Duration::from_secs(60)));
    sessions_of.aggregate(Count::new()).uid("sessions").sink_to(sessions).uid("d");
    env.build().unwrap()
}

#[test]
fn open_windows_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("savepoint");
    let events: Vec<Event> = (0..1_000).map(|n| (n % 10, n as i64)).collect();
    let feed = Feed::that_waits(events.clone());
    savepoint(graph(&feed), &feed, config(2, Some(&folder.path().join("data"))), &taken).unwrap();
    let reader = SavepointReader::open(&taken).unwrap().parts(3);
    let of = |uid: &str| reader.operator(uid).unwrap();
    let mut counts: Vec<SavedPane<u64, u64>> = of("counts").panes::<u64, Aggregated<u64>>().unwrap();
    counts.sort_by_key(|pane| pane.key);
    let shown: Vec<_> = counts.iter().map(|pane| (pane.key, pane.start.0, pane.content)).collect();
    assert_eq!(shown, (0..10).map(|key| (key, 0, 100)).collect::<Vec<_>>());
    for SavedPane { key, content, .. } in of("sums").panes::<u64, Reduced<Event>>().unwrap() {
        let sum = events.iter().filter(|event| event.0 == key).map(|event| event.1).sum();
        assert_eq!(content, Some((key, sum)));
    }
    let all = of("all").panes::<u64, Records<Event>>().unwrap();
    assert_eq!(all.len(), 10);
    for SavedPane { key, content, .. } in all {
        assert_eq!(content, events.iter().filter(|event| event.0 == key).copied().collect::<Vec<_>>());
    }
    let sessions = of("sessions").sessions::<u64, Aggregated<u64>>().unwrap();
    assert_eq!(sessions.len(), 10);
    for SavedSession { key, window, fired, content } in sessions {
        let last = 990 + key as i64;
        assert_eq!((window.start.0, window.end.0, fired, content), (key as i64, last + 60_000, false, 100));
    }
}
