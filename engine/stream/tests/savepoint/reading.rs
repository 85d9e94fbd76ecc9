//! What a job has saved is read back as records: whatever the parallelism, from a savepoint and from the job's store.

use std::collections::BTreeMap;

use yeoul_operator::{OperatorError, Services};
use yeoul_runtime::JobConfig;
use yeoul_state::{StateDescriptor, States, Ttl};
use yeoul_stream::savepoint::{SavedTimer, StateKind};
use yeoul_stream::{KeyedReadContext, KeyedStateReaderFunction, SavepointReader, TimeDomain};

use crate::program::{
    DUE, Digest, Everything, Feed, Handles, NEVER, config, events, expected, graph, recent, savepoint,
};

#[derive(Default)]
pub(crate) struct Reader(Handles);

impl KeyedStateReaderFunction for Reader {
    type Key = u64;
    type Out = (u64, Digest, Vec<i64>, Vec<i64>);

    fn open(&mut self, states: &mut States<u64>) -> Result<(), OperatorError> {
        self.0 = Handles::declare(states);
        Ok(())
    }

    fn read_key(&mut self, cx: &mut KeyedReadContext<'_, u64>, out: &mut Vec<Self::Out>) -> Result<(), OperatorError> {
        let digest = Digest::read(&self.0, cx);
        let times = |timers: &[yeoul_frame::Timestamp]| timers.iter().map(|time| time.0).collect();
        out.push((*cx.key(), digest, times(cx.event_time_timers()), times(cx.processing_time_timers())));
        Ok(())
    }
}

fn check(reader: &SavepointReader) {
    let operator = reader.operator("everything").unwrap();
    let rows: Vec<_> = operator.read(Reader::default()).collect::<Result<_, _>>().unwrap();
    let of_jobs = expected(&events());
    assert_eq!(rows.len(), of_jobs.len(), "each key once");
    for (key, digest, event, processing) in rows {
        assert_eq!(digest, of_jobs[&key], "{key}");
        assert_eq!((event, processing), (vec![DUE], vec![NEVER]));
    }
    // The same, state by state.
    fn by_key<V>(rows: Vec<(u64, V)>) -> BTreeMap<u64, V> {
        rows.into_iter().collect()
    }
    let all = by_key(operator.lists::<u64, i64>("all").unwrap());
    let rests = by_key(operator.maps::<u64, i64, u32>("by rest").unwrap());
    let most = by_key(operator.reductions::<u64, i64>("most").unwrap());
    let mean = by_key(operator.values::<u64, (i64, u64)>("mean").unwrap());
    let recent = by_key(operator.values::<u64, i64>(recent()).unwrap());
    for (key, digest) in &of_jobs {
        assert_eq!((&all[key], &rests[key]), (&digest.all, &digest.by_rest));
        assert_eq!((Some(most[key]), Some(mean[key].0 / mean[key].1 as i64)), (digest.most, digest.mean));
        assert_eq!(Some(recent[key]), digest.recent);
    }
    assert_eq!(
        (all.len(), rests.len(), most.len(), mean.len()),
        (of_jobs.len(), of_jobs.len(), of_jobs.len(), of_jobs.len())
    );
    let timers = operator.timers::<u64>().unwrap();
    let event = |timer: &&SavedTimer<u64>| timer.domain == TimeDomain::Event && timer.time.0 == DUE;
    assert_eq!((timers.len(), timers.iter().filter(event).count()), (2 * of_jobs.len(), of_jobs.len()));
}

