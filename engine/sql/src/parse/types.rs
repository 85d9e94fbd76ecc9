//! Flink's types as they are written.

use datafusion_sql::sqlparser::parser::{Parser, ParserError};
use datafusion_sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::dialect::FlinkDialect;
use crate::error::nearest;
use crate::types::{DECIMAL_DIGITS, Kind, SqlType};

type Parsed<T> = std::result::Result<T, ParserError>;

const NAMES: &[&str] = &[
    "CHAR",
    "VARCHAR",
    "STRING",
    "BOOLEAN",
    "BINARY",
    "VARBINARY",
    "BYTES",
    "DECIMAL",
    "DEC",
    "NUMERIC",
    "TINYINT",
    "SMALLINT",
    "INT",
    "INTEGER",
    "BIGINT",
    "FLOAT",
    "DOUBLE",
    "DATE",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMP_LTZ",
    "INTERVAL",
    "ARRAY",
    "MAP",
    "MULTISET",
    "ROW",
];

/// A type in text, as [`SqlType`] prints it.
pub(crate) fn type_of_text(text: &str) -> Parsed<SqlType> {
    let tokens = Tokenizer::new(&FlinkDialect, text)
        .tokenize_with_location()
        .map_err(|error| ParserError::TokenizerError(error.to_string()))?;
    let mut parser = Parser::new(&FlinkDialect).with_tokens_with_locations(tokens);
    let of = parse_type(&mut parser)?;
    parser.expect_token(&Token::EOF)?;
    Ok(of)
}

/// A type with what follows it: `ARRAY`, `MULTISET`, `NOT NULL`, `NULL`.
pub(crate) fn parse_type(parser: &mut Parser<'_>) -> Parsed<SqlType> {
    let mut closing = 0;
    let of = parse_nested(parser, &mut closing)?;
    if closing > 0 {
        return parser.expected("a type with as many < as >", parser.peek_token());
    }
    Ok(of)
}

/// `closing` counts a `>` that was read as the second half of `>>`.
fn parse_nested(parser: &mut Parser<'_>, closing: &mut usize) -> Parsed<SqlType> {
    let mut of = SqlType::of(parse_kind(parser, closing)?);
    // A closed type has no more to say of itself.
    let open = *closing == 0;
    loop {
        if !open {
            break;
        } else if eat(parser, "NOT") {
            expect(parser, "NULL")?;
            of.nullable = false;
        } else if eat(parser, "NULL") {
            of.nullable = true;
        } else if eat(parser, "ARRAY") {
            of = SqlType::of(Kind::Array(Box::new(of)));
        } else if eat(parser, "MULTISET") {
            of = SqlType::of(Kind::Multiset(Box::new(of)));
        } else {
            break;
        }
    }
    Ok(of)
}

