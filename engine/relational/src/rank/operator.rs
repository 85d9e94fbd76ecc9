//! Keeps partitions in order, and gives what changes among their first rows: once a frame.
//!
//! Invariants:
//! 1. Over rows that only come in, a partition keeps no more rows than the last place.
//! 2. With the place as a column (or one place), a place's row is replaced; without, a row comes and goes whatever its place.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, UInt32Array};
use yeoul_frame::{Frame, RowKind, Timestamp};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError};
use yeoul_state::{KeyBytes, StateTable, Table};

use super::ranked::{Ranked, RankedRow};
use super::{Rank, RankStrategy};
use crate::aggregate::Groups;
use crate::input::{Input, gather};
use crate::key::{ColumnKey, KeyReader};
use crate::output::{OUTPUT_ROWS, emit};
use crate::row::{EncodedRows, RowCodec};
use crate::sort_key::SortKeys;

/// At least so many buckets are looked at after each frame (and one for each key in it) for partitions whose life is over.
const SWEPT: usize = 16;

pub(super) struct RankOperator<K: ColumnKey> {
    spec: Arc<Rank>,
    /// The last place that comes out.
    to: usize,
    ttl: Option<i64>,
    keys: KeyReader<K>,
    codec: RowCodec,
    id_codec: RowCodec,
    groups: Groups<K>,
    sort: SortKeys,
    rows: EncodedRows,
    ids: EncodedRows,
    table: Option<Table<K, Ranked>>,
}

/// What goes out.
#[derive(Default)]
struct Changes {
    rows: Vec<Arc<[u8]>>,
    kinds: Vec<RowKind>,
    places: Vec<i64>,
    times: Vec<Timestamp>,
}

impl Changes {
    fn push(&mut self, row: &RankedRow, kind: RowKind, place: usize, time: Timestamp) {
        self.rows.push(Arc::clone(&row.row));
        self.kinds.push(kind);
        self.places.push(place as i64 + 1);
        self.times.push(time);
    }
}

impl<K: ColumnKey> RankOperator<K> {
    pub(super) fn new(spec: Arc<Rank>) -> Result<Self, OperatorError> {
        let id: &[usize] = match &spec.strategy {
            RankStrategy::Update { upsert_key } => upsert_key,
            _ => &[],
        };
        Ok(Self {
            keys: KeyReader::new(&spec.input_schema, &spec.partition)?,
            codec: RowCodec::of_fields(spec.input_schema.fields())?,
            id_codec: RowCodec::of_fields(id.iter().map(|&column| &spec.input_schema.fields()[column]))?,
            to: place_of(spec.to),
            ttl: spec.ttl.map(|ttl| (ttl.as_millis() as i64).max(1)),
            spec,
            groups: Groups::new(),
            sort: SortKeys::default(),
            rows: EncodedRows::default(),
            ids: EncodedRows::default(),
            table: None,
        })
    }

    /// The rows that may change a partition: of rows that only come in, those that are not behind a full one's last.
    fn candidates(&self, now: i64) -> Vec<u32> {
        let rows = self.groups.ids.len();
        let table = self.table.as_ref().expect("an operator is opened before its first frame");
        if self.spec.strategy != RankStrategy::AppendOnly {
            return (0..rows as u32).collect();
        }
        let mut last: Vec<Option<&[u8]>> = Vec::with_capacity(self.groups.len());
        table.get_batch(&self.groups.keys, &self.groups.hashes, |_, ranked| {
            let ranked = ranked.filter(|ranked| !self.is_over(ranked, now));
            last.push(ranked.and_then(|ranked| ranked.rows.get(self.to - 1)).map(|row| row.sort.as_bytes()));
        });
        let may = |row: &usize| last[self.groups.ids[*row] as usize].is_none_or(|last| self.sort.of(*row) < last);
        (0..rows).filter(may).map(|row| row as u32).collect()
    }

    fn is_over(&self, ranked: &Ranked, now: i64) -> bool {
        self.ttl.is_some_and(|ttl| ranked.since.saturating_add(ttl) <= now)
    }
}

