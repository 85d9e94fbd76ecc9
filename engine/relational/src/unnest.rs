//! A row for each element of an array or map.

use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_schema::{DataType, SchemaRef};
use yeoul_frame::Frame;
use yeoul_operator::{Context, InputId, Operator, OperatorError};

use crate::input::{Input, gather};
use crate::output::{OUTPUT_ROWS, check_schema, emit};
use crate::word::words_to_array;

/// Replaces an array by its elements (a map by its keys and values), one row for each.
#[derive(Debug, Clone)]
pub struct Unnest {
    /// The column of the array or map.
    pub column: usize,
    /// Whether a row without elements is kept, with null in their place.
    pub keep_empty: bool,
    /// Whether the number of the element comes out, from 1, as the last column.
    pub ordinality: bool,
    /// What comes in.
    pub input_schema: SchemaRef,
    /// What comes out: the input's columns with the array's element, or the map's key and value, where the column was; then the number as
    /// INT.
    pub schema: SchemaRef,
}

impl fmt::Display for Unnest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unnest(column=[${}]", self.column)?;
        f.write_str(if self.ordinality { ", ordinality)" } else { ")" })
    }
}

impl Unnest {
    /// An instance.
    ///
    /// # Errors
    /// A column that is no array and no map, or a schema that is not that of the result.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        let mut types: Vec<DataType> =
            self.input_schema.fields().iter().map(|field| field.data_type().clone()).collect();
        let elements: Vec<DataType> = match types.get(self.column) {
            Some(DataType::List(element)) => vec![element.data_type().clone()],
            Some(DataType::Map(entry, _)) => match entry.data_type() {
                DataType::Struct(fields) => fields.iter().map(|field| field.data_type().clone()).collect(),
                other => vec![other.clone()],
            },
            other => {
                return Err(
                    OperatorError::new(format!("{self} over a column of {other:?}")).hint("unnest an ARRAY or a MAP")
                );
            }
        };
        types.splice(self.column..=self.column, elements);
        types.extend(self.ordinality.then_some(DataType::Int32));
        check_schema("Unnest", &self.schema, &types)?;
        Ok(Box::new(UnnestOperator(self)))
    }
}

struct UnnestOperator(Arc<Unnest>);

impl Operator for UnnestOperator {
    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let spec = &self.0;
        let input = Input::of(frame)?;
        let array = input.column(spec.column)?;
        let (offsets, elements): (&[i32], Vec<ArrayRef>) = match array.data_type() {
            DataType::Map(..) => {
                let map = array.as_map();
                (map.value_offsets(), vec![map.keys().clone(), map.values().clone()])
            }
            _ => {
                let list = array.as_list::<i32>();
                (list.value_offsets(), vec![list.values().clone()])
            }
        };
        let (columns, times, kinds) = (input.all_columns()?, input.times(), input.kinds());
        // By output row: the input's row, the element, and its number.
        let mut send = |out: &mut Vec<(u32, Option<u32>, Option<u32>)>| {
            let rows = UInt32Array::from_iter_values(out.iter().map(|(row, ..)| *row));
            let picked: UInt32Array = out.iter().map(|(_, element, _)| *element).collect();
            let mut arrays = Vec::with_capacity(spec.schema.fields().len());
            for (index, column) in columns.iter().enumerate() {
                if index == spec.column {
                    for elements in &elements {
                        arrays.push(gather(elements, &picked)?);
                    }
                } else {
                    arrays.push(gather(column, &rows)?);
                }
            }
            if spec.ordinality {
                let nulls = out.iter().map(|(_, _, number)| number.is_some()).collect::<Vec<_>>();
                let numbers = out.iter().map(|(_, _, number)| u64::from(number.unwrap_or(0))).collect();
                arrays.push(words_to_array(&DataType::Int32, numbers, Some(nulls.into())));
            }
            let kinds = kinds.iter().flat_map(|kinds| out.iter().map(|row| kinds[row.0 as usize])).collect();
            let times = out.iter().map(|row| times[row.0 as usize]).collect();
            out.clear();
            emit(cx, &spec.schema, arrays, times, kinds)
        };
        let mut out = Vec::new();
        for row in 0..input.rows() {
            let range = if array.is_null(row) { 0..0 } else { offsets[row] as u32..offsets[row + 1] as u32 };
            if range.is_empty() && spec.keep_empty {
                out.push((row as u32, None, None));
            }
            for (element, number) in range.zip(1..) {
                if out.len() == OUTPUT_ROWS {
                    send(&mut out)?;
                }
                out.push((row as u32, Some(element), Some(number)));
            }
            if out.len() >= OUTPUT_ROWS {
                send(&mut out)?;
            }
        }
        send(&mut out)
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::builder::{Int64Builder, MapBuilder, StringBuilder};
    use arrow_array::types::Int64Type;
    use arrow_array::{Int64Array, ListArray};
    use arrow_schema::{Field, Schema};
    use yeoul_frame::{ColumnBatch, RowKind, Selection, Timestamp};

