//! Results of calls from accumulators, a call at a time over many groups.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BinaryViewArray, Decimal128Array, LargeBinaryArray, LargeStringArray, StringArray,
    StringViewArray,
};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use yeoul_operator::OperatorError;

use super::accumulators::TextValue;
use super::plan::{Finish, Keep, Plan, wide};
use crate::word::{Order, words_to_array};

/// Values beyond this many digits do not fit a decimal.
const MOST_DECIMAL: i128 = 10_i128.pow(38);

/// A call's results, by group.
#[derive(Debug)]
pub(crate) enum Finished {
    Words(Vec<u64>, Vec<bool>),
    Wide(Vec<i128>, Vec<bool>),
    Texts(Vec<TextValue>),
}

/// Which results go out, in order: the group, and whether it is the new one.
pub(crate) type Picks = [(u32, bool)];

impl Plan {
    /// The results of the `call`-th call over `groups` groups, whose words and texts are given by group and number.
    pub(crate) fn finish<'t>(
        &self,
        call: usize,
        groups: usize,
        word: impl Fn(usize, usize) -> u64,
        text: impl Fn(usize, usize) -> &'t TextValue,
    ) -> Finished {
        let result = &self.results[call];
        let count_of = |slot: usize| self.feeds[self.slots[slot].feed].count;
        match self.finishes[call] {
            Finish::Count { feed } => {
                let count = self.feeds[feed].count;
                Finished::Words((0..groups).map(|group| word(group, count)).collect(), vec![true; groups])
            }
            Finish::Value { slot, zero } => {
                let at = self.slots[slot].at;
                let said = self.slots[slot].present.unwrap_or(count_of(slot));
                let some = |group: usize| word(group, said) != 0;
                let valid = |group: usize| zero || some(group);
                let words = |convert: &dyn Fn(u64) -> u64| {
                    let value = |group| if some(group) { convert(word(group, at)) } else { 0 };
                    Finished::Words((0..groups).map(value).collect(), (0..groups).map(valid).collect())
                };
                match self.slots[slot].keep {
                    keep if keep.is_text() => {
                        let is_set = self.slots[slot].ordered.is_some();
                        let value = |group| if is_set || some(group) { text(group, at).clone() } else { None };
                        Finished::Texts((0..groups).map(value).collect())
                    }
                    keep if keep.is_wide() => {
                        let value = |group| {
                            if some(group) { wide(|part| word(group, part), at) } else { 0 }
                        };
                        let values: Vec<i128> = (0..groups).map(value).collect();
                        let wraps = |group: usize| self.slots[slot].keep == Keep::SumWide && word(group, at + 2) != 0;
                        let fits = |group: usize| {
                            valid(group) && !wraps(group) && values[group].unsigned_abs() < MOST_DECIMAL as u128
                        };
                        let valid = (0..groups).map(fits).collect();
                        Finished::Wide(values, valid)
                    }
                    Keep::SumFloat => words(&|bits| of_float(result, f64::from_bits(bits))),
                    Keep::Min(order) | Keep::Max(order) => words(&|rank| order.unrank(rank)),
                    // A sum wraps around at the width of its result.
                    Keep::SumInt => words(&|sum| wrapped(result, sum)),
                    _ => words(&|value| value),
                }
            }
            Finish::Avg { slot } => {
                let (at, count) = (self.slots[slot].at, count_of(slot));
                let valid: Vec<bool> = (0..groups).map(|group| word(group, count) != 0).collect();
                let n = |group| (word(group, count) as i64).max(1);
                match self.slots[slot].keep {
                    Keep::SumWide => self.average_of_decimals(slot, result, groups, valid, &word, n),
                    Keep::SumFloat => {
                        let value = |group| of_float(result, f64::from_bits(word(group, at)) / n(group) as f64);
                        Finished::Words((0..groups).map(value).collect(), valid)
                    }
                    _ if result.is_floating() => {
                        let value = |group| of_float(result, word(group, at) as i64 as f64 / n(group) as f64);
                        Finished::Words((0..groups).map(value).collect(), valid)
                    }
                    _ => {
                        let value = |group| (word(group, at) as i64).wrapping_div(n(group)) as u64;
                        Finished::Words((0..groups).map(value).collect(), valid)
                    }
                }
            }
            Finish::Variance { sum, squares, sample, root } => {
                let (sum, squares, count) = (self.slots[sum].at, self.slots[squares].at, count_of(sum));
                let least = if sample { 2 } else { 1 };
                let value = |group| {
                    let n = word(group, count) as i64 as f64;
                    let (sum, squares) = (f64::from_bits(word(group, sum)), f64::from_bits(word(group, squares)));
                    let over = if sample { n - 1.0 } else { n };
                    let variance = ((squares - sum * sum / n) / over).max(0.0);
                    let value = if root { variance.sqrt() } else { variance };
                    if n < f64::from(least) { 0 } else { of_float(result, value) }
                };
                let valid = |group| word(group, count) as i64 >= i64::from(least);
                Finished::Words((0..groups).map(value).collect(), (0..groups).map(valid).collect())
            }
        }
    }

    /// Rounded half up, at the scale of the result.
    fn average_of_decimals(
        &self,
        slot: usize,
        result: &DataType,
        groups: usize,
        mut valid: Vec<bool>,
        word: &impl Fn(usize, usize) -> u64,
        n: impl Fn(usize) -> i64,
    ) -> Finished {
        let slot = &self.slots[slot];
        let scale_of = |data_type: &DataType| match data_type {
            DataType::Decimal128(_, scale) => *scale,
            _ => 0,
        };
        let more = scale_of(result) - scale_of(&self.arguments[slot.argument]);
        let mut values = Vec::with_capacity(groups);
        for (group, valid) in valid.iter_mut().enumerate() {
            let sum = wide(|part| word(group, part), slot.at);
            let average = average(sum, i128::from(n(group)), more);
            *valid = *valid && word(group, slot.at + 2) == 0 && average.is_some();
            values.push(average.filter(|_| *valid).unwrap_or(0));
        }
        Finished::Wide(values, valid)
    }
}

