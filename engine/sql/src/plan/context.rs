//! What DataFusion's planner asks for: tables, views, functions, types.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, SchemaRef};
use datafusion_common::config::ConfigOptions;
use datafusion_common::{DataFusionError, Result, TableReference, plan_err};
use datafusion_expr::expr::AggregateFunction;
use datafusion_expr::planner::{
    ContextProvider, ExprPlanner, PlannerResult, RawAggregateExpr, RawWindowExpr, RelationPlanner, TypePlanner,
};
use datafusion_expr::{
    AggregateUDF, Expr, ExprSchemable, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, WindowFunctionDefinition,
    WindowUDF, lit,
};
use datafusion_sql::sqlparser::ast::DataType as SqlDataType;
use datafusion_sql::sqlparser::tokenizer::Location;

use super::refusal::refuse;
use super::relation::FlinkRelations;
use crate::catalog::{Catalog, Entry, Table, bare};
use crate::connector::connector_of;
use crate::dialect::FLINK_TYPE;
use crate::error::SqlError;
use crate::functions::{self, aggregate, cast, row};
use crate::lex::{Hint, MARK};
use crate::parse::types::type_of_text;
use crate::settings::Settings;
use crate::statement::Name;

/// A table in a plan, with the options of its hint put to it.
pub(crate) struct Source {
    pub(crate) table: Arc<Table>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table.name)
    }
}

impl TableSource for Source {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.table.schema)
    }
}

/// A view in a plan: it is replaced by what it stands for.
struct ViewSource {
    plan: LogicalPlan,
    schema: SchemaRef,
}

impl TableSource for ViewSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn get_logical_plan(&'_ self) -> Option<Cow<'_, LogicalPlan>> {
        Some(Cow::Borrowed(&self.plan))
    }
}

/// The planner's view of a session, for one statement.
pub(super) struct Context<'a> {
    catalog: &'a Catalog,
    settings: &'a Settings,
    table_hints: &'a [Vec<Hint>],
    config: ConfigOptions,
    relations: Vec<Arc<dyn RelationPlanner>>,
    expressions: Vec<Arc<dyn ExprPlanner>>,
    /// Names of views that are being planned, so that a view of itself ends.
    open: RefCell<Vec<String>>,
    /// Views that have been planned: a name may be asked for often, and views stand on views.
    views: RefCell<HashMap<String, Arc<dyn TableSource>>>,
}

impl<'a> Context<'a> {
    pub(super) fn new(catalog: &'a Catalog, settings: &'a Settings, table_hints: &'a [Vec<Hint>]) -> Self {
        Self {
            catalog,
            settings,
            table_hints,
            config: config(settings),
            relations: vec![Arc::new(FlinkRelations)],
            expressions: vec![Arc::new(FlinkExpressions)],
            open: RefCell::new(Vec::new()),
            views: RefCell::default(),
        }
    }

    fn view(&self, name: &str, view: &crate::catalog::View) -> Result<Arc<dyn TableSource>> {
        if self.open.borrow().iter().any(|open| open == name) {
            return Err(refuse(SqlError::new(format!("the view '{name}' stands for itself"))));
        }
        if let Some(known) = self.views.borrow().get(name) {
            return Ok(Arc::clone(known));
        }
        let declared = &view.declared;
        let nested = Context {
            open: RefCell::new([self.open.borrow().clone(), vec![name.to_owned()]].concat()),
            ..Context::new(self.catalog, self.settings, &declared.select.table_hints)
        };
        let plan = super::raw_query(&nested, &declared.select, &declared.columns)?;
        let source: Arc<dyn TableSource> =
            Arc::new(ViewSource { schema: Arc::new(plan.schema().as_arrow().clone()), plan });
        self.views.borrow_mut().insert(name.to_owned(), Arc::clone(&source));
        Ok(source)
    }
}

