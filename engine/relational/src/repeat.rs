//! Rows as often as a number of theirs says: counted rows become rows again.
//!
//! Of a row whose number changes as many come or go as the number rises or falls, whatever it is: work is by the change.

use std::fmt;
use std::sync::Arc;

use arrow_array::{Array, UInt32Array};
use arrow_schema::{DataType, SchemaRef};
use yeoul_frame::{Frame, RowKind};
use yeoul_operator::{Context, InputId, Operator, OperatorError};

use crate::input::{Input, gather};
use crate::output::{OUTPUT_ROWS, check_schema, emit};
use crate::row::{EncodedRows, RowCodec};
use crate::word::read_words;

/// Takes a number away from rows, which are there as often as it says. Less than none is none.
#[derive(Debug, Clone)]
pub struct Repeat {
    /// The column of the number.
    pub times: usize,
    /// Whether a row whose number is null or none is kept once.
    pub keep_empty: bool,
    /// What comes in.
    pub input_schema: SchemaRef,
    /// What comes out: the input's columns without the number.
    pub schema: SchemaRef,
}

impl fmt::Display for Repeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Repeat(times=[${}])", self.times)
    }
}

impl Repeat {
    /// An instance.
    ///
    /// # Errors
    /// A column that is no whole number, or a schema that is not that of the result.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        let mut types: Vec<DataType> =
            self.input_schema.fields().iter().map(|field| field.data_type().clone()).collect();
        if !matches!(types.get(self.times), Some(DataType::Int32 | DataType::Int64)) {
            return Err(OperatorError::new(format!("{self} over a column of {:?}", types.get(self.times)))
                .hint("rows are repeated by an INT or a BIGINT"));
        }
        types.remove(self.times);
        check_schema("Repeat", &self.schema, &types)?;
        Ok(Box::new(RepeatOperator { codec: RowCodec::new(types).ok(), rows: EncodedRows::default(), spec: self }))
    }
}

struct RepeatOperator {
    spec: Arc<Repeat>,
    /// None: rows of these types are not compared.
    codec: Option<RowCodec>,
    rows: EncodedRows,
}

impl Operator for RepeatOperator {
    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let Self { spec, codec, rows } = self;
        let input = Input::of(frame)?;
        let mut columns = input.all_columns()?;
        let numbers = columns.remove(spec.times);
        let mut words = Vec::new();
        read_words(&numbers, &mut words);
        let least = i64::from(spec.keep_empty);
        let times_of = |row: usize| if numbers.is_null(row) { least } else { (words[row] as i64).max(least) };
        let (times, kinds) = (input.times(), input.kinds());
        let mut send = |out: &mut Vec<(u32, RowKind)>| {
            let positions = UInt32Array::from_iter_values(out.iter().map(|(row, _)| *row));
            let arrays = columns.iter().map(|column| gather(column, &positions)).collect::<Result<_, _>>()?;
            let times = out.iter().map(|(row, _)| times[*row as usize]).collect();
            let kinds = if kinds.is_some() { out.iter().map(|(_, kind)| *kind).collect() } else { Vec::new() };
            out.clear();
            emit(cx, &spec.schema, arrays, times, kinds)
        };
        let compares = kinds.is_some() && codec.is_some();
        if let Some(codec) = codec.as_ref().filter(|_| compares) {
            codec.encode(&columns, input.rows(), rows)?;
        }
        let mut out: Vec<(u32, RowKind)> = Vec::new();
        let mut row = 0;
        while row < input.rows() {
            let kind = |row: usize| kinds.as_ref().map_or(RowKind::Insert, |kinds| kinds[row]);
            let is_pair = compares
                && kind(row) == RowKind::UpdateBefore
                && row + 1 < input.rows()
                && kind(row + 1) == RowKind::UpdateAfter
                && rows.row(row) == rows.row(row + 1);
            let (by, next) = if is_pair {
                (times_of(row + 1).saturating_sub(times_of(row)), row + 2)
            } else {
                let goes = matches!(kind(row), RowKind::UpdateBefore | RowKind::Delete);
                (if goes { -times_of(row) } else { times_of(row) }, row + 1)
            };
            let of = if by < 0 { (row as u32, RowKind::Delete) } else { (next as u32 - 1, RowKind::Insert) };
            for _ in 0..by.unsigned_abs() {
                out.push(of);
                if out.len() == OUTPUT_ROWS {
                    send(&mut out)?;
                }
            }
            row = next;
        }
        send(&mut out)
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::DataType;

    use super::*;
    use crate::testing::{Harness, Table, rows};

    fn harness(keep_empty: bool) -> (Harness, Table) {
        let (input, given) =
            (Table::new(&[("a", DataType::Int64), ("n", DataType::Int64)]), Table::new(&[("a", DataType::Int64)]));
        let (input_schema, schema) = (input.schema().clone(), given.schema().clone());
        let spec = Arc::new(Repeat { times: 1, keep_empty, input_schema, schema });
        (Harness::of(move || spec.clone().operator(), &[]), input)
    }

    fn check(keep_empty: bool, input: &str, expected: &str) {
        let (mut harness, table) = harness(keep_empty);
        harness.push(0, table.frame(input));
        assert_eq!(rows(&harness.take()), expected, "{input}");
    }

    #[test]
    fn rows_are_there_as_often_as_their_number_says() {
        check(false, "+I 1 2 @1\n+I 2 0 @2\n+I 3 -4 @3\n+I 4 null @4\n+I 5 1 @5", "+I 1 @1\n+I 1 @1\n+I 5 @5");
        check(true, "+I 1 2 @1\n+I 2 null @2\n-D 3 0 @3", "+I 1 @1\n+I 1 @1\n+I 2 @2\n-D 3 @3");
        check(false, "-D 1 2 @1\n+U 2 1 @2\n-U 3 1 @3", "-D 1 @1\n-D 1 @1\n+I 2 @2\n-D 3 @3");
    }

    #[test]
    fn a_number_that_changes_costs_what_it_changes_by() {
        check(false, "-U 1 5 @1\n+U 1 7 @2\n-U 2 3 @3\n+U 2 2 @4\n-U 3 9 @5\n+U 3 9 @6", "+I 1 @2\n+I 1 @2\n-D 2 @3");
        check(false, "-U 1 -5 @1\n+U 1 1 @2\n-U 1 1 @3\n+U 1 -2 @4", "+I 1 @2\n-D 1 @3");
        check(true, "-U 1 null @1\n+U 1 1 @2\n-U 1 1 @3\n+U 1 2 @4", "+I 1 @4");
        // Another row.
        check(false, "-U 1 1 @1\n+U 2 1 @2", "-D 1 @1\n+I 2 @2");
        let (mut harness, table) = harness(false);
        harness.push(0, table.frame("-U 1 1000000000000 @1\n+U 1 1000000010000 @2"));
        let given: Vec<usize> = harness.take().iter().map(Frame::len).collect();
        assert_eq!(given, [OUTPUT_ROWS, OUTPUT_ROWS, 10_000 - 2 * OUTPUT_ROWS]);
    }

    #[test]
    fn a_column_that_is_no_number_is_refused() {
        let schema = Table::new(&[("a", DataType::Boolean)]).schema().clone();
        let spec = Repeat { times: 0, keep_empty: false, input_schema: schema.clone(), schema };
        assert!(Arc::new(spec).operator().err().unwrap().to_string().contains("BIGINT"));
    }
}