/// A sum over a number of values, with so many more digits behind the point; none: it has more than 38.
fn average(sum: i128, n: i128, more: i8) -> Option<i128> {
    let below = if more < 0 { n.saturating_mul(10_i128.pow(u32::from(more.unsigned_abs()))) } else { n };
    let (mut quotient, mut rest) = (sum / below, sum % below);
    // Digit by digit: the sum with all of its digits may be too large where the average is not.
    for _ in 0..more.max(0) {
        rest *= 10;
        quotient = quotient.checked_mul(10)?.checked_add(rest / below)?;
        rest %= below;
    }
    let away = i128::from(rest.unsigned_abs() * 2 >= below.unsigned_abs()) * sum.signum();
    quotient.checked_add(away).filter(|average| average.unsigned_abs() < MOST_DECIMAL as u128)
}

impl Finished {
    /// Whether a group's old and new result are the same.
    #[inline]
    pub(crate) fn same(&self, other: &Self, group: usize) -> bool {
        match (self, other) {
            (Self::Words(a, valid_a), Self::Words(b, valid_b)) => {
                (valid_a[group], a[group]) == (valid_b[group], b[group])
            }
            (Self::Wide(a, valid_a), Self::Wide(b, valid_b)) => {
                (valid_a[group], a[group]) == (valid_b[group], b[group])
            }
            (Self::Texts(a), Self::Texts(b)) => a[group] == b[group],
            _ => unreachable!("results of one call"),
        }
    }

