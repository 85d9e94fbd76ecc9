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
///
/// ```
/// use std::collections::BTreeMap;
/// use std::sync::Arc;
/// use arrow_schema::{DataType, Field, Schema};
/// use yeoul_operator::TableDefinition;
///
/// // CREATE TABLE flights (origin STRING) WITH ('connector' = 'filesystem', 'path' = 'flights.csv')
/// let flights = TableDefinition {
///     name: "flights".to_owned(),
///     columns: Arc::new(Schema::new(vec![Field::new("origin", DataType::Utf8, true)])),
///     metadata: BTreeMap::new(),
///     options: [("connector", "filesystem"), ("path", "flights.csv")].map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
/// };
/// assert_eq!(flights.options["path"], "flights.csv");
/// ```
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
///
/// ```
/// use yeoul_operator::TableScan;
///
/// // SELECT delay, origin of a table whose columns are origin, carrier and delay.
/// let scan = TableScan { projection: Some(vec![2, 0]), ..TableScan::default() };
/// assert!(scan.used.is_none() && !scan.errors);
/// ```
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
///
/// ```
/// use std::sync::Arc;
/// use arrow_schema::{DataType, Field, Schema};
/// use yeoul_operator::{MakeSource, NodeKind, TableSource, WatermarkSpec};
///
/// /// A table of numbers that one instance reads to its end.
/// fn numbers(make: MakeSource) -> TableSource {
///     let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
///     TableSource { make, schema, errors: None, bounded: true, parallelism: Some(1) }
/// }
/// # struct Nothing;
/// # impl yeoul_operator::Source for Nothing {
/// #     fn open(&mut self, _: &mut yeoul_operator::OpenContext<'_>) -> Result<(), yeoul_operator::OperatorError> { Ok(()) }
/// #     fn poll(&mut self, _: &mut yeoul_operator::SourceContext<'_>)
/// #     -> Result<yeoul_operator::SourcePoll, yeoul_operator::OperatorError> {
/// #         Ok(yeoul_operator::SourcePoll::End)
/// #     }
/// #     fn snapshot(&mut self, _: &mut yeoul_operator::Snapshot<'_>) -> Result<(), yeoul_operator::OperatorError> { Ok(()) }
/// #     fn restore(&mut self, _: &str, _: yeoul_operator::Subtask, _: &[u8]) -> Result<(), yeoul_operator::OperatorError> { Ok(()) }
/// # }
/// # let make: MakeSource = Arc::new(|| Box::new(Nothing));
/// assert!(matches!(numbers(make).node(WatermarkSpec::default()), NodeKind::Source { .. }));
/// ```
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
///
/// ```
/// use yeoul_frame::RowKind;
/// use yeoul_operator::Accepts;
///
/// /// Whether a table takes a row.
/// fn takes(table: Accepts, kind: RowKind) -> bool {
///     table == Accepts::Changes || kind == RowKind::Insert
/// }
/// assert!(takes(Accepts::Changes, RowKind::Delete) && !takes(Accepts::Inserts, RowKind::Delete));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepts {
    /// Rows are only added; a change of another kind fails the job.
    Inserts,
    /// All kinds of change.
    Changes,
}

/// How a table is written.
///
/// ```
/// use std::sync::Arc;
/// use yeoul_operator::{Accepts, MakeOperator, NodeKind, TableSink};
///
/// /// A table that takes all and shows nothing.
/// fn nowhere(make: MakeOperator) -> TableSink {
///     TableSink { kind: NodeKind::Operator { make }, accepts: Accepts::Changes, parallelism: None }
/// }
/// # struct Nothing;
/// # impl yeoul_operator::Operator for Nothing {
/// #     fn process(&mut self, _: yeoul_operator::InputId, _: &yeoul_frame::Frame, _: &mut yeoul_operator::Context<'_>)
/// #     -> Result<(), yeoul_operator::OperatorError> {
/// #         Ok(())
/// #     }
/// # }
/// assert_eq!(nowhere(Arc::new(|| Box::new(Nothing))).accepts, Accepts::Changes);
/// ```
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
///
/// ```
/// use yeoul_operator::TableError;
///
/// let error = TableError::new("'path' is empty").option("path").hint("name a file or a folder");
/// assert_eq!(error.to_string(), "'path' is empty\n  hint: name a file or a folder");
/// assert_eq!((error.option.as_deref(), error.column), (Some("path"), None));
/// let error = TableError::new("the column 'at' is of a type that CSV does not carry").column("at");
/// assert_eq!(error.column.as_deref(), Some("at"));
/// ```
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
///
/// ```
/// use yeoul_operator::{TableConnectors, TableDefinition, TableError, TableScan, TableSink, TableSource};
///
/// /// A program without tables.
/// struct NoTables;
///
/// impl TableConnectors for NoTables {
///     fn names(&self) -> Vec<&'static str> {
///         Vec::new()
///     }
///
///     fn source(&self, table: &TableDefinition, _: &TableScan) -> Result<TableSource, TableError> {
///         Err(TableError::new(format!("table '{}' has no connector", table.name)).option("connector"))
///     }
///
///     fn sink(&self, table: &TableDefinition) -> Result<TableSink, TableError> {
///         Err(TableError::new(format!("table '{}' has no connector", table.name)).option("connector"))
///     }
/// }
/// assert!(NoTables.names().is_empty());
/// ```
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
