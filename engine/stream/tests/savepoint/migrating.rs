//! A program's state changes its type from version to version, and its savepoints go along.

use yeoul_frame::Timestamp;
use yeoul_operator::{OpenContext, OperatorError};
use yeoul_runtime::JobError;
use yeoul_state::{MapHandle, Row, StateDescriptor, States, ValueHandle};
use yeoul_stream::{Collector, KeyedContext, KeyedProcessFunction, SavepointReader};

use crate::program::{DUE, Event, Feed, config, events, graph, run, savepoint};

type Old = (u32, i64);
type New = (String, i64, u64);

/// Version 1: how many events, and their sum; and for each rest how many.
#[derive(Clone, Default)]
struct First {
    sums: ValueHandle<Row<Old>>,
    rests: MapHandle<i64, u16>,
}

impl KeyedProcessFunction for First {
    type Key = u64;
    type In = Event;
    type Out = Event;

    fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.sums = states.value("sums");
        self.rests = states.map("rests");
        Ok(())
    }

    fn process(
        &mut self,
        event: &rkyv::Archived<Event>,
        cx: &mut KeyedContext<'_, u64>,
        _: &mut Collector<Event>,
    ) -> Result<(), OperatorError> {
        let value = event.1.to_native();
        let (count, sum) =
            cx.state(&self.sums).get().map_or((0, 0), |row| (row.get().0.to_native(), row.get().1.to_native()));
        cx.state(&self.sums).update(Row::new(&(count + 1, sum + value)));
        *cx.state(&self.rests).get_or_else(&(value % 3), || 0) += 1;
        Ok(())
    }
}

/// Version 2 also says so in words, and counts further. With its migrations, without them, and as it may look once they are gone.
#[derive(Clone, Default)]
struct Second {
    how: How,
    sums: ValueHandle<Row<New>>,
    rests: MapHandle<i64, u64>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum How {
    #[default]
    Migrating,
    Migrated,
    Unaware,
}

fn words(count: u32) -> String {
    format!("{count} events")
}

impl KeyedProcessFunction for Second {
    type Key = u64;
    type In = Event;
    type Out = Event;

    fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let (sums, rests) = (StateDescriptor::new("sums"), StateDescriptor::new("rests"));
        let (sums, rests) = match self.how {
            How::Unaware => (sums, rests),
            How::Migrated => (sums.version(1), rests.version(2)),
            How::Migrating => (
                sums.migrate_from(0, |old: Row<Old>| {
                    let (count, sum) = (old.get().0.to_native(), old.get().1.to_native());
                    Row::<New>::new(&(words(count), sum, u64::from(count)))
                }),
                rests.migrate_from(0, |old: u16| u32::from(old)).migrate_from(1, |old: u32| u64::from(old)),
            ),
        };
        self.sums = states.value(sums);
        self.rests = states.map(rests);
        Ok(())
    }

    fn process(
        &mut self,
        event: &rkyv::Archived<Event>,
        cx: &mut KeyedContext<'_, u64>,
        _: &mut Collector<Event>,
    ) -> Result<(), OperatorError> {
        let value = event.1.to_native();
        let (count, sum) =
            cx.state(&self.sums).get().map_or((0, 0), |row| (row.get().2.to_native(), row.get().1.to_native()));
        cx.state(&self.sums).update(Row::new(&(words(count as u32 + 1), sum + value, count + 1)));
        *cx.state(&self.rests).get_or_else(&(value % 3), || 0) += 1;
        cx.register_event_time_timer(Timestamp(DUE));
        Ok(())
    }

    fn on_timer(
        &mut self,
        _: Timestamp,
        cx: &mut KeyedContext<'_, u64>,
        out: &mut Collector<Event>,
    ) -> Result<(), OperatorError> {
        let (text, sum, count) = cx.state(&self.sums).get().map_or_else(Default::default, |row| {
            (row.get().0.to_string(), row.get().1.to_native(), row.get().2.to_native())
        });
        let mut rests = 0;
        cx.state(&self.rests).for_each(|_, count| rests += *count);
        assert_eq!((text, rests), (words(count as u32), count), "the states of {} agree", cx.key());
        out.collect((*cx.key(), sum));
        Ok(())
    }
}

fn sums(events: &[Event]) -> Vec<Event> {
    let mut sums = std::collections::BTreeMap::new();
    events.iter().for_each(|(key, value)| *sums.entry(*key).or_insert(0) += value);
    sums.into_iter().collect()
}

