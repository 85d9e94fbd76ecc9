//! Turns forms of Flink's that the planner has no place for into calls of functions.
//!
//! Done once, on the parser's tree, so that the planner and the function registry see calls only: `FLOOR(t TO HOUR)`,
//! `EXTRACT`, `TIMESTAMPDIFF(unit, …)`, `IF`, the auxiliary functions of group windows, decimal and interval literals.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use datafusion_sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CaseWhen, CastKind, CeilFloorKind, DataType, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArguments, Ident, Interval, LimitClause, ObjectName, Query, Select, SelectItem, SetExpr,
    Spanned, TableAlias, TableFactor, TrimWhereField, UnaryOperator, Value, ValueWithSpan, VisitMut, VisitorMut,
};

use super::condition;
use crate::dialect::{FLINK_TYPE, call, call_as, text};
use crate::error::{Result, SqlError};
use crate::functions::{RETYPED, TIMES, aggregate};
use crate::interval::{Span, literal};
use crate::lex::MARK;

/// Rewrites a query in place.
pub(super) fn query(query: &mut Query) -> Result<()> {
    finish(query.visit(&mut Rewriter))
}

/// Rewrites an expression in place.
pub(super) fn expression(expression: &mut Expr) -> Result<()> {
    finish(expression.visit(&mut Rewriter))
}

fn finish(flow: ControlFlow<Box<SqlError>>) -> Result<()> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = Box<SqlError>;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        if let Err(error) = super::lateral::gathered(&mut query.body) {
            return ControlFlow::Break(Box::new(error));
        }
        match fetched(query) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Box::new(error.on(query.span()))),
        }
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        super::grouping::written_out(&mut select.group_by);
        super::lateral::told_apart(&mut select.from);
        ControlFlow::Continue(())
    }

    /// A marked table keeps its own name as an alias, so that its columns are found under it.
    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        if let TableFactor::Table { name, alias: alias @ None, .. } = factor
            && let Some(ident) = name.0.last().and_then(|part| part.as_ident())
            && let Some((bare, _)) = ident.value.split_once(MARK)
        {
            let name = Ident { value: bare.to_owned(), quote_style: Some('`'), span: ident.span };
            *alias = Some(TableAlias { explicit: false, name, columns: Vec::new(), at: None });
        }
        ControlFlow::Continue(())
    }

    /// A column without a name is named as Flink names it, by its place.
    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        named(&mut query.body);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Self::Break> {
        let span = expression.span();
        match rewritten(expression) {
            Ok(Some(new)) => {
                *expression = new;
                ControlFlow::Continue(())
            }
            Ok(None) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Box::new(error.on(span))),
        }
    }
}

/// `FETCH FIRST n ROWS ONLY` is a LIMIT.
fn fetched(query: &mut Query) -> Result<()> {
    let Some(fetch) = query.fetch.take() else { return Ok(()) };
    if fetch.with_ties || fetch.percent {
        return Err(SqlError::unsupported("FETCH … WITH TIES or PERCENT").hint("write FETCH FIRST n ROWS ONLY"));
    }
    // Without a number it is one row.
    let quantity = fetch.quantity.unwrap_or_else(|| Expr::value(Value::Number("1".into(), false)));
    let offset = match query.limit_clause.take() {
        None => None,
        Some(LimitClause::LimitOffset { limit: None, offset, limit_by }) if limit_by.is_empty() => offset,
        Some(_) => {
            return Err(SqlError::new("a query has LIMIT and FETCH").hint("keep one of them"));
        }
    };
    query.limit_clause = Some(LimitClause::LimitOffset { limit: Some(quantity), offset, limit_by: Vec::new() });
    Ok(())
}

fn named(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => {
            for (index, item) in select.projection.iter_mut().enumerate() {
                if let SelectItem::UnnamedExpr(expr) = item
                    && name_of(expr).is_none()
                {
                    let expr = std::mem::replace(expr, Expr::value(Value::Null));
                    *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('`', format!("EXPR${index}")) };
                }
            }
            apart(&mut select.projection);
        }
        SetExpr::SetOperation { left, right, .. } => {
            named(left);
            named(right);
        }
        _ => {}
    }
}

