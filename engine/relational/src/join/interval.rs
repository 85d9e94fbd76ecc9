//! Joins rows whose times are near each other.
//!
//! A row is kept by key, in a pane for a span of event time, until no row can come any more that goes with it; panes are dropped whole.
//! Rows may go out that are before the watermark, so the watermark is held back behind this operator by as much as they may be. A row that
//! comes late is joined with what is still kept, and pairs of it may be late for those who come after.
//!
//! Invariants:
//! 1. A row is in a pane until no partner of it can come in time any more.
//! 2. A row is marked if and only if it has had a partner, if its input's rows come out without one.
//! 3. A row whose key is null has no partner.
//! 4. A row is late that came after its time had passed, and neither has a partner, nor is kept, nor comes out alone.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::SchemaRef;
use yeoul_frame::{Frame, RowKind, Timestamp};
use yeoul_operator::{
    Context, InputId, OpenContext, Operator, OperatorError, OutputId, Passed, Progress, Snapshot, Subtask,
};
use yeoul_state::{Panes, StateTable};

use super::cross::Shape;
use super::pairs::Pairs;
use super::reach::Reach;
use super::{JoinKind, check_output, joined_schema, key_form, null_keys};
use crate::aggregate::{Groups, columns};
use crate::arena::{Arena, Entry, Place};
use crate::assign_times::event_times;
use crate::calc::keep_if;
use crate::expression::Expression;
use crate::input::{Input, check_inserts};
use crate::key::{ColumnKey, HashColumns, KeyReader, by_key_form};
use crate::output::{OUTPUT_ROWS, emit_late};
use crate::row::{EncodedRows, RowCodec};
use crate::time_order::millis;

/// The least event time that a pane holds, in milliseconds.
const LEAST_SPAN: i64 = 256;

/// Joins rows with `lower <= left time - right time <= upper`. Late rows of which nothing comes are counted, and go to
/// [`LATE`](crate::LATE).
#[derive(Debug, Clone)]
pub struct IntervalJoin {
    /// Which rows without a partner come out.
    pub kind: JoinKind,
    /// The left columns that are compared; null is equal to nothing.
    pub left_keys: Vec<usize>,
    /// The right columns, in the order of the left ones, and of their types.
    pub right_keys: Vec<usize>,
    /// The column of the left's event time.
    pub left_time: usize,
    /// The column of the right's event time.
    pub right_time: usize,
    /// The least that the left time is after the right one, in milliseconds.
    pub lower: i64,
    /// The most.
    pub upper: i64,
    /// A boolean over the left columns and then the right ones.
    pub residual: Option<Arc<dyn Expression>>,
    /// What comes in on the left.
    pub left_schema: SchemaRef,
    /// What comes in on the right.
    pub right_schema: SchemaRef,
    /// What comes out: the left columns, then (but for SEMI and ANTI) the right ones.
    pub schema: SchemaRef,
}

impl fmt::Display for IntervalJoin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "IntervalJoin(joinType=[{}], leftKeys=[{}], rightKeys=[{}], bounds=[{} <= ${} - ${} <= {}]",
            self.kind,
            columns(&self.left_keys),
            columns(&self.right_keys),
            millis(self.lower),
            self.left_time,
            self.right_time,
            millis(self.upper)
        )?;
        if let Some(residual) = &self.residual {
            write!(f, ", where=[{residual}]")?;
        }
        f.write_str(")")
    }
}

impl IntervalJoin {
    /// By what the rows of an input (0 left, 1 right) are exchanged before it.
    #[must_use]
    pub fn exchange(&self, side: usize) -> HashColumns {
        HashColumns { columns: if side == 0 { self.left_keys.clone() } else { self.right_keys.clone() } }
    }

    /// An instance.
    ///
    /// # Errors
    /// Keys of different types, a type that cannot be kept, or a schema that is not that of the result.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        let schemas = [&self.left_schema, &self.right_schema];
        let form = key_form(&self.to_string(), schemas, [&self.left_keys, &self.right_keys])?;
        check_output(&self.to_string(), self.kind, schemas, &self.schema)?;
        if self.lower > self.upper {
            return Err(OperatorError::new(format!("{self} joins nothing: its bounds are the wrong way round"))
                .hint("write a.ts BETWEEN b.ts - INTERVAL '4' HOUR AND b.ts"));
        }
        by_key_form!(form, K => Ok(Box::new(IntervalOperator::<K>::new(self)?)))
    }
}

struct IntervalOperator<K: ColumnKey> {
    spec: Arc<IntervalJoin>,
    joined: SchemaRef,
    sides: [Side<K>; 2],
    groups: Groups<K>,
    passed: Passed,
    /// How much event time a pane holds.
    span: i64,
}

