//! What this crate offers keeps the contract that it checks.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use yeoul_frame::RowKind;
use yeoul_operator::OperatorError;
use yeoul_stream::conformance::{Rule, SinkConformance, SourceConformance};
use yeoul_stream::{AtLeastOnce, Collection, GeneratorSource, IdempotentSink, NumberSequence, collect};

#[test]
fn collections_do() {
    for splits in [1, 2, 5] {
        SourceConformance::of(move || Collection::of(0..60_u64).splits(splits)).expecting(0..60).run().unwrap();
    }
    SourceConformance::of(|| Collection::of(Vec::<u64>::new())).expecting([]).run().unwrap();
    let words = || (0..40).map(|n| format!("a word with a number in it: {n}"));
    SourceConformance::of(move || Collection::of(words()).splits(3)).expecting(words()).run().unwrap();
}

#[test]
fn generators_do() {
    for splits in [1, 3, 16] {
        let squares = move || GeneratorSource::new(50, |n| n * n).splits(splits);
        SourceConformance::of(squares).expecting((0..50).map(|n| n * n)).run().unwrap();
    }
    let endless = SourceConformance::of(|| NumberSequence::new(7..)).expecting(7..57).run().unwrap_err();
    assert_eq!(endless.rule(), Rule::EveryRecordOnce);
    SourceConformance::of(|| NumberSequence::new(10..40).rate(1_000)).expecting(10..40).run().unwrap();
    SourceConformance::of(|| NumberSequence::new(0..0)).expecting([]).run().unwrap();
}

#[test]
fn the_collecting_sink_does() {
    let fresh = || (collect::<u64>(), RefCell::new(Vec::new()));
    SinkConformance::of(
        fresh,
        |((sink, _), _)| sink.clone(),
        |((_, collected), seen)| {
            seen.borrow_mut().extend(collected.take());
            seen.borrow().clone()
        },
    )
    .writing((0..60).map(|n| n / 2))
    .run()
    .unwrap();
}

/// A table with a limit to its operations.
#[derive(Clone)]
struct Table(Arc<Mutex<(BTreeMap<u64, i64>, u64)>>);

impl Table {
    fn change(&self, change: impl FnOnce(&mut BTreeMap<u64, i64>)) -> Result<(), OperatorError> {
        let (rows, left) = &mut *self.0.lock().unwrap();
        *left = left.checked_sub(1).ok_or_else(|| OperatorError::new("the target is gone"))?;
        change(rows);
        Ok(())
    }
}

impl IdempotentSink for Table {
    type In = (u64, i64);

    fn upsert(&mut self, (key, value): (u64, i64)) -> Result<(), OperatorError> {
        self.change(|rows| {
            rows.insert(key, value);
        })
    }

    fn delete(&mut self, (key, _): (u64, i64)) -> Result<(), OperatorError> {
        self.change(|rows| {
            rows.remove(&key);
        })
    }
}

#[test]
fn an_upserting_sink_has_the_final_table() {
    let changes = (0..60_u64).map(|n| {
        let kind = match n % 5 {
            0 => RowKind::Delete,
            1 => RowKind::UpdateBefore,
            2 => RowKind::Insert,
            _ => RowKind::UpdateAfter,
        };
        (kind, (n % 7, n as i64))
    });
    let mut table = BTreeMap::new();
    for (kind, (key, value)) in changes.clone() {
        match kind {
            RowKind::Delete => table.remove(&key),
            RowKind::UpdateBefore => None,
            RowKind::Insert | RowKind::UpdateAfter => table.insert(key, value),
        };
    }
    SinkConformance::of(
        || Table(Arc::new(Mutex::new((BTreeMap::new(), u64::MAX)))),
        |table| {
            let table = table.clone();
            AtLeastOnce::new(move |_| Ok(table.clone()))
        },
        |table| table.0.lock().unwrap().0.iter().map(|(key, value)| (*key, *value)).collect(),
    )
    .changing(changes)
    .keyed_by(|row| row.0)
    .final_table(table)
    .interrupted_by(|table, operations| table.0.lock().unwrap().1 = operations)
    .run()
    .unwrap();
}