/// The name of a column that is read as it is.
fn name_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Identifier(ident) => Some(&ident.value),
        Expr::CompoundIdentifier(idents) => idents.last().map(|ident| ident.value.as_str()),
        Expr::CompoundFieldAccess { access_chain, .. } => match access_chain.last() {
            Some(AccessExpr::Dot(Expr::Identifier(ident))) => Some(&ident.value),
            _ => Some(""),
        },
        _ => None,
    }
}

/// Gives a column whose name another before it has a name of its own: `v`, `v0`, `v1`.
pub(crate) fn apart(items: &mut [SelectItem]) {
    let mut taken: HashSet<String> = HashSet::new();
    let mut attempts: HashMap<String, usize> = HashMap::new();
    for item in items {
        let name = match item {
            SelectItem::UnnamedExpr(expr) => name_of(expr).map(str::to_owned),
            SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
            _ => None,
        };
        let Some(name) = name.filter(|name| !name.is_empty()) else { continue };
        let mut own = name.clone();
        while !taken.insert(own.clone()) {
            let attempt = attempts.entry(name.clone()).or_default();
            own = format!("{name}{attempt}");
            *attempt += 1;
        }
        if own == name {
            continue;
        }
        let alias = Ident::with_quote('`', own);
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let expr = std::mem::replace(expr, Expr::value(Value::Null));
                *item = SelectItem::ExprWithAlias { expr, alias };
            }
            SelectItem::ExprWithAlias { alias: known, .. } => *known = alias,
            _ => {}
        }
    }
}

fn rewritten(expression: &mut Expr) -> Result<Option<Expr>> {
    let taken = |boxed: &mut Box<Expr>| std::mem::replace(boxed.as_mut(), Expr::value(Value::Null));
    Ok(Some(match expression {
        Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) => return Ok(decimal(digits)),
        Expr::Interval(interval) => {
            // An interval that this function made has no unit beside its text.
            if interval.leading_field.is_none()
                && matches!(interval.value.as_ref(),
                Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) if text.ends_with(" milliseconds") || text.ends_with(" months"))
            {
                return Ok(None);
            }
            interval_of(literal(interval).map_err(SqlError::new)?)
        }
        Expr::Extract { field, expr, .. } => call("extract", vec![text(field.to_string().to_uppercase()), taken(expr)]),
        Expr::Ceil { expr, field } => rounded("ceil", taken(expr), field)?,
        Expr::Floor { expr, field } => rounded("floor", taken(expr), field)?,
        Expr::Position { expr, r#in } => call("position", vec![taken(expr), taken(r#in)]),
        Expr::Substring { expr, substring_from, substring_for, .. } => {
            let mut arguments = vec![taken(expr)];
            arguments.push(
                substring_from.take().map_or_else(|| Expr::value(Value::Number("1".into(), false)), |from| *from),
            );
            arguments.extend(substring_for.take().map(|length| *length));
            call("substring", arguments)
        }
        Expr::Trim { trim_where, trim_what, expr, trim_characters } => {
            if trim_characters.is_some() {
                return Err(SqlError::unsupported("TRIM with a list of characters").hint("write TRIM(BOTH 'x' FROM s)"));
            }
            let name = match trim_where {
                None | Some(TrimWhereField::Both) => "btrim",
                Some(TrimWhereField::Leading) => "ltrim",
                Some(TrimWhereField::Trailing) => "rtrim",
            };
            let mut arguments = vec![taken(expr)];
            arguments.extend(trim_what.take().map(|what| *what));
            call(name, arguments)
        }
        Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
            let mut arguments = vec![taken(expr), taken(overlay_what), taken(overlay_from)];
            arguments.extend(overlay_for.take().map(|length| *length));
            call("overlay", arguments)
        }
        Expr::Like { pattern, escape_char: escape, .. } | Expr::ILike { pattern, escape_char: escape, .. } => {
            if let Some(character) = escape
                && let Some(written) = condition::escaped(pattern, &character.value)?
            {
                **pattern = written;
                *escape = None;
            }
            return Ok(None);
        }
        Expr::BinaryOp { left, op: BinaryOperator::Multiply, right } => match (left.as_ref(), right.as_ref()) {
            (Expr::Interval(interval), number) | (number, Expr::Interval(interval)) => match times(interval, number) {
                Some(interval) => interval,
                None if matches!(left.as_ref(), Expr::Interval(_)) => call(TIMES, vec![taken(left), taken(right)]),
                None => call(TIMES, vec![taken(right), taken(left)]),
            },
            _ => return Ok(None),
        },
        Expr::UnaryOp { op: UnaryOperator::Not, expr } if condition::asks_for_rows(expr) => {
            return Err(SqlError::unsupported("NOT of (a, b) IN (SELECT …)")
                .hint("write NOT EXISTS (SELECT 1 FROM t WHERE t.x = a AND t.y = b)"));
        }
        Expr::Between { expr, .. } => {
            condition::same_each_time(std::slice::from_ref(expr), "BETWEEN")?;
            return Ok(None);
        }
        Expr::InList { expr, list, negated } => return condition::in_rows(expr, list, *negated),
        Expr::InSubquery { expr, subquery, negated } => return condition::in_query(expr, subquery, *negated),
        Expr::SimilarTo { negated, expr, pattern, escape_char } => {
            let mut arguments = vec![taken(expr), taken(pattern)];
            arguments.extend(escape_char.take().map(|escape| Expr::value(escape.value)));
            let similar = call("similar_to", arguments);
            if *negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(similar) } } else { similar }
        }
        Expr::AtTimeZone { .. } => {
            return Err(SqlError::unsupported("AT TIME ZONE").hint("write CONVERT_TZ, or SET 'table.local-time-zone'"));
        }
        Expr::Cast { data_type: DataType::Custom(_, of), .. } => {
            let of = text(of.join(", "));
            call(RETYPED, vec![std::mem::replace(expression, Expr::value(Value::Null)), of])
        }
        Expr::Function(function) => return of_function(function),
        _ => return Ok(None),
    }))
}

