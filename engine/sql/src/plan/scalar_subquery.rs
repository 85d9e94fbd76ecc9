//! Subqueries that stand for a value: they have to give one row at most, and it has to be known before they run.

use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{Expr, LogicalPlan};

use super::refusal::refuse;
use crate::error::SqlError;

/// Refuses a subquery of which more than one row may come.
pub(super) fn checked(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|part| {
        part.apply_expressions(|expr| {
            expr.apply(|expr| match expr {
                // What is correlated is checked by the planner.
                Expr::ScalarSubquery(of) if of.outer_ref_columns.is_empty() && !is_one_row(&of.subquery) => {
                    Err::<TreeNodeRecursion, DataFusionError>(refuse(
                        SqlError::unsupported("a subquery that stands for a value and may give several rows")
                            .hint("aggregate it without GROUP BY: (SELECT MAX(x) FROM t), or add LIMIT 1"),
                    ))
                }
                _ => Ok(TreeNodeRecursion::Continue),
            })
        })
    })
    .map(|_| ())
}

fn is_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::Projection(projection) => is_one_row(&projection.input),
        LogicalPlan::Filter(filter) => is_one_row(&filter.input),
        LogicalPlan::SubqueryAlias(alias) => is_one_row(&alias.input),
        LogicalPlan::Sort(sort) => sort.fetch.is_some_and(|fetch| fetch <= 1) || is_one_row(&sort.input),
        LogicalPlan::Limit(limit) => {
            let one = match limit.fetch.as_deref() {
                Some(Expr::Literal(value, _)) => {
                    matches!(value.cast_to(&arrow_schema::DataType::Int64), Ok(ScalarValue::Int64(Some(0..=1))))
                }
                _ => false,
            };
            one || is_one_row(&limit.input)
        }
        LogicalPlan::EmptyRelation(_) => true,
        LogicalPlan::Values(values) => values.values.len() <= 1,
        _ => false,
    }
}
