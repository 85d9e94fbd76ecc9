//! Top-n within windows: a partition comes out once, when its window is over.
//!
//! Of a window's partition no more rows are kept than come out. A window's partitions come out in parts, as there is room.
//!
//! Invariants:
//! 1. A row is in a pane until its window is over and all of it is out, out of its partition's first places for good, or late.
//! 2. Nothing is put into a window, and no snapshot is taken, while it comes out: the watermark that ends it comes before both.

use std::sync::Arc;

use arrow_array::{Int64Array, UInt32Array};
use yeoul_frame::{Frame, Timestamp};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError, Passed, Progress, Snapshot, Subtask};
use yeoul_state::{Panes, StateTable};

use super::Rank;
use super::first_rows::FirstRows;
use super::operator::place_of;
use crate::aggregate::Groups;
use crate::assign_times::event_times;
use crate::input::{Input, check_inserts, gather};
use crate::key::{ColumnKey, KeyReader};
use crate::output::{OUTPUT_ROWS, emit, emit_late};
use crate::row::{EncodedRows, RowCodec};
use crate::sort_key::SortKeys;

pub(super) struct WindowRankOperator<K: ColumnKey> {
    spec: Arc<Rank>,
    /// The column of the window's end.
    end: usize,
    from: usize,
    to: usize,
    keys: KeyReader<K>,
    codec: RowCodec,
    groups: Groups<K>,
    sort: SortKeys,
    rows: EncodedRows,
    panes: Option<Panes<K, FirstRows>>,
    passed: Passed,
    firing: Option<Firing<K>>,
}

impl<K: ColumnKey> WindowRankOperator<K> {
    pub(super) fn new(spec: Arc<Rank>, end: usize) -> Result<Self, OperatorError> {
        Ok(Self {
            end,
            from: place_of(spec.from),
            to: place_of(spec.to),
            keys: KeyReader::new(&spec.input_schema, &spec.partition)?,
            codec: RowCodec::of_fields(spec.input_schema.fields())?,
            spec,
            groups: Groups::new(),
            sort: SortKeys::default(),
            rows: EncodedRows::default(),
            panes: None,
            passed: Passed::new("passed"),
            firing: None,
        })
    }

    /// The rows that may be among the first of a partition's, by its group, in the order of their keys.
    fn candidates(&self, ends: &[Timestamp], is_late: impl Fn(usize) -> bool) -> Vec<u32> {
        let panes = self.panes.as_ref().expect("an operator is opened before its first frame");
        let groups = &self.groups;
        let mut last: Vec<Option<&[u8]>> = Vec::with_capacity(groups.len());
        for (group, &first) in groups.first.iter().enumerate() {
            let pane = panes.get(ends[first as usize].0);
            let ranked = pane.and_then(|pane| pane.get(&groups.keys[group], groups.hashes[group]));
            last.push(ranked.and_then(|ranked| ranked.0.get(self.to - 1)).map(|row| row.sort.as_bytes()));
        }
        let may = |row: &usize| {
            let group = groups.ids[*row] as usize;
            !is_late(group) && last[group].is_none_or(|last| self.sort.of(*row) < last)
        };
        let mut rows: Vec<u32> = (0..groups.ids.len()).filter(may).map(|row| row as u32).collect();
        rows.sort_by(|&a, &b| {
            let of = |row: u32| (groups.ids[row as usize], self.sort.of(row as usize));
            of(a).cmp(&of(b))
        });
        // Of a partition's own rows those behind the last place need not be looked at.
        let mut kept = Vec::with_capacity(rows.len());
        for run in rows.chunk_by(|&a, &b| groups.ids[a as usize] == groups.ids[b as usize]) {
            kept.extend(&run[..run.len().min(self.to)]);
        }
        kept
    }

    /// What is to come out of a window that is over.
    fn begin(&self, end: i64) -> Firing<K> {
        let panes = self.panes.as_ref().expect("an operator is opened before its first watermark");
        let keys = panes.get(end).into_iter().flat_map(|pane| pane.iter()).map(|(key, _)| key);
        let keys = keys.filter(|key| self.passed.of(key.hash()) < end.saturating_sub(1)).cloned().collect();
        Firing { end, keys, at: 0 }
    }

