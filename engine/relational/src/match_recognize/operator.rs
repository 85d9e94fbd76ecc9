//! The operator of MATCH_RECOGNIZE: sorts the rows of each partition by time, and sends them through the automaton.
//!
//! Invariants:
//! 1. A row is seen once the watermark has reached its time, after all of its partition that are earlier; in processing time, as it comes.
//! 2. A partition of which something is to be done at a time has a timer at it.

use std::sync::Arc;

use arrow_array::BooleanArray;
use arrow_array::cast::AsArray;
use yeoul_frame::{Frame, KeyHash, Timestamp};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError, Progress};
use yeoul_state::{StateTable, Table, Timers};

use super::MatchRecognize;
use super::automaton::{Automaton, Match, Test};
use super::partition::{Held, Partition, Rows};
use super::references::{Chosen, References};
use crate::assign_times::event_times;
use crate::calc::truths;
use crate::expression::EvaluationTime;
use crate::input::Input;
use crate::key::{ColumnKey, KeyForm, KeyReader, by_key_form};
use crate::output::{OUTPUT_ROWS, emit, emit_late};
use crate::row::EncodedRows;
use crate::time_order::OrderTime;

impl MatchRecognize {
    /// An instance.
    ///
    /// # Errors
    /// A pattern that is never complete or may match nothing, columns that cannot be kept.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        let form = KeyForm::of(&self.input_schema, &self.partition);
        by_key_form!(form, K => Ok(Box::new(MatchOperator::<K> {
            keys: KeyReader::new(&self.input_schema, &self.partition)?,
            automaton: Automaton::new(&self)?,
            references: References::new(&self)?,
            rows: EncodedRows::default(),
            state: None,
            found: Vec::new(),
            spec: self,
        })))
    }
}

struct MatchOperator<K: ColumnKey> {
    spec: Arc<MatchRecognize>,
    keys: KeyReader<K>,
    automaton: Automaton,
    references: References,
    rows: EncodedRows,
    state: Option<(Table<K, Partition>, Timers<K>)>,
    /// Matches that are not given yet.
    found: Vec<Found<K>>,
}

/// A match with its rows.
struct Found<K> {
    key: K,
    rows: Vec<Box<[u8]>>,
    variables: Vec<u16>,
    /// Of the last row.
    time: i64,
}

impl<K: ColumnKey> MatchOperator<K> {
    fn in_event_time(&self) -> bool {
        matches!(self.spec.order, OrderTime::RowTime(_))
    }

    /// Does for one partition what is to be done at `time`: sees the rows up to it, ends the runs that are too long.
    fn advance(&mut self, key: &K, hash: KeyHash, time: i64, cx: &Context<'_>) -> Result<(), OperatorError> {
        let (table, timers) = self.state.as_mut().expect("an operator is opened before its first frame");
        let Some(partition) = table.get_mut(key, hash) else { return Ok(()) };
        let count = partition.due(time).count();
        let local = local(&self.spec, &self.references, partition, time, cx)?;
        for at in 0..count {
            let (place, row_time) = (partition.next(), partition.next_time().unwrap_or(time));
            let (rows, runs) = partition.parts();
            let mut fits = |test: &Test<'_>| match (
                &self.spec.variables[usize::from(test.variable)].1,
                &local[usize::from(test.variable)],
            ) {
                (None, _) => Ok(true),
                (_, Some(known)) => Ok(known.value(at)),
                (Some(_), None) => {
                    holds(&self.spec, &self.references, rows, test, row_time, (place - test.start) as usize, cx)
                }
            };
            let mut given = Vec::new();
            self.automaton.step(runs, place, row_time, &mut fits, &mut given)?;
            self.found.extend(given.into_iter().map(|given| with_rows(key, given, rows)));
            partition.saw();
        }
        let (rows, runs) = partition.parts();
        let mut given = Vec::new();
        self.automaton.expire(runs, time, &mut given)?;
        self.found.extend(given.into_iter().map(|given| with_rows(key, given, rows)));
        partition.prune();
        let expiry = self.automaton.expiry(&partition.runs);
        let next = partition.next_time().into_iter().chain(expiry).min();
        if partition.is_empty() {
            table.remove(key, hash);
        } else if let Some(next) = next {
            timers.register(key, hash, 0, Timestamp(next));
        }
        Ok(())
    }

    /// Sends the measures of the matches found.
    fn give(&mut self, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        for found in std::mem::take(&mut self.found).chunks(OUTPUT_ROWS) {
            let mut arrays = self.keys.columns_of(found.iter().map(|found| &found.key))?;
            arrays.truncate(self.spec.partition.len());
            let chosen: Vec<Chosen<'_>> = found
                .iter()
                .map(|found| Chosen {
                    rows: found.rows.iter().map(AsRef::as_ref).collect(),
                    variables: found.variables.clone(),
                })
                .collect();
            let times: Vec<Timestamp> = found.iter().map(|found| Timestamp(found.time)).collect();
            let time = EvaluationTime { times: &times, now: cx.now(), watermark: cx.watermark() };
            for measure in &self.spec.measures {
                let input = self.references.of(measure.columns(), &chosen)?;
                arrays.push(measure.evaluate(&input, found.len(), &time)?);
            }
            emit(cx, &self.spec.schema, arrays, times.clone(), Vec::new())?;
        }
        Ok(())
    }

    fn advance_all(&mut self, time: i64, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        loop {
            let (_, timers) = self.state.as_mut().expect("an operator is opened before its first watermark");
            let Some(timer) = timers.pop_due(Timestamp(time)) else { break };
            self.advance(&timer.key, timer.hash, time, cx)?;
            if self.found.len() >= OUTPUT_ROWS {
                self.give(cx)?;
                if !cx.has_room() {
                    return Ok(Progress::More);
                }
            }
        }
        self.give(cx)?;
        Ok(Progress::Done)
    }
}

