//! Which aggregates have a local one before their exchange: all whose calls can be computed in parts, unless
//! `table.optimizer.agg-phase-strategy` says otherwise.

use yeoul_relational::LocalAggregate;

use super::graph::{Bound, Exchange, NodeId, Operator, Plan};
use crate::settings::Settings;

/// Decides for each node of a plan whether its rows are aggregated before they change shards.
pub(super) fn settle(plan: &mut Plan, settings: &Settings) {
    let strategy = settings.get("table.optimizer.agg-phase-strategy").unwrap_or_default().to_lowercase();
    if strategy == "one_phase" {
        return;
    }
    let always = strategy == "two_phase";
    let mut consistent: Vec<bool> = Vec::with_capacity(plan.nodes.len());
    for (id, node) in plan.nodes.iter().enumerate() {
        // What forgets takes back what those behind it no longer know, as may a table whose rows change.
        let keeps = node.state.as_ref().is_none_or(|state| !matches!(state.bound, Bound::Ttl(_)));
        let grows = !matches!(node.operator, Operator::Scan(_)) || node.changes.inserts_only();
        consistent.push(keeps && grows && node.inputs.iter().all(|input| consistent[input.node]));
        let Some(input) = node.inputs.first().filter(|input| input.exchange != Exchange::Forward) else { continue };
        let local = match &node.operator {
            Operator::GroupAggregate(spec) => LocalAggregate::before_groups(spec, always),
            Operator::WindowAggregate(spec) => LocalAggregate::before_windows(spec, always),
            _ => None,
        };
        let takes_back = !plan.nodes[input.node].changes.inserts_only();
        if let Some(local) = local.filter(|_| !takes_back || consistent[input.node]) {
            plan.locals.insert(id as NodeId, local);
        }
    }
}
