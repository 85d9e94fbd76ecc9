//! Makes the shards of one attempt: an instance of every operator for every subtask, and the rings between them.

use std::collections::HashMap;
use std::sync::Arc;

use yeoul_frame::{Epoch, Timestamp};
use yeoul_operator::{Counters, JobGraph, NodeId, NodeKind, OutputId, Partitioning, Subtask};
use yeoul_ring::{Bell, ring};

use crate::alignment::{Drift, Group};
use crate::chain::{Chain, Slot, Target, guard};
use crate::config::JobConfig;
use crate::error::JobError;
use crate::event_time::EventTime;
use crate::inbox::{Channel, Inbox};
use crate::outbox::{Choice, Lane, Outbox, Spread};
use crate::plan::Plan;
use crate::task::{Head, SourceHead, Task};

/// One operator instance as the outside may watch it.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The operator.
    pub node: NodeId,
    /// Which instance.
    pub subtask: Subtask,
    /// What it counts.
    pub counters: Arc<Counters>,
}

/// The tasks of every shard, and what may be watched of them.
pub struct Built {
    /// For each shard its tasks, in an order in which every edge points forward.
    pub shards: Vec<Vec<Task>>,
    /// Every operator instance.
    pub watched: Vec<Watched>,
}

/// The receivers of a sender that deals to its own share: each receiver has a sender, and none has two where there are enough receivers.
fn share(sender: u16, senders: u16, receivers: u16) -> std::ops::Range<u16> {
    let cut = |at: u16| (u32::from(at) * u32::from(receivers) / u32::from(senders)) as u16;
    let start = cut(sender);
    start..cut(sender + 1).max(start + 1)
}

