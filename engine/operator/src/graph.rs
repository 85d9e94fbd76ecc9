//! The job graph: operators, and how records get from one to the next.
//!
//! Logical: one node an operator, whatever the number of shards. The runtime decides what is chained and where it runs.

use std::sync::Arc;

use yeoul_frame::{Frame, KeyHash, OperatorId};

use crate::watermark::WatermarkSpec;
use crate::{Committer, Operator, Source};

/// The place of a node in its graph.
///
/// ```
/// use yeoul_operator::JobGraph;
/// use yeoul_operator::{Chaining, InputId, Node, NodeId, NodeKind, OutputId, Partitioning};
/// # struct Nothing;
/// # impl yeoul_operator::Operator for Nothing {
/// #     fn process(&mut self, _: InputId, _: &yeoul_frame::Frame, _: &mut yeoul_operator::Context<'_>)
/// #     -> Result<(), yeoul_operator::OperatorError> {
/// #         Ok(())
/// #     }
/// # }
/// # let kind = NodeKind::Operator { make: std::sync::Arc::new(|| Box::new(Nothing)) };
/// # let node = Node { uid: "a".to_owned(), name: "a".to_owned(), parallelism: None, chaining: Chaining::Always, kind };
///
/// let mut graph = JobGraph::default();
/// let first = graph.add(node);
/// assert_eq!((first, &graph.nodes[first.0].uid[..]), (NodeId(0), "a"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

/// Which of an operator's inputs (0, or 1 for the second of a connected pair).
///
/// ```
/// use yeoul_operator::InputId;
///
/// /// How an operator of two inputs tells them apart.
/// fn side(input: InputId) -> &'static str {
///     if input == InputId(0) { "left" } else { "right" }
/// }
/// assert_eq!(side(InputId(1)), "right");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InputId(pub u8);

/// Which of an operator's outputs. Side outputs are numbered from 1.
///
/// ```
/// use yeoul_operator::OutputId;
///
/// let sides: Vec<OutputId> = (1..3).map(OutputId).collect();
/// assert!(!sides.contains(&OutputId::MAIN));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutputId(pub u8);

impl OutputId {
    /// The main output.
    pub const MAIN: Self = Self(0);
}

/// Hashes the keys of a frame for a keyed exchange.
///
/// ```
/// use yeoul_frame::{Frame, KeyHash, hash_u64};
/// use yeoul_operator::Router;
///
/// /// By the last digit of a number.
/// struct LastDigit;
///
/// impl Router for LastDigit {
///     fn hash(&self, frame: &Frame, hashes: &mut Vec<KeyHash>) {
///         hashes.extend(frame.rows::<u64>().iter().map(|(_, n)| hash_u64(n.to_native() % 10)));
///     }
/// }
/// # use yeoul_frame::{Pool, RowBuilder, RowKind, Timestamp};
/// # let mut rows = RowBuilder::<u64>::new(&Pool::new(), 3);
/// # [12, 22, 13].iter().for_each(|n| rows.push(n, Timestamp(0), RowKind::Insert).unwrap());
/// # let (frame, mut hashes) = (rows.finish(), Vec::new());
/// // A frame of 12, 22 and 13:
/// LastDigit.hash(&frame, &mut hashes);
/// assert!(hashes[0] == hashes[1] && hashes[0] != hashes[2]);
/// ```
pub trait Router: Send + Sync {
    /// Appends one hash for each selected row, in order.
    fn hash(&self, frame: &Frame, hashes: &mut Vec<KeyHash>);
}

