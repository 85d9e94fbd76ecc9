//! JSON functions. What they write has no blanks, and objects have their keys in order, as Flink's have.
//!
//! Invariants:
//! 1. A path is strict unless it says `lax`: what it does not find, and text that is no JSON, is then an error and not empty.
//! 2. JSON's null is found and is empty: no path makes an error of it.

mod construct;
mod document;
mod path;

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringViewBuilder};
use arrow_array::{ArrayRef, BooleanArray};
use arrow_schema::DataType;

use super::{Call, Definition, Result, TEXT, Text, function, list_of, never_null, refuse, texts_to};
use crate::error::SqlError;
use document::{Json, outline, read};
use path::{Found, Path, found_in};

pub(super) use path::check;

pub(super) const FUNCTIONS: &[Definition] = &[
    function(
        "json_value",
        |given| match given.len() {
            6 => Ok((vec![TEXT; 6], TEXT)),
            _ => Err("JSON_VALUE(json, '$.path' [RETURNING type] [NULL | ERROR | DEFAULT value ON EMPTY | ON ERROR])"),
        },
        json_value,
    ),
    function(
        "json_exists",
        |given| texts_to(given, 2..=3, DataType::Boolean, "JSON_EXISTS(json, '$.path' [TRUE | FALSE | … ON ERROR])"),
        |call| {
            let (json, paths) = (call.text(0)?, Paths::of(call)?);
            let behaviours = if call.args.len() > 2 { Some(call.text(2)?) } else { None };
            call.values_or_fail::<bool, BooleanArray>(|row| {
                let (Some(json), Some((text, path))) = (json.get(row), paths.get(row)) else { return Ok(None) };
                Ok(match found_in(json, &path) {
                    Ok(Found::Nothing) => Some(false),
                    Ok(_) => Some(true),
                    Err(()) => match behaviours.as_ref().map_or(Some("FALSE"), |said| said.get(row)) {
                        Some("TRUE") => Some(true),
                        Some("UNKNOWN") | None => None,
                        Some("ERROR") => {
                            return Err(SqlError::new(format!("JSON_EXISTS finds nothing at '{text}' in {json}")));
                        }
                        _ => Some(false),
                    },
                })
            })
        },
    ),
    function(
        "json_query",
        |given| texts_to(given, 2..=5, TEXT, "JSON_QUERY(json, '$.path' [WITH WRAPPER] [… ON EMPTY] [… ON ERROR])"),
        |call| {
            let mut built = StringViewBuilder::with_capacity(call.rows);
            let mut text = String::new();
            queried(call, false, |answer| match answer {
                Some(value) => {
                    text.clear();
                    value.write(&mut text);
                    built.append_value(&text);
                }
                None => built.append_null(),
            })?;
            Ok(Arc::new(built.finish()))
        },
    ),
    function(
        JSON_QUERY_ARRAY,
        |given| texts_to(given, 5..=5, list_of(TEXT), "JSON_QUERY(json, '$.path' RETURNING ARRAY<STRING>)"),
        |call| {
            let mut built = ListBuilder::new(StringViewBuilder::new());
            let mut written = String::new();
            queried(call, true, |answer| match answer {
                Some(Json::Array(items)) => {
                    for item in &items {
                        match item {
                            Json::Null => built.values().append_null(),
                            Json::Text(text) => built.values().append_value(text),
                            other => {
                                written.clear();
                                other.write(&mut written);
                                built.values().append_value(&written);
                            }
                        }
                    }
                    built.append(true);
                }
                _ => built.append(false),
            })?;
            Ok(Arc::new(built.finish()))
        },
    ),
    never_null(
        IS_JSON,
        |given| texts_to(given, 2..=2, DataType::Boolean, "string IS JSON [VALUE | SCALAR | ARRAY | OBJECT]"),
        |call| {
            let (texts, kinds) = (call.text(0)?, call.text(1)?);
            call.values::<bool, BooleanArray>(|row| {
                Some(texts.get(row).and_then(outline).is_some_and(|value| match kinds.get(row) {
                    Some("OBJECT") => matches!(value, Json::Object(_)),
                    Some("ARRAY") => matches!(value, Json::Array(_)),
                    Some("SCALAR") => value.is_scalar(),
                    _ => true,
                }))
            })
        },
    ),
    function(
        "json_quote",
        |given| texts_to(given, 1..=1, TEXT, "JSON_QUOTE(string)"),
        |call| {
            let texts = call.text(0)?;
            call.texts(|row, out| texts.get(row).map(|text| construct::escaped(text, out)).is_some())
        },
    ),
    function(
        "json_unquote",
        |given| texts_to(given, 1..=1, TEXT, "JSON_UNQUOTE(string)"),
        |call| {
            let texts = call.text(0)?;
            call.texts(|row, out| {
                let Some(text) = texts.get(row) else { return false };
                match read(text) {
                    Some(Json::Text(inner)) => out.push_str(&inner),
                    _ => out.push_str(text),
                }
                true
            })
        },
    ),
    construct::STRING,
    construct::OBJECT,
    construct::ARRAY,
];

