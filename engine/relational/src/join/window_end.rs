//! Joins rows with the ends of windows near their times: few rows with many, as for the highest bids of each window.
//!
//! What comes once a window is told to every subtask and kept for good; rows stay where they are, unindexed, in panes of event time, and
//! are looked through when an end comes. The pairs are those of a regular join, of late rows too: no end that is still to come is at or
//! before the watermark, so a row that reaches no end after it is done once it has met those that are there.
//!
//! Invariants:
//! 1. A row is kept while an end after the watermark can be within its reach; panes are dropped whole.
//! 2. Every subtask has all ends that have come; a row is on one subtask.
//! 3. A row whose key or time is null has no partner, and is not kept.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use yeoul_frame::{Columns, Frame, Indices, KeyGroups, Timestamp};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError, OutputId, Progress};
use yeoul_state::{BroadcastState, Key, Panes, StateTable, Stored};

use super::block::{Block, View};
use super::scan::{Ends, Found, Scan, times_at, times_of};
use super::{JoinKind, check_output, key_form};
use crate::aggregate::columns;
use crate::arena::Arena;
use crate::calc::keep_if;
use crate::expression::Expression;
use crate::input::{Input, check_inserts};
use crate::output::{OUTPUT_ROWS, frame};
use crate::row::{EncodedRows, RowCodec};
use crate::time_order::millis;

/// The least event time that a pane holds, in milliseconds.
const LEAST_SPAN: i64 = 256;
/// Frames with fewer rows do not become blocks of their own.
const SMALL: usize = 256;
/// A block takes no more rows once they have so many bytes: it is written whole at each checkpoint until then.
const BLOCK_BYTES: usize = 16 << 10;
/// About as many bytes does a block have at most that holds columns: it is a record of the log, written in one go.
const COLUMN_BYTES: usize = 256 << 10;
/// Columns whose rows have more bytes than this, in the mean, are kept as rows.
const WIDE: usize = COLUMN_BYTES / SMALL;

/// Joins each row of one input with the ends of windows for which `lower <= left time - right time <= upper`. Rows of both inputs are only
/// added, and no end comes at or before the watermark.
#[derive(Debug, Clone)]
pub struct WindowEndJoin {
    /// The input that has the ends of windows: 0 left, 1 right. All of its rows go to every subtask.
    pub ends: usize,
    /// The left columns that are compared; null is equal to nothing.
    pub left_keys: Vec<usize>,
    /// The right columns, in the order of the left ones, and of their types.
    pub right_keys: Vec<usize>,
    /// The column of the left's time.
    pub left_time: usize,
    /// The column of the right's time.
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
    /// What comes out: the left columns, then the right ones.
    pub schema: SchemaRef,
}

impl fmt::Display for WindowEndJoin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "WindowEndJoin(ends=[{}], leftKeys=[{}], rightKeys=[{}], bounds=[{} <= ${} - ${} <= {}]",
            if self.ends == 0 { "left" } else { "right" },
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

impl WindowEndJoin {
    /// An instance.
    ///
    /// # Errors
    /// Keys of different types, times that are not TIMESTAMP(3), a type that cannot be kept, or a schema that is not that of the result.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        let (name, schemas) = (self.to_string(), [&self.left_schema, &self.right_schema]);
        key_form(&name, schemas, [&self.left_keys, &self.right_keys])?;
        check_output(&name, JoinKind::Inner, schemas, &self.schema)?;
        if self.lower > self.upper {
            return Err(OperatorError::new(format!("{name} joins nothing: its bounds are the wrong way round"))
                .hint("write ts BETWEEN window_end - INTERVAL '10' SECOND AND window_end"));
        }
        for (schema, time) in schemas.into_iter().zip([self.left_time, self.right_time]) {
            let of = schema.field(time).data_type();
            if !matches!(of, DataType::Timestamp(TimeUnit::Millisecond, _)) {
                return Err(OperatorError::new(format!("{name} compares a time of type {of}"))
                    .hint("cast it to TIMESTAMP(3) before the join"));
            }
        }
        Ok(Box::new(WindowEndOperator::new(self)?))
    }

    /// The schema, keys and time of an input.
    fn side(&self, side: usize) -> (&SchemaRef, &[usize], usize) {
        match side {
            0 => (&self.left_schema, &self.left_keys, self.left_time),
            _ => (&self.right_schema, &self.right_keys, self.right_time),
        }
    }
}