/// Chooses the receiving subtask of each record (Flink's `Partitioner`).
///
/// ```
/// use yeoul_frame::Frame;
/// use yeoul_operator::Partitioner;
///
/// /// Numbers below a hundred to the first subtask, all others to the last.
/// struct Small;
///
/// impl Partitioner for Small {
///     fn partition(&self, frame: &Frame, subtasks: u16, chosen: &mut Vec<u16>) {
///         chosen.extend(frame.rows::<u64>().iter().map(|(_, n)| if n.to_native() < 100 { 0 } else { subtasks - 1 }));
///     }
/// }
/// # use yeoul_frame::{Pool, RowBuilder, RowKind, Timestamp};
/// # let mut rows = RowBuilder::<u64>::new(&Pool::new(), 3);
/// # [7, 700].iter().for_each(|n| rows.push(n, Timestamp(0), RowKind::Insert).unwrap());
/// # let (frame, mut chosen) = (rows.finish(), Vec::new());
/// // A frame of 7 and 700:
/// Small.partition(&frame, 4, &mut chosen);
/// assert_eq!(chosen, [0, 3]);
/// ```
pub trait Partitioner: Send + Sync {
    /// Appends one subtask below `subtasks` for each selected row, in order.
    fn partition(&self, frame: &Frame, subtasks: u16, chosen: &mut Vec<u16>);
}

/// How an edge spreads records over the receiving operator's subtasks.
///
/// ```
/// use yeoul_operator::Partitioning;
///
/// let names = [Partitioning::Forward, Partitioning::Rebalance, Partitioning::Broadcast].map(|of| of.name());
/// assert_eq!(names, ["FORWARD", "REBALANCE", "BROADCAST"]);
/// ```
#[derive(Clone)]
pub enum Partitioning {
    /// To the subtask on the same shard. May be chained.
    Forward,
    /// By key group.
    Hash(Arc<dyn Router>),
    /// To the subtask that the user's code chooses.
    Custom(Arc<dyn Partitioner>),
    /// A record at a time, to any subtask.
    Shuffle,
    /// To every subtask.
    Broadcast,
    /// A frame at a time, in turn.
    Rebalance,
    /// As `Rebalance`, over the subtasks of the sender's own share: with two senders and four receivers, each deals to two.
    Rescale,
    /// Everything to subtask 0.
    Global,
}

impl Partitioning {
    /// Flink's name for it, as it stands in plans.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Forward => "FORWARD",
            Self::Hash(_) => "HASH",
            Self::Custom(_) => "CUSTOM",
            Self::Shuffle => "SHUFFLE",
            Self::Broadcast => "BROADCAST",
            Self::Rebalance => "REBALANCE",
            Self::Rescale => "RESCALE",
            Self::Global => "GLOBAL",
        }
    }
}

/// What a node does, as a recipe: each subtask, and each restart, gets an instance of its own.
///
/// ```
/// use std::sync::Arc;
/// use yeoul_frame::Frame;
/// use yeoul_operator::{Context, InputId, NodeKind, Operator, OperatorError, OutputId};
///
/// /// Gives all on.
/// struct Pass;
///
/// impl Operator for Pass {
///     fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
///         cx.emit(OutputId::MAIN, frame.clone());
///         Ok(())
///     }
/// }
///
/// let kind = NodeKind::Operator { make: Arc::new(|| Box::new(Pass)) };
/// let NodeKind::Operator { make } = &kind else { unreachable!() };
/// // Each subtask gets one of its own.
/// let (first, second) = (make(), make());
/// assert!(first.has_room() && second.has_room());
/// ```
#[derive(Clone)]
pub enum NodeKind {
    /// Reads from outside.
    Source {
        /// Makes an instance.
        make: Arc<dyn Fn() -> Box<dyn Source> + Send + Sync>,
        /// How its event times and watermarks come about.
        watermarks: WatermarkSpec,
    },
    /// Works on records.
    Operator {
        /// Makes an instance.
        make: Arc<dyn Fn() -> Box<dyn Operator> + Send + Sync>,
    },
    /// Works on records and seals output; the committer makes it visible.
    Sink {
        /// Makes an instance.
        make: Arc<dyn Fn() -> Box<dyn Operator> + Send + Sync>,
        /// Makes the committer, one for the job.
        committer: Arc<dyn Fn() -> Box<dyn Committer> + Send + Sync>,
    },
}

