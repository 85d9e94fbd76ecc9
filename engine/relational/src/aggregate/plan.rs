//! Which words the accumulators of some calls have, and what is done with them.
//!
//! Calls share words: `AVG(x)`, `SUM(x)` and `COUNT(x)` are one sum and one count.
//!
//! Invariants:
//! 1. Word 0 counts the group's rows: a group is there as long as it is not 0.
//! 2. A slot's value means something only if its feed's count is not 0; that of a multiset only if the multiset says that it has one.

use arrow_schema::{DataType, SchemaRef};
use yeoul_operator::OperatorError;

use super::{AggregateCall, AggregateFunction};
use crate::word::{Order, width};

/// The word that counts rows.
pub(crate) const ROWS: usize = 0;

/// Which rows a slot takes, and where they are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Feed {
    /// Rows with null in this column do not count.
    pub(crate) argument: Option<usize>,
    pub(crate) filter: Option<usize>,
    /// The column whose distinct values count once.
    pub(crate) distinct: Option<usize>,
    pub(crate) count: usize,
}

/// What a slot keeps of the values that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    SumInt,
    SumFloat,
    SumSquares,
    /// Three words: an `i128` that wraps around, and how often it did so upwards, less how often downwards.
    SumWide,
    Min(Order),
    Max(Order),
    /// Two words, as `i128`.
    MinWide,
    /// Two words, as `i128`.
    MaxWide,
    First,
    Last,
    /// Two words.
    FirstWide,
    /// Two words.
    LastWide,
    /// A text, `at` being its number among the texts.
    MinText,
    MaxText,
    FirstText,
    LastText,
    /// Texts with the n-th separator between.
    List(usize),
}

impl Keep {
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::MinText | Self::MaxText | Self::FirstText | Self::LastText | Self::List(_))
    }

    pub(crate) fn is_wide(self) -> bool {
        matches!(self, Self::SumWide | Self::MinWide | Self::MaxWide | Self::FirstWide | Self::LastWide)
    }

    fn is_sum(self) -> bool {
        matches!(self, Self::SumInt | Self::SumFloat | Self::SumSquares | Self::SumWide)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) keep: Keep,
    pub(crate) argument: usize,
    pub(crate) feed: usize,
    /// Its first word, or its text.
    pub(crate) at: usize,
    /// Values may be taken back, which needs all of them: the number of their multiset.
    pub(crate) ordered: Option<usize>,
    /// Of a multiset's value that is words: the word that says whether there is one.
    pub(crate) present: Option<usize>,
}

/// How a call's result comes of the words.
#[derive(Debug, Clone)]
pub(crate) enum Finish {
    Count { feed: usize },
    Value { slot: usize, zero: bool },
    Avg { slot: usize },
    Variance { sum: usize, squares: usize, sample: bool, root: bool },
}

/// What the calls of an operator come to.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) feeds: Vec<Feed>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) finishes: Vec<Finish>,
    pub(crate) results: Vec<DataType>,
    pub(crate) separators: Vec<String>,
    pub(crate) arguments: Vec<DataType>,
    /// The word that holds when the group was last written, with a time to live.
    pub(crate) since: Option<usize>,
    pub(crate) words: usize,
    pub(crate) texts: usize,
    pub(crate) multisets: usize,
    /// The words of a group without rows.
    pub(crate) initial: Vec<u64>,
    pub(crate) merges: Vec<Merge>,
    /// The words that are sums of floats.
    pub(crate) floats: Vec<usize>,
    pub(crate) retracting: bool,
}

/// How words of two accumulators become one's.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Merge {
    Add(usize),
    AddFloat(usize),
    AddWide(usize),
    Min(usize),
    Max(usize),
    MinWide(usize),
    MaxWide(usize),
    /// The word, how many follow it, and the count that says whether there is a value.
    First(usize, usize, usize),
    Last(usize, usize, usize),
    /// The later time.
    Since(usize),
}

