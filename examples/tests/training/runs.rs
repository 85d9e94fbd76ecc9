//! Runs a job as it may run: on several shards, over records out of order, with its process killed again and again: right behind a checkpoint,
//! and one and two ticks of records later, which are then read again; and with another number of shards after each death.

use std::sync::Arc;
use std::time::Duration;

use yeoul::frame::{Record, hash_u64};
use yeoul::prelude::*;
use yeoul::rkyv::Archived;
use yeoul::runtime::{JobWatch, Outcome};
use yeoul_sim::machine::{Machine, Next, TICK};
use yeoul_sim::paced::Paced;

/// Ticks in which a job reads all its records.
const TICKS: usize = 36;
/// Ticks from one checkpoint to the next.
const CHECKPOINT: u64 = 3;

/// How a job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    shards: u16,
    splits: u16,
    /// Records come at most the watermark's bound behind others, by this seed.
    shuffled: Option<u64>,
    crashes: bool,
    /// Each process after a death has another number of shards.
    rescales: bool,
}

const ONCE: Form = Form { shards: 1, splits: 1, shuffled: None, crashes: false, rescales: false };

const FORMS: [Form; 7] = [
    ONCE,
    Form { shards: 2, splits: 3, ..ONCE },
    Form { shards: 4, splits: 2, shuffled: Some(1), ..ONCE },
    Form { shuffled: Some(2), crashes: true, ..ONCE },
    Form { shards: 2, splits: 2, crashes: true, ..ONCE },
    Form { shards: 3, splits: 4, shuffled: Some(3), crashes: true, ..ONCE },
    Form { shards: 2, splits: 4, shuffled: Some(4), crashes: true, rescales: true },
];

/// Where a job of one run begins.
pub(crate) struct Run {
    env: StreamEnvironment,
    form: Form,
}

impl Run {
    /// A stream of these records, whose event times are at most `bound` milliseconds behind those before them. `time` is the event time; of
    /// records that are to be late it is when they come.
    pub(crate) fn stream<T: Record + Clone>(
        &self,
        records: &[T],
        time: impl Fn(&T) -> i64,
        archived: fn(&Archived<T>) -> Timestamp,
        bound: i64,
    ) -> DataStream<T> {
        let records = self.shuffled(records, |record, chance| time(record) + (chance % (bound as u64 + 1)) as i64);
        let strategy = WatermarkStrategy::for_bounded_out_of_orderness(Duration::from_millis(bound.unsigned_abs()))
            .with_timestamp_assigner(archived)
            .with_granularity(Duration::ZERO);
        self.source(records, strategy)
    }

    /// A stream of these records without event times: in any order, if this run shuffles.
    pub(crate) fn untimed<T: Record + Clone>(&self, records: &[T]) -> DataStream<T> {
        self.source(self.shuffled(records, |_, chance| chance as i64), WatermarkStrategy::no_watermarks())
    }

    /// The records in the order of what `place` says of each and of a number by chance, if this run shuffles.
    fn shuffled<T: Clone>(&self, records: &[T], place: impl Fn(&T, u64) -> i64) -> Vec<T> {
        let Some(seed) = self.form.shuffled else { return records.to_vec() };
        let places = records.iter().enumerate().map(|(at, record)| place(record, hash_u64(seed << 32 | at as u64).0));
        let mut order: Vec<(i64, usize)> = places.zip(0..).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, at)| records[at].clone()).collect()
    }

    fn source<T: Record>(&self, records: Vec<T>, strategy: WatermarkStrategy<T>) -> DataStream<T> {
        // Few records come from one split, so that they last for some checkpoints.
        let splits = if records.len() < 4 * TICKS { 1 } else { self.form.splits };
        let a_tick = records.len().div_ceil(usize::from(splits) * TICKS).max(1);
        self.env.from_source(Paced::of(records, splits, a_tick), strategy, "records")
    }
}

/// What `build` gives is, in each form and in any order, what is expected.
#[expect(clippy::needless_pass_by_value, reason = "what is expected is made for the call")]
pub(crate) fn check<T>(build: impl Fn(&Run) -> DataStream<T>, expected: Vec<T>)
where
    T: StateRecord + Clone + Ord + std::fmt::Debug,
{
    FORMS.into_iter().for_each(|form| check_form(form, &build, &expected));
}

