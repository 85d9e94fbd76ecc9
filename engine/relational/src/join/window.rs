//! Joins rows of the same window, once it is over.
//!
//! A window's rows are kept by key, in a pane for each window's end that is dropped whole. What comes out of one may be many times as much:
//! it comes in parts, as there is room.
//!
//! Invariants:
//! 1. A row is in a pane until its window is over and all of its pairs are out, or late.
//! 2. A row whose key is null has no partner.
//! 3. Nothing is put into a window, and no snapshot is taken, while it is joined: the watermark that ends it comes before both.

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use yeoul_frame::{Frame, Timestamp};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError, Passed, Progress, Snapshot, Subtask};
use yeoul_state::{Panes, StateTable};

use super::cross::{Begun, Cross, Shape};
use super::{JoinKind, check_output, joined_schema, key_form, null_keys};
use crate::aggregate::{Groups, columns};
use crate::arena::{Arena, Entry};
use crate::assign_times::event_times;
use crate::expression::Expression;
use crate::input::{Input, check_inserts};
use crate::key::{ColumnKey, HashColumns, KeyReader, by_key_form};
use crate::output::{OUTPUT_ROWS, emit_late};
use crate::row::{EncodedRows, RowCodec};

/// Keys are joined together until they have so many rows, which may all come out alone.
const MOST_ROWS: usize = 4 * OUTPUT_ROWS;

/// Joins rows of the same window. Late rows are counted, and go to [`LATE`](crate::LATE).
#[derive(Debug, Clone)]
pub struct WindowJoin {
    /// Which rows without a partner come out.
    pub kind: JoinKind,
    /// The left columns that are compared, the start and end of the window among them; null is equal to nothing.
    pub left_keys: Vec<usize>,
    /// The right columns, in the order of the left ones, and of their types.
    pub right_keys: Vec<usize>,
    /// The column of the window's end on the left.
    pub left_end: usize,
    /// The column of the window's end on the right.
    pub right_end: usize,
    /// A boolean over the left columns and then the right ones.
    pub residual: Option<Arc<dyn Expression>>,
    /// What comes in on the left.
    pub left_schema: SchemaRef,
    /// What comes in on the right.
    pub right_schema: SchemaRef,
    /// What comes out: the left columns, then (but for SEMI and ANTI) the right ones.
    pub schema: SchemaRef,
}

impl fmt::Display for WindowJoin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "WindowJoin(joinType=[{}], leftKeys=[{}], rightKeys=[{}]",
            self.kind,
            columns(&self.left_keys),
            columns(&self.right_keys)
        )?;
        if let Some(residual) = &self.residual {
            write!(f, ", where=[{residual}]")?;
        }
        f.write_str(")")
    }
}

impl WindowJoin {
    /// By what the rows of an input (0 left, 1 right) are exchanged before it.
    #[must_use]
    pub fn exchange(&self, side: usize) -> HashColumns {
        HashColumns { columns: if side == 0 { self.left_keys.clone() } else { self.right_keys.clone() } }
    }

    /// An instance.
    ///
    /// # Errors
    /// Keys of different types or without the window's end, a type that cannot be kept, or a schema that is not that of the result.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        let schemas = [&self.left_schema, &self.right_schema];
        let form = key_form(&self.to_string(), schemas, [&self.left_keys, &self.right_keys])?;
        check_output(&self.to_string(), self.kind, schemas, &self.schema)?;
        if !self.left_keys.contains(&self.left_end) || !self.right_keys.contains(&self.right_end) {
            return Err(OperatorError::new(format!("{self} does not compare the windows' ends")));
        }
        by_key_form!(form, K => Ok(Box::new(WindowJoinOperator::<K>::new(self)?)))
    }
}

struct WindowJoinOperator<K: ColumnKey> {
    spec: Arc<WindowJoin>,
    joined: SchemaRef,
    sides: [Side<K>; 2],
    groups: Groups<K>,
    passed: Passed,
    firing: Option<Firing<K>>,
}

