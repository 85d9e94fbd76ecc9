//! From tokens to statements: what SQL's own parser does not know is read here, expressions and queries by it.
//!
//! A statement of Flink's that is not read is refused by its name, with what there is instead.

mod condition;
mod grouping;
mod insert;
pub(crate) mod lateral;
mod rewrite;
mod table;
pub(crate) mod types;

use datafusion_sql::sqlparser::ast::{Ident, ObjectName};
use datafusion_sql::sqlparser::parser::{Parser, ParserError};
use datafusion_sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use crate::dialect::FlinkDialect;
use crate::error::{Result, SqlError, did_you_mean};
use crate::lex::{Lexed, MARK, lex, lower_first};
use crate::statement::{Explain, ExplainDetail, Located, Name, Select, Statement};
pub(crate) use rewrite::apart;
use types::{eat, expect};

/// The deepest nesting of expressions and queries; the parser and the planner use stack for each level.
const NESTING: usize = 50;

/// The statements of a script, in order.
///
/// # Errors
/// The first thing that is not understood, with its place.
pub fn parse(script: &str) -> Result<Vec<Located>> {
    let lexed = lex(script).map_err(|error| error.in_script(script))?;
    let mut reader = Reader::new(script, lexed);
    reader.statements().map_err(|error| error.in_script(script))
}

/// The parser over one script, with what was lifted from it.
pub(crate) struct Reader<'a> {
    script: &'a str,
    parser: Parser<'a>,
    lexed: Lexed,
    /// Hints of `lexed.select_hints` that belong to statements already read.
    hints_read: usize,
}

impl<'a> Reader<'a> {
    fn new(script: &'a str, mut lexed: Lexed) -> Self {
        let tokens = std::mem::take(&mut lexed.tokens);
        let parser = Parser::new(&FlinkDialect).with_recursion_limit(NESTING).with_tokens_with_locations(tokens);
        Self { script, parser, lexed, hints_read: 0 }
    }

    fn statements(&mut self) -> Result<Vec<Located>> {
        let mut statements = Vec::new();
        loop {
            while self.parser.consume_token(&Token::SemiColon) {}
            if self.parser.peek_token().token == Token::EOF {
                return Ok(statements);
            }
            let location = self.place();
            let statement = self.statement()?;
            let end = self.parser.peek_token();
            if !matches!(end.token, Token::SemiColon | Token::EOF) {
                return Err(self.unexpected("the end of the statement", &end).hint("put ; between two statements"));
            }
            let text = self.text(location, end.span.start).trim().to_owned();
            statements.push(Located { statement, location, text });
        }
    }

    fn statement(&mut self) -> Result<Statement> {
        let token = self.parser.peek_token();
        let Token::Word(word) = &token.token else {
            if token.token == Token::LParen {
                return Ok(Statement::Select(self.select()?));
            }
            return Err(self.unexpected("a statement", &token).hint(STATEMENTS));
        };
        match word.value.to_uppercase().as_str() {
            "CREATE" => self.create(),
            "DROP" => self.drop_statement(),
            "INSERT" => Ok(Statement::Insert(self.insert()?)),
            "EXECUTE" => self.execute(),
            "SELECT" | "WITH" | "VALUES" => Ok(Statement::Select(self.select()?)),
            "EXPLAIN" => self.explain(),
            "DESCRIBE" | "DESC" => {
                self.parser.next_token();
                eat(&mut self.parser, "EXTENDED");
                for of in ["CATALOG", "DATABASE", "FUNCTION", "MODEL", "JOB"] {
                    self.refuse_word(of, &format!("DESCRIBE {of}"))?;
                }
                Ok(Statement::Describe(self.name()?))
            }
            "SHOW" => self.show(),
            "SET" => self.set(),
            "RESET" => {
                self.parser.next_token();
                if self.at_end() {
                    return Ok(Statement::Reset(None));
                }
                Ok(Statement::Reset(Some(self.string("a key, such as 'table.exec.state.ttl'")?)))
            }
            "BEGIN" => Err(SqlError::unsupported("BEGIN STATEMENT SET")
                .on(token.span)
                .hint("write EXECUTE STATEMENT SET BEGIN … END;")),
            name if UNSUPPORTED.contains(&name) => {
                Err(SqlError::unsupported(format!("the statement {name}")).on(token.span).hint(STATEMENTS))
            }
            name => {
                let near = did_you_mean(name, KNOWN.iter().copied()).filter(|hint| hint.starts_with("did"));
                Err(SqlError::new(format!("'{}' begins no statement", word.value))
                    .on(token.span)
                    .maybe_hint(near)
                    .hint(STATEMENTS))
            }
        }
    }

