//! Streaming relational operators over columns: what SQL is lowered to.
//!
//! An operator takes column frames (rows with event times and kinds) and gives column frames; it is described by a plain spec that names
//! input columns by number. Scalar expressions are computed before it, by a [`Calc`]; who parses and plans is not known here.
//!
//! Invariants of every operator:
//! 1. For every prefix of its input, the fold of its output is the query over the fold of its input.
//! 2. The order of rows that it gives depends on the order of rows that it was given only, not on how they were cut into frames of one key.
//! 3. A row is in the output, in state, late (counted, and sent to [`LATE`]), or an error.

pub mod expression;
mod word;
mod row;
mod input;
mod key;
mod output;
mod sort_key;
mod refusal;
mod arena;
mod pending;
pub mod time_order;

pub mod calc;
pub mod assign_times;
pub mod shift_times;
pub mod union;
pub mod unnest;
pub mod repeat;
pub mod expand;
pub mod changelog_normalize;
pub mod aggregate;
pub mod local_aggregate;
pub mod window;
pub mod over;
pub mod join;
pub mod rank;
pub mod deduplicate;
pub mod sort_limit;
pub mod temporal_sort;
pub mod match_recognize;
#[cfg(test)]
mod testing;
mod golden;

use yeoul_operator::OutputId;

pub use aggregate::{AggregateCall, AggregateFunction, GroupAggregate};
pub use assign_times::AssignTimes;
pub use calc::{Calc, Projected};
pub use changelog_normalize::ChangelogNormalize;
pub use deduplicate::Deduplicate;
pub use expand::Expand;
pub use expression::{ColumnValue, EvaluationTime, Expression};
pub use join::{IntervalJoin, JoinKind, LookupJoin, RegularJoin, TemporalJoin, Uniqueness, WindowEndJoin, WindowJoin};
pub use key::HashColumns;
pub use local_aggregate::{LocalAggregate, Phases};
pub use match_recognize::{AfterMatch, MatchRecognize, Pattern, Pick, Reference};
pub use over::{OverAggregate, OverCall, OverFrame};
pub use rank::{Rank, RankStrategy};
pub use repeat::Repeat;
pub use shift_times::{Clock, STEADY, ShiftTimes};
pub use sort_key::SortKey;
pub use sort_limit::SortLimit;
pub use temporal_sort::TemporalSort;
pub use time_order::{OrderTime, TimeOrder, millis};
pub use union::Union;
pub use unnest::Unnest;
pub use window::{Window, WindowAggregate, WindowAssign, WindowProperty, WindowTime};

/// Where late rows go, as they came: every operator that can meet late rows has this output.
pub const LATE: OutputId = OutputId(1);
