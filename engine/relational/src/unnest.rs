//! A row for each element of an array or map, or as often as a number says.

use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_schema::{DataType, SchemaRef};
use yeoul_frame::{Frame, RowKind};
use yeoul_operator::{Context, InputId, Operator, OperatorError};

use crate::input::{Input, gather};
use crate::output::{OUTPUT_ROWS, check_schema, emit};
use crate::word::{read_words, words_to_array};

/// Replaces an array by its elements (a map by its keys and values), one row for each. A number is replaced by nothing, and its row is there
/// as often as it says.
#[derive(Debug, Clone)]
pub struct Unnest {
    /// The column of the array, map or number.
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
    /// A column that is no array, map or number, or a schema that is not that of the result.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        let mut types: Vec<DataType> =
            self.input_schema.fields().iter().map(|field| field.data_type().clone()).collect();
        let elements: Vec<DataType> = match types.get(self.column) {
            Some(DataType::List(element)) => vec![element.data_type().clone()],
            Some(DataType::Map(entry, _)) => match entry.data_type() {
                DataType::Struct(fields) => fields.iter().map(|field| field.data_type().clone()).collect(),
                other => vec![other.clone()],
            },
            Some(DataType::Int32 | DataType::Int64) => Vec::new(),
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
        let mut words = Vec::new();
        let (offsets, elements): (&[i32], Vec<ArrayRef>) = match array.data_type() {
            DataType::Map(..) => {
                let map = array.as_map();
                (map.value_offsets(), vec![map.keys().clone(), map.values().clone()])
            }
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                (list.value_offsets(), vec![list.values().clone()])
            }
            _ => {
                read_words(&array, &mut words);
                (&[], Vec::new())
            }
        };
        let range = |row: usize| match (array.is_null(row), words.get(row)) {
            (true, _) => 0..0,
            (false, None) => offsets[row] as u32..offsets[row + 1] as u32,
            // Less than none is none, and nobody holds more rows than these.
            (false, Some(&times)) => 0..(times as i64).clamp(0, i64::from(u32::MAX)) as u32,
        };
        // By output row: the input's row, the element, and its number.
        let mut out: Vec<(u32, Option<u32>, Option<u32>)> = Vec::new();
        for row in 0..input.rows() {
            let range = range(row);
            if range.is_empty() && spec.keep_empty {
                out.push((row as u32, None, None));
            }
            out.extend(range.zip(1..).map(|(element, number)| (row as u32, Some(element), Some(number))));
        }
        let (columns, times, kinds) = (input.all_columns()?, input.times(), input.kinds());
        for out in out.chunks(OUTPUT_ROWS) {
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
            let of = |row: &(u32, Option<u32>, Option<u32>)| row.0 as usize;
            let kinds: Vec<RowKind> = kinds.iter().flat_map(|kinds| out.iter().map(|row| kinds[of(row)])).collect();
            emit(cx, &spec.schema, arrays, out.iter().map(|row| times[of(row)]).collect(), kinds)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::builder::{Int64Builder, MapBuilder, StringBuilder};
    use arrow_array::types::Int64Type;
    use arrow_array::{Int64Array, ListArray};
    use arrow_schema::{Field, Schema};
    use yeoul_frame::{ColumnBatch, Selection, Timestamp};

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
        let times: ArrayRef = Arc::new(Int64Array::from(vec![Some(9), Some(2), None, Some(-1), Some(1)]));
        check(&times, &[], false, false, "-D 2 @1\n-D 2 @1\n-D 5 @4");
        check(&times, &[], true, true, "-D 2 1 @1\n-D 2 2 @1\n-D 3 null @2\n-D 4 null @3\n-D 5 1 @4");
    }

    #[test]
    fn a_column_that_is_no_array_is_refused() {
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Boolean, true)]));
        let spec = Unnest { column: 0, keep_empty: false, ordinality: false, input_schema: schema.clone(), schema };
        assert!(Arc::new(spec).operator().err().unwrap().to_string().contains("ARRAY"));
    }
}
