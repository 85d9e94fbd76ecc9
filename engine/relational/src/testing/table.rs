//! Column frames from text, and text from them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::*;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use yeoul_frame::{ColumnBatch, Frame, RowKind, Timestamp};

/// The rows that a changelog has come to, with how often each is there.
pub(crate) type Fold = BTreeMap<String, i64>;

/// A schema whose frames are written as text.
#[derive(Clone)]
pub(crate) struct Table(SchemaRef);

impl Table {
    pub(crate) fn new(columns: &[(&str, DataType)]) -> Self {
        let field = |(name, data_type): &(&str, DataType)| Field::new(*name, data_type.clone(), true);
        Self(Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>())))
    }

    /// The same columns, never null.
    pub(crate) fn not_null(self) -> Self {
        let field = |field: &Arc<Field>| field.as_ref().clone().with_nullable(false);
        Self(Arc::new(Schema::new(self.0.fields().iter().map(field).collect::<Vec<_>>())))
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.0
    }

    /// A frame of lines `+I 1 text null @time`, the time being 0 if it is left out.
    pub(crate) fn frame(&self, text: &str) -> Frame {
        let (mut kinds, mut times) = (vec![], vec![]);
        let mut cells: Vec<Vec<Option<&str>>> = vec![vec![]; self.0.fields().len()];
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (line, time) = line.split_once('@').unwrap_or((line, "0"));
            let mut words = line.split_whitespace();
            kinds.push(match words.next().unwrap() {
                "+I" => RowKind::Insert,
                "-U" => RowKind::UpdateBefore,
                "+U" => RowKind::UpdateAfter,
                "-D" => RowKind::Delete,
                other => panic!("{other} is no kind of row"),
            });
            times.push(Timestamp(time.trim().parse().unwrap()));
            for column in &mut cells {
                column.push(Some(words.next().expect("a value for each column")).filter(|word| *word != "null"));
            }
            assert_eq!(words.next(), None, "more values than columns: {line}");
        }
        let arrays = self.0.fields().iter().zip(&cells).map(|(field, cells)| array(field.data_type(), cells));
        ColumnBatch::of(self.0.clone(), arrays.collect(), times, kinds).unwrap()
    }
}

fn array(data_type: &DataType, cells: &[Option<&str>]) -> ArrayRef {
    fn of<T: ArrowPrimitiveType>(data_type: &DataType, cells: &[Option<&str>]) -> ArrayRef
    where
        T::Native: std::str::FromStr<Err: std::fmt::Debug>,
    {
        let values = cells.iter().map(|cell| cell.map(|cell| cell.parse::<T::Native>().unwrap()));
        Arc::new(values.collect::<PrimitiveArray<T>>().with_data_type(data_type.clone()))
    }
    match data_type {
        DataType::Boolean => {
            Arc::new(cells.iter().map(|cell| cell.map(|cell| cell == "true")).collect::<BooleanArray>())
        }
        DataType::Int16 => of::<Int16Type>(data_type, cells),
        DataType::Int32 => of::<Int32Type>(data_type, cells),
        DataType::Int64 => of::<Int64Type>(data_type, cells),
        DataType::Float32 => of::<Float32Type>(data_type, cells),
        DataType::Float64 => of::<Float64Type>(data_type, cells),
        DataType::Decimal128(..) => of::<Decimal128Type>(data_type, cells),
        DataType::Timestamp(TimeUnit::Millisecond, _) => of::<TimestampMillisecondType>(data_type, cells),
        DataType::Utf8 => Arc::new(cells.iter().copied().collect::<StringArray>()),
        DataType::Utf8View => Arc::new(cells.iter().copied().collect::<StringViewArray>()),
        other => panic!("tests write no {other}"),
    }
}

fn cell(array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "null".to_owned();
    }
    match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).to_string(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float32 => array.as_primitive::<Float32Type>().value(row).to_string(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).to_string(),
        DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().value(row).to_string(),
        DataType::Timestamp(..) => array.as_primitive::<TimestampMillisecondType>().value(row).to_string(),
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::Utf8View => array.as_string_view().value(row).to_owned(),
        other => panic!("tests show no {other}"),
    }
}

/// Kind, values and time of each selected row.
fn lines(frames: &[Frame]) -> Vec<(RowKind, String, i64)> {
    let mut lines = Vec::new();
    for frame in frames {
        let arrays = frame.columns().unwrap().arrays();
        for row in frame.indices() {
            let kind = frame.kinds().map_or(RowKind::Insert, |kinds| kinds[row as usize]);
            let cells: Vec<String> = arrays.iter().map(|array| cell(array, row as usize)).collect();
            lines.push((kind, cells.join(" "), frame.times()[row as usize].0));
        }
    }
    lines
}

/// The rows of frames as lines `+I 1 text @time`.
pub(crate) fn rows(frames: &[Frame]) -> String {
    let line = |(kind, cells, time): (RowKind, String, i64)| format!("{} {cells} @{time}", kind.short());
    lines(frames).into_iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Applies a changelog to what it has come to. Panics if it takes away what is not there.
pub(crate) fn fold(into: &mut Fold, frames: &[Frame]) {
    for (kind, cells, _) in lines(frames) {
        let count = into.entry(cells.clone()).or_default();
        match kind {
            RowKind::Insert | RowKind::UpdateAfter => *count += 1,
            RowKind::UpdateBefore | RowKind::Delete => *count -= 1,
        }
        assert!(*count >= 0, "{} {cells} takes away what is not there", kind.short());
        if *count == 0 {
            into.remove(&cells);
        }
    }
}