    /// The picked results as a column.
    pub(crate) fn pick(old: &Self, new: &Self, picks: &Picks, data_type: &DataType) -> Result<ArrayRef, OperatorError> {
        let of = |is_new: bool| if is_new { new } else { old };
        let nulls = |valid: &dyn Fn(u32, bool) -> bool| {
            let any = picks.iter().any(|&(group, is_new)| !valid(group, is_new));
            any.then(|| NullBuffer::from(picks.iter().map(|&(group, is_new)| valid(group, is_new)).collect::<Vec<_>>()))
        };
        Ok(match new {
            Self::Words(..) => {
                let parts = |is_new| match of(is_new) {
                    Self::Words(words, valid) => (&words[..], &valid[..]),
                    _ => unreachable!("results of one call"),
                };
                let (old, new) = (parts(false), parts(true));
                let part = |is_new| if is_new { new } else { old };
                let nulls = nulls(&|group, is_new| part(is_new).1[group as usize]);
                let words = picks.iter().map(|&(group, is_new)| part(is_new).0[group as usize]).collect();
                words_to_array(data_type, words, nulls)
            }
            Self::Wide(..) => {
                let parts = |is_new| match of(is_new) {
                    Self::Wide(values, valid) => (&values[..], &valid[..]),
                    _ => unreachable!("results of one call"),
                };
                let nulls = nulls(&|group, is_new| parts(is_new).1[group as usize]);
                let values: Vec<i128> = picks.iter().map(|&(group, is_new)| parts(is_new).0[group as usize]).collect();
                Arc::new(Decimal128Array::new(values.into(), nulls).with_data_type(data_type.clone()))
            }
            Self::Texts(_) => {
                let texts = picks.iter().map(|&(group, is_new)| match of(is_new) {
                    Self::Texts(texts) => texts[group as usize].as_deref(),
                    _ => unreachable!("results of one call"),
                });
                texts_to_array(data_type, texts)?
            }
        })
    }
}

/// A column of texts from their bytes.
fn texts_to_array<'t>(
    data_type: &DataType,
    texts: impl Iterator<Item = Option<&'t [u8]>>,
) -> Result<ArrayRef, OperatorError> {
    let invalid =
        |error| OperatorError::new("a text of state is not UTF-8; start from another checkpoint").caused_by(error);
    let strings = |texts: &mut dyn Iterator<Item = Option<&'t [u8]>>| {
        texts.map(|text| text.map(std::str::from_utf8).transpose()).collect::<Result<Vec<_>, _>>().map_err(invalid)
    };
    let mut texts = texts;
    Ok(match data_type {
        DataType::Utf8 => Arc::new(StringArray::from(strings(&mut texts)?)),
        DataType::LargeUtf8 => Arc::new(LargeStringArray::from(strings(&mut texts)?)),
        DataType::Utf8View => Arc::new(StringViewArray::from(strings(&mut texts)?)),
        DataType::Binary => Arc::new(BinaryArray::from(texts.collect::<Vec<_>>())),
        DataType::LargeBinary => Arc::new(LargeBinaryArray::from(texts.collect::<Vec<_>>())),
        DataType::BinaryView => Arc::new(BinaryViewArray::from(texts.collect::<Vec<_>>())),
        other => unreachable!("{other} is no text"),
    })
}

fn of_float(result: &DataType, value: f64) -> u64 {
    match result {
        DataType::Float32 => u64::from((value as f32).to_bits()),
        DataType::Float64 => value.to_bits(),
        // Integers, where a type rule says so: truncated.
        _ => value as i64 as u64,
    }
}

fn wrapped(result: &DataType, sum: u64) -> u64 {
    match result {
        DataType::Int8 => sum as i8 as u64,
        DataType::Int16 => sum as i16 as u64,
        DataType::Int32 => sum as i32 as u64,
        _ => sum,
    }
}

impl Order {
    /// The word of a rank; both zeros come back as the positive one.
    pub(crate) fn unrank(self, rank: u64) -> u64 {
        const TOP: u64 = 1 << 63;
        let float = || {
            f64::from_bits(if rank == u64::MAX {
                f64::NAN.to_bits()
            } else if rank & TOP != 0 {
                rank ^ TOP
            } else {
                !rank
            })
        };
        match self {
            Self::Unsigned => rank,
            Self::Signed => rank ^ TOP,
            Self::Float32 => u64::from((float() as f32).to_bits()),
            Self::Float64 => float().to_bits(),
        }
    }
}
