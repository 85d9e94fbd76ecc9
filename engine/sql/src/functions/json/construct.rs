//! Values as JSON: JSON_STRING, JSON_OBJECT and JSON_ARRAY.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::types::{Date32Type, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, cast::AsArray};
use arrow_schema::DataType;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::text_of;
use crate::functions::cast::{Written, listed, to_text, written};
use crate::functions::{Call, Definition, Result, TEXT, calendar, function};
use crate::settings::Zone;

pub(super) const STRING: Definition = function(
    "json_string",
    |given| match given {
        [of] => Ok((vec![of.clone()], TEXT)),
        _ => Err("JSON_STRING(value)"),
    },
    |call| {
        let array = call.array(0)?;
        let write = json(&array, call.zone)?;
        call.texts(|row, out| array.is_valid(row) && write(row, out))
    },
);

/// Called with what NULL does, then by entry its key, a word and its value; the word is `JSON` for text that is JSON itself.
pub(super) const OBJECT: Definition = function(
    "json_object",
    |given| if given.len() % 3 == 1 { Ok((given.to_vec(), TEXT)) } else { Err("JSON_OBJECT(KEY 'a' VALUE 1, …)") },
    |call| {
        let keys = (0..call.args.len() / 3).map(|entry| call.text(entry * 3 + 1)).collect::<Result<Vec<_>>>()?;
        let values = Values::of(call, (0..keys.len()).map(|entry| entry * 3 + 2))?;
        // Keys are in order, and the last of equal ones counts.
        values.build(call, ['{', '}'], |row, shown| {
            let mut entries: std::collections::BTreeMap<&str, &str> = Default::default();
            for (entry, text) in shown {
                if let Some(key) = keys[entry].get(row) {
                    entries.insert(key, text);
                }
            }
            let written = entries.into_iter().map(|(key, text)| {
                let mut entry = String::new();
                quoted(key, &mut entry);
                entry.push(':');
                entry.push_str(text);
                entry
            });
            written.collect()
        })
    },
);

/// Called with what NULL does, then by value a word and itself.
pub(super) const ARRAY: Definition = function(
    "json_array",
    |given| if given.len() % 2 == 1 { Ok((given.to_vec(), TEXT)) } else { Err("JSON_ARRAY(value, …)") },
    |call| {
        let values = Values::of(call, (0..call.args.len() / 2).map(|value| value * 2 + 1))?;
        values.build(call, ['[', ']'], |_, shown| shown.into_iter().map(|(_, text)| text.to_owned()).collect())
    },
);

/// The values of a call: which of its arguments, and whether they are JSON.
struct Values {
    arrays: Vec<ArrayRef>,
    raw: Vec<bool>,
    absent: bool,
}

impl Values {
    /// From the places of the words before them.
    fn of(call: &Call<'_>, words: impl Iterator<Item = usize>) -> Result<Self> {
        let (mut arrays, mut raw) = (Vec::new(), Vec::new());
        for word in words {
            let is_json = call.text(word)?.one() == Some("JSON");
            let array = call.array(word + 1)?;
            raw.push(is_json);
            arrays.push(if is_json { Arc::new(to_text(&array, call.zone)?) } else { array });
        }
        Ok(Self { arrays, raw, absent: call.text(0)?.one() == Some("ABSENT") })
    }

    fn build(
        &self,
        call: &Call<'_>,
        around: [char; 2],
        mut each: impl FnMut(usize, Vec<(usize, &str)>) -> Vec<String>,
    ) -> Result<ArrayRef> {
        let write = self.arrays.iter().map(|array| json(array, call.zone)).collect::<Result<Vec<_>>>()?;
        let mut wrong = None;
        let built = call.texts(|row, out| {
            let mut shown: Vec<(usize, String)> = Vec::with_capacity(write.len());
            for (at, (array, write)) in self.arrays.iter().zip(&write).enumerate() {
                let mut text = String::new();
                if array.is_valid(row) && self.raw[at] {
                    let given = array.as_string_view().value(row);
                    match serde_json::from_str::<Value>(given) {
                        Ok(value) => text = text_of(&value),
                        Err(_) => {
                            wrong.get_or_insert_with(|| given.to_owned());
                        }
                    }
                } else if array.is_valid(row) {
                    write(row, &mut text);
                } else if self.absent {
                    continue;
                } else {
                    text.push_str("null");
                }
                shown.push((at, text));
            }
            out.push(around[0]);
            let shown = shown.iter().map(|(at, text)| (*at, text.as_str())).collect();
            out.push_str(&each(row, shown).join(","));
            out.push(around[1]);
            true
        });
        super::judged(built, wrong.map(|given| format!("{given} is no JSON")))
    }
}

