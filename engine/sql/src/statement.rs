//! The statements of a script, as they are written.
//!
//! Names are as the script has them, types and expressions are parsed, nothing is looked up.

use datafusion_sql::sqlparser::ast::{Expr, Query};
use datafusion_sql::sqlparser::tokenizer::Location;

use crate::lex::Hint;
use crate::types::SqlType;

/// A name of one to three parts, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Catalog, database and table, as far as they are written.
    pub parts: Vec<String>,
    /// Where it begins.
    pub location: Location,
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.parts.join("."))
    }
}

/// A statement, where it begins, and its text.
#[derive(Debug, Clone)]
pub struct Located {
    /// What it says.
    pub statement: Statement,
    /// Where its first word stands.
    pub location: Location,
    /// Its text.
    pub text: String,
}

/// What a statement says.
#[derive(Debug, Clone)]
pub enum Statement {
    /// `CREATE TABLE`
    CreateTable(CreateTable),
    /// `CREATE VIEW`
    CreateView(CreateView),
    /// `DROP TABLE` and `DROP VIEW`
    Drop {
        /// Whether a view is meant.
        view: bool,
        /// Whether a temporary one is meant.
        temporary: bool,
        /// Whether it is no error if there is none.
        if_exists: bool,
        /// Which.
        name: Name,
    },
    /// `INSERT`
    Insert(Insert),
    /// `EXECUTE STATEMENT SET BEGIN … END`
    StatementSet(Vec<Insert>),
    /// `SELECT` on its own
    Select(Select),
    /// `EXPLAIN`
    Explain(Explain),
    /// `DESCRIBE`
    Describe(Name),
    /// `SHOW TABLES`, `SHOW VIEWS`
    ShowTables {
        /// Whether only views are meant.
        views: bool,
    },
    /// `SHOW CREATE TABLE` and `SHOW CREATE VIEW`
    ShowCreate {
        /// Whether a view is meant.
        view: bool,
        /// Which.
        name: Name,
    },
    /// `SET 'key' = 'value'`, or `SET` alone, which lists
    Set(Option<(String, String)>),
    /// `RESET 'key'`, or `RESET` alone, which resets everything
    Reset(Option<String>),
}

/// A query with the hints that stood in it.
#[derive(Debug, Clone)]
pub struct Select {
    /// The query.
    pub query: Box<Query>,
    /// Hints behind its SELECTs.
    pub hints: Vec<Hint>,
    /// Hints behind its tables, by the number in the mark on the name.
    pub table_hints: Vec<Vec<Hint>>,
}

/// `INSERT INTO name [(columns)] query`
#[derive(Debug, Clone)]
pub struct Insert {
    /// The sink.
    pub table: Name,
    /// Options for the sink.
    pub hints: Vec<Hint>,
    /// The columns that are given; empty for all.
    pub columns: Vec<(String, Location)>,
    /// Fixed values of partition columns.
    pub partition: Vec<(String, Expr)>,
    /// Whether what is there is replaced.
    pub overwrite: bool,
    /// Where the rows come from.
    pub select: Select,
    /// Where rows go that came too late for a window of the query: `LATE TO name` behind it, Yeoul's own.
    pub late: Option<Name>,
}

/// `EXPLAIN`
#[derive(Debug, Clone)]
pub struct Explain {
    /// What is asked for beside the plan.
    pub details: Vec<ExplainDetail>,
    /// What is explained.
    pub what: Box<Statement>,
}

/// What EXPLAIN can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExplainDetail {
    /// The kinds of change that each operator sends.
    ChangelogMode,
    /// The job as JSON.
    JsonExecutionPlan,
    /// Advice, such as unbounded state.
    PlanAdvice,
    /// Cost estimates, of which there are none.
    EstimatedCost,
}

/// `CREATE TABLE`
#[derive(Debug, Clone)]
pub struct CreateTable {
    /// Its name.
    pub name: Name,
    /// Whether it lives as long as the session.
    pub temporary: bool,
    /// Whether it is no error if there is one.
    pub if_not_exists: bool,
    /// Its columns, in order.
    pub columns: Vec<ColumnDeclaration>,
    /// Its watermark.
    pub watermark: Option<WatermarkDeclaration>,
    /// Its key.
    pub primary_key: Option<Vec<(String, Location)>>,
    /// What it is about.
    pub comment: Option<String>,
    /// The columns by which it is split.
    pub partitioned_by: Vec<(String, Location)>,
    /// `WITH`.
    pub options: Vec<(String, String, Location)>,
    /// `LIKE`.
    pub like: Option<Like>,
}

/// A column as it is declared.
#[derive(Debug, Clone)]
pub struct ColumnDeclaration {
    /// Its name.
    pub name: String,
    /// Where it is declared.
    pub location: Location,
    /// What it holds.
    pub kind: ColumnKind,
    /// What it is about.
    pub comment: Option<String>,
}

/// What a declared column holds.
#[derive(Debug, Clone)]
pub enum ColumnKind {
    /// A value of the record.
    Physical(SqlType),
    /// A value beside the record.
    Metadata {
        /// Its type; the connector's value is cast to it.
        of: SqlType,
        /// The connector's name for it; the column's name if none is given.
        key: Option<String>,
        /// Whether it is left out when writing.
        virtual_column: bool,
    },
    /// A value computed from the others.
    Computed {
        /// The expression.
        expression: Box<Expr>,
        /// Its text.
        text: String,
    },
}

/// `WATERMARK FOR column AS expression`
#[derive(Debug, Clone)]
pub struct WatermarkDeclaration {
    /// The event time, as a path of names.
    pub column: Vec<String>,
    /// Where it is named.
    pub location: Location,
    /// The watermark.
    pub expression: Box<Expr>,
    /// Its text.
    pub text: String,
}

/// `LIKE source (options)`
#[derive(Debug, Clone)]
pub struct Like {
    /// What is taken over.
    pub source: Name,
    /// `INCLUDING ALL` and its like, in order.
    pub rules: Vec<(Strategy, Feature)>,
}

/// What happens to a part of the source table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// It is taken over and must not be declared again.
    Including,
    /// It is left out.
    Excluding,
    /// It is taken over where it is not declared again.
    Overwriting,
}

/// A part of a table that LIKE names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// Everything.
    All,
    /// Keys.
    Constraints,
    /// Computed columns.
    Generated,
    /// Metadata columns.
    Metadata,
    /// `WITH`.
    Options,
    /// `PARTITIONED BY`.
    Partitions,
    /// Watermarks.
    Watermarks,
}

/// `CREATE VIEW`
#[derive(Debug, Clone)]
pub struct CreateView {
    /// Its name.
    pub name: Name,
    /// Whether it lives as long as the session.
    pub temporary: bool,
    /// Whether it is no error if there is one.
    pub if_not_exists: bool,
    /// New names of its columns; empty for the query's own.
    pub columns: Vec<String>,
    /// What it is about.
    pub comment: Option<String>,
    /// What it stands for.
    pub select: Select,
    /// The query's text.
    pub text: String,
}
