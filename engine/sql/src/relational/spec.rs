//! What each relational operator is told: plain data, columns by index.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::{DataType, SchemaRef};

use super::expression::Expression;

/// One output column of a [`Calc`].
#[derive(Debug, Clone)]
pub enum Projected {
    /// An input column as it is.
    Column(usize),
    /// A computed one.
    Computed(Arc<dyn Expression>),
}

/// Keeps the rows for which `filter` is true, and computes the columns of `projection`.
#[derive(Debug, Clone)]
pub struct Calc {
    /// Which rows; all if none.
    pub filter: Option<Arc<dyn Expression>>,
    /// Which columns; the input's if none.
    pub projection: Option<Vec<Projected>>,
    /// The output.
    pub schema: SchemaRef,
}

/// Gives rows their event times, and makes watermarks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignTimes {
    /// The column of the event time.
    pub column: usize,
    /// How far the watermark is behind the greatest event time, in milliseconds.
    pub delay: i64,
}

/// An aggregate function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "SQL's own names")]
pub enum AggregateFunction {
    Count,
    CountStar,
    Sum,
    Sum0,
    Avg,
    Min,
    Max,
    FirstValue,
    LastValue,
    ListAgg { separator: String },
    Collect,
    ArrayAgg,
    StddevPop,
    StddevSamp,
    VarPop,
    VarSamp,
    Lag { offset: i64 },
}

/// A call of an aggregate function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AggregateCall {
    /// Which.
    pub function: AggregateFunction,
    /// The input column.
    pub argument: Option<usize>,
    /// A boolean column; rows where it is not true are left out.
    pub filter: Option<usize>,
    /// Whether equal values count once.
    pub distinct: bool,
    /// The type of the result.
    pub result: DataType,
}

/// Aggregates by key, with updates.
#[derive(Debug, Clone)]
pub struct GroupAggregate {
    /// The key.
    pub keys: Vec<usize>,
    /// What is computed.
    pub calls: Vec<AggregateCall>,
    /// The input.
    pub input_schema: SchemaRef,
    /// Whether the input takes rows back.
    pub retracting_input: bool,
    /// Whether UPDATE_BEFORE is sent.
    pub update_before: bool,
    /// How long an untouched key is kept.
    pub ttl: Option<Duration>,
    /// Keys, then calls.
    pub schema: SchemaRef,
}

/// How rows fall into windows; all lengths in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "SQL's own names")]
pub enum Window {
    Tumble { size: i64, offset: i64 },
    Hop { size: i64, slide: i64, offset: i64 },
    Cumulate { size: i64, step: i64, offset: i64 },
    Session { gap: i64 },
}

/// Which time a window is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WindowTime {
    /// The rows' event times.
    RowTime,
    /// The clock.
    ProcTime,
    /// Columns of the input hold the window's start and end.
    Windowed {
        /// The start's column.
        start: usize,
        /// The end's column.
        end: usize,
    },
}

/// A column that a window adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "SQL's own names")]
pub enum WindowProperty {
    Start,
    End,
    Time,
}

/// Aggregates by key and window, once a window is complete.
#[derive(Debug, Clone)]
pub struct WindowAggregate {
    /// How rows fall into windows.
    pub window: Window,
    /// Over which time.
    pub time: WindowTime,
    /// The key.
    pub keys: Vec<usize>,
    /// What is computed.
    pub calls: Vec<AggregateCall>,
    /// Columns of the window, after keys and calls.
    pub properties: Vec<WindowProperty>,
    /// Keys, calls, properties.
    pub schema: SchemaRef,
}

/// Adds window columns to rows, one row a window.
#[derive(Debug, Clone)]
pub struct WindowAssign {
    /// How rows fall into windows.
    pub window: Window,
    /// Over which time.
    pub time: WindowTime,
    /// The session's key.
    pub keys: Vec<usize>,
    /// The input, then start, end, time.
    pub schema: SchemaRef,
}

/// Which rows of a join survive without a partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "SQL's own names")]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    Semi,
    Anti,
}

/// What is known of the rows of one side of a join that have one join key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uniqueness {
    /// Nothing: rows are counted.
    None,
    /// They differ in these columns.
    HasKey(Vec<usize>),
    /// There is at most one.
    JoinKeyContainsUnique,
}

/// Joins two changelogs on equal keys.
#[derive(Debug, Clone)]
pub struct RegularJoin {
    /// Which rows survive alone.
    pub kind: JoinKind,
    /// The key's columns on the left.
    pub left_keys: Vec<usize>,
    /// The key's columns on the right, one for each on the left.
    pub right_keys: Vec<usize>,
    /// For each key column: whether NULL equals NULL.
    pub null_equals_null: bool,
    /// Whether an anti join's NULL key keeps a row out (NOT IN).
    pub null_aware: bool,
    /// What has to hold beside the keys, over left and right columns.
    pub residual: Option<Arc<dyn Expression>>,
    /// What is known of the left.
    pub left_unique: Uniqueness,
    /// What is known of the right.
    pub right_unique: Uniqueness,
    /// How long an untouched row of the left is kept.
    pub left_ttl: Option<Duration>,
    /// How long an untouched row of the right is kept.
    pub right_ttl: Option<Duration>,
    /// Whether UPDATE_BEFORE is sent.
    pub update_before: bool,
    /// Left columns, then right ones; left only for semi and anti.
    pub schema: SchemaRef,
}

