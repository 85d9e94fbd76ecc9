//! Keeps partitions in order, and gives what changes among their first rows: once a frame.
//!
//! Invariants:
//! 1. Over rows that only come in, a partition keeps no more rows than the last place.
//! 2. A row goes out under its own event time, whether it comes or goes: so windows after it find it where they put it.
//! 3. With the place as a column (or one place), a place's row is replaced; without, a row comes and goes whatever its place.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, UInt32Array};
use yeoul_frame::{Frame, RowKind, Timestamp};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError};
use yeoul_state::{KeyBytes, StateTable};

use super::ranked::{FoundBy, RankedRow, Ranks};
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
    ranks: Option<Ranks<K>>,
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
    fn push(&mut self, row: &RankedRow, kind: RowKind, place: usize) {
        self.rows.push(Arc::clone(&row.row));
        self.kinds.push(kind);
        self.places.push(place as i64 + 1);
        self.times.push(Timestamp(row.time));
    }
}

/// Rows that a frame brings into a partition, and those that make way for them.
#[derive(Default)]
struct Turned {
    came: BTreeMap<KeyBytes, RankedRow>,
    gone: BTreeMap<KeyBytes, RankedRow>,
}

impl Turned {
    fn comes(&mut self, place: KeyBytes, row: RankedRow) {
        self.came.insert(place, row);
    }

    fn goes(&mut self, place: KeyBytes, row: RankedRow) {
        if self.came.remove(&place).is_none() {
            self.gone.insert(place, row);
        }
    }

    /// In the order of places, which have no numbers here.
    fn give(&self, changes: &mut Changes) {
        self.gone.values().for_each(|row| changes.push(row, RowKind::Delete, 0));
        self.came.values().for_each(|row| changes.push(row, RowKind::Insert, 0));
    }
}

impl<K: ColumnKey> RankOperator<K> {
    pub(super) fn new(spec: Arc<Rank>) -> Result<Self, OperatorError> {
        let id: &[usize] = match &spec.strategy {
            RankStrategy::Update { upsert_key } => upsert_key,
            _ => &[],
        };
        if let RankStrategy::Update { upsert_key } = &spec.strategy
            && let Some(column) = spec.partition.iter().find(|column| !upsert_key.contains(column))
        {
            return Err(OperatorError::new(format!(
                "{spec}: the upsert key lacks ${column}, so a row may leave its partition"
            ))
            .hint("this is a fault of the plan: such rows are to be taken back"));
        }
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
            ranks: None,
        })
    }

    /// The rows that may change a partition: of rows that only come in, those that are not behind a full one's last.
    fn candidates(&self, now: i64) -> Vec<u32> {
        let rows = self.groups.ids.len();
        if self.spec.strategy != RankStrategy::AppendOnly {
            return (0..rows as u32).collect();
        }
        let ranks = self.ranks.as_ref().expect("an operator is opened before its first frame");
        let groups = self.groups.keys.iter().zip(&self.groups.hashes);
        let last: Vec<Option<&[u8]>> = groups.map(|(key, hash)| ranks.last_of_full(key, *hash, self.to, now)).collect();
        let may = |row: &usize| last[self.groups.ids[*row] as usize].is_none_or(|last| self.sort.of(*row) < last);
        (0..rows).filter(may).map(|row| row as u32).collect()
    }
}

impl<K: ColumnKey> Operator for RankOperator<K> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let by = match self.spec.strategy {
            RankStrategy::AppendOnly => FoundBy::Nothing,
            RankStrategy::Update { .. } => FoundBy::Id,
            RankStrategy::Retract => FoundBy::Row,
        };
        self.ranks = Some(Ranks::new(cx.operator, self.ttl, by));
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
        self.ranks.as_mut().expect("an operator is opened before its first frame").build();
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
        // A partition is no longer than what comes out of it, and places are not: so what comes and goes is all that changes.
        let by_row = spec.strategy == RankStrategy::AppendOnly && !spec.rank_column && spec.from == 1 && spec.to > 1;
        let mut ranks = self.ranks.take().expect("an operator is opened before its first frame");
        for run in order.chunk_by(|&a, &b| group_of(a) == group_of(b)) {
            let group = group_of(run[0]) as usize;
            let (key, hash) = (&self.groups.keys[group], self.groups.hashes[group]);
            let mut partition = ranks.open(key, hash, now);
            let before = if by_row { Vec::new() } else { partition.first(to) };
            let mut turned = Turned::default();
            for &at in run {
                let row = candidates[at as usize];
                let (sort, bytes) = (self.sort.of(row as usize), self.rows.row(at as usize));
                let new =
                    |id: &[u8]| RankedRow { time: times[row as usize].0, id: KeyBytes::new(id), row: bytes.into() };
                match (&spec.strategy, added(row)) {
                    (RankStrategy::Update { .. }, true) => partition.replace(sort, new(self.ids.row(at as usize))),
                    (RankStrategy::Update { .. }, false) => partition.remove_id(self.ids.row(at as usize)),
                    (RankStrategy::Retract, true) => _ = partition.insert(sort, new(&[])),
                    (RankStrategy::Retract, false) => partition.remove(bytes),
                    (RankStrategy::AppendOnly, _) => {
                        let is_full = partition.len() >= to;
                        if is_full && partition.last().is_some_and(|last| sort >= last) {
                            continue;
                        }
                        if is_full && let Some((place, row)) = partition.remove_last() {
                            turned.goes(place, row);
                        }
                        let row = new(&[]);
                        turned.comes(partition.insert(sort, row.clone()), row);
                    }
                }
            }
            if by_row {
                turned.give(&mut changes);
            } else {
                compare(&spec, &before, &partition.first(to), &mut changes);
            }
            ranks.close(key, hash);
        }
        ranks.sweep(SWEPT.max(self.groups.len()), now);
        self.ranks = Some(ranks);
        self.give(&changes, cx)
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        if let Some(ranks) = &mut self.ranks {
            ranks.tables(visit);
        }
    }
}

/// A place of a plan; those past what memory can hold are one.
pub(super) fn place_of(place: u64) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// What changes among the places that come out.
fn compare(spec: &Rank, before: &[RankedRow], after: &[RankedRow], changes: &mut Changes) {
    let from = place_of(spec.from) - 1;
    if spec.rank_column || spec.to == spec.from {
        for place in from..before.len().max(after.len()) {
            match (before.get(place), after.get(place)) {
                (Some(old), Some(new)) if (old.time, &old.row) == (new.time, &new.row) => {}
                (Some(old), Some(new)) => {
                    if spec.update_before {
                        changes.push(old, RowKind::UpdateBefore, place);
                    }
                    changes.push(new, RowKind::UpdateAfter, place);
                }
                (None, Some(new)) => changes.push(new, RowKind::Insert, place),
                (Some(old), None) => changes.push(old, RowKind::Delete, place),
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
        changes.push(row, RowKind::Delete, 0);
    }
    for row in after.iter().filter(|row| !old.contains(&address(row))) {
        changes.push(row, RowKind::Insert, 0);
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
