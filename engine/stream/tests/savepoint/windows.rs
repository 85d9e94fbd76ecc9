//! Open windows are read from a savepoint, and written to one: panes of tumbling windows, sessions, and windows that are kept one by one.

use std::time::Duration;

use yeoul_frame::KeyGroups;
use yeoul_operator::JobGraph;
use yeoul_runtime::JobConfig;
use yeoul_stream::savepoint::{Aggregated, Records, Reduced, SavedPane, SavedSession, SavedWindow};
use yeoul_stream::{
    Bootstrap, Collector, Count, CountEvictor, DataStream, EventTimeSessionWindows, EventTimeTrigger,
    ProcessWindowFunction, SavepointReader, SavepointWriter, StreamEnvironment, TimeWindow, TumblingEventTimeWindows,
    WatermarkStrategy, WindowContext, WindowStagger, collect,
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

/// Windows that are kept one by one: with a trigger, an evictor, a state of their own, and sessions that have grown.
fn kept_one_by_one(feed: &Feed) -> JobGraph {
    let env = StreamEnvironment::new("windows");
    let events = env.from_source(feed.clone(), WatermarkStrategy::for_monotonous_timestamps(), "feed").uid("feed");
    let keyed = events.key_by(|event| event.0.to_native());
    let hours = || keyed.window(TumblingEventTimeWindows::of(Duration::from_secs(3_600)));
    hours().trigger(EventTimeTrigger::create()).aggregate(Count::new()).uid("counts").sink_to(collect().0);
    let last = hours().evictor(CountEvictor::of(3));
    last.reduce(|sum: &mut Event, next: &Event| sum.1 += next.1).uid("last").sink_to(collect().0);
    keyed.count_window(1_000).reduce(|sum, next| sum.1 += next.1).uid("hundreds").sink_to(collect().0);
    let sessions = keyed.window(EventTimeSessionWindows::with_gap(Duration::from_secs(60)));
    sessions.trigger(EventTimeTrigger::create()).process(First).uid("sessions").sink_to(collect().0);
    env.build().unwrap()
}

#[test]
fn windows_that_are_kept_one_by_one_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("savepoint");
    let events: Vec<Event> = (0..1_000).map(|n| (n % 10, n as i64)).collect();
    let feed = Feed::that_waits(events.clone());
    savepoint(kept_one_by_one(&feed), &feed, config(2, Some(&folder.path().join("data"))), &taken).unwrap();
    let reader = SavepointReader::open(&taken).unwrap().parts(3);
    let of = |uid: &str| reader.operator(uid).unwrap();
    let of_key = |key: u64| events.iter().filter(|event| event.0 == key).copied().collect::<Vec<_>>();
    let counts = of("counts").windows::<u64, Aggregated<u64>>().unwrap();
    assert_eq!(counts.len(), 10);
    for SavedWindow { key, window, content } in counts {
        assert_eq!((window.start.0, window.end.0, content), (0, 3_600_000, 100), "{key}");
    }
    // An evictor takes nothing out before the window fires.
    let last = of("last").windows::<u64, Records<Event>>().unwrap();
    assert_eq!(last.len(), 10);
    for SavedWindow { key, content, .. } in last {
        assert_eq!(content, of_key(key));
    }
    let hundreds = of("hundreds").windows::<u64, Reduced<Event>>().unwrap();
    assert_eq!(hundreds.len(), 10);
    for SavedWindow { key, window, content } in hundreds {
        let sum = of_key(key).iter().map(|event| event.1).sum();
        assert_eq!((window, content), (TimeWindow::GLOBAL, Some((key, sum))));
    }
    let sessions = of("sessions").windows::<u64, Records<Event>>().unwrap();
    assert_eq!(sessions.len(), 10);
    for SavedWindow { key, window, content } in sessions {
        assert_eq!((window.start.0, window.end.0), (key as i64, 990 + key as i64 + 60_000), "as it has grown");
        assert_eq!(content, of_key(key));
    }
    let error = of("counts").windows::<u64, Records<Event>>().unwrap_err().to_string();
    assert!(error.contains("window elements"), "{error}");
}

/// An offset is that of a key's group, of which there are as many as the job has.
#[test]
fn windows_that_were_filled_are_staggered_as_the_jobs_are() {
    let folder = tempfile::tempdir().unwrap();
    let written = folder.path().join("written");
    let staggered = |events: &DataStream<Event>| {
        let hours = TumblingEventTimeWindows::of(Duration::from_secs(3_600)).stagger(WindowStagger::Random);
        events.key_by(|event| event.0.to_native()).window(hours).process(First).uid("staggered")
    };
    let before = (0..500).map(|n| ((n % 50, n as i64), n as i64));
    let groups = KeyGroups::new(256).unwrap();
    let filled = Bootstrap::operator(before, |events| staggered(&events));
    SavepointWriter::new().key_groups(groups).with_operator("staggered", filled).write(&written).unwrap();
    let env = StreamEnvironment::new("goes on");
    let feed = Feed::that_ends((0..500).map(|n| (n % 50, n as i64)).collect());
    let (sink, counts) = collect();
    staggered(&env.from_source(feed, WatermarkStrategy::for_monotonous_timestamps(), "feed")).sink_to(sink);
    let config = JobConfig { from_savepoint: Some(written), key_groups: groups, ..config(2, None) };
    yeoul_runtime::spawn(env.build().unwrap(), config, yeoul_operator::Services::default()).wait().unwrap();
    let mut counts = counts.take();
    counts.sort_unstable();
    assert_eq!(counts, (0..50).map(|key| (key, 20)).collect::<Vec<_>>());
}