struct WindowEndOperator {
    spec: Arc<WindowEndJoin>,
    scan: Scan,
    /// How much event time a pane holds.
    span: i64,
    /// The watermark: all ends that come are after it.
    passed: i64,
    ends_codec: RowCodec,
    rows_codec: Arc<RowCodec>,
    encoded: EncodedRows,
    state: Option<State>,
}

struct State {
    /// By their time, which is the window's end. What stands with a row is its event time.
    ends: BroadcastState<i64, Arena>,
    /// By time, divided by the span, and a number.
    rows: Panes<u64, Block>,
    /// Each pane's block that takes more rows.
    small: BTreeMap<i64, u64>,
    numbers: Numbers,
}

/// Numbers whose key groups are this subtask's, so that what stands under them comes back to one subtask.
struct Numbers {
    last: u64,
    groups: KeyGroups,
    own: Range<u16>,
}

impl Numbers {
    /// The next one that is free.
    fn next(&mut self, taken: impl Fn(u64) -> bool) -> u64 {
        loop {
            self.last += 1;
            if self.own.contains(&self.groups.of(self.last.hash()).0) && !taken(self.last) {
                return self.last;
            }
        }
    }
}

/// The rows of a frame as its columns have them.
struct Rows<'f> {
    columns: Vec<ArrayRef>,
    times: Cow<'f, [Timestamp]>,
    /// How many rows the batch has.
    batch: usize,
}

impl WindowEndOperator {
    fn new(spec: Arc<WindowEndJoin>) -> Result<Self, OperatorError> {
        let (ends, rows) = (spec.side(spec.ends), spec.side(1 - spec.ends));
        // How much the end is after the row's time.
        let (low, high) = match spec.ends {
            0 => (spec.lower, spec.upper),
            _ => (spec.upper.saturating_neg(), spec.lower.saturating_neg()),
        };
        Ok(Self {
            scan: Scan::new((ends.0, ends.1), (rows.0, rows.1), rows.2, low, high)?,
            span: (high.saturating_sub(low) / 2).max(LEAST_SPAN),
            passed: i64::MIN,
            ends_codec: RowCodec::of_fields(ends.0.fields())?,
            rows_codec: Arc::new(RowCodec::of_fields(rows.0.fields())?),
            encoded: EncodedRows::default(),
            state: None,
            spec,
        })
    }

    fn state(&self) -> &State {
        self.state.as_ref().expect("an operator is opened before its first frame")
    }

    /// No row of a pane reaches an end that is still to come.
    fn is_over(&self, pane: i64) -> bool {
        let last = pane.saturating_mul(self.span).saturating_add(self.span - 1);
        last.saturating_add(self.scan.high) <= self.passed
    }

    fn take_ends(&mut self, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let input = Input::of(frame)?;
        check_inserts(&self.spec, &input)?;
        let (_, keys, time) = self.spec.side(self.spec.ends);
        let (columns, times) = (input.all_columns()?, input.times());
        let ends = times_of(&columns[time]);
        let valid = valid(&columns, keys, time);
        let of = |row: u32| (ends[row as usize], row);
        let order: Vec<(i64, u32)> = (0..ends.len() as u32).filter(|row| is_valid(&valid, *row)).map(of).collect();
        self.ends_codec.encode(&columns, ends.len(), &mut self.encoded)?;
        let state = self.state.as_mut().expect("an operator is opened before its first frame");
        for &(end, row) in &order {
            let mut rows = state.ends.remove(&end).unwrap_or_default();
            rows.push(times[row as usize].0, 0, self.encoded.row(row as usize))?;
            state.ends.put(&end, rows);
        }
        let ends = self.scan.ends(columns.clone(), order)?;
        let Some((first, last)) = ends.span() else { return Ok(()) };
        let pane_of = |time: i64| time.div_euclid(self.span);
        let reached = pane_of(first.saturating_sub(self.scan.high))
            ..pane_of(last.saturating_sub(self.scan.low)).saturating_add(1);
        let state = self.state();
        let mut found = Found::default();
        let times_of_pairs = |found: &Found<'_>| times_at(&times, found.ends.iter().map(|row| *row as usize));
        for pane in state.rows.within(reached) {
            let mut blocks: Vec<(&u64, &Block)> = pane.iter().collect();
            blocks.sort_unstable_by_key(|(number, _)| **number);
            for (_, block) in blocks {
                if !ends.reach(block.least, block.most, &self.scan) {
                    continue;
                }
                let view = block.view(&self.rows_codec)?;
                self.scan.find(&ends, view, (block.least, block.most), &mut found, |found| {
                    self.give(found, OUTPUT_ROWS, &ends, times_of_pairs, cx)
                })?;
            }
        }
        self.give(&mut found, 1, &ends, times_of_pairs, cx)
    }