impl<K: ColumnKey> Operator for RankOperator<K> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.table = Some(Table::new(cx.operator.table("ranked"), "ranked"));
        Ok(())
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let (spec, to) = (Arc::clone(&self.spec), self.to);
        let (input, now) = (Input::of(frame)?, cx.now().0);
        let kinds = input.kinds();
        let added = |row: u32| {
            kinds.as_ref().is_none_or(|kinds| matches!(kinds[row as usize], RowKind::Insert | RowKind::UpdateAfter))
        };
        if spec.strategy == RankStrategy::AppendOnly && (0..input.rows() as u32).any(|row| !added(row)) {
            return Err(OperatorError::new(format!("{spec} over rows that are taken back"))
                .hint("this is a fault of the plan, or of a source that declares the wrong changelog mode"));
        }
        self.keys.read(&input)?;
        self.groups.group(self.keys.keys(), self.keys.hashes());
        let ordered: Vec<usize> = spec.order.iter().map(|key| key.column).collect();
        self.sort.read(&spec.order, &input.columns_of(&ordered)?, input.rows());
        let candidates = self.candidates(now);
        if candidates.is_empty() {
            return Ok(());
        }
        let all = candidates.len() == input.rows();
        let wanted = UInt32Array::from(candidates.clone());
        let pick = |column: ArrayRef| if all { Ok(column) } else { gather(&column, &wanted) };
        let columns = input.all_columns()?.into_iter().map(pick).collect::<Result<Vec<_>, _>>()?;
        self.codec.encode(&columns, candidates.len(), &mut self.rows)?;
        if let RankStrategy::Update { upsert_key } = &spec.strategy {
            let columns: Vec<ArrayRef> = upsert_key.iter().map(|&column| columns[column].clone()).collect();
            self.id_codec.encode(&columns, candidates.len(), &mut self.ids)?;
        }
        // Candidates of one partition together, in the order of arrival.
        let mut order: Vec<u32> = (0..candidates.len() as u32).collect();
        let group_of = |at: u32| self.groups.ids[candidates[at as usize] as usize];
        order.sort_by_key(|&at| group_of(at));

        let times = input.times();
        let mut changes = Changes::default();
        let mut table = self.table.take().expect("an operator is opened before its first frame");
        for run in order.chunk_by(|&a, &b| group_of(a) == group_of(b)) {
            let group = group_of(run[0]) as usize;
            let (key, hash) = (&self.groups.keys[group], self.groups.hashes[group]);
            let ranked = table.upsert(key, hash, Ranked::default);
            if self.is_over(ranked, now) {
                ranked.rows.clear();
            }
            ranked.since = now;
            let before: Vec<RankedRow> = ranked.rows.iter().take(to).cloned().collect();
            for &at in run {
                let row = candidates[at as usize];
                let (sort, bytes) = (self.sort.of(row as usize), self.rows.row(at as usize));
                let mut id = &[][..];
                if let RankStrategy::Update { .. } = spec.strategy {
                    id = self.ids.row(at as usize);
                    ranked.remove_id(id);
                } else if !added(row) {
                    ranked.remove(sort, bytes);
                }
                if !added(row) {
                    continue;
                }
                let place = ranked.place(sort);
                if spec.strategy == RankStrategy::AppendOnly && place >= to {
                    continue;
                }
                ranked
                    .rows
                    .insert(place, RankedRow { sort: KeyBytes::new(sort), id: KeyBytes::new(id), row: bytes.into() });
                if spec.strategy == RankStrategy::AppendOnly {
                    ranked.rows.truncate(to);
                }
            }
            let last = *run.last().expect("a run has rows");
            compare(&spec, to, &before, &ranked.rows, times[candidates[last as usize] as usize], &mut changes);
            if ranked.rows.is_empty() {
                table.remove(key, hash);
            }
        }
        if self.ttl.is_some() {
            table.sweep(SWEPT.max(self.groups.len()), |_, ranked| self.is_over(ranked, now));
        }
        self.table = Some(table);
        self.give(&changes, cx)
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        if let Some(table) = &mut self.table {
            visit(table);
        }
    }
}

/// A place of a plan; those past what memory can hold are one.
pub(super) fn place_of(place: u64) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// What changes among the places that come out.
fn compare(spec: &Rank, to: usize, before: &[RankedRow], after: &[RankedRow], time: Timestamp, changes: &mut Changes) {
    let after = &after[..after.len().min(to)];
    let from = place_of(spec.from) - 1;
    if spec.rank_column || spec.to == spec.from {
        for place in from..before.len().max(after.len()) {
            match (before.get(place), after.get(place)) {
                (Some(old), Some(new)) if old.row == new.row => {}
                (Some(old), Some(new)) => {
                    if spec.update_before {
                        changes.push(old, RowKind::UpdateBefore, place, time);
                    }
                    changes.push(new, RowKind::UpdateAfter, place, time);
                }
                (None, Some(new)) => changes.push(new, RowKind::Insert, place, time),
                (Some(old), None) => changes.push(old, RowKind::Delete, place, time),
                (None, None) => {}
            }
        }
        return;
    }
    let (before, after) = (&before[from.min(before.len())..], &after[from.min(after.len())..]);
    let address = |row: &RankedRow| Arc::as_ptr(&row.row).cast::<u8>();
    let old: HashSet<*const u8> = before.iter().map(address).collect();
    let new: HashSet<*const u8> = after.iter().map(address).collect();
    for row in before.iter().filter(|row| !new.contains(&address(row))) {
        changes.push(row, RowKind::Delete, 0, time);
    }
    for row in after.iter().filter(|row| !old.contains(&address(row))) {
        changes.push(row, RowKind::Insert, 0, time);
    }
}

impl<K: ColumnKey> RankOperator<K> {
    fn give(&self, changes: &Changes, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let all: Vec<&[u8]> = changes.rows.iter().map(|row| &**row).collect();
        for start in (0..all.len()).step_by(OUTPUT_ROWS) {
            let part = start..(start + OUTPUT_ROWS).min(all.len());
            let mut arrays = self.codec.decode(&all[part.clone()])?;
            if self.spec.rank_column {
                arrays.push(Arc::new(Int64Array::from(changes.places[part.clone()].to_vec())));
            }
            let kinds = changes.kinds[part.clone()].to_vec();
            emit(cx, &self.spec.schema, arrays, changes.times[part].to_vec(), kinds)?;
        }
        Ok(())
    }
}
