//! The forms of JSON functions that are no calls: clauses behind arguments, `KEY … VALUE …`, `IS JSON`.

use datafusion_sql::sqlparser::ast::{
    CastKind, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator, Value,
};
use datafusion_sql::sqlparser::keywords::Keyword;
use datafusion_sql::sqlparser::parser::{Parser, ParserError};
use datafusion_sql::sqlparser::tokenizer::Token;

use super::{call, text};
use crate::functions::{IS_JSON, JSON_QUERY_ARRAY};
use crate::parse::types::parse_type;
use crate::types::{Kind, SqlType};

type Parsed<T> = std::result::Result<T, ParserError>;

/// The function of this name, if it is one of those that are read here.
pub(super) fn function(name: &str) -> Option<fn(&mut Parser<'_>) -> Parsed<Expr>> {
    Some(match name.to_ascii_uppercase().as_str() {
        "JSON_VALUE" => value,
        "JSON_EXISTS" => exists,
        "JSON_QUERY" => query,
        "JSON_OBJECT" => object,
        "JSON_ARRAY" => array,
        _ => return None,
    })
}

/// `e IS [NOT] JSON [VALUE | SCALAR | ARRAY | OBJECT]`, if that follows.
pub(super) fn is_json(parser: &mut Parser<'_>, expr: &Expr) -> Option<Expr> {
    let word = |at: usize, wanted: &str| matches!(&parser.peek_nth_token(at).token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted));
    if !word(0, "IS") {
        return None;
    }
    let negated = word(1, "NOT");
    let json = 1 + usize::from(negated);
    if !word(json, "JSON") {
        return None;
    }
    let kind = ["VALUE", "SCALAR", "ARRAY", "OBJECT"].into_iter().find(|kind| word(json + 1, kind));
    for _ in 0..json + 1 + usize::from(kind.is_some()) {
        parser.next_token();
    }
    let is = call(IS_JSON, vec![expr.clone(), text(kind.unwrap_or("VALUE"))]);
    Some(if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(is) } } else { is })
}

pub(super) fn eat(parser: &mut Parser<'_>, words: &[&str]) -> bool {
    let found = words.iter().enumerate().all(|(at, wanted)| {
        matches!(&parser.peek_nth_token(at).token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted))
    });
    if found {
        for _ in words {
            parser.next_token();
        }
    }
    found
}

/// `name(json, path`
fn begun(parser: &mut Parser<'_>) -> Parsed<(Expr, Expr)> {
    parser.next_token();
    parser.expect_token(&Token::LParen)?;
    let json = parser.parse_expr()?;
    parser.expect_token(&Token::Comma)?;
    Ok((json, parser.parse_expr()?))
}

/// `JSON_VALUE(json, path [RETURNING type] [{NULL | ERROR | DEFAULT e} ON EMPTY] [… ON ERROR])`, as a call with the two
/// behaviours as text and their defaults after them.
fn value(parser: &mut Parser<'_>) -> Parsed<Expr> {
    let (json, path) = begun(parser)?;
    let null = || Expr::value(Value::Null);
    let (mut returning, mut empty, mut error) = (None, ("NULL", null()), ("NULL", null()));
    if parser.parse_keyword(Keyword::RETURNING) {
        returning = Some(super::data_type(parser)?);
    }
    while parser.peek_token().token != Token::RParen {
        let behaviour = if parser.parse_keyword(Keyword::NULL) {
            ("NULL", null())
        } else if parser.parse_keyword(Keyword::ERROR) {
            ("ERROR", null())
        } else {
            parser.expect_keyword(Keyword::DEFAULT)?;
            ("DEFAULT", shown(parser.parse_expr()?))
        };
        *on(parser, &mut empty, &mut error)? = behaviour;
    }
    parser.expect_token(&Token::RParen)?;
    let value = call("json_value", vec![json, path, text(empty.0), empty.1, text(error.0), error.1]);
    Ok(match returning {
        None => value,
        Some(data_type) => {
            Expr::Cast { kind: CastKind::TryCast, expr: Box::new(value), data_type, array: false, format: None }
        }
    })
}

/// A default as text, whatever it is.
fn shown(expr: Expr) -> Expr {
    // As JSON writes it, not as a CAST does.
    if let Expr::Value(value) = &expr
        && let Value::Boolean(value) = &value.value
    {
        return text(value.to_string());
    }
    let data_type = super::flink_type(&SqlType::of(Kind::String));
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

/// `ON EMPTY` or `ON ERROR`, and which behaviour that is.
fn on<'a, T>(parser: &mut Parser<'_>, empty: &'a mut T, error: &'a mut T) -> Parsed<&'a mut T> {
    parser.expect_keyword(Keyword::ON)?;
    if parser.parse_keyword(Keyword::EMPTY) {
        return Ok(empty);
    }
    parser.expect_keyword(Keyword::ERROR)?;
    Ok(error)
}

