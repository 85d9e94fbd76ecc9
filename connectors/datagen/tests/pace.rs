//! A paced source keeps one pace, however many instances it has and wherever it was stopped; and each row comes once.

use std::sync::Arc;

use arrow_array::Int64Array;
use arrow_schema::{DataType, Field, Schema};
use yeoul_datagen::{FieldSpec, NumberedSource, RandomRows, Values};
use yeoul_frame::{Epoch, KeyGroups, OperatorId, Pool, Timestamp};
use yeoul_operator::source::SourceItem;
use yeoul_operator::{
    Counters, MakeSource, OpenContext, Services, Snapshot, Source, SourceContext, SourcePoll, Subtask, Waker,
};

/// All instances of a source, under one clock.
struct Run {
    instances: Vec<(Box<dyn Source>, Subtask)>,
    /// When each is to be polled again; `None`: it is at its end.
    due: Vec<Option<i64>>,
    /// By row as it came: the clock, and the row's number.
    rows: Vec<(i64, u64)>,
    polls: usize,
}

type Saved = Vec<(Subtask, Vec<u8>)>;

impl Run {
    fn new(make: &MakeSource, parallelism: u16, saved: &Saved, now: i64) -> Self {
        let open = |index| {
            let (mut source, pool, subtask) = (make(), Pool::new(), Subtask { index, parallelism });
            let mut cx = OpenContext {
                operator: OperatorId::of("source"),
                name: "source",
                subtask,
                key_groups: KeyGroups::DEFAULT,
                services: &Services::default(),
                pool: &pool,
                counters: Arc::default(),
                waker: Waker::default(),
            };
            source.open(&mut cx).unwrap();
            saved.iter().for_each(|(from, bytes)| source.restore("numbered", *from, bytes).unwrap());
            (source, subtask)
        };
        let instances: Vec<_> = (0..parallelism).map(open).collect();
        Self { due: vec![Some(now); instances.len()], instances, rows: Vec::new(), polls: 0 }
    }

    /// Polls each instance whenever it wants to be, until the clock stands at `end`.
    fn until(&mut self, end: i64) {
        while let Some(now) = self.due.iter().flatten().copied().min().filter(|now| *now <= end) {
            for at in 0..self.instances.len() {
                while self.due[at].is_some_and(|due| due <= now) {
                    self.poll(at, now);
                }
            }
        }
    }

    fn poll(&mut self, at: usize, now: i64) {
        let (mut items, pool, counters) = (Vec::new(), Pool::new(), Counters::default());
        let mut cx = SourceContext::new(&mut items, Timestamp(now), &pool, &counters);
        self.polls += 1;
        match self.instances[at].0.poll(&mut cx).unwrap() {
            SourcePoll::Pending { until } => self.due[at] = Some(until.unwrap().0),
            SourcePoll::End => self.due[at] = None,
            _ => {}
        }
        for item in items {
            if let SourceItem::Records(_, frame) = item {
                let numbers: &Int64Array = frame.columns().unwrap().array(0).unwrap();
                self.rows.extend(numbers.values().iter().map(|number| (now, *number as u64)));
            }
        }
    }

    fn save(&mut self) -> Saved {
        let save = |(source, subtask): &mut (Box<dyn Source>, Subtask)| {
            let (mut states, mut sealed) = (Vec::new(), Vec::new());
            source.snapshot(&mut Snapshot::new(Epoch(1), OperatorId::of("s"), &mut states, &mut sealed)).unwrap();
            (*subtask, states.remove(0).2)
        };
        self.instances.iter_mut().map(save).collect()
    }
}

fn source(rate: u64, rows: Option<u64>) -> MakeSource {
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
    let values = Values::Sequence { start: 0, end: i64::MAX - 1 };
    let spec = FieldSpec { values, null_rate: 0.0 };
    NumberedSource::new(RandomRows::new(schema, vec![spec], 1, rows, rate).unwrap()).make()
}

