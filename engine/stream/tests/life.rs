//! The life of every kind of function, in a job: opened once before its first record, closed once after its last, however the job ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rkyv::Archived;
use yeoul_frame::Timestamp;
use yeoul_operator::{OpenContext, OperatorError, Services};
use yeoul_runtime::{JobConfig, JobError, Outcome};
use yeoul_state::States;
use yeoul_stream::{
    AllWindowContext, BroadcastContext, BroadcastProcessFunction, CoProcessFunction, Collection, Collector, DataStream,
    JoinContext, KeyedBroadcastContext, KeyedBroadcastProcessFunction, KeyedBroadcastWriteContext,
    KeyedCoProcessFunction, KeyedContext, KeyedProcessFunction, OperatorStates, ProcessAllWindowFunction,
    ProcessContext, ProcessFunction, ProcessJoinFunction, ProcessWindowFunction, StreamEnvironment,
    TumblingEventTimeWindows, WatermarkStrategy, WindowContext,
};

const SHARDS: u16 = 2;
const RECORDS: u64 = 400;

/// How a job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Well,
    /// The function gives an error, in a subtask with some records.
    Fails,
    /// It panics there.
    Panics,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Opened,
    Called,
    Closed,
}

/// Notes what it was called for, by its subtask.
#[derive(Clone)]
struct Life {
    end: End,
    /// By subtask.
    log: Arc<Mutex<BTreeMap<u16, Vec<Event>>>>,
    subtask: Option<u16>,
    calls: u64,
}

impl Life {
    fn note(&self, event: Event) {
        // What was not opened is nobody's: such a call stands out.
        self.log.lock().unwrap().entry(self.subtask.unwrap_or(u16::MAX)).or_default().push(event);
    }

    fn opened(&mut self, cx: &OpenContext<'_>) {
        self.subtask = Some(cx.subtask.index);
        self.note(Event::Opened);
    }

    fn called(&mut self, out: &mut Collector<u64>) -> Result<(), OperatorError> {
        self.note(Event::Called);
        self.calls += 1;
        match self.end {
            End::Fails if self.calls == 3 => return Err(OperatorError::new("the third call")),
            End::Panics if self.calls == 3 => panic!("the third call"),
            _ => {}
        }
        out.collect(self.calls);
        Ok(())
    }
}

/// `open` and `close` of a function, which are the same for all kinds but for the states that some declare.
macro_rules! life {
    ($($states:ident: $type:ty)?) => {
        fn open(&mut self, $($states: $type,)? cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
            self.opened(cx);
            Ok(())
        }

        fn close(&mut self) {
            self.note(Event::Closed);
        }
    };
}

/// A method that is given an archived record and a context.
macro_rules! called {
    ($($name:ident: $context:ty),+) => {
        $(fn $name(&mut self, _: &Archived<u64>, _: &mut $context, out: &mut Collector<u64>) -> Result<(), OperatorError> {
            self.called(out)
        })+
    };
}

impl ProcessFunction for Life {
    type In = u64;
    type Out = u64;
    life!();
    called!(process: ProcessContext<'_>);
}

impl KeyedProcessFunction for Life {
    type Key = u64;
    type In = u64;
    type Out = u64;
    life!(_states: &mut States<u64>);
    called!(process: KeyedContext<'_, u64>);
}

impl CoProcessFunction for Life {
    type In1 = u64;
    type In2 = u64;
    type Out = u64;
    life!();
    called!(process1: ProcessContext<'_>, process2: ProcessContext<'_>);
}

impl KeyedCoProcessFunction for Life {
    type Key = u64;
    type In1 = u64;
    type In2 = u64;
    type Out = u64;
    life!(_states: &mut States<u64>);
    called!(process1: KeyedContext<'_, u64>, process2: KeyedContext<'_, u64>);
}

impl BroadcastProcessFunction for Life {
    type In = u64;
    type Broadcast = u64;
    type Out = u64;
    life!();
    called!(process: ProcessContext<'_>, process_broadcast: BroadcastContext<'_>);

    fn declare(&mut self, _: &mut OperatorStates) {}
}

impl KeyedBroadcastProcessFunction for Life {
    type Key = u64;
    type In = u64;
    type Broadcast = u64;
    type Out = u64;
    life!(_states: &mut States<u64>);
    called!(process: KeyedBroadcastContext<'_, '_, u64>, process_broadcast: KeyedBroadcastWriteContext<'_, '_, u64>);

    fn declare(&mut self, _: &mut OperatorStates) {}
}

impl ProcessJoinFunction for Life {
    type Left = u64;
    type Right = u64;
    type Out = u64;
    life!();

    fn process(
        &mut self,
        _: &u64,
        _: &u64,
        _: &mut JoinContext<'_>,
        out: &mut Collector<u64>,
    ) -> Result<(), OperatorError> {
        self.called(out)
    }
}

impl ProcessWindowFunction for Life {
    type Key = u64;
    type In = u64;
    type Out = u64;
    life!();