fn parse_kind(parser: &mut Parser<'_>, closing: &mut usize) -> Parsed<Kind> {
    let token = parser.next_token();
    let Token::Word(word) = &token.token else { return parser.expected("a type", token) };
    let name = word.value.to_uppercase();
    Ok(match name.as_str() {
        "BOOLEAN" => Kind::Boolean,
        "TINYINT" => Kind::TinyInt,
        "SMALLINT" => Kind::SmallInt,
        "INT" | "INTEGER" => Kind::Int,
        "BIGINT" => Kind::BigInt,
        "FLOAT" => Kind::Float,
        "DOUBLE" => {
            eat(parser, "PRECISION");
            Kind::Double
        }
        "DECIMAL" | "DEC" | "NUMERIC" => decimal(parser)?,
        "CHAR" | "CHARACTER" => {
            let length = argument(parser, 1, u64::from(u32::MAX))?.unwrap_or(1);
            Kind::Char(u32::try_from(length).unwrap_or(u32::MAX))
        }
        // Without a length it is of any, as Flink's type system has it.
        "VARCHAR" => match argument(parser, 1, i32::MAX as u64)?.unwrap_or(i32::MAX as u64) {
            length if length == i32::MAX as u64 => Kind::String,
            length => Kind::Varchar(u32::try_from(length).unwrap_or(u32::MAX)),
        },
        "STRING" => Kind::String,
        "BINARY" => Kind::Binary(u32::try_from(argument(parser, 1, i32::MAX as u64)?.unwrap_or(1)).unwrap_or(1)),
        "VARBINARY" => match argument(parser, 1, i32::MAX as u64)?.unwrap_or(i32::MAX as u64) {
            length if length == i32::MAX as u64 => Kind::Bytes,
            length => Kind::Varbinary(u32::try_from(length).unwrap_or(u32::MAX)),
        },
        "BYTES" => Kind::Bytes,
        "DATE" => Kind::Date,
        "TIME" => {
            let precision = precision(parser, 0)?;
            if eat(parser, "WITHOUT") {
                expect(parser, "TIME")?;
                expect(parser, "ZONE")?;
            }
            Kind::Time(precision)
        }
        "TIMESTAMP" => {
            let precision = precision(parser, 6)?;
            if eat(parser, "WITHOUT") {
                expect(parser, "TIME")?;
                expect(parser, "ZONE")?;
                Kind::Timestamp(precision)
            } else if eat(parser, "WITH") {
                if !eat(parser, "LOCAL") {
                    return parser
                        .expected("LOCAL TIME ZONE (TIMESTAMP WITH TIME ZONE is no column type)", parser.peek_token());
                }
                expect(parser, "TIME")?;
                expect(parser, "ZONE")?;
                Kind::TimestampLtz(precision)
            } else {
                Kind::Timestamp(precision)
            }
        }
        "TIMESTAMP_LTZ" => Kind::TimestampLtz(precision(parser, 6)?),
        "INTERVAL" => interval(parser)?,
        "ARRAY" => {
            open(parser)?;
            let element = parse_nested(parser, closing)?;
            close(parser, closing)?;
            Kind::Array(Box::new(element))
        }
        "MULTISET" => {
            open(parser)?;
            let element = parse_nested(parser, closing)?;
            close(parser, closing)?;
            Kind::Multiset(Box::new(element))
        }
        "MAP" => {
            open(parser)?;
            let key = parse_nested(parser, closing)?;
            parser.expect_token(&Token::Comma)?;
            let value = parse_nested(parser, closing)?;
            close(parser, closing)?;
            Kind::Map(Box::new(key), Box::new(value))
        }
        "ROW" => row(parser, closing)?,
        _ => {
            let near = nearest(&name, NAMES.iter().copied());
            let wanted = near.map_or_else(|| "a type".to_owned(), |near| format!("a type (did you mean '{near}'?)"));
            return parser.expected(&wanted, token);
        }
    })
}

fn row(parser: &mut Parser<'_>, closing: &mut usize) -> Parsed<Kind> {
    let round = parser.consume_token(&Token::LParen);
    if !round {
        open(parser)?;
    }
    let mut fields = Vec::new();
    loop {
        let name = parser.parse_identifier()?.value;
        fields.push((name, parse_nested(parser, closing)?));
        if parser.peek_token().token == Token::SingleQuotedString(String::new())
            || matches!(parser.peek_token().token, Token::SingleQuotedString(_))
        {
            parser.next_token();
        }
        if *closing > 0 || !parser.consume_token(&Token::Comma) {
            break;
        }
    }
    if round {
        parser.expect_token(&Token::RParen)?;
    } else {
        close(parser, closing)?;
    }
    Ok(Kind::Row(fields))
}

fn decimal(parser: &mut Parser<'_>) -> Parsed<Kind> {
    if !parser.consume_token(&Token::LParen) {
        return Ok(Kind::Decimal { precision: 10, scale: 0 });
    }
    let place = parser.peek_token();
    let precision = parser.parse_literal_uint()?;
    let scale = if parser.consume_token(&Token::Comma) { parser.parse_literal_uint()? } else { 0 };
    parser.expect_token(&Token::RParen)?;
    if precision == 0 || precision > u64::from(DECIMAL_DIGITS) || scale > precision {
        return parser.expected("a precision of 1 to 38 and a scale of at most the precision", place);
    }
    Ok(Kind::Decimal { precision: precision as u8, scale: scale as i8 })
}

