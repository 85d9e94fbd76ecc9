//! Functions of arrays: elements are compared and moved by their places, whatever their type.
//!
//! Invariants:
//! 1. NULL is an element like others: it equals itself.
//! 2. An array that is NULL makes the result NULL.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringViewBuilder};
use arrow_array::{Array, ArrayRef, BooleanArray, Int32Array, ListArray, UInt32Array, cast::AsArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_ord::ord::{DynComparator, make_comparator};
use arrow_schema::{DataType, SortOptions};
use datafusion_common::DataFusionError;

use super::dense::Dense;
use super::{Call, Definition, Result, TEXT, Types, common_type, function, is_int, is_text, list_of, refuse, texts_to};
use crate::error::SqlError;

/// What the parameters of a function of arrays are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Array,
    Element,
}

/// The one type of all elements.
fn item(given: &[DataType], parts: &[Part]) -> Option<DataType> {
    if given.len() != parts.len() {
        return None;
    }
    let mut types = Vec::with_capacity(given.len());
    for (of, part) in given.iter().zip(parts) {
        match (part, of) {
            (Part::Array, DataType::List(item)) => types.push(item.data_type()),
            (Part::Array, DataType::Null) => {}
            (Part::Array, _) => return None,
            (Part::Element, of) => types.push(of),
        }
    }
    if types.is_empty() { Some(DataType::Null) } else { common_type(types) }
}

/// The types that are taken, with one of elements.
fn alike(
    given: &[DataType],
    parts: &[Part],
    form: &'static str,
) -> std::result::Result<(Vec<DataType>, DataType), &'static str> {
    let item = item(given, parts).ok_or(form)?;
    let taken = parts.iter().map(|part| if *part == Part::Array { list_of(item.clone()) } else { item.clone() });
    Ok((taken.collect(), item))
}

const fn two(name: &'static str, evaluate: fn(&Call<'_>) -> Result<ArrayRef>) -> Definition {
    function(
        name,
        |given| {
            let (taken, item) = alike(given, &[Part::Array, Part::Array], "two arrays of one type")?;
            Ok((taken, list_of(item)))
        },
        evaluate,
    )
}

const fn with_element(name: &'static str, evaluate: fn(&Call<'_>) -> Result<ArrayRef>) -> Definition {
    function(
        name,
        |given| {
            let (taken, item) = alike(given, &[Part::Array, Part::Element], "an array and an element of its type")?;
            Ok((taken, list_of(item)))
        },
        evaluate,
    )
}

const fn of_one(name: &'static str, evaluate: fn(&Call<'_>) -> Result<ArrayRef>) -> Definition {
    function(
        name,
        |given| {
            let (taken, item) = alike(given, &[Part::Array], "an array")?;
            Ok((taken, list_of(item)))
        },
        evaluate,
    )
}

const ONE_ELEMENT: Types = |given| alike(given, &[Part::Array], "an array");

