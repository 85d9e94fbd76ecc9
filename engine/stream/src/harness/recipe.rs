//! What a harness makes instances of: one node of a graph, taken out of it.

use std::sync::Arc;

use yeoul_frame::{Frame, KeyGroups, OperatorId, Record};
use yeoul_operator::{
    Context, InputId, MakeOperator, NodeKind, Operator, OperatorError, OutputId, Partitioning, Router,
};

use super::HarnessError;
use crate::tag::Sides;
use crate::{DataStream, StreamEnvironment};

/// What instances are made of.
#[derive(Clone)]
pub(super) struct Recipe {
    pub(super) id: OperatorId,
    pub(super) key_groups: KeyGroups,
    pub(super) name: String,
    pub(super) is_source: bool,
    /// An operator before it, which is left out.
    pub(super) reads_from: Option<String>,
    pub(super) make: MakeOperator,
    pub(super) routers: Vec<(InputId, Arc<dyn Router>)>,
    pub(super) sides: Sides,
}

impl Recipe {
    pub(super) fn of<T: Record>(env: &StreamEnvironment, output: &DataStream<T>) -> Result<Self, HarnessError> {
        let graph = env.build().map_err(HarnessError::Graph)?;
        let [port] = &output.ports[..] else {
            return Err(HarnessError::Several(format!(
                "the stream is a union of {}\n  hint: build one operator from the stream that is given",
                output.ports.len()
            )));
        };
        let (node, of) = (port.node, &graph.nodes[port.node.0]);
        let before = graph.edges.iter().filter(|edge| edge.to == node).map(|edge| &graph.nodes[edge.from.0]);
        let reads_from = before.into_iter().find(|from| matches!(from.kind, NodeKind::Operator { .. }));
        let make = match &of.kind {
            NodeKind::Operator { make } | NodeKind::Sink { make, .. } => make.clone(),
            NodeKind::Source { .. } => Arc::new(|| Box::new(Forward) as Box<dyn Operator>) as MakeOperator,
        };
        let routers = graph.edges.iter().filter(|edge| edge.to == node).filter_map(|edge| match &edge.partitioning {
            Partitioning::Hash(router) => Some((edge.input, router.clone())),
            _ => None,
        });
        Ok(Self {
            id: of.id(),
            key_groups: KeyGroups::DEFAULT,
            name: of.name.clone(),
            is_source: matches!(of.kind, NodeKind::Source { .. }),
            reads_from: reads_from.map(|from| from.name.clone()),
            make,
            routers: routers.collect(),
            sides: env.sides(node),
        })
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
