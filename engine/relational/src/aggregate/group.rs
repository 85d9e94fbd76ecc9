//! GROUP BY over a changelog.
//!
//! A frame is folded by key first; each key that it holds is then looked up once (twice if rows are taken back), and gives at most one
//! change. What takes a row back of which its group knows nothing, be it that it is forgotten or came before the first checkpoint, is left out.
//!
//! Invariants:
//! 1. A group is in the table if and only if the rows put in are more than those taken back (and its life is not over).
//! 2. What was given of a group is what its accumulators say: so the old row needs no keeping.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::UInt32Array;
use arrow_schema::{DataType, SchemaRef};
use yeoul_frame::{Frame, RowKind, Timestamp};
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError};
use yeoul_state::{StateTable, Table};

use super::accumulators::{Accumulators, TextValue};
use super::call::{columns, list};
use super::distinct::{Distincts, check};
use super::ordered::{Ordered, append};
use super::plan::{Keep, ROWS};
use super::{AggregateCall, Finished, Folder, Groups, Plan, by_accumulators};
use crate::input::{Input, gather};
use crate::key::{ColumnKey, KeyForm, by_key_form};
use crate::local_aggregate::{Intake, Layout};
use crate::output::{check_schema, emit, types_of};
use crate::row::{EncodedRows, RowCodec};

/// At least so many buckets are looked at after each frame (and one for each key in it) for groups whose life is over.
const SWEPT: usize = 16;

/// Aggregates by key, without end: each change of a group's result goes out.
#[derive(Debug, Clone)]
pub struct GroupAggregate {
    /// The group's columns; none: all rows are one group.
    pub keys: Vec<usize>,
    /// What is computed.
    pub calls: Vec<AggregateCall>,
    /// What comes in.
    pub input_schema: SchemaRef,
    /// Whether rows may be taken back.
    pub retracting_input: bool,
    /// Whether a change is sent with the row as it was.
    pub update_before: bool,
    /// A group that was not written for so long is forgotten.
    pub ttl: Option<Duration>,
    /// What comes out: the keys, then the results.
    pub schema: SchemaRef,
}

impl fmt::Display for GroupAggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupAggregate(groupBy=[{}], select=[{}]", columns(&self.keys), list(&self.calls))?;
        if let Some(ttl) = self.ttl {
            write!(f, ", ttl=[{} ms]", ttl.as_millis())?;
        }
        f.write_str(")")
    }
}

impl GroupAggregate {
    /// An instance.
    ///
    /// # Errors
    /// A call or key over a type for which there is none, or a schema that is not that of the results.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        let plan = Plan::new(&self.input_schema, &self.calls, self.retracting_input, self.ttl.is_some())?;
        check(&plan)?;
        let mut types = types_of(&self.input_schema, &self.keys);
        types.extend(plan.results.iter().cloned());
        check_schema("GroupAggregate", &self.schema, &types)?;
        let form = KeyForm::of(&self.input_schema, &self.keys);
        by_key_form!(form, K => by_accumulators!(plan, A => Ok(Box::new(GroupOperator::<K, A>::new(self, plan)?))))
    }
}

struct GroupOperator<K: ColumnKey, A: Accumulators> {
    spec: Arc<GroupAggregate>,
    plan: Plan,
    ttl: Option<i64>,
    intake: Intake<K>,
    groups: Groups<K>,
    folder: Folder,
    table: Option<Table<K, A>>,
    distincts: Option<Distincts<K>>,
    ordered: Option<Ordered<K>>,
    /// Words and texts of the frame's groups as they were and as they are, group by group.
    old: (Vec<u64>, Vec<TextValue>),
    new: (Vec<u64>, Vec<TextValue>),
}

impl<K: ColumnKey, A: Accumulators> GroupOperator<K, A> {
    fn new(spec: Arc<GroupAggregate>, plan: Plan) -> Result<Self, OperatorError> {
        Ok(Self {
            intake: Intake::new(&plan, &spec.input_schema, &spec.keys, false)?,
            ttl: spec.ttl.map(|ttl| (ttl.as_millis() as i64).max(1)),
            spec,
            plan,
            groups: Groups::new(),
            folder: Folder::default(),
            table: None,
            distincts: None,
            ordered: None,
            old: Default::default(),
            new: Default::default(),
        })
    }
}