/// A number with a point and no exponent is a DECIMAL of as many digits as are written, the zero before the point too.
fn decimal(digits: &str) -> Option<Expr> {
    if !digits.contains('.') || digits.contains(['e', 'E']) {
        return None;
    }
    let scale = digits.len() - digits.find('.').expect("it has a point") - 1;
    let precision = (digits.len() - 1).clamp(1, 38).max(scale);
    let of = DataType::Custom(
        ObjectName::from(vec![Ident::new(FLINK_TYPE)]),
        vec![format!("DECIMAL({precision}, {scale})")],
    );
    Some(Expr::Cast { kind: CastKind::Cast, expr: Box::new(text(digits)), data_type: of, array: false, format: None })
}

fn interval_of(span: Span) -> Expr {
    let value = match span {
        Span::Months(months) => format!("{months} months"),
        Span::Millis(millis) => format!("{millis} milliseconds"),
    };
    Expr::Interval(Interval {
        value: Box::new(text(value)),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    })
}

/// An interval that [`interval_of`] made, so many times.
fn times(interval: &Interval, number: &Expr) -> Option<Expr> {
    let (Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(length), .. }), Expr::Value(number)) =
        (interval.value.as_ref(), number)
    else {
        return None;
    };
    let Value::Number(number, _) = &number.value else { return None };
    let (length, unit) = length.split_once(' ')?;
    let length = length.parse::<i64>().ok()?.checked_mul(number.parse().ok()?)?;
    let value = Box::new(text(format!("{length} {unit}")));
    Some(Expr::Interval(Interval { value, ..interval.clone() }))
}

fn rounded(name: &str, expr: Expr, field: &CeilFloorKind) -> Result<Expr> {
    match field {
        CeilFloorKind::DateTimeField(field) => {
            let field = field.to_string().to_uppercase();
            Ok(if field.is_empty() || field == "NODATETIME" {
                call(name, vec![expr])
            } else {
                call(&format!("{name}_to"), vec![expr, text(field)])
            })
        }
        CeilFloorKind::Scale(_) => {
            Err(SqlError::new(format!("{} takes a number, or a time and a unit", name.to_uppercase()))
                .hint("write ROUND(x, n) or TRUNCATE(x, n) for digits"))
        }
    }
}

const FIELDS: &[(&str, &str)] = &[
    ("YEAR", "YEAR"),
    ("QUARTER", "QUARTER"),
    ("MONTH", "MONTH"),
    ("WEEK", "WEEK"),
    ("DAYOFYEAR", "DOY"),
    ("DAYOFMONTH", "DAY"),
    ("DAYOFWEEK", "DOW"),
    ("HOUR", "HOUR"),
    ("MINUTE", "MINUTE"),
    ("SECOND", "SECOND"),
];

