//! Flink's type rules, before DataFusion's coercion: literals, arithmetic of decimals, and versioned tables' times.
//!
//! - A whole number is INT if it fits, a string is a view string.
//! - Arithmetic with a DECIMAL has Flink's precision and scale; a result that does not fit is NULL.
//! - A CAST is Flink's where it differs from Arrow's; TYPEOF is a constant.
//! - Numbers that stand beside one another have the type that `alike` finds, where DataFusion's is another.
//! - A join with a versioned table gets a condition that names both sides, so that the time column stays in the plan.

use arrow_schema::DataType;
use datafusion_common::config::ConfigOptions;
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeContainer};
use datafusion_common::{Column, DFSchema, DataFusionError, Result, ScalarValue};
use datafusion_expr::expr::{BinaryExpr, GroupingSet, ScalarFunction};
use datafusion_expr::expr_rewriter::NamePreserver;
use datafusion_expr::{
    Cast, Expr, ExprSchemable, Join, JoinType, LogicalPlan, Operator, Projection, ScalarUDF, TryCast, utils,
};
use datafusion_optimizer::analyzer::resolve_grouping_function::ResolveGroupingFunction;
use datafusion_optimizer::analyzer::type_coercion::TypeCoercion;
use datafusion_optimizer::{Analyzer, AnalyzerRule};
use std::sync::Arc;

use super::alike;
use super::context::Source;
use super::refusal::refuse;
use super::window_node::VersionedNode;
use crate::error::SqlError;
use crate::functions::cast::{self, Fails};
use crate::functions::{self, RETYPED, UNIX_NOW, decimal};
use crate::types::{Kind, SqlType};

/// The call that keeps the time of a versioned table in its join: true, of the left's time and a right column.
pub(crate) const AS_OF: &str = "as_of";
/// The function of an expression's type.
const TYPEOF: &str = "typeof";
/// With a DECIMAL it is the operator `%`.
const MOD: &str = "mod";
/// Without an argument it is of the clock.
const UNIX_TIMESTAMP: &str = "unix_timestamp";

/// A plan with its types resolved.
pub(super) fn analyzed(plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
    let rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> =
        vec![Arc::new(ResolveGroupingFunction::new()), Arc::new(FlinkRules), Arc::new(TypeCoercion::new())];
    Analyzer::with_rules(rules).execute_and_check(plan, config, |_, _| {})
}

/// One expression with its types resolved.
pub(crate) fn typed(expression: Expr, schema: &DFSchema) -> Result<Expr> {
    let empty = LogicalPlan::EmptyRelation(datafusion_expr::EmptyRelation {
        produce_one_row: false,
        schema: Arc::new(schema.clone()),
    });
    let plan = LogicalPlan::Projection(Projection::try_new(vec![expression], Arc::new(empty))?);
    match analyzed(plan, &ConfigOptions::default())? {
        LogicalPlan::Projection(mut projection) => {
            let expr = projection.expr.pop().ok_or_else(|| DataFusionError::Internal("no expression".into()))?;
            Ok(expr.unalias())
        }
        other => Err(DataFusionError::Internal(format!("no projection: {other}"))),
    }
}

#[derive(Debug)]
struct FlinkRules;

impl AnalyzerRule for FlinkRules {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(rewrite).map(|rewritten| rewritten.data)
    }

    fn name(&self) -> &str {
        "flink_rules"
    }
}

