//! Which tables' event times a job asks for.
//!
//! A watermark costs what its column costs, and often nobody waits for it: a table is given times only if an operator after
//! it orders by them, closes windows by them or shows the watermark.

use std::collections::BTreeSet;

use yeoul_relational::{Calc, Projected, TimeOrder, WindowTime};

use super::graph::{Node, Operator, Plan};
use super::scan::key_of;

/// The tables below any operator that asks for event times.
pub(super) fn timed_tables(plan: &Plan) -> BTreeSet<String> {
    let mut asked = vec![false; plan.nodes.len()];
    let mut tables = BTreeSet::new();
    for (id, node) in plan.nodes.iter().enumerate().rev() {
        if asked[id] || asks(node) {
            for input in &node.inputs {
                asked[input.node] = true;
            }
            if let Operator::Scan(scan) = &node.operator {
                tables.insert(key_of(&scan.table));
            }
        }
    }
    tables
}

/// Whether an operator acts by the event times of its rows.
pub(crate) fn asks(node: &Node) -> bool {
    match &node.operator {
        Operator::WindowAssign(spec) => spec.time != WindowTime::ProcTime,
        Operator::WindowAggregate(spec) => {
            !matches!(spec.time, WindowTime::ProcTime | WindowTime::Windowed { by_clock: true, .. })
        }
        Operator::Deduplicate(spec) => spec.order.order() == TimeOrder::RowTime,
        Operator::Rank(spec) => spec.window_end.is_some(),
        Operator::OverAggregate(spec) => spec.time.is_some_and(|time| time.order() == TimeOrder::RowTime),
        Operator::TemporalSort(spec) => spec.time.order() == TimeOrder::RowTime,
        Operator::MatchRecognize(spec) => spec.order.order() == TimeOrder::RowTime,
        Operator::IntervalJoin(_)
        | Operator::TemporalJoin(_)
        | Operator::WindowJoin(_)
        | Operator::WindowEndJoin(_) => true,
        Operator::Calc(calc) => shows_watermark(calc),
        _ => false,
    }
}

/// Expressions are opaque but for their text, and the function's name is in it.
fn shows_watermark(calc: &Calc) -> bool {
    let named = |text: String| text.contains("CURRENT_WATERMARK") || text.contains("current_watermark");
    let projected = calc.projection.iter().flatten().any(|projected| match projected {
        Projected::Computed(expression) => named(expression.to_string()),
        Projected::Column(_) => false,
    });
    projected || calc.filter.as_ref().is_some_and(|filter| named(filter.to_string()))
}
