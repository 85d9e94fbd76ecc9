//! Flink's SQL for Yeoul: from a script's text to a plan of relational operators.
//!
//! Text becomes statements ([`parse`]), statements change a session or become plans ([`session`]), a query becomes
//! DataFusion's logical plan with Flink's types, and that a tree of operators' specifications ([`lower`]). This is the only
//! crate that names DataFusion. It knows no runtime, no connector's code and no file.

// Words: what a script says.
pub mod error;
pub mod variables;
mod dialect;
mod interval;
mod lex;
pub mod parse;
pub mod statement;

// Things: what is known while it is read.
pub mod types;
pub mod settings;
pub mod connector;
pub mod catalog;

// Plans.
mod functions;
mod plan;
mod declare;
mod expression;
pub mod lower;
pub mod build;
pub mod session;

pub use error::{SqlError, nearest};