struct Side<K: ColumnKey> {
    end: usize,
    keys: KeyReader<K>,
    codec: RowCodec,
    rows: EncodedRows,
    /// By the window's end.
    panes: Option<Panes<K, Arena>>,
}

impl<K: ColumnKey> WindowJoinOperator<K> {
    fn new(spec: Arc<WindowJoin>) -> Result<Self, OperatorError> {
        let side = |schema: &SchemaRef, keys: &[usize], end| {
            Ok::<_, OperatorError>(Side {
                end,
                keys: KeyReader::new(schema, keys)?,
                codec: RowCodec::of_fields(schema.fields())?,
                rows: EncodedRows::default(),
                panes: None,
            })
        };
        let sides = [
            side(&spec.left_schema, &spec.left_keys, spec.left_end)?,
            side(&spec.right_schema, &spec.right_keys, spec.right_end)?,
        ];
        let joined = joined_schema(&spec.left_schema, &spec.right_schema);
        Ok(Self { joined, spec, sides, groups: Groups::new(), passed: Passed::new("passed"), firing: None })
    }

    /// What is to be joined of a window that is over.
    fn begin(&self, end: i64) -> Firing<K> {
        let pane = |side: usize| self.sides[side].panes.as_ref().and_then(|panes| panes.get(end));
        let (left, right) = (pane(0), pane(1));
        let takes = |key: &K| self.passed.of(key.hash()) < end.saturating_sub(1);
        let mut keys: Vec<K> = Vec::new();
        for (key, arena) in left.iter().flat_map(|pane| pane.iter()).filter(|(key, _)| takes(key)) {
            if self.spec.kind.keeps(0) || (!is_null(arena) && right.is_some_and(|pane| pane.contains(key, key.hash())))
            {
                keys.push(key.clone());
            }
        }
        if self.spec.kind.keeps(1) {
            let alone = right.iter().flat_map(|pane| pane.iter()).map(|(key, _)| key).filter(|key| takes(key));
            keys.extend(alone.filter(|key| left.is_none_or(|pane| !pane.contains(key, key.hash()))).cloned());
        }
        Firing { end, keys, at: 0, begun: Begun::default() }
    }

    /// Joins keys of a window as long as there is room. Returns whether all are joined.
    fn fire(&self, firing: &mut Firing<K>, cx: &mut Context<'_>) -> Result<bool, OperatorError> {
        let spec = &self.spec;
        let shape = Shape {
            kind: spec.kind,
            residual: spec.residual.as_ref(),
            schema: &spec.schema,
            joined: &self.joined,
            codecs: [&self.sides[0].codec, &self.sides[1].codec],
        };
        let mut cross = Cross::new(shape, Timestamp(firing.end.saturating_sub(1)));
        while let Some(key) = firing.keys.get(firing.at).filter(|_| cx.has_room() && cross.rows() < MOST_ROWS) {
            let arena = |side: usize| {
                let pane = self.sides[side].panes.as_ref().and_then(|panes| panes.get(firing.end));
                pane.and_then(|pane| pane.get(key, key.hash()))
            };
            // A null key is marked on the rows: they are alone.
            let (left, right) = (arena(0), arena(1));
            let are_null = left.or(right).is_some_and(is_null);
            let is_done = if are_null {
                let alone = |side: usize| [left, right][side].filter(|_| spec.kind.keeps(side));
                cross.add(rows(alone(0)), std::iter::empty(), &mut firing.begun, cx)?
                    && cross.add(std::iter::empty(), rows(alone(1)), &mut firing.begun, cx)?
            } else {
                cross.add(rows(left), rows(right), &mut firing.begun, cx)?
            };
            if !is_done {
                break;
            }
            firing.at += 1;
        }
        cross.finish(cx)?;
        Ok(firing.at == firing.keys.len())
    }
}

