//! UNION ALL: several inputs handed on as they come.

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use yeoul_frame::{Columns, Frame};
use yeoul_operator::{Context, InputId, Operator, OperatorError, OutputId};

/// Hands on what comes by any input, under one schema.
#[derive(Debug, Clone)]
pub struct Union {
    /// The names of what comes out; the types are those of every input.
    pub schema: SchemaRef,
}

impl fmt::Display for Union {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Union(all=[true])")
    }
}

impl Union {
    /// An instance.
    ///
    /// # Errors
    /// None now; as every spec.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        Ok(Box::new(UnionOperator(self)))
    }
}

struct UnionOperator(Arc<Union>);

impl Operator for UnionOperator {
    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let arrays = frame.columns().map(|columns| columns.arrays().to_vec()).unwrap_or_default();
        let columns = Columns::new(self.0.schema.clone(), arrays)
            .map_err(|error| OperatorError::new("an input of a union has other columns").caused_by(error))?;
        cx.emit(OutputId::MAIN, frame.with_columns(columns));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::DataType;

    use super::*;
    use crate::testing::{Harness, Table, rows};

    #[test]
    fn rows_of_both_inputs_pass_under_one_schema() {
        let (left, right) = (Table::new(&[("a", DataType::Int64)]), Table::new(&[("b", DataType::Int64)]));
        let spec = Arc::new(Union { schema: left.schema().clone() });
        let mut harness = Harness::of(move || spec.clone().operator(), &[]);
        harness.push(0, left.frame("+I 1"));
        harness.push(1, right.frame("-D 2"));
        let out = harness.take();
        assert_eq!(rows(&out), "+I 1 @0\n-D 2 @0");
        assert_eq!(out[1].columns().unwrap().schema().field(0).name(), "a");
        let wrong = Table::new(&[("b", DataType::Utf8)]);
        assert!(harness.try_push(0, wrong.frame("+I x")).is_err());
    }
}