/// As [`check`], for a job that the order of its records changes: on one shard, in order.
#[expect(clippy::needless_pass_by_value, reason = "what is expected is made for the call")]
pub(crate) fn check_in_order<T>(build: impl Fn(&Run) -> DataStream<T>, expected: Vec<T>)
where
    T: StateRecord + Clone + Ord + std::fmt::Debug,
{
    for crashes in [false, true] {
        check_form(Form { crashes, ..ONCE }, &build, &expected);
    }
}

/// As [`check`], for results that come in an order: on one shard, with records shuffled or not.
#[expect(clippy::needless_pass_by_value, reason = "what is expected is made for the call")]
pub(crate) fn check_sequence<T>(build: impl Fn(&Run) -> DataStream<T>, expected: Vec<T>)
where
    T: StateRecord + Clone + Ord + std::fmt::Debug,
{
    for (crashes, shuffled) in [(false, None), (false, Some(5)), (true, None), (true, Some(6))] {
        let form = Form { crashes, shuffled, ..ONCE };
        assert_eq!(results(form, &build), expected, "{form:?}");
    }
}

fn check_form<T>(form: Form, build: &impl Fn(&Run) -> DataStream<T>, expected: &[T])
where
    T: StateRecord + Clone + Ord + std::fmt::Debug,
{
    let (mut found, mut expected) = (results(form, build), expected.to_vec());
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{form:?}");
}

/// What a job gives in this form, in the order in which it was committed.
fn results<T>(form: Form, build: &impl Fn(&Run) -> DataStream<T>) -> Vec<T>
where
    T: StateRecord + Clone,
{
    let run = Run { env: StreamEnvironment::new("training"), form };
    let (sink, collected) = collect();
    build(&run).sink_to(sink);
    let graph = run.env.build().unwrap_or_else(|error| panic!("{form:?}: {error}"));
    let machine = Machine::new();
    let (mut deaths, mut read_again) = (0_u16, 0);
    loop {
        let config = JobConfig {
            shards: if form.rescales { 1 + (form.shards + deaths) % 4 } else { form.shards },
            data: Some("data".into()),
            checkpoint_interval: Some(Duration::from_millis(CHECKPOINT * TICK.unsigned_abs())),
            restart: RestartStrategy::None,
            scrub_interval: None,
            ..JobConfig::default()
        };
        let watch = Arc::new(JobWatch::default());
        let dies = form.crashes && usize::from(deaths) < TICKS;
        // How many ticks of records behind the last checkpoint are lost with the process.
        let lost = (u32::from(deaths) + 1) % CHECKPOINT as u32;
        let mut at_checkpoint = None;
        let outcome = machine.run(&graph, &config, &watch, |tick| {
            if at_checkpoint.is_none() && watch.checkpoints().completed > 0 {
                at_checkpoint = Some((tick, watch.source_records()));
            }
            match at_checkpoint {
                Some((committed, records)) if dies && tick >= committed + lost => {
                    read_again += watch.source_records() - records;
                    Next::Die
                }
                _ => Next::Wait,
            }
        });
        match outcome.unwrap_or_else(|error| panic!("{form:?} after {deaths} crashes: {error}")) {
            Some(Outcome::Finished | Outcome::Stopped(_)) => break,
            None => deaths += 1,
        }
    }
    assert!(!form.crashes || deaths > 0 && read_again > 0, "{form:?}: died {deaths} times, read {read_again} again");
    collected.take()
}

/// Of each key the record that came last, once the stream has ended: for streams whose records in between depend on the order.
pub(crate) fn last_of_each<T>(stream: &DataStream<T>, key: fn(&Archived<T>) -> u32) -> DataStream<T>
where
    T: StateRecord + Clone,
{
    let all = EventTimeSessionWindows::with_gap(Duration::from_secs(1_000_000_000));
    stream.key_by(key).window(all).reduce(|last, record| last.clone_from(record))
}
