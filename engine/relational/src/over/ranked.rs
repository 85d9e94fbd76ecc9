//! OVER in an order that is no time: rows may come in anywhere and be taken back, so a partition's rows are computed anew when it changes.
//!
//! What a change costs is in proportion to the partition, once a frame; only rows whose results differ are given again.
//!
//! Invariants:
//! 1. What was given of a row is what its partition's rows say: so results need no keeping.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, UInt32Array};
use yeoul_frame::{Frame, RowKind, Timestamp};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError};
use yeoul_state::{KeyBytes, StateTable, Table};

use super::calls::{Calls, Results};
use super::partition::{Ranked, RankedRow};
use super::sliding::Sliding;
use super::timed::refused;
use super::{OverAggregate, OverFrame};
use crate::aggregate::{Accumulators, Groups, Mixed};
use crate::input::{Input, gather};
use crate::key::{ColumnKey, KeyReader};
use crate::output::{OUTPUT_ROWS, emit};
use crate::row::{EncodedRows, RowCodec};
use crate::sort_key::SortKeys;

/// At least so many buckets are looked at after each frame (and one for each key in it) for partitions whose life is over.
const SWEPT: usize = 16;

pub(super) struct RankedOperator<K: ColumnKey> {
    spec: Arc<OverAggregate>,
    calls: Calls,
    keys: KeyReader<K>,
    codec: RowCodec,
    /// Of results.
    result_codec: RowCodec,
    groups: Groups<K>,
    sort: SortKeys,
    rows: EncodedRows,
    ttl: Option<i64>,
    table: Option<Table<K, Ranked>>,
}

/// A partition that a frame changes: where its rows as they were and as they are stand among all, and when it changed.
struct Changed {
    before: Range<usize>,
    after: Range<usize>,
    time: Timestamp,
}

impl<K: ColumnKey> RankedOperator<K> {
    pub(super) fn new(spec: Arc<OverAggregate>) -> Result<Self, OperatorError> {
        let calls = Calls::new(&spec)?;
        if calls.has_distinct() {
            return Err(refused(&spec, "DISTINCT in an order that is no time"));
        }
        if matches!(spec.frame, OverFrame::Range { .. }) {
            return Err(refused(&spec, "a RANGE of a length in an order that is no time"));
        }
        let results = &spec.schema.fields()[spec.input_schema.fields().len()..];
        Ok(Self {
            calls,
            keys: KeyReader::new(&spec.input_schema, &spec.partition)?,
            codec: RowCodec::of_fields(spec.input_schema.fields())?,
            result_codec: RowCodec::of_fields(results)?,
            ttl: spec.ttl.map(|ttl| (ttl.as_millis() as i64).max(1)),
            spec,
            groups: Groups::new(),
            sort: SortKeys::default(),
            rows: EncodedRows::default(),
            table: None,
        })
    }

    /// Applies a frame to the partitions. Returns their rows as they were and as they are, end to end.
    fn apply(&mut self, input: &Input<'_>, now: i64) -> (Vec<RankedRow>, Vec<Changed>) {
        let ttl = self.ttl;
        let is_over = |ranked: &Ranked| ttl.is_some_and(|ttl| ranked.since.saturating_add(ttl) <= now);
        let table = self.table.as_mut().expect("an operator is opened before its first frame");
        let (kinds, times, members) = (input.kinds(), input.times(), self.groups.members());
        let (mut all, mut changed) = (Vec::new(), Vec::with_capacity(self.groups.len()));
        for (group, key) in self.groups.keys.iter().enumerate() {
            let hash = self.groups.hashes[group];
            let ranked = table.upsert(key, hash, Ranked::default);
            if is_over(ranked) {
                ranked.rows.clear();
            }
            ranked.since = now;
            let start = all.len();
            all.extend_from_slice(&ranked.rows);
            let middle = all.len();
            for row in members.of(group).iter().map(|&row| row as usize) {
                let (sort, bytes) = (self.sort.of(row), self.rows.row(row));
                match kinds.as_ref().map_or(RowKind::Insert, |kinds| kinds[row]) {
                    RowKind::Insert | RowKind::UpdateAfter => {
                        let place = ranked.place(sort);
                        ranked.rows.insert(place, RankedRow { sort: KeyBytes::new(sort), row: bytes.into() });
                    }
                    RowKind::UpdateBefore | RowKind::Delete => _ = ranked.remove(sort, bytes),
                }
            }
            all.extend_from_slice(&ranked.rows);
            let time = members.of(group).last().map_or(Timestamp::MIN, |&row| times[row as usize]);
            changed.push(Changed { before: start..middle, after: middle..all.len(), time });
            if ranked.rows.is_empty() {
                table.remove(key, hash);
            }
        }
        if ttl.is_some() {
            table.sweep(SWEPT.max(self.groups.len()), |_, ranked| is_over(ranked));
        }
        (all, changed)
    }

