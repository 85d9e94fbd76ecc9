//! Tables and SQL: scripts whose statements become jobs, run on every core as DataStream programs are.

mod changelog;
mod shown;
mod environment;

pub use changelog::{Unfolded, final_table};
pub use environment::{Results, TableEnvironment};
pub use shown::text_table;
