//! JSON functions. What they write has no blanks, and objects have their keys in order, as Flink's have.
//!
//! Invariants:
//! 1. A path is strict unless it says `lax`: what it does not find, and text that is no JSON, is then an error and not empty.

mod construct;
mod path;

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringViewBuilder};
use arrow_array::{ArrayRef, BooleanArray};
use arrow_schema::DataType;
use datafusion_common::DataFusionError;
use serde_json::Value;

use super::{Call, Definition, Result, TEXT, Text, function, list_of, texts_to};
use crate::error::SqlError;
use path::{Path, found_in};

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
            let mut failed = None;
            let exists = call.values::<bool, BooleanArray>(|row| {
                let (json, (text, path)) = (json.get(row)?, paths.get(row)?);
                let document = serde_json::from_str(json).ok();
                match found_in(document.as_ref(), &path) {
                    Ok(found) => Some(!found.is_empty()),
                    Err(()) => match behaviours.as_ref().map_or(Some("FALSE"), |said| said.get(row))? {
                        "TRUE" => Some(true),
                        "UNKNOWN" => None,
                        "ERROR" => {
                            failed.get_or_insert_with(|| format!("JSON_EXISTS finds nothing at '{text}' in {json}"));
                            None
                        }
                        _ => Some(false),
                    },
                }
            });
            judged(exists, failed)
        },
    ),
    function(
        "json_query",
        |given| texts_to(given, 2..=5, TEXT, "JSON_QUERY(json, '$.path' [WITH WRAPPER] [… ON EMPTY] [… ON ERROR])"),
        |call| {
            let mut built = StringViewBuilder::with_capacity(call.rows);
            queried(call, |answer| match answer {
                Some(value) => built.append_value(text_of(&value)),
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
            queried(call, |answer| match answer {
                Some(Value::Array(items)) => {
                    for item in &items {
                        match item {
                            Value::Null => built.values().append_null(),
                            Value::String(text) => built.values().append_value(text),
                            other => built.values().append_value(text_of(other)),
                        }
                    }
                    built.append(true);
                }
                _ => built.append(false),
            })?;
            Ok(Arc::new(built.finish()))
        },
    ),
    function(
        IS_JSON,
        |given| texts_to(given, 2..=2, DataType::Boolean, "string IS JSON [VALUE | SCALAR | ARRAY | OBJECT]"),
        |call| {
            let (texts, kinds) = (call.text(0)?, call.text(1)?);
            call.values::<bool, BooleanArray>(|row| {
                let value = texts.get(row).and_then(|text| serde_json::from_str::<Value>(text).ok());
                Some(value.is_some_and(|value| match kinds.get(row) {
                    Some("OBJECT") => value.is_object(),
                    Some("ARRAY") => value.is_array(),
                    Some("SCALAR") => is_scalar(&value),
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
            call.texts(|row, out| texts.get(row).map(|text| construct::quoted(text, out)).is_some())
        },
    ),
    function(
        "json_unquote",
        |given| texts_to(given, 1..=1, TEXT, "JSON_UNQUOTE(string)"),
        |call| {
            let texts = call.text(0)?;
            call.texts(|row, out| {
                let Some(text) = texts.get(row) else { return false };
                match serde_json::from_str(text) {
                    Ok(Value::String(inner)) => out.push_str(&inner),
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
    let mut failed = None;
    let values = call.texts(|row, out| {
        let (Some(json), Some((text, path))) = (json.get(row), paths.get(row)) else { return false };
        let document = serde_json::from_str(json).ok();
        let (behaviour, default) = match found_in(document.as_ref(), &path).as_deref() {
            Ok([Value::String(text)]) if path.definite() => {
                out.push_str(text);
                return true;
            }
            Ok([value]) if path.definite() && is_scalar(value) => {
                out.push_str(&text_of(value));
                return true;
            }
            Ok(found) if path.lax || found.is_empty() => (empty.get(row), empty_default.get(row)),
            Ok(_) | Err(()) => (error.get(row), error_default.get(row)),
        };
        match behaviour {
            Some("DEFAULT") => default.map(|default| out.push_str(default)).is_some(),
            Some("ERROR") => {
                failed.get_or_insert_with(|| format!("JSON_VALUE finds no scalar at '{text}' in {json}"));
                false
            }
            _ => false,
        }
    });
    judged(values, failed)
}

/// JSON_QUERY of each row: a value that is no scalar, or nothing.
fn queried(call: &Call<'_>, mut give: impl FnMut(Option<Value>)) -> Result<()> {
    let (json, paths) = (call.text(0)?, Paths::of(call)?);
    let word = |index: usize| if index < call.args.len() { call.text(index).map(Some) } else { Ok(None) };
    let (wrappers, empties, errors) = (word(2)?, word(3)?, word(4)?);
    let said = |words: &Option<Text>, row: usize| words.as_ref().and_then(|words| words.get(row)).map(str::to_owned);
    for row in 0..call.rows {
        let (Some(json), Some((text, path))) = (json.get(row), paths.get(row)) else {
            give(None);
            continue;
        };
        let document = serde_json::from_str(json).ok();
        let found = found_in(document.as_ref(), &path).map(|found| {
            let value =
                if path.definite() { found.first().map(|value| (*value).clone()) } else { Some(listed(&found)) };
            value.map(|value| match (said(&wrappers, row).as_deref(), value) {
                (Some("CONDITIONAL"), value) if !value.is_array() => Value::Array(vec![value]),
                (Some("UNCONDITIONAL"), value) => Value::Array(vec![value]),
                (_, value) => value,
            })
        });
        let behaviour = match found {
            Ok(Some(value)) if !is_scalar(&value) => {
                give(Some(value));
                continue;
            }
            Ok(found) if path.lax || found.is_none() => said(&empties, row),
            _ => said(&errors, row),
        };
        give(match behaviour.as_deref() {
            Some("EMPTY ARRAY") => Some(Value::Array(Vec::new())),
            Some("EMPTY OBJECT") => Some(Value::Object(serde_json::Map::new())),
            Some("ERROR") => {
                let failed = format!("JSON_QUERY finds no object and no array at '{text}' in {json}");
                return Err(refuse(SqlError::new(failed)));
            }
            _ => None,
        });
    }
    Ok(())
}

fn listed(found: &[&Value]) -> Value {
    Value::Array(found.iter().map(|value| (*value).clone()).collect())
}

fn is_scalar(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

/// A value without blanks, its keys in order whatever order they are held in.
fn text_of(value: &Value) -> String {
    fn write(value: &Value, out: &mut String) {
        match value {
            Value::Object(entries) => {
                let mut entries: Vec<(&String, &Value)> = entries.iter().collect();
                entries.sort_unstable_by_key(|(key, _)| *key);
                out.push('{');
                for (at, (key, value)) in entries.into_iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    construct::quoted(key, out);
                    out.push(':');
                    write(value, out);
                }
                out.push('}');
            }
            Value::Array(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    write(item, out);
                }
                out.push(']');
            }
            Value::String(text) => construct::quoted(text, out),
            scalar => out.push_str(&scalar.to_string()),
        }
    }
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn judged(values: Result<ArrayRef>, failed: Option<String>) -> Result<ArrayRef> {
    failed.map_or(values, |failed| Err(refuse(SqlError::new(failed))))
}

fn refuse(error: SqlError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
