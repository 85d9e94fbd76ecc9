//! From a script's text to tokens, with what the parser would lose lifted out.
//!
//! The parser takes hints for comments and has no place for WITHIN and reluctant quantifiers of MATCH_RECOGNIZE. Here
//! a hint behind a table becomes a mark on the table's name, a reluctant quantifier a mark on its variable, and WITHIN a
//! definition of a variable that no user can name. Nothing that is lifted is dropped: each mark is read or refused.

use std::collections::BTreeMap;

use datafusion_sql::sqlparser::keywords::Keyword;
use datafusion_sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Whitespace, Word};

use crate::dialect::FlinkDialect;
use crate::error::{Result, SqlError};

/// Between a name and the number of its hint.
pub(crate) const MARK: char = '\u{1}';
/// After a pattern variable whose quantifier is reluctant.
pub(crate) const RELUCTANT: &str = "\u{1}?";
/// The variable whose definition is the interval of WITHIN.
pub(crate) const WITHIN: &str = "\u{1}WITHIN";

/// A hint: its name, its arguments, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// `OPTIONS`, `STATE_TTL` and so on.
    pub name: String,
    /// Keys and values.
    pub options: BTreeMap<String, String>,
    /// Where its comment begins.
    pub location: Location,
}

/// A script as tokens.
#[derive(Debug)]
pub(crate) struct Lexed {
    pub(crate) tokens: Vec<TokenWithSpan>,
    /// Hints behind tables, by the number in the mark on the table's name.
    pub(crate) table_hints: Vec<Vec<Hint>>,
    /// Hints behind SELECT, in the script's order.
    pub(crate) select_hints: Vec<Hint>,
}

/// Splits a script into tokens and lifts hints, reluctant quantifiers and WITHIN.
pub(crate) fn lex(script: &str) -> Result<Lexed> {
    let tokens = Tokenizer::new(&FlinkDialect, script).tokenize_with_location().map_err(|error| {
        let hint = match error.message.as_str() {
            message if message.contains("string literal") => "close the string with '; a quote within it is written ''",
            message if message.contains("comment") => "close the comment with */",
            message if message.contains("delimiter") => "close the name with `",
            _ => "see the characters around this place",
        };
        SqlError::new(lower_first(&error.message)).at(error.location).hint(hint)
    })?;
    let mut lexed = Lexed { tokens, table_hints: Vec::new(), select_hints: Vec::new() };
    lexed.refuse_double_quotes()?;
    lexed.lift_hints()?;
    lexed.lift_patterns();
    Ok(lexed)
}

pub(crate) fn lower_first(message: &str) -> String {
    let mut characters = message.chars();
    let Some(first) = characters.next() else { return String::new() };
    // A word in capitals stays one.
    if characters.clone().next().is_some_and(char::is_uppercase) {
        return message.to_owned();
    }
    first.to_lowercase().chain(characters).collect()
}

impl Lexed {
    fn refuse_double_quotes(&self) -> Result<()> {
        for token in &self.tokens {
            if let Token::DoubleQuotedString(text) = &token.token {
                return Err(SqlError::new(format!("\"{text}\" is in double quotes"))
                    .on(token.span)
                    .hint(format!("write '{text}' for a string, `{text}` for a name")));
            }
        }
        Ok(())
    }

    fn lift_hints(&mut self) -> Result<()> {
        let mut before: Option<usize> = None;
        for index in 0..self.tokens.len() {
            let token = &self.tokens[index];
            let Token::Whitespace(white) = &token.token else {
                before = Some(index);
                continue;
            };
            let Whitespace::MultiLineComment(comment) = white else { continue };
            let Some(text) = comment.strip_prefix('+') else { continue };
            let location = token.span.start;
            let hints = parse_hints(text, location)?;
            let place = before.map(|before| &mut self.tokens[before].token);
            match place {
                Some(Token::Word(word)) if word.keyword == Keyword::SELECT && word.quote_style.is_none() => {
                    if let Some(hint) = hints.iter().find(|hint| hint.name == "OPTIONS") {
                        return Err(SqlError::new("OPTIONS stands behind SELECT")
                            .at(hint.location)
                            .hint("OPTIONS belongs behind a table's name: FROM t /*+ OPTIONS('key'='value') */"));
                    }
                    self.select_hints.extend(hints);
                }
                Some(Token::Word(word)) if !word.value.contains(MARK) => {
                    if let Some(hint) = hints.iter().find(|hint| hint.name != "OPTIONS") {
                        return Err(SqlError::new(format!("{} stands behind a table's name", hint.name))
                            .at(hint.location)
                            .hint(format!("{} belongs behind SELECT", hint.name)));
                    }
                    word.value = format!("{}{MARK}{}", word.value, self.table_hints.len());
                    self.table_hints.push(hints);
                }
                _ => {
                    return Err(SqlError::new("a hint stands where Flink reads none")
                        .at(location)
                        .hint("put it behind SELECT or behind a table's name"));
                }
            }
        }
        Ok(())
    }

    /// Marks variables with reluctant quantifiers and moves WITHIN into DEFINE.
    fn lift_patterns(&mut self) {
        self.tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
        let mut index = 0;
        while index < self.tokens.len() {
            if word(&self.tokens[index]).is_some_and(|word| word.keyword == Keyword::PATTERN)
                && self.tokens.get(index + 1).is_some_and(|token| token.token == Token::LParen)
            {
                self.lift_pattern(index + 1);
            }
            index += 1;
        }
    }

