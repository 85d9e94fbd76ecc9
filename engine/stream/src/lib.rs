//! DataStream and ProcessFunction over archived rows.
//!
//! Typed streams build a job graph; keyed state, windows and timers are the operators behind them. User code sees `&T::Archived`, in
//! place. Nothing here runs a job: that is `yeoul-runtime`'s, and the harness's for one operator.

pub mod environment;
pub mod watermarks;
pub mod collection;
pub mod tag;
pub mod data_stream;
pub mod keyed_stream;
pub mod windowed_stream;
pub mod connected_streams;
pub mod collector;
mod side_outputs;
mod stateless;
pub mod operator_state;
pub mod process;
pub mod broadcast;
mod key_selector;
pub mod timer_service;
pub mod keyed_process;
mod keyed_operator;
pub mod owned_state;
mod keyed_reduce;
mod late;
pub mod window;
pub mod collect;
pub mod savepoint;
pub mod harness;
#[cfg(test)]
mod golden;

pub use broadcast::{BroadcastConnectedStreams, BroadcastContext, BroadcastProcessFunction};
pub use collect::{CollectSink, Collected, collect};
pub use collection::Collection;
pub use collector::Collector;
pub use connected_streams::KeyedConnectedStreams;
pub use data_stream::{DataStream, StreamSink};
pub use environment::{GraphError, StreamEnvironment};
pub use harness::{HarnessError, HarnessSnapshot, OperatorHarness};
pub use keyed_process::{KeyedCoProcessFunction, KeyedContext, KeyedProcessFunction};
pub use keyed_stream::KeyedStream;
pub use operator_state::{BroadcastStateHandle, ListStateHandle, OperatorStates, UnionList, UnionListStateHandle};
pub use owned_state::StateRecord;
pub use process::{ProcessContext, ProcessFunction};
pub use savepoint::{
    Bootstrap, BootstrapContext, KeyedReadContext, KeyedStateBootstrapFunction, KeyedStateReaderFunction,
    OperatorReader, SavepointError, SavepointReader, SavepointWriter,
};
pub use tag::OutputTag;
pub use timer_service::TimeDomain;
pub use watermarks::WatermarkStrategy;
pub use window::assigner::{
    EventTimeSessionWindows, ProcessingTimeSessionWindows, SlidingEventTimeWindows, SlidingProcessingTimeWindows,
    TumblingEventTimeWindows, TumblingProcessingTimeWindows, WindowAssigner,
};
pub use window::function::{Count, ProcessWindowFunction, WindowContext};
pub use window::time_window::TimeWindow;
pub use windowed_stream::WindowedStream;
pub use yeoul_state::AggregateFunction;
