//! Conditions that the parser reads otherwise than Flink, or not: `IS DISTINCT FROM`, `BETWEEN SYMMETRIC`, `CASE v WHEN a, b THEN`.

use std::ops::ControlFlow;

use datafusion_sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion_sql::sqlparser::ast::{BinaryOperator, CaseWhen, Expr, UnaryOperator, visit_expressions};
use datafusion_sql::sqlparser::dialect::{Dialect, Precedence};
use datafusion_sql::sqlparser::keywords::Keyword;
use datafusion_sql::sqlparser::parser::{Parser, ParserError};

use super::FlinkDialect;
use super::json::eat;

/// The longest operand, in expressions, that is written out more than once: nested ones would grow as a power.
const LONGEST: usize = 200;

type Parsed = std::result::Result<Expr, ParserError>;

/// What follows the left operand, if it is one of these.
pub(super) fn infix(parser: &mut Parser<'_>, expr: &Expr) -> Option<Parsed> {
    for negated in [false, true] {
        let words: &[&str] = if negated { &["IS", "NOT", "DISTINCT", "FROM"] } else { &["IS", "DISTINCT", "FROM"] };
        if eat(parser, words) {
            return Some(is_distinct(parser, expr, negated));
        }
        for kind in ["SYMMETRIC", "ASYMMETRIC"] {
            let words: &[&str] = if negated { &["NOT", "BETWEEN", kind] } else { &["BETWEEN", kind] };
            if eat(parser, words) {
                return Some(between(parser, expr, negated, kind == "SYMMETRIC"));
            }
        }
    }
    None
}

/// It binds as a comparison does, closer than NOT, AND and OR.
fn is_distinct(parser: &mut Parser<'_>, expr: &Expr, negated: bool) -> Parsed {
    let left = Box::new(expr.clone());
    let right = Box::new(parser.parse_subexpr(FlinkDialect.prec_value(Precedence::Is))?);
    Ok(if negated { Expr::IsNotDistinctFrom(left, right) } else { Expr::IsDistinctFrom(left, right) })
}

/// The bounds of a symmetric one may stand either way round.
fn between(parser: &mut Parser<'_>, expr: &Expr, negated: bool, symmetric: bool) -> Parsed {
    let bound = FlinkDialect.prec_value(Precedence::Between);
    let low = Box::new(parser.parse_subexpr(bound)?);
    parser.expect_keyword(Keyword::AND)?;
    let high = Box::new(parser.parse_subexpr(bound)?);
    let of = |low, high, negated| Expr::Between { expr: Box::new(expr.clone()), negated, low, high };
    if !symmetric {
        return Ok(of(low, high, negated));
    }
    for operand in [expr, &low, &high] {
        may_stand_twice(operand, "BETWEEN SYMMETRIC")?;
    }
    let either = Expr::Nested(Box::new(Expr::BinaryOp {
        left: Box::new(of(low.clone(), high.clone(), false)),
        op: BinaryOperator::Or,
        right: Box::new(of(high, low, false)),
    }));
    Ok(if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(either) } } else { either })
}

fn may_stand_twice(expr: &Expr, within: &str) -> std::result::Result<(), ParserError> {
    let mut left = LONGEST;
    let counted = visit_expressions(expr, |_| match left.checked_sub(1) {
        Some(less) => {
            left = less;
            ControlFlow::Continue(())
        }
        None => ControlFlow::Break(()),
    });
    if counted.is_break() {
        let found = format!("{within} holds more than {LONGEST} expressions; put them into a column of a subquery");
        return Err(ParserError::ParserError(found));
    }
    Ok(())
}

/// The name of a function in an expression that has another value each time.
pub(crate) fn drawn(expr: &Expr) -> Option<String> {
    let found = visit_expressions(expr, |part| match part {
        Expr::Function(function) => {
            let name = function.name.to_string().to_uppercase();
            if matches!(name.as_str(), "RAND" | "RAND_INTEGER" | "UUID") {
                return ControlFlow::Break(name);
            }
            ControlFlow::Continue(())
        }
        _ => ControlFlow::Continue(()),
    });
    found.break_value()
}

/// `CASE v WHEN a [, b …] THEN x … [ELSE y] END`
pub(super) fn case(parser: &mut Parser<'_>) -> Parsed {
    parser.next_token();
    let operand = Some(Box::new(parser.parse_expr()?));
    let mut conditions = Vec::new();
    while parser.parse_keyword(Keyword::WHEN) {
        let values = parser.parse_comma_separated(Parser::parse_expr)?;
        parser.expect_keyword(Keyword::THEN)?;
        let result = parser.parse_expr()?;
        if values.len() > 1 {
            may_stand_twice(&result, "WHEN a, b THEN")?;
        }
        conditions.extend(values.into_iter().map(|condition| CaseWhen { condition, result: result.clone() }));
    }
    if conditions.is_empty() {
        parser.expect_keyword(Keyword::WHEN)?;
    }
    let otherwise = if parser.parse_keyword(Keyword::ELSE) { Some(Box::new(parser.parse_expr()?)) } else { None };
    parser.expect_keyword(Keyword::END)?;
    Ok(Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand,
        conditions,
        else_result: otherwise,
    })
}