pub(super) const FUNCTIONS: &[Definition] = &[
    function(
        "array_contains",
        |given| {
            let (taken, _) = alike(given, &[Part::Array, Part::Element], "ARRAY_CONTAINS(array, element)")?;
            Ok((taken, DataType::Boolean))
        },
        |call| {
            let (lists, order) = sought(call)?;
            call.values::<bool, BooleanArray>(|row| {
                lists.row(0, row).map(|mut places| places.any(|place| order(place, lists.element(1, row)).is_eq()))
            })
        },
    ),
    function(
        "array_position",
        |given| {
            let (taken, _) = alike(given, &[Part::Array, Part::Element], "ARRAY_POSITION(array, element)")?;
            Ok((taken, DataType::Int32))
        },
        |call| {
            let (lists, order) = sought(call)?;
            call.values::<i32, Int32Array>(|row| {
                let wanted = lists.element(1, row);
                let mut places = lists.row(0, row).filter(|_| lists.all.is_valid(wanted))?;
                Some(places.position(|place| order(place, wanted).is_eq()).map_or(0, |at| at as i32 + 1))
            })
        },
    ),
    with_element("array_append", |call| {
        let lists = Lists::of(call)?;
        lists.gathered(call, |row| Some(lists.row(0, row)?.chain([lists.element(1, row)]).collect()))
    }),
    with_element("array_prepend", |call| {
        let lists = Lists::of(call)?;
        lists.gathered(call, |row| Some(std::iter::once(lists.element(1, row)).chain(lists.row(0, row)?).collect()))
    }),
    with_element("array_remove", |call| {
        let (lists, order) = sought(call)?;
        lists.gathered(call, |row| {
            let wanted = lists.element(1, row);
            Some(lists.row(0, row)?.filter(|place| order(*place, wanted).is_ne()).collect())
        })
    }),
    of_one("array_distinct", |call| {
        let (lists, order) = sought(call)?;
        lists.gathered(call, |row| Some(firsts(lists.row(0, row)?, &order)))
    }),
    of_one("array_reverse", |call| {
        let lists = Lists::of(call)?;
        lists.gathered(call, |row| Some(lists.row(0, row)?.rev().collect()))
    }),
    two("array_union", |call| {
        let (lists, order) = sought(call)?;
        lists.gathered(call, |row| Some(firsts(lists.row(0, row)?.chain(lists.row(1, row)?), &order)))
    }),
    two("array_except", |call| {
        let (lists, order) = sought(call)?;
        lists.gathered(call, |row| {
            let is_other = among(lists.row(1, row)?, &order);
            Some(firsts(lists.row(0, row)?.filter(|place| !is_other(*place)), &order))
        })
    }),
    two("array_intersect", |call| {
        let (lists, order) = sought(call)?;
        lists.gathered(call, |row| {
            let is_other = among(lists.row(1, row)?, &order);
            Some(firsts(lists.row(0, row)?.filter(|place| is_other(*place)), &order))
        })
    }),
    function(
        "array_concat",
        |given| {
            let parts = vec![Part::Array; given.len().max(1)];
            let (taken, item) = alike(given, &parts, "ARRAY_CONCAT(array, …) of one type")?;
            Ok((taken, list_of(item)))
        },
        |call| {
            let lists = Lists::of(call)?;
            lists.gathered(call, |row| {
                let parts = (0..call.args.len()).map(|of| lists.row(of, row)).collect::<Option<Vec<_>>>()?;
                Some(parts.into_iter().flatten().collect())
            })
        },
    ),
    function(
        "array_slice",
        |given| match given {
            [list @ DataType::List(item), rest @ ..] if matches!(rest.len(), 1 | 2) && rest.iter().all(is_int) => {
                let taken = [vec![list.clone()], vec![DataType::Int64; rest.len()]].concat();
                Ok((taken, list_of(item.data_type().clone())))
            }
            _ => Err("ARRAY_SLICE(array, start [, end])"),
        },
        |call| {
            let lists = Lists::of_arrays(vec![call.array(0)?])?;
            let starts = call.int(1)?;
            let ends = if call.args.len() > 2 { Some(call.int(2)?) } else { None };
            lists.gathered(call, |row| {
                let places = lists.row(0, row)?;
                let length = places.len() as i64;
                let place = |offset: i64| if offset < 0 { length + offset + 1 } else { offset };
                let start = place(starts.get(row)?).max(1);
                // 0 is the beginning, as an end too, be it counted from either side.
                let end = match &ends {
                    None => length,
                    Some(ends) => match place(ends.get(row)?) {
                        0 => 1,
                        end => end.min(length),
                    },
                };
                Some(
                    places
                        .skip(start as usize - 1)
                        .take(end.saturating_sub(start).saturating_add(1).max(0) as usize)
                        .collect(),
                )
            })
        },
    ),
    function(
        "array_sort",
        |given| match given {
            [list @ DataType::List(item), rest @ ..]
                if rest.len() <= 2 && rest.iter().all(|of| matches!(of, DataType::Boolean | DataType::Null)) =>
            {
                let taken = [vec![list.clone()], vec![DataType::Boolean; rest.len()]].concat();
                Ok((taken, list_of(item.data_type().clone())))
            }
            _ => Err("ARRAY_SORT(array [, ascending [, nulls first]])"),
        },
        |call| {
            let lists = Lists::of_arrays(vec![call.array(0)?])?;
            let flags = (1..call.args.len()).map(|of| call.array(of)).collect::<Result<Vec<_>>>()?;
            let flag = |of: usize, row: usize, usual: bool| match flags.get(of) {
                None => Some(usual),
                Some(array) => array.as_boolean().is_valid(row).then(|| array.as_boolean().value(row)),
            };
            let order = comparator(&lists.all, false)?;
            lists.gathered(call, |row| {
                let ascending = flag(0, row, true)?;
                let nulls_first = flag(1, row, ascending)?;
                let mut places: Vec<usize> = lists.row(0, row)?.collect();
                let nulls = |place: usize| lists.all.is_null(place);
                places.sort_by(|a, b| match (nulls(*a), nulls(*b)) {
                    (true, true) => Ordering::Equal,
                    (false, false) if ascending => order(*a, *b),
                    (false, false) => order(*b, *a),
                    (null, _) if null == nulls_first => Ordering::Less,
                    _ => Ordering::Greater,
                });
                Some(places)
            })
        },
    ),
    function("array_max", ONE_ELEMENT, |call| extreme(call, Ordering::Greater)),
    function("array_min", ONE_ELEMENT, |call| extreme(call, Ordering::Less)),
    function("element", ONE_ELEMENT, |call| {
        let lists = Lists::of(call)?;
        let mut many = None;
        let places: UInt32Array = (0..call.rows)
            .map(|row| {
                let places = lists.row(0, row)?;
                if places.len() > 1 {
                    many.get_or_insert(places.len());
                }
                places.start.try_into().ok().filter(|_| places.len() == 1)
            })
            .collect();
        match many {
            None => Ok(arrow_select::take::take(&lists.all, &places, None)?),
            Some(count) => Err(refuse(
                SqlError::new(format!("ELEMENT of an array of {count} elements"))
                    .hint("write array[1] for the first of them"),
            )),
        }
    }),
    function(
        "array_join",
        |given| match given {
            [DataType::List(item), rest @ ..] if matches!(rest.len(), 1 | 2) && is_text(item.data_type()) => {
                let taken = [vec![list_of(TEXT)], vec![TEXT; rest.len()]].concat();
                if rest.iter().all(is_text) { Ok((taken, TEXT)) } else { Err("ARRAY_JOIN(array, separator)") }
            }
            _ => Err("ARRAY_JOIN(array of strings, separator [, for NULL])"),
        },
        |call| {
            let lists = Lists::of_arrays(vec![call.array(0)?])?;
            let separators = call.text(1)?;
            let nulls = if call.args.len() > 2 { Some(call.text(2)?) } else { None };
            let texts = lists.all.as_string_view();
            call.texts(|row, out| {
                let (Some(places), Some(separator)) = (lists.row(0, row), separators.get(row)) else { return false };
                let instead = match &nulls {
                    None => None,
                    Some(nulls) => match nulls.get(row) {
                        None => return false,
                        some => some,
                    },
                };
                let shown =
                    places.filter_map(|place| if texts.is_valid(place) { Some(texts.value(place)) } else { instead });
                for (at, text) in shown.enumerate() {
                    if at > 0 {
                        out.push_str(separator);
                    }
                    out.push_str(text);
                }
                true
            })
        },
    ),
    function(
        "split",
        |given| texts_to(given, 2..=2, list_of(TEXT), "SPLIT(string, separator)"),
        |call| {
            let (texts, separators) = (call.text(0)?, call.text(1)?);
            let mut built = ListBuilder::new(StringViewBuilder::new());
            for row in 0..call.rows {
                let (Some(text), Some(separator)) = (texts.get(row), separators.get(row)) else {
                    built.append(false);
                    continue;
                };
                if separator.is_empty() {
                    let mut one = [0; 4];
                    text.chars().for_each(|letter| built.values().append_value(letter.encode_utf8(&mut one)));
                } else {
                    text.split(separator).for_each(|part| built.values().append_value(part));
                }
                built.append(true);
            }
            Ok(Arc::new(built.finish()))
        },
    ),
];