impl Plan {
    /// # Errors
    /// A call over a type that it is not defined for.
    pub(crate) fn new(
        schema: &SchemaRef,
        calls: &[AggregateCall],
        retracting: bool,
        ttl: bool,
    ) -> Result<Self, OperatorError> {
        let rows = Feed { argument: None, filter: None, distinct: None, count: ROWS };
        let mut plan = Self {
            feeds: vec![rows],
            slots: vec![],
            finishes: vec![],
            results: calls.iter().map(|call| call.result.clone()).collect(),
            separators: vec![],
            arguments: schema.fields().iter().map(|field| field.data_type().clone()).collect(),
            since: None,
            words: 1,
            texts: 0,
            multisets: 0,
            initial: vec![],
            merges: vec![],
            floats: vec![],
            retracting,
        };
        if ttl {
            plan.since = Some(plan.word());
        }
        for call in calls {
            let finish = plan.add(schema, call)?;
            plan.finishes.push(finish);
        }
        plan.initial = vec![0; plan.words];
        for slot in &plan.slots {
            let (at, count) = (slot.at, plan.feeds[slot.feed].count);
            let merge = match slot.keep {
                Keep::SumInt => Merge::Add(at),
                Keep::SumFloat | Keep::SumSquares => {
                    plan.floats.push(at);
                    Merge::AddFloat(at)
                }
                Keep::SumWide => Merge::AddWide(at),
                Keep::Min(_) => {
                    plan.initial[at] = u64::MAX;
                    Merge::Min(at)
                }
                Keep::Max(_) => Merge::Max(at),
                Keep::MinWide => {
                    put_wide(&mut plan.initial, at, i128::MAX);
                    Merge::MinWide(at)
                }
                Keep::MaxWide => {
                    put_wide(&mut plan.initial, at, i128::MIN);
                    Merge::MaxWide(at)
                }
                Keep::First => Merge::First(at, 1, count),
                Keep::Last => Merge::Last(at, 1, count),
                Keep::FirstWide => Merge::First(at, 2, count),
                Keep::LastWide => Merge::Last(at, 2, count),
                _ => continue,
            };
            plan.merges.push(merge);
        }
        // Counts come last: the first and last value look at them as they were.
        plan.merges.extend(plan.feeds.iter().map(|feed| Merge::Add(feed.count)));
        plan.merges.extend(plan.since.map(Merge::Since));
        Ok(plan)
    }

    fn word(&mut self) -> usize {
        self.words += 1;
        self.words - 1
    }

    fn feed(&mut self, schema: &SchemaRef, call: &AggregateCall) -> usize {
        let argument = call.argument.filter(|&column| schema.field(column).is_nullable());
        // The least and the greatest value are the same over distinct values.
        let plain = matches!(call.function, AggregateFunction::Min | AggregateFunction::Max);
        let distinct = call.argument.filter(|_| call.distinct && !plain);
        let same = |feed: &Feed| (feed.argument, feed.filter, feed.distinct) == (argument, call.filter, distinct);
        if let Some(found) = self.feeds.iter().position(same) {
            return found;
        }
        let count = self.word();
        self.feeds.push(Feed { argument, filter: call.filter, distinct, count });
        self.feeds.len() - 1
    }

    fn slot(&mut self, keep: Keep, argument: usize, feed: usize) -> usize {
        let same = |slot: &Slot| (slot.keep, slot.argument, slot.feed) == (keep, argument, feed);
        if let Some(found) = self.slots.iter().position(same) {
            return found;
        }
        let at = match keep {
            _ if keep.is_text() => {
                self.texts += 1;
                self.texts - 1
            }
            Keep::SumWide => {
                self.words += 3;
                self.words - 3
            }
            _ if keep.is_wide() => {
                self.words += 2;
                self.words - 2
            }
            _ => self.word(),
        };
        let ordered = (self.retracting && !keep.is_sum()).then(|| {
            self.multisets += 1;
            self.multisets - 1
        });
        let present = ordered.filter(|_| !keep.is_text()).map(|_| self.word());
        self.slots.push(Slot { keep, argument, feed, at, ordered, present });
        self.slots.len() - 1
    }

