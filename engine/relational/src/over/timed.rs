//! OVER in the order of time: a row's results are settled once no row before it can come any more.
//!
//! By event time rows wait for the watermark; by processing time they are in order as they come, each a time of its own. What a frame may
//! still reach back to is kept: totals where frames begin with the partition's first row, else the last rows.
//!
//! Invariants:
//! 1. A row waits, is out, or is late.
//! 2. Each partition is looked up once for the rows that come out of it together.

use std::sync::Arc;

use arrow_array::ArrayRef;
use yeoul_frame::{Frame, KeyHash, Timestamp};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError, Passed, Progress, Snapshot, Subtask};
use yeoul_state::{StateTable, Table};

use super::calls::{Calls, Results};
use super::sliding::Sliding;
use super::total::Total;
use super::{OverAggregate, OverFrame};
use crate::aggregate::{Distincts, Folder, Groups, Members, Mixed};
use crate::arena::Arena;
use crate::assign_times::event_times;
use crate::input::{Input, check_inserts};
use crate::key::{ColumnKey, KeyReader};
use crate::output::{OUTPUT_ROWS, emit, emit_late};
use crate::pending::Pending;
use crate::row::{EncodedRows, RowCodec};
use crate::time_order::OrderTime;

/// At least so many buckets are looked at after each run (and one for each key in it) for partitions that are over.
const SWEPT: usize = 16;

pub(super) struct TimedOperator<K: ColumnKey> {
    spec: Arc<OverAggregate>,
    time: OrderTime,
    calls: Calls,
    /// How many rows before those that come are kept of each partition; of a RANGE those of so many milliseconds.
    tail: Tail,
    keys: KeyReader<K>,
    codec: RowCodec,
    groups: Groups<K>,
    rows: EncodedRows,
    ttl: Option<i64>,
    state: Option<State<K>>,
    passed: Passed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tail {
    None,
    Rows(usize),
    Span(i64),
}

struct State<K: ColumnKey> {
    pending: Pending<K>,
    totals: Table<K, Total>,
    tails: Table<K, Arena>,
    distincts: Distincts<K>,
}

/// Rows whose results are settled together, each partition's in order.
struct Run<'r, K> {
    keys: &'r [K],
    hashes: &'r [KeyHash],
    times: &'r [i64],
    /// Event times to go out with.
    stamps: &'r [Timestamp],
    rows: &'r [&'r [u8]],
}

impl<K: ColumnKey> TimedOperator<K> {
    pub(super) fn new(spec: Arc<OverAggregate>, time: OrderTime) -> Result<Self, OperatorError> {
        let calls = Calls::new(&spec)?;
        let lag = calls.lags().max();
        let mut tail = match (spec.frame, lag) {
            (OverFrame::Range { .. }, Some(_)) => return Err(refused(&spec, "LAG beside a RANGE")),
            (OverFrame::Range { preceding }, None) => Tail::Span(preceding),
            (OverFrame::Rows { preceding }, lag) => {
                Tail::Rows(usize::try_from(preceding).unwrap_or(usize::MAX).max(lag.unwrap_or(0)))
            }
            (_, lag) => Tail::Rows(lag.unwrap_or(0)),
        };
        if tail == Tail::Rows(0) {
            tail = Tail::None;
        }
        let is_bounded = matches!(spec.frame, OverFrame::Rows { .. } | OverFrame::Range { .. });
        if calls.has_distinct() && (is_bounded || tail != Tail::None) {
            return Err(refused(&spec, "DISTINCT over a bounded frame, or beside LAG"));
        }
        Ok(Self {
            keys: KeyReader::new(&spec.input_schema, &spec.partition)?,
            codec: RowCodec::of_fields(spec.input_schema.fields())?,
            ttl: spec.ttl.map(|ttl| (ttl.as_millis() as i64).max(1)),
            spec,
            time,
            calls,
            tail,
            groups: Groups::new(),
            rows: EncodedRows::default(),
            state: None,
            passed: Passed::new("passed"),
        })
    }

    /// Something counts from the partition's first row on, or the partition's life is counted.
    fn has_totals(&self) -> bool {
        self.unbounded() || self.ttl.is_some() || self.calls.has_places()
    }

    fn unbounded(&self) -> bool {
        matches!(self.spec.frame, OverFrame::UnboundedRange | OverFrame::UnboundedRows)
    }

