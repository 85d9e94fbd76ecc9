//! Functions of maps. Of equal keys the last one counts.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, ListArray, MapArray, StringViewArray, StructArray, UInt32Array, cast::AsArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_ord::ord::make_comparator;
use arrow_schema::{DataType, Field, Fields};
use datafusion_common::DataFusionError;
use regex::Regex;

use super::array::distinct;
use super::dense::Dense;
use super::{Call, Definition, Result, TEXT, common_type, function, is_text, list_of, refuse, texts_to};
use crate::error::SqlError;
use crate::types::{Kind, SqlType};

/// The call that makes a map: `MAP[k, v, …]`.
pub(crate) const MAP_OF: &str = "map_of";

fn map_type(key: &DataType, value: &DataType) -> DataType {
    let part = |of: &DataType| Box::new(SqlType::from_arrow(of, true));
    SqlType::of(Kind::Map(part(key), part(value))).arrow()
}

fn parts_of(map: &DataType) -> Option<(DataType, DataType)> {
    let DataType::Map(entries, _) = map else { return None };
    match entries.data_type() {
        DataType::Struct(fields) if fields.len() == 2 => {
            Some((fields[0].data_type().clone(), fields[1].data_type().clone()))
        }
        _ => None,
    }
}

pub(super) const FUNCTIONS: &[Definition] = &[
    function(
        MAP_OF,
        |given| {
            const FORM: &str = "MAP[key, value, …] of one type of keys and one of values";
            if given.is_empty() || given.len() % 2 == 1 {
                return Err(FORM);
            }
            let key = common_type(given.iter().step_by(2)).ok_or(FORM)?;
            let value = common_type(given.iter().skip(1).step_by(2)).ok_or(FORM)?;
            let taken = (0..given.len()).map(|at| if at % 2 == 0 { key.clone() } else { value.clone() }).collect();
            Ok((taken, map_type(&key, &value)))
        },
        |call| {
            let arrays = (0..call.args.len()).map(|index| call.array(index)).collect::<Result<Vec<_>>>()?;
            let side = |first: usize| -> Result<ArrayRef> {
                let arrays: Vec<&dyn Array> = arrays.iter().skip(first).step_by(2).map(AsRef::as_ref).collect();
                Ok(arrow_select::concat::concat(&arrays)?)
            };
            let pairs = call.args.len() / 2;
            gathered(call, &side(0)?, &side(1)?, |row| {
                Some((0..pairs).map(|pair| (pair * call.rows + row, pair * call.rows + row)).collect())
            })
        },
    ),
    function(
        "map_keys",
        |given| match given {
            [map] => parts_of(map).map(|(key, _)| (vec![map.clone()], list_of(key))).ok_or("MAP_KEYS(map)"),
            _ => Err("MAP_KEYS(map)"),
        },
        |call| listed(call, |map| Arc::clone(map.keys())),
    ),
    function(
        "map_values",
        |given| match given {
            [map] => parts_of(map).map(|(_, value)| (vec![map.clone()], list_of(value))).ok_or("MAP_VALUES(map)"),
            _ => Err("MAP_VALUES(map)"),
        },
        |call| listed(call, |map| Arc::clone(map.values())),
    ),
    function(
        "map_entries",
        |given| match given {
            [map] => {
                let (key, value) = parts_of(map).ok_or("MAP_ENTRIES(map)")?;
                Ok((vec![map.clone()], list_of(DataType::Struct(entry_fields(key, value)))))
            }
            _ => Err("MAP_ENTRIES(map)"),
        },
        |call| {
            listed(call, |map| {
                let fields = entry_fields(map.keys().data_type().clone(), map.values().data_type().clone());
                Arc::new(StructArray::new(fields, vec![Arc::clone(map.keys()), Arc::clone(map.values())], None))
            })
        },
    ),
    function(
        "map_from_arrays",
        |given| match given {
            [keys @ DataType::List(key), values @ DataType::List(value)] => {
                Ok((vec![keys.clone(), values.clone()], map_type(key.data_type(), value.data_type())))
            }
            _ => Err("MAP_FROM_ARRAYS(array of keys, array of values)"),
        },
        |call| {
            let (keys, values) = (call.array(0)?, call.array(1)?);
            let (keys, values) = (Dense::of(&keys)?, Dense::of(&values)?);
            let both = |row: usize| keys.row(row).zip(values.row(row));
            if let Some((keys, values)) =
                (0..call.rows).filter_map(both).find(|(keys, values)| keys.len() != values.len())
            {
                let (keys, values) = (keys.len(), values.len());
                return Err(refuse(SqlError::new(format!("MAP_FROM_ARRAYS of {keys} keys and {values} values"))));
            }
            gathered(call, &keys.parts[0], &values.parts[0], |row| {
                both(row).map(|(keys, values)| keys.zip(values).collect())
            })
        },
    ),
    function(
        "map_union",
        |given| {
            const FORM: &str = "MAP_UNION(map, …) of one type";
            let parts = given.iter().map(parts_of).collect::<Option<Vec<_>>>().ok_or(FORM)?;
            let key = common_type(parts.iter().map(|(key, _)| key)).ok_or(FORM)?;
            let value = common_type(parts.iter().map(|(_, value)| value)).ok_or(FORM)?;
            let of = map_type(&key, &value);
            Ok((vec![of.clone(); given.len()], of))
        },
        |call| {
            let maps = (0..call.args.len()).map(|index| Dense::of(&call.array(index)?)).collect::<Result<Vec<_>>>()?;
            let side = |part: usize| -> Result<ArrayRef> {
                let parts: Vec<&dyn Array> = maps.iter().map(|map| map.parts[part].as_ref()).collect();
                Ok(arrow_select::concat::concat(&parts)?)
            };
            let (keys, values) = (side(0)?, side(1)?);
            gathered(call, &keys, &values, |row| {
                let (mut places, mut start) = (Vec::new(), 0);
                for map in &maps {
                    places.extend(map.row(row)?.map(|at| (start + at, start + at)));
                    start += map.parts[0].len();
                }
                Some(places)
            })
        },
    ),
    function(
        "str_to_map",
        |given| match given {
            [_] | [_, _, _] if given.iter().all(is_text) => {
                texts_to(given, 1..=3, map_type(&TEXT, &TEXT), "STR_TO_MAP(string)")
            }
            _ => Err("STR_TO_MAP(string [, between pairs, between key and value])"),
        },
        str_to_map,
    ),
];

