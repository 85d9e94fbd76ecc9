//! DataStream and ProcessFunction over archived rows.
//!
//! Typed streams build a job graph; keyed state, windows and timers are the operators behind them. User code sees `&T::Archived`, in
//! place. Nothing here runs a job: that is `yeoul-runtime`'s, and the harness's for one operator.

pub mod environment;
pub mod watermarks;
pub mod collection;
pub mod data_stream;
pub mod keyed_stream;
pub mod tag;
pub mod collector;
mod side_outputs;
mod stateless;
pub mod process;
mod key_selector;
pub mod window;
pub mod harness;
mod harness_log;

pub use collection::Collection;
pub use collector::Collector;
pub use data_stream::{DataStream, StreamSink};
pub use environment::{GraphError, StreamEnvironment};
pub use harness::{HarnessError, OperatorHarness};
pub use harness_log::HarnessSnapshot;
pub use process::{ProcessContext, ProcessFunction};
pub use keyed_stream::KeyedStream;
pub use tag::OutputTag;
pub use watermarks::WatermarkStrategy;
pub use window::assigner::{
    EventTimeSessionWindows, ProcessingTimeSessionWindows, SlidingEventTimeWindows, SlidingProcessingTimeWindows,
    TumblingEventTimeWindows, TumblingProcessingTimeWindows, WindowAssigner,
};
pub use window::time_window::TimeWindow;