/// A window that is over, while its rows are joined.
struct Firing<K> {
    end: i64,
    /// Of which something may come out.
    keys: Vec<K>,
    /// How many have been joined.
    at: usize,
    /// How far the next one is.
    begun: Begun,
}

fn rows(arena: Option<&Arena>) -> impl Iterator<Item = &[u8]> {
    arena.into_iter().flat_map(Arena::iter).map(|entry: Entry<'_>| entry.row)
}

fn is_null(arena: &Arena) -> bool {
    arena.iter().next().is_some_and(|entry| entry.mark == NULL_KEY)
}

/// The mark of rows whose key is null.
const NULL_KEY: u32 = 1;

impl<K: ColumnKey> Operator for WindowJoinOperator<K> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.passed.open(cx);
        for (side, name) in self.sides.iter_mut().zip(["left", "right"]) {
            side.panes = Some(Panes::new(cx.operator.table(name), name));
        }
        Ok(())
    }

    fn process(&mut self, input: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let at = usize::from(input.0);
        let Self { spec, sides, groups, passed, .. } = self;
        let Side { end, keys, codec, rows, panes } = &mut sides[at];
        let panes = panes.as_mut().expect("an operator is opened before its first frame");
        let input = Input::of(frame)?;
        check_inserts(spec, &input)?;
        keys.read(&input)?;
        groups.group(keys.keys(), keys.hashes());
        let nulls = null_keys(&input, if at == 0 { &spec.left_keys } else { &spec.right_keys })?;
        let ends = event_times(&input.column(*end)?)?;
        codec.encode(&input.all_columns()?, input.rows(), rows)?;
        let members = groups.members();
        // A key has one window, so all of its rows are late or none.
        let mut late = Vec::new();
        let mut kept: Vec<(i64, u32)> = Vec::with_capacity(groups.len());
        for (group, &first) in groups.first.iter().enumerate() {
            let end = ends[first as usize].0;
            if end.saturating_sub(1) <= passed.of(groups.hashes[group]) {
                late.extend(members.of(group).iter().map(|&row| input.row(row as usize)));
            } else if spec.kind.keeps(at) || nulls.as_ref().is_none_or(|nulls| !nulls[first as usize]) {
                kept.push((end, group as u32));
            }
        }
        kept.sort_by_key(|(end, _)| *end);
        let mut put = Ok(());
        for kept in kept.chunk_by(|a, b| a.0 == b.0) {
            let of = |at: usize| kept[at].1 as usize;
            let keys: Vec<K> = (0..kept.len()).map(|at| groups.keys[of(at)].clone()).collect();
            let hashes: Vec<_> = (0..kept.len()).map(|at| groups.hashes[of(at)]).collect();
            panes.pane(kept[0].0).upsert_batch(&keys, &hashes, Arena::default, |at, arena| {
                for &row in members.of(of(at)) {
                    let is_null = nulls.as_ref().is_some_and(|nulls| nulls[row as usize]);
                    if let Err(error) =
                        arena.push(kept[0].0, if is_null { NULL_KEY } else { 0 }, rows.row(row as usize))
                    {
                        put = Err(error);
                    }
                }
            });
        }
        put?;
        late.sort_unstable();
        emit_late(cx, frame, &late);
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        loop {
            let first = |side: &Side<K>| side.panes.as_ref().and_then(|panes| panes.namespaces().next());
            let next = self.sides.iter().filter_map(first).min();
            let Some(end) = next.filter(|end| end.saturating_sub(1) <= watermark.0) else {
                self.passed.advance(watermark.0);
                return Ok(Progress::Done);
            };
            let mut firing = self.firing.take().unwrap_or_else(|| self.begin(end));
            if !self.fire(&mut firing, cx)? {
                self.firing = Some(firing);
                return Ok(Progress::More);
            }
            for side in &mut self.sides {
                side.panes.iter_mut().for_each(|panes| panes.drop_namespace(end));
            }
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
        for side in &mut self.sides {
            if let Some(panes) = &mut side.panes {
                visit(panes);
            }
        }
    }
}
