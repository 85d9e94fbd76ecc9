//! Rows, arrays and maps: their making and their parts.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, Int32Array, ListArray, StructArray, cast::AsArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{ArrowError, DataType, Field, Fields};
use arrow_select::nullif::nullif;
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{Expr, lit};

use super::{Call, Definition, common_type, function, is_int, list_of, refuse};
use crate::error::{SqlError, did_you_mean};

/// The function of `row.field`.
pub(crate) const GET_FIELD: &str = "get_field";

/// The field of rows, NULL where the row is. Its values are shared, and not looked at.
pub(crate) fn within(field: ArrayRef, rows: Option<&NullBuffer>) -> std::result::Result<ArrayRef, ArrowError> {
    match rows {
        None => Ok(field),
        Some(_) if *field.data_type() == DataType::Null => Ok(field),
        Some(rows) => nullif(&field, &BooleanArray::new(!rows.inner(), None)),
    }
}

/// `expr.name`.
pub(crate) fn get_field(expr: Expr, name: &str) -> Expr {
    match super::scalar(GET_FIELD) {
        Some(function) => function.call(vec![expr, lit(ScalarValue::Utf8View(Some(name.to_owned())))]),
        None => expr,
    }
}

/// `expr.name` where there is no such field: refused when its type is asked for.
pub(crate) fn missing_field(expr: Expr, name: &str) -> Expr {
    get_field(expr, name)
}

/// The row and the field's name, if this is a field of a row.
pub(crate) fn field_of(expr: &Expr) -> Option<(&Expr, &str)> {
    match expr {
        Expr::ScalarFunction(function) if function.func.name() == GET_FIELD => match function.args.as_slice() {
            [of, Expr::Literal(name, _)] => Some((of, name.try_as_str().flatten()?)),
            _ => None,
        },
        _ => None,
    }
}

/// The type of a function whose type depends on a value: a field's, by its name.
pub(super) fn field_type(name: &str, given: &[DataType], values: &[Option<&ScalarValue>]) -> Option<Result<DataType>> {
    if name != GET_FIELD {
        return None;
    }
    let wanted = values.get(1).copied().flatten().and_then(|value| value.try_as_str().flatten());
    let (Some(DataType::Struct(fields)), Some(wanted)) = (given.first(), wanted) else {
        return Some(Err(DataFusionError::Plan("a field is asked of a value that is no ROW".into())));
    };
    Some(fields.iter().find(|field| field.name() == wanted).map(|field| field.data_type().clone()).ok_or_else(|| {
        let known = fields.iter().map(|field| field.name().as_str());
        let error = SqlError::new(format!("the ROW has no field '{wanted}'")).maybe_hint(did_you_mean(wanted, known));
        refuse(error)
    }))
}

pub(super) const FUNCTIONS: &[Definition] = &[
    function(
        GET_FIELD,
        |given| match given {
            // The field's own type is found with its name, in `field_type`.
            [of @ DataType::Struct(_), name] => Ok((vec![of.clone(), name.clone()], DataType::Null)),
            _ => Err("row.field of a value of type ROW"),
        },
        |call| {
            let array = call.array(0)?;
            let name = call.text(1)?;
            let name = name.one().unwrap_or_default();
            let rows = array.as_struct_opt().ok_or_else(|| DataFusionError::Internal("no ROW".into()))?;
            let inner =
                rows.column_by_name(name).ok_or_else(|| DataFusionError::Internal(format!("no field {name}")))?;
            Ok(within(Arc::clone(inner), rows.nulls())?)
        },
    ),
    function(
        "row",
        |given| {
            let fields =
                given.iter().enumerate().map(|(index, of)| Field::new(format!("EXPR${index}"), of.clone(), true));
            Ok((given.to_vec(), DataType::Struct(fields.collect())))
        },
        |call| {
            let DataType::Struct(fields) = call.returns else {
                return Err(DataFusionError::Internal("a ROW is no struct".into()));
            };
            let arrays = (0..call.args.len()).map(|index| call.array(index)).collect::<Result<Vec<_>>>()?;
            Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), arrays, None, call.rows)?))
        },
    ),
    function(
        "array_of",
        |given| {
            let of = common_type(given).ok_or("ARRAY[value, …] of one type")?;
            Ok((vec![of.clone(); given.len()], list_of(of)))
        },
        |call| {
            let arrays = (0..call.args.len()).map(|index| call.array(index)).collect::<Result<Vec<_>>>()?;
            let count = arrays.len();
            let all: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
            let indexes: Vec<(usize, usize)> =
                (0..call.rows).flat_map(|row| (0..count).map(move |array| (array, row))).collect();
            let values = arrow_select::interleave::interleave(&all, &indexes)?;
            let DataType::List(item) = call.returns else {
                return Err(DataFusionError::Internal("an ARRAY is no list".into()));
            };
            let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(count, call.rows));
            Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, values, None)?))
        },
    ),
    function(
        "item_of",
        |given| match given {
            [list @ DataType::List(item), index] if is_int(index) => {
                Ok((vec![list.clone(), DataType::Int64], item.data_type().clone()))
            }
            [map @ DataType::Map(entries, _), _] => match entries.data_type() {
                DataType::Struct(parts) => {
                    Ok((vec![map.clone(), parts[0].data_type().clone()], parts[1].data_type().clone()))
                }
                _ => Err("map[key]"),
            },
            _ => Err("array[index] or map[key]"),
        },
        item_of,
    ),
    function(
        "cardinality",
        |given| match given {
            [of @ (DataType::List(_) | DataType::Map(..))] => Ok((vec![of.clone()], DataType::Int32)),
            _ => Err("CARDINALITY(array) or CARDINALITY(map)"),
        },
        |call| {
            let array = call.array(0)?;
            let offsets = match array.data_type() {
                DataType::List(_) => array.as_list::<i32>().offsets().clone(),
                _ => array.as_map().offsets().clone(),
            };
            call.values::<i32, Int32Array>(|row| array.is_valid(row).then(|| offsets[row + 1] - offsets[row]))
        },
    ),
];

fn item_of(call: &Call<'_>) -> Result<ArrayRef> {
    let array = call.array(0)?;
    let (places, values): (Int32Array, ArrayRef) = match array.data_type() {
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let indexes = call.int(1)?;
            let places = (0..call.rows).map(|row| {
                let index = indexes.get(row)?;
                let length = i64::from(list.offsets()[row + 1] - list.offsets()[row]);
                (list.is_valid(row) && (1..=length).contains(&index)).then(|| list.offsets()[row] + index as i32 - 1)
            });
            (places.collect(), Arc::clone(list.values()))
        }
        _ => {
            let map = array.as_map();
            let wanted = call.array(1)?;
            let compare = arrow_ord::ord::make_comparator(map.keys(), &wanted, Default::default())?;
            let places = (0..call.rows).map(|row| {
                let range = map.offsets()[row]..map.offsets()[row + 1];
                (map.is_valid(row) && wanted.is_valid(row))
                    .then(|| range.rev().find(|place| compare(*place as usize, row).is_eq()))?
            });
            (places.collect(), Arc::clone(map.values()))
        }
    };
    Ok(arrow_select::take::take(&values, &places, None)?)
}

/// A ROW of named columns.
pub(super) fn struct_of(fields: &[(&str, DataType)]) -> DataType {
    DataType::Struct(fields.iter().map(|(name, of)| Field::new(*name, of.clone(), true)).collect::<Fields>())
}
