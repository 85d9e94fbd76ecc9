//! An aggregate call as plans describe it.

use std::fmt;

use arrow_schema::DataType;

/// What is computed over a group. Nulls are left out, but by `CountStar`; over no values a result is null, but for counts and `Sum0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AggregateFunction {
    /// `COUNT(*)`.
    CountStar,
    /// `COUNT(x)`.
    Count,
    /// `SUM(x)`: integers wrap around, a decimal past 38 digits is null.
    Sum,
    /// `SUM(x)`, 0 over no values.
    Sum0,
    /// `AVG(x)`: over integers truncated, over decimals rounded half up.
    Avg,
    /// `MIN(x)`.
    Min,
    /// `MAX(x)`.
    Max,
    /// `FIRST_VALUE(x)`, in the order of arrival.
    FirstValue,
    /// `LAST_VALUE(x)`, in the order of arrival.
    LastValue,
    /// `LISTAGG(x, separator)`, in the order of arrival.
    ListAgg {
        /// What stands between values.
        separator: String,
    },
    /// `STDDEV_POP(x)`.
    StddevPop,
    /// `STDDEV_SAMP(x)`, null over one value.
    StddevSamp,
    /// `VAR_POP(x)`.
    VarPop,
    /// `VAR_SAMP(x)`, null over one value.
    VarSamp,
    /// `COLLECT(x)`: values with their counts.
    Collect,
    /// `ARRAY_AGG(x)`, in the order of arrival.
    ArrayAgg,
    /// `LAG(x, offset)`: the value so many rows before. Over rows in an order only.
    Lag {
        /// How many.
        offset: i64,
    },
}

/// One aggregate call over columns of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AggregateCall {
    /// What is computed.
    pub function: AggregateFunction,
    /// The column of the argument; none for `COUNT(*)`.
    pub argument: Option<usize>,
    /// A boolean column: only rows for which it is true count.
    pub filter: Option<usize>,
    /// Each value counts once.
    pub distinct: bool,
    /// The result's type.
    pub result: DataType,
}

impl AggregateCall {
    /// A call without filter and DISTINCT.
    #[must_use]
    pub fn new(function: AggregateFunction, argument: Option<usize>, result: DataType) -> Self {
        Self { function, argument, filter: None, distinct: false, result }
    }

    /// The same call over rows for which a boolean column is true.
    #[must_use]
    pub fn filter(self, column: usize) -> Self {
        Self { filter: Some(column), ..self }
    }

    /// The same call over distinct values.
    #[must_use]
    pub fn distinct(self) -> Self {
        Self { distinct: true, ..self }
    }
}

impl fmt::Display for AggregateCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.function {
            AggregateFunction::CountStar | AggregateFunction::Count => "COUNT",
            AggregateFunction::Sum => "SUM",
            AggregateFunction::Sum0 => "$SUM0",
            AggregateFunction::Avg => "AVG",
            AggregateFunction::Min => "MIN",
            AggregateFunction::Max => "MAX",
            AggregateFunction::FirstValue => "FIRST_VALUE",
            AggregateFunction::LastValue => "LAST_VALUE",
            AggregateFunction::ListAgg { .. } => "LISTAGG",
            AggregateFunction::StddevPop => "STDDEV_POP",
            AggregateFunction::StddevSamp => "STDDEV_SAMP",
            AggregateFunction::VarPop => "VAR_POP",
            AggregateFunction::VarSamp => "VAR_SAMP",
            AggregateFunction::Collect => "COLLECT",
            AggregateFunction::ArrayAgg => "ARRAY_AGG",
            AggregateFunction::Lag { .. } => "LAG",
        };
        write!(f, "{name}({}", if self.distinct { "DISTINCT " } else { "" })?;
        match self.argument {
            None => f.write_str("*")?,
            Some(column) => write!(f, "${column}")?,
        }
        if let AggregateFunction::ListAgg { separator } = &self.function {
            write!(f, ", '{separator}'")?;
        }
        if let AggregateFunction::Lag { offset } = &self.function {
            write!(f, ", {offset}")?;
        }
        f.write_str(")")?;
        self.filter.map_or(Ok(()), |column| write!(f, " FILTER ${column}"))
    }
}

/// `COUNT(*), SUM($1)`: the calls of an operator, for plans.
pub(crate) fn list(calls: &[AggregateCall]) -> String {
    calls.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// `$0, $1`: columns, for plans.
pub(crate) fn columns(columns: &[usize]) -> String {
    columns.iter().map(|column| format!("${column}")).collect::<Vec<_>>().join(", ")
}
