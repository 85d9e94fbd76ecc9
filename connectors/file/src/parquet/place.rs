//! A query's arrays become those that are written: parts of ROWs by their place, as SQL assigns them, times in the unit that is written.
//!
//! What comes has the table's types but for the names of fields, what may be null, and units; the rest is refused, never guessed.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, MapArray, StructArray};
use arrow_schema::{ArrowError, DataType, Field};

use super::fit::time;
use super::types::entry;

/// The values of an array as the column `field`.
///
/// # Errors
/// Another type, or a value that its unit has no room for.
pub(super) fn placed(array: &ArrayRef, field: &Field) -> Result<ArrayRef, String> {
    part(array, field.data_type()).map_err(|reason| format!("column `{}`: {reason}", field.name()))
}

fn part(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, String> {
    // Arrow's own words: a part that may not be null is null in a ROW, ARRAY or MAP that is not.
    let wrong = |error: ArrowError| error.to_string();
    Ok(match (array.data_type(), to) {
        (from, to) if from == to => Arc::clone(array),
        (DataType::Struct(from), DataType::Struct(fields)) => {
            if from.len() != fields.len() {
                return Err(format!("a ROW of {} fields came, and one of {} is written", from.len(), fields.len()));
            }
            let row = array.as_struct();
            let parts = row.columns().iter().zip(fields).map(|(column, field)| part(column, field.data_type()));
            let parts = parts.collect::<Result<Vec<_>, _>>()?;
            let nulls = row.nulls().cloned();
            Arc::new(StructArray::try_new_with_length(fields.clone(), parts, nulls, row.len()).map_err(wrong)?)
        }
        (DataType::List(_), DataType::List(element)) => {
            let list = array.as_list::<i32>();
            let values = part(list.values(), element.data_type())?;
            let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
            Arc::new(ListArray::try_new(Arc::clone(element), offsets, values, nulls).map_err(wrong)?)
        }
        (DataType::Map(..), DataType::Map(entries, sorted)) => {
            let map = array.as_map();
            let ((key, value), DataType::Struct(fields)) = (entry(entries), entries.data_type()) else {
                unreachable!("a map's entries are a ROW")
            };
            let columns = vec![part(map.keys(), key.data_type())?, part(map.values(), value.data_type())?];
            let pairs = StructArray::try_new(fields.clone(), columns, None).map_err(wrong)?;
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            Arc::new(MapArray::try_new(Arc::clone(entries), offsets, pairs, nulls, *sorted).map_err(wrong)?)
        }
        (DataType::Timestamp(from, _), DataType::Timestamp(unit, _)) => time(array, *from, *unit, to)?,
        (from, to) => return Err(format!("{from} came, and {to} is written")),
    })
}