    fn create(&mut self) -> Result<Statement> {
        let location = self.place();
        self.parser.next_token();
        if eat(&mut self.parser, "OR") {
            return Err(SqlError::unsupported("CREATE OR REPLACE and CREATE OR ALTER")
                .at(location)
                .hint("write DROP TABLE IF EXISTS t; CREATE TABLE t …"));
        }
        let temporary = eat(&mut self.parser, "TEMPORARY");
        if eat(&mut self.parser, "TABLE") {
            return self.create_table(temporary);
        }
        if eat(&mut self.parser, "VIEW") {
            return self.create_view(temporary);
        }
        for of in ["CATALOG", "DATABASE", "FUNCTION", "SYSTEM", "MODEL", "CONNECTION"] {
            self.refuse_word(of, &format!("CREATE {of}"))?;
        }
        if eat(&mut self.parser, "MATERIALIZED") {
            return Err(SqlError::unsupported("CREATE MATERIALIZED TABLE")
                .at(location)
                .hint("write CREATE VIEW, or CREATE TABLE with a connector and INSERT INTO"));
        }
        let found = self.parser.peek_token();
        Err(self.unexpected("TABLE, TEMPORARY TABLE, VIEW or TEMPORARY VIEW", &found))
    }

    fn drop_statement(&mut self) -> Result<Statement> {
        self.parser.next_token();
        let temporary = eat(&mut self.parser, "TEMPORARY");
        let view = eat(&mut self.parser, "VIEW");
        if !view && !eat(&mut self.parser, "TABLE") {
            for of in ["CATALOG", "DATABASE", "FUNCTION", "SYSTEM", "MODEL", "CONNECTION", "MATERIALIZED"] {
                self.refuse_word(of, &format!("DROP {of}"))?;
            }
            let found = self.parser.peek_token();
            return Err(self.unexpected("TABLE or VIEW", &found));
        }
        let if_exists = self.words(&["IF", "EXISTS"])?;
        Ok(Statement::Drop { view, temporary, if_exists, name: self.name()? })
    }

    fn execute(&mut self) -> Result<Statement> {
        self.parser.next_token();
        self.refuse_word("PLAN", "EXECUTE PLAN")?;
        if eat(&mut self.parser, "STATEMENT") {
            return self.statement_set();
        }
        self.statement()
    }

    /// `SET BEGIN insert; … END`
    fn statement_set(&mut self) -> Result<Statement> {
        let location = self.place();
        self.expect("SET")?;
        self.expect("BEGIN")?;
        let mut inserts = Vec::new();
        loop {
            if eat(&mut self.parser, "END") {
                break;
            }
            let token = self.parser.peek_token();
            match &token.token {
                Token::EOF => {
                    return Err(self.unexpected("END", &token).hint("close EXECUTE STATEMENT SET BEGIN with END;"));
                }
                Token::Word(word) if word.value.eq_ignore_ascii_case("INSERT") => inserts.push(self.insert()?),
                _ => return Err(self.unexpected("INSERT or END", &token).hint("a statement set holds INSERTs only")),
            }
            self.token(&Token::SemiColon)?;
        }
        if inserts.is_empty() {
            return Err(SqlError::new("the statement set is empty").at(location).hint("put at least one INSERT in it"));
        }
        Ok(Statement::StatementSet(inserts))
    }

    fn explain(&mut self) -> Result<Statement> {
        self.parser.next_token();
        let mut details = Vec::new();
        if !self.words(&["PLAN", "FOR"])? {
            loop {
                let detail = if eat(&mut self.parser, "CHANGELOG_MODE") {
                    ExplainDetail::ChangelogMode
                } else if eat(&mut self.parser, "JSON_EXECUTION_PLAN") {
                    ExplainDetail::JsonExecutionPlan
                } else if eat(&mut self.parser, "PLAN_ADVICE") {
                    ExplainDetail::PlanAdvice
                } else if eat(&mut self.parser, "ESTIMATED_COST") {
                    ExplainDetail::EstimatedCost
                } else {
                    break;
                };
                details.push(detail);
                if !self.parser.consume_token(&Token::Comma) {
                    break;
                }
            }
        }
        let token = self.parser.peek_token();
        let what = if eat(&mut self.parser, "STATEMENT") { self.statement_set()? } else { self.statement()? };
        if !matches!(what, Statement::Insert(_) | Statement::StatementSet(_) | Statement::Select(_)) {
            return Err(SqlError::new("only a query, an INSERT or a statement set can be explained")
                .on(token.span)
                .hint("EXPLAIN [CHANGELOG_MODE, PLAN_ADVICE, JSON_EXECUTION_PLAN] SELECT …"));
        }
        Ok(Statement::Explain(Explain { details, what: Box::new(what) }))
    }

