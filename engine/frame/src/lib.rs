//! What flows through Yeoul: frames of records, and the signals between them.
//!
//! A [`Frame`] is an immutable, reference-counted batch of records with event times and row kinds. Handing it on moves
//! a handle; nothing is copied. It knows nothing of rings, shards' threads, or state.

// `#[record]` names this crate by its path, also within it.
extern crate self as yeoul_frame;

// Numbers and names.
pub mod hash;
pub mod id;
pub mod kind;
pub mod signal;
pub mod time;

// Records, and their fields outside a frame.
pub mod cell;
pub mod field_type;
pub mod field_value;
pub mod record;
pub mod schema;

// How records become a frame.
pub mod builder;
mod memory;
pub mod pool;
mod serializer;
mod text;

// The frame.
mod batch;
pub mod columns;
mod frame;
mod rows;
mod scatter;
pub mod selection;

pub use rkyv;

pub use batch::Batch;
pub use builder::{COLUMN_ROWS, FRAME_BYTES, FRAME_ROWS, PushError, RECORD_BYTES, RowBuilder};
pub use cell::{Cell, CellError, CellFault};
pub use columns::{ColumnBatch, ColumnError, Columns};
pub use field_type::{FieldType, Text};
pub use field_value::FieldValue;
pub use frame::Frame;
pub use hash::{KeyGroups, KeyHash, hash_bytes, hash_u64};
pub use id::{Epoch, KeyGroup, OperatorId, ShardId, TableId};
pub use kind::RowKind;
pub use pool::Pool;
pub use record::{FixedWidth, OwnedRecord, Record, RowDeserializer};
pub use rows::{RowIter, Rows};
pub use scatter::Scatter;
pub use schema::{DataType, Field, Schema};
pub use selection::{Indices, Selection};
pub use serializer::{RowError, RowSerializer};
pub use signal::Signal;
pub use text::TextBuilder;
pub use time::{ArchivedTimestamp, Timestamp};
pub use yeoul_derive::{record, record_facade};
