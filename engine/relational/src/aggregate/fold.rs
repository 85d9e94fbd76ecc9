//! Folds a frame's rows into partial words by group, a column at a time.
//!
//! A row's weight says how often it counts: 1, −1 where it is taken back, 0 where a filter or a null leaves it out. No weights at all is
//! the common case: every row counts once.

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, UInt64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use yeoul_frame::RowKind;
use yeoul_operator::OperatorError;

use super::accumulators::Accumulators;
use super::plan::{Feed, Keep, Plan, Slot, add_wide, put_wide, wide};
use crate::calc::truths;
use crate::input::Input;
use crate::local_aggregate::Layout;
use crate::word::read_words;

/// How often each row counts for a feed. None: once.
pub(crate) type Weights = Option<Vec<i8>>;

/// A frame's partial words.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    /// By feed, the first being that of all rows.
    pub(crate) weights: Vec<Weights>,
    /// By word, then by group.
    partial: Vec<u64>,
    groups: usize,
    /// What the next fold's sums of floats begin with: by word of [`Plan::floats`], then by group.
    begin: Vec<u64>,
    /// The frame's columns that calls read, by column.
    arrays: Vec<Option<ArrayRef>>,
    words: Vec<u64>,
    /// Of partial rows: their words, a column each.
    partials: Vec<ArrayRef>,
}

