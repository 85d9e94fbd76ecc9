//! Filter and projection.
//!
//! A filter alone selects, and copies nothing; columns that are handed on are not copied either, unless computed columns stand beside
//! them and the filter left rows out.

use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray};
use arrow_buffer::NullBuffer;
use arrow_schema::SchemaRef;
use yeoul_frame::{Columns, Frame, Selection};
use yeoul_operator::{Context, InputId, Operator, OperatorError, OutputId};

use crate::expression::{EvaluationTime, Expression};
use crate::input::Input;

/// A column of a projection.
#[derive(Debug, Clone)]
pub enum Projected {
    /// An input column, handed on.
    Column(usize),
    /// A computed one.
    Computed(Arc<dyn Expression>),
}

/// Keeps rows for which a filter is true, then computes columns.
#[derive(Debug, Clone)]
pub struct Calc {
    /// A boolean; rows for which it is false or null are left out.
    pub filter: Option<Arc<dyn Expression>>,
    /// None: the input's columns.
    pub projection: Option<Vec<Projected>>,
    /// What comes out.
    pub schema: SchemaRef,
}

impl fmt::Display for Calc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Calc(")?;
        if let Some(projection) = &self.projection {
            f.write_str("select=[")?;
            for (at, projected) in projection.iter().enumerate() {
                let separator = if at == 0 { "" } else { ", " };
                match projected {
                    Projected::Column(index) => write!(f, "{separator}${index}")?,
                    Projected::Computed(expression) => write!(f, "{separator}{expression}")?,
                }
            }
            f.write_str("]")?;
        }
        if let Some(filter) = &self.filter {
            write!(f, "{}where=[{filter}]", if self.projection.is_some() { ", " } else { "" })?;
        }
        f.write_str(")")
    }
}

impl Calc {
    /// An instance.
    ///
    /// # Errors
    /// None now; as every spec.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        let read = self.projection.iter().flatten().flat_map(|projected| match projected {
            Projected::Column(_) => &[],
            Projected::Computed(expression) => expression.columns(),
        });
        let mut read: Vec<usize> = read.copied().collect();
        read.sort_unstable();
        read.dedup();
        let computes = self.projection.iter().flatten().any(|column| matches!(column, Projected::Computed(_)));
        Ok(Box::new(CalcOperator { read, computes, spec: self }))
    }
}

struct CalcOperator {
    spec: Arc<Calc>,
    /// What computed columns read.
    read: Vec<usize>,
    computes: bool,
}

impl Operator for CalcOperator {
    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let frame = match &self.spec.filter {
            None => frame.clone(),
            Some(filter) => match keep(filter, frame, cx)? {
                None => return Ok(()),
                Some(kept) => kept,
            },
        };
        let frame = match &self.spec.projection {
            None => frame,
            Some(projection) => self.project(projection, &frame, cx)?,
        };
        cx.emit(OutputId::MAIN, frame);
        Ok(())
    }
}

impl CalcOperator {
    fn project(&self, projection: &[Projected], frame: &Frame, cx: &Context<'_>) -> Result<Frame, OperatorError> {
        let input = Input::of(frame)?;
        let wrong = |error| OperatorError::new("a projection does not fit its schema").caused_by(error);
        if !self.computes {
            let arrays = frame.columns().map_or(&[][..], Columns::arrays);
            let arrays = projection.iter().map(|column| match column {
                Projected::Column(index) => arrays[*index].clone(),
                Projected::Computed(_) => unreachable!("nothing is computed"),
            });
            let columns = Columns::new(self.spec.schema.clone(), arrays.collect()).map_err(wrong)?;
            return Ok(frame.with_columns(columns).without_hashes());
        }
        let dense = input.dense(&self.read)?;
        let times = input.times();
        let time = EvaluationTime { times: &times, now: cx.now(), watermark: cx.watermark() };
        let arrays = projection.iter().map(|column| match column {
            Projected::Column(index) => input.column(*index),
            Projected::Computed(expression) => expression.evaluate(&dense, input.rows(), &time),
        });
        let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
        if input.is_whole() {
            let columns = Columns::new(self.spec.schema.clone(), arrays).map_err(wrong)?;
            return Ok(frame.with_columns(columns).without_hashes());
        }
        let kinds = input.kinds().map(|kinds| kinds.into_owned()).unwrap_or_default();
        crate::output::frame(&self.spec.schema, arrays, times.into_owned(), kinds)
    }
}

/// The rows of a frame for which a filter is true. None: no row.
pub(crate) fn keep(
    filter: &Arc<dyn Expression>,
    frame: &Frame,
    cx: &Context<'_>,
) -> Result<Option<Frame>, OperatorError> {
    let input = Input::of(frame)?;
    let dense = input.dense(filter.columns())?;
    let times = input.times();
    let time = EvaluationTime { times: &times, now: cx.now(), watermark: cx.watermark() };
    let result = filter.evaluate(&dense, input.rows(), &time)?;
    let mask = truths(result.as_boolean_opt().ok_or_else(|| {
        OperatorError::new(format!("a filter gives {} where a boolean is needed", result.data_type()))
    })?);
    let mut position = 0;
    let selection: Selection = frame.selection().refine(|_| {
        position += 1;
        mask.value(position - 1)
    });
    if selection.is_empty() {
        return Ok(None);
    }
    // Nothing was left out: the hashes still stand.
    Ok(Some(if selection.len() == frame.len() { frame.clone() } else { frame.select(selection) }))
}

