//! Joins each row with what a table holds for its key, in processing time.
//!
//! The table is read whole when the operator is opened, and again at each restart; what it holds is not part of a snapshot. Rows and
//! their kinds pass as they come.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_schema::{Schema, SchemaRef};
use arrow_select::concat::concat;
use yeoul_frame::{Columns, Frame, RowKind, Timestamp};
use yeoul_operator::source::SourceItem;
use yeoul_operator::{
    Context, InputId, MakeSource, OpenContext, Operator, OperatorError, OutputId, SourceContext, SourcePoll, Subtask,
};

use super::{JoinKind, key_form};
use crate::aggregate::columns;
use crate::calc::truths;
use crate::expression::{EvaluationTime, Expression};
use crate::input::{Input, gather};
use crate::key::{ColumnKey, KeyReader, by_key_form};
use crate::output::{OUTPUT_ROWS, check_schema, frame};

/// Joins each row with what a table holds for its key now.
#[derive(Clone)]
pub struct LookupJoin {
    /// Inner or left.
    pub kind: JoinKind,
    /// The key among the row's columns.
    pub left_keys: Vec<usize>,
    /// The key among the table's columns.
    pub right_keys: Vec<usize>,
    /// A boolean over the row's columns, then the table's.
    pub residual: Option<Arc<dyn Expression>>,
    /// What comes in.
    pub left_schema: SchemaRef,
    /// The table's columns.
    pub table_schema: SchemaRef,
    /// Reads the table; it comes to an end.
    pub table: MakeSource,
    /// The table's name, for messages.
    pub name: String,
    /// What comes out: the row's columns, then the table's.
    pub schema: SchemaRef,
}

impl fmt::Debug for LookupJoin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for LookupJoin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "LookupJoin(table=[{}], joinType=[{}], leftKeys=[{}], rightKeys=[{}]",
            self.name,
            self.kind,
            columns(&self.left_keys),
            columns(&self.right_keys)
        )?;
        match &self.residual {
            Some(residual) => write!(f, ", where=[{residual}])"),
            None => f.write_str(")"),
        }
    }
}

impl LookupJoin {
    /// An instance.
    ///
    /// # Errors
    /// Keys of different types, another kind of join than inner and left, or a schema that is not that of the result.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        if !matches!(self.kind, JoinKind::Inner | JoinKind::Left) {
            return Err(OperatorError::new(format!("{self}: a lookup join is inner or left")));
        }
        let form =
            key_form(&self.to_string(), [&self.left_schema, &self.table_schema], [&self.left_keys, &self.right_keys])?;
        let fields = self.left_schema.fields().iter().chain(self.table_schema.fields());
        let types: Vec<_> = fields.clone().map(|field| field.data_type().clone()).collect();
        check_schema("LookupJoin", &self.schema, &types)?;
        let joined = Schema::new(fields.map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>());
        by_key_form!(form, K => Ok(Box::new(LookupOperator::<K> {
            keys: KeyReader::new(&self.left_schema, &self.left_keys)?,
            joined: Arc::new(joined),
            rows: HashMap::new(),
            table: Vec::new(),
            spec: self,
        })))
    }
}

struct LookupOperator<K> {
    spec: Arc<LookupJoin>,
    keys: KeyReader<K>,
    joined: SchemaRef,
    /// The rows of each key.
    rows: HashMap<K, Vec<u32>>,
    table: Vec<ArrayRef>,
}

/// A frame's rows.
struct Probe<'f> {
    columns: &'f [ArrayRef],
    times: &'f [Timestamp],
    /// None: all are inserts.
    kinds: Option<&'f [RowKind]>,
}

/// What has been found for the rows of a frame and not gone out: so that one row with many partners makes many frames, not a large one.
#[derive(Default)]
struct Part {
    /// The first row that is not settled.
    first: u32,
    /// That row has a partner, which has gone out.
    has_partner: bool,
    /// Rows, and places in the table.
    pairs: Vec<(u32, u32)>,
}

