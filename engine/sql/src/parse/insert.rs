//! INSERT, and the query of a view.

use datafusion_sql::sqlparser::parser::Parser;
use datafusion_sql::sqlparser::tokenizer::Token;

use super::Reader;
use super::types::eat;
use crate::error::{Result, SqlError};
use crate::statement::{CreateView, Insert, Statement};

impl Reader<'_> {
    /// `INSERT {INTO | OVERWRITE} t [PARTITION (k = v, …)] [(c, …)] query [LATE TO t]`
    pub(super) fn insert(&mut self) -> Result<Insert> {
        self.parser.next_token();
        let overwrite = eat(&mut self.parser, "OVERWRITE");
        if !overwrite {
            self.expect("INTO")?;
        }
        let (table, hints) = self.hinted_name()?;
        let mut partition = Vec::new();
        if eat(&mut self.parser, "PARTITION") {
            self.token(&Token::LParen)?;
            loop {
                let column = self.identifier()?.value;
                self.token(&Token::Eq)?;
                let mut value = self.parser.parse_expr().map_err(|error| self.parser_error(&error))?;
                super::rewrite::expression(&mut value)?;
                partition.push((column, value));
                if !self.parser.consume_token(&Token::Comma) {
                    break;
                }
            }
            self.token(&Token::RParen)?;
        }
        let mut columns = Vec::new();
        let query = |token: &Token| {
            matches!(token, Token::LParen)
                || matches!(token, Token::Word(word) if matches!(word.value.to_uppercase().as_str(), "SELECT" | "WITH" | "VALUES") && word.quote_style.is_none())
        };
        if self.parser.peek_token().token == Token::LParen && !query(&self.parser.peek_nth_token(1).token) {
            self.token(&Token::LParen)?;
            let names = self.parser.parse_comma_separated(Parser::parse_identifier);
            let names = names.map_err(|error| self.parser_error(&error))?;
            columns = names.into_iter().map(|name| (name.value, name.span.start)).collect();
            self.token(&Token::RParen)?;
        }
        let token = self.parser.peek_token();
        if !query(&token.token) {
            return Err(self.unexpected("SELECT, VALUES or WITH", &token));
        }
        let select = self.select()?;
        let mut late = None;
        if eat(&mut self.parser, "LATE") {
            self.expect("TO")?;
            late = Some(self.name()?);
        }
        let token = self.parser.peek_token();
        if eat(&mut self.parser, "ON") {
            return Err(SqlError::unsupported("INSERT … ON CONFLICT")
                .on(token.span)
                .hint("leave it out: rows are upserted by the sink's primary key"));
        }
        Ok(Insert { table, hints, columns, partition, overwrite, select, late })
    }

    /// `[IF NOT EXISTS] v [(c, …)] [COMMENT 'c'] AS query`, after `CREATE [TEMPORARY] VIEW`
    pub(super) fn create_view(&mut self, temporary: bool) -> Result<Statement> {
        let if_not_exists = self.words(&["IF", "NOT", "EXISTS"])?;
        let name = self.name()?;
        let mut columns = Vec::new();
        if self.parser.consume_token(&Token::LParen) {
            loop {
                columns.push(self.identifier()?.value);
                if eat(&mut self.parser, "COMMENT") {
                    self.string("a comment in quotes")?;
                }
                if !self.parser.consume_token(&Token::Comma) {
                    break;
                }
            }
            self.token(&Token::RParen)?;
        }
        let comment = if eat(&mut self.parser, "COMMENT") { Some(self.string("a comment in quotes")?) } else { None };
        self.expect("AS")?;
        let start = self.place();
        let select = self.select()?;
        let text = self.text(start, self.parser.peek_token().span.start).trim().to_owned();
        Ok(Statement::CreateView(CreateView { name, temporary, if_not_exists, columns, comment, select, text }))
    }
}
