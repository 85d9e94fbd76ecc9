//! DataStream and ProcessFunction over archived rows.
//!
//! Typed streams build a job graph; keyed state, windows and timers are the operators behind them. User code sees `&T::Archived`, in
//! place. Nothing here runs a job: that is `yeoul-runtime`'s, and the harness's for one operator.

pub mod environment;
pub mod watermarks;
pub mod collection;
mod source;
pub mod tag;
pub mod data_stream;
pub mod keyed_stream;
mod windowed_fold;
pub mod windowed_stream;
pub mod all_windowed_stream;
pub mod connected_streams;
pub mod collector;
mod side_outputs;
mod stateless;
pub mod operator_state;
pub mod process;
pub mod co_process;
pub mod broadcast;
pub mod async_io;
mod key_selector;
pub mod prefetch;
mod custom_partitioner;
pub mod timer_service;
pub mod keyed_process;
mod keyed_operator;
pub mod keyed_broadcast;
pub mod owned_state;
mod keyed_fold;
mod late;
pub mod interval_join;
pub mod co_group;
pub mod window;
mod sink;
pub mod collect;
pub mod savepoint;
pub mod harness;
pub mod conformance;
#[cfg(test)]
mod golden;

pub use all_windowed_stream::AllWindowedStream;
pub use async_io::{AsyncFn, AsyncFunction, AsyncOptions, AsyncRequest, AsyncRetry, async_fn};
pub use broadcast::{BroadcastConnectedStreams, BroadcastContext, BroadcastProcessFunction};
pub use co_group::{
    ArchivedEither, CoGroupedStreams, CoGroupedWindows, Either, Groups, JoinedStreams, JoinedWindows, PairedWindows,
    Pairs,
};
pub use co_process::CoProcessFunction;
pub use collect::{CollectSink, Collected, collect};
pub use collection::Collection;
pub use collector::Collector;
pub use connected_streams::{ConnectedStreams, KeyedConnectedStreams};
pub use data_stream::{DataStream, StreamSink};
pub use environment::{GraphError, StreamEnvironment};
pub use harness::{HarnessError, HarnessSnapshot, OperatorHarness};
pub use interval_join::{IntervalJoined, JoinContext, ProcessJoinFunction};
pub use keyed_broadcast::{
    KeyedBroadcastConnectedStreams, KeyedBroadcastContext, KeyedBroadcastProcessFunction, KeyedBroadcastWriteContext,
};
pub use keyed_process::{KeyedCoProcessFunction, KeyedContext, KeyedProcessFunction};
pub use keyed_stream::KeyedStream;
pub use operator_state::{BroadcastStateHandle, ListStateHandle, OperatorStates, UnionList, UnionListStateHandle};
pub use owned_state::StateRecord;
pub use prefetch::Prefetch;
pub use process::{ProcessContext, ProcessFunction};
pub use savepoint::{
    Bootstrap, BootstrapContext, KeyedReadContext, KeyedStateBootstrapFunction, KeyedStateReaderFunction,
    OperatorReader, SavepointError, SavepointReader, SavepointWriter,
};
pub use sink::{
    AtLeastOnce, EPOCH_LIMIT, EpochCommitter, EpochTarget, EpochWriter, ExactlyOnce, IdempotentSink, RecordWriter,
    Sealed, SinkContext, TransactionalSink, UserSink, WriteContext,
};
pub use source::{
    GeneratorSource, IterReader, NumberSequence, ReadStatus, ReaderContext, SplitOutput, SplitReader, SplitSource,
    UserSource,
};
pub use tag::OutputTag;
pub use timer_service::TimeDomain;
pub use watermarks::WatermarkStrategy;
pub use window::assigner::{
    DynamicEventTimeSessionWindows, DynamicProcessingTimeSessionWindows, EventTimeSessionWindows, GlobalWindows,
    ProcessingTimeSessionWindows, SlidingEventTimeWindows, SlidingProcessingTimeWindows, TumblingEventTimeWindows,
    TumblingProcessingTimeWindows, WindowAssigner,
};
pub use window::custom::CustomWindows;
pub use window::evictor::{CountEvictor, DeltaEvictor, Evictor, EvictorContext, TimeEvictor, TimestampedValue};
pub use window::function::{AllWindowContext, Count, ProcessAllWindowFunction, ProcessWindowFunction, WindowContext};
pub use window::stagger::WindowStagger;
pub use window::states::WindowStates;
pub use window::time_window::{TimeWindow, WindowKey};
pub use window::trigger::{
    ContinuousEventTimeTrigger, ContinuousProcessingTimeTrigger, CountTrigger, DeltaTrigger, EndOfStreamTrigger,
    EventTimeTrigger, LastElement, NeverTrigger, ProcessingTimeTrigger, ProcessingTimeoutTrigger, PurgingTrigger,
    Trigger, TriggerContext, TriggerResult,
};
pub use windowed_stream::WindowedStream;
pub use yeoul_state::AggregateFunction;
