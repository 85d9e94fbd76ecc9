//! JSON functions; paths are `$`, `.name`, `['name']` and `[index]`, with `lax` or `strict` before them.

use arrow_array::BooleanArray;
use arrow_schema::DataType;
use datafusion_common::DataFusionError;
use serde_json::Value;

use super::{Definition, TEXT, function, texts_to};

pub(super) const FUNCTIONS: &[Definition] = &[
    function(
        "json_value",
        |given| match given.len() {
            6 => Ok((vec![TEXT; 6], TEXT)),
            _ => Err("JSON_VALUE(json, '$.path' [RETURNING type] [NULL | DEFAULT value ON EMPTY])"),
        },
        |call| {
            let (json, paths) = (call.text(0)?, call.text(1)?);
            let (empty, empty_default) = (call.text(2)?, call.text(3)?);
            let (error, error_default) = (call.text(4)?, call.text(5)?);
            if let Some(path) = paths.one() {
                check(path).map_err(|error| DataFusionError::External(Box::new(error)))?;
            }
            let mut failed = None;
            let values = call.texts(|row, out| {
                let (Some(json), Some(path)) = (json.get(row), paths.get(row)) else { return false };
                let (behaviour, default) = match serde_json::from_str::<Value>(json) {
                    Err(_) => (error.get(row), error_default.get(row)),
                    Ok(value) => match steps(path).and_then(|steps| walk(&value, &steps)) {
                        Some(Value::Object(_) | Value::Array(_)) => (error.get(row), error_default.get(row)),
                        Some(Value::Null) => return false,
                        Some(Value::String(text)) => {
                            out.push_str(text);
                            return true;
                        }
                        Some(other) => {
                            out.push_str(&other.to_string());
                            return true;
                        }
                        None => (empty.get(row), empty_default.get(row)),
                    },
                };
                match behaviour {
                    Some("DEFAULT") => default.map(|default| out.push_str(default)).is_some(),
                    Some("ERROR") => {
                        failed.get_or_insert_with(|| format!("JSON_VALUE found no scalar at '{path}' in {json}"));
                        false
                    }
                    _ => false,
                }
            });
            failed.map_or(values, |failed| Err(DataFusionError::Execution(failed)))
        },
    ),
    function(
        "json_exists",
        |given| texts_to(given, 2..=2, DataType::Boolean, "JSON_EXISTS(json, '$.path')"),
        |call| {
            let (json, paths) = (call.text(0)?, call.text(1)?);
            call.values::<bool, BooleanArray>(|row| {
                let (json, path) = (json.get(row)?, paths.get(row)?);
                let value = serde_json::from_str::<Value>(json).ok();
                Some(value.is_some_and(|value| steps(path).is_some_and(|steps| walk(&value, &steps).is_some())))
            })
        },
    ),
    function(
        "json_query",
        |given| texts_to(given, 2..=2, TEXT, "JSON_QUERY(json, '$.path')"),
        |call| {
            let (json, paths) = (call.text(0)?, call.text(1)?);
            call.texts(|row, out| {
                let (Some(json), Some(path)) = (json.get(row), paths.get(row)) else { return false };
                let Ok(value) = serde_json::from_str::<Value>(json) else { return false };
                match steps(path).and_then(|steps| walk(&value, &steps)) {
                    Some(found @ (Value::Object(_) | Value::Array(_))) => {
                        out.push_str(&found.to_string());
                        true
                    }
                    _ => false,
                }
            })
        },
    ),
];

/// Whether a constant is a path.
pub(super) fn check(path: &str) -> Result<(), crate::error::SqlError> {
    steps(path).map(|_| ()).ok_or_else(|| {
        crate::error::SqlError::new(format!("'{path}' is no JSON path that can be used"))
            .hint("write '$.name', '$.list[0].name' or '$[''a b'']'")
    })
}

enum Step<'a> {
    Name(&'a str),
    Index(usize),
}

fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let path = path.trim();
    let path = path.strip_prefix("lax").or_else(|| path.strip_prefix("strict")).unwrap_or(path).trim_start();
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("['") {
            let (name, after) = after.split_once("']")?;
            steps.push(Step::Name(name));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('[') {
            let (index, after) = after.split_once(']')?;
            steps.push(Step::Index(index.trim().parse().ok()?));
            rest = after;
        } else {
            let after = rest.strip_prefix('.')?;
            let end = after.find(['.', '[']).unwrap_or(after.len());
            if end == 0 {
                return None;
            }
            steps.push(Step::Name(&after[..end]));
            rest = &after[end..];
        }
    }
    Some(steps)
}

fn walk<'a>(value: &'a Value, steps: &[Step<'_>]) -> Option<&'a Value> {
    steps.iter().try_fold(value, |value, step| match step {
        Step::Name(name) => value.get(name),
        Step::Index(index) => value.get(index),
    })
}
