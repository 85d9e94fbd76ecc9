//! CREATE TABLE.

use datafusion_sql::sqlparser::ast::Expr;
use datafusion_sql::sqlparser::parser::Parser;
use datafusion_sql::sqlparser::tokenizer::{Location, Token};

use super::Reader;
use super::types::{eat, parse_type};
use crate::error::{Result, SqlError};
use crate::statement::{
    ColumnDeclaration, ColumnKind, CreateTable, Feature, Like, Statement, Strategy, WatermarkDeclaration,
};

impl Reader<'_> {
    /// What follows `CREATE [TEMPORARY] TABLE`.
    pub(super) fn create_table(&mut self, temporary: bool) -> Result<Statement> {
        let if_not_exists = self.words(&["IF", "NOT", "EXISTS"])?;
        let name = self.name()?;
        let mut table = CreateTable {
            name,
            temporary,
            if_not_exists,
            columns: Vec::new(),
            watermark: None,
            primary_key: None,
            comment: None,
            partitioned_by: Vec::new(),
            options: Vec::new(),
            like: None,
        };
        if self.parser.consume_token(&Token::LParen) {
            loop {
                if self.parser.consume_token(&Token::RParen) {
                    break;
                }
                self.element(&mut table)?;
                if !self.parser.consume_token(&Token::Comma) {
                    let token = self.parser.peek_token();
                    if !self.parser.consume_token(&Token::RParen) {
                        return Err(self.unexpected("',' or ')' after a column", &token));
                    }
                    break;
                }
            }
        }
        self.clauses(&mut table)?;
        Ok(Statement::CreateTable(table))
    }

    fn element(&mut self, table: &mut CreateTable) -> Result<()> {
        let token = self.parser.peek_token();
        let next = self.parser.peek_nth_token(1).token;
        let keyword = |wanted: &str| matches!(&token.token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted));
        let follows = |wanted: &str| matches!(&next, Token::Word(word) if word.value.eq_ignore_ascii_case(wanted));
        if keyword("WATERMARK") && follows("FOR") {
            return self.watermark(table);
        }
        if keyword("PRIMARY") && follows("KEY") {
            return self.primary_key(table, token.span.start);
        }
        if keyword("CONSTRAINT") {
            self.parser.next_token();
            self.identifier()?;
            let token = self.parser.peek_token();
            if !matches!(&token.token, Token::Word(word) if word.value.eq_ignore_ascii_case("PRIMARY")) {
                return Err(self
                    .unexpected("PRIMARY KEY", &token)
                    .hint("PRIMARY KEY … NOT ENFORCED is the only constraint"));
            }
            return self.primary_key(table, token.span.start);
        }
        if keyword("UNIQUE") || (keyword("FOREIGN") && follows("KEY")) {
            return Err(SqlError::unsupported(format!("the constraint {}", token.token))
                .on(token.span)
                .hint("PRIMARY KEY … NOT ENFORCED is the only constraint"));
        }
        self.column(table)
    }

    fn column(&mut self, table: &mut CreateTable) -> Result<()> {
        let name = self.identifier()?;
        let location = name.span.start;
        if let Some(other) = table.columns.iter().find(|column| column.name == name.value) {
            return Err(SqlError::new(format!("the column '{}' is declared twice", name.value))
                .at(location)
                .hint(format!("it is declared in line {} already", other.location.line)));
        }
        let kind = if eat(&mut self.parser, "AS") {
            let (expression, text) = self.expression()?;
            ColumnKind::Computed { expression, text }
        } else {
            let place = self.place();
            let of = parse_type(&mut self.parser).map_err(|error| self.parser_error(&error).at(place))?;
            if eat(&mut self.parser, "METADATA") {
                let key =
                    if eat(&mut self.parser, "FROM") { Some(self.string("a metadata key in quotes")?) } else { None };
                ColumnKind::Metadata { of, key, virtual_column: eat(&mut self.parser, "VIRTUAL") }
            } else {
                let place = self.place();
                if eat(&mut self.parser, "PRIMARY") {
                    self.expect("KEY")?;
                    self.not_enforced(place)?;
                    set_key(table, vec![(name.value.clone(), location)], place)?;
                }
                for word in ["DEFAULT", "UNIQUE", "REFERENCES", "GENERATED"] {
                    self.refuse_word(word, &format!("{word} of a column"))?;
                }
                ColumnKind::Physical(of)
            }
        };
        let comment = if eat(&mut self.parser, "COMMENT") { Some(self.string("a comment in quotes")?) } else { None };
        table.columns.push(ColumnDeclaration { name: name.value, location, kind, comment });
        Ok(())
    }

    fn watermark(&mut self, table: &mut CreateTable) -> Result<()> {
        let place = self.place();
        self.expect("WATERMARK")?;
        self.expect("FOR")?;
        let location = self.place();
        let name = self.parser.parse_object_name(false).map_err(|error| self.parser_error(&error))?;
        self.expect("AS")?;
        let (expression, text) = self.expression()?;
        if table.watermark.is_some() {
            return Err(SqlError::new("the table has two watermarks").at(place).hint("keep one of them"));
        }
        table.watermark = Some(WatermarkDeclaration { column: super::parts_of(&name), location, expression, text });
        Ok(())
    }

    fn primary_key(&mut self, table: &mut CreateTable, location: Location) -> Result<()> {
        self.expect("PRIMARY")?;
        self.expect("KEY")?;
        self.token(&Token::LParen)?;
        let names = self.parser.parse_comma_separated(Parser::parse_identifier);
        let names = names.map_err(|error| self.parser_error(&error))?;
        self.token(&Token::RParen)?;
        self.not_enforced(location)?;
        set_key(table, names.into_iter().map(|name| (name.value, name.span.start)).collect(), location)
    }

    fn not_enforced(&mut self, location: Location) -> Result<()> {
        let not = eat(&mut self.parser, "NOT");
        if !not || !eat(&mut self.parser, "ENFORCED") {
            return Err(SqlError::new("a primary key that is enforced is not supported")
                .at(location)
                .hint("write PRIMARY KEY (…) NOT ENFORCED: the key is believed, not checked"));
        }
        Ok(())
    }

    fn clauses(&mut self, table: &mut CreateTable) -> Result<()> {
        loop {
            let place = self.place();
            if eat(&mut self.parser, "COMMENT") {
                table.comment = Some(self.string("a comment in quotes")?);
            } else if eat(&mut self.parser, "PARTITIONED") {
                self.expect("BY")?;
                self.token(&Token::LParen)?;
                let names = self.parser.parse_comma_separated(Parser::parse_identifier);
                let names = names.map_err(|error| self.parser_error(&error))?;
                table.partitioned_by = names.into_iter().map(|name| (name.value, name.span.start)).collect();
                self.token(&Token::RParen)?;
            } else if eat(&mut self.parser, "DISTRIBUTED") {
                return Err(SqlError::unsupported("DISTRIBUTED BY").at(place).hint("leave it out"));
            } else if eat(&mut self.parser, "WITH") {
                table.options = self.options()?;
            } else if eat(&mut self.parser, "LIKE") {
                table.like = Some(self.like()?);
            } else if eat(&mut self.parser, "AS") {
                return Err(SqlError::unsupported("CREATE TABLE … AS SELECT")
                    .at(place)
                    .hint("write CREATE TABLE with its columns, then INSERT INTO … SELECT"));
            } else {
                return Ok(());
            }
        }
    }

    /// `('key' = 'value', …)`
    fn options(&mut self) -> Result<Vec<(String, String, Location)>> {
        let mut options: Vec<(String, String, Location)> = Vec::new();
        self.token(&Token::LParen)?;
        while !self.parser.consume_token(&Token::RParen) {
            let location = self.place();
            let key = self.string("an option in quotes, such as 'connector' = 'filesystem'")?;
            self.token(&Token::Eq)?;
            let value = self.string(&format!("the value of '{key}' in quotes"))?;
            if options.iter().any(|(other, ..)| *other == key) {
                return Err(SqlError::new(format!("the option '{key}' is given twice")).at(location));
            }
            options.push((key, value, location));
            if !self.parser.consume_token(&Token::Comma) {
                self.token(&Token::RParen)?;
                break;
            }
        }
        Ok(options)
    }

    fn like(&mut self) -> Result<Like> {
        let source = self.name()?;
        let mut rules = Vec::new();
        if self.parser.consume_token(&Token::LParen) {
            while !self.parser.consume_token(&Token::RParen) {
                let token = self.parser.next_token();
                let strategy = match token.token.to_string().to_uppercase().as_str() {
                    "INCLUDING" => Strategy::Including,
                    "EXCLUDING" => Strategy::Excluding,
                    "OVERWRITING" => Strategy::Overwriting,
                    _ => return Err(self.unexpected("INCLUDING, EXCLUDING or OVERWRITING", &token)),
                };
                let token = self.parser.next_token();
                let feature = match token.token.to_string().to_uppercase().as_str() {
                    "ALL" => Feature::All,
                    "CONSTRAINTS" => Feature::Constraints,
                    "GENERATED" => Feature::Generated,
                    "METADATA" => Feature::Metadata,
                    "OPTIONS" => Feature::Options,
                    "PARTITIONS" | "DISTRIBUTION" => Feature::Partitions,
                    "WATERMARKS" => Feature::Watermarks,
                    _ => {
                        return Err(self.unexpected(
                            "ALL, CONSTRAINTS, GENERATED, METADATA, OPTIONS, PARTITIONS or WATERMARKS",
                            &token,
                        ));
                    }
                };
                rules.push((strategy, feature));
            }
        }
        Ok(Like { source, rules })
    }

    /// An expression and its text.
    fn expression(&mut self) -> Result<(Box<Expr>, String)> {
        let start = self.place();
        let mut expression = self.parser.parse_expr().map_err(|error| self.parser_error(&error))?;
        let text = self.text(start, self.parser.peek_token().span.start).trim().to_owned();
        super::rewrite::expression(&mut expression)?;
        Ok((Box::new(expression), text))
    }
}

fn set_key(table: &mut CreateTable, key: Vec<(String, Location)>, location: Location) -> Result<()> {
    if table.primary_key.is_some() {
        return Err(SqlError::new("the table has two primary keys").at(location).hint("keep one of them"));
    }
    table.primary_key = Some(key);
    Ok(())
}
