//! MATCH_RECOGNIZE, from the parser's tree to a node of the logical plan.
//!
//! Conditions and measures become expressions over references: `A.price`, `LAST(A.price, 1)`, `AVG(A.price)` are columns
//! of a schema of their own, by number. Flink's limits are kept, each refused by its name.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_schema::{DataType, Field};
use datafusion_common::{DFSchema, DFSchemaRef, Result, internal_err};
use datafusion_expr::planner::RelationPlannerContext;
use datafusion_expr::{Expr, ExprSchemable, Extension, LogicalPlan, UserDefinedLogicalNodeCore};
use datafusion_sql::sqlparser::ast::{
    AfterMatchSkip, DuplicateTreatment, Expr as SqlExpr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Ident, MatchRecognizePattern, MatchRecognizeSymbol, RepetitionQuantifier, RowsPerMatch, Spanned, TableAlias,
    TableFactor, Value, ValueWithSpan, visit_expressions_mut,
};
use datafusion_sql::sqlparser::tokenizer::Span;
use std::ops::ControlFlow;
use yeoul_relational::AggregateFunction;
use yeoul_relational::{AfterMatch, Pattern, Pick};

use super::refusal::refuse;
use super::relation::interval_millis;
use super::typing::typed;
use crate::error::{SqlError, did_you_mean};
use crate::functions::aggregate;
use crate::lex::{RELUCTANT, WITHIN};

/// Before the number of a reference in its name, which no user can write.
pub(crate) const REFERENCE: char = '\u{1}';

/// MATCH_RECOGNIZE as planned; column references are still expressions over the input.
#[derive(Debug, Clone)]
pub(crate) struct MatchNode {
    pub(crate) input: Arc<LogicalPlan>,
    pub(crate) parts: Arc<MatchParts>,
    /// The partition's columns, the order's column, then one column for each reference.
    pub(crate) columns: Vec<Expr>,
    schema: DFSchemaRef,
}

/// What does not change when the input's columns do.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct MatchParts {
    pub(crate) partition: usize,
    pub(crate) pattern: Pattern,
    pub(crate) variables: Vec<(String, Option<Expr>)>,
    /// Variable and pick; the column is in [`MatchNode::columns`].
    pub(crate) references: Vec<(Option<usize>, Pick, DataType)>,
    pub(crate) measures: Vec<(String, Expr)>,
    pub(crate) within: Option<i64>,
    pub(crate) after: AfterMatch,
}

impl MatchParts {
    /// A column for each reference.
    pub(crate) fn reference_schema(&self) -> Result<DFSchema> {
        reference_schema(&self.references)
    }
}

fn reference_schema(references: &[(Option<usize>, Pick, DataType)]) -> Result<DFSchema> {
    let fields = references
        .iter()
        .enumerate()
        .map(|(index, (_, _, of))| (None, Arc::new(Field::new(format!("{REFERENCE}{index}"), of.clone(), true))));
    DFSchema::new_with_metadata(fields.collect(), Default::default())
}

impl MatchNode {
    fn new(input: LogicalPlan, parts: Arc<MatchParts>, columns: Vec<Expr>) -> Result<Self> {
        let mut fields = Vec::new();
        for column in &columns[..parts.partition] {
            let (_, field) = column.to_field(input.schema())?;
            fields.push((None, field));
        }
        let references = parts.reference_schema()?;
        for (name, measure) in &parts.measures {
            fields.push((None, Arc::new(Field::new(name, measure.get_type(&references)?, true))));
        }
        let schema = Arc::new(DFSchema::new_with_metadata(fields, Default::default())?);
        Ok(Self { input: Arc::new(input), parts, columns, schema })
    }
}