    fn show(&mut self) -> Result<Statement> {
        self.parser.next_token();
        let shown = if eat(&mut self.parser, "TABLES") {
            Statement::ShowTables { views: false }
        } else if eat(&mut self.parser, "VIEWS") {
            Statement::ShowTables { views: true }
        } else if eat(&mut self.parser, "CREATE") {
            let view = eat(&mut self.parser, "VIEW");
            if !view {
                self.expect("TABLE")?;
            }
            Statement::ShowCreate { view, name: self.name()? }
        } else {
            let token = self.parser.peek_token();
            return Err(SqlError::unsupported(format!("SHOW {}", token.token))
                .on(token.span)
                .hint("SHOW TABLES, SHOW VIEWS, SHOW CREATE TABLE t and SHOW CREATE VIEW v are read"));
        };
        let token = self.parser.peek_token();
        if matches!(&token.token, Token::Word(word) if matches!(word.value.to_uppercase().as_str(), "LIKE" | "ILIKE" | "FROM" | "IN" | "NOT"))
        {
            return Err(SqlError::unsupported("a filter of SHOW").on(token.span).hint("leave it out: all are listed"));
        }
        Ok(shown)
    }

    fn set(&mut self) -> Result<Statement> {
        self.parser.next_token();
        if self.at_end() {
            return Ok(Statement::Set(None));
        }
        let key = self.string("a key in quotes, such as SET 'table.exec.state.ttl' = '1 h'")?;
        self.token(&Token::Eq)?;
        Ok(Statement::Set(Some((key, self.string("a value in quotes")?))))
    }

    /// A query, with the hints that stand in its text.
    fn select(&mut self) -> Result<Select> {
        let start = self.place();
        let mut query = self.parser.parse_query().map_err(|error| self.parser_error(&error))?;
        let end = self.parser.peek_token().span.start;
        if query.with.as_ref().is_some_and(|with| with.recursive) {
            return Err(SqlError::unsupported("WITH RECURSIVE")
                .at(start)
                .hint("write the steps as queries of their own"));
        }
        rewrite::query(&mut query)?;
        let all = &self.lexed.select_hints;
        let before = |location: Location| end.line == 0 || (location.line, location.column) < (end.line, end.column);
        let hints: Vec<_> = all[self.hints_read..].iter().take_while(|hint| before(hint.location)).cloned().collect();
        self.hints_read += hints.len();
        debug_assert!(hints.iter().all(|hint| hint.location >= start), "hints are read with their own query");
        Ok(Select { query, hints, table_hints: self.lexed.table_hints.clone() })
    }

    /// A name of one to three parts. A hint on it is refused; see [`Reader::hinted_name`].
    fn name(&mut self) -> Result<Name> {
        let (name, hints) = self.hinted_name()?;
        match hints.first() {
            None => Ok(name),
            Some(hint) => Err(SqlError::new(format!("the hint {} has no meaning here", hint.name))
                .at(hint.location)
                .hint("hints stand behind tables in FROM and INSERT INTO")),
        }
    }

    fn hinted_name(&mut self) -> Result<(Name, Vec<crate::lex::Hint>)> {
        let location = self.place();
        let name = self.parser.parse_object_name(false).map_err(|error| self.parser_error(&error))?;
        let (mut parts, mut hints) = (parts_of(&name), Vec::new());
        if let Some(last) = parts.last_mut()
            && let Some((bare, number)) = last.split_once(MARK)
        {
            hints = number
                .parse()
                .ok()
                .and_then(|number: usize| self.lexed.table_hints.get(number))
                .cloned()
                .unwrap_or_default();
            *last = bare.to_owned();
        }
        if parts.len() > 3 {
            return Err(SqlError::new(format!("the name {} has more than three parts", parts.join("."))).at(location));
        }
        Ok((Name { parts, location }, hints))
    }

    fn identifier(&mut self) -> Result<Ident> {
        self.parser.parse_identifier().map_err(|error| self.parser_error(&error))
    }

    fn string(&mut self, wanted: &str) -> Result<String> {
        let token = self.parser.next_token();
        match token.token {
            Token::SingleQuotedString(text) => Ok(text),
            _ => Err(self.unexpected(wanted, &token)),
        }
    }

    fn token(&mut self, wanted: &Token) -> Result<()> {
        self.parser.expect_token(wanted).map(|_| ()).map_err(|error| self.parser_error(&error))
    }

