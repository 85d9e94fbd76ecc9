//! What a harness shows of an operator: timers, keyed state of every kind, watermarks; over restores, and over versions of the function.

use yeoul_operator::{OpenContext, OperatorError, Subtask};
use yeoul_state::{
    AggregateFunction, AggregatingHandle, ListHandle, MapHandle, ReducingHandle, StateDescriptor, States, Ttl,
    ValueHandle,
};
use yeoul_stream::{
    Collector, DataStream, HarnessError, HarnessSnapshot, KeyedCoProcessFunction, KeyedContext, KeyedProcessFunction,
    OperatorHarness, TimeDomain,
};

#[derive(Clone)]
struct Sum;

impl AggregateFunction for Sum {
    type In = u64;
    type Acc = u64;
    type Out = u64;

    fn create(&self) -> u64 {
        0
    }

    fn add(&self, acc: &mut u64, value: &u64) {
        *acc += value;
    }

    fn merge(&self, acc: &mut u64, other: &u64) {
        *acc += other;
    }

    fn result(&self, acc: &u64) -> u64 {
        *acc
    }
}

/// Keeps the second stream's numbers in every kind of state, and tells their count when the first stream asks.
#[derive(Clone, Default)]
struct Keeping {
    count: ValueHandle<u64>,
    numbers: ListHandle<u64>,
    seen: MapHandle<u64, u64>,
    most: ReducingHandle<u64>,
    sum: AggregatingHandle<Sum>,
}

impl KeyedCoProcessFunction for Keeping {
    type Key = u64;
    type In1 = u64;
    type In2 = (u64, u64);
    type Out = (u64, u64);

    fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.count = states.value(StateDescriptor::new("count").ttl(Ttl::millis(1_000)));
        self.numbers = states.list("numbers");
        self.seen = states.map("seen");
        self.most = states.reducing("most", |a: &u64, b: u64| b.max(*a));
        self.sum = states.aggregating("sum", Sum);
        Ok(())
    }

    fn process1(
        &mut self,
        _: &rkyv::Archived<u64>,
        cx: &mut KeyedContext<'_, u64>,
        out: &mut Collector<(u64, u64)>,
    ) -> Result<(), OperatorError> {
        let count = cx.state(&self.count).get().copied().unwrap_or(0);
        out.collect((*cx.key(), count));
        Ok(())
    }

    fn process2(
        &mut self,
        record: &rkyv::Archived<(u64, u64)>,
        cx: &mut KeyedContext<'_, u64>,
        _: &mut Collector<(u64, u64)>,
    ) -> Result<(), OperatorError> {
        let number = record.1.to_native();
        *cx.state(&self.count).get_or(0) += 1;
        cx.state(&self.numbers).add(number);
        cx.state(&self.seen).put(&number, 1);
        cx.state(&self.most).add(number);
        cx.state(&self.sum).add(&number);
        cx.register_event_time_timer(cx.timestamp().plus(100));
        cx.register_processing_time_timer(cx.processing_time().plus(50));
        Ok(())
    }
}

type Harness = OperatorHarness<u64, (u64, u64), (u64, u64)>;

fn keeping() -> Harness {
    OperatorHarness::of_two(|asked: DataStream<u64>, numbers: DataStream<(u64, u64)>| {
        let asked = asked.key_by(|key| key.to_native());
        asked.connect(&numbers.key_by(|number| number.0.to_native())).process(Keeping::default())
    })
    .unwrap()
}

fn refused<T>(result: Result<T, HarnessError>, parts: &[&str]) {
    let Err(error) = result else { panic!("it should be refused") };
    for part in parts {
        assert!(error.to_string().contains(part), "{error} should say {part:?}");
    }
}

