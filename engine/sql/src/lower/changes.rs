//! Where UPDATE_BEFORE is sent: only where something after it cannot do without.
//!
//! Bottom-up, each operator knows whether rows change and go; that is settled while lowering. Top-down, each says whether
//! it needs the old form of a changed row; a node that two read sends it if either needs it.

use yeoul_relational::{JoinKind, Projected, RankStrategy, Uniqueness};

use super::graph::{Node, Operator, Plan, Sink};
use crate::connector::Accepts;
use crate::error::Result;

/// Decides for each node of a plan whether it sends UPDATE_BEFORE.
pub(super) fn settle(plan: &mut Plan) -> Result<()> {
    let mut needed = vec![false; plan.nodes.len()];
    // Whose changes within a frame are all asked for: versions of rows.
    let mut every = vec![false; plan.nodes.len()];
    for id in (0..plan.nodes.len()).rev() {
        let before = needed[id] && plan.nodes[id].changes.updates;
        for (place, input) in plan.nodes[id].inputs.clone().into_iter().enumerate() {
            let wants = wants(&plan.nodes[id], &plan.nodes[input.node], place, before);
            needed[input.node] |= wants;
            every[input.node] |= match &plan.nodes[id].operator {
                Operator::TemporalJoin(_) => place == 1,
                Operator::Calc(_) | Operator::AssignTimes(_) | Operator::ShiftTimes(_) | Operator::Union(_) => {
                    every[id]
                }
                _ => false,
            };
        }
    }
    for (id, (node, needed)) in plan.nodes.iter_mut().zip(needed).enumerate() {
        let sink = matches!(node.operator, Operator::Sink(_));
        let before = needed && node.changes.updates;
        if !sink {
            node.changes.before = before;
        }
        match &mut node.operator {
            Operator::GroupAggregate(spec) => spec.update_before = before,
            Operator::RegularJoin(spec) => spec.update_before = before,
            Operator::Rank(spec) => spec.update_before = before,
            Operator::Deduplicate(spec) => {
                spec.update_before = before;
                spec.every_change = every[id];
            }
            Operator::OverAggregate(spec) => spec.update_before = before,
            Operator::ChangelogNormalize(spec) => spec.update_before = before,
            Operator::SortLimit(spec) => spec.update_before = before,
            _ => {}
        }
    }
    for id in 0..plan.nodes.len() {
        if matches!(plan.nodes[id].operator, Operator::Sink(_))
            && let Some(input) = plan.nodes[id].inputs.first().map(|input| input.node)
        {
            plan.nodes[id].changes = plan.nodes[input].changes;
        }
    }
    Ok(())
}

/// Whether a node needs UPDATE_BEFORE of its input, if it has to send it itself or not.
fn wants(node: &Node, input: &Node, place: usize, before: bool) -> bool {
    if !input.changes.updates {
        return false;
    }
    match &node.operator {
        // Whoever asked sees the whole changelog; a table is upserted where its key tells apart what comes. By another key than the rows'
        // own, the new form of a row does not take the place of the old one.
        Operator::Sink(Sink::Collect) => true,
        Operator::Sink(Sink::Table { table, columns, .. }) => {
            let place = |key: &usize| columns.iter().position(|column| column == key);
            let key: Option<Vec<usize>> = table.primary_key.iter().map(place).collect();
            let is_told = key.is_some_and(|key| !key.is_empty() && input.upsert_keys.iter().any(|of| same(of, &key)));
            !is_told || table.connector.writes != Some(Accepts::Changes)
        }
        // A filter may turn away the new form of a row whose old form it let pass.
        Operator::Calc(calc) => {
            let keeps_key = calc.filter.as_ref().is_none_or(|filter| {
                input.upsert_keys.iter().any(|key| filter.columns().iter().all(|column| key.contains(column)))
            });
            let sends_key = input.upsert_keys.is_empty()
                || calc.projection.as_ref().is_none_or(|projection| {
                    input.upsert_keys.iter().any(|key| {
                        key.iter().all(|column| {
                            projection
                                .iter()
                                .any(|projected| matches!(projected, Projected::Column(index) if index == column))
                        })
                    })
                });
            before || !keeps_key || (!sends_key && !node.upsert_keys.is_empty())
        }
        // A row takes the place of another where it is the only one of its join key. Otherwise it is taken back by all of its values;
        // and a residual condition may have let pass what it now turns away.
        Operator::RegularJoin(join) => {
            let (keys, unique) =
                if place == 0 { (&join.left_keys, &join.left_unique) } else { (&join.right_keys, &join.right_unique) };
            let replaced =
                *unique == Uniqueness::JoinKeyContainsUnique && input.upsert_keys.iter().any(|key| same(key, keys));
            before || !replaced || join.residual.is_some()
        }
        Operator::Rank(rank) => !matches!(rank.strategy, RankStrategy::Update { .. }),
        Operator::ChangelogNormalize(_) => false,
        // The new form of a row may find no row of the table, or fewer than the old one did.
        Operator::LookupJoin(join) => {
            let is_key = |column: &usize| join.right_keys.iter().any(|key| join.columns[*key] == *column);
            let finds_one = !join.table.primary_key.is_empty() && join.table.primary_key.iter().all(is_key);
            before || join.kind == JoinKind::Inner || join.residual.is_some() || !finds_one
        }
        Operator::Union(_) | Operator::AssignTimes(_) | Operator::ShiftTimes(_) => before,
        _ => true,
    }
}

fn same(one: &[usize], other: &[usize]) -> bool {
    one.iter().all(|column| other.contains(column)) && other.iter().all(|column| one.contains(column))
}
