//! OVER: each row with what is computed over the rows before it.

mod calls;
mod sliding;
mod total;
mod timed;
mod partition;
mod ranked;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::{DataType, SchemaRef};
use yeoul_operator::{Operator, OperatorError};

use crate::aggregate::{AggregateCall, columns};
use crate::key::{KeyForm, by_key_form};
use crate::output::check_schema;
use crate::sort_key::{SortKey, check, list};
use crate::time_order::{OrderTime, millis};

/// Which rows before the current one a call sees, the current one included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OverFrame {
    /// All before it in the order, with its peers.
    UnboundedRange,
    /// All before it in the order.
    UnboundedRows,
    /// So many rows before it.
    Rows {
        /// How many.
        preceding: u64,
    },
    /// Rows of so many milliseconds before it, with its peers.
    Range {
        /// How many.
        preceding: i64,
    },
}

/// What is computed over the rows before each row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OverCall {
    /// An aggregate.
    Aggregate(AggregateCall),
    /// The row's number, from 1.
    RowNumber,
    /// Its rank, with gaps.
    Rank,
    /// Its rank, without gaps.
    DenseRank,
}

/// Aggregates over the rows before each row. Late rows are counted, and go to [`LATE`](crate::LATE).
#[derive(Debug, Clone)]
pub struct OverAggregate {
    /// The partition.
    pub partition: Vec<usize>,
    /// What rows are ordered by.
    pub order: Vec<SortKey>,
    /// The time that the order is by; none if it is no time, then rows are ranked again as they change.
    pub time: Option<OrderTime>,
    /// Which rows a call sees.
    pub frame: OverFrame,
    /// What is computed.
    pub calls: Vec<OverCall>,
    /// Whether rows may be taken back.
    pub retracting_input: bool,
    /// Whether a change is sent with the row as it was.
    pub update_before: bool,
    /// A partition that was not written for so long is forgotten.
    pub ttl: Option<Duration>,
    /// What comes in.
    pub input_schema: SchemaRef,
    /// What comes out: the input's columns, then the results.
    pub schema: SchemaRef,
}

impl fmt::Display for OverFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnboundedRange => f.write_str("RANGE UNBOUNDED PRECEDING"),
            Self::UnboundedRows => f.write_str("ROWS UNBOUNDED PRECEDING"),
            Self::Rows { preceding } => write!(f, "ROWS {preceding} PRECEDING"),
            Self::Range { preceding } => write!(f, "RANGE {} PRECEDING", millis(*preceding)),
        }
    }
}

impl fmt::Display for OverCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aggregate(call) => call.fmt(f),
            Self::RowNumber => f.write_str("ROW_NUMBER()"),
            Self::Rank => f.write_str("RANK()"),
            Self::DenseRank => f.write_str("DENSE_RANK()"),
        }
    }
}

impl fmt::Display for OverAggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls: Vec<String> = self.calls.iter().map(ToString::to_string).collect();
        write!(
            f,
            "OverAggregate(partitionBy=[{}], orderBy=[{}], window=[{}], select=[{}])",
            columns(&self.partition),
            list(&self.order),
            self.frame,
            calls.join(", ")
        )
    }
}

impl OverAggregate {
    /// An instance.
    ///
    /// # Errors
    /// A call or order for which there is none, or a schema that is not that of the results.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        let mut types: Vec<DataType> =
            self.input_schema.fields().iter().map(|field| field.data_type().clone()).collect();
        types.extend(self.calls.iter().map(|call| match call {
            OverCall::Aggregate(call) => call.result.clone(),
            _ => DataType::Int64,
        }));
        check_schema("OverAggregate", &self.schema, &types)?;
        let form = KeyForm::of(&self.input_schema, &self.partition);
        let Some(time) = self.time else {
            check(&self.input_schema, &self.order)?;
            return by_key_form!(form, K => Ok(Box::new(ranked::RankedOperator::<K>::new(self)?)));
        };
        if self.order.len() > 1 {
            return crate::refusal::not_supported(&format!("{self} by more than a time"));
        }
        by_key_form!(form, K => Ok(Box::new(timed::TimedOperator::<K>::new(self, time)?)))
    }
}
