//! Regular joins: both inputs are kept, and every change of either gives the changes of the result.
//!
//! Where rows without a partner come out (or left rows alone), each kept row counts its partners: the first partner that comes, and the
//! last that goes, changes what is given of the row.
//!
//! Invariants:
//! 1. An entry's count is the number of rows of the other input that it goes with, if its input's rows come out without a partner.
//!    So a row that takes the place of its key's one row, without UPDATE_BEFORE, is not counted again.
//! 2. A row whose key is null has no partner, and is not kept (unless null equals null).

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::SchemaRef;
use yeoul_frame::{Frame, KeyHash, RowKind, Timestamp};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError, OutputId};
use yeoul_state::StateTable;

use super::bag::{Bag, Entry, Place};
use super::pairs::Pairs;
use super::{JoinKind, RegularJoin, Uniqueness, joined_schema, null_keys};
use crate::aggregate::Groups;
use crate::calc::{keep, keep_if};
use crate::input::Input;
use crate::key::{ColumnKey, KeyReader};
use crate::output::OUTPUT_ROWS;
use crate::row::{EncodedRows, RowCodec};

/// How many rows ahead a key's place is asked for, and how many its rows.
const AHEAD: usize = 32;
const ROWS_AHEAD: usize = 12;

/// Rows of both inputs are kept behind so many bytes: see [`bag`](super::bag).
pub(super) struct RegularOperator<K: ColumnKey, const HEAD: usize> {
    spec: Arc<RegularJoin>,
    joined: SchemaRef,
    sides: [Side<K, HEAD>; 2],
}

struct Side<K: ColumnKey, const HEAD: usize> {
    keys: KeyReader<K>,
    codec: RowCodec,
    rows: EncodedRows,
    bag: Option<Bag<K, HEAD>>,
    unique: Uniqueness,
    ttl: Option<i64>,
}

/// A partner of a row: its entry, if the pair meets the residual condition.
struct Partners<'t> {
    /// By row: where its partners begin; and where the last one's end.
    starts: Vec<u32>,
    entries: Vec<Entry<'t>>,
}

impl<K: ColumnKey, const HEAD: usize> RegularOperator<K, HEAD> {
    pub(super) fn new(spec: Arc<RegularJoin>) -> Result<Self, OperatorError> {
        let side = |schema: &SchemaRef, keys: &[usize], unique: &Uniqueness, ttl: Option<std::time::Duration>| {
            Ok::<_, OperatorError>(Side {
                keys: KeyReader::new(schema, keys)?,
                codec: RowCodec::of_fields(schema.fields())?,
                rows: EncodedRows::default(),
                bag: None,
                unique: unique.clone(),
                ttl: ttl.map(|ttl| (ttl.as_millis() as i64).max(1)),
            })
        };
        let sides = [
            side(&spec.left_schema, &spec.left_keys, &spec.left_unique, spec.left_ttl)?,
            side(&spec.right_schema, &spec.right_keys, &spec.right_unique, spec.right_ttl)?,
        ];
        Ok(Self { joined: joined_schema(&spec.left_schema, &spec.right_schema), spec, sides })
    }
}

/// Asks for the state of keys that come soon after `row`.
#[inline]
fn ask_ahead<K: ColumnKey, const HEAD: usize>(bag: &Bag<K, HEAD>, keys: &[K], hashes: &[KeyHash], row: usize) {
    if row == 0 {
        hashes.iter().take(AHEAD).for_each(|&hash| bag.prefetch(hash));
    }
    if let Some(&hash) = hashes.get(row + AHEAD) {
        bag.prefetch(hash);
    }
    if let Some(key) = keys.get(row + ROWS_AHEAD) {
        bag.prefetch_rows(key, hashes[row + ROWS_AHEAD]);
    }
}

fn is_added(kind: RowKind) -> bool {
    matches!(kind, RowKind::Insert | RowKind::UpdateAfter)
}