/// DataFusion's options for a session.
pub(crate) fn config(settings: &Settings) -> ConfigOptions {
    let mut config = ConfigOptions::default();
    config.sql_parser.enable_ident_normalization = false;
    config.sql_parser.enable_subquery_sort_elimination = false;
    config.optimizer.skip_failed_rules = false;
    // A subquery's value changes with its rows: it is joined like any other.
    config.optimizer.enable_physical_uncorrelated_scalar_subquery = false;
    config.execution.time_zone = settings.get("table.local-time-zone").map(str::to_owned);
    config
}

impl ContextProvider for Context<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let mut parts: Vec<String> =
            [name.catalog(), name.schema(), Some(name.table())].into_iter().flatten().map(str::to_owned).collect();
        let mut hints: &[Hint] = &[];
        if let Some((bare, number)) = name.table().split_once(MARK) {
            hints =
                number.parse().ok().and_then(|number: usize| self.table_hints.get(number)).map_or(&[], Vec::as_slice);
            parts.pop();
            parts.push(bare.to_owned());
        }
        let name = Name { parts, location: Location { line: 0, column: 0 } };
        let bare = bare(&name).map_err(refuse)?;
        match self.catalog.get(bare) {
            None => match self.catalog.aside(bare) {
                Some((table, aside)) => {
                    let table = hinted(&table, hints).map_err(refuse)?;
                    Ok(Arc::new(Source { table: Arc::new(table.aside(aside)) }))
                }
                None => Err(refuse(self.catalog.missing(bare))),
            },
            Some(Entry::View(_)) if !hints.is_empty() => Err(refuse(
                SqlError::new(format!("'{bare}' is a view; OPTIONS belong to a table"))
                    .at(hints[0].location)
                    .hint("put the hint into the view's query"),
            )),
            Some(Entry::View(view)) => self.view(bare, view),
            Some(Entry::Table(table)) => {
                let table = hinted(table, hints).map_err(refuse)?;
                if !table.connector.reads {
                    return Err(refuse(
                        SqlError::new(format!("the table '{bare}' cannot be read"))
                            .hint(format!("the connector '{}' writes only", table.connector.name)),
                    ));
                }
                Ok(Arc::new(Source { table }))
            }
        }
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.expressions
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        &self.relations
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(FlinkTypes))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        functions::scalar(name)
    }

    fn get_higher_order_meta(&self, _name: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        aggregate::aggregate(name)
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        functions::ranking::ranking(name)
    }

    fn get_variable_type(&self, _variable_names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.config
    }

    fn udf_names(&self) -> Vec<String> {
        functions::names()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        aggregate::names()
    }

    fn udwf_names(&self) -> Vec<String> {
        functions::ranking::names()
    }
}

/// A table with the options of hints put over its own.
pub(crate) fn hinted(table: &Arc<Table>, hints: &[Hint]) -> crate::error::Result<Arc<Table>> {
    if hints.is_empty() {
        return Ok(Arc::clone(table));
    }
    let mut options: BTreeMap<String, String> = table.options.clone();
    for hint in hints {
        if let Some(connector) = hint.options.get("connector") {
            return Err(SqlError::new(format!("a hint cannot change the connector to '{connector}'")).at(hint.location));
        }
        options.extend(hint.options.clone());
    }
    let connector = connector_of(&options).map_err(|error| error.at(hints[0].location))?;
    Ok(Arc::new(Table { options, connector, ..Table::clone(table) }))
}

/// Turns nested names and `COUNT(*)` into what the plan holds.
#[derive(Debug)]
struct FlinkExpressions;

impl ExprPlanner for FlinkExpressions {
    fn plan_compound_identifier(
        &self,
        field: &Field,
        qualifier: Option<&TableReference>,
        nested_names: &[String],
    ) -> Result<PlannerResult<Vec<Expr>>> {
        let column = datafusion_common::Column::new(qualifier.cloned(), field.name());
        let mut of = field.data_type();
        let mut expr = Expr::Column(column);
        for name in nested_names {
            let DataType::Struct(fields) = of else { return Ok(PlannerResult::Original(Vec::new())) };
            let Some(inner) = fields.iter().find(|inner| inner.name() == name) else {
                return Ok(PlannerResult::Planned(row::missing_field(expr, name)));
            };
            of = inner.data_type();
            expr = row::get_field(expr, name);
        }
        Ok(PlannerResult::Planned(expr))
    }

