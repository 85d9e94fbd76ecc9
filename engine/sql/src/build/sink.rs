//! Tables as sinks: columns in the table's order, those that are not given as NULL.

use std::fmt;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, new_null_array};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use yeoul_frame::Columns;
use yeoul_operator::{InputId, OperatorError, OutputId, Partitioning};
use yeoul_relational::{Calc, EvaluationTime, Expression, Projected};

use super::scan::definition;
use super::{Builder, checked, identity, refused};
use crate::catalog::Table;
use crate::error::{Result, SqlError};
use crate::lower::Node;

impl Builder<'_> {
    pub(super) fn table_sink(
        &mut self,
        node: &Node,
        input: &Node,
        table: &Table,
        columns: &[usize],
        overwrite: bool,
    ) -> Result<()> {
        let written = table.written();
        let (mut definition, _) = definition(table, &written)?;
        if let Some((place, key)) = definition.metadata.first_key_value() {
            let name = definition.columns.field(*place).name();
            return Err(SqlError::new(format!("the metadata '{key}' in column '{name}' cannot be written"))
                .hint(format!("declare the column VIRTUAL: `{name}` … METADATA FROM '{key}' VIRTUAL")));
        }
        if overwrite {
            definition.options.insert("sink.overwrite".to_owned(), "true".to_owned());
        }
        let sink = self.doors.connectors.sink(&definition).map_err(|error| refused(&error))?;
        let what = identity::of_sink(table);
        let name = format!("Sink({})", table.name);
        debug_assert_eq!(input.schema.fields().len(), columns.len(), "a column for each that is given");
        // One writer takes all rows; else they stay where they are, or come by the sink's key.
        let before = self.parallelism(node);
        let parallelism = match (sink.parallelism, before) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let projection = (written != columns).then(|| {
            let projected = |column: &usize| match columns.iter().position(|given| given == column) {
                Some(place) => Projected::Column(place),
                None => Projected::Computed(Arc::new(Null(table.schema.field(*column).data_type().clone()))),
            };
            written.iter().map(projected).collect()
        });
        let filter = NotNull::of(table, columns, input, self.job.settings.get("table.exec.sink.not-null-enforcer"));
        if projection.is_some() || filter.is_some() {
            let schema = if projection.is_some() { definition.columns } else { Arc::clone(&input.schema) };
            let calc = Arc::new(Calc { filter, projection, schema });
            let kind = checked(move || Arc::clone(&calc).operator())?;
            let ordered = self.add("Columns", &name, before, kind);
            self.connect(node, ordered)?;
            let added = self.add(&name, &what, parallelism, sink.kind);
            let partitioning = if parallelism == Some(1) { Partitioning::Global } else { Partitioning::Forward };
            self.graph.connect(ordered, OutputId::MAIN, added, InputId(0), partitioning);
            return Ok(());
        }
        let added = self.add(&name, &what, parallelism, sink.kind);
        if parallelism.is_none() {
            return self.connect(node, added);
        }
        let place = self.place(node.inputs[0].node)?;
        let partitioning = if parallelism == Some(1) { Partitioning::Global } else { Partitioning::Rebalance };
        self.graph.connect(place.node, place.output, added, InputId(0), partitioning);
        Ok(())
    }
}

/// Keeps NULL out of columns that a sink declares NOT NULL (`table.exec.sink.not-null-enforcer`).
#[derive(Debug)]
struct NotNull {
    table: String,
    /// Those of the columns that come which may not be NULL.
    columns: Vec<usize>,
    names: Vec<String>,
    /// Rows with a NULL are left out; else they fail the job.
    drops: bool,
}

impl NotNull {
    /// What is to be looked at, if anything that comes may be NULL where it must not be.
    fn of(table: &Table, columns: &[usize], input: &Node, mode: Option<&str>) -> Option<Arc<dyn Expression>> {
        let looked_at =
            |place: &usize| input.schema.field(*place).is_nullable() && !table.columns[columns[*place]].of.nullable;
        let columns_of: Vec<usize> = (0..columns.len()).filter(looked_at).collect();
        let names = columns_of.iter().map(|place| table.columns[columns[*place]].name.clone()).collect();
        let drops = mode.is_some_and(|mode| mode.eq_ignore_ascii_case("drop"));
        let found = Self { table: table.name.clone(), columns: columns_of, names, drops };
        (!found.columns.is_empty()).then(|| Arc::new(found) as Arc<dyn Expression>)
    }
}

impl fmt::Display for NotNull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NOT NULL({})", self.names.join(", "))
    }
}

impl Expression for NotNull {
    fn data_type(&self) -> &DataType {
        &DataType::Boolean
    }

    fn nullable(&self) -> bool {
        false
    }

    fn columns(&self) -> &[usize] {
        &self.columns
    }

    fn evaluate(
        &self,
        input: &Columns,
        rows: usize,
        _: &EvaluationTime<'_>,
    ) -> std::result::Result<ArrayRef, OperatorError> {
        let mut all: Option<NullBuffer> = None;
        for (column, name) in self.columns.iter().zip(&self.names) {
            let Some(nulls) = input.arrays()[*column].logical_nulls().filter(|nulls| nulls.null_count() > 0) else {
                continue;
            };
            if !self.drops {
                return Err(OperatorError::new(format!(
                    "a row with NULL in '{name}' came to '{}', which declares it NOT NULL",
                    self.table
                ))
                .hint("filter such rows out, or SET 'table.exec.sink.not-null-enforcer' = 'drop'")
                .permanent());
            }
            all = NullBuffer::union(all.as_ref(), Some(&nulls));
        }
        Ok(Arc::new(match all {
            Some(valid) => BooleanArray::new(valid.into_inner(), None),
            None => BooleanArray::from(vec![true; rows]),
        }))
    }
}

/// A column that is not given.
#[derive(Debug)]
struct Null(DataType);

impl fmt::Display for Null {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NULL")
    }
}

impl Expression for Null {
    fn data_type(&self) -> &DataType {
        &self.0
    }

    fn nullable(&self) -> bool {
        true
    }

    fn columns(&self) -> &[usize] {
        &[]
    }

    fn evaluate(
        &self,
        _: &Columns,
        rows: usize,
        _: &EvaluationTime<'_>,
    ) -> std::result::Result<ArrayRef, OperatorError> {
        Ok(new_null_array(&self.0, rows))
    }
}
