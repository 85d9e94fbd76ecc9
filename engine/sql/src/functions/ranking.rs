//! ROW_NUMBER, RANK and DENSE_RANK: their names and types. They are computed by relational operators.

use std::hash::Hash;
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef};
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion_expr::{PartitionEvaluator, Signature, Volatility, WindowUDF, WindowUDFImpl};

const NAMES: &[&str] = &["row_number", "rank", "dense_rank"];

/// The ranking function of this name.
pub(crate) fn ranking(name: &str) -> Option<Arc<WindowUDF>> {
    let name = name.to_lowercase();
    let name = NAMES.iter().find(|known| **known == name)?;
    Some(Arc::new(WindowUDF::new_from_impl(Ranking { name, signature: Signature::nullary(Volatility::Immutable) })))
}

pub(crate) fn names() -> Vec<String> {
    NAMES.iter().map(|name| (*name).to_owned()).collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Ranking {
    name: &'static str,
    signature: Signature,
}

impl WindowUDFImpl for Ranking {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(&self, _args: PartitionEvaluatorArgs<'_>) -> Result<Box<dyn PartitionEvaluator>> {
        Err(DataFusionError::Internal(format!("{} is computed by an operator", self.name)))
    }

    fn field(&self, field_args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(field_args.name(), DataType::Int64, false)))
    }
}
