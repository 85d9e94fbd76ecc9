//! Tables over connectors: what SQL asks of them, and what it gets.
//!
//! SQL knows no connector and connectors know no SQL: a table's declaration goes in, with its options as text; recipes for a
//! source or a sink of column frames come out. `TableConnectors` is implemented once, over all connectors, and the façade hands
//! it to SQL.

use std::collections::BTreeMap;
use std::fmt;

use arrow_schema::SchemaRef;

use crate::graph::NodeKind;
use crate::watermark::WatermarkSpec;
use crate::{MakeSource, OperatorError};

/// A table as it was declared, as far as it concerns a connector.
#[derive(Debug, Clone)]
pub struct TableDefinition {
    /// Its name, for messages.
    pub name: String,
    /// Its physical columns, in the order of the declaration. Computed columns are not among them.
    pub columns: SchemaRef,
    /// Which of those columns are not in the records: by place, the key of what the connector is to say there (`METADATA FROM`).
    pub metadata: BTreeMap<usize, String>,
    /// The options of its `WITH` clause, and of hints.
    pub options: BTreeMap<String, String>,
}

/// What a job reads of a table.
#[derive(Debug, Clone, Default)]
pub struct TableScan {
    /// Which columns its frames have, in which order. `None`: all.
    pub projection: Option<Vec<usize>>,
    /// Which leaves it uses: paths of names, each standing for all that is below. What is not used is null in the frames (or zero
    /// or empty, where it may not be null); the types stay. `None`: all.
    pub used: Option<Vec<Vec<String>>>,
    /// Malformed records go to [`ERROR_OUTPUT`](crate::ERROR_OUTPUT), rather than fail the job.
    pub errors: bool,
}

/// How a table is read.
#[derive(Clone)]
pub struct TableSource {
    /// Makes an instance.
    pub make: MakeSource,
    /// The columns of its frames.
    pub schema: SchemaRef,
    /// The columns of the frames that it sends to [`ERROR_OUTPUT`](crate::ERROR_OUTPUT), if it ever does.
    pub errors: Option<SchemaRef>,
    /// It comes to an end.
    pub bounded: bool,
    /// How many instances can have something to read, if that is fewer than all shards.
    pub parallelism: Option<u16>,
}

impl TableSource {
    /// The node of a job graph.
    #[must_use]
    pub fn node(self, watermarks: WatermarkSpec) -> NodeKind {
        NodeKind::Source { make: self.make, watermarks }
    }
}

/// What a sink can do with changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepts {
    /// Rows are only added; a change of another kind fails the job.
    Inserts,
    /// All kinds of change.
    Changes,
}

/// How a table is written.
#[derive(Clone)]
pub struct TableSink {
    /// A sink, or an operator without output.
    pub kind: NodeKind,
    /// What it can do with changes.
    pub accepts: Accepts,
    /// How many instances it wants, if that is fewer than all shards.
    pub parallelism: Option<u16>,
}

/// A table that no connector can read or write as it is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableError {
    /// The option at fault, if it is one: its place in the script is where to point.
    pub option: Option<String>,
    /// The column at fault, if it is one.
    pub column: Option<String>,
    /// What is wrong, with which value.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl TableError {
    /// An error that says what is wrong.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { option: None, column: None, what: what.into(), hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// It is about this option.
    #[must_use]
    pub fn option(mut self, option: impl Into<String>) -> Self {
        self.option = Some(option.into());
        self
    }

    /// It is about this column.
    #[must_use]
    pub fn column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for TableError {}

impl From<TableError> for OperatorError {
    fn from(error: TableError) -> Self {
        let new = Self::new(error.what);
        match error.hint {
            Some(hint) => new.hint(hint),
            None => new,
        }
    }
}

/// All connectors.
pub trait TableConnectors: Send + Sync {
    /// What `connector` can be.
    fn names(&self) -> Vec<&'static str>;

    /// How a table is read.
    ///
    /// # Errors
    /// No such connector, one that only writes, an option that it does not have or not with this value, a column of a type
    /// that it does not carry.
    fn source(&self, table: &TableDefinition, scan: &TableScan) -> Result<TableSource, TableError>;

    /// How a table is written: frames come with the table's columns.
    ///
    /// # Errors
    /// As for [`source`](Self::source), or a connector that only reads.
    fn sink(&self, table: &TableDefinition) -> Result<TableSink, TableError>;
}