    /// Gives partitions of a window as long as there is room. Returns whether all are out.
    fn fire(&self, firing: &mut Firing<K>, cx: &mut Context<'_>) -> Result<bool, OperatorError> {
        let pane = self.panes.as_ref().and_then(|panes| panes.get(firing.end));
        while firing.at < firing.keys.len() && cx.has_room() {
            let (mut rows, mut places): (Vec<&[u8]>, Vec<i64>) = (Vec::new(), Vec::new());
            while let Some(key) = firing.keys.get(firing.at) {
                let ranked = pane.and_then(|pane| pane.get(key, key.hash())).map_or(&[][..], |ranked| &ranked.0);
                if !rows.is_empty() && rows.len() + ranked.len() > OUTPUT_ROWS {
                    break;
                }
                firing.at += 1;
                for (at, row) in ranked.iter().enumerate().skip(self.from - 1) {
                    rows.push(&row.row);
                    places.push(at as i64 + 1);
                }
            }
            for (rows, places) in rows.chunks(OUTPUT_ROWS).zip(places.chunks(OUTPUT_ROWS)) {
                let mut arrays = self.codec.decode(rows)?;
                if self.spec.rank_column {
                    arrays.push(Arc::new(Int64Array::from(places.to_vec())));
                }
                let times = vec![Timestamp(firing.end.saturating_sub(1)); rows.len()];
                emit(cx, &self.spec.schema, arrays, times, Vec::new())?;
            }
        }
        Ok(firing.at == firing.keys.len())
    }
}

/// A window that is over, while its partitions come out.
struct Firing<K> {
    end: i64,
    keys: Vec<K>,
    /// How many are out.
    at: usize,
}