/// Joins rows whose times are near each other.
#[derive(Debug, Clone)]
pub struct IntervalJoin {
    /// Which rows survive alone.
    pub kind: JoinKind,
    /// The key on the left.
    pub left_keys: Vec<usize>,
    /// The key on the right.
    pub right_keys: Vec<usize>,
    /// The left's event time.
    pub left_time: usize,
    /// The right's event time.
    pub right_time: usize,
    /// left time - right time is at least this.
    pub lower: i64,
    /// left time - right time is at most this.
    pub upper: i64,
    /// What has to hold besides.
    pub residual: Option<Arc<dyn Expression>>,
    /// Left columns, then right ones.
    pub schema: SchemaRef,
}

/// Joins a row with the version of a table as of the row's time.
#[derive(Debug, Clone)]
pub struct TemporalJoin {
    /// Inner or left.
    pub kind: JoinKind,
    /// The key on the left.
    pub left_keys: Vec<usize>,
    /// The key on the right.
    pub right_keys: Vec<usize>,
    /// The left's event time.
    pub left_time: usize,
    /// The right's event time.
    pub right_time: usize,
    /// The right's primary key.
    pub right_primary_key: Vec<usize>,
    /// What has to hold besides.
    pub residual: Option<Arc<dyn Expression>>,
    /// Left columns, then right ones.
    pub schema: SchemaRef,
}

/// Joins rows of the same window.
#[derive(Debug, Clone)]
pub struct WindowJoin {
    /// Which rows survive alone.
    pub kind: JoinKind,
    /// The key on the left, the window's start and end among it.
    pub left_keys: Vec<usize>,
    /// The key on the right.
    pub right_keys: Vec<usize>,
    /// The window's end on the left: when it is complete.
    pub left_end: usize,
    /// The window's end on the right.
    pub right_end: usize,
    /// What has to hold besides.
    pub residual: Option<Arc<dyn Expression>>,
    /// Left columns, then right ones.
    pub schema: SchemaRef,
}

/// A column to sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SortKey {
    /// Which column.
    pub column: usize,
    /// Whether the greatest comes first.
    pub descending: bool,
    /// Whether NULL comes first.
    pub nulls_first: bool,
}

/// How a top-n keeps up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RankStrategy {
    /// Rows come and never change.
    AppendOnly,
    /// Rows with one key get better only.
    Update {
        /// That key.
        upsert_key: Vec<usize>,
    },
    /// Rows are taken back.
    Retract,
}

/// The first rows of each partition, in an order.
#[derive(Debug, Clone)]
pub struct Rank {
    /// The partition.
    pub partition: Vec<usize>,
    /// The order.
    pub order: Vec<SortKey>,
    /// The first rank that is kept, from 1.
    pub from: u64,
    /// The last one.
    pub to: u64,
    /// Whether the rank is the last column of the output.
    pub rank_column: bool,
    /// How it keeps up.
    pub strategy: RankStrategy,
    /// The window's end, if ranks are within windows: when a partition is complete.
    pub window_end: Option<usize>,
    /// Whether UPDATE_BEFORE is sent.
    pub update_before: bool,
    /// How long an untouched partition is kept.
    pub ttl: Option<Duration>,
    /// The input, then the rank.
    pub schema: SchemaRef,
}

/// Which time orders rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeOrder {
    /// The rows' event times.
    RowTime,
    /// The order in which they come.
    ProcTime,
}

/// One row a key: the first or the last in time.
#[derive(Debug, Clone)]
pub struct Deduplicate {
    /// The key.
    pub keys: Vec<usize>,
    /// In which time.
    pub order: TimeOrder,
    /// Whether the first is kept, else the last.
    pub keep_first: bool,
    /// Whether UPDATE_BEFORE is sent.
    pub update_before: bool,
    /// How long an untouched key is kept.
    pub ttl: Option<Duration>,
}

/// Which rows before the current one a call over a window sees, the current one included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OverFrame {
    /// All before it in the order, with its peers.
    UnboundedRange,
    /// All before it in the order.
    UnboundedRows,
    /// So many rows before it.
    Rows {
        /// How many.
        preceding: u64,
    },
    /// Rows of so many milliseconds before it.
    Range {
        /// How many.
        preceding: i64,
    },
}

/// Aggregates over the rows before each row.
#[derive(Debug, Clone)]
pub struct OverAggregate {
    /// The partition.
    pub partition: Vec<usize>,
    /// The order within it.
    pub order: Vec<SortKey>,
    /// The time that the order is by; none if it is no time, then rows are ranked again as they change.
    pub time: Option<TimeOrder>,
    /// Which rows.
    pub frame: OverFrame,
    /// What is computed.
    pub calls: Vec<OverCall>,
    /// Whether the input takes rows back.
    pub retracting_input: bool,
    /// Whether UPDATE_BEFORE is sent.
    pub update_before: bool,
    /// The input, then calls.
    pub schema: SchemaRef,
}

