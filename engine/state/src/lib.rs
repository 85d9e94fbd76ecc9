//! What is remembered: keyed tables and timers, and the log, manifest and savepoints that keep them.

pub mod log;
pub mod stored;
pub mod key;
mod key_str;
mod key_bytes;
mod migration;
pub mod state_table;
pub mod table;
pub mod panes;
pub mod timers;
pub mod row;
pub mod ttl;
pub mod keyed;
pub mod broadcast;
pub mod operator_list;
pub mod compaction;
#[cfg(test)]
mod testing;
pub mod commit;
pub mod entry;
pub mod catalog;
pub mod manifest;
pub mod recovery;
pub mod sealed;
pub mod scrub;
pub mod savepoint;
pub mod saved;
pub mod bootstrap;
#[cfg(test)]
mod log_tests;

pub use bootstrap::NewSavepoint;
pub use broadcast::BroadcastState;
pub use key::{Compound, Key};
pub use key_bytes::{KeyBytes, NullableWord};
pub use key_str::KeyStr;
pub use keyed::{
    AggregateFunction, AggregatingHandle, AggregatingState, ListHandle, ListState, MapHandle, MapState, ReducingHandle,
    ReducingState, StateDescriptor, StateHandle, States, ValueHandle, ValueState,
};
pub use migration::NotMigrated;
pub use operator_list::OperatorListState;
pub use panes::Panes;
pub use row::{Row, RowRecord};
pub use saved::{SavedError, SavedState};
pub use state_table::{Drained, StateTable, TableDescription};
pub use stored::{Stored, Value};
pub use table::{Cursor, Table};
pub use timers::{Timer, Timers};
pub use ttl::{Ttl, TtlUpdate, TtlVisibility};