/// Plans `t MATCH_RECOGNIZE (…) AS alias`.
pub(super) fn plan(
    factor: TableFactor,
    context: &mut dyn RelationPlannerContext,
) -> Result<(LogicalPlan, Option<TableAlias>)> {
    let span = factor.span();
    let TableFactor::MatchRecognize {
        table,
        partition_by,
        order_by,
        measures,
        rows_per_match,
        after_match_skip,
        pattern,
        symbols,
        alias,
    } = factor
    else {
        return internal_err!("not MATCH_RECOGNIZE");
    };
    let unsupported = |what: &str, hint: &str| {
        refuse(SqlError::unsupported(format!("{what} in MATCH_RECOGNIZE")).on(span).hint(hint))
    };
    if let Some(RowsPerMatch::AllRows(_)) = rows_per_match {
        return Err(unsupported("ALL ROWS PER MATCH", "write ONE ROW PER MATCH"));
    }
    let input = context.plan(*table)?;
    let mut columns = Vec::new();
    for key in partition_by {
        columns.push(context.sql_to_expr(key, input.schema())?);
    }
    let partition = columns.len();
    let Some(order) = order_by.first() else {
        return Err(refuse(
            SqlError::new("MATCH_RECOGNIZE has no ORDER BY").on(span).hint("order by a time attribute: ORDER BY ts"),
        ));
    };
    if order.options.asc == Some(false) || order_by.len() > 1 {
        return Err(unsupported("an order other than one time attribute, ascending,", "write ORDER BY ts"));
    }
    columns.push(context.sql_to_expr(order.expr.clone(), input.schema())?);
    let mut reading = Reading { names: Vec::new(), references: Vec::new(), columns: Vec::new(), wrong: None };
    let pattern = reading.pattern(&pattern).map_err(refuse)?;
    let mut within = None;
    let mut variables: Vec<(String, Option<Expr>)> = reading.names.iter().map(|name| (name.clone(), None)).collect();
    let mut conditions = Vec::new();
    for symbol in symbols {
        if symbol.symbol.value == WITHIN {
            let length = context.sql_to_expr(symbol.definition.clone(), input.schema())?;
            within = Some(interval_millis(&length).ok_or_else(|| {
                unsupported(
                    "WITHIN something else than an interval of days to seconds",
                    "write WITHIN INTERVAL '1' HOUR",
                )
            })?);
            continue;
        }
        let Some(variable) = reading.names.iter().position(|name| *name == symbol.symbol.value) else {
            return Err(refuse(
                SqlError::new(format!("DEFINE names '{}', which is not in PATTERN", symbol.symbol.value))
                    .on(symbol.symbol.span)
                    .maybe_hint(did_you_mean(&symbol.symbol.value, reading.names.iter().map(String::as_str))),
            ));
        };
        conditions.push((variable, reading.expression(symbol.definition, Some(variable)).map_err(refuse)?));
    }
    let mut outputs = Vec::new();
    for measure in measures {
        outputs.push((measure.alias.value, reading.expression(measure.expr, None).map_err(refuse)?));
    }
    let mut references = Vec::new();
    for ((variable, pick), column) in reading.references.iter().zip(&reading.columns) {
        let column = context.sql_to_expr(column.clone().unwrap_or_else(|| order.expr.clone()), input.schema())?;
        let column = typed(column, input.schema())?;
        let of = column.get_type(input.schema())?;
        let of = match pick {
            Pick::Aggregate(function) => aggregate::result_type(function, &of),
            _ => of,
        };
        references.push((*variable, pick.clone(), of));
        columns.push(column);
    }
    let schema = reference_schema(&references)?;
    for (variable, condition) in conditions {
        variables[variable].1 = Some(typed(context.sql_to_expr(condition, &schema)?, &schema)?);
    }
    let mut planned = Vec::new();
    for (name, measure) in outputs {
        planned.push((name, typed(context.sql_to_expr(measure, &schema)?, &schema)?));
    }
    let variable = |ident: &Ident| reading.names.iter().position(|name| *name == ident.value);
    let after =
        match &after_match_skip {
            None | Some(AfterMatchSkip::PastLastRow) => AfterMatch::PastLastRow,
            Some(AfterMatchSkip::ToNextRow) => AfterMatch::NextRow,
            Some(AfterMatchSkip::ToFirst(ident)) => AfterMatch::First(variable(ident).ok_or_else(|| {
                unsupported("a skip to a variable that is not in PATTERN", "name one of the pattern")
            })?),
            Some(AfterMatchSkip::ToLast(ident)) => AfterMatch::Last(variable(ident).ok_or_else(|| {
                unsupported("a skip to a variable that is not in PATTERN", "name one of the pattern")
            })?),
        };
    let parts = MatchParts { partition, pattern, variables, references, measures: planned, within, after };
    let node = MatchNode::new(input, Arc::new(parts), columns)?;
    Ok((LogicalPlan::Extension(Extension { node: Arc::new(node) }), alias))
}