impl<K: ColumnKey> Operator for WindowRankOperator<K> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.passed.open(cx);
        self.panes = Some(Panes::new(cx.operator.table("ranked"), "ranked"));
        Ok(())
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let input = Input::of(frame)?;
        check_inserts(&self.spec, &input)?;
        self.keys.read(&input)?;
        self.groups.group(self.keys.keys(), self.keys.hashes());
        let ends = event_times(&input.column(self.end)?)?;
        let ordered: Vec<usize> = self.spec.order.iter().map(|key| key.column).collect();
        self.sort.read(&self.spec.order, &input.columns_of(&ordered)?, input.rows());
        // A partition has one window, so all of its rows are late or none.
        let lateness = self.groups.first.iter().zip(&self.groups.hashes);
        let late: Vec<bool> =
            lateness.map(|(&first, &hash)| ends[first as usize].0.saturating_sub(1) <= self.passed.of(hash)).collect();
        let candidates = self.candidates(&ends, |group| late[group]);
        let wanted = UInt32Array::from(candidates.clone());
        let columns =
            input.all_columns()?.iter().map(|column| gather(column, &wanted)).collect::<Result<Vec<_>, _>>()?;
        self.codec.encode(&columns, candidates.len(), &mut self.rows)?;

        let panes = self.panes.as_mut().expect("an operator is opened before its first frame");
        let group_of = |row: u32| self.groups.ids[row as usize] as usize;
        let mut at = 0;
        for run in candidates.chunk_by(|&a, &b| group_of(a) == group_of(b)) {
            let group = group_of(run[0]);
            let pane = panes.pane(ends[run[0] as usize].0);
            let ranked = pane.upsert(&self.groups.keys[group], self.groups.hashes[group], FirstRows::default);
            for &row in run {
                ranked.add(self.sort.of(row as usize), self.rows.row(at), self.to);
                at += 1;
            }
        }
        let rows = (0..input.rows()).filter(|&row| late[self.groups.ids[row] as usize]);
        let rows: Vec<u32> = rows.map(|row| input.row(row)).collect();
        emit_late(cx, frame, &rows);
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        loop {
            let panes = self.panes.as_ref().expect("an operator is opened before its first watermark");
            let Some(end) = panes.namespaces().next().filter(|end| end.saturating_sub(1) <= watermark.0) else {
                self.passed.advance(watermark.0);
                return Ok(Progress::Done);
            };
            let mut firing = self.firing.take().unwrap_or_else(|| self.begin(end));
            if !self.fire(&mut firing, cx)? {
                self.firing = Some(firing);
                return Ok(Progress::More);
            }
            self.panes.iter_mut().for_each(|panes| panes.drop_namespace(end));
            self.passed.advance(end.saturating_sub(1));
        }
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        self.passed.snapshot(snapshot);
        Ok(())
    }

    fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        self.passed.restore(name, from, bytes)
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        if let Some(panes) = &mut self.panes {
            visit(panes);
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, TimeUnit};
    use yeoul_operator::context::FRAMES_PER_CALL;

    use super::super::{Rank, RankStrategy};
    use super::*;
    use crate::sort_key::SortKey;
    use crate::testing::{Harness, Table, check};

    fn ranked(from: u64, to: u64, rank_column: bool, expected: &str) {
        let millis = DataType::Timestamp(TimeUnit::Millisecond, None);
        let mut columns =
            vec![("k", DataType::Int64), ("v", DataType::Int64), ("start", millis.clone()), ("end", millis)];
        let input = Table::new(&columns);
        columns.extend(rank_column.then_some(("rank", DataType::Int64)));
        let spec = Arc::new(Rank {
            partition: vec![0, 2, 3],
            order: vec![SortKey::descending(1)],
            from,
            to,
            rank_column,
            strategy: RankStrategy::AppendOnly,
            window_end: Some(3),
            update_before: false,
            ttl: None,
            input_schema: input.schema().clone(),
            schema: Table::new(&columns).schema().clone(),
        });
        let open = || {
            let spec = spec.clone();
            Harness::of(move || spec.clone().operator(), &[&[0, 2, 3]])
        };
        let script = "
            0 +I 1 5 0 10 @9
            0 +I 1 7 0 10 @9
            0 +I 2 1 0 10 @9
            0 +I 1 6 0 10 @9
            0 +I 1 3 10 20 @19
            w 8
            0 +I 1 6 0 10 @9
            0 +I 1 null 10 20 @19
            w 9
            0 +I 1 100 0 10 @9
            0 +I 1 9 10 20 @19
            w 25";
        assert_eq!(check(open, &[&input], script, expected), 0, "no state is left of closed windows");
    }

    #[test]
    fn the_first_rows_of_a_window_come_out_when_it_is_over() {
        let late = "late +I 1 100 0 10 @9";
        ranked(
            1,
            2,
            true,
            &format!(
                "+I 1 7 0 10 1 @9\n+I 1 6 0 10 2 @9\n+I 2 1 0 10 1 @9\n+I 1 9 10 20 1 @19\n+I 1 3 10 20 2 @19\n{late}"
            ),
        );
        ranked(1, 1, false, &format!("+I 1 7 0 10 @9\n+I 2 1 0 10 @9\n+I 1 9 10 20 @19\n{late}"));
        ranked(
            2,
            3,
            true,
            &format!("+I 1 6 0 10 2 @9\n+I 1 6 0 10 3 @9\n+I 1 3 10 20 2 @19\n+I 1 null 10 20 3 @19\n{late}"),
        );
    }

    #[test]
    fn a_large_window_comes_out_in_parts() {
        let millis = DataType::Timestamp(TimeUnit::Millisecond, None);
        let input = Table::new(&[("k", DataType::Int64), ("v", DataType::Int64), ("end", millis)]);
        let spec = Arc::new(Rank {
            partition: vec![0, 2],
            order: vec![SortKey::descending(1)],
            from: 1,
            to: 3,
            rank_column: false,
            strategy: RankStrategy::AppendOnly,
            window_end: Some(2),
            update_before: false,
            ttl: None,
            input_schema: input.schema().clone(),
            schema: input.schema().clone(),
        });
        let mut harness = Harness::of(move || spec.clone().operator(), &[&[0, 2]]);
        let keys = 2 * FRAMES_PER_CALL * OUTPUT_ROWS / 3;
        let lines = |v: i64| (0..keys).map(|key| format!("+I {key} {v} 10\n")).collect::<String>();
        (0..4).for_each(|v| harness.push(0, input.frame(&lines(v))));
        harness.watermark(9);
        let out = harness.take();
        assert_eq!(out.iter().map(Frame::len).sum::<usize>(), 3 * keys);
        assert!(out.len() > FRAMES_PER_CALL && harness.most_frames <= FRAMES_PER_CALL + 1, "{}", harness.most_frames);
        assert_eq!(harness.state_entries(), 0);
    }
}
