//! What stands in FROM: window table functions, versioned tables, UNNEST, and everything that is refused by its name.
//!
//! The parser's table has more parts than any one dialect uses. Each part is either read here or refused here: none is
//! ignored.

use datafusion_common::{Result, plan_err};
use datafusion_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion_expr::{Expr, Extension, LogicalPlan};
use datafusion_sql::sqlparser::ast::{
    Expr as SqlExpr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Spanned, TableFactor,
    TableVersion,
};
use std::sync::Arc;
use yeoul_relational::Window;

use super::refusal::refuse;
use super::window_node::{VersionedNode, WindowNode};
use super::{match_node, unnest_node};
use crate::dialect::TABLE_ARGUMENT;
use crate::error::SqlError;
use crate::parse::lateral::unnested;

/// Plans what DataFusion does not, and refuses what neither plans.
#[derive(Debug)]
pub(super) struct FlinkRelations;

impl RelationPlanner for FlinkRelations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let span = relation.span();
        let unsupported = |what: &str, hint: &str| Err(refuse(SqlError::unsupported(what).on(span).hint(hint)));
        if let Some(of) = unnested(&relation) {
            let plan = unnest_node::alone(&of, span, context)?;
            return Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, None))));
        }
        match relation {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                if sample.is_some() {
                    return unsupported("TABLESAMPLE", "filter by a column: WHERE MOD(id, 10) = 0");
                }
                if !with_hints.is_empty()
                    || !partitions.is_empty()
                    || json_path.is_some()
                    || !index_hints.is_empty()
                    || with_ordinality
                {
                    return unsupported(
                        "what follows this table",
                        "a table takes an alias, OPTIONS and FOR SYSTEM_TIME AS OF",
                    );
                }
                match (args, version) {
                    (None, None) => Ok(RelationPlanning::Original(Box::new(TableFactor::Table {
                        name,
                        alias,
                        args: None,
                        with_hints,
                        version: None,
                        with_ordinality,
                        partitions,
                        json_path,
                        sample,
                        index_hints,
                    }))),
                    (None, Some(TableVersion::ForSystemTimeAsOf(time))) => {
                        let table = plain_table(name.clone());
                        let input = context.plan(table)?;
                        let Some(time) = path(&time) else {
                            return unsupported(
                                "FOR SYSTEM_TIME AS OF an expression",
                                "name a time attribute of the left side: FOR SYSTEM_TIME AS OF o.ts",
                            );
                        };
                        let node = VersionedNode { input: Arc::new(input), time };
                        let plan = LogicalPlan::Extension(Extension { node: Arc::new(node) });
                        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
                    }
                    (None, Some(_)) => {
                        unsupported("this form of a table's version", "write FOR SYSTEM_TIME AS OF o.ts")
                    }
                    (Some(args), None) if args.settings.is_none() => {
                        let plan = table_function(&name, args.args, context)?;
                        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
                    }
                    (Some(_), _) => unsupported("a version or settings of a table function", "leave it out"),
                }
            }
            TableFactor::TableFunction { expr: SqlExpr::Function(function), alias } => {
                let FunctionArguments::List(list) = function.args else {
                    return unsupported(
                        "this table function",
                        "write TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))",
                    );
                };
                let plan = table_function(&function.name, list.args, context)?;
                Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
            }
            TableFactor::TableFunction { .. } => unsupported(
                "an expression in TABLE()",
                "write TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))",
            ),
            TableFactor::Function { name, lateral: false, args, with_ordinality: false, alias } => {
                let plan = table_function(&name, args, context)?;
                Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
            }
            TableFactor::Function { .. } => {
                unsupported("a table function beside LATERAL", "LATERAL takes a subquery or UNNEST")
            }
            TableFactor::UNNEST { .. } => unsupported("this form of UNNEST", "write CROSS JOIN UNNEST(a) AS u (x)"),
            TableFactor::Derived { sample: Some(_), .. } => {
                unsupported("TABLESAMPLE", "filter by a column: WHERE MOD(id, 10) = 0")
            }
            TableFactor::MatchRecognize { .. } => {
                let (plan, alias) = match_node::plan(relation, context)?;
                Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
            }
            TableFactor::Pivot { .. } => unsupported("PIVOT", "write aggregates with FILTER (WHERE …)"),
            TableFactor::Unpivot { .. } => unsupported("UNPIVOT", "write UNION ALL"),
            TableFactor::JsonTable { .. } | TableFactor::OpenJsonTable { .. } => {
                unsupported("JSON_TABLE", "read fields with JSON_VALUE")
            }
            TableFactor::XmlTable { .. } | TableFactor::SemanticView { .. } => {
                unsupported("this form of a table", "leave it out")
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                match unnest_node::joined(&table_with_joins, context)? {
                    Some(plan) => Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias)))),
                    None => {
                        Ok(RelationPlanning::Original(Box::new(TableFactor::NestedJoin { table_with_joins, alias })))
                    }
                }
            }
            TableFactor::Derived { .. } => Ok(RelationPlanning::Original(Box::new(relation))),
        }
    }
}

