//! Builds the job graph: the nodes and edges that streams stand for.
//!
//! Mistakes in a program (two operators of one uid, two types for one side output) are kept and reported by
//! [`StreamEnvironment::build`], so that a program reads as one chain of calls.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use yeoul_frame::Record;
use yeoul_operator::{
    Chaining, InputId, JobGraph, MakeOperator, Node, NodeId, NodeKind, OutputId, Partitioning, SinkSpec, SourceSpec,
};

use crate::collection::Collection;
use crate::tag::Sides;
use crate::{DataStream, OutputTag, StreamSink, WatermarkStrategy};

/// Why a graph cannot be run.
///
/// ```
/// use yeoul_stream::{GraphError, StreamEnvironment, WatermarkStrategy};
///
/// let env = StreamEnvironment::new("numbers");
/// let numbers = env.from_collection([1u64, 2], WatermarkStrategy::no_watermarks());
/// # let _ =
/// numbers.map(|n| n.to_native() + 1).uid("same");
/// # let _ =
/// numbers.map(|n| n.to_native() + 2).uid("same");
/// let error: GraphError = env.build().err().unwrap();
/// assert!(error.to_string().contains("have the same uid 'same'"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphError(String);

impl std::fmt::Display for GraphError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for GraphError {}

/// Where a program's streams begin (Flink's `StreamExecutionEnvironment`).
///
/// It builds a graph and runs nothing; cloning gives another handle to the same graph.
///
/// ```
/// use yeoul_stream::{StreamEnvironment, WatermarkStrategy};
///
/// let env = StreamEnvironment::new("words");
/// let words = env.from_collection(vec!["swift".to_owned(), "shallow".to_owned()], WatermarkStrategy::no_watermarks());
/// let (sink, _lengths) = yeoul_stream::collect();
/// words.map(|word| word.len() as u64).name("lengths").sink_to(sink);
/// let graph = env.build()?;
/// assert_eq!(graph.nodes.len(), 3);
/// # Ok::<_, yeoul_stream::GraphError>(())
/// ```
#[derive(Clone)]
pub struct StreamEnvironment(Rc<RefCell<Builder>>);

struct Builder {
    graph: JobGraph,
    sides: HashMap<NodeId, Sides>,
    mistakes: Vec<String>,
    /// How many operators there were when the graph was last taken.
    taken: usize,
}

/// One output of one node, and how records go on from there.
#[derive(Clone)]
pub(crate) struct Port {
    pub(crate) node: NodeId,
    pub(crate) output: OutputId,
    pub(crate) partitioning: Partitioning,
}

impl StreamEnvironment {
    /// An empty graph for a job of this name.
    ///
    /// ```
    /// use yeoul_stream::{StreamEnvironment, WatermarkStrategy};
    ///
    /// let env = StreamEnvironment::new("numbers");
    /// env.from_collection([1u64, 2], WatermarkStrategy::no_watermarks());
    /// assert_eq!(env.build()?.name, "numbers");
    /// # Ok::<_, yeoul_stream::GraphError>(())
    /// ```
    #[must_use]
    pub fn new(job: &str) -> Self {
        let graph = JobGraph { name: job.to_owned(), ..JobGraph::default() };
        Self(Rc::new(RefCell::new(Builder { graph, sides: HashMap::new(), mistakes: Vec::new(), taken: 0 })))
    }

    /// A stream of what a source reads.
    ///
    /// ```
    /// use yeoul_stream::{NumberSequence, StreamEnvironment, WatermarkStrategy};
    ///
    /// let env = StreamEnvironment::new("numbers");
    /// let numbers = env.from_source(NumberSequence::new(0..1_000), WatermarkStrategy::no_watermarks(), "thousand");
    /// numbers.sink_to(yeoul_stream::collect().0);
    /// assert_eq!(env.build()?.nodes[0].name, "thousand");
    /// # Ok::<_, yeoul_stream::GraphError>(())
    /// ```
    pub fn from_source<S: SourceSpec>(
        &self,
        source: S,
        watermarks: WatermarkStrategy<S::Out>,
        name: &str,
    ) -> DataStream<S::Out> {
        self.from_source_with_errors(source, watermarks, name).0
    }