fn rewrite(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    // A limit's numbers are counts, no values; a node of ours resolves its own expressions.
    match plan {
        LogicalPlan::Limit(_) | LogicalPlan::TableScan(_) => return Ok(Transformed::no(plan)),
        LogicalPlan::Extension(_) => return plan.recompute_schema().map(Transformed::yes),
        _ => {}
    }
    let mut schema = utils::merge_schema(&plan.inputs());
    if let LogicalPlan::EmptyRelation(empty) = &plan {
        schema.merge(&empty.schema);
    }
    let plan = alike::inputs(alike::bare(plan))?;
    let names = NamePreserver::new(&plan);
    let each = |expr: Expr| {
        let name = names.save(&expr);
        let typed =
            expr.transform_up(|expr| flink_types(expr, &schema)?.transform_data(|expr| alike::operands(expr, &schema)));
        Ok(typed?.update_data(|expr| name.restore(expr)))
    };
    let rewritten = plan.map_expressions(|expr| match expr {
        // Each key of a set is a column with a name.
        Expr::GroupingSet(GroupingSet::GroupingSets(sets)) => {
            sets.map_elements(&each)?.map_data(|sets| Ok(Expr::GroupingSet(GroupingSet::GroupingSets(sets))))
        }
        Expr::GroupingSet(GroupingSet::Rollup(keys)) => {
            keys.map_elements(&each)?.map_data(|keys| Ok(Expr::GroupingSet(GroupingSet::Rollup(keys))))
        }
        Expr::GroupingSet(GroupingSet::Cube(keys)) => {
            keys.map_elements(&each)?.map_data(|keys| Ok(Expr::GroupingSet(GroupingSet::Cube(keys))))
        }
        other => each(other),
    })?;
    // The types of what it reads may have changed, too.
    match rewritten.data.recompute_schema()? {
        LogicalPlan::Join(join) => versioned(alike::keys(join)?),
        LogicalPlan::Values(values) => alike::rows(values).map(LogicalPlan::Values).map(Transformed::yes),
        other => Ok(Transformed::yes(other)),
    }
}

fn flink_types(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::Literal(ScalarValue::Int64(Some(value)), metadata) => match i32::try_from(value) {
            Ok(value) => Ok(Transformed::yes(Expr::Literal(ScalarValue::Int32(Some(value)), metadata))),
            Err(_) => Ok(Transformed::no(Expr::Literal(ScalarValue::Int64(Some(value)), metadata))),
        },
        Expr::Literal(ScalarValue::Utf8(text), metadata) => {
            Ok(Transformed::yes(Expr::Literal(ScalarValue::Utf8View(text), metadata)))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if matches!(
                op,
                Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo
            ) =>
        {
            match of_decimals(op, &left, &right, schema)? {
                Some(function) => Ok(Transformed::yes(function.call(vec![*left, *right]))),
                None => Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))),
            }
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right }) => {
            let (of_left, of_right) = (sql_type(&left, schema)?, sql_type(&right, schema)?);
            let left = Box::new(cast::planned_text(*left, &of_left)?);
            let right = Box::new(cast::planned_text(*right, &of_right)?);
            Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right })))
        }
        Expr::Cast(Cast { expr, field }) => {
            let cast = cast::planned(&expr, &sql_type(&expr, schema)?, &field, Fails::Job)?;
            Ok(cast.map_or_else(|| Transformed::no(Expr::Cast(Cast { expr, field })), Transformed::yes))
        }
        Expr::TryCast(TryCast { expr, field }) => {
            let cast = cast::planned(&expr, &sql_type(&expr, schema)?, &field, Fails::Null)?;
            Ok(cast.map_or_else(|| Transformed::no(Expr::TryCast(TryCast { expr, field })), Transformed::yes))
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == TYPEOF && args.len() == 1 => {
            let text = sql_type(&args[0], schema)?.to_string();
            Ok(Transformed::yes(Expr::Literal(ScalarValue::Utf8View(Some(text)), None)))
        }
        Expr::ScalarFunction(ScalarFunction { func, mut args }) if func.name() == RETYPED && !args.is_empty() => {
            Ok(Transformed::yes(args.swap_remove(0)))
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == MOD && args.len() == 2 => {
            match of_decimals(Operator::Modulo, &args[0], &args[1], schema)? {
                Some(function) => Ok(Transformed::yes(function.call(args))),
                None => Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args }))),
            }
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == UNIX_TIMESTAMP && args.is_empty() => {
            let now = functions::scalar(UNIX_NOW).ok_or_else(|| DataFusionError::Internal(UNIX_NOW.into()))?;
            Ok(Transformed::yes(now.call(Vec::new())))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// The function of an operator, if one operand at least is a DECIMAL and the other an exact number.
fn of_decimals(op: Operator, left: &Expr, right: &Expr, schema: &DFSchema) -> Result<Option<Arc<ScalarUDF>>> {
    let (left, right) = (left.get_type(schema)?, right.get_type(schema)?);
    let decimal = [&left, &right].iter().any(|of| matches!(of, DataType::Decimal128(..)));
    Ok(if decimal { decimal::arithmetic(op, &left, &right) } else { None })
}

/// The type of an expression in Flink's words: with the length or precision that a CAST gave it.
fn sql_type(expr: &Expr, schema: &DFSchema) -> Result<SqlType> {
    let nullable = expr.nullable(schema)?;
    if let Some(of) = cast::cast_type(expr) {
        return Ok(SqlType { nullable, ..of.clone() });
    }
    if let Expr::Literal(value, _) = expr
        && let Some(Some(text)) = value.try_as_str()
    {
        let length = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        return Ok(SqlType { kind: Kind::Char(length), nullable: false });
    }
    if let Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(length)), _) = expr
        && length.months != 0
    {
        return Ok(SqlType { kind: Kind::IntervalYearMonth, nullable: false });
    }
    Ok(SqlType::from_arrow(&expr.get_type(schema)?, nullable))
}

