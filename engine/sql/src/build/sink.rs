//! Tables as sinks: columns in the table's order, those that are not given as NULL.

use std::fmt;
use std::sync::Arc;

use arrow_array::{ArrayRef, new_null_array};
use arrow_schema::DataType;
use yeoul_frame::Columns;
use yeoul_operator::{InputId, OperatorError, OutputId, Partitioning};
use yeoul_relational::{Calc, EvaluationTime, Expression, Projected};

use super::scan::{definition, identity};
use super::{Builder, checked, refused};
use crate::catalog::Table;
use crate::error::Result;
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
        if overwrite {
            definition.options.insert("sink.overwrite".to_owned(), "true".to_owned());
        }
        let sink = self.doors.connectors.sink(&definition).map_err(|error| refused(&error))?;
        let what = identity(table);
        let name = format!("Sink({})", table.name);
        // One writer takes all rows; else they stay where they are, or come by the sink's key.
        let parallelism = match (sink.parallelism, self.parallelism(node)) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let gather = parallelism.is_some();
        if written == columns {
            let added = self.add(&name, &what, parallelism, sink.kind);
            if gather {
                let place = self.place(node.inputs[0].node)?;
                let partitioning = if parallelism == Some(1) { Partitioning::Global } else { Partitioning::Rebalance };
                self.graph.connect(place.node, place.output, added, InputId(0), partitioning);
                return Ok(());
            }
            return self.connect(node, added);
        }
        let projection = written
            .iter()
            .map(|column| match columns.iter().position(|given| given == column) {
                Some(place) => Projected::Column(place),
                None => Projected::Computed(Arc::new(Null(table.schema.field(*column).data_type().clone()))),
            })
            .collect();
        debug_assert_eq!(input.schema.fields().len(), columns.len(), "a column for each that is given");
        let calc = Arc::new(Calc { filter: None, projection: Some(projection), schema: definition.columns });
        let kind = checked(move || Arc::clone(&calc).operator())?;
        let ordered = self.add("Columns", &name, self.parallelism(node), kind);
        self.connect(node, ordered)?;
        let added = self.add(&name, &what, parallelism, sink.kind);
        let partitioning = if parallelism == Some(1) { Partitioning::Global } else { Partitioning::Forward };
        self.graph.connect(ordered, OutputId::MAIN, added, InputId(0), partitioning);
        Ok(())
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