    /// Gives the rows of a run with their results, in the run's order.
    fn run(&mut self, run: &Run<'_, K>, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let now = cx.now().0;
        let mut groups = std::mem::replace(&mut self.groups, Groups::new());
        groups.group(run.keys, run.hashes);
        let members = groups.members();
        let mut state = self.state.take().expect("an operator is opened before its first frame");
        self.forget(&groups, &mut state, now);
        // Each partition's rows as calls see them: those that are kept, then those of the run.
        let tails: Vec<Option<&Arena>> = if self.tail == Tail::None {
            vec![None; groups.len()]
        } else {
            let mut found = Vec::with_capacity(groups.len());
            state.tails.get_batch(&groups.keys, &groups.hashes, |_, tail| found.push(tail));
            found
        };
        let (mut seen, mut times) = (Vec::new(), Vec::new());
        let mut stretches = Vec::with_capacity(groups.len());
        for (group, tail) in tails.iter().enumerate() {
            let start = seen.len();
            for entry in tail.iter().flat_map(|tail| tail.iter()) {
                seen.push(entry.row);
                times.push(entry.time);
            }
            let first = seen.len();
            for &row in members.of(group) {
                seen.push(run.rows[row as usize]);
                times.push(run.times[row as usize]);
            }
            stretches.push(Stretch { start, first, end: seen.len() });
        }
        let arrays = self.calls.read(&self.codec, &seen)?;
        let distincts = &mut state.distincts;
        self.calls.fold(&arrays, seen.len(), |folder| weigh(folder, distincts, &groups, &members, now))?;
        let results = self.results(run, &groups, &members, &stretches, &times, &mut state.totals, now);
        self.give(run, &arrays, &results, cx)?;
        drop((tails, seen));
        self.keep(run, &groups, &members, &mut state, now)?;
        self.groups = groups;
        self.state = Some(state);
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one run")]
    fn results(
        &self,
        run: &Run<'_, K>,
        groups: &Groups<K>,
        members: &Members,
        stretches: &[Stretch],
        times: &[i64],
        totals: &mut Table<K, Total>,
        now: i64,
    ) -> Results {
        let (calls, plan) = (&self.calls, &self.calls.plan);
        let mut out = calls.results(run.rows.len());
        let add = |row: usize, held: &mut Mixed| calls.add(row, held);
        // Rows of one time are one row's peers where frames go by time; by processing time each row has a time of its own.
        let has_peers = matches!(self.time, OrderTime::RowTime(_));
        let by_range = has_peers && matches!(self.spec.frame, OverFrame::UnboundedRange | OverFrame::Range { .. });
        let mut settle = |group: usize, total: &mut Total| {
            total.since = now;
            let stretch = &stretches[group];
            let rows = members.of(group);
            let mut sliding = Sliding::new(plan, stretch.start);
            let mut low = stretch.start;
            let mut at = stretch.first;
            while at < stretch.end {
                let peers =
                    if has_peers { (at..stretch.end).take_while(|&row| times[row] == times[at]).count() } else { 1 };
                let rank = total.rows + 1;
                total.times += 1;
                for peer in at..at + peers {
                    total.rows += 1;
                    if self.unbounded() {
                        add(peer, &mut total.held);
                    }
                    let row = rows[peer - stretch.first] as usize;
                    out.places[row] = [total.rows as i64, rank as i64, total.times as i64];
                    for (lag, offset) in out.lags.iter_mut().zip(calls.lags()) {
                        lag[row] =
                            peer.checked_sub(offset).filter(|from| *from >= stretch.start).map(|from| from as u32);
                    }
                    if by_range {
                        continue;
                    }
                    if let OverFrame::Rows { preceding } = self.spec.frame {
                        let preceding = usize::try_from(preceding).unwrap_or(usize::MAX);
                        sliding.move_to(peer.saturating_sub(preceding).max(stretch.start), peer + 1, add);
                        calls.put(&mut out, row, &sliding.held());
                    } else if let OverFrame::Range { preceding } = self.spec.frame {
                        low = (low..peer)
                            .find(|&from| times[from] >= times[peer].saturating_sub(preceding))
                            .unwrap_or(peer);
                        sliding.move_to(low, peer + 1, add);
                        calls.put(&mut out, row, &sliding.held());
                    } else {
                        calls.put(&mut out, row, &total.held);
                    }
                }
                if by_range {
                    let mut held = None;
                    if let OverFrame::Range { preceding } = self.spec.frame {
                        low = (low..at).find(|&from| times[from] >= times[at].saturating_sub(preceding)).unwrap_or(at);
                        sliding.move_to(low, at + peers, add);
                        held = Some(sliding.held());
                    }
                    for peer in at..at + peers {
                        calls.put(&mut out, rows[peer - stretch.first] as usize, held.as_ref().unwrap_or(&total.held));
                    }
                }
                at += peers;
            }
        };
        if self.has_totals() {
            totals.upsert_batch(&groups.keys, &groups.hashes, || Total::fresh(plan), settle);
        } else {
            (0..groups.len()).for_each(|group| settle(group, &mut Total::fresh(plan)));
        }
        out
    }

    fn give(
        &self,
        run: &Run<'_, K>,
        read: &[ArrayRef],
        results: &Results,
        cx: &mut Context<'_>,
    ) -> Result<(), OperatorError> {
        for start in (0..run.rows.len()).step_by(OUTPUT_ROWS) {
            let part = start..(start + OUTPUT_ROWS).min(run.rows.len());
            let mut arrays = self.codec.decode(&run.rows[part.clone()])?;
            arrays.extend(self.calls.columns(results, part.clone(), read)?);
            emit(cx, &self.spec.schema, arrays, run.stamps[part].to_vec(), Vec::new())?;
        }
        Ok(())
    }

    /// Keeps what later rows may reach back to, and lets go of what none can.
    fn keep(
        &self,
        run: &Run<'_, K>,
        groups: &Groups<K>,
        members: &Members,
        state: &mut State<K>,
        now: i64,
    ) -> Result<(), OperatorError> {
        let mut kept = Ok(());
        if self.tail != Tail::None {
            state.tails.upsert_batch(&groups.keys, &groups.hashes, Arena::default, |group, tail| {
                for &row in members.of(group) {
                    if let Err(error) = tail.push(run.times[row as usize], 0, run.rows[row as usize]) {
                        kept = Err(error);
                    }
                }
                let (count, last) = (tail.iter().count(), members.of(group).last().copied());
                let last = last.map_or(i64::MAX, |row| run.times[row as usize]);
                let mut number = 0;
                tail.retain(|entry| {
                    number += 1;
                    match self.tail {
                        Tail::None => false,
                        Tail::Rows(rows) => count - (number - 1) <= rows,
                        Tail::Span(span) => entry.time >= last.saturating_sub(span),
                    }
                });
            });
        }
        self.sweep(state, groups.len(), now);
        kept
    }

    /// Forgets the run's partitions whose life is over.
    fn forget(&self, groups: &Groups<K>, state: &mut State<K>, now: i64) {
        if self.ttl.is_none() {
            return;
        }
        for (key, &hash) in groups.keys.iter().zip(&groups.hashes) {
            if state.totals.get(key, hash).is_some_and(|total| self.is_over(total, now)) {
                state.totals.remove(key, hash);
                state.tails.remove(key, hash);
            }
        }
    }

    fn is_over(&self, total: &Total, now: i64) -> bool {
        self.ttl.is_some_and(|ttl| total.since.saturating_add(ttl) <= now)
    }

    fn sweep(&self, state: &mut State<K>, keys: usize, now: i64) {
        if self.ttl.is_some() {
            let mut over = Vec::new();
            state.totals.sweep(SWEPT.max(keys), |key, total| {
                let is_over = self.is_over(total, now);
                if is_over {
                    over.push(key.clone());
                }
                is_over
            });
            over.iter().for_each(|key| _ = state.tails.remove(key, key.hash()));
        }
        if let Tail::Span(span) = self.tail {
            let passed = match self.time {
                OrderTime::RowTime(_) => self.passed.all(),
                OrderTime::ProcTime => now.saturating_sub(1),
            };
            state.tails.sweep(SWEPT.max(keys), |_, tail| {
                tail.iter().last().is_none_or(|last| last.time.saturating_add(span) <= passed)
            });
        }
    }
}

/// The rows that calls see of a partition: kept ones from `start`, those of the run from `first`.
struct Stretch {
    start: usize,
    first: usize,
    end: usize,
}

/// Turns the weights of DISTINCT calls into those of values that a partition has not had.
fn weigh<K: ColumnKey>(
    folder: &mut Folder,
    distincts: &mut Distincts<K>,
    groups: &Groups<K>,
    members: &Members,
    now: i64,
) -> Result<(), OperatorError> {
    if distincts.is_empty() {
        return Ok(());
    }
    // Rows lie by partition, and none but the run's: where values are told apart nothing else is kept.
    let of = (0..groups.len()).flat_map(|group| members.of(group).iter().map(move |_| group));
    let (keys, hashes): (Vec<K>, Vec<KeyHash>) =
        of.map(|group| (groups.keys[group].clone(), groups.hashes[group])).unzip();
    let mut weights = std::mem::take(&mut folder.weights);
    distincts.weigh(0, &keys, &hashes, |column| folder.array(column).clone(), &mut weights, Timestamp(now))?;
    folder.weights = weights;
    Ok(())
}

#[cold]
pub(super) fn refused(spec: &OverAggregate, what: &str) -> OperatorError {
    OperatorError::new(format!("{spec}: {what} is not supported yet")).hint("compute it in a query of its own")
}

impl<K: ColumnKey> Operator for TimedOperator<K> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.passed.open(cx);
        self.state = Some(State {
            pending: Pending::new(cx.operator.table("pending"), "pending"),
            totals: Table::new(cx.operator.table("totals"), "totals"),
            tails: Table::new(cx.operator.table("tails"), "tails"),
            distincts: Distincts::new(&self.calls.plan, cx.operator, self.ttl)?,
        });
        Ok(())
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let input = Input::of(frame)?;
        check_inserts(&self.spec, &input)?;
        self.keys.read(&input)?;
        self.codec.encode(&input.all_columns()?, input.rows(), &mut self.rows)?;
        match self.time {
            OrderTime::RowTime(column) => {
                let times: Vec<i64> = event_times(&input.column(column)?)?.into_iter().map(|time| time.0).collect();
                let hashes = self.keys.hashes();
                let is_late = |row: usize| times[row] <= self.passed.of(hashes[row]);
                self.groups.group(self.keys.keys(), hashes);
                let state = self.state.as_mut().expect("an operator is opened before its first frame");
                state.pending.add(&self.groups, &times, &self.rows, is_late, |_| 0)?;
                let late: Vec<u32> = (0..times.len()).filter(|&row| is_late(row)).map(|row| input.row(row)).collect();
                emit_late(cx, frame, &late);
            }
            OrderTime::ProcTime => {
                let (keys, hashes) = (self.keys.keys().to_vec(), self.keys.hashes().to_vec());
                let rows = std::mem::take(&mut self.rows);
                let (times, stamps) = (vec![cx.now().0; input.rows()], input.times());
                let slices: Vec<&[u8]> = rows.iter().collect();
                let run = Run { keys: &keys, hashes: &hashes, times: &times, stamps: &stamps, rows: &slices };
                self.run(&run, cx)?;
                drop(slices);
                self.rows = rows;
            }
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        while cx.has_room() {
            let state = self.state.as_mut().expect("an operator is opened before its first watermark");
            let Some(ripe) = state.pending.take(watermark.0) else {
                self.passed.advance(watermark.0);
                if let Some(mut state) = self.state.take() {
                    self.sweep(&mut state, 0, cx.now().0);
                    self.state = Some(state);
                }
                return Ok(Progress::Done);
            };
            let all = 0..ripe.len();
            let keys: Vec<K> = all.clone().map(|row| ripe.key(row).clone()).collect();
            let hashes: Vec<KeyHash> = all.clone().map(|row| ripe.hash(row)).collect();
            let times: Vec<i64> = all.clone().map(|row| ripe.time(row)).collect();
            let stamps: Vec<Timestamp> = times.iter().map(|&time| Timestamp(time)).collect();
            let rows: Vec<&[u8]> = all.map(|row| ripe.row(row)).collect();
            self.run(&Run { keys: &keys, hashes: &hashes, times: &times, stamps: &stamps, rows: &rows }, cx)?;
        }
        Ok(Progress::More)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        self.passed.snapshot(snapshot);
        Ok(())
    }

    fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        self.passed.restore(name, from, bytes)
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        if let Some(state) = &mut self.state {
            visit(state.pending.table());
            visit(&mut state.totals);
            visit(&mut state.tails);
            state.distincts.tables(visit);
        }
    }
}
