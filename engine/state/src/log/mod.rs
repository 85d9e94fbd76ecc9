//! The state log: append-only segments of checksummed blocks, one writer a shard.
//!
//! A shard encodes records into a [`LogBuffer`] and knows the [`LogAddress`] of each at once; an I/O thread appends the
//! finished [`Chunk`]s with a [`LogWriter`] and seals epochs. Readers see [`BlockView`]s, and only after the checksum
//! held. `docs/format.md` describes every byte.
//!
//! Not here: which segments a checkpoint consists of (`manifest`), what a record means (`table`).

pub mod address;
pub mod block;
pub mod buffer;
pub mod chunk;
pub mod corrupt;
pub mod header;
pub mod options;
pub mod segment;
mod tail;
pub mod writer;

pub use address::{LogAddress, RunId, SegmentId};
pub use block::{BlockView, OperatorState, Origin, Record, Records, SealedOutput};
pub use buffer::LogBuffer;
pub use chunk::{Chunk, LogFault, Seal};
pub use corrupt::Corrupt;
pub use header::{BlockHeader, BlockKind, Layout, MAX_RECORD_BYTES};
pub use options::{LogOptions, WriterOptions};
pub use segment::{BlockCursor, Segment, SegmentRef};
pub use writer::{LogWriter, Sealed};