/// A table by its name alone.
pub(super) fn plain_table(name: ObjectName) -> TableFactor {
    TableFactor::Table {
        name,
        alias: None,
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}

fn path(expr: &SqlExpr) -> Option<Vec<String>> {
    match expr {
        SqlExpr::Identifier(ident) => Some(vec![ident.value.clone()]),
        SqlExpr::CompoundIdentifier(idents) => Some(idents.iter().map(|ident| ident.value.clone()).collect()),
        _ => None,
    }
}

const FORMS: [(&str, &[&str], &str); 4] = [
    (
        "TUMBLE",
        &["DATA", "TIMECOL", "SIZE", "OFFSET"],
        "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' MINUTE [, offset])",
    ),
    ("HOP", &["DATA", "TIMECOL", "SLIDE", "SIZE", "OFFSET"], "HOP(TABLE t, DESCRIPTOR(ts), slide, size [, offset])"),
    (
        "CUMULATE",
        &["DATA", "TIMECOL", "STEP", "SIZE", "OFFSET"],
        "CUMULATE(TABLE t, DESCRIPTOR(ts), step, size [, offset])",
    ),
    ("SESSION", &["DATA", "TIMECOL", "GAP"], "SESSION(TABLE t [PARTITION BY k], DESCRIPTOR(ts), gap)"),
];

/// A window table function, with arguments by position or by name.
fn table_function(
    name: &ObjectName,
    arguments: Vec<FunctionArg>,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let span = name.span();
    let shown = name.to_string().trim_matches('`').to_uppercase();
    let Some((kind, names, form)) = FORMS.iter().find(|(kind, ..)| *kind == shown) else {
        let known = FORMS.iter().map(|(kind, ..)| *kind);
        return Err(refuse(
            SqlError::new(format!("there is no table function '{shown}'"))
                .on(span)
                .maybe_hint(crate::error::did_you_mean(&shown, known)),
        ));
    };
    let wrong = |what: String| refuse(SqlError::new(what).on(span).hint(format!("write {form}")));
    let mut given: Vec<Option<SqlExpr>> = vec![None; names.len()];
    for (position, argument) in arguments.into_iter().enumerate() {
        let (slot, value) = match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => (position, value),
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. } => {
                let at = names.iter().position(|known| known.eq_ignore_ascii_case(&name.value));
                (at.ok_or_else(|| wrong(format!("{kind} has no argument '{}'", name.value)))?, value)
            }
            other => return Err(wrong(format!("{kind} does not take '{other}'"))),
        };
        let place = given.get_mut(slot).ok_or_else(|| wrong(format!("{kind} has too many arguments")))?;
        if place.replace(value).is_some() {
            return Err(wrong(format!("{kind} is given '{}' twice", names[slot])));
        }
    }
    let (table, keys) = match given[0].take() {
        Some(SqlExpr::Function(function)) if function.name.to_string().trim_matches('`') == TABLE_ARGUMENT => {
            table_and_keys(function.args).ok_or_else(|| wrong(format!("the table of {kind} is not understood")))?
        }
        // Flink takes the bare name in named arguments too.
        Some(SqlExpr::Identifier(ident)) => (ObjectName::from(vec![ident]), Vec::new()),
        Some(other) => return Err(wrong(format!("the first argument of {kind} is not a table: {other}"))),
        None => return Err(wrong(format!("{kind} has no table"))),
    };
    let input = context.plan(plain_table(table))?;
    let time = given[1].take().ok_or_else(|| wrong(format!("{kind} has no DESCRIPTOR")))?;
    let time = descriptor(&time)
        .ok_or_else(|| wrong(format!("the second argument of {kind} is not DESCRIPTOR(column): {time}")))?;
    let mut columns = vec![context.sql_to_expr(SqlExpr::Identifier(time), input.schema())?];
    if !keys.is_empty() && *kind != "SESSION" {
        return Err(wrong(format!("PARTITION BY has no meaning in {kind}")));
    }
    for key in keys {
        columns.push(context.sql_to_expr(SqlExpr::Identifier(key), input.schema())?);
    }
    let mut lengths = Vec::with_capacity(3);
    for (slot, value) in given.into_iter().enumerate().skip(2) {
        let optional = names[slot] == "OFFSET";
        let Some(value) = value else {
            if optional {
                lengths.push(0);
                continue;
            }
            return Err(wrong(format!("{kind} has no {}", names[slot])));
        };
        let length = interval_millis(&context.sql_to_expr(value.clone(), input.schema())?).ok_or_else(|| {
            wrong(format!("the {} of {kind} is not an interval of days to seconds: {value}", names[slot]))
        })?;
        if length <= 0 && !optional {
            return Err(wrong(format!("the {} of {kind} is not positive", names[slot])));
        }
        lengths.push(length);
    }
    let window = match (*kind, lengths.as_slice()) {
        ("TUMBLE", [size, offset]) => Window::Tumble { size: *size, offset: *offset },
        ("HOP", [slide, size, offset]) => Window::Hop { size: *size, slide: *slide, offset: *offset },
        ("CUMULATE", [step, size, offset]) => {
            if size % step != 0 {
                return Err(wrong(format!(
                    "the size of CUMULATE, {size} ms, is not a multiple of the step, {step} ms"
                )));
            }
            Window::Cumulate { size: *size, step: *step, offset: *offset }
        }
        ("SESSION", [gap]) => Window::Session { gap: *gap },
        _ => return plan_err!("a window of {} lengths", lengths.len()),
    };
    let node = WindowNode::new(input, window, columns)?;
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
}