/// The arrays of a call, their elements in one array.
pub(super) struct Lists {
    all: ArrayRef,
    /// By argument: where its elements are.
    parts: Vec<Rows>,
}

enum Rows {
    /// Elements from this place on, in such ranges.
    Lists(usize, Dense),
    /// One element a row, from this place on.
    Elements(usize),
}

impl Lists {
    fn of(call: &Call<'_>) -> Result<Self> {
        Self::of_arrays((0..call.args.len()).map(|index| call.array(index)).collect::<Result<Vec<_>>>()?)
    }

    fn of_arrays(arrays: Vec<ArrayRef>) -> Result<Self> {
        let (mut parts, mut elements) = (Vec::new(), Vec::new());
        let mut start = 0;
        for array in arrays {
            match array.as_list_opt::<i32>() {
                // An element may be an array itself, but then it is no argument that is one.
                Some(list)
                    if elements.is_empty()
                        || Some(list.values().data_type())
                            == elements.first().map(|first: &ArrayRef| first.data_type()) =>
                {
                    let dense = Dense::of(&array)?;
                    let of = Arc::clone(&dense.parts[0]);
                    parts.push(Rows::Lists(start, dense));
                    start += of.len();
                    elements.push(of);
                }
                _ => {
                    parts.push(Rows::Elements(start));
                    start += array.len();
                    elements.push(array);
                }
            }
        }
        let all: Vec<&dyn Array> = elements.iter().map(AsRef::as_ref).collect();
        Ok(Self { all: arrow_select::concat::concat(&all)?, parts })
    }

    /// The places of an array's elements; nothing if it is NULL.
    fn row(&self, argument: usize, row: usize) -> Option<std::ops::Range<usize>> {
        match &self.parts[argument] {
            Rows::Lists(start, list) => list.row(row).map(|places| start + places.start..start + places.end),
            Rows::Elements(_) => None,
        }
    }

    /// The place of an argument that is an element.
    fn element(&self, argument: usize, row: usize) -> usize {
        match &self.parts[argument] {
            Rows::Elements(start) => start + row,
            Rows::Lists(start, _) => *start,
        }
    }

