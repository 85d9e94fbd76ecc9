//! Joins with `FOR SYSTEM_TIME AS OF`: with a table's versions in event time, or with what it holds now.

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use datafusion_expr::{Expr, Join, LogicalPlan, utils};
use yeoul_relational::{JoinKind, TemporalJoin, TimeOrder};

use super::Lowering;
use super::aggregate::column;
use super::graph::{Bound, ColumnTrait, Exchange, Input, LookupJoin, Node, Operator, State};
use super::join::Sides;
use super::stream::{Stream, bind, shifted, slots_of, substitute};
use crate::catalog::Table;
use crate::error::{Result, SqlError};
use crate::expression::{slot, slot_of};
use crate::plan::{Source, VersionedNode, is_as_of};

impl Lowering<'_> {
    pub(super) fn versioned(
        &mut self,
        join: &Join,
        kind: JoinKind,
        as_of: &Expr,
        conditions: Vec<Expr>,
    ) -> Result<Stream> {
        let left = self.lower(&join.left)?;
        let Expr::ScalarFunction(call) = as_of else { return Err(SqlError::unsupported("this version of a table")) };
        let time = slot_of(&bind(&call.args[0], join.left.schema())?);
        let order = time.and_then(|time| self.traits(&left).get(time)?.time).ok_or_else(|| {
            SqlError::new(format!("FOR SYSTEM_TIME AS OF {}, which is no time attribute", call.args[0].schema_name()))
                .hint("name a column with a WATERMARK, or one declared AS PROCTIME()")
        })?;
        if join.on.is_empty() {
            return Err(SqlError::new("a join with FOR SYSTEM_TIME AS OF has no equality of keys")
                .hint("write ON o.key = r.key"));
        }
        match order {
            TimeOrder::ProcTime => self.look_up(join, kind, left, &conditions),
            TimeOrder::RowTime => self.as_of(join, kind, left, time.unwrap_or(0), conditions),
        }
    }

    /// What the table holds for a key when the row comes.
    fn look_up(&mut self, join: &Join, kind: JoinKind, left: Stream, conditions: &[Expr]) -> Result<Stream> {
        let LookedUp { table, columns, filters } = looked_up(&join.right)?;
        if !table.connector.looks_up {
            return Err(SqlError::new(format!(
                "the connector '{}' of '{}' cannot be looked up by key",
                table.connector.name, table.name
            ))
            .hint("join as of an event time, or read the table from files"));
        }
        let aliases = left.aliases.clone();
        let left_width = left.projection.len();
        let (mut exprs, mut left_keys, mut right_keys) =
            ((0..left_width).map(slot).collect::<Vec<_>>(), Vec::new(), Vec::new());
        for (on_left, on_right) in &join.on {
            left_keys.push(column(&mut exprs, bind(on_left, join.left.schema())?));
            right_keys.push(slot_of(&bind(on_right, join.right.schema())?).ok_or_else(|| {
                SqlError::unsupported("a looked-up table's key that is computed")
                    .hint("compare with the table's own column")
            })?);
        }
        let left = self.with_keys(left, &exprs)?;
        let of = self.plan.nodes[left].clone();
        // What conditions on the table read comes after what the plan knows of it.
        let (right_width, mut columns) = (columns.len(), columns);
        for filter in &filters {
            for read in slots_of(filter) {
                if !columns.contains(&read) {
                    columns.push(read);
                }
            }
        }
        let mut fields: Vec<Arc<Field>> = of.schema.fields().iter().cloned().collect();
        for column in &columns {
            let field = table.schema.field(*column).clone();
            fields.push(Arc::new(if kind == JoinKind::Left { field.with_nullable(true) } else { field }));
        }
        let schema = Arc::new(Schema::new(fields));
        let first = of.schema.fields().len();
        let names = join.left.schema().join(join.right.schema()).map_err(|error| crate::plan::explained(&error))?;
        let mut residual = Vec::new();
        for condition in conditions {
            let place = |index: usize| if index < left_width { index } else { first + index - left_width };
            residual.push(shifted(&bind(condition, &names)?, &place)?);
        }
        for filter in &filters {
            let place = |column: usize| first + columns.iter().position(|known| *known == column).unwrap_or(0);
            residual.push(shifted(filter, &place)?);
        }
        let residual = match residual.into_iter().reduce(Expr::and) {
            None => None,
            Some(all) => {
                let compiled: Arc<dyn yeoul_relational::Expression> = Arc::new(self.compiled(&all, &schema)?);
                Some(compiled)
            }
        };
        let mut node = Node::over(
            Operator::LookupJoin(LookupJoin { table, kind, left_keys, right_keys, columns: columns.clone(), residual }),
            vec![Input { node: left, exchange: Exchange::Forward }],
            &of,
        );
        node.schema = schema;
        node.traits.extend(columns.iter().map(|_| ColumnTrait::default()));
        node.upsert_keys.clear();
        let node = self.add(node);
        let sides = Sides { left, right: left, left_keys: Vec::new(), right_keys: Vec::new(), left_width, right_width };
        Ok(self.joined(node, join, kind, &sides, aliases))
    }

    /// The version that was valid at the row's event time.
    fn as_of(
        &mut self,
        join: &Join,
        kind: JoinKind,
        left: Stream,
        left_time: usize,
        conditions: Vec<Expr>,
    ) -> Result<Stream> {
        let (mut right, filters) = self.versions(&join.right)?;
        let aliases = [left.aliases.clone(), right.aliases.clone()].concat();
        let right_width = right.projection.len();
        // A version that a condition turns away is still the one that is valid: the condition is asked where it is joined.
        let condition = filters.into_iter().reduce(Expr::and);
        if let Some(condition) = &condition {
            right.projection.push(condition.clone());
            right.names.push("$c".to_owned());
        }
        let sides = Sides { right_width, ..self.sides(left, right, join)? };
        let of = self.plan.nodes[sides.right].clone();
        let right_time = of.traits.iter().position(|of| of.time == Some(TimeOrder::RowTime)).ok_or_else(|| {
            SqlError::new("the versioned table has no event time")
                .hint("declare a WATERMARK on it, and read that column")
        })?;
        let key = of.upsert_keys.iter().find(|key| key.iter().all(|column| sides.right_keys.contains(column)));
        let Some(key) = key.cloned() else {
            return Err(SqlError::new("the versioned table's primary key is not all of it compared in ON")
                .hint("declare PRIMARY KEY (…) NOT ENFORCED on the versioned table and compare each of its columns"));
        };
        // Versions are those of the primary key; what else is equal is asked of the version that was valid.
        let (mut by_key, mut conditions) = ((Vec::new(), Vec::new()), conditions);
        for (at, (on_left, on_right)) in join.on.iter().enumerate() {
            if key.contains(&sides.right_keys[at]) {
                by_key.0.push(sides.left_keys[at]);
                by_key.1.push(sides.right_keys[at]);
            } else {
                conditions.push(on_left.clone().eq(on_right.clone()));
            }
        }
        let (left_keys, right_keys) = by_key;
        let mut residual = Vec::new();
        for condition in &conditions {
            residual.push(self.over_both(join, &sides, condition)?);
        }
        if condition.is_some() {
            residual.push(slot(self.plan.nodes[sides.left].schema.fields().len() + right_width));
        }
        let residual = match residual.into_iter().reduce(Expr::and) {
            None => None,
            Some(all) => {
                let compiled: Arc<dyn yeoul_relational::Expression> =
                    Arc::new(self.compiled(&all, &self.both(&sides))?);
                Some(compiled)
            }
        };
        let schema = Arc::new(self.output(&sides, kind));
        let left_node = self.plan.nodes[sides.left].clone();
        let mut traits = left_node.traits.clone();
        traits.extend(of.traits.iter().map(|_| ColumnTrait::default()));
        let spec = TemporalJoin {
            kind,
            left_keys: left_keys.clone(),
            right_keys: right_keys.clone(),
            left_time,
            right_time,
            right_primary_key: key,
            residual,
            left_schema: Arc::clone(&self.plan.nodes[sides.left].schema),
            right_schema: Arc::clone(&self.plan.nodes[sides.right].schema),
            schema: Arc::clone(&schema),
        };
        let input = |node, keys: &[usize]| Input { node, exchange: Exchange::Hash(keys.to_vec()) };
        let node = Node {
            operator: Operator::TemporalJoin(spec),
            inputs: vec![input(sides.left, &left_keys), input(sides.right, &right_keys)],
            schema,
            changes: left_node.changes,
            upsert_keys: left_node.upsert_keys.clone(),
            traits,
            state: Some(State { what: "versions that a row may still ask for".into(), bound: Bound::Watermark }),
        };
        let node = self.add(node);
        Ok(self.joined(node, join, kind, &sides, aliases))
    }

    /// The rows of a versioned table or query, and what has to hold of a version that is joined, over the rows' base.
    fn versions(&mut self, plan: &LogicalPlan) -> Result<(Stream, Vec<Expr>)> {
        match plan {
            LogicalPlan::SubqueryAlias(alias) => {
                let (mut stream, filters) = self.versions(&alias.input)?;
                stream.aliases.push(alias.alias.table().to_owned());
                Ok((stream, filters))
            }
            LogicalPlan::Projection(projection) => {
                let (stream, filters) = self.versions(&projection.input)?;
                let mut chosen = Vec::with_capacity(projection.expr.len());
                for expr in &projection.expr {
                    chosen.push(substitute(&bind(expr, projection.input.schema())?, &stream.projection)?);
                }
                let names = projection.schema.fields().iter().map(|field| field.name().clone()).collect();
                Ok((Stream { projection: chosen, names, ..stream }, filters))
            }
            LogicalPlan::Filter(filter) => {
                let (stream, mut filters) = self.versions(&filter.input)?;
                for part in utils::split_conjunction(&filter.predicate) {
                    if !is_as_of(part) {
                        filters.push(substitute(&bind(part, filter.input.schema())?, &stream.projection)?);
                    }
                }
                Ok((stream, filters))
            }
            LogicalPlan::Extension(extension) => match extension.node.as_any().downcast_ref::<VersionedNode>() {
                Some(node) => Ok((self.lower(&node.input)?, Vec::new())),
                None => Err(SqlError::unsupported("this form of a versioned table")),
            },
            _ => Err(SqlError::unsupported("this form of a versioned table")),
        }
    }
}