fn table_and_keys(arguments: FunctionArguments) -> Option<(ObjectName, Vec<Ident>)> {
    let FunctionArguments::List(list) = arguments else { return None };
    let mut values = list.args.into_iter().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some(value),
        _ => None,
    });
    let Some(SqlExpr::CompoundIdentifier(parts)) = values.next() else { return None };
    let keys = values.filter_map(|value| match value {
        SqlExpr::Identifier(ident) => Some(ident),
        _ => None,
    });
    Some((ObjectName::from(parts), keys.collect()))
}

/// `DESCRIPTOR(column)`
fn descriptor(expr: &SqlExpr) -> Option<Ident> {
    let SqlExpr::Function(function) = expr else { return None };
    let FunctionArguments::List(list) = &function.args else { return None };
    match (function.name.to_string().to_uppercase().as_str(), list.args.as_slice()) {
        ("DESCRIPTOR", [FunctionArg::Unnamed(FunctionArgExpr::Expr(SqlExpr::Identifier(column)))]) => {
            Some(column.clone())
        }
        _ => None,
    }
}

/// The length of an interval literal without months.
pub(crate) fn interval_millis(expr: &Expr) -> Option<i64> {
    use datafusion_common::ScalarValue;
    let Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(value)), _) = expr else { return None };
    let days = i64::from(value.days).checked_mul(86_400_000)?;
    (value.months == 0).then(|| days.checked_add(value.nanoseconds / 1_000_000))?
}
