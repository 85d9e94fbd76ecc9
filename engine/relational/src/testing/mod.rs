//! Drives one operator in tests: frames and results as text, snapshots through the encoded log, and the fold of a changelog.

mod harness;
mod script;
mod table;

pub(crate) use harness::{Harness, Step, run_with_restores};
pub(crate) use script::check;
pub(crate) use table::{Fold, Table, fold, rows};
