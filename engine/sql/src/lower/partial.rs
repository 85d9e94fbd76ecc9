//! Which aggregates have a local one before their exchange: all whose calls can be computed in parts. What it does is said by
//! `table.optimizer.agg-phase-strategy`; it is there in any case, so that a job goes on from its state when that is changed.

use yeoul_relational::{LocalAggregate, Phases};

use super::graph::{Exchange, Operator, Plan};
use crate::settings::Settings;

/// Decides for each node of a plan whether its rows are aggregated before they change shards.
pub(super) fn settle(plan: &mut Plan, settings: &Settings) {
    let strategy = settings.get("table.optimizer.agg-phase-strategy").unwrap_or_default().to_lowercase();
    let phases = match strategy.as_str() {
        "one_phase" => Phases::One,
        "two_phase" => Phases::Two,
        _ => Phases::Auto,
    };
    for (id, node) in plan.nodes.iter().enumerate() {
        if node.inputs.iter().all(|input| input.exchange == Exchange::Forward) {
            continue;
        }
        let local = match &node.operator {
            Operator::GroupAggregate(spec) => LocalAggregate::before_groups(spec, phases),
            Operator::WindowAggregate(spec) => LocalAggregate::before_windows(spec, phases),
            _ => None,
        };
        if let Some(local) = local {
            plan.locals.insert(id, local);
        }
    }
}
