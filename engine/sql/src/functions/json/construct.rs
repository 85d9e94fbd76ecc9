//! Values as JSON: JSON_STRING, JSON_OBJECT and JSON_ARRAY.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::types::{Date32Type, Float32Type, Float64Type};
use arrow_array::{ArrayRef, cast::AsArray};
use arrow_schema::DataType;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::document::{quoted, read};
use crate::error::SqlError;
use crate::functions::cast::{Written, listed, to_text, written};
use crate::functions::{Call, Definition, Result, TEXT, calendar, function, is_null, never_null};
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
        let null = is_null(&array);
        call.texts(|row, out| !null(row) && write(row, out))
    },
);

/// Called with what NULL does, then by entry its key, a word and its value, as [`Form`] has them.
pub(super) const OBJECT: Definition = never_null(
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
pub(super) const ARRAY: Definition = never_null(
    "json_array",
    |given| if given.len() % 2 == 1 { Ok((given.to_vec(), TEXT)) } else { Err("JSON_ARRAY(value, …)") },
    |call| {
        let values = Values::of(call, (0..call.args.len() / 2).map(|value| value * 2 + 1))?;
        values.build(call, ['[', ']'], |_, shown| shown.into_iter().map(|(_, text)| text.to_owned()).collect())
    },
);

/// What a value of a call is, by the word before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Value,
    /// Of `JSON(…)`: text that is JSON, or blank, which is NULL.
    Json,
    /// Of another of these functions: text that is known to be JSON, and is put in as it is.
    Made,
}

impl Form {
    fn of(word: Option<&str>) -> Self {
        match word {
            Some("JSON") => Self::Json,
            Some("MADE") => Self::Made,
            _ => Self::Value,
        }
    }
}

/// The values of a call.
struct Values {
    arrays: Vec<(Form, ArrayRef)>,
    absent: bool,
}

impl Values {
    /// From the places of the words before them.
    fn of(call: &Call<'_>, words: impl Iterator<Item = usize>) -> Result<Self> {
        let arrays = words.map(|word| {
            let (form, array) = (Form::of(call.text(word)?.one()), call.array(word + 1)?);
            Ok((form, if form == Form::Value { array } else { Arc::new(to_text(&array, call.zone)?) }))
        });
        Ok(Self { arrays: arrays.collect::<Result<_>>()?, absent: call.text(0)?.one() == Some("ABSENT") })
    }

    fn build(
        &self,
        call: &Call<'_>,
        around: [char; 2],
        mut each: impl FnMut(usize, Vec<(usize, &str)>) -> Vec<String>,
    ) -> Result<ArrayRef> {
        let write = self.arrays.iter().map(|(form, array)| entry(*form, array, call.zone));
        let write = write.collect::<Result<Vec<_>>>()?;
        call.texts_or_fail(|row, out| {
            let mut shown: Vec<(usize, String)> = Vec::with_capacity(write.len());
            for (at, write) in write.iter().enumerate() {
                let mut text = String::new();
                if !write(row, &mut text)? {
                    if self.absent {
                        continue;
                    }
                    text.push_str("null");
                }
                shown.push((at, text));
            }
            out.push(around[0]);
            let shown = shown.iter().map(|(at, text)| (*at, text.as_str())).collect();
            out.push_str(&each(row, shown).join(","));
            out.push(around[1]);
            Ok(true)
        })
    }
}

/// Writes the value of a row; whether there is one.
type Entry<'a> = Box<dyn Fn(usize, &mut String) -> std::result::Result<bool, SqlError> + 'a>;

fn entry(form: Form, array: &ArrayRef, zone: Zone) -> Result<Entry<'_>> {
    let null = is_null(array);
    Ok(match form {
        Form::Value => {
            let write = json(array, zone)?;
            Box::new(move |row, out| Ok(!null(row) && write(row, out)))
        }
        Form::Made => Box::new(move |row, out| {
            let made = !null(row);
            if made {
                out.push_str(array.as_string_view().value(row));
            }
            Ok(made)
        }),
        Form::Json => Box::new(move |row, out| {
            if null(row) {
                return Ok(false);
            }
            let given = array.as_string_view().value(row);
            match read(given) {
                Some(value) => {
                    value.write(out);
                    Ok(true)
                }
                None if given.trim().is_empty() => Ok(false),
                None => Err(SqlError::new(format!("{given} is no JSON"))),
            }
        }),
    })
}

/// How the values of an array are written as JSON; NULL only within others.
fn json(array: &ArrayRef, zone: Zone) -> Result<Written<'_>> {
    let nullable = |array| -> Result<Written<'_>> {
        let (write, null) = (json(array, zone)?, is_null(array));
        Ok(Box::new(move |row, out| {
            if null(row) {
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
        // What is no number of JSON goes into quotes, as text does.
        DataType::Float32 => {
            let (write, values) = (written(array, zone, None)?, array.as_primitive::<Float32Type>());
            Box::new(move |row, out| number(values.value(row).is_finite(), row, out, &write))
        }
        DataType::Float64 => {
            let (write, values) = (written(array, zone, None)?, array.as_primitive::<Float64Type>());
            Box::new(move |row, out| number(values.value(row).is_finite(), row, out, &write))
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
            // With no more digits of a second than there are.
            let (write, local) = (written(array, Zone::Fixed(0), Some(0))?, local.is_some());
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

fn number(finite: bool, row: usize, out: &mut String, write: &Written<'_>) -> bool {
    if finite {
        return write(row, out);
    }
    out.push('"');
    let known = write(row, out);
    out.push('"');
    known
}

/// Text in quotes as JSON_QUOTE has it: in ASCII, with an escaped slash.
pub(super) fn escaped(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' => out.push_str("\\/"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{7f}' => out.push(letter),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    // Writing into a String never fails.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}
