//! IN and EXISTS beside OR: the planner marks each row by whether the subquery has its partner. A mark is a left join with the subquery's
//! keys, each once.
//!
//! A mark is false where IN is not known because of a NULL. That is the same under AND and OR in a WHERE, and refused elsewhere.

use std::sync::Arc;

use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{Column, DataFusionError, NullEquality, Result};
use datafusion_expr::expr::BinaryExpr;
use datafusion_expr::{Expr, Join, JoinConstraint, JoinType, LogicalPlan, LogicalPlanBuilder, Operator};

use super::refusal::refuse;
use crate::error::SqlError;

/// The plan with left joins in the place of marks.
pub(super) fn joined(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut marks: Vec<Column> = Vec::new();
    let plan = plan.transform_up(|plan| match plan {
        LogicalPlan::Join(join) if is_mark(&join) => {
            marks.extend(join.schema.columns().pop());
            of_mark(join).map(Transformed::yes)
        }
        other => Ok(Transformed::no(other)),
    })?;
    if !marks.is_empty() {
        plan.data.apply(|part| {
            part.apply_expressions(|expr| {
                if is_sound(expr, &marks) {
                    return Ok(TreeNodeRecursion::Continue);
                }
                Err::<TreeNodeRecursion, DataFusionError>(refuse(
                    SqlError::unsupported("NOT IN or NOT EXISTS of a subquery beside OR")
                        .hint("write a UNION of two queries, or a join"),
                ))
            })
        })?;
    }
    Ok(plan.data)
}

fn is_mark(join: &Join) -> bool {
    // One that takes two NULLs for equal cannot be told by its key: that it is not NULL says that there is a partner.
    let by_values = join.null_equality == NullEquality::NullEqualsNothing;
    join.join_type == JoinType::LeftMark && by_values && join.filter.is_none() && !join.on.is_empty()
}

/// Whether marks stand under AND and OR only.
fn is_sound(expr: &Expr, marks: &[Column]) -> bool {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And | Operator::Or, right }) => {
            is_sound(left, marks) && is_sound(right, marks)
        }
        Expr::Column(_) => true,
        other => !other.column_refs().iter().any(|column| marks.contains(column)),
    }
}

fn of_mark(join: Join) -> Result<LogicalPlan> {
    let name = |index: usize| format!("key {index}");
    let (lefts, rights): (Vec<Expr>, Vec<Expr>) = join.on.into_iter().unzip();
    let named = rights.into_iter().enumerate().map(|(index, key)| key.alias(name(index)));
    let (qualifier, _) = join.schema.qualified_field(join.schema.fields().len() - 1);
    let qualifier = qualifier.cloned();
    let column = |index: usize| Expr::Column(Column::new(qualifier.clone(), name(index)));
    let mut keys = LogicalPlanBuilder::from(join.right).project(named)?;
    if let Some(qualifier) = &qualifier {
        keys = keys.alias(qualifier.clone())?;
    }
    let keys = keys.aggregate((0..lefts.len()).map(column), Vec::<Expr>::new())?.build()?;
    let on = lefts.into_iter().enumerate().map(|(index, left)| (left, column(index))).collect();
    let joined = Join::try_new(
        join.left,
        Arc::new(keys),
        on,
        None,
        JoinType::Left,
        JoinConstraint::On,
        NullEquality::NullEqualsNothing,
        false,
    )?;
    let count = join.schema.fields().len();
    let columns = join.schema.iter().enumerate().map(|(index, (of, field))| {
        if index + 1 == count {
            column(0).is_not_null().alias_qualified(of.cloned(), field.name())
        } else {
            Expr::Column((of, field).into())
        }
    });
    let columns: Vec<Expr> = columns.collect();
    LogicalPlanBuilder::from(LogicalPlan::Join(joined)).project(columns)?.build()
}
