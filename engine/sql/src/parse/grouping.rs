//! ROLLUP and CUBE over a column that stands in them twice: the planner reads them as the sets that they stand for.

use datafusion_sql::sqlparser::ast::{Expr, GroupByExpr};

/// The most columns of a CUBE that is written out.
const CUBED: usize = 10;

/// Writes such ROLLUPs and CUBEs out, with each column once in a set.
pub(super) fn written_out(group_by: &mut GroupByExpr) {
    let GroupByExpr::Expressions(groups, _) = group_by else { return };
    for group in groups {
        let sets = match group {
            Expr::Rollup(parts) if repeats(parts) => {
                (0..=parts.len()).rev().map(|length| set(parts[..length].iter())).collect()
            }
            Expr::Cube(parts) if repeats(parts) && parts.len() <= CUBED => {
                let chosen = |bits: usize| {
                    set(parts.iter().enumerate().filter(|(index, _)| (bits >> index) & 1 == 0).map(|(_, part)| part))
                };
                (0..1usize << parts.len()).map(chosen).collect()
            }
            _ => continue,
        };
        *group = Expr::GroupingSets(sets);
    }
}

fn repeats(parts: &[Vec<Expr>]) -> bool {
    let all: Vec<&Expr> = parts.iter().flatten().collect();
    (1..all.len()).any(|index| all[..index].contains(&all[index]))
}

fn set<'a>(parts: impl Iterator<Item = &'a Vec<Expr>>) -> Vec<Expr> {
    let mut set: Vec<Expr> = Vec::new();
    for column in parts.flatten() {
        if !set.contains(column) {
            set.push(column.clone());
        }
    }
    set
}
