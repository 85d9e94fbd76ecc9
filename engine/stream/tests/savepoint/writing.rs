//! Jobs start from savepoints that no job has taken: new ones, and others' that were changed.

use yeoul_frame::{KeyGroups, Timestamp};
use yeoul_operator::{OperatorError, Services};
use yeoul_runtime::JobConfig;
use yeoul_state::{Row, States};
use yeoul_stream::{
    Bootstrap, BootstrapContext, KeyedStateBootstrapFunction, SavepointError, SavepointReader, SavepointWriter,
};

use crate::program::{DUE, Event, Everything, Feed, Handles, NEVER, config, events, graph, run, savepoint, told};

#[derive(Default)]
pub(crate) struct Filling(Handles);

impl KeyedStateBootstrapFunction for Filling {
    type Key = u64;
    type In = Event;

    fn open(&mut self, states: &mut States<u64>) -> Result<(), OperatorError> {
        self.0 = Handles::declare(states);
        Ok(())
    }

    fn process(&mut self, (_, value): Event, cx: &mut BootstrapContext<'_, u64>) -> Result<(), OperatorError> {
        cx.state(&self.0.last).update(Row::new(&(format!("value {value}"), value)));
        cx.state(&self.0.recent).update(value);
        cx.state(&self.0.all).add(value);
        *cx.state(&self.0.by_rest).get_or_else(&(value % 5), || 0) += 1;
        cx.state(&self.0.most).add(value);
        cx.state(&self.0.mean).add(&value);
        cx.register_event_time_timer(Timestamp(DUE));
        cx.register_processing_time_timer(Timestamp(NEVER));
        Ok(())
    }
}

fn filled(events: Vec<Event>) -> Bootstrap<'static> {
    Bootstrap::keyed(events, |event| event.0, Filling::default())
}

#[test]
fn a_job_starts_from_data_at_any_parallelism() {
    let folder = tempfile::tempdir().unwrap();
    let written = folder.path().join("written");
    SavepointWriter::new().with_operator("everything", filled(events())).write(&written).unwrap();
    for shards in [1, 3] {
        assert_eq!(
            run(shards, &written, Vec::new(), Everything::default()).unwrap(),
            told(&events()),
            "{shards} shards"
        );
        // And what it reads itself comes behind.
        let more: Vec<Event> = (0..400).map(|n| (n % 300, n as i64)).collect();
        let both: Vec<Event> = events().into_iter().chain(more.clone()).collect();
        assert_eq!(run(shards, &written, more, Everything::default()).unwrap(), told(&both), "{shards} shards");
    }
    let Err(error) = SavepointWriter::new().write(&written) else { panic!("a folder of its own") };
    assert!(error.to_string().contains("not empty"), "{error}");
}