fn interval(parser: &mut Parser<'_>) -> Parsed<Kind> {
    let token = parser.next_token();
    let Token::Word(word) = &token.token else { return parser.expected("a unit of time", token) };
    let kind = match word.value.to_uppercase().as_str() {
        "YEAR" | "MONTH" => Kind::IntervalYearMonth,
        "DAY" | "HOUR" | "MINUTE" | "SECOND" => Kind::IntervalDaySecond,
        _ => return parser.expected("YEAR, MONTH, DAY, HOUR, MINUTE or SECOND", token),
    };
    argument(parser, 0, 9)?;
    if eat(parser, "TO") {
        parser.next_token();
        argument(parser, 0, 9)?;
    }
    Ok(kind)
}

fn precision(parser: &mut Parser<'_>, default: u8) -> Parsed<u8> {
    Ok(argument(parser, 0, 9)?.map_or(default, |precision| precision as u8))
}

/// `(n)`, if there is one, within bounds.
fn argument(parser: &mut Parser<'_>, least: u64, most: u64) -> Parsed<Option<u64>> {
    if !parser.consume_token(&Token::LParen) {
        return Ok(None);
    }
    let place = parser.peek_token();
    let value = parser.parse_literal_uint()?;
    parser.expect_token(&Token::RParen)?;
    if value < least || value > most {
        return parser.expected(&format!("a number from {least} to {most}"), place);
    }
    Ok(Some(value))
}

fn open(parser: &mut Parser<'_>) -> Parsed<()> {
    parser.expect_token(&Token::Lt).map(|_| ())
}

fn close(parser: &mut Parser<'_>, closing: &mut usize) -> Parsed<()> {
    if *closing > 0 {
        *closing -= 1;
        return Ok(());
    }
    if parser.consume_token(&Token::ShiftRight) {
        *closing += 1;
        return Ok(());
    }
    parser.expect_token(&Token::Gt).map(|_| ())
}

/// Takes the next word if it is this one.
pub(super) fn eat(parser: &mut Parser<'_>, wanted: &str) -> bool {
    let found = matches!(&parser.peek_token().token,
        Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted));
    if found {
        parser.next_token();
    }
    found
}

/// Takes the next word, which has to be this one.
pub(super) fn expect(parser: &mut Parser<'_>, wanted: &str) -> Parsed<()> {
    if eat(parser, wanted) { Ok(()) } else { parser.expected(wanted, parser.peek_token()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        type_of_text(text).map_or_else(|error| error.to_string(), |of| of.to_string())
    }

    #[test]
    fn types_are_read_as_flink_reads_them() {
        assert_eq!(
            shown("row<a int, `b c` array<row<x timestamp(3) with local time zone>>, m map<string, decimal(10,2)>>"),
            "ROW<`a` INT, `b c` ARRAY<ROW<`x` TIMESTAMP_LTZ(3)>>, `m` MAP<STRING, DECIMAL(10, 2)>>"
        );
        assert_eq!(shown("INT NOT NULL ARRAY"), "ARRAY<INT NOT NULL>");
        assert_eq!(shown("TIMESTAMP"), "TIMESTAMP(6)");
        assert_eq!(shown("VARCHAR(2147483647)"), "STRING");
        assert_eq!(shown("DECIMAL"), "DECIMAL(10, 0)");
        assert_eq!(shown("MULTISET<STRING>"), "MULTISET<STRING>");
        assert!(shown("BIGNIT").contains("did you mean 'BIGINT'?"), "{}", shown("BIGNIT"));
        assert!(shown("DECIMAL(39)").contains("a precision of 1 to 38"));
        assert!(shown("ARRAY<INT>>").contains("Expected"));
    }
}