impl<K: ColumnKey + std::hash::Hash + Eq> LookupOperator<K> {
    /// Reads all of the table.
    fn load(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let named = |error: OperatorError| {
            OperatorError::new(format!("reading the looked-up table '{}'", self.spec.name)).caused_by(error)
        };
        let subtask = cx.subtask;
        // Each instance reads all of it.
        cx.subtask = Subtask { index: 0, parallelism: 1 };
        let mut source = (self.spec.table)();
        let opened = source.open(cx);
        cx.subtask = subtask;
        opened.map_err(named)?;
        let mut frames: Vec<Frame> = Vec::new();
        loop {
            let mut items = Vec::new();
            let now = Timestamp(cx.services.clock.wall_millis());
            let poll = source.poll(&mut SourceContext::new(&mut items, now, cx.pool, &cx.counters)).map_err(named)?;
            frames.extend(items.into_iter().filter_map(|item| match item {
                SourceItem::Records(_, frame) => Some(frame),
                _ => None,
            }));
            match poll {
                SourcePoll::End => break,
                SourcePoll::Ready => {}
                SourcePoll::Pending { .. } => {
                    return Err(named(
                        OperatorError::new("its rows do not come to an end")
                            .hint("look up a table of files that are not watched"),
                    ));
                }
            }
        }
        let mut reader = KeyReader::<K>::new(&self.spec.table_schema, &self.spec.right_keys)?;
        let mut parts: Vec<Vec<ArrayRef>> = vec![Vec::new(); self.spec.table_schema.fields().len()];
        let mut first = 0u32;
        for frame in &frames {
            let input = Input::of(frame)?;
            let nulls = super::null_keys(&input, &self.spec.right_keys)?;
            for (part, array) in parts.iter_mut().zip(input.all_columns()?) {
                part.push(array);
            }
            // A key that is null is equal to nothing.
            let dense = frame.clone().without_hashes();
            let (keys, _) = reader.read(&Input::of(&dense)?)?;
            for (row, key) in keys.iter().enumerate() {
                if !nulls.as_ref().is_some_and(|nulls| nulls[row]) {
                    self.rows.entry(key.clone()).or_default().push(first + row as u32);
                }
            }
            first += input.rows() as u32;
        }
        self.table = parts
            .iter()
            .zip(self.spec.table_schema.fields())
            .map(|(parts, field)| match parts.as_slice() {
                [] => Ok(arrow_array::new_empty_array(field.data_type())),
                parts => concat(&parts.iter().map(AsRef::as_ref).collect::<Vec<&dyn Array>>())
                    .map_err(|error| OperatorError::new("a looked-up table does not fit together").caused_by(error)),
            })
            .collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Gives what rows of a part come to: those before `end`, and if `goes_on`, so far, `end` itself.
    fn give(
        &self,
        probe: &Probe<'_>,
        part: &mut Part,
        end: u32,
        goes_on: bool,
        cx: &mut Context<'_>,
    ) -> Result<(), OperatorError> {
        if let Some(held) = self.held(probe.columns, &part.pairs, cx)? {
            let mut held = held.into_iter();
            part.pairs.retain(|_| held.next().unwrap_or(false));
        }
        let mut out: Vec<(u32, Option<u32>)> = Vec::with_capacity(part.pairs.len());
        let mut found = part.pairs.drain(..).peekable();
        for row in part.first..end + u32::from(goes_on) {
            let before = out.len();
            while let Some(pair) = found.next_if(|pair| pair.0 == row) {
                out.push((row, Some(pair.1)));
            }
            part.has_partner |= out.len() > before;
            if row < end && !std::mem::take(&mut part.has_partner) && self.spec.kind == JoinKind::Left {
                out.push((row, None));
            }
        }
        drop(found);
        part.first = end;
        if out.is_empty() {
            return Ok(());
        }
        let left = UInt32Array::from_iter_values(out.iter().map(|pair| pair.0));
        let right = UInt32Array::from_iter(out.iter().map(|pair| pair.1));
        let columns = probe.columns.iter().map(|column| gather(column, &left));
        let arrays =
            columns.chain(self.table.iter().map(|column| gather(column, &right))).collect::<Result<Vec<_>, _>>()?;
        let times = out.iter().map(|pair| probe.times[pair.0 as usize]).collect();
        let kinds = probe.kinds.map(|kinds| out.iter().map(|pair| kinds[pair.0 as usize]).collect());
        cx.emit(OutputId::MAIN, frame(&self.spec.schema, arrays, times, kinds.unwrap_or_default())?);
        Ok(())
    }

    /// The pairs of rows, and which of them the condition beside the keys lets stand.
    fn held(
        &self,
        columns: &[ArrayRef],
        pairs: &[(u32, u32)],
        cx: &Context<'_>,
    ) -> Result<Option<Vec<bool>>, OperatorError> {
        let Some(residual) = &self.spec.residual else { return Ok(None) };
        let left = UInt32Array::from_iter_values(pairs.iter().map(|pair| pair.0));
        let right = UInt32Array::from_iter_values(pairs.iter().map(|pair| pair.1));
        let arrays = columns
            .iter()
            .map(|column| gather(column, &left))
            .chain(self.table.iter().map(|column| gather(column, &right)))
            .collect::<Result<Vec<_>, _>>()?;
        let joined = Columns::new(Arc::clone(&self.joined), arrays)
            .map_err(|error| OperatorError::new("a looked-up row does not fit").caused_by(error))?;
        let times = vec![Timestamp::MIN; pairs.len()];
        let time = EvaluationTime { times: &times, now: cx.now(), watermark: cx.watermark() };
        let held = residual.evaluate(&joined, pairs.len(), &time)?;
        let held = held.as_boolean_opt().ok_or_else(|| OperatorError::new("a join's condition is no boolean"))?;
        Ok(Some(truths(held).values().iter().collect()))
    }
}

impl<K: ColumnKey + std::hash::Hash + Eq> Operator for LookupOperator<K> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.load(cx)
    }

    fn process(&mut self, _: InputId, given: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let bare = given.clone().without_hashes();
        let input = Input::of(&bare)?;
        let nulls = super::null_keys(&input, &self.spec.left_keys)?;
        self.keys.read(&input)?;
        let (columns, times, kinds) = (input.all_columns()?, input.times(), input.kinds());
        let probe = Probe { columns: &columns, times: &times, kinds: kinds.as_deref() };
        let mut part = Part::default();
        for (row, key) in self.keys.keys().iter().enumerate() {
            let is_null = nulls.as_ref().is_some_and(|nulls| nulls[row]);
            let found = self.rows.get(key).filter(|_| !is_null).map(Vec::as_slice).unwrap_or_default();
            for &place in found {
                if part.pairs.len() == OUTPUT_ROWS {
                    self.give(&probe, &mut part, row as u32, true, cx)?;
                }
                part.pairs.push((row as u32, place));
            }
        }
        self.give(&probe, &mut part, input.rows() as u32, false, cx)
    }
}