/// Gathers variables and references while reading.
struct Reading {
    names: Vec<String>,
    references: Vec<(Option<usize>, Pick)>,
    /// The column of each reference; none stands for the order's.
    columns: Vec<Option<SqlExpr>>,
    wrong: Option<SqlError>,
}

impl Reading {
    fn pattern(&mut self, pattern: &MatchRecognizePattern) -> crate::error::Result<Pattern> {
        let unsupported = |what: &str, hint: &str| Err(SqlError::unsupported(format!("{what} in PATTERN")).hint(hint));
        match pattern {
            MatchRecognizePattern::Symbol(MatchRecognizeSymbol::Named(ident)) => {
                let name = ident.value.strip_suffix(RELUCTANT).unwrap_or(&ident.value);
                if let Some(index) = self.names.iter().position(|known| known == name) {
                    return Ok(Pattern::Variable(index));
                }
                self.names.push(name.to_owned());
                Ok(Pattern::Variable(self.names.len() - 1))
            }
            MatchRecognizePattern::Symbol(_) => unsupported("^ or $", "leave it out"),
            MatchRecognizePattern::Exclude(_) => unsupported("{- -}", "leave it out: only measures are put out"),
            MatchRecognizePattern::Permute(_) => unsupported("PERMUTE", "write the orders as queries of their own"),
            MatchRecognizePattern::Alternation(_) => {
                unsupported("A | B", "write one variable with OR in its condition")
            }
            MatchRecognizePattern::Group(inner) => match inner.as_ref() {
                MatchRecognizePattern::Concat(_) => {
                    unsupported("a group of variables", "write the variables one after the other")
                }
                single => self.pattern(single),
            },
            MatchRecognizePattern::Concat(parts) => {
                Ok(Pattern::Sequence(parts.iter().map(|part| self.pattern(part)).collect::<crate::error::Result<_>>()?))
            }
            MatchRecognizePattern::Repetition(inner, quantifier) => {
                let reluctant = matches!(inner.as_ref(), MatchRecognizePattern::Symbol(MatchRecognizeSymbol::Named(ident)) if ident.value.ends_with(RELUCTANT));
                let (least, most) = match quantifier {
                    RepetitionQuantifier::ZeroOrMore => (0, None),
                    RepetitionQuantifier::OneOrMore => (1, None),
                    RepetitionQuantifier::AtMostOne => (0, Some(1)),
                    RepetitionQuantifier::Exactly(count) => (*count, Some(*count)),
                    RepetitionQuantifier::AtLeast(least) => (*least, None),
                    RepetitionQuantifier::AtMost(most) => (0, Some(*most)),
                    RepetitionQuantifier::Range(least, most) => (*least, Some(*most)),
                };
                Ok(Pattern::Repeat { pattern: Box::new(self.pattern(inner)?), least, most, greedy: !reluctant })
            }
        }
    }