impl<K: ColumnKey, A: Accumulators> Operator for GroupOperator<K, A> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.table = Some(Table::new(cx.operator.table("groups"), "groups"));
        self.distincts = Some(Distincts::new(&self.plan, cx.operator, self.ttl)?);
        self.ordered = (self.plan.multisets > 0).then(|| Ordered::new(&self.plan, cx.operator));
        Ok(())
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let Self { plan, ttl, intake, groups, folder, old, new, .. } = self;
        let table = self.table.as_mut().expect("an operator is opened before its first frame");
        let distincts = self.distincts.as_mut().expect("an operator is opened before its first frame");
        let input = Input::of(frame)?;
        let now = cx.now();
        let keys = intake.read(plan, folder, frame, &input)?;
        groups.group(keys.keys(), keys.hashes());
        let is_over = |words: &[u64]| match (plan.since, *ttl) {
            (Some(since), Some(ttl)) => words[ROWS] != 0 && (words[since] as i64).saturating_add(ttl) <= now.0,
            _ => false,
        };
        let takes_back = folder.signs().is_some_and(|signs| signs.iter().any(|sign| *sign < 0));
        if takes_back || self.ordered.is_some() && ttl.is_some() {
            let mut counts: Vec<i64> = Vec::with_capacity(groups.len());
            table.get_batch(&groups.keys, &groups.hashes, |group, held| {
                let is_over = held.is_some_and(|held| is_over(held.words()));
                if let Some(ordered) = self.ordered.as_mut().filter(|_| is_over) {
                    ordered.clear(&groups.keys[group], groups.hashes[group]);
                }
                counts.push(held.filter(|_| !is_over).map_or(0, |held| held.words()[ROWS] as i64));
            });
            if takes_back {
                let unknown = unknown(folder.signs().unwrap_or_default(), &groups.ids, counts);
                folder.leave_out(&unknown);
            }
        }
        let mut weights = std::mem::take(&mut folder.weights);
        distincts.weigh(0, keys.keys(), keys.hashes(), |column| folder.array(column).clone(), &mut weights, now)?;
        folder.weights = weights;
        folder.begin_floats(plan, groups.len(), |begin| {
            table.get_batch(&groups.keys, &groups.hashes, |group, held: Option<&A>| {
                if let Some(held) = held.filter(|held| !is_over(held.words())) {
                    begin(group, held);
                }
            });
        });
        folder.fold(plan, &groups.ids, groups.len());
        if let Some(since) = plan.since {
            folder.set(since, now.0 as u64);
        }
        let texts = TextRows::read(plan, folder, &groups.ids, groups.len())?;
        if let Some(ordered) = &mut self.ordered {
            ordered.apply(plan, keys.keys(), keys.hashes(), folder)?;
        }

        for held in [&mut *old, &mut *new] {
            held.0.clear();
            held.1.clear();
        }
        let ordered = &mut self.ordered;
        table.upsert_batch(
            &groups.keys,
            &groups.hashes,
            || A::fresh(plan),
            |group, held| {
                if is_over(held.words()) {
                    *held = A::fresh(plan);
                }
                old.0.extend_from_slice(&held.words()[..plan.words]);
                old.1.extend_from_slice(held.texts());
                plan.empty_floats(held.words_mut());
                plan.merge(held.words_mut(), |word| folder.partial(word, group));
                if let Some(texts) = &texts {
                    texts.merge(plan, group, held);
                }
                if let Some(ordered) = ordered {
                    ordered.settle(plan, &groups.keys[group], groups.hashes[group], held);
                }
                debug_assert!(held.words()[ROWS] as i64 >= 0, "what takes back what is not known is left out");
                new.0.extend_from_slice(&held.words()[..plan.words]);
                new.1.extend_from_slice(held.texts());
            },
        );
        if plan.retracting {
            for group in 0..groups.len() {
                if new.0[group * plan.words + ROWS] == 0 {
                    table.remove(&groups.keys[group], groups.hashes[group]);
                    if let Some(ordered) = ordered {
                        ordered.clear(&groups.keys[group], groups.hashes[group]);
                    }
                }
            }
        }
        if ttl.is_some() {
            let mut swept: Vec<K> = Vec::new();
            table.sweep(SWEPT.max(groups.len()), |key, held| {
                let is_over = is_over(held.words());
                if is_over && ordered.is_some() {
                    swept.push(key.clone());
                }
                is_over
            });
            if let Some(ordered) = ordered {
                swept.iter().for_each(|key| ordered.clear(key, key.hash()));
            }
        }
        let keys = if Layout::is_of(frame) { (0..self.spec.keys.len()).collect() } else { self.spec.keys.clone() };
        self.give(&input, &keys, cx)
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        if let Some(table) = &mut self.table {
            visit(table);
        }
        if let Some(distincts) = &mut self.distincts {
            distincts.tables(visit);
        }
        if let Some(ordered) = &mut self.ordered {
            ordered.tables(visit);
        }
    }
}

/// The rows that take back what their group does not have, the groups having so many rows before the frame.
fn unknown(signs: &[i8], ids: &[u32], mut counts: Vec<i64>) -> Vec<u32> {
    let mut rows = Vec::new();
    for (row, (&sign, &id)) in signs.iter().zip(ids).enumerate() {
        let count = &mut counts[id as usize];
        if sign < 0 && *count == 0 {
            rows.push(row as u32);
        } else {
            *count += i64::from(sign);
        }
    }
    rows
}