/// `x IS JSON kind`.
pub(crate) const IS_JSON: &str = "is_json";
/// JSON_QUERY that returns an array.
pub(crate) const JSON_QUERY_ARRAY: &str = "json_query_array";

/// The paths of a call, read once if there is one for all rows.
struct Paths {
    texts: Text,
    one: Option<Path>,
}

impl Paths {
    fn of(call: &Call<'_>) -> Result<Self> {
        let texts = call.text(1)?;
        let one = match texts.one() {
            None => None,
            Some(text) => Some(Path::of(text).ok_or_else(|| refuse(path::no_path(text)))?),
        };
        Ok(Self { texts, one })
    }

    fn get(&self, row: usize) -> Option<(&str, std::borrow::Cow<'_, Path>)> {
        let text = self.texts.get(row)?;
        let path = match &self.one {
            Some(path) => std::borrow::Cow::Borrowed(path),
            None => std::borrow::Cow::Owned(Path::of(text)?),
        };
        Some((text, path))
    }
}

fn json_value(call: &Call<'_>) -> Result<ArrayRef> {
    let (json, paths) = (call.text(0)?, Paths::of(call)?);
    let (empty, empty_default) = (call.text(2)?, call.text(3)?);
    let (error, error_default) = (call.text(4)?, call.text(5)?);
    call.texts_or_fail(|row, out| {
        let (Some(json), Some((text, path))) = (json.get(row), paths.get(row)) else { return Ok(false) };
        let (behaviour, default) = match found_in(json, &path) {
            Ok(Found::One(Json::Text(text))) => {
                out.push_str(&text);
                return Ok(true);
            }
            Ok(Found::One(value)) if value.is_scalar() => {
                value.write(out);
                return Ok(true);
            }
            Ok(Found::Nothing) => (empty.get(row), empty_default.get(row)),
            Ok(_) if path.lax => (empty.get(row), empty_default.get(row)),
            Ok(_) | Err(()) => (error.get(row), error_default.get(row)),
        };
        match behaviour {
            Some("DEFAULT") => Ok(default.map(|default| out.push_str(default)).is_some()),
            Some("ERROR") => Err(SqlError::new(format!("JSON_VALUE finds no scalar at '{text}' in {json}"))),
            _ => Ok(false),
        }
    })
}

/// JSON_QUERY of each row: a value that is no scalar, or nothing. Of `arrays`, an object is an error as a scalar is.
fn queried(call: &Call<'_>, arrays: bool, mut give: impl FnMut(Option<Json<'_>>)) -> Result<()> {
    let (json, paths) = (call.text(0)?, Paths::of(call)?);
    let word = |index: usize| if index < call.args.len() { call.text(index).map(Some) } else { Ok(None) };
    let (wrappers, empties, errors) = (word(2)?, word(3)?, word(4)?);
    fn said(words: &Option<Text>, row: usize) -> Option<&str> {
        words.as_ref().and_then(|words| words.get(row))
    }
    for row in 0..call.rows {
        let (Some(json), Some((text, path))) = (json.get(row), paths.get(row)) else {
            give(None);
            continue;
        };
        let value = found_in(json, &path).map(|found| match found {
            Found::Nothing => None,
            Found::One(value) => Some(value),
            Found::Many(values) => Some(Json::Array(values)),
        });
        let wrapped = value.map(|value| {
            value.map(|value| match (said(&wrappers, row), value) {
                (Some("CONDITIONAL"), value @ Json::Array(_)) => value,
                (Some("CONDITIONAL" | "UNCONDITIONAL"), value) => Json::Array(vec![value]),
                (_, value) => value,
            })
        });
        let behaviour = match wrapped {
            Ok(Some(value)) if matches!(value, Json::Array(_)) || !(arrays || value.is_scalar()) => {
                give(Some(value));
                continue;
            }
            Ok(None) => said(&empties, row),
            Ok(Some(value)) if path.lax && value.is_scalar() => said(&empties, row),
            _ => said(&errors, row),
        };
        give(match behaviour {
            Some("EMPTY ARRAY") => Some(Json::Array(Vec::new())),
            Some("EMPTY OBJECT") => Some(Json::Object(Vec::new())),
            Some("ERROR") => {
                let wanted = if arrays { "no array" } else { "no object and no array" };
                return Err(refuse(SqlError::new(format!("JSON_QUERY finds {wanted} at '{text}' in {json}"))));
            }
            _ => None,
        });
    }
    Ok(())
}
