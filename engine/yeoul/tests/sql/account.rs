//! The conservation law, as far as counters tell it: after a run, each operator's records in = out + state + late + errors.
//!
//! What an operator keeps or multiplies it alone knows, so the law is held against each kind of operator by as much of it as is certain:
//! what goes over an edge comes in, what only passes rows on gives as many as it took, what works by windows keeps nothing once event
//! time is at its end.

use std::collections::HashMap;

use yeoul::operator::{JobGraph, NodeKind, Partitioning};
use yeoul::runtime::JobWatch;

/// Sums over an operator's instances.
#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    taken: u64,
    given: u64,
    late: u64,
    errors: u64,
    entries: u64,
    instances: u64,
}

/// Operators that give each row that they take.
const PASS: &[&str] = &["Union", "Fields", "LateRows", "TemporalSort"];
/// Operators that give a row at most for each that they take.
const FILTER: &[&str] = &["Calc", "LocalGroupAggregate", "LocalWindowAggregate"];
/// Operators whose state is empty once event time is at its end.
const ENDS_EMPTY: &[&str] =
    &["WindowAggregate", "WindowJoin", "WindowRank", "WindowDeduplicate", "IntervalJoin", "TemporalSort"];

/// What a run's counters say against the law. `rows` is how many rows each table has, `late` how many of them are late.
pub(crate) fn faults(
    graph: &JobGraph,
    watch: &JobWatch,
    rows: &HashMap<String, usize>,
    late: Option<u64>,
) -> Vec<String> {
    let mut sums = vec![Sum::default(); graph.nodes.len()];
    for of in watch.operators() {
        let (sum, counters) = (&mut sums[of.node.0], &of.counters);
        sum.taken += counters.records_in.get();
        sum.given += counters.records_out.get();
        sum.late += counters.late.get();
        sum.errors += counters.errors.get();
        sum.entries += counters.state_entries.get();
        sum.instances += 1;
    }
    let mut faults = Vec::new();
    let mut fault = |at: usize, what: String| faults.push(format!("{}: {what}: {:?}", graph.nodes[at].name, sums[at]));
    for (at, node) in graph.nodes.iter().enumerate() {
        let sum = sums[at];
        if let NodeKind::Source { .. } = node.kind {
            let table = node.name.strip_prefix("Source(").and_then(|name| name.strip_suffix(')'));
            if let Some(rows) = table.and_then(|table| rows.get(table))
                && sum.given + sum.errors != *rows as u64
            {
                fault(at, format!("a table of {rows} rows gave others"));
            }
            continue;
        }
        // Outputs beside the main one are counted with it, so what comes over an edge is known only where there are none.
        let edges = || graph.edges.iter().filter(|edge| edge.to.0 == at);
        let senders: Vec<usize> = edges().map(|edge| edge.from.0).collect();
        let sides = |from: usize| graph.edges.iter().any(|edge| edge.from.0 == from && edge.output.0 != 0);
        let copies = |of: &Partitioning| if let Partitioning::Broadcast = of { sum.instances } else { 1 };
        let sent: u64 = edges().map(|edge| sums[edge.from.0].given * copies(&edge.partitioning)).sum();
        // Late rows may go to an output of their own, to which nobody listens.
        let aside: u64 = senders.iter().map(|from| sums[*from].late).sum();
        if !senders.iter().any(|from| sides(*from)) && !(sent.saturating_sub(aside)..=sent).contains(&sum.taken) {
            fault(at, format!("{sent} records were sent to it"));
        }
        let name = node.name.as_str();
        if PASS.contains(&name) && sum.taken != sum.given + sum.late + sum.errors {
            fault(at, "in = out + late + errors does not hold".to_owned());
        }
        if FILTER.contains(&name) && sum.given > sum.taken {
            fault(at, "it gave more than it took".to_owned());
        }
        if ENDS_EMPTY.contains(&name) && sum.entries != 0 {
            fault(at, "event time is at its end, and it keeps state".to_owned());
        }
        if sum.late > sum.taken {
            fault(at, "more records are late than came".to_owned());
        }
    }
    let found: u64 = sums.iter().map(|sum| sum.late).sum();
    if let Some(late) = late.filter(|late| *late != found) {
        faults.push(format!("{found} records are late, not {late}"));
    }
    faults
}