impl<K: ColumnKey, const HEAD: usize> Operator for RegularOperator<K, HEAD> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        for (side, name) in self.sides.iter_mut().zip(["left", "right"]) {
            side.bag = Some(Bag::new(cx.operator.table(name), name, side.ttl));
        }
        Ok(())
    }

    fn process(&mut self, input: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let at = usize::from(input.0);
        let spec = Arc::clone(&self.spec);
        let joined = Arc::clone(&self.joined);
        let (left, right) = self.sides.split_at_mut(1);
        let (own, other) = if at == 0 { (&mut left[0], &mut right[0]) } else { (&mut right[0], &mut left[0]) };
        let input = Input::of(frame)?;
        own.keys.read(&input)?;
        let columns = input.all_columns()?;
        own.codec.encode(&columns, input.rows(), &mut own.rows)?;
        let nulls = match spec.null_equals_null {
            true => None,
            false => null_keys(&input, if at == 0 { &spec.left_keys } else { &spec.right_keys })?,
        };
        let is_null = |row: usize| nulls.as_ref().is_some_and(|nulls| nulls[row]);
        let join = Join { spec: &spec, joined: &joined, at, columns: &columns, input: &input, is_null: &is_null };

        let partners = if spec.kind == JoinKind::Inner {
            join.inner(own, other, cx)?;
            None
        } else {
            Some(join.outer(own, other, cx)?)
        };
        // What was found was given out; now the rows themselves are kept.
        let (kinds, now) = (input.kinds(), cx.now().0);
        let bag = own.bag.as_mut().expect("an operator is opened before its first frame");
        let (keys, hashes) = (own.keys.keys(), own.keys.hashes());
        for row in 0..input.rows() {
            ask_ahead(bag, keys, hashes, row);
            if is_null(row) {
                continue;
            }
            let (key, hash, bytes) = (&keys[row], hashes[row], own.rows.row(row));
            let kind = kinds.as_ref().map_or(RowKind::Insert, |kinds| kinds[row]);
            let alone = own.unique == Uniqueness::JoinKeyContainsUnique;
            let partners = partners.as_ref().map_or(0, |partners| partners[row]);
            match (is_added(kind), alone) {
                (true, false) => bag.add(key, hash, bytes, partners, now),
                (true, true) => bag.replace(key, hash, bytes, partners, now),
                (false, _) => _ = bag.remove(key, hash, (!alone).then_some(bytes), now),
            }
        }
        bag.sweep(now, input.rows());
        Ok(())
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        for side in &mut self.sides {
            if let Some(bag) = &mut side.bag {
                visit(bag.table());
            }
        }
    }
}

/// One frame's joining.
struct Join<'a> {
    spec: &'a RegularJoin,
    joined: &'a SchemaRef,
    /// Which input the frame came by.
    at: usize,
    columns: &'a [ArrayRef],
    input: &'a Input<'a>,
    is_null: &'a dyn Fn(usize) -> bool,
}