/// Which neighbours an operator may share a task with (Flink's `ChainingStrategy`).
///
/// ```
/// use yeoul_operator::Chaining;
///
/// /// Whether an operator may share the task of the one before it.
/// fn joins(before: Chaining, own: Chaining) -> bool {
///     own == Chaining::Always && before != Chaining::Never
/// }
/// assert!(joins(Chaining::Head, Chaining::Always) && !joins(Chaining::Always, Chaining::Head));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chaining {
    /// The one before it and those behind it.
    Always,
    /// Those behind it.
    Head,
    /// None.
    Never,
}

/// One operator of the graph.
///
/// ```
/// use yeoul_frame::OperatorId;
/// use yeoul_operator::{Chaining, Node, NodeKind};
/// # struct Pass;
/// # impl yeoul_operator::Operator for Pass {
/// #     fn process(&mut self, _: yeoul_operator::InputId, _: &yeoul_frame::Frame, _: &mut yeoul_operator::Context<'_>)
/// #     -> Result<(), yeoul_operator::OperatorError> {
/// #         Ok(())
/// #     }
/// # }
/// # let kind = NodeKind::Operator { make: std::sync::Arc::new(|| Box::new(Pass)) };
///
/// let node = Node { uid: "hourly-v1".to_owned(), name: "Hourly tips".to_owned(), parallelism: Some(2), chaining: Chaining::Always, kind };
/// // Its name may change; its state is found by the uid.
/// assert_eq!(node.id(), OperatorId::of("hourly-v1"));
/// ```
#[derive(Clone)]
pub struct Node {
    /// Names its state across restarts. Unique in the graph.
    pub uid: String,
    /// What people read.
    pub name: String,
    /// Number of subtasks: all shards, or fewer.
    pub parallelism: Option<u16>,
    /// With whom it may share a task.
    pub chaining: Chaining,
    /// What it does.
    pub kind: NodeKind,
}

impl Node {
    /// The stable id, from the uid.
    #[must_use]
    pub fn id(&self) -> OperatorId {
        OperatorId::of(&self.uid)
    }
}

/// Records flow from an output of one node to an input of another.
///
/// ```
/// use yeoul_operator::{Edge, InputId, NodeId, OutputId, Partitioning};
///
/// // Late records of the first operator, to one instance of the third.
/// let edge = Edge { from: NodeId(0), output: OutputId(1), to: NodeId(2), input: InputId(0), partitioning: Partitioning::Global };
/// assert!(edge.from < edge.to && edge.output != OutputId::MAIN);
/// ```
#[derive(Clone)]
pub struct Edge {
    /// The sender.
    pub from: NodeId,
    /// Which of its outputs.
    pub output: OutputId,
    /// The receiver.
    pub to: NodeId,
    /// Which of its inputs. Several edges into one input are a union.
    pub input: InputId,
    /// How records are spread.
    pub partitioning: Partitioning,
}

/// Operators and edges. Nodes stand in an order in which every edge points forward.
///
/// ```
/// use yeoul_operator::{Chaining, InputId, JobGraph, Node, NodeKind, OutputId, Partitioning};
/// # struct Pass;
/// # impl yeoul_operator::Operator for Pass {
/// #     fn process(&mut self, _: InputId, _: &yeoul_frame::Frame, _: &mut yeoul_operator::Context<'_>)
/// #     -> Result<(), yeoul_operator::OperatorError> {
/// #         Ok(())
/// #     }
/// # }
/// # let pass = |uid: &str| Node {
/// #     uid: uid.to_owned(), name: uid.to_owned(), parallelism: None, chaining: Chaining::Always,
/// #     kind: NodeKind::Operator { make: std::sync::Arc::new(|| Box::new(Pass)) },
/// # };
///
/// let mut graph = JobGraph { name: "no source".to_owned(), ..JobGraph::default() };
/// let (first, second) = (graph.add(pass("first")), graph.add(pass("second")));
/// graph.connect(first, OutputId::MAIN, second, InputId(0), Partitioning::Rebalance);
/// assert_eq!(graph.edges[0].partitioning.name(), "REBALANCE");
/// assert_eq!(graph.check().unwrap_err(), "operator 'first' has no input");
/// ```
#[derive(Clone, Default)]
pub struct JobGraph {
    /// The job's name.
    pub name: String,
    /// The operators.
    pub nodes: Vec<Node>,
    /// The edges.
    pub edges: Vec<Edge>,
}