    /// Arrays of the elements at these places.
    fn gathered(&self, call: &Call<'_>, each: impl Fn(usize) -> Option<Vec<usize>>) -> Result<ArrayRef> {
        let DataType::List(item) = call.returns else {
            return Err(DataFusionError::Internal(format!("{} is no list", call.returns)));
        };
        let rows: Vec<Option<Vec<usize>>> = (0..call.rows).map(each).collect();
        let offsets = OffsetBuffer::from_lengths(rows.iter().map(|row| row.as_ref().map_or(0, Vec::len)));
        let nulls: NullBuffer = rows.iter().map(Option::is_some).collect();
        let places: UInt32Array = rows.into_iter().flatten().flatten().map(|place| u32::try_from(place).ok()).collect();
        let values = arrow_select::take::take(&self.all, &places, None)?;
        Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, values, Some(nulls))?))
    }
}

/// The arrays, and how the elements at two places compare.
fn sought(call: &Call<'_>) -> Result<(Lists, DynComparator)> {
    let lists = Lists::of(call)?;
    let order = comparator(&lists.all, true)?;
    Ok((lists, order))
}

fn comparator(all: &ArrayRef, nulls_first: bool) -> Result<DynComparator> {
    Ok(make_comparator(all, all, SortOptions { descending: false, nulls_first })?)
}

/// So few elements are compared with one another; more are sorted, so that a long array does not hold up its shard.
const FEW: usize = 16;

/// The first of each that are equal.
fn firsts(places: impl Iterator<Item = usize>, order: &DynComparator) -> Vec<usize> {
    let places: Vec<usize> = places.collect();
    distinct(&places, order, |_, _| ()).into_iter().map(|at| places[at]).collect()
}

/// Which of these are the first ones of those that are equal. Of each later one is told, in order, to which it is equal.
pub(super) fn distinct(
    places: &[usize],
    order: &impl Fn(usize, usize) -> Ordering,
    mut again: impl FnMut(usize, usize),
) -> Vec<usize> {
    let compared = |a: &usize, b: &usize| order(places[*a], places[*b]);
    let mut firsts: Vec<usize> = Vec::new();
    if places.len() <= FEW {
        for at in 0..places.len() {
            match firsts.iter().find(|first| compared(first, &at).is_eq()) {
                Some(first) => again(*first, at),
                None => firsts.push(at),
            }
        }
        return firsts;
    }
    let mut sorted: Vec<usize> = (0..places.len()).collect();
    sorted.sort_by(compared);
    for alike in sorted.chunk_by(|a, b| compared(a, b).is_eq()) {
        firsts.push(alike[0]);
        alike[1..].iter().for_each(|at| again(alike[0], *at));
    }
    firsts.sort_unstable();
    firsts
}

/// Whether an element is among those of a range.
fn among(range: std::ops::Range<usize>, order: &DynComparator) -> impl Fn(usize) -> bool + '_ {
    let mut others: Vec<usize> = range.collect();
    let many = others.len() > FEW;
    if many {
        others.sort_unstable_by(|a, b| order(*a, *b));
    }
    move |place| {
        if many {
            others.binary_search_by(|other| order(*other, place)).is_ok()
        } else {
            others.iter().any(|other| order(*other, place).is_eq())
        }
    }
}

/// The greatest or least element that is not NULL.
fn extreme(call: &Call<'_>, wanted: Ordering) -> Result<ArrayRef> {
    let lists = Lists::of(call)?;
    let order = comparator(&lists.all, true)?;
    let places: UInt32Array = (0..call.rows)
        .map(|row| {
            let places = lists.row(0, row)?.filter(|place| lists.all.is_valid(*place));
            let best = places.reduce(|best, place| if order(place, best) == wanted { place } else { best })?;
            u32::try_from(best).ok()
        })
        .collect();
    Ok(arrow_select::take::take(&lists.all, &places, None)?)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn many_elements_are_not_compared_each_with_each() {
        const COUNT: usize = 20_000;
        let compared = Cell::new(0);
        // Each value twice, the second time in the order turned around.
        let value = |place: usize| if place < COUNT { place } else { 2 * COUNT - 1 - place };
        let order = |a: usize, b: usize| {
            compared.set(compared.get() + 1);
            value(a).cmp(&value(b))
        };
        let places: Vec<usize> = (0..2 * COUNT).collect();
        let mut later = Vec::new();
        let firsts = distinct(&places, &order, |first, again| later.push((first, again)));
        assert_eq!(firsts, (0..COUNT).collect::<Vec<_>>());
        assert_eq!(later.len(), COUNT);
        assert!(later.iter().all(|(first, again)| value(*first) == value(*again) && first < again));
        assert!(compared.get() < 40 * COUNT, "{} comparisons", compared.get());
    }
}
