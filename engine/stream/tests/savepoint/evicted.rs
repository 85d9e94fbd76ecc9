//! Operators that hold records as they are, while what they hold is evicted to the log and read back all the time.

use std::collections::BTreeMap;
use std::time::Duration;

use rkyv::Archived;
use yeoul_frame::Timestamp;
use yeoul_operator::{OperatorError, Services};
use yeoul_runtime::JobConfig;
use yeoul_stream::{
    Collected, Collector, DataStream, EventTimeSessionWindows, GeneratorSource, ProcessWindowFunction,
    SlidingEventTimeWindows, StreamEnvironment, TumblingEventTimeWindows, WatermarkStrategy, WindowContext, collect,
};

use crate::program::{Event, config};

/// A key, a number, and a text that is long.
type Note = (u64, i64, String);

const KEYS: u64 = 400;
const NOTES: u64 = 8_000;

fn event(n: u64) -> Event {
    (n % KEYS, (n / KEYS) as i64)
}

fn note(key: u64, number: i64) -> Note {
    (key, number, format!("{number} ").repeat(150))
}

/// Says how many notes a window has and what their numbers come to, if their texts are theirs.
#[derive(Clone)]
struct All;

impl ProcessWindowFunction for All {
    type Key = u64;
    type In = Note;
    type Out = Event;

    fn process(
        &mut self,
        key: &u64,
        _: &mut WindowContext<'_, u64>,
        notes: &[Note],
        out: &mut Collector<Event>,
    ) -> Result<(), OperatorError> {
        let sum = notes.iter().map(|held| if *held == note(*key, held.1) { held.1 } else { -1_000_000 }).sum();
        out.collect((*key, sum));
        Ok(())
    }
}

/// The last of a key's notes, with the sum of their numbers.
fn sum(into: &mut Note, next: &Note) {
    let sum = into.1 + next.1;
    *into = (next.0, sum, next.2.clone());
}

fn told(of: &DataStream<Event>) -> Collected<Event> {
    let (sink, collected) = collect::<Event>();
    of.sink_to(sink);
    collected
}

#[test]
fn records_are_read_back_wherever_they_are_held() {
    let events: Vec<Event> = (0..NOTES).map(event).collect();
    let env = StreamEnvironment::new("notes");
    // So slowly that each is in the log, and evicted, before the next of its key comes.
    let feed = GeneratorSource::new(NOTES, event).splits(1).rate(NOTES);
    let watermarks = WatermarkStrategy::for_monotonous_timestamps()
        .with_timestamp_assigner(|event: &Archived<Event>| Timestamp(event.1.to_native()));
    let notes = env.from_source(feed, watermarks, "feed");
    let notes = notes.map(|event| note(event.0.to_native(), event.1.to_native()));
    let keyed = notes.key_by(|note| note.0.to_native());
    let number = |note: &Archived<Note>| (note.0.to_native(), note.1.to_native());
    let hour = Duration::from_secs(3_600);
    let hours = || keyed.window(TumblingEventTimeWindows::of(hour));
    let windows = [
        told(&hours().reduce(sum).map(number)),
        told(&hours().process(All)),
        told(&keyed.window(SlidingEventTimeWindows::of(hour * 2, hour)).process(All)),
        told(&keyed.window(EventTimeSessionWindows::with_gap(hour)).process(All)),
    ];
    let rolling = told(&keyed.reduce(|sum, next| sum.1 += next.1).map(number));
    let folder = tempfile::tempdir().unwrap();
    let config = JobConfig {
        log_segment_bytes: 256 << 10,
        state_memory: 64 << 20,
        evict_percent: 1,
        ..config(2, Some(folder.path()))
    };
    yeoul_runtime::spawn(env.build().unwrap(), config, Services::default()).wait().unwrap();

    let mut sums = BTreeMap::<u64, i64>::new();
    let mut after_each: Vec<Event> = Vec::new();
    for (key, number) in events {
        let sum = sums.entry(key).or_default();
        *sum += number;
        after_each.push((key, *sum));
    }
    let sorted = |told: &Collected<Event>| {
        let mut all = told.take();
        all.sort_unstable();
        all
    };
    let sums: Vec<Event> = sums.into_iter().collect();
    for (at, told) in windows.iter().enumerate() {
        // All notes are of one hour, which two of the sliding windows hold.
        let times = if at == 2 { 2 } else { 1 };
        let expected: Vec<Event> = sums.iter().flat_map(|sum| vec![*sum; times]).collect();
        assert_eq!(sorted(told), expected, "windows {at}");
    }
    after_each.sort_unstable();
    assert_eq!(sorted(&rolling), after_each);
}
