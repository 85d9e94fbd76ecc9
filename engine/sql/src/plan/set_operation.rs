//! INTERSECT ALL and EXCEPT ALL: rows are counted on both sides, and come out as often as the counts say.
//!
//! The planner has them as semi and anti joins, which keep a row of the left as often as the left has it.

use std::sync::Arc;

use arrow_schema::DataType;
use datafusion_common::tree_node::Transformed;
use datafusion_common::{Column, DataFusionError, NullEquality, Result, ScalarValue};
use datafusion_expr::expr::AggregateFunction;
use datafusion_expr::{Expr, Join, JoinType, LogicalPlan, LogicalPlanBuilder, SubqueryAlias, cast, lit, when};

use super::unnest_node::{UNNESTED, UnnestNode};
use crate::functions::aggregate;

const LEFT: &str = "left count";
const RIGHT: &str = "right count";

/// A plan whose set operations with ALL are counted.
pub(super) fn counted(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|plan| match plan {
        LogicalPlan::Join(join) if is_of_all(&join) => of_counts(&join).map(Transformed::yes),
        other => Ok(Transformed::no(other)),
    });
    rewritten.map(|rewritten| rewritten.data)
}

/// No other join takes NULLs for equal before the plan is optimised. Without ALL, the left's rows are distinct.
fn is_of_all(join: &Join) -> bool {
    let is_set = matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti)
        && join.null_equality == NullEquality::NullEqualsNull;
    is_set && !is_distinct(&join.left)
}

fn is_distinct(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Distinct(_) => true,
        LogicalPlan::SubqueryAlias(SubqueryAlias { input, .. }) => is_distinct(input),
        _ => false,
    }
}

fn of_counts(join: &Join) -> Result<LogicalPlan> {
    let width = join.left.schema().fields().len();
    let names = apart(join.left.schema().fields().iter().map(|field| field.name().as_str()));
    let name = |index: usize| names[index].clone();
    let column = |name: &str| Expr::Column(Column::new_unqualified(name));
    let side = |plan: &Arc<LogicalPlan>, left: i32, right: i32| {
        let columns = plan.schema().iter().enumerate();
        let columns =
            columns.map(|(index, (qualifier, field))| Expr::Column((qualifier, field).into()).alias(name(index)));
        let one = |value: i32| cast(lit(ScalarValue::Int32(Some(value))), DataType::Int64);
        let counts = [one(left).alias(LEFT), one(right).alias(RIGHT)];
        LogicalPlanBuilder::from(plan.as_ref().clone()).project(columns.chain(counts))?.build()
    };
    let (left, right) = (side(&join.left, 1, 0)?, side(&join.right, 0, 1)?);
    let sum = |of: &str| {
        let sum = aggregate::aggregate("sum").ok_or_else(|| DataFusionError::Internal("sum".into()))?;
        let call = AggregateFunction::new_udf(sum, vec![column(of)], false, None, Vec::new(), None);
        Ok::<Expr, DataFusionError>(Expr::AggregateFunction(call))
    };
    let (lefts, rights) = (sum(LEFT)?, sum(RIGHT)?);
    let of = |sum: &Expr| column(&sum.schema_name().to_string());
    let times = match join.join_type {
        JoinType::LeftSemi => when(of(&lefts).lt(of(&rights)), of(&lefts)).otherwise(of(&rights))?,
        // Less than none is none.
        _ => of(&lefts) - of(&rights),
    };
    let columns = (0..width).map(|index| column(&name(index)));
    let all = LogicalPlanBuilder::from(left)
        .union(right)?
        .aggregate(columns.clone(), [lefts, rights])?
        .project(columns.chain([times.alias(UNNESTED)]))?
        .build()?;
    let named = join
        .schema
        .iter()
        .enumerate()
        .map(|(index, (qualifier, field))| column(&name(index)).alias_qualified(qualifier.cloned(), field.name()));
    let named: Vec<Expr> = named.collect();
    LogicalPlanBuilder::from(UnnestNode::repeated(all)?).project(named)?.build()
}

/// Names of columns that are no two the same, nor those of the counts: people read them.
fn apart<'a>(fields: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for field in fields {
        let taken = |name: &str| [LEFT, RIGHT].contains(&name) || names.iter().any(|known| known == name);
        let mut name = field.to_owned();
        while taken(&name) {
            name.push('\'');
        }
        names.push(name);
    }
    names
}
