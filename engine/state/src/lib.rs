//! What is remembered: keyed tables and timers, and the log, manifest and savepoints that keep them.

pub mod log;
pub mod stored;
pub mod key;
mod key_str;
pub mod state_table;
pub mod table;
pub mod panes;
pub mod compaction;
#[cfg(test)]
mod testing;
pub mod mapped;
pub mod commit;
pub mod entry;
pub mod manifest;
pub mod recovery;
pub mod savepoint;
#[cfg(test)]
mod log_tests;

pub use key::{Compound, Key};
pub use key_str::KeyStr;
pub use panes::Panes;
pub use state_table::{Drained, Segments, StateTable, TableDescription};
pub use stored::{Stored, Value};
pub use table::{Cursor, Table};