    /// Computes the results of rows in order.
    fn settle(&self, rows: &[RankedRow], part: Range<usize>, out: &mut Results) {
        let (calls, plan) = (&self.calls, &self.calls.plan);
        let by_range = matches!(self.spec.frame, OverFrame::UnboundedRange);
        let mut total = Mixed::fresh(plan);
        let mut sliding = Sliding::new(plan, part.start);
        let add = |row: usize, held: &mut Mixed| calls.add(row, held);
        let (mut at, mut dense) = (part.start, 0);
        while at < part.end {
            let peers = (at..part.end).take_while(|&row| rows[row].sort == rows[at].sort).count();
            dense += 1;
            for row in at..at + peers {
                out.places[row] = [(row - part.start) as i64 + 1, (at - part.start) as i64 + 1, dense];
                for (lag, offset) in out.lags.iter_mut().zip(calls.lags()) {
                    lag[row] = row.checked_sub(offset).filter(|from| *from >= part.start).map(|from| from as u32);
                }
                if let OverFrame::Rows { preceding } = self.spec.frame {
                    let preceding = usize::try_from(preceding).unwrap_or(usize::MAX);
                    sliding.move_to(row.saturating_sub(preceding).max(part.start), row + 1, add);
                    calls.put(out, row, &sliding.held());
                    continue;
                }
                add(row, &mut total);
                if !by_range {
                    calls.put(out, row, &total);
                }
            }
            if by_range {
                (at..at + peers).for_each(|row| calls.put(out, row, &total));
            }
            at += peers;
        }
    }

    /// Which rows go out, and how.
    fn compare(&self, rows: &[RankedRow], changed: &[Changed], results: &EncodedRows) -> Out {
        let mut out = Out::default();
        let address = |row: usize| Arc::as_ptr(&rows[row].row).cast::<u8>();
        for Changed { before, after, time } in changed {
            let mut there: HashMap<*const u8, usize> = after.clone().map(|row| (address(row), row)).collect();
            for row in before.clone() {
                match there.remove(&address(row)) {
                    None => out.push(row, RowKind::Delete, *time),
                    Some(now) if results.row(row) == results.row(now) => {}
                    Some(now) => {
                        if self.spec.update_before {
                            out.push(row, RowKind::UpdateBefore, *time);
                        }
                        out.push(now, RowKind::UpdateAfter, *time);
                    }
                }
            }
            for row in after.clone().filter(|&row| there.contains_key(&address(row))) {
                out.push(row, RowKind::Insert, *time);
            }
        }
        out
    }
}

/// What goes out: rows by number.
#[derive(Default)]
struct Out {
    rows: Vec<u32>,
    kinds: Vec<RowKind>,
    times: Vec<Timestamp>,
}

impl Out {
    fn push(&mut self, row: usize, kind: RowKind, time: Timestamp) {
        self.rows.push(row as u32);
        self.kinds.push(kind);
        self.times.push(time);
    }
}

impl<K: ColumnKey> Operator for RankedOperator<K> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.table = Some(Table::new(cx.operator.table("ranked"), "ranked"));
        Ok(())
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let input = Input::of(frame)?;
        self.keys.read(&input)?;
        self.groups.group(self.keys.keys(), self.keys.hashes());
        let ordered: Vec<usize> = self.spec.order.iter().map(|key| key.column).collect();
        self.sort.read(&self.spec.order, &input.columns_of(&ordered)?, input.rows());
        self.codec.encode(&input.all_columns()?, input.rows(), &mut self.rows)?;
        let (rows, changed) = self.apply(&input, cx.now().0);

        let slices: Vec<&[u8]> = rows.iter().map(|row| &*row.row).collect();
        let read = self.calls.read(&self.codec, &slices)?;
        self.calls.fold(&read, rows.len(), |_| Ok(()))?;
        let mut results = self.calls.results(rows.len());
        for part in &changed {
            self.settle(&rows, part.before.clone(), &mut results);
            self.settle(&rows, part.after.clone(), &mut results);
        }
        let columns: Vec<ArrayRef> = self.calls.columns(&results, 0..rows.len(), &read)?;
        let mut encoded = EncodedRows::default();
        self.result_codec.encode(&columns, rows.len(), &mut encoded)?;
        let out = self.compare(&rows, &changed, &encoded);
        for start in (0..out.rows.len()).step_by(OUTPUT_ROWS) {
            let part = start..(start + OUTPUT_ROWS).min(out.rows.len());
            let picked: Vec<&[u8]> = out.rows[part.clone()].iter().map(|&row| slices[row as usize]).collect();
            let positions = UInt32Array::from(out.rows[part.clone()].to_vec());
            let mut arrays = self.codec.decode(&picked)?;
            for column in &columns {
                arrays.push(gather(column, &positions)?);
            }
            let kinds = out.kinds[part.clone()].to_vec();
            emit(cx, &self.spec.schema, arrays, out.times[part].to_vec(), kinds)?;
        }
        Ok(())
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        if let Some(table) = &mut self.table {
            visit(table);
        }
    }
}