fn entry_fields(key: DataType, value: DataType) -> Fields {
    vec![Field::new("key", key, true), Field::new("value", value, true)].into()
}

/// One part of each entry, as arrays.
fn listed(call: &Call<'_>, part: fn(&MapArray) -> ArrayRef) -> Result<ArrayRef> {
    let array = call.array(0)?;
    let map = array.as_map();
    let DataType::List(item) = call.returns else {
        return Err(DataFusionError::Internal(format!("{} is no list", call.returns)));
    };
    Ok(Arc::new(ListArray::try_new(Arc::clone(item), map.offsets().clone(), part(map), map.nulls().cloned())?))
}

/// Maps of the keys and values at these places.
fn gathered(
    call: &Call<'_>,
    keys: &ArrayRef,
    values: &ArrayRef,
    each: impl Fn(usize) -> Option<Vec<(usize, usize)>>,
) -> Result<ArrayRef> {
    let DataType::Map(entries, sorted) = call.returns else {
        return Err(DataFusionError::Internal(format!("{} is no map", call.returns)));
    };
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(DataFusionError::Internal("a map has no entries".into()));
    };
    let order = make_comparator(keys, keys, Default::default())?;
    let mut lengths = Vec::with_capacity(call.rows);
    let mut valid = Vec::with_capacity(call.rows);
    let mut places: Vec<(usize, usize)> = Vec::new();
    for row in 0..call.rows {
        let start = places.len();
        let entries = each(row);
        valid.push(entries.is_some());
        let entries = entries.unwrap_or_default();
        if entries.iter().any(|(key, _)| keys.is_null(*key)) {
            return Err(refuse(SqlError::new("a key of a map is NULL")));
        }
        // A key stands where it came first, with what it came with last.
        let known: Vec<usize> = entries.iter().map(|(key, _)| *key).collect();
        let mut latest: Vec<usize> = (0..entries.len()).collect();
        let firsts = distinct(&known, &order, |first, again| latest[first] = again);
        places.extend(firsts.into_iter().map(|first| (entries[first].0, entries[latest[first]].1)));
        lengths.push(places.len() - start);
    }
    let side = |of: &ArrayRef, place: fn(&(usize, usize)) -> usize| -> Result<ArrayRef> {
        let places: UInt32Array = places.iter().map(|pair| u32::try_from(place(pair)).ok()).collect();
        Ok(arrow_select::take::take(of, &places, None)?)
    };
    let columns = vec![side(keys, |pair| pair.0)?, side(values, |pair| pair.1)?];
    let inner = StructArray::try_new(fields.clone(), columns, None)?;
    let nulls: NullBuffer = valid.into();
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(MapArray::try_new(Arc::clone(entries), offsets, inner, Some(nulls), *sorted)?))
}

/// Both separators are regular expressions; a pair without the second is a key without a value.
fn str_to_map(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    let separators = if call.args.len() == 3 { Some((call.text(1)?, call.text(2)?)) } else { None };
    let compiled = |pattern: &str| {
        Regex::new(pattern)
            .map_err(|_| refuse(SqlError::new(format!("'{pattern}' is no regular expression that can be used"))))
    };
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    let mut rows: Vec<Option<std::ops::Range<usize>>> = Vec::with_capacity(call.rows);
    let mut known: Option<(String, String, Regex, Regex)> = None;
    for row in 0..call.rows {
        let between = match &separators {
            None => Some((",", "=")),
            Some((pairs, parts)) => pairs.get(row).zip(parts.get(row)),
        };
        let (Some(text), Some((pair, part))) = (texts.get(row), between) else {
            rows.push(None);
            continue;
        };
        if known.as_ref().is_none_or(|(p, q, ..)| (p.as_str(), q.as_str()) != (pair, part)) {
            known = Some((pair.to_owned(), part.to_owned(), compiled(pair)?, compiled(part)?));
        }
        let Some((.., pairs, parts)) = &known else { continue };
        let start = keys.len();
        if !text.is_empty() {
            for pair in split(pairs, text, usize::MAX) {
                let sides = split(parts, pair, 2);
                keys.push(sides.first().copied().unwrap_or_default());
                values.push(sides.get(1).copied());
            }
        }
        rows.push(Some(start..keys.len()));
    }
    let keys: ArrayRef = Arc::new(keys.into_iter().map(Some).collect::<StringViewArray>());
    let values: ArrayRef = Arc::new(values.into_iter().collect::<StringViewArray>());
    gathered(call, &keys, &values, |row| rows[row].clone().map(|places| places.map(|at| (at, at)).collect()))
}

/// A text's parts as Java's `split` has them: nothing before a match of nothing at the start, and, unless there may be
/// only so many of them, no empty ones at the end.
fn split<'a>(separator: &Regex, text: &'a str, most: usize) -> Vec<&'a str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    for found in separator.find_iter(text).filter(|found| found.end() > 0) {
        if parts.len() + 1 >= most {
            break;
        }
        parts.push(&text[start..found.start()]);
        start = found.end();
    }
    parts.push(&text[start..]);
    while most == usize::MAX && parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    parts
}