#[test]
fn a_savepoint_goes_from_version_to_version_and_parallelism_to_parallelism() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let feed = Feed::that_waits(events());
    savepoint(graph(&feed, First::default()).0, &feed, config(2, Some(&at("first"))), &at("of first")).unwrap();

    // Each key is met again, so that each has a timer; some keys are new.
    let every: Vec<Event> = (0..400).map(|key| (key, 1)).collect();
    let both: Vec<Event> = events().into_iter().chain(every.clone()).collect();
    let second = |how| Second { how, ..Second::default() };
    for shards in [1, 3] {
        assert_eq!(
            run(shards, &at("of first"), every.clone(), second(How::Migrating)).unwrap(),
            sums(&both),
            "{shards}"
        );
    }

    // Migrated on three shards, checkpointed, and a savepoint is taken: which needs the migration no more.
    let feed = Feed::that_waits(Vec::new());
    let job = yeoul_runtime::JobConfig { from_savepoint: Some(at("of first")), ..config(3, Some(&at("second"))) };
    savepoint(graph(&feed, second(How::Migrating)).0, &feed, job, &at("of second")).unwrap();
    for (shards, how) in [(1, How::Migrated), (3, How::Migrated), (2, How::Migrating)] {
        assert_eq!(run(shards, &at("of second"), every.clone(), second(how)).unwrap(), sums(&both), "{shards}");
    }
    let reader = SavepointReader::open(at("of second")).unwrap();
    let states = reader.operator("everything").unwrap();
    let saved = states.values::<u64, Row<New>>(StateDescriptor::new("sums").version(1)).unwrap();
    assert_eq!(saved.len(), sums(&events()).len());
    // A reader migrates as a job does.
    let reader = SavepointReader::open(at("of first")).unwrap();
    let rests = StateDescriptor::new("rests").migrate_from(0, |old: u16| u64::from(old));
    let rests = reader.operator("everything").unwrap().maps::<u64, i64, u64>(rests).unwrap();
    let all: u64 = rests.iter().flat_map(|(_, entries)| entries).map(|(_, count)| count).sum();
    assert_eq!(all, events().len() as u64);

    let refused = |error: JobError, parts: &[&str]| {
        let shown = error.to_string();
        for part in parts {
            assert!(shown.contains(part), "{shown:?} should say {part:?}");
        }
    };
    // Without a migration it is clear what is missing.
    refused(
        run(2, &at("of first"), Vec::new(), second(How::Unaware)).unwrap_err(),
        &[
            "'rests' of operator 'everything'",
            "values of 2 bytes",
            "to u16",
            "values of 8 bytes",
            "to u64",
            "migrate_from",
        ],
    );
    refused(
        run(2, &at("of first"), Vec::new(), second(How::Migrated)).unwrap_err(),
        &[
            "of operator 'everything' was saved with values of version 0",
            "no migration leads from version 0",
            "migrate_from(0",
        ],
    );
    // Nor does an earlier program take what a later one has written.
    refused(
        run(2, &at("of second"), Vec::new(), First::default()).unwrap_err(),
        &["of operator 'everything' was saved with values of version", "no way back"],
    );
}

/// What a restore leaves behind stays behind: later ones need not be told, and the state is not there again when its name is.
#[test]
fn what_was_left_behind_stays_behind() {
    /// Version 1 without one of its states.
    #[derive(Clone, Default)]
    struct Without(First);

    impl KeyedProcessFunction for Without {
        type Key = u64;
        type In = Event;
        type Out = Event;

        fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
            self.0.sums = states.value("sums");
            Ok(())
        }

        fn process(
            &mut self,
            _: &rkyv::Archived<Event>,
            _: &mut KeyedContext<'_, u64>,
            _: &mut Collector<Event>,
        ) -> Result<(), OperatorError> {
            Ok(())
        }
    }

    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let from = |shards: u16, savepoint: &str, data: &str| yeoul_runtime::JobConfig {
        from_savepoint: Some(at(savepoint)),
        ..config(shards, Some(&at(data)))
    };
    let feed = Feed::that_waits(events());
    savepoint(graph(&feed, First::default()).0, &feed, config(2, Some(&at("first"))), &at("whole")).unwrap();
    let none = Feed::that_waits(Vec::new());
    let refused = yeoul_runtime::spawn(
        graph(&Feed::that_ends(Vec::new()), Without::default()).0,
        from(2, "whole", "refused"),
        yeoul_operator::Services::default(),
    );
    let error = refused.wait().unwrap_err().to_string();
    assert!(error.contains("table 'rests' of operator 'everything'"), "{error}");
    let allowing = yeoul_runtime::JobConfig { allow_non_restored_state: true, ..from(2, "whole", "second") };
    savepoint(graph(&none, Without::default()).0, &none, allowing, &at("less")).unwrap();
    let none = Feed::that_waits(Vec::new());
    savepoint(graph(&none, Without::default()).0, &none, from(3, "less", "third"), &at("lesser")).unwrap();
    let none = Feed::that_waits(Vec::new());
    savepoint(graph(&none, First::default()).0, &none, from(1, "lesser", "fourth"), &at("again")).unwrap();
    let reader = SavepointReader::open(at("again")).unwrap();
    let states = reader.operator("everything").unwrap();
    assert_eq!(states.maps::<u64, i64, u16>("rests").unwrap(), []);
    assert_eq!(states.values::<u64, Row<Old>>("sums").unwrap().len(), sums(&events()).len());
}

