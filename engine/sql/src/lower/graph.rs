//! The plan of a job: operators' specifications, what they read, and what flows between them.
//!
//! A graph rather than a tree: what two parts of a job have in common stands in it once. Nodes stand after their inputs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::SchemaRef;
use yeoul_relational::{self as spec, Expression};

use crate::catalog::Table;

/// A job as specifications.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Operators, each after its inputs.
    pub nodes: Vec<Node>,
    /// What stands before the exchange of an aggregate, by the aggregate's number.
    pub locals: BTreeMap<NodeId, spec::LocalAggregate>,
}

/// The number of a node in its plan.
pub type NodeId = usize;

/// One operator.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it does.
    pub operator: Operator,
    /// What it reads.
    pub inputs: Vec<Input>,
    /// What it sends.
    pub schema: SchemaRef,
    /// The kinds of change that it sends.
    pub changes: Changes,
    /// Sets of columns by which a row of its result can be told.
    pub upsert_keys: Vec<Vec<usize>>,
    /// What is known of its columns.
    pub traits: Vec<ColumnTrait>,
    /// What it keeps, if it keeps anything.
    pub state: Option<State>,
}

/// What a node reads, and how rows get there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Input {
    /// From which node.
    pub node: NodeId,
    /// How.
    pub exchange: Exchange,
}

/// How rows get from one operator to the next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Exchange {
    /// On the same shard.
    Forward,
    /// Rows with equal values in these columns to the same shard.
    Hash(Vec<usize>),
    /// All rows to one shard.
    Single,
    /// All rows to every shard.
    Broadcast,
}

/// Which kinds of change flow, beside rows that come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Changes {
    /// Rows change: UPDATE_AFTER.
    pub updates: bool,
    /// The old form of a changed row is sent too: UPDATE_BEFORE.
    pub before: bool,
    /// Rows go: DELETE.
    pub deletes: bool,
}

impl Changes {
    /// Rows come in only.
    pub const INSERTS: Self = Self { updates: false, before: false, deletes: false };
    /// Rows come in and change.
    pub const UPDATES: Self = Self { updates: true, before: false, deletes: false };
    /// Rows come in, change and go.
    pub const ALL: Self = Self { updates: true, before: false, deletes: true };

    /// Whether rows come in only.
    #[must_use]
    pub fn inserts_only(self) -> bool {
        !self.updates && !self.deletes
    }

    /// What flows if both flow.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            updates: self.updates || other.updates,
            before: self.before || other.before,
            deletes: self.deletes || other.deletes,
        }
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[I")?;
        for (flows, name) in [(self.before, "UB"), (self.updates, "UA"), (self.deletes, "D")] {
            if flows {
                write!(f, ",{name}")?;
            }
        }
        f.write_str("]")
    }
}

/// What is known of a column beside its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ColumnTrait {
    /// Whether it is a time attribute.
    pub time: Option<spec::TimeOrder>,
    /// Whether it is a bound of the window that the row is in.
    pub window: Option<WindowColumn>,
}

/// A bound of the window that a row is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WindowColumn {
    /// How rows fell into windows.
    pub window: spec::Window,
    /// Over which time.
    pub order: spec::TimeOrder,
    /// Which bound.
    pub property: spec::WindowProperty,
}

impl WindowColumn {
    /// A bound of the same window.
    pub(super) fn bound(self, property: spec::WindowProperty) -> Self {
        Self { property, ..self }
    }
}

/// What an operator keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// In words.
    pub what: String,
    /// Until when.
    pub bound: Bound,
}

/// Until when state is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Until the watermark passes.
    Watermark,
    /// So long after it was touched.
    Ttl(Duration),
    /// For good.
    Unbounded,
}

/// What an operator does.
#[derive(Debug, Clone)]
pub enum Operator {
    /// Reads a table.
    Scan(Scan),
    /// Gives rows that stand in the query.
    Values(Values),
    /// Filters and computes columns.
    Calc(spec::Calc),
    /// Gives rows their event times.
    AssignTimes(spec::AssignTimes),
    /// Moves event times.
    ShiftTimes(spec::ShiftTimes),
    /// Gives each row its windows.
    WindowAssign(spec::WindowAssign),
    /// Makes several rows of one, for grouping sets.
    Expand(spec::Expand),
    /// GROUP BY without windows.
    GroupAggregate(spec::GroupAggregate),
    /// GROUP BY of windows.
    WindowAggregate(spec::WindowAggregate),
    /// A join that keeps both sides.
    RegularJoin(spec::RegularJoin),
    /// A join within bounds of time.
    IntervalJoin(spec::IntervalJoin),
    /// A join with the version of a table as of a row's time.
    TemporalJoin(spec::TemporalJoin),
    /// A join of rows of one window.
    WindowJoin(spec::WindowJoin),
    /// A join of rows with the ends of windows near their times.
    WindowEndJoin(spec::WindowEndJoin),
    /// A join with what a table says when it is asked.
    LookupJoin(LookupJoin),
    /// The first rows of each partition.
    Rank(spec::Rank),
    /// The first or last row of each key.
    Deduplicate(spec::Deduplicate),
    /// Aggregates OVER rows before.
    OverAggregate(spec::OverAggregate),
    /// The rows of all inputs.
    Union(spec::Union),
    /// Changes by key made whole.
    ChangelogNormalize(spec::ChangelogNormalize),
    /// ORDER BY with LIMIT.
    SortLimit(spec::SortLimit),
    /// ORDER BY event time.
    TemporalSort(spec::TemporalSort),
    /// A row for each element.
    Unnest(spec::Unnest),
    /// A row as often as a column says.
    Repeat(spec::Repeat),
    /// MATCH_RECOGNIZE.
    MatchRecognize(spec::MatchRecognize),
    /// The late rows of its input's operator: the columns of their table among those of that operator's input.
    Late(spec::Calc),
    /// The malformed records of a table.
    Errors(Arc<Table>),
    /// Writes a table.
    Sink(Sink),
}

