//! Regular expressions. Patterns are those of the `regex` crate: Java's without look-around and back-references.

use std::collections::HashMap;

use arrow_array::BooleanArray;
use arrow_schema::DataType;
use datafusion_common::{DataFusionError, Result};
use regex::Regex;

use super::{Definition, TEXT, function, is_int, is_text, texts_to};
use crate::error::SqlError;

pub(super) const FUNCTIONS: &[Definition] = &[
    function(
        "regexp",
        |given| texts_to(given, 2..=2, DataType::Boolean, "REGEXP(string, pattern)"),
        |call| {
            let (texts, patterns) = (call.text(0)?, call.text(1)?);
            let mut compiled = Compiled::default();
            if let Some(pattern) = patterns.one() {
                compiled.checked(pattern)?;
            }
            call.values::<bool, BooleanArray>(|row| {
                let (text, pattern) = (texts.get(row)?, patterns.get(row)?);
                Some(compiled.of(pattern)?.is_match(text))
            })
        },
    ),
    function(
        "regexp_extract",
        |given| match given {
            [text, pattern] if is_text(text) && is_text(pattern) => Ok((vec![TEXT, TEXT], TEXT)),
            [text, pattern, group] if is_text(text) && is_text(pattern) && is_int(group) => {
                Ok((vec![TEXT, TEXT, DataType::Int32], TEXT))
            }
            _ => Err("REGEXP_EXTRACT(string, pattern [, group])"),
        },
        |call| {
            let (texts, patterns) = (call.text(0)?, call.text(1)?);
            let groups = if call.args.len() > 2 { Some(call.int(2)?) } else { None };
            let mut compiled = Compiled::default();
            if let Some(pattern) = patterns.one() {
                compiled.checked(pattern)?;
            }
            call.texts(|row, out| {
                let (Some(text), Some(pattern)) = (texts.get(row), patterns.get(row)) else { return false };
                let group = groups.as_ref().map_or(Some(0), |groups| groups.get(row));
                let Some(group) = group.and_then(|group| usize::try_from(group).ok()) else { return false };
                let found =
                    compiled.of(pattern).and_then(|regex| regex.captures(text)).and_then(|found| found.get(group));
                found.map(|found| out.push_str(found.as_str())).is_some()
            })
        },
    ),
    function(
        "regexp_replace",
        |given| texts_to(given, 3..=3, TEXT, "REGEXP_REPLACE(string, pattern, by)"),
        |call| {
            let (texts, patterns, by) = (call.text(0)?, call.text(1)?, call.text(2)?);
            let mut compiled = Compiled::default();
            if let Some(pattern) = patterns.one() {
                compiled.checked(pattern)?;
            }
            call.texts(|row, out| {
                let (Some(text), Some(pattern), Some(by)) = (texts.get(row), patterns.get(row), by.get(row)) else {
                    return false;
                };
                let Some(regex) = compiled.of(pattern) else { return false };
                out.push_str(&regex.replace_all(text, by));
                true
            })
        },
    ),
];

/// Patterns that were compiled in this call.
#[derive(Default)]
struct Compiled {
    known: HashMap<String, Option<Regex>>,
}

impl Compiled {
    /// The pattern, if it is one. Flink's functions are NULL for what is none.
    fn of(&mut self, pattern: &str) -> Option<&Regex> {
        if !self.known.contains_key(pattern) {
            self.known.insert(pattern.to_owned(), Regex::new(pattern).ok());
        }
        self.known.get(pattern)?.as_ref()
    }

    /// Refuses a constant that is no pattern.
    fn checked(&mut self, pattern: &str) -> Result<()> {
        let regex = compiled(pattern).map_err(|error| DataFusionError::External(Box::new(error)))?;
        self.known.insert(pattern.to_owned(), Some(regex));
        Ok(())
    }
}

fn compiled(pattern: &str) -> std::result::Result<Regex, SqlError> {
    Regex::new(pattern).map_err(|error| {
        SqlError::new(format!("'{pattern}' is no regular expression that can be used"))
            .hint(error.to_string().lines().last().unwrap_or_default().to_owned())
    })
}

/// Whether a constant is a pattern.
pub(super) fn check(pattern: &str) -> std::result::Result<(), SqlError> {
    compiled(pattern).map(|_| ())
}