    fn lift_pattern(&mut self, open: usize) {
        let (mut depth, mut at, mut variable) = (0usize, open, None);
        loop {
            let Some(token) = self.tokens.get(at) else { return };
            match &token.token {
                Token::LParen => depth += 1,
                Token::RParen if depth == 1 => break,
                Token::RParen => depth -= 1,
                Token::Word(_) => variable = Some(at),
                Token::Placeholder(question) if question == "?" => {
                    let after = self.tokens.get(at.wrapping_sub(1)).map(|token| &token.token);
                    if matches!(after, Some(Token::Plus | Token::Mul | Token::RBrace | Token::Placeholder(_)))
                        && let Some(Token::Word(word)) = variable.map(|variable| &mut self.tokens[variable].token)
                    {
                        word.value.push_str(RELUCTANT);
                        self.tokens.remove(at);
                        continue;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        let within = at + 1;
        let is_within =
            self.tokens.get(within).and_then(word).is_some_and(|word| word.value.eq_ignore_ascii_case("WITHIN"));
        let define = self.tokens[within.min(self.tokens.len())..]
            .iter()
            .take(8)
            .position(|token| word(token).is_some_and(|word| word.keyword == Keyword::DEFINE));
        if let (true, Some(define)) = (is_within, define) {
            let span = self.tokens[within].span;
            let lifted: Vec<TokenWithSpan> = self.tokens.drain(within + 1..within + define).collect();
            self.tokens.remove(within);
            let made = |token| TokenWithSpan { token, span };
            let mut inserted = vec![
                made(Token::Word(Word { value: WITHIN.into(), quote_style: Some('`'), keyword: Keyword::NoKeyword })),
                made(Token::make_keyword("AS")),
            ];
            inserted.extend(lifted);
            inserted.push(made(Token::Comma));
            self.tokens.splice(within + 1..within + 1, inserted);
        }
    }
}

fn word(token: &TokenWithSpan) -> Option<&Word> {
    match &token.token {
        Token::Word(word) => Some(word),
        _ => None,
    }
}

/// `NAME('k'='v', …) [,] NAME(…)`
fn parse_hints(text: &str, location: Location) -> Result<Vec<Hint>> {
    let wrong = |what: &str| {
        SqlError::new(format!("a hint is not understood: {what}"))
            .at(location)
            .hint("write /*+ OPTIONS('key'='value') */ or /*+ STATE_TTL('table'='1d') */")
    };
    let tokens: Vec<Token> = Tokenizer::new(&FlinkDialect, text)
        .tokenize()
        .map_err(|error| wrong(&error.message))?
        .into_iter()
        .filter(|token| !matches!(token, Token::Whitespace(_)))
        .collect();
    let mut tokens = tokens.into_iter().peekable();
    let mut hints = Vec::new();
    while let Some(token) = tokens.next() {
        let Token::Word(name) = token else { return Err(wrong(&format!("found {token}, expected a name"))) };
        let name = name.value.to_uppercase();
        if tokens.next() != Some(Token::LParen) {
            return Err(wrong(&format!("{name} has no arguments")));
        }
        let mut options = BTreeMap::new();
        loop {
            let key = match tokens.next() {
                Some(Token::SingleQuotedString(key)) => key,
                Some(Token::Word(word)) => word.value,
                Some(Token::RParen) => break,
                _ => return Err(wrong(&format!("{name} is not closed"))),
            };
            let mut value = String::new();
            if tokens.peek() == Some(&Token::Eq) {
                tokens.next();
                match tokens.next() {
                    Some(Token::SingleQuotedString(text)) => value = text,
                    _ => return Err(wrong(&format!("the value of '{key}' is not a string"))),
                }
            }
            options.insert(key, value);
            if tokens.peek() == Some(&Token::Comma) {
                tokens.next();
            }
        }
        if tokens.peek() == Some(&Token::Comma) {
            tokens.next();
        }
        if !matches!(name.as_str(), "OPTIONS" | "STATE_TTL") {
            return Err(SqlError::unsupported(format!("the hint {name}"))
                .at(location)
                .hint("hints that are read: OPTIONS behind a table, STATE_TTL behind SELECT"));
        }
        hints.push(Hint { name, options, location });
    }
    Ok(hints)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(script: &str) -> String {
        match lex(script) {
            Ok(lexed) => {
                let tokens: Vec<String> = lexed.tokens.iter().map(|token| token.token.to_string()).collect();
                tokens.join(" ").replace(MARK, "#")
            }
            Err(error) => error.in_script(script).to_string(),
        }
    }

    #[test]
    fn hints_become_marks() {
        assert_eq!(shown("SELECT a FROM t /*+ OPTIONS('x'='1') */ AS b -- no"), "SELECT a FROM t#0 AS b");
        let lexed = lex("SELECT /*+ STATE_TTL('a'='1d', 'b' = '2h') */ 1").unwrap();
        assert_eq!(lexed.select_hints[0].options["b"], "2h");
        assert!(
            shown("SELECT a + /*+ OPTIONS('x'='1') */ b").starts_with("a hint stands where Flink reads none (line 1")
        );
        assert!(
            shown("SELECT /*+ BROADCAST(a) */ b")
                .starts_with("the hint BROADCAST is not supported yet (line 1, column 8)")
        );
    }

    #[test]
    fn patterns_keep_what_the_parser_has_no_place_for() {
        assert_eq!(
            shown("PATTERN (A B+? C{2}) WITHIN INTERVAL '1' HOUR DEFINE A AS x"),
            "PATTERN ( A B#? + C { 2 } ) DEFINE `#WITHIN` AS INTERVAL '1' HOUR , A AS x"
        );
    }
}