struct Side<K: ColumnKey> {
    time: usize,
    keys: KeyReader<K>,
    codec: RowCodec,
    rows: EncodedRows,
    /// By span of event time. A row that has had a partner is marked.
    panes: Option<Panes<K, Arena>>,
}

/// The mark of rows that have had a partner.
const PAIRED: u32 = 1;

/// A row of the frame and a kept row that its key and times put together.
struct Candidate<'t> {
    row: u32,
    pane: i64,
    entry: Entry<'t>,
}

/// What a frame's pairing comes to.
struct Paired {
    /// By row of the frame: it has a partner.
    rows: Vec<bool>,
    /// Kept rows that have their first partner: group, pane and place.
    kept: Vec<(u32, i64, Place)>,
}

impl<K: ColumnKey> IntervalOperator<K> {
    fn new(spec: Arc<IntervalJoin>) -> Result<Self, OperatorError> {
        let side = |schema: &SchemaRef, keys: &[usize], time| {
            Ok::<_, OperatorError>(Side {
                time,
                keys: KeyReader::new(schema, keys)?,
                codec: RowCodec::of_fields(schema.fields())?,
                rows: EncodedRows::default(),
                panes: None,
            })
        };
        let sides = [
            side(&spec.left_schema, &spec.left_keys, spec.left_time)?,
            side(&spec.right_schema, &spec.right_keys, spec.right_time)?,
        ];
        // A row looks into two panes or three, and waits at most half of its time longer than it must.
        let span = (spec.upper.saturating_sub(spec.lower) / 2).max(LEAST_SPAN);
        let joined = joined_schema(&spec.left_schema, &spec.right_schema);
        Ok(Self { joined, spec, sides, groups: Groups::new(), passed: Passed::new("passed"), span })
    }

    /// The watermark from which on no row can come any more that goes with one of this input and time.
    fn expiry(&self, side: usize, time: i64) -> i64 {
        if side == 0 { time.saturating_sub(self.spec.lower) } else { time.saturating_add(self.spec.upper) }
    }

    /// Between which times rows of the other input go with one of this input and time.
    fn partners_of(&self, side: usize, time: i64) -> (i64, i64) {
        let (lower, upper) = (self.spec.lower, self.spec.upper);
        if side == 0 {
            (time.saturating_sub(upper), time.saturating_sub(lower))
        } else {
            (time.saturating_add(lower), time.saturating_add(upper))
        }
    }

    /// The last time that lies in a pane.
    fn last_of(&self, pane: i64) -> i64 {
        pane.saturating_mul(self.span).saturating_add(self.span - 1)
    }

    /// Pairs the frame's rows with those that the other input has left here, in the order of the frame's rows.
    fn pair(&self, probe: &Probe<'_>, cx: &mut Context<'_>) -> Result<Paired, OperatorError> {
        let panes = self.sides[1 - probe.at].panes.as_ref().expect("an operator is opened before its first frame");
        let reach_of = |row: u32| {
            let (low, high) = self.partners_of(probe.at, probe.times[row as usize]);
            Reach {
                group: self.groups.ids[row as usize],
                first: low.div_euclid(self.span),
                last: high.div_euclid(self.span),
            }
        };
        // By group and pane.
        let mut arenas: Vec<(u32, i64, &Arena)> = Vec::new();
        for Reach { group, first, last } in Reach::all(probe.rows.iter().map(|&row| reach_of(row))) {
            let (key, hash) = (&self.groups.keys[group as usize], self.groups.hashes[group as usize]);
            for arena in panes.within(first..last.saturating_add(1)).filter_map(|pane| pane.get(key, hash)) {
                let pane = arena.iter().next().map_or(first, |entry| entry.time.div_euclid(self.span));
                arenas.push((group, pane, arena));
            }
        }
        let mut paired = Paired { rows: vec![false; probe.times.len()], kept: Vec::new() };
        let mut met = HashSet::new();
        let mut candidates = Vec::new();
        for &row in &probe.rows {
            let (low, high) = self.partners_of(probe.at, probe.times[row as usize]);
            let Reach { group, first, last } = reach_of(row);
            let from = arenas.partition_point(|(of, pane, _)| (*of, *pane) < (group, first));
            let reached = arenas[from..].iter().take_while(|(of, pane, _)| (*of, *pane) <= (group, last));
            for (_, pane, arena) in reached {
                for entry in arena.iter().filter(|entry| (low..=high).contains(&entry.time)) {
                    candidates.push(Candidate { row, pane: *pane, entry });
                    if candidates.len() >= OUTPUT_ROWS {
                        self.settle(probe, &mut candidates, &mut met, &mut paired, cx)?;
                    }
                }
            }
        }
        self.settle(probe, &mut candidates, &mut met, &mut paired, cx)?;
        Ok(paired)
    }