/// A call over the rows before each row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OverCall {
    /// An aggregate.
    Aggregate(AggregateCall),
    /// The row's number.
    RowNumber,
    /// Its rank, with gaps.
    Rank,
    /// Its rank, without gaps.
    DenseRank,
}

/// Repeats rows once for each grouping set, with the columns that are not in it as NULL and the set's number last.
#[derive(Debug, Clone)]
pub struct Expand {
    /// For each set, which of `columns` are in it.
    pub sets: Vec<Vec<bool>>,
    /// The grouping columns.
    pub columns: Vec<usize>,
    /// The input, then the set's GROUPING_ID.
    pub schema: SchemaRef,
}

/// Turns upserts by key into a full changelog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangelogNormalize {
    /// The key.
    pub keys: Vec<usize>,
    /// Whether UPDATE_BEFORE is sent.
    pub update_before: bool,
}

/// The first rows of all, in an order.
#[derive(Debug, Clone)]
pub struct SortLimit {
    /// The order; any if empty.
    pub order: Vec<SortKey>,
    /// How many are skipped.
    pub offset: u64,
    /// How many are kept.
    pub limit: u64,
    /// Whether rows are taken back.
    pub retracting_input: bool,
    /// Whether UPDATE_BEFORE is sent.
    pub update_before: bool,
}

/// Orders rows by event time, then by other columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemporalSort {
    /// In which time.
    pub time: TimeOrder,
    /// What decides among equal times.
    pub order: Vec<SortKey>,
}

/// One row for each element of an array or map.
#[derive(Debug, Clone)]
pub struct Unnest {
    /// The column of the array or map.
    pub column: usize,
    /// Whether a row without elements is kept.
    pub keep_empty: bool,
    /// The output.
    pub schema: SchemaRef,
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset = |offset: &i64| if *offset == 0 { String::new() } else { format!(", offset {}", millis(*offset)) };
        match self {
            Self::Tumble { size, offset: by } => write!(f, "TUMBLE({}{})", millis(*size), offset(by)),
            Self::Hop { size, slide, offset: by } => {
                write!(f, "HOP(size {}, slide {}{})", millis(*size), millis(*slide), offset(by))
            }
            Self::Cumulate { size, step, offset: by } => {
                write!(f, "CUMULATE(size {}, step {}{})", millis(*size), millis(*step), offset(by))
            }
            Self::Session { gap } => write!(f, "SESSION(gap {})", millis(*gap)),
        }
    }
}

/// A length of time in its greatest whole unit.
#[must_use]
pub fn millis(length: i64) -> String {
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000)] {
        if length != 0 && length % size == 0 {
            return format!("{} {unit}", length / size);
        }
    }
    format!("{length} ms")
}

impl fmt::Display for AggregateCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.function {
            AggregateFunction::CountStar => return write!(f, "COUNT(*){}", filter_of(self.filter)),
            AggregateFunction::ListAgg { separator } => {
                return write!(
                    f,
                    "LISTAGG({}#{}, '{separator}')",
                    distinct_of(self.distinct),
                    self.argument.unwrap_or(0)
                );
            }
            AggregateFunction::Lag { offset } => return write!(f, "LAG(#{}, {offset})", self.argument.unwrap_or(0)),
            AggregateFunction::Count => "COUNT",
            AggregateFunction::Sum => "SUM",
            AggregateFunction::Sum0 => "SUM0",
            AggregateFunction::Avg => "AVG",
            AggregateFunction::Min => "MIN",
            AggregateFunction::Max => "MAX",
            AggregateFunction::FirstValue => "FIRST_VALUE",
            AggregateFunction::LastValue => "LAST_VALUE",
            AggregateFunction::Collect => "COLLECT",
            AggregateFunction::ArrayAgg => "ARRAY_AGG",
            AggregateFunction::StddevPop => "STDDEV_POP",
            AggregateFunction::StddevSamp => "STDDEV_SAMP",
            AggregateFunction::VarPop => "VAR_POP",
            AggregateFunction::VarSamp => "VAR_SAMP",
        };
        write!(f, "{name}({}#{}){}", distinct_of(self.distinct), self.argument.unwrap_or(0), filter_of(self.filter))
    }
}

fn distinct_of(distinct: bool) -> &'static str {
    if distinct { "DISTINCT " } else { "" }
}

fn filter_of(filter: Option<usize>) -> String {
    filter.map_or_else(String::new, |column| format!(" FILTER #{column}"))
}

impl fmt::Display for SortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.descending { "DESC" } else { "ASC" };
        let nulls = if self.nulls_first != self.descending {
            ""
        } else if self.nulls_first {
            " NULLS FIRST"
        } else {
            " NULLS LAST"
        };
        write!(f, "#{} {direction}{nulls}", self.column)
    }
}
