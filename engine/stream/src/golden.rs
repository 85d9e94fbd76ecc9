//! What streams keep and seal has the bytes that docs/format.md prints: owned records, positions, sealed output.

#![cfg(test)]

use std::sync::Arc;

use yeoul_frame::{Epoch, KeyGroups, OperatorId, Pool, RowBuilder, RowKind, Timestamp};
use yeoul_operator::{
    Context, Counters, InputId, MakeOperator, MakeSource, OpenContext, OperatorError, Services, SinkSpec, Snapshot,
    SourceSpec, Subtask, Waker,
};
use yeoul_state::Stored;

use crate::owned_state::{Owned, OwnedList};
use crate::window::stagger::{STAGGER, Stagger};
use crate::{Collection, EpochTarget, ExactlyOnce, NumberSequence, TimeWindow, WindowStagger, collect};

fn payload(name: &str) -> Vec<u8> {
    let page = include_str!("../../../docs/format.md").lines();
    let lines = page.filter_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix("| "));
    let hex = lines.flat_map(|line| line.split('|').next().unwrap_or_default().split_whitespace());
    hex.map(|hex| u8::from_str_radix(hex, 16).unwrap()).collect()
}

#[test]
fn owned_records_are_as_printed() {
    fn check<T: Stored>(name: &str, value: &T) {
        let (mut bytes, mut again) = (Vec::new(), Vec::new());
        value.encode(&mut bytes);
        assert_eq!(bytes, payload(name), "{name}");
        T::decode(&mut &bytes[..]).unwrap().encode(&mut again);
        assert_eq!(again, bytes, "{name} comes back");
    }
    check("owned", &Owned::new(7_u64));
    check("owned-list", &OwnedList::new(vec![7_u64, 8]));
    let window = |start, end| TimeWindow { start: Timestamp(start), end: Timestamp(end) };
    check("merging", &vec![(window(0, 20), window(5, 15))]);
}

#[test]
fn offsets_of_staggered_windows_are_as_printed() {
    let mut stagger = Stagger::new(WindowStagger::Natural, 100);
    stagger.restore(Subtask { index: 0, parallelism: 1 }, &payload("stagger")).unwrap();
    let (mut states, mut sealed) = (Vec::new(), Vec::new());
    let operator = OperatorId::of("staggered");
    stagger.snapshot(&mut Snapshot::new(Epoch(1), operator, &mut states, &mut sealed));
    assert_eq!(states, [(operator, STAGGER.to_owned(), payload("stagger"))]);
}

#[test]
fn positions_are_as_printed() {
    fn check(name: &str, make: &MakeSource) {
        let mut source = make();
        let (pool, services, subtask) = (Pool::new(), Services::default(), Subtask { index: 0, parallelism: 1 });
        let mut cx = OpenContext {
            operator: OperatorId::of("numbers"),
            name: "numbers",
            subtask,
            key_groups: KeyGroups::DEFAULT,
            services: &services,
            pool: &pool,
            counters: Arc::new(Counters::default()),
            waker: Waker::default(),
        };
        source.open(&mut cx).unwrap();
        source.restore(name, subtask, &payload(name)).unwrap();
        let (mut states, mut sealed) = (Vec::new(), Vec::new());
        source.snapshot(&mut Snapshot::new(Epoch(1), cx.operator, &mut states, &mut sealed)).unwrap();
        assert_eq!(states, [(cx.operator, name.to_owned(), payload(name))]);
    }
    check("positions", &Collection::of(0..10_u64).splits(2).make());
    check("splits", &NumberSequence::new(0..10).splits(2).make());
}

/// Takes what it is given and keeps nothing.
struct Nowhere;

impl EpochTarget for Nowhere {
    type In = u64;

    fn recover(&mut self, committed: Epoch) -> Result<Epoch, OperatorError> {
        Ok(committed)
    }

    fn deliver(&mut self, _: Epoch, _: Vec<u64>) -> Result<(), OperatorError> {
        Ok(())
    }
}

#[test]
fn sealed_output_is_as_printed() {
    fn check(name: &str, make: &MakeOperator) {
        let mut sink = make();
        let (pool, services) = (Pool::new(), Services::default());
        let mut cx = OpenContext {
            operator: OperatorId::of("sink"),
            name: "sink",
            subtask: Subtask { index: 0, parallelism: 1 },
            key_groups: KeyGroups::DEFAULT,
            services: &services,
            pool: &pool,
            counters: Arc::new(Counters::default()),
            waker: Waker::default(),
        };
        sink.open(&mut cx).unwrap();
        let mut rows = RowBuilder::<u64>::new(&pool, 1);
        rows.push(&7, Timestamp(0), RowKind::Insert).unwrap();
        let (mut emitted, counters) = (Vec::new(), Counters::default());
        let mut cx = Context::new(&mut emitted, Timestamp::MIN, Timestamp(0), &pool, &counters);
        sink.process(InputId(0), &rows.finish(), &mut cx).unwrap();
        let (mut states, mut sealed) = (Vec::new(), Vec::new());
        sink.snapshot(&mut Snapshot::new(Epoch(1), OperatorId::of("sink"), &mut states, &mut sealed)).unwrap();
        assert_eq!((sealed.len(), &sealed[0].1[..]), (1, &payload(name)[..]), "{name}");
    }
    check("collect-output", &collect::<u64>().0.make());
    check("own-output", &ExactlyOnce::new(|_| Ok(Nowhere)).make());
}