/// Makes the tasks of all shards. `bells` wakes each of them; `epoch` is the last committed one.
///
/// # Errors
/// A panic of the user's code that makes a source or an operator.
pub fn build(
    graph: &JobGraph,
    plan: &Plan,
    config: &JobConfig,
    bells: &[Bell],
    epoch: Epoch,
) -> Result<Built, JobError> {
    let shards = config.shards;
    // Rings first: lanes by (edge, sending subtask), channels by (task, receiving subtask).
    let mut lanes: HashMap<(usize, u16), Vec<Lane>> = HashMap::new();
    let mut channels: HashMap<(usize, u16), Vec<Channel>> = HashMap::new();
    for (index, edge) in graph.edges.iter().enumerate().filter(|(index, _)| !plan.chained[*index]) {
        let (from, to) = (plan.place[edge.from.0].0, plan.place[edge.to.0].0);
        let (senders, receivers) = (plan.tasks[from].parallelism, plan.tasks[to].parallelism);
        for sender in 0..senders {
            let reached = match edge.partitioning {
                Partitioning::Forward if senders == receivers => sender..sender + 1,
                Partitioning::Rescale => share(sender, senders, receivers),
                _ => 0..receivers,
            };
            for receiver in reached {
                let (producer, consumer) = ring(config.ring_capacity.next_power_of_two());
                let bell = |shard: u16, other: u16| (shard != other).then(|| bells[usize::from(shard)].clone());
                lanes.entry((index, sender)).or_default().push(Lane::new(producer, bell(receiver, sender)));
                channels.entry((to, receiver)).or_default().push(Channel {
                    input: edge.input,
                    consumer,
                    bell: bell(sender, receiver),
                });
            }
        }
    }

    let mut groups: HashMap<String, Arc<Group>> = HashMap::new();
    let mut members: HashMap<String, usize> = HashMap::new();
    for node in &graph.nodes {
        if let NodeKind::Source { watermarks, .. } = &node.kind
            && let Some(alignment) = &watermarks.alignment
        {
            *members.entry(alignment.group.clone()).or_default() +=
                usize::from(node.parallelism.unwrap_or(shards).clamp(1, shards));
        }
    }

    let mut built = Built { shards: (0..shards).map(|_| Vec::new()).collect(), watched: Vec::new() };
    let mut next_member: HashMap<String, usize> = HashMap::new();
    for (number, task) in plan.tasks.iter().enumerate() {
        for index in 0..task.parallelism {
            let subtask = Subtask { index, parallelism: task.parallelism };
            let mut edges = Vec::new();
            let mut targets: HashMap<NodeId, Vec<(OutputId, Target)>> = HashMap::new();
            let has_source = Plan::is_source(graph, task.nodes[0]);
            let slot_of = |node: NodeId| plan.place[node.0].1 - usize::from(has_source);
            for (at, edge) in graph.edges.iter().enumerate().filter(|(_, edge)| plan.place[edge.from.0].0 == number) {
                let target = if plan.chained[at] {
                    Target::Operator(slot_of(edge.to), edge.input)
                } else {
                    let lanes = lanes.remove(&(at, index)).unwrap_or_default();
                    let spread = match &edge.partitioning {
                        Partitioning::Hash(router) => {
                            Spread::Hash { router: router.clone(), groups: config.key_groups }
                        }
                        Partitioning::Custom(partitioner) => {
                            Spread::Chosen { by: Choice::User(partitioner.clone()), chosen: Vec::new() }
                        }
                        Partitioning::Shuffle => {
                            Spread::Chosen { by: Choice::Any { last: u64::from(index) << 32 }, chosen: Vec::new() }
                        }
                        Partitioning::Broadcast => Spread::Broadcast,
                        Partitioning::Rebalance | Partitioning::Rescale | Partitioning::Forward if lanes.len() > 1 => {
                            Spread::Rebalance { next: usize::from(index) % lanes.len() }
                        }
                        _ => Spread::Single,
                    };
                    edges.push(Outbox::new(graph.nodes[edge.to.0].name.clone(), spread, lanes));
                    Target::Edge(edges.len() - 1)
                };
                targets.entry(edge.from).or_default().push((edge.output, target));
            }
            let mut slots = Vec::new();
            let mut head = None;
            for id in &task.nodes {
                let node = &graph.nodes[id.0];
                let name = format!("{} ({}/{})", node.name, index + 1, task.parallelism);
                let counters = Arc::new(Counters::default());
                built.watched.push(Watched { node: *id, subtask, counters: counters.clone() });
                match &node.kind {
                    NodeKind::Source { make, watermarks } => {
                        let drift = watermarks.alignment.as_ref().map(|alignment| {
                            let group = groups
                                .entry(alignment.group.clone())
                                .or_insert_with(|| Group::new(members[&alignment.group]))
                                .clone();
                            let member = next_member.entry(alignment.group.clone()).or_default();
                            *member += 1;
                            Drift { group, member: *member - 1, max_drift: alignment.max_drift }
                        });
                        let event_time = EventTime::new(watermarks.clone());
                        let source = guard(&name, || Ok(make()))?;
                        let source = SourceHead::new(node.id(), name, source, event_time, counters, drift);
                        head = Some(Head::Source(Box::new(source)));
                    }
                    NodeKind::Operator { make } | NodeKind::Sink { make, .. } => {
                        let targets = targets.remove(id).unwrap_or_default();
                        let operator = guard(&name, || Ok(make()))?;
                        slots.push(Slot::new(node.id(), name, operator, counters, targets));
                    }
                }
            }
            let source = targets.remove(&task.nodes[0]).unwrap_or_default();
            let head = head.unwrap_or_else(|| {
                let channels = channels.remove(&(number, index)).unwrap_or_default();
                Head::Inbox(Inbox::new(channels, epoch, config.checkpointing_mode, Timestamp::MIN))
            });
            built.shards[usize::from(index)].push(Task {
                head,
                chain: Chain::new(slots, edges, source),
                subtask,
                step_calls: config.step_calls,
            });
        }
    }
    debug_assert!(lanes.is_empty() && channels.is_empty(), "every ring has both its ends in a task");
    Ok(built)
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn a_share_leaves_no_receiver_out() {
        let shares =
            |senders, receivers| (0..senders).map(|sender| share(sender, senders, receivers)).collect::<Vec<_>>();
        assert_eq!(shares(2, 4), [0..2, 2..4]);
        assert_eq!(shares(2, 5), [0..2, 2..5]);
        assert_eq!(shares(4, 2), [0..1, 0..1, 1..2, 1..2]);
        assert_eq!(shares(3, 2), [0..1, 0..1, 1..2]);
        assert_eq!(shares(3, 3), [0..1, 1..2, 2..3]);
    }
}