impl Folder {
    /// Reads what the calls need of a frame, and the weights of the feeds (but not yet what DISTINCT makes of them).
    pub(crate) fn read(&mut self, plan: &Plan, input: &Input<'_>) -> Result<(), OperatorError> {
        self.partials.clear();
        self.arrays.clear();
        self.arrays.resize(plan.arguments.len(), None);
        let mut read = |column: usize| -> Result<ArrayRef, OperatorError> {
            match &self.arrays[column] {
                Some(array) => Ok(array.clone()),
                None => Ok(self.arrays[column].insert(input.column(column)?).clone()),
            }
        };
        for slot in &plan.slots {
            read(slot.argument)?;
        }
        let signs: Weights = input.kinds().map(|kinds| kinds.iter().map(|kind| sign(*kind)).collect());
        if !plan.retracting && signs.iter().flatten().any(|sign| *sign < 0) {
            return Err(OperatorError::new("a row is taken back in a stream that the plan says only grows")
                .hint("this is a fault of the plan, or of a source that declares the wrong changelog mode"));
        }
        self.weights.clear();
        for feed in &plan.feeds {
            let mut weights = signs.clone();
            if let Some(column) = feed.filter {
                let array = read(column)?;
                let mask = array.as_boolean_opt().ok_or_else(|| {
                    OperatorError::new(format!("FILTER takes a column of {}, not a boolean", array.data_type()))
                })?;
                let mask = truths(mask);
                let weights = weights.get_or_insert_with(|| vec![1; input.rows()]);
                weights.iter_mut().zip(mask.values()).for_each(|(weight, keep)| *weight *= i8::from(keep));
            }
            if let Some(column) = feed.argument.or(feed.distinct) {
                let array = read(column)?;
                if let Some(nulls) = array.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
                    let weights = weights.get_or_insert_with(|| vec![1; input.rows()]);
                    weights.iter_mut().zip(nulls.iter()).for_each(|(weight, keep)| *weight *= i8::from(keep));
                }
            }
            self.weights.push(weights);
        }
        Ok(())
    }

    /// Reads partial rows. Their weights are those of distinct values only.
    pub(crate) fn read_partials(
        &mut self,
        plan: &Plan,
        layout: &Layout,
        input: &Input<'_>,
    ) -> Result<(), OperatorError> {
        self.arrays.clear();
        self.arrays.resize(plan.arguments.len(), None);
        self.weights.clear();
        self.weights.resize(plan.feeds.len(), None);
        layout.read_distinct(input, &mut self.arrays, &mut self.weights)?;
        self.partials = layout.words(plan, input)?;
        Ok(())
    }

    /// Whether each row is put in or taken back; none: all are put in.
    pub(crate) fn signs(&self) -> Option<&[i8]> {
        self.weights[0].as_deref()
    }

    /// Leaves rows out, for every feed. There are signs.
    pub(crate) fn leave_out(&mut self, rows: &[u32]) {
        for weights in self.weights.iter_mut().flatten() {
            rows.iter().for_each(|&row| weights[row as usize] = 0);
        }
    }

    /// Lets sums of floats begin with what is held of each group, so that rows are added to it one by one however frames are cut. Who
    /// merges them [empties](Plan::empty_floats) the held ones before.
    pub(crate) fn begin_floats<A: Accumulators>(
        &mut self,
        plan: &Plan,
        groups: usize,
        held: impl Fn(&mut dyn FnMut(usize, &A)),
    ) {
        if plan.floats.is_empty() {
            return;
        }
        self.begin.clear();
        self.begin.resize(plan.floats.len() * groups, 0);
        held(&mut |group, held| {
            for (number, &word) in plan.floats.iter().enumerate() {
                self.begin[number * groups + group] = held.words()[word];
            }
        });
    }

    /// A column that a call reads.
    pub(crate) fn array(&self, column: usize) -> &ArrayRef {
        self.arrays[column].as_ref().expect("a column that a call reads")
    }

    /// Folds the rows into partial words of `groups` groups. Texts and what is taken back from multisets are not its business.
    pub(crate) fn fold(&mut self, plan: &Plan, ids: &[u32], groups: usize) {
        self.groups = groups;
        self.partial.clear();
        for initial in &plan.initial {
            self.partial.resize(self.partial.len() + groups, *initial);
        }
        if !self.begin.is_empty() {
            for (word, begin) in plan.floats.iter().zip(self.begin.chunks(groups)) {
                self.partial[word * groups..][..groups].copy_from_slice(begin);
            }
            self.begin.clear();
        }
        let is_partial = !self.partials.is_empty();
        if is_partial {
            self.merge_partials(plan, ids);
        }
        // What is distinct is not in the words of partial rows: whether a value is new is known only here.
        let takes = |feed: &Feed| !is_partial || feed.distinct.is_some();
        for (feed, weights) in plan.feeds.iter().zip(&self.weights).filter(|(feed, _)| takes(feed)) {
            let counts = &mut self.partial[feed.count * groups..][..groups];
            match weights {
                None => ids.iter().for_each(|&id| counts[id as usize] = counts[id as usize].wrapping_add(1)),
                Some(weights) => ids.iter().zip(weights).for_each(|(&id, &weight)| {
                    counts[id as usize] = counts[id as usize].wrapping_add(i64::from(weight) as u64);
                }),
            }
        }
        let folds = |slot: &&Slot| slot.ordered.is_none() && !slot.keep.is_text() && takes(&plan.feeds[slot.feed]);
        for slot in plan.slots.iter().filter(folds) {
            self.fold_slot(slot, ids, groups);
        }
    }

    /// Merges the words of partial rows, by group.
    fn merge_partials(&mut self, plan: &Plan, ids: &[u32]) {
        let columns: Vec<&[u64]> =
            self.partials.iter().map(|column| &column.as_primitive::<UInt64Type>().values()[..]).collect();
        let merged = &mut self.words;
        merged.clear();
        (0..self.groups).for_each(|_| merged.extend_from_slice(&plan.initial));
        for (row, &id) in ids.iter().enumerate() {
            plan.merge(&mut merged[id as usize * plan.words..][..plan.words], |word| columns[word][row]);
        }
        for (group, merged) in merged.chunks(plan.words).enumerate() {
            for (word, merged) in merged.iter().enumerate() {
                self.partial[word * self.groups + group] = *merged;
            }
        }
    }

    fn fold_slot(&mut self, slot: &Slot, ids: &[u32], groups: usize) {
        let array = self.arrays[slot.argument].as_ref().expect("a column that a call reads");
        let weights = self.weights[slot.feed].as_deref();
        if slot.keep.is_wide() {
            let values = array.as_primitive::<Decimal128Type>().values();
            return fold_wide(slot, &mut self.partial, groups, ids, values, weights);
        }
        let words = &mut self.words;
        words.clear();
        let partial = &mut self.partial[slot.at * groups..][..groups];
        if matches!(slot.keep, Keep::SumFloat | Keep::SumSquares) {
            read_floats(array, words);
        } else {
            read_words(array, words);
        }
        match slot.keep {
            Keep::SumInt => match weights {
                None => ids.iter().zip(&*words).for_each(|(&id, &word)| {
                    partial[id as usize] = partial[id as usize].wrapping_add(word);
                }),
                Some(weights) => ids.iter().zip(&*words).zip(weights).for_each(|((&id, &word), &weight)| {
                    let word = word.wrapping_mul(i64::from(weight) as u64);
                    partial[id as usize] = partial[id as usize].wrapping_add(word);
                }),
            },
            Keep::SumFloat | Keep::SumSquares => {
                let square = slot.keep == Keep::SumSquares;
                each(ids, words, weights, |id, word, weight| {
                    let value = f64::from_bits(word);
                    let value = if square { value * value } else { value };
                    partial[id] = (f64::from_bits(partial[id]) + value * f64::from(weight)).to_bits();
                });
            }
            Keep::Min(order) => {
                each(ids, words, weights, |id, word, _| partial[id] = partial[id].min(order.rank(word)));
            }
            Keep::Max(order) => {
                each(ids, words, weights, |id, word, _| partial[id] = partial[id].max(order.rank(word)));
            }
            Keep::Last => each(ids, words, weights, |id, word, _| partial[id] = word),
            Keep::First => {
                for row in (0..ids.len()).rev() {
                    if weights.is_none_or(|weights| weights[row] != 0) {
                        partial[ids[row] as usize] = words[row];
                    }
                }
            }
            _ => unreachable!("wide values and texts are folded elsewhere"),
        }
    }

    /// Folds rows of which calls read nothing, each a group of its own.
    pub(crate) fn count(&mut self, plan: &Plan, rows: usize) {
        self.partials.clear();
        self.arrays.clear();
        self.arrays.resize(plan.arguments.len(), None);
        self.weights.clear();
        self.weights.resize(plan.feeds.len(), None);
        let ids: Vec<u32> = (0..rows as u32).collect();
        self.fold(plan, &ids, rows);
    }

    /// A group's partial word.
    #[inline(always)]
    pub(crate) fn partial(&self, word: usize, group: usize) -> u64 {
        self.partial[word * self.groups + group]
    }

    /// A word of every group's partial.
    pub(crate) fn word(&self, word: usize) -> &[u64] {
        &self.partial[word * self.groups..][..self.groups]
    }

    /// Sets a word of every group's partial.
    pub(crate) fn set(&mut self, word: usize, value: u64) {
        self.partial[word * self.groups..][..self.groups].fill(value);
    }
}

