//! From the job graph to tasks: which operators share one, and which edges become rings.
//!
//! Pure. An operator is chained to the one before it if a FORWARD edge is its only input and both have the same parallelism.

use yeoul_operator::{Chaining, JobGraph, NodeId, NodeKind, Partitioning};

/// One task: a chain of operators, run by a subtask on each of the first `parallelism` shards.
#[derive(Debug, Clone)]
pub struct TaskPlan {
    /// Its operators, in an order in which every edge points forward. The first is the head.
    pub nodes: Vec<NodeId>,
    /// How many subtasks it has.
    pub parallelism: u16,
}

/// The tasks of a job.
#[derive(Debug, Clone)]
pub struct Plan {
    /// In an order in which every edge points forward.
    pub tasks: Vec<TaskPlan>,
    /// For each node, its task and its place in it.
    pub place: Vec<(usize, usize)>,
    /// For each edge of the graph, whether it lies within a task.
    pub chained: Vec<bool>,
}

impl Plan {
    /// The tasks of this graph on this many shards.
    #[must_use]
    pub fn of(graph: &JobGraph, shards: u16) -> Self {
        let parallelism = |id: NodeId| graph.nodes[id.0].parallelism.unwrap_or(shards).clamp(1, shards);
        let mut plan = Self { tasks: Vec::new(), place: Vec::new(), chained: vec![false; graph.edges.len()] };
        for (at, node) in graph.nodes.iter().enumerate() {
            let id = NodeId(at);
            let mut inputs = graph.edges.iter().enumerate().filter(|(_, edge)| edge.to == id);
            let joined = match (inputs.next(), inputs.next()) {
                (Some((index, edge)), None)
                    if node.chaining == Chaining::Always
                        && graph.nodes[edge.from.0].chaining != Chaining::Never
                        && matches!(edge.partitioning, Partitioning::Forward)
                        && parallelism(edge.from) == parallelism(id) =>
                {
                    plan.chained[index] = true;
                    Some(plan.place[edge.from.0].0)
                }
                _ => None,
            };
            let task = joined.unwrap_or_else(|| {
                plan.tasks.push(TaskPlan { nodes: Vec::new(), parallelism: parallelism(id) });
                plan.tasks.len() - 1
            });
            plan.tasks[task].nodes.push(id);
            plan.place.push((task, plan.tasks[task].nodes.len() - 1));
        }
        plan
    }

    /// Whether the node is a source.
    #[must_use]
    pub fn is_source(graph: &JobGraph, id: NodeId) -> bool {
        matches!(graph.nodes[id.0].kind, NodeKind::Source { .. })
    }
}