    fn take_rows(&mut self, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let input = Input::of(frame)?;
        check_inserts(&self.spec, &input)?;
        let (_, keys, time) = self.spec.side(1 - self.spec.ends);
        let (rows, listed) = match frame.indices() {
            Indices::List(list) => {
                let columns = frame.columns().map_or(&[][..], Columns::arrays).to_vec();
                let rows = Rows { columns, times: Cow::Borrowed(frame.times()), batch: frame.batch().len() };
                (rows, Some(list.as_slice().to_vec()))
            }
            Indices::Span(_) => {
                let rows = Rows { columns: input.all_columns()?, times: input.times(), batch: frame.batch().len() };
                (rows, None)
            }
        };
        let times = times_of(&rows.columns[time]);
        let valid = valid(&rows.columns, keys, time);
        let picked = match listed {
            None if valid.is_empty() => None,
            None => Some((0..times.len() as u32).filter(|row| is_valid(&valid, *row)).collect()),
            Some(mut list) => {
                list.retain(|row| is_valid(&valid, *row));
                Some(list)
            }
        };
        let all = View { columns: &rows.columns, picked: picked.as_deref() };
        let Some((least, most)) = bounds(all, times) else { return Ok(()) };
        if least.div_euclid(self.span) == most.div_euclid(self.span) {
            return self.take_pane(&rows, all, (least, most), cx);
        }
        // Few frames are of several panes.
        let mut panes: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        let mut sort = |row: u32| panes.entry(times[row as usize].div_euclid(self.span)).or_default().push(row);
        match all.picked {
            None => (0..times.len() as u32).for_each(&mut sort),
            Some(picked) => picked.iter().copied().for_each(&mut sort),
        }
        for picked in panes.values() {
            let of_pane = View { columns: &rows.columns, picked: Some(picked) };
            if let Some(bounds) = bounds(of_pane, times) {
                self.take_pane(&rows, of_pane, bounds, cx)?;
            }
        }
        Ok(())
    }

    /// Takes rows of one pane: joins them with the ends that are there, and keeps them for those that are to come.
    fn take_pane(
        &mut self,
        rows: &Rows<'_>,
        view: View<'_>,
        (least, most): (i64, i64),
        cx: &mut Context<'_>,
    ) -> Result<(), OperatorError> {
        let (first, last) = (least.saturating_add(self.scan.low), most.saturating_add(self.scan.high));
        let (mut order, mut kept): (Vec<(i64, u32)>, Vec<&[u8]>) = Default::default();
        for (end, arena) in self.state().ends.range(first..=last) {
            for entry in arena.iter() {
                order.push((*end, kept.len() as u32));
                kept.push(entry.row);
            }
        }
        if !order.is_empty() {
            let ends = self.scan.ends(self.ends_codec.decode(&kept)?, order)?;
            let mut found = Found::default();
            let times_of_pairs = |found: &Found<'_>| times_at(&rows.times, found.rows.iter().map(|(_, row)| *row));
            self.scan.find(&ends, view, (least, most), &mut found, |found| {
                self.give(found, OUTPUT_ROWS, &ends, times_of_pairs, cx)
            })?;
            self.give(&mut found, 1, &ends, times_of_pairs, cx)?;
        }
        let pane = least.div_euclid(self.span);
        if self.is_over(pane) {
            return Ok(());
        }
        let count = view.picked.map_or(rows.times.len(), <[u32]>::len);
        let times = times_of(&rows.columns[self.spec.side(1 - self.spec.ends).2]);
        // Columns of which little is meant would hold memory for nothing.
        let dense = count >= SMALL && count.saturating_mul(4) >= rows.batch.saturating_mul(3);
        let bytes = if dense { view.bytes(count).filter(|bytes| *bytes <= WIDE * count) } else { None };
        if let Some(bytes) = bytes {
            self.keep_columns(pane, view, count, bytes, times);
            return Ok(());
        }
        self.rows_codec.encode(&view.dense()?, count, &mut self.encoded)?;
        let state = self.state.as_mut().expect("an operator is opened before its first frame");
        let table = state.rows.pane(pane);
        let mut next = 0;
        while next < count {
            let number = match state.small.get(&pane) {
                Some(number) => *number,
                None => state.numbers.next(|number| table.contains(&number, number.hash())),
            };
            let block = table.upsert(&number, number.hash(), Block::vacant);
            next = block.append(&self.encoded, next, BLOCK_BYTES, (least, most));
            if block.appended() < BLOCK_BYTES {
                state.small.insert(pane, number);
            } else {
                state.small.remove(&pane);
            }
        }
        Ok(())
    }