fn of_function(function: &mut Function) -> Result<Option<Expr>> {
    let [part] = function.name.0.as_slice() else { return Ok(None) };
    let Some(ident) = part.as_ident().cloned() else { return Ok(None) };
    let name = ident.value.to_uppercase();
    if name == "LAG" && function.over.is_some() {
        return Ok(lag_or_else(function));
    }
    if function.over.is_some()
        && let Some(over) = aggregate::over_name(&name)
    {
        function.name = ObjectName::from(vec![Ident { value: over.to_owned(), ..ident }]);
        return Ok(None);
    }
    let FunctionArguments::List(list) = &mut function.args else { return Ok(None) };
    let plain = list.args.iter().all(|argument| matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::Expr(_))));
    if !plain || function.over.is_some() {
        return Ok(None);
    }
    let count = list.args.len();
    let wants = |wanted: &[usize], form: &str| {
        if wanted.contains(&count) {
            return Ok(());
        }
        Err(SqlError::new(format!("{name} is called with {count} arguments"))
            .on(ident.span)
            .hint(format!("write {form}")))
    };
    let mut arguments: Vec<Expr> = list
        .args
        .iter()
        .filter_map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        })
        .collect();
    if let Some((_, field)) = FIELDS.iter().find(|(function, _)| *function == name) {
        wants(&[1], &format!("{name}(time)"))?;
        return Ok(Some(call("extract", vec![text(*field), arguments.remove(0)])));
    }
    Ok(Some(match name.as_str() {
        "IF" => {
            wants(&[3], "IF(condition, then, else)")?;
            let otherwise = arguments.pop();
            case(arguments.remove(0), arguments.remove(0), otherwise)
        }
        // Several columns make a number of bits, as GROUPING of several does.
        "GROUPING_ID" => call("grouping", arguments),
        "IFNULL" => {
            wants(&[2], "IFNULL(value, otherwise)")?;
            call("coalesce", arguments)
        }
        "NULLIF" => {
            wants(&[2], "NULLIF(a, b)")?;
            let equal = Expr::BinaryOp {
                left: Box::new(arguments[0].clone()),
                op: BinaryOperator::Eq,
                right: Box::new(arguments[1].clone()),
            };
            case(equal, Expr::value(Value::Null), Some(arguments.remove(0)))
        }
        "TIMESTAMPDIFF" | "TIMESTAMPADD" => {
            wants(&[3], &format!("{name}(unit, …, …), with a unit such as SECOND"))?;
            let unit = match &arguments[0] {
                Expr::Identifier(unit) => unit.value.to_uppercase(),
                // Rewritten already.
                Expr::Value(_) => return Ok(None),
                other => {
                    return Err(SqlError::new(format!("'{other}' is no unit of {name}"))
                        .on(ident.span)
                        .hint("units are SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER and YEAR"));
                }
            };
            let unit = unit.strip_prefix("SQL_TSI_").unwrap_or(&unit).to_owned();
            arguments[0] = text(unit);
            call_as(function.name.clone(), arguments)
        }
        _ => {
            let Some((window, property)) = name.rsplit_once('_') else { return Ok(None) };
            let field = match property {
                "START" => "window_start",
                "END" => "window_end",
                "ROWTIME" => "window_time",
                "PROCTIME" => "window_proctime",
                _ => return Ok(None),
            };
            if !matches!(window, "TUMBLE" | "HOP" | "SESSION") {
                return Ok(None);
            }
            call("get_field", vec![call(&window.to_lowercase(), arguments), text(field)])
        }
    }))
}

/// `LAG(x, n, otherwise) OVER w`: otherwise, where there is no row so many rows before. There may be one whose value is NULL.
fn lag_or_else(function: &mut Function) -> Option<Expr> {
    let FunctionArguments::List(list) = &mut function.args else { return None };
    if list.args.len() != 3 {
        return None;
    }
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(otherwise))) = list.args.pop() else { return None };
    let lag = function.clone();
    let mut there = function.clone();
    if let FunctionArguments::List(list) = &mut there.args {
        list.args[0] = FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::value(Value::Boolean(true))));
    }
    let missing = Expr::IsNull(Box::new(Expr::Function(there)));
    Some(case(missing, otherwise, Some(Expr::Function(lag))))
}

fn case(condition: Expr, then: Expr, otherwise: Option<Expr>) -> Expr {
    Expr::Case {
        case_token: datafusion_sql::sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
        end_token: datafusion_sql::sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result: then }],
        else_result: otherwise.map(Box::new),
    }
}