/// `JSON_EXISTS(json, path [{TRUE | FALSE | UNKNOWN | ERROR} ON ERROR])`
fn exists(parser: &mut Parser<'_>) -> Parsed<Expr> {
    let (json, path) = begun(parser)?;
    let mut arguments = vec![json, path];
    if let Some(word) =
        ["TRUE", "FALSE", "UNKNOWN", "ERROR"].into_iter().find(|word| eat(parser, &[*word, "ON", "ERROR"]))
    {
        arguments.push(text(word));
    }
    parser.expect_token(&Token::RParen)?;
    Ok(call("json_exists", arguments))
}

/// `JSON_QUERY(json, path [RETURNING type] [… WRAPPER] [{NULL | EMPTY ARRAY | EMPTY OBJECT | ERROR} ON EMPTY] [… ON ERROR])`
fn query(parser: &mut Parser<'_>) -> Parsed<Expr> {
    let (json, path) = begun(parser)?;
    let mut name = "json_query";
    if parser.parse_keyword(Keyword::RETURNING) {
        let place = parser.peek_token();
        match parse_type(parser)?.kind {
            Kind::String | Kind::Varchar(_) | Kind::Char(_) => {}
            Kind::Array(element) if element.kind == Kind::String => name = JSON_QUERY_ARRAY,
            _ => return parser.expected("STRING or ARRAY<STRING>", place),
        }
    }
    let mut wrapper = "WITHOUT";
    if eat(parser, &["WITH"]) {
        wrapper = if eat(parser, &["CONDITIONAL"]) { "CONDITIONAL" } else { "UNCONDITIONAL" };
        eat(parser, &["UNCONDITIONAL"]);
        eat(parser, &["ARRAY"]);
        word(parser, "WRAPPER")?;
    } else if eat(parser, &["WITHOUT"]) {
        eat(parser, &["ARRAY"]);
        word(parser, "WRAPPER")?;
    }
    let (mut empty, mut error) = ("NULL", "NULL");
    while parser.peek_token().token != Token::RParen {
        let behaviour = if eat(parser, &["EMPTY", "ARRAY"]) {
            "EMPTY ARRAY"
        } else if eat(parser, &["EMPTY", "OBJECT"]) {
            "EMPTY OBJECT"
        } else if eat(parser, &["ERROR"]) {
            "ERROR"
        } else {
            parser.expect_keyword(Keyword::NULL)?;
            "NULL"
        };
        *on(parser, &mut empty, &mut error)? = behaviour;
    }
    parser.expect_token(&Token::RParen)?;
    Ok(call(name, vec![json, path, text(wrapper), text(empty), text(error)]))
}

fn word(parser: &mut Parser<'_>, wanted: &str) -> Parsed<()> {
    if eat(parser, &[wanted]) { Ok(()) } else { parser.expected(wanted, parser.peek_token()) }
}

/// `JSON_OBJECT([[KEY] k VALUE v]* [{NULL | ABSENT} ON NULL])`
fn object(parser: &mut Parser<'_>) -> Parsed<Expr> {
    parser.next_token();
    parser.expect_token(&Token::LParen)?;
    let mut arguments = vec![text("NULL")];
    while parser.peek_token().token != Token::RParen {
        if on_null(parser, &mut arguments) {
            break;
        }
        if arguments.len() > 1 {
            parser.expect_token(&Token::Comma)?;
        }
        eat(parser, &["KEY"]);
        arguments.push(parser.parse_expr()?);
        word(parser, "VALUE")?;
        arguments.extend(entry(parser.parse_expr()?));
    }
    parser.expect_token(&Token::RParen)?;
    Ok(call("json_object", arguments))
}

/// `JSON_ARRAY([v]* [{NULL | ABSENT} ON NULL])`
fn array(parser: &mut Parser<'_>) -> Parsed<Expr> {
    parser.next_token();
    parser.expect_token(&Token::LParen)?;
    let mut arguments = vec![text("ABSENT")];
    while parser.peek_token().token != Token::RParen {
        if on_null(parser, &mut arguments) {
            break;
        }
        if arguments.len() > 1 {
            parser.expect_token(&Token::Comma)?;
        }
        arguments.extend(entry(parser.parse_expr()?));
    }
    parser.expect_token(&Token::RParen)?;
    Ok(call("json_array", arguments))
}

fn on_null(parser: &mut Parser<'_>, arguments: &mut [Expr]) -> bool {
    let said = ["NULL", "ABSENT"].into_iter().find(|word| eat(parser, &[*word, "ON", "NULL"]));
    if let Some(word) = said {
        arguments[0] = text(word);
    }
    said.is_some()
}

/// A value with a word that says what it is: what another such function makes is put in as it is, and so is `JSON(string)`
/// once it is read.
fn entry(value: Expr) -> [Expr; 2] {
    let mut inner = &value;
    while let Expr::Nested(nested) = inner {
        inner = nested;
    }
    let Expr::Function(function) = inner else { return [text("VALUE"), value] };
    match function.name.to_string().trim_matches('`').to_ascii_lowercase().as_str() {
        "json_object" | "json_array" => [text("MADE"), value],
        "json" => match &function.args {
            FunctionArguments::List(list) => match list.args.as_slice() {
                [FunctionArg::Unnamed(FunctionArgExpr::Expr(inner))] => [text("JSON"), inner.clone()],
                _ => [text("VALUE"), value],
            },
            _ => [text("VALUE"), value],
        },
        _ => [text("VALUE"), value],
    }
}
