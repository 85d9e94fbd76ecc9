//! From a query to an optimised logical plan, by DataFusion with Flink's types and relations.

mod alike;
mod context;
mod joined;
mod mark;
mod match_node;
mod refusal;
mod relation;
mod scalar_subquery;
mod set_operation;
mod typing;
mod unnest_node;
mod window_node;

use std::sync::Arc;

use arrow_schema::SchemaRef;
use datafusion_common::{DFSchema, DataFusionError};
use datafusion_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion_optimizer::{Optimizer, OptimizerContext, OptimizerRule};
use datafusion_sql::planner::{NullOrdering, ParserOptions, PlannerContext, SqlToRel};
use datafusion_sql::sqlparser::ast::Expr as SqlExpr;

use crate::catalog::Catalog;
use crate::error::Result;
use crate::settings::Settings;
use crate::statement::Select;

pub(crate) use context::{Source, config, hinted};
pub(crate) use match_node::{MatchNode, REFERENCE};
pub(crate) use refusal::explained;
pub(crate) use relation::interval_millis;
pub(crate) use typing::{AS_OF, is_as_of, versioned_node};
pub(crate) use unnest_node::{Elements, UnnestNode};
pub(crate) use window_node::{VersionedNode, WINDOW_COLUMNS, WindowNode};

use context::Context;

fn options() -> ParserOptions {
    ParserOptions::new()
        .with_enable_ident_normalization(false)
        .with_collect_spans(true)
        .with_default_null_ordering(NullOrdering::NullsMin)
}

/// The plan of a query before it is optimised, with its types resolved.
pub(crate) fn query(catalog: &Catalog, settings: &Settings, select: &Select, names: &[String]) -> Result<LogicalPlan> {
    let context = Context::new(catalog, settings, &select.table_hints);
    let plan = raw_query(&context, select, names).map_err(|error| explained(&error))?;
    scalar_subquery::checked(&plan).map_err(|error| explained(&error))?;
    let plan = set_operation::counted(plan).map_err(|error| explained(&error))?;
    typing::analyzed(plan, &config(settings)).map_err(|error| explained(&error))
}

fn raw_query(
    context: &Context<'_>,
    select: &Select,
    names: &[String],
) -> std::result::Result<LogicalPlan, DataFusionError> {
    let planner = SqlToRel::new_with_options(context, options());
    let mut query = select.query.clone();
    let left = joined::written_out(context, &mut query);
    let statement = datafusion_sql::sqlparser::ast::Statement::Query(query);
    let plan = planner.sql_statement_to_plan(statement)?;
    if let Some(error) = left {
        return Err(error);
    }
    if names.is_empty() {
        return Ok(plan);
    }
    let fields = plan.schema().fields().len();
    if fields != names.len() {
        return Err(refusal::refuse(
            crate::error::SqlError::new(format!("{} column names for a query of {fields} columns", names.len()))
                .hint("name each column once"),
        ));
    }
    let renamed: Vec<Expr> = plan
        .schema()
        .iter()
        .zip(names)
        .map(|((qualifier, field), name)| Expr::Column((qualifier, field).into()).alias(name))
        .collect();
    LogicalPlanBuilder::from(plan).project(renamed)?.build()
}

/// An expression over the columns of one table, with its types resolved.
pub(crate) fn expression(settings: &Settings, expression: &SqlExpr, schema: &SchemaRef) -> Result<Expr> {
    let catalog = Catalog::default();
    let context = Context::new(&catalog, settings, &[]);
    let planned = || {
        let schema = DFSchema::try_from(schema.as_ref().clone())?;
        let planner = SqlToRel::new_with_options(&context, options());
        let raw = planner.sql_to_expr(expression.clone(), &schema, &mut PlannerContext::new())?;
        typing::typed(raw, &schema)
    };
    planned().map_err(|error: DataFusionError| explained(&error))
}

/// A query as a plan that is fit for lowering.
pub(crate) fn optimised(plan: LogicalPlan, settings: &Settings) -> Result<LogicalPlan> {
    use datafusion_optimizer as o;
    let rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = vec![
        Arc::new(o::rewrite_set_comparison::RewriteSetComparison::new()),
        Arc::new(o::simplify_expressions::SimplifyExpressions::new()),
        Arc::new(o::replace_distinct_aggregate::ReplaceDistinctWithAggregate::new()),
        Arc::new(o::decorrelate_predicate_subquery::DecorrelatePredicateSubquery::new()),
        Arc::new(o::scalar_subquery_to_join::ScalarSubqueryToJoin::new()),
        Arc::new(o::decorrelate_lateral_join::DecorrelateLateralJoin::new()),
        Arc::new(o::extract_equijoin_predicate::ExtractEquijoinPredicate::new()),
        Arc::new(o::eliminate_filter::EliminateFilter::new()),
        Arc::new(o::eliminate_cross_join::EliminateCrossJoin::new()),
        Arc::new(o::eliminate_outer_join::EliminateOuterJoin::new()),
        Arc::new(o::push_down_filter::PushDownFilter::new()),
        Arc::new(o::optimize_projections::OptimizeProjections::new()),
    ];
    let context = OptimizerContext::new_with_config_options(Arc::new(config(settings))).with_max_passes(4);
    let optimiser = Optimizer::with_rules(rules);
    let plan = optimiser.optimize(plan, &context, |_, _| {}).and_then(mark::joined);
    plan.map_err(|error| explained(&error))
}

/// The names of the tables with a watermark that a plan reads.
pub(crate) fn timed_tables(plan: &LogicalPlan) -> Vec<String> {
    let mut found = std::collections::BTreeSet::new();
    // Nothing in the closure fails.
    let _ = plan.apply_with_subqueries(|part| {
        if let LogicalPlan::TableScan(scan) = part
            && let Some(source) = scan.source.downcast_ref::<Source>()
            && source.table.watermark.is_some()
        {
            found.insert(source.table.name.clone());
        }
        Ok(datafusion_common::tree_node::TreeNodeRecursion::Continue)
    });
    found.into_iter().collect()
}

/// The type of an expression over these columns, and whether it can be NULL.
pub(crate) fn type_of(expression: &Expr, schema: &SchemaRef) -> Result<(arrow_schema::DataType, bool)> {
    use datafusion_expr::ExprSchemable;
    let found = || {
        let schema = DFSchema::try_from(schema.as_ref().clone())?;
        Ok((expression.get_type(&schema)?, expression.nullable(&schema)?))
    };
    found().map_err(|error: DataFusionError| explained(&error))
}
