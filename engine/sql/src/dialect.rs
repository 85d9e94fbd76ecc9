//! What Flink's lexer and expression grammar have that no dialect of the parser has.
//!
//! Expressions that the parser's tree has no place for become calls of functions whose names no user can write
//! (`TABLE_ARGUMENT` and its like), or types under the name `FLINK`; the planner reads both back.

mod condition;
mod json;

use datafusion_sql::sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, Value,
};
use datafusion_sql::sqlparser::dialect::Dialect;
use datafusion_sql::sqlparser::keywords::Keyword;
use datafusion_sql::sqlparser::parser::{Parser, ParserError};
use datafusion_sql::sqlparser::tokenizer::Token;

use crate::functions::MAP_OF;
use crate::parse::types::parse_type;
use crate::types::SqlType;
pub(crate) use condition::drawn;

/// Flink's SQL.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct FlinkDialect;

/// The call that stands for `TABLE t [PARTITION BY …]` as an argument.
pub(crate) const TABLE_ARGUMENT: &str = "\u{1}TABLE";
/// The name of the parser's custom type whose one modifier is a type of Flink's as text.
pub(crate) const FLINK_TYPE: &str = "\u{1}FLINK";

impl Dialect for FlinkDialect {
    fn is_delimited_identifier_start(&self, character: char) -> bool {
        character == '`'
    }

    fn is_identifier_start(&self, character: char) -> bool {
        character.is_alphabetic() || character == '_'
    }

    fn is_identifier_part(&self, character: char) -> bool {
        character.is_alphanumeric() || character == '_' || character == '$'
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_match_recognize(&self) -> bool {
        true
    }

    fn supports_table_versioning(&self) -> bool {
        true
    }

    fn supports_values_as_table_factor(&self) -> bool {
        true
    }

    fn supports_boolean_literals(&self) -> bool {
        true
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<std::result::Result<Expr, ParserError>> {
        let (first, second) = (parser.peek_token().token, parser.peek_nth_token(1).token);
        let Token::Word(word) = first else { return None };
        let parsed = match (word.keyword, &second) {
            (Keyword::TABLE, Token::Word(_)) => return Some(table_argument(parser)),
            (Keyword::CAST, Token::LParen) => cast(parser, CastKind::Cast),
            (Keyword::TRY_CAST, Token::LParen) => cast(parser, CastKind::TryCast),
            (Keyword::CASE, Token::Word(next)) if next.keyword == Keyword::WHEN => return None,
            (Keyword::CASE, _) => condition::case(parser),
            (Keyword::MAP, Token::LBracket) if word.quote_style.is_none() => map(parser),
            _ if word.quote_style.is_none() && second == Token::LParen => json::function(&word.value)?(parser),
            _ => return None,
        };
        // The parser looks for parts of what it has read itself only.
        Some(match (parsed, parser.peek_token().token) {
            (Ok(expr), Token::LBracket | Token::Period) => parser.parse_compound_expr(expr, Vec::new()),
            (parsed, _) => parsed,
        })
    }

    fn parse_infix(
        &self,
        parser: &mut Parser<'_>,
        expr: &Expr,
        _precedence: u8,
    ) -> Option<std::result::Result<Expr, ParserError>> {
        json::is_json(parser, expr).map(Ok).or_else(|| condition::infix(parser, expr))
    }
}

/// A call by name.
pub(crate) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    call_as(ObjectName::from(vec![Ident::with_quote('`', name)]), arguments)
}

/// A call by a name that stands in the script.
pub(crate) fn call_as(name: ObjectName, arguments: Vec<Expr>) -> Expr {
    let unnamed = |expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr));
    Expr::Function(Function {
        name,
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments.into_iter().map(unnamed).collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// A string literal.
pub(crate) fn text(value: impl Into<String>) -> Expr {
    Expr::value(Value::SingleQuotedString(value.into()))
}

/// `TABLE t [PARTITION BY k | PARTITION BY (k, …)]`
fn table_argument(parser: &mut Parser<'_>) -> std::result::Result<Expr, ParserError> {
    parser.next_token();
    let name = parser.parse_object_name(false)?;
    let parts = name.0.iter().filter_map(|part| part.as_ident().cloned()).collect();
    let mut arguments = vec![Expr::CompoundIdentifier(parts)];
    if parser.parse_keywords(&[Keyword::PARTITION, Keyword::BY]) {
        if parser.consume_token(&Token::LParen) {
            arguments.extend(parser.parse_comma_separated(Parser::parse_identifier)?.into_iter().map(Expr::Identifier));
            parser.expect_token(&Token::RParen)?;
        } else {
            arguments.push(Expr::Identifier(parser.parse_identifier()?));
        }
    }
    Ok(call(TABLE_ARGUMENT, arguments))
}

/// `CAST(e AS type)` with a type of Flink's.
fn cast(parser: &mut Parser<'_>, kind: CastKind) -> std::result::Result<Expr, ParserError> {
    parser.next_token();
    parser.expect_token(&Token::LParen)?;
    let expr = Box::new(parser.parse_expr()?);
    parser.expect_keyword(Keyword::AS)?;
    let data_type = data_type(parser)?;
    parser.expect_token(&Token::RParen)?;
    Ok(Expr::Cast { kind, expr, data_type, array: false, format: None })
}

fn data_type(parser: &mut Parser<'_>) -> std::result::Result<DataType, ParserError> {
    Ok(flink_type(&parse_type(parser)?))
}

fn flink_type(of: &SqlType) -> DataType {
    DataType::Custom(ObjectName::from(vec![Ident::new(FLINK_TYPE)]), vec![of.to_string()])
}

/// `MAP[k, v, …]`
fn map(parser: &mut Parser<'_>) -> std::result::Result<Expr, ParserError> {
    parser.next_token();
    parser.expect_token(&Token::LBracket)?;
    let arguments = parser.parse_comma_separated0(Parser::parse_expr, Token::RBracket)?;
    parser.expect_token(&Token::RBracket)?;
    Ok(call(MAP_OF, arguments))
}