/// Reads a table.
#[derive(Debug, Clone)]
pub struct Scan {
    /// Which.
    pub table: Arc<Table>,
    /// The columns that are read, as paths: a column's name, then names of fields within it.
    pub paths: Vec<Vec<String>>,
}

/// Rows that stand in the query.
#[derive(Debug, Clone)]
pub struct Values {
    /// Each row's values, over no columns.
    pub rows: Vec<Vec<Arc<dyn Expression>>>,
}

/// Joins each row with what a table holds for its key now.
#[derive(Debug, Clone)]
pub struct LookupJoin {
    /// The table that is looked into.
    pub table: Arc<Table>,
    /// Inner or left.
    pub kind: spec::JoinKind,
    /// The key's columns on the left.
    pub left_keys: Vec<usize>,
    /// The key's columns among `columns`.
    pub right_keys: Vec<usize>,
    /// The table's columns that are read, by index.
    pub columns: Vec<usize>,
    /// What has to hold besides, over left columns, then `columns`.
    pub residual: Option<Arc<dyn Expression>>,
}

/// Where rows end.
#[derive(Debug, Clone)]
pub enum Sink {
    /// A table.
    Table {
        /// Which.
        table: Arc<Table>,
        /// The table's column of each column that comes.
        columns: Vec<usize>,
        /// Whether what is there is replaced.
        overwrite: bool,
    },
    /// Whoever asked.
    Collect,
}

impl Plan {
    /// The nodes where rows end.
    pub fn sinks(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().filter(|(_, node)| matches!(node.operator, Operator::Sink(_)))
    }

    /// What is kept for good, by operator, in words.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let unbounded = |(id, node): (NodeId, &Node)| {
            let state = node.state.as_ref().filter(|state| state.bound == Bound::Unbounded)?;
            Some(format!(
                "{} (operator {id}) keeps {} for good: SET 'table.exec.state.ttl', or give the hint STATE_TTL",
                node.operator.name(),
                state.what
            ))
        };
        self.nodes.iter().enumerate().filter_map(unbounded).collect()
    }
}

impl Operator {
    /// Its name, as EXPLAIN shows it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Scan(_) => "TableSourceScan",
            Self::Values(_) => "Values",
            Self::Calc(_) => "Calc",
            Self::AssignTimes(_) => "WatermarkAssigner",
            Self::ShiftTimes(_) => "ShiftTimes",
            Self::WindowAssign(_) => "WindowTableFunction",
            Self::Expand(_) => "Expand",
            Self::GroupAggregate(_) => "GroupAggregate",
            Self::WindowAggregate(_) => "WindowAggregate",
            Self::RegularJoin(_) => "Join",
            Self::IntervalJoin(_) => "IntervalJoin",
            Self::TemporalJoin(_) => "TemporalJoin",
            Self::WindowJoin(_) => "WindowJoin",
            Self::WindowEndJoin(_) => "WindowEndJoin",
            Self::LookupJoin(_) => "LookupJoin",
            Self::Rank(rank) if rank.window_end.is_some() => "WindowRank",
            Self::Rank(_) => "Rank",
            Self::Deduplicate(_) => "Deduplicate",
            Self::OverAggregate(_) => "OverAggregate",
            Self::Union(_) => "Union",
            Self::ChangelogNormalize(_) => "ChangelogNormalize",
            Self::SortLimit(_) => "SortLimit",
            Self::TemporalSort(_) => "TemporalSort",
            Self::Unnest(_) => "Unnest",
            Self::Repeat(_) => "Repeat",
            Self::MatchRecognize(_) => "Match",
            Self::Late(_) => "LateRows",
            Self::Errors(_) => "MalformedRecords",
            Self::Sink(_) => "Sink",
        }
    }
}