    fn add(&mut self, schema: &SchemaRef, call: &AggregateCall) -> Result<Finish, OperatorError> {
        use AggregateFunction as F;
        let feed = self.feed(schema, call);
        let argument = match (&call.function, call.argument) {
            (F::CountStar, _) | (F::Count, Some(_)) => return self.count(call, feed),
            (_, Some(argument)) => argument,
            (_, None) => return Err(refused(call, "no argument")),
        };
        let data_type = schema.field(argument).data_type();
        let wide = matches!(data_type, DataType::Decimal128(..));
        let text = is_text(data_type);
        let word = width(data_type).is_some();
        let float = matches!(data_type, DataType::Float32 | DataType::Float64);
        let number = wide || float || data_type.is_integer();
        let order = Order::of(data_type);
        let pick = |if_word: Keep, if_wide: Keep, if_text: Keep| match () {
            () if word => Ok(if_word),
            () if wide => Ok(if_wide),
            () if text => Ok(if_text),
            () => Err(refused(call, &data_type.to_string())),
        };
        let sum = match (wide, float) {
            (true, _) => Keep::SumWide,
            (_, true) => Keep::SumFloat,
            _ => Keep::SumInt,
        };
        if matches!(call.function, F::Sum | F::Sum0 | F::Avg | F::StddevPop | F::StddevSamp | F::VarPop | F::VarSamp)
            && !number
        {
            return Err(refused(call, &data_type.to_string()));
        }
        let keep = match &call.function {
            F::Sum | F::Sum0 | F::Avg => sum,
            F::Min => pick(Keep::Min(order), Keep::MinWide, Keep::MinText)?,
            F::Max => pick(Keep::Max(order), Keep::MaxWide, Keep::MaxText)?,
            F::FirstValue => pick(Keep::First, Keep::FirstWide, Keep::FirstText)?,
            F::LastValue => pick(Keep::Last, Keep::LastWide, Keep::LastText)?,
            F::ListAgg { separator } if text => {
                self.separators.push(separator.clone());
                Keep::List(self.separators.len() - 1)
            }
            F::ListAgg { .. } => return Err(refused(call, &data_type.to_string())),
            F::Collect | F::ArrayAgg => {
                return Err(OperatorError::new(format!("{call} is not supported yet")).hint("LISTAGG gathers texts"));
            }
            F::Lag { .. } => {
                return Err(OperatorError::new(format!("{call} outside of OVER"))
                    .hint("write LAG(x, 1) OVER (PARTITION BY k ORDER BY t)"));
            }
            F::StddevPop | F::StddevSamp | F::VarPop | F::VarSamp => {
                let squares = self.slot(Keep::SumSquares, argument, feed);
                // The sum of squares is taken as floats, so the sum is too.
                let sum = self.slot(Keep::SumFloat, argument, feed);
                let sample = matches!(call.function, F::StddevSamp | F::VarSamp);
                let root = matches!(call.function, F::StddevPop | F::StddevSamp);
                if !call.result.is_numeric() || matches!(call.result, DataType::Decimal128(..)) {
                    return Err(refused(call, &format!("a result of {}", call.result)));
                }
                return Ok(Finish::Variance { sum, squares, sample, root });
            }
            F::CountStar | F::Count => unreachable!("counts have returned"),
        };
        let slot = self.slot(keep, argument, feed);
        if call.function == F::Avg {
            let fits = if wide {
                is_wide(&call.result)
            } else {
                call.result.is_floating() || call.result.is_integer() && !float
            };
            return if fits {
                Ok(Finish::Avg { slot })
            } else {
                Err(refused(call, &format!("a result of {}", call.result)))
            };
        }
        let summed = matches!(call.function, F::Sum | F::Sum0);
        let fits = if summed && !wide {
            call.result.is_floating() == float && width(&call.result).is_some()
        } else if wide {
            matches!((data_type, &call.result), (DataType::Decimal128(_, a), DataType::Decimal128(_, b)) if a == b)
        } else if matches!(keep, Keep::List(_)) {
            is_text(&call.result)
        } else {
            call.result == *data_type
        };
        if !fits {
            return Err(refused(call, &format!("a result of {} from {data_type}", call.result)));
        }
        Ok(Finish::Value { slot, zero: call.function == F::Sum0 })
    }