/// A frame's rows for which a condition is true; all where there is none. None: no row.
pub(crate) fn keep_if(
    condition: Option<&Arc<dyn Expression>>,
    frame: Frame,
    cx: &Context<'_>,
) -> Result<Option<Frame>, OperatorError> {
    match condition {
        None => Ok(Some(frame)),
        Some(condition) => keep(condition, &frame, cx),
    }
}

/// True where the value is true, and false where it is false or null.
pub(crate) fn truths(mask: &BooleanArray) -> BooleanArray {
    match mask.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => BooleanArray::new(mask.values().clone(), None),
        Some(nulls) => BooleanArray::new(mask.values() & NullBuffer::inner(nulls), None),
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, Int64Array};
    use arrow_schema::{DataType, Field, Schema};
    use yeoul_frame::RowKind;

    use super::*;
    use crate::testing::{Harness, Table, rows};

    /// `column % divisor = 0`, null for null.
    #[derive(Debug)]
    struct Divisible(usize, i64, [usize; 1]);

    impl fmt::Display for Divisible {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "${} % {} = 0", self.0, self.1)
        }
    }

    impl Expression for Divisible {
        fn data_type(&self) -> &DataType {
            &DataType::Boolean
        }
        fn nullable(&self) -> bool {
            true
        }
        fn columns(&self) -> &[usize] {
            &self.2
        }
        fn evaluate(&self, input: &Columns, rows: usize, _: &EvaluationTime<'_>) -> Result<ArrayRef, OperatorError> {
            let values: &Int64Array = input.array(self.0).unwrap();
            assert_eq!(values.len(), rows);
            Ok(Arc::new(values.iter().map(|value| value.map(|value| value % self.1 == 0)).collect::<BooleanArray>()))
        }
    }

    /// The column and one more.
    #[derive(Debug)]
    struct Next(usize, [usize; 1]);

    impl fmt::Display for Next {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "${} + 1", self.0)
        }
    }

    impl Expression for Next {
        fn data_type(&self) -> &DataType {
            &DataType::Int64
        }
        fn nullable(&self) -> bool {
            true
        }
        fn columns(&self) -> &[usize] {
            &self.1
        }
        fn evaluate(&self, input: &Columns, _: usize, _: &EvaluationTime<'_>) -> Result<ArrayRef, OperatorError> {
            let values: &Int64Array = input.array(self.0).unwrap();
            Ok(Arc::new(values.iter().map(|value| value.map(|value| value + 1)).collect::<Int64Array>()))
        }
    }

    #[test]
    fn a_filter_and_a_projection_work_on_what_is_selected() {
        let table = Table::new(&[("a", DataType::Int64), ("b", DataType::Utf8View)]);
        let schema = Arc::new(Schema::new(vec![
            Field::new("b", DataType::Utf8View, true),
            Field::new("next", DataType::Int64, true),
        ]));
        let calc = Arc::new(Calc {
            filter: Some(Arc::new(Divisible(0, 2, [0]))),
            projection: Some(vec![Projected::Column(1), Projected::Computed(Arc::new(Next(0, [0])))]),
            schema,
        });
        assert_eq!(calc.to_string(), "Calc(select=[$1, $0 + 1], where=[$0 % 2 = 0])");
        let mut harness = Harness::of(move || calc.clone().operator(), &[]);
        let frame = table.frame("+I 2 x @5\n-U 3 y\n+U 4 z @6\n+I null w\n-D 6 v");
        harness.push(0, frame.clone());
        assert_eq!(rows(&harness.take()), "+I x 3 @5\n+U z 5 @6\n-D v 7 @0");
        harness.push(0, frame.select(Selection::rows(&[4, 3, 0])));
        assert_eq!(rows(&harness.take()), "-D v 7 @0\n+I x 3 @5");
        harness.push(0, frame.slice(2..3));
        assert_eq!(rows(&harness.take()), "+U z 5 @6");
        harness.push(0, frame.slice(1..2));
        assert_eq!(rows(&harness.take()), "");
    }

    #[test]
    fn columns_that_are_handed_on_are_not_copied() {
        let table = Table::new(&[("a", DataType::Int64), ("b", DataType::Utf8View)]);
        let schema = Arc::new(Schema::new(vec![Field::new("b", DataType::Utf8View, true)]));
        let calc = Arc::new(Calc {
            filter: Some(Arc::new(Divisible(0, 2, [0]))),
            projection: Some(vec![Projected::Column(1)]),
            schema,
        });
        let mut harness = Harness::of(move || calc.clone().operator(), &[]);
        let frame = table.frame("+I 1 a\n+I 2 b");
        harness.push(0, frame.clone());
        let out = harness.take();
        assert!(Arc::ptr_eq(&out[0].columns().unwrap().arrays()[0], &frame.columns().unwrap().arrays()[1]));
        assert_eq!(out[0].len(), 1);
        assert_eq!(out[0].kinds().map(|kinds| kinds[1]), Some(RowKind::Insert));
    }
}