impl JobGraph {
    /// Adds an operator.
    pub fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() - 1)
    }

    /// Connects two operators that have both been added.
    pub fn connect(&mut self, from: NodeId, output: OutputId, to: NodeId, input: InputId, partitioning: Partitioning) {
        debug_assert!(from < to && to.0 < self.nodes.len(), "edges point forward");
        self.edges.push(Edge { from, output, to, input, partitioning });
    }

    /// The operators from the `first` on, with all those from which they read.
    ///
    /// ```
    /// use yeoul_operator::{Chaining, InputId, JobGraph, Node, NodeKind, OutputId, Partitioning};
    /// # struct Pass;
    /// # impl yeoul_operator::Operator for Pass {
    /// #     fn process(&mut self, _: InputId, _: &yeoul_frame::Frame, _: &mut yeoul_operator::Context<'_>)
    /// #     -> Result<(), yeoul_operator::OperatorError> {
    /// #         Ok(())
    /// #     }
    /// # }
    /// # let pass = |uid: &str| Node {
    /// #     uid: uid.to_owned(), name: uid.to_owned(), parallelism: None, chaining: Chaining::Always,
    /// #     kind: NodeKind::Operator { make: std::sync::Arc::new(|| Box::new(Pass)) },
    /// # };
    ///
    /// // `a` and `b` ran before; what was added then reads from `a`.
    /// let mut graph = JobGraph::default();
    /// let [a, _, c] = ["a", "b", "c"].map(|uid| graph.add(pass(uid)));
    /// graph.connect(a, OutputId::MAIN, c, InputId(0), Partitioning::Forward);
    /// let next = graph.since(2);
    /// assert_eq!(next.nodes.iter().map(|node| &node.uid[..]).collect::<Vec<_>>(), ["a", "c"]);
    /// ```
    #[must_use]
    pub fn since(&self, first: usize) -> Self {
        let mut stays: Vec<bool> = (0..self.nodes.len()).map(|at| at >= first).collect();
        // Edges point forward: who reads from a node has its answer before the node.
        for at in (0..first.min(stays.len())).rev() {
            stays[at] = self.edges.iter().any(|edge| edge.from.0 == at && stays[edge.to.0]);
        }
        let mut graph = Self { name: self.name.clone(), ..Self::default() };
        let places: Vec<Option<NodeId>> =
            self.nodes.iter().zip(stays).map(|(node, stays)| stays.then(|| graph.add(node.clone()))).collect();
        for edge in &self.edges {
            if let (Some(from), Some(to)) = (places[edge.from.0], places[edge.to.0]) {
                graph.connect(from, edge.output, to, edge.input, edge.partitioning.clone());
            }
        }
        graph
    }

    /// Whether the graph can run, or what is wrong with it.
    ///
    /// # Errors
    /// A message that names the node at fault.
    pub fn check(&self) -> Result<(), String> {
        let mut uids = std::collections::HashMap::new();
        for node in &self.nodes {
            if let Some(other) = uids.insert(node.id(), &node.name) {
                return Err(format!(
                    "operators '{}' and '{other}' have the same uid '{}'; give each a uid of its own",
                    node.name, node.uid
                ));
            }
        }
        for (at, node) in self.nodes.iter().enumerate() {
            let id = NodeId(at);
            let has_input = self.edges.iter().any(|edge| edge.to == id);
            match (&node.kind, has_input) {
                (NodeKind::Source { .. }, true) => return Err(format!("source '{}' has an input", node.name)),
                (NodeKind::Operator { .. } | NodeKind::Sink { .. }, false) => {
                    return Err(format!("operator '{}' has no input", node.name));
                }
                _ => {}
            }
        }
        if !self.nodes.iter().any(|node| matches!(node.kind, NodeKind::Source { .. })) {
            return Err(format!("job '{}' has no source; begin with Environment::from_source", self.name));
        }
        Ok(())
    }
}
