//! Top-n: the first rows of each partition, in an order.

mod operator;
mod ranked;
mod windowed;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::{DataType, SchemaRef};
use yeoul_operator::{Operator, OperatorError};

use crate::aggregate::columns;
use crate::key::{KeyForm, by_key_form};
use crate::output::check_schema;
use crate::sort_key::{SortKey, check, list};
pub(crate) use ranked::{Ranked, RankedRow};

/// What is known of the input's changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RankStrategy {
    /// Rows only come in: no more of a partition is kept than comes out.
    AppendOnly,
    /// A row is replaced by an update without UPDATE_BEFORE: these columns say which.
    Update {
        /// The input's upsert key.
        upsert_key: Vec<usize>,
    },
    /// Rows come in and are taken back.
    Retract,
}

/// The rows of each partition from one place to another (`ROW_NUMBER`). Among equals, the first to arrive is first.
#[derive(Debug, Clone)]
pub struct Rank {
    /// The partition.
    pub partition: Vec<usize>,
    /// What rows are ordered by.
    pub order: Vec<SortKey>,
    /// The first place that comes out, from 1.
    pub from: u64,
    /// The last place that comes out.
    pub to: u64,
    /// Whether the place comes out, as the last column.
    pub rank_column: bool,
    /// What is known of the input's changes.
    pub strategy: RankStrategy,
    /// The column of the window's end, if ranks are within windows: a partition comes out once, when its window is over.
    pub window_end: Option<usize>,
    /// Whether a change is sent with the row as it was.
    pub update_before: bool,
    /// A partition that was not written for so long is forgotten.
    pub ttl: Option<Duration>,
    /// What comes in.
    pub input_schema: SchemaRef,
    /// What comes out: the input's columns, and the place as BIGINT if that is asked for.
    pub schema: SchemaRef,
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let strategy = match &self.strategy {
            RankStrategy::AppendOnly => "AppendFastStrategy".to_owned(),
            RankStrategy::Update { upsert_key } => format!("UpdateFastStrategy[{}]", columns(upsert_key)),
            RankStrategy::Retract => "RetractStrategy".to_owned(),
        };
        write!(
            f,
            "Rank(strategy=[{strategy}], rankType=[ROW_NUMBER], rankRange=[rankStart={}, rankEnd={}], partitionBy=[{}], orderBy=[{}])",
            self.from,
            self.to,
            columns(&self.partition),
            list(&self.order)
        )
    }
}

impl Rank {
    /// An instance.
    ///
    /// # Errors
    /// Places that are none, a type that cannot be kept or ordered, or a schema that is not that of the result.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        if self.from == 0 || self.to < self.from {
            return Err(OperatorError::new(format!("{self}: the places from {} to {} are none", self.from, self.to)));
        }
        check(&self.input_schema, &self.order)?;
        let mut types: Vec<DataType> =
            self.input_schema.fields().iter().map(|field| field.data_type().clone()).collect();
        types.extend(self.rank_column.then_some(DataType::Int64));
        check_schema("Rank", &self.schema, &types)?;
        let form = KeyForm::of(&self.input_schema, &self.partition);
        let Some(end) = self.window_end else {
            return by_key_form!(form, K => Ok(Box::new(operator::RankOperator::<K>::new(self)?)));
        };
        if self.strategy != RankStrategy::AppendOnly || !self.partition.contains(&end) {
            return Err(OperatorError::new(format!(
                "{self} within windows, over rows that change or without its window"
            ))
            .hint("rank the rows of a window table function or of a windowed aggregate, and partition by the window"));
        }
        by_key_form!(form, K => Ok(Box::new(windowed::WindowRankOperator::<K>::new(self, end)?)))
    }
}