    /// Decides which candidates are pairs, and gives what comes of it.
    fn settle<'t>(
        &self,
        probe: &Probe<'_>,
        candidates: &mut Vec<Candidate<'t>>,
        met: &mut HashSet<*const u8>,
        paired: &mut Paired,
        cx: &mut Context<'_>,
    ) -> Result<(), OperatorError> {
        let (kind, at) = (self.spec.kind, probe.at);
        let candidates = std::mem::take(candidates);
        if candidates.is_empty() {
            return Ok(());
        }
        let codec = &self.sides[1 - at].codec;
        let mut pairs = Pairs::default();
        for Candidate { row, entry, .. } in &candidates {
            let time = probe.times[*row as usize].max(entry.time);
            pairs.push(Some(*row), entry.row, RowKind::Insert, Timestamp(time));
        }
        let mut holds: Vec<u32> = Vec::new();
        if self.spec.residual.is_some() || kind.has_right() {
            let schema = if kind.has_right() { &self.spec.schema } else { &self.joined };
            let frame = pairs.take_frame(schema, at, probe.columns, codec, JoinKind::Inner)?;
            let kept = keep_if(self.spec.residual.as_ref(), frame, cx)?;
            holds.extend(kept.iter().flat_map(Frame::indices));
            if let Some(kept) = kept.filter(|_| kind.has_right()) {
                cx.emit(OutputId::MAIN, kept);
            }
        } else {
            holds.extend(0..candidates.len() as u32);
        }
        if kind == JoinKind::Inner {
            return Ok(());
        }
        let mut alone = Pairs::default();
        for at_candidate in holds {
            let Candidate { row, pane, entry } = &candidates[at_candidate as usize];
            let is_first = !std::mem::replace(&mut paired.rows[*row as usize], true);
            if kind == JoinKind::Semi && at == 0 && is_first {
                alone.push(Some(*row), &[], RowKind::Insert, Timestamp(probe.times[*row as usize]));
            }
            if kind.keeps(1 - at) && entry.mark != PAIRED && met.insert(entry.row.as_ptr()) {
                paired.kept.push((self.groups.ids[*row as usize], *pane, entry.place()));
                if kind == JoinKind::Semi {
                    alone.push(None, entry.row, RowKind::Insert, Timestamp(entry.time));
                }
            }
        }
        alone.emit(&self.spec.schema, at, probe.columns, codec, kind, cx)
    }

    /// Keeps the frame's rows as long as a partner may come; gives those alone for which none can. Returns those that are late.
    fn keep(
        &mut self,
        probe: &Probe<'_>,
        paired: &Paired,
        skipped: &[u32],
        cx: &mut Context<'_>,
    ) -> Result<Vec<u32>, OperatorError> {
        let (kind, at) = (self.spec.kind, probe.at);
        let mut alone: Vec<(u32, i64)> = Vec::new();
        let mut kept: Vec<(i64, u32)> = Vec::new();
        let mut late = Vec::new();
        let gives_alone = kind.keeps(at) && kind != JoinKind::Semi;
        let with_key = probe.rows.iter().map(|&row| (row, true));
        for (row, has_key) in with_key.chain(skipped.iter().map(|&row| (row, false))) {
            let (time, is_paired) = (probe.times[row as usize], paired.rows[row as usize]);
            let passed = self.passed.of(self.groups.hashes[self.groups.ids[row as usize] as usize]);
            // Rows with a null key are only kept to go out alone.
            if self.expiry(at, time) > passed && (has_key || gives_alone) {
                let is_settled = is_paired && !kind.has_right();
                if !(is_settled && at == 0) {
                    kept.push((time.div_euclid(self.span), row));
                }
            } else if gives_alone && !is_paired {
                alone.push((row, time));
            } else if time <= passed && !is_paired {
                late.push(row);
            }
        }
        kept.sort_by_key(|&(pane, row)| (pane, self.groups.ids[row as usize]));
        let Side { panes, rows, .. } = &mut self.sides[at];
        let panes = panes.as_mut().expect("an operator is opened before its first frame");
        let group_of = |row: u32| self.groups.ids[row as usize] as usize;
        for of_pane in kept.chunk_by(|a, b| a.0 == b.0) {
            let table = panes.pane(of_pane[0].0);
            for of_key in of_pane.chunk_by(|a, b| group_of(a.1) == group_of(b.1)) {
                let group = group_of(of_key[0].1);
                let arena = table.upsert(&self.groups.keys[group], self.groups.hashes[group], Arena::default);
                for &(_, row) in of_key {
                    let mark = if paired.rows[row as usize] { PAIRED } else { 0 };
                    arena.push(probe.times[row as usize], mark, rows.row(row as usize))?;
                }
            }
        }
        let times: Vec<Timestamp> = alone.iter().map(|(_, time)| Timestamp(*time)).collect();
        let rows: Vec<&[u8]> = alone.iter().map(|(row, _)| self.sides[at].rows.row(*row as usize)).collect();
        self.shape().give_alone(at, &rows, &times, cx)?;
        Ok(late)
    }

    fn shape(&self) -> Shape<'_> {
        Shape {
            kind: self.spec.kind,
            residual: self.spec.residual.as_ref(),
            schema: &self.spec.schema,
            joined: &self.joined,
            codecs: [&self.sides[0].codec, &self.sides[1].codec],
        }
    }

    /// Lets go of a pane no row of which can have a partner any more.
    fn expire(&mut self, side: usize, pane: i64, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let kind = self.spec.kind;
        let table = self.sides[side].panes.as_ref().and_then(|panes| panes.get(pane));
        if let Some(table) = table.filter(|_| kind.keeps(side) && kind != JoinKind::Semi) {
            let alone = table.iter().flat_map(|(_, arena)| arena.iter()).filter(|entry| entry.mark != PAIRED);
            let (times, rows): (Vec<Timestamp>, Vec<&[u8]>) =
                alone.map(|entry| (Timestamp(entry.time), entry.row)).unzip();
            self.shape().give_alone(side, &rows, &times, cx)?;
        }
        self.sides[side].panes.iter_mut().for_each(|panes| panes.drop_namespace(pane));
        Ok(())
    }
}