/// Rows that count, with their group, value and weight.
#[inline(always)]
fn each(ids: &[u32], words: &[u64], weights: Option<&[i8]>, mut act: impl FnMut(usize, u64, i8)) {
    match weights {
        None => ids.iter().zip(words).for_each(|(&id, &word)| act(id as usize, word, 1)),
        Some(weights) => {
            for ((&id, &word), &weight) in ids.iter().zip(words).zip(weights) {
                if weight != 0 {
                    act(id as usize, word, weight);
                }
            }
        }
    }
}

fn fold_wide(slot: &Slot, partial: &mut [u64], groups: usize, ids: &[u32], values: &[i128], weights: Option<&[i8]>) {
    let mut act = |row: usize| {
        let weight = weights.map_or(1, |weights| weights[row]);
        if weight == 0 {
            return;
        }
        let at = |word: usize| (slot.at + word) * groups + ids[row] as usize;
        let held = wide(|word| partial[at(word)], 0);
        let value = match slot.keep {
            Keep::SumWide => {
                let (sum, wraps) = add_wide(held, values[row].wrapping_mul(i128::from(weight)));
                partial[at(2)] = partial[at(2)].wrapping_add(wraps as u64);
                sum
            }
            Keep::MinWide => held.min(values[row]),
            Keep::MaxWide => held.max(values[row]),
            _ => values[row],
        };
        let mut words = [0; 2];
        put_wide(&mut words, 0, value);
        (partial[at(0)], partial[at(1)]) = (words[0], words[1]);
    };
    if slot.keep == Keep::FirstWide {
        (0..ids.len()).rev().for_each(&mut act);
    } else {
        (0..ids.len()).for_each(&mut act);
    }
}

/// Values as the bits of floats.
fn read_floats(array: &ArrayRef, out: &mut Vec<u64>) {
    if let DataType::Decimal128(_, scale) = array.data_type() {
        let unit = 10_f64.powi(i32::from(*scale));
        let values = array.as_primitive::<Decimal128Type>().values();
        return out.extend(values.iter().map(|&value| (value as f64 / unit).to_bits()));
    }
    read_words(array, out);
    let convert: fn(u64) -> f64 = match array.data_type() {
        DataType::Float64 => return,
        DataType::Float32 => |word| f64::from(f32::from_bits(word as u32)),
        _ if array.data_type().is_unsigned_integer() => |word| word as f64,
        _ => |word| word as i64 as f64,
    };
    out.iter_mut().for_each(|word| *word = convert(*word).to_bits());
}

fn sign(kind: RowKind) -> i8 {
    match kind {
        RowKind::Insert | RowKind::UpdateAfter => 1,
        RowKind::UpdateBefore | RowKind::Delete => -1,
    }
}
