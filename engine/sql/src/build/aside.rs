//! The outputs beside the main one: late rows of an operator, malformed records of a source.

use std::sync::Arc;

use yeoul_operator::{ERROR_OUTPUT, InputId, OutputId, Partitioning};
use yeoul_relational::{Calc, LATE};

use super::{Builder, Place, checked};
use crate::catalog::Table;
use crate::error::{Result, SqlError};
use crate::lower::{Node, Operator};

impl Builder<'_> {
    /// The late rows of a node's operator, with their table's columns.
    pub(super) fn late(&mut self, node: &Node, calc: &Calc) -> Result<Place> {
        let operator = self.place(node.inputs[0].node)?;
        let parallelism = self.graph.nodes[operator.node.0].parallelism;
        let what = self.graph.nodes[operator.node.0].uid.clone();
        let calc = Arc::new(calc.clone());
        let kind = checked(move || Arc::clone(&calc).operator())?;
        let added = self.add("LateRows", &what, parallelism, kind);
        self.graph.connect(operator.node, LATE, added, InputId(0), Partitioning::Forward);
        Ok(Place { node: added, output: OutputId::MAIN })
    }

    /// The malformed records of a table.
    pub(super) fn errors(&mut self, node: &Node, table: &Table) -> Result<Place> {
        let scanned = self.scans.get(&super::key(table)).ok_or_else(|| {
            SqlError::new(format!("the malformed records of '{}' are read, and the table is not", table.name))
        })?;
        let Some(schema) = &scanned.errors else {
            return Err(SqlError::new(format!("'{}$errors' is read, and '{0}' has no malformed records", table.name))
                .hint(format!("the connector '{}' makes its rows itself", table.connector.name)));
        };
        let types = |schema: &arrow_schema::Schema| -> Vec<arrow_schema::DataType> {
            schema.fields().iter().map(|field| field.data_type().clone()).collect()
        };
        if types(schema) != types(&node.schema) {
            return Err(SqlError::unsupported(format!(
                "the malformed records of the connector '{}'",
                table.connector.name
            )));
        }
        Ok(Place { node: scanned.source, output: ERROR_OUTPUT })
    }

    /// Whether malformed records of a table are read.
    pub(super) fn wants_errors(&self, table: &Table) -> bool {
        let reads = |node: &Node| matches!(&node.operator, Operator::Errors(of) if super::key(of) == super::key(table));
        self.plan.nodes.iter().any(reads)
    }
}
