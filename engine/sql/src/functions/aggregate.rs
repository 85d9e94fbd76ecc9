//! Aggregate functions: their names and types. They are computed by relational operators, never here.

use std::hash::Hash;
use std::sync::Arc;

use arrow_schema::{DataType, Field};
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use yeoul_relational::AggregateFunction;

use crate::error::SqlError;

const NAMES: &[&str] = &[
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "first_value",
    "last_value",
    "listagg",
    "collect",
    "array_agg",
    "stddev_pop",
    "stddev_samp",
    "stddev",
    "var_pop",
    "var_samp",
    "variance",
    "lag",
    "grouping",
];

/// FIRST_VALUE and LAST_VALUE with OVER: the planner looks for those of their own names among rankings.
const OVER_NAMES: &[&str] = &["first_value_over", "last_value_over"];

/// The aggregate that a call with OVER is, if it is known by another name there.
pub(crate) fn over_name(name: &str) -> Option<&'static str> {
    OVER_NAMES
        .iter()
        .find(|over| over.strip_suffix("_over").is_some_and(|known| known.eq_ignore_ascii_case(name)))
        .copied()
}

/// The aggregate of this name.
pub(crate) fn aggregate(name: &str) -> Option<Arc<AggregateUDF>> {
    let name = name.to_lowercase();
    let name = NAMES.iter().chain(OVER_NAMES).find(|known| **known == name)?;
    let function = Aggregate { name, signature: Signature::user_defined(Volatility::Immutable) };
    Some(Arc::new(AggregateUDF::new_from_impl(function)))
}

pub(crate) fn names() -> Vec<String> {
    NAMES.iter().map(|name| (*name).to_owned()).collect()
}

/// The operator's function for a name, without a second argument.
pub(crate) fn function_of(name: &str) -> Option<AggregateFunction> {
    Some(match name {
        "count" => AggregateFunction::Count,
        "sum" => AggregateFunction::Sum,
        "avg" => AggregateFunction::Avg,
        "min" => AggregateFunction::Min,
        "max" => AggregateFunction::Max,
        "first_value" | "first_value_over" => AggregateFunction::FirstValue,
        "last_value" | "last_value_over" => AggregateFunction::LastValue,
        "listagg" => AggregateFunction::ListAgg { separator: ",".into() },
        "collect" => AggregateFunction::Collect,
        "array_agg" => AggregateFunction::ArrayAgg,
        "stddev_pop" => AggregateFunction::StddevPop,
        "stddev" | "stddev_samp" => AggregateFunction::StddevSamp,
        "var_pop" => AggregateFunction::VarPop,
        "variance" | "var_samp" => AggregateFunction::VarSamp,
        "lag" => AggregateFunction::Lag { offset: 1 },
        _ => return None,
    })
}

/// The type of a function over a column of this type, as in Flink: SUM and AVG of whole numbers stay as they are.
pub(crate) fn result_type(function: &AggregateFunction, of: &DataType) -> DataType {
    match function {
        AggregateFunction::Count | AggregateFunction::CountStar => DataType::Int64,
        AggregateFunction::Sum | AggregateFunction::Sum0 => match of {
            DataType::Decimal128(_, scale) => DataType::Decimal128(38, *scale),
            other => other.clone(),
        },
        AggregateFunction::Avg
        | AggregateFunction::StddevPop
        | AggregateFunction::StddevSamp
        | AggregateFunction::VarPop
        | AggregateFunction::VarSamp => match of {
            DataType::Decimal128(_, scale) => DataType::Decimal128(38, (*scale).max(6)),
            other => other.clone(),
        },
        AggregateFunction::ListAgg { .. } => DataType::Utf8View,
        AggregateFunction::Collect => crate::types::multiset(Field::new("key", of.clone(), false)),
        AggregateFunction::ArrayAgg => DataType::List(Arc::new(Field::new("item", of.clone(), true))),
        _ => of.clone(),
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Aggregate {
    name: &'static str,
    signature: Signature,
}

impl Aggregate {
    fn types(&self, given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
        let refuse = |form: &str| {
            let shown: Vec<String> = given.iter().map(crate::types::type_name).collect();
            let error = SqlError::new(format!("{}({}) is no aggregate", self.name.to_uppercase(), shown.join(", ")));
            DataFusionError::External(Box::new(error.hint(format!("write {form}"))))
        };
        if self.name == "grouping" {
            // Resolved by the planner to a part of the grouping set's number.
            return Ok((given.to_vec(), DataType::Int32));
        }
        let function = function_of(self.name).ok_or_else(|| DataFusionError::Internal(self.name.into()))?;
        let taken = match (self.name, given) {
            ("listagg", [_]) => vec![DataType::Utf8View],
            ("listagg", [_, separator]) if super::is_text(separator) => vec![DataType::Utf8View; 2],
            ("listagg", _) => return Err(refuse("LISTAGG(string [, 'separator'])")),
            ("count", [_, ..]) => given.to_vec(),
            ("lag", [_]) => given.to_vec(),
            ("lag", [of, offset]) if super::is_int(offset) => vec![of.clone(), DataType::Int64],
            ("sum" | "avg" | "stddev_pop" | "stddev_samp" | "stddev" | "var_pop" | "var_samp" | "variance", [of]) => {
                if !of.is_numeric() {
                    return Err(refuse(&format!("{}(number)", self.name.to_uppercase())));
                }
                given.to_vec()
            }
            (_, [_]) => given.to_vec(),
            _ => return Err(refuse(&format!("{}(value)", self.name.to_uppercase()))),
        };
        let result = result_type(&function, &taken[0]);
        Ok((taken, result))
    }
}

impl AggregateUDFImpl for Aggregate {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        self.types(given).map(|(taken, _)| taken)
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        self.types(given).map(|(_, result)| result)
    }

    fn is_nullable(&self) -> bool {
        self.name != "count"
    }

    /// What a correlated subquery is where it has no rows.
    fn default_value(&self, of: &DataType) -> Result<ScalarValue> {
        if self.name == "count" { Ok(ScalarValue::Int64(Some(0))) } else { ScalarValue::try_from(of) }
    }

    fn supports_within_group_clause(&self) -> bool {
        false
    }

    fn accumulator(&self, _args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Err(DataFusionError::Internal(format!("{} is computed by an operator", self.name)))
    }

    fn state_fields(&self, _args: StateFieldsArgs<'_>) -> Result<Vec<arrow_schema::FieldRef>> {
        Err(DataFusionError::Internal(format!("{} is computed by an operator", self.name)))
    }
}