/// A frame's rows on their way to be joined.
struct Probe<'f> {
    /// Which input it came by.
    at: usize,
    columns: &'f [ArrayRef],
    times: &'f [i64],
    /// The rows that have no null in their key.
    rows: Vec<u32>,
}

impl<K: ColumnKey> Operator for IntervalOperator<K> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.passed.open(cx);
        for (side, name) in self.sides.iter_mut().zip(["left", "right"]) {
            side.panes = Some(Panes::new(cx.operator.table(name), name));
        }
        Ok(())
    }

    fn process(&mut self, input: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let at = usize::from(input.0);
        let spec = Arc::clone(&self.spec);
        let input = Input::of(frame)?;
        check_inserts(&spec, &input)?;
        let Self { sides, groups, .. } = self;
        let Side { time, keys, codec, rows, .. } = &mut sides[at];
        keys.read(&input)?;
        groups.group(keys.keys(), keys.hashes());
        let times: Vec<i64> = event_times(&input.column(*time)?)?.into_iter().map(|time| time.0).collect();
        let nulls = null_keys(&input, if at == 0 { &spec.left_keys } else { &spec.right_keys })?;
        let columns = input.all_columns()?;
        codec.encode(&columns, input.rows(), rows)?;
        let is_null = |row: &u32| nulls.as_ref().is_some_and(|nulls| nulls[*row as usize]);
        let (skipped, rows): (Vec<u32>, Vec<u32>) = (0..times.len() as u32).partition(is_null);
        let probe = Probe { at, columns: &columns, times: &times, rows };
        let paired = self.pair(&probe, cx)?;
        let panes = self.sides[1 - at].panes.as_mut().expect("an operator is opened before its first frame");
        for &(group, pane, place) in &paired.kept {
            let (key, hash) = (&self.groups.keys[group as usize], self.groups.hashes[group as usize]);
            if let Some(arena) = panes.get_mut(pane).and_then(|pane| pane.get_mut(key, hash)) {
                arena.set_mark(place, PAIRED);
            }
        }
        let mut late: Vec<u32> =
            self.keep(&probe, &paired, &skipped, cx)?.into_iter().map(|row| input.row(row as usize)).collect();
        late.sort_unstable();
        emit_late(cx, frame, &late);
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        for side in [0, 1] {
            loop {
                let first = self.sides[side].panes.as_ref().and_then(|panes| panes.namespaces().next());
                let Some(pane) = first.filter(|pane| self.expiry(side, self.last_of(*pane)) <= watermark.0) else {
                    break;
                };
                if !cx.has_room() {
                    return Ok(Progress::More);
                }
                self.expire(side, pane, cx)?;
            }
        }
        self.passed.advance(watermark.0);
        Ok(Progress::Done)
    }

    /// A pair is as old as its older row, and a row alone waits for all of its pane.
    fn output_watermark(&self, watermark: Timestamp) -> Timestamp {
        if watermark == Timestamp::MAX {
            return watermark;
        }
        let waits = if self.spec.kind == JoinKind::Inner { 0 } else { self.span };
        let behind = self.spec.upper.max(self.spec.lower.saturating_neg()).max(0).saturating_add(waits);
        Timestamp(watermark.0.saturating_sub(behind))
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        self.passed.snapshot(snapshot);
        Ok(())
    }

    fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        self.passed.restore(name, from, bytes)
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        for side in &mut self.sides {
            if let Some(panes) = &mut side.panes {
                visit(panes);
            }
        }
    }
}