#[test]
fn operators_of_a_savepoint_are_exchanged_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let feed = Feed::that_waits(events());
    let (graph, _) = graph(&feed, Everything::default());
    savepoint(graph, &feed, config(3, Some(&at("data"))), &at("taken")).unwrap();
    let taken = SavepointReader::open(at("taken")).unwrap();

    // Kept: another operator is added beside it, for a job that does not have it yet.
    let rules = Bootstrap::broadcast("rules", [(1_u64, "one".to_owned())]);
    let writer = SavepointWriter::from_existing(&taken).with_operator("rules", rules);
    let writer = writer.with_operator("rules", Bootstrap::list("seen", [3_u64, 4]));
    writer.with_operator("rules", Bootstrap::union_list("all", [5_u64])).write(at("more")).unwrap();
    let more = SavepointReader::open(at("more")).unwrap();
    let of_rules = more.operator("rules").unwrap();
    assert_eq!(of_rules.broadcast_state::<u64, String>("rules").unwrap()[&1], "one");
    assert_eq!(
        (of_rules.list::<u64>("seen").unwrap(), of_rules.union_list::<u64>("all").unwrap()),
        (vec![3, 4], vec![5])
    );
    assert_eq!(
        more.operator("feed").unwrap().raw_state("at").unwrap(),
        taken.operator("feed").unwrap().raw_state("at").unwrap()
    );
    SavepointWriter::from_existing(&more).remove_operator("rules").write(at("less")).unwrap();
    let error = run(2, &at("more"), Vec::new(), Everything::default()).unwrap_err().to_string();
    assert!(error.contains("operator 'rules'"), "{error}");
    for shards in [1, 2, 3] {
        assert_eq!(run(shards, &at("less"), Vec::new(), Everything::default()).unwrap(), told(&events()), "{shards}");
    }

    // Exchanged: some keys have other state, and the others none.
    let others: Vec<Event> = (0..50).map(|key| (key * 3, key as i64)).collect();
    let writer = SavepointWriter::from_existing(&taken).remove_operator("everything");
    writer.with_operator("everything", filled(others.clone())).write(at("exchanged")).unwrap();
    let exchanged = SavepointReader::open(at("exchanged")).unwrap();
    let lists = exchanged.operator("everything").unwrap().lists::<u64, i64>("all").unwrap();
    assert_eq!(lists.len(), 50);
    assert_eq!(exchanged.operators().unwrap()[0].tables[2].entries, 50);
    for shards in [1, 2, 3] {
        assert_eq!(
            run(shards, &at("exchanged"), Vec::new(), Everything::default()).unwrap(),
            told(&others),
            "{shards}"
        );
    }

    let refused = |result: Result<(), SavepointError>, part: &str| {
        let shown = result.unwrap_err().to_string();
        assert!(shown.contains(part), "{shown:?} should say {part:?}");
    };
    refused(
        SavepointWriter::from_existing(&taken).with_operator("everything", filled(others.clone())).write(at("a")),
        "remove it first",
    );
    refused(
        SavepointWriter::from_existing(&taken).remove_operator("nothing").write(at("a")),
        "it has 'everything', 'feed', 'out'",
    );
    refused(SavepointWriter::new().remove_operator("nothing").write(at("a")), "operator 'nothing' to remove");
    let twice = SavepointWriter::new().with_operator("x", filled(others.clone())).with_operator("x", filled(others));
    refused(twice.write(at("a")), "keyed state twice");
}

/// Fails at its second record.
struct Failing(u64);

impl KeyedStateBootstrapFunction for Failing {
    type Key = u64;
    type In = Event;

    fn open(&mut self, states: &mut States<u64>) -> Result<(), OperatorError> {
        let _ = states.value::<u64>("state");
        Ok(())
    }

    fn process(&mut self, _: Event, _: &mut BootstrapContext<'_, u64>) -> Result<(), OperatorError> {
        self.0 += 1;
        if self.0 == 2 { Err(OperatorError::new("no such luck")) } else { Ok(()) }
    }
}

/// What was begun of a savepoint that failed does not stand in the way of the next attempt; what is somebody else's stays.
#[test]
fn a_write_that_failed_can_be_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let written = folder.path().join("written");
    let limits = || Bootstrap::broadcast("limits", [(7_u64, 100_i64)]);
    SavepointWriter::new().with_operator("rules", limits()).write(folder.path().join("base")).unwrap();
    let base = SavepointReader::open(folder.path().join("base")).unwrap();
    for base in [None, Some(&base)] {
        let writer = || base.map_or_else(SavepointWriter::new, SavepointWriter::from_existing);
        let failing = Bootstrap::keyed(events(), |event: &Event| event.0, Failing(0));
        let error = writer().with_operator("everything", failing).write(&written).unwrap_err().to_string();
        assert!(error.contains("no such luck"), "{error}");
        writer().with_operator("others", limits()).write(&written).unwrap();
        let error = writer().with_operator("others", limits()).write(&written).unwrap_err().to_string();
        assert!(error.contains("is not empty") && error.contains("not completed"), "{error}");
        SavepointReader::open(&written).unwrap().operator("others").unwrap();
        std::fs::remove_dir_all(&written).unwrap();
    }
}

/// A job of another number of key groups is refused; the same number is taken.
#[test]
fn key_groups_are_the_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let written = folder.path().join("written");
    let groups = KeyGroups::new(16).unwrap();
    let writer = SavepointWriter::new().key_groups(groups).with_operator("everything", filled(events()));
    writer.write(&written).unwrap();
    assert!(run(2, &written, Vec::new(), Everything::default()).unwrap_err().to_string().contains("16 key groups"));
    let (graph, collected) = graph(&Feed::that_ends(Vec::new()), Everything::default());
    let job =
        JobConfig { from_savepoint: Some(written), key_groups: groups, ..config(2, Some(&folder.path().join("data"))) };
    yeoul_runtime::spawn(graph, job, Services::default()).wait().unwrap();
    let mut out = collected.take();
    out.sort_unstable();
    assert_eq!(out, told(&events()));
}