/// Binds the time of a versioned table on the right.
fn versioned(mut join: Join) -> Result<Transformed<LogicalPlan>> {
    let Some(node) = versioned_node(&join.right) else {
        if versioned_node(&join.left).is_some() {
            return Err(refuse(
                SqlError::new("FOR SYSTEM_TIME AS OF stands on the left of a join")
                    .hint("put the versioned table on the right"),
            ));
        }
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    };
    if !matches!(join.join_type, JoinType::Inner | JoinType::Left) {
        return Err(refuse(
            SqlError::unsupported(format!("{} JOIN with FOR SYSTEM_TIME AS OF", join.join_type))
                .hint("write JOIN or LEFT JOIN"),
        ));
    }
    let time = node.column(join.left.schema()).ok_or_else(|| {
        let names: Vec<&str> = join.left.schema().fields().iter().map(|field| field.name().as_str()).collect();
        let name = node.time.last().map_or("", String::as_str);
        refuse(
            SqlError::new(format!("FOR SYSTEM_TIME AS OF {}: the left side has no such column", node.time.join(".")))
                .maybe_hint(crate::error::did_you_mean(name, names)),
        )
    })?;
    let (qualifier, field) = join.right.schema().qualified_field(0);
    let mut args = vec![Expr::Column(time), Expr::Column(Column::new(qualifier.cloned(), field.name()))];
    let watermark = watermark_of(&node.input);
    for (qualifier, field) in join.right.schema().iter() {
        let timed = match &watermark {
            Some(name) => name.as_ref() == Some(field.name()),
            None => matches!(field.data_type(), DataType::Timestamp(..)),
        };
        if timed {
            args.push(Expr::Column(Column::new(qualifier.cloned(), field.name())));
        }
    }
    let call = functions::scalar(AS_OF).ok_or_else(|| DataFusionError::Internal("as_of".into()))?.call(args);
    join.filter = Some(match join.filter.take() {
        Some(filter) if has_as_of(&filter) => filter,
        Some(filter) => filter.and(call),
        None => call,
    });
    Ok(Transformed::yes(LogicalPlan::Join(join)))
}

/// The event time's column, if this is a table and has one; nothing is known of a query.
fn watermark_of(plan: &LogicalPlan) -> Option<Option<String>> {
    let LogicalPlan::TableScan(scan) = plan else { return None };
    let source = scan.source.downcast_ref::<Source>()?;
    Some(source.table.watermark.as_ref().map(|watermark| source.table.columns[watermark.column].name.clone()))
}

fn has_as_of(filter: &Expr) -> bool {
    utils::split_conjunction(filter).iter().any(|part| is_as_of(part))
}

/// Whether this is the condition that keeps a versioned table's time.
pub(crate) fn is_as_of(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(function) if function.func.name() == AS_OF)
}

/// The versioned table below renamings, projections and filters.
pub(crate) fn versioned_node(plan: &LogicalPlan) -> Option<&VersionedNode> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => versioned_node(&alias.input),
        LogicalPlan::Projection(projection) => versioned_node(&projection.input),
        LogicalPlan::Filter(filter) => versioned_node(&filter.input),
        LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref::<VersionedNode>(),
        _ => None,
    }
}
