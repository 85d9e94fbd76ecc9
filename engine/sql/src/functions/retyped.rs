//! The name of a CAST while a query is planned: DataFusion names a cast as what is cast, so that `AVG(v)` and `AVG(CAST(v AS DOUBLE))`
//! would be one column. A call of this function stands around each CAST that is written, until the plan's types are resolved.

use std::sync::Arc;

use arrow_schema::{DataType, FieldRef};
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// No script can write this name.
pub(crate) const RETYPED: &str = "\u{1}retyped";

/// The function, of a CAST and its type's name.
pub(super) fn retyped() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Retyped { signature: Signature::any(2, Volatility::Immutable) }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Retyped {
    signature: Signature,
}

impl ScalarUDFImpl for Retyped {
    fn name(&self) -> &str {
        RETYPED
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        self.schema_name(args)
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        match args {
            [of, Expr::Literal(name, _)] => {
                Ok(format!("CAST({} AS {})", of.schema_name(), name.try_as_str().flatten().unwrap_or_default()))
            }
            _ => Ok("CAST".to_owned()),
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(given[0].clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::clone(&args.arg_fields[0]))
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(DataFusionError::Internal("the name of a CAST is evaluated".to_owned()))
    }
}