    /// As [`from_source`](Self::from_source), with the stream of what the source could not read, for sources that have one.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, NumberSequence, StreamEnvironment, WatermarkStrategy};
    ///
    /// let env = StreamEnvironment::new("numbers");
    /// let source = NumberSequence::new(0..1_000);
    /// let (numbers, errors) = env.from_source_with_errors(source, WatermarkStrategy::no_watermarks(), "thousand");
    /// numbers.sink_to(yeoul_stream::collect().0);
    /// // A sequence of numbers has none that could not be read. Of text files they are lines.
    /// let errors: DataStream<()> = errors;
    /// # let _ = errors;
    /// assert_eq!(env.build()?.nodes.len(), 2);
    /// # Ok::<_, yeoul_stream::GraphError>(())
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "a source belongs to the stream that is made of it")]
    pub fn from_source_with_errors<S: SourceSpec>(
        &self,
        source: S,
        watermarks: WatermarkStrategy<S::Out>,
        name: &str,
    ) -> (DataStream<S::Out>, DataStream<S::Error>) {
        let kind = NodeKind::Source { make: source.make(), watermarks: watermarks.into_spec() };
        let node = self.add(name, kind, source.parallelism(), &[], &Sides::default());
        (self.output(node, OutputId::MAIN), self.output(node, yeoul_operator::ERROR_OUTPUT))
    }

    /// A stream of these records: for tests and examples. Read by one subtask, in order.
    ///
    /// ```
    /// use yeoul_stream::{StreamEnvironment, WatermarkStrategy, collect};
    ///
    /// let env = StreamEnvironment::new("numbers");
    /// let (sink, doubled) = collect();
    /// env.from_collection([1u64, 2, 3], WatermarkStrategy::no_watermarks()).map(|n| n.to_native() * 2).sink_to(sink);
    /// # let config = yeoul_runtime::JobConfig { shards: 1, pin: false, ..Default::default() };
    /// # yeoul_runtime::spawn(env.build()?, config, Default::default()).wait()?;
    /// // Once the job has run:
    /// assert_eq!(doubled.take(), [2u64, 4, 6]);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_collection<T: Record + Clone>(
        &self,
        records: impl IntoIterator<Item = T>,
        watermarks: WatermarkStrategy<T>,
    ) -> DataStream<T> {
        self.from_source(Collection::of(records), watermarks, "Collection Source")
    }

    /// The graph, if all is well with it.
    ///
    /// ```
    /// use yeoul_stream::{StreamEnvironment, WatermarkStrategy};
    ///
    /// let env = StreamEnvironment::new("numbers");
    /// assert!(env.build().err().unwrap().to_string().contains("has no source"));
    /// env.from_collection([1u64, 2], WatermarkStrategy::no_watermarks()).sink_to(yeoul_stream::collect().0);
    /// assert_eq!(env.build()?.edges.len(), 1);
    /// # Ok::<_, yeoul_stream::GraphError>(())
    /// ```
    ///
    /// # Errors
    /// The first mistake that was made while building it, by the operator's name.
    pub fn build(&self) -> Result<JobGraph, GraphError> {
        let builder = self.0.borrow();
        if let Some(mistake) = builder.mistakes.first() {
            return Err(GraphError(mistake.clone()));
        }
        builder.graph.check().map_err(GraphError)?;
        Ok(builder.graph.clone())
    }

    /// The graph of what was added since the last call, with all that it reads from: that of the next job of this program (what Flink's
    /// `execute` runs). Streams may be read by several jobs; each reads their sources anew.
    ///
    /// ```
    /// use yeoul_stream::{StreamEnvironment, WatermarkStrategy, collect};
    ///
    /// let env = StreamEnvironment::new("numbers");
    /// let numbers = env.from_collection([1u64, 2], WatermarkStrategy::no_watermarks());
    /// for _ in 0..2 {
    ///     numbers.sink_to(collect().0);
    ///     assert_eq!(env.take()?.nodes.len(), 2);
    /// }
    /// assert!(env.take().is_err());
    /// # Ok::<_, yeoul_stream::GraphError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`build`](Self::build), or nothing was added.
    pub fn take(&self) -> Result<JobGraph, GraphError> {
        self.build()?;
        let builder = &mut *self.0.borrow_mut();
        let first = std::mem::replace(&mut builder.taken, builder.graph.nodes.len());
        if first == builder.graph.nodes.len() {
            return Err(GraphError(format!(
                "nothing was added to '{}' since it was executed\n  hint: each job of a program has sinks of its own; what was executed is not \
                 executed again",
                builder.graph.name
            )));
        }
        Ok(builder.graph.since(first))
    }

    /// The stream that leaves by an output.
    pub(crate) fn output<T: Record>(&self, node: NodeId, output: OutputId) -> DataStream<T> {
        DataStream::of(self.clone(), vec![Port { node, output, partitioning: Partitioning::Forward }])
    }

    /// Adds an operator behind these ports; each belongs to an input.
    pub(crate) fn operator(
        &self,
        name: &str,
        make: MakeOperator,
        inputs: &[(InputId, &[Port])],
        sides: &Sides,
    ) -> NodeId {
        self.add(name, NodeKind::Operator { make }, None, inputs, sides)
    }

    /// Adds a sink behind these ports.
    pub(crate) fn sink<S: SinkSpec>(&self, sink: &S, input: &[Port]) -> StreamSink {
        let kind = NodeKind::Sink { make: sink.make(), committer: sink.committer() };
        let node = self.add("Sink", kind, sink.parallelism(), &[(InputId(0), input)], &Sides::default());
        StreamSink { env: self.clone(), node }
    }

    fn add(
        &self,
        name: &str,
        kind: NodeKind,
        parallelism: Option<u16>,
        inputs: &[(InputId, &[Port])],
        sides: &Sides,
    ) -> NodeId {
        let mut builder = self.0.borrow_mut();
        let number = builder.graph.nodes.len();
        let uid = format!("{number}-{name}");
        let node =
            builder.graph.add(Node { uid, name: name.to_owned(), parallelism, chaining: Chaining::Always, kind });
        for (input, ports) in inputs {
            for port in *ports {
                builder.graph.connect(port.node, port.output, node, *input, port.partitioning.clone());
            }
        }
        builder.sides.insert(node, sides.clone());
        node
    }

    /// The side outputs of a node.
    pub(crate) fn sides(&self, node: NodeId) -> Sides {
        self.0.borrow().sides[&node].clone()
    }

    /// The output of a node that the tag stands for.
    pub(crate) fn side<T: Record>(&self, node: NodeId, tag: &OutputTag<T>) -> OutputId {
        self.sides(node).output(tag).unwrap_or_else(|mistake| {
            self.mistake(mistake);
            OutputId::MAIN
        })
    }

    /// Changes a node that has been added.
    pub(crate) fn node(&self, node: NodeId, change: impl FnOnce(&mut Node)) {
        change(&mut self.0.borrow_mut().graph.nodes[node.0]);
    }

    /// Keeps a mistake for [`build`](Self::build) to report.
    pub(crate) fn mistake(&self, mistake: String) {
        self.0.borrow_mut().mistakes.push(mistake);
    }

    /// Whether both are handles to one graph.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}