#[test]
fn a_keyed_function_of_two_inputs_is_looked_into() {
    let mut harness = keeping();
    harness.push_second([((7, 3), 10), ((7, 5), 20), ((8, 1), 30)]).unwrap();
    assert_eq!((harness.num_event_time_timers(), harness.num_processing_time_timers()), (3, 2));
    assert_eq!(harness.timers(TimeDomain::Event, &7_u64).unwrap(), [110, 120]);
    assert_eq!(harness.timers(TimeDomain::Processing, &7_u64).unwrap(), [50]);
    assert_eq!(harness.value_state::<u64, u64, _>(&7, "count", |count| count.get().copied()).unwrap(), Some(2));
    assert_eq!(harness.list_state::<u64, u64, _>(&7, "numbers", |mut list| list.get()).unwrap(), [3, 5]);
    assert_eq!(harness.map_state::<u64, u64, u64, _>(&7, "seen", |mut seen| seen.keys()).unwrap(), [3, 5]);
    assert_eq!(harness.reducing_state::<u64, u64, _>(&7, "most", |most| most.get().copied()).unwrap(), Some(5));
    assert_eq!(harness.aggregating_state::<u64, Sum, _>(&7, "sum", |mut sum| sum.get()).unwrap(), Some(8));
    assert_eq!(harness.value_state::<u64, u64, _>(&9, "count", |count| count.get().copied()).unwrap(), None);

    // What a test sets, the function sees; what expires, neither does.
    harness.value_state::<u64, u64, _>(&9, "count", |mut count| count.update(40)).unwrap();
    harness.push([(9, 40), (7, 50)]).unwrap();
    assert_eq!(harness.take_output(), [((9, 40), 40), ((7, 2), 50)]);
    harness.processing_time(1_000).unwrap();
    assert_eq!(harness.num_processing_time_timers(), 0);
    assert_eq!(harness.value_state::<u64, u64, _>(&9, "count", |count| count.get().copied()).unwrap(), None);

    refused(
        harness.value_state::<u64, u64, _>(&7, "counts", |_| ()),
        &["no state 'counts'", "'count' (u64 to", "'seen' ("],
    );
    refused(harness.value_state::<u64, i64, _>(&7, "count", |_| ()), &["'count'", "Timed<u64>", "ValueHandle<i64>"]);
    refused(harness.list_state::<u64, u64, _>(&7, "count", |_| ()), &["ListHandle<u64>"]);
    refused(harness.value_state::<u32, u64, _>(&7, "count", |_| ()), &["keys of type u32"]);
    refused(harness.timers(TimeDomain::Event, &7_u32), &["keys of type u32"]);
    let mut map =
        OperatorHarness::of(|numbers: DataStream<u64>| numbers.map(|n: &rkyv::Archived<u64>| n.to_native())).unwrap();
    refused(map.timers(TimeDomain::Event, &7_u64), &["no keyed function"]);
    assert_eq!(map.num_event_time_timers(), 0);
    refused(map.operator_list::<u64>("seen"), &["no state 'list seen'; it has none"]);
}

#[test]
fn each_input_has_a_watermark() {
    let mut harness = keeping();
    harness.watermark_first(50).unwrap();
    assert_eq!((harness.take_watermarks(), harness.current_watermark()), (vec![], i64::MIN));
    harness.push_second([((7, 3), 10)]).unwrap();
    harness.watermark_second(20).unwrap();
    harness.watermark_second(15).unwrap();
    harness.watermark_second(70).unwrap();
    assert_eq!(harness.take_watermarks(), [20, 50]);
    harness.watermark(200).unwrap();
    assert_eq!((harness.take_watermarks(), harness.num_event_time_timers()), (vec![200], 0));
}

/// Each timer of processing time sees its own time when time passes, and the present one when the shard was held up.
#[test]
fn processing_time_passes_step_by_step() {
    #[derive(Clone)]
    struct Ticking;

    impl KeyedProcessFunction for Ticking {
        type Key = u64;
        type In = u64;
        type Out = i64;

        fn process(
            &mut self,
            _: &rkyv::Archived<u64>,
            cx: &mut KeyedContext<'_, u64>,
            _: &mut Collector<i64>,
        ) -> Result<(), OperatorError> {
            cx.register_processing_time_timer(cx.processing_time().plus(100));
            Ok(())
        }

        fn on_timer(
            &mut self,
            _: yeoul_frame::Timestamp,
            cx: &mut KeyedContext<'_, u64>,
            out: &mut Collector<i64>,
        ) -> Result<(), OperatorError> {
            out.collect(cx.processing_time().0);
            cx.register_processing_time_timer(cx.processing_time().plus(100));
            Ok(())
        }
    }

    let harness =
        || OperatorHarness::of(|keys: DataStream<u64>| keys.key_by(|key| key.to_native()).process(Ticking)).unwrap();
    let given = |mut harness: OperatorHarness<u64, i64>| {
        harness.take_output().into_iter().map(|(time, _)| time).collect::<Vec<_>>()
    };
    let mut passing = harness();
    passing.push([(1, 0)]).unwrap();
    assert_eq!(passing.next_processing_time(), Some(100));
    passing.pass_until(350).unwrap();
    assert_eq!((passing.current_processing_time(), passing.next_processing_time()), (350, Some(400)));
    assert_eq!(given(passing), [100, 200, 300]);
    let mut held_up = harness();
    held_up.push([(1, 0)]).unwrap();
    held_up.processing_time(350).unwrap();
    assert_eq!(given(held_up), [350]);
}