    fn process(
        &mut self,
        _: &u64,
        _: &mut WindowContext<'_, u64>,
        _: &[u64],
        out: &mut Collector<u64>,
    ) -> Result<(), OperatorError> {
        self.called(out)
    }
}

impl ProcessAllWindowFunction for Life {
    type In = u64;
    type Out = u64;
    life!();

    fn process(
        &mut self,
        _: &mut AllWindowContext<'_>,
        _: &[u64],
        out: &mut Collector<u64>,
    ) -> Result<(), OperatorError> {
        self.called(out)
    }
}

/// What is built of two streams of the same numbers and a function.
type Build = fn(DataStream<u64>, DataStream<u64>, Life) -> DataStream<u64>;

fn key(number: &Archived<u64>) -> u64 {
    number.to_native()
}

fn tens() -> TumblingEventTimeWindows {
    TumblingEventTimeWindows::of(Duration::from_millis(10))
}

/// Each kind, how many of its subtasks have records, and how often it is called in all.
const KINDS: [(&str, u16, u64, Build); 9] = [
    ("ProcessFunction", SHARDS, RECORDS, |one, _, life| one.process(life)),
    ("KeyedProcessFunction", SHARDS, RECORDS, |one, _, life| one.key_by(key).process(life)),
    ("CoProcessFunction", SHARDS, 2 * RECORDS, |one, two, life| one.connect(&two).process(life)),
    ("KeyedCoProcessFunction", SHARDS, 2 * RECORDS, |one, two, life| {
        one.key_by(key).connect(&two.key_by(key)).process(life)
    }),
    ("BroadcastProcessFunction", SHARDS, RECORDS + SHARDS as u64 * RECORDS, |one, two, life| {
        one.connect_broadcast(&two).process(life)
    }),
    ("KeyedBroadcastProcessFunction", SHARDS, RECORDS + SHARDS as u64 * RECORDS, |one, two, life| {
        one.key_by(key).connect_broadcast(&two).process(life)
    }),
    ("ProcessJoinFunction", SHARDS, RECORDS, |one, two, life| {
        one.key_by(key).interval_join(&two.key_by(key)).between(0, 0).process(life)
    }),
    ("ProcessWindowFunction", SHARDS, RECORDS, |one, _, life| one.key_by(key).window(tens()).process(life)),
    ("ProcessAllWindowFunction", 1, RECORDS / 10, |one, _, life| one.window_all(tens()).process(life)),
];

fn run(build: Build, life: Life) -> Result<Outcome, JobError> {
    let env = StreamEnvironment::new("life");
    let numbers = || {
        let strategy = WatermarkStrategy::for_monotonous_timestamps();
        let strategy = strategy.with_timestamp_assigner(|number: &Archived<u64>| Timestamp(number.to_native() as i64));
        env.from_source(Collection::of(0..RECORDS).splits(SHARDS), strategy, "numbers")
    };
    let (sink, _) = yeoul_stream::collect();
    build(numbers(), numbers(), life).sink_to(sink);
    let config = JobConfig { shards: SHARDS, pin: false, ..JobConfig::default() };
    yeoul_runtime::spawn(env.build().unwrap(), config, Services::default()).wait()
}

#[test]
fn each_kind_of_function_is_opened_before_its_first_record_and_closed_after_its_last() {
    for (kind, busy, calls, build) in KINDS {
        for end in [End::Well, End::Fails, End::Panics] {
            let life = Life { end, log: Arc::default(), subtask: None, calls: 0 };
            let log = life.log.clone();
            let result = run(build, life);
            match (end, &result) {
                (End::Well, Ok(Outcome::Finished)) => {}
                (End::Fails, Err(error)) => assert!(error.to_string().contains("the third call"), "{kind}: {error}"),
                (End::Panics, Err(JobError::Panic { message, .. })) => assert_eq!(message, "the third call"),
                _ => panic!("{kind}, {end:?}: {result:?}"),
            }
            let log = log.lock().unwrap();
            assert!(log.keys().copied().eq(0..SHARDS), "{kind}, {end:?}: {:?}", log.keys());
            for (subtask, events) in log.iter() {
                let [Event::Opened, between @ .., Event::Closed] = &events[..] else {
                    panic!("{kind}, {end:?}, subtask {subtask}: {:?} to {:?}", events.first(), events.last())
                };
                assert!(between.iter().all(|event| *event == Event::Called), "{kind}, {end:?}, subtask {subtask}");
            }
            let with_records = log.values().filter(|events| events.len() > 2).count();
            assert!(with_records == usize::from(busy) || end != End::Well, "{kind}: {with_records} have records");
            let called = log.values().map(|events| events.len() as u64 - 2).sum::<u64>();
            assert!(if end == End::Well { called == calls } else { called < calls }, "{kind}, {end:?}: {called} calls");
        }
    }
}