    /// Replaces what refers to matched rows by references; in a condition, a bare column is the row under test.
    fn expression(&mut self, mut expression: SqlExpr, current: Option<usize>) -> crate::error::Result<SqlExpr> {
        // Calls first, because they hold columns.
        let _ = visit_expressions_mut(&mut expression, |expr| {
            let replaced = match expr {
                SqlExpr::Function(function) => self.call(function),
                _ => None,
            };
            if let Some(replaced) = replaced {
                *expr = replaced;
            }
            if self.wrong.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let _ = visit_expressions_mut(&mut expression, |expr| {
            let replaced = match expr {
                SqlExpr::CompoundIdentifier(parts) => self.column(parts, Pick::Last(0)),
                SqlExpr::Identifier(ident) if !is_reference(ident) => {
                    Some(self.reference(current, Pick::Last(0), Some(SqlExpr::Identifier(ident.clone()))))
                }
                _ => None,
            };
            if let Some(replaced) = replaced {
                *expr = replaced;
            }
            ControlFlow::<()>::Continue(())
        });
        self.wrong.take().map_or(Ok(expression), Err)
    }

    fn call(&mut self, function: &Function) -> Option<SqlExpr> {
        let name = function.name.to_string().to_uppercase();
        let arguments: Vec<&SqlExpr> = match &function.args {
            FunctionArguments::List(list) => list
                .args
                .iter()
                .filter_map(|argument| match argument {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        };
        if matches!(
            name.as_str(),
            "PREV" | "NEXT" | "CLASSIFIER" | "MATCH_NUMBER" | "FINAL" | "RUNNING" | "MATCH_PROCTIME"
        ) {
            self.wrong = Some(
                SqlError::unsupported(format!("{name} in MATCH_RECOGNIZE"))
                    .on(function.span())
                    .hint("write LAST(A.x, 1) for the row before the last of A"),
            );
            return None;
        }
        if name == "MATCH_ROWTIME" {
            return Some(self.reference(None, Pick::Rowtime, None));
        }
        let pick = match name.as_str() {
            "FIRST" | "LAST" => {
                let offset = match arguments.get(1) {
                    None => 0,
                    Some(SqlExpr::Value(ValueWithSpan { value: Value::Number(digits, _), .. })) => {
                        digits.parse().ok()?
                    }
                    Some(_) => {
                        self.wrong = Some(
                            SqlError::new(format!("the offset of {name} is not a whole number")).on(function.span()),
                        );
                        return None;
                    }
                };
                if name == "FIRST" { Pick::First(offset) } else { Pick::Last(offset) }
            }
            "SUM" => Pick::Aggregate(AggregateFunction::Sum),
            "AVG" => Pick::Aggregate(AggregateFunction::Avg),
            "MIN" => Pick::Aggregate(AggregateFunction::Min),
            "MAX" => Pick::Aggregate(AggregateFunction::Max),
            "COUNT" => Pick::Aggregate(AggregateFunction::Count),
            _ => return None,
        };
        let FunctionArguments::List(list) = &function.args else { return None };
        if list.duplicate_treatment == Some(DuplicateTreatment::Distinct) {
            self.wrong = Some(
                SqlError::unsupported(format!("{name}(DISTINCT …) in MATCH_RECOGNIZE"))
                    .on(function.span())
                    .hint(format!("write {name}(A.x)")),
            );
            return None;
        }
        match list.args.first() {
            Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(of))) => self.of_rows(of.clone(), pick, function.span()),
            // Rows are counted: each has a one.
            Some(FunctionArg::Unnamed(FunctionArgExpr::Wildcard)) if name == "COUNT" => {
                Some(self.reference(None, pick, Some(one())))
            }
            Some(FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(of))) if name == "COUNT" => {
                let [part] = of.0.as_slice() else { return None };
                let variable = part.as_ident().map(|ident| ident.value.as_str());
                let variable = self.names.iter().position(|known| Some(known.as_str()) == variable)?;
                Some(self.reference(Some(variable), pick, Some(one())))
            }
            _ => {
                self.wrong = Some(
                    SqlError::new(format!("{name} in MATCH_RECOGNIZE is of nothing"))
                        .on(function.span())
                        .hint(format!("write {name}(A.x)")),
                );
                None
            }
        }
    }

    /// An expression over the columns of one variable, or of any row.
    fn of_rows(&mut self, mut of: SqlExpr, pick: Pick, span: Span) -> Option<SqlExpr> {
        let mut variables: Vec<Option<usize>> = Vec::new();
        let mut nested = false;
        let _ = visit_expressions_mut(&mut of, |expr| {
            match expr {
                SqlExpr::CompoundIdentifier(parts) => {
                    let variable = self.names.iter().position(|name| *name == parts[0].value);
                    variables.push(variable);
                    if variable.is_some() {
                        *expr = match &parts[1..] {
                            [single] => SqlExpr::Identifier(single.clone()),
                            more => SqlExpr::CompoundIdentifier(more.to_vec()),
                        };
                    }
                }
                SqlExpr::Identifier(ident) if is_reference(ident) => nested = true,
                SqlExpr::Identifier(_) => variables.push(None),
                _ => {}
            }
            ControlFlow::<()>::Continue(())
        });
        let variable = variables.first().copied().flatten();
        if nested || variables.iter().any(|other| *other != variable) {
            let what = if nested { "a call within a call" } else { "a call over columns of several variables" };
            self.wrong = Some(
                SqlError::unsupported(format!("{what} in MATCH_RECOGNIZE"))
                    .on(span)
                    .hint("write one call for each variable: SUM(A.x) + SUM(B.x)"),
            );
            return None;
        }
        Some(self.reference(variable, pick, Some(of)))
    }

    /// `A.x`, a column of a variable.
    fn column(&mut self, parts: &[Ident], pick: Pick) -> Option<SqlExpr> {
        let variable = self.names.iter().position(|name| *name == parts[0].value)?;
        let column = match &parts[1..] {
            [single] => SqlExpr::Identifier(single.clone()),
            more => SqlExpr::CompoundIdentifier(more.to_vec()),
        };
        Some(self.reference(Some(variable), pick, Some(column)))
    }

    fn reference(&mut self, variable: Option<usize>, pick: Pick, column: Option<SqlExpr>) -> SqlExpr {
        let known = self.references.iter().zip(&self.columns).position(|(known, its)| {
            known.0 == variable
                && known.1 == pick
                && its.as_ref().map(ToString::to_string) == column.as_ref().map(ToString::to_string)
        });
        let index = known.unwrap_or_else(|| {
            self.references.push((variable, pick));
            self.columns.push(column);
            self.references.len() - 1
        });
        SqlExpr::Identifier(Ident::new(format!("{REFERENCE}{index}")))
    }
}

fn one() -> SqlExpr {
    SqlExpr::value(Value::Number("1".into(), false))
}

fn is_reference(ident: &Ident) -> bool {
    ident.value.starts_with(REFERENCE)
}

impl PartialEq for MatchNode {
    fn eq(&self, other: &Self) -> bool {
        self.input == other.input && self.parts == other.parts && self.columns == other.columns
    }
}

impl Eq for MatchNode {}

impl Hash for MatchNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.input.hash(state);
        self.parts.hash(state);
        self.columns.hash(state);
    }
}

impl PartialOrd for MatchNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for MatchNode {
    fn name(&self) -> &str {
        "Match"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.columns.clone()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Match: {}", self.parts.pattern)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        match (inputs.pop(), inputs.is_empty()) {
            (Some(input), true) => Self::new(input, Arc::clone(&self.parts), exprs),
            _ => internal_err!("MATCH_RECOGNIZE has one input"),
        }
    }

    fn necessary_children_exprs(&self, _output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let mut needed = Vec::new();
        for column in &self.columns {
            for column in column.column_refs() {
                needed.push(self.input.schema().maybe_index_of_column(column)?);
            }
        }
        needed.sort_unstable();
        needed.dedup();
        Some(vec![needed])
    }
}
