//! The first rows of all, in an order: a top-n of one partition.

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use yeoul_frame::Frame;
use yeoul_operator::{Context, InputId, Operator, OperatorError};

use crate::rank::{Rank, RankStrategy};
use crate::sort_key::{SortKey, check, list};

/// The rows from one place to another of all rows.
#[derive(Debug, Clone)]
pub struct SortLimit {
    /// What rows are ordered by; the order of arrival if empty.
    pub order: Vec<SortKey>,
    /// How many rows are skipped.
    pub offset: u64,
    /// How many come out.
    pub limit: u64,
    /// Whether rows may be taken back.
    pub retracting_input: bool,
    /// Whether a change is sent with the row as it was.
    pub update_before: bool,
    /// What comes in, and out.
    pub schema: SchemaRef,
}

impl fmt::Display for SortLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SortLimit(orderBy=[{}], offset=[{}], fetch=[{}])", list(&self.order), self.offset, self.limit)
    }
}

impl SortLimit {
    /// An instance.
    ///
    /// # Errors
    /// A type that cannot be kept or ordered.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        check(&self.schema, &self.order)?;
        if self.limit == 0 {
            return Ok(Box::new(Nothing));
        }
        Arc::new(Rank {
            partition: vec![],
            order: self.order.clone(),
            from: self.offset.saturating_add(1),
            to: self.offset.saturating_add(self.limit),
            rank_column: false,
            strategy: if self.retracting_input { RankStrategy::Retract } else { RankStrategy::AppendOnly },
            window_end: None,
            update_before: self.update_before,
            ttl: None,
            input_schema: self.schema.clone(),
            schema: self.schema.clone(),
        })
        .operator()
    }
}

/// `LIMIT 0`.
struct Nothing;

impl Operator for Nothing {
    fn process(&mut self, _: InputId, _: &Frame, _: &mut Context<'_>) -> Result<(), OperatorError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::DataType;

    use super::*;
    use crate::testing::{Fold, Harness, Table, fold};

    fn folded(order: &[SortKey], offset: u64, limit: u64, retracting_input: bool, input: &[&str]) -> String {
        let table = Table::new(&[("a", DataType::Int64), ("b", DataType::Int64)]);
        let spec = Arc::new(SortLimit {
            order: order.to_vec(),
            offset,
            limit,
            retracting_input,
            update_before: true,
            schema: table.schema().clone(),
        });
        let mut harness = Harness::of(move || spec.clone().operator(), &[&[]]);
        let mut result = Fold::new();
        for rows in input {
            harness.push(0, table.frame(rows));
            fold(&mut result, &harness.take());
        }
        result.keys().cloned().collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn the_first_rows_are_kept_up() {
        let rows = ["+I 1 5\n+I 2 3", "+I 3 4\n+I 4 9"];
        assert_eq!(folded(&[SortKey::ascending(1)], 0, 2, false, &rows), "2 3, 3 4");
        assert_eq!(folded(&[SortKey::descending(1)], 1, 2, false, &rows), "1 5, 3 4");
        assert_eq!(folded(&[], 0, 3, false, &rows), "1 5, 2 3, 3 4");
        assert_eq!(folded(&[], 0, 0, false, &rows), "");
        let changing = [rows[0], rows[1], "-D 2 3", "-U 3 4\n+U 3 10"];
        assert_eq!(folded(&[SortKey::ascending(1)], 0, 2, true, &changing), "1 5, 4 9");
        assert_eq!(folded(&[SortKey::ascending(1)], 2, u64::MAX, true, &changing), "3 10");
    }
}