/// How the values of an array are written as JSON; NULL only within others.
fn json(array: &ArrayRef, zone: Zone) -> Result<Written<'_>> {
    let nullable = |array| -> Result<Written<'_>> {
        let write = json(array, zone)?;
        Ok(Box::new(move |row, out| {
            if array.is_null(row) {
                out.push_str("null");
                return true;
            }
            write(row, out)
        }))
    };
    Ok(match array.data_type() {
        DataType::Utf8View => {
            let texts = array.as_string_view();
            Box::new(|row, out| {
                quoted(texts.value(row), out);
                true
            })
        }
        DataType::Boolean => {
            let values = array.as_boolean();
            Box::new(|row, out| write!(out, "{}", values.value(row)).is_ok())
        }
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>();
            Box::new(|row, out| write!(out, "{:?}", values.value(row)).is_ok())
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>();
            Box::new(|row, out| write!(out, "{:?}", values.value(row)).is_ok())
        }
        DataType::Date32 => {
            let values = array.as_primitive::<Date32Type>();
            Box::new(|row, out| {
                out.push('"');
                let known = calendar::format("yyyy-MM-dd", i64::from(values.value(row)) * calendar::DAY, out);
                out.push('"');
                known.is_some()
            })
        }
        DataType::Timestamp(_, local) => {
            let (write, local) = (written(array, Zone::Fixed(0), None)?, local.is_some());
            Box::new(move |row, out| {
                let mut text = String::new();
                let known = write(row, &mut text);
                quoted(&text.replacen(' ', "T", 1), out);
                if local {
                    // A point in time says so.
                    out.insert(out.len() - 1, 'Z');
                }
                known
            })
        }
        DataType::BinaryView => {
            let values = array.as_binary_view();
            Box::new(|row, out| {
                quoted(&STANDARD.encode(values.value(row)), out);
                true
            })
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let item = nullable(list.values())?;
            Box::new(move |row, out| {
                let offsets = &list.offsets()[row..=row + 1];
                listed(['[', ']'], ",", offsets[0] as usize..offsets[1] as usize, out, &item)
            })
        }
        DataType::Map(..) => {
            let map = array.as_map();
            let (key, value) = (written(map.keys(), zone, None)?, nullable(map.values())?);
            Box::new(move |row, out| {
                let offsets = &map.offsets()[row..=row + 1];
                let mut known = true;
                let mut entries: Vec<(String, usize)> = (offsets[0] as usize..offsets[1] as usize)
                    .map(|entry| {
                        let mut name = String::new();
                        known &= key(entry, &mut name);
                        (name, entry)
                    })
                    .collect();
                entries.sort_unstable();
                known
                    & listed(['{', '}'], ",", 0..entries.len(), out, &|at, out: &mut String| {
                        quoted(&entries[at].0, out);
                        out.push(':');
                        value(entries[at].1, out)
                    })
            })
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns().iter().map(nullable).collect::<Result<Vec<_>>>()?;
            let mut order: Vec<usize> = (0..columns.len()).collect();
            order.sort_by_key(|field| fields[*field].name());
            Box::new(move |row, out| {
                listed(['{', '}'], ",", 0..order.len(), out, &|at, out: &mut String| {
                    quoted(fields[order[at]].name(), out);
                    out.push(':');
                    columns[order[at]](row, out)
                })
            })
        }
        DataType::Decimal128(..) => written(array, zone, None)?,
        of if of.is_integer() => written(array, zone, None)?,
        _ => {
            let write = written(array, zone, None)?;
            Box::new(move |row, out| {
                let mut text = String::new();
                let known = write(row, &mut text);
                quoted(&text, out);
                known
            })
        }
    })
}

/// Text in quotes, with what JSON wants escaped.
pub(super) fn quoted(text: &str, out: &mut String) {
    out.push_str(&Value::from(text).to_string());
}