fn with_rows<K: Clone>(key: &K, given: Match, rows: Rows<'_>) -> Found<K> {
    let mut time = i64::MIN;
    let bytes = |row: &Held| {
        time = row.time;
        row.bytes.clone()
    };
    let rows = rows.from(given.start, given.variables.len()).map(bytes).collect();
    Found { key: key.clone(), rows, variables: given.variables, time }
}

/// The conditions that look at the row under test only, for all rows that are due.
fn local(
    spec: &MatchRecognize,
    references: &References,
    partition: &Partition,
    until: i64,
    cx: &Context<'_>,
) -> Result<Vec<Option<BooleanArray>>, OperatorError> {
    let rows: Vec<&[u8]> = partition.due(until).map(|row| &*row.bytes).collect();
    let times: Vec<Timestamp> = partition.due(until).map(|row| Timestamp(row.time)).collect();
    let time = EvaluationTime { times: &times, now: cx.now(), watermark: cx.watermark() };
    let mut all = Vec::with_capacity(spec.variables.len());
    for (variable, (name, condition)) in spec.variables.iter().enumerate() {
        let condition = condition.as_ref().filter(|condition| references.is_local(condition.columns(), variable));
        all.push(match condition {
            Some(condition) if !rows.is_empty() => {
                let input = references.of_rows(condition.columns(), &rows)?;
                Some(mask(name, &condition.evaluate(&input, rows.len(), &time)?)?)
            }
            _ => None,
        });
    }
    Ok(all)
}

/// Whether the row after those of a run fits a variable whose condition looks at them too.
fn holds(
    spec: &MatchRecognize,
    references: &References,
    rows: Rows<'_>,
    test: &Test<'_>,
    time: i64,
    before: usize,
    cx: &Context<'_>,
) -> Result<bool, OperatorError> {
    let (name, condition) = &spec.variables[usize::from(test.variable)];
    let Some(condition) = condition else { return Ok(true) };
    let variables = test.variables.iter().copied().chain([test.variable]).collect();
    let chosen = Chosen { rows: rows.from(test.start, before + 1).map(|row| &*row.bytes).collect(), variables };
    let times = [Timestamp(time)];
    let time = EvaluationTime { times: &times, now: cx.now(), watermark: cx.watermark() };
    let input = references.of(condition.columns(), &[chosen])?;
    Ok(mask(name, &condition.evaluate(&input, 1, &time)?)?.value(0))
}

fn mask(name: &str, values: &arrow_array::ArrayRef) -> Result<BooleanArray, OperatorError> {
    let booleans = values.as_boolean_opt().ok_or_else(|| {
        OperatorError::new(format!("the condition of {name} gives {} where a boolean is needed", values.data_type()))
    })?;
    Ok(truths(booleans))
}

impl<K: ColumnKey> Operator for MatchOperator<K> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let partitions = Table::new(cx.operator.table("partitions"), "partitions");
        self.state = Some((partitions, Timers::new(cx.operator.table("partition timers"), "partition timers")));
        Ok(())
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let input = Input::of(frame)?;
        if input.kinds().is_some_and(|kinds| kinds.iter().any(|kind| *kind != yeoul_frame::RowKind::Insert)) {
            return Err(OperatorError::new("MATCH_RECOGNIZE was given a row that changes another")
                .hint("match over a table whose rows only come in"));
        }
        let in_event_time = self.in_event_time();
        let times = match self.spec.order {
            OrderTime::RowTime(column) => event_times(&input.column(column)?)?,
            OrderTime::ProcTime => vec![cx.now(); input.rows()],
        };
        self.references.codec().encode(&input.all_columns()?, input.rows(), &mut self.rows)?;
        self.keys.read(&input)?;
        let (table, timers) = self.state.as_mut().expect("an operator is opened before its first frame");
        let (keys, hashes, rows) = (self.keys.keys(), self.keys.hashes(), &self.rows);
        let (mut late, mut came) = (Vec::new(), Vec::new());
        let watermark = cx.watermark();
        for (at, time) in times.iter().enumerate() {
            let (key, hash) = (&keys[at], hashes[at]);
            let is_past = || table.get(key, hash).is_some_and(|partition| partition.is_past(time.0));
            if in_event_time && (*time <= watermark || is_past()) {
                late.push(input.row(at));
                continue;
            }
            let partition = table.upsert(key, hash, Partition::new);
            // In processing time the clock may have gone back over a restart.
            let time = time.0.max(partition.last());
            let is_next = partition.add(time, rows.row(at));
            if !in_event_time {
                came.push((key.clone(), hash, time));
            } else if is_next {
                timers.register(key, hash, 0, Timestamp(time));
            }
        }
        emit_late(cx, frame, &late);
        for (key, hash, time) in came {
            self.advance(&key, hash, time, cx)?;
        }
        self.give(cx)
    }

    fn on_watermark(&mut self, watermark: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        if self.in_event_time() { self.advance_all(watermark.0, cx) } else { Ok(Progress::Done) }
    }

    fn next_processing_time(&self) -> Option<Timestamp> {
        let (_, timers) = self.state.as_ref()?;
        if self.in_event_time() { None } else { timers.next_time() }
    }

    fn on_processing_time(&mut self, now: Timestamp, cx: &mut Context<'_>) -> Result<Progress, OperatorError> {
        self.advance_all(now.0, cx)
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        if let Some((partitions, timers)) = &mut self.state {
            visit(partitions);
            visit(timers);
        }
    }
}
