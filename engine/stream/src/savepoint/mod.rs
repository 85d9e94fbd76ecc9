//! The State Processor API: reads a savepoint as typed records, and writes one from data.
//!
//! A program's own declarations say what the bytes mean: a reader declares states as the operator's function does, and is shown each key with
//! them; a bootstrap does the same and writes. The files are those of any savepoint ([`yeoul_state::SavedState`],
//! [`yeoul_state::NewSavepoint`]).

mod bootstrap;
mod description;
mod error;
mod keyed;
mod reader;
mod windows;
mod writer;

pub use bootstrap::{Bootstrap, BootstrapContext, KeyedStateBootstrapFunction};
pub use description::{SavedOperator, SavedOperatorState, SavedTable, StateKind};
pub use error::SavepointError;
pub use keyed::{KeyedReadContext, KeyedRows, KeyedStateReaderFunction, SavedTimer};
pub use reader::{OperatorReader, SavepointReader};
pub use windows::{Aggregated, Records, Reduced, SavedContent, SavedPane, SavedSession, SavedWindow};
pub use writer::SavepointWriter;