impl Join<'_> {
    /// Pairs go out as they are found, with the kind of the row that came.
    fn inner<K: ColumnKey, const HEAD: usize>(
        &self,
        own: &Side<K, HEAD>,
        other: &Side<K, HEAD>,
        cx: &mut Context<'_>,
    ) -> Result<(), OperatorError> {
        let bag = other.bag.as_ref().expect("an operator is opened before its first frame");
        let (kinds, times, now) = (self.input.kinds(), self.input.times(), cx.now().0);
        let (keys, hashes) = (own.keys.keys(), own.keys.hashes());
        let mut pairs = Pairs::default();
        for (row, key) in keys.iter().enumerate() {
            ask_ahead(bag, keys, hashes, row);
            if (self.is_null)(row) {
                continue;
            }
            let kind = kinds.as_ref().map_or(RowKind::Insert, |kinds| kinds[row]);
            bag.for_each(key, hashes[row], now, |entry| pairs.push(Some(row as u32), entry.row, kind, times[row]));
            if pairs.len() >= OUTPUT_ROWS {
                self.give(&mut pairs, &other.codec, cx)?;
            }
        }
        self.give(&mut pairs, &other.codec, cx)
    }

    /// Sends pairs on that meet the residual condition.
    fn give(&self, pairs: &mut Pairs<'_>, codec: &RowCodec, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        if pairs.len() == 0 {
            return Ok(());
        }
        let frame = pairs.take_frame(&self.spec.schema, self.at, self.columns, codec, self.spec.kind)?;
        if let Some(frame) = keep_if(self.spec.residual.as_ref(), frame, cx)? {
            cx.emit(OutputId::MAIN, frame);
        }
        Ok(())
    }

    /// The partners of each row, by key and residual condition.
    fn partners<'t, K: ColumnKey, const HEAD: usize>(
        &self,
        own: &Side<K, HEAD>,
        other: &'t Side<K, HEAD>,
        cx: &Context<'_>,
    ) -> Result<Partners<'t>, OperatorError> {
        let bag = other.bag.as_ref().expect("an operator is opened before its first frame");
        let (times, now) = (self.input.times(), cx.now().0);
        let mut found = Partners { starts: vec![0], entries: vec![] };
        let (keys, hashes) = (own.keys.keys(), own.keys.hashes());
        for (row, key) in keys.iter().enumerate() {
            ask_ahead(bag, keys, hashes, row);
            if !(self.is_null)(row) {
                bag.for_each(key, hashes[row], now, |entry| found.entries.push(entry));
            }
            found.starts.push(found.entries.len() as u32);
        }
        let Some(residual) = &self.spec.residual else { return Ok(found) };
        let mut kept = Partners { starts: vec![0], entries: vec![] };
        let mut row = 0;
        for from in (0..found.entries.len()).step_by(OUTPUT_ROWS) {
            let to = (from + OUTPUT_ROWS).min(found.entries.len());
            let mut pairs = Pairs::default();
            let mut rows = Vec::with_capacity(to - from);
            for at in from..to {
                while found.starts[row + 1] as usize <= at {
                    row += 1;
                }
                rows.push(row);
                pairs.push(Some(row as u32), found.entries[at].row, RowKind::Insert, times[row]);
            }
            let frame = pairs.take_frame(self.joined, self.at, self.columns, &other.codec, JoinKind::Inner)?;
            if let Some(frame) = keep(residual, &frame, cx)? {
                for at in frame.indices() {
                    let row = rows[at as usize];
                    while kept.starts.len() <= row {
                        kept.starts.push(kept.entries.len() as u32);
                    }
                    kept.entries.push(found.entries[from + at as usize]);
                }
            }
        }
        while kept.starts.len() < found.starts.len() {
            kept.starts.push(kept.entries.len() as u32);
        }
        Ok(kept)
    }

    /// Which rows take the place of one that is there, where a key has one row at most. None: none can.
    fn replaces<K: ColumnKey, const HEAD: usize>(&self, own: &Side<K, HEAD>, now: i64) -> Option<Vec<bool>> {
        if own.unique != Uniqueness::JoinKeyContainsUnique {
            return None;
        }
        let (kinds, bag) = (self.input.kinds(), own.bag.as_ref()?);
        let (keys, hashes) = (own.keys.keys(), own.keys.hashes());
        let mut groups = Groups::new();
        groups.group(keys, hashes);
        let first = |&row: &u32| bag.has_rows(&keys[row as usize], hashes[row as usize], now);
        let mut is_there: Vec<bool> = groups.first.iter().map(first).collect();
        let replaces = |row: usize| {
            let added = is_added(kinds.as_ref().map_or(RowKind::Insert, |kinds| kinds[row]));
            let was_there = std::mem::replace(&mut is_there[groups.ids[row] as usize], added);
            added && was_there && !(self.is_null)(row)
        };
        Some((0..keys.len()).map(replaces).collect())
    }

    /// All kinds but INNER. Returns each row's number of partners.
    fn outer<K: ColumnKey, const HEAD: usize>(
        &self,
        own: &Side<K, HEAD>,
        other: &mut Side<K, HEAD>,
        cx: &mut Context<'_>,
    ) -> Result<Vec<u32>, OperatorError> {
        let (kind, at) = (self.spec.kind, self.at);
        let (kinds, times) = (self.input.kinds(), self.input.times());
        let found = self.partners(own, other, cx)?;
        let replaces = self.replaces(own, cx.now().0);
        let mut pairs = Pairs::default();
        let mut counts = Vec::with_capacity(self.input.rows());
        // The counts of entries that this frame changes, by where the entry lies.
        let mut changed: HashMap<*const u8, (usize, Place, u32)> = HashMap::new();
        for row in 0..self.input.rows() {
            let entries = &found.entries[found.starts[row] as usize..found.starts[row + 1] as usize];
            let (row_kind, time) = (kinds.as_ref().map_or(RowKind::Insert, |kinds| kinds[row]), times[row]);
            let added = is_added(row_kind);
            counts.push(entries.len() as u32);
            let is_update = replaces.as_ref().is_some_and(|replaces| replaces[row]);
            let given_as = if is_update { RowKind::UpdateAfter } else { given(added) };
            let mut step = Step { pairs: &mut pairs, kind: given_as, time };
            match (kind, at) {
                (JoinKind::Semi | JoinKind::Anti, 0) if entries.is_empty() == (kind == JoinKind::Anti) => {
                    step.pairs.push(Some(row as u32), &[], row_kind, time);
                }
                _ if entries.is_empty() && kind.keeps(at) && kind.has_right() => step.own(row, &[]),
                _ => {}
            }
            for entry in entries {
                let counted = kind.keeps(1 - at) && !is_update;
                let before = if counted {
                    let held = changed.entry(entry.row.as_ptr()).or_insert((row, entry.place, entry.partners));
                    let before = held.2;
                    held.2 = if added { before + 1 } else { before.saturating_sub(1) };
                    before
                } else {
                    0
                };
                // The first partner comes, or the last one goes.
                let turns = counted && before == u32::from(!added);
                match kind {
                    JoinKind::Semi | JoinKind::Anti => {
                        if turns {
                            let kind = given(added == (kind == JoinKind::Semi));
                            step.pairs.push(None, entry.row, kind, time);
                        }
                    }
                    _ => {
                        if turns && added {
                            step.pairs.push(None, entry.row, RowKind::Delete, time);
                        }
                        step.own(row, entry.row);
                        if turns && !added {
                            step.pairs.push(None, entry.row, RowKind::Insert, time);
                        }
                    }
                }
            }
            if pairs.len() >= OUTPUT_ROWS {
                pairs.emit(&self.spec.schema, at, self.columns, &other.codec, kind, cx)?;
            }
        }
        pairs.emit(&self.spec.schema, at, self.columns, &other.codec, kind, cx)?;
        drop((pairs, found));
        let bag = other.bag.as_mut().expect("an operator is opened before its first frame");
        for (row, place, partners) in changed.into_values() {
            bag.set_partners(&own.keys.keys()[row], own.keys.hashes()[row], place, partners);
        }
        Ok(counts)
    }
}

fn given(added: bool) -> RowKind {
    if added { RowKind::Insert } else { RowKind::Delete }
}

/// What one row gives.
struct Step<'p, 't> {
    pairs: &'p mut Pairs<'t>,
    kind: RowKind,
    time: Timestamp,
}

impl<'t> Step<'_, 't> {
    fn own(&mut self, row: usize, stored: &'t [u8]) {
        self.pairs.push(Some(row as u32), stored, self.kind, self.time);
    }
}
