//! GROUPING SETS, CUBE and ROLLUP: each row once for each set, and by which number GROUPING knows the set.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{Field, Schema};
use datafusion_expr::{Expr, GroupingSet};
use yeoul_relational::Expand;

use super::Lowering;
use super::graph::{ColumnTrait, Exchange, Input, Node, NodeId, Operator};
use crate::error::{Result, SqlError};

/// The most sets that CUBE may stand for, as a power of two.
const CUBED: usize = 10;

/// Grouping sets over some columns.
pub(super) struct Sets {
    /// For each set, which columns are in it.
    within: Vec<Vec<bool>>,
}

impl Sets {
    /// The sets, and the columns of all of them.
    pub(super) fn of(set: &GroupingSet) -> Result<(Self, Vec<Expr>)> {
        let columns: Vec<Expr> = set.distinct_expr().into_iter().cloned().collect();
        let sets: Vec<Vec<Expr>> = match set {
            GroupingSet::GroupingSets(sets) => sets.clone(),
            GroupingSet::Rollup(columns) => {
                (0..=columns.len()).rev().map(|length| columns[..length].to_vec()).collect()
            }
            GroupingSet::Cube(columns) => {
                if columns.len() > CUBED {
                    return Err(SqlError::new(format!(
                        "CUBE of {} columns has more than a thousand sets",
                        columns.len()
                    ))
                    .hint("write the sets that are meant: GROUPING SETS ((a, b), (a))"));
                }
                let chosen = |bits: usize| {
                    let at = |(index, column): (usize, &Expr)| ((bits >> index) & 1 == 0).then(|| column.clone());
                    columns.iter().enumerate().filter_map(at).collect()
                };
                (0..1usize << columns.len()).map(chosen).collect()
            }
        };
        let within = |set: &Vec<Expr>| columns.iter().map(|column| set.contains(column)).collect();
        Ok((Self { within: sets.iter().map(within).collect() }, columns))
    }

    /// Whether a column is in each set.
    pub(super) fn all_have(&self, column: usize) -> bool {
        self.within.iter().all(|set| set[column])
    }

    /// What tells sets apart: a bit for each column, the first the highest, 1 if it is not in the set; above them, which of its equals a
    /// set is.
    fn ids(&self) -> Vec<u64> {
        let mut equal: HashMap<&[bool], u64> = HashMap::new();
        let mut ids = Vec::with_capacity(self.within.len());
        for set in &self.within {
            let ordinal = equal.entry(set).or_default();
            ids.push(set.iter().fold(*ordinal, |id, within| id << 1 | u64::from(!within)));
            *ordinal += 1;
        }
        ids
    }
}

impl Lowering<'_> {
    /// Rows once for each set. A group without a column is in every set.
    pub(super) fn expand(&mut self, input: NodeId, groups: &[Option<usize>], sets: &Sets, id: &Arc<Field>) -> NodeId {
        let of = self.plan.nodes[input].clone();
        let mut fields: Vec<Field> = of.schema.fields().iter().map(|field| field.as_ref().clone()).collect();
        let named: Vec<usize> = (0..groups.len()).filter(|group| groups[*group].is_some()).collect();
        let columns: Vec<usize> = named.iter().filter_map(|group| groups[*group]).collect();
        for column in &columns {
            fields[*column] = fields[*column].clone().with_nullable(true);
        }
        fields.push(id.as_ref().clone());
        let schema = Arc::new(Schema::new(fields));
        let within = |set: &Vec<bool>| named.iter().map(|group| set[*group]).collect();
        let spec = Expand {
            sets: sets.within.iter().map(within).collect(),
            ids: sets.ids(),
            columns,
            schema: Arc::clone(&schema),
        };
        let mut node =
            Node::over(Operator::Expand(spec), vec![Input { node: input, exchange: Exchange::Forward }], &of);
        node.schema = schema;
        node.upsert_keys.clear();
        node.traits.push(ColumnTrait::default());
        self.add(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_told_apart_by_their_columns_and_equal_ones_by_their_place() {
        let sets = Sets { within: vec![vec![true, true], vec![true, false], vec![true, false], vec![false, false]] };
        assert_eq!(sets.ids(), [0b0_00, 0b0_01, 0b1_01, 0b0_11]);
        assert!(!sets.all_have(0) && !sets.all_have(1));
    }
}