    use super::*;
    use crate::testing::{Harness, rows};

    fn check(array: &ArrayRef, elements: &[(&str, DataType)], keep_empty: bool, ordinality: bool, expected: &str) {
        let ids = Int64Array::from_iter_values(1..=array.len() as i64);
        let field = |name: &str, data_type: &DataType| Field::new(name, data_type.clone(), true);
        let input = Arc::new(Schema::new(vec![field("a", array.data_type()), field("id", &DataType::Int64)]));
        let mut fields: Vec<Field> = elements.iter().map(|(name, of)| field(name, of)).collect();
        fields.push(field("id", &DataType::Int64));
        fields.extend(ordinality.then(|| field("n", &DataType::Int32)));
        let spec = Arc::new(Unnest {
            column: 0,
            keep_empty,
            ordinality,
            input_schema: input.clone(),
            schema: Arc::new(Schema::new(fields)),
        });
        let times = (0..array.len() as i64).map(Timestamp).collect();
        let kinds = vec![RowKind::Delete; array.len()];
        let frame = ColumnBatch::of(input, vec![array.clone(), Arc::new(ids)], times, kinds).unwrap();
        let mut harness = Harness::of(move || spec.clone().operator(), &[]);
        // The first row is not meant.
        harness.push(0, frame.select(Selection::rows(&(1..array.len() as u32).collect::<Vec<_>>())));
        assert_eq!(rows(&harness.take()), expected);
    }

    #[test]
    fn elements_become_rows() {
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>([
            Some(vec![Some(0)]),
            Some(vec![Some(7), None]),
            None,
            Some(vec![]),
            Some(vec![Some(9)]),
        ]);
        let list: ArrayRef = Arc::new(list);
        let element = [("e", DataType::Int64)];
        check(&list, &element, false, false, "-D 7 2 @1\n-D null 2 @1\n-D 9 5 @4");
        let kept = "-D 7 2 1 @1\n-D null 2 2 @1\n-D null 3 null @2\n-D null 4 null @3\n-D 9 5 1 @4";
        check(&list, &element, true, true, kept);
        let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
        for entries in [&[("z", 0)][..], &[("x", 1), ("y", 2)], &[]] {
            for (key, value) in entries {
                map.keys().append_value(key);
                map.values().append_value(*value);
            }
            map.append(true).unwrap();
        }
        let entry = [("k", DataType::Utf8), ("v", DataType::Int64)];
        check(&(Arc::new(map.finish()) as ArrayRef), &entry, false, true, "-D x 1 2 1 @1\n-D y 2 2 2 @1");
    }

    #[test]
    fn a_column_that_is_no_array_is_refused() {
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Boolean, true)]));
        let spec = Unnest { column: 0, keep_empty: false, ordinality: false, input_schema: schema.clone(), schema };
        assert!(Arc::new(spec).operator().err().unwrap().to_string().contains("ARRAY"));
    }
}