    fn count(&mut self, call: &AggregateCall, feed: usize) -> Result<Finish, OperatorError> {
        if call.result == DataType::Int64 {
            return Ok(Finish::Count { feed });
        }
        Err(refused(call, &format!("a result of {}", call.result)))
    }

    /// Sums of floats that [began](super::Folder::begin_floats) with what is held take its place.
    #[inline]
    pub(crate) fn empty_floats(&self, held: &mut [u64]) {
        self.floats.iter().for_each(|&word| held[word] = 0);
    }

    /// Merges the words that `from` gives into `into`.
    #[inline]
    pub(crate) fn merge(&self, into: &mut [u64], from: impl Fn(usize) -> u64) {
        for merge in &self.merges {
            match *merge {
                Merge::Add(at) => into[at] = into[at].wrapping_add(from(at)),
                Merge::AddFloat(at) => {
                    into[at] = (f64::from_bits(into[at]) + f64::from_bits(from(at))).to_bits();
                }
                Merge::AddWide(at) => {
                    let (sum, wraps) = add_wide(wide(|word| into[word], at), wide(&from, at));
                    put_wide(into, at, sum);
                    into[at + 2] = into[at + 2].wrapping_add(from(at + 2)).wrapping_add(wraps as u64);
                }
                Merge::Min(at) => into[at] = into[at].min(from(at)),
                Merge::Max(at) => into[at] = into[at].max(from(at)),
                Merge::MinWide(at) => {
                    let least = wide(|word| into[word], at).min(wide(&from, at));
                    put_wide(into, at, least);
                }
                Merge::MaxWide(at) => {
                    let greatest = wide(|word| into[word], at).max(wide(&from, at));
                    put_wide(into, at, greatest);
                }
                Merge::First(at, words, count) => {
                    if into[count] == 0 && from(count) != 0 {
                        (at..at + words).for_each(|word| into[word] = from(word));
                    }
                }
                Merge::Last(at, words, count) => {
                    if from(count) != 0 {
                        (at..at + words).for_each(|word| into[word] = from(word));
                    }
                }
                Merge::Since(at) => into[at] = into[at].max(from(at)),
            }
        }
    }
}

/// Two words as one number.
#[inline]
pub(crate) fn wide(word: impl Fn(usize) -> u64, at: usize) -> i128 {
    (u128::from(word(at)) | u128::from(word(at + 1)) << 64) as i128
}

/// A sum modulo 2¹²⁸, and 1 if it is past the greatest number, −1 if it is past the least.
#[inline]
pub(crate) fn add_wide(a: i128, b: i128) -> (i128, i64) {
    let (sum, wraps) = a.overflowing_add(b);
    (sum, if wraps { if b < 0 { -1 } else { 1 } } else { 0 })
}

#[inline]
pub(crate) fn put_wide(words: &mut [u64], at: usize, value: i128) {
    words[at] = value as u64;
    words[at + 1] = (value as u128 >> 64) as u64;
}

fn is_wide(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal128(..))
}

pub(crate) fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
    )
}

#[cold]
fn refused(call: &AggregateCall, what: &str) -> OperatorError {
    OperatorError::new(format!("{call} is not defined over {what}")).hint("cast the argument or the result")
}
