//! Conditions that are others written at length: `LIKE … ESCAPE`, and rows of values in `IN`.

use std::ops::ControlFlow;

use datafusion_sql::sqlparser::ast::{
    BinaryOperator, Expr, Query, SetExpr, Statement, TableFactor, UnaryOperator, Value, ValueWithSpan,
    visit_expressions,
};
use datafusion_sql::sqlparser::parser::Parser;

use crate::dialect::{FlinkDialect, drawn, text};
use crate::error::{Result, SqlError};

/// A constant pattern with `\` in the place of another escape character.
pub(super) fn escaped(pattern: &Expr, escape: &Value) -> Result<Option<Expr>> {
    let Value::SingleQuotedString(escape) = escape else {
        return Err(SqlError::new("ESCAPE is no string of one character").hint("write LIKE 'a!%b' ESCAPE '!'"));
    };
    let mut letters = escape.chars();
    let (Some(escape), None) = (letters.next(), letters.next()) else {
        return Err(SqlError::new(format!("ESCAPE '{escape}' is no string of one character"))
            .hint("write LIKE 'a!%b' ESCAPE '!'"));
    };
    if escape == '\\' {
        return Ok(None);
    }
    let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(given), .. }) = pattern else {
        return Err(SqlError::unsupported("ESCAPE of a pattern that is no constant").hint("write ESCAPE '\\'"));
    };
    let mut written = String::new();
    let mut letters = given.chars();
    while let Some(letter) = letters.next() {
        if letter == escape {
            match letters.next() {
                Some(next) if next == escape || matches!(next, '%' | '_') => written.extend(['\\', next]),
                _ => {
                    return Err(SqlError::new(format!(
                        "in the pattern '{given}' no %, _ or {escape} follows {escape}"
                    ))
                    .hint("the escape character stands before what means itself"));
                }
            }
        } else if letter == '\\' {
            written.push_str("\\\\");
        } else {
            written.push(letter);
        }
    }
    Ok(Some(text(written)))
}

fn and(left: Option<Expr>, right: Expr) -> Option<Expr> {
    Some(match left {
        None => right,
        Some(left) => Expr::BinaryOp { left: Box::new(left), op: BinaryOperator::And, right: Box::new(right) },
    })
}

fn equal(left: &Expr, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left.clone()), op: BinaryOperator::Eq, right: Box::new(right) }
}

fn not(expr: Expr, negated: bool) -> Expr {
    let expr = Expr::Nested(Box::new(expr));
    if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(expr) } } else { expr }
}

fn row(expr: &Expr) -> Option<&[Expr]> {
    match expr {
        Expr::Tuple(values) => Some(values),
        Expr::Nested(inner) => row(inner),
        _ => None,
    }
}

/// Refuses an operand that is written out more than once, and would be another value each time.
pub(super) fn same_each_time(operands: &[Expr], within: &str) -> Result<()> {
    match operands.iter().find_map(drawn) {
        None => Ok(()),
        Some(name) => Err(SqlError::unsupported(format!("{name} within {within}"))
            .hint(format!("draw it once, in a subquery: FROM (SELECT {name}(…) AS r, … FROM t)"))),
    }
}

/// `(a, b) IN ((1, 2), (3, 4))`
pub(super) fn in_rows(expr: &Expr, list: &[Expr], negated: bool) -> Result<Option<Expr>> {
    let Some(values) = row(expr) else { return Ok(None) };
    same_each_time(values, "IN of rows")?;
    let mut any: Option<Expr> = None;
    for item in list {
        let items = row(item).filter(|items| items.len() == values.len());
        let items = items.ok_or_else(|| wrong(values.len()))?;
        let all = values.iter().zip(items).fold(None, |all, (value, item)| and(all, equal(value, item.clone())));
        let all = Expr::Nested(Box::new(all.unwrap_or_else(|| Expr::value(Value::Boolean(true)))));
        any = Some(match any {
            None => all,
            Some(any) => Expr::BinaryOp { left: Box::new(any), op: BinaryOperator::Or, right: Box::new(all) },
        });
    }
    Ok(any.map(|any| not(any, negated)))
}

fn wrong(count: usize) -> SqlError {
    SqlError::new(format!("IN compares rows of {count} values with something else"))
        .hint("write (a, b) IN (SELECT x, y FROM t), or (a, b) IN ((1, 2), (3, 4))")
}

/// `(a, b) IN (SELECT x, y …)` asks whether there is such a row. Where one has NULL it is not known, which is as good as no in a WHERE.
pub(super) fn in_query(expr: &Expr, query: &Query, negated: bool) -> Result<Option<Expr>> {
    let Some(values) = row(expr) else { return Ok(None) };
    if negated {
        return Err(SqlError::unsupported("NOT IN of rows of several values")
            .hint("write NOT EXISTS (SELECT 1 FROM t WHERE t.x = a AND t.y = b)"));
    }
    let names: Vec<String> = (0..values.len()).map(|index| format!("`in {index}`")).collect();
    let form = format!("SELECT 1 AS `in` FROM (SELECT 1) AS `in rows` ({}) WHERE TRUE", names.join(", "));
    let not_read = |_| SqlError::unsupported("IN of rows of these values");
    let parsed = Parser::parse_sql(&FlinkDialect, &form).map_err(not_read)?.pop();
    let Some(Statement::Query(mut exists)) = parsed else { return Ok(None) };
    let SetExpr::Select(select) = exists.body.as_mut() else { return Ok(None) };
    if let Some(TableFactor::Derived { subquery, alias: Some(alias), .. }) =
        select.from.first_mut().map(|table| &mut table.relation)
    {
        **subquery = query.clone();
        let columns = alias.columns.iter().map(|column| Expr::Identifier(column.name.clone()));
        select.selection = values.iter().zip(columns).fold(None, |all, (value, column)| and(all, equal(value, column)));
    }
    Ok(Some(Expr::Exists { subquery: exists, negated: false }))
}

/// Whether an expression asks for rows of several values in a subquery: where that is not known, it is false, which NOT would make true.
pub(super) fn asks_for_rows(expr: &Expr) -> bool {
    let found = visit_expressions(expr, |part| match part {
        Expr::Exists { subquery, .. } if is_of_rows(subquery) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

fn is_of_rows(query: &Query) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else { return false };
    matches!(
        select.from.first().map(|table| &table.relation),
        Some(TableFactor::Derived { alias: Some(alias), .. }) if alias.name.value == "in rows"
    )
}
