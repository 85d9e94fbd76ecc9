//! What flows through Yeoul: frames of records, and the signals between them.
//!
//! A [`Frame`] is an immutable, reference-counted batch of records with event times and row kinds. Handing it on moves
//! a handle; nothing is copied. It knows nothing of rings, shards' threads, or state.

// `#[record]` names this crate by its path, also within it.
extern crate self as yeoul_frame;

mod batch;
pub mod builder;
pub mod cell;
pub mod columns;
pub mod field_type;
mod frame;
pub mod hash;
pub mod id;
pub mod kind;
mod memory;
pub mod pool;
pub mod record;
mod rows;
mod scatter;
pub mod schema;
pub mod selection;
mod serializer;
pub mod signal;
pub mod time;
pub mod value;

pub use rkyv;

pub use batch::Batch;
pub use builder::{FRAME_BYTES, FRAME_ROWS, PushError, RECORD_BYTES, RowBuilder};
pub use cell::{Cell, CellError, CellFault};
pub use columns::{ColumnBatch, ColumnError, Columns};
pub use field_type::{FieldType, Text};
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
pub use time::{ArchivedTimestamp, Timestamp};
pub use value::Value;
pub use yeoul_derive::{record, record_facade};
