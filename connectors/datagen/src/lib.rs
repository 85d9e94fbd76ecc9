//! Sources that make their rows in the process that reads them.
//!
//! A row follows from its number, so any row can be made first, splits hold the rows of the whole, and a restart goes on at the
//! very next row.
//!
//! | module | what |
//! |---|---|
//! | [`numbered`] | the source: splits, positions, pace, for whatever makes rows by number |
//! | [`spec`] | how the columns of a table are to be made |
//! | [`random`] | random values and sequences for the columns of a table (Flink's `datagen`) |

pub mod numbered;
pub mod spec;
pub mod random;

pub use numbered::{NumberedRows, NumberedSource};
pub use random::RandomRows;
pub use spec::{FieldSpec, MOST_TEXT, Values};