impl<K: ColumnKey, A: Accumulators> GroupOperator<K, A> {
    /// Gives the frame's changes; these are its columns of keys.
    fn give(&self, input: &Input<'_>, keys: &[usize], cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let (plan, count) = (&self.plan, self.groups.len());
        let finished = |held: &(Vec<u64>, Vec<TextValue>)| -> Vec<Finished> {
            let word = |group: usize, word: usize| held.0[group * plan.words + word];
            // SQL texts: no text where there is none.
            let call = |call| plan.finish(call, count, word, |group, text| &held.1[group * plan.texts + text]);
            (0..plan.finishes.len()).map(call).collect()
        };
        let (before, after) = (finished(&self.old), finished(&self.new));
        let mut picks: Vec<(u32, bool)> = Vec::with_capacity(2 * count);
        let mut kinds = Vec::with_capacity(2 * count);
        for group in 0..count {
            let was = self.old.0[group * plan.words + ROWS] != 0;
            let is = self.new.0[group * plan.words + ROWS] != 0;
            let mut pick = |is_new, kind| {
                picks.push((group as u32, is_new));
                kinds.push(kind);
            };
            match (was, is) {
                (false, true) => pick(true, RowKind::Insert),
                (true, false) => pick(false, RowKind::Delete),
                (false, false) => {}
                (true, true) => {
                    let same = before.iter().zip(&after).all(|(before, after)| before.same(after, group));
                    // With a time to live, what comes after must learn that the group lives.
                    if same && self.ttl.is_none() {
                        continue;
                    }
                    if self.spec.update_before {
                        pick(false, RowKind::UpdateBefore);
                    }
                    pick(true, RowKind::UpdateAfter);
                }
            }
        }
        if picks.is_empty() {
            return Ok(());
        }
        let first = |&(group, _): &(u32, bool)| self.groups.first[group as usize];
        let rows = UInt32Array::from(picks.iter().map(first).collect::<Vec<_>>());
        let mut arrays = Vec::with_capacity(self.spec.schema.fields().len());
        for &key in keys {
            arrays.push(gather(&input.column(key)?, &rows)?);
        }
        for (call, (before, after)) in before.iter().zip(&after).enumerate() {
            arrays.push(Finished::pick(before, after, &picks, &plan.results[call])?);
        }
        let times = input.times();
        let times: Vec<Timestamp> = rows.values().iter().map(|&row| times[row as usize]).collect();
        emit(cx, &self.spec.schema, arrays, times, kinds)
    }
}

/// The texts of a frame's rows, by group, in the order of arrival.
pub(crate) struct TextRows {
    slots: Vec<(usize, EncodedRows)>,
    /// By group, its rows.
    starts: Vec<u32>,
    rows: Vec<u32>,
    weights: Vec<Option<Vec<i8>>>,
}

impl TextRows {
    /// None: no call keeps texts (or they are kept by multisets).
    pub(crate) fn read(
        plan: &Plan,
        folder: &Folder,
        ids: &[u32],
        groups: usize,
    ) -> Result<Option<Self>, OperatorError> {
        let kept = plan.slots.iter().enumerate().filter(|(_, slot)| slot.keep.is_text() && slot.ordered.is_none());
        let mut slots = Vec::new();
        let mut weights = Vec::new();
        for (number, slot) in kept {
            let array = folder.array(slot.argument);
            let mut rows = EncodedRows::default();
            let data_type: DataType = array.data_type().clone();
            RowCodec::new([data_type])?.encode(std::slice::from_ref(array), ids.len(), &mut rows)?;
            slots.push((number, rows));
            weights.push(folder.weights[slot.feed].clone());
        }
        if slots.is_empty() {
            return Ok(None);
        }
        let mut starts = vec![0_u32; groups + 1];
        ids.iter().for_each(|&id| starts[id as usize + 1] += 1);
        for group in 0..groups {
            starts[group + 1] += starts[group];
        }
        let mut next = starts.clone();
        let mut rows = vec![0; ids.len()];
        for (row, &id) in ids.iter().enumerate() {
            rows[next[id as usize] as usize] = row as u32;
            next[id as usize] += 1;
        }
        Ok(Some(Self { slots, starts, rows, weights }))
    }

    /// Merges a group's texts into its accumulators.
    pub(crate) fn merge<A: Accumulators>(&self, plan: &Plan, group: usize, held: &mut A) {
        let rows = &self.rows[self.starts[group] as usize..self.starts[group + 1] as usize];
        for ((number, encoded), weights) in self.slots.iter().zip(&self.weights) {
            let slot = &plan.slots[*number];
            let text = &mut held.texts_mut()[slot.at];
            for &row in rows {
                if weights.as_ref().is_none_or(|weights| weights[row as usize] != 0) {
                    // A text stands behind the byte of nulls.
                    merge_text(slot.keep, text, &encoded.row(row as usize)[1..], plan);
                }
            }
        }
    }
}

/// Merges one text into another.
pub(crate) fn merge_text(keep: Keep, held: &mut TextValue, value: &[u8], plan: &Plan) {
    let takes = match keep {
        Keep::MinText => held.as_deref().is_none_or(|held| value < held),
        Keep::MaxText => held.as_deref().is_none_or(|held| value > held),
        Keep::FirstText => held.is_none(),
        Keep::LastText => true,
        Keep::List(separator) => {
            let mut list = held.take().map(Vec::from);
            append(&mut list, value, plan.separators[separator].as_bytes());
            *held = list.map(Vec::into_boxed_slice);
            return;
        }
        _ => unreachable!("words are merged elsewhere"),
    };
    if takes {
        *held = Some(value.into());
    }
}
