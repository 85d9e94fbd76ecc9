//! The columns of partial accumulators: what a [`LocalAggregate`](super::LocalAggregate) writes and the aggregate behind it reads.
//!
//! In this order: the keys; the pane, of windows; the accumulators' words; and for each column that has to be distinct, a value and the
//! set of feeds that count it. A group has as many rows as it has values of its richest distinct column, at least one. The words are in
//! its first row, those of the others say nothing.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use yeoul_frame::Frame;
use yeoul_operator::OperatorError;

use crate::aggregate::{Keep, Plan, Slot, Weights};
use crate::input::Input;

/// The most feeds over one column: each is a bit of a word.
const FEEDS: usize = 64;
/// What a schema's metadata says of partial rows: they come by the same way as rows of the input, so that neither overtakes the other.
const MARK: &str = "yeoul.partial";

/// Where the parts of a partial row are.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pane: Option<usize>,
    /// The column of the first word.
    words: usize,
    pub(super) sets: Vec<Set>,
}

/// A column whose distinct values count.
#[derive(Debug, Clone)]
pub(crate) struct Set {
    /// The argument.
    pub(super) argument: usize,
    /// A feed's bit is its place here.
    pub(super) feeds: Vec<usize>,
    /// The value's column; that of the bits follows it.
    value: usize,
}

impl Layout {
    /// None: what these calls keep cannot be kept in parts. Sums of floats depend on the order of all rows; texts and multisets are no
    /// words; where rows are taken back, whether a value is the first or the last of its kind cannot be told in parts; and of distinct
    /// values the order is lost.
    pub(crate) fn of(plan: &Plan, keys: usize, has_panes: bool) -> Option<Self> {
        let is_distinct = plan.feeds.iter().any(|feed| feed.distinct.is_some());
        let in_order = |keep: Keep| matches!(keep, Keep::First | Keep::FirstWide | Keep::Last | Keep::LastWide);
        // Windows with distinct values are folded across panes, of which some may go on as they came.
        let is_mixed = |slot: &Slot| is_distinct && (has_panes || plan.feeds[slot.feed].distinct.is_some());
        let loses_order = |slot: &Slot| in_order(slot.keep) && is_mixed(slot);
        if plan.texts > 0
            || plan.multisets > 0
            || !plan.floats.is_empty()
            || plan.retracting && is_distinct
            || plan.slots.iter().any(loses_order)
        {
            return None;
        }
        let pane = has_panes.then_some(keys);
        let words = keys + usize::from(has_panes);
        let mut sets: Vec<Set> = Vec::new();
        for (number, feed) in plan.feeds.iter().enumerate() {
            let Some(argument) = feed.distinct else { continue };
            match sets.iter_mut().find(|set| set.argument == argument) {
                Some(set) => set.feeds.push(number),
                None => {
                    let value = words + plan.words + 2 * sets.len();
                    sets.push(Set { argument, feeds: vec![number], value });
                }
            }
        }
        sets.iter().all(|set| set.feeds.len() <= FEEDS).then_some(Self { pane, words, sets })
    }

    /// The columns of partial rows, by these keys.
    pub(crate) fn schema(&self, plan: &Plan, input: &SchemaRef, keys: &[usize]) -> SchemaRef {
        let mut fields: Vec<Field> = keys.iter().map(|&key| input.field(key).clone()).collect();
        fields.extend(self.pane.map(|_| Field::new("$pane", DataType::Int64, false)));
        fields.extend((0..plan.words).map(|word| Field::new(format!("$w{word}"), DataType::UInt64, false)));
        for set in &self.sets {
            fields.push(input.field(set.argument).clone().with_nullable(true));
            fields.push(Field::new("$feeds", DataType::UInt64, false));
        }
        let mark = HashMap::from([(MARK.to_owned(), String::new())]);
        Arc::new(Schema::new_with_metadata(fields, mark))
    }

    /// Whether a frame's rows are partial ones.
    pub(crate) fn is_of(frame: &Frame) -> bool {
        frame.columns().is_some_and(|columns| columns.schema().metadata().contains_key(MARK))
    }

    /// The pane of a frame of partial rows: they are all of one.
    pub(crate) fn pane(&self, input: &Input<'_>) -> Result<i64, OperatorError> {
        let column = self.pane.ok_or_else(no_parts)?;
        let array = input.column(column)?;
        let panes = array.as_primitive_opt::<Int64Type>().ok_or_else(|| not_partial(&array))?;
        panes.values().first().copied().ok_or_else(no_parts)
    }

    /// The words of partial rows, a column each.
    pub(crate) fn words(&self, plan: &Plan, input: &Input<'_>) -> Result<Vec<ArrayRef>, OperatorError> {
        let columns = self.words..self.words + plan.words;
        columns.map(|column| input.column(column).and_then(checked)).collect()
    }

    /// Reads the distinct values of partial rows, and which feeds count them.
    pub(crate) fn read_distinct(
        &self,
        input: &Input<'_>,
        arrays: &mut [Option<ArrayRef>],
        weights: &mut [Weights],
    ) -> Result<(), OperatorError> {
        for set in &self.sets {
            arrays[set.argument] = Some(input.column(set.value)?);
            let bits = input.column(set.value + 1).and_then(checked)?;
            let bits = bits.as_primitive::<UInt64Type>().values();
            for (bit, &feed) in set.feeds.iter().enumerate() {
                weights[feed] = Some(bits.iter().map(|bits| i8::from(bits >> bit & 1 != 0)).collect());
            }
        }
        Ok(())
    }
}

fn checked(array: ArrayRef) -> Result<ArrayRef, OperatorError> {
    if array.data_type() == &DataType::UInt64 { Ok(array) } else { Err(not_partial(&array)) }
}

#[cold]
pub(super) fn no_parts() -> OperatorError {
    OperatorError::new("partial rows came to an aggregate that takes none").hint("this is a fault of the plan")
}

#[cold]
fn not_partial(array: &ArrayRef) -> OperatorError {
    OperatorError::new(format!("a column of {} where a partial accumulator has a word", array.data_type()))
        .hint("this is a fault of the plan: what feeds this input is no local aggregate of the same calls")
}