#[test]
fn a_savepoint_and_a_store_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let (data, taken) = (folder.path().join("data"), folder.path().join("savepoint"));
    let feed = Feed::that_waits(events());
    let (graph, _) = graph(&feed, Everything::default());
    // Small segments and a low threshold for eviction.
    let config =
        JobConfig { log_segment_bytes: 64 << 10, state_memory: 64 << 20, evict_percent: 1, ..config(2, Some(&data)) };
    let job = yeoul_runtime::spawn(graph, config, Services::default());
    feed.until_given(&job);
    let Err(in_use) = SavepointReader::open(&data) else { panic!("a job that runs has its store for itself") };
    assert!(in_use.to_string().contains("lock"), "{in_use}");
    job.stop(taken.to_str(), false).unwrap();
    job.wait().unwrap();
    for parts in [1, 2, 5] {
        check(&SavepointReader::open(&taken).unwrap().parts(parts));
    }
    check(&SavepointReader::open(&data).unwrap());

    let reader = SavepointReader::open(&taken).unwrap();
    let operators = reader.operators().unwrap();
    let uids: Vec<_> = operators.iter().filter_map(|operator| operator.uid.as_deref()).collect();
    assert_eq!(uids, ["everything", "feed", "out"]);
    let keys = expected(&events()).len() as u64;
    let tables: Vec<_> =
        operators[0].tables.iter().map(|table| (table.name.as_str(), table.kind, table.entries)).collect();
    let entries = events().len() as u64;
    let rests = expected(&events()).values().map(|digest| digest.by_rest.len() as u64).sum();
    assert_eq!(
        tables,
        [
            ("@event-timers", StateKind::EventTimeTimers, keys),
            ("@processing-timers", StateKind::ProcessingTimeTimers, keys),
            ("all", StateKind::List, entries),
            ("by rest", StateKind::Map, rests),
            ("last", StateKind::Value, keys),
            ("mean", StateKind::Value, keys),
            ("most", StateKind::Value, keys),
            ("recent", StateKind::Value, keys),
        ]
    );
    assert_eq!(operators[1].states.iter().map(|state| state.name.as_str()).collect::<Vec<_>>(), ["@event-time", "at"]);
    assert_eq!(reader.operator("feed").unwrap().raw_state("at").unwrap().len(), 1);

    let refused = |error: yeoul_stream::SavepointError, parts: &[&str]| {
        let shown = error.to_string();
        for part in parts {
            assert!(shown.contains(part), "{shown:?} should say {part:?}");
        }
    };
    refused(reader.operator("everyone").err().unwrap(), &["no operator 'everyone'", "'everything', 'feed', 'out'"]);
    let operator = reader.operator("everything").unwrap();
    refused(
        operator.values::<u64, i64>("lost").unwrap_err(),
        &["no state 'lost' of operator 'everything'", "'last' (u64 to", "'all' ("],
    );
    refused(operator.values::<u64, u64>("most").unwrap_err(), &["'most'", "Folded<i64>", "read as u64 to u64"]);
    refused(operator.values::<u64, i64>("recent").unwrap_err(), &["'recent'", "Timed<i64>", "time to live"]);
    refused(
        operator.values::<u32, (i64, u64)>("mean").unwrap_err(),
        &["'mean'", "u64 to (i64, u64)", "u32 to (i64, u64)"],
    );
    refused(operator.timers::<String>().unwrap_err(), &["@event-timers"]);
    refused(operator.list::<u64>("all").unwrap_err(), &["no state 'list all'"]);
    refused(operator.panes::<u64, yeoul_stream::savepoint::Aggregated<u64>>().unwrap_err(), &["no state 'windows'"]);
    // With the same bytes it is a matter of names.
    let trusting = SavepointReader::open(&taken).unwrap().whatever_types_are_called();
    let sums = trusting.operator("everything").unwrap().values::<u64, (u64, i64)>("mean").unwrap();
    assert_eq!(sums.len(), keys as usize);
    refused(
        trusting.operator("everything").unwrap().values::<u64, u32>("most").unwrap_err(),
        &["values of 8 bytes", "values of 4 bytes"],
    );
}

#[test]
fn what_has_expired_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("savepoint");
    let feed = Feed::that_waits(events());
    let (graph, _) = graph(&feed, Everything::default());
    savepoint(graph, &feed, config(1, Some(&folder.path().join("data"))), &taken).unwrap();
    let read = |now: i64, ttl: i64| {
        let reader = SavepointReader::open(&taken).unwrap().processing_time(now);
        let state = StateDescriptor::new("recent").ttl(Ttl::millis(ttl));
        reader.operator("everything").unwrap().values::<u64, i64>(state).unwrap().len()
    };
    let keys = expected(&events()).len();
    assert_eq!((read(0, 1), read(NEVER, 1_000), read(NEVER, NEVER)), (keys, 0, keys));
}