    /// Keeps rows as their columns, in blocks of about as many bytes as a record may have.
    fn keep_columns(&mut self, pane: i64, view: View<'_>, count: usize, bytes: usize, times: &[i64]) {
        let state = self.state.as_mut().expect("an operator is opened before its first frame");
        let table = state.rows.pane(pane);
        let blocks = bytes.div_ceil(COLUMN_BYTES).max(1);
        for from in (0..count).step_by(count.div_ceil(blocks)) {
            let to = count.min(from + count.div_ceil(blocks));
            let picked: Option<Vec<u32>> = match view.picked {
                None if blocks == 1 => None,
                None => Some((from as u32..to as u32).collect()),
                Some(picked) => Some(picked[from..to].to_vec()),
            };
            let part = View { columns: view.columns, picked: picked.as_deref() };
            let Some(bounds) = bounds(part, times) else { continue };
            let number = state.numbers.next(|number| table.contains(&number, number.hash()));
            let block = Block::of(part, to - from, bytes / blocks, bounds, &self.rows_codec);
            table.set(&number, number.hash(), block);
        }
    }

    /// Sends pairs on that meet the residual condition, if there are so many.
    fn give(
        &self,
        found: &mut Found<'_>,
        least: usize,
        ends: &Ends,
        times: impl Fn(&Found<'_>) -> Vec<Timestamp>,
        cx: &mut Context<'_>,
    ) -> Result<(), OperatorError> {
        if found.len() < least {
            return Ok(());
        }
        let times = times(found);
        let [rows, ends] = found.take_columns(&ends.columns)?;
        let arrays = if self.spec.ends == 0 { [ends, rows] } else { [rows, ends] }.concat();
        let frame = frame(&self.spec.schema, arrays, times, Vec::new())?;
        if let Some(frame) = keep_if(self.spec.residual.as_ref(), frame, cx)? {
            cx.emit(OutputId::MAIN, frame);
        }
        Ok(())
    }
}

/// What tells which rows have a null in their keys or their time. Empty: none has.
fn valid(columns: &[ArrayRef], keys: &[usize], time: usize) -> Vec<NullBuffer> {
    let of = |column: &usize| columns[*column].logical_nulls().filter(|nulls| nulls.null_count() > 0);
    keys.iter().chain([&time]).filter_map(of).collect()
}

fn is_valid(nulls: &[NullBuffer], row: u32) -> bool {
    nulls.iter().all(|nulls| nulls.is_valid(row as usize))
}

/// The least time of a view's rows and the greatest.
fn bounds(view: View<'_>, times: &[i64]) -> Option<(i64, i64)> {
    let wider = |(least, most): (i64, i64), time: i64| (least.min(time), most.max(time));
    let none = (i64::MAX, i64::MIN);
    let bounds = match view.picked {
        None => times.iter().copied().fold(none, wider),
        Some(picked) => picked.iter().map(|row| times[*row as usize]).fold(none, wider),
    };
    (bounds.0 <= bounds.1).then_some(bounds)
}

impl Operator for WindowEndOperator {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let own = cx.key_groups.range(cx.subtask.index, cx.subtask.parallelism);
        if own.is_empty() {
            return Err(OperatorError::new(format!(
                "{} has no key group for instance {} of {}",
                self.spec, cx.subtask.index, cx.subtask.parallelism
            ))
            .hint("run on fewer shards, or with more key groups"));
        }
        self.state = Some(State {
            ends: BroadcastState::new(cx.operator.table("ends"), "ends"),
            rows: Panes::new(cx.operator.table("rows"), "rows"),
            small: BTreeMap::new(),
            numbers: Numbers { last: 0, groups: cx.key_groups, own },
        });
        Ok(())
    }

    fn process(&mut self, input: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        if usize::from(input.0) == self.spec.ends { self.take_ends(frame, cx) } else { self.take_rows(frame, cx) }
    }

    fn on_watermark(&mut self, watermark: Timestamp, _: &mut Context<'_>) -> Result<Progress, OperatorError> {
        self.passed = watermark.0;
        let over = self.state().rows.namespaces().take_while(|pane| self.is_over(*pane)).collect::<Vec<_>>();
        let state = self.state.as_mut().expect("an operator is opened before its first frame");
        for pane in over {
            state.rows.drop_namespace(pane);
            state.small.remove(&pane);
        }
        Ok(Progress::Done)
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        if let Some(state) = &mut self.state {
            visit(&mut state.ends);
            visit(&mut state.rows);
        }
    }
}