/// A key's state is looked at where the key is.
#[test]
fn state_is_with_its_key_after_a_change_of_parallelism() {
    let mut before = keeping();
    before.push_second((0..100).map(|key| ((key, key), key as i64))).unwrap();
    let snapshot = before.snapshot().unwrap();
    let mut timers = 0;
    let mut found = vec![0; 100];
    for index in 0..3 {
        let mut after = before.restored(Subtask { index, parallelism: 3 }, &[&snapshot]).unwrap();
        timers += after.num_event_time_timers();
        for key in 0..100_u64 {
            match after.list_state::<u64, u64, _>(&key, "numbers", |mut list| list.get()) {
                Ok(numbers) => {
                    assert_eq!(numbers, [key]);
                    found[key as usize] += 1;
                }
                Err(error) => assert!(error.to_string().contains("another subtask"), "{error}"),
            }
        }
    }
    assert_eq!((timers, found), (100, vec![1; 100]));
}

/// Counts by key, in the type and version that it is told.
#[derive(Clone)]
struct Counting<V> {
    state: StateDescriptor,
    count: ValueHandle<V>,
}

impl<V> KeyedProcessFunction for Counting<V>
where
    V: yeoul_state::Value + Copy + From<u8> + std::ops::AddAssign + Into<u64>,
{
    type Key = u64;
    type In = u64;
    type Out = u64;

    fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.count = states.value(self.state.clone());
        Ok(())
    }

    fn process(
        &mut self,
        _: &rkyv::Archived<u64>,
        cx: &mut KeyedContext<'_, u64>,
        out: &mut Collector<u64>,
    ) -> Result<(), OperatorError> {
        let count = cx.state(&self.count).get_or(V::from(0));
        *count += V::from(1);
        out.collect((*count).into());
        Ok(())
    }
}

fn counting<V>(state: StateDescriptor) -> OperatorHarness<u64, u64>
where
    V: yeoul_state::Value + Copy + From<u8> + std::ops::AddAssign + Into<u64>,
{
    let function = Counting::<V> { state, count: ValueHandle::default() };
    OperatorHarness::of(|keys: DataStream<u64>| keys.key_by(|key| key.to_native()).process(function)).unwrap()
}

#[test]
fn a_snapshot_of_an_earlier_version_migrates() {
    let state = || StateDescriptor::new("count");
    let alone = Subtask { index: 0, parallelism: 1 };
    let from = |harness: &OperatorHarness<u64, u64>, snapshot: &HarnessSnapshot| harness.restored(alone, &[snapshot]);
    let mut first = counting::<u16>(state());
    first.push([(7, 0), (7, 1), (8, 2)]).unwrap();
    let of_first = first.snapshot().unwrap();

    let migrating = counting::<u64>(state().migrate_from(0, |old: u16| u64::from(old) * 10));
    let mut second = from(&migrating, &of_first).unwrap();
    second.push([(7, 3)]).unwrap();
    assert_eq!(second.take_output(), [(21, 3)]);
    let of_second = second.snapshot().unwrap();
    let later = counting::<u64>(state().version(1));
    for harness in [&later, &migrating] {
        let mut third = from(harness, &of_second).unwrap();
        third.push([(7, 4), (8, 5)]).unwrap();
        assert_eq!(third.take_output(), [(22, 4), (11, 5)]);
    }
    refused(
        from(&later, &of_first),
        &["'count' was saved with values of version 0", "no migration leads from version 0"],
    );
    refused(from(&first, &of_second), &["version 1", "no way back"]);
}
