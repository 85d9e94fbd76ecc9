//! Conditions that the parser reads otherwise than Flink, or not: `IS DISTINCT FROM`, `BETWEEN SYMMETRIC`, `CASE v WHEN a, b THEN`.

use datafusion_sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion_sql::sqlparser::ast::{BinaryOperator, CaseWhen, Expr, UnaryOperator};
use datafusion_sql::sqlparser::dialect::{Dialect, Precedence};
use datafusion_sql::sqlparser::keywords::Keyword;
use datafusion_sql::sqlparser::parser::{Parser, ParserError};

use super::FlinkDialect;
use super::json::eat;

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
    let either = Expr::Nested(Box::new(Expr::BinaryOp {
        left: Box::new(of(low.clone(), high.clone(), false)),
        op: BinaryOperator::Or,
        right: Box::new(of(high, low, false)),
    }));
    Ok(if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(either) } } else { either })
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