/// A migration is the user's code: its panic fails the job by the operator's name.
#[test]
fn a_migration_that_panics_fails_the_job() {
    #[derive(Clone, Default)]
    struct Panicking(Second);

    impl KeyedProcessFunction for Panicking {
        type Key = u64;
        type In = Event;
        type Out = Event;

        fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
            let sums =
                StateDescriptor::new("sums").migrate_from(0, |_: Row<Old>| -> Row<New> { panic!("no such luck") });
            self.0.sums = states.value(sums);
            self.0.rests = states.map(StateDescriptor::new("rests").migrate_from(0, |old: u16| u64::from(old)));
            Ok(())
        }

        fn process(
            &mut self,
            event: &rkyv::Archived<Event>,
            cx: &mut KeyedContext<'_, u64>,
            out: &mut Collector<Event>,
        ) -> Result<(), OperatorError> {
            self.0.process(event, cx, out)
        }
    }

    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let feed = Feed::that_waits(events());
    savepoint(graph(&feed, First::default()).0, &feed, config(1, Some(&at("first"))), &at("of first")).unwrap();
    let error = run(1, &at("of first"), Vec::new(), Panicking::default()).unwrap_err().to_string();
    assert!(error.contains("Keyed Process") && error.contains("no such luck"), "{error}");
}

/// Keeps the last value of each key, as what a program calls it.
#[derive(Clone)]
struct Last<V>(ValueHandle<V>);

impl<V> Default for Last<V> {
    fn default() -> Self {
        Self(ValueHandle::default())
    }
}

impl<V: yeoul_state::Value + From<i32>> KeyedProcessFunction for Last<V> {
    type Key = u64;
    type In = Event;
    type Out = Event;

    fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.0 = states.value("last");
        Ok(())
    }

    fn process(
        &mut self,
        event: &rkyv::Archived<Event>,
        cx: &mut KeyedContext<'_, u64>,
        out: &mut Collector<Event>,
    ) -> Result<(), OperatorError> {
        if let Some(last) = cx.state(&self.0).get() {
            let mut bytes = Vec::new();
            last.encode(&mut bytes);
            out.collect((*cx.key(), i64::from_le_bytes(bytes.try_into().unwrap())));
        }
        cx.state(&self.0).update(V::from(event.1.to_native() as i32));
        Ok(())
    }
}

/// A type of the same width is another type; one that has only been renamed has to be named as such, once.
#[test]
fn a_state_of_another_type_is_refused_whatever_its_width() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let feed = Feed::that_waits(vec![(7, 3)]);
    savepoint(graph(&feed, Last::<i64>::default()).0, &feed, config(2, Some(&at("first"))), &at("numbers")).unwrap();
    assert_eq!(run(2, &at("numbers"), vec![(7, 4)], Last::<i64>::default()).unwrap(), [(7, 3)]);
    let error = run(2, &at("numbers"), vec![(7, 4)], Last::<f64>::default()).unwrap_err().to_string();
    for part in
        ["table 'last' of operator 'everything'", "u64 to i64", "u64 to f64", "allow_renamed_types", "migrate_from"]
    {
        assert!(error.contains(part), "{error:?} should say {part:?}");
    }
    // As if a type had been renamed: the next savepoint has its new name.
    let renamed = yeoul_runtime::JobConfig {
        from_savepoint: Some(at("numbers")),
        allow_renamed_types: true,
        ..config(1, Some(&at("second")))
    };
    let feed = Feed::that_waits(Vec::new());
    savepoint(graph(&feed, Last::<f64>::default()).0, &feed, renamed, &at("renamed")).unwrap();
    assert_eq!(run(2, &at("renamed"), vec![(7, 4)], Last::<f64>::default()).unwrap(), [(7, 3)]);
}
