//! Requests to the outside, many at a time: each record of a stream starts a future, and its results follow the record (Flink's async I/O).
//!
//! The futures are polled on the shard's thread, each when it was woken, and never waited for. There is no executor beside that: what needs
//! one runs there, and the future waits for its answer. Requests in flight are part of the snapshot and are made again after a restore.

mod function;
mod options;
mod retry;
mod stream;
mod order;
mod held;
mod wakes;
mod requests;
mod operator;

pub use function::{AsyncFn, AsyncFunction, AsyncRequest, async_fn};
pub use options::AsyncOptions;
pub use retry::AsyncRetry;