/// What a job counts in windows of an hour, after what a savepoint holds.
fn hourly(events: &DataStream<Event>) -> DataStream<Event> {
    let hours =
        events.key_by(|event| event.0.to_native()).window(TumblingEventTimeWindows::of(Duration::from_secs(3_600)));
    hours.aggregate_with(Count::new(), |key, _, count, out| out.collect((*key, count as i64))).uid("hourly")
}

fn sessions(events: &DataStream<Event>) -> DataStream<Event> {
    let sessions =
        events.key_by(|event| event.0.to_native()).window(EventTimeSessionWindows::with_gap(Duration::from_secs(60)));
    sessions.trigger(EventTimeTrigger::create()).process(First).uid("sessions")
}

#[test]
fn a_job_goes_on_with_windows_that_were_filled_from_data() {
    let folder = tempfile::tempdir().unwrap();
    let written = folder.path().join("written");
    let before = || (0..5_000).map(|n| ((n % 10, n as i64), n as i64));
    let writer =
        SavepointWriter::new().with_operator("hourly", Bootstrap::operator(before(), |events| hourly(&events)));
    writer
        .with_operator("sessions", Bootstrap::operator(before(), |events| sessions(&events)))
        .write(&written)
        .unwrap();
    // The job reads ten more of each key, within the gap.
    let more: Vec<Event> = (5_000..5_100).map(|n| (n % 10, n as i64)).collect();
    for shards in [1, 3] {
        let env = StreamEnvironment::new("goes on");
        let feed = Feed::that_ends(more.clone());
        let events = env.from_source(feed, WatermarkStrategy::for_monotonous_timestamps(), "feed");
        let (hours, hourly_counts) = collect();
        let (bursts, session_counts) = collect();
        hourly(&events).sink_to(hours);
        sessions(&events).sink_to(bursts);
        let config = JobConfig { from_savepoint: Some(written.clone()), ..config(shards, None) };
        yeoul_runtime::spawn(env.build().unwrap(), config, yeoul_operator::Services::default()).wait().unwrap();
        for counts in [hourly_counts, session_counts] {
            let mut counts = counts.take();
            counts.sort_unstable();
            assert_eq!(counts, (0..10).map(|key| (key, 510)).collect::<Vec<_>>(), "{shards} shards");
        }
    }
    let refused = |of: Bootstrap<'_>, what: &str| {
        let error =
            SavepointWriter::new().with_operator("hourly", of).write(folder.path().join("refused")).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    };
    let filtered = |events: DataStream<Event>| hourly(&events.filter(|event| event.0 > 3));
    refused(Bootstrap::operator(before(), filtered), "reads from another operator");
    let both = |events: DataStream<Event>| hourly(&events).union(&sessions(&events));
    refused(Bootstrap::operator(before(), both), "a union of 2");
    refused(Bootstrap::operator(before(), |events| events), "that which was given");
    let twice = SavepointWriter::new().with_operator("hourly", Bootstrap::list("seen", [7_u64]));
    let twice = twice.with_operator("hourly", Bootstrap::operator(before(), |events| hourly(&events)));
    let error = twice.write(folder.path().join("refused")).unwrap_err();
    assert!(error.to_string().contains("twice"), "{error}");
}

/// The length of all texts of a window.
#[derive(Clone)]
struct Long;

impl ProcessWindowFunction for Long {
    type Key = u64;
    type In = (u64, String);
    type Out = u64;

    fn process(
        &mut self,
        _: &u64,
        _: &mut WindowContext<'_, u64>,
        texts: &[(u64, String)],
        out: &mut Collector<u64>,
    ) -> Result<(), yeoul_operator::OperatorError> {
        out.collect(texts.iter().map(|(_, text)| text.len() as u64).sum());
        Ok(())
    }
}

/// All records of one key and window are one record of the log, which has its limit. With a trigger they are kept one by one.
#[test]
fn a_window_that_outgrows_the_log_is_named() {
    const RECORDS: i64 = 600;
    let graph = |feed: &Feed, has_trigger: bool| {
        let env = StreamEnvironment::new("long");
        let events = env.from_source(feed.clone(), WatermarkStrategy::for_monotonous_timestamps(), "feed");
        let texts = events.map(|event| (event.0.to_native(), "t".repeat(64 << 10)));
        let windows =
            texts.key_by(|text| text.0.to_native()).window(TumblingEventTimeWindows::of(Duration::from_secs(1_000)));
        let windows = if has_trigger { windows.trigger(EventTimeTrigger::create()) } else { windows };
        let (sink, collected) = collect::<u64>();
        windows.process(Long).name("texts of a day").sink_to(sink);
        (env.build().unwrap(), collected)
    };
    let records = || (0..RECORDS).map(|n| (7, n)).collect::<Vec<Event>>();
    let folder = tempfile::tempdir().unwrap();
    let feed = Feed::that_waits(records());
    let job = yeoul_runtime::spawn(
        graph(&feed, false).0,
        config(1, Some(&folder.path().join("plain"))),
        yeoul_operator::Services::default(),
    );
    let error = job.wait().unwrap_err().to_string();
    for part in
        ["operator 'texts of a day (1/1)', state 'windows'", " MiB, more than the 32 MiB", "EventTimeTrigger::create()"]
    {
        assert!(error.contains(part), "{error:?} should say {part:?}");
    }
    let feed = Feed::that_waits(records());
    let (graph, _) = graph(&feed, true);
    let taken = folder.path().join("savepoint");
    savepoint(graph, &feed, config(1, Some(&folder.path().join("with a trigger"))), &taken).unwrap();
}
