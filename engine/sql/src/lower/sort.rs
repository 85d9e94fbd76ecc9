//! ORDER BY and LIMIT.

use std::sync::Arc;

use arrow_schema::DataType;
use datafusion_common::ScalarValue;
use datafusion_expr::{Expr, Limit, LogicalPlan, Sort};
use yeoul_relational::{SortKey, SortLimit, TemporalSort};

use super::aggregate::column;
use super::graph::{Changes, Exchange, Input, Node, NodeId, Operator};
use super::stream::{Stream, bind};
use super::{Lowering, kept};
use crate::error::{Result, SqlError};
use crate::expression::slot;

impl Lowering<'_> {
    pub(super) fn sort(&mut self, sort: &Sort) -> Result<Stream> {
        if let Some(limit) = sort.fetch {
            return self.sort_limit(&sort.input, Some(sort), 0, limit as u64);
        }
        let (stream, width, order) = self.sorted(&sort.input, Some(sort))?;
        let traits = self.traits(&stream);
        let names = stream.names[..width].to_vec();
        let first = order.first().filter(|key| !key.descending).and_then(|key| traits.get(key.column)?.time);
        let input = self.materialise(stream)?;
        let of = self.plan.nodes[input].clone();
        let Some(time) = first.filter(|_| of.changes.inserts_only()) else {
            return Err(SqlError::unsupported(
                "ORDER BY something else than an ascending time attribute, without LIMIT",
            )
            .hint("order by the event time first, or add LIMIT n"));
        };
        let spec =
            TemporalSort { time: time.at(order[0].column), order: order[1..].to_vec(), schema: Arc::clone(&of.schema) };
        let node =
            Node::over(Operator::TemporalSort(spec), vec![Input { node: input, exchange: Exchange::Single }], &of);
        let node = self.add(node);
        Ok(self.first_columns(node, names))
    }

    pub(super) fn limit(&mut self, limit: &Limit) -> Result<Stream> {
        let offset = count(limit.skip.as_deref())?.unwrap_or(0);
        let Some(fetch) = count(limit.fetch.as_deref())? else {
            return Err(SqlError::unsupported("OFFSET without LIMIT").hint("add LIMIT n"));
        };
        match limit.input.as_ref() {
            LogicalPlan::Sort(sort) => self.sort_limit(&sort.input, Some(sort), offset, fetch),
            // A projection between the two keeps the order.
            LogicalPlan::Projection(projection) if matches!(projection.input.as_ref(), LogicalPlan::Sort(_)) => {
                let LogicalPlan::Sort(sort) = projection.input.as_ref() else {
                    return Err(SqlError::unsupported("this LIMIT"));
                };
                let stream = self.sort_limit(&sort.input, Some(sort), offset, fetch)?;
                let exprs = projection
                    .expr
                    .iter()
                    .map(|expr| bind(expr, projection.input.schema()))
                    .collect::<Result<Vec<_>>>()?;
                let names = projection.schema.fields().iter().map(|field| field.name().clone()).collect();
                self.project(stream, &exprs, names)
            }
            other => self.sort_limit(other, None, offset, fetch),
        }
    }

    fn sort_limit(&mut self, input: &LogicalPlan, sort: Option<&Sort>, offset: u64, limit: u64) -> Result<Stream> {
        let (stream, width, order) = self.sorted(input, sort)?;
        let names = stream.names[..width].to_vec();
        let input = self.materialise(stream)?;
        let of = self.plan.nodes[input].clone();
        let plain = order.is_empty() && of.changes.inserts_only();
        let spec = SortLimit {
            order,
            offset,
            limit,
            retracting_input: !of.changes.inserts_only(),
            update_before: false,
            schema: Arc::clone(&of.schema),
        };
        let node = Node {
            changes: if plain { Changes::INSERTS } else { Changes::ALL },
            state: kept(
                if of.changes.inserts_only() { "the first rows" } else { "every row" },
                self.settings.state_ttl(),
            )
            .filter(|_| !of.changes.inserts_only()),
            ..Node::over(Operator::SortLimit(spec), vec![Input { node: input, exchange: Exchange::Single }], &of)
        };
        let node = self.add(node);
        Ok(self.first_columns(node, names))
    }

    /// The input with what it is sorted by as columns, how many columns the plan knows, and the order.
    fn sorted(&mut self, input: &LogicalPlan, sort: Option<&Sort>) -> Result<(Stream, usize, Vec<SortKey>)> {
        let stream = self.lower(input)?;
        let width = stream.projection.len();
        let mut exprs: Vec<Expr> = (0..width).map(slot).collect();
        let mut order = Vec::new();
        for key in sort.map_or(&[][..], |sort| sort.expr.as_slice()) {
            let column = column(&mut exprs, bind(&key.expr, input.schema())?);
            order.push(SortKey { column, descending: !key.asc, nulls_first: key.nulls_first });
        }
        let mut names = stream.names.clone();
        names.extend((width..exprs.len()).map(|index| format!("$s{index}")));
        Ok((self.project(stream, &exprs, names)?, width, order))
    }

    fn first_columns(&self, node: NodeId, names: Vec<String>) -> Stream {
        Stream { projection: (0..names.len()).map(slot).collect(), names, ..self.read(node) }
    }
}

fn count(expr: Option<&Expr>) -> Result<Option<u64>> {
    match expr {
        None => Ok(None),
        Some(Expr::Literal(value, _)) if value.is_null() => Ok(None),
        Some(Expr::Literal(value, _)) => match value.cast_to(&DataType::UInt64) {
            Ok(ScalarValue::UInt64(Some(count))) => Ok(Some(count)),
            _ => Err(SqlError::new(format!("LIMIT and OFFSET want a whole number, not {value}"))),
        },
        Some(other) => Err(SqlError::unsupported(format!("LIMIT {other}")).hint("write a number")),
    }
}
