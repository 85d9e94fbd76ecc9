//! Regular expressions, and SIMILAR TO. Patterns are those of the `regex` crate: Java's without look-around and back-references.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use arrow_array::builder::{ListBuilder, StringViewBuilder};
use arrow_array::{BooleanArray, Int32Array};
use arrow_schema::DataType;
use datafusion_common::{DataFusionError, Result};
use regex::{NoExpand, Regex};

use super::{Definition, TEXT, Text, function, is_int, is_text, texts_to};
use crate::error::SqlError;

pub(super) const FUNCTIONS: &[Definition] = &[
    function(
        "regexp",
        |given| texts_to(given, 2..=2, DataType::Boolean, "REGEXP(string, pattern)"),
        |call| {
            let (texts, patterns) = (call.text(0)?, call.text(1)?);
            let mut compiled = Compiled::checked(&patterns)?;
            call.values::<bool, BooleanArray>(|row| {
                let (text, regex) = (texts.get(row)?, compiled.of(row)?);
                Some(regex.is_match(text))
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
            let mut compiled = Compiled::checked(&patterns)?;
            call.texts(|row, out| {
                let (Some(text), Some(regex)) = (texts.get(row), compiled.of(row)) else { return false };
                let group = groups.as_ref().map_or(Some(0), |groups| groups.get(row));
                let Some(group) = group.and_then(|group| usize::try_from(group).ok()) else { return false };
                // Where the whole is wanted, the groups need not be found.
                let found = match group {
                    0 => regex.find(text),
                    _ => regex.captures(text).and_then(|found| found.get(group)),
                };
                found.map(|found| out.push_str(found.as_str())).is_some()
            })
        },
    ),
    function(
        "regexp_replace",
        |given| texts_to(given, 3..=3, TEXT, "REGEXP_REPLACE(string, pattern, by)"),
        |call| {
            let (texts, patterns, by) = (call.text(0)?, call.text(1)?, call.text(2)?);
            let mut compiled = Compiled::checked(&patterns)?;
            call.texts(|row, out| {
                let (Some(text), Some(regex), Some(by)) = (texts.get(row), compiled.of(row), by.get(row)) else {
                    return false;
                };
                out.push_str(&regex.replace_all(text, NoExpand(by)));
                true
            })
        },
    ),
    function(
        "regexp_count",
        |given| texts_to(given, 2..=2, DataType::Int32, "REGEXP_COUNT(string, pattern)"),
        |call| {
            let (texts, patterns) = (call.text(0)?, call.text(1)?);
            let mut compiled = Compiled::new(&patterns);
            call.values::<i32, Int32Array>(|row| {
                let (text, regex) = (texts.get(row)?, compiled.of(row)?);
                Some(regex.find_iter(text).count() as i32)
            })
        },
    ),
    function(
        "regexp_instr",
        |given| texts_to(given, 2..=2, DataType::Int32, "REGEXP_INSTR(string, pattern)"),
        |call| {
            let (texts, patterns) = (call.text(0)?, call.text(1)?);
            let mut compiled = Compiled::new(&patterns);
            call.values::<i32, Int32Array>(|row| {
                let (text, regex) = (texts.get(row)?, compiled.of(row)?);
                Some(regex.find(text).map_or(0, |found| text[..found.start()].chars().count() as i32 + 1))
            })
        },
    ),
    function(
        "regexp_substr",
        |given| texts_to(given, 2..=2, TEXT, "REGEXP_SUBSTR(string, pattern)"),
        |call| {
            let (texts, patterns) = (call.text(0)?, call.text(1)?);
            let mut compiled = Compiled::new(&patterns);
            call.texts(|row, out| {
                let (Some(text), Some(regex)) = (texts.get(row), compiled.of(row)) else { return false };
                regex.find(text).map(|found| out.push_str(found.as_str())).is_some()
            })
        },
    ),
    function(
        "regexp_extract_all",
        |given| match given {
            [text, pattern] if is_text(text) && is_text(pattern) => Ok((vec![TEXT, TEXT], super::list_of(TEXT))),
            [text, pattern, group] if is_text(text) && is_text(pattern) && is_int(group) => {
                Ok((vec![TEXT, TEXT, DataType::Int32], super::list_of(TEXT)))
            }
            _ => Err("REGEXP_EXTRACT_ALL(string, pattern [, group])"),
        },
        |call| {
            let (texts, patterns) = (call.text(0)?, call.text(1)?);
            let groups = if call.args.len() > 2 { Some(call.int(2)?) } else { None };
            let mut compiled = Compiled::new(&patterns);
            let mut built = ListBuilder::new(StringViewBuilder::new());
            for row in 0..call.rows {
                let group = groups.as_ref().map_or(Some(1), |groups| groups.get(row));
                let group = group.and_then(|group| usize::try_from(group).ok());
                match (texts.get(row), group, compiled.of(row)) {
                    (Some(text), Some(group), Some(regex)) if group < regex.captures_len() => {
                        for found in regex.captures_iter(text) {
                            built.values().append_option(found.get(group).map(|found| found.as_str()));
                        }
                        built.append(true);
                    }
                    _ => built.append(false),
                }
            }
            Ok(std::sync::Arc::new(built.finish()))
        },
    ),
    function(
        "similar_to",
        |given| texts_to(given, 2..=3, DataType::Boolean, "string SIMILAR TO 'pattern' [ESCAPE 'c']"),
        |call| {
            let (texts, patterns) = (call.text(0)?, call.text(1)?);
            let escapes = if call.args.len() > 2 { Some(call.text(2)?) } else { None };
            let mut known: HashMap<String, Regex> = HashMap::new();
            let mut wrong = None;
            let found = call.values::<bool, BooleanArray>(|row| {
                let (text, pattern) = (texts.get(row)?, patterns.get(row)?);
                let escape = match &escapes {
                    Some(escapes) => Some(escapes.get(row)?.chars().next()?),
                    None => None,
                };
                if !known.contains_key(pattern) {
                    match similar(pattern, escape).ok_or(()).and_then(|regex| Regex::new(&regex).map_err(|_| ())) {
                        Ok(regex) => known.insert(pattern.to_owned(), regex),
                        Err(()) => {
                            wrong.get_or_insert_with(|| pattern.to_owned());
                            return None;
                        }
                    };
                }
                known.get(pattern).map(|regex| regex.is_match(text))
            });
            match wrong {
                None => found,
                Some(pattern) => Err(DataFusionError::External(Box::new(
                    SqlError::new(format!("'{pattern}' is no pattern of SIMILAR TO"))
                        .hint("write % and _ as with LIKE, and ( | ) [ ] * + ? {n} as in a regular expression"),
                ))),
            }
        },
    ),
];

/// A pattern of SIMILAR TO as a regular expression for all of a text.
fn similar(pattern: &str, escape: Option<char>) -> Option<String> {
    let mut regex = String::from("^(?s:");
    let mut letters = pattern.chars();
    let mut within = false;
    while let Some(letter) = letters.next() {
        if Some(letter) == escape {
            regex.push_str(&regex::escape(letters.next()?.encode_utf8(&mut [0; 4])));
            continue;
        }
        match letter {
            '[' => {
                within = true;
                regex.push('[');
            }
            ']' => {
                within = false;
                regex.push(']');
            }
            _ if within => regex.push(letter),
            '%' => regex.push_str(".*"),
            '_' => regex.push('.'),
            '(' => regex.push_str("(?:"),
            '|' | '*' | '+' | '?' | '{' | '}' | ')' => regex.push(letter),
            other => regex.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    regex.push_str(")$");
    Some(regex)
}

/// The patterns of one call, compiled.
struct Compiled<'p> {
    patterns: &'p Text,
    /// The one pattern of all rows, if there is one: nothing if it is none.
    one: Option<Option<Rc<Regex>>>,
    known: HashMap<&'p str, Option<Regex>>,
}

impl<'p> Compiled<'p> {
    fn new(patterns: &'p Text) -> Self {
        let one = patterns.one().map(|pattern| compiled(pattern).ok());
        Self { patterns, one, known: HashMap::new() }
    }

    /// As `new`, but refuses a constant that is no pattern.
    fn checked(patterns: &'p Text) -> Result<Self> {
        if let Some(pattern) = patterns.one() {
            check(pattern).map_err(|error| DataFusionError::External(Box::new(error)))?;
        }
        Ok(Self::new(patterns))
    }

    /// The pattern of a row, if it is one. Flink's functions are NULL for what is none.
    fn of(&mut self, row: usize) -> Option<&Regex> {
        match &self.one {
            Some(one) => one.as_deref(),
            None => {
                let pattern = self.patterns.get(row)?;
                self.known.entry(pattern).or_insert_with(|| Regex::new(pattern).ok()).as_ref()
            }
        }
    }
}

/// So many constant patterns are kept compiled by each thread.
const KEPT: usize = 64;

thread_local! {
    /// Constant patterns, from frame to frame: to compile one takes as long as to match some thousand texts. A clone of a `Regex` would
    /// begin without the states that it has found so far.
    static CONSTANTS: RefCell<HashMap<String, Rc<Regex>>> = RefCell::default();
}

fn compiled(pattern: &str) -> std::result::Result<Rc<Regex>, SqlError> {
    CONSTANTS.with_borrow_mut(|known| {
        if let Some(regex) = known.get(pattern) {
            return Ok(Rc::clone(regex));
        }
        let regex = Rc::new(Regex::new(pattern).map_err(|error| {
            SqlError::new(format!("'{pattern}' is no regular expression that can be used"))
                .hint(error.to_string().lines().last().unwrap_or_default().to_owned())
        })?);
        if known.len() == KEPT {
            known.clear();
        }
        known.insert(pattern.to_owned(), Rc::clone(&regex));
        Ok(regex)
    })
}

/// Whether a constant is a pattern.
pub(super) fn check(pattern: &str) -> std::result::Result<(), SqlError> {
    compiled(pattern).map(|_| ())
}