/// Each second of the run has its rows, but for what comes in two ticks.
fn check_pace(rows: &[(i64, u64)], began: i64, seconds: i64, rate: u64, what: &str) {
    for second in 0..seconds {
        let span = began + second * 1000..began + (second + 1) * 1000;
        let found = rows.iter().filter(|(at, _)| span.contains(at)).count() as u64;
        assert!(found.abs_diff(rate) <= rate / 50 + 1, "{what}: {found} rows in second {second}");
    }
}

#[test]
fn all_instances_keep_one_pace_also_after_a_restart() {
    for (rate, seconds) in [(1, 20), (10, 6), (130, 4), (10_000, 2), (300_000, 1)] {
        for (before, after) in [(1, 1), (1, 3), (3, 1), (8, 8), (8, 3)] {
            let what = format!("{rate} rows a second, {before} instances, then {after}");
            let make = source(rate, None);
            let mut first = Run::new(&make, before, &vec![], 5_000_000);
            first.until(5_000_000 + seconds * 1000);
            check_pace(&first.rows, 5_000_000, seconds, rate, &what);
            let mut second = Run::new(&make, after, &first.save(), 9_000_000);
            second.until(9_000_000 + seconds * 1000);
            check_pace(&second.rows, 9_000_000, seconds, rate, &what);
            let mut numbers: Vec<u64> = first.rows.iter().chain(&second.rows).map(|(_, number)| *number).collect();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers.len(), first.rows.len() + second.rows.len(), "{what}: each row once");
            let last = numbers[numbers.len() - 1];
            assert!(last + 1 - numbers.len() as u64 <= rate / 10 + 20, "{what}: row {last} is far ahead");
            let wakes = second.polls as u64;
            assert!(wakes <= 4 * second.rows.len() as u64 + 10, "{what}: {wakes} polls");
        }
    }
}

#[test]
fn a_stream_is_dealt_out_as_it_was_whatever_is_set_since() {
    // Another rate means blocks of another size: rows would be lost, and others come twice.
    for (rate, later) in [(100, 100_000), (100_000, 700)] {
        let mut first = Run::new(&source(rate, Some(5000)), 3, &vec![], 0);
        first.until(20);
        let mut second = Run::new(&source(later, Some(5000)), 2, &first.save(), 0);
        second.until(i64::MAX);
        let mut numbers: Vec<u64> = first.rows.iter().chain(&second.rows).map(|(_, number)| *number).collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..5000), "{rate}, then {later}");
    }
}

#[test]
fn what_is_no_whole_snapshot_is_refused() {
    let parts = Run::new(&source(100, None), 2, &vec![], 0).save();
    let whole = &parts[0].1;
    let expected = [vec![2u8], [2u64, 1, 0, 0].iter().flat_map(|number| number.to_le_bytes()).collect()].concat();
    assert_eq!(whole, &expected, "version, splits, block; split, next row");
    let changed = |at: usize, byte: u8| {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        bytes
    };
    let check = |bytes: &[u8]| {
        let error = source(100, None)().restore("numbered", parts[0].0, bytes).unwrap_err();
        assert!(error.is_permanent() && error.to_string().contains("does not know"), "{error}");
    };
    (0..whole.len()).filter(|len| len % 16 != 1 || *len < 17).for_each(|len| check(&whole[..len]));
    [(0, 3), (1, 0), (3, 9), (9, 0), (17, 2)].into_iter().for_each(|(at, byte)| check(&changed(at, byte)));

    // Before there was a block in it, blocks were the rows' own: it goes on so.
    let old = [vec![1u8], [1u64, 0, 77].iter().flat_map(|number| number.to_le_bytes()).collect()].concat();
    let saved = vec![(Subtask { index: 0, parallelism: 1 }, old)];
    assert_eq!(Run::new(&source(100, None), 1, &saved, 0).save(), saved);

    let mut half = Run::new(&source(100, None), 1, &parts[..1].to_vec(), 0);
    let (mut items, pool, counters) = (Vec::new(), Pool::new(), Counters::default());
    let mut cx = SourceContext::new(&mut items, Timestamp(0), &pool, &counters);
    let error = half.instances[0].0.poll(&mut cx).unwrap_err().to_string();
    assert!(error.contains("1 splits out of 2"), "{error}");
}