/// A table that is looked up, as the plan has it.
struct LookedUp {
    table: Arc<Table>,
    /// Which of its columns the plan knows, in order.
    columns: Vec<usize>,
    /// What has to hold of its rows, over its columns.
    filters: Vec<Expr>,
}

/// The table under a versioned node.
fn looked_up(plan: &LogicalPlan) -> Result<LookedUp> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => looked_up(&alias.input),
        LogicalPlan::Projection(projection) => {
            let of = looked_up(&projection.input)?;
            let chosen = projection.expr.iter().map(|expr| {
                let index = slot_of(&bind(expr, projection.input.schema())?);
                index.and_then(|index| of.columns.get(index).copied()).ok_or_else(|| {
                    SqlError::unsupported("a looked-up table with computed columns").hint("compute them after the join")
                })
            });
            let columns = chosen.collect::<Result<Vec<_>>>()?;
            Ok(LookedUp { columns, ..of })
        }
        // Whether a row has it or not is asked where it is joined: a LEFT JOIN keeps what finds none.
        LogicalPlan::Filter(filter) => {
            let mut of = looked_up(&filter.input)?;
            let places: Vec<Expr> = of.columns.iter().map(|column| slot(*column)).collect();
            for part in utils::split_conjunction(&filter.predicate).into_iter().filter(|part| !is_as_of(part)) {
                of.filters.push(substitute(&bind(part, filter.input.schema())?, &places)?);
            }
            Ok(of)
        }
        LogicalPlan::Extension(extension) => match extension.node.as_any().downcast_ref::<VersionedNode>() {
            Some(node) => looked_up(&node.input),
            None => Err(SqlError::unsupported("a looked-up table that is a query")),
        },
        LogicalPlan::TableScan(scan) => {
            let source = scan.source.downcast_ref::<Source>();
            let table =
                source.map(|source| Arc::clone(&source.table)).ok_or_else(|| SqlError::unsupported("this table"))?;
            let columns = scan.projection.clone().unwrap_or_else(|| (0..table.columns.len()).collect());
            Ok(LookedUp { table, columns, filters: Vec::new() })
        }
        _ => Err(SqlError::unsupported("a join as of processing time with a view or a query")
            .hint("join with a table of a connector that can be looked up, or as of an event time")),
    }
}
