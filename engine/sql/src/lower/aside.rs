//! Rows of a table that a job could not use, as rows to read: `t$late` and `t$errors`.
//!
//! A late row is known where a window is closed, far from its table. So, if late rows of a table are read, the input of each
//! window over it carries all of the table's columns behind those that the window needs.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion_common::tree_node::TreeNodeRecursion;
use datafusion_expr::{Expr, LogicalPlan, TableScan};
use yeoul_relational::{Calc, Projected, Union};

use super::Lowering;
use super::graph::{Exchange, Input, Node, NodeId, Operator};
use super::scan::key_of;
use super::stream::{Base, Stream};
use crate::catalog::{Aside, Table};
use crate::error::{Result, SqlError};
use crate::expression::slot;
use crate::plan::Source;

/// The tables whose late rows a plan reads.
pub(super) fn late_tables(plan: &LogicalPlan) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    // Nothing in the closure fails.
    let _ = plan.apply_with_subqueries(|part| {
        if let LogicalPlan::TableScan(scan) = part
            && let Some(source) = scan.source.downcast_ref::<Source>()
            && let Some((Aside::Late, base)) = &source.table.aside
        {
            found.insert(key_of(base));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

impl Lowering<'_> {
    /// What was put aside of a table.
    pub(super) fn aside(
        &mut self,
        scan: &TableScan,
        table: &Arc<Table>,
        aside: Aside,
        base: &Arc<Table>,
    ) -> Result<Stream> {
        let node = match aside {
            Aside::Late => self.late_rows(table, base)?,
            Aside::Errors => {
                // What is not read cannot be malformed: all columns are.
                let all = base.columns.iter().map(|column| vec![column.name.clone()]);
                self.needs.entry(key_of(base)).or_default().extend(all);
                self.table(base)?;
                self.add(Node::source(Operator::Errors(Arc::clone(base)), Arc::clone(&table.schema)))
            }
        };
        let columns: Vec<usize> = scan.projection.clone().unwrap_or_else(|| (0..table.columns.len()).collect());
        Ok(Stream {
            projection: columns.iter().map(|column| slot(*column)).collect(),
            names: columns.iter().map(|column| table.columns[*column].name.clone()).collect(),
            aliases: vec![table.name.clone()],
            base: Base::Node(node),
            filters: Vec::new(),
        })
    }

    fn late_rows(&mut self, table: &Arc<Table>, base: &Arc<Table>) -> Result<NodeId> {
        let met = self.late.get(&key_of(base)).cloned().unwrap_or_default();
        let mut inputs = Vec::new();
        for (operator, first) in met {
            let projection = (first..first + table.columns.len()).map(Projected::Column).collect();
            let calc = Calc { filter: None, projection: Some(projection), schema: Arc::clone(&table.schema) };
            let mut node = Node::source(Operator::Late(calc), Arc::clone(&table.schema));
            node.inputs = vec![Input { node: operator, exchange: Exchange::Forward }];
            inputs.push(self.add(node));
        }
        match inputs.as_slice() {
            [] => Err(SqlError::new(format!(
                "'{}' is read, and nothing in this job can find rows of '{}' late",
                table.name, base.name
            ))
            .hint(format!("put the INSERT into one STATEMENT SET with an aggregate over a window of '{}'", base.name))),
            [one] => Ok(*one),
            several => {
                let mut node = Node::source(
                    Operator::Union(Union { schema: Arc::clone(&table.schema) }),
                    Arc::clone(&table.schema),
                );
                node.inputs = several.iter().map(|node| Input { node: *node, exchange: Exchange::Forward }).collect();
                Ok(self.add(node))
            }
        }
    }

    /// Appends all columns of the table that a stream is of, if its late rows are read. Returns the table then, and the first of them.
    pub(super) fn with_late_columns(
        &self,
        stream: &mut Stream,
        exprs: &mut Vec<Expr>,
        names: &mut Vec<String>,
    ) -> Option<(Arc<Table>, usize)> {
        let Base::Table { table, .. } = &stream.base else { return None };
        if !self.late.contains_key(&key_of(table)) {
            return None;
        }
        let (table, first) = (Arc::clone(table), exprs.len());
        for (index, column) in table.columns.iter().enumerate() {
            exprs.push(slot(stream.projection.len()));
            stream.projection.push(slot(index));
            stream.names.push(column.name.clone());
            names.push(format!("$late.{}", column.name));
        }
        Some((table, first))
    }

    /// Notes that an operator meets late rows of a table, whose columns stand from some column on in its input.
    pub(super) fn meets_late(&mut self, late: Option<(Arc<Table>, usize)>, operator: NodeId) {
        let Some((table, first)) = late else { return };
        let Some(met) = self.late.get_mut(&key_of(&table)) else { return };
        if !met.contains(&(operator, first)) {
            met.push((operator, first));
        }
    }
}