    fn plan_field_access(
        &self,
        expr: datafusion_expr::planner::RawFieldAccessExpr,
        schema: &datafusion_common::DFSchema,
    ) -> Result<PlannerResult<datafusion_expr::planner::RawFieldAccessExpr>> {
        use datafusion_expr::GetFieldAccess;
        use datafusion_expr::planner::RawFieldAccessExpr;
        let item = |expr, key| {
            let item = functions::scalar("item_of").map(|item| item.call(vec![expr, key]));
            item.map(PlannerResult::Planned).ok_or_else(|| DataFusionError::Internal("item_of".into()))
        };
        match expr {
            // A constant in brackets is a map's key, where it is no field's name.
            RawFieldAccessExpr { field_access: GetFieldAccess::NamedStructField { name }, expr }
                if matches!(expr.get_type(schema), Ok(DataType::Map(..))) =>
            {
                item(expr, lit(name))
            }
            RawFieldAccessExpr { field_access: GetFieldAccess::NamedStructField { name }, expr } => {
                let name = name.try_as_str().flatten().unwrap_or_default().to_owned();
                Ok(PlannerResult::Planned(row::get_field(expr, &name)))
            }
            RawFieldAccessExpr { field_access: GetFieldAccess::ListIndex { key }, expr } => item(expr, *key),
            other => Ok(PlannerResult::Original(other)),
        }
    }

    fn plan_array_literal(
        &self,
        exprs: Vec<Expr>,
        _schema: &datafusion_common::DFSchema,
    ) -> Result<PlannerResult<Vec<Expr>>> {
        match functions::scalar("array_of") {
            Some(array) => Ok(PlannerResult::Planned(array.call(exprs))),
            None => Ok(PlannerResult::Original(exprs)),
        }
    }

    fn plan_aggregate(&self, mut raw: RawAggregateExpr) -> Result<PlannerResult<RawAggregateExpr>> {
        counted(raw.func.name(), &mut raw.args);
        let RawAggregateExpr { func, args, distinct, filter, order_by, null_treatment } = raw;
        if null_treatment.is_some() {
            return plan_err!("IGNORE NULLS and RESPECT NULLS are not supported yet");
        }
        let call = AggregateFunction::new_udf(func, args, distinct, filter, order_by, None);
        Ok(PlannerResult::Planned(Expr::AggregateFunction(call)))
    }

    fn plan_window(&self, mut raw: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        if let WindowFunctionDefinition::AggregateUDF(function) = &raw.func_def {
            counted(function.name(), &mut raw.args);
        }
        Ok(PlannerResult::Original(raw))
    }
}

/// `COUNT(*)` counts a constant.
fn counted(name: &str, args: &mut [Expr]) {
    #[expect(deprecated, reason = "the planner still gives the wildcard so")]
    if name == "count" && matches!(args, [Expr::Wildcard { .. }]) {
        args[0] = lit(1i64);
    }
}

/// Flink's types, as the dialect wraps them, and the few that the parser reads itself.
#[derive(Debug)]
struct FlinkTypes;

impl TypePlanner for FlinkTypes {
    fn plan_type_field(&self, sql_type: &SqlDataType) -> Result<Option<FieldRef>> {
        let text = match sql_type {
            SqlDataType::Custom(name, modifiers) if name.to_string() == FLINK_TYPE => match modifiers.as_slice() {
                [text] => text.clone(),
                _ => return Ok(None),
            },
            SqlDataType::Timestamp(..) => "TIMESTAMP(3)".to_owned(),
            SqlDataType::Time(..) => "TIME(3)".to_owned(),
            other => other.to_string(),
        };
        let of = type_of_text(&text).map_err(|error| DataFusionError::Plan(error.to_string()))?;
        let field = match sql_type {
            SqlDataType::Custom(..) => cast::target(&of),
            _ => Field::new("", of.arrow(), true),
        };
        Ok(Some(Arc::new(field)))
    }
}
