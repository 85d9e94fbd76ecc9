//! The contract between an operator and the engine: what an operator is given, what it may do, and the graph it stands in.
//!
//! An operator works a frame at a time and is driven: it never waits, starts no thread, and cannot name a shard's ring. What
//! it may emit, freeze or seal is given to it as a context. It does not know who runs it (`yeoul-runtime`).

pub mod context;
pub mod counters;
pub mod metrics;
pub mod error;
pub mod graph;
pub mod operator;
pub mod passed;
pub mod services;
pub mod sink;
pub mod snapshot;
pub mod source;
pub mod watermark;
pub mod typed;
pub mod table;

pub use context::{Context, OpenContext, Subtask, Waker};
pub use counters::{Count, Counters};
pub use error::OperatorError;
pub use graph::{
    Chaining, Edge, InputId, JobGraph, Node, NodeId, NodeKind, OutputId, Partitioner, Partitioning, Router,
};
pub use metrics::{Counter, Gauge, Histogram, Metric, Metrics};
pub use operator::{Operator, Progress, unknown_state};
pub use passed::Passed;
pub use services::{Files, Services};
pub use sink::{Committer, SealedOutput};
pub use snapshot::Snapshot;
pub use source::{Source, SourceContext, SourcePoll, SplitId};
pub use table::{Accepts, TableConnectors, TableDefinition, TableError, TableScan, TableSink, TableSource};
pub use typed::{ERROR_OUTPUT, MakeCommitter, MakeOperator, MakeSource, SinkSpec, SourceSpec};
pub use watermark::{Alignment, Strategy, TimestampAssigner, WatermarkGenerator, WatermarkSpec};