    fn expect(&mut self, wanted: &str) -> Result<()> {
        expect(&mut self.parser, wanted).map_err(|error| self.parser_error(&error))
    }

    /// Takes these words if the first of them is next; then all of them have to follow.
    fn words(&mut self, words: &[&str]) -> Result<bool> {
        if !eat(&mut self.parser, words[0]) {
            return Ok(false);
        }
        for word in &words[1..] {
            self.expect(word)?;
        }
        Ok(true)
    }

    fn refuse_word(&mut self, word: &str, what: &str) -> Result<()> {
        let location = self.place();
        if eat(&mut self.parser, word) {
            return Err(SqlError::unsupported(what).at(location).hint(STATEMENTS));
        }
        Ok(())
    }

    fn at_end(&self) -> bool {
        matches!(self.parser.peek_token().token, Token::SemiColon | Token::EOF)
    }

    /// Where the next token stands; the end of the script if there is none.
    fn place(&self) -> Location {
        self.place_of(&self.parser.peek_token())
    }

    fn place_of(&self, token: &TokenWithSpan) -> Location {
        if token.span.start.line == 0 { crate::variables::location(self.script.trim_end()) } else { token.span.start }
    }

    fn unexpected(&self, wanted: &str, found: &TokenWithSpan) -> SqlError {
        let shown = if found.token == Token::EOF {
            "the end of the script".to_owned()
        } else {
            format!("'{}'", found.token.to_string().split(MARK).next().unwrap_or_default())
        };
        SqlError::new(format!("expected {wanted}, found {shown}")).at(self.place_of(found))
    }

    /// The parser's error, with its place taken out of its text.
    fn parser_error(&self, error: &ParserError) -> SqlError {
        let text = match error {
            ParserError::RecursionLimitExceeded => {
                return SqlError::new(format!("an expression or query is nested deeper than {NESTING} levels"))
                    .at(self.place())
                    .hint("name a part of it with CREATE VIEW or WITH");
            }
            ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
        };
        let (message, location) = split_place(text);
        let message: String = lower_first(message)
            .replace("expected: ", "expected ")
            .replace("found: EOF", "found the end of the script");
        let message = match message.split_once("found: ") {
            Some((wanted, found)) => {
                format!("{wanted}found '{}'", found.split(MARK).next().unwrap_or_default())
            }
            None => message,
        };
        let at = location.unwrap_or_else(|| crate::variables::location(self.script.trim_end()));
        SqlError::new(message).at(at)
    }

    /// The script between two places.
    fn text(&self, from: Location, to: Location) -> &'a str {
        let (start, end) = (offset(self.script, from), offset(self.script, to));
        &self.script[start..end.max(start)]
    }
}

const STATEMENTS: &str = "statements are CREATE TABLE, CREATE VIEW, DROP, INSERT INTO, EXECUTE STATEMENT SET, SELECT, \
                          EXPLAIN, DESCRIBE, SHOW, SET and RESET";
const KNOWN: &[&str] =
    &["CREATE", "DROP", "INSERT", "EXECUTE", "SELECT", "WITH", "VALUES", "EXPLAIN", "DESCRIBE", "SHOW", "SET", "RESET"];
const UNSUPPORTED: &[&str] = &[
    "ALTER", "USE", "LOAD", "UNLOAD", "ADD", "REMOVE", "STOP", "DELETE", "UPDATE", "CALL", "ANALYZE", "TRUNCATE",
    "COMPILE", "END", "REPLACE", "MERGE",
];

/// `… at Line: 3, Column: 5`
pub(crate) fn split_place(text: &str) -> (&str, Option<Location>) {
    if let Some((message, place)) = text.rsplit_once(" at Line: ")
        && let Some((line, column)) = place.split_once(", Column: ")
        && let (Ok(line), Ok(column)) = (line.trim().parse(), column.trim().parse())
    {
        return (message, (line > 0).then_some(Location { line, column }));
    }
    (text, None)
}

pub(crate) fn parts_of(name: &ObjectName) -> Vec<String> {
    name.0.iter().map(|part| part.as_ident().map_or_else(|| part.to_string(), |ident| ident.value.clone())).collect()
}

/// The byte at which a place lies; the end of the text for the place of no token.
fn offset(script: &str, location: Location) -> usize {
    if location.line == 0 {
        return script.len();
    }
    let line_start = script.split_inclusive('\n').take(location.line as usize - 1).map(str::len).sum::<usize>();
    script[line_start..]
        .char_indices()
        .nth(location.column as usize - 1)
        .map_or(script.len(), |(index, _)| line_start + index)
}
