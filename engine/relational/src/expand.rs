//! Rows repeated for grouping sets.

use std::fmt;
use std::sync::Arc;

use arrow_array::{ArrayRef, new_null_array};
use arrow_schema::SchemaRef;
use yeoul_frame::Frame;
use yeoul_operator::{Context, InputId, Operator, OperatorError};

use crate::input::Input;
use crate::output::emit;
use crate::word::{width, words_to_array};

/// Repeats rows once for each grouping set, with the columns that are not in it as null and the set's number last.
#[derive(Debug, Clone)]
pub struct Expand {
    /// For each set, which of `columns` are in it.
    pub sets: Vec<Vec<bool>>,
    /// The number of each set.
    pub ids: Vec<u64>,
    /// The grouping columns.
    pub columns: Vec<usize>,
    /// What comes out: the input's columns, then the number.
    pub schema: SchemaRef,
}

impl fmt::Display for Expand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = |set: &Vec<bool>| {
            let within = self.columns.iter().zip(set).filter(|(_, within)| **within);
            format!("({})", within.map(|(column, _)| format!("${column}")).collect::<Vec<_>>().join(", "))
        };
        write!(f, "Expand(sets=[{}])", self.sets.iter().map(set).collect::<Vec<_>>().join(", "))
    }
}

impl Expand {
    /// An instance.
    ///
    /// # Errors
    /// Sets that do not say for each column whether it is in them, or that have no number, or a schema without a column for it.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        let fits = self.sets.iter().all(|set| set.len() == self.columns.len()) && self.sets.len() == self.ids.len();
        let id = self.schema.fields().last().map(|field| field.data_type());
        if !fits || !id.is_some_and(|id| id.is_integer() && width(id).is_some()) {
            return Err(OperatorError::new(format!("{self} over {:?} does not give {:?}", self.columns, self.schema)));
        }
        Ok(Box::new(ExpandOperator(self)))
    }
}

struct ExpandOperator(Arc<Expand>);

impl Operator for ExpandOperator {
    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let spec = &self.0;
        let input = Input::of(frame)?;
        let (columns, rows) = (input.all_columns()?, input.rows());
        let (times, kinds) = (input.times(), input.kinds());
        for (set, id) in spec.sets.iter().zip(&spec.ids) {
            let mut arrays: Vec<ArrayRef> = columns.clone();
            for (&column, _) in spec.columns.iter().zip(set).filter(|(_, within)| !**within) {
                arrays[column] = new_null_array(columns[column].data_type(), rows);
            }
            let id = vec![*id; rows];
            arrays.push(words_to_array(spec.schema.field(columns.len()).data_type(), id, None));
            let kinds = kinds.as_ref().map(|kinds| kinds.to_vec()).unwrap_or_default();
            emit(cx, &spec.schema, arrays, times.to_vec(), kinds)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::DataType;

    use super::*;
    use crate::testing::{Harness, Table, rows};

    #[test]
    fn a_row_goes_out_for_each_set() {
        let table = Table::new(&[("a", DataType::Int64), ("b", DataType::Utf8View), ("v", DataType::Int64)]);
        let schema = Table::new(&[
            ("a", DataType::Int64),
            ("b", DataType::Utf8View),
            ("v", DataType::Int64),
            ("id", DataType::Int32),
        ]);
        let spec = Arc::new(Expand {
            sets: vec![vec![true, true], vec![true, false], vec![false, false]],
            ids: vec![0, 1, 3],
            columns: vec![0, 1],
            schema: schema.schema().clone(),
        });
        assert_eq!(spec.to_string(), "Expand(sets=[($0, $1), ($0), ()])");
        let wrong = Arc::new(Expand { sets: vec![vec![true]], ..spec.as_ref().clone() });
        assert!(wrong.operator().is_err());
        let mut harness = Harness::of(move || spec.clone().operator(), &[]);
        harness.push(0, table.frame("+I 1 x 5 @7\n-D 2 y 6 @8"));
        assert_eq!(
            rows(&harness.take()),
            "+I 1 x 5 0 @7\n-D 2 y 6 0 @8\n+I 1 null 5 1 @7\n-D 2 null 6 1 @8\n+I null null 5 3 @7\n-D null null 6 3 @8"
        );
    }
}
