//! What a harness makes instances of: one node of a graph, taken out of it.

use std::sync::Arc;

use yeoul_frame::{Frame, OperatorId};
use yeoul_operator::{
    Context, InputId, JobGraph, MakeOperator, NodeId, NodeKind, Operator, OperatorError, OutputId, Partitioning, Router,
};

use crate::StreamEnvironment;
use crate::tag::Sides;

/// What instances are made of.
#[derive(Clone)]
pub(super) struct Recipe {
    pub(super) id: OperatorId,
    pub(super) name: String,
    pub(super) make: MakeOperator,
    pub(super) routers: Vec<(InputId, Arc<dyn Router>)>,
    pub(super) sides: Sides,
}

impl Recipe {
    pub(super) fn of(env: &StreamEnvironment, graph: &JobGraph, node: NodeId) -> Self {
        let of = &graph.nodes[node.0];
        let make = match &of.kind {
            NodeKind::Operator { make } | NodeKind::Sink { make, .. } => make.clone(),
            NodeKind::Source { .. } => Arc::new(|| Box::new(Forward) as Box<dyn Operator>) as MakeOperator,
        };
        let routers = graph.edges.iter().filter(|edge| edge.to == node).filter_map(|edge| match &edge.partitioning {
            Partitioning::Hash(router) => Some((edge.input, router.clone())),
            _ => None,
        });
        Self { id: of.id(), name: of.name.clone(), make, routers: routers.collect(), sides: env.sides(node) }
    }
}

/// Stands for a stream that no operator was added to.
struct Forward;

impl Operator for Forward {
    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        cx.emit(OutputId::MAIN, frame.clone());
        Ok(())
    }
}
