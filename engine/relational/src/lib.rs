//! What each relational operator is told, and what an expression is to it.
//!
//! Plain data: it knows no SQL text, no connector and no planner.

pub mod expression;
pub mod pattern;
pub mod spec;

pub use expression::{EvaluationTime, Expression};
