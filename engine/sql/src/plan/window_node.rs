//! A window table function in a logical plan: its input, with the window's start, end and time beside each row.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_schema::{DataType, Field, TimeUnit};
use datafusion_common::{Column, DFSchema, DFSchemaRef, Result, internal_err};
use datafusion_expr::{Expr, ExprSchemable, LogicalPlan, UserDefinedLogicalNodeCore};
use yeoul_relational::Window;

/// The columns that a window adds, in order.
pub(crate) const WINDOW_COLUMNS: [&str; 3] = ["window_start", "window_end", "window_time"];

/// Rows in windows.
#[derive(Debug, Clone)]
pub(crate) struct WindowNode {
    pub(crate) input: Arc<LogicalPlan>,
    pub(crate) window: Window,
    /// The time column, then a session's key.
    pub(crate) columns: Vec<Expr>,
    schema: DFSchemaRef,
}

impl WindowNode {
    pub(crate) fn new(input: LogicalPlan, window: Window, columns: Vec<Expr>) -> Result<Self> {
        let time = columns[0].get_type(input.schema())?;
        let mut fields: Vec<_> =
            input.schema().iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field))).collect();
        let timestamp = DataType::Timestamp(TimeUnit::Millisecond, None);
        for name in &WINDOW_COLUMNS[..2] {
            fields.push((None, Arc::new(Field::new(*name, timestamp.clone(), false))));
        }
        fields.push((None, Arc::new(Field::new(WINDOW_COLUMNS[2], time, false))));
        let schema = Arc::new(DFSchema::new_with_metadata(fields, Default::default())?);
        Ok(Self { input: Arc::new(input), window, columns, schema })
    }
}

impl PartialEq for WindowNode {
    fn eq(&self, other: &Self) -> bool {
        self.input == other.input && self.window == other.window && self.columns == other.columns
    }
}

impl Eq for WindowNode {}

impl Hash for WindowNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.input.hash(state);
        self.window.hash(state);
        self.columns.hash(state);
    }
}

impl PartialOrd for WindowNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for WindowNode {
    fn name(&self) -> &str {
        "Window"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.columns.clone()
    }

    /// A filter on a row's own columns may go below: it keeps or drops the row from all windows alike. But a session is made by all rows
    /// of its key, whatever becomes of them then.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        let mut columns: HashSet<String> = WINDOW_COLUMNS.iter().map(|name| (*name).to_owned()).collect();
        if matches!(self.window, Window::Session { .. }) {
            let is_key =
                |name: &str| self.columns[1..].iter().any(|key| matches!(key, Expr::Column(key) if key.name == name));
            let fields = self.input.schema().fields().iter();
            columns.extend(fields.map(|field| field.name().clone()).filter(|name| !is_key(name)));
        }
        columns
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Window: {}", self.window)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        match (inputs.pop(), inputs.is_empty()) {
            (Some(input), true) => Self::new(input, self.window, exprs),
            _ => internal_err!("a window has one input"),
        }
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let width = self.input.schema().fields().len();
        let mut needed: Vec<usize> = output_columns.iter().copied().filter(|column| *column < width).collect();
        for column in &self.columns {
            let Expr::Column(column) = column else { return None };
            needed.push(self.input.schema().maybe_index_of_column(column)?);
        }
        needed.sort_unstable();
        needed.dedup();
        Some(vec![needed])
    }
}

/// A table as of a time that the other side of its join gives: bound by [`super::typing`] when the join is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct VersionedNode {
    pub(crate) input: Arc<LogicalPlan>,
    /// The names of the time column.
    pub(crate) time: Vec<String>,
}

impl PartialOrd for VersionedNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl VersionedNode {
    /// The column among those of `schema` that the time names.
    pub(crate) fn column(&self, schema: &DFSchema) -> Option<Column> {
        let found = match self.time.as_slice() {
            [name] => schema.qualified_field_with_unqualified_name(name).ok(),
            [table, name] => schema.qualified_field_with_name(Some(&table.as_str().into_bare()), name).ok(),
            _ => None,
        };
        found.map(|(qualifier, field)| Column::new(qualifier.cloned(), field.name()))
    }
}

/// A table's name without case folding.
pub(crate) trait IntoBare {
    /// As a reference of one part.
    fn into_bare(self) -> datafusion_common::TableReference;
}

impl IntoBare for &str {
    fn into_bare(self) -> datafusion_common::TableReference {
        datafusion_common::TableReference::Bare { table: self.into() }
    }
}

impl UserDefinedLogicalNodeCore for VersionedNode {
    fn name(&self) -> &str {
        "Versioned"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    /// A version that a filter drops would leave the one before it valid.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        self.input.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Versioned: as of {}", self.time.join("."))
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        match (inputs.pop(), inputs.is_empty()) {
            (Some(input), true) => Ok(Self { input: Arc::new(input), time: self.time.clone() }),
            _ => internal_err!("a versioned table has one input"),
        }
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![output_columns.to_vec()])
    }
}
